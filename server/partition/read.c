/* Reading a partition: plan (plan.c), then load.
 *
 * Runs that are still in the tail cache become pieces at once. Everything else is read from its
 * object, block by block through the cache. A live run is taken whole, and its checksum compared
 * before anything is given out. In a segment the batches that are wanted are looked for (scan.h);
 * the blocks are held until it is known which bytes are given. Either way a reader gets whole
 * batches, the first of which is the one that contains the offset.
 *
 * A load also has the cache read ahead (ahead.c): its own blocks side by side, and those of the
 * read that will follow.
 *
 * A load that fails ends the read: what was gathered before it is given, an empty hand gives the
 * error. When S has moved on (the run was rolled, the segment compacted) it plans again. */
#include "base/counters.h"
#include "base/crc32c.h"
#include "partition/extent.h"
#include "partition/scan.h"
#include "partition/shard_int.h"
#include "store/cache.h"

enum { REPLANS_MAX = 3 };

/* A block of the segment at hand, and where it lies in the object. */
struct held {
    struct buf *body;
    uint64_t position;
};

/* A read that has to wait for the store: where it is in the plan, and within the extent at hand. */
struct load {
    struct cache_read block;
    struct part_read *r;
    struct plan plan;
    size_t next;
    uint32_t taken;                                  /* bytes of the extent read so far */
    uint32_t crc;                                    /* of them, when it is a run */
    size_t pieces_before, bytes_before, last_before; /* to take the run back */
    struct scan scan;                                /* when it is a segment */
    struct held *held;
    size_t held_count;
    bool is_refreshed; /* S was read to the tail after an object was found missing */
    enum sl_err rc;
    const char *why; /* constant, or in block */
    struct journal_waiter waiter;
};

static void load_step(struct load *ld);
static void load_failed(struct load *ld, enum sl_err rc, const char *why);
static void read_now(struct part_read *r);

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
add_from_tail(struct part_read *r, const struct extent *run)
{
    const struct tail_entry *e = run->is_segment ? NULL : tail_cache_find(&r->shard->tail, run->n);
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
    const struct extent *last = &ld->plan.extents[ld->plan.count - 1];
    const struct part_state *p = state_find_part(r->shard->state, &r->topic_id, r->partition);
    struct part_read then = {.offset = last->is_segment && ld->scan.give_to > 0
                                           ? ld->scan.next_offset
                                           : last->next_offset,
                             .max_bytes = r->max_bytes,
                             .is_at_least_one = true};
    struct plan next;
    if (p != NULL && then.offset < p->end) {
        shard__plan(&then, p, &next);
        shard__read_ahead(r, &next, 0);
    }
}

static void
drop_held(struct load *ld)
{
    while (ld->held_count > 0) {
        buf_unref(&ld->held[--ld->held_count].body);
    }
}

static void
load_free(struct load *ld)
{
    drop_held(ld);
    sl_free(ld->held);
    ld->r->shard->loads--;
    sl_free(ld);
}

static void
load_end(struct load *ld, enum sl_err rc)
{
    struct part_read *r = ld->r;
    if (rc == SL_OK && r->shard->mode != JOURNAL_CLOSED) {
        ahead_of(ld);
    }
    load_free(ld);
    finish(r, rc);
}

/* Takes back what was gathered of the run at hand. */
static void
drop_run(struct load *ld)
{
    struct part_read *r = ld->r;
    if (ld->plan.extents[ld->next].is_segment) {
        drop_held(ld);
        return;
    }
    while (r->piece_count > ld->pieces_before) {
        buf_unref(&r->pieces[--r->piece_count].owner);
    }
    if (r->piece_count > 0) {
        r->pieces[r->piece_count - 1].bytes.len = ld->last_before;
    }
    r->total_bytes = ld->bytes_before;
}

static bool
is_same_segment(const struct segment_ref *s, const struct extent *x)
{
    return s != NULL && x->is_segment && s->base == x->base && s->gen == x->gen;
}

/* SL_OK: S refers to the object still. SL_EAGAIN: what it holds is elsewhere by now. Otherwise it
 * was trimmed, or its topic is gone. */
