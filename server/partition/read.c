/* Reading a partition: plan, then load.
 *
 * The plan is a list of runs, copied out of S, because S may change while a load waits for the
 * store. Runs that are still in the tail cache become pieces at once; the others are read from
 * their entry, block by block through the cache, and their checksum is compared before anything is
 * given out. Whole runs only, so a reader always gets whole batches; the first run is the one that
 * contains the offset.
 *
 * A load that fails ends the read: what was gathered before it is given, an empty hand gives the
 * error. */
#include "base/counters.h"
#include "base/crc32c.h"
#include "partition/shard_int.h"

#include <stdio.h>

struct plan {
    size_t count;
    struct run_ref runs[READ_PIECES_MAX];
};

/* A read that has to wait for the store. */
struct load {
    struct store_call call; /* first member */
    struct part_read *r;
    struct plan plan;
    size_t next;
    bool is_refreshed; /* S was read to the tail after an object was found missing */
    enum sl_err rc;
    const char *why; /* constant */
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

static void
load_end(struct load *ld, enum sl_err rc)
{
    struct part_read *r = ld->r;
    buf_unref(&ld->call.body);
    sl_free(ld);
    r->shard->loads--;
    finish(r, rc);
}

/* Does S refer to a run? If not, it was trimmed, or its topic is gone. */
static bool
is_referenced(struct part_read *r, const struct run_ref *run)
{
    const struct part_state *p = state_find_part(r->shard->state, &r->topic_id, r->partition);
    if (p == NULL) {
        return false;
    }
    const struct run_ref *now = part_find_run(p, run->base_offset);
    r->high_watermark = p->end;
    r->log_start = p->start;
    return now != NULL && now->n == run->n;
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
    bool is_gone = rc == SL_ECORRUPT || rc == SL_ENOENT;
    if (!is_gone) {
        load_end(ld, rc); /* the store did not answer */
        return;
    }
    if (!is_referenced(r, run)) {
        load_end(ld, SL_EOFFSET_RANGE); /* trimmed while we read */
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
                 KV_STR("object", ld->call.key), KV_U64("position", run->position),
                 KV_STR("topic_id", id), KV_I64("partition", r->partition),
                 KV_I64("offset", run->base_offset), KV_STR("why", why));
    }
    load_end(ld, SL_EPARTITION_FAILED);
}

static void
load_answered(struct store_call *call)
{
    struct load *ld = (struct load *)call;
    const struct run_ref *run = &ld->plan.runs[ld->next];
    if (call->outcome == STORE_ABSENT) {
        load_failed(ld, SL_ENOENT, "the object is missing");
        return;
    }
    if (call->outcome != STORE_DONE) {
        load_failed(ld, call->rc == SL_OK ? SL_EIO : call->rc, call->why);
        return;
    }
    if (call->body->len != run->length ||
        crc32c(0, call->body->data, call->body->len) != run->crc) {
        load_failed(ld, SL_ECORRUPT, "the checksum of the run is wrong");
        return;
    }
    add_piece(ld->r, call->body, buf_span(call->body));
    buf_unref(&call->body);
    ld->next++;
    load_step(ld);
}

static void
load_step(struct load *ld)
{
    struct part_read *r = ld->r;
    while (ld->next < ld->plan.count && add_from_tail(r, &ld->plan.runs[ld->next])) {
        ld->next++;
    }
    if (ld->next == ld->plan.count) {
        load_end(ld, SL_OK);
        return;
    }
    const struct run_ref *run = &ld->plan.runs[ld->next];
    const struct journal_options *jo = &r->shard->o.journal;
    ld->call = (struct store_call){.kind = STORE_GET,
                                   .home = jo->sched,
                                   .done = load_answered,
                                   .offset = run->position,
                                   .length = run->length};
    entry_key(ld->call.key, sizeof(ld->call.key), jo->prefix, jo->index, run->n);
    store_submit(jo->store, &ld->call);
}

static void
load_start(struct part_read *r, const struct plan *plan, size_t next)
{
    struct load *ld = (struct load *)sl_alloc(sizeof(*ld));
    r->shard->loads++;
    ld->r = r;
    ld->plan = *plan;
    ld->next = next;
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
    r->is_tail_ok = true;
    if (rc != SL_OK) {
        finish(r, rc);
        return;
    }
    read_now(r);
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
    if (is_at_end && !r->is_tail_ok) {
        r->waiter.ready = refreshed;
        journal_refresh(r->shard->journal, &r->waiter);
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

void
part_read_submit(struct shard *sh, struct part_read *r)
{
    SCHED_ASSERT_HERE(shard_sched(sh));
    r->shard = sh;
    r->pieces = NULL;
    r->piece_count = 0;
    r->total_bytes = 0;
    r->high_watermark = r->log_start = -1;
    read_now(r);
}
