/* The server over real sockets on loopback. api_dispatch is this file's: it keeps requests, so that
 * a test decides when and in which order they finish. Waiting is always for an event (a byte, an
 * end of file, a request that arrived), with a guard against hanging. */
#include "api/request.h"
#include "base/counters.h"
#include "net/loop.h"
#include "net/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

enum { GUARD_MS = 20000, HELD_MAX = 4096 };

/* ---- the api of these tests ---- */

/* What a request asks for stands in its body: a letter, then what the letter needs.
 *   E          echo the body at once
 *   H          hold: the test finishes it later
 *   B u32      a reply of so many bytes, at once
 *   S          silent      C  close, with an echo      c  close without a reply
 *   T u32      echo with a throttle of so many ms
 * The letter comes after 2 bytes of api key, which net/ looks at. */
struct fake_api {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct request *held[HELD_MAX];
    size_t held_count;
    size_t dispatched, conns_closed;
    size_t loops_seen[8];
    const void *loop_ids[8];
};
static struct fake_api api;
static struct buf *big_reply;

static void
reply_echo(struct request *req)
{
    arena_init(&req->arena, 256u << 20);
    uint8_t *p = (uint8_t *)arena_alloc(&req->arena, 4 + req->body.len);
    assert_non_null(p);
    put_u32(p, (uint32_t)req->body.len);
    if (req->body.len > 0) {
        memcpy(p + 4, req->body.ptr, req->body.len);
    }
    out_add(&req->out, span_of(p, 4), NULL);
    out_add(&req->out, span_of(p + 4, req->body.len), NULL);
}

static void
reply_big(struct request *req, size_t n)
{
    arena_init(&req->arena, 4096);
    uint8_t *head = (uint8_t *)arena_alloc(&req->arena, 4);
    put_u32(head, (uint32_t)n);
    out_add(&req->out, span_of(head, 4), NULL);
    while (n > 0) {
        size_t now = n < big_reply->len ? n : big_reply->len;
        struct buf *owner = buf_ref(big_reply);
        out_add(&req->out, span_of(big_reply->data, now), &owner);
        n -= now;
    }
}

static void
count_dispatch(struct request *req, bool is_held)
{
    pthread_mutex_lock(&api.lock);
    api.dispatched++;
    for (size_t i = 0; i < 8; i++) {
        if (api.loop_ids[i] == NULL || api.loop_ids[i] == req->loop) {
            api.loop_ids[i] = req->loop;
            api.loops_seen[i]++;
            break;
        }
    }
    if (is_held) {
        assert_true(api.held_count < HELD_MAX);
        api.held[api.held_count++] = req;
    }
    pthread_cond_broadcast(&api.changed);
    pthread_mutex_unlock(&api.lock);
}

void
api_dispatch(struct request *req)
{
    char letter = req->body.len > 2 ? (char)req->body.ptr[2] : 'E';
    count_dispatch(req, letter == 'H');
    switch (letter) {
    case 'H':
        return;
    case 'B':
        reply_big(req, get_u32(req->body.ptr + 3));
        break;
    case 'S':
        req->is_silent = true;
        break;
    case 'c':
        req->is_close = true;
        break;
    case 'C':
        req->is_close = true;
        reply_echo(req);
        break;
    case 'T':
        req->throttle_ms = get_i32(req->body.ptr + 3);
        reply_echo(req);
        break;
    default:
        reply_echo(req);
    }
    request_finish(req);
}

void
api_conn_closed(struct broker *broker, struct conn_info *conn)
{
    (void)broker;
    (void)conn;
    pthread_mutex_lock(&api.lock);
    api.conns_closed++;
    pthread_cond_broadcast(&api.changed);
    pthread_mutex_unlock(&api.lock);
}

static void
wait_until(const size_t *what, size_t at_least)
{
    struct timespec until = {0};
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += GUARD_MS / 1000;
    int rc = 0;
    pthread_mutex_lock(&api.lock);
    while (*what < at_least && rc == 0) {
        rc = pthread_cond_timedwait(&api.changed, &api.lock, &until);
    }
    pthread_mutex_unlock(&api.lock);
    assert_int_equal(rc, 0);
}

/* Finishes a held request with an echo, on its own loop, and waits until that has happened. */
struct finisher {
    struct sched_task task;
    struct request *req;
    size_t done;
};

