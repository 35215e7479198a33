/* ListOffsets: the start, the end, or the first record at or after a time.
 *
 * Without transactions the last stable offset is the end, so both isolation levels get the same
 * answer. Nothing is tiered in Kafka's sense: the local start is the start (KIP-405), and the
 * latest tiered offset does not exist. */
#include "wire/messages/list_offsets.h"

#include "api/lookups_int.h"

enum {
    ASK_LATEST = -1,
    ASK_EARLIEST = -2,
    ASK_MAX_TIMESTAMP = -3,  /* KIP-734 */
    ASK_EARLIEST_LOCAL = -4, /* KIP-405 */
    ASK_LATEST_TIERED = -5   /* KIP-1005 */
};

struct list_offsets {
    struct request *req;
    const struct request_header *h;
    struct list_offsets_request in;
    struct list_offsets_response resp;
    struct lookups lookups;
    struct lookup_item *items;
};

static void
fill(struct lookup_item *it)
{
    struct list_offsets_response_partition *out =
        (struct list_offsets_response_partition *)it->user;
    out->error_code = kafka_error_of(it->rc);
    if (it->rc == SL_OK) {
        out->offset = it->offset;
        out->timestamp = it->timestamp;
        out->leader_epoch = it->offset >= 0 ? 0 : -1;
    }
}

static void
done(struct lookups *ls, void *arg)
{
    struct list_offsets *lo = (struct list_offsets *)arg;
    (void)ls;
    api_reply(lo->req, lo->h, &lo->resp);
}

/* False for a question that this version does not know. */
static bool
kind_of(int64_t timestamp, int16_t version, enum part_lookup_kind *ret)
{
    switch (timestamp) {
    case ASK_LATEST:
        *ret = PART_LOOKUP_END;
        return true;
    case ASK_EARLIEST:
        *ret = PART_LOOKUP_START;
        return true;
    case ASK_MAX_TIMESTAMP:
        *ret = PART_LOOKUP_MAX_TIME;
        return version >= 7;
    case ASK_EARLIEST_LOCAL:
        *ret = PART_LOOKUP_START;
        return version >= 8;
    default:
        *ret = PART_LOOKUP_TIME;
        return timestamp >= 0;
    }
}

static void
prepare_part(struct list_offsets *lo, const struct topic *t,
             const struct list_offsets_request_partition *in, struct lookup_item *it)
{
    struct list_offsets_response_partition *out =
        (struct list_offsets_response_partition *)it->user;
    if (in->partition_index < 0 || in->partition_index >= t->partition_count) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if (in->current_leader_epoch > 0) {
        out->error_code = KAFKA_UNKNOWN_LEADER_EPOCH;
        return;
    }
    if (in->timestamp == ASK_LATEST_TIERED && lo->h->api_version >= 9) {
        return; /* -1 and -1: there is no such offset */
    }
    if (!kind_of(in->timestamp, lo->h->api_version, &it->kind)) {
        out->error_code = KAFKA_UNSUPPORTED_VERSION;
        return;
    }
    it->partition = in->partition_index;
    it->time_ms = in->timestamp;
    out->error_code = kafka_error_of(lookups__add(&lo->lookups, t, it));
}

/* Gives where the next topic's items go. */
static struct lookup_item *
prepare_topic(struct list_offsets *lo, const struct list_offsets_request_topic *in,
              struct list_offsets_response_topic *out, struct lookup_item *it)
{
    struct topic *t = directory_find(lo->req->broker->topics, in->name);
    bool is_allowed = authorize(lo->req, ACL_DESCRIBE, ACL_TOPIC, in->name);
    out->name = in->name;
    for (size_t i = 0; i < in->partitions.count; i++, it++) {
        struct list_offsets_response_partition *part = &out->partitions.items[i];
        list_offsets_response_partition_init(part);
        part->partition_index = in->partitions.items[i].partition_index;
        it->user = part;
        if (!is_allowed) {
            part->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        } else if (t == NULL) {
            part->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        } else {
            prepare_part(lo, t, &in->partitions.items[i], it);
        }
    }
    topic_unref(&t);
    return it;
}

/* False when the arena is at its ceiling. */
static bool
allocate(struct list_offsets *lo)
{
    struct arena *arena = &lo->req->arena;
    size_t total = 0;
    lo->resp.topics.count = lo->in.topics.count;
    lo->resp.topics.items = (struct list_offsets_response_topic *)arena_array(
        arena, lo->in.topics.count, sizeof(struct list_offsets_response_topic));
    if (lo->resp.topics.items == NULL) {
        return false;
    }
    for (size_t i = 0; i < lo->in.topics.count; i++) {
        size_t count = lo->in.topics.items[i].partitions.count;
        struct list_offsets_response_topic *out = &lo->resp.topics.items[i];
        total += count;
        out->partitions.count = count;
        out->partitions.items = (struct list_offsets_response_partition *)arena_array(
            arena, count, sizeof(struct list_offsets_response_partition));
        if (out->partitions.items == NULL) {
            return false;
        }
    }
    lo->items = (struct lookup_item *)arena_array(arena, total, sizeof(struct lookup_item));
    return lo->items != NULL && lookups__init(&lo->lookups, lo->req);
}

void
list_offsets_handle(struct request *req, const struct request_header *h)
{
    struct list_offsets *lo = (struct list_offsets *)arena_alloc(&req->arena, sizeof(*lo));
    if (lo == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &lo->in)) {
        return;
    }
    lo->req = req;
    lo->h = h;
    if (!allocate(lo)) {
        api_close(req, "the request names too many partitions");
        return;
    }
    lo->lookups.each = fill;
    lo->lookups.done = done;
    lo->lookups.arg = lo;
    struct lookup_item *it = lo->items;
    for (size_t i = 0; i < lo->in.topics.count; i++) {
        it = prepare_topic(lo, &lo->in.topics.items[i], &lo->resp.topics.items[i], it);
    }
    lookups__run(&lo->lookups);
}
