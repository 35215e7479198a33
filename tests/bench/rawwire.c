/* SPDX-License-Identifier: Apache-2.0 */
#include "rawwire.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void
raw_fail(const char *text)
{
    fprintf(stderr, "%s\n", text);
    exit(1);
}

void
raw_fail_errno(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- frames --- */

uint8_t *
raw_put(uint8_t *p, int64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--) {
        *p++ = (uint8_t)((uint64_t)value >> (8 * i));
    }
    return p;
}

uint8_t *
raw_put_string(uint8_t *p, const char *s)
{
    size_t n = strlen(s);

    p = raw_put(p, (int64_t)n, 2);
    memcpy(p, s, n);
    return p + n;
}

int64_t
raw_get(const uint8_t *p, int bytes)
{
    uint64_t value = (p[0] & 0x80) != 0 ? UINT64_MAX : 0;

    for (int i = 0; i < bytes; i++) {
        value = value << 8 | p[i];
    }
    return (int64_t)value;
}

uint8_t *
raw_put_header(uint8_t *p, int key, int version)
{
    p = raw_put(p + 4, key, 2);
    p = raw_put(p, version, 2);
    p = raw_put(p, 1, 4); /* correlation id: replies come in order */
    return raw_put_string(p, "rawcli");
}

void
raw_put_size(uint8_t *start, const uint8_t *end, size_t more)
{
    raw_put(start, (int64_t)((size_t)(end - start) - 4 + more), 4);
}

const uint8_t *
raw_take_bytes(struct raw_in *in, size_t n)
{
    const uint8_t *p = in->p;

    if (n > (size_t)(in->end - in->p)) {
        raw_fail("a reply ends too early");
    }
    in->p += n;
    return p;
}

int64_t
raw_take(struct raw_in *in, int bytes)
{
    return raw_get(raw_take_bytes(in, (size_t)bytes), bytes);
}

const uint8_t *
raw_take_string(struct raw_in *in, size_t *ret_len)
{
    int64_t n = raw_take(in, 2);

    *ret_len = n < 0 ? 0 : (size_t)n;
    return n < 0 ? NULL : raw_take_bytes(in, (size_t)n);
}

/* --- sockets --- */

struct raw_address
raw_address_of(char *text)
{
    char *colon = strrchr(text, ':');

    if (colon == NULL) {
        raw_fail("-b wants HOST:PORT");
    }
    *colon = '\0';
    return (struct raw_address){.host = text, .port = colon + 1};
}

int
raw_dial(const struct raw_address *a)
{
    struct addrinfo hints, *found;
    int fd, one = 1;

    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(a->host, a->port, &hints, &found) != 0) {
        raw_fail("cannot resolve the address");
    }
    fd = socket(found->ai_family, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        raw_fail_errno("connect");
    }
    freeaddrinfo(found);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

void
raw_write_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent < 0) {
            raw_fail_errno("write");
        }
        p += sent;
        n -= (size_t)sent;
    }
}

void
raw_read_all(int fd, uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t got = recv(fd, p, n, 0);

        if (got <= 0) {
            raw_fail("the broker closed the connection");
        }
        p += got;
        n -= (size_t)got;
    }
}
