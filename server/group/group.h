/* SPDX-License-Identifier: Apache-2.0
 *
 * The consumer groups of one journal: who is a member, what they were assigned, when they were last
 * heard of. Facts that must survive (generation, members, assignment, committed offsets) are ops of
 * the journal (state/group.h); everything else is live memory that a restart may lose.
 *
 * A group is of a type (classic, consumer) that answers the type's own requests; committing,
 * fetching and deleting offsets, listing and deleting groups are common to all (group/offsets.h,
 * group/admin.h).
 *
 * A request is a struct that its handler embeds, sends to the table's loop with group_submit, and
 * gets back on its own loop, exactly once. What it borrows lives until then.
 *
 * Threads:  group_submit from any loop; everything else on the shard's loop.
 * Lifetime: new -> (shard live) ... -> stop (every request that waits is answered; later ones are
 *           refused) -> destroy, after the shard is idle. */
#ifndef SLUICE_GROUP_GROUP_H
#define SLUICE_GROUP_GROUP_H

#include "base/arena.h"
#include "partition/shard.h"

struct group_table;
struct group_call;
struct consumer_topics; /* consumer_topics.h */

/* Kafka's names and defaults; the bounds without a Kafka name are ours. */
struct group_options {
    struct shard *shard; /* outlives the table */
    int64_t initial_rebalance_delay_ms;
    int64_t min_session_timeout_ms, max_session_timeout_ms;
    int64_t offsets_retention_ms, offsets_check_interval_ms;
    int32_t max_size;                  /* members of one group */
    int32_t offset_metadata_max_bytes; /* of one committed offset */
    int64_t commit_timeout_ms;         /* an offset commit waits for the store no longer */
    uint32_t max_groups;               /* groups with members or offsets in this journal */
    size_t max_group_bytes;            /* of one group: what members sent, and their assignments */
    size_t max_bytes;                  /* the same of all groups of the table */
    /* groups of the consumer protocol (KIP-848) */
    const struct consumer_topics *topics; /* outlives the table; NULL: there are no such groups */
    int64_t consumer_session_timeout_ms, consumer_heartbeat_interval_ms;
    int32_t consumer_max_size; /* members of one group */
};
/* Kafka's defaults; shard is left for the caller. */
struct group_options group_options_default(void);

struct group_table *group_table_new(const struct group_options *o);
/* From the shard's events: the journal became live, failed, or closed; facts of a group changed (by
 * our own op or another broker's), or the group is gone. */
void group_table_mode_changed(struct group_table *gt);
void group_table_group_changed(struct group_table *gt, struct group_state *gs);
void group_table_group_deleted(struct group_table *gt, struct group_state *gs, enum group_gone why);
/* Answers everybody who waits with NOT_COORDINATOR and refuses what comes. Idempotent. */
void group_table_stop(struct group_table *gt);
void group_table_destroy(struct group_table **gt);

/* --- requests --- */

struct group_call {
    /* by the caller */
    struct span group_id; /* borrowed until done; may be empty for a call about all groups */
    /* [the table's loop] does the work and ends in group_answer, at once or later. Not called, and
     * answered with an error, while the journal cannot serve (14, 15, 16). */
    void (*run)(struct group_table *gt, struct group_call *c);
    struct sched *home;
    void (*done)(struct group_call *c); /* [home] */
    void *arg;
    bool is_live_enough; /* run even while S is not complete: heartbeats */
    bool is_from_member; /* when the group is not alive here, S is read to its tail first (R8):
                            another broker may have been its coordinator until a moment ago */
    /* the answer */
    int16_t error;    /* Kafka's */
    const char *why;  /* a constant sentence, or NULL */
    struct arena mem; /* what the answer points to; until group_call_fini */
    /* the table's */
    struct group_table *table;
    struct sched_task task;
    struct list node;
    struct journal_waiter waiter;
    struct sched_timer late;
};
/* Sends c on its way. Prepares everything but the caller's own fields. */
void group_submit(struct group_table *gt, struct group_call *c);
/* Frees what the answer points to; after done. */
void group_call_fini(struct group_call *c);

#endif
