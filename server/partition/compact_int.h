/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to partition/: one compaction of one partition. The essay stands atop compact.c. */
#ifndef SLUICE_PARTITION_COMPACT_INT_H
#define SLUICE_PARTITION_COMPACT_INT_H

#include "partition/compact_map.h"
#include "partition/compact_plan.h"
#include "partition/shard_int.h"
#include "segment/segment.h"
#include "wire/rewrite.h"

/* Batches of the log one after the other, a few at a time. */
struct compact_walk {
    int64_t next, end; /* offsets */
    struct part_read read;
    struct buf *chunk; /* whole batches ... */
    struct span rest;  /* ... of which these are left */
    /* False: the walk is over, and `done` is not called. */
    bool (*batch)(struct compact_job *j, const struct batch_info *info, struct span batch);
    void (*done)(struct compact_job *j);
};

/* A segment's header is written before its REPLACE is in the log, and its tombstones count from
 * the latter. So the one must follow the other within this time, which is waited for in addition.
 */
#define COMPACT_COMMIT_MS (5 * 60 * 1000)

struct compact_job {
    struct shard *sh;
    struct uuid topic_id;
    int32_t partition;
    char dir[TOPIC_DIR_MAX];
    struct part_policy policy; /* as of when the group was begun */
    bool is_stopping;

    /* the offsets whose keys count */
    int64_t dirty_from, dirty_to;
    int64_t dirty_first_end; /* of the first dirty segment */
    struct compact_map map;
    bool is_full;
    uint32_t classes, at_class;

    /* the group at hand */
    struct compact_group group;
    struct segment_source sources[SEGMENT_SOURCES_MAX];
    int64_t base, last, from; /* from: where its records begin; start may lie within it */
    int64_t created_ms;       /* what the tombstones in it count from; 0: from now on */
    int64_t built_ns;
    bool drops_tombstones;
    uint8_t *obsolete; /* a bit for each record of the group, when keys are taken in classes */
    uint64_t at_record, record_bits;
    size_t body_room;
    int64_t reserved_bytes;
    bool lacks_memory; /* waits for it */
    struct segment_builder builder;
    struct segment_slice slices[SEGMENT_SLICES_MAX];
    uint32_t slice_count;
    size_t slice_from;
    struct bytes held; /* the last batch that stays, not in the builder yet ... */
    struct batch_info held_info;
    int64_t held_max_timestamp; /* ... of its records */
    int64_t max_timestamp;
    uint64_t dropped_records, dropped_batches;
    struct segment_files files;
    uint32_t body_crc, gen;
    bool is_nothing; /* no record is left, and there will be no object */

    struct bytes plain, kept, out; /* scratch of one batch */
    struct compact_walk walk;
    struct store_call call;
    bool has_put;      /* something that S does not know */
    uint64_t drop_gen; /* being deleted */
    bool has_lost;     /* its REPLACE was refused */
    unsigned tries, gens;
    struct op_proposal op;
    struct sched_task task;
    struct sched_timer retry;
    void (*again)(struct compact_job *j);

    struct {
        uint64_t groups, records, bytes_in, bytes_out;
        int64_t began_ns;
    } total;
};

/* compact.c */
/* False: it is not for now; nothing was begun. */
bool compact__start(struct shard *sh, const struct uuid *topic_id, int32_t partition);
void compact__stop(struct compact_job *j);
/* Ends the job and gives NULL when it is to stop or the partition is gone; in the latter case what
 * was put for it is deleted. */
struct part_state *compact__part(struct compact_job *j);
void compact__end(struct compact_job *j, const char *why);
/* Runs again() later, longer each time; too often: the job ends. */
void compact__retry(struct compact_job *j, void (*again)(struct compact_job *j), const char *why);
/* The group is done with: the next one. */
void compact__next(struct compact_job *j);
void compact__drop_built(struct compact_job *j);

/* compact_walk.c */
void compact__walk(struct compact_job *j, int64_t from, int64_t to,
                   bool (*batch)(struct compact_job *j, const struct batch_info *info,
                                 struct span batch),
                   void (*done)(struct compact_job *j));
void compact__walk_drop(struct compact_job *j);

/* compact_write.c: what was chosen and marked is written into one segment. */
void compact__write(struct compact_job *j);
/* ... once more, with more room or what else was missing. */

/* compact_put.c: stores and registers what was built. */
void compact__put(struct compact_job *j);
/* Nothing was. */
void compact__put_nothing(struct compact_job *j);
/* Nobody will ever refer to it: deletes what was put, as far as that is so, and ends the job. */
void compact__drop_lost(struct compact_job *j);
void compact__call(struct compact_job *j, enum store_kind kind, enum segment_file file,
                   uint32_t gen, void (*done)(struct store_call *call));
static inline struct compact_job *
compact__job_of(struct store_call *call)
{
    return SL_CONTAINER_OF(call, struct compact_job, call);
}

#endif
