/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice status`: a client of one request, Metadata v2 (its first version with a cluster id), over
 * a blocking socket with a time-out. Blocking is right here: there is nothing else to do. */
#include "base/arena.h"
#include "cli/cli_int.h"
#include "wire/reader.h"
#include "wire/writer.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    API_METADATA_KEY = 3,
    METADATA_VERSION = 2,
    TIMEOUT_S = 10,
    ANSWER_MAX = 64 * 1024 * 1024,
    CORRELATION = 1
};

static bool
address_split(const char *address, char host[256], const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    size_t n = colon == NULL ? 0 : (size_t)(colon - address);
    if (n == 0 || n >= 256 || colon[1] == '\0') {
        return false;
    }
    bool is_bracketed = address[0] == '[' && address[n - 1] == ']';
    span_to_cstr(is_bracketed ? span_of(address + 1, n - 2) : span_of(address, n), host, 256);
    *ret_port = colon + 1;
    return true;
}

static int
try_connect(const struct addrinfo *ai)
{
    struct timeval limit = {.tv_sec = TIMEOUT_S};
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
        connect(fd, ai->ai_addr, ai->ai_addrlen) == 0) {
        return fd;
    }
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

static enum sl_err
broker_connect(const char *address, int *ret_fd, struct sl_error *err)
{
    char host[256];
    const char *port;
    struct addrinfo *list = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    if (!address_split(address, host, &port)) {
        return sl_error_set(err, SL_EINVAL, "%s is no HOST:PORT", address);
    }
    int gai = getaddrinfo(host, port, &hints, &list);
    if (gai != 0) {
        return sl_error_set(err, SL_EINVAL, "%s: %s", address, gai_strerror(gai));
    }
    int fd = -1;
    for (const struct addrinfo *ai = list; ai != NULL && fd < 0; ai = ai->ai_next) {
        fd = try_connect(ai);
    }
    int why = errno;
    freeaddrinfo(list);
    if (fd < 0) {
        return sl_error_sys(err, why, "cannot connect to %s", address);
    }
    *ret_fd = fd;
    return SL_OK;
}

static bool
write_all(int fd, struct span s)
{
    while (s.len > 0) {
        ssize_t n = send(fd, s.ptr, s.len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        s = span_of(s.ptr + n, s.len - (size_t)n);
    }
    return true;
}

static bool
read_all(int fd, uint8_t *to, size_t n)
{
    while (n > 0) {
        ssize_t got = recv(fd, to, n, 0);
        if (got <= 0) {
            errno = got == 0 ? ECONNRESET : errno;
            return false;
        }
        to += got;
        n -= (size_t)got;
    }
    return true;
}

static bool
send_request(int fd)
{
    struct bytes frame;
    bytes_init(&frame, 256);
    struct wire_out out = wire_out_to(&frame, false);
    wire_put_i32(&out, 0); /* the size, below */
    wire_put_i16(&out, API_METADATA_KEY);
    wire_put_i16(&out, METADATA_VERSION);
    wire_put_i32(&out, CORRELATION);
    wire_put_string(&out, span_cstr("sluice-status"));
    wire_put_array_null(&out); /* every topic */
    put_u32(frame.data, (uint32_t)(frame.len - 4));
    bool is_sent = write_all(fd, bytes_span(&frame));
    bytes_fini(&frame);
    return is_sent;
}

/* Gives the answer's bytes behind the size. */
static enum sl_err
ask(int fd, struct buf **ret, struct sl_error *err)
{
    uint8_t size[4];
    if (!send_request(fd) || !read_all(fd, size, sizeof(size))) {
        (void)sl_error_sys(err, errno, "the broker did not answer");
        return SL_EIO;
    }
    uint32_t n = get_u32(size);
    if (n > ANSWER_MAX) {
        return sl_error_set(err, SL_EMALFORMED, "what answers there is no Kafka broker");
    }
    struct buf *b = buf_new(n);
    if (!read_all(fd, b->data, n)) {
        (void)sl_error_sys(err, errno, "the answer was cut off");
        buf_unref(&b);
        return SL_EIO;
    }
    b->len = n;
    *ret = b;
    return SL_OK;
}

static void
print_brokers(struct wire_in *in)
{
    for (size_t n = wire_array(in, 12); n > 0 && wire_ok(in); n--) {
        int32_t id = wire_i32(in);
        struct span host = wire_string(in);
        int32_t port = wire_i32(in);
        (void)wire_string_nullable(in); /* rack */
        if (wire_ok(in)) {
            (void)printf("broker %d: %.*s:%d\n", id, (int)host.len, (const char *)host.ptr, port);
        }
    }
}

static size_t
count_partitions(struct wire_in *in)
{
    size_t count = wire_array(in, 18);
    for (size_t i = 0; i < count && wire_ok(in); i++) {
        (void)wire_i16(in);                    /* error */
        (void)wire_i32(in);                    /* partition */
        (void)wire_i32(in);                    /* leader */
        for (int list = 0; list < 2; list++) { /* replicas, in-sync replicas */
            (void)wire_take(in, 4 * wire_array(in, 4));
        }
    }
    return count;
}

static void
print_topics(struct wire_in *in)
{
    size_t topics = wire_array(in, 9);
    size_t partitions = 0;
    for (size_t i = 0; i < topics && wire_ok(in); i++) {
        (void)wire_i16(in); /* error */
        struct span name = wire_string(in);
        (void)wire_bool(in); /* internal */
        size_t n = count_partitions(in);
        partitions += n;
        if (wire_ok(in)) {
            (void)printf("topic %.*s: %zu partitions\n", (int)name.len, (const char *)name.ptr, n);
        }
    }
    (void)printf("%zu topics, %zu partitions\n", topics, partitions);
}

static enum sl_err
print_answer(struct span answer, struct sl_error *err)
{
    struct wire_in in;
    wire_in_init(&in, answer, false, NULL);
    if (wire_i32(&in) != CORRELATION) {
        wire_fail(&in, SL_EMALFORMED);
    }
    print_brokers(&in);
    struct span cluster = wire_string_nullable(&in);
    int32_t controller = wire_i32(&in);
    if (wire_ok(&in)) {
        (void)printf("cluster %.*s, controller %d\n", (int)cluster.len, (const char *)cluster.ptr,
                     controller);
        print_topics(&in);
    }
    if (wire_in_done(&in) != SL_OK) {
        return sl_error_set(err, SL_EMALFORMED, "the broker's answer cannot be read");
    }
    return SL_OK;
}

int
cli__status(const struct cli__args *args)
{
    struct sl_error err = SL_ERROR_INIT;
    struct buf *answer = NULL;
    int fd = -1;
    const char *address = args->address == NULL ? "127.0.0.1:9092" : args->address;
    enum sl_err rc = broker_connect(address, &fd, &err);
    if (rc == SL_OK) {
        rc = ask(fd, &answer, &err);
    }
    if (rc == SL_OK && answer != NULL) {
        rc = print_answer(buf_span(answer), &err);
    }
    buf_unref(&answer);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (rc != SL_OK) {
        (void)fprintf(stderr, "sluice status: %s\n", err.msg);
        return 1;
    }
    return 0;
}
