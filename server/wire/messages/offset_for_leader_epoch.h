/* SPDX-License-Identifier: Apache-2.0
 *
 * OffsetForLeaderEpoch (key 23), versions 2 to 4, flexible from 4. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_OFFSET_FOR_LEADER_EPOCH_H
#define SLUICE_WIRE_MESSAGES_OFFSET_FOR_LEADER_EPOCH_H

#include "wire/schema.h"

struct offset_for_leader_epoch_request_partition {
    int32_t partition;
    int32_t current_leader_epoch; /* default -1 */
    int32_t leader_epoch;
};

struct offset_for_leader_epoch_request_topic {
    struct span topic;
    WIRE_LIST(struct offset_for_leader_epoch_request_partition) partitions;
};

struct offset_for_leader_epoch_request {
    int32_t replica_id; /* v3+, default -2 */
    WIRE_LIST(struct offset_for_leader_epoch_request_topic) topics;
};

extern const struct wire_message offset_for_leader_epoch_request_schema;
/* All fields at their defaults, which are not all zero. */
void offset_for_leader_epoch_request_partition_init(
    struct offset_for_leader_epoch_request_partition *ret);
void offset_for_leader_epoch_request_init(struct offset_for_leader_epoch_request *ret);

struct offset_for_leader_epoch_response_partition {
    int16_t error_code;
    int32_t partition;
    int32_t leader_epoch; /* default -1 */
    int64_t end_offset;   /* default -1 */
};

struct offset_for_leader_epoch_response_topic {
    struct span topic;
    WIRE_LIST(struct offset_for_leader_epoch_response_partition) partitions;
};

struct offset_for_leader_epoch_response {
    int32_t throttle_time_ms;
    WIRE_LIST(struct offset_for_leader_epoch_response_topic) topics;
};

extern const struct wire_message offset_for_leader_epoch_response_schema;
/* All fields at their defaults, which are not all zero. */
void offset_for_leader_epoch_response_partition_init(
    struct offset_for_leader_epoch_response_partition *ret);

#endif
