/* SPDX-License-Identifier: Apache-2.0
 *
 * Consumer groups on the level of the journal: coordinators that propose GROUP ops, members that
 * commit, and the judge of both. (Live coordinators with their timers are another matter.)
 *
 * Every broker acts as a coordinator of every group now and then. Half of the time it reads S
 * before it proposes, otherwise it trusts what it remembers from its last look, as a coordinator
 * does that slept: so two brokers believe at the same time that they coordinate. Members commit at
 * any broker, with the generation that they heard of last, or an older one, or none. Everything is
 * pipelined, in entries that batches are in as well.
 *
 * The truth is told from the objects: ops are decoded here by hand, in the order of the chain. What
 * is judged there: a GROUP op is built on the version before it, versions rise, the coordinator
 * epoch never falls and rises when another broker writes, one generation has one assignment; a
 * commit is of the generation that the group is in, and of a member of it, or simple and the group
 * empty. What is judged of answers: an acknowledged op is in the truth, a refused one is not and
 * never will be. What is judged of brokers: whoever stands at the end of the truth has exactly its
 * groups and offsets, so no acknowledged commit is lost. */
#include "sim_group.h"

struct gop {
    struct op_proposal p;
    struct sim_broker *b;
    struct sim_group *g;
    int slot;
    uint64_t number; /* of the commit, or of the GROUP op */
    uint64_t base, incarnation;
    struct memory next;
    bool is_takeover, is_simple;
    uint32_t member;
    uint64_t draw;
};

static struct gop *
of(struct op_proposal *p)
{
    return SL_CONTAINER_OF(p, struct gop, p);
}

static void
gop_free(struct gop *op)
{
    bytes_fini(&op->p.payload);
    sl_free(op);
}

static struct gop *
gop_new(enum item_kind kind, struct sim_broker *b, struct sim_group *g)
{
    struct gop *op = sl_alloc(sizeof(*op));
    op->p.kind = kind;
    op->p.is_pipelined = kind != ITEM_GROUP_DELETE;
    op->b = b;
    op->g = g;
    op->incarnation = b->incarnation;
    bytes_init(&op->p.payload, 1 << 20);
    return op;
}

static void
submit(struct gop *op)
{
    op->p.deadline_ns = sim_sched_now(op->b->sched) + rng_span(&sim.r_group, SCHED_S, 2 * SIM_MIN);
    op_submit(op->b->shards[op->g->journal], &op->p);
}

/* --- answers --- */

/* An answer that says: it is not in the log and will not be. */
static bool
is_final(enum sl_err rc)
{
    return rc != SL_OK && rc != SL_ETIMEOUT;
}

static void
judge_answer(const struct gop *op, const char *what, bool is_in_truth, enum sl_err rc)
{
    TRACE("b%d       %s %" PRIu64 " of %s: %s", op->b->id, what, op->number, op->g->id,
          sl_err_name(rc));
    if (rc == SL_OK && !is_in_truth) {
        sim_violation("what was acknowledged is in the log", "%s %" PRIu64 " of %s", what,
                      op->number, op->g->id);
    }
    if (is_final(rc) && is_in_truth) {
        sim_violation("what was refused stays out", "%s %" PRIu64 " of %s: %s", what, op->number,
                      op->g->id, sl_err_name(rc));
    }
}

static void
on_group(struct op_proposal *p, enum sl_err rc)
{
    struct gop *op = of(p);
    judge_answer(op, "GROUP", sim_gs.ops[op->number].is_in_truth, rc);
    sim_gs.ops[op->number].fate = rc == SL_OK    ? FATE_ACKED
                                  : is_final(rc) ? FATE_REFUSED
                                                 : FATE_OPEN;
    struct memory *m = &op->g->memory[op->b->id];
    if (rc == SL_OK) {
        op->next.version = group_op_version(bytes_span(&p->payload));
        op->next.incarnation = op->incarnation;
        op->next.is_mine = true;
        *m = op->next;
        if (op->next.generation >= op->g->heard) {
            op->g->heard = op->next.generation;
            op->g->heard_mask = op->next.mask;
        }
        sim_stat(ST_group_op);
        if (op->is_takeover) {
            sim_stat(ST_group_takeover);
        }
    } else {
        m->incarnation = 0; /* looks again */
        sim_stat(rc == SL_EFENCED ? ST_group_fenced : ST_group_unknown);
    }
    gop_free(op);
}

