/* SPDX-License-Identifier: Apache-2.0
 *
 * Keyed records on top of roll_world.h: what was appended is remembered, and what is read is judged
 * by it. */
#ifndef SLUICE_TESTS_COMPACT_WORLD_H
#define SLUICE_TESTS_COMPACT_WORLD_H

#include "partition/lookup.h"
#include "roll_world.h"
#include "wire/compress.h"
#include "wire/records.h"

enum { MODEL_MAX = 20000, VALUE_BYTES = 60 };

struct model_record {
    int key;
    int64_t timestamp;
    bool is_tombstone;
    bool is_seen; /* read_log's */
};
static struct {
    struct model_record log[MODEL_MAX]; /* by offset, of partition 0 */
    int64_t end;
    int64_t timestamp; /* of the batches that follow; 0: the time now */
    int64_t lie_ms;    /* ... and how far ahead of it their headers are */
    bool is_backwards; /* of their records the first is the youngest, and two are as old */
} model;

/* A millisecond apart. */
static inline int64_t
time_delta(int i, int count)
{
    return model.is_backwards ? (count - 1 - i) / 2 : i;
}

static inline void
put_varint(struct bytes *out, int64_t v)
{
    uint64_t z = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    for (; z >= 0x80; z >>= 7) {
        bytes_u8(out, (uint8_t)(z | 0x80));
    }
    bytes_u8(out, (uint8_t)z);
}

/* The value is filler that follows from the offset. */
static inline void
value_of(int64_t offset, uint8_t value[VALUE_BYTES])
{
    for (size_t i = 0; i < VALUE_BYTES; i++) {
        value[i] = (uint8_t)((size_t)offset * 17 + i * 5 + i * i);
    }
}

static inline void
put_record(struct bytes *out, int i, int count, const struct model_record *rec)
{
    struct bytes body;
    uint8_t value[VALUE_BYTES];
    char key[16];
    int key_len = snprintf(key, sizeof(key), "k%d", rec->key);
    bytes_init(&body, 1024);
    bytes_u8(&body, 0);
    put_varint(&body, time_delta(i, count));
    put_varint(&body, i);
    put_varint(&body, key_len);
    bytes_append(&body, key, (size_t)key_len);
    value_of(rec - model.log, value);
    put_varint(&body, rec->is_tombstone ? -1 : VALUE_BYTES);
    bytes_append(&body, value, rec->is_tombstone ? 0 : VALUE_BYTES);
    put_varint(&body, 0);
    put_varint(out, (int64_t)body.len);
    bytes_append(out, body.data, body.len);
    bytes_fini(&body);
}

/* A batch of these records, an entry of its own. batch is scratch. */
static inline void
append_plain(size_t broker, struct span plain, int count, enum batch_codec codec,
             struct bytes *batch)
{
    int64_t now = model.timestamp != 0 ? model.timestamp : sched_wall_ms(&w.loop.pub);
    memset(bytes_grow(batch, BATCH_HEADER_BYTES), 0, BATCH_HEADER_BYTES);
    const struct compress_shape shape = {codec, false};
    assert_int_equal(compress_append(shape, plain, batch), SL_OK);
    batch->data[16] = 2;
    put_u32(batch->data + 23, (uint32_t)(count - 1));
    put_u64(batch->data + 27, (uint64_t)now);
    put_u64(batch->data + 43, UINT64_MAX);
    put_u16(batch->data + 51, UINT16_MAX);
    put_u32(batch->data + 53, UINT32_MAX);
    struct batch_info info = {
        .size_bytes = (uint32_t)batch->len,
        .attributes = (int16_t)codec,
        .last_offset_delta = count - 1,
        .max_timestamp = now + time_delta(model.is_backwards ? 0 : count - 1, count) + model.lie_ms,
        .count = count};
    batch_reseal(batch->data, &info);
    struct append a = {.topic_id = w.topic,
                       .batch = bytes_span(batch),
                       .deadline_ns = w.loop.now_ns + SCHED_S,
                       .done = append_ended,
                       .arg = &a};
    assert_int_equal(batch_info_read(a.batch, &a.info), SL_OK);
    append_submit(w.brokers[broker].shard, &a);
    run_ms(10);
    assert_null(a.arg);
    assert_int_equal(a.base_offset, model.end);
    model.end += count;
}

