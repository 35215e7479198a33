/* What peers can make us hold, and what happens at each limit. */
#include "net_fixture.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static void
budget__lying_announcements__cost_nothing_and_harm_nobody(void **state)
{
    (void)state;
    enum { N = 200 };
    int fds[N];
    int64_t before = counter(C_budget_bytes);
    for (int i = 0; i < N; i++) {
        fds[i] = dial();
        send_header(fds[i], 90u << 20, 0, "E");
    }
    exchange_everywhere();
    assert_in_range(counter(C_budget_bytes) - before, 0, N * 1024);
    int fd = dial();
    send_header(fd, 20 * MIB, 0, "E");
    send_rest(fd, 20 * MIB);
    expect_echo_of(fd, 20 * MIB, 0, "E");
    close(fd);
    for (int i = 0; i < N; i++) {
        close(fds[i]);
    }
}

/* A request of 1000 KiB that leaves less than READ_STEP of its budget free. */
static int
hold_the_budget(void)
{
    struct server_opts opts = start_opts();
    opts.bulk_budget_bytes = 1004 * KIB;
    start_with(opts);
    int fd = dial();
    send_header(fd, 1000 * KIB, 0, "H");
    send_rest(fd, 1000 * KIB);
    wait_until(&api.held_count, 1);
    return fd;
}

static void
budget__held_by_a_request__others_wait_and_small_ones_pass(void **state)
{
    (void)state;
    int64_t paused = counter(C_net_read_paused);
    int holder = hold_the_budget(), waiter = dial();
    send_header(waiter, 1000 * KIB, 0, "H");
    until_counter(C_net_read_paused, paused + 1);
    exchange_everywhere(); /* heartbeats flow */
    assert_int_equal(seen(&api.held_count), 1);
    assert_in_range(counter(C_budget_bytes), 1000 * KIB, 1004 * KIB + 256 * KIB);
    finish_held(0);
    expect_echo_of(holder, 1000 * KIB, 0, "H");
    send_rest(waiter, 1000 * KIB);
    wait_until(&api.held_count, 2);
    finish_held(1);
    expect_echo_of(waiter, 1000 * KIB, 0, "H");
    close(holder);
    close(waiter);
}

/* librdkafka asks for Metadata on the connection that it produces on. */
static void
budget__held_by_a_request__metadata_passes_behind_a_produce(void **state)
{
    (void)state;
    struct server_opts opts = start_opts();
    opts.bulk_budget_bytes = 1004 * KIB;
    start_with(opts);
    int producer = dial(), holder = dial();
    send_frame(producer, 0, "Eproduce");
    expect_reply(producer, 0, "Eproduce");
    send_header(holder, 1000 * KIB, 0, "H");
    send_rest(holder, 1000 * KIB);
    wait_until(&api.held_count, 1);
    send_frame(producer, 3, "Emetadata");
    expect_reply(producer, 3, "Emetadata");
    send_frame(producer, 3, "Emore");
    expect_reply(producer, 3, "Emore");
    finish_held(0);
    expect_echo_of(holder, 1000 * KIB, 0, "H");
    close(producer);
    close(holder);
}

/* Some clients send the size by itself; that must not open the reserve to them. */
static void
budget__held_by_a_request__small_produce_with_its_size_apart_waits(void **state)
{
    (void)state;
    enum { SIZE = 8 * KIB };
    uint8_t head[7] = {0, 0, SIZE >> 8, 0, 0, 0, 'E'};
    int holder = hold_the_budget(), waiter = dial();
    send_all(waiter, head, 4);
    exchange_everywhere();
    size_t before = seen(&api.dispatched);
    send_all(waiter, head + 4, sizeof(head) - 4);
    send_rest(waiter, SIZE);
    exchange_everywhere();
    exchange_everywhere();
    assert_int_equal(seen(&api.dispatched), before + 2 * loop_count);
    finish_held(0);
    expect_echo_of(holder, 1000 * KIB, 0, "H");
    expect_echo_of(waiter, SIZE, 0, "E");
    close(holder);
    close(waiter);
}

