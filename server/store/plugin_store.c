/* From store_submit to the plugin and back.
 *
 * Each call gets a job. On a plugin that may block the job goes through the pool (puts in the
 * urgent lane), else it runs at once on the loop; in both cases the answer travels by sched_post,
 * so that done() is always late. A LIST of more than a page runs page after page inside one job.
 *
 * The outcome of a put is the part that matters. OK and EEXIST are what they say; EUNKNOWN becomes
 * STORE_UNKNOWN and the journal finds out; every other status promises that nothing happened. A
 * status that this host does not know is treated as unknown: it promises nothing.
 *
 * A plugin that did not say CONCURRENT is serialised: one pool thread, or one lock on the loops. */
#include "store/plugin_store.h"

#include "base/counters.h"
#include "base/diag.h"
#include "store/host_buf.h"
#include "store/meter.h"
#include "store/op.h"
#include "store/pool.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

enum { THREADS_DEFAULT = 8, QUEUE_DEFAULT = 1024, LIST_PAGE = 1000, CLOSE_WAIT_S = 30 };
enum { TIMEOUT_DEFAULT_MS = 60000 };

struct plugin_store {
    struct store pub;
    struct store_meter *own_meter; /* NULL: the meter is somebody else's */
    const sluice_storage *table;
    sluice_instance *instance;
    struct pool *pool; /* NULL: calls run on the loop */
    uint32_t timeout_ms;
    bool is_serial; /* and then under this lock, because loops share the instance */
    pthread_mutex_t serial;
    pthread_mutex_t count_lock; /* calls in flight, for close */
    pthread_cond_t none_left;
    size_t in_flight;  /* calls not yet answered, and job_run being on its way out of one */
    bool is_abandoned; /* close gave up waiting; whatever completes now is too late */
    char name[160];
};

struct job {
    struct pool_job pool;
    struct plugin_op op;
    struct plugin_store *st;
    struct store_call *call;
    struct store_meter_call metered;
    /* What the plugin borrows: until it has completed the call, not until it returns. */
    sluice_slice parts[STORE_PUT_PARTS];
    sluice_put_opts put_opts;
    sluice_put_result put_result;
    sluice_get_result got;
    sluice_list_sink sink;
    size_t listing_cap, page_start;
};

/* ---- answers ---- */

static int64_t
boottime_ns(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * SCHED_S + ts.tv_nsec;
}

static uint64_t
monotonic_ns(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * SCHED_S + (uint64_t)ts.tv_nsec;
}

static void
count_answer(const struct store_call *call)
{
    if (call->outcome == STORE_ERROR) {
        counter_add(C_store_errors, 1);
    } else if (call->outcome == STORE_UNKNOWN) {
        counter_add(C_store_unknown, 1);
    }
}

static void
call_deliver(struct sched_task *task)
{
    struct store_call *call = SL_CONTAINER_OF(task, struct store_call, task);
    count_answer(call);
    call->done(call);
}

static void
flight_begin(struct plugin_store *st)
{
    pthread_mutex_lock(&st->count_lock);
    st->in_flight++;
    pthread_mutex_unlock(&st->count_lock);
}

static void
misbehaves(const struct plugin_store *st, const char *what)
{
    static struct diag_limit limit;
    if (diag_limit_ok(&limit, 5)) {
        SL_ERROR(NULL, "plugin.misbehaves", KV_STR("store", st->name), KV_STR("msg", what));
    }
}

static void
flight_end(struct plugin_store *st)
{
    pthread_mutex_lock(&st->count_lock);
    if (--st->in_flight == 0) {
        pthread_cond_signal(&st->none_left);
    }
    pthread_mutex_unlock(&st->count_lock);
}

/* The outcome stands in the call; sends it home. The job and, soon, the call are gone after. */
static void
job_finish(struct job *j)
{
    struct plugin_store *st = j->st;
    struct store_call *call = j->call;
    call->ended_ns = boottime_ns();
    store_meter_end(st->pub.meter, &j->metered, call, call->ended_ns);
    sl_free(j);
    call->impl = NULL;
    call->task.run = call_deliver;
    sched_post(call->home, &call->task);
    flight_end(st);
}

