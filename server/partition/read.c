/* Reading a partition: plan, then load.
 *
 * The plan is a list of runs, copied out of S, because S may change while a load waits for the
 * store. Runs that are still in the tail cache become pieces at once; the others are read from
 * their entry, block by block through the cache, and their checksum is compared before anything is
 * given out. Whole runs only, so a reader always gets whole batches; the first run is the one that
 * contains the offset.
 *
 * A load also has the cache read ahead (ahead.c): its own blocks side by side, and those of the
 * read that will follow.
 *
 * A load that fails ends the read: what was gathered before it is given, an empty hand gives the
 * error. */
#include "base/counters.h"
#include "base/crc32c.h"
#include "partition/shard_int.h"
#include "store/cache.h"

struct plan {
    size_t count;
    struct run_ref runs[READ_PIECES_MAX];
};

/* A read that has to wait for the store: where it is in the plan, and within the run at hand. */
struct load {
    struct cache_read block;
    struct part_read *r;
    struct plan plan;
    size_t next;
    uint32_t taken;                                  /* bytes of the run gathered so far */
    uint32_t crc;                                    /* of them */
    size_t pieces_before, bytes_before, last_before; /* to take the run back */
    bool is_refreshed; /* S was read to the tail after an object was found missing */
    enum sl_err rc;
    const char *why; /* constant, or in block */
    struct journal_waiter waiter;
};

static void load_step(struct load *ld);
static void load_failed(struct load *ld, enum sl_err rc, const char *why);

/* --- plan --- */

static void
make_plan(const struct part_read *r, const struct part_state *p, struct plan *plan)
{
    const struct run_ref *first = part_find_run(p, r->offset);
    size_t i = first == NULL ? p->run_count : (size_t)(first - part_run(p, 0));
    size_t total = 0;
    plan->count = 0;
    for (; i < p->run_count && plan->count < READ_PIECES_MAX; i++) {
        const struct run_ref *run = part_run(p, i);
        bool is_exempt = plan->count == 0 && r->is_at_least_one;
        if (!is_exempt && total + run->length > r->max_bytes) {
            break;
        }
        plan->runs[plan->count++] = *run;
        total += run->length;
    }
}

/* --- pieces --- */

/* Takes a reference. Runs that follow each other in one buffer become one piece. */
static void
add_piece(struct part_read *r, struct buf *owner, struct span bytes)
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

