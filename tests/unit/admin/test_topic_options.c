/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "admin/topic_options.h"

#include <stdio.h>

static char why[300];

static enum sl_err
check(const char *name, const char *value)
{
    why[0] = '\0';
    return topic_config_check(span_cstr(name), span_cstr(value), why, sizeof(why));
}

static void
table__sorted_and_every_default_passes_its_own_check(void **unused)
{
    (void)unused;
    size_t count;
    const struct topic_config_row *rows = topic_config_table(&count);
    assert_true(count >= 30);
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || strcmp(rows[i - 1].name, rows[i].name) < 0);
        assert_ptr_equal(topic_config_find(span_cstr(rows[i].name)), &rows[i]);
        assert_true(strlen(rows[i].doc) > 20);
        if (check(rows[i].name, rows[i].dflt) != SL_OK && rows[i].dflt[0] != '\0') {
            fail_msg("%s", why);
        }
    }
}

static void
numbers__bounds_and_junk(void **unused)
{
    (void)unused;
    const struct {
        const char *name, *value;
        bool is_good;
    } cases[] = {
        {"retention.ms", "-1", true},
        {"retention.ms", " 5 ", true},
        {"retention.ms", "9223372036854775807", true},
        {"retention.ms", "9223372036854775808", false},
        {"retention.ms", "-2", false},
        {"retention.ms", "", false},
        {"retention.ms", "5x", false},
        {"retention.ms", "5 5", false},
        {"retention.ms", "1e3", false},
        {"retention.ms", "0x10", false},
        {"max.message.bytes", "0", true},
        {"max.message.bytes", "2147483647", true},
        {"max.message.bytes", "2147483648", false},
        {"segment.bytes", "1048576", true},
        {"segment.bytes", "1048575", false},
        {"min.insync.replicas", "0", false},
        {"compression.gzip.level", "9", true},
        {"compression.gzip.level", "10", false},
        {"min.cleanable.dirty.ratio", "0.25", true},
        {"min.cleanable.dirty.ratio", "1", true},
        {"min.cleanable.dirty.ratio", "1.01", false},
        {"min.cleanable.dirty.ratio", "-0.1", false},
        {"min.cleanable.dirty.ratio", "nan", false},
        {"min.cleanable.dirty.ratio", "half", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum sl_err rc = check(cases[i].name, cases[i].value);
        if ((rc == SL_OK) != cases[i].is_good) {
            fail_msg("%s = \"%s\" is%s good", cases[i].name, cases[i].value,
                     cases[i].is_good ? "" : " not");
        }
        if (rc != SL_OK) {
            assert_int_equal(rc, SL_EINVALID_CONFIG);
            assert_non_null(strstr(why, cases[i].name));
        }
    }
}

static void
words__lists_and_booleans(void **unused)
{
    (void)unused;
    assert_int_equal(check("cleanup.policy", "compact"), SL_OK);
    assert_int_equal(check("cleanup.policy", "compact,delete"), SL_OK);
    assert_int_equal(check("cleanup.policy", "delete, compact"), SL_OK);
    assert_int_equal(check("cleanup.policy", "compact,"), SL_EINVALID_CONFIG);
    assert_int_equal(check("cleanup.policy", "comp"), SL_EINVALID_CONFIG);
    assert_int_equal(check("cleanup.policy", "compact|delete"), SL_EINVALID_CONFIG);
    assert_int_equal(check("compression.type", "zstd"), SL_OK);
    assert_int_equal(check("compression.type", "zst"), SL_EINVALID_CONFIG);
    assert_int_equal(check("compression.type", "zstd,lz4"), SL_EINVALID_CONFIG);
    assert_int_equal(check("message.timestamp.type", "LogAppendTime"), SL_OK);
    assert_int_equal(check("message.timestamp.type", "logappendtime"), SL_EINVALID_CONFIG);
    assert_int_equal(check("preallocate", "TRUE"), SL_OK);
    assert_int_equal(check("preallocate", "yes"), SL_EINVALID_CONFIG);
    assert_int_equal(check("leader.replication.throttled.replicas", ""), SL_OK);
    assert_int_equal(check("leader.replication.throttled.replicas", "0:1,1:2"), SL_OK);
    assert_int_equal(check("leader.replication.throttled.replicas", "*"), SL_OK);
}

static void
unknown_null_long_or_binary__refused(void **unused)
{
    (void)unused;
    static char longer[TOPIC_CONFIG_VALUE_MAX + 2];
    memset(longer, '1', sizeof(longer) - 1);
    assert_int_equal(check("no.such", "1"), SL_EINVALID_CONFIG);
    assert_non_null(strstr(why, "no.such"));
    assert_int_equal(check("", "1"), SL_EINVALID_CONFIG);
    assert_int_equal(check("retention.ms", NULL), SL_EINVALID_CONFIG);
    assert_int_equal(check("retention.ms", longer), SL_EINVALID_CONFIG);
    assert_int_equal(
        topic_config_check(span_cstr("retention.ms"), span_of("1\0", 2), why, sizeof(why)),
        SL_EINVALID_CONFIG);
}

static void
options__own_values_over_defaults(void **unused)
{
    (void)unused;
    const struct topic_options defaults = {.max_message_bytes = 10};
    struct topic_options o;
    struct topic_config configs[] = {
        {(char *)(uintptr_t) "cleanup.policy", (char *)(uintptr_t) "compact,delete"},
        {(char *)(uintptr_t) "max.message.bytes", (char *)(uintptr_t) "77"},
        {(char *)(uintptr_t) "message.timestamp.type", (char *)(uintptr_t) "LogAppendTime"}};
    topic_options_of(configs, 0, &defaults, &o);
    assert_int_equal(o.max_message_bytes, 10);
    assert_false(o.is_compacted || o.is_log_append_time);
    topic_options_of(configs, 3, &defaults, &o);
    assert_int_equal(o.max_message_bytes, 77);
    assert_true(o.is_compacted && o.is_log_append_time);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table__sorted_and_every_default_passes_its_own_check),
        cmocka_unit_test(numbers__bounds_and_junk),
        cmocka_unit_test(words__lists_and_booleans),
        cmocka_unit_test(unknown_null_long_or_binary__refused),
        cmocka_unit_test(options__own_values_over_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
