/* The event thread: everything between a data call and its answer.
 *
 * Callers put their call into the inbox and wake the thread (curl_multi_wakeup is the one curl
 * function that any thread may call). The thread moves the inbox into two lines, puts and the rest,
 * and keeps up to `connections` transfers going. Puts go first, and the rest leaves a quarter of
 * the transfers free for them: consumers that catch up from cold data must not stand in the way of
 * a commit. Calls that wait for their next attempt lie in `backoff`.
 *
 * Bounds: S3_HELD_MAX calls in all, `connections` transfers, each with its own limits on what it
 * reads. Lines are searched one by one; at this size that costs less than a heap.
 *
 * Why a thread of our own and not the server's loops: curl resolves names, hashes payloads and does
 * TLS where it is driven, all of which would stall clients of that loop. */
#include "storage-s3/s3_int.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { POLL_MAX_MS = 60000, ATTEMPT_MIN_MS = 10 };

/* ---- lines ---- */

static void
queue_init(struct s3_queue *q)
{
    *q = (struct s3_queue){NULL, &q->first, 0};
}

static void
queue_push(struct s3_queue *q, struct s3_call *call)
{
    call->next = NULL;
    *q->last = call;
    q->last = &call->next;
    q->count++;
}

static struct s3_call *
queue_remove(struct s3_queue *q, struct s3_call **at)
{
    struct s3_call *call = *at;
    *at = call->next;
    if (q->last == &call->next) {
        q->last = at;
    }
    call->next = NULL;
    q->count--;
    return call;
}

/* ---- callers ---- */

sluice_status
s3__submit(sluice_instance *s3, struct s3_call **pcall)
{
    struct s3_engine *e = &s3->engine;
    struct s3_call *call = *pcall;
    *pcall = NULL;
    pthread_mutex_lock(&e->shared.lock);
    bool is_taken = !e->shared.is_stopping && e->shared.held < S3_HELD_MAX;
    if (is_taken) {
        e->shared.held++;
        queue_push(&e->shared.inbox, call);
        (void)curl_multi_wakeup(e->multi); /* under the lock: stop frees it after taking the lock */
    }
    pthread_mutex_unlock(&e->shared.lock);
    if (!is_taken) {
        s3__call_free(&call);
        return s3__fail(s3, SLUICE_EAGAIN,
                        "%.80s: %d requests wait already; the store is slower than its clients",
                        s3->conf.endpoint, (int)S3_HELD_MAX);
    }
    return SLUICE_PENDING;
}

/* ---- the thread ---- */

void
s3__call_ready(sluice_instance *s3, struct s3_call *call)
{
    call->due_ns = 0;
    queue_push(call->kind == S3_PUT ? &s3->engine.urgent : &s3->engine.bulk, call);
}

void
s3__call_later(sluice_instance *s3, struct s3_call *call, uint32_t ms)
{
    call->due_ns = s3__now_ns() + ms * S3_NS_PER_MS;
    queue_push(&s3->engine.backoff, call);
}

/* False when the thread is to end. */
static bool
inbox_take(sluice_instance *s3)
{
    struct s3_engine *e = &s3->engine;
    pthread_mutex_lock(&e->shared.lock);
    struct s3_call *call = e->shared.inbox.first;
    queue_init(&e->shared.inbox);
    bool is_stopping = e->shared.is_stopping;
    pthread_mutex_unlock(&e->shared.lock);
    while (call != NULL) {
        struct s3_call *next = call->next;
        s3__call_ready(s3, call);
        call = next;
    }
    return !is_stopping;
}

/* An attempt that has no time to be answered would only make a put's outcome unknown. */
static void
line_expire(sluice_instance *s3, struct s3_queue *q, uint64_t now)
{
    struct s3_call **at = &q->first;
    while (*at != NULL) {
        if ((*at)->deadline_ns <= now + ATTEMPT_MIN_MS * S3_NS_PER_MS) {
            struct s3_call *call = queue_remove(q, at);
            s3__call_expire(s3, call, call->last != SLUICE_OK ? call->last : SLUICE_ETIMEOUT,
                            "the time for it was over before its turn came");
        } else {
            at = &(*at)->next;
        }
    }
}

