/* SPDX-License-Identifier: Apache-2.0
 *
 * One journal on a store in memory that can be stalled, brokers on it with a table of groups each,
 * and members that ask, all in virtual time on one loop. */
#ifndef SLUICE_TESTS_GROUP_WORLD_H
#define SLUICE_TESTS_GROUP_WORLD_H

#include "../api/memory_store.h"
#include "../unit.h"
#include "group/classic.h"
#include "group/group_int.h"
#include "group/offsets.h"
#include "store/cache.h"

#include <stdio.h>

enum { BROKERS = 2, PARTITIONS = 8, HELD_MAX = 64, SESSION_MS = 10000, REBALANCE_MS = 60000 };

/* A store in front of the one in memory that keeps calls back while it is stalled. */
struct stalling_store {
    struct store pub;
    struct memory_store *inner;
    struct store_call *held[HELD_MAX];
    size_t held_count;
    bool is_stalled;
};

struct world_broker {
    struct stalling_store store;
    struct cache *cache;
    struct shard *shard;
    struct group_table *table;
    bool is_live;
};

struct world {
    struct test_loop loop;
    struct memory_store memory;
    struct world_broker brokers[BROKERS];
    struct group_options options;
    struct uuid topic;
    struct arena arena;
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

/* Lets what is on its way arrive. */
static inline void
settle(void)
{
    run_ms(50);
}

/* --- the store --- */

static inline void
stalling_submit(struct store *pub, struct store_call *call)
{
    struct stalling_store *s = SL_CONTAINER_OF(pub, struct stalling_store, pub);
    if (s->is_stalled) {
        assert_true(s->held_count < HELD_MAX);
        s->held[s->held_count++] = call;
        return;
    }
    s->inner->pub.ops->submit(&s->inner->pub, call);
}

static inline void
stall(struct world_broker *b)
{
    b->store.is_stalled = true;
}

static inline void
unstall(struct world_broker *b)
{
    b->store.is_stalled = false;
    for (size_t i = 0; i < b->store.held_count; i++) {
        stalling_submit(&b->store.pub, b->store.held[i]);
    }
    b->store.held_count = 0;
}

/* --- brokers --- */

static inline struct world_broker *
broker_of(struct shard *sh)
{
    for (size_t i = 0; i < BROKERS; i++) {
        if (w.brokers[i].shard == sh) {
            return &w.brokers[i];
        }
    }
    fail_msg("a shard of nobody");
    return NULL;
}

static inline void
on_mode(void *arg, struct shard *sh, enum journal_mode mode, const char *why)
{
    struct world_broker *b = (struct world_broker *)arg;
    (void)sh;
    (void)why;
    b->is_live = mode == JOURNAL_LIVE;
    if (b->table != NULL) {
        group_table_mode_changed(b->table);
    }
}

static inline void
on_group(void *arg, struct shard *sh, struct group_state *g)
{
    (void)sh;
    group_table_group_changed(((struct world_broker *)arg)->table, g);
}

static inline void
on_group_deleted(void *arg, struct shard *sh, struct group_state *g, enum group_gone why)
{
    (void)sh;
    if (((struct world_broker *)arg)->table != NULL) {
        group_table_group_deleted(((struct world_broker *)arg)->table, g, why);
    }
}

static inline void
broker_start(size_t i)
{
    static const struct shard_events events = {
        .mode_changed = on_mode, .group_changed = on_group, .group_deleted = on_group_deleted};
    static const struct store_ops ops = {stalling_submit};
    struct world_broker *b = &w.brokers[i];
    b->store = (struct stalling_store){.pub = {.ops = &ops, .is_local = true}, .inner = &w.memory};
    b->cache = cache_open(&b->store.pub, 1 << 20);
    const struct shard_options o = {.journal = {.sched = &w.loop.pub,
                                                .store = &b->store.pub,
                                                .prefix = "_sluice",
                                                .node_id = (int32_t)i,
                                                .max_in_flight = 4,
                                                .entry_max_bytes = 8 << 20,
                                                .safe_window_ns = 20 * SCHED_S,
                                                .check_interval_ns = 7 * SCHED_S,
                                                .grace_ns = 3600 * SCHED_S,
                                                .queue_max_bytes = 64 << 20},
                                    .cache = b->cache,
                                    .tail_cache_bytes = 1 << 20,
                                    .events = &events,
                                    .events_arg = b};
    b->shard = shard_new(&o);
    w.options.shard = b->shard;
    b->table = group_table_new(&w.options);
    shard_open(b->shard);
    settle();
    assert_true(b->is_live);
}

static inline void
broker_stop(size_t i)
{
    struct world_broker *b = &w.brokers[i];
    if (b->shard == NULL) {
        return;
    }
    unstall(b);
    group_table_stop(b->table);
    shard_close(b->shard, w.loop.now_ns + SCHED_S);
    run_ms(2000);
    assert_true(shard_is_idle(b->shard));
    group_table_destroy(&b->table);
    shard_destroy(&b->shard);
    cache_close(&b->cache);
}

static inline int
world_setup(void **unused)
{
    (void)unused;
    memset(&w, 0, sizeof(w));
    diag_set_level(DIAG_OFF);
    test_loop_init(&w.loop);
    memory_init(&w.memory);
    arena_init(&w.arena, 256 << 20);
    w.options = group_options_default();
    w.topic = uuid_random(&w.loop.pub);
    broker_start(0);
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
    arena_fini(&w.arena);
    buf_pool_trim();
    return 0;
}

/* --- members: what they ask, and whether they were answered --- */

static inline void
note_done(struct group_call *call)
{
    bool *is_done = (bool *)call->arg;
    assert_false(*is_done);
    *is_done = true;
}

static inline void
send_to(size_t broker, struct group_call *call, const char *group,
        void (*run)(struct group_table *gt, struct group_call *c), bool *is_done)
{
    call->is_from_member = run == group_join_run || run == group_sync_run ||
                           run == group_heartbeat_run || run == group_leave_run;
    call->group_id = span_cstr(group);
    call->run = run;
    call->home = &w.loop.pub;
    call->done = note_done;
    call->arg = is_done;
    group_submit(w.brokers[broker].table, call);
}

#define NEW(type) ((type *)arena_alloc(&w.arena, sizeof(type)))

struct joining {
    struct group_join j;
    bool is_done;
    struct group_protocol protocols[2];
};

/* What a member brings; what is NULL is not said. */
struct who {
    size_t broker;
    const char *group, *id, *instance, *protocol, *metadata, *second, *type;
    bool is_old; /* before version 4: gets no id to come back with */
    bool can_skip;
    int32_t session_ms, rebalance_ms;
};

static inline struct joining *
join_send(struct who who)
{
    struct joining *a = NEW(struct joining);
    a->protocols[0] =
        (struct group_protocol){span_cstr(who.protocol != NULL ? who.protocol : "range"),
                                span_cstr(who.metadata != NULL ? who.metadata : "m")};
    a->protocols[1] = (struct group_protocol){span_cstr(who.second), span_cstr("2")};
    a->j = (struct group_join){
        .member_id = span_cstr(who.id != NULL ? who.id : ""),
        .instance_id = span_cstr(who.instance),
        .client_id = span_cstr("client"),
        .client_host = span_cstr("/127.0.0.1"),
        .protocol_type = span_cstr(who.type != NULL ? who.type : "any"),
        .protocols = a->protocols,
        .protocol_count = who.second != NULL ? 2 : 1,
        .session_timeout_ms = who.session_ms != 0 ? who.session_ms : SESSION_MS,
        .rebalance_timeout_ms = who.rebalance_ms != 0 ? who.rebalance_ms : REBALANCE_MS,
        .needs_member_id = !who.is_old,
        .can_skip_assignment = who.can_skip};
    send_to(who.broker, &a->j.call, who.group != NULL ? who.group : "g", group_join_run,
            &a->is_done);
    settle();
    return a;
}

static inline const char *
text(struct span s)
{
    char *copy = (char *)arena_alloc(&w.arena, s.len + 1);
    span_to_cstr(s, copy, s.len + 1);
    return copy;
}

static inline void
done_with(struct group_call *call, const bool *is_done)
{
    assert_true(*is_done);
    group_call_fini(call);
}

/* The id that a join answered with; the join is over. */
static inline const char *
joined_id(struct joining *a, int16_t error)
{
    assert_true(a->is_done);
    assert_int_equal(a->j.call.error, error);
    const char *id = text(a->j.ret_member_id);
    group_call_fini(&a->j.call);
    return id;
}

/* Asks for an id first (KIP-394), then joins with it, and waits. */
static inline struct joining *
join_new(struct who who)
{
    who.id = joined_id(join_send(who), KAFKA_MEMBER_ID_REQUIRED);
    return join_send(who);
}

struct syncing {
    struct group_sync s;
    bool is_done;
    struct group_assignment list[8];
};

static inline struct syncing *
sync_send(size_t broker, const char *id, int32_t generation, const char *const *members,
          const char *const *assignments)
{
    struct syncing *a = NEW(struct syncing);
    a->s = (struct group_sync){
        .member_id = span_cstr(id), .generation = generation, .assignments = a->list};
    for (size_t i = 0; members != NULL && members[i] != NULL; i++) {
        a->list[a->s.assignment_count++] =
            (struct group_assignment){span_cstr(members[i]), span_cstr(assignments[i])};
    }
    send_to(broker, &a->s.call, "g", group_sync_run, &a->is_done);
    settle();
    return a;
}

/* Ends a sync: its error, and what it was assigned. */
static inline void
synced(struct syncing *a, int16_t error, const char *assignment)
{
    assert_true(a->is_done);
    assert_int_equal(a->s.call.error, error);
    if (error == KAFKA_NONE) {
        assert_string_equal(text(a->s.ret_assignment), assignment);
    }
    group_call_fini(&a->s.call);
}

static inline int16_t
heartbeat_at(size_t broker, const char *id, const char *instance, int32_t generation)
{
    struct group_heartbeat h = {.call.is_live_enough = true,
                                .call.is_from_member = true,
                                .member_id = span_cstr(id),
                                .instance_id = span_cstr(instance),
                                .generation = generation};
    bool is_done = false;
    send_to(broker, &h.call, "g", group_heartbeat_run, &is_done);
    run_ms(1);
    done_with(&h.call, &is_done);
    return h.call.error;
}

static inline int16_t
heartbeat(const char *id, int32_t generation)
{
    return heartbeat_at(0, id, NULL, generation);
}

static inline int16_t
leave(const char *id, const char *instance)
{
    struct group_leave_member m = {.member_id = span_cstr(id), .instance_id = span_cstr(instance)};
    struct group_leave l = {.members = &m, .member_count = 1};
    bool is_done = false;
    send_to(0, &l.call, "g", group_leave_run, &is_done);
    settle();
    done_with(&l.call, &is_done);
    return l.call.error != KAFKA_NONE ? l.call.error : m.error;
}

struct committing {
    struct offset_commit c;
    struct offset_commit_part part;
    bool is_done;
};

static inline struct committing *
commit_send(size_t broker, const char *group, const char *id, int32_t generation, int64_t offset)
{
    struct committing *a = NEW(struct committing);
    a->part = (struct offset_commit_part){
        .topic_id = w.topic, .leader_epoch = -1, .offset = offset, .metadata = span_cstr("meta")};
    a->c = (struct offset_commit){
        .member_id = span_cstr(id), .generation = generation, .parts = &a->part, .part_count = 1};
    send_to(broker, &a->c.call, group, offset_commit_run, &a->is_done);
    return a;
}

static inline int16_t
commit(const char *id, int32_t generation, int64_t offset)
{
    struct committing *a = commit_send(0, "g", id, generation, offset);
    settle();
    done_with(&a->c.call, &a->is_done);
    return a->part.error;
}

/* The committed offset, -1 when there is none. */
static inline int64_t
fetched_at(size_t broker, const char *group)
{
    struct offset_fetch_part part = {.topic_id = w.topic};
    struct offset_fetch f = {.parts = &part,
                             .part_count = 1,
                             .member_epoch = -1,
                             .deadline_ns = w.loop.now_ns + 5 * SCHED_S};
    bool is_done = false;
    send_to(broker, &f.call, group, offset_fetch_run, &is_done);
    settle();
    assert_true(is_done);
    assert_int_equal(f.call.error, KAFKA_NONE);
    group_call_fini(&f.call);
    return part.offset;
}

/* "Stable" and so on; "Dead" when there is no such group. */
static inline const char *
state_at(size_t broker)
{
    struct group_describe d = {0};
    bool is_done = false;
    send_to(broker, &d.call, "g", group_describe_run, &is_done);
    settle();
    done_with(&d.call, &is_done);
    return d.state;
}

static inline void
expect_state(const char *state)
{
    assert_string_equal(state_at(0), state);
}

/* A stable group of one member in generation 1. */
static inline const char *
stable_one(void)
{
    struct joining *a = join_new((struct who){0});
    run_ms(3000);
    const char *id = joined_id(a, KAFKA_NONE);
    synced(sync_send(0, id, 1, (const char *[]){id, NULL}, (const char *[]){"all"}), KAFKA_NONE,
           "all");
    return id;
}

#endif
