/* SPDX-License-Identifier: Apache-2.0
 *
 * What consumers of the classic protocol wrap their subscriptions and assignments in (Kafka's
 * ConsumerProtocol), which a coordinator does not look into as long as a group is classic.
 *
 *     subscription: version i16 | topics: list of string | user data: bytes or null
 *                   | from 1: owned: list of parts | from 2: generation i32 | from 3: rack: string
 *                   or null
 *     assignment:   version i16 | list of parts | user data: bytes or null
 *     parts:        topic: string | partitions: list of i32
 *
 * Later versions only add behind what earlier ones have. */
#include "base/cursor.h"
#include "group/consumer_int.h"
#include "group/consumer_topics.h"

/* A client may have heard of partitions that this broker has not heard of yet. What it owns of them
 * must not be taken for free; so many of them are believed. */
enum { STRING_BYTES_MIN = 2, PARTS_BYTES_MIN = 6, PARTS_AHEAD = 256 };

static struct span
take_string(struct cursor *c)
{
    uint16_t len = cursor_u16(c);
    return cursor_span(c, len);
}

/* Null and empty are the same to us: gives what is in it. */
static struct span
take_bytes(struct cursor *c)
{
    int32_t len = cursor_i32(c);
    return len <= 0 ? span_of("", 0) : cursor_span(c, (size_t)len);
}

/* A list of parts as it stands; empty when the list is null. */
static struct span
take_parts(struct cursor *c)
{
    const uint8_t *begin = c->p;
    int32_t count = cursor_i32(c);
    for (int32_t i = 0; i < count && !c->is_bad; i++) {
        (void)take_string(c);
        uint32_t n = cursor_count(c, sizeof(int32_t));
        (void)cursor_span(c, n * sizeof(int32_t));
    }
    return c->is_bad || count <= 0 ? span_of("", 0) : span_of(begin, (size_t)(c->p - begin));
}

bool
consumer__subscription_parse(struct span metadata, struct arena *mem, struct csubscription *ret)
{
    struct cursor c = cursor_of(metadata);
    int16_t version = cursor_i16(&c);
    uint32_t count = cursor_count(&c, STRING_BYTES_MIN);
    *ret = (struct csubscription){.owned = span_of("", 0)};
    ret->topics = (struct span *)arena_array(mem, (size_t)count + 1, sizeof(struct span));
    if (c.is_bad || version < 0 || ret->topics == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        ret->topics[ret->topic_count++] = take_string(&c);
    }
    ret->has_user_data = take_bytes(&c).len > 0;
    if (version >= 1) {
        ret->owned = take_parts(&c);
    }
    if (version >= 2) {
        (void)cursor_u32(&c);
    }
    if (version >= 3) {
        int16_t len = cursor_i16(&c);
        ret->rack = len < 0 ? ret->rack : cursor_span(&c, (size_t)len);
    }
    return !c.is_bad;
}

bool
consumer__assignment_open(struct span assignment, struct span *ret_list)
{
    struct cursor c = cursor_of(assignment);
    *ret_list = span_of("", 0);
    if (assignment.len == 0) {
        return true; /* it has not got any yet */
    }
    int16_t version = cursor_i16(&c);
    *ret_list = take_parts(&c);
    return !c.is_bad && version >= 0;
}

struct found {
    struct uuid id;
    int32_t count; /* 0: there is no such topic */
};

static void
note_id(void *to, const struct consumer_topic *t)
{
    struct found *f = (struct found *)to;
    f->id = t->id;
    f->count = t->partition_count;
}

bool
consumer__parts_parse(struct consumer *c, struct span list, struct arena *mem,
                      struct group_part_list *ret)
{
    const struct consumer_topics *topics = c->g->table->o.topics;
    struct cursor in = cursor_of(list);
    uint32_t count = list.len == 0 ? 0 : cursor_count(&in, PARTS_BYTES_MIN);
    *ret = (struct group_part_list){0};
    ret->topics = (struct group_parts *)arena_array(mem, (size_t)count + 1, sizeof(*ret->topics));
    for (uint32_t i = 0; i < count && ret->topics != NULL && !in.is_bad; i++) {
        struct found f = {.count = 0};
        topics->find(topics->arg, take_string(&in), note_id, &f);
        uint32_t n = cursor_count(&in, sizeof(int32_t));
        struct group_parts *parts = &ret->topics[ret->count];
        *parts = (struct group_parts){.topic_id = f.id};
        parts->indexes = (int32_t *)arena_array(mem, (size_t)n + 1, sizeof(int32_t));
        for (uint32_t k = 0; k < n && parts->indexes != NULL; k++) {
            int32_t index = cursor_i32(&in);
            if (index >= 0 && f.count > 0 && index - PARTS_AHEAD < f.count) {
                parts->indexes[parts->count++] = index;
            }
        }
        in.is_bad = in.is_bad || parts->indexes == NULL;
        ret->count += f.count > 0 ? 1 : 0;
    }
    return ret->topics != NULL && !in.is_bad;
}

/* --- the other way --- */

static bool
is_put(const struct cpart *p, const struct cmember *m, bool has_revoking)
{
    return p->owner == m && (has_revoking || !p->is_revoking);
}

static uint32_t
put_topic(struct bytes *out, const struct cmember *m, const struct ctopic *t, bool has_revoking)
{
    uint32_t n = 0;
    for (int32_t i = 0; i < t->cap; i++) {
        n += is_put(&t->parts[i], m, has_revoking);
    }
    if (n == 0 || t->name.ptr == NULL) {
        return 0;
    }
    bytes_u16(out, (uint16_t)t->name.len);
    bytes_append(out, t->name.ptr, t->name.len);
    bytes_u32(out, n);
    for (int32_t i = 0; i < t->cap; i++) {
        if (is_put(&t->parts[i], m, has_revoking)) {
            bytes_u32(out, (uint32_t)i);
        }
    }
    return 1;
}

void
consumer__assignment_put(struct bytes *out, const struct cmember *m, bool has_revoking)
{
    uint32_t count = 0;
    size_t pos = 0;
    bytes_u16(out, 0); /* version: all clients know it, and nothing was added since */
    size_t at = out->len;
    bytes_u32(out, 0);
    for (const struct ctopic *t;
         (t = (const struct ctopic *)map_next(&m->group->topics_by_id, &pos)) != NULL;) {
        count += put_topic(out, m, t, has_revoking);
    }
    bytes_u32(out, UINT32_MAX); /* no user data */
    if (!out->is_overflown) {
        put_u32(out->data + at, count);
    }
}
