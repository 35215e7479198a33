/* The read side: bytes become frames, frames become requests.
 *
 * Where bytes go. A loop has one receive buffer of 64 KiB that all its connections read into in
 * turn, so that an idle connection owns none. Produce frames that arrive whole are slices of it (a
 * reference each; the loop takes a new buffer when this one is full and still referenced). Small
 * frames are copied, because a fetch that sleeps for minutes must not pin 64 KiB, and a slice is
 * charged for a quarter of the buffer at least. A frame that arrived in part
 * gets a buf of its exact size, and the rest is read from the socket straight into it, with the
 * receive buffer behind it for what follows. A connection whose frames are large reads only
 * RX_HEAD_BYTES ahead of the size, so that next to nothing of a large frame is copied.
 * A frame above FRAME_EAGER_MAX gets its whole buf only when that much has arrived: an announced
 * size costs a peer nothing and must cost us nothing, address space included.
 *
 * What is charged. Before reading, the room to be read is taken from the budget (a grant); after
 * reading, each frame is charged for the bytes that arrived, and the grant is given back. So the
 * budget covers bytes that are here, not announcements, and cannot be overrun by many sockets
 * becoming readable at once. Small requests draw on a reserve of their own, which producers cannot
 * touch; and those small ones that wait for no store (heartbeats, Metadata, ApiVersions) on
 * another, which the others cannot touch, so that a store that hangs, and with it every produce and
 * every offset commit, breaks no group. Who pays goes by the API key, so a frame begins when its
 * size and its key are here.
 *
 * When one of the budgets is short, nothing is read that has not been looked at: between two
 * frames, only the six bytes of the next one's head, into the connection itself; and not beyond a
 * frame. So a heartbeat passes on a connection whose last request was a produce, and no frame is
 * charged to a budget that has no room for it.
 *
 * When there is no room, the connection stops reading and stands in line on its loop; the loop
 * waits at the budget, once for all. Fetches also wait, undispatched, while unsent replies fill
 * their budget.
 *
 * The express lane. Many half-received frames can hold the whole budget, and none can be completed:
 * a deadlock. When no request that holds bulk budget is in dispatch (so that nothing will be given
 * back by itself), one connection per server may overrun until its frame is complete, or until
 * frame_stall_ms is over and it is closed. The overrun is at most one frame.
 *
 * When a request may not be dispatched yet (too many outstanding, replies not taken, throttled),
 * its complete frame stays in `in.frame`, and what was read behind it in `in.stash`; reading stops
 * until both are gone. */
#include "base/counters.h"
#include "net/net_int.h"
#include "wire/frame.h"

enum { RETRY_MAX = 64 };

bool
net__conn_has_partial(const struct conn *conn)
{
    return conn->in.head_len > 0 || (conn->in.frame != NULL && conn->in.have < conn->in.size);
}

bool
net__conn_has_pending(const struct conn *conn)
{
    return (conn->in.frame != NULL && conn->in.have == conn->in.size) || conn->in.stash != NULL;
}

static struct budget *
pool_of(struct conn *conn, enum pool pool)
{
    return &conn->nl->server->budgets[pool];
}

/* ---- the express lane ---- */

static bool
express_enter(struct conn *conn)
{
    struct server *server = conn->nl->server;
    if (atomic_load(&server->express) == conn) {
        return true;
    }
    struct conn *nobody = NULL;
    if (atomic_load(&server->bulk_in_flight) > 0 ||
        !atomic_compare_exchange_strong(&server->express, &nobody, conn)) {
        return false;
    }
    conn->express_until_ns = sched_now(conn->nl->sched) + server->opts.frame_stall_ms * SCHED_MS;
    return true;
}

void
net__conn_express_leave(struct conn *conn)
{
    struct server *server = conn->nl->server;
    if (atomic_load_explicit(&server->express, memory_order_relaxed) != conn) {
        return;
    }
    atomic_store(&server->express, NULL);
    conn->express_until_ns = 0;
    for (int i = 0; i < POOL_COUNT; i++) {
        budget_kick(&server->budgets[i]);
    }
}

/* ---- waiting for room ---- */

static void
stand_in_line(struct conn *conn, enum pool pool)
{
    struct net_loop *nl = conn->nl;
    if (list_is_empty(&conn->starved_node)) {
        conn->starved_pool = pool;
        list_append(&nl->starved[pool], &conn->starved_node);
    }
    if (!nl->is_retrying) {
        net__loop_schedule_retry(nl);
    }
}

/* ---- frames ---- */

static void
frame_charge(struct conn *conn, size_t n)
{
    budget_force(pool_of(conn, conn->in.pool), n);
    conn->in.charged += n;
}

