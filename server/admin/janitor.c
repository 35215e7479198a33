/* Orphans: partitions that are open in a journal although journal 0 does not know their topic. They
 * come from a broker that was slow: its OPEN landed behind another broker's RETIRE. Harmless, but
 * nobody else would ever retire them.
 *
 * Each journal is asked which topics it has; then journal 0 is read to its tail, then compared. An
 * id was known to journal 0 before it could be opened anywhere, so one that is unknown now was
 * deleted and is never coming back. */
#include "admin/topics_int.h"

#include <stdlib.h>

enum { ORPHANS_MAX = 1000 };
#define JANITOR_INTERVAL (300 * SCHED_S)
#define JANITOR_DEADLINE (60 * SCHED_S)

struct janitor {
    struct topic_admin *admin;
    uint32_t journal; /* asked next */
    struct uuid *ids; /* of topics that the journal has */
    size_t count;
    struct sched_task task;
    struct journal_waiter waiter;
};

static void ask(struct janitor *jan);

static void
finish(struct janitor *jan)
{
    jan->admin->janitor = NULL;
    jan->admin->drives--;
    sl_free(jan);
}

static void
next_journal(struct janitor *jan)
{
    sl_free(jan->ids);
    jan->ids = NULL;
    jan->journal++;
    if (jan->journal == jan->admin->shard_count ||
        shard_mode(jan->admin->shards[0]) == JOURNAL_CLOSED) {
        finish(jan);
        return;
    }
    ask(jan);
}

static void
retired(struct drive *d)
{
    next_journal((struct janitor *)d->arg);
}

static void
compare(struct journal_waiter *w, enum sl_err rc)
{
    struct janitor *jan = SL_CONTAINER_OF(w, struct janitor, waiter);
    struct topic_admin *a = jan->admin;
    const struct state *st = shard_state(a->shards[0]);
    size_t orphans = 0;
    bool is_sure = rc == SL_OK && shard_mode(a->shards[0]) == JOURNAL_LIVE;
    for (size_t i = 0; is_sure && i < jan->count && orphans < ORPHANS_MAX; i++) {
        if (state_find_topic_id(st, &jan->ids[i]) == NULL) {
            jan->ids[orphans++] = jan->ids[i];
        }
    }
    if (orphans == 0) {
        next_journal(jan);
        return;
    }
    struct drive *d =
        admin__drive_new(a, DRIVE_ORPHANS, sched_now(admin__home(a)) + JANITOR_DEADLINE);
    d->done = retired;
    d->arg = jan;
    admin__drive_orphans(d, jan->ids, orphans);
}

static void
collected(struct sched_task *task)
{
    struct janitor *jan = SL_CONTAINER_OF(task, struct janitor, task);
    jan->waiter.ready = compare;
    journal_refresh(shard_journal(jan->admin->shards[0]), &jan->waiter);
}

static int
compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

static size_t
sort_unique(struct uuid *ids, size_t count)
{
    size_t kept = 0;
    if (count > 0) { /* none may be NULL */
        qsort(ids, count, sizeof(struct uuid), compare_ids);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !uuid_eq(&ids[kept - 1], &ids[i])) {
            ids[kept++] = ids[i];
        }
    }
    return kept;
}

/* [the journal's loop] */
static void
collect(struct sched_task *task)
{
    struct janitor *jan = SL_CONTAINER_OF(task, struct janitor, task);
    struct shard *sh = jan->admin->shards[jan->journal];
    size_t pos = 0;
    size_t cap = 0;
    jan->count = 0;
    for (struct part_state *p; (p = state_next_part(shard_state(sh), &pos));) {
        if (jan->count == cap) {
            cap = cap == 0 ? 64 : 2 * cap;
            jan->ids = (struct uuid *)sl_realloc(jan->ids, cap * sizeof(struct uuid));
        }
        jan->ids[jan->count++] = p->topic_id;
    }
    jan->count = sort_unique(jan->ids, jan->count);
    jan->task.run = collected;
    sched_post(admin__home(jan->admin), &jan->task);
}

static void
ask(struct janitor *jan)
{
    jan->task.run = collect;
    sched_post(shard_sched(jan->admin->shards[jan->journal]), &jan->task);
}

void
admin__janitor_run(struct topic_admin *a)
{
    int64_t now = sched_now(admin__home(a));
    if (a->janitor != NULL || now < a->next_janitor_ns) {
        return;
    }
    a->next_janitor_ns = now + JANITOR_INTERVAL;
    a->janitor = (struct janitor *)sl_alloc(sizeof(struct janitor));
    a->janitor->admin = a;
    a->drives++; /* it is waited for like one */
    ask(a->janitor);
}
