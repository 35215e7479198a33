/* The write side: finished replies at the head of the queue go out in one gathered call, without
 * copying. What the socket does not take stays where it is: net_req remembers how many pieces and
 * how many bytes of the next are gone, and each piece lets go of its buf as soon as it is written.
 */
#include "base/counters.h"
#include "net/net_int.h"

enum { ROUNDS_MAX = 4, GATHER_MAX_BYTES = 8 << 20 };

static struct net_req *
head_request(struct conn *conn)
{
    if (list_is_empty(&conn->requests)) {
        return NULL;
    }
    return SL_CONTAINER_OF(conn->requests.next, struct net_req, req.node);
}

static size_t
gather(struct conn *conn, struct iovec iov[IOV_PIECES], int *ret_count)
{
    size_t total = 0;
    int count = 0;
    LIST_FOREACH(it, &conn->requests)
    {
        struct net_req *nr = SL_CONTAINER_OF(it, struct net_req, req.node);
        if (!nr->is_finished) {
            break;
        }
        size_t skip = nr->sent_bytes;
        for (size_t i = nr->sent_pieces; i < nr->req.out.count; i++) {
            if (count == IOV_PIECES || total >= GATHER_MAX_BYTES) {
                goto out;
            }
            struct span s = nr->req.out.pieces[i].bytes;
            iov[count].iov_base = (void *)(uintptr_t)(s.ptr + skip);
            iov[count].iov_len = s.len - skip;
            total += iov[count++].iov_len;
            skip = 0;
        }
        if (nr->req.is_close) {
            break;
        }
    }
out:
    *ret_count = count;
    return total;
}

/* Marks up to *n bytes of one reply as written and lowers *n. */
static void
advance_one(struct net_req *nr, size_t *n)
{
    while (*n > 0 && nr->sent_pieces < nr->req.out.count) {
        struct out_piece *piece = &nr->req.out.pieces[nr->sent_pieces];
        size_t left = piece->bytes.len - nr->sent_bytes;
        size_t now = *n < left ? *n : left;
        nr->unsent_bytes -= now;
        *n -= now;
        if (now < left) {
            nr->sent_bytes += now;
            return;
        }
        buf_unref(&piece->owner);
        nr->sent_pieces++;
        nr->sent_bytes = 0;
    }
}

static void
advance(struct conn *conn, size_t n)
{
    conn->unsent_bytes -= n;
    budget_give(&conn->nl->server->budgets[POOL_REPLIES], n);
    LIST_FOREACH(it, &conn->requests)
    {
        if (n == 0) {
            break;
        }
        advance_one(SL_CONTAINER_OF(it, struct net_req, req.node), &n);
    }
    SL_ASSERT(n == 0);
}

/* Frees the requests at the head that are through; one of them may end the connection. */
static void
retire(struct conn *conn)
{
    struct net_req *nr;
    while ((nr = head_request(conn)) != NULL && nr->is_finished &&
           nr->sent_pieces == nr->req.out.count) {
        bool is_close = nr->req.is_close;
        int32_t throttle_ms = nr->req.throttle_ms;
        net__req_free(nr);
        if (is_close) {
            net__conn_close_gently(conn);
            return;
        }
        if (throttle_ms > 0) {
            net__conn_throttle(conn, throttle_ms);
        }
    }
}

static void
wait_writable(struct conn *conn)
{
    if (!conn->is_writing) {
        conn->is_writing = true;
        conn->write_mark_ns = sched_now(conn->nl->sched);
        conn->write_mark_bytes = 0;
        (void)event_add(&conn->write_event, NULL);
    }
}

static void
wait_no_more(struct conn *conn)
{
    if (conn->is_writing) {
        conn->is_writing = false;
        (void)event_del(&conn->write_event);
    }
}

/* Gives false when the socket takes no more for now, or the connection is over. */
static bool
write_once(struct conn *conn)
{
    struct iovec iov[IOV_PIECES];
    int count = 0;
    size_t total = gather(conn, iov, &count);
    if (count == 0) {
        wait_no_more(conn);
        return false;
    }
    struct io io = conn->transport.ops->writev(&conn->transport, iov, count);
    if (io.state == IO_AGAIN) {
        wait_writable(conn);
        return false;
    }
    if (io.state != IO_OK) {
        net__conn_close(conn, "the peer went away before it took its replies");
        return false;
    }
    counter_add(C_net_bytes_out, (int64_t)io.bytes);
    advance(conn, io.bytes);
    conn->write_mark_bytes += io.bytes;
    if (io.bytes < total) {
        wait_writable(conn);
        return false;
    }
    return true;
}

static void
flush(struct conn *conn)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        retire(conn);
        if (conn->is_closed || conn->is_lingering || !write_once(conn)) {
            return;
        }
    }
    net__conn_touch(conn); /* a long queue: others first */
}

void
net__conn_flush(struct conn *conn)
{
    if (!conn->is_writing) {
        flush(conn);
    } else {
        retire(conn); /* replies without bytes at the head do not wait for the socket */
    }
}

void
net__conn_writable(struct conn *conn)
{
    conn->is_settling = true;
    flush(conn);
    conn->is_settling = false;
    if (!conn->is_closed) {
        net__conn_settle(conn);
    }
}
