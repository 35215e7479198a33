/* The truth: what was committed, told from the objects alone, and the judge of all that leaves.
 *
 * The first object that ever bore a key is the entry of that number, for ever: what is created
 * there again after collection is a ghost and means nothing. Walking n = 1, 2, ... and keeping an
 * entry iff its prev_id is the id of the last one kept gives the true log, independent of
 * manifests, snapshots, windows and of the code under test (batches name their partition and number
 * in their own bytes).
 *
 * Checked the moment it happens:
 *   - a batch enters the truth: its offsets follow on, it was not there before, somebody may still
 *     believe in it (it was not refused), its producer's epoch and sequence follow, batches of one
 *     plain connection keep their order;
 *   - an acknowledgement: the batch is in the truth at that offset;
 *   - a read: every byte is what a client sent, at the offset where the truth has it; end and start
 *     never go back at one broker incarnation, never lie beyond the truth, and after R8 never lie
 *     before what had already left any broker. */
#include "sim.h"

/* A broker that won an entry so lately need not look at the tail (R8, journal_is_fresh). */
#define LATELY (150 * SCHED_MS)

const uint8_t *
sim_take(struct span *rest, size_t n)
{
    const uint8_t *at = rest->ptr;
    if (n > rest->len) {
        sim_violation("ops of groups can be read", "%zu bytes of %zu", n, rest->len);
    }
    *rest = span_of(rest->ptr + n, rest->len - n);
    return at;
}

static struct sim_part *
part_of(int gid)
{
    if (gid < 0 || gid >= sim.part_count) {
        sim_violation("batch names its partition", "partition number %d", gid);
    }
    return &sim.parts[gid];
}

static void
check_producer(const struct sim_batch *b, uint64_t uid)
{
    struct sim_pid *s = &sim.pids[b->pid];
    if (s->is_known && b->epoch < s->epoch) {
        sim_violation("producer epochs ascend", "uid %" PRIu64 ": epoch %d after %d", uid, b->epoch,
                      s->epoch);
    }
    bool is_first = !s->is_known || b->epoch > s->epoch;
    int32_t want = is_first ? 0 : s->seq + 1;
    bool may_begin_anywhere =
        s->is_expired || (is_first && sim.parts[b->part].has_lost && !s->is_known);
    if (b->seq != want && !may_begin_anywhere) {
        sim_violation("batches of a producer in order",
                      "uid %" PRIu64 " pid %" PRId64 " epoch %d: sequence %d where %d belongs", uid,
                      b->pid, b->epoch, b->seq, want);
    }
    s->is_known = true;
    s->is_expired = false;
    s->last_at = sim.now;
    s->epoch = b->epoch;
    s->seq = b->seq + b->count - 1;
}

static void
check_connection(struct sim_part *p, const struct sim_batch *b, uint64_t uid)
{
    if (p->last_connection[b->client] == b->connection && p->last_order[b->client] > b->order) {
        sim_violation("batches of a connection in order",
                      "uid %" PRIu64 " of client %d landed behind a later one", uid, b->client);
    }
    p->last_connection[b->client] = b->connection;
    p->last_order[b->client] = b->order;
}

