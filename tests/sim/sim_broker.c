/* Brokers: one sched and one shard per journal each, and what befalls them.
 *
 * A crash happens between two steps, which is at every await: the sched dies, the memory is leaked,
 * requests already sent take effect or not, as drawn. A close is polled until the shards are idle;
 * then everything is destroyed, and nothing may be left armed, posted or outstanding. */
#include "sim.h"

static struct sim_broker *
broker_of(const void *arg)
{
    return (struct sim_broker *)(uintptr_t)arg;
}

static int
journal_of(const struct sim_broker *b, const struct shard *sh)
{
    for (int j = 0; j < sim.k.journals; j++) {
        if (b->shards[j] == sh) {
            return j;
        }
    }
    return -1;
}

static void
check_failure(struct sim_broker *b, int j, const char *why)
{
    if (j < 0 || !sim.is_journal_damaged[j]) {
        sim_violation("nothing fails without damage", "broker %d, journal %d: %s", b->id, j,
                      why == NULL ? "" : why);
    }
    if (why == NULL || (!sim.is_repair_forced && strstr(why, sim.damaged_key) == NULL)) {
        sim_violation("a failure names the object", "%s is damaged; said is: %s", sim.damaged_key,
                      why == NULL ? "" : why);
    }
    sim_stat(ST_failed_loudly);
}

static void
mode_changed(void *arg, struct shard *sh, enum journal_mode mode, const char *why)
{
    static const char *const names[] = {"CLOSED", "OPENING", "LIVE", "CATCHUP", "FAILED"};
    struct sim_broker *b = broker_of(arg);
    int j = journal_of(b, sh);
    TRACE("b%d       journal %d is %s %s", b->id, j, names[mode], why == NULL ? "" : why);
    if (j < 0) {
        return; /* from within shard_open */
    }
    if (mode == JOURNAL_OPENING && b->mode[j] != JOURNAL_CLOSED) {
        sim_stat(ST_reopened);
        repairs_reopened(b, j);
    } else if (mode == JOURNAL_FAILED) {
        check_failure(b, j, why);
    }
    b->mode[j] = mode;
    if (b->tables[j] != NULL) {
        group_table_mode_changed(b->tables[j]);
    }
}

static void
group_changed(void *arg, struct shard *sh, struct group_state *g)
{
    struct sim_broker *b = broker_of(arg);
    if (b->tables[journal_of(b, sh)] != NULL) {
        group_table_group_changed(b->tables[journal_of(b, sh)], g);
    }
}

static void
group_deleted(void *arg, struct shard *sh, struct group_state *g, enum group_gone why)
{
    struct sim_broker *b = broker_of(arg);
    int j = journal_of(b, sh); /* -1: the shard is being destroyed, its table is gone */
    if (j >= 0 && b->tables[j] != NULL) {
        group_table_group_deleted(b->tables[j], g, why);
    }
}

static struct shard *
new_shard(struct sim_broker *b, uint32_t j)
{
    const struct knobs *k = &sim.k;
    struct shard_options o = {.journal = {.sched = &b->sched->base,
                                          .store = sim.store,
                                          .log = &b->log,
                                          .prefix = "_sluice",
                                          .cluster = sim.cluster,
                                          .index = j,
                                          .node_id = b->id,
                                          .max_in_flight = k->max_in_flight,
                                          .linger_ns = k->linger_ns,
                                          .entry_max_bytes = k->entry_max,
                                          .is_paranoid = k->is_paranoid,
                                          .safe_window_ns = 20 * SCHED_S,
                                          .check_interval_ns = 7 * SCHED_S,
                                          .grace_ns = k->grace_ns,
                                          .snapshot_entries = k->snapshot_entries,
                                          .queue_max_bytes = k->queue_max},
                              .cache = b->cache,
                              .cold = &b->cold,
                              .segment_namespace = "default",
                              .roll = {.policy = k->is_rolling ? rolls_policy : NULL,
                                       .permits = &b->permits,
                                       .target_bytes = k->roll_target,
                                       .age_ms = k->roll_age_ms,
                                       .live_bytes_max = k->roll_live_max,
                                       .live_runs_max = 10000,
                                       .garbage_grace_ms = k->grace_ns / SCHED_MS,
                                       .retention_interval_ms = k->upkeep_ms,
                                       .cleaner_backoff_ms = k->upkeep_ms,
                                       .dedupe_bytes = k->dedupe_bytes,
                                       .patience = k->roll_patience},
                              .tail_cache_bytes = k->tail_cache,
                              .events = &b->events,
                              .events_arg = b};
    return shard_new(&o);
}

