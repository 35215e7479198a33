/* SPDX-License-Identifier: Apache-2.0
 *
 * What members do, as clients of both protocols do it.
 *
 * Consumer protocol: one heartbeat at a time. A new assignment is taken at once when nothing has to
 * be given up; else that takes a while, in which heartbeats go on and say nothing. When it is done
 * the member says once what it owns. Who is fenced drops everything and joins again under its name;
 * after an error or without an answer it says everything again.
 *
 * Classic protocol, cooperatively: it names what it owns when it joins and keeps it meanwhile; what
 * it is not assigned any more it gives up, and joins again. A leader gives a partition that another
 * one claims to nobody.
 *
 * What befalls them: crashes, leaving, also for a while, long sleep, other subscriptions, belief in
 * another coordinator. In a mixed group who comes back may speak the other protocol. */
#include "sim_peer.h"

static void join(struct peer *m);

static const struct span null_span = {NULL, 0};

static struct span
instance_of(const struct peer_ask *a)
{
    return a->instance[0] == '\0' ? null_span : span_cstr(a->instance);
}

static void
new_id(struct peer *m)
{
    (void)snprintf(m->id, sizeof(m->id), "n%" PRIu64, ++ps.ids);
}

static void
lose(struct peer *m)
{
    m->owned = m->given = 0;
    m->is_revoking = m->has_to_ack = m->has_to_say_all = false;
    m->phase = PEER_OUT;
    m->epoch = m->is_classic ? -1 : 0;
}

/* Another process, in a mixed group perhaps of the other protocol. */
static void
start_anew(struct peer *m)
{
    if (m->g->is_mixed && !peers_are_quiet() && rng_chance(&sim.r_peer, 400)) {
        m->is_classic = !m->is_classic;
    }
    lose(m);
    m->id[0] = '\0';
    if (!m->is_classic) {
        new_id(m);
    }
}

/* --- the consumer protocol --- */

enum { WANTS_T0 = 1, WANTS_T1 = 2, WANTS_EXPR = 4 };

static int
wishes(const struct peer *m)
{
    static const int variants[] = {WANTS_T0, WANTS_T0 | WANTS_T1, WANTS_T0 | WANTS_T1 | WANTS_EXPR,
                                   WANTS_T1};
    static const int mixed[] = {WANTS_T0, WANTS_T0 | WANTS_EXPR};
    return m->g->is_mixed ? mixed[m->variant % 2] : variants[m->variant % 4];
}

peer_mask
peer_wants(const struct peer *m)
{
    int w = m->is_classic ? WANTS_T0 : wishes(m);
    return ((w & WANTS_T0) != 0 ? peer_topics_mask(0) : 0) |
           ((w & WANTS_T1) != 0 ? peer_topics_mask(1) : 0);
}

static void
say_subscription(const struct peer *m, struct peer_ask *a)
{
    struct consumer_heartbeat *h = &a->u.beat;
    int w = wishes(m);
    bool is_expr = (w & WANTS_EXPR) != 0;
    h->has_topics = true;
    h->topics = a->names;
    if (!is_expr && (w & WANTS_T0) != 0) {
        a->names[h->topic_count++] = span_cstr("t0");
    }
    if (!is_expr && (w & WANTS_T1) != 0) {
        a->names[h->topic_count++] = span_cstr("t1");
    }
    h->regex = span_cstr(!is_expr ? "" : m->g->is_mixed ? "t0|x.*" : "t.*");
    static const char *const assignors[] = {"", "uniform", "range"};
    h->server_assignor = span_cstr(assignors[m->variant / 4 % 3]);
    h->rebalance_timeout_ms = m->rebalance_ms;
}

static struct peer_ask *
beat_new(struct peer *m)
{
    struct peer_ask *a = peer_ask_new(m, PEER_BEAT, consumer_heartbeat_run);
    struct consumer_heartbeat *h = &a->u.beat;
    h->member_id = span_cstr(a->id);
    h->member_epoch = m->epoch;
    h->instance_id = instance_of(a);
    h->client_id = span_cstr("c");
    h->client_host = span_cstr("h");
    h->rebalance_timeout_ms = -1;
    h->needs_member_id = true;
    a->u.call.is_live_enough = true;
    return a;
}

