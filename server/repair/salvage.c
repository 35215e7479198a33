/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch has a checksum, but not over its base offset and its length. So a batch whose checksum is
 * right may still stand at the wrong offset, and bytes within a record may look like a batch. What
 * is taken has to be proven by a neighbour:
 *
 *   - a batch that begins where one that was taken ends (or at the body's first byte) must have the
 *     offset that comes next; with the gaps of compaction, at least that one;
 *   - behind something damaged, a batch counts only if another sound one begins where it ends, with
 *     the offset that comes next; or if the body ends there, and the segment's offsets, too.
 *
 * From something damaged the way on is its length, if that leads to such a batch, else byte by
 * byte.
 *
 * A reader that asks for an offset in a hole gets the next batch behind it. A hole at the end of
 * the segment is covered by the last batch: its last offset delta is made to reach to the end, as
 * compaction does. Only where no batch is left an empty one covers it all: clients exist that do
 * not bear a batch without records. */
#include "repair/salvage.h"

#include "base/crc32c.h"

enum { AT_MAGIC = 16, AT_LENGTH = 8, AT_EPOCH_OF_LEADER = 12, AT_CRC = 17, AT_LAST_DELTA = 23 };
enum { AT_BASE_TIME = 27, AT_MAX_TIME = 35, AT_PRODUCER = 43, AT_EPOCH = 51, AT_SEQUENCE = 53 };
enum { AT_COUNT = 57 };

void
salvage_init(struct salvage *s, int64_t base, int64_t last, size_t body_bytes)
{
    size_t empty = (size_t)((last - base) / INT32_MAX) + 2;
    *s = (struct salvage){.next = base, .is_empty = true};
    bytes_init(&s->held, SEGMENT_BYTES_MAX);
    segment_builder_init(&s->builder, base, body_bytes + empty * BATCH_HEADER_BYTES);
    s->builder.has_gaps = true;
}

static void
note_hole(struct salvage *s, int64_t first, int64_t last)
{
    bool is_lost = !s->has_gaps || s->is_torn;
    s->is_torn = false;
    if (last < first || !is_lost) {
        return;
    }
    if (s->hole_count > 0 && s->holes[s->hole_count - 1].last + 1 == first) {
        s->holes[s->hole_count - 1].last = last;
        return;
    }
    s->holes = (struct hole *)sl_realloc(s->holes, (s->hole_count + 1) * sizeof(struct hole));
    s->holes[s->hole_count++] = (struct hole){first, last};
}

static enum sl_err
flush(struct salvage *s, struct sl_error *err)
{
    enum sl_err rc =
        s->held.len > 0 ? segment_builder_add(&s->builder, bytes_span(&s->held), err) : SL_OK;
    bytes_clear(&s->held);
    return rc;
}

/* No checksum of the batch covers it, and there is none but 0 here (-1: empty, or another
 * server's): a client that meets a high one waits for a leader that never comes. */
static void
mend_leader_epoch(uint8_t *batch, const struct batch_info *info)
{
    if (info->leader_epoch != 0 && info->leader_epoch != -1) {
        put_u32(batch + AT_EPOCH_OF_LEADER, 0);
    }
}

enum sl_err
salvage_add(struct salvage *s, struct span batches, struct sl_error *err)
{
    struct span rest = batches, batch;
    struct batch_info info;
    enum sl_err rc = SL_OK;
    while (rc == SL_OK && batch_next(&rest, &info, &batch)) {
        rc = flush(s, err);
        bytes_append(&s->held, batch.ptr, batch.len);
        mend_leader_epoch(s->held.data, &info);
        s->is_empty = false;
        note_hole(s, s->next, info.base_offset - 1);
        s->next = batch_last_offset(&info) + 1;
        s->records += (uint64_t)info.count;
    }
    return rc;
}

void
salvage_lost(struct salvage *s, int64_t first, int64_t last)
{
    note_hole(s, first, last);
}

/* --- a damaged body --- */

struct body {
    struct span bytes;
    int64_t last;
    bool is_dense;
};

/* Is there a batch with a right checksum at `at`? */
static bool
is_sound(const struct body *b, size_t at, struct batch_info *info)
{
    struct span rest = span_of(b->bytes.ptr + at, b->bytes.len - at);
    return rest.len >= BATCH_HEADER_BYTES && rest.ptr[AT_MAGIC] == 2 &&
           batch_info_read(rest, info) == SL_OK && info->count >= 0 &&
           info->last_offset_delta >= 0 && info->base_offset >= 0 && info->base_offset <= b->last &&
           info->last_offset_delta <= b->last - info->base_offset &&
           batch_crc_is_right(span_of(rest.ptr, info->size_bytes));
}

static bool
follows(const struct body *b, int64_t offset, int64_t next)
{
    return b->is_dense ? offset == next : offset >= next;
}

/* Does what comes behind a sound batch at `at` say that it belongs there? */
static bool
is_vouched_for(const struct body *b, size_t at, const struct batch_info *info)
{
    struct batch_info behind;
    size_t end = at + info->size_bytes;
    if (end == b->bytes.len) {
        return !b->is_dense || batch_last_offset(info) == b->last;
    }
    return is_sound(b, end, &behind) && follows(b, behind.base_offset, batch_last_offset(info) + 1);
}

/* Where to look on, from something damaged at `at`: the next batch that is vouched for, or the end.
 */
static size_t
next_sound(const struct body *b, size_t at, int64_t next)
{
    struct batch_info info;
    if (b->bytes.len - at >= BATCH_LENGTH_START) {
        size_t by_length = at + BATCH_LENGTH_START;
        uint32_t length = get_u32(b->bytes.ptr + at + AT_LENGTH);
        by_length = length <= b->bytes.len - by_length ? by_length + length : b->bytes.len;
        if (is_sound(b, by_length, &info) && info.base_offset >= next &&
            is_vouched_for(b, by_length, &info)) {
            return by_length;
        }
    }
    for (at++; at < b->bytes.len; at++) {
        if (is_sound(b, at, &info) && info.base_offset >= next && is_vouched_for(b, at, &info)) {
            return at;
        }
    }
    return b->bytes.len;
}

enum sl_err
salvage_body(struct salvage *s, struct span body, int64_t last, bool is_dense, struct sl_error *err)
{
    const struct body b = {body, last, is_dense};
    struct batch_info info;
    s->has_gaps = !is_dense;
    bool is_next = true; /* at begins where something taken ends */
    for (size_t at = 0; at < body.len;) {
        bool is_right = is_sound(&b, at, &info) &&
                        (is_next ? follows(&b, info.base_offset, s->next)
                                 : info.base_offset >= s->next && is_vouched_for(&b, at, &info));
        if (!is_right) {
            at = next_sound(&b, at, s->next);
            is_next = false;
            s->is_torn = true;
            continue;
        }
        enum sl_err rc = salvage_add(s, span_of(body.ptr + at, info.size_bytes), err);
        if (rc != SL_OK) {
            return rc;
        }
        at += info.size_bytes;
        is_next = true;
    }
    return SL_OK;
}

/* --- the end --- */

static void
empty_batch(uint8_t out[BATCH_HEADER_BYTES], int64_t first, int32_t last_delta)
{
    memset(out, 0, BATCH_HEADER_BYTES);
    put_u64(out, (uint64_t)first);
    put_u32(out + AT_LENGTH, BATCH_HEADER_BYTES - BATCH_LENGTH_START);
    put_u32(out + AT_EPOCH_OF_LEADER, UINT32_MAX);
    out[AT_MAGIC] = 2;
    put_u32(out + AT_LAST_DELTA, (uint32_t)last_delta);
    put_u64(out + AT_BASE_TIME, UINT64_MAX);
    put_u64(out + AT_MAX_TIME, UINT64_MAX);
    put_u64(out + AT_PRODUCER, UINT64_MAX);
    put_u16(out + AT_EPOCH, UINT16_MAX);
    put_u32(out + AT_SEQUENCE, UINT32_MAX);
    put_u32(out + AT_COUNT, 0);
    put_u32(out + AT_CRC, crc32c(0, out + BATCH_CRC_START, BATCH_HEADER_BYTES - BATCH_CRC_START));
}

/* Makes the last batch end at last, if it can. */
static void
stretch(struct salvage *s, int64_t last)
{
    uint8_t *p = s->held.data;
    if (s->held.len == 0 || s->next > last || last - get_i64(p) > INT32_MAX) {
        return;
    }
    put_u32(p + AT_LAST_DELTA, (uint32_t)(last - get_i64(p)));
    put_u32(p + AT_CRC, crc32c(0, p + BATCH_CRC_START, s->held.len - BATCH_CRC_START));
    s->next = last + 1;
}

enum sl_err
salvage_finish(struct salvage *s, int64_t last, int64_t created_ms, struct segment_files *files,
               struct sl_error *err)
{
    uint8_t empty[BATCH_HEADER_BYTES];
    note_hole(s, s->next, last);
    stretch(s, last);
    enum sl_err flushed = flush(s, err);
    if (flushed != SL_OK) {
        return flushed;
    }
    while (s->next <= last) {
        int64_t left = last - s->next;
        int32_t delta = left < INT32_MAX ? (int32_t)left : INT32_MAX;
        empty_batch(empty, s->next, delta);
        enum sl_err rc = segment_builder_add(&s->builder, span_of(empty, sizeof(empty)), err);
        if (rc != SL_OK) {
            return rc;
        }
        s->next += (int64_t)delta + 1;
    }
    segment_builder_finish(&s->builder, created_ms, files);
    return SL_OK;
}

void
salvage_fini(struct salvage *s)
{
    segment_builder_fini(&s->builder);
    bytes_fini(&s->held);
    sl_free(s->holes);
    s->holes = NULL;
    s->hole_count = 0;
}
