/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners, topics, substitution, a plugin's own keys, suggestions. */
#include "config_fixture.h"

#include <sluice/plugin.h>

static void
listener__wildcard_without_advertised__says_why_and_what_to_write(void **state)
{
    (void)state;
    static const char *const hosts[] = {"0.0.0.0", "*", "", "[::]"};
    for (size_t i = 0; i < 4; i++) {
        char text[100];
        struct fixture f;
        (void)snprintf(text, sizeof(text), "[listener plain]\naddress = %s:9092\n", hosts[i]);
        fixture_text(&f, text);
        assert_int_equal(f.rc, SL_EINVALID_CONFIG);
        assert_non_null(strstr(f.problems, "FILE:2: [listener plain] listens on every address"));
        assert_non_null(strstr(f.problems, "nobody can reach the broker"));
        assert_non_null(strstr(f.problems, "add advertised = HOST:9092"));
    }
}

static void
listener__wildcard_with_advertised__is_fine(void **state)
{
    (void)state;
    struct fixture f;
    fixture_text(&f, "[listener]\naddress = :9092\nadvertised = 10.0.0.7:19092\n");
    assert_string_equal(f.problems, "");
    assert_string_equal(f.cfg->listeners[0].name, "plain");
    assert_string_equal(f.cfg->listeners[0].address.host, "0.0.0.0");
    assert_string_equal(f.cfg->listeners[0].advertised.host, "10.0.0.7");
    fixture_end(&f);
}

static void
listener__advertised_wildcard_or_port_zero__is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_set(&f, "listener.plain.advertised=0.0.0.0:9092");
    assert_int_equal(f.rc, SL_EINVALID_CONFIG);
    assert_non_null(strstr(f.problems, "nobody can connect to"));
    fixture_set(&f, "listener.plain.advertised=host:0");
    assert_int_equal(f.rc, SL_EINVALID_CONFIG);
}

static void
listener__two_with_one_address__names_both(void **state)
{
    (void)state;
    struct fixture f;
    fixture_text(&f, "[listener a]\naddress = 127.0.0.1:1\n[listener b]\naddress = 127.0.0.1:1\n");
    assert_string_equal(f.problems, "FILE:4: [listener a] and [listener b] have the same address "
                                    "127.0.0.1:1\n");
    fixture_text(&f, "[listener a]\naddress = 127.0.0.1:0\n[listener b]\naddress = 127.0.0.1:0\n");
    assert_int_equal(f.rc, SL_OK); /* two free ports */
    assert_int_equal(f.cfg->listener_count, 2);
    fixture_end(&f);
}

static void
address__forms_that_are_none__are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"host",      "host:",   "host:x", "host:70000", "::1:9092",
                                      "[::1]9092", "[::1:80", "a b:1",  "host:-1",    "h/x:1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char set[100];
        struct fixture f;
        (void)snprintf(set, sizeof(set), "listener.plain.address=%s", bad[i]);
        fixture_set(&f, set);
        assert_int_equal(f.rc, SL_EINVALID_CONFIG);
    }
}

static void
journal__check_interval_not_below_the_window__is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_text(&f, "[journal]\nsafe.window.ms = 7s\n");
    assert_non_null(strstr(f.problems, "FILE:2: [journal] check.interval.ms (7000) must be less "
                                       "than safe.window.ms (7000)"));
    assert_int_equal(f.rc, SL_EINVALID_CONFIG);
}

static void
topic__several_patterns__later_ones_win_key_by_key(void **state)
{
    (void)state;
    struct fixture f;
    struct config_topic t;
    fixture_text(&f, "[topic *]\nretention.ms = 1\nretention.bytes = 2\n"
                     "[topic orders.*]\nretention.ms = 3\nmessage.timestamp.type = LogAppendTime\n"
                     "[topic orders.e?]\nretention.bytes = 4\n");
    assert_string_equal(f.problems, "");
    config_topic(f.cfg, "orders.eu", &t);
    assert_int_equal(t.retention_ms, 3);
    assert_int_equal(t.retention_bytes, 4);
    assert_int_equal(t.message_timestamp_type, CONFIG_LOG_APPEND_TIME);
    config_topic(f.cfg, "orders.us", &t);
    assert_int_equal(t.retention_ms, 3);
    assert_int_equal(t.retention_bytes, 2);
    config_topic(f.cfg, "other", &t);
    assert_int_equal(t.retention_ms, 1);
    assert_int_equal(t.message_timestamp_type, CONFIG_CREATE_TIME);
    assert_int_equal(t.message_max_bytes, 1048588);
    fixture_end(&f);
}

