/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of ApiVersions; the columns are explained in wire/schema.h. */
#include "wire/messages/api_versions.h"

#include "wire/errors.h"

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
    {"supported_features", WIRE_STRUCT, true, 3, WIRE_FOREVER, WIRE_NEVER, 3, 0,
     (uint16_t)offsetof(struct api_versions_response, supported_features),
     &response_supported_feature, 0},
    {"finalized_features_epoch", WIRE_I64, false, 3, WIRE_FOREVER, WIRE_NEVER, 3, 1,
     (uint16_t)offsetof(struct api_versions_response, finalized_features_epoch), NULL, -1},
    {"finalized_features", WIRE_STRUCT, true, 3, WIRE_FOREVER, WIRE_NEVER, 3, 2,
     (uint16_t)offsetof(struct api_versions_response, finalized_features),
     &response_finalized_feature, 0},
    {"zk_migration_ready", WIRE_BOOL, false, 3, WIRE_FOREVER, WIRE_NEVER, 3, 3,
     (uint16_t)offsetof(struct api_versions_response, zk_migration_ready), NULL, 0},
};
static const struct wire_schema response = WIRE_SCHEMA(struct api_versions_response, response_rows);

const struct wire_message api_versions_response_schema = {
    "ApiVersionsResponse", 18, true, 0, 4, 3, &response};

void
api_versions_response_init(struct api_versions_response *ret)
{
    wire_defaults(&response, ret);
}

enum sl_err
api_versions_unsupported_encode(int16_t min_version, int16_t max_version, struct bytes *out)
{
    struct api_versions_response_api self = {
        .api_key = api_versions_request_schema.api_key,
        .min_version = min_version,
        .max_version = max_version,
    };
    struct api_versions_response resp = {.error_code = KAFKA_UNSUPPORTED_VERSION};
    resp.api_keys.items = &self;
    resp.api_keys.count = 1;
    return wire_encode(&api_versions_response_schema, 0, &resp, out);
}

static bool
is_alnum(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool
api_versions_software_is_valid(struct span s)
{
    if (s.len == 0 || !is_alnum(s.ptr[0]) || !is_alnum(s.ptr[s.len - 1])) {
        return false;
    }
    for (size_t i = 1; i + 1 < s.len; i++) {
        if (!is_alnum(s.ptr[i]) && s.ptr[i] != '-' && s.ptr[i] != '.') {
            return false;
        }
    }
    return true;
}
