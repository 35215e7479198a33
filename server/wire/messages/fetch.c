/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of Fetch; the columns are explained in wire/schema.h. */
#include "wire/messages/fetch.h"

static const struct wire_field request_replica_state_rows[] = {
    WIRE_ROW_DEFAULT(WIRE_I32, struct fetch_request_replica_state, replica_id, 15, WIRE_FOREVER,
                     -1),
    WIRE_ROW_DEFAULT(WIRE_I64, struct fetch_request_replica_state, replica_epoch, 15, WIRE_FOREVER,
                     -1),
};
static const struct wire_schema request_replica_state =
    WIRE_SCHEMA(struct fetch_request_replica_state, request_replica_state_rows);

static const struct wire_field request_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct fetch_request_partition, partition, 4, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct fetch_request_partition, current_leader_epoch, 9,
                     WIRE_FOREVER, -1),
    WIRE_ROW(WIRE_I64, struct fetch_request_partition, fetch_offset, 4, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct fetch_request_partition, last_fetched_epoch, 12, WIRE_FOREVER,
                     -1),
    WIRE_ROW_DEFAULT(WIRE_I64, struct fetch_request_partition, log_start_offset, 5, WIRE_FOREVER,
                     -1),
    WIRE_ROW(WIRE_I32, struct fetch_request_partition, partition_max_bytes, 4, WIRE_FOREVER),
    {"replica_directory_id", WIRE_UUID, false, 17, WIRE_FOREVER, WIRE_NEVER, 17, 0,
     (uint16_t)offsetof(struct fetch_request_partition, replica_directory_id), NULL, 0},
};
static const struct wire_schema request_partition =
    WIRE_SCHEMA(struct fetch_request_partition, request_partition_rows);

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct fetch_request_topic, topic, 4, 12),
    WIRE_ROW(WIRE_UUID, struct fetch_request_topic, topic_id, 13, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&request_partition, struct fetch_request_topic, partitions, 4, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct fetch_request_topic, request_topic_rows);

static const struct wire_field request_forgotten_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct fetch_request_forgotten_topic, topic, 7, 12),
    WIRE_ROW(WIRE_UUID, struct fetch_request_forgotten_topic, topic_id, 13, WIRE_FOREVER),
    WIRE_ROW_LIST(WIRE_I32, struct fetch_request_forgotten_topic, partitions, 7, WIRE_FOREVER,
                  WIRE_NEVER),
};
static const struct wire_schema request_forgotten_topic =
    WIRE_SCHEMA(struct fetch_request_forgotten_topic, request_forgotten_topic_rows);

