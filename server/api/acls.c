/* DescribeAcls, CreateAcls, DeleteAcls: there is no authorizer, and the answer says so. Leaving the
 * APIs out would not do: clients guess a broker's age from them, and tools that mirror a cluster
 * tell "security is off" from "this is no Kafka". */
#include "api/api_int.h"
#include "wire/messages/create_acls.h"
#include "wire/messages/delete_acls.h"
#include "wire/messages/describe_acls.h"

static const char why[] = "No Authorizer is configured.";

static int16_t
error_of(const struct request *req, enum acl_operation op)
{
    return authorize(req, op, ACL_CLUSTER, span_cstr("kafka-cluster"))
               ? (int16_t)KAFKA_SECURITY_DISABLED
               : (int16_t)KAFKA_CLUSTER_AUTHORIZATION_FAILED;
}

static struct span
text_of(int16_t code)
{
    return span_cstr(code == KAFKA_SECURITY_DISABLED ? why : kafka_error_text(code));
}

void
describe_acls_handle(struct request *req, const struct request_header *h)
{
    struct describe_acls_request in;
    struct describe_acls_response resp = {0};
    if (!api_decode(req, h, &in)) {
        return;
    }
    resp.error_code = error_of(req, ACL_DESCRIBE);
    resp.error_message = text_of(resp.error_code);
    api_reply(req, h, &resp);
}

void
create_acls_handle(struct request *req, const struct request_header *h)
{
    struct create_acls_request in;
    struct create_acls_response resp = {0};
    if (!api_decode(req, h, &in)) {
        return;
    }
    resp.results.count = in.creations.count;
    resp.results.items = (struct create_acls_response_result *)arena_array(
        &req->arena, in.creations.count, sizeof(struct create_acls_response_result));
    if (resp.results.items == NULL) {
        api_close(req, "the request names too many ACLs");
        return;
    }
    int16_t code = error_of(req, ACL_ALTER);
    for (size_t i = 0; i < resp.results.count; i++) {
        resp.results.items[i] = (struct create_acls_response_result){code, text_of(code)};
    }
    api_reply(req, h, &resp);
}

void
delete_acls_handle(struct request *req, const struct request_header *h)
{
    struct delete_acls_request in;
    struct delete_acls_response resp = {0};
    if (!api_decode(req, h, &in)) {
        return;
    }
    resp.filter_results.count = in.filters.count;
    resp.filter_results.items = (struct delete_acls_response_filter_result *)arena_array(
        &req->arena, in.filters.count, sizeof(struct delete_acls_response_filter_result));
    if (resp.filter_results.items == NULL) {
        api_close(req, "the request names too many ACLs");
        return;
    }
    int16_t code = error_of(req, ACL_ALTER);
    for (size_t i = 0; i < resp.filter_results.count; i++) {
        resp.filter_results.items[i].error_code = code;
        resp.filter_results.items[i].error_message = text_of(code);
    }
    api_reply(req, h, &resp);
}
