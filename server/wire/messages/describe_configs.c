/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of DescribeConfigs; the columns are explained in wire/schema.h. */
#include "wire/messages/describe_configs.h"

static const struct wire_field request_resource_rows[] = {
    WIRE_ROW(WIRE_I8, struct describe_configs_request_resource, resource_type, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct describe_configs_request_resource, resource_name, 1, WIRE_FOREVER),
    WIRE_ROW_LIST(WIRE_STRING, struct describe_configs_request_resource, configuration_keys, 1,
                  WIRE_FOREVER, 1),
};
static const struct wire_schema request_resource =
    WIRE_SCHEMA(struct describe_configs_request_resource, request_resource_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_STRUCTS(&request_resource, struct describe_configs_request, resources, 1, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW(WIRE_BOOL, struct describe_configs_request, include_synonyms, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_BOOL, struct describe_configs_request, include_documentation, 3, WIRE_FOREVER),
};
static const struct wire_schema request =
    WIRE_SCHEMA(struct describe_configs_request, request_rows);

const struct wire_message describe_configs_request_schema = {
    "DescribeConfigsRequest", 32, false, 1, 4, 4, &request};

static const struct wire_field response_synonym_rows[] = {
    WIRE_ROW(WIRE_STRING, struct describe_configs_response_synonym, name, 1, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_configs_response_synonym, value, 1, WIRE_FOREVER,
                      1),
    WIRE_ROW(WIRE_I8, struct describe_configs_response_synonym, source, 1, WIRE_FOREVER),
};
static const struct wire_schema response_synonym =
    WIRE_SCHEMA(struct describe_configs_response_synonym, response_synonym_rows);

static const struct wire_field response_config_rows[] = {
    WIRE_ROW(WIRE_STRING, struct describe_configs_response_config, name, 1, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_configs_response_config, value, 1, WIRE_FOREVER,
                      1),
    WIRE_ROW(WIRE_BOOL, struct describe_configs_response_config, read_only, 1, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I8, struct describe_configs_response_config, config_source, 1,
                     WIRE_FOREVER, -1),
    WIRE_ROW(WIRE_BOOL, struct describe_configs_response_config, is_sensitive, 1, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_synonym, struct describe_configs_response_config, synonyms, 1,
                     WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW(WIRE_I8, struct describe_configs_response_config, config_type, 3, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_configs_response_config, documentation, 3,
                      WIRE_FOREVER, 1),
};
static const struct wire_schema response_config =
    WIRE_SCHEMA(struct describe_configs_response_config, response_config_rows);

static const struct wire_field response_resource_rows[] = {
    WIRE_ROW(WIRE_I16, struct describe_configs_response_resource, error_code, 1, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_configs_response_resource, error_message, 1,
                      WIRE_FOREVER, 1),
    WIRE_ROW(WIRE_I8, struct describe_configs_response_resource, resource_type, 1, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct describe_configs_response_resource, resource_name, 1,
             WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_config, struct describe_configs_response_resource, configs, 1,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_resource =
    WIRE_SCHEMA(struct describe_configs_response_resource, response_resource_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct describe_configs_response, throttle_time_ms, 1, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_resource, struct describe_configs_response, results, 1, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct describe_configs_response, response_rows);

const struct wire_message describe_configs_response_schema = {
    "DescribeConfigsResponse", 32, true, 1, 4, 4, &response};

void
describe_configs_response_config_init(struct describe_configs_response_config *ret)
{
    wire_defaults(&response_config, ret);
}
