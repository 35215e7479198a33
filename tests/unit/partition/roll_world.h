/* SPDX-License-Identifier: Apache-2.0
 *
 * One journal on a store in memory, brokers that roll it, in virtual time on one loop. The store in
 * front of the one in memory does what a test tells it to the next call that fits. */
#ifndef SLUICE_TESTS_ROLL_WORLD_H
#define SLUICE_TESTS_ROLL_WORLD_H

#include "../api/memory_store.h"
#include "../unit.h"
#include "base/counters.h"
#include "base/crc32c.h"
#include "partition/shard_int.h"
#include "segment/segment.h"
#include "store/cache.h"

#include <stdio.h>

enum { BROKERS = 2, PARTS = 3, BATCH_BYTES = 1000, TARGET = 4000 };

enum trick {
    TRICK_NONE,
    TRICK_LOSE_ANSWER, /* applied, UNKNOWN told */
    TRICK_UNKNOWN,     /* not applied, UNKNOWN told */
    TRICK_TWICE,       /* applied twice, as by an intermediary: EXISTS told */
    TRICK_REFUSE,      /* not applied, an error told */
    TRICK_HOLD         /* neither, until the test lets go */
};

struct tricky_store {
    struct store pub;
    enum trick trick; /* done to calls of this kind whose key ends like this ... */
    enum store_kind kind;
    const char *suffix;
    const char *prefix; /* ... and begins like this; NULL: like anything ... */
    int times;          /* ... so many times */
    struct store_call *held;
    size_t puts, gets, dels; /* of segments' objects */
    size_t entry_gets;
};

struct world_broker {
    struct tricky_store store;
    struct cache *cache;
    struct shard *shard;
    struct roll_permits permits;
    int lag;
};

struct world {
    struct test_loop loop;
    struct memory_store memory;
    struct world_broker brokers[BROKERS];
    struct roll_options roll;
    struct uuid topic;
    bool is_topic_unknown;
    int64_t segment_bytes;
    size_t tail_bytes, cache_bytes;
    struct cold *cold; /* NULL: none */
    int64_t get_ms;    /* what a GET of a segment takes */
    size_t gets_under_way, gets_most;
    struct part_policy policy; /* all but dir and segment_bytes */
    char last_error[1024];
};
static struct world w;

/* --- time --- */

static inline void
run_ms(int64_t ms)
{
    int64_t until = w.loop.now_ns + ms * SCHED_MS;
    for (;;) {
        const struct sched_timer *t = timer_heap_first(&w.loop.timers);
        if (w.loop.head == NULL && (t == NULL || t->due_ns > until)) {
            break;
        }
        (void)test_loop_step(&w.loop);
    }
    w.loop.now_ns = until;
}

/* --- the store --- */

static inline bool
has_suffix(const char *key, const char *suffix)
{
    size_t len = strlen(key), n = strlen(suffix);
    return len >= n && strcmp(key + len - n, suffix) == 0;
}

static inline void
answer(struct store_call *call, enum store_outcome outcome)
{
    call->outcome = outcome;
    call->rc = outcome == STORE_ERROR ? SL_EIO : SL_ETIMEOUT;
    call->task.run = memory_deliver;
    sched_post(call->home, &call->task);
}

/* A GET that takes its time. */
struct slow_get {
    struct sched_timer timer;
    struct store_call *call;
};

static inline void
slow_get_due(struct sched_timer *timer)
{
    struct slow_get *g = SL_CONTAINER_OF(timer, struct slow_get, timer);
    struct store_call *call = g->call;
    sl_free(g);
    w.gets_under_way--;
    w.memory.pub.ops->submit(&w.memory.pub, call);
}

static inline void
slow_get_begin(struct store_call *call)
{
    struct slow_get *g = (struct slow_get *)sl_alloc(sizeof(*g));
    g->call = call;
    g->timer.fire = slow_get_due;
    w.gets_under_way++;
    w.gets_most = w.gets_under_way > w.gets_most ? w.gets_under_way : w.gets_most;
    sched_timer_after(&w.loop.pub, &g->timer, w.get_ms * SCHED_MS);
}

