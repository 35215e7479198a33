/* The life of a data call on the event thread: an attempt ends, and either the call is over or it
 * waits for the next attempt.
 *
 *      ready -> attempt -> DONE, EXISTS, ABSENT ............ over
 *        ^         |-----> AGAIN, THROTTLED, CONFLICT ...... time, attempts and budget left? wait
 *        |         |-----> UNKNOWN, REFUSED ................ over
 *        '-- wait <'
 *
 * A put remembers in `may_be_stored` that an earlier attempt got an answer which does not exclude
 * that it was applied (503, 409, a connection that broke while it was sent, also when curl noticed
 * and sent it again by itself). Then only "stored" and
 * "exists" are definite for the call as a whole: whatever else ends it, the status is
 * SLUICE_EUNKNOWN. A retry that meets its own earlier attempt gets 412 and says EEXIST; the server
 * reads the object and recognises itself (docs/journal.md R3). */
#include "storage-s3/s3_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_MIN_MS = 5 };
#define RENEW_EVERY_NS (UINT64_C(5000) * S3_NS_PER_MS)

struct s3_call *
s3__call_new(sluice_instance *s3, enum s3_kind kind, sluice_op *op)
{
    struct s3_call *call = (struct s3_call *)s3__alloc(sizeof(*call));
    call->kind = kind;
    call->op = op;
    call->begun_ns = s3__now_ns();
    call->deadline_ns = call->begun_ns + s3->conf.timeout_ms * S3_NS_PER_MS;
    if (op != NULL) {
        uint64_t asked = s3->host->deadline_ns(s3->host, op);
        call->deadline_ns = asked < call->deadline_ns ? asked : call->deadline_ns;
    }
    return call;
}

void
s3__call_free(struct s3_call **pcall)
{
    struct s3_call *call = *pcall;
    *pcall = NULL;
    if (call == NULL) {
        return;
    }
    free(call->put.parts);
    free(call->list);
    free(call);
}

/* ---- the end ---- */

static void
waiter_tell(struct s3_waiter *w, sluice_status status, const char *why)
{
    pthread_mutex_lock(&w->lock);
    w->status = status;
    s3__why(w->why, "%s", why);
    w->is_ended = true;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->lock);
}

static void
held_drop(sluice_instance *s3)
{
    pthread_mutex_lock(&s3->engine.shared.lock);
    s3->engine.shared.held--;
    pthread_mutex_unlock(&s3->engine.shared.lock);
}

/* Answers and frees the call. result is borrowed, but for buffers in it. */
static void
call_end(sluice_instance *s3, struct s3_call *call, sluice_status status, const void *result)
{
    const sluice_host *host = s3->host;
    uint64_t bytes = call->put.length;
    if (call->kind == S3_GET && result != NULL) {
        bytes = ((const sluice_get_result *)result)->body->bytes.len;
    }
    s3__count_end(s3, call, status, bytes);
    held_drop(s3); /* before the answer: whoever gets it may call again at once */
    if (call->op == NULL) {
        waiter_tell(call->waiter, status, call->why);
    } else {
        if (status < 0 && call->why[0] != '\0') {
            host->fail(host, call->op, status,
                       (sluice_slice){(const uint8_t *)call->why, strlen(call->why)});
        }
        host->complete(host, call->op, status, result);
    }
    s3__call_free(&call);
}

/* Ends without success. */
static void
call_fail(sluice_instance *s3, struct s3_call *call, sluice_status status)
{
    bool is_doubtful = call->kind == S3_PUT && call->may_be_stored;
    if (is_doubtful && status != SLUICE_EEXIST) {
        status = SLUICE_EUNKNOWN;
    }
    call_end(s3, call, status, NULL);
}

void
s3__call_expire(sluice_instance *s3, struct s3_call *call, sluice_status status, const char *why)
{
    if (call->why[0] == '\0') {
        s3__why(call->why, "%.80s: %s: %s", s3->conf.endpoint, s3__kind_name(call->kind), why);
    }
    call_fail(s3, call, status);
}

/* ---- the next attempt ---- */

static uint64_t
random_next(struct s3_engine *e)
{
    e->random ^= e->random << 13;
    e->random ^= e->random >> 7;
    e->random ^= e->random << 17;
    return e->random;
}

static void
call_retry(sluice_instance *s3, struct s3_call *call, struct s3_judgement j)
{
    struct s3_engine *e = &s3->engine;
    uint32_t wait = s3__backoff_ms(call->attempts, j.verdict == S3_THROTTLED, random_next(e));
    uint64_t due = s3__now_ns() + (wait + RETRY_MIN_MS) * S3_NS_PER_MS;
    call->last = j.status;
    if (call->kind == S3_PUT && j.status == SLUICE_EUNKNOWN) {
        call->may_be_stored = true;
    }
    if (due >= call->deadline_ns || call->attempts >= S3_ATTEMPTS_MAX ||
        !s3__budget_take(&e->budget)) {
        call_fail(s3, call, j.status);
        return;
    }
    s3__call_later(s3, call, wait);
}

/* Keys in a file are renewed by others; whoever finds them stale reads it again. */
static void
call_renew(sluice_instance *s3, struct s3_call *call, sluice_status status)
{
    struct s3_engine *e = &s3->engine;
    uint64_t now = s3__now_ns();
    bool is_time = e->renewed_ns == 0 || now - e->renewed_ns > RENEW_EVERY_NS;
    bool is_fresh = is_time && s3__creds_renew(&s3->conf.creds);
    if (is_time) {
        e->renewed_ns = now;
    }
    if (is_fresh) {
        s3__log(s3, SLUICE_LOG_INFO, "read new credentials from %s", s3->conf.creds.file);
    }
    /* Those that were signed before somebody else renewed them get their second attempt, too. */
    if (call->has_renewed || (!is_fresh && is_time)) {
        call_fail(s3, call, status);
        return;
    }
    call->has_renewed = true;
    s3__call_ready(s3, call);
}

