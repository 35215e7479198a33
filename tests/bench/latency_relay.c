/* SPDX-License-Identifier: Apache-2.0
 *
 * latency_relay: stands between an S3 client and an S3 server on loopback and holds the first byte
 * of every answer back, as a distant store would.
 *
 *   latency_relay -t PORT [-m milliseconds]
 *
 * The first line that it prints is the port it listens on. To each line on its standard input it
 * answers with a JSON object: how many requests came since the last one, by method, PUTs of journal
 * entries apart, and how long PUTs took as their client saw them (without the loopback). It ends
 * with its input.
 *
 * HTTP/1.1 without pipelining: what a client sends after an answer has begun is a new request. So
 * two threads a connection do, each blocked in read; nothing is parsed but the request line,
 * nothing is queued, and bytes behind the first one pass at full speed. */
#include "bench_util.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER ((size_t)256 << 10)
#define STACK ((size_t)512 << 10)
#define ENTRY_DIGITS 20

enum kind { JOURNAL_PUT, OTHER_PUT, GET, HEAD, DELETE, OTHER, KINDS };

static const char *const names[KINDS] = {"journal_puts", "other_puts", "gets",
                                         "heads",        "deletes",    "others"};

struct pair {
    int client, server;
    atomic_bool is_asked; /* a request came and no answer yet */
    atomic_int kind;
    _Atomic uint64_t asked_us;
    atomic_int users; /* threads; the last one closes */
};

static uint64_t delay_us;
static uint16_t target_port;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static uint64_t counts[KINDS], bytes_up, bytes_down;
static struct latencies puts_took;

