/* SPDX-License-Identifier: Apache-2.0
 *
 * Segments of partitions, their directories, and what became garbage.
 *
 * A directory belongs to a topic and is shared, counted, by its partitions and its garbage; one
 * that is known from an op in flight only has no reference, stands in a list, and goes with a
 * rollback.
 *
 * Garbage gets ids in the order in which it is made. That order must not depend on a hash table:
 * who makes several at once has them in an order of their own (retire.c). */
#include "state/state_int.h"

/* --- directories --- */

static bool
dir_eq(const void *value, const void *key)
{
    return uuid_eq(&((const struct topic_dir *)value)->topic_id, (const struct uuid *)key);
}

static uint64_t
dir_hash(const struct uuid *id)
{
    return hash_bytes(id->b, sizeof(id->b));
}

struct topic_dir *
state__dir_find(const struct state *st, const struct uuid *id)
{
    return (struct topic_dir *)map_get(&st->dirs, dir_hash(id), dir_eq, id);
}

static struct topic_dir *
dir_new(struct state *st, const struct uuid *id, struct span name)
{
    struct topic_dir *d = (struct topic_dir *)sl_alloc(sizeof(*d) + name.len + 1);
    d->topic_id = *id;
    memcpy(d->name, name.ptr, name.len);
    list_init(&d->spec_node);
    map_add(&st->dirs, dir_hash(id), d);
    return d;
}

void
state__dir_free(struct state *st, struct topic_dir *d)
{
    (void)map_remove(&st->dirs, dir_hash(&d->topic_id), dir_eq, &d->topic_id);
    list_remove(&d->spec_node);
    sl_free(d);
}

struct topic_dir *
state__dir_ref(struct state *st, const struct uuid *id, struct span name)
{
    struct topic_dir *d = state__dir_find(st, id);
    d = d == NULL ? dir_new(st, id, name) : d;
    d->refs++;
    return d;
}

void
state__dir_unref(struct state *st, struct topic_dir **pd)
{
    struct topic_dir *d = *pd;
    *pd = NULL;
    if (d != NULL && --d->refs == 0) {
        state__dir_free(st, d);
    }
}

/* The first segment of a topic is in flight: the next one must name the same directory. Gives what
 * was made for it, or NULL. */
struct topic_dir *
state__dir_speculate(struct state *st, const struct uuid *id, struct span name)
{
    if (state__dir_find(st, id) != NULL) {
        return NULL;
    }
    struct topic_dir *d = dir_new(st, id, name);
    list_append(&st->spec_dirs, &d->spec_node);
    return d;
}

void
state__segments_init(struct state *st)
{
    list_init(&st->spec_dirs);
}

void
state__segments_rollback(struct state *st)
{
    for (struct list *node; (node = list_pop(&st->spec_dirs)) != NULL;) {
        struct topic_dir *d = SL_CONTAINER_OF(node, struct topic_dir, spec_node);
        if (d->refs == 0) {
            state__dir_free(st, d);
        }
    }
}

/* "{topic}" or "{topic}~{k}": what may stand in a key. */
bool
state__dir_is_sound(struct span dir)
{
    for (size_t i = 0; i < dir.len; i++) {
        if (dir.ptr[i] == '~' && i > 0) {
            struct span k = span_of(dir.ptr + i + 1, dir.len - i - 1);
            bool is_number = k.len > 0 && k.len <= 10;
            for (size_t j = 0; j < k.len; j++) {
                is_number = is_number && k.ptr[j] >= '0' && k.ptr[j] <= '9';
            }
            return is_number && topic_name_is_valid(span_of(dir.ptr, i));
        }
    }
    return topic_name_is_valid(dir);
}

const char *
part_dir(const struct part_state *p)
{
    return p->dir == NULL ? NULL : p->dir->name;
}

/* --- segments of a partition --- */

size_t
part_segment_count(const struct part_state *p)
{
    return p->segment_count;
}

struct segment_ref *
state__segment_at(const struct part_state *p, size_t i)
{
    return &p->segments[p->segment_first + i];
}

const struct segment_ref *
part_segment(const struct part_state *p, size_t i)
{
    return state__segment_at(p, i);
}

