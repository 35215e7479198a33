/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "batch_vectors.h"

#include <zlib.h>
#include <zstd.h>

static void
make_text(struct bytes *out, const char *head, int repeat, int number)
{
    bytes_clear(out);
    for (int i = 0; i < repeat; i++) {
        bytes_append(out, head, strlen(head));
    }
    char digits[16];
    snprintf(digits, sizeof(digits), "%d", number);
    bytes_append(out, digits, strlen(digits));
}

/* What MakeBatchVectors.java and make_batch_vectors.py put into record i. */
static void
check_headers(const struct record *rec, int i, struct bytes *text)
{
    struct span rest = rec->headers, key, value;
    assert_int_equal(rec->header_count, i % 4);
    for (int k = 0; k < i % 4; k++) {
        assert_true(record_header_next(&rest, &key, &value));
        make_text(text, "h", 1, k);
        assert_true(span_eq(key, bytes_span(text)));
        make_text(text, "x", 1, i);
        assert_true(k % 2 == 0 ? span_eq(value, bytes_span(text)) : value.ptr == NULL);
    }
    assert_false(record_header_next(&rest, &key, &value));
    assert_int_equal(rest.len, 0);
}

static void
check_record(const struct record *rec, int i)
{
    struct bytes text;
    bytes_init(&text, 4096);
    assert_int_equal(rec->offset, i);
    assert_int_equal(rec->timestamp, 1700000000000 + 10 * i + (i % 3 == 0 ? 25 : 0));
    make_text(&text, "key", 1, i);
    assert_true(i % 3 == 2 ? rec->key.ptr == NULL : span_eq(rec->key, bytes_span(&text)));
    make_text(&text, "value", i % 7, i);
    assert_true(i % 5 == 4 ? rec->value.ptr == NULL : span_eq(rec->value, bytes_span(&text)));
    check_headers(rec, i, &text);
    bytes_fini(&text);
}

static void
each_batch(void (*check)(const struct batch_vector *vec, struct bytes *scratch))
{
    struct vectors all;
    struct batch_vector vec = {0};
    struct bytes scratch;
    int seen = 0;
    bytes_init(&vec.batch, 1 << 20);
    bytes_init(&scratch, 1 << 20);
    vectors_open(&all, "batches.txt");
    while (batch_vectors_next(&all, &vec)) {
        check(&vec, &scratch);
        seen++;
    }
    vectors_close(&all);
    bytes_fini(&vec.batch);
    bytes_fini(&scratch);
    assert_int_equal(seen, 44);
}

static void
all_records(const struct batch_vector *vec, struct bytes *scratch)
{
    struct record_iter it;
    assert_int_equal(records_open(bytes_span(&vec->batch), scratch, &it), SL_OK);
    struct record rec;
    int i = 0;
    while (record_next(&it, &rec)) {
        check_record(&rec, i++);
    }
    assert_int_equal(it.rc, SL_OK);
    assert_int_equal(i, vec->count);
    assert_false(record_next(&it, &rec)); /* the end stays the end */
    assert_int_equal(it.rc, SL_OK);
}

static void
records__every_codec_of_other_writers__hold_what_was_written(void **state)
{
    (void)state;
    each_batch(all_records);
}

static void
find_times(const struct batch_vector *vec, struct bytes *scratch)
{
    struct span batch = bytes_span(&vec->batch);
    struct record_position pos = {-7, -7};
    assert_int_equal(batch_find_timestamp(batch, 0, scratch, &pos), SL_OK);
    assert_int_equal(pos.offset, 0);
    assert_int_equal(pos.timestamp, 1700000000025);
    assert_int_equal(batch_find_timestamp(batch, INT64_MAX, scratch, &pos), SL_ENOENT);
    assert_int_equal(pos.offset, 0); /* untouched */
    if (vec->count < 40) {
        return;
    }
    /* offsets 0..: +25, +10, +20, +55, +40, ... : the first at or after +26 is offset 3 */
    assert_int_equal(batch_find_timestamp(batch, 1700000000026, scratch, &pos), SL_OK);
    assert_int_equal(pos.offset, 3);
    assert_int_equal(pos.timestamp, 1700000000055);
    /* 39 is the last: 390 + 25, and the largest of all */
    assert_int_equal(batch_find_timestamp(batch, 1700000000415, scratch, &pos), SL_OK);
    assert_int_equal(pos.offset, 39);
    assert_int_equal(batch_find_timestamp(batch, 1700000000416, scratch, &pos), SL_ENOENT);
    assert_int_equal(batch_find_max_timestamp(batch, scratch, &pos), SL_OK);
    assert_int_equal(pos.offset, 39);
    assert_int_equal(pos.timestamp, 1700000000415);
}

