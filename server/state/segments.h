/* SPDX-License-Identifier: Apache-2.0
 *
 * What S knows of rolled segments (docs/journal.md R6): per partition, which objects hold which
 * offsets, and which objects nobody refers to any more.
 *
 * A REGISTER op moves the runs that a segment covers out of the partition's list of live runs. A
 * REPLACE op puts one compacted segment in the place of several. Objects that fell out (replaced,
 * trimmed, their partition retired) are remembered as garbage, with the time of the entry that did
 * it, until a GARBAGE_DONE op says that they are deleted: so any broker can delete them after a
 * grace period, and none is forgotten.
 *
 * The offsets of a partition, in order: [start, end) = segments, then runs. The first segment kept
 * may begin below start. A partition knows its directory ("{topic}" or "{topic}~{k}") from the
 * first segment on, so that S alone names every object.
 *
 * Threads: belongs to its journal's loop. */
#ifndef SLUICE_STATE_SEGMENTS_H
#define SLUICE_STATE_SEGMENTS_H

#include "base/buf.h"
#include "base/uuid.h"

struct state;
struct part_state;

enum { SEGMENT_SLICES_MAX = 64, SEGMENT_SOURCES_MAX = 1000, TOPIC_DIR_MAX = 260 };

/* Sparse time index: a segment in pieces, in order. The first begins at the segment's base and at
 * the first byte of its body. */
struct segment_slice {
    uint32_t offset_delta; /* of the slice's first batch, from the segment's base */
    uint32_t position;     /* of that batch within the .kfs object */
    int64_t max_timestamp; /* of the slice */
};

struct segment_ref {
    int64_t base, last;    /* covers [base, last], whatever compaction took out of it */
    uint64_t bytes;        /* of the .kfs object; 0: compaction left nothing, there is no object */
    int64_t max_timestamp; /* -1: none */
    int64_t created_ms;    /* entry time of the op that put it here */
    uint32_t gen; /* object "segment-{base:020}.kfs", gen > 0: "segment-{base:020}-{gen}" */
    uint32_t record_count;
    uint32_t body_crc; /* the .kfs footer's */
    uint32_t slice_count;
    struct segment_slice *slices;
};

/* Segments of p in ascending order. */
size_t part_segment_count(const struct part_state *p);
const struct segment_ref *part_segment(const struct part_state *p, size_t i);
/* The segment that covers offset; NULL when a live run does, or when it is outside [start, end). */
const struct segment_ref *part_find_segment(const struct part_state *p, int64_t offset);
/* First offset that no segment covers: where the next one must begin. */
int64_t part_registered_end(const struct part_state *p);
/* "{topic}" or "{topic}~{k}"; NULL as long as nothing was registered. */
const char *part_dir(const struct part_state *p);

/* --- garbage --- */

struct garbage_ref {
    uint64_t id; /* rises within the journal */
    struct uuid topic_id;
    const char *dir;
    int32_t partition;
    int64_t base;
    uint32_t gen;
    int64_t time_ms; /* entry time since which nobody refers to it */
};
/* In order of id, hence of time of the entries. Valid until the next op is applied. */
size_t state_garbage_count(const struct state *st);
const struct garbage_ref *state_garbage(const struct state *st, size_t i);

/* --- the ops of rollers; all are pipelined --- */

struct register_op {
    struct uuid topic_id;
    int32_t partition;
    struct span dir; /* must be the same for every segment of a partition */
    struct segment_ref segment;
};
/* REGISTER: several partitions, or several segments of one, may stand in one op. */
void op_encode_register(struct bytes *out, const struct register_op *ops, size_t count);

struct segment_source {
    int64_t base;
    uint32_t gen;
};
struct replace_op {
    struct uuid topic_id;
    int32_t partition;
    const struct segment_source *sources; /* neighbours, in order; exactly these */
    size_t source_count;
    struct segment_ref target; /* base of the first, last of the last; gen above every source's */
};
void op_encode_replace(struct bytes *out, const struct replace_op *op);
void op_encode_garbage_done(struct bytes *out, const uint64_t *ids, size_t count);

/* --- ops of tools; not pipelined --- */

enum { ADOPT_SEGMENTS_MAX = 80000, LOSSES_MAX = 1000, LOSS_REASON_MAX = 200 };

/* ADOPT: segments that were written elsewhere become the log of a partition that is open and never
 * held anything. They follow each other; the first may begin anywhere. Between two of them one
 * without an object (bytes 0) may stand for offsets that are in none. */
struct adopt_op {
    struct uuid topic_id;
    int32_t partition;
    struct span dir;
    const struct segment_ref *segments;
    size_t count; /* 1 to ADOPT_SEGMENTS_MAX */
};
void op_encode_adopt(struct bytes *out, const struct adopt_op *op);
/* SL_EUNKNOWN_PARTITION; SL_EEXIST: it holds something, or did; SL_EINVAL: another directory, or it
 * makes no sense. */
MUST_CHECK enum sl_err state_check_adopt(const struct state *st, struct span op);

/* LOSS: these offsets were given up, not trimmed or compacted. */
struct loss_ref {
    struct uuid topic_id;
    int32_t partition;
    int64_t first, last;
    int64_t time_ms; /* when somebody decided it */
    char reason[LOSS_REASON_MAX + 1];
};
/* At most LOSSES_MAX. */
void op_encode_losses(struct bytes *out, const struct loss_ref *losses, size_t count);
/* The last LOSSES_MAX of the journal, in order. Valid until the next op is applied. */
size_t state_loss_count(const struct state *st);
const struct loss_ref *state_loss(const struct state *st, size_t i);

/* Checks against S plus what is in flight, and extend the speculation. Through op_check_register
 * and op_check_replace (shard.h).
 *
 * register: SL_EUNKNOWN_PARTITION; SL_EEXIST: something in the op does not begin where the
 *           registered segments end (another roller was faster, or it was trimmed); SL_EINVAL: it
 *           does not end with a run, another directory, or it makes no sense. The op is refused
 *           whole.
 * replace:  SL_EUNKNOWN_PARTITION; SL_ENOENT: a source is not there as named (replaced or trimmed
 *           meanwhile); SL_EINVAL: the target does not cover the sources exactly; SL_EAGAIN:
 * another replace of this partition is in flight. */
MUST_CHECK enum sl_err state_check_register(struct state *st, struct span op);
MUST_CHECK enum sl_err state_check_replace(struct state *st, struct span op);

#endif
