/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads that need the store: turns, giving way to producers, and reading ahead no more than a
 * consumer takes. */
#include "partition/cold.h"
#include "partition/load.h"
#include "roll_world.h"

/* Two and a half blocks of the cache in one segment. */
enum { MANY = 2700, AT_ONCE = 50, CACHE_BYTES = 32 << 20 };

#define TEST(name)                                                                                 \
    static void name(void **state);                                                                \
    static void name(void **state __attribute__((unused)))

static struct cold cold;

/* Many in an entry. */
static void
append_quickly(int count)
{
    static uint8_t batches[AT_ONCE][BATCH_BYTES];
    struct append a[AT_ONCE];
    for (int i = 0; i < count; i++) {
        struct append *at = &a[i % AT_ONCE];
        uint8_t *batch = batches[i % AT_ONCE];
        *at = (struct append){.topic_id = w.topic,
                              .batch = span_of(batch, BATCH_BYTES),
                              .deadline_ns = w.loop.now_ns + SCHED_S,
                              .done = append_ended,
                              .arg = at};
        batch_make(batch, i % 100);
        assert_int_equal(batch_info_read(at->batch, &at->info), SL_OK);
        append_submit(w.brokers[0].shard, at);
        if (i % AT_ONCE == AT_ONCE - 1) {
            run_ms(10);
        }
    }
}

static int
setup(void **state)
{
    (void)world_setup(state);
    cold_init(&cold);
    broker_stop(0);
    w.cache_bytes = CACHE_BYTES;
    w.roll.target_bytes = MANY * BATCH_BYTES;
    w.roll.live_runs_max = 10 * MANY;
    w.cold = &cold;
    broker_start(0);
    w.brokers[0].permits.max_bytes = 16 << 20;
    append_quickly(MANY);
    run_ms(1000000); /* rolled by age at the latest */
    assert_int_equal(part_segment_count(part_at(0, 0)), 1);
    assert_int_equal(part_at(0, 0)->run_count, 0);
    broker_stop(0); /* and with it what was cached */
    broker_start(0);
    return 0;
}

static int
teardown(void **state)
{
    int rc = world_teardown(state);
    cold_fini(&cold);
    return rc;
}

static void
read_ended(struct part_read *r)
{
    r->arg = NULL;
}

static struct part_read
read_from(int64_t offset, size_t max_bytes)
{
    return (struct part_read){.topic_id = w.topic,
                              .offset = offset,
                              .max_bytes = max_bytes,
                              .is_at_least_one = true,
                              .is_tail_ok = true,
                              .gives_way = true,
                              .reader = 1,
                              .done = read_ended};
}

static void
read_begin(struct part_read *r)
{
    r->arg = r;
    part_read_submit(w.brokers[0].shard, r);
}

static void
read_wait(struct part_read *r)
{
    while (r->arg != NULL) {
        assert_true(test_loop_step(&w.loop));
    }
    assert_int_equal(r->rc, SL_OK);
}

/* Whole batches from `offset` on, and nothing else; gives where they end. */
static int64_t
assert_batches(struct part_read *r, int64_t offset)
{
    struct buf *all = part_read_join(r);
    struct span rest = all == NULL ? r->pieces[0].bytes : buf_span(all);
    struct span batch;
    struct batch_info info;
    int64_t next = offset / 10 * 10;
    assert_true(r->total_bytes > 0);
    assert_int_equal(rest.len % BATCH_BYTES, 0);
    while (batch_next(&rest, &info, &batch)) {
        assert_int_equal(info.base_offset, next);
        next += 10;
    }
    assert_int_equal(rest.len, 0);
    buf_unref(&all);
    part_read_fini(r);
    return next;
}

/* Producers who wait twenty times as long as usual, and will go on waiting. */
static void
make_producers_wait(void)
{
    for (int i = 0; i < 3000; i++) {
        int64_t took = (i < 1000 ? 1 : 20) * SCHED_MS;
        w.loop.now_ns += SCHED_MS;
        cold_append_begin(&cold);
        cold_append_end(&cold, w.loop.now_ns, took, 0);
        (void)cold_take(&cold, w.loop.now_ns, i < 1000 ? 0 : CACHE_BLOCK);
    }
    cold_append_begin(&cold);
}

struct ticker {
    struct sched_task task;
    int ticks;
    bool is_over;
};

static void
tick(struct sched_task *task)
{
    struct ticker *t = SL_CONTAINER_OF(task, struct ticker, task);
    t->ticks++;
    if (!t->is_over) {
        sched_post(&w.loop.pub, task);
    }
}

