#include "base/crc32c.h"
#include "partition/load.h"
#include "partition/shard_int.h"

/* --- the journal's owner --- */

static enum sl_err
apply_items(struct shard *sh, const struct entry_view *e, struct sl_error *err)
{
    struct entry_cursor c = entry_items(e);
    struct entry_item it;
    bool is_bad = false;
    while (entry_next(&c, &it, &is_bad)) {
        const struct state_item item = {.n = e->h.n,
                                        .time_ms = e->h.time_ms,
                                        .head_bytes = e->h.head_bytes,
                                        .kind = it.kind,
                                        .version = it.version,
                                        .payload = it.payload};
        enum sl_err rc = state_apply(sh->state, &item, err);
        if (rc != SL_OK) {
            return rc;
        }
    }
    return is_bad ? sl_error_set(err, SL_ECORRUPT, "an item of the index is cut short") : SL_OK;
}

/* Are the data of an entry that was read what its index says? Corrupt bytes must not be served from
 * memory; the read that finds them in the store says so loudly. */
static bool
is_data_intact(const struct entry_view *e, struct span object)
{
    struct entry_cursor c = entry_items(e);
    struct entry_item it;
    struct run r;
    bool is_bad = false;
    while (entry_next(&c, &it, &is_bad)) {
        if (it.kind != ITEM_RUN || run_decode(it.payload, &r) != SL_OK) {
            continue;
        }
        uint64_t at = (uint64_t)e->h.head_bytes + r.position;
        if (at + r.length > object.len || crc32c(0, object.ptr + at, r.length) != r.crc) {
            return false;
        }
    }
    return true;
}

static enum sl_err
app_apply(void *app, const struct entry_view *e, struct buf *body, struct span object,
          struct sl_error *err)
{
    struct shard *sh = (struct shard *)app;
    shard__roller_entry(sh, &e->h);
    enum sl_err rc = apply_items(sh, e, err);
    if (rc == SL_OK && body != NULL && object.len == e->h.head_bytes + e->h.data_bytes &&
        (e->is_own || is_data_intact(e, object))) {
        tail_cache_add(&sh->tail, e->h.n, body, object);
    }
    shard__wake(sh);
    return rc;
}

static void
app_rollback(void *app)
{
    state_rollback(((struct shard *)app)->state);
}

static enum sl_err
app_restore(void *app, struct span snapshot, struct sl_error *err)
{
    struct shard *sh = (struct shard *)app;
    tail_cache_clear(&sh->tail);
    enum sl_err rc = state_restore(sh->state, snapshot, err);
    shard__roller_restored(sh);
    return rc;
}

static void
app_snapshot(void *app, struct bytes *out)
{
    state_snapshot(((struct shard *)app)->state, out);
}

static uint64_t
app_collectable(void *app)
{
    struct shard *sh = (struct shard *)app;
    struct journal_status s;
    journal_status(sh->journal, &s);
    return state_collectable(sh->state, s.safe);
}

static void
app_mode_changed(void *app, enum journal_mode mode, const char *why)
{
    struct shard *sh = (struct shard *)app;
    sh->mode = mode;
    if (mode != JOURNAL_LIVE) {
        shard_wake_waiters(sh);
    }
    if (mode == JOURNAL_CLOSED) {
        sched_timer_stop(shard_sched(sh), &sh->poll); /* a close may last; it was armed meanwhile */
    }
    if (sh->o.events != NULL && sh->o.events->mode_changed != NULL) {
        sh->o.events->mode_changed(sh->o.events_arg, sh, mode, why);
    }
}

static const struct journal_app app = {.apply = app_apply,
                                       .rollback = app_rollback,
                                       .restore = app_restore,
                                       .snapshot = app_snapshot,
                                       .collectable = app_collectable,
                                       .mode_changed = app_mode_changed};

/* --- events of the state --- */

struct partition *
shard__partition_of(struct part_state *p)
{
    if (p->user == NULL) {
        struct partition *part = (struct partition *)sl_alloc(sizeof(*part));
        list_init(&part->waiters);
        list_init(&part->awake);
        live__part_init(&part->live);
        part->st = p;
        p->user = part;
    }
    return (struct partition *)p->user;
}

static void
on_topic(void *arg, struct topic_state *t)
{
    struct shard *sh = (struct shard *)arg;
    if (sh->o.events != NULL && sh->o.events->topic_changed != NULL) {
        sh->o.events->topic_changed(sh->o.events_arg, t);
    }
}

/* What is only passed on. */
#define TELL(sh, event, ...)                                                                       \
    do {                                                                                           \
        if ((sh)->o.events != NULL && (sh)->o.events->event != NULL) {                             \
            (sh)->o.events->event((sh)->o.events_arg, __VA_ARGS__);                                \
        }                                                                                          \
    } while (0)

static void
on_topic_deleting(void *arg, struct topic_state *t)
{
    struct shard *sh = (struct shard *)arg;
    TELL(sh, topic_deleting, t);
}

