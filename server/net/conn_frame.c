/* Frames: what was read is cut into them, charged, and dispatched as requests.
 *
 * Produce frames that arrive whole are slices of the receive buffer (a reference each). Small
 * frames are copied, because a fetch that sleeps for minutes must not pin 64 KiB, and a slice is
 * charged for a quarter of the buffer at least. A frame that arrived in part gets a buf of its
 * exact size, for the rest to be read straight into it (conn_read.c). A frame above FRAME_EAGER_MAX
 * gets its whole buf only when that much has arrived: an announced size costs a peer nothing and
 * must cost us nothing, address space included.
 *
 * Who pays goes by the API key, so a frame begins when its size and its key are here. Small
 * requests draw on a reserve of their own, which producers cannot touch; and those small ones that
 * wait for no store (heartbeats, Metadata, ApiVersions) on another, which the others cannot touch,
 * so that a store that hangs, and with it every produce and every offset commit, breaks no group.
 *
 * When a request may not be dispatched yet (too many outstanding, replies not taken, throttled),
 * its complete frame stays in `in.frame`, and what was read behind it in `in.stash`; reading stops
 * until both are gone. */
#include "base/counters.h"
#include "net/net_int.h"
#include "wire/frame.h"

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

static void
frame_charge(struct conn *conn, size_t n)
{
    budget_force(net__conn_pool(conn, conn->in.pool), n);
    conn->in.charged += n;
}

static int16_t
peek_key(const struct conn *conn)
{
    return conn->in.have >= 2 ? get_i16(conn->in.body) : -1;
}

bool
net__frame_dispatch(struct conn *conn)
{
    int16_t key = peek_key(conn);
    if (!net__conn_may_dispatch(conn, key)) {
        return false;
    }
    if (key == API_KEY_FETCH && budget_is_full(net__conn_pool(conn, POOL_REPLIES))) {
        net__conn_stand_in_line(conn, POOL_REPLIES);
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

enum pool
net__pool_for(size_t size, struct span key)
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
    conn->in.pool = net__pool_for(size, span_of(at.ptr, len));
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

size_t
net__frame_room(struct conn *conn)
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

void
net__frame_arrived(struct conn *conn, size_t n)
{
    conn->in.have += n;
    conn->in.frame->len = conn->in.have;
    frame_charge(conn, n);
}

static size_t
frame_fill(struct conn *conn, struct span from)
{
    size_t room = net__frame_room(conn);
    size_t n = from.len < room ? from.len : room;
    memcpy(conn->in.frame->data + conn->in.have, from.ptr, n);
    net__frame_arrived(conn, n);
    return n;
}

size_t
net__head_missing(const struct conn *conn)
{
    size_t have = conn->in.head_len;
    if (have < FRAME_SIZE_BYTES) {
        return FRAME_SIZE_BYTES - have;
    }
    bool has_key = get_i32(conn->in.head) >= FRAME_HEAD_BYTES - FRAME_SIZE_BYTES;
    return has_key ? FRAME_HEAD_BYTES - have : 0;
}

bool
net__head_add(struct conn *conn, const uint8_t *from, size_t n)
{
    memcpy(conn->in.head + conn->in.head_len, from, n);
    if (conn->in.head_len == 0) {
        conn->in.mark_ns = conn->last_read_ns;
        conn->in.mark_have = 0;
    }
    conn->in.head_len = (uint8_t)(conn->in.head_len + n);
    return conn->in.head_len != FRAME_SIZE_BYTES || frame_size_ok(conn, get_i32(conn->in.head));
}

void
net__head_begin(struct conn *conn)
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
    size_t n = net__head_missing(conn);
    n = n < from.len ? n : from.len;
    if (!net__head_add(conn, from.ptr, n)) {
        return from.len;
    }
    if (net__head_missing(conn) == 0) {
        net__head_begin(conn);
    }
    return n;
}

size_t
net__frame_parse(struct conn *conn, struct buf *src, struct span from)
{
    size_t pos = 0;
    while (pos < from.len && !conn->is_closed) {
        if (conn->is_closing) {
            return from.len; /* nobody will read it */
        }
        pos += parse_step(conn, src, span_of(from.ptr + pos, from.len - pos));
        bool is_whole = conn->in.frame != NULL && conn->in.have == conn->in.size;
        if (is_whole && !net__frame_dispatch(conn)) {
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
        budget_give(net__conn_pool(conn, POOL_SMALL), conn->in.stash->len);
        buf_unref(&conn->in.stash);
    }
}

void
net__stash_keep(struct conn *conn, struct span rest)
{
    budget_force(net__conn_pool(conn, POOL_SMALL), rest.len);
    conn->in.stash = buf_copy(rest);
    conn->in.stash_pos = 0;
}

void
net__conn_pump(struct conn *conn)
{
    if (conn->in.frame != NULL && conn->in.have == conn->in.size && !net__frame_dispatch(conn)) {
        return;
    }
    struct buf *stash = conn->in.stash;
    if (stash == NULL) {
        return;
    }
    size_t pos = conn->in.stash_pos;
    pos += net__frame_parse(conn, stash, span_of(stash->data + pos, stash->len - pos));
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
    budget_give(net__conn_pool(conn, conn->in.pool), conn->in.charged);
    conn->in.charged = 0;
    conn->in.size = conn->in.have = 0;
    conn->in.head_len = 0;
    buf_unref(&conn->in.frame);
    stash_drop(conn);
    net__conn_express_leave(conn);
}
