/* What a connection needs of its byte stream: plain TCP now, TLS as another row later.
 *
 * Threads:  the connection's loop.
 * Contract: calls never block; IO_AGAIN means that the socket must become readable or writable. */
#ifndef SLUICE_NET_TRANSPORT_H
#define SLUICE_NET_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum io_state { IO_OK, IO_AGAIN, IO_EOF, IO_ERROR };

struct io {
    enum io_state state;
    size_t bytes;  /* IO_OK only, then > 0 */
    int sys_errno; /* IO_ERROR only */
};

struct transport;

struct transport_ops {
    const char *name;
    struct io (*readv)(struct transport *t, const struct iovec *iov, int count);
    struct io (*writev)(struct transport *t, const struct iovec *iov, int count);
    /* True when bytes can be had without the socket becoming readable. */
    bool (*has_buffered)(const struct transport *t);
    /* Becomes readable only when so many bytes are there (or the stream ended); a hint. */
    void (*expect)(struct transport *t, size_t bytes);
    /* Has the peer gone, without reading? IO_EOF: it sends no more and nothing is unread; IO_ERROR:
     * there is no connection any more; IO_AGAIN: neither. */
    enum io_state (*look)(struct transport *t);
    /* Says "no more from us" to the peer; reading goes on. */
    void (*end)(struct transport *t);
    /* Closes the descriptor and frees `state`. Once. */
    void (*close)(struct transport *t);
};

struct transport {
    const struct transport_ops *ops;
    int fd;
    void *state; /* TLS session */
};

/* Takes fd, a connected non-blocking socket. */
void transport_tcp_init(struct transport *t, int fd);

#endif
