/* DeleteRecords: the log of each partition is to start at an offset, -1 for its end. A compacted
 * topic that does not delete refuses, as in Kafka: its old records are what it is for. */
#include "wire/messages/delete_records.h"

#include "api/lookups_int.h"

struct delete_records {
    struct request *req;
    const struct request_header *h;
    struct delete_records_request in;
    struct delete_records_response resp;
    struct lookups lookups;
};

static int32_t
init(const void *in, void *out)
{
    struct delete_records_response_partition *part =
        (struct delete_records_response_partition *)out;
    part->partition_index = ((const struct delete_records_request_partition *)in)->partition_index;
    part->low_watermark = -1;
    return part->partition_index;
}

static int16_t
prepare(const struct request *req, const struct topic *t, const void *part, struct lookup_item *it)
{
    (void)req;
    it->is_trim = true;
    it->trim_to = ((const struct delete_records_request_partition *)part)->offset;
    return t->options.is_deleted ? KAFKA_NONE : KAFKA_POLICY_VIOLATION;
}

static void
fill(struct lookup_item *it)
{
    ((struct delete_records_response_partition *)it->user)->low_watermark = it->offset;
}

LOOKUP_TOPIC_ASSERT(struct delete_records_request_topic);
LOOKUP_TOPIC_ASSERT(struct delete_records_response_topic);
static const struct lookup_api api = {
    .operation = ACL_DELETE,
    .in_size = sizeof(struct delete_records_request_partition),
    .out_size = sizeof(struct delete_records_response_partition),
    .error_offset = offsetof(struct delete_records_response_partition, error_code),
    .init = init,
    .prepare = prepare,
    .fill = fill};

static void
done(struct lookups *ls, void *arg)
{
    struct delete_records *d = (struct delete_records *)arg;
    (void)ls;
    api_reply(d->req, d->h, &d->resp);
}

void
delete_records_handle(struct request *req, const struct request_header *h)
{
    struct delete_records *d = (struct delete_records *)arena_alloc(&req->arena, sizeof(*d));
    if (d == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &d->in)) {
        return;
    }
    d->req = req;
    d->h = h;
    d->lookups = (struct lookups){.req = req,
                                  .api = &api,
                                  .deadline_ns = api__deadline(req, d->in.timeout_ms),
                                  .done = done,
                                  .arg = d};
    lookups__run(&d->lookups, &d->in.topics, &d->resp.topics);
}
