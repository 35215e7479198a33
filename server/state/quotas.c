/* SPDX-License-Identifier: Apache-2.0
 *
 * Client quotas: what a user, a client id or an address, or the default of each, may use.
 *
 *     QUOTA  list of {entity, list of {text16 key, u8 is removed, u64 bits of a double}}
 *     entity: user, client id, ip, each: u8 part (0 absent, 1 default, 2 named), text16 name if 2
 *
 * An entity is found by its encoded bytes, which it keeps and which its names point into. */
#include "state/state_int.h"

#include <math.h>

enum { QUOTA_KEY_BYTES_MAX = 64 };

struct quota_entry {
    struct quota_state q;
    struct span key;
};

static bool
quota_eq(const void *value, const void *key)
{
    return span_eq(((const struct quota_entry *)value)->key, *(const struct span *)key);
}

static struct quota_entry *
find(const struct state *st, struct span key)
{
    return (struct quota_entry *)map_get(&st->quotas, hash_bytes(key.ptr, key.len), quota_eq, &key);
}

/* --- encode --- */

static void
put_part(struct bytes *out, enum quota_part part, struct span name)
{
    bytes_u8(out, (uint8_t)part);
    if (part == QUOTA_NAMED) {
        state__put_text(out, name);
    }
}

static void
put_entity(struct bytes *out, const struct quota_entity *e)
{
    put_part(out, e->user_part, e->user);
    put_part(out, e->client_part, e->client_id);
    put_part(out, e->ip_part, e->ip);
}

static uint64_t
bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

static void
put_value(struct bytes *out, const struct quota_value *v)
{
    state__put_text(out, v->key);
    bytes_u8(out, v->is_removed ? 1 : 0);
    bytes_u64(out, v->is_removed ? 0 : bits_of(v->value));
}

static bool
is_value_sound(const struct quota_value *v)
{
    return v->key.len > 0 && v->key.len <= QUOTA_KEY_BYTES_MAX &&
           (v->is_removed || (isfinite(v->value) && v->value > 0));
}

static bool
is_entity_sound(const struct quota_entity *e)
{
    bool is_absent = e->user_part == QUOTA_ABSENT && e->client_part == QUOTA_ABSENT &&
                     e->ip_part == QUOTA_ABSENT;
    return !is_absent && e->user.len <= QUOTA_NAME_MAX && e->client_id.len <= QUOTA_NAME_MAX &&
           e->ip.len <= QUOTA_NAME_MAX;
}

enum sl_err
op_encode_quotas(struct bytes *out, const struct quota_op *quotas, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_sound = is_entity_sound(&quotas[i].entity) && quotas[i].count <= QUOTA_KEYS_MAX;
        for (size_t k = 0; k < quotas[i].count && is_sound; k++) {
            is_sound = is_value_sound(&quotas[i].values[k]);
        }
        if (!is_sound) {
            return SL_EINVAL;
        }
    }
    bytes_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        put_entity(out, &quotas[i].entity);
        bytes_u32(out, (uint32_t)quotas[i].count);
        for (size_t k = 0; k < quotas[i].count; k++) {
            put_value(out, &quotas[i].values[k]);
        }
    }
    return SL_OK;
}

/* --- decode --- */

static void
take_part(struct cursor *c, enum quota_part *part, struct span *name)
{
    uint8_t v = cursor_u8(c);
    c->is_bad = c->is_bad || v > QUOTA_NAMED;
    *part = (enum quota_part)(c->is_bad ? 0 : v);
    *name = *part == QUOTA_NAMED ? state__take_text(c) : span_of(NULL, 0);
}

static struct quota_entity
take_entity(struct cursor *c)
{
    struct quota_entity e;
    take_part(c, &e.user_part, &e.user);
    take_part(c, &e.client_part, &e.client_id);
    take_part(c, &e.ip_part, &e.ip);
    c->is_bad = c->is_bad || !is_entity_sound(&e);
    return e;
}

static struct quota_value
take_value(struct cursor *c)
{
    struct quota_value v = {.key = state__take_text(c)};
    v.is_removed = cursor_u8(c) != 0;
    uint64_t bits = cursor_u64(c);
    memcpy(&v.value, &bits, sizeof(v.value));
    c->is_bad = c->is_bad || !is_value_sound(&v);
    return v;
}

/* --- S --- */

static void
entry_free(struct quota_entry *e)
{
    for (uint32_t i = 0; i < e->q.value_count; i++) {
        sl_free((void *)(uintptr_t)e->q.values[i].key.ptr);
    }
    sl_free((void *)(uintptr_t)e->key.ptr);
    sl_free(e);
}

static struct span
copy_of(struct span s)
{
    uint8_t *copy = (uint8_t *)sl_alloc(s.len + 1);
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    return span_of(copy, s.len);
}