/* The first segment that ends at or above offset; segment_count when none does. */
size_t
state__segment_seek(const struct part_state *p, int64_t offset)
{
    size_t lo = 0;
    size_t hi = p->segment_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (state__segment_at(p, mid)->last < offset) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

const struct segment_ref *
part_find_segment(const struct part_state *p, int64_t offset)
{
    if (offset < p->start || offset >= p->end) {
        return NULL;
    }
    size_t i = state__segment_seek(p, offset);
    return i < p->segment_count ? state__segment_at(p, i) : NULL;
}

int64_t
part_registered_end(const struct part_state *p)
{
    return p->run_count > 0 ? part_run(p, 0)->base_offset : p->end;
}

void
state__segment_push(struct part_state *p, const struct segment_ref *s)
{
    if (p->segment_first + p->segment_count == p->segment_cap) {
        if (p->segment_first > p->segment_cap / 2) {
            memmove(p->segments, p->segments + p->segment_first, p->segment_count * sizeof(*s));
            p->segment_first = 0;
        } else {
            p->segment_cap = p->segment_cap == 0 ? 4 : p->segment_cap * 2;
            p->segments =
                (struct segment_ref *)sl_realloc(p->segments, p->segment_cap * sizeof(*s));
        }
    }
    p->segments[p->segment_first + p->segment_count++] = *s;
}

void
state__segments_free(struct state *st, struct part_state *p)
{
    for (size_t i = 0; i < p->segment_count; i++) {
        sl_free(state__segment_at(p, i)->slices);
    }
    sl_free(p->segments);
    p->segments = NULL;
    p->segment_count = p->segment_first = p->segment_cap = 0;
    state__dir_unref(st, &p->dir);
}

/* --- garbage --- */

static void
garbage_push(struct garbage_list *g, const struct garbage_entry *e)
{
    if (g->first + g->count == g->cap) {
        if (g->first > g->cap / 2) {
            memmove(g->items, g->items + g->first, g->count * sizeof(*e));
            g->first = 0;
        } else {
            g->cap = g->cap == 0 ? 8 : g->cap * 2;
            g->items = (struct garbage_entry *)sl_realloc(g->items, g->cap * sizeof(*e));
        }
    }
    g->items[g->first + g->count++] = *e;
}

void
state__garbage_add(struct state *st, const struct part_state *p, const struct segment_ref *s,
                   int64_t time_ms)
{
    if (s->bytes == 0) {
        return; /* there is no object */
    }
    struct garbage_entry e = {.dir = p->dir,
                              .r = {.id = ++st->garbage.last_id,
                                    .topic_id = p->topic_id,
                                    .dir = p->dir->name,
                                    .partition = p->index,
                                    .base = s->base,
                                    .gen = s->gen,
                                    .time_ms = time_ms}};
    p->dir->refs++;
    garbage_push(&st->garbage, &e);
}

size_t
state_garbage_count(const struct state *st)
{
    return st->garbage.count;
}

const struct garbage_ref *
state_garbage(const struct state *st, size_t i)
{
    return &st->garbage.items[st->garbage.first + i].r;
}

void
state__segments_retire(struct state *st, struct part_state *p, int64_t time_ms)
{
    for (size_t i = 0; i < p->segment_count; i++) {
        state__garbage_add(st, p, state__segment_at(p, i), time_ms);
    }
}

void
state__segments_trim(struct state *st, struct part_state *p, int64_t time_ms)
{
    while (p->segment_count > 0 && state__segment_at(p, 0)->last < p->start) {
        state__garbage_add(st, p, state__segment_at(p, 0), time_ms);
        sl_free(state__segment_at(p, 0)->slices);
        p->segment_first++;
        p->segment_count--;
    }
}

void
state__segments_clear(struct state *st)
{
    struct garbage_list *g = &st->garbage;
    for (size_t i = 0; i < g->count; i++) {
        state__dir_unref(st, &g->items[g->first + i].dir);
    }
    sl_free(g->items);
    *g = (struct garbage_list){0};
    state__segments_rollback(st);
    SL_ASSERT(st->dirs.count == 0);
    map_fini(&st->dirs);
}

/* --- snapshot
 *
 *     of a partition: text16 directory (empty: none), list of {segment, i64 created}
 *     of the journal: u64 last id, list of {u64 id, uuid topic, text16 directory, i32 partition,
 *         i64 base, u32 generation, i64 time} */

void
state__segments_snapshot(const struct part_state *p, struct bytes *out)
{
    state__put_text(out, p->dir == NULL ? span_of("", 0) : span_cstr(p->dir->name));
    bytes_u32(out, (uint32_t)p->segment_count);
    for (size_t i = 0; i < p->segment_count; i++) {
        state__put_segment(out, state__segment_at(p, i));
        bytes_u64(out, (uint64_t)state__segment_at(p, i)->created_ms);
    }
}

/* The first holds the start, each begins where the one before it ends. */
static bool
segment_follows(const struct part_state *p, const struct segment_ref *s)
{
    if (s->last >= p->end) {
        return false;
    }
    if (p->segment_count == 0) {
        return s->base <= p->start && s->last >= p->start;
    }
    return s->base == state__segment_at(p, p->segment_count - 1)->last + 1;
}

/* A directory that another partition of the topic, or its garbage, has under another name. */
static bool
restore_dir(struct state *st, const struct uuid *id, struct span name, struct topic_dir **ret)
{
    const struct topic_dir *d = state__dir_find(st, id);
    if (d != NULL ? !span_eq(span_cstr(d->name), name) : !state__dir_is_sound(name)) {
        return false;
    }
    *ret = state__dir_ref(st, id, name);
    return true;
}

void
state__segments_restore(struct state *st, struct part_state *p, struct cursor *c)
{
    struct span dir = state__take_text(c);
    if (c->is_bad || (dir.len > 0 && !restore_dir(st, &p->topic_id, dir, &p->dir))) {
        c->is_bad = true;
        return;
    }
    uint32_t count = cursor_count(c, 56);
    c->is_bad = c->is_bad || (count > 0 && p->dir == NULL);
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        struct segment_ref s = state__take_segment(c);
        s.created_ms = cursor_i64(c);
        if (c->is_bad || !segment_follows(p, &s)) {
            sl_free(s.slices);
            c->is_bad = true;
            return;
        }
        state__segment_push(p, &s);
    }
}