static void
on_topic_deleted(void *arg, struct topic_state *t)
{
    struct shard *sh = (struct shard *)arg;
    TELL(sh, topic_deleted, t);
}

static void
on_quota(void *arg, const struct quota_state *q, bool is_removed)
{
    struct shard *sh = (struct shard *)arg;
    TELL(sh, quota_changed, q, is_removed);
}

static void
on_group(void *arg, struct group_state *g)
{
    struct shard *sh = (struct shard *)arg;
    TELL(sh, group_changed, sh, g);
}

static void
on_offsets(void *arg, struct group_state *g)
{
    struct shard *sh = (struct shard *)arg;
    TELL(sh, offsets_changed, sh, g);
}

static void
on_group_deleted(void *arg, struct group_state *g, enum group_gone why)
{
    struct shard *sh = (struct shard *)arg;
    TELL(sh, group_deleted, sh, g, why);
}

static void
on_opened(void *arg, struct part_state *p)
{
    struct shard *sh = (struct shard *)arg;
    shard__roller_changed(sh, p);
    TELL(sh, part_opened, sh, p);
}

static void
on_trimmed(void *arg, struct part_state *p)
{
    struct shard *sh = (struct shard *)arg;
    shard__roller_changed(sh, p);
    TELL(sh, part_trimmed, sh, p);
}

/* Who sleeps on p is looked at when the entry is applied. */
static void
wake_soon(struct shard *sh, struct part_state *p)
{
    struct partition *part = (struct partition *)p->user;
    if (part != NULL && !list_is_empty(&part->waiters) && list_is_empty(&part->awake)) {
        list_append(&sh->awake, &part->awake);
    }
}

/* Adopted segments move the end, too. */
static void
on_rolled(void *arg, struct part_state *p)
{
    struct shard *sh = (struct shard *)arg;
    shard__roller_changed(sh, p);
    wake_soon(sh, p);
    TELL(sh, part_rolled, sh, p);
}

static void
wake_waiters(struct shard *sh, struct partition *part, int64_t below)
{
    LIST_FOREACH_SAFE(node, tmp, &part->waiters)
    {
        struct part_waiter *w = SL_CONTAINER_OF(node, struct part_waiter, node);
        if (w->offset < below) {
            list_remove(node);
            sh->waiter_count--;
            w->wake(w);
        }
    }
}

static void
on_retired(void *arg, struct part_state *p)
{
    struct shard *sh = (struct shard *)arg;
    struct partition *part = (struct partition *)p->user;
    TELL(sh, part_retired, sh, p);
    p->user = NULL;
    if (part == NULL) {
        return;
    }
    list_remove(&part->awake);
    shard__roller_gone(sh, part);
    wake_waiters(sh, part, INT64_MAX);
    sl_free(part);
}

static void
on_appended(void *arg, struct part_state *p, const struct run_ref *r)
{
    struct shard *sh = (struct shard *)arg;
    shard__roller_appended(sh, p, r->length);
    wake_soon(sh, p);
    TELL(sh, part_appended, sh, p);
}

static const struct state_events state_events = {.topic_changed = on_topic,
                                                 .part_opened = on_opened,
                                                 .part_retired = on_retired,
                                                 .part_appended = on_appended,
                                                 .part_trimmed = on_trimmed,
                                                 .part_rolled = on_rolled,
                                                 .topic_deleting = on_topic_deleting,
                                                 .topic_deleted = on_topic_deleted,
                                                 .quota_changed = on_quota,
                                                 .group_changed = on_group,
                                                 .offsets_changed = on_offsets,
                                                 .group_deleted = on_group_deleted};

void
shard__wake(struct shard *sh)
{
    for (struct list *node; (node = list_pop(&sh->awake)) != NULL;) {
        struct partition *part = SL_CONTAINER_OF(node, struct partition, awake);
        wake_waiters(sh, part, part->st->end);
    }
}

void
shard_wake_waiters(struct shard *sh)
{
    size_t pos = 0;
    for (struct part_state *p; (p = state_next_part(sh->state, &pos));) {
        if (p->user != NULL) {
            wake_waiters(sh, (struct partition *)p->user, INT64_MAX);
        }
    }
}

/* --- life --- */

struct shard *
shard_new(const struct shard_options *opts)
{
    struct shard *sh = (struct shard *)sl_alloc(sizeof(*sh));
    SL_ASSERT(opts->cache != NULL);
    sh->o = *opts;
    sh->o.journal.app = &app;
    sh->o.journal.app_arg = sh;
    sh->state = state_new();
    state_set_events(sh->state, &state_events, sh);
    list_init(&sh->awake);
    shard__roller_init(sh);
    shard__turns_init(sh);
    tail_cache_init(&sh->tail, opts->tail_cache_bytes);
    sh->journal = journal_new(&sh->o.journal);
    return sh;
}

