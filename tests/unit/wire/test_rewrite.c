/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches without some of their records, for every codec: from the real producers' batches of
 * vectors/, and from hand-made ones. */
#include "../unit.h"
#include "base/crc32c.h"
#include "batch_vectors.h"
#include "wire/compress.h"
#include "wire/rewrite.h"

enum { BYTES_MAX = 1 << 20, RECORDS_MAX = 4096 };

struct bench {
    struct bytes plain, kept, out, again;
    struct batch_rewrite w;
    int64_t modulus, rest; /* keeps offsets of this class; modulus 0: none */
};

static bool
keeps(void *arg, const struct record *rec)
{
    const struct bench *b = (const struct bench *)arg;
    return b->modulus > 0 && rec->offset % b->modulus == b->rest;
}

static void
bench_init(struct bench *b, int64_t modulus, int64_t rest)
{
    *b = (struct bench){.modulus = modulus, .rest = rest};
    bytes_init(&b->plain, BYTES_MAX);
    bytes_init(&b->kept, BYTES_MAX);
    bytes_init(&b->out, BYTES_MAX);
    bytes_init(&b->again, BYTES_MAX);
    b->w = (struct batch_rewrite){
        .keeps = keeps, .arg = b, .plain = &b->plain, .kept = &b->kept, .out = &b->out};
}

static void
bench_fini(struct bench *b)
{
    bytes_fini(&b->plain);
    bytes_fini(&b->kept);
    bytes_fini(&b->out);
    bytes_fini(&b->again);
}

static void
each_vector(struct bench *b, void (*check)(struct bench *b, struct span batch))
{
    struct vectors all;
    struct batch_vector vec = {0};
    int seen = 0;
    bytes_init(&vec.batch, BYTES_MAX);
    vectors_open(&all, "batches.txt");
    while (batch_vectors_next(&all, &vec)) {
        check(b, bytes_span(&vec.batch));
        seen++;
    }
    vectors_close(&all);
    bytes_fini(&vec.batch);
    bench_fini(b);
    assert_true(seen > 40);
}

static struct span
spans_copy(struct bytes *to, struct span s)
{
    bytes_clear(to);
    bytes_append(to, s.ptr, s.len);
    return bytes_span(to);
}

static bool
same(struct span a, struct span b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && span_eq(a, b);
}

/* The kept records of the original are exactly those of the new batch, byte for byte. */
static void
expect_same_records(struct bench *b, struct span original, struct span made)
{
    struct bytes scratch;
    struct record_iter old, new;
    struct record x, y;
    int64_t largest = -1;
    bytes_init(&scratch, BYTES_MAX);
    assert_int_equal(records_open(original, &scratch, &old), SL_OK);
    assert_int_equal(records_open(made, &b->again, &new), SL_OK);
    while (record_next(&old, &x)) {
        if (keeps(b, &x)) {
            assert_true(record_next(&new, &y));
            assert_int_equal(y.offset, x.offset);
            assert_int_equal(y.timestamp, x.timestamp);
            assert_true(same(y.key, x.key) && same(y.value, x.value) && same(y.headers, x.headers));
            largest = x.timestamp > largest ? x.timestamp : largest;
        }
    }
    assert_false(record_next(&new, &y));
    assert_int_equal(new.rc, SL_OK);
    assert_int_equal(b->w.max_timestamp, largest);
    bytes_fini(&scratch);
}

static void
check_header(struct bench *b, struct span original)
{
    struct batch_info was, is;
    assert_int_equal(batch_info_read(original, &was), SL_OK);
    assert_int_equal(batch_info_read(b->w.batch, &is), SL_OK);
    assert_true(batch_crc_is_right(b->w.batch));
    assert_int_equal(is.size_bytes, b->w.batch.len);
    assert_int_equal(is.count, b->w.count);
    assert_int_equal(is.base_offset, was.base_offset);
    assert_int_equal(is.last_offset_delta, was.last_offset_delta);
    assert_int_equal(is.base_timestamp, was.base_timestamp);
    assert_int_equal(is.producer_id, was.producer_id);
    assert_int_equal(is.producer_epoch, was.producer_epoch);
    assert_int_equal(is.base_sequence, was.base_sequence);
    assert_int_equal(is.leader_epoch, was.leader_epoch);
}

