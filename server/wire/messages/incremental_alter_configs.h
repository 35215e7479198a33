/* SPDX-License-Identifier: Apache-2.0
 *
 * IncrementalAlterConfigs (key 44), versions 0 to 1, flexible from 1. Threads: plain values;
 * lifetime: schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_INCREMENTAL_ALTER_CONFIGS_H
#define SLUICE_WIRE_MESSAGES_INCREMENTAL_ALTER_CONFIGS_H

#include "wire/schema.h"

struct incremental_alter_configs_request_config {
    struct span name;
    int8_t config_operation;
    struct span value; /* nullable */
};

struct incremental_alter_configs_request_resource {
    int8_t resource_type;
    struct span resource_name;
    WIRE_LIST(struct incremental_alter_configs_request_config) configs;
};

struct incremental_alter_configs_request {
    WIRE_LIST(struct incremental_alter_configs_request_resource) resources;
    bool validate_only;
};

extern const struct wire_message incremental_alter_configs_request_schema;

struct incremental_alter_configs_response_resource {
    int16_t error_code;
    struct span error_message; /* nullable */
    int8_t resource_type;
    struct span resource_name;
};

struct incremental_alter_configs_response {
    int32_t throttle_time_ms;
    WIRE_LIST(struct incremental_alter_configs_response_resource) responses;
};

extern const struct wire_message incremental_alter_configs_response_schema;

#endif
