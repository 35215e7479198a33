/* AlterClientQuotas: what a user, a client id or an address, or the default of each, may use. Each
 * entry has its own outcome; those that are sound go into one op. */
#include "wire/messages/alter_client_quotas.h"

#include "admin/quota_alter.h"
#include "api/quota_entities_int.h"

#include <math.h>

enum { TIMEOUT_MS = 30000, ARENA_MAX = 32 << 20 };

struct alter_client_quotas {
    struct request *req;
    const struct request_header *h;
    struct alter_client_quotas_request in;
    struct alter_client_quotas_response resp;
    struct quota_op *ops; /* those that are sound */
    size_t *entry_of;     /* entry of each */
    struct api_name *keys;
    struct quota_alter work;
};

static bool
refuse(struct alter_client_quotas_response_entry *out, struct span why)
{
    out->error_code = KAFKA_INVALID_REQUEST;
    out->error_message = why;
    return false;
}

/* --- judge --- */

static bool
judge_part(struct request *req, const struct alter_client_quotas_request_entity *in,
           struct quota_entity *e, struct alter_client_quotas_response_entry *out)
{
    enum quota_entity_kind kind = api__entity_kind(in->entity_type);
    if (kind == ENTITY_KINDS) {
        return refuse(out, api__text(req, "Unhandled client quota entity type: %.*s",
                                     (int)in->entity_type.len, (const char *)in->entity_type.ptr));
    }
    if (in->entity_name.ptr != NULL && in->entity_name.len == 0) {
        return refuse(out, api__text(req, "Empty %.*s not supported", (int)in->entity_type.len,
                                     (const char *)in->entity_type.ptr));
    }
    if (in->entity_name.len > QUOTA_NAME_MAX) {
        return refuse(out, api__text(req, "A name has at most %d bytes.", QUOTA_NAME_MAX));
    }
    *api__entity_part(e, kind) = in->entity_name.ptr == NULL ? QUOTA_DEFAULT : QUOTA_NAMED;
    *api__entity_name(e, kind) = in->entity_name;
    return true;
}

static bool
judge_entity(struct request *req, const struct alter_client_quotas_request_entry *in,
             struct quota_entity *e, struct alter_client_quotas_response_entry *out)
{
    if (in->entity.count == 0) {
        return refuse(out, span_cstr("Invalid empty client quota entity"));
    }
    for (size_t i = 0; i < in->entity.count; i++) {
        if (!judge_part(req, &in->entity.items[i], e, out)) {
            return false;
        }
    }
    if (e->ip_part != QUOTA_ABSENT &&
        (e->user_part != QUOTA_ABSENT || e->client_part != QUOTA_ABSENT)) {
        return refuse(out, span_cstr("Invalid quota entity combination, IP entity should not be "
                                     "combined with User or ClientId"));
    }
    return true;
}

/* Which keys an entity may have, and whether they are whole numbers. */
static const struct {
    const char *key;
    bool is_for_ip, is_whole;
} known_keys[] = {{"producer_byte_rate", false, true},
                  {"consumer_byte_rate", false, true},
                  {"request_percentage", false, false},
                  {"controller_mutation_rate", false, false},
                  {"connection_creation_rate", true, true}};

static bool
judge_value(struct request *req, const struct alter_client_quotas_request_op *in, bool is_for_ip,
            struct alter_client_quotas_response_entry *out)
{
    int len = (int)(in->key.len < 64 ? in->key.len : 64);
    const char *text = (const char *)in->key.ptr;
    size_t i = 0;
    while (
        i < sizeof(known_keys) / sizeof(known_keys[0]) &&
        (known_keys[i].is_for_ip != is_for_ip || !span_eq(span_cstr(known_keys[i].key), in->key))) {
        i++;
    }
    if (i == sizeof(known_keys) / sizeof(known_keys[0])) {
        return refuse(out, api__text(req, "Invalid configuration key %.*s", len, text));
    }
    if (!(in->value > 0)) { /* also what is no number */
        return refuse(out, api__text(req, "Quota %.*s must be greater than 0", len, text));
    }
    if (known_keys[i].is_whole && in->value >= 9.2e18) {
        return refuse(
            out, api__text(req, "Proposed value for %.*s is too large for a LONG.", len, text));
    }
    if (known_keys[i].is_whole && (double)(int64_t)in->value != in->value) {
        return refuse(out, api__text(req, "%.*s cannot be a fractional value.", len, text));
    }
    if (!isfinite(in->value)) {
        return refuse(out, api__text(req, "Quota %.*s must be a finite number", len, text));
    }
    return true;
}

/* Fills op's values; a key that is removed and that nobody knows is passed over, as in Kafka. */
static bool
judge_values(struct request *req, const struct alter_client_quotas_request_entry *in,
             struct quota_op *op, struct alter_client_quotas_response_entry *out)
{
    struct quota_value *values =
        (struct quota_value *)arena_array(&req->arena, in->ops.count, sizeof(values[0]));
    op->values = values;
    if (values == NULL || in->ops.count > QUOTA_KEYS_MAX) {
        return refuse(out, span_cstr("Too many keys for one entity."));
    }
    for (size_t i = 0; i < in->ops.count; i++) {
        const struct alter_client_quotas_request_op *o = &in->ops.items[i];
        if (!o->remove && !judge_value(req, o, op->entity.ip_part != QUOTA_ABSENT, out)) {
            return false;
        }
        if (o->key.len > 0 && o->key.len <= 64) {
            values[op->count++] = (struct quota_value){
                .key = o->key, .value = o->remove ? 0 : o->value, .is_removed = o->remove};
        }
    }
    return true;
}

