/* SPDX-License-Identifier: Apache-2.0
 *
 * The facts of a group as bytes, version 1, big-endian. text16? is a text16 that may be null:
 * length 0xFFFF.
 *
 *     u16 version = 1, u8 type (1 classic, 2 consumer), u8 reserved
 *     i32 coordinator epoch
 *     classic:  i32 generation, text16? protocol type, text16? protocol, text16? leader
 *               list of members: text16 id, text16? instance id, text16 client id, text16 host,
 *                   i32 session timeout, i32 rebalance timeout, list of {text16 name, text32
 *                   metadata}, text32 assignment
 *     consumer: i32 group epoch, i32 assignment epoch, text16? server assignor, u64 metadata hash
 *               list of members: text16 id, text16? instance id, text16? rack, text16 client id,
 *                   text16 host, list of text16 topic, text16? regex, text16? server assignor,
 *                   i32 rebalance timeout, i32 epoch, i32 previous epoch, u8 state,
 *                   assigned, revoking, target: each a list of {uuid topic id, list of i32}
 *                   u8 is classic; if 1: i32 session timeout, list of {text16 name, text32
 * metadata}
 *
 * Decoded facts own a copy of these bytes, which all spans point into, and the arrays. */
#include "state/state_int.h"

enum { FACTS_VERSION = 1, TEXT_NULL = 0xFFFF };

struct facts_box {
    uint32_t refs;
    size_t len;
    struct group_facts f;
    uint8_t bytes[];
};

/* --- encode --- */

void
state__put_text(struct bytes *out, struct span s)
{
    if (s.len > GROUP_NAME_MAX) {
        out->is_overflown = true; /* the op is refused as a whole */
        return;
    }
    bytes_u16(out, (uint16_t)s.len);
    bytes_append(out, s.ptr, s.len);
}

void
state__put_nullable(struct bytes *out, struct span s)
{
    if (s.ptr == NULL) {
        bytes_u16(out, TEXT_NULL);
        return;
    }
    state__put_text(out, s);
}

void
state__put_text32(struct bytes *out, struct span s)
{
    if (s.len > GROUP_FACTS_BYTES_MAX) {
        out->is_overflown = true;
        return;
    }
    bytes_u32(out, (uint32_t)s.len);
    bytes_append(out, s.ptr, s.len);
}

static void
put_protocols(struct bytes *out, const struct group_protocol *p, uint32_t count)
{
    out->is_overflown = out->is_overflown || count > GROUP_PROTOCOLS_MAX;
    bytes_u32(out, count);
    for (uint32_t i = 0; i < count; i++) {
        state__put_text(out, p[i].name);
        state__put_text32(out, p[i].metadata);
    }
}

static void
put_parts(struct bytes *out, const struct group_part_list *l)
{
    bytes_u32(out, l->count);
    for (uint32_t i = 0; i < l->count; i++) {
        bytes_append(out, l->topics[i].topic_id.b, sizeof(l->topics[i].topic_id.b));
        bytes_u32(out, l->topics[i].count);
        for (uint32_t k = 0; k < l->topics[i].count; k++) {
            bytes_u32(out, (uint32_t)l->topics[i].indexes[k]);
        }
    }
}

static void
put_classic(struct bytes *out, const struct group_facts *f)
{
    bytes_u32(out, (uint32_t)f->generation);
    state__put_nullable(out, f->protocol_type);
    state__put_nullable(out, f->protocol);
    state__put_nullable(out, f->leader);
    bytes_u32(out, f->member_count);
    for (uint32_t i = 0; i < f->member_count; i++) {
        const struct classic_member *m = &f->classic[i];
        state__put_text(out, m->id);
        state__put_nullable(out, m->instance_id);
        state__put_text(out, m->client_id);
        state__put_text(out, m->client_host);
        bytes_u32(out, (uint32_t)m->session_timeout_ms);
        bytes_u32(out, (uint32_t)m->rebalance_timeout_ms);
        put_protocols(out, m->protocols, m->protocol_count);
        state__put_text32(out, m->assignment);
    }
}

static void
put_consumer_member(struct bytes *out, const struct consumer_member *m)
{
    state__put_text(out, m->id);
    state__put_nullable(out, m->instance_id);
    state__put_nullable(out, m->rack);
    state__put_text(out, m->client_id);
    state__put_text(out, m->client_host);
    bytes_u32(out, m->topic_count);
    for (uint32_t i = 0; i < m->topic_count; i++) {
        state__put_text(out, m->topics[i]);
    }
    state__put_nullable(out, m->regex);
    state__put_nullable(out, m->server_assignor);
    bytes_u32(out, (uint32_t)m->rebalance_timeout_ms);
    bytes_u32(out, (uint32_t)m->epoch);
    bytes_u32(out, (uint32_t)m->previous_epoch);
    bytes_u8(out, m->state);
    put_parts(out, &m->assigned);
    put_parts(out, &m->revoking);
    put_parts(out, &m->target);
    bytes_u8(out, m->is_classic ? 1 : 0);
    if (m->is_classic) {
        bytes_u32(out, (uint32_t)m->session_timeout_ms);
        put_protocols(out, m->protocols, m->protocol_count);
    }
}

