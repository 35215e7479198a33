/* SPDX-License-Identifier: Apache-2.0 */
#include "reader/reader.h"

#include <stdio.h>

struct follower {
    struct reader *reader;
    struct shard *shard;
    bool is_told;
    char why[320];
};

struct reader {
    struct reader_options o;
    struct follower *followers; /* one for each journal */
    uint32_t waiting;           /* journals that are neither live nor failed */
};

static void
on_mode(void *arg, struct shard *sh, enum journal_mode mode, const char *why)
{
    struct follower *f = (struct follower *)arg;
    struct reader *r = f->reader;
    (void)sh;
    if (mode == JOURNAL_FAILED) {
        (void)snprintf(f->why, sizeof(f->why), "%s", why == NULL ? "" : why);
    }
    if (f->is_told || (mode != JOURNAL_LIVE && mode != JOURNAL_FAILED)) {
        return;
    }
    f->is_told = true;
    if (--r->waiting == 0 && r->o.ready != NULL) {
        r->o.ready(r->o.arg);
    }
}

static const struct shard_events events = {.mode_changed = on_mode};

static struct shard *
follow(struct reader *r, uint32_t index)
{
    enum { ENTRY_BYTES = 8 << 20, DAY_S = 86400, QUEUE_BYTES = 64 << 20 };
    const struct shard_options o = {
        .journal = {.sched = r->o.sched,
                    .store = r->o.store,
                    .log = r->o.log,
                    .prefix = r->o.prefix,
                    .cluster = r->o.cluster,
                    .index = index,
                    .node_id = -1,
                    .max_in_flight = 1,
                    .entry_max_bytes = ENTRY_BYTES,
                    .is_reader = !r->o.is_writer,
                    .grace_ns = DAY_S * SCHED_S,
                    .queue_max_bytes = QUEUE_BYTES,
                    .safe_window_ns = r->o.safe_window_ms * SCHED_MS,
                    .check_interval_ns = r->o.check_interval_ms * SCHED_MS},
        .cache = r->o.cache,
        .segment_namespace = r->o.segment_namespace,
        .tail_cache_bytes = 8 << 20,
        .events = &events,
        .events_arg = &r->followers[index]};
    return shard_new(&o);
}

struct reader *
reader_new(const struct reader_options *opts)
{
    struct reader *r = (struct reader *)sl_alloc(sizeof(*r));
    r->o = *opts;
    r->waiting = opts->journals;
    r->followers = (struct follower *)sl_alloc(opts->journals * sizeof(struct follower));
    for (uint32_t j = 0; j < opts->journals; j++) {
        r->followers[j].reader = r;
        r->followers[j].shard = follow(r, j);
    }
    return r;
}

void
reader_open(struct reader *r)
{
    for (uint32_t j = 0; j < r->o.journals; j++) {
        shard_open(r->followers[j].shard);
    }
}

void
reader_close(struct reader *r)
{
    for (uint32_t j = 0; j < r->o.journals; j++) {
        shard_close(r->followers[j].shard, sched_now(r->o.sched));
    }
}

bool
reader_is_idle(const struct reader *r)
{
    for (uint32_t j = 0; j < r->o.journals; j++) {
        if (!shard_is_idle(r->followers[j].shard)) {
            return false;
        }
    }
    return true;
}

void
reader_destroy(struct reader **pr)
{
    struct reader *r = *pr;
    *pr = NULL;
    if (r == NULL) {
        return;
    }
    for (uint32_t j = 0; j < r->o.journals; j++) {
        shard_destroy(&r->followers[j].shard);
    }
    sl_free(r->followers);
    sl_free(r);
}

const struct reader_options *
reader_options_of(const struct reader *r)
{
    return &r->o;
}

struct shard *
reader_shard(const struct reader *r, uint32_t journal)
{
    return r->followers[journal].shard;
}

enum sl_err
reader_journal(const struct reader *r, uint32_t journal, const char **ret_why)
{
    *ret_why = r->followers[journal].why;
    return shard_ready(r->followers[journal].shard);
}

const struct topic_state *
reader_topic(const struct reader *r, struct span name)
{
    return state_find_topic(shard_state(r->followers[0].shard), name);
}

struct shard *
reader_part_shard(const struct reader *r, const struct topic_state *t, int32_t partition)
{
    if (partition < 0 || partition >= t->partition_count ||
        t->journals[partition] >= r->o.journals) {
        return NULL;
    }
    return r->followers[t->journals[partition]].shard;
}