static void
finish_task(struct sched_task *task)
{
    struct finisher *f = SL_CONTAINER_OF(task, struct finisher, task);
    reply_echo(f->req);
    request_finish(f->req);
    pthread_mutex_lock(&api.lock);
    f->done = 1;
    pthread_cond_broadcast(&api.changed);
    pthread_mutex_unlock(&api.lock);
}

static void
finish_held(size_t i)
{
    pthread_mutex_lock(&api.lock);
    assert_true(i < api.held_count && api.held[i] != NULL);
    struct finisher f = {.task.run = finish_task, .req = api.held[i]};
    api.held[i] = NULL;
    pthread_mutex_unlock(&api.lock);
    sched_post(f.req->loop, &f.task);
    wait_until(&f.done, 1);
}

/* ---- the server under test, and a client ---- */

static struct loop **loops;
static unsigned loop_count;
static struct server *server;

static struct server_opts
start_opts(void)
{
    struct server_opts opts = server_opts_default();
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(loops_start(2, &loops, &loop_count, &err), SL_OK);
    memset(&api, 0, sizeof(api));
    pthread_mutex_init(&api.lock, NULL);
    pthread_cond_init(&api.changed, NULL);
    opts.loops = loops;
    opts.loop_count = loop_count;
    return opts;
}

static void
start_with(struct server_opts opts)
{
    struct server_listener_opts listener = {.name = "plain", .address = "127.0.0.1:0"};
    struct sl_error err = SL_ERROR_INIT;
    opts.listeners = &listener;
    opts.listener_count = 1;
    assert_int_equal(server_start(&opts, &server, &err), SL_OK);
}

static int
start(void **state)
{
    (void)state;
    start_with(start_opts());
    return 0;
}

static int64_t
counter(enum counter_id id)
{
    int64_t sums[COUNTER_COUNT];
    counters_sum(sums);
    return sums[id];
}

static int
stop(void **state)
{
    (void)state;
    server_destroy(&server);
    loops_stop(&loops, loop_count);
    pthread_mutex_destroy(&api.lock);
    pthread_cond_destroy(&api.changed);
    buf_pool_trim();
    assert_int_equal(counter(C_budget_bytes), 0);
    assert_int_equal(counter(C_net_connections_open), 0);
    return 0;
}

static int
dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)server_port(server, 0)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void
send_all(int fd, const void *p, size_t n)
{
    const uint8_t *at = (const uint8_t *)p;
    while (n > 0) {
        ssize_t now = send(fd, at, n, MSG_NOSIGNAL);
        assert_true(now > 0);
        at += now;
        n -= (size_t)now;
    }
}

/* Gives how many bytes came before the end of the stream, at most n. */
static size_t
recv_up_to(int fd, void *p, size_t n)
{
    size_t got = 0;
    while (got < n) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&pfd, 1, GUARD_MS), 1);
        ssize_t now = recv(fd, (uint8_t *)p + got, n - got, 0);
        if (now <= 0) {
            break;
        }
        got += (size_t)now;
    }
    return got;
}

static void
expect_eof(int fd)
{
    uint8_t byte;
    assert_int_equal(recv_up_to(fd, &byte, 1), 0);
}

static size_t
frame(uint8_t *out, int16_t key, const char *text, size_t len)
{
    put_u32(out, (uint32_t)(len + 2));
    put_u16(out + 4, (uint16_t)key);
    memcpy(out + 6, text, len);
    return len + 6;
}

static void
send_frame(int fd, int16_t key, const char *text)
{
    uint8_t raw[512];
    send_all(fd, raw, frame(raw, key, text, strlen(text)));
}

static void
expect_reply(int fd, int16_t key, const char *text)
{
    uint8_t want[512], got[512];
    size_t n = frame(want, key, text, strlen(text));
    assert_int_equal(recv_up_to(fd, got, n), n);
    assert_memory_equal(got, want, n);
}

/* ---- framing ---- */

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
        /* a full exchange on another connection of each loop: the first part has been read */
        for (int i = 0; i < 2; i++) {
            int other = dial();
            send_frame(other, 3, "Ex");
            expect_reply(other, 3, "Ex");
            close(other);
        }
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
        T(read__frame_cut_at_every_byte__is_put_together),
        T(read__many_frames_in_one_segment__all_answered_in_order),
        T(close__requested__after_the_replies_before_it),
        T(write__finished_in_reverse__replies_come_in_request_order),
    };
    uint8_t pattern[65536];
    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = (uint8_t)(i * 31 >> 3);
    }
    big_reply = buf_copy(span_of(pattern, sizeof(pattern)));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_unref(&big_reply);
    buf_pool_trim();
    return failed;
}
