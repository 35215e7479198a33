/* SPDX-License-Identifier: Apache-2.0
 *
 * OffsetDelete (key 47), version 0, never flexible. Threads: plain values; lifetime: schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_OFFSET_DELETE_H
#define SLUICE_WIRE_MESSAGES_OFFSET_DELETE_H

#include "wire/schema.h"

struct offset_delete_request_partition {
    int32_t partition_index;
};

struct offset_delete_request_topic {
    struct span name;
    WIRE_LIST(struct offset_delete_request_partition) partitions;
};

struct offset_delete_request {
    struct span group_id;
    WIRE_LIST(struct offset_delete_request_topic) topics;
};

extern const struct wire_message offset_delete_request_schema;

struct offset_delete_response_partition {
    int32_t partition_index;
    int16_t error_code;
};

struct offset_delete_response_topic {
    struct span name;
    WIRE_LIST(struct offset_delete_response_partition) partitions;
};

struct offset_delete_response {
    int16_t error_code;
    int32_t throttle_time_ms;
    WIRE_LIST(struct offset_delete_response_topic) topics;
};

extern const struct wire_message offset_delete_response_schema;

#endif
