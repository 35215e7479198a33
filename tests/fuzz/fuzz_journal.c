/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that a journal reads back from the store: the first byte chooses the decoder.
 * Checksums are made right where a decoder wants them, so that what lies behind them is reached. */
#include "base/crc32c.h"
#include "journal/entry.h"
#include "journal/manifest.h"
#include "state/state.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CEILING (1u << 20)

static void
apply_all(const struct entry_view *v)
{
    struct state *st = state_new();
    struct entry_cursor c = entry_items(v);
    struct entry_item it;
    bool is_bad;
    while (entry_next(&c, &it, &is_bad)) {
        const struct state_item item = {.n = v->h.n,
                                        .time_ms = v->h.time_ms,
                                        .head_bytes = v->h.head_bytes,
                                        .kind = it.kind,
                                        .version = it.version,
                                        .payload = it.payload};
        if (state_apply(st, &item, NULL) != SL_OK) {
            break;
        }
        state_check(st);
    }
    state_destroy(&st);
}

static void
entry(uint8_t *p, size_t size)
{
    static const uint8_t zero[4];
    struct entry_view v;
    size_t need;
    if (size >= ENTRY_HEADER_BYTES) {
        put_u32(p, ENTRY_MAGIC);
        put_u16(p + 4, 1);
        put_u32(p + 92, (uint32_t)(size - ENTRY_HEADER_BYTES));
        put_u32(p + 96, (uint32_t)size);
        uint32_t crc = crc32c(crc32c(0, p, 100), zero, 4);
        put_u32(p + 100, crc32c(crc, p + 104, size - 104));
    }
    if (entry_parse(span_of(p, size), &v, &need, NULL) == SL_OK) {
        apply_all(&v);
    } else if (size >= ENTRY_HEADER_BYTES) {
        abort(); /* lengths and checksum were made right */
    }
}

static void
manifest(uint8_t *p, size_t size)
{
    struct manifest m;
    struct bytes out;
    if (size < 4) {
        return;
    }
    put_u32(p + size - 4, crc32c(0, p, size - 4));
    if (manifest_decode(span_of(p, size), &m, NULL) != SL_OK) {
        return;
    }
    bytes_init(&out, CEILING);
    manifest_encode(&m, &out);
    struct manifest again;
    if (manifest_decode(bytes_span(&out), &again, NULL) != SL_OK || again.version != m.version) {
        abort();
    }
    bytes_fini(&out);
}

static void
snapshot(struct span bytes)
{
    struct snapshot_header h;
    struct bytes content;
    bytes_init(&content, CEILING);
    (void)!snapshot_decode(bytes, &h, &content, NULL);
    bytes_fini(&content);
}

/* What can be restored can be written and restored again. */
static void
restore(struct span bytes)
{
    struct state *st = state_new();
    struct bytes out;
    bytes_init(&out, 16 * CEILING);
    if (state_restore(st, bytes, NULL) == SL_OK) {
        state_check(st);
        state_snapshot(st, &out);
        if (bytes.len > 0 && state_restore(st, bytes_span(&out), NULL) != SL_OK) {
            abort();
        }
    }
    bytes_fini(&out);
    state_destroy(&st);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > (1 << 16)) {
        return 0;
    }
    size_t n = size - 1;
    uint8_t *copy = malloc(n > 0 ? n : 1);
    memcpy(copy, data + 1, n);
    switch (data[0] % 4) {
    case 0:
        entry(copy, n);
        break;
    case 1:
        manifest(copy, n);
        break;
    case 2:
        snapshot(span_of(copy, n));
        break;
    default:
        restore(span_of(copy, n));
        break;
    }
    free(copy);
    return 0;
}
