/* FindCoordinator: this broker, for every group.
 *
 * Asked for the coordinator of a transaction the answer must be an error that clients do not retry:
 * Java's producer fails at once on INVALID_REQUEST and would wait for ever on "not available". */
#include "wire/messages/find_coordinator.h"

#include "api/api_int.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1 };

static void
refuse(struct find_coordinator_response_coordinator *out, int16_t code, const char *why)
{
    out->error_code = code;
    out->error_message = span_cstr(why);
    out->node_id = -1;
    out->host = span_cstr("");
    out->port = -1;
}

static void
find(const struct request *req, int8_t key_type, struct span key,
     struct find_coordinator_response_coordinator *out)
{
    const struct broker_listener *l = api__listener(req);
    out->key = key;
    if (key_type == KEY_TRANSACTION) {
        refuse(out, KAFKA_INVALID_REQUEST,
               "transactions are not supported; remove transactional.id");
    } else if (key_type != KEY_GROUP) {
        refuse(out, KAFKA_INVALID_REQUEST, "this type of coordinator is not supported");
    } else if (!authorize(req, ACL_DESCRIBE, ACL_GROUP, key)) {
        refuse(out, KAFKA_GROUP_AUTHORIZATION_FAILED, "not authorized for the group");
    } else {
        out->node_id = req->broker->node_id;
        out->host = span_cstr(l->host);
        out->port = l->port;
    }
}

static void
reply_one(struct request *req, const struct request_header *h,
          const struct find_coordinator_request *in)
{
    struct find_coordinator_response resp = {0};
    struct find_coordinator_response_coordinator one = {0};
    find(req, in->key_type, in->key, &one);
    resp.error_code = one.error_code;
    resp.error_message = one.error_message;
    resp.node_id = one.node_id;
    resp.host = one.host;
    resp.port = one.port;
    api_reply(req, h, &resp);
}

static void
reply_many(struct request *req, const struct request_header *h,
           const struct find_coordinator_request *in)
{
    struct find_coordinator_response resp = {0};
    size_t count = in->coordinator_keys.count;
    resp.coordinators.items = (struct find_coordinator_response_coordinator *)arena_array(
        &req->arena, count, sizeof(struct find_coordinator_response_coordinator));
    if (resp.coordinators.items == NULL) {
        api_close(req, "the request names too many groups");
        return;
    }
    resp.coordinators.count = count;
    for (size_t i = 0; i < count; i++) {
        find(req, in->key_type, in->coordinator_keys.items[i], &resp.coordinators.items[i]);
    }
    api_reply(req, h, &resp);
}

void
find_coordinator_handle(struct request *req, const struct request_header *h)
{
    struct find_coordinator_request in;
    if (!api_decode(req, h, &in)) {
        return;
    }
    if (h->api_version >= 4) {
        reply_many(req, h, &in);
    } else {
        reply_one(req, h, &in);
    }
}