static void
truth_append(uint32_t journal, uint64_t n, const struct sim_seen *s)
{
    struct sim_part *p = part_of(s->part);
    struct sim_batch *b = &sim.batches[s->uid];
    if (p->journal != (int)journal) {
        sim_violation("partition lives in one journal", "uid %" PRIu64, s->uid);
    }
    if (s->base != p->end) {
        sim_violation("offsets dense, never reassigned",
                      "entry %u/%" PRIu64 " puts uid %" PRIu64 " of partition %d at %" PRId64
                      ", the log ends at %" PRId64,
                      journal, n, s->uid, s->part, s->base, p->end);
    }
    if (b->is_before && b->is_in_truth) { /* what was known of its producer is forgotten */
        sim_stat(ST_repair_twice);
        b->before_base = b->base + 1;
        b->is_acked = false; /* it was, there */
        b->is_before = b->is_in_truth = false;
    }
    if (b->is_in_truth) {
        sim_violation("no batch twice",
                      "entry %u/%" PRIu64 ": uid %" PRIu64 " is in the log at %" PRId64
                      " and again at %" PRId64,
                      journal, n, s->uid, b->base, s->base);
    }
    if (b->open_attempts + b->unknown_attempts == 0 && !sim.is_rebuilding) {
        sim_violation("what was refused stays out",
                      "entry %u/%" PRIu64 ": uid %" PRIu64 ", %d attempts, all refused", journal, n,
                      s->uid, b->attempts);
    }
    if (b->pid >= 0) {
        check_producer(b, s->uid);
    } else {
        check_connection(p, b, s->uid);
    }
    if (s->last != s->base + b->count - 1 || s->count != b->count) {
        sim_violation("entries hold whole batches", "uid %" PRIu64, s->uid);
    }
    b->base_ts = get_i64(s->bytes + 27);
    b->max_ts = get_i64(s->bytes + 35);
    b->attributes = get_i16(s->bytes + 21);
    b->is_in_truth = true;
    b->base = s->base;
    b->entry = n;
    for (int32_t i = 0; i < s->count; i++) {
        SIM_GROW(p->log, p->end, p->cap);
        p->log[p->end++] = s->uid << 8 | (uint64_t)i;
    }
}

/* Retention trims, too; whoever does, the start may be there from now on. */
static void
truth_trim(struct span op)
{
    for (; op.len >= 28; op = span_of(op.ptr + 28, op.len - 28)) {
        for (int i = 0; i < sim.part_count; i++) {
            struct sim_part *p = &sim.parts[i];
            if (memcmp(p->topic_id.b, op.ptr, 16) == 0 && p->index == get_i32(op.ptr + 16) &&
                p->trim_intent < get_i64(op.ptr + 20)) {
                p->trim_intent = get_i64(op.ptr + 20);
                sim_stat(ST_retained);
            }
        }
    }
}

static void
truth_ops(uint32_t journal, uint64_t n, const struct sim_entry *e)
{
    size_t groups = 0;
    for (size_t at = 0; at + 8 <= e->index_len;) {
        uint16_t kind = get_u16(e->index + at);
        size_t len = get_u32(e->index + at + 4);
        if (len > e->index_len - at - 8) {
            sim_violation("entries are whole", "journal %u: an item of %zu bytes", journal, len);
        }
        groups += kind == ITEM_GROUP || kind == ITEM_OFFSETS ? 1 : 0;
        if (kind == ITEM_TRIM) {
            truth_trim(span_of(e->index + at + 8, len));
        }
        const struct truth_op op = {journal, n, e->time_ms, kind, span_of(e->index + at + 8, len)};
        clean_truth_op(&op);
        groups_truth_item(journal, kind, span_of(e->index + at + 8, len));
        topics_truth_item(kind, span_of(e->index + at + 8, len));
        at += 8 + len;
    }
    if (groups > 1) {
        sim_stat(ST_group_shared);
    }
}

static void
truth_apply(uint32_t journal, uint64_t n)
{
    struct sim_entry *e = &sim.entries[journal][n];
    struct span rest = span_of(e->data, e->data_len);
    struct sim_seen s;
    const char *why;
    if (!uuid_eq(&e->prev, &sim.truth_id[journal])) {
        sim_stat(ST_void_entry);
        TRACE("truth    entry %u/%" PRIu64 " is void", journal, n);
        return;
    }
    sim.truth_id[journal] = e->id;
    while (sim_batch_decode(&rest, &s, &why)) {
        TRACE("truth    entry %u/%" PRIu64 ": partition %d, %" PRId64 "+%d is uid %" PRIu64,
              journal, n, s.part, s.base, s.count, s.uid);
        truth_append(journal, n, &s);
    }
    if (why != NULL) {
        sim_violation("entries hold whole batches", "entry %u/%" PRIu64 ": %s", journal, n, why);
    }
    truth_ops(journal, n, e);
}

static void
truth_advance(uint32_t journal)
{
    uint64_t *n = &sim.truth_n[journal];
    while (*n + 1 < sim.entry_cap[journal] && sim.entries[journal][*n + 1].is_there) {
        ++*n;
        truth_apply(journal, *n);
    }
}