static void
beat(struct peer *m)
{
    struct peer_ask *a = beat_new(m);
    a->is_told_all = m->phase == PEER_OUT || m->has_to_say_all;
    if (a->is_told_all) {
        say_subscription(m, a);
    }
    if (a->is_told_all || (m->has_to_ack && !m->is_revoking)) {
        a->owned = m->owned;
        a->u.beat.has_owned = true;
        peer_list_of(m->owned, a, &a->u.beat.owned);
    }
    peer_ask_send(a, 10000);
}

static void
leave(struct peer *m, int32_t epoch)
{
    struct peer_ask *a = beat_new(m);
    a->epoch = a->u.beat.member_epoch = epoch;
    m->owned = 0;
    peer_ask_send(a, 5000);
}

static void
own(struct peer *m, peer_mask mask)
{
    bool has_grown = (mask & ~m->owned) != 0;
    m->has_to_ack = m->has_to_ack || mask != m->owned;
    m->owned = mask;
    m->owned_in = m->epoch;
    m->is_expelled = false;
    m->is_revoking = false;
    TRACE("%s.%d    %s owns %" PRIx64 " in %d", m->g->id, m->number, m->id, mask, m->epoch);
    if (has_grown) {
        sim_stat(ST_peer_granted);
        peer_judge_owners(m->g);
    }
}

struct giving_up {
    struct peer *m;
    uint64_t serial;
};

static void
on_given_up(void *arg)
{
    struct giving_up *up = arg;
    struct peer *m = up->m;
    if (m->is_revoking && up->serial == m->revoke_serial) {
        own(m, m->given);
        m->has_to_ack = true;
        sim_stat(ST_peer_revoked);
    }
    sl_free(up);
}

static void
take_assignment(struct peer *m, peer_mask mask)
{
    m->given = mask;
    if (m->is_revoking) {
        return; /* when it is done, this is what it owns */
    }
    if ((m->owned & ~mask) == 0) {
        own(m, mask);
        return;
    }
    struct giving_up *up = sl_alloc(sizeof(*up));
    m->is_revoking = true;
    *up = (struct giving_up){m, ++m->revoke_serial};
    int64_t most = peers_are_quiet() ? SCHED_S : 8 * SCHED_S;
    sim_after(rng_span(&sim.r_peer, SCHED_MS, most), on_given_up, up);
}

static void
beaten(struct peer *m, const struct peer_ask *a)
{
    m->phase = PEER_IN;
    m->epoch = a->ret_epoch;
    m->has_to_say_all = m->has_to_say_all && !a->is_told_all;
    if (a->u.beat.has_owned && a->owned == m->owned && !m->is_revoking) {
        m->has_to_ack = false;
    }
    if (a->has_assignment) {
        take_assignment(m, a->ret_mask);
    }
    peer_step_soon(m, (peers_are_quiet() ? 500 : 100) * SCHED_MS, 2 * SCHED_S);
}

/* --- the classic protocol --- */

static void
join(struct peer *m)
{
    m->phase = PEER_JOINING;
    struct peer_ask *a = peer_ask_new(m, PEER_JOIN, group_join_run);
    a->owned = m->owned;
    a->protocol = (struct group_protocol){span_cstr("cooperative-sticky"),
                                          peer_subscription_put(m->owned, a->metadata)};
    a->u.join = (struct group_join){.call = a->u.call,
                                    .member_id = span_cstr(a->id),
                                    .instance_id = instance_of(a),
                                    .client_id = span_cstr("c"),
                                    .client_host = span_cstr("h"),
                                    .protocol_type = span_cstr("consumer"),
                                    .protocols = &a->protocol,
                                    .protocol_count = 1,
                                    .session_timeout_ms = m->session_ms,
                                    .rebalance_timeout_ms = m->rebalance_ms,
                                    .needs_member_id = true};
    peer_ask_send(a, m->rebalance_ms + 40000);
}

/* Partitions in turn, but for those that another one claims. */
static void
assign(struct peer *m, struct peer_ask *a)
{
    size_t n = m->peer_count;
    peer_mask all = 0;
    m->assigned_count = peer_topics_count();
    a->assignments = sl_alloc((n + 1) * sizeof(*a->assignments));
    a->texts = sl_alloc((n + 1) * sizeof(*a->texts));
    a->peers = sl_alloc((n + 1) * sizeof(*a->peers));
    for (size_t i = 0; i < n; i++) {
        all |= m->claims[i];
    }
    for (size_t i = 0; i < n; i++) {
        peer_mask mask = 0;
        for (size_t p = i; p < (size_t)m->assigned_count; p += n) {
            mask |= UINT64_C(1) << p;
        }
        mask &= ~(all & ~m->claims[i]);
        memcpy(a->peers[i], m->peers[i], sizeof(a->peers[i]));
        a->assignments[i] = (struct group_assignment){span_cstr(a->peers[i]),
                                                      peer_assignment_put(mask, a->texts[i])};
    }
    a->u.sync.assignments = a->assignments;
    a->u.sync.assignment_count = n;
}

