#include "admin/directory.h"

#include "base/buf.h"
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>

struct directory {
    /* A lock, because every loop reads and one writes; see the header. */
    pthread_rwlock_t lock;
    struct map by_name, by_id;
    _Atomic uint64_t version;
    _Atomic bool is_complete;
    topic_defaults_fn defaults;
    void *defaults_arg;
};

static bool
name_eq(const void *value, const void *key)
{
    return span_eq(((const struct topic *)value)->name, *(const struct span *)key);
}

static bool
id_eq(const void *value, const void *key)
{
    return uuid_eq(&((const struct topic *)value)->id, (const struct uuid *)key);
}

struct directory *
directory_new(topic_defaults_fn defaults, void *arg)
{
    struct directory *d = (struct directory *)sl_alloc(sizeof(*d));
    (void)pthread_rwlock_init(&d->lock, NULL);
    atomic_store(&d->version, 1);
    d->defaults = defaults;
    d->defaults_arg = arg;
    return d;
}

void
directory_destroy(struct directory **pd)
{
    struct directory *d = *pd;
    *pd = NULL;
    if (d == NULL) {
        return;
    }
    size_t pos = 0;
    for (struct topic *t; (t = (struct topic *)map_next(&d->by_name, &pos));) {
        topic_unref(&t);
    }
    map_fini(&d->by_name);
    map_fini(&d->by_id);
    (void)pthread_rwlock_destroy(&d->lock);
    sl_free(d);
}

struct topic *
topic_ref(struct topic *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void
topic_unref(struct topic **pt)
{
    struct topic *t = *pt;
    *pt = NULL;
    if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < t->config_count; i++) {
        sl_free(t->configs[i].name);
        sl_free(t->configs[i].value);
    }
    sl_free((void *)(uintptr_t)t->configs);
    sl_free((void *)(uintptr_t)t->journals);
    sl_free((void *)(uintptr_t)t->name.ptr);
    sl_free(t);
}

struct topic *
directory_find(struct directory *d, struct span name)
{
    (void)pthread_rwlock_rdlock(&d->lock);
    struct topic *t =
        (struct topic *)map_get(&d->by_name, hash_bytes(name.ptr, name.len), name_eq, &name);
    if (t != NULL) {
        (void)topic_ref(t);
    }
    (void)pthread_rwlock_unlock(&d->lock);
    return t;
}

struct topic *
directory_find_id(struct directory *d, const struct uuid *id)
{
    (void)pthread_rwlock_rdlock(&d->lock);
    struct topic *t =
        (struct topic *)map_get(&d->by_id, hash_bytes(id->b, sizeof(id->b)), id_eq, id);
    if (t != NULL) {
        (void)topic_ref(t);
    }
    (void)pthread_rwlock_unlock(&d->lock);
    return t;
}

static int
compare_names(const void *a, const void *b)
{
    const struct topic *x = *(struct topic *const *)a;
    const struct topic *y = *(struct topic *const *)b;
    return strcmp((const char *)x->name.ptr, (const char *)y->name.ptr);
}

size_t
directory_list(struct directory *d, struct topic ***ret)
{
    size_t count = 0;
    size_t pos = 0;
    (void)pthread_rwlock_rdlock(&d->lock);
    struct topic **list =
        (struct topic **)sl_alloc((d->by_name.count + 1) * sizeof(struct topic *));
    for (struct topic *t; (t = (struct topic *)map_next(&d->by_name, &pos));) {
        list[count++] = topic_ref(t);
    }
    (void)pthread_rwlock_unlock(&d->lock);
    qsort(list, count, sizeof(struct topic *), compare_names);
    *ret = list;
    return count;
}

void
directory_list_free(struct topic ***list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        topic_unref(&(*list)[i]);
    }
    sl_free(*list);
    *list = NULL;
}

