/* Schema tables of Produce; the columns are explained in wire/schema.h. */
#include "wire/messages/produce.h"

static const struct wire_field request_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct produce_request_partition, index, 3, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_RECORDS, struct produce_request_partition, records, 3, WIRE_FOREVER, 3),
};
static const struct wire_schema request_partition =
    WIRE_SCHEMA(struct produce_request_partition, request_partition_rows);

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct produce_request_topic, name, 3, 12),
    WIRE_ROW(WIRE_UUID, struct produce_request_topic, topic_id, 13, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_partition, struct produce_request_topic, partition_data, 3,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct produce_request_topic, request_topic_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_NULLABLE(WIRE_STRING, struct produce_request, transactional_id, 3, WIRE_FOREVER, 3),
    WIRE_ROW(WIRE_I16, struct produce_request, acks, 3, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct produce_request, timeout_ms, 3, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_topic, struct produce_request, topic_data, 3, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct produce_request, request_rows);

const struct wire_message produce_request_schema = {"ProduceRequest", 0, false, 3, 13, 9, &request};

static const struct wire_field response_record_error_rows[] = {
    WIRE_ROW(WIRE_I32, struct produce_response_record_error, batch_index, 8, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct produce_response_record_error, batch_index_error_message,
                      8, WIRE_FOREVER, 8),
};
static const struct wire_schema response_record_error =
    WIRE_SCHEMA(struct produce_response_record_error, response_record_error_rows);

static const struct wire_field response_leader_rows[] = {
    WIRE_ROW_DEFAULT(WIRE_I32, struct produce_response_leader, leader_id, 10, WIRE_FOREVER, -1),
    WIRE_ROW_DEFAULT(WIRE_I32, struct produce_response_leader, leader_epoch, 10, WIRE_FOREVER, -1),
};
static const struct wire_schema response_leader =
    WIRE_SCHEMA(struct produce_response_leader, response_leader_rows);

static const struct wire_field response_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct produce_response_partition, index, 3, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct produce_response_partition, error_code, 3, WIRE_FOREVER),
    WIRE_ROW(WIRE_I64, struct produce_response_partition, base_offset, 3, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I64, struct produce_response_partition, log_append_time_ms, 3,
                     WIRE_FOREVER, -1),
    WIRE_ROW_DEFAULT(WIRE_I64, struct produce_response_partition, log_start_offset, 5, WIRE_FOREVER,
                     -1),
    WIRE_ROW_STRUCTS(&response_record_error, struct produce_response_partition, record_errors, 8,
                     WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct produce_response_partition, error_message, 8,
                      WIRE_FOREVER, 8),
    {WIRE_STRUCT, false, 10, WIRE_FOREVER, WIRE_NEVER, 10, 0,
     (uint16_t)offsetof(struct produce_response_partition, current_leader), &response_leader, 0},
};
static const struct wire_schema response_partition =
    WIRE_SCHEMA(struct produce_response_partition, response_partition_rows);

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct produce_response_topic, name, 3, 12),
    WIRE_ROW(WIRE_UUID, struct produce_response_topic, topic_id, 13, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_partition, struct produce_response_topic, partition_responses, 3,
                     WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct produce_response_topic, response_topic_rows);

static const struct wire_field response_node_endpoint_rows[] = {
    WIRE_ROW(WIRE_I32, struct produce_response_node_endpoint, node_id, 10, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct produce_response_node_endpoint, host, 10, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct produce_response_node_endpoint, port, 10, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct produce_response_node_endpoint, rack, 10, WIRE_FOREVER,
                      10),
};
static const struct wire_schema response_node_endpoint =
    WIRE_SCHEMA(struct produce_response_node_endpoint, response_node_endpoint_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW_STRUCTS(&response_topic, struct produce_response, responses, 3, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW(WIRE_I32, struct produce_response, throttle_time_ms, 3, WIRE_FOREVER),
    {WIRE_STRUCT, true, 10, WIRE_FOREVER, WIRE_NEVER, 10, 0,
     (uint16_t)offsetof(struct produce_response, node_endpoints), &response_node_endpoint, 0},
};
static const struct wire_schema response = WIRE_SCHEMA(struct produce_response, response_rows);

const struct wire_message produce_response_schema = {"ProduceResponse", 0, true, 3, 13, 9,
                                                     &response};
