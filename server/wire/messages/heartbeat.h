/* SPDX-License-Identifier: Apache-2.0
 *
 * Heartbeat (key 12), versions 0 to 4, flexible from 4. Threads: plain values; lifetime: schema.h.
 */
#ifndef SLUICE_WIRE_MESSAGES_HEARTBEAT_H
#define SLUICE_WIRE_MESSAGES_HEARTBEAT_H

#include "wire/schema.h"

struct heartbeat_request {
    struct span group_id;
    int32_t generation_id;
    struct span member_id;
    struct span group_instance_id; /* v3+, nullable */
};

extern const struct wire_message heartbeat_request_schema;

struct heartbeat_response {
    int32_t throttle_time_ms; /* v1+ */
    int16_t error_code;
};

extern const struct wire_message heartbeat_response_schema;

#endif
