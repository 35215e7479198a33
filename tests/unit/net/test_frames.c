/* Frames on the way in, replies on the way out. */
#include "net_fixture.h"

static void
read__frame_cut_at_every_byte__is_put_together(void **state)
{
    (void)state;
    uint8_t raw[64];
    size_t n = frame(raw, 3, "Eone", 4);
    n += frame(raw + n, 18, "Etwo!", 5);
    int fd = dial();
    for (size_t cut = 1; cut < n; cut++) {
        send_all(fd, raw, cut);
        exchange_everywhere();
        send_all(fd, raw + cut, n - cut);
        expect_reply(fd, 3, "Eone");
        expect_reply(fd, 18, "Etwo!");
    }
    close(fd);
}

static void
read__many_frames_in_one_segment__all_answered_in_order(void **state)
{
    (void)state;
    enum { N = 3000 };
    uint8_t *raw = (uint8_t *)malloc(N * 16), *got = (uint8_t *)malloc(N * 16);
    size_t n = 0;
    for (int i = 0; i < N; i++) {
        char text[8];
        (void)snprintf(text, sizeof(text), "E%06d", i);
        n += frame(raw + n, 3, text, 7);
    }
    int fd = dial();
    send_all(fd, raw, n);
    assert_int_equal(recv_up_to(fd, got, n), n);
    assert_memory_equal(got, raw, n);
    close(fd);
    free(raw);
    free(got);
}

static void
write__finished_in_reverse__replies_come_in_request_order(void **state)
{
    (void)state;
    int fd = dial();
    send_frame(fd, 3, "Ha");
    send_frame(fd, 3, "Hb");
    send_frame(fd, 3, "Ed");
    send_frame(fd, 3, "Hc");
    wait_until(&api.held_count, 3);
    finish_held(2);
    finish_held(1);
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&pfd, 1, 0), 0); /* nothing may overtake the first */
    finish_held(0);
    expect_reply(fd, 3, "Ha");
    expect_reply(fd, 3, "Hb");
    expect_reply(fd, 3, "Ed");
    expect_reply(fd, 3, "Hc");
    close(fd);
}

static void
close__requested__after_the_replies_before_it(void **state)
{
    (void)state;
    int fd = dial();
    send_frame(fd, 3, "Ha");
    send_frame(fd, 3, "Cb");
    send_frame(fd, 3, "Hc");
    send_frame(fd, 3, "Ed");
    wait_until(&api.dispatched, 2);
    finish_held(0);
    expect_reply(fd, 3, "Ha");
    expect_reply(fd, 3, "Cb");
    expect_eof(fd);
    close(fd);
}

static void
read__large_frames_back_to_back__arrive_whole(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {4097,    16385,   32769,   65536,  65537,
                                     1000000, 4194304, 4194305, 9000001};
    int fd = dial();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        send_header(fd, sizes[i], 0, "E");
        send_rest(fd, sizes[i]);
        send_frame(fd, 3, "Ebehind");
        expect_echo_of(fd, sizes[i], 0, "E");
        expect_reply(fd, 3, "Ebehind");
    }
    close(fd);
}

