/* SPDX-License-Identifier: Apache-2.0
 *
 * The ops of segments: encoded, checked against S plus what is in flight, applied. Version 1,
 * big-endian:
 *
 *     REGISTER      list of {uuid topic, i32 partition, text16 directory, segment}
 *     REPLACE       uuid topic, i32 partition, list of {i64 base, u32 generation}, segment
 *     GARBAGE_DONE  list of u64 id
 *     segment:      i64 base, i64 last, u64 bytes, i64 largest timestamp, u32 generation,
 *                   u32 records, u32 CRC-32C of the body, list of {u32 offset delta, u32 position,
 *                   i64 largest timestamp}
 *
 * Of a partition two things are speculated: how far its segments reach, and that a replace is on
 * its way; of a topic, its directory. Runs are moved only when the op is applied. A segment must
 * end where a run ends; readers switch from one to the other at batch boundaries, and two rollers
 * that cut differently still agree on what is covered. */
#include "state/state_int.h"

enum { REGISTERS_MAX = 10000, GARBAGE_DONE_MAX = 100000 };

/* --- encode --- */

void
state__put_segment(struct bytes *out, const struct segment_ref *s)
{
    bytes_u64(out, (uint64_t)s->base);
    bytes_u64(out, (uint64_t)s->last);
    bytes_u64(out, s->bytes);
    bytes_u64(out, (uint64_t)s->max_timestamp);
    bytes_u32(out, s->gen);
    bytes_u32(out, s->record_count);
    bytes_u32(out, s->body_crc);
    bytes_u32(out, s->slice_count);
    for (uint32_t i = 0; i < s->slice_count; i++) {
        bytes_u32(out, s->slices[i].offset_delta);
        bytes_u32(out, s->slices[i].position);
        bytes_u64(out, (uint64_t)s->slices[i].max_timestamp);
    }
}

static void
put_part(struct bytes *out, const struct uuid *id, int32_t partition)
{
    bytes_append(out, id->b, sizeof(id->b));
    bytes_u32(out, (uint32_t)partition);
}

void
op_encode_register(struct bytes *out, const struct register_op *ops, size_t count)
{
    bytes_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        put_part(out, &ops[i].topic_id, ops[i].partition);
        state__put_text(out, ops[i].dir);
        state__put_segment(out, &ops[i].segment);
    }
}

void
op_encode_replace(struct bytes *out, const struct replace_op *op)
{
    put_part(out, &op->topic_id, op->partition);
    bytes_u32(out, (uint32_t)op->source_count);
    for (size_t i = 0; i < op->source_count; i++) {
        bytes_u64(out, (uint64_t)op->sources[i].base);
        bytes_u32(out, op->sources[i].gen);
    }
    state__put_segment(out, &op->target);
}

void
op_encode_garbage_done(struct bytes *out, const uint64_t *ids, size_t count)
{
    bytes_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        bytes_u64(out, ids[i]);
    }
}

/* --- decode --- */

static void
take_slices(struct cursor *c, struct segment_ref *s)
{
    uint32_t count = cursor_count(c, 16);
    c->is_bad = c->is_bad || count > SEGMENT_SLICES_MAX;
    if (c->is_bad || count == 0) {
        return;
    }
    s->slices = (struct segment_slice *)sl_alloc(count * sizeof(*s->slices));
    s->slice_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct segment_slice *at = &s->slices[i];
        at->offset_delta = cursor_u32(c);
        at->position = cursor_u32(c);
        at->max_timestamp = cursor_i64(c);
        bool is_sound =
            i == 0 ? at->offset_delta == 0
                   : at->offset_delta > at[-1].offset_delta && at->position > at[-1].position;
        c->is_bad = c->is_bad || !is_sound || (int64_t)at->offset_delta > s->last - s->base ||
                    at->position >= s->bytes;
    }
}

/* What it points to is the caller's, also when c is bad. */
struct segment_ref
state__take_segment(struct cursor *c)
{
    struct segment_ref s = {.base = cursor_i64(c)};
    s.last = cursor_i64(c);
    s.bytes = cursor_u64(c);
    s.max_timestamp = cursor_i64(c);
    s.gen = cursor_u32(c);
    s.record_count = cursor_u32(c);
    s.body_crc = cursor_u32(c);
    c->is_bad = c->is_bad || s.base < 0 || s.last < s.base || s.last == INT64_MAX;
    take_slices(c, &s);
    return s;
}

struct register_item {
    struct uuid topic_id;
    int32_t partition;
    struct span dir;
    struct segment_ref s;
};

static void
take_register(struct cursor *c, struct register_item *it)
{
    it->topic_id = cursor_uuid(c);
    it->partition = cursor_i32(c);
    it->dir = state__take_text(c);
    it->s = state__take_segment(c);
}

enum { REGISTER_BYTES_MIN = 16 + 4 + 2 + 48 };

/* --- register --- */

