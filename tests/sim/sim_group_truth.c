/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups in the objects, decoded by hand, and the brokers against them. See sim_group.c. */
#include "sim_group.h"

struct sim_groups sim_gs;

struct uuid
group_slot_topic(int slot)
{
    struct uuid id = {{0xC0}};
    id.b[15] = (uint8_t)slot;
    return slot == 0 ? sim.parts[0].topic_id : id; /* that one may be retired */
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

static struct sim_group *
group_named(struct span id)
{
    for (int i = 0; i < GROUPS; i++) {
        if (span_eq(id, span_cstr(sim_gs.groups[i].id))) {
            return &sim_gs.groups[i];
        }
    }
    sim_violation("ops of groups can be read", "no such group");
}

/* The tag that our facts carry in a text field: members, hash, node, number. */

struct tag
group_tag_of(struct span text)
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
    if (base != now->version || next->version <= sim_gs.last_version[g->journal]) {
        sim_violation("a group moves on from what it is",
                      "%s: version %" PRIu64 " on %" PRIu64 ", it is at %" PRIu64
                      ", the journal at %" PRIu64,
                      g->id, next->version, base, now->version, sim_gs.last_version[g->journal]);
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
    uint64_t base = get_u64(sim_take(&rest, 8));
    struct truth_group next = {.has_facts = true, .version = get_u64(sim_take(&rest, 8))};
    struct sim_group *g = group_named(text16(&rest));
    (void)sim_take(&rest, 2);
    next.type = *sim_take(&rest, 2);
    next.epoch = get_i32(sim_take(&rest, 4));
    next.generation = get_i32(sim_take(&rest, 4));
    if (next.type == GROUP_CONSUMER) {
        (void)sim_take(&rest, 4);
    } else {
        (void)text16(&rest);
        (void)text16(&rest);
    }
    struct tag t = group_tag_of(text16(&rest)); /* server assignor, or leader */
    next.node = t.node;
    next.mask = t.mask;
    next.hash = t.hash;
    if (g->journal != (int)journal) {
        sim_violation("a group lives in one journal", "%s in %u", g->id, journal);
    }
    judge_group(g, &next, base);
    if (sim_gs.ops[t.number].fate == FATE_REFUSED && !sim.is_rebuilding) {
        sim_violation("what was refused stays out", "%s: GROUP op %" PRIu64, g->id, t.number);
    }
    if (g->truth.has_facts && g->truth.type != next.type) {
        sim_stat(ST_group_typed);
    }
    sim_gs.ops[t.number].is_in_truth = true;
    memcpy(next.offset, g->truth.offset, sizeof(next.offset));
    g->truth = next;
    sim_gs.last_version[journal] = next.version;
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
        struct uuid topic = group_slot_topic(s);
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
    bool is_removal = (*sim_take(&rest, 1) & 1) != 0;
    int32_t generation = get_i32(sim_take(&rest, 4));
    struct span member = text16(&rest);
    (void)text16(&rest);
    (void)sim_take(&rest, 8);
    uint32_t commits = get_u32(sim_take(&rest, 4));
    for (uint32_t i = 0; i < commits; i++) {
        int slot = slot_of(sim_take(&rest, 16));
        (void)sim_take(&rest, 4);
        uint64_t number = get_u64(sim_take(&rest, 8));
        (void)sim_take(&rest, 4);
        (void)text16(&rest);
        if (sim_gs.commits[number].fate == FATE_REFUSED && !sim.is_rebuilding) {
            sim_violation("what was refused stays out", "%s: commit %" PRIu64, g->id, number);
        }
        judge_commit(g, member, generation, number);
        sim_gs.commits[number].is_in_truth = true;
        g->truth.offset[slot] = number;
        TRACE("truth    %s: slot %d is commit %" PRIu64, g->id, slot, number);
    }
    uint32_t removals = get_u32(sim_take(&rest, 4));
    for (uint32_t i = 0; i < removals; i++) {
        int slot = slot_of(sim_take(&rest, 16));
        (void)sim_take(&rest, 4);
        g->truth.offset[slot] = 0;
        SL_ASSERT(is_removal);
    }
}

static void
truth_delete_op(struct span rest)
{
    uint32_t count = get_u32(sim_take(&rest, 4));
    for (uint32_t i = 0; i < count; i++) {
        struct sim_group *g = group_named(text16(&rest));
        uint64_t base = get_u64(sim_take(&rest, 8));
        (void)sim_take(&rest, 1);
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
    const uint8_t *id = sim_take(&rest, 16);
    for (int i = 0; i < GROUPS; i++) {
        for (int s = 0; s < SLOTS && sim_gs.groups[i].journal == (int)journal; s++) {
            struct uuid topic = group_slot_topic(s);
            if (memcmp(topic.b, id, sizeof(topic.b)) == 0) {
                sim_gs.groups[i].truth.offset[s] = 0;
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
        if (sim_gs.groups[i].journal == (int)journal) {
            sim_gs.groups[i].truth = (struct truth_group){0};
        }
    }
    for (uint64_t i = 1; i <= sim_gs.commit_count; i++) {
        if (sim_gs.groups[sim_gs.commits[i].group].journal == (int)journal) {
            sim_gs.commits[i].is_in_truth = false;
        }
    }
    for (uint64_t i = 1; i <= sim_gs.op_count; i++) {
        if (sim_gs.groups[sim_gs.ops[i].nonce].journal == (int)journal) {
            sim_gs.ops[i].is_in_truth = false;
        }
    }
    sim_gs.last_version[journal] = 0;
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
        struct uuid topic = group_slot_topic(i);
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
void
group_compare_broker(const struct sim_broker *b, int journal)
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
        if (sim_gs.groups[i].journal == journal && sim_gs.groups[i].id[0] != '\0') {
            compare_group(b, &sim_gs.groups[i]);
        }
    }
    sim_stat(ST_group_compared);
}

void
groups_compare(void)
{
    for (int i = 0; i < sim.k.brokers; i++) {
        for (int j = 0; j < sim.k.journals; j++) {
            group_compare_broker(&sim.brokers[i], j);
        }
    }
    for (uint64_t i = 1; i <= sim_gs.commit_count; i++) {
        if (sim_gs.commits[i].fate == FATE_ACKED && !sim_gs.commits[i].is_in_truth) {
            sim_violation("what was acknowledged is in the log", "commit %" PRIu64 " is lost", i);
        }
    }
}
