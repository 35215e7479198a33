/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of SluiceStatus; the columns are explained in wire/schema.h. */
#include "wire/messages/sluice_status.h"

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_BOOL, struct sluice_status_request, wants_counters, 0, WIRE_FOREVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct sluice_status_request, request_rows);

const struct wire_message sluice_status_request_schema = {
    "SluiceStatusRequest", 32000, false, 0, 0, WIRE_NEVER, &request};

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct sluice_status_response, throttle_time_ms, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct sluice_status_response, error_code, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_BYTES, struct sluice_status_response, report, 0, WIRE_FOREVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct sluice_status_response, response_rows);

const struct wire_message sluice_status_response_schema = {
    "SluiceStatusResponse", 32000, true, 0, 0, WIRE_NEVER, &response};
