/* SPDX-License-Identifier: Apache-2.0
 *
 * The requests of the consumer group protocol (KIP-848): a heartbeat that does everything, and a
 * description. Used like those of group/classic.h.
 *
 * Threads: a struct belongs to whoever has it; run on the table's loop. */
#ifndef SLUICE_GROUP_CONSUMER_H
#define SLUICE_GROUP_CONSUMER_H

#include "group/group.h"

enum { CONSUMER_LEAVE = -1, CONSUMER_LEAVE_STATIC = -2 }; /* member epochs of a heartbeat */

struct consumer_heartbeat {
    struct group_call call;
    /* asked; ptr NULL, -1 and false: not said, as in the last heartbeat */
    struct span member_id; /* empty: wants one (version 0) */
    int32_t member_epoch;  /* 0 joins */
    struct span instance_id, rack, client_id, client_host;
    int32_t rebalance_timeout_ms;
    bool has_topics, has_owned, needs_member_id; /* version 1 and later: brings its id */
    const struct span *topics;                   /* names subscribed to */
    size_t topic_count;
    struct span regex, server_assignor;
    struct group_part_list owned;
    /* answered */
    struct span ret_member_id;
    int32_t ret_epoch, ret_interval_ms;
    bool has_assignment;
    struct group_part_list ret_assignment;
};
void consumer_heartbeat_run(struct group_table *gt, struct group_call *c);

struct consumer_described_topic {
    struct uuid id;
    struct span name;
    int32_t *indexes;
    uint32_t count;
};
struct consumer_described_list {
    struct consumer_described_topic *topics;
    uint32_t count;
};
struct consumer_described_member {
    struct span id, instance_id, rack, client_id, client_host, regex;
    struct span *topics;
    uint32_t topic_count;
    int32_t epoch;
    bool is_classic;
    struct consumer_described_list assigned, target;
};
struct consumer_describe {
    struct group_call call;
    /* answered */
    const char *state, *assignor;
    int32_t group_epoch, assignment_epoch;
    struct consumer_described_member *members;
    size_t member_count;
};
void consumer_describe_run(struct group_table *gt, struct group_call *c);

#endif
