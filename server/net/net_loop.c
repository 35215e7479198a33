/* The part of the server that lives on one loop: the flush task, the line of the starved, the
 * sweep.
 *
 * Deadlines of connections are not timers: one sweep looks at all of them, at most once a second
 * and only while there are connections. Ten thousand connections cost it less than a millisecond,
 * and a request costs no timer at all. */
#include "base/counters.h"
#include "net/net_int.h"

#define SWEEP_MAX_NS SCHED_S
enum { FLUSH_MAX = 256 };
#define PRESSED_STALL_NS (5 * SCHED_S)
#define SWEEP_MIN_NS (5 * SCHED_MS)

/* Settles at most FLUSH_MAX connections, so that sockets and timers get their turn between. */
static void
flush_task(struct sched_task *task)
{
    struct net_loop *nl = SL_CONTAINER_OF(task, struct net_loop, flush_task);
    struct list batch;
    struct list *node;
    nl->is_flush_posted = false;
    list_init(&batch);
    list_splice(&batch, &nl->dirty);
    for (int i = 0; i < FLUSH_MAX && (node = list_pop(&batch)) != NULL; i++) {
        net__conn_settle(SL_CONTAINER_OF(node, struct conn, dirty_node));
    }
    if (!list_is_empty(&batch)) {
        list_splice(&nl->dirty, &batch);
        net__loop_schedule_flush(nl);
    }
    while ((node = list_pop(&nl->dead)) != NULL) {
        net__conn_free(SL_CONTAINER_OF(node, struct conn, node));
    }
}

static void
starved_task(struct sched_task *task)
{
    struct net_loop *nl = SL_CONTAINER_OF(task, struct net_loop, starved_task);
    nl->is_starved_posted = false;
    net__starved_retry(nl);
}

static void
vital_waiter(struct budget_waiter *w)
{
    net__starved_retry(SL_CONTAINER_OF(w, struct net_loop, waiters[POOL_VITAL]));
}

static void
small_waiter(struct budget_waiter *w)
{
    net__starved_retry(SL_CONTAINER_OF(w, struct net_loop, waiters[POOL_SMALL]));
}

static void
replies_waiter(struct budget_waiter *w)
{
    net__starved_retry(SL_CONTAINER_OF(w, struct net_loop, waiters[POOL_REPLIES]));
}

static void
bulk_waiter(struct budget_waiter *w)
{
    net__starved_retry(SL_CONTAINER_OF(w, struct net_loop, waiters[POOL_BULK]));
}

void
net__loop_schedule_flush(struct net_loop *nl)
{
    if (!nl->is_flush_posted) {
        nl->is_flush_posted = true;
        sched_post(nl->sched, &nl->flush_task);
    }
}

void
net__loop_schedule_retry(struct net_loop *nl)
{
    if (!nl->is_starved_posted) {
        nl->is_starved_posted = true;
        sched_post(nl->sched, &nl->starved_task);
    }
}

/* ---- the sweep ---- */

static bool
is_frame_stalled(struct conn *conn, int64_t now_ns)
{
    int64_t limit_ns = conn->nl->server->opts.frame_stall_ms * SCHED_MS;
    if (conn->express_until_ns != 0 && now_ns > conn->express_until_ns) {
        return true;
    }
    if (!net__conn_has_partial(conn)) {
        return false;
    }
    if (!conn->is_reading) {
        conn->in.mark_ns = now_ns; /* it is us who do not read */
        return false;
    }
    if (now_ns - conn->in.mark_ns <= limit_ns) {
        return false;
    }
    if (conn->in.have - conn->in.mark_have < STALL_PROGRESS_BYTES) {
        if (conn->in.expected == 0) {
            return true;
        }
        net__conn_expect(conn, 0); /* there may be bytes that did not wake us */
        conn->in.mark_ns = now_ns - limit_ns / 4 * 3;
        return false;
    }
    conn->in.mark_ns = now_ns;
    conn->in.mark_have = conn->in.have;
    return false;
}

/* When replies fill their budget, those who take theirs slowest have less time. */
static bool
is_write_stalled(struct conn *conn, int64_t now_ns)
{
    struct server *server = conn->nl->server;
    int64_t limit_ns = server->opts.write_stall_ms * SCHED_MS;
    if (!conn->is_writing) {
        return false;
    }
    if (limit_ns > PRESSED_STALL_NS && budget_is_full(&server->budgets[POOL_REPLIES])) {
        limit_ns = PRESSED_STALL_NS;
    }
    if (now_ns - conn->write_mark_ns <= limit_ns) {
        return false;
    }
    if (conn->write_mark_bytes < STALL_PROGRESS_BYTES) {
        return true;
    }
    conn->write_mark_ns = now_ns;
    conn->write_mark_bytes = 0;
    return false;
}

