/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of CreatePartitions; the columns are explained in wire/schema.h. */
#include "wire/messages/create_partitions.h"

static const struct wire_field request_assignment_rows[] = {
    WIRE_ROW_LIST(WIRE_I32, struct create_partitions_request_assignment, broker_ids, 0,
                  WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema request_assignment =
    WIRE_SCHEMA(struct create_partitions_request_assignment, request_assignment_rows);

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct create_partitions_request_topic, name, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct create_partitions_request_topic, count, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_assignment, struct create_partitions_request_topic, assignments, 0,
                     WIRE_FOREVER, 0),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct create_partitions_request_topic, request_topic_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_STRUCTS(&request_topic, struct create_partitions_request, topics, 0, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW(WIRE_I32, struct create_partitions_request, timeout_ms, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_BOOL, struct create_partitions_request, validate_only, 0, WIRE_FOREVER),
};
static const struct wire_schema request =
    WIRE_SCHEMA(struct create_partitions_request, request_rows);

const struct wire_message create_partitions_request_schema = {
    "CreatePartitionsRequest", 37, false, 0, 3, 2, &request};

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct create_partitions_response_topic, name, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct create_partitions_response_topic, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct create_partitions_response_topic, error_message, 0,
                      WIRE_FOREVER, 0),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct create_partitions_response_topic, response_topic_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct create_partitions_response, throttle_time_ms, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_topic, struct create_partitions_response, results, 0, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct create_partitions_response, response_rows);

const struct wire_message create_partitions_response_schema = {
    "CreatePartitionsResponse", 37, true, 0, 3, 2, &response};
