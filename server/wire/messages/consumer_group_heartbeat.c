/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of ConsumerGroupHeartbeat; the columns are explained in wire/schema.h. */
#include "wire/messages/consumer_group_heartbeat.h"

static const struct wire_field topic_partitions_rows[] = {
    WIRE_ROW(WIRE_UUID, struct consumer_group_heartbeat_topic_partitions, topic_id, 0,
             WIRE_FOREVER),
    WIRE_ROW_LIST(WIRE_I32, struct consumer_group_heartbeat_topic_partitions, partitions, 0,
                  WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema topic_partitions =
    WIRE_SCHEMA(struct consumer_group_heartbeat_topic_partitions, topic_partitions_rows);

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_STRING, struct consumer_group_heartbeat_request, group_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct consumer_group_heartbeat_request, member_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct consumer_group_heartbeat_request, member_epoch, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct consumer_group_heartbeat_request, instance_id, 0,
                      WIRE_FOREVER, 0),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct consumer_group_heartbeat_request, rack_id, 0,
                      WIRE_FOREVER, 0),
    WIRE_ROW_DEFAULT(WIRE_I32, struct consumer_group_heartbeat_request, rebalance_timeout_ms, 0,
                     WIRE_FOREVER, -1),
    WIRE_ROW_LIST(WIRE_STRING, struct consumer_group_heartbeat_request, subscribed_topic_names, 0,
                  WIRE_FOREVER, 0),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct consumer_group_heartbeat_request, subscribed_topic_regex,
                      1, WIRE_FOREVER, 1),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct consumer_group_heartbeat_request, server_assignor, 0,
                      WIRE_FOREVER, 0),
    WIRE_ROW_STRUCTS(&topic_partitions, struct consumer_group_heartbeat_request, topic_partitions,
                     0, WIRE_FOREVER, 0),
};
static const struct wire_schema request =
    WIRE_SCHEMA(struct consumer_group_heartbeat_request, request_rows);

const struct wire_message consumer_group_heartbeat_request_schema = {
    "ConsumerGroupHeartbeatRequest", 68, false, 0, 1, 0, &request};

void
consumer_group_heartbeat_request_init(struct consumer_group_heartbeat_request *ret)
{
    wire_defaults(&request, ret);
}

static const struct wire_field assignment_rows[] = {
    WIRE_ROW_STRUCTS(&topic_partitions, struct consumer_group_heartbeat_assignment,
                     topic_partitions, 0, WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema assignment =
    WIRE_SCHEMA(struct consumer_group_heartbeat_assignment, assignment_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct consumer_group_heartbeat_response, throttle_time_ms, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct consumer_group_heartbeat_response, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct consumer_group_heartbeat_response, error_message, 0,
                      WIRE_FOREVER, 0),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct consumer_group_heartbeat_response, member_id, 0,
                      WIRE_FOREVER, 0),
    WIRE_ROW(WIRE_I32, struct consumer_group_heartbeat_response, member_epoch, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct consumer_group_heartbeat_response, heartbeat_interval_ms, 0,
             WIRE_FOREVER),
    WIRE_ROW_OPTIONAL(&assignment, struct consumer_group_heartbeat_response, assignment, 0,
                      WIRE_FOREVER, 0),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct consumer_group_heartbeat_response, response_rows);

const struct wire_message consumer_group_heartbeat_response_schema = {
    "ConsumerGroupHeartbeatResponse", 68, true, 0, 1, 0, &response};
