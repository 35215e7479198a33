/* What a seed means. A profile sets the scene; within it every fault is switched on or off by a
 * coin and its rate drawn (swarm testing: a run without any late PUT and one with nothing else both
 * find what the average run never does). */
#include "sim.h"

static struct rng r; /* of the plan alone */

static int64_t
between(int64_t lo, int64_t hi)
{
    return lo + (int64_t)rng_below(&r, (uint64_t)(hi - lo + 1));
}

static bool
coin(uint32_t per_mille)
{
    return rng_chance(&r, per_mille);
}

static void
base(struct knobs *k)
{
    k->brokers = (int)between(1, 3);
    k->journals = coin(300) ? 2 : 1;
    k->parts = (int)between(1, 3) * k->journals;
    k->idem_clients = (int)between(1, 3);
    k->plain_clients = (int)between(0, 2);
    k->readers = (int)between(1, 3);
    k->batches = (int)between(60, 300);
    k->gap_ns = rng_span(&r, 2 * SCHED_MS, 500 * SCHED_MS);
    k->lat_min = SCHED_MS / 10;
    k->lat_max = coin(500) ? 5 * SCHED_MS : 200 * SCHED_MS;
    k->slow_max = coin(800) ? 20 * SCHED_S : 4 * SIM_MIN;
    k->late_max = coin(700) ? 2 * SIM_MIN : 2 * SIM_DAY;
    k->slowget_max = 2 * SIM_MIN;
    k->pause_max = 2 * SIM_MIN;
    k->max_in_flight = coin(300) ? 1 : (uint32_t)between(2, 5);
    k->linger_ns = coin(500) ? 0 : between(1, 30) * SCHED_MS;
    k->is_local = coin(500);
    k->grace_ns = SIM_HOUR;
    k->skew_max_ms = coin(500) ? 0 : 60000;
    k->entry_max = coin(300) ? 2048 : coin(500) ? 65536 : 8 << 20;
    k->queue_max = coin(200) ? 4096 : 64 << 20;
    k->tail_cache = coin(300) ? 0 : coin(500) ? 4096 : 1 << 20;
    k->cache_bytes = coin(300) ? 0 : coin(500) ? 2 << 20 : 64 << 20;
    k->batch_max = coin(200) ? 6000 : 400;
    k->append_deadline = rng_span(&r, 2 * SCHED_S, 2 * SIM_MIN);
    k->snapshot_entries = coin(300) ? 0 : (uint32_t)between(3, 60);
    k->snapshot_bytes = coin(200) ? 20000 : 0;
    k->is_paranoid = coin(100);
    k->every[F_ops] = 10 * SCHED_S;
}

static void
net(struct knobs *k, uint32_t pm)
{
    static const enum sim_fault faults[] = {F_lost,    F_late,    F_never,   F_twice,
                                            F_own412,  F_refused, F_slow,    F_geterr,
                                            F_listerr, F_delerr,  F_slowget, F_slowcheck};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        k->pm[faults[i]] = coin(600) ? (uint32_t)between(1, pm) : 0;
    }
}

/* Mean intervals as shares of how long the producing takes. */
static int64_t
share(const struct knobs *k, int64_t lo, int64_t hi)
{
    int64_t whole = k->batches * (k->gap_ns / (k->idem_clients + k->plain_clients) + SCHED_MS);
    return whole / between(lo, hi) + 50 * SCHED_MS;
}

static void
collection(struct knobs *k)
{
    k->snapshot_entries = (uint32_t)between(2, 12);
    k->every[F_trim] = share(k, 10, 40);
    k->every[F_snap] = coin(500) ? share(k, 10, 40) : 0;
    k->grace_ns = coin(500) ? between(2, 10) * SIM_MIN : SIM_HOUR;
    k->skew_max_ms = coin(500) ? 0 : k->grace_ns / SCHED_MS / 8;
}

static void
plan_calm(struct knobs *k)
{
    k->profile = "calm";
    k->every[F_trim] = coin(300) ? share(k, 2, 10) : 0;
    k->every[F_expire] = coin(200) ? share(k, 2, 6) : 0;
}

static void
plan_network(struct knobs *k)
{
    k->profile = "network";
    net(k, 150);
}

static void
plan_crashes(struct knobs *k)
{
    k->profile = "crashes";
    net(k, 40);
    k->every[F_crash] = share(k, 4, 20);
    k->every[F_close] = coin(500) ? share(k, 2, 8) : 0;
    k->every[F_trim] = coin(300) ? share(k, 2, 10) : 0;
}

