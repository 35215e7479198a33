/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups of the consumer protocol, and such in which members of both protocols meet, so that whole
 * groups change sides: what the log says of them, and the judge.
 *
 * Who owns what is judged against the log, and not by clocks: a member that the log still knows has
 * a right to believe what it was told last, whether it is awake or not; a member that the log does
 * not know any more has none. Whenever the log or somebody's belief moves on:
 *
 *   - no partition is assigned to, or being revoked from, two members in the log;
 *   - no two members that the log knows believe that they own the same partition;
 *   - in a consumer group nobody whom the log knows believes to own what it does not give him
 *     (what he was told to give up included, until he said that he did);
 *   - a member is told an epoch and an assignment only when the log had said so of it;
 *   - a member whose leaving was acknowledged is not in the log;
 *   - a commit in the log is by the owner, in the epoch that the log has of it: a commit of an
 * older epoch is never acknowledged, least of all when the partition is another's;
 *   - an acknowledged commit is in the log and seen by who fetches later;
 *   - when the storm is over every group settles, in a bounded time from when all brokers are live.
 *
 * A client that gives up waiting closes its connection, and what a broker has not read by then it
 * never reads: the protocol itself does not protect from a list of owned partitions that arrives
 * behind later ones. */
#include "sim_peer.h"

#include "base/cursor.h"

struct peers ps;

enum { SETTLE_S = 240 };

bool
peers_are_quiet(void)
{
    return sim.is_quiet || sim.now > ps.storm_until;
}

/* --- the log --- */

static struct peer_group *
group_named(struct span id)
{
    for (int i = 0; i < PEER_GROUPS; i++) {
        if (span_eq(id, span_cstr(ps.groups[i].id))) {
            return &ps.groups[i];
        }
    }
    return NULL;
}

static struct span
text16(struct cursor *c)
{
    uint16_t len = cursor_u16(c);
    return len == 0xFFFF ? span_of(NULL, 0) : cursor_span(c, len);
}

static struct span
text32(struct cursor *c)
{
    uint32_t len = cursor_u32(c);
    return cursor_span(c, len);
}

const struct peer_fact *
peer_fact(const struct peer_group *g, const char *id)
{
    for (size_t i = 0; i < g->count; i++) {
        if (strcmp(g->facts[i].id, id) == 0) {
            return &g->facts[i];
        }
    }
    return NULL;
}

static peer_mask
take_parts(struct cursor *c)
{
    peer_mask mask = 0;
    for (uint32_t n = cursor_u32(c); n > 0 && !c->is_bad; n--) {
        struct uuid id = cursor_uuid(c);
        for (uint32_t k = cursor_u32(c); k > 0 && !c->is_bad; k--) {
            int bit = peer_bit(&id, (int32_t)cursor_u32(c));
            mask |= bit < 0 ? 0 : UINT64_C(1) << bit;
        }
    }
    return mask;
}

static void
skip_protocols(struct cursor *c)
{
    for (uint32_t n = cursor_u32(c); n > 0 && !c->is_bad; n--) {
        (void)text16(c);
        (void)text32(c);
    }
}

static void
take_consumer(struct cursor *c, struct peer_fact *f)
{
    span_to_cstr(text16(c), f->id, sizeof(f->id));
    for (int i = 0; i < 4; i++) {
        (void)text16(c); /* instance, rack, client, host */
    }
    for (uint32_t n = cursor_u32(c); n > 0 && !c->is_bad; n--) {
        (void)text16(c);
    }
    (void)text16(c);
    (void)text16(c);
    (void)cursor_u32(c);
    f->epoch = (int32_t)cursor_u32(c);
    (void)cursor_u32(c);
    (void)cursor_u8(c);
    f->assigned = take_parts(c);
    f->revoking = take_parts(c);
    (void)take_parts(c);
    if (cursor_u8(c) == 1) {
        (void)cursor_u32(c);
        skip_protocols(c);
    }
}

static void
take_classic(struct cursor *c, struct peer_fact *f, int32_t generation)
{
    span_to_cstr(text16(c), f->id, sizeof(f->id));
    for (int i = 0; i < 3; i++) {
        (void)text16(c);
    }
    (void)cursor_u64(c);
    skip_protocols(c);
    f->epoch = generation;
    f->assigned = peer_assignment_mask(text32(c));
}

