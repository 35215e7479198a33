/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of DescribeGroups; the columns are explained in wire/schema.h. */
#include "wire/messages/describe_groups.h"

static const struct wire_field request_rows[] = {
    WIRE_ROW_LIST(WIRE_STRING, struct describe_groups_request, groups, 0, WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW(WIRE_BOOL, struct describe_groups_request, include_authorized_operations, 3,
             WIRE_FOREVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct describe_groups_request, request_rows);

const struct wire_message describe_groups_request_schema = {
    "DescribeGroupsRequest", 15, false, 0, 6, 5, &request};

static const struct wire_field response_member_rows[] = {
    WIRE_ROW(WIRE_STRING, struct describe_groups_response_member, member_id, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_groups_response_member, group_instance_id, 4,
                      WIRE_FOREVER, 4),
    WIRE_ROW(WIRE_STRING, struct describe_groups_response_member, client_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct describe_groups_response_member, client_host, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_BYTES, struct describe_groups_response_member, member_metadata, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_BYTES, struct describe_groups_response_member, member_assignment, 0,
             WIRE_FOREVER),
};
static const struct wire_schema response_member =
    WIRE_SCHEMA(struct describe_groups_response_member, response_member_rows);

static const struct wire_field response_group_rows[] = {
    WIRE_ROW(WIRE_I16, struct describe_groups_response_group, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_groups_response_group, error_message, 6,
                      WIRE_FOREVER, 6),
    WIRE_ROW(WIRE_STRING, struct describe_groups_response_group, group_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct describe_groups_response_group, group_state, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct describe_groups_response_group, protocol_type, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct describe_groups_response_group, protocol_data, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_member, struct describe_groups_response_group, members, 0,
                     WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct describe_groups_response_group, authorized_operations, 3,
                     WIRE_FOREVER, -2147483648),
};
static const struct wire_schema response_group =
    WIRE_SCHEMA(struct describe_groups_response_group, response_group_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct describe_groups_response, throttle_time_ms, 1, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_group, struct describe_groups_response, groups, 0, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct describe_groups_response, response_rows);

const struct wire_message describe_groups_response_schema = {
    "DescribeGroupsResponse", 15, true, 0, 6, 5, &response};

void
describe_groups_response_group_init(struct describe_groups_response_group *ret)
{
    wire_defaults(&response_group, ret);
}
