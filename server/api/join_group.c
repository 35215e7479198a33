/* SPDX-License-Identifier: Apache-2.0
 *
 * JoinGroup: answered when the rebalance is complete, which may take minutes. */
#include "wire/messages/join_group.h"

#include "api/groups_int.h"
#include "group/classic.h"

/* A member id is asked for first from version 4 on only: kafka-go's Reader (versions 1 and 2) would
 * never join otherwise (KIP-394). */
enum { SINCE_MEMBER_ID_REQUIRED = 4, SINCE_NULL_PROTOCOL = 7, SINCE_SKIP_ASSIGNMENT = 9 };

struct join_group {
    struct request *req;
    const struct request_header *h;
    struct join_group_request in;
    struct join_group_response resp;
    struct group_join join;
};

static void
reply(struct join_group *jg)
{
    struct join_group_response *out = &jg->resp;
    if (out->protocol_name.ptr == NULL && jg->h->api_version < SINCE_NULL_PROTOCOL) {
        out->protocol_name = span_cstr("");
    }
    api__group_reply(jg->req, jg->h, &jg->join.call, out);
}

static void
fill_members(struct join_group *jg)
{
    const struct group_join *j = &jg->join;
    struct join_group_response_member *items = (struct join_group_response_member *)arena_array(
        &jg->join.call.mem, j->ret_member_count, sizeof(items[0]));
    for (size_t i = 0; items != NULL && i < j->ret_member_count; i++) {
        items[i] =
            (struct join_group_response_member){.member_id = j->ret_members[i].id,
                                                .group_instance_id = j->ret_members[i].instance_id,
                                                .metadata = j->ret_members[i].metadata};
    }
    jg->resp.members.items = items;
    jg->resp.members.count = items == NULL ? 0 : j->ret_member_count;
}

static void
joined(struct group_call *call)
{
    struct join_group *jg = (struct join_group *)call->arg;
    const struct group_join *j = &jg->join;
    struct join_group_response *out = &jg->resp;
    join_group_response_init(out);
    out->error_code = call->error;
    out->member_id = j->ret_member_id;
    if (call->error == KAFKA_NONE) {
        out->generation_id = j->ret_generation;
        out->protocol_type = j->ret_protocol_type;
        out->protocol_name = j->ret_protocol;
        out->leader = j->ret_leader;
        out->skip_assignment = j->ret_skip_assignment;
        fill_members(jg);
    }
    reply(jg);
}

static void
submit(struct join_group *jg)
{
    const struct join_group_request *in = &jg->in;
    const int16_t version = jg->h->api_version;
    jg->join = (struct group_join){.call.is_from_member = true,
                                   .member_id = in->member_id,
                                   .instance_id = in->group_instance_id,
                                   .client_id = jg->req->client_id,
                                   .client_host = api__client_host(jg->req),
                                   .protocol_type = in->protocol_type,
                                   .protocol_count = in->protocols.count,
                                   .session_timeout_ms = in->session_timeout_ms,
                                   .rebalance_timeout_ms = version == 0 ? in->session_timeout_ms
                                                                        : in->rebalance_timeout_ms,
                                   .needs_member_id = version >= SINCE_MEMBER_ID_REQUIRED,
                                   .can_skip_assignment = version >= SINCE_SKIP_ASSIGNMENT,
                                   .ret_member_id = in->member_id};
    struct group_protocol *protocols = (struct group_protocol *)arena_array(
        &jg->req->arena, in->protocols.count, sizeof(protocols[0]));
    if (protocols == NULL) {
        api_close(jg->req, "the join names too many protocols");
        return;
    }
    for (size_t i = 0; i < in->protocols.count; i++) {
        protocols[i] =
            (struct group_protocol){in->protocols.items[i].name, in->protocols.items[i].metadata};
    }
    jg->join.protocols = protocols;
    api__group_submit(jg->req, &jg->join.call, in->group_id, group_join_run, joined, jg);
}

void
join_group_handle(struct request *req, const struct request_header *h)
{
    struct join_group *jg = (struct join_group *)arena_alloc(&req->arena, sizeof(*jg));
    if (jg == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &jg->in)) {
        return;
    }
    jg->req = req;
    jg->h = h;
    if (!authorize(req, ACL_READ, ACL_GROUP, jg->in.group_id)) {
        join_group_response_init(&jg->resp);
        jg->resp.error_code = KAFKA_GROUP_AUTHORIZATION_FAILED;
        jg->resp.member_id = jg->in.member_id;
        reply(jg);
        return;
    }
    submit(jg);
}
