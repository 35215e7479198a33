/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of live groups of one journal, and how requests reach it.
 *
 * A group is in memory while something of it has to live: members with their timers, requests that
 * wait, ops in flight. All else is read from S. That bounds memory by members, not by history. */
#include "group/group_int.h"

enum { MIB = 1 << 20, ANSWER_MAX = 64 * MIB, TAIL_MS = 2000 };

struct group_options
group_options_default(void)
{
    return (struct group_options){.initial_rebalance_delay_ms = 3000,
                                  .min_session_timeout_ms = 6000,
                                  .max_session_timeout_ms = 1800000,
                                  .offsets_retention_ms = INT64_C(7) * 24 * 3600 * 1000,
                                  .offsets_check_interval_ms = 600000,
                                  .max_size = INT32_MAX,
                                  .offset_metadata_max_bytes = 4096,
                                  .commit_timeout_ms = 5000,
                                  .max_groups = 100000,
                                  .max_group_bytes = 4 * MIB,
                                  .max_bytes = 256 * MIB,
                                  .consumer_session_timeout_ms = 45000,
                                  .consumer_heartbeat_interval_ms = 5000,
                                  .consumer_max_size = INT32_MAX};
}

/* --- answers --- */

static void
answer_home(struct sched_task *task)
{
    struct group_call *c = SL_CONTAINER_OF(task, struct group_call, task);
    c->done(c);
}

void
group_answer(struct group_call *c, int16_t error)
{
    c->error = error;
    c->task.run = answer_home;
    sched_post(c->home, &c->task);
}

void
group_call_fini(struct group_call *c)
{
    arena_fini(&c->mem);
}

/* --- submit --- */

