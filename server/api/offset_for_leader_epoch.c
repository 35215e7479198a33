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
};

static int32_t
init(const void *in, void *out)
{
    struct offset_for_leader_epoch_response_partition *part =
        (struct offset_for_leader_epoch_response_partition *)out;
    offset_for_leader_epoch_response_partition_init(part);
    part->partition = ((const struct offset_for_leader_epoch_request_partition *)in)->partition;
    return part->partition;
}

static void
fill(struct lookup_item *it)
{
    struct offset_for_leader_epoch_response_partition *out =
        (struct offset_for_leader_epoch_response_partition *)it->user;
    out->leader_epoch = 0;
    out->end_offset = it->offset;
}

static void
done(struct lookups *ls, void *arg)
{
    struct leader_epoch *le = (struct leader_epoch *)arg;
    (void)ls;
    api_reply(le->req, le->h, &le->resp);
}

static int16_t
prepare(const struct request *req, const struct topic *t, const void *part, struct lookup_item *it)
{
    const struct offset_for_leader_epoch_request_partition *in =
        (const struct offset_for_leader_epoch_request_partition *)part;
    (void)req;
    (void)t;
    it->kind = PART_LOOKUP_END;
    it->is_answered = in->leader_epoch < 0; /* asked for "undefined", which has no end */
    return in->current_leader_epoch > 0 ? KAFKA_UNKNOWN_LEADER_EPOCH : KAFKA_NONE;
}

LOOKUP_TOPIC_ASSERT(struct offset_for_leader_epoch_request_topic);
LOOKUP_TOPIC_ASSERT(struct offset_for_leader_epoch_response_topic);
static const struct lookup_api api = {
    .operation = ACL_DESCRIBE,
    .in_size = sizeof(struct offset_for_leader_epoch_request_partition),
    .out_size = sizeof(struct offset_for_leader_epoch_response_partition),
    .error_offset = offsetof(struct offset_for_leader_epoch_response_partition, error_code),
    .init = init,
    .prepare = prepare,
    .fill = fill};

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
    le->lookups = (struct lookups){.req = req, .api = &api, .done = done, .arg = le};
    lookups__run(&le->lookups, &le->in.topics, &le->resp.topics);
}