static void
find_timestamp__first_record_not_before_it(void **state)
{
    (void)state;
    each_batch(find_times);
}

static void
find_timestamp__base_offset_patched__counts_from_there(void **state)
{
    (void)state;
    struct bytes batch, scratch;
    bytes_init(&batch, 1 << 20);
    bytes_init(&scratch, 1 << 20);
    batch_of_values(&batch, 5); /* timestamps 1000..1004 */
    batch_patch(batch.data, 7000, 0);
    struct record_position pos;
    assert_int_equal(batch_find_timestamp(bytes_span(&batch), 1003, &scratch, &pos), SL_OK);
    assert_int_equal(pos.offset, 7003);
    bytes_fini(&batch);
    bytes_fini(&scratch);
}

static void
find_max__several_with_the_largest__is_the_first(void **state)
{
    (void)state;
    struct bytes batch, scratch;
    bytes_init(&batch, 1 << 20);
    bytes_init(&scratch, 1 << 20);
    batch_of_values(&batch, 5);
    batch_set_log_append_time(batch.data, 9000); /* now all have it */
    struct record_position pos;
    assert_int_equal(batch_find_max_timestamp(bytes_span(&batch), &scratch, &pos), SL_OK);
    assert_int_equal(pos.offset, 0);
    assert_int_equal(pos.timestamp, 9000);
    assert_int_equal(batch_find_timestamp(bytes_span(&batch), 8999, &scratch, &pos), SL_OK);
    assert_int_equal(pos.timestamp, 9000);
    bytes_fini(&batch);
    bytes_fini(&scratch);
}

/* Walks whatever is there; the only demand is that it ends, and says why. */
static enum sl_err
walk(struct span batch, struct bytes *scratch)
{
    struct record_iter it;
    enum sl_err rc = records_open(batch, scratch, &it);
    if (rc != SL_OK) {
        return rc;
    }
    struct record rec;
    while (record_next(&it, &rec)) {
        struct span rest = rec.headers, key, value;
        while (record_header_next(&rest, &key, &value)) {
        }
        assert_int_equal(rest.len, 0);
    }
    return it.rc;
}

static void
damage(const struct batch_vector *vec, struct bytes *scratch)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    for (size_t at = BATCH_HEADER_BYTES; at < vec->batch.len; at++) {
        uint8_t was = vec->batch.data[at];
        for (size_t i = 0; i < sizeof(values); i++) {
            vec->batch.data[at] = values[i];
            uint8_t *copy = malloc(vec->batch.len);
            memcpy(copy, vec->batch.data, vec->batch.len);
            enum sl_err rc = walk(span_of(copy, vec->batch.len), scratch);
            free(copy);
            assert_true(rc == SL_OK || rc == SL_EMALFORMED || rc == SL_ETOO_LARGE);
        }
        vec->batch.data[at] = was;
    }
}

static void
records__any_byte_changed__are_walked_or_refused(void **state)
{
    (void)state;
    each_batch(damage);
}

static void
cut(const struct batch_vector *vec, struct bytes *scratch)
{
    struct bytes batch;
    bytes_init(&batch, 1 << 20);
    for (size_t n = BATCH_HEADER_BYTES; n < vec->batch.len; n++) {
        bytes_clear(&batch);
        bytes_append(&batch, vec->batch.data, n);
        batch_seal(&batch); /* the length agrees, the records are cut */
        enum sl_err rc = walk(bytes_span(&batch), scratch);
        if (rc == SL_OK) {
            fail_msg("%s: records cut at %zu of %zu are walked to the end", vec->name, n,
                     vec->batch.len);
        }
    }
    bytes_fini(&batch);
}