static void
half_kept(struct bench *b, struct span batch)
{
    assert_int_equal(batch_rewrite(&b->w, batch), SL_OK);
    struct batch_info info;
    assert_int_equal(batch_info_read(batch, &info), SL_OK);
    if (info.count < 2) {
        assert_false(b->w.is_changed);
        return;
    }
    assert_true(b->w.is_changed);
    assert_int_equal(b->w.count, (info.count + 1) / 2);
    struct batch_info made;
    assert_int_equal(batch_info_read(b->w.batch, &made), SL_OK);
    assert_int_equal(batch_codec_of(&made), batch_codec_of(&info));
    struct compress_shape old = compress_shape_of(batch), new = compress_shape_of(b->w.batch);
    assert_true(old.codec == new.codec &&old.is_xerial == new.is_xerial);
    check_header(b, batch);
    expect_same_records(b, batch, b->w.batch);
}

static void
rewrite__every_second_record__batches_of_real_producers(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, 2, 0);
    each_vector(&b, half_kept);
}

static void
all_kept(struct bench *b, struct span batch)
{
    assert_int_equal(batch_rewrite(&b->w, batch), SL_OK);
    assert_false(b->w.is_changed);
    assert_ptr_equal(b->w.batch.ptr, batch.ptr);
    assert_int_equal(b->w.batch.len, batch.len);
}

static void
rewrite__nothing_falls_out__same_bytes(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, 1, 0);
    each_vector(&b, all_kept);
}

static void
none_kept(struct bench *b, struct span batch)
{
    struct batch_info was, is;
    assert_int_equal(batch_rewrite(&b->w, batch), SL_OK);
    assert_true(b->w.is_changed);
    assert_int_equal(b->w.batch.len, BATCH_HEADER_BYTES);
    assert_int_equal(b->w.max_timestamp, -1);
    check_header(b, batch);
    assert_int_equal(batch_info_read(batch, &was), SL_OK);
    assert_int_equal(batch_info_read(b->w.batch, &is), SL_OK);
    assert_int_equal(batch_codec_of(&is), BATCH_CODEC_NONE);
    assert_int_equal(is.max_timestamp, was.max_timestamp);
    /* and again: an empty batch stays as it is */
    struct span empty = spans_copy(&b->again, b->w.batch);
    assert_int_equal(batch_rewrite(&b->w, empty), SL_OK);
    assert_false(b->w.is_changed);
    assert_int_equal(b->w.count, 0);
}

static void
rewrite__everything_falls_out__a_header_that_covers_the_offsets(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, 0, 0);
    each_vector(&b, none_kept);
}

/* --- hand-made --- */

static void
put_varint(struct bytes *out, int64_t v)
{
    uint64_t z = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    for (; z >= 0x80; z >>= 7) {
        bytes_u8(out, (uint8_t)(z | 0x80));
    }
    bytes_u8(out, (uint8_t)z);
}

static void
put_record(struct bytes *out, int i, int64_t timestamp_delta)
{
    uint8_t text[300];
    struct bytes body;
    bytes_init(&body, 1024);
    for (size_t k = 0; k < sizeof(text); k++) {
        text[k] = (uint8_t)((size_t)i * 31 + k * k % 7);
    }
    bytes_u8(&body, 0);
    put_varint(&body, timestamp_delta);
    put_varint(&body, i);
    put_varint(&body, 2);
    bytes_u16(&body, (uint16_t)(i % 50));
    put_varint(&body, i % 9 == 0 ? -1 : (int64_t)sizeof(text));
    bytes_append(&body, text, i % 9 == 0 ? 0 : sizeof(text));
    put_varint(&body, 0);
    put_varint(out, (int64_t)body.len);
    bytes_append(out, body.data, body.len);
    bytes_fini(&body);
}

/* A batch of count records at base, compressed by us. */
static void
make_batch(struct bytes *out, struct compress_shape shape, int64_t base, int count)
{
    struct bytes plain;
    bytes_init(&plain, BYTES_MAX);
    for (int i = 0; i < count; i++) {
        put_record(&plain, i, (int64_t)(i * 37 % 1000));
    }
    bytes_clear(out);
    memset(bytes_grow(out, BATCH_HEADER_BYTES), 0, BATCH_HEADER_BYTES);
    assert_int_equal(compress_append(shape, bytes_span(&plain), out), SL_OK);
    bytes_fini(&plain);
    put_u64(out->data, (uint64_t)base);
    out->data[16] = 2;
    put_u32(out->data + 23, (uint32_t)(count - 1));
    put_u64(out->data + 27, 1000000);
    struct batch_info info = {.size_bytes = (uint32_t)out->len,
                              .attributes = (int16_t)shape.codec,
                              .last_offset_delta = count - 1,
                              .max_timestamp = 1000999,
                              .count = count};
    batch_reseal(out->data, &info);
}

