/* Haunting: the makings of a ghost that does harm.
 *
 * A PUT on its way is held back until its key has been collected; its writer stops before it can
 * resolve it; a bystander stops where that entry would have been the next one it reads, and wakes
 * just after the PUT has landed, before the next collection sweeps it away. In half of the
 * hauntings the bystander has a check on its way all the time: the manifests were listed before
 * anything was collected, and the answer comes after it has met the ghost.
 *
 *     aim      clients make all brokers look at their tails; with a check: the next one is held
 *     hunt     wait for a PUT whose number is the next one for some other broker
 *     strike   postpone, stop both */
#include "sim.h"

enum { TRIES_MAX = 400, TRIES_PER_LOOK = 40 };

static struct {
    bool is_running;
    int tries;
    struct sim_broker *bystander; /* whose checks are held; NULL: anybody */
    int64_t since;
} hunt;

static void on_hunt(void *arg);

static int64_t
up_to(int64_t ns)
{
    return (int64_t)rng_below(&sim.r_fault, (uint64_t)ns + 1);
}

static bool
is_running(const struct sim_broker *b)
{
    return b->phase == BROKER_UP && !b->sched->is_paused;
}

static struct sim_broker *
find_bystander(const struct sim_broker *writer, uint32_t journal, uint64_t n)
{
    for (int i = 0; i < sim.k.brokers; i++) {
        struct sim_broker *b = &sim.brokers[i];
        struct journal_status s;
        if (b == writer || !is_running(b) || (hunt.bystander != NULL && hunt.bystander != b)) {
            continue;
        }
        journal_status(shard_journal(b->shards[journal]), &s);
        if (s.safe + 1 == n) {
            return b;
        }
    }
    return NULL;
}

static void
strike(struct sim_broker *writer, struct sim_broker *bystander)
{
    int64_t grace = sim.k.grace_ns;
    int64_t lands = 2 * grace + up_to(grace);
    int64_t wakes = lands + up_to(8 * SCHED_S);
    sim_stat(ST_haunt);
    sim_store_postpone(writer->sched, sim.now + lands);
    if (sim_store_postpone_checks(bystander->sched,
                                  sim.now + wakes + 100 * SCHED_MS + up_to(SCHED_S))) {
        sim_stat(ST_haunt_check);
    }
    bystander->holds_checks = false;
    broker_pause(bystander, wakes, false);
    bystander->is_missed = true;
    if (rng_chance(&sim.r_fault, 400)) {
        broker_crash(writer);
    } else {
        broker_pause(writer, lands + grace + up_to(3 * grace), false);
    }
}

static void
hunt_end(void)
{
    hunt.is_running = false;
    if (hunt.bystander != NULL) {
        hunt.bystander->holds_checks = false;
        (void)sim_store_postpone_checks(hunt.bystander->sched, sim.now);
    }
}

static void
make_them_look(void)
{
    for (int i = 0; i < sim.k.brokers; i++) {
        if (is_running(&sim.brokers[i])) {
            readers_return(&sim.brokers[i], 6);
        }
    }
}

/* True when the hunt is over. */
static bool
hunt_once(void)
{
    uint32_t journal;
    uint64_t n;
    struct sim_broker *writer = &sim.brokers[rng_below(&sim.r_fault, (uint64_t)sim.k.brokers)];
    if (hunt.bystander != NULL && !sim_store_has_held_check(hunt.bystander->sched)) {
        return false; /* not yet */
    }
    if (!is_running(writer) || !sim_store_next_put(writer->sched, &journal, &n)) {
        return false;
    }
    struct sim_broker *bystander = find_bystander(writer, journal, n);
    if (bystander == NULL) {
        return false;
    }
    strike(writer, bystander);
    return true;
}

static void
on_hunt(void *arg)
{
    (void)arg;
    bool is_lost = hunt.bystander != NULL &&
                   (!is_running(hunt.bystander) || sim.now - hunt.since > 25 * SCHED_S);
    if (sim.is_quiet || is_lost || ++hunt.tries > TRIES_MAX) {
        hunt_end();
        return;
    }
    if (hunt.tries % TRIES_PER_LOOK == 1) {
        make_them_look();
    }
    if (hunt_once()) {
        hunt.is_running = false;
        return;
    }
    sim_after(SCHED_MS + up_to(30 * SCHED_MS), on_hunt, NULL);
}

void
haunt_begin(void)
{
    struct sim_broker *b = &sim.brokers[rng_below(&sim.r_fault, (uint64_t)sim.k.brokers)];
    if (hunt.is_running) {
        return;
    }
    hunt.is_running = true;
    hunt.tries = 0;
    hunt.since = sim.now;
    hunt.bystander = is_running(b) && rng_chance(&sim.r_fault, 500) ? b : NULL;
    if (hunt.bystander != NULL) {
        hunt.bystander->holds_checks = true;
    }
    on_hunt(NULL);
}
