/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "batch_vectors.h"

static const struct batch_limits limits = {.max_batch_bytes = 1048588, .is_zstd_allowed = true};

struct fixture {
    struct bytes batch;
};

static int
setup(void **state)
{
    struct fixture *fx = sl_alloc(sizeof(*fx));
    bytes_init(&fx->batch, 4 << 20);
    batch_of_values(&fx->batch, 3);
    *state = fx;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fx = *state;
    bytes_fini(&fx->batch);
    sl_free(fx);
    return 0;
}

static void
expect(struct fixture *fx, enum sl_err want, const char *part_of_why)
{
    struct batch_info info = {.base_offset = 12345};
    const char *why = "";
    /* an exact copy, for the address sanitizer */
    uint8_t *copy = malloc(fx->batch.len > 0 ? fx->batch.len : 1);
    memcpy(copy, fx->batch.data, fx->batch.len);
    enum sl_err rc = batch_check(span_of(copy, fx->batch.len), &limits, &info, &why);
    free(copy);
    assert_string_equal(sl_err_name(rc), sl_err_name(want));
    if (rc != SL_OK) {
        assert_int_equal(info.base_offset, 12345); /* untouched */
        if (strstr(why, part_of_why) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", why, part_of_why);
        }
    }
}

static void
check__batches_of_other_codecs__are_accepted(void **state)
{
    (void)state;
    struct vectors all;
    struct batch_vector vec = {0};
    int seen = 0;
    bytes_init(&vec.batch, 1 << 20);
    vectors_open(&all, "batches.txt");
    while (batch_vectors_next(&all, &vec)) {
        struct batch_info info;
        const char *why = NULL;
        if (batch_check(bytes_span(&vec.batch), &limits, &info, &why) != SL_OK) {
            fail_msg("%s: %s", vec.name, why);
        }
        assert_int_equal(info.size_bytes, vec.batch.len);
        assert_int_equal(info.count, vec.count);
        assert_int_equal(info.last_offset_delta, vec.count - 1);
        assert_int_equal(info.producer_id, vec.producer_id);
        assert_int_equal(info.producer_epoch, vec.producer_id < 0 ? -1 : 3);
        assert_int_equal(info.base_sequence, vec.producer_id < 0 ? -1 : 77);
        assert_int_equal(batch_last_sequence(&info), vec.producer_id < 0 ? -1 : 76 + vec.count);
        assert_true(info.max_timestamp >= 1700000000000);
        seen++;
    }
    vectors_close(&all);
    bytes_fini(&vec.batch);
    assert_int_equal(seen, 44);
}

static void
check__sound_batch__gives_its_header(void **state)
{
    struct fixture *fx = *state;
    struct batch_info info;
    assert_int_equal(batch_check(bytes_span(&fx->batch), &limits, &info, NULL), SL_OK);
    assert_int_equal(info.size_bytes, fx->batch.len);
    assert_int_equal(info.leader_epoch, -1);
    assert_int_equal(info.base_timestamp, 1000);
    assert_int_equal(info.max_timestamp, 1002);
    assert_int_equal(info.count, 3);
    assert_int_equal(batch_codec_of(&info), BATCH_CODEC_NONE);
    assert_int_equal(batch_last_offset(&info), 2);
    assert_false(batch_is_log_append_time(&info));
}

static void
check__any_bit_of_the_covered_bytes_flipped__is_refused(void **state)
{
    struct fixture *fx = *state;
    for (size_t at = BATCH_CRC_START - 4; at < fx->batch.len; at++) {
        fx->batch.data[at] ^= 0x10;
        expect(fx, SL_ECORRUPT_BATCH, "CRC-32C");
        fx->batch.data[at] ^= 0x10;
    }
}

static void
check__cut_off_at_any_byte__is_refused(void **state)
{
    struct fixture *fx = *state;
    for (size_t n = fx->batch.len; n-- > 0;) {
        fx->batch.len = n;
        expect(fx, n == 0 ? SL_EINVALID_RECORD : SL_ECORRUPT_BATCH, "batch");
    }
}

static void
check__two_batches__are_one_too_many(void **state)
{
    struct fixture *fx = *state;
    size_t n = fx->batch.len;
    bytes_append(&fx->batch, fx->batch.data, 0);
    uint8_t *more = bytes_grow(&fx->batch, n);
    memcpy(more, fx->batch.data, n);
    expect(fx, SL_EINVALID_RECORD, "more than one");
    fx->batch.len = n + 1; /* and neither is one byte more */
    expect(fx, SL_EINVALID_RECORD, "more than one");
}

