/* Haunting: the makings of a ghost that does harm.
 *
 * A PUT on its way is held back until its key has been collected; its writer stops before it can
 * resolve it; a bystander stops where that entry would have been the next one it reads, and wakes
 * just after the PUT has landed, before the next collection sweeps it away. In half of the
 * hauntings the bystander has a check on its way all the time: the manifests were listed before
 * anything was collected, and the answer comes after it has met the ghost.
 *
 *     aim      clients make all brokers look at their tails; with a check: the next one is held
 *     hunt     each entry that is sent meanwhile: is its number the next one for some other broker?
 *     strike   postpone, stop both
 *
 * The store tells of each entry that is sent. To look for one now and then is not enough: brokers
 * that share a journal take turns, and their entries are under way for milliseconds. */
#include "sim.h"

#define HUNT_MOST (25 * SCHED_S)
#define LOOK_EVERY (600 * SCHED_MS)

static struct {
    bool is_running, is_spotted;
    struct sim_broker *bystander; /* whose checks are held; NULL: anybody */
    int64_t since;
} hunt;

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
hunt_once(struct sim_broker *writer)
{
    uint32_t journal;
    uint64_t n;
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

/* Between two steps of the broker that sent it. */
static void
on_spotted(void *arg)
{
    struct sim_broker *writer = arg;
    hunt.is_spotted = false;
    if (hunt.is_running && !sim.is_quiet && hunt_once(writer)) {
        hunt.is_running = false;
    }
}

void
haunt_entry_sent(struct sim_broker *writer)
{
    if (hunt.is_running && !hunt.is_spotted) {
        hunt.is_spotted = true;
        sim_after(0, on_spotted, writer);
    }
}

static void
on_hunt(void *arg)
{
    (void)arg;
    bool is_lost = hunt.bystander != NULL && !is_running(hunt.bystander);
    if (!hunt.is_running) {
        return;
    }
    if (sim.is_quiet || is_lost || sim.now - hunt.since > HUNT_MOST) {
        hunt_end();
        return;
    }
    make_them_look();
    sim_after(LOOK_EVERY / 2 + up_to(LOOK_EVERY), on_hunt, NULL);
}

void
haunt_begin(void)
{
    struct sim_broker *b = &sim.brokers[rng_below(&sim.r_fault, (uint64_t)sim.k.brokers)];
    if (hunt.is_running) {
        return;
    }
    hunt.is_running = true;
    hunt.since = sim.now;
    hunt.bystander = is_running(b) && rng_chance(&sim.r_fault, 500) ? b : NULL;
    if (hunt.bystander != NULL) {
        hunt.bystander->holds_checks = true;
    }
    on_hunt(NULL);
}
