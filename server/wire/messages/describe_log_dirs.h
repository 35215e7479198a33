/* SPDX-License-Identifier: Apache-2.0
 *
 * DescribeLogDirs (key 35), versions 1 to 4, flexible from 2. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_DESCRIBE_LOG_DIRS_H
#define SLUICE_WIRE_MESSAGES_DESCRIBE_LOG_DIRS_H

#include "wire/schema.h"

struct describe_log_dirs_request_topic {
    struct span topic;
    WIRE_LIST(int32_t) partitions;
};

struct describe_log_dirs_request {
    WIRE_LIST(struct describe_log_dirs_request_topic) topics; /* nullable */
};

extern const struct wire_message describe_log_dirs_request_schema;

struct describe_log_dirs_response_partition {
    int32_t partition_index;
    int64_t partition_size;
    int64_t offset_lag;
    bool is_future_key;
};

struct describe_log_dirs_response_topic {
    struct span name;
    WIRE_LIST(struct describe_log_dirs_response_partition) partitions;
};

struct describe_log_dirs_response_result {
    int16_t error_code;
    struct span log_dir;
    WIRE_LIST(struct describe_log_dirs_response_topic) topics;
    int64_t total_bytes;  /* v4+ */
    int64_t usable_bytes; /* v4+ */
};

struct describe_log_dirs_response {
    int32_t throttle_time_ms;
    int16_t error_code; /* v3+ */
    WIRE_LIST(struct describe_log_dirs_response_result) results;
};

extern const struct wire_message describe_log_dirs_response_schema;
void describe_log_dirs_response_result_init(struct describe_log_dirs_response_result *ret);

#endif
