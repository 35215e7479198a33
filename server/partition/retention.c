/* SPDX-License-Identifier: Apache-2.0
 *
 * Kafka's rules, to the letter where it can be:
 *
 *   time   a segment goes when its largest timestamp is older than retention.ms. A segment without
 *          timestamps counts from when it was made.
 *   size   a segment goes when what is left without it is still retention.bytes or more
 *
 * From the front only, and only if cleanup.policy holds delete: a log that is only compacted loses
 * nothing by age or size. A segment of which compaction left nothing is not in the way of those
 * behind it, and goes with the next one of them; the start does not move for its sake, because who
 * reads from there would be told that records are gone. What is not rolled yet counts for the size
 * and never goes by itself; it is rolled when its time is up, and goes as a segment. */
#include "partition/retention.h"

#include "journal/mistakes.h"

static bool
is_too_old(const struct segment_ref *s, const struct part_policy *policy, int64_t wall_ms)
{
    int64_t newest = s->max_timestamp >= 0 ? s->max_timestamp : s->created_ms;
    return policy->retention_ms >= 0 && newest < wall_ms - policy->retention_ms;
}

int64_t
retention_start(const struct part_state *p, const struct part_policy *policy,
                const struct retention_now *now)
{
    int64_t start = p->start, total = now->live_bytes;
    bool is_deleted = policy->is_deleted || MISTAKE(retention_of_all);
    size_t count = is_deleted ? part_segment_count(p) : 0;
    for (size_t i = 0; i < count && policy->retention_bytes >= 0; i++) {
        total += (int64_t)part_segment(p, i)->bytes;
    }
    for (size_t i = 0; i < count; i++) {
        const struct segment_ref *s = part_segment(p, i);
        if (s->bytes == 0) {
            continue;
        }
        int64_t left = total - (int64_t)s->bytes;
        bool is_too_much = policy->retention_bytes >= 0 && left >= policy->retention_bytes;
        if (!is_too_much && !is_too_old(s, policy, now->wall_ms)) {
            break;
        }
        total = left;
        start = s->last + 1 > start ? s->last + 1 : start;
    }
    return MISTAKE(retention_of_live) && start > p->start ? p->end : start;
}

/* As in Kafka, a segment is not open for longer than its records may wait for compaction. */
static int64_t
age_to_roll(const struct part_policy *policy, const struct retention_now *now)
{
    int64_t age = now->roll_age_ms;
    if (policy->segment_ms >= 0 && policy->segment_ms < age) {
        age = policy->segment_ms;
    }
    bool is_less = policy->is_compacted && policy->max_compaction_lag_ms < age;
    return is_less ? policy->max_compaction_lag_ms : age;
}

bool
retention_wants_roll(const struct part_state *p, const struct part_policy *policy,
                     const struct retention_now *now)
{
    if (p->run_count == 0) {
        return false;
    }
    int64_t newest = part_run(p, 0)->max_timestamp;
    newest = newest >= 0 ? newest : now->live_since_ms;
    bool is_over = policy->is_deleted && policy->retention_ms >= 0 &&
                   newest < now->wall_ms - policy->retention_ms;
    return is_over || now->wall_ms - now->live_since_ms > age_to_roll(policy, now);
}
