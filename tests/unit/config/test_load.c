/* SPDX-License-Identifier: Apache-2.0 */
#include "config_fixture.h"

static void
load__no_file__gives_the_defaults(void **state)
{
    (void)state;
    struct fixture f = {.path = ""};
    fixture_load(&f, NULL, 0);
    assert_int_equal(f.rc, SL_OK);
    assert_int_equal(f.cfg->server.node_id, 1);
    assert_int_equal(f.cfg->server.memory_budget, 256 << 20);
    assert_int_equal(f.cfg->server.log_level, CONFIG_LOG_INFO);
    assert_true(f.cfg->server.auto_create_topics_enable);
    assert_string_equal(f.cfg->storage.plugin, "fs");
    assert_string_equal(f.cfg->storage.path, "./sluice-data");
    assert_int_equal(f.cfg->storage.durability, CONFIG_DURABILITY_FSYNC);
    assert_int_equal(f.cfg->journal.linger_ms, -1);
    assert_int_equal(f.cfg->listener_count, 1);
    assert_string_equal(f.cfg->listeners[0].name, "plain");
    assert_string_equal(f.cfg->listeners[0].address.host, "127.0.0.1");
    assert_int_equal(f.cfg->listeners[0].address.port, 9092);
    assert_string_equal(f.cfg->listeners[0].advertised.host, "127.0.0.1");
    assert_int_equal(f.cfg->listeners[0].advertised.port, 9092);
    fixture_end(&f);
}

static void
load__empty_file__gives_the_defaults(void **state)
{
    (void)state;
    struct fixture f;
    fixture_text(&f, "");
    assert_int_equal(f.rc, SL_OK);
    assert_int_equal(f.cfg->server.node_id, 1);
    fixture_end(&f);
}

static void
load__every_type__is_read(void **state)
{
    (void)state;
    struct fixture f;
    fixture_text(&f, "\xEF\xBB\xBF# a comment, after a byte order mark\r\n"
                     "[server]\r\n"
                     "  node.id = 7   # indented, with a comment and CRLF\r\n"
                     "cluster.id=a#b;c ; d\n"
                     "\tmemory.budget = 1 GiB\n"
                     "shutdown.timeout.ms = 2m\n"
                     "auto.create.topics.enable = off\n"
                     "log.level = warn\n"
                     "[topic *]\n"
                     "cleanup.policy = compact , delete\n"
                     "[listener tls-less]\n"
                     "address = [::1]:9093\n"
                     "[journal]\n"
                     "linger.ms = -1");
    assert_string_equal(f.problems, "");
    assert_int_equal(f.cfg->server.node_id, 7);
    assert_string_equal(f.cfg->server.cluster_id, "a#b;c ; d");
    assert_int_equal(f.cfg->server.memory_budget, 1 << 30);
    assert_int_equal(f.cfg->server.shutdown_timeout_ms, 120000);
    assert_false(f.cfg->server.auto_create_topics_enable);
    assert_int_equal(f.cfg->server.log_level, CONFIG_LOG_WARN);
    assert_int_equal(f.cfg->listener_count, 1);
    assert_string_equal(f.cfg->listeners[0].name, "tls-less");
    assert_string_equal(f.cfg->listeners[0].address.host, "::1");
    struct config_topic topic;
    config_topic(f.cfg, "any", &topic);
    assert_int_equal(topic.cleanup_policy, CONFIG_CLEANUP_DELETE | CONFIG_CLEANUP_COMPACT);
    fixture_end(&f);
}

/* The beginning of a server.properties of Kafka's. */
static void
load__keys_without_a_section__are_told_theirs(void **state)
{
    (void)state;
    assert_problems("log.cleaner.backoff.ms = 15000\nretention.ms=1\nbroker.rack=a\n",
                    "FILE:1: a key before the first [section]; log.cleaner.backoff.ms belongs into "
                    "[server]\n"
                    "FILE:2: a key before the first [section]; retention.ms belongs into [topic]\n"
                    "FILE:3: a key before the first [section]\n");
}

