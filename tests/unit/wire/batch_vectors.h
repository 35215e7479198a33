/* SPDX-License-Identifier: Apache-2.0
 *
 * Record batches for tests: those of vectors/batches.txt, made by Kafka's own classes and by
 * kafka-python with every codec, and small ones made by hand. */
#ifndef SLUICE_TESTS_WIRE_BATCH_VECTORS_H
#define SLUICE_TESTS_WIRE_BATCH_VECTORS_H

#include "base/crc32c.h"
#include "vectors.h"
#include "wire/batch.h"
#include "wire/records.h"
#include "wire/writer.h"

struct batch_vector {
    char name[32];
    int64_t producer_id;
    int32_t count;
    struct bytes batch;
};

static inline bool
batch_vectors_next(struct vectors *v, struct batch_vector *ret)
{
    if (getline(&v->line, &v->cap, v->file) < 0) {
        return false;
    }
    char *save = NULL;
    snprintf(ret->name, sizeof(ret->name), "%s", strtok_r(v->line, " \n", &save));
    ret->producer_id = strtoll(strtok_r(NULL, " \n", &save), NULL, 10);
    ret->count = (int32_t)strtol(strtok_r(NULL, " \n", &save), NULL, 10);
    hex_parse(strtok_r(NULL, " \n", &save), &ret->batch);
    return true;
}

/* Sets length and CRC of a batch whose other fields are as they should be. */
static inline void
batch_seal(struct bytes *batch)
{
    put_u32(batch->data + 8, (uint32_t)batch->len - 12);
    put_u32(batch->data + 17, crc32c(0, batch->data + 21, batch->len - 21));
}

/* A sound batch around `records`, which were encoded (and compressed) by the caller. */
static inline void
batch_make(struct bytes *out, int16_t attributes, int32_t count, struct span records)
{
    bytes_clear(out);
    bytes_u64(out, 0);          /* base offset */
    bytes_u32(out, 0);          /* length */
    bytes_u32(out, UINT32_MAX); /* leader epoch */
    bytes_u8(out, 2);           /* magic */
    bytes_u32(out, 0);          /* crc */
    bytes_u16(out, (uint16_t)attributes);
    bytes_u32(out, (uint32_t)count - 1);        /* last offset delta */
    bytes_u64(out, 1000);                       /* base timestamp */
    bytes_u64(out, 1000 + (uint64_t)count - 1); /* max timestamp */
    bytes_u64(out, UINT64_MAX);                 /* producer id */
    bytes_u16(out, UINT16_MAX);                 /* producer epoch */
    bytes_u32(out, UINT32_MAX);                 /* base sequence */
    bytes_u32(out, (uint32_t)count);
    bytes_append(out, records.ptr, records.len);
    batch_seal(out);
}

/* Appends one record without headers; its timestamp delta is its offset delta. */
static inline void
record_put(struct bytes *out, int32_t delta, const char *key, const char *value)
{
    struct bytes body;
    bytes_init(&body, 1 << 20);
    struct wire_out w = wire_out_to(&body, false);
    wire_put_i8(&w, 0);
    wire_put_varlong(&w, delta);
    wire_put_varint(&w, delta);
    const char *both[] = {key, value};
    for (size_t i = 0; i < 2; i++) {
        size_t n = both[i] == NULL ? 0 : strlen(both[i]);
        wire_put_varint(&w, both[i] == NULL ? -1 : (int32_t)n);
        bytes_append(&body, both[i], n);
    }
    wire_put_varint(&w, 0); /* headers */
    struct wire_out to = wire_out_to(out, false);
    wire_put_varint(&to, (int32_t)body.len);
    bytes_append(out, body.data, body.len);
    bytes_fini(&body);
}

static inline void
batch_of_values(struct bytes *out, int32_t count)
{
    struct bytes records;
    bytes_init(&records, 1 << 20);
    for (int32_t i = 0; i < count; i++) {
        record_put(&records, i, "k", "some value");
    }
    batch_make(out, 0, count, bytes_span(&records));
    bytes_fini(&records);
}

#endif