static int16_t
peek_key(const struct conn *conn)
{
    return conn->in.have >= 2 ? get_i16(conn->in.body) : -1;
}

/* Dispatches the complete frame, if that is allowed now. */
static bool
frame_dispatch(struct conn *conn)
{
    int16_t key = peek_key(conn);
    if (!net__conn_may_dispatch(conn, key)) {
        return false;
    }
    if (key == API_KEY_FETCH && budget_is_full(pool_of(conn, POOL_REPLIES))) {
        stand_in_line(conn, POOL_REPLIES);
        return false;
    }
    list_remove(&conn->starved_node);
    struct net_req *nr = net__req_new(conn);
    nr->peeked_key = key;
    nr->pool = conn->in.pool;
    nr->charged = conn->in.charged;
    nr->req.frame = conn->in.frame;
    nr->req.body = span_of(conn->in.body, conn->in.size);
    conn->in.frame = NULL;
    conn->in.charged = 0;
    conn->in.size = conn->in.have = 0;
    net__conn_express_leave(conn);
    net__req_dispatch(nr);
    return true;
}

static void
frame_refuse(struct conn *conn, int32_t size, size_t max)
{
    counter_add(C_net_frames_bad, 1);
    if (diag_limit_ok(&conn->nl->server->log_limit, 10)) {
        SL_WARN(&conn->listener->log, "net.frame.refused", KV_STR("peer", conn->info.peer),
                KV_I64("size", size), KV_U64("max", max));
    }
    net__conn_close(conn, "frame size");
}

static bool
frame_size_ok(struct conn *conn, int32_t size)
{
    const struct server_opts *opts = &conn->nl->server->opts;
    size_t max = conn->is_authenticated ? opts->frame_max_bytes : opts->frame_max_unauth_bytes;
    if (size < 0 || (size_t)size > max) {
        frame_refuse(conn, size, max);
        return false;
    }
    return true;
}

/* What is answered from memory, whatever the store does, and what a client must hear to keep its
 * place in a group. */
static bool
is_vital(int16_t key)
{
    static const int16_t keys[] = {
        API_METADATA,         API_FIND_COORDINATOR,         API_HEARTBEAT,
        API_LEAVE_GROUP,      API_SASL_HANDSHAKE,           API_API_VERSIONS,
        API_DESCRIBE_CLUSTER, API_CONSUMER_GROUP_HEARTBEAT, API_SLUICE_STATUS};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (keys[i] == key) {
            return true;
        }
    }
    return false;
}

/* key: the two bytes behind the size, or less in a frame that has less. */
static enum pool
pool_for(size_t size, struct span key)
{
    if (size > FRAME_SMALL_MAX) {
        return POOL_BULK;
    }
    if (key.len < 2) {
        return POOL_SMALL;
    }
    int16_t k = get_i16(key.ptr);
    return k == API_KEY_PRODUCE ? POOL_BULK : is_vital(k) ? POOL_VITAL : POOL_SMALL;
}

/* Begins a frame of size bytes, of which the first len are at p, inside src. */
static void
frame_begin(struct conn *conn, size_t size, struct buf *src, struct span at)
{
    size_t len = at.len < size ? at.len : size;
    conn->in.size = size;
    conn->in.have = len;
    conn->in.pool = pool_for(size, span_of(at.ptr, len));
    conn->in.is_large = size > RX_BYTES / 2;
    conn->in.mark_ns = conn->last_read_ns;
    conn->in.mark_have = len;
    size_t charge = len + sizeof(struct net_req);
    if (len == size && size > FRAME_COPY_MAX && conn->in.pool == POOL_BULK) {
        conn->in.frame = buf_ref(src);
        conn->in.body = at.ptr;
        charge = charge < SLICE_CHARGE_MIN ? SLICE_CHARGE_MIN : charge;
    } else {
        conn->in.frame = buf_new(size < FRAME_EAGER_MAX ? size : FRAME_EAGER_MAX);
        conn->in.body = conn->in.frame->data;
        if (len > 0) {
            memcpy(conn->in.frame->data, at.ptr, len);
        }
        conn->in.frame->len = len;
    }
    frame_charge(conn, charge);
}

/* Gives the room for direct reading into the frame in progress; makes it larger when it is due. */
static size_t
frame_room(struct conn *conn)
{
    if (conn->in.frame == NULL) {
        return 0;
    }
    if (conn->in.have == conn->in.frame->cap && conn->in.have < conn->in.size) {
        struct buf *whole = buf_new(conn->in.size);
        memcpy(whole->data, conn->in.frame->data, conn->in.have);
        buf_unref(&conn->in.frame);
        conn->in.frame = whole;
        conn->in.body = whole->data;
    }
    size_t cap = conn->in.frame->cap < conn->in.size ? conn->in.frame->cap : conn->in.size;
    return cap - conn->in.have;
}

