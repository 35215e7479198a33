/* The life of a connection, and the one place that decides what happens next: settle.
 *
 *     accepted --attach--> open --EOF from the peer--> finishing replies --+--> closed --> freed
 *                            |--a request said close--> lingering ---------+
 *                            '--error, limit, idle, shutdown---------------'
 *
 * Whatever happens to an open connection (bytes, room in the socket, a finished request, a timer)
 * ends in net__conn_settle: write what can be written, dispatch what was held back, then register
 * for exactly the events that make sense now, or close. Requests that finish while settle runs only
 * set is_touched, so nothing recurses: api_dispatch may finish a request before it returns.
 *
 * Closed is not freed: requests in flight point to the connection. The last of them to finish
 * buries it, and the loop's flush task, which no connection's code is below on the stack, tells
 * api/ and frees it. */
#include "base/counters.h"
#include "net/net_int.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define LINGER_NS (1 * SCHED_S)
enum { SETTLE_ROUNDS = 4 };

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    net__conn_readable((struct conn *)arg);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    net__conn_writable((struct conn *)arg);
}

static void
throttle_over(struct sched_timer *timer)
{
    struct conn *conn = SL_CONTAINER_OF(timer, struct conn, throttle);
    conn->is_throttled = false;
    net__conn_settle(conn);
}

/* ---- beginning ---- */

