/* Searching a partition by time.
 *
 * S holds the largest timestamp of every run, as the header of its batch told it. The first run
 * whose largest timestamp reaches the target is read, and the record is looked for inside, which
 * may mean to decompress it. The header is the producer's word, and may be wrong: then the search
 * goes on behind the run, but only so often; after that the run's own offset is the answer, which
 * is early, never late. The same if the batch cannot be looked into. */
#include "partition/lookup.h"

#include "partition/shard_int.h"
#include "wire/records.h"

enum { READS_MAX = 16, SCRATCH_MAX = 64 << 20 };

static void look(struct part_lookup *l);

static void
finish(struct part_lookup *l, enum sl_err rc, int64_t offset, int64_t timestamp)
{
    l->rc = rc;
    l->offset = offset;
    l->timestamp = timestamp;
    l->done(l);
}

static void
refreshed(struct journal_waiter *w, enum sl_err rc)
{
    struct part_lookup *l = SL_CONTAINER_OF(w, struct part_lookup, waiter);
    sched_timer_stop(shard_sched(l->shard), &l->late);
    l->is_fresh = true;
    if (rc != SL_OK) {
        finish(l, rc, -1, -1);
        return;
    }
    look(l);
}

static void
late_fire(struct sched_timer *timer)
{
    struct part_lookup *l = SL_CONTAINER_OF(timer, struct part_lookup, late);
    journal_waiter_cancel(&l->waiter);
    finish(l, SL_ETIMEOUT, -1, -1);
}

/* True when S is not known to be new enough, and look runs again later. */
static bool
refresh(struct part_lookup *l)
{
    if (l->is_fresh) {
        return false;
    }
    if (l->deadline_ns != 0) {
        l->late.fire = late_fire;
        sched_timer_at(shard_sched(l->shard), &l->late, l->deadline_ns);
    }
    l->waiter.ready = refreshed;
    journal_refresh(l->shard->journal, &l->waiter);
    return true;
}

static const struct run_ref *
run_at_or_after(const struct part_state *p, int64_t from, int64_t time_ms)
{
    const struct run_ref *first = from > p->start ? part_find_run(p, from) : NULL;
    size_t i = first == NULL ? 0 : (size_t)(first - part_run(p, 0));
    if (from >= p->end) {
        return NULL;
    }
    for (; i < p->run_count; i++) {
        if (part_run(p, i)->max_timestamp >= time_ms) {
            return part_run(p, i);
        }
    }
    return NULL;
}

static const struct run_ref *
run_of_max_time(const struct part_state *p)
{
    const struct run_ref *best = NULL;
    for (size_t i = 0; i < p->run_count; i++) {
        const struct run_ref *run = part_run(p, i);
        if (best == NULL || run->max_timestamp > best->max_timestamp) {
            best = run;
        }
    }
    return best;
}

/* --- inside a run --- */

/* For a batch whose first records were trimmed. */
static enum sl_err
search_rest(const struct part_lookup *l, struct span batch, struct bytes *scratch,
            struct record_position *ret)
{
    struct record_iter it;
    struct record rec;
    bool is_found = false;
    enum sl_err rc = records_open(batch, scratch, &it);
    if (rc != SL_OK) {
        return rc;
    }
    while (record_next(&it, &rec)) {
        bool is_early = l->kind == PART_LOOKUP_TIME && rec.timestamp < l->time_ms;
        if (rec.offset < l->read.log_start || is_early) {
            continue;
        }
        if (!is_found || rec.timestamp > ret->timestamp) {
            *ret = (struct record_position){rec.offset, rec.timestamp};
            is_found = true;
        }
        if (l->kind == PART_LOOKUP_TIME) {
            break;
        }
    }
    return it.rc != SL_OK ? it.rc : is_found ? SL_OK : SL_ENOENT;
}

static enum sl_err
search_batch(const struct part_lookup *l, struct span batch, struct bytes *scratch,
             struct record_position *ret)
{
    if (get_i64(batch.ptr) < l->read.log_start) { /* its base offset */
        return search_rest(l, batch, scratch, ret);
    }
    if (l->kind == PART_LOOKUP_MAX_TIME) {
        return batch_find_max_timestamp(batch, scratch, ret);
    }
    return batch_find_timestamp(batch, l->time_ms, scratch, ret);
}

