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
#include "repair/rebuild.h"

#include "base/cursor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { PRODUCER_IDS_SKIP = 1000000 };
/* No hole is that large; a number that says so is not believed. */
#define FILL_MAX ((int64_t)1 << 40)

/* What is noted of a partition. */
struct mark {
    struct uuid topic_id;
    int32_t partition;
    uint32_t holes; /* up to this one its end is known */
    int64_t unknown_from;
    int64_t *cuts; /* where segments end */
    size_t cut_count;
};

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

static struct mark *
mark_get(struct rebuild *r, const struct uuid *topic_id, int32_t partition)
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

static void __attribute__((format(printf, 4, 5)))
tell(struct rebuild *r, enum rebuild_kind kind, uint64_t n, const char *fmt, ...)
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

static void
apply_own(struct rebuild *r, enum item_kind kind, struct span payload, int64_t time_ms)
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

static void
open_partition(struct rebuild *r, const struct uuid *topic_id, int32_t index)
{
    struct bytes op;
    bytes_init(&op, 256);
    op_encode_open(&op, topic_id, &index, 1);
    apply_own(r, ITEM_OPEN, bytes_span(&op), 0);
    bytes_fini(&op);
}

static void
delete_topic(struct rebuild *r, const struct uuid *id, int64_t time_ms)
{
    const struct topic_state *t = state_find_topic_id(r->st, id);
    struct bytes op;
    if (t == NULL || t->is_deleting) {
        return;
    }
    bytes_init(&op, 64);
    op_encode_topic_delete(&op, id, 1);
    apply_own(r, ITEM_TOPIC_DELETE, bytes_span(&op), time_ms);
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

/* Its end is `to` from now on, or above. The producer that fillers have is there to be forgotten.
 * False: that is not to be believed. */
static bool
fill(struct rebuild *r, struct part_state *p, int64_t to)
{
    const struct mark *m = mark_get(r, &p->topic_id, p->index);
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
        apply_own(r, ITEM_RUN, span_of(raw, sizeof(raw)), 0);
    }
    return true;
}

/* --- items behind a hole --- */

struct at {
    struct rebuild *r;
    const struct entry_view *e;
    struct state_item item;
};

static enum sl_err
apply(const struct at *a, struct span payload, struct sl_error *err)
{
    struct state_item item = a->item;
    item.payload = payload;
    return state_apply(a->r->st, &item, err);
}

/* Applies what needs nothing put right, or was put right. */
static void
apply_or_tell(const struct at *a, struct span payload, const char *what)
{
    struct sl_error err = SL_ERROR_INIT;
    if (apply(a, payload, &err) != SL_OK) {
        tell(a->r, REBUILD_LOST, a->item.n, "%s: %s", what, err.msg);
    }
}

static struct part_state *
part_of(struct rebuild *r, const struct uuid *topic_id, int32_t partition)
{
    struct part_state *p = state_find_part(r->st, topic_id, partition);
    if (p == NULL && partition >= 0) {
        open_partition(r, topic_id, partition);
        p = state_find_part(r->st, topic_id, partition);
    }
    return p;
}

static void
do_run(const struct at *a)
{
    struct run run;
    if (run_decode(a->item.payload, &run) != SL_OK) {
        tell(a->r, REBUILD_LOST, a->item.n, "a run that cannot be decoded");
        return;
    }
    struct part_state *p = part_of(a->r, &run.topic_id, run.partition);
    if (run.base_offset < p->end) {
        char id[UUID_TEXT];
        uuid_text(&run.topic_id, id);
        tell(a->r, REBUILD_LOST, a->item.n,
             "a run of topic id %s, partition %" PRId32 ", at offsets %" PRId64 " to %" PRId64
             ", which other records have",
             id, run.partition, run.base_offset, run.base_offset + run.offset_count - 1);
        return;
    }
    if (!fill(a->r, p, run.base_offset)) {
        tell(a->r, REBUILD_LOST, a->item.n, "a run at offset %" PRId64 ", far behind the others",
             run.base_offset);
        return;
    }
    mark_get(a->r, &run.topic_id, run.partition)->holes = a->r->holes;
    apply_or_tell(a, a->item.payload, "a run");
}

