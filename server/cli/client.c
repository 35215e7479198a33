/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include "cli/cli_int.h"
#include "wire/messages/api_versions.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEYS_MAX = 512, HOST_MAX = 256 };

struct kept {
    struct kept *next;
    struct buf *body;
};

struct client {
    int fd; /* -1 after a failure */
    int32_t correlation;
    int16_t versions[KEYS_MAX]; /* what both sides speak, by key; -1: nothing */
    struct arena arena;
    struct kept *answers; /* what decoded messages point into */
    char address[CLIENT_ADDRESS_MAX];
};

/* ---- connecting ---- */

/* getaddrinfo takes 99999, and makes 34463 of it. */
static bool
port_is_valid(const char *text)
{
    char *end = NULL;
    unsigned long n = strtoul(text, &end, 10);
    return text[0] != '\0' && (*end != '\0' || (n > 0 && n <= UINT16_MAX));
}

static bool
address_split(const char *address, char host[HOST_MAX], const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    size_t n = colon == NULL ? 0 : (size_t)(colon - address);
    if (n == 0 || n >= HOST_MAX || !port_is_valid(colon + 1) ||
        strlen(address) >= (size_t)CLIENT_ADDRESS_MAX) {
        return false;
    }
    bool is_bracketed = address[0] == '[' && address[n - 1] == ']';
    span_to_cstr(is_bracketed ? span_of(address + 1, n - 2) : span_of(address, n), host, HOST_MAX);
    *ret_port = colon + 1;
    return true;
}

bool
client_address_is_valid(const char *address)
{
    char host[HOST_MAX];
    const char *port;
    return address_split(address, host, &port);
}

static int
try_connect(const struct addrinfo *ai)
{
    struct timeval limit = {.tv_sec = CLIENT_CONNECT_MS / 1000};
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
    if (fd < 0) {
        return -1;
    }
    /* The limit of sending is that of connecting, too. */
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
        connect(fd, ai->ai_addr, ai->ai_addrlen) == 0) {
        return fd;
    }
    int saved = errno == EINPROGRESS ? ETIMEDOUT : errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

static enum sl_err
address_connect(const char *address, int *ret_fd, struct sl_error *err)
{
    char host[HOST_MAX];
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
        (void)sl_error_sys(err, why, "cannot connect to %s", address);
        return SL_EIO;
    }
    *ret_fd = fd;
    return SL_OK;
}

enum sl_err
client_open(const char *address, struct client **ret, struct sl_error *err)
{
    int fd = -1;
    enum sl_err rc = address_connect(address, &fd, err);
    if (rc != SL_OK) {
        return rc;
    }
    struct client *c = (struct client *)sl_alloc(sizeof(*c));
    c->fd = fd;
    span_to_cstr(span_cstr(address), c->address, sizeof(c->address));
    arena_init(&c->arena, CLIENT_MEMORY_MAX);
    memset(c->versions, -1, sizeof(c->versions));
    *ret = c;
    return SL_OK;
}

static void
hang_up(struct client *c)
{
    if (c->fd >= 0) {
        (void)close(c->fd);
        c->fd = -1;
    }
}

void
client_close(struct client **client)
{
    struct client *c = *client;
    if (c == NULL) {
        return;
    }
    hang_up(c);
    while (c->answers != NULL) {
        struct kept *k = c->answers;
        c->answers = k->next;
        buf_unref(&k->body);
        sl_free(k);
    }
    arena_fini(&c->arena);
    sl_free(c);
    *client = NULL;
}

const char *
client_address(const struct client *c)
{
    return c->address;
}

/* ---- bytes ---- */

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

/* False at the deadline, too: errno is ETIMEDOUT then. */
static bool
wait_readable(int fd, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (;;) {
        int64_t left = deadline - cli__now_ms();
        int n = left <= 0 ? 0 : poll(&p, 1, (int)left);
        if (n > 0) {
            return true;
        }
        if (n == 0 || errno != EINTR) {
            errno = n == 0 ? ETIMEDOUT : errno;
            return false;
        }
    }
}

static bool
read_all(int fd, uint8_t *to, size_t n, int64_t deadline)
{
    while (n > 0) {
        ssize_t got = wait_readable(fd, deadline) ? recv(fd, to, n, 0) : -1;
        if (got <= 0) {
            errno = got == 0 ? ECONNRESET : errno;
            return false;
        }
        to += got;
        n -= (size_t)got;
    }
    return true;
}

/* ---- a question ---- */

