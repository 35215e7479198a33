/* Segments, judged. Readers of the simulated clients read through them like through anything else;
 * here the objects themselves are compared with the truth, byte by byte and without the code that
 * made them: the header, the footer, each batch at its offset, and the index. */
#include "base/crc32c.h"
#include "segment/segment.h"
#include "sim.h"

#include <stdio.h>

enum { HEADER = 32, FOOTER = 16, INDEX_HEADER = 16, INDEX_ENTRY = 12 };

/* A topic that is made again under its name has a directory of its own. */
static void
dir_of(const struct sim_part *p, uint32_t incarnation, char out[TOPIC_DIR_MAX])
{
    char name[32];
    (void)snprintf(name, sizeof(name), "log-%d", p->name);
    topic_dir_name(span_cstr(name), incarnation, out, TOPIC_DIR_MAX);
}

bool
rolls_policy(void *arg, const struct uuid *topic_id, struct part_policy *ret)
{
    (void)arg;
    const struct sim_part *p = NULL;
    for (int i = 0; i < sim.part_count && p == NULL; i++) {
        p = uuid_eq(&sim.parts[i].topic_id, topic_id) ? &sim.parts[i] : NULL;
    }
    if (p == NULL) {
        return false;
    }
    *ret = (struct part_policy){.is_compacted = p->is_compacted,
                                .is_deleted = p->is_deleted,
                                .segment_bytes = INT64_MAX,
                                .segment_ms = -1,
                                .retention_ms = sim.k.retention_ms,
                                .retention_bytes = sim.k.upkeep_retention_bytes,
                                .delete_retention_ms = sim.k.delete_retention_ms,
                                .min_compaction_lag_ms = sim.k.min_lag_ms,
                                .max_compaction_lag_ms = sim.k.max_lag_ms,
                                .dirty_ratio_pm = sim.k.dirty_pm};
    dir_of(p, MISTAKE(one_directory) ? 0 : p->incarnation, ret->dir);
    return true;
}

void
rolls_dir(const struct sim_part *p, char out[TOPIC_DIR_MAX])
{
    dir_of(p, p->incarnation, out);
}

void
rolls_key(const struct sim_part *p, int64_t base, uint32_t gen, char *out)
{
    char dir[TOPIC_DIR_MAX], tail[16] = "";
    dir_of(p, p->incarnation, dir);
    if (gen > 0) {
        (void)snprintf(tail, sizeof(tail), "-%u", gen);
    }
    (void)snprintf(out, STORE_KEY_MAX, "default/%s/%d/segment-%020" PRId64 "%s.kfs", dir,
                   (int)p->index, base, tail);
}

static struct sim_part *
part_of_key(const char *key)
{
    char dir[TOPIC_DIR_MAX], start[TOPIC_DIR_MAX + 40];
    for (int i = 0; i < sim.part_count; i++) {
        dir_of(&sim.parts[i], sim.parts[i].incarnation, dir);
        int len = snprintf(start, sizeof(start), "default/%s/%d/", dir, (int)sim.parts[i].index);
        if (len > 0 && strncmp(key, start, (size_t)len) == 0) {
            return &sim.parts[i];
        }
    }
    return NULL;
}

/* --- one segment --- */

struct judged {
    const char *key;
    struct sim_part *part;
    int64_t base, next;
    int32_t count;
    uint32_t gen;
};

static void
wrong(const struct judged *s, const char *what)
{
    sim_violation("a segment holds what was committed", "%s: %s, at offset %" PRId64, s->key, what,
                  s->next);
}

/* Compaction begins where the log does, and takes records out, or whole batches. Which ones it may,
 * sim_clean.c knows. */
