/* Ties loops, listeners and connections together.
 *
 * The thread that starts and stops is no loop. It changes nothing that loops own; it posts a step
 * to every loop and waits until all have done it (on_every_loop). Loops never wait.
 *
 * Stop: close the listeners; drain (no more reading, replies in flight go out, each connection that
 * is through closes); wait for the last connection or the deadline; abort the rest. A request that
 * is still in flight then keeps its connection's memory until api/ finishes it. */
#include "net/net_int.h"

#include <errno.h>
#include <time.h>

struct server_opts
server_opts_default(void)
{
    return (struct server_opts){
        .connections_max = 20000,
        .frame_max_bytes = 100u << 20,
        .frame_max_unauth_bytes = 512u << 10,
        .pipeline_max = 128,
        .fetches_max = 4,
        .unsent_max_bytes = 64u << 20,
        .bulk_budget_bytes = 256u << 20,
        .small_budget_bytes = 32u << 20,
        .vital_budget_bytes = 8u << 20,
        .reply_budget_bytes = 512u << 20,
        .idle_ms = 600 * 1000,
        .frame_stall_ms = 30 * 1000,
        .write_stall_ms = 60 * 1000,
    };
}

/* ---- steps on every loop ---- */

struct step;
struct step_part {
    struct sched_task task;
    struct step *step;
    struct net_loop *nl;
};
struct step {
    struct server *server;
    void (*fn)(struct net_loop *nl);
    struct step_part *parts;
    unsigned left; /* guarded by server->lock */
};

static void
step_run(struct sched_task *task)
{
    struct step_part *part = SL_CONTAINER_OF(task, struct step_part, task);
    struct step *step = part->step;
    struct server *server = step->server;
    if (step->fn != NULL) {
        step->fn(part->nl);
    }
    (void)pthread_mutex_lock(&server->lock);
    step->left--;
    (void)pthread_cond_broadcast(&server->changed);
    (void)pthread_mutex_unlock(&server->lock);
}

/* Returns when fn has run on every loop. fn NULL: when everything posted before has run. */
static void
on_every_loop(struct server *server, void (*fn)(struct net_loop *nl))
{
    struct step step = {.server = server, .fn = fn, .left = server->loop_count};
    step.parts = (struct step_part *)sl_alloc(server->loop_count * sizeof(step.parts[0]));
    for (unsigned i = 0; i < server->loop_count; i++) {
        struct net_loop *nl = &server->loops[i];
        SL_ASSERT(!nl->sched->ops->is_here(nl->sched));
        step.parts[i] = (struct step_part){.task.run = step_run, .step = &step, .nl = nl};
        sched_post(nl->sched, &step.parts[i].task);
    }
    (void)pthread_mutex_lock(&server->lock);
    while (step.left > 0) {
        (void)pthread_cond_wait(&server->changed, &server->lock);
    }
    (void)pthread_mutex_unlock(&server->lock);
    sl_free(step.parts);
}

/* ---- start ---- */

static void
open_listeners(struct net_loop *nl)
{
    struct server *server = nl->server;
    for (unsigned i = 0; i < server->listener_count; i++) {
        if (server->listeners[i].nl == nl) {
            net__listener_open(&server->listeners[i]);
        }
    }
}

static void
close_listeners(struct net_loop *nl)
{
    struct server *server = nl->server;
    for (unsigned i = 0; i < server->listener_count; i++) {
        if (server->listeners[i].nl == nl) {
            net__listener_close(&server->listeners[i]);
        }
    }
}

static void
cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
}

static struct server *
server_new(const struct server_opts *opts)
{
    struct server *server = (struct server *)sl_alloc(sizeof(*server));
    server->opts = *opts;
    server->opts.listeners = NULL; /* were borrowed for the call */
    server->opts.pipeline_max = opts->pipeline_max == 0 ? 1 : opts->pipeline_max;
    server->opts.fetches_max = opts->fetches_max == 0 ? 1 : opts->fetches_max;
    (void)pthread_mutex_init(&server->lock, NULL);
    cond_init(&server->changed);
    budget_init(&server->budgets[POOL_VITAL], "vital requests", opts->vital_budget_bytes);
    budget_init(&server->budgets[POOL_SMALL], "small requests", opts->small_budget_bytes);
    budget_init(&server->budgets[POOL_BULK], "requests", opts->bulk_budget_bytes);
    budget_init(&server->budgets[POOL_REPLIES], "replies", opts->reply_budget_bytes);
    server->loop_count = opts->loop_count;
    server->loops = (struct net_loop *)sl_alloc(opts->loop_count * sizeof(server->loops[0]));
    for (unsigned i = 0; i < opts->loop_count; i++) {
        net__loop_init(&server->loops[i], server, opts->loops[i]);
    }
    return server;
}

