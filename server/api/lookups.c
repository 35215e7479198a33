#include "api/lookups_int.h"

enum { WINDOW = 16, TIMEOUT_MS = 15000 };

struct lookup_slot {
    struct part_lookup lookup; /* first member */
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

bool
lookups__init(struct lookups *ls, struct request *req)
{
    ls->req = req;
    ls->deadline_ns = api__deadline(req, TIMEOUT_MS);
    ls->groups = (struct lookup_group *)arena_array(&req->arena, req->broker->shard_count,
                                                    sizeof(struct lookup_group));
    return ls->groups != NULL;
}

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

enum sl_err
lookups__add(struct lookups *ls, const struct topic *t, struct lookup_item *it)
{
    if (it->partition < 0 || it->partition >= t->partition_count) {
        return SL_EUNKNOWN_PARTITION;
    }
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
all_done(struct lookups *ls)
{
    ls->done(ls, ls->arg);
}

static void
group_back(struct sched_task *task)
{
    struct lookup_group *g = SL_CONTAINER_OF(task, struct lookup_group, task);
    struct lookups *ls = g->all;
    for (struct lookup_item *it = g->first; it != NULL; it = it->next) {
        ls->each(it);
    }
    if (--ls->pending == 0) {
        all_done(ls);
    }
}

/* [the shard's loop] */
static void
lookup_done(struct part_lookup *l)
{
    struct lookup_slot *slot = (struct lookup_slot *)l;
    struct lookup_group *g = slot->group;
    slot->item->rc = l->rc;
    slot->item->offset = l->offset;
    slot->item->timestamp = l->timestamp;
    g->active--;
    g->idle[g->idle_count++] = slot;
    if (!g->is_starting) {
        start_more(g);
    }
}

static void
start(struct lookup_group *g)
{
    struct lookup_slot *slot = g->idle[--g->idle_count];
    struct lookup_item *it = g->next;
    g->next = it->next;
    g->active++;
    slot->item = it;
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

void
lookups__run(struct lookups *ls)
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
        all_done(ls);
    }
}
