/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of classic groups, as clients behave, and the live coordinators of server/group that they
 * talk to; the judge of both.
 *
 * A member joins, syncs, heartbeats and commits what it owns. It crashes without a word, leaves,
 * sleeps longer than its session and wakes believing what it believed, changes its subscription,
 * comes back as a new member or as the same static one. Mostly all of them talk to one broker; now
 * and then one believes in another coordinator, so that two of them coordinate the same group.
 *
 * What is judged: within a generation no partition has two owners (a static member and its former
 * self are one); an assignment that is told is the one in the log; a commit in the log is by a
 * member of the generation that the group is in, of a partition that it was assigned; an
 * acknowledged commit is in the log, and is seen by whoever fetches later; a heartbeat is answered
 * at once whatever the store does; and when the storm is over every group settles: all members in
 * one generation, every partition with exactly one owner. */
#include "sim_member.h"

static void join(struct sim_member *m);
static void sync_up(struct sim_member *m, bool is_leader);

/* --- what a member does --- */

static struct span
instance_of(const struct sim_member *m)
{
    return m->instance[0] == '\0' ? span_of(NULL, 0) : span_cstr(m->instance);
}

static void
lose(struct sim_member *m, bool is_id_lost)
{
    m->owned = 0;
    m->phase = M_AWAY;
    if (is_id_lost) {
        m->id[0] = '\0';
        m->generation = -1;
    }
}

static void
join(struct sim_member *m)
{
    m->owned = 0; /* eager: nothing is owned while it joins */
    m->phase = M_JOINING;
    struct ask *a = member_ask_new(m, ASK_JOIN, group_join_run);
    (void)snprintf(a->metadata, sizeof(a->metadata), "v%d", m->variant);
    a->protocol = (struct group_protocol){span_cstr("p"), span_cstr(a->metadata)};
    a->u.join.member_id = span_cstr(a->id);
    a->u.join.instance_id = instance_of(m);
    a->u.join.client_id = span_cstr("c");
    a->u.join.client_host = span_cstr("h");
    a->u.join.protocol_type = span_cstr("sim");
    a->u.join.protocols = &a->protocol;
    a->u.join.protocol_count = 1;
    a->u.join.session_timeout_ms = m->session_ms;
    a->u.join.rebalance_timeout_ms = m->rebalance_ms;
    a->u.join.needs_member_id = m->number % 2 == 0;
    a->u.join.can_skip_assignment = m->number < 2;
    member_ask_send(a, m->rebalance_ms + 40000);
}

/* Partitions in turn, to the members in the order in which the leader was told of them. */
static void
assign(const struct sim_member *m, struct ask *a)
{
    for (size_t i = 0; i < m->peer_count; i++) {
        uint32_t mask = 0;
        for (size_t p = 0; p < PARTS; p++) {
            mask |= p % m->peer_count == i ? 1u << p : 0;
        }
        memcpy(a->peers[i], m->peers[i], sizeof(a->peers[i]));
        (void)snprintf(a->text[i], sizeof(a->text[i]), "%" PRIx32, mask);
        a->assignments[i] =
            (struct group_assignment){span_cstr(a->peers[i]), span_cstr(a->text[i])};
    }
    a->u.sync.assignments = a->assignments;
    a->u.sync.assignment_count = m->peer_count;
}

static void
sync_up(struct sim_member *m, bool is_leader)
{
    m->phase = M_SYNCING;
    struct ask *a = member_ask_new(m, ASK_SYNC, group_sync_run);
    a->u.sync.member_id = span_cstr(a->id);
    a->u.sync.instance_id = instance_of(m);
    a->u.sync.generation = m->generation;
    if (is_leader) {
        assign(m, a);
    }
    member_ask_send(a, m->rebalance_ms + 40000);
}

static void
heartbeat(struct sim_member *m)
{
    struct ask *a = member_ask_new(m, ASK_HEARTBEAT, group_heartbeat_run);
    a->u.heartbeat.member_id = span_cstr(a->id);
    a->u.heartbeat.instance_id = instance_of(m);
    a->u.heartbeat.generation = m->generation;
    a->u.call.is_live_enough = true;
    member_ask_send(a, 5000);
}

