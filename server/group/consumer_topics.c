/* SPDX-License-Identifier: Apache-2.0
 *
 * Which topics the members of a consumer group are subscribed to, by name and by expression, and
 * whether they look as they did when the group was last assigned.
 *
 * The group keeps the topics that somebody is subscribed to, and those of which somebody still owns
 * partitions although nobody is subscribed any more or although they are gone.
 *
 * A change is noticed by the version of all topics when a member is heard of; then everything is
 * looked up again, and a hash over ids and partitions says whether it concerns this group. The hash
 * is a fact, so that a restart does not look like a change. Expressions are matched against every
 * topic of the cluster, hence not more often than every few seconds. */
#include "group/consumer_topics.h"

#include "group/consumer_int.h"

#include <stdlib.h>

enum {
    EXPR_PAUSE_S = 3,   /* between two looks at all topics */
    EXPR_WORK_MS = 500, /* expressions against all topics, at a time */
    EXPRS_MAX = 100,    /* different ones of one group */
    EXPR_LOOK_AT_CLOCK = 64,
    EXPR_TOPICS_MAX = 100000
};

/* --- topics of the group --- */

static bool
id_eq(const void *value, const void *key)
{
    return uuid_eq(&((const struct ctopic *)value)->id, (const struct uuid *)key);
}

struct ctopic *
consumer__topic(const struct consumer *c, const struct uuid *id)
{
    return (struct ctopic *)map_get(&c->topics_by_id, hash_bytes(id->b, sizeof(id->b)), id_eq, id);
}

struct ctopic *
consumer__topic_make(struct consumer *c, const struct uuid *id, int32_t parts)
{
    struct ctopic *t = consumer__topic(c, id);
    if (t == NULL) {
        t = (struct ctopic *)sl_alloc(sizeof(*t));
        t->id = *id;
        map_add(&c->topics_by_id, hash_bytes(id->b, sizeof(id->b)), t);
    }
    if (parts > t->cap) {
        size_t old = (size_t)t->cap * sizeof(struct cpart);
        t->parts = (struct cpart *)sl_realloc(t->parts, (size_t)parts * sizeof(struct cpart));
        memset((uint8_t *)t->parts + old, 0, (size_t)parts * sizeof(struct cpart) - old);
        t->cap = parts;
    }
    return t;
}

static void
topic_free(struct ctopic *t)
{
    group__span_free(&t->name);
    sl_free(t->parts);
    sl_free(t);
}

static bool
is_owned(const struct ctopic *t)
{
    for (int32_t i = 0; i < t->cap; i++) {
        if (t->parts[i].owner != NULL) {
            return true;
        }
    }
    return false;
}

bool
consumer__is_subscribed(const struct cmember *m, const struct ctopic *t)
{
    size_t lo = 0, hi = m->subscribed_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (m->subscribed[mid] == t) {
            return true;
        }
        if (!t->is_wanted || m->subscribed[mid]->index > t->index) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return false;
}

/* --- expressions --- */

/* All topics against one expression. */
struct sieve {
    struct consumer *c;
    struct cexpr *e;
    int64_t until_ns;
    uint32_t seen, cap;
    bool is_too_much;
};

static void
sift(void *to, const struct consumer_topic *t)
{
    struct sieve *s = (struct sieve *)to;
    struct sched *sched = s->c->g->table->sched;
    if (s->is_too_much || (++s->seen % EXPR_LOOK_AT_CLOCK == 0 && sched_now(sched) > s->until_ns)) {
        s->is_too_much = true;
        return;
    }
    enum regex_verdict verdict = regex_match(s->e->re, t->name);
    s->is_too_much = verdict == REGEX_TOO_MUCH || s->e->name_count >= EXPR_TOPICS_MAX;
    if (verdict != REGEX_YES || s->is_too_much) {
        return;
    }
    if (s->e->name_count == s->cap) {
        s->cap = s->cap == 0 ? 16 : s->cap * 2;
        s->e->names = (struct span *)sl_realloc(s->e->names, s->cap * sizeof(struct span));
    }
    s->e->names[s->e->name_count++] = group__span_keep(t->name);
}

static void
expr_forget_names(struct cexpr *e)
{
    for (uint32_t i = 0; i < e->name_count; i++) {
        group__span_free(&e->names[i]);
    }
    sl_free(e->names);
    e->names = NULL;
    e->name_count = 0;
}

static int64_t
work_until(const struct consumer *c)
{
    return sched_now(c->g->table->sched) + EXPR_WORK_MS * SCHED_MS;
}

