/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of DescribeAcls; the columns are explained in wire/schema.h. */
#include "wire/messages/describe_acls.h"

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_I8, struct describe_acls_request, resource_type_filter, 1, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_acls_request, resource_name_filter, 1,
                      WIRE_FOREVER, 1),
    WIRE_ROW_DEFAULT(WIRE_I8, struct describe_acls_request, pattern_type_filter, 1, WIRE_FOREVER,
                     3),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_acls_request, principal_filter, 1, WIRE_FOREVER,
                      1),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_acls_request, host_filter, 1, WIRE_FOREVER, 1),
    WIRE_ROW(WIRE_I8, struct describe_acls_request, operation, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I8, struct describe_acls_request, permission_type, 1, WIRE_FOREVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct describe_acls_request, request_rows);

const struct wire_message describe_acls_request_schema = {
    "DescribeAclsRequest", 29, false, 1, 3, 2, &request};

void
describe_acls_request_init(struct describe_acls_request *ret)
{
    wire_defaults(&request, ret);
}

static const struct wire_field response_acl_rows[] = {
    WIRE_ROW(WIRE_STRING, struct describe_acls_response_acl, principal, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct describe_acls_response_acl, host, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I8, struct describe_acls_response_acl, operation, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I8, struct describe_acls_response_acl, permission_type, 1, WIRE_FOREVER),
};
static const struct wire_schema response_acl =
    WIRE_SCHEMA(struct describe_acls_response_acl, response_acl_rows);

static const struct wire_field response_resource_rows[] = {
    WIRE_ROW(WIRE_I8, struct describe_acls_response_resource, resource_type, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct describe_acls_response_resource, resource_name, 1, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I8, struct describe_acls_response_resource, pattern_type, 1, WIRE_FOREVER,
                     3),
    WIRE_ROW_STRUCTS(&response_acl, struct describe_acls_response_resource, acls, 1, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response_resource =
    WIRE_SCHEMA(struct describe_acls_response_resource, response_resource_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct describe_acls_response, throttle_time_ms, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct describe_acls_response, error_code, 1, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_acls_response, error_message, 1, WIRE_FOREVER,
                      1),
    WIRE_ROW_STRUCTS(&response_resource, struct describe_acls_response, resources, 1, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct describe_acls_response, response_rows);

const struct wire_message describe_acls_response_schema = {
    "DescribeAclsResponse", 29, true, 1, 3, 2, &response};

void
describe_acls_response_resource_init(struct describe_acls_response_resource *ret)
{
    wire_defaults(&response_resource, ret);
}