static void
plan_pauses(struct knobs *k)
{
    k->profile = "pauses";
    net(k, 80);
    k->brokers = (int)between(2, 3);
    k->every[F_pause] = share(k, 4, 16);
    k->pause_max = coin(500) ? 10 * SIM_MIN : coin(700) ? 6 * SIM_HOUR : 3 * SIM_DAY;
    k->long_gap_pm = 30;
    k->long_gap_ns = k->pause_max / 8;
    k->every[F_crash] = coin(300) ? share(k, 1, 6) : 0;
    k->every[F_expire] = coin(400) ? share(k, 2, 6) : 0;
    collection(k);
}

/* PUTs that outlive the grace period, so that collected keys come back. */
static void
plan_ghosts(struct knobs *k)
{
    k->profile = "ghosts";
    net(k, 60);
    k->brokers = (int)between(2, 3);
    k->journals = 1;
    k->parts = (int)between(1, 2);
    collection(k);
    k->grace_ns = between(2, 4) * SIM_MIN;
    k->skew_max_ms = coin(700) ? 0 : 10000;
    k->pm[F_late] = (uint32_t)between(30, 150);
    k->late_max = 4 * k->grace_ns;
    k->slowget_max = 4 * k->grace_ns;
    k->pm[F_slowget] = coin(700) ? (uint32_t)between(20, 120) : 0;
    k->every[F_pause] = coin(700) ? share(k, 6, 24) : 0;
    k->pause_max = 4 * k->grace_ns;
    k->long_gap_pm = 60;
    k->long_gap_ns = k->grace_ns;
    k->every[F_trim] = share(k, 20, 60);
    k->append_deadline = coin(500) ? 8 * k->grace_ns : 2 * SIM_MIN;
}

/* The same within seconds: nothing but the grace period stands between window and deletion. */
static void
plan_quick(struct knobs *k)
{
    plan_ghosts(k);
    k->profile = "quick";
    k->late_max = 15 * SCHED_S;
    k->slowget_max = 15 * SCHED_S;
    k->pause_max = 12 * SCHED_S;
    k->pm[F_late] = (uint32_t)between(60, 200);
    k->gap_ns = rng_span(&r, 20 * SCHED_MS, 500 * SCHED_MS);
    k->long_gap_ns = 5 * SCHED_S;
    k->snapshot_entries = (uint32_t)between(1, 4);
    k->every[F_trim] = share(k, 40, 120);
    k->every[F_snap] = share(k, 40, 120);
    k->append_deadline = SIM_MIN;
}

/* As many ghosts as can be: a grace period just above twice T_safe, everything trimmed and
 * collected at once, PUTs that land and brokers that wake when that is over. */
static void
plan_haunted(struct knobs *k)
{
    plan_ghosts(k);
    k->profile = "haunted";
    k->brokers = coin(700) ? 3 : 2;
    k->parts = 1;
    k->plain_clients = 1;
    k->readers = (int)between(2, 5);
    k->batches = (int)between(150, 450);
    k->gap_ns = between(500, 4000) * SCHED_MS;
    k->long_gap_pm = 0;
    k->grace_ns = between(45, 90) * SCHED_S;
    k->skew_max_ms = 0;
    k->lat_max = 50 * SCHED_MS;
    k->slow_max = 20 * SCHED_S;
    k->pm[F_late] = (uint32_t)between(50, 200);
    k->late_min = k->grace_ns;
    k->late_max = 4 * k->grace_ns;
    k->pause_min = k->grace_ns;
    k->pause_max = 4 * k->grace_ns;
    k->is_pause_in_flight = true;
    k->every[F_pause] = between(20, 60) * SCHED_S;
    k->every[F_crash] = coin(500) ? between(60, 200) * SCHED_S : 0;
    k->every[F_trim] = between(2, 8) * SCHED_S;
    k->every[F_snap] = between(2, 8) * SCHED_S;
    k->every[F_ops] = 0;
    k->every[F_expire] = 0;
    k->slowget_max = 4 * k->grace_ns;
    k->pm[F_slowget] = coin(600) ? (uint32_t)between(20, 200) : 0;
    k->pm[F_slowcheck] = coin(500) ? (uint32_t)between(100, 400) : 0;
    k->every[F_haunt] = coin(850) ? between(15, 60) * SCHED_S : 0;
    k->append_deadline = coin(500) ? 10 * k->grace_ns : 2 * SIM_MIN;
    k->is_paranoid = coin(100);
    if (coin(500)) { /* nobody else is in the way */
        k->every[F_pause] = k->every[F_crash] = 0;
        k->every[F_haunt] = between(10, 30) * SCHED_S;
    }
}

