/* SPDX-License-Identifier: Apache-2.0
 *
 * `.kfs` segments and their `.index`, version 1: the open form of a partition's log.
 *
 * Bytes in, bytes out: knows no store and no journal. The layout is in the essay atop segment.c and
 * in docs/formats.md. A segment is built in one buffer (segment_builder), and read either whole
 * (segment_open, segment_verify) or through its index (segment_index_open, segment_index_seek).
 *
 * Threads: pure. Lifetime: views borrow the bytes they are given. */
#ifndef SLUICE_SEGMENT_SEGMENT_H
#define SLUICE_SEGMENT_SEGMENT_H

#include "base/buf.h"
#include "wire/batch.h"

enum {
    SEGMENT_HEADER_BYTES = 32,
    SEGMENT_FOOTER_BYTES = 16,
    SEGMENT_INDEX_HEADER_BYTES = 16,
    SEGMENT_INDEX_ENTRY_BYTES = 12,
    SEGMENT_INDEX_INTERVAL = 100 /* messages between two index entries, as KafScale writes it */
};
/* Positions are i32. */
#define SEGMENT_BYTES_MAX ((size_t)INT32_MAX)

/* --- writing --- */

struct segment_builder {
    struct buf *object; /* header, then the body so far */
    struct bytes index;
    uint32_t crc; /* of the body so far */
    int64_t base_offset, next_offset, max_timestamp;
    int32_t message_count;
    int32_t since_index;
    uint32_t index_count;
    bool has_gaps; /* compacted: offsets rise, but not one by one */
};

/* Makes room for exactly body_bytes of record batches, the first of which is at base_offset. */
void segment_builder_init(struct segment_builder *b, int64_t base_offset, size_t body_bytes);
/* Appends whole batches with their final offsets; copies. SL_ECORRUPT and err when they do not
 * follow what is there or are not whole; SL_ETOO_LARGE when they do not fit. */
MUST_CHECK enum sl_err segment_builder_add(struct segment_builder *b, struct span batches,
                                           struct sl_error *err);
struct segment_files {
    struct buf *kfs;   /* given */
    struct buf *index; /* given */
    int64_t base_offset, last_offset, max_timestamp;
    int32_t message_count;
};
/* Completes both objects and gives them; the builder is empty then. At least one batch is there. */
void segment_builder_finish(struct segment_builder *b, int64_t created_ms,
                            struct segment_files *ret);
/* Forgets what was built; fine after finish. */
void segment_builder_fini(struct segment_builder *b);

/* --- reading --- */

struct segment_view {
    int64_t base_offset, last_offset, created_ms;
    int32_t message_count;
    uint32_t crc; /* of the body, as the footer says */
    struct span body;
};
/* Reads header and footer of a whole object. SL_EVERSION for a version or flags this program does
 * not know, SL_ECORRUPT otherwise; err names the byte. Does not look into the body. */
MUST_CHECK enum sl_err segment_open(struct span object, struct segment_view *ret,
                                    struct sl_error *err);
/* Checks everything that a segment says about itself: the CRC of the body, each batch (whole, its
 * own CRC, offsets that rise from base and end at last), the count. Offsets one by one unless
 * may_have_gaps (a compacted segment). SL_ECORRUPT; err says which byte, which offset. */
MUST_CHECK enum sl_err segment_verify(const struct segment_view *v, bool may_have_gaps,
                                      struct sl_error *err);

struct segment_index {
    const uint8_t *entries; /* borrowed */
    uint32_t count;
    int32_t interval;
};
/* Checks that it is whole, and that offsets and positions rise. */
MUST_CHECK enum sl_err segment_index_open(struct span object, struct segment_index *ret,
                                          struct sl_error *err);
struct segment_mark {
    int64_t offset;
    uint32_t position; /* from the start of the .kfs */
};
struct segment_mark segment_index_at(const struct segment_index *ix, uint32_t i);
/* Gives the number of the last entry at or below offset (0 when all are above). count > 0. */
uint32_t segment_index_seek(const struct segment_index *ix, int64_t offset);
/* Does every entry stand at a batch of this segment, and is every batch found that should have one?
 */
MUST_CHECK enum sl_err segment_index_verify(const struct segment_index *ix,
                                            const struct segment_view *v, struct sl_error *err);

#endif
