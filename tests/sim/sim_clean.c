/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge of what becomes of a log after the commit. From the ops in the objects, decoded by
 * hand, it keeps for each partition the list of its segments, where the log starts, and of each
 * offset whether compaction took its record out, and since when the segment around it has been
 * clean.
 *
 *   REGISTER   begins where the segments end, ends where a batch ends; a directory is one topic's
 *   REPLACE    names the segments that are there; its target is there, and holds of their records
 *              all but those that may go: a later record of the key stays, or it is a tombstone
 * that was clean for delete.retention.ms and has nothing older of its key below it. What was taken
 * out does not come back. TRIM       by nobody who asked: whole segments, of a topic that is
 * deleted from, that are too old or too much deletion   of an object: nothing refers to it, and
 * that has been so for the grace period
 *
 * Who reads may see an older state, where more was left: a record that is not given must be gone by
 * now. */
#include "sim.h"

struct place {
    int64_t base, last;
    uint64_t bytes;
    int64_t max_ts;
    uint32_t gen;
    int64_t gone_ms; /* entry time of the op that let go of it */
};

struct sim_clean {
    struct place *segments, *garbage;
    size_t count, cap, garbage_count, garbage_cap;
    int64_t start, registered;
    uint64_t *gone;    /* per offset: entry that took it out; 0: it is there */
    int64_t *clean_ms; /* per offset: entry time since which it is clean; 0: it is not */
    int64_t offset_cap;
    bool is_gone; /* retired */
};

static const struct truth_op *now; /* at hand */

static struct sim_clean *
clean_of(struct sim_part *p)
{
    if (p->clean == NULL) {
        p->clean = sl_alloc(sizeof(*p->clean));
    }
    return p->clean;
}

static void
grow(struct sim_clean *c, int64_t end)
{
    while (c->offset_cap < end) {
        int64_t cap = c->offset_cap == 0 ? 256 : c->offset_cap * 2;
        size_t size = (size_t)cap * 8;
        size_t more = (size_t)(cap - c->offset_cap) * 8;
        c->gone = sl_realloc(c->gone, size);
        c->clean_ms = sl_realloc(c->clean_ms, size);
        memset(c->gone + c->offset_cap, 0, more);
        memset(c->clean_ms + c->offset_cap, 0, more);
        c->offset_cap = cap;
    }
}

bool
clean_is_gone(const struct sim_part *p, int64_t offset)
{
    return offset < p->trim_intent ||
           (p->clean != NULL && offset < p->clean->offset_cap && p->clean->gone[offset] != 0);
}

static struct sim_part *
part_of(const uint8_t *id, int32_t index)
{
    for (int i = 0; i < sim.part_count; i++) {
        struct sim_part *p = &sim.parts[i];
        if (memcmp(p->topic_id.b, id, 16) == 0 && p->index == index) {
            return p;
        }
    }
    sim_violation("ops are about partitions that there are", "partition %d of an unknown topic",
                  (int)index);
}

static int64_t
wall_now(void)
{
    return 1700000000000 + sim.now / SCHED_MS;
}

/* --- ops, as bytes --- */

struct reader_of_ops {
    const uint8_t *at;
};

static uint64_t
take(struct reader_of_ops *r, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v = v << 8 | r->at[i];
    }
    r->at += n;
    return v;
}

/* A topic's id and the number of a partition. */
static struct sim_part *
take_part(struct reader_of_ops *r)
{
    struct sim_part *p = part_of(r->at, get_i32(r->at + 16));
    r->at += 20;
    return p;
}

static struct place
take_segment(struct reader_of_ops *r)
{
    struct place s = {.base = (int64_t)take(r, 8), .last = (int64_t)take(r, 8)};
    s.bytes = take(r, 8);
    s.max_ts = (int64_t)take(r, 8);
    s.gen = (uint32_t)take(r, 4);
    (void)take(r, 8);
    r->at += take(r, 4) * 16;
    return s;
}

/* --- segments --- */

static void
push(struct sim_clean *c, const struct place *s)
{
    SIM_GROW(c->segments, c->count, c->cap);
    c->segments[c->count++] = *s;
}

