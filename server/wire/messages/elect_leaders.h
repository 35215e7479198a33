/* SPDX-License-Identifier: Apache-2.0
 *
 * ElectLeaders (key 43), versions 0 to 2, flexible from 2. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_ELECT_LEADERS_H
#define SLUICE_WIRE_MESSAGES_ELECT_LEADERS_H

#include "wire/schema.h"

struct elect_leaders_request_topic {
    struct span topic;
    WIRE_LIST(int32_t) partitions;
};

struct elect_leaders_request {
    int8_t election_type;                                           /* v1+ */
    WIRE_LIST(struct elect_leaders_request_topic) topic_partitions; /* nullable */
    int32_t timeout_ms;
};

extern const struct wire_message elect_leaders_request_schema;
void elect_leaders_request_init(struct elect_leaders_request *ret);

struct elect_leaders_response_partition {
    int32_t partition_id;
    int16_t error_code;
    struct span error_message; /* nullable */
};

struct elect_leaders_response_result {
    struct span topic;
    WIRE_LIST(struct elect_leaders_response_partition) partition_result;
};

struct elect_leaders_response {
    int32_t throttle_time_ms;
    int16_t error_code; /* v1+ */
    WIRE_LIST(struct elect_leaders_response_result) replica_election_results;
};

extern const struct wire_message elect_leaders_response_schema;

#endif