/* It holds the start, or begins where the one before it ends. */
static bool
is_in_place(const struct part_state *p, size_t i)
{
    const struct segment_ref *s = state__segment_at(p, i);
    if (i == 0) {
        return s->base <= p->start && s->last >= p->start;
    }
    return s->base == state__segment_at(p, i - 1)->last + 1 && s->last >= s->base;
}

void
state__segments_check(const struct part_state *p)
{
    size_t n = p->segment_count;
    SL_ASSERT(n == 0 || p->dir != NULL);
    for (size_t i = 0; i < n; i++) {
        SL_ASSERT(is_in_place(p, i));
    }
    SL_ASSERT(n == 0 || state__segment_at(p, n - 1)->last + 1 == part_registered_end(p));
}

void
state__garbage_snapshot(const struct state *st, struct bytes *out)
{
    bytes_u64(out, st->garbage.last_id);
    bytes_u32(out, (uint32_t)st->garbage.count);
    for (size_t i = 0; i < st->garbage.count; i++) {
        const struct garbage_ref *r = state_garbage(st, i);
        bytes_u64(out, r->id);
        bytes_append(out, r->topic_id.b, sizeof(r->topic_id.b));
        state__put_text(out, span_cstr(r->dir));
        bytes_u32(out, (uint32_t)r->partition);
        bytes_u64(out, (uint64_t)r->base);
        bytes_u32(out, r->gen);
        bytes_u64(out, (uint64_t)r->time_ms);
    }
}

void
state__garbage_restore(struct state *st, struct cursor *c)
{
    st->garbage.last_id = cursor_u64(c);
    uint32_t count = cursor_count(c, 50);
    uint64_t before = 0;
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        struct garbage_entry e = {.r = {.id = cursor_u64(c)}};
        e.r.topic_id = cursor_uuid(c);
        struct span dir = state__take_text(c);
        e.r.partition = cursor_i32(c);
        e.r.base = cursor_i64(c);
        e.r.gen = cursor_u32(c);
        e.r.time_ms = cursor_i64(c);
        if (c->is_bad || e.r.id <= before || e.r.id > st->garbage.last_id ||
            !restore_dir(st, &e.r.topic_id, dir, &e.dir)) {
            c->is_bad = true;
            return;
        }
        before = e.r.id;
        e.r.dir = e.dir->name;
        garbage_push(&st->garbage, &e);
    }
}

void
state__garbage_check(const struct state *st)
{
    for (size_t i = 0; i < st->garbage.count; i++) {
        SL_ASSERT(state_garbage(st, i)->id <= st->garbage.last_id);
        SL_ASSERT(i == 0 || state_garbage(st, i)->id > state_garbage(st, i - 1)->id);
    }
}
