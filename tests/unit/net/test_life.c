/* Starting, hanging up, half-closing, stopping. */
#include "net_fixture.h"

static void
hangup__requests_in_flight__connection_lives_until_the_last(void **state)
{
    (void)state;
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int fd = dial();
    send_frame(fd, 3, "Ha");
    send_frame(fd, 3, "Hb");
    wait_until(&api.held_count, 2);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd); /* a reset */
    exchange_everywhere();
    wait_until(&api.conns_closed, loop_count);
    finish_held(1);
    exchange_everywhere();
    wait_until(&api.conns_closed, 2 * loop_count);
    assert_int_equal(seen(&api.conns_closed), 2 * loop_count); /* not ours */
    finish_held(0);
    wait_until(&api.conns_closed, 2 * loop_count + 1);
}

static void
half_close__peer_sends_no_more__gets_all_replies_then_eof(void **state)
{
    (void)state;
    int fd = dial();
    send_frame(fd, 3, "Ha");
    send_frame(fd, 3, "Eb");
    send_header(fd, 100, 3, "E"); /* and a frame that will never be whole */
    shutdown(fd, SHUT_WR);
    wait_until(&api.held_count, 1);
    exchange_everywhere();
    finish_held(0);
    expect_reply(fd, 3, "Ha");
    expect_reply(fd, 3, "Eb");
    expect_eof(fd);
    close(fd);
}

static void
half_close__nothing_outstanding__closed(void **state)
{
    (void)state;
    int fd = dial();
    shutdown(fd, SHUT_WR);
    expect_eof(fd);
    wait_until(&api.conns_closed, 1);
    close(fd);
}

static void
close__peer_still_sends__last_reply_arrives_without_reset(void **state)
{
    (void)state;
    enum { MORE = 256 * 1024 };
    uint8_t *raw = (uint8_t *)calloc(1, MORE);
    size_t n = frame(raw, 3, "Cbye", 4);
    int fd = dial();
    send_all(fd, raw, n + MORE - 64);
    expect_reply(fd, 3, "Cbye");
    expect_eof(fd);
    send_all(fd, raw, 1); /* would be EPIPE after a reset */
    close(fd);
    free(raw);
}

static void *
stop_in_thread(void *arg)
{
    enum sl_err *rc = (enum sl_err *)arg;
    *rc = server_stop(server, GUARD_MS);
    return NULL;
}

static void
stop__request_in_flight__is_answered_and_new_connections_refused(void **state)
{
    (void)state;
    pthread_t thread;
    enum sl_err rc = SL_EIO;
    int busy = dial(), idle = dial();
    send_frame(busy, 3, "Ha");
    wait_until(&api.held_count, 1);
    pthread_create(&thread, NULL, stop_in_thread, &rc);
    expect_eof(idle);
    int late = dial_prepare(0);
    assert_int_equal(dial_connect(late), -1);
    assert_int_equal(errno, ECONNREFUSED);
    finish_held(0);
    expect_reply(busy, 3, "Ha");
    expect_eof(busy);
    pthread_join(thread, NULL);
    assert_int_equal(rc, SL_OK);
    close(busy);
    close(idle);
    close(late);
}

static void
stop__deadline_over__connections_close_and_requests_may_finish_later(void **state)
{
    (void)state;
    int fd = dial();
    send_frame(fd, 3, "Ha");
    wait_until(&api.held_count, 1);
    assert_int_equal(server_stop(server, 0), SL_ETIMEOUT);
    expect_eof(fd);
    assert_int_equal(seen(&api.conns_closed), 0);
    finish_held(0);
    wait_until(&api.conns_closed, 1);
    close(fd);
}

static void
start__address_in_use__says_which_and_what_to_do(void **state)
{
    (void)state;
    char address[32];
    struct sl_error err = SL_ERROR_INIT;
    struct server *second = NULL;
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", server_port(server, 0));
    struct server_listener_opts listener = {.name = "again", .address = address};
    struct server_opts opts = server_opts_default();
    opts.loops = loops;
    opts.loop_count = loop_count;
    opts.listeners = &listener;
    opts.listener_count = 1;
    assert_int_not_equal(server_start(&opts, &second, &err), SL_OK);
    assert_null(second);
    assert_non_null(strstr(err.msg, "listener again"));
    assert_non_null(strstr(err.msg, address));
    assert_non_null(strstr(err.msg, "another process listens there"));
}

static void
start__ipv6_and_second_listener__both_serve(void **state)
{
    (void)state;
    struct server_listener_opts listeners[] = {{"plain", "127.0.0.1:0", false},
                                               {"six", "[::1]:0", false}};
    struct server_opts opts = start_opts();
    struct sl_error err = SL_ERROR_INIT;
    opts.listeners = listeners;
    opts.listener_count = 2;
    enum sl_err rc = server_start(&opts, &server, &err);
    if (rc != SL_OK && err.sys_errno == EADDRNOTAVAIL) {
        opts.listener_count = 1; /* a machine without IPv6 */
        assert_int_equal(server_start(&opts, &server, &err), SL_OK);
        print_message("no IPv6 here\n");
        return;
    }
    assert_int_equal(rc, SL_OK);
    assert_int_equal(strncmp(server_address(server, 1), "[::1]:", 6), 0);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)server_port(server, 1)),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    send_frame(fd, 3, "Esix");
    expect_reply(fd, 3, "Esix");
    close(fd);
    exchange_everywhere();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(hangup__requests_in_flight__connection_lives_until_the_last),
        NET_TEST(half_close__peer_sends_no_more__gets_all_replies_then_eof),
        NET_TEST(half_close__nothing_outstanding__closed),
        NET_TEST(close__peer_still_sends__last_reply_arrives_without_reset),
        NET_TEST(stop__request_in_flight__is_answered_and_new_connections_refused),
        NET_TEST(stop__deadline_over__connections_close_and_requests_may_finish_later),
        NET_TEST(start__address_in_use__says_which_and_what_to_do),
        NET_TEST_OPTS(start__ipv6_and_second_listener__both_serve),
    };
    return NET_RUN(tests);
}