void
truth_entry_created(uint32_t journal, uint64_t n, struct span bytes)
{
    if (n == 0 || n > 1000000 || bytes.len < 128) { /* a repair goes on far behind */
        sim_violation("entry keys make sense", "entry %u/%" PRIu64 " of %zu bytes", journal, n,
                      bytes.len);
    }
    while (n >= sim.entry_cap[journal]) {
        size_t cap = sim.entry_cap[journal] == 0 ? 256 : sim.entry_cap[journal] * 2;
        sim.entries[journal] = sl_realloc(sim.entries[journal], cap * sizeof(struct sim_entry));
        memset(sim.entries[journal] + sim.entry_cap[journal], 0,
               (cap - sim.entry_cap[journal]) * sizeof(struct sim_entry));
        sim.entry_cap[journal] = cap;
    }
    struct sim_entry *e = &sim.entries[journal][n];
    size_t head = get_u32(bytes.ptr + 96);
    if (head > bytes.len) {
        sim_violation("entries are whole", "entry %u/%" PRIu64, journal, n);
    }
    *e = (struct sim_entry){.is_there = true,
                            .acked_through = get_u64(bytes.ptr + 72),
                            .time_ms = get_i64(bytes.ptr + 80)};
    memcpy(e->id.b, bytes.ptr + 40, 16);
    memcpy(e->prev.b, bytes.ptr + 56, 16);
    e->data_len = (size_t)get_u64(bytes.ptr + 104);
    if (e->data_len != bytes.len - head) {
        sim_violation("entries are whole", "entry %u/%" PRIu64 ": data of %zu bytes", journal, n,
                      e->data_len);
    }
    e->index_len = get_u32(bytes.ptr + 92);
    if (e->index_len > head - 128) {
        sim_violation("entries are whole", "entry %u/%" PRIu64 ": index of %zu bytes", journal, n,
                      e->index_len);
    }
    e->index = sl_alloc(e->index_len + 1);
    memcpy(e->index, bytes.ptr + 128, e->index_len);
    e->data = sl_alloc(e->data_len + 1);
    memcpy(e->data, bytes.ptr + head, e->data_len);
    truth_advance(journal);
}

/* Power loss took back what had been visible: the log is what is left. */
void
truth_entry_dropped(uint32_t journal, uint64_t n)
{
    if (n >= sim.entry_cap[journal]) {
        return;
    }
    sim.entries[journal][n].is_there = false;
    sim.truth_n[journal] = 0;
    sim.truth_id[journal] = (struct uuid){{0}};
    for (int i = 0; i < sim.part_count; i++) {
        struct sim_part *p = &sim.parts[i];
        if (p->journal == (int)journal) {
            p->end = 0;
            memset(p->last_order, 0, sizeof(p->last_order));
            memset(p->last_connection, 0, sizeof(p->last_connection));
        }
    }
    for (size_t i = 0; i < sim.batch_count; i++) {
        struct sim_batch *b = &sim.batches[i];
        if (sim.parts[b->part].journal == (int)journal) {
            b->is_in_truth = false;
            if (b->pid >= 0) {
                sim.pids[b->pid] = (struct sim_pid){.part = b->part, .is_expired = true};
            }
        }
    }
    groups_truth_reset(journal);
    clean_truth_reset(journal, n);
    if (journal == 0) {
        topics_truth_reset();
    }
    sim.is_rebuilding = true;
    truth_advance(journal);
    sim.is_rebuilding = false;
}

void
truth_goes_on(uint32_t journal, uint64_t n, struct uuid id)
{
    sim.truth_n[journal] = n;
    sim.truth_id[journal] = id;
    truth_advance(journal);
}

uint64_t
truth_last(uint32_t journal)
{
    return sim.truth_n[journal];
}

void
truth_end_left(struct sim_part *p, int64_t end)
{
    if (p->left_count > 0 && p->left[p->left_count - 1].end >= end) {
        return;
    }
    SIM_GROW(p->left, p->left_count, p->left_cap);
    p->left[p->left_count++] = (struct sim_left){sim.now, end};
}

int64_t
truth_end_left_by(const struct sim_part *p, int64_t at)
{
    for (size_t i = p->left_count; i-- > 0;) {
        if (p->left[i].at <= at) {
            return p->left[i].end;
        }
    }
    return 0;
}

