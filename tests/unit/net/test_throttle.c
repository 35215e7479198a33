/* KIP-219: the reply at once, then silence for a while. */
#include "net_fixture.h"

enum { KIB = 1024, MIB = 1024 * 1024, LONG_MS = 3600 * 1000, SHORT_MS = 60, RAW = 11 };

static void
send_throttled(int fd, char letter, uint32_t ms)
{
    uint8_t raw[RAW];
    put_u32(raw, RAW - 4);
    put_u16(raw + 4, 3);
    raw[6] = (uint8_t)letter;
    put_u32(raw + 7, ms);
    send_all(fd, raw, sizeof(raw));
}

static void
expect_throttled(int fd)
{
    uint8_t got[RAW];
    assert_int_equal(recv_up_to(fd, got, sizeof(got)), sizeof(got));
    assert_int_equal(get_u32(got), RAW - 4);
}

static void
throttle__reply_comes_at_once__then_reading_pauses_and_resumes(void **state)
{
    (void)state;
    int fd = dial();
    int64_t before = counter(C_net_throttled);
    send_throttled(fd, 'T', SHORT_MS);
    expect_throttled(fd);
    send_frame(fd, 3, "Eafter");
    expect_reply(fd, 3, "Eafter");
    assert_int_equal(counter(C_net_throttled), before + 1);
    close(fd);
}

static void
throttle__for_long__what_follows_is_not_dispatched(void **state)
{
    (void)state;
    int fd = dial();
    send_throttled(fd, 'T', LONG_MS);
    expect_throttled(fd);
    size_t before = seen(&api.dispatched);
    send_frame(fd, 3, "Eafter");
    exchange_everywhere();
    assert_int_equal(seen(&api.dispatched), before + loop_count);
    close(fd);
}

static void
throttle__what_was_read_along_with_it__waits_too(void **state)
{
    (void)state;
    uint8_t raw[64];
    int fd = dial();
    put_u32(raw, RAW - 4);
    put_u16(raw + 4, 3);
    raw[6] = 'T';
    put_u32(raw + 7, LONG_MS);
    send_all(fd, raw, RAW + frame(raw + RAW, 3, "Ebehind", 7)); /* one segment */
    expect_throttled(fd);
    exchange_everywhere();
    /* dispatched in one pass, before the reply was written; or held back. Never read further. */
    size_t before = seen(&api.dispatched);
    send_frame(fd, 3, "Eafter");
    exchange_everywhere();
    assert_int_equal(seen(&api.dispatched), before + loop_count);
    close(fd);
}

static void
throttle__request_without_reply__reading_pauses_too(void **state)
{
    (void)state;
    int fd = dial();
    send_throttled(fd, 't', LONG_MS);
    wait_until(&api.dispatched, 1);
    exchange_everywhere();
    size_t before = seen(&api.dispatched);
    send_frame(fd, 3, "Eafter");
    exchange_everywhere();
    assert_int_equal(seen(&api.dispatched), before + loop_count);
    close(fd);
}

static void
throttle__longer_than_the_bound__is_the_bound(void **state)
{
    (void)state;
    struct request req = {0};
    request_throttle(&req, 5);
    assert_int_equal(req.throttle_ms, 5);
    request_throttle(&req, 3);
    assert_int_equal(req.throttle_ms, 5);
    request_throttle(&req, INT64_MAX);
    assert_int_equal(req.throttle_ms, REQUEST_THROTTLE_MAX_MS);
    request_throttle(&req, -1);
    assert_int_equal(req.throttle_ms, REQUEST_THROTTLE_MAX_MS);
}

/* The guard of wait_until is shorter than the throttle. */
static void
throttle__peer_hangs_up__is_noticed_before_the_end(void **state)
{
    (void)state;
    struct server_opts opts = start_opts();
    opts.frame_stall_ms = 100; /* so that the sweep looks often */
    start_with(opts);
    int fd = dial();
    send_throttled(fd, 'T', LONG_MS);
    expect_throttled(fd);
    close(fd);
    wait_until(&api.conns_closed, 1);
}

static void
throttle__peer_resets__is_noticed_before_the_end(void **state)
{
    (void)state;
    struct linger at_once = {.l_onoff = 1};
    struct server_opts opts = start_opts();
    opts.frame_stall_ms = 100;
    start_with(opts);
    int fd = dial();
    send_throttled(fd, 'T', LONG_MS);
    expect_throttled(fd);
    send_frame(fd, 3, "Eunread");
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fd);
    wait_until(&api.conns_closed, 1);
}

static void
throttle__peer_ends_its_side_behind_a_request__is_still_answered(void **state)
{
    (void)state;
    struct server_opts opts = start_opts();
    opts.frame_stall_ms = 20; /* several sweeps within the throttle */
    start_with(opts);
    int fd = dial();
    send_throttled(fd, 'T', 4 * SHORT_MS);
    expect_throttled(fd);
    send_frame(fd, 3, "Elast");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    expect_reply(fd, 3, "Elast");
    expect_eof(fd);
    close(fd);
}

/* A connection in the middle of a frame that overruns the budget is throttled by the reply to a
 * request before it. It must not keep the express lane from others for that time. */
static void
throttle__on_the_express_lane__lets_others_use_it(void **state)
{
    (void)state;
    struct server_opts opts = start_opts();
    opts.bulk_budget_bytes = 64 * KIB;
    start_with(opts);
    int throttled = dial(), other = dial();
    send_throttled(throttled, 'h', LONG_MS);
    wait_until(&api.held_count, 1);
    send_header(throttled, 1 * MIB, 0, "E");
    send_rest(throttled, 500 * KIB);
    until_counter(C_budget_bytes, 400 * KIB);
    finish_held(0);
    expect_throttled(throttled);
    send_header(other, 1 * MIB, 0, "E");
    send_rest(other, 1 * MIB);
    expect_echo_of(other, 1 * MIB, 0, "E");
    close(throttled);
    close(other);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(throttle__reply_comes_at_once__then_reading_pauses_and_resumes),
        NET_TEST(throttle__for_long__what_follows_is_not_dispatched),
        NET_TEST(throttle__what_was_read_along_with_it__waits_too),
        NET_TEST(throttle__request_without_reply__reading_pauses_too),
        NET_TEST(throttle__longer_than_the_bound__is_the_bound),
        NET_TEST_OPTS(throttle__peer_hangs_up__is_noticed_before_the_end),
        NET_TEST_OPTS(throttle__peer_resets__is_noticed_before_the_end),
        NET_TEST_OPTS(throttle__peer_ends_its_side_behind_a_request__is_still_answered),
        NET_TEST_OPTS(throttle__on_the_express_lane__lets_others_use_it),
    };
    return NET_RUN(tests);
}