void
group_facts_encode(struct bytes *out, const struct group_facts *f)
{
    out->is_overflown = out->is_overflown || f->member_count > GROUP_MEMBERS_MAX;
    bytes_u16(out, FACTS_VERSION);
    bytes_u8(out, (uint8_t)f->type);
    bytes_u8(out, 0);
    bytes_u32(out, (uint32_t)f->coordinator_epoch);
    if (f->type == GROUP_CLASSIC) {
        put_classic(out, f);
        return;
    }
    bytes_u32(out, (uint32_t)f->group_epoch);
    bytes_u32(out, (uint32_t)f->assignment_epoch);
    state__put_nullable(out, f->server_assignor);
    bytes_u64(out, f->metadata_hash);
    bytes_u32(out, f->member_count);
    for (uint32_t i = 0; i < f->member_count; i++) {
        put_consumer_member(out, &f->consumer[i]);
    }
}

/* --- decode --- */

struct span
state__take_text(struct cursor *c)
{
    uint16_t len = cursor_u16(c);
    if (len > GROUP_NAME_MAX) {
        c->is_bad = true;
    }
    struct span s = cursor_span(c, len);
    return c->is_bad ? span_of(NULL, 0) : s;
}

struct span
state__take_nullable(struct cursor *c)
{
    if (cursor_left(c) >= 2 && get_u16(c->p) == TEXT_NULL) {
        (void)cursor_u16(c);
        return span_of(NULL, 0);
    }
    return state__take_text(c);
}

struct span
state__take_text32(struct cursor *c)
{
    return cursor_span(c, cursor_u32(c));
}

/* NULL for none, or when c is bad. */
static void *
take_array(struct cursor *c, uint32_t count, size_t item)
{
    return c->is_bad || count == 0 ? NULL : sl_alloc((size_t)count * item);
}

static struct group_protocol *
take_protocols(struct cursor *c, uint32_t *ret_count)
{
    uint32_t count = cursor_count(c, 6);
    if (count > GROUP_PROTOCOLS_MAX) {
        c->is_bad = true;
    }
    struct group_protocol *p = (struct group_protocol *)take_array(c, count, sizeof(*p));
    for (uint32_t i = 0; p != NULL && i < count; i++) {
        p[i].name = state__take_text(c);
        p[i].metadata = state__take_text32(c);
    }
    *ret_count = p == NULL ? 0 : count;
    return p;
}

static void
take_parts(struct cursor *c, struct group_part_list *l)
{
    uint32_t topics = cursor_count(c, 20);
    l->topics = (struct group_parts *)take_array(c, topics, sizeof(*l->topics));
    l->count = l->topics == NULL ? 0 : topics;
    for (uint32_t i = 0; i < l->count; i++) {
        struct group_parts *t = &l->topics[i];
        t->topic_id = cursor_uuid(c);
        uint32_t count = cursor_count(c, 4);
        t->indexes = (int32_t *)take_array(c, count, sizeof(int32_t));
        t->count = t->indexes == NULL ? 0 : count;
        for (uint32_t k = 0; k < t->count; k++) {
            t->indexes[k] = cursor_i32(c);
        }
    }
}

static void
take_classic_member(struct cursor *c, struct classic_member *m)
{
    m->id = state__take_text(c);
    m->instance_id = state__take_nullable(c);
    m->client_id = state__take_text(c);
    m->client_host = state__take_text(c);
    m->session_timeout_ms = cursor_i32(c);
    m->rebalance_timeout_ms = cursor_i32(c);
    m->protocols = take_protocols(c, &m->protocol_count);
    m->assignment = state__take_text32(c);
}

static void
take_consumer_member(struct cursor *c, struct consumer_member *m)
{
    m->id = state__take_text(c);
    m->instance_id = state__take_nullable(c);
    m->rack = state__take_nullable(c);
    m->client_id = state__take_text(c);
    m->client_host = state__take_text(c);
    uint32_t topics = cursor_count(c, 2);
    m->topics = (struct span *)take_array(c, topics, sizeof(struct span));
    m->topic_count = m->topics == NULL ? 0 : topics;
    for (uint32_t i = 0; i < m->topic_count; i++) {
        m->topics[i] = state__take_text(c);
    }
    m->regex = state__take_nullable(c);
    m->server_assignor = state__take_nullable(c);
    m->rebalance_timeout_ms = cursor_i32(c);
    m->epoch = cursor_i32(c);
    m->previous_epoch = cursor_i32(c);
    m->state = cursor_u8(c);
    take_parts(c, &m->assigned);
    take_parts(c, &m->revoking);
    take_parts(c, &m->target);
    m->is_classic = cursor_u8(c) != 0;
    if (m->is_classic) {
        m->session_timeout_ms = cursor_i32(c);
        m->protocols = take_protocols(c, &m->protocol_count);
    }
}

