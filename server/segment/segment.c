/* SPDX-License-Identifier: Apache-2.0
 *
 * A segment, `segment-{base}.kfs`, all integers big-endian:
 *
 *    0 "KAFS"
 *    4 version = 1      u16
 *    6 flags = 0        u16
 *    8 base offset      i64   of the first batch
 *   16 message count    i32   records in all batches
 *   20 created          i64   ms since 1970
 *   28 reserved = 0     u32
 *   32 body                   record batches, one after the other, as committed
 *   -16 crc             u32   CRC-32C of the body alone
 *   -12 last offset     i64
 *   -4 "END!"
 *
 * Its index, `segment-{base}.index`:
 *
 *    0 "IDX\0"
 *    4 version = 1      u16
 *    6 count            i32
 *   10 interval         i32   in messages
 *   14 reserved = 0     u16
 *   16 count entries of 12: offset i64, position i32 from the start of the .kfs
 *
 * An entry stands at the first batch, and at the first batch after `interval` messages have passed
 * since the last entry. Nothing in the index is needed to read a segment: who lost it walks the
 * batches.
 *
 * The body's checksum is combined from the batches' own checksums (batch_crc_of_run), which were
 * compared with the bytes when they were read: the bytes are touched once, to copy them. */
#include "segment/segment.h"

#include "base/crc32c.h"

#include <inttypes.h>

static const char header_magic[4] = {'K', 'A', 'F', 'S'};
static const char footer_magic[4] = {'E', 'N', 'D', '!'};
static const char index_magic[4] = {'I', 'D', 'X', '\0'};
enum { VERSION = 1 };

/* --- writing --- */

void
segment_builder_init(struct segment_builder *b, int64_t base_offset, size_t body_bytes)
{
    *b = (struct segment_builder){
        .base_offset = base_offset, .next_offset = base_offset, .max_timestamp = -1};
    SL_ASSERT(body_bytes < SEGMENT_BYTES_MAX - SEGMENT_HEADER_BYTES - SEGMENT_FOOTER_BYTES);
    b->object = buf_new(SEGMENT_HEADER_BYTES + body_bytes + SEGMENT_FOOTER_BYTES);
    b->object->len = SEGMENT_HEADER_BYTES;
    bytes_init(&b->index, SEGMENT_BYTES_MAX);
    (void)bytes_grow(&b->index, SEGMENT_INDEX_HEADER_BYTES);
}

static void
index_add(struct segment_builder *b, const struct batch_info *info, size_t position)
{
    if (b->index_count == 0 || b->since_index >= SEGMENT_INDEX_INTERVAL) {
        bytes_u64(&b->index, (uint64_t)info->base_offset);
        bytes_u32(&b->index, (uint32_t)position);
        b->index_count++;
        b->since_index = 0;
    }
    b->since_index += info->count;
}

static enum sl_err
note_batch(struct segment_builder *b, const struct batch_info *info, size_t position,
           struct sl_error *err)
{
    if (!batch_follows(info, b->next_offset, b->has_gaps) ||
        info->count > INT32_MAX - b->message_count) {
        return sl_error_set(err, SL_ECORRUPT,
                            "batch at offset %" PRId64 " cannot follow offset %" PRId64
                            " in a segment",
                            info->base_offset, b->next_offset - 1);
    }
    index_add(b, info, position);
    b->message_count += info->count;
    b->next_offset = batch_last_offset(info) + 1;
    if (info->max_timestamp > b->max_timestamp) {
        b->max_timestamp = info->max_timestamp;
    }
    return SL_OK;
}

