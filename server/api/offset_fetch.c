/* SPDX-License-Identifier: Apache-2.0
 *
 * OffsetFetch: of one group (to version 7), or of several (KIP-709, from version 8 on). Internally
 * they are always several, and the answer is written in the older form at the end. A group that is
 * not there has no offsets, which is no error. require_stable asks for what is not in a
 * transaction, and is always true here. */
#include "wire/messages/offset_fetch.h"

#include "api/groups_int.h"
#include "group/offsets.h"

enum { SINCE_TOP_ERROR = 2, SINCE_MANY = 8, REFRESH_MS = 5000, GROUPS_AT_A_TIME_MAX = 2000 };

/* One group that is asked for. */
struct fetch_ask {
    struct offset_fetch fetch;
    const struct offset_fetch_request_group *in;
    struct offset_fetch_response_group *out;
};

struct fetch_handler {
    struct request *req;
    const struct request_header *h;
    struct offset_fetch_request in;
    struct offset_fetch_response resp;
    struct fetch_ask *asks;
    size_t count, pending;
};

/* --- the answer --- */

static bool
reply_single(struct fetch_handler *fh)
{
    const struct offset_fetch_response_group *g = &fh->resp.groups.items[0];
    struct arena *arena = &fh->asks[0].fetch.call.mem;
    struct offset_fetch_response_topic *topics = (struct offset_fetch_response_topic *)arena_array(
        arena, g->topics.count, sizeof(topics[0]));
    for (size_t i = 0; topics != NULL && i < g->topics.count; i++) {
        const struct offset_fetch_response_group_topic *in = &g->topics.items[i];
        size_t count = in->partitions.count;
        struct offset_fetch_response_partition *parts =
            (struct offset_fetch_response_partition *)arena_array(arena, count, sizeof(parts[0]));
        if (parts == NULL) {
            return false;
        }
        for (size_t k = 0; k < count; k++) {
            const struct offset_fetch_response_group_partition *p = &in->partitions.items[k];
            parts[k] = (struct offset_fetch_response_partition){
                .partition_index = p->partition_index,
                .committed_offset = p->committed_offset,
                .committed_leader_epoch = p->committed_leader_epoch,
                .metadata = p->metadata,
                .error_code = p->error_code};
        }
        topics[i].name = in->name;
        topics[i].partitions.items = parts;
        topics[i].partitions.count = count;
    }
    fh->resp.topics.items = topics;
    fh->resp.topics.count = topics == NULL ? 0 : g->topics.count;
    fh->resp.error_code = g->error_code;
    return topics != NULL;
}

static void
finish(struct fetch_handler *fh)
{
    if (fh->h->api_version < SINCE_MANY && !reply_single(fh)) {
        fh->resp.error_code = KAFKA_UNKNOWN_SERVER_ERROR;
        fh->resp.topics.count = 0;
    }
    struct fetch_ask *asks = fh->asks;
    size_t count = fh->count;
    api_reply(fh->req, fh->h, &fh->resp);
    for (size_t i = 0; i < count; i++) {
        group_call_fini(&asks[i].fetch.call);
    }
    sl_free(asks);
}

static void
one_back(struct fetch_handler *fh)
{
    if (--fh->pending == 0) {
        finish(fh);
    }
}

static void
fill_part(const struct offset_fetch_part *p, int16_t error,
          struct offset_fetch_response_group_partition *out)
{
    out->partition_index = p->partition;
    out->committed_offset = error == KAFKA_NONE ? p->offset : -1;
    out->committed_leader_epoch = error == KAFKA_NONE ? p->leader_epoch : -1;
    out->metadata = error == KAFKA_NONE ? p->metadata : span_cstr("");
    out->error_code = error;
}

static bool
is_allowed(const struct fetch_handler *fh, struct span topic)
{
    return authorize(fh->req, ACL_DESCRIBE, ACL_TOPIC, topic);
}

