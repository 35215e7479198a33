/* A named ceiling on bytes that peers can make us hold.
 *
 * Whoever takes bytes from the network charges them here as they arrive, and gives them back when
 * they are let go. A refused take means: stop reading and wait; memory never grows instead.
 *
 * Threads:  everything may be called from any thread, except that a waiter belongs to its loop:
 *           budget_wait and budget_wait_stop are called there, and its task runs there.
 * Lifetime: the budget outlives its waiters and everything that is charged to it. */
#ifndef SLUICE_BASE_BUDGET_H
#define SLUICE_BASE_BUDGET_H

#include "base/list.h"
#include "base/sched.h"

#include <pthread.h>
#include <stdatomic.h>

struct budget {
    const char *name;
    size_t limit;
    _Atomic size_t used;
    _Atomic bool has_waiters;
    pthread_mutex_t lock; /* guards `waiters`, which loops share; taken only while somebody waits */
    struct list waiters;
};

/* Asks for one call of run, on loop, after the next bytes were given back. One per loop is enough,
 * however many connections starve there. */
struct budget_waiter {
    struct list node; /* the budget's */
    struct sched *loop;
    struct sched_task task;
    void (*run)(struct budget_waiter *w);
    _Atomic bool is_posted; /* run is on its way */
};

/* Borrows name. */
void budget_init(struct budget *b, const char *name, size_t limit);
void budget_fini(struct budget *b);

/* Charges n bytes, or gives false when they do not fit. An n above the limit never fits. */
MUST_CHECK bool budget_take(struct budget *b, size_t n);
/* Charges n bytes in any case: for bytes that are here already, and for the one who may overrun. */
void budget_force(struct budget *b, size_t n);
/* Gives back n bytes that were charged, and wakes whoever waits. */
void budget_give(struct budget *b, size_t n);
size_t budget_used(struct budget *b);
bool budget_is_full(struct budget *b);

void budget_waiter_init(struct budget_waiter *w, struct sched *loop,
                        void (*run)(struct budget_waiter *w));
/* Registers w; idempotent, also while run is on its way. Retry after registering, not before: a
 * give in between would be missed otherwise. */
void budget_wait(struct budget *b, struct budget_waiter *w);
/* Gives false when run is on its way and cannot be held back. */
bool budget_wait_stop(struct budget *b, struct budget_waiter *w);
/* Wakes whoever waits although nothing was given back. */
void budget_kick(struct budget *b);

#endif
