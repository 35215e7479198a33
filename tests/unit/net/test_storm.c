/* Everything at once, with limits so low that each of them is met: fragments of any size, pipelined
 * requests that finish in any order, half-closes, hang-ups and resets in the middle, budgets that
 * are exhausted all the time. Every reply must be right and in order, and at the end nothing may be
 * charged, open or lost. Seeded; run it under the sanitizers. */
#include "net_fixture.h"

enum { CLIENTS = 8, ROUNDS = 60, REQUESTS_MAX = 40, FRAME_MAX = 200000 };
enum ending { END_CLOSE, END_HALF_CLOSE, END_HANG_UP, END_RESET };

struct client {
    pthread_t thread;
    uint64_t random;
    const char *failure;
    size_t replies;
};

static uint64_t
next_random(struct client *c)
{
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return c->random;
}

static uint32_t
below(struct client *c, uint32_t n)
{
    return (uint32_t)(next_random(c) >> 33) % n;
}

static size_t
any_frame(struct client *c, uint8_t *out)
{
    static const int16_t keys[] = {0, 0, 1, 3, 3, 18};
    uint32_t size = 3 + below(c, 5) * below(c, 40);
    if (below(c, 4) == 0) {
        size = 3 + below(c, FRAME_MAX);
    }
    put_u32(out, size);
    put_u16(out + 4, (uint16_t)keys[below(c, 6)]);
    out[6] = below(c, 3) == 0 ? 'E' : 'L';
    for (uint32_t i = 7; i < size + 4; i++) {
        out[i] = (uint8_t)(next_random(c) >> 40);
    }
    return size + 4;
}

struct script {
    uint8_t *bytes;
    size_t len, sent, got;
    size_t give_up_at; /* hang up when so much was sent */
    enum ending ending;
};

static void
script_make(struct client *c, struct script *s)
{
    uint32_t requests = 1 + below(c, REQUESTS_MAX);
    s->len = s->sent = s->got = 0;
    for (uint32_t i = 0; i < requests && s->len < 4 * FRAME_MAX; i++) {
        s->len += any_frame(c, s->bytes + s->len);
    }
    s->ending = (enum ending)below(c, 4);
    bool is_cut = s->ending == END_HANG_UP || s->ending == END_RESET;
    s->give_up_at = is_cut ? below(c, (uint32_t)s->len) : SIZE_MAX;
}

static bool
send_some(struct client *c, struct script *s, int fd)
{
    size_t n = below(c, 3) == 0 ? 1 + below(c, 50) : 1 + below(c, 100000);
    n = n < s->len - s->sent ? n : s->len - s->sent;
    ssize_t now = send(fd, s->bytes + s->sent, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    s->sent += now > 0 ? (size_t)now : 0;
    if (s->sent == s->len && s->ending == END_HALF_CLOSE) {
        shutdown(fd, SHUT_WR);
    }
    return now > 0 || errno == EAGAIN;
}

/* Echoes come back byte for byte what was sent. */
static bool
recv_some(struct client *c, struct script *s, int fd)
{
    uint8_t got[65536];
    size_t room = 1 + below(c, sizeof(got));
    ssize_t now = recv(fd, got, room, MSG_DONTWAIT);
    if (now < 0) {
        return errno == EAGAIN;
    }
    if (now == 0 || (size_t)now > s->sent - s->got) {
        return false;
    }
    bool is_right = memcmp(got, s->bytes + s->got, (size_t)now) == 0;
    s->got += (size_t)now;
    return is_right;
}

static const char *
script_run(struct client *c, struct script *s, int fd)
{
    while (s->got < s->len) {
        if (s->sent >= s->give_up_at) {
            return NULL;
        }
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        pfd.events |= s->sent < s->len ? POLLOUT : 0;
        if (poll(&pfd, 1, GUARD_MS) != 1) {
            return "nothing happens";
        }
        if ((pfd.revents & POLLOUT) != 0 && !send_some(c, s, fd)) {
            return "cannot send";
        }
        if ((pfd.revents & ~POLLOUT) != 0 && !recv_some(c, s, fd)) {
            return "wrong reply";
        }
    }
    c->replies++;
    return NULL;
}

static void *
client_main(void *arg)
{
    struct client *c = (struct client *)arg;
    struct script s = {.bytes = (uint8_t *)malloc(5 * (FRAME_MAX + 16))};
    for (int i = 0; i < ROUNDS && c->failure == NULL; i++) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        script_make(c, &s);
        int fd = dial();
        c->failure = script_run(c, &s, fd);
        if (s.ending == END_RESET) {
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        }
        close(fd);
    }
    free(s.bytes);
    return NULL;
}

static void
storm__limits_met_all_the_time__replies_right_and_nothing_left(void **state)
{
    (void)state;
    struct server_opts opts = start_opts();
    struct client clients[CLIENTS];
    opts.bulk_budget_bytes = 300000;
    opts.small_budget_bytes = 20000;
    opts.reply_budget_bytes = 400000;
    opts.unsent_max_bytes = 100000;
    opts.pipeline_max = 6;
    opts.fetches_max = 2;
    start_with(opts);
    int64_t total = counter(C_net_connections_total), paused = counter(C_net_read_paused);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.random = 0x9e3779b97f4a7c15u * (i + 1)};
        pthread_create(&clients[i].thread, NULL, client_main, &clients[i]);
    }
    size_t replies = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        replies += clients[i].replies;
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (clients[i].failure != NULL) {
            fail_msg("client %u: %s", i, clients[i].failure);
        }
    }
    assert_true(replies > CLIENTS * ROUNDS / 4);
    exchange_everywhere(); /* the last ones have been accepted, though hung up at once */
    const int64_t conns = CLIENTS * ROUNDS + loop_count;
    assert_int_equal(counter(C_net_connections_total) - total, conns);
    assert_true(counter(C_net_read_paused) > paused);
    assert_int_equal(server_stop(server, GUARD_MS), SL_OK);
    assert_int_equal(seen(&api.conns_closed), conns);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST_OPTS(storm__limits_met_all_the_time__replies_right_and_nothing_left),
    };
    return NET_RUN(tests);
}
