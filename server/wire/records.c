/* SPDX-License-Identifier: Apache-2.0
 *
 * Records inside a batch. After the 61 bytes of the batch's header come `count` records, compressed
 * as one piece if the attributes name a codec:
 *
 *   length varint | attributes i8 | timestamp delta varlong | offset delta varint
 *   | key length varint (-1 null) key | value length varint (-1 null) value
 *   | header count varint (key length varint, key, value length varint (-1 null), value)*
 *
 * Varints are zigzag. Codecs: gzip (any number of members), snappy (one raw block as librdkafka
 * writes it, or the xerial stream that Java writes: 8 bytes of magic, two versions, then
 * length-prefixed blocks), lz4 (one frame), zstd (any number of frames).
 *
 * The output grows step by step and every step is held against a limit first, so a small batch
 * cannot ask for much memory: 16 MiB are free (a megabyte of zeros compresses a thousandfold and is
 * no attack), beyond that the ratio counts, and the scratch's ceiling bounds everything. zstd is
 * decompressed in one go into a buffer that is doubled when it was too small: its streaming
 * interface would allocate a window of up to 128 MiB, as the peer says. */
#include "wire/records.h"

#include "wire/reader.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define STEP_BYTES 65536u

/* --- decompression --- */

struct sink {
    struct bytes *to;
    size_t limit;
};

static struct sink
sink_open(struct bytes *scratch, size_t compressed_bytes)
{
    bytes_clear(scratch);
    size_t limit = RECORDS_FREE_BYTES + compressed_bytes * RECORDS_MAX_RATIO;
    return (struct sink){scratch, limit < scratch->ceiling ? limit : scratch->ceiling};
}

/* Gives room for up to `want` more bytes, *ret_n of them; NULL at the limit. */
static uint8_t *
sink_room(struct sink *sink, size_t want, size_t *ret_n)
{
    size_t left = sink->limit - sink->to->len;
    size_t n = want < left ? want : left;
    if (n == 0) {
        return NULL;
    }
    *ret_n = n;
    return bytes_grow(sink->to, n);
}

static enum sl_err
gunzip_member(z_stream *z, struct sink *sink)
{
    for (;;) {
        size_t room = 0;
        uint8_t *p =
            sink_room(sink, sink->to->len > STEP_BYTES ? sink->to->len : STEP_BYTES, &room);
        if (p == NULL) {
            return SL_ETOO_LARGE;
        }
        z->next_out = p;
        z->avail_out = (uInt)room;
        int rc = inflate(z, Z_NO_FLUSH);
        sink->to->len -= z->avail_out;
        if (rc == Z_STREAM_END) {
            return SL_OK;
        }
        if (rc != Z_OK || (z->avail_in == 0 && z->avail_out > 0)) {
            return SL_EMALFORMED;
        }
    }
}

static enum sl_err
gunzip(struct span from, struct sink *sink)
{
    z_stream z = {0};
    if (inflateInit2(&z, 15 + 16) != Z_OK) {
        return SL_ENOMEM;
    }
    z.next_in = (Bytef *)(uintptr_t)from.ptr; /* zlib's next_in is const only by convention */
    z.avail_in = (uInt)from.len;
    enum sl_err rc = gunzip_member(&z, sink);
    while (rc == SL_OK && z.avail_in > 0) {
        rc = inflateReset(&z) == Z_OK ? gunzip_member(&z, sink) : SL_EMALFORMED;
    }
    inflateEnd(&z);
    return rc;
}

static enum sl_err
unsnappy_block(struct span from, struct sink *sink)
{
    size_t n = 0;
    if (snappy_uncompressed_length((const char *)from.ptr, from.len, &n) != SNAPPY_OK) {
        return SL_EMALFORMED;
    }
    if (n == 0) {
        return from.len == 1 ? SL_OK : SL_EMALFORMED;
    }
    size_t room = 0;
    uint8_t *p = sink_room(sink, n, &room);
    if (p == NULL || room < n) {
        return SL_ETOO_LARGE;
    }
    size_t got = n;
    if (snappy_uncompress((const char *)from.ptr, from.len, (char *)p, &got) != SNAPPY_OK ||
        got != n) {
        return SL_EMALFORMED;
    }
    return SL_OK;
}

