/* SPDX-License-Identifier: Apache-2.0
 *
 * The extent of a segment to come: whole runs from where the registered segments end, and its
 * slices, which begin where runs do. */
#include "partition/roller_int.h"

enum { SLICE_BYTES_MIN = 1 << 20, RUNS_MAX = 200000 };

static size_t
slice_bytes(const struct roll_job *j)
{
    size_t even = j->body_bytes / SEGMENT_SLICES_MAX + 1;
    return even > SLICE_BYTES_MIN ? even : SLICE_BYTES_MIN;
}

static void
plan_slices(struct roll_job *j, const struct part_state *p)
{
    size_t at = SEGMENT_HEADER_BYTES, room = 0, each = slice_bytes(j);
    j->slice_count = 0;
    for (size_t i = 0; i < p->run_count && part_run(p, i)->base_offset <= j->last; i++) {
        const struct run_ref *r = part_run(p, i);
        if (j->slice_count == 0 || (room >= each && j->slice_count < SEGMENT_SLICES_MAX)) {
            j->slices[j->slice_count++] =
                (struct segment_slice){(uint32_t)(r->base_offset - j->base), (uint32_t)at, -1};
            room = 0;
        }
        struct segment_slice *s = &j->slices[j->slice_count - 1];
        s->max_timestamp =
            r->max_timestamp > s->max_timestamp ? r->max_timestamp : s->max_timestamp;
        room += r->length;
        at += r->length;
    }
}

/* The header counts records in 31 bits; runs have as many as offsets. */
static bool
fits(const struct roll_job *j, const struct run_ref *r, int64_t bytes, int64_t limit)
{
    return bytes + r->length <= limit &&
           r->base_offset + r->offset_count - j->base <= (int64_t)INT32_MAX;
}

bool
roll__plan(struct roll_job *j, const struct part_state *p, int64_t limit, int64_t last)
{
    int64_t bytes = 0, end = part_registered_end(p);
    j->base = end;
    for (size_t i = 0; i < p->run_count; i++) {
        const struct run_ref *r = part_run(p, i);
        bool is_enough = last >= 0 ? r->base_offset > last
                                   : i == RUNS_MAX || (i > 0 && !fits(j, r, bytes, limit));
        if (is_enough) {
            break;
        }
        bytes += r->length;
        end = r->base_offset + r->offset_count;
    }
    if (bytes == 0 || bytes >= (int64_t)SEGMENT_BYTES_MAX - ROLL_THEIRS_BYTES ||
        end - j->base > (int64_t)UINT32_MAX || (last >= 0 && end != last + 1)) {
        return false;
    }
    j->last = end - 1;
    j->body_bytes = (size_t)bytes;
    plan_slices(j, p);
    return true;
}
