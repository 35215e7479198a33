/* SPDX-License-Identifier: Apache-2.0 */
#include "config_fixture.h"

static void
set__key_with_dots__finds_the_section(void **state)
{
    (void)state;
    struct fixture f;
    fixture_set(&f, "server.node.id=9");
    assert_int_equal(f.cfg->server.node_id, 9);
    fixture_end(&f);
    fixture_set(&f, "storage.path=/var/lib/a=b");
    assert_string_equal(f.cfg->storage.path, "/var/lib/a=b");
    fixture_end(&f);
}

static void
set__listener__is_made_when_missing(void **state)
{
    (void)state;
    struct fixture f;
    fixture_set(&f, "listener.plain.address=127.0.0.1:19092");
    assert_int_equal(f.cfg->listener_count, 1);
    assert_int_equal(f.cfg->listeners[0].address.port, 19092);
    assert_int_equal(f.cfg->listeners[0].advertised.port, 19092);
    fixture_end(&f);
}

static void
set__advertised_alone__keeps_the_default_address(void **state)
{
    (void)state;
    struct fixture f;
    fixture_set(&f, "listener.plain.advertised=broker.example:99");
    assert_string_equal(f.cfg->listeners[0].address.host, "127.0.0.1");
    assert_string_equal(f.cfg->listeners[0].advertised.host, "broker.example");
    assert_int_equal(f.cfg->listeners[0].advertised.port, 99);
    fixture_end(&f);
}

static void
set__topic_with_dots__splits_before_the_known_key(void **state)
{
    (void)state;
    struct fixture f;
    struct config_topic topic;
    fixture_set(&f, "topic.eu.orders.v1.retention.ms=1h");
    config_topic(f.cfg, "eu.orders.v1", &topic);
    assert_int_equal(topic.retention_ms, 3600000);
    config_topic(f.cfg, "eu.orders", &topic);
    assert_int_equal(topic.retention_ms, 604800000);
    fixture_end(&f);
}

static void
set__after_the_file__wins(void **state)
{
    (void)state;
    static const char *const sets[] = {"server.node.id=4", "server.node.id=5"};
    struct fixture f = {.path = "/tmp/sluice-config-XXXXXX"};
    int fd = mkstemp(f.path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "[server]\nnode.id = 3\n", 21), 21);
    assert_int_equal(close(fd), 0);
    fixture_load(&f, sets, 2);
    assert_int_equal(unlink(f.path), 0);
    assert_int_equal(f.cfg->server.node_id, 5);
    fixture_end(&f);
}

static void
assert_set_problem(const char *set, const char *problem)
{
    struct fixture f;
    fixture_set(&f, set);
    assert_string_equal(f.problems, problem);
    assert_int_equal(f.rc, SL_EINVALID_CONFIG);
}

static void
set__mistakes__say_what_to_write(void **state)
{
    (void)state;
    assert_set_problem("x", "--set: write --set SECTION.KEY=VALUE\n");
    assert_set_problem("", "--set: write --set SECTION.KEY=VALUE\n");
    assert_set_problem("=3", "--set: write --set SECTION.KEY=VALUE\n");
    assert_set_problem("server=3", "--set: write --set SECTION.KEY=VALUE\n");
    assert_set_problem("servre.node.id=3",
                       "--set servre.node.id: no section [servre]; did you mean [server]?\n");
    assert_set_problem("log.cleaner.backoff.ms=3",
                       "--set log.cleaner.backoff.ms: it belongs into [server]: write "
                       "server.log.cleaner.backoff.ms\n");
    assert_set_problem("server.nod.id=3",
                       "--set server.nod.id: no key nod.id in [server]; did you mean node.id?\n");
    assert_set_problem("listener.x=3", "--set listener.x: write listener.NAME.KEY=VALUE\n");
    assert_set_problem("listener.plain.adress=a:1",
                       "--set listener.plain.adress: no key adress in [listener plain]; did you "
                       "mean address?\n");
    assert_set_problem("auth.x=1", "--set auth.x: [auth] is reserved: this version has no "
                                   "authentication and authorization yet\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set__key_with_dots__finds_the_section),
        cmocka_unit_test(set__listener__is_made_when_missing),
        cmocka_unit_test(set__advertised_alone__keeps_the_default_address),
        cmocka_unit_test(set__topic_with_dots__splits_before_the_known_key),
        cmocka_unit_test(set__after_the_file__wins),
        cmocka_unit_test(set__mistakes__say_what_to_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
