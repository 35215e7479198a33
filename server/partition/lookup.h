/* Where in a partition is a time, the start, the end, and how large is it? What ListOffsets and
 * DescribeLogDirs ask.
 *
 * Threads:  submit and done on the shard's loop.
 * Lifetime: the caller keeps the lookup until done. */
#ifndef SLUICE_PARTITION_LOOKUP_H
#define SLUICE_PARTITION_LOOKUP_H

#include "partition/shard.h"
#include "wire/records.h"

enum part_lookup_kind {
    PART_LOOKUP_START,
    PART_LOOKUP_END,
    PART_LOOKUP_TIME,     /* the first record at or after time_ms */
    PART_LOOKUP_MAX_TIME, /* the first record that has the largest timestamp */
    PART_LOOKUP_SIZE      /* bytes that the log takes in the store; as the offset */
};

/* Where the search for a time goes on: a run, or a slice of a segment. */
struct part_stretch {
    int64_t first_offset, next_offset, max_timestamp;
    size_t bytes;
};

struct part_lookup {
    /* filled by the caller */
    struct uuid topic_id;
    int32_t partition;
    enum part_lookup_kind kind;
    int64_t time_ms;
    int64_t deadline_ns; /* SL_ETIMEOUT when the store does not answer R8 by then; 0: no limit */
    void (*done)(struct part_lookup *l); /* may run within part_lookup_submit */
    void *arg;
    /* answer; offset and timestamp are -1 when there is no such record, timestamp also for START
     * and END */
    enum sl_err rc;
    int64_t offset, timestamp;
    /* the shard's */
    struct shard *shard;
    struct journal_waiter waiter;
    struct sched_timer late;
    struct part_read read;
    int64_t from; /* runs before this offset hold nothing for us */
    /* MAX_TIME: the stretch that was read last, and the best record so far */
    struct part_stretch promise;
    struct record_position best;
    /* the stretch at hand: its bytes, if they came in pieces; what of them was not looked into yet;
       the best record there */
    struct buf *joined;
    struct span rest;
    struct record_position found;
    struct bytes scratch;
    struct sched_task task;
    int reads;
    bool is_fresh;
};
/* What says "there is nothing" or "this is the end" is said only after R8. */
void part_lookup_submit(struct shard *sh, struct part_lookup *l);

#endif
