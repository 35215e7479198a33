/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker on one loop in virtual time: requests go in as frames and come out as structs, as a
 * client sees them. */
#ifndef SLUICE_TESTS_API_FIXTURE_H
#define SLUICE_TESTS_API_FIXTURE_H

#include "../unit.h"
#include "api/handlers.h"
#include "base/crc32c.h"
#include "group/group.h"
#include "memory_store.h"
#include "store/cache.h"
#include "wire/writer.h"

#include <stdio.h>

enum { WORLD_SHARDS = 3, WORLD_STEPS_MAX = 5000000, WORLD_NODE = 7, WORLD_FRAME_MAX = 64 << 20 };

struct world {
    struct test_loop loop;
    struct memory_store store;
    struct cache *cache;
    struct shard *shards[WORLD_SHARDS];
    struct group_table *groups[WORLD_SHARDS];
    struct broker_listener listeners[2];
    struct broker broker;
    struct conn_info conn;
    int live;
    /* the answer to the last request */
    bool is_closed, is_silent;
    struct bytes reply; /* the frame, without its size */
    struct arena arena; /* of what was decoded from it */
};
static struct world w;

static inline void
world_topic_changed(void *arg, struct topic_state *t)
{
    (void)arg;
    directory_update(w.broker.topics, t);
}

static inline void
world_topic_deleting(void *arg, struct topic_state *t)
{
    (void)arg;
    directory_remove(w.broker.topics, t);
}

static inline void
world_quota_changed(void *arg, const struct quota_state *q, bool is_removed)
{
    (void)arg;
    quotas_changed(w.broker.quotas, q, is_removed);
}

static inline void
world_mode_changed(void *arg, struct shard *sh, enum journal_mode mode, const char *why)
{
    (void)arg;
    (void)why;
    w.live += mode == JOURNAL_LIVE ? 1 : 0;
    group_table_mode_changed(w.groups[journal_index(shard_journal(sh))]);
    if (mode == JOURNAL_LIVE && sh == w.shards[0]) {
        directory_reconcile(w.broker.topics, shard_state(sh));
        topic_admin_opened(w.broker.topic_admin);
    }
}

static inline void
world_group_changed(void *arg, struct shard *sh, struct group_state *g)
{
    (void)arg;
    group_table_group_changed(w.groups[journal_index(shard_journal(sh))], g);
}

static inline void
world_step(const char *waiting_for)
{
    static int64_t steps;
    if (!test_loop_step(&w.loop) || ++steps % WORLD_STEPS_MAX == 0) {
        fail_msg("waited in vain for %s", waiting_for);
    }
}

static inline void
world_open_shards(void)
{
    static const struct shard_events events = {.topic_changed = world_topic_changed,
                                               .topic_deleting = world_topic_deleting,
                                               .quota_changed = world_quota_changed,
                                               .mode_changed = world_mode_changed,
                                               .group_changed = world_group_changed};
    for (uint32_t j = 0; j < WORLD_SHARDS; j++) {
        const struct shard_options o = {.journal = {.sched = &w.loop.pub,
                                                    .store = &w.store.pub,
                                                    .prefix = "_sluice",
                                                    .cluster = w.broker.cluster,
                                                    .index = j,
                                                    .node_id = WORLD_NODE,
                                                    .max_in_flight = 4,
                                                    .entry_max_bytes = 8 << 20,
                                                    .safe_window_ns = 20 * SCHED_S,
                                                    .check_interval_ns = 7 * SCHED_S,
                                                    .grace_ns = 3600 * SCHED_S,
                                                    .queue_max_bytes = 64 << 20},
                                        .cache = w.cache,
                                        .tail_cache_bytes = 16 << 20,
                                        .events = &events};
        w.shards[j] = shard_new(&o);
        struct group_options g = group_options_default();
        g.shard = w.shards[j];
        w.groups[j] = group_table_new(&g);
    }
    w.broker.topic_admin = topic_admin_new(w.shards, WORLD_SHARDS);
    w.broker.producer_ids = producer_ids_new(w.shards[0]);
    w.live = 0;
    for (uint32_t j = 0; j < WORLD_SHARDS; j++) {
        shard_open(w.shards[j]);
    }
    while (w.live < WORLD_SHARDS) {
        world_step("journals to open");
    }
}

