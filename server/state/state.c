/* The tables of S: partitions by (topic id, index), topics by name, by id, and by name with '.'
 * folded into '_' (Kafka refuses names that differ only there, because metric names could not tell
 * them apart). A topic that is being deleted is found by its id only. */
#include "state/state_int.h"

struct part_key {
    struct uuid topic_id;
    int32_t index;
};

static uint64_t
part_hash(const struct uuid *id, int32_t index)
{
    return hash_bytes(id->b, sizeof(id->b)) ^ hash_u64((uint64_t)(uint32_t)index);
}

static bool
part_eq(const void *value, const void *key)
{
    const struct part_state *p = (const struct part_state *)value;
    const struct part_key *k = (const struct part_key *)key;
    return p->index == k->index && uuid_eq(&p->topic_id, &k->topic_id);
}

static bool
topic_eq(const void *value, const void *key)
{
    return span_eq(span_cstr(((const struct topic_state *)value)->name), *(const struct span *)key);
}

static bool
topic_id_eq(const void *value, const void *key)
{
    return uuid_eq(&((const struct topic_state *)value)->id, (const struct uuid *)key);
}

static void
fold_name(struct span name, char out[256])
{
    span_to_cstr(name, out, 256);
    for (char *p = out; *p != '\0'; p++) {
        *p = *p == '.' ? '_' : *p;
    }
}

static bool
topic_folded_eq(const void *value, const void *key)
{
    char folded[256];
    fold_name(span_cstr(((const struct topic_state *)value)->name), folded);
    return strcmp(folded, (const char *)key) == 0;
}

struct state *
state_new(void)
{
    struct state *st = (struct state *)sl_alloc(sizeof(*st));
    st->spec_generation = 1;
    state__groups_init(st);
    state__topics_init(st);
    state__segments_init(st);
    return st;
}

static void
part_free(struct state *st, struct part_state *p)
{
    state__segments_free(st, p);
    size_t pos = 0;
    for (void *pr; (pr = map_next(&p->producers, &pos));) {
        sl_free(pr);
    }
    map_fini(&p->producers);
    sl_free(p->runs);
    sl_free(p);
}

void
state__topic_free(struct topic_state *t)
{
    if (t == NULL) {
        return;
    }
    for (size_t i = 0; i < t->config_count; i++) {
        sl_free(t->configs[i].name);
        sl_free(t->configs[i].value);
    }
    sl_free(t->configs);
    sl_free(t->journals);
    sl_free(t->name);
    sl_free(t);
}

void
state__clear(struct state *st)
{
    size_t pos = 0;
    for (struct part_state *p; (p = (struct part_state *)map_next(&st->parts, &pos));) {
        if (st->events != NULL && st->events->part_retired != NULL) {
            st->events->part_retired(st->events_arg, p);
        }
        part_free(st, p);
    }
    pos = 0;
    for (void *t; (t = map_next(&st->topics_by_id, &pos));) {
        state__topic_free((struct topic_state *)t);
    }
    state__groups_clear(st);
    state__segments_clear(st);
    state__losses_clear(st);
    state__topics_clear(st);
    state__quotas_clear(st);
    map_fini(&st->parts);
    map_fini(&st->topics);
    map_fini(&st->topics_by_id);
    map_fini(&st->topics_folded);
    st->next_producer_id = 0;
    st->spec_generation++;
}

void
state_destroy(struct state **pst)
{
    if (*pst != NULL) {
        state__clear(*pst);
        sl_free(*pst);
    }
    *pst = NULL;
}

void
state_set_events(struct state *st, const struct state_events *ev, void *arg)
{
    st->events = ev;
    st->events_arg = arg;
}

void
state_rollback(struct state *st)
{
    st->spec_generation++;
    state__groups_rollback(st);
    state__segments_rollback(st);
}

struct part_state *
state_find_part(const struct state *st, const struct uuid *topic_id, int32_t index)
{
    struct part_key key = {*topic_id, index};
    return (struct part_state *)map_get(&st->parts, part_hash(topic_id, index), part_eq, &key);
}

struct part_state *
state__part_new(struct state *st, const struct uuid *topic_id, int32_t index)
{
    struct part_state *p = (struct part_state *)sl_alloc(sizeof(*p));
    p->topic_id = *topic_id;
    p->index = index;
    map_add(&st->parts, part_hash(topic_id, index), p);
    return p;
}

void
state__part_drop(struct state *st, struct part_state *p)
{
    struct part_key key = {p->topic_id, p->index};
    (void)map_remove(&st->parts, part_hash(&p->topic_id, p->index), part_eq, &key);
    if (st->events != NULL && st->events->part_retired != NULL) {
        st->events->part_retired(st->events_arg, p);
    }
    part_free(st, p);
}

void
state__part_push_run(struct part_state *p, const struct run_ref *r)
{
    if (p->run_first + p->run_count == p->run_cap) {
        if (p->run_first > p->run_cap / 2) {
            memmove(p->runs, p->runs + p->run_first, p->run_count * sizeof(*r));
            p->run_first = 0;
        } else {
            p->run_cap = p->run_cap == 0 ? 4 : p->run_cap * 2;
            p->runs = (struct run_ref *)sl_realloc(p->runs, p->run_cap * sizeof(*r));
        }
    }
    p->runs[p->run_first + p->run_count++] = *r;
}

