/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to partition/: looks for whole batches in the bytes of a segment as they come, block by
 * block. */
#ifndef SLUICE_PARTITION_SCAN_H
#define SLUICE_PARTITION_SCAN_H

#include "wire/batch.h"

struct scan {
    /* filled by the caller */
    int64_t want_offset; /* the first batch given is the one that holds it, or comes next */
    int64_t next_offset; /* where the first batch seen begins, at least */
    int64_t end_offset;  /* where the last batch of all ends, at most */
    bool may_have_gaps;  /* offsets rise, but not one by one */
    size_t max_bytes;
    bool is_at_least_one; /* the first batch even if it is larger */
    uint64_t position;    /* of the next byte within the object */
    uint64_t end;         /* where the batches end */

    /* answer: whole batches lie in [give_from, give_to) of the object */
    uint64_t give_from, give_to;
    bool is_done;    /* more bytes are not needed */
    const char *why; /* constant: what is corrupt */

    /* the scan's */
    uint8_t head[BATCH_HEADER_BYTES];
    size_t head_bytes;
    size_t body_left;
    uint32_t crc;
    bool is_wanted;
    struct batch_info info;
};

/* Takes the next bytes. SL_OK, or SL_ECORRUPT with s->why. Every batch that is passed over or given
 * had its CRC compared. */
MUST_CHECK enum sl_err scan_feed(struct scan *s, struct span bytes);

#endif
