/* SPDX-License-Identifier: Apache-2.0
 *
 * Two ops that only tools propose. Version 1, big-endian:
 *
 *     ADOPT   uuid topic, i32 partition, text16 directory, list of segment (segment_ops.c)
 *     LOSS    list of {uuid topic, i32 partition, i64 first, i64 last, i64 time, text16 reason}
 *
 * ADOPT gives an open partition that never held anything the segments of a log that was written
 * elsewhere: its offsets begin with them. Between two there may be one without an object, for
 * offsets that are in none. Nothing is known of the producers that wrote them, so
 * one may go on with any sequence (R10). It is checked against S alone, and proposed alone.
 *
 * LOSS changes nothing but a list: what was given up, by whom a REPLACE or REGISTER with a gap
 * follows. It is never refused, so that no loss goes untold. */
#include "state/state_int.h"

/* --- adopt --- */

void
op_encode_adopt(struct bytes *out, const struct adopt_op *op)
{
    bytes_append(out, op->topic_id.b, sizeof(op->topic_id.b));
    bytes_u32(out, (uint32_t)op->partition);
    state__put_text(out, op->dir);
    bytes_u32(out, (uint32_t)op->count);
    for (size_t i = 0; i < op->count; i++) {
        state__put_segment(out, &op->segments[i]);
    }
}

struct adopt_item {
    struct uuid topic_id;
    int32_t partition;
    struct span dir;
    struct segment_ref *segments; /* the taker's, also when the cursor is bad */
    uint32_t count;
};

static void
take_adopt(struct cursor *c, struct adopt_item *it)
{
    *it = (struct adopt_item){.topic_id = cursor_uuid(c)};
    it->partition = cursor_i32(c);
    it->dir = state__take_text(c);
    uint32_t count = cursor_count(c, 48);
    c->is_bad = c->is_bad || count == 0 || count > ADOPT_SEGMENTS_MAX;
    if (c->is_bad) {
        return;
    }
    it->segments = (struct segment_ref *)sl_alloc(count * sizeof(struct segment_ref));
    while (it->count < count && !c->is_bad) {
        struct segment_ref *s = &it->segments[it->count++];
        *s = state__take_segment(c);
        bool follows = it->count == 1 || s->base == s[-1].last + 1;
        bool is_between = it->count > 1 && it->count < count; /* others say where the log is */
        c->is_bad = c->is_bad || !follows || (s->bytes == 0 && !is_between);
    }
}

static void
adopt_free(struct adopt_item *it)
{
    for (uint32_t i = 0; i < it->count; i++) {
        sl_free(it->segments[i].slices);
    }
    sl_free(it->segments);
}

static enum sl_err
check_adopt(const struct state *st, const struct adopt_item *it)
{
    const struct part_state *p = state_find_part(st, &it->topic_id, it->partition);
    const struct topic_dir *d = state__dir_find(st, &it->topic_id);
    if (p == NULL) {
        return SL_EUNKNOWN_PARTITION;
    }
    if (p->end != 0 || p->run_count != 0 || p->segment_count != 0) {
        return SL_EEXIST;
    }
    bool is_dir_right =
        d == NULL ? state__dir_is_sound(it->dir) : span_eq(span_cstr(d->name), it->dir);
    return is_dir_right ? SL_OK : SL_EINVAL;
}

enum sl_err
state_check_adopt(const struct state *st, struct span op)
{
    struct cursor c = cursor_of(op);
    struct adopt_item it;
    take_adopt(&c, &it);
    enum sl_err rc = cursor_is_done(&c) ? check_adopt(st, &it) : SL_EINVAL;
    adopt_free(&it);
    return rc;
}