static void
check__null_and_empty__are_refused(void **state)
{
    (void)state;
    struct batch_info info;
    assert_int_equal(batch_check(span_of(NULL, 0), &limits, &info, NULL), SL_EINVALID_RECORD);
    assert_int_equal(batch_check(span_of("", 0), &limits, &info, NULL), SL_EINVALID_RECORD);
}

static void
check__old_message_formats__are_refused_by_name(void **state)
{
    struct fixture *fx = *state;
    fx->batch.data[16] = 1;
    expect(fx, SL_EINVALID_RECORD, "magic 2");
    fx->batch.data[16] = 0;
    fx->batch.len = 34; /* a whole message of format 0 is shorter than a batch header */
    expect(fx, SL_EINVALID_RECORD, "magic 2");
    fx->batch.data[16] = 3;
    expect(fx, SL_EINVALID_RECORD, "magic 2");
}

static void
check__length_lies__is_refused(void **state)
{
    struct fixture *fx = *state;
    uint32_t right = get_u32(fx->batch.data + 8);
    static const uint32_t small[] = {0, 1, 48, UINT32_MAX, 0x80000000u};
    for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
        put_u32(fx->batch.data + 8, small[i]);
        expect(fx, SL_ECORRUPT_BATCH, "too small");
    }
    put_u32(fx->batch.data + 8, right + 1);
    expect(fx, SL_ECORRUPT_BATCH, "longer than what was sent");
    put_u32(fx->batch.data + 8, right - 1);
    expect(fx, SL_EINVALID_RECORD, "more than one");
    put_u32(fx->batch.data + 8, INT32_MAX);
    expect(fx, SL_ECORRUPT_BATCH, "longer than what was sent"); /* and not "too large": it is not */
}

static void
check__as_large_as_allowed__and_one_byte_more(void **state)
{
    struct fixture *fx = *state;
    struct batch_limits tight = {.max_batch_bytes = (uint32_t)fx->batch.len};
    struct batch_info info;
    assert_int_equal(batch_check(bytes_span(&fx->batch), &tight, &info, NULL), SL_OK);
    tight.max_batch_bytes--;
    assert_int_equal(batch_check(bytes_span(&fx->batch), &tight, &info, NULL), SL_ETOO_LARGE);
    tight.max_batch_bytes = 0;
    assert_int_equal(batch_check(bytes_span(&fx->batch), &tight, &info, NULL), SL_ETOO_LARGE);
}

static void
set_and_expect(struct fixture *fx, size_t at, uint32_t v, const char *part_of_why)
{
    uint32_t was = get_u32(fx->batch.data + at);
    put_u32(fx->batch.data + at, v);
    batch_seal(&fx->batch);
    expect(fx, SL_EINVALID_RECORD, part_of_why);
    put_u32(fx->batch.data + at, was);
    batch_seal(&fx->batch);
    expect(fx, SL_OK, "");
}

static void
check__counts_that_do_not_fit__are_refused(void **state)
{
    struct fixture *fx = *state;
    set_and_expect(fx, 4, 1, "base offset"); /* low half of the i64 */
    set_and_expect(fx, 0, UINT32_MAX, "base offset");
    set_and_expect(fx, 57, 0, "without records");
    set_and_expect(fx, 57, UINT32_MAX, "without records");
    set_and_expect(fx, 57, 0x80000000u, "without records");
    set_and_expect(fx, 57, 4, "last offset delta");
    set_and_expect(fx, 23, 1, "last offset delta");
    set_and_expect(fx, 23, UINT32_MAX, "last offset delta");
    set_and_expect(fx, 23, 0x7fffffff, "last offset delta");
}

static void
check__more_records_than_bytes__are_refused(void **state)
{
    struct fixture *fx = *state;
    uint8_t body[70] = {0};
    batch_make(&fx->batch, 0, 10, span_of(body, sizeof(body)));
    expect(fx, SL_OK, "");
    batch_make(&fx->batch, 0, 11, span_of(body, sizeof(body)));
    expect(fx, SL_EINVALID_RECORD, "too small");
    /* compressed, much may be in few bytes, but not 2^31-1 records */
    batch_make(&fx->batch, BATCH_CODEC_ZSTD, 100000, span_of(body, sizeof(body)));
    expect(fx, SL_OK, "");
    batch_make(&fx->batch, BATCH_CODEC_ZSTD, INT32_MAX, span_of(body, sizeof(body)));
    expect(fx, SL_EINVALID_RECORD, "too small");
}

