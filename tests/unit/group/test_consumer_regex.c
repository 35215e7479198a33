/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "group/consumer_regex.h"

#include <string.h>

static enum regex_verdict
match(const char *pattern, const char *name)
{
    struct regex *re = NULL;
    char why[REGEX_WHY_MAX] = "";
    if (regex_new(span_cstr(pattern), &re, why) != SL_OK) {
        fail_msg("%s: %s", pattern, why);
    }
    enum regex_verdict verdict = regex_match(re, span_cstr(name));
    regex_destroy(&re);
    assert_null(re);
    return verdict;
}

static void
check_refused(const char *pattern)
{
    struct regex *re = NULL;
    char why[REGEX_WHY_MAX] = "";
    if (regex_new(span_cstr(pattern), &re, why) != SL_EINVAL) {
        fail_msg("%s was taken", pattern);
    }
    assert_null(re);
    assert_true(strlen(why) > 10);
}

static void
match__whole_name__or_not_at_all(void **state)
{
    (void)state;
    assert_int_equal(match("orders", "orders"), REGEX_YES);
    assert_int_equal(match("orders", "orders2"), REGEX_NO);
    assert_int_equal(match("orders", "my-orders"), REGEX_NO);
    assert_int_equal(match("a|ab", "ab"), REGEX_YES);
    assert_int_equal(match("orders$", "orders\n"), REGEX_NO);
    assert_int_equal(match("^orders-.*", "orders-eu"), REGEX_YES);
    assert_int_equal(match(".*", ""), REGEX_YES);
    assert_int_equal(match("", "a"), REGEX_NO);
}

static void
match__what_re2_has__is_there(void **state)
{
    (void)state;
    assert_int_equal(match("(?i)ORDERS", "orders"), REGEX_YES);
    assert_int_equal(match("(?i:A)b", "ab"), REGEX_YES);
    assert_int_equal(match("(?:a|b)+?[[:digit:]]{2,3}", "abba123"), REGEX_YES);
    assert_int_equal(match("(?P<x>a)(?<y>b)", "ab"), REGEX_YES);
    assert_int_equal(match("\\Qa.b+\\E", "a.b+"), REGEX_YES);
    assert_int_equal(match("\\Qa.b\\E", "axb"), REGEX_NO);
    assert_int_equal(match("[^]a-c]\\d\\.\\w*", "x7.t_"), REGEX_YES);
}

static void
new__what_re2_has_not__is_refused_with_a_sentence(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "(a)\\1", "(?=a)a",  "(?!a)b",        "(?<=a)b",   "(?<!a)b", "(?>a+)b", "(?R)",
        "(?1)",   "(?&x)",   "a++",           "a*+",       "a?+",     "a{2}+",   "(?P=x)",
        "(?P>x)", "(*UTF)a", "(*COMMIT)a",    "(?(1)a|b)", "\\Ca",    "\\Ka",    "(?|a|b)",
        "\\g{1}", "(?#x)a",  "(?<x>a)\\k<x>", "(?i",
    };
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        check_refused(patterns[i]);
    }
}

static void
new__malformed__is_refused_with_a_sentence(void **state)
{
    (void)state;
    static const char *const patterns[] = {"(",  ")",     "[",   "a{3,2}", "*a",
                                           "\\", "[z-a]", "(?<", "(?P"};
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        check_refused(patterns[i]);
    }
}

static void
new__too_long_or_too_deep__is_refused(void **state)
{
    (void)state;
    char text[REGEX_PATTERN_MAX + 2];
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    check_refused(text);
    memset(text, '(', 500);
    memset(text + 500, ')', 500);
    text[1000] = '\0';
    check_refused(text);
}

static void
match__explodes__stops_at_the_bound(void **state)
{
    (void)state;
    char name[250];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(match("(a+)+[bc]", name), REGEX_TOO_MUCH);
    assert_int_equal(match("(a|aa)+[bc]", name), REGEX_TOO_MUCH);
    assert_int_equal(match("a{1,200}", name), REGEX_NO);
    assert_int_equal(match(".*a.*a.*", name), REGEX_YES);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(match__whole_name__or_not_at_all),
        cmocka_unit_test(match__what_re2_has__is_there),
        cmocka_unit_test(new__what_re2_has_not__is_refused_with_a_sentence),
        cmocka_unit_test(new__malformed__is_refused_with_a_sentence),
        cmocka_unit_test(new__too_long_or_too_deep__is_refused),
        cmocka_unit_test(match__explodes__stops_at_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
