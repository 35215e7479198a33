/* struct store over plugins that are made up here: outcomes, threads, pending calls, full queues.
 */
#include "../unit.h"
#include "base/diag.h"
#include "loop_fixture.h"
#include "store/health.h"
#include "store/host_buf.h"
#include "store/op.h"
#include "store/plugin_store.h"

#include <sched.h>
#include <sluice/storage.h>
#include <stdlib.h>
#include <time.h>

enum { FAKE_OBJECTS = 2500 };

/* The plugin's own type. */
struct sluice_instance {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    sluice_status answer;
    const char *why;
    bool is_blocked;      /* calls wait until it is false */
    bool completes_first; /* completes the operation and then returns `answer` as well */
    size_t inside, most_inside, calls;
    sluice_op *pending; /* of the last call, when answer is PENDING */
    sluice_list_sink *sink;
    size_t list_from;
    uint32_t list_max;
    pthread_t caller;
    uint32_t put_flags;
    const sluice_slice *parts; /* borrowed until the put is complete */
    const sluice_put_opts *opts;
    sluice_put_result *result;
    uint64_t deadline_ns; /* what the host said of the last call */
};

static sluice_status
fake_call(sluice_instance *f, sluice_op *op)
{
    pthread_mutex_lock(&f->lock);
    f->calls++;
    f->inside++;
    f->most_inside = f->inside > f->most_inside ? f->inside : f->most_inside;
    f->caller = pthread_self();
    f->pending = op;
    f->deadline_ns = op_deadline_ns(op);
    pthread_cond_broadcast(&f->changed);
    while (f->is_blocked) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    f->inside--;
    sluice_status rc = f->answer;
    if (f->why != NULL) {
        op_fail(NULL, f->why, strlen(f->why));
    }
    bool completes_first = f->completes_first;
    pthread_mutex_unlock(&f->lock);
    if (completes_first) {
        (void)op_complete(op, SLUICE_OK, NULL);
    }
    return rc;
}

static sluice_status
fake_put(sluice_instance *f, sluice_slice key, const sluice_slice *parts, size_t count,
         const sluice_put_opts *opts, sluice_put_result *result, sluice_op *op)
{
    (void)key;
    (void)count;
    f->parts = parts;
    f->opts = opts;
    f->result = result;
    f->put_flags = opts->flags;
    return fake_call(f, op);
}

static sluice_status
fake_get(sluice_instance *f, sluice_slice key, uint64_t offset, uint64_t length,
         sluice_get_result *result, sluice_op *op)
{
    (void)key;
    (void)offset;
    (void)length;
    sluice_status rc = fake_call(f, op);
    if (rc == SLUICE_OK) {
        uint8_t *out;
        result->body = host_buf_new(5, &out);
        memcpy(out, "bytes", 5);
        result->object_size = 50;
    }
    return rc;
}

static sluice_status
fake_head(sluice_instance *f, sluice_slice key, sluice_get_result *result, sluice_op *op)
{
    (void)key;
    result->object_size = 50;
    return fake_call(f, op);
}

static sluice_status
fake_del(sluice_instance *f, sluice_slice key, sluice_op *op)
{
    (void)key;
    return fake_call(f, op);
}

static void
fake_list_fill(sluice_instance *f)
{
    char key[32];
    for (uint32_t n = 0; n < f->list_max && f->list_from < FAKE_OBJECTS; n++, f->list_from++) {
        (void)snprintf(key, sizeof(key), "k%06zu", f->list_from);
        sluice_list_entry e = {{(const uint8_t *)key, strlen(key)}, 1, 1};
        assert_int_equal(f->sink->add(f->sink, &e), SLUICE_OK);
    }
}

static sluice_status
fake_list(sluice_instance *f, sluice_slice prefix, sluice_slice after, uint32_t max,
          sluice_list_sink *sink, sluice_op *op)
{
    (void)prefix;
    char from[32] = "";
    memcpy(from, after.ptr, after.len);
    f->list_from = after.len == 0 ? 0 : strtoul(from + 1, NULL, 10) + 1;
    f->list_max = max;
    f->sink = sink;
    sluice_status rc = fake_call(f, op);
    if (rc == SLUICE_OK) {
        fake_list_fill(f);
    }
    return rc;
}

