/* SPDX-License-Identifier: Apache-2.0
 *
 * A store in memory that keeps every promise, and a loop in virtual time that runs everything. */
#ifndef SLUICE_TESTS_MEMORY_STORE_H
#define SLUICE_TESTS_MEMORY_STORE_H

#include "store/store.h"

#include <stdlib.h>

/* --- the loop --- */

struct test_loop {
    struct sched pub;
    struct sched_task *head, **last;
    struct timer_heap timers;
    int64_t now_ns, wall_skew_ms;
    uint64_t rng;
};

static inline struct test_loop *
test_loop_of(struct sched *s)
{
    return SL_CONTAINER_OF(s, struct test_loop, pub);
}
static inline int64_t
test_loop_now(struct sched *s)
{
    return test_loop_of(s)->now_ns;
}
static inline int64_t
test_loop_wall(struct sched *s)
{
    return 1800000000000 + test_loop_of(s)->now_ns / SCHED_MS + test_loop_of(s)->wall_skew_ms;
}
static inline uint64_t
test_loop_random(struct sched *s)
{
    struct test_loop *l = test_loop_of(s);
    l->rng += 0x9E3779B97F4A7C15u;
    uint64_t z = (l->rng ^ (l->rng >> 30)) * 0xBF58476D1CE4E5B9u;
    return z ^ (z >> 31);
}
static inline void
test_loop_post(struct sched *s, struct sched_task *t)
{
    struct test_loop *l = test_loop_of(s);
    t->next = NULL;
    *l->last = t;
    l->last = &t->next;
}
static inline void
test_loop_timer_set(struct sched *s, struct sched_timer *t, int64_t due_ns)
{
    timer_heap_set(&test_loop_of(s)->timers, t, due_ns);
}
static inline void
test_loop_timer_stop(struct sched *s, struct sched_timer *t)
{
    timer_heap_stop(&test_loop_of(s)->timers, t);
}
static inline bool
test_loop_is_here(const struct sched *s)
{
    (void)s;
    return true;
}

static inline void
test_loop_init(struct test_loop *l)
{
    static const struct sched_ops loop_ops = {.now_ns = test_loop_now,
                                              .wall_ms = test_loop_wall,
                                              .random = test_loop_random,
                                              .post = test_loop_post,
                                              .timer_set = test_loop_timer_set,
                                              .timer_stop = test_loop_timer_stop,
                                              .is_here = test_loop_is_here};
    *l = (struct test_loop){.pub = {&loop_ops}, .now_ns = SCHED_S, .rng = 1};
    l->last = &l->head;
}

/* Runs one task, or else moves time on to the next timer. False when there is nothing to do. */
static inline bool
test_loop_step(struct test_loop *l)
{
    struct sched_task *t = l->head;
    if (t != NULL) {
        l->head = t->next;
        if (l->head == NULL) {
            l->last = &l->head;
        }
        t->run(t);
        return true;
    }
    struct sched_timer *timer = timer_heap_first(&l->timers);
    if (timer == NULL) {
        return false;
    }
    l->now_ns = timer->due_ns > l->now_ns ? timer->due_ns : l->now_ns;
    timer_heap_stop(&l->timers, timer);
    timer->fire(timer);
    return true;
}

/* --- the store --- */

enum { MEMORY_OBJECTS_MAX = 4096 };

struct memory_object {
    char key[STORE_KEY_MAX];
    struct buf *body;
};
struct memory_store {
    struct store pub;
    struct memory_object *objects; /* sorted by key */
    size_t count;
    size_t puts, gets, lists;
    bool is_down; /* answers STORE_ERROR */
};

static inline size_t
memory_find(const struct memory_store *m, const char *key)
{
    size_t i = 0;
    while (i < m->count && strcmp(m->objects[i].key, key) < 0) {
        i++;
    }
    return i;
}

static inline bool
memory_has(const struct memory_store *m, size_t i, const char *key)
{
    return i < m->count && strcmp(m->objects[i].key, key) == 0;
}