static void
substitute__env_and_file__stand_for_their_content(void **state)
{
    (void)state;
    char path[] = "/tmp/sluice-secret-XXXXXX";
    char set[200];
    struct fixture f;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "from file\r\n\n", 12), 12);
    assert_int_equal(close(fd), 0);
    assert_int_equal(setenv("SLUICE_TEST_VALUE", "from env", 1), 0);
    (void)snprintf(set, sizeof(set), "storage.path=a ${env:SLUICE_TEST_VALUE}, ${file:%s}!", path);
    fixture_set(&f, set);
    assert_int_equal(unlink(path), 0);
    assert_string_equal(f.cfg->storage.path, "a from env, from file!");
    assert_string_equal(config_text(f.cfg, "storage", "path"), "a from env, from file!");
    fixture_end(&f);
}

static void
substitute__what_is_missing__is_named(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("SLUICE_TEST_VALUE"), 0);
    assert_problems("[storage]\n"
                    "path = ${env:SLUICE_TEST_VALUE}\n"
                    "prefix = ${file:/nonexistent/secret}\n"
                    "namespace = ${vault:x}\n"
                    "plugin = ${env\n"
                    "other = ${env:SLUICE_TEST_VALUE}\n",
                    "FILE:2: environment variable SLUICE_TEST_VALUE is not set\n"
                    "FILE:3: cannot read /nonexistent/secret: No such file or directory\n"
                    "FILE:4: ${vault:...} is not known; there are ${env:NAME} and ${file:PATH}\n"
                    "FILE:5: write ${env:NAME} or ${file:PATH}; this ${ is neither\n"
                    "FILE:6: environment variable SLUICE_TEST_VALUE is not set\n");
}

static void
substitute__endless_file__is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_set(&f, "storage.path=${file:/dev/zero}");
    assert_int_equal(f.rc, SL_EINVALID_CONFIG);
}

static void
substitute__wrong_value__is_not_shown(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(setenv("SLUICE_TEST_VALUE", "hunter2", 1), 0);
    fixture_set(&f, "server.node.id=${env:SLUICE_TEST_VALUE}");
    assert_non_null(strstr(f.problems, "not \"${env:SLUICE_TEST_VALUE}\""));
    assert_null(strstr(f.problems, "hunter2"));
    assert_null(strstr(f.err.msg, "hunter2"));
}

static const sluice_conf_key plugin_keys[] = {
    {"endpoint", SLUICE_CONF_STR, SLUICE_CONF_REQUIRED, NULL, "", "Where the store is.", 1, 200},
    {"retries", SLUICE_CONF_INT, 0, "3", "", "How often.", 0, 10},
    {"secret.key", SLUICE_CONF_STR, SLUICE_CONF_SECRET, NULL, "", "The key.", 8, 64},
    {"mode", SLUICE_CONF_ENUM, 0, "fast", "fast|slow", "How.", 0, 0},
    {0},
};

static void
check_extras(struct fixture *f, const char *text, const char *problems)
{
    struct config_args args = {.report = fixture_report, .report_arg = f};
    fixture_text(f, text);
    assert_string_equal(f->problems, ""); /* nobody has asked the plugin yet */
    assert_int_equal(f->rc, SL_OK);
    enum sl_err rc = config_extras_check(f->cfg, "storage", plugin_keys, &args, &f->err);
    assert_string_equal(f->problems, problems);
    assert_int_equal(rc, problems[0] == '\0' ? SL_OK : SL_EINVALID_CONFIG);
    fixture_end(f);
}

static void
extras__right_ones__are_handed_on(void **state)
{
    (void)state;
    struct fixture f;
    const struct config_extra *extras;
    fixture_text(&f, "[storage]\nendpoint = a\npath = b\nretries = 4\n");
    assert_int_equal(config_extras(f.cfg, "storage", &extras), 2);
    assert_string_equal(extras[0].key, "endpoint");
    assert_string_equal(extras[0].value, "a");
    assert_non_null(strstr(extras[0].where, ":2"));
    assert_string_equal(extras[1].key, "retries");
    assert_int_equal(config_extras(f.cfg, "server", &extras), 0);
    assert_int_equal(config_extras(f.cfg, "nonsense", &extras), 0);
    fixture_end(&f);
    check_extras(&f, "[storage]\nendpoint = a\nretries = 10\nmode = slow\nsecret.key = 12345678\n",
                 "");
}

static void
extras__wrong_ones__are_reported_with_line_and_nearest(void **state)
{
    (void)state;
    struct fixture f;
    check_extras(&f,
                 "[storage]\n"
                 "endpoit = a\n"
                 "durabilty = os\n"
                 "retries = 11\n"
                 "mode = medium\n"
                 "secret.key = short\n"
                 "zzzzzzzzz = 1\n",
                 "FILE:2: no key endpoit in [storage]; did you mean endpoint?\n"
                 "FILE:3: no key durabilty in [storage]; did you mean durability?\n"
                 "FILE:4: retries must be a number from 0 to 10\n"
                 "FILE:5: mode must be fast or slow\n"
                 "FILE:6: secret.key must be text of 8 to 64 bytes\n"
                 "FILE:7: no key zzzzzzzzz in [storage], nor has its plugin one\n"
                 "[storage] needs the key endpoint: Where the store is.\n");
}