static void
sync_up(struct peer *m)
{
    m->phase = PEER_SYNCING;
    struct peer_ask *a = peer_ask_new(m, PEER_SYNC, group_sync_run);
    a->u.sync.member_id = span_cstr(a->id);
    a->u.sync.instance_id = instance_of(a);
    a->u.sync.generation = m->epoch;
    if (m->is_leader) {
        assign(m, a);
    }
    peer_ask_send(a, m->rebalance_ms + 40000);
}

static void
heartbeat(struct peer *m)
{
    struct peer_ask *a = peer_ask_new(m, PEER_HEARTBEAT, group_heartbeat_run);
    a->u.heartbeat.member_id = span_cstr(a->id);
    a->u.heartbeat.instance_id = instance_of(a);
    a->u.heartbeat.generation = m->epoch;
    a->u.call.is_live_enough = true;
    peer_ask_send(a, 5000);
}

static void
leave_classic(struct peer *m)
{
    struct peer_ask *a = peer_ask_new(m, PEER_LEAVE, group_leave_run);
    a->leaving =
        (struct group_leave_member){.member_id = span_cstr(a->id), .instance_id = instance_of(a)};
    a->u.leave.members = &a->leaving;
    a->u.leave.member_count = 1;
    m->owned = 0;
    peer_ask_send(a, 5000);
}

static void
joined(struct peer *m, const struct peer_ask *a)
{
    memcpy(m->id, a->ret_id, sizeof(m->id));
    m->epoch = a->ret_epoch;
    m->is_leader = a->ret_is_leader;
    m->peer_count = a->peer_count;
    for (size_t i = 0; i < a->peer_count; i++) {
        memcpy(m->peers[i], a->peers[i], sizeof(m->peers[i]));
        m->claims[i] = a->claims[i];
    }
    sync_up(m);
}

static void
synced(struct peer *m, const struct peer_ask *a)
{
    bool has_given_up = (m->owned & ~a->ret_mask) != 0;
    m->phase = PEER_IN;
    own(m, a->ret_mask);
    m->has_to_ack = false;
    sim_stat(ST_peer_synced);
    if (has_given_up) {
        join(m);
    } else {
        peer_step_soon(m, 10 * SCHED_MS, SCHED_S);
    }
}

/* --- commits --- */

static void
commit(struct peer *m)
{
    int part = (int)rng_below(&sim.r_peer, 64);
    for (int i = 0; i < 64 && (m->owned >> part & 1) == 0; i++) {
        part = (part + 1) % 64;
    }
    if (m->owned == 0 || m->phase != PEER_IN || ps.commit_count + 1 >= PEER_COMMITS_MAX) {
        return;
    }
    struct peer_ask *a = peer_ask_new(m, PEER_COMMIT, offset_commit_run);
    int32_t index;
    a->number = ++ps.commit_count;
    a->part = part;
    ps.commits[a->number] = (struct peer_commit){.g = m->g, .part = part};
    a->commit_part = (struct offset_commit_part){.topic_id = peer_bit_topic(part, &index),
                                                 .leader_epoch = -1,
                                                 .offset = (int64_t)a->number,
                                                 .metadata = span_cstr("x")};
    a->commit_part.partition = index;
    a->u.commit.member_id = span_cstr(a->id);
    a->u.commit.instance_id = instance_of(a);
    a->u.commit.generation = m->epoch;
    a->u.commit.has_group_not_found = true;
    a->u.commit.parts = &a->commit_part;
    a->u.commit.part_count = 1;
    peer_ask_send(a, 0);
}