static inline enum store_outcome
memory_put(struct memory_store *m, const struct store_call *call)
{
    size_t i = memory_find(m, call->key);
    size_t total = 0;
    m->puts++;
    if (memory_has(m, i, call->key)) {
        if (call->if_absent) {
            return STORE_EXISTS;
        }
        buf_unref(&m->objects[i].body);
    } else {
        SL_ASSERT(m->count < MEMORY_OBJECTS_MAX);
        memmove(&m->objects[i + 1], &m->objects[i], (m->count - i) * sizeof(m->objects[0]));
        m->count++;
        memcpy(m->objects[i].key, call->key, sizeof(call->key));
    }
    for (size_t k = 0; k < call->part_count; k++) {
        total += call->parts[k].len;
    }
    struct buf *b = buf_new(total + 1);
    for (size_t k = 0; k < call->part_count; k++) {
        memcpy(b->data + b->len, call->parts[k].ptr, call->parts[k].len);
        b->len += call->parts[k].len;
    }
    m->objects[i].body = b;
    return STORE_DONE;
}

static inline enum store_outcome
memory_get(struct memory_store *m, struct store_call *call)
{
    size_t i = memory_find(m, call->key);
    m->gets++;
    if (!memory_has(m, i, call->key)) {
        return STORE_ABSENT;
    }
    struct span all = buf_span(m->objects[i].body);
    size_t from = call->offset < all.len ? (size_t)call->offset : all.len;
    size_t n =
        call->length == 0 || call->length > all.len - from ? all.len - from : (size_t)call->length;
    call->object_size = all.len;
    if (call->kind == STORE_GET) {
        call->body = buf_copy(span_of(all.ptr + from, n));
    }
    return STORE_DONE;
}

static inline enum store_outcome
memory_list(struct memory_store *m, struct store_call *call)
{
    struct store_listing *l = (struct store_listing *)sl_alloc(sizeof(*l));
    m->lists++;
    l->items = sl_alloc((m->count + 1) * sizeof(l->items[0]));
    for (size_t i = 0; i < m->count; i++) {
        const char *key = m->objects[i].key;
        bool is_wanted = strncmp(key, call->key, strlen(call->key)) == 0 &&
                         strcmp(key, call->after) > 0 &&
                         (call->max_keys == 0 || l->count < call->max_keys);
        if (is_wanted) {
            l->items[l->count].key = sl_strdup(key);
            l->items[l->count++].size_bytes = m->objects[i].body->len;
        }
    }
    call->listing = l;
    return STORE_DONE;
}

static inline enum store_outcome
memory_del(struct memory_store *m, const struct store_call *call)
{
    size_t i = memory_find(m, call->key);
    if (!memory_has(m, i, call->key)) {
        return STORE_ABSENT;
    }
    buf_unref(&m->objects[i].body);
    m->count--;
    memmove(&m->objects[i], &m->objects[i + 1], (m->count - i) * sizeof(m->objects[0]));
    return STORE_DONE;
}

static inline void
memory_deliver(struct sched_task *task)
{
    struct store_call *call = SL_CONTAINER_OF(task, struct store_call, task);
    call->ended_ns = sched_now(call->home);
    call->done(call);
}

static inline void
memory_submit(struct store *pub, struct store_call *call)
{
    struct memory_store *m = SL_CONTAINER_OF(pub, struct memory_store, pub);
    call->rc = SL_OK;
    call->body = NULL;
    call->listing = NULL;
    if (m->is_down) {
        call->outcome = STORE_ERROR;
        call->rc = SL_EIO;
    } else {
        switch (call->kind) {
        case STORE_PUT:
            call->outcome = memory_put(m, call);
            break;
        case STORE_GET:
        case STORE_HEAD:
            call->outcome = memory_get(m, call);
            break;
        case STORE_LIST:
            call->outcome = memory_list(m, call);
            break;
        case STORE_DEL:
            call->outcome = memory_del(m, call);
            break;
        }
    }
    call->task.run = memory_deliver;
    sched_post(call->home, &call->task);
}

static inline void
memory_init(struct memory_store *m)
{
    static const struct store_ops memory_ops = {memory_submit};
    *m = (struct memory_store){.pub = {.ops = &memory_ops, .is_local = true}};
    m->objects = sl_alloc((MEMORY_OBJECTS_MAX + 1) * sizeof(m->objects[0]));
}

static inline void
memory_fini(struct memory_store *m)
{
    for (size_t i = 0; i < m->count; i++) {
        buf_unref(&m->objects[i].body);
    }
    sl_free(m->objects);
}

#endif
