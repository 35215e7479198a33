/* SPDX-License-Identifier: Apache-2.0
 *
 * LeaveGroup: one member, or several that an administrator removes (KIP-345, version 3), with
 * reasons (KIP-800, version 5). */
#include "wire/messages/leave_group.h"

#include "api/groups_int.h"
#include "group/classic.h"

enum { SINCE_MANY = 3 };

struct leave_group {
    struct request *req;
    const struct request_header *h;
    struct leave_group_request in;
    struct leave_group_response resp;
    struct group_leave leave;
};

static void
reply(struct leave_group *lg, int16_t error)
{
    lg->resp.error_code = error;
    api__group_reply(lg->req, lg->h, &lg->leave.call, &lg->resp);
}

static bool
fill_members(struct leave_group *lg)
{
    size_t count = lg->leave.member_count;
    struct leave_group_response_member *items =
        (struct leave_group_response_member *)arena_array(&lg->req->arena, count, sizeof(items[0]));
    for (size_t i = 0; items != NULL && i < count; i++) {
        const struct group_leave_member *m = &lg->leave.members[i];
        items[i] = (struct leave_group_response_member){
            .member_id = m->member_id, .group_instance_id = m->instance_id, .error_code = m->error};
    }
    lg->resp.members.items = items;
    lg->resp.members.count = count;
    return items != NULL;
}

static void
left(struct group_call *call)
{
    struct leave_group *lg = (struct leave_group *)call->arg;
    int16_t error = call->error;
    if (error == KAFKA_NONE && lg->h->api_version < SINCE_MANY) {
        error = lg->leave.members[0].error;
    } else if (error == KAFKA_NONE && !fill_members(lg)) {
        error = KAFKA_UNKNOWN_SERVER_ERROR;
    }
    reply(lg, error);
}

/* False at the arena's ceiling. */
static bool
take_members(struct leave_group *lg)
{
    const struct leave_group_request *in = &lg->in;
    size_t count = lg->h->api_version < SINCE_MANY ? 1 : in->members.count;
    struct group_leave_member *list =
        (struct group_leave_member *)arena_array(&lg->req->arena, count, sizeof(list[0]));
    if (list == NULL) {
        return false;
    }
    if (lg->h->api_version < SINCE_MANY) {
        list[0].member_id = in->member_id;
    }
    for (size_t i = 0; lg->h->api_version >= SINCE_MANY && i < count; i++) {
        list[i] = (struct group_leave_member){.member_id = in->members.items[i].member_id,
                                              .instance_id = in->members.items[i].group_instance_id,
                                              .reason = in->members.items[i].reason};
    }
    lg->leave =
        (struct group_leave){.call.is_from_member = true, .members = list, .member_count = count};
    return true;
}

void
leave_group_handle(struct request *req, const struct request_header *h)
{
    struct leave_group *lg = (struct leave_group *)arena_alloc(&req->arena, sizeof(*lg));
    if (lg == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &lg->in)) {
        return;
    }
    lg->req = req;
    lg->h = h;
    if (!authorize(req, ACL_READ, ACL_GROUP, lg->in.group_id)) {
        reply(lg, KAFKA_GROUP_AUTHORIZATION_FAILED);
        return;
    }
    if (!take_members(lg)) {
        api_close(req, "the request names too many members");
        return;
    }
    api__group_submit(req, &lg->leave.call, lg->in.group_id, group_leave_run, left, lg);
}