/* --- duplicates --- */

/* An entity as one text, in which no name can look like another part. */
static struct span
key_of(struct arena *arena, struct quota_entity *e)
{
    struct bytes b;
    bytes_init(&b, 8192);
    for (int kind = 0; kind < ENTITY_KINDS; kind++) {
        struct span name = *api__entity_name(e, (enum quota_entity_kind)kind);
        bytes_u8(&b, (uint8_t)*api__entity_part(e, (enum quota_entity_kind)kind));
        bytes_u32(&b, (uint32_t)name.len);
        bytes_append(&b, name.ptr, name.len);
    }
    struct span copy = arena_copy(arena, bytes_span(&b));
    bytes_fini(&b);
    return copy;
}

static void
refuse_duplicate(void *arg, size_t i)
{
    struct alter_client_quotas *x = (struct alter_client_quotas *)arg;
    (void)refuse(&x->resp.entries.items[x->entry_of[i]],
                 span_cstr("The entity stands in the request more than once"));
}

/* Takes the ops whose entries were refused out of the work. */
static void
keep_sound(struct alter_client_quotas *x, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (x->resp.entries.items[x->entry_of[i]].error_code == KAFKA_NONE) {
            x->entry_of[kept] = x->entry_of[i];
            x->ops[kept++] = x->ops[i];
        }
    }
    x->work.count = kept;
}

/* --- the request --- */

static void
altered(struct quota_alter *work)
{
    struct alter_client_quotas *x = (struct alter_client_quotas *)work->arg;
    for (size_t i = 0; work->rc != SL_OK && i < work->count; i++) {
        struct alter_client_quotas_response_entry *out = &x->resp.entries.items[x->entry_of[i]];
        out->error_code =
            work->rc == SL_ETOO_LARGE ? (int16_t)KAFKA_INVALID_REQUEST : kafka_error_of(work->rc);
        out->error_message = span_cstr(sl_err_text(work->rc));
    }
    api_reply(x->req, x->h, &x->resp);
}

/* Tells the entity back. False at the arena's ceiling. */
static bool
fill_entity(struct alter_client_quotas *x, size_t i)
{
    const struct alter_client_quotas_request_entry *in = &x->in.entries.items[i];
    struct alter_client_quotas_response_entry *out = &x->resp.entries.items[i];
    out->entity.count = in->entity.count;
    out->entity.items = (struct alter_client_quotas_response_entity *)arena_array(
        &x->req->arena, in->entity.count, sizeof(out->entity.items[0]));
    for (size_t k = 0; out->entity.items != NULL && k < in->entity.count; k++) {
        out->entity.items[k] = (struct alter_client_quotas_response_entity){
            in->entity.items[k].entity_type, in->entity.items[k].entity_name};
    }
    return out->entity.items != NULL;
}

static bool
allocate(struct alter_client_quotas *x)
{
    struct arena *arena = &x->req->arena;
    size_t count = x->in.entries.count;
    x->resp.entries.count = count;
    x->resp.entries.items = (struct alter_client_quotas_response_entry *)arena_array(
        arena, count, sizeof(x->resp.entries.items[0]));
    x->ops = (struct quota_op *)arena_array(arena, count, sizeof(x->ops[0]));
    x->entry_of = (size_t *)arena_array(arena, count, sizeof(size_t));
    x->keys = (struct api_name *)arena_array(arena, count, sizeof(x->keys[0]));
    bool is_ok =
        x->resp.entries.items != NULL && x->ops != NULL && x->entry_of != NULL && x->keys != NULL;
    for (size_t i = 0; is_ok && i < count; i++) {
        is_ok = fill_entity(x, i);
    }
    return is_ok;
}

static void
judge_all(struct alter_client_quotas *x)
{
    struct request *req = x->req;
    bool is_allowed = authorize(req, ACL_ALTER_CONFIGS, ACL_CLUSTER, span_cstr("kafka-cluster"));
    size_t count = 0;
    for (size_t i = 0; i < x->in.entries.count; i++) {
        const struct alter_client_quotas_request_entry *in = &x->in.entries.items[i];
        struct alter_client_quotas_response_entry *out = &x->resp.entries.items[i];
        struct quota_op *op = &x->ops[count];
        *op = (struct quota_op){0};
        if (!is_allowed) {
            out->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
            out->error_message = span_cstr(kafka_error_text(out->error_code));
            continue;
        }
        if (judge_entity(req, in, &op->entity, out) && judge_values(req, in, op, out)) {
            x->keys[count].name = key_of(&req->arena, &op->entity);
            x->entry_of[count++] = i;
        }
    }
    api__refuse_duplicates(x->keys, count, refuse_duplicate, x);
    keep_sound(x, count);
}

void
alter_client_quotas_handle(struct request *req, const struct request_header *h)
{
    struct alter_client_quotas *x =
        (struct alter_client_quotas *)arena_alloc(&req->arena, sizeof(*x));
    if (x == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &x->in)) {
        return;
    }
    x->req = req;
    x->h = h;
    req->arena.ceiling = ARENA_MAX;
    if (!allocate(x)) {
        api_close(req, "the request names too many entities");
        return;
    }
    judge_all(x);
    if (x->work.count == 0 || x->in.validate_only) {
        api_reply(req, h, &x->resp);
        return;
    }
    x->work.ops = x->ops;
    x->work.deadline_ns = api__deadline(req, TIMEOUT_MS);
    x->work.home = req->loop;
    x->work.done = altered;
    x->work.arg = x;
    quota_alter_submit(req->broker->shards[0], &x->work);
}
