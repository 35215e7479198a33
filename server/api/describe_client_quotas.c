/* DescribeClientQuotas: the quotas of entities that pass a filter. They are read from the state of
 * journal 0, on its loop, after it was read to its tail; the request's arena goes there and back
 * with the request, so nobody else touches it meanwhile. */
#include "wire/messages/describe_client_quotas.h"

#include "api/quota_entities_int.h"

enum { MATCH_EXACT = 0, MATCH_DEFAULT = 1, MATCH_ANY = 2, ARENA_MAX = 64 << 20 };

struct describe_client_quotas {
    struct request *req;
    const struct request_header *h;
    struct describe_client_quotas_request in;
    struct describe_client_quotas_response resp;
    struct topics_refresh refresh;
    const struct describe_client_quotas_request_component *by_kind[ENTITY_KINDS];
    struct sched_task task;
    bool is_too_large;
};

/* --- the filter --- */

static bool
refuse(struct describe_client_quotas *d, int16_t code, struct span why)
{
    d->resp.error_code = code;
    d->resp.error_message = why;
    d->resp.entries.items = NULL; /* null */
    return false;
}

static bool
judge_component(struct describe_client_quotas *d,
                const struct describe_client_quotas_request_component *c)
{
    struct request *req = d->req;
    enum quota_entity_kind kind = api__entity_kind(c->entity_type);
    int len = (int)(c->entity_type.len < 100 ? c->entity_type.len : 100);
    const char *text = (const char *)c->entity_type.ptr;
    if (len == 0) {
        return refuse(d, KAFKA_INVALID_REQUEST, span_cstr("Invalid empty entity type."));
    }
    if (kind == ENTITY_KINDS) {
        return refuse(d, KAFKA_UNSUPPORTED_VERSION,
                      api__text(req, "Unsupported entity type %.*s", len, text));
    }
    if (d->by_kind[kind] != NULL) {
        return refuse(d, KAFKA_INVALID_REQUEST,
                      api__text(req, "Entity type %.*s cannot appear more than once in the filter.",
                                len, text));
    }
    if (c->match_type < MATCH_EXACT || c->match_type > MATCH_ANY) {
        return refuse(d, KAFKA_INVALID_REQUEST,
                      api__text(req, "Unknown match type %d", c->match_type));
    }
    if (c->match_type == MATCH_EXACT && c->match.ptr == NULL) {
        return refuse(d, KAFKA_INVALID_REQUEST,
                      span_cstr("Request specified MATCH_TYPE_EXACT, but set match string to "
                                "null."));
    }
    if (c->match_type != MATCH_EXACT && c->match.ptr != NULL) {
        return refuse(d, KAFKA_INVALID_REQUEST,
                      api__text(req, "Request specified %s, but also specified a match string.",
                                c->match_type == MATCH_DEFAULT ? "MATCH_TYPE_DEFAULT"
                                                               : "MATCH_TYPE_SPECIFIED"));
    }
    d->by_kind[kind] = c;
    return true;
}

static bool
judge(struct describe_client_quotas *d)
{
    if (!authorize(d->req, ACL_DESCRIBE_CONFIGS, ACL_CLUSTER, span_cstr("kafka-cluster"))) {
        return refuse(d, KAFKA_CLUSTER_AUTHORIZATION_FAILED,
                      span_cstr(kafka_error_text(KAFKA_CLUSTER_AUTHORIZATION_FAILED)));
    }
    for (size_t i = 0; i < d->in.components.count; i++) {
        if (!judge_component(d, &d->in.components.items[i])) {
            return false;
        }
    }
    if (d->by_kind[ENTITY_IP] != NULL &&
        (d->by_kind[ENTITY_USER] != NULL || d->by_kind[ENTITY_CLIENT_ID] != NULL)) {
        return refuse(d, KAFKA_INVALID_REQUEST,
                      span_cstr("Invalid entity filter component combination. IP filter component "
                                "should not be used with user or clientId filter component."));
    }
    return true;
}

