/* DescribeLogDirs: one directory, which stands for the object store, with every partition and the
 * bytes that its log takes there. What tools show as a cluster's disks. */
#include "wire/messages/describe_log_dirs.h"

#include "api/lookups_int.h"

enum { ARENA_MAX = 128 << 20 };

static const char log_dir[] = "object-store";

struct describe_log_dirs {
    struct request *req;
    const struct request_header *h;
    struct describe_log_dirs_request in;
    struct describe_log_dirs_response resp;
    struct describe_log_dirs_response_result dir;
    struct topics_refresh refresh;
    struct lookups lookups;
};

static int32_t
init(const void *in, void *out)
{
    struct describe_log_dirs_response_partition *part =
        (struct describe_log_dirs_response_partition *)out;
    memcpy(&part->partition_index, in, sizeof(part->partition_index));
    part->partition_size = -1;
    return part->partition_index;
}

static int16_t
prepare(const struct request *req, const struct topic *t, const void *in, struct lookup_item *it)
{
    (void)req;
    (void)t;
    (void)in;
    it->kind = PART_LOOKUP_SIZE;
    return KAFKA_NONE;
}

static void
fill(struct lookup_item *it)
{
    ((struct describe_log_dirs_response_partition *)it->user)->partition_size = it->offset;
}

LOOKUP_TOPIC_ASSERT(struct describe_log_dirs_request_topic);
LOOKUP_TOPIC_ASSERT(struct describe_log_dirs_response_topic);
static const struct lookup_api api = {.operation = ACL_ANY, /* the cluster was asked for */
                                      .in_size = sizeof(int32_t),
                                      .out_size =
                                          sizeof(struct describe_log_dirs_response_partition),
                                      .error_offset = LOOKUP_NO_ERROR,
                                      .init = init,
                                      .prepare = prepare,
                                      .fill = fill};

/* --- reply --- */

/* What does not exist, or cannot be told now, is not in the directory. */
static void
leave_out_unknown(struct describe_log_dirs *d)
{
    size_t topics = 0;
    for (size_t i = 0; i < d->dir.topics.count; i++) {
        struct describe_log_dirs_response_topic *t = &d->dir.topics.items[i];
        size_t parts = 0;
        for (size_t k = 0; k < t->partitions.count; k++) {
            if (t->partitions.items[k].partition_size >= 0) {
                t->partitions.items[parts++] = t->partitions.items[k];
            }
        }
        t->partitions.count = parts;
        if (parts > 0) {
            d->dir.topics.items[topics++] = *t;
        }
    }
    d->dir.topics.count = topics;
}

static void
done(struct lookups *ls, void *arg)
{
    struct describe_log_dirs *d = (struct describe_log_dirs *)arg;
    (void)ls;
    leave_out_unknown(d);
    d->resp.results.items = &d->dir;
    d->resp.results.count = 1;
    api_reply(d->req, d->h, &d->resp);
}

/* --- which partitions --- */

/* False at the arena's ceiling. */
static bool
name_all_of(struct arena *arena, const struct topic *t, struct describe_log_dirs_request_topic *in)
{
    in->topic = arena_copy(arena, t->name);
    in->partitions.count = (size_t)t->partition_count;
    in->partitions.items = (int32_t *)arena_array(arena, in->partitions.count, sizeof(int32_t));
    if (in->topic.ptr == NULL || in->partitions.items == NULL) {
        return false;
    }
    for (int32_t i = 0; i < t->partition_count; i++) {
        in->partitions.items[i] = i;
    }
    return true;
}

static bool
name_all(struct describe_log_dirs *d)
{
    struct arena *arena = &d->req->arena;
    struct topic **list;
    size_t count = directory_list(d->req->broker->topics, &list);
    d->in.topics.items = (struct describe_log_dirs_request_topic *)arena_array(
        arena, count, sizeof(struct describe_log_dirs_request_topic));
    d->in.topics.count = count;
    bool is_ok = d->in.topics.items != NULL;
    for (size_t i = 0; is_ok && i < count; i++) {
        is_ok = name_all_of(arena, list[i], &d->in.topics.items[i]);
    }
    directory_list_free(&list, count);
    return is_ok;
}

static void
refreshed(struct topics_refresh *r)
{
    struct describe_log_dirs *d = (struct describe_log_dirs *)r->arg;
    if (d->in.topics.items == NULL && !name_all(d)) {
        api_close(d->req, "the answer is too large; ask for fewer topics at once");
        return;
    }
    lookups__run(&d->lookups, &d->in.topics, &d->dir.topics);
}

void
describe_log_dirs_handle(struct request *req, const struct request_header *h)
{
    struct describe_log_dirs *d = (struct describe_log_dirs *)arena_alloc(&req->arena, sizeof(*d));
    if (d == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &d->in)) {
        return;
    }
    d->req = req;
    d->h = h;
    if (!authorize(req, ACL_DESCRIBE, ACL_CLUSTER, span_cstr("kafka-cluster"))) {
        d->resp.error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        api_reply(req, h, &d->resp);
        return;
    }
    req->arena.ceiling = ARENA_MAX; /* the answer is far larger than the question */
    describe_log_dirs_response_result_init(&d->dir);
    d->dir.log_dir = span_cstr(log_dir);
    d->lookups = (struct lookups){.req = req, .api = &api, .done = done, .arg = d};
    api__refresh_topics(req, &d->refresh, refreshed, d); /* R8 */
}
