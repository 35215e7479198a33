/* SPDX-License-Identifier: Apache-2.0
 *
 * A record batch, magic 2 (KIP-98), all integers big-endian:
 *
 *    0 base offset        i64   \
 *    8 batch length       i32    | before what the CRC covers: the broker fills base offset and
 *   12 leader epoch       i32    | leader epoch in place, whatever the producer wrote there
 *   16 magic = 2          i8     |
 *   17 crc                u32   /  CRC-32C of byte 21 to the end
 *   21 attributes         i16      0-2 codec, 3 timestamp type, 4 transactional, 5 control,
 *                                  6 delete horizon
 *   23 last offset delta  i32
 *   27 base timestamp     i64
 *   35 max timestamp      i64
 *   43 producer id        i64      -1: none
 *   51 producer epoch     i16
 *   53 base sequence      i32
 *   57 records            i32      how many
 *   61 records, compressed as one piece if a codec is named
 *
 * batch length counts from byte 12, so the whole batch is 12 + length bytes, at least 61.
 *
 * What a producer may send is narrower than what the format can say: base offset 0, offsets dense
 * (last delta = count - 1), no control and no transactional batch, timestamps of type CreateTime,
 * a sequence with every producer id and none without. Records are not looked into here: that would
 * mean decompressing every byte that passes. An uncompressed record takes at least 7 bytes
 * (length, attributes, two deltas, two lengths, header count), which bounds the count from the size
 * alone: a batch may not eat 2^31 offsets with a hundred bytes. */
#include "wire/batch.h"

#include "base/crc32c.h"
#include "wire/records.h"

enum at {
    AT_BASE_OFFSET = 0,
    AT_LENGTH = 8,
    AT_LEADER_EPOCH = 12,
    AT_MAGIC = 16,
    AT_CRC = 17,
    AT_ATTRIBUTES = 21,
    AT_LAST_OFFSET_DELTA = 23,
    AT_BASE_TIMESTAMP = 27,
    AT_MAX_TIMESTAMP = 35,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_BASE_SEQUENCE = 53,
    AT_COUNT = 57,
};

#define MIN_RECORD_BYTES 7u
/* Combining costs 150 ns whatever the length; reading 4 KiB again costs as much. */
#define COMBINE_MIN_BYTES 4096u

int32_t
batch_last_sequence(const struct batch_info *info)
{
    if (info->base_sequence < 0) {
        return -1;
    }
    return (int32_t)(((uint32_t)info->base_sequence + (uint32_t)info->last_offset_delta) &
                     (uint32_t)INT32_MAX);
}

static void
header_get(const uint8_t *p, struct batch_info *ret)
{
    *ret = (struct batch_info){
        .base_offset = get_i64(p + AT_BASE_OFFSET),
        .size_bytes = BATCH_LENGTH_START + get_u32(p + AT_LENGTH),
        .leader_epoch = get_i32(p + AT_LEADER_EPOCH),
        .crc = get_u32(p + AT_CRC),
        .attributes = get_i16(p + AT_ATTRIBUTES),
        .last_offset_delta = get_i32(p + AT_LAST_OFFSET_DELTA),
        .base_timestamp = get_i64(p + AT_BASE_TIMESTAMP),
        .max_timestamp = get_i64(p + AT_MAX_TIMESTAMP),
        .producer_id = get_i64(p + AT_PRODUCER_ID),
        .producer_epoch = get_i16(p + AT_PRODUCER_EPOCH),
        .base_sequence = get_i32(p + AT_BASE_SEQUENCE),
        .count = get_i32(p + AT_COUNT),
    };
}

struct verdict {
    enum sl_err rc;
    const char *why;
};

static const struct verdict sound = {SL_OK, NULL};

static struct verdict
invalid(const char *why)
{
    return (struct verdict){SL_EINVALID_RECORD, why};
}

/* Exactly one batch of magic 2 that is as long as it says. Magic is looked at first: formats 0 and
 * 1 have it at the same place, and their senders should read what is wrong. */
