/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of CreateTopics; the columns are explained in wire/schema.h. */
#include "wire/messages/create_topics.h"

static const struct wire_field request_assignment_rows[] = {
    WIRE_ROW(WIRE_I32, struct create_topics_request_assignment, partition_index, 2, WIRE_FOREVER),
    WIRE_ROW_LIST(WIRE_I32, struct create_topics_request_assignment, broker_ids, 2, WIRE_FOREVER,
                  WIRE_NEVER),
};
static const struct wire_schema request_assignment =
    WIRE_SCHEMA(struct create_topics_request_assignment, request_assignment_rows);

static const struct wire_field request_config_rows[] = {
    WIRE_ROW(WIRE_STRING, struct create_topics_request_config, name, 2, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct create_topics_request_config, value, 2, WIRE_FOREVER, 2),
};
static const struct wire_schema request_config =
    WIRE_SCHEMA(struct create_topics_request_config, request_config_rows);

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct create_topics_request_topic, name, 2, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct create_topics_request_topic, num_partitions, 2, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct create_topics_request_topic, replication_factor, 2, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_assignment, struct create_topics_request_topic, assignments, 2,
                     WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_STRUCTS(&request_config, struct create_topics_request_topic, configs, 2, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct create_topics_request_topic, request_topic_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_STRUCTS(&request_topic, struct create_topics_request, topics, 2, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct create_topics_request, timeout_ms, 2, WIRE_FOREVER, 60000),
    WIRE_ROW(WIRE_BOOL, struct create_topics_request, validate_only, 2, WIRE_FOREVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct create_topics_request, request_rows);

const struct wire_message create_topics_request_schema = {
    "CreateTopicsRequest", 19, false, 2, 7, 5, &request};

void
create_topics_request_init(struct create_topics_request *ret)
{
    wire_defaults(&request, ret);
}

static const struct wire_field response_config_rows[] = {
    WIRE_ROW(WIRE_STRING, struct create_topics_response_config, name, 5, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct create_topics_response_config, value, 5, WIRE_FOREVER, 5),
    WIRE_ROW(WIRE_BOOL, struct create_topics_response_config, read_only, 5, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I8, struct create_topics_response_config, config_source, 5, WIRE_FOREVER,
                     -1),
    WIRE_ROW(WIRE_BOOL, struct create_topics_response_config, is_sensitive, 5, WIRE_FOREVER),
};
static const struct wire_schema response_config =
    WIRE_SCHEMA(struct create_topics_response_config, response_config_rows);

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct create_topics_response_topic, name, 2, WIRE_FOREVER),
    WIRE_ROW(WIRE_UUID, struct create_topics_response_topic, topic_id, 7, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct create_topics_response_topic, error_code, 2, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct create_topics_response_topic, error_message, 2,
                      WIRE_FOREVER, 2),
    {"topic_config_error_code", WIRE_I16, false, 5, WIRE_FOREVER, WIRE_NEVER, 5, 0,
     (uint16_t)offsetof(struct create_topics_response_topic, topic_config_error_code), NULL, 0},
    WIRE_ROW_DEFAULT(WIRE_I32, struct create_topics_response_topic, num_partitions, 5, WIRE_FOREVER,
                     -1),
    WIRE_ROW_DEFAULT(WIRE_I16, struct create_topics_response_topic, replication_factor, 5,
                     WIRE_FOREVER, -1),
    WIRE_ROW_STRUCTS(&response_config, struct create_topics_response_topic, configs, 5,
                     WIRE_FOREVER, 5),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct create_topics_response_topic, response_topic_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct create_topics_response, throttle_time_ms, 2, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_topic, struct create_topics_response, topics, 2, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct create_topics_response, response_rows);

const struct wire_message create_topics_response_schema = {
    "CreateTopicsResponse", 19, true, 2, 7, 5, &response};

void
create_topics_response_config_init(struct create_topics_response_config *ret)
{
    wire_defaults(&response_config, ret);
}

void
create_topics_response_topic_init(struct create_topics_response_topic *ret)
{
    wire_defaults(&response_topic, ret);
}