/* False when it takes too long: it stands for nothing then. */
static bool
expr_resolve(struct consumer *c, struct cexpr *e)
{
    const struct consumer_topics *topics = c->g->table->o.topics;
    struct sieve s = {.c = c, .e = e, .until_ns = work_until(c)};
    expr_forget_names(e);
    topics->each(topics->arg, sift, &s);
    if (s.is_too_much) {
        expr_forget_names(e);
    }
    return !s.is_too_much;
}

static void
expr_free(struct cexpr *e)
{
    list_remove(&e->node);
    expr_forget_names(e);
    regex_destroy(&e->re);
    group__span_free(&e->pattern);
    sl_free(e);
}

static struct span
sentence(struct group_call *call, const char *before, const char *text)
{
    size_t n = strlen(before), len = strlen(text);
    char *copy = (char *)arena_alloc(&call->mem, n + len + 1);
    if (copy == NULL) {
        return span_cstr(before);
    }
    memcpy(copy, before, n);
    memcpy(copy + n, text, len);
    return span_of(copy, n + len);
}

int16_t
consumer__expr_get(struct consumer *c, struct span pattern, struct group_call *call,
                   struct cexpr **ret)
{
    size_t count = 0;
    LIST_FOREACH(node, &c->exprs)
    {
        struct cexpr *e = SL_CONTAINER_OF(node, struct cexpr, node);
        count++;
        if (span_eq(e->pattern, pattern)) {
            e->users++;
            *ret = e;
            return KAFKA_NONE;
        }
    }
    struct regex *re = NULL;
    char why[REGEX_WHY_MAX] = "";
    if (count >= EXPRS_MAX && call != NULL) {
        call->why = "Members of the group subscribe with too many different expressions.";
        return KAFKA_INVALID_REGULAR_EXPRESSION;
    }
    if (regex_new(pattern, &re, why) != SL_OK) {
        if (call != NULL) {
            call->why = (const char *)sentence(call, "SubscribedTopicRegex: ", why).ptr;
        }
        return KAFKA_INVALID_REGULAR_EXPRESSION;
    }
    struct cexpr *e = (struct cexpr *)sl_alloc(sizeof(*e));
    e->re = re;
    e->pattern = group__span_keep(pattern);
    e->users = 1;
    list_append(&c->exprs, &e->node);
    if (call != NULL && !expr_resolve(c, e)) {
        call->why = "SubscribedTopicRegex takes too long to match.";
        expr_free(e);
        return KAFKA_INVALID_REGULAR_EXPRESSION;
    }
    *ret = e;
    return KAFKA_NONE;
}

void
consumer__expr_put(struct consumer *c, struct cexpr **pe)
{
    struct cexpr *e = *pe;
    (void)c;
    *pe = NULL;
    if (--e->users == 0) {
        expr_free(e);
    }
}

/* --- resolving --- */

/* One name on its way into the topics of the group. */
struct lookup {
    struct consumer *c;
    struct ctopic *found;
};

static void
note_topic(void *to, const struct consumer_topic *info)
{
    struct lookup *l = (struct lookup *)to;
    if (info->partition_count <= 0) {
        return;
    }
    struct ctopic *t = consumer__topic_make(l->c, &info->id, info->partition_count);
    t->count = info->partition_count;
    if (t->name.ptr == NULL) {
        t->name = group__span_keep(info->name);
    }
    t->is_wanted = true;
    l->found = t;
}

static void
subscribe(struct cmember *m, struct span name, uint64_t mark)
{
    struct consumer *c = m->group;
    const struct consumer_topics *topics = c->g->table->o.topics;
    struct lookup l = {.c = c};
    topics->find(topics->arg, name, note_topic, &l);
    if (l.found != NULL && l.found->mark != mark) {
        l.found->mark = mark;
        m->subscribed[m->subscribed_count++] = l.found;
    }
}

static void
subscribe_member(struct cmember *m)
{
    size_t most = m->name_count + (m->expr == NULL ? 0 : m->expr->name_count);
    uint64_t mark = ++m->group->mark;
    sl_free(m->subscribed);
    m->subscribed = (struct ctopic **)sl_alloc((most + 1) * sizeof(struct ctopic *));
    m->subscribed_count = 0;
    for (uint32_t i = 0; i < m->name_count; i++) {
        subscribe(m, m->names[i], mark);
    }
    for (uint32_t i = 0; m->expr != NULL && i < m->expr->name_count; i++) {
        subscribe(m, m->expr->names[i], mark);
    }
}

static int
by_name(const void *x, const void *y)
{
    const struct ctopic *a = *(struct ctopic *const *)x, *b = *(struct ctopic *const *)y;
    size_t n = a->name.len < b->name.len ? a->name.len : b->name.len;
    int c = memcmp(a->name.ptr, b->name.ptr, n);
    return c != 0 ? c : (a->name.len > b->name.len) - (a->name.len < b->name.len);
}