static void
backoff_due(sluice_instance *s3, uint64_t now)
{
    struct s3_queue *q = &s3->engine.backoff;
    struct s3_call **at = &q->first;
    while (*at != NULL) {
        if ((*at)->due_ns <= now) {
            s3__call_ready(s3, queue_remove(q, at));
        } else {
            at = &(*at)->next;
        }
    }
}

static uint32_t
bulk_limit(const sluice_instance *s3)
{
    uint32_t all = s3->conf.connections;
    uint32_t reserve = all / 4 > 0 ? all / 4 : 1;
    return all > reserve ? all - reserve : 1;
}

static struct s3_call *
next_call(sluice_instance *s3)
{
    struct s3_engine *e = &s3->engine;
    if (e->urgent.first != NULL) {
        return queue_remove(&e->urgent, &e->urgent.first);
    }
    if (e->bulk.first != NULL && e->active_bulk < bulk_limit(s3)) {
        return queue_remove(&e->bulk, &e->bulk.first);
    }
    return NULL;
}

static void
calls_begin(sluice_instance *s3)
{
    struct s3_engine *e = &s3->engine;
    while (e->idle != NULL) {
        struct s3_call *call = next_call(s3);
        if (call == NULL) {
            return;
        }
        struct s3_transfer *t = e->idle;
        e->idle = t->next;
        e->active++;
        e->active_bulk += call->kind == S3_PUT ? 0 : 1;
        call->attempts++;
        s3__count_begin(s3, call);
        s3__transfer_begin(t, call);
    }
}

static void
transfer_give_back(struct s3_engine *e, struct s3_transfer *t, enum s3_kind kind)
{
    s3__transfer_end(t);
    e->active--;
    e->active_bulk -= kind == S3_PUT ? 0 : 1;
    t->next = e->idle;
    e->idle = t;
}

static void
answers_read(sluice_instance *s3)
{
    struct s3_engine *e = &s3->engine;
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(e->multi, &left)) != NULL) {
        char *private = NULL;
        CURLcode code = msg->data.result; /* msg dies with the handle */
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
        struct s3_transfer *t = (struct s3_transfer *)(void *)private;
        enum s3_kind kind = t->call->kind;
        s3__attempt_end(s3, t, code); /* the call may be gone now */
        transfer_give_back(e, t, kind);
    }
}

static void
soonest(const struct s3_queue *q, uint64_t *ret)
{
    for (const struct s3_call *c = q->first; c != NULL; c = c->next) {
        uint64_t when = c->due_ns != 0 && c->due_ns < c->deadline_ns ? c->due_ns : c->deadline_ns;
        *ret = when < *ret ? when : *ret;
    }
}

static int
poll_ms(const sluice_instance *s3)
{
    const struct s3_engine *e = &s3->engine;
    uint64_t now = s3__now_ns();
    uint64_t when = now + POLL_MAX_MS * S3_NS_PER_MS;
    if (e->idle != NULL &&
        (e->urgent.first != NULL || (e->bulk.first != NULL && e->active_bulk < bulk_limit(s3)))) {
        return 0;
    }
    soonest(&e->backoff, &when);
    soonest(&e->urgent, &when);
    soonest(&e->bulk, &when);
    return when <= now ? 0 : (int)((when - now + S3_NS_PER_MS - 1) / S3_NS_PER_MS);
}

/* What was sent of a put cannot be called back. */
static void
all_end(sluice_instance *s3)
{
    struct s3_engine *e = &s3->engine;
    static const char why[] = "the server is stopping";
    for (uint32_t i = 0; i < s3->conf.connections; i++) {
        struct s3_transfer *t = &e->transfers[i];
        struct s3_call *call = t->call;
        if (call == NULL) {
            continue;
        }
        bool is_doubtful = call->kind == S3_PUT && t->sends > 0;
        transfer_give_back(e, t, call->kind);
        s3__call_expire(s3, call, is_doubtful ? SLUICE_EUNKNOWN : SLUICE_ECANCELED, why);
    }
    struct s3_queue *const lines[] = {&e->urgent, &e->bulk, &e->backoff};
    for (size_t i = 0; i < 3; i++) {
        while (lines[i]->first != NULL) {
            s3__call_expire(s3, queue_remove(lines[i], &lines[i]->first), SLUICE_ECANCELED, why);
        }
    }
}