static void
leave(struct sim_member *m)
{
    struct ask *a = member_ask_new(m, ASK_LEAVE, group_leave_run);
    a->leaving =
        (struct group_leave_member){.member_id = span_cstr(a->id), .instance_id = instance_of(m)};
    a->u.leave.members = &a->leaving;
    a->u.leave.member_count = 1;
    member_ask_send(a, 5000);
    lose(m, true);
    m->serial++; /* it does not wait */
    sim_stat(ST_member_left);
    member_step_soon(m, SCHED_S, 20 * SCHED_S);
}

static int
pick_part(const struct sim_member *m)
{
    int p = (int)rng_below(&sim.r_group, PARTS);
    for (int i = 0; i < PARTS; i++) {
        if ((m->owned >> ((p + i) % PARTS) & 1) != 0) {
            return (p + i) % PARTS;
        }
    }
    return -1;
}

static void
commit(struct sim_member *m)
{
    int part = pick_part(m);
    if (part < 0 || sim_ms.commit_count + 1 >= COMMITS_MAX) {
        return;
    }
    struct ask *a = member_ask_new(m, ASK_COMMIT, offset_commit_run);
    a->number = ++sim_ms.commit_count;
    a->part = part;
    sim_ms.commits[a->number] = (struct live_commit){.g = m->g, .part = part};
    a->commit_part = (struct offset_commit_part){.topic_id = member_topic(),
                                                 .partition = part,
                                                 .leader_epoch = -1,
                                                 .offset = (int64_t)a->number,
                                                 .metadata = span_cstr("x")};
    a->u.commit.member_id = span_cstr(a->id);
    a->u.commit.instance_id = instance_of(m);
    a->u.commit.generation = m->generation;
    a->u.commit.parts = &a->commit_part;
    a->u.commit.part_count = 1;
    member_ask_send(a, 60000);
}

static void
fetch(struct sim_member *m)
{
    struct ask *a = member_ask_new(m, ASK_FETCH, offset_fetch_run);
    a->part = (int)rng_below(&sim.r_group, PARTS);
    a->fetch_part = (struct offset_fetch_part){.topic_id = member_topic(), .partition = a->part};
    a->u.fetch.parts = &a->fetch_part;
    a->u.fetch.part_count = 1;
    a->u.fetch.member_epoch = -1;
    member_ask_send(a, 60000);
}

/* --- answers --- */

static void
take_ownership(struct sim_member *m, const struct ask *a)
{
    struct live *g = m->g;
    struct generation *h = member_generation_of(g, a->generation);
    uint32_t mask = member_mask_of(span_cstr(a->ret_assignment));
    const char *me = m->instance[0] != '\0' ? m->instance : m->id;
    bool is_known = false;
    for (size_t i = 0; i < h->count; i++) {
        is_known = is_known || (strcmp(h->ids[i], m->id) == 0 && h->masks[i] == mask);
    }
    if (!is_known) {
        sim_violation("an assignment that is told is the one in the log",
                      "%s, member %s, generation %d: %x", g->id, m->id, a->generation, mask);
    }
    for (int p = 0; p < PARTS; p++) {
        if ((mask >> p & 1) == 0) {
            continue;
        }
        if (h->owners[p][0] != '\0' && strcmp(h->owners[p], me) != 0) {
            sim_violation("within a generation no partition has two owners",
                          "%s, generation %d, partition %d: %s and %s", g->id, a->generation, p,
                          h->owners[p], me);
        }
        (void)snprintf(h->owners[p], sizeof(h->owners[p]), "%s", me);
    }
    m->owned = mask;
    m->phase = M_WORKING;
    sim_stat(ST_member_stable);
    member_step_soon(m, 10 * SCHED_MS, SCHED_S);
}

static void
look_for_coordinator(struct sim_member *m)
{
    if (member_is_quiet()) {
        m->at = 0;
        return;
    }
    if (rng_chance(&sim.r_group, 300)) {
        m->at = (int)rng_below(&sim.r_group, (uint64_t)sim.k.brokers);
    }
}