static void
on_commit(struct op_proposal *p, enum sl_err rc)
{
    struct gop *op = of(p);
    struct sim_commit *c = &sim_gs.commits[op->number];
    judge_answer(op, "commit", c->is_in_truth, rc);
    c->fate = rc == SL_OK ? FATE_ACKED : is_final(rc) ? FATE_REFUSED : FATE_OPEN;
    if (rc == SL_OK) {
        sim_stat(op->is_simple ? ST_commit_simple : ST_commit);
    } else if (rc == SL_EILLEGAL_GENERATION || rc == SL_ESTALE_MEMBER_EPOCH) {
        sim_stat(ST_commit_old);
    } else if (is_final(rc)) {
        sim_stat(ST_commit_refused);
    }
    if (rc == SL_OK && op->b->incarnation == op->incarnation) {
        group_compare_broker(op->b, op->g->journal);
    }
    gop_free(op);
}

static void
on_removed(struct op_proposal *p, enum sl_err rc)
{
    struct gop *op = of(p);
    TRACE("b%d       removal in %s: %s", op->b->id, op->g->id, sl_err_name(rc));
    if (rc == SL_OK) {
        sim_stat(ST_commit_removed);
    }
    gop_free(op);
}

static void
on_deleted(struct op_proposal *p, enum sl_err rc)
{
    struct gop *op = of(p);
    TRACE("b%d       delete %s: %s", op->b->id, op->g->id, sl_err_name(rc));
    if (rc == SL_OK) {
        sim_stat(ST_group_deleted);
        op->g->heard = 0;
    }
    gop_free(op);
}

/* --- coordinators --- */

static struct memory
look(const struct gop *op)
{
    const struct group_state *s =
        state_find_group(shard_state(op->b->shards[op->g->journal]), span_cstr(op->g->id));
    struct memory m = {.incarnation = op->incarnation};
    if (s == NULL || s->facts == NULL) {
        return m;
    }
    const struct group_facts *f = s->facts;
    struct tag t = group_tag_of(f->type == GROUP_CLASSIC ? f->leader : f->server_assignor);
    m.version = s->version;
    m.epoch = f->coordinator_epoch;
    m.generation = f->type == GROUP_CLASSIC ? f->generation : f->group_epoch;
    m.mask = t.mask;
    m.hash = t.hash;
    m.is_mine = false;
    return m;
}

static void
encode_classic(struct gop *op, const char *tag)
{
    static const char *const ids[MEMBERS] = {"m0", "m1", "m2", "m3"};
    struct classic_member m[MEMBERS];
    uint32_t count = 0;
    memset(m, 0, sizeof(m));
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if ((op->next.mask >> i & 1) != 0) {
            m[count++] = (struct classic_member){.id = span_cstr(ids[i]),
                                                 .client_id = span_cstr("sim"),
                                                 .assignment = span_cstr(tag)};
        }
    }
    const struct group_facts f = {.type = GROUP_CLASSIC,
                                  .coordinator_epoch = op->next.epoch,
                                  .generation = op->next.generation,
                                  .leader = span_cstr(tag),
                                  .member_count = count,
                                  .classic = m};
    SL_ASSERT(op_encode_group(&op->p.payload, span_cstr(op->g->id), op->base, &f) == SL_OK);
}

