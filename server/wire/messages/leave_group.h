/* SPDX-License-Identifier: Apache-2.0
 *
 * LeaveGroup (key 13), versions 0 to 5, flexible from 4. Threads: plain values; lifetime: schema.h.
 */
#ifndef SLUICE_WIRE_MESSAGES_LEAVE_GROUP_H
#define SLUICE_WIRE_MESSAGES_LEAVE_GROUP_H

#include "wire/schema.h"

struct leave_group_request_member {
    struct span member_id;         /* v3+ */
    struct span group_instance_id; /* v3+, nullable */
    struct span reason;            /* v5+, nullable */
};

struct leave_group_request {
    struct span group_id;
    struct span member_id;                                /* v0-2 */
    WIRE_LIST(struct leave_group_request_member) members; /* v3+ */
};

extern const struct wire_message leave_group_request_schema;

struct leave_group_response_member {
    struct span member_id;         /* v3+ */
    struct span group_instance_id; /* v3+, nullable */
    int16_t error_code;            /* v3+ */
};

struct leave_group_response {
    int32_t throttle_time_ms; /* v1+ */
    int16_t error_code;
    WIRE_LIST(struct leave_group_response_member) members; /* v3+ */
};

extern const struct wire_message leave_group_response_schema;

#endif
