/* The op table: one row per item kind says how it is applied. An item whose kind or version is not
 * here stops the journal that holds it: skipping it would make this broker's state differ from the
 * writer's.
 *
 * Every op is idempotent where docs/journal.md R7 wants it proposed again by whoever finds it
 * missing. */
#include "state/state_int.h"

typedef enum sl_err (*apply_fn)(struct state *st, const struct state_item *item, struct cursor *c,
                                struct sl_error *err);

enum sl_err
state__contradiction(struct sl_error *err, const char *what, const struct uuid *topic,
                     int32_t partition)
{
    char text[UUID_TEXT];
    uuid_text(topic, text);
    return sl_error_set(err, SL_ECORRUPT, "%s (topic id %s, partition %d)", what, text,
                        (int)partition);
}

static void
note_producer(struct part_state *p, const struct run *r, int64_t time_ms)
{
    struct producer_state *pr = state__producer_get(p, r->producer_id);
    const struct producer_batch b = {r->first_sequence, r->last_sequence, r->base_offset};
    state__producer_append(&pr->s, r->producer_epoch, &b);
    pr->s.last_ms = time_ms;
}

static enum sl_err
apply_run(struct state *st, const struct state_item *item, struct cursor *c, struct sl_error *err)
{
    struct run r;
    (void)c;
    if (run_decode(item->payload, &r) != SL_OK) {
        return sl_error_set(err, SL_ECORRUPT, "a run of %zu bytes cannot be decoded",
                            item->payload.len);
    }
    struct part_state *p = state_find_part(st, &r.topic_id, r.partition);
    if (p == NULL) {
        return state__contradiction(err, "a run for a partition that is not open", &r.topic_id,
                                    r.partition);
    }
    if (r.base_offset != p->end) {
        return state__contradiction(err, "a run that does not begin at the end of its partition",
                                    &r.topic_id, r.partition);
    }
    const struct run_ref ref = {.n = item->n,
                                .base_offset = r.base_offset,
                                .max_timestamp = r.max_timestamp,
                                .offset_count = r.offset_count,
                                .position = item->head_bytes + r.position,
                                .length = r.length,
                                .crc = r.crc};
    state__part_push_run(p, &ref);
    p->end += r.offset_count;
    if (r.flags & RUN_HAS_PRODUCER) {
        note_producer(p, &r, item->time_ms);
    }
    if (st->events != NULL && st->events->part_appended != NULL) {
        st->events->part_appended(st->events_arg, p, &ref);
    }
    return SL_OK;
}

static enum sl_err
apply_topics_create(struct state *st, const struct state_item *item, struct cursor *c,
                    struct sl_error *err)
{
    uint32_t count = cursor_count(c, 16 + 2 + 4);
    for (uint32_t i = 0; i < count; i++) {
        struct topic_state *t = state__topic_decode(c);
        if (t == NULL) {
            break;
        }
        if (state__check_new_topic(st, t) != SL_OK) {
            enum sl_err rc =
                sl_error_set(err, SL_ECORRUPT, "topic %s is created twice (incarnation %u)",
                             t->name, (unsigned)t->incarnation);
            state__topic_free(t);
            return rc;
        }
        t->created_ms = item->time_ms;
        state__topic_add(st, t);
        state__topic_event(st, t);
    }
    return SL_OK;
}

static enum sl_err
apply_topics_opened(struct state *st, const struct state_item *item, struct cursor *c,
                    struct sl_error *err)
{
    (void)item;
    (void)err;
    uint32_t count = cursor_count(c, 20);
    for (uint32_t i = 0; i < count; i++) {
        struct uuid id = cursor_uuid(c);
        int32_t opened = cursor_i32(c);
        struct topic_state *t = state_find_topic_id(st, &id);
        if (t != NULL && opened > t->opened_count && opened <= t->partition_count) {
            t->opened_count = opened;
            if (!t->is_deleting) {
                state__topic_event(st, t);
            }
        }
    }
    return SL_OK;
}

static enum sl_err
apply_partitions_add(struct state *st, const struct state_item *item, struct cursor *c,
                     struct sl_error *err)
{
    (void)item;
    struct uuid id = cursor_uuid(c);
    int32_t old_count = cursor_i32(c);
    uint32_t added = cursor_count(c, 4);
    struct topic_state *t = state_find_topic_id(st, &id);
    if (c->is_bad || t == NULL || t->is_deleting || t->partition_count != old_count ||
        added > (uint32_t)(INT32_MAX - old_count)) {
        return state__contradiction(err, "partitions are added to what is not there", &id,
                                    old_count);
    }
    size_t total = (size_t)old_count + added;
    t->journals = (uint32_t *)sl_realloc(t->journals, total * sizeof(uint32_t));
    for (uint32_t i = 0; i < added; i++) {
        t->journals[(size_t)old_count + i] = cursor_u32(c);
    }
    t->partition_count = (int32_t)total;
    state__topic_event(st, t);
    return SL_OK;
}

static enum sl_err
apply_producer_ids(struct state *st, const struct state_item *item, struct cursor *c,
                   struct sl_error *err)
{
    (void)item;
    int64_t first = cursor_i64(c);
    int32_t count = cursor_i32(c);
    if (first != st->next_producer_id || count <= 0) {
        return sl_error_set(err, SL_ECORRUPT, "producer ids from %lld, but the next is %lld",
                            (long long)first, (long long)st->next_producer_id);
    }
    st->next_producer_id = first + count;
    return SL_OK;
}

