/* SPDX-License-Identifier: Apache-2.0
 *
 * ConsumerGroupDescribe (key 69, KIP-848), versions 0 to 1, flexible from 0. Threads: plain values;
 * lifetime: schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_CONSUMER_GROUP_DESCRIBE_H
#define SLUICE_WIRE_MESSAGES_CONSUMER_GROUP_DESCRIBE_H

#include "wire/schema.h"

struct consumer_group_describe_request {
    WIRE_LIST(struct span) group_ids;
    bool include_authorized_operations;
};

extern const struct wire_message consumer_group_describe_request_schema;

struct consumer_group_describe_topic_partitions {
    uint8_t topic_id[16];
    struct span topic_name;
    WIRE_LIST(int32_t) partitions;
};

struct consumer_group_describe_assignment {
    WIRE_LIST(struct consumer_group_describe_topic_partitions) topic_partitions;
};

struct consumer_group_describe_member {
    struct span member_id;
    struct span instance_id; /* nullable */
    struct span rack_id;     /* nullable */
    int32_t member_epoch;
    struct span client_id;
    struct span client_host;
    WIRE_LIST(struct span) subscribed_topic_names;
    struct span subscribed_topic_regex; /* nullable */
    struct consumer_group_describe_assignment assignment, target_assignment;
    int8_t member_type; /* v1+, default -1; 0 classic, 1 consumer */
};

struct consumer_group_describe_group {
    int16_t error_code;
    struct span error_message; /* nullable */
    struct span group_id;
    struct span group_state;
    int32_t group_epoch;
    int32_t assignment_epoch;
    struct span assignor_name;
    WIRE_LIST(struct consumer_group_describe_member) members;
    int32_t authorized_operations; /* default -2147483648 */
};

struct consumer_group_describe_response {
    int32_t throttle_time_ms;
    WIRE_LIST(struct consumer_group_describe_group) groups;
};

extern const struct wire_message consumer_group_describe_response_schema;
/* All fields at their defaults, which are not all zero. */
void consumer_group_describe_group_init(struct consumer_group_describe_group *ret);
void consumer_group_describe_member_init(struct consumer_group_describe_member *ret);

#endif