static void
rewrite__large_batches_of_every_codec__records_and_times_are_exact(void **state)
{
    (void)state;
    const struct compress_shape shapes[] = {{BATCH_CODEC_NONE, false},   {BATCH_CODEC_GZIP, false},
                                            {BATCH_CODEC_SNAPPY, false}, {BATCH_CODEC_SNAPPY, true},
                                            {BATCH_CODEC_LZ4, false},    {BATCH_CODEC_ZSTD, false}};
    struct bytes made;
    bytes_init(&made, BYTES_MAX);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        for (int64_t rest = 0; rest < 3; rest++) {
            struct bench b;
            bench_init(&b, 3, rest);
            make_batch(&made, shapes[i], 3000, 900);
            assert_int_equal(batch_rewrite(&b.w, bytes_span(&made)), SL_OK);
            assert_int_equal(b.w.count, 300);
            assert_true(b.w.batch.len < made.len);
            check_header(&b, bytes_span(&made));
            expect_same_records(&b, bytes_span(&made), b.w.batch);
            struct batch_info info;
            assert_int_equal(batch_info_read(b.w.batch, &info), SL_OK);
            assert_int_equal(info.max_timestamp, b.w.max_timestamp);
            bench_fini(&b);
        }
    }
    bytes_fini(&made);
}

static void
rewrite__log_append_time__the_batch_keeps_its_time(void **state)
{
    (void)state;
    struct bytes made;
    struct bench b;
    struct batch_info info;
    bytes_init(&made, BYTES_MAX);
    bench_init(&b, 2, 1);
    make_batch(&made, (struct compress_shape){BATCH_CODEC_ZSTD, false}, 0, 10);
    batch_set_log_append_time(made.data, 77777);
    assert_int_equal(batch_rewrite(&b.w, bytes_span(&made)), SL_OK);
    assert_int_equal(b.w.count, 5);
    assert_int_equal(batch_info_read(b.w.batch, &info), SL_OK);
    assert_int_equal(info.max_timestamp, 77777);
    assert_int_equal(b.w.max_timestamp, 77777);
    assert_true(batch_is_log_append_time(&info));
    bench_fini(&b);
    bytes_fini(&made);
}

static void
rewrite__records_are_rubbish__says_so(void **state)
{
    (void)state;
    struct bytes made;
    struct bench b;
    bytes_init(&made, BYTES_MAX);
    bench_init(&b, 2, 0);
    make_batch(&made, (struct compress_shape){BATCH_CODEC_GZIP, false}, 0, 10);
    memset(made.data + BATCH_HEADER_BYTES, 0x5a, 20);
    assert_int_equal(batch_rewrite(&b.w, bytes_span(&made)), SL_EMALFORMED);
    make_batch(&made, (struct compress_shape){BATCH_CODEC_NONE, false}, 0, 10);
    put_u32(made.data + 57, 11); /* one more than there are */
    assert_int_equal(batch_rewrite(&b.w, bytes_span(&made)), SL_EMALFORMED);
    bench_fini(&b);
    bytes_fini(&made);
}

static void
rewrite__above_a_ceiling__too_large(void **state)
{
    (void)state;
    struct bytes made;
    struct bench b;
    bytes_init(&made, BYTES_MAX);
    bench_init(&b, 2, 0);
    make_batch(&made, (struct compress_shape){BATCH_CODEC_LZ4, false}, 0, 100);
    b.plain.ceiling = 1000;
    assert_int_equal(batch_rewrite(&b.w, bytes_span(&made)), SL_ETOO_LARGE);
    b.plain.ceiling = BYTES_MAX;
    b.kept.ceiling = 1000;
    assert_int_equal(batch_rewrite(&b.w, bytes_span(&made)), SL_ETOO_LARGE);
    b.kept.ceiling = BYTES_MAX;
    b.out.ceiling = 100;
    assert_int_equal(batch_rewrite(&b.w, bytes_span(&made)), SL_ETOO_LARGE);
    bench_fini(&b);
    bytes_fini(&made);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewrite__every_second_record__batches_of_real_producers),
        cmocka_unit_test(rewrite__nothing_falls_out__same_bytes),
        cmocka_unit_test(rewrite__everything_falls_out__a_header_that_covers_the_offsets),
        cmocka_unit_test(rewrite__large_batches_of_every_codec__records_and_times_are_exact),
        cmocka_unit_test(rewrite__log_append_time__the_batch_keeps_its_time),
        cmocka_unit_test(rewrite__records_are_rubbish__says_so),
        cmocka_unit_test(rewrite__above_a_ceiling__too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
