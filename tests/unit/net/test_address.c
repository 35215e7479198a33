#include "net/address.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

static void
expect_address(const char *text, const char *want)
{
    struct address a;
    struct sl_error err = SL_ERROR_INIT;
    char got[64];
    assert_int_equal(address_parse(text, &a, &err), SL_OK);
    address_format(&a.sa, got, sizeof(got));
    assert_string_equal(got, want);
}

static void
parse__host_and_port__round_trip(void **state)
{
    (void)state;
    expect_address("127.0.0.1:9092", "127.0.0.1:9092");
    expect_address("0.0.0.0:0", "0.0.0.0:0");
    expect_address("[::1]:65535", "[::1]:65535");
    expect_address("[::ffff:10.0.0.1]:1", "10.0.0.1:1");
}

static void
parse__localhost__is_resolved(void **state)
{
    (void)state;
    struct address a;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(address_parse("localhost:9092", &a, &err), SL_OK);
    assert_int_equal(address_port(&a.sa), 9092);
    assert_int_equal(a.sa.ss_family, AF_INET); /* what clients try first */
}

static void
parse__nonsense__is_refused_with_the_text(void **state)
{
    (void)state;
    static const char *const bad[] = {"",           "localhost",       "localhost:", "localhost:x",
                                      "::1:9092",   "127.0.0.1:65536", "1.2.3.4:-1", "1.2.3.4:+1",
                                      "1.2.3.4: 1", "1.2.3.4:000001",  "1.2.3.4:1x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char quoted[64];
        struct address a;
        struct sl_error err = SL_ERROR_INIT;
        assert_int_equal(address_parse(bad[i], &a, &err), SL_EINVAL);
        (void)snprintf(quoted, sizeof(quoted), "\"%s\"", bad[i]);
        assert_non_null(strstr(err.msg, quoted));
    }
}

static void
parse__host_too_long__is_refused(void **state)
{
    (void)state;
    char text[400];
    struct address a;
    struct sl_error err = SL_ERROR_INIT;
    memset(text, 'a', sizeof(text));
    memcpy(text + sizeof(text) - 6, ":9092", 6);
    assert_int_equal(address_parse(text, &a, &err), SL_EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse__host_and_port__round_trip),
        cmocka_unit_test(parse__localhost__is_resolved),
        cmocka_unit_test(parse__nonsense__is_refused_with_the_text),
        cmocka_unit_test(parse__host_too_long__is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