/* What is opened behind the hole has nothing in it. */
static void
do_open(const struct at *a)
{
    struct cursor c = cursor_of(a->item.payload);
    while (!c.is_bad && cursor_left(&c) > 0) {
        struct uuid id = cursor_uuid(&c);
        for (uint32_t i = cursor_count(&c, 4); i > 0; i--) {
            int32_t index = cursor_i32(&c);
            if (state_find_part(a->r->st, &id, index) == NULL) {
                mark_get(a->r, &id, index)->holes = a->r->holes;
            }
        }
    }
    apply_or_tell(a, a->item.payload, "partitions that were opened");
}

static void
do_trim(const struct at *a)
{
    struct cursor c = cursor_of(a->item.payload);
    while (cursor_left(&c) >= 28) {
        struct uuid id = cursor_uuid(&c);
        int32_t index = cursor_i32(&c);
        int64_t start = cursor_i64(&c);
        struct part_state *p = part_of(a->r, &id, index);
        if (p != NULL && !fill(a->r, p, start)) {
            tell(a->r, REBUILD_LOST, a->item.n, "a trim to offset %" PRId64 ", far behind the end",
                 start);
            return;
        }
    }
    apply_or_tell(a, a->item.payload, "a trim");
}

/* One segment of a REGISTER, as it stands there. */
struct registering {
    struct uuid topic_id;
    int32_t partition;
    int64_t base, last;
    struct span bytes;
};

static bool
take_registering(struct cursor *c, struct registering *ret)
{
    const uint8_t *from = c->p;
    ret->topic_id = cursor_uuid(c);
    ret->partition = cursor_i32(c);
    (void)cursor_span(c, cursor_u16(c));
    ret->base = cursor_i64(c);
    ret->last = cursor_i64(c);
    (void)cursor_span(c, 8 + 8 + 4 + 4 + 4);
    (void)cursor_span(c, (size_t)cursor_count(c, 16) * 16);
    ret->bytes = span_of(from, (size_t)(c->p - from));
    return !c->is_bad && ret->base >= 0 && ret->last >= ret->base && ret->last < INT64_MAX &&
           ret->partition >= 0;
}

static void
register_one(const struct at *a, const struct registering *g)
{
    struct sl_error err = SL_ERROR_INIT;
    struct bytes op;
    struct part_state *p = part_of(a->r, &g->topic_id, g->partition);
    if (!fill(a->r, p, g->last + 1)) {
        return;
    }
    bytes_init(&op, 4 + g->bytes.len);
    bytes_u32(&op, 1);
    bytes_append(&op, g->bytes.ptr, g->bytes.len);
    (void)apply(a, bytes_span(&op), &err); /* else the runs are there, and are rolled again */
    bytes_fini(&op);
}

static void
do_register(const struct at *a)
{
    struct cursor c = cursor_of(a->item.payload);
    struct registering g;
    for (uint32_t i = cursor_u32(&c); i > 0 && take_registering(&c, &g); i--) {
        register_one(a, &g);
    }
}

void
rebuild_foresee(struct rebuild *r, const struct entry_view *e)
{
    struct entry_cursor items = entry_items(e);
    struct entry_item item;
    struct registering g;
    bool is_bad = false;
    while (entry_next(&items, &item, &is_bad)) {
        struct cursor c = cursor_of(item.payload);
        if (item.kind != ITEM_REGISTER) {
            continue;
        }
        for (uint32_t i = cursor_u32(&c); i > 0 && take_registering(&c, &g); i--) {
            struct mark *m = mark_get(r, &g.topic_id, g.partition);
            m->cuts = (int64_t *)sl_realloc(m->cuts, (m->cut_count + 1) * sizeof(m->cuts[0]));
            m->cuts[m->cut_count++] = g.last + 1;
        }
    }
}

static void
do_replace(const struct at *a)
{
    struct sl_error err = SL_ERROR_INIT;
    if (apply(a, a->item.payload, &err) != SL_OK) {
        tell(a->r, REBUILD_NOTE, a->item.n, "a compaction is undone: %s", err.msg);
    }
}

