/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of DeleteTopics; the columns are explained in wire/schema.h. */
#include "wire/messages/delete_topics.h"

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW_NULLABLE(WIRE_STRING, struct delete_topics_request_topic, name, 6, WIRE_FOREVER, 6),
    WIRE_ROW(WIRE_UUID, struct delete_topics_request_topic, topic_id, 6, WIRE_FOREVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct delete_topics_request_topic, request_topic_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_STRUCTS(&request_topic, struct delete_topics_request, topics, 6, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW_LIST(WIRE_STRING, struct delete_topics_request, topic_names, 1, 5, WIRE_NEVER),
    WIRE_ROW(WIRE_I32, struct delete_topics_request, timeout_ms, 1, WIRE_FOREVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct delete_topics_request, request_rows);

const struct wire_message delete_topics_request_schema = {
    "DeleteTopicsRequest", 20, false, 1, 6, 4, &request};

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW_NULLABLE(WIRE_STRING, struct delete_topics_response_topic, name, 1, WIRE_FOREVER, 6),
    WIRE_ROW(WIRE_UUID, struct delete_topics_response_topic, topic_id, 6, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct delete_topics_response_topic, error_code, 1, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct delete_topics_response_topic, error_message, 5,
                      WIRE_FOREVER, 5),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct delete_topics_response_topic, response_topic_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct delete_topics_response, throttle_time_ms, 1, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_topic, struct delete_topics_response, responses, 1, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct delete_topics_response, response_rows);

const struct wire_message delete_topics_response_schema = {
    "DeleteTopicsResponse", 20, true, 1, 6, 4, &response};