static void
encode_consumer(struct gop *op, const char *tag)
{
    static const char *const ids[MEMBERS] = {"m0", "m1", "m2", "m3"};
    static int32_t indexes[2] = {0, 1};
    struct group_parts parts = {group_slot_topic(0), indexes, 2};
    struct consumer_member m[MEMBERS];
    uint32_t count = 0;
    memset(m, 0, sizeof(m));
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if ((op->next.mask >> i & 1) != 0) {
            m[count++] = (struct consumer_member){.id = span_cstr(ids[i]),
                                                  .client_id = span_cstr("sim"),
                                                  .epoch = op->next.generation,
                                                  .assigned = {&parts, 1}};
        }
    }
    const struct group_facts f = {.type = GROUP_CONSUMER,
                                  .coordinator_epoch = op->next.epoch,
                                  .group_epoch = op->next.generation,
                                  .server_assignor = span_cstr(tag),
                                  .member_count = count,
                                  .consumer = m};
    SL_ASSERT(op_encode_group(&op->p.payload, span_cstr(op->g->id), op->base, &f) == SL_OK);
}

/* A rebalance: another generation, other members, another assignment. Or only a take-over: the same
 * facts under a higher epoch, as after a restart. */
static void
coordinate(void *arg)
{
    struct gop *op = arg;
    char tag[80];
    struct memory *m = &op->g->memory[op->b->id];
    if (shard_ready(op->b->shards[op->g->journal]) != SL_OK || sim_gs.op_count + 1 >= COMMITS_MAX) {
        gop_free(op);
        return;
    }
    if (m->incarnation != op->incarnation || op->draw % 2 == 0) {
        *m = look(op);
    }
    op->next = *m;
    op->base = m->version;
    op->is_takeover = !m->is_mine && m->version > 0;
    op->next.epoch += m->is_mine ? 0 : 1;
    if (!op->is_takeover || op->draw / 2 % 3 != 0) {
        op->next.generation++;
        op->next.mask = (uint32_t)(op->draw >> 8) % (1 << MEMBERS);
        op->next.hash = op->draw >> 16;
    }
    op->number = ++sim_gs.op_count;
    sim_gs.ops[op->number].nonce = (uint64_t)(op->g - sim_gs.groups);
    (void)snprintf(tag, sizeof(tag), "%" PRIx32 " %d %" PRIx64 " %" PRIu64, op->next.mask,
                   op->b->id, op->next.hash, op->number);
    if (op->draw / 8 % 4 == 0) {
        encode_consumer(op, tag);
    } else {
        encode_classic(op, tag);
    }
    op->p.done = on_group;
    op->p.check = op_check_group;
    submit(op);
}

/* --- members and administrators --- */

static void
commit(void *arg)
{
    struct gop *op = arg;
    static const char *const ids[MEMBERS] = {"m0", "m1", "m2", "m3"};
    if (sim_gs.commit_count + 1 >= COMMITS_MAX) {
        gop_free(op);
        return;
    }
    op->number = ++sim_gs.commit_count;
    int32_t age = (int32_t)(op->draw % 10 < 7 ? 0 : op->draw / 16 % 3);
    op->is_simple = op->draw % 10 == 9;
    op->slot = (int)(op->draw >> 20 & (SLOTS - 1));
    struct group_offset o = {.topic_id = group_slot_topic(op->slot),
                             .offset = (int64_t)op->number,
                             .leader_epoch = -1,
                             .metadata = span_cstr("x")};
    struct offsets_op c = {.group_id = span_cstr(op->g->id),
                           .generation = op->is_simple ? -1 : op->g->heard - age,
                           .member_id = op->is_simple ? span_of("", 0) : span_cstr(ids[op->member]),
                           .before_ms = INT64_MAX,
                           .commits = &o,
                           .commit_count = 1};
    sim_gs.commits[op->number] = (struct sim_commit){
        .group = (int)(op->g - sim_gs.groups), .slot = op->slot, .generation = c.generation};
    SL_ASSERT(op_encode_offsets(&op->p.payload, &c) == SL_OK);
    op->p.done = on_commit;
    op->p.check = op_check_offsets;
    submit(op);
}

