/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of DescribeTopicPartitions; the columns are explained in wire/schema.h. */
#include "wire/messages/describe_topic_partitions.h"

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct describe_topic_partitions_request_topic, name, 0, WIRE_FOREVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct describe_topic_partitions_request_topic, request_topic_rows);

static const struct wire_field request_cursor_rows[] = {
    WIRE_ROW(WIRE_STRING, struct describe_topic_partitions_request_cursor, topic_name, 0,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct describe_topic_partitions_request_cursor, partition_index, 0,
             WIRE_FOREVER),
};
static const struct wire_schema request_cursor =
    WIRE_SCHEMA(struct describe_topic_partitions_request_cursor, request_cursor_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_STRUCTS(&request_topic, struct describe_topic_partitions_request, topics, 0,
                     WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct describe_topic_partitions_request, response_partition_limit,
                     0, WIRE_FOREVER, 2000),
    WIRE_ROW_OPTIONAL(&request_cursor, struct describe_topic_partitions_request, cursor, 0,
                      WIRE_FOREVER, 0),
};
static const struct wire_schema request =
    WIRE_SCHEMA(struct describe_topic_partitions_request, request_rows);

const struct wire_message describe_topic_partitions_request_schema = {
    "DescribeTopicPartitionsRequest", 75, false, 0, 0, 0, &request};

void
describe_topic_partitions_request_init(struct describe_topic_partitions_request *ret)
{
    wire_defaults(&request, ret);
}

static const struct wire_field response_partition_rows[] = {
    WIRE_ROW(WIRE_I16, struct describe_topic_partitions_response_partition, error_code, 0,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct describe_topic_partitions_response_partition, partition_index, 0,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct describe_topic_partitions_response_partition, leader_id, 0,
             WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct describe_topic_partitions_response_partition, leader_epoch, 0,
                     WIRE_FOREVER, -1),
    WIRE_ROW_LIST(WIRE_I32, struct describe_topic_partitions_response_partition, replica_nodes, 0,
                  WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_LIST(WIRE_I32, struct describe_topic_partitions_response_partition, isr_nodes, 0,
                  WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_LIST(WIRE_I32, struct describe_topic_partitions_response_partition,
                  eligible_leader_replicas, 0, WIRE_FOREVER, 0),
    WIRE_ROW_LIST(WIRE_I32, struct describe_topic_partitions_response_partition, last_known_elr, 0,
                  WIRE_FOREVER, 0),
    WIRE_ROW_LIST(WIRE_I32, struct describe_topic_partitions_response_partition, offline_replicas,
                  0, WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_partition =
    WIRE_SCHEMA(struct describe_topic_partitions_response_partition, response_partition_rows);

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_I16, struct describe_topic_partitions_response_topic, error_code, 0,
             WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_topic_partitions_response_topic, name, 0,
                      WIRE_FOREVER, 0),
    WIRE_ROW(WIRE_UUID, struct describe_topic_partitions_response_topic, topic_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_BOOL, struct describe_topic_partitions_response_topic, is_internal, 0,
             WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_partition, struct describe_topic_partitions_response_topic,
                     partitions, 0, WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct describe_topic_partitions_response_topic,
                     topic_authorized_operations, 0, WIRE_FOREVER, -2147483648),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct describe_topic_partitions_response_topic, response_topic_rows);

static const struct wire_field response_cursor_rows[] = {
    WIRE_ROW(WIRE_STRING, struct describe_topic_partitions_response_cursor, topic_name, 0,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct describe_topic_partitions_response_cursor, partition_index, 0,
             WIRE_FOREVER),
};
static const struct wire_schema response_cursor =
    WIRE_SCHEMA(struct describe_topic_partitions_response_cursor, response_cursor_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct describe_topic_partitions_response, throttle_time_ms, 0,
             WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_topic, struct describe_topic_partitions_response, topics, 0,
                     WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_OPTIONAL(&response_cursor, struct describe_topic_partitions_response, next_cursor, 0,
                      WIRE_FOREVER, 0),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct describe_topic_partitions_response, response_rows);

const struct wire_message describe_topic_partitions_response_schema = {
    "DescribeTopicPartitionsResponse", 75, true, 0, 0, 0, &response};

void
describe_topic_partitions_response_partition_init(
    struct describe_topic_partitions_response_partition *ret)
{
    wire_defaults(&response_partition, ret);
}

void
describe_topic_partitions_response_topic_init(struct describe_topic_partitions_response_topic *ret)
{
    wire_defaults(&response_topic, ret);
}