static const sluice_storage fake_table = {.size = sizeof(fake_table),
                                          .capabilities = SLUICE_STORE_IF_ABSENT,
                                          .put = fake_put,
                                          .get = fake_get,
                                          .head = fake_head,
                                          .del = fake_del,
                                          .list = fake_list};

struct world {
    struct loop_fixture loop;
    struct sluice_instance fake;
    struct store *st;
    struct sync_call c;
};

static void
world_open(struct world *w, uint64_t flags, uint32_t threads, uint32_t queue)
{
    struct sl_error err = SL_ERROR_INIT;
    struct plugin_store_options o = {.name = "fake",
                                     .table = &fake_table,
                                     .instance = &w->fake,
                                     .plugin_flags = flags,
                                     .threads = threads,
                                     .queue_max = queue};
    assert_int_equal(plugin_store_open(&o, &w->st, &err), SL_OK);
}

static int
setup(void **state)
{
    struct world *w = (struct world *)sl_alloc(sizeof(*w));
    loop_init(&w->loop);
    (void)pthread_mutex_init(&w->fake.lock, NULL);
    (void)pthread_cond_init(&w->fake.changed, NULL);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = (struct world *)*state;
    plugin_store_close(&w->st);
    loop_fini(&w->loop);
    sl_free(w);
    return 0;
}

static void
fake_wait_inside(struct world *w, size_t n)
{
    pthread_mutex_lock(&w->fake.lock);
    while (w->fake.inside < n) {
        pthread_cond_wait(&w->fake.changed, &w->fake.lock);
    }
    pthread_mutex_unlock(&w->fake.lock);
}

static void
fake_block(struct world *w, bool is_blocked)
{
    pthread_mutex_lock(&w->fake.lock);
    w->fake.is_blocked = is_blocked;
    pthread_cond_broadcast(&w->fake.changed);
    pthread_mutex_unlock(&w->fake.lock);
}

static void
outcome__each_status_of_a_put__maps_as_the_contract_says(void **state)
{
    struct world *w = (struct world *)*state;
    static const struct {
        sluice_status status;
        enum store_outcome outcome;
        enum sl_err rc;
    } rows[] = {
        {SLUICE_OK, STORE_DONE, SL_OK},
        {SLUICE_EEXIST, STORE_EXISTS, SL_OK},
        {SLUICE_EUNKNOWN, STORE_UNKNOWN, SL_EIO},
        {SLUICE_ENOSPC, STORE_ERROR, SL_ENOSPC},
        {SLUICE_EDENIED, STORE_ERROR, SL_EIO},
        {SLUICE_EAGAIN, STORE_ERROR, SL_EAGAIN},
        {SLUICE_EIO, STORE_ERROR, SL_EIO},
        {-999, STORE_UNKNOWN, SL_EIO}, /* promises nothing */
        {77, STORE_UNKNOWN, SL_EIO},
    };
    world_open(w, SLUICE_F_MAY_BLOCK | SLUICE_F_CONCURRENT, 2, 10);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        w->fake.answer = rows[i].status;
        assert_int_equal(sync_put(&w->loop, w->st, &w->c, "k", "v"), rows[i].outcome);
        assert_int_equal(w->c.call.rc, rows[i].rc);
        bool is_failure = rows[i].outcome == STORE_ERROR || rows[i].outcome == STORE_UNKNOWN;
        assert_int_equal(w->c.call.why[0] != '\0', is_failure);
    }
    w->fake.answer = SLUICE_ENOENT;
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_GET, "k"), STORE_ABSENT);
    w->fake.answer = SLUICE_ECORRUPT;
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_GET, "k"), STORE_ERROR);
    assert_int_equal(w->c.call.rc, SL_ECORRUPT);
}

static void
fail__sentence_of_the_plugin__reaches_the_caller(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, SLUICE_F_MAY_BLOCK, 2, 10);
    w->fake.answer = SLUICE_EDENIED;
    w->fake.why = "the key is wrong; ask the operator";
    assert_int_equal(sync_put(&w->loop, w->st, &w->c, "k", "v"), STORE_ERROR);
    assert_string_equal(w->c.call.why, "the key is wrong; ask the operator");
}

static void
put__flags__travel(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, SLUICE_F_MAY_BLOCK, 1, 10);
    (void)sync_put(&w->loop, w->st, &w->c, "k", "v");
    assert_int_equal(w->fake.put_flags, SLUICE_PUT_IF_ABSENT);
    w->c.call.is_sequence = w->c.call.has_crc = true;
    w->c.call.if_absent = false;
    sync_run(&w->loop, w->st, &w->c);
    assert_int_equal(w->fake.put_flags, SLUICE_PUT_SEQUENCE | SLUICE_PUT_CRC32C);
}