static void
fail(const char *what)
{
    fprintf(stderr, "latency_relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- what a request is --- */

/* .../journal/{j}/{n:020} is an entry; manifests and snapshots lie a level deeper. */
static bool
is_entry(const char *path)
{
    const char *end = strpbrk(path, " ?");
    const char *slash;

    if (end == NULL || end - path <= ENTRY_DIGITS || strstr(path, "/journal/") == NULL) {
        return false;
    }
    slash = end - ENTRY_DIGITS - 1;
    return *slash == '/' && strspn(slash + 1, "0123456789") == ENTRY_DIGITS &&
           memmem(path, (size_t)(end - path), "/manifest/", 10) == NULL;
}

static enum kind
kind_of(const uint8_t *bytes, size_t n)
{
    static const struct {
        const char *text;
        enum kind kind;
    } methods[] = {{"PUT ", OTHER_PUT}, {"GET ", GET}, {"HEAD ", HEAD}, {"DELETE ", DELETE}};
    char line[1024];

    n = n < sizeof line - 1 ? n : sizeof line - 1;
    memcpy(line, bytes, n);
    line[n] = '\0';
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        size_t len = strlen(methods[i].text);

        if (strncmp(line, methods[i].text, len) == 0) {
            return methods[i].kind == OTHER_PUT && is_entry(line + len) ? JOURNAL_PUT
                                                                        : methods[i].kind;
        }
    }
    return OTHER;
}

static void
request_begins(struct pair *p, const uint8_t *bytes, size_t n)
{
    enum kind kind = kind_of(bytes, n);

    p->kind = (int)kind;
    p->asked_us = now_us();
    p->is_asked = true;
    pthread_mutex_lock(&lock);
    counts[kind]++;
    pthread_mutex_unlock(&lock);
}

static void
answer_begins(struct pair *p)
{
    uint64_t until = now_us() + delay_us;
    struct timespec t = {(time_t)(until / 1000000), (long)(until % 1000000 * 1000)};

    while (delay_us > 0 && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
    if (p->kind == JOURNAL_PUT || p->kind == OTHER_PUT) {
        pthread_mutex_lock(&lock);
        latencies_add(&puts_took, now_us() - p->asked_us);
        pthread_mutex_unlock(&lock);
    }
    p->is_asked = false;
}

/* --- bytes --- */

static bool
send_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent < 0 && errno != EINTR) {
            return false;
        }
        p += sent > 0 ? sent : 0;
        n -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

/* Until either side ends. */
static void
pass(struct pair *p, bool is_up)
{
    int from = is_up ? p->client : p->server;
    uint8_t *buffer = malloc(BUFFER);
    ssize_t n;

    while (buffer != NULL && (n = recv(from, buffer, BUFFER, 0)) != 0) {
        if (n < 0 && errno != EINTR) {
            break;
        }
        if (n < 0) {
            continue;
        }
        if (is_up && !p->is_asked) {
            request_begins(p, buffer, (size_t)n);
        } else if (!is_up && p->is_asked) {
            answer_begins(p);
        }
        pthread_mutex_lock(&lock);
        *(is_up ? &bytes_up : &bytes_down) += (uint64_t)n;
        pthread_mutex_unlock(&lock);
        if (!send_all(is_up ? p->server : p->client, buffer, (size_t)n)) {
            break;
        }
    }
    free(buffer);
    shutdown(p->client, SHUT_RDWR);
    shutdown(p->server, SHUT_RDWR);
    if (atomic_fetch_sub(&p->users, 1) == 1) {
        close(p->client);
        close(p->server);
        free(p);
    }
}

static void *
pass_up(void *arg)
{
    pass(arg, true);
    return NULL;
}

static void *
pass_down(void *arg)
{
    pass(arg, false);
    return NULL;
}

/* --- connections --- */

static struct sockaddr_in
loopback(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void
no_delay(int fd)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void
spawn(void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    errno = pthread_create(&thread, &attr, run, arg);
    if (errno != 0) {
        fail("a thread");
    }
    pthread_attr_destroy(&attr);
}

static void
begin(int client)
{
    struct sockaddr_in a = loopback(target_port);
    struct pair *p = calloc(1, sizeof *p);
    int server = socket(AF_INET, SOCK_STREAM, 0);

    if (p == NULL || server < 0 || connect(server, (struct sockaddr *)&a, sizeof a) != 0) {
        free(p);
        close(client);
        if (server >= 0) {
            close(server);
        }
        return;
    }
    no_delay(client);
    no_delay(server);
    p->client = client;
    p->server = server;
    p->users = 2;
    spawn(pass_up, p);
    spawn(pass_down, p);
}

static void *
accept_all(void *arg)
{
    int listener = *(int *)arg;

    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0) {
            begin(fd);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            fail("accept");
        }
    }
    return NULL;
}

static int
listen_somewhere(void)
{
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        fail("listen");
    }
    printf("%u\n", (unsigned)ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

/* --- what happened --- */

static void
report(void)
{
    pthread_mutex_lock(&lock);
    printf("{");
    for (int i = 0; i < KINDS; i++) {
        printf("\"%s\":%llu,", names[i], (unsigned long long)counts[i]);
        counts[i] = 0;
    }
    printf("\"bytes_up\":%llu,\"bytes_down\":%llu", (unsigned long long)bytes_up,
           (unsigned long long)bytes_down);
    latencies_print(&puts_took, "put_");
    printf("}\n");
    fflush(stdout);
    bytes_up = bytes_down = 0;
    puts_took.n = 0;
    pthread_mutex_unlock(&lock);
}

int
main(int argc, char **argv)
{
    char line[16];
    int listener, o;

    while ((o = getopt(argc, argv, "t:m:")) != -1) {
        if (o == 't') {
            target_port = (uint16_t)number_of(optarg);
        } else if (o == 'm') {
            delay_us = (uint64_t)(number_of(optarg) * 1000);
        } else {
            exit(2);
        }
    }
    if (target_port == 0) {
        fprintf(stderr, "usage: latency_relay -t PORT [-m milliseconds]\n");
        exit(2);
    }
    latencies_init(&puts_took);
    listener = listen_somewhere();
    spawn(accept_all, &listener);
    while (fgets(line, sizeof line, stdin) != NULL) {
        report();
    }
    _exit(0); /* its threads sit in read */
}
