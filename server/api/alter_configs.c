/* IncrementalAlterConfigs and AlterConfigs: the values of topics, each resource judged on its own.
 *
 * The old API replaces every value that a topic has of its own; the new one sets, deletes, appends
 * and subtracts (KIP-339). A broker's configuration stands in its file and is not changed from
 * here. */
#include "wire/messages/alter_configs.h"

#include "admin/topic_alter.h"
#include "api/configs_int.h"
#include "wire/messages/incremental_alter_configs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    RESOURCE_TOPIC = 2,
    RESOURCE_BROKER = 4,
    RESOURCE_BROKER_LOGGER = 8,
    ARENA_MAX = 32 << 20,
    TIMEOUT_MS = 30000
};

/* A resource of either API. */
struct resource {
    int8_t type;
    struct span name;
    struct topic_edit *edits;
    size_t edit_count;
    int16_t code;
    struct span message;
};

struct alter {
    struct request *req;
    const struct request_header *h;
    struct resource *resources;
    size_t count;
    struct api_name *keys; /* of the resources */
    struct topics_refresh refresh;
    struct topic_alter work;
    size_t work_bytes;
    void (*reply)(struct alter *x);
};

static bool
refuse(struct resource *r, int16_t code, struct span message)
{
    r->code = code;
    r->message = message;
    return false;
}

/* --- judge --- */

/* "a,b": the names of edits that say nothing. */
static struct span
names_without_value(struct alter *x, const struct resource *r)
{
    char text[240] = "";
    size_t len = 0;
    for (size_t i = 0; i < r->edit_count; i++) {
        const struct topic_edit *e = &r->edits[i];
        if (e->kind != TOPIC_EDIT_DELETE && e->value.ptr == NULL && len < sizeof(text) / 2) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s", len == 0 ? "" : ",",
                                    (int)(e->name.len < 100 ? e->name.len : 100),
                                    (const char *)e->name.ptr);
        }
    }
    return len == 0 ? (struct span){NULL, 0}
                    : api__text(x->req, "Null value not supported for : %s", text);
}

static void
note_duplicate(void *arg, size_t i)
{
    (void)i;
    *(bool *)arg = true;
}

/* False when the arena is at its ceiling. */
static bool
has_duplicates(struct alter *x, const struct resource *r, bool *ret)
{
    struct api_name *keys =
        (struct api_name *)arena_array(&x->req->arena, r->edit_count, sizeof(keys[0]));
    *ret = false;
    for (size_t i = 0; keys != NULL && i < r->edit_count; i++) {
        keys[i].name = r->edits[i].name;
    }
    if (keys != NULL) {
        api__refuse_duplicates(keys, r->edit_count, note_duplicate, ret);
    }
    return keys != NULL;
}

static bool
judge_edits(struct alter *x, struct resource *r)
{
    bool is_twice;
    struct span nulls = names_without_value(x, r);
    if (!has_duplicates(x, r, &is_twice)) {
        return refuse(r, KAFKA_INVALID_REQUEST, span_cstr("The request is too large."));
    }
    if (is_twice) {
        return refuse(r, KAFKA_INVALID_REQUEST, span_cstr("Error due to duplicate config keys"));
    }
    if (nulls.ptr != NULL) {
        return refuse(r, KAFKA_INVALID_REQUEST, nulls);
    }
    for (size_t i = 0; i < r->edit_count; i++) {
        if ((int)r->edits[i].kind < TOPIC_EDIT_SET || r->edits[i].kind > TOPIC_EDIT_SUBTRACT) {
            return refuse(r, KAFKA_INVALID_REQUEST,
                          api__text(x->req, "Unknown config operation %d", (int)r->edits[i].kind));
        }
    }
    return true;
}

static bool
judge_topic(struct alter *x, struct resource *r)
{
    if (r->name.len == 0) {
        return refuse(r, KAFKA_INVALID_REQUEST,
                      span_cstr("Default topic resources are not allowed."));
    }
    if (!authorize(x->req, ACL_ALTER_CONFIGS, ACL_TOPIC, r->name)) {
        return refuse(r, KAFKA_TOPIC_AUTHORIZATION_FAILED, span_cstr("Authorization failed."));
    }
    if (!topic_name_is_valid(r->name)) {
        return refuse(r, KAFKA_INVALID_TOPIC_EXCEPTION, span_cstr("Topic name is invalid."));
    }
    return judge_edits(x, r);
}

static bool
is_number(struct span s)
{
    char text[16];
    char *end = NULL;
    if (s.len == 0 || s.len >= sizeof(text)) {
        return false;
    }
    span_to_cstr(s, text, sizeof(text));
    errno = 0;
    (void)strtol(text, &end, 10);
    return errno == 0 && *end == '\0';
}

