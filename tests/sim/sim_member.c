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
#include "group/classic.h"
#include "group/offsets.h"
#include "sim.h"
#include "wire/errors.h"

enum {
    GROUPS = 2,
    MEMBERS = 4,
    PARTS = 6,
    COMMITS_MAX = 40000,
    HISTORY_MAX = 2048,
    ID_MAX = 64,
    ALL = (1 << PARTS) - 1,
    KNOWN_MAX = 64 /* old clients that join again and again leave members behind */
};
enum phase { M_AWAY, M_JOINING, M_SYNCING, M_WORKING };
enum kind { ASK_JOIN, ASK_SYNC, ASK_HEARTBEAT, ASK_LEAVE, ASK_COMMIT, ASK_FETCH };

struct sim_member {
    int number;
    struct live *g;
    char id[ID_MAX], instance[8]; /* instance: empty when dynamic */
    enum phase phase;
    int32_t generation;
    uint32_t owned;
    int variant; /* of its subscription */
    int at;      /* broker it believes in */
    uint64_t serial;
    bool is_asleep;
    int32_t session_ms, rebalance_ms;
    /* what the leader has to assign */
    char peers[KNOWN_MAX][ID_MAX];
    size_t peer_count;
};

/* Who was assigned what in a generation, as the log has it, and as members were told. */
struct generation {
    int32_t number;
    size_t count;
    char ids[KNOWN_MAX][ID_MAX];
    uint32_t masks[KNOWN_MAX];
    char owners[PARTS][ID_MAX]; /* instance or id */
};

struct live {
    char id[8];
    int journal;
    struct sim_member members[MEMBERS];
    /* the log */
    int32_t generation;
    size_t count;
    char ids[KNOWN_MAX][ID_MAX];
    uint32_t masks[KNOWN_MAX];
    uint64_t offset[PARTS]; /* number of the commit; 0: none */
    uint64_t version;
    struct generation history[HISTORY_MAX];
};

struct live_commit {
    struct live *g;
    int part;
    bool is_in_truth, is_acked;
    uint64_t order; /* place in the log */
    int64_t acked_at;
};

static struct {
    struct live groups[GROUPS];
    struct live_commit commits[COMMITS_MAX];
    uint64_t commit_count, order;
    int64_t storm_until;
    bool is_on;
} ms;

struct ask {
    enum kind kind;
    struct sim_member *m;
    struct sim_broker *b;
    uint64_t incarnation, serial, pauses;
    int64_t arrived_at, asked_at;
    int32_t generation;
    char id[ID_MAX], text[KNOWN_MAX][16], peers[KNOWN_MAX][ID_MAX];
    uint64_t number; /* of the commit */
    int part;
    union {
        struct group_call call;
        struct group_join join;
        struct group_sync sync;
        struct group_heartbeat heartbeat;
        struct group_leave leave;
        struct offset_commit commit;
        struct offset_fetch fetch;
    } u;
    struct group_protocol protocol;
    struct group_assignment assignments[KNOWN_MAX];
    struct group_leave_member leaving;
    struct offset_commit_part commit_part;
    struct offset_fetch_part fetch_part;
    char metadata[16];
    /* the answer, copied at the broker */
    int16_t error;
    char ret_id[ID_MAX], ret_leader[ID_MAX], ret_assignment[16];
    int32_t ret_generation;
    bool ret_skip;
    size_t ret_peer_count;
};

static void step_soon(struct sim_member *m, int64_t lo, int64_t hi);
static void join(struct sim_member *m);
static void sync_up(struct sim_member *m, bool is_leader);

static struct uuid
topic(void)
{
    struct uuid id = {{0xD0}};
    return id;
}

static bool
is_member_quiet(void)
{
    return sim.is_quiet || sim.now > ms.storm_until;
}

static void
copy_id(char *to, struct span s)
{
    span_to_cstr(s, to, ID_MAX);
}

/* --- the log --- */

static struct live *
live_named(struct span id)
{
    for (int i = 0; i < GROUPS; i++) {
        if (span_eq(id, span_cstr(ms.groups[i].id))) {
            return &ms.groups[i];
        }
    }
    return NULL;
}

static const uint8_t *
take(struct span *rest, size_t n)
{
    const uint8_t *at = rest->ptr;
    if (n > rest->len) {
        sim_violation("ops of groups can be read", "%zu bytes of %zu", n, rest->len);
    }
    *rest = span_of(rest->ptr + n, rest->len - n);
    return at;
}