static struct verdict
check_extent(struct span records, const struct batch_limits *limits)
{
    if (records.len == 0) {
        return invalid("no record batch");
    }
    if (records.len <= AT_MAGIC) {
        return (struct verdict){SL_ECORRUPT_BATCH, "record batch is shorter than its header"};
    }
    if (records.ptr[AT_MAGIC] != 2) {
        return invalid("only message format v2 (magic 2) is accepted");
    }
    if (records.len < BATCH_HEADER_BYTES) {
        return (struct verdict){SL_ECORRUPT_BATCH, "record batch is shorter than its header"};
    }
    int32_t length = get_i32(records.ptr + AT_LENGTH);
    if (length < (int32_t)(BATCH_HEADER_BYTES - BATCH_LENGTH_START)) {
        return (struct verdict){SL_ECORRUPT_BATCH, "record batch length is too small"};
    }
    size_t rest = records.len - BATCH_LENGTH_START;
    if ((size_t)length > rest) {
        return (struct verdict){SL_ECORRUPT_BATCH, "record batch is longer than what was sent"};
    }
    if ((size_t)length < rest) {
        return invalid("more than one record batch for a partition");
    }
    if (records.len > limits->max_batch_bytes) {
        return (struct verdict){SL_ETOO_LARGE, "record batch is larger than max.message.bytes"};
    }
    return sound;
}

static struct verdict
check_counts(const struct batch_info *b)
{
    if (b->base_offset != 0) {
        return invalid("base offset of a new record batch must be 0");
    }
    if (b->count <= 0) {
        return invalid("record batch without records");
    }
    if (b->last_offset_delta != b->count - 1) {
        return invalid("record count does not match the last offset delta");
    }
    uint64_t body = b->size_bytes - BATCH_HEADER_BYTES;
    if (batch_codec_of(b) != BATCH_CODEC_NONE) {
        body = RECORDS_FREE_BYTES + body * RECORDS_MAX_RATIO; /* the most it may grow to */
    }
    if ((uint64_t)b->count > body / MIN_RECORD_BYTES) {
        return invalid("record batch is too small for its record count");
    }
    return sound;
}

static struct verdict
check_attributes(const struct batch_info *b, const struct batch_limits *limits)
{
    if ((b->attributes & BATCH_ATTR_CONTROL) != 0) {
        return invalid("a producer may not write control batches");
    }
    if ((b->attributes & BATCH_ATTR_TRANSACTIONAL) != 0) {
        return invalid("transactions are not supported");
    }
    if ((b->attributes & BATCH_ATTR_DELETE_HORIZON) != 0) {
        return invalid("a producer may not set the delete horizon");
    }
    if ((b->attributes & BATCH_ATTR_LOG_APPEND_TIME) != 0) {
        return invalid("a producer may not set the timestamp type to log append time");
    }
    enum batch_codec codec = batch_codec_of(b);
    if (codec > BATCH_CODEC_ZSTD) {
        return (struct verdict){SL_EUNSUPPORTED_COMPRESSION, "unknown compression codec"};
    }
    if (codec == BATCH_CODEC_ZSTD && !limits->is_zstd_allowed) {
        return (struct verdict){SL_EUNSUPPORTED_COMPRESSION, "zstd needs Produce version 7"};
    }
    return sound;
}

static struct verdict
check_producer(const struct batch_info *b)
{
    if (b->producer_id == -1) {
        /* epoch and sequence mean nothing then; some clients leave rubbish there */
        return sound;
    }
    if (b->producer_id < 0 || b->producer_epoch < 0) {
        return invalid("producer id and epoch must both be set");
    }
    if (b->base_sequence < 0) {
        return invalid("a producer id needs a sequence number");
    }
    return sound;
}

static struct verdict
check_all(struct span records, const struct batch_limits *limits, struct batch_info *b)
{
    struct verdict v = check_extent(records, limits);
    if (v.rc != SL_OK) {
        return v;
    }
    header_get(records.ptr, b);
    /* a damaged batch is retried, so damage is told from nonsense before the fields are judged */
    if (!batch_crc_is_right(records)) {
        return (struct verdict){SL_ECORRUPT_BATCH, "record batch checksum (CRC-32C) is wrong"};
    }
    v = check_attributes(b, limits);
    if (v.rc == SL_OK) {
        v = check_counts(b);
    }
    return v.rc == SL_OK ? check_producer(b) : v;
}

