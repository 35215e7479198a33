/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to the members of live groups: what they do (sim_member.c), how they ask a broker
 * (sim_member_ask.c), and what the log has of them (sim_member_truth.c). */
#ifndef SLUICE_TESTS_SIM_MEMBER_H
#define SLUICE_TESTS_SIM_MEMBER_H

#include "group/classic.h"
#include "group/offsets.h"
#include "sim.h"
#include "wire/errors.h"

enum {
    GROUPS = 2,
    MEMBERS = 4,
    PARTS = 6,
    COMMITS_MAX = 40000,
    HISTORY_MAX = 2048,
    ID_MAX = 64,
    ALL = (1 << PARTS) - 1,
    KNOWN_MAX = 100 /* old clients that join again and again leave members behind */
};
enum phase { M_AWAY, M_JOINING, M_SYNCING, M_WORKING };
enum kind { ASK_JOIN, ASK_SYNC, ASK_HEARTBEAT, ASK_LEAVE, ASK_COMMIT, ASK_FETCH };

struct sim_member {
    int number;
    struct live *g;
    char id[ID_MAX], instance[8]; /* instance: empty when dynamic */
    enum phase phase;
    int32_t generation;
    uint32_t owned;
    int variant; /* of its subscription */
    int at;      /* broker it believes in */
    uint64_t serial;
    bool is_asleep;
    int32_t session_ms, rebalance_ms;
    /* what the leader has to assign */
    char peers[KNOWN_MAX][ID_MAX];
    size_t peer_count;
};

/* Who was assigned what in a generation, as the log has it, and as members were told. */
struct generation {
    int32_t number;
    size_t count;
    char ids[KNOWN_MAX][ID_MAX];
    uint32_t masks[KNOWN_MAX];
    char owners[PARTS][ID_MAX]; /* instance or id */
};

struct live {
    char id[8];
    int journal;
    struct sim_member members[MEMBERS];
    /* the log */
    int32_t generation;
    size_t count;
    char ids[KNOWN_MAX][ID_MAX];
    uint32_t masks[KNOWN_MAX];
    uint64_t offset[PARTS]; /* number of the commit; 0: none */
    uint64_t version;
    struct generation history[HISTORY_MAX];
};

struct live_commit {
    struct live *g;
    int part;
    bool is_in_truth, is_acked;
    uint64_t order; /* place in the log */
    int64_t acked_at;
};

struct sim_lives {
    struct live groups[GROUPS];
    struct live_commit commits[COMMITS_MAX];
    uint64_t commit_count, order;
    int64_t storm_until;
    bool is_on;
};
extern struct sim_lives sim_ms;

struct ask {
    enum kind kind;
    struct sim_member *m;
    struct sim_broker *b;
    uint64_t incarnation, serial, pauses;
    int64_t arrived_at, asked_at;
    int32_t generation;
    char id[ID_MAX], text[KNOWN_MAX][16], peers[KNOWN_MAX][ID_MAX];
    uint64_t number; /* of the commit */
    int part;
    union {
        struct group_call call;
        struct group_join join;
        struct group_sync sync;
        struct group_heartbeat heartbeat;
        struct group_leave leave;
        struct offset_commit commit;
        struct offset_fetch fetch;
    } u;
    struct group_protocol protocol;
    struct group_assignment assignments[KNOWN_MAX];
    struct group_leave_member leaving;
    struct offset_commit_part commit_part;
    struct offset_fetch_part fetch_part;
    char metadata[16];
    /* the answer, copied at the broker */
    int16_t error;
    char ret_id[ID_MAX], ret_leader[ID_MAX], ret_assignment[16];
    int32_t ret_generation;
    bool ret_skip;
    size_t ret_peer_count;
};

struct uuid member_topic(void);
bool member_is_quiet(void);
void member_copy_id(char *to, struct span s);
struct live *member_live_named(struct span id);
uint32_t member_mask_of(struct span assignment);
struct generation *member_generation_of(struct live *g, int32_t number);
struct ask *member_ask_new(struct sim_member *m, enum kind kind,
                           void (*run)(struct group_table *gt, struct group_call *c));
void member_ask_send(struct ask *a, int64_t timeout_ms);
void member_on_answer(void *arg);
void member_step_soon(struct sim_member *m, int64_t lo, int64_t hi);

#endif
