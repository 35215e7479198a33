/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of FindCoordinator; the columns are explained in wire/schema.h. */
#include "wire/messages/find_coordinator.h"

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_STRING, struct find_coordinator_request, key, 0, 3),
    WIRE_ROW(WIRE_I8, struct find_coordinator_request, key_type, 1, WIRE_FOREVER),
    WIRE_ROW_LIST(WIRE_STRING, struct find_coordinator_request, coordinator_keys, 4, WIRE_FOREVER,
                  WIRE_NEVER),
};
static const struct wire_schema request =
    WIRE_SCHEMA(struct find_coordinator_request, request_rows);

const struct wire_message find_coordinator_request_schema = {
    "FindCoordinatorRequest", 10, false, 0, 4, 3, &request};

static const struct wire_field response_coordinator_rows[] = {
    WIRE_ROW(WIRE_STRING, struct find_coordinator_response_coordinator, key, 4, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct find_coordinator_response_coordinator, node_id, 4, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct find_coordinator_response_coordinator, host, 4, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct find_coordinator_response_coordinator, port, 4, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct find_coordinator_response_coordinator, error_code, 4, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct find_coordinator_response_coordinator, error_message, 4,
                      WIRE_FOREVER, 4),
};
static const struct wire_schema response_coordinator =
    WIRE_SCHEMA(struct find_coordinator_response_coordinator, response_coordinator_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct find_coordinator_response, throttle_time_ms, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct find_coordinator_response, error_code, 0, 3),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct find_coordinator_response, error_message, 1, 3, 1),
    WIRE_ROW(WIRE_I32, struct find_coordinator_response, node_id, 0, 3),
    WIRE_ROW(WIRE_STRING, struct find_coordinator_response, host, 0, 3),
    WIRE_ROW(WIRE_I32, struct find_coordinator_response, port, 0, 3),
    WIRE_ROW_STRUCTS(&response_coordinator, struct find_coordinator_response, coordinators, 4,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct find_coordinator_response, response_rows);

const struct wire_message find_coordinator_response_schema = {
    "FindCoordinatorResponse", 10, true, 0, 4, 3, &response};
