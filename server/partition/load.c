/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads that need the store, block by block through the cache.
 *
 * A live run is taken whole, and its checksum compared before anything is given out. In a segment
 * the batches that are wanted are looked for (scan.h); the blocks are held until it is known which
 * bytes are given. A load also has the cache read ahead (ahead.c): its own blocks side by side, and
 * those of the read that will follow.
 *
 * A load goes on in turns (turns.c), a block in each.
 *
 * A load that fails ends the read: what was gathered before it is given, an empty hand gives the
 * error. When S has moved on (the run was rolled, the segment compacted) it plans again. */
#include "partition/load.h"

#include "base/counters.h"
#include "base/crc32c.h"
#include "partition/scan.h"
#include "partition/shard_int.h"
#include "store/cache.h"

enum { REPLANS_MAX = 3, TURN_BYTES = CACHE_BLOCK };

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
    struct turn turn;
    struct buf *arrived; /* the block that it waited for */
    bool has_begun;
    struct pace pace;
    struct ahead_got got;
    int64_t asked_ns;  /* for the block that it waits for */
    bool is_refreshed; /* S was read to the tail after an object was found missing */
    enum sl_err rc;
    const char *why; /* constant, or in block */
    struct journal_waiter waiter;
};

static void load_failed(struct load *ld, enum sl_err rc, const char *why);

/* --- the blocks --- */

/* The reader will come back for as much again, from where this answer ends. */
static void
ahead_of(const struct load *ld)
{
    struct part_read *r = ld->r;
    const struct scan *scan = &ld->scan;
    const struct extent *last = &ld->plan.extents[ld->plan.count - 1];
    bool is_within = last->is_segment && scan->give_to > 0;
    const struct part_state *p = state_find_part(r->shard->state, &r->topic_id, r->partition);
    struct pace pace = shard__pace_next(&ld->pace, &ld->got);
    struct part_read then = {.shard = r->shard,
                             .topic_id = r->topic_id,
                             .partition = r->partition,
                             .offset = is_within ? scan->next_offset : last->next_offset,
                             .max_bytes = r->max_bytes * pace.answers,
                             .is_at_least_one = true,
                             .reader = r->reader};
    struct ahead_got got = {0};
    struct plan next;
    bool is_inside = is_within && scan->give_to < scan->end;
    uint32_t position = is_inside ? (uint32_t)scan->give_to : 0;
    shard__resume_note(&then, last, position, &pace);
    if (p != NULL && then.offset < p->end) {
        shard__plan(&then, p, &next);
        shard__resume_apply(&then, &next);
        shard__read_ahead(&then, &next, 0, &got);
    }
    if (got.is_full && pace.answers > 1) {
        pace.answers /= 2;
        shard__resume_note(&then, last, position, &pace);
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
    shard__read_end(r, rc);
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
    shard__read_go(r);
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
    shard__read_add(ld->r, body, span_of(body->data + skip, n));
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
            shard__read_add(ld->r, h->body,
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

/* --- turns --- */

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
    ld->arrived = read->out;
    read->out = NULL;
    ld->got.waited_ns += sched_now(read->home) - ld->asked_ns;
    shard__turn_ready(&ld->turn);
}

/* Gives the block at hand; NULL when it has to be read first. */
static struct buf *
block_get(struct load *ld)
{
    struct cache *cache = ld->r->shard->o.cache;
    struct buf *body = ld->arrived;
    ld->arrived = NULL;
    if (body != NULL) {
        return body;
    }
    aim(ld);
    const struct cache_key at = {ld->block.key, ld->block.block, ld->r->reader};
    body = cache_try(cache, &at, NULL);
    if (body == NULL) {
        ld->block.reader = ld->r->reader;
        ld->block.home = shard_sched(ld->r->shard);
        ld->block.done = block_read;
        ld->asked_ns = sched_now(ld->block.home);
        cache_submit(cache, &ld->block);
    }
    return body;
}

/* What the block at hand can give. */
static size_t
block_left(const struct load *ld)
{
    const struct extent *x = &ld->plan.extents[ld->next];
    uint64_t at = (uint64_t)x->position + ld->taken;
    size_t in_block = (size_t)(CACHE_BLOCK - at % CACHE_BLOCK);
    size_t in_extent = x->length - ld->taken;
    return in_block < in_extent ? in_block : in_extent;
}

/* Gives what the tail cache has. False when that was all, and the load ended. */
static bool
is_left(struct load *ld)
{
    while (ld->next < ld->plan.count && ld->taken == 0 &&
           shard__read_from_tail(ld->r, &ld->plan.extents[ld->next])) {
        ld->next++;
    }
    if (ld->next == ld->plan.count) {
        load_end(ld, SL_OK);
        return false;
    }
    return true;
}

void
shard__load_turn(struct turn *turn)
{
    struct load *ld = SL_CONTAINER_OF(turn, struct load, turn);
    if (!ld->has_begun) {
        ld->has_begun = true;
        shard__read_ahead(ld->r, &ld->plan, ld->next, &ld->got);
    }
    for (size_t done = 0; done == 0 || done + block_left(ld) <= TURN_BYTES;) {
        struct buf *body = block_get(ld);
        if (body == NULL) {
            return; /* block_read */
        }
        done += block_left(ld);
        bool goes_on = take_block(ld, body);
        buf_unref(&body);
        if (!goes_on || !is_left(ld)) {
            return;
        }
    }
    shard__turn_wait(&ld->turn);
}

bool
shard__load_has_some(const struct turn *turn)
{
    const struct load *ld = SL_CONTAINER_OF(turn, struct load, turn);
    bool is_inside = ld->taken > 0;
    bool is_segment = ld->plan.extents[ld->next].is_segment;
    bool has_some = is_inside && !is_segment ? ld->pieces_before > 0 : ld->r->piece_count > 0;
    return has_some || (is_inside && is_segment && ld->scan.give_to > 0);
}

void
shard__load_cut(struct turn *turn)
{
    struct load *ld = SL_CONTAINER_OF(turn, struct load, turn);
    if (ld->taken > 0 && ld->plan.extents[ld->next].is_segment) {
        give_scanned(ld);
    } else if (ld->taken > 0) {
        drop_run(ld);
    }
    load_end(ld, SL_EAGAIN);
}

size_t
shard__load_cost(const struct turn *turn)
{
    const struct load *ld = SL_CONTAINER_OF(turn, struct load, turn);
    const struct part_read *r = ld->r;
    size_t left = r->max_bytes > r->total_bytes ? r->max_bytes - r->total_bytes : 0;
    size_t block = block_left(ld);
    left = left > block ? left : block;
    return left < TURN_BYTES ? left : TURN_BYTES;
}

void
shard__load_start(struct part_read *r, const struct plan *plan, size_t next)
{
    struct load *ld = (struct load *)sl_alloc(sizeof(*ld));
    r->shard->loads++;
    ld->r = r;
    shard__turn_init(&ld->turn, r);
    memcpy(&ld->plan, plan,
           offsetof(struct plan, extents) + plan->count * sizeof(plan->extents[0]));
    ld->next = next;
    if (next == 0) {
        shard__resume_apply(r, &ld->plan);
    }
    shard__resume_pace(r, &ld->pace);
    shard__turn_wait(&ld->turn);
}
