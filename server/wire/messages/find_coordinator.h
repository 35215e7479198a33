/* SPDX-License-Identifier: Apache-2.0
 *
 * FindCoordinator (key 10), versions 0 to 4, flexible from 3. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_FIND_COORDINATOR_H
#define SLUICE_WIRE_MESSAGES_FIND_COORDINATOR_H

#include "wire/schema.h"

struct find_coordinator_request {
    struct span key;                         /* v0-3 */
    int8_t key_type;                         /* v1+ */
    WIRE_LIST(struct span) coordinator_keys; /* v4+ */
};

extern const struct wire_message find_coordinator_request_schema;

struct find_coordinator_response_coordinator {
    struct span key;           /* v4+ */
    int32_t node_id;           /* v4+ */
    struct span host;          /* v4+ */
    int32_t port;              /* v4+ */
    int16_t error_code;        /* v4+ */
    struct span error_message; /* v4+, nullable */
};

struct find_coordinator_response {
    int32_t throttle_time_ms;                                             /* v1+ */
    int16_t error_code;                                                   /* v0-3 */
    struct span error_message;                                            /* v1-3, nullable */
    int32_t node_id;                                                      /* v0-3 */
    struct span host;                                                     /* v0-3 */
    int32_t port;                                                         /* v0-3 */
    WIRE_LIST(struct find_coordinator_response_coordinator) coordinators; /* v4+ */
};

extern const struct wire_message find_coordinator_response_schema;

#endif
