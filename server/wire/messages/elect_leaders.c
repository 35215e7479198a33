/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of ElectLeaders; the columns are explained in wire/schema.h. */
#include "wire/messages/elect_leaders.h"

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct elect_leaders_request_topic, topic, 0, WIRE_FOREVER),
    WIRE_ROW_LIST(WIRE_I32, struct elect_leaders_request_topic, partitions, 0, WIRE_FOREVER,
                  WIRE_NEVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct elect_leaders_request_topic, request_topic_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_I8, struct elect_leaders_request, election_type, 1, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_topic, struct elect_leaders_request, topic_partitions, 0,
                     WIRE_FOREVER, 0),
    WIRE_ROW_DEFAULT(WIRE_I32, struct elect_leaders_request, timeout_ms, 0, WIRE_FOREVER, 60000),
};
static const struct wire_schema request = WIRE_SCHEMA(struct elect_leaders_request, request_rows);

const struct wire_message elect_leaders_request_schema = {
    "ElectLeadersRequest", 43, false, 0, 2, 2, &request};

void
elect_leaders_request_init(struct elect_leaders_request *ret)
{
    wire_defaults(&request, ret);
}

static const struct wire_field response_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct elect_leaders_response_partition, partition_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct elect_leaders_response_partition, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct elect_leaders_response_partition, error_message, 0,
                      WIRE_FOREVER, 0),
};
static const struct wire_schema response_partition =
    WIRE_SCHEMA(struct elect_leaders_response_partition, response_partition_rows);

static const struct wire_field response_result_rows[] = {
    WIRE_ROW(WIRE_STRING, struct elect_leaders_response_result, topic, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_partition, struct elect_leaders_response_result, partition_result, 0,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_result =
    WIRE_SCHEMA(struct elect_leaders_response_result, response_result_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct elect_leaders_response, throttle_time_ms, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct elect_leaders_response, error_code, 1, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_result, struct elect_leaders_response, replica_election_results, 0,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct elect_leaders_response, response_rows);

const struct wire_message elect_leaders_response_schema = {
    "ElectLeadersResponse", 43, true, 0, 2, 2, &response};
