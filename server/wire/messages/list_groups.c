/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of ListGroups; the columns are explained in wire/schema.h. */
#include "wire/messages/list_groups.h"

static const struct wire_field request_rows[] = {
    WIRE_ROW_LIST(WIRE_STRING, struct list_groups_request, states_filter, 4, WIRE_FOREVER,
                  WIRE_NEVER),
    WIRE_ROW_LIST(WIRE_STRING, struct list_groups_request, types_filter, 5, WIRE_FOREVER,
                  WIRE_NEVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct list_groups_request, request_rows);

const struct wire_message list_groups_request_schema = {
    "ListGroupsRequest", 16, false, 0, 5, 3, &request};

static const struct wire_field response_group_rows[] = {
    WIRE_ROW(WIRE_STRING, struct list_groups_response_group, group_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct list_groups_response_group, protocol_type, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct list_groups_response_group, group_state, 4, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct list_groups_response_group, group_type, 5, WIRE_FOREVER),
};
static const struct wire_schema response_group =
    WIRE_SCHEMA(struct list_groups_response_group, response_group_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct list_groups_response, throttle_time_ms, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct list_groups_response, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_group, struct list_groups_response, groups, 0, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response = WIRE_SCHEMA(struct list_groups_response, response_rows);

const struct wire_message list_groups_response_schema = {
    "ListGroupsResponse", 16, true, 0, 5, 3, &response};