/* Gives why the connection has to go, or NULL. */
static const char *
overdue(struct conn *conn, int64_t now_ns)
{
    const struct server_opts *opts = &conn->nl->server->opts;
    if (conn->is_lingering) {
        return now_ns > conn->linger_until_ns ? "done" : NULL;
    }
    if (is_write_stalled(conn, now_ns)) {
        return "the peer does not take its replies";
    }
    if (is_frame_stalled(conn, now_ns)) {
        return "a request arrived in part and made no progress";
    }
    if (conn->outstanding > 0 || !conn->is_reading) {
        conn->active_ns = now_ns; /* it is us who are busy */
    }
    int64_t last_ns = conn->active_ns > conn->last_read_ns ? conn->active_ns : conn->last_read_ns;
    if (now_ns - last_ns > opts->idle_ms * SCHED_MS) {
        return "idle";
    }
    return NULL;
}

static void
log_overdue(struct conn *conn, const char *why)
{
    if (!conn->is_lingering && diag_limit_ok(&conn->nl->server->log_limit, 10)) {
        SL_INFO(&conn->listener->log, "net.conn.overdue", KV_STR("peer", conn->info.peer),
                KV_STR("why", why));
    }
}

static void
sweep(struct sched_timer *timer)
{
    struct net_loop *nl = SL_CONTAINER_OF(timer, struct net_loop, sweep);
    int64_t now_ns = sched_now(nl->sched);
    LIST_FOREACH_SAFE(it, next, &nl->conns)
    {
        struct conn *conn = SL_CONTAINER_OF(it, struct conn, node);
        net__conn_look(conn);
        const char *why = conn->is_closed ? NULL : overdue(conn, now_ns);
        if (why != NULL) {
            log_overdue(conn, why);
            net__conn_close(conn, why);
        }
    }
    net__loop_arm_sweep(nl);
}

static int64_t
sweep_period_ns(const struct server_opts *opts)
{
    int64_t least_ms = opts->idle_ms < opts->frame_stall_ms ? opts->idle_ms : opts->frame_stall_ms;
    least_ms = least_ms < opts->write_stall_ms ? least_ms : opts->write_stall_ms;
    int64_t period_ns = least_ms * SCHED_MS / 4;
    period_ns = period_ns > SWEEP_MAX_NS ? SWEEP_MAX_NS : period_ns;
    return period_ns < SWEEP_MIN_NS ? SWEEP_MIN_NS : period_ns;
}

void
net__loop_arm_sweep(struct net_loop *nl)
{
    if (nl->sweep.heap_pos == 0 && !list_is_empty(&nl->conns)) {
        sched_timer_after(nl->sched, &nl->sweep, sweep_period_ns(&nl->server->opts));
    }
}

/* ---- beginning and end ---- */

void
net__loop_attach(struct net_loop *nl, struct conn *conn)
{
    list_append(&nl->conns, &conn->node);
    net__loop_arm_sweep(nl);
}

void
net__loop_drain(struct net_loop *nl)
{
    nl->is_draining = true;
    LIST_FOREACH_SAFE(it, next, &nl->conns)
    {
        struct conn *conn = SL_CONTAINER_OF(it, struct conn, node);
        if (!conn->is_closed) {
            net__conn_drain(conn);
        }
    }
}

void
net__loop_abort(struct net_loop *nl)
{
    LIST_FOREACH_SAFE(it, next, &nl->conns)
    {
        net__conn_close(SL_CONTAINER_OF(it, struct conn, node), "shutting down, deadline over");
    }
}

void
net__loop_init(struct net_loop *nl, struct server *server, struct loop *loop)
{
    *nl = (struct net_loop){.server = server, .loop = loop, .sched = loop_sched(loop)};
    list_init(&nl->conns);
    list_init(&nl->dirty);
    list_init(&nl->dead);
    list_init(&nl->spare_requests);
    for (int i = 0; i < POOL_COUNT; i++) {
        list_init(&nl->starved[i]);
    }
    budget_waiter_init(&nl->waiters[POOL_VITAL], nl->sched, vital_waiter);
    budget_waiter_init(&nl->waiters[POOL_SMALL], nl->sched, small_waiter);
    budget_waiter_init(&nl->waiters[POOL_BULK], nl->sched, bulk_waiter);
    budget_waiter_init(&nl->waiters[POOL_REPLIES], nl->sched, replies_waiter);
    nl->flush_task.run = flush_task;
    nl->starved_task.run = starved_task;
    nl->sweep.fire = sweep;
}

/* [the loop] */
void
net__loop_fini(struct net_loop *nl)
{
    struct list *node;
    SL_ASSERT(list_is_empty(&nl->conns));
    sched_timer_stop(nl->sched, &nl->sweep);
    for (int i = 0; i < POOL_COUNT; i++) {
        /* when it cannot be held back, it runs before whatever the caller posts next */
        (void)budget_wait_stop(&nl->server->budgets[i], &nl->waiters[i]);
    }
    while ((node = list_pop(&nl->spare_requests)) != NULL) {
        sl_free(SL_CONTAINER_OF(node, struct net_req, req.node));
    }
    buf_unref(&nl->rx);
}
