/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of a journal is a function of all its entries. With some of them missing, most of it
 * can still be had, because what comes later says much of what was lost:
 *
 *   - a run says where it begins. What lies between that and the end of its partition was in the
 *     hole. Those offsets become runs of REBUILD_FILLER, so that S stays dense; what no segment
 *     turns out to hold of them is a loss with a name;
 *   - a REGISTER or a TRIM says that offsets were there. Segments were made of verified runs: if a
 *     lost run was rolled before its entry was, the segment has its records. A segment must end
 *     where a run ends, so fillers are cut where segments will end (rebuild_foresee);
 *   - facts of a group are whole in each GROUP op: only the version that it was built on is put
 *     right. Offsets need nothing;
 *   - a name that is taken again was free, so its topic was deleted; one whose partitions are
 *     retired was, too;
 *   - a REGISTER that does not follow, because the one before it is lost, is passed over: the runs
 *     are there. So is a REPLACE. What was garbage stays it, and is deleted once more.
 *
 * Where no later run of a partition says how far the lost ones went, nobody knows: readers may have
 * seen offsets that no object holds any more. They must never be given to other records, so
 * REBUILD_SKIP of them are passed over for each lost entry. Producers may have been told of batches
 * that are gone: what is known of them is forgotten, in the way of R10, so that they can go on. */
#include "base/cursor.h"
#include "journal/mistakes.h"
#include "repair/rebuild_int.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { PRODUCER_IDS_SKIP = 1000000 };
/* No hole is that large; a number that says so is not believed. */
#define FILL_MAX ((int64_t)1 << 40)

struct mark_key {
    const struct uuid *topic_id;
    int32_t partition;
};

static bool
mark_eq(const void *value, const void *key)
{
    const struct mark *m = (const struct mark *)value;
    const struct mark_key *k = (const struct mark_key *)key;
    return m->partition == k->partition && uuid_eq(&m->topic_id, k->topic_id);
}

static uint64_t
mark_hash(const struct mark_key *k)
{
    return hash_bytes(k->topic_id->b, sizeof(k->topic_id->b)) ^
           hash_u64((uint64_t)(uint32_t)k->partition);
}

static struct mark *
mark_find(const struct rebuild *r, const struct uuid *topic_id, int32_t partition)
{
    const struct mark_key k = {topic_id, partition};
    return (struct mark *)map_get(&r->marks, mark_hash(&k), mark_eq, &k);
}

struct mark *
repair__mark_get(struct rebuild *r, const struct uuid *topic_id, int32_t partition)
{
    struct mark *m = mark_find(r, topic_id, partition);
    if (m == NULL) {
        const struct mark_key k = {topic_id, partition};
        m = (struct mark *)sl_alloc(sizeof(*m));
        *m = (struct mark){.topic_id = *topic_id, .partition = partition, .unknown_from = -1};
        map_add(&r->marks, mark_hash(&k), m);
    }
    return m;
}

void
rebuild_init(struct rebuild *r, struct state *st)
{
    *r = (struct rebuild){.st = st};
}

void
rebuild_fini(struct rebuild *r)
{
    size_t pos = 0;
    for (struct mark *m; (m = (struct mark *)map_next(&r->marks, &pos));) {
        sl_free(m->cuts);
        sl_free(m);
    }
    map_fini(&r->marks);
}

void
repair__rebuild_tell(struct rebuild *r, enum rebuild_kind kind, uint64_t n, const char *fmt, ...)
{
    char text[300];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    r->is_refused = r->is_refused || kind == REBUILD_LOST;
    if (r->told != NULL) {
        r->told(r->arg, kind, n, text);
    }
}

/* --- ops that nobody wrote --- */

void
repair__apply_own(struct rebuild *r, enum item_kind kind, struct span payload, int64_t time_ms)
{
    struct sl_error err = SL_ERROR_INIT;
    const struct state_item item = {.n = REBUILD_FILLER,
                                    .time_ms = time_ms,
                                    .kind = (uint16_t)kind,
                                    .version = op_version(kind),
                                    .payload = payload};
    enum sl_err rc = state_apply(r->st, &item, &err);
    SL_ASSERT(rc == SL_OK); /* made for this very state */
}