static inline void
tricky_submit(struct store *pub, struct store_call *call)
{
    struct tricky_store *s = SL_CONTAINER_OF(pub, struct tricky_store, pub);
    bool is_segment = strncmp(call->key, "default/", 8) == 0;
    s->puts += call->kind == STORE_PUT && is_segment ? 1 : 0;
    s->gets += call->kind == STORE_GET && is_segment ? 1 : 0;
    s->dels += call->kind == STORE_DEL && is_segment ? 1 : 0;
    s->entry_gets += call->kind == STORE_GET && !is_segment ? 1 : 0;
    bool fits = s->times > 0 && call->kind == s->kind && has_suffix(call->key, s->suffix) &&
                (s->prefix == NULL || strncmp(call->key, s->prefix, strlen(s->prefix)) == 0);
    if (!fits && w.get_ms > 0 && call->kind == STORE_GET && is_segment) {
        slow_get_begin(call);
        return;
    }
    if (!fits) {
        w.memory.pub.ops->submit(&w.memory.pub, call);
        return;
    }
    s->times--;
    if (s->trick == TRICK_HOLD) {
        assert_null(s->held);
        s->held = call;
        return;
    }
    if (s->trick == TRICK_LOSE_ANSWER || s->trick == TRICK_TWICE) {
        (void)memory_put(&w.memory, call);
    }
    if (s->trick == TRICK_TWICE) {
        answer(call, STORE_EXISTS);
        return;
    }
    answer(call, s->trick == TRICK_REFUSE ? STORE_ERROR : STORE_UNKNOWN);
}

static inline void
play(size_t broker, enum trick trick, enum store_kind kind, const char *suffix, int times)
{
    struct tricky_store *s = &w.brokers[broker].store;
    s->trick = trick;
    s->kind = kind;
    s->suffix = suffix;
    s->prefix = NULL;
    s->times = times;
}

static inline void
let_go(size_t broker)
{
    struct store_call *call = w.brokers[broker].store.held;
    assert_non_null(call);
    w.brokers[broker].store.held = NULL;
    w.memory.pub.ops->submit(&w.memory.pub, call);
}

static inline void
object_put(const char *key, struct span bytes)
{
    struct store_call call = {.kind = STORE_PUT, .parts = {bytes}, .part_count = 1};
    span_to_cstr(span_cstr(key), call.key, sizeof(call.key));
    assert_int_equal(memory_put(&w.memory, &call), STORE_DONE);
}

/* An empty span when it is not there. */
static inline struct span
object(const char *key)
{
    size_t i = memory_find(&w.memory, key);
    return memory_has(&w.memory, i, key) ? buf_span(w.memory.objects[i].body) : span_of(NULL, 0);
}

static inline const char *
key_of(int32_t partition, int64_t base, const char *suffix)
{
    static char key[STORE_KEY_MAX];
    (void)snprintf(key, sizeof(key), "default/t~7/%d/segment-%020lld%s", (int)partition,
                   (long long)base, suffix);
    return key;
}

/* --- brokers --- */

static inline bool
policy(void *arg, const struct uuid *topic_id, struct part_policy *ret)
{
    (void)arg;
    assert_true(uuid_eq(topic_id, &w.topic));
    *ret = w.policy;
    span_to_cstr(span_cstr("t~7"), ret->dir, sizeof(ret->dir));
    ret->segment_bytes = w.segment_bytes;
    return !w.is_topic_unknown;
}

static inline void
on_lag(void *arg, struct shard *sh, int per_mille)
{
    (void)sh;
    ((struct world_broker *)arg)->lag = per_mille;
}

static inline void
on_line(void *arg, const char *line, size_t len)
{
    (void)arg;
    span_to_cstr(span_of(line, len), w.last_error, sizeof(w.last_error));
}

static inline struct shard_options
options_of(struct world_broker *b, size_t i)
{
    static const struct shard_events events = {.roll_lag_changed = on_lag};
    struct roll_options roll = w.roll;
    roll.permits = &b->permits;
    return (struct shard_options){.journal = {.sched = &w.loop.pub,
                                              .store = &b->store.pub,
                                              .prefix = "_sluice",
                                              .node_id = (int32_t)i,
                                              .max_in_flight = 4,
                                              .entry_max_bytes = 8 << 20,
                                              .safe_window_ns = 20 * SCHED_S,
                                              .check_interval_ns = 7 * SCHED_S,
                                              .grace_ns = 60 * SCHED_S,
                                              .snapshot_entries = 1000000,
                                              .snapshot_interval_ns = SCHED_S,
                                              .queue_max_bytes = 64 << 20},
                                  .cache = b->cache,
                                  .cold = w.cold,
                                  .segment_namespace = "default",
                                  .tail_cache_bytes = w.tail_bytes,
                                  .roll = roll,
                                  .events = &events,
                                  .events_arg = b};
}

