/* SPDX-License-Identifier: Apache-2.0
 *
 * Deletes the objects of segments that S refers to no more (replaced, trimmed, retired), a grace
 * period after the entry that let go of them, so that whoever reads them meanwhile finishes. Any
 * broker may; deleting twice is harmless. What is deleted is told by one GARBAGE_DONE op for the
 * whole round. An object that could not be deleted stays garbage, and comes up again. */
#include "base/counters.h"
#include "journal/mistakes.h"
#include "partition/shard_int.h"

enum { ROUND_MAX = 256, CALLS_MAX = 8 };
#define DONE_TIMEOUT_NS (60 * SCHED_S)

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
    c->item->is_failed = c->item->is_failed || !is_gone;
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

void
shard__garbage_look(struct shard *sh, int64_t patience)
{
    int64_t grace_ms = MISTAKE(garbage_at_once) ? 0 : sh->o.roll.garbage_grace_ms;
    int64_t before_ms = sched_wall_ms(shard_sched(sh)) - grace_ms * patience;
    size_t count = state_garbage_count(sh->state);
    if (sh->garbage != NULL || sh->mode != JOURNAL_LIVE || count == 0 ||
        state_garbage(sh->state, 0)->time_ms > before_ms) {
        return;
    }
    struct garbage_round *r = (struct garbage_round *)sl_alloc(sizeof(*r));
    r->sh = sh;
    sh->garbage = r;
    for (size_t i = 0; i < count && r->count < ROUND_MAX; i++) {
        const struct garbage_ref *g = state_garbage(sh->state, i);
        if (g->time_ms <= before_ms) {
            add(r, g);
        }
    }
    for (size_t i = 0; i < CALLS_MAX && i < r->count; i++) {
        r->calls[i].round = r;
    }
    size_t calls = r->count < CALLS_MAX ? r->count : CALLS_MAX;
    for (size_t i = 0; i < calls; i++) {
        next_deletion(&r->calls[i]);
    }
}
