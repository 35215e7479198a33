/* SPDX-License-Identifier: Apache-2.0
 *
 * A host that trusts nothing: it remembers every operation for ever, so that whatever a plugin
 * does with one that has ended is seen, and counts every reference to every buffer.
 *
 * An operation:   CALLING -> ENDED      the call returned a final status
 *                 CALLING -> PENDING -> DONE      it returned SLUICE_PENDING, complete() came later
 *                 CALLING -> EARLY -> DONE        complete() came first, then it returned PENDING
 * Everything else is a broken rule. The handle is a number, so a plugin cannot make one up. */
#include "base/buf.h"
#include "plugin/testkit/kit_int.h"

#include <stdatomic.h>
#include <time.h>

enum { CALLING, PENDING, EARLY, ENDED, DONE };
enum { SAID_MAX = 256 * 1024, OPS_MAX = 1 << 20, GRACE_MS = 1000 };
static const uintptr_t HANDLE_MARK = UINT64_C(0x510ce) << 32;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* everything below but the counters */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct kit__op **ops;
static size_t op_count, op_cap;
static char said[SAID_MAX]; /* lines and sentences, each ended by a newline */
static size_t said_len;
static _Thread_local char why_here[200];
static _Atomic int64_t buffers_out;
static _Atomic bool is_out_of_memory;

/* ---- what is said ---- */

static void
remember(sluice_slice text)
{
    pthread_mutex_lock(&lock);
    size_t room = sizeof(said) - said_len - 2;
    size_t n = text.len < room ? text.len : room;
    if (n > 0) {
        memcpy(said + said_len, text.ptr, n);
        said_len += n;
        said[said_len++] = '\n';
    }
    pthread_mutex_unlock(&lock);
}

bool
kit__was_said(const char *text)
{
    pthread_mutex_lock(&lock);
    bool was = memmem(said, said_len, text, strlen(text)) != NULL;
    pthread_mutex_unlock(&lock);
    return was;
}

const char *
kit__take_why(void)
{
    static _Thread_local char out[sizeof(why_here)];
    (void)snprintf(out, sizeof(out), "%s", why_here);
    why_here[0] = '\0';
    return out;
}

static void
kit_log(const sluice_host *host, int32_t level, sluice_slice msg)
{
    (void)host;
    (void)level;
    remember(msg);
}

/* ---- operations ---- */

static sluice_op *
handle_of(size_t index)
{
    return (sluice_op *)(HANDLE_MARK + (index << 4)); /* NOLINT: opaque on purpose */
}

/* Holds the lock, and gives it back before it ends the test. */
static struct kit__op *
op_of(const sluice_op *handle, const char *call)
{
    uintptr_t v = (uintptr_t)handle - HANDLE_MARK;
    if ((uintptr_t)handle < HANDLE_MARK || (v & 15) != 0 || v >> 4 >= op_count) {
        pthread_mutex_unlock(&lock);
        kit__fail(RULE_NEVER_AFTER, "%s was called with an operation that the host did not make",
                  call);
    }
    return ops[v >> 4];
}

struct kit__op *
kit__op_new(const char *call, sluice_slice key, sluice_op **ret_handle)
{
    struct kit__op *op = (struct kit__op *)sl_alloc(sizeof(*op));
    int64_t deadline_ms = kit.o->deadline_ms == 0 ? TESTKIT_DEADLINE_MS : kit.o->deadline_ms;
    op->call = call;
    op->deadline_ns = (uint64_t)(kit__now_ns() + deadline_ms * 1000000);
    (void)snprintf(op->key, sizeof(op->key), "%.*s", (int)(key.len < 90 ? key.len : 90),
                   key.ptr == NULL ? "" : (const char *)key.ptr);
    why_here[0] = '\0';
    pthread_mutex_lock(&lock);
    SL_ASSERT(op_count < OPS_MAX);
    if (op_count == op_cap) {
        op_cap = op_cap == 0 ? 1024 : op_cap * 2;
        ops = (struct kit__op **)sl_realloc(ops, op_cap * sizeof(struct kit__op *));
    }
    ops[op_count] = op;
    *ret_handle = handle_of(op_count++);
    pthread_mutex_unlock(&lock);
    return op;
}

static bool
status_is_known(sluice_status status)
{
    return status <= SLUICE_OK && status >= SLUICE_ENOSPC;
}

