/* SPDX-License-Identifier: Apache-2.0
 *
 * AlterClientQuotas (key 49), versions 0 to 1, flexible from 1. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_ALTER_CLIENT_QUOTAS_H
#define SLUICE_WIRE_MESSAGES_ALTER_CLIENT_QUOTAS_H

#include "wire/schema.h"

struct alter_client_quotas_request_entity {
    struct span entity_type;
    struct span entity_name; /* nullable */
};

struct alter_client_quotas_request_op {
    struct span key;
    double value;
    bool remove;
};

struct alter_client_quotas_request_entry {
    WIRE_LIST(struct alter_client_quotas_request_entity) entity;
    WIRE_LIST(struct alter_client_quotas_request_op) ops;
};

struct alter_client_quotas_request {
    WIRE_LIST(struct alter_client_quotas_request_entry) entries;
    bool validate_only;
};

extern const struct wire_message alter_client_quotas_request_schema;

struct alter_client_quotas_response_entity {
    struct span entity_type;
    struct span entity_name; /* nullable */
};

struct alter_client_quotas_response_entry {
    int16_t error_code;
    struct span error_message; /* nullable */
    WIRE_LIST(struct alter_client_quotas_response_entity) entity;
};

struct alter_client_quotas_response {
    int32_t throttle_time_ms;
    WIRE_LIST(struct alter_client_quotas_response_entry) entries;
};

extern const struct wire_message alter_client_quotas_response_schema;

#endif
