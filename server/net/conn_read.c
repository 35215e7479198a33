/* The read side: from the socket into buffers.
 *
 * Where bytes go. A loop has one receive buffer of 64 KiB that all its connections read into in
 * turn, so that an idle connection owns none; the loop takes a new one when it is full and still
 * referenced by frames (conn_frame.c). The rest of a frame that arrived in part is read straight
 * into its own buf, with the receive buffer behind it for what follows. A connection whose frames
 * are large reads only RX_HEAD_BYTES ahead of the size, so that next to nothing of a large frame is
 * copied.
 *
 * What is charged. Before reading, the room to be read is taken from the budget (a grant); after
 * reading, each frame is charged for the bytes that arrived, and the grant is given back. So the
 * budget covers bytes that are here, not announcements, and cannot be overrun by many sockets
 * becoming readable at once.
 *
 * When one of the budgets is short, nothing is read that has not been looked at: between two
 * frames, only the six bytes of the next one's head, into the connection itself; and not beyond a
 * frame. So a heartbeat passes on a connection whose last request was a produce, and no frame is
 * charged to a budget that has no room for it. Who gets none waits (conn_room.c). */
#include "base/counters.h"
#include "net/net_int.h"

/* Gives the end of the receive buffer with at least RX_ROOM_MIN bytes of room. */
static struct iovec
rx_room(struct net_loop *nl)
{
    if (nl->rx != NULL && atomic_load_explicit(&nl->rx->refs, memory_order_acquire) == 1) {
        nl->rx_used = 0; /* nobody but us */
    } else if (nl->rx != NULL && nl->rx->cap - nl->rx_used < RX_ROOM_MIN) {
        buf_unref(&nl->rx);
    }
    if (nl->rx == NULL) {
        nl->rx = buf_new(RX_BYTES);
        nl->rx_used = 0;
    }
    return (struct iovec){nl->rx->data + nl->rx_used, nl->rx->cap - nl->rx_used};
}

struct read_plan {
    struct iovec iov[2]; /* into the frame; into the receive buffer */
    struct budget *from;
    size_t granted;
};

/* Takes up to want bytes for reading. Gives 0 when there is no room. */
static size_t
grant(struct conn *conn, size_t want, struct budget **ret)
{
    struct budget *own = net__conn_pool(conn, conn->in.pool);
    struct budget *bulk = net__conn_pool(conn, POOL_BULK);
    size_t least = want < READ_STEP ? want : READ_STEP;
    *ret = own;
    if (budget_take(own, want)) {
        return want;
    }
    if (budget_take(own, least)) {
        return least;
    }
    *ret = bulk;
    if (own != bulk && budget_take(bulk, least)) {
        return least;
    }
    if (net__conn_express_enter(conn)) {
        budget_force(bulk, want);
        return want;
    }
    return 0;
}

/* Is some budget short of what one reading may bring? */
static bool
is_pressed(struct conn *conn)
{
    for (int i = POOL_VITAL; i <= POOL_BULK; i++) {
        const struct budget *b = net__conn_pool(conn, (enum pool)i);
        if (budget_used(net__conn_pool(conn, (enum pool)i)) + RX_BYTES > b->limit) {
            return true;
        }
    }
    return false;
}

static bool
read_plan_make(struct conn *conn, struct read_plan *plan)
{
    size_t direct = net__frame_room(conn);
    bool is_last = conn->in.have + direct == conn->in.size;
    if (direct > READ_MAX) {
        direct = READ_MAX;
        is_last = false;
    }
    struct iovec rx = {NULL, 0};
    if (is_last && !(conn->in.frame != NULL && is_pressed(conn))) {
        rx = rx_room(conn->nl);
        rx.iov_len = conn->in.is_large && rx.iov_len > RX_HEAD_BYTES ? RX_HEAD_BYTES : rx.iov_len;
    }
    plan->granted = grant(conn, direct + rx.iov_len, &plan->from);
    direct = direct < plan->granted ? direct : plan->granted;
    rx.iov_len = rx.iov_len < plan->granted - direct ? rx.iov_len : plan->granted - direct;
    plan->iov[0].iov_base = direct > 0 ? conn->in.frame->data + conn->in.have : NULL;
    plan->iov[0].iov_len = direct;
    plan->iov[1] = rx;
    return plan->granted > 0;
}

/* A large frame that trickles in wakes us once per EXPECT_MAX bytes instead of once per segment
 * (SO_RCVLOWAT). Measured with senders of 16 KiB pieces at 450 MB/s: 0.6 CPU seconds per GiB
 * without, 0.18 with 64 KiB. 256 KiB saves more, but makes senders with a small socket buffer wait
 * for delayed acknowledgements. */
void
net__conn_expect(struct conn *conn, size_t bytes)
{
    if (bytes != conn->in.expected) {
        conn->in.expected = bytes;
        conn->transport.ops->expect(&conn->transport, bytes == 0 ? 1 : bytes);
    }
}

static void
expect_rest(struct conn *conn)
{
    bool is_large = conn->in.frame != NULL && conn->in.is_large;
    size_t rest = is_large ? conn->in.size - conn->in.have : 0;
    net__conn_expect(conn, rest < EXPECT_MAX ? rest : EXPECT_MAX);
}

