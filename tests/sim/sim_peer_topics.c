/* SPDX-License-Identifier: Apache-2.0
 *
 * The topics that consumers subscribe to. t0 grows; t1 comes, grows, goes, and comes again with
 * another id. Brokers hear of a change one after the other, and one that has just started knows
 * nothing for a while.
 *
 * Also what members of the classic protocol wrap their wishes in; they subscribe to t0 only. */
#include "base/cursor.h"
#include "group/consumer_topics.h"
#include "sim_peer.h"

enum { T0_PARTS = 8, T1_PARTS = 4, CHANGES_MAX = 64 };

/* Topics as they were after a change. */
struct shape {
    int t0_count, t1_slot, t1_count; /* t1_slot 0: there is none */
};

struct view {
    int seen; /* the last change that this broker heard of */
    bool is_complete;
};

static struct {
    struct shape shapes[CHANGES_MAX];
    int last, slots_used;
    struct view views[SIM_BROKERS_MAX];
    struct consumer_topics tables[SIM_BROKERS_MAX];
} ts;

struct uuid
peer_slot_id(int slot)
{
    struct uuid id = {{0xC0}};
    id.b[1] = (uint8_t)slot;
    return id;
}

static int
first_bit(int slot)
{
    return slot == 0 ? 0 : T0_PARTS + T1_PARTS * (slot - 1);
}

int
peer_bit(const struct uuid *id, int32_t index)
{
    int slot = id->b[1];
    if (id->b[0] != 0xC0 || slot >= PEER_SLOTS || index < 0 ||
        index >= (slot == 0 ? T0_PARTS : T1_PARTS)) {
        return -1;
    }
    return first_bit(slot) + index;
}

struct uuid
peer_bit_topic(int bit, int32_t *ret_index)
{
    int slot = bit < T0_PARTS ? 0 : 1 + (bit - T0_PARTS) / T1_PARTS;
    *ret_index = bit - first_bit(slot);
    return peer_slot_id(slot);
}

static peer_mask
bits(int slot, int count)
{
    return ((UINT64_C(1) << count) - 1) << first_bit(slot);
}

peer_mask
peer_topics_mask(int topic)
{
    const struct shape *s = &ts.shapes[ts.last];
    if (topic == 0) {
        return bits(0, s->t0_count);
    }
    return s->t1_slot == 0 ? 0 : bits(s->t1_slot, s->t1_count);
}

int
peer_topics_count(void)
{
    return ts.shapes[ts.last].t0_count;
}

peer_mask
peer_mask_of(const struct group_part_list *l)
{
    peer_mask mask = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        for (uint32_t k = 0; k < l->topics[i].count; k++) {
            int bit = peer_bit(&l->topics[i].topic_id, l->topics[i].indexes[k]);
            if (bit < 0) {
                sim_violation("only partitions that there are are assigned", "index %d",
                              l->topics[i].indexes[k]);
            }
            mask |= UINT64_C(1) << bit;
        }
    }
    return mask;
}

void
peer_list_of(peer_mask mask, struct peer_ask *a, struct group_part_list *ret)
{
    *ret = (struct group_part_list){a->parts, 0};
    for (int slot = 0; slot < PEER_SLOTS; slot++) {
        struct group_parts p = {peer_slot_id(slot), a->indexes[ret->count], 0};
        for (int32_t i = 0; i < (slot == 0 ? T0_PARTS : T1_PARTS); i++) {
            if ((mask >> (first_bit(slot) + i) & 1) != 0) {
                p.indexes[p.count++] = i;
            }
        }
        if (p.count > 0) {
            a->parts[ret->count++] = p;
        }
    }
}

/* --- what brokers know --- */

static const struct shape *
shape_of(const void *arg)
{
    return &ts.shapes[((const struct view *)arg)->seen];
}

static bool
is_complete(void *arg)
{
    return ((const struct view *)arg)->is_complete;
}

static uint64_t
version(void *arg)
{
    return (uint64_t)((const struct view *)arg)->seen + 1;
}

static void
show(int slot, int count, consumer_topic_fn see, void *to)
{
    const struct consumer_topic t = {peer_slot_id(slot), span_cstr(slot == 0 ? "t0" : "t1"), count};
    see(to, &t);
}

static void
each(void *arg, consumer_topic_fn see, void *to)
{
    const struct shape *s = shape_of(arg);
    show(0, s->t0_count, see, to);
    if (s->t1_slot != 0) {
        show(s->t1_slot, s->t1_count, see, to);
    }
}

static void
find(void *arg, struct span name, consumer_topic_fn see, void *to)
{
    const struct shape *s = shape_of(arg);
    if (span_eq(name, span_cstr("t0"))) {
        show(0, s->t0_count, see, to);
    } else if (span_eq(name, span_cstr("t1")) && s->t1_slot != 0) {
        show(s->t1_slot, s->t1_count, see, to);
    }
}

