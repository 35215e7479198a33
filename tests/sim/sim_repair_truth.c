/* SPDX-License-Identifier: Apache-2.0
 *
 * The judge of repaired journals.
 *
 * A snapshot whose key ends with "-repair" is a state that takes the place of the log before it.
 * The moment it lands, what it says is compared with the log as it was, offset by offset, read from
 * the segments that it refers to:
 *
 *   - a record that was in the log is there, at its offset, or the snapshot's losses name it; and
 *     that is so only where the script took the entry that had it;
 *   - a record that is neither was behind everything that the repair took: nobody was told of it,
 *     and nobody has read it;
 *   - where something was read or acknowledged, nothing else is now, nor later; the end is not
 *     before any that left a broker;
 *   - the entry at the fence is there, says the losses, too, and no entry has a higher number.
 *
 * From then on the log is this one. Who serves what was given up, or acknowledges something that is
 * not in it, has the state from before. Behind it, REGISTER and REPLACE by a tool may let go of
 * what a LOSS before them has named. */
#include "journal/manifest.h"
#include "sim.h"

#define EMPTY (UINT64_MAX << 8)
#define SUFFIX "-repair"

static const uint8_t gone = FATE_BY_OP | FATE_FENCED;
static uint64_t fenced[SIM_JOURNALS_MAX]; /* the latest that was passed */

/* --- fates --- */

static void
grow(struct sim_part *p, int64_t end)
{
    while (p->fate_cap < end) {
        int64_t cap = p->fate_cap == 0 ? 256 : p->fate_cap * 2;
        p->fate = sl_realloc(p->fate, (size_t)cap);
        memset(p->fate + p->fate_cap, 0, (size_t)(cap - p->fate_cap));
        p->fate_cap = cap;
    }
}

uint8_t
repairs_fate(const struct sim_part *p, int64_t offset)
{
    return offset >= 0 && offset < p->fate_cap ? p->fate[offset] : 0;
}

bool
repairs_are_gone(const struct sim_part *p, int64_t from, int64_t to)
{
    for (int64_t o = from; o < to; o++) {
        if (o >= p->trim_intent && (repairs_fate(p, o) & gone) == 0) {
            return false;
        }
    }
    return true;
}

static struct sim_part *
part_of(const uint8_t *id)
{
    for (int i = 0; i < sim.part_count; i++) {
        if (memcmp(sim.parts[i].topic_id.b, id, 16) == 0) {
            return &sim.parts[i];
        }
    }
    return NULL;
}

static void
name(struct sim_part *p, int64_t first, int64_t last, uint8_t how)
{
    grow(p, last + 1);
    for (int64_t o = first; o <= last; o++) {
        p->fate[o] |= how;
    }
}

static void
name_all(struct span op, uint8_t how)
{
    size_t count = get_u32(op.ptr);
    const uint8_t *at = op.ptr + 4;
    for (size_t i = 0; i < count; i++) {
        struct sim_part *p = part_of(at);
        if (p != NULL) {
            name(p, get_i64(at + 20), get_i64(at + 28), how);
        }
        at += 46 + get_u16(at + 44);
    }
}

void
repairs_truth_loss(struct span op)
{
    name_all(op, FATE_NAMED);
}

/* --- batches --- */

const char *
repairs_place(const struct sim_part *p, struct sim_seen *s)
{
    if (s->uid == SIM_UID_NONE) {
        s->part = (int)(p - sim.parts);
        return NULL; /* it covers what is lost */
    }
    if (s->base < 0 || s->base + s->count > p->end) {
        return "no batch was committed here";
    }
    if (p->log[s->base] != s->uid << 8) {
        return "another batch was committed here";
    }
    return NULL;
}

/* It stood at the fence, or behind it, when it was asked. Who does not, and has not looked since,
 * may still serve what was committed before it (R8: old, never wrong). */
static bool
has_passed(const struct sim_broker *b, int journal)
{
    struct journal_status s;
    journal_status(shard_journal(b->shards[journal]), &s);
    return s.safe >= fenced[journal] && sim.asked_at > b->reopened_at[journal];
}

void
repairs_check_served(const struct sim_part *p, const struct sim_seen *s, int broker)
{
    int64_t behind = s->uid == SIM_UID_NONE ? s->base : s->base + s->count;
    if (s->last >= p->end || !repairs_are_gone(p, behind, s->last + 1)) {
        sim_violation("readers get every record that was not given up",
                      "broker %d, partition %td: not %" PRId64 " to %" PRId64, broker,
                      p - sim.parts, behind, s->last);
    }
    for (int32_t i = 0; s->present >> i != 0; i++) {
        bool is_fenced = (repairs_fate(p, s->base + i) & FATE_FENCED) != 0;
        if (is_fenced && has_passed(&sim.brokers[broker], p->journal)) {
            sim_violation("no broker goes on with two states",
                          "broker %d serves partition %td offset %" PRId64 ", uid %" PRIu64
                          ", which is given up",
                          broker, p - sim.parts, s->base + i, s->uid);
        }
        if (is_fenced) {
            sim_stat(ST_repair_stale);
        }
    }
}

