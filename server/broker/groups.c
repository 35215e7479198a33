/* SPDX-License-Identifier: Apache-2.0
 *
 * The groups of a broker: a table per journal, on the journal's loop. */
#include "api/group_topics.h"
#include "broker/groups_int.h"
#include "group/group.h"

static struct group_options
options_of(const struct process *p, uint32_t journal)
{
    const struct config_server *c = &p->cfg->server;
    struct group_options o = group_options_default();
    o.shard = p->broker.shards[journal];
    o.topics = &p->broker.group_topics;
    o.consumer_session_timeout_ms = c->group_consumer_session_timeout_ms;
    o.consumer_heartbeat_interval_ms = c->group_consumer_heartbeat_interval_ms;
    o.consumer_max_size = (int32_t)c->group_consumer_max_size;
    o.initial_rebalance_delay_ms = c->group_initial_rebalance_delay_ms;
    o.min_session_timeout_ms = c->group_min_session_timeout_ms;
    o.max_session_timeout_ms = c->group_max_session_timeout_ms;
    o.max_size = (int32_t)c->group_max_size;
    o.max_groups = (uint32_t)c->group_max_count;
    o.max_bytes = (size_t)c->group_memory_budget / p->broker.shard_count;
    o.offset_metadata_max_bytes = (int32_t)c->offset_metadata_max_bytes;
    o.commit_timeout_ms = c->offsets_commit_timeout_ms;
    o.offsets_retention_ms = c->offsets_retention_minutes * 60000;
    o.offsets_check_interval_ms = c->offsets_retention_check_interval_ms;
    return o;
}

void
broker__groups_new(struct process *p)
{
    struct broker *b = &p->broker;
    b->group_topics = group_topics_of(b->topics);
    b->groups = (struct group_table **)sl_alloc(b->shard_count * sizeof(b->groups[0]));
    for (uint32_t j = 0; j < b->shard_count; j++) {
        const struct group_options o = options_of(p, j);
        b->groups[j] = group_table_new(&o);
    }
}

static void
stop_here(void *arg)
{
    group_table_stop((struct group_table *)arg);
}

void
broker__groups_stop(struct process *p)
{
    for (uint32_t j = 0; j < p->broker.shard_count; j++) {
        run_on(shard_sched(p->broker.shards[j]), stop_here, p->broker.groups[j]);
    }
}

void
broker__groups_destroy(struct process *p)
{
    for (uint32_t j = 0; j < p->broker.shard_count; j++) {
        group_table_destroy(&p->broker.groups[j]);
    }
    sl_free(p->broker.groups);
    p->broker.groups = NULL;
}

/* --- events --- */

void
broker__group_mode_changed(struct process *p, uint32_t journal)
{
    group_table_mode_changed(p->broker.groups[journal]);
}

/* NULL at the very end, when shards are destroyed after their tables. */
static struct group_table *
table_of(const struct process *p, struct shard *sh)
{
    return p->broker.groups == NULL ? NULL : p->broker.groups[journal_index(shard_journal(sh))];
}

void
broker__group_changed(void *arg, struct shard *sh, struct group_state *g)
{
    group_table_group_changed(table_of((struct process *)arg, sh), g);
}

void
broker__group_deleted(void *arg, struct shard *sh, struct group_state *g, enum group_gone why)
{
    struct group_table *gt = table_of((struct process *)arg, sh);
    if (gt != NULL) {
        group_table_group_deleted(gt, g, why);
    }
}