static void
find_id(void *arg, const struct uuid *id, consumer_topic_fn see, void *to)
{
    const struct shape *s = shape_of(arg);
    if (id->b[1] == 0) {
        show(0, s->t0_count, see, to);
    } else if (id->b[1] == s->t1_slot) {
        show(s->t1_slot, s->t1_count, see, to);
    }
}

const struct consumer_topics *
peer_topics_of(const struct sim_broker *b)
{
    ts.tables[b->id] =
        (struct consumer_topics){is_complete, version, find, find_id, each, &ts.views[b->id]};
    return &ts.tables[b->id];
}

static void
on_heard(void *arg)
{
    struct view *v = arg;
    v->seen += v->seen < ts.last;
}

static void
on_complete(void *arg)
{
    ((struct view *)arg)->is_complete = true;
}

void
peer_topics_broker_start(const struct sim_broker *b)
{
    struct view *v = &ts.views[b->id];
    if (sim.k.every[F_peer] == 0) {
        return;
    }
    v->is_complete = !ps.is_on;
    sim_after(rng_span(&sim.r_peer, SCHED_MS, SCHED_S), on_complete, v);
}

void
peer_topics_start(void)
{
    ts.shapes[0] = (struct shape){3, 1, 2};
    ts.slots_used = 2;
    for (int i = 0; i < SIM_BROKERS_MAX; i++) {
        ts.views[i].is_complete = true;
    }
}

void
peer_topics_strike(void)
{
    struct shape s = ts.shapes[ts.last];
    uint64_t draw = rng_below(&sim.r_peer, 4);
    if (ts.last + 1 == CHANGES_MAX) {
        return;
    }
    if (draw == 0 && s.t0_count < T0_PARTS) {
        s.t0_count++;
    } else if (draw == 1 && s.t1_slot != 0 && s.t1_count < T1_PARTS) {
        s.t1_count++;
    } else if (s.t1_slot != 0) {
        s.t1_slot = 0;
    } else if (ts.slots_used < PEER_SLOTS) {
        s.t1_slot = ts.slots_used++;
        s.t1_count = 2;
    } else {
        return;
    }
    ts.shapes[++ts.last] = s;
    TRACE("peers    topics: t0 %d, t1 %d/%d", s.t0_count, s.t1_slot, s.t1_count);
    sim_stat(ST_peer_topics);
    for (int i = 0; i < SIM_BROKERS_MAX; i++) {
        sim_after(rng_span(&sim.r_peer, SCHED_MS, 5 * SCHED_S), on_heard, &ts.views[i]);
    }
}

/* --- ConsumerProtocol --- */

static uint8_t *
put_list(peer_mask mask, uint8_t *at)
{
    put_u32(at, mask == 0 ? 0 : 1);
    at += 4;
    if (mask == 0) {
        return at;
    }
    memcpy(at, "\0\2t0", 4);
    put_u32(at + 4, (uint32_t)__builtin_popcountll(mask));
    at += 8;
    for (uint32_t i = 0; i < T0_PARTS; i++) {
        if ((mask >> i & 1) != 0) {
            put_u32(at, i);
            at += 4;
        }
    }
    return at;
}

struct span
peer_subscription_put(peer_mask owned, uint8_t *out)
{
    memcpy(out, "\0\1\0\0\0\1\0\2t0\377\377\377\377", 14); /* version 1, one topic, no user data */
    return span_of(out, (size_t)(put_list(owned, out + 14) - out));
}

struct span
peer_assignment_put(peer_mask mask, uint8_t *out)
{
    put_u16(out, 1);
    uint8_t *end = put_list(mask, out + 2);
    put_u32(end, UINT32_MAX);
    return span_of(out, (size_t)(end + 4 - out));
}

static peer_mask
take_list(struct cursor *c)
{
    peer_mask mask = 0;
    for (uint32_t n = cursor_u32(c); n > 0 && !c->is_bad; n--) {
        uint16_t len = cursor_u16(c);
        if (!span_eq(cursor_span(c, len), span_cstr("t0"))) {
            sim_violation("classic members are assigned what they subscribe to", "another topic");
        }
        for (uint32_t k = cursor_u32(c); k > 0 && !c->is_bad; k--) {
            mask |= UINT64_C(1) << (cursor_u32(c) & (T0_PARTS - 1));
        }
    }
    if (c->is_bad) {
        sim_violation("lists of partitions can be read", "they end too early");
    }
    return mask;
}

peer_mask
peer_subscription_owned(struct span metadata)
{
    struct cursor c = cursor_of(metadata);
    (void)cursor_take(&c, 14);
    return take_list(&c);
}

peer_mask
peer_assignment_mask(struct span assignment)
{
    struct cursor c = cursor_of(assignment);
    if (assignment.len == 0) {
        return 0;
    }
    (void)cursor_u16(&c);
    return take_list(&c);
}