void
kit__op_returned(struct kit__op *op, sluice_status returned)
{
    pthread_mutex_lock(&lock);
    int was = op->state;
    if (returned == SLUICE_PENDING) {
        op->state = was == EARLY ? DONE : PENDING;
    } else {
        op->state = ENDED;
        op->status = returned;
        (void)snprintf(op->why, sizeof(op->why), "%s", why_here);
    }
    pthread_mutex_unlock(&lock);
    if (returned != SLUICE_PENDING && was == EARLY) {
        kit__fail(RULE_NEVER_AFTER, "%s of %s completed its operation and then returned %s",
                  op->call, op->key, kit__status_text(returned));
    }
    if (returned != SLUICE_PENDING && !status_is_known(returned)) {
        kit__fail(RULE_STATUS, "%s of %s returned %d", op->call, op->key, (int)returned);
    }
}

bool
kit__op_is_done(struct kit__op *op)
{
    pthread_mutex_lock(&lock);
    bool is_done = op->state == DONE || op->state == ENDED;
    pthread_mutex_unlock(&lock);
    return is_done;
}

static struct timespec
wall_after_ns(int64_t ns)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    ns = ns < 0 ? 0 : ns;
    int64_t total = ts.tv_nsec + ns;
    return (struct timespec){ts.tv_sec + total / 1000000000, total % 1000000000};
}

sluice_status
kit__op_wait(struct kit__op *op)
{
    int64_t limit = (int64_t)op->deadline_ns + (int64_t)GRACE_MS * 1000000;
    bool is_over = false;
    pthread_mutex_lock(&lock);
    while (op->state != DONE && op->state != ENDED && !is_over) {
        struct timespec until = wall_after_ns(limit - kit__now_ns());
        (void)pthread_cond_timedwait(&changed, &lock, &until);
        is_over = kit__now_ns() >= limit;
    }
    is_over = op->state != DONE && op->state != ENDED;
    pthread_mutex_unlock(&lock);
    if (is_over) {
        kit__fail(RULE_DEADLINE,
                  "%s of %s returned SLUICE_PENDING and was not completed %d ms after its deadline",
                  op->call, op->key, GRACE_MS);
    }
    return op->status;
}

sluice_status
kit__op_end(struct kit__op *op, sluice_status returned)
{
    kit__op_returned(op, returned);
    return kit__op_wait(op);
}

static void
result_copy(struct kit__op *op, sluice_status status, const void *result)
{
    if (status != SLUICE_OK || result == NULL) {
        return;
    }
    if (strcmp(op->call, "put") == 0) {
        op->put = *(const sluice_put_result *)result;
    } else if (strcmp(op->call, "get") == 0 || strcmp(op->call, "head") == 0) {
        op->got = *(const sluice_get_result *)result;
    }
}

