/* SPDX-License-Identifier: Apache-2.0
 *
 * OffsetCommit: answered when the op with the offsets is verified. Each partition has its own
 * outcome; what concerns the group stands in every one of them. */
#include "wire/messages/offset_commit.h"

#include "api/groups_int.h"
#include "group/offsets.h"

enum { SINCE_MEMBER_EPOCH = 9 };

struct commit_handler {
    struct request *req;
    const struct request_header *h;
    struct offset_commit_request in;
    struct offset_commit_response resp;
    struct offset_commit commit;
};

static void
fill(struct commit_handler *ch)
{
    const struct offset_commit_part *p = ch->commit.parts;
    for (size_t i = 0; i < ch->resp.topics.count; i++) {
        struct offset_commit_response_topic *out = &ch->resp.topics.items[i];
        for (size_t k = 0; k < out->partitions.count; k++, p++) {
            out->partitions.items[k].error_code = p->error;
        }
    }
}

static void
committed(struct group_call *call)
{
    struct commit_handler *ch = (struct commit_handler *)call->arg;
    for (size_t i = 0; call->error != KAFKA_NONE && i < ch->commit.part_count; i++) {
        struct offset_commit_part *p = &ch->commit.parts[i];
        p->error = p->error == KAFKA_NONE ? call->error : p->error;
    }
    fill(ch);
    api__group_reply(ch->req, ch->h, call, &ch->resp);
}

/* --- what is asked --- */

static int16_t
judge_topic(const struct commit_handler *ch, const struct topic *t, struct span name)
{
    if (!authorize(ch->req, ACL_READ, ACL_TOPIC, name)) {
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    }
    return t == NULL ? (int16_t)KAFKA_UNKNOWN_TOPIC_OR_PARTITION : (int16_t)KAFKA_NONE;
}

static void
prepare_part(const struct offset_commit_request_partition *in, const struct topic *t, int16_t error,
             struct offset_commit_part *p)
{
    bool is_there =
        t != NULL && in->partition_index >= 0 && in->partition_index < t->partition_count;
    p->partition = in->partition_index;
    p->offset = in->committed_offset;
    p->leader_epoch = in->committed_leader_epoch;
    p->metadata = in->committed_metadata.ptr == NULL ? span_cstr("") : in->committed_metadata;
    p->error = error != KAFKA_NONE || is_there ? error : (int16_t)KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (is_there) {
        p->topic_id = t->id;
    }
}

static bool
prepare_topic(struct commit_handler *ch, size_t at, struct offset_commit_part **part)
{
    const struct offset_commit_request_topic *in = &ch->in.topics.items[at];
    struct offset_commit_response_topic *out = &ch->resp.topics.items[at];
    out->name = in->name;
    out->partitions.count = in->partitions.count;
    out->partitions.items = (struct offset_commit_response_partition *)arena_array(
        &ch->req->arena, in->partitions.count, sizeof(struct offset_commit_response_partition));
    if (out->partitions.items == NULL) {
        return false;
    }
    struct topic *t = directory_find(ch->req->broker->topics, in->name);
    int16_t error = judge_topic(ch, t, in->name);
    for (size_t i = 0; i < in->partitions.count; i++, (*part)++) {
        out->partitions.items[i].partition_index = in->partitions.items[i].partition_index;
        prepare_part(&in->partitions.items[i], t, error, *part);
    }
    topic_unref(&t);
    return true;
}

static bool
prepare(struct commit_handler *ch)
{
    struct arena *arena = &ch->req->arena;
    size_t topics = ch->in.topics.count;
    size_t count = 0;
    for (size_t i = 0; i < topics; i++) {
        count += ch->in.topics.items[i].partitions.count;
    }
    ch->commit.parts =
        (struct offset_commit_part *)arena_array(arena, count, sizeof(ch->commit.parts[0]));
    ch->commit.part_count = count;
    ch->resp.topics.count = topics;
    ch->resp.topics.items = (struct offset_commit_response_topic *)arena_array(
        arena, topics, sizeof(struct offset_commit_response_topic));
    struct offset_commit_part *part = ch->commit.parts;
    bool is_room = part != NULL && ch->resp.topics.items != NULL;
    for (size_t i = 0; is_room && i < topics; i++) {
        is_room = prepare_topic(ch, i, &part);
    }
    return is_room;
}

static void
refuse_all(struct commit_handler *ch, int16_t error)
{
    for (size_t i = 0; i < ch->commit.part_count; i++) {
        ch->commit.parts[i].error = error;
    }
    fill(ch);
    api_reply(ch->req, ch->h, &ch->resp);
}

void
offset_commit_handle(struct request *req, const struct request_header *h)
{
    struct commit_handler *ch = (struct commit_handler *)arena_alloc(&req->arena, sizeof(*ch));
    if (ch == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &ch->in)) {
        return;
    }
    ch->req = req;
    ch->h = h;
    if (!prepare(ch)) {
        api_close(req, "the commit names too many partitions");
        return;
    }
    if (!authorize(req, ACL_READ, ACL_GROUP, ch->in.group_id)) {
        refuse_all(ch, KAFKA_GROUP_AUTHORIZATION_FAILED);
        return;
    }
    ch->commit.member_id = ch->in.member_id;
    ch->commit.instance_id = ch->in.group_instance_id;
    ch->commit.generation = ch->in.generation_id_or_member_epoch;
    ch->commit.call.is_from_member = ch->commit.generation >= 0;
    ch->commit.has_group_not_found = h->api_version >= SINCE_MEMBER_EPOCH;
    api__group_submit(req, &ch->commit.call, ch->in.group_id, offset_commit_run, committed, ch);
}
