/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a log is to be compacted, and in which pieces: pure functions of S, of what the topic
 * wants, and of a clock that the caller reads.
 *
 * A segment of generation 0 is dirty: no compaction has looked at it. All others are clean: among
 * themselves they hold no key twice, apart from what the dirty ones make obsolete. Compaction goes
 * from the front to the back, so the clean ones are a prefix, and S alone says how far it got.
 *
 * A clean segment is settled when its tombstones have stood for delete.retention.ms, counted from
 * the op that put it there: nobody can be reading what they deleted any more, so they go. Settled
 * ones are merged with each other, dirty ones with each other; one that is neither stays alone, so
 * that the age of its tombstones is not mixed with that of others.
 *
 * Threads: pure. */
#ifndef SLUICE_PARTITION_COMPACT_PLAN_H
#define SLUICE_PARTITION_COMPACT_PLAN_H

#include "partition/roller.h"
#include "state/state.h"

struct compact_view {
    size_t dirty, end; /* segments [0, dirty) are clean, [dirty, end) dirty and old enough */
    uint64_t clean_bytes, dirty_bytes;
    int dirty_pm; /* per mille of both */
    bool is_due;
};
void compact_look(const struct part_state *p, const struct part_policy *policy, int64_t wall_ms,
                  struct compact_view *ret);

enum compact_kind { COMPACT_DIRTY, COMPACT_SETTLED, COMPACT_YOUNG };
struct compact_group {
    enum compact_kind kind;
    size_t first, count; /* segments of p */
    uint64_t bytes, records;
    uint32_t gen_max;
};
struct compact_limits {
    int64_t wall_ms;
    int64_t segment_bytes; /* a group is no larger, unless one segment is */
    int64_t dirty_to;      /* an offset: dirty segments from there on are left alone */
};
/* The group that begins with the first segment at or behind `from` (an offset). False: none. */
bool compact_next_group(const struct part_state *p, const struct part_policy *policy,
                        const struct compact_limits *limits, int64_t from,
                        struct compact_group *ret);

#endif