/* What keeps the table from serving, KAFKA_NONE when nothing does. */
static int16_t
obstacle(const struct group_table *gt)
{
    if (gt->is_stopped) {
        return KAFKA_NOT_COORDINATOR;
    }
    if (shard_ready(gt->o.shard) == SL_EPARTITION_FAILED) {
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
    return gt->is_loaded ? KAFKA_NONE : KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
}

static void
run_or_refuse(struct group_call *c, bool is_alive)
{
    int16_t error = obstacle(c->table);
    bool is_enough = is_alive && c->is_live_enough && error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    if (error != KAFKA_NONE && !is_enough) {
        group_answer(c, error);
        return;
    }
    c->run(c->table, c);
}

static void
tail_read(struct journal_waiter *w, enum sl_err rc)
{
    struct group_call *c = SL_CONTAINER_OF(w, struct group_call, waiter);
    sched_timer_stop(c->table->sched, &c->late);
    if (rc != SL_OK && obstacle(c->table) == KAFKA_NONE) {
        group_answer(c, KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
        return;
    }
    run_or_refuse(c, false);
}

static void
tail_late(struct sched_timer *t)
{
    struct group_call *c = SL_CONTAINER_OF(t, struct group_call, late);
    journal_waiter_cancel(&c->waiter);
    group_answer(c, KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
}

static void
submit_run(struct sched_task *task)
{
    struct group_call *c = SL_CONTAINER_OF(task, struct group_call, task);
    bool is_alive = group__find(c->table, c->group_id) != NULL;
    if (is_alive || !c->is_from_member || obstacle(c->table) != KAFKA_NONE) {
        run_or_refuse(c, is_alive);
        return;
    }
    c->waiter = (struct journal_waiter){.ready = tail_read};
    c->late = (struct sched_timer){.fire = tail_late};
    sched_timer_after(c->table->sched, &c->late, TAIL_MS * SCHED_MS);
    journal_refresh(shard_journal(c->table->o.shard), &c->waiter);
}

void
group_submit(struct group_table *gt, struct group_call *c)
{
    c->table = gt;
    c->error = KAFKA_NONE;
    c->why = NULL;
    arena_init(&c->mem, ANSWER_MAX);
    list_init(&c->node);
    c->task.run = submit_run;
    sched_post(gt->sched, &c->task);
}

/* --- groups --- */

static bool
id_eq(const void *value, const void *key)
{
    return span_eq(((const struct group *)value)->id, *(const struct span *)key);
}

struct group *
group__find(struct group_table *gt, struct span id)
{
    return (struct group *)map_get(&gt->groups, hash_bytes(id.ptr, id.len), id_eq, &id);
}

const struct group_state *
group__facts(const struct group_table *gt, struct span id)
{
    const struct group_state *gs = state_find_group(shard_state(gt->o.shard), id);
    return gs != NULL && gs->facts != NULL ? gs : NULL;
}

static struct group *
group_new(struct group_table *gt, struct span id, const struct group_kind *kind,
          const struct group_state *gs)
{
    struct group *g = (struct group *)sl_alloc(sizeof(*g));
    g->table = gt;
    g->id = group__span_keep(id);
    g->kind = kind;
    list_append(&gt->all, &g->node);
    map_add(&gt->groups, hash_bytes(id.ptr, id.len), g);
    kind->load(g, gs);
    return g;
}

static const struct group_kind *
kind_of(const struct group_state *gs)
{
    return gs->facts->type == GROUP_CONSUMER ? group__consumer : &group__classic;
}

struct group *
group__load(struct group_table *gt, struct span id)
{
    struct group *g = group__find(gt, id);
    const struct group_state *gs = g == NULL && gt->is_loaded ? group__facts(gt, id) : NULL;
    if (gs == NULL || kind_of(gs) == NULL) {
        return g;
    }
    return group_new(gt, id, kind_of(gs), gs);
}

/* Groups that S knows are there anyway; new ones must stay below the bound. */
static bool
is_room(const struct group_table *gt, struct span id)
{
    const struct state *st = shard_state(gt->o.shard);
    return state_find_group(st, id) != NULL ||
           (gt->groups.count < gt->o.max_groups && state_group_count(st) < gt->o.max_groups);
}

struct group *
group__make(struct group_table *gt, struct span id, const struct group_kind *kind)
{
    struct group *g = group__load(gt, id);
    return g == NULL && is_room(gt, id) ? group_new(gt, id, kind, NULL) : g;
}

static void
group_free(struct group *g)
{
    group__span_free(&g->id);
    sl_free(g);
}

void
group__pin(struct group *g)
{
    g->pins++;
}

void
group__unpin(struct group *g)
{
    SL_ASSERT(g->pins > 0);
    g->pins--;
    if (g->is_forgotten && g->pins == 0) {
        group_free(g);
    } else if (!g->is_forgotten) {
        group__release_maybe(g);
    }
}

void
group__forget(struct group *g, int16_t error)
{
    struct group_table *gt = g->table;
    g->kind->drop(g, error);
    SL_ASSERT(g->bytes == 0);
    (void)map_remove(&gt->groups, hash_bytes(g->id.ptr, g->id.len), id_eq, &g->id);
    list_remove(&g->node);
    g->is_forgotten = true;
    if (g->pins == 0) {
        group_free(g);
    }
}

void
group__release_maybe(struct group *g)
{
    if (!g->is_forgotten && g->pins == 0 && g->kind->is_idle(g)) {
        group__forget(g, KAFKA_NOT_COORDINATOR);
    }
}

void
group__set_kind(struct group *g, const struct group_kind *kind)
{
    g->kind->drop(g, KAFKA_UNKNOWN_MEMBER_ID);
    g->kind = kind;
    kind->load(g, NULL);
}

static void
warmth_known(struct journal_waiter *w, enum sl_err rc)
{
    struct group *g = SL_CONTAINER_OF(w, struct group, waiter);
    g->is_looking = false;
    g->is_tail_known = rc == SL_OK;
    group__unpin(g);
}

enum group_warmth
group__warmth(struct group *g)
{
    struct journal *jn = shard_journal(g->table->o.shard);
    if (!g->is_cold) {
        return GROUP_OURS;
    }
    if (journal_has_company(jn)) {
        return GROUP_FOREIGN;
    }
    if (g->is_tail_known) {
        return GROUP_OURS;
    }
    if (!g->is_looking) {
        g->is_looking = true;
        g->waiter = (struct journal_waiter){.ready = warmth_known, .is_strict = true};
        group__pin(g);
        journal_refresh(jn, &g->waiter);
    }
    return GROUP_UNKNOWN;
}

bool
group__charge(struct group *g, size_t bytes)
{
    struct group_table *gt = g->table;
    if (bytes > gt->o.max_group_bytes - g->bytes || bytes > gt->o.max_bytes - gt->bytes) {
        return false;
    }
    g->bytes += bytes;
    gt->bytes += bytes;
    return true;
}

void
group__discharge(struct group *g, size_t bytes)
{
    SL_ASSERT(bytes <= g->bytes && bytes <= g->table->bytes);
    g->bytes -= bytes;
    g->table->bytes -= bytes;
}

/* --- owned bytes --- */

struct span
group__span_keep(struct span s)
{
    if (s.ptr == NULL) {
        return s;
    }
    uint8_t *copy = (uint8_t *)sl_alloc(s.len + 1);
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    return span_of(copy, s.len);
}

void
group__span_free(struct span *s)
{
    sl_free((void *)(uintptr_t)s->ptr);
    *s = span_of(NULL, 0);
}

struct span
group__span_answer(struct group_call *c, struct span s)
{
    if (s.ptr == NULL) {
        return s;
    }
    struct span copy = arena_copy(&c->mem, s);
    return copy.ptr != NULL ? copy : span_cstr("");
}

/* --- what S says --- */

/* Another broker moved a group on that is alive here: it is the coordinator now, or was for a
 * moment. Everybody who waits here looks for the coordinator again, and the next request reads the
 * group from S. */
void
group_table_group_changed(struct group_table *gt, struct group_state *gs)
{
    struct group *g = gt->is_loaded ? group__find(gt, gs->id) : NULL;
    if (g != NULL && !g->kind->is_own_change(g, gs)) {
        group__forget(g, KAFKA_NOT_COORDINATOR);
    }
}

void
group_table_group_deleted(struct group_table *gt, struct group_state *gs, enum group_gone why)
{
    struct group *g = group__find(gt, gs->id);
    if (g != NULL && why == GROUP_GONE_DELETED && gt->is_loaded) {
        group__forget(g, KAFKA_NOT_COORDINATOR);
    }
}

/* S was read anew: what lives here and is not what S says any more has to go. */
static void
compare_live(struct group_table *gt)
{
    LIST_FOREACH_SAFE(node, tmp, &gt->all)
    {
        struct group *g = SL_CONTAINER_OF(node, struct group, node);
        const struct group_state *gs = group__facts(gt, g->id);
        if (!g->kind->is_own_change(g, gs)) {
            group__forget(g, KAFKA_NOT_COORDINATOR);
        }
    }
}

/* Members that were there before a restart are members still; their sessions start anew, so that
 * those who do not come back are missed. */
static void
load_members(struct group_table *gt)
{
    size_t pos = 0;
    for (struct group_state *gs; (gs = state_next_group(shard_state(gt->o.shard), &pos));) {
        if (gs->facts == NULL || gs->facts->member_count == 0 || group__find(gt, gs->id) != NULL) {
            continue;
        }
        struct group *g = group__load(gt, gs->id);
        if (g != NULL) {
            g->is_cold = true;
        }
    }
}

void
group_table_mode_changed(struct group_table *gt)
{
    bool is_ready = shard_mode(gt->o.shard) == JOURNAL_LIVE ||
                    (gt->is_loaded && shard_ready(gt->o.shard) == SL_OK);
    if (gt->is_stopped || is_ready == gt->is_loaded) {
        return;
    }
    gt->is_loaded = is_ready;
    if (is_ready) {
        compare_live(gt);
        load_members(gt);
        group__expiry_start(gt);
    }
}

/* --- life --- */

struct group_table *
group_table_new(const struct group_options *o)
{
    struct group_table *gt = (struct group_table *)sl_alloc(sizeof(*gt));
    gt->o = *o;
    gt->sched = shard_sched(o->shard);
    list_init(&gt->all);
    return gt;
}

void
group_table_stop(struct group_table *gt)
{
    if (gt->is_stopped) {
        return;
    }
    gt->is_stopped = true;
    group__expiry_stop(gt);
    LIST_FOREACH_SAFE(node, tmp, &gt->all)
    {
        group__forget(SL_CONTAINER_OF(node, struct group, node), KAFKA_NOT_COORDINATOR);
    }
}

void
group_table_destroy(struct group_table **pgt)
{
    struct group_table *gt = *pgt;
    *pgt = NULL;
    if (gt == NULL) {
        return;
    }
    group_table_stop(gt);
    map_fini(&gt->groups);
    sl_free(gt);
}
