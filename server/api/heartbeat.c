/* SPDX-License-Identifier: Apache-2.0
 *
 * Heartbeat: answered from live memory; it never waits for the store. */
#include "wire/messages/heartbeat.h"

#include "api/groups_int.h"
#include "group/classic.h"

struct heartbeat {
    struct request *req;
    const struct request_header *h;
    struct heartbeat_request in;
    struct group_heartbeat beat;
};

static void
reply(struct heartbeat *hb, int16_t error)
{
    struct heartbeat_response resp = {.error_code = error};
    api__group_reply(hb->req, hb->h, &hb->beat.call, &resp);
}

static void
heard(struct group_call *call)
{
    reply((struct heartbeat *)call->arg, call->error);
}

void
heartbeat_handle(struct request *req, const struct request_header *h)
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
    if (!authorize(req, ACL_READ, ACL_GROUP, hb->in.group_id)) {
        reply(hb, KAFKA_GROUP_AUTHORIZATION_FAILED);
        return;
    }
    hb->beat = (struct group_heartbeat){.call.is_live_enough = true,
                                        .call.is_from_member = true,
                                        .member_id = hb->in.member_id,
                                        .instance_id = hb->in.group_instance_id,
                                        .generation = hb->in.generation_id};
    api__group_submit(req, &hb->beat.call, hb->in.group_id, group_heartbeat_run, heard, hb);
}
