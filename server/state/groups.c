/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of groups, and what ops in flight will make of them.
 *
 * A group has two versions of its facts: those of S, and `spec`, what they are once everything in
 * flight is applied; NULL when that is the same. Groups with a spec stand in a list, so that a
 * rollback drops every spec. A group that is known from an op in flight only is in the table, but
 * does not exist: no look-up shows it, and a rollback removes it.
 *
 * An op that is applied finds, in the usual case, its own facts as the speculation, already
 * decoded, and takes them. */
#include "state/state_int.h"

static bool
group_eq(const void *value, const void *key)
{
    return span_eq(((const struct group_state *)value)->id, *(const struct span *)key);
}

static bool
offset_eq(const void *value, const void *key)
{
    const struct group_offset *o = (const struct group_offset *)value;
    const struct group_part *k = (const struct group_part *)key;
    return o->partition == k->partition && uuid_eq(&o->topic_id, &k->topic_id);
}

static uint64_t
offset_hash(const struct uuid *id, int32_t partition)
{
    return hash_bytes(id->b, sizeof(id->b)) ^ hash_u64((uint64_t)(uint32_t)partition);
}

struct group_state *
state__group_find(const struct state *st, struct span id)
{
    return (struct group_state *)map_get(&st->groups, hash_bytes(id.ptr, id.len), group_eq, &id);
}

struct group_state *
state_find_group(const struct state *st, struct span id)
{
    struct group_state *g = state__group_find(st, id);
    return g != NULL && g->exists ? g : NULL;
}

struct group_state *
state_next_group(const struct state *st, size_t *pos)
{
    for (struct group_state *g; (g = (struct group_state *)map_next(&st->groups, pos)) != NULL;) {
        if (g->exists) {
            return g;
        }
    }
    return NULL;
}

size_t
state_group_count(const struct state *st)
{
    return st->group_count;
}

struct group_state *
state__group_get(struct state *st, struct span id)
{
    struct group_state *g = state__group_find(st, id);
    if (g != NULL) {
        return g;
    }
    uint8_t *copy = (uint8_t *)sl_alloc(id.len + 1);
    if (id.len > 0) {
        memcpy(copy, id.ptr, id.len);
    }
    g = (struct group_state *)sl_alloc(sizeof(*g));
    g->id = span_of(copy, id.len);
    g->empty_since_ms = -1;
    list_init(&g->spec_node);
    map_add(&st->groups, hash_bytes(id.ptr, id.len), g);
    return g;
}

/* --- offsets --- */

const struct group_offset *
group_find_offset(const struct group_state *g, const struct uuid *topic_id, int32_t partition)
{
    const struct group_part key = {*topic_id, partition};
    return (const struct group_offset *)map_get(&g->offsets, offset_hash(topic_id, partition),
                                                offset_eq, &key);
}

const struct group_offset *
group_next_offset(const struct group_state *g, size_t *pos)
{
    return (const struct group_offset *)map_next(&g->offsets, pos);
}

static struct span
copy_span(struct span s)
{
    if (s.len == 0) {
        return span_of("", 0);
    }
    uint8_t *copy = (uint8_t *)sl_alloc(s.len);
    memcpy(copy, s.ptr, s.len);
    return span_of(copy, s.len);
}

static void
free_span(struct span s)
{
    if (s.len > 0) {
        sl_free((void *)(uintptr_t)s.ptr);
    }
}

static void
offset_free(struct group_offset *o)
{
    free_span(o->metadata);
    sl_free(o);
}

void
state__offset_put(struct group_state *g, const struct group_offset *from)
{
    const struct group_part key = {from->topic_id, from->partition};
    uint64_t hash = offset_hash(&from->topic_id, from->partition);
    struct group_offset *o = (struct group_offset *)map_get(&g->offsets, hash, offset_eq, &key);
    if (o == NULL) {
        o = (struct group_offset *)sl_alloc(sizeof(*o));
        o->topic_id = from->topic_id;
        o->partition = from->partition;
        map_add(&g->offsets, hash, o);
    }
    free_span(o->metadata);
    o->metadata = copy_span(from->metadata);
    o->offset = from->offset;
    o->leader_epoch = from->leader_epoch;
    o->commit_ms = from->commit_ms;
}

bool
state__offset_remove(struct group_state *g, const struct uuid *topic_id, int32_t partition,
                     int64_t before_ms)
{
    const struct group_part key = {*topic_id, partition};
    const struct group_offset *o = group_find_offset(g, topic_id, partition);
    if (o == NULL || o->commit_ms >= before_ms) {
        return false;
    }
    offset_free((struct group_offset *)map_remove(&g->offsets, offset_hash(topic_id, partition),
                                                  offset_eq, &key));
    return true;
}

