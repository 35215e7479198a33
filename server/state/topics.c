/* SPDX-License-Identifier: Apache-2.0
 *
 * Topics that go away, and what they are configured with.
 *
 * A topic that is deleted loses its name at once, and keeps its id, partitions and journals until
 * every journal has retired it: whoever has journal 0 open finds it and goes on (R7). The name can
 * be given to a new topic in the meantime. That one gets another id and another directory
 * ("{topic}~{k}"), so that whatever comes late for the old one cannot meet the new one's objects.
 *
 * For that the highest incarnation of a name is remembered when its topic is deleted. Of the
 * PAST_TOPICS_MAX names deleted last each is remembered; of those before only the highest
 * incarnation of all, and a name that is not remembered begins above it. So nothing is ever used
 * twice, and the memory is bounded; a bucket in which more than PAST_TOPICS_MAX different names
 * were deleted gives numbered directories to all new topics.
 *
 *     TOPIC_DELETE, TOPIC_DELETED  list of uuid
 *     TOPIC_CONFIG                 list of {uuid, u8 flags (1 replaced), list of {text16 name,
 *                                  u8 is removed, text32 value}} */
#include "state/state_int.h"

#include <stdio.h>

enum { CONFIG_REPLACED = 1 };

static bool
past_eq(const void *value, const void *key)
{
    return span_eq(span_cstr(((const struct past_topic *)value)->name), *(const struct span *)key);
}

static struct past_topic *
past_find(const struct state *st, struct span name)
{
    return (struct past_topic *)map_get(&st->past, hash_bytes(name.ptr, name.len), past_eq, &name);
}

uint32_t
state_next_incarnation(const struct state *st, struct span name)
{
    const struct past_topic *past = past_find(st, name);
    return past != NULL ? past->incarnation + 1 : st->incarnation_floor;
}

void
topic_dir_name(struct span name, uint32_t incarnation, char *out, size_t cap)
{
    if (incarnation == 0) {
        (void)snprintf(out, cap, "%.*s", (int)name.len, (const char *)name.ptr);
    } else {
        (void)snprintf(out, cap, "%.*s~%u", (int)name.len, (const char *)name.ptr, incarnation);
    }
}

static void
past_drop(struct state *st, struct past_topic *past)
{
    struct span name = span_cstr(past->name);
    (void)map_remove(&st->past, hash_bytes(name.ptr, name.len), past_eq, &name);
    list_remove(&past->node);
    sl_free(past->name);
    sl_free(past);
}

static void
past_add(struct state *st, const char *name, uint32_t incarnation)
{
    struct past_topic *past = past_find(st, span_cstr(name));
    if (past != NULL) {
        past_drop(st, past);
    }
    if (st->past.count >= PAST_TOPICS_MAX) {
        struct past_topic *oldest = SL_CONTAINER_OF(st->past_order.next, struct past_topic, node);
        if (oldest->incarnation + 1 > st->incarnation_floor) {
            st->incarnation_floor = oldest->incarnation + 1;
        }
        past_drop(st, oldest);
    }
    past = (struct past_topic *)sl_alloc(sizeof(*past));
    past->name = sl_strdup(name);
    past->incarnation = incarnation;
    list_append(&st->past_order, &past->node);
    map_add(&st->past, hash_bytes(name, strlen(name)), past);
}

void
state__topics_init(struct state *st)
{
    list_init(&st->past_order);
}

void
state__topics_clear(struct state *st)
{
    while (!list_is_empty(&st->past_order)) {
        past_drop(st, SL_CONTAINER_OF(st->past_order.next, struct past_topic, node));
    }
    map_fini(&st->past);
    st->incarnation_floor = 0;
}

/* --- delete --- */

static void
put_ids(struct bytes *out, const struct uuid *ids, size_t count)
{
    bytes_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        bytes_append(out, ids[i].b, sizeof(ids[i].b));
    }
}

void
op_encode_topic_delete(struct bytes *out, const struct uuid *ids, size_t count)
{
    put_ids(out, ids, count);
}

void
op_encode_topic_deleted(struct bytes *out, const struct uuid *ids, size_t count)
{
    put_ids(out, ids, count);
}

STATE_APPLY(state__apply_topic_delete)
{
    (void)err;
    uint32_t count = cursor_count(c, 16);
    for (uint32_t i = 0; i < count; i++) {
        struct uuid id = cursor_uuid(c);
        struct topic_state *t = state_find_topic_id(st, &id);
        if (t == NULL || t->is_deleting) {
            continue;
        }
        state__topic_unname(st, t);
        past_add(st, t->name, t->incarnation);
        t->is_deleting = true;
        t->deleting_ms = item->time_ms;
        if (st->events != NULL && st->events->topic_deleting != NULL) {
            st->events->topic_deleting(st->events_arg, t);
        }
    }
    return SL_OK;
}

STATE_APPLY(state__apply_topic_deleted)
{
    (void)item;
    uint32_t count = cursor_count(c, 16);
    for (uint32_t i = 0; i < count; i++) {
        struct uuid id = cursor_uuid(c);
        struct topic_state *t = state_find_topic_id(st, &id);
        if (t == NULL) {
            continue; /* somebody else said so before */
        }
        if (!t->is_deleting) {
            return state__contradiction(err, "a topic is gone that was not deleted", &id, -1);
        }
        if (st->events != NULL && st->events->topic_deleted != NULL) {
            st->events->topic_deleted(st->events_arg, t);
        }
        state__topic_remove(st, t);
    }
    return SL_OK;
}

struct topic_state *
state_next_deleting(const struct state *st, size_t *pos)
{
    for (struct topic_state *t; (t = (struct topic_state *)map_next(&st->topics_by_id, pos));) {
        if (t->is_deleting) {
            return t;
        }
    }
    return NULL;
}