static void
threads__plugin_may_block__called_on_the_pool_else_on_the_loop(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, SLUICE_F_MAY_BLOCK | SLUICE_F_CONCURRENT, 2, 10);
    (void)sync_put(&w->loop, w->st, &w->c, "k", "v");
    assert_false(pthread_equal(w->fake.caller, pthread_self()));
    plugin_store_close(&w->st);
    world_open(w, SLUICE_F_CONCURRENT, 0, 0);
    (void)sync_put(&w->loop, w->st, &w->c, "k", "v");
    assert_true(pthread_equal(w->fake.caller, pthread_self()));
}

static void
serial__plugin_is_not_concurrent__one_call_at_a_time(void **state)
{
    struct world *w = (struct world *)*state;
    struct sync_call calls[20];
    size_t i;
    world_open(w, SLUICE_F_MAY_BLOCK, 8, 100);
    memset(calls, 0, sizeof(calls));
    for (i = 0; i < 20; i++) {
        calls[i].call.kind = STORE_DEL;
        calls[i].call.home = &w->loop.sched;
        calls[i].call.done = sync_done;
        store_submit(w->st, &calls[i].call);
    }
    for (i = 0; i < 20; i++) {
        loop_run_until(&w->loop, &calls[i].done, 1);
    }
    assert_int_equal(w->fake.calls, 20);
    assert_int_equal(w->fake.most_inside, 1);
}

static void
queue__full__fails_with_eagain_and_nothing_is_sent(void **state)
{
    struct world *w = (struct world *)*state;
    struct sync_call calls[6];
    size_t i;
    world_open(w, SLUICE_F_MAY_BLOCK | SLUICE_F_CONCURRENT, 1, 4);
    fake_block(w, true);
    memset(calls, 0, sizeof(calls));
    for (i = 0; i < 6; i++) {
        calls[i].call.kind = STORE_PUT;
        calls[i].call.home = &w->loop.sched;
        calls[i].call.done = sync_done;
        store_submit(w->st, &calls[i].call);
        if (i == 0) {
            fake_wait_inside(w, 1); /* the thread has one; four wait; the sixth is too many */
        }
    }
    loop_run_until(&w->loop, &calls[5].done, 1);
    assert_int_equal(calls[5].call.outcome, STORE_ERROR);
    assert_int_equal(calls[5].call.rc, SL_EAGAIN);
    assert_int_equal(w->fake.calls, 1);
    fake_block(w, false);
    for (i = 0; i < 5; i++) {
        loop_run_until(&w->loop, &calls[i].done, 1);
        assert_int_equal(calls[i].call.outcome, STORE_DONE);
    }
}

static void
lanes__reads_fill_the_pool__a_put_still_gets_a_thread(void **state)
{
    struct world *w = (struct world *)*state;
    struct sync_call reads[6];
    world_open(w, SLUICE_F_MAY_BLOCK | SLUICE_F_CONCURRENT, 4, 100);
    fake_block(w, true);
    memset(reads, 0, sizeof(reads));
    for (size_t i = 0; i < 6; i++) {
        reads[i].call.kind = STORE_DEL;
        reads[i].call.home = &w->loop.sched;
        reads[i].call.done = sync_done;
        store_submit(w->st, &reads[i].call);
    }
    fake_wait_inside(w, 2); /* of four threads two are kept free for puts */
    memset(&w->c, 0, sizeof(w->c));
    w->c.call.kind = STORE_PUT;
    w->c.call.home = &w->loop.sched;
    w->c.call.done = sync_done;
    store_submit(w->st, &w->c.call);
    fake_wait_inside(w, 3);
    fake_block(w, false);
    loop_run_until(&w->loop, &w->c.done, 1);
    for (size_t i = 0; i < 6; i++) {
        loop_run_until(&w->loop, &reads[i].done, 1);
    }
}

/* ---- pending ---- */

