/* SPDX-License-Identifier: Apache-2.0
 *
 * Live groups in the objects, decoded by hand, and the brokers against them. See sim_member.c. */
#include "sim_member.h"

struct sim_lives sim_ms;

struct uuid
member_topic(void)
{
    struct uuid id = {{0xD0}};
    return id;
}

bool
member_is_quiet(void)
{
    return sim.is_quiet || sim.now > sim_ms.storm_until;
}

void
member_copy_id(char *to, struct span s)
{
    span_to_cstr(s, to, ID_MAX);
}

/* --- the log --- */

struct live *
member_live_named(struct span id)
{
    for (int i = 0; i < GROUPS; i++) {
        if (span_eq(id, span_cstr(sim_ms.groups[i].id))) {
            return &sim_ms.groups[i];
        }
    }
    return NULL;
}

static struct span
text16(struct span *rest)
{
    uint16_t len = get_u16(sim_take(rest, 2));
    if (len == 0xFFFF) {
        return span_of(NULL, 0);
    }
    return span_of(sim_take(rest, len), len);
}

static struct span
text32(struct span *rest)
{
    uint32_t len = get_u32(sim_take(rest, 4));
    return span_of(sim_take(rest, len), len);
}

uint32_t
member_mask_of(struct span assignment)
{
    char buf[16];
    uint32_t mask = 0;
    span_to_cstr(assignment, buf, sizeof(buf));
    return buf[0] != '\0' && sscanf(buf, "%" SCNx32, &mask) == 1 ? mask : 0;
}

struct generation *
member_generation_of(struct live *g, int32_t number)
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
    struct generation *h = member_generation_of(g, g->generation);
    if (g->count == KNOWN_MAX) {
        sim_violation("the simulator has room for all members", "%s", g->id);
    }
    member_copy_id(g->ids[g->count], id);
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
        member_copy_id(h->ids[h->count], id);
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
    (void)sim_take(&rest, 8); /* version, type, coordinator epoch */
    int32_t generation = get_i32(sim_take(&rest, 4));
    if (generation < g->generation) {
        sim_violation("generations ascend", "%s: %d after %d", g->id, generation, g->generation);
    }
    (void)text16(&rest);
    (void)text16(&rest);
    (void)text16(&rest);
    uint32_t count = get_u32(sim_take(&rest, 4));
    g->version = version;
    g->generation = generation;
    g->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct span id = text16(&rest);
        (void)text16(&rest);
        (void)text16(&rest);
        (void)text16(&rest);
        (void)sim_take(&rest, 8);
        for (uint32_t p = get_u32(sim_take(&rest, 4)); p > 0; p--) {
            (void)text16(&rest);
            (void)text32(&rest);
        }
        note_member(g, id, member_mask_of(text32(&rest)));
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
    (void)sim_take(&rest, 1);
    int32_t generation = get_i32(sim_take(&rest, 4));
    struct span member = text16(&rest);
    (void)text16(&rest);
    (void)sim_take(&rest, 8);
    for (uint32_t n = get_u32(sim_take(&rest, 4)); n > 0; n--) {
        (void)sim_take(&rest, 16);
        int part = get_i32(sim_take(&rest, 4));
        uint64_t number = get_u64(sim_take(&rest, 8));
        (void)sim_take(&rest, 4);
        (void)text16(&rest);
        judge_commit(g, member, generation, part);
        sim_ms.commits[number].is_in_truth = true;
        sim_ms.commits[number].order = ++sim_ms.order;
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
        base = get_u64(sim_take(&rest, 8));
        version = get_u64(sim_take(&rest, 8));
    }
    struct live *g = member_live_named(text16(&rest));
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
        struct live *g = &sim_ms.groups[i];
        if (g->journal == (int)journal) {
            g->version = 0;
            g->generation = 0;
            g->count = 0;
            memset(g->offset, 0, sizeof(g->offset));
        }
    }
    for (uint64_t i = 1; i <= sim_ms.commit_count; i++) {
        if (sim_ms.commits[i].g->journal == (int)journal) {
            sim_ms.commits[i].is_in_truth = false;
        }
    }
}

/* A broker at the end of the truth has the truth's offsets. */
void
members_compare(const struct sim_broker *b, int journal)
{
    for (int i = 0; i < GROUPS && sim_ms.is_on; i++) {
        const struct live *g = &sim_ms.groups[i];
        if (g->journal != journal) {
            continue;
        }
        const struct group_state *s =
            state_find_group(shard_state(b->shards[journal]), span_cstr(g->id));
        const struct uuid id = member_topic();
        for (int p = 0; p < PARTS; p++) {
            const struct group_offset *o = s == NULL ? NULL : group_find_offset(s, &id, p);
            if ((o == NULL ? 0 : (uint64_t)o->offset) != g->offset[p]) {
                sim_violation("a broker at the end has the groups of the log",
                              "broker %d, %s, partition %d", b->id, g->id, p);
            }
        }
    }
}
