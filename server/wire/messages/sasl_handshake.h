/* SPDX-License-Identifier: Apache-2.0
 *
 * SaslHandshake (key 17), versions 0 to 1. Threads: plain values; lifetime: schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_SASL_HANDSHAKE_H
#define SLUICE_WIRE_MESSAGES_SASL_HANDSHAKE_H

#include "wire/schema.h"

struct sasl_handshake_request {
    struct span mechanism;
};

extern const struct wire_message sasl_handshake_request_schema;

struct sasl_handshake_response {
    int16_t error_code;
    WIRE_LIST(struct span) mechanisms;
};

extern const struct wire_message sasl_handshake_response_schema;

#endif
