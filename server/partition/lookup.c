/* Searching a partition by time.
 *
 * S holds the largest timestamp of every live run, and of every slice of a segment (up to 64 of
 * them), as the headers of their batches told it. The first of these stretches whose largest
 * timestamp reaches the target is read, and the record is looked for inside, which may mean to
 * decompress it. The header is the producer's word, and may be wrong: then the search
 * goes on behind the stretch, but only so often; after that its own offset is the answer, which
 * is early, never late. The same if the batch cannot be looked into.
 *
 * A turn of the loop looks into as many batches as grow to a megabyte together, or into one: what
 * is small may grow a thousandfold, and a stretch may hold thousands of such.
 *
 * For the largest timestamp of all the stretches are read in the order of what they promise, until
 * what was found is as much as any that is left promises: normally one. The stretch in which the
 * log starts promises what may have been trimmed. */
#include "partition/lookup.h"

#include "partition/extent.h"
#include "partition/shard_int.h"
#include "wire/records.h"

enum { READS_MAX = 16, SCRATCH_MAX = 64 << 20, TURN_BYTES = 1 << 20 };

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

/* A batch that cannot be looked into is believed. */
static enum sl_err
search_or_believe(const struct part_lookup *l, const struct batch_info *info, struct span batch,
                  struct bytes *scratch, struct record_position *ret)
{
    enum sl_err rc = search_batch(l, batch, scratch, ret);
    if (rc == SL_OK || rc == SL_ENOENT) {
        return rc;
    }
    int64_t start = l->read.log_start;
    *ret = (struct record_position){info->base_offset < start ? start : info->base_offset,
                                    info->max_timestamp};
    return SL_OK;
}

static bool
is_worth(const struct part_lookup *l, const struct batch_info *info)
{
    return l->kind == PART_LOOKUP_TIME
               ? info->max_timestamp >= l->time_ms
               : l->found.offset < 0 || info->max_timestamp > l->found.timestamp;
}

/* Gives what it took, in bytes. */
static size_t
take_batch(struct part_lookup *l, const struct batch_info *info, struct span batch)
{
    struct record_position at;
    bytes_clear(&l->scratch);
    if (search_or_believe(l, info, batch, &l->scratch, &at) == SL_OK &&
        (l->found.offset < 0 || at.timestamp > l->found.timestamp)) {
        l->found = at;
    }
    return l->scratch.len > batch.len ? l->scratch.len : batch.len;
}

static void
stretch_done(struct part_lookup *l)
{
    bytes_fini(&l->scratch);
    buf_unref(&l->joined);
    part_read_fini(&l->read);
    l->shard->loads--;
    bool is_found = l->found.offset >= 0;
    if (l->kind == PART_LOOKUP_MAX_TIME) {
        l->best = is_found && l->found.timestamp > l->best.timestamp ? l->found : l->best;
        look(l); /* does another stretch promise more? */
    } else if (!is_found) {
        look(l); /* behind this stretch */
    } else {
        finish(l, SL_OK, l->found.offset, l->found.timestamp);
    }
}

static void
search_stretch(struct sched_task *task)
{
    struct part_lookup *l = SL_CONTAINER_OF(task, struct part_lookup, task);
    bool is_first = l->kind == PART_LOOKUP_TIME;
    struct batch_info info;
    struct span batch;
    size_t took = 0;
    while (took < TURN_BYTES && (l->found.offset < 0 || !is_first)) {
        if (!batch_next(&l->rest, &info, &batch)) {
            stretch_done(l);
            return;
        }
        took += is_worth(l, &info) ? take_batch(l, &info, batch) : BATCH_HEADER_BYTES;
    }
    if (is_first && l->found.offset >= 0) {
        stretch_done(l);
    } else {
        sched_post(shard_sched(l->shard), task);
    }
}

static void
read_done(struct part_read *r)
{
    struct part_lookup *l = (struct part_lookup *)r->arg;
    if (r->rc != SL_OK || r->piece_count == 0) {
        enum sl_err rc = r->rc;
        part_read_fini(r);
        finish(l, rc, -1, -1);
        return;
    }
    l->shard->loads++;
    l->joined = part_read_join(r);
    l->rest = l->joined == NULL ? r->pieces[0].bytes : buf_span(l->joined);
    l->found = (struct record_position){-1, -1};
    bytes_init(&l->scratch, SCRATCH_MAX);
    l->task.run = search_stretch;
    search_stretch(&l->task);
}

static void
read_stretch(struct part_lookup *l, const struct part_stretch *at, const struct part_state *p)
{
    int64_t offset = at->first_offset < p->start ? p->start : at->first_offset;
    if (++l->reads > READS_MAX) {
        bool has_best = l->best.offset >= 0;
        finish(l, SL_OK, has_best ? l->best.offset : offset,
               has_best ? l->best.timestamp : at->max_timestamp);
        return;
    }
    l->from = at->next_offset;
    l->promise = *at;
    l->read = (struct part_read){.topic_id = l->topic_id,
                                 .partition = l->partition,
                                 .offset = offset,
                                 .max_bytes = at->bytes,
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
    struct part_stretch at;
    bool is_found = l->kind == PART_LOOKUP_MAX_TIME
                        ? shard__stretch_of_max_time(p, &l->promise, l->best.timestamp, &at)
                        : shard__stretch_at_time(p, l->from, l->time_ms, &at);
    if (is_found) {
        read_stretch(l, &at, p);
    } else if (l->best.offset >= 0) {
        finish(l, SL_OK, l->best.offset, l->best.timestamp);
    } else if (!refresh(l)) {
        finish(l, SL_OK, -1, -1);
    }
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
        finish(l, SL_OK, shard__part_bytes(p), -1);
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
    l->promise = (struct part_stretch){.max_timestamp = INT64_MAX};
    l->best = (struct record_position){-1, -1};
    l->is_fresh = false;
    l->late = (struct sched_timer){0};
    look(l);
}
