/* SPDX-License-Identifier: Apache-2.0
 *
 * ListGroups (key 16), versions 0 to 5, flexible from 3. Threads: plain values; lifetime: schema.h.
 */
#ifndef SLUICE_WIRE_MESSAGES_LIST_GROUPS_H
#define SLUICE_WIRE_MESSAGES_LIST_GROUPS_H

#include "wire/schema.h"

struct list_groups_request {
    WIRE_LIST(struct span) states_filter; /* v4+ */
    WIRE_LIST(struct span) types_filter;  /* v5+ */
};

extern const struct wire_message list_groups_request_schema;

struct list_groups_response_group {
    struct span group_id;
    struct span protocol_type;
    struct span group_state; /* v4+ */
    struct span group_type;  /* v5+ */
};

struct list_groups_response {
    int32_t throttle_time_ms; /* v1+ */
    int16_t error_code;
    WIRE_LIST(struct list_groups_response_group) groups;
};

extern const struct wire_message list_groups_response_schema;

#endif
