/* SPDX-License-Identifier: Apache-2.0
 *
 * Compresses what records.c decompresses. Fast settings: who calls this is compaction, on a loop.
 *
 * Each codec is written the way that the pickiest client reads it: lz4 as one frame of independent
 * blocks (Java refuses dependent ones), snappy in the shape that the producer used, gzip as one
 * member, zstd as one frame. */
#include "wire/compress.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

enum { XERIAL_HEAD = 16, XERIAL_BLOCK = 32 << 10, GZIP_LEVEL = 1, GZIP_BITS = 15 + 16 };
static const uint8_t xerial_head[XERIAL_HEAD] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                                 0,    0,   0,   1,   0,   0,   0,   1};

struct compress_shape
compress_shape_of(struct span batch)
{
    struct batch_info info;
    if (batch_info_read(batch, &info) != SL_OK) {
        return (struct compress_shape){BATCH_CODEC_NONE, false};
    }
    struct compress_shape shape = {batch_codec_of(&info), false};
    struct span body = span_of(batch.ptr + BATCH_HEADER_BYTES, batch.len - BATCH_HEADER_BYTES);
    shape.is_xerial = shape.codec == BATCH_CODEC_SNAPPY && body.len >= XERIAL_HEAD &&
                      memcmp(body.ptr, xerial_head, 8) == 0;
    return shape;
}

static enum sl_err
append_gzip(struct span plain, struct bytes *out)
{
    z_stream z = {0};
    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return SL_ENOMEM;
    }
    size_t bound = deflateBound(&z, (uLong)plain.len);
    uint8_t *p = bytes_grow(out, bound);
    if (p != NULL) {
        z.next_in = (Bytef *)(uintptr_t)plain.ptr; /* zlib's next_in is const only by convention */
        z.avail_in = (uInt)plain.len;
        z.next_out = p;
        z.avail_out = (uInt)bound;
        (void)deflate(&z, Z_FINISH); /* there is room for all of it */
        out->len -= z.avail_out;
    }
    deflateEnd(&z);
    return p == NULL ? SL_ETOO_LARGE : SL_OK;
}

static enum sl_err
append_snappy_block(struct span plain, struct bytes *out)
{
    size_t n = snappy_max_compressed_length(plain.len);
    uint8_t *p = bytes_grow(out, n);
    if (p == NULL) {
        return SL_ETOO_LARGE;
    }
    size_t got = n;
    if (snappy_compress((const char *)plain.ptr, plain.len, (char *)p, &got) != SNAPPY_OK) {
        return SL_ENOMEM;
    }
    out->len -= n - got;
    return SL_OK;
}

static enum sl_err
append_xerial(struct span plain, struct bytes *out)
{
    enum sl_err rc = SL_OK;
    bytes_append(out, xerial_head, sizeof(xerial_head));
    for (size_t at = 0; at < plain.len && rc == SL_OK; at += XERIAL_BLOCK) {
        size_t n = plain.len - at < XERIAL_BLOCK ? plain.len - at : XERIAL_BLOCK;
        size_t length_at = out->len;
        bytes_u32(out, 0);
        rc = append_snappy_block(span_of(plain.ptr + at, n), out);
        if (rc == SL_OK) {
            put_u32(out->data + length_at, (uint32_t)(out->len - length_at - 4));
        }
    }
    return rc == SL_OK && out->is_overflown ? SL_ETOO_LARGE : rc;
}

static enum sl_err
append_lz4(struct span plain, struct bytes *out)
{
    const LZ4F_preferences_t prefs = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent}};
    size_t bound = LZ4F_compressFrameBound(plain.len, &prefs);
    uint8_t *p = bytes_grow(out, bound);
    if (p == NULL) {
        return SL_ETOO_LARGE;
    }
    size_t n = LZ4F_compressFrame(p, bound, plain.ptr, plain.len, &prefs);
    if (LZ4F_isError(n)) {
        return SL_ENOMEM;
    }
    out->len -= bound - n;
    return SL_OK;
}

static enum sl_err
append_zstd(struct span plain, struct bytes *out)
{
    size_t bound = ZSTD_compressBound(plain.len);
    uint8_t *p = bytes_grow(out, bound);
    if (p == NULL) {
        return SL_ETOO_LARGE;
    }
    size_t n = ZSTD_compress(p, bound, plain.ptr, plain.len, 1);
    if (ZSTD_isError(n)) {
        return SL_ENOMEM;
    }
    out->len -= bound - n;
    return SL_OK;
}

static enum sl_err
append(struct compress_shape shape, struct span plain, struct bytes *out)
{
    switch (shape.codec) {
    case BATCH_CODEC_NONE:
        bytes_append(out, plain.ptr, plain.len);
        return out->is_overflown ? SL_ETOO_LARGE : SL_OK;
    case BATCH_CODEC_GZIP:
        return append_gzip(plain, out);
    case BATCH_CODEC_SNAPPY:
        return shape.is_xerial ? append_xerial(plain, out) : append_snappy_block(plain, out);
    case BATCH_CODEC_LZ4:
        return append_lz4(plain, out);
    case BATCH_CODEC_ZSTD:
        return append_zstd(plain, out);
    }
    return SL_EUNSUPPORTED_COMPRESSION;
}

enum sl_err
compress_append(struct compress_shape shape, struct span plain, struct bytes *out)
{
    size_t before = out->len;
    enum sl_err rc = append(shape, plain, out);
    if (rc != SL_OK) {
        out->len = before;
    }
    return rc;
}
