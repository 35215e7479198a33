/* Reading a partition: plan (plan.c), give what is in memory, load the rest (load.c).
 *
 * Runs that are still in the tail cache become pieces at once, with the bytes that a client sent.
 * Everything else is read from its object. Either way a reader gets whole batches, the first of
 * which is the one that contains the offset. */
#include "partition/load.h"
#include "partition/shard_int.h"

/* --- pieces --- */

void
shard__read_add(struct part_read *r, struct buf *owner, struct span bytes)
{
    r->total_bytes += bytes.len;
    if (r->piece_count > 0) {
        struct read_piece *last = &r->pieces[r->piece_count - 1];
        if (last->owner == owner && last->bytes.ptr + last->bytes.len == bytes.ptr) {
            last->bytes.len += bytes.len;
            return;
        }
    }
    if (r->piece_count % 8 == 0) {
        r->pieces =
            (struct read_piece *)sl_realloc(r->pieces, (r->piece_count + 8) * sizeof(*r->pieces));
    }
    r->pieces[r->piece_count++] = (struct read_piece){buf_ref(owner), bytes};
}

bool
shard__read_from_tail(struct part_read *r, const struct extent *run)
{
    const struct tail_entry *e = run->is_segment ? NULL : tail_cache_find(&r->shard->tail, run->n);
    if (e == NULL) {
        return false;
    }
    SL_ASSERT((size_t)run->position + run->length <= e->object.len);
    shard__read_add(r, e->body, span_of(e->object.ptr + run->position, run->length));
    return true;
}

void
part_read_fini(struct part_read *r)
{
    for (size_t i = 0; i < r->piece_count; i++) {
        buf_unref(&r->pieces[i].owner);
    }
    sl_free(r->pieces);
    r->pieces = NULL;
    r->piece_count = 0;
    r->total_bytes = 0;
}

struct buf *
part_read_join(const struct part_read *r)
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

void
shard__read_end(struct part_read *r, enum sl_err rc)
{
    r->rc = r->piece_count > 0 ? SL_OK : rc;
    r->done(r);
}

/* --- read --- */

static void
read_data(struct part_read *r, const struct part_state *p)
{
    struct plan plan;
    shard__plan(r, p, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        if (!shard__read_from_tail(r, &plan.extents[i])) {
            shard__load_start(r, &plan, i);
            return;
        }
    }
    shard__read_end(r, SL_OK);
}

static void
refreshed(struct journal_waiter *w, enum sl_err rc)
{
    struct part_read *r = SL_CONTAINER_OF(w, struct part_read, waiter);
    sched_timer_stop(shard_sched(r->shard), &r->late);
    r->is_tail_ok = true;
    if (rc != SL_OK) {
        shard__read_end(r, rc);
        return;
    }
    shard__read_go(r);
}

/* The store does not answer. Whoever reads gets what is known, and asks again. */
static void
late_fire(struct sched_timer *timer)
{
    struct part_read *r = SL_CONTAINER_OF(timer, struct part_read, late);
    journal_waiter_cancel(&r->waiter);
    r->is_late = true;
    shard__read_go(r);
}

static void
refresh(struct part_read *r)
{
    if (r->tail_deadline_ns != 0) {
        r->late.fire = late_fire;
        sched_timer_at(shard_sched(r->shard), &r->late, r->tail_deadline_ns);
    }
    r->waiter.ready = refreshed;
    journal_refresh(r->shard->journal, &r->waiter);
}

void
shard__read_go(struct part_read *r)
{
    const struct part_state *p = state_find_part(r->shard->state, &r->topic_id, r->partition);
    enum sl_err rc = shard_ready(r->shard);
    if (rc != SL_OK) {
        shard__read_end(r, rc);
        return;
    }
    bool is_at_end = p == NULL || r->offset >= p->end;
    if (is_at_end && !r->is_tail_ok && !r->is_late) {
        refresh(r);
        return;
    }
    if (r->is_late && (p == NULL || r->offset > p->end)) {
        shard__read_end(r, SL_EIO);
        return;
    }
    if (p == NULL) {
        shard__read_end(r, SL_EUNKNOWN_PARTITION);
        return;
    }
    r->high_watermark = p->end;
    r->log_start = p->start;
    if (r->offset < p->start || r->offset > p->end) {
        shard__read_end(r, SL_EOFFSET_RANGE);
        return;
    }
    if (is_at_end || r->max_bytes == 0) {
        shard__read_end(r, SL_OK);
        return;
    }
    read_data(r, p);
}

size_t
part_read_size(struct shard *sh, const struct part_read *r, size_t max_bytes)
{
    const struct part_state *p = state_find_part(sh->state, &r->topic_id, r->partition);
    struct part_read asked = {.offset = r->offset, .max_bytes = max_bytes, .is_at_least_one = true};
    struct plan plan;
    size_t total = 0;
    SCHED_ASSERT_HERE(shard_sched(sh));
    if (p == NULL || r->offset < p->start || r->offset >= p->end) {
        return 0;
    }
    shard__plan(&asked, p, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        total += plan.extents[i].length;
    }
    bool is_bounded = plan.count > 0 && plan.extents[0].is_segment; /* a run is taken whole */
    return is_bounded && total > max_bytes ? max_bytes : total;
}

void
part_read_submit(struct shard *sh, struct part_read *r)
{
    SCHED_ASSERT_HERE(shard_sched(sh));
    r->shard = sh;
    r->pieces = NULL;
    r->piece_count = 0;
    r->total_bytes = 0;
    r->high_watermark = r->log_start = -1;
    r->late = (struct sched_timer){0};
    r->is_late = false;
    r->replans = 0;
    shard__read_go(r);
}
