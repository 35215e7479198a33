/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line, and `status` against a broker made of canned bytes. */
#include "base/buf.h"
#include "run_cli.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>

enum { SERVE_STATUS = 42 };

static int served;
static int64_t served_node_id;
static enum sl_err check_answer;

static int
fake_serve(const struct config *cfg)
{
    served++;
    served_node_id = cfg->server.node_id;
    return SERVE_STATUS;
}

static enum sl_err
fake_check(const struct config *cfg, const struct config_args *args, struct sl_error *err)
{
    (void)cfg;
    (void)args;
    return check_answer == SL_OK ? SL_OK : sl_error_set(err, check_answer, "the plugin objects");
}

static int
setup(void **state)
{
    (void)state;
    served = 0;
    check_answer = SL_OK;
    return 0;
}

static int
run(const char *line)
{
    static const struct cli_hooks hooks = {.serve = fake_serve, .check = fake_check};
    return run_with(&hooks, line);
}

static void
serve__options__reach_the_configuration(void **state)
{
    (void)state;
    assert_int_equal(run("sluice serve --set server.node.id=5 --set=server.threads=2"),
                     SERVE_STATUS);
    assert_int_equal(served, 1);
    assert_int_equal(served_node_id, 5);
}

static void
serve__wrong_configuration__starts_nothing(void **state)
{
    (void)state;
    assert_int_equal(run("sluice serve --set server.nodeid=5"), 2);
    assert_int_equal(served, 0);
    assert_string_equal(output, "sluice: --set server.nodeid: no key nodeid in [server]; did you "
                                "mean node.id?\n");
    assert_int_equal(run("sluice serve -c /nonexistent"), 2);
    assert_int_equal(served, 0);
}

static void
serve__the_check_hook_objects__starts_nothing(void **state)
{
    (void)state;
    check_answer = SL_EINVAL;
    assert_int_equal(run("sluice serve"), 2);
    assert_int_equal(served, 0);
    assert_string_equal(output, "sluice: the plugin objects\n");
}

static void
check__good__prints_what_differs_and_starts_nothing(void **state)
{
    (void)state;
    assert_int_equal(run("sluice check --set storage.path=/x"), 0);
    assert_int_equal(served, 0);
    assert_string_equal(output, "defaults: ok\nstorage.path = /x\n");
    assert_int_equal(run("sluice check --set storage.durability=maybe"), 2);
}

static void
unknown_command__names_the_nearest(void **state)
{
    (void)state;
    assert_int_equal(run("sluice srve"), 2);
    assert_string_equal(output, "sluice: no command srve; did you mean serve?\n");
    assert_int_equal(run("sluice produce"), 2);
    assert_string_equal(output, "sluice: no command produce; `sluice help` lists them\n");
    assert_int_equal(run("sluice help srve"), 2);
}

static void
unknown_option__names_the_nearest(void **state)
{
    (void)state;
    assert_int_equal(run("sluice serve --confg x"), 2);
    assert_non_null(strstr(output, "no option --confg; did you mean --config"));
    assert_int_equal(run("sluice serve -x"), 2);
    assert_int_equal(run("sluice status --set a.b=c"), 2); /* not one of this command's */
    assert_int_equal(served, 0);
}

static void
missing_and_surplus_words__are_refused(void **state)
{
    (void)state;
    assert_int_equal(run("sluice"), 2);
    assert_int_equal(run("sluice serve --config"), 2);
    assert_non_null(strstr(output, "--config needs FILE"));
    assert_int_equal(run("sluice serve now"), 2);
    assert_int_equal(run("sluice config"), 2);
    assert_int_equal(run("sluice config dog"), 2);
    assert_int_equal(run("sluice config doc --markdown=yes"), 2);
    assert_int_equal(served, 0);
}