static inline struct state *
state_at(size_t i)
{
    return shard_state(w.brokers[i].shard);
}

static inline void
broker_start(size_t i)
{
    static const struct store_ops ops = {tricky_submit};
    struct world_broker *b = &w.brokers[i];
    *b = (struct world_broker){.store = {.pub = {.ops = &ops, .is_local = true}},
                               .permits = {.max_bytes = INT64_C(1) << 20}};
    b->cache = cache_open(&b->store.pub, w.cache_bytes);
    const struct shard_options o = options_of(b, i);
    b->shard = shard_new(&o);
    shard_open(b->shard);
    run_ms(50);
    assert_int_equal(shard_mode(b->shard), JOURNAL_LIVE);
}

static inline void
broker_stop(size_t i)
{
    struct world_broker *b = &w.brokers[i];
    if (b->shard == NULL) {
        return;
    }
    shard_close(b->shard, w.loop.now_ns + SCHED_S);
    if (b->store.held != NULL) {
        let_go(i);
    }
    run_ms(2000);
    assert_true(shard_is_idle(b->shard));
    shard_destroy(&b->shard);
    assert_int_equal(atomic_load(&b->permits.used_bytes), 0);
    cache_close(&b->cache);
}

static inline void
op_ended(struct op_proposal *op, enum sl_err rc)
{
    assert_int_equal(rc, SL_OK);
    bytes_fini(&op->payload);
    op->arg = NULL;
}

static inline void
propose(size_t broker, struct op_proposal *op)
{
    op->deadline_ns = w.loop.now_ns + 10 * SCHED_S;
    op->done = op_ended;
    op->arg = op;
    op_submit(w.brokers[broker].shard, op);
    run_ms(20);
    assert_null(op->arg);
}

static inline void
partitions_open(void)
{
    struct op_proposal op = {.kind = ITEM_OPEN};
    int32_t indexes[PARTS];
    for (int32_t i = 0; i < PARTS; i++) {
        indexes[i] = i;
    }
    bytes_init(&op.payload, 1000);
    op_encode_open(&op.payload, &w.topic, indexes, PARTS);
    propose(0, &op);
}

static inline void
trim(size_t broker, int32_t partition, int64_t start)
{
    struct op_proposal op = {.kind = ITEM_TRIM};
    bytes_init(&op.payload, 1000);
    op_encode_trim(&op.payload, &w.topic, partition, start);
    propose(broker, &op);
}

static inline int
world_setup(void **unused)
{
    (void)unused;
    memset(&w, 0, sizeof(w));
    diag_set_level(DIAG_ERROR);
    diag_set_sink(on_line, NULL);
    test_loop_init(&w.loop);
    memory_init(&w.memory);
    w.topic = uuid_random(&w.loop.pub);
    w.segment_bytes = INT64_MAX;
    w.tail_bytes = w.cache_bytes = 1 << 20;
    w.roll = (struct roll_options){.policy = policy,
                                   .target_bytes = TARGET,
                                   .age_ms = 900000,
                                   .live_bytes_max = 1 << 30,
                                   .live_runs_max = 1000,
                                   .garbage_grace_ms = 60000,
                                   .patience = 1};
    broker_start(0);
    partitions_open();
    return 0;
}

static inline int
world_teardown(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < BROKERS; i++) {
        broker_stop(i);
    }
    assert_null(w.loop.head);
    assert_null(timer_heap_first(&w.loop.timers));
    timer_heap_fini(&w.loop.timers);
    memory_fini(&w.memory);
    buf_pool_trim();
    diag_set_sink(NULL, NULL);
    return 0;
}

/* --- records --- */

