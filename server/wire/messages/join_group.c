/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of JoinGroup; the columns are explained in wire/schema.h. */
#include "wire/messages/join_group.h"

static const struct wire_field request_protocol_rows[] = {
    WIRE_ROW(WIRE_STRING, struct join_group_request_protocol, name, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_BYTES, struct join_group_request_protocol, metadata, 0, WIRE_FOREVER),
};
static const struct wire_schema request_protocol =
    WIRE_SCHEMA(struct join_group_request_protocol, request_protocol_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_STRING, struct join_group_request, group_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct join_group_request, session_timeout_ms, 0, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct join_group_request, rebalance_timeout_ms, 1, WIRE_FOREVER,
                     -1),
    WIRE_ROW(WIRE_STRING, struct join_group_request, member_id, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct join_group_request, group_instance_id, 5, WIRE_FOREVER,
                      5),
    WIRE_ROW(WIRE_STRING, struct join_group_request, protocol_type, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_protocol, struct join_group_request, protocols, 0, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct join_group_request, reason, 8, WIRE_FOREVER, 8),
};
static const struct wire_schema request = WIRE_SCHEMA(struct join_group_request, request_rows);

const struct wire_message join_group_request_schema = {
    "JoinGroupRequest", 11, false, 0, 9, 6, &request};

void
join_group_request_init(struct join_group_request *ret)
{
    wire_defaults(&request, ret);
}

static const struct wire_field response_member_rows[] = {
    WIRE_ROW(WIRE_STRING, struct join_group_response_member, member_id, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct join_group_response_member, group_instance_id, 5,
                      WIRE_FOREVER, 5),
    WIRE_ROW(WIRE_BYTES, struct join_group_response_member, metadata, 0, WIRE_FOREVER),
};
static const struct wire_schema response_member =
    WIRE_SCHEMA(struct join_group_response_member, response_member_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct join_group_response, throttle_time_ms, 2, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct join_group_response, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct join_group_response, generation_id, 0, WIRE_FOREVER, -1),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct join_group_response, protocol_type, 7, WIRE_FOREVER, 7),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct join_group_response, protocol_name, 0, WIRE_FOREVER, 7),
    WIRE_ROW(WIRE_STRING, struct join_group_response, leader, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_BOOL, struct join_group_response, skip_assignment, 9, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct join_group_response, member_id, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_member, struct join_group_response, members, 0, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response = WIRE_SCHEMA(struct join_group_response, response_rows);

const struct wire_message join_group_response_schema = {
    "JoinGroupResponse", 11, true, 0, 9, 6, &response};

void
join_group_response_init(struct join_group_response *ret)
{
    wire_defaults(&response, ret);
}
