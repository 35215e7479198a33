/* SPDX-License-Identifier: Apache-2.0
 *
 * The primitives, byte by byte. */
#include "../unit.h"
#include "wire/reader.h"
#include "wire/writer.h"

static struct wire_in
in_of(const char *bytes, size_t n, bool is_flexible)
{
    struct wire_in in;
    wire_in_init(&in, span_of(bytes, n), is_flexible, NULL);
    return in;
}

#define IN(literal, is_flexible) in_of(literal, sizeof(literal) - 1, is_flexible)

static void
integers__big_endian_and_signed(void **state)
{
    (void)state;
    struct wire_in in =
        IN("\xff\xff\xfe\xff\xff\xff\xfd\xff\xff\xff\xff\xff\xff\xff\xfc\x01", false);
    assert_int_equal(wire_i8(&in), -1);
    assert_int_equal(wire_i16(&in), -2);
    assert_int_equal(wire_i32(&in), -3);
    assert_int_equal(wire_i64(&in), -4);
    assert_true(wire_bool(&in));
    assert_int_equal(wire_in_done(&in), SL_OK);
}

static void
reader__after_an_error__gives_nothing_more(void **state)
{
    (void)state;
    struct wire_in in = IN("\x00\x01\x02", false);
    assert_int_equal(wire_i32(&in), 0);
    assert_false(wire_ok(&in));
    assert_int_equal(wire_i8(&in), 0); /* three bytes were there, but the error sticks */
    assert_int_equal(wire_string(&in).len, 0);
    assert_int_equal(wire_remaining(&in), 0);
    assert_int_equal(wire_in_done(&in), SL_EMALFORMED);
}

static void
reader__null_span__is_empty_input(void **state)
{
    (void)state;
    struct wire_in in;
    wire_in_init(&in, span_of(NULL, 0), false, NULL);
    assert_int_equal(wire_in_done(&in), SL_OK);
    wire_i8(&in);
    assert_int_equal(wire_in_done(&in), SL_EMALFORMED);
}

static void
varints__known_values__both_ways(void **state)
{
    (void)state;
    static const int64_t values[] = {0,         -1,        1,      63,        -64,
                                     64,        8191,      -8192,  INT32_MAX, INT32_MIN,
                                     INT64_MAX, INT64_MIN, 150000, 1L << 40};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct bytes b;
        bytes_init(&b, 64);
        struct wire_out out = wire_out_to(&b, false);
        wire_put_varlong(&out, values[i]);
        wire_put_varint(&out, (int32_t)values[i]);
        wire_put_uvarint(&out, (uint32_t)values[i]);
        struct wire_in in;
        wire_in_init(&in, bytes_span(&b), false, NULL);
        assert_int_equal(wire_varlong(&in), values[i]);
        assert_int_equal(wire_varint(&in), (int32_t)values[i]);
        assert_int_equal(wire_uvarint(&in), (uint32_t)values[i]);
        assert_int_equal(wire_in_done(&in), SL_OK);
        bytes_fini(&b);
    }
}

static void
varint__longer_than_its_type__is_malformed(void **state)
{
    (void)state;
    struct wire_in in = IN("\xff\xff\xff\xff\x0f", false);
    assert_int_equal(wire_uvarint(&in), UINT32_MAX);
    assert_true(wire_ok(&in));
    in = IN("\xff\xff\xff\xff\x1f", false); /* a 33rd bit */
    wire_uvarint(&in);
    assert_false(wire_ok(&in));
    in = IN("\x80\x80\x80\x80\x80\x00", false); /* six bytes */
    wire_uvarint(&in);
    assert_false(wire_ok(&in));
    in = IN("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", false);
    assert_int_equal(wire_varlong(&in), INT64_MIN);
    assert_true(wire_ok(&in));
    in = IN("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", false); /* a 65th bit */
    wire_varlong(&in);
    assert_false(wire_ok(&in));
    in = IN("\x80", false); /* goes on, but nothing follows */
    wire_varlong(&in);
    assert_false(wire_ok(&in));
}

