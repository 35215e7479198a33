/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to partition/: where the bytes of a stretch of log are. A plan is copied out of S,
 * because S may change while a load waits for the store. */
#ifndef SLUICE_PARTITION_EXTENT_H
#define SLUICE_PARTITION_EXTENT_H

#include "partition/lookup.h"
#include "partition/shard.h"

/* Bytes of one immutable object. A run is wanted whole; of a segment the bytes from a slice on, in
 * which the batch that is wanted has to be looked for (scan.h). */
struct extent {
    bool is_segment, may_have_gaps;
    uint64_t n;                        /* run: the entry */
    int64_t base;                      /* segment: its name */
    uint32_t gen;                      /* segment: its name */
    int64_t first_offset, next_offset; /* the offsets that lie here */
    uint32_t position, length;         /* within the object */
    uint32_t crc;                      /* run: of all bytes */
};

struct plan {
    char dir[TOPIC_DIR_MAX]; /* of the segments */
    int32_t partition;
    size_t count;
    struct extent extents[READ_PIECES_MAX];
};

/* What a read from r->offset needs, up to about r->max_bytes. */
void shard__plan(const struct part_read *r, const struct part_state *p, struct plan *plan);
/* The object's key. False when it is too long to be one. */
bool shard__extent_key(const struct shard *sh, const struct plan *plan, const struct extent *x,
                       char key[STORE_KEY_MAX]);

/* The first one that ends behind `from` and whose largest timestamp reaches time_ms. False: none.
 */
bool shard__stretch_at_time(const struct part_state *p, int64_t from, int64_t time_ms,
                            struct part_stretch *ret);
/* Of the stretches whose largest timestamp is above `above`, the one that comes next after `last`
 * in descending order of it (ascending offsets among equals). False: none. */
bool shard__stretch_of_max_time(const struct part_state *p, const struct part_stretch *last,
                                int64_t above, struct part_stretch *ret);
/* Bytes of all segments and live runs. */
int64_t shard__part_bytes(const struct part_state *p);

#endif
