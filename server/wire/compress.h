/* SPDX-License-Identifier: Apache-2.0
 *
 * The other direction of records.h: compresses the records of a batch that is made anew, so that
 * every client reads it as it read the one it stands for.
 *
 * Threads: pure. */
#ifndef SLUICE_WIRE_COMPRESS_H
#define SLUICE_WIRE_COMPRESS_H

#include "base/buf.h"
#include "wire/batch.h"

/* How the records of one batch are compressed. Snappy comes in two shapes (records.c). */
struct compress_shape {
    enum batch_codec codec;
    bool is_xerial;
};
/* How the records of this batch are. The batch is whole. */
struct compress_shape compress_shape_of(struct span batch);

/* Appends `plain`, compressed. SL_ETOO_LARGE above out's ceiling, SL_ENOMEM when the codec has no
 * memory; out is as it was then. */
MUST_CHECK enum sl_err compress_append(struct compress_shape shape, struct span plain,
                                       struct bytes *out);

#endif
