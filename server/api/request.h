/* One request on its way through the server: what net/ hands to api_dispatch(), and gets back.
 *
 * net/ reads the frame and makes the request; api/ decodes, works, fills `out` and calls
 * request_finish, once, on the request's loop, at once or later. net/ writes replies in the order
 * of requests.
 *
 * Threads:  belongs to the connection's loop. A handler that needs another loop sends it a message.
 * Lifetime: from net/ until request_finish; the frame lives at least that long. conn_info outlives
 * the request even if the peer hangs up meanwhile (net/ keeps the connection until its last request
 *           has finished). */
#ifndef SLUICE_API_REQUEST_H
#define SLUICE_API_REQUEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/sched.h"

struct broker;

/* What is known about the peer; read-only for api/. */
struct conn_info {
    const char *listener;  /* name of the [listener NAME] section */
    const char *principal; /* "User:ANONYMOUS" until somebody authenticates */
    char peer[64];         /* address:port, for logs */
    struct span client_id; /* last seen; valid during dispatch of a request */
    void *api_state;       /* api/'s own per-connection slot; freed through api_conn_closed */
};

/* A reply as a list of pieces; each may pin a buf so that record bytes go to the socket uncopied.
 */
struct out_piece {
    struct span bytes;
    struct buf *owner; /* NULL: bytes live in the request's arena or are static */
};
struct out {
    struct out_piece *pieces;
    size_t count, cap;
    size_t total_bytes;
};

struct request {
    /* set by net/ */
    struct broker *broker;
    struct sched *loop;
    struct conn_info *conn;
    struct buf *frame; /* the whole frame without its 4-byte size; one reference held */
    struct span body;  /* bytes of the frame */
    int64_t received_ns;
    void (*finish)(struct request *req); /* net's; call through request_finish */

    /* set by api_dispatch */
    int16_t api_key, api_version;
    int32_t correlation_id;
    struct span client_id;
    struct arena arena;
    void *state; /* the handler's */

    /* the answer */
    struct out out;      /* complete frame, 4-byte size included */
    bool is_silent;      /* acks=0: no reply at all */
    bool is_close;       /* close the connection after the replies before this one (and this one) */
    int32_t throttle_ms; /* request_throttle; net/ stops reading for so long after the reply */

    struct list node; /* net's: position among the connection's requests */
};

/* Longer than that nobody is kept waiting: clients give up on a connection that is silent. */
enum { REQUEST_THROTTLE_MAX_MS = 30000 };

/* Asks the client to slow down (KIP-219): the reply goes out at once and says so in its
 * throttle_time_ms, and then the connection is not read for that long. For every version, also for
 * those that have no such field, and for acks=0, which has no reply. The longest of several calls
 * counts. Before the reply is encoded: api_reply writes the field by itself; who encodes by hand
 * writes req->throttle_ms there. */
static inline void
request_throttle(struct request *req, int64_t ms)
{
    ms = ms < REQUEST_THROTTLE_MAX_MS ? ms : REQUEST_THROTTLE_MAX_MS;
    if (ms > req->throttle_ms) {
        req->throttle_ms = (int32_t)ms;
    }
}

/* Appends a piece. Takes *owner (may be NULL). */
void out_add(struct out *o, struct span bytes, struct buf **owner);
/* Drops all pieces and their references. */
void out_fini(struct out *o);

static inline void
request_finish(struct request *req)
{
    req->finish(req);
}

/* The one entry from net/: decodes the header, looks up the API, authorizes and runs the handler.
 */
void api_dispatch(struct request *req);
/* The connection is gone and its last request has finished. */
void api_conn_closed(struct broker *broker, struct conn_info *conn);

#endif
