/* The world: generators, the event heap, the main loop, the trace and the end of a run.
 *
 * The loop: while some broker has something ready, one of them is drawn and does one thing; now and
 * then the next event is let in before (a loop that is busy). When nobody has anything to do, time
 * jumps to the next event or timer. So a run of virtual days costs what happens in it. */
#include "sim.h"

#include <stdarg.h>
#include <unistd.h>

struct world sim;

struct event {
    int64_t at;
    uint64_t seq;
    sim_fn fn;
    void *arg;
};
static struct {
    struct event *items; /* binary heap, 0-based */
    size_t count, cap;
    uint64_t seq;
} events;

uint64_t
rng_next(struct rng *r)
{
    uint64_t z = (r->s += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t
rng_below(struct rng *r, uint64_t n)
{
    return n == 0 ? 0 : rng_next(r) % n;
}

bool
rng_chance(struct rng *r, uint32_t per_mille)
{
    return rng_below(r, 1000) < per_mille;
}

int64_t
rng_span(struct rng *r, int64_t lo, int64_t hi)
{
    int64_t top = lo > 0 ? lo : 1;
    int doublings = 0;
    if (hi <= lo) {
        return lo;
    }
    while (top < hi / 2) {
        top *= 2;
        doublings++;
    }
    int64_t floor = (lo > 0 ? lo : 1) << rng_below(r, (uint64_t)doublings + 1);
    int64_t got = floor + (int64_t)rng_below(r, (uint64_t)floor + 1);
    return got > hi ? hi : got;
}

void
sim_mix(uint64_t v)
{
    sim.hash = (sim.hash ^ v) * 0xD6E8FEB86659FD93u;
    sim.hash ^= sim.hash >> 32;
}

static bool
is_before(const struct event *a, const struct event *b)
{
    return a->at < b->at || (a->at == b->at && a->seq < b->seq);
}

void
sim_at(int64_t at, sim_fn fn, void *arg)
{
    SIM_GROW(events.items, events.count, events.cap);
    size_t i = events.count++;
    struct event e = {at < sim.now ? sim.now : at, events.seq++, fn, arg};
    while (i > 0 && is_before(&e, &events.items[(i - 1) / 2])) {
        events.items[i] = events.items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    events.items[i] = e;
}

void
sim_after(int64_t delay, sim_fn fn, void *arg)
{
    sim_at(sim.now + delay, fn, arg);
}

static struct event
event_pop(void)
{
    struct event top = events.items[0];
    struct event e = events.items[--events.count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= events.count) {
            break;
        }
        if (child + 1 < events.count && is_before(&events.items[child + 1], &events.items[child])) {
            child++;
        }
        if (!is_before(&events.items[child], &e)) {
            break;
        }
        events.items[i] = events.items[child];
        i = child;
    }
    events.items[i] = e;
    return top;
}

static void
event_run(void)
{
    struct event e = event_pop();
    if (e.at > sim.now) {
        sim.now = e.at;
    }
    e.fn(e.arg);
}

static struct sim_sched *
pick_ready(void)
{
    struct sim_sched *ready[SIM_BROKERS_MAX + SIM_TOOLS_MAX];
    size_t n = 0;
    for (int i = 0; i < sim.k.brokers; i++) {
        if (sim_sched_is_ready(sim.brokers[i].sched)) {
            ready[n++] = sim.brokers[i].sched;
        }
    }
    for (int i = SIM_BROKERS_MAX; i < SIM_BROKERS_MAX + SIM_TOOLS_MAX; i++) {
        if (sim_sched_is_ready(sim.brokers[i].sched)) {
            ready[n++] = sim.brokers[i].sched;
        }
    }
    return n == 0 ? NULL : ready[rng_below(&sim.r_sched, n)];
}

static int64_t
next_due(void)
{
    int64_t due = events.count > 0 ? events.items[0].at : INT64_MAX;
    for (int i = 0; i < sim.k.brokers; i++) {
        int64_t t = sim_sched_due(sim.brokers[i].sched);
        due = t < due ? t : due;
    }
    for (int i = SIM_BROKERS_MAX; i < SIM_BROKERS_MAX + SIM_TOOLS_MAX; i++) {
        int64_t t = sim_sched_due(sim.brokers[i].sched);
        due = t < due ? t : due;
    }
    return due;
}

static void
step(void)
{
    struct sim_sched *s = pick_ready();
    bool is_event_near = events.count > 0 && events.items[0].at <= sim.now + 5 * SCHED_MS;
    if (s != NULL && !(is_event_near && rng_chance(&sim.r_sched, 60))) {
        sim_sched_step(s);
        if (++sim.steps % 64 == 0) {
            broker_check(&sim.brokers[s->broker]);
        }
        return;
    }
    int64_t due = next_due();
    if (due == INT64_MAX) {
        sim_violation("every run settles", "nothing is left to happen");
    }
    if (events.count > 0 && events.items[0].at <= due) {
        event_run();
    } else {
        sim.now = due > sim.now ? due : sim.now;
    }
}

bool
sim_run(bool (*stop)(void), int64_t until)
{
    uint64_t budget = SIM_STEPS_MAX;
    if (sim.k.every[F_member] > 0 || sim.k.every[F_peer] > 0 || sim.is_pace ||
        sim.is_repair_forced) {
        budget *= 10; /* heartbeats never end; nor do writers */
    }
    if (sim.k.is_rolling) {
        budget *= 4; /* nor do rounds through the partitions */
    }
    while (!stop()) {
        if (sim.now > until) {
            return false;
        }
        if (--budget == 0) {
            sim_violation("every run settles",
                          "%d steps and no end; step %" PRIu64 " of kind %d at broker %d",
                          SIM_STEPS_MAX, sim.steps, sim.last_source, sim.last_broker);
        }
        step();
    }
    return true;
}

/* --- trace */

void
sim_trace(const char *fmt, ...)
{
    char line[SIM_LINE];
    va_list ap;
    int n = snprintf(line, sizeof(line), "%14.6f ", (double)sim.now / 1e9);
    va_start(ap, fmt);
    (void)vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
    va_end(ap);
    if (sim.is_verbose) {
        (void)fprintf(stdout, "%s\n", line);
    }
    memcpy(sim.result->ring[sim.result->ring_next++ % SIM_RING], line, sizeof(line));
}

_Noreturn void
sim_violation(const char *invariant, const char *fmt, ...)
{
    struct sim_result *r = sim.result;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(r->text, sizeof(r->text), fmt, ap);
    va_end(ap);
    (void)snprintf(r->invariant, sizeof(r->invariant), "%s", invariant);
    r->is_violated = true;
    r->is_done = true;
    r->steps = sim.steps;
    r->virtual_ns = sim.now;
    r->hash = sim.hash;
    counters_sum(r->counters);
    (void)fflush(stdout);
    _exit(1);
}