static bool
is_of_lost_entry(const struct sim_part *p, uint64_t uid)
{
    const struct sim_entry *e = &sim.entries[p->journal][sim.batches[uid].entry];
    return e->is_lost || e->is_unproven;
}

/* Right only behind a lost entry. */
void
repairs_unproven(const char *key)
{
    uint32_t journal = (uint32_t)strtoul(strstr(key, "/journal/") + 9, NULL, 10);
    uint64_t n = strtoull(strrchr(key, '/') + 1, NULL, 10);
    const struct sim_entry *all = sim.entries[journal];
    bool has_hole = false;
    for (uint64_t i = n; i > 0 && n - i < 20 && !has_hole; i--) {
        has_hole = all[i].is_lost;
    }
    if (!has_hole) {
        sim_violation("only what depends on lost objects is given up",
                      "%s: no entry close before it is lost", key);
    }
    sim.entries[journal][n].is_unproven = true;
    sim_stat(ST_repair_unproven);
}

static void
give_up(struct sim_part *p, int64_t o, uint8_t how)
{
    uint64_t uid = p->log[o] >> 8;
    if ((p->fate[o] & FATE_NAMED) == 0) {
        sim_violation("a loss is in the log before what follows from it",
                      "partition %td offset %" PRId64 ", uid %" PRIu64, p - sim.parts, o, uid);
    }
    if (!is_of_lost_entry(p, uid)) {
        sim_violation("only what depends on lost objects is given up",
                      "partition %td offset %" PRId64 ", uid %" PRIu64 " of entry %" PRIu64,
                      p - sim.parts, o, uid, sim.batches[uid].entry);
    }
    p->fate[o] |= how;
    sim.batches[uid].is_given_up = true;
    sim.batches[uid].is_in_truth = how == FATE_BY_OP; /* who is behind may yet answer a retry */
    sim_stat(how == FATE_BY_OP ? ST_repair_op : ST_repair_gone);
}

void
repairs_truth_gaps(struct sim_part *p, int64_t base, int64_t last, const uint8_t *present)
{
    int64_t start = clean_start(p);
    grow(p, last + 1);
    for (int64_t o = base > start ? base : start; o <= last; o++) {
        bool is_there = (present[(o - base) / 8] >> ((o - base) % 8) & 1) != 0;
        if (!is_there && (p->fate[o] & gone) == 0) {
            give_up(p, o, FATE_BY_OP);
        }
    }
}

/* --- a state that takes the place of another --- */

struct rebuilt {
    uint32_t journal;
    uint64_t n;
    struct state *st;
    const char *key;
};

static void
check_entry(const struct rebuilt *r, const struct snapshot_header *h)
{
    const struct sim_entry *all = sim.entries[r->journal];
    size_t cap = sim.entry_cap[r->journal];
    if (r->n >= cap || !all[r->n].is_there || !uuid_eq(&all[r->n].id, &h->last_id)) {
        sim_violation("a loss is in the log before what follows from it",
                      "%s: entry %" PRIu64 " is not there, or is another one", r->key, r->n);
    }
    for (size_t n = (size_t)r->n + 1; n < cap; n++) {
        if (all[n].is_there) {
            sim_violation("a repair goes on behind all entries", "%s: there is entry %zu", r->key,
                          n);
        }
    }
}

/* What the entry at the fence says of losses. */
static void
read_entry(const struct rebuilt *r)
{
    const struct sim_entry *e = &sim.entries[r->journal][r->n];
    for (size_t at = 0; at + 8 <= e->index_len;) {
        size_t len = get_u32(e->index + at + 4);
        if (get_u16(e->index + at) == ITEM_LOSS) {
            name_all(span_of(e->index + at + 8, len), FATE_TOLD);
        }
        at += 8 + len;
    }
}