/* Does a live run of p end at offset last? */
static bool
is_run_end(const struct part_state *p, int64_t last)
{
    const struct run_ref *r = part_find_run(p, last);
    return r != NULL && r->base_offset + r->offset_count == last + 1;
}

static bool
is_dir_right(const struct state *st, const struct register_item *it)
{
    const struct topic_dir *d = state__dir_find(st, &it->topic_id);
    return d == NULL ? state__dir_is_sound(it->dir) : span_eq(span_cstr(d->name), it->dir);
}

/* Where the segment that comes next must begin, once everything in flight is applied. */
static int64_t
spec_registered(const struct state *st, const struct part_state *p)
{
    int64_t now = part_registered_end(p);
    bool is_spec = p->spec_register_generation == st->spec_generation && p->spec_registered > now;
    return is_spec ? p->spec_registered : now;
}

static enum sl_err
check_register(const struct state *st, const struct part_state *p, const struct register_item *it,
               int64_t must_begin)
{
    if (it->s.base != must_begin) {
        return SL_EEXIST;
    }
    return is_run_end(p, it->s.last) && is_dir_right(st, it) ? SL_OK : SL_EINVAL;
}

struct spec_undo {
    struct part_state *p;
    uint64_t generation;
    int64_t registered;
    struct topic_dir *dir; /* made for it, or NULL */
};

static enum sl_err
speculate_register(struct state *st, struct cursor *c, struct spec_undo *undo)
{
    struct register_item it;
    take_register(c, &it);
    sl_free(it.s.slices);
    if (c->is_bad) {
        return SL_EINVAL;
    }
    struct part_state *p = state_find_part(st, &it.topic_id, it.partition);
    if (p == NULL) {
        return SL_EUNKNOWN_PARTITION;
    }
    enum sl_err rc = check_register(st, p, &it, spec_registered(st, p));
    if (rc == SL_OK) {
        *undo = (struct spec_undo){p, p->spec_register_generation, p->spec_registered,
                                   state__dir_speculate(st, &it.topic_id, it.dir)};
        p->spec_register_generation = st->spec_generation;
        p->spec_registered = it.s.last + 1;
    }
    return rc;
}

enum sl_err
state_check_register(struct state *st, struct span op)
{
    struct cursor c = cursor_of(op);
    uint32_t count = cursor_count(&c, REGISTER_BYTES_MIN);
    if (c.is_bad || count == 0 || count > REGISTERS_MAX) {
        return SL_EINVAL;
    }
    struct spec_undo *undo = (struct spec_undo *)sl_alloc(count * sizeof(*undo));
    enum sl_err rc = SL_OK;
    uint32_t done = 0;
    while (done < count && rc == SL_OK) {
        rc = speculate_register(st, &c, &undo[done]);
        done += rc == SL_OK ? 1 : 0;
    }
    if (rc == SL_OK && !cursor_is_done(&c)) {
        rc = SL_EINVAL;
    }
    while (rc != SL_OK && done > 0) {
        done--;
        undo[done].p->spec_register_generation = undo[done].generation;
        undo[done].p->spec_registered = undo[done].registered;
        if (undo[done].dir != NULL) {
            state__dir_free(st, undo[done].dir);
        }
    }
    sl_free(undo);
    return rc;
}

static void
drop_runs_through(struct part_state *p, int64_t last)
{
    while (p->run_count > 0 && part_run(p, 0)->base_offset <= last) {
        p->run_first++;
        p->run_count--;
    }
}

static void
tell_rolled(struct state *st, struct part_state *p)
{
    if (st->events != NULL && st->events->part_rolled != NULL) {
        st->events->part_rolled(st->events_arg, p);
    }
}

/* Takes it->s on success. */
static enum sl_err
register_one(struct state *st, struct register_item *it, int64_t time_ms, struct sl_error *err)
{
    struct part_state *p = state_find_part(st, &it->topic_id, it->partition);
    if (p == NULL || check_register(st, p, it, part_registered_end(p)) != SL_OK) {
        return state__contradiction(err, "a segment that does not follow the ones before it",
                                    &it->topic_id, it->partition);
    }
    if (p->dir == NULL) {
        p->dir = state__dir_ref(st, &it->topic_id, it->dir);
    }
    it->s.created_ms = time_ms;
    drop_runs_through(p, it->s.last);
    state__segment_push(p, &it->s);
    tell_rolled(st, p);
    return SL_OK;
}

STATE_APPLY(state__apply_register)
{
    uint32_t count = cursor_count(c, REGISTER_BYTES_MIN);
    c->is_bad = c->is_bad || count > REGISTERS_MAX;
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        struct register_item it;
        take_register(c, &it);
        enum sl_err rc = c->is_bad ? SL_ECORRUPT : register_one(st, &it, item->time_ms, err);
        if (rc != SL_OK) {
            sl_free(it.s.slices);
            return c->is_bad ? SL_OK : rc;
        }
    }
    return SL_OK;
}

/* --- replace --- */

