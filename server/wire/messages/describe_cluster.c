/* SPDX-License-Identifier: Apache-2.0
 *
 * Schema tables of DescribeCluster; the columns are explained in wire/schema.h. */
#include "wire/messages/describe_cluster.h"

static const struct wire_field request_rows[] = {
    WIRE_ROW(WIRE_BOOL, struct describe_cluster_request, include_cluster_authorized_operations, 0,
             WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I8, struct describe_cluster_request, endpoint_type, 1, WIRE_FOREVER, 1),
};
static const struct wire_schema request =
    WIRE_SCHEMA(struct describe_cluster_request, request_rows);

const struct wire_message describe_cluster_request_schema = {
    "DescribeClusterRequest", 60, false, 0, 1, 0, &request};

void
describe_cluster_request_init(struct describe_cluster_request *ret)
{
    wire_defaults(&request, ret);
}

static const struct wire_field response_broker_rows[] = {
    WIRE_ROW(WIRE_I32, struct describe_cluster_response_broker, broker_id, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_STRING, struct describe_cluster_response_broker, host, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I32, struct describe_cluster_response_broker, port, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_cluster_response_broker, rack, 0, WIRE_FOREVER,
                      0),
};
static const struct wire_schema response_broker =
    WIRE_SCHEMA(struct describe_cluster_response_broker, response_broker_rows);

static const struct wire_field response_rows[] = {
    WIRE_ROW(WIRE_I32, struct describe_cluster_response, throttle_time_ms, 0, WIRE_FOREVER),
    WIRE_ROW(WIRE_I16, struct describe_cluster_response, error_code, 0, WIRE_FOREVER),
    WIRE_ROW_NULLABLE(WIRE_STRING, struct describe_cluster_response, error_message, 0, WIRE_FOREVER,
                      0),
    WIRE_ROW_DEFAULT(WIRE_I8, struct describe_cluster_response, endpoint_type, 1, WIRE_FOREVER, 1),
    WIRE_ROW(WIRE_STRING, struct describe_cluster_response, cluster_id, 0, WIRE_FOREVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct describe_cluster_response, controller_id, 0, WIRE_FOREVER,
                     -1),
    WIRE_ROW_STRUCTS(&response_broker, struct describe_cluster_response, brokers, 0, WIRE_FOREVER,
                     WIRE_NEVER),
    WIRE_ROW_DEFAULT(WIRE_I32, struct describe_cluster_response, cluster_authorized_operations, 0,
                     WIRE_FOREVER, -2147483648),
};
static const struct wire_schema response =
    WIRE_SCHEMA(struct describe_cluster_response, response_rows);

const struct wire_message describe_cluster_response_schema = {
    "DescribeClusterResponse", 60, true, 0, 1, 0, &response};

void
describe_cluster_response_init(struct describe_cluster_response *ret)
{
    wire_defaults(&response, ret);
}
