/* The fast path is one atomic operation on `used`. Waking is Dekker's handshake: a waiter sets
 * has_waiters and then looks at `used` again; a giver lowers `used` and then looks at has_waiters.
 * Both are sequentially consistent, so at least one of the two sees the other. */
#include "base/budget.h"

#include "base/counters.h"

void
budget_init(struct budget *b, const char *name, size_t limit)
{
    *b = (struct budget){.name = name, .limit = limit};
    list_init(&b->waiters);
    (void)pthread_mutex_init(&b->lock, NULL);
}

void
budget_fini(struct budget *b)
{
    SL_ASSERT(list_is_empty(&b->waiters));
    (void)pthread_mutex_destroy(&b->lock);
}

bool
budget_take(struct budget *b, size_t n)
{
    size_t used = atomic_load(&b->used);
    do {
        if (used > b->limit || n > b->limit - used) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&b->used, &used, used + n));
    counter_add(C_budget_bytes, (int64_t)n);
    return true;
}

void
budget_force(struct budget *b, size_t n)
{
    atomic_fetch_add(&b->used, n);
    counter_add(C_budget_bytes, (int64_t)n);
}

void
budget_give(struct budget *b, size_t n)
{
    if (n == 0) {
        return;
    }
    size_t before = atomic_fetch_sub(&b->used, n);
    SL_ASSERT(before >= n);
    counter_add(C_budget_bytes, -(int64_t)n);
    if (atomic_load(&b->has_waiters)) {
        budget_kick(b);
    }
}

size_t
budget_used(struct budget *b)
{
    return atomic_load(&b->used);
}

bool
budget_is_full(struct budget *b)
{
    return budget_used(b) >= b->limit;
}

static void
waiter_task(struct sched_task *task)
{
    struct budget_waiter *w = SL_CONTAINER_OF(task, struct budget_waiter, task);
    atomic_store(&w->is_posted, false);
    w->run(w);
}

void
budget_waiter_init(struct budget_waiter *w, struct sched *loop,
                   void (*run)(struct budget_waiter *w))
{
    *w = (struct budget_waiter){.loop = loop, .task.run = waiter_task, .run = run};
    list_init(&w->node);
}

void
budget_wait(struct budget *b, struct budget_waiter *w)
{
    (void)pthread_mutex_lock(&b->lock);
    if (list_is_empty(&w->node) && !atomic_load(&w->is_posted)) {
        list_append(&b->waiters, &w->node);
        atomic_store(&b->has_waiters, true);
    }
    (void)pthread_mutex_unlock(&b->lock);
}

bool
budget_wait_stop(struct budget *b, struct budget_waiter *w)
{
    (void)pthread_mutex_lock(&b->lock);
    bool is_coming = atomic_load(&w->is_posted);
    list_remove(&w->node);
    atomic_store(&b->has_waiters, !list_is_empty(&b->waiters));
    (void)pthread_mutex_unlock(&b->lock);
    return !is_coming;
}

/* Posts under the lock, so that budget_wait_stop can tell whether run will come. */
void
budget_kick(struct budget *b)
{
    (void)pthread_mutex_lock(&b->lock);
    struct list *node;
    while ((node = list_pop(&b->waiters)) != NULL) {
        struct budget_waiter *w = SL_CONTAINER_OF(node, struct budget_waiter, node);
        atomic_store(&w->is_posted, true);
        sched_post(w->loop, &w->task);
    }
    atomic_store(&b->has_waiters, false);
    (void)pthread_mutex_unlock(&b->lock);
}