void
broker_start(struct sim_broker *b)
{
    int64_t skew = sim.k.skew_max_ms;
    b->incarnation++;
    b->sched = sim_sched_new(b->id);
    b->sched->skew_ms = (int64_t)rng_below(&sim.r_fault, (uint64_t)(2 * skew + 1)) - skew;
    b->events.mode_changed = mode_changed;
    b->events.group_changed = group_changed;
    b->events.group_deleted = group_deleted;
    b->log_kv[0] = KV_I64("broker", b->id);
    b->log = (struct diag){.kv = b->log_kv, .count = 1};
    b->phase = BROKER_UP;
    b->cache = cache_open(sim.store, sim.k.cache_bytes);
    cold_init(&b->cold);
    b->permits = (struct roll_permits){.max_bytes = 2 * sim.k.roll_target};
    memset(b->end_shown, 0, sizeof(b->end_shown));
    memset(b->start_shown, 0, sizeof(b->start_shown));
    TRACE("b%d       starts", b->id);
    if (b->incarnation > 1) {
        sim_stat(ST_restart);
    }
    sim.here = b->sched;
    peer_topics_broker_start(b);
    for (int j = 0; j < sim.k.journals; j++) {
        b->mode[j] = JOURNAL_CLOSED;
        b->shards[j] = new_shard(b, (uint32_t)j);
        members_broker_start(b, j);
        shard_open(b->shards[j]);
    }
    sim.here = NULL;
}

static void
on_start(void *arg)
{
    struct sim_broker *b = arg;
    if (b->phase == BROKER_DOWN) {
        broker_start(b);
    }
}

static void
start_later(struct sim_broker *b)
{
    int64_t wait = rng_span(&sim.r_fault, 10 * SCHED_MS, SIM_MIN);
    sim_after(sim.is_quiet ? 10 * SCHED_MS : wait, on_start, b);
}

void
broker_crash(struct sim_broker *b)
{
    if (b->phase == BROKER_DOWN) {
        return;
    }
    TRACE("fault    b%d crashes", b->id);
    sim_stat(ST_crash);
    if (sim_store_has_put_in_flight(b->sched)) {
        sim_stat(ST_crash_in_flight);
    }
    b->phase = BROKER_DOWN;
    b->sched->is_dead = true;
    clients_broker_gone(b, b->incarnation);
    readers_broker_gone(b, b->incarnation);
    start_later(b);
}

static bool
is_idle(const struct sim_broker *b)
{
    for (int j = 0; j < sim.k.journals; j++) {
        if (!shard_is_idle(b->shards[j])) {
            return false;
        }
    }
    return true;
}

static void
destroy(struct sim_broker *b)
{
    struct sim_sched *s = b->sched;
    sim.here = s;
    for (int j = 0; j < sim.k.journals; j++) {
        group_table_destroy(&b->tables[j]);
        shard_destroy(&b->shards[j]);
    }
    cache_close(&b->cache);
    cold_fini(&b->cold);
    sim.here = NULL;
    if (s->timers.count > 0 || s->head != NULL || s->ended_count > 0 || s->held_count > 0 ||
        sim_store_outstanding(s) > 0) {
        sim_violation("a closed broker leaves nothing behind",
                      "broker %d: %zu timers, %s, %zu answers, %zu calls", b->id, s->timers.count,
                      s->head != NULL ? "tasks" : "no task", s->ended_count + s->held_count,
                      sim_store_outstanding(s));
    }
    s->is_dead = true;
    b->phase = BROKER_DOWN;
    TRACE("b%d       closed", b->id);
    sim.is_destroying = true;
    clients_broker_gone(b, b->incarnation);
    readers_broker_gone(b, b->incarnation);
    sim.is_destroying = false;
    sim_stat(ST_closed);
    start_later(b);
}

struct closing {
    struct sim_broker *b;
    uint64_t incarnation;
    int polls;
};

