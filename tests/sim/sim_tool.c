/* SPDX-License-Identifier: Apache-2.0
 *
 * Tools: programs with a thread that blocks, beside a loop that does the work (server/repair).
 *
 * The thread is a coroutine. It gives itself back to the world at a gate (base/gate.h, whose
 * functions are here and not those of the server), and goes on some time after somebody let it
 * pass, or when its time limit is over; now and then much later, as a process that was stopped. So
 * its steps lie between those of brokers, in an order that is drawn, and two tools run at once.
 *
 * The loop is a sim_sched as a broker has one, and its store calls are like a broker's. A tool that
 * crashes is never given the control again; the memory is leaked. */
#include "sim_tool.h"

#include "base/gate.h"

#include <ucontext.h>

enum { STACK_BYTES = 1 << 20 };

struct thread {
    ucontext_t context;
    struct sim_sched *sched;
    void (*body)(void *arg);
    void *arg;
    const struct gate *gate; /* at which it stands */
    uint64_t stops;          /* how often it has stood at one */
    bool is_over;
};

static struct thread *threads[SIM_TOOLS_MAX]; /* NULL: does not run */
static struct thread *inside;
static ucontext_t world;

struct going_on {
    struct thread *t;
    uint64_t stop;
};

static void
run(struct thread *t)
{
    if (t->sched->is_dead || t->is_over) {
        return;
    }
    inside = t;
    (void)swapcontext(&world, &t->context);
    inside = NULL;
    if (!t->is_over) {
        return;
    }
    for (int i = 0; i < SIM_TOOLS_MAX; i++) {
        threads[i] = threads[i] == t ? NULL : threads[i];
    }
    t->sched->is_dead = true;
}

static void
on_going_on(void *arg)
{
    struct going_on *g = arg;
    if (g->t->stops == g->stop && g->t->gate != NULL) {
        g->t->gate = NULL;
        run(g->t);
    }
    sl_free(g);
}

static void
go_on_after(struct thread *t, int64_t ns)
{
    struct going_on *g = sl_alloc(sizeof(*g));
    *g = (struct going_on){t, t->stops};
    sim_after(ns, on_going_on, g);
}

static int64_t
awakening(void)
{
    bool is_slow = !sim.is_quiet && rng_chance(&sim.r_tool, sim.k.tool_pause_pm);
    return is_slow ? rng_span(&sim.r_tool, 10 * SCHED_MS, 3 * SIM_MIN)
                   : (int64_t)rng_below(&sim.r_tool, SCHED_MS);
}

/* --- gates, as base/gate.h has them --- */

void
gate_init(struct gate *g, unsigned count)
{
    *g = (struct gate){.left = count};
}

void
gate_fini(struct gate *g)
{
    (void)g;
}

void
gate_pass(struct gate *g)
{
    SL_ASSERT(g->left > 0);
    g->left--;
    for (int i = 0; i < SIM_TOOLS_MAX && g->left == 0; i++) {
        if (threads[i] != NULL && threads[i]->gate == g) {
            go_on_after(threads[i], awakening());
        }
    }
}

bool
gate_wait(struct gate *g, int64_t timeout_ms)
{
    struct thread *t = inside;
    SL_ASSERT(t != NULL); /* only a tool's thread waits */
    if (g->left == 0) {
        return true;
    }
    t->gate = g;
    t->stops++;
    if (timeout_ms >= 0) {
        go_on_after(t, timeout_ms * SCHED_MS + awakening());
    }
    (void)swapcontext(&t->context, &world);
    return g->left == 0;
}

/* --- tools --- */

static void
begin(void)
{
    struct thread *t = inside;
    t->body(t->arg);
    t->is_over = true; /* and back to the world: uc_link */
}

static void
on_begin(void *arg)
{
    run(arg);
}

struct sim_sched *
tool_start(int id, void (*body)(void *arg), void *arg)
{
    struct thread *t = sl_alloc(sizeof(*t));
    struct sim_broker *self = &sim.brokers[SIM_BROKERS_MAX + id];
    self->id = SIM_BROKERS_MAX + id;
    self->sched = t->sched = sim_sched_new(self->id);
    t->body = body;
    t->arg = arg;
    (void)getcontext(&t->context);
    t->context.uc_stack.ss_sp = sl_alloc(STACK_BYTES);
    t->context.uc_stack.ss_size = STACK_BYTES;
    t->context.uc_link = &world;
    makecontext(&t->context, begin, 0);
    threads[id] = t;
    sim_after(0, on_begin, t);
    return t->sched;
}

void
tool_crash(int id)
{
    if (threads[id] != NULL) {
        threads[id]->sched->is_dead = true;
        threads[id] = NULL;
    }
}

bool
tool_is_running(int id)
{
    return threads[id] != NULL;
}
