/* Listening sockets. One loop accepts for a listener and hands connections out round robin.
 *
 * Why not SO_REUSEPORT with a socket per loop: it spreads by hash, which is uneven for the dozen
 * connections of one client, and it lets a second broker bind the same port without an error.
 * Accepting costs some microseconds, so one loop does for thousands per second.
 *
 * When descriptors or memory run out, the pending connection cannot be accepted and the socket
 * stays readable: accepting stops for RETRY_NS instead of spinning. */
#include "base/counters.h"
#include "net/net_int.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#define RETRY_NS (100 * SCHED_MS)
enum { BACKLOG = 4096, ACCEPTS_PER_EVENT = 64 };

static void
stop_for_a_moment(struct listener *l, int sys_errno)
{
    (void)event_del(&l->owned.event);
    sched_timer_after(l->nl->sched, &l->owned.retry, RETRY_NS);
    if (diag_limit_ok(&l->server->log_limit, 10)) {
        struct sl_error err = SL_ERROR_INIT;
        (void)sl_error_sys(&err, sys_errno, "cannot accept");
        SL_WARN(&l->log, "net.accept.failed", KV_STR("error", err.msg),
                KV_STR("hint", "raise the limit of open files (ulimit -n, LimitNOFILE)"));
    }
}

static void
retry(struct sched_timer *timer)
{
    struct listener *l = SL_CONTAINER_OF(timer, struct listener, owned.retry);
    (void)event_add(&l->owned.event, NULL);
}

static bool
is_out_of_something(int sys_errno)
{
    return sys_errno == EMFILE || sys_errno == ENFILE || sys_errno == ENOBUFS ||
           sys_errno == ENOMEM;
}

/* Too many connections: an RST tells the client at once, and no socket stays in TIME_WAIT. */
static void
refuse(struct listener *l, int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    (void)close(fd);
    counter_add(C_net_connections_refused, 1);
    if (diag_limit_ok(&l->server->log_limit, 10)) {
        SL_WARN(&l->log, "net.connection.refused", KV_STR("why", "too many connections"),
                KV_U64("max", l->server->opts.connections_max));
    }
}

static void
accepted(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
    struct server *server = l->server;
    if (atomic_fetch_add(&server->conn_count, 1) >= server->opts.connections_max) {
        atomic_fetch_sub(&server->conn_count, 1);
        refuse(l, fd);
        return;
    }
    counter_add(C_net_connections_total, 1);
    net__conn_accepted(l, fd, peer);
}

static void
on_connection(evutil_socket_t unused, short what, void *arg)
{
    struct listener *l = (struct listener *)arg;
    (void)unused;
    (void)what;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof(peer);
        int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accepted(l, fd, &peer);
        } else if (is_out_of_something(errno)) {
            stop_for_a_moment(l, errno);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return; /* EAGAIN, or an error of that one connection */
        }
    }
}

void
net__listener_open(struct listener *l)
{
    const short what = EV_READ | EV_PERSIST;
    (void)event_assign(&l->owned.event, loop_base(l->nl->loop), l->fd, what, on_connection, l);
    (void)event_add(&l->owned.event, NULL);
    l->owned.retry.fire = retry;
    l->owned.is_open = true;
    SL_INFO(&l->log, "net.listening", KV_STR("address", l->text));
}

void
net__listener_close(struct listener *l)
{
    if (!l->owned.is_open) {
        return;
    }
    l->owned.is_open = false;
    (void)event_del(&l->owned.event);
    sched_timer_stop(l->nl->sched, &l->owned.retry);
    (void)close(l->fd);
    l->fd = -1;
}

static enum sl_err
bind_failed(const struct listener *l, const char *address, int sys_errno, struct sl_error *err)
{
    const char *hint = "check the address";
    if (sys_errno == EADDRINUSE) {
        hint = "another process listens there: stop it or choose another port";
    } else if (sys_errno == EACCES) {
        hint = "ports below 1024 need a privilege: choose a higher port";
    } else if (sys_errno == EADDRNOTAVAIL) {
        hint = "no interface of this machine has that address";
    }
    return sl_error_sys(err, sys_errno, "listener %s: cannot listen on %s (%s)", l->name, address,
                        hint);
}

enum sl_err
net__listener_bind(struct listener *l, const char *address, struct sl_error *err)
{
    struct address at;
    enum sl_err rc = address_parse(address, &at, err);
    if (rc != SL_OK) {
        return rc;
    }
    int on = 1, off = 0;
    l->fd = socket(at.sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0) {
        return bind_failed(l, address, errno, err);
    }
    (void)setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (at.sa.ss_family == AF_INET6) {
        (void)setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    if (bind(l->fd, (const struct sockaddr *)&at.sa, at.len) != 0 || listen(l->fd, BACKLOG) != 0) {
        return bind_failed(l, address, errno, err);
    }
    l->bound.len = sizeof(l->bound.sa);
    if (getsockname(l->fd, (struct sockaddr *)&l->bound.sa, &l->bound.len) != 0) {
        return bind_failed(l, address, errno, err);
    }
    address_format(&l->bound.sa, l->text, sizeof(l->text));
    return SL_OK;
}

/* For a listener that is closed or was never opened. */
void
net__listener_fini(struct listener *l)
{
    if (l->fd >= 0) {
        (void)close(l->fd);
    }
    sl_free(l->name);
}
