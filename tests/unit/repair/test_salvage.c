/* SPDX-License-Identifier: Apache-2.0
 *
 * What is taken from damaged bytes, and what is not. */
#include "../unit.h"
#include "base/crc32c.h"
#include "repair/salvage.h"
#include "repair/survey.h"

#include <stdlib.h>

enum { BATCH = BATCH_HEADER_BYTES + 40, BATCHES = 10, PER_BATCH = 3 };

/* A batch of `count` offsets whose payload is 40 bytes of fill. */
static void
batch_at(uint8_t *to, int64_t base, int32_t count, uint8_t fill)
{
    memset(to, 0, BATCH_HEADER_BYTES);
    put_u64(to, (uint64_t)base);
    put_u32(to + 8, BATCH - BATCH_LENGTH_START);
    to[16] = 2;
    put_u32(to + 23, (uint32_t)(count - 1));
    put_u64(to + 35, 1000 + (uint64_t)base);
    put_u64(to + 43, UINT64_MAX);
    put_u32(to + 57, (uint32_t)count);
    memset(to + BATCH_HEADER_BYTES, fill, BATCH - BATCH_HEADER_BYTES);
    put_u32(to + 17, crc32c(0, to + BATCH_CRC_START, BATCH - BATCH_CRC_START));
}

/* Ten batches of three offsets, from 0 to 29. */
static uint8_t body[BATCHES * BATCH];
static struct salvage s;

static int
setup(void **unused)
{
    (void)unused;
    for (int i = 0; i < BATCHES; i++) {
        batch_at(body + (size_t)i * BATCH, (int64_t)i * PER_BATCH, PER_BATCH, (uint8_t)(100 + i));
    }
    salvage_init(&s, 0, 29, sizeof(body));
    return 0;
}

static int
teardown(void **unused)
{
    (void)unused;
    salvage_fini(&s);
    buf_pool_trim();
    return 0;
}

static uint8_t *
batch(int i)
{
    return body + (size_t)i * BATCH;
}

static void
take(size_t len, bool is_dense)
{
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(salvage_body(&s, span_of(body, len), 29, is_dense, &err), SL_OK);
}

/* Finishes it, and sees that it is a sound segment of [0, 29] with this many records. */
static void
finish(uint32_t records)
{
    struct segment_files f;
    struct segment_view v;
    struct segment_ref ref;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(salvage_finish(&s, 29, 5, &f, &err), SL_OK);
    assert_int_equal(segment_open(buf_span(f.kfs), &v, &err), SL_OK);
    assert_int_equal(segment_verify(&v, true, &err), SL_OK);
    assert_int_equal(v.base_offset, 0);
    assert_int_equal(v.last_offset, 29);
    assert_int_equal(v.message_count, records);
    assert_true(survey_index_is_right(f.index, &v));
    survey_segment(&v, f.kfs->len, SEGMENT_SLICES_MAX, &ref);
    assert_int_equal(ref.record_count, records);
    assert_int_equal(ref.last, 29);
    sl_free(ref.slices);
    buf_unref(&f.kfs);
    buf_unref(&f.index);
}

static void
expect_hole(size_t i, int64_t first, int64_t last)
{
    assert_true(i < s.hole_count);
    assert_int_equal(s.holes[i].first, first);
    assert_int_equal(s.holes[i].last, last);
}

static void
body__nothing_damaged__all_is_taken(void **unused)
{
    (void)unused;
    take(sizeof(body), true);
    finish(30);
    assert_int_equal(s.hole_count, 0);
}

static void
body__a_record_damaged__its_batch_is_the_hole(void **unused)
{
    (void)unused;
    batch(4)[BATCH - 1] ^= 1;
    take(sizeof(body), true);
    finish(27);
    assert_int_equal(s.hole_count, 1);
    expect_hole(0, 12, 14);
}

/* Lies before what the batch's checksum covers. */
static void
body__a_leader_epoch_damaged__is_0_again(void **unused)
{
    (void)unused;
    batch(4)[12] ^= 1;
    put_u32(batch(5) + 12, UINT32_MAX);
    take(sizeof(body), true);
    assert_int_equal(s.hole_count, 0);
    const uint8_t *kept = s.builder.object->data + SEGMENT_HEADER_BYTES;
    assert_int_equal(get_i32(kept + 4 * BATCH + 12), 0);
    assert_int_equal(get_i32(kept + 5 * BATCH + 12), -1);
    finish(30);
}

/* The way on is found byte by byte. */
static void
body__a_length_damaged__its_batch_is_the_hole(void **unused)
{
    (void)unused;
    put_u32(batch(4) + 8, 7);
    take(sizeof(body), true);
    finish(27);
    expect_hole(0, 12, 14);
}

/* No checksum covers a base offset; where it stands says that it is wrong. */
static void
body__a_base_offset_damaged__is_not_taken_at_another_offset(void **unused)
{
    (void)unused;
    put_u64(batch(4), 13);
    take(sizeof(body), true);
    finish(27);
    assert_int_equal(s.hole_count, 1);
    expect_hole(0, 12, 14);
}

