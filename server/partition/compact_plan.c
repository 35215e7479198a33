/* SPDX-License-Identifier: Apache-2.0
 *
 * Kafka's conditions: nothing younger than min.compaction.lag.ms, nor anything behind it; at least
 * min.cleanable.dirty.ratio of the bytes dirty, or the oldest dirty one older than
 * max.compaction.lag.ms. */
#include "partition/compact_plan.h"

static int64_t
newest_of(const struct segment_ref *s)
{
    return s->max_timestamp >= 0 ? s->max_timestamp : s->created_ms;
}

static int64_t
oldest_of(const struct segment_ref *s)
{
    return s->max_timestamp >= 0 && s->max_timestamp < s->created_ms ? s->max_timestamp
                                                                     : s->created_ms;
}

/* The difference of two times that a producer wrote may be anything. */
static bool
is_older(int64_t then_ms, int64_t age_ms, int64_t wall_ms)
{
    int64_t before;
    return !__builtin_sub_overflow(wall_ms, age_ms, &before) && then_ms < before;
}

void
compact_look(const struct part_state *p, const struct part_policy *policy, int64_t wall_ms,
             struct compact_view *ret)
{
    size_t count = part_segment_count(p), i = 0;
    *ret = (struct compact_view){0};
    for (; i < count && part_segment(p, i)->gen > 0; i++) {
        ret->clean_bytes += part_segment(p, i)->bytes;
    }
    ret->dirty = i;
    for (; i < count; i++) {
        const struct segment_ref *s = part_segment(p, i);
        if (policy->min_compaction_lag_ms > 0 &&
            !is_older(newest_of(s), policy->min_compaction_lag_ms, wall_ms)) {
            break;
        }
        ret->dirty_bytes += s->bytes;
    }
    ret->end = i;
    if (ret->end == ret->dirty) {
        return;
    }
    uint64_t all = ret->clean_bytes + ret->dirty_bytes;
    ret->dirty_pm = all == 0 ? 0 : (int)((double)ret->dirty_bytes * 1000 / (double)all);
    ret->is_due =
        ret->dirty_pm >= policy->dirty_ratio_pm ||
        is_older(oldest_of(part_segment(p, ret->dirty)), policy->max_compaction_lag_ms, wall_ms);
}

static enum compact_kind
kind_of(const struct segment_ref *s, const struct part_policy *policy, int64_t wall_ms)
{
    if (s->gen == 0) {
        return COMPACT_DIRTY;
    }
    if (s->bytes == 0) {
        return COMPACT_SETTLED; /* nothing is left of it, tombstones neither */
    }
    return is_older(s->created_ms, policy->delete_retention_ms, wall_ms) ? COMPACT_SETTLED
                                                                         : COMPACT_YOUNG;
}

/* The last batch that stays must be able to reach to the end, wherever it begins. */
static bool
fits(const struct compact_group *g, const struct segment_ref *first, const struct segment_ref *s,
     int64_t segment_bytes)
{
    return g->kind != COMPACT_YOUNG && g->count < SEGMENT_SOURCES_MAX &&
           (int64_t)(g->bytes + s->bytes) <= segment_bytes &&
           g->records + s->record_count <= INT32_MAX && s->last - first->base <= (int64_t)INT32_MAX;
}

bool
compact_next_group(const struct part_state *p, const struct part_policy *policy,
                   const struct compact_limits *limits, int64_t from, struct compact_group *ret)
{
    size_t count = part_segment_count(p), i = 0;
    while (i < count && part_segment(p, i)->base < from) {
        i++;
    }
    *ret = (struct compact_group){.first = i};
    for (; i < count; i++) {
        const struct segment_ref *s = part_segment(p, i);
        enum compact_kind kind = kind_of(s, policy, limits->wall_ms);
        if (kind == COMPACT_DIRTY && s->base >= limits->dirty_to) {
            break;
        }
        if (ret->count > 0 && (kind != ret->kind ||
                               !fits(ret, part_segment(p, ret->first), s, limits->segment_bytes))) {
            break;
        }
        ret->kind = kind;
        ret->count++;
        ret->bytes += s->bytes;
        ret->records += s->record_count;
        ret->gen_max = s->gen > ret->gen_max ? s->gen : ret->gen_max;
    }
    return ret->count > 0;
}
