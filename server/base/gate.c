#include "base/gate.h"

#include <time.h>

void
gate_init(struct gate *g, unsigned count)
{
    pthread_condattr_t attr;
    (void)pthread_mutex_init(&g->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&g->moved, &attr);
    (void)pthread_condattr_destroy(&attr);
    g->left = count;
}

void
gate_fini(struct gate *g)
{
    (void)pthread_cond_destroy(&g->moved);
    (void)pthread_mutex_destroy(&g->lock);
}

void
gate_pass(struct gate *g)
{
    (void)pthread_mutex_lock(&g->lock);
    SL_ASSERT(g->left > 0);
    g->left--;
    (void)pthread_cond_signal(&g->moved);
    (void)pthread_mutex_unlock(&g->lock);
}

static struct timespec
after_ms(int64_t ms)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    int64_t ns = ts.tv_nsec + (ms % 1000) * SCHED_MS;
    ts.tv_sec += ms / 1000 + ns / SCHED_S;
    ts.tv_nsec = ns % SCHED_S;
    return ts;
}

bool
gate_wait(struct gate *g, int64_t timeout_ms)
{
    struct timespec until = after_ms(timeout_ms < 0 ? 0 : timeout_ms);
    int rc = 0;
    (void)pthread_mutex_lock(&g->lock);
    while (g->left > 0 && rc == 0) {
        rc = timeout_ms < 0 ? pthread_cond_wait(&g->moved, &g->lock)
                            : pthread_cond_timedwait(&g->moved, &g->lock, &until);
    }
    bool is_open = g->left == 0;
    (void)pthread_mutex_unlock(&g->lock);
    return is_open;
}
