/* SPDX-License-Identifier: Apache-2.0
 *
 * SluiceStatus (key 32000), version 0, never flexible: not Kafka's, and not in the answer to
 * ApiVersions. The report is JSON, because people and scripts read it, and because it grows; what
 * stands in it is told in api/status.c. Threads: plain values; lifetime: schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_SLUICE_STATUS_H
#define SLUICE_WIRE_MESSAGES_SLUICE_STATUS_H

#include "wire/schema.h"

struct sluice_status_request {
    bool wants_counters;
};

extern const struct wire_message sluice_status_request_schema;

struct sluice_status_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    struct span report; /* JSON; empty after an error */
};

extern const struct wire_message sluice_status_response_schema;

#endif
