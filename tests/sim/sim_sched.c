/* struct sched for one incarnation of one broker.
 *
 * Sources of work: tasks the broker posted to itself (FIFO), answers of the store (each comes from
 * a poster of its own, so they overtake each other), messages of clients (FIFO), timers that are
 * due. One step runs one of them, drawn. A paused broker runs none; answers that arrive meanwhile
 * are stamped when it wakes, because nobody was there to look at the clock. A frozen broker is
 * paused and its BOOTTIME misses the time, which BOOTTIME never does unless a machine is restored
 * from an image. A dead one never runs again and its memory is leaked. */
#include "sim.h"

static struct sim_sched *
of(const struct sched *s)
{
    return SL_CONTAINER_OF((struct sched *)(uintptr_t)s, struct sim_sched, base);
}

int64_t
sim_sched_now(const struct sim_sched *s)
{
    return sim.now - s->missed_ns;
}

static int64_t
now_ns(struct sched *s)
{
    return sim_sched_now(of(s));
}

static int64_t
wall_ms(struct sched *s)
{
    return 1700000000000 + sim.now / SCHED_MS + of(s)->skew_ms;
}

static uint64_t
random_u64(struct sched *s)
{
    (void)s;
    return rng_next(&sim.r_broker);
}

static void
post(struct sched *s, struct sched_task *task)
{
    struct sim_sched *ss = of(s);
    task->next = NULL;
    if (ss->head == NULL) {
        ss->head = task;
    } else {
        ss->tail->next = task;
    }
    ss->tail = task;
}

static void
timer_set(struct sched *s, struct sched_timer *t, int64_t due_ns)
{
    SL_ASSERT(sim.here == of(s));
    timer_heap_set(&of(s)->timers, t, due_ns);
}

static void
timer_stop(struct sched *s, struct sched_timer *t)
{
    timer_heap_stop(&of(s)->timers, t);
}

static bool
is_here(const struct sched *s)
{
    return sim.here == of(s);
}

static const struct sched_ops ops = {.now_ns = now_ns,
                                     .wall_ms = wall_ms,
                                     .random = random_u64,
                                     .post = post,
                                     .timer_set = timer_set,
                                     .timer_stop = timer_stop,
                                     .is_here = is_here};

struct sim_sched *
sim_sched_new(int broker)
{
    struct sim_sched *s = sl_alloc(sizeof(*s));
    s->base.ops = &ops;
    s->broker = broker;
    return s;
}

void
sim_sched_message(struct sim_sched *s, sim_fn fn, void *arg)
{
    if (s->msg_first + s->msg_count == s->msg_cap) {
        if (s->msg_first > 0) {
            memmove(s->msgs, s->msgs + s->msg_first, s->msg_count * sizeof(*s->msgs));
            s->msg_first = 0;
        }
        SIM_GROW(s->msgs, s->msg_count, s->msg_cap);
    }
    s->msgs[s->msg_first + s->msg_count++] = (struct sim_msg){fn, arg};
}

void
sim_sched_answer(struct sim_sched *s, struct sim_req *req)
{
    if (s->is_paused) {
        SIM_GROW(s->held, s->held_count, s->held_cap);
        s->held[s->held_count++] = req;
        return;
    }
    (void)sim_req_stamp(req);
    SIM_GROW(s->ended, s->ended_count, s->ended_cap);
    s->ended[s->ended_count++] = req;
}

void
sim_sched_resume(struct sim_sched *s)
{
    s->is_paused = false;
    for (size_t i = 0; i < s->held_count; i++) {
        sim_sched_answer(s, s->held[i]);
    }
    s->held_count = 0;
}

static struct sched_timer *
due_timer(const struct sim_sched *s)
{
    struct sched_timer *t = timer_heap_first(&s->timers);
    return t != NULL && t->due_ns <= sim_sched_now(s) ? t : NULL;
}

bool
sim_sched_is_ready(const struct sim_sched *s)
{
    if (s == NULL || s->is_dead || s->is_paused) {
        return false;
    }
    return s->head != NULL || s->ended_count > 0 || s->msg_count > 0 || due_timer(s) != NULL;
}

int64_t
sim_sched_due(const struct sim_sched *s)
{
    if (s == NULL || s->is_dead || s->is_paused) {
        return INT64_MAX;
    }
    struct sched_timer *t = timer_heap_first(&s->timers);
    return t == NULL ? INT64_MAX : t->due_ns + s->missed_ns;
}

enum source { SOURCE_TASK, SOURCE_ENDED, SOURCE_MESSAGE, SOURCE_TIMER };

static enum source
choose(const struct sim_sched *s)
{
    enum source ready[4];
    size_t n = 0;
    if (s->head != NULL) {
        ready[n++] = SOURCE_TASK;
    }
    if (s->ended_count > 0) {
        ready[n++] = SOURCE_ENDED;
    }
    if (s->msg_count > 0) {
        ready[n++] = SOURCE_MESSAGE;
    }
    if (due_timer(s) != NULL) {
        ready[n++] = SOURCE_TIMER;
    }
    SL_ASSERT(n > 0);
    return ready[n == 1 ? 0 : rng_below(&sim.r_sched, n)];
}

static void
run_ended(struct sim_sched *s)
{
    size_t i = rng_below(&sim.r_sched, s->ended_count);
    struct sim_req *req = s->ended[i];
    s->ended[i] = s->ended[--s->ended_count];
    sim_req_deliver(req);
}

void
sim_sched_step(struct sim_sched *s)
{
    enum source source = choose(s);
    sim_mix((uint64_t)sim.now ^ (uint64_t)source << 60 ^ (uint64_t)s->broker << 56);
    sim.here = s;
    sim.last_source = (int)source;
    sim.last_broker = s->broker;
    switch (source) {
    case SOURCE_TASK: {
        struct sched_task *task = s->head;
        s->head = task->next;
        task->run(task);
        break;
    }
    case SOURCE_ENDED:
        run_ended(s);
        break;
    case SOURCE_MESSAGE: {
        struct sim_msg m = s->msgs[s->msg_first++];
        s->msg_count--;
        if (s->msg_count == 0) {
            s->msg_first = 0;
        }
        m.fn(m.arg);
        break;
    }
    case SOURCE_TIMER: {
        struct sched_timer *t = due_timer(s);
        timer_heap_stop(&s->timers, t);
        t->fire(t);
        break;
    }
    }
    sim.here = NULL;
}
