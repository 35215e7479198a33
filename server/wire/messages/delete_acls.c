/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of DeleteAcls; the columns are explained in wire/schema.h. */
#include "wire/messages/delete_acls.h"

static const struct wire_field request_filter_rows[] = {
    WIRE_ROW(WIRE_I8, struct delete_acls_request_filter, resource_type_filter, 1, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct delete_acls_request_filter, resource_name_filter, 1,
                      WIRE_FOREVER, 1),
    WIRE_ROW_DEFAULT(WIRE_I8, struct delete_acls_request_filter, pattern_type_filter, 1,
                     WIRE_FOREVER, 3),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct delete_acls_request_filter, principal_filter, 1,
                      WIRE_FOREVER, 1),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct delete_acls_request_filter, host_filter, 1, WIRE_FOREVER,
                      1),
    WIRE_ROW(WIRE_I8, struct delete_acls_request_filter, operation, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I8, struct delete_acls_request_filter, permission_type, 1, WIRE_FOREVER),
};
static const struct wire_schema request_filter =
    WIRE_SCHEMA(struct delete_acls_request_filter, request_filter_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_STRUCTS(&request_filter, struct delete_acls_request, filters, 1, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct delete_acls_request, request_rows);

const struct wire_message delete_acls_request_schema = {
    "DeleteAclsRequest", 31, false, 1, 3, 2, &request};

void
delete_acls_request_filter_init(struct delete_acls_request_filter *ret)
{
    wire_defaults(&request_filter, ret);
}

static const struct wire_field response_matching_acl_rows[] = {
    WIRE_ROW(WIRE_I16, struct delete_acls_response_matching_acl, error_code, 1, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct delete_acls_response_matching_acl, error_message, 1,
                      WIRE_FOREVER, 1),
    WIRE_ROW(WIRE_I8, struct delete_acls_response_matching_acl, resource_type, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct delete_acls_response_matching_acl, resource_name, 1, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I8, struct delete_acls_response_matching_acl, pattern_type, 1,
                     WIRE_FOREVER, 3),
    WIRE_ROW(WIRE_STRING, struct delete_acls_response_matching_acl, principal, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct delete_acls_response_matching_acl, host, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I8, struct delete_acls_response_matching_acl, operation, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I8, struct delete_acls_response_matching_acl, permission_type, 1, WIRE_FOREVER),
};
static const struct wire_schema response_matching_acl =
    WIRE_SCHEMA(struct delete_acls_response_matching_acl, response_matching_acl_rows);

static const struct wire_field response_filter_result_rows[] = {
    WIRE_ROW(WIRE_I16, struct delete_acls_response_filter_result, error_code, 1, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct delete_acls_response_filter_result, error_message, 1,
                      WIRE_FOREVER, 1),
    WIRE_ROW_STRUCTS(&response_matching_acl, struct delete_acls_response_filter_result,
                     matching_acls, 1, WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_filter_result =
    WIRE_SCHEMA(struct delete_acls_response_filter_result, response_filter_result_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct delete_acls_response, throttle_time_ms, 1, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_filter_result, struct delete_acls_response, filter_results, 1,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response = WIRE_SCHEMA(struct delete_acls_response, response_rows);

const struct wire_message delete_acls_response_schema = {
    "DeleteAclsResponse", 31, true, 1, 3, 2, &response};

void
delete_acls_response_matching_acl_init(struct delete_acls_response_matching_acl *ret)
{
    wire_defaults(&response_matching_acl, ret);
}
