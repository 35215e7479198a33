/* SPDX-License-Identifier: Apache-2.0
 *
 * CreateTopics (key 19), versions 2 to 7, flexible from 5. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_CREATE_TOPICS_H
#define SLUICE_WIRE_MESSAGES_CREATE_TOPICS_H

#include "wire/schema.h"

struct create_topics_request_assignment {
    int32_t partition_index;
    WIRE_LIST(int32_t) broker_ids;
};

struct create_topics_request_config {
    struct span name;
    struct span value; /* nullable */
};

struct create_topics_request_topic {
    struct span name;
    int32_t num_partitions;
    int16_t replication_factor;
    WIRE_LIST(struct create_topics_request_assignment) assignments;
    WIRE_LIST(struct create_topics_request_config) configs;
};

struct create_topics_request {
    WIRE_LIST(struct create_topics_request_topic) topics;
    int32_t timeout_ms; /* default 60000 */
    bool validate_only;
};

extern const struct wire_message create_topics_request_schema;
/* All fields at their defaults, which are not all zero. */
void create_topics_request_init(struct create_topics_request *ret);

struct create_topics_response_config {
    struct span name;     /* v5+ */
    struct span value;    /* v5+, nullable */
    bool read_only;       /* v5+ */
    int8_t config_source; /* v5+, default -1 */
    bool is_sensitive;    /* v5+ */
};

struct create_topics_response_topic {
    struct span name;
    uint8_t topic_id[16]; /* v7+ */
    int16_t error_code;
    struct span error_message;                               /* nullable */
    int16_t topic_config_error_code;                         /* v5+, tagged */
    int32_t num_partitions;                                  /* v5+, default -1 */
    int16_t replication_factor;                              /* v5+, default -1 */
    WIRE_LIST(struct create_topics_response_config) configs; /* v5+, nullable */
};

struct create_topics_response {
    int32_t throttle_time_ms;
    WIRE_LIST(struct create_topics_response_topic) topics;
};

extern const struct wire_message create_topics_response_schema;
/* All fields at their defaults, which are not all zero. */
void create_topics_response_config_init(struct create_topics_response_config *ret);
void create_topics_response_topic_init(struct create_topics_response_topic *ret);

#endif
