/* A map from (key, block) to an entry that is either being read or here.
 *
 * LOADING: the entry holds the list of askers; the first of them lends its loop to the store call.
 *          When it ends every asker gets the outcome, posted to its own loop. A failure is not
 *          kept.
 * HERE:    the entry holds a reference to the bytes and stands on one of two lists, least recently
 *          used first.
 *
 * Which list: a segmented LRU. A block begins on `once`. When a second reader asks for it, it moves
 * to `shared`, which may take SHARED_SHARE of the ceiling: then its oldest goes back to the young
 * end of `once` for another chance. Only the old end of `once` is thrown out. So a backfill,
 * however long, turns over that list and leaves alone what several read; and with nobody else about
 * it has all of the ceiling to itself. What counts is another reader, not another question: one
 * reader asks for a block once for each answer that it gets out of it. A reader may also say that
 * he reads once (compaction): his questions count for nothing.
 *
 * Reads in flight are bounded too: blocks being read may take READING_SHARE of the ceiling, further
 * ones wait in `queued` and start as others end, each on the loop of its first asker. So a burst of
 * cold consumers holds ceiling bytes and no more.
 *
 * A block that is read ahead has an asker who only throws it away; `is_ahead` says that nobody else
 * asked yet. Such blocks may take AHEAD_SHARE of the ceiling: more, and they would push each other
 * out before their reader comes. They never wait in line, and leave room for reads that are waited
 * for.
 *
 * forget() while LOADING marks the entry: its askers get what was read, nobody later does. */
#include "store/cache.h"

#include "base/counters.h"
#include "base/list.h"
#include "base/map.h"

#include <pthread.h>
#include <stdio.h>

enum { READING_SHARE = 4, READING_MIN = 4, AHEAD_SHARE = 2, SHARED_SHARE = 2 };

struct cache_entry {
    struct list lru;            /* HERE */
    struct buf *bytes;          /* HERE; NULL while LOADING */
    struct cache_read *askers;  /* LOADING */
    struct cache_entry *queued; /* LOADING, not started */
    struct cache *cache;
    uint64_t hash, block, object_size;
    uint64_t reader; /* who asked first; CACHE_READS_ONCE: nobody who counts */
    bool is_forgotten, is_ahead;
    bool is_shared; /* a second one asked; HERE: stands on that list */
    struct store_call call;
    struct sched_task start;
    char key[];
};

struct cache {
    struct store *st;
    size_t ceiling;
    uint32_t reading_max, ahead_max;

    pthread_mutex_t lock; /* askers come from every loop */
    struct map entries;
    struct list once, shared;   /* least recently used first */
    size_t bytes, shared_bytes; /* on both, on the second */
    uint32_t reading;           /* store calls in flight */
    uint32_t ahead;             /* entries that nobody asked for */
    struct cache_entry *queue_first, **queue_last;
};

static bool
entry_eq(const void *value, const void *key)
{
    const struct cache_entry *e = (const struct cache_entry *)value;
    const struct cache_key *k = (const struct cache_key *)key;
    return e->block == k->block && strcmp(e->key, k->key) == 0;
}

static uint64_t
key_hash(const struct cache_key *k)
{
    return hash_bytes(k->key, strlen(k->key)) ^ hash_u64(k->block + 1);
}

/* What an entry costs. */
static size_t
entry_cost(const struct cache_entry *e)
{
    return sizeof(*e) + e->bytes->cap;
}

/* Somebody asked for it, or it goes. Holds the lock. */
static void
ahead_end(struct cache *c, struct cache_entry *e)
{
    c->ahead -= e->is_ahead ? 1 : 0;
    e->is_ahead = false;
}

/* Takes the entry out of everything; the caller frees it. Holds the lock. */
static void
entry_detach(struct cache *c, struct cache_entry *e)
{
    ahead_end(c, e);
    struct cache_key k = {e->key, e->block, 0};
    (void)map_remove(&c->entries, e->hash, entry_eq, &k);
    if (e->bytes != NULL) {
        list_remove(&e->lru);
        c->bytes -= entry_cost(e);
        c->shared_bytes -= e->is_shared ? entry_cost(e) : 0;
        counter_add(C_store_cache_bytes, -(int64_t)entry_cost(e));
    }
}