/* Sorts n bytes that were read into the frame in progress and new ones. */
static void
digest(struct conn *conn, const struct read_plan *plan, size_t n)
{
    size_t direct = n < plan->iov[0].iov_len ? n : plan->iov[0].iov_len;
    bool is_held = false;
    if (direct > 0) {
        net__frame_arrived(conn, direct);
        is_held = conn->in.have == conn->in.size && !net__frame_dispatch(conn);
    }
    if (n == direct) {
        return;
    }
    struct net_loop *nl = conn->nl;
    struct span fresh = span_of(plan->iov[1].iov_base, n - direct);
    nl->rx_used += fresh.len;
    struct buf *rx = buf_ref(nl->rx); /* a handler may run the loop's receive buffer out */
    size_t used = is_held ? 0 : net__frame_parse(conn, rx, fresh);
    if (used < fresh.len && !conn->is_closed && !conn->is_closing) {
        net__stash_keep(conn, span_of(fresh.ptr + used, fresh.len - used));
    }
    buf_unref(&rx);
}

static void
read_ended(struct conn *conn, struct io io)
{
    if (io.state == IO_EOF) {
        conn->is_eof = true;
    } else if (io.state == IO_ERROR) {
        net__conn_close(conn, "the peer went away");
    }
}

/* Reads what is missing of the next frame's head. Gives true when it is complete. */
static bool
head_read(struct conn *conn)
{
    size_t missing;
    while ((missing = net__head_missing(conn)) > 0) {
        uint8_t bytes[FRAME_HEAD_BYTES];
        struct iovec iov = {bytes, missing};
        struct io io = conn->transport.ops->readv(&conn->transport, &iov, 1);
        if (io.state != IO_OK) {
            read_ended(conn, io);
            return false;
        }
        counter_add(C_net_bytes_in, (int64_t)io.bytes);
        conn->last_read_ns = sched_now(conn->nl->sched);
        if (!net__head_add(conn, bytes, io.bytes)) {
            return false;
        }
    }
    size_t len = conn->in.head_len;
    conn->in.pool =
        net__pool_for((size_t)get_i32(conn->in.head),
                      span_of(conn->in.head + FRAME_SIZE_BYTES, len - FRAME_SIZE_BYTES));
    return true;
}

static void
starve(struct conn *conn)
{
    counter_add(C_net_read_paused, conn->nl->is_retrying ? 0 : 1);
    net__conn_stand_in_line(conn, conn->in.pool);
}

/* Between two frames, with a budget that is short: looks at what comes, and begins the frame when
 * there is room for it. Gives true when it has begun and there is more of it to be read. */
static bool
look_and_begin(struct conn *conn)
{
    struct budget *from = NULL;
    if (!head_read(conn)) {
        return false;
    }
    size_t size = (size_t)get_i32(conn->in.head);
    size_t granted = grant(conn, size > 0 ? size : 1, &from);
    if (granted == 0) {
        starve(conn);
        return false;
    }
    net__head_begin(conn);
    budget_give(from, granted);
    if (conn->in.have < conn->in.size) {
        return true;
    }
    (void)net__frame_dispatch(conn);
    return false;
}

/* Gives true when a large frame has just begun and its body should be read at once. */
static bool
read_once(struct conn *conn)
{
    struct read_plan plan;
    bool is_fresh = conn->in.frame == NULL;
    bool has_head = is_fresh && conn->in.head_len > 0 && net__head_missing(conn) == 0;
    if (is_fresh && (has_head || is_pressed(conn)) && !look_and_begin(conn)) {
        return false;
    }
    if (!read_plan_make(conn, &plan)) {
        starve(conn);
        return false;
    }
    int first = plan.iov[0].iov_len == 0 ? 1 : 0;
    int count = (plan.iov[1].iov_len == 0 ? 1 : 2) - first;
    struct io io = conn->transport.ops->readv(&conn->transport, plan.iov + first, count);
    if (io.state == IO_OK) {
        counter_add(C_net_bytes_in, (int64_t)io.bytes);
        conn->last_read_ns = sched_now(conn->nl->sched);
        digest(conn, &plan, io.bytes);
    } else {
        read_ended(conn, io);
    }
    budget_give(plan.from, plan.granted);
    if (!conn->is_closed && !net__conn_has_partial(conn)) {
        net__conn_express_leave(conn);
    }
    return is_fresh && io.state == IO_OK && !conn->is_closed && conn->in.frame != NULL &&
           conn->in.is_large && conn->in.have < conn->in.size;
}

/* The peer was told that we are done; what it still sends is thrown away, so that the kernel does
 * not answer with a reset that would overtake our last reply. */
static void
read_linger(struct conn *conn)
{
    struct iovec rx = rx_room(conn->nl);
    struct io io = conn->transport.ops->readv(&conn->transport, &rx, 1);
    if (io.state == IO_OK) {
        conn->linger_bytes += io.bytes;
    }
    if (io.state == IO_EOF || io.state == IO_ERROR || conn->linger_bytes > LINGER_MAX_BYTES) {
        net__conn_close(conn, "done");
    }
}

void
net__conn_readable(struct conn *conn)
{
    if (conn->is_lingering) {
        read_linger(conn);
        return;
    }
    if (!net__conn_wants_read(conn)) {
        return;
    }
    conn->is_settling = true;
    if (read_once(conn)) {
        (void)read_once(conn);
    }
    conn->is_settling = false;
    if (!conn->is_closed) {
        expect_rest(conn);
        net__conn_settle(conn);
    }
}
