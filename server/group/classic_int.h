/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to group/: the live part of a classic group. See the essay in classic.c.
 *
 * Threads: the table's loop. */
#ifndef SLUICE_GROUP_CLASSIC_INT_H
#define SLUICE_GROUP_CLASSIC_INT_H

#include "group/classic.h"
#include "group/group_int.h"

enum classic_state {
    CLASSIC_EMPTY,
    CLASSIC_PREPARING,  /* members join again; some wait for the others */
    CLASSIC_COMPLETING, /* the generation stands; its assignment is waited for, or being stored */
    CLASSIC_STABLE
};

struct member {
    struct classic *group;
    struct list node; /* in the order of joining */
    struct span id, instance_id, client_id, client_host;
    struct group_protocol *protocols;
    uint32_t protocol_count;
    struct span assignment; /* ptr NULL: none */
    int32_t session_timeout_ms, rebalance_timeout_ms;
    size_t bytes;            /* charged */
    struct group_join *join; /* waits for the rebalance */
    struct group_sync *sync; /* waits for the assignment */
    bool is_new;             /* has never been told of a generation */
    bool is_sync_expected;   /* was told of this generation and has not asked for its part */
    struct sched_timer session;
};

/* A member id that was given out and has not come back with a join (KIP-394). */
struct pending {
    struct classic *group;
    struct list node;
    struct span id;
    size_t bytes;
    struct sched_timer expiry;
};

/* How many members know a protocol. */
struct protocol_count {
    struct span name;
    uint32_t members, votes;
};

/* A GROUP op on its way. One per group at a time. */
struct store_op {
    struct op_proposal op;
    struct group *g;
    struct classic *c; /* NULL: dropped meanwhile */
    int32_t generation;
    bool is_sync;          /* its members wait for the assignment */
    struct list returning; /* joins of static members that came back, answered with it (KIP-814) */
};

enum { CLASSIC_PENDING_MAX = 10000, NEW_MEMBER_JOIN_MS = 300000 };

enum classic_phase { PHASE_NONE, PHASE_INITIAL, PHASE_JOIN, PHASE_SYNC };

struct classic {
    struct group *g;
    enum classic_state state, previous;
    struct list members, pendings;
    struct map by_id, by_instance; /* of struct member */
    struct map protocols;          /* of struct protocol_count */
    uint32_t member_count, joining_count, pending_count;
    int32_t generation;
    struct span protocol_type, protocol; /* ptr NULL: none */
    struct member *leader;
    bool has_new_member; /* joined during the initial delay, which is prolonged then */
    bool has_assignment; /* of this generation, from the leader */
    bool is_outdated;    /* ... who said something else while it was being stored */
    /* the rebalance's clock */
    enum classic_phase phase;
    struct sched_timer timer;
    int64_t initial_left_ns;
    /* facts */
    uint64_t base;            /* the version in S that this group stands on; 0: none */
    uint64_t unknown_version; /* of an op of ours whose outcome is not known; 0: none */
    int32_t unknown_generation;
    int32_t coordinator_epoch; /* ours from the first op on */
    bool is_taken_over;        /* ours */
    bool is_store_wanted;
    struct store_op *store; /* NULL: none in flight */
    struct list returning;  /* for the next one */
    struct sched_timer store_retry;
};

static inline struct classic *
classic_of(const struct group *g)
{
    return (struct classic *)g->live;
}

/* --- classic_members.c --- */

struct member *classic__member(const struct classic *c, struct span id);
struct member *classic__member_of_instance(const struct classic *c, struct span instance_id);
/* Checks member and instance as Kafka's validateCurrentMember; fills *ret on KAFKA_NONE. */
int16_t classic__check_member(const struct classic *c, struct span id, struct span instance_id,
                              struct member **ret);
/* Adds a member; NULL when what it brings is above a bound. */
struct member *classic__member_add(struct classic *c, struct span id, const struct group_join *j);
/* Puts the protocols and timeouts of a join in place of those it had; false above a bound. */
bool classic__member_update(struct member *m, const struct group_join *j);
/* Takes it out and frees it; who waits is answered with error. */
void classic__member_remove(struct member *m, int16_t error);
/* Gives it another id: a static member that came back (KIP-345). */
void classic__member_rename(struct member *m, struct span id);
bool classic__member_assign(struct member *m, struct span assignment);
void classic__members_drop(struct classic *c, int16_t error);
/* Would a member with these fit in? */
bool classic__supports(const struct classic *c, const struct group_join *j);
bool classic__member_matches(const struct member *m, const struct group_join *j);
/* The name most members vote for among those that all know; ptr NULL when there is none. */
struct span classic__vote(struct classic *c);
struct span classic__metadata(const struct member *m, struct span protocol);

struct pending *classic__pending(const struct classic *c, struct span id);
bool classic__pending_add(struct classic *c, struct span id, int64_t timeout_ms);
void classic__pending_remove(struct pending *p);

/* --- classic.c --- */

/* (Re)starts the clock of a member that was heard of; stops it while it waits for us. */
void classic__session_start(struct member *m);
void classic__rebalance_maybe(struct classic *c, const char *why);
void classic__rebalance(struct classic *c);
/* The last member that was waited for may have come, or gone. */
void classic__join_check(struct classic *c);
void classic__remove_and_rebalance(struct member *m, int16_t error, const char *why);
void classic__set_state(struct classic *c, enum classic_state state);
/* Fewer are waited for in the sync phase. */
void classic__sync_check(struct classic *c);
/* Answers a join with the generation that stands. */
void classic__join_answer(struct classic *c, const struct member *m, struct group_join *j);
void classic__sync_answer(const struct classic *c, const struct member *m, struct group_sync *s,
                          int16_t error);
void classic__sync_fail_all(struct classic *c, int16_t error);
/* Static members that came back and wait for an op are answered. */
void classic__returned(struct classic *c, struct list *returning, enum sl_err rc);
int16_t classic__error_of_store(enum sl_err rc);
/* The op of the generation is verified, or not. */
void classic__stored(struct classic *c, const struct store_op *so, enum sl_err rc);

/* --- classic_facts.c --- */

/* Proposes the facts as they are, now or when the op in flight has returned. */
void classic__store(struct classic *c);
void classic__facts_load(struct classic *c, const struct group_state *gs);
bool classic__is_own_change(struct group *g, const struct group_state *gs);

/* --- classic_join.c, classic_sync.c: the kind's requests --- */

void classic__join(struct group *g, struct group_join *j);
void classic__sync(struct group *g, struct group_sync *s);
void classic__heartbeat(struct group *g, struct group_heartbeat *h);
void classic__leave(struct group *g, struct group_leave *l);
int16_t classic__check_commit(struct group *g, const struct offset_commit *oc);

/* --- subscription.c: what members of protocol type "consumer" send --- */

/* Is this topic among those of a ConsumerProtocolSubscription? True also when it cannot be read. */
bool subscription_has(struct span metadata, struct span topic);
/* Do two of them name the same topics? False when one cannot be read. */
bool subscription_same_topics(struct span a, struct span b);

#endif
