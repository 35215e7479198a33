/* SPDX-License-Identifier: Apache-2.0
 *
 * DescribeGroups: classic groups, each from its own journal. */
#include "wire/messages/describe_groups.h"

#include "api/groups_int.h"
#include "group/offsets.h"

/* From version 6 on a group that is not there is an error, and not a dead group (KIP-1043). */
enum { SINCE_NOT_FOUND = 6, GROUPS_AT_A_TIME_MAX = 10000 };

struct describe_groups {
    struct request *req;
    const struct request_header *h;
    struct describe_groups_request in;
    struct describe_groups_response resp;
    struct group_describe *asks; /* on the heap: what they hold outlives the request */
    size_t pending;
};

static void
one_back(struct describe_groups *dg)
{
    if (--dg->pending > 0) {
        return;
    }
    struct group_describe *asks = dg->asks;
    size_t count = dg->resp.groups.count;
    api_reply(dg->req, dg->h, &dg->resp);
    for (size_t i = 0; i < count; i++) {
        group_call_fini(&asks[i].call);
    }
    sl_free(asks);
}

static void
fill_members(struct group_describe *d, struct describe_groups_response_group *out)
{
    struct describe_groups_response_member *items =
        (struct describe_groups_response_member *)arena_array(&d->call.mem, d->member_count,
                                                              sizeof(items[0]));
    for (size_t i = 0; items != NULL && i < d->member_count; i++) {
        const struct group_described_member *m = &d->members[i];
        items[i] = (struct describe_groups_response_member){.member_id = m->id,
                                                            .group_instance_id = m->instance_id,
                                                            .client_id = m->client_id,
                                                            .client_host = m->client_host,
                                                            .member_metadata = m->metadata,
                                                            .member_assignment = m->assignment};
    }
    out->members.items = items;
    out->members.count = items == NULL ? 0 : d->member_count;
}

static void
fill_error(const struct describe_groups *dg, const struct group_call *call,
           struct describe_groups_response_group *out)
{
    bool is_dead = call->error == KAFKA_GROUP_ID_NOT_FOUND;
    out->group_state = span_cstr(is_dead ? "Dead" : "");
    if (is_dead && dg->h->api_version < SINCE_NOT_FOUND) {
        return;
    }
    out->error_code = call->error;
    out->error_message = is_dead ? api__text(dg->req, "Group %.*s: %s.", (int)call->group_id.len,
                                             (const char *)call->group_id.ptr, call->why)
                                 : span_cstr(kafka_error_text(call->error));
}

static void
described(struct group_call *call)
{
    struct group_describe *d = SL_CONTAINER_OF(call, struct group_describe, call);
    struct describe_groups *dg = (struct describe_groups *)call->arg;
    struct describe_groups_response_group *out = &dg->resp.groups.items[d - dg->asks];
    if (call->error != KAFKA_NONE) {
        fill_error(dg, call, out);
    } else {
        out->group_state = span_cstr(d->state);
        out->protocol_type = d->protocol_type.ptr == NULL ? span_cstr("") : d->protocol_type;
        out->protocol_data = d->protocol.ptr == NULL ? span_cstr("") : d->protocol;
        fill_members(d, out);
    }
    if (dg->in.include_authorized_operations) {
        out->authorized_operations = api__operations(dg->req, ACL_GROUP, call->group_id);
    }
    one_back(dg);
}

static void
ask(struct describe_groups *dg, size_t i)
{
    struct span id = dg->in.groups.items[i];
    struct describe_groups_response_group *out = &dg->resp.groups.items[i];
    describe_groups_response_group_init(out);
    out->group_id = id;
    out->group_state = out->protocol_type = out->protocol_data = span_cstr("");
    if (!authorize(dg->req, ACL_DESCRIBE, ACL_GROUP, id)) {
        out->error_code = KAFKA_GROUP_AUTHORIZATION_FAILED;
        return;
    }
    dg->pending++;
    api__group_submit(dg->req, &dg->asks[i].call, id, group_describe_run, described, dg);
}

void
describe_groups_handle(struct request *req, const struct request_header *h)
{
    struct describe_groups *dg = (struct describe_groups *)arena_alloc(&req->arena, sizeof(*dg));
    if (dg == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &dg->in)) {
        return;
    }
    size_t count = dg->in.groups.count;
    dg->req = req;
    dg->h = h;
    dg->pending = 1;
    dg->resp.groups.count = count;
    dg->resp.groups.items = (struct describe_groups_response_group *)arena_array(
        &req->arena, count, sizeof(struct describe_groups_response_group));
    if (count > GROUPS_AT_A_TIME_MAX || dg->resp.groups.items == NULL) {
        api_close(req, "the request names too many groups");
        return;
    }
    dg->asks = (struct group_describe *)sl_alloc((count + 1) * sizeof(dg->asks[0]));
    for (size_t i = 0; i < count; i++) {
        ask(dg, i);
    }
    one_back(dg);
}