static struct quota_entry *
entry_new(struct state *st, struct span key)
{
    struct quota_entry *e = (struct quota_entry *)sl_alloc(sizeof(*e));
    e->key = copy_of(key);
    struct cursor c = cursor_of(e->key);
    e->q.entity = take_entity(&c);
    map_add(&st->quotas, hash_bytes(key.ptr, key.len), e);
    return e;
}

static void
entry_change(struct quota_entry *e, const struct quota_value *v)
{
    uint32_t i = 0;
    while (i < e->q.value_count && !span_eq(e->q.values[i].key, v->key)) {
        i++;
    }
    if (v->is_removed) {
        if (i < e->q.value_count) {
            sl_free((void *)(uintptr_t)e->q.values[i].key.ptr);
            e->q.values[i] = e->q.values[--e->q.value_count];
        }
        return;
    }
    if (i == e->q.value_count) {
        if (i == QUOTA_KEYS_MAX) {
            return;
        }
        e->q.values[e->q.value_count++] = (struct quota_value){.key = copy_of(v->key)};
    }
    e->q.values[i].value = v->value;
}

static void
tell(struct state *st, const struct quota_entry *e, bool is_removed)
{
    if (st->events != NULL && st->events->quota_changed != NULL) {
        st->events->quota_changed(st->events_arg, &e->q, is_removed);
    }
}

static void
settle(struct state *st, struct quota_entry *e)
{
    bool is_removed = e->q.value_count == 0;
    tell(st, e, is_removed);
    if (is_removed) {
        (void)map_remove(&st->quotas, hash_bytes(e->key.ptr, e->key.len), quota_eq, &e->key);
        entry_free(e);
    }
}

/* Gives the entity's entry, NULL when c is bad or there are too many. */
static struct quota_entry *
take_entry(struct state *st, struct cursor *c)
{
    const uint8_t *from = c->p;
    (void)take_entity(c);
    if (c->is_bad) {
        return NULL;
    }
    struct span key = span_of(from, (size_t)(c->p - from));
    struct quota_entry *e = find(st, key);
    return e != NULL || st->quotas.count >= QUOTA_ENTITIES_MAX ? e : entry_new(st, key);
}

STATE_APPLY(state__apply_quota)
{
    (void)item;
    (void)err;
    uint32_t count = cursor_count(c, 7);
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        struct quota_entry *e = take_entry(st, c);
        uint32_t values = cursor_count(c, 11);
        c->is_bad = c->is_bad || values > QUOTA_KEYS_MAX;
        for (uint32_t k = 0; k < values && !c->is_bad; k++) {
            struct quota_value v = take_value(c);
            if (e != NULL && !c->is_bad) {
                entry_change(e, &v);
            }
        }
        if (e != NULL) {
            settle(st, e);
        }
    }
    return SL_OK;
}

const struct quota_state *
state_find_quota(const struct state *st, const struct quota_entity *entity)
{
    struct bytes key;
    bytes_init(&key, 4 * QUOTA_NAME_MAX);
    put_entity(&key, entity);
    const struct quota_entry *e = find(st, bytes_span(&key));
    bytes_fini(&key);
    return e == NULL ? NULL : &e->q;
}

const struct quota_state *
state_next_quota(const struct state *st, size_t *pos)
{
    const struct quota_entry *e = (const struct quota_entry *)map_next(&st->quotas, pos);
    return e == NULL ? NULL : &e->q;
}

void
state__quotas_clear(struct state *st)
{
    size_t pos = 0;
    for (struct quota_entry *e; (e = (struct quota_entry *)map_next(&st->quotas, &pos));) {
        tell(st, e, true);
        entry_free(e);
    }
    map_fini(&st->quotas);
}

void
state__quotas_announce(struct state *st)
{
    size_t pos = 0;
    for (struct quota_entry *e; (e = (struct quota_entry *)map_next(&st->quotas, &pos));) {
        tell(st, e, false);
    }
}

/* --- snapshot: as one op that sets everything --- */

void
state__quotas_snapshot(const struct state *st, struct bytes *out)
{
    size_t pos = 0;
    bytes_u32(out, (uint32_t)st->quotas.count);
    for (const struct quota_entry *e;
         (e = (const struct quota_entry *)map_next(&st->quotas, &pos));) {
        bytes_append(out, e->key.ptr, e->key.len);
        bytes_u32(out, e->q.value_count);
        for (uint32_t i = 0; i < e->q.value_count; i++) {
            put_value(out, &e->q.values[i]);
        }
    }
}

void
state__quotas_restore(struct state *st, struct cursor *c)
{
    const struct state_events *events = st->events;
    st->events = NULL; /* announced when all of it is there */
    (void)state__apply_quota(st, NULL, c, NULL);
    st->events = events;
}
