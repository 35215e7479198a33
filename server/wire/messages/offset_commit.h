/* SPDX-License-Identifier: Apache-2.0
 *
 * OffsetCommit (key 8), versions 2 to 9, flexible from 8. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_OFFSET_COMMIT_H
#define SLUICE_WIRE_MESSAGES_OFFSET_COMMIT_H

#include "wire/schema.h"

struct offset_commit_request_partition {
    int32_t partition_index;
    int64_t committed_offset;
    int32_t committed_leader_epoch; /* v6+, default -1 */
    struct span committed_metadata; /* nullable */
};

struct offset_commit_request_topic {
    struct span name;
    WIRE_LIST(struct offset_commit_request_partition) partitions;
};

struct offset_commit_request {
    struct span group_id;
    int32_t generation_id_or_member_epoch; /* default -1 */
    struct span member_id;
    struct span group_instance_id; /* v7+, nullable */
    int64_t retention_time_ms;     /* v2-4, default -1 */
    WIRE_LIST(struct offset_commit_request_topic) topics;
};

extern const struct wire_message offset_commit_request_schema;
/* All fields at their defaults, which are not all zero. */
void offset_commit_request_partition_init(struct offset_commit_request_partition *ret);
void offset_commit_request_init(struct offset_commit_request *ret);

struct offset_commit_response_partition {
    int32_t partition_index;
    int16_t error_code;
};

struct offset_commit_response_topic {
    struct span name;
    WIRE_LIST(struct offset_commit_response_partition) partitions;
};

struct offset_commit_response {
    int32_t throttle_time_ms; /* v3+ */
    WIRE_LIST(struct offset_commit_response_topic) topics;
};

extern const struct wire_message offset_commit_response_schema;

#endif