/* The first n of them, from the i-th on, are garbage now. */
static void
let_go(struct sim_clean *c, size_t i, size_t n)
{
    if (n == 0) {
        return;
    }
    for (size_t k = i; k < i + n; k++) {
        SIM_GROW(c->garbage, c->garbage_count, c->garbage_cap);
        c->garbage[c->garbage_count] = c->segments[k];
        c->garbage[c->garbage_count++].gone_ms = now->time_ms;
    }
    memmove(c->segments + i, c->segments + i + n, (c->count - i - n) * sizeof(*c->segments));
    c->count -= n;
}

static void
check_dir(const struct sim_part *p, const uint8_t *dir, size_t len)
{
    static struct {
        char dir[64];
        struct uuid id;
    } known[SIM_PARTS_MAX];
    static int count;
    char text[64];
    span_to_cstr(span_of(dir, len), text, sizeof(text));
    for (int i = 0; i < count; i++) {
        if (strcmp(known[i].dir, text) == 0 && !uuid_eq(&known[i].id, &p->topic_id)) {
            sim_violation("one directory for one incarnation",
                          "%s is that of another topic, and of partition %td", text, p - sim.parts);
        }
        if (strcmp(known[i].dir, text) == 0) {
            return;
        }
    }
    if (count < SIM_PARTS_MAX) {
        span_to_cstr(span_cstr(text), known[count].dir, sizeof(known[count].dir));
        known[count++].id = p->topic_id;
    }
}

static uint8_t *present_in(struct sim_part *p, const struct place *t);

/* A tool made it of what was left. */
static void
note_salvaged(struct sim_part *p, const struct place *s)
{
    uint8_t *bits = present_in(p, s);
    repairs_truth_gaps(p, s->base, s->last, bits);
    sl_free(bits);
}

static void
truth_register(struct reader_of_ops *r)
{
    uint64_t count = take(r, 4);
    for (uint64_t i = 0; i < count; i++) {
        struct sim_part *p = take_part(r);
        struct sim_clean *c = clean_of(p);
        size_t len = (size_t)take(r, 2);
        check_dir(p, r->at, len);
        r->at += len;
        struct place s = take_segment(r);
        bool is_end = s.last < p->end && (s.last + 1 == p->end || (p->log[s.last + 1] & 0xff) == 0);
        int64_t must_begin = c->registered;
        bool is_salvaged = sim.is_repair_forced && s.gen > 0;
        if (s.base != must_begin || !is_end || (s.gen != 0 && !is_salvaged)) {
            sim_violation("registered segments are contiguous and end with a batch",
                          "partition %td: %" PRId64 " to %" PRId64 ", where %" PRId64 " follows",
                          p - sim.parts, s.base, s.last, must_begin);
        }
        c->registered = s.last + 1;
        push(c, &s);
        if (is_salvaged) {
            note_salvaged(p, &s);
        }
    }
}

/* --- what a REPLACE took out --- */

static struct sim_record
record_at(const struct sim_part *p, int64_t offset)
{
    return sim_record_of(p->log[offset] >> 8, (int32_t)(p->log[offset] & 0xff));
}

/* Is there one of this key that stays, behind it (step 1) or before it (step -1)? */
static bool
has_other(const struct sim_part *p, int64_t offset, int step)
{
    const struct sim_clean *c = p->clean;
    int key = record_at(p, offset).key;
    int64_t least = c->start;
    for (int64_t o = offset + step; o >= least && o < p->end; o += step) {
        if (c->gone[o] == 0 && record_at(p, o).key == key) {
            return true;
        }
    }
    return false;
}

static bool
is_old_enough(const struct sim_clean *c, int64_t offset)
{
    int64_t slop = 2 * sim.k.skew_max_ms + 2;
    return c->clean_ms[offset] != 0 &&
           now->time_ms + slop >= c->clean_ms[offset] + sim.k.delete_retention_ms;
}

