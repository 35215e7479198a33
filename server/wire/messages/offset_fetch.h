/* SPDX-License-Identifier: Apache-2.0
 *
 * OffsetFetch (key 9), versions 1 to 9, flexible from 6. Threads: plain values; lifetime: schema.h.
 */
#ifndef SLUICE_WIRE_MESSAGES_OFFSET_FETCH_H
#define SLUICE_WIRE_MESSAGES_OFFSET_FETCH_H

#include "wire/schema.h"

struct offset_fetch_request_topic {
    struct span name;                     /* v1-7 */
    WIRE_LIST(int32_t) partition_indexes; /* v1-7 */
};

struct offset_fetch_request_group_topic {
    struct span name;                     /* v8+ */
    WIRE_LIST(int32_t) partition_indexes; /* v8+ */
};

struct offset_fetch_request_group {
    struct span group_id;                                      /* v8+ */
    struct span member_id;                                     /* v9+, nullable */
    int32_t member_epoch;                                      /* v9+, default -1 */
    WIRE_LIST(struct offset_fetch_request_group_topic) topics; /* v8+, nullable */
};

struct offset_fetch_request {
    struct span group_id;                                /* v1-7 */
    WIRE_LIST(struct offset_fetch_request_topic) topics; /* v1-7, nullable v2+ */
    WIRE_LIST(struct offset_fetch_request_group) groups; /* v8+ */
    bool require_stable;                                 /* v7+ */
};

extern const struct wire_message offset_fetch_request_schema;
/* All fields at their defaults, which are not all zero. */
void offset_fetch_request_group_init(struct offset_fetch_request_group *ret);

struct offset_fetch_response_partition {
    int32_t partition_index;        /* v1-7 */
    int64_t committed_offset;       /* v1-7 */
    int32_t committed_leader_epoch; /* v5-7, default -1 */
    struct span metadata;           /* v1-7, nullable */
    int16_t error_code;             /* v1-7 */
};

struct offset_fetch_response_topic {
    struct span name;                                             /* v1-7 */
    WIRE_LIST(struct offset_fetch_response_partition) partitions; /* v1-7 */
};

struct offset_fetch_response_group_partition {
    int32_t partition_index;        /* v8+ */
    int64_t committed_offset;       /* v8+ */
    int32_t committed_leader_epoch; /* v8+, default -1 */
    struct span metadata;           /* v8+, nullable */
    int16_t error_code;             /* v8+ */
};

struct offset_fetch_response_group_topic {
    struct span name;                                                   /* v8+ */
    WIRE_LIST(struct offset_fetch_response_group_partition) partitions; /* v8+ */
};

struct offset_fetch_response_group {
    struct span group_id;                                       /* v8+ */
    WIRE_LIST(struct offset_fetch_response_group_topic) topics; /* v8+ */
    int16_t error_code;                                         /* v8+ */
};

struct offset_fetch_response {
    int32_t throttle_time_ms;                             /* v3+ */
    WIRE_LIST(struct offset_fetch_response_topic) topics; /* v1-7 */
    int16_t error_code;                                   /* v2-7 */
    WIRE_LIST(struct offset_fetch_response_group) groups; /* v8+ */
};

extern const struct wire_message offset_fetch_response_schema;
/* All fields at their defaults, which are not all zero. */
void offset_fetch_response_partition_init(struct offset_fetch_response_partition *ret);
void offset_fetch_response_group_partition_init(struct offset_fetch_response_group_partition *ret);

#endif