/* ---- success ---- */

static void
version_copy(char out[64], const struct s3_transfer *t)
{
    memcpy(out, t->etag, sizeof(t->etag));
}

static void
put_done(sluice_instance *s3, struct s3_call *call, const struct s3_transfer *t)
{
    sluice_put_result r = {.size = sizeof(r)};
    version_copy(r.version, t);
    call_end(s3, call, SLUICE_OK, &r);
}

static void
get_done(sluice_instance *s3, struct s3_call *call, struct s3_transfer *t, sluice_buf *body)
{
    sluice_get_result r = {.size = sizeof(r), .body = body};
    r.object_size = t->has_total ? t->total : t->length;
    version_copy(r.version, t);
    call_end(s3, call, SLUICE_OK, &r);
}

/* Nothing lies in the range; the size of the object, at least, must be right. */
static void
get_nothing(sluice_instance *s3, struct s3_call *call, struct s3_transfer *t)
{
    uint8_t *bytes;
    sluice_buf *body = s3->host->buf_new(s3->host, 0, &bytes);
    if (body == NULL) {
        s3__call_expire(s3, call, SLUICE_ENOMEM, "no memory for the answer");
        return;
    }
    get_done(s3, call, t, body);
}

static void
head_done(sluice_instance *s3, struct s3_call *call, const struct s3_transfer *t)
{
    sluice_get_result r = {.size = sizeof(r), .object_size = t->length};
    version_copy(r.version, t);
    if (!t->has_length) {
        s3__call_expire(s3, call, SLUICE_EIO, "the answer does not say how long the object is");
        return;
    }
    call_end(s3, call, SLUICE_OK, &r);
}

static void
list_done(sluice_instance *s3, struct s3_call *call, const struct s3_transfer *t)
{
    sluice_status status = SLUICE_OK;
    bool goes_on = false;
    if (!s3__page_deliver(call, &t->text, &status, &goes_on)) {
        call_fail(s3, call, SLUICE_EIO);
    } else if (goes_on) {
        call->attempts = 0;
        call->last = SLUICE_OK;
        s3__call_ready(s3, call);
    } else {
        call_end(s3, call, status, NULL);
    }
}

static void
call_done(sluice_instance *s3, struct s3_call *call, struct s3_transfer *t)
{
    sluice_buf *body = t->body;
    switch (call->kind) {
    case S3_PUT:
        put_done(s3, call, t);
        break;
    case S3_GET:
        if (call->is_sizing) {
            get_nothing(s3, call, t);
        } else {
            t->body = NULL; /* given to the host */
            get_done(s3, call, t, body);
        }
        break;
    case S3_HEAD:
        head_done(s3, call, t);
        break;
    case S3_LIST:
        list_done(s3, call, t);
        break;
    default:
        call_end(s3, call, SLUICE_OK, NULL);
        break;
    }
}

/* The range begins at or beyond the end. AWS says the size in Content-Range or in the error
 * document; some say it nowhere. */
static void
call_no_range(sluice_instance *s3, struct s3_call *call, struct s3_transfer *t,
              const struct s3_answer *a)
{
    if (a->error.has_size && !t->has_total) {
        t->has_total = true;
        t->total = a->error.actual_size;
    }
    if (!t->has_total) {
        call->is_sizing = true;
        s3__call_ready(s3, call);
        return;
    }
    get_nothing(s3, call, t);
}

/* ---- deciding ---- */

static void
why_set(sluice_instance *s3, struct s3_call *call, const struct s3_answer *a)
{
    const struct s3_config *c = &s3->conf;
    const struct s3_place place = {c->bucket, c->endpoint, c->region, c->creds.access};
    s3__explain(a, &place, call->why);
}

static void
call_decide(sluice_instance *s3, struct s3_transfer *t, const struct s3_answer *a,
            struct s3_judgement j)
{
    struct s3_call *call = t->call;
    switch (j.verdict) {
    case S3_DONE:
        s3__budget_give(&s3->engine.budget);
        call_done(s3, call, t);
        break;
    case S3_NO_RANGE:
        call_no_range(s3, call, t, a);
        break;
    case S3_AGAIN:
    case S3_THROTTLED:
    case S3_CONFLICT:
        call_retry(s3, call, j);
        break;
    case S3_STALE_CREDS:
        call_renew(s3, call, j.status);
        break;
    default: /* EXISTS, ABSENT, UNKNOWN, REFUSED */
        call_fail(s3, call, j.status);
        break;
    }
}

void
s3__attempt_end(sluice_instance *s3, struct s3_transfer *t, CURLcode code)
{
    struct s3_call *call = t->call;
    const struct s3_answer a = s3__transfer_answer(t, code);
    const struct s3_judgement j = s3__judge(&a);
    bool is_good = j.verdict == S3_DONE || j.verdict == S3_NO_RANGE || j.verdict == S3_EXISTS ||
                   j.verdict == S3_ABSENT;
    bool is_vague = a.curl_code == CURLE_OPERATION_TIMEDOUT && call->why[0] != '\0';
    if (is_good) {
        call->why[0] = '\0';
    } else if (!is_vague) { /* "timed out" says less than what an earlier attempt met */
        why_set(s3, call, &a);
    }
    call->put.asks_first = call->put.asks_first || a.is_cut_short;
    if (t->sends > 1) {
        call->may_be_stored = true; /* the first time, whatever the last one was told */
        s3__count_resent(s3, call, t->sends - 1);
    }
    s3__count_attempt(s3, call, j.verdict);
    call_decide(s3, t, &a, j);
}