static void
note_told(struct peer_group *g, const struct peer_fact *f)
{
    if (g->told_count == PEER_TOLD_MAX) {
        sim_violation("the simulator remembers everything", "%s was told too much", g->id);
    }
    struct peer_told *t = &g->told[g->told_count++];
    memcpy(t->id, f->id, sizeof(t->id));
    t->epoch = f->epoch;
    t->assigned = f->assigned;
}

static bool
was_told(const struct peer_group *g, const char *id, int32_t epoch, const peer_mask *assigned)
{
    for (size_t i = g->told_count; i > 0; i--) {
        const struct peer_told *t = &g->told[i - 1];
        if (t->epoch == epoch && (assigned == NULL || t->assigned == *assigned) &&
            strcmp(t->id, id) == 0) {
            return true;
        }
    }
    return false;
}

/* Its belief counts no more, even if a request that it sent long ago brings its name back. */
static void
note_expelled(struct peer_group *g)
{
    for (int i = 0; i < PEERS; i++) {
        struct peer *m = &g->peers[i];
        m->is_expelled = m->is_expelled || (m->owned != 0 && peer_fact(g, m->id) == NULL);
    }
}

/* Two members cannot be given the same; in a classic group that is what its leader says. */
static void
judge_facts(const struct peer_group *g)
{
    peer_mask all = 0;
    for (size_t i = 0; i < g->count; i++) {
        peer_mask has = g->facts[i].assigned | g->facts[i].revoking;
        if ((all & has) != 0 && g->is_consumer) {
            sim_violation("no partition has two owners in the log", "%s, epoch %d: %s has %" PRIx64,
                          g->id, g->generation, g->facts[i].id, all & has);
        }
        all |= has;
    }
}

static void
note_type(struct peer_group *g, bool is_consumer, size_t count)
{
    if (is_consumer != g->is_consumer && g->count > 0 && count > 0) {
        sim_stat(is_consumer ? ST_peer_up : ST_peer_down);
    }
    g->is_consumer = is_consumer;
}

static void
truth_group_op(struct peer_group *g, struct cursor *c, uint64_t base, uint64_t version)
{
    if (base != g->version) {
        sim_violation("a group moves on from what it is", "%s: on %" PRIu64 ", it is at %" PRIu64,
                      g->id, base, g->version);
    }
    (void)cursor_u16(c);
    bool is_consumer = cursor_u8(c) == 2;
    (void)cursor_take(c, 5);
    int32_t generation = (int32_t)cursor_u32(c);
    if (is_consumer) {
        generation = (int32_t)cursor_u32(c); /* of the assignment: what members are told */
    }
    if (generation < g->generation) {
        sim_violation("generations ascend", "%s: %d after %d", g->id, generation, g->generation);
    }
    if (is_consumer) {
        (void)text16(c);
        (void)cursor_u64(c);
    } else {
        (void)text16(c);
        (void)text16(c);
        (void)text16(c);
    }
    uint32_t count = cursor_u32(c);
    note_type(g, is_consumer, count);
    g->version = version;
    g->generation = generation;
    g->count = 0;
    for (uint32_t i = 0; i < count && i < PEER_FACTS_MAX; i++) {
        struct peer_fact *f = &g->facts[g->count++];
        *f = (struct peer_fact){.epoch = 0};
        if (is_consumer) {
            take_consumer(c, f);
        } else {
            take_classic(c, f, generation);
        }
        if (!was_told(g, f->id, f->epoch, &f->assigned)) {
            note_told(g, f);
        }
        TRACE("truth    %s:   %s epoch %d %" PRIx64 " -%" PRIx64, g->id, f->id, f->epoch,
              f->assigned, f->revoking);
    }
    if (c->is_bad || count > PEER_FACTS_MAX) {
        sim_violation("ops of groups can be read", "%s: %u members", g->id, count);
    }
    TRACE("truth    %s: version %" PRIu64 ", %s %d, %u members", g->id, version,
          is_consumer ? "epoch" : "generation", generation, count);
    judge_facts(g);
    note_expelled(g);
    peer_judge_owners(g);
}