static void
socket_options(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static void
attach(struct sched_task *task)
{
    struct conn *conn = SL_CONTAINER_OF(task, struct conn, attach_task);
    struct net_loop *nl = conn->nl;
    struct event_base *base = loop_base(nl->loop);
    int fd = conn->transport.fd;
    (void)event_assign(&conn->read_event, base, fd, EV_READ | EV_PERSIST, on_readable, conn);
    (void)event_assign(&conn->write_event, base, fd, EV_WRITE | EV_PERSIST, on_writable, conn);
    conn->last_read_ns = sched_now(nl->sched);
    counter_add(C_net_connections_open, 1);
    net__loop_attach(nl, conn);
    if (nl->is_draining) {
        net__conn_close(conn, "shutting down");
    } else {
        net__conn_update_events(conn);
    }
}

void
net__conn_accepted(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
    struct server *server = l->server;
    uint32_t turn = atomic_fetch_add(&server->next_loop, 1);
    struct conn *conn = (struct conn *)sl_alloc(sizeof(*conn));
    conn->nl = &server->loops[turn % server->loop_count];
    conn->listener = l;
    transport_tcp_init(&conn->transport, fd);
    socket_options(fd);
    conn->info.listener = l->name;
    conn->info.principal = "User:ANONYMOUS";
    conn->is_authenticated = !l->needs_auth;
    address_format(peer, conn->info.peer, sizeof(conn->info.peer));
    list_init(&conn->node);
    list_init(&conn->dirty_node);
    list_init(&conn->starved_node);
    list_init(&conn->requests);
    conn->throttle.fire = throttle_over;
    conn->attach_task.run = attach;
    sched_post(conn->nl->sched, &conn->attach_task);
}

void
server_conn_authenticated(struct conn_info *info, const char *principal)
{
    struct conn *conn = SL_CONTAINER_OF(info, struct conn, info);
    LOOP_ASSERT_HERE(conn->nl->loop);
    char *copy = sl_strdup(principal);
    sl_free(conn->principal);
    conn->principal = copy;
    info->principal = copy;
    conn->is_authenticated = true;
}

/* ---- what happens next ---- */

static bool
has_unread_replies(const struct conn *conn)
{
    const struct server_opts *opts = &conn->nl->server->opts;
    return conn->unsent_bytes > opts->unsent_max_bytes ||
           (conn->unsent_bytes > 0 && budget_is_full(&conn->nl->server->budgets[POOL_REPLIES]));
}

bool
net__conn_may_dispatch(struct conn *conn, int16_t api_key)
{
    const struct server_opts *opts = &conn->nl->server->opts;
    if (conn->is_closing || conn->is_throttled || conn->nl->is_draining) {
        return false;
    }
    if (conn->outstanding >= opts->pipeline_max || has_unread_replies(conn)) {
        return false;
    }
    return api_key != API_KEY_FETCH || conn->fetches < opts->fetches_max;
}

/* Stops at the limits and goes on at half of them, so that a busy connection does not register and
 * unregister for each request. */
static void
update_full(struct conn *conn)
{
    const struct server_opts *opts = &conn->nl->server->opts;
    if (conn->outstanding >= opts->pipeline_max || has_unread_replies(conn)) {
        conn->is_full = true;
    } else if (conn->outstanding <= opts->pipeline_max / 2 &&
               conn->unsent_bytes <= opts->unsent_max_bytes / 2) {
        conn->is_full = false;
    }
}

bool
net__conn_wants_read(const struct conn *conn)
{
    if (conn->is_closed) {
        return false;
    }
    if (conn->is_lingering) {
        return true;
    }
    return !conn->is_eof && !conn->is_closing && !conn->is_throttled && !conn->is_full &&
           !conn->nl->is_draining && list_is_empty(&conn->starved_node) &&
           !net__conn_has_pending(conn);
}

void
net__conn_update_events(struct conn *conn)
{
    update_full(conn);
    bool is_wanted = net__conn_wants_read(conn);
    if (is_wanted && !conn->is_reading) {
        (void)event_add(&conn->read_event, NULL);
    } else if (!is_wanted && conn->is_reading) {
        (void)event_del(&conn->read_event);
    }
    conn->is_reading = is_wanted;
    if (is_wanted && conn->transport.ops->has_buffered(&conn->transport)) {
        event_active(&conn->read_event, EV_READ, 0);
    }
}

static bool
is_through(const struct conn *conn)
{
    bool is_last = conn->is_eof || conn->nl->is_draining;
    return is_last && !conn->is_lingering && conn->outstanding == 0 &&
           (conn->nl->is_draining || !net__conn_has_pending(conn));
}

void
net__conn_settle(struct conn *conn)
{
    if (conn->is_closed) {
        return;
    }
    conn->is_settling = true;
    for (int round = 0; round < SETTLE_ROUNDS; round++) {
        conn->is_touched = false;
        net__conn_flush(conn);
        if (!conn->is_closed && !conn->is_lingering) {
            net__conn_pump(conn);
        }
        if (conn->is_closed || !conn->is_touched) {
            break;
        }
    }
    conn->is_settling = false;
    if (conn->is_closed) {
        return;
    }
    if (conn->is_touched) {
        net__conn_touch(conn);
    }
    if (is_through(conn)) {
        net__conn_close(conn, "done");
    } else {
        net__conn_update_events(conn);
    }
}

void
net__conn_touch(struct conn *conn)
{
    conn->is_touched = true;
    if (!conn->is_settling && list_is_empty(&conn->dirty_node)) {
        list_append(&conn->nl->dirty, &conn->dirty_node);
        net__loop_schedule_flush(conn->nl);
    }
}

/* KIP-219. A frame of which a part is here stays as it is until the time is over. */
void
net__conn_throttle(struct conn *conn, int32_t throttle_ms)
{
    int32_t ms = throttle_ms < REQUEST_THROTTLE_MAX_MS ? throttle_ms : REQUEST_THROTTLE_MAX_MS;
    int64_t due_ns = sched_now(conn->nl->sched) + ms * SCHED_MS;
    counter_add(C_net_throttled, 1);
    net__conn_express_leave(conn); /* somebody else may use it meanwhile */
    if (!conn->is_throttled || conn->throttle.due_ns < due_ns) {
        conn->is_throttled = true;
        sched_timer_at(conn->nl->sched, &conn->throttle, due_ns);
    }
}

/* [sweep] Nobody reads a throttled connection, so nobody would notice that the peer went away. */
void
net__conn_look(struct conn *conn)
{
    if (!conn->is_throttled || conn->is_closed || conn->is_lingering || conn->is_eof) {
        return;
    }
    enum io_state state = conn->transport.ops->look(&conn->transport);
    if (state == IO_ERROR) {
        net__conn_close(conn, "the peer went away");
    } else if (state == IO_EOF) {
        conn->is_eof = true;
        net__conn_settle(conn);
    }
}

void
net__conn_drain(struct conn *conn)
{
    net__conn_drop_input(conn);
    list_remove(&conn->starved_node);
    if (conn->is_lingering) {
        net__conn_close(conn, "shutting down");
    } else {
        net__conn_settle(conn);
    }
}

/* ---- end ---- */

void
net__conn_bury(struct conn *conn)
{
    list_remove(&conn->node);
    list_append(&conn->nl->dead, &conn->node);
    net__loop_schedule_flush(conn->nl);
}

static void
free_finished(struct conn *conn)
{
    LIST_FOREACH_SAFE(it, next, &conn->requests)
    {
        struct net_req *nr = SL_CONTAINER_OF(it, struct net_req, req.node);
        if (nr->is_finished) {
            net__req_free(nr);
        }
    }
}

void
net__conn_close(struct conn *conn, const char *why)
{
    if (conn->is_closed) {
        return;
    }
    SL_DEBUG(&conn->listener->log, "net.conn.closed", KV_STR("peer", conn->info.peer),
             KV_STR("why", why), KV_U64("in_flight", conn->outstanding));
    conn->is_closed = true;
    (void)event_del(&conn->read_event);
    (void)event_del(&conn->write_event);
    conn->is_reading = conn->is_writing = false;
    conn->transport.ops->close(&conn->transport);
    sched_timer_stop(conn->nl->sched, &conn->throttle);
    list_remove(&conn->starved_node);
    list_remove(&conn->dirty_node);
    net__conn_drop_input(conn);
    free_finished(conn);
    counter_add(C_net_connections_open, -1);
    if (conn->outstanding == 0) {
        net__conn_bury(conn);
    }
}

/* Everything is written. Lets the peer read it before the connection goes. */
void
net__conn_close_gently(struct conn *conn)
{
    if (conn->is_eof || conn->nl->is_draining) {
        net__conn_close(conn, "done");
        return;
    }
    net__conn_expect(conn, 0);
    conn->transport.ops->end(&conn->transport);
    conn->is_lingering = true;
    conn->linger_until_ns = sched_now(conn->nl->sched) + LINGER_NS;
    list_remove(&conn->starved_node);
    net__conn_drop_input(conn);
    free_finished(conn);
    if (conn->is_writing) {
        (void)event_del(&conn->write_event);
        conn->is_writing = false;
    }
    net__conn_update_events(conn);
}

/* [flush task] */
void
net__conn_free(struct conn *conn)
{
    SL_ASSERT(conn->is_closed && list_is_empty(&conn->requests));
    struct server *server = conn->nl->server;
    api_conn_closed(server->opts.broker, &conn->info);
    sl_free(conn->principal);
    sl_free(conn);
    if (atomic_fetch_sub(&server->conn_count, 1) == 1) {
        (void)pthread_mutex_lock(&server->lock);
        (void)pthread_cond_broadcast(&server->changed);
        (void)pthread_mutex_unlock(&server->lock);
    }
}