static enum sl_err
err_of_status(sluice_status status)
{
    switch (status) {
    case SLUICE_EINVAL:
        return SL_EINVAL;
    case SLUICE_ENOMEM:
        return SL_ENOMEM;
    case SLUICE_EAGAIN:
        return SL_EAGAIN;
    case SLUICE_ETIMEOUT:
        return SL_ETIMEOUT;
    case SLUICE_ECANCELED:
        return SL_ECANCELED;
    case SLUICE_ENOENT:
        return SL_ENOENT;
    case SLUICE_EEXIST:
        return SL_EEXIST;
    case SLUICE_EFENCED:
        return SL_EFENCED;
    case SLUICE_ECORRUPT:
        return SL_ECORRUPT;
    case SLUICE_EDENIED:
        return SL_EIO; /* the store refuses us, which is not a client's lack of rights */
    case SLUICE_ENOTSUP:
        return SL_ENOTSUP;
    case SLUICE_ENOSPC:
        return SL_ENOSPC;
    default:
        return SL_EIO;
    }
}

static bool
status_is_known(sluice_status status)
{
    return status <= SLUICE_OK && status >= SLUICE_ENOSPC;
}

static enum store_outcome
outcome_of(const struct store_call *call, sluice_status status)
{
    if (status == SLUICE_OK) {
        return STORE_DONE;
    }
    bool is_read = call->kind == STORE_GET || call->kind == STORE_HEAD;
    if (call->kind == STORE_PUT) {
        if (status == SLUICE_EEXIST) {
            return STORE_EXISTS;
        }
        return status == SLUICE_EUNKNOWN || !status_is_known(status) ? STORE_UNKNOWN : STORE_ERROR;
    }
    return is_read && status == SLUICE_ENOENT ? STORE_ABSENT : STORE_ERROR;
}

static void
answer_set(struct job *j, sluice_status status)
{
    struct store_call *call = j->call;
    call->outcome = outcome_of(call, status);
    bool is_failure = call->outcome == STORE_ERROR || call->outcome == STORE_UNKNOWN;
    call->rc = is_failure ? err_of_status(status) : SL_OK;
    if (is_failure && j->op.why[0] != '\0') {
        (void)snprintf(call->why, sizeof(call->why), "%s", j->op.why);
    } else if (is_failure) {
        (void)snprintf(call->why, sizeof(call->why), "%s: %s", j->st->name,
                       status == SLUICE_EUNKNOWN ? "outcome unknown" : sl_err_text(call->rc));
    }
    if (call->outcome != STORE_DONE && call->listing != NULL) {
        store_listing_free(&call->listing);
    }
}

static void
answer_get(struct store_call *call, const sluice_get_result *r)
{
    sluice_buf *body = r->body;
    call->object_size = r->object_size;
    call->body = host_buf_take(&body);
    if (call->body == NULL && call->kind == STORE_GET) {
        call->body = buf_new(0);
    }
}

/* ---- the five calls ---- */

static struct job *job_of_op(struct plugin_op *op);

static sluice_slice
slice_cstr(const char *s)
{
    return (sluice_slice){(const uint8_t *)s, strlen(s)};
}

static sluice_status
call_put(struct job *j)
{
    struct store_call *call = j->call;
    for (size_t i = 0; i < call->part_count; i++) {
        j->parts[i] = (sluice_slice){call->parts[i].ptr, call->parts[i].len};
    }
    j->put_opts = (sluice_put_opts){.size = sizeof(j->put_opts), .crc32c = call->crc32c};
    j->put_opts.flags = (call->if_absent ? SLUICE_PUT_IF_ABSENT : 0) |
                        (call->has_crc ? SLUICE_PUT_CRC32C : 0) |
                        (call->is_sequence ? SLUICE_PUT_SEQUENCE : 0);
    j->put_result = (sluice_put_result){.size = sizeof(j->put_result)};
    return j->st->table->put(j->st->instance, slice_cstr(call->key), j->parts, call->part_count,
                             &j->put_opts, &j->put_result, j->op.handle);
}

