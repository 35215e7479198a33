/* SPDX-License-Identifier: Apache-2.0
 *
 * ListOffsets (key 2), versions 1 to 9, flexible from 6. Threads: plain values; lifetime: schema.h.
 */
#ifndef SLUICE_WIRE_MESSAGES_LIST_OFFSETS_H
#define SLUICE_WIRE_MESSAGES_LIST_OFFSETS_H

#include "wire/schema.h"

struct list_offsets_request_partition {
    int32_t partition_index;
    int32_t current_leader_epoch; /* v4+, default -1 */
    int64_t timestamp;
};

struct list_offsets_request_topic {
    struct span name;
    WIRE_LIST(struct list_offsets_request_partition) partitions;
};

struct list_offsets_request {
    int32_t replica_id;
    int8_t isolation_level; /* v2+ */
    WIRE_LIST(struct list_offsets_request_topic) topics;
};

extern const struct wire_message list_offsets_request_schema;
/* All fields at their defaults, which are not all zero. */
void list_offsets_request_partition_init(struct list_offsets_request_partition *ret);

struct list_offsets_response_partition {
    int32_t partition_index;
    int16_t error_code;
    int64_t timestamp;    /* default -1 */
    int64_t offset;       /* default -1 */
    int32_t leader_epoch; /* v4+, default -1 */
};

struct list_offsets_response_topic {
    struct span name;
    WIRE_LIST(struct list_offsets_response_partition) partitions;
};

struct list_offsets_response {
    int32_t throttle_time_ms; /* v2+ */
    WIRE_LIST(struct list_offsets_response_topic) topics;
};

extern const struct wire_message list_offsets_response_schema;
/* All fields at their defaults, which are not all zero. */
void list_offsets_response_partition_init(struct list_offsets_response_partition *ret);

#endif
