/* What a protocol state machine may ask of the world: the time, a timer, a number, "run this on my
 * loop". net/ implements it on libevent, tests/sim with virtual time and a seed; the code above
 * cannot tell which.
 *
 * Threads: `post` may be called from any thread; everything else only on the sched's own loop.
 * Lifetime: tasks and timers are embedded in their owner, who keeps them alive until they ran or
 * were stopped. A task is posted at most once at a time. */
#ifndef SLUICE_BASE_SCHED_H
#define SLUICE_BASE_SCHED_H

#include "base/err.h"

struct sched;

struct sched_task {
    struct sched_task *next; /* the sched's */
    void (*run)(struct sched_task *task);
};

struct sched_timer {
    void (*fire)(struct sched_timer *timer);
    int64_t due_ns;
    size_t heap_pos; /* the sched's; 0 = not armed */
};

struct sched_ops {
    int64_t (*now_ns)(struct sched *s);  /* CLOCK_BOOTTIME: keeps counting while suspended */
    int64_t (*wall_ms)(struct sched *s); /* CLOCK_REALTIME, milliseconds since 1970 */
    uint64_t (*random)(struct sched *s);
    void (*post)(struct sched *s, struct sched_task *task); /* [any thread] FIFO per poster */
    void (*timer_set)(struct sched *s, struct sched_timer *t,
                      int64_t due_ns);                          /* re-arms if armed */
    void (*timer_stop)(struct sched *s, struct sched_timer *t); /* idempotent */
    bool (*is_here)(const struct sched *s); /* is the caller on this loop's thread? */
};

struct sched {
    const struct sched_ops *ops;
};

#define SCHED_MS INT64_C(1000000)
#define SCHED_S INT64_C(1000000000)

static inline int64_t
sched_now(struct sched *s)
{
    return s->ops->now_ns(s);
}
static inline int64_t
sched_wall_ms(struct sched *s)
{
    return s->ops->wall_ms(s);
}
static inline uint64_t
sched_random(struct sched *s)
{
    return s->ops->random(s);
}
static inline void
sched_post(struct sched *s, struct sched_task *t)
{
    s->ops->post(s, t);
}
static inline void
sched_timer_at(struct sched *s, struct sched_timer *t, int64_t due_ns)
{
    s->ops->timer_set(s, t, due_ns);
}
static inline void
sched_timer_after(struct sched *s, struct sched_timer *t, int64_t delay_ns)
{
    s->ops->timer_set(s, t, sched_now(s) + delay_ns);
}
static inline void
sched_timer_stop(struct sched *s, struct sched_timer *t)
{
    s->ops->timer_stop(s, t);
}

/* How long to wait after so many failures: twice as long each time, up to most_ns. */
static inline int64_t
sched_backoff(int64_t first_ns, unsigned failures, int64_t most_ns)
{
    enum { DOUBLINGS_MAX = 20 };
    int64_t ns = first_ns << (failures < DOUBLINGS_MAX ? failures : DOUBLINGS_MAX);
    return ns < most_ns ? ns : most_ns;
}

#define SCHED_ASSERT_HERE(s) SL_ASSERT((s)->ops->is_here(s))

/* A binary heap of timers for implementations of struct sched. */
struct timer_heap {
    struct sched_timer **items; /* 1-based */
    size_t count, cap;
};
void timer_heap_fini(struct timer_heap *h);
void timer_heap_set(struct timer_heap *h, struct sched_timer *t, int64_t due_ns);
void timer_heap_stop(struct timer_heap *h, struct sched_timer *t);
/* Gives the earliest timer, or NULL. */
struct sched_timer *timer_heap_first(const struct timer_heap *h);

#endif
