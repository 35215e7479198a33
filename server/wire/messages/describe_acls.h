/* SPDX-License-Identifier: Apache-2.0
 *
 * DescribeAcls (key 29), versions 1 to 3, flexible from 2. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_DESCRIBE_ACLS_H
#define SLUICE_WIRE_MESSAGES_DESCRIBE_ACLS_H

#include "wire/schema.h"

struct describe_acls_request {
    int8_t resource_type_filter;
    struct span resource_name_filter; /* nullable */
    int8_t pattern_type_filter;
    struct span principal_filter; /* nullable */
    struct span host_filter;      /* nullable */
    int8_t operation;
    int8_t permission_type;
};

extern const struct wire_message describe_acls_request_schema;
void describe_acls_request_init(struct describe_acls_request *ret);

struct describe_acls_response_acl {
    struct span principal;
    struct span host;
    int8_t operation;
    int8_t permission_type;
};

struct describe_acls_response_resource {
    int8_t resource_type;
    struct span resource_name;
    int8_t pattern_type;
    WIRE_LIST(struct describe_acls_response_acl) acls;
};

struct describe_acls_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct span error_message; /* nullable */
    WIRE_LIST(struct describe_acls_response_resource) resources;
};

extern const struct wire_message describe_acls_response_schema;
void describe_acls_response_resource_init(struct describe_acls_response_resource *ret);

#endif
