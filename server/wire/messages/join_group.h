/* SPDX-License-Identifier: Apache-2.0
 *
 * JoinGroup (key 11), versions 0 to 9, flexible from 6. Threads: plain values; lifetime: schema.h.
 */
#ifndef SLUICE_WIRE_MESSAGES_JOIN_GROUP_H
#define SLUICE_WIRE_MESSAGES_JOIN_GROUP_H

#include "wire/schema.h"

struct join_group_request_protocol {
    struct span name;
    struct span metadata;
};

struct join_group_request {
    struct span group_id;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms; /* v1+, default -1 */
    struct span member_id;
    struct span group_instance_id; /* v5+, nullable */
    struct span protocol_type;
    WIRE_LIST(struct join_group_request_protocol) protocols;
    struct span reason; /* v8+, nullable */
};

extern const struct wire_message join_group_request_schema;
/* All fields at their defaults, which are not all zero. */
void join_group_request_init(struct join_group_request *ret);

struct join_group_response_member {
    struct span member_id;
    struct span group_instance_id; /* v5+, nullable */
    struct span metadata;
};

struct join_group_response {
    int32_t throttle_time_ms; /* v2+ */
    int16_t error_code;
    int32_t generation_id;     /* default -1 */
    struct span protocol_type; /* v7+, nullable */
    struct span protocol_name; /* nullable v7+ */
    struct span leader;
    bool skip_assignment; /* v9+ */
    struct span member_id;
    WIRE_LIST(struct join_group_response_member) members;
};

extern const struct wire_message join_group_response_schema;
/* All fields at their defaults, which are not all zero. */
void join_group_response_init(struct join_group_response *ret);

#endif