static void
judge_dropped(const struct sim_part *p, int64_t offset)
{
    const struct sim_record rec = record_at(p, offset);
    const char *why = NULL;
    if (rec.key >= 0 && has_other(p, offset, 1)) {
        sim_stat(ST_record_dropped);
        return;
    }
    if (rec.key < 0) {
        why = "it has no key";
    } else if (!rec.is_tombstone) {
        why = "it is the latest of its key";
    } else if (!is_old_enough(p->clean, offset)) {
        why = "its tombstone is younger than delete.retention.ms";
    } else if (has_other(p, offset, -1)) {
        why = "an older record of the key is left, which its tombstone hid";
    }
    if (why != NULL) {
        sim_violation("compaction keeps the latest record of each key",
                      "entry %" PRIu64 ": partition %td offset %" PRId64 ", key %d, is gone: %s",
                      now->n, p - sim.parts, offset, rec.key, why);
    }
    sim_stat(ST_tombstone_dropped);
}

/* Which offsets of [base, last] the target holds: bits, from base on. */
static uint8_t *
present_in(struct sim_part *p, const struct place *t)
{
    uint8_t *bits = sl_alloc((size_t)(t->last - t->base) / 8 + 1);
    char key[STORE_KEY_MAX];
    size_t len;
    rolls_key(p, t->base, t->gen, key);
    if (t->bytes == 0) {
        return bits;
    }
    const uint8_t *bytes = sim_store_find(key, &len);
    if (bytes == NULL || len != t->bytes) {
        sim_violation("what S refers to is there", "%s has %zu bytes when it is put in place", key,
                      len);
    }
    rolls_judge(key, span_of(bytes, len));
    struct span body = span_of(bytes + 32, len - 48);
    struct sim_seen s;
    const char *why;
    while (sim_batch_decode(&body, &s, &why)) {
        for (int32_t i = 0; s.present >> i != 0; i++) {
            int64_t at = s.base + i - t->base;
            bits[at / 8] |= (uint8_t)((s.present >> i & 1) << (at % 8));
        }
    }
    return bits;
}

static void
note_dropped(struct sim_part *p, const struct place *t)
{
    struct sim_clean *c = p->clean;
    int64_t from = t->base > c->start ? t->base : c->start;
    uint8_t *bits = present_in(p, t);
    for (int64_t o = from; o <= t->last; o++) {
        bool is_there = (bits[(o - t->base) / 8] >> ((o - t->base) % 8) & 1) != 0;
        if (is_there && c->gone[o] != 0) {
            sim_violation("what compaction took out does not come back",
                          "partition %td offset %" PRId64, p - sim.parts, o);
        }
        if (!is_there && c->gone[o] == 0) {
            c->gone[o] = now->n; /* all of them, before any is judged */
        }
    }
    for (int64_t o = from; o <= t->last; o++) {
        if (c->gone[o] == now->n) {
            judge_dropped(p, o);
        }
    }
    for (int64_t o = t->base; o <= t->last; o++) {
        c->clean_ms[o] = c->clean_ms[o] == 0 ? now->time_ms : c->clean_ms[o];
    }
    sl_free(bits);
}

static void
truth_replace(struct reader_of_ops *r)
{
    struct sim_part *p = take_part(r);
    struct sim_clean *c = clean_of(p);
    size_t n = (size_t)take(r, 4);
    const uint8_t *sources = r->at;
    r->at += n * 12;
    const struct place t = take_segment(r);
    size_t first = 0;
    while (first < c->count && c->segments[first].base != t.base) {
        first++;
    }
    bool is_right = first + n <= c->count && c->segments[first + n - 1].last == t.last;
    for (size_t i = 0; i < n && is_right; i++) {
        const struct place *s = &c->segments[first + i];
        uint32_t gen = get_u32(sources + i * 12 + 8);
        is_right = s->base == get_i64(sources + i * 12) && s->gen == gen && t.gen > gen;
    }
    if (!is_right || (!p->is_compacted && !p->has_changed && !sim.is_repair_forced)) {
        sim_violation("a replace names the segments that are there",
                      "partition %td, %" PRId64 " to %" PRId64 " of generation %u", p - sim.parts,
                      t.base, t.last, t.gen);
    }
    let_go(c, first, n - 1);
    SIM_GROW(c->garbage, c->garbage_count, c->garbage_cap);
    c->garbage[c->garbage_count] = c->segments[first];
    c->garbage[c->garbage_count++].gone_ms = now->time_ms;
    c->segments[first] = t;
    grow(c, p->end);
    if (!sim.is_rebuilding && p->has_records) {
        note_dropped(p, &t);
    }
    if (sim.is_repair_forced) {
        note_salvaged(p, &t);
    }
    sim_stat(ST_replaced);
}