static void
poll_close(void *arg)
{
    struct closing *c = arg;
    struct sim_broker *b = c->b;
    if (b->incarnation != c->incarnation || b->phase != BROKER_CLOSING) {
        sl_free(c);
        return;
    }
    struct sim_sched *s = b->sched;
    bool is_quiet = s->head == NULL && s->msg_count == 0 && s->ended_count == 0;
    if (!s->is_paused && is_quiet && is_idle(b)) {
        destroy(b);
        sl_free(c);
        return;
    }
    if (!s->is_paused && sim_sched_now(s) > b->close_by + SIM_MIN &&
        sim_store_outstanding(s) == 0 && is_quiet) {
        sim_violation("a close ends", "broker %d, a minute after its deadline", b->id);
    }
    c->polls++;
    sim_after(20 * SCHED_MS * (1 + c->polls / 20), poll_close, c);
}

static void
on_close(void *arg)
{
    struct sim_broker *b = arg;
    for (int j = 0; j < sim.k.journals; j++) {
        if (b->tables[j] != NULL) {
            group_table_stop(b->tables[j]);
        }
        shard_close(b->shards[j], b->close_by);
    }
}

void
broker_close(struct sim_broker *b)
{
    struct closing *c = sl_alloc(sizeof(*c));
    if (b->phase != BROKER_UP) {
        sl_free(c);
        return;
    }
    TRACE("fault    b%d is closed", b->id);
    b->phase = BROKER_CLOSING;
    b->close_by = sim_sched_now(b->sched) + rng_span(&sim.r_fault, SCHED_MS, 20 * SCHED_S);
    *c = (struct closing){b, b->incarnation, 0};
    sim_sched_message(b->sched, on_close, b);
    sim_after(20 * SCHED_MS, poll_close, c);
}

struct pause {
    struct sim_broker *b;
    uint64_t which;
};

void
broker_resume(struct sim_broker *b)
{
    if (b->phase == BROKER_DOWN || !b->sched->is_paused) {
        return;
    }
    TRACE("b%d       runs again", b->id);
    if (b->is_frozen) {
        b->sched->missed_ns += sim.now - b->paused_at;
    }
    sim_sched_resume(b->sched);
    if (b->is_missed) {
        b->is_missed = false;
        readers_return(b, 40);
    }
}

static void
on_resume(void *arg)
{
    struct pause *p = arg;
    if (p->b->pauses == p->which) {
        broker_resume(p->b);
    }
    sl_free(p);
}

void
broker_pause(struct sim_broker *b, int64_t ns, bool is_frozen)
{
    if (b->phase == BROKER_DOWN || b->sched->is_paused) {
        return;
    }
    TRACE("fault    b%d %s for %.3f s", b->id, is_frozen ? "frozen" : "paused", (double)ns / 1e9);
    sim_stat(is_frozen ? ST_freeze : ST_pause);
    if (ns > 20 * SCHED_S) {
        sim_stat(ST_pause_long);
    }
    if (ns > sim.k.grace_ns) {
        sim_stat(ST_pause_grace);
    }
    b->is_frozen = is_frozen;
    b->paused_at = sim.now;
    b->sched->is_paused = true;
    struct pause *p = sl_alloc(sizeof(*p));
    *p = (struct pause){b, ++b->pauses};
    sim_after(ns, on_resume, p);
}

/* mode_changed does not tell LIVE from CATCHUP. */
enum journal_mode
broker_mode(const struct sim_broker *b, int journal)
{
    struct journal_status s;
    if (b->phase == BROKER_DOWN || b->shards[journal] == NULL) {
        return JOURNAL_CLOSED;
    }
    journal_status(shard_journal(b->shards[journal]), &s);
    return s.mode;
}

void
broker_check(struct sim_broker *b)
{
    if (b->phase == BROKER_DOWN) {
        return;
    }
    sim.here = b->sched;
    for (int j = 0; j < sim.k.journals; j++) {
        journal_check(shard_journal(b->shards[j]));
        if (broker_mode(b, j) == JOURNAL_CATCHUP) {
            sim_stat(ST_catchup);
        }
        state_check(shard_state(b->shards[j]));
    }
    sim.here = NULL;
}

bool
broker_is_live(const struct sim_broker *b)
{
    if (b->phase != BROKER_UP || b->sched->is_paused) {
        return false;
    }
    for (int j = 0; j < sim.k.journals; j++) {
        if (broker_mode(b, j) != JOURNAL_LIVE && !sim.is_journal_damaged[j]) {
            return false;
        }
    }
    return true;
}

bool
broker_send(struct sim_broker *b, sim_fn fn, void *arg)
{
    if (b->phase != BROKER_UP) {
        return false;
    }
    sim_sched_message(b->sched, fn, arg);
    return true;
}

