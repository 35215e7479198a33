/* SPDX-License-Identifier: Apache-2.0
 *
 * The validator and the run walker. The input is a run of batches; its first batch gets a right CRC
 * if the first byte is odd, because no fuzzer guesses one. */
#include "base/buf.h"
#include "base/crc32c.h"
#include "wire/batch.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(struct span run)
{
    struct span rest = run, batch;
    struct batch_info info;
    size_t seen = 0;
    while (batch_next(&rest, &info, &batch)) {
        seen += batch.len;
        batch_crc_is_right(batch);
        batch_last_sequence(&info);
    }
    if (seen + rest.len != run.len) {
        abort();
    }
}

static void
check(uint8_t *p, size_t n)
{
    struct batch_limits limits = {.max_batch_bytes = 1 << 20, .is_zstd_allowed = true};
    struct batch_info info;
    const char *why = NULL;
    enum sl_err rc = batch_check(span_of(p, n), &limits, &info, &why);
    if (rc != SL_OK) {
        if (why == NULL) {
            abort();
        }
        return;
    }
    if (info.size_bytes != n || info.count < 1 || info.last_offset_delta != info.count - 1) {
        abort();
    }
    batch_patch(p, INT64_MAX - info.count, 9);
    batch_set_log_append_time(p, 77);
    if (!batch_crc_is_right(span_of(p, n)) ||
        batch_crc_of_run(0, span_of(p, n)) != crc32c(0, p, n)) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > (1 << 20)) {
        return 0;
    }
    size_t n = size - 1;
    uint8_t *p = sl_alloc(n > 0 ? n : 1);
    memcpy(p, data + 1, n);
    if ((data[0] & 1) != 0 && n >= BATCH_HEADER_BYTES) {
        put_u32(p + 17, crc32c(0, p + BATCH_CRC_START, n - BATCH_CRC_START));
    }
    walk(span_of(p, n));
    check(p, n);
    sl_free(p);
    return 0;
}
