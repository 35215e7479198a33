#include "admin/quotas.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

/* Kafka's order; a part that is absent does not matter. */
static const struct level {
    enum quota_part user, client;
} levels[] = {
    {QUOTA_NAMED, QUOTA_NAMED},   {QUOTA_NAMED, QUOTA_DEFAULT},   {QUOTA_NAMED, QUOTA_ABSENT},
    {QUOTA_DEFAULT, QUOTA_NAMED}, {QUOTA_DEFAULT, QUOTA_DEFAULT}, {QUOTA_DEFAULT, QUOTA_ABSENT},
    {QUOTA_ABSENT, QUOTA_NAMED},  {QUOTA_ABSENT, QUOTA_DEFAULT},
};
enum { LEVELS = sizeof(levels) / sizeof(levels[0]) };

static const struct {
    const char *key;
    enum quota_kind kind;
    double scale; /* from the key's unit to ours, a second */
} keys[] = {{"producer_byte_rate", QUOTA_PRODUCE, 1},
            {"consumer_byte_rate", QUOTA_FETCH, 1},
            {"request_percentage", QUOTA_REQUEST, 0.01}};

/* A limit or a bucket is found by its level, its kind and its names. */
struct quota_key {
    size_t level;
    enum quota_kind kind; /* of a bucket */
    struct quota_client names;
};

struct quota_limit {
    struct quota_key key;
    double rates[QUOTA_KINDS]; /* a second; 0: none */
};

struct quota_bucket {
    struct quota_key key;
    double rate, level; /* level < 0: a debt */
    int64_t at_ns;
    uint32_t holds;
    struct list node; /* in quotas.used, the longest unused first */
};

struct quotas {
    _Atomic uint32_t limit_count; /* 0: nobody needs to look further */
    pthread_mutex_t lock;
    struct map limits;                 /* of struct quota_limit */
    uint32_t counts[LEVELS];           /* limits per level */
    uint32_t kind_counts[QUOTA_KINDS]; /* limits that have such a rate */
    struct map buckets;                /* of struct quota_bucket */
    struct list used;
};

/* --- keys --- */

static uint64_t
hash_of(const struct quota_key *k)
{
    return hash_bytes(k->names.user.ptr, k->names.user.len) ^
           hash_u64(hash_bytes(k->names.client_id.ptr, k->names.client_id.len) + k->level * 8 +
                    (uint64_t)k->kind);
}

static bool
key_is(const struct quota_key *a, const struct quota_key *b)
{
    return a->level == b->level && a->kind == b->kind && span_eq(a->names.user, b->names.user) &&
           span_eq(a->names.client_id, b->names.client_id);
}

static bool
limit_eq(const void *value, const void *key)
{
    return key_is(&((const struct quota_limit *)value)->key, (const struct quota_key *)key);
}

static bool
bucket_eq(const void *value, const void *key)
{
    return key_is(&((const struct quota_bucket *)value)->key, (const struct quota_key *)key);
}

static struct span
copy_of(struct span s)
{
    uint8_t *copy = (uint8_t *)sl_alloc(s.len + 1);
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    return span_of(copy, s.len);
}

static void
names_own(struct quota_client *names)
{
    names->user = copy_of(names->user);
    names->client_id = copy_of(names->client_id);
}

static void
names_free(struct quota_client *names)
{
    sl_free((void *)(uintptr_t)names->user.ptr);
    sl_free((void *)(uintptr_t)names->client_id.ptr);
}

/* The names that a limit of this level has in its key. */
static struct quota_key
limit_key(size_t level, const struct quota_client *c)
{
    const struct span none = {NULL, 0};
    return (struct quota_key){.level = level,
                              .names = {levels[level].user == QUOTA_NAMED ? c->user : none,
                                        levels[level].client == QUOTA_NAMED ? c->client_id : none}};
}

/* The names of those that are measured together. */
static struct quota_key
bucket_key(size_t level, enum quota_kind kind, const struct quota_client *c)
{
    const struct span none = {NULL, 0};
    return (struct quota_key){
        .level = level,
        .kind = kind,
        .names = {levels[level].user != QUOTA_ABSENT ? c->user : none,
                  levels[level].client != QUOTA_ABSENT ? c->client_id : none}};
}

/* --- life --- */