void
repair__open_partition(struct rebuild *r, const struct uuid *topic_id, int32_t index)
{
    struct bytes op;
    bytes_init(&op, 256);
    op_encode_open(&op, topic_id, &index, 1);
    repair__apply_own(r, ITEM_OPEN, bytes_span(&op), 0);
    bytes_fini(&op);
}

void
repair__delete_topic(struct rebuild *r, const struct uuid *id, int64_t time_ms)
{
    const struct topic_state *t = state_find_topic_id(r->st, id);
    struct bytes op;
    if (t == NULL || t->is_deleting) {
        return;
    }
    bytes_init(&op, 64);
    op_encode_topic_delete(&op, id, 1);
    repair__apply_own(r, ITEM_TOPIC_DELETE, bytes_span(&op), time_ms);
    bytes_fini(&op);
}

/* Where the filler that begins at `from` and must not go beyond `to` ends. */
static int64_t
filler_end(const struct mark *m, int64_t from, int64_t to)
{
    int64_t end = to - from > INT32_MAX ? from + INT32_MAX : to;
    for (size_t i = 0; i < m->cut_count; i++) {
        end = m->cuts[i] > from && m->cuts[i] < end ? m->cuts[i] : end;
    }
    return end;
}

bool
repair__fill(struct rebuild *r, struct part_state *p, int64_t to)
{
    const struct mark *m = repair__mark_get(r, &p->topic_id, p->index);
    uint8_t raw[RUN_BYTES];
    if (to > p->end && to - p->end > FILL_MAX) {
        return false;
    }
    while (p->end < to) {
        int64_t end = filler_end(m, p->end, to);
        const struct run run = {.topic_id = p->topic_id,
                                .partition = p->index,
                                .offset_count = (int32_t)(end - p->end),
                                .base_offset = p->end,
                                .max_timestamp = -1,
                                .length = 1,
                                .flags = RUN_HAS_PRODUCER,
                                .producer_id = INT64_MAX,
                                .origin_producer_id = -1};
        run_encode(&run, raw);
        repair__apply_own(r, ITEM_RUN, span_of(raw, sizeof(raw)), 0);
    }
    return true;
}

/* --- an entry --- */

/* Where everything before is there, S takes it as it is. What S contradicts is as good as lost. */
static void
do_item(struct at *a)
{
    struct sl_error err = SL_ERROR_INIT;
    if (a->r->holes == 0 && repair__apply(a, a->item.payload, &err) == SL_OK) {
        return;
    }
    if (a->r->holes == 0) {
        repair__rebuild_tell(a->r, REBUILD_LOST, a->item.n, "it contradicts what is before it: %s",
                             err.msg);
        rebuild_hole(a->r, 1);
    }
    repair__take_torn(a);
}

static bool
is_known(const struct entry_item *it)
{
    return it->kind == ITEM_RUN || (it->kind >= ITEM_TOPICS_CREATE && it->kind <= ITEM_QUOTA) ||
           (it->kind >= ITEM_OPEN && it->kind <= ITEM_GARBAGE_DONE) || it->kind == ITEM_ADOPT ||
           it->kind == ITEM_LOSS || (it->kind >= ITEM_GROUP && it->kind <= ITEM_GROUP_DELETE);
}

/* What this program does not know it must not pass over. */
static enum sl_err
check_versions(const struct entry_view *e, struct sl_error *err)
{
    struct entry_cursor items = entry_items(e);
    struct entry_item it;
    bool is_bad = false;
    while (entry_next(&items, &it, &is_bad)) {
        if (!is_known(&it) || it.version == 0 || it.version > op_version((enum item_kind)it.kind)) {
            return sl_error_set(err, SL_EVERSION,
                                "entry %" PRIu64 ": item kind %u version %u is unknown to this"
                                " binary; run a newer sluice",
                                e->h.n, (unsigned)it.kind, (unsigned)it.version);
        }
    }
    return SL_OK;
}

