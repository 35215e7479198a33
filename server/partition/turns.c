/* SPDX-License-Identifier: Apache-2.0
 *
 * Turns. To sum up a block takes a tenth of a millisecond, and one fetch may want fifty of them,
 * while producers wait on the same loop. So a turn of the loop takes one block, of the load that
 * waits longest:
 *
 *     waiting --cold_take--> ready --its turn--> block here: taken --> waiting, or the end
 *                              ^                 not here: being read --+
 *                              '----------------------------------------'
 *
 * Who gives way to producers (consumers do, the roller does not: it makes room for them) has to be
 * allowed each block by cold.h. When that takes long, a load that has something to give ends early:
 * an answer that is small is better than one that comes after the client gave up. */
#include "base/counters.h"
#include "partition/cold.h"
#include "partition/load.h"
#include "partition/shard_int.h"

/* A load that had to wait for so long gives what it has. */
#define PATIENCE_NS (250 * SCHED_MS)

static void
turns_soon(struct shard *sh)
{
    if (!sh->turns.is_posted) {
        sh->turns.is_posted = true;
        sched_post(shard_sched(sh), &sh->turns.task);
    }
}

static void
turns_later(struct sched_timer *timer)
{
    turns_soon(SL_CONTAINER_OF(timer, struct shard, turns.timer));
}

void
shard__turn_init(struct turn *turn, struct part_read *r)
{
    struct shard *sh = r->shard;
    list_init(&turn->node);
    turn->shard = sh;
    turn->gives_way = r->gives_way && sh->o.cold != NULL;
    turn->began_ns = sched_now(shard_sched(sh));
}

void
shard__turn_ready(struct turn *turn)
{
    list_append(&turn->shard->turns.ready, &turn->node);
    turns_soon(turn->shard);
}

void
shard__turn_wait(struct turn *turn)
{
    struct shard *sh = turn->shard;
    if (!turn->gives_way) {
        shard__turn_ready(turn);
        return;
    }
    list_append(&sh->turns.waiting, &turn->node);
    if (sh->turns.timer.heap_pos == 0) {
        turns_soon(sh);
    }
}

/* Lets the first of those who wait go on, if it is allowed to. False: nobody else may now. */
static bool
turn_allow(struct shard *sh)
{
    if (list_is_empty(&sh->turns.waiting)) {
        return false;
    }
    struct turn *first = SL_CONTAINER_OF(sh->turns.waiting.next, struct turn, node);
    int64_t now = sched_now(shard_sched(sh));
    bool is_cut = now - first->began_ns > PATIENCE_NS && shard__load_has_some(first);
    int64_t again = is_cut || sh->mode == JOURNAL_CLOSED
                        ? 0
                        : cold_take(sh->o.cold, now, shard__load_cost(first));
    if (again > 0) {
        counter_add(C_read_cold_waits, 1);
        sched_timer_at(shard_sched(sh), &sh->turns.timer, again);
        return false;
    }
    sched_timer_stop(shard_sched(sh), &sh->turns.timer);
    list_remove(&first->node);
    if (is_cut) {
        shard__load_cut(first);
    } else {
        list_append(&sh->turns.ready, &first->node);
    }
    return !list_is_empty(&sh->turns.waiting);
}

static void
turns_run(struct sched_task *task)
{
    struct shard *sh = SL_CONTAINER_OF(task, struct shard, turns.task);
    sh->turns.is_posted = false;
    bool goes_on = turn_allow(sh);
    struct list *first = list_pop(&sh->turns.ready);
    if (goes_on || !list_is_empty(&sh->turns.ready)) {
        turns_soon(sh);
    }
    if (first != NULL) {
        shard__load_turn(SL_CONTAINER_OF(first, struct turn, node));
    }
}

void
shard__turns_init(struct shard *sh)
{
    list_init(&sh->turns.ready);
    list_init(&sh->turns.waiting);
    sh->turns.task.run = turns_run;
    sh->turns.timer.fire = turns_later;
}

bool
shard__loads_are_idle(const struct shard *sh)
{
    return sh->loads == 0 && !sh->turns.is_posted;
}
