/* CreatePartitions: a topic grows, it never shrinks. Which brokers an assignment names means
 * nothing here, only how many partitions it is for. */
#include "wire/messages/create_partitions.h"

#include "api/api_int.h"

struct create_partitions {
    struct request *req;
    const struct request_header *h;
    struct create_partitions_request in;
    struct create_partitions_response resp;
    struct partitions_add *adds; /* one per item */
    struct api_name *keys;
    size_t pending;
    int64_t partitions; /* asked for by all items so far */
};

static bool
refuse(struct create_partitions_response_topic *out, int16_t code, struct span why)
{
    out->error_code = code;
    out->error_message = why;
    return false;
}

static void
finish_one(struct create_partitions *c)
{
    if (--c->pending == 0) {
        api_reply(c->req, c->h, &c->resp);
    }
}

static struct span
why_of(struct request *req, const struct partitions_add *add)
{
    switch (add->rc) {
    case SL_EINVALID_PARTITIONS:
        return api__text(req,
                         "The topic %.*s currently has %d partition(s); %d would not be an "
                         "increase.",
                         (int)add->name.len, (const char *)add->name.ptr, add->old_count,
                         add->new_count);
    case SL_EUNKNOWN_PARTITION:
        return span_cstr("This server does not host this topic.");
    default:
        return span_cstr(sl_err_text(add->rc));
    }
}

static void
added(struct partitions_add *add)
{
    struct create_partitions *c = (struct create_partitions *)add->arg;
    struct create_partitions_response_topic *out = &c->resp.results.items[add - c->adds];
    if (add->rc != SL_OK) {
        (void)refuse(out, kafka_error_of(add->rc), why_of(c->req, add));
    }
    finish_one(c);
}

/* --- judge --- */

static bool
judge_assignments(struct create_partitions *c, const struct create_partitions_request_topic *in,
                  const struct topic *t, struct create_partitions_response_topic *out)
{
    if (in->assignments.items == NULL || t == NULL || in->count <= t->partition_count) {
        return true;
    }
    if (in->assignments.count != (size_t)(in->count - t->partition_count)) {
        return refuse(out, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                      api__text(c->req,
                                "Attempted to add %d additional partition(s), but %zu "
                                "assignment(s) were specified.",
                                in->count - t->partition_count, in->assignments.count));
    }
    for (size_t i = 0; i < in->assignments.count; i++) {
        if (in->assignments.items[i].broker_ids.count == 0) {
            return refuse(out, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          span_cstr("An assignment names no replica."));
        }
    }
    return true;
}

static bool
judge(struct create_partitions *c, const struct create_partitions_request_topic *in,
      struct create_partitions_response_topic *out)
{
    if (out->error_code != 0) {
        return false; /* named twice */
    }
    if (!authorize(c->req, ACL_ALTER, ACL_TOPIC, in->name)) {
        return refuse(out, KAFKA_TOPIC_AUTHORIZATION_FAILED, span_cstr("Authorization failed."));
    }
    if (in->count < 1) {
        return refuse(out, KAFKA_INVALID_PARTITIONS,
                      span_cstr("Number of partitions must be larger than 0."));
    }
    if (c->partitions + in->count > TOPIC_CREATE_PARTITIONS_MAX) {
        return refuse(out, KAFKA_INVALID_PARTITIONS,
                      api__text(c->req, "The topics of one request have at most %d partitions.",
                                TOPIC_CREATE_PARTITIONS_MAX));
    }
    struct topic *t = directory_find(c->req->broker->topics, in->name);
    bool is_sound = judge_assignments(c, in, t, out);
    topic_unref(&t);
    c->partitions += is_sound ? in->count : 0;
    return is_sound;
}

static void
refuse_duplicate(void *arg, size_t i)
{
    struct create_partitions *c = (struct create_partitions *)arg;
    (void)refuse(&c->resp.results.items[i], KAFKA_INVALID_REQUEST,
                 span_cstr("Duplicate topic in request."));
}

/* False when the arena is at its ceiling. */
static bool
allocate(struct create_partitions *c)
{
    size_t count = c->in.topics.count;
    c->resp.results.items = (struct create_partitions_response_topic *)arena_array(
        &c->req->arena, count, sizeof(struct create_partitions_response_topic));
    c->adds = (struct partitions_add *)arena_array(&c->req->arena, count, sizeof(c->adds[0]));
    c->keys = (struct api_name *)arena_array(&c->req->arena, count, sizeof(c->keys[0]));
    if (c->resp.results.items == NULL || c->adds == NULL || c->keys == NULL) {
        return false;
    }
    c->resp.results.count = count;
    for (size_t i = 0; i < count; i++) {
        c->resp.results.items[i].name = c->in.topics.items[i].name;
        c->keys[i].name = c->in.topics.items[i].name;
    }
    return true;
}

static void
submit(struct create_partitions *c)
{
    c->pending = 1; /* held until all are sent */
    for (size_t i = 0; i < c->in.topics.count; i++) {
        const struct create_partitions_request_topic *in = &c->in.topics.items[i];
        if (!judge(c, in, &c->resp.results.items[i])) {
            continue;
        }
        c->pending++;
        c->adds[i] = (struct partitions_add){.name = in->name,
                                             .new_count = in->count,
                                             .is_validate_only = c->in.validate_only,
                                             .deadline_ns = api__deadline(c->req, c->in.timeout_ms),
                                             .home = c->req->loop,
                                             .done = added,
                                             .arg = c};
        partitions_add_submit(c->req->broker->topic_admin, &c->adds[i]);
    }
    finish_one(c);
}

void
create_partitions_handle(struct request *req, const struct request_header *h)
{
    struct create_partitions *c = (struct create_partitions *)arena_alloc(&req->arena, sizeof(*c));
    if (c == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &c->in)) {
        return;
    }
    c->req = req;
    c->h = h;
    if (!allocate(c)) {
        api_close(req, "the request names too many topics");
        return;
    }
    api__refuse_duplicates(c->keys, c->in.topics.count, refuse_duplicate, c);
    submit(c);
}
