/* SPDX-License-Identifier: Apache-2.0
 *
 * One request of a member: sent, run at the broker, judged when the answer leaves, brought back a
 * little later, or not at all. */
#include "sim_peer.h"

static void
ask_free(struct peer_ask *a)
{
    sl_free(a->assignments);
    sl_free(a->texts);
    sl_free(a->peers);
    sl_free(a->claims);
    sl_free(a);
}

static void
copy_join(struct peer_ask *a)
{
    const struct group_join *j = &a->u.join;
    span_to_cstr(j->ret_member_id, a->ret_id, sizeof(a->ret_id));
    a->ret_epoch = j->ret_generation;
    a->ret_is_leader = a->error == KAFKA_NONE && span_eq(j->ret_leader, j->ret_member_id);
    if (!a->ret_is_leader) {
        return;
    }
    a->peer_count = j->ret_member_count < PEER_FACTS_MAX ? j->ret_member_count : PEER_FACTS_MAX;
    a->peers = sl_alloc((a->peer_count + 1) * sizeof(*a->peers));
    a->claims = sl_alloc((a->peer_count + 1) * sizeof(*a->claims));
    for (size_t i = 0; i < a->peer_count; i++) {
        span_to_cstr(j->ret_members[i].id, a->peers[i], sizeof(a->peers[i]));
        a->claims[i] = peer_subscription_owned(j->ret_members[i].metadata);
    }
}

static void
copy_answer(struct peer_ask *a)
{
    a->error = a->u.call.error;
    memcpy(a->ret_id, a->id, sizeof(a->ret_id));
    switch (a->kind) {
    case PEER_BEAT:
        a->ret_epoch = a->u.beat.ret_epoch;
        a->has_assignment = a->error == KAFKA_NONE && a->u.beat.has_assignment;
        a->ret_mask = a->has_assignment ? peer_mask_of(&a->u.beat.ret_assignment) : 0;
        break;
    case PEER_JOIN:
        copy_join(a);
        break;
    case PEER_SYNC:
        a->ret_epoch = a->epoch;
        a->has_assignment = a->error == KAFKA_NONE;
        a->ret_mask = a->has_assignment ? peer_assignment_mask(a->u.sync.ret_assignment) : 0;
        break;
    case PEER_COMMIT:
        a->error = a->error != KAFKA_NONE ? a->error : a->commit_part.error;
        break;
    default:
        break;
    }
}

static void
on_answer(void *arg)
{
    struct peer_ask *a = arg;
    peer_answered(a->m, a);
    ask_free(a);
}

static bool
is_waited_for(const struct peer_ask *a)
{
    return a->kind == PEER_COMMIT || a->kind == PEER_FETCH || a->serial == a->m->serial;
}

static void
at_broker_done(struct group_call *call)
{
    struct peer_ask *a = (struct peer_ask *)call->arg;
    copy_answer(a);
    if (is_waited_for(a)) {
        peer_judge_told(a); /* else nobody reads it */
    }
    if (a->kind == PEER_COMMIT && a->error == KAFKA_NONE) {
        peer_judge_commit_acked(a);
    }
    group_call_fini(call);
    if (a->is_answer_lost) {
        sim_stat(ST_peer_lost_answer);
        ask_free(a);
        return;
    }
    sim_after(rng_span(&sim.r_peer, SCHED_MS / 10, 20 * SCHED_MS), on_answer, a);
}

static void
at_broker(void *arg)
{
    struct peer_ask *a = arg;
    if (!is_waited_for(a)) {
        ask_free(a); /* the connection is closed */
        return;
    }
    a->u.call.home = &a->b->sched->base;
    a->u.call.done = at_broker_done;
    a->u.call.arg = a;
    if (a->kind == PEER_FETCH) {
        a->u.fetch.deadline_ns = sim_sched_now(a->b->sched) + 5 * SCHED_S;
    }
    group_submit(a->b->tables[a->m->g->journal], &a->u.call);
}

/* What is left of a request for its timeout: it outlives the request. */
struct patience {
    enum peer_ask_kind kind;
    struct peer *m;
    uint64_t serial;
};

static void
on_timeout(void *arg)
{
    struct patience *p = arg;
    if (p->serial == p->m->serial) {
        peer_timed_out(p->m, p->kind);
    }
    sl_free(p);
}

static void
arm(const struct peer_ask *a, int64_t timeout_ms)
{
    struct patience *p = sl_alloc(sizeof(*p));
    *p = (struct patience){a->kind, a->m, a->serial};
    sim_after(timeout_ms * SCHED_MS, on_timeout, p);
}

struct peer_ask *
peer_ask_new(struct peer *m, enum peer_ask_kind kind,
             void (*run)(struct group_table *gt, struct group_call *c))
{
    struct peer_ask *a = sl_alloc(sizeof(*a));
    a->kind = kind;
    a->m = m;
    a->epoch = m->epoch;
    memcpy(a->id, m->id, sizeof(a->id));
    memcpy(a->instance, m->instance, sizeof(a->instance));
    a->u.call.run = run;
    a->u.call.is_from_member = kind != PEER_FETCH;
    a->u.call.group_id = span_cstr(m->g->id);
    return a;
}

void
peer_ask_send(struct peer_ask *a, int64_t timeout_ms)
{
    struct peer *m = a->m;
    a->b = &sim.brokers[m->at];
    a->asked_at = sim.now;
    TRACE("%s.%d    asks %d at b%d: %s in %d", m->g->id, m->number, (int)a->kind, m->at, a->id,
          a->epoch);
    if (a->kind != PEER_COMMIT && a->kind != PEER_FETCH) {
        a->serial = ++m->serial;
        a->is_answer_lost = !peers_are_quiet() && rng_chance(&sim.r_peer, 20);
        arm(a, timeout_ms);
    }
    if (!broker_send(a->b, at_broker, a)) {
        ask_free(a); /* it is down: the timeout tells */
    }
}
