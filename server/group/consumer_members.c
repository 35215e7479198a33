/* SPDX-License-Identifier: Apache-2.0
 *
 * The members of a consumer group, by id and by instance, and what they brought along. */
#include "group/consumer_int.h"

#include <stdlib.h>

enum { MEMBER_BYTES = sizeof(struct cmember) + 64 };

static bool
id_eq(const void *value, const void *key)
{
    return span_eq(((const struct cmember *)value)->id, *(const struct span *)key);
}

static bool
instance_eq(const void *value, const void *key)
{
    return span_eq(((const struct cmember *)value)->instance_id, *(const struct span *)key);
}

struct cmember *
consumer__member(const struct consumer *c, struct span id)
{
    return (struct cmember *)map_get(&c->by_id, hash_bytes(id.ptr, id.len), id_eq, &id);
}

struct cmember *
consumer__member_of_instance(const struct consumer *c, struct span instance_id)
{
    uint64_t hash = hash_bytes(instance_id.ptr, instance_id.len);
    return (struct cmember *)map_get(&c->by_instance, hash, instance_eq, &instance_id);
}

struct cmember *
consumer__member_add(struct consumer *c, struct span id, struct span instance_id)
{
    size_t bytes = MEMBER_BYTES + id.len + instance_id.len;
    if (!group__charge(c->g, bytes)) {
        return NULL;
    }
    struct cmember *m = (struct cmember *)sl_alloc(sizeof(*m));
    m->group = c;
    m->id = group__span_keep(id);
    m->instance_id = group__span_keep(instance_id);
    m->bytes = bytes;
    m->state = CMEMBER_STABLE;
    m->rebalance_timeout_ms = -1;
    list_append(&c->members, &m->node);
    map_add(&c->by_id, hash_bytes(m->id.ptr, m->id.len), m);
    if (m->instance_id.ptr != NULL) {
        map_add(&c->by_instance, hash_bytes(m->instance_id.ptr, m->instance_id.len), m);
    }
    c->member_count++;
    return m;
}

static void
names_free(struct cmember *m)
{
    for (uint32_t i = 0; i < m->name_count; i++) {
        group__span_free(&m->names[i]);
    }
    sl_free(m->names);
    m->names = NULL;
    m->name_count = 0;
}

static void
protocols_free(struct cmember *m)
{
    for (uint32_t i = 0; i < m->protocol_count; i++) {
        group__span_free(&m->protocols[i].name);
        group__span_free(&m->protocols[i].metadata);
    }
    sl_free(m->protocols);
    m->protocols = NULL;
    m->protocol_count = 0;
}

static void
member_free(struct cmember *m)
{
    struct consumer *c = m->group;
    sched_timer_stop(c->g->table->sched, &m->session);
    sched_timer_stop(c->g->table->sched, &m->patience);
    if (m->expr != NULL) {
        consumer__expr_put(c, &m->expr);
    }
    names_free(m);
    protocols_free(m);
    group__discharge(c->g, m->bytes);
    group__span_free(&m->id);
    group__span_free(&m->instance_id);
    group__span_free(&m->rack);
    group__span_free(&m->client_id);
    group__span_free(&m->client_host);
    sl_free(m->subscribed);
    sl_free(m);
}

static void
disown(struct consumer *c, const struct cmember *m)
{
    size_t pos = 0;
    for (struct ctopic *t; (t = (struct ctopic *)map_next(&c->topics_by_id, &pos)) != NULL;) {
        for (int32_t i = 0; i < t->cap; i++) {
            struct cpart *p = &t->parts[i];
            if (p->owner == m) {
                p->owner = NULL;
                p->is_revoking = false;
            }
            p->target = p->target == m ? NULL : p->target;
        }
    }
}

void
consumer__member_remove(struct cmember *m)
{
    struct consumer *c = m->group;
    disown(c, m);
    (void)map_remove(&c->by_id, hash_bytes(m->id.ptr, m->id.len), id_eq, &m->id);
    if (m->instance_id.ptr != NULL) {
        (void)map_remove(&c->by_instance, hash_bytes(m->instance_id.ptr, m->instance_id.len),
                         instance_eq, &m->instance_id);
    }
    list_remove(&m->node);
    c->member_count--;
    c->classic_count -= m->is_classic ? 1 : 0;
    member_free(m);
}

void
consumer__member_rename(struct cmember *m, struct span id)
{
    struct consumer *c = m->group;
    (void)map_remove(&c->by_id, hash_bytes(m->id.ptr, m->id.len), id_eq, &m->id);
    struct span old = m->id;
    m->id = group__span_keep(id); /* the caller may have given m->id itself */
    group__span_free(&old);
    m->waiting = 0; /* answers that wait are the old one's; they do not hold this one's clock */
    map_add(&c->by_id, hash_bytes(m->id.ptr, m->id.len), m);
}

