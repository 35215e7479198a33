/* SPDX-License-Identifier: Apache-2.0
 *
 * An object store in memory: the smallest sluice.storage/1 that keeps every promise but the last
 * one (it forgets everything with its instance, and says so: SLUICE_STORE_VOLATILE).
 *
 * Objects stand in one list in order of keys, under one lock. No call waits for anything else, so
 * the host may call on its event loops (no SLUICE_F_MAY_BLOCK), and several at once. */
#include <pthread.h>
#include <sluice/helpers.h>
#include <sluice/storage.h>
#include <stdlib.h>

struct object {
    struct object *next;
    sluice_buf *body; /* never changes; a reader takes a reference */
    size_t key_len;
    char key[];
};

struct sluice_instance {
    const sluice_host *host;
    pthread_mutex_t lock; /* everything below */
    struct object *first; /* in ascending order of keys; what follows is called under the lock */
};

static int
key_order(const struct object *o, sluice_slice key)
{
    size_t n = o->key_len < key.len ? o->key_len : key.len;
    int order = n == 0 ? 0 : memcmp(o->key, key.ptr, n);
    return order != 0 ? order : (o->key_len > key.len) - (o->key_len < key.len);
}

static struct object **
place_of(sluice_instance *s, sluice_slice key)
{
    struct object **at = &s->first; /* the link to the first object whose key is not less */
    while (*at != NULL && key_order(*at, key) < 0) {
        at = &(*at)->next;
    }
    return at;
}

static struct object *
find(sluice_instance *s, sluice_slice key)
{
    struct object *o = *place_of(s, key);
    return o != NULL && key_order(o, key) == 0 ? o : NULL;
}

static struct object *
insert(sluice_instance *s, sluice_slice key)
{
    struct object **at = place_of(s, key);
    struct object *o = (struct object *)malloc(sizeof(*o) + key.len);
    if (o != NULL) {
        *o = (struct object){.next = *at, .key_len = key.len};
        memcpy(o->key, key.ptr, key.len);
        *at = o;
    }
    return o;
}

static void
cut(struct object **at)
{
    struct object *o = *at;
    *at = o->next;
    o->body->release(o->body);
    free(o);
}

static sluice_buf *
join(const sluice_host *host, const sluice_slice *parts, size_t count)
{
    uint8_t *at;
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += parts[i].len;
    }
    sluice_buf *body = host->buf_new(host, total, &at);
    for (size_t i = 0; i < count && body != NULL; at += parts[i++].len) {
        memcpy(at, parts[i].len == 0 ? (const uint8_t *)"" : parts[i].ptr, parts[i].len);
    }
    return body;
}

static sluice_status
memory_put(sluice_instance *s, sluice_slice key, const sluice_slice *parts, size_t count,
           const sluice_put_opts *opts, sluice_put_result *result, sluice_op *op)
{
    const uint32_t known = SLUICE_PUT_IF_ABSENT | SLUICE_PUT_CRC32C | SLUICE_PUT_SEQUENCE;
    if (!sluice_opts_tail_is_zero(opts, sizeof(*opts)) || (opts->flags & ~known) != 0) {
        return sluice_failf(s->host, NULL, SLUICE_ENOTSUP, "an option this store does not know");
    }
    sluice_status rc = SLUICE_OK;
    result->version[0] = '\0'; /* no versions here */
    sluice_buf *body = join(s->host, parts, count);
    if (body == NULL) {
        return sluice_failf(s->host, NULL, SLUICE_ENOMEM, "no memory for %.*s", (int)key.len,
                            (const char *)key.ptr);
    }
    pthread_mutex_lock(&s->lock);
    struct object *o = find(s, key);
    if (o != NULL && (opts->flags & SLUICE_PUT_IF_ABSENT) != 0) {
        rc = SLUICE_EEXIST;
    } else if (o == NULL && (o = insert(s, key)) == NULL) {
        rc = SLUICE_ENOMEM;
    } else {
        sluice_buf *old = o->body;
        o->body = body;
        body = old;
    }
    pthread_mutex_unlock(&s->lock);
    if (body != NULL) { /* what was replaced, or found no place */
        body->release(body);
    }
    (void)op; /* done before the call returns: nothing to complete */
    return rc;
}