static void
read__bytes_of_a_large_frame__keep_their_places(void **state)
{
    (void)state;
    enum { SIZE = 300000 };
    uint8_t *raw = (uint8_t *)malloc(SIZE + 4), *got = (uint8_t *)malloc(SIZE + 4);
    put_u32(raw, SIZE);
    for (size_t i = 4; i < SIZE + 4; i++) {
        raw[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    raw[6] = 'E';
    int fd = dial();
    for (size_t pos = 0; pos < SIZE + 4; pos += 29999) {
        size_t left = SIZE + 4 - pos;
        send_all(fd, raw + pos, left < 29999 ? left : 29999);
        exchange_everywhere();
    }
    assert_int_equal(recv_up_to(fd, got, SIZE + 4), SIZE + 4);
    assert_memory_equal(got, raw, SIZE + 4);
    close(fd);
    free(raw);
    free(got);
}

static void
read__empty_frame__is_dispatched(void **state)
{
    (void)state;
    uint8_t nothing[4] = {0}, got[4];
    int fd = dial();
    send_all(fd, nothing, 4);
    assert_int_equal(recv_up_to(fd, got, 4), 4);
    assert_memory_equal(got, nothing, 4);
    close(fd);
}

static void
read__size_negative_or_too_large__connection_is_closed(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0x80000000u, 0xffffffffu, 0x7fffffffu, (100u << 20) + 1};
    int64_t bad = counter(C_net_frames_bad);
    for (size_t i = 0; i < 4; i++) {
        uint8_t raw[4];
        int fd = dial();
        put_u32(raw, sizes[i]);
        send_all(fd, raw, 4);
        expect_eof(fd);
        close(fd);
    }
    assert_int_equal(counter(C_net_frames_bad) - bad, 4);
    exchange_everywhere();
}

static void
read__pipeline_limit__all_answered_and_never_more_in_dispatch(void **state)
{
    (void)state;
    struct server_opts opts = start_opts();
    opts.pipeline_max = 8;
    start_with(opts);
    enum { N = 100 };
    int fd = dial();
    for (int i = 0; i < N; i++) {
        send_frame(fd, 3, "Hx");
    }
    for (size_t i = 0; i < N; i++) {
        wait_until(&api.held_count, i + 1);
        exchange_everywhere();
        assert_in_range(seen(&api.held_count), i + 1, i + 8);
        finish_held(i);
        expect_reply(fd, 3, "Hx");
    }
    close(fd);
}

static void
read__too_many_fetches__others_wait_in_order(void **state)
{
    (void)state;
    struct server_opts opts = start_opts();
    opts.fetches_max = 2;
    start_with(opts);
    int fd = dial();
    for (int i = 0; i < 3; i++) {
        send_frame(fd, 1, "Hfetch");
    }
    send_frame(fd, 3, "Elast");
    wait_until(&api.held_count, 2);
    exchange_everywhere();
    assert_int_equal(seen(&api.held_count), 2);
    finish_held(1);
    exchange_everywhere();
    assert_int_equal(seen(&api.held_count), 2); /* the second waits for the first, and counts */
    finish_held(0);
    wait_until(&api.held_count, 3);
    finish_held(2);
    expect_reply(fd, 1, "Hfetch");
    expect_reply(fd, 1, "Hfetch");
    expect_reply(fd, 1, "Hfetch");
    expect_reply(fd, 3, "Elast");
    close(fd);
}

static void
write__silent_request__nothing_is_sent(void **state)
{
    (void)state;
    int fd = dial();
    send_frame(fd, 0, "S");
    send_frame(fd, 0, "S");
    send_frame(fd, 3, "Eafter");
    expect_reply(fd, 3, "Eafter");
    assert_int_equal(seen(&api.dispatched), 3);
    close(fd);
}

static void
write__more_pieces_than_one_call_takes__all_are_sent(void **state)
{
    (void)state;
    enum { N = 100 * 1024 * 1024 + 17 };
    uint8_t head[4], raw[11];
    uint8_t *got = (uint8_t *)malloc(65536);
    int fd = dial();
    put_u32(raw, 7);
    put_u16(raw + 4, 1);
    raw[6] = 'B';
    put_u32(raw + 7, N);
    send_all(fd, raw, sizeof(raw));
    assert_int_equal(recv_up_to(fd, head, 4), 4);
    assert_int_equal(get_u32(head), N);
    for (size_t left = N; left > 0;) {
        size_t now = left < 65536 ? left : 65536;
        assert_int_equal(recv_up_to(fd, got, now), now);
        assert_memory_equal(got, big_reply->data, now);
        left -= now;
    }
    close(fd);
    free(got);
}

static void
close__requested_without_reply__after_the_replies_before_it(void **state)
{
    (void)state;
    int fd = dial();
    send_frame(fd, 3, "Ea");
    send_frame(fd, 3, "c");
    send_frame(fd, 3, "Eb");
    expect_reply(fd, 3, "Ea");
    expect_eof(fd);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(read__frame_cut_at_every_byte__is_put_together),
        NET_TEST(read__many_frames_in_one_segment__all_answered_in_order),
        NET_TEST(read__large_frames_back_to_back__arrive_whole),
        NET_TEST(read__bytes_of_a_large_frame__keep_their_places),
        NET_TEST(read__empty_frame__is_dispatched),
        NET_TEST(read__size_negative_or_too_large__connection_is_closed),
        NET_TEST_OPTS(read__pipeline_limit__all_answered_and_never_more_in_dispatch),
        NET_TEST_OPTS(read__too_many_fetches__others_wait_in_order),
        NET_TEST(write__finished_in_reverse__replies_come_in_request_order),
        NET_TEST(write__silent_request__nothing_is_sent),
        NET_TEST(write__more_pieces_than_one_call_takes__all_are_sent),
        NET_TEST(close__requested__after_the_replies_before_it),
        NET_TEST(close__requested_without_reply__after_the_replies_before_it),
    };
    return NET_RUN(tests);
}