/* --- trim --- */

static uint64_t
bytes_left(const struct sim_part *p, size_t from)
{
    const struct sim_clean *c = p->clean;
    uint64_t all = 0;
    for (size_t i = from; i < c->count; i++) {
        all += c->segments[i].bytes;
    }
    for (int64_t o = c->registered; o < p->end; o++) {
        all += (p->log[o] & 0xff) == 0 ? sim.batches[p->log[o] >> 8].size : 0;
    }
    return all;
}

static const char *
why_not_retained(const struct sim_part *p, int64_t to)
{
    const struct sim_clean *c = p->clean;
    const struct knobs *k = &sim.k;
    size_t i = 0;
    if (!p->is_deleted && !p->has_changed) {
        return "nothing is deleted from a log that is only compacted";
    }
    for (; i < c->count && c->segments[i].last < to; i++) {
        bool is_old =
            k->retention_ms >= 0 && c->segments[i].max_ts < now->time_ms - k->retention_ms;
        /* compaction may have shrunk the rest since it was looked at */
        bool is_much =
            k->upkeep_retention_bytes >= 0 &&
            (p->has_records || bytes_left(p, i + 1) >= (uint64_t)k->upkeep_retention_bytes);
        if (!is_old && !is_much) {
            return "it is neither too old nor too much";
        }
    }
    bool is_end = i > 0 && c->segments[i - 1].last + 1 == to;
    bool is_merged = p->has_records && to <= c->registered; /* meanwhile, perhaps */
    return is_end || is_merged ? NULL : "it does not end with a segment";
}

static void
truth_trim(struct reader_of_ops *r, const uint8_t *end)
{
    while (end - r->at >= 28) {
        struct sim_part *p = take_part(r);
        struct sim_clean *c = clean_of(p);
        int64_t to = get_i64(r->at);
        r->at += 8;
        if (to <= c->start || c->is_gone) {
            continue;
        }
        const char *why = to <= p->trim_asked ? NULL : why_not_retained(p, to);
        if (why != NULL) {
            sim_violation("retention takes what it may",
                          "partition %td, to %" PRId64 " (rolled to %" PRId64 "): %s",
                          p - sim.parts, to, c->registered, why);
        }
        size_t n = 0;
        while (n < c->count && c->segments[n].last < to) {
            n++;
        }
        let_go(c, 0, n);
        c->start = to;
        if (to > c->registered) { /* a batch that the start lies in is there as a whole */
            int64_t o = to;
            while (o < p->end && o > c->registered && (p->log[o] & 0xff) != 0) {
                o--;
            }
            c->registered = o;
        }
    }
}

static void
truth_retire(struct reader_of_ops *r, const uint8_t *end)
{
    for (; end - r->at >= 16; r->at += 16) {
        for (int i = 0; i < sim.part_count; i++) {
            struct sim_part *p = &sim.parts[i];
            if (memcmp(p->topic_id.b, r->at, 16) == 0) {
                let_go(clean_of(p), 0, clean_of(p)->count);
                p->clean->is_gone = true;
            }
        }
    }
}

static void
truth_adopt(struct reader_of_ops *r)
{
    struct sim_part *p = take_part(r);
    struct sim_clean *c = clean_of(p);
    size_t len = (size_t)take(r, 2);
    check_dir(p, r->at, len);
    r->at += len;
    adopt_truth(p);
    for (uint64_t count = take(r, 4); count > 0; count--) {
        struct place s = take_segment(r);
        c->start = c->count == 0 ? s.base : c->start;
        c->registered = s.last + 1;
        push(c, &s);
    }
}

