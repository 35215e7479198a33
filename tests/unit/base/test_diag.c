/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "base/diag.h"

#include <stdio.h>

static char captured[8192];
static size_t captured_lines;
static int64_t now_ms;

static void
capture(void *arg, const char *line, size_t len)
{
    (void)arg;
    assert_true(len < sizeof(captured));
    memcpy(captured, line, len);
    captured[len] = '\0';
    captured_lines++;
}

static int64_t
fake_clock(void)
{
    return now_ms;
}

static int
setup(void **state)
{
    (void)state;
    captured[0] = '\0';
    captured_lines = 0;
    now_ms = 1700000000123;
    diag_set_sink(capture, NULL);
    diag_set_clock(fake_clock);
    diag_set_level(DIAG_INFO);
    return 0;
}

static void
line__fields_and_context__stand_in_order(void **state)
{
    (void)state;
    const struct diag_kv outer_kv[] = {KV_STR("peer", "1.2.3.4:5")};
    const struct diag outer = {.kv = outer_kv, .count = 1};
    const struct diag_kv inner_kv[] = {KV_STR("topic", "orders")};
    const struct diag inner = {.parent = &outer, .kv = inner_kv, .count = 1};
    SL_WARN(&inner, "fetch.throttled", KV_I64("wait_ms", -5), KV_U64("max", UINT64_MAX));
    assert_string_equal(captured, "2023-11-14T22:13:20.123Z WARN fetch.throttled peer=1.2.3.4:5 "
                                  "topic=orders wait_ms=-5 max=18446744073709551615\n");
}

static void
line__no_fields__is_time_level_event(void **state)
{
    (void)state;
    SL_INFO(NULL, "server.started");
    assert_string_equal(captured, "2023-11-14T22:13:20.123Z INFO server.started\n");
}

static void
line__bytes_of_a_peer__are_escaped(void **state)
{
    (void)state;
    SL_INFO(NULL, "x", KV_STR("a", ""), KV_STR("b", "two words"), KV_STR("c", "q\"\\\n\x7f\xc3"),
            KV_STR("d", "k=v"), KV_SPAN("e", ((struct span){NULL, 0})));
    assert_non_null(strstr(captured, " a=\"\" b=\"two words\" c=\"q\\\"\\\\\\x0a\\x7f\\xc3\" "
                                     "d=\"k=v\" e=\"\"\n"));
}

static void
line__too_long__is_cut_and_still_ends(void **state)
{
    (void)state;
    char big[5000];
    memset(big, 'x', sizeof(big));
    struct span s = span_of(big, sizeof(big));
    SL_INFO(NULL, "x", KV_SPAN("a", s), KV_SPAN("b", s), KV_SPAN("c", s), KV_SPAN("d", s),
            KV_SPAN("e", s));
    size_t n = strlen(captured);
    assert_true(n <= 2048);
    assert_int_equal(captured[n - 1], '\n');
    assert_ptr_equal(strchr(captured, '\n'), captured + n - 1);
}

static void
level__below_the_set_one__is_left_out(void **state)
{
    (void)state;
    SL_DEBUG(NULL, "x");
    assert_int_equal(captured_lines, 0);
    diag_set_level(DIAG_ERROR);
    SL_WARN(NULL, "x");
    assert_int_equal(captured_lines, 0);
    SL_ERROR(NULL, "x");
    assert_int_equal(captured_lines, 1);
    diag_set_level(DIAG_OFF);
    SL_ERROR(NULL, "x");
    assert_int_equal(captured_lines, 1);
}

static void
limit__more_than_its_burst__says_what_was_left_out(void **state)
{
    (void)state;
    struct diag_limit limit = {0};
    int passed = 0;
    for (int i = 0; i < 100; i++) {
        passed += diag_limit_ok(&limit, 10) ? 1 : 0;
    }
    assert_int_equal(passed, 10);
    assert_int_equal(captured_lines, 0);
    now_ms += 1000;
    assert_true(diag_limit_ok(&limit, 10));
    assert_non_null(strstr(captured, "WARN log.suppressed lines=90\n"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(line__fields_and_context__stand_in_order, setup),
        cmocka_unit_test_setup(line__no_fields__is_time_level_event, setup),
        cmocka_unit_test_setup(line__bytes_of_a_peer__are_escaped, setup),
        cmocka_unit_test_setup(line__too_long__is_cut_and_still_ends, setup),
        cmocka_unit_test_setup(level__below_the_set_one__is_left_out, setup),
        cmocka_unit_test_setup(limit__more_than_its_burst__says_what_was_left_out, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
