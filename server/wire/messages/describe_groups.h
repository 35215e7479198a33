/* SPDX-License-Identifier: Apache-2.0
 *
 * DescribeGroups (key 15), versions 0 to 6, flexible from 5. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_DESCRIBE_GROUPS_H
#define SLUICE_WIRE_MESSAGES_DESCRIBE_GROUPS_H

#include "wire/schema.h"

struct describe_groups_request {
    WIRE_LIST(struct span) groups;
    bool include_authorized_operations; /* v3+ */
};

extern const struct wire_message describe_groups_request_schema;

struct describe_groups_response_member {
    struct span member_id;
    struct span group_instance_id; /* v4+, nullable */
    struct span client_id;
    struct span client_host;
    struct span member_metadata;
    struct span member_assignment;
};

struct describe_groups_response_group {
    int16_t error_code;
    struct span error_message; /* v6+, nullable */
    struct span group_id;
    struct span group_state;
    struct span protocol_type;
    struct span protocol_data;
    WIRE_LIST(struct describe_groups_response_member) members;
    int32_t authorized_operations; /* v3+, default -2147483648 */
};

struct describe_groups_response {
    int32_t throttle_time_ms; /* v1+ */
    WIRE_LIST(struct describe_groups_response_group) groups;
};

extern const struct wire_message describe_groups_response_schema;
/* All fields at their defaults, which are not all zero. */
void describe_groups_response_group_init(struct describe_groups_response_group *ret);

#endif
