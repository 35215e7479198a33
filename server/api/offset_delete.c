/* SPDX-License-Identifier: Apache-2.0
 *
 * OffsetDelete (KIP-496). */
#include "wire/messages/offset_delete.h"

#include "api/groups_int.h"
#include "group/offsets.h"

struct delete_handler {
    struct request *req;
    const struct request_header *h;
    struct offset_delete_request in;
    struct offset_delete_response resp;
    struct offset_delete remove;
};

static void
reply_error(struct delete_handler *dh, int16_t error)
{
    struct offset_delete_response resp = {.error_code = error};
    api_reply(dh->req, dh->h, &resp);
}

static void
deleted(struct group_call *call)
{
    struct delete_handler *dh = (struct delete_handler *)call->arg;
    const struct offset_delete_part *p = dh->remove.parts;
    if (call->error != KAFKA_NONE) {
        struct offset_delete_response resp = {.error_code = call->error};
        api__group_reply(dh->req, dh->h, call, &resp);
        return;
    }
    for (size_t i = 0; i < dh->resp.topics.count; i++) {
        struct offset_delete_response_topic *out = &dh->resp.topics.items[i];
        for (size_t k = 0; k < out->partitions.count; k++, p++) {
            out->partitions.items[k].error_code = p->error;
        }
    }
    api__group_reply(dh->req, dh->h, call, &dh->resp);
}

static int16_t
judge_part(const struct delete_handler *dh, const struct topic *t, struct span name, int32_t index)
{
    if (!authorize(dh->req, ACL_READ, ACL_TOPIC, name)) {
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    }
    return t == NULL || index < 0 || index >= t->partition_count
               ? (int16_t)KAFKA_UNKNOWN_TOPIC_OR_PARTITION
               : (int16_t)KAFKA_NONE;
}

static bool
prepare_topic(struct delete_handler *dh, size_t at, struct offset_delete_part **part)
{
    const struct offset_delete_request_topic *in = &dh->in.topics.items[at];
    struct offset_delete_response_topic *out = &dh->resp.topics.items[at];
    out->name = in->name;
    out->partitions.count = in->partitions.count;
    out->partitions.items = (struct offset_delete_response_partition *)arena_array(
        &dh->req->arena, in->partitions.count, sizeof(struct offset_delete_response_partition));
    if (out->partitions.items == NULL) {
        return false;
    }
    struct topic *t = directory_find(dh->req->broker->topics, in->name);
    for (size_t i = 0; i < in->partitions.count; i++, (*part)++) {
        int32_t index = in->partitions.items[i].partition_index;
        out->partitions.items[i].partition_index = index;
        (*part)->topic = in->name;
        (*part)->partition = index;
        (*part)->error = judge_part(dh, t, in->name, index);
        if (t != NULL) {
            (*part)->topic_id = t->id;
        }
    }
    topic_unref(&t);
    return true;
}

static bool
prepare(struct delete_handler *dh)
{
    struct arena *arena = &dh->req->arena;
    size_t topics = dh->in.topics.count;
    size_t count = 0;
    for (size_t i = 0; i < topics; i++) {
        count += dh->in.topics.items[i].partitions.count;
    }
    dh->remove.parts =
        (struct offset_delete_part *)arena_array(arena, count, sizeof(dh->remove.parts[0]));
    dh->remove.part_count = count;
    dh->resp.topics.count = topics;
    dh->resp.topics.items = (struct offset_delete_response_topic *)arena_array(
        arena, topics, sizeof(struct offset_delete_response_topic));
    struct offset_delete_part *part = dh->remove.parts;
    bool is_room = part != NULL && dh->resp.topics.items != NULL;
    for (size_t i = 0; is_room && i < topics; i++) {
        is_room = prepare_topic(dh, i, &part);
    }
    return is_room;
}

void
offset_delete_handle(struct request *req, const struct request_header *h)
{
    struct delete_handler *dh = (struct delete_handler *)arena_alloc(&req->arena, sizeof(*dh));
    if (dh == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &dh->in)) {
        return;
    }
    dh->req = req;
    dh->h = h;
    if (!authorize(req, ACL_DELETE, ACL_GROUP, dh->in.group_id)) {
        reply_error(dh, KAFKA_GROUP_AUTHORIZATION_FAILED);
        return;
    }
    if (!prepare(dh)) {
        api_close(req, "the request names too many partitions");
        return;
    }
    api__group_submit(req, &dh->remove.call, dh->in.group_id, offset_delete_run, deleted, dh);
}