static void
records__cut_off_at_any_byte__are_refused(void **state)
{
    (void)state;
    each_batch(cut);
}

static void
expect_walk(int16_t attributes, int32_t count, struct span records, enum sl_err want)
{
    struct bytes batch, scratch;
    bytes_init(&batch, 64 << 20);
    bytes_init(&scratch, 32 << 20);
    batch_make(&batch, attributes, count, records);
    assert_string_equal(sl_err_name(walk(bytes_span(&batch), &scratch)), sl_err_name(want));
    bytes_fini(&batch);
    bytes_fini(&scratch);
}

static void
records__count_differs_from_what_is_there__is_malformed(void **state)
{
    (void)state;
    struct bytes records;
    bytes_init(&records, 1 << 20);
    record_put(&records, 0, "k", "v");
    record_put(&records, 1, NULL, "");
    expect_walk(0, 2, bytes_span(&records), SL_OK);
    expect_walk(0, 1, bytes_span(&records), SL_EMALFORMED);
    expect_walk(0, 3, bytes_span(&records), SL_EMALFORMED);
    bytes_fini(&records);
}

static void
records__offset_delta_outside_the_batch__is_malformed(void **state)
{
    (void)state;
    struct bytes records;
    bytes_init(&records, 1 << 20);
    record_put(&records, 1, "k", "v");
    expect_walk(0, 1, bytes_span(&records), SL_EMALFORMED);
    bytes_clear(&records);
    record_put(&records, -1, "k", "v");
    expect_walk(0, 1, bytes_span(&records), SL_EMALFORMED);
    bytes_fini(&records);
}

static void
gzip_zeros(size_t n, struct bytes *out)
{
    uint8_t *zeros = sl_alloc(n);
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    uint8_t *to = bytes_grow(out, n / 500 + 1000);
    z.next_in = zeros;
    z.avail_in = (uInt)n;
    z.next_out = to;
    z.avail_out = (uInt)(n / 500 + 1000);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->len -= z.avail_out;
    deflateEnd(&z);
    sl_free(zeros);
}

static void
bomb__larger_than_the_scratch__is_refused(void **state)
{
    (void)state;
    struct bytes bomb;
    bytes_init(&bomb, 64 << 20);
    gzip_zeros(64 << 20, &bomb);
    expect_walk(BATCH_CODEC_GZIP, 1, bytes_span(&bomb), SL_ETOO_LARGE);
    bytes_clear(&bomb);

    size_t n = 256 << 20;
    uint8_t *zeros = sl_alloc(n);
    uint8_t *to = bytes_grow(&bomb, 1 << 20);
    size_t got = ZSTD_compress(to, 1 << 20, zeros, n, 1);
    assert_false(ZSTD_isError(got));
    bomb.len = got;
    expect_walk(BATCH_CODEC_ZSTD, 1, bytes_span(&bomb), SL_ETOO_LARGE);
    sl_free(zeros);
    bytes_fini(&bomb);
}

static void
bomb__beyond_the_ratio__is_refused_below_the_ceiling(void **state)
{
    (void)state;
    struct bytes bomb, batch, scratch;
    bytes_init(&bomb, 64 << 20);
    bytes_init(&batch, 64 << 20);
    bytes_init(&scratch, (size_t)1 << 30);
    size_t n = 256 << 20;
    uint8_t *zeros = sl_alloc(n);
    uint8_t *to = bytes_grow(&bomb, 1 << 20);
    bomb.len = ZSTD_compress(to, 1 << 20, zeros, n, 1);
    sl_free(zeros);
    assert_true(n > RECORDS_FREE_BYTES + bomb.len * RECORDS_MAX_RATIO);
    batch_make(&batch, BATCH_CODEC_ZSTD, 1, bytes_span(&bomb));
    assert_int_equal(walk(bytes_span(&batch), &scratch), SL_ETOO_LARGE);
    bytes_fini(&bomb);
    bytes_fini(&batch);
    bytes_fini(&scratch);
}