static void
entry_free(struct cache_entry *e)
{
    buf_unref(&e->bytes);
    sl_free(e);
}

/* Can the block be kept? Holds the lock. */
static bool
admit(const struct cache *c, const struct cache_entry *e, const struct buf *bytes)
{
    return !e->is_forgotten && bytes->len > 0 && sizeof(*e) + bytes->cap <= c->ceiling;
}

/* Somebody asks for the entry: is it one more than before? Holds the lock. */
static bool
is_second(struct cache_entry *e, uint64_t reader)
{
    if (e->reader == CACHE_READS_ONCE) {
        e->reader = reader;
    }
    return reader != CACHE_READS_ONCE && reader != e->reader;
}

/* Stands on `once`: moves to `shared`, and makes room there. Holds the lock. */
static void
share(struct cache *c, struct cache_entry *e)
{
    list_remove(&e->lru);
    list_append(&c->shared, &e->lru);
    e->is_shared = true;
    c->shared_bytes += entry_cost(e);
    while (c->shared_bytes > c->ceiling / SHARED_SHARE) {
        struct cache_entry *old = SL_CONTAINER_OF(c->shared.next, struct cache_entry, lru);
        list_remove(&old->lru);
        list_append(&c->once, &old->lru);
        old->is_shared = false;
        c->shared_bytes -= entry_cost(old);
    }
}

/* Evicts until the bytes fit; gives a list (through queued) to free outside the lock. */
static struct cache_entry *
evict(struct cache *c)
{
    struct cache_entry *out = NULL;
    while (c->bytes > c->ceiling) { /* `shared` has less: `once` is not empty */
        struct cache_entry *e = SL_CONTAINER_OF(c->once.next, struct cache_entry, lru);
        entry_detach(c, e);
        e->queued = out;
        out = e;
    }
    return out;
}

static void
entries_free(struct cache_entry *e)
{
    while (e != NULL) {
        struct cache_entry *next = e->queued;
        entry_free(e);
        e = next;
    }
}

/* ---- answers ---- */

static void
read_deliver(struct sched_task *task)
{
    struct cache_read *read = SL_CONTAINER_OF(task, struct cache_read, task);
    read->done(read);
}

static void
read_post(struct cache_read *read)
{
    read->task.run = read_deliver;
    sched_post(read->home, &read->task);
}

static void
read_fill(struct cache_read *read, const struct store_call *call)
{
    read->outcome = call->outcome;
    read->rc = call->rc;
    read->object_size = call->object_size;
    read->out = call->outcome == STORE_DONE ? buf_ref(call->body) : NULL;
    (void)snprintf(read->why, sizeof(read->why), "%s", call->why);
}

static void
askers_answer(struct cache_read *read, const struct store_call *call)
{
    while (read != NULL) {
        struct cache_read *next = read->next;
        read_fill(read, call);
        read_post(read);
        read = next;
    }
}

/* ---- reading ---- */

static void load_done(struct store_call *call);

static void
load_start(struct cache_entry *e, struct sched *home)
{
    struct store_call *call = &e->call;
    *call = (struct store_call){.kind = STORE_GET, .home = home, .done = load_done};
    (void)snprintf(call->key, sizeof(call->key), "%s", e->key);
    call->offset = e->block * CACHE_BLOCK;
    call->length = CACHE_BLOCK;
    store_submit(e->cache->st, call);
}

static void
load_start_posted(struct sched_task *task)
{
    struct cache_entry *e = SL_CONTAINER_OF(task, struct cache_entry, start);
    load_start(e, e->call.home);
}

/* A read ended: the next that waits may start, on the loop of who asked first. Holds the lock. */
static struct cache_entry *
queue_pop(struct cache *c)
{
    struct cache_entry *e = c->queue_first;
    if (e == NULL) {
        c->reading--;
        return NULL;
    }
    c->queue_first = e->queued;
    if (c->queue_first == NULL) {
        c->queue_last = &c->queue_first;
    }
    e->queued = NULL;
    return e;
}

/* LOADING becomes HERE. Gives what had to go for it. Holds the lock. */
static struct cache_entry *
entry_keep(struct cache *c, struct cache_entry *e, struct buf *bytes)
{
    bool is_wanted = e->is_shared; /* while it was read */
    e->is_shared = false;
    e->bytes = buf_ref(bytes);
    list_append(&c->once, &e->lru);
    c->bytes += entry_cost(e);
    counter_add(C_store_cache_bytes, (int64_t)entry_cost(e));
    if (is_wanted) {
        share(c, e);
    }
    return evict(c);
}