/* keys[i]: >= 0 a value for that key, < 0 a tombstone for ~keys[i]. One batch, one entry. */
static inline void
append_keyed(size_t broker, const int *keys, int count, enum batch_codec codec)
{
    struct bytes plain, batch;
    int64_t now = model.timestamp != 0 ? model.timestamp : sched_wall_ms(&w.loop.pub);
    bytes_init(&plain, 1 << 20);
    bytes_init(&batch, 1 << 20);
    for (int i = 0; i < count; i++) {
        struct model_record *rec = &model.log[model.end + i];
        *rec = (struct model_record){.key = keys[i] < 0 ? ~keys[i] : keys[i],
                                     .timestamp = now + time_delta(i, count),
                                     .is_tombstone = keys[i] < 0};
        put_record(&plain, i, count, rec);
    }
    append_plain(broker, bytes_span(&plain), count, codec, &batch);
    bytes_fini(&plain);
    bytes_fini(&batch);
}

/* One record of key k1 and so many zeroes, which compress well; a batch of its own. */
static inline void
append_large(size_t broker, size_t value_bytes)
{
    struct bytes body, plain, batch;
    bytes_init(&body, 1 << 20);
    bytes_init(&plain, 1 << 20);
    bytes_init(&batch, 1 << 20);
    (void)bytes_grow(&body, 3); /* attributes and two deltas */
    memset(body.data, 0, 3);
    put_varint(&body, 2);
    bytes_append(&body, "k1", 2);
    put_varint(&body, (int64_t)value_bytes);
    memset(bytes_grow(&body, value_bytes), 0, value_bytes);
    put_varint(&body, 0);
    put_varint(&plain, (int64_t)body.len);
    bytes_append(&plain, body.data, body.len);
    model.log[model.end] = (struct model_record){.key = 1};
    append_plain(broker, bytes_span(&plain), 1, BATCH_CODEC_ZSTD, &batch);
    bytes_fini(&body);
    bytes_fini(&plain);
    bytes_fini(&batch);
}

/* count batches of ten records, of keys from a range. */
static inline void
append_many(size_t broker, int count, int keys)
{
    for (int i = 0; i < count; i++) {
        int row[10];
        for (int k = 0; k < 10; k++) {
            int key = (int)(sched_random(&w.loop.pub) % (uint64_t)keys);
            row[k] = sched_random(&w.loop.pub) % 10 == 0 ? ~key : key;
        }
        append_keyed(broker, row, 10, (enum batch_codec)(sched_random(&w.loop.pub) % 5));
    }
}

/* --- reading --- */

static inline void
record_seen(const struct record *rec)
{
    uint8_t value[VALUE_BYTES];
    char key[16];
    assert_in_range(rec->offset, 0, model.end - 1);
    struct model_record *m = &model.log[rec->offset];
    (void)snprintf(key, sizeof(key), "k%d", m->key);
    value_of(rec->offset, value);
    assert_true(span_eq(rec->key, span_cstr(key)));
    assert_int_equal(rec->timestamp, m->timestamp);
    assert_int_equal(rec->value.ptr == NULL, m->is_tombstone);
    assert_true(m->is_tombstone || span_eq(rec->value, span_of(value, VALUE_BYTES)));
    assert_false(m->is_seen);
    m->is_seen = true;
}

static inline void
read_ended(struct part_read *r)
{
    r->arg = NULL;
}

/* Gives where the next read goes on. */
static inline int64_t
read_once(size_t broker, int64_t offset, size_t max_bytes)
{
    struct part_read r = {.topic_id = w.topic,
                          .offset = offset,
                          .max_bytes = max_bytes,
                          .is_at_least_one = true,
                          .done = read_ended,
                          .arg = &r};
    struct bytes all, scratch;
    part_read_submit(w.brokers[broker].shard, &r);
    while (r.arg != NULL) {
        run_ms(1);
    }
    assert_int_equal(r.rc, SL_OK);
    bytes_init(&all, 16 << 20);
    bytes_init(&scratch, 1 << 20);
    for (size_t i = 0; i < r.piece_count; i++) {
        bytes_append(&all, r.pieces[i].bytes.ptr, r.pieces[i].bytes.len);
    }
    part_read_fini(&r);
    struct span rest = bytes_span(&all), batch;
    struct batch_info info;
    while (batch_next(&rest, &info, &batch)) {
        struct record_iter it;
        struct record rec;
        assert_true(batch_last_offset(&info) >= offset);
        offset = batch_last_offset(&info) + 1;
        assert_int_equal(records_open(batch, &scratch, &it), SL_OK);
        while (record_next(&it, &rec)) {
            record_seen(&rec);
        }
        assert_int_equal(it.rc, SL_OK);
    }
    assert_int_equal(rest.len, 0);
    bytes_fini(&all);
    bytes_fini(&scratch);
    return offset;
}

