/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of ConsumerGroupDescribe; the columns are explained in wire/schema.h. */
#include "wire/messages/consumer_group_describe.h"

static const struct wire_field request_rows[] = {
    WIRE_ROW_LIST(WIRE_STRING, struct consumer_group_describe_request, group_ids, 0, WIRE_FOREVER,
                  WIRE_NEVER),
    WIRE_ROW(WIRE_BOOL, struct consumer_group_describe_request, include_authorized_operations, 0,
             WIRE_FOREVER),
};
static const struct wire_schema request =
    WIRE_SCHEMA(struct consumer_group_describe_request, request_rows);

const struct wire_message consumer_group_describe_request_schema = {
    "ConsumerGroupDescribeRequest", 69, false, 0, 1, 0, &request};

static const struct wire_field topic_partitions_rows[] = {
    WIRE_ROW(WIRE_UUID, struct consumer_group_describe_topic_partitions, topic_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct consumer_group_describe_topic_partitions, topic_name, 0,
             WIRE_FOREVER),
    WIRE_ROW_LIST(WIRE_I32, struct consumer_group_describe_topic_partitions, partitions, 0,
                  WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema topic_partitions =
    WIRE_SCHEMA(struct consumer_group_describe_topic_partitions, topic_partitions_rows);

static const struct wire_field assignment_rows[] = {
    WIRE_ROW_STRUCTS(&topic_partitions, struct consumer_group_describe_assignment, topic_partitions,
                     0, WIRE_FOREVER, WIRE_NEVER),
};
static const struct wire_schema assignment =
    WIRE_SCHEMA(struct consumer_group_describe_assignment, assignment_rows);

static const struct wire_field member_rows[] = {
    WIRE_ROW(WIRE_STRING, struct consumer_group_describe_member, member_id, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct consumer_group_describe_member, instance_id, 0,
                      WIRE_FOREVER, 0),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct consumer_group_describe_member, rack_id, 0, WIRE_FOREVER,
                      0),
    WIRE_ROW(WIRE_I32, struct consumer_group_describe_member, member_epoch, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct consumer_group_describe_member, client_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct consumer_group_describe_member, client_host, 0, WIRE_FOREVER),
    WIRE_ROW_LIST(WIRE_STRING, struct consumer_group_describe_member, subscribed_topic_names, 0,
                  WIRE_FOREVER, WIRE_NEVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct consumer_group_describe_member, subscribed_topic_regex, 0,
                      WIRE_FOREVER, 0),
    {WIRE_PLACE(struct consumer_group_describe_member, assignment), .type = WIRE_STRUCT,
     .sub = &assignment, WIRE_FROM_TO(0, WIRE_FOREVER, WIRE_NEVER)},
    {WIRE_PLACE(struct consumer_group_describe_member, target_assignment), .type = WIRE_STRUCT,
     .sub = &assignment, WIRE_FROM_TO(0, WIRE_FOREVER, WIRE_NEVER)},
    WIRE_ROW_DEFAULT(WIRE_I8, struct consumer_group_describe_member, member_type, 1, WIRE_FOREVER,
                     -1),
};
static const struct wire_schema member =
    WIRE_SCHEMA(struct consumer_group_describe_member, member_rows);

static const struct wire_field group_rows[] = {
    WIRE_ROW(WIRE_I16, struct consumer_group_describe_group, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct consumer_group_describe_group, error_message, 0,
                      WIRE_FOREVER, 0),
    WIRE_ROW(WIRE_STRING, struct consumer_group_describe_group, group_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct consumer_group_describe_group, group_state, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct consumer_group_describe_group, group_epoch, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct consumer_group_describe_group, assignment_epoch, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct consumer_group_describe_group, assignor_name, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&member, struct consumer_group_describe_group, members, 0, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct consumer_group_describe_group, authorized_operations, 0,
                     WIRE_FOREVER, -2147483648),
};
static const struct wire_schema group =
    WIRE_SCHEMA(struct consumer_group_describe_group, group_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct consumer_group_describe_response, throttle_time_ms, 0, WIRE_FOREVER),
    WIRE_ROW_STRUCTS(&group, struct consumer_group_describe_response, groups, 0, WIRE_FOREVER,
                     WIRE_NEVER),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct consumer_group_describe_response, response_rows);

const struct wire_message consumer_group_describe_response_schema = {
    "ConsumerGroupDescribeResponse", 69, true, 0, 1, 0, &response};

void
consumer_group_describe_group_init(struct consumer_group_describe_group *ret)
{
    wire_defaults(&group, ret);
}

void
consumer_group_describe_member_init(struct consumer_group_describe_member *ret)
{
    wire_defaults(&member, ret);
}