/* What its segments have: uid << 8 | i, or EMPTY. */
static uint64_t *
content_of(const struct rebuilt *r, const struct sim_part *p, const struct part_state *ps)
{
    uint64_t *all = sl_alloc(((size_t)ps->end + 1) * sizeof(*all));
    memset(all, 0xff, ((size_t)ps->end + 1) * sizeof(*all));
    for (size_t i = 0; i < part_segment_count(ps); i++) {
        const struct segment_ref *s = part_segment(ps, i);
        char key[STORE_KEY_MAX];
        size_t len;
        struct sim_seen seen;
        const char *why;
        rolls_key(p, s->base, s->gen, key);
        const uint8_t *bytes = sim_store_find(key, &len);
        if (s->bytes == 0 || s->last < ps->start) {
            continue;
        }
        if (bytes == NULL && s->last < p->trim_intent) {
            continue; /* whose trim is lost */
        }
        if (bytes == NULL || len != s->bytes) {
            sim_violation("what S refers to is there", "%s: %s", r->key, key);
        }
        struct span body = span_of(bytes + 32, len - 48);
        while (sim_batch_decode(&body, &seen, &why)) {
            for (int32_t k = 0; seen.present >> k != 0 && seen.base + k < ps->end; k++) {
                all[seen.base + k] = seen.uid << 8 | (uint64_t)k;
            }
        }
        if (why != NULL) {
            sim_violation("a segment holds what was committed", "%s: %s", key, why);
        }
    }
    return all;
}

static bool
was_told(const struct sim_part *p, int64_t o)
{
    return sim.batches[p->log[o] >> 8].is_acked || (o < p->seen_cap && p->seen[o] != UINT64_MAX);
}

/* Behind the end of what the repair took. */
static void
drop_rest(struct sim_part *p, int64_t end)
{
    for (int64_t o = end; o < p->end; o++) {
        if (was_told(p, o) && (p->fate[o] & gone) == 0) {
            sim_violation("what left a broker stays in the log",
                          "partition %td offset %" PRId64 ", uid %" PRIu64
                          ", was told, and the repaired log ends at %" PRId64,
                          p - sim.parts, o, p->log[o] >> 8, end);
        }
        sim.batches[p->log[o] >> 8].is_in_truth = false;
        sim_stat(ST_repair_dropped);
    }
    if (truth_end_left_by(p, sim.now) > end) {
        sim_violation("ends do not go back", "partition %td: %" PRId64 " after %" PRId64,
                      p - sim.parts, end, truth_end_left_by(p, sim.now));
    }
}

static void
judge_offset(struct sim_part *p, int64_t o, uint64_t has)
{
    bool was = o < p->end && (p->fate[o] & gone) == 0;
    bool is = has != UINT64_MAX;
    if (is && (!was || p->log[o] != has)) {
        sim_violation("a repair brings back what was committed, where it was",
                      "partition %td offset %" PRId64 ": uid %" PRIu64 "; the log had %" PRIu64
                      ", its end was %" PRId64,
                      p - sim.parts, o, has >> 8, was ? p->log[o] >> 8 : UINT64_MAX, p->end);
    }
    if (is && is_of_lost_entry(p, has >> 8)) {
        sim_stat(ST_repair_kept);
    }
    bool is_new = !is && (was || o >= p->end);
    if (is_new && (p->fate[o] & FATE_TOLD) == 0) {
        sim_violation("a loss is in the log before what follows from it",
                      "partition %td offset %" PRId64 " is not in the entry at the fence",
                      p - sim.parts, o);
    }
    if (!is && was) {
        give_up(p, o, FATE_FENCED);
    } else if (!is && (p->fate[o] & FATE_NAMED) == 0) {
        sim_violation("a loss is in the log before what follows from it",
                      "partition %td offset %" PRId64 " is passed over", p - sim.parts, o);
    } else if (!is && o >= p->end) {
        p->fate[o] |= FATE_FENCED | FATE_EMPTY;
        sim_stat(ST_repair_room);
    }
}

static void
check_start(const struct sim_part *p, int64_t start)
{
    for (int64_t o = clean_start(p); o < start && o < p->end; o++) {
        if (o >= p->trim_intent && (repairs_fate(p, o) & FATE_NAMED) == 0) {
            sim_violation("only a trim moves the start",
                          "partition %td: to %" PRId64 " by a repair", p - sim.parts, start);
        }
    }
}

static void
set_log(struct sim_part *p, int64_t end)
{
    while (p->end < end) {
        SIM_GROW(p->log, p->end, p->cap);
        p->log[p->end++] = EMPTY;
    }
    p->end = end;
}

static void
forget_shown(struct sim_part *p, int64_t start)
{
    p->trim_done = p->trim_done < start ? p->trim_done : start;
    p->trim_intent = p->trim_intent > start ? p->trim_intent : start;
    for (int i = 0; i < sim.k.brokers; i++) {
        int64_t *shown = &sim.brokers[i].start_shown[p - sim.parts];
        *shown = *shown < start ? *shown : start;
    }
}

