/* SPDX-License-Identifier: Apache-2.0
 *
 * DeleteGroups: the groups of one journal go by one op; each has its own outcome. */
#include "wire/messages/delete_groups.h"

#include "api/groups_int.h"
#include "group/offsets.h"

enum { GROUPS_AT_A_TIME_MAX = 2000 };

struct delete_groups {
    struct request *req;
    const struct request_header *h;
    struct delete_groups_request in;
    struct delete_groups_response resp;
    struct group_remove_item *items;
    struct group_remove_item **by_journal; /* item_count of them, journal after journal */
    struct group_remove *asks;             /* one per journal, most of them unused */
    size_t pending;
};

static void
one_back(struct delete_groups *dg)
{
    if (--dg->pending > 0) {
        return;
    }
    for (size_t i = 0; i < dg->resp.results.count; i++) {
        dg->resp.results.items[i].error_code = dg->items[i].error;
    }
    api_reply(dg->req, dg->h, &dg->resp);
}

static void
removed(struct group_call *call)
{
    struct group_remove *r = SL_CONTAINER_OF(call, struct group_remove, call);
    struct delete_groups *dg = (struct delete_groups *)call->arg;
    for (size_t i = 0; call->error != KAFKA_NONE && i < r->count; i++) {
        r->items[i]->error = call->error;
    }
    group_call_fini(call);
    one_back(dg);
}

/* Gathers the groups of one journal and sends them there. */
static size_t
ask(struct delete_groups *dg, uint32_t journal, size_t at)
{
    const struct broker *br = dg->req->broker;
    struct group_remove *r = &dg->asks[journal];
    r->items = dg->by_journal + at;
    for (size_t i = 0; i < dg->resp.results.count; i++) {
        struct group_remove_item *it = &dg->items[i];
        /* in this order: what was sent to another journal is on another loop */
        if (group_journal(it->group_id, br->shard_count) == journal && it->error == KAFKA_NONE) {
            r->items[r->count++] = it;
        }
    }
    if (r->count > 0) {
        dg->pending++;
        r->call.run = group_remove_run;
        r->call.home = dg->req->loop;
        r->call.done = removed;
        r->call.arg = dg;
        group_submit(br->groups[journal], &r->call);
    }
    return at + r->count;
}

static bool
allocate(struct delete_groups *dg)
{
    struct arena *arena = &dg->req->arena;
    size_t count = dg->in.groups_names.count;
    dg->resp.results.count = count;
    dg->resp.results.items = (struct delete_groups_response_group *)arena_array(
        arena, count, sizeof(struct delete_groups_response_group));
    dg->items = (struct group_remove_item *)arena_array(arena, count, sizeof(dg->items[0]));
    dg->by_journal =
        (struct group_remove_item **)arena_array(arena, count, sizeof(dg->by_journal[0]));
    dg->asks = (struct group_remove *)arena_array(arena, dg->req->broker->shard_count,
                                                  sizeof(dg->asks[0]));
    return dg->resp.results.items != NULL && dg->items != NULL && dg->by_journal != NULL &&
           dg->asks != NULL;
}

static void
prepare_item(struct delete_groups *dg, size_t i)
{
    struct group_remove_item *it = &dg->items[i];
    it->group_id = dg->in.groups_names.items[i];
    dg->resp.results.items[i].group_id = it->group_id;
    it->error = authorize(dg->req, ACL_DELETE, ACL_GROUP, it->group_id)
                    ? (int16_t)KAFKA_NONE
                    : (int16_t)KAFKA_GROUP_AUTHORIZATION_FAILED;
    for (size_t k = 0; k < i && it->error == KAFKA_NONE; k++) {
        if (span_eq(dg->items[k].group_id, it->group_id)) {
            it->error = KAFKA_INVALID_REQUEST; /* named twice */
        }
    }
}

void
delete_groups_handle(struct request *req, const struct request_header *h)
{
    struct delete_groups *dg = (struct delete_groups *)arena_alloc(&req->arena, sizeof(*dg));
    size_t at = 0;
    if (dg == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &dg->in)) {
        return;
    }
    dg->req = req;
    dg->h = h;
    dg->pending = 1;
    if (dg->in.groups_names.count > GROUPS_AT_A_TIME_MAX || !allocate(dg)) {
        api_close(req, "the request names too many groups");
        return;
    }
    for (size_t i = 0; i < dg->resp.results.count; i++) {
        prepare_item(dg, i);
    }
    for (uint32_t j = 0; j < req->broker->shard_count; j++) {
        at = ask(dg, j, at);
    }
    one_back(dg);
}
