/* SPDX-License-Identifier: Apache-2.0
 *
 * What the roller (docs/journal.md R6) is told, and what it is allowed to use. The essay stands
 * atop roller.c.
 *
 * Threads: permits are shared by the shards of a process, atomics only; everything else is plain
 * values. */
#ifndef SLUICE_PARTITION_ROLLER_H
#define SLUICE_PARTITION_ROLLER_H

#include "base/uuid.h"
#include "state/segments.h"

#include <stdatomic.h>

/* What the topic of a partition wants of its log. Times in ms, -1: never, no limit. */
struct part_policy {
    char dir[TOPIC_DIR_MAX];       /* "{topic}" or "{topic}~{k}" */
    bool is_compacted, is_deleted; /* cleanup.policy holds compact, delete */
    int64_t segment_bytes, segment_ms;
    int64_t retention_ms, retention_bytes;
    int64_t delete_retention_ms, min_compaction_lag_ms, max_compaction_lag_ms;
    int dirty_ratio_pm; /* min.cleanable.dirty.ratio, per mille */
};
/* On the shard's loop. False: not known (yet, or any more). */
typedef bool (*part_policy_fn)(void *arg, const struct uuid *topic_id, struct part_policy *ret);

/* Memory of segments that are being made, whole process. */
struct roll_permits {
    _Atomic int64_t used_bytes;
    int64_t max_bytes;
    int64_t sharers;           /* shards that use them */
    atomic_bool is_compacting; /* one compaction at a time */
};

struct roll_options {
    part_policy_fn policy; /* NULL: nothing is rolled */
    void *policy_arg;
    struct roll_permits *permits; /* borrowed */
    int64_t target_bytes;         /* a segment is made of so many bytes, or of the topic's
                                     segment.bytes if that is less */
    int64_t age_ms;               /* what is older is rolled however little it is */
    int64_t live_bytes_max;       /* entries that may be kept for what is not rolled */
    int64_t live_runs_max;
    int64_t garbage_grace_ms; /* objects that nobody refers to are deleted after so long */
    int64_t retention_interval_ms, cleaner_backoff_ms; /* upkeep.c; 0: nothing is trimmed or
                                                          compacted */
    int64_t dedupe_bytes; /* the keys of a compaction may take so much */
    unsigned patience;    /* a broker that leaves the writing to another one waits so many times as
                             long before it rolls; at least 1 */
};

#endif