static void
open_part(struct state *st, const struct uuid *id, int32_t index)
{
    if (index < 0 || state_find_part(st, id, index) != NULL) {
        return; /* proposed again by somebody who did not see the first */
    }
    struct part_state *p = state__part_new(st, id, index);
    if (st->events != NULL && st->events->part_opened != NULL) {
        st->events->part_opened(st->events_arg, p);
    }
}

static enum sl_err
apply_open(struct state *st, const struct state_item *item, struct cursor *c, struct sl_error *err)
{
    (void)item;
    (void)err;
    while (cursor_left(c) > 0) {
        struct uuid id = cursor_uuid(c);
        uint32_t count = cursor_count(c, 4);
        for (uint32_t i = 0; i < count; i++) {
            open_part(st, &id, cursor_i32(c));
        }
    }
    return SL_OK;
}

static void
trim_part(struct state *st, struct part_state *p, int64_t start, int64_t time_ms)
{
    p->start = start < p->end ? start : p->end;
    while (p->run_count > 0) {
        const struct run_ref *r = part_run(p, 0);
        if (r->base_offset + r->offset_count > p->start) {
            break;
        }
        p->run_first++;
        p->run_count--;
    }
    state__segments_trim(st, p, time_ms);
    if (st->events != NULL && st->events->part_trimmed != NULL) {
        st->events->part_trimmed(st->events_arg, p);
    }
}

static enum sl_err
apply_trim(struct state *st, const struct state_item *item, struct cursor *c, struct sl_error *err)
{
    (void)err;
    do {
        struct uuid id = cursor_uuid(c);
        int32_t index = cursor_i32(c);
        int64_t start = cursor_i64(c);
        struct part_state *p = c->is_bad ? NULL : state_find_part(st, &id, index);
        if (p != NULL && start > p->start) {
            trim_part(st, p, start, item->time_ms);
        }
    } while (!c->is_bad && cursor_left(c) > 0);
    return SL_OK;
}

static enum sl_err
apply_producers_expire(struct state *st, const struct state_item *item, struct cursor *c,
                       struct sl_error *err)
{
    (void)item;
    (void)err;
    int64_t before_ms = cursor_i64(c);
    size_t pos = 0;
    for (struct part_state *p; (p = state_next_part(st, &pos));) {
        if (state__producers_expire(p, before_ms)) {
            p->has_lost_producers = true;
        }
    }
    return SL_OK;
}

static const struct op_row {
    enum item_kind kind;
    uint16_t version; /* what we write, and the newest we read */
    apply_fn apply;
} op_table[] = {
    {ITEM_RUN, 1, apply_run},
    {ITEM_TOPICS_CREATE, 1, apply_topics_create},
    {ITEM_TOPICS_OPENED, 1, apply_topics_opened},
    {ITEM_PARTITIONS_ADD, 1, apply_partitions_add},
    {ITEM_TOPIC_DELETE, 1, state__apply_topic_delete},
    {ITEM_TOPIC_DELETED, 1, state__apply_topic_deleted},
    {ITEM_PRODUCER_IDS, 1, apply_producer_ids},
    {ITEM_TOPIC_CONFIG, 1, state__apply_topic_config},
    {ITEM_QUOTA, 1, state__apply_quota},
    {ITEM_OPEN, 1, apply_open},
    {ITEM_RETIRE, 1, state__apply_retire},
    {ITEM_TRIM, 1, apply_trim},
    {ITEM_PRODUCERS_EXPIRE, 1, apply_producers_expire},
    {ITEM_REGISTER, 1, state__apply_register},
    {ITEM_REPLACE, 1, state__apply_replace},
    {ITEM_GARBAGE_DONE, 1, state__apply_garbage_done},
    {ITEM_ADOPT, 1, state__apply_adopt},
    {ITEM_LOSS, 1, state__apply_loss},
    {ITEM_GROUP, 1, state__apply_group},
    {ITEM_OFFSETS, 1, state__apply_offsets},
    {ITEM_GROUP_DELETE, 1, state__apply_group_delete},
};

static const struct op_row *
find_row(uint16_t kind)
{
    for (size_t i = 0; i < sizeof(op_table) / sizeof(op_table[0]); i++) {
        if ((uint16_t)op_table[i].kind == kind) {
            return &op_table[i];
        }
    }
    return NULL;
}

uint16_t
op_version(enum item_kind kind)
{
    const struct op_row *row = find_row((uint16_t)kind);
    SL_ASSERT(row != NULL);
    return row->version;
}

enum sl_err
state_apply(struct state *st, const struct state_item *item, struct sl_error *err)
{
    const struct op_row *row = find_row(item->kind);
    if (row == NULL || item->version == 0 || item->version > row->version) {
        return sl_error_set(err, SL_EVERSION,
                            "item kind %u version %u is unknown to this binary; run a newer sluice",
                            (unsigned)item->kind, (unsigned)item->version);
    }
    struct cursor c = cursor_of(item->payload);
    enum sl_err rc = row->apply(st, item, &c, err);
    if (rc == SL_OK && row->kind != ITEM_RUN && !cursor_is_done(&c)) {
        rc = sl_error_set(err, SL_ECORRUPT, "item kind %u cannot be decoded", (unsigned)item->kind);
    }
    return rc;
}