static void
help_and_version__by_any_of_their_names(void **state)
{
    (void)state;
    static const char *const helps[] = {"sluice help", "sluice --help", "sluice -h"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(run(helps[i]), 0);
        assert_non_null(strstr(output, "sluice serve"));
    }
    assert_int_equal(run("sluice serve --help"), 0);
    assert_non_null(strstr(output, "--config FILE"));
    assert_null(strstr(output, "--markdown"));
    assert_int_equal(served, 0);
    assert_int_equal(run("sluice --version"), 0);
    assert_string_equal(output, "sluice " SLUICE_VERSION "\n");
}

static void
config_doc__prints_the_table(void **state)
{
    (void)state;
    assert_int_equal(run("sluice config doc"), 0);
    assert_non_null(strstr(output, "\n  node.id = 1\n"));
    assert_int_equal(run("sluice config doc --markdown"), 0);
    assert_non_null(strstr(output, "| `node.id` | integer | `1` |"));
}

/* A broker that accepts once, reads the request and sends `answer`. */
struct canned {
    int listener;
    uint16_t port;
    struct span answer, second; /* second.len 0: hangs up instead */
    uint8_t request[64];
    ssize_t request_len;
    pthread_t thread;
};

static void *
canned_run(void *arg)
{
    struct canned *c = (struct canned *)arg;
    int fd = accept(c->listener, NULL, NULL);
    c->request_len = recv(fd, c->request, sizeof(c->request), 0);
    (void)send(fd, c->answer.ptr, c->answer.len, MSG_NOSIGNAL);
    if (c->second.len > 0) {
        c->request_len = recv(fd, c->request, sizeof(c->request), 0);
        (void)send(fd, c->second.ptr, c->second.len, MSG_NOSIGNAL);
    }
    (void)shutdown(fd, SHUT_WR);
    (void)close(fd);
    return NULL;
}

