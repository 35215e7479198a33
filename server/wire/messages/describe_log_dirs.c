/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of DescribeLogDirs; the columns are explained in wire/schema.h. */
#include "wire/messages/describe_log_dirs.h"

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct describe_log_dirs_request_topic, topic, 1, WIRE_FOREVER),
    WIRE_ROW_LIST(WIRE_I32, struct describe_log_dirs_request_topic, partitions, 1, WIRE_FOREVER,
                  WIRE_NEVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct describe_log_dirs_request_topic, request_topic_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_STRUCTS(&request_topic, struct describe_log_dirs_request, topics, 1, WIRE_FOREVER, 1),
};
static const struct wire_schema request =
    WIRE_SCHEMA(struct describe_log_dirs_request, request_rows);

const struct wire_message describe_log_dirs_request_schema = {
    "DescribeLogDirsRequest", 35, false, 1, 4, 2, &request};

static const struct wire_field response_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct describe_log_dirs_response_partition, partition_index, 1,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I64, struct describe_log_dirs_response_partition, partition_size, 1,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I64, struct describe_log_dirs_response_partition, offset_lag, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_BOOL, struct describe_log_dirs_response_partition, is_future_key, 1,
             WIRE_FOREVER),
};
static const struct wire_schema response_partition =
    WIRE_SCHEMA(struct describe_log_dirs_response_partition, response_partition_rows);

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct describe_log_dirs_response_topic, name, 1, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_partition, struct describe_log_dirs_response_topic, partitions, 1,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct describe_log_dirs_response_topic, response_topic_rows);

static const struct wire_field response_result_rows[] = {
    WIRE_ROW(WIRE_I16, struct describe_log_dirs_response_result, error_code, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct describe_log_dirs_response_result, log_dir, 1, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_topic, struct describe_log_dirs_response_result, topics, 1,
                     WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_DEFAULT(WIRE_I64, struct describe_log_dirs_response_result, total_bytes, 4,
                     WIRE_FOREVER, -1),
    WIRE_ROW_DEFAULT(WIRE_I64, struct describe_log_dirs_response_result, usable_bytes, 4,
                     WIRE_FOREVER, -1),
};
static const struct wire_schema response_result =
    WIRE_SCHEMA(struct describe_log_dirs_response_result, response_result_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct describe_log_dirs_response, throttle_time_ms, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct describe_log_dirs_response, error_code, 3, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_result, struct describe_log_dirs_response, results, 1, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct describe_log_dirs_response, response_rows);

const struct wire_message describe_log_dirs_response_schema = {
    "DescribeLogDirsResponse", 35, true, 1, 4, 2, &response};

void
describe_log_dirs_response_result_init(struct describe_log_dirs_response_result *ret)
{
    wire_defaults(&response_result, ret);
}