static sluice_status
list_add(sluice_list_sink *sink, const sluice_list_entry *e)
{
    struct job *j = SL_CONTAINER_OF(sink, struct job, sink);
    struct store_listing *l = j->call->listing;
    if (l->count == j->listing_cap) {
        j->listing_cap = j->listing_cap == 0 ? 64 : j->listing_cap * 2;
        l->items = (struct store_listed *)sl_realloc(l->items, j->listing_cap * sizeof(*l->items));
    }
    struct store_listed *item = &l->items[l->count++];
    item->key = (char *)sl_alloc(e->key.len + 1);
    memcpy(item->key, e->key.ptr, e->key.len);
    item->size_bytes = e->object_size;
    item->modified_ms = e->modified_ms;
    return SLUICE_OK;
}

static uint32_t
list_page_size(const struct job *j)
{
    const struct store_call *call = j->call;
    if (call->max_keys == 0) {
        return LIST_PAGE;
    }
    size_t left = call->max_keys - call->listing->count;
    return left < LIST_PAGE ? (uint32_t)left : LIST_PAGE;
}

/* One page; goes on from the last key that is there already. */
static sluice_status
call_list(struct job *j)
{
    struct store_call *call = j->call;
    struct store_listing *l = call->listing;
    j->page_start = l->count;
    const char *after = l->count > 0 ? l->items[l->count - 1].key : call->after;
    return j->st->table->list(j->st->instance, slice_cstr(call->key), slice_cstr(after),
                              list_page_size(j), &j->sink, j->op.handle);
}

/* True when the page that just ended was full and more is wanted. */
static bool
list_goes_on(const struct job *j, sluice_status status)
{
    const struct store_call *call = j->call;
    if (call->kind != STORE_LIST || status != SLUICE_OK) {
        return false;
    }
    size_t got = call->listing->count - j->page_start;
    return got >= LIST_PAGE && (call->max_keys == 0 || call->listing->count < call->max_keys);
}

static sluice_status
plugin_call(struct job *j)
{
    struct store_call *call = j->call;
    struct plugin_store *st = j->st;
    j->got = (sluice_get_result){.size = sizeof(j->got)};
    switch (call->kind) {
    case STORE_PUT:
        return call_put(j);
    case STORE_GET:
        return st->table->get(st->instance, slice_cstr(call->key), call->offset, call->length,
                              &j->got, j->op.handle);
    case STORE_HEAD:
        return st->table->head(st->instance, slice_cstr(call->key), &j->got, j->op.handle);
    case STORE_DEL:
        return st->table->del(st->instance, slice_cstr(call->key), j->op.handle);
    case STORE_LIST:
        return call_list(j);
    }
    return SLUICE_EINVAL;
}

static bool
kind_reads(enum store_kind kind)
{
    return kind == STORE_GET || kind == STORE_HEAD;
}

static void
deadline_set(struct job *j)
{
    uint32_t ms = j->call->timeout_ms > 0 ? j->call->timeout_ms : j->st->timeout_ms;
    j->op.deadline_ns = monotonic_ns() + (uint64_t)ms * SCHED_MS;
}

static void job_dispatch(struct job *j);

static void
list_continue(struct sched_task *task)
{
    struct store_call *call = SL_CONTAINER_OF(task, struct store_call, task);
    job_dispatch((struct job *)call->impl);
}

static bool
list_next_page(struct job *j, sluice_status status)
{
    if (!list_goes_on(j, status)) {
        return false;
    }
    if (j->call->timeout_ms == 0) {
        deadline_set(j);
    }
    return true;
}

/* The plugin's own completion of a pending call: on any thread. The next page goes out from the
 * loop, not from here: the plugin may be deep inside its own call. */
static void
op_finished(struct plugin_op *op, sluice_status status, const void *result)
{
    struct job *j = job_of_op(op);
    pthread_mutex_lock(&j->st->count_lock);
    bool is_abandoned = j->st->is_abandoned;
    pthread_mutex_unlock(&j->st->count_lock);
    if (is_abandoned) {
        misbehaves(j->st, "completed an operation long after the store was closed; ignored");
        return; /* the call and its loop are gone */
    }
    if (kind_reads(j->call->kind) && status == SLUICE_OK && result != NULL) {
        answer_get(j->call, (const sluice_get_result *)result);
    }
    if (list_next_page(j, status)) {
        j->call->task.run = list_continue;
        sched_post(j->call->home, &j->call->task);
        return;
    }
    answer_set(j, status);
    job_finish(j);
}