static inline void
read_log(size_t broker)
{
    for (int64_t i = 0; i < model.end; i++) {
        model.log[i].is_seen = false;
    }
    const struct part_state *p = part_at(broker, 0);
    assert_int_equal(p->end, model.end);
    for (int64_t at = p->start; at < model.end;) {
        int64_t next = read_once(broker, at, 3000);
        assert_true(next > at); /* nobody is ever stuck */
        at = next;
    }
}

static inline int64_t
latest_of(int key)
{
    for (int64_t i = model.end - 1; i >= 0; i--) {
        if (model.log[i].key == key) {
            return i;
        }
    }
    return -1;
}

static inline int64_t
clean_end(size_t broker)
{
    const struct part_state *p = part_at(broker, 0);
    int64_t end = 0;
    for (size_t i = 0; i < part_segment_count(p) && part_segment(p, i)->gen > 0; i++) {
        end = part_segment(p, i)->last + 1;
    }
    return end;
}

/* What must hold of a compacted log at any time: the latest record of each key is there, but for
 * tombstones; a key whose tombstone is gone has no older record; nothing twice where it is clean.
 */
static inline void
judge_log(size_t broker, int keys)
{
    int64_t clean = clean_end(broker), start = part_at(broker, 0)->start;
    read_log(broker);
    for (int key = 0; key < keys; key++) {
        int64_t last = latest_of(key);
        int in_clean = 0;
        bool is_gone = last >= start && !model.log[last].is_seen;
        assert_true(!is_gone || model.log[last].is_tombstone);
        for (int64_t i = start; i < model.end; i++) {
            bool is_here = model.log[i].key == key && model.log[i].is_seen;
            assert_false(is_here && is_gone);
            in_clean += is_here && i < clean ? 1 : 0;
        }
        assert_in_range(in_clean, 0, 1);
    }
}

static inline size_t
seen_count(void)
{
    size_t n = 0;
    for (int64_t i = 0; i < model.end; i++) {
        n += model.log[i].is_seen ? 1 : 0;
    }
    return n;
}

/* The objects of S's segments are sound, and what S says of them is right. */
static inline void
judge_segments(size_t broker)
{
    const struct part_state *p = part_at(broker, 0);
    for (size_t i = 0; i < part_segment_count(p); i++) {
        struct sl_error err = SL_ERROR_INIT;
        struct segment_view v;
        struct segment_index ix;
        char tail[32] = "";
        const struct segment_ref *s = part_segment(p, i);
        if (s->bytes == 0) { /* nothing is left of it; something must follow */
            assert_true(s->gen > 0 && s->slice_count == 0 && s->record_count == 0);
            assert_true(s->last + 1 < p->end);
            continue;
        }
        if (s->gen > 0) {
            (void)snprintf(tail, sizeof(tail), "-%u", s->gen);
        }
        char name[64];
        (void)snprintf(name, sizeof(name), "%s.kfs", tail);
        struct span kfs = object(key_of(0, s->base, name));
        (void)snprintf(name, sizeof(name), "%s.index", tail);
        struct span index = object(key_of(0, s->base, name));
        assert_int_equal(kfs.len, s->bytes);
        assert_int_equal(segment_open(kfs, &v, &err), SL_OK);
        assert_int_equal(segment_verify(&v, s->gen > 0, &err), SL_OK);
        assert_int_equal(v.base_offset, s->base);
        assert_int_equal(v.last_offset, s->last);
        assert_int_equal(v.message_count, s->record_count);
        assert_int_equal(v.crc, s->body_crc);
        assert_int_equal(segment_index_open(index, &ix, &err), SL_OK);
        assert_int_equal(segment_index_verify(&ix, &v, &err), SL_OK);
    }
}

static inline size_t
objects_of_partition(void)
{
    size_t n = 0;
    for (size_t i = 0; i < w.memory.count; i++) {
        n += strncmp(w.memory.objects[i].key, "default/t~7/0/", 14) == 0 ? 1 : 0;
    }
    return n;
}

static inline int
compact_setup(void **state)
{
    memset(&model, 0, sizeof(model));
    (void)world_setup(state);
    broker_stop(0);
    w.roll.age_ms = 2000;
    w.roll.retention_interval_ms = 5000;
    w.roll.cleaner_backoff_ms = 1000;
    w.roll.dedupe_bytes = 1 << 20;
    w.policy = (struct part_policy){.is_compacted = true,
                                    .segment_ms = -1,
                                    .retention_ms = -1,
                                    .retention_bytes = -1,
                                    .delete_retention_ms = 86400000,
                                    .max_compaction_lag_ms = INT64_MAX,
                                    .dirty_ratio_pm = 10};
    broker_start(0);
    return 0;
}

#endif
