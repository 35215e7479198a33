/* DescribeTopicPartitions (KIP-966): Metadata in pages. Topics come sorted by name; an answer holds
 * at most so many partitions, and a cursor says where the next page begins. */
#include "wire/messages/describe_topic_partitions.h"

#include "api/api_int.h"

#include <stdlib.h>

enum { PARTITIONS_MAX = 2000, ARENA_MAX = 64 << 20 };

struct describe_topic_partitions {
    struct request *req;
    const struct request_header *h;
    struct describe_topic_partitions_request in;
    struct describe_topic_partitions_response resp;
    struct topics_refresh refresh;
    struct span *names; /* what is asked for, sorted, each once; NULL: all */
    size_t name_count;
    int32_t self;
    int32_t left; /* partitions that this page may still hold */
};

/* --- what is asked for --- */

static int
compare_spans(const void *a, const void *b)
{
    const struct span *x = (const struct span *)a;
    const struct span *y = (const struct span *)b;
    size_t n = x->len < y->len ? x->len : y->len;
    int order = n == 0 ? 0 : memcmp(x->ptr, y->ptr, n);
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* False at the arena's ceiling. */
static bool
sort_names(struct describe_topic_partitions *d)
{
    size_t count = d->in.topics.count;
    if (count == 0) {
        return true;
    }
    d->names = (struct span *)arena_array(&d->req->arena, count, sizeof(struct span));
    if (d->names == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        d->names[i] = d->in.topics.items[i].name;
    }
    qsort(d->names, count, sizeof(struct span), compare_spans);
    for (size_t i = 0; i < count; i++) {
        if (d->name_count == 0 || !span_eq(d->names[d->name_count - 1], d->names[i])) {
            d->names[d->name_count++] = d->names[i];
        }
    }
    return true;
}

static bool
is_before_cursor(const struct describe_topic_partitions *d, struct span name)
{
    return d->in.cursor != NULL && compare_spans(&name, &d->in.cursor->topic_name) < 0;
}

static int32_t
first_partition(const struct describe_topic_partitions *d, struct span name)
{
    return d->in.cursor != NULL && span_eq(name, d->in.cursor->topic_name)
               ? d->in.cursor->partition_index
               : 0;
}

/* --- reply --- */

static bool
set_cursor(struct describe_topic_partitions *d, struct span name, int32_t partition)
{
    d->resp.next_cursor = (struct describe_topic_partitions_response_cursor *)arena_alloc(
        &d->req->arena, sizeof(*d->resp.next_cursor));
    if (d->resp.next_cursor != NULL) {
        d->resp.next_cursor->topic_name = arena_copy(&d->req->arena, name);
        d->resp.next_cursor->partition_index = partition;
    }
    return d->resp.next_cursor != NULL;
}

static void
fill_partition(struct describe_topic_partitions *d, const struct topic *t, int32_t index,
               struct describe_topic_partitions_response_partition *p)
{
    static int32_t none;
    bool is_open = index < t->opened_count;
    describe_topic_partitions_response_partition_init(p);
    p->error_code = is_open ? KAFKA_NONE : KAFKA_LEADER_NOT_AVAILABLE;
    p->partition_index = index;
    p->leader_id = is_open ? d->self : -1;
    p->leader_epoch = is_open ? 0 : -1;
    p->replica_nodes.items = p->isr_nodes.items = &d->self;
    p->replica_nodes.count = p->isr_nodes.count = 1;
    p->eligible_leader_replicas.items = p->last_known_elr.items = &none; /* empty, not null */
}

/* False at the arena's ceiling. Sets the cursor when the topic does not fit whole. */
static bool
fill_topic(struct describe_topic_partitions *d, const struct topic *t,
           struct describe_topic_partitions_response_topic *out)
{
    int32_t from = first_partition(d, t->name);
    int32_t count = from < t->partition_count ? t->partition_count - from : 0;
    count = count < d->left ? count : d->left;
    out->name = arena_copy(&d->req->arena, t->name);
    memcpy(out->topic_id, t->id.b, sizeof(out->topic_id));
    out->topic_authorized_operations = api__operations(d->req, ACL_TOPIC, t->name);
    out->partitions.count = (size_t)count;
    out->partitions.items = (struct describe_topic_partitions_response_partition *)arena_array(
        &d->req->arena, (size_t)count, sizeof(struct describe_topic_partitions_response_partition));
    if (out->name.ptr == NULL || out->partitions.items == NULL) {
        return false;
    }
    for (int32_t i = 0; i < count; i++) {
        fill_partition(d, t, from + i, &out->partitions.items[i]);
    }
    d->left -= count;
    return from + count >= t->partition_count || set_cursor(d, t->name, from + count);
}

static bool
fill_missing(const struct describe_topic_partitions *d, struct span name,
             struct describe_topic_partitions_response_topic *out)
{
    out->name = name;
    out->error_code = !authorize(d->req, ACL_DESCRIBE, ACL_TOPIC, name)
                          ? KAFKA_TOPIC_AUTHORIZATION_FAILED
                      : topic_name_is_valid(name) ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                                                  : KAFKA_INVALID_TOPIC_EXCEPTION;
    return true;
}

/* Appends one topic, or ends the page. False at the arena's ceiling. */
static bool
add_topic(struct describe_topic_partitions *d, const struct topic *t, struct span name)
{
    bool is_hidden = !authorize(d->req, ACL_DESCRIBE, ACL_TOPIC, name);
    if (is_before_cursor(d, name) || (is_hidden && d->names == NULL)) {
        return true;
    }
    if (d->left == 0) {
        return set_cursor(d, name, 0);
    }
    struct describe_topic_partitions_response_topic *out =
        &d->resp.topics.items[d->resp.topics.count++];
    describe_topic_partitions_response_topic_init(out);
    return t == NULL || is_hidden ? fill_missing(d, name, out) : fill_topic(d, t, out);
}

static bool
add_named(struct describe_topic_partitions *d)
{
    bool is_ok = true;
    for (size_t i = 0; is_ok && d->resp.next_cursor == NULL && i < d->name_count; i++) {
        struct topic *t = directory_find(d->req->broker->topics, d->names[i]);
        is_ok = add_topic(d, t, d->names[i]);
        topic_unref(&t);
    }
    return is_ok;
}

static bool
add_all(struct describe_topic_partitions *d)
{
    struct topic **list;
    size_t count = directory_list(d->req->broker->topics, &list);
    bool is_ok = true;
    for (size_t i = 0; is_ok && d->resp.next_cursor == NULL && i < count; i++) {
        is_ok = add_topic(d, list[i], list[i]->name);
    }
    directory_list_free(&list, count);
    return is_ok;
}

static bool
fill(struct describe_topic_partitions *d)
{
    /* every topic but those that do not exist takes a partition */
    size_t most = (size_t)PARTITIONS_MAX + 1 + d->name_count;
    d->resp.topics.items = (struct describe_topic_partitions_response_topic *)arena_array(
        &d->req->arena, most, sizeof(struct describe_topic_partitions_response_topic));
    if (d->resp.topics.items == NULL) {
        return false;
    }
    return d->names == NULL ? add_all(d) : add_named(d);
}

static void
reply(struct describe_topic_partitions *d)
{
    if (!fill(d)) {
        api_close(d->req, "the answer is too large; ask for less at once");
        return;
    }
    api_reply(d->req, d->h, &d->resp);
}

static void
refreshed(struct topics_refresh *r)
{
    reply((struct describe_topic_partitions *)r->arg);
}

/* A cursor that makes no sense: every topic that was asked for says so, there is no other place. */
static void
refuse(struct describe_topic_partitions *d)
{
    size_t count = d->in.topics.count;
    d->resp.topics.items = (struct describe_topic_partitions_response_topic *)arena_array(
        &d->req->arena, count, sizeof(struct describe_topic_partitions_response_topic));
    if (d->resp.topics.items == NULL) {
        api_close(d->req, "the request names too many topics");
        return;
    }
    d->resp.topics.count = count;
    for (size_t i = 0; i < count; i++) {
        describe_topic_partitions_response_topic_init(&d->resp.topics.items[i]);
        d->resp.topics.items[i].error_code = KAFKA_INVALID_REQUEST;
        d->resp.topics.items[i].name = d->in.topics.items[i].name;
    }
    api_reply(d->req, d->h, &d->resp);
}

/* R8: all, or a name that is not known, is only the truth after a look at the tail. */
static bool
is_refresh_needed(const struct describe_topic_partitions *d)
{
    for (size_t i = 0; i < d->name_count; i++) {
        if (!is_before_cursor(d, d->names[i]) && api__is_topic_missing(d->req, d->names[i])) {
            return true;
        }
    }
    return d->names == NULL && d->in.cursor == NULL;
}

void
describe_topic_partitions_handle(struct request *req, const struct request_header *h)
{
    struct describe_topic_partitions *d =
        (struct describe_topic_partitions *)arena_alloc(&req->arena, sizeof(*d));
    if (d == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &d->in)) {
        return;
    }
    d->req = req;
    d->h = h;
    d->self = req->broker->node_id;
    d->left = d->in.response_partition_limit < 1                ? 1
              : d->in.response_partition_limit > PARTITIONS_MAX ? PARTITIONS_MAX
                                                                : d->in.response_partition_limit;
    req->arena.ceiling = ARENA_MAX; /* the answer is far larger than the question */
    if (d->in.cursor != NULL && d->in.cursor->partition_index < 0) {
        refuse(d);
        return;
    }
    if (!sort_names(d)) {
        api_close(req, "the request names too many topics");
        return;
    }
    if (is_refresh_needed(d)) {
        api__refresh_topics(req, &d->refresh, refreshed, d);
        return;
    }
    reply(d);
}
