/* The life of a request inside net/: made when its frame is complete, dispatched, finished by api/
 * at any time and in any order, written when everything before it was written, freed.
 *
 * The frame and its charge are let go at request_finish and not when the reply is written: replies
 * that wait for a slow one before them must not hold what producers could use. */
#include "base/counters.h"
#include "net/net_int.h"

enum { SPARE_MAX = 512 };

static void
release_frame(struct net_req *nr)
{
    struct server *server = nr->conn->nl->server;
    buf_unref(&nr->req.frame);
    nr->req.body = span_of(NULL, 0);
    if (nr->pool == POOL_BULK) {
        /* before the bytes: whoever they wake looks at it */
        atomic_fetch_sub(&server->bulk_in_flight, 1);
    }
    budget_give(&server->budgets[nr->pool], nr->charged);
    nr->charged = 0;
}

static void
finish(struct request *req)
{
    struct net_req *nr = SL_CONTAINER_OF(req, struct net_req, req);
    struct conn *conn = nr->conn;
    LOOP_ASSERT_HERE(conn->nl->loop);
    SL_ASSERT(!nr->is_finished);
    nr->is_finished = true;
    release_frame(nr);
    if (req->is_silent) {
        out_fini(&req->out);
    }
    if (conn->is_closed || conn->is_lingering) {
        net__req_free(nr);
        if (conn->is_closed && conn->outstanding == 0) {
            net__conn_bury(conn);
        }
        return;
    }
    nr->unsent_bytes = req->out.total_bytes;
    conn->unsent_bytes += nr->unsent_bytes;
    budget_force(&conn->nl->server->budgets[POOL_REPLIES], nr->unsent_bytes);
    if (req->is_close) {
        conn->is_closing = true;
    }
    net__conn_touch(conn);
}

struct net_req *
net__req_new(struct conn *conn)
{
    struct net_loop *nl = conn->nl;
    struct list *spare = list_pop(&nl->spare_requests);
    struct net_req *nr;
    if (spare == NULL) {
        nr = (struct net_req *)sl_alloc(sizeof(*nr));
    } else {
        nl->spare_count--;
        nr = SL_CONTAINER_OF(spare, struct net_req, req.node);
        memset(nr, 0, sizeof(*nr));
    }
    nr->conn = conn;
    nr->req.broker = nl->server->opts.broker;
    nr->req.loop = nl->sched;
    nr->req.conn = &conn->info;
    nr->req.received_ns = conn->last_read_ns;
    nr->req.finish = finish;
    list_init(&nr->req.node);
    return nr;
}

void
net__req_dispatch(struct net_req *nr)
{
    struct conn *conn = nr->conn;
    list_append(&conn->requests, &nr->req.node);
    conn->outstanding++;
    conn->fetches += nr->peeked_key == API_KEY_FETCH;
    if (nr->pool == POOL_BULK) {
        atomic_fetch_add(&conn->nl->server->bulk_in_flight, 1);
    }
    api_dispatch(&nr->req);
}

void
net__req_free(struct net_req *nr)
{
    struct conn *conn = nr->conn;
    struct net_loop *nl = conn->nl;
    SL_ASSERT(nr->is_finished);
    list_remove(&nr->req.node);
    conn->outstanding--;
    conn->fetches -= nr->peeked_key == API_KEY_FETCH;
    conn->unsent_bytes -= nr->unsent_bytes;
    budget_give(&nl->server->budgets[POOL_REPLIES], nr->unsent_bytes);
    out_fini(&nr->req.out);
    arena_fini(&nr->req.arena);
    if (nl->spare_count < SPARE_MAX) {
        nl->spare_count++;
        list_append(&nl->spare_requests, &nr->req.node);
    } else {
        sl_free(nr);
    }
}