static bool
passes(const struct describe_client_quotas *d, struct quota_entity *e)
{
    for (int k = 0; k < ENTITY_KINDS; k++) {
        const struct describe_client_quotas_request_component *c = d->by_kind[k];
        enum quota_part part = *api__entity_part(e, (enum quota_entity_kind)k);
        if (c == NULL) {
            if (d->in.strict && part != QUOTA_ABSENT) {
                return false;
            }
            continue;
        }
        bool is_match =
            c->match_type == MATCH_ANY ? part != QUOTA_ABSENT
            : c->match_type == MATCH_DEFAULT
                ? part == QUOTA_DEFAULT
                : part == QUOTA_NAMED &&
                      span_eq(c->match, *api__entity_name(e, (enum quota_entity_kind)k));
        if (!is_match) {
            return false;
        }
    }
    return true;
}

/* --- [journal 0's loop] --- */

/* False at the arena's ceiling. */
static bool
fill_entry(struct arena *arena, const struct quota_state *s, struct quota_entity *e,
           struct describe_client_quotas_response_entry *out)
{
    out->entity.items = (struct describe_client_quotas_response_entity *)arena_array(
        arena, ENTITY_KINDS, sizeof(out->entity.items[0]));
    out->values.items = (struct describe_client_quotas_response_value *)arena_array(
        arena, s->value_count, sizeof(out->values.items[0]));
    if (out->entity.items == NULL || out->values.items == NULL) {
        return false;
    }
    for (int k = 0; k < ENTITY_KINDS; k++) {
        enum quota_part part = *api__entity_part(e, (enum quota_entity_kind)k);
        struct span name = *api__entity_name(e, (enum quota_entity_kind)k);
        if (part != QUOTA_ABSENT) {
            out->entity.items[out->entity.count++] =
                (struct describe_client_quotas_response_entity){
                    api__entity_word((enum quota_entity_kind)k),
                    part == QUOTA_NAMED ? arena_copy(arena, name) : (struct span){NULL, 0}};
        }
    }
    for (uint32_t i = 0; i < s->value_count; i++) {
        out->values.items[out->values.count++] = (struct describe_client_quotas_response_value){
            arena_copy(arena, s->values[i].key), s->values[i].value};
    }
    return true;
}

static void
reply(struct sched_task *task)
{
    struct describe_client_quotas *d = SL_CONTAINER_OF(task, struct describe_client_quotas, task);
    if (d->is_too_large) {
        api_close(d->req, "the answer is too large; ask for less at once");
        return;
    }
    api_reply(d->req, d->h, &d->resp);
}

static size_t
count_matching(const struct describe_client_quotas *d, const struct state *st)
{
    size_t pos = 0;
    size_t found = 0;
    for (const struct quota_state *s; (s = state_next_quota(st, &pos));) {
        struct quota_entity e = s->entity;
        found += passes(d, &e) ? 1 : 0;
    }
    return found;
}

static void
collect(struct sched_task *task)
{
    struct describe_client_quotas *d = SL_CONTAINER_OF(task, struct describe_client_quotas, task);
    const struct state *st = shard_state(d->req->broker->shards[0]);
    size_t pos = 0;
    d->resp.entries.items = (struct describe_client_quotas_response_entry *)arena_array(
        &d->req->arena, count_matching(d, st), sizeof(d->resp.entries.items[0]));
    d->is_too_large = d->resp.entries.items == NULL;
    for (const struct quota_state *s; !d->is_too_large && (s = state_next_quota(st, &pos));) {
        struct quota_entity e = s->entity;
        if (passes(d, &e)) {
            d->is_too_large =
                !fill_entry(&d->req->arena, s, &e, &d->resp.entries.items[d->resp.entries.count++]);
        }
    }
    d->task.run = reply;
    sched_post(d->req->loop, &d->task);
}

/* --- the request --- */

static void
refreshed(struct topics_refresh *r)
{
    struct describe_client_quotas *d = (struct describe_client_quotas *)r->arg;
    d->task.run = collect;
    sched_post(shard_sched(d->req->broker->shards[0]), &d->task);
}

void
describe_client_quotas_handle(struct request *req, const struct request_header *h)
{
    struct describe_client_quotas *d =
        (struct describe_client_quotas *)arena_alloc(&req->arena, sizeof(*d));
    if (d == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &d->in)) {
        return;
    }
    d->req = req;
    d->h = h;
    req->arena.ceiling = ARENA_MAX; /* the answer is far larger than the question */
    if (!judge(d)) {
        api_reply(req, h, &d->resp);
        return;
    }
    api__refresh_topics(req, &d->refresh, refreshed, d); /* R8: quotas stand in journal 0, too */
}
