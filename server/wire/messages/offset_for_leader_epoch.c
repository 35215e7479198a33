/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of OffsetForLeaderEpoch; the columns are explained in wire/schema.h. */
#include "wire/messages/offset_for_leader_epoch.h"

static const struct wire_field request_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct offset_for_leader_epoch_request_partition, partition, 2,
             WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct offset_for_leader_epoch_request_partition,
                     current_leader_epoch, 2, WIRE_FOREVER, -1),
    WIRE_ROW(WIRE_I32, struct offset_for_leader_epoch_request_partition, leader_epoch, 2,
             WIRE_FOREVER),
};
static const struct wire_schema request_partition =
    WIRE_SCHEMA(struct offset_for_leader_epoch_request_partition, request_partition_rows);

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_for_leader_epoch_request_topic, topic, 2, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_partition, struct offset_for_leader_epoch_request_topic, partitions,
                     2, WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct offset_for_leader_epoch_request_topic, request_topic_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_DEFAULT(WIRE_I32, struct offset_for_leader_epoch_request, replica_id, 3, WIRE_FOREVER,
                     -2),
    WIRE_ROW_STRUCTS(&request_topic, struct offset_for_leader_epoch_request, topics, 2,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema request =
    WIRE_SCHEMA(struct offset_for_leader_epoch_request, request_rows);

const struct wire_message offset_for_leader_epoch_request_schema = {
    "OffsetForLeaderEpochRequest", 23, false, 2, 4, 4, &request};

void
offset_for_leader_epoch_request_partition_init(
    struct offset_for_leader_epoch_request_partition *ret)
{
    wire_defaults(&request_partition, ret);
}

void
offset_for_leader_epoch_request_init(struct offset_for_leader_epoch_request *ret)
{
    wire_defaults(&request, ret);
}

static const struct wire_field response_partition_rows[] = {
    WIRE_ROW(WIRE_I16, struct offset_for_leader_epoch_response_partition, error_code, 2,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct offset_for_leader_epoch_response_partition, partition, 2,
             WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct offset_for_leader_epoch_response_partition, leader_epoch, 2,
                     WIRE_FOREVER, -1),
    WIRE_ROW_DEFAULT(WIRE_I64, struct offset_for_leader_epoch_response_partition, end_offset, 2,
                     WIRE_FOREVER, -1),
};
static const struct wire_schema response_partition =
    WIRE_SCHEMA(struct offset_for_leader_epoch_response_partition, response_partition_rows);

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_for_leader_epoch_response_topic, topic, 2, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_partition, struct offset_for_leader_epoch_response_topic, partitions,
                     2, WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct offset_for_leader_epoch_response_topic, response_topic_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct offset_for_leader_epoch_response, throttle_time_ms, 2, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_topic, struct offset_for_leader_epoch_response, topics, 2,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct offset_for_leader_epoch_response, response_rows);

const struct wire_message offset_for_leader_epoch_response_schema = {
    "OffsetForLeaderEpochResponse", 23, true, 2, 4, 4, &response};

void
offset_for_leader_epoch_response_partition_init(
    struct offset_for_leader_epoch_response_partition *ret)
{
    wire_defaults(&response_partition, ret);
}