struct replace_item {
    struct uuid topic_id;
    int32_t partition;
    uint32_t source_count;
    struct cursor sources;
    struct segment_ref target;
};

static void
take_replace(struct cursor *c, struct replace_item *it)
{
    it->topic_id = cursor_uuid(c);
    it->partition = cursor_i32(c);
    it->source_count = cursor_count(c, 12);
    c->is_bad = c->is_bad || it->source_count == 0 || it->source_count > SEGMENT_SOURCES_MAX;
    it->sources = cursor_of(cursor_span(c, (size_t)it->source_count * 12));
    it->target = state__take_segment(c);
}

/* SL_OK: *ret_first is the place of the first source. */
static enum sl_err
check_replace(const struct part_state *p, const struct replace_item *it, size_t *ret_first)
{
    struct cursor c = it->sources;
    size_t first = state__segment_seek(p, it->target.base);
    uint32_t gen = 0;
    if (it->source_count > p->segment_count - first) {
        return SL_ENOENT;
    }
    for (uint32_t i = 0; i < it->source_count; i++) {
        const struct segment_ref *s = state__segment_at(p, first + i);
        int64_t base = cursor_i64(&c);
        uint32_t source_gen = cursor_u32(&c);
        if (s->base != base || s->gen != source_gen) {
            return SL_ENOENT;
        }
        gen = source_gen > gen ? source_gen : gen;
    }
    bool is_covering = state__segment_at(p, first)->base == it->target.base &&
                       state__segment_at(p, first + it->source_count - 1)->last == it->target.last;
    *ret_first = first;
    return is_covering && it->target.gen > gen ? SL_OK : SL_EINVAL;
}

enum sl_err
state_check_replace(struct state *st, struct span op)
{
    struct replace_item it;
    struct cursor c = cursor_of(op);
    size_t first;
    take_replace(&c, &it);
    sl_free(it.target.slices);
    if (!cursor_is_done(&c)) {
        return SL_EINVAL;
    }
    struct part_state *p = state_find_part(st, &it.topic_id, it.partition);
    if (p == NULL) {
        return SL_EUNKNOWN_PARTITION;
    }
    if (p->spec_replace_generation == st->spec_generation) {
        return SL_EAGAIN;
    }
    enum sl_err rc = check_replace(p, &it, &first);
    if (rc == SL_OK) {
        p->spec_replace_generation = st->spec_generation;
    }
    return rc;
}

static void
replace_at(struct state *st, struct part_state *p, size_t first, struct replace_item *it)
{
    for (uint32_t i = 0; i < it->source_count; i++) {
        state__garbage_add(st, p, state__segment_at(p, first + i), it->target.created_ms);
        sl_free(state__segment_at(p, first + i)->slices);
    }
    *state__segment_at(p, first) = it->target;
    size_t gone = it->source_count - 1;
    size_t behind = p->segment_count - first - it->source_count;
    memmove(state__segment_at(p, first + 1), state__segment_at(p, first + it->source_count),
            behind * sizeof(struct segment_ref));
    p->segment_count -= gone;
    tell_rolled(st, p);
}

STATE_APPLY(state__apply_replace)
{
    struct replace_item it;
    size_t first;
    take_replace(c, &it);
    if (c->is_bad) {
        sl_free(it.target.slices);
        return SL_OK;
    }
    struct part_state *p = state_find_part(st, &it.topic_id, it.partition);
    if (p == NULL || check_replace(p, &it, &first) != SL_OK) {
        sl_free(it.target.slices);
        return state__contradiction(err, "segments are replaced that are not there", &it.topic_id,
                                    it.partition);
    }
    it.target.created_ms = item->time_ms;
    p->spec_replace_generation = 0;
    replace_at(st, p, first, &it);
    return SL_OK;
}

/* --- garbage done --- */

/* SIZE_MAX: not there. */
static size_t
garbage_find(const struct garbage_list *g, uint64_t id)
{
    size_t lo = 0;
    size_t hi = g->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (g->items[g->first + mid].r.id < id) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < g->count && g->items[g->first + lo].r.id == id ? lo : SIZE_MAX;
}

/* Those without a directory were marked as done. */
static void
garbage_squeeze(struct garbage_list *g)
{
    size_t kept = 0;
    for (size_t i = 0; i < g->count; i++) {
        if (g->items[g->first + i].dir != NULL) {
            g->items[g->first + kept++] = g->items[g->first + i];
        }
    }
    g->count = kept;
}

STATE_APPLY(state__apply_garbage_done)
{
    (void)item;
    (void)err;
    uint32_t count = cursor_count(c, 8);
    c->is_bad = c->is_bad || count > GARBAGE_DONE_MAX;
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        size_t at = garbage_find(&st->garbage, cursor_u64(c));
        if (at != SIZE_MAX) { /* else somebody else said so before */
            state__dir_unref(st, &st->garbage.items[st->garbage.first + at].dir);
        }
    }
    garbage_squeeze(&st->garbage);
    return SL_OK;
}