static void
frame_arrived(struct conn *conn, size_t n)
{
    conn->in.have += n;
    conn->in.frame->len = conn->in.have;
    frame_charge(conn, n);
}

static size_t
frame_fill(struct conn *conn, struct span from)
{
    size_t room = frame_room(conn);
    size_t n = from.len < room ? from.len : room;
    memcpy(conn->in.frame->data + conn->in.have, from.ptr, n);
    frame_arrived(conn, n);
    return n;
}

/* How many bytes are missing until the next frame can begin: those of its size, then those of its
 * key if it has one. */
static size_t
head_missing(const struct conn *conn)
{
    size_t have = conn->in.head_len;
    if (have < FRAME_SIZE_BYTES) {
        return FRAME_SIZE_BYTES - have;
    }
    bool has_key = get_i32(conn->in.head) >= FRAME_HEAD_BYTES - FRAME_SIZE_BYTES;
    return has_key ? FRAME_HEAD_BYTES - have : 0;
}

/* Takes n more bytes of the head. False when the connection was closed for what they say. */
static bool
head_add(struct conn *conn, const uint8_t *from, size_t n)
{
    memcpy(conn->in.head + conn->in.head_len, from, n);
    if (conn->in.head_len == 0) {
        conn->in.mark_ns = conn->last_read_ns;
        conn->in.mark_have = 0;
    }
    conn->in.head_len = (uint8_t)(conn->in.head_len + n);
    return conn->in.head_len != FRAME_SIZE_BYTES || frame_size_ok(conn, get_i32(conn->in.head));
}

/* Begins the frame whose head is complete. */
static void
head_begin(struct conn *conn)
{
    uint8_t head[FRAME_HEAD_BYTES];
    size_t len = conn->in.head_len;
    memcpy(head, conn->in.head, len);
    conn->in.head_len = 0;
    frame_begin(conn, (size_t)get_i32(head), NULL,
                span_of(head + FRAME_SIZE_BYTES, len - FRAME_SIZE_BYTES));
}

/* Takes one step: the rest of a frame in progress, or a head and what follows it. */
static size_t
parse_step(struct conn *conn, struct buf *src, struct span from)
{
    if (conn->in.frame != NULL) {
        return frame_fill(conn, from);
    }
    if (conn->in.head_len == 0 && from.len >= FRAME_HEAD_BYTES) {
        int32_t size = get_i32(from.ptr);
        if (!frame_size_ok(conn, size)) {
            return from.len;
        }
        frame_begin(conn, (size_t)size, src,
                    span_of(from.ptr + FRAME_SIZE_BYTES, from.len - FRAME_SIZE_BYTES));
        return FRAME_SIZE_BYTES + conn->in.have;
    }
    size_t n = head_missing(conn);
    n = n < from.len ? n : from.len;
    if (!head_add(conn, from.ptr, n)) {
        return from.len;
    }
    if (head_missing(conn) == 0) {
        head_begin(conn);
    }
    return n;
}

/* Gives how many of the bytes were used: all, unless a frame may not be dispatched now. */
static size_t
parse(struct conn *conn, struct buf *src, struct span from)
{
    size_t pos = 0;
    while (pos < from.len && !conn->is_closed) {
        if (conn->is_closing) {
            return from.len; /* nobody will read it */
        }
        pos += parse_step(conn, src, span_of(from.ptr + pos, from.len - pos));
        bool is_whole = conn->in.frame != NULL && conn->in.have == conn->in.size;
        if (is_whole && !frame_dispatch(conn)) {
            break;
        }
    }
    return pos;
}

/* ---- what may not be dispatched yet ---- */

static void
stash_drop(struct conn *conn)
{
    if (conn->in.stash != NULL) {
        budget_give(pool_of(conn, POOL_SMALL), conn->in.stash->len);
        buf_unref(&conn->in.stash);
    }
}

static void
stash_keep(struct conn *conn, struct span rest)
{
    budget_force(pool_of(conn, POOL_SMALL), rest.len);
    conn->in.stash = buf_copy(rest);
    conn->in.stash_pos = 0;
}

/* Dispatches what was held back, as far as it is allowed now. */
void
net__conn_pump(struct conn *conn)
{
    if (conn->in.frame != NULL && conn->in.have == conn->in.size && !frame_dispatch(conn)) {
        return;
    }
    struct buf *stash = conn->in.stash;
    if (stash == NULL) {
        return;
    }
    size_t pos = conn->in.stash_pos;
    pos += parse(conn, stash, span_of(stash->data + pos, stash->len - pos));
    if (conn->is_closed) {
        return; /* which dropped the stash */
    }
    conn->in.stash_pos = pos;
    if (pos == stash->len) {
        stash_drop(conn);
    }
}

