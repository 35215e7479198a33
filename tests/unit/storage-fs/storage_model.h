/* Random operations on any sluice.storage/1, compared with a map. The seed of the conformance kit:
 * it knows the table and the contract in sluice/storage.h, nothing of the plugin behind.
 *
 * Every answer is checked in full: bytes, sizes, order, who wins. A failure prints the seed and the
 * number of the operation. */
#ifndef SLUICE_TESTS_STORAGE_MODEL_H
#define SLUICE_TESTS_STORAGE_MODEL_H

#include "base/buf.h"

#include <sluice/storage.h>
#include <stdio.h>
#include <stdlib.h>

enum { MODEL_KEYS = 48, MODEL_LEN_MAX = 700 * 1024 };

struct model_object {
    char key[64];
    bool is_there;
    size_t len;
    uint64_t fill;
};

struct model {
    const sluice_storage *table;
    sluice_instance *instance;
    void *arg;
    void (*reopen)(struct model *m); /* NULL: never */
    uint64_t seed, random;
    long op;
    struct model_object objects[MODEL_KEYS]; /* in order of keys */
    uint8_t *scratch;                        /* 4096-aligned, MODEL_LEN_MAX bytes and a block */
};

#define MODEL_CHECK(m, cond)                                                                       \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            (void)fprintf(stderr, "model: seed %llu, operation %ld: %s (line %d)\n",               \
                          (unsigned long long)(m)->seed, (m)->op, #cond, __LINE__);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline uint64_t
model_random(struct model *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random;
}

static inline uint64_t
model_below(struct model *m, uint64_t n)
{
    return (model_random(m) >> 11) % n;
}

static inline int
model_order(const void *a, const void *b)
{
    return strcmp(((const struct model_object *)a)->key, ((const struct model_object *)b)->key);
}

static inline void
model_init(struct model *m, uint64_t seed)
{
    static const char *const odd[] = {"a.b", "a-/x", "a/x", "a/y/z", "b", "b~1/x", "b0", "a/y.z"};
    memset(m->objects, 0, sizeof(m->objects));
    m->seed = seed;
    m->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    m->op = 0;
    m->scratch = (uint8_t *)aligned_alloc(4096, MODEL_LEN_MAX + 4096);
    for (int i = 0; i < MODEL_KEYS; i++) {
        struct model_object *o = &m->objects[i];
        if (i < 8) {
            (void)snprintf(o->key, sizeof(o->key), "%s", odd[i]);
        } else {
            (void)snprintf(o->key, sizeof(o->key), "j/%d/%020d", i % 2, i);
        }
    }
    qsort(m->objects, MODEL_KEYS, sizeof(m->objects[0]), model_order);
}

static inline void
model_fini(struct model *m)
{
    free(m->scratch);
}

static inline sluice_slice
model_slice(const char *s)
{
    return (sluice_slice){(const uint8_t *)s, strlen(s)};
}

/* Byte i of an object depends on its fill and on i, so that a range is checked at its place. */
static inline void
model_fill(uint8_t *out, size_t len, uint64_t fill)
{
    for (size_t i = 0; i < len; i += 8) {
        uint64_t v = (fill ^ i) * UINT64_C(0x9E3779B97F4A7C15);
        size_t n = len - i < 8 ? len - i : 8;
        memcpy(out + i, &v, n);
    }
}

static inline size_t
model_len(struct model *m)
{
    static const size_t near[] = {0, 100, 3900, 4096, 65536, 128 * 1024, 300 * 1024, 680 * 1024};
    size_t base = near[model_below(m, 8)];
    size_t jitter = (size_t)model_below(m, 400);
    return base + jitter;
}

static inline sluice_status
model_put_parts(struct model *m, const struct model_object *o, size_t len, uint64_t fill,
                uint32_t flags)
{
    sluice_slice parts[3];
    size_t cut = len == 0 ? 0 : (size_t)model_below(m, 3) * (size_t)model_below(m, 500);
    cut = cut > len ? len : cut;
    model_fill(m->scratch, len, fill);
    uint8_t *head = (uint8_t *)malloc(cut + 1);
    uint8_t *body = (uint8_t *)aligned_alloc(4096, (len - cut + 4096) / 4096 * 4096);
    memcpy(head, m->scratch, cut);
    memcpy(body, m->scratch + cut, len - cut); /* an aligned run behind an odd beginning */
    parts[0] = (sluice_slice){head, cut};
    parts[1] = (sluice_slice){body, len - cut};
    parts[2] = (sluice_slice){NULL, 0};
    sluice_put_opts opts = {.size = sizeof(opts), .flags = flags};
    sluice_put_result result = {.size = sizeof(result)};
    sluice_status rc =
        m->table->put(m->instance, model_slice(o->key), parts, 3, &opts, &result, NULL);
    free(head);
    free(body);
    return rc;
}

static inline void
model_put(struct model *m, struct model_object *o)
{
    bool is_if_absent = model_below(m, 4) != 0;
    uint32_t flags = (is_if_absent ? SLUICE_PUT_IF_ABSENT : 0) |
                     (o->key[0] == 'j' && model_below(m, 8) != 0 ? SLUICE_PUT_SEQUENCE : 0);
    size_t len = model_len(m);
    uint64_t fill = model_random(m);
    sluice_status rc = model_put_parts(m, o, len, fill, flags);
    if (is_if_absent && o->is_there) {
        MODEL_CHECK(m, rc == SLUICE_EEXIST);
        return;
    }
    MODEL_CHECK(m, rc == SLUICE_OK);
    o->is_there = true;
    o->len = len;
    o->fill = fill;
}

