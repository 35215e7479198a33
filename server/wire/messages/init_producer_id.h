/* SPDX-License-Identifier: Apache-2.0
 *
 * InitProducerId (key 22), versions 0 to 5, flexible from 2. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_INIT_PRODUCER_ID_H
#define SLUICE_WIRE_MESSAGES_INIT_PRODUCER_ID_H

#include "wire/schema.h"

struct init_producer_id_request {
    struct span transactional_id; /* nullable */
    int32_t transaction_timeout_ms;
    int64_t producer_id;    /* v3+, default -1 */
    int16_t producer_epoch; /* v3+, default -1 */
};

extern const struct wire_message init_producer_id_request_schema;
/* All fields at their defaults, which are not all zero. */
void init_producer_id_request_init(struct init_producer_id_request *ret);

struct init_producer_id_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    int64_t producer_id; /* default -1 */
    int16_t producer_epoch;
};

extern const struct wire_message init_producer_id_response_schema;
/* All fields at their defaults, which are not all zero. */
void init_producer_id_response_init(struct init_producer_id_response *ret);

#endif