static void
judge_batch(struct judged *s, struct sim_seen *seen)
{
    const char *why = truth_place(s->part, seen);
    bool is_whole = s->gen == 0 || !s->part->has_records;
    if (why != NULL) {
        wrong(s, why);
    }
    if (s->gen > 0 && s->next == s->base && seen->base <= s->part->trim_intent) {
        s->next = seen->base;
    }
    if (sim.is_repair_forced && s->gen > 0 && seen->base >= s->next) {
        s->next = seen->last + 1; /* salvaged: the gaps are judged when it is put in place */
        s->count += seen->count;
        return;
    }
    int32_t count = sim.batches[seen->uid].count;
    bool is_dense =
        seen->base == s->next && seen->count == count && seen->last == seen->base + count - 1;
    if (seen->base < s->next || (is_whole && !is_dense)) {
        wrong(s, "a batch is out of its place, or not whole");
    }
    s->next = seen->last + 1;
    s->count += seen->count;
}

static void
judge_body(struct judged *s, struct span body)
{
    struct sim_seen seen;
    const char *why;
    while (sim_batch_decode(&body, &seen, &why)) {
        judge_batch(s, &seen);
    }
    if (why != NULL) {
        wrong(s, why);
    }
}

static void
judge_frame(struct judged *s, struct span o)
{
    const uint8_t *foot = o.ptr + o.len - FOOTER;
    if (memcmp(o.ptr, "KAFS\0\1\0\0", 8) != 0 || get_u32(o.ptr + 28) != 0 ||
        memcmp(foot + 12, "END!", 4) != 0) {
        wrong(s, "no segment of version 1");
    }
    if (get_u32(foot) != crc32c(0, o.ptr + HEADER, o.len - HEADER - FOOTER)) {
        wrong(s, "the checksum of the body");
    }
    if (get_i64(o.ptr + 8) != s->base || get_i64(foot + 4) != s->next - 1 ||
        get_i32(o.ptr + 16) != s->count) {
        wrong(s, "base, last offset or count");
    }
}

/* "segment-{base}" or "segment-{base}-{generation}". */
static int64_t
base_of_key(const char *key, uint32_t *ret_gen)
{
    char *end;
    int64_t base = strtoll(strstr(key, "segment-") + 8, &end, 10);
    *ret_gen = *end == '-' ? (uint32_t)strtoul(end + 1, NULL, 10) : 0;
    return base;
}

struct sim_part *
rolls_part_of_key(const char *key, int64_t *ret_base, uint32_t *ret_gen)
{
    *ret_base = base_of_key(key, ret_gen);
    return part_of_key(key);
}

void
rolls_judge(const char *key, struct span o)
{
    struct judged s = {.key = key, .part = part_of_key(key)};
    if (s.part == NULL || o.len < HEADER + FOOTER) {
        wrong(&s, "of no partition, or too short");
    }
    s.base = s.next = base_of_key(key, &s.gen);
    if (s.gen > 0) {
        sim_stat(ST_seg_compacted);
    }
    judge_body(&s, span_of(o.ptr + HEADER, o.len - HEADER - FOOTER));
    judge_frame(&s, o);
}

/* --- what S refers to --- */

static void
judge_index(const char *key, struct span kfs)
{
    char name[STORE_KEY_MAX];
    struct sl_error err = SL_ERROR_INIT;
    struct segment_view v;
    struct segment_index ix;
    size_t len;
    (void)snprintf(name, sizeof(name), "%.*s.index", (int)(strlen(key) - 4), key);
    const uint8_t *bytes = sim_store_find(name, &len);
    if (bytes == NULL || segment_open(kfs, &v, &err) != SL_OK ||
        segment_index_open(span_of(bytes, len), &ix, &err) != SL_OK ||
        segment_index_verify(&ix, &v, &err) != SL_OK) {
        sim_violation("a registered segment has its right index", "%s: %s", name,
                      bytes == NULL ? "missing" : err.msg);
    }
}