/* --- topics --- */

static bool
take_topic(struct cursor *c, struct uuid *ret_id, struct span *ret_name)
{
    *ret_id = cursor_uuid(c);
    *ret_name = cursor_span(c, cursor_u16(c));
    (void)cursor_u32(c);
    (void)cursor_span(c, (size_t)cursor_count(c, 4) * 4);
    for (uint32_t i = cursor_count(c, 6); i > 0 && !c->is_bad; i--) {
        (void)cursor_span(c, cursor_u16(c));
        (void)cursor_span(c, cursor_u32(c));
    }
    return !c->is_bad;
}

static void
do_topics_create(const struct at *a)
{
    struct cursor c = cursor_of(a->item.payload);
    struct uuid id;
    struct span name;
    for (uint32_t i = cursor_u32(&c); i > 0 && take_topic(&c, &id, &name); i--) {
        const struct topic_state *t = state_find_topic(a->r->st, name);
        if (t != NULL && !uuid_eq(&t->id, &id)) {
            const struct uuid before = t->id;
            delete_topic(a->r, &before, a->item.time_ms);
        }
    }
    apply_or_tell(a, a->item.payload, "a topic that was created");
}

/* TOPIC_DELETED, RETIRE: who is that far was deleted. */
static void
do_topics_gone(const struct at *a, size_t head)
{
    struct cursor c = cursor_of(a->item.payload);
    (void)cursor_span(&c, head);
    while (cursor_left(&c) >= sizeof(struct uuid)) {
        struct uuid id = cursor_uuid(&c);
        delete_topic(a->r, &id, a->item.time_ms);
    }
    apply_or_tell(a, a->item.payload, "a topic that was deleted");
}

static void
do_producer_ids(const struct at *a)
{
    struct cursor c = cursor_of(a->item.payload);
    int64_t first = cursor_i64(&c);
    int64_t next = state_next_producer_id(a->r->st);
    if (next < first && first - next <= INT32_MAX) {
        struct bytes op;
        bytes_init(&op, 16);
        op_encode_producer_ids(&op, next, (int32_t)(first - next));
        apply_own(a->r, ITEM_PRODUCER_IDS, bytes_span(&op), a->item.time_ms);
        bytes_fini(&op);
    }
    apply_or_tell(a, a->item.payload, "producer ids");
}

/* --- groups --- */

static uint64_t
group_version(const struct state *st, struct span id)
{
    const struct group_state *g = state_find_group(st, id);
    return g == NULL ? 0 : g->version;
}

static void
do_group(const struct at *a)
{
    struct span old = a->item.payload;
    struct cursor c = cursor_of(old);
    (void)cursor_span(&c, 16);
    struct span id = cursor_span(&c, cursor_u16(&c));
    if (c.is_bad) {
        tell(a->r, REBUILD_LOST, a->item.n, "facts of a group that cannot be decoded");
        return;
    }
    uint8_t *op = (uint8_t *)sl_alloc(old.len);
    memcpy(op, old.ptr, old.len);
    put_u64(op, group_version(a->r->st, id));
    enum sl_err rc = state_check_group(a->r->st, op, old.len); /* gives it its version */
    state_rollback(a->r->st);
    if (rc == SL_OK) {
        apply_or_tell(a, span_of(op, old.len), "facts of a group");
    } else {
        tell(a->r, REBUILD_LOST, a->item.n, "facts of group %.*s: %s", (int)id.len,
             (const char *)id.ptr, sl_err_text(rc));
    }
    sl_free(op);
}

static void
do_group_delete(const struct at *a)
{
    struct cursor c = cursor_of(a->item.payload);
    for (uint32_t i = cursor_u32(&c); i > 0 && !c.is_bad; i--) {
        struct group_delete d = {.group_id = cursor_span(&c, cursor_u16(&c))};
        struct sl_error err = SL_ERROR_INIT;
        struct bytes op;
        (void)cursor_u64(&c);
        d.is_only_if_forgotten = cursor_u8(&c) != 0;
        if (c.is_bad) {
            break;
        }
        d.base = group_version(a->r->st, d.group_id);
        bytes_init(&op, 4 + 2 + d.group_id.len + 16);
        op_encode_group_delete(&op, &d, 1);
        if (apply(a, bytes_span(&op), &err) != SL_OK) {
            tell(a->r, REBUILD_NOTE, a->item.n, "group %.*s is kept, though it was deleted",
                 (int)d.group_id.len, (const char *)d.group_id.ptr);
        }
        bytes_fini(&op);
    }
}