static inline void
batch_make(uint8_t *p, int32_t filling)
{
    memset(p, filling, BATCH_BYTES);
    put_u64(p, 0);
    put_u32(p + 8, BATCH_BYTES - BATCH_LENGTH_START);
    put_u32(p + 12, 0);
    p[16] = 2;
    put_u16(p + 21, 0);
    put_u32(p + 23, 9); /* ten records */
    put_u64(p + 27, (uint64_t)filling);
    put_u64(p + 35, (uint64_t)filling);
    put_u64(p + 43, UINT64_MAX);
    put_u16(p + 51, UINT16_MAX);
    put_u32(p + 53, UINT32_MAX);
    put_u32(p + 57, 10);
    put_u32(p + 17, crc32c(0, p + BATCH_CRC_START, BATCH_BYTES - BATCH_CRC_START));
}

static inline void
append_ended(struct append *a)
{
    assert_int_equal(a->rc, SL_OK);
    a->arg = NULL;
}

/* One that is made already, as an entry of its own; lets nothing be rolled but what is due. */
static inline void
append_made(size_t broker, int32_t partition, const uint8_t batch[BATCH_BYTES])
{
    struct append a = {.topic_id = w.topic,
                       .partition = partition,
                       .batch = span_of(batch, BATCH_BYTES),
                       .deadline_ns = w.loop.now_ns + SCHED_S,
                       .done = append_ended,
                       .arg = &a};
    assert_int_equal(batch_info_read(a.batch, &a.info), SL_OK);
    append_submit(w.brokers[broker].shard, &a);
    run_ms(10);
    assert_null(a.arg);
}

/* Appends count batches of ten records, each an entry of its own; lets nothing be rolled between
 * them but what is due. */
static inline void
append_batches(size_t broker, int32_t partition, int count)
{
    static uint8_t batch[BATCH_BYTES];
    for (int i = 0; i < count; i++) {
        batch_make(batch, i % 100);
        append_made(broker, partition, batch);
    }
}

static inline const struct part_state *
part_at(size_t broker, int32_t partition)
{
    const struct part_state *p = state_find_part(state_at(broker), &w.topic, partition);
    assert_non_null(p);
    return p;
}

static inline void
refreshed(struct journal_waiter *waiter, enum sl_err rc)
{
    (void)waiter;
    assert_int_equal(rc, SL_OK);
}

static inline void
refresh(size_t broker)
{
    struct journal_waiter waiter = {.ready = refreshed};
    run_ms(200);
    journal_refresh(shard_journal(w.brokers[broker].shard), &waiter);
    run_ms(200);
}

/* The segment that begins at base, checked in every respect, in S of this broker and in the store.
 */
static inline void
assert_segment(size_t broker, int32_t partition, int64_t base, int64_t last)
{
    struct sl_error err = SL_ERROR_INIT;
    struct segment_view v;
    struct segment_index ix;
    const struct segment_ref *s = part_find_segment(part_at(broker, partition), last);
    assert_non_null(s);
    assert_int_equal(s->base, base);
    assert_int_equal(s->last, last);
    struct span kfs = object(key_of(partition, base, ".kfs"));
    assert_int_equal(kfs.len, s->bytes);
    assert_int_equal(segment_open(kfs, &v, &err), SL_OK);
    assert_int_equal(segment_verify(&v, false, &err), SL_OK);
    assert_int_equal(v.last_offset, last);
    assert_int_equal(v.message_count, s->record_count);
    assert_int_equal(v.crc, s->body_crc);
    struct span index = object(key_of(partition, base, ".index"));
    assert_int_equal(segment_index_open(index, &ix, &err), SL_OK);
    assert_int_equal(segment_index_verify(&ix, &v, &err), SL_OK);
}

/* What a roller would make of the first count batches. created 1; to be freed by the caller. */
static inline struct segment_files
segment_of(int count)
{
    struct segment_builder b;
    struct segment_files f;
    struct sl_error err = SL_ERROR_INIT;
    uint8_t batch[BATCH_BYTES];
    segment_builder_init(&b, 0, (size_t)count * BATCH_BYTES);
    for (int i = 0; i < count; i++) {
        batch_make(batch, i % 100);
        batch_patch(batch, i * 10, 0);
        assert_int_equal(segment_builder_add(&b, span_of(batch, sizeof(batch)), &err), SL_OK);
    }
    segment_builder_finish(&b, 1, &f);
    return f;
}

#endif