/* Takes the segments of it. */
static void
adopt(struct state *st, struct adopt_item *it, int64_t time_ms)
{
    struct part_state *p = state_find_part(st, &it->topic_id, it->partition);
    state__dir_unref(st, &p->dir);
    p->dir = state__dir_ref(st, &it->topic_id, it->dir);
    for (uint32_t i = 0; i < it->count; i++) {
        it->segments[i].created_ms = time_ms;
        state__segment_push(p, &it->segments[i]);
    }
    p->start = it->segments[0].base;
    p->end = it->segments[it->count - 1].last + 1;
    p->spec_end = p->end;
    p->has_lost_producers = true;
    it->count = 0;
    if (st->events != NULL && st->events->part_rolled != NULL) {
        st->events->part_rolled(st->events_arg, p);
    }
}

STATE_APPLY(state__apply_adopt)
{
    struct adopt_item it;
    enum sl_err rc = SL_OK;
    take_adopt(c, &it);
    if (!c->is_bad && check_adopt(st, &it) == SL_OK) {
        adopt(st, &it, item->time_ms);
    } else if (!c->is_bad) {
        rc = state__contradiction(err, "segments are adopted where something is already",
                                  &it.topic_id, it.partition);
    }
    adopt_free(&it);
    return rc;
}

/* --- loss --- */

static void
put_loss(struct bytes *out, const struct loss_ref *l)
{
    bytes_append(out, l->topic_id.b, sizeof(l->topic_id.b));
    bytes_u32(out, (uint32_t)l->partition);
    bytes_u64(out, (uint64_t)l->first);
    bytes_u64(out, (uint64_t)l->last);
    bytes_u64(out, (uint64_t)l->time_ms);
    state__put_text(out, span_cstr(l->reason));
}

void
op_encode_losses(struct bytes *out, const struct loss_ref *losses, size_t count)
{
    bytes_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        put_loss(out, &losses[i]);
    }
}

static void
take_loss(struct cursor *c, struct loss_ref *l)
{
    *l = (struct loss_ref){.topic_id = cursor_uuid(c)};
    l->partition = cursor_i32(c);
    l->first = cursor_i64(c);
    l->last = cursor_i64(c);
    l->time_ms = cursor_i64(c);
    struct span reason = state__take_text(c);
    c->is_bad = c->is_bad || reason.len > LOSS_REASON_MAX || l->first < 0 || l->last < l->first;
    if (!c->is_bad) {
        span_to_cstr(reason, l->reason, sizeof(l->reason));
    }
}

/* The one told longest ago gives way. */
static void
loss_push(struct loss_list *list, const struct loss_ref *l)
{
    if (list->count == LOSSES_MAX) {
        memmove(list->items, list->items + 1, (LOSSES_MAX - 1) * sizeof(*l));
        list->count--;
    }
    if (list->count == list->cap) {
        list->cap = list->cap == 0 ? 8 : list->cap * 2;
        list->items = (struct loss_ref *)sl_realloc(list->items, list->cap * sizeof(*l));
    }
    list->items[list->count++] = *l;
}

static void
take_losses(struct state *st, struct cursor *c)
{
    uint32_t count = cursor_count(c, 46);
    c->is_bad = c->is_bad || count > LOSSES_MAX;
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        struct loss_ref l;
        take_loss(c, &l);
        if (!c->is_bad) {
            loss_push(&st->losses, &l);
        }
    }
}

STATE_APPLY(state__apply_loss)
{
    (void)item;
    (void)err;
    take_losses(st, c);
    return SL_OK;
}

size_t
state_loss_count(const struct state *st)
{
    return st->losses.count;
}

const struct loss_ref *
state_loss(const struct state *st, size_t i)
{
    return &st->losses.items[i];
}

void
state__losses_clear(struct state *st)
{
    sl_free(st->losses.items);
    st->losses = (struct loss_list){0};
}

void
state__losses_snapshot(const struct state *st, struct bytes *out)
{
    op_encode_losses(out, st->losses.items, st->losses.count);
}

void
state__losses_restore(struct state *st, struct cursor *c)
{
    take_losses(st, c);
    c->is_bad = c->is_bad || st->losses.count == 0; /* without any it is version 2 */
}
