/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to the groups of the simulator: who proposes (sim_group.c), and what the log and the
 * brokers have of it (sim_group_truth.c). */
#ifndef SLUICE_TESTS_SIM_GROUP_H
#define SLUICE_TESTS_SIM_GROUP_H

#include "sim.h"

enum { GROUPS = 3, SLOTS = 4, MEMBERS = 4, COMMITS_MAX = 20000, GENERATIONS_MAX = 4096 };
enum fate { FATE_OPEN, FATE_ACKED, FATE_REFUSED };

struct sim_commit {
    int group, slot;
    int32_t generation;
    bool is_in_truth;
    enum fate fate;
};
/* What the truth knows of a group. */
struct truth_group {
    bool has_facts;
    uint8_t type;
    uint64_t version;
    int32_t epoch, generation, node;
    uint32_t mask;          /* members */
    uint64_t hash;          /* of the assignment */
    uint64_t offset[SLOTS]; /* number of the commit; 0: none */
};
/* What a broker that coordinated remembers. */
struct memory {
    uint64_t incarnation, version;
    int32_t epoch, generation;
    uint32_t mask;
    uint64_t hash;
    bool is_mine; /* it wrote the last facts itself */
};
struct sim_group {
    char id[8];
    int journal;
    struct truth_group truth;
    struct memory memory[SIM_BROKERS_MAX];
    int32_t heard; /* generation of the last rebalance that a member was told of */
    uint32_t heard_mask;
};

struct sim_groups {
    struct sim_group groups[GROUPS];
    struct sim_commit commits[COMMITS_MAX];
    uint64_t commit_count; /* numbers begin at 1 */
    uint64_t last_version[SIM_JOURNALS_MAX];
    /* by generation op, never forgotten, not even by a deletion: number of each op is drawn */
    struct {
        uint64_t nonce;
        bool is_in_truth;
        enum fate fate;
    } ops[COMMITS_MAX];
    uint64_t op_count;
};
extern struct sim_groups sim_gs;

struct tag {
    uint32_t mask;
    int node;
    uint64_t hash, number;
};

struct uuid group_slot_topic(int slot);
struct tag group_tag_of(struct span text);
void group_compare_broker(const struct sim_broker *b, int journal);

#endif