static void
plan_power(struct knobs *k)
{
    k->profile = "power";
    net(k, 30);
    k->every[F_power] = share(k, 4, 12);
    k->every[F_crash] = coin(300) ? share(k, 2, 8) : 0;
}

static void
plan_damage(struct knobs *k)
{
    k->profile = "damage";
    k->journals = coin(700) ? 2 : 1;
    k->parts = k->journals * 2;
    k->snapshot_entries = coin(600) ? 0 : k->snapshot_entries;
    k->every[F_damage] = share(k, 3, 8);
    k->every[F_crash] = coin(700) ? share(k, 4, 12) : 0;
    k->is_damage_removal = coin(600);
}

static void
plan_frozen(struct knobs *k)
{
    plan_ghosts(k);
    k->profile = "frozen";
    k->is_paranoid = true;
    k->every[F_pause] = 0;
    k->every[F_freeze] = share(k, 6, 16);
    k->every[F_expire] = 0;
}

static void
plan_topics(struct knobs *k)
{
    k->profile = "topics";
    net(k, 60);
    k->every[F_retire] = share(k, 4, 12);
    k->every[F_trim] = share(k, 4, 12);
    k->every[F_crash] = coin(500) ? share(k, 2, 8) : 0;
    k->every[F_ops] = share(k, 8, 20);
}

static void
plan_everything(struct knobs *k)
{
    k->profile = "everything";
    net(k, 60);
    collection(k);
    k->pause_max = coin(500) ? 10 * SIM_MIN : 2 * SIM_HOUR;
    k->long_gap_pm = 20;
    k->long_gap_ns = 10 * SIM_MIN;
    k->every[F_pause] = coin(700) ? share(k, 4, 12) : 0;
    k->every[F_crash] = coin(700) ? share(k, 4, 12) : 0;
    k->every[F_close] = coin(500) ? share(k, 2, 8) : 0;
    k->every[F_retire] = coin(500) ? share(k, 2, 8) : 0;
    k->every[F_power] = coin(300) ? share(k, 2, 6) : 0;
    k->every[F_expire] = coin(300) ? share(k, 2, 6) : 0;
}

/* Batches that fill entries and blocks of the cache. */
static void
plan_bulk(struct knobs *k)
{
    k->profile = "bulk";
    net(k, 20);
    k->batches = (int)between(30, 80);
    k->batch_max = (size_t)rng_span(&r, 20000, 600000);
    k->entry_max = coin(500) ? 65536 : 8 << 20;
    k->queue_max = coin(300) ? 1 << 20 : 64 << 20;
    k->tail_cache = coin(500) ? 0 : 1 << 20;
    k->cache_bytes = coin(300) ? 2 << 20 : 64 << 20;
    k->every[F_crash] = share(k, 2, 8);
}

/* More entries than one LIST shows, read by brokers that start from nothing. */
static void
plan_long(struct knobs *k)
{
    k->profile = "long";
    net(k, 5);
    k->brokers = (int)between(1, 2);
    k->journals = 1;
    k->parts = (int)between(1, 2);
    k->batches = (int)between(1500, 3500);
    k->batch_max = 60;
    k->gap_ns = rng_span(&r, SCHED_MS, 5 * SCHED_MS);
    k->lat_max = SCHED_MS;
    k->slow_max = SCHED_S;
    k->snapshot_entries = coin(700) ? 0 : 400;
    k->every[F_crash] = share(k, 1, 4);
    k->every[F_trim] = coin(300) ? share(k, 2, 10) : 0;
}

/* Logs that are compacted and deleted from all the time, by brokers that are often away for longer
 * than anything may take. */
static void
plan_clean(struct knobs *k)
{
    k->profile = "clean";
    net(k, 40);
    k->brokers = (int)between(1, 3);
    k->journals = 1;
    k->parts = (int)between(1, 3);
    k->batches = (int)between(100, 350);
    k->gap_ns = rng_span(&r, 50 * SCHED_MS, 3 * SCHED_S);
    k->slow_max = 20 * SCHED_S;
    k->pm[F_delerr] = coin(500) ? (uint32_t)between(50, 400) : k->pm[F_delerr];
    k->late_max = 2 * SIM_MIN;
    k->batch_max = coin(700) ? 60 : 400;
    k->every[F_crash] = coin(500) ? share(k, 2, 12) : 0;
    k->every[F_close] = coin(300) ? share(k, 2, 8) : 0;
    k->every[F_pause] = coin(600) ? share(k, 3, 12) : 0;
    k->pause_max = coin(500) ? 20 * SIM_MIN : SIM_MIN;
    k->every[F_trim] = coin(300) ? share(k, 2, 10) : 0;
    k->every[F_retire] = coin(300) ? share(k, 2, 8) : 0;
    k->every[F_power] = coin(200) ? share(k, 2, 6) : 0;
    k->every[F_snap] = coin(300) ? share(k, 10, 40) : 0;
    k->every[F_policy] = coin(300) ? share(k, 4, 20) : 0;
    k->grace_ns = coin(500) ? between(2, 10) * SIM_MIN : SIM_HOUR;
    k->skew_max_ms = coin(700) ? 0 : k->grace_ns / SCHED_MS / 8;
}