static void
body__a_base_offset_behind_damage__is_not_taken(void **unused)
{
    (void)unused;
    batch(4)[30] ^= 1;
    put_u64(batch(5), 16);
    take(sizeof(body), true);
    finish(24);
    assert_int_equal(s.hole_count, 1);
    expect_hole(0, 12, 17);
}

/* What looks like a batch within a record of a damaged one. */
static void
body__a_batch_within_a_damaged_record__is_not_taken(void **unused)
{
    (void)unused;
    uint8_t *inner = batch(4) + 20;
    batch_at(inner, 12, 2, 'x'); /* reaches over batch 5 */
    put_u32(batch(4) + 8, UINT32_MAX);
    take(sizeof(body), true);
    finish(24);
    expect_hole(0, 12, 17);
}

static void
body__first_and_last_damaged__are_holes_at_the_ends(void **unused)
{
    (void)unused;
    batch(0)[70] ^= 1;
    batch(9)[70] ^= 1;
    take(sizeof(body), true);
    finish(24);
    assert_int_equal(s.hole_count, 2);
    expect_hole(0, 0, 2);
    expect_hole(1, 27, 29);
}

static void
body__cut_short__the_rest_is_a_hole(void **unused)
{
    (void)unused;
    take(6 * BATCH + 30, true);
    finish(18);
    assert_int_equal(s.hole_count, 1);
    expect_hole(0, 18, 29);
}

static void
body__cut_between_batches__the_rest_is_a_hole(void **unused)
{
    (void)unused;
    take(6 * BATCH, true);
    finish(18);
    expect_hole(0, 18, 29);
}

static void
nothing_left__one_hole_and_an_empty_batch(void **unused)
{
    (void)unused;
    finish(0);
    assert_int_equal(s.hole_count, 1);
    expect_hole(0, 0, 29);
}

/* Compaction took batch 2 and 3: no loss. Batch 6 is damaged: that is one. */
static void
body__gaps_of_compaction__are_no_holes(void **unused)
{
    (void)unused;
    memmove(batch(2), batch(4), 6 * BATCH);
    batch(4)[70] ^= 1;
    take(8 * BATCH, false);
    finish(21);
    assert_int_equal(s.hole_count, 1);
    expect_hole(0, 18, 20);
}

/* More offsets than one empty batch can cover. */
static void
nothing_left__of_more_than_a_batch_can_cover__several_empty_ones(void **unused)
{
    (void)unused;
    const int64_t last = 3 * (int64_t)INT32_MAX;
    struct segment_files f;
    struct segment_view v;
    struct sl_error err = SL_ERROR_INIT;
    salvage_fini(&s);
    salvage_init(&s, 5, last, 0);
    assert_int_equal(salvage_finish(&s, last, 5, &f, &err), SL_OK);
    assert_int_equal(segment_open(buf_span(f.kfs), &v, &err), SL_OK);
    assert_int_equal(segment_verify(&v, true, &err), SL_OK);
    assert_int_equal(v.last_offset, last);
    buf_unref(&f.kfs);
    buf_unref(&f.index);
}

/* Noise never ends up in a segment, and never ends in a crash. */
static void
body__flipped_anywhere__what_is_taken_was_there(void **unused)
{
    (void)unused;
    for (unsigned seed = 1; seed <= 300; seed++) {
        (void)teardown(NULL);
        (void)setup(NULL);
        uint32_t x = seed * 2654435761u;
        for (unsigned k = 0; k < 1 + seed % 5; k++) {
            x = x * 1664525u + 1013904223u;
            body[(x >> 8) % sizeof(body)] ^= (uint8_t)(1u << (x & 7));
        }
        take(sizeof(body), true);
        struct span rest = span_of(s.builder.object->data + SEGMENT_HEADER_BYTES,
                                   s.builder.object->len - SEGMENT_HEADER_BYTES);
        struct batch_info info;
        struct span got;
        while (batch_next(&rest, &info, &got)) {
            assert_int_equal(info.base_offset % PER_BATCH, 0);
            assert_int_equal(got.ptr[BATCH_HEADER_BYTES], 100 + info.base_offset / PER_BATCH);
        }
        finish((uint32_t)s.records);
    }
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(body__nothing_damaged__all_is_taken),
        T(body__a_record_damaged__its_batch_is_the_hole),
        T(body__a_leader_epoch_damaged__is_0_again),
        T(body__a_length_damaged__its_batch_is_the_hole),
        T(body__a_base_offset_damaged__is_not_taken_at_another_offset),
        T(body__a_base_offset_behind_damage__is_not_taken),
        T(body__a_batch_within_a_damaged_record__is_not_taken),
        T(body__first_and_last_damaged__are_holes_at_the_ends),
        T(body__cut_short__the_rest_is_a_hole),
        T(body__cut_between_batches__the_rest_is_a_hole),
        T(nothing_left__one_hole_and_an_empty_batch),
        T(body__gaps_of_compaction__are_no_holes),
        T(nothing_left__of_more_than_a_batch_can_cover__several_empty_ones),
        T(body__flipped_anywhere__what_is_taken_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
