/* SPDX-License-Identifier: Apache-2.0 */
#include "reader/wait.h"

#include "base/gate.h"

/* --- open and close --- */

struct opening {
    struct reader_options o;
    struct gate gate;
    struct reader *reader;
};

static void
opened(void *arg)
{
    gate_pass(&((struct opening *)arg)->gate);
}

static void
open_here(void *arg)
{
    struct opening *op = (struct opening *)arg;
    op->reader = reader_new(&op->o);
    reader_open(op->reader);
}

struct closing {
    struct reader *reader;
    struct sched *sched;
    struct sched_timer again;
    int64_t pause_ns;
    struct gate gate;
};

/* What is in flight ends with the store's own time limit: there is no event for the last of it, so
 * the loop looks again, after pauses that double. */
static void
close_look(struct sched_timer *t)
{
    enum { PAUSE_MAX_MS = 50 };
    struct closing *c = SL_CONTAINER_OF(t, struct closing, again);
    if (reader_is_idle(c->reader)) {
        reader_destroy(&c->reader);
        gate_pass(&c->gate);
        return;
    }
    sched_timer_after(c->sched, &c->again, c->pause_ns);
    c->pause_ns *= c->pause_ns < PAUSE_MAX_MS * SCHED_MS ? 2 : 1;
}

static void
close_here(void *arg)
{
    struct closing *c = (struct closing *)arg;
    reader_close(c->reader);
    c->again.fire = close_look;
    close_look(&c->again);
}

void
reader_wait_close(struct reader **r)
{
    struct closing c = {.reader = *r, .pause_ns = SCHED_MS};
    *r = NULL;
    if (c.reader == NULL) {
        return;
    }
    c.sched = reader_options_of(c.reader)->sched;
    gate_init(&c.gate, 1);
    run_on(c.sched, close_here, &c);
    (void)gate_wait(&c.gate, -1);
    gate_fini(&c.gate);
}

struct reader *
reader_wait_open(const struct reader_options *opts, int64_t timeout_ms)
{
    struct opening op = {.o = *opts};
    gate_init(&op.gate, 1);
    op.o.ready = opened;
    op.o.arg = &op;
    run_on(opts->sched, open_here, &op);
    if (!gate_wait(&op.gate, timeout_ms)) {
        reader_wait_close(&op.reader);
    }
    gate_fini(&op.gate);
    return op.reader;
}

/* --- partitions --- */

struct asking {
    struct reader *reader;
    const char *topic;
    int32_t partition, count;
    struct reader_part *ret;
    enum sl_err rc;
};

static void
part_here(void *arg)
{
    struct asking *a = (struct asking *)arg;
    const struct topic_state *t = reader_topic(a->reader, span_cstr(a->topic));
    struct shard *sh = t == NULL ? NULL : reader_part_shard(a->reader, t, a->partition);
    a->rc = sh == NULL ? SL_EUNKNOWN_PARTITION : shard_ready(sh);
    if (a->rc != SL_OK) {
        return;
    }
    const struct part_state *p = state_find_part(shard_state(sh), &t->id, a->partition);
    a->rc = p == NULL ? SL_EUNKNOWN_PARTITION : SL_OK;
    if (p != NULL) {
        *a->ret = (struct reader_part){sh, t->id, a->partition, p->start, p->end};
    }
}

enum sl_err
reader_wait_part(struct reader *r, const char *topic, int32_t partition, struct reader_part *ret)
{
    struct asking a = {.reader = r, .topic = topic, .partition = partition, .ret = ret};
    run_on(reader_options_of(r)->sched, part_here, &a);
    return a.rc;
}

static void
count_here(void *arg)
{
    struct asking *a = (struct asking *)arg;
    const struct topic_state *t = reader_topic(a->reader, span_cstr(a->topic));
    a->count = t == NULL ? -1 : t->partition_count;
}

int32_t
reader_wait_count(struct reader *r, const char *topic)
{
    struct asking a = {.reader = r, .topic = topic};
    run_on(reader_options_of(r)->sched, count_here, &a);
    return a.count;
}

static void
knows_here(void *arg)
{
    struct asking *a = (struct asking *)arg;
    const char *why;
    a->rc = reader_journal(a->reader, 0, &why);
}

enum sl_err
reader_wait_knows(struct reader *r)
{
    struct asking a = {.reader = r};
    run_on(reader_options_of(r)->sched, knows_here, &a);
    return a.rc;
}

/* --- up to now --- */

struct refreshing {
    struct journal_waiter w; /* first member */
    struct journal *journal;
    struct gate gate;
    enum sl_err rc;
};

static void
refresh_done(struct journal_waiter *w, enum sl_err rc)
{
    struct refreshing *rf = (struct refreshing *)(void *)w;
    rf->rc = rc;
    gate_pass(&rf->gate);
}

static void
refresh_here(void *arg)
{
    struct refreshing *rf = (struct refreshing *)arg;
    rf->w = (struct journal_waiter){.is_strict = true, .ready = refresh_done};
    journal_refresh(rf->journal, &rf->w);
}

static void
refresh_cancel(void *arg)
{
    journal_waiter_cancel(&((struct refreshing *)arg)->w);
}

