/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch without some of its records: what compaction writes.
 *
 * Threads: pure. */
#ifndef SLUICE_WIRE_REWRITE_H
#define SLUICE_WIRE_REWRITE_H

#include "wire/records.h"

struct batch_rewrite {
    /* filled by the caller */
    bool (*keeps)(void *arg, const struct record *rec); /* asked once for each record, in order */
    void *arg;
    struct bytes *plain, *kept, *out; /* scratch; their ceilings bound the work */
    /* answer */
    struct span batch;     /* the batch as it was when nothing fell out, else in *out */
    int32_t count;         /* records in it; 0: an empty batch that only covers its offsets */
    int64_t max_timestamp; /* of its records; -1: none */
    bool is_changed;
};

/* Keeps base offset, last offset, epochs, producer and sequence, codec and timestamp type, and
 * every byte of the records that stay; the largest timestamp becomes theirs. An empty batch is a
 * header alone, without codec, with the timestamps it had. SL_EMALFORMED, SL_ETOO_LARGE: the
 * records cannot be read. SL_ENOMEM. */
MUST_CHECK enum sl_err batch_rewrite(struct batch_rewrite *w, struct span batch);

#endif