void
consumer__members_free(struct consumer *c)
{
    for (struct list *node; (node = list_pop(&c->members)) != NULL;) {
        member_free(SL_CONTAINER_OF(node, struct cmember, node));
    }
    map_fini(&c->by_id);
    map_fini(&c->by_instance);
    c->member_count = c->classic_count = 0;
}

/* --- what it brought along --- */

/* Charges what is more, or gives back what is less. */
static bool
recharge(struct cmember *m, size_t before, size_t after)
{
    struct group *g = m->group->g;
    if (after > before && !group__charge(g, after - before)) {
        return false;
    }
    if (before > after) {
        group__discharge(g, before - after);
    }
    m->bytes += after - before;
    return true;
}

bool
consumer__member_text(struct cmember *m, struct span *field, struct span value, bool *ok)
{
    if (field->ptr != NULL && span_eq(*field, value)) {
        return false;
    }
    if (!recharge(m, field->len, value.len)) {
        *ok = false;
        return false;
    }
    group__span_free(field);
    *field = group__span_keep(value);
    return true;
}

static int
span_compare(const void *x, const void *y)
{
    const struct span *a = (const struct span *)x, *b = (const struct span *)y;
    size_t n = a->len < b->len ? a->len : b->len;
    int c = n == 0 ? 0 : memcmp(a->ptr, b->ptr, n);
    return c != 0 ? c : (a->len > b->len) - (a->len < b->len);
}

/* Sorted, each once; gives how many are left. */
static size_t
names_sort(struct span *names, size_t count)
{
    if (count > 1) {
        qsort(names, count, sizeof(*names), span_compare);
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !span_eq(names[kept - 1], names[i])) {
            names[kept++] = names[i];
        }
    }
    return kept;
}

static bool
names_equal(const struct cmember *m, const struct span *names, size_t count)
{
    for (size_t i = 0; i < count && count == m->name_count; i++) {
        if (!span_eq(m->names[i], names[i])) {
            return false;
        }
    }
    return count == m->name_count;
}

static size_t
names_bytes(const struct span *names, size_t count)
{
    size_t n = count * sizeof(*names);
    for (size_t i = 0; i < count; i++) {
        n += names[i].len;
    }
    return n;
}

bool
consumer__member_names(struct cmember *m, const struct span *names, size_t count, bool *ok)
{
    struct span *sorted = (struct span *)sl_alloc((count + 1) * sizeof(*sorted));
    if (count > 0) {
        memcpy(sorted, names, count * sizeof(*sorted));
    }
    count = names_sort(sorted, count);
    bool is_other = !names_equal(m, sorted, count);
    if (is_other &&
        !recharge(m, names_bytes(m->names, m->name_count), names_bytes(sorted, count))) {
        *ok = is_other = false;
    }
    if (!is_other) {
        sl_free(sorted);
        return false;
    }
    names_free(m);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = group__span_keep(sorted[i]);
    }
    m->names = sorted;
    m->name_count = (uint32_t)count;
    return true;
}

static size_t
protocols_bytes(const struct group_protocol *p, size_t count)
{
    size_t n = count * sizeof(*p);
    for (size_t i = 0; i < count; i++) {
        n += p[i].name.len + p[i].metadata.len;
    }
    return n;
}

static bool
protocols_equal(const struct cmember *m, const struct group_protocol *p, size_t count)
{
    for (size_t i = 0; i < count && count == m->protocol_count; i++) {
        if (!span_eq(m->protocols[i].name, p[i].name) ||
            !span_eq(m->protocols[i].metadata, p[i].metadata)) {
            return false;
        }
    }
    return count == m->protocol_count;
}

bool
consumer__member_protocols(struct cmember *m, const struct group_protocol *p, size_t count,
                           bool *ok)
{
    if (protocols_equal(m, p, count)) {
        return false;
    }
    if (!recharge(m, protocols_bytes(m->protocols, m->protocol_count), protocols_bytes(p, count))) {
        *ok = false;
        return false;
    }
    struct group_protocol *copy =
        (struct group_protocol *)sl_alloc((count + 1) * sizeof(struct group_protocol));
    for (size_t i = 0; i < count; i++) {
        copy[i] =
            (struct group_protocol){group__span_keep(p[i].name), group__span_keep(p[i].metadata)};
    }
    protocols_free(m);
    m->protocols = copy;
    m->protocol_count = (uint32_t)count;
    return true;
}
