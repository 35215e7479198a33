/* SPDX-License-Identifier: Apache-2.0
 *
 * How the jobs of the roller read: one scan over the entries for all of them.
 *
 * An entry holds runs of many partitions. Were each job to read for itself, an entry would be read
 * as often as there are jobs. So the scan always takes the lowest entry that any job still wants
 * something of, asks the store once for what all of them want of it (stretches that lie apart
 * further than GAP_BYTES apart are asked for separately), and hands each job its runs. Who is far
 * behind the others thereby catches up first, and from there on they go side by side. What is still
 * in the tail cache is not read at all.
 *
 * The block cache is neither asked nor filled: what is read here once nobody reads again.
 *
 * Reads are answered in any order and fed in the order of the entries, so a job gets its runs one
 * after the other. At most READS_MAX of them with AHEAD_BYTES together are under way (less on a
 * local disk, where the journal's next write stands behind them); a turn of the loop feeds
 * FEED_BYTES.
 *
 * A run that cannot be had this way (the object is gone, or its bytes are wrong) may have moved, or
 * be lost. To find out which is what partition/read.c is for: the job leaves the scan, reads that
 * run as a consumer would, and comes back, or ends with what that said. */
#include "base/counters.h"
#include "base/crc32c.h"
#include "partition/roller_int.h"

#include <stdlib.h>

enum {
    READS_MAX = 8,
    AHEAD_BYTES = 16 << 20,
    AHEAD_LOCAL_BYTES = 4 << 20,
    READ_BYTES_MAX = 4 << 20,
    GAP_BYTES = 128 << 10,
    FEED_BYTES = 512 << 10,
    ALONE_BYTES = 1 << 20
};
#define LOST_PAUSE_NS (600 * SCHED_S)

/* A run of the entry that is read, and who wants it. */
struct want {
    struct roll_job *job; /* NULL: not any more */
    uint32_t position, length, crc;
};

/* One stretch of an entry on its way. Lives on roll.reads from plan to feed. */
struct scan_read {
    struct list node;
    struct shard *sh;
    struct want *wants; /* in the order of their offsets */
    size_t count, cap, fed;
    uint64_t n;
    uint32_t from, to;        /* bytes of the object */
    struct buf *body;         /* owned; the bytes begin at */
    const uint8_t *at;        /* NULL: they could not be read */
    bool is_done, is_trusted; /* of the tail cache: checked when it came there */
    struct store_call call;
};

static void scan_task(struct sched_task *task);

static void
scan_soon(struct shard *sh)
{
    if (!sh->roll.is_scan_posted) {
        sh->roll.is_scan_posted = true;
        sh->roll.scan.run = scan_task;
        sched_post(shard_sched(sh), &sh->roll.scan);
    }
}

/* --- what is wanted --- */

static uint64_t
lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A trim may have moved the start into the batch at offset; the batch is rolled whole. */
static int64_t
not_below_start(const struct part_state *p, int64_t offset)
{
    return offset > p->start ? offset : p->start;
}

/* Where the job goes on in S. NULL: S has moved on. */
static const struct run_ref *
run_at(struct roll_job *j, const struct part_state *p)
{
    const struct run_ref *r = part_find_run(p, not_below_start(p, j->ask));
    return r != NULL && r->base_offset == j->ask ? r : NULL;
}

static void
note_next(struct roll_job *j, const struct part_state *p, const struct run_ref *r)
{
    bool is_more = j->ask <= j->last && r < part_run(p, 0) + p->run_count;
    j->at_n = is_more ? r->n : UINT64_MAX;
}

static uint64_t
lowest_n(const struct shard *sh)
{
    uint64_t n = UINT64_MAX;
    LIST_FOREACH(node, &sh->roll.jobs)
    {
        n = lower(n, SL_CONTAINER_OF(node, struct roll_job, node)->at_n);
    }
    return n;
}

static void
want_add(struct scan_read *r, struct roll_job *j, const struct run_ref *run)
{
    if (r->count == r->cap) {
        r->cap = r->cap == 0 ? 16 : r->cap * 2;
        r->wants = (struct want *)sl_realloc(r->wants, r->cap * sizeof(*r->wants));
    }
    r->wants[r->count++] = (struct want){j, run->position, run->length, run->crc};
    r->from = run->position < r->from ? run->position : r->from;
    r->to = run->position + run->length > r->to ? run->position + run->length : r->to;
}

