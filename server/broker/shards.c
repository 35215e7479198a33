/* The shards of a broker: made, opened, closed, looked at, each on its own loop. */
#include "api/pressure.h"
#include "base/counters.h"
#include "base/gate.h"
#include "broker/groups_int.h"
#include "plugin/instance.h"
#include "store/health.h"

#include <sluice/storage.h>

enum { OPEN_WAIT_MS = 20000 };

static void
on_topic_changed(void *arg, struct topic_state *t)
{
    directory_update(((struct process *)arg)->broker.topics, t);
}

static void
on_topic_deleting(void *arg, struct topic_state *t)
{
    directory_remove(((struct process *)arg)->broker.topics, t);
}

static void
on_quota_changed(void *arg, const struct quota_state *q, bool is_removed)
{
    quotas_changed(((struct process *)arg)->broker.quotas, q, is_removed);
}

static void
on_mode_changed(void *arg, struct shard *sh, enum journal_mode mode, const char *why)
{
    struct process *p = (struct process *)arg;
    (void)why;
    for (uint32_t j = 0; j < p->broker.shard_count; j++) {
        if (p->broker.shards[j] == sh) {
            broker__group_mode_changed(p, j);
        }
        if (p->broker.shards[j] != sh || (mode != JOURNAL_LIVE && mode != JOURNAL_FAILED)) {
            continue;
        }
        if (j == 0 && mode == JOURNAL_LIVE) {
            directory_reconcile(p->broker.topics, shard_state(sh));
            topic_admin_opened(p->broker.topic_admin);
        }
        if (!p->is_reported[j]) {
            p->is_reported[j] = true;
            gate_pass(&p->opened);
        }
    }
}

/* What the log of a topic's partitions is to be: on the loops of their shards. */
static bool
policy_of(void *arg, const struct uuid *topic_id, struct part_policy *ret)
{
    struct topic *t = directory_find_id(((struct process *)arg)->broker.topics, topic_id);
    if (t == NULL) {
        return false;
    }
    const struct topic_options *o = &t->options;
    *ret = (struct part_policy){.is_compacted = o->is_compacted,
                                .is_deleted = o->is_deleted,
                                .segment_bytes = o->segment_bytes,
                                .segment_ms = o->segment_ms,
                                .retention_ms = o->retention_ms,
                                .retention_bytes = o->retention_bytes,
                                .delete_retention_ms = o->delete_retention_ms,
                                .min_compaction_lag_ms = o->min_compaction_lag_ms,
                                .max_compaction_lag_ms = o->max_compaction_lag_ms,
                                .dirty_ratio_pm = (int)o->dirty_ratio_pm};
    topic_dir_name(t->name, t->incarnation, ret->dir, sizeof(ret->dir));
    topic_unref(&t);
    return true;
}

static void
on_roll_lag(void *arg, struct shard *sh, int per_mille)
{
    struct broker *b = &((struct process *)arg)->broker;
    pressure_set_lag(b->pressure, journal_index(shard_journal(sh)), per_mille);
}

static const struct shard_events shard_events = {.topic_changed = on_topic_changed,
                                                 .topic_deleting = on_topic_deleting,
                                                 .quota_changed = on_quota_changed,
                                                 .mode_changed = on_mode_changed,
                                                 .roll_lag_changed = on_roll_lag,
                                                 .group_changed = broker__group_changed,
                                                 .group_deleted = broker__group_deleted};

static struct journal_options
journal_options_of(struct process *p, uint32_t index)
{
    const struct config_journal *c = &p->cfg->journal;
    bool is_local = (p->bucket.capabilities & SLUICE_STORE_LOCAL) != 0;
    int64_t linger_ms = c->linger_ms >= 0 ? c->linger_ms : is_local ? 0 : 20;
    return (struct journal_options){.sched = loop_sched(p->loops[index % p->loop_count]),
                                    .store = p->bucket.store,
                                    .prefix = p->cfg->storage.prefix,
                                    .cluster = p->bucket.cluster,
                                    .index = index,
                                    .node_id = (int32_t)p->cfg->server.node_id,
                                    .max_in_flight = (uint32_t)c->max_in_flight,
                                    .linger_ns = linger_ms * SCHED_MS,
                                    .entry_max_bytes = (size_t)c->entry_max_bytes,
                                    .is_paranoid = c->paranoid,
                                    .safe_window_ns = c->safe_window_ms * SCHED_MS,
                                    .check_interval_ns = c->check_interval_ms * SCHED_MS,
                                    .grace_ns = c->grace_ms * SCHED_MS,
                                    .snapshot_entries = (uint32_t)c->snapshot_entries,
                                    .snapshot_interval_ns = 10 * SCHED_S,
                                    .queue_max_bytes = (size_t)p->cfg->server.memory_budget};
}

static struct roll_options
roll_options_of(struct process *p)
{
    const struct config_journal *c = &p->cfg->journal;
    return (struct roll_options){.policy = policy_of,
                                 .policy_arg = p,
                                 .permits = &p->roll_permits,
                                 .target_bytes = c->segment_target_bytes,
                                 .age_ms = c->roll_age_ms,
                                 .live_bytes_max = c->live_max_bytes,
                                 .live_runs_max = c->live_runs_max,
                                 .garbage_grace_ms = c->grace_ms,
                                 .retention_interval_ms =
                                     p->cfg->server.log_retention_check_interval_ms,
                                 .cleaner_backoff_ms = p->cfg->server.log_cleaner_backoff_ms,
                                 .dedupe_bytes = p->cfg->server.log_cleaner_dedupe_buffer_size,
                                 .patience = 2};
}