enum sl_err
segment_builder_add(struct segment_builder *b, struct span batches, struct sl_error *err)
{
    size_t room = b->object->cap - SEGMENT_FOOTER_BYTES - b->object->len;
    if (batches.len > room) {
        return sl_error_set(err, SL_ETOO_LARGE, "%zu bytes of batches, room for %zu", batches.len,
                            room);
    }
    struct span rest = batches;
    struct batch_info info;
    struct span batch;
    while (batch_next(&rest, &info, &batch)) {
        size_t position = b->object->len + (size_t)(batch.ptr - batches.ptr);
        enum sl_err rc = note_batch(b, &info, position, err);
        if (rc != SL_OK) {
            return rc;
        }
    }
    if (rest.len > 0) {
        return sl_error_set(err, SL_ECORRUPT,
                            "%zu bytes behind offset %" PRId64 " are no record batch", rest.len,
                            b->next_offset - 1);
    }
    if (batches.len > 0) {
        memcpy(b->object->data + b->object->len, batches.ptr, batches.len);
    }
    b->object->len += batches.len;
    b->crc = batch_crc_of_run(b->crc, batches);
    return SL_OK;
}

static void
header_put(const struct segment_builder *b, int64_t created_ms, uint8_t *p)
{
    memcpy(p, header_magic, sizeof(header_magic));
    put_u16(p + 4, VERSION);
    put_u16(p + 6, 0);
    put_u64(p + 8, (uint64_t)b->base_offset);
    put_u32(p + 16, (uint32_t)b->message_count);
    put_u64(p + 20, (uint64_t)created_ms);
    put_u32(p + 28, 0);
}

static void
footer_put(const struct segment_builder *b, uint8_t *p)
{
    put_u32(p, b->crc);
    put_u64(p + 4, (uint64_t)(b->next_offset - 1));
    memcpy(p + 12, footer_magic, sizeof(footer_magic));
}

static void
index_header_put(const struct segment_builder *b, uint8_t *p)
{
    memcpy(p, index_magic, sizeof(index_magic));
    put_u16(p + 4, VERSION);
    put_u32(p + 6, b->index_count);
    put_u32(p + 10, SEGMENT_INDEX_INTERVAL);
    put_u16(p + 14, 0);
}

void
segment_builder_finish(struct segment_builder *b, int64_t created_ms, struct segment_files *ret)
{
    SL_ASSERT(b->index_count > 0);
    header_put(b, created_ms, b->object->data);
    footer_put(b, b->object->data + b->object->len);
    b->object->len += SEGMENT_FOOTER_BYTES;
    index_header_put(b, b->index.data);
    *ret = (struct segment_files){
        .kfs = b->object,
        .index = buf_copy(bytes_span(&b->index)),
        .base_offset = b->base_offset,
        .last_offset = b->next_offset - 1,
        .max_timestamp = b->max_timestamp,
        .message_count = b->message_count,
    };
    b->object = NULL;
    segment_builder_fini(b);
}

void
segment_builder_fini(struct segment_builder *b)
{
    buf_unref(&b->object);
    bytes_fini(&b->index);
}

/* --- reading --- */

static enum sl_err
check_head(struct span object, struct sl_error *err)
{
    if (object.len < SEGMENT_HEADER_BYTES + SEGMENT_FOOTER_BYTES) {
        return sl_error_set(err, SL_ECORRUPT, "a segment has at least %d bytes, this one has %zu",
                            SEGMENT_HEADER_BYTES + SEGMENT_FOOTER_BYTES, object.len);
    }
    if (object.len >= SEGMENT_BYTES_MAX) {
        return sl_error_set(err, SL_ECORRUPT,
                            "a segment has less than 2 GiB, since positions are i32; this one has "
                            "%zu bytes",
                            object.len);
    }
    if (memcmp(object.ptr, header_magic, sizeof(header_magic)) != 0) {
        return sl_error_set(err, SL_ECORRUPT, "no segment: wrong magic at byte 0");
    }
    if (get_u16(object.ptr + 4) != VERSION || get_u16(object.ptr + 6) != 0) {
        return sl_error_set(err, SL_EVERSION,
                            "segment version %u with flags 0x%x at byte 4 is unknown to this"
                            " program",
                            (unsigned)get_u16(object.ptr + 4), (unsigned)get_u16(object.ptr + 6));
    }
    return SL_OK;
}

