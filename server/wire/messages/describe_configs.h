/* SPDX-License-Identifier: Apache-2.0
 *
 * DescribeConfigs (key 32), versions 1 to 4, flexible from 4. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_DESCRIBE_CONFIGS_H
#define SLUICE_WIRE_MESSAGES_DESCRIBE_CONFIGS_H

#include "wire/schema.h"

struct describe_configs_request_resource {
    int8_t resource_type;
    struct span resource_name;
    WIRE_LIST(struct span) configuration_keys; /* nullable */
};

struct describe_configs_request {
    WIRE_LIST(struct describe_configs_request_resource) resources;
    bool include_synonyms;
    bool include_documentation; /* v3+ */
};

extern const struct wire_message describe_configs_request_schema;

struct describe_configs_response_synonym {
    struct span name;
    struct span value; /* nullable */
    int8_t source;
};

struct describe_configs_response_config {
    struct span name;
    struct span value; /* nullable */
    bool read_only;
    int8_t config_source; /* default -1 */
    bool is_sensitive;
    WIRE_LIST(struct describe_configs_response_synonym) synonyms;
    int8_t config_type;        /* v3+ */
    struct span documentation; /* v3+, nullable */
};

struct describe_configs_response_resource {
    int16_t error_code;
    struct span error_message; /* nullable */
    int8_t resource_type;
    struct span resource_name;
    WIRE_LIST(struct describe_configs_response_config) configs;
};

struct describe_configs_response {
    int32_t throttle_time_ms;
    WIRE_LIST(struct describe_configs_response_resource) results;
};

extern const struct wire_message describe_configs_response_schema;
/* All fields at their defaults, which are not all zero. */
void describe_configs_response_config_init(struct describe_configs_response_config *ret);

#endif
