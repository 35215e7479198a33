/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "base/buf.h"

static void
buf_new__small__holds_what_was_asked(void **state)
{
    (void)state;
    struct buf *b = buf_new(100);
    assert_true(b->cap >= 100);
    assert_int_equal(b->len, 0);
    memset(b->data, 7, 100);
    buf_unref(&b);
    assert_null(b);
}

static void
buf_new__no_bytes__is_a_buf(void **state)
{
    (void)state;
    struct buf *b = buf_new(0);
    assert_non_null(b);
    assert_int_equal(buf_span(b).len, 0);
    buf_unref(&b);
}

static void
buf_new__32_kib_and_more__is_page_aligned(void **state)
{
    (void)state;
    static const size_t sizes[] = {32768,    32769,          1 << 20, 3 << 20,
                                   16 << 20, (16 << 20) + 1, 40 << 20};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buf *b = buf_new(sizes[i]);
        assert_true(b->cap >= sizes[i]);
        assert_int_equal((uintptr_t)b->data % BUF_ALIGN, 0);
        b->data[sizes[i] - 1] = 1;
        buf_unref(&b);
    }
    buf_pool_trim();
}

static void
buf_unref__large__is_recycled_with_len_zero(void **state)
{
    (void)state;
    struct buf *b = buf_new(1 << 20);
    struct buf *first = b;
    b->len = 123;
    buf_unref(&b);
    b = buf_new((1 << 20) - 5);
    assert_ptr_equal(b, first);
    assert_int_equal(b->len, 0);
    buf_unref(&b);
    buf_pool_trim();
}

static void
buf_unref__other_reference__keeps_the_bytes(void **state)
{
    (void)state;
    struct buf *a = buf_copy(span_cstr("hello"));
    struct buf *b = buf_ref(a);
    buf_unref(&a);
    assert_null(a);
    assert_true(span_eq(buf_span(b), span_cstr("hello")));
    buf_unref(&b);
}

static void
buf_unref__null__does_nothing(void **state)
{
    (void)state;
    struct buf *b = NULL;
    buf_unref(&b);
    assert_null(b);
}

static void
buf_pool__more_idle_than_it_keeps__frees_the_rest(void **state)
{
    (void)state;
    struct buf *all[12];
    for (size_t i = 0; i < 12; i++) {
        all[i] = buf_new(16 << 20); /* the class keeps ten of these */
    }
    for (size_t i = 0; i < 12; i++) {
        buf_unref(&all[i]); /* the leak checker sees a wrong count */
    }
    buf_pool_trim();
}

static void
buf_pool__huge__one_up_to_twice_as_large_does_as_well(void **state)
{
    (void)state;
    struct buf *large = buf_new(20 << 20);
    const uint8_t *data = large->data;
    buf_unref(&large);
    struct buf *tiny = buf_new(4 << 20);
    assert_ptr_not_equal(tiny->data, data);
    struct buf *smaller = buf_new(11 << 20);
    assert_ptr_equal(smaller->data, data);
    buf_unref(&tiny);
    buf_unref(&smaller);
    buf_pool_trim();
}

static void
buf_pool__full__what_waits_longest_goes(void **state)
{
    (void)state;
    struct buf *many[12], *one = buf_new(30 << 20);
    for (size_t i = 0; i < 12; i++) {
        many[i] = buf_new(13 << 20); /* of the class of 14 MiB: 11 are kept */
    }
    const uint8_t *oldest = many[0]->data, *data = one->data;
    for (size_t i = 0; i < 11; i++) {
        buf_unref(&many[i]);
    }
    buf_unref(&one); /* the first three of the many have to go for it */
    buf_unref(&many[11]);
    one = buf_new(30 << 20);
    assert_ptr_equal(one->data, data);
    for (size_t i = 0; i < 8; i++) {
        many[i] = buf_new(13 << 20);
        assert_ptr_not_equal(many[i]->data, oldest);
    }
    for (size_t i = 0; i < 8; i++) {
        buf_unref(&many[i]);
    }
    buf_unref(&one);
    buf_pool_trim();
}

static void
bytes__appends__are_big_endian_and_in_order(void **state)
{
    (void)state;
    static const uint8_t want[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 'x'};
    struct bytes b;
    bytes_init(&b, 64);
    bytes_u8(&b, 1);
    bytes_u16(&b, 0x0203);
    bytes_u32(&b, 0x04050607);
    bytes_u64(&b, UINT64_C(0x08090a0b0c0d0e0f));
    bytes_append(&b, "x", 1);
    assert_true(span_eq(bytes_span(&b), span_of(want, sizeof(want))));
    bytes_fini(&b);
}

static void
bytes__beyond_the_ceiling__drops_and_sticks(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b, 10);
    bytes_append(&b, "12345678", 8);
    assert_null(bytes_grow(&b, 3));
    assert_true(b.is_overflown);
    bytes_append(&b, "9", 1); /* would fit, but something before it is missing */
    assert_int_equal(b.len, 8);
    bytes_clear(&b);
    assert_false(b.is_overflown);
    bytes_append(&b, "1234567890", 10);
    assert_int_equal(b.len, 10);
    assert_false(b.is_overflown);
    bytes_fini(&b);
    assert_int_equal(b.ceiling, 10);
}

static void
bytes__huge_request__is_refused_without_wrapping(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b, 1000);
    bytes_u8(&b, 1);
    assert_null(bytes_grow(&b, SIZE_MAX));
    assert_true(b.is_overflown);
    bytes_fini(&b);
}

static void
bytes__growth__keeps_what_is_there(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b, 1 << 20);
    for (uint32_t i = 0; i < 10000; i++) {
        bytes_u32(&b, i);
    }
    assert_int_equal(b.len, 40000);
    for (uint32_t i = 0; i < 10000; i++) {
        assert_int_equal(get_u32(b.data + 4 * (size_t)i), i);
    }
    bytes_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_new__small__holds_what_was_asked),
        cmocka_unit_test(buf_new__no_bytes__is_a_buf),
        cmocka_unit_test(buf_new__32_kib_and_more__is_page_aligned),
        cmocka_unit_test(buf_unref__large__is_recycled_with_len_zero),
        cmocka_unit_test(buf_unref__other_reference__keeps_the_bytes),
        cmocka_unit_test(buf_unref__null__does_nothing),
        cmocka_unit_test(buf_pool__more_idle_than_it_keeps__frees_the_rest),
        cmocka_unit_test(buf_pool__huge__one_up_to_twice_as_large_does_as_well),
        cmocka_unit_test(buf_pool__full__what_waits_longest_goes),
        cmocka_unit_test(bytes__appends__are_big_endian_and_in_order),
        cmocka_unit_test(bytes__beyond_the_ceiling__drops_and_sticks),
        cmocka_unit_test(bytes__huge_request__is_refused_without_wrapping),
        cmocka_unit_test(bytes__growth__keeps_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
