/* SPDX-License-Identifier: Apache-2.0
 *
 * rawcli: load without a client library, so that the broker is what saturates. Batches are built
 * once and sent again and again; a request is a small head and a shared batch in one writev.
 *
 *   rawcli -b HOST:PORT -m create|delete|produce|fetch -t TOPIC [-P partitions] [-c connections]
 *          [-s value size] [-R records a batch] [-z codec] [-W in flight a connection]
 *          [-d seconds] [-n most batches] [-r batches a second]
 *
 * produce: every connection keeps -W requests of one batch in flight (-W 1 -R 1: a sync writer).
 *          With -r, all of them together send that many a second, and -W bounds what is in flight.
 * fetch:   every connection reads one partition, 1 MiB a request, and begins again at its end.
 *
 * One thread, epoll. It expects one broker that leads every partition. The last line is a JSON
 * object as rdkbench prints it. */
#include "bench_util.h"
#include "kbatch.h"
#include "rawwire.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_IN_FLIGHT 64
#define HEAD_MAX 512
#define VARIANTS 8
#define RECEIVE_BYTES ((size_t)4 << 20)
#define FETCH_BYTES (1 << 20)
#define BATCH_HEADER 61

struct options {
    struct raw_address address;
    const char *topic, *mode;
    int partitions, connections, records, codec, in_flight;
    size_t value_size;
    double seconds, max_batches, rate;
};

struct conn {
    int fd, partition;
    int in_flight, first_sent; /* ring of send times */
    uint64_t sent_at[MAX_IN_FLIGHT];
    struct { /* the request being written */
        uint8_t head[HEAD_MAX];
        size_t head_len, done;
        const uint8_t *body;
        size_t body_len;
    } out;
    uint8_t *in;
    size_t in_len;
    int64_t offset; /* fetch: the next to read */
};

static struct options opt = {.mode = "produce",
                             .topic = "t",
                             .partitions = 1,
                             .connections = 1,
                             .records = 16,
                             .in_flight = 5,
                             .value_size = 1024,
                             .seconds = 3,
                             .max_batches = 1e15};
static struct result res;
static struct latencies lat;
static uint8_t *batches[VARIANTS];
static size_t batch_lens[VARIANTS];
static double batches_left;
static uint64_t deadline;
static int poller;

/* --- requests --- */

static void
request_produce(struct conn *c)
{
    static unsigned turn;
    unsigned variant = turn++ % VARIANTS;
    uint8_t *p = raw_put_header(c->out.head, 0, 7);

    p = raw_put(p, -1, 2); /* no transactional id */
    p = raw_put(p, -1, 2); /* acks */
    p = raw_put(p, 30000, 4);
    p = raw_put(p, 1, 4);
    p = raw_put_string(p, opt.topic);
    p = raw_put(p, 1, 4);
    p = raw_put(p, c->partition, 4);
    p = raw_put(p, (int64_t)batch_lens[variant], 4);
    raw_put_size(c->out.head, p, batch_lens[variant]);
    c->out.head_len = (size_t)(p - c->out.head);
    c->out.body = batches[variant];
    c->out.body_len = batch_lens[variant];
    c->partition = (c->partition + opt.connections) % opt.partitions;
}

static void
request_fetch(struct conn *c)
{
    uint8_t *p = raw_put_header(c->out.head, 1, 11);

    p = raw_put(p, -1, 4);  /* replica */
    p = raw_put(p, 500, 4); /* max wait */
    p = raw_put(p, 1, 4);   /* min bytes */
    p = raw_put(p, FETCH_BYTES, 4);
    p = raw_put(p, 0, 1);  /* isolation */
    p = raw_put(p, 0, 4);  /* session */
    p = raw_put(p, -1, 4); /* session epoch */
    p = raw_put(p, 1, 4);
    p = raw_put_string(p, opt.topic);
    p = raw_put(p, 1, 4);
    p = raw_put(p, c->partition, 4);
    p = raw_put(p, -1, 4); /* leader epoch */
    p = raw_put(p, c->offset, 8);
    p = raw_put(p, -1, 8); /* log start */
    p = raw_put(p, FETCH_BYTES, 4);
    p = raw_put(p, 0, 4); /* forgotten topics */
    p = raw_put_string(p, "");
    raw_put_size(c->out.head, p, 0);
    c->out.head_len = (size_t)(p - c->out.head);
    c->out.body_len = 0;
}