/* True when the outcome stands in the return value; else the job may be gone. */
static bool
is_final(const struct plugin_store *st, sluice_op *handle, sluice_status status)
{
    enum op_state state = op_end(handle, status);
    if (state == OP_TWICE) {
        misbehaves(st, "completed an operation and returned a final status as well; the first "
                       "one counts");
    }
    return state == OP_FINAL;
}

/* Nothing was sent, so nothing is unknown. */
static bool
is_too_late(struct job *j)
{
    if (monotonic_ns() < j->op.deadline_ns) {
        return false;
    }
    (void)snprintf(j->op.why, sizeof(j->op.why),
                   "%.100s: the time for this request was over before it was sent; the store is "
                   "slower than its clients",
                   j->st->name);
    return true;
}

/* Calls the plugin, page after page for a list. The store's own limit is one for each page, a
 * caller's one for all. */
static void
job_call(struct job *j, struct plugin_store *st)
{
    sluice_status status;
    do {
        if (is_too_late(j)) {
            status = SLUICE_ETIMEOUT;
            break;
        }
        op_begin(&j->op);
        sluice_op *handle = j->op.handle;
        bool is_read = kind_reads(j->call->kind);
        if (st->is_serial) {
            pthread_mutex_lock(&st->serial);
        }
        status = plugin_call(j);
        if (st->is_serial) {
            pthread_mutex_unlock(&st->serial);
        }
        if (!is_final(st, handle, status)) {
            return;
        }
        if (is_read && status == SLUICE_OK) {
            answer_get(j->call, &j->got);
        }
    } while (list_next_page(j, status));
    answer_set(j, status);
    job_finish(j);
}

/* The job may end on another thread while the plugin's function still returns on this one; so that
 * close does not take the store away from under us, being here counts as a call. */
static void
job_run(struct job *j)
{
    struct plugin_store *st = j->st;
    flight_begin(st);
    job_call(j, st);
    flight_end(st);
}

static void
job_enter(struct pool_job *pool_job)
{
    job_run(SL_CONTAINER_OF(pool_job, struct job, pool));
}

static struct job *
job_of_op(struct plugin_op *op)
{
    return SL_CONTAINER_OF(op, struct job, op);
}

/* ---- the door ---- */

static void
count_call(enum store_kind kind)
{
    static const enum counter_id ids[] = {[STORE_PUT] = C_store_puts,
                                          [STORE_GET] = C_store_gets,
                                          [STORE_HEAD] = C_store_gets,
                                          [STORE_DEL] = C_store_dels,
                                          [STORE_LIST] = C_store_lists};
    counter_add(ids[kind], 1);
}

static struct job *
job_new(struct plugin_store *st, struct store_call *call)
{
    struct job *j = (struct job *)sl_alloc(sizeof(*j));
    j->pool.run = job_enter;
    list_init(&j->pool.link);
    j->op.finished = op_finished;
    j->st = st;
    j->call = call;
    j->sink = (sluice_list_sink){sizeof(j->sink), list_add};
    deadline_set(j);
    call->impl = j;
    call->outcome = STORE_ERROR;
    call->rc = SL_OK;
    call->why[0] = '\0';
    call->body = NULL;
    call->object_size = 0;
    call->listing = NULL;
    if (call->kind == STORE_LIST) {
        call->listing = (struct store_listing *)sl_alloc(sizeof(*call->listing));
    }
    return j;
}

static void
job_dispatch(struct job *j)
{
    struct plugin_store *st = j->st;
    if (st->pool == NULL) {
        job_run(j);
        return;
    }
    enum pool_lane lane = j->call->kind == STORE_PUT ? POOL_URGENT : POOL_BULK;
    if (pool_submit(st->pool, lane, &j->pool) != SL_OK) {
        (void)snprintf(j->op.why, sizeof(j->op.why),
                       "%.100s: too many requests wait for a thread; it is slower than its clients",
                       st->name);
        answer_set(j, SLUICE_EAGAIN);
        job_finish(j);
    }
}

static void
plugin_store_submit(struct store *pub, struct store_call *call)
{
    struct plugin_store *st = SL_CONTAINER_OF(pub, struct plugin_store, pub);
    SL_ASSERT(call->part_count <= STORE_PUT_PARTS);
    count_call(call->kind);
    struct job *j = job_new(st, call);
    flight_begin(st);
    store_meter_begin(st->pub.meter, &j->metered, call->kind, boottime_ns());
    job_dispatch(j);
}