/* What was asked for, in the order in which it was. */
static bool
fill_asked(struct fetch_handler *fh, struct fetch_ask *a, int16_t error)
{
    struct arena *mem = &a->fetch.call.mem;
    const struct offset_fetch_part *p = a->fetch.parts;
    size_t count = a->in->topics.count;
    a->out->topics.items = (struct offset_fetch_response_group_topic *)arena_array(
        mem, count, sizeof(struct offset_fetch_response_group_topic));
    if (a->out->topics.items == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct offset_fetch_request_group_topic *in = &a->in->topics.items[i];
        struct offset_fetch_response_group_topic *out = &a->out->topics.items[i];
        out->name = in->name;
        out->partitions.count = in->partition_indexes.count;
        out->partitions.items = (struct offset_fetch_response_group_partition *)arena_array(
            mem, in->partition_indexes.count, sizeof(struct offset_fetch_response_group_partition));
        if (out->partitions.items == NULL) {
            return false;
        }
        int16_t denied =
            is_allowed(fh, in->name) ? error : (int16_t)KAFKA_TOPIC_AUTHORIZATION_FAILED;
        for (size_t k = 0; k < out->partitions.count; k++, p++) {
            fill_part(p, denied, &out->partitions.items[k]);
        }
    }
    a->out->topics.count = count;
    return true;
}

/* The offsets of one topic, from part `at` on; gives where the next topic begins. A topic that is
 * deleted, or not for this client's eyes, is left out. */
static size_t
fill_topic(struct fetch_handler *fh, struct fetch_ask *a, size_t at)
{
    struct arena *mem = &a->fetch.call.mem;
    const struct offset_fetch_part *parts = a->fetch.parts;
    size_t end = at;
    while (end < a->fetch.part_count && uuid_eq(&parts[end].topic_id, &parts[at].topic_id)) {
        end++;
    }
    struct topic *t = directory_find_id(fh->req->broker->topics, &parts[at].topic_id);
    struct offset_fetch_response_group_topic *out = &a->out->topics.items[a->out->topics.count];
    if (t != NULL && is_allowed(fh, t->name)) {
        out->name = arena_copy(mem, t->name);
        out->partitions.items = (struct offset_fetch_response_group_partition *)arena_array(
            mem, end - at, sizeof(struct offset_fetch_response_group_partition));
        out->partitions.count = out->partitions.items == NULL ? 0 : end - at;
        for (size_t i = 0; i < out->partitions.count; i++) {
            fill_part(&parts[at + i], KAFKA_NONE, &out->partitions.items[i]);
        }
        a->out->topics.count++;
    }
    topic_unref(&t);
    return end;
}

static bool
fill_all(struct fetch_handler *fh, struct fetch_ask *a)
{
    size_t topics = 0;
    const struct offset_fetch_part *p = a->fetch.parts;
    for (size_t i = 0; i < a->fetch.part_count; i++) {
        topics += i == 0 || !uuid_eq(&p[i].topic_id, &p[i - 1].topic_id) ? 1 : 0;
    }
    a->out->topics.items = (struct offset_fetch_response_group_topic *)arena_array(
        &a->fetch.call.mem, topics, sizeof(struct offset_fetch_response_group_topic));
    for (size_t at = 0; a->out->topics.items != NULL && at < a->fetch.part_count;) {
        at = fill_topic(fh, a, at);
    }
    return a->out->topics.items != NULL;
}

static void
fetched(struct group_call *call)
{
    struct fetch_handler *fh = (struct fetch_handler *)call->arg;
    struct offset_fetch *of = SL_CONTAINER_OF(call, struct offset_fetch, call);
    struct fetch_ask *a = SL_CONTAINER_OF(of, struct fetch_ask, fetch);
    bool is_in_parts = call->error != KAFKA_NONE && fh->h->api_version < SINCE_TOP_ERROR;
    a->out->error_code = is_in_parts ? (int16_t)KAFKA_NONE : call->error;
    bool is_room = true;
    if (call->error == KAFKA_NONE && of->is_all) {
        is_room = fill_all(fh, a);
    } else if (call->error == KAFKA_NONE || is_in_parts) {
        is_room = fill_asked(fh, a, call->error);
    }
    if (!is_room) {
        a->out->error_code = KAFKA_UNKNOWN_SERVER_ERROR;
        a->out->topics.count = 0;
    }
    one_back(fh);
}

/* --- what is asked --- */

/* A topic that is not there has no offsets. */
static void
prepare_parts(const struct fetch_handler *fh, struct fetch_ask *a)
{
    struct offset_fetch_part *p = a->fetch.parts;
    for (size_t i = 0; i < a->in->topics.count; i++) {
        const struct offset_fetch_request_group_topic *in = &a->in->topics.items[i];
        struct topic *t = directory_find(fh->req->broker->topics, in->name);
        for (size_t k = 0; k < in->partition_indexes.count; k++, p++) {
            p->partition = in->partition_indexes.items[k];
            if (t != NULL) {
                p->topic_id = t->id;
            }
        }
        topic_unref(&t);
    }
}

