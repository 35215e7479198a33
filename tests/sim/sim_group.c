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
#include "sim.h"

enum { GROUPS = 3, SLOTS = 4, MEMBERS = 4, COMMITS_MAX = 20000, GENERATIONS_MAX = 4096 };
enum fate { FATE_OPEN, FATE_ACKED, FATE_REFUSED };

struct sim_commit {
    int group, slot;
    int32_t generation;
    bool is_in_truth;
    enum fate fate;
};
/* What the truth knows of a group. */
struct truth_group {
    bool has_facts;
    uint8_t type;
    uint64_t version;
    int32_t epoch, generation, node;
    uint32_t mask;          /* members */
    uint64_t hash;          /* of the assignment */
    uint64_t offset[SLOTS]; /* number of the commit; 0: none */
};
/* What a broker that coordinated remembers. */
struct memory {
    uint64_t incarnation, version;
    int32_t epoch, generation;
    uint32_t mask;
    uint64_t hash;
    bool is_mine; /* it wrote the last facts itself */
};
struct sim_group {
    char id[8];
    int journal;
    struct truth_group truth;
    struct memory memory[SIM_BROKERS_MAX];
    int32_t heard; /* generation of the last rebalance that a member was told of */
    uint32_t heard_mask;
};

static struct {
    struct sim_group groups[GROUPS];
    struct sim_commit commits[COMMITS_MAX];
    uint64_t commit_count; /* numbers begin at 1 */
    uint64_t last_version[SIM_JOURNALS_MAX];
    /* by generation op, never forgotten, not even by a deletion: number of each op is drawn */
    struct {
        uint64_t nonce;
        bool is_in_truth;
        enum fate fate;
    } ops[COMMITS_MAX];
    uint64_t op_count;
} gs;

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

