/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to group/: the live part of a consumer group. See the essay in consumer.c.
 *
 * Threads: the table's loop. */
#ifndef SLUICE_GROUP_CONSUMER_INT_H
#define SLUICE_GROUP_CONSUMER_INT_H

#include "group/assignor.h"
#include "group/consumer.h"
#include "group/consumer_regex.h"
#include "group/group_int.h"

struct consumer;
struct cmember;

/* Numbers stand in facts. */
enum cmember_state {
    CMEMBER_STABLE = 1,     /* has what it is to have */
    CMEMBER_UNREVOKED = 2,  /* has to give partitions up, and has not said that it did */
    CMEMBER_UNRELEASED = 3, /* waits for partitions that others have not given up */
};

/* One owner at a time, because there is room for one only. */
struct cpart {
    struct cmember *owner; /* assigned to it, or being revoked from it; NULL: free */
    struct cmember *target;
    bool is_revoking;
};

struct ctopic {
    struct uuid id;
    struct span name; /* ptr NULL: it was gone when the group was read from S */
    int32_t count;    /* partitions that it has; 0: it is gone */
    int32_t cap;      /* length of parts; partitions beyond count are gone */
    struct cpart *parts;
    uint64_t mark;  /* scratch */
    uint32_t index; /* among the wanted ones */
    bool is_wanted; /* somebody is subscribed to it */
};

/* A regular expression of some members, and the topics that it stands for. */
struct cexpr {
    struct list node;
    struct span pattern;
    struct regex *re;
    uint32_t users;
    struct span *names; /* own copies, sorted */
    uint32_t name_count;
};

struct cmember {
    struct consumer *group;
    struct list node; /* in the order of joining */
    struct span id, instance_id, rack, client_id, client_host;
    struct span *names; /* subscribed topics; own copies, sorted, each once */
    uint32_t name_count;
    struct cexpr *expr; /* NULL: none */
    bool has_assignor;
    enum assignor assignor;
    int32_t rebalance_timeout_ms;
    int32_t epoch, previous_epoch;
    enum cmember_state state;
    struct ctopic **subscribed; /* that exist, in the order of their index */
    uint32_t subscribed_count;
    size_t bytes;                         /* charged */
    uint64_t seq;                         /* its last change */
    uint32_t waiting;                     /* calls that wait for the store */
    uint32_t index;                       /* scratch: among the members */
    struct sched_timer session, patience; /* patience: it has to revoke, or rejoin, until then */
    /* speaks the classic protocol */
    bool is_classic;
    int32_t session_timeout_ms;
    struct group_protocol *protocols;
    uint32_t protocol_count;
};

/* An answer that waits, until a change is verified or the journal was read to its tail; lies in the
 * call's memory. */
struct cwait {
    struct list node;
    struct consumer *c;
    struct group_call *call;
    struct span member_id; /* ptr NULL: nobody's */
    uint64_t seq;
    struct journal_waiter tail;
};

/* A GROUP op on its way. */
struct consumer_op {
    struct op_proposal op;
    struct group *g;
    struct consumer *c; /* NULL: dropped meanwhile */
    uint64_t seq;
    bool is_downgrade;
};

struct consumer {
    struct group *g;
    struct list members;
    struct map by_id, by_instance; /* of struct cmember */
    uint32_t member_count, classic_count;
    struct map topics_by_id; /* of struct ctopic */
    struct ctopic **wanted;  /* in the order of names */
    uint32_t wanted_count;
    uint64_t mark;
    struct list exprs;
    int32_t group_epoch, assignment_epoch;
    enum assignor assignor; /* of the target */
    uint64_t metadata_hash;
    uint64_t seen_version;    /* of the topics; 0: not looked at yet */
    int64_t resolve_after_ns; /* expressions are not looked at again before */
    /* facts: every change has a number; those up to verified_seq are in S */
    uint64_t seq, proposed_seq, verified_seq;
    uint64_t base;
    int32_t coordinator_epoch;
    bool is_taken_over;
    struct consumer_op *op; /* NULL: none in flight */
    struct list waiting;    /* of struct cwait: answers that wait for an op */
    struct list reading;    /* the same: for the tail */
    bool is_resolved;       /* topics have been looked up since the group was read from S */
};

static inline struct consumer *
consumer_of(const struct group *g)
{
    return (struct consumer *)g->live;
}

/* --- consumer.c --- */

/* (Re)starts the time within which a member has to be heard of. */
void consumer__session_start(struct cmember *m);
/* A member that has to give partitions up has its rebalance timeout to do so, from now. */
void consumer__patience_start(struct cmember *m);
/* The same for whatever else it has to do; a time that runs already goes on. */
void consumer__patience_limit(struct cmember *m);
const char *consumer__state_name(const struct group *g);
/* Something that facts hold has changed: gives its number. m may be NULL. */
uint64_t consumer__changed(struct consumer *c, struct cmember *m);
/* The members, or what they are subscribed to, changed: there has to be another assignment. */
void consumer__epoch_bump(struct consumer *c);
/* Takes a member out that left or was lost; it is gone then. */
void consumer__member_gone(struct cmember *m);

/* --- consumer_members.c --- */