static void
judge_part(const struct rebuilt *r, struct sim_part *p)
{
    const struct part_state *ps = state_find_part(r->st, &p->topic_id, p->index);
    if (ps == NULL) {
        sim_violation("a repair keeps every partition", "%s: partition %td", r->key, p - sim.parts);
    }
    if (ps->run_count > 0) {
        sim_violation("a repair needs no entry any more", "%s: partition %td has %zu runs", r->key,
                      p - sim.parts, ps->run_count);
    }
    uint64_t *content = content_of(r, p, ps);
    grow(p, ps->end > p->end ? ps->end : p->end);
    check_start(p, ps->start);
    for (int64_t o = ps->start; o < ps->end; o++) {
        if (o < p->trim_intent && content[o] == UINT64_MAX) {
            p->fate[o] |= FATE_FENCED; /* deleted, and its trim is lost */
            continue;
        }
        judge_offset(p, o, content[o]);
    }
    drop_rest(p, ps->end);
    set_log(p, ps->end);
    forget_shown(p, ps->start);
    clean_repaired(p, ps);
    sl_free(content);
}

void
repairs_reopened(struct sim_broker *b, int journal)
{
    b->reopened_at[journal] = sim.now;
    for (int i = 0; i < sim.part_count && fenced[journal] > 0; i++) {
        bool is_here = sim.parts[i].journal == journal;
        b->start_shown[i] = is_here ? 0 : b->start_shown[i];
    }
}

/* What was known of producers is forgotten; their batches may come once more. */
static void
forget_producers(uint32_t journal)
{
    for (size_t i = 0; i < sim.batch_count; i++) {
        struct sim_batch *b = &sim.batches[i];
        if (sim.parts[b->part].journal == (int)journal) {
            b->is_before = b->is_in_truth;
        }
    }
    for (int i = 0; i < sim.pid_count; i++) {
        struct sim_part *p = &sim.parts[sim.pids[i].part];
        if (p->journal == (int)journal) {
            sim.pids[i].is_expired = true;
            sim.pids[i].is_known = false;
            p->has_lost = true;
        }
    }
}

static void
name_losses(const struct rebuilt *r)
{
    size_t count = state_loss_count(r->st);
    for (size_t i = 0; i < count; i++) {
        const struct loss_ref *l = state_loss(r->st, i);
        struct sim_part *p = part_of(l->topic_id.b);
        if (p != NULL) {
            name(p, l->first, l->last, FATE_NAMED);
        }
    }
    losses_truth_set(r->journal, count, count > 0 ? state_loss(r->st, count - 1)->first : 0);
}

static void
judge_rebuilt(const char *key, uint32_t journal, struct span bytes)
{
    struct rebuilt r = {.journal = journal, .st = state_new(), .key = key};
    struct snapshot_header h;
    struct bytes content;
    struct sl_error err = SL_ERROR_INIT;
    bytes_init(&content, 1 << 28);
    if (snapshot_decode(bytes, &h, &content, &err) != SL_OK ||
        state_restore(r.st, bytes_span(&content), &err) != SL_OK) {
        sim_violation("a rebuilt snapshot can be read", "%s: %s", key, err.msg);
    }
    r.n = h.n;
    sim_stat(ST_repair_rebuilt);
    TRACE("truth    journal %u goes on with the state of %s", journal, key);
    check_entry(&r, &h);
    read_entry(&r);
    name_losses(&r);
    for (int i = 0; i < sim.part_count; i++) {
        if (sim.parts[i].journal == (int)journal) {
            judge_part(&r, &sim.parts[i]);
        }
    }
    fenced[journal] = r.n;
    forget_producers(journal);
    truth_goes_on(journal, r.n, h.last_id);
    bytes_fini(&content);
    state_destroy(&r.st);
}

void
repairs_object_created(const char *key, struct span bytes)
{
    const char *at = strstr(key, "/journal/");
    size_t len = strlen(key);
    bool is_repair = len > strlen(SUFFIX) && strcmp(key + len - strlen(SUFFIX), SUFFIX) == 0;
    if (at == NULL || strncmp(key, "_sluice/damaged/", 16) == 0) {
        return;
    }
    uint32_t journal = (uint32_t)strtoul(at + 9, NULL, 10);
    if (is_repair && strstr(key, "/snapshot/") != NULL) {
        judge_rebuilt(key, journal, bytes);
    } else if (strstr(key, "/manifest/") != NULL) {
        struct manifest m;
        struct sl_error err = SL_ERROR_INIT;
        bool is_fence =
            manifest_decode(bytes, &m, &err) == SL_OK && strstr(m.snapshot_key, SUFFIX) != NULL;
        if (is_fence) {
            sim_stat(ST_repair_fence);
        }
    }
}
