/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of DeleteGroups; the columns are explained in wire/schema.h. */
#include "wire/messages/delete_groups.h"

static const struct wire_field request_rows[] = {
    WIRE_ROW_LIST(WIRE_STRING, struct delete_groups_request, groups_names, 0, WIRE_FOREVER,
                  WIRE_NEVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct delete_groups_request, request_rows);

const struct wire_message delete_groups_request_schema = {
    "DeleteGroupsRequest", 42, false, 0, 2, 2, &request};

static const struct wire_field response_group_rows[] = {
    WIRE_ROW(WIRE_STRING, struct delete_groups_response_group, group_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct delete_groups_response_group, error_code, 0, WIRE_FOREVER),
};
static const struct wire_schema response_group =
    WIRE_SCHEMA(struct delete_groups_response_group, response_group_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct delete_groups_response, throttle_time_ms, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_group, struct delete_groups_response, results, 0, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct delete_groups_response, response_rows);

const struct wire_message delete_groups_response_schema = {
    "DeleteGroupsResponse", 42, true, 0, 2, 2, &response};
