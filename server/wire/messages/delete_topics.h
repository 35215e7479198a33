/* SPDX-License-Identifier: Apache-2.0
 *
 * DeleteTopics (key 20), versions 1 to 6, flexible from 4. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_DELETE_TOPICS_H
#define SLUICE_WIRE_MESSAGES_DELETE_TOPICS_H

#include "wire/schema.h"

struct delete_topics_request_topic {
    struct span name;     /* v6+, nullable */
    uint8_t topic_id[16]; /* v6+ */
};

struct delete_topics_request {
    WIRE_LIST(struct delete_topics_request_topic) topics; /* v6+ */
    WIRE_LIST(struct span) topic_names;                   /* v1-5 */
    int32_t timeout_ms;
};

extern const struct wire_message delete_topics_request_schema;

struct delete_topics_response_topic {
    struct span name;     /* nullable v6+ */
    uint8_t topic_id[16]; /* v6+ */
    int16_t error_code;
    struct span error_message; /* v5+, nullable */
};

struct delete_topics_response {
    int32_t throttle_time_ms;
    WIRE_LIST(struct delete_topics_response_topic) responses;
};

extern const struct wire_message delete_topics_response_schema;

#endif
