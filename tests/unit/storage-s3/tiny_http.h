/* An HTTP server of one file for tests: the test's handler sees each request and says what comes
 * back, byte for byte, or that nothing does.
 *
 * Threads: one accepts, one per connection; the handler runs on the latter, under the server's
 * lock, so that it may use plain variables. */
#ifndef SLUICE_TESTS_TINY_HTTP_H
#define SLUICE_TESTS_TINY_HTTP_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TINY_HEAD_MAX = 16384, TINY_BODY_MAX = 1 << 20, TINY_CONNS = 600 };

struct tiny_request {
    char head[TINY_HEAD_MAX]; /* request line and headers */
    char method[16], target[8192];
    char body[TINY_BODY_MAX];
    size_t body_len;
    int connection; /* counts from 0 */
    int number;     /* of the request, counts from 0 */
    bool is_unread; /* the body was left where it is */
};

struct tiny_reply {
    enum { TINY_SEND, TINY_DROP, TINY_STALL } what; /* TINY_STALL: until the server stops */
    bool closes;                                    /* TINY_SEND: and then hangs up */
    char bytes[65536];
    size_t len;
};

struct tiny_http;
typedef void (*tiny_handler)(void *arg, const struct tiny_request *rq, struct tiny_reply *rp);

struct tiny_http {
    tiny_handler handler;
    void *arg;
    int fd, port;
    pthread_t acceptor;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool is_stopping;
    _Atomic bool looks_at_heads; /* reads no body: answers what asks first, hangs up on the rest */
    int requests, connections;
    struct tiny_conn {
        struct tiny_http *server;
        pthread_t thread;
        int fd, number;
    } conns[TINY_CONNS];
};

