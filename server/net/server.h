/* The network side of a broker: listeners, connections and their limits, on loops that exist.
 *
 * Threads:  everything here is called from a thread that is no loop (the one that wires the
 *           process together), except server_conn_authenticated.
 * Lifetime: start -> stop (waits, with a deadline) -> destroy. The loops and the broker outlive the
 *           server. Requests in flight at the end: see server_stop.
 *
 * Calls api_dispatch and api_conn_closed (api/request.h). */
#ifndef SLUICE_NET_SERVER_H
#define SLUICE_NET_SERVER_H

#include "base/err.h"

struct broker;
struct conn_info;
struct loop;
struct server; /* opaque */

struct server_listener_opts {
    const char *name;    /* of the [listener NAME] section; copied */
    const char *address; /* host:port, net/address.h */
    bool needs_auth;     /* connections start unauthenticated: frame_max_unauth_bytes applies */
};

struct server_opts {
    struct loop *const *loops; /* borrowed for the life of the server */
    unsigned loop_count;
    const struct server_listener_opts *listeners; /* borrowed for the call */
    unsigned listener_count;
    struct broker *broker; /* borrowed; handed to api_dispatch */

    uint32_t connections_max; /* further ones are closed at once */
    size_t frame_max_bytes;   /* socket.request.max.bytes */
    size_t frame_max_unauth_bytes;
    uint32_t pipeline_max;     /* requests of one connection in dispatch or waiting to be sent */
    uint32_t fetches_max;      /* the same for Fetch, whose replies are large */
    size_t unsent_max_bytes;   /* replies of one connection that the peer has not taken */
    size_t bulk_budget_bytes;  /* produce requests and frames above 16 KiB */
    size_t small_budget_bytes; /* the reserve for all other requests ... */
    size_t vital_budget_bytes; /* ... and for those that wait for no store: heartbeats, Metadata */
    size_t reply_budget_bytes; /* unsent replies of all connections */
    int64_t idle_ms;           /* connections.max.idle.ms */
    int64_t frame_stall_ms;    /* a frame that makes no progress */
    int64_t write_stall_ms;    /* a peer that takes no byte of its replies */
};

/* Gives the defaults; the caller fills in loops, listeners and broker. */
struct server_opts server_opts_default(void);

/* Binds every listener, then begins to accept. On failure nothing listens and *err says which
 * listener and what to do. */
MUST_CHECK enum sl_err server_start(const struct server_opts *opts, struct server **ret,
                                    struct sl_error *err);

/* The address that listener i is bound to, with the real port; valid until destroy. */
const char *server_address(const struct server *server, unsigned i);
unsigned server_port(const struct server *server, unsigned i);

/* Stops accepting and reading, lets requests in flight finish and their replies be sent, and closes
 * each connection when it is through; after deadline_ms closes the rest. Gives SL_ETIMEOUT when
 * requests are still in flight then: the broker has to finish them before server_destroy. */
enum sl_err server_stop(struct server *server, int64_t deadline_ms);

/* Takes *ps. Stops it if it runs (deadline 0) and waits until the last request has finished. */
void server_destroy(struct server **ps);

/* [the connection's loop] The peer has proven who it is. Takes effect for the next frame. Copies
 * principal. */
void server_conn_authenticated(struct conn_info *info, const char *principal);

#endif