static inline void
model_get_range(struct model *m, const struct model_object *o, uint64_t offset, uint64_t length)
{
    sluice_get_result r = {.size = sizeof(r)};
    sluice_status rc = m->table->get(m->instance, model_slice(o->key), offset, length, &r, NULL);
    if (!o->is_there) {
        MODEL_CHECK(m, rc == SLUICE_ENOENT && r.body == NULL);
        return;
    }
    MODEL_CHECK(m, rc == SLUICE_OK && r.body != NULL && r.object_size == o->len);
    size_t left = offset < o->len ? o->len - (size_t)offset : 0;
    size_t want = length == 0 || length > left ? left : (size_t)length;
    MODEL_CHECK(m, r.body->bytes.len == want);
    model_fill(m->scratch, o->len, o->fill);
    MODEL_CHECK(m, want == 0 || memcmp(r.body->bytes.ptr, m->scratch + offset, want) == 0);
    r.body->release(r.body);
}

static inline void
model_get(struct model *m, const struct model_object *o)
{
    if (model_below(m, 2) == 0) {
        model_get_range(m, o, 0, 0);
        return;
    }
    uint64_t offset = model_below(m, o->len + 20);
    model_get_range(m, o, offset, model_below(m, o->len + 20));
}

static inline void
model_head(struct model *m, const struct model_object *o)
{
    sluice_get_result r = {.size = sizeof(r)};
    sluice_status rc = m->table->head(m->instance, model_slice(o->key), &r, NULL);
    MODEL_CHECK(m, rc == (o->is_there ? SLUICE_OK : SLUICE_ENOENT));
    MODEL_CHECK(m, r.body == NULL && (!o->is_there || r.object_size == o->len));
}

static inline void
model_del(struct model *m, struct model_object *o)
{
    MODEL_CHECK(m, m->table->del(m->instance, model_slice(o->key), NULL) == SLUICE_OK);
    o->is_there = false;
}

struct model_sink {
    sluice_list_sink pub;
    struct model *m;
    size_t at; /* in m->objects */
    const char *prefix, *after;
    size_t count;
};

static inline void
model_sink_skip(struct model_sink *s)
{
    while (s->at < MODEL_KEYS) {
        const struct model_object *o = &s->m->objects[s->at];
        if (o->is_there && strncmp(o->key, s->prefix, strlen(s->prefix)) == 0 &&
            strcmp(o->key, s->after) > 0) {
            break;
        }
        s->at++;
    }
}

static inline sluice_status
model_sink_add(sluice_list_sink *pub, const sluice_list_entry *e)
{
    struct model_sink *s = (struct model_sink *)pub;
    struct model *m = s->m;
    model_sink_skip(s);
    MODEL_CHECK(m, s->at < MODEL_KEYS);
    const struct model_object *o = &m->objects[s->at++];
    MODEL_CHECK(m, e->key.len == strlen(o->key) && memcmp(e->key.ptr, o->key, e->key.len) == 0);
    MODEL_CHECK(m, e->object_size == o->len && e->modified_ms > 0);
    s->count++;
    return SLUICE_OK;
}

static inline void
model_list(struct model *m)
{
    static const char *const prefixes[] = {"",   "a",    "a/",       "a/y", "b",
                                           "j/", "j/1/", "j/1/0000", "z"};
    const char *prefix = prefixes[model_below(m, 9)];
    const char *after = model_below(m, 2) == 0 ? "" : m->objects[model_below(m, MODEL_KEYS)].key;
    uint32_t max = 1 + (uint32_t)model_below(m, MODEL_KEYS + 4);
    struct model_sink s = {{sizeof(s.pub), model_sink_add}, m, 0, prefix, after, 0};
    sluice_status rc =
        m->table->list(m->instance, model_slice(prefix), model_slice(after), max, &s.pub, NULL);
    MODEL_CHECK(m, rc == SLUICE_OK && s.count <= max);
    model_sink_skip(&s);
    MODEL_CHECK(m, s.count == max || s.at == MODEL_KEYS); /* short only at the end */
}

static inline void
model_step(struct model *m)
{
    struct model_object *o = &m->objects[model_below(m, MODEL_KEYS)];
    uint64_t dice = model_below(m, 100);
    m->op++;
    if (dice < 40) {
        model_put(m, o);
    } else if (dice < 65) {
        model_get(m, o);
    } else if (dice < 70) {
        model_head(m, o);
    } else if (dice < 85) {
        model_del(m, o);
    } else if (dice < 98 || m->reopen == NULL) {
        model_list(m);
    } else {
        m->reopen(m);
    }
}

/* Everything that should be there is, and nothing else. */
static inline void
model_check_all(struct model *m)
{
    for (int i = 0; i < MODEL_KEYS; i++) {
        model_get_range(m, &m->objects[i], 0, 0);
    }
    struct model_sink s = {{sizeof(s.pub), model_sink_add}, m, 0, "", "", 0};
    sluice_status rc =
        m->table->list(m->instance, model_slice(""), model_slice(""), 1000, &s.pub, NULL);
    MODEL_CHECK(m, rc == SLUICE_OK);
    model_sink_skip(&s);
    MODEL_CHECK(m, s.at == MODEL_KEYS);
}

#endif