static void
pending__completed_from_elsewhere__ends_once_and_a_second_time_is_refused(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, SLUICE_F_CONCURRENT, 0, 0);
    w->fake.answer = SLUICE_PENDING;
    memset(&w->c, 0, sizeof(w->c));
    w->c.call.kind = STORE_GET;
    w->c.call.home = &w->loop.sched;
    w->c.call.done = sync_done;
    store_submit(w->st, &w->c.call);
    sluice_op *op = w->fake.pending;
    uint8_t *out;
    sluice_get_result result = {.size = sizeof(result), .object_size = 3};
    result.body = host_buf_new(3, &out);
    memcpy(out, "abc", 3);
    assert_true(op_complete(op, SLUICE_OK, &result));
    assert_int_equal(w->c.done, 0); /* late, always */
    assert_false(op_complete(op, SLUICE_OK, &result));
    loop_run_until(&w->loop, &w->c.done, 1);
    assert_int_equal(w->c.call.outcome, STORE_DONE);
    assert_int_equal(w->c.call.object_size, 3);
    assert_true(span_eq(buf_span(w->c.call.body), span_cstr("abc")));
    buf_unref(&w->c.call.body);
    assert_false(op_complete(op, SLUICE_OK, NULL));
}

static void
pending__completed_long_after_its_slot_is_used_again__is_refused(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, SLUICE_F_CONCURRENT, 0, 0);
    w->fake.answer = SLUICE_OK;
    (void)sync_put(&w->loop, w->st, &w->c, "k", "v");
    sluice_op *old = w->fake.pending;
    w->fake.answer = SLUICE_PENDING;
    memset(&w->c, 0, sizeof(w->c));
    w->c.call.kind = STORE_PUT;
    w->c.call.home = &w->loop.sched;
    w->c.call.done = sync_done;
    store_submit(w->st, &w->c.call);
    assert_ptr_not_equal(old, w->fake.pending);
    assert_false(op_complete(old, SLUICE_EIO, NULL));
    op_fail(w->fake.pending, "said later", 10);
    assert_true(op_complete(w->fake.pending, SLUICE_EUNKNOWN, NULL));
    loop_run_until(&w->loop, &w->c.done, 1);
    assert_int_equal(w->c.call.outcome, STORE_UNKNOWN);
    assert_string_equal(w->c.call.why, "said later");
}

/* Writes over what was on the stack. */
__attribute__((noinline)) static void
clobber_stack(void)
{
    volatile uint8_t junk[16384];
    for (size_t i = 0; i < sizeof(junk); i++) {
        junk[i] = 0xEE;
    }
}

static void
pending__what_the_put_borrowed__stays_until_it_is_complete(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, SLUICE_F_CONCURRENT, 0, 0);
    w->fake.answer = SLUICE_PENDING;
    memset(&w->c, 0, sizeof(w->c));
    w->c.call.kind = STORE_PUT;
    w->c.call.home = &w->loop.sched;
    w->c.call.done = sync_done;
    w->c.call.parts[0] = span_cstr("one");
    w->c.call.parts[1] = span_cstr("three");
    w->c.call.part_count = 2;
    w->c.call.if_absent = true;
    store_submit(w->st, &w->c.call);
    clobber_stack();
    assert_int_equal(w->fake.parts[0].len, 3);
    assert_memory_equal(w->fake.parts[1].ptr, "three", 5);
    assert_int_equal(w->fake.opts->flags, SLUICE_PUT_IF_ABSENT);
    assert_int_equal(w->fake.result->size, sizeof(sluice_put_result));
    assert_true(op_complete(w->fake.pending, SLUICE_OK, w->fake.result));
    loop_run_until(&w->loop, &w->c.done, 1);
    assert_int_equal(w->c.call.outcome, STORE_DONE);
}

static char logged[1000];

static void
keep_line(void *arg, const char *line, size_t len)
{
    (void)arg;
    (void)snprintf(logged, sizeof(logged), "%.*s", (int)len, line);
}

static void
pending__completed_and_returned_too__first_counts_and_the_log_names_the_store(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, SLUICE_F_CONCURRENT, 0, 0);
    w->fake.completes_first = true;
    w->fake.answer = SLUICE_PENDING; /* allowed: it was quicker than its own return */
    logged[0] = '\0';
    diag_set_sink(keep_line, NULL);
    assert_int_equal(sync_put(&w->loop, w->st, &w->c, "k", "v"), STORE_DONE);
    assert_string_equal(logged, "");
    w->fake.answer = SLUICE_EIO;
    assert_int_equal(sync_put(&w->loop, w->st, &w->c, "k", "v"), STORE_DONE);
    diag_set_sink(NULL, NULL);
    assert_non_null(strstr(logged, "plugin.misbehaves"));
    assert_non_null(strstr(logged, plugin_store_name(w->st)));
    assert_non_null(strstr(logged, "returned a final status as well"));
}

