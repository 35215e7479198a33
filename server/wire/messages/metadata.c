/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of Metadata; the columns are explained in wire/schema.h. */
#include "wire/messages/metadata.h"

static const struct wire_field request_topic_rows[] = {
    WIRE_ROW(WIRE_UUID, struct metadata_request_topic, topic_id, 10, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct metadata_request_topic, name, 0, WIRE_FOREVER, 10),
};
static const struct wire_schema request_topic =
    WIRE_SCHEMA(struct metadata_request_topic, request_topic_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW_STRUCTS(&request_topic, struct metadata_request, topics, 0, WIRE_FOREVER, 1),
    WIRE_ROW_DEFAULT(WIRE_BOOL, struct metadata_request, allow_auto_topic_creation, 4, WIRE_FOREVER,
                     1),
    WIRE_ROW(WIRE_BOOL, struct metadata_request, include_cluster_authorized_operations, 8, 10),
    WIRE_ROW(WIRE_BOOL, struct metadata_request, include_topic_authorized_operations, 8,
             WIRE_FOREVER),
};
static const struct wire_schema request = WIRE_SCHEMA(struct metadata_request, request_rows);

const struct wire_message metadata_request_schema = {"MetadataRequest", 3, false, 0, 13, 9,
                                                     &request};

void
metadata_request_init(struct metadata_request *ret)
{
    wire_defaults(&request, ret);
}

static const struct wire_field response_broker_rows[] = {
    WIRE_ROW(WIRE_I32, struct metadata_response_broker, node_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct metadata_response_broker, host, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct metadata_response_broker, port, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct metadata_response_broker, rack, 1, WIRE_FOREVER, 1),
};
static const struct wire_schema response_broker =
    WIRE_SCHEMA(struct metadata_response_broker, response_broker_rows);

static const struct wire_field response_partition_rows[] = {
    WIRE_ROW(WIRE_I16, struct metadata_response_partition, error_code, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct metadata_response_partition, partition_index, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct metadata_response_partition, leader_id, 0, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct metadata_response_partition, leader_epoch, 7, WIRE_FOREVER,
                     -1),
    WIRE_ROW_LIST(WIRE_I32, struct metadata_response_partition, replica_nodes, 0, WIRE_FOREVER,
                  WIRE_NEVER),
    WIRE_ROW_LIST(WIRE_I32, struct metadata_response_partition, isr_nodes, 0, WIRE_FOREVER,
                  WIRE_NEVER),
    WIRE_ROW_LIST(WIRE_I32, struct metadata_response_partition, offline_replicas, 5, WIRE_FOREVER,
                  WIRE_NEVER),
};
static const struct wire_schema response_partition =
    WIRE_SCHEMA(struct metadata_response_partition, response_partition_rows);

static const struct wire_field response_topic_rows[] = {
    WIRE_ROW(WIRE_I16, struct metadata_response_topic, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct metadata_response_topic, name, 0, WIRE_FOREVER, 12),
    WIRE_ROW(WIRE_UUID, struct metadata_response_topic, topic_id, 10, WIRE_FOREVER),
    WIRE_ROW(WIRE_BOOL, struct metadata_response_topic, is_internal, 1, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_partition, struct metadata_response_topic, partitions, 0,
                     WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct metadata_response_topic, topic_authorized_operations, 8,
                     WIRE_FOREVER, -2147483648),
};
static const struct wire_schema response_topic =
    WIRE_SCHEMA(struct metadata_response_topic, response_topic_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct metadata_response, throttle_time_ms, 3, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&response_broker, struct metadata_response, brokers, 0, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct metadata_response, cluster_id, 2, WIRE_FOREVER, 2),
    WIRE_ROW_DEFAULT(WIRE_I32, struct metadata_response, controller_id, 1, WIRE_FOREVER, -1),
    WIRE_ROW_STRUCTS(&response_topic, struct metadata_response, topics, 0, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct metadata_response, cluster_authorized_operations, 8, 10,
                     -2147483648),
    WIRE_ROW(WIRE_I16, struct metadata_response, error_code, 13, WIRE_FOREVER),
};
static const struct wire_schema response = WIRE_SCHEMA(struct metadata_response, response_rows);

const struct wire_message metadata_response_schema = {"MetadataResponse", 3, true, 0, 13, 9,
                                                      &response};

void
metadata_response_partition_init(struct metadata_response_partition *ret)
{
    wire_defaults(&response_partition, ret);
}

void
metadata_response_topic_init(struct metadata_response_topic *ret)
{
    wire_defaults(&response_topic, ret);
}

void
metadata_response_init(struct metadata_response *ret)
{
    wire_defaults(&response, ret);
}