enum sl_err
rebuild_entry(struct rebuild *r, const struct entry_view *e, struct sl_error *err)
{
    struct entry_cursor items = entry_items(e);
    struct entry_item it;
    bool is_bad = false;
    enum sl_err rc = check_versions(e, err);
    r->is_refused = false;
    while (rc == SL_OK && entry_next(&items, &it, &is_bad)) {
        struct at a = {.r = r,
                       .e = e,
                       .item = {.n = e->h.n,
                                .time_ms = e->h.time_ms,
                                .head_bytes = e->h.head_bytes,
                                .kind = it.kind,
                                .version = it.version,
                                .payload = it.payload}};
        do_item(&a);
    }
    if (is_bad) {
        repair__rebuild_tell(r, REBUILD_LOST, e->h.n,
                             "the rest of its index, which cannot be decoded");
        rebuild_hole(r, 1);
    }
    return rc;
}

void
rebuild_hole(struct rebuild *r, uint64_t entries)
{
    r->holes++;
    r->lost += entries;
}

/* --- at the end --- */

void
rebuild_partitions(struct rebuild *r, const struct state *names, uint32_t journal, bool is_certain)
{
    struct bytes gone;
    size_t pos = 0, count = 0;
    for (const struct topic_state *t; (t = state_next_topic(names, &pos));) {
        for (int32_t i = 0; i < t->partition_count; i++) {
            if (t->journals[i] == journal && i < t->opened_count) {
                (void)repair__part_of(r, &t->id, i);
            }
        }
    }
    bytes_init(&gone, (size_t)1 << 30);
    pos = 0;
    for (const struct part_state *p; is_certain && (p = state_next_part(r->st, &pos));) {
        if (state_find_topic_id(names, &p->topic_id) == NULL) {
            op_encode_retire(&gone, &p->topic_id);
            count++;
        }
    }
    if (count > 0) {
        repair__apply_own(r, ITEM_RETIRE, bytes_span(&gone), 0);
    }
    bytes_fini(&gone);
}

/* Its records may go on behind what is known. */
static void
leave_room(struct rebuild *r, struct part_state *p)
{
    struct bytes op;
    struct mark *m = repair__mark_get(r, &p->topic_id, p->index);
    int64_t room = INT64_MAX - 1 - p->end, want = (int64_t)(r->lost * REBUILD_SKIP);
    bool is_empty = p->start == p->end;
    if (m->holes == r->holes) {
        return;
    }
    m->unknown_from = p->end;
    want = want < FILL_MAX ? want : FILL_MAX;
    want = MISTAKE(repair_gives_again) ? 0 : want;
    (void)repair__fill(r, p, p->end + (want < room ? want : room));
    if (is_empty) {
        bytes_init(&op, 64);
        op_encode_trim(&op, &p->topic_id, p->index, p->end);
        repair__apply_own(r, ITEM_TRIM, bytes_span(&op), 0);
        bytes_fini(&op);
    }
}

void
rebuild_ends(struct rebuild *r)
{
    struct bytes op;
    size_t pos = 0;
    if (r->holes == 0) {
        return;
    }
    for (struct part_state *p; (p = state_next_part(r->st, &pos));) {
        leave_room(r, p);
    }
    bytes_init(&op, 64);
    op_encode_producers_expire(&op, INT64_MAX);
    repair__apply_own(r, ITEM_PRODUCERS_EXPIRE, bytes_span(&op), 0);
    bytes_clear(&op);
    if (state_next_producer_id(r->st) < INT64_MAX - PRODUCER_IDS_SKIP) {
        op_encode_producer_ids(&op, state_next_producer_id(r->st), PRODUCER_IDS_SKIP);
        repair__apply_own(r, ITEM_PRODUCER_IDS, bytes_span(&op), 0);
    }
    bytes_fini(&op);
}

int64_t
rebuild_unknown_from(const struct rebuild *r, const struct part_state *p)
{
    const struct mark *m = mark_find(r, &p->topic_id, p->index);
    return m == NULL ? -1 : m->unknown_from;
}
