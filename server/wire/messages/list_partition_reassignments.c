/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of ListPartitionReassignments; the columns are explained in wire/schema.h. */
#include "wire/messages/list_partition_reassignments.h"

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct list_partition_reassignments_request_topic, name, 0, WIRE_FOREVER),
    WIRE_ROW_LIST(WIRE_I32, struct list_partition_reassignments_request_topic, partition_indexes, 0,
                  WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct list_partition_reassignments_request_topic, request_topic_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_DEFAULT(WIRE_I32, struct list_partition_reassignments_request, timeout_ms, 0,
                     WIRE_FOREVER, 60000),
    WIRE_ROW_STRUCTS(&request_topic, struct list_partition_reassignments_request, topics, 0,
                     WIRE_FOREVER, 0),
};
static const struct wire_schema request =
    WIRE_SCHEMA(struct list_partition_reassignments_request, request_rows);

const struct wire_message list_partition_reassignments_request_schema = {
    "ListPartitionReassignmentsRequest", 46, false, 0, 0, 0, &request};

void
list_partition_reassignments_request_init(struct list_partition_reassignments_request *ret)
{
    wire_defaults(&request, ret);
}

static const struct wire_field response_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct list_partition_reassignments_response_partition, partition_index, 0,
             WIRE_FOREVER),
    WIRE_ROW_LIST(WIRE_I32, struct list_partition_reassignments_response_partition, replicas, 0,
                  WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_LIST(WIRE_I32, struct list_partition_reassignments_response_partition, adding_replicas,
                  0, WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_LIST(WIRE_I32, struct list_partition_reassignments_response_partition,
                  removing_replicas, 0, WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_partition =
    WIRE_SCHEMA(struct list_partition_reassignments_response_partition, response_partition_rows);

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct list_partition_reassignments_response_topic, name, 0,
             WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_partition, struct list_partition_reassignments_response_topic,
                     partitions, 0, WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct list_partition_reassignments_response_topic, response_topic_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct list_partition_reassignments_response, throttle_time_ms, 0,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct list_partition_reassignments_response, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct list_partition_reassignments_response, error_message, 0,
                      WIRE_FOREVER, 0),
    WIRE_ROW_STRUCTS(&response_topic, struct list_partition_reassignments_response, topics, 0,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct list_partition_reassignments_response, response_rows);

const struct wire_message list_partition_reassignments_response_schema = {
    "ListPartitionReassignmentsResponse", 46, true, 0, 0, 0, &response};