static void
plugin_sections__two_of_one_file__keep_their_own_keys(void **state)
{
    (void)state;
    struct fixture f;
    const struct config_extra *extras;
    fixture_text(&f, "[plugin hot]\npath = /x/s3.so\nendpoint = a\n"
                     "[plugin cold-2]\npath = /x/s3.so\nendpoint = b\nretries = 1\n");
    assert_string_equal(f.problems, "");
    assert_int_equal(f.cfg->plugin_count, 2);
    assert_string_equal(f.cfg->plugins[0].name, "hot");
    assert_string_equal(f.cfg->plugins[1].section, "plugin cold-2");
    assert_string_equal(f.cfg->plugins[1].path, "/x/s3.so");
    assert_int_equal(config_extras(f.cfg, "plugin hot", &extras), 1);
    assert_string_equal(extras[0].value, "a");
    assert_int_equal(config_extras(f.cfg, "plugin cold-2", &extras), 2);
    assert_string_equal(extras[0].value, "b");
    assert_string_equal(config_text(f.cfg, "plugin hot", "path"), "/x/s3.so");
    assert_null(config_text(f.cfg, "plugin", "path"));
    fixture_end(&f);
}

static void
plugin_sections__mistakes__say_what_to_write(void **state)
{
    (void)state;
    struct fixture f;
    assert_problems("[plugin]\npath = /x.so\n", "FILE:1: [plugin] needs a name: [plugin NAME]\n");
    assert_problems(
        "[plugin s3]\nendpoint = x\n",
        "[plugin s3] needs the key path: the plugin's shared object, by absolute path\n");
    assert_problems("[plugin a.b]\npath = /x.so\n",
                    "FILE:2: [plugin a.b]: a name is made of letters, digits, - and _\n");
    fixture_set(&f, "plugin.path=/x.so");
    assert_string_equal(f.problems, "--set plugin.path: write plugin.NAME.KEY=VALUE\n");
    fixture_end(&f);
}

/* A plugin's keys are not known when --set is read, so the first dot ends the name. */
static void
plugin_sections__set__first_dot_ends_the_name(void **state)
{
    (void)state;
    const struct config_extra *extras;
    const char *const sets[] = {"plugin.s3.path=/x.so", "plugin.s3.ca.path=/ca.pem"};
    struct fixture f = {.path = ""};
    fixture_load(&f, sets, 2);
    assert_string_equal(f.problems, "");
    assert_int_equal(config_extras(f.cfg, "plugin s3", &extras), 1);
    assert_string_equal(extras[0].key, "ca.path");
    assert_string_equal(f.cfg->plugins[0].path, "/x.so");
    fixture_end(&f);
}

static void
assert_nearest(const char *word, const char *want)
{
    static const char *const words[] = {"serve", "check", "config", "status", "version", "help"};
    struct nearest n;
    nearest_init(&n, word);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        nearest_offer(&n, words[i]);
    }
    if (want == NULL) {
        assert_null(n.best);
    } else {
        assert_string_equal(n.best, want);
    }
}

static void
nearest__typos__find_the_word_and_nothing_far(void **state)
{
    (void)state;
    assert_nearest("serv", "serve");   /* left out */
    assert_nearest("servee", "serve"); /* too many */
    assert_nearest("sevre", "serve");  /* swapped */
    assert_nearest("chock", "check");  /* replaced */
    assert_nearest("hepl", "help");
    assert_nearest("versions", "version");
    assert_nearest("produce", NULL);
    assert_nearest("x", NULL);
    assert_nearest("", NULL);
    assert_nearest(
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listener__wildcard_without_advertised__says_why_and_what_to_write),
        cmocka_unit_test(listener__wildcard_with_advertised__is_fine),
        cmocka_unit_test(listener__advertised_wildcard_or_port_zero__is_refused),
        cmocka_unit_test(listener__two_with_one_address__names_both),
        cmocka_unit_test(address__forms_that_are_none__are_refused),
        cmocka_unit_test(journal__check_interval_not_below_the_window__is_refused),
        cmocka_unit_test(topic__several_patterns__later_ones_win_key_by_key),
        cmocka_unit_test(substitute__env_and_file__stand_for_their_content),
        cmocka_unit_test(substitute__what_is_missing__is_named),
        cmocka_unit_test(substitute__endless_file__is_refused),
        cmocka_unit_test(substitute__wrong_value__is_not_shown),
        cmocka_unit_test(extras__right_ones__are_handed_on),
        cmocka_unit_test(extras__wrong_ones__are_reported_with_line_and_nearest),
        cmocka_unit_test(plugin_sections__two_of_one_file__keep_their_own_keys),
        cmocka_unit_test(plugin_sections__mistakes__say_what_to_write),
        cmocka_unit_test(plugin_sections__set__first_dot_ends_the_name),
        cmocka_unit_test(nearest__typos__find_the_word_and_nothing_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
