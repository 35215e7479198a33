/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of DeleteRecords; the columns are explained in wire/schema.h. */
#include "wire/messages/delete_records.h"

static const struct wire_field request_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct delete_records_request_partition, partition_index, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I64, struct delete_records_request_partition, offset, 0, WIRE_FOREVER),
};
static const struct wire_schema request_partition =
    WIRE_SCHEMA(struct delete_records_request_partition, request_partition_rows);

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct delete_records_request_topic, name, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_partition, struct delete_records_request_topic, partitions, 0,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct delete_records_request_topic, request_topic_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_STRUCTS(&request_topic, struct delete_records_request, topics, 0, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW(WIRE_I32, struct delete_records_request, timeout_ms, 0, WIRE_FOREVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct delete_records_request, request_rows);

const struct wire_message delete_records_request_schema = {
    "DeleteRecordsRequest", 21, false, 0, 2, 2, &request};

static const struct wire_field response_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct delete_records_response_partition, partition_index, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I64, struct delete_records_response_partition, low_watermark, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct delete_records_response_partition, error_code, 0, WIRE_FOREVER),
};
static const struct wire_schema response_partition =
    WIRE_SCHEMA(struct delete_records_response_partition, response_partition_rows);

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct delete_records_response_topic, name, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_partition, struct delete_records_response_topic, partitions, 0,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct delete_records_response_topic, response_topic_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct delete_records_response, throttle_time_ms, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_topic, struct delete_records_response, topics, 0, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct delete_records_response, response_rows);

const struct wire_message delete_records_response_schema = {
    "DeleteRecordsResponse", 21, true, 0, 2, 2, &response};