static bool
add_from_tail(struct part_read *r, const struct run_ref *run)
{
    const struct tail_entry *e = tail_cache_find(&r->shard->tail, run->n);
    if (e == NULL) {
        return false;
    }
    SL_ASSERT((size_t)run->position + run->length <= e->object.len);
    add_piece(r, e->body, span_of(e->object.ptr + run->position, run->length));
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

static void
finish(struct part_read *r, enum sl_err rc)
{
    r->rc = r->piece_count > 0 ? SL_OK : rc;
    r->done(r);
}

/* --- load --- */

/* The reader will come back for as much again, from where the plan ends. */
static void
ahead_of(const struct load *ld)
{
    struct part_read *r = ld->r;
    const struct run_ref *last = &ld->plan.runs[ld->plan.count - 1];
    const struct part_state *p = state_find_part(r->shard->state, &r->topic_id, r->partition);
    struct part_read then = {.offset = last->base_offset + last->offset_count,
                             .max_bytes = r->max_bytes,
                             .is_at_least_one = true};
    struct plan next;
    if (p != NULL && then.offset < p->end) {
        make_plan(&then, p, &next);
        shard__read_ahead(r->shard, next.runs, next.count);
    }
}

static void
load_end(struct load *ld, enum sl_err rc)
{
    struct part_read *r = ld->r;
    if (rc == SL_OK && r->shard->mode != JOURNAL_CLOSED) {
        ahead_of(ld);
    }
    sl_free(ld);
    r->shard->loads--;
    finish(r, rc);
}

/* Takes back what was gathered of the run at hand. */
static void
drop_run(struct load *ld)
{
    struct part_read *r = ld->r;
    while (r->piece_count > ld->pieces_before) {
        buf_unref(&r->pieces[--r->piece_count].owner);
    }
    if (r->piece_count > 0) {
        r->pieces[r->piece_count - 1].bytes.len = ld->last_before;
    }
    r->total_bytes = ld->bytes_before;
}

/* SL_OK: S refers to the run. Otherwise it was trimmed, or its topic is gone. */
static enum sl_err
find_again(struct part_read *r, const struct run_ref *run)
{
    const struct part_state *p = state_find_part(r->shard->state, &r->topic_id, r->partition);
    if (p == NULL) {
        return SL_EUNKNOWN_PARTITION;
    }
    const struct run_ref *now = part_find_run(p, run->base_offset);
    r->high_watermark = p->end;
    r->log_start = p->start;
    return now != NULL && now->n == run->n ? SL_OK : SL_EOFFSET_RANGE;
}

static void
load_refreshed(struct journal_waiter *w, enum sl_err rc)
{
    struct load *ld = SL_CONTAINER_OF(w, struct load, waiter);
    ld->is_refreshed = true;
    if (rc != SL_OK) {
        load_end(ld, rc);
        return;
    }
    load_failed(ld, ld->rc, ld->why);
}

/* The store has no right bytes for a run. S may be old and the object collected since (R8): read to
 * the tail. If S still refers to it, data is gone: say so, loudly. */
static void
load_failed(struct load *ld, enum sl_err rc, const char *why)
{
    struct part_read *r = ld->r;
    const struct run_ref *run = &ld->plan.runs[ld->next];
    char id[UUID_TEXT];
    drop_run(ld);
    if (rc != SL_ECORRUPT && rc != SL_ENOENT) {
        load_end(ld, rc); /* the store did not answer */
        return;
    }
    enum sl_err now = shard_ready(r->shard); /* while S is being read again it cannot be asked */
    now = now == SL_OK ? find_again(r, run) : now;
    if (now != SL_OK) {
        load_end(ld, now);
        return;
    }
    if (!ld->is_refreshed) {
        ld->rc = rc;
        ld->why = why;
        ld->waiter.ready = load_refreshed;
        journal_refresh(r->shard->journal, &ld->waiter);
        return;
    }
    static struct diag_limit limit;
    if (diag_limit_ok(&limit, 5)) {
        uuid_text(&r->topic_id, id);
        SL_ERROR(r->shard->o.journal.log, "partition.object_unreadable",
                 KV_STR("object", ld->block.key), KV_U64("position", run->position),
                 KV_STR("topic_id", id), KV_I64("partition", r->partition),
                 KV_I64("offset", run->base_offset), KV_STR("why", why));
    }
    load_end(ld, SL_EPARTITION_FAILED);
}

/* Gathers what a block holds of the run at hand. False when the load ended. */
static bool
take_block(struct load *ld, struct buf *body)
{
    const struct run_ref *run = &ld->plan.runs[ld->next];
    uint64_t at = (uint64_t)run->position + ld->taken;
    size_t skip = (size_t)(at % CACHE_BLOCK);
    size_t left = run->length - ld->taken;
    if (skip >= body->len) {
        load_failed(ld, SL_ECORRUPT, "the object is shorter than the journal says");
        return false;
    }
    size_t n = body->len - skip < left ? body->len - skip : left;
    ld->crc = crc32c(ld->crc, body->data + skip, n);
    add_piece(ld->r, body, span_of(body->data + skip, n));
    ld->taken += (uint32_t)n;
    if (ld->taken < run->length) {
        return true;
    }
    if (ld->crc != run->crc) {
        cache_forget(ld->r->shard->o.cache, ld->block.key, at + n);
        load_failed(ld, SL_ECORRUPT, "the checksum of the run is wrong");
        return false;
    }
    ld->next++;
    ld->taken = 0;
    return true;
}

static void
block_read(struct cache_read *read)
{
    struct load *ld = SL_CONTAINER_OF(read, struct load, block);
    if (read->outcome != STORE_DONE) {
        bool is_absent = read->outcome == STORE_ABSENT;
        load_failed(ld, is_absent ? SL_ENOENT : read->rc,
                    is_absent ? "the object is missing" : read->why);
        return;
    }
    struct buf *body = read->out;
    read->out = NULL;
    bool goes_on = take_block(ld, body);
    buf_unref(&body);
    if (goes_on) {
        load_step(ld);
    }
}

/* Names the block that comes next; begins a run when the last one is through. */
static void
aim(struct load *ld)
{
    const struct run_ref *run = &ld->plan.runs[ld->next];
    const struct journal_options *jo = &ld->r->shard->o.journal;
    if (ld->taken == 0) {
        ld->crc = 0;
        ld->pieces_before = ld->r->piece_count;
        ld->bytes_before = ld->r->total_bytes;
        ld->last_before =
            ld->pieces_before == 0 ? 0 : ld->r->pieces[ld->pieces_before - 1].bytes.len;
    }
    entry_key(ld->block.key, sizeof(ld->block.key), jo->prefix, jo->index, run->n);
    ld->block.block = ((uint64_t)run->position + ld->taken) / CACHE_BLOCK;
}

/* True when the run at hand needs no store, or no more of it. False when the load ended or waits.
 */
static bool
load_one(struct load *ld)
{
    struct cache *cache = ld->r->shard->o.cache;
    if (ld->taken == 0 && add_from_tail(ld->r, &ld->plan.runs[ld->next])) {
        ld->next++;
        return true;
    }
    aim(ld);
    struct buf *body = cache_try(cache, ld->block.key, ld->block.block, NULL);
    if (body != NULL) {
        bool goes_on = take_block(ld, body);
        buf_unref(&body);
        return goes_on;
    }
    ld->block.home = shard_sched(ld->r->shard);
    ld->block.done = block_read;
    cache_submit(cache, &ld->block);
    return false;
}

static void
load_step(struct load *ld)
{
    while (ld->next < ld->plan.count) {
        if (!load_one(ld)) {
            return;
        }
    }
    load_end(ld, SL_OK);
}

static void
load_start(struct part_read *r, const struct plan *plan, size_t next)
{
    struct load *ld = (struct load *)sl_alloc(sizeof(*ld));
    r->shard->loads++;
    ld->r = r;
    ld->plan.count = plan->count;
    memcpy(ld->plan.runs, plan->runs, plan->count * sizeof(plan->runs[0]));
    ld->next = next;
    shard__read_ahead(r->shard, plan->runs + next, plan->count - next);
    load_step(ld);
}

/* --- read --- */

static void
read_data(struct part_read *r, const struct part_state *p)
{
    struct plan plan;
    make_plan(r, p, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        if (!add_from_tail(r, &plan.runs[i])) {
            load_start(r, &plan, i);
            return;
        }
    }
    finish(r, SL_OK);
}

static void read_now(struct part_read *r);

static void
refreshed(struct journal_waiter *w, enum sl_err rc)
{
    struct part_read *r = SL_CONTAINER_OF(w, struct part_read, waiter);
    sched_timer_stop(shard_sched(r->shard), &r->late);
    r->is_tail_ok = true;
    if (rc != SL_OK) {
        finish(r, rc);
        return;
    }
    read_now(r);
}

/* The store does not answer. Whoever reads gets what is known, and asks again. */
static void
late_fire(struct sched_timer *timer)
{
    struct part_read *r = SL_CONTAINER_OF(timer, struct part_read, late);
    journal_waiter_cancel(&r->waiter);
    r->is_late = true;
    read_now(r);
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

static void
read_now(struct part_read *r)
{
    const struct part_state *p = state_find_part(r->shard->state, &r->topic_id, r->partition);
    enum sl_err rc = shard_ready(r->shard);
    if (rc != SL_OK) {
        finish(r, rc);
        return;
    }
    bool is_at_end = p == NULL || r->offset >= p->end;
    if (is_at_end && !r->is_tail_ok && !r->is_late) {
        refresh(r);
        return;
    }
    if (r->is_late && (p == NULL || r->offset > p->end)) {
        finish(r, SL_EIO);
        return;
    }
    if (p == NULL) {
        finish(r, SL_EUNKNOWN_PARTITION);
        return;
    }
    r->high_watermark = p->end;
    r->log_start = p->start;
    if (r->offset < p->start || r->offset > p->end) {
        finish(r, SL_EOFFSET_RANGE);
        return;
    }
    if (is_at_end || r->max_bytes == 0) {
        finish(r, SL_OK);
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
    make_plan(&asked, p, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        total += plan.runs[i].length;
    }
    return total;
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
    read_now(r);
}