/* What an error makes a client do. */
static void
react(struct sim_member *m, const struct ask *a)
{
    switch (a->error) {
    case KAFKA_MEMBER_ID_REQUIRED:
        (void)snprintf(m->id, sizeof(m->id), "%s", a->ret_id);
        join(m);
        return;
    case KAFKA_UNKNOWN_MEMBER_ID:
        sim_stat(ST_member_unknown);
        lose(m, true);
        break;
    case KAFKA_FENCED_INSTANCE_ID:
        sim_stat(ST_member_fenced);
        lose(m, true);
        break;
    case KAFKA_REBALANCE_IN_PROGRESS:
    case KAFKA_ILLEGAL_GENERATION:
        lose(m, false);
        break;
    case KAFKA_NOT_COORDINATOR:
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
        sim_stat(ST_member_moved);
        look_for_coordinator(m);
        if (a->kind != ASK_HEARTBEAT) {
            lose(m, false);
        }
        break;
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
        sim_stat(ST_member_loading);
        break;
    default:
        sim_violation("errors of groups are those that clients know", "ask %d: error %d", a->kind,
                      a->error);
    }
    member_step_soon(m, 10 * SCHED_MS, SCHED_S);
}

static void
on_joined(struct sim_member *m, const struct ask *a)
{
    (void)snprintf(m->id, sizeof(m->id), "%s", a->ret_id);
    m->generation = a->ret_generation;
    m->peer_count = a->ret_peer_count;
    memcpy(m->peers, a->peers, sizeof(m->peers));
    if (a->ret_skip) {
        sim_stat(ST_member_skipped);
    }
    sync_up(m, strcmp(a->ret_leader, m->id) == 0 && !a->ret_skip && m->peer_count > 0);
}

static void
judge_fetch(const struct ask *a)
{
    uint64_t got = a->fetch_part.offset < 0 ? 0 : (uint64_t)a->fetch_part.offset;
    uint64_t order = got == 0 ? 0 : sim_ms.commits[got].order;
    for (uint64_t i = 1; i <= sim_ms.commit_count; i++) {
        const struct live_commit *c = &sim_ms.commits[i];
        if (c->g == a->m->g && c->part == a->part && c->is_acked && c->acked_at < a->asked_at &&
            c->order > order) {
            sim_violation("an acknowledged commit is seen by who fetches later",
                          "%s, partition %d: %" PRIu64 " was told, %" PRIu64 " was acknowledged",
                          a->m->g->id, a->part, got, i);
        }
    }
    sim_stat(ST_member_fetch);
}

void
member_on_answer(void *arg)
{
    struct ask *a = arg;
    struct sim_member *m = a->m;
    if (a->kind == ASK_FETCH) {
        if (a->error == KAFKA_NONE) {
            judge_fetch(a);
        }
        return;
    }
    TRACE("%s.%d    ask %d: error %d", m->g->id, m->number, a->kind, a->error);
    if (a->kind == ASK_COMMIT || a->serial != m->serial || m->is_asleep) {
        return; /* a commit's error is met again by the next heartbeat */
    }
    m->serial++;
    if (a->error != KAFKA_NONE) {
        react(m, a);
    } else if (a->kind == ASK_JOIN) {
        on_joined(m, a);
    } else if (a->kind == ASK_SYNC) {
        take_ownership(m, a);
    } else {
        int64_t third = m->session_ms * SCHED_MS / 3;
        member_step_soon(m, member_is_quiet() ? third : 100 * SCHED_MS, third);
    }
}

/* --- what happens to a member --- */

static void
on_wake(void *arg)
{
    struct sim_member *m = arg;
    m->is_asleep = false;
    m->serial++;
    member_step_soon(m, SCHED_MS, 10 * SCHED_MS);
}

static bool
strike(struct sim_member *m)
{
    uint64_t draw = rng_below(&sim.r_group, 1000);
    if (member_is_quiet()) {
        return false;
    }
    if (draw < 15) { /* crashes */
        m->serial++;
        lose(m, true);
        sim_stat(ST_member_crashed);
        member_step_soon(m, SCHED_S, 30 * SCHED_S);
    } else if (draw < 25) {
        leave(m);
    } else if (draw < 40) { /* sleeps, and wakes in the belief it had */
        m->is_asleep = true;
        sim_stat(ST_member_slept);
        sim_after(rng_span(&sim.r_group, SCHED_S, 3 * (int64_t)m->session_ms * SCHED_MS), on_wake,
                  m);
    } else if (draw < 55) {
        m->variant++;
        sim_stat(ST_member_changed);
        join(m);
    } else if (draw < 62) { /* believes in another coordinator */
        m->at = (int)rng_below(&sim.r_group, (uint64_t)sim.k.brokers);
        heartbeat(m);
    } else {
        return false;
    }
    return true;
}