/* What the log gave a member in the epoch that it is in. A member that gives partitions up step by
 * step stays in its epoch meanwhile, and a commit that it sent before a step may come after it; its
 * epoch is what a commit is judged by, as with Kafka (KIP-848). */
static peer_mask
had_in_epoch(const struct peer_group *g, const struct peer_fact *f)
{
    peer_mask had = f->assigned | f->revoking;
    for (size_t i = 0; i < g->told_count; i++) {
        const struct peer_told *t = &g->told[i];
        had |= t->epoch == f->epoch && strcmp(t->id, f->id) == 0 ? t->assigned : 0;
    }
    return had;
}

static void
truth_offsets_op(struct peer_group *g, struct cursor *c)
{
    char id[PEER_ID_MAX];
    (void)cursor_u8(c);
    int32_t epoch = (int32_t)cursor_u32(c);
    span_to_cstr(text16(c), id, sizeof(id));
    (void)text16(c);
    (void)cursor_u64(c);
    for (uint32_t n = cursor_u32(c); n > 0 && !c->is_bad; n--) {
        struct uuid topic = cursor_uuid(c);
        int bit = peer_bit(&topic, (int32_t)cursor_u32(c));
        uint64_t number = cursor_u64(c);
        (void)cursor_u32(c);
        (void)text16(c);
        const struct peer_fact *f = peer_fact(g, id);
        if (bit < 0 || f == NULL || f->epoch != epoch || (had_in_epoch(g, f) >> bit & 1) == 0) {
            sim_violation(
                "a commit is by an owner of the epoch that it is in",
                "%s: member %s, epoch %d, partition %d; the log has it in %d with %" PRIx64, g->id,
                id, epoch, bit, f == NULL ? -9 : f->epoch, f == NULL ? 0 : had_in_epoch(g, f));
        }
        ps.commits[number].is_in_truth = true;
        ps.commits[number].order = ++ps.order;
        g->offset[bit] = number;
    }
}

bool
peers_truth_item(uint16_t kind, struct span payload)
{
    struct cursor c = cursor_of(payload);
    uint64_t base = 0, version = 0;
    if (kind != ITEM_GROUP && kind != ITEM_OFFSETS) {
        return false;
    }
    if (kind == ITEM_GROUP) {
        base = cursor_u64(&c);
        version = cursor_u64(&c);
    }
    struct peer_group *g = group_named(text16(&c));
    if (g == NULL || !ps.is_on) {
        return false;
    }
    if (kind == ITEM_GROUP) {
        truth_group_op(g, &c, base, version);
    } else {
        truth_offsets_op(g, &c);
    }
    return true;
}

void
peers_truth_reset(uint32_t journal)
{
    for (int i = 0; i < PEER_GROUPS; i++) {
        struct peer_group *g = &ps.groups[i];
        if (g->journal == (int)journal) {
            g->version = 0;
            g->generation = 0;
            g->count = 0;
            memset(g->offset, 0, sizeof(g->offset));
        }
    }
    for (uint64_t i = 1; i <= ps.commit_count; i++) {
        if (ps.commits[i].g->journal == (int)journal) {
            ps.commits[i].is_in_truth = false;
        }
    }
}

/* --- the judge --- */

static void
judge_pair(const struct peer *a, const struct peer *b)
{
    if ((a->owned & b->owned) != 0) {
        sim_violation("no partition has two owners",
                      "%s in %d: %s in %d and %s in %d believe to own %" PRIx64, a->g->id,
                      a->g->generation, a->id, a->epoch, b->id, b->epoch, a->owned & b->owned);
    }
}

/* A static member of the classic protocol that misses a rebalance stays a member, and its leader
 * knows only what it claimed when it joined last: Kafka does not promise it more than that it finds
 * out by its generation. */
static const struct peer_fact *
fact_of_owner(const struct peer_group *g, const struct peer *m)
{
    const struct peer_fact *f = m->owned == 0 || m->is_expelled ? NULL : peer_fact(g, m->id);
    bool is_left_behind =
        f != NULL && m->is_classic && m->instance[0] != '\0' && m->owned_in != f->epoch;
    return is_left_behind ? NULL : f;
}

