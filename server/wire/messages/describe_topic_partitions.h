/* SPDX-License-Identifier: Apache-2.0
 *
 * DescribeTopicPartitions (key 75), version 0, flexible from 0. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_DESCRIBE_TOPIC_PARTITIONS_H
#define SLUICE_WIRE_MESSAGES_DESCRIBE_TOPIC_PARTITIONS_H

#include "wire/schema.h"

struct describe_topic_partitions_request_topic {
    struct span name;
};

struct describe_topic_partitions_request_cursor {
    struct span topic_name;
    int32_t partition_index;
};

struct describe_topic_partitions_request {
    WIRE_LIST(struct describe_topic_partitions_request_topic) topics;
    int32_t response_partition_limit;
    struct describe_topic_partitions_request_cursor *cursor; /* NULL is null */
};

extern const struct wire_message describe_topic_partitions_request_schema;
void describe_topic_partitions_request_init(struct describe_topic_partitions_request *ret);

struct describe_topic_partitions_response_partition {
    int16_t error_code;
    int32_t partition_index;
    int32_t leader_id;
    int32_t leader_epoch;
    WIRE_LIST(int32_t) replica_nodes;
    WIRE_LIST(int32_t) isr_nodes;
    WIRE_LIST(int32_t) eligible_leader_replicas; /* nullable */
    WIRE_LIST(int32_t) last_known_elr;           /* nullable */
    WIRE_LIST(int32_t) offline_replicas;
};

struct describe_topic_partitions_response_topic {
    int16_t error_code;
    struct span name; /* nullable */
    uint8_t topic_id[16];
    bool is_internal;
    WIRE_LIST(struct describe_topic_partitions_response_partition) partitions;
    int32_t topic_authorized_operations;
};

struct describe_topic_partitions_response_cursor {
    struct span topic_name;
    int32_t partition_index;
};

struct describe_topic_partitions_response {
    int32_t throttle_time_ms;
    WIRE_LIST(struct describe_topic_partitions_response_topic) topics;
    struct describe_topic_partitions_response_cursor *next_cursor; /* NULL is null */
};

extern const struct wire_message describe_topic_partitions_response_schema;
void describe_topic_partitions_response_partition_init(
    struct describe_topic_partitions_response_partition *ret);
void
describe_topic_partitions_response_topic_init(struct describe_topic_partitions_response_topic *ret);

#endif
