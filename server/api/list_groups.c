/* SPDX-License-Identifier: Apache-2.0
 *
 * ListGroups: of every journal, filtered by state (KIP-518, version 4) and type (KIP-848, version
 * 5), and by what the client may see. */
#include "wire/messages/list_groups.h"

#include "api/groups_int.h"
#include "group/offsets.h"

#include <strings.h>

struct list_groups {
    struct request *req;
    const struct request_header *h;
    struct list_groups_request in;
    struct list_groups_response resp;
    struct group_list *asks; /* one per journal */
    size_t pending, ask_count;
    bool is_all_allowed;
};

static bool
is_named(const char *name, struct span in)
{
    return strlen(name) == in.len && strncasecmp(name, (const char *)in.ptr, in.len) == 0;
}

static bool
passes(const struct span *filter, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (is_named(name, filter[i])) {
            return true;
        }
    }
    return count == 0;
}

static void
gather(struct list_groups *lg, const struct group_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct group_listed *g = &l->groups[i];
        bool is_wanted = passes(lg->in.states_filter.items, lg->in.states_filter.count, g->state) &&
                         passes(lg->in.types_filter.items, lg->in.types_filter.count, g->type);
        if (is_wanted &&
            (lg->is_all_allowed || authorize(lg->req, ACL_DESCRIBE, ACL_GROUP, g->id))) {
            lg->resp.groups.items[lg->resp.groups.count++] = (struct list_groups_response_group){
                .group_id = g->id,
                .protocol_type = g->protocol_type.ptr == NULL ? span_cstr("") : g->protocol_type,
                .group_state = span_cstr(g->state),
                .group_type = span_cstr(g->type)};
        }
    }
}

/* All answers are there. The first error stands for all; what could be listed is listed. */
static void
finish(struct list_groups *lg)
{
    size_t total = 0;
    for (size_t i = 0; i < lg->ask_count; i++) {
        total += lg->asks[i].call.error == KAFKA_NONE ? lg->asks[i].count : 0;
    }
    lg->resp.groups.items = (struct list_groups_response_group *)sl_alloc(
        (total + 1) * sizeof(struct list_groups_response_group));
    for (size_t i = 0; i < lg->ask_count; i++) {
        int16_t error = lg->asks[i].call.error;
        if (error == KAFKA_NONE) {
            gather(lg, &lg->asks[i]);
        } else if (lg->resp.error_code == KAFKA_NONE) {
            lg->resp.error_code = error;
        }
    }
    struct list_groups_response_group *items = lg->resp.groups.items;
    struct group_list *asks = lg->asks;
    size_t count = lg->ask_count;
    api_reply(lg->req, lg->h, &lg->resp);
    sl_free(items);
    for (size_t i = 0; i < count; i++) {
        group_call_fini(&asks[i].call);
    }
    sl_free(asks);
}

static void
listed(struct group_call *call)
{
    struct list_groups *lg = (struct list_groups *)call->arg;
    if (--lg->pending == 0) {
        finish(lg);
    }
}

void
list_groups_handle(struct request *req, const struct request_header *h)
{
    struct list_groups *lg = (struct list_groups *)arena_alloc(&req->arena, sizeof(*lg));
    const struct broker *br = req->broker;
    if (lg == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &lg->in)) {
        return;
    }
    lg->req = req;
    lg->h = h;
    lg->is_all_allowed = authorize(req, ACL_DESCRIBE, ACL_CLUSTER, span_cstr("kafka-cluster"));
    lg->asks = (struct group_list *)sl_alloc(br->shard_count * sizeof(lg->asks[0]));
    lg->ask_count = lg->pending = br->shard_count;
    for (uint32_t i = 0; i < br->shard_count; i++) {
        struct group_call *call = &lg->asks[i].call;
        call->run = group_list_run;
        call->home = req->loop;
        call->done = listed;
        call->arg = lg;
        group_submit(br->groups[i], call);
    }
}