static void
list__all_keys__pages_until_the_end(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, SLUICE_F_MAY_BLOCK, 1, 10);
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_LIST, "k"), STORE_DONE);
    assert_int_equal(w->c.call.listing->count, FAKE_OBJECTS);
    assert_string_equal(w->c.call.listing->items[FAKE_OBJECTS - 1].key, "k002499");
    store_listing_free(&w->c.call.listing);
    assert_int_equal(w->fake.calls, 3);
    w->c.call.max_keys = 1500;
    sync_run(&w->loop, w->st, &w->c);
    assert_int_equal(w->c.call.listing->count, 1500);
    store_listing_free(&w->c.call.listing);
}

static void
list__pages_that_end_later__go_on_from_the_loop(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, SLUICE_F_CONCURRENT, 0, 0);
    w->fake.answer = SLUICE_PENDING;
    memset(&w->c, 0, sizeof(w->c));
    w->c.call.kind = STORE_LIST;
    w->c.call.home = &w->loop.sched;
    w->c.call.done = sync_done;
    store_submit(w->st, &w->c.call);
    for (int page = 0; page < 3; page++) {
        fake_list_fill(&w->fake);
        assert_true(op_complete(w->fake.pending, SLUICE_OK, NULL));
        loop_run_one(&w->loop);
    }
    assert_int_equal(w->c.done, 1);
    assert_int_equal(w->c.call.listing->count, FAKE_OBJECTS);
    store_listing_free(&w->c.call.listing);
}

static uint64_t
monotonic_ns(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

static void
deadline__callers_time__is_what_the_plugin_is_told(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, SLUICE_F_CONCURRENT, 0, 0);
    const enum store_kind kinds[] = {STORE_PUT, STORE_GET, STORE_HEAD, STORE_DEL, STORE_LIST};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        memset(&w->c, 0, sizeof(w->c));
        w->c.call.kind = kinds[i];
        w->c.call.timeout_ms = 1234567;
        w->fake.answer = SLUICE_EIO;
        uint64_t before = monotonic_ns();
        sync_run(&w->loop, w->st, &w->c);
        assert_true(w->fake.deadline_ns >= before + UINT64_C(1234567) * SCHED_MS);
        assert_true(w->fake.deadline_ns <= monotonic_ns() + UINT64_C(1234567) * SCHED_MS);
    }
}

static void
deadline__caller_sets_none__the_stores_own_is_told(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, SLUICE_F_CONCURRENT, 0, 0);
    uint64_t before = monotonic_ns();
    (void)sync_put(&w->loop, w->st, &w->c, "k", "x");
    assert_true(w->fake.deadline_ns >= before + UINT64_C(60000) * SCHED_MS);
    assert_true(w->fake.deadline_ns <= monotonic_ns() + UINT64_C(60000) * SCHED_MS);
}

static void
deadline__after_the_end__the_operation_has_none_left(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, SLUICE_F_CONCURRENT, 0, 0);
    (void)sync_put(&w->loop, w->st, &w->c, "k", "x");
    assert_int_equal(op_deadline_ns(w->fake.pending), 0);
}

/* Two calls for one thread: the second waits until its time is over. */
static void
deadline__over_before_a_thread_is_free__nothing_is_sent(void **state)
{
    struct world *w = (struct world *)*state;
    struct sync_call first = {0};
    world_open(w, SLUICE_F_MAY_BLOCK, 1, 10);
    fake_block(w, true);
    first.call.kind = STORE_DEL;
    first.call.home = &w->loop.sched;
    first.call.done = sync_done;
    store_submit(w->st, &first.call);
    fake_wait_inside(w, 1);
    memset(&w->c, 0, sizeof(w->c));
    w->c.call.kind = STORE_PUT;
    w->c.call.part_count = 1;
    w->c.call.timeout_ms = 1;
    w->c.call.home = &w->loop.sched;
    w->c.call.done = sync_done;
    uint64_t submitted = monotonic_ns();
    store_submit(w->st, &w->c.call);
    while (monotonic_ns() < submitted + 2 * SCHED_MS) {
        (void)sched_yield();
    }
    fake_block(w, false);
    loop_run_until(&w->loop, &first.done, 1);
    loop_run_until(&w->loop, &w->c.done, 1);
    assert_int_equal(w->fake.calls, 1);
    assert_int_equal(w->c.call.outcome, STORE_ERROR);
    assert_int_equal(w->c.call.rc, SL_ETIMEOUT);
    assert_non_null(strstr(w->c.call.why, "fake"));
}

