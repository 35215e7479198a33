/* InitProducerId: an identity for an idempotent producer. With a transactional id the answer is an
 * error that clients do not retry. */
#include "wire/messages/init_producer_id.h"

#include "api/api_int.h"

enum { TIMEOUT_MS = 15000, NO_ID = -1 };

struct init_producer_id {
    struct request *req;
    const struct request_header *h;
    struct init_producer_id_request in;
    struct init_producer_id_response resp;
    struct producer_id_request ask;
};

static void
refuse(struct init_producer_id *ip, int16_t code)
{
    ip->resp.error_code = code;
    ip->resp.producer_id = NO_ID;
    ip->resp.producer_epoch = NO_ID;
    api_reply(ip->req, ip->h, &ip->resp);
}

static void
given(struct producer_id_request *ask)
{
    struct init_producer_id *ip = (struct init_producer_id *)ask->arg;
    if (ask->rc != SL_OK) {
        /* whatever it is, a block of ids may be there in a moment */
        refuse(ip, KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
        return;
    }
    ip->resp.producer_id = ask->id;
    ip->resp.producer_epoch = 0;
    api_reply(ip->req, ip->h, &ip->resp);
}

/* KIP-360 lets a client name the id and epoch it has; only a transactional one gets it back with
 * the next epoch, the others get a new id. */
static int16_t
judge(const struct init_producer_id *ip)
{
    if (ip->in.transactional_id.ptr != NULL) {
        return KAFKA_INVALID_REQUEST; /* transactions are not supported */
    }
    if ((ip->in.producer_id == NO_ID) != (ip->in.producer_epoch == NO_ID)) {
        return KAFKA_INVALID_REQUEST;
    }
    if (!authorize(ip->req, ACL_IDEMPOTENT_WRITE, ACL_CLUSTER, span_cstr("kafka-cluster"))) {
        return KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    }
    return KAFKA_NONE;
}

void
init_producer_id_handle(struct request *req, const struct request_header *h)
{
    struct init_producer_id *ip = (struct init_producer_id *)arena_alloc(&req->arena, sizeof(*ip));
    if (ip == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &ip->in)) {
        return;
    }
    ip->req = req;
    ip->h = h;
    init_producer_id_response_init(&ip->resp);
    int16_t code = judge(ip);
    if (code != KAFKA_NONE) {
        refuse(ip, code);
        return;
    }
    ip->ask = (struct producer_id_request){
        .deadline_ns = api__deadline(req, TIMEOUT_MS), .home = req->loop, .done = given, .arg = ip};
    producer_id_submit(req->broker->producer_ids, &ip->ask);
}