static const struct store_ops ops = {plugin_store_submit};

static struct plugin_store *
plugin_store_new(const struct plugin_store_options *o)
{
    struct plugin_store *st = (struct plugin_store *)sl_alloc(sizeof(*st));
    st->pub.ops = &ops;
    st->pub.is_local = (o->table->capabilities & SLUICE_STORE_LOCAL) != 0;
    st->own_meter = o->meter == NULL ? store_meter_new(o->name, boottime_ns()) : NULL;
    st->pub.meter = o->meter == NULL ? st->own_meter : o->meter;
    store_meter_rename(st->pub.meter, o->name);
    st->timeout_ms = o->timeout_ms == 0 ? TIMEOUT_DEFAULT_MS : o->timeout_ms;
    st->table = o->table;
    st->instance = o->instance;
    st->is_serial = (o->plugin_flags & SLUICE_F_CONCURRENT) == 0;
    (void)snprintf(st->name, sizeof(st->name), "%s", o->name);
    (void)pthread_mutex_init(&st->serial, NULL);
    (void)pthread_mutex_init(&st->count_lock, NULL);
    (void)pthread_cond_init(&st->none_left, NULL);
    return st;
}

static bool
table_is_whole(const sluice_storage *t)
{
    size_t reaches = offsetof(sluice_storage, list) + sizeof(t->list);
    return t != NULL && t->size >= reaches && t->put != NULL && t->get != NULL && t->head != NULL &&
           t->del != NULL && t->list != NULL;
}

enum sl_err
plugin_store_open(const struct plugin_store_options *o, struct store **ret, struct sl_error *err)
{
    if (!table_is_whole(o->table)) {
        return sl_error_set(err, SL_ENOTSUP, "%s: the plugin offers no complete %s", o->name,
                            SLUICE_STORAGE_V1);
    }
    if ((o->table->capabilities & SLUICE_STORE_IF_ABSENT) == 0) {
        return sl_error_set(err, SL_ENOTSUP,
                            "%s: the store has no conditional create; no journal can live there",
                            o->name);
    }
    struct plugin_store *st = plugin_store_new(o);
    if ((o->plugin_flags & SLUICE_F_MAY_BLOCK) != 0) {
        uint32_t threads = o->threads == 0 ? THREADS_DEFAULT : o->threads;
        uint32_t queue_max = o->queue_max == 0 ? QUEUE_DEFAULT : o->queue_max;
        enum sl_err rc = pool_open("store", st->is_serial ? 1 : threads, queue_max, &st->pool, err);
        if (rc != SL_OK) {
            struct store *half = &st->pub;
            plugin_store_close(&half);
            return rc;
        }
    }
    *ret = &st->pub;
    return SL_OK;
}

/* False when the plugin does not complete what it was given. */
static bool
flights_wait(struct plugin_store *st)
{
    struct timespec until = {0};
    int rc = 0;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_WAIT_S;
    pthread_mutex_lock(&st->count_lock);
    while (st->in_flight > 0 && rc == 0) {
        rc = pthread_cond_timedwait(&st->none_left, &st->count_lock, &until);
    }
    bool is_done = st->in_flight == 0;
    st->is_abandoned = !is_done;
    pthread_mutex_unlock(&st->count_lock);
    return is_done;
}

void
plugin_store_close(struct store **pst)
{
    struct store *pub = *pst;
    *pst = NULL;
    if (pub == NULL) {
        return;
    }
    struct plugin_store *st = SL_CONTAINER_OF(pub, struct plugin_store, pub);
    pool_close(&st->pool);
    if (!flights_wait(st)) {
        misbehaves(st, "never completed some operations; the store is closed without them");
        return; /* its memory stays, in case they do complete */
    }
    (void)pthread_cond_destroy(&st->none_left);
    (void)pthread_mutex_destroy(&st->count_lock);
    (void)pthread_mutex_destroy(&st->serial);
    store_meter_destroy(&st->own_meter);
    sl_free(st);
}

const char *
plugin_store_name(const struct store *pub)
{
    return SL_CONTAINER_OF(pub, struct plugin_store, pub)->name;
}
