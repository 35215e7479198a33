/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of Heartbeat; the columns are explained in wire/schema.h. */
#include "wire/messages/heartbeat.h"

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_STRING, struct heartbeat_request, group_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct heartbeat_request, generation_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct heartbeat_request, member_id, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct heartbeat_request, group_instance_id, 3, WIRE_FOREVER, 3),
};
static const struct wire_schema request = WIRE_SCHEMA(struct heartbeat_request, request_rows);

const struct wire_message heartbeat_request_schema = {
    "HeartbeatRequest", 12, false, 0, 4, 4, &request};

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct heartbeat_response, throttle_time_ms, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct heartbeat_response, error_code, 0, WIRE_FOREVER),
};
static const struct wire_schema response = WIRE_SCHEMA(struct heartbeat_response, response_rows);

const struct wire_message heartbeat_response_schema = {
    "HeartbeatResponse", 12, true, 0, 4, 4, &response};
