/* SPDX-License-Identifier: Apache-2.0
 *
 * DeleteGroups (key 42), versions 0 to 2, flexible from 2. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_DELETE_GROUPS_H
#define SLUICE_WIRE_MESSAGES_DELETE_GROUPS_H

#include "wire/schema.h"

struct delete_groups_request {
    WIRE_LIST(struct span) groups_names;
};

extern const struct wire_message delete_groups_request_schema;

struct delete_groups_response_group {
    struct span group_id;
    int16_t error_code;
};

struct delete_groups_response {
    int32_t throttle_time_ms;
    WIRE_LIST(struct delete_groups_response_group) results;
};

extern const struct wire_message delete_groups_response_schema;

#endif