TEST(read__longer_than_a_block__others_have_their_turn_between_blocks)
{
    struct part_read warm = read_from(0, MANY * BATCH_BYTES);
    struct part_read r = warm;
    struct ticker others = {.task.run = tick};
    read_begin(&warm);
    read_wait(&warm);
    assert_int_equal(assert_batches(&warm, 0), MANY * 10);
    assert_int_equal(w.brokers[0].store.gets, 3);
    sched_post(&w.loop.pub, &others.task);
    read_begin(&r); /* all of it is in memory now */
    read_wait(&r);
    assert_int_equal(assert_batches(&r, 0), MANY * 10);
    assert_int_equal(w.brokers[0].store.gets, 3);
    assert_true(others.ticks >= 3);
    others.is_over = true;
    run_ms(0);
}

TEST(read__on_from_where_an_answer_ended__begins_there_and_not_at_the_slice)
{
    struct part_read r = read_from(0, 300 * BATCH_BYTES);
    struct plan plan;
    read_begin(&r);
    read_wait(&r);
    int64_t next = assert_batches(&r, 0);
    assert_int_equal(next, 3000);
    r = read_from(next, 300 * BATCH_BYTES);
    r.shard = w.brokers[0].shard;
    shard__plan(&r, part_at(0, 0), &plan);
    uint32_t slice = plan.extents[0].position, end = slice + plan.extents[0].length;
    shard__resume_apply(&r, &plan);
    assert_int_equal(plan.extents[0].position, SEGMENT_HEADER_BYTES + 300 * BATCH_BYTES);
    assert_int_equal(plan.extents[0].first_offset, next);
    assert_int_equal(plan.extents[0].position + plan.extents[0].length, end);
    read_begin(&r);
    read_wait(&r);
    assert_int_equal(assert_batches(&r, next), 6000);
}

TEST(read__on_from_elsewhere__what_is_remembered_does_not_matter)
{
    struct part_read r = read_from(0, 300 * BATCH_BYTES);
    read_begin(&r);
    read_wait(&r);
    (void)assert_batches(&r, 0);
    for (int64_t offset = 2990; offset <= 3010; offset += 5) {
        r = read_from(offset, 10 * BATCH_BYTES);
        read_begin(&r);
        read_wait(&r);
        assert_int_equal(assert_batches(&r, offset), offset / 10 * 10 + 100);
    }
}

TEST(read__while_producers_wait__has_to_wait_too)
{
    struct part_read r = read_from(0, 100 * BATCH_BYTES);
    make_producers_wait();
    while (cold_take(&cold, w.loop.now_ns, CACHE_BLOCK) == 0) {
    }
    int64_t began = w.loop.now_ns;
    read_begin(&r);
    run_ms(0);
    assert_non_null(r.arg);
    assert_int_equal(w.brokers[0].store.gets, 0);
    run_ms(100);
    assert_null(r.arg);
    assert_true(w.loop.now_ns > began);
    (void)assert_batches(&r, 0);
    cold_append_end(&cold, w.loop.now_ns, -1, 0);
}

TEST(read__not_for_a_consumer__does_not_wait_for_producers)
{
    struct part_read r = read_from(0, 100 * BATCH_BYTES);
    r.gives_way = false;
    make_producers_wait();
    while (cold_take(&cold, w.loop.now_ns, CACHE_BLOCK) == 0) {
    }
    read_begin(&r);
    run_ms(0);
    assert_null(r.arg);
    (void)assert_batches(&r, 0);
    cold_append_end(&cold, w.loop.now_ns, -1, 0);
}

TEST(read__held_back_for_long__gives_what_it_has)
{
    struct part_read r = read_from(0, MANY * BATCH_BYTES);
    make_producers_wait();
    cold.allowance = 0; /* one block */
    read_begin(&r);
    run_ms(0);
    assert_non_null(r.arg);
    cold.allowance = -(INT64_C(1) << 40); /* others were first, and took what there is for long */
    run_ms(1000);
    assert_null(r.arg);
    assert_true(r.total_bytes < MANY * BATCH_BYTES);
    (void)assert_batches(&r, 0);
    cold_append_end(&cold, w.loop.now_ns, -1, 0);
}

TEST(read__at_the_tail__does_not_wait_for_producers)
{
    struct part_read r = read_from(MANY * 10, 100 * BATCH_BYTES);
    append_batches(0, 0, 3);
    make_producers_wait();
    cold.allowance = -(INT64_C(1) << 40);
    read_begin(&r);
    run_ms(0);
    assert_null(r.arg);
    assert_int_equal(assert_batches(&r, MANY * 10), (MANY + 3) * 10);
    cold_append_end(&cold, w.loop.now_ns, -1, 0);
}

TEST(close__while_a_read_is_held_back__it_ends)
{
    struct part_read r = read_from(0, 100 * BATCH_BYTES);
    make_producers_wait();
    while (cold_take(&cold, w.loop.now_ns, CACHE_BLOCK) == 0) {
    }
    read_begin(&r);
    run_ms(0);
    assert_non_null(r.arg);
    broker_stop(0);
    assert_null(r.arg);
    part_read_fini(&r);
    cold_append_end(&cold, w.loop.now_ns, -1, 0);
}

