/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands behind a batch's header, per codec: 1 byte codec, 2 bytes count, then the records,
 * compressed or not. The header is made here, so that every input is a batch. */
#include "wire/records.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CEILING (1u << 20)

static void
walk(struct span batch, struct bytes *scratch)
{
    struct record_iter it;
    if (records_open(batch, scratch, &it) != SL_OK) {
        return;
    }
    struct record rec;
    int64_t n = 0;
    while (record_next(&it, &rec)) {
        struct span rest = rec.headers, key, value;
        int32_t headers = 0;
        while (record_header_next(&rest, &key, &value)) {
            headers++;
        }
        if (headers != rec.header_count || rec.offset < it.batch.base_offset) {
            abort();
        }
        n++;
    }
    if (it.rc == SL_OK && n != it.batch.count) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > (1 << 16)) {
        return 0;
    }
    struct bytes batch, scratch;
    bytes_init(&batch, size + BATCH_HEADER_BYTES);
    bytes_init(&scratch, CEILING);
    uint8_t *p = bytes_grow(&batch, BATCH_HEADER_BYTES);
    memset(p, 0, BATCH_HEADER_BYTES);
    put_u32(p + 8, (uint32_t)(BATCH_HEADER_BYTES - BATCH_LENGTH_START + size - 3));
    p[16] = 2;
    p[22] = data[0] & 0x0f;
    put_u32(p + 23, (uint32_t)get_u16(data + 1) - 1);
    put_u64(p + 27, 1000);
    put_u64(p + 35, 2000);
    put_u32(p + 57, get_u16(data + 1));
    bytes_append(&batch, data + 3, size - 3);
    walk(bytes_span(&batch), &scratch);
    struct record_position pos;
    (void)!batch_find_timestamp(bytes_span(&batch), 1500, &scratch, &pos);
    (void)!batch_find_max_timestamp(bytes_span(&batch), &scratch, &pos);
    if (scratch.len > CEILING) {
        abort();
    }
    bytes_fini(&batch);
    bytes_fini(&scratch);
    return 0;
}
