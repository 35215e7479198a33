/* SPDX-License-Identifier: Apache-2.0
 *
 * Committed offsets, and groups as an administrator sees them: requests common to all types of
 * groups. Used like those of group/classic.h. Topics come resolved to their ids.
 *
 * Threads: a struct belongs to whoever has it; run on the table's loop. */
#ifndef SLUICE_GROUP_OFFSETS_H
#define SLUICE_GROUP_OFFSETS_H

#include "group/group.h"

/* One op for all partitions that were not refused before. */
struct offset_commit_part {
    struct uuid topic_id;
    int32_t partition, leader_epoch;
    int64_t offset;
    struct span metadata;
    int16_t error; /* not KAFKA_NONE: refused by the handler; else the answer */
};
struct offset_commit {
    struct group_call call;
    struct span member_id, instance_id;
    int32_t generation;       /* or member epoch; -1: a simple commit */
    bool has_group_not_found; /* version 9 and later: GROUP_ID_NOT_FOUND, STALE_MEMBER_EPOCH */
    struct offset_commit_part *parts;
    size_t part_count;
    /* the group's */
    struct op_proposal op;
    struct group *group;
};
void offset_commit_run(struct group_table *gt, struct group_call *c);

struct offset_fetch_part {
    struct uuid topic_id;
    int32_t partition;
    /* answered */
    int32_t leader_epoch;
    int64_t offset; /* -1: none */
    struct span metadata;
};
struct offset_fetch {
    struct group_call call;
    struct span member_id; /* version 9; ptr NULL: not said */
    int32_t member_epoch;  /* -1: not said */
    bool is_all;           /* answer every offset of the group, sorted, in parts */
    int64_t deadline_ns;   /* of the read to the tail (R8) */
    struct offset_fetch_part *parts;
    size_t part_count;
    /* the group's */
    struct journal_waiter waiter;
    struct sched_timer late;
};
void offset_fetch_run(struct group_table *gt, struct group_call *c);

/* OffsetDelete. */
struct offset_delete_part {
    struct uuid topic_id;
    struct span topic; /* its name */
    int32_t partition;
    int16_t error; /* as in offset_commit_part */
};
struct offset_delete {
    struct group_call call;
    struct offset_delete_part *parts;
    size_t part_count;
    struct op_proposal op;
};
void offset_delete_run(struct group_table *gt, struct group_call *c);

/* --- groups --- */

/* DeleteGroups: groups of one journal, each with its own outcome. */
struct group_remove_item {
    struct span group_id;
    int16_t error;
    uint64_t base; /* the group's */
};
struct group_remove {
    struct group_call call; /* without a group id */
    struct group_remove_item **items;
    size_t count;
    struct op_proposal op;
    struct journal_waiter waiter;
};
void group_remove_run(struct group_table *gt, struct group_call *c);

/* ListGroups: all groups of one journal. */
struct group_listed {
    struct span id, protocol_type;
    const char *state, *type; /* "Stable", "classic" */
};
struct group_list {
    struct group_call call;
    struct group_listed *groups;
    size_t count;
};
void group_list_run(struct group_table *gt, struct group_call *c);

/* DescribeGroups: one group; of another type than classic: GROUP_ID_NOT_FOUND. */
struct group_described_member {
    struct span id, instance_id, client_id, client_host, metadata, assignment;
};
struct group_describe {
    struct group_call call;
    const char *state;
    struct span protocol_type, protocol;
    struct group_described_member *members;
    size_t member_count;
};
void group_describe_run(struct group_table *gt, struct group_call *c);

#endif