static enum sl_err
find_again(struct part_read *r, const struct extent *x)
{
    const struct part_state *p = state_find_part(r->shard->state, &r->topic_id, r->partition);
    if (p == NULL) {
        return SL_EUNKNOWN_PARTITION;
    }
    r->high_watermark = p->end;
    r->log_start = p->start;
    int64_t at = x->next_offset - 1;
    if (at < p->start) {
        return SL_EOFFSET_RANGE;
    }
    const struct run_ref *run = part_find_run(p, at);
    bool is_there = x->is_segment ? is_same_segment(part_find_segment(p, at), x)
                                  : run != NULL && run->n == x->n;
    return is_there ? SL_OK : SL_EAGAIN;
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

/* The offsets are in another object now: plan again from where this read is, unless it has
 * something to give. */
static void
replan(struct load *ld)
{
    struct part_read *r = ld->r;
    if (r->piece_count > 0 || ++r->replans > REPLANS_MAX) {
        load_end(ld, SL_EAGAIN);
        return;
    }
    load_free(ld);
    read_now(r);
}

static void
report_lost(const struct load *ld, const char *why)
{
    static struct diag_limit limit;
    const struct part_read *r = ld->r;
    const struct extent *x = &ld->plan.extents[ld->next];
    char id[UUID_TEXT];
    if (diag_limit_ok(&limit, 5)) {
        uuid_text(&r->topic_id, id);
        SL_ERROR(r->shard->o.journal.log, "partition.object_unreadable",
                 KV_STR("object", ld->block.key), KV_U64("position", x->position + ld->taken),
                 KV_STR("topic_id", id), KV_I64("partition", r->partition),
                 KV_I64("offset", x->first_offset), KV_STR("why", why));
    }
}

/* The store has no right bytes for an extent. S may be old and the object collected since (R8):
 * read to the tail. If S still refers to it, data is gone: say so, loudly. */
static void
load_failed(struct load *ld, enum sl_err rc, const char *why)
{
    struct part_read *r = ld->r;
    drop_run(ld);
    if (rc != SL_ECORRUPT && rc != SL_ENOENT) {
        load_end(ld, rc); /* the store did not answer */
        return;
    }
    enum sl_err now = shard_ready(r->shard); /* while S is being read again it cannot be asked */
    now = now == SL_OK ? find_again(r, &ld->plan.extents[ld->next]) : now;
    if (now == SL_EAGAIN) {
        replan(ld);
    } else if (now != SL_OK) {
        load_end(ld, now);
    } else if (!ld->is_refreshed) {
        ld->rc = rc;
        ld->why = why;
        ld->waiter.ready = load_refreshed;
        journal_refresh(r->shard->journal, &ld->waiter);
    } else {
        report_lost(ld, why);
        load_end(ld, SL_EPARTITION_FAILED);
    }
}

static void
extent_done(struct load *ld)
{
    ld->next++;
    ld->taken = 0;
}

/* Gathers what a block holds of the run at hand. False when the load ended. */
static bool
take_of_run(struct load *ld, struct buf *body, size_t skip)
{
    const struct extent *run = &ld->plan.extents[ld->next];
    size_t left = run->length - ld->taken;
    size_t n = body->len - skip < left ? body->len - skip : left;
    ld->crc = crc32c(ld->crc, body->data + skip, n);
    add_piece(ld->r, body, span_of(body->data + skip, n));
    ld->taken += (uint32_t)n;
    if (ld->taken < run->length) {
        return true;
    }
    if (ld->crc != run->crc) {
        cache_forget(ld->r->shard->o.cache, ld->block.key, (uint64_t)run->position + run->length);
        load_failed(ld, SL_ECORRUPT, "the checksum of the run is wrong");
        return false;
    }
    extent_done(ld);
    return true;
}

/* Makes pieces of the bytes that the scan gives, which lie in the blocks held. */
static void
give_scanned(struct load *ld)
{
    const struct scan *s = &ld->scan;
    for (size_t i = 0; i < ld->held_count; i++) {
        const struct held *h = &ld->held[i];
        uint64_t from = s->give_from > h->position ? s->give_from : h->position;
        uint64_t to = h->position + h->body->len;
        to = s->give_to < to ? s->give_to : to;
        if (from < to) {
            add_piece(ld->r, h->body,
                      span_of(h->body->data + (from - h->position), (size_t)(to - from)));
        }
    }
    drop_held(ld);
}

/* A batch that is left out because there is no more room ends the read. */
static void
segment_done(struct load *ld)
{
    bool is_through = ld->scan.position == ld->scan.end;
    give_scanned(ld);
    if (!is_through) {
        ld->plan.count = ld->next + 1;
    }
    extent_done(ld);
}

static void
hold(struct load *ld, struct buf *body)
{
    if (ld->held_count % 8 == 0) {
        ld->held = (struct held *)sl_realloc(ld->held, (ld->held_count + 8) * sizeof(struct held));
    }
    ld->held[ld->held_count++] =
        (struct held){buf_ref(body), ld->block.block * (uint64_t)CACHE_BLOCK};
}

static bool
take_of_segment(struct load *ld, struct buf *body, size_t skip)
{
    const struct extent *x = &ld->plan.extents[ld->next];
    size_t left = x->length - ld->taken;
    size_t n = body->len - skip < left ? body->len - skip : left;
    hold(ld, body);
    enum sl_err rc = scan_feed(&ld->scan, span_of(body->data + skip, n));
    ld->taken += (uint32_t)n;
    if (rc != SL_OK) {
        cache_forget(ld->r->shard->o.cache, ld->block.key, (uint64_t)x->position + x->length);
        load_failed(ld, rc, ld->scan.why);
        return false;
    }
    if (ld->scan.is_done) {
        segment_done(ld);
    }
    return true;
}

/* False when the load ended. */
static bool
take_block(struct load *ld, struct buf *body)
{
    const struct extent *x = &ld->plan.extents[ld->next];
    size_t skip = (size_t)(((uint64_t)x->position + ld->taken) % CACHE_BLOCK);
    if (skip >= body->len) {
        load_failed(ld, SL_ECORRUPT, "the object is shorter than the journal says");
        return false;
    }
    return x->is_segment ? take_of_segment(ld, body, skip) : take_of_run(ld, body, skip);
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

static void
begin_run(struct load *ld)
{
    ld->crc = 0;
    ld->pieces_before = ld->r->piece_count;
    ld->bytes_before = ld->r->total_bytes;
    ld->last_before = ld->pieces_before == 0 ? 0 : ld->r->pieces[ld->pieces_before - 1].bytes.len;
}

static void
begin_segment(struct load *ld)
{
    const struct part_read *r = ld->r;
    const struct extent *x = &ld->plan.extents[ld->next];
    size_t room = r->max_bytes > r->total_bytes ? r->max_bytes - r->total_bytes : 0;
    ld->scan = (struct scan){.want_offset = r->offset,
                             .next_offset = x->first_offset,
                             .end_offset = x->next_offset,
                             .may_have_gaps = x->may_have_gaps,
                             .max_bytes = room,
                             .is_at_least_one = r->is_at_least_one && r->total_bytes == 0,
                             .position = x->position,
                             .end = (uint64_t)x->position + x->length};
}

/* Names the block that comes next; begins an extent when the last one is through. */
static void
aim(struct load *ld)
{
    const struct extent *x = &ld->plan.extents[ld->next];
    if (ld->taken == 0 && x->is_segment) {
        begin_segment(ld);
    } else if (ld->taken == 0) {
        begin_run(ld);
    }
    if (!shard__extent_key(ld->r->shard, &ld->plan, x, ld->block.key)) {
        ld->block.key[0] = '\0'; /* no store has it: the read fails, and says so */
    }
    ld->block.block = ((uint64_t)x->position + ld->taken) / CACHE_BLOCK;
}

/* True when the extent at hand needs no store, or no more of it. False when the load ended or
 * waits. */
static bool
load_one(struct load *ld)
{
    struct cache *cache = ld->r->shard->o.cache;
    if (ld->taken == 0 && add_from_tail(ld->r, &ld->plan.extents[ld->next])) {
        ld->next++;
        return true;
    }
    aim(ld);
    ld->block.reader = ld->r->reader;
    const struct cache_key at = {ld->block.key, ld->block.block, ld->block.reader};
    struct buf *body = cache_try(cache, &at, NULL);
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
    memcpy(&ld->plan, plan,
           offsetof(struct plan, extents) + plan->count * sizeof(plan->extents[0]));
    ld->next = next;
    shard__read_ahead(r, plan, next);
    load_step(ld);
}

/* --- read --- */

static void
read_data(struct part_read *r, const struct part_state *p)
{
    struct plan plan;
    shard__plan(r, p, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        if (!add_from_tail(r, &plan.extents[i])) {
            load_start(r, &plan, i);
            return;
        }
    }
    finish(r, SL_OK);
}

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
    read_now(r);
}