static uint32_t
take_member_count(struct cursor *c, size_t least)
{
    uint32_t count = cursor_count(c, least);
    if (count > GROUP_MEMBERS_MAX) {
        c->is_bad = true;
    }
    return c->is_bad ? 0 : count;
}

static void
take_classic(struct cursor *c, struct group_facts *f)
{
    f->generation = cursor_i32(c);
    f->protocol_type = state__take_nullable(c);
    f->protocol = state__take_nullable(c);
    f->leader = state__take_nullable(c);
    uint32_t count = take_member_count(c, 24);
    f->classic = (struct classic_member *)take_array(c, count, sizeof(*f->classic));
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        take_classic_member(c, &f->classic[i]);
        f->member_count++;
    }
}

static void
take_consumer(struct cursor *c, struct group_facts *f)
{
    f->group_epoch = cursor_i32(c);
    f->assignment_epoch = cursor_i32(c);
    f->server_assignor = state__take_nullable(c);
    f->metadata_hash = cursor_u64(c);
    uint32_t count = take_member_count(c, 44);
    f->consumer = (struct consumer_member *)take_array(c, count, sizeof(*f->consumer));
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        take_consumer_member(c, &f->consumer[i]);
        f->member_count++;
    }
}

struct group_facts *
group_facts_decode(struct span bytes)
{
    if (bytes.len > GROUP_FACTS_BYTES_MAX) {
        return NULL;
    }
    struct facts_box *box = (struct facts_box *)sl_alloc(sizeof(*box) + bytes.len);
    struct group_facts *f = &box->f;
    box->refs = 1;
    box->len = bytes.len;
    if (bytes.len > 0) {
        memcpy(box->bytes, bytes.ptr, bytes.len);
    }
    struct cursor c = cursor_of(span_of(box->bytes, bytes.len));
    uint16_t version = cursor_u16(&c);
    uint8_t type = cursor_u8(&c);
    (void)cursor_u8(&c);
    f->coordinator_epoch = cursor_i32(&c);
    if (version == FACTS_VERSION && type == GROUP_CLASSIC) {
        f->type = GROUP_CLASSIC;
        take_classic(&c, f);
    } else if (version == FACTS_VERSION && type == GROUP_CONSUMER) {
        f->type = GROUP_CONSUMER;
        take_consumer(&c, f);
    } else {
        c.is_bad = true;
    }
    if (!cursor_is_done(&c)) {
        group_facts_unref(&f);
    }
    return f;
}

static struct facts_box *
box_of(struct group_facts *f)
{
    return SL_CONTAINER_OF(f, struct facts_box, f);
}

struct group_facts *
group_facts_ref(struct group_facts *f)
{
    box_of(f)->refs++;
    return f;
}

static void
free_parts(struct group_part_list *l)
{
    for (uint32_t i = 0; i < l->count; i++) {
        sl_free(l->topics[i].indexes);
    }
    sl_free(l->topics);
}

static void
free_members(struct group_facts *f)
{
    for (uint32_t i = 0; f->classic != NULL && i < f->member_count; i++) {
        sl_free(f->classic[i].protocols);
    }
    for (uint32_t i = 0; f->consumer != NULL && i < f->member_count; i++) {
        struct consumer_member *m = &f->consumer[i];
        sl_free(m->topics);
        sl_free(m->protocols);
        free_parts(&m->assigned);
        free_parts(&m->revoking);
        free_parts(&m->target);
    }
    sl_free(f->classic);
    sl_free(f->consumer);
}

void
group_facts_unref(struct group_facts **pf)
{
    struct group_facts *f = *pf;
    *pf = NULL;
    if (f == NULL) {
        return;
    }
    SL_ASSERT(box_of(f)->refs > 0);
    if (--box_of(f)->refs > 0) {
        return;
    }
    free_members(f);
    sl_free(box_of(f));
}

struct span
state__facts_bytes(const struct group_facts *f)
{
    const struct facts_box *box =
        (const struct facts_box *)(const void *)((const char *)f - offsetof(struct facts_box, f));
    return span_of(box->bytes, box->len);
}

/* --- look-up --- */

static struct span
member_id(const struct group_facts *f, uint32_t i)
{
    return f->type == GROUP_CLASSIC ? f->classic[i].id : f->consumer[i].id;
}

static struct span
member_instance(const struct group_facts *f, uint32_t i)
{
    return f->type == GROUP_CLASSIC ? f->classic[i].instance_id : f->consumer[i].instance_id;
}

uint32_t
group_facts_find(const struct group_facts *f, struct span id)
{
    for (uint32_t i = 0; i < f->member_count; i++) {
        if (span_eq(member_id(f, i), id)) {
            return i;
        }
    }
    return UINT32_MAX;
}

uint32_t
group_facts_find_instance(const struct group_facts *f, struct span instance_id)
{
    for (uint32_t i = 0; i < f->member_count; i++) {
        struct span s = member_instance(f, i);
        if (s.ptr != NULL && span_eq(s, instance_id)) {
            return i;
        }
    }
    return UINT32_MAX;
}
