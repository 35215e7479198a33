/* SPDX-License-Identifier: Apache-2.0
 *
 * DeleteAcls (key 31), versions 1 to 3, flexible from 2. Threads: plain values; lifetime: schema.h.
 */
#ifndef SLUICE_WIRE_MESSAGES_DELETE_ACLS_H
#define SLUICE_WIRE_MESSAGES_DELETE_ACLS_H

#include "wire/schema.h"

struct delete_acls_request_filter {
    int8_t resource_type_filter;
    struct span resource_name_filter; /* nullable */
    int8_t pattern_type_filter;
    struct span principal_filter; /* nullable */
    struct span host_filter;      /* nullable */
    int8_t operation;
    int8_t permission_type;
};

struct delete_acls_request {
    WIRE_LIST(struct delete_acls_request_filter) filters;
};

extern const struct wire_message delete_acls_request_schema;
void delete_acls_request_filter_init(struct delete_acls_request_filter *ret);

struct delete_acls_response_matching_acl {
    int16_t error_code;
    struct span error_message; /* nullable */
    int8_t resource_type;
    struct span resource_name;
    int8_t pattern_type;
    struct span principal;
    struct span host;
    int8_t operation;
    int8_t permission_type;
};

struct delete_acls_response_filter_result {
    int16_t error_code;
    struct span error_message; /* nullable */
    WIRE_LIST(struct delete_acls_response_matching_acl) matching_acls;
};

struct delete_acls_response {
    int32_t throttle_time_ms;
    WIRE_LIST(struct delete_acls_response_filter_result) filter_results;
};

extern const struct wire_message delete_acls_response_schema;
void delete_acls_response_matching_acl_init(struct delete_acls_response_matching_acl *ret);

#endif