static void
one_big_record(struct bytes *out, size_t value_bytes)
{
    char *value = sl_alloc(value_bytes + 1);
    memset(value, 'z', value_bytes);
    struct bytes body;
    bytes_init(&body, value_bytes + 1000);
    struct wire_out w = wire_out_to(&body, false);
    bytes_append(&body, "\0\0\0\1", 4); /* attributes, deltas, null key */
    wire_put_varint(&w, (int32_t)value_bytes);
    bytes_append(&body, value, value_bytes);
    bytes_u8(&body, 0); /* no headers */
    struct wire_out to = wire_out_to(out, false);
    wire_put_varint(&to, (int32_t)body.len);
    bytes_append(out, body.data, body.len);
    bytes_fini(&body);
    sl_free(value);
}

static void
zstd__a_megabyte_of_the_same_byte__is_no_attack(void **state)
{
    (void)state;
    struct bytes plain, small;
    bytes_init(&plain, 4 << 20);
    bytes_init(&small, 1 << 20);
    one_big_record(&plain, 1 << 20);
    uint8_t *to = bytes_grow(&small, 1 << 19);
    small.len = ZSTD_compress(to, 1 << 19, plain.data, plain.len, 3);
    assert_true(small.len < plain.len / 2048);
    expect_walk(BATCH_CODEC_ZSTD, 1, bytes_span(&small), SL_OK);
    bytes_fini(&plain);
    bytes_fini(&small);
}

static void
zstd__frame_without_content_size__grows_until_it_fits(void **state)
{
    (void)state;
    struct bytes plain, small;
    bytes_init(&plain, 16 << 20);
    bytes_init(&small, 1 << 20);
    one_big_record(&plain, 9 << 20);
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(ctx, ZSTD_c_contentSizeFlag, 0);
    uint8_t *to = bytes_grow(&small, 1 << 19);
    small.len = ZSTD_compress2(ctx, to, 1 << 19, plain.data, plain.len);
    ZSTD_freeCCtx(ctx);
    expect_walk(BATCH_CODEC_ZSTD, 1, bytes_span(&small), SL_OK);
    bytes_fini(&plain);
    bytes_fini(&small);
}

static void
snappy__length_lies__is_refused_before_memory_is_taken(void **state)
{
    (void)state;
    static const uint8_t lie[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0};
    expect_walk(BATCH_CODEC_SNAPPY, 1, span_of(lie, sizeof(lie)), SL_ETOO_LARGE);
    static const uint8_t xerial[] = {0x82, 'S', 'N', 'A', 'P', 'P',  'Y', 0, 0, 0, 0,
                                     1,    0,   0,   0,   1,   0x7f, 0,   0, 9, 1, 2};
    expect_walk(BATCH_CODEC_SNAPPY, 1, span_of(xerial, sizeof(xerial)), SL_EMALFORMED);
}

static void
codec__nothing_behind_the_header__is_refused(void **state)
{
    (void)state;
    for (int16_t codec = 1; codec <= 7; codec++) {
        enum sl_err want = codec > 4 ? SL_EUNSUPPORTED_COMPRESSION : SL_EMALFORMED;
        expect_walk(codec, 1, span_of("", 0), want);
        if (codec <= 4) {
            expect_walk(codec, 1, span_of("\xff\xff\xff", 3), SL_EMALFORMED);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records__every_codec_of_other_writers__hold_what_was_written),
        cmocka_unit_test(find_timestamp__first_record_not_before_it),
        cmocka_unit_test(find_timestamp__base_offset_patched__counts_from_there),
        cmocka_unit_test(find_max__several_with_the_largest__is_the_first),
        cmocka_unit_test(records__any_byte_changed__are_walked_or_refused),
        cmocka_unit_test(records__cut_off_at_any_byte__are_refused),
        cmocka_unit_test(records__count_differs_from_what_is_there__is_malformed),
        cmocka_unit_test(records__offset_delta_outside_the_batch__is_malformed),
        cmocka_unit_test(bomb__larger_than_the_scratch__is_refused),
        cmocka_unit_test(bomb__beyond_the_ratio__is_refused_below_the_ceiling),
        cmocka_unit_test(zstd__a_megabyte_of_the_same_byte__is_no_attack),
        cmocka_unit_test(zstd__frame_without_content_size__grows_until_it_fits),
        cmocka_unit_test(snappy__length_lies__is_refused_before_memory_is_taken),
        cmocka_unit_test(codec__nothing_behind_the_header__is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
