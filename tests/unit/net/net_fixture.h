/* For tests of the server over real sockets on loopback. api_dispatch is this file's: it keeps
 * requests, so that a test decides when and in which order they finish. Waiting is always for an
 * event (a byte, an end of file, a request that arrived), with a guard against hanging. */
#ifndef SLUICE_TESTS_NET_FIXTURE_H
#define SLUICE_TESTS_NET_FIXTURE_H

#include "api/request.h"
#include "base/counters.h"
#include "base/diag.h"
#include "net/loop.h"
#include "net/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
 *   A          the peer has proven who it is; echo
 *   L          echo, a little later, on a timer
 *   T u32      echo with a throttle of so many ms      t u32  the same, silent
 *   h u32      hold; echo with a throttle when it is finished
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

static inline void
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

static inline void
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

struct later {
    struct sched_timer timer;
    struct request *req;
};

static inline void
later_fire(struct sched_timer *timer)
{
    struct later *later = SL_CONTAINER_OF(timer, struct later, timer);
    struct request *req = later->req;
    free(later);
    reply_echo(req);
    request_finish(req);
}

static inline void
reply_later(struct request *req)
{
    struct later *later = (struct later *)calloc(1, sizeof(*later));
    later->timer.fire = later_fire;
    later->req = req;
    sched_timer_after(req->loop, &later->timer, (int64_t)(sched_random(req->loop) % 300000));
}

static inline void
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
    count_dispatch(req, letter == 'H' || letter == 'h');
    switch (letter) {
    case 'H':
    case 'h':
        return;
    case 'A':
        server_conn_authenticated(req->conn, "User:alice");
        assert_string_equal(req->conn->principal, "User:alice");
        reply_echo(req);
        break;
    case 'L':
        reply_later(req);
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
        request_throttle(req, get_u32(req->body.ptr + 3));
        reply_echo(req);
        break;
    case 't':
        request_throttle(req, get_u32(req->body.ptr + 3));
        req->is_silent = true;
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

static inline void
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

static inline size_t
seen(const size_t *what)
{
    pthread_mutex_lock(&api.lock);
    size_t n = *what;
    pthread_mutex_unlock(&api.lock);
    return n;
}

/* Finishes a held request with an echo, on its own loop, and waits until that has happened. */
struct finisher {
    struct sched_task task;
    struct request *req;
    size_t done;
};

static inline void
finish_task(struct sched_task *task)
{
    struct finisher *f = SL_CONTAINER_OF(task, struct finisher, task);
    if (f->req->body.ptr[2] == 'h') {
        request_throttle(f->req, get_u32(f->req->body.ptr + 3));
    }
    reply_echo(f->req);
    request_finish(f->req);
    pthread_mutex_lock(&api.lock);
    f->done = 1;
    pthread_cond_broadcast(&api.changed);
    pthread_mutex_unlock(&api.lock);
}

static inline void
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

static inline struct server_opts
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

static inline void
start_with(struct server_opts opts)
{
    struct server_listener_opts listener = {.name = "plain", .address = "127.0.0.1:0"};
    struct sl_error err = SL_ERROR_INIT;
    opts.listeners = &listener;
    opts.listener_count = 1;
    assert_int_equal(server_start(&opts, &server, &err), SL_OK);
}

static inline int
start(void **state)
{
    (void)state;
    start_with(start_opts());
    return 0;
}

static inline int64_t
counter(enum counter_id id)
{
    int64_t sums[COUNTER_COUNT];
    counters_sum(sums);
    return sums[id];
}

static inline int
stop(void **state)
{
    (void)state;
    for (size_t i = 0; i < seen(&api.held_count); i++) {
        if (api.held[i] != NULL) {
            finish_held(i); /* after a failed test, which would hang here otherwise */
        }
    }
    server_destroy(&server);
    loops_stop(&loops, loop_count);
    pthread_mutex_destroy(&api.lock);
    pthread_cond_destroy(&api.changed);
    buf_pool_trim();
    assert_int_equal(counter(C_budget_bytes), 0);
    assert_int_equal(counter(C_net_connections_open), 0);
    return 0;
}

/* Gives a socket that is not connected yet; rcvbuf 0: the system's default. */
static inline int
dial_prepare(int rcvbuf)
{
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    if (rcvbuf > 0) {
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)), 0);
    }
    return fd;
}