/* All that the job wants of entry n. */
static void
want_runs(struct scan_read *r, struct roll_job *j)
{
    const struct part_state *p = roll__part(j);
    const struct run_ref *run = p == NULL ? NULL : run_at(j, p);
    if (p == NULL) {
        return;
    }
    if (run == NULL) {
        roll__job_end(j, SCHED_S);
        return;
    }
    const struct run_ref *end = part_run(p, 0) + p->run_count;
    for (; run < end && run->n == r->n && j->ask <= j->last; run++) {
        want_add(r, j, run);
        j->ask = run->base_offset + run->offset_count;
    }
    note_next(j, p, run);
}

static struct scan_read *
read_new(struct shard *sh, uint64_t n)
{
    struct scan_read *r = (struct scan_read *)sl_alloc(sizeof(*r));
    list_init(&r->node);
    r->sh = sh;
    r->n = n;
    r->from = UINT32_MAX;
    return r;
}

static void
read_free(struct scan_read *r)
{
    list_remove(&r->node);
    buf_unref(&r->body);
    sl_free(r->wants);
    sl_free(r);
}

/* --- asking --- */

static void
answered(struct store_call *call)
{
    struct scan_read *r = SL_CONTAINER_OF(call, struct scan_read, call);
    r->is_done = true;
    r->body = call->body;
    if (call->outcome == STORE_DONE && call->body != NULL &&
        call->body->len == (size_t)(r->to - r->from)) {
        r->at = call->body->data;
    }
    scan_soon(r->sh);
}

static void
submit(struct scan_read *r)
{
    struct shard *sh = r->sh;
    r->from -= r->from % BUF_ALIGN; /* a local store then reads past the page cache */
    list_append(&sh->roll.reads, &r->node);
    sh->roll.read_count++;
    sh->roll.read_bytes += r->to - r->from;
    const struct tail_entry *e = tail_cache_find(&sh->tail, r->n);
    if (e != NULL && r->to <= e->object.len) {
        r->body = buf_ref(e->body);
        r->at = e->object.ptr + r->from;
        r->is_done = r->is_trusted = true;
        return;
    }
    r->call = (struct store_call){.kind = STORE_GET,
                                  .home = shard_sched(sh),
                                  .done = answered,
                                  .offset = r->from,
                                  .length = r->to - r->from,
                                  .timeout_ms = SHARD_CALL_TIMEOUT_MS};
    entry_key(r->call.key, STORE_KEY_MAX, sh->o.journal.prefix, sh->o.journal.index, r->n);
    counter_add(C_roll_read_bytes, r->to - r->from);
    store_submit(sh->o.journal.store, &r->call);
}

static int
by_position(const void *a, const void *b)
{
    const struct want *x = (const struct want *)a, *y = (const struct want *)b;
    return x->position < y->position ? -1 : x->position > y->position;
}

/* Cuts what is wanted of an entry into stretches worth a request each. A partition's runs lie in an
 * entry in the order of their offsets, so ordering by position keeps that of each job. */
static void
submit_stretches(struct scan_read *all)
{
    struct scan_read *r = NULL;
    bool is_near = tail_cache_find(&all->sh->tail, all->n) != NULL;
    if (all->count > 1) { /* with none there is no array */
        qsort(all->wants, all->count, sizeof(*all->wants), by_position);
    }
    for (size_t i = 0; i < all->count; i++) {
        const struct want *w = &all->wants[i];
        bool is_apart =
            r != NULL && !is_near &&
            (w->position > r->to + GAP_BYTES || w->position + w->length - r->from > READ_BYTES_MAX);
        if (is_apart) {
            submit(r);
            r = NULL;
        }
        r = r == NULL ? read_new(all->sh, all->n) : r;
        want_add(r, w->job,
                 &(struct run_ref){.position = w->position, .length = w->length, .crc = w->crc});
    }
    if (r != NULL) {
        submit(r);
    }
    read_free(all);
}

static bool
has_room(const struct shard *sh)
{
    size_t ahead = sh->o.journal.store->is_local ? AHEAD_LOCAL_BYTES : AHEAD_BYTES;
    return sh->roll.read_count < READS_MAX && sh->roll.read_bytes < ahead;
}

static void
ask(struct shard *sh)
{
    uint64_t n;
    while (has_room(sh) && (n = lowest_n(sh)) != UINT64_MAX) {
        struct scan_read *all = read_new(sh, n);
        LIST_FOREACH_SAFE(node, tmp, &sh->roll.jobs)
        {
            struct roll_job *j = SL_CONTAINER_OF(node, struct roll_job, node);
            if (j->at_n == n) {
                want_runs(all, j);
            }
        }
        submit_stretches(all);
    }
}

/* --- a run by itself --- */

