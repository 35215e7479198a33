/* SPDX-License-Identifier: Apache-2.0
 *
 * Which part of a log is over: decisions as pure functions of S, of what the topic wants, and of a
 * clock that the caller reads. What is done about it is upkeep.c's.
 *
 * Threads: pure. */
#ifndef SLUICE_PARTITION_RETENTION_H
#define SLUICE_PARTITION_RETENTION_H

#include "partition/roller.h"
#include "state/state.h"

struct retention_now {
    int64_t wall_ms;
    int64_t live_bytes;    /* of the partition's live runs */
    int64_t live_since_ms; /* since when its first live run is there, as far as that is known */
    int64_t roll_age_ms;   /* journal.roll.age.ms */
};
/* Where the log should begin: whole segments go, from the front, and never a live run. p->start
 * when nothing is to be done. */
int64_t retention_start(const struct part_state *p, const struct part_policy *policy,
                        const struct retention_now *now);
/* Must its live runs be rolled although the roller's own reasons (size, journal.roll.age.ms of all
 * together) have not come yet? Because segment.ms or max.compaction.lag.ms is shorter than that, or
 * they are to go. */
bool retention_wants_roll(const struct part_state *p, const struct part_policy *policy,
                          const struct retention_now *now);

#endif