enum sl_err
segment_open(struct span object, struct segment_view *ret, struct sl_error *err)
{
    enum sl_err rc = check_head(object, err);
    if (rc != SL_OK) {
        return rc;
    }
    size_t foot = object.len - SEGMENT_FOOTER_BYTES;
    if (memcmp(object.ptr + foot + 12, footer_magic, sizeof(footer_magic)) != 0) {
        return sl_error_set(err, SL_ECORRUPT, "the segment's end is missing: no END! at byte %zu",
                            foot + 12);
    }
    *ret = (struct segment_view){
        .base_offset = get_i64(object.ptr + 8),
        .message_count = get_i32(object.ptr + 16),
        .created_ms = get_i64(object.ptr + 20),
        .crc = get_u32(object.ptr + foot),
        .last_offset = get_i64(object.ptr + foot + 4),
        .body = span_of(object.ptr + SEGMENT_HEADER_BYTES, foot - SEGMENT_HEADER_BYTES),
    };
    if (ret->base_offset < 0 || ret->last_offset < ret->base_offset ||
        ret->last_offset == INT64_MAX || ret->message_count < 0) {
        return sl_error_set(err, SL_ECORRUPT,
                            "the segment says offsets %" PRId64 " to %" PRId64 " with %d records",
                            ret->base_offset, ret->last_offset, (int)ret->message_count);
    }
    return SL_OK;
}

struct segment_mark
segment_index_at(const struct segment_index *ix, uint32_t i)
{
    const uint8_t *at = ix->entries + (size_t)i * SEGMENT_INDEX_ENTRY_BYTES;
    return (struct segment_mark){get_i64(at), get_u32(at + 8)};
}

static enum sl_err
check_marks(const struct segment_index *ix, struct sl_error *err)
{
    struct segment_mark last = {-1, SEGMENT_HEADER_BYTES - 1};
    for (uint32_t i = 0; i < ix->count; i++) {
        struct segment_mark m = segment_index_at(ix, i);
        if (m.offset <= last.offset || m.position <= last.position || m.position > INT32_MAX) {
            return sl_error_set(err, SL_ECORRUPT,
                                "index entry %u does not rise: offset %" PRId64 ", position %u", i,
                                m.offset, m.position);
        }
        last = m;
    }
    return SL_OK;
}

enum sl_err
segment_index_open(struct span object, struct segment_index *ret, struct sl_error *err)
{
    if (object.len < SEGMENT_INDEX_HEADER_BYTES ||
        memcmp(object.ptr, index_magic, sizeof(index_magic)) != 0) {
        return sl_error_set(err, SL_ECORRUPT, "no segment index: wrong magic at byte 0");
    }
    if (get_u16(object.ptr + 4) != VERSION) {
        return sl_error_set(err, SL_EVERSION,
                            "segment index version %u at byte 4 is unknown to this program",
                            (unsigned)get_u16(object.ptr + 4));
    }
    *ret = (struct segment_index){.entries = object.ptr + SEGMENT_INDEX_HEADER_BYTES,
                                  .count = get_u32(object.ptr + 6),
                                  .interval = get_i32(object.ptr + 10)};
    size_t room = (object.len - SEGMENT_INDEX_HEADER_BYTES) / SEGMENT_INDEX_ENTRY_BYTES;
    if (ret->count == 0 || ret->count != room || ret->interval <= 0 ||
        (object.len - SEGMENT_INDEX_HEADER_BYTES) % SEGMENT_INDEX_ENTRY_BYTES != 0) {
        return sl_error_set(err, SL_ECORRUPT, "the index says %u entries, %zu bytes follow",
                            ret->count, object.len - SEGMENT_INDEX_HEADER_BYTES);
    }
    return check_marks(ret, err);
}

uint32_t
segment_index_seek(const struct segment_index *ix, int64_t offset)
{
    uint32_t low = 0, high = ix->count;
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (segment_index_at(ix, mid).offset <= offset) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return low;
}
