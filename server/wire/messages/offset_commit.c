/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of OffsetCommit; the columns are explained in wire/schema.h. */
#include "wire/messages/offset_commit.h"

static const struct wire_field request_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct offset_commit_request_partition, partition_index, 2, WIRE_FOREVER),
    WIRE_ROW(WIRE_I64, struct offset_commit_request_partition, committed_offset, 2, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct offset_commit_request_partition, committed_leader_epoch, 6,
                     WIRE_FOREVER, -1),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct offset_commit_request_partition, committed_metadata, 2,
                      WIRE_FOREVER, 2),
};
static const struct wire_schema request_partition =
    WIRE_SCHEMA(struct offset_commit_request_partition, request_partition_rows);

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_commit_request_topic, name, 2, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_partition, struct offset_commit_request_topic, partitions, 2,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct offset_commit_request_topic, request_topic_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_commit_request, group_id, 2, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct offset_commit_request, generation_id_or_member_epoch, 2,
                     WIRE_FOREVER, -1),
    WIRE_ROW(WIRE_STRING, struct offset_commit_request, member_id, 2, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct offset_commit_request, group_instance_id, 7, WIRE_FOREVER,
                      7),
    WIRE_ROW_DEFAULT(WIRE_I64, struct offset_commit_request, retention_time_ms, 2, 4, -1),
    WIRE_ROW_STRUCTS(&request_topic, struct offset_commit_request, topics, 2, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct offset_commit_request, request_rows);

const struct wire_message offset_commit_request_schema = {
    "OffsetCommitRequest", 8, false, 2, 9, 8, &request};

void
offset_commit_request_partition_init(struct offset_commit_request_partition *ret)
{
    wire_defaults(&request_partition, ret);
}

void
offset_commit_request_init(struct offset_commit_request *ret)
{
    wire_defaults(&request, ret);
}

static const struct wire_field response_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct offset_commit_response_partition, partition_index, 2, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct offset_commit_response_partition, error_code, 2, WIRE_FOREVER),
};
static const struct wire_schema response_partition =
    WIRE_SCHEMA(struct offset_commit_response_partition, response_partition_rows);

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_commit_response_topic, name, 2, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_partition, struct offset_commit_response_topic, partitions, 2,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct offset_commit_response_topic, response_topic_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct offset_commit_response, throttle_time_ms, 3, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_topic, struct offset_commit_response, topics, 2, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct offset_commit_response, response_rows);

const struct wire_message offset_commit_response_schema = {
    "OffsetCommitResponse", 8, true, 2, 9, 8, &response};