struct quotas *
quotas_new(void)
{
    struct quotas *q = (struct quotas *)sl_alloc(sizeof(*q));
    (void)pthread_mutex_init(&q->lock, NULL);
    list_init(&q->used);
    return q;
}

static void
limit_free(struct quota_limit *l)
{
    names_free(&l->key.names);
    sl_free(l);
}

static void
bucket_drop(struct quotas *q, struct quota_bucket *b)
{
    (void)map_remove(&q->buckets, hash_of(&b->key), bucket_eq, &b->key);
    list_remove(&b->node);
    names_free(&b->key.names);
    sl_free(b);
}

void
quotas_destroy(struct quotas **pq)
{
    struct quotas *q = *pq;
    *pq = NULL;
    if (q == NULL) {
        return;
    }
    size_t pos = 0;
    for (struct quota_limit *l; (l = (struct quota_limit *)map_next(&q->limits, &pos));) {
        limit_free(l);
    }
    while (!list_is_empty(&q->used)) {
        bucket_drop(q, SL_CONTAINER_OF(q->used.next, struct quota_bucket, node));
    }
    map_fini(&q->limits);
    map_fini(&q->buckets);
    (void)pthread_mutex_destroy(&q->lock);
    sl_free(q);
}

/* --- limits --- */

bool
quota_key_is_known(struct span key)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (span_eq(span_cstr(keys[i].key), key)) {
            return true;
        }
    }
    return false;
}

/* LEVELS for an entity that is no user and no client id: addresses are kept and not measured. */
static size_t
level_of(const struct quota_entity *e)
{
    size_t i = 0;
    while (i < LEVELS && (e->ip_part != QUOTA_ABSENT || levels[i].user != e->user_part ||
                          levels[i].client != e->client_part)) {
        i++;
    }
    return i;
}

static void
rates_of(const struct quota_state *s, double rates[QUOTA_KINDS])
{
    for (uint32_t i = 0; i < s->value_count; i++) {
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
            if (span_eq(span_cstr(keys[k].key), s->values[i].key)) {
                rates[keys[k].kind] = s->values[i].value * keys[k].scale;
            }
        }
    }
}

static void
count(struct quotas *q, const struct quota_limit *l, int by)
{
    q->counts[l->key.level] += (uint32_t)by;
    for (size_t k = 0; k < QUOTA_KINDS; k++) {
        q->kind_counts[k] += l->rates[k] > 0 ? (uint32_t)by : 0;
    }
    (void)atomic_fetch_add(&q->limit_count, (uint32_t)by);
}

static void
forget(struct quotas *q, const struct quota_key *key)
{
    struct quota_limit *l =
        (struct quota_limit *)map_remove(&q->limits, hash_of(key), limit_eq, key);
    if (l != NULL) {
        count(q, l, -1);
        limit_free(l);
    }
}

void
quotas_changed(struct quotas *q, const struct quota_state *s, bool is_removed)
{
    size_t level = level_of(&s->entity);
    if (level == LEVELS) {
        return;
    }
    const struct quota_client names = {s->entity.user, s->entity.client_id};
    struct quota_key key = limit_key(level, &names);
    (void)pthread_mutex_lock(&q->lock);
    forget(q, &key);
    if (!is_removed) {
        struct quota_limit *l = (struct quota_limit *)sl_alloc(sizeof(*l));
        l->key = key;
        names_own(&l->key.names);
        rates_of(s, l->rates);
        count(q, l, 1);
        map_add(&q->limits, hash_of(&l->key), l);
    }
    (void)pthread_mutex_unlock(&q->lock);
}

/* The rate that applies, 0 for none, and its level. */
static double
find_rate(const struct quotas *q, enum quota_kind kind, const struct quota_client *c,
          size_t *ret_level)
{
    for (size_t i = 0; i < LEVELS && q->kind_counts[kind] > 0; i++) {
        if (q->counts[i] == 0) {
            continue;
        }
        struct quota_key key = limit_key(i, c);
        const struct quota_limit *l =
            (const struct quota_limit *)map_get(&q->limits, hash_of(&key), limit_eq, &key);
        if (l != NULL && l->rates[kind] > 0) {
            *ret_level = i;
            return l->rates[kind];
        }
    }
    return 0;
}

/* --- buckets --- */

/* The longest unused that nobody holds makes room: whoever comes back finds a full bucket, no more
 * than under another name. */