/* --- replies --- */

/* A Produce v7 reply of one partition; gives its error. */
static int
reply_produce(const uint8_t *p, size_t n)
{
    size_t at = 4 + 4 + 2 + strlen(opt.topic) + 4 + 4;

    if (n < at + 2) {
        raw_fail("a Produce reply is too short");
    }
    return (int)raw_get(p + at, 2);
}

/* Counts whole batches and moves c->offset past them. */
static void
count_batches(struct conn *c, const uint8_t *p, size_t n)
{
    while (n >= BATCH_HEADER) {
        size_t len = (size_t)raw_get(p + 8, 4) + 12;

        if (len > n || len < BATCH_HEADER) {
            break;
        }
        res.ok += (uint64_t)raw_get(p + 57, 4);
        c->offset = raw_get(p, 8) + raw_get(p + 23, 4) + 1;
        p += len;
        n -= len;
    }
}

/* A Fetch v11 reply of one partition without aborted transactions; gives its error. */
static int
reply_fetch(struct conn *c, const uint8_t *p, size_t n)
{
    size_t at = 4 + 4 + 2 + 4 + 4 + 2 + strlen(opt.topic) + 4 + 4;
    int64_t high_watermark, len;

    if (n < at + 2 + 24 + 4 + 4 + 4) {
        raw_fail("a Fetch reply is too short");
    }
    if (raw_get(p + at, 2) != 0) {
        return (int)raw_get(p + at, 2);
    }
    high_watermark = raw_get(p + at + 2, 8);
    at += 2 + 24 + 4 + 4; /* error, three offsets, aborted list (null or empty), replica */
    len = raw_get(p + at, 4);
    if (len < 0 || (size_t)len > n - at - 4) {
        raw_fail("a Fetch reply lies about its length");
    }
    count_batches(c, p + at + 4, (size_t)len);
    if (c->offset >= high_watermark) {
        c->offset = 0;
    }
    return 0;
}

static void
reply(struct conn *c, const uint8_t *p, size_t n)
{
    bool is_fetch = opt.mode[0] == 'f';
    int error = is_fetch ? reply_fetch(c, p, n) : reply_produce(p, n);

    latencies_add(&lat, now_us() - c->sent_at[c->first_sent]);
    c->first_sent = (c->first_sent + 1) % MAX_IN_FLIGHT;
    c->in_flight--;
    if (error != 0) {
        res.failed++;
        res.last_error = error;
    } else if (!is_fetch) {
        res.ok += (uint64_t)opt.records;
    }
}

/* --- sockets --- */

static void
flush(struct conn *c)
{
    while (c->out.done < c->out.head_len + c->out.body_len) {
        struct iovec v[2];
        int n = 0;
        ssize_t sent;

        if (c->out.done < c->out.head_len) {
            v[n].iov_base = c->out.head + c->out.done;
            v[n++].iov_len = c->out.head_len - c->out.done;
        }
        if (c->out.body_len > 0) {
            size_t skip = c->out.done > c->out.head_len ? c->out.done - c->out.head_len : 0;

            v[n].iov_base = (void *)(uintptr_t)(c->out.body + skip);
            v[n++].iov_len = c->out.body_len - skip;
        }
        sent = writev(c->fd, v, n);
        if (sent < 0) {
            if (errno == EAGAIN || errno == EINTR) {
                return;
            }
            raw_fail_errno("write");
        }
        c->out.done += (size_t)sent;
    }
}

