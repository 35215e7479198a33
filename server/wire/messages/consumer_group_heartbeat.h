/* SPDX-License-Identifier: Apache-2.0
 *
 * ConsumerGroupHeartbeat (key 68, KIP-848), versions 0 to 1, flexible from 0. Threads: plain
 * values; lifetime: schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_CONSUMER_GROUP_HEARTBEAT_H
#define SLUICE_WIRE_MESSAGES_CONSUMER_GROUP_HEARTBEAT_H

#include "wire/schema.h"

struct consumer_group_heartbeat_topic_partitions {
    uint8_t topic_id[16];
    WIRE_LIST(int32_t) partitions;
};

/* Null and -1 mean: as in the last heartbeat. */
struct consumer_group_heartbeat_request {
    struct span group_id;
    struct span member_id;
    int32_t member_epoch;         /* 0 joins, -1 leaves, -2 leaves for a while (static members) */
    struct span instance_id;      /* nullable */
    struct span rack_id;          /* nullable */
    int32_t rebalance_timeout_ms; /* default -1 */
    WIRE_LIST(struct span) subscribed_topic_names; /* nullable */
    struct span subscribed_topic_regex;            /* v1+, nullable */
    struct span server_assignor;                   /* nullable */
    WIRE_LIST(struct consumer_group_heartbeat_topic_partitions) topic_partitions; /* nullable */
};

extern const struct wire_message consumer_group_heartbeat_request_schema;
/* All fields at their defaults, which are not all zero. */
void consumer_group_heartbeat_request_init(struct consumer_group_heartbeat_request *ret);

struct consumer_group_heartbeat_assignment {
    WIRE_LIST(struct consumer_group_heartbeat_topic_partitions) topic_partitions;
};

struct consumer_group_heartbeat_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct span error_message; /* nullable */
    struct span member_id;     /* nullable */
    int32_t member_epoch;
    int32_t heartbeat_interval_ms;
    struct consumer_group_heartbeat_assignment *assignment; /* nullable */
};

extern const struct wire_message consumer_group_heartbeat_response_schema;

#endif
