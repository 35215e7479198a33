/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to group/: a table, its groups, and what a type of group has to offer.
 *
 * Threads: the table's loop. */
#ifndef SLUICE_GROUP_GROUP_INT_H
#define SLUICE_GROUP_GROUP_INT_H

#include "group/group.h"
#include "wire/errors.h"

struct group;
struct group_join;
struct group_sync;
struct group_heartbeat;
struct group_leave;
struct offset_commit;

/* What a type of group does. A group has a kind while something of it lives in memory; one that is
 * only facts in S has none and is given one by the first request that needs it (group__load). */
struct group_kind {
    enum group_type type;
    /* Makes the live part from the facts in S (gs NULL: a new group, of which S knows nothing). */
    void (*load)(struct group *g, const struct group_state *gs);
    /* Answers everybody who waits with error, stops timers, frees the live part. Ops in flight may
     * still come back (they hold a pin). */
    void (*drop)(struct group *g, int16_t error);
    /* Is an op of ours that became part of S, which is at gs->version now: the live part knows it.
     * False: another broker wrote it, and the table drops and forgets the live part. */
    bool (*is_own_change)(struct group *g, const struct group_state *gs);
    /* No members, nobody waits, no op in flight: nothing has to live. */
    bool (*is_idle)(const struct group *g);
    bool (*is_empty)(const struct group *g);          /* no members (waiting ones are some) */
    const char *(*state_name)(const struct group *g); /* "Stable" */
    struct span (*protocol_type)(const struct group *g);
    /* May this commit be proposed? Kafka's error. Hearing from a member renews its session. */
    int16_t (*check_commit)(struct group *g, const struct offset_commit *oc);
    /* Is somebody subscribed to this topic? */
    bool (*is_subscribed)(const struct group *g, struct span topic);
    /* The classic protocol's requests; each ends in group_answer. NULL: a type that refuses them
     * (INCONSISTENT_GROUP_PROTOCOL, UNKNOWN_MEMBER_ID). */
    void (*join)(struct group *g, struct group_join *j);
    void (*sync)(struct group *g, struct group_sync *s);
    void (*heartbeat)(struct group *g, struct group_heartbeat *h);
    void (*leave)(struct group *g, struct group_leave *l);
};
extern const struct group_kind group__classic;
extern const struct group_kind *const group__consumer;

struct group {
    struct group_table *table;
    struct span id; /* own copy */
    const struct group_kind *kind;
    void *live;         /* the kind's */
    size_t bytes;       /* charged for what its members sent */
    uint32_t pins;      /* ops in flight and the like: not freed while there are any */
    bool is_forgotten;  /* out of the table; freed with its last pin */
    bool is_cold;       /* read from S, and no member was heard of since */
    bool is_tail_known; /* of a cold group: S was read to its tail since */
    bool is_looking;
    struct journal_waiter waiter;
    struct list node; /* in table->all */
};

struct group_table {
    struct group_options o;
    struct sched *sched;
    struct map groups; /* of struct group: those with a live part */
    struct list all;
    size_t bytes;
    bool is_loaded; /* S was complete at least once since it was last read anew */
    bool is_stopped;
    struct sched_timer expiry_timer;
    struct group_expiry *expiry;
};

/* The facts of S; NULL when it does not know the group. */
const struct group_state *group__facts(const struct group_table *gt, struct span id);
/* Gives the live group; NULL when there is none in memory. */
struct group *group__find(struct group_table *gt, struct span id);
/* Gives the live group, loading it from S; NULL when S has no facts of it (it may have offsets). */
struct group *group__load(struct group_table *gt, struct span id);
/* Gives the live group, loading it or making a new one; NULL above the table's bound. */
struct group *group__make(struct group_table *gt, struct span id, const struct group_kind *kind);
/* Makes it one of another type; it is empty, or what it held was taken over. */
void group__set_kind(struct group *g, const struct group_kind *kind);
void group__pin(struct group *g);
void group__unpin(struct group *g); /* may free it */
/* Frees the group when nothing of it needs to live (kind->is_idle, no pins): g is gone then. */
void group__release_maybe(struct group *g);
/* A session is over. Of a group that is cold, its members may be another broker's, which S tells
 * only when it is read to its tail. */
enum group_warmth {
    GROUP_OURS,
    GROUP_UNKNOWN, /* being looked at: ask again in a moment */
    GROUP_FOREIGN  /* forget it */
};
enum group_warmth group__warmth(struct group *g);
/* Drops the live part, answering with error, and takes the group out of the table. */
void group__forget(struct group *g, int16_t error);
/* Charges bytes that members make us hold; false when the group's or the table's bound is passed.
 */
bool group__charge(struct group *g, size_t bytes);
void group__discharge(struct group *g, size_t bytes);

/* Answers, once. */
void group_answer(struct group_call *c, int16_t error);

/* A copy on the heap; ptr NULL stays NULL. */
struct span group__span_keep(struct span s);
void group__span_free(struct span *s);
/* A copy in the answer's memory; ptr NULL stays NULL. Empty at the arena's ceiling, which the bound
 * of a group keeps away. */
struct span group__span_answer(struct group_call *c, struct span s);

/* offsets_expiry.c */
void group__expiry_start(struct group_table *gt);
void group__expiry_stop(struct group_table *gt);

#endif