static void
on_step(void *arg)
{
    struct ask *tick = arg;
    struct sim_member *m = tick->m;
    uint64_t serial = tick->serial;
    sl_free(tick);
    if (serial != m->serial || m->is_asleep) {
        return;
    }
    if (sim.is_quiet) {
        m->at = 0;
    }
    if (m->phase != M_WORKING) {
        join(m);
        return;
    }
    if (strike(m)) {
        return;
    }
    if (rng_chance(&sim.r_group, 700)) {
        commit(m);
    }
    if (rng_chance(&sim.r_group, 100)) {
        fetch(m);
    }
    heartbeat(m);
}

/* The next thing this member does, unless something else happens to it before. */
void
member_step_soon(struct sim_member *m, int64_t lo, int64_t hi)
{
    struct ask *tick = sl_alloc(sizeof(*tick));
    tick->m = m;
    tick->serial = m->serial;
    sim_after(rng_span(&sim.r_group, lo, hi), on_step, tick);
}

/* --- the run --- */

static void
member_start(struct live *g, int i)
{
    struct sim_member *m = &g->members[i];
    *m = (struct sim_member){.number = i, .g = g, .generation = -1};
    m->session_ms = (int32_t)(rng_span(&sim.r_group, 2 * SCHED_S, 8 * SCHED_S) / SCHED_MS);
    m->rebalance_ms = (int32_t)(rng_span(&sim.r_group, 3 * SCHED_S, 10 * SCHED_S) / SCHED_MS);
    if (i % 3 == 1) {
        (void)snprintf(m->instance, sizeof(m->instance), "i%d", i);
    }
    member_step_soon(m, SCHED_MS, 5 * SCHED_S);
}

void
members_start(void)
{
    if (sim.k.every[F_member] == 0) {
        return;
    }
    sim_ms.is_on = true;
    sim_ms.storm_until = sim.now + sim.k.every[F_member];
    for (int i = 0; i < GROUPS; i++) {
        struct live *g = &sim_ms.groups[i];
        (void)snprintf(g->id, sizeof(g->id), "L%d", i);
        g->journal = i % sim.k.journals;
        for (int k = 0; k < MEMBERS; k++) {
            member_start(g, k);
        }
    }
}

bool
members_are_done(void)
{
    return !sim_ms.is_on || sim.now > sim_ms.storm_until;
}

static bool
is_group_settled(const struct live *g)
{
    uint32_t all = 0;
    for (int i = 0; i < MEMBERS; i++) {
        const struct sim_member *m = &g->members[i];
        if (m->phase != M_WORKING || m->at != 0 || m->generation != g->generation ||
            (all & m->owned) != 0) {
            return false;
        }
        all |= m->owned;
    }
    return all == ALL;
}

bool
members_are_settled(void)
{
    for (int i = 0; i < GROUPS && sim_ms.is_on; i++) {
        if (!sim.is_journal_damaged[sim_ms.groups[i].journal] &&
            !is_group_settled(&sim_ms.groups[i])) {
            return false;
        }
    }
    return true;
}

void
members_explain(char *out, size_t cap)
{
    size_t at = 0;
    for (int i = 0; i < GROUPS && sim_ms.is_on && at < cap; i++) {
        const struct live *g = &sim_ms.groups[i];
        at += (size_t)snprintf(out + at, cap - at, "%s in %d:", g->id, g->generation);
        for (int k = 0; k < MEMBERS && at < cap; k++) {
            const struct sim_member *m = &g->members[k];
            at += (size_t)snprintf(out + at, cap - at, " %d@b%d/%d/%x", (int)m->phase, m->at,
                                   m->generation, m->owned);
        }
    }
}