static void
kit_complete(const sluice_host *host, sluice_op *handle, sluice_status status, const void *result)
{
    (void)host;
    pthread_mutex_lock(&lock);
    struct kit__op *op = op_of(handle, "complete()");
    int was = op->state;
    if (was == CALLING || was == PENDING) {
        op->state = was == CALLING ? EARLY : DONE;
        op->status = status;
        result_copy(op, status, result);
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    if (was == ENDED) {
        kit__fail(RULE_NEVER_AFTER, "%s of %s was completed with %s after its call had returned %s",
                  op->call, op->key, kit__status_text(status), kit__status_text(op->status));
    }
    if (was == DONE || was == EARLY) {
        kit__fail(RULE_ONCE, "%s of %s was completed twice: with %s, then with %s", op->call,
                  op->key, kit__status_text(op->status), kit__status_text(status));
    }
    if (!status_is_known(status)) {
        kit__fail(RULE_STATUS, "%s of %s was completed with %d", op->call, op->key, (int)status);
    }
}

static void
kit_fail_said(const sluice_host *host, sluice_op *handle, sluice_status status, sluice_slice why)
{
    (void)host;
    (void)status;
    int n = why.len < sizeof(why_here) ? (int)why.len : (int)sizeof(why_here) - 1;
    remember(why);
    if (handle == NULL) {
        (void)snprintf(why_here, sizeof(why_here), "%.*s", n, (const char *)why.ptr);
        return;
    }
    pthread_mutex_lock(&lock);
    struct kit__op *op = op_of(handle, "fail()");
    (void)snprintf(op->why, sizeof(op->why), "%.*s", n, (const char *)why.ptr);
    pthread_mutex_unlock(&lock);
}

static uint64_t
kit_deadline(const sluice_host *host, const sluice_op *handle)
{
    (void)host;
    pthread_mutex_lock(&lock);
    uint64_t deadline_ns = op_of(handle, "deadline_ns()")->deadline_ns;
    pthread_mutex_unlock(&lock);
    return deadline_ns;
}

/* ---- buffers ---- */

struct kit_buf {
    sluice_buf pub;
    _Atomic int32_t refs;
    struct buf *b;
};

void
kit__buffers_refuse(bool is_refusing)
{
    atomic_store(&is_out_of_memory, is_refusing);
}

int64_t
kit__buffers_out(void)
{
    return atomic_load(&buffers_out);
}

static void
buf_retain(sluice_buf *pub)
{
    struct kit_buf *k = SL_CONTAINER_OF(pub, struct kit_buf, pub);
    if (atomic_fetch_add(&k->refs, 1) <= 0) {
        kit__fail(RULE_BUFFERS, "a buffer of %zu bytes was retained after its last release",
                  k->b->len);
    }
}

/* The struct stays, so that one release too many is seen; its bytes go. */
static void
buf_release(sluice_buf *pub)
{
    struct kit_buf *k = SL_CONTAINER_OF(pub, struct kit_buf, pub);
    int32_t before = atomic_fetch_sub(&k->refs, 1);
    if (before <= 0) {
        kit__fail(RULE_BUFFERS, "a buffer was released once too often");
    }
    if (before == 1) {
        buf_unref(&k->b);
        atomic_fetch_sub(&buffers_out, 1);
    }
}

static sluice_buf *
kit_buf_new(const sluice_host *host, size_t len, uint8_t **writable)
{
    (void)host;
    if (atomic_load(&is_out_of_memory)) {
        return NULL;
    }
    struct kit_buf *k = (struct kit_buf *)sl_alloc(sizeof(*k));
    k->b = buf_new(len);
    k->b->len = len;
    memset(k->b->data, 0xA5, len);
    atomic_init(&k->refs, 1);
    atomic_fetch_add(&buffers_out, 1);
    k->pub = (sluice_buf){sizeof(k->pub), {k->b->data, len}, buf_retain, buf_release};
    *writable = k->b->data;
    return &k->pub;
}

/* ---- the host's tables ---- */

static _Atomic uint32_t counter_count;

static sluice_status
kit_declare(const sluice_host *host, const sluice_counter *table, uint32_t count)
{
    (void)host;
    for (uint32_t i = 0; i < count; i++) {
        if (table[i].name == NULL || table[i].unit == NULL || table[i].help == NULL ||
            table[i].kind < SLUICE_COUNTER_SUM || table[i].kind > SLUICE_COUNTER_HISTOGRAM ||
            table[i].reserved != 0) {
            kit__fail(RULE_COUNTERS, "counter %u of %u has no name, unit, help or known kind", i,
                      count);
        }
    }
    atomic_store(&counter_count, count);
    return SLUICE_OK;
}

static void
counter_check(uint32_t index)
{
    if (index >= atomic_load(&counter_count)) {
        kit__fail(RULE_COUNTERS, "counter %u was changed; %u are declared", index,
                  atomic_load(&counter_count));
    }
}

static void
kit_add(const sluice_host *host, uint32_t index, int64_t delta)
{
    (void)host;
    (void)delta;
    counter_check(index);
}

static void
kit_observe(const sluice_host *host, uint32_t index, uint64_t value)
{
    (void)host;
    (void)value;
    counter_check(index);
}

static void
kit_attempt(const sluice_host *host, uint32_t kind, uint32_t outcome, sluice_slice why)
{
    (void)host;
    if (kind > SLUICE_STORAGE_LIST || outcome > SLUICE_ATTEMPT_BAD) {
        kit__fail(RULE_ATTEMPTS, "attempt() was told kind %u, outcome %u", kind, outcome);
    }
    if (outcome == SLUICE_ATTEMPT_BAD && why.len == 0) {
        kit__fail(RULE_ATTEMPTS, "attempt() was told of a bad one without a sentence");
    }
    remember(why);
}

static const void *
kit_extension(const sluice_host *host, const char *id)
{
    static const sluice_host_counters counters = {
        .size = sizeof(counters), .declare = kit_declare, .add = kit_add, .observe = kit_observe};
    static const sluice_host_storage storage = {.size = sizeof(storage), .attempt = kit_attempt};
    (void)host;
    return strcmp(id, SLUICE_HOST_COUNTERS_V1) == 0  ? (const void *)&counters
           : strcmp(id, SLUICE_HOST_STORAGE_V1) == 0 ? (const void *)&storage
                                                     : NULL;
}

struct sluice_host kit__host = {.size = sizeof(kit__host),
                                .abi_major = SLUICE_ABI_MAJOR,
                                .abi_minor = SLUICE_ABI_MINOR,
                                .name = "sluice-plugin-test",
                                .version = SLUICE_VERSION,
                                .extension = kit_extension,
                                .log = kit_log,
                                .fail = kit_fail_said,
                                .complete = kit_complete,
                                .deadline_ns = kit_deadline,
                                .buf_new = kit_buf_new,
                                .conf_str = plugin__conf_str,
                                .conf_int = plugin__conf_int};
