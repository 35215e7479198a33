/* SPDX-License-Identifier: Apache-2.0
 *
 * Produce (key 0), versions 3 to 13, flexible from 9. Threads: plain values; lifetime: schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_PRODUCE_H
#define SLUICE_WIRE_MESSAGES_PRODUCE_H

#include "wire/schema.h"

struct produce_request_partition {
    int32_t index;
    struct span records; /* nullable */
};

struct produce_request_topic {
    struct span name;     /* v3-12 */
    uint8_t topic_id[16]; /* v13+ */
    WIRE_LIST(struct produce_request_partition) partition_data;
};

struct produce_request {
    struct span transactional_id; /* nullable */
    int16_t acks;
    int32_t timeout_ms;
    WIRE_LIST(struct produce_request_topic) topic_data;
};

extern const struct wire_message produce_request_schema;

struct produce_response_record_error {
    int32_t batch_index;                   /* v8+ */
    struct span batch_index_error_message; /* v8+, nullable */
};

struct produce_response_leader {
    int32_t leader_id;    /* v10+, default -1 */
    int32_t leader_epoch; /* v10+, default -1 */
};

struct produce_response_partition {
    int32_t index;
    int16_t error_code;
    int64_t base_offset;
    int64_t log_append_time_ms;                                    /* default -1 */
    int64_t log_start_offset;                                      /* v5+, default -1 */
    WIRE_LIST(struct produce_response_record_error) record_errors; /* v8+ */
    struct span error_message;                                     /* v8+, nullable */
    struct produce_response_leader current_leader;                 /* v10+, tagged */
};

struct produce_response_topic {
    struct span name;     /* v3-12 */
    uint8_t topic_id[16]; /* v13+ */
    WIRE_LIST(struct produce_response_partition) partition_responses;
};

struct produce_response_node_endpoint {
    int32_t node_id;  /* v10+ */
    struct span host; /* v10+ */
    int32_t port;     /* v10+ */
    struct span rack; /* v10+, nullable */
};

struct produce_response {
    WIRE_LIST(struct produce_response_topic) responses;
    int32_t throttle_time_ms;
    WIRE_LIST(struct produce_response_node_endpoint) node_endpoints; /* v10+, tagged */
};

extern const struct wire_message produce_response_schema;
/* All fields at their defaults, which are not all zero. */
void produce_response_leader_init(struct produce_response_leader *ret);
void produce_response_partition_init(struct produce_response_partition *ret);

/* Straight code for the hot direction; the same structs, bytes and errors as the interpreter. */
MUST_CHECK enum sl_err produce_request_decode(struct span body, int16_t version,
                                              struct arena *arena, struct produce_request *ret);
MUST_CHECK enum sl_err produce_response_encode(const struct produce_response *resp, int16_t version,
                                               struct bytes *out);

#endif
