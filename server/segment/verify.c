/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"
#include "segment/segment.h"

#include <inttypes.h>

struct walk {
    const struct segment_view *v;
    bool may_have_gaps;
    int64_t next_offset;
    int64_t records;
};

static enum sl_err
check_batch(struct walk *w, const struct batch_info *info, struct span batch, struct sl_error *err)
{
    size_t at = SEGMENT_HEADER_BYTES + (size_t)(batch.ptr - w->v->body.ptr);
    if (!batch_crc_is_right(batch)) {
        return sl_error_set(err, SL_ECORRUPT,
                            "batch at byte %zu, offset %" PRId64 ": its CRC is wrong", at,
                            info->base_offset);
    }
    if (!batch_follows(info, w->next_offset, w->may_have_gaps)) {
        return sl_error_set(err, SL_ECORRUPT,
                            "batch at byte %zu begins at offset %" PRId64 ", expected %" PRId64, at,
                            info->base_offset, w->next_offset);
    }
    if (info->base_offset > w->v->last_offset ||
        info->last_offset_delta > w->v->last_offset - info->base_offset) {
        return sl_error_set(err, SL_ECORRUPT,
                            "batch at byte %zu, offset %" PRId64 " and %d more: the footer says"
                            " that offset %" PRId64 " is the last",
                            at, info->base_offset, (int)info->last_offset_delta, w->v->last_offset);
    }
    w->next_offset = batch_last_offset(info) + 1;
    w->records += info->count;
    return SL_OK;
}

static enum sl_err
check_totals(const struct walk *w, struct span rest, struct sl_error *err)
{
    const struct segment_view *v = w->v;
    if (rest.len > 0) {
        return sl_error_set(err, SL_ECORRUPT,
                            "byte %zu, behind offset %" PRId64 ": no whole record batch",
                            SEGMENT_HEADER_BYTES + v->body.len - rest.len, w->next_offset - 1);
    }
    if (w->next_offset != v->last_offset + 1) { /* else who reads there comes to no end */
        return sl_error_set(err, SL_ECORRUPT,
                            "the last batch ends at offset %" PRId64 ", the footer says %" PRId64,
                            w->next_offset - 1, v->last_offset);
    }
    if (w->records != v->message_count) {
        return sl_error_set(err, SL_ECORRUPT, "%" PRId64 " records, the header says %d", w->records,
                            (int)v->message_count);
    }
    return SL_OK;
}

enum sl_err
segment_verify(const struct segment_view *v, bool may_have_gaps, struct sl_error *err)
{
    struct walk w = {v, may_have_gaps, v->base_offset, 0};
    struct span rest = v->body, batch;
    struct batch_info info;
    while (batch_next(&rest, &info, &batch)) {
        enum sl_err rc = check_batch(&w, &info, batch, err);
        if (rc != SL_OK) {
            return rc;
        }
    }
    enum sl_err rc = check_totals(&w, rest, err);
    if (rc != SL_OK) {
        return rc;
    }
    if (crc32c(0, v->body.ptr, v->body.len) != v->crc) {
        return sl_error_set(err, SL_ECORRUPT, "the CRC of the body, bytes %d to %zu, is wrong",
                            SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + v->body.len);
    }
    return SL_OK;
}

enum sl_err
segment_index_verify(const struct segment_index *ix, const struct segment_view *v,
                     struct sl_error *err)
{
    struct span rest = v->body, batch;
    struct batch_info info;
    uint32_t i = 0;
    int64_t since = ix->interval; /* the first batch has one */
    while (batch_next(&rest, &info, &batch)) {
        uint32_t at = (uint32_t)(SEGMENT_HEADER_BYTES + (size_t)(batch.ptr - v->body.ptr));
        if (since >= ix->interval) {
            struct segment_mark m =
                i < ix->count ? segment_index_at(ix, i) : (struct segment_mark){-1, 0};
            if (m.offset != info.base_offset || m.position != at) {
                return sl_error_set(err, SL_ECORRUPT,
                                    "index entry %u is offset %" PRId64 " at byte %u, the segment"
                                    " has offset %" PRId64 " at byte %u",
                                    i, m.offset, m.position, info.base_offset, at);
            }
            i++;
            since = 0;
        }
        since += info.count;
    }
    if (i != ix->count) {
        return sl_error_set(err, SL_ECORRUPT, "%u index entries, the segment has places for %u",
                            ix->count, i);
    }
    return SL_OK;
}
