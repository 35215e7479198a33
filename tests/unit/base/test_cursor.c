/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "base/cursor.h"

static const uint8_t raw[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void
get__every_width__in_order_to_the_end(void **state)
{
    (void)state;
    struct cursor c = cursor_of(span_of(raw, sizeof(raw)));
    assert_int_equal(cursor_u8(&c), 1);
    assert_int_equal(cursor_u16(&c), 0x0203);
    assert_int_equal(cursor_u32(&c), 0x04050607);
    assert_false(cursor_is_done(&c));
    assert_int_equal(cursor_u64(&c), UINT64_C(0x08090a0b0c0d0e0f));
    assert_true(cursor_is_done(&c));
    assert_int_equal(cursor_left(&c), 0);
}

static void
get__too_little_left__is_zero_and_sticks(void **state)
{
    (void)state;
    struct cursor c = cursor_of(span_of(raw, 3));
    assert_int_equal(cursor_u32(&c), 0);
    assert_true(c.is_bad);
    assert_int_equal(cursor_u8(&c), 0); /* would fit */
    assert_int_equal(cursor_span(&c, 0).len, 0);
    assert_null(cursor_take(&c, 1));
    assert_false(cursor_is_done(&c));
}

static void
take__huge_length__does_not_wrap(void **state)
{
    (void)state;
    struct cursor c = cursor_of(span_of(raw, sizeof(raw)));
    assert_null(cursor_take(&c, SIZE_MAX));
    assert_true(c.is_bad);
}

static void
count__more_than_the_rest_can_hold__is_refused(void **state)
{
    (void)state;
    static const uint8_t lying[] = {0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8};
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4};
    struct cursor c = cursor_of(span_of(lying, sizeof(lying)));
    assert_int_equal(cursor_count(&c, 4), 0); /* 3 * 4 > 8 */
    assert_true(c.is_bad);
    c = cursor_of(span_of(lying, sizeof(lying)));
    assert_int_equal(cursor_count(&c, 2), 3);
    assert_false(c.is_bad);
    c = cursor_of(span_of(huge, sizeof(huge)));
    assert_int_equal(cursor_count(&c, 1), 0);
    assert_true(c.is_bad);
}

static void
of__absent_bytes__is_at_its_end(void **state)
{
    (void)state;
    struct cursor c = cursor_of((struct span){NULL, 0});
    assert_true(cursor_is_done(&c));
    assert_int_equal(cursor_u8(&c), 0);
    assert_true(c.is_bad);
}

static void
uuid__reads_sixteen_bytes_or_nothing(void **state)
{
    (void)state;
    struct cursor c = cursor_of(span_of(raw, sizeof(raw)));
    struct uuid id = cursor_uuid(&c);
    assert_true(c.is_bad);
    assert_true(uuid_is_zero(&id));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get__every_width__in_order_to_the_end),
        cmocka_unit_test(get__too_little_left__is_zero_and_sticks),
        cmocka_unit_test(take__huge_length__does_not_wrap),
        cmocka_unit_test(count__more_than_the_rest_can_hold__is_refused),
        cmocka_unit_test(of__absent_bytes__is_at_its_end),
        cmocka_unit_test(uuid__reads_sixteen_bytes_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
