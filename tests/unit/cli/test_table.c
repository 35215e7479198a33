/* SPDX-License-Identifier: Apache-2.0
 *
 * What commands print: tables, bars, sizes, ranges; nothing that a terminal would act on. */
#include "../unit.h"
#include "cli/table_int.h"

#include <stdlib.h>

static char *
printed(struct cli__table *t)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    cli__table_print(t, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void
table__columns__are_as_wide_as_they_have_to_be(void **state)
{
    static const char *const heads[] = {"NAME", ">N", "NOTE", NULL};
    struct cli__table t;
    (void)state;
    cli__table_init(&t, heads);
    cli__table_span(&t, span_cstr("longer"));
    cli__table_int(&t, 7);
    cli__table_cell(&t, "%s", "x");
    cli__table_span(&t, span_of(NULL, 0));
    cli__table_int(&t, 12345);
    cli__table_cell(&t, "%s", "");
    char *text = printed(&t);
    assert_string_equal(text, "NAME        N  NOTE\nlonger      7  x\n-       12345\n");
    free(text);
}

static void
table__no_rows__only_heads(void **state)
{
    static const char *const heads[] = {"A", ">B", NULL};
    struct cli__table t;
    (void)state;
    cli__table_init(&t, heads);
    char *text = printed(&t);
    assert_string_equal(text, "A  B\n");
    free(text);
}

static void
table__code_points__are_one_column_each(void **state)
{
    static const char *const heads[] = {"A", "B", NULL};
    struct cli__table t;
    (void)state;
    cli__table_init(&t, heads);
    cli__table_span(&t, span_cstr("\xc3\xbc\xc3\xbc")); /* two */
    cli__table_span(&t, span_cstr("x"));
    cli__table_span(&t, span_cstr("abc"));
    cli__table_span(&t, span_cstr("y"));
    char *text = printed(&t);
    assert_string_equal(text, "A    B\n\xc3\xbc\xc3\xbc   x\nabc  y\n");
    free(text);
}

static void
table__control_characters__are_escaped(void **state)
{
    static const char *const heads[] = {"A", NULL};
    struct cli__table t;
    (void)state;
    cli__table_init(&t, heads);
    cli__table_span(&t, span_cstr("\x1b[2J"));
    cli__table_span(&t, span_of("a\0b", 3));
    cli__table_span(&t, span_cstr("a\nb\x7f\\"));
    cli__table_span(&t, span_cstr("\xc2\x9b"
                                  "2J")); /* CSI as one code point */
    char *text = printed(&t);
    assert_string_equal(text, "A\n\\x1b[2J\na\\x00b\na\\x0ab\\x7f\\x5c\n\\xc2\x9b"
                              "2J\n");
    free(text);
}

static void
bar__is_scaled_to_the_largest(void **state)
{
    static const struct {
        int64_t value, largest;
        int columns;
    } rows[] = {{0, 10, 0},
                {-1, 10, 0},
                {10, 10, CLI__BAR_WIDTH},
                {5, 10, CLI__BAR_WIDTH / 2},
                {1, 1000000, 1}, /* seen at all */
                {20, 10, CLI__BAR_WIDTH},
                {INT64_MAX, INT64_MAX, CLI__BAR_WIDTH},
                {1, 0, 0}};
    char bar[CLI__BAR_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cli__bar(rows[i].value, rows[i].largest, false, bar);
        assert_int_equal(strlen(bar), rows[i].columns);
        assert_int_equal(strspn(bar, "#"), rows[i].columns);
    }
}

static void
bar__eighths_of_a_column(void **state)
{
    char bar[CLI__BAR_MAX];
    (void)state;
    cli__bar(1, 8 * CLI__BAR_WIDTH, true, bar);
    assert_string_equal(bar, "\xe2\x96\x8f"); /* one eighth */
    cli__bar(7, 8 * CLI__BAR_WIDTH, true, bar);
    assert_string_equal(bar, "\xe2\x96\x89"); /* seven */
    cli__bar(12, 8 * CLI__BAR_WIDTH, true, bar);
    assert_string_equal(bar, "\xe2\x96\x88\xe2\x96\x8c"); /* one and a half */
    cli__bar(5, 5, true, bar);
    assert_int_equal(strlen(bar), 3 * CLI__BAR_WIDTH);
}

static void
size__in_the_unit_that_reads_best(void **state)
{
    static const struct {
        int64_t bytes;
        const char *text;
    } rows[] = {{-1, "-"},         {0, "0 B"},           {1023, "1023 B"},      {1024, "1.0 KiB"},
                {1536, "1.5 KiB"}, {1048575, "1.0 MiB"}, {INT64_MAX, "8.0 EiB"}};
    char text[24];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cli__size_text(rows[i].bytes, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void
ranges__neighbours_are_joined(void **state)
{
    static const int32_t numbers[] = {0, 1, 2, 5, 7, 8};
    char text[32];
    (void)state;
    cli__ranges_text(numbers, 6, text, sizeof(text));
    assert_string_equal(text, "0-2,5,7-8");
    cli__ranges_text(numbers, 0, text, sizeof(text));
    assert_string_equal(text, "");
    cli__ranges_text(numbers, 6, text, 9); /* where it does not fit */
    assert_string_equal(text, "0-2,5...");
}

static void
json_span__no_utf8__is_escaped(void **state)
{
    json_t *null = cli__json_span(span_of(NULL, 0));
    json_t *text = cli__json_span(span_cstr("\xc3\xbc"));
    json_t *bytes = cli__json_span(span_of("a\xff", 2));
    (void)state;
    assert_true(json_is_null(null));
    assert_string_equal(json_string_value(text), "\xc3\xbc");
    assert_string_equal(json_string_value(bytes), "a\\xff");
    json_decref(text);
    json_decref(bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table__columns__are_as_wide_as_they_have_to_be),
        cmocka_unit_test(table__no_rows__only_heads),
        cmocka_unit_test(table__code_points__are_one_column_each),
        cmocka_unit_test(table__control_characters__are_escaped),
        cmocka_unit_test(bar__is_scaled_to_the_largest),
        cmocka_unit_test(bar__eighths_of_a_column),
        cmocka_unit_test(size__in_the_unit_that_reads_best),
        cmocka_unit_test(ranges__neighbours_are_joined),
        cmocka_unit_test(json_span__no_utf8__is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
