/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of OffsetDelete; the columns are explained in wire/schema.h. */
#include "wire/messages/offset_delete.h"

static const struct wire_field request_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct offset_delete_request_partition, partition_index, 0, WIRE_FOREVER),
};
static const struct wire_schema request_partition =
    WIRE_SCHEMA(struct offset_delete_request_partition, request_partition_rows);

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_delete_request_topic, name, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_partition, struct offset_delete_request_topic, partitions, 0,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct offset_delete_request_topic, request_topic_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_delete_request, group_id, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_topic, struct offset_delete_request, topics, 0, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct offset_delete_request, request_rows);

const struct wire_message offset_delete_request_schema = {
    "OffsetDeleteRequest", 47, false, 0, 0, WIRE_NEVER, &request};

static const struct wire_field response_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct offset_delete_response_partition, partition_index, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct offset_delete_response_partition, error_code, 0, WIRE_FOREVER),
};
static const struct wire_schema response_partition =
    WIRE_SCHEMA(struct offset_delete_response_partition, response_partition_rows);

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_delete_response_topic, name, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_partition, struct offset_delete_response_topic, partitions, 0,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct offset_delete_response_topic, response_topic_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I16, struct offset_delete_response, error_code, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct offset_delete_response, throttle_time_ms, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_topic, struct offset_delete_response, topics, 0, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct offset_delete_response, response_rows);

const struct wire_message offset_delete_response_schema = {
    "OffsetDeleteResponse", 47, true, 0, 0, WIRE_NEVER, &response};