static void
fetch(struct peer *m)
{
    struct peer_ask *a = peer_ask_new(m, PEER_FETCH, offset_fetch_run);
    int32_t index;
    a->part = (int)rng_below(&sim.r_peer, 64);
    a->fetch_part.topic_id = peer_bit_topic(a->part, &index);
    a->fetch_part.partition = index;
    a->u.fetch.parts = &a->fetch_part;
    a->u.fetch.part_count = 1;
    a->u.fetch.member_epoch = -1;
    peer_ask_send(a, 0);
}

/* --- answers --- */

static void
look_for_coordinator(struct peer *m)
{
    if (peers_are_quiet()) {
        m->at = 0;
    } else if (rng_chance(&sim.r_peer, 300)) {
        m->at = (int)rng_below(&sim.r_peer, (uint64_t)sim.k.brokers);
    }
}

/* It is out of the group, or this process is. */
static void
put_out(struct peer *m, bool is_process_over)
{
    if (is_process_over) {
        start_anew(m);
        return;
    }
    lose(m);
    if (m->is_classic) {
        m->id[0] = '\0';
    }
}

static void
again(struct peer *m)
{
    if (!m->is_classic) {
        m->has_to_say_all = m->phase == PEER_IN;
    } else if (m->phase != PEER_IN) {
        m->phase = PEER_OUT; /* keeps what it has, and joins again */
    }
}

static void
react(struct peer *m, const struct peer_ask *a)
{
    switch (a->error) {
    case KAFKA_MEMBER_ID_REQUIRED:
        memcpy(m->id, a->ret_id, sizeof(m->id));
        join(m);
        return;
    case KAFKA_UNKNOWN_MEMBER_ID:
        sim_stat(ST_peer_unknown);
        put_out(m, false);
        break;
    case KAFKA_FENCED_MEMBER_EPOCH:
        sim_stat(ST_peer_fenced);
        put_out(m, false);
        break;
    case KAFKA_FENCED_INSTANCE_ID:
        sim_stat(ST_peer_replaced);
        put_out(m, true);
        break;
    case KAFKA_UNRELEASED_INSTANCE_ID:
        sim_stat(ST_peer_unreleased);
        break; /* somebody has its name: until that one is lost */
    case KAFKA_REBALANCE_IN_PROGRESS:
        m->phase = PEER_OUT;
        break;
    case KAFKA_ILLEGAL_GENERATION:
        lose(m);
        break;
    case KAFKA_NOT_COORDINATOR:
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
        sim_stat(ST_peer_moved);
        look_for_coordinator(m);
        again(m);
        break;
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
        sim_stat(ST_peer_loading);
        again(m);
        break;
    default:
        sim_violation("errors of groups are those that clients know", "%s.%d, ask %d: %s", m->g->id,
                      m->number, (int)a->kind, kafka_error_name(a->error));
    }
    peer_step_soon(m, (peers_are_quiet() ? 500 : 50) * SCHED_MS, 2 * SCHED_S);
}

static void
go_on(struct peer *m, const struct peer_ask *a)
{
    switch (a->kind) {
    case PEER_BEAT:
        beaten(m, a);
        break;
    case PEER_JOIN:
        joined(m, a);
        break;
    case PEER_SYNC:
        synced(m, a);
        break;
    default:
        peer_step_soon(m, (peers_are_quiet() ? 500 : 100) * SCHED_MS, m->session_ms * SCHED_MS / 3);
    }
}

void
peer_answered(struct peer *m, struct peer_ask *a)
{
    if (a->kind == PEER_FETCH) {
        if (a->error == KAFKA_NONE) {
            peer_judge_fetch(a);
        }
        return;
    }
    TRACE("%s.%d    ask %d of %s: %s, epoch %d%s %" PRIx64, m->g->id, m->number, (int)a->kind,
          a->id, kafka_error_name(a->error), a->ret_epoch, a->has_assignment ? " with" : "",
          a->ret_mask);
    if (a->kind == PEER_COMMIT) {
        sim.result->stats[ST_peer_stale] +=
            a->error == KAFKA_STALE_MEMBER_EPOCH || a->error == KAFKA_ILLEGAL_GENERATION;
        return;
    }
    bool is_leaving = a->kind == PEER_LEAVE || (a->kind == PEER_BEAT && a->epoch < 0);
    if (a->serial != m->serial || m->is_asleep || is_leaving) {
        return; /* who left does not wait */
    }
    m->serial++;
    if (a->error != KAFKA_NONE) {
        react(m, a);
    } else {
        go_on(m, a);
    }
}

