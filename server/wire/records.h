/* SPDX-License-Identifier: Apache-2.0
 *
 * Records inside a batch: decompression with ceilings, iteration, search by time.
 *
 * Threads: pure. Lifetime: records are spans into the batch (uncompressed) or into the caller's
 * scratch (compressed), valid until the scratch is used again. */
#ifndef SLUICE_WIRE_RECORDS_H
#define SLUICE_WIRE_RECORDS_H

#include "base/buf.h"
#include "wire/batch.h"

/* A batch may grow to this much whatever its compressed size, and beyond that to this many times
 * its compressed size, but never past the scratch's ceiling. */
#define RECORDS_FREE_BYTES (16u << 20)
#define RECORDS_MAX_RATIO 2048u

struct record {
    int64_t offset, timestamp;
    struct span key, value; /* ptr NULL: null */
    int32_t header_count;
    struct span headers; /* encoded; walk with record_header_next */
};

struct record_iter {
    struct span rest;
    struct batch_info batch;
    int32_t left;
    enum sl_err rc; /* why it ended: SL_OK, or SL_EMALFORMED */
};

/* Decompresses (gzip, snappy raw or xerial, lz4 frame, zstd) into scratch, whose ceiling bounds
 * the result; an uncompressed batch is used in place and scratch stays untouched. scratch's old
 * bytes are dropped. SL_ETOO_LARGE above ceiling or ratio; SL_EMALFORMED if it does not
 * decompress. */
MUST_CHECK enum sl_err records_open(struct span batch, struct bytes *scratch,
                                    struct record_iter *ret);
/* Gives false at the end; then it->rc says whether that was the right end. */
bool record_next(struct record_iter *it, struct record *ret);
/* Pops the first header off `headers`; false at the end or if malformed. */
bool record_header_next(struct span *headers, struct span *ret_key, struct span *ret_value);

struct record_position {
    int64_t offset, timestamp;
};
/* First record with timestamp >= at_ms. SL_ENOENT if the batch has none. */
MUST_CHECK enum sl_err batch_find_timestamp(struct span batch, int64_t at_ms, struct bytes *scratch,
                                            struct record_position *ret);
/* The first record that has the batch's largest timestamp. */
MUST_CHECK enum sl_err batch_find_max_timestamp(struct span batch, struct bytes *scratch,
                                                struct record_position *ret);

#endif