struct cmember *consumer__member(const struct consumer *c, struct span id);
struct cmember *consumer__member_of_instance(const struct consumer *c, struct span instance_id);
/* NULL when the group's bound of bytes is passed. */
struct cmember *consumer__member_add(struct consumer *c, struct span id, struct span instance_id);
/* Takes it out with all that it owned, and frees it. */
void consumer__member_remove(struct cmember *m);
void consumer__member_rename(struct cmember *m, struct span id);
/* Put a new value in place of the old; true when it is another one. *ok becomes false above the
 * bound of bytes, nothing has changed then. */
bool consumer__member_text(struct cmember *m, struct span *field, struct span value, bool *ok);
bool consumer__member_names(struct cmember *m, const struct span *names, size_t count, bool *ok);
bool consumer__member_protocols(struct cmember *m, const struct group_protocol *p, size_t count,
                                bool *ok);
void consumer__members_free(struct consumer *c);

/* --- consumer_topics.c --- */

/* Gives the expression with one more user. KAFKA_INVALID_REGULAR_EXPRESSION and a sentence in
 * h->call.mem when it is none. */
int16_t consumer__expr_get(struct consumer *c, struct span pattern, struct group_call *call,
                           struct cexpr **ret);
void consumer__expr_put(struct consumer *c, struct cexpr **e);
struct ctopic *consumer__topic(const struct consumer *c, const struct uuid *id);
/* Finds or adds, with room for partition index - 1. */
struct ctopic *consumer__topic_make(struct consumer *c, const struct uuid *id, int32_t parts);
/* Finds out again which topics everybody is subscribed to, and bumps the epoch when they, or what
 * they look like, changed. */
void consumer__resolve(struct consumer *c);
/* The same if some topic changed since the last time. */
void consumer__resolve_maybe(struct consumer *c);
bool consumer__is_subscribed(const struct cmember *m, const struct ctopic *t);
void consumer__topics_free(struct consumer *c);

/* --- consumer_target.c --- */

/* Makes the target assignment of the group's epoch unless it is there. */
void consumer__target_maybe(struct consumer *c);

/* --- consumer_reconcile.c --- */

/* Takes a member as far towards the target as it goes. owned: what it says that it has; NULL: it
 * did not say. True when its assignment is another one than before. */
bool consumer__reconcile(struct cmember *m, const struct group_part_list *owned);
/* A static member that leaves for a while keeps what it has; what it had to give up is free. */
void consumer__leave_for_a_while(struct cmember *m);
/* Is it waiting for a partition that somebody still has? */
bool consumer__is_waiting_for_others(const struct cmember *m);
/* Does it own all that it names? */
bool consumer__owns_all(const struct cmember *m, const struct group_part_list *owned);

/* --- consumer_facts.c --- */

/* The partitions assigned to a member, in an answer's memory. False at its ceiling. */
bool consumer__assigned(struct arena *mem, const struct cmember *m, struct group_part_list *ret);
void consumer__facts_load(struct consumer *c, const struct group_facts *f);
/* Proposes what has changed, now or when the op in flight has returned. */
void consumer__store(struct consumer *c);
/* Answers without an error, now or when the last change of the member is verified; of m NULL: the
 * last change of the group. What is answered stands in the call already. */
void consumer__answer(struct consumer *c, struct group_call *call, struct cmember *m);
/* The same when nothing has changed, but the group as it is here must not be an old one. */
void consumer__answer_fresh(struct consumer *c, struct group_call *call, struct cmember *m);
/* Answers whoever waits with error. */
void consumer__answer_all(struct consumer *c, int16_t error);
/* --- consumer_convert.c --- */

/* Makes a classic group one of this protocol: its members speak on as before. Kafka's error and a
 * sentence when it cannot be. */
int16_t consumer__upgrade(struct group *g, const char **ret_why);
/* An empty group becomes a classic one. */
void consumer__become_classic(struct group *g);
/* Has the last member of this protocol left, and others are there? */
bool consumer__is_downgrade_due(const struct consumer *c);
/* The facts of a classic group with the members of this one. */
MUST_CHECK enum sl_err consumer__encode_classic(const struct consumer *c, struct bytes *out);
/* Those facts stand in S: the live group is dropped, and the classic one rebalances. */
void consumer__downgraded(struct group *g);

/* --- consumer_classic.c: the classic protocol's requests --- */

void consumer__classic_join(struct group *g, struct group_join *j);
void consumer__classic_sync(struct group *g, struct group_sync *s);
void consumer__classic_heartbeat(struct group *g, struct group_heartbeat *h);
void consumer__classic_leave(struct group *g, struct group_leave *l);

/* --- consumer_protocol.c: what clients of the classic protocol wrap their wishes in --- */

struct csubscription {
    struct span *topics;
    size_t topic_count;
    struct span rack; /* ptr NULL: not said */
    bool has_user_data;
    struct span owned; /* ConsumerProtocol's list of topics and partitions; may be empty */
};
/* False when it makes no sense. Spans point into metadata, arrays lie in mem. */
bool consumer__subscription_parse(struct span metadata, struct arena *mem,
                                  struct csubscription *ret);
/* Of a list of names and partitions, as in subscriptions and assignments, what the group's topics
 * have; in mem. */
bool consumer__parts_parse(struct consumer *c, struct span list, struct arena *mem,
                           struct group_part_list *ret);
/* The list inside an assignment; false when it makes no sense. */
bool consumer__assignment_open(struct span assignment, struct span *ret_list);
/* Appends the assignment of a member; with what it has yet to give up, or without. */
void consumer__assignment_put(struct bytes *out, const struct cmember *m, bool has_revoking);

bool consumer__is_own_change(struct group *g, const struct group_state *gs);

#endif
