/* One lock, two queues, and a stack of idle threads that each sleep on their own condition.
 *
 * A stack, because the thread that slept last has the warmest cache, and because a single producer
 * then meets the same thread each time. A condition per thread, because waking exactly one costs
 * one futex call, and none when nobody sleeps. The lock is held for a few loads. An idle pool does
 * not wake up at all.
 *
 * After a bulk job a thread offers its core while others wait in the queue. A read from the page
 * cache does not block: six threads that read ahead would take the cores for a time slice each,
 * some milliseconds, and a put that is woken meanwhile would wait for that. */
#include "store/pool.h"

#include "base/buf.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

enum { STACK_BYTES = 256 * 1024, BULK_RESERVE = 2 };

struct worker {
    struct pool *pool;
    pthread_t thread;
    pthread_cond_t wake;
    struct worker *next_idle;
};

struct pool {
    pthread_mutex_t lock;
    struct list lanes[POOL_LANES];
    struct worker *idle;
    uint32_t queued, queue_max;
    uint32_t bulk_running, bulk_max;
    bool is_closing;
    uint32_t thread_count, started;
    char name[16];
    struct worker workers[];
};

/* Gives the next job that may run now, NULL when there is none. Holds the lock. */
static struct pool_job *
job_take(struct pool *p, bool *is_bulk)
{
    struct list *node = list_pop(&p->lanes[POOL_URGENT]);
    *is_bulk = false;
    if (node == NULL && p->bulk_running < p->bulk_max) {
        node = list_pop(&p->lanes[POOL_BULK]);
        *is_bulk = node != NULL;
    }
    if (node == NULL) {
        return NULL;
    }
    p->queued--;
    p->bulk_running += *is_bulk ? 1 : 0;
    return SL_CONTAINER_OF(node, struct pool_job, link);
}

static void
worker_sleep(struct worker *w)
{
    struct pool *p = w->pool;
    w->next_idle = p->idle;
    p->idle = w;
    pthread_cond_wait(&w->wake, &p->lock);
    /* pool_submit took it off the stack; after any other wake-up it is still there. */
    for (struct worker **at = &p->idle; *at != NULL; at = &(*at)->next_idle) {
        if (*at == w) {
            *at = w->next_idle;
            break;
        }
    }
}

static void
idle_wake_all(struct pool *p)
{
    for (struct worker *w = p->idle; w != NULL; w = w->next_idle) {
        pthread_cond_signal(&w->wake);
    }
}

/* Holds the lock, but not meanwhile. */
static void
core_offer(struct pool *p)
{
    pthread_mutex_unlock(&p->lock);
    (void)sched_yield();
    pthread_mutex_lock(&p->lock);
}

static void *
worker_main(void *arg)
{
    struct worker *w = (struct worker *)arg;
    struct pool *p = w->pool;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        bool is_bulk;
        struct pool_job *job = job_take(p, &is_bulk);
        if (job == NULL) {
            if (p->is_closing && p->queued == 0) {
                break;
            }
            worker_sleep(w);
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        job->run(job);
        pthread_mutex_lock(&p->lock);
        p->bulk_running -= is_bulk ? 1 : 0;
        if (is_bulk && p->queued > 0) {
            core_offer(p);
        }
    }
    idle_wake_all(p); /* they went to sleep while jobs were left that they might not run */
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum sl_err
pool_submit(struct pool *p, enum pool_lane lane, struct pool_job *job)
{
    pthread_mutex_lock(&p->lock);
    if (p->is_closing || p->queued >= p->queue_max) {
        pthread_mutex_unlock(&p->lock);
        return SL_EAGAIN;
    }
    list_append(&p->lanes[lane], &job->link);
    p->queued++;
    struct worker *w = p->idle;
    if (w != NULL) {
        p->idle = w->next_idle;
    }
    pthread_mutex_unlock(&p->lock);
    if (w != NULL) {
        pthread_cond_signal(&w->wake);
    }
    return SL_OK;
}

static enum sl_err
workers_start(struct pool *p, struct sl_error *err)
{
    pthread_attr_t attr;
    enum sl_err rc = SL_OK;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    for (; p->started < p->thread_count; p->started++) {
        struct worker *w = &p->workers[p->started];
        w->pool = p;
        (void)pthread_cond_init(&w->wake, NULL);
        int e = pthread_create(&w->thread, &attr, worker_main, w);
        if (e != 0) {
            (void)pthread_cond_destroy(&w->wake);
            rc = sl_error_sys(err, e, "cannot start a thread of the %s pool", p->name);
            break;
        }
        (void)pthread_setname_np(w->thread, p->name);
    }
    (void)pthread_attr_destroy(&attr);
    return rc;
}

enum sl_err
pool_open(const char *name, uint32_t threads, uint32_t queue_max, struct pool **ret,
          struct sl_error *err)
{
    if (threads == 0 || queue_max == 0) {
        return sl_error_set(err, SL_EINVAL, "a pool needs threads and a queue");
    }
    struct pool *p = (struct pool *)sl_alloc(sizeof(*p) + threads * sizeof(p->workers[0]));
    (void)pthread_mutex_init(&p->lock, NULL);
    list_init(&p->lanes[POOL_URGENT]);
    list_init(&p->lanes[POOL_BULK]);
    p->thread_count = threads;
    p->queue_max = queue_max;
    p->bulk_max = threads > BULK_RESERVE ? threads - BULK_RESERVE : 1;
    (void)snprintf(p->name, sizeof(p->name), "%s", name);
    enum sl_err rc = workers_start(p, err);
    if (rc != SL_OK) {
        pool_close(&p);
        return rc;
    }
    *ret = p;
    return SL_OK;
}

void
pool_close(struct pool **pp)
{
    struct pool *p = *pp;
    *pp = NULL;
    if (p == NULL) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->is_closing = true;
    idle_wake_all(p);
    pthread_mutex_unlock(&p->lock);
    for (uint32_t i = 0; i < p->started; i++) {
        (void)pthread_join(p->workers[i].thread, NULL);
        (void)pthread_cond_destroy(&p->workers[i].wake);
    }
    (void)pthread_mutex_destroy(&p->lock);
    sl_free(p);
}