static struct span
text16(struct span *rest)
{
    uint16_t len = get_u16(take(rest, 2));
    if (len == 0xFFFF) {
        return span_of(NULL, 0);
    }
    return span_of(take(rest, len), len);
}

static struct span
text32(struct span *rest)
{
    uint32_t len = get_u32(take(rest, 4));
    return span_of(take(rest, len), len);
}

static uint32_t
mask_of(struct span assignment)
{
    char buf[16];
    uint32_t mask = 0;
    span_to_cstr(assignment, buf, sizeof(buf));
    return buf[0] != '\0' && sscanf(buf, "%" SCNx32, &mask) == 1 ? mask : 0;
}

static struct generation *
generation_of(struct live *g, int32_t number)
{
    struct generation *h = &g->history[number % HISTORY_MAX];
    if (h->number != number) {
        memset(h, 0, sizeof(*h));
        h->number = number;
    }
    return h;
}

static void
note_member(struct live *g, struct span id, uint32_t mask)
{
    struct generation *h = generation_of(g, g->generation);
    copy_id(g->ids[g->count], id);
    g->masks[g->count++] = mask;
    for (size_t i = 0; i < h->count; i++) {
        if (span_eq(id, span_cstr(h->ids[i]))) {
            if (h->masks[i] != mask) {
                sim_violation("one generation has one assignment", "%s, generation %d: %x and %x",
                              g->id, g->generation, h->masks[i], mask);
            }
            return;
        }
    }
    if (h->count < KNOWN_MAX) {
        copy_id(h->ids[h->count], id);
        h->masks[h->count++] = mask;
    }
}

static void
truth_group_op(struct live *g, struct span rest, uint64_t base, uint64_t version)
{
    if (base != g->version) {
        sim_violation("a group moves on from what it is", "%s: on %" PRIu64 ", it is at %" PRIu64,
                      g->id, base, g->version);
    }
    (void)take(&rest, 8); /* version, type, coordinator epoch */
    int32_t generation = get_i32(take(&rest, 4));
    if (generation < g->generation) {
        sim_violation("generations ascend", "%s: %d after %d", g->id, generation, g->generation);
    }
    (void)text16(&rest);
    (void)text16(&rest);
    (void)text16(&rest);
    uint32_t count = get_u32(take(&rest, 4));
    g->version = version;
    g->generation = generation;
    g->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct span id = text16(&rest);
        (void)text16(&rest);
        (void)text16(&rest);
        (void)text16(&rest);
        (void)take(&rest, 8);
        for (uint32_t p = get_u32(take(&rest, 4)); p > 0; p--) {
            (void)text16(&rest);
            (void)text32(&rest);
        }
        note_member(g, id, mask_of(text32(&rest)));
    }
    TRACE("truth    %s: version %" PRIu64 ", generation %d, %u members", g->id, version, generation,
          count);
}

static void
judge_commit(const struct live *g, struct span member, int32_t generation, int part)
{
    for (size_t i = 0; i < g->count; i++) {
        if (span_eq(member, span_cstr(g->ids[i])) && generation == g->generation &&
            (g->masks[i] >> part & 1) != 0) {
            return;
        }
    }
    sim_violation("a commit is by the owner in the generation that the group is in",
                  "%s: member %.*s, generation %d, partition %d; the group is in %d", g->id,
                  (int)member.len, (const char *)member.ptr, generation, part, g->generation);
}

static void
truth_offsets_op(struct live *g, struct span rest)
{
    (void)take(&rest, 1);
    int32_t generation = get_i32(take(&rest, 4));
    struct span member = text16(&rest);
    (void)text16(&rest);
    (void)take(&rest, 8);
    for (uint32_t n = get_u32(take(&rest, 4)); n > 0; n--) {
        (void)take(&rest, 16);
        int part = get_i32(take(&rest, 4));
        uint64_t number = get_u64(take(&rest, 8));
        (void)take(&rest, 4);
        (void)text16(&rest);
        judge_commit(g, member, generation, part);
        ms.commits[number].is_in_truth = true;
        ms.commits[number].order = ++ms.order;
        g->offset[part] = number;
    }
}

bool
members_truth_item(uint16_t kind, struct span payload)
{
    struct span rest = payload;
    uint64_t base = 0, version = 0;
    if (kind != ITEM_GROUP && kind != ITEM_OFFSETS) {
        return false;
    }
    if (kind == ITEM_GROUP) {
        base = get_u64(take(&rest, 8));
        version = get_u64(take(&rest, 8));
    }
    struct live *g = live_named(text16(&rest));
    if (g == NULL) {
        return false;
    }
    if (kind == ITEM_GROUP) {
        truth_group_op(g, rest, base, version);
    } else {
        truth_offsets_op(g, rest);
    }
    return true;
}

