#include "api/api_int.h"
#include "base/map.h"

#include <stdarg.h>
#include <stdio.h>

enum { TIMEOUT_MIN_MS = 100, TIMEOUT_MAX_MS = 300000, TEXT_MAX = 400, REFRESH_TIMEOUT_MS = 5000 };

const struct broker_listener *
api__listener(const struct request *req)
{
    const struct broker *br = req->broker;
    SL_ASSERT(br->listener_count > 0);
    for (size_t i = 0; i < br->listener_count; i++) {
        if (strcmp(br->listeners[i].name, req->conn->listener) == 0) {
            return &br->listeners[i];
        }
    }
    return &br->listeners[0];
}

struct span
api__text(struct request *req, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    struct span copy = arena_copy(&req->arena, span_cstr(text));
    return copy.ptr != NULL ? copy : span_cstr(fmt);
}

int16_t
api__topic_error(enum sl_err rc)
{
    return rc == SL_EDENIED ? (int16_t)KAFKA_TOPIC_AUTHORIZATION_FAILED : kafka_error_of(rc);
}

char *
api__cstr(struct request *req, struct span s)
{
    char *copy = (char *)arena_alloc(&req->arena, s.len + 1);
    if (copy != NULL && s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    return copy;
}

/* Kafka's AclOperation numbers. */
static const struct {
    enum acl_operation op;
    int bit;
    bool is_topic, is_cluster, is_group;
} operations[] = {
    {ACL_READ, 3, true, false, true},
    {ACL_WRITE, 4, true, false, false},
    {ACL_CREATE, 5, true, true, false},
    {ACL_DELETE, 6, true, false, true},
    {ACL_ALTER, 7, true, true, false},
    {ACL_DESCRIBE, 8, true, true, true},
    {ACL_CLUSTER_ACTION, 9, false, true, false},
    {ACL_DESCRIBE_CONFIGS, 10, true, true, false},
    {ACL_ALTER_CONFIGS, 11, true, true, false},
    {ACL_IDEMPOTENT_WRITE, 12, false, true, false},
};

int32_t
api__operations(const struct request *req, enum acl_resource resource, struct span name)
{
    int32_t bits = 0;
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        bool has = resource == ACL_TOPIC     ? operations[i].is_topic
                   : resource == ACL_CLUSTER ? operations[i].is_cluster
                                             : operations[i].is_group;
        if (has && authorize(req, operations[i].op, resource, name)) {
            bits |= (int32_t)1 << operations[i].bit;
        }
    }
    return bits;
}

int64_t
api__deadline(const struct request *req, int32_t timeout_ms)
{
    int64_t ms = timeout_ms < TIMEOUT_MIN_MS ? TIMEOUT_MIN_MS : timeout_ms;
    ms = ms > TIMEOUT_MAX_MS ? TIMEOUT_MAX_MS : ms;
    return sched_now(req->loop) + ms * SCHED_MS;
}

bool
api__is_topic_missing(const struct request *req, struct span name)
{
    if (!topic_name_is_valid(name)) {
        return false;
    }
    struct topic *t = directory_find(req->broker->topics, name);
    bool is_missing = t == NULL;
    topic_unref(&t);
    return is_missing;
}

void
api__refresh_topics(struct request *req, struct topics_refresh *r,
                    void (*done)(struct topics_refresh *r), void *arg)
{
    *r = (struct topics_refresh){.deadline_ns = api__deadline(req, REFRESH_TIMEOUT_MS),
                                 .home = req->loop,
                                 .done = done,
                                 .arg = arg};
    topics_refresh_submit(req->broker->topic_admin, r);
}

static bool
key_eq(const void *value, const void *key)
{
    const struct api_name *a = (const struct api_name *)value;
    const struct api_name *b = (const struct api_name *)key;
    return a->kind == b->kind && span_eq(a->name, b->name);
}

void
api__refuse_duplicates(const struct api_name *keys, size_t count,
                       void (*refuse)(void *arg, size_t i), void *arg)
{
    struct map seen = {0};
    bool *is_refused = (bool *)sl_alloc(count + 1);
    for (size_t i = 0; i < count; i++) {
        uint64_t hash =
            hash_bytes(keys[i].name.ptr, keys[i].name.len) ^ hash_u64((uint64_t)keys[i].kind);
        const struct api_name *first =
            (const struct api_name *)map_get(&seen, hash, key_eq, &keys[i]);
        if (first == NULL) {
            map_add(&seen, hash, (void *)(uintptr_t)&keys[i]);
            continue;
        }
        if (!is_refused[first - keys]) {
            is_refused[first - keys] = true;
            refuse(arg, (size_t)(first - keys));
        }
        refuse(arg, i);
    }
    sl_free(is_refused);
    map_fini(&seen);
}

struct quota_client
api__quota_client(const struct request *req)
{
    static const char kind[] = "User:";
    const char *principal = req->conn->principal;
    size_t skip = strncmp(principal, kind, sizeof(kind) - 1) == 0 ? sizeof(kind) - 1 : 0;
    return (struct quota_client){span_cstr(principal + skip), req->client_id};
}
