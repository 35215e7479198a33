/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of a classic group, ids given out to members to be, and the protocols that all of them
 * know. */
#include "group/classic_int.h"

/* --- finding --- */

static bool
member_id_eq(const void *value, const void *key)
{
    return span_eq(((const struct member *)value)->id, *(const struct span *)key);
}

static bool
instance_eq(const void *value, const void *key)
{
    return span_eq(((const struct member *)value)->instance_id, *(const struct span *)key);
}

static bool
protocol_eq(const void *value, const void *key)
{
    return span_eq(((const struct protocol_count *)value)->name, *(const struct span *)key);
}

static uint64_t
span_hash(struct span s)
{
    return hash_bytes(s.ptr, s.len);
}

struct member *
classic__member(const struct classic *c, struct span id)
{
    return (struct member *)map_get(&c->by_id, span_hash(id), member_id_eq, &id);
}

struct member *
classic__member_of_instance(const struct classic *c, struct span instance_id)
{
    return (struct member *)map_get(&c->by_instance, span_hash(instance_id), instance_eq,
                                    &instance_id);
}

int16_t
classic__check_member(const struct classic *c, struct span id, struct span instance_id,
                      struct member **ret)
{
    if (instance_id.ptr != NULL) {
        const struct member *current = classic__member_of_instance(c, instance_id);
        if (current == NULL) {
            return KAFKA_UNKNOWN_MEMBER_ID;
        }
        if (!span_eq(current->id, id)) {
            return KAFKA_FENCED_INSTANCE_ID;
        }
    }
    struct member *m = classic__member(c, id);
    if (m == NULL) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    *ret = m;
    return KAFKA_NONE;
}

/* --- protocols --- */

static struct protocol_count *
count_find(const struct classic *c, struct span name)
{
    return (struct protocol_count *)map_get(&c->protocols, span_hash(name), protocol_eq, &name);
}

static void
count_up(struct classic *c, struct span name)
{
    struct protocol_count *pc = count_find(c, name);
    if (pc == NULL) {
        pc = (struct protocol_count *)sl_alloc(sizeof(*pc));
        pc->name = group__span_keep(name);
        map_add(&c->protocols, span_hash(name), pc);
    }
    pc->members++;
}

static void
count_down(struct classic *c, struct span name)
{
    struct protocol_count *pc = count_find(c, name);
    if (pc != NULL && --pc->members == 0) {
        (void)map_remove(&c->protocols, span_hash(name), protocol_eq, &name);
        group__span_free(&pc->name);
        sl_free(pc);
    }
}

/* A name that stands twice in one join counts once. */
static bool
is_repeated(const struct group_protocol *protocols, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (span_eq(protocols[k].name, protocols[i].name)) {
            return true;
        }
    }
    return false;
}

static void
protocols_count(struct member *m, void (*count)(struct classic *c, struct span name))
{
    for (size_t i = 0; i < m->protocol_count; i++) {
        if (!is_repeated(m->protocols, i)) {
            count(m->group, m->protocols[i].name);
        }
    }
}

static size_t
protocols_bytes(const struct group_protocol *protocols, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += sizeof(protocols[0]) + protocols[i].name.len + protocols[i].metadata.len;
    }
    return total;
}

static struct span
copy_to(uint8_t **at, struct span s)
{
    if (s.len > 0) {
        memcpy(*at, s.ptr, s.len);
    }
    *at += s.len;
    return span_of(*at - s.len, s.len);
}

/* One block: the array, then the bytes. */
static struct group_protocol *
protocols_keep(const struct group_protocol *protocols, size_t count)
{
    uint8_t *block = (uint8_t *)sl_alloc(protocols_bytes(protocols, count) + 1);
    struct group_protocol *copy = (struct group_protocol *)(void *)block;
    uint8_t *at = block + count * sizeof(copy[0]);
    for (size_t i = 0; i < count; i++) {
        copy[i].name = copy_to(&at, protocols[i].name);
        copy[i].metadata = copy_to(&at, protocols[i].metadata);
    }
    return copy;
}

struct span
classic__metadata(const struct member *m, struct span protocol)
{
    for (size_t i = 0; i < m->protocol_count && protocol.ptr != NULL; i++) {
        if (span_eq(m->protocols[i].name, protocol)) {
            return m->protocols[i].metadata;
        }
    }
    return span_cstr("");
}

