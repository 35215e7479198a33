/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of CreateAcls; the columns are explained in wire/schema.h. */
#include "wire/messages/create_acls.h"

static const struct wire_field request_creation_rows[] = {
    WIRE_ROW(WIRE_I8, struct create_acls_request_creation, resource_type, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct create_acls_request_creation, resource_name, 1, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I8, struct create_acls_request_creation, resource_pattern_type, 1,
                     WIRE_FOREVER, 3),
    WIRE_ROW(WIRE_STRING, struct create_acls_request_creation, principal, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct create_acls_request_creation, host, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I8, struct create_acls_request_creation, operation, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I8, struct create_acls_request_creation, permission_type, 1, WIRE_FOREVER),
};
static const struct wire_schema request_creation =
    WIRE_SCHEMA(struct create_acls_request_creation, request_creation_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_STRUCTS(&request_creation, struct create_acls_request, creations, 1, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct create_acls_request, request_rows);

const struct wire_message create_acls_request_schema = {
    "CreateAclsRequest", 30, false, 1, 3, 2, &request};

void
create_acls_request_creation_init(struct create_acls_request_creation *ret)
{
    wire_defaults(&request_creation, ret);
}

static const struct wire_field response_result_rows[] = {
    WIRE_ROW(WIRE_I16, struct create_acls_response_result, error_code, 1, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct create_acls_response_result, error_message, 1,
                      WIRE_FOREVER, 1),
};
static const struct wire_schema response_result =
    WIRE_SCHEMA(struct create_acls_response_result, response_result_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct create_acls_response, throttle_time_ms, 1, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_result, struct create_acls_response, results, 1, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response = WIRE_SCHEMA(struct create_acls_response, response_rows);

const struct wire_message create_acls_response_schema = {
    "CreateAclsResponse", 30, true, 1, 3, 2, &response};
