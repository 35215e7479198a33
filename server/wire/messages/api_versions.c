/* Schema tables of ApiVersions; the columns are explained in wire/schema.h. */
#include "wire/messages/api_versions.h"

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_STRING, struct api_versions_request, client_software_name, 3, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct api_versions_request, client_software_version, 3, WIRE_FOREVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct api_versions_request, request_rows);

const struct wire_message api_versions_request_schema = {
    "ApiVersionsRequest", 18, false, 0, 4, 3, &request};

static const struct wire_field response_api_rows[] = {
    WIRE_ROW(WIRE_I16, struct api_versions_response_api, api_key, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct api_versions_response_api, min_version, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct api_versions_response_api, max_version, 0, WIRE_FOREVER),
};
static const struct wire_schema response_api =
    WIRE_SCHEMA(struct api_versions_response_api, response_api_rows);

static const struct wire_field response_supported_feature_rows[] = {
    WIRE_ROW(WIRE_STRING, struct api_versions_response_supported_feature, name, 3, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct api_versions_response_supported_feature, min_version, 3,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct api_versions_response_supported_feature, max_version, 3,
             WIRE_FOREVER),
};
static const struct wire_schema response_supported_feature =
    WIRE_SCHEMA(struct api_versions_response_supported_feature, response_supported_feature_rows);

static const struct wire_field response_finalized_feature_rows[] = {
    WIRE_ROW(WIRE_STRING, struct api_versions_response_finalized_feature, name, 3, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct api_versions_response_finalized_feature, max_version_level, 3,
             WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct api_versions_response_finalized_feature, min_version_level, 3,
             WIRE_FOREVER),
};
static const struct wire_schema response_finalized_feature =
    WIRE_SCHEMA(struct api_versions_response_finalized_feature, response_finalized_feature_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I16, struct api_versions_response, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_api, struct api_versions_response, api_keys, 0, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW(WIRE_I32, struct api_versions_response, throttle_time_ms, 1, WIRE_FOREVER),
    {WIRE_STRUCT, true, 3, WIRE_FOREVER, WIRE_NEVER, 3, 0,
     (uint16_t)offsetof(struct api_versions_response, supported_features),
     &response_supported_feature, 0},
    {WIRE_I64, false, 3, WIRE_FOREVER, WIRE_NEVER, 3, 1,
     (uint16_t)offsetof(struct api_versions_response, finalized_features_epoch), NULL, -1},
    {WIRE_STRUCT, true, 3, WIRE_FOREVER, WIRE_NEVER, 3, 2,
     (uint16_t)offsetof(struct api_versions_response, finalized_features),
     &response_finalized_feature, 0},
    {WIRE_BOOL, false, 3, WIRE_FOREVER, WIRE_NEVER, 3, 3,
     (uint16_t)offsetof(struct api_versions_response, zk_migration_ready), NULL, 0},
};
static const struct wire_schema response = WIRE_SCHEMA(struct api_versions_response, response_rows);

const struct wire_message api_versions_response_schema = {
    "ApiVersionsResponse", 18, true, 0, 4, 3, &response};