void
directory_defaults(const struct directory *d, const char *name, struct topic_options *ret)
{
    *ret = (struct topic_options){.max_message_bytes = 1048588,
                                  .is_deleted = true,
                                  .retention_ms = INT64_C(604800000),
                                  .retention_bytes = -1,
                                  .segment_bytes = INT64_C(1) << 30,
                                  .segment_ms = INT64_C(604800000),
                                  .delete_retention_ms = INT64_C(86400000),
                                  .max_compaction_lag_ms = INT64_MAX,
                                  .dirty_ratio_pm = 500,
                                  .timestamp_before_max_ms = INT64_MAX,
                                  .timestamp_after_max_ms = INT64_C(3600000)};
    if (d->defaults != NULL) {
        d->defaults(d->defaults_arg, name, ret);
    }
}

static struct topic_config *
copy_configs(const struct topic_state *t)
{
    struct topic_config *copy =
        (struct topic_config *)sl_alloc((t->config_count + 1) * sizeof(*copy));
    for (size_t i = 0; i < t->config_count; i++) {
        copy[i].name = sl_strdup(t->configs[i].name);
        copy[i].value = sl_strdup(t->configs[i].value);
    }
    return copy;
}

static struct topic *
topic_of(const struct directory *d, const struct topic_state *st)
{
    struct topic *t = (struct topic *)sl_alloc(sizeof(*t));
    size_t count = (size_t)st->partition_count;
    uint32_t *journals = (uint32_t *)sl_alloc(count * sizeof(uint32_t));
    struct topic_options defaults;
    memcpy(journals, st->journals, count * sizeof(uint32_t));
    atomic_store(&t->refs, 1);
    t->id = st->id;
    t->name = span_cstr(sl_strdup(st->name));
    t->incarnation = st->incarnation;
    t->partition_count = st->partition_count;
    t->opened_count = st->opened_count;
    t->journals = journals;
    t->configs = copy_configs(st);
    t->config_count = st->config_count;
    t->created_ms = st->created_ms;
    directory_defaults(d, st->name, &defaults);
    topic_options_of(t->configs, t->config_count, &defaults, &t->options);
    return t;
}

void
directory_update(struct directory *d, const struct topic_state *st)
{
    if (st->is_deleting) {
        return; /* an op that came late; its name may be another's already */
    }
    struct topic *t = topic_of(d, st);
    uint64_t name_hash = hash_bytes(t->name.ptr, t->name.len);
    uint64_t id_hash = hash_bytes(t->id.b, sizeof(t->id.b));
    (void)pthread_rwlock_wrlock(&d->lock);
    struct topic *old = (struct topic *)map_remove(&d->by_name, name_hash, name_eq, &t->name);
    if (old != NULL) {
        (void)map_remove(&d->by_id, hash_bytes(old->id.b, sizeof(old->id.b)), id_eq, &old->id);
    }
    map_add(&d->by_name, name_hash, t);
    map_add(&d->by_id, id_hash, t);
    atomic_fetch_add(&d->version, 1); /* under the lock: who sees it sees the topic */
    (void)pthread_rwlock_unlock(&d->lock);
    topic_unref(&old);
}

static void
forget(struct directory *d, const struct uuid *id)
{
    (void)pthread_rwlock_wrlock(&d->lock);
    struct topic *t =
        (struct topic *)map_remove(&d->by_id, hash_bytes(id->b, sizeof(id->b)), id_eq, id);
    if (t != NULL) {
        uint64_t hash = hash_bytes(t->name.ptr, t->name.len);
        if (map_get(&d->by_name, hash, name_eq, &t->name) == t) {
            (void)map_remove(&d->by_name, hash, name_eq, &t->name);
        }
        atomic_fetch_add(&d->version, 1);
    }
    (void)pthread_rwlock_unlock(&d->lock);
    topic_unref(&t);
}

void
directory_remove(struct directory *d, const struct topic_state *st)
{
    forget(d, &st->id);
}

void
directory_reconcile(struct directory *d, const struct state *st)
{
    struct topic **list;
    size_t count = directory_list(d, &list);
    for (size_t i = 0; i < count; i++) {
        const struct topic_state *t = state_find_topic_id(st, &list[i]->id);
        if (t == NULL || t->is_deleting) {
            forget(d, &list[i]->id);
        }
    }
    directory_list_free(&list, count);
    atomic_store(&d->is_complete, true);
}

uint64_t
directory_version(const struct directory *d)
{
    return atomic_load(&d->version);
}

bool
directory_is_complete(const struct directory *d)
{
    return atomic_load(&d->is_complete);
}