void
members_truth_reset(uint32_t journal)
{
    for (int i = 0; i < GROUPS; i++) {
        struct live *g = &ms.groups[i];
        if (g->journal == (int)journal) {
            g->version = 0;
            g->generation = 0;
            g->count = 0;
            memset(g->offset, 0, sizeof(g->offset));
        }
    }
    for (uint64_t i = 1; i <= ms.commit_count; i++) {
        if (ms.commits[i].g->journal == (int)journal) {
            ms.commits[i].is_in_truth = false;
        }
    }
}

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
        copy_id(a->ret_id, j->ret_member_id);
        copy_id(a->ret_leader, j->ret_leader);
        a->ret_generation = j->ret_generation;
        a->ret_skip = j->ret_skip_assignment;
        a->ret_peer_count = j->ret_member_count < KNOWN_MAX ? j->ret_member_count : KNOWN_MAX;
        for (size_t i = 0; i < a->ret_peer_count; i++) {
            copy_id(a->peers[i], j->ret_members[i].id);
        }
    } else if (a->kind == ASK_SYNC && a->error == KAFKA_NONE) {
        span_to_cstr(a->u.sync.ret_assignment, a->ret_assignment, sizeof(a->ret_assignment));
    } else if (a->kind == ASK_COMMIT) {
        a->error = a->error != KAFKA_NONE ? a->error : a->commit_part.error;
    }
}

static void on_answer(void *arg);

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
        struct live_commit *c = &ms.commits[a->number];
        if (!c->is_in_truth) {
            sim_violation("what was acknowledged is in the log", "commit %" PRIu64, a->number);
        }
        c->is_acked = true;
        c->acked_at = sim.now;
        sim_stat(ST_member_commit);
    }
    group_call_fini(call);
    sim_after(rng_span(&sim.r_group, SCHED_MS / 10, 20 * SCHED_MS), on_answer, a);
}

static void
at_broker(void *arg)
{
    struct ask *a = arg;
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
        step_soon(m, SCHED_MS, SCHED_S);
    }
}

static struct ask *
ask_new(struct sim_member *m, enum kind kind,
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

static void
ask_send(struct ask *a, int64_t timeout_ms)
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
    struct ask *a = ask_new(m, ASK_JOIN, group_join_run);
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
    ask_send(a, m->rebalance_ms + 40000);
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
    struct ask *a = ask_new(m, ASK_SYNC, group_sync_run);
    a->u.sync.member_id = span_cstr(a->id);
    a->u.sync.instance_id = instance_of(m);
    a->u.sync.generation = m->generation;
    if (is_leader) {
        assign(m, a);
    }
    ask_send(a, m->rebalance_ms + 40000);
}

static void
heartbeat(struct sim_member *m)
{
    struct ask *a = ask_new(m, ASK_HEARTBEAT, group_heartbeat_run);
    a->u.heartbeat.member_id = span_cstr(a->id);
    a->u.heartbeat.instance_id = instance_of(m);
    a->u.heartbeat.generation = m->generation;
    a->u.call.is_live_enough = true;
    ask_send(a, 5000);
}

static void
leave(struct sim_member *m)
{
    struct ask *a = ask_new(m, ASK_LEAVE, group_leave_run);
    a->leaving =
        (struct group_leave_member){.member_id = span_cstr(a->id), .instance_id = instance_of(m)};
    a->u.leave.members = &a->leaving;
    a->u.leave.member_count = 1;
    ask_send(a, 5000);
    lose(m, true);
    m->serial++; /* it does not wait */
    sim_stat(ST_member_left);
    step_soon(m, SCHED_S, 20 * SCHED_S);
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
    if (part < 0 || ms.commit_count + 1 >= COMMITS_MAX) {
        return;
    }
    struct ask *a = ask_new(m, ASK_COMMIT, offset_commit_run);
    a->number = ++ms.commit_count;
    a->part = part;
    ms.commits[a->number] = (struct live_commit){.g = m->g, .part = part};
    a->commit_part = (struct offset_commit_part){.topic_id = topic(),
                                                 .partition = part,
                                                 .leader_epoch = -1,
                                                 .offset = (int64_t)a->number,
                                                 .metadata = span_cstr("x")};
    a->u.commit.member_id = span_cstr(a->id);
    a->u.commit.instance_id = instance_of(m);
    a->u.commit.generation = m->generation;
    a->u.commit.parts = &a->commit_part;
    a->u.commit.part_count = 1;
    ask_send(a, 60000);
}