/* Nothing of a broker can be changed while it runs, so there is nothing to accept. */
static bool
judge_broker(struct alter *x, struct resource *r)
{
    struct request *req = x->req;
    if (!authorize(req, ACL_ALTER_CONFIGS, ACL_CLUSTER, span_cstr("kafka-cluster"))) {
        return refuse(r, KAFKA_CLUSTER_AUTHORIZATION_FAILED, span_cstr("Authorization failed."));
    }
    if (r->name.len > 0 && !is_number(r->name)) {
        return refuse(r, KAFKA_INVALID_REQUEST,
                      api__text(req, "Node id must be an integer, but it is: %.*s",
                                (int)r->name.len, (const char *)r->name.ptr));
    }
    if (r->name.len > 0 && !span_eq(r->name, api__text(req, "%d", req->broker->node_id))) {
        return refuse(r, KAFKA_INVALID_REQUEST,
                      api__text(req, "Unexpected broker id, expected %d, but received %.*s",
                                req->broker->node_id, (int)r->name.len, (const char *)r->name.ptr));
    }
    if (r->edit_count == 0) {
        return true;
    }
    return refuse(r, KAFKA_INVALID_REQUEST,
                  api__text(req,
                            "Cannot update these configs dynamically: [%.*s%s]; a broker's "
                            "configuration stands in its file.",
                            (int)r->edits[0].name.len, (const char *)r->edits[0].name.ptr,
                            r->edit_count > 1 ? ", ..." : ""));
}

static bool
judge(struct alter *x, struct resource *r)
{
    if (r->code != KAFKA_NONE) {
        return false; /* named twice */
    }
    switch (r->type) {
    case RESOURCE_TOPIC:
        return judge_topic(x, r);
    case RESOURCE_BROKER:
        return judge_broker(x, r);
    case RESOURCE_BROKER_LOGGER:
        return refuse(r, KAFKA_INVALID_REQUEST,
                      span_cstr("The levels of a broker's loggers cannot be changed."));
    default:
        return refuse(r, KAFKA_INVALID_REQUEST,
                      api__text(x->req, "Unknown resource type %d", r->type));
    }
}

/* --- work --- */

static struct span
why_of(struct request *req, const struct topic_alter_item *it)
{
    if (it->rc == SL_EUNKNOWN_PARTITION) {
        return api__text(req, "The topic '%.*s' does not exist.", (int)it->topic.len,
                         (const char *)it->topic.ptr);
    }
    return it->rc == SL_EINVALID_CONFIG && it->why[0] != '\0' ? api__text(req, "%s", it->why)
                                                              : span_cstr(sl_err_text(it->rc));
}

static void
altered(struct topic_alter *work)
{
    struct alter *x = (struct alter *)work->arg;
    for (size_t i = 0; i < work->count; i++) {
        const struct topic_alter_item *it = &work->items[i];
        if (!it->is_skipped && it->rc != SL_OK) {
            (void)refuse(&x->resources[i], kafka_error_of(it->rc), why_of(x->req, it));
        }
    }
    x->reply(x);
}

static void
refreshed(struct topics_refresh *r)
{
    struct alter *x = (struct alter *)r->arg;
    topic_alter_submit(x->req->broker->topic_admin, &x->work);
}

/* Fills the item of a resource; is_skipped when there is nothing to do. */
static void
prepare_item(struct alter *x, struct resource *r, struct topic_alter_item *it)
{
    it->topic = r->name;
    it->edits = r->edits;
    it->edit_count = r->edit_count;
    it->is_replaced = x->h->api_key == API_ALTER_CONFIGS;
    it->cleanup_default = api__cleanup_default(x->req, r->name);
    it->is_skipped = !judge(x, r) || r->type != RESOURCE_TOPIC;
    if (it->is_skipped) {
        return;
    }
    x->work_bytes += topic_alter_item_bytes(it);
    if (x->work_bytes > TOPIC_ALTER_BYTES_MAX) {
        it->is_skipped = true;
        (void)refuse(r, KAFKA_INVALID_REQUEST,
                     span_cstr("The request is too large; change fewer topics at once."));
    }
}

static void
submit(struct alter *x, bool is_validate_only)
{
    bool has_work = false;
    bool is_missing = false;
    for (size_t i = 0; i < x->count; i++) {
        struct topic_alter_item *it = &x->work.items[i];
        prepare_item(x, &x->resources[i], it);
        has_work = has_work || !it->is_skipped;
        is_missing = is_missing || (!it->is_skipped && api__is_topic_missing(x->req, it->topic));
    }
    if (!has_work) {
        x->reply(x);
        return;
    }
    x->work.count = x->count;
    x->work.is_validate_only = is_validate_only;
    x->work.deadline_ns = api__deadline(x->req, TIMEOUT_MS);
    x->work.home = x->req->loop;
    x->work.done = altered;
    x->work.arg = x;
    if (is_missing) {
        api__refresh_topics(x->req, &x->refresh, refreshed, x); /* R8 */
        return;
    }
    topic_alter_submit(x->req->broker->topic_admin, &x->work);
}

static void
refuse_duplicate(void *arg, size_t i)
{
    struct alter *x = (struct alter *)arg;
    (void)refuse(&x->resources[i], KAFKA_INVALID_REQUEST,
                 span_cstr("Each resource must appear at most once."));
}