/* Journals that lose entries and snapshots for good, and are repaired while brokers sleep, wake and
 * write. */
static void
plan_repairs(struct knobs *k)
{
    k->profile = "repairs";
    net(k, 30);
    k->journals = coin(300) ? 2 : 1;
    k->parts = (int)between(1, 3) * k->journals;
    k->batches = (int)between(60, 250);
    k->gap_ns = rng_span(&r, 20 * SCHED_MS, 5 * SCHED_S);
    k->long_gap_pm = coin(500) ? 50 : 0;
    k->long_gap_ns = 2 * SIM_MIN;
    k->slow_max = 20 * SCHED_S;
    k->late_max = coin(500) ? 2 * SIM_MIN : 2 * SIM_HOUR;
    k->batch_max = 200;
    k->snapshot_entries = coin(300) ? 0 : (uint32_t)between(3, 60);
    k->grace_ns = coin(500) ? between(2, 10) * SIM_MIN : SIM_HOUR;
    k->skew_max_ms = coin(500) ? 0 : k->grace_ns / SCHED_MS / 8;
    k->every[F_damage] = share(k, 3, 8);
    k->every[F_crash] = coin(500) ? share(k, 2, 12) : 0;
    k->every[F_close] = coin(200) ? share(k, 2, 8) : 0;
    k->every[F_pause] = coin(600) ? share(k, 3, 12) : 0;
    k->pause_max = coin(500) ? 10 * SIM_MIN : SIM_MIN;
    k->every[F_trim] = coin(400) ? share(k, 2, 15) : 0;
    k->every[F_snap] = coin(400) ? share(k, 5, 40) : 0;
    k->every[F_ops] = 0;
    k->tool_crash_pm = coin(500) ? (uint32_t)between(2, 60) : 0;
    k->tool_pause_pm = coin(500) ? (uint32_t)between(1, 20) : 0;
    k->wrecks = (int)between(1, 3);
    k->is_rolling = coin(600);
    k->roll_target = coin(300) ? 1 : rng_span(&r, 200, (int64_t)k->batch_max * 20);
    k->roll_age_ms = rng_span(&r, SCHED_S, 10 * SIM_MIN) / SCHED_MS;
    k->roll_live_max = INT64_C(1) << 30;
    k->roll_patience = coin(700) ? 1 : 2;
    k->upkeep_ms = coin(700) ? rng_span(&r, SCHED_S, 5 * SIM_MIN) / SCHED_MS : 0;
    k->upkeep_retention_bytes = k->retention_ms = -1;
    k->max_lag_ms = INT64_MAX;
    k->dedupe_bytes = 1 << 20;
}

static void
clean(struct knobs *k)
{
    k->roll_target = coin(300) ? 1 : rng_span(&r, 200, (int64_t)k->batch_max * 40);
    k->roll_age_ms = rng_span(&r, SCHED_S, SIM_MIN) / SCHED_MS;
    k->upkeep_ms = rng_span(&r, SCHED_S / 2, 10 * SCHED_S) / SCHED_MS;
    k->upkeep_retention_bytes = coin(500) ? rng_span(&r, 1000, (int64_t)k->batch_max * 100) : -1;
    k->compacted_pm = 900;
    k->deleted_pm = coin(500) ? 900 : 200;
    k->keys = (int)rng_span(&r, 2, 300);
    k->dedupe_bytes = coin(500) ? 1 << 20 : 1; /* the least there is: 56 keys */
    k->delete_retention_ms =
        rng_span(&r, SCHED_S / 10, coin(600) ? 10 * SCHED_S : SIM_HOUR) / SCHED_MS;
    k->delete_retention_ms = coin(250) ? 0 : k->delete_retention_ms;
    k->roll_patience = 1;
}

/* Groups come on top of any profile, with draws of their own, so that the seeds without them are
 * what they were. */
