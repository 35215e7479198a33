/* What the requests share, and the sweep: who has journal 0 open looks, every few seconds, for what
 * journal 0 names and nobody finished: a creation or deletion whose outcome was unknown, a journal
 * that did not answer in time, a broker that died in between. */
#include "admin/topics_int.h"

#define SWEEP_INTERVAL (5 * SCHED_S)
#define SWEEP_DEADLINE (60 * SCHED_S)

static void sweep_fire(struct sched_timer *timer);

struct topic_admin *
topic_admin_new(struct shard *const *shards, uint32_t shard_count)
{
    struct topic_admin *a = (struct topic_admin *)sl_alloc(sizeof(*a));
    a->shards = shards;
    a->shard_count = shard_count;
    list_init(&a->create.waiting);
    list_init(&a->create.creating);
    a->sweep.fire = sweep_fire;
    return a;
}

void
topic_admin_destroy(struct topic_admin **pa)
{
    if (*pa != NULL) {
        SL_ASSERT(!(*pa)->create.is_busy && (*pa)->drives == 0);
        sl_free(*pa);
    }
    *pa = NULL;
}

uint32_t *
admin__choose_journals(const struct topic_admin *a, const struct uuid *id, int32_t count)
{
    uint32_t *journals = (uint32_t *)sl_alloc((size_t)count * sizeof(uint32_t));
    uint32_t first = get_u32(id->b + 12);
    for (int32_t i = 0; i < count; i++) {
        journals[i] = (first + (uint32_t)i) % a->shard_count;
    }
    return journals;
}

/* --- sweep --- */

static bool
is_within_reach(const struct topic_admin *a, const struct topic_state *t, int32_t from)
{
    for (int32_t i = from; i < t->partition_count; i++) {
        if (t->journals[i] >= a->shard_count) {
            return false; /* a journal that this broker does not have */
        }
    }
    return true;
}

static void
open_missing(struct topic_admin *a, int64_t deadline)
{
    const struct state *st = shard_state(a->shards[0]);
    size_t pos = 0;
    for (struct topic_state *t; (t = state_next_topic(st, &pos));) {
        if (t->opened_count < t->partition_count && is_within_reach(a, t, t->opened_count)) {
            admin__drive_start(admin__drive_new(a, DRIVE_OPEN, deadline), &t, 1);
        }
    }
}

static void
retire_missing(struct topic_admin *a, int64_t deadline)
{
    const struct state *st = shard_state(a->shards[0]);
    size_t pos = 0;
    for (struct topic_state *t; (t = state_next_deleting(st, &pos));) {
        if (is_within_reach(a, t, 0)) {
            admin__drive_start(admin__drive_new(a, DRIVE_RETIRE, deadline), &t, 1);
        }
    }
}

static void
finish_missing(struct topic_admin *a)
{
    int64_t deadline = sched_now(admin__home(a)) + SWEEP_DEADLINE;
    open_missing(a, deadline);
    retire_missing(a, deadline);
}

static void
sweep_fire(struct sched_timer *timer)
{
    struct topic_admin *a = SL_CONTAINER_OF(timer, struct topic_admin, sweep);
    enum journal_mode mode = shard_mode(a->shards[0]);
    if (mode == JOURNAL_CLOSED) {
        return;
    }
    if (mode == JOURNAL_LIVE && !a->create.is_busy && a->drives == 0) {
        finish_missing(a);
        admin__janitor_run(a);
    }
    sched_timer_after(admin__home(a), timer, SWEEP_INTERVAL);
}

void
topic_admin_opened(struct topic_admin *a)
{
    if (a->drives == 0) {
        finish_missing(a);
    }
    sched_timer_after(admin__home(a), &a->sweep, SWEEP_INTERVAL);
}
