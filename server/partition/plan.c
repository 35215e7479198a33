/* SPDX-License-Identifier: Apache-2.0
 *
 * From offsets and times to bytes of objects: first the segments, then the live runs. */
#include "partition/extent.h"
#include "partition/shard_int.h"
#include "segment/segment.h"

/* --- slices of a segment --- */

/* Without slices a segment is one. */
static uint32_t
slice_count(const struct segment_ref *s)
{
    return s->slice_count == 0 ? 1 : s->slice_count;
}

static struct part_stretch
slice_at(const struct segment_ref *s, uint32_t i, uint32_t *ret_position)
{
    uint32_t end = (uint32_t)s->bytes - SEGMENT_FOOTER_BYTES;
    if (s->slice_count == 0) {
        *ret_position = SEGMENT_HEADER_BYTES;
        return (struct part_stretch){s->base, s->last + 1, s->max_timestamp,
                                     end - SEGMENT_HEADER_BYTES};
    }
    const struct segment_slice *at = &s->slices[i];
    bool is_last = i + 1 == s->slice_count;
    *ret_position = at->position;
    return (struct part_stretch){
        s->base + at->offset_delta, is_last ? s->last + 1 : s->base + at[1].offset_delta,
        at->max_timestamp, (is_last ? end : at[1].position) - at->position};
}

/* The slice that holds offset, or would. */
static uint32_t
slice_of(const struct segment_ref *s, int64_t offset)
{
    uint32_t i = 0;
    while (i + 1 < s->slice_count && s->base + s->slices[i + 1].offset_delta <= offset) {
        i++;
    }
    return i;
}

/* --- plan --- */

static struct extent
extent_of_segment(const struct segment_ref *s, int64_t offset)
{
    uint32_t position;
    struct part_stretch at = slice_at(s, slice_of(s, offset), &position);
    return (struct extent){.is_segment = true,
                           .may_have_gaps = s->gen > 0,
                           .base = s->base,
                           .gen = s->gen,
                           .first_offset = at.first_offset,
                           .next_offset = s->last + 1,
                           .position = position,
                           .length = (uint32_t)s->bytes - SEGMENT_FOOTER_BYTES - position};
}

static struct extent
extent_of_run(const struct run_ref *run)
{
    return (struct extent){.n = run->n,
                           .first_offset = run->base_offset,
                           .next_offset = run->base_offset + run->offset_count,
                           .position = run->position,
                           .length = run->length,
                           .crc = run->crc};
}

/* Gives how many bytes the segments give at most. */
static size_t
plan_segments(const struct part_read *r, const struct part_state *p, struct plan *plan)
{
    const struct segment_ref *first = part_find_segment(p, r->offset);
    size_t count = part_segment_count(p), total = 0;
    size_t i = first == NULL ? count : (size_t)(first - part_segment(p, 0));
    for (; i < count && plan->count < READ_PIECES_MAX && (plan->count == 0 || total < r->max_bytes);
         i++) {
        const struct segment_ref *s = part_segment(p, i);
        if (s->bytes > SEGMENT_HEADER_BYTES + SEGMENT_FOOTER_BYTES) {
            plan->extents[plan->count++] = extent_of_segment(s, r->offset);
            total += plan->extents[plan->count - 1].length;
        }
    }
    return total;
}

void
shard__plan(const struct part_read *r, const struct part_state *p, struct plan *plan)
{
    plan->count = 0;
    plan->partition = p->index;
    span_to_cstr(span_cstr(part_dir(p)), plan->dir, sizeof(plan->dir));
    size_t total = plan_segments(r, p, plan);
    const struct run_ref *first = part_find_run(p, r->offset);
    size_t i = first == NULL ? 0 : (size_t)(first - part_run(p, 0));
    for (; i < p->run_count && plan->count < READ_PIECES_MAX; i++) {
        const struct run_ref *run = part_run(p, i);
        bool is_exempt = plan->count == 0 && r->is_at_least_one;
        if (!is_exempt && total + run->length > r->max_bytes) {
            break;
        }
        plan->extents[plan->count++] = extent_of_run(run);
        total += run->length;
    }
}

bool
shard__extent_key(const struct shard *sh, const struct plan *plan, const struct extent *x,
                  char key[STORE_KEY_MAX])
{
    if (!x->is_segment) {
        entry_key(key, STORE_KEY_MAX, sh->o.journal.prefix, sh->o.journal.index, x->n);
        return true;
    }
    const struct segment_place at = {plan->dir, plan->partition, x->base, x->gen};
    return shard_segment_key(sh, &at, SEGMENT_FILE_KFS, key);
}

