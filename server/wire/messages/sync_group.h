/* SPDX-License-Identifier: Apache-2.0
 *
 * SyncGroup (key 14), versions 0 to 5, flexible from 4. Threads: plain values; lifetime: schema.h.
 */
#ifndef SLUICE_WIRE_MESSAGES_SYNC_GROUP_H
#define SLUICE_WIRE_MESSAGES_SYNC_GROUP_H

#include "wire/schema.h"

struct sync_group_request_assignment {
    struct span member_id;
    struct span assignment;
};

struct sync_group_request {
    struct span group_id;
    int32_t generation_id;
    struct span member_id;
    struct span group_instance_id; /* v3+, nullable */
    struct span protocol_type;     /* v5+, nullable */
    struct span protocol_name;     /* v5+, nullable */
    WIRE_LIST(struct sync_group_request_assignment) assignments;
};

extern const struct wire_message sync_group_request_schema;

struct sync_group_response {
    int32_t throttle_time_ms; /* v1+ */
    int16_t error_code;
    struct span protocol_type; /* v5+, nullable */
    struct span protocol_name; /* v5+, nullable */
    struct span assignment;
};

extern const struct wire_message sync_group_response_schema;

#endif
