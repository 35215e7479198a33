/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "base/span.h"

static void
put_and_get__are_big_endian_at_any_alignment(void **state)
{
    (void)state;
    uint8_t raw[16];
    for (size_t i = 0; i < 8; i++) {
        memset(raw, 0, sizeof(raw));
        put_u64(raw + i, UINT64_C(0x0102030405060708));
        assert_int_equal(raw[i], 1);
        assert_int_equal(raw[i + 7], 8);
        assert_int_equal(get_u64(raw + i), UINT64_C(0x0102030405060708));
        assert_int_equal(get_u32(raw + i), 0x01020304);
        assert_int_equal(get_u16(raw + i), 0x0102);
    }
    put_u32(raw, UINT32_MAX);
    put_u16(raw + 4, 0x8000);
    assert_int_equal(get_i32(raw), -1);
    assert_int_equal(get_i16(raw + 4), INT16_MIN);
}

static void
eq__absent_and_empty__are_equal_bytes(void **state)
{
    (void)state;
    assert_true(span_eq(span_cstr(""), span_cstr(NULL)));
    assert_null(span_cstr(NULL).ptr);
    assert_non_null(span_cstr("").ptr);
    assert_false(span_eq(span_cstr("a"), span_cstr("b")));
    assert_false(span_eq(span_cstr("a"), span_cstr("ab")));
}

static void
to_cstr__longer_than_the_room__is_cut_and_terminated(void **state)
{
    (void)state;
    char out[4] = "zzz";
    span_to_cstr(span_cstr("abcdef"), out, sizeof(out));
    assert_string_equal(out, "abc");
    span_to_cstr((struct span){NULL, 0}, out, sizeof(out));
    assert_string_equal(out, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_and_get__are_big_endian_at_any_alignment),
        cmocka_unit_test(eq__absent_and_empty__are_equal_bytes),
        cmocka_unit_test(to_cstr__longer_than_the_room__is_cut_and_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
