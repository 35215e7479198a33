/* A struct sched for tests: a queue that the test thread drains with loop_run_until. */
#ifndef SLUICE_TESTS_LOOP_FIXTURE_H
#define SLUICE_TESTS_LOOP_FIXTURE_H

#include "base/sched.h"
#include "store/store.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct loop_fixture {
    struct sched sched;
    pthread_mutex_t lock;
    pthread_cond_t posted;
    struct sched_task *first, **last;
    pthread_t owner;
};

static inline int64_t
loop_now(struct sched *s)
{
    (void)s;
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * SCHED_S + ts.tv_nsec;
}

static inline void
loop_post(struct sched *s, struct sched_task *task)
{
    struct loop_fixture *l = SL_CONTAINER_OF(s, struct loop_fixture, sched);
    pthread_mutex_lock(&l->lock);
    task->next = NULL;
    *l->last = task;
    l->last = &task->next;
    pthread_cond_signal(&l->posted);
    pthread_mutex_unlock(&l->lock);
}

static inline bool
loop_is_here(const struct sched *s)
{
    const struct loop_fixture *l =
        SL_CONTAINER_OF((struct sched *)(uintptr_t)s, struct loop_fixture, sched);
    return pthread_equal(l->owner, pthread_self()) != 0;
}

static inline uint64_t
loop_random(struct sched *s)
{
    (void)s;
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_nsec * UINT64_C(0x9E3779B97F4A7C15) + (uint64_t)ts.tv_sec;
}

static inline void
loop_init(struct loop_fixture *l)
{
    static const struct sched_ops loop_ops = {
        .now_ns = loop_now, .random = loop_random, .post = loop_post, .is_here = loop_is_here};
    memset(l, 0, sizeof(*l));
    l->sched.ops = &loop_ops;
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_cond_init(&l->posted, NULL);
    l->last = &l->first;
    l->owner = pthread_self();
}

static inline void
loop_fini(struct loop_fixture *l)
{
    (void)pthread_cond_destroy(&l->posted);
    (void)pthread_mutex_destroy(&l->lock);
}

/* Runs one task, waiting for it. */
static inline void
loop_run_one(struct loop_fixture *l)
{
    pthread_mutex_lock(&l->lock);
    while (l->first == NULL) {
        pthread_cond_wait(&l->posted, &l->lock);
    }
    struct sched_task *task = l->first;
    l->first = task->next;
    if (l->first == NULL) {
        l->last = &l->first;
    }
    pthread_mutex_unlock(&l->lock);
    task->run(task);
}

static inline void
loop_run_until(struct loop_fixture *l, const size_t *counter, size_t target)
{
    while (*counter < target) {
        loop_run_one(l);
    }
}

/* One store call that the test waits for. */
struct sync_call {
    struct store_call call;
    size_t done;
};

static inline void
sync_done(struct store_call *call)
{
    SL_CONTAINER_OF(call, struct sync_call, call)->done++;
}

static inline void
sync_run(struct loop_fixture *l, struct store *st, struct sync_call *c)
{
    c->done = 0;
    c->call.home = &l->sched;
    c->call.done = sync_done;
    store_submit(st, &c->call);
    loop_run_until(l, &c->done, 1);
}

static inline enum store_outcome
sync_put(struct loop_fixture *l, struct store *st, struct sync_call *c, const char *key,
         const char *text)
{
    memset(c, 0, sizeof(*c));
    c->call.kind = STORE_PUT;
    (void)snprintf(c->call.key, sizeof(c->call.key), "%s", key);
    c->call.parts[0] = span_cstr(text);
    c->call.part_count = 1;
    c->call.if_absent = true;
    sync_run(l, st, c);
    return c->call.outcome;
}

static inline enum store_outcome
sync_key(struct loop_fixture *l, struct store *st, struct sync_call *c, enum store_kind kind,
         const char *key)
{
    memset(c, 0, sizeof(*c));
    c->call.kind = kind;
    (void)snprintf(c->call.key, sizeof(c->call.key), "%s", key);
    sync_run(l, st, c);
    return c->call.outcome;
}

#endif