static void
drop_retired(struct group_state *g, const struct retired_set *set)
{
    struct map kept = {0};
    size_t pos = 0;
    for (struct group_offset *o; (o = (struct group_offset *)map_next(&g->offsets, &pos));) {
        if (state__retired_find(set, &o->topic_id) != NULL) {
            offset_free(o);
        } else {
            map_add(&kept, offset_hash(&o->topic_id, o->partition), o);
        }
    }
    map_fini(&g->offsets);
    g->offsets = kept;
}

static bool
has_retired(const struct group_state *g, const struct retired_set *set)
{
    size_t pos = 0;
    for (const struct group_offset *o; (o = group_next_offset(g, &pos));) {
        if (state__retired_find(set, &o->topic_id) != NULL) {
            return true;
        }
    }
    return false;
}

static void
tell_offsets(struct state *st, struct group_state *g)
{
    if (st->events != NULL && st->events->offsets_changed != NULL) {
        st->events->offsets_changed(st->events_arg, g);
    }
}

void
state__offsets_retire(struct state *st, const struct retired_set *set)
{
    size_t found = 0;
    size_t pos = 0;
    struct group_state **touched =
        (struct group_state **)sl_alloc((st->group_count + 1) * sizeof(struct group_state *));
    for (struct group_state *g; (g = state_next_group(st, &pos));) {
        if (has_retired(g, set)) {
            touched[found++] = g;
        }
    }
    for (size_t i = 0; i < found; i++) {
        drop_retired(touched[i], set);
        tell_offsets(st, touched[i]);
        state__group_fade(st, touched[i]);
    }
    sl_free(touched);
}

/* --- the speculation --- */

const struct group_facts *
state__group_spec(const struct group_state *g, uint64_t *ret_version)
{
    *ret_version = g->spec != NULL ? g->spec_version : g->version;
    return g->spec != NULL ? g->spec : g->facts;
}

void
state__group_speculate(struct state *st, struct group_state *g, struct group_facts *f,
                       uint64_t version)
{
    group_facts_unref(&g->spec);
    g->spec = f;
    g->spec_version = version;
    list_remove(&g->spec_node);
    list_append(&st->spec_groups, &g->spec_node);
}

static void
end_spec(struct group_state *g)
{
    group_facts_unref(&g->spec);
    list_remove(&g->spec_node);
}

static void
group_free(struct group_state *g)
{
    size_t pos = 0;
    for (void *o; (o = map_next(&g->offsets, &pos)) != NULL;) {
        offset_free((struct group_offset *)o);
    }
    map_fini(&g->offsets);
    end_spec(g);
    group_facts_unref(&g->facts);
    sl_free((void *)(uintptr_t)g->id.ptr);
    sl_free(g);
}

static void
forget(struct state *st, struct group_state *g)
{
    (void)map_remove(&st->groups, hash_bytes(g->id.ptr, g->id.len), group_eq, &g->id);
    group_free(g);
}

void
state__groups_rollback(struct state *st)
{
    for (struct list *node; (node = list_pop(&st->spec_groups)) != NULL;) {
        struct group_state *g = SL_CONTAINER_OF(node, struct group_state, spec_node);
        end_spec(g);
        if (!g->exists) {
            forget(st, g);
        }
    }
    st->spec_group_version = st->group_version;
}

/* --- S --- */

void
state__group_exists(struct state *st, struct group_state *g, int64_t time_ms)
{
    if (!g->exists) {
        g->exists = true;
        g->empty_since_ms = time_ms;
        st->group_count++;
    }
}

struct group_facts *
state__group_decode(struct group_state *g, uint64_t version, struct span facts)
{
    if (g != NULL && g->spec != NULL && g->spec_version == version &&
        span_eq(state__facts_bytes(g->spec), facts)) {
        struct group_facts *f = group_facts_ref(g->spec);
        end_spec(g);
        return f;
    }
    return group_facts_decode(facts);
}

void
state__group_put(struct state *st, struct group_state *g, uint64_t version, struct group_facts *f)
{
    group_facts_unref(&g->facts);
    g->facts = f;
    g->version = version;
    st->group_version = version;
    if (st->spec_group_version < version) {
        st->spec_group_version = version;
    }
}

static void
tell_deleted(struct state *st, struct group_state *g, enum group_gone why)
{
    if (st->events != NULL && st->events->group_deleted != NULL) {
        st->events->group_deleted(st->events_arg, g, why);
    }
    g->user = NULL;
}

/* With an op in flight the entry of the table stays, as one that does not exist. */
void
state__group_drop(struct state *st, struct group_state *g)
{
    tell_deleted(st, g, GROUP_GONE_DELETED);
    st->group_count--;
    if (g->spec == NULL) {
        forget(st, g);
        return;
    }
    size_t pos = 0;
    for (void *o; (o = map_next(&g->offsets, &pos)) != NULL;) {
        offset_free((struct group_offset *)o);
    }
    map_fini(&g->offsets);
    group_facts_unref(&g->facts);
    g->version = 0;
    g->empty_since_ms = -1;
    g->exists = false;
}

void
state__group_fade(struct state *st, struct group_state *g)
{
    if (g->exists && g->facts == NULL && g->offsets.count == 0) {
        state__group_drop(st, g);
    }
}