void
truth_acked(uint64_t uid, int64_t base, const char *who)
{
    struct sim_batch *b = &sim.batches[uid];
    bool is_before = b->before_base > 0 && b->before_base - 1 == base;
    if ((!b->is_in_truth || b->base != base) && !is_before) {
        sim_violation("what was acknowledged is in the log",
                      "%s acknowledges uid %" PRIu64 " of partition %d at %" PRId64
                      "; the log has it %s (%" PRId64 ")",
                      who, uid, b->part, base, b->is_in_truth ? "elsewhere" : "nowhere",
                      b->is_in_truth ? b->base : -1);
    }
    b->is_acked = true;
    b->acked_base = b->base;
    truth_end_left(&sim.parts[b->part], base + b->count);
}

void
truth_refused(uint64_t uid, enum sl_err rc)
{
    const struct sim_batch *b = &sim.batches[uid];
    if (b->is_in_truth && b->attempts == 1) {
        sim_violation("what was refused stays out",
                      "uid %" PRIu64 " refused with %s although the log has it at %" PRId64, uid,
                      sl_err_name(rc), b->base);
    }
}

/* --- reads */

static void
note_seen(struct sim_part *p, const struct sim_seen *s)
{
    while (s->last >= p->seen_cap) {
        int64_t cap = p->seen_cap == 0 ? 256 : p->seen_cap * 2;
        p->seen = sl_realloc(p->seen, (size_t)cap * sizeof(*p->seen));
        p->seen_hash = sl_realloc(p->seen_hash, (size_t)cap * sizeof(*p->seen_hash));
        memset(p->seen + p->seen_cap, 0xff, (size_t)(cap - p->seen_cap) * sizeof(*p->seen));
        p->seen_cap = cap;
    }
    for (int32_t i = 0; s->present >> i != 0; i++) {
        uint64_t id = s->uid << 8 | (uint64_t)i;
        int64_t at = s->base + i;
        if ((s->present >> i & 1) == 0) {
            continue;
        }
        if (p->seen[at] != UINT64_MAX && (p->seen[at] != id || p->seen_hash[at] != s->hash)) {
            sim_violation(
                "readers never diverge",
                "partition %d offset %" PRId64 ": uid %" PRIu64 " now, %" PRIu64 " earlier%s",
                s->part, at, s->uid, p->seen[at] >> 8, p->seen[at] == id ? " (bytes differ)" : "");
        }
        p->seen[at] = id;
        p->seen_hash[at] = s->hash;
    }
}

const char *
truth_place(const struct sim_part *p, struct sim_seen *s)
{
    if (sim.is_repair_forced) {
        return repairs_place(p, s);
    }
    if (s->base < 0 || s->last >= p->end || (p->log[s->base] & 0xff) != 0) {
        return "no batch was committed here";
    }
    uint64_t uid = p->log[s->base] >> 8;
    if (s->uid == SIM_UID_NONE) {
        s->uid = uid;
        s->part = sim.batches[uid].part;
        return sim_records_judge_header(s->bytes, s);
    }
    return s->uid == uid ? NULL : "another batch was committed here";
}

/* Of a compacted log any record may be missing that is gone by now. */
static void
check_missing(const struct sim_part *p, const struct sim_seen *s, int64_t want, int broker)
{
    for (int64_t o = want; o <= s->last; o++) {
        int64_t i = o - s->base;
        bool is_there = i >= 0 && i < 32 && (s->present >> i & 1) != 0;
        if (!is_there && !clean_is_gone(p, o)) {
            sim_violation("readers get every record that compaction left",
                          "broker %d, partition %td: not %" PRId64 ", between %" PRId64
                          " and %" PRId64,
                          broker, p - sim.parts, o, want, s->last);
        }
    }
}

static void
check_batch(struct sim_part *p, struct sim_seen *s, int64_t want, int broker)
{
    int gid = (int)(p - sim.parts);
    const char *why = truth_place(p, s);
    if (why != NULL) {
        sim_violation("reads show the log",
                      "broker %d serves uid %" PRIu64 " at partition %d offset %" PRId64
                      " to %" PRId64 "; the log ends at %" PRId64 ": %s",
                      broker, s->uid, gid, s->base, s->last, p->end, why);
    }
    bool is_in_place =
        p->has_records ? s->last >= want : s->base == want && s->last == s->base + s->count - 1;
    if (sim.is_repair_forced) {
        is_in_place = s->base >= want && repairs_are_gone(p, want, s->base);
    }
    if (s->part != gid || !is_in_place) {
        sim_violation("reads are dense",
                      "broker %d, partition %d: batch of partition %d at %" PRId64 " where %" PRId64
                      " belongs",
                      broker, gid, s->part, s->base, want);
    }
    if (p->has_records) {
        check_missing(p, s, want, broker);
    }
    if (sim.is_repair_forced) {
        repairs_check_served(p, s, broker);
    }
    note_seen(p, s);
}