static void
start(struct alter *x, bool is_validate_only)
{
    for (size_t i = 0; i < x->count; i++) {
        x->keys[i] = (struct api_name){x->resources[i].type, x->resources[i].name};
    }
    api__refuse_duplicates(x->keys, x->count, refuse_duplicate, x);
    submit(x, is_validate_only);
}

/* --- the two APIs --- */

/* NULL when the arena is at its ceiling. */
static struct alter *
alter_new(struct request *req, const struct request_header *h, size_t count)
{
    struct alter *x = (struct alter *)arena_alloc(&req->arena, sizeof(*x));
    if (x == NULL) {
        return NULL;
    }
    x->req = req;
    x->h = h;
    x->count = count;
    x->resources = (struct resource *)arena_array(&req->arena, count, sizeof(x->resources[0]));
    x->keys = (struct api_name *)arena_array(&req->arena, count, sizeof(x->keys[0]));
    x->work.items =
        (struct topic_alter_item *)arena_array(&req->arena, count, sizeof(x->work.items[0]));
    return x->resources == NULL || x->keys == NULL || x->work.items == NULL ? NULL : x;
}

/* False when the arena is at its ceiling. */
static bool
resource_init(struct alter *x, size_t i, const struct resource *in)
{
    struct resource *r = &x->resources[i];
    *r = *in;
    r->edits = (struct topic_edit *)arena_array(&x->req->arena, r->edit_count, sizeof(r->edits[0]));
    return r->edits != NULL;
}

static void
reply_incremental(struct alter *x)
{
    struct incremental_alter_configs_response resp = {0};
    resp.responses.count = x->count;
    resp.responses.items = (struct incremental_alter_configs_response_resource *)arena_array(
        &x->req->arena, x->count, sizeof(resp.responses.items[0]));
    for (size_t i = 0; resp.responses.items != NULL && i < x->count; i++) {
        const struct resource *r = &x->resources[i];
        resp.responses.items[i] = (struct incremental_alter_configs_response_resource){
            r->code, r->message, r->type, r->name};
    }
    api_reply(x->req, x->h, &resp);
}

void
incremental_alter_configs_handle(struct request *req, const struct request_header *h)
{
    struct incremental_alter_configs_request in;
    if (!api_decode(req, h, &in)) {
        return;
    }
    req->arena.ceiling = ARENA_MAX;
    struct alter *x = alter_new(req, h, in.resources.count);
    bool is_ok = x != NULL;
    for (size_t i = 0; is_ok && i < in.resources.count; i++) {
        const struct incremental_alter_configs_request_resource *from = &in.resources.items[i];
        const struct resource r = {
            from->resource_type, from->resource_name, NULL, from->configs.count, 0, {NULL, 0}};
        is_ok = resource_init(x, i, &r);
        for (size_t k = 0; is_ok && k < from->configs.count; k++) {
            const struct incremental_alter_configs_request_config *c = &from->configs.items[k];
            x->resources[i].edits[k] =
                (struct topic_edit){c->name, (enum topic_edit_kind)c->config_operation, c->value};
        }
    }
    if (!is_ok) {
        api_close(req, "the request names too many resources");
        return;
    }
    x->reply = reply_incremental;
    start(x, in.validate_only);
}

static void
reply_replacing(struct alter *x)
{
    struct alter_configs_response resp = {0};
    resp.responses.count = x->count;
    resp.responses.items = (struct alter_configs_response_resource *)arena_array(
        &x->req->arena, x->count, sizeof(resp.responses.items[0]));
    for (size_t i = 0; resp.responses.items != NULL && i < x->count; i++) {
        const struct resource *r = &x->resources[i];
        resp.responses.items[i] =
            (struct alter_configs_response_resource){r->code, r->message, r->type, r->name};
    }
    api_reply(x->req, x->h, &resp);
}

void
alter_configs_handle(struct request *req, const struct request_header *h)
{
    struct alter_configs_request in;
    if (!api_decode(req, h, &in)) {
        return;
    }
    req->arena.ceiling = ARENA_MAX;
    struct alter *x = alter_new(req, h, in.resources.count);
    bool is_ok = x != NULL;
    for (size_t i = 0; is_ok && i < in.resources.count; i++) {
        const struct alter_configs_request_resource *from = &in.resources.items[i];
        const struct resource r = {
            from->resource_type, from->resource_name, NULL, from->configs.count, 0, {NULL, 0}};
        is_ok = resource_init(x, i, &r);
        for (size_t k = 0; is_ok && k < from->configs.count; k++) {
            const struct alter_configs_request_config *c = &from->configs.items[k];
            x->resources[i].edits[k] = (struct topic_edit){c->name, TOPIC_EDIT_SET, c->value};
        }
    }
    if (!is_ok) {
        api_close(req, "the request names too many resources");
        return;
    }
    x->reply = reply_replacing;
    start(x, in.validate_only);
}
