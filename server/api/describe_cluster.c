/* DescribeCluster: this broker, which is also the controller. */
#include "wire/messages/describe_cluster.h"

#include "api/api_int.h"

enum { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

static void
judge_endpoint(const struct describe_cluster_request *in, struct describe_cluster_response *resp)
{
    resp->endpoint_type = in->endpoint_type;
    if (in->endpoint_type == ENDPOINT_BROKERS) {
        return;
    }
    bool is_known = in->endpoint_type == ENDPOINT_CONTROLLERS;
    resp->error_code = is_known ? KAFKA_MISMATCHED_ENDPOINT_TYPE : KAFKA_UNSUPPORTED_ENDPOINT_TYPE;
    resp->error_message = span_cstr(is_known ? "The request was sent to a broker, but asks for "
                                               "controllers."
                                             : "Unsupported endpoint type.");
}

void
describe_cluster_handle(struct request *req, const struct request_header *h)
{
    const struct broker_listener *l = api__listener(req);
    struct describe_cluster_request in;
    struct describe_cluster_response resp;
    struct describe_cluster_response_broker self = {
        .broker_id = req->broker->node_id, .host = span_cstr(l->host), .port = l->port};
    if (!api_decode(req, h, &in)) {
        return;
    }
    describe_cluster_response_init(&resp);
    judge_endpoint(&in, &resp);
    resp.cluster_id = span_cstr(req->broker->cluster_text);
    if (resp.error_code == 0) {
        resp.controller_id = req->broker->node_id;
        resp.brokers.items = &self;
        resp.brokers.count = 1;
        if (in.include_cluster_authorized_operations) {
            resp.cluster_authorized_operations =
                api__operations(req, ACL_CLUSTER, span_cstr("kafka-cluster"));
        }
    }
    api_reply(req, h, &resp);
}
