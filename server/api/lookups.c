#include "api/lookups_int.h"

enum { WINDOW = 16, TIMEOUT_MS = 15000 };

struct lookup_slot {
    struct part_lookup lookup;
    struct part_trim trim;
    struct lookup_group *group;
    struct lookup_item *item;
};

struct lookup_group {
    struct lookups *all;
    struct shard *shard;
    struct lookup_item *first, **last;
    struct lookup_item *next; /* to be started */
    size_t active;
    bool is_starting;
    struct lookup_slot *slots, *idle[WINDOW];
    size_t idle_count;
    struct sched_task task;
};

static void start_more(struct lookup_group *g);

static bool
group_init(struct lookups *ls, struct lookup_group *g, struct shard *sh)
{
    g->slots =
        (struct lookup_slot *)arena_array(&ls->req->arena, WINDOW, sizeof(struct lookup_slot));
    if (g->slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < WINDOW; i++) {
        g->slots[i].group = g;
        g->idle[g->idle_count++] = &g->slots[i];
    }
    g->all = ls;
    g->shard = sh;
    g->last = &g->first;
    return true;
}

/* Gives SL_OK and takes care of it, or why there is nothing to look up. */
static enum sl_err
add(struct lookups *ls, const struct topic *t, struct lookup_item *it)
{
    struct shard *sh = broker_shard(ls->req->broker, t, it->partition);
    if (sh == NULL) {
        return SL_ENOT_OPEN;
    }
    struct lookup_group *g = &ls->groups[t->journals[it->partition]];
    if (g->slots == NULL && !group_init(ls, g, sh)) {
        return SL_ENOMEM;
    }
    it->topic_id = t->id;
    it->next = NULL;
    *g->last = it;
    g->last = &it->next;
    return SL_OK;
}

static void
set_error(const struct lookups *ls, const struct lookup_item *it, int16_t code)
{
    if (ls->api->error_offset == LOOKUP_NO_ERROR) {
        return;
    }
    memcpy((uint8_t *)it->user + ls->api->error_offset, &code, sizeof(code));
}

static void
group_back(struct sched_task *task)
{
    struct lookup_group *g = SL_CONTAINER_OF(task, struct lookup_group, task);
    struct lookups *ls = g->all;
    for (struct lookup_item *it = g->first; it != NULL; it = it->next) {
        set_error(ls, it, kafka_error_of(it->rc));
        if (it->rc == SL_OK) {
            ls->api->fill(it);
        }
    }
    if (--ls->pending == 0) {
        ls->done(ls, ls->arg);
    }
}

/* [the shard's loop] */
static void
slot_done(struct lookup_slot *slot)
{
    struct lookup_group *g = slot->group;
    g->active--;
    g->idle[g->idle_count++] = slot;
    if (!g->is_starting) {
        start_more(g);
    }
}

static void
lookup_done(struct part_lookup *l)
{
    struct lookup_slot *slot = SL_CONTAINER_OF(l, struct lookup_slot, lookup);
    slot->item->rc = l->rc;
    slot->item->offset = l->offset;
    slot->item->timestamp = l->timestamp;
    slot_done(slot);
}

static void
trim_done(struct part_trim *t)
{
    struct lookup_slot *slot = SL_CONTAINER_OF(t, struct lookup_slot, trim);
    slot->item->rc = t->rc;
    slot->item->offset = t->log_start;
    slot_done(slot);
}

static void
start(struct lookup_group *g)
{
    struct lookup_slot *slot = g->idle[--g->idle_count];
    struct lookup_item *it = g->next;
    g->next = it->next;
    g->active++;
    slot->item = it;
    if (it->is_trim) {
        slot->trim = (struct part_trim){.topic_id = it->topic_id,
                                        .partition = it->partition,
                                        .start = it->trim_to,
                                        .deadline_ns = g->all->deadline_ns,
                                        .done = trim_done};
        part_trim_submit(g->shard, &slot->trim);
        return;
    }
    slot->lookup = (struct part_lookup){.topic_id = it->topic_id,
                                        .partition = it->partition,
                                        .kind = it->kind,
                                        .time_ms = it->time_ms,
                                        .deadline_ns = g->all->deadline_ns,
                                        .done = lookup_done};
    part_lookup_submit(g->shard, &slot->lookup);
}

/* [the shard's loop] A lookup that ends at once is seen by the loop here, not by recursion. */
static void
start_more(struct lookup_group *g)
{
    g->is_starting = true;
    while (g->next != NULL && g->idle_count > 0) {
        start(g);
    }
    g->is_starting = false;
    if (g->next == NULL && g->active == 0) {
        g->task.run = group_back;
        sched_post(g->all->req->loop, &g->task);
    }
}