static enum sl_err
unsnappy(struct span from, struct sink *sink)
{
    static const uint8_t xerial_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
    if (from.len < 16 || memcmp(from.ptr, xerial_magic, sizeof(xerial_magic)) != 0) {
        return unsnappy_block(from, sink);
    }
    struct wire_in in;
    wire_in_init(&in, span_of(from.ptr + 16, from.len - 16), false, NULL);
    enum sl_err rc = SL_OK;
    while (rc == SL_OK && wire_remaining(&in) > 0) {
        struct span block = wire_bytes(&in);
        rc = wire_ok(&in) ? unsnappy_block(block, sink) : SL_EMALFORMED;
    }
    return rc;
}

static enum sl_err
unlz4_frame(LZ4F_dctx *ctx, struct span from, struct sink *sink)
{
    size_t at = 0;
    for (;;) {
        size_t room = 0;
        uint8_t *p =
            sink_room(sink, sink->to->len > STEP_BYTES ? sink->to->len : STEP_BYTES, &room);
        if (p == NULL) {
            return SL_ETOO_LARGE;
        }
        size_t wrote = room, took = from.len - at;
        size_t hint = LZ4F_decompress(ctx, p, &wrote, from.ptr + at, &took, NULL);
        sink->to->len -= room - (LZ4F_isError(hint) ? 0 : wrote);
        if (LZ4F_isError(hint)) {
            return SL_EMALFORMED;
        }
        at += took;
        if (hint == 0) {
            return at == from.len ? SL_OK : SL_EMALFORMED;
        }
        if (at == from.len && wrote < room) {
            return SL_EMALFORMED; /* the frame goes on, the bytes do not */
        }
    }
}

static enum sl_err
unlz4(struct span from, struct sink *sink)
{
    LZ4F_dctx *ctx = NULL;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION))) {
        return SL_ENOMEM;
    }
    enum sl_err rc = unlz4_frame(ctx, from, sink);
    LZ4F_freeDecompressionContext(ctx);
    return rc;
}

static enum sl_err
unzstd(struct span from, struct sink *sink)
{
    size_t want = from.len * 4 > STEP_BYTES ? from.len * 4 : STEP_BYTES;
    unsigned long long said = ZSTD_getFrameContentSize(from.ptr, from.len);
    if (said != ZSTD_CONTENTSIZE_UNKNOWN && said != ZSTD_CONTENTSIZE_ERROR && said > want) {
        want = said < sink->limit ? (size_t)said : sink->limit;
    }
    for (;; want *= 2) {
        size_t room = 0;
        bytes_clear(sink->to);
        uint8_t *p = sink_room(sink, want, &room);
        if (p == NULL) {
            return SL_ETOO_LARGE;
        }
        size_t n = ZSTD_decompress(p, room, from.ptr, from.len);
        if (!ZSTD_isError(n)) {
            sink->to->len = n;
            return SL_OK;
        }
        if (ZSTD_getErrorCode(n) != ZSTD_error_dstSize_tooSmall) {
            return SL_EMALFORMED;
        }
        if (room == sink->limit) {
            return SL_ETOO_LARGE;
        }
    }
}

static enum sl_err
decompress(enum batch_codec codec, struct span from, struct bytes *scratch)
{
    struct sink sink = sink_open(scratch, from.len);
    switch (codec) {
    case BATCH_CODEC_GZIP:
        return gunzip(from, &sink);
    case BATCH_CODEC_SNAPPY:
        return unsnappy(from, &sink);
    case BATCH_CODEC_LZ4:
        return unlz4(from, &sink);
    case BATCH_CODEC_ZSTD:
        return unzstd(from, &sink);
    default:
        return SL_EUNSUPPORTED_COMPRESSION;
    }
}

/* --- iteration --- */

enum sl_err
records_open(struct span batch, struct bytes *scratch, struct record_iter *ret)
{
    struct record_iter it = {0};
    enum sl_err rc = batch_info_read(batch, &it.batch);
    if (rc != SL_OK) {
        return rc;
    }
    it.left = it.batch.count;
    it.rest = span_of(batch.ptr + BATCH_HEADER_BYTES, it.batch.size_bytes - BATCH_HEADER_BYTES);
    if (batch_codec_of(&it.batch) != BATCH_CODEC_NONE) {
        rc = decompress(batch_codec_of(&it.batch), it.rest, scratch);
        it.rest = bytes_span(scratch);
    }
    if (rc == SL_OK) {
        *ret = it;
    }
    return rc;
}