static inline void
world_close_shards(void)
{
    for (uint32_t j = 0; j < WORLD_SHARDS; j++) {
        group_table_stop(w.groups[j]);
        shard_close(w.shards[j], w.loop.now_ns + SCHED_S);
    }
    for (uint32_t j = 0; j < WORLD_SHARDS; j++) {
        while (!shard_is_idle(w.shards[j])) {
            world_step("journals to close");
        }
    }
    while (w.loop.head != NULL) {
        world_step("the last messages");
    }
    producer_ids_destroy(&w.broker.producer_ids);
    topic_admin_destroy(&w.broker.topic_admin);
    for (uint32_t j = 0; j < WORLD_SHARDS; j++) {
        group_table_destroy(&w.groups[j]);
        shard_destroy(&w.shards[j]);
    }
    timer_heap_fini(&w.loop.timers);
}

static inline int
world_setup(void **unused)
{
    (void)unused;
    memset(&w, 0, sizeof(w));
    diag_set_level(DIAG_ERROR);
    test_loop_init(&w.loop);
    memory_init(&w.store);
    w.cache = cache_open(&w.store.pub, 16 << 20);
    w.listeners[0] = (struct broker_listener){"plain", "first.example", 9092};
    w.listeners[1] = (struct broker_listener){"other", "second.example", 9192};
    w.conn = (struct conn_info){.listener = "other", .principal = "User:ANONYMOUS"};
    w.broker = (struct broker){.node_id = WORLD_NODE,
                               .cluster = uuid_random(&w.loop.pub),
                               .listeners = w.listeners,
                               .listener_count = 2,
                               .shards = w.shards,
                               .groups = w.groups,
                               .shard_count = WORLD_SHARDS,
                               .is_auto_create = true,
                               .default_partitions = 2,
                               .fetch_max_bytes = 1 << 20};
    uuid_text(&w.broker.cluster, w.broker.cluster_text);
    w.broker.topics = directory_new(NULL, NULL);
    w.broker.quotas = quotas_new();
    bytes_init(&w.reply, WORLD_FRAME_MAX);
    arena_init(&w.arena, 256 << 20);
    world_open_shards();
    return 0;
}

static inline int
world_teardown(void **unused)
{
    (void)unused;
    world_close_shards();
    directory_destroy(&w.broker.topics);
    quotas_destroy(&w.broker.quotas);
    cache_close(&w.cache);
    memory_fini(&w.store);
    bytes_fini(&w.reply);
    arena_fini(&w.arena);
    buf_pool_trim();
    return 0;
}

/* The broker stops and another one starts on the same store. */
static inline void
world_restart(void)
{
    world_close_shards();
    directory_destroy(&w.broker.topics);
    w.broker.topics = directory_new(NULL, NULL);
    world_open_shards();
}

/* --- requests --- */

/* A request on its way; kept by the test until it is finished. */
struct flight {
    struct request req;
    bool is_finished;
};

static inline void
world_finish(struct request *req)
{
    struct flight *f = SL_CONTAINER_OF(req, struct flight, req);
    assert_false(f->is_finished);
    f->is_finished = true;
    w.is_closed = req->is_close;
    w.is_silent = req->is_silent;
    bytes_clear(&w.reply);
    for (size_t i = 0; i < req->out.count; i++) {
        bytes_append(&w.reply, req->out.pieces[i].bytes.ptr, req->out.pieces[i].bytes.len);
    }
    out_fini(&req->out);
    arena_fini(&req->arena);
    buf_unref(&req->frame);
    if (w.reply.len > 0) {
        assert_true(w.reply.len > 4);
        assert_int_equal(get_u32(w.reply.data), w.reply.len - 4);
        memmove(w.reply.data, w.reply.data + 4, w.reply.len - 4);
        w.reply.len -= 4;
    }
}

/* A frame without its size. */
static inline void
flight_start(struct flight *f, struct span frame)
{
    *f = (struct flight){.req = {.broker = &w.broker,
                                 .loop = &w.loop.pub,
                                 .conn = &w.conn,
                                 .frame = buf_copy(frame),
                                 .finish = world_finish}};
    f->req.body = buf_span(f->req.frame);
    api_dispatch(&f->req);
}