static void
alone_done(struct part_read *read)
{
    struct roll_job *j = SL_CONTAINER_OF(read, struct roll_job, read);
    struct sl_error err = SL_ERROR_INIT;
    enum sl_err rc = read->rc == SL_OK && read->piece_count == 0 ? SL_EAGAIN : read->rc;
    if (rc == SL_OK) {
        struct buf *joined = part_read_join(read);
        struct span bytes = joined != NULL ? buf_span(joined) : read->pieces[0].bytes;
        rc = segment_builder_add(&j->builder, bytes, &err);
        buf_unref(&joined);
    }
    part_read_fini(read);
    if (rc == SL_OK) {
        roll__scan_join(j);
        return;
    }
    /* The store is away, or S moved on and what was read is cut elsewhere: looked at again. */
    roll__job_end(j, rc == SL_EPARTITION_FAILED ? LOST_PAUSE_NS : SCHED_S);
}

static void
read_alone(struct roll_job *j, const struct part_state *p)
{
    size_t left = j->body_bytes + SEGMENT_HEADER_BYTES - j->builder.object->len;
    j->read = (struct part_read){.topic_id = j->topic_id,
                                 .partition = j->partition,
                                 .offset = not_below_start(p, j->builder.next_offset),
                                 .max_bytes = left < ALONE_BYTES ? left : ALONE_BYTES,
                                 .is_at_least_one = true,
                                 .is_tail_ok = true,
                                 .done = alone_done};
    part_read_submit(j->sh, &j->read);
}

/* --- feeding --- */

void
roll__scan_leave(struct roll_job *j)
{
    if (!j->is_scanning) {
        return;
    }
    j->is_scanning = false;
    j->at_n = UINT64_MAX;
    LIST_FOREACH(node, &j->sh->roll.reads)
    {
        struct scan_read *r = SL_CONTAINER_OF(node, struct scan_read, node);
        for (size_t i = r->fed; i < r->count; i++) {
            r->wants[i].job = r->wants[i].job == j ? NULL : r->wants[i].job;
        }
    }
}

static bool
is_right(const struct scan_read *r, const struct want *w, const uint8_t *bytes)
{
    return r->is_trusted || crc32c(0, bytes, w->length) == w->crc;
}

static void
feed_one(struct scan_read *r, const struct want *w)
{
    struct roll_job *j = w->job;
    struct sl_error err = SL_ERROR_INIT;
    const uint8_t *bytes = r->at == NULL ? NULL : r->at + (w->position - r->from);
    const struct part_state *p = j == NULL ? NULL : roll__part(j);
    if (p == NULL) {
        return;
    }
    if (bytes == NULL || !is_right(r, w, bytes)) {
        roll__scan_leave(j);
        read_alone(j, p);
    } else if (segment_builder_add(&j->builder, span_of(bytes, w->length), &err) != SL_OK) {
        roll__job_end(j, SCHED_S); /* S moved on, and what was planned is cut elsewhere */
    } else if (j->builder.next_offset > j->last) {
        roll__scan_leave(j);
        roll__built(j);
    }
}

/* False: enough for this turn. */
static bool
feed(struct scan_read *r, size_t *room)
{
    while (r->fed < r->count) {
        const struct want w = r->wants[r->fed++];
        feed_one(r, &w);
        if (*room <= w.length) {
            return false;
        }
        *room -= w.length;
    }
    return true;
}

static void
feed_all(struct shard *sh)
{
    size_t room = FEED_BYTES;
    while (!list_is_empty(&sh->roll.reads)) {
        struct scan_read *r = SL_CONTAINER_OF(sh->roll.reads.next, struct scan_read, node);
        if (!r->is_done) {
            return;
        }
        if (!feed(r, &room)) {
            scan_soon(sh);
            return;
        }
        sh->roll.read_count--;
        sh->roll.read_bytes -= r->to - r->from;
        read_free(r);
    }
}

static void
scan_task(struct sched_task *task)
{
    struct shard *sh = SL_CONTAINER_OF(task, struct shard, roll.scan);
    sh->roll.is_scan_posted = false;
    ask(sh);
    feed_all(sh);
    if (has_room(sh) && lowest_n(sh) != UINT64_MAX) {
        scan_soon(sh);
    }
}

void
roll__scan_join(struct roll_job *j)
{
    const struct part_state *p = roll__part(j);
    if (p == NULL) {
        return;
    }
    j->ask = j->builder.next_offset;
    if (j->ask > j->last) {
        roll__built(j);
        return;
    }
    const struct run_ref *r = run_at(j, p);
    if (r == NULL) {
        roll__job_end(j, SCHED_S);
        return;
    }
    j->is_scanning = true;
    note_next(j, p, r);
    scan_soon(j->sh);
}