/* Length and bytes with a varint length; -1 is null where it may be. */
static struct span
varint_bytes(struct wire_in *in, bool is_nullable)
{
    int32_t n = wire_varint(in);
    if (n < 0) {
        if (n != -1 || !is_nullable) {
            wire_fail(in, SL_EMALFORMED);
        }
        return span_of(NULL, 0);
    }
    const uint8_t *p = wire_take(in, (size_t)n);
    return p == NULL ? span_of(NULL, 0) : span_of(p, (size_t)n);
}

static void
skip_headers(struct wire_in *in, int32_t count)
{
    if (count < 0) {
        wire_fail(in, SL_EMALFORMED);
    }
    for (int32_t i = 0; i < count && wire_ok(in); i++) {
        varint_bytes(in, false);
        varint_bytes(in, true);
    }
}

static enum sl_err
record_parse(struct span body, const struct batch_info *batch, struct record *ret)
{
    struct wire_in in;
    wire_in_init(&in, body, false, NULL);
    struct record rec = {0};
    wire_i8(&in); /* attributes: none is defined */
    int64_t timestamp_delta = wire_varlong(&in);
    int32_t offset_delta = wire_varint(&in);
    rec.key = varint_bytes(&in, true);
    rec.value = varint_bytes(&in, true);
    rec.header_count = wire_varint(&in);
    rec.headers = span_of(in.at, wire_remaining(&in));
    skip_headers(&in, rec.header_count);
    if (wire_in_done(&in) != SL_OK || offset_delta < 0 || offset_delta > batch->last_offset_delta) {
        return SL_EMALFORMED;
    }
    rec.offset = batch->base_offset + offset_delta;
    /* unsigned, because the sum of what a producer wrote may wrap */
    rec.timestamp = batch_is_log_append_time(batch)
                        ? batch->max_timestamp
                        : (int64_t)((uint64_t)batch->base_timestamp + (uint64_t)timestamp_delta);
    *ret = rec;
    return SL_OK;
}

bool
record_next(struct record_iter *it, struct record *ret)
{
    if (it->rc != SL_OK) {
        return false;
    }
    if (it->left <= 0) {
        it->rc = it->rest.len == 0 ? SL_OK : SL_EMALFORMED;
        return false;
    }
    struct wire_in in;
    wire_in_init(&in, it->rest, false, NULL);
    struct span body = varint_bytes(&in, false);
    it->rc = wire_ok(&in) ? record_parse(body, &it->batch, ret) : SL_EMALFORMED;
    it->rest = span_of(in.at, wire_remaining(&in));
    it->left--;
    return it->rc == SL_OK;
}

bool
record_header_next(struct span *headers, struct span *ret_key, struct span *ret_value)
{
    if (headers->len == 0) {
        return false;
    }
    struct wire_in in;
    wire_in_init(&in, *headers, false, NULL);
    struct span key = varint_bytes(&in, false);
    struct span value = varint_bytes(&in, true);
    if (!wire_ok(&in)) {
        return false;
    }
    *headers = span_of(in.at, wire_remaining(&in));
    *ret_key = key;
    *ret_value = value;
    return true;
}

/* --- search --- */

enum sl_err
batch_find_timestamp(struct span batch, int64_t at_ms, struct bytes *scratch,
                     struct record_position *ret)
{
    struct batch_info info;
    enum sl_err rc = batch_info_read(batch, &info);
    if (rc != SL_OK) {
        return rc;
    }
    if (info.max_timestamp < at_ms) {
        return SL_ENOENT; /* not worth decompressing */
    }
    struct record_iter it;
    rc = records_open(batch, scratch, &it);
    if (rc != SL_OK) {
        return rc;
    }
    struct record rec;
    while (record_next(&it, &rec)) {
        if (rec.timestamp >= at_ms) {
            *ret = (struct record_position){rec.offset, rec.timestamp};
            return SL_OK;
        }
    }
    return it.rc == SL_OK ? SL_ENOENT : it.rc;
}

enum sl_err
batch_find_max_timestamp(struct span batch, struct bytes *scratch, struct record_position *ret)
{
    struct record_iter it;
    enum sl_err rc = records_open(batch, scratch, &it);
    if (rc != SL_OK) {
        return rc;
    }
    struct record rec;
    struct record_position best = {-1, INT64_MIN};
    while (record_next(&it, &rec)) {
        if (best.offset < 0 || rec.timestamp > best.timestamp) {
            best = (struct record_position){rec.offset, rec.timestamp};
        }
    }
    if (it.rc != SL_OK) {
        return it.rc;
    }
    if (best.offset < 0) {
        return SL_ENOENT;
    }
    *ret = best;
    return SL_OK;
}