/* The reply stands in w.reply then. */
static inline void
flight_land(const struct flight *f)
{
    while (!f->is_finished) {
        world_step("a reply");
    }
}

static inline void
send_frame(struct span frame)
{
    struct flight f;
    flight_start(&f, frame);
    flight_land(&f);
}

static inline void
put_frame(struct bytes *to, int16_t key, int16_t version, const void *in)
{
    const struct api_info *info = api_info_find(key);
    const struct request_header h = {.api_key = key,
                                     .api_version = version,
                                     .correlation_id = 4711,
                                     .info = info,
                                     .is_known_version = true,
                                     .client_id = span_cstr("test")};
    request_header_put(to, &h);
    assert_int_equal(wire_encode(info->request, version, in, to), SL_OK);
}

/* Decodes w.reply; what it gives lives until the next call. */
static inline void
read_reply(int16_t key, int16_t version, void *out)
{
    const struct api_info *info = api_info_find(key);
    int32_t correlation = 0;
    struct span body;
    arena_fini(&w.arena);
    arena_init(&w.arena, 256 << 20);
    assert_int_equal(
        response_header_parse(bytes_span(&w.reply), info, version, &correlation, &body), SL_OK);
    assert_int_equal(correlation, 4711);
    assert_int_equal(wire_decode(info->response, version, body, &w.arena, out), SL_OK);
}

/* One request and its answer. */
static inline void
call(int16_t key, int16_t version, const void *in, void *out)
{
    struct bytes frame;
    bytes_init(&frame, WORLD_FRAME_MAX);
    put_frame(&frame, key, version, in);
    send_frame(bytes_span(&frame));
    bytes_fini(&frame);
    assert_false(w.is_closed);
    read_reply(key, version, out);
}

static inline bool
span_is(struct span s, const char *text)
{
    return span_eq(s, span_cstr(text));
}

static inline void
assert_span(struct span s, const char *text)
{
    if (!span_is(s, text)) {
        fail_msg("\"%.*s\" is not \"%s\"", (int)s.len, (const char *)s.ptr, text);
    }
}

static inline bool
span_has(struct span s, const char *text)
{
    return s.ptr != NULL && memmem(s.ptr, s.len, text, strlen(text)) != NULL;
}

/* --- batches --- */

/* Appends an uncompressed batch of empty records with these timestamps. */
static inline void
put_batch(struct bytes *to, const int64_t *timestamps, int32_t count)
{
    size_t start = to->len;
    int64_t max = timestamps[0];
    struct wire_out out = wire_out_to(to, false);
    for (int32_t i = 0; i < count; i++) {
        max = timestamps[i] > max ? timestamps[i] : max;
    }
    memset(bytes_grow(to, BATCH_HEADER_BYTES), 0, BATCH_HEADER_BYTES);
    for (int32_t i = 0; i < count; i++) {
        struct bytes rec;
        bytes_init(&rec, 256);
        struct wire_out r = wire_out_to(&rec, false);
        wire_put_i8(&r, 0);
        wire_put_varlong(&r, timestamps[i] - timestamps[0]);
        wire_put_varint(&r, i);
        wire_put_varint(&r, 1); /* key "k" */
        wire_put_i8(&r, 'k');
        wire_put_varint(&r, -1);
        wire_put_varint(&r, 0);
        wire_put_varint(&out, (int32_t)rec.len);
        bytes_append(to, rec.data, rec.len);
        bytes_fini(&rec);
    }
    uint8_t *b = to->data + start;
    size_t len = to->len - start;
    put_u32(b + 8, (uint32_t)(len - BATCH_LENGTH_START));
    b[16] = 2;
    put_u32(b + 23, (uint32_t)(count - 1));
    put_u64(b + 27, (uint64_t)timestamps[0]);
    put_u64(b + 35, (uint64_t)max);
    put_u64(b + 43, UINT64_MAX);
    put_u16(b + 51, UINT16_MAX);
    put_u32(b + 53, UINT32_MAX);
    put_u32(b + 57, (uint32_t)count);
    put_u32(b + 17, crc32c(0, b + BATCH_CRC_START, len - BATCH_CRC_START));
}

static inline void
batch_seal(struct bytes *b)
{
    put_u32(b->data + 17, crc32c(0, b->data + BATCH_CRC_START, b->len - BATCH_CRC_START));
}

#endif
