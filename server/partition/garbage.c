/* SPDX-License-Identifier: Apache-2.0
 *
 * Deletes the objects of segments that S refers to no more (replaced, trimmed, retired), a grace
 * period after the entry that let go of them, so that whoever reads them meanwhile finishes. Any
 * broker may; deleting twice is harmless. What is deleted is told by one GARBAGE_DONE op for the
 * whole round. An object that could not be deleted stays garbage, and comes up again: rounds go on
 * behind it until all had their turn, then they begin anew, and later each time that something
 * failed. A store may never allow it. */
#include "base/counters.h"
#include "journal/mistakes.h"
#include "partition/shard_int.h"

enum { ROUND_MAX = 256, CALLS_MAX = 8 };
#define DONE_TIMEOUT_NS (60 * SCHED_S)
#define PAUSE_NS (10 * SCHED_S)
#define PAUSE_MOST_NS (600 * SCHED_S)

struct garbage_item {
    uint64_t id;
    char dir[TOPIC_DIR_MAX];
    struct segment_place at;
    bool is_failed;
};

struct garbage_call {
    struct store_call call; /* first member */
    struct garbage_round *round;
    struct garbage_item *item;
};

struct garbage_round {
    struct shard *sh;
    struct garbage_item items[ROUND_MAX];
    size_t count, begun, ended; /* begun, ended: two deletions for each item */
    struct garbage_call calls[CALLS_MAX];
    struct op_proposal op;
    char failed_key[STORE_KEY_MAX], failed_why[sizeof(((struct store_call *)NULL)->why)];
};

static void next_deletion(struct garbage_call *c);

static void
end(struct garbage_round *r)
{
    r->sh->garbage = NULL;
    bytes_fini(&r->op.payload);
    sl_free(r);
}

static void
done(struct op_proposal *op, enum sl_err rc)
{
    (void)rc; /* if it is not in the log, they come up again */
    end((struct garbage_round *)op->arg);
}

/* Once for all that come before the pause. */
static void
note_failed(struct garbage_round *r, size_t count)
{
    struct shard *sh = r->sh;
    if (count > 0 && sh->roll.is_running && !sh->garbage_pass.has_failed) {
        sh->garbage_pass.has_failed = true;
        SL_WARN(sh->o.journal.log, "garbage.delete_failed", KV_STR("object", r->failed_key),
                KV_STR("why", r->failed_why));
    }
}

static void
propose_done(struct garbage_round *r)
{
    uint64_t ids[ROUND_MAX];
    size_t count = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (!r->items[i].is_failed) {
            ids[count++] = r->items[i].id;
        }
    }
    counter_add(C_garbage_deleted, (int64_t)count);
    note_failed(r, r->count - count);
    if (count == 0 || !r->sh->roll.is_running) {
        end(r);
        return;
    }
    r->op = (struct op_proposal){.kind = ITEM_GARBAGE_DONE,
                                 .deadline_ns = sched_now(shard_sched(r->sh)) + DONE_TIMEOUT_NS,
                                 .is_pipelined = true,
                                 .done = done,
                                 .arg = r};
    bytes_init(&r->op.payload, 4 + ROUND_MAX * 8);
    op_encode_garbage_done(&r->op.payload, ids, count);
    op_submit(r->sh, &r->op);
}

static void
deleted(struct store_call *call)
{
    struct garbage_call *c = (struct garbage_call *)call;
    bool is_gone = call->outcome == STORE_DONE || call->outcome == STORE_ABSENT;
    if (!is_gone) {
        c->item->is_failed = true;
        span_to_cstr(span_cstr(call->key), c->round->failed_key, sizeof(c->round->failed_key));
        span_to_cstr(span_cstr(call->why), c->round->failed_why, sizeof(c->round->failed_why));
    }
    c->round->ended++;
    next_deletion(c);
}

static void
next_deletion(struct garbage_call *c)
{
    struct garbage_round *r = c->round;
    if (!r->sh->roll.is_running) {
        for (size_t i = r->begun / 2; i < r->count; i++) {
            r->items[i].is_failed = true;
        }
        r->ended += 2 * r->count - r->begun;
        r->begun = 2 * r->count;
    }
    if (r->begun < 2 * r->count) {
        c->item = &r->items[r->begun / 2];
        enum segment_file file = r->begun % 2 == 0 ? SEGMENT_FILE_KFS : SEGMENT_FILE_INDEX;
        r->begun++;
        c->call = (struct store_call){.kind = STORE_DEL,
                                      .home = shard_sched(r->sh),
                                      .timeout_ms = SHARD_CALL_TIMEOUT_MS,
                                      .done = deleted};
        if (shard_segment_key(r->sh, &c->item->at, file, c->call.key)) {
            store_submit(r->sh->o.journal.store, &c->call);
            return;
        }
        r->ended++; /* no store can have it */
        next_deletion(c);
        return;
    }
    if (r->ended == 2 * r->count) {
        r->ended++; /* once */
        propose_done(r);
    }
}

static void
add(struct garbage_round *r, const struct garbage_ref *g)
{
    struct garbage_item *it = &r->items[r->count++];
    it->id = g->id;
    span_to_cstr(span_cstr(g->dir), it->dir, sizeof(it->dir));
    it->at = (struct segment_place){it->dir, g->partition, g->base, g->gen};
}

/* All that are due had their turn. */
static void
end_pass(struct shard *sh)
{
    sh->garbage_pass.last_id = 0;
    if (!sh->garbage_pass.has_failed) {
        sh->garbage_pass.fails = 0;
        return;
    }
    sh->garbage_pass.has_failed = false;
    sh->garbage_pass.not_before_ns =
        sched_now(shard_sched(sh)) +
        sched_backoff(PAUSE_NS, sh->garbage_pass.fails++, PAUSE_MOST_NS);
}

static void
gather(struct garbage_round *r, int64_t before_ms)
{
    struct shard *sh = r->sh;
    size_t count = state_garbage_count(sh->state);
    for (size_t i = 0; i < count && r->count < ROUND_MAX; i++) {
        const struct garbage_ref *g = state_garbage(sh->state, i);
        if (g->time_ms <= before_ms && g->id > sh->garbage_pass.last_id) {
            add(r, g);
        }
    }
}

static void
begin(struct garbage_round *r)
{
    r->sh->garbage = r;
    r->sh->garbage_pass.last_id = r->items[r->count - 1].id;
    size_t calls = r->count < CALLS_MAX ? r->count : CALLS_MAX;
    for (size_t i = 0; i < calls; i++) {
        r->calls[i].round = r;
    }
    for (size_t i = 0; i < calls; i++) {
        next_deletion(&r->calls[i]);
    }
}

void
shard__garbage_look(struct shard *sh, int64_t patience)
{
    int64_t grace_ms = MISTAKE(garbage_at_once) ? 0 : sh->o.roll.garbage_grace_ms;
    int64_t before_ms = sched_wall_ms(shard_sched(sh)) - grace_ms * patience;
    if (sh->garbage != NULL || sh->mode != JOURNAL_LIVE || state_garbage_count(sh->state) == 0 ||
        state_garbage(sh->state, 0)->time_ms > before_ms ||
        sched_now(shard_sched(sh)) < sh->garbage_pass.not_before_ns) {
        return;
    }
    struct garbage_round *r = (struct garbage_round *)sl_alloc(sizeof(*r));
    r->sh = sh;
    gather(r, before_ms);
    if (r->count == 0) {
        sl_free(r);
        end_pass(sh);
        return;
    }
    begin(r);
}