static void
load__each_mistake__is_reported_with_its_line(void **state)
{
    (void)state;
    assert_problems(
        "key = before\n"
        "[server]\n"
        "nodeid = 3\n"
        "linger.ms = 3\n"
        "something.else.entirely = 3\n"
        "nonsense\n"
        "= 3\n"
        "node:id = 3\n"
        "[listner x]\n"
        "skipped = silently\n"
        "[server extra]\n"
        "[journal\n"
        "[what]\n"
        "[auth]\n"
        "x = 1\n",
        "FILE:1: a key before the first [section]\n"
        "FILE:3: no key nodeid in [server]; did you mean node.id?\n"
        "FILE:4: no key linger.ms in [server]; it belongs into [journal]\n"
        "FILE:5: no key something.else.entirely in [server]; `sluice config doc` lists them all\n"
        "FILE:6: a line is a [section], a key = value, or a # comment\n"
        "FILE:7: a key is 1 to 49 letters, digits, dots or dashes\n"
        "FILE:8: a key is 1 to 49 letters, digits, dots or dashes\n"
        "FILE:9: no section [listner]; did you mean [listener]?\n"
        "FILE:11: [server extra]: there is only one [server], without a name\n"
        "FILE:12: a section is written [NAME]; the ] is missing\n"
        "FILE:13: no section [what]\n"
        "FILE:14: [auth] is reserved: this version has no authentication and authorization yet\n");
}

static void
load__first_problem__stands_in_the_error_with_the_count(void **state)
{
    (void)state;
    struct fixture f;
    fixture_text(&f, "[server]\nnodeid = 3\nthreads = x\n");
    assert_int_equal(f.err.code, SL_EINVALID_CONFIG);
    assert_non_null(strstr(f.err.msg, ":2: no key nodeid in [server]"));
    assert_non_null(strstr(f.err.msg, " (and 1 more)"));
}

static void
load__wrong_values__say_what_is_allowed(void **state)
{
    (void)state;
    assert_problems(
        "[server]\n"
        "node.id = one\n"
        "threads = 257\n"
        "memory.budget = 1TB\n"
        "shutdown.timeout.ms = -1\n"
        "auto.create.topics.enable = maybe\n"
        "log.level = verbose\n"
        "[listener x]\n"
        "address = localhost\n"
        "[storage]\n"
        "path =\n"
        "[topic *]\n"
        "cleanup.policy = delete,\n"
        "retention.ms = -2\n",
        "FILE:2: [server] node.id must be a number from 0 to 2147483647, not \"one\"\n"
        "FILE:3: [server] threads must be a number from 0 to 256, not \"257\"\n"
        "FILE:4: [server] memory.budget must be bytes (B, KiB, MiB, GiB or TiB may follow) from "
        "16MiB to 1TiB, not \"1TB\"\n"
        "FILE:5: [server] shutdown.timeout.ms must be milliseconds (ms, s, m, h or d may follow) "
        "from 0 to 2147483647ms, not \"-1\"\n"
        "FILE:6: [server] auto.create.topics.enable must be true or false, not \"maybe\"\n"
        "FILE:7: [server] log.level must be debug, info, warn or error, not \"verbose\"\n"
        "FILE:9: [listener x] address must be host:port with a port from 0 to 65535; an IPv6 "
        "address stands in brackets, [::1]:9092, not \"localhost\"\n"
        "FILE:11: [storage] path must be text of 1 to 1024 bytes, not \"\"\n"
        "FILE:13: [topic *] cleanup.policy must be one or more, separated by commas, of delete or "
        "compact, not \"delete,\"\n"
        "FILE:14: [topic *] retention.ms must be milliseconds (ms, s, m, h or d may follow), -1 "
        "or more, not \"-2\"\n");
}

static void
load__numbers_at_the_edges__do_not_wrap(void **state)
{
    (void)state;
    static const char *const bad[] = {"9223372036854775808",
                                      "99999999999999999999",
                                      "9000000TiB",
                                      "0x10",
                                      "1e3",
                                      "1.5",
                                      "",
                                      "+1",
                                      "1 2",
                                      "--1",
                                      "KiB"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char set[128];
        struct fixture f;
        (void)snprintf(set, sizeof(set), "topic.*.retention.bytes=%s", bad[i]);
        fixture_set(&f, set);
        assert_int_equal(f.rc, SL_EINVALID_CONFIG);
    }
    struct fixture f;
    struct config_topic topic;
    fixture_set(&f, "topic.*.retention.bytes=9223372036854775807");
    assert_int_equal(f.rc, SL_OK);
    config_topic(f.cfg, "t", &topic);
    assert_int_equal(topic.retention_bytes, INT64_MAX);
    fixture_end(&f);
}