static void
set_attributes(struct fixture *fx, uint16_t attributes)
{
    put_u16(fx->batch.data + 21, attributes);
    batch_seal(&fx->batch);
}

static void
check__attributes_a_producer_may_not_set__are_refused(void **state)
{
    struct fixture *fx = *state;
    set_attributes(fx, BATCH_ATTR_CONTROL);
    expect(fx, SL_EINVALID_RECORD, "control");
    set_attributes(fx, BATCH_ATTR_TRANSACTIONAL);
    expect(fx, SL_EINVALID_RECORD, "transactions");
    set_attributes(fx, BATCH_ATTR_DELETE_HORIZON);
    expect(fx, SL_EINVALID_RECORD, "horizon");
    set_attributes(fx, BATCH_ATTR_LOG_APPEND_TIME);
    expect(fx, SL_EINVALID_RECORD, "timestamp type");
    for (uint16_t codec = 5; codec < 8; codec++) {
        set_attributes(fx, codec);
        expect(fx, SL_EUNSUPPORTED_COMPRESSION, "unknown");
    }
}

static void
check__zstd__only_where_the_version_knows_it(void **state)
{
    struct fixture *fx = *state;
    set_attributes(fx, BATCH_CODEC_ZSTD);
    expect(fx, SL_OK, "");
    struct batch_limits old = {.max_batch_bytes = 1048588, .is_zstd_allowed = false};
    struct batch_info info;
    assert_int_equal(batch_check(bytes_span(&fx->batch), &old, &info, NULL),
                     SL_EUNSUPPORTED_COMPRESSION);
    set_attributes(fx, BATCH_CODEC_LZ4);
    assert_int_equal(batch_check(bytes_span(&fx->batch), &old, &info, NULL), SL_OK);
}

static void
set_producer(struct fixture *fx, int64_t id, int16_t epoch, int32_t sequence)
{
    put_u64(fx->batch.data + 43, (uint64_t)id);
    put_u16(fx->batch.data + 51, (uint16_t)epoch);
    put_u32(fx->batch.data + 53, (uint32_t)sequence);
    batch_seal(&fx->batch);
}

static void
check__producer_id__needs_epoch_and_sequence(void **state)
{
    struct fixture *fx = *state;
    set_producer(fx, 5, 0, 0);
    expect(fx, SL_OK, "");
    set_producer(fx, 5, 0, -1);
    expect(fx, SL_EINVALID_RECORD, "sequence");
    set_producer(fx, 5, -1, 0);
    expect(fx, SL_EINVALID_RECORD, "epoch");
    set_producer(fx, -2, 0, 0);
    expect(fx, SL_EINVALID_RECORD, "producer id");
    set_producer(fx, 5, 0, INT32_MAX);
    expect(fx, SL_OK, "");
}

static void
last_sequence__at_the_end_of_its_range__wraps_to_zero(void **state)
{
    (void)state;
    struct batch_info info = {.base_sequence = INT32_MAX, .last_offset_delta = 0};
    assert_int_equal(batch_last_sequence(&info), INT32_MAX);
    info.last_offset_delta = 1;
    assert_int_equal(batch_last_sequence(&info), 0);
    info.last_offset_delta = INT32_MAX;
    assert_int_equal(batch_last_sequence(&info), INT32_MAX - 1);
    info.base_sequence = -1;
    assert_int_equal(batch_last_sequence(&info), -1);
}

static void
patch__offset_and_epoch__leave_the_crc_right(void **state)
{
    struct fixture *fx = *state;
    batch_patch(fx->batch.data, INT64_C(0x1122334455667788), 42);
    struct batch_info info;
    assert_int_equal(batch_info_read(bytes_span(&fx->batch), &info), SL_OK);
    assert_int_equal(info.base_offset, INT64_C(0x1122334455667788));
    assert_int_equal(info.leader_epoch, 42);
    assert_true(batch_crc_is_right(bytes_span(&fx->batch)));
}

static void
log_append_time__set__crc_is_right_again(void **state)
{
    struct fixture *fx = *state;
    batch_set_log_append_time(fx->batch.data, 5000);
    struct batch_info info;
    assert_int_equal(batch_info_read(bytes_span(&fx->batch), &info), SL_OK);
    assert_true(batch_is_log_append_time(&info));
    assert_int_equal(info.max_timestamp, 5000);
    assert_int_equal(info.base_timestamp, 1000);
    assert_true(batch_crc_is_right(bytes_span(&fx->batch)));
}