/* Gives the pieces as one; a batch may lie across two of them. */
struct span
sim_read_bytes(const struct part_read *r)
{
    static uint8_t *all;
    static size_t cap;
    size_t len = 0;
    for (size_t i = 0; i < r->piece_count; i++) {
        struct span s = r->pieces[i].bytes;
        if (len + s.len > cap) {
            cap = 2 * (len + s.len);
            all = sl_realloc(all, cap);
        }
        memcpy(all + len, s.ptr, s.len);
        len += s.len;
    }
    return span_of(all, len);
}

static void
check_pieces(struct sim_part *p, const struct part_read *r, int broker)
{
    struct span rest = sim_read_bytes(r);
    size_t total = rest.len;
    size_t batches = 0;
    int64_t want = -1;
    const char *why = NULL;
    struct sim_seen s;
    while (sim_batch_decode(&rest, &s, &why)) {
        bool is_begun =
            (s.base <= r->offset || p->has_records || repairs_are_gone(p, r->offset, s.base)) &&
            s.last >= r->offset;
        if (want < 0 && !is_begun) {
            sim_violation("a read begins where it was asked to",
                          "offset %" PRId64 ", first batch %" PRId64 "+%d", r->offset, s.base,
                          s.count);
        }
        int64_t first = p->has_records ? r->offset : s.base;
        check_batch(p, &s, want < 0 ? first : want, broker);
        want = s.last + 1;
        batches++;
    }
    if (why != NULL) {
        sim_violation("reads give what was sent",
                      "broker %d, partition %td, offset %" PRId64 ": %s", broker, p - sim.parts,
                      r->offset, why);
    }
    if (want > r->high_watermark) {
        sim_violation("nothing beyond the high watermark is read", "to %" PRId64 " of %" PRId64,
                      want, r->high_watermark);
    }
    if (total != r->total_bytes || (total > r->max_bytes && batches > 1)) {
        sim_violation("reads keep to their size", "%zu bytes said, %zu given, %zu wanted",
                      r->total_bytes, total, r->max_bytes);
    }
}

static void
check_ends(struct sim_part *p, const struct part_read *r, int broker)
{
    int gid = (int)(p - sim.parts);
    struct sim_broker *b = &sim.brokers[broker];
    if (r->high_watermark > p->end || r->high_watermark < r->log_start) {
        sim_violation("the end is in the log",
                      "broker %d, partition %d: start %" PRId64 ", end %" PRId64
                      ", the log ends at %" PRId64,
                      broker, gid, r->log_start, r->high_watermark, p->end);
    }
    if (r->log_start > p->trim_intent) {
        sim_violation("only a trim moves the start", "broker %d, partition %d: %" PRId64, broker,
                      gid, r->log_start);
    }
    b->end_shown[gid] =
        r->high_watermark > b->end_shown[gid] ? r->high_watermark : b->end_shown[gid];
    if (sim.asked_at > b->reopened_at[p->journal]) { /* else it is of the S before */
        b->start_shown[gid] =
            r->log_start > b->start_shown[gid] ? r->log_start : b->start_shown[gid];
    }
}

static void
check_fresh(const struct sim_part *p, const struct part_read *r, int broker, int64_t asked_at)
{
    int64_t least = truth_end_left_by(p, asked_at - LATELY);
    if (r->high_watermark < least) {
        sim_violation("after R8 the end is the end",
                      "broker %d, partition %td: end %" PRId64 ", but %" PRId64
                      " had left a broker before",
                      broker, p - sim.parts, r->high_watermark, least);
    }
    if (p->trim_done_at <= asked_at - LATELY && r->log_start < p->trim_done) {
        sim_violation("after R8 the start is the start",
                      "broker %d, partition %td: start %" PRId64 ", trimmed to %" PRId64 " before",
                      broker, p - sim.parts, r->log_start, p->trim_done);
    }
}