/* Gives SL_ENOENT when no batch of the run has such a record. */
static enum sl_err
search_run(const struct part_lookup *l, struct span run, struct record_position *ret)
{
    struct batch_info info;
    struct span batch;
    struct bytes scratch;
    enum sl_err rc = SL_ENOENT;
    bytes_init(&scratch, SCRATCH_MAX);
    while (rc == SL_ENOENT && batch_next(&run, &info, &batch)) {
        rc = search_batch(l, batch, &scratch, ret);
        if (rc != SL_OK && rc != SL_ENOENT) {
            int64_t start = l->read.log_start;
            *ret = (struct record_position){info.base_offset < start ? start : info.base_offset,
                                            info.max_timestamp};
            rc = SL_OK;
        }
    }
    bytes_fini(&scratch);
    return rc;
}

/* Gives the run that was read in one buffer: it may lie across blocks of the cache. */
static struct buf *
join_pieces(const struct part_read *r)
{
    if (r->piece_count == 1) {
        return NULL;
    }
    struct buf *all = buf_new(r->total_bytes);
    for (size_t i = 0; i < r->piece_count; i++) {
        memcpy(all->data + all->len, r->pieces[i].bytes.ptr, r->pieces[i].bytes.len);
        all->len += r->pieces[i].bytes.len;
    }
    return all;
}

static void
read_done(struct part_read *r)
{
    struct part_lookup *l = (struct part_lookup *)r->arg;
    struct record_position at = {-1, -1};
    if (r->rc != SL_OK || r->piece_count == 0) {
        enum sl_err rc = r->rc;
        part_read_fini(r);
        finish(l, rc, -1, -1);
        return;
    }
    struct buf *all = join_pieces(r);
    enum sl_err rc = search_run(l, all == NULL ? r->pieces[0].bytes : buf_span(all), &at);
    buf_unref(&all);
    part_read_fini(r);
    if (rc == SL_ENOENT) {
        look(l); /* behind this run */
        return;
    }
    finish(l, SL_OK, at.offset, at.timestamp);
}

static void
read_run(struct part_lookup *l, const struct run_ref *run, const struct part_state *p)
{
    int64_t offset = run->base_offset < p->start ? p->start : run->base_offset;
    if (++l->reads > READS_MAX) {
        finish(l, SL_OK, offset, run->max_timestamp);
        return;
    }
    l->from = run->base_offset + run->offset_count;
    l->read = (struct part_read){.topic_id = l->topic_id,
                                 .partition = l->partition,
                                 .offset = offset,
                                 .max_bytes = 1,
                                 .is_at_least_one = true,
                                 .is_tail_ok = true,
                                 .done = read_done,
                                 .arg = l};
    part_read_submit(l->shard, &l->read);
}

/* --- look --- */

static void
look_time(struct part_lookup *l, const struct part_state *p)
{
    const struct run_ref *run = l->kind == PART_LOOKUP_MAX_TIME
                                    ? run_of_max_time(p)
                                    : run_at_or_after(p, l->from, l->time_ms);
    if (run != NULL) {
        read_run(l, run, p);
    } else if (!refresh(l)) {
        finish(l, SL_OK, -1, -1);
    }
}

static int64_t
size_of(const struct part_state *p)
{
    int64_t total = 0;
    for (size_t i = 0; i < p->run_count; i++) {
        total += part_run(p, i)->length;
    }
    return total;
}

static void
look(struct part_lookup *l)
{
    enum sl_err rc = shard_ready(l->shard);
    if (rc != SL_OK) {
        finish(l, rc, -1, -1);
        return;
    }
    bool is_about_end = l->kind == PART_LOOKUP_END || l->kind == PART_LOOKUP_MAX_TIME;
    const struct part_state *p = state_find_part(l->shard->state, &l->topic_id, l->partition);
    if ((p == NULL || is_about_end) && refresh(l)) {
        return;
    }
    if (p == NULL) {
        finish(l, SL_EUNKNOWN_PARTITION, -1, -1);
    } else if (l->kind == PART_LOOKUP_START) {
        finish(l, SL_OK, p->start, -1);
    } else if (l->kind == PART_LOOKUP_END) {
        finish(l, SL_OK, p->end, -1);
    } else if (l->kind == PART_LOOKUP_SIZE) {
        finish(l, SL_OK, size_of(p), -1);
    } else {
        look_time(l, p);
    }
}

void
part_lookup_submit(struct shard *sh, struct part_lookup *l)
{
    SCHED_ASSERT_HERE(shard_sched(sh));
    l->shard = sh;
    l->from = 0;
    l->reads = 0;
    l->is_fresh = false;
    l->late = (struct sched_timer){0};
    look(l);
}