static int
by_index(const void *x, const void *y)
{
    uint32_t a = (*(struct ctopic *const *)x)->index, b = (*(struct ctopic *const *)y)->index;
    return (a > b) - (a < b);
}

/* Drops topics that nobody wants or has; lists those that are wanted. */
static void
sort_out(struct consumer *c)
{
    struct map old = c->topics_by_id;
    c->topics_by_id = (struct map){0};
    sl_free(c->wanted);
    c->wanted = (struct ctopic **)sl_alloc((old.count + 1) * sizeof(struct ctopic *));
    c->wanted_count = 0;
    size_t pos = 0;
    for (struct ctopic *t; (t = (struct ctopic *)map_next(&old, &pos)) != NULL;) {
        if (!t->is_wanted && !is_owned(t)) {
            topic_free(t);
            continue;
        }
        map_add(&c->topics_by_id, hash_bytes(t->id.b, sizeof(t->id.b)), t);
        if (t->is_wanted) {
            c->wanted[c->wanted_count++] = t;
        }
    }
    map_fini(&old);
    if (c->wanted_count > 1) {
        qsort(c->wanted, c->wanted_count, sizeof(*c->wanted), by_name);
    }
    for (uint32_t i = 0; i < c->wanted_count; i++) {
        c->wanted[i]->index = i;
    }
}

/* FNV-1a: stored, so neither seeded nor ever another one. */
static uint64_t
hash_more(uint64_t h, const void *data, size_t n)
{
    for (const uint8_t *p = (const uint8_t *)data; n > 0; n--, p++) {
        h = (h ^ *p) * UINT64_C(0x100000001b3);
    }
    return h;
}

static uint64_t
hash_wanted(const struct consumer *c)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < c->wanted_count; i++) {
        uint8_t count[4];
        put_u32(count, (uint32_t)c->wanted[i]->count);
        h = hash_more(h, c->wanted[i]->id.b, sizeof(c->wanted[i]->id.b));
        h = hash_more(h, count, sizeof(count));
    }
    return h;
}

void
consumer__resolve(struct consumer *c)
{
    size_t pos = 0;
    c->is_resolved = true;
    for (struct ctopic *t; (t = (struct ctopic *)map_next(&c->topics_by_id, &pos)) != NULL;) {
        t->is_wanted = false;
        t->count = 0;
    }
    LIST_FOREACH(node, &c->members)
    {
        subscribe_member(SL_CONTAINER_OF(node, struct cmember, node));
    }
    sort_out(c);
    LIST_FOREACH(node, &c->members)
    {
        struct cmember *m = SL_CONTAINER_OF(node, struct cmember, node);
        if (m->subscribed_count > 1) {
            qsort(m->subscribed, m->subscribed_count, sizeof(*m->subscribed), by_index);
        }
    }
    uint64_t hash = hash_wanted(c);
    if (hash != c->metadata_hash) {
        c->metadata_hash = hash;
        consumer__epoch_bump(c);
    }
}

/* Each in turn, as long as there is time; with those that are left it goes on the next time. */
static void
resolve_exprs(struct consumer *c)
{
    static struct diag_limit limit;
    int64_t until = work_until(c);
    size_t count = 0;
    LIST_FOREACH(node, &c->exprs)
    {
        count++;
    }
    for (; count > 0 && sched_now(c->g->table->sched) <= until; count--) {
        struct list *first = list_pop(&c->exprs);
        list_append(&c->exprs, first);
        if (!expr_resolve(c, SL_CONTAINER_OF(first, struct cexpr, node)) &&
            diag_limit_ok(&limit, 1)) {
            SL_WARN(NULL, "group.expression_slow", KV_SPAN("group", c->g->id));
        }
    }
    c->seen_version = count > 0 ? 0 : c->seen_version;
}

void
consumer__resolve_maybe(struct consumer *c)
{
    const struct consumer_topics *topics = c->g->table->o.topics;
    int64_t now = sched_now(c->g->table->sched);
    uint64_t version = topics->version(topics->arg);
    bool has_exprs = !list_is_empty(&c->exprs);
    if (version == c->seen_version || (has_exprs && now < c->resolve_after_ns)) {
        return;
    }
    c->seen_version = version;
    c->resolve_after_ns = now + EXPR_PAUSE_S * SCHED_S;
    resolve_exprs(c);
    consumer__resolve(c);
}

void
consumer__topics_free(struct consumer *c)
{
    size_t pos = 0;
    for (struct ctopic *t; (t = (struct ctopic *)map_next(&c->topics_by_id, &pos)) != NULL;) {
        topic_free(t);
    }
    map_fini(&c->topics_by_id);
    sl_free(c->wanted);
    c->wanted = NULL;
    c->wanted_count = 0;
}
