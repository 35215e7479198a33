/* The event loop.
 *
 * Posting. Other threads push tasks on `inbox`, a stack that is only ever emptied whole, so that a
 * compare-and-swap is enough and no ABA can arise. The loop takes the whole stack, turns it round
 * and appends it to `ready`, its own queue: that keeps the order of each poster. The loop's own
 * posts go straight to `ready`, without an atomic. One pass runs at most TASKS_PER_PASS of the
 * tasks that were there when it began: a task that posts itself, or a flood from outside, cannot
 * keep sockets waiting.
 *
 * Sleeping. Before it blocks, the loop sets is_asleep and looks at the inbox once more; a poster
 * pushes and then looks at is_asleep. Both sequentially consistent, so one of them sees the other.
 * Only the poster that turns is_asleep off writes to the eventfd: a loop that is awake, or that was
 * told already, costs posters no system call. The eventfd is edge-triggered and never read.
 *
 * Timers. A heap, and one timerfd on CLOCK_BOOTTIME. libevent's own timers are not used: they go by
 * a clock that stands still while the machine sleeps, with a granularity of milliseconds. The
 * timerfd is set only when the first timer is earlier than what it is set to; timers that are
 * stopped or moved back (most deadlines) cost no system call, but at times one needless wake-up. */
#include "net/loop.h"

#include "base/buf.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { TASKS_PER_PASS = 1024, TIMERS_PER_PASS = 1024, LOOPS_MAX = 256 };

struct loop {
    struct sched sched; /* first: loop_of relies on it */
    const unsigned index;
    struct event_base *const base;
    const int wake_fd, timer_fd;

    struct {
        _Atomic(struct sched_task *) inbox;
        _Atomic bool is_asleep;
        _Atomic bool is_stopping;
    } shared;

    struct {
        struct sched_task *ready, **ready_tail;
        size_t ready_count;
        struct timer_heap timers;
        int64_t timer_fd_due_ns; /* INT64_MAX: not set */
        uint64_t random[4];
        struct event wake_event, timer_event;
    } owned;

    bool is_running; /* of whoever starts and stops */
    pthread_t thread;
};

static _Thread_local struct loop *here;

static struct loop *
loop_of(const struct sched *s)
{
    return (struct loop *)(uintptr_t)s;
}

static int64_t
clock_ns(clockid_t id)
{
    struct timespec ts = {0};
    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * SCHED_S + ts.tv_nsec;
}

static int64_t
now_ns(struct sched *s)
{
    (void)s;
    return clock_ns(CLOCK_BOOTTIME);
}

static int64_t
wall_ms(struct sched *s)
{
    (void)s;
    return clock_ns(CLOCK_REALTIME) / SCHED_MS;
}

static uint64_t
rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

/* xoshiro256**, Blackman and Vigna. For jitter and identifiers, not for secrets. */
static uint64_t
random_next(struct sched *sched)
{
    uint64_t *s = loop_of(sched)->owned.random;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

static bool
is_here(const struct sched *s)
{
    return here == loop_of(s);
}

static void
ready_append(struct loop *loop, struct sched_task *task)
{
    task->next = NULL;
    *loop->owned.ready_tail = task;
    loop->owned.ready_tail = &task->next;
    loop->owned.ready_count++;
}

static void
wake(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t n;
    do {
        n = write(loop->wake_fd, &one, sizeof(one));
    } while (n < 0 && errno == EINTR);
}

static void
post(struct sched *s, struct sched_task *task)
{
    struct loop *loop = loop_of(s);
    if (here == loop) {
        ready_append(loop, task);
        return;
    }
    task->next = atomic_load_explicit(&loop->shared.inbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&loop->shared.inbox, &task->next, task)) {
    }
    if (atomic_load(&loop->shared.is_asleep) && atomic_exchange(&loop->shared.is_asleep, false)) {
        wake(loop);
    }
}

static void
timer_set(struct sched *s, struct sched_timer *t, int64_t due_ns)
{
    timer_heap_set(&loop_of(s)->owned.timers, t, due_ns);
}

static void
timer_stop(struct sched *s, struct sched_timer *t)
{
    timer_heap_stop(&loop_of(s)->owned.timers, t);
}

static const struct sched_ops ops = {
    .now_ns = now_ns,
    .wall_ms = wall_ms,
    .random = random_next,
    .post = post,
    .timer_set = timer_set,
    .timer_stop = timer_stop,
    .is_here = is_here,
};

