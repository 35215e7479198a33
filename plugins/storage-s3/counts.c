/* What is counted, and what the host is told of each attempt. The values are the host's
 * (sluice/counters.h); so is the judgement how healthy the store is, made of the attempts that
 * are told here (sluice/storage.h). A host without these tables is told nothing. */
#include "storage-s3/s3_int.h"

#include <string.h>

/* Kinds as they are billed and watched: a conditional put is its own. */
enum { PUT, PUT_IF_ABSENT, PUT_IF_VERSION, GET, HEAD, DEL, LIST, KINDS };

enum { OK, EXISTS, ABSENT, UNKNOWN, FAILED, ATTEMPTS, RETRIED, THROTTLED, LATENCY, PER_KIND };

#define CALLS(kind, outcome, help)                                                                 \
    {                                                                                              \
        "calls", "kind=" kind ",outcome=" outcome, "calls", help, SLUICE_COUNTER_SUM, 0            \
    }
#define OF_KIND(kind)                                                                              \
    CALLS(kind, "ok", "Calls that did what they were asked"),                                      \
        CALLS(kind, "exists", "Conditional puts that met an object, or another version"),          \
        CALLS(kind, "absent", "Calls that met no object"),                                         \
        CALLS(kind, "unknown", "Puts that nobody knows the outcome of"),                           \
        CALLS(kind, "failed", "Calls that failed"),                                                \
        {"attempts",         "kind=" kind,                                                         \
         "requests",         "Requests sent to the store, retries included",                       \
         SLUICE_COUNTER_SUM, 0},                                                                   \
        {"retries", "kind=" kind, "requests", "Requests sent again", SLUICE_COUNTER_SUM, 0},       \
        {"throttled",        "kind=" kind,                                                         \
         "requests",         "Answers that said: slow down",                                       \
         SLUICE_COUNTER_SUM, 0},                                                                   \
    {                                                                                              \
        "latency", "kind=" kind, "us", "From the call to its end, retries included",               \
            SLUICE_COUNTER_HISTOGRAM, 0                                                            \
    }

static const sluice_counter table[] = {
    OF_KIND("put"),
    OF_KIND("put_if_absent"),
    OF_KIND("put_if_version"),
    OF_KIND("get"),
    OF_KIND("head"),
    OF_KIND("delete"),
    OF_KIND("list"),
    {"bytes", "direction=in", "bytes", "Bytes of objects read", SLUICE_COUNTER_SUM, 0},
    {"bytes", "direction=out", "bytes", "Bytes of objects stored", SLUICE_COUNTER_SUM, 0},
};
enum { BYTES_IN = KINDS * PER_KIND, BYTES_OUT, COUNT };
_Static_assert(sizeof(table) / sizeof(table[0]) == COUNT, "a row for each counter");

sluice_status
s3__counts_declare(sluice_instance *s3)
{
    const sluice_host *host = s3->host;
    if (!SLUICE_HAS(host, extension)) {
        return SLUICE_OK;
    }
    const sluice_host_counters *c =
        (const sluice_host_counters *)host->extension(host, SLUICE_HOST_COUNTERS_V1);
    const sluice_host_storage *st =
        (const sluice_host_storage *)host->extension(host, SLUICE_HOST_STORAGE_V1);
    s3->tell_attempt = SLUICE_HAS(st, attempt) ? st->attempt : NULL;
    if (!SLUICE_HAS(c, declare) || !SLUICE_HAS(c, observe)) {
        return SLUICE_OK;
    }
    sluice_status rc = c->declare(host, table, COUNT);
    s3->counters = rc == SLUICE_OK ? c : NULL;
    return rc;
}

static uint32_t
row_of(const struct s3_call *call, uint32_t what)
{
    static const uint8_t of_kind[] = {
        [S3_PUT] = PUT, [S3_GET] = GET, [S3_HEAD] = HEAD, [S3_DEL] = DEL, [S3_LIST] = LIST};
    uint32_t kind = of_kind[call->kind];
    if (call->kind == S3_PUT && (call->put.flags & SLUICE_PUT_IF_ABSENT) != 0) {
        kind = PUT_IF_ABSENT;
    } else if (call->kind == S3_PUT && (call->put.flags & SLUICE_PUT_IF_VERSION) != 0) {
        kind = PUT_IF_VERSION;
    }
    return kind * PER_KIND + what;
}

static void
count(const sluice_instance *s3, uint32_t row, uint64_t by)
{
    if (s3->counters != NULL && by > 0) {
        s3->counters->add(s3->host, row, (int64_t)by);
    }
}

static uint32_t
outcome_of(sluice_status status)
{
    switch (status) {
    case SLUICE_OK:
        return OK;
    case SLUICE_EEXIST:
        return EXISTS;
    case SLUICE_ENOENT:
        return ABSENT;
    case SLUICE_EUNKNOWN:
        return UNKNOWN;
    default:
        return FAILED;
    }
}

void
s3__count_begin(const sluice_instance *s3, const struct s3_call *call)
{
    count(s3, row_of(call, ATTEMPTS), 1);
    count(s3, row_of(call, RETRIED), call->attempts > 1 ? 1 : 0);
}

static uint32_t
storage_kind(const struct s3_call *call)
{
    static const uint32_t kinds[] = {[S3_PUT] = SLUICE_STORAGE_PUT,
                                     [S3_GET] = SLUICE_STORAGE_GET,
                                     [S3_HEAD] = SLUICE_STORAGE_HEAD,
                                     [S3_DEL] = SLUICE_STORAGE_DEL,
                                     [S3_LIST] = SLUICE_STORAGE_LIST};
    return kinds[s3__kind_now(call)];
}

/* Until start has succeeded its one sentence says it all. */
static void
tell(const sluice_instance *s3, const struct s3_call *call, bool is_good, const char *why)
{
    if (s3->tell_attempt != NULL && call->op != NULL) {
        s3->tell_attempt(s3->host, storage_kind(call),
                         is_good ? SLUICE_ATTEMPT_GOOD : SLUICE_ATTEMPT_BAD,
                         (sluice_slice){(const uint8_t *)why, strlen(why)});
    }
}

void
s3__count_resent(const sluice_instance *s3, const struct s3_call *call, uint32_t times)
{
    count(s3, row_of(call, ATTEMPTS), times);
    count(s3, row_of(call, RETRIED), times);
    for (uint32_t i = 0; i < times; i++) {
        tell(s3, call, false, "a kept connection broke without an answer");
    }
}

void
s3__count_attempt(const sluice_instance *s3, const struct s3_call *call, enum s3_verdict verdict)
{
    bool is_good = verdict == S3_DONE || verdict == S3_EXISTS || verdict == S3_ABSENT ||
                   verdict == S3_NO_RANGE || verdict == S3_CONFLICT;
    count(s3, row_of(call, THROTTLED), verdict == S3_THROTTLED ? 1 : 0);
    tell(s3, call, is_good, call->why);
}

void
s3__count_end(const sluice_instance *s3, const struct s3_call *call, sluice_status status,
              uint64_t bytes)
{
    count(s3, row_of(call, outcome_of(status)), 1);
    if (status == SLUICE_OK) {
        count(s3, call->kind == S3_PUT ? BYTES_OUT : BYTES_IN, bytes);
    }
    if (s3->counters != NULL) {
        s3->counters->observe(s3->host, row_of(call, LATENCY),
                              (s3__now_ns() - call->begun_ns) / 1000);
    }
}