/* Offset commits that wait for a store that hangs; heartbeats are on the same connections. */
static void
budget__small_requests_hold_theirs__vital_ones_pass(void **state)
{
    (void)state;
    enum { COMMIT = 8, HEARTBEAT = 12, SIZE = 15 * KIB };
    struct server_opts opts = start_opts();
    opts.small_budget_bytes = 32 * KIB;
    opts.bulk_budget_bytes = 64 * KIB;
    start_with(opts);
    int producer = dial(), member = dial(), late = dial();
    send_header(producer, 64 * KIB, 0, "H");
    send_rest(producer, 64 * KIB);
    wait_until(&api.held_count, 1);
    send_frame(member, COMMIT, "Ecommit");
    expect_reply(member, COMMIT, "Ecommit"); /* its last request was a small one */
    for (size_t i = 0; i < 2; i++) {
        int fd = i == 0 ? dial() : member;
        send_header(fd, SIZE, COMMIT, "H");
        send_rest(fd, SIZE);
        wait_until(&api.held_count, 2 + i);
    }
    size_t before = seen(&api.dispatched);
    send_header(late, SIZE, COMMIT, "E"); /* no room for it ... */
    send_rest(late, SIZE);
    exchange_everywhere(); /* ... but for Metadata on new connections */
    assert_int_equal(seen(&api.dispatched), before + loop_count);
    int other = dial();
    send_frame(other, HEARTBEAT, "Ebeat");
    expect_reply(other, HEARTBEAT, "Ebeat");
    finish_held(1);
    finish_held(2);
    expect_echo_of(late, SIZE, COMMIT, "E");
    finish_held(0);
    expect_echo_of(producer, 64 * KIB, 0, "H");
    expect_echo_of(member, SIZE, COMMIT, "H");
    close(producer);
    close(member);
    close(late);
    close(other);
}

/* Four frames of 800 KiB share a budget of 1 MiB: a quarter of each is there before any goes on. */
static pthread_barrier_t quarter_sent;

static void *
quarter_then_rest(void *arg)
{
    enum { SIZE = 800 * KIB, QUARTER = SIZE / 4, REST = SIZE + 4 - QUARTER };
    uint8_t *raw = (uint8_t *)calloc(1, SIZE + 4);
    int fd = *(int *)arg;
    put_u32(raw, SIZE);
    raw[6] = 'E';
    bool is_ok = send(fd, raw, QUARTER, MSG_NOSIGNAL) == QUARTER;
    pthread_barrier_wait(&quarter_sent);
    is_ok = is_ok && send(fd, raw + QUARTER, REST, MSG_NOSIGNAL) == REST;
    free(raw);
    return is_ok ? arg : NULL;
}

static void
budget__many_frames_in_part_hold_it_all__express_lane_completes_each(void **state)
{
    (void)state;
    enum { N = 4 };
    struct server_opts opts = start_opts();
    opts.bulk_budget_bytes = 1 * MIB;
    start_with(opts);
    int fds[N];
    pthread_t threads[N];
    pthread_barrier_init(&quarter_sent, NULL, N);
    for (int i = 0; i < N; i++) {
        fds[i] = dial();
        pthread_create(&threads[i], NULL, quarter_then_rest, &fds[i]);
    }
    for (int i = 0; i < N; i++) {
        void *ok = NULL;
        expect_echo_of(fds[i], 800 * KIB, 0, "E");
        pthread_join(threads[i], &ok);
        assert_non_null(ok);
        close(fds[i]);
    }
    pthread_barrier_destroy(&quarter_sent);
}

