/* SPDX-License-Identifier: Apache-2.0
 *
 * DescribeClientQuotas (key 48), versions 0 to 1, flexible from 1. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_DESCRIBE_CLIENT_QUOTAS_H
#define SLUICE_WIRE_MESSAGES_DESCRIBE_CLIENT_QUOTAS_H

#include "wire/schema.h"

struct describe_client_quotas_request_component {
    struct span entity_type;
    int8_t match_type;
    struct span match; /* nullable */
};

struct describe_client_quotas_request {
    WIRE_LIST(struct describe_client_quotas_request_component) components;
    bool strict;
};

extern const struct wire_message describe_client_quotas_request_schema;

struct describe_client_quotas_response_entity {
    struct span entity_type;
    struct span entity_name; /* nullable */
};

struct describe_client_quotas_response_value {
    struct span key;
    double value;
};

struct describe_client_quotas_response_entry {
    WIRE_LIST(struct describe_client_quotas_response_entity) entity;
    WIRE_LIST(struct describe_client_quotas_response_value) values;
};

struct describe_client_quotas_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct span error_message;                                       /* nullable */
    WIRE_LIST(struct describe_client_quotas_response_entry) entries; /* nullable */
};

extern const struct wire_message describe_client_quotas_response_schema;

#endif