static void
string__null__only_where_allowed(void **state)
{
    (void)state;
    struct wire_in in = IN("\xff\xff", false);
    assert_null(wire_string_nullable(&in).ptr);
    assert_true(wire_ok(&in));
    in = IN("\xff\xff", false);
    wire_string(&in);
    assert_false(wire_ok(&in));
    in = IN("\x00", true); /* compact null */
    assert_null(wire_string_nullable(&in).ptr);
    assert_true(wire_ok(&in));
    in = IN("\x00", true);
    wire_string(&in);
    assert_false(wire_ok(&in));
    in = IN("\x01", true); /* compact empty */
    assert_non_null(wire_string(&in).ptr);
    assert_int_equal(wire_in_done(&in), SL_OK);
    in = IN("\xff\xfe", false); /* -2 is no null */
    wire_string_nullable(&in);
    assert_false(wire_ok(&in));
}

static void
array__more_than_the_bytes_can_hold__is_malformed(void **state)
{
    (void)state;
    struct wire_in in = IN("\x00\x00\x00\x02"
                           "12345678",
                           false);
    assert_int_equal(wire_array(&in, 4), 2);
    assert_true(wire_ok(&in));
    in = IN("\x00\x00\x00\x03"
            "12345678",
            false);
    wire_array(&in, 4);
    assert_false(wire_ok(&in));
    in = IN("\x7f\xff\xff\xff"
            "12345678",
            false);
    wire_array(&in, 1);
    assert_false(wire_ok(&in));
    in = IN("\xff\xff\xff\xff"
            "12345678",
            false);
    assert_int_equal(wire_array_nullable(&in, 1), -1);
    assert_true(wire_ok(&in));
    in = IN("\xff\xff\xff\xfe"
            "12345678",
            false);
    wire_array_nullable(&in, 1);
    assert_false(wire_ok(&in));
}

static void
tags__not_ascending__is_malformed(void **state)
{
    (void)state;
    struct wire_in in = IN("\x02\x01\x01x\x02\x00", true);
    wire_tags_skip(&in);
    assert_int_equal(wire_in_done(&in), SL_OK);
    in = IN("\x02\x02\x01x\x01\x00", true);
    wire_tags_skip(&in);
    assert_false(wire_ok(&in));
    in = IN("\x02\x01\x01x\x01\x00", true); /* twice the same */
    wire_tags_skip(&in);
    assert_false(wire_ok(&in));
}

static void
tags__size_or_count_beyond_the_end__is_malformed(void **state)
{
    (void)state;
    struct wire_in in = IN("\x01\x01\x03xy", true);
    wire_tags_skip(&in);
    assert_false(wire_ok(&in));
    in = IN("\xff\xff\xff\xff\x0f\x01\x00", true);
    wire_tags_skip(&in);
    assert_false(wire_ok(&in));
    in = IN("anything", false); /* an inflexible message has none */
    wire_tags_skip(&in);
    assert_int_equal(wire_remaining(&in), 8);
}

static void
writer__string_longer_than_int16__is_refused_not_cut(void **state)
{
    (void)state;
    static char big[40000];
    struct bytes b;
    bytes_init(&b, 1 << 20);
    struct wire_out out = wire_out_to(&b, false);
    wire_put_string(&out, span_of(big, sizeof(big)));
    assert_int_equal(wire_out_done(&out), SL_ETOO_LARGE);
    bytes_clear(&b);
    out = wire_out_to(&b, true); /* the compact form has room */
    wire_put_string(&out, span_of(big, sizeof(big)));
    assert_int_equal(wire_out_done(&out), SL_OK);
    assert_int_equal(b.len, 3 + sizeof(big));
    bytes_fini(&b);
}

static void
writer__ceiling_met__says_so(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b, 6);
    struct wire_out out = wire_out_to(&b, false);
    wire_put_i32(&out, 1);
    assert_int_equal(wire_out_done(&out), SL_OK);
    wire_put_i32(&out, 1);
    assert_int_equal(wire_out_done(&out), SL_ETOO_LARGE);
    bytes_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers__big_endian_and_signed),
        cmocka_unit_test(reader__after_an_error__gives_nothing_more),
        cmocka_unit_test(reader__null_span__is_empty_input),
        cmocka_unit_test(varints__known_values__both_ways),
        cmocka_unit_test(varint__longer_than_its_type__is_malformed),
        cmocka_unit_test(string__null__only_where_allowed),
        cmocka_unit_test(array__more_than_the_bytes_can_hold__is_malformed),
        cmocka_unit_test(tags__not_ascending__is_malformed),
        cmocka_unit_test(tags__size_or_count_beyond_the_end__is_malformed),
        cmocka_unit_test(writer__string_longer_than_int16__is_refused_not_cut),
        cmocka_unit_test(writer__ceiling_met__says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