static void
budget__frame_larger_than_it__passes_alone(void **state)
{
    (void)state;
    struct server_opts opts = start_opts();
    opts.bulk_budget_bytes = 64 * KIB;
    start_with(opts);
    int fd = dial();
    for (int i = 0; i < 3; i++) {
        send_header(fd, 3 * MIB, 0, "E");
        send_rest(fd, 3 * MIB);
        expect_echo_of(fd, 3 * MIB, 0, "E");
    }
    close(fd);
}

static void
budget__connection_closed_while_waiting__gives_everything_back(void **state)
{
    (void)state;
    int64_t paused = counter(C_net_read_paused);
    int holder = hold_the_budget(), waiter = dial();
    send_header(waiter, 900 * KIB, 0, "E");
    until_counter(C_net_read_paused, paused + 1);
    close(waiter);
    finish_held(0);
    expect_echo_of(holder, 1000 * KIB, 0, "H");
    close(holder);
    assert_int_equal(server_stop(server, GUARD_MS), SL_OK); /* `stop` looks at the budget */
}

static void
auth__frame_before_authentication__has_its_own_limit(void **state)
{
    (void)state;
    struct server_listener_opts listener = {"sasl", "127.0.0.1:0", true};
    struct server_opts opts = start_opts();
    struct sl_error err = SL_ERROR_INIT;
    opts.frame_max_unauth_bytes = 1 * KIB;
    opts.listeners = &listener;
    opts.listener_count = 1;
    assert_int_equal(server_start(&opts, &server, &err), SL_OK);
    int fd = dial();
    send_header(fd, 1 * KIB, 3, "E");
    send_rest(fd, 1 * KIB);
    expect_echo_of(fd, 1 * KIB, 3, "E");
    send_header(fd, 1 * KIB + 1, 3, "E");
    expect_eof(fd);
    close(fd);
    fd = dial();
    send_frame(fd, 36, "A");
    expect_reply(fd, 36, "A");
    send_header(fd, 100 * KIB, 3, "E");
    send_rest(fd, 100 * KIB);
    expect_echo_of(fd, 100 * KIB, 3, "E");
    close(fd);
}

static void
send_big_request(int fd, uint32_t reply_bytes)
{
    uint8_t raw[11];
    put_u32(raw, 7);
    put_u16(raw + 4, 3);
    raw[6] = 'B';
    put_u32(raw + 7, reply_bytes);
    send_all(fd, raw, sizeof(raw));
}

static void
expect_big_reply(int fd, uint32_t n)
{
    uint8_t *got = (uint8_t *)malloc(n + 4);
    assert_int_equal(recv_up_to(fd, got, n + 4), n + 4);
    assert_int_equal(get_u32(got), n);
    for (size_t pos = 0; pos < n; pos += big_reply->len) {
        size_t now = n - pos < big_reply->len ? n - pos : big_reply->len;
        assert_memory_equal(got + 4 + pos, big_reply->data, now);
    }
    free(got);
}

static void
write__slow_reader__is_bounded_and_loses_nothing(void **state)
{
    (void)state;
    enum { N = 120, REPLY = 512 * KIB };
    struct server_opts opts = start_opts();
    opts.unsent_max_bytes = 1 * MIB;
    start_with(opts);
    int fd = dial_prepare(16 * KIB);
    assert_int_equal(dial_connect(fd), 0);
    for (int i = 0; i < N; i++) {
        send_big_request(fd, REPLY);
    }
    for (int i = 0; i < 20; i++) {
        exchange_everywhere();
        assert_in_range(counter(C_budget_bytes), 0, 3 * MIB);
    }
    assert_in_range(seen(&api.dispatched) - 20 * loop_count, 1, N - 1);
    for (int i = 0; i < N; i++) {
        expect_big_reply(fd, REPLY);
    }
    close(fd);
}

