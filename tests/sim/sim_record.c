/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of compacted topics. What a record is follows from the number of its batch and its place
 * in it: few keys, so that most records have later ones; one in six without a value (a tombstone),
 * one in forty without a key. A header at its end names batch and place, because compaction leaves
 * any of them alone. Built and judged by hand, as the batches are (sim_batch.c).
 *
 *     length, attributes, timestamp delta, offset delta, key, value, 1 header: "u" = uid, place */
#include "base/crc32c.h"
#include "sim.h"

enum { HEADER = 61, TAG = 9, ENCODED_MAX = 1 << 20 };

struct sim_record
sim_record_of(uint64_t uid, int32_t i)
{
    const struct sim_batch *b = &sim.batches[uid];
    int keys = sim.parts[b->part].keys;
    struct rng r = {sim.seed * 1000003 + uid * 16 + (uint64_t)i};
    (void)rng_next(&r);
    struct sim_record rec = {.key = (int)rng_below(&r, 1 + rng_below(&r, (uint64_t)keys)),
                             .is_tombstone = rng_chance(&r, 170),
                             .value_len = (uint32_t)rng_below(&r, (uint64_t)b->room + 1),
                             .ts_delta = (int64_t)rng_below(&r, 3000)};
    if (rng_chance(&r, 25)) {
        rec.key = -1;
        rec.is_tombstone = false;
    }
    return rec;
}

/* Zigzag. */
static size_t
put_varint(uint8_t *out, int64_t v)
{
    uint64_t u = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    size_t n = 0;
    for (; u >= 0x80; u >>= 7) {
        out[n++] = (uint8_t)(u | 0x80);
    }
    out[n++] = (uint8_t)u;
    return n;
}

static size_t
put_text(uint8_t *out, const void *text, size_t len)
{
    size_t n = put_varint(out, (int64_t)len);
    memcpy(out + n, text, len);
    return n + len;
}

static size_t
put_body(uint64_t uid, int32_t i, uint8_t *out)
{
    const struct sim_record rec = sim_record_of(uid, i);
    uint8_t tag[TAG];
    char key[16];
    size_t n = 0;
    out[n++] = 0;
    n += put_varint(out + n, rec.ts_delta);
    n += put_varint(out + n, i);
    int len = snprintf(key, sizeof(key), "key-%d", rec.key);
    n += rec.key < 0 ? put_varint(out + n, -1) : put_text(out + n, key, (size_t)len);
    if (rec.is_tombstone) {
        n += put_varint(out + n, -1);
    } else {
        n += put_varint(out + n, (int64_t)rec.value_len);
        memset(out + n, (int)(uid * 7 + (uint64_t)i), rec.value_len);
        n += rec.value_len;
    }
    n += put_varint(out + n, 1);
    n += put_text(out + n, "u", 1);
    put_u64(tag, uid);
    tag[8] = (uint8_t)i;
    return n + put_text(out + n, tag, TAG);
}

/* Gives its length; out may be NULL. */
static size_t
put_record(uint64_t uid, int32_t i, uint8_t *out)
{
    static uint8_t body[ENCODED_MAX];
    uint8_t length[10];
    size_t len = put_body(uid, i, body);
    size_t n = put_varint(length, (int64_t)len);
    if (out != NULL) {
        memcpy(out, length, n);
        memcpy(out + n, body, len);
    }
    return n + len;
}

uint32_t
sim_records_size(uint64_t uid)
{
    size_t size = HEADER;
    for (int32_t i = 0; i < sim.batches[uid].count; i++) {
        size += put_record(uid, i, NULL);
    }
    return (uint32_t)size;
}

int64_t
sim_records_encode(uint64_t uid, uint8_t *out)
{
    int64_t latest = 0;
    for (int32_t i = 0; i < sim.batches[uid].count; i++) {
        int64_t delta = sim_record_of(uid, i).ts_delta;
        out += put_record(uid, i, out);
        latest = delta > latest ? delta : latest;
    }
    return latest;
}

/* --- judged --- */

static bool
take_varint(struct span *in, int64_t *ret)
{
    uint64_t u = 0;
    for (unsigned at = 0; at < 63 && in->len > 0; at += 7) {
        uint8_t byte = in->ptr[0];
        *in = span_of(in->ptr + 1, in->len - 1);
        u |= (uint64_t)(byte & 0x7f) << at;
        if ((byte & 0x80) == 0) {
            *ret = (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
            return true;
        }
    }
    return false;
}

/* One record off the front: byte by byte what the client sent. */
static const char *
judge_record(struct span *rest, struct sim_seen *s)
{
    static uint8_t want[ENCODED_MAX];
    struct span in = *rest;
    int64_t len;
    if (!take_varint(&in, &len) || len < TAG || (uint64_t)len > in.len) {
        return "a record is cut off";
    }
    const uint8_t *end = in.ptr + len;
    uint64_t uid = get_u64(end - TAG);
    int32_t i = end[-1];
    if (uid >= sim.batch_count || i >= sim.batches[uid].count ||
        (s->uid != SIM_UID_NONE && s->uid != uid)) {
        return "no client ever made this record";
    }
    if (s->present >> i != 0) {
        return "records are out of order";
    }
    size_t whole = (size_t)(end - rest->ptr);
    if (put_record(uid, i, want) != whole || memcmp(want, rest->ptr, whole) != 0) {
        return "a record is not what the client sent";
    }
    s->uid = uid;
    s->present |= 1u << i;
    int64_t delta = sim_record_of(uid, i).ts_delta;
    s->latest_delta = delta > s->latest_delta ? delta : s->latest_delta;
    *rest = span_of(end, rest->len - whole);
    return NULL;
}

const char *
sim_records_judge(const uint8_t *p, uint32_t size, struct sim_seen *ret)
{
    struct span rest = span_of(p + HEADER, size - HEADER);
    int32_t count = get_i32(p + 57);
    const char *why = NULL;
    ret->uid = SIM_UID_NONE;
    ret->present = 0;
    ret->latest_delta = -1;
    for (int32_t i = 0; i < count && why == NULL; i++) {
        why = judge_record(&rest, ret);
    }
    if (why == NULL && rest.len > 0) {
        why = "bytes behind the last record";
    }
    return why;
}

/* What compaction hands on: everything but the count, the largest timestamp and how far it reaches.
 */
const char *
sim_records_judge_header(const uint8_t *p, const struct sim_seen *s)
{
    const struct sim_batch *b = &sim.batches[s->uid];
    bool is_append_time = (b->attributes & 8) != 0;
    int64_t latest = is_append_time ? b->max_ts : b->base_ts + s->latest_delta;
    if (get_i64(p + 43) != b->pid || get_i16(p + 51) != b->epoch || get_i32(p + 53) != b->seq ||
        get_i32(p + 23) < b->count - 1) {
        return "header is not what the client sent";
    }
    if (!b->is_in_truth) {
        return NULL;
    }
    if (get_i16(p + 21) != b->attributes || get_i64(p + 27) != b->base_ts) {
        return "attributes or timestamp are not what was committed";
    }
    return s->present == 0 || get_i64(p + 35) == latest
               ? NULL
               : "the largest timestamp is not that of its records";
}
