/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of AlterConfigs; the columns are explained in wire/schema.h. */
#include "wire/messages/alter_configs.h"

static const struct wire_field request_config_rows[] = {
    WIRE_ROW(WIRE_STRING, struct alter_configs_request_config, name, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct alter_configs_request_config, value, 0, WIRE_FOREVER, 0),
};
static const struct wire_schema request_config =
    WIRE_SCHEMA(struct alter_configs_request_config, request_config_rows);

static const struct wire_field request_resource_rows[] = {
    WIRE_ROW(WIRE_I8, struct alter_configs_request_resource, resource_type, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct alter_configs_request_resource, resource_name, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_config, struct alter_configs_request_resource, configs, 0,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema request_resource =
    WIRE_SCHEMA(struct alter_configs_request_resource, request_resource_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_STRUCTS(&request_resource, struct alter_configs_request, resources, 0, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW(WIRE_BOOL, struct alter_configs_request, validate_only, 0, WIRE_FOREVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct alter_configs_request, request_rows);

const struct wire_message alter_configs_request_schema = {
    "AlterConfigsRequest", 33, false, 0, 2, 2, &request};

static const struct wire_field response_resource_rows[] = {
    WIRE_ROW(WIRE_I16, struct alter_configs_response_resource, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct alter_configs_response_resource, error_message, 0,
                      WIRE_FOREVER, 0),
    WIRE_ROW(WIRE_I8, struct alter_configs_response_resource, resource_type, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct alter_configs_response_resource, resource_name, 0, WIRE_FOREVER),
};
static const struct wire_schema response_resource =
    WIRE_SCHEMA(struct alter_configs_response_resource, response_resource_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct alter_configs_response, throttle_time_ms, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_resource, struct alter_configs_response, responses, 0, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct alter_configs_response, response_rows);

const struct wire_message alter_configs_response_schema = {
    "AlterConfigsResponse", 33, true, 0, 2, 2, &response};
