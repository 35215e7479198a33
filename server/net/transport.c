#include "net/transport.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct io
io_from(ssize_t n)
{
    if (n > 0) {
        return (struct io){IO_OK, (size_t)n, 0};
    }
    if (n == 0) {
        return (struct io){IO_EOF, 0, 0};
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return (struct io){IO_AGAIN, 0, 0};
    }
    return (struct io){IO_ERROR, 0, errno};
}

static struct io
tcp_readv(struct transport *t, const struct iovec *iov, int count)
{
    ssize_t n;
    do {
        n = readv(t->fd, iov, count);
    } while (n < 0 && errno == EINTR);
    return io_from(n);
}

/* sendmsg and not writev, for MSG_NOSIGNAL: a peer that went away must not raise SIGPIPE. */
static struct io
tcp_writev(struct transport *t, const struct iovec *iov, int count)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};
    ssize_t n;
    do {
        n = sendmsg(t->fd, &msg, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return io_from(n);
}

static bool
tcp_has_buffered(const struct transport *t)
{
    (void)t;
    return false;
}

static void
tcp_expect(struct transport *t, size_t bytes)
{
    int low_water = (int)bytes;
    (void)setsockopt(t->fd, SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof(low_water));
}

/* epoll tells of a reset to whoever waits for anything, again and again, so that a connection which
 * is not read on purpose cannot leave an event registered for it. It is asked now and then. */
static enum io_state
tcp_look(struct transport *t)
{
    struct pollfd pfd = {.fd = t->fd, .events = POLLRDHUP};
    int unread = 0;
    if (poll(&pfd, 1, 0) != 1) {
        return IO_AGAIN;
    }
    if ((pfd.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
        return IO_ERROR;
    }
    return ioctl(t->fd, FIONREAD, &unread) == 0 && unread == 0 ? IO_EOF : IO_AGAIN;
}

static void
tcp_end(struct transport *t)
{
    (void)shutdown(t->fd, SHUT_WR);
}

static void
tcp_close(struct transport *t)
{
    (void)close(t->fd);
    t->fd = -1;
}

static const struct transport_ops tcp_ops = {
    .name = "tcp",
    .readv = tcp_readv,
    .writev = tcp_writev,
    .has_buffered = tcp_has_buffered,
    .expect = tcp_expect,
    .look = tcp_look,
    .end = tcp_end,
    .close = tcp_close,
};

void
transport_tcp_init(struct transport *t, int fd)
{
    *t = (struct transport){.ops = &tcp_ops, .fd = fd};
}
