/* SPDX-License-Identifier: Apache-2.0
 *
 * Record batches, magic 2: the unit that producers send, the journal commits and fetches return.
 *
 * Layout and rules are in the essay at the top of batch.c; records inside a batch are records.h's.
 * Threads: pure. Lifetime: everything borrows the bytes it is given. */
#ifndef SLUICE_WIRE_BATCH_H
#define SLUICE_WIRE_BATCH_H

#include "base/err.h"
#include "base/span.h"

#define BATCH_HEADER_BYTES 61u
/* Bytes before what the batch's own CRC covers: base offset, length, leader epoch, magic, crc. */
#define BATCH_CRC_START 21u
/* The length field counts from behind itself. */
#define BATCH_LENGTH_START 12u

enum batch_codec {
    BATCH_CODEC_NONE = 0,
    BATCH_CODEC_GZIP = 1,
    BATCH_CODEC_SNAPPY = 2,
    BATCH_CODEC_LZ4 = 3,
    BATCH_CODEC_ZSTD = 4,
};

enum batch_attribute {
    BATCH_ATTR_CODEC = 0x07,
    BATCH_ATTR_LOG_APPEND_TIME = 0x08,
    BATCH_ATTR_TRANSACTIONAL = 0x10,
    BATCH_ATTR_CONTROL = 0x20,
    BATCH_ATTR_DELETE_HORIZON = 0x40,
};

/* The header of one batch, in host form. */
struct batch_info {
    int64_t base_offset;
    uint32_t size_bytes; /* the whole batch, head included */
    int32_t leader_epoch;
    uint32_t crc; /* as stored: CRC-32C of byte 21 to the end */
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp, max_timestamp;
    int64_t producer_id; /* -1: not idempotent */
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t count;
};

static inline enum batch_codec
batch_codec_of(const struct batch_info *info)
{
    return (enum batch_codec)(info->attributes & BATCH_ATTR_CODEC);
}
static inline bool
batch_is_log_append_time(const struct batch_info *info)
{
    return (info->attributes & BATCH_ATTR_LOG_APPEND_TIME) != 0;
}
static inline int64_t
batch_last_offset(const struct batch_info *info)
{
    return info->base_offset + info->last_offset_delta;
}
/* May it stand where next_offset comes next? Where compaction left gaps, at or above that. */
static inline bool
batch_follows(const struct batch_info *info, int64_t next_offset, bool may_have_gaps)
{
    bool is_there =
        may_have_gaps ? info->base_offset >= next_offset : info->base_offset == next_offset;
    return is_there && info->last_offset_delta >= 0 && info->count >= 0;
}
/* Last sequence number of an idempotent batch; wraps at 2^31-1 to 0. */
int32_t batch_last_sequence(const struct batch_info *info);

struct batch_limits {
    uint32_t max_batch_bytes; /* max.message.bytes of the topic */
    bool is_zstd_allowed;     /* Produce >= 7 */
};

/* Judges what a producer sent for one partition: exactly one batch, magic 2, every header field
 * (kafka.md 11-15), CRC-32C over the bytes. Does not decompress. On failure *ret is untouched and
 * *ret_why (may be NULL) is a constant sentence for the client:
 *   SL_EINVALID_RECORD          not exactly one sound batch
 *   SL_ECORRUPT_BATCH           checksum, or a length that does not match (clients retry)
 *   SL_ETOO_LARGE               above max_batch_bytes
 *   SL_EUNSUPPORTED_COMPRESSION unknown codec, or zstd where it is not allowed */
MUST_CHECK enum sl_err batch_check(struct span records, const struct batch_limits *limits,
                                   struct batch_info *ret, const char **ret_why);

/* Reads the header of the batch that starts at bytes.ptr, for bytes that were checked when they
 * were committed: only lengths and magic are verified. SL_EMALFORMED if the batch is not whole. */
MUST_CHECK enum sl_err batch_info_read(struct span bytes, struct batch_info *ret);
/* The same when only the first BATCH_HEADER_BYTES are here: that the rest is there is not checked.
 */
MUST_CHECK enum sl_err batch_head_read(const uint8_t head[BATCH_HEADER_BYTES],
                                       struct batch_info *ret);
/* Compares the stored CRC with the bytes. The batch must be whole. */
bool batch_crc_is_right(struct span batch);

/* Walks whole batches of a run. Gives false at the end, or where the next batch is not whole or
 * not sound: then run->len > 0 is left. */
bool batch_next(struct span *run, struct batch_info *ret, struct span *ret_batch);

/* Base offset and leader epoch lie before what the CRC covers: patched in place. */
void batch_patch(uint8_t *batch, int64_t base_offset, int32_t leader_epoch);
/* Sets timestamp type and max timestamp and recomputes the CRC, in place. The batch is whole. */
void batch_set_log_append_time(uint8_t *batch, int64_t now_ms);
/* Writes size, attributes, last offset delta, largest timestamp and count of info into a whole
 * batch that was changed, and recomputes the CRC, in place. */
void batch_reseal(uint8_t *batch, const struct batch_info *info);

/* CRC-32C of all bytes of a run of whole batches, continued from crc, without reading large batches
 * again: their stored CRC is combined with the 21 bytes before it. The stored CRCs must have been
 * checked. Gives the same as crc32c(crc, run.ptr, run.len). */
uint32_t batch_crc_of_run(uint32_t crc, struct span run);

#endif