static inline int
dial_connect(int fd)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)server_port(server, 0)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static inline int
dial(void)
{
    int fd = dial_prepare(0);
    assert_int_equal(dial_connect(fd), 0);
    return fd;
}

static inline void
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
static inline size_t
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

static inline void
expect_eof(int fd)
{
    uint8_t byte;
    assert_int_equal(recv_up_to(fd, &byte, 1), 0);
}

static inline size_t
frame(uint8_t *out, int16_t key, const char *text, size_t len)
{
    put_u32(out, (uint32_t)(len + 2));
    put_u16(out + 4, (uint16_t)key);
    memcpy(out + 6, text, len);
    return len + 6;
}

static inline void
send_frame(int fd, int16_t key, const char *text)
{
    uint8_t raw[512];
    send_all(fd, raw, frame(raw, key, text, strlen(text)));
}

static inline void
expect_reply(int fd, int16_t key, const char *text)
{
    uint8_t want[512], got[512];
    size_t n = frame(want, key, text, strlen(text));
    assert_int_equal(recv_up_to(fd, got, n), n);
    assert_memory_equal(got, want, n);
}

/* A full exchange on every loop: what was sent before on other connections has been seen. */
static inline void
exchange_everywhere(void)
{
    for (unsigned i = 0; i < loop_count; i++) {
        int fd = dial();
        send_frame(fd, 3, "Ex");
        expect_reply(fd, 3, "Ex");
        close(fd);
    }
}

static inline void
until_counter(enum counter_id id, int64_t at_least)
{
    struct timespec ts = {0};
    clock_gettime(CLOCK_MONOTONIC, &ts);
    time_t guard = ts.tv_sec + GUARD_MS / 1000;
    while (counter(id) < at_least) {
        exchange_everywhere();
        clock_gettime(CLOCK_MONOTONIC, &ts);
        assert_true(ts.tv_sec < guard);
    }
}

static inline void
send_header(int fd, uint32_t size, int16_t key, const char *letter)
{
    uint8_t raw[7];
    put_u32(raw, size);
    put_u16(raw + 4, (uint16_t)key);
    raw[6] = (uint8_t)letter[0];
    send_all(fd, raw, sizeof(raw));
}

/* Sends the rest of a frame of size bytes after send_header. */
static inline void
send_rest(int fd, uint32_t size)
{
    static const uint8_t zeros[65536];
    size_t left = size - 3;
    while (left > 0) {
        size_t now = left < sizeof(zeros) ? left : sizeof(zeros);
        send_all(fd, zeros, now);
        left -= now;
    }
}

static inline void
expect_echo_of(int fd, uint32_t size, int16_t key, const char *letter)
{
    uint8_t *got = (uint8_t *)malloc(size + 4);
    assert_int_equal(recv_up_to(fd, got, size + 4), size + 4);
    assert_int_equal(get_u32(got), size);
    assert_int_equal(get_i16(got + 4), key);
    assert_int_equal(got[6], letter[0]);
    for (size_t i = 7; i < size + 4; i++) {
        if (got[i] != 0) {
            fail_msg("byte %zu of the echo is wrong", i);
        }
    }
    free(got);
}

static inline void
big_reply_make(void)
{
    uint8_t pattern[65536];
    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = (uint8_t)(i * 31 >> 3);
    }
    big_reply = buf_copy(span_of(pattern, sizeof(pattern)));
}

static inline int
net_tests_run(const struct CMUnitTest *tests, size_t count, const char *name)
{
    diag_set_level(DIAG_ERROR);
    big_reply_make();
    int failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    buf_unref(&big_reply);
    buf_pool_trim();
    return failed;
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
#define NET_TEST_OPTS(name) cmocka_unit_test_setup_teardown(name, NULL, stop)
#define NET_RUN(tests) net_tests_run((tests), sizeof(tests) / sizeof((tests)[0]), __FILE__)

#endif