static void
write__replies_fill_their_budget__fetches_wait_for_room(void **state)
{
    (void)state;
    struct server_opts opts = start_opts();
    opts.reply_budget_bytes = 1 * MIB;
    start_with(opts);
    int slow = dial_prepare(16 * KIB), other = dial();
    assert_int_equal(dial_connect(slow), 0);
    send_big_request(slow, 64 * MIB);
    exchange_everywhere();
    wait_until(&api.dispatched, 1);
    size_t before = seen(&api.dispatched);
    send_frame(other, 1, "Efetch");
    exchange_everywhere();
    assert_int_equal(seen(&api.dispatched), before + loop_count); /* not the fetch */
    expect_big_reply(slow, 64 * MIB);
    expect_reply(other, 1, "Efetch");
    close(slow);
    close(other);
}

static void
conns__above_the_limit__are_refused_until_one_goes(void **state)
{
    (void)state;
    struct server_opts opts = start_opts();
    opts.connections_max = 2;
    start_with(opts);
    int a = dial(), b = dial();
    send_frame(a, 3, "Ea");
    send_frame(b, 3, "Eb");
    expect_reply(a, 3, "Ea");
    expect_reply(b, 3, "Eb");
    int c = dial();
    expect_eof(c);
    close(c);
    close(a);
    wait_until(&api.conns_closed, 1);
    for (;;) { /* the count falls just after api_conn_closed */
        uint8_t got[8];
        c = dial();
        uint8_t raw[16];
        size_t n = frame(raw, 3, "Ec", 2);
        if (send(c, raw, n, MSG_NOSIGNAL) == (ssize_t)n && recv_up_to(c, got, n) == n) {
            break;
        }
        close(c);
    }
    close(b);
    close(c);
}

static void
conns__thousand_at_once__all_served_and_spread_evenly(void **state)
{
    (void)state;
    enum { N = 1000 };
    static int fds[N];
    for (int i = 0; i < N; i++) {
        fds[i] = dial();
        send_frame(fds[i], 3, "Hx");
    }
    wait_until(&api.held_count, N);
    assert_int_equal(api.loops_seen[0], N / 2);
    assert_int_equal(api.loops_seen[1], N / 2);
    for (size_t i = 0; i < N; i++) {
        finish_held(i);
    }
    for (size_t i = 0; i < N; i++) {
        expect_reply(fds[i], 3, "Hx");
        close(fds[i]);
    }
}

/* ---- out of descriptors ---- */

static _Atomic int accept_failures;

static void
watch_log(void *arg, const char *line, size_t len)
{
    (void)arg;
    if (memmem(line, len, "net.accept.failed", 17) != NULL) {
        atomic_fetch_add(&accept_failures, 1);
    }
}

static void
conns__out_of_descriptors__accepted_when_there_are_some_again(void **state)
{
    (void)state;
    enum { N = 3 };
    int fds[N];
    struct rlimit before, none;
    diag_set_level(DIAG_WARN);
    diag_set_sink(watch_log, NULL); /* while there are no loops: plain variables */
    start_with(start_opts());
    exchange_everywhere();
    wait_until(&api.conns_closed, loop_count);
    for (int i = 0; i < N; i++) {
        fds[i] = dial_prepare(0);
    }
    int lowest_free = dup(fds[0]);
    close(lowest_free);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)lowest_free;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(dial_connect(fds[i]), 0);
        send_frame(fds[i], 3, "Ex");
    }
    struct pollfd pfd = {.fd = fds[0], .events = POLLIN};
    while (atomic_load(&accept_failures) == 0) {
        assert_int_equal(poll(&pfd, 1, 1), 0);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < N; i++) {
        expect_reply(fds[i], 3, "Ex");
        close(fds[i]);
    }
    server_destroy(&server);
    loops_stop(&loops, loop_count);
    diag_set_level(DIAG_ERROR);
    diag_set_sink(NULL, NULL);
}

/* ---- deadlines ---- */

