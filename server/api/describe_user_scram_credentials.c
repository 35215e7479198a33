/* DescribeUserScramCredentials: there are none, because there is no SASL yet. Kafka's tools ask
 * whenever they describe users, and what they want to know then are quotas. */
#include "wire/messages/describe_user_scram_credentials.h"

#include "api/api_int.h"

struct describe_scram {
    struct describe_user_scram_credentials_request in;
    struct describe_user_scram_credentials_response resp;
    struct request *req;
};

static void
refuse_duplicate(void *arg, size_t i)
{
    struct describe_scram *d = (struct describe_scram *)arg;
    struct describe_user_scram_credentials_response_result *out = &d->resp.results.items[i];
    out->error_code = KAFKA_DUPLICATE_RESOURCE;
    out->error_message =
        api__text(d->req,
                  "Cannot describe SCRAM credentials for the same user twice in a single "
                  "request: %.*s",
                  (int)out->user.len, (const char *)out->user.ptr);
}

/* False at the arena's ceiling. No name at all means every user that has credentials. */
static bool
judge(struct describe_scram *d)
{
    size_t count = d->in.users.items == NULL ? 0 : d->in.users.count;
    struct api_name *keys = (struct api_name *)arena_array(&d->req->arena, count, sizeof(keys[0]));
    d->resp.results.count = count;
    d->resp.results.items = (struct describe_user_scram_credentials_response_result *)arena_array(
        &d->req->arena, count, sizeof(d->resp.results.items[0]));
    if (keys == NULL || d->resp.results.items == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct describe_user_scram_credentials_response_result *out = &d->resp.results.items[i];
        keys[i].name = out->user = d->in.users.items[i].name;
        out->error_code = KAFKA_RESOURCE_NOT_FOUND;
        out->error_message =
            api__text(d->req, "Attempt to describe a user credential that does not exist: %.*s",
                      (int)out->user.len, (const char *)out->user.ptr);
    }
    api__refuse_duplicates(keys, count, refuse_duplicate, d);
    return true;
}

void
describe_user_scram_credentials_handle(struct request *req, const struct request_header *h)
{
    struct describe_scram d = {.req = req};
    if (!api_decode(req, h, &d.in)) {
        return;
    }
    if (!authorize(req, ACL_DESCRIBE, ACL_CLUSTER, span_cstr("kafka-cluster"))) {
        d.resp.error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        d.resp.error_message = span_cstr(kafka_error_text(d.resp.error_code));
    } else if (!judge(&d)) {
        api_close(req, "the request names too many users");
        return;
    }
    api_reply(req, h, &d.resp);
}