static const struct wire_field request_rows[] = {
    {"cluster_id", WIRE_STRING, false, 12, WIRE_FOREVER, 12, 12, 0,
     (uint16_t)offsetof(struct fetch_request, cluster_id), NULL, 0},
    WIRE_ROW_DEFAULT(WIRE_I32, struct fetch_request, replica_id, 4, 14, -1),
    {"replica_state", WIRE_STRUCT, false, 15, WIRE_FOREVER, WIRE_NEVER, 15, 1,
     (uint16_t)offsetof(struct fetch_request, replica_state), &request_replica_state, 0},
    WIRE_ROW(WIRE_I32, struct fetch_request, max_wait_ms, 4, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct fetch_request, min_bytes, 4, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct fetch_request, max_bytes, 4, WIRE_FOREVER, 2147483647),
    WIRE_ROW(WIRE_I8, struct fetch_request, isolation_level, 4, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct fetch_request, session_id, 7, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct fetch_request, session_epoch, 7, WIRE_FOREVER, -1),
    WIRE_ROW_STRUCTS(&request_topic, struct fetch_request, topics, 4, WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_STRUCTS(&request_forgotten_topic, struct fetch_request, forgotten_topics_data, 7,
                     WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW(WIRE_STRING, struct fetch_request, rack_id, 11, WIRE_FOREVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct fetch_request, request_rows);

const struct wire_message fetch_request_schema = {"FetchRequest", 1, false, 4, 17, 12, &request};

void
fetch_request_replica_state_init(struct fetch_request_replica_state *ret)
{
    wire_defaults(&request_replica_state, ret);
}

void
fetch_request_partition_init(struct fetch_request_partition *ret)
{
    wire_defaults(&request_partition, ret);
}

void
fetch_request_init(struct fetch_request *ret)
{
    wire_defaults(&request, ret);
}

static const struct wire_field response_diverging_epoch_rows[] = {
    WIRE_ROW_DEFAULT(WIRE_I32, struct fetch_response_diverging_epoch, epoch, 12, WIRE_FOREVER, -1),
    WIRE_ROW_DEFAULT(WIRE_I64, struct fetch_response_diverging_epoch, end_offset, 12, WIRE_FOREVER,
                     -1),
};
static const struct wire_schema response_diverging_epoch =
    WIRE_SCHEMA(struct fetch_response_diverging_epoch, response_diverging_epoch_rows);

static const struct wire_field response_leader_rows[] = {
    WIRE_ROW_DEFAULT(WIRE_I32, struct fetch_response_leader, leader_id, 12, WIRE_FOREVER, -1),
    WIRE_ROW_DEFAULT(WIRE_I32, struct fetch_response_leader, leader_epoch, 12, WIRE_FOREVER, -1),
};
static const struct wire_schema response_leader =
    WIRE_SCHEMA(struct fetch_response_leader, response_leader_rows);

static const struct wire_field response_snapshot_id_rows[] = {
    WIRE_ROW_DEFAULT(WIRE_I64, struct fetch_response_snapshot_id, end_offset, 4, WIRE_FOREVER, -1),
    WIRE_ROW_DEFAULT(WIRE_I32, struct fetch_response_snapshot_id, epoch, 4, WIRE_FOREVER, -1),
};
static const struct wire_schema response_snapshot_id =
    WIRE_SCHEMA(struct fetch_response_snapshot_id, response_snapshot_id_rows);

static const struct wire_field response_aborted_transaction_rows[] = {
    WIRE_ROW(WIRE_I64, struct fetch_response_aborted_transaction, producer_id, 4, WIRE_FOREVER),
    WIRE_ROW(WIRE_I64, struct fetch_response_aborted_transaction, first_offset, 4, WIRE_FOREVER),
};
static const struct wire_schema response_aborted_transaction =
    WIRE_SCHEMA(struct fetch_response_aborted_transaction, response_aborted_transaction_rows);

static const struct wire_field response_partition_rows[] = {
    WIRE_ROW(WIRE_I32, struct fetch_response_partition, partition_index, 4, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct fetch_response_partition, error_code, 4, WIRE_FOREVER),
    WIRE_ROW(WIRE_I64, struct fetch_response_partition, high_watermark, 4, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I64, struct fetch_response_partition, last_stable_offset, 4, WIRE_FOREVER,
                     -1),
    WIRE_ROW_DEFAULT(WIRE_I64, struct fetch_response_partition, log_start_offset, 5, WIRE_FOREVER,
                     -1),
    {"diverging_epoch", WIRE_STRUCT, false, 12, WIRE_FOREVER, WIRE_NEVER, 12, 0,
     (uint16_t)offsetof(struct fetch_response_partition, diverging_epoch),
     &response_diverging_epoch, 0},
    {"current_leader", WIRE_STRUCT, false, 12, WIRE_FOREVER, WIRE_NEVER, 12, 1,
     (uint16_t)offsetof(struct fetch_response_partition, current_leader), &response_leader, 0},
    {"snapshot_id", WIRE_STRUCT, false, 12, WIRE_FOREVER, WIRE_NEVER, 12, 2,
     (uint16_t)offsetof(struct fetch_response_partition, snapshot_id), &response_snapshot_id, 0},
    WIRE_ROW_STRUCTS(&response_aborted_transaction, struct fetch_response_partition,
                     aborted_transactions, 4, WIRE_FOREVER, 4),
    WIRE_ROW_DEFAULT(WIRE_I32, struct fetch_response_partition, preferred_read_replica, 11,
                     WIRE_FOREVER, -1),
    WIRE_ROW_NULLABLE(WIRE_RECORDS, struct fetch_response_partition, records, 4, WIRE_FOREVER, 4),
};
static const struct wire_schema response_partition =
    WIRE_SCHEMA(struct fetch_response_partition, response_partition_rows);

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_STRING, struct fetch_response_topic, topic, 4, 12),
    WIRE_ROW(WIRE_UUID, struct fetch_response_topic, topic_id, 13, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_partition, struct fetch_response_topic, partitions, 4, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct fetch_response_topic, response_topic_rows);

static const struct wire_field response_node_endpoint_rows[] = {
    WIRE_ROW(WIRE_I32, struct fetch_response_node_endpoint, node_id, 16, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct fetch_response_node_endpoint, host, 16, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct fetch_response_node_endpoint, port, 16, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct fetch_response_node_endpoint, rack, 16, WIRE_FOREVER, 16),
};
static const struct wire_schema response_node_endpoint =
    WIRE_SCHEMA(struct fetch_response_node_endpoint, response_node_endpoint_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct fetch_response, throttle_time_ms, 4, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct fetch_response, error_code, 7, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct fetch_response, session_id, 7, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_topic, struct fetch_response, responses, 4, WIRE_FOREVER,
                     WIRE_NEVER),
    {"node_endpoints", WIRE_STRUCT, true, 16, WIRE_FOREVER, WIRE_NEVER, 16, 0,
     (uint16_t)offsetof(struct fetch_response, node_endpoints), &response_node_endpoint, 0},
};
static const struct wire_schema response = WIRE_SCHEMA(struct fetch_response, response_rows);

const struct wire_message fetch_response_schema = {"FetchResponse", 1, true, 4, 17, 12, &response};

void
fetch_response_diverging_epoch_init(struct fetch_response_diverging_epoch *ret)
{
    wire_defaults(&response_diverging_epoch, ret);
}

void
fetch_response_leader_init(struct fetch_response_leader *ret)
{
    wire_defaults(&response_leader, ret);
}

void
fetch_response_snapshot_id_init(struct fetch_response_snapshot_id *ret)
{
    wire_defaults(&response_snapshot_id, ret);
}

void
fetch_response_partition_init(struct fetch_response_partition *ret)
{
    wire_defaults(&response_partition, ret);
}