static void
load_done(struct store_call *call)
{
    struct cache_entry *e = SL_CONTAINER_OF(call, struct cache_entry, call);
    struct cache *c = e->cache;
    pthread_mutex_lock(&c->lock);
    bool is_kept = call->outcome == STORE_DONE && admit(c, e, call->body);
    struct cache_read *askers = e->askers;
    struct cache_entry *gone = NULL;
    e->askers = NULL;
    e->object_size = call->object_size;
    if (is_kept) {
        gone = entry_keep(c, e, call->body);
    } else if (!e->is_forgotten) {
        entry_detach(c, e);
    }
    struct cache_entry *next = queue_pop(c);
    if (next != NULL) {
        sched_post(next->call.home, &next->start);
    }
    /* From here on another loop may evict e: its outcome is kept apart. */
    struct store_call answer = *call;
    pthread_mutex_unlock(&c->lock);
    askers_answer(askers, &answer);
    buf_unref(&answer.body);
    entries_free(gone);
    if (!is_kept) {
        entry_free(e);
    }
}

/* Makes the entry that loads a block. Gives true when the read may start at once. Holds the lock.
 */
static bool
entry_add(struct cache *c, struct cache_entry *e, struct cache_read *read)
{
    e->askers = read;
    map_add(&c->entries, e->hash, e);
    if (c->reading < c->reading_max) {
        c->reading++;
        return true;
    }
    e->call.home = read->home;
    e->start.run = load_start_posted;
    *c->queue_last = e;
    c->queue_last = &e->queued;
    return false;
}

static struct cache_entry *
entry_new(struct cache *c, const struct cache_key *k, uint64_t hash)
{
    size_t n = strlen(k->key) + 1;
    struct cache_entry *e = (struct cache_entry *)sl_alloc(sizeof(*e) + n);
    memcpy(e->key, k->key, n);
    list_init(&e->lru);
    e->cache = c;
    e->hash = hash;
    e->block = k->block;
    e->reader = k->reader;
    return e;
}

/* Gives the bytes if they are here. Holds the lock. */
static struct buf *
entry_take(struct cache *c, struct cache_entry *e, uint64_t reader, uint64_t *ret_object_size)
{
    if (e == NULL || e->bytes == NULL) {
        return NULL;
    }
    bool is_new = is_second(e, reader) && !e->is_shared;
    list_remove(&e->lru);
    list_append(e->is_shared ? &c->shared : &c->once, &e->lru);
    if (is_new) {
        share(c, e);
    }
    ahead_end(c, e);
    if (ret_object_size != NULL) {
        *ret_object_size = e->object_size;
    }
    counter_add(C_store_cache_hits, 1);
    return buf_ref(e->bytes);
}

struct buf *
cache_try(struct cache *c, const struct cache_key *k, uint64_t *ret_object_size)
{
    uint64_t hash = key_hash(k);
    pthread_mutex_lock(&c->lock);
    struct cache_entry *e = (struct cache_entry *)map_get(&c->entries, hash, entry_eq, k);
    struct buf *b = entry_take(c, e, k->reader, ret_object_size);
    pthread_mutex_unlock(&c->lock);
    return b;
}

static void
read_reset(struct cache_read *read)
{
    read->next = NULL;
    read->out = NULL;
    read->outcome = STORE_DONE;
    read->rc = SL_OK;
    read->why[0] = '\0';
}

void
cache_submit(struct cache *c, struct cache_read *read)
{
    struct cache_key k = {read->key, read->block, read->reader};
    uint64_t hash = key_hash(&k);
    struct cache_entry *fresh = entry_new(c, &k, hash);
    bool starts = false;
    read_reset(read);
    pthread_mutex_lock(&c->lock);
    struct cache_entry *e = (struct cache_entry *)map_get(&c->entries, hash, entry_eq, &k);
    if (e == NULL) {
        starts = entry_add(c, fresh, read);
        counter_add(C_store_cache_misses, 1);
    } else if (e->bytes == NULL) {
        read->next = e->askers;
        e->askers = read;
        e->is_shared = is_second(e, read->reader) || e->is_shared;
        ahead_end(c, e);
        counter_add(C_store_cache_hits, 1);
    } else {
        read->out = entry_take(c, e, read->reader, &read->object_size);
    }
    bool is_here = read->out != NULL;
    pthread_mutex_unlock(&c->lock);
    if (e != NULL) {
        entry_free(fresh);
    } else if (starts) {
        load_start(fresh, read->home);
    }
    if (is_here) {
        read_post(read);
    }
}