TEST(ahead__a_consumer_that_does_not_come_back__one_answer_is_read_for_it)
{
    struct part_read r = read_from(0, 100 * BATCH_BYTES);
    read_begin(&r);
    read_wait(&r);
    (void)assert_batches(&r, 0);
    run_ms(60000);
    assert_int_equal(w.brokers[0].store.gets, 1); /* the next answer lies in that block too */
    r = read_from(0, CACHE_BLOCK);
    read_begin(&r);
    read_wait(&r);
    (void)assert_batches(&r, 0);
    run_ms(60000);
    assert_int_equal(w.brokers[0].store.gets, 2);
}

TEST(ahead__a_consumer_that_goes_on__never_more_than_two_answers_before_it)
{
    const size_t step = 400 * BATCH_BYTES;
    int64_t next = 0;
    while (next < MANY * 10) {
        struct part_read r = read_from(next, step);
        read_begin(&r);
        read_wait(&r);
        next = assert_batches(&r, next);
        run_ms(1000);
        uint64_t end = SEGMENT_HEADER_BYTES + (uint64_t)next / 10 * BATCH_BYTES + step;
        size_t most = (size_t)(end / CACHE_BLOCK + 1);
        assert_true(w.brokers[0].store.gets <= most);
    }
    assert_int_equal(w.brokers[0].store.gets, 3); /* each block once */
}

/* Reads all there is; gives the time it took. */
static int64_t
read_all(size_t step, int64_t think_ms)
{
    int64_t began = w.loop.now_ns, next = 0;
    while (next < part_at(0, 0)->end) {
        struct part_read r = read_from(next, step);
        read_begin(&r);
        read_wait(&r);
        next = assert_batches(&r, next);
        run_ms(think_ms);
    }
    return w.loop.now_ns - began;
}

TEST(ahead__store_slow_and_consumer_quick__reads_further_ahead)
{
    append_quickly(4 * MANY);
    run_ms(1000000);
    broker_stop(0);
    broker_start(0);
    assert_int_equal(part_at(0, 0)->run_count, 0);
    w.get_ms = 50;
    int64_t took = read_all(CACHE_BLOCK, 20);
    assert_true(w.gets_most >= 3);
    /* Fourteen answers; with one of them ahead each would take as long as the store. */
    assert_true(took < 14 * 40 * SCHED_MS);
}

TEST(ahead__store_slow_and_consumer_slow__reads_one_answer_ahead)
{
    w.get_ms = 50;
    (void)read_all(1000 * BATCH_BYTES, 1000);
    assert_int_equal(w.brokers[0].store.gets, 3);
    assert_true(w.gets_most <= 2); /* an answer lies in two blocks */
}

TEST(pace__waits_and_calm__twice_as_far_and_back)
{
    struct pace p = {.answers = 1, .is_known = true};
    const struct ahead_got waited = {.waited_ns = 50 * SCHED_MS}, calm = {.waited_ns = SCHED_MS};
    for (int i = 0; i < 10; i++) {
        p = shard__pace_next(&p, &waited);
        assert_int_equal(p.answers, i < 3 ? 2 << i : 8);
        p.is_known = true;
    }
    for (int i = 0; i < 7 * 16; i++) {
        p = shard__pace_next(&p, &calm);
        p.is_known = true;
    }
    assert_int_equal(p.answers, 1);
}

TEST(pace__no_room_or_read_in_vain__half_as_far)
{
    const struct pace far = {.answers = 8, .is_known = true};
    const struct ahead_got full = {.is_full = true, .waited_ns = 50 * SCHED_MS};
    const struct ahead_got lost = {.started = 1, .waited_ns = 50 * SCHED_MS};
    assert_int_equal(shard__pace_next(&far, &full).answers, 4);
    assert_int_equal(shard__pace_next(&far, &lost).answers, 4);
    const struct pace stranger = {.answers = 1};
    assert_int_equal(shard__pace_next(&stranger, &lost).answers, 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(read__longer_than_a_block__others_have_their_turn_between_blocks),
        T(read__on_from_where_an_answer_ended__begins_there_and_not_at_the_slice),
        T(read__on_from_elsewhere__what_is_remembered_does_not_matter),
        T(read__while_producers_wait__has_to_wait_too),
        T(read__not_for_a_consumer__does_not_wait_for_producers),
        T(read__held_back_for_long__gives_what_it_has),
        T(read__at_the_tail__does_not_wait_for_producers),
        T(close__while_a_read_is_held_back__it_ends),
        T(ahead__a_consumer_that_does_not_come_back__one_answer_is_read_for_it),
        T(ahead__a_consumer_that_goes_on__never_more_than_two_answers_before_it),
        T(ahead__store_slow_and_consumer_quick__reads_further_ahead),
        T(ahead__store_slow_and_consumer_slow__reads_one_answer_ahead),
        T(pace__waits_and_calm__twice_as_far_and_back),
        T(pace__no_room_or_read_in_vain__half_as_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
