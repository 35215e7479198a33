/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of DescribeClientQuotas; the columns are explained in wire/schema.h. */
#include "wire/messages/describe_client_quotas.h"

static const struct wire_field request_component_rows[] = {
    WIRE_ROW(WIRE_STRING, struct describe_client_quotas_request_component, entity_type, 0,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I8, struct describe_client_quotas_request_component, match_type, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_client_quotas_request_component, match, 0,
                      WIRE_FOREVER, 0),
};
static const struct wire_schema request_component =
    WIRE_SCHEMA(struct describe_client_quotas_request_component, request_component_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_STRUCTS(&request_component, struct describe_client_quotas_request, components, 0,
                     WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW(WIRE_BOOL, struct describe_client_quotas_request, strict, 0, WIRE_FOREVER),
};
static const struct wire_schema request =
    WIRE_SCHEMA(struct describe_client_quotas_request, request_rows);

const struct wire_message describe_client_quotas_request_schema = {
    "DescribeClientQuotasRequest", 48, false, 0, 1, 1, &request};

static const struct wire_field response_entity_rows[] = {
    WIRE_ROW(WIRE_STRING, struct describe_client_quotas_response_entity, entity_type, 0,
             WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_client_quotas_response_entity, entity_name, 0,
                      WIRE_FOREVER, 0),
};
static const struct wire_schema response_entity =
    WIRE_SCHEMA(struct describe_client_quotas_response_entity, response_entity_rows);

static const struct wire_field response_value_rows[] = {
    WIRE_ROW(WIRE_STRING, struct describe_client_quotas_response_value, key, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_F64, struct describe_client_quotas_response_value, value, 0, WIRE_FOREVER),
};
static const struct wire_schema response_value =
    WIRE_SCHEMA(struct describe_client_quotas_response_value, response_value_rows);

static const struct wire_field response_entry_rows[] = {
    WIRE_ROW_STRUCTS(&response_entity, struct describe_client_quotas_response_entry, entity, 0,
                     WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_STRUCTS(&response_value, struct describe_client_quotas_response_entry, values, 0,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_entry =
    WIRE_SCHEMA(struct describe_client_quotas_response_entry, response_entry_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct describe_client_quotas_response, throttle_time_ms, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct describe_client_quotas_response, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_client_quotas_response, error_message, 0,
                      WIRE_FOREVER, 0),
    WIRE_ROW_STRUCTS(&response_entry, struct describe_client_quotas_response, entries, 0,
                     WIRE_FOREVER, 0),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct describe_client_quotas_response, response_rows);

const struct wire_message describe_client_quotas_response_schema = {
    "DescribeClientQuotasResponse", 48, true, 0, 1, 1, &response};