/* --- an entry --- */

static void
do_torn(const struct at *a)
{
    switch (a->item.kind) {
    case ITEM_RUN:
        do_run(a);
        break;
    case ITEM_TRIM:
        do_trim(a);
        break;
    case ITEM_REGISTER:
        do_register(a);
        break;
    case ITEM_REPLACE:
        do_replace(a);
        break;
    case ITEM_GARBAGE_DONE:
        break; /* numbers are others now; what is deleted is deleted again */
    case ITEM_TOPICS_CREATE:
        do_topics_create(a);
        break;
    case ITEM_TOPIC_DELETED:
        do_topics_gone(a, 4);
        break;
    case ITEM_RETIRE:
        do_topics_gone(a, 0);
        break;
    case ITEM_PRODUCER_IDS:
        do_producer_ids(a);
        break;
    case ITEM_GROUP:
        do_group(a);
        break;
    case ITEM_GROUP_DELETE:
        do_group_delete(a);
        break;
    case ITEM_OFFSETS:
        apply_or_tell(a, a->item.payload, "offsets of a group");
        break;
    case ITEM_OPEN:
        do_open(a);
        break;
    case ITEM_PARTITIONS_ADD:
        apply_or_tell(a, a->item.payload, "partitions that were added to a topic");
        break;
    default:
        apply_or_tell(a, a->item.payload, "an operation");
    }
}

/* Where everything before is there, S takes it as it is. What S contradicts is as good as lost. */
static void
do_item(struct at *a)
{
    struct sl_error err = SL_ERROR_INIT;
    if (a->r->holes == 0 && apply(a, a->item.payload, &err) == SL_OK) {
        return;
    }
    if (a->r->holes == 0) {
        tell(a->r, REBUILD_LOST, a->item.n, "it contradicts what is before it: %s", err.msg);
        rebuild_hole(a->r, 1);
    }
    do_torn(a);
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
        tell(r, REBUILD_LOST, e->h.n, "the rest of its index, which cannot be decoded");
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
                (void)part_of(r, &t->id, i);
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
        apply_own(r, ITEM_RETIRE, bytes_span(&gone), 0);
    }
    bytes_fini(&gone);
}

/* Its records may go on behind what is known. */
static void
leave_room(struct rebuild *r, struct part_state *p)
{
    struct bytes op;
    struct mark *m = mark_get(r, &p->topic_id, p->index);
    int64_t room = INT64_MAX - 1 - p->end, want = (int64_t)(r->lost * REBUILD_SKIP);
    bool is_empty = p->start == p->end;
    if (m->holes == r->holes) {
        return;
    }
    m->unknown_from = p->end;
    want = want < FILL_MAX ? want : FILL_MAX;
    (void)fill(r, p, p->end + (want < room ? want : room));
    if (is_empty) {
        bytes_init(&op, 64);
        op_encode_trim(&op, &p->topic_id, p->index, p->end);
        apply_own(r, ITEM_TRIM, bytes_span(&op), 0);
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
    apply_own(r, ITEM_PRODUCERS_EXPIRE, bytes_span(&op), 0);
    bytes_clear(&op);
    if (state_next_producer_id(r->st) < INT64_MAX - PRODUCER_IDS_SKIP) {
        op_encode_producer_ids(&op, state_next_producer_id(r->st), PRODUCER_IDS_SKIP);
        apply_own(r, ITEM_PRODUCER_IDS, bytes_span(&op), 0);
    }
    bytes_fini(&op);
}

int64_t
rebuild_unknown_from(const struct rebuild *r, const struct part_state *p)
{
    const struct mark *m = mark_find(r, &p->topic_id, p->index);
    return m == NULL ? -1 : m->unknown_from;
}