static void
fetch(struct sim_member *m)
{
    struct ask *a = ask_new(m, ASK_FETCH, offset_fetch_run);
    a->part = (int)rng_below(&sim.r_group, PARTS);
    a->fetch_part = (struct offset_fetch_part){.topic_id = topic(), .partition = a->part};
    a->u.fetch.parts = &a->fetch_part;
    a->u.fetch.part_count = 1;
    a->u.fetch.member_epoch = -1;
    ask_send(a, 60000);
}

/* --- answers --- */

static void
take_ownership(struct sim_member *m, const struct ask *a)
{
    struct live *g = m->g;
    struct generation *h = generation_of(g, a->generation);
    uint32_t mask = mask_of(span_cstr(a->ret_assignment));
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
    step_soon(m, 10 * SCHED_MS, SCHED_S);
}

static void
look_for_coordinator(struct sim_member *m)
{
    if (is_member_quiet()) {
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
    step_soon(m, 10 * SCHED_MS, SCHED_S);
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
    uint64_t order = got == 0 ? 0 : ms.commits[got].order;
    for (uint64_t i = 1; i <= ms.commit_count; i++) {
        const struct live_commit *c = &ms.commits[i];
        if (c->g == a->m->g && c->part == a->part && c->is_acked && c->acked_at < a->asked_at &&
            c->order > order) {
            sim_violation("an acknowledged commit is seen by who fetches later",
                          "%s, partition %d: %" PRIu64 " was told, %" PRIu64 " was acknowledged",
                          a->m->g->id, a->part, got, i);
        }
    }
    sim_stat(ST_member_fetch);
}

static void
on_answer(void *arg)
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
        step_soon(m, is_member_quiet() ? third : 100 * SCHED_MS, third);
    }
}

/* --- what happens to a member --- */

static void
on_wake(void *arg)
{
    struct sim_member *m = arg;
    m->is_asleep = false;
    m->serial++;
    step_soon(m, SCHED_MS, 10 * SCHED_MS);
}

static bool
strike(struct sim_member *m)
{
    uint64_t draw = rng_below(&sim.r_group, 1000);
    if (is_member_quiet()) {
        return false;
    }
    if (draw < 15) { /* crashes */
        m->serial++;
        lose(m, true);
        sim_stat(ST_member_crashed);
        step_soon(m, SCHED_S, 30 * SCHED_S);
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
static void
step_soon(struct sim_member *m, int64_t lo, int64_t hi)
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
    step_soon(m, SCHED_MS, 5 * SCHED_S);
}

void
members_start(void)
{
    if (sim.k.every[F_member] == 0) {
        return;
    }
    ms.is_on = true;
    ms.storm_until = sim.now + sim.k.every[F_member];
    for (int i = 0; i < GROUPS; i++) {
        struct live *g = &ms.groups[i];
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
    return !ms.is_on || sim.now > ms.storm_until;
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
    for (int i = 0; i < GROUPS && ms.is_on; i++) {
        if (!sim.is_journal_damaged[ms.groups[i].journal] && !is_group_settled(&ms.groups[i])) {
            return false;
        }
    }
    return true;
}

void
members_explain(char *out, size_t cap)
{
    size_t at = 0;
    for (int i = 0; i < GROUPS && ms.is_on && at < cap; i++) {
        const struct live *g = &ms.groups[i];
        at += (size_t)snprintf(out + at, cap - at, "%s in %d:", g->id, g->generation);
        for (int k = 0; k < MEMBERS && at < cap; k++) {
            const struct sim_member *m = &g->members[k];
            at += (size_t)snprintf(out + at, cap - at, " %d@b%d/%d/%x", (int)m->phase, m->at,
                                   m->generation, m->owned);
        }
    }
}

/* A broker at the end of the truth has the truth's offsets. */
void
members_compare(const struct sim_broker *b, int journal)
{
    for (int i = 0; i < GROUPS && ms.is_on; i++) {
        const struct live *g = &ms.groups[i];
        if (g->journal != journal) {
            continue;
        }
        const struct group_state *s =
            state_find_group(shard_state(b->shards[journal]), span_cstr(g->id));
        const struct uuid id = topic();
        for (int p = 0; p < PARTS; p++) {
            const struct group_offset *o = s == NULL ? NULL : group_find_offset(s, &id, p);
            if ((o == NULL ? 0 : (uint64_t)o->offset) != g->offset[p]) {
                sim_violation("a broker at the end has the groups of the log",
                              "broker %d, %s, partition %d", b->id, g->id, p);
            }
        }
    }
}