static int
status_with(struct canned *c, const char *options, struct span answer, struct span second)
{
    char line[140];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    *c = (struct canned){
        .answer = answer, .second = second, .listener = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(bind(c->listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(c->listener, 1), 0);
    assert_int_equal(getsockname(c->listener, (struct sockaddr *)&a, &len), 0);
    assert_int_equal(pthread_create(&c->thread, NULL, canned_run, c), 0);
    (void)snprintf(line, sizeof(line), "sluice status --address 127.0.0.1:%u%s", ntohs(a.sin_port),
                   options);
    int status = run(line);
    assert_int_equal(pthread_join(c->thread, NULL), 0);
    (void)close(c->listener);
    return status;
}

static int
status_of(struct canned *c, struct span answer)
{
    return status_with(c, "", answer, span_of(NULL, 0));
}

static void
put_str(struct bytes *b, const char *s)
{
    bytes_u16(b, (uint16_t)strlen(s));
    bytes_append(b, s, strlen(s));
}

/* Metadata v2: one broker, two topics of 2 and 1 partitions. */
static void
answer_make(struct bytes *b)
{
    bytes_init(b, 4096);
    bytes_u32(b, 0);
    bytes_u32(b, 1); /* correlation */
    bytes_u32(b, 1);
    bytes_u32(b, 7);
    put_str(b, "host.example");
    bytes_u32(b, 9092);
    bytes_u16(b, UINT16_MAX); /* no rack */
    put_str(b, "cluster-x");
    bytes_u32(b, 7);
    bytes_u32(b, 2);
    for (uint32_t topic = 0; topic < 2; topic++) {
        bytes_u16(b, 0);
        put_str(b, topic == 0 ? "orders" : "events");
        bytes_u8(b, 0);
        bytes_u32(b, 2 - topic);
        for (uint32_t p = 0; p < 2 - topic; p++) {
            bytes_u16(b, 0);
            bytes_u32(b, p);
            bytes_u32(b, 7);
            bytes_u32(b, 1);
            bytes_u32(b, 7);
            bytes_u32(b, 1);
            bytes_u32(b, 7);
        }
    }
    put_u32(b->data, (uint32_t)(b->len - 4));
}

static void
status__a_broker_answers__prints_it(void **state)
{
    (void)state;
    struct canned c;
    struct bytes b;
    answer_make(&b);
    assert_int_equal(status_of(&c, bytes_span(&b)), 0);
    assert_string_equal(output, "broker 7: host.example:9092\ncluster cluster-x, controller 7\n"
                                "topic orders: 2 partitions\ntopic events: 1 partitions\n"
                                "2 topics, 3 partitions\n");
    assert_int_equal(get_u32(c.request), c.request_len - 4);
    assert_int_equal(get_u32(c.request + 4), (3 << 16) + 2); /* Metadata, version 2 */
    bytes_fini(&b);
}

/* The answer to SluiceStatus. */
static void
report_make(struct bytes *b, uint16_t error, const char *report)
{
    bytes_init(b, 4096);
    bytes_u32(b, 0);
    bytes_u32(b, 2); /* correlation: the second question */
    bytes_u32(b, 0); /* throttle */
    bytes_u16(b, error);
    bytes_u32(b, (uint32_t)strlen(report));
    bytes_append(b, report, strlen(report));
    put_u32(b->data, (uint32_t)(b->len - 4));
}

static void
status__a_sluice_answers__prints_how_it_is(void **state)
{
    (void)state;
    static const char report[] =
        "{\"node_id\":7,\"version\":\"9.9\",\"uptime_ms\":3720000,\"journals\":[{\"index\":0,"
        "\"mode\":"
        "\"live\",\"verified_through\":12,\"in_flight\":1,\"queued_items\":2,\"queued_bytes\":34,"
        "\"why\":\"\",\"pressure\":\"slowing\",\"delay_ms\":700.0}],\"store\":{\"name\":\"store "
        "s3\","
        "\"health\":\"degraded\",\"why\":\"503\",\"since_ms\":5100.0,\"latency_ms\":{\"put\":51.25,"
        "\"get\":0}},\"rates\":{\"put\":12.0,\"get\":3.1,\"list\":0.2},\"price\":{\"put_per_1000\":"
        "0.005,\"get_per_1000\":0.0004,\"per_month\":158.7},\"counters\":{\"x_y\":5},\"plugin_"
        "counters\":[{\"name\":\"s3_ms\",\"labels\":\"kind=put\",\"unit\":\"ms\",\"count\":3,"
        "\"half_below\":64,\"nearly_all_below\":128},{\"name\":\"s3_n\",\"value\":4}]}";
    static const char *const wants[] = {
        "node 7, sluice 9.9, up 1 h 2 min\n",
        "store: store s3, degraded for 5 s: 503; PUT 51.2 ms\n",
        "requests: 12.0 PUT/s, 3.1 GET/s, 0.2 LIST/s; at this rate about $159 a month\n",
        "journal 0: live, verified through 12, 1 in flight, 2 queued (34 bytes); slowing "
        "producers, "
        "nothing acknowledged for 0.7 s\n",
        "x_y 5\n",
        "s3_ms{kind=put} 3, half below 64, 99 % below 128 ms\n",
        "s3_n 4\n",
        "broker 7: host.example:9092\ncluster cluster-x, controller 7\n"};
    struct canned c;
    struct bytes b;
    struct bytes r;
    answer_make(&b);
    report_make(&r, 0, report);
    assert_int_equal(status_with(&c, " --counters", bytes_span(&b), bytes_span(&r)), 0);
    for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
        assert_says(wants[i]);
    }
    assert_int_equal(get_u32(c.request + 4), 32000u << 16);
    assert_int_equal(c.request[c.request_len - 1], 1); /* wants counters */
    assert_int_equal(status_with(&c, " --json", bytes_span(&b), bytes_span(&r)), 0);
    assert_non_null(strstr(output, "\"cluster_id\": \"cluster-x\""));
    assert_non_null(strstr(output, "\"version\": \"9.9\""));
    assert_int_equal(c.request[c.request_len - 1], 0);
    bytes_fini(&b);
    bytes_fini(&r);
}

static void
status__broker_tells_nothing_more__metadata_is_all(void **state)
{
    (void)state;
    static const struct {
        uint16_t error;
        const char *report;
    } answers[] = {{31, ""}, {0, "{"}, {0, ""}, {0, "[1]"}};
    struct canned c;
    struct bytes b;
    answer_make(&b);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct bytes r;
        report_make(&r, answers[i].error, answers[i].report);
        assert_int_equal(status_with(&c, "", bytes_span(&b), bytes_span(&r)), 0);
        assert_non_null(strstr(output, "2 topics, 3 partitions\n"));
        bytes_fini(&r);
    }
    assert_int_equal(status_with(&c, " --json", bytes_span(&b), span_of(NULL, 0)), 0);
    assert_non_null(strstr(output, "\"broker\": null"));
    bytes_fini(&b);
}

