/* DeleteTopics: by name, and from version 6 by id. Answered item by item when every journal has
 * retired what it had of the topics; a name can be used again at once. */
#include "wire/messages/delete_topics.h"

#include "api/api_int.h"

struct delete_topics {
    struct request *req;
    const struct request_header *h;
    struct delete_topics_request in;
    struct delete_topics_response resp;
    struct api_name *keys;
    struct topics_refresh refresh;
    struct topic_delete work;
};

static void
refuse(struct delete_topics_response_topic *out, int16_t code, const char *why)
{
    out->error_code = code;
    out->error_message = span_cstr(why);
}

static bool
has_id(const struct delete_topics_response_topic *out)
{
    static const uint8_t zero[16];
    return memcmp(out->topic_id, zero, sizeof(zero)) != 0;
}

/* --- reply --- */

static void
fill_item(const struct topic_delete_item *it, struct delete_topics_response_topic *out)
{
    if (it->is_skipped) {
        return; /* refused before */
    }
    switch (it->rc) {
    case SL_OK:
        memcpy(out->topic_id, it->found.b, sizeof(out->topic_id));
        return;
    case SL_EINVAL:
        refuse(out, KAFKA_INVALID_REQUEST,
               "The provided topic name maps to an ID that was already supplied.");
        return;
    default:
        refuse(out, kafka_error_of(it->rc), kafka_error_text(kafka_error_of(it->rc)));
        return;
    }
}

static void
deleted(struct topic_delete *work)
{
    struct delete_topics *d = (struct delete_topics *)work->arg;
    for (size_t i = 0; i < work->count; i++) {
        fill_item(&work->items[i], &d->resp.responses.items[i]);
    }
    api_reply(d->req, d->h, &d->resp);
}

/* --- judge --- */

/* What this broker knows of the topic that an item means: a reference, or NULL. */
static struct topic *
find(const struct delete_topics *d, const struct delete_topics_response_topic *out)
{
    struct uuid id;
    if (!has_id(out)) {
        return directory_find(d->req->broker->topics, out->name);
    }
    memcpy(id.b, out->topic_id, sizeof(id.b));
    return directory_find_id(d->req->broker->topics, &id);
}

/* Who may not describe a topic is not told that there is one. */
static int16_t
denied(const struct request *req, const struct topic *t, bool is_by_id)
{
    if (authorize(req, ACL_DELETE, ACL_TOPIC, t->name)) {
        return KAFKA_NONE;
    }
    return is_by_id && !authorize(req, ACL_DESCRIBE, ACL_TOPIC, t->name)
               ? KAFKA_UNKNOWN_TOPIC_ID
               : KAFKA_TOPIC_AUTHORIZATION_FAILED;
}

static void
judge_known(struct delete_topics *d, struct delete_topics_response_topic *out)
{
    struct topic *t = find(d, out);
    if (t == NULL) {
        int16_t code = has_id(out) ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        refuse(out, code, kafka_error_text(code));
        return;
    }
    int16_t code = denied(d->req, t, has_id(out));
    if (code != KAFKA_NONE) {
        refuse(out, code, kafka_error_text(code));
    } else if (has_id(out)) {
        out->name = arena_copy(&d->req->arena, t->name);
    }
    topic_unref(&t);
}

static void
judge_shape(struct delete_topics_response_topic *out)
{
    if (out->error_code != KAFKA_NONE) {
        return; /* named twice */
    }
    if (out->name.ptr != NULL && has_id(out)) {
        refuse(out, KAFKA_INVALID_REQUEST, "You may not specify both topic name and topic id.");
    } else if (out->name.ptr == NULL && !has_id(out)) {
        refuse(out, KAFKA_INVALID_REQUEST, "Neither topic name nor id were specified.");
    }
}

static void
refuse_duplicate(void *arg, size_t i)
{
    struct delete_topics_response_topic *out =
        &((struct delete_topics *)arg)->resp.responses.items[i];
    refuse(out, KAFKA_INVALID_REQUEST,
           has_id(out) ? "Duplicate topic id." : "Duplicate topic name.");
}

/* --- the request --- */

static void
submit(struct delete_topics *d)
{
    bool has_work = false;
    for (size_t i = 0; i < d->work.count; i++) {
        struct delete_topics_response_topic *out = &d->resp.responses.items[i];
        struct topic_delete_item *it = &d->work.items[i];
        bool is_by_id = has_id(out);
        if (out->error_code == KAFKA_NONE) {
            judge_known(d, out);
        }
        it->is_skipped = out->error_code != KAFKA_NONE;
        it->has_id = is_by_id;
        it->name = out->name;
        memcpy(it->id.b, out->topic_id, sizeof(it->id.b));
        has_work = has_work || !it->is_skipped;
    }
    if (!has_work) {
        api_reply(d->req, d->h, &d->resp);
        return;
    }
    d->work.deadline_ns = api__deadline(d->req, d->in.timeout_ms);
    d->work.home = d->req->loop;
    d->work.done = deleted;
    d->work.arg = d;
    topic_delete_submit(d->req->broker->topic_admin, &d->work);
}

static void
refreshed(struct topics_refresh *r)
{
    submit((struct delete_topics *)r->arg);
}

/* False when the arena is at its ceiling. */
static bool
allocate(struct delete_topics *d)
{
    struct arena *arena = &d->req->arena;
    bool is_by_topic = d->h->api_version >= 6;
    size_t count = is_by_topic ? d->in.topics.count : d->in.topic_names.count;
    d->resp.responses.items = (struct delete_topics_response_topic *)arena_array(
        arena, count, sizeof(struct delete_topics_response_topic));
    d->work.items = (struct topic_delete_item *)arena_array(arena, count, sizeof(d->work.items[0]));
    d->keys = (struct api_name *)arena_array(arena, count, sizeof(d->keys[0]));
    if (d->resp.responses.items == NULL || d->work.items == NULL || d->keys == NULL) {
        return false;
    }
    d->resp.responses.count = d->work.count = count;
    for (size_t i = 0; i < count; i++) {
        struct delete_topics_response_topic *out = &d->resp.responses.items[i];
        out->name = is_by_topic ? d->in.topics.items[i].name : d->in.topic_names.items[i];
        if (is_by_topic) {
            memcpy(out->topic_id, d->in.topics.items[i].topic_id, sizeof(out->topic_id));
        }
        d->keys[i] = has_id(out) ? (struct api_name){1, span_of(out->topic_id, 16)}
                                 : (struct api_name){0, out->name};
    }
    return true;
}

static bool
is_topic_missing(const struct delete_topics *d)
{
    bool is_missing = false;
    for (size_t i = 0; i < d->work.count && !is_missing; i++) {
        if (d->resp.responses.items[i].error_code == KAFKA_NONE) {
            struct topic *t = find(d, &d->resp.responses.items[i]);
            is_missing = t == NULL;
            topic_unref(&t);
        }
    }
    return is_missing;
}

void
delete_topics_handle(struct request *req, const struct request_header *h)
{
    struct delete_topics *d = (struct delete_topics *)arena_alloc(&req->arena, sizeof(*d));
    if (d == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &d->in)) {
        return;
    }
    d->req = req;
    d->h = h;
    if (!allocate(d)) {
        api_close(req, "the request names too many topics");
        return;
    }
    for (size_t i = 0; i < d->work.count; i++) {
        judge_shape(&d->resp.responses.items[i]);
    }
    api__refuse_duplicates(d->keys, d->work.count, refuse_duplicate, d);
    if (is_topic_missing(d)) {
        api__refresh_topics(req, &d->refresh, refreshed, d);
        return;
    }
    submit(d);
}
