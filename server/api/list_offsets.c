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
};

static int32_t
init(const void *in, void *out)
{
    struct list_offsets_response_partition *part = (struct list_offsets_response_partition *)out;
    list_offsets_response_partition_init(part);
    part->partition_index = ((const struct list_offsets_request_partition *)in)->partition_index;
    return part->partition_index;
}

static void
fill(struct lookup_item *it)
{
    struct list_offsets_response_partition *out =
        (struct list_offsets_response_partition *)it->user;
    out->offset = it->offset;
    out->timestamp = it->timestamp;
    out->leader_epoch = it->offset >= 0 ? 0 : -1;
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

static int16_t
prepare(const struct request *req, const struct topic *t, const void *part, struct lookup_item *it)
{
    const struct list_offsets_request_partition *in =
        (const struct list_offsets_request_partition *)part;
    (void)t;
    if (in->current_leader_epoch > 0) {
        return KAFKA_UNKNOWN_LEADER_EPOCH;
    }
    if (in->timestamp == ASK_LATEST_TIERED && req->api_version >= 9) {
        it->is_answered = true; /* -1 and -1: there is no such offset */
        return KAFKA_NONE;
    }
    if (!kind_of(in->timestamp, req->api_version, &it->kind)) {
        return KAFKA_UNSUPPORTED_VERSION;
    }
    it->time_ms = in->timestamp;
    return KAFKA_NONE;
}

LOOKUP_TOPIC_ASSERT(struct list_offsets_request_topic);
LOOKUP_TOPIC_ASSERT(struct list_offsets_response_topic);
static const struct lookup_api api = {
    .operation = ACL_DESCRIBE,
    .in_size = sizeof(struct list_offsets_request_partition),
    .out_size = sizeof(struct list_offsets_response_partition),
    .error_offset = offsetof(struct list_offsets_response_partition, error_code),
    .init = init,
    .prepare = prepare,
    .fill = fill};

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
    lo->lookups = (struct lookups){.req = req, .api = &api, .done = done, .arg = lo};
    lookups__run(&lo->lookups, &lo->in.topics, &lo->resp.topics);
}