static void
status__answer_cut_anywhere__is_an_error(void **state)
{
    (void)state;
    struct canned c;
    struct bytes b;
    answer_make(&b);
    for (size_t n = 0; n < b.len; n += 3) {
        assert_int_equal(status_of(&c, span_of(b.data, n)), 1); /* less than announced */
        if (n >= 4) {
            put_u32(b.data, (uint32_t)(n - 4)); /* announced, but less than the message is */
            assert_int_equal(status_of(&c, span_of(b.data, n)), 1);
            put_u32(b.data, (uint32_t)(b.len - 4));
        }
    }
    bytes_fini(&b);
}

static void
status__no_kafka_broker__says_so(void **state)
{
    (void)state;
    struct canned c;
    assert_int_equal(status_of(&c, span_cstr("HTTP/1.1 400 Bad Request\r\n\r\n")), 1);
    assert_non_null(strstr(output, "no Kafka broker"));
    assert_int_equal(run("sluice status --address nonsense"), 2);
    assert_non_null(strstr(output, "nonsense is no HOST:PORT"));
    assert_int_equal(run("sluice status --address 127.0.0.1:65537"), 2); /* not port 1 */
    assert_non_null(strstr(output, "127.0.0.1:65537 is no HOST:PORT"));
    assert_int_equal(run("sluice status --address 127.0.0.1:1"), 1);
    assert_non_null(strstr(output, "cannot connect to 127.0.0.1:1"));
}

static void
check__a_directory__is_named(void **state)
{
    (void)state;
    assert_int_equal(run("sluice check -c /"), 2);
    assert_non_null(strstr(output, "sluice: cannot read the configuration /: Is a directory"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(serve__options__reach_the_configuration, setup),
        cmocka_unit_test_setup(serve__wrong_configuration__starts_nothing, setup),
        cmocka_unit_test_setup(serve__the_check_hook_objects__starts_nothing, setup),
        cmocka_unit_test_setup(check__good__prints_what_differs_and_starts_nothing, setup),
        cmocka_unit_test_setup(unknown_command__names_the_nearest, setup),
        cmocka_unit_test_setup(unknown_option__names_the_nearest, setup),
        cmocka_unit_test_setup(missing_and_surplus_words__are_refused, setup),
        cmocka_unit_test_setup(help_and_version__by_any_of_their_names, setup),
        cmocka_unit_test_setup(config_doc__prints_the_table, setup),
        cmocka_unit_test_setup(status__a_broker_answers__prints_it, setup),
        cmocka_unit_test_setup(status__a_sluice_answers__prints_how_it_is, setup),
        cmocka_unit_test_setup(status__broker_tells_nothing_more__metadata_is_all, setup),
        cmocka_unit_test_setup(status__answer_cut_anywhere__is_an_error, setup),
        cmocka_unit_test_setup(status__no_kafka_broker__says_so, setup),
        cmocka_unit_test_setup(check__a_directory__is_named, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