void
broker__shards_new(struct process *p)
{
    p->roll_permits.max_bytes = p->cfg->journal.roll_memory;
    p->roll_permits.sharers = p->bucket.journals;
    struct broker *b = &p->broker;
    b->shard_count = p->bucket.journals;
    b->shards = (struct shard **)sl_alloc(b->shard_count * sizeof(struct shard *));
    p->is_reported = (bool *)sl_alloc(b->shard_count * sizeof(bool));
    gate_init(&p->opened, b->shard_count);
    for (uint32_t j = 0; j < b->shard_count; j++) {
        const struct shard_options o = {
            .journal = journal_options_of(p, j),
            .cache = p->cache,
            .cold = &p->cold,
            .segment_namespace = p->cfg->storage.ns,
            .roll = roll_options_of(p),
            .producer_expiration_ms = p->cfg->server.producer_id_expiration_ms,
            .tail_cache_bytes = (size_t)p->cfg->journal.tail_cache_bytes / b->shard_count,
            .events = &shard_events,
            .events_arg = p};
        b->shards[j] = shard_new(&o);
    }
}

static void
shard_open_here(void *arg)
{
    shard_open((struct shard *)arg);
}

void
broker__shards_open(struct process *p)
{
    for (uint32_t j = 0; j < p->broker.shard_count; j++) {
        run_on(shard_sched(p->broker.shards[j]), shard_open_here, p->broker.shards[j]);
    }
    if (!gate_wait(&p->opened, OPEN_WAIT_MS)) {
        SL_WARN(
            NULL, "broker.journals_slow",
            KV_STR("meaning", "serving what is open; the others follow when the store answers"));
    }
}

struct closing {
    struct shard *shard;
    int64_t deadline_ns;
    bool is_idle;
};

static void
shard_close_here(void *arg)
{
    struct closing *c = (struct closing *)arg;
    shard_close(c->shard, c->deadline_ns);
}

static void
shard_look(void *arg)
{
    struct closing *c = (struct closing *)arg;
    c->is_idle = shard_is_idle(c->shard);
}

static void
journals_close(struct process *p)
{
    for (uint32_t j = 0; j < p->broker.shard_count; j++) {
        struct sched *s = shard_sched(p->broker.shards[j]);
        struct closing c = {.shard = p->broker.shards[j],
                            .deadline_ns =
                                sched_now(s) + p->cfg->server.shutdown_timeout_ms * SCHED_MS};
        run_on(s, shard_close_here, &c);
        for (c.is_idle = false; !c.is_idle;) {
            run_on(s, shard_look, &c);
            if (!c.is_idle) {
                gate_pause(2); /* the journal's own deadline bounds this */
            }
        }
    }
}

static void
nothing(void *arg)
{
    (void)arg;
}

/* What ended with the journals is told from loop to loop in a few hops (a topic whose opens were
 * under way). Waits for them. */
static void
loops_drain(struct process *p)
{
    enum { HOPS = 8 };
    for (unsigned i = 0; i < HOPS * p->loop_count; i++) {
        run_on(loop_sched(p->loops[i % p->loop_count]), nothing, NULL);
    }
}

void
broker__shards_close(struct process *p)
{
    journals_close(p);
    loops_drain(p);
}

static void
shard_wake_here(void *arg)
{
    shard_wake_waiters((struct shard *)arg);
}

void
broker__fetches_end(struct process *p)
{
    atomic_store(&p->broker.is_stopping, true);
    for (uint32_t j = 0; j < p->broker.shard_count; j++) {
        run_on(shard_sched(p->broker.shards[j]), shard_wake_here, p->broker.shards[j]);
    }
}

static const char *
mode_name(enum journal_mode mode)
{
    static const char *const names[] = {"closed", "opening", "live", "catching_up", "failed"};
    return names[mode];
}

static void
shard_report(void *arg)
{
    struct shard *sh = (struct shard *)arg;
    struct journal_status s;
    journal_status(shard_journal(sh), &s);
    SL_INFO(NULL, "journal.status", KV_U64("journal", journal_index(shard_journal(sh))),
            KV_STR("mode", mode_name(s.mode)), KV_U64("verified_through", s.safe),
            KV_U64("snapshot", s.snapshot_n), KV_U64("in_flight", s.in_flight),
            KV_U64("queued_items", s.queued_items), KV_U64("queued_bytes", s.queued_bytes),
            KV_STR("why", s.why));
}

static void
store_report(const struct process *p)
{
    struct store_health h;
    struct store_rates r;
    store_health(p->bucket.store, &h);
    store_rates(p->bucket.store, &r);
    SL_INFO(NULL, "store.status", KV_STR("store", p->bucket.name),
            KV_STR("state", store_health_name(h.state)), KV_STR("why", h.why),
            KV_I64("put_ms", h.latency_ns[STORE_PUT] / SCHED_MS),
            KV_I64("get_ms", h.latency_ns[STORE_GET] / SCHED_MS),
            KV_U64("puts_in_flight", h.puts_in_flight),
            KV_I64("puts_per_minute", (int64_t)(r.puts_per_s * 60)),
            KV_I64("gets_per_minute", (int64_t)((r.gets_per_s + r.heads_per_s) * 60)),
            KV_I64("lists_per_minute", (int64_t)(r.lists_per_s * 60)),
            KV_I64("deletes_per_minute", (int64_t)(r.dels_per_s * 60)));
}

void
broker__report(const struct process *p)
{
    for (uint32_t j = 0; j < p->broker.shard_count; j++) {
        run_on(shard_sched(p->broker.shards[j]), shard_report, p->broker.shards[j]);
    }
    store_report(p);
    counters_log();
    plugin_instance_counters_log(p->bucket.plugin);
}