void
state__groups_init(struct state *st)
{
    list_init(&st->spec_groups);
}

void
state__groups_clear(struct state *st)
{
    size_t pos = 0;
    for (struct group_state *g; (g = (struct group_state *)map_next(&st->groups, &pos));) {
        if (g->exists) {
            tell_deleted(st, g, GROUP_GONE_RESTORED);
        }
        group_free(g);
    }
    map_fini(&st->groups);
    list_init(&st->spec_groups);
    st->group_count = 0;
    st->group_version = st->spec_group_version = 0;
}

static void
check_existing(const struct group_state *g)
{
    bool has_facts = g->facts != NULL;
    SL_ASSERT(has_facts || g->offsets.count > 0);
    SL_ASSERT(!has_facts || (g->facts->member_count == 0) == (g->empty_since_ms >= 0));
}

void
state__groups_check(const struct state *st)
{
    size_t existing = 0;
    size_t pos = 0;
    SL_ASSERT(st->spec_group_version >= st->group_version);
    for (struct group_state *g; (g = (struct group_state *)map_next(&st->groups, &pos));) {
        SL_ASSERT((g->facts != NULL) == (g->version > 0) && g->version <= st->group_version);
        SL_ASSERT(g->spec == NULL ? g->exists : g->spec_version > g->version);
        if (g->exists) {
            check_existing(g);
            existing++;
        }
    }
    SL_ASSERT(existing == st->group_count);
}

/* --- snapshot
 *
 *     u64 last version given
 *     list of groups: text16 id, u64 version, i64 empty since, text32 facts (empty: none)
 *         list of offsets: uuid topic, i32 partition, i64 offset, i32 leader epoch, i64 committed,
 *             text16 metadata */

void
state__groups_snapshot(const struct state *st, struct bytes *out)
{
    bytes_u64(out, st->group_version);
    bytes_u32(out, (uint32_t)st->group_count);
    size_t pos = 0;
    for (const struct group_state *g; (g = state_next_group(st, &pos));) {
        state__put_text(out, g->id);
        bytes_u64(out, g->version);
        bytes_u64(out, (uint64_t)g->empty_since_ms);
        state__put_text32(out, g->facts == NULL ? span_of("", 0) : state__facts_bytes(g->facts));
        bytes_u32(out, (uint32_t)g->offsets.count);
        size_t at = 0;
        for (const struct group_offset *o; (o = group_next_offset(g, &at));) {
            bytes_append(out, o->topic_id.b, sizeof(o->topic_id.b));
            bytes_u32(out, (uint32_t)o->partition);
            bytes_u64(out, (uint64_t)o->offset);
            bytes_u32(out, (uint32_t)o->leader_epoch);
            bytes_u64(out, (uint64_t)o->commit_ms);
            state__put_text(out, o->metadata);
        }
    }
}

static void
restore_offsets(struct group_state *g, struct cursor *c)
{
    uint32_t count = cursor_count(c, 42);
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        struct group_offset o = {.topic_id = cursor_uuid(c)};
        o.partition = cursor_i32(c);
        o.offset = cursor_i64(c);
        o.leader_epoch = cursor_i32(c);
        o.commit_ms = cursor_i64(c);
        o.metadata = state__take_text(c);
        if (c->is_bad || group_find_offset(g, &o.topic_id, o.partition) != NULL) {
            c->is_bad = true;
            return;
        }
        state__offset_put(g, &o);
    }
}

static void
restore_group(struct state *st, struct cursor *c)
{
    struct span id = state__take_text(c);
    uint64_t version = cursor_u64(c);
    int64_t empty_since_ms = cursor_i64(c);
    struct span facts = state__take_text32(c);
    if (c->is_bad || id.len > GROUP_ID_MAX || version > st->group_version ||
        (version > 0) != (facts.len > 0) || state__group_find(st, id) != NULL) {
        c->is_bad = true;
        return;
    }
    struct group_state *g = state__group_get(st, id);
    state__group_exists(st, g, empty_since_ms);
    if (facts.len > 0) {
        g->facts = group_facts_decode(facts);
        g->version = version;
    }
    restore_offsets(g, c);
    bool is_empty = g->facts == NULL || g->facts->member_count == 0;
    c->is_bad = c->is_bad || (g->facts == NULL) != (version == 0) ||
                is_empty != (empty_since_ms >= 0) || (g->facts == NULL && g->offsets.count == 0);
}

void
state__groups_restore(struct state *st, struct cursor *c)
{
    st->group_version = st->spec_group_version = cursor_u64(c);
    uint32_t count = cursor_count(c, 26);
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        restore_group(st, c);
    }
}

void
state__groups_announce(struct state *st)
{
    size_t pos = 0;
    if (st->events == NULL || st->events->group_changed == NULL) {
        return;
    }
    for (struct group_state *g; (g = state_next_group(st, &pos));) {
        st->events->group_changed(st->events_arg, g);
    }
}
