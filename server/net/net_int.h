/* What the files of net/ share: the server, its part on each loop, and the connection.
 *
 * Who may touch what: struct server is constant after start except for atomics, the budgets and
 * what `lock` guards. Struct net_loop and struct conn belong to their loop. */
#ifndef SLUICE_NET_NET_INT_H
#define SLUICE_NET_NET_INT_H

#include "api/request.h"
#include "base/budget.h"
#include "base/diag.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/server.h"
#include "net/transport.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>

/* The budgets: requests are charged to one of the first three, by their key and size; replies to
 * the last. */
enum pool { POOL_VITAL, POOL_SMALL, POOL_BULK, POOL_REPLIES, POOL_COUNT };

enum {
    FRAME_SIZE_BYTES = 4,
    FRAME_HEAD_BYTES = 6,      /* the size and the API key behind it, which says who pays */
    RX_BYTES = 64 * 1024,      /* the receive buffer of a loop */
    RX_ROOM_MIN = 16 * 1024,   /* below that a new one is taken */
    RX_HEAD_BYTES = 4 * 1024,  /* read beyond the frame where large frames follow each other */
    FRAME_COPY_MAX = 4 * 1024, /* frames up to here get a buf of their own */
    SLICE_CHARGE_MIN = RX_BYTES / 4,
    FRAME_SMALL_MAX = 16 * 1024,  /* frames up to here draw on the reserve */
    FRAME_EAGER_MAX = 4 << 20,    /* larger frames get their whole buf when so much has arrived */
    READ_MAX = 1 << 20,           /* bytes per readiness event */
    READ_STEP = 16 * 1024,        /* the least that is worth reading when memory is short */
    STALL_PROGRESS_BYTES = 65536, /* less than that per frame_stall_ms or write_stall_ms is none */
    EXPECT_MAX = 64 * 1024,       /* of a large frame, bytes that are worth a wake-up */
    LINGER_MAX_BYTES = 1 << 20,
    API_KEY_PRODUCE = 0,
    API_KEY_FETCH = 1,
    IOV_PIECES = 1024
};

struct server;
struct net_loop;

struct listener {
    struct server *server;
    struct net_loop *nl; /* accepts there */
    char *name;
    bool needs_auth;
    struct address bound;
    char text[64];
    int fd;
    struct diag log;
    struct diag_kv log_kv[1];

    struct {
        struct event event;
        struct sched_timer retry; /* accepting was stopped for want of descriptors */
        bool is_open;
    } owned; /* only on ->nl */
};

struct server {
    struct server_opts opts; /* loops, listeners: see below */
    struct net_loop *loops;
    unsigned loop_count;
    struct listener *listeners;
    unsigned listener_count;

    struct budget budgets[POOL_COUNT];
    _Atomic uint32_t conn_count;
    _Atomic uint32_t next_loop;      /* round robin */
    _Atomic uint32_t bulk_in_flight; /* requests in dispatch that hold bulk budget */
    _Atomic(struct conn *) express;  /* may overrun the bulk budget; essay in conn_room.c */
    struct diag_limit log_limit;

    /* The one thread that starts and stops waits here for the loops; loops never wait. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping;
};

struct net_loop {
    struct server *server;
    struct loop *loop;
    struct sched *sched;

    struct buf *rx; /* shared by the frames that were read into it; NULL until needed */
    size_t rx_used;
    struct list conns;
    struct list dirty;               /* replies to write or reading to resume */
    struct list starved[POOL_COUNT]; /* connections that wait for room in that budget */
    struct list dead;                /* to be freed by the flush task */
    struct list spare_requests;
    uint32_t spare_count;
    struct sched_task flush_task;
    bool is_flush_posted;
    struct budget_waiter waiters[POOL_COUNT];
    struct sched_task starved_task;
    bool is_starved_posted, is_retrying;
    struct sched_timer sweep;
    bool is_draining;
};

/* A request and what net/ remembers of it. */
struct net_req {
    struct request req;
    struct conn *conn;
    size_t charged;
    enum pool pool;
    int16_t peeked_key;
    bool is_finished;
    size_t sent_pieces, sent_bytes; /* how far the reply is written; bytes of that piece */
    size_t unsent_bytes;
};

struct conn {
    struct net_loop *nl;
    struct listener *listener;
    struct transport transport;
    struct conn_info info;
    char *principal;
    struct event read_event, write_event;
    struct sched_task attach_task;
    struct sched_timer throttle;
    struct list node, dirty_node, starved_node;
    enum pool starved_pool; /* whose line starved_node is in */

    struct list requests; /* struct net_req by req.node, in order */
    uint32_t outstanding, fetches;
    size_t unsent_bytes; /* of finished requests */

    struct {
        uint8_t head[FRAME_HEAD_BYTES]; /* of a frame that has not begun */
        uint8_t head_len;
        enum pool pool;      /* of the frame in progress, or of the last one */
        bool is_large;       /* the same: too large for the receive buffer */
        struct buf *frame;   /* in progress, or complete and not dispatched yet */
        const uint8_t *body; /* where it begins in that buf */
        size_t size, have;
        size_t charged;
        struct buf *stash; /* bytes that were read but may not be dispatched yet */
        size_t stash_pos;
        size_t expected; /* the socket stays quiet until so many bytes are there; 0: any */
        int64_t mark_ns; /* when progress was last seen, and how much there was */
        size_t mark_have;
    } in;