/* Sends until -W requests are in flight or the socket is full. */
static void
fill(struct conn *c)
{
    for (;;) {
        flush(c);
        if (c->out.done < c->out.head_len + c->out.body_len || c->in_flight >= opt.in_flight ||
            batches_left < 1 || now_us() >= deadline) {
            return;
        }
        batches_left--;
        if (opt.mode[0] == 'f') {
            request_fetch(c);
        } else {
            request_produce(c);
        }
        c->out.done = 0;
        c->sent_at[(c->first_sent + c->in_flight) % MAX_IN_FLIGHT] = now_us();
        c->in_flight++;
    }
}

/* False when the socket is empty. */
static bool
receive(struct conn *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, RECEIVE_BYTES - c->in_len, 0);
    size_t at = 0;

    if (n == 0) {
        raw_fail("the broker closed a connection");
    }
    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR) {
            return false;
        }
        raw_fail_errno("read");
    }
    c->in_len += (size_t)n;
    while (c->in_len - at >= 4) {
        int64_t len = raw_get(c->in + at, 4);

        if (len < 4 || (size_t)len > RECEIVE_BYTES - 4) {
            raw_fail("a reply of an absurd size");
        }
        if (c->in_len - at - 4 < (size_t)len) {
            break;
        }
        reply(c, c->in + at + 4, (size_t)len);
        at += 4 + (size_t)len;
    }
    memmove(c->in, c->in + at, c->in_len - at);
    c->in_len -= at;
    return true;
}

static struct conn *
conn_new(int i)
{
    struct conn *c = calloc(1, sizeof *c);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};

    if (c == NULL || (c->in = malloc(RECEIVE_BYTES)) == NULL) {
        raw_fail("out of memory");
    }
    c->fd = raw_dial(&opt.address);
    c->partition = i % opt.partitions;
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) != 0) {
        raw_fail_errno("epoll");
    }
    return c;
}

/* --- modes --- */

static bool
any_in_flight(struct conn *const *conns)
{
    for (int i = 0; i < opt.connections; i++) {
        if (conns[i]->in_flight > 0) {
            return true;
        }
    }
    return false;
}

static struct conn **
dial_all(void)
{
    struct conn **conns = calloc((size_t)opt.connections, sizeof(struct conn *));

    if (conns == NULL) {
        raw_fail("out of memory");
    }
    for (int i = 0; i < opt.connections; i++) {
        conns[i] = conn_new(i);
    }
    return conns;
}

/* Lets every connection send what it may, each time another one first. */
static void
fill_all(struct conn *const *conns)
{
    static int first;

    for (int i = 0; i < opt.connections; i++) {
        fill(conns[(first + i) % opt.connections]);
    }
    first = (first + 1) % opt.connections;
}

static void
handle(const struct epoll_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) {
            while (receive(events[i].data.ptr)) { /* edge triggered: until it is empty */
            }
        }
        fill(events[i].data.ptr);
    }
}

/* Flat out, a connection sends when an answer came. Paced, when it is time; what could not be sent
 * then is sent late, and the rate that is reported falls short. */
static void
run_load(void)
{
    bool is_paced = opt.rate > 0;
    struct conn **conns = dial_all();
    uint64_t start = now_us();
    double credited = 0;

    deadline = start + (uint64_t)(opt.seconds * 1e6);
    batches_left = is_paced ? 1 : opt.max_batches;
    fill_all(conns);
    while (any_in_flight(conns) || (is_paced && now_us() < deadline)) {
        struct epoll_event events[64];
        int n = epoll_wait(poller, events, 64, is_paced ? 1 : 30000);

        if (n == 0 && !is_paced) {
            raw_fail("no reply for 30 s");
        }
        if (is_paced) {
            double due = floor((double)(now_us() - start) * opt.rate / 1e6);

            batches_left += due - credited;
            credited = due;
            fill_all(conns);
        }
        handle(events, n);
    }
    res.elapsed_s = (double)(now_us() - start) / 1e6;
    free(conns);
}

