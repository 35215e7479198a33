/* SPDX-License-Identifier: Apache-2.0
 *
 * Metadata (key 3), versions 0 to 13, flexible from 9. Threads: plain values; lifetime: schema.h.
 */
#ifndef SLUICE_WIRE_MESSAGES_METADATA_H
#define SLUICE_WIRE_MESSAGES_METADATA_H

#include "wire/schema.h"

struct metadata_request_topic {
    uint8_t topic_id[16]; /* v10+ */
    struct span name;     /* nullable v10+ */
};

struct metadata_request {
    WIRE_LIST(struct metadata_request_topic) topics; /* nullable v1+ */
    bool allow_auto_topic_creation;                  /* v4+, default 1 */
    bool include_cluster_authorized_operations;      /* v8-10 */
    bool include_topic_authorized_operations;        /* v8+ */
};

extern const struct wire_message metadata_request_schema;
/* All fields at their defaults, which are not all zero. */
void metadata_request_init(struct metadata_request *ret);

struct metadata_response_broker {
    int32_t node_id;
    struct span host;
    int32_t port;
    struct span rack; /* v1+, nullable */
};

struct metadata_response_partition {
    int16_t error_code;
    int32_t partition_index;
    int32_t leader_id;
    int32_t leader_epoch; /* v7+, default -1 */
    WIRE_LIST(int32_t) replica_nodes;
    WIRE_LIST(int32_t) isr_nodes;
    WIRE_LIST(int32_t) offline_replicas; /* v5+ */
};

struct metadata_response_topic {
    int16_t error_code;
    struct span name;     /* nullable v12+ */
    uint8_t topic_id[16]; /* v10+ */
    bool is_internal;     /* v1+ */
    WIRE_LIST(struct metadata_response_partition) partitions;
    int32_t topic_authorized_operations; /* v8+, default -2147483648 */
};

struct metadata_response {
    int32_t throttle_time_ms; /* v3+ */
    WIRE_LIST(struct metadata_response_broker) brokers;
    struct span cluster_id; /* v2+, nullable */
    int32_t controller_id;  /* v1+, default -1 */
    WIRE_LIST(struct metadata_response_topic) topics;
    int32_t cluster_authorized_operations; /* v8-10, default -2147483648 */
    int16_t error_code;                    /* v13+ */
};

extern const struct wire_message metadata_response_schema;
/* All fields at their defaults, which are not all zero. */
void metadata_response_partition_init(struct metadata_response_partition *ret);
void metadata_response_topic_init(struct metadata_response_topic *ret);
void metadata_response_init(struct metadata_response *ret);

/* Straight code for a reply that may name every partition of the cluster; the same bytes as the
 * interpreter's. */
MUST_CHECK enum sl_err metadata_response_encode(const struct metadata_response *resp,
                                                int16_t version, struct bytes *out);

#endif
