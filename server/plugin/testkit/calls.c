/* SPDX-License-Identifier: Apache-2.0
 *
 * The five storage calls, waited for. A plugin that did not say CONCURRENT is called under a lock,
 * as the server does; the waiting is outside of it. */
#include "base/buf.h"
#include "plugin/child.h"
#include "plugin/testkit/kit_int.h"

#include <stdarg.h>

enum { KEYS_KEPT = 8, KEY_BYTES = 160 };

static pthread_mutex_t serial = PTHREAD_MUTEX_INITIALIZER;

static void
call_begin(const char *call)
{
    char stage[CHILD_STAGE_BYTES];
    (void)snprintf(stage, sizeof(stage), "%s%s", call, kit.context == NULL ? "" : kit.context);
    child_enter(stage);
    if ((kit.plugin.flags & SLUICE_F_CONCURRENT) == 0) {
        pthread_mutex_lock(&serial);
    }
}

static sluice_status
call_end(struct kit__op *op, sluice_status returned)
{
    if ((kit.plugin.flags & SLUICE_F_CONCURRENT) == 0) {
        pthread_mutex_unlock(&serial);
    }
    sluice_status status = kit__op_end(op, returned);
    child_enter("the test itself");
    return status;
}

sluice_slice
kit__slice(const char *s)
{
    return (sluice_slice){(const uint8_t *)s, strlen(s)};
}

const char *
kit__key(const char *fmt, ...)
{
    static _Thread_local char keys[KEYS_KEPT][KEY_BYTES];
    static _Thread_local unsigned next;
    char *key = keys[next++ % KEYS_KEPT];
    int n = snprintf(key, KEY_BYTES, "%s", kit.prefix);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(key + n, KEY_BYTES - (size_t)n, fmt, ap);
    va_end(ap);
    return key;
}

const char *
kit__status_text(sluice_status status)
{
    static const char *const names[] = {
        "SLUICE_OK",        "SLUICE_EINVAL", "SLUICE_ENOMEM",  "SLUICE_EAGAIN",   "SLUICE_ETIMEOUT",
        "SLUICE_ECANCELED", "SLUICE_ENOENT", "SLUICE_EEXIST",  "SLUICE_EFENCED",  "SLUICE_ECORRUPT",
        "SLUICE_EDENIED",   "SLUICE_EIO",    "SLUICE_ENOTSUP", "SLUICE_EUNKNOWN", "SLUICE_ENOSPC"};
    if (status == SLUICE_PENDING) {
        return "SLUICE_PENDING";
    }
    return status <= 0 && status >= SLUICE_ENOSPC ? names[-status] : "a status without a name";
}

/* ---- put ---- */

sluice_status
kit__put_with(struct kit__life *l, const char *key, struct span body, const sluice_put_opts *opts,
              sluice_put_result *result)
{
    sluice_op *handle;
    struct kit__op *op = kit__op_new("put", kit__slice(key), &handle);
    /* Three parts, one of them absent, so that they have to be joined. */
    size_t cut = body.len / 3;
    const sluice_slice parts[] = {
        {body.ptr, cut}, {NULL, 0}, {body.ptr == NULL ? NULL : body.ptr + cut, body.len - cut}};
    sluice_put_result here = {.size = sizeof(here)};
    call_begin("put");
    sluice_status status = l->storage->put(l->self, kit__slice(key), parts, 3, opts, &here, handle);
    bool is_inline = status != SLUICE_PENDING;
    status = call_end(op, status);
    if (result != NULL) {
        *result = is_inline ? here : op->put;
        result->version[sizeof(result->version) - 1] = '\0';
    }
    return status;
}

sluice_status
kit__put(struct kit__life *l, const char *key, struct span body, uint32_t flags)
{
    const sluice_put_opts opts = {.size = sizeof(opts), .flags = flags};
    return kit__put_with(l, key, body, &opts, NULL);
}

void
kit__must_put(struct kit__life *l, const char *key, struct span body, uint32_t flags)
{
    sluice_status status = kit__put(l, key, body, flags);
    if (status != SLUICE_OK) {
        kit__fail(RULE_STORED, "put of %zu bytes at %s gave %s", body.len, key,
                  kit__status_text(status));
    }
}

/* ---- get, head ---- */

/* Takes the body out of the result. */
static struct buf *
body_take(const char *key, const sluice_get_result *r)
{
    sluice_buf *body = r->body;
    if (body == NULL) {
        kit__fail(RULE_BYTES, "get of %s gave SLUICE_OK without a body", key);
    }
    if (body->size < sizeof(*body) || body->release == NULL ||
        (body->bytes.ptr == NULL && body->bytes.len > 0)) {
        kit__fail(RULE_BUFFERS, "get of %s gave a buffer without release or bytes", key);
    }
    struct buf *b = buf_copy(span_of(body->bytes.ptr, body->bytes.len));
    body->release(body);
    return b;
}

sluice_status
kit__get(struct kit__life *l, const char *key, uint64_t offset, uint64_t length, struct buf **ret)
{
    sluice_op *handle;
    struct kit__op *op = kit__op_new("get", kit__slice(key), &handle);
    sluice_get_result here = {.size = sizeof(here)};
    *ret = NULL;
    call_begin("get");
    sluice_status status = l->storage->get(l->self, kit__slice(key), offset, length, &here, handle);
    bool is_inline = status != SLUICE_PENDING;
    status = call_end(op, status);
    const sluice_get_result *r = is_inline ? &here : &op->got;
    if (status == SLUICE_OK) {
        *ret = body_take(key, r);
        op->got.object_size = r->object_size;
        if ((*ret)->len > r->object_size) {
            kit__fail(RULE_RANGE, "get of %s gave %zu bytes of an object of %llu", key, (*ret)->len,
                      (unsigned long long)r->object_size);
        }
    }
    return status;
}