static void
groups(struct knobs *k)
{
    int64_t whole = k->batches * (k->gap_ns / (k->idem_clients + k->plain_clients) + SCHED_MS);
    k->every[F_group] = whole / between(40, 160) + 20 * SCHED_MS;
    k->every[F_commit] = whole / between(80, 320) + 10 * SCHED_MS;
    k->every[F_topicdel] = k->every[F_ops];
}

/* Members of live groups take minutes; what else befalls the run is spread over them. */
static void
members(struct knobs *k)
{
    int64_t storm = between(2, 8) * SIM_MIN;
    for (int f = 0; f < F_COUNT; f++) {
        if (k->every[f] > 0 && k->every[f] < storm / 25) {
            k->every[f] = storm / between(8, 25);
        }
    }
    k->every[F_member] = sim.is_member_forced ? storm : 0;
    k->every[F_peer] = sim.is_peer_forced ? storm : 0;
    k->long_gap_pm = 0; /* nobody waits for days while members heartbeat */
    k->gap_ns = k->gap_ns < SCHED_S / 4 ? k->gap_ns : SCHED_S / 4;
    k->every[F_group] = k->every[F_commit] = 0; /* whose groups have members that nobody hears of */
}

/* Rollers, too, with draws that come last. Brokers cut where they like: two that roll at once are
 * to be met. */
static void
rolls(struct knobs *k)
{
    k->is_rolling = true;
    k->roll_target = coin(300) ? 1 : rng_span(&r, 200, (int64_t)k->batch_max * 20);
    k->roll_age_ms = rng_span(&r, SCHED_S, 10 * SIM_MIN) / SCHED_MS;
    k->roll_live_max = coin(500) ? rng_span(&r, 500, 50000) : INT64_C(1) << 30;
    k->roll_patience = coin(700) ? 1 : 2;
    k->upkeep_ms = coin(700) ? rng_span(&r, SCHED_S, 5 * SIM_MIN) / SCHED_MS : 0;
    k->upkeep_retention_bytes = coin(400) ? rng_span(&r, 1000, (int64_t)k->batch_max * 40) : -1;
    k->retention_ms = coin(300) ? rng_span(&r, SIM_MIN, 3 * SIM_HOUR) / SCHED_MS : -1;
    k->compacted_pm = 500;
    k->deleted_pm = 400;
    k->keys = (int)rng_span(&r, 1, 200);
    k->dedupe_bytes = coin(600) ? 1 << 20 : 4096;
    k->delete_retention_ms = coin(200) ? 0 : rng_span(&r, SCHED_S, SIM_HOUR) / SCHED_MS;
    k->min_lag_ms = coin(800) ? 0 : rng_span(&r, SCHED_S, 10 * SIM_MIN) / SCHED_MS;
    k->max_lag_ms = coin(800) ? INT64_MAX : rng_span(&r, SCHED_S, 10 * SIM_MIN) / SCHED_MS;
    k->dirty_pm = coin(700) ? 1 : (int)between(1, 600);
}

void
plan_make(struct knobs *k, uint64_t seed)
{
    static void (*const plans[])(struct knobs * k) = {
        plan_calm,    plan_network, plan_crashes, plan_pauses,     plan_ghosts,     plan_quick,
        plan_power,   plan_damage,  plan_frozen,  plan_topics,     plan_everything, plan_ghosts,
        plan_quick,   plan_network, plan_pauses,  plan_everything, plan_haunted,    plan_haunted,
        plan_haunted, plan_haunted, plan_haunted, plan_bulk,       plan_long,       plan_crashes,
        plan_clean,   plan_clean,   plan_clean};
    r.s = seed;
    r.s = rng_next(&r); /* else neighbours draw the same numbers, one place apart */
    *k = (struct knobs){0};
    base(k);
    void (*plan)(struct knobs *) = plans[seed % (sizeof(plans) / sizeof(plans[0]))];
    plan = sim.is_clean_forced ? plan_clean : sim.is_haunt_forced ? plan_haunted : plan;
    plan = sim.is_repair_forced ? plan_repairs : plan;
    plan(k);
    if (plan == plan_repairs) {
        return;
    }
    if (sim.is_group_forced || seed / (sizeof(plans) / sizeof(plans[0])) % 5 == 3) {
        groups(k);
    }
    if (sim.is_member_forced || sim.is_peer_forced) {
        members(k);
    }
    if (plan == plan_clean || sim.is_roll_forced ||
        seed / (sizeof(plans) / sizeof(plans[0])) % 3 == 1) {
        rolls(k);
    }
    if (plan == plan_clean) {
        clean(k);
    }
    if (k->is_rolling && coin(300)) {
        k->every[F_adopt] = share(k, 2, 8);
        k->every[F_loss] = share(k, 2, 20);
    }
}