static void
remove_offset(void *arg)
{
    struct gop *op = arg;
    const struct group_part part = {group_slot_topic((int)(op->draw >> 20 & (SLOTS - 1))), 0};
    const struct offsets_op c = {.group_id = span_cstr(op->g->id),
                                 .generation = -1,
                                 .is_removal = true,
                                 .is_only_if_empty = op->draw % 2 == 0,
                                 .before_ms = INT64_MAX,
                                 .removals = &part,
                                 .removal_count = 1};
    SL_ASSERT(op_encode_offsets(&op->p.payload, &c) == SL_OK);
    op->p.done = on_removed;
    op->p.check = op_check_offsets;
    submit(op);
}

static void
delete_group(void *arg)
{
    struct gop *op = arg;
    const struct group_state *s =
        state_find_group(shard_state(op->b->shards[op->g->journal]), span_cstr(op->g->id));
    const struct group_delete d = {.group_id = span_cstr(op->g->id),
                                   .base = s == NULL ? 0 : s->version,
                                   .is_only_if_forgotten = op->draw % 3 == 0};
    op_encode_group_delete(&op->p.payload, &d, 1);
    op->p.done = on_deleted;
    op->p.check = op_check_group_delete;
    submit(op);
}

/* A member of the last generation, if there is one. */
static uint32_t
pick_member(const struct sim_group *g)
{
    uint32_t m = (uint32_t)rng_below(&sim.r_group, MEMBERS);
    for (uint32_t i = 0; i < MEMBERS && rng_chance(&sim.r_group, 900); i++) {
        if ((g->heard_mask >> ((m + i) % MEMBERS) & 1) != 0) {
            return (m + i) % MEMBERS;
        }
    }
    return m;
}

static void
send(enum item_kind kind, sim_fn fn)
{
    int at = (int)rng_below(&sim.r_group, (uint64_t)sim.k.brokers);
    struct sim_group *g = &sim_gs.groups[rng_below(&sim.r_group, GROUPS)];
    struct sim_broker *b = &sim.brokers[at];
    uint64_t draw = rng_next(&sim.r_group);
    uint32_t member = pick_member(g);
    if (b->phase != BROKER_UP || sim.is_journal_damaged[g->journal]) {
        return;
    }
    struct gop *op = gop_new(kind, b, g);
    op->draw = draw;
    op->member = member;
    if (!broker_send(b, fn, op)) {
        gop_free(op);
    }
}

static void
strike_group(void)
{
    if (rng_chance(&sim.r_group, 60)) {
        send(ITEM_GROUP_DELETE, delete_group);
        return;
    }
    send(ITEM_GROUP, coordinate);
}

static void
strike_commit(void)
{
    uint64_t burst = 1 + rng_below(&sim.r_group, 4);
    if (rng_chance(&sim.r_group, 30)) {
        send(ITEM_OFFSETS, remove_offset);
    }
    for (uint64_t i = 0; i < burst; i++) {
        send(ITEM_OFFSETS, commit);
    }
}

enum { STRIKES_MAX = 2000 };
static struct group_rhythm {
    enum sim_fault id;
    void (*strike)(void);
    int strikes;
} rhythms[] = {{F_group, strike_group, 0}, {F_commit, strike_commit, 0}};

static void
on_rhythm(void *arg)
{
    struct group_rhythm *r = arg;
    int64_t every = sim.k.every[r->id];
    if (sim.is_quiet || r->strikes++ == STRIKES_MAX) {
        return;
    }
    if (sim_fault_is_on(r->id)) {
        r->strike();
    }
    sim_after(rng_span(&sim.r_group, every / 8, every * 2), on_rhythm, r);
}

void
groups_start(void)
{
    if (sim.k.every[F_group] == 0) {
        return;
    }
    for (int i = 0; i < GROUPS; i++) {
        (void)snprintf(sim_gs.groups[i].id, sizeof(sim_gs.groups[i].id), "g%d", i);
        sim_gs.groups[i].journal = i % sim.k.journals;
    }
    for (size_t i = 0; i < sizeof(rhythms) / sizeof(rhythms[0]); i++) {
        sim_after(rng_span(&sim.r_group, SCHED_MS, sim.k.every[rhythms[i].id]), on_rhythm,
                  &rhythms[i]);
    }
}