/* --- configuration --- */

enum sl_err
op_encode_topic_config(struct bytes *out, const struct topic_config_op *topics, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_large = topics[i].count > TOPIC_CONFIGS_MAX;
        for (size_t k = 0; k < topics[i].count && !is_large; k++) {
            const struct topic_config_change *ch = &topics[i].changes[k];
            is_large = ch->name.len > UINT8_MAX || ch->value.len > TOPIC_CONFIG_BYTES_MAX;
        }
        if (is_large) {
            return SL_ETOO_LARGE;
        }
    }
    bytes_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        bytes_append(out, topics[i].id.b, sizeof(topics[i].id.b));
        bytes_u8(out, topics[i].is_replaced ? CONFIG_REPLACED : 0);
        bytes_u32(out, (uint32_t)topics[i].count);
        for (size_t k = 0; k < topics[i].count; k++) {
            state__put_text(out, topics[i].changes[k].name);
            bytes_u8(out, topics[i].changes[k].value.ptr == NULL ? 1 : 0);
            state__put_text32(out, topics[i].changes[k].value);
        }
    }
    return SL_OK;
}

static void
config_free(struct topic_config *cf)
{
    sl_free(cf->name);
    sl_free(cf->value);
}

static void
configs_clear(struct topic_state *t)
{
    for (size_t i = 0; i < t->config_count; i++) {
        config_free(&t->configs[i]);
    }
    t->config_count = 0;
}

static size_t
config_find(const struct topic_state *t, struct span name)
{
    size_t i = 0;
    while (i < t->config_count && !span_eq(span_cstr(t->configs[i].name), name)) {
        i++;
    }
    return i;
}

static char *
text_of(struct span s)
{
    char *text = (char *)sl_alloc(s.len + 1);
    span_to_cstr(s, text, s.len + 1);
    return text;
}

static void
config_change(struct topic_state *t, struct span name, bool is_removed, struct span value)
{
    size_t i = config_find(t, name);
    if (is_removed) {
        if (i < t->config_count) {
            config_free(&t->configs[i]);
            t->config_count--;
            memmove(&t->configs[i], &t->configs[i + 1],
                    (t->config_count - i) * sizeof(t->configs[0]));
        }
        return;
    }
    if (i == t->config_count) {
        if (t->config_count >= TOPIC_CONFIGS_MAX) {
            return;
        }
        t->configs = (struct topic_config *)sl_realloc(t->configs, (i + 1) * sizeof(t->configs[0]));
        t->configs[i] = (struct topic_config){.name = text_of(name)};
        t->config_count++;
    }
    sl_free(t->configs[i].value);
    t->configs[i].value = text_of(value);
}

/* Text that a C string can hold. */
static bool
is_plain(struct span s, size_t max)
{
    return s.len <= max && (s.len == 0 || memchr(s.ptr, '\0', s.len) == NULL);
}

static void
config_changes(struct topic_state *t, struct cursor *c)
{
    uint32_t count = cursor_count(c, 7);
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        struct span name = state__take_text(c);
        bool is_removed = cursor_u8(c) != 0;
        struct span value = state__take_text32(c);
        c->is_bad = c->is_bad || name.len == 0 || !is_plain(name, UINT8_MAX) ||
                    !is_plain(value, TOPIC_CONFIG_BYTES_MAX);
        if (!c->is_bad && t != NULL) {
            config_change(t, name, is_removed, value);
        }
    }
}

STATE_APPLY(state__apply_topic_config)
{
    (void)item;
    (void)err;
    uint32_t count = cursor_count(c, 21);
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        struct uuid id = cursor_uuid(c);
        bool is_replaced = (cursor_u8(c) & CONFIG_REPLACED) != 0;
        struct topic_state *t = state_find_topic_id(st, &id);
        t = t == NULL || t->is_deleting ? NULL : t;
        if (t != NULL && is_replaced) {
            configs_clear(t);
        }
        config_changes(t, c);
        if (t != NULL && !c->is_bad) {
            state__topic_event(st, t);
        }
    }
    return SL_OK;
}

/* --- snapshot: u32 floor, list of {text16 name, u32 incarnation}, oldest first --- */

void
state__past_snapshot(const struct state *st, struct bytes *out)
{
    bytes_u32(out, st->incarnation_floor);
    bytes_u32(out, (uint32_t)st->past.count);
    LIST_FOREACH(node, &st->past_order)
    {
        const struct past_topic *past = SL_CONTAINER_OF(node, struct past_topic, node);
        state__put_text(out, span_cstr(past->name));
        bytes_u32(out, past->incarnation);
    }
}

void
state__past_restore(struct state *st, struct cursor *c)
{
    st->incarnation_floor = cursor_u32(c);
    uint32_t count = cursor_count(c, 6);
    c->is_bad = c->is_bad || count > PAST_TOPICS_MAX;
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        struct span name = state__take_text(c);
        uint32_t incarnation = cursor_u32(c);
        const struct topic_state *t = state_find_topic(st, name);
        if (c->is_bad || !topic_name_is_valid(name) || past_find(st, name) != NULL ||
            (t != NULL && t->incarnation <= incarnation)) {
            c->is_bad = true;
            return;
        }
        char text[256];
        span_to_cstr(name, text, sizeof(text));
        past_add(st, text, incarnation);
    }
}

void
state__past_check(const struct state *st)
{
    SL_ASSERT(st->past.count <= PAST_TOPICS_MAX);
    size_t pos = 0;
    for (struct topic_state *t; (t = state_next_topic(st, &pos));) {
        const struct past_topic *past = past_find(st, span_cstr(t->name));
        SL_ASSERT(past == NULL || t->incarnation > past->incarnation);
    }
}