void
peer_judge_owners(struct peer_group *g)
{
    if (sim.is_rebuilding || sim.is_journal_damaged[g->journal]) {
        return;
    }
    for (int i = 0; i < PEERS; i++) {
        const struct peer *m = &g->peers[i];
        const struct peer_fact *f = fact_of_owner(g, m);
        for (int k = 0; f != NULL && k < i; k++) {
            if (fact_of_owner(g, &g->peers[k]) != NULL) {
                judge_pair(m, &g->peers[k]);
            }
        }
        if (f != NULL && g->is_consumer && (m->owned & ~(f->assigned | f->revoking)) != 0) {
            sim_violation("what a member believes to own is given to nobody else",
                          "%s in %d: %s in %d believes in %" PRIx64 ", the log has %" PRIx64
                          " and -%" PRIx64 " in %d",
                          g->id, g->generation, m->id, m->epoch, m->owned, f->assigned, f->revoking,
                          f->epoch);
        }
    }
}

void
peer_judge_told(const struct peer_ask *a)
{
    const struct peer_group *g = a->m->g;
    if (a->error != KAFKA_NONE) {
        return;
    }
    if (a->kind == PEER_BEAT && a->epoch == CONSUMER_LEAVE) {
        if (peer_fact(g, a->id) != NULL) {
            sim_violation("who left is not a member any more", "%s: %s", g->id, a->id);
        }
        return;
    }
    if ((a->kind != PEER_BEAT && a->kind != PEER_SYNC) || a->epoch < 0) {
        return;
    }
    const peer_mask *mask = a->has_assignment ? &a->ret_mask : NULL;
    if (!was_told(g, a->ret_id, a->ret_epoch, mask)) {
        sim_violation("what is told is in the log", "%s: %s in %d%s %" PRIx64, g->id, a->ret_id,
                      a->ret_epoch, mask != NULL ? ":" : ", no assignment", a->ret_mask);
    }
    sim_stat(ST_peer_told);
}

void
peer_judge_commit_acked(const struct peer_ask *a)
{
    struct peer_commit *c = &ps.commits[a->number];
    if (!c->is_in_truth) {
        sim_violation("what was acknowledged is in the log", "commit %" PRIu64 " of %s", a->number,
                      a->m->g->id);
    }
    c->is_acked = true;
    c->acked_at = sim.now;
    sim_stat(ST_peer_commit);
}

void
peer_judge_fetch(const struct peer_ask *a)
{
    uint64_t got = a->fetch_part.offset < 0 ? 0 : (uint64_t)a->fetch_part.offset;
    uint64_t order = got == 0 ? 0 : ps.commits[got].order;
    for (uint64_t i = 1; i <= ps.commit_count; i++) {
        const struct peer_commit *c = &ps.commits[i];
        if (c->g == a->m->g && c->part == a->part && c->is_acked && c->acked_at < a->asked_at &&
            c->order > order) {
            sim_violation("an acknowledged commit is seen by who fetches later",
                          "%s, partition %d: %" PRIu64 " was told, %" PRIu64 " was acknowledged",
                          a->m->g->id, a->part, got, i);
        }
    }
    sim_stat(ST_peer_fetch);
}

/* --- the run --- */

static void
on_topics(void *unused)
{
    (void)unused;
    if (!peers_are_quiet()) {
        peer_topics_strike();
        sim_after(rng_span(&sim.r_peer, SCHED_S, SIM_MIN), on_topics, NULL);
    }
}

void
peers_start(void)
{
    if (sim.k.every[F_peer] == 0) {
        return;
    }
    ps.is_on = true;
    peer_topics_start();
    ps.storm_until = sim.now + sim.k.every[F_peer];
    for (int i = 0; i < PEER_GROUPS; i++) {
        struct peer_group *g = &ps.groups[i];
        (void)snprintf(g->id, sizeof(g->id), "%c%d", i == 0 ? 'C' : 'X', i);
        g->journal = i % sim.k.journals;
        g->is_mixed = i % 2 == 1;
        for (int k = 0; k < PEERS; k++) {
            peer_start(g, k);
        }
    }
    sim_after(SCHED_S, on_topics, NULL);
}