enum sl_err
reader_wait_refresh(struct reader *r, uint32_t journal, int64_t timeout_ms)
{
    struct refreshing rf = {.journal = shard_journal(reader_shard(r, journal)), .rc = SL_ETIMEOUT};
    struct sched *sched = reader_options_of(r)->sched;
    gate_init(&rf.gate, 1);
    run_on(sched, refresh_here, &rf);
    if (!gate_wait(&rf.gate, timeout_ms)) {
        run_on(sched, refresh_cancel, &rf);
    }
    gate_fini(&rf.gate);
    return rf.rc;
}

/* --- reads and lookups --- */

struct reading {
    const struct reader_part *part;
    struct gate gate;
    struct part_read *read;
    struct part_lookup lookup;
};

static void
read_done(struct part_read *r)
{
    gate_pass(&((struct reading *)r->arg)->gate);
}

static void
read_here(void *arg)
{
    struct reading *rd = (struct reading *)arg;
    part_read_submit(rd->part->shard, rd->read);
}

void
reader_wait_read(const struct reader_part *p, int64_t offset, size_t max_bytes,
                 struct part_read *ret)
{
    struct reading rd = {.part = p, .read = ret};
    gate_init(&rd.gate, 1);
    *ret = (struct part_read){.topic_id = p->topic_id,
                              .partition = p->partition,
                              .offset = offset,
                              .max_bytes = max_bytes,
                              .is_at_least_one = true,
                              .done = read_done,
                              .arg = &rd};
    run_on(shard_sched(p->shard), read_here, &rd);
    (void)gate_wait(&rd.gate, -1);
    gate_fini(&rd.gate);
}

static void
lookup_done(struct part_lookup *l)
{
    gate_pass(&((struct reading *)l->arg)->gate);
}

static void
lookup_here(void *arg)
{
    struct reading *rd = (struct reading *)arg;
    part_lookup_submit(rd->part->shard, &rd->lookup);
}

enum sl_err
reader_wait_time(const struct reader_part *p, int64_t time_ms, int64_t *ret_offset)
{
    struct reading rd = {.part = p,
                         .lookup = {.topic_id = p->topic_id,
                                    .partition = p->partition,
                                    .kind = PART_LOOKUP_TIME,
                                    .time_ms = time_ms,
                                    .done = lookup_done,
                                    .arg = &rd}};
    gate_init(&rd.gate, 1);
    run_on(shard_sched(p->shard), lookup_here, &rd);
    (void)gate_wait(&rd.gate, -1);
    gate_fini(&rd.gate);
    *ret_offset = rd.lookup.offset;
    return rd.lookup.rc;
}

/* --- waiting for one of several --- */

struct any {
    const struct reader_part *parts;
    const int64_t *offsets;
    size_t count;
    struct part_waiter *waiters;
    struct gate *gate;
    bool is_told;
};

static void
any_tell(struct any *a)
{
    if (!a->is_told) {
        a->is_told = true;
        gate_pass(a->gate);
    }
}

static void
any_wake(struct part_waiter *w)
{
    any_tell((struct any *)w->arg);
}

static void
any_here(void *arg)
{
    struct any *a = (struct any *)arg;
    for (size_t i = 0; i < a->count; i++) {
        const struct reader_part *p = &a->parts[i];
        a->waiters[i] = (struct part_waiter){.offset = a->offsets[i], .wake = any_wake, .arg = a};
        if (!part_wait(p->shard, &p->topic_id, p->partition, &a->waiters[i])) {
            any_tell(a);
        }
    }
}

static void
any_cancel(void *arg)
{
    struct any *a = (struct any *)arg;
    for (size_t i = 0; i < a->count; i++) {
        part_wait_cancel(a->parts[i].shard, &a->waiters[i]);
    }
}

bool
reader_wait_any(struct reader *r, const struct reader_part *parts, const int64_t *offsets,
                size_t count, int64_t timeout_ms)
{
    struct sched *sched = reader_options_of(r)->sched;
    struct gate gate;
    struct any a = {.parts = parts, .offsets = offsets, .count = count, .gate = &gate};
    a.waiters = (struct part_waiter *)sl_alloc(count * sizeof(struct part_waiter));
    gate_init(&gate, 1);
    run_on(sched, any_here, &a);
    bool is_there = gate_wait(&gate, timeout_ms);
    run_on(sched, any_cancel, &a);
    gate_fini(&gate);
    sl_free(a.waiters);
    return is_there;
}

/* --- store --- */

struct storing {
    struct store_call call; /* first member */
    struct store *store;
    struct gate gate;
};

static void
store_done(struct store_call *call)
{
    gate_pass(&((struct storing *)(void *)call)->gate);
}

static void
store_here(void *arg)
{
    struct storing *s = (struct storing *)arg;
    store_submit(s->store, &s->call);
}

void
store_wait(struct sched *sched, struct store *st, struct store_call *call)
{
    struct storing s = {.call = *call, .store = st};
    s.call.home = sched;
    s.call.done = store_done;
    gate_init(&s.gate, 1);
    run_on(sched, store_here, &s);
    (void)gate_wait(&s.gate, -1);
    gate_fini(&s.gate);
    *call = s.call;
}
