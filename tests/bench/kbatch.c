/* SPDX-License-Identifier: Apache-2.0 */
#include "kbatch.h"

#include "base/crc32c.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define HEADER_BYTES 61
/* A record without key and headers, besides its value: four varints and four single bytes. */
#define RECORD_OVERHEAD_MAX 32

static void *
must_alloc(size_t n)
{
    void *p = malloc(n);

    if (p == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return p;
}

static void
be(uint8_t *p, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--) {
        *p++ = (uint8_t)(value >> (8 * i));
    }
}

static uint8_t *
varint(uint8_t *p, int64_t n)
{
    uint64_t z = ((uint64_t)n << 1) ^ (uint64_t)(n >> 63);

    for (; z >= 0x80; z >>= 7) {
        *p++ = (uint8_t)(z | 0x80);
    }
    *p++ = (uint8_t)z;
    return p;
}

static uint8_t *
put_record(uint8_t *p, const struct kbatch_plan *plan, int index)
{
    uint8_t head[RECORD_OVERHEAD_MAX], *h = head;
    size_t head_len;

    *h++ = 0;                                 /* attributes */
    h = varint(h, 0);                         /* timestamp delta */
    h = varint(h, index);                     /* offset delta */
    h = varint(h, -1);                        /* null key */
    h = varint(h, (int64_t)plan->value_size); /* value */
    head_len = (size_t)(h - head);
    p = varint(p, (int64_t)(head_len + plan->value_size + 1));
    memcpy(p, head, head_len);
    p += head_len;
    memcpy(p, plan->values + (size_t)index * plan->value_size, plan->value_size);
    p += plan->value_size;
    *p++ = 0; /* no headers */
    return p;
}

static size_t
gzip(const uint8_t *src, size_t n, uint8_t *dst, size_t max)
{
    z_stream z;
    int rc;

    memset(&z, 0, sizeof z);
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return 0;
    }
    z.next_in = (Bytef *)(uintptr_t)src;
    z.avail_in = (uInt)n;
    z.next_out = dst;
    z.avail_out = (uInt)max;
    rc = deflate(&z, Z_FINISH);
    deflateEnd(&z);
    return rc == Z_STREAM_END ? max - z.avail_out : 0;
}

/* Compressed size, 0 on failure. */
static size_t
compress_records(enum kbatch_codec codec, const uint8_t *src, size_t n, uint8_t *dst, size_t max)
{
    /* Kafka's own decoder insists on independent blocks. */
    LZ4F_preferences_t lz4 = {.frameInfo = {.blockMode = LZ4F_blockIndependent}};
    size_t len = max;

    switch (codec) {
    case KBATCH_GZIP:
        return gzip(src, n, dst, max);
    case KBATCH_SNAPPY:
        return snappy_compress((const char *)src, n, (char *)dst, &len) == SNAPPY_OK ? len : 0;
    case KBATCH_LZ4:
        len = LZ4F_compressFrame(dst, max, src, n, &lz4);
        return LZ4F_isError(len) ? 0 : len;
    case KBATCH_ZSTD:
        len = ZSTD_compress(dst, max, src, n, 3);
        return ZSTD_isError(len) ? 0 : len;
    case KBATCH_NONE:
    default:
        memcpy(dst, src, n);
        return n;
    }
}

static void
put_header(uint8_t *b, const struct kbatch_plan *plan, size_t len)
{
    be(b, 0, 8); /* base offset */
    be(b + 8, len - 12, 4);
    be(b + 12, UINT32_MAX, 4); /* leader epoch */
    b[16] = 2;                 /* magic */
    be(b + 21, (uint64_t)plan->codec, 2);
    be(b + 23, (uint64_t)plan->records - 1, 4);
    be(b + 27, (uint64_t)plan->timestamp_ms, 8);
    be(b + 35, (uint64_t)plan->timestamp_ms, 8);
    be(b + 43, UINT64_MAX, 8); /* no producer id */
    be(b + 51, UINT16_MAX, 2);
    be(b + 53, UINT32_MAX, 4);
    be(b + 57, (uint64_t)plan->records, 4);
    be(b + 17, crc32c(0, b + 21, len - 21), 4);
}

uint8_t *
kbatch_build(const struct kbatch_plan *plan, size_t *ret_len)
{
    size_t plain_max = (size_t)plan->records * (plan->value_size + RECORD_OVERHEAD_MAX);
    size_t packed_max = plain_max + plain_max / 4 + 65536, packed;
    uint8_t *plain = must_alloc(plain_max), *batch = must_alloc(HEADER_BYTES + packed_max);
    uint8_t *p = plain;

    for (int i = 0; i < plan->records; i++) {
        p = put_record(p, plan, i);
    }
    packed =
        compress_records(plan->codec, plain, (size_t)(p - plain), batch + HEADER_BYTES, packed_max);
    free(plain);
    if (packed == 0) {
        fprintf(stderr, "cannot compress\n");
        exit(1);
    }
    *ret_len = HEADER_BYTES + packed;
    put_header(batch, plan, *ret_len);
    return batch;
}

int
kbatch_codec_of(const char *name)
{
    static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};

    for (int i = 0; i < 5; i++) {
        if (strcmp(name, names[i]) == 0) {
            return i;
        }
    }
    return -1;
}
