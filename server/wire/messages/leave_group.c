/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of LeaveGroup; the columns are explained in wire/schema.h. */
#include "wire/messages/leave_group.h"

static const struct wire_field request_member_rows[] = {
    WIRE_ROW(WIRE_STRING, struct leave_group_request_member, member_id, 3, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct leave_group_request_member, group_instance_id, 3,
                      WIRE_FOREVER, 3),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct leave_group_request_member, reason, 5, WIRE_FOREVER, 5),
};
static const struct wire_schema request_member =
    WIRE_SCHEMA(struct leave_group_request_member, request_member_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_STRING, struct leave_group_request, group_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct leave_group_request, member_id, 0, 2),
    WIRE_ROW_STRUCTS(&request_member, struct leave_group_request, members, 3, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct leave_group_request, request_rows);

const struct wire_message leave_group_request_schema = {
    "LeaveGroupRequest", 13, false, 0, 5, 4, &request};

static const struct wire_field response_member_rows[] = {
    WIRE_ROW(WIRE_STRING, struct leave_group_response_member, member_id, 3, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct leave_group_response_member, group_instance_id, 3,
                      WIRE_FOREVER, 3),
    WIRE_ROW(WIRE_I16, struct leave_group_response_member, error_code, 3, WIRE_FOREVER),
};
static const struct wire_schema response_member =
    WIRE_SCHEMA(struct leave_group_response_member, response_member_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct leave_group_response, throttle_time_ms, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct leave_group_response, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_member, struct leave_group_response, members, 3, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response = WIRE_SCHEMA(struct leave_group_response, response_rows);

const struct wire_message leave_group_response_schema = {
    "LeaveGroupResponse", 13, true, 0, 5, 4, &response};