static void
server_free(struct server *server)
{
    for (unsigned i = 0; i < server->listener_count; i++) {
        net__listener_fini(&server->listeners[i]);
    }
    for (int i = 0; i < POOL_COUNT; i++) {
        budget_fini(&server->budgets[i]);
    }
    (void)pthread_cond_destroy(&server->changed);
    (void)pthread_mutex_destroy(&server->lock);
    sl_free(server->listeners);
    sl_free(server->loops);
    sl_free(server);
}

static enum sl_err
bind_listeners(struct server *server, const struct server_opts *opts, struct sl_error *err)
{
    server->listeners =
        (struct listener *)sl_alloc(opts->listener_count * sizeof(server->listeners[0]));
    for (unsigned i = 0; i < opts->listener_count; i++) {
        const struct server_listener_opts *from = &opts->listeners[i];
        struct listener *l = &server->listeners[i];
        l->server = server;
        l->nl = &server->loops[i % server->loop_count];
        l->name = sl_strdup(from->name);
        l->needs_auth = from->needs_auth;
        l->fd = -1;
        l->log_kv[0] = KV_STR("listener", l->name);
        l->log = (struct diag){.kv = l->log_kv, .count = 1};
        server->listener_count = i + 1;
        enum sl_err rc = net__listener_bind(l, from->address, err);
        if (rc != SL_OK) {
            return rc;
        }
    }
    return SL_OK;
}

enum sl_err
server_start(const struct server_opts *opts, struct server **ret, struct sl_error *err)
{
    if (opts->loop_count == 0 || opts->listener_count == 0) {
        return sl_error_set(err, SL_EINVAL, "a server needs at least one loop and one listener");
    }
    struct server *server = server_new(opts);
    enum sl_err rc = bind_listeners(server, opts, err);
    if (rc != SL_OK) {
        server_free(server);
        return rc;
    }
    on_every_loop(server, open_listeners);
    *ret = server;
    return SL_OK;
}

const char *
server_address(const struct server *server, unsigned i)
{
    SL_ASSERT(i < server->listener_count);
    return server->listeners[i].text;
}

unsigned
server_port(const struct server *server, unsigned i)
{
    SL_ASSERT(i < server->listener_count);
    return address_port(&server->listeners[i].bound.sa);
}

/* ---- stop ---- */

static struct timespec
monotonic_in(int64_t ms)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    int64_t ns = ts.tv_nsec + ms % 1000 * SCHED_MS;
    ts.tv_sec += (time_t)(ms / 1000 + ns / SCHED_S);
    ts.tv_nsec = (long)(ns % SCHED_S);
    return ts;
}

/* Gives false when connections are left at the deadline (NULL: waits for ever). */
static bool
wait_for_last_conn(struct server *server, const struct timespec *until)
{
    int rc = 0;
    (void)pthread_mutex_lock(&server->lock);
    while (atomic_load(&server->conn_count) > 0 && rc != ETIMEDOUT) {
        rc = until == NULL ? pthread_cond_wait(&server->changed, &server->lock)
                           : pthread_cond_timedwait(&server->changed, &server->lock, until);
    }
    bool is_empty = atomic_load(&server->conn_count) == 0;
    (void)pthread_mutex_unlock(&server->lock);
    return is_empty;
}

enum sl_err
server_stop(struct server *server, int64_t deadline_ms)
{
    struct timespec until = monotonic_in(deadline_ms < 0 ? 0 : deadline_ms);
    if (!server->is_stopping) {
        server->is_stopping = true;
        on_every_loop(server, close_listeners);
        on_every_loop(server, net__loop_drain);
    }
    if (wait_for_last_conn(server, &until)) {
        return SL_OK;
    }
    on_every_loop(server, net__loop_abort);
    on_every_loop(server, NULL); /* the flush tasks that abort posted */
    uint32_t left = atomic_load(&server->conn_count);
    if (left > 0) {
        SL_WARN(NULL, "net.stop.late", KV_U64("connections_with_requests_in_flight", left));
        return SL_ETIMEOUT;
    }
    return SL_OK;
}

void
server_destroy(struct server **ps)
{
    struct server *server = *ps;
    *ps = NULL;
    if (server == NULL) {
        return;
    }
    (void)server_stop(server, 0);
    (void)wait_for_last_conn(server, NULL);
    on_every_loop(server, net__loop_fini);
    on_every_loop(server, NULL); /* what budgets posted before */
    server_free(server);
}