/* [the shard's loop] */
static void
group_run(struct sched_task *task)
{
    struct lookup_group *g = SL_CONTAINER_OF(task, struct lookup_group, task);
    g->next = g->first;
    start_more(g);
}

/* --- the request --- */

static void
run(struct lookups *ls)
{
    ls->pending = 1;
    for (uint32_t j = 0; j < ls->req->broker->shard_count; j++) {
        struct lookup_group *g = &ls->groups[j];
        if (g->first != NULL) {
            ls->pending++;
            g->task.run = group_run;
            sched_post(shard_sched(g->shard), &g->task);
        }
    }
    if (--ls->pending == 0) {
        ls->done(ls, ls->arg);
    }
}

static void
prepare(struct lookups *ls, const struct topic *t, const void *in, struct lookup_item *it)
{
    if (it->partition < 0 || it->partition >= t->partition_count) {
        set_error(ls, it, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        return;
    }
    int16_t code = ls->api->prepare(ls->req, t, in, it);
    if (code == KAFKA_NONE && !it->is_answered) {
        code = kafka_error_of(add(ls, t, it));
    }
    set_error(ls, it, code);
}

/* Gives where the next topic's items go. */
static struct lookup_item *
prepare_topic(struct lookups *ls, const struct lookup_topic *in, const struct lookup_topic *out,
              struct lookup_item *it)
{
    struct topic *t = directory_find(ls->req->broker->topics, in->name);
    bool is_allowed = authorize(ls->req, ls->api->operation, ACL_TOPIC, in->name);
    for (size_t i = 0; i < in->partitions.count; i++, it++) {
        const uint8_t *from = (const uint8_t *)in->partitions.items + i * ls->api->in_size;
        it->user = (uint8_t *)out->partitions.items + i * ls->api->out_size;
        it->partition = ls->api->init(from, it->user);
        if (!is_allowed) {
            set_error(ls, it, KAFKA_TOPIC_AUTHORIZATION_FAILED);
        } else if (t == NULL) {
            set_error(ls, it, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        } else {
            prepare(ls, t, from, it);
        }
    }
    topic_unref(&t);
    return it;
}

/* What every WIRE_LIST looks like; copied in and out, because the structs are of other types. */
struct any_list {
    uint8_t *items;
    size_t count;
};

static struct lookup_topic
topic_at(const struct any_list *list, size_t i)
{
    struct lookup_topic t;
    memcpy(&t, list->items + i * sizeof(t), sizeof(t));
    return t;
}

/* False when the arena is at its ceiling. */
static bool
allocate(struct lookups *ls, const struct any_list *in, struct any_list *out,
         struct lookup_item **ret_items)
{
    struct arena *arena = &ls->req->arena;
    size_t total = 0;
    out->count = in->count;
    out->items = (uint8_t *)arena_array(arena, in->count, sizeof(struct lookup_topic));
    for (size_t i = 0; out->items != NULL && i < in->count; i++) {
        struct lookup_topic t = topic_at(in, i);
        total += t.partitions.count;
        t.partitions.items = arena_array(arena, t.partitions.count, ls->api->out_size);
        if (t.partitions.items == NULL) {
            return false;
        }
        memcpy(out->items + i * sizeof(t), &t, sizeof(t));
    }
    ls->groups = (struct lookup_group *)arena_array(arena, ls->req->broker->shard_count,
                                                    sizeof(struct lookup_group));
    *ret_items = (struct lookup_item *)arena_array(arena, total, sizeof(struct lookup_item));
    return out->items != NULL && ls->groups != NULL && *ret_items != NULL;
}

void
lookups__run(struct lookups *ls, const void *in_topics, void *out_topics)
{
    struct any_list in;
    struct any_list out;
    struct lookup_item *it;
    memcpy(&in, in_topics, sizeof(in));
    if (!allocate(ls, &in, &out, &it)) {
        api_close(ls->req, "the request names too many partitions");
        return;
    }
    memcpy(out_topics, &out, sizeof(out));
    if (ls->deadline_ns == 0) {
        ls->deadline_ns = api__deadline(ls->req, TIMEOUT_MS);
    }
    for (size_t i = 0; i < in.count; i++) {
        struct lookup_topic topic_in = topic_at(&in, i);
        struct lookup_topic topic_out = topic_at(&out, i);
        it = prepare_topic(ls, &topic_in, &topic_out, it);
    }
    run(ls);
}