void
peer_timed_out(struct peer *m, enum peer_ask_kind kind)
{
    (void)kind;
    m->serial++;
    look_for_coordinator(m);
    again(m);
    peer_step_soon(m, SCHED_MS, SCHED_S);
}

/* --- what happens to a member --- */

static void
on_wake(void *arg)
{
    struct peer *m = arg;
    m->is_asleep = false;
    m->serial++;
    again(m);
    peer_step_soon(m, SCHED_MS, 10 * SCHED_MS);
}

static void
sleep_long(struct peer *m)
{
    m->is_asleep = true;
    sim_stat(ST_peer_slept);
    sim_after(rng_span(&sim.r_peer, SCHED_S, 20 * SCHED_S), on_wake, m);
}

static void
go_away(struct peer *m)
{
    bool is_for_a_while = !m->is_classic && m->instance[0] != '\0' && rng_chance(&sim.r_peer, 700);
    sim_stat(is_for_a_while ? ST_peer_left_static : ST_peer_left);
    if (m->is_classic) {
        leave_classic(m);
    } else {
        leave(m, is_for_a_while ? CONSUMER_LEAVE_STATIC : CONSUMER_LEAVE);
    }
    start_anew(m);
    peer_step_soon(m, SCHED_S, 15 * SCHED_S); /* its request is on its way for as long */
}

static bool
strike(struct peer *m)
{
    uint64_t draw = rng_below(&sim.r_peer, 1000);
    if (peers_are_quiet()) {
        return false;
    }
    if (draw < 15) { /* crashes without a word */
        m->serial++;
        start_anew(m);
        sim_stat(ST_peer_crashed);
        peer_step_soon(m, SCHED_S, 20 * SCHED_S);
    } else if (draw < 28) {
        go_away(m);
    } else if (draw < 40) {
        sleep_long(m);
    } else if (draw < 60) {
        m->variant = (int)rng_below(&sim.r_peer, 12);
        m->has_to_say_all = !m->is_classic;
        sim_stat(ST_peer_changed);
        return false;
    } else if (draw < 75) { /* believes in another coordinator */
        m->at = (int)rng_below(&sim.r_peer, (uint64_t)sim.k.brokers);
        return false;
    } else {
        return false;
    }
    return true;
}

struct tick {
    struct peer *m;
    uint64_t serial;
};

static void
step_classic(struct peer *m)
{
    bool has_to_lead = m->is_leader && m->assigned_count != peer_topics_count();
    if (m->phase != PEER_IN || has_to_lead) {
        join(m);
    } else {
        heartbeat(m);
    }
}

static void
on_step(void *arg)
{
    struct tick *tick = arg;
    struct peer *m = tick->m;
    uint64_t serial = tick->serial;
    sl_free(tick);
    if (serial != m->serial || m->is_asleep) {
        return;
    }
    m->at = sim.is_quiet ? 0 : m->at;
    if (m->phase == PEER_IN && strike(m)) {
        return;
    }
    if (rng_chance(&sim.r_peer, peers_are_quiet() ? 100 : 400)) {
        commit(m);
    }
    if (rng_chance(&sim.r_peer, 100)) {
        fetch(m);
    }
    if (m->is_classic) {
        step_classic(m);
    } else {
        beat(m);
    }
}

void
peer_step_soon(struct peer *m, int64_t lo, int64_t hi)
{
    struct tick *tick = sl_alloc(sizeof(*tick));
    *tick = (struct tick){m, m->serial};
    sim_after(rng_span(&sim.r_peer, lo, hi), on_step, tick);
}

void
peer_start(struct peer_group *g, int number)
{
    struct peer *m = &g->peers[number];
    *m = (struct peer){.number = number, .g = g};
    m->is_classic = g->is_mixed && rng_chance(&sim.r_peer, 600);
    m->session_ms = (int32_t)(rng_span(&sim.r_peer, 2 * SCHED_S, 8 * SCHED_S) / SCHED_MS);
    m->rebalance_ms = (int32_t)(rng_span(&sim.r_peer, 3 * SCHED_S, 10 * SCHED_S) / SCHED_MS);
    m->variant = (int)rng_below(&sim.r_peer, 12);
    if (number % 3 == 1) {
        (void)snprintf(m->instance, sizeof(m->instance), "i%d", number);
    }
    start_anew(m);
    peer_step_soon(m, SCHED_MS, 5 * SCHED_S);
}