static sluice_status
look_up(sluice_instance *s, sluice_slice key, sluice_get_result *result, sluice_buf **body_or_null)
{
    pthread_mutex_lock(&s->lock);
    const struct object *o = find(s, key);
    result->object_size = o == NULL ? 0 : o->body->bytes.len;
    if (o != NULL && body_or_null != NULL) {
        *body_or_null = o->body;
        o->body->retain(o->body);
    }
    pthread_mutex_unlock(&s->lock);
    return o == NULL ? SLUICE_ENOENT : SLUICE_OK;
}

static sluice_status
memory_get(sluice_instance *s, sluice_slice key, uint64_t offset, uint64_t length,
           sluice_get_result *result, sluice_op *op)
{
    sluice_buf *whole;
    sluice_status rc = look_up(s, key, result, &whole);
    if (rc == SLUICE_OK) {
        uint64_t left = offset < whole->bytes.len ? whole->bytes.len - offset : 0;
        uint64_t want = length == 0 || length > left ? left : length;
        const sluice_slice range = {want == 0 ? NULL : whole->bytes.ptr + offset, (size_t)want};
        result->body = join(s->host, &range, 1);
        rc = result->body == NULL ? SLUICE_ENOMEM : SLUICE_OK;
        whole->release(whole);
    }
    (void)op;
    return rc;
}

static sluice_status
memory_head(sluice_instance *s, sluice_slice key, sluice_get_result *result, sluice_op *op)
{
    (void)op;
    return look_up(s, key, result, NULL);
}

static sluice_status
memory_del(sluice_instance *s, sluice_slice key, sluice_op *op)
{
    pthread_mutex_lock(&s->lock);
    if (find(s, key) != NULL) {
        cut(place_of(s, key));
    }
    pthread_mutex_unlock(&s->lock);
    (void)op;
    return SLUICE_OK;
}

static sluice_status
memory_list(sluice_instance *s, sluice_slice prefix, sluice_slice after, uint32_t max,
            sluice_list_sink *sink, sluice_op *op)
{
    sluice_status rc = SLUICE_OK;
    pthread_mutex_lock(&s->lock);
    for (const struct object *o = *place_of(s, prefix); o != NULL && max > 0; o = o->next) {
        const sluice_list_entry e = {{(const uint8_t *)o->key, o->key_len}, o->body->bytes.len, 0};
        if (o->key_len < prefix.len || memcmp(o->key, prefix.ptr, prefix.len) != 0) {
            break;
        }
        if (key_order(o, after) > 0) {
            rc = sink->add(sink, &e);
            max = rc == SLUICE_OK ? max - 1 : 0;
        }
    }
    pthread_mutex_unlock(&s->lock);
    (void)op;
    return rc;
}

static sluice_status
memory_create(const sluice_host *host, sluice_instance **out)
{
    sluice_instance *s = (sluice_instance *)calloc(1, sizeof(*s));
    if (s != NULL) {
        s->host = host;
        (void)pthread_mutex_init(&s->lock, NULL);
    }
    *out = s;
    return s == NULL ? SLUICE_ENOMEM : SLUICE_OK;
}

static void
memory_destroy(sluice_instance *s)
{
    while (s->first != NULL) {
        cut(&s->first);
    }
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

static const sluice_storage storage = {.size = sizeof(storage),
                                       .capabilities = SLUICE_STORE_IF_ABSENT | SLUICE_STORE_LOCAL |
                                                       SLUICE_STORE_VOLATILE,
                                       .put = memory_put,
                                       .get = memory_get,
                                       .head = memory_head,
                                       .del = memory_del,
                                       .list = memory_list};

static const void *
memory_extension(sluice_instance *s, const char *id)
{
    (void)s;
    return strcmp(id, SLUICE_STORAGE_V1) == 0 ? &storage : NULL;
}

static const sluice_plugin plugin = {.size = sizeof(plugin),
                                     .abi_major = SLUICE_ABI_MAJOR,
                                     .needs_minor = SLUICE_ABI_MINOR,
                                     .id = "org.example.memory-store",
                                     .version = "1.0",
                                     .license = "Apache-2.0",
                                     .summary = "Objects in memory, as an example",
                                     .flags = SLUICE_F_CONCURRENT,
                                     .create = memory_create,
                                     .destroy = memory_destroy,
                                     .extension = memory_extension};

SLUICE_EXPORT sluice_status
sluice_plugin_open(const sluice_host *host, const sluice_plugin **out)
{
    (void)host;
    *out = &plugin;
    return SLUICE_OK;
}