static void
inbox_take(struct loop *loop)
{
    if (atomic_load_explicit(&loop->shared.inbox, memory_order_relaxed) == NULL) {
        return;
    }
    struct sched_task *task = atomic_exchange(&loop->shared.inbox, NULL);
    struct sched_task *oldest = NULL;
    while (task != NULL) {
        struct sched_task *next = task->next;
        task->next = oldest;
        oldest = task;
        task = next;
    }
    while (oldest != NULL) {
        struct sched_task *next = oldest->next;
        ready_append(loop, oldest);
        oldest = next;
    }
}

static void
run_tasks(struct loop *loop)
{
    inbox_take(loop);
    size_t n = loop->owned.ready_count;
    n = n < TASKS_PER_PASS ? n : TASKS_PER_PASS;
    while (n-- > 0) {
        struct sched_task *task = loop->owned.ready;
        SL_ASSERT(task != NULL);
        loop->owned.ready = task->next;
        if (task->next == NULL) {
            loop->owned.ready_tail = &loop->owned.ready;
        }
        loop->owned.ready_count--;
        task->next = NULL;
        task->run(task);
    }
}

static void
run_timers(struct loop *loop)
{
    struct timer_heap *heap = &loop->owned.timers;
    struct sched_timer *t = timer_heap_first(heap);
    if (t == NULL) {
        return;
    }
    int64_t now = clock_ns(CLOCK_BOOTTIME);
    for (int i = 0; i < TIMERS_PER_PASS && t != NULL && t->due_ns <= now; i++) {
        timer_heap_stop(heap, t);
        t->fire(t);
        t = timer_heap_first(heap);
    }
}

/* Gives false when a timer is due already. */
static bool
arm_timer_fd(struct loop *loop)
{
    struct sched_timer *t = timer_heap_first(&loop->owned.timers);
    if (t == NULL || t->due_ns >= loop->owned.timer_fd_due_ns) {
        return true;
    }
    if (t->due_ns <= clock_ns(CLOCK_BOOTTIME)) {
        return false;
    }
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(t->due_ns / SCHED_S),
                                         .tv_nsec = (long)(t->due_ns % SCHED_S)}};
    int rc = timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
    SL_ASSERT(rc == 0);
    loop->owned.timer_fd_due_ns = t->due_ns;
    return true;
}

/* Gives true when the loop may block; it counts as asleep then. */
static bool
fall_asleep(struct loop *loop)
{
    if (loop->owned.ready_count > 0 || !arm_timer_fd(loop)) {
        return false;
    }
    atomic_store(&loop->shared.is_asleep, true);
    if (atomic_load(&loop->shared.inbox) != NULL || atomic_load(&loop->shared.is_stopping)) {
        atomic_store(&loop->shared.is_asleep, false);
        return false;
    }
    return true;
}

static void
loop_run(struct loop *loop)
{
    while (!atomic_load_explicit(&loop->shared.is_stopping, memory_order_acquire)) {
        run_tasks(loop);
        run_timers(loop);
        int flags = fall_asleep(loop) ? EVLOOP_ONCE : EVLOOP_NONBLOCK;
        (void)event_base_loop(loop->base, flags);
        atomic_store_explicit(&loop->shared.is_asleep, false, memory_order_relaxed);
    }
    run_tasks(loop);
}

static void *
thread_main(void *arg)
{
    struct loop *loop = (struct loop *)arg;
    char name[16];
    (void)snprintf(name, sizeof(name), "loop-%u", loop->index);
    (void)pthread_setname_np(pthread_self(), name);
    here = loop;
    loop_run(loop);
    here = NULL;
    return NULL;
}

static void
woken(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg; /* the loop looks at its inbox anyway */
}

static void
timer_expired(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = (struct loop *)arg;
    (void)fd;
    (void)what;
    loop->owned.timer_fd_due_ns = INT64_MAX;
}

static enum sl_err
watch_own_fds(struct loop *loop, struct sl_error *err)
{
    const short what = EV_READ | EV_PERSIST | EV_ET;
    if (event_assign(&loop->owned.wake_event, loop->base, loop->wake_fd, what, woken, loop) != 0 ||
        event_assign(&loop->owned.timer_event, loop->base, loop->timer_fd, what, timer_expired,
                     loop) != 0 ||
        event_add(&loop->owned.wake_event, NULL) != 0 ||
        event_add(&loop->owned.timer_event, NULL) != 0) {
        return sl_error_set(err, SL_EIO, "cannot watch the descriptors of an event loop");
    }
    return SL_OK;
}