/* Three batches of different sizes, the middle one larger than what is cheaper to read again. */
static void
make_run(struct bytes *run)
{
    struct bytes batch;
    bytes_init(&batch, 4 << 20);
    static const int32_t counts[] = {1, 9000, 20};
    int64_t offset = 100;
    for (size_t i = 0; i < 3; i++) {
        batch_of_values(&batch, counts[i]);
        batch_patch(batch.data, offset, 7);
        bytes_append(run, batch.data, batch.len);
        offset += counts[i];
    }
    bytes_fini(&batch);
}

static void
next__run_of_three__gives_each_and_ends(void **state)
{
    (void)state;
    struct bytes run;
    bytes_init(&run, 4 << 20);
    make_run(&run);
    struct span rest = bytes_span(&run), batch;
    struct batch_info info;
    static const int64_t offsets[] = {100, 101, 9101};
    for (size_t i = 0; i < 3; i++) {
        assert_true(batch_next(&rest, &info, &batch));
        assert_int_equal(info.base_offset, offsets[i]);
        assert_int_equal(batch.len, info.size_bytes);
        assert_true(batch_crc_is_right(batch));
    }
    assert_false(batch_next(&rest, &info, &batch));
    assert_int_equal(rest.len, 0);
    bytes_fini(&run);
}

static void
next__last_batch_not_whole__stops_before_it(void **state)
{
    (void)state;
    struct bytes run;
    bytes_init(&run, 4 << 20);
    make_run(&run);
    struct span rest = span_of(run.data, run.len - 1), batch;
    struct batch_info info;
    int n = 0;
    while (batch_next(&rest, &info, &batch)) {
        n++;
    }
    assert_int_equal(n, 2);
    assert_true(rest.len > 0);
    bytes_fini(&run);
}

static void
info_read__cut_off__is_malformed(void **state)
{
    struct fixture *fx = *state;
    struct batch_info info;
    for (size_t n = 0; n < fx->batch.len; n++) {
        assert_int_equal(batch_info_read(span_of(fx->batch.data, n), &info), SL_EMALFORMED);
    }
    put_u32(fx->batch.data + 8, UINT32_MAX);
    assert_int_equal(batch_info_read(bytes_span(&fx->batch), &info), SL_EMALFORMED);
}

static void
crc_of_run__any_number_of_batches__as_read_from_the_bytes(void **state)
{
    (void)state;
    struct bytes run;
    bytes_init(&run, 4 << 20);
    assert_int_equal(batch_crc_of_run(0, bytes_span(&run)), 0);
    make_run(&run);
    assert_int_equal(batch_crc_of_run(0, bytes_span(&run)), crc32c(0, run.data, run.len));
    assert_int_equal(batch_crc_of_run(0xdeadbeef, bytes_span(&run)),
                     crc32c(0xdeadbeef, run.data, run.len));
    bytes_fini(&run);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(check__batches_of_other_codecs__are_accepted),
        TEST(check__sound_batch__gives_its_header),
        TEST(check__any_bit_of_the_covered_bytes_flipped__is_refused),
        TEST(check__cut_off_at_any_byte__is_refused),
        TEST(check__two_batches__are_one_too_many),
        TEST(check__null_and_empty__are_refused),
        TEST(check__old_message_formats__are_refused_by_name),
        TEST(check__length_lies__is_refused),
        TEST(check__as_large_as_allowed__and_one_byte_more),
        TEST(check__counts_that_do_not_fit__are_refused),
        TEST(check__more_records_than_bytes__are_refused),
        TEST(check__attributes_a_producer_may_not_set__are_refused),
        TEST(check__zstd__only_where_the_version_knows_it),
        TEST(check__producer_id__needs_epoch_and_sequence),
        TEST(last_sequence__at_the_end_of_its_range__wraps_to_zero),
        TEST(patch__offset_and_epoch__leave_the_crc_right),
        TEST(log_append_time__set__crc_is_right_again),
        TEST(next__run_of_three__gives_each_and_ends),
        TEST(next__last_batch_not_whole__stops_before_it),
        TEST(info_read__cut_off__is_malformed),
        TEST(crc_of_run__any_number_of_batches__as_read_from_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
