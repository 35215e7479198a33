/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of OffsetFetch; the columns are explained in wire/schema.h. */
#include "wire/messages/offset_fetch.h"

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_fetch_request_topic, name, 1, 7),
    WIRE_ROW_LIST(WIRE_I32, struct offset_fetch_request_topic, partition_indexes, 1, 7, WIRE_NEVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct offset_fetch_request_topic, request_topic_rows);

static const struct wire_field request_group_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_fetch_request_group_topic, name, 8, WIRE_FOREVER),
    WIRE_ROW_LIST(WIRE_I32, struct offset_fetch_request_group_topic, partition_indexes, 8,
                  WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema request_group_topic =
    WIRE_SCHEMA(struct offset_fetch_request_group_topic, request_group_topic_rows);

static const struct wire_field request_group_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_fetch_request_group, group_id, 8, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct offset_fetch_request_group, member_id, 9, WIRE_FOREVER,
                      9),
    WIRE_ROW_DEFAULT(WIRE_I32, struct offset_fetch_request_group, member_epoch, 9, WIRE_FOREVER,
                     -1),
    WIRE_ROW_STRUCTS(&request_group_topic, struct offset_fetch_request_group, topics, 8,
                     WIRE_FOREVER, 8),
};
static const struct wire_schema request_group =
    WIRE_SCHEMA(struct offset_fetch_request_group, request_group_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_fetch_request, group_id, 1, 7),
    WIRE_ROW_STRUCTS(&request_topic, struct offset_fetch_request, topics, 1, 7, 2),
    WIRE_ROW_STRUCTS(&request_group, struct offset_fetch_request, groups, 8, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW(WIRE_BOOL, struct offset_fetch_request, require_stable, 7, WIRE_FOREVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct offset_fetch_request, request_rows);

const struct wire_message offset_fetch_request_schema = {
    "OffsetFetchRequest", 9, false, 1, 9, 6, &request};

void
offset_fetch_request_group_init(struct offset_fetch_request_group *ret)
{
    wire_defaults(&request_group, ret);
}

static const struct wire_field response_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct offset_fetch_response_partition, partition_index, 1, 7),
    WIRE_ROW(WIRE_I64, struct offset_fetch_response_partition, committed_offset, 1, 7),
    WIRE_ROW_DEFAULT(WIRE_I32, struct offset_fetch_response_partition, committed_leader_epoch, 5, 7,
                     -1),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct offset_fetch_response_partition, metadata, 1, 7, 1),
    WIRE_ROW(WIRE_I16, struct offset_fetch_response_partition, error_code, 1, 7),
};
static const struct wire_schema response_partition =
    WIRE_SCHEMA(struct offset_fetch_response_partition, response_partition_rows);

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_fetch_response_topic, name, 1, 7),
    WIRE_ROW_STRUCTS(&response_partition, struct offset_fetch_response_topic, partitions, 1, 7,
                     WIRE_NEVER),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct offset_fetch_response_topic, response_topic_rows);

static const struct wire_field response_group_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct offset_fetch_response_group_partition, partition_index, 8,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I64, struct offset_fetch_response_group_partition, committed_offset, 8,
             WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct offset_fetch_response_group_partition, committed_leader_epoch,
                     8, WIRE_FOREVER, -1),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct offset_fetch_response_group_partition, metadata, 8,
                      WIRE_FOREVER, 8),
    WIRE_ROW(WIRE_I16, struct offset_fetch_response_group_partition, error_code, 8, WIRE_FOREVER),
};
static const struct wire_schema response_group_partition =
    WIRE_SCHEMA(struct offset_fetch_response_group_partition, response_group_partition_rows);

static const struct wire_field response_group_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_fetch_response_group_topic, name, 8, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_group_partition, struct offset_fetch_response_group_topic,
                     partitions, 8, WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_group_topic =
    WIRE_SCHEMA(struct offset_fetch_response_group_topic, response_group_topic_rows);

static const struct wire_field response_group_rows[] = {
    WIRE_ROW(WIRE_STRING, struct offset_fetch_response_group, group_id, 8, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_group_topic, struct offset_fetch_response_group, topics, 8,
                     WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW(WIRE_I16, struct offset_fetch_response_group, error_code, 8, WIRE_FOREVER),
};
static const struct wire_schema response_group =
    WIRE_SCHEMA(struct offset_fetch_response_group, response_group_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct offset_fetch_response, throttle_time_ms, 3, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_topic, struct offset_fetch_response, topics, 1, 7, WIRE_NEVER),
    WIRE_ROW(WIRE_I16, struct offset_fetch_response, error_code, 2, 7),
    WIRE_ROW_STRUCTS(&response_group, struct offset_fetch_response, groups, 8, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response = WIRE_SCHEMA(struct offset_fetch_response, response_rows);

const struct wire_message offset_fetch_response_schema = {
    "OffsetFetchResponse", 9, true, 1, 9, 6, &response};

void
offset_fetch_response_partition_init(struct offset_fetch_response_partition *ret)
{
    wire_defaults(&response_partition, ret);
}

void
offset_fetch_response_group_partition_init(struct offset_fetch_response_group_partition *ret)
{
    wire_defaults(&response_group_partition, ret);
}
