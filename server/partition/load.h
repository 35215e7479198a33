/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to partition/: reads that need the store (load.c), and what they share with those that do
 * not (read.c). */
#ifndef SLUICE_PARTITION_LOAD_H
#define SLUICE_PARTITION_LOAD_H

#include "partition/extent.h"

/* Ends the read with what lies in plan->extents[next] and behind it. */
void shard__load_start(struct part_read *r, const struct plan *plan, size_t next);
bool shard__loads_are_idle(const struct shard *sh);

/* turns.c: who of the loads goes on. Embedded in a load. */
struct turn {
    struct list node; /* on one of the shard's lists, or alone */
    struct shard *shard;
    bool gives_way;
    int64_t began_ns;
};
void shard__turns_init(struct shard *sh);
void shard__turn_init(struct turn *turn, struct part_read *r);
/* Wants to go on: load_turn or load_cut will be called. */
void shard__turn_wait(struct turn *turn);
/* The same, for who was allowed to already. */
void shard__turn_ready(struct turn *turn);
/* load.c: it has a turn; what that will take at most, in bytes; whether there is something to give;
 * ends with that. */
void shard__load_turn(struct turn *turn);
size_t shard__load_cost(const struct turn *turn);
bool shard__load_has_some(const struct turn *turn);
void shard__load_cut(struct turn *turn);

/* Takes a reference. Runs that follow each other in one buffer become one piece. */
void shard__read_add(struct part_read *r, struct buf *owner, struct span bytes);
/* False: the run is not in memory. */
bool shard__read_from_tail(struct part_read *r, const struct extent *run);
/* Done: what was gathered is given, an empty hand gives rc. */
void shard__read_end(struct part_read *r, enum sl_err rc);
/* Once more from the beginning; nothing was gathered yet. */
void shard__read_go(struct part_read *r);

/* How far ahead of a consumer is read, and what came of it. */
struct pace {
    uint8_t answers, calm;
    bool is_known; /* it comes back to where it stopped */
};
struct ahead_got {
    size_t started;    /* blocks of this answer that had not been asked for */
    int64_t waited_ns; /* for those that had, and were not here yet */
    bool is_full;      /* the cache took no more */
};
/* resume.c. In the segment x the batch of r->offset begins at position (0: it does not), and so far
 * is read ahead. */
void shard__resume_note(const struct part_read *r, const struct extent *x, uint32_t position,
                        const struct pace *pace);
/* Narrows the first extent of a plan for r to begin where its offset does, if that is known. */
void shard__resume_apply(const struct part_read *r, struct plan *plan);
void shard__resume_pace(const struct part_read *r, struct pace *ret);
struct pace shard__pace_next(const struct pace *was, const struct ahead_got *got);
/* ahead.c: has the cache read what r will want of these, as far as it likes to. Counts what was not
 * here, nor on its way. */
void shard__read_ahead(const struct part_read *r, const struct plan *plan, size_t from,
                       struct ahead_got *got);

#endif
