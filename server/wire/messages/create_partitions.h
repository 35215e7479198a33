/* SPDX-License-Identifier: Apache-2.0
 *
 * CreatePartitions (key 37), versions 0 to 3, flexible from 2. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_CREATE_PARTITIONS_H
#define SLUICE_WIRE_MESSAGES_CREATE_PARTITIONS_H

#include "wire/schema.h"

struct create_partitions_request_assignment {
    WIRE_LIST(int32_t) broker_ids;
};

struct create_partitions_request_topic {
    struct span name;
    int32_t count;
    WIRE_LIST(struct create_partitions_request_assignment) assignments; /* nullable */
};

struct create_partitions_request {
    WIRE_LIST(struct create_partitions_request_topic) topics;
    int32_t timeout_ms;
    bool validate_only;
};

extern const struct wire_message create_partitions_request_schema;

struct create_partitions_response_topic {
    struct span name;
    int16_t error_code;
    struct span error_message; /* nullable */
};

struct create_partitions_response {
    int32_t throttle_time_ms;
    WIRE_LIST(struct create_partitions_response_topic) results;
};

extern const struct wire_message create_partitions_response_schema;

#endif
