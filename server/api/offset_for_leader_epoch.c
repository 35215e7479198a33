/* OffsetForLeaderEpoch: a log here is never truncated and its only epoch is 0, so the answer to
 * every epoch is epoch 0 and the end of the log. Never -1 for a partition that we know: Java takes
 * that for a truncation and resets by policy, which skips or replays in silence. */
#include "wire/messages/offset_for_leader_epoch.h"

#include "api/lookups_int.h"

struct leader_epoch {
    struct request *req;
    const struct request_header *h;
    struct offset_for_leader_epoch_request in;
    struct offset_for_leader_epoch_response resp;
    struct lookups lookups;
    struct lookup_item *items;
};

static void
fill(struct lookup_item *it)
{
    struct offset_for_leader_epoch_response_partition *out =
        (struct offset_for_leader_epoch_response_partition *)it->user;
    out->error_code = kafka_error_of(it->rc);
    if (it->rc == SL_OK) {
        out->leader_epoch = 0;
        out->end_offset = it->offset;
    }
}

static void
done(struct lookups *ls, void *arg)
{
    struct leader_epoch *le = (struct leader_epoch *)arg;
    (void)ls;
    api_reply(le->req, le->h, &le->resp);
}

static void
prepare_part(struct leader_epoch *le, const struct topic *t,
             const struct offset_for_leader_epoch_request_partition *in, struct lookup_item *it)
{
    struct offset_for_leader_epoch_response_partition *out =
        (struct offset_for_leader_epoch_response_partition *)it->user;
    if (in->partition < 0 || in->partition >= t->partition_count) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if (in->current_leader_epoch > 0) {
        out->error_code = KAFKA_UNKNOWN_LEADER_EPOCH;
        return;
    }
    if (in->leader_epoch < 0) {
        return; /* asked for "undefined", which has no end */
    }
    it->partition = in->partition;
    it->kind = PART_LOOKUP_END;
    out->error_code = kafka_error_of(lookups__add(&le->lookups, t, it));
}

/* Gives where the next topic's items go. */
static struct lookup_item *
prepare_topic(struct leader_epoch *le, const struct offset_for_leader_epoch_request_topic *in,
              struct offset_for_leader_epoch_response_topic *out, struct lookup_item *it)
{
    struct topic *t = directory_find(le->req->broker->topics, in->topic);
    bool is_allowed = authorize(le->req, ACL_DESCRIBE, ACL_TOPIC, in->topic);
    out->topic = in->topic;
    for (size_t i = 0; i < in->partitions.count; i++, it++) {
        struct offset_for_leader_epoch_response_partition *part = &out->partitions.items[i];
        offset_for_leader_epoch_response_partition_init(part);
        part->partition = in->partitions.items[i].partition;
        it->user = part;
        if (!is_allowed) {
            part->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        } else if (t == NULL) {
            part->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        } else {
            prepare_part(le, t, &in->partitions.items[i], it);
        }
    }
    topic_unref(&t);
    return it;
}

/* False when the arena is at its ceiling. */
static bool
allocate(struct leader_epoch *le)
{
    struct arena *arena = &le->req->arena;
    size_t total = 0;
    le->resp.topics.count = le->in.topics.count;
    le->resp.topics.items = (struct offset_for_leader_epoch_response_topic *)arena_array(
        arena, le->in.topics.count, sizeof(struct offset_for_leader_epoch_response_topic));
    if (le->resp.topics.items == NULL) {
        return false;
    }
    for (size_t i = 0; i < le->in.topics.count; i++) {
        size_t count = le->in.topics.items[i].partitions.count;
        struct offset_for_leader_epoch_response_topic *out = &le->resp.topics.items[i];
        total += count;
        out->partitions.count = count;
        out->partitions.items = (struct offset_for_leader_epoch_response_partition *)arena_array(
            arena, count, sizeof(struct offset_for_leader_epoch_response_partition));
        if (out->partitions.items == NULL) {
            return false;
        }
    }
    le->items = (struct lookup_item *)arena_array(arena, total, sizeof(struct lookup_item));
    return le->items != NULL && lookups__init(&le->lookups, le->req);
}

void
offset_for_leader_epoch_handle(struct request *req, const struct request_header *h)
{
    struct leader_epoch *le = (struct leader_epoch *)arena_alloc(&req->arena, sizeof(*le));
    if (le == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &le->in)) {
        return;
    }
    le->req = req;
    le->h = h;
    if (!allocate(le)) {
        api_close(req, "the request names too many partitions");
        return;
    }
    le->lookups.each = fill;
    le->lookups.done = done;
    le->lookups.arg = le;
    struct lookup_item *it = le->items;
    for (size_t i = 0; i < le->in.topics.count; i++) {
        it = prepare_topic(le, &le->in.topics.items[i], &le->resp.topics.items[i], it);
    }
    lookups__run(&le->lookups);
}