static void
judge_ref(const struct part_state *p, const struct segment_ref *s)
{
    char key[STORE_KEY_MAX];
    size_t len;
    char tail[16] = "";
    if (s->gen > 0) {
        (void)snprintf(tail, sizeof(tail), "-%u", s->gen);
    }
    (void)snprintf(key, sizeof(key), "default/%s/%d/segment-%020" PRId64 "%s.kfs", part_dir(p),
                   (int)p->index, s->base, tail);
    const uint8_t *bytes = sim_store_find(key, &len);
    if (bytes == NULL || len != s->bytes) {
        sim_violation("what S refers to is there", "%s has %zu bytes", key, len);
    }
    if (get_i64(bytes + len - 12) != s->last || get_u32(bytes + len - 16) != s->body_crc ||
        get_u32(bytes + 16) != s->record_count) {
        sim_violation("S says what is in a segment", "%s", key);
    }
    for (uint32_t i = 0; i < s->slice_count; i++) {
        bool is_first = s->gen > 0 && i == 0; /* the log may have begun behind its base */
        if (!is_first &&
            get_i64(bytes + s->slices[i].position) != s->base + s->slices[i].offset_delta) {
            sim_violation("S says what is in a segment", "%s: slice %u", key, i);
        }
    }
    judge_index(key, span_of(bytes, len));
    sim_stat(ST_seg_read);
}

static struct state *
state_of(const struct sim_broker *b, int journal)
{
    bool is_judged = b->phase == BROKER_UP && broker_mode(b, journal) == JOURNAL_LIVE;
    return is_judged ? shard_state(b->shards[journal]) : NULL;
}

/* An old S may refer to what is deleted by now. */
static bool
is_newest(const struct sim_broker *b, int journal)
{
    struct journal_status s;
    journal_status(shard_journal(b->shards[journal]), &s);
    return s.safe >= truth_last((uint32_t)journal);
}

const struct state *
rolls_newest_state(const struct sim_broker *b, int journal)
{
    struct state *st = state_of(b, journal);
    return st == NULL || !is_newest(b, journal) ? NULL : st;
}

static void
judge_refs(struct sim_broker *b, int journal)
{
    const struct state *st = rolls_newest_state(b, journal);
    if (st == NULL) {
        return;
    }
    size_t pos = 0;
    for (struct part_state *p; (p = state_next_part(st, &pos)) != NULL;) {
        for (size_t i = 0; i < part_segment_count(p); i++) {
            if (part_segment(p, i)->bytes > 0) { /* else nothing was left of it */
                judge_ref(p, part_segment(p, i));
            }
        }
    }
}

static bool
is_referred_to(const char *key, const struct sim_part *part)
{
    uint32_t gen;
    int64_t base = base_of_key(key, &gen);
    for (int i = 0; i < sim.k.brokers; i++) {
        const struct state *st = state_of(&sim.brokers[i], part->journal);
        const struct part_state *p =
            st == NULL ? NULL : state_find_part(st, &part->topic_id, part->index);
        for (size_t k = 0; p != NULL && k < part_segment_count(p); k++) {
            if (part_segment(p, k)->base == base && part_segment(p, k)->gen == gen) {
                return true;
            }
        }
        for (size_t k = 0; st != NULL && k < state_garbage_count(st); k++) {
            const struct garbage_ref *g = state_garbage(st, k);
            if (g->base == base && g->gen == gen && uuid_eq(&g->topic_id, &part->topic_id)) {
                return true;
            }
        }
    }
    return false;
}

void
rolls_check(void)
{
    const char *key;
    struct span bytes;
    for (size_t i = 0; sim_store_object(i, &key, &bytes); i++) {
        size_t len = strlen(key);
        if (len < 5 || strcmp(key + len - 4, ".kfs") != 0 || adopt_is_foreign(part_of_key(key))) {
            continue;
        }
        rolls_judge(key, bytes);
        if (!is_referred_to(key, part_of_key(key))) {
            sim_stat(ST_seg_left);
        }
    }
    for (int i = 0; i < sim.k.brokers; i++) {
        for (int j = 0; j < sim.k.journals; j++) {
            judge_refs(&sim.brokers[i], j);
        }
    }
}
