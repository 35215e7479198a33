/* SPDX-License-Identifier: Apache-2.0 */
#include "api/groups_int.h"

struct group_table *
api__group_table(const struct request *req, struct span group_id)
{
    const struct broker *br = req->broker;
    return br->groups[group_journal(group_id, br->shard_count)];
}

struct span
api__client_host(struct request *req)
{
    const char *peer = req->conn->peer;
    const char *colon = strrchr(peer, ':');
    int len = (int)(colon == NULL ? strlen(peer) : (size_t)(colon - peer));
    return api__text(req, "/%.*s", len, peer);
}

void
api__group_submit(struct request *req, struct group_call *call, struct span group_id,
                  void (*run)(struct group_table *gt, struct group_call *c),
                  void (*done)(struct group_call *c), void *arg)
{
    call->group_id = group_id;
    call->run = run;
    call->done = done;
    call->arg = arg;
    call->home = req->loop;
    group_submit(api__group_table(req, group_id), call);
}

void
api__group_reply(struct request *req, const struct request_header *h, struct group_call *call,
                 const void *resp)
{
    struct arena mem = call->mem;
    call->mem = (struct arena){0};
    api_reply(req, h, resp);
    arena_fini(&mem);
}
