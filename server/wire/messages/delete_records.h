/* SPDX-License-Identifier: Apache-2.0
 *
 * DeleteRecords (key 21), versions 0 to 2, flexible from 2. Threads: plain values; lifetime:
 * schema.h. */
#ifndef SLUICE_WIRE_MESSAGES_DELETE_RECORDS_H
#define SLUICE_WIRE_MESSAGES_DELETE_RECORDS_H

#include "wire/schema.h"

struct delete_records_request_partition {
    int32_t partition_index;
    int64_t offset;
};

struct delete_records_request_topic {
    struct span name;
    WIRE_LIST(struct delete_records_request_partition) partitions;
};

struct delete_records_request {
    WIRE_LIST(struct delete_records_request_topic) topics;
    int32_t timeout_ms;
};

extern const struct wire_message delete_records_request_schema;

struct delete_records_response_partition {
    int32_t partition_index;
    int64_t low_watermark;
    int16_t error_code;
};

struct delete_records_response_topic {
    struct span name;
    WIRE_LIST(struct delete_records_response_partition) partitions;
};

struct delete_records_response {
    int32_t throttle_time_ms;
    WIRE_LIST(struct delete_records_response_topic) topics;
};

extern const struct wire_message delete_records_response_schema;

#endif