static bool
prepare(struct fetch_handler *fh, struct fetch_ask *a)
{
    size_t count = 0;
    a->out->group_id = a->in->group_id;
    a->fetch.member_id = a->in->member_id;
    a->fetch.member_epoch = a->in->member_epoch;
    a->fetch.is_all = a->in->topics.items == NULL;
    a->fetch.deadline_ns = api__deadline(fh->req, REFRESH_MS);
    for (size_t i = 0; !a->fetch.is_all && i < a->in->topics.count; i++) {
        count += a->in->topics.items[i].partition_indexes.count;
    }
    if (a->fetch.is_all) {
        return true;
    }
    a->fetch.parts =
        (struct offset_fetch_part *)arena_array(&fh->req->arena, count, sizeof(a->fetch.parts[0]));
    a->fetch.part_count = count;
    if (a->fetch.parts != NULL) {
        prepare_parts(fh, a);
    }
    return a->fetch.parts != NULL;
}

static void
ask(struct fetch_handler *fh, struct fetch_ask *a)
{
    if (!authorize(fh->req, ACL_DESCRIBE, ACL_GROUP, a->in->group_id)) {
        a->out->error_code = KAFKA_GROUP_AUTHORIZATION_FAILED;
        return;
    }
    fh->pending++;
    api__group_submit(fh->req, &a->fetch.call, a->in->group_id, offset_fetch_run, fetched, fh);
}

/* Versions to 7, as if they were newer. False at the arena's ceiling. */
static bool
lift(struct fetch_handler *fh)
{
    struct arena *arena = &fh->req->arena;
    const struct offset_fetch_request *in = &fh->in;
    struct offset_fetch_request_group *g =
        (struct offset_fetch_request_group *)arena_alloc(arena, sizeof(*g));
    if (g == NULL) {
        return false;
    }
    offset_fetch_request_group_init(g);
    g->group_id = in->group_id;
    fh->in.groups.items = g;
    fh->in.groups.count = 1;
    if (in->topics.items == NULL) {
        return true; /* all of them */
    }
    g->topics.count = in->topics.count;
    g->topics.items = (struct offset_fetch_request_group_topic *)arena_array(
        arena, in->topics.count, sizeof(g->topics.items[0]));
    for (size_t i = 0; g->topics.items != NULL && i < in->topics.count; i++) {
        g->topics.items[i].name = in->topics.items[i].name;
        g->topics.items[i].partition_indexes.items = in->topics.items[i].partition_indexes.items;
        g->topics.items[i].partition_indexes.count = in->topics.items[i].partition_indexes.count;
    }
    return g->topics.items != NULL;
}

static bool
allocate(struct fetch_handler *fh)
{
    size_t count = fh->in.groups.count;
    fh->resp.groups.items = (struct offset_fetch_response_group *)arena_array(
        &fh->req->arena, count, sizeof(struct offset_fetch_response_group));
    if (count > GROUPS_AT_A_TIME_MAX || fh->resp.groups.items == NULL) {
        return false;
    }
    fh->resp.groups.count = fh->count = count;
    fh->asks = (struct fetch_ask *)sl_alloc((count + 1) * sizeof(fh->asks[0]));
    for (size_t i = 0; i < count; i++) {
        fh->asks[i].in = &fh->in.groups.items[i];
        fh->asks[i].out = &fh->resp.groups.items[i];
        if (!prepare(fh, &fh->asks[i])) {
            sl_free(fh->asks);
            return false;
        }
    }
    return true;
}

void
offset_fetch_handle(struct request *req, const struct request_header *h)
{
    struct fetch_handler *fh = (struct fetch_handler *)arena_alloc(&req->arena, sizeof(*fh));
    if (fh == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &fh->in)) {
        return;
    }
    fh->req = req;
    fh->h = h;
    fh->pending = 1;
    if ((h->api_version < SINCE_MANY && !lift(fh)) || !allocate(fh)) {
        api_close(req, "the request names too many groups or partitions");
        return;
    }
    for (size_t i = 0; i < fh->count; i++) {
        ask(fh, &fh->asks[i]);
    }
    one_back(fh);
}
