/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice status`: a client of two requests on one connection, over a blocking socket with a
 * time-out. Blocking is right here: there is nothing else to do.
 *
 * Metadata v2 (its first version with a cluster id) is what any Kafka broker answers. SluiceStatus
 * comes second: a broker that does not know it closes the connection, and then Metadata is all. */
#include "cli/status_int.h"
#include "wire/frame.h"
#include "wire/messages/metadata.h"
#include "wire/messages/sluice_status.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    METADATA_VERSION = 2,
    TIMEOUT_S = 10,
    ANSWER_MAX = 64 * 1024 * 1024,
    REQUEST_MAX = 256,
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
send_request(int fd, int16_t key, int16_t version, const void *in)
{
    const struct api_info *info = api_info_find(key);
    const struct request_header h = {.api_key = key,
                                     .api_version = version,
                                     .correlation_id = CORRELATION,
                                     .info = info,
                                     .client_id = span_cstr("sluice-status")};
    struct bytes frame;
    bytes_init(&frame, REQUEST_MAX);
    bytes_u32(&frame, 0); /* the size, below */
    request_header_put(&frame, &h);
    bool is_sent = wire_encode(info->request, version, in, &frame) == SL_OK;
    put_u32(frame.data, (uint32_t)(frame.len - 4));
    is_sent = is_sent && write_all(fd, bytes_span(&frame));
    bytes_fini(&frame);
    return is_sent;
}

/* Gives the answer's bytes behind the size. */
static enum sl_err
answer_read(int fd, struct buf **ret, struct sl_error *err)
{
    uint8_t size[4];
    if (!read_all(fd, size, sizeof(size))) {
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

/* One request and its answer, decoded into *out; what it borrows lives in *body and arena. */
struct question {
    int16_t key, version;
    const void *in;
    void *out;
    struct buf *body;
};

static enum sl_err
ask(int fd, struct question *q, struct arena *arena, struct sl_error *err)
{
    const struct api_info *info = api_info_find(q->key);
    int32_t correlation = 0;
    struct span rest;
    if (!send_request(fd, q->key, q->version, q->in)) {
        (void)sl_error_sys(err, errno, "the broker did not answer");
        return SL_EIO;
    }
    enum sl_err rc = answer_read(fd, &q->body, err);
    if (rc != SL_OK) {
        return rc;
    }
    rc = response_header_parse(buf_span(q->body), info, q->version, &correlation, &rest);
    if (rc == SL_OK) {
        rc = wire_decode(info->response, q->version, rest, arena, q->out);
    }
    if (rc != SL_OK || correlation != CORRELATION) {
        return sl_error_set(err, SL_EMALFORMED, "the broker's answer cannot be read");
    }
    return SL_OK;
}

/* NULL when the broker does not tell. */
static json_t *
report_ask(int fd, bool wants_counters, struct arena *arena)
{
    struct sl_error ignored = SL_ERROR_INIT;
    const struct sluice_status_request in = {.wants_counters = wants_counters};
    struct sluice_status_response out = {0};
    struct question q = {.key = API_SLUICE_STATUS, .in = &in, .out = &out};
    json_t *report = NULL;
    if (ask(fd, &q, arena, &ignored) == SL_OK && out.error_code == 0) {
        report = json_loadb((const char *)out.report.ptr, out.report.len, 0, NULL);
    }
    if (!json_is_object(report)) {
        json_decref(report);
        report = NULL;
    }
    buf_unref(&q.body);
    return report;
}

static enum sl_err
status_get(int fd, const struct cli__args *args, struct sl_error *err)
{
    struct metadata_request in;
    struct metadata_response out;
    struct question q = {.key = API_METADATA, .version = METADATA_VERSION, .in = &in, .out = &out};
    struct arena arena;
    arena_init(&arena, (size_t)4 * ANSWER_MAX);
    metadata_request_init(&in); /* every topic */
    enum sl_err rc = ask(fd, &q, &arena, err);
    if (rc == SL_OK) {
        json_t *report = report_ask(fd, args->has_counters, &arena);
        if (args->is_json) {
            cli__status_json(report, &out);
        } else {
            cli__status_text(report, &out);
        }
        json_decref(report);
    }
    buf_unref(&q.body);
    arena_fini(&arena);
    return rc;
}

int
cli__status(const struct cli__args *args)
{
    struct sl_error err = SL_ERROR_INIT;
    int fd = -1;
    const char *address = args->address == NULL ? "127.0.0.1:9092" : args->address;
    enum sl_err rc = broker_connect(address, &fd, &err);
    if (rc == SL_OK) {
        rc = status_get(fd, args, &err);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (rc != SL_OK) {
        (void)fprintf(stderr, "sluice status: %s\n", err.msg);
        return 1;
    }
    return 0;
}
