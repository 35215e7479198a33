/* SPDX-License-Identifier: Apache-2.0
 *
 * SyncGroup: answered when the assignment is stored and verified. */
#include "wire/messages/sync_group.h"

#include "api/groups_int.h"
#include "group/classic.h"

enum { SINCE_PROTOCOL = 5 };

struct sync_group {
    struct request *req;
    const struct request_header *h;
    struct sync_group_request in;
    struct sync_group_response resp;
    struct group_sync sync;
};

static void
reply(struct sync_group *sg, int16_t error)
{
    sg->resp.error_code = error;
    if (sg->resp.assignment.ptr == NULL) {
        sg->resp.assignment = span_cstr("");
    }
    api__group_reply(sg->req, sg->h, &sg->sync.call, &sg->resp);
}

static void
synced(struct group_call *call)
{
    struct sync_group *sg = (struct sync_group *)call->arg;
    if (call->error == KAFKA_NONE) {
        sg->resp.protocol_type = sg->sync.ret_protocol_type;
        sg->resp.protocol_name = sg->sync.ret_protocol;
        sg->resp.assignment = sg->sync.ret_assignment;
    }
    reply(sg, call->error);
}

static void
submit(struct sync_group *sg)
{
    const struct sync_group_request *in = &sg->in;
    struct group_assignment *list = (struct group_assignment *)arena_array(
        &sg->req->arena, in->assignments.count, sizeof(list[0]));
    if (list == NULL) {
        api_close(sg->req, "the request names too many members");
        return;
    }
    for (size_t i = 0; i < in->assignments.count; i++) {
        list[i] = (struct group_assignment){in->assignments.items[i].member_id,
                                            in->assignments.items[i].assignment};
    }
    sg->sync = (struct group_sync){.call.is_from_member = true,
                                   .member_id = in->member_id,
                                   .instance_id = in->group_instance_id,
                                   .generation = in->generation_id,
                                   .protocol_type = in->protocol_type,
                                   .protocol = in->protocol_name,
                                   .assignments = list,
                                   .assignment_count = in->assignments.count};
    api__group_submit(sg->req, &sg->sync.call, in->group_id, group_sync_run, synced, sg);
}

/* KIP-559: from version 5 on a member says what it thinks the group speaks. */
static int16_t
judge(const struct sync_group *sg)
{
    if (sg->h->api_version >= SINCE_PROTOCOL &&
        (sg->in.protocol_type.ptr == NULL || sg->in.protocol_name.ptr == NULL)) {
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    }
    return authorize(sg->req, ACL_READ, ACL_GROUP, sg->in.group_id)
               ? KAFKA_NONE
               : (int16_t)KAFKA_GROUP_AUTHORIZATION_FAILED;
}

void
sync_group_handle(struct request *req, const struct request_header *h)
{
    struct sync_group *sg = (struct sync_group *)arena_alloc(&req->arena, sizeof(*sg));
    if (sg == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &sg->in)) {
        return;
    }
    sg->req = req;
    sg->h = h;
    int16_t error = judge(sg);
    if (error != KAFKA_NONE) {
        reply(sg, error);
        return;
    }
    submit(sg);
}