sluice_status
kit__head(struct kit__life *l, const char *key, sluice_get_result *ret)
{
    sluice_op *handle;
    struct kit__op *op = kit__op_new("head", kit__slice(key), &handle);
    sluice_get_result here = {.size = sizeof(here)};
    call_begin("head");
    sluice_status status = l->storage->head(l->self, kit__slice(key), &here, handle);
    bool is_inline = status != SLUICE_PENDING;
    status = call_end(op, status);
    *ret = is_inline ? here : op->got;
    ret->version[sizeof(ret->version) - 1] = '\0';
    if (status == SLUICE_OK && ret->body != NULL) {
        kit__fail(RULE_HEAD, "head of %s gave a body", key);
    }
    return status;
}

static size_t
first_difference(struct span a, struct span b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    size_t i = 0;
    while (i < n && a.ptr[i] == b.ptr[i]) {
        i++;
    }
    return i;
}

void
kit__must_hold(struct kit__life *l, const char *key, struct span body, enum kit__rule rule)
{
    struct buf *got;
    sluice_status status = kit__get(l, key, 0, 0, &got);
    if (status != SLUICE_OK) {
        kit__fail(rule, "get of %s, which was stored, gave %s", key, kit__status_text(status));
    }
    if (!span_eq(buf_span(got), body)) {
        kit__fail(rule == RULE_STORED ? RULE_BYTES : rule,
                  "get of %s gave %zu bytes for %zu stored; byte %zu differs", key, got->len,
                  body.len, first_difference(buf_span(got), body));
    }
    buf_unref(&got);
}

/* ---- del, list ---- */

sluice_status
kit__del(struct kit__life *l, const char *key)
{
    sluice_op *handle;
    struct kit__op *op = kit__op_new("del", kit__slice(key), &handle);
    call_begin("del");
    return call_end(op, l->storage->del(l->self, kit__slice(key), handle));
}

struct sink {
    sluice_list_sink pub;
    struct kit__listing *to;
    const char *prefix, *after;
    uint32_t max;
    bool has_refused;
};

static void
entry_check(const struct sink *s, struct span key)
{
    const struct kit__listing *to = s->to;
    size_t prefix = strlen(s->prefix);
    if (key.len < prefix || memcmp(key.ptr, s->prefix, prefix) != 0) {
        kit__fail(RULE_LISTED, "list of %s added %.*s", s->prefix, (int)key.len,
                  (const char *)key.ptr);
    }
    char text[600];
    span_to_cstr(key, text, sizeof(text));
    if (strcmp(text, s->after) <= 0) {
        kit__fail(RULE_LISTED, "list after %s added %s", s->after, text);
    }
    if (to->count > 0 && strcmp(text, to->items[to->count - 1].key) <= 0) {
        kit__fail(RULE_ORDER, "list added %s %s %s", text,
                  strcmp(text, to->items[to->count - 1].key) == 0 ? "twice, after" : "after",
                  to->items[to->count - 1].key);
    }
    if (to->count == s->max) {
        kit__fail(RULE_LISTED, "list of at most %u keys added one more: %s", s->max, text);
    }
}

static sluice_status
sink_add(sluice_list_sink *pub, const sluice_list_entry *e)
{
    struct sink *s = SL_CONTAINER_OF(pub, struct sink, pub);
    struct kit__listing *to = s->to;
    if (s->has_refused) {
        kit__fail(RULE_SINK, "list added another key after add() had refused one");
    }
    entry_check(s, span_of(e->key.ptr, e->key.len));
    if (to->count == to->cap) {
        to->cap = to->cap == 0 ? 64 : to->cap * 2;
        to->items = (struct kit__listed *)sl_realloc(to->items, to->cap * sizeof(*to->items));
    }
    char *key = (char *)sl_alloc(e->key.len + 1);
    memcpy(key, e->key.ptr, e->key.len);
    to->items[to->count++] = (struct kit__listed){key, e->object_size};
    s->has_refused = to->count == to->stop_after;
    return s->has_refused ? SLUICE_ECANCELED : SLUICE_OK;
}

sluice_status
kit__list(struct kit__life *l, const char *prefix, const char *after, uint32_t max,
          struct kit__listing *ret)
{
    sluice_op *handle;
    struct kit__op *op = kit__op_new("list", kit__slice(prefix), &handle);
    /* Never freed: a plugin that adds after the end is to be caught, not to corrupt. */
    struct sink *s = (struct sink *)sl_alloc(sizeof(*s));
    *s = (struct sink){{sizeof(s->pub), sink_add}, ret, prefix, after, max, false};
    call_begin("list");
    return call_end(
        op, l->storage->list(l->self, kit__slice(prefix), kit__slice(after), max, &s->pub, handle));
}

void
kit__listing_fini(struct kit__listing *l)
{
    for (size_t i = 0; i < l->count; i++) {
        sl_free(l->items[i].key);
    }
    sl_free(l->items);
    *l = (struct kit__listing){0};
}

void
kit__fill(uint8_t *out, size_t len, uint64_t fill)
{
    for (size_t i = 0; i < len; i += 8) {
        uint64_t v = (fill ^ i) * UINT64_C(0x9E3779B97F4A7C15);
        size_t n = len - i < 8 ? len - i : 8;
        memcpy(out + i, &v, n);
    }
}