static void
build_batches(void)
{
    size_t need = opt.value_size * (size_t)opt.records;
    uint8_t *values = malloc(need * VARIANTS);

    if (values == NULL) {
        raw_fail("out of memory");
    }
    loglike(values, need * VARIANTS);
    for (int i = 0; i < VARIANTS; i++) {
        struct kbatch_plan plan = {.values = values + (size_t)i * need,
                                   .value_size = opt.value_size,
                                   .records = opt.records,
                                   .codec = (enum kbatch_codec)opt.codec,
                                   .timestamp_ms = 1700000000000 + i};

        batches[i] = kbatch_build(&plan, &batch_lens[i]);
    }
    free(values);
}

/* CreateTopics v2 or DeleteTopics v1 of one topic; ends the program when it fails. */
static void
run_admin(bool create)
{
    uint8_t b[1024], *p = raw_put_header(b, create ? 19 : 20, create ? 2 : 1);
    size_t name = strlen(opt.topic);
    int64_t len, error;
    int fd = raw_dial(&opt.address);

    p = raw_put(p, 1, 4);
    p = raw_put_string(p, opt.topic);
    if (create) {
        p = raw_put(p, opt.partitions, 4);
        p = raw_put(p, 1, 2); /* replication factor */
        p = raw_put(p, 0, 8); /* neither assignments nor configs */
    }
    p = raw_put(p, 60000, 4);
    if (create) {
        p = raw_put(p, 0, 1); /* really */
    }
    raw_put_size(b, p, 0);
    raw_write_all(fd, b, (size_t)(p - b));
    raw_read_all(fd, b, 4);
    len = raw_get(b, 4);
    if (len < (int64_t)(4 + 4 + 4 + 2 + name + 2) || len > (int64_t)sizeof b) {
        raw_fail("an odd reply");
    }
    raw_read_all(fd, b, (size_t)len);
    error = raw_get(b + 4 + 4 + 4 + 2 + name, 2);
    printf("{\"topic\":\"%s\",\"error\":%d}\n", opt.topic, (int)error);
    close(fd);
    exit(error != 0);
}

static void
take_address(char *value)
{
    opt.address = raw_address_of(value);
}

static void
take_codec(char *value)
{
    opt.codec = kbatch_codec_of(value);
}

static void
parse(int argc, char **argv)
{
    static const struct bench_option table[] = {
        {'b', .call = take_address},
        {'m', .text = &opt.mode},
        {'t', .text = &opt.topic},
        {'P', .number = &opt.partitions},
        {'c', .number = &opt.connections},
        {'s', .size = &opt.value_size},
        {'R', .number = &opt.records},
        {'z', .call = take_codec},
        {'W', .number = &opt.in_flight},
        {'d', .real = &opt.seconds},
        {'n', .real = &opt.max_batches},
        {'r', .real = &opt.rate},
        {0},
    };

    bench_options(argc, argv, table);
    if (opt.address.host == NULL || opt.codec < 0 || opt.partitions < 1 || opt.connections < 1 ||
        opt.connections > 10000 || opt.in_flight < 1 || opt.in_flight > MAX_IN_FLIGHT ||
        opt.records < 1 || opt.value_size < 1 || opt.value_size * (size_t)opt.records > 1u << 30 ||
        strlen(opt.topic) > 249) {
        raw_fail("an option is missing or out of range");
    }
}

int
main(int argc, char **argv)
{
    parse(argc, argv);
    latencies_init(&lat);
    poller = epoll_create1(0);
    if (poller < 0) {
        raw_fail_errno("epoll");
    }
    if (strcmp(opt.mode, "create") == 0 || strcmp(opt.mode, "delete") == 0) {
        run_admin(opt.mode[0] == 'c');
    }
    if (strcmp(opt.mode, "fetch") == 0) {
        opt.in_flight = 1;
    } else if (strcmp(opt.mode, "produce") == 0) {
        build_batches();
    } else {
        raw_fail("no such mode");
    }
    run_load();
    res.bytes = res.ok * opt.value_size;
    result_print(&res, &lat);
    return res.failed != 0;
}