void
net__conn_drop_input(struct conn *conn)
{
    budget_give(pool_of(conn, conn->in.pool), conn->in.charged);
    conn->in.charged = 0;
    conn->in.size = conn->in.have = 0;
    conn->in.head_len = 0;
    buf_unref(&conn->in.frame);
    stash_drop(conn);
    net__conn_express_leave(conn);
}

/* ---- the socket ---- */

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
    struct budget *own = pool_of(conn, conn->in.pool);
    struct budget *bulk = pool_of(conn, POOL_BULK);
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
    if (express_enter(conn)) {
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
        const struct budget *b = pool_of(conn, (enum pool)i);
        if (budget_used(pool_of(conn, (enum pool)i)) + RX_BYTES > b->limit) {
            return true;
        }
    }
    return false;
}

static bool
read_plan_make(struct conn *conn, struct read_plan *plan)
{
    size_t direct = frame_room(conn);
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
        frame_arrived(conn, direct);
        is_held = conn->in.have == conn->in.size && !frame_dispatch(conn);
    }
    if (n == direct) {
        return;
    }
    struct net_loop *nl = conn->nl;
    struct span fresh = span_of(plan->iov[1].iov_base, n - direct);
    nl->rx_used += fresh.len;
    struct buf *rx = buf_ref(nl->rx); /* a handler may run the loop's receive buffer out */
    size_t used = is_held ? 0 : parse(conn, rx, fresh);
    if (used < fresh.len && !conn->is_closed && !conn->is_closing) {
        stash_keep(conn, span_of(fresh.ptr + used, fresh.len - used));
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
    while ((missing = head_missing(conn)) > 0) {
        uint8_t bytes[FRAME_HEAD_BYTES];
        struct iovec iov = {bytes, missing};
        struct io io = conn->transport.ops->readv(&conn->transport, &iov, 1);
        if (io.state != IO_OK) {
            read_ended(conn, io);
            return false;
        }
        counter_add(C_net_bytes_in, (int64_t)io.bytes);
        conn->last_read_ns = sched_now(conn->nl->sched);
        if (!head_add(conn, bytes, io.bytes)) {
            return false;
        }
    }
    size_t len = conn->in.head_len;
    conn->in.pool = pool_for((size_t)get_i32(conn->in.head),
                             span_of(conn->in.head + FRAME_SIZE_BYTES, len - FRAME_SIZE_BYTES));
    return true;
}

static void
starve(struct conn *conn)
{
    counter_add(C_net_read_paused, conn->nl->is_retrying ? 0 : 1);
    stand_in_line(conn, conn->in.pool);
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
    head_begin(conn);
    budget_give(from, granted);
    if (conn->in.have < conn->in.size) {
        return true;
    }
    (void)frame_dispatch(conn);
    return false;
}

/* Gives true when a large frame has just begun and its body should be read at once. */
static bool
read_once(struct conn *conn)
{
    struct read_plan plan;
    bool is_fresh = conn->in.frame == NULL;
    bool has_head = is_fresh && conn->in.head_len > 0 && head_missing(conn) == 0;
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

/* Lets those who stood in one line go on, until there is no room again. Gives true when some are
 * left only because others on the loop want their turn. */
static bool
line_retry(struct net_loop *nl, enum pool pool)
{
    struct list *line = &nl->starved[pool];
    for (int i = 0; i < RETRY_MAX; i++) {
        struct list *node = list_pop(line);
        if (node == NULL) {
            return false;
        }
        struct conn *conn = SL_CONTAINER_OF(node, struct conn, starved_node);
        if (net__conn_has_pending(conn)) {
            net__conn_settle(conn);
        } else {
            net__conn_readable(conn);
        }
        if (!list_is_empty(&conn->starved_node) && conn->starved_pool == pool) {
            return false; /* no room again; the budget will tell */
        }
    }
    return !list_is_empty(line);
}

void
net__starved_retry(struct net_loop *nl)
{
    bool is_more = false;
    nl->is_retrying = true;
    for (int i = 0; i < POOL_COUNT; i++) {
        if (list_is_empty(&nl->starved[i])) {
            continue;
        }
        for (int j = 0; j < POOL_COUNT; j++) {
            budget_wait(&nl->server->budgets[j], &nl->waiters[j]); /* before trying */
        }
        is_more = line_retry(nl, (enum pool)i) || is_more;
    }
    nl->is_retrying = false;
    if (is_more) {
        net__loop_schedule_retry(nl);
    }
}