static void
load__key_twice__names_the_first_place(void **state)
{
    (void)state;
    struct fixture f;
    fixture_text(&f, "[server]\nnode.id = 1\n[storage]\n[server]\nnode.id = 2\n");
    assert_int_equal(f.rc, SL_EINVALID_CONFIG);
    assert_non_null(strstr(f.problems, "FILE:5: node.id was set before, at "));
    assert_non_null(strstr(f.problems, ":2\n"));
}

static void
load__line_too_long__is_refused_not_split(void **state)
{
    (void)state;
    char text[1000] = "[storage]\npath = ";
    struct fixture f;
    memset(text + strlen(text), 'x', 500);
    (void)snprintf(text + strlen(text), 100, "\nnode.id = 3\n");
    fixture_text(&f, text);
    assert_non_null(strstr(f.problems, "FILE:2: the line is longer than "));
    assert_null(strstr(f.problems, "FILE:3")); /* it is [storage]'s plugin that may know node.id */
}

static void
load__long_section_name__is_kept_whole(void **state)
{
    (void)state;
    char name[150];
    char text[400];
    struct fixture f;
    struct config_topic topic;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(text, sizeof(text), "[topic %s]\nretention.ms = 5\n", name);
    fixture_text(&f, text);
    assert_string_equal(f.problems, "");
    config_topic(f.cfg, name, &topic);
    assert_int_equal(topic.retention_ms, 5);
    name[100] = '\0';
    config_topic(f.cfg, name, &topic);
    assert_int_equal(topic.retention_ms, 604800000);
    fixture_end(&f);
}

static void
load__binary_rubbish__is_refused(void **state)
{
    (void)state;
    static const char rubbish[] =
        "\x00\xff[\x01]\n[]\n]\n=\n = \n[server]\n=3\n\x00\x00\n[[server]]\n";
    struct fixture f;
    fixture_file(&f, span_of(rubbish, sizeof(rubbish) - 1));
    assert_int_equal(f.rc, SL_EINVALID_CONFIG);
}

static void
load__file_that_is_not_there__says_so(void **state)
{
    (void)state;
    struct fixture f = {.path = "/nonexistent/sluice.conf"};
    fixture_load(&f, NULL, 0);
    assert_int_equal(f.rc, SL_EINVALID_CONFIG);
    assert_non_null(strstr(f.err.msg, "/nonexistent/sluice.conf: No such file or directory"));
}

static void
load__directory__says_so(void **state)
{
    (void)state;
    struct fixture f = {.path = "/"};
    fixture_load(&f, NULL, 0);
    assert_int_equal(f.rc, SL_EINVALID_CONFIG);
}

static void
load__more_sections_than_anyone_needs__is_refused(void **state)
{
    (void)state;
    enum { BYTES = 200000 };
    char *text = (char *)calloc(1, BYTES);
    size_t at = 0;
    assert_non_null(text);
    for (int i = 0; i < 3000; i++) {
        at += (size_t)snprintf(text + at, BYTES - at, "[topic t%d]\n", i);
    }
    struct fixture f;
    fixture_text(&f, text);
    free(text);
    assert_int_equal(f.rc, SL_EINVALID_CONFIG);
    assert_non_null(strstr(f.problems, "too large"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load__no_file__gives_the_defaults),
        cmocka_unit_test(load__empty_file__gives_the_defaults),
        cmocka_unit_test(load__every_type__is_read),
        cmocka_unit_test(load__keys_without_a_section__are_told_theirs),
        cmocka_unit_test(load__each_mistake__is_reported_with_its_line),
        cmocka_unit_test(load__first_problem__stands_in_the_error_with_the_count),
        cmocka_unit_test(load__wrong_values__say_what_is_allowed),
        cmocka_unit_test(load__numbers_at_the_edges__do_not_wrap),
        cmocka_unit_test(load__key_twice__names_the_first_place),
        cmocka_unit_test(load__line_too_long__is_refused_not_split),
        cmocka_unit_test(load__long_section_name__is_kept_whole),
        cmocka_unit_test(load__binary_rubbish__is_refused),
        cmocka_unit_test(load__file_that_is_not_there__says_so),
        cmocka_unit_test(load__directory__says_so),
        cmocka_unit_test(load__more_sections_than_anyone_needs__is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
