/* SPDX-License-Identifier: Apache-2.0
 *
 * ApiVersions (key 18), versions 0 to 4, flexible from 3. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_API_VERSIONS_H
#define SLUICE_WIRE_MESSAGES_API_VERSIONS_H

#include "wire/schema.h"

struct api_versions_request {
    struct span client_software_name;    /* v3+ */
    struct span client_software_version; /* v3+ */
};

extern const struct wire_message api_versions_request_schema;

struct api_versions_response_api {
    int16_t api_key;
    int16_t min_version;
    int16_t max_version;
};

struct api_versions_response_supported_feature {
    struct span name;    /* v3+ */
    int16_t min_version; /* v3+ */
    int16_t max_version; /* v3+ */
};

struct api_versions_response_finalized_feature {
    struct span name;          /* v3+ */
    int16_t max_version_level; /* v3+ */
    int16_t min_version_level; /* v3+ */
};

struct api_versions_response {
    int16_t error_code;
    WIRE_LIST(struct api_versions_response_api) api_keys;
    int32_t throttle_time_ms;                                                     /* v1+ */
    WIRE_LIST(struct api_versions_response_supported_feature) supported_features; /* v3+, tagged */
    int64_t finalized_features_epoch; /* v3+, tagged, default -1 */
    WIRE_LIST(struct api_versions_response_finalized_feature) finalized_features; /* v3+, tagged */
    bool zk_migration_ready;                                                      /* v3+, tagged */
};

extern const struct wire_message api_versions_response_schema;
/* All fields at their defaults, which are not all zero. */
void api_versions_response_init(struct api_versions_response *ret);

/* The reply to a version we do not know, whatever it was: body in v0 layout, UNSUPPORTED_VERSION,
 * and ApiVersions (key 18) with min..max as the only entry, so that the client can try again. */
MUST_CHECK enum sl_err api_versions_unsupported_encode(int16_t min_version, int16_t max_version,
                                                       struct bytes *out);
/* v3+ client_software_name and _version: [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? (KIP-511);
 * otherwise the answer is INVALID_REQUEST. */
bool api_versions_software_is_valid(struct span s);

#endif
