/* SPDX-License-Identifier: Apache-2.0
 *
 * ConsumerGroupDescribe (KIP-848): groups of the consumer protocol, each with its own outcome. */
#include "wire/messages/consumer_group_describe.h"

#include "api/groups_int.h"
#include "group/consumer.h"

enum { MEMBER_CLASSIC = 0, MEMBER_CONSUMER = 1 };

struct describe {
    struct request *req;
    const struct request_header *h;
    struct consumer_group_describe_request in;
    struct consumer_group_describe_response resp;
    struct consumer_describe *calls; /* as many as groups */
    size_t left;
    bool is_too_large;
};

static bool
fill_list(struct arena *mem, const struct consumer_described_list *from,
          struct consumer_group_describe_assignment *to)
{
    to->topic_partitions.items = (struct consumer_group_describe_topic_partitions *)arena_array(
        mem, (size_t)from->count + 1, sizeof(*to->topic_partitions.items));
    if (to->topic_partitions.items == NULL) {
        return false;
    }
    to->topic_partitions.count = from->count;
    for (uint32_t i = 0; i < from->count; i++) {
        struct consumer_group_describe_topic_partitions *t = &to->topic_partitions.items[i];
        memcpy(t->topic_id, from->topics[i].id.b, sizeof(t->topic_id));
        t->topic_name = from->topics[i].name;
        t->partitions.items = from->topics[i].indexes;
        t->partitions.count = from->topics[i].count;
    }
    return true;
}

static bool
fill_member(struct arena *mem, const struct consumer_described_member *from,
            struct consumer_group_describe_member *to)
{
    consumer_group_describe_member_init(to);
    to->member_id = from->id;
    to->instance_id = from->instance_id;
    to->rack_id = from->rack;
    to->member_epoch = from->epoch;
    to->client_id = from->client_id;
    to->client_host = from->client_host;
    to->subscribed_topic_names.items = from->topics;
    to->subscribed_topic_names.count = from->topic_count;
    to->subscribed_topic_regex = from->regex;
    to->member_type = from->is_classic ? MEMBER_CLASSIC : MEMBER_CONSUMER;
    return fill_list(mem, &from->assigned, &to->assignment) &&
           fill_list(mem, &from->target, &to->target_assignment);
}

static bool
fill(struct describe *d, struct consumer_describe *from, struct consumer_group_describe_group *to)
{
    to->group_state = span_cstr(from->state);
    to->group_epoch = from->group_epoch;
    to->assignment_epoch = from->assignment_epoch;
    to->assignor_name = span_cstr(from->assignor);
    to->members.items = (struct consumer_group_describe_member *)arena_array(
        &from->call.mem, from->member_count + 1, sizeof(*to->members.items));
    if (to->members.items == NULL) {
        return false;
    }
    to->members.count = from->member_count;
    for (size_t i = 0; i < from->member_count; i++) {
        if (!fill_member(&from->call.mem, &from->members[i], &to->members.items[i])) {
            return false;
        }
    }
    if (d->in.include_authorized_operations) {
        to->authorized_operations = api__operations(d->req, ACL_GROUP, to->group_id);
    }
    return true;
}

static void
refuse(struct consumer_group_describe_group *to, int16_t error, const char *why)
{
    to->error_code = error;
    to->error_message = span_cstr(why != NULL ? why : kafka_error_text(error));
}

/* What was described lives in the calls until the reply is encoded; the calls end with the request.
 */
static void
finish(struct describe *d)
{
    size_t count = d->resp.groups.count;
    struct arena *mems = (struct arena *)sl_alloc((count + 1) * sizeof(*mems));
    for (size_t i = 0; i < count; i++) {
        mems[i] = d->calls[i].call.mem;
    }
    if (d->is_too_large) {
        api_close(d->req, "the answer is too large; ask for fewer groups at once");
    } else {
        api_reply(d->req, d->h, &d->resp);
    }
    for (size_t i = 0; i < count; i++) {
        arena_fini(&mems[i]);
    }
    sl_free(mems);
}

static void
described(struct group_call *call)
{
    struct describe *d = (struct describe *)call->arg;
    struct consumer_describe *one = SL_CONTAINER_OF(call, struct consumer_describe, call);
    struct consumer_group_describe_group *to = &d->resp.groups.items[one - d->calls];
    if (call->error != KAFKA_NONE) {
        refuse(to, call->error, call->why);
    } else if (!fill(d, one, to)) {
        d->is_too_large = true;
    }
    if (--d->left == 0) {
        finish(d);
    }
}

static void
ask(struct describe *d, size_t i)
{
    struct span id = d->in.group_ids.items[i];
    struct consumer_group_describe_group *to = &d->resp.groups.items[i];
    consumer_group_describe_group_init(to);
    to->group_id = id;
    to->group_state = to->assignor_name = span_cstr("");
    if (!authorize(d->req, ACL_DESCRIBE, ACL_GROUP, id)) {
        refuse(to, KAFKA_GROUP_AUTHORIZATION_FAILED, NULL);
        return;
    }
    d->left++;
    api__group_submit(d->req, &d->calls[i].call, id, consumer_describe_run, described, d);
}

void
consumer_group_describe_handle(struct request *req, const struct request_header *h)
{
    struct describe *d = (struct describe *)arena_alloc(&req->arena, sizeof(*d));
    if (d == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &d->in)) {
        return;
    }
    size_t count = d->in.group_ids.count;
    d->req = req;
    d->h = h;
    d->resp.groups.items = (struct consumer_group_describe_group *)arena_array(
        &req->arena, count + 1, sizeof(*d->resp.groups.items));
    d->resp.groups.count = count;
    d->calls = (struct consumer_describe *)arena_array(&req->arena, count + 1, sizeof(*d->calls));
    if (d->resp.groups.items == NULL || d->calls == NULL) {
        api_close(req, "the request names too many groups");
        return;
    }
    d->left = 1; /* until all are asked */
    for (size_t i = 0; i < count; i++) {
        ask(d, i);
    }
    if (--d->left == 0) {
        finish(d);
    }
}
