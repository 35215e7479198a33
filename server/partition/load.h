/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to partition/: reads that need the store (load.c), and what they share with those that do
 * not (read.c). */
#ifndef SLUICE_PARTITION_LOAD_H
#define SLUICE_PARTITION_LOAD_H

#include "partition/extent.h"

/* Ends the read with what lies in plan->extents[next] and behind it. */
void shard__load_start(struct part_read *r, const struct plan *plan, size_t next);
void shard__loads_init(struct shard *sh);
bool shard__loads_are_idle(const struct shard *sh);

/* Takes a reference. Runs that follow each other in one buffer become one piece. */
void shard__read_add(struct part_read *r, struct buf *owner, struct span bytes);
/* False: the run is not in memory. */
bool shard__read_from_tail(struct part_read *r, const struct extent *run);
/* Done: what was gathered is given, an empty hand gives rc. */
void shard__read_end(struct part_read *r, enum sl_err rc);
/* Once more from the beginning; nothing was gathered yet. */
void shard__read_go(struct part_read *r);

/* resume.c: in the segment x the batch of r->offset begins at position. */
void shard__resume_note(const struct part_read *r, const struct extent *x, uint32_t position);
/* Narrows the first extent of a plan for r to begin where its offset does, if that is known. */
void shard__resume_apply(const struct part_read *r, struct plan *plan);

#endif
