/* SPDX-License-Identifier: Apache-2.0
 *
 * ConsumerGroupHeartbeat (KIP-848): a member joins, reports, is assigned partitions, leaves. A beat
 * that changes nothing is answered from memory, also while the store stalls. */
#include "wire/messages/consumer_group_heartbeat.h"

#include "api/groups_int.h"
#include "group/consumer.h"

struct heartbeat {
    struct request *req;
    const struct request_header *h;
    struct consumer_group_heartbeat_request in;
    struct consumer_group_heartbeat_response resp;
    struct consumer_heartbeat beat;
};

static void
reply(struct heartbeat *hb, int16_t error, const char *why)
{
    const char *text = why != NULL ? why : kafka_error_text(error);
    hb->resp.error_code = error;
    hb->resp.error_message = span_cstr(error == KAFKA_NONE ? NULL : text);
    api_reply(hb->req, hb->h, &hb->resp);
}

/* Both structs are in the arena of the request. */
static bool
fill_assignment(struct heartbeat *hb)
{
    struct arena *arena = &hb->req->arena;
    const struct group_part_list *from = &hb->beat.ret_assignment;
    struct consumer_group_heartbeat_assignment *to =
        (struct consumer_group_heartbeat_assignment *)arena_alloc(arena, sizeof(*to));
    if (to == NULL) {
        return false;
    }
    to->topic_partitions.items = (struct consumer_group_heartbeat_topic_partitions *)arena_array(
        arena, (size_t)from->count + 1, sizeof(*to->topic_partitions.items));
    to->topic_partitions.count = from->count;
    hb->resp.assignment = to;
    if (to->topic_partitions.items == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < from->count; i++) {
        struct consumer_group_heartbeat_topic_partitions *t = &to->topic_partitions.items[i];
        memcpy(t->topic_id, from->topics[i].topic_id.b, sizeof(t->topic_id));
        t->partitions.items = from->topics[i].indexes;
        t->partitions.count = from->topics[i].count;
    }
    return true;
}

static void
heard(struct group_call *call)
{
    struct heartbeat *hb = (struct heartbeat *)call->arg;
    const struct consumer_heartbeat *beat = &hb->beat;
    int16_t error = call->error;
    struct arena mem = call->mem; /* the call may end with the request, what it points to not */
    if (error == KAFKA_NONE) {
        hb->resp.member_id = beat->ret_member_id;
        hb->resp.member_epoch = beat->ret_epoch;
        hb->resp.heartbeat_interval_ms = beat->ret_interval_ms;
        if (beat->has_assignment && !fill_assignment(hb)) {
            api_close(hb->req, "the assignment is too large to be told");
            arena_fini(&mem);
            return;
        }
    }
    reply(hb, error, call->why);
    arena_fini(&mem);
}

static bool
fill_owned(struct heartbeat *hb)
{
    const struct consumer_group_heartbeat_topic_partitions *all = hb->in.topic_partitions.items;
    size_t count = all == NULL ? 0 : hb->in.topic_partitions.count;
    struct group_parts *topics =
        (struct group_parts *)arena_array(&hb->req->arena, count + 1, sizeof(*topics));
    if (topics == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct consumer_group_heartbeat_topic_partitions *t = &all[i];
        memcpy(topics[i].topic_id.b, t->topic_id, sizeof(t->topic_id));
        topics[i].indexes = t->partitions.items;
        topics[i].count = (uint32_t)t->partitions.count;
    }
    hb->beat.owned = (struct group_part_list){topics, (uint32_t)count};
    return true;
}

static bool
fill(struct heartbeat *hb)
{
    const struct consumer_group_heartbeat_request *in = &hb->in;
    hb->beat = (struct consumer_heartbeat){.call.is_live_enough = true,
                                           .call.is_from_member = true,
                                           .member_id = in->member_id,
                                           .member_epoch = in->member_epoch,
                                           .instance_id = in->instance_id,
                                           .rack = in->rack_id,
                                           .client_id = hb->req->client_id,
                                           .client_host = api__client_host(hb->req),
                                           .rebalance_timeout_ms = in->rebalance_timeout_ms,
                                           .has_topics = in->subscribed_topic_names.items != NULL,
                                           .has_owned = in->topic_partitions.items != NULL,
                                           .needs_member_id = hb->h->api_version >= 1,
                                           .topics = in->subscribed_topic_names.items,
                                           .topic_count = in->subscribed_topic_names.count,
                                           .regex = in->subscribed_topic_regex,
                                           .server_assignor = in->server_assignor};
    if (hb->beat.client_id.ptr == NULL) {
        hb->beat.client_id = span_of("", 0);
    }
    return fill_owned(hb);
}

static int16_t
judge(const struct heartbeat *hb)
{
    if (!authorize(hb->req, ACL_READ, ACL_GROUP, hb->in.group_id)) {
        return KAFKA_GROUP_AUTHORIZATION_FAILED;
    }
    for (size_t i = 0; i < hb->in.subscribed_topic_names.count; i++) {
        struct span name = hb->in.subscribed_topic_names.items[i];
        if (!authorize(hb->req, ACL_DESCRIBE, ACL_TOPIC, name)) {
            return KAFKA_TOPIC_AUTHORIZATION_FAILED;
        }
    }
    return KAFKA_NONE;
}

void
consumer_group_heartbeat_handle(struct request *req, const struct request_header *h)
{
    struct heartbeat *hb = (struct heartbeat *)arena_alloc(&req->arena, sizeof(*hb));
    if (hb == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &hb->in)) {
        return;
    }
    hb->req = req;
    hb->h = h;
    int16_t error = judge(hb);
    if (error != KAFKA_NONE) {
        reply(hb, error, NULL);
        return;
    }
    if (!fill(hb)) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    api__group_submit(req, &hb->beat.call, hb->in.group_id, consumer_heartbeat_run, heard, hb);
}