static struct uuid
slot_topic(int slot)
{
    struct uuid id = {{0xC0}};
    id.b[15] = (uint8_t)slot;
    return slot == 0 ? sim.parts[0].topic_id : id; /* that one may be retired */
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

/* --- the truth --- */

static struct span
text16(struct span *rest)
{
    if (rest->len < 2) {
        sim_violation("ops of groups can be read", "%zu bytes are left", rest->len);
    }
    size_t len = get_u16(rest->ptr);
    if (len == 0xFFFF) {
        *rest = span_of(rest->ptr + 2, rest->len - 2);
        return span_of(NULL, 0);
    }
    if (len > rest->len - 2) {
        sim_violation("ops of groups can be read", "a text of %zu bytes", len);
    }
    struct span s = span_of(rest->ptr + 2, len);
    *rest = span_of(rest->ptr + 2 + len, rest->len - 2 - len);
    return s;
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

static struct sim_group *
group_named(struct span id)
{
    for (int i = 0; i < GROUPS; i++) {
        if (span_eq(id, span_cstr(gs.groups[i].id))) {
            return &gs.groups[i];
        }
    }
    sim_violation("ops of groups can be read", "no such group");
}

/* The tag that our facts carry in a text field: members, hash, node, number. */
struct tag {
    uint32_t mask;
    int node;
    uint64_t hash, number;
};

static struct tag
tag_of(struct span text)
{
    struct tag t;
    char buf[80];
    span_to_cstr(text, buf, sizeof(buf));
    if (sscanf(buf, "%" SCNx32 " %d %" SCNx64 " %" SCNu64, &t.mask, &t.node, &t.hash, &t.number) !=
        4) {
        sim_violation("ops of groups can be read", "tag %s", buf);
    }
    return t;
}

static void
judge_group(const struct sim_group *g, const struct truth_group *next, uint64_t base)
{
    const struct truth_group *now = &g->truth;
    if (base != now->version || next->version <= gs.last_version[g->journal]) {
        sim_violation("a group moves on from what it is",
                      "%s: version %" PRIu64 " on %" PRIu64 ", it is at %" PRIu64
                      ", the journal at %" PRIu64,
                      g->id, next->version, base, now->version, gs.last_version[g->journal]);
    }
    if (now->has_facts &&
        (next->epoch < now->epoch || (next->epoch == now->epoch && next->node != now->node))) {
        sim_violation("coordinator epochs are ordered", "%s: epoch %d of node %d after %d of %d",
                      g->id, next->epoch, next->node, now->epoch, now->node);
    }
    if (now->has_facts && next->generation < now->generation) {
        sim_violation("generations ascend", "%s: %d after %d", g->id, next->generation,
                      now->generation);
    }
    if (now->has_facts && next->generation == now->generation &&
        (next->hash != now->hash || next->mask != now->mask)) {
        sim_violation("one generation has one assignment",
                      "%s, generation %d: %" PRIx64 " and %" PRIx64, g->id, next->generation,
                      now->hash, next->hash);
    }
}

static void
truth_group_op(uint32_t journal, struct span rest)
{
    uint64_t base = get_u64(take(&rest, 8));
    struct truth_group next = {.has_facts = true, .version = get_u64(take(&rest, 8))};
    struct sim_group *g = group_named(text16(&rest));
    (void)take(&rest, 2);
    next.type = *take(&rest, 2);
    next.epoch = get_i32(take(&rest, 4));
    next.generation = get_i32(take(&rest, 4));
    if (next.type == GROUP_CONSUMER) {
        (void)take(&rest, 4);
    } else {
        (void)text16(&rest);
        (void)text16(&rest);
    }
    struct tag t = tag_of(text16(&rest)); /* server assignor, or leader */
    next.node = t.node;
    next.mask = t.mask;
    next.hash = t.hash;
    if (g->journal != (int)journal) {
        sim_violation("a group lives in one journal", "%s in %u", g->id, journal);
    }
    judge_group(g, &next, base);
    if (gs.ops[t.number].fate == FATE_REFUSED && !sim.is_rebuilding) {
        sim_violation("what was refused stays out", "%s: GROUP op %" PRIu64, g->id, t.number);
    }
    if (g->truth.has_facts && g->truth.type != next.type) {
        sim_stat(ST_group_typed);
    }
    gs.ops[t.number].is_in_truth = true;
    memcpy(next.offset, g->truth.offset, sizeof(next.offset));
    g->truth = next;
    gs.last_version[journal] = next.version;
    TRACE("truth    %s: version %" PRIu64 ", epoch %d of node %d, generation %d, members %x", g->id,
          next.version, next.epoch, next.node, next.generation, next.mask);
}

static void
judge_commit(const struct sim_group *g, struct span member, int32_t generation, uint64_t number)
{
    const struct truth_group *t = &g->truth;
    bool is_empty = !t->has_facts || t->mask == 0;
    if (generation < 0 && is_empty) {
        return;
    }
    uint32_t m = member.len == 2 ? (uint32_t)(member.ptr[1] - '0') : MEMBERS;
    bool is_member = m < MEMBERS && (t->mask >> m & 1) != 0;
    if (!t->has_facts || !is_member || generation != t->generation) {
        sim_violation("a commit is of the generation that the group is in",
                      "%s: commit %" PRIu64 " of member %.*s, generation %d; it is in %d, "
                      "members %x",
                      g->id, number, (int)member.len, (const char *)member.ptr, generation,
                      t->generation, t->mask);
    }
}

static int
slot_of(const uint8_t *id)
{
    for (int s = 0; s < SLOTS; s++) {
        struct uuid topic = slot_topic(s);
        if (memcmp(topic.b, id, sizeof(topic.b)) == 0) {
            return s;
        }
    }
    sim_violation("ops of groups can be read", "no such topic");
}

static void
truth_offsets_op(struct span rest)
{
    struct sim_group *g = group_named(text16(&rest));
    bool is_removal = (*take(&rest, 1) & 1) != 0;
    int32_t generation = get_i32(take(&rest, 4));
    struct span member = text16(&rest);
    (void)text16(&rest);
    (void)take(&rest, 8);
    uint32_t commits = get_u32(take(&rest, 4));
    for (uint32_t i = 0; i < commits; i++) {
        int slot = slot_of(take(&rest, 16));
        (void)take(&rest, 4);
        uint64_t number = get_u64(take(&rest, 8));
        (void)take(&rest, 4);
        (void)text16(&rest);
        if (gs.commits[number].fate == FATE_REFUSED && !sim.is_rebuilding) {
            sim_violation("what was refused stays out", "%s: commit %" PRIu64, g->id, number);
        }
        judge_commit(g, member, generation, number);
        gs.commits[number].is_in_truth = true;
        g->truth.offset[slot] = number;
        TRACE("truth    %s: slot %d is commit %" PRIu64, g->id, slot, number);
    }
    uint32_t removals = get_u32(take(&rest, 4));
    for (uint32_t i = 0; i < removals; i++) {
        int slot = slot_of(take(&rest, 16));
        (void)take(&rest, 4);
        g->truth.offset[slot] = 0;
        SL_ASSERT(is_removal);
    }
}

static void
truth_delete_op(struct span rest)
{
    uint32_t count = get_u32(take(&rest, 4));
    for (uint32_t i = 0; i < count; i++) {
        struct sim_group *g = group_named(text16(&rest));
        uint64_t base = get_u64(take(&rest, 8));
        (void)take(&rest, 1);
        if (base != g->truth.version || (g->truth.has_facts && g->truth.mask != 0)) {
            sim_violation("a group is deleted as it is", "%s at %" PRIu64 " as of %" PRIu64, g->id,
                          g->truth.version, base);
        }
        g->truth = (struct truth_group){0};
        TRACE("truth    %s is deleted", g->id);
    }
}

static void
truth_retire_op(uint32_t journal, struct span rest)
{
    const uint8_t *id = take(&rest, 16);
    for (int i = 0; i < GROUPS; i++) {
        for (int s = 0; s < SLOTS && gs.groups[i].journal == (int)journal; s++) {
            struct uuid topic = slot_topic(s);
            if (memcmp(topic.b, id, sizeof(topic.b)) == 0) {
                gs.groups[i].truth.offset[s] = 0;
            }
        }
    }
}

void
groups_truth_item(uint32_t journal, uint16_t kind, struct span payload)
{
    if (members_truth_item(kind, payload) || peers_truth_item(kind, payload)) {
        return;
    }
    switch (kind) {
    case ITEM_GROUP:
        truth_group_op(journal, payload);
        break;
    case ITEM_OFFSETS:
        truth_offsets_op(payload);
        break;
    case ITEM_GROUP_DELETE:
        truth_delete_op(payload);
        break;
    case ITEM_RETIRE:
        truth_retire_op(journal, payload);
        break;
    default:
        break;
    }
}

void
groups_truth_reset(uint32_t journal)
{
    members_truth_reset(journal);
    peers_truth_reset(journal);
    for (int i = 0; i < GROUPS; i++) {
        if (gs.groups[i].journal == (int)journal) {
            gs.groups[i].truth = (struct truth_group){0};
        }
    }
    for (uint64_t i = 1; i <= gs.commit_count; i++) {
        if (gs.groups[gs.commits[i].group].journal == (int)journal) {
            gs.commits[i].is_in_truth = false;
        }
    }
    for (uint64_t i = 1; i <= gs.op_count; i++) {
        if (gs.groups[gs.ops[i].nonce].journal == (int)journal) {
            gs.ops[i].is_in_truth = false;
        }
    }
    gs.last_version[journal] = 0;
}

/* --- brokers against the truth --- */

static void
differ(const struct sim_broker *b, const struct sim_group *g, const char *what)
{
    sim_violation("a broker at the end has the groups of the log", "broker %d, %s: %s", b->id,
                  g->id, what);
}

static void
compare_facts(const struct sim_broker *b, const struct sim_group *g, const struct group_state *s)
{
    const struct truth_group *t = &g->truth;
    uint32_t members = (uint32_t)__builtin_popcount(t->mask);
    if (s->version != t->version || (s->facts != NULL) != t->has_facts) {
        differ(b, g, "version");
    }
    if (s->facts == NULL) {
        return;
    }
    int32_t generation =
        s->facts->type == GROUP_CLASSIC ? s->facts->generation : s->facts->group_epoch;
    if ((uint8_t)s->facts->type != t->type || s->facts->coordinator_epoch != t->epoch ||
        generation != t->generation || s->facts->member_count != members) {
        differ(b, g, "facts");
    }
}

static void
compare_group(const struct sim_broker *b, const struct sim_group *g)
{
    const struct group_state *s =
        state_find_group(shard_state(b->shards[g->journal]), span_cstr(g->id));
    size_t count = 0;
    for (int i = 0; i < SLOTS; i++) {
        count += g->truth.offset[i] != 0 ? 1 : 0;
    }
    if ((s != NULL) != (g->truth.has_facts || count > 0)) {
        differ(b, g, "whether it is there");
    }
    if (s == NULL) {
        return;
    }
    compare_facts(b, g, s);
    for (int i = 0; i < SLOTS; i++) {
        struct uuid topic = slot_topic(i);
        const struct group_offset *o = group_find_offset(s, &topic, 0);
        if ((o == NULL ? 0 : (uint64_t)o->offset) != g->truth.offset[i]) {
            differ(b, g, "an offset: an acknowledged commit may be lost");
        }
    }
    if (s->offsets.count != count) {
        differ(b, g, "number of offsets");
    }
}

/* Damage and haunted clocks aside, a verified S that is as long as the truth is the truth. */
static void
compare_broker(const struct sim_broker *b, int journal)
{
    struct journal_status js;
    if (b->phase != BROKER_UP || sim.is_journal_damaged[journal]) {
        return;
    }
    journal_status(shard_journal(b->shards[journal]), &js);
    if ((js.mode != JOURNAL_LIVE && js.mode != JOURNAL_CATCHUP) ||
        js.safe != truth_last((uint32_t)journal)) {
        return;
    }
    if (journal == 0) {
        topics_compare(b);
    }
    members_compare(b, journal);
    peers_compare(b, journal);
    for (int i = 0; i < GROUPS; i++) {
        if (gs.groups[i].journal == journal && gs.groups[i].id[0] != '\0') {
            compare_group(b, &gs.groups[i]);
        }
    }
    sim_stat(ST_group_compared);
}

void
groups_compare(void)
{
    for (int i = 0; i < sim.k.brokers; i++) {
        for (int j = 0; j < sim.k.journals; j++) {
            compare_broker(&sim.brokers[i], j);
        }
    }
    for (uint64_t i = 1; i <= gs.commit_count; i++) {
        if (gs.commits[i].fate == FATE_ACKED && !gs.commits[i].is_in_truth) {
            sim_violation("what was acknowledged is in the log", "commit %" PRIu64 " is lost", i);
        }
    }
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
    judge_answer(op, "GROUP", gs.ops[op->number].is_in_truth, rc);
    gs.ops[op->number].fate = rc == SL_OK ? FATE_ACKED : is_final(rc) ? FATE_REFUSED : FATE_OPEN;
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
    struct sim_commit *c = &gs.commits[op->number];
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
        compare_broker(op->b, op->g->journal);
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
    struct tag t = tag_of(f->type == GROUP_CLASSIC ? f->leader : f->server_assignor);
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
    struct group_parts parts = {slot_topic(0), indexes, 2};
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
    if (shard_ready(op->b->shards[op->g->journal]) != SL_OK || gs.op_count + 1 >= COMMITS_MAX) {
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
    op->number = ++gs.op_count;
    gs.ops[op->number].nonce = (uint64_t)(op->g - gs.groups);
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
    if (gs.commit_count + 1 >= COMMITS_MAX) {
        gop_free(op);
        return;
    }
    op->number = ++gs.commit_count;
    int32_t age = (int32_t)(op->draw % 10 < 7 ? 0 : op->draw / 16 % 3);
    op->is_simple = op->draw % 10 == 9;
    op->slot = (int)(op->draw >> 20 & (SLOTS - 1));
    struct group_offset o = {.topic_id = slot_topic(op->slot),
                             .offset = (int64_t)op->number,
                             .leader_epoch = -1,
                             .metadata = span_cstr("x")};
    struct offsets_op c = {.group_id = span_cstr(op->g->id),
                           .generation = op->is_simple ? -1 : op->g->heard - age,
                           .member_id = op->is_simple ? span_of("", 0) : span_cstr(ids[op->member]),
                           .before_ms = INT64_MAX,
                           .commits = &o,
                           .commit_count = 1};
    gs.commits[op->number] = (struct sim_commit){
        .group = (int)(op->g - gs.groups), .slot = op->slot, .generation = c.generation};
    SL_ASSERT(op_encode_offsets(&op->p.payload, &c) == SL_OK);
    op->p.done = on_commit;
    op->p.check = op_check_offsets;
    submit(op);
}

static void
remove_offset(void *arg)
{
    struct gop *op = arg;
    const struct group_part part = {slot_topic((int)(op->draw >> 20 & (SLOTS - 1))), 0};
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
    struct sim_group *g = &gs.groups[rng_below(&sim.r_group, GROUPS)];
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
        (void)snprintf(gs.groups[i].id, sizeof(gs.groups[i].id), "g%d", i);
        gs.groups[i].journal = i % sim.k.journals;
    }
    for (size_t i = 0; i < sizeof(rhythms) / sizeof(rhythms[0]); i++) {
        sim_after(rng_span(&sim.r_group, SCHED_MS, sim.k.every[rhythms[i].id]), on_rhythm,
                  &rhythms[i]);
    }
}