enum sl_err
batch_check(struct span records, const struct batch_limits *limits, struct batch_info *ret,
            const char **ret_why)
{
    struct batch_info b;
    struct verdict v = check_all(records, limits, &b);
    if (v.rc == SL_OK) {
        *ret = b;
    } else if (ret_why != NULL) {
        *ret_why = v.why;
    }
    return v.rc;
}

enum sl_err
batch_head_read(const uint8_t head[BATCH_HEADER_BYTES], struct batch_info *ret)
{
    uint32_t length = get_u32(head + AT_LENGTH);
    if (head[AT_MAGIC] != 2 || length < BATCH_HEADER_BYTES - BATCH_LENGTH_START ||
        length > INT32_MAX - BATCH_LENGTH_START) {
        return SL_EMALFORMED;
    }
    header_get(head, ret);
    return SL_OK;
}

enum sl_err
batch_info_read(struct span bytes, struct batch_info *ret)
{
    struct batch_info info;
    if (bytes.len < BATCH_HEADER_BYTES || batch_head_read(bytes.ptr, &info) != SL_OK ||
        info.size_bytes > bytes.len) {
        return SL_EMALFORMED;
    }
    *ret = info;
    return SL_OK;
}

bool
batch_crc_is_right(struct span batch)
{
    return crc32c(0, batch.ptr + BATCH_CRC_START, batch.len - BATCH_CRC_START) ==
           get_u32(batch.ptr + AT_CRC);
}

bool
batch_next(struct span *run, struct batch_info *ret, struct span *ret_batch)
{
    struct batch_info info;
    if (batch_info_read(*run, &info) != SL_OK) {
        return false;
    }
    *ret = info;
    *ret_batch = span_of(run->ptr, info.size_bytes);
    *run = span_of(run->ptr + info.size_bytes, run->len - info.size_bytes);
    return true;
}

void
batch_patch(uint8_t *batch, int64_t base_offset, int32_t leader_epoch)
{
    put_u64(batch + AT_BASE_OFFSET, (uint64_t)base_offset);
    put_u32(batch + AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void
batch_set_log_append_time(uint8_t *batch, int64_t now_ms)
{
    uint16_t attributes = get_u16(batch + AT_ATTRIBUTES);
    put_u16(batch + AT_ATTRIBUTES, attributes | BATCH_ATTR_LOG_APPEND_TIME);
    put_u64(batch + AT_MAX_TIMESTAMP, (uint64_t)now_ms);
    size_t size = BATCH_LENGTH_START + get_u32(batch + AT_LENGTH);
    put_u32(batch + AT_CRC, crc32c(0, batch + BATCH_CRC_START, size - BATCH_CRC_START));
}

void
batch_reseal(uint8_t *batch, const struct batch_info *info)
{
    put_u32(batch + AT_LENGTH, info->size_bytes - BATCH_LENGTH_START);
    put_u16(batch + AT_ATTRIBUTES, (uint16_t)info->attributes);
    put_u32(batch + AT_LAST_OFFSET_DELTA, (uint32_t)info->last_offset_delta);
    put_u64(batch + AT_MAX_TIMESTAMP, (uint64_t)info->max_timestamp);
    put_u32(batch + AT_COUNT, (uint32_t)info->count);
    put_u32(batch + AT_CRC, crc32c(0, batch + BATCH_CRC_START, info->size_bytes - BATCH_CRC_START));
}

uint32_t
batch_crc_of_run(uint32_t crc, struct span run)
{
    struct batch_info info;
    struct span batch;
    while (batch_next(&run, &info, &batch)) {
        if (batch.len < COMBINE_MIN_BYTES) {
            crc = crc32c(crc, batch.ptr, batch.len);
            continue;
        }
        crc = crc32c(crc, batch.ptr, BATCH_CRC_START);
        crc = crc32c_combine(crc, info.crc, info.size_bytes - BATCH_CRC_START);
    }
    return crc32c(crc, run.ptr, run.len); /* nothing, if the run was whole */
}
