/* SPDX-License-Identifier: Apache-2.0
 *
 * Items of entries behind a hole: what is put right before S takes them (rebuild.c's essay). */
#include "base/cursor.h"
#include "repair/rebuild_int.h"

#include <inttypes.h>

enum sl_err
repair__apply(const struct at *a, struct span payload, struct sl_error *err)
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
    if (repair__apply(a, payload, &err) != SL_OK) {
        repair__rebuild_tell(a->r, REBUILD_LOST, a->item.n, "%s: %s", what, err.msg);
    }
}

struct part_state *
repair__part_of(struct rebuild *r, const struct uuid *topic_id, int32_t partition)
{
    struct part_state *p = state_find_part(r->st, topic_id, partition);
    if (p == NULL && partition >= 0) {
        repair__open_partition(r, topic_id, partition);
        p = state_find_part(r->st, topic_id, partition);
    }
    return p;
}

static void
do_run(const struct at *a)
{
    struct run run;
    if (run_decode(a->item.payload, &run) != SL_OK) {
        repair__rebuild_tell(a->r, REBUILD_LOST, a->item.n, "a run that cannot be decoded");
        return;
    }
    struct part_state *p = repair__part_of(a->r, &run.topic_id, run.partition);
    if (run.base_offset < p->end) {
        char id[UUID_TEXT];
        uuid_text(&run.topic_id, id);
        repair__rebuild_tell(a->r, REBUILD_LOST, a->item.n,
                             "a run of topic id %s, partition %" PRId32 ", at offsets %" PRId64
                             " to %" PRId64 ", which other records have",
                             id, run.partition, run.base_offset,
                             run.base_offset + run.offset_count - 1);
        return;
    }
    if (!repair__fill(a->r, p, run.base_offset)) {
        repair__rebuild_tell(a->r, REBUILD_LOST, a->item.n,
                             "a run at offset %" PRId64 ", far behind the others", run.base_offset);
        return;
    }
    repair__mark_get(a->r, &run.topic_id, run.partition)->holes = a->r->holes;
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
                repair__mark_get(a->r, &id, index)->holes = a->r->holes;
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
        struct part_state *p = repair__part_of(a->r, &id, index);
        if (p != NULL && !repair__fill(a->r, p, start)) {
            repair__rebuild_tell(a->r, REBUILD_LOST, a->item.n,
                                 "a trim to offset %" PRId64 ", far behind the end", start);
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
    struct part_state *p = repair__part_of(a->r, &g->topic_id, g->partition);
    if (!repair__fill(a->r, p, g->last + 1)) {
        return;
    }
    bytes_init(&op, 4 + g->bytes.len);
    bytes_u32(&op, 1);
    bytes_append(&op, g->bytes.ptr, g->bytes.len);
    (void)repair__apply(a, bytes_span(&op),
                        &err); /* else the runs are there, and are rolled again */
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
            struct mark *m = repair__mark_get(r, &g.topic_id, g.partition);
            m->cuts = (int64_t *)sl_realloc(m->cuts, (m->cut_count + 1) * sizeof(m->cuts[0]));
            m->cuts[m->cut_count++] = g.last + 1;
        }
    }
}

static void
do_replace(const struct at *a)
{
    struct sl_error err = SL_ERROR_INIT;
    if (repair__apply(a, a->item.payload, &err) != SL_OK) {
        repair__rebuild_tell(a->r, REBUILD_NOTE, a->item.n, "a compaction is undone: %s", err.msg);
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
            repair__delete_topic(a->r, &before, a->item.time_ms);
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
        repair__delete_topic(a->r, &id, a->item.time_ms);
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
        repair__apply_own(a->r, ITEM_PRODUCER_IDS, bytes_span(&op), a->item.time_ms);
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
        repair__rebuild_tell(a->r, REBUILD_LOST, a->item.n,
                             "facts of a group that cannot be decoded");
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
        repair__rebuild_tell(a->r, REBUILD_LOST, a->item.n, "facts of group %.*s: %s", (int)id.len,
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
        if (repair__apply(a, bytes_span(&op), &err) != SL_OK) {
            repair__rebuild_tell(a->r, REBUILD_NOTE, a->item.n,
                                 "group %.*s is kept, though it was deleted", (int)d.group_id.len,
                                 (const char *)d.group_id.ptr);
        }
        bytes_fini(&op);
    }
}

void
repair__take_torn(const struct at *a)
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