void
clean_truth_op(const struct truth_op *op)
{
    struct reader_of_ops r = {op->payload.ptr};
    const uint8_t *end = op->payload.ptr + op->payload.len;
    now = op;
    switch (op->kind) {
    case ITEM_REGISTER:
        truth_register(&r);
        break;
    case ITEM_REPLACE:
        truth_replace(&r);
        break;
    case ITEM_ADOPT:
        truth_adopt(&r);
        break;
    case ITEM_LOSS:
        losses_truth(op->journal, op->payload);
        if (sim.is_repair_forced) {
            repairs_truth_loss(op->payload);
        }
        break;
    case ITEM_TRIM:
        truth_trim(&r, end);
        break;
    case ITEM_RETIRE:
        truth_retire(&r, end);
        break;
    default:
        break;
    }
    now = NULL;
}

/* What entries below n took out stays; the lists are made again from the first entry on. */
void
clean_truth_reset(uint32_t journal, uint64_t n)
{
    losses_truth_reset(journal);
    for (int i = 0; i < sim.part_count; i++) {
        struct sim_clean *c = sim.parts[i].clean;
        if (sim.parts[i].journal != (int)journal || c == NULL) {
            continue;
        }
        for (int64_t o = 0; o < c->offset_cap; o++) {
            c->gone[o] = c->gone[o] >= n ? 0 : c->gone[o];
        }
        c->count = c->garbage_count = 0;
        c->start = c->registered = 0;
        c->is_gone = false;
    }
}

/* Its segments, its start and where runs begin, as the snapshot has them. */
void
clean_repaired(struct sim_part *p, const struct part_state *ps)
{
    struct sim_clean *c = clean_of(p);
    c->count = 0;
    for (size_t i = 0; i < part_segment_count(ps); i++) {
        const struct segment_ref *s = part_segment(ps, i);
        const struct place at = {.base = s->base,
                                 .last = s->last,
                                 .bytes = s->bytes,
                                 .max_ts = s->max_timestamp,
                                 .gen = s->gen};
        push(c, &at);
    }
    c->start = ps->start;
    c->registered = part_registered_end(ps);
}

int64_t
clean_start(const struct sim_part *p)
{
    return p->clean == NULL ? 0 : p->clean->start;
}

/* --- objects --- */

/* One of which nothing was left has no object; another broker's may lie there, which is its own. */
static bool
is_object(const struct place *s, int64_t base, uint32_t gen)
{
    return s->base == base && s->gen == gen && s->bytes > 0;
}

/* May somebody make an object of this name, and put it in place? A deletion can come late. */
static bool
is_free(const struct sim_clean *c, int64_t base, uint32_t gen)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->segments[i].base == base) {
            return gen > c->segments[i].gen;
        }
    }
    return !c->is_gone && base >= c->registered;
}

void
clean_object_deleted(const char *key)
{
    int64_t base;
    uint32_t gen;
    const struct sim_part *p = rolls_part_of_key(key, &base, &gen);
    const struct sim_clean *c = p == NULL ? NULL : p->clean;
    int64_t grace = sim.k.grace_ns / SCHED_MS - 2 * sim.k.skew_max_ms;
    if (c == NULL || sim.is_journal_damaged[p->journal]) {
        return;
    }
    for (size_t i = 0; i < c->count; i++) {
        if (is_object(&c->segments[i], base, gen)) {
            sim_violation("what S refers to is not deleted", "%s", key);
        }
    }
    for (size_t i = 0; i < c->garbage_count; i++) {
        const struct place *g = &c->garbage[i];
        if (is_object(g, base, gen) && wall_now() - g->gone_ms < grace) {
            sim_violation("what was referred to is deleted after a grace period",
                          "%s, after %" PRId64 " ms", key, wall_now() - g->gone_ms);
        }
    }
    if (is_free(c, base, gen)) {
        sim_violation("no name is deleted that may be used again", "%s", key);
    }
}