    int64_t last_read_ns;
    int64_t active_ns;     /* when the sweep last saw it busy */
    int64_t write_mark_ns; /* since when the peer took only write_mark_bytes */
    size_t write_mark_bytes;
    int64_t linger_until_ns;
    size_t linger_bytes;
    int64_t express_until_ns;

    bool is_authenticated;
    bool is_eof;       /* the peer sends no more */
    bool is_closing;   /* a request said so: no more reading, close behind it */
    bool is_lingering; /* our end is shut; reading what the peer sent, to throw it away */
    bool is_closed;    /* descriptor gone; lives until its last request has finished */
    bool is_full;      /* too much outstanding; reading resumes at half */
    bool is_throttled;
    bool is_reading;  /* read_event is registered */
    bool is_writing;  /* write_event is registered */
    bool is_settling; /* somebody up the stack will settle it */
    bool is_touched;  /* meanwhile a request finished */
};

/* listener.c */
MUST_CHECK enum sl_err net__listener_bind(struct listener *l, const char *address,
                                          struct sl_error *err);
void net__listener_open(struct listener *l);  /* [its loop] begins to accept */
void net__listener_close(struct listener *l); /* [its loop] idempotent */
void net__listener_fini(struct listener *l);

/* conn.c */
void net__conn_accepted(struct listener *l, int fd, const struct sockaddr_storage *peer);
void net__conn_close(struct conn *conn, const char *why);
void net__conn_close_gently(struct conn *conn);
void net__conn_bury(struct conn *conn);
void net__conn_free(struct conn *conn);
bool net__conn_wants_read(const struct conn *conn);
void net__conn_settle(struct conn *conn);
void net__conn_touch(struct conn *conn);
bool net__conn_may_dispatch(struct conn *conn, int16_t api_key);
void net__conn_update_events(struct conn *conn);
void net__conn_drain(struct conn *conn);
void net__conn_throttle(struct conn *conn, int32_t throttle_ms);
void net__conn_look(struct conn *conn);

/* conn_read.c */
void net__conn_readable(struct conn *conn);
/* Wakes us when so many bytes have arrived; 0: any. */
void net__conn_expect(struct conn *conn, size_t bytes);

/* conn_room.c */
struct budget *net__conn_pool(struct conn *conn, enum pool pool);
/* May the connection overrun the bulk budget until its frame is complete? */
bool net__conn_express_enter(struct conn *conn);
void net__conn_express_leave(struct conn *conn);
/* Tries again when there is room in the pool; idempotent. */
void net__conn_stand_in_line(struct conn *conn, enum pool pool);
void net__starved_retry(struct net_loop *nl);

/* conn_frame.c */
bool net__conn_has_partial(const struct conn *conn);
bool net__conn_has_pending(const struct conn *conn);
/* Dispatches what was held back, as far as it is allowed now. */
void net__conn_pump(struct conn *conn);
void net__conn_drop_input(struct conn *conn);
/* The pool that a frame of that size draws on. key: the two bytes behind the size, or less in a
 * frame that has less. */
enum pool net__pool_for(size_t size, struct span key);
/* How many bytes are missing until the next frame can begin: those of its size, then those of its
 * key if it has one. */
size_t net__head_missing(const struct conn *conn);
/* Takes n more bytes of the head. False when the connection was closed for what they say. */
bool net__head_add(struct conn *conn, const uint8_t *from, size_t n);
/* Begins the frame whose head is complete. */
void net__head_begin(struct conn *conn);
/* The room for direct reading into the frame in progress; makes it larger when it is due. */
size_t net__frame_room(struct conn *conn);
/* n bytes were read into it. */
void net__frame_arrived(struct conn *conn, size_t n);
/* Dispatches the complete frame, if that is allowed now. */
bool net__frame_dispatch(struct conn *conn);
/* Cuts bytes, inside src, into frames. Gives how many were used: all, unless a frame may not be
 * dispatched now; the caller keeps the rest. */
size_t net__frame_parse(struct conn *conn, struct buf *src, struct span from);
void net__stash_keep(struct conn *conn, struct span rest);

/* conn_write.c */
void net__conn_flush(struct conn *conn);
void net__conn_writable(struct conn *conn);

/* net_req.c */
struct net_req *net__req_new(struct conn *conn);
void net__req_dispatch(struct net_req *nr);
void net__req_free(struct net_req *nr);

/* net_loop.c */
void net__loop_init(struct net_loop *nl, struct server *server, struct loop *loop);
void net__loop_fini(struct net_loop *nl);
void net__loop_schedule_flush(struct net_loop *nl);
void net__loop_schedule_retry(struct net_loop *nl);
void net__loop_arm_sweep(struct net_loop *nl);
void net__loop_attach(struct net_loop *nl, struct conn *conn);
void net__loop_drain(struct net_loop *nl);
void net__loop_abort(struct net_loop *nl);

#endif
