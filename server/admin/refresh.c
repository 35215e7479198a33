/* What this broker knows of topics becomes as new as the store, or the deadline passes. */
#include "admin/topics_int.h"

static void
refresh_home(struct sched_task *task)
{
    struct topics_refresh *r = SL_CONTAINER_OF(task, struct topics_refresh, task);
    r->done(r);
}

static void
refresh_answer(struct topics_refresh *r, enum sl_err rc)
{
    r->rc = rc;
    r->task.run = refresh_home;
    sched_post(r->home, &r->task);
}

static void
refresh_ready(struct journal_waiter *w, enum sl_err rc)
{
    struct topics_refresh *r = SL_CONTAINER_OF(w, struct topics_refresh, waiter);
    sched_timer_stop(admin__home(r->admin), &r->late);
    refresh_answer(r, rc);
}

static void
refresh_late(struct sched_timer *timer)
{
    struct topics_refresh *r = SL_CONTAINER_OF(timer, struct topics_refresh, late);
    journal_waiter_cancel(&r->waiter);
    refresh_answer(r, SL_ETIMEOUT);
}

static void
refresh_run(struct sched_task *task)
{
    struct topics_refresh *r = SL_CONTAINER_OF(task, struct topics_refresh, task);
    if (r->deadline_ns != 0) {
        r->late.fire = refresh_late;
        sched_timer_at(admin__home(r->admin), &r->late, r->deadline_ns);
    }
    r->waiter.ready = refresh_ready;
    journal_refresh(shard_journal(r->admin->shards[0]), &r->waiter);
}

void
topics_refresh_submit(struct topic_admin *a, struct topics_refresh *r)
{
    r->admin = a;
    r->late = (struct sched_timer){0};
    r->task.run = refresh_run;
    sched_post(admin__home(a), &r->task);
}