bool
shard_segment_key(const struct shard *sh, const struct segment_place *at, enum segment_file file,
                  char key[STORE_KEY_MAX])
{
    char long_key[SEGMENT_KEY_MAX];
    const struct segment_name name = {.ns = span_cstr(sh->o.segment_namespace),
                                      .topic = span_cstr(at->dir),
                                      .partition = at->partition,
                                      .base_offset = at->base,
                                      .generation = at->gen};
    if (at->dir == NULL || !segment_key(&name, file, long_key) ||
        strlen(long_key) >= STORE_KEY_MAX) {
        return false;
    }
    memcpy(key, long_key, strlen(long_key) + 1);
    return true;
}

/* --- times --- */

static bool
segment_stretch(const struct segment_ref *s, int64_t from, int64_t time_ms,
                struct part_stretch *ret)
{
    uint32_t position;
    for (uint32_t i = 0; s->bytes > 0 && i < slice_count(s); i++) {
        *ret = slice_at(s, i, &position);
        if (ret->next_offset > from && ret->max_timestamp >= time_ms) {
            return true;
        }
    }
    return false;
}

static struct part_stretch
run_stretch(const struct run_ref *run)
{
    return (struct part_stretch){run->base_offset, run->base_offset + run->offset_count,
                                 run->max_timestamp, run->length};
}

static bool
run_at_time(const struct part_state *p, int64_t from, int64_t time_ms, struct part_stretch *ret)
{
    const struct run_ref *first = part_find_run(p, from);
    size_t i = first == NULL ? 0 : (size_t)(first - part_run(p, 0));
    for (; i < p->run_count; i++) {
        if (part_run(p, i)->max_timestamp >= time_ms) {
            *ret = run_stretch(part_run(p, i));
            return true;
        }
    }
    return false;
}

bool
shard__stretch_at_time(const struct part_state *p, int64_t from, int64_t time_ms,
                       struct part_stretch *ret)
{
    if (from >= p->end) {
        return false;
    }
    from = from < p->start ? p->start : from;
    const struct segment_ref *first = part_find_segment(p, from);
    size_t count = part_segment_count(p);
    size_t i = first == NULL ? count : (size_t)(first - part_segment(p, 0));
    for (; i < count; i++) {
        const struct segment_ref *s = part_segment(p, i);
        if (s->max_timestamp >= time_ms && segment_stretch(s, from, time_ms, ret)) {
            return true;
        }
    }
    return run_at_time(p, from, time_ms, ret);
}

/* Is a the one to read before b? */
static bool
promises_more(const struct part_stretch *a, const struct part_stretch *b)
{
    return a->max_timestamp > b->max_timestamp ||
           (a->max_timestamp == b->max_timestamp && a->first_offset < b->first_offset);
}

struct promise_search {
    const struct part_stretch *last;
    int64_t start, above;
    struct part_stretch best;
    bool is_found;
};

static void
consider(struct promise_search *s, struct part_stretch at)
{
    bool is_left =
        at.next_offset > s->start && at.max_timestamp > s->above && promises_more(s->last, &at);
    if (is_left && (!s->is_found || promises_more(&at, &s->best))) {
        s->best = at;
        s->is_found = true;
    }
}

bool
shard__stretch_of_max_time(const struct part_state *p, const struct part_stretch *last,
                           int64_t above, struct part_stretch *ret)
{
    struct promise_search s = {.last = last, .start = p->start, .above = above};
    uint32_t position;
    for (size_t i = 0; i < part_segment_count(p); i++) {
        const struct segment_ref *seg = part_segment(p, i);
        bool is_worth = seg->bytes > 0 && seg->max_timestamp > above &&
                        (!s.is_found || seg->max_timestamp >= s.best.max_timestamp);
        for (uint32_t k = 0; is_worth && k < slice_count(seg); k++) {
            consider(&s, slice_at(seg, k, &position));
        }
    }
    for (size_t i = 0; i < p->run_count; i++) {
        consider(&s, run_stretch(part_run(p, i)));
    }
    *ret = s.best;
    return s.is_found;
}

int64_t
shard__part_bytes(const struct part_state *p)
{
    int64_t total = 0;
    for (size_t i = 0; i < part_segment_count(p); i++) {
        total += (int64_t)part_segment(p, i)->bytes;
    }
    for (size_t i = 0; i < p->run_count; i++) {
        total += part_run(p, i)->length;
    }
    return total;
}