const struct run_ref *
part_find_run(const struct part_state *p, int64_t offset)
{
    if (offset < p->start || offset >= p->end) {
        return NULL;
    }
    size_t lo = 0;
    size_t hi = p->run_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct run_ref *r = part_run(p, mid);
        if (offset >= r->base_offset + r->offset_count) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < p->run_count && part_run(p, lo)->base_offset <= offset ? part_run(p, lo) : NULL;
}

struct topic_state *
state_find_topic(const struct state *st, struct span name)
{
    return (struct topic_state *)map_get(&st->topics, hash_bytes(name.ptr, name.len), topic_eq,
                                         &name);
}

struct topic_state *
state_find_topic_id(const struct state *st, const struct uuid *id)
{
    return (struct topic_state *)map_get(&st->topics_by_id, hash_bytes(id->b, sizeof(id->b)),
                                         topic_id_eq, id);
}

void
state__topic_add(struct state *st, struct topic_state *t)
{
    char folded[256];
    map_add(&st->topics_by_id, hash_bytes(t->id.b, sizeof(t->id.b)), t);
    if (t->is_deleting) {
        return;
    }
    fold_name(span_cstr(t->name), folded);
    map_add(&st->topics, hash_bytes(t->name, strlen(t->name)), t);
    map_add(&st->topics_folded, hash_bytes(folded, strlen(folded)), t);
}

/* Its name is free from now on. */
void
state__topic_unname(struct state *st, struct topic_state *t)
{
    char folded[256];
    struct span name = span_cstr(t->name);
    fold_name(name, folded);
    (void)map_remove(&st->topics, hash_bytes(name.ptr, name.len), topic_eq, &name);
    (void)map_remove(&st->topics_folded, hash_bytes(folded, strlen(folded)), topic_folded_eq,
                     folded);
}

/* t has lost its name before. */
void
state__topic_remove(struct state *st, struct topic_state *t)
{
    (void)map_remove(&st->topics_by_id, hash_bytes(t->id.b, sizeof(t->id.b)), topic_id_eq, &t->id);
    state__topic_free(t);
}

void
state__topic_event(struct state *st, struct topic_state *t)
{
    if (st->events != NULL && st->events->topic_changed != NULL) {
        st->events->topic_changed(st->events_arg, t);
    }
}

struct topic_state *
state_next_topic(const struct state *st, size_t *pos)
{
    return (struct topic_state *)map_next(&st->topics, pos);
}

struct part_state *
state_next_part(const struct state *st, size_t *pos)
{
    return (struct part_state *)map_next(&st->parts, pos);
}

int64_t
state_next_producer_id(const struct state *st)
{
    return st->next_producer_id;
}

bool
topic_name_is_valid(struct span name)
{
    if (name.ptr == NULL || name.len == 0 || name.len > 249) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alnum && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return !span_eq(name, span_cstr(".")) && !span_eq(name, span_cstr(".."));
}

enum sl_err
state_check_topic(const struct state *st, struct span name)
{
    if (!topic_name_is_valid(name)) {
        return SL_EINVALID_TOPIC;
    }
    if (state_find_topic(st, name) != NULL) {
        return SL_ETOPIC_EXISTS;
    }
    char folded[256];
    fold_name(name, folded);
    bool collides = map_get(&st->topics_folded, hash_bytes(folded, strlen(folded)), topic_folded_eq,
                            folded) != NULL;
    return collides ? SL_EINVALID_TOPIC : SL_OK;
}

enum sl_err
state__check_new_topic(const struct state *st, const struct topic_state *t)
{
    if (state_find_topic_id(st, &t->id) != NULL ||
        t->incarnation < state_next_incarnation(st, span_cstr(t->name))) {
        return SL_ETOPIC_EXISTS;
    }
    return state_check_topic(st, span_cstr(t->name));
}

enum sl_err
state_check_trim(const struct state *st, const struct uuid *topic_id, int32_t partition,
                 int64_t start)
{
    const struct part_state *p = state_find_part(st, topic_id, partition);
    if (p == NULL) {
        return SL_EUNKNOWN_PARTITION;
    }
    if (start > p->end) {
        return SL_EOFFSET_RANGE;
    }
    return start <= p->start ? SL_EEXIST : SL_OK;
}

uint64_t
state_collectable(const struct state *st, uint64_t at_most)
{
    size_t pos = 0;
    for (struct part_state *p; (p = state_next_part(st, &pos));) {
        if (p->run_count > 0 && part_run(p, 0)->n <= at_most) {
            at_most = part_run(p, 0)->n - 1;
        }
    }
    return at_most;
}

static void
check_part(const struct part_state *p)
{
    SL_ASSERT(p->start >= 0 && p->start <= p->end);
    int64_t next = part_registered_end(p);
    SL_ASSERT(next <= p->start || p->run_count == 0 || p->segment_count > 0);
    state__segments_check(p);
    for (size_t i = 0; i < p->run_count; i++) {
        SL_ASSERT(part_run(p, i)->base_offset == next);
        SL_ASSERT(i == 0 || part_run(p, i)->n >= part_run(p, i - 1)->n);
        next += part_run(p, i)->offset_count;
    }
    SL_ASSERT(next == p->end);
}

void
state_check(const struct state *st)
{
    size_t pos = 0;
    for (struct part_state *p; (p = state_next_part(st, &pos));) {
        check_part(p);
    }
    SL_ASSERT(st->topics.count == st->topics_folded.count);
    SL_ASSERT(st->topics.count <= st->topics_by_id.count);
    state__past_check(st);
    state__garbage_check(st);
    state__groups_check(st);
}
