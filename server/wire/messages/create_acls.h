/* SPDX-License-Identifier: Apache-2.0
 *
 * CreateAcls (key 30), versions 1 to 3, flexible from 2. Threads: plain values; lifetime: schema.h.
 */
#ifndef SLUICE_WIRE_MESSAGES_CREATE_ACLS_H
#define SLUICE_WIRE_MESSAGES_CREATE_ACLS_H

#include "wire/schema.h"

struct create_acls_request_creation {
    int8_t resource_type;
    struct span resource_name;
    int8_t resource_pattern_type;
    struct span principal;
    struct span host;
    int8_t operation;
    int8_t permission_type;
};

struct create_acls_request {
    WIRE_LIST(struct create_acls_request_creation) creations;
};

extern const struct wire_message create_acls_request_schema;
void create_acls_request_creation_init(struct create_acls_request_creation *ret);

struct create_acls_response_result {
    int16_t error_code;
    struct span error_message; /* nullable */
};

struct create_acls_response {
    int32_t throttle_time_ms;
    WIRE_LIST(struct create_acls_response_result) results;
};

extern const struct wire_message create_acls_response_schema;

#endif
