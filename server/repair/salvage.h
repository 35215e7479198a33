/* SPDX-License-Identifier: Apache-2.0
 *
 * What is left of damaged bytes, made into a segment with gaps. The essay stands atop salvage.c.
 *
 * Threads: pure. */
#ifndef SLUICE_REPAIR_SALVAGE_H
#define SLUICE_REPAIR_SALVAGE_H

#include "segment/segment.h"

struct hole {
    int64_t first, last;
};

struct salvage {
    struct segment_builder builder;
    struct bytes held; /* the last batch: it may have to reach to the segment's end */
    bool is_empty;     /* no batch at all was taken */
    int64_t next;      /* the first offset that nothing is known of yet */
    uint64_t records;
    bool has_gaps;      /* of compaction: what is missing between two batches was not lost ... */
    bool is_torn;       /* ... unless something damaged lies between them */
    struct hole *holes; /* in order */
    size_t hole_count;
};

/* The segment will cover [base, last], and take at most body_bytes from elsewhere. */
void salvage_init(struct salvage *s, int64_t base, int64_t last, size_t body_bytes);
/* Whole sound batches, offsets and all, that follow what is there; copies. */
MUST_CHECK enum sl_err salvage_add(struct salvage *s, struct span batches, struct sl_error *err);
/* These offsets, which the last batch that was added covers, may have had records once. */
void salvage_lost(struct salvage *s, int64_t first, int64_t last);
/* Takes of the body of a damaged segment what can be proven to belong there. is_dense: the offsets
 * of the segment had no gaps. */
MUST_CHECK enum sl_err salvage_body(struct salvage *s, struct span body, int64_t last,
                                    bool is_dense, struct sl_error *err);
/* Makes the segment, which ends at last; what is missing at its end is a hole if s is torn, or had
 * no gaps. files->kfs and ->index are given. */
MUST_CHECK enum sl_err salvage_finish(struct salvage *s, int64_t last, int64_t created_ms,
                                      struct segment_files *files, struct sl_error *err);
void salvage_fini(struct salvage *s);

#endif