static enum sl_err
send_request(struct client *c, const struct client_question *q, struct sl_error *err)
{
    const struct api_info *info = api_info_find(q->key);
    const struct request_header h = {.api_key = q->key,
                                     .api_version = q->version,
                                     .correlation_id = ++c->correlation,
                                     .info = info,
                                     .client_id = span_cstr("sluice-cli")};
    struct bytes frame;
    bytes_init(&frame, CLIENT_REQUEST_MAX);
    bytes_u32(&frame, 0); /* the size, below */
    request_header_put(&frame, &h);
    enum sl_err rc = wire_encode(info->request, q->version, q->in, &frame);
    if (rc != SL_OK) {
        (void)sl_error_set(err, rc, "a request of more than %d MiB", CLIENT_REQUEST_MAX >> 20);
    } else {
        put_u32(frame.data, (uint32_t)(frame.len - 4));
        if (!write_all(c->fd, bytes_span(&frame))) {
            (void)sl_error_sys(err, errno, "%s does not answer", c->address);
            rc = SL_EIO;
        }
    }
    bytes_fini(&frame);
    return rc;
}

/* Gives the answer's bytes behind the size; they are kept. */
static enum sl_err
answer_read(struct client *c, struct span *ret, struct sl_error *err)
{
    int64_t deadline = cli__now_ms() + CLIENT_ANSWER_MS;
    uint8_t size[4];
    if (!read_all(c->fd, size, sizeof(size), deadline)) {
        (void)sl_error_sys(err, errno, "%s does not answer", c->address);
        return SL_EIO;
    }
    uint32_t n = get_u32(size);
    if (n > CLIENT_ANSWER_MAX) {
        return sl_error_set(err, SL_EMALFORMED, "what answers at %s is no Kafka broker",
                            c->address);
    }
    struct kept *k = (struct kept *)sl_alloc(sizeof(*k));
    *k = (struct kept){.next = c->answers, .body = buf_new(n)};
    c->answers = k;
    if (!read_all(c->fd, k->body->data, n, deadline)) {
        (void)sl_error_sys(err, errno, "the answer of %s was cut off", c->address);
        return SL_EIO;
    }
    k->body->len = n;
    *ret = buf_span(k->body);
    return SL_OK;
}

static enum sl_err
answer_decode(struct client *c, const struct client_question *q, struct span answer,
              struct sl_error *err)
{
    const struct api_info *info = api_info_find(q->key);
    int32_t correlation = 0;
    struct span rest;
    enum sl_err rc = response_header_parse(answer, info, q->version, &correlation, &rest);
    if (rc == SL_OK) {
        rc = wire_decode(info->response, q->version, rest, &c->arena, q->out);
    }
    if (rc == SL_OK && correlation != c->correlation) {
        rc = SL_EMALFORMED;
    }
    if (rc == SL_OK) {
        return SL_OK;
    }
    return sl_error_set(err, rc, "the answer of %s to %s v%d %s", c->address, info->name,
                        q->version, rc == SL_ENOMEM ? "is too large" : "cannot be read");
}

enum sl_err
client_ask(struct client *c, const struct client_question *question, struct sl_error *err)
{
    struct client_question q = *question;
    struct span answer = {0};
    if (c->fd < 0) {
        return sl_error_set(err, SL_EIO, "the connection to %s is lost", c->address);
    }
    if (q.version == CLIENT_BEST) {
        q.version = client_version(c, q.key);
        if (q.version < 0) {
            return sl_error_set(err, SL_ENOTSUP, "the broker at %s does not know %s", c->address,
                                api_info_find(q.key)->name);
        }
    }
    enum sl_err rc = send_request(c, &q, err);
    if (rc == SL_OK) {
        rc = answer_read(c, &answer, err);
    }
    if (rc == SL_OK) {
        rc = answer_decode(c, &q, answer, err);
    }
    if (rc != SL_OK) {
        hang_up(c);
    }
    return rc;
}

/* ---- versions ---- */

int16_t
client_version(const struct client *c, int16_t key)
{
    return key < 0 || key >= KEYS_MAX ? (int16_t)-1 : c->versions[key];
}

enum sl_err
client_negotiate(struct client *c, struct sl_error *err)
{
    const struct api_versions_request in = {.client_software_name = span_cstr("")};
    struct api_versions_response out = {0};
    const struct client_question q = {.key = API_API_VERSIONS, .in = &in, .out = &out};
    enum sl_err rc = client_ask(c, &q, err);
    if (rc != SL_OK) {
        return rc;
    }
    for (size_t i = 0; i < out.api_keys.count; i++) {
        const struct api_versions_response_api *theirs = &out.api_keys.items[i];
        const struct api_info *ours = api_info_find(theirs->api_key);
        if (ours == NULL || ours->key >= KEYS_MAX) {
            continue;
        }
        int16_t most =
            ours->max_version < theirs->max_version ? ours->max_version : theirs->max_version;
        bool is_common = most >= ours->min_version && most >= theirs->min_version;
        c->versions[ours->key] = is_common ? most : (int16_t)-1;
    }
    return SL_OK;
}
