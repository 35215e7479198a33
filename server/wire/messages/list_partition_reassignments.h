/* SPDX-License-Identifier: Apache-2.0
 *
 * ListPartitionReassignments (key 46), version 0, flexible from 0. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_LIST_PARTITION_REASSIGNMENTS_H
#define SLUICE_WIRE_MESSAGES_LIST_PARTITION_REASSIGNMENTS_H

#include "wire/schema.h"

struct list_partition_reassignments_request_topic {
    struct span name;
    WIRE_LIST(int32_t) partition_indexes;
};

struct list_partition_reassignments_request {
    int32_t timeout_ms;
    WIRE_LIST(struct list_partition_reassignments_request_topic) topics; /* nullable */
};

extern const struct wire_message list_partition_reassignments_request_schema;
void list_partition_reassignments_request_init(struct list_partition_reassignments_request *ret);

struct list_partition_reassignments_response_partition {
    int32_t partition_index;
    WIRE_LIST(int32_t) replicas;
    WIRE_LIST(int32_t) adding_replicas;
    WIRE_LIST(int32_t) removing_replicas;
};

struct list_partition_reassignments_response_topic {
    struct span name;
    WIRE_LIST(struct list_partition_reassignments_response_partition) partitions;
};

struct list_partition_reassignments_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct span error_message; /* nullable */
    WIRE_LIST(struct list_partition_reassignments_response_topic) topics;
};

extern const struct wire_message list_partition_reassignments_response_schema;

#endif
