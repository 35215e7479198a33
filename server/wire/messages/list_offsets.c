/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of ListOffsets; the columns are explained in wire/schema.h. */
#include "wire/messages/list_offsets.h"

static const struct wire_field request_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct list_offsets_request_partition, partition_index, 1, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct list_offsets_request_partition, current_leader_epoch, 4,
                     WIRE_FOREVER, -1),
    WIRE_ROW(WIRE_I64, struct list_offsets_request_partition, timestamp, 1, WIRE_FOREVER),
};
static const struct wire_schema request_partition =
    WIRE_SCHEMA(struct list_offsets_request_partition, request_partition_rows);

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct list_offsets_request_topic, name, 1, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_partition, struct list_offsets_request_topic, partitions, 1,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct list_offsets_request_topic, request_topic_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_I32, struct list_offsets_request, replica_id, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I8, struct list_offsets_request, isolation_level, 2, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_topic, struct list_offsets_request, topics, 1, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct list_offsets_request, request_rows);

const struct wire_message list_offsets_request_schema = {
    "ListOffsetsRequest", 2, false, 1, 9, 6, &request};

void
list_offsets_request_partition_init(struct list_offsets_request_partition *ret)
{
    wire_defaults(&request_partition, ret);
}

static const struct wire_field response_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct list_offsets_response_partition, partition_index, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct list_offsets_response_partition, error_code, 1, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I64, struct list_offsets_response_partition, timestamp, 1, WIRE_FOREVER,
                     -1),
    WIRE_ROW_DEFAULT(WIRE_I64, struct list_offsets_response_partition, offset, 1, WIRE_FOREVER, -1),
    WIRE_ROW_DEFAULT(WIRE_I32, struct list_offsets_response_partition, leader_epoch, 4,
                     WIRE_FOREVER, -1),
};
static const struct wire_schema response_partition =
    WIRE_SCHEMA(struct list_offsets_response_partition, response_partition_rows);

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct list_offsets_response_topic, name, 1, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_partition, struct list_offsets_response_topic, partitions, 1,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct list_offsets_response_topic, response_topic_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct list_offsets_response, throttle_time_ms, 2, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_topic, struct list_offsets_response, topics, 1, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response = WIRE_SCHEMA(struct list_offsets_response, response_rows);

const struct wire_message list_offsets_response_schema = {
    "ListOffsetsResponse", 2, true, 1, 9, 6, &response};

void
list_offsets_response_partition_init(struct list_offsets_response_partition *ret)
{
    wire_defaults(&response_partition, ret);
}
