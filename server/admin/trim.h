/* DeleteRecords: moves the start of a partition by an op in its journal. The records are gone for
 * every reader when done runs; what they took in the store goes with the log's life cycle.
 *
 * Threads:  submit and done on the shard's loop.
 * Lifetime: the caller keeps the trim until done. */
#ifndef SLUICE_ADMIN_TRIM_H
#define SLUICE_ADMIN_TRIM_H

#include "partition/shard.h"

enum { PART_TRIM_END = -1 };
struct part_trim {
    /* filled by the caller */
    struct uuid topic_id;
    int32_t partition;
    int64_t start; /* PART_TRIM_END: the end of the log as it is when the op is staged */
    int64_t deadline_ns;
    void (*done)(struct part_trim *t); /* never from within part_trim_submit */
    void *arg;
    /* answer: SL_OK also when the start was there or above; SL_EUNKNOWN_PARTITION;
     * SL_EOFFSET_RANGE: beyond the end, or negative */
    enum sl_err rc;
    int64_t log_start; /* -1 when it failed */
    /* the trim's */
    struct shard *shard;
    struct op_proposal op;
    struct journal_waiter waiter;
    bool is_fresh;
};
void part_trim_submit(struct shard *sh, struct part_trim *t);

#endif