struct sim_broker *
broker_pick(void)
{
    int at = (int)rng_below(&sim.r_client, (uint64_t)sim.k.brokers);
    for (int i = 0; i < sim.k.brokers; i++) {
        struct sim_broker *b = &sim.brokers[(at + i) % sim.k.brokers];
        if (b->phase == BROKER_UP) {
            return b;
        }
    }
    return NULL;
}

/* The highest entry that every broker which is not down has behind it; 0 when one is opening. */
uint64_t
brokers_passed(int journal)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < sim.k.brokers; i++) {
        struct sim_broker *b = &sim.brokers[i];
        struct journal_status s;
        if (b->phase == BROKER_DOWN) {
            continue;
        }
        journal_status(shard_journal(b->shards[journal]), &s);
        uint64_t passed = s.mode == JOURNAL_LIVE || s.mode == JOURNAL_CATCHUP ? s.safe : 0;
        least = passed < least ? passed : least;
    }
    return least;
}

/* --- faults over time */

struct fault {
    enum sim_fault id;
    int strikes;
};
enum { STRIKES_MAX = 30 }; /* so that every storm ends */
static struct fault faults[F_COUNT];

static int64_t
pause_length(void)
{
    const struct knobs *k = &sim.k;
    if (k->pause_min == 0 || rng_chance(&sim.r_fault, 200)) {
        return rng_span(&sim.r_fault, 10 * SCHED_MS, k->pause_max);
    }
    return k->pause_min + (int64_t)rng_below(&sim.r_fault, (uint64_t)(k->pause_max - k->pause_min));
}

/* Pauses whoever has a PUT on its way; looks for a while. */
static void
on_pause_hunt(void *arg)
{
    static int tries;
    (void)arg;
    for (int i = 0; i < sim.k.brokers; i++) {
        struct sim_broker *b = &sim.brokers[i];
        if (b->phase == BROKER_UP && !b->sched->is_paused &&
            sim_store_has_put_in_flight(b->sched)) {
            broker_pause(b, pause_length(), false);
            tries = 0;
            return;
        }
    }
    if (!sim.is_quiet && ++tries % 200 != 0) {
        sim_after(SCHED_MS + (int64_t)rng_below(&sim.r_fault, 50 * SCHED_MS), on_pause_hunt, NULL);
    }
}

static void
pause_in_flight(void)
{
    on_pause_hunt(NULL);
}

static void
strike(enum sim_fault f)
{
    struct sim_broker *b = &sim.brokers[rng_below(&sim.r_fault, (uint64_t)sim.k.brokers)];
    switch (f) {
    case F_crash:
        broker_crash(b);
        break;
    case F_close:
        broker_close(b);
        break;
    case F_pause:
        if (sim.k.is_pause_in_flight && rng_chance(&sim.r_fault, 600)) {
            pause_in_flight();
            break;
        }
        broker_pause(b, pause_length(), false);
        break;
    case F_freeze:
        broker_pause(b, pause_length(), true);
        break;
    case F_power:
        TRACE("fault    power loss");
        sim_stat(ST_power);
        for (int i = 0; i < sim.k.brokers; i++) {
            broker_crash(&sim.brokers[i]);
        }
        sim_store_power_loss();
        truth_final();
        break;
    case F_haunt:
        haunt_begin();
        break;
    case F_damage:
        if (sim.is_repair_forced) {
            repairs_wreck();
        } else if (sim.damaged_key == NULL) {
            (void)sim_store_damage(sim.k.is_damage_removal);
        }
        break;
    default:
        break;
    }
}

static void
on_fault(void *arg)
{
    struct fault *f = arg;
    if (sim.is_quiet || f->strikes++ == STRIKES_MAX) {
        return;
    }
    if (sim_fault_is_on(f->id)) {
        strike(f->id);
    }
    sim_after(rng_span(&sim.r_fault, sim.k.every[f->id] / 8, sim.k.every[f->id] * 2), on_fault, f);
}

void
faults_start(void)
{
    static const enum sim_fault timed[] = {F_crash, F_close,  F_pause, F_freeze,
                                           F_power, F_damage, F_haunt};
    for (size_t i = 0; i < sizeof(timed) / sizeof(timed[0]); i++) {
        enum sim_fault id = timed[i];
        if (sim.k.every[id] > 0) {
            faults[id].id = id;
            sim_after(rng_span(&sim.r_fault, sim.k.every[id] / 8, sim.k.every[id] * 2), on_fault,
                      &faults[id]);
        }
    }
}