bool
classic__member_matches(const struct member *m, const struct group_join *j)
{
    if (m->protocol_count != j->protocol_count) {
        return false;
    }
    for (size_t i = 0; i < m->protocol_count; i++) {
        if (!span_eq(m->protocols[i].name, j->protocols[i].name) ||
            !span_eq(m->protocols[i].metadata, j->protocols[i].metadata)) {
            return false;
        }
    }
    return true;
}

bool
classic__supports(const struct classic *c, const struct group_join *j)
{
    if (j->protocol_type.len == 0 || j->protocol_count == 0 ||
        j->protocol_count > GROUP_PROTOCOLS_MAX) {
        return false;
    }
    if (c->member_count == 0) {
        return true;
    }
    if (!span_eq(c->protocol_type, j->protocol_type)) {
        return false;
    }
    for (size_t i = 0; i < j->protocol_count; i++) {
        const struct protocol_count *pc = count_find(c, j->protocols[i].name);
        if (pc != NULL && pc->members == c->member_count) {
            return true;
        }
    }
    return false;
}

static struct protocol_count *
vote_of(const struct classic *c, const struct member *m)
{
    for (size_t i = 0; i < m->protocol_count; i++) {
        struct protocol_count *pc = count_find(c, m->protocols[i].name);
        if (pc != NULL && pc->members == c->member_count) {
            return pc;
        }
    }
    return NULL;
}

struct span
classic__vote(struct classic *c)
{
    const struct protocol_count *best = NULL;
    struct protocol_count *pc;
    size_t pos = 0;
    while ((pc = (struct protocol_count *)map_next(&c->protocols, &pos)) != NULL) {
        pc->votes = 0;
    }
    LIST_FOREACH(node, &c->members)
    {
        pc = vote_of(c, SL_CONTAINER_OF(node, struct member, node));
        if (pc == NULL) {
            continue;
        }
        pc->votes++;
    }
    /* on a tie, what the longest member prefers */
    LIST_FOREACH(node, &c->members)
    {
        pc = vote_of(c, SL_CONTAINER_OF(node, struct member, node));
        if (pc != NULL && (best == NULL || pc->votes > best->votes)) {
            best = pc;
        }
    }
    return best == NULL ? span_of(NULL, 0) : best->name;
}

/* --- members --- */

static size_t
member_bytes(const struct group_join *j, struct span id)
{
    return sizeof(struct member) + id.len + j->instance_id.len + j->client_id.len +
           j->client_host.len + protocols_bytes(j->protocols, j->protocol_count);
}

static void
take_protocols(struct member *m, const struct group_join *j)
{
    m->protocols = protocols_keep(j->protocols, j->protocol_count);
    m->protocol_count = (uint32_t)j->protocol_count;
    m->session_timeout_ms = j->session_timeout_ms;
    m->rebalance_timeout_ms = j->rebalance_timeout_ms;
    protocols_count(m, count_up);
}

struct member *
classic__member_add(struct classic *c, struct span id, const struct group_join *j)
{
    size_t bytes = member_bytes(j, id);
    if (c->member_count >= GROUP_MEMBERS_MAX || !group__charge(c->g, bytes)) {
        return NULL;
    }
    struct member *m = (struct member *)sl_alloc(sizeof(*m));
    m->group = c;
    m->bytes = bytes;
    m->id = group__span_keep(id);
    m->instance_id = group__span_keep(j->instance_id);
    m->client_id = group__span_keep(j->client_id.ptr == NULL ? span_cstr("") : j->client_id);
    m->client_host = group__span_keep(j->client_host);
    if (c->member_count == 0) {
        group__span_free(&c->protocol_type);
        c->protocol_type = group__span_keep(j->protocol_type);
    }
    take_protocols(m, j);
    list_append(&c->members, &m->node);
    map_add(&c->by_id, span_hash(m->id), m);
    if (m->instance_id.ptr != NULL) {
        map_add(&c->by_instance, span_hash(m->instance_id), m);
    }
    c->member_count++;
    c->leader = c->leader == NULL ? m : c->leader;
    return m;
}

bool
classic__member_update(struct member *m, const struct group_join *j)
{
    struct classic *c = m->group;
    size_t had = protocols_bytes(m->protocols, m->protocol_count);
    size_t has = protocols_bytes(j->protocols, j->protocol_count);
    if (has > had && !group__charge(c->g, has - had)) {
        return false;
    }
    if (has < had) {
        group__discharge(c->g, had - has);
    }
    m->bytes = m->bytes - had + has;
    protocols_count(m, count_down);
    sl_free(m->protocols);
    take_protocols(m, j);
    return true;
}

