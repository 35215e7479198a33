/* SPDX-License-Identifier: Apache-2.0
 *
 * The coordinators of a broker, and how a member asks one: over a connection to a broker that may
 * crash, with patience that may end. See sim_member.c. */
#include "sim_member.h"

/* --- tables of a broker --- */

void
members_broker_start(struct sim_broker *b, int journal)
{
    struct group_options o = group_options_default();
    if (sim.k.every[F_member] == 0 && sim.k.every[F_peer] == 0) {
        return;
    }
    if (sim.k.every[F_peer] > 0) {
        o.topics = peer_topics_of(b);
        o.consumer_session_timeout_ms = 6000;
    }
    o.shard = b->shards[journal];
    o.initial_rebalance_delay_ms = 300;
    o.min_session_timeout_ms = 100;
    o.offsets_check_interval_ms = INT64_C(1000) * 24 * 3600 * 1000;
    b->tables[journal] = group_table_new(&o);
}

/* --- asking --- */

static void
copy_answer(struct ask *a)
{
    a->error = a->u.call.error;
    if (a->kind == ASK_JOIN) {
        const struct group_join *j = &a->u.join;
        member_copy_id(a->ret_id, j->ret_member_id);
        member_copy_id(a->ret_leader, j->ret_leader);
        a->ret_generation = j->ret_generation;
        a->ret_skip = j->ret_skip_assignment;
        a->ret_peer_count = j->ret_member_count < KNOWN_MAX ? j->ret_member_count : KNOWN_MAX;
        for (size_t i = 0; i < a->ret_peer_count; i++) {
            member_copy_id(a->peers[i], j->ret_members[i].id);
        }
    } else if (a->kind == ASK_SYNC && a->error == KAFKA_NONE) {
        span_to_cstr(a->u.sync.ret_assignment, a->ret_assignment, sizeof(a->ret_assignment));
    } else if (a->kind == ASK_COMMIT) {
        a->error = a->error != KAFKA_NONE ? a->error : a->commit_part.error;
    }
}

static void
at_broker_done(struct group_call *call)
{
    struct ask *a = (struct ask *)call->arg;
    bool is_awake =
        a->pauses == a->b->pauses && call->late.fire == NULL; /* not read to the tail first */
    if (a->kind == ASK_HEARTBEAT && is_awake &&
        sim_sched_now(a->b->sched) - a->arrived_at > SCHED_S) {
        sim_violation("heartbeats do not wait for the store", "%s: %.3f s", a->m->g->id,
                      (double)(sim_sched_now(a->b->sched) - a->arrived_at) / 1e9);
    }
    copy_answer(a);
    if (a->kind == ASK_COMMIT && a->error == KAFKA_NONE) {
        struct live_commit *c = &sim_ms.commits[a->number];
        if (!c->is_in_truth) {
            sim_violation("what was acknowledged is in the log", "commit %" PRIu64, a->number);
        }
        c->is_acked = true;
        c->acked_at = sim.now;
        sim_stat(ST_member_commit);
    }
    group_call_fini(call);
    sim_after(rng_span(&sim.r_group, SCHED_MS / 10, 20 * SCHED_MS), member_on_answer, a);
}

/* Who gives up closes the connection. Most of what a broker that was away had not read by then it
 * never reads. */
static bool
is_closed(const struct ask *a)
{
    bool is_given_up = a->kind != ASK_COMMIT && a->kind != ASK_FETCH && a->serial != a->m->serial;
    return is_given_up && rng_chance(&sim.r_scan, 900);
}

static void
at_broker(void *arg)
{
    struct ask *a = arg;
    if (is_closed(a)) {
        return; /* its patience may still point to it: leaked with the process */
    }
    a->arrived_at = sim_sched_now(a->b->sched);
    a->pauses = a->b->pauses;
    a->u.call.home = &a->b->sched->base;
    a->u.call.done = at_broker_done;
    a->u.call.arg = a;
    if (a->kind == ASK_FETCH) {
        a->u.fetch.deadline_ns = sim_sched_now(a->b->sched) + 5 * SCHED_S;
    }
    group_submit(a->b->tables[a->m->g->journal], &a->u.call);
}

static void
on_timeout(void *arg)
{
    struct ask *a = arg;
    struct sim_member *m = a->m;
    if (a->serial == m->serial && a->kind != ASK_COMMIT && a->kind != ASK_FETCH) {
        m->serial++;
        m->phase = m->phase == M_WORKING ? M_WORKING : M_AWAY; /* asks again */
        member_step_soon(m, SCHED_MS, SCHED_S);
    }
}

struct ask *
member_ask_new(struct sim_member *m, enum kind kind,
               void (*run)(struct group_table *gt, struct group_call *c))
{
    struct ask *a = sl_alloc(sizeof(*a));
    a->kind = kind;
    a->m = m;
    a->generation = m->generation;
    memcpy(a->id, m->id, sizeof(a->id));
    a->u.call.run = run;
    a->u.call.is_from_member = kind != ASK_FETCH;
    a->u.call.group_id = span_cstr(m->g->id);
    return a;
}

void
member_ask_send(struct ask *a, int64_t timeout_ms)
{
    struct sim_member *m = a->m;
    a->b = &sim.brokers[m->at];
    a->incarnation = a->b->incarnation;
    a->asked_at = sim.now;
    if (a->kind != ASK_COMMIT && a->kind != ASK_FETCH) {
        a->serial = ++m->serial;
    }
    TRACE("%s.%d    asks %d at b%d, generation %d", m->g->id, m->number, a->kind, m->at,
          a->generation);
    sim_after(timeout_ms * SCHED_MS, on_timeout, a);
    (void)broker_send(a->b, at_broker, a); /* lost when it is down: the timeout tells */
}
