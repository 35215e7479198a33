/* Segments, judged. Readers of the simulated clients read through them like through anything else;
 * here the objects themselves are compared with the truth, byte by byte and without the code that
 * made them: the header, the footer, each batch at its offset, and the index. */
#include "base/crc32c.h"
#include "segment/segment.h"
#include "sim.h"

#include <stdio.h>

enum { HEADER = 32, FOOTER = 16, INDEX_HEADER = 16, INDEX_ENTRY = 12 };

/* The directory is the topic's id, so that each incarnation has one of its own. */
static void
dir_of(const struct uuid *id, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof(id->b); i++) {
        *out++ = digits[id->b[i] >> 4];
        *out++ = digits[id->b[i] & 15];
    }
    *out = '\0';
}

bool
rolls_policy(void *arg, const struct uuid *topic_id, struct part_policy *ret)
{
    (void)arg;
    /* One topic in two is compacted, some of these deleted from, too. The bodies of these batches
     * hold no records that could be looked into, so that compaction leaves them as they are: what
     * it does to objects and to S is judged here, what it does to records in the unit tests. */
    bool is_compacted = topic_id->b[15] % 2 == 0;
    *ret = (struct part_policy){.is_compacted = is_compacted,
                                .is_deleted = !is_compacted || topic_id->b[15] % 4 == 0,
                                .segment_bytes = INT64_MAX,
                                .segment_ms = -1,
                                .retention_ms = -1,
                                .retention_bytes = sim.k.upkeep_retention_bytes,
                                .max_compaction_lag_ms = INT64_MAX,
                                .dirty_ratio_pm = 100};
    dir_of(topic_id, ret->dir);
    return true;
}

static struct sim_part *
part_of_key(const char *key)
{
    char dir[40], start[80];
    for (int i = 0; i < sim.part_count; i++) {
        dir_of(&sim.parts[i].topic_id, dir);
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

static void
judge_batch(struct judged *s, const struct sim_seen *seen)
{
    if (s->gen > 0 && s->next == s->base && seen->base <= s->part->trim_intent) {
        s->next = seen->base; /* compaction begins where the log does */
    }
    if (seen->base != s->next || seen->base + seen->count > s->part->end) {
        wrong(s, "a batch is out of its place, or not in the truth");
    }
    for (int32_t i = 0; i < seen->count; i++) {
        if (s->part->log[seen->base + i] != (seen->uid << 8 | (uint64_t)i)) {
            wrong(s, "another batch was committed here");
        }
    }
    s->next += seen->count;
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

static void
judge_segment(const char *key, struct span o)
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

static void
judge_refs(struct sim_broker *b, int journal)
{
    const struct state *st = state_of(b, journal);
    if (st == NULL || !is_newest(b, journal)) {
        return;
    }
    size_t pos = 0;
    for (struct part_state *p; (p = state_next_part(st, &pos)) != NULL;) {
        for (size_t i = 0; i < part_segment_count(p); i++) {
            judge_ref(p, part_segment(p, i));
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
        if (len < 5 || strcmp(key + len - 4, ".kfs") != 0) {
            continue;
        }
        judge_segment(key, bytes);
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