static void *
engine_main(void *arg)
{
    sluice_instance *s3 = (sluice_instance *)arg;
    struct s3_engine *e = &s3->engine;
    int running;
    while (inbox_take(s3)) {
        uint64_t now = s3__now_ns();
        backoff_due(s3, now);
        line_expire(s3, &e->urgent, now);
        line_expire(s3, &e->bulk, now);
        calls_begin(s3);
        (void)curl_multi_perform(e->multi, &running);
        answers_read(s3);
        int wait = poll_ms(s3);
        if (wait > 0) {
            (void)curl_multi_poll(e->multi, NULL, 0, wait, NULL);
        }
    }
    all_end(s3);
    return NULL;
}

/* ---- life ---- */

static bool
transfers_make(sluice_instance *s3)
{
    struct s3_engine *e = &s3->engine;
    e->transfers =
        (struct s3_transfer *)s3__alloc(s3->conf.connections * sizeof(struct s3_transfer));
    for (uint32_t i = 0; i < s3->conf.connections; i++) {
        struct s3_transfer *t = &e->transfers[i];
        s3__transfer_init(s3, t);
        t->easy = curl_easy_init();
        if (t->easy == NULL) {
            return false;
        }
        t->next = e->idle;
        e->idle = t;
    }
    return true;
}

static void
engine_fini(sluice_instance *s3)
{
    struct s3_engine *e = &s3->engine;
    for (uint32_t i = 0; e->transfers != NULL && i < s3->conf.connections; i++) {
        s3__transfer_fini(&e->transfers[i]);
    }
    free(e->transfers);
    e->transfers = e->idle = NULL;
    if (e->multi != NULL) {
        (void)curl_multi_cleanup(e->multi);
    }
    e->multi = NULL;
    (void)pthread_mutex_destroy(&e->shared.lock);
}

/* The server's signals are for its own threads; but a crash in ours must reach the handler that
 * says whose code it was: a fault whose signal is blocked ends the process without a word. */
static bool
thread_make(sluice_instance *s3)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        (void)sigdelset(&all, faults[i]);
    }
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&s3->engine.thread, NULL, engine_main, s3);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0) {
        (void)pthread_setname_np(s3->engine.thread, "storage-s3");
    }
    return rc == 0;
}

sluice_status
s3__engine_start(sluice_instance *s3)
{
    struct s3_engine *e = &s3->engine;
    memset(e, 0, sizeof(*e));
    (void)pthread_mutex_init(&e->shared.lock, NULL);
    queue_init(&e->shared.inbox);
    queue_init(&e->urgent);
    queue_init(&e->bulk);
    queue_init(&e->backoff);
    s3__budget_init(&e->budget);
    if (getrandom(&e->random, sizeof(e->random), 0) != (ssize_t)sizeof(e->random)) {
        e->random = s3__now_ns();
    }
    e->random |= 1;
    e->multi = curl_multi_init();
    if (e->multi != NULL) {
        (void)curl_multi_setopt(e->multi, CURLMOPT_MAXCONNECTS, (long)s3->conf.connections);
        (void)curl_multi_setopt(e->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    }
    e->is_running = e->multi != NULL && transfers_make(s3) && thread_make(s3);
    if (!e->is_running) {
        engine_fini(s3);
        return s3__fail(s3, SLUICE_ENOMEM,
                        "cannot start the thread that talks to the store; raise "
                        "the limits on processes and memory");
    }
    return SLUICE_OK;
}

void
s3__engine_stop(sluice_instance *s3)
{
    struct s3_engine *e = &s3->engine;
    if (!e->is_running) {
        return;
    }
    pthread_mutex_lock(&e->shared.lock);
    e->shared.is_stopping = true;
    (void)curl_multi_wakeup(e->multi);
    pthread_mutex_unlock(&e->shared.lock);
    (void)pthread_join(e->thread, NULL);
    e->is_running = false;
    engine_fini(s3);
}