static struct event_base *
base_new(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL) {
        return NULL;
    }
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    (void)event_config_require_features(config, EV_FEATURE_ET);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

enum sl_err
loop_new(unsigned index, struct loop **ret, struct sl_error *err)
{
    struct loop made = {
        .sched = {.ops = &ops},
        .index = index,
        .base = base_new(),
        .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK),
    };
    int sys_errno = errno;
    struct loop *loop = (struct loop *)sl_alloc(sizeof(*loop));
    memcpy(loop, &made, sizeof(made)); /* the const members are set once, here */
    loop->owned.ready_tail = &loop->owned.ready;
    loop->owned.timer_fd_due_ns = INT64_MAX;
    enum sl_err rc;
    if (loop->base == NULL || loop->wake_fd < 0 || loop->timer_fd < 0) {
        rc = sl_error_sys(err, sys_errno, "cannot make event loop %u", index);
        goto out;
    }
    size_t seed_bytes = sizeof(loop->owned.random);
    if (getrandom(loop->owned.random, seed_bytes, 0) != (ssize_t)seed_bytes) {
        rc = sl_error_sys(err, errno, "cannot seed the random numbers of event loop %u", index);
        goto out;
    }
    rc = watch_own_fds(loop, err);
    if (rc != SL_OK) {
        goto out;
    }
    *ret = loop;
    loop = NULL; /* given to the caller */
out:
    loop_destroy(&loop);
    return rc;
}

enum sl_err
loop_start(struct loop *loop, struct sl_error *err)
{
    SL_ASSERT(!loop->is_running);
    sigset_t all, before;
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    (void)sigfillset(&all);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        (void)sigdelset(&all, faults[i]); /* blocked, they would end the process unreported */
    }
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals go to the main thread */
    int rc = pthread_create(&loop->thread, NULL, thread_main, loop);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return sl_error_sys(err, rc, "cannot start the thread of event loop %u", loop->index);
    }
    loop->is_running = true;
    return SL_OK;
}

void
loop_stop(struct loop *loop)
{
    if (!loop->is_running) {
        return;
    }
    SL_ASSERT(here != loop);
    atomic_store(&loop->shared.is_stopping, true);
    wake(loop);
    (void)pthread_join(loop->thread, NULL);
    loop->is_running = false;
}

void
loop_destroy(struct loop **pl)
{
    struct loop *loop = *pl;
    *pl = NULL;
    if (loop == NULL) {
        return;
    }
    loop_stop(loop);
    if (loop->base != NULL) {
        event_base_free(loop->base);
    }
    if (loop->wake_fd >= 0) {
        (void)close(loop->wake_fd);
    }
    if (loop->timer_fd >= 0) {
        (void)close(loop->timer_fd);
    }
    timer_heap_fini(&loop->owned.timers);
    sl_free(loop);
}

struct sched *
loop_sched(struct loop *loop)
{
    return &loop->sched;
}

struct event_base *
loop_base(struct loop *loop)
{
    return loop->base;
}

unsigned
loop_index(const struct loop *loop)
{
    return loop->index;
}

static unsigned
cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return 1;
    }
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : (unsigned)n;
}

enum sl_err
loops_start(unsigned count, struct loop ***ret, unsigned *ret_count, struct sl_error *err)
{
    count = count == 0 ? cpu_count() : count;
    count = count > LOOPS_MAX ? LOOPS_MAX : count;
    struct loop **loops = (struct loop **)sl_alloc(count * sizeof(loops[0]));
    for (unsigned i = 0; i < count; i++) {
        enum sl_err rc = loop_new(i, &loops[i], err);
        if (rc == SL_OK) {
            rc = loop_start(loops[i], err);
        }
        if (rc != SL_OK) {
            loops_stop(&loops, i + 1);
            return rc;
        }
    }
    *ret = loops;
    *ret_count = count;
    return SL_OK;
}

void
loops_stop(struct loop ***ploops, unsigned count)
{
    struct loop **loops = *ploops;
    *ploops = NULL;
    if (loops == NULL) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        if (loops[i] != NULL) {
            loop_stop(loops[i]);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        loop_destroy(&loops[i]);
    }
    sl_free(loops);
}
