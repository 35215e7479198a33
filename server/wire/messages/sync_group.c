/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of SyncGroup; the columns are explained in wire/schema.h. */
#include "wire/messages/sync_group.h"

static const struct wire_field request_assignment_rows[] = {
    WIRE_ROW(WIRE_STRING, struct sync_group_request_assignment, member_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_BYTES, struct sync_group_request_assignment, assignment, 0, WIRE_FOREVER),
};
static const struct wire_schema request_assignment =
    WIRE_SCHEMA(struct sync_group_request_assignment, request_assignment_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_STRING, struct sync_group_request, group_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct sync_group_request, generation_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct sync_group_request, member_id, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct sync_group_request, group_instance_id, 3, WIRE_FOREVER,
                      3),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct sync_group_request, protocol_type, 5, WIRE_FOREVER, 5),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct sync_group_request, protocol_name, 5, WIRE_FOREVER, 5),
    WIRE_ROW_STRUCTS(&request_assignment, struct sync_group_request, assignments, 0, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct sync_group_request, request_rows);

const struct wire_message sync_group_request_schema = {
    "SyncGroupRequest", 14, false, 0, 5, 4, &request};

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct sync_group_response, throttle_time_ms, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct sync_group_response, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct sync_group_response, protocol_type, 5, WIRE_FOREVER, 5),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct sync_group_response, protocol_name, 5, WIRE_FOREVER, 5),
    WIRE_ROW(WIRE_BYTES, struct sync_group_response, assignment, 0, WIRE_FOREVER),
};
static const struct wire_schema response = WIRE_SCHEMA(struct sync_group_response, response_rows);

const struct wire_message sync_group_response_schema = {
    "SyncGroupResponse", 14, true, 0, 5, 4, &response};
