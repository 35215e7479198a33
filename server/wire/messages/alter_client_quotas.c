/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of AlterClientQuotas; the columns are explained in wire/schema.h. */
#include "wire/messages/alter_client_quotas.h"

static const struct wire_field request_entity_rows[] = {
    WIRE_ROW(WIRE_STRING, struct alter_client_quotas_request_entity, entity_type, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct alter_client_quotas_request_entity, entity_name, 0,
                      WIRE_FOREVER, 0),
};
static const struct wire_schema request_entity =
    WIRE_SCHEMA(struct alter_client_quotas_request_entity, request_entity_rows);

static const struct wire_field request_op_rows[] = {
    WIRE_ROW(WIRE_STRING, struct alter_client_quotas_request_op, key, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_F64, struct alter_client_quotas_request_op, value, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_BOOL, struct alter_client_quotas_request_op, remove, 0, WIRE_FOREVER),
};
static const struct wire_schema request_op =
    WIRE_SCHEMA(struct alter_client_quotas_request_op, request_op_rows);

static const struct wire_field request_entry_rows[] = {
    WIRE_ROW_STRUCTS(&request_entity, struct alter_client_quotas_request_entry, entity, 0,
                     WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_STRUCTS(&request_op, struct alter_client_quotas_request_entry, ops, 0, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema request_entry =
    WIRE_SCHEMA(struct alter_client_quotas_request_entry, request_entry_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_STRUCTS(&request_entry, struct alter_client_quotas_request, entries, 0, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW(WIRE_BOOL, struct alter_client_quotas_request, validate_only, 0, WIRE_FOREVER),
};
static const struct wire_schema request =
    WIRE_SCHEMA(struct alter_client_quotas_request, request_rows);

const struct wire_message alter_client_quotas_request_schema = {
    "AlterClientQuotasRequest", 49, false, 0, 1, 1, &request};

static const struct wire_field response_entity_rows[] = {
    WIRE_ROW(WIRE_STRING, struct alter_client_quotas_response_entity, entity_type, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct alter_client_quotas_response_entity, entity_name, 0,
                      WIRE_FOREVER, 0),
};
static const struct wire_schema response_entity =
    WIRE_SCHEMA(struct alter_client_quotas_response_entity, response_entity_rows);

static const struct wire_field response_entry_rows[] = {
    WIRE_ROW(WIRE_I16, struct alter_client_quotas_response_entry, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct alter_client_quotas_response_entry, error_message, 0,
                      WIRE_FOREVER, 0),
    WIRE_ROW_STRUCTS(&response_entity, struct alter_client_quotas_response_entry, entity, 0,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_entry =
    WIRE_SCHEMA(struct alter_client_quotas_response_entry, response_entry_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct alter_client_quotas_response, throttle_time_ms, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_entry, struct alter_client_quotas_response, entries, 0, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct alter_client_quotas_response, response_rows);

const struct wire_message alter_client_quotas_response_schema = {
    "AlterClientQuotasResponse", 49, true, 0, 1, 1, &response};
