/* One seed from beginning to end.
 *
 *     boot     no faults: brokers start, partitions are opened
 *     storm    clients, readers, operators and faults, until all batches are made
 *     settle   no new faults, everybody runs: all clients come to rest, every journal is LIVE
 *     probe    each broker accepts a record for each partition and serves each partition whole
 *     close    each broker closes within its deadline, leaves nothing behind, starts from the store
 *     again    each broker serves each partition whole, and the truth still agrees with all that
 * left
 */
#include "sim.h"

#include <unistd.h>

static int64_t
settle_time(void)
{
    const struct knobs *k = &sim.k;
    return 30 * SIM_MIN + 2 * k->slow_max + 2 * k->slowget_max + 2 * k->grace_ns;
}

void
seed_generators(uint64_t seed)
{
    struct rng r = {seed ^ 0x51C1DE5EED};
    sim.r_sched.s = rng_next(&r);
    sim.r_net.s = rng_next(&r);
    sim.r_fault.s = rng_next(&r);
    sim.r_client.s = rng_next(&r);
    sim.r_broker.s = rng_next(&r);
    put_u64(sim.cluster.b, rng_next(&r) | 1);
    sim.r_group.s = rng_next(&r); /* the last, so that the others stay as they were */
    sim.r_peer.s = rng_next(&r);
    sim.r_scan.s = rng_next(&r);
    sim.r_tool.s = rng_next(&r);
    hash_set_seed(seed);
}

static bool
is_booted(void)
{
    for (int i = 0; i < sim.part_count; i++) {
        if (sim.parts[i].phase != PART_OPEN) {
            return false;
        }
    }
    return true;
}

static void
boot(void)
{
    sim.is_quiet = true;
    sim.now = 1000 * SCHED_S;
    sim.store = sim_store_new();
    for (int i = 0; i < sim.k.brokers; i++) {
        sim.brokers[i].id = i;
        broker_start(&sim.brokers[i]);
    }
    for (int i = 0; i < sim.k.parts; i++) {
        (void)ops_new_part(i % sim.k.journals, NULL);
    }
    if (!sim_run(is_booted, sim.now + 10 * SIM_MIN)) {
        sim_violation("a calm start succeeds", "after ten minutes partitions are not open");
    }
    repairs_boot();
    sim.is_quiet = false;
}

static bool
is_produced(void)
{
    return sim.batches_left <= 0 && members_are_done() && peers_are_done();
}

static bool
is_settled(void)
{
    for (int i = 0; i < sim.k.brokers; i++) {
        if (!broker_is_live(&sim.brokers[i])) {
            return false;
        }
    }
    bool are_peers_settled = peers_are_settled(); /* asked each time: it looks at the clock */
    return clients_are_idle() && members_are_settled() && are_peers_settled && repairs_are_done();
}

static void
settle(void)
{
    char why[300];
    sim.is_quiet = true;
    TRACE("sim      storm is over");
    for (int i = 0; i < sim.k.brokers; i++) {
        broker_resume(&sim.brokers[i]);
    }
    if (!sim_run(is_settled, sim.now + settle_time())) {
        clients_explain(why, 100);
        members_explain(why + strlen(why), sizeof(why) - strlen(why));
        peers_explain(why + strlen(why), sizeof(why) - strlen(why));
        repairs_explain(why + strlen(why), sizeof(why) - strlen(why));
        sim_violation("every run settles", "modes %d %d %d / %d %d %d; %s",
                      (int)broker_mode(&sim.brokers[0], 0), (int)broker_mode(&sim.brokers[1], 0),
                      (int)broker_mode(&sim.brokers[2], 0), (int)broker_mode(&sim.brokers[0], 1),
                      (int)broker_mode(&sim.brokers[1], 1), (int)broker_mode(&sim.brokers[2], 1),
                      why);
    }
}

static bool
are_damaged_judged(void)
{
    for (int i = 0; i < sim.k.brokers; i++) {
        const struct sim_broker *b = &sim.brokers[i];
        for (int j = 0; j < sim.k.journals; j++) {
            if (b->phase != BROKER_UP ||
                (broker_mode(b, j) != JOURNAL_LIVE && broker_mode(b, j) != JOURNAL_FAILED)) {
                return false;
            }
        }
    }
    return true;
}

/* After damage every broker starts again and has to notice. */
static void
judge_damage(void)
{
    for (int i = 0; i < sim.k.brokers; i++) {
        broker_crash(&sim.brokers[i]);
    }
    if (!sim_run(are_damaged_judged, sim.now + settle_time())) {
        sim_violation("damage is noticed", "some journal is neither live nor failed");
    }
    for (int i = 0; i < sim.k.brokers && sim.is_head_damaged; i++) {
        for (int j = 0; j < sim.k.journals; j++) {
            struct journal_status s;
            journal_status(shard_journal(sim.brokers[i].shards[j]), &s);
            if (sim.is_journal_damaged[j] && s.mode == JOURNAL_LIVE &&
                s.snapshot_n < sim.damaged_n) {
                sim_violation("damage is noticed",
                              "broker %d opens journal %d from snapshot %" PRIu64
                              " although %s is damaged",
                              i, j, s.snapshot_n, sim.damaged_key);
            }
        }
    }
}

static void
probe(bool is_writing)
{
    char why[300];
    probes_start(is_writing);
    if (!sim_run(probes_are_done, sim.now + settle_time())) {
        probes_explain(why, sizeof(why));
        sim_violation("every run settles", "%s", why);
    }
    truth_final();
    same_check();
    groups_compare();
    rolls_check();
    losses_compare();
}

static bool
is_reopened(void)
{
    for (int i = 0; i < sim.k.brokers; i++) {
        if (sim.brokers[i].incarnation == sim.awaited[i] || sim.brokers[i].phase != BROKER_UP) {
            return false;
        }
    }
    return are_damaged_judged();
}

static void
close_and_reopen(void)
{
    for (int i = 0; i < sim.k.brokers; i++) {
        sim.awaited[i] = sim.brokers[i].incarnation;
        broker_close(&sim.brokers[i]);
    }
    if (!sim_run(is_reopened, sim.now + settle_time())) {
        sim_violation("every run settles", "brokers do not come back after a close");
    }
}

static void
note_end(void)
{
    sim.result->steps = sim.steps;
    sim.result->virtual_ns = sim.now;
    sim.result->hash = sim.hash;
    counters_sum(sim.result->counters);
    sim.result->is_done = true;
}

void
sim_end(void)
{
    note_end();
    (void)fflush(stdout);
    _exit(0);
}

void
sim_seed_run(uint64_t seed)
{
    sim.seed = seed;
    sim.hash = seed;
    plan_make(&sim.k, seed);
    if (sim.batches_override > 0 && sim.batches_override < sim.k.batches) {
        sim.k.batches = sim.batches_override;
    }
    seed_generators(seed);
    boot();
    TRACE("sim      profile %s, %d brokers, %d journals, %d partitions, %d batches", sim.k.profile,
          sim.k.brokers, sim.k.journals, sim.k.parts, sim.k.batches);
    clients_start();
    readers_start();
    scans_start();
    ops_start();
    groups_start();
    members_start();
    peers_start();
    faults_start();
    if (!sim_run(is_produced, sim.now + 3000 * SIM_DAY)) {
        sim_violation("every run settles", "clients cannot make their batches");
    }
    settle();
    if (sim.damaged_key != NULL) {
        judge_damage();
    }
    probe(true);
    readers_check_sleepers();
    close_and_reopen();
    probe(false);
    note_end();
}