void
shard_open(struct shard *sh)
{
    journal_open(sh->journal);
    shard__expiry_start(sh);
    shard__roller_start(sh);
    shard__upkeep_start(sh);
}

void
shard_close(struct shard *sh, int64_t deadline_ns)
{
    sched_timer_stop(shard_sched(sh), &sh->poll);
    shard__expiry_stop(sh);
    shard__upkeep_stop(sh);
    shard__roller_stop(sh);
    journal_close(sh->journal, deadline_ns);
}

bool
shard_is_idle(const struct shard *sh)
{
    return journal_is_idle(sh->journal) && shard__loads_are_idle(sh) && shard__roller_is_idle(sh) &&
           shard__upkeep_is_idle(sh);
}

void
shard_roll_view(const struct shard *sh, struct shard_roll_view *ret)
{
    uint64_t first = live__first_n(&sh->live);
    struct journal_status at;
    journal_status(sh->journal, &at);
    *ret = (struct shard_roll_view){
        .lag_pm = shard_roll_lag(sh), .live_bytes = sh->live.bytes, .live_runs = sh->live.runs};
    if (sh->o.roll.policy != NULL) {
        ret->pinned_bytes_max = 2 * sh->o.roll.live_bytes_max;
        ret->live_runs_max = sh->o.roll.live_runs_max;
    }
    if (first <= at.safe) {
        int64_t age = sched_wall_ms(sh->o.journal.sched) - live__time_of(&sh->live, first);
        ret->pinned_entries = at.safe - first + 1;
        ret->pinned_bytes = live__bytes_from(&sh->live, first);
        ret->oldest_ms = age > 0 ? age : 0;
    }
}

void
shard_destroy(struct shard **psh)
{
    struct shard *sh = *psh;
    *psh = NULL;
    if (sh == NULL) {
        return;
    }
    journal_destroy(&sh->journal);
    state_destroy(&sh->state);
    shard__upkeep_fini(sh);
    shard__roller_fini(sh);
    tail_cache_fini(&sh->tail);
    sl_free(sh->resumes);
    sl_free(sh);
}

struct state *
shard_state(struct shard *sh)
{
    return sh->state;
}

struct journal *
shard_journal(struct shard *sh)
{
    return sh->journal;
}

struct sched *
shard_sched(struct shard *sh)
{
    return sh->o.journal.sched;
}

enum journal_mode
shard_mode(const struct shard *sh)
{
    return sh->mode;
}

enum sl_err
shard_ready(const struct shard *sh)
{
    switch (sh->mode) {
    case JOURNAL_LIVE:
    case JOURNAL_CATCHUP:
        return SL_OK;
    case JOURNAL_FAILED:
        return SL_EPARTITION_FAILED;
    default:
        return SL_ENOT_OPEN;
    }
}

/* --- what other brokers write
 *
 * Our own commits wake waiters by themselves. What another broker commits is seen only by reading
 * the tail, so while somebody waits the tail is looked at: often when another broker was heard of
 * lately, else rarely. */

static void poll_soon(struct shard *sh);

static void
poll_ready(struct journal_waiter *w, enum sl_err rc)
{
    struct shard *sh = SL_CONTAINER_OF(w, struct shard, poll_waiter);
    (void)rc;
    sh->is_polling = false;
    poll_soon(sh);
}

static void
poll_fire(struct sched_timer *t)
{
    struct shard *sh = SL_CONTAINER_OF(t, struct shard, poll);
    if (sh->waiter_count == 0 || sh->mode != JOURNAL_LIVE) {
        return; /* the next waiter begins again */
    }
    sh->is_polling = true;
    sh->poll_waiter.ready = poll_ready;
    journal_refresh(sh->journal, &sh->poll_waiter);
}

static void
poll_soon(struct shard *sh)
{
    int64_t pause = journal_has_company(sh->journal) ? 50 * SCHED_MS : SCHED_S;
    if (sh->waiter_count > 0 && !sh->is_polling && sh->poll.heap_pos == 0) {
        sh->poll.fire = poll_fire;
        sched_timer_after(shard_sched(sh), &sh->poll, pause);
    }
}

/* --- sleeping on a partition --- */

bool
part_wait(struct shard *sh, const struct uuid *topic_id, int32_t partition, struct part_waiter *w)
{
    SCHED_ASSERT_HERE(shard_sched(sh));
    list_init(&w->node);
    struct part_state *p = state_find_part(sh->state, topic_id, partition);
    if (shard_ready(sh) != SL_OK || p == NULL || p->end > w->offset) {
        return false;
    }
    list_append(&shard__partition_of(p)->waiters, &w->node);
    sh->waiter_count++;
    poll_soon(sh);
    return true;
}

void
part_wait_cancel(struct shard *sh, struct part_waiter *w)
{
    SCHED_ASSERT_HERE(shard_sched(sh));
    sh->waiter_count -= list_is_empty(&w->node) ? 0 : 1;
    list_remove(&w->node);
}