static void
make_room(struct quotas *q)
{
    if (q->buckets.count < QUOTA_BUCKETS_MAX) {
        return;
    }
    LIST_FOREACH_SAFE(node, tmp, &q->used)
    {
        struct quota_bucket *b = SL_CONTAINER_OF(node, struct quota_bucket, node);
        if (b->holds == 0) {
            bucket_drop(q, b);
            return;
        }
    }
}

static void
refill(struct quota_bucket *b, double rate, int64_t now_ns)
{
    double most = rate * QUOTA_BURST_S;
    double passed = now_ns > b->at_ns ? (double)(now_ns - b->at_ns) / 1e9 : 0;
    b->rate = rate;
    b->level += passed * rate;
    b->level = b->level > most ? most : b->level;
    b->at_ns = now_ns > b->at_ns ? now_ns : b->at_ns;
}

/* NULL when nothing limits the client. */
static struct quota_bucket *
find_bucket(struct quotas *q, enum quota_kind kind, const struct quota_client *c, int64_t now_ns)
{
    size_t level = 0;
    double rate = find_rate(q, kind, c, &level);
    if (rate <= 0) {
        return NULL;
    }
    struct quota_key key = bucket_key(level, kind, c);
    uint64_t hash = hash_of(&key);
    struct quota_bucket *b = (struct quota_bucket *)map_get(&q->buckets, hash, bucket_eq, &key);
    if (b == NULL) {
        make_room(q);
        b = (struct quota_bucket *)sl_alloc(sizeof(*b));
        b->key = key;
        names_own(&b->key.names);
        b->level = rate * QUOTA_BURST_S;
        b->at_ns = now_ns;
        list_init(&b->node);
        map_add(&q->buckets, hash_of(&b->key), b);
    }
    list_remove(&b->node);
    list_append(&q->used, &b->node);
    refill(b, rate, now_ns);
    return b;
}

static void
take(struct quota_bucket *b, double amount)
{
    double least = -b->rate * QUOTA_DEBT_S;
    b->level -= amount;
    b->level = b->level < least ? least : b->level;
}

static int64_t
wait_ms(const struct quota_bucket *b)
{
    double ms = b->level >= 0 ? 0 : -b->level / b->rate * 1000;
    return (int64_t)ms + ((double)(int64_t)ms < ms ? 1 : 0); /* up */
}

bool
quotas_are_set(const struct quotas *q)
{
    return q != NULL && atomic_load_explicit(&q->limit_count, memory_order_relaxed) > 0;
}

int64_t
quotas_take(struct quotas *q, enum quota_kind kind, const struct quota_client *c, double amount,
            int64_t now_ns)
{
    int64_t ms = 0;
    if (!quotas_are_set(q)) {
        return 0;
    }
    (void)pthread_mutex_lock(&q->lock);
    struct quota_bucket *b = find_bucket(q, kind, c, now_ns);
    if (b != NULL) {
        take(b, amount);
        ms = wait_ms(b);
    }
    (void)pthread_mutex_unlock(&q->lock);
    return ms;
}

double
quotas_most(struct quotas *q, enum quota_kind kind, const struct quota_client *c)
{
    size_t level;
    if (!quotas_are_set(q)) {
        return INFINITY;
    }
    (void)pthread_mutex_lock(&q->lock);
    double rate = find_rate(q, kind, c, &level);
    (void)pthread_mutex_unlock(&q->lock);
    return rate > 0 ? rate * QUOTA_BURST_S : INFINITY;
}

struct quota_bucket *
quotas_hold(struct quotas *q, enum quota_kind kind, const struct quota_client *c, int64_t now_ns)
{
    if (!quotas_are_set(q)) {
        return NULL;
    }
    (void)pthread_mutex_lock(&q->lock);
    struct quota_bucket *b = find_bucket(q, kind, c, now_ns);
    if (b != NULL) {
        b->holds++;
    }
    (void)pthread_mutex_unlock(&q->lock);
    return b;
}

void
quotas_release(struct quotas *q, struct quota_bucket **pb, double amount, int64_t now_ns)
{
    struct quota_bucket *b = *pb;
    *pb = NULL;
    if (b == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&q->lock);
    refill(b, b->rate, now_ns);
    take(b, amount);
    b->holds--;
    (void)pthread_mutex_unlock(&q->lock);
}
