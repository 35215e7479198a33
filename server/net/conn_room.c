/* Waiting for room: the lines of those who could not read, and the express lane.
 *
 * When there is no room, the connection stops reading and stands in line on its loop; the loop
 * waits at the budget, once for all. Fetches also wait, undispatched, while unsent replies fill
 * their budget.
 *
 * The express lane. Many half-received frames can hold the whole budget, and none can be completed:
 * a deadlock. When no request that holds bulk budget is in dispatch (so that nothing will be given
 * back by itself), one connection per server may overrun until its frame is complete, or until
 * frame_stall_ms is over and it is closed. The overrun is at most one frame. */
#include "net/net_int.h"

enum { RETRY_MAX = 64 };

struct budget *
net__conn_pool(struct conn *conn, enum pool pool)
{
    return &conn->nl->server->budgets[pool];
}

/* ---- the express lane ---- */

bool
net__conn_express_enter(struct conn *conn)
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

/* ---- lines ---- */

void
net__conn_stand_in_line(struct conn *conn, enum pool pool)
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