static bool
may_be_frozen(void)
{
    return sim.k.every[F_freeze] > 0;
}

void
truth_read(struct sim_part *p, const struct part_read *r, int broker, int64_t asked_at,
           bool is_refreshed)
{
    int gid = (int)(p - sim.parts);
    bool is_fresh = is_refreshed && !may_be_frozen();
    sim.asked_at = asked_at;
    switch (r->rc) {
    case SL_OK:
        check_ends(p, r, broker);
        if (is_fresh && r->offset >= r->high_watermark) {
            check_fresh(p, r, broker, asked_at);
        }
        check_pieces(p, r, broker);
        if (r->piece_count == 0 && r->offset < r->high_watermark && r->is_at_least_one) {
            sim_violation("nobody is quietly given less",
                          "broker %d, partition %d: nothing at %" PRId64 " of %" PRId64, broker,
                          gid, r->offset, r->high_watermark);
        }
        truth_end_left(p, r->high_watermark);
        break;
    case SL_EOFFSET_RANGE:
        if (is_fresh && r->offset >= p->trim_intent &&
            r->offset <= truth_end_left_by(p, asked_at - LATELY)) {
            sim_violation("an offset that left is in range", "broker %d, partition %d: %" PRId64,
                          broker, gid, r->offset);
        }
        break;
    case SL_EUNKNOWN_PARTITION:
        if (is_fresh && p->phase == PART_OPEN && p->opened_at <= asked_at - LATELY) {
            sim_violation("an open partition is known", "broker %d, partition %d", broker, gid);
        }
        break;
    case SL_EPARTITION_FAILED:
    case SL_ECORRUPT:
        if (!sim.is_journal_damaged[p->journal]) {
            sim_violation("nothing fails without damage", "broker %d, partition %d: %s", broker,
                          gid, sl_err_name(r->rc));
        }
        break;
    default:
        break;
    }
}

void
truth_lookup(struct sim_part *p, const struct part_lookup *l, int broker, int64_t asked_at)
{
    int gid = (int)(p - sim.parts);
    bool is_end = l->kind == PART_LOOKUP_END;
    if (l->rc == SL_EPARTITION_FAILED && !sim.is_journal_damaged[p->journal]) {
        sim_violation("nothing fails without damage", "broker %d, partition %d: lookup", broker,
                      gid);
    }
    if (l->rc != SL_OK) {
        return;
    }
    if (l->offset < 0 || l->offset > (is_end ? p->end : p->trim_intent)) {
        sim_violation("a lookup tells the log", "broker %d, partition %d: %s %" PRId64, broker, gid,
                      is_end ? "end" : "start", l->offset);
    }
    if (is_end && !may_be_frozen() && l->offset < truth_end_left_by(p, asked_at - LATELY)) {
        sim_violation("after R8 the end is the end",
                      "broker %d, partition %d: looked up %" PRId64 ", but %" PRId64
                      " had left a broker before",
                      broker, gid, l->offset, truth_end_left_by(p, asked_at - LATELY));
    }
    if (is_end) {
        truth_end_left(p, l->offset);
    }
}

void
truth_final(void)
{
    for (size_t i = 0; i < sim.batch_count; i++) {
        const struct sim_batch *b = &sim.batches[i];
        if (b->is_acked && !b->is_given_up && (!b->is_in_truth || b->base != b->acked_base)) {
            sim_violation("what was acknowledged is in the log",
                          "uid %zu of partition %d, acknowledged at %" PRId64 ", is lost", i,
                          b->part, b->acked_base);
        }
    }
    for (int i = 0; i < sim.part_count; i++) {
        const struct sim_part *p = &sim.parts[i];
        for (int64_t o = 0; o < p->seen_cap; o++) {
            if (p->seen[o] != UINT64_MAX && (o >= p->end || p->log[o] != p->seen[o])) {
                sim_violation("readers never diverge",
                              "partition %d offset %" PRId64 ": uid %" PRIu64
                              " was read there and is not there",
                              i, o, p->seen[o] >> 8);
            }
        }
    }
}