bool
peers_are_done(void)
{
    return !ps.is_on || sim.now > ps.storm_until;
}

static bool
is_settled(const struct peer_group *g)
{
    peer_mask all = 0, wanted = 0;
    for (int i = 0; i < PEERS; i++) {
        const struct peer *m = &g->peers[i];
        const struct peer_fact *f = peer_fact(g, m->id);
        if (m->phase != PEER_IN || m->at != 0 || m->is_revoking || m->has_to_ack ||
            m->has_to_say_all || f == NULL || f->epoch != m->epoch || f->assigned != m->owned ||
            f->revoking != 0 || (all & m->owned) != 0) {
            return false;
        }
        all |= m->owned;
        wanted |= peer_wants(m);
    }
    return all == wanted && g->count == PEERS;
}

static bool
are_brokers_live(void)
{
    for (int i = 0; i < sim.k.brokers; i++) {
        if (!broker_is_live(&sim.brokers[i])) {
            return false;
        }
    }
    return true;
}

/* From when the storm is over and all brokers are live again; what was slow then may still be. */
static void
judge_time(const struct peer_group *g)
{
    int64_t limit = SETTLE_S * SCHED_S + sim.k.slow_max + sim.k.slowget_max;
    if (ps.calm_since != 0 && sim.now - ps.calm_since > limit) {
        char why[300] = "";
        peers_explain(why, sizeof(why));
        sim_violation("a group settles in time", "%s, %d s after the storm: %s", g->id,
                      (int)((sim.now - ps.calm_since) / SCHED_S), why);
    }
}

bool
peers_are_settled(void)
{
    bool is_all = true;
    if (!ps.is_on) {
        return true;
    }
    if (!are_brokers_live()) {
        ps.calm_since = 0;
        return false;
    }
    ps.calm_since = ps.calm_since == 0 ? sim.now : ps.calm_since;
    for (int i = 0; i < PEER_GROUPS; i++) {
        const struct peer_group *g = &ps.groups[i];
        if (!sim.is_journal_damaged[g->journal] && !is_settled(g)) {
            judge_time(g);
            is_all = false;
        }
    }
    return is_all;
}

void
peers_explain(char *out, size_t cap)
{
    size_t at = 0;
    for (int i = 0; i < PEER_GROUPS && ps.is_on && at < cap; i++) {
        const struct peer_group *g = &ps.groups[i];
        at += (size_t)snprintf(out + at, cap - at, "%s in %d/%zu:", g->id, g->generation, g->count);
        for (int k = 0; k < PEERS && at < cap; k++) {
            const struct peer *m = &g->peers[k];
            at += (size_t)snprintf(out + at, cap - at, " %d%s@b%d/%d/%" PRIx64 "%s%s",
                                   (int)m->phase, m->is_classic ? "c" : "", m->at, m->epoch,
                                   m->owned, m->is_revoking ? "-" : "", m->has_to_ack ? "!" : "");
        }
    }
}

/* A broker at the end of the truth has the truth's offsets and version. */
void
peers_compare(const struct sim_broker *b, int journal)
{
    for (int i = 0; i < PEER_GROUPS && ps.is_on; i++) {
        const struct peer_group *g = &ps.groups[i];
        if (g->journal != journal) {
            continue;
        }
        const struct group_state *s =
            state_find_group(shard_state(b->shards[journal]), span_cstr(g->id));
        if ((s == NULL ? 0 : s->version) != g->version) {
            sim_violation("a broker at the end has the groups of the log", "broker %d, %s", b->id,
                          g->id);
        }
        for (int p = 0; p < 64; p++) {
            int32_t index;
            struct uuid id = peer_bit_topic(p, &index);
            const struct group_offset *o = s == NULL ? NULL : group_find_offset(s, &id, index);
            if ((o == NULL ? 0 : (uint64_t)o->offset) != g->offset[p]) {
                sim_violation("a broker at the end has the groups of the log",
                              "broker %d, %s, partition %d", b->id, g->id, p);
            }
        }
    }
}