bool
classic__member_assign(struct member *m, struct span assignment)
{
    struct classic *c = m->group;
    group__discharge(c->g, m->assignment.len);
    m->bytes -= m->assignment.len;
    group__span_free(&m->assignment);
    if (!group__charge(c->g, assignment.len)) {
        return false;
    }
    m->bytes += assignment.len;
    m->assignment = group__span_keep(assignment);
    return true;
}

void
classic__member_rename(struct member *m, struct span id)
{
    struct classic *c = m->group;
    struct span old = m->id;
    (void)map_remove(&c->by_id, span_hash(old), member_id_eq, &old);
    m->id = group__span_keep(id);
    group__span_free(&old);
    map_add(&c->by_id, span_hash(m->id), m);
}

static void
answer_waiting(struct member *m, int16_t error)
{
    if (m->join != NULL) {
        struct group_join *j = m->join;
        m->join = NULL;
        m->group->joining_count--;
        j->ret_member_id = group__span_answer(&j->call, m->id);
        group_answer(&j->call, error);
    }
    if (m->sync != NULL) {
        group_answer(&m->sync->call, error);
        m->sync = NULL;
    }
}

void
classic__member_remove(struct member *m, int16_t error)
{
    struct classic *c = m->group;
    answer_waiting(m, error);
    sched_timer_stop(c->g->table->sched, &m->session);
    protocols_count(m, count_down);
    (void)map_remove(&c->by_id, span_hash(m->id), member_id_eq, &m->id);
    if (m->instance_id.ptr != NULL) {
        (void)map_remove(&c->by_instance, span_hash(m->instance_id), instance_eq, &m->instance_id);
    }
    list_remove(&m->node);
    c->member_count--;
    if (c->leader == m) {
        c->leader = list_is_empty(&c->members)
                        ? NULL
                        : SL_CONTAINER_OF(c->members.next, struct member, node);
    }
    group__discharge(c->g, m->bytes);
    group__span_free(&m->id);
    group__span_free(&m->instance_id);
    group__span_free(&m->client_id);
    group__span_free(&m->client_host);
    group__span_free(&m->assignment);
    sl_free(m->protocols);
    sl_free(m);
}

void
classic__members_drop(struct classic *c, int16_t error)
{
    LIST_FOREACH_SAFE(node, tmp, &c->members)
    {
        classic__member_remove(SL_CONTAINER_OF(node, struct member, node), error);
    }
    LIST_FOREACH_SAFE(node, tmp, &c->pendings)
    {
        classic__pending_remove(SL_CONTAINER_OF(node, struct pending, node));
    }
}

/* --- ids given out --- */

struct pending *
classic__pending(const struct classic *c, struct span id)
{
    LIST_FOREACH(node, &c->pendings)
    {
        struct pending *p = SL_CONTAINER_OF(node, struct pending, node);
        if (span_eq(p->id, id)) {
            return p;
        }
    }
    return NULL;
}

static void
pending_expired(struct sched_timer *t)
{
    struct pending *p = SL_CONTAINER_OF(t, struct pending, expiry);
    struct classic *c = p->group;
    struct group *g = c->g;
    group__pin(g);
    classic__pending_remove(p);
    classic__join_check(c);
    group__unpin(g);
}

bool
classic__pending_add(struct classic *c, struct span id, int64_t timeout_ms)
{
    size_t bytes = sizeof(struct pending) + id.len;
    if (c->pending_count >= CLASSIC_PENDING_MAX || !group__charge(c->g, bytes)) {
        return false;
    }
    struct pending *p = (struct pending *)sl_alloc(sizeof(*p));
    p->group = c;
    p->id = group__span_keep(id);
    p->bytes = bytes;
    p->expiry.fire = pending_expired;
    list_append(&c->pendings, &p->node);
    c->pending_count++;
    sched_timer_after(c->g->table->sched, &p->expiry, timeout_ms * SCHED_MS);
    return true;
}

void
classic__pending_remove(struct pending *p)
{
    struct classic *c = p->group;
    sched_timer_stop(c->g->table->sched, &p->expiry);
    list_remove(&p->node);
    c->pending_count--;
    group__discharge(c->g, p->bytes);
    group__span_free(&p->id);
    sl_free(p);
}
