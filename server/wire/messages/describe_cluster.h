/* SPDX-License-Identifier: Apache-2.0
 *
 * DescribeCluster (key 60), versions 0 to 1, flexible from 0. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_DESCRIBE_CLUSTER_H
#define SLUICE_WIRE_MESSAGES_DESCRIBE_CLUSTER_H

#include "wire/schema.h"

struct describe_cluster_request {
    bool include_cluster_authorized_operations;
    int8_t endpoint_type; /* v1+, default 1 */
};

extern const struct wire_message describe_cluster_request_schema;
/* All fields at their defaults, which are not all zero. */
void describe_cluster_request_init(struct describe_cluster_request *ret);

struct describe_cluster_response_broker {
    int32_t broker_id;
    struct span host;
    int32_t port;
    struct span rack; /* nullable */
};

struct describe_cluster_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct span error_message; /* nullable */
    int8_t endpoint_type;      /* v1+, default 1 */
    struct span cluster_id;
    int32_t controller_id; /* default -1 */
    WIRE_LIST(struct describe_cluster_response_broker) brokers;
    int32_t cluster_authorized_operations; /* default -2147483648 */
};

extern const struct wire_message describe_cluster_response_schema;
/* All fields at their defaults, which are not all zero. */
void describe_cluster_response_init(struct describe_cluster_response *ret);

#endif