static void
deadline__frame_without_progress__connection_is_closed(void **state)
{
    (void)state;
    struct server_opts opts = start_opts();
    opts.frame_stall_ms = 50;
    start_with(opts);
    int part_of_frame = dial(), part_of_size = dial(), part_of_large = dial();
    send_header(part_of_frame, 1000, 3, "E");
    send_header(part_of_large, 1 * MIB, 0, "E");
    send_rest(part_of_large, 300 * KIB);
    send_all(part_of_size, "\0\0", 2);
    expect_eof(part_of_frame);
    expect_eof(part_of_size);
    expect_eof(part_of_large);
    close(part_of_large);
    close(part_of_frame);
    close(part_of_size);
}

static void
deadline__express_lane__does_not_last_for_ever(void **state)
{
    (void)state;
    struct server_opts opts = start_opts();
    opts.bulk_budget_bytes = 64 * KIB;
    opts.frame_stall_ms = 50;
    start_with(opts);
    int greedy = dial(), other = dial();
    send_header(greedy, 1 * MIB, 0, "E");
    send_rest(greedy, 500 * KIB);
    send_header(other, 1 * MIB, 0, "E");
    send_rest(other, 1 * MIB);
    expect_eof(greedy);
    expect_echo_of(other, 1 * MIB, 0, "E");
    close(greedy);
    close(other);
}

static void
deadline__idle_connection__is_closed_but_not_one_with_a_request(void **state)
{
    (void)state;
    struct server_opts opts = start_opts();
    opts.idle_ms = 50;
    start_with(opts);
    int idle = dial(), busy = dial();
    send_frame(busy, 3, "Hx");
    wait_until(&api.held_count, 1);
    expect_eof(idle);
    finish_held(0);
    expect_reply(busy, 3, "Hx");
    expect_eof(busy);
    close(idle);
    close(busy);
}

static void
deadline__peer_takes_no_replies__connection_is_closed(void **state)
{
    (void)state;
    struct server_opts opts = start_opts();
    opts.write_stall_ms = 50;
    start_with(opts);
    int fd = dial_prepare(16 * KIB);
    assert_int_equal(dial_connect(fd), 0);
    send_big_request(fd, 64 * MIB);
    wait_until(&api.conns_closed, 1);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(budget__lying_announcements__cost_nothing_and_harm_nobody),
        NET_TEST_OPTS(budget__held_by_a_request__others_wait_and_small_ones_pass),
        NET_TEST_OPTS(budget__held_by_a_request__metadata_passes_behind_a_produce),
        NET_TEST_OPTS(budget__held_by_a_request__small_produce_with_its_size_apart_waits),
        NET_TEST_OPTS(budget__small_requests_hold_theirs__vital_ones_pass),
        NET_TEST_OPTS(budget__many_frames_in_part_hold_it_all__express_lane_completes_each),
        NET_TEST_OPTS(budget__frame_larger_than_it__passes_alone),
        NET_TEST_OPTS(budget__connection_closed_while_waiting__gives_everything_back),
        NET_TEST_OPTS(auth__frame_before_authentication__has_its_own_limit),
        NET_TEST_OPTS(write__slow_reader__is_bounded_and_loses_nothing),
        NET_TEST_OPTS(write__replies_fill_their_budget__fetches_wait_for_room),
        NET_TEST_OPTS(conns__above_the_limit__are_refused_until_one_goes),
        NET_TEST(conns__thousand_at_once__all_served_and_spread_evenly),
        NET_TEST_OPTS(conns__out_of_descriptors__accepted_when_there_are_some_again),
        NET_TEST_OPTS(deadline__frame_without_progress__connection_is_closed),
        NET_TEST_OPTS(deadline__express_lane__does_not_last_for_ever),
        NET_TEST_OPTS(deadline__idle_connection__is_closed_but_not_one_with_a_request),
        NET_TEST_OPTS(deadline__peer_takes_no_replies__connection_is_closed),
    };
    return NET_RUN(tests);
}