static void
health__calls_of_the_plugin__are_what_it_is_made_of(void **state)
{
    struct world *w = (struct world *)*state;
    struct store_health h;
    struct store_rates r;
    world_open(w, SLUICE_F_CONCURRENT, 0, 0);
    assert_int_equal(sync_put(&w->loop, w->st, &w->c, "k", "x"), STORE_DONE);
    store_health(w->st, &h);
    assert_int_equal(h.state, STORE_HEALTHY);
    assert_true(h.latency_ns[STORE_PUT] > 0);
    assert_int_equal(h.puts_in_flight, 0);
    w->fake.answer = SLUICE_EIO;
    w->fake.why = "the disk is on fire";
    for (int i = 0; i < 10; i++) {
        (void)sync_key(&w->loop, w->st, &w->c, STORE_GET, "k");
    }
    store_health(w->st, &h);
    assert_int_equal(h.state, STORE_DEGRADED);
    assert_int_equal(store_health_state(w->st), STORE_DEGRADED);
    assert_string_equal(h.why, "the disk is on fire");
    store_rates(w->st, &r);
    assert_true(r.puts_per_s > 0 && r.gets_per_s > r.puts_per_s);
}

static void
open__store_without_conditional_create__is_refused(void **state)
{
    struct world *w = (struct world *)*state;
    struct sl_error err = SL_ERROR_INIT;
    sluice_storage weak = fake_table;
    weak.capabilities = 0;
    struct plugin_store_options o = {.name = "weak", .table = &weak, .instance = &w->fake};
    assert_int_equal(plugin_store_open(&o, &w->st, &err), SL_ENOTSUP);
    assert_non_null(strstr(err.msg, "weak"));
    weak = fake_table;
    weak.list = NULL;
    assert_int_equal(plugin_store_open(&o, &w->st, &err), SL_ENOTSUP);
    assert_null(w->st);
}

static void
close__calls_in_flight__are_waited_for(void **state)
{
    struct world *w = (struct world *)*state;
    struct sync_call calls[5];
    world_open(w, SLUICE_F_MAY_BLOCK, 1, 10);
    memset(calls, 0, sizeof(calls));
    for (size_t i = 0; i < 5; i++) {
        calls[i].call.kind = STORE_DEL;
        calls[i].call.home = &w->loop.sched;
        calls[i].call.done = sync_done;
        store_submit(w->st, &calls[i].call);
    }
    plugin_store_close(&w->st);
    assert_int_equal(w->fake.calls, 5);
    for (size_t i = 0; i < 5; i++) {
        loop_run_until(&w->loop, &calls[i].done, 1);
    }
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(outcome__each_status_of_a_put__maps_as_the_contract_says),
        T(fail__sentence_of_the_plugin__reaches_the_caller),
        T(put__flags__travel),
        T(threads__plugin_may_block__called_on_the_pool_else_on_the_loop),
        T(serial__plugin_is_not_concurrent__one_call_at_a_time),
        T(queue__full__fails_with_eagain_and_nothing_is_sent),
        T(lanes__reads_fill_the_pool__a_put_still_gets_a_thread),
        T(pending__completed_from_elsewhere__ends_once_and_a_second_time_is_refused),
        T(pending__completed_long_after_its_slot_is_used_again__is_refused),
        T(pending__what_the_put_borrowed__stays_until_it_is_complete),
        T(pending__completed_and_returned_too__first_counts_and_the_log_names_the_store),
        T(list__all_keys__pages_until_the_end),
        T(list__pages_that_end_later__go_on_from_the_loop),
        T(deadline__callers_time__is_what_the_plugin_is_told),
        T(deadline__caller_sets_none__the_stores_own_is_told),
        T(deadline__after_the_end__the_operation_has_none_left),
        T(deadline__over_before_a_thread_is_free__nothing_is_sent),
        T(health__calls_of_the_plugin__are_what_it_is_made_of),
        T(open__store_without_conditional_create__is_refused),
        T(close__calls_in_flight__are_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