/* Holds the lock. */
static enum cache_ahead
ahead_verdict(struct cache *c, uint64_t hash, const struct cache_key *k)
{
    if (map_get(&c->entries, hash, entry_eq, k) != NULL) {
        return CACHE_AHEAD_HAS;
    }
    bool is_busy = c->queue_first != NULL || c->reading + READING_MIN / 2 > c->reading_max;
    return is_busy || c->ahead >= c->ahead_max ? CACHE_AHEAD_FULL : CACHE_AHEAD_STARTED;
}

enum cache_ahead
cache_submit_ahead(struct cache *c, struct cache_read *read)
{
    struct cache_key k = {read->key, read->block, read->reader};
    uint64_t hash = key_hash(&k);
    pthread_mutex_lock(&c->lock);
    enum cache_ahead verdict = ahead_verdict(c, hash, &k);
    struct cache_entry *e = NULL;
    if (verdict == CACHE_AHEAD_STARTED) {
        read_reset(read);
        e = entry_new(c, &k, hash);
        e->is_ahead = true;
        c->ahead++;
        (void)entry_add(c, e, read); /* at once: the line is empty */
        counter_add(C_store_cache_ahead, 1);
    }
    pthread_mutex_unlock(&c->lock);
    if (e != NULL) {
        load_start(e, read->home);
    }
    return verdict;
}

void
cache_forget(struct cache *c, const char *key, uint64_t object_size)
{
    struct cache_entry *gone = NULL;
    pthread_mutex_lock(&c->lock);
    for (uint64_t block = 0; block * CACHE_BLOCK <= object_size; block++) {
        struct cache_key k = {key, block, 0};
        struct cache_entry *e =
            (struct cache_entry *)map_get(&c->entries, key_hash(&k), entry_eq, &k);
        if (e == NULL) {
            continue;
        }
        entry_detach(c, e);
        if (e->bytes == NULL) {
            e->is_forgotten = true; /* load_done frees it */
        } else {
            e->queued = gone;
            gone = e;
        }
    }
    pthread_mutex_unlock(&c->lock);
    entries_free(gone);
}

size_t
cache_bytes(const struct cache *c)
{
    struct cache *m = (struct cache *)(uintptr_t)c;
    pthread_mutex_lock(&m->lock);
    size_t n = m->bytes;
    pthread_mutex_unlock(&m->lock);
    return n;
}

struct cache *
cache_open(struct store *st, size_t ceiling_bytes)
{
    struct cache *c = (struct cache *)sl_alloc(sizeof(*c));
    c->st = st;
    c->ceiling = ceiling_bytes;
    size_t share = ceiling_bytes / READING_SHARE / CACHE_BLOCK;
    c->reading_max = share < READING_MIN ? READING_MIN : (uint32_t)share;
    c->ahead_max = (uint32_t)(ceiling_bytes / AHEAD_SHARE / CACHE_BLOCK);
    (void)pthread_mutex_init(&c->lock, NULL);
    list_init(&c->once);
    list_init(&c->shared);
    c->queue_last = &c->queue_first;
    return c;
}

static void
list_drop(struct cache *c, const struct list *l)
{
    while (!list_is_empty(l)) {
        struct cache_entry *e = SL_CONTAINER_OF(l->next, struct cache_entry, lru);
        entry_detach(c, e);
        entry_free(e);
    }
}

void
cache_close(struct cache **pc)
{
    struct cache *c = *pc;
    *pc = NULL;
    if (c == NULL) {
        return;
    }
    SL_ASSERT(c->reading == 0);
    list_drop(c, &c->once);
    list_drop(c, &c->shared);
    map_fini(&c->entries);
    (void)pthread_mutex_destroy(&c->lock);
    sl_free(c);
}