/* Gives the value of a header, "" when absent, in out[512]. */
static inline const char *
tiny_header(const struct tiny_request *rq, const char *name, char out[512])
{
    size_t n = strlen(name);
    out[0] = '\0';
    for (const char *line = rq->head; line != NULL && *line != '\0';) {
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            const char *v = line + n + 1 + strspn(line + n + 1, " ");
            (void)snprintf(out, 512, "%.*s", (int)strcspn(v, "\r\n"), v);
            return out;
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return out;
}

/* A whole answer; headers is "" or lines that end in \r\n. */
static inline void
tiny_answer(struct tiny_reply *rp, int status, const char *headers, const char *body)
{
    int n =
        snprintf(rp->bytes, sizeof(rp->bytes), "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s",
                 status, headers, strlen(body), body);
    rp->len = (size_t)n;
}

static inline void
tiny_error(struct tiny_reply *rp, int status, const char *code)
{
    char body[256];
    (void)snprintf(body, sizeof(body), "<Error><Code>%s</Code><Message>m</Message></Error>", code);
    tiny_answer(rp, status, "Content-Type: application/xml\r\n", body);
}

static inline bool
tiny_fill(int fd, char *out, size_t cap, size_t *len)
{
    ssize_t n = recv(fd, out + *len, cap - *len, 0);
    if (n <= 0) {
        return false;
    }
    *len += (size_t)n;
    return out[0] != 0x16; /* TLS is not spoken here */
}

/* Reads one request; false at the end of the connection. buf holds what came too early. */
static inline bool
tiny_read(int fd, char *buf, size_t *have, struct tiny_request *rq,
          const _Atomic bool *looks_at_heads)
{
    char *end;
    char number[512];
    while ((end = (char *)memmem(buf, *have, "\r\n\r\n", 4)) == NULL) {
        if (*have == TINY_HEAD_MAX - 1 || !tiny_fill(fd, buf, TINY_HEAD_MAX - 1, have)) {
            return false;
        }
    }
    size_t head = (size_t)(end - buf) + 4;
    memcpy(rq->head, buf, head);
    rq->head[head] = '\0';
    (void)sscanf(rq->head, "%15s %8191s", rq->method, rq->target);
    size_t want = (size_t)strtoul(tiny_header(rq, "content-length", number), NULL, 10);
    size_t early = *have - head < want ? *have - head : want;
    memcpy(rq->body, buf + head, early);
    memmove(buf, buf + head + early, *have - head - early);
    *have -= head + early;
    rq->body_len = early;
    rq->is_unread = atomic_load(looks_at_heads) && want > early;
    if (rq->is_unread) {
        return *tiny_header(rq, "expect", number) != '\0'; /* else hangs up without a word */
    }
    while (rq->body_len < want) {
        if (want > TINY_BODY_MAX || !tiny_fill(fd, rq->body, want, &rq->body_len)) {
            return false;
        }
    }
    return true;
}

static inline bool
tiny_send(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* One request and its answer; false when the connection is over. */
static inline bool
tiny_turn(struct tiny_conn *c, char *buf, size_t *have, struct tiny_request *rq,
          struct tiny_reply *rp)
{
    struct tiny_http *s = c->server;
    if (!tiny_read(c->fd, buf, have, rq, &s->looks_at_heads)) {
        return false;
    }
    pthread_mutex_lock(&s->lock);
    rq->connection = c->number;
    rq->number = s->requests++;
    rp->what = TINY_SEND;
    rp->closes = false;
    rp->len = 0;
    s->handler(s->arg, rq, rp);
    while (rp->what == TINY_STALL && !s->is_stopping) {
        pthread_cond_wait(&s->stopped, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return rp->what == TINY_SEND && tiny_send(c->fd, rp->bytes, rp->len) && !rp->closes &&
           !rq->is_unread;
}

static inline void *
tiny_serve(void *arg)
{
    struct tiny_conn *c = (struct tiny_conn *)arg;
    char *buf = (char *)malloc(TINY_HEAD_MAX);
    struct tiny_request *rq = (struct tiny_request *)calloc(1, sizeof(*rq));
    struct tiny_reply *rp = (struct tiny_reply *)calloc(1, sizeof(*rp));
    size_t have = 0;
    while (tiny_turn(c, buf, &have, rq, rp)) {
    }
    pthread_mutex_lock(&c->server->lock);
    (void)close(c->fd); /* with bytes unread, this resets the connection */
    c->fd = -1;
    pthread_mutex_unlock(&c->server->lock);
    free(buf);
    free(rq);
    free(rp);
    return NULL;
}

static inline void *
tiny_accept(void *arg)
{
    struct tiny_http *s = (struct tiny_http *)arg;
    int one = 1;
    for (;;) {
        int fd = accept(s->fd, NULL, NULL);
        pthread_mutex_lock(&s->lock);
        bool is_over = fd < 0 || s->is_stopping || s->connections == TINY_CONNS;
        if (!is_over) {
            struct tiny_conn *c = &s->conns[s->connections];
            *c = (struct tiny_conn){s, 0, fd, s->connections};
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            is_over = pthread_create(&c->thread, NULL, tiny_serve, c) != 0;
            s->connections += is_over ? 0 : 1;
        }
        pthread_mutex_unlock(&s->lock);
        if (is_over) {
            if (fd >= 0) {
                (void)close(fd);
            }
            return NULL;
        }
    }
}

static inline struct tiny_http *
tiny_start(tiny_handler handler, void *arg)
{
    struct tiny_http *s = (struct tiny_http *)calloc(1, sizeof(*s));
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    s->handler = handler;
    s->arg = arg;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->stopped, NULL);
    if (bind(s->fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(s->fd, 1024) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&at, &len) != 0 ||
        pthread_create(&s->acceptor, NULL, tiny_accept, s) != 0) {
        perror("tiny_http");
        abort();
    }
    s->port = ntohs(at.sin_port);
    return s;
}

static inline void
tiny_stop(struct tiny_http *s)
{
    pthread_mutex_lock(&s->lock);
    s->is_stopping = true;
    pthread_cond_broadcast(&s->stopped);
    for (int i = 0; i < s->connections; i++) {
        (void)(s->conns[i].fd >= 0 && shutdown(s->conns[i].fd, SHUT_RDWR));
    }
    pthread_mutex_unlock(&s->lock);
    (void)shutdown(s->fd, SHUT_RDWR);
    (void)pthread_join(s->acceptor, NULL);
    for (int i = 0; i < s->connections; i++) {
        (void)pthread_join(s->conns[i].thread, NULL);
    }
    (void)close(s->fd);
    (void)pthread_cond_destroy(&s->stopped);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

#endif
