/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of groups of the consumer protocol (KIP-848), and of groups in which both protocols meet:
 * shared by sim_peer.c (what the log says, and the judge), sim_peer_ask.c (one request and its
 * answer), sim_peer_life.c (what members do) and sim_peer_topics.c (what they subscribe to).
 *
 * A partition is a bit: topics get theirs when they are made, so a topic that is made again under
 * its old name has other ones.
 *
 * Threads: one. */
#ifndef SLUICE_TESTS_SIM_PEER_H
#define SLUICE_TESTS_SIM_PEER_H

#include "group/classic.h"
#include "group/consumer.h"
#include "group/offsets.h"
#include "sim.h"
#include "wire/errors.h"

enum {
    PEER_GROUPS = 2,
    PEERS = 4,
    PEER_ID_MAX = 64,
    PEER_FACTS_MAX = 128,
    PEER_TOLD_MAX = 60000,
    PEER_COMMITS_MAX = 40000,
    PEER_METADATA_MAX = 128,
    PEER_SLOTS = 15, /* topics that ever were */
    PEER_PARTS_MAX = 8
};
typedef uint64_t peer_mask;

enum peer_phase { PEER_OUT, PEER_JOINING, PEER_SYNCING, PEER_IN };
enum peer_ask_kind {
    PEER_BEAT,
    PEER_JOIN,
    PEER_SYNC,
    PEER_HEARTBEAT,
    PEER_LEAVE,
    PEER_COMMIT,
    PEER_FETCH
};

struct peer {
    int number;
    struct peer_group *g;
    char id[PEER_ID_MAX], instance[16]; /* instance: empty when dynamic */
    bool is_classic;                    /* speaks that protocol */
    enum peer_phase phase;
    int32_t epoch; /* or generation */
    peer_mask owned;
    int32_t owned_in; /* epoch in which it was told so last */
    bool is_expelled; /* since then the log did without it */
    int variant;      /* of its subscription */
    int at;           /* broker it believes in */
    uint64_t serial;
    bool is_asleep;
    int32_t session_ms, rebalance_ms;
    /* the consumer protocol */
    peer_mask given; /* what it was told last, while it gives up what is not in it */
    bool is_revoking, has_to_say_all, has_to_ack;
    uint64_t revoke_serial;
    /* the classic one */
    bool is_leader;
    int assigned_count; /* partitions that there were when it led */
    char peers[PEER_FACTS_MAX][PEER_ID_MAX];
    peer_mask claims[PEER_FACTS_MAX];
    size_t peer_count;
};

/* A member as the log has it. */
struct peer_fact {
    char id[PEER_ID_MAX];
    int32_t epoch;
    peer_mask assigned, revoking;
};
/* What the log ever said of a member. */
struct peer_told {
    char id[PEER_ID_MAX];
    int32_t epoch;
    peer_mask assigned;
};

struct peer_group {
    char id[8];
    int journal;
    bool is_mixed;
    struct peer peers[PEERS];
    /* the log */
    bool is_consumer;
    int32_t generation; /* or group epoch */
    size_t count;
    struct peer_fact facts[PEER_FACTS_MAX];
    uint64_t version;
    uint64_t offset[64]; /* by partition: number of the commit; 0: none */
    struct peer_told told[PEER_TOLD_MAX];
    size_t told_count;
};

struct peer_commit {
    struct peer_group *g;
    int part;
    bool is_in_truth, is_acked;
    uint64_t order; /* place in the log */
    int64_t acked_at;
};

struct peers {
    struct peer_group groups[PEER_GROUPS];
    struct peer_commit commits[PEER_COMMITS_MAX];
    uint64_t commit_count, order, ids;
    int64_t storm_until, calm_since;
    bool is_on;
};
extern struct peers ps;

/* A request on its way, and its answer. */
struct peer_ask {
    enum peer_ask_kind kind;
    struct peer *m;
    struct sim_broker *b;
    uint64_t serial;
    int64_t asked_at;
    int32_t epoch;
    peer_mask owned; /* said */
    bool is_told_all, is_answer_lost;
    char id[PEER_ID_MAX], instance[16];
    int part;
    uint64_t number; /* of the commit */
    union {
        struct group_call call;
        struct consumer_heartbeat beat;
        struct group_join join;
        struct group_sync sync;
        struct group_heartbeat heartbeat;
        struct group_leave leave;
        struct offset_commit commit;
        struct offset_fetch fetch;
    } u;
    struct span names[2];
    struct group_parts parts[PEER_SLOTS];
    int32_t indexes[PEER_SLOTS][PEER_PARTS_MAX];
    struct group_protocol protocol;
    uint8_t metadata[PEER_METADATA_MAX];
    struct group_assignment *assignments; /* of a leader; on the heap */
    uint8_t (*texts)[PEER_METADATA_MAX];
    char (*peers)[PEER_ID_MAX];
    peer_mask *claims;
    size_t peer_count;
    struct group_leave_member leaving;
    struct offset_commit_part commit_part;
    struct offset_fetch_part fetch_part;
    /* the answer, copied at the broker */
    int16_t error;
    char ret_id[PEER_ID_MAX];
    bool ret_is_leader, has_assignment;
    int32_t ret_epoch;
    peer_mask ret_mask;
};

/* --- topics (sim_peer_topics.c) */
void peer_topics_start(void);
/* A change that brokers hear of one after the other. */
void peer_topics_strike(void);
/* Partitions that there are now, of t0 and of t1. */
peer_mask peer_topics_mask(int topic);
int peer_topics_count(void); /* of t0 */
struct uuid peer_slot_id(int slot);
/* -1: no such partition. */
int peer_bit(const struct uuid *id, int32_t index);
struct uuid peer_bit_topic(int bit, int32_t *ret_index);
peer_mask peer_mask_of(const struct group_part_list *l);
/* Fills topics and indexes of a list from a mask. */
void peer_list_of(peer_mask mask, struct peer_ask *a, struct group_part_list *ret);

/* --- ConsumerProtocol, of the topic t0 only (sim_peer_topics.c) */
struct span peer_subscription_put(peer_mask owned, uint8_t *out);
struct span peer_assignment_put(peer_mask mask, uint8_t *out);
peer_mask peer_subscription_owned(struct span metadata);
peer_mask peer_assignment_mask(struct span assignment);

/* --- the judge (sim_peer.c) */
bool peers_are_quiet(void);
const struct peer_fact *peer_fact(const struct peer_group *g, const char *id);
/* Somebody's belief has grown, or the log has. */
void peer_judge_owners(struct peer_group *g);
/* At the broker, when an answer leaves it. */
void peer_judge_told(const struct peer_ask *a);
void peer_judge_commit_acked(const struct peer_ask *a);
void peer_judge_fetch(const struct peer_ask *a);

/* --- asking (sim_peer_ask.c) */
struct peer_ask *peer_ask_new(struct peer *m, enum peer_ask_kind kind,
                              void (*run)(struct group_table *gt, struct group_call *c));
void peer_ask_send(struct peer_ask *a, int64_t timeout_ms);

/* --- life (sim_peer_life.c) */
void peer_start(struct peer_group *g, int number);
void peer_answered(struct peer *m, struct peer_ask *a);
void peer_timed_out(struct peer *m, enum peer_ask_kind kind);
void peer_step_soon(struct peer *m, int64_t lo, int64_t hi);
peer_mask peer_wants(const struct peer *m);

#endif
