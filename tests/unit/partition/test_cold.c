/* SPDX-License-Identifier: Apache-2.0
 *
 * How much of the store consumers may have while producers wait. Time is a number here. */
#include "../unit.h"
#include "base/buf.h"
#include "partition/cold.h"

#define MS INT64_C(1000000)
enum { BLOCK = 1 << 20, ACKS_A_MS = 2 };

struct world {
    struct cold cold;
    int64_t now_ns, read_bytes;
    size_t batch_bytes;
};

static int
setup(void **state)
{
    struct world *w = (struct world *)sl_alloc(sizeof(*w));
    cold_init(&w->cold);
    w->now_ns = 1000 * MS;
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = (struct world *)*state;
    cold_fini(&w->cold);
    sl_free(w);
    return 0;
}

static void
acks(struct world *w, int64_t took_ns)
{
    for (int i = 0; i < ACKS_A_MS; i++) {
        cold_append_begin(&w->cold);
        cold_append_end(&w->cold, w->now_ns, took_ns, w->batch_bytes);
    }
}

/* Producers whose batches take so long, and readers who want `want` bytes per millisecond of what
 * they are allowed. */
static void
pass(struct world *w, int64_t ms, int64_t took_ns, int64_t want)
{
    for (int64_t i = 0; i < ms; i++) {
        w->now_ns += MS;
        if (took_ns > 0) {
            acks(w, took_ns);
        }
        for (int64_t left = want; left > 0; left -= BLOCK) {
            if (cold_take(&w->cold, w->now_ns, BLOCK) == 0) {
                w->read_bytes += BLOCK;
            }
        }
    }
}

/* Bytes per second that readers get in the time to come. */
static int64_t
rate_in(struct world *w, int64_t ms, int64_t took_ns)
{
    w->read_bytes = 0;
    pass(w, ms, took_ns, 4 * (int64_t)BLOCK);
    return w->read_bytes * 1000 / ms;
}

#define TEST(name)                                                                                 \
    static void name(struct world *w);                                                             \
    static void name##_in(void **state)                                                            \
    {                                                                                              \
        name((struct world *)*state);                                                              \
    }                                                                                              \
    static void name(struct world *w)

TEST(take__no_producer__everything_at_once)
{
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(cold_take(&w->cold, w->now_ns, BLOCK), 0);
    }
}

TEST(take__producers_as_fast_as_ever__everything_that_is_wanted)
{
    pass(w, 1000, MS, 0);
    assert_true(rate_in(w, 100, MS) < 3 * COLD_RATE_MIN); /* to begin with */
    pass(w, 600, MS, 4 * (int64_t)BLOCK);
    assert_int_equal(rate_in(w, 5000, MS), 4000 * (int64_t)BLOCK);
}

TEST(take__a_replay_that_producers_feel__is_not_felt_for_long_when_it_begins)
{
    const int64_t knee = INT64_C(300) << 20;
    int felt = 0;
    int64_t last = 0;
    pass(w, 1000, MS, 0);
    for (int i = 0; i < 20; i++) {
        last = rate_in(w, 100, last > knee ? 5 * MS : MS);
        felt += last > knee ? 1 : 0;
    }
    assert_true(felt <= 3);
}

TEST(take__producers_get_slow_when_much_is_read__halved_until_they_are_not)
{
    pass(w, 1000, MS, 0);
    pass(w, 1000, MS, 4 * (int64_t)BLOCK);
    int64_t before = rate_in(w, 100, 10 * MS);
    pass(w, 100, 10 * MS, 4 * (int64_t)BLOCK); /* judged with the first batch of the next window */
    pass(w, 200, MS, 4 * (int64_t)BLOCK);
    int64_t after = rate_in(w, 50, MS);
    assert_true(after < before * 7 / 10);
    assert_true(after >= COLD_RATE_MIN / 2);
    int64_t later = rate_in(w, 2000, MS);
    assert_true(later > after);
}

TEST(take__producers_slow_only_above_a_rate__settles_around_it)
{
    const int64_t knee = INT64_C(400) << 20;
    pass(w, 1000, MS, 0);
    int64_t total = 0, last = 0;
    for (int i = 0; i < 300; i++) {
        last = rate_in(w, 100, last > knee ? 5 * MS : MS);
        total += i >= 100 ? last : 0;
    }
    assert_true(total / 200 > knee / 2);
    assert_true(total / 200 < knee * 11 / 10);
}

TEST(take__producers_slow_whatever_is_read__never_below_the_floor)
{
    pass(w, 1000, MS, 0);
    int64_t took = 10 * MS;
    for (int i = 0; i < 20; i++, took *= 2) { /* so that it never becomes usual */
        int64_t rate = rate_in(w, 200, took);
        assert_true(rate >= COLD_RATE_MIN * 8 / 10);
        assert_true(i < 10 || rate < 2 * COLD_RATE_MIN);
    }
}

TEST(take__much_is_written__the_floor_is_that_much)
{
    w->batch_bytes = 128 << 10; /* 250 MiB/s in all */
    pass(w, 2000, MS, 0);
    int64_t took = 10 * MS;
    for (int i = 0; i < 20; i++, took *= 2) {
        int64_t rate = rate_in(w, 200, took);
        assert_true(rate >= INT64_C(225) << 20);
        assert_true(i < 10 || rate < INT64_C(400) << 20);
    }
    w->batch_bytes = 0;
    for (int i = 0; i < 8; i++, took *= 2) {
        pass(w, 200, took, 4 * (int64_t)BLOCK);
    }
    assert_true(rate_in(w, 200, took) < 2 * COLD_RATE_MIN);
}

TEST(take__the_log_is_slower_by_itself__becomes_usual_and_the_rate_comes_back)
{
    pass(w, 1000, MS, 0);
    pass(w, 1000, 20 * MS, 4 * (int64_t)BLOCK);
    assert_true(rate_in(w, 200, 20 * MS) < INT64_C(200) << 20);
    pass(w, 20000, 20 * MS, 4 * (int64_t)BLOCK);
    assert_true(rate_in(w, 1000, 20 * MS) > INT64_C(1000) << 20);
}

TEST(take__producers_begin_during_a_replay__floor_until_it_is_known_what_is_usual)
{
    pass(w, 100, 0, 4 * (int64_t)BLOCK);
    assert_true(rate_in(w, 100, MS) < 2 * COLD_RATE_MIN);
    pass(w, 400, MS, 4 * (int64_t)BLOCK);
    assert_true(rate_in(w, 100, MS) > 4 * COLD_RATE_MIN);
}

TEST(take__producers_stop__no_limit_soon_after)
{
    pass(w, 1000, MS, 0);
    pass(w, 1000, 50 * MS, 4 * (int64_t)BLOCK);
    assert_true(rate_in(w, 100, 50 * MS) < 4 * COLD_RATE_MIN);
    pass(w, 250, 0, 0);
    assert_int_equal(rate_in(w, 100, 0), 4000 * (int64_t)BLOCK);
}

TEST(take__a_batch_that_hangs__is_a_producer_that_waits)
{
    pass(w, 1000, MS, 0);
    pass(w, 1000, 50 * MS, 4 * (int64_t)BLOCK);
    cold_append_begin(&w->cold);
    pass(w, 5000, 0, 4 * (int64_t)BLOCK);
    assert_true(rate_in(w, 100, 0) < 8 * COLD_RATE_MIN);
    cold_append_end(&w->cold, w->now_ns, -1, 0);
    pass(w, 250, 0, 0);
    assert_int_equal(rate_in(w, 100, 0), 4000 * (int64_t)BLOCK);
}

TEST(take__refused__says_when_to_ask_again_and_it_is_allowed_then)
{
    pass(w, 1000, MS, 0);
    pass(w, 1000, 50 * MS, 4 * (int64_t)BLOCK);
    cold_append_begin(&w->cold);
    for (int i = 0; i < 100; i++) {
        int64_t again = cold_take(&w->cold, w->now_ns, BLOCK);
        if (again != 0) {
            assert_true(again > w->now_ns);
            assert_true(again <= w->now_ns + 20 * MS);
            w->now_ns = again;
            assert_int_equal(cold_take(&w->cold, w->now_ns, BLOCK), 0);
        }
    }
    cold_append_end(&w->cold, w->now_ns, -1, 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name##_in, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(take__no_producer__everything_at_once),
        T(take__producers_as_fast_as_ever__everything_that_is_wanted),
        T(take__a_replay_that_producers_feel__is_not_felt_for_long_when_it_begins),
        T(take__producers_get_slow_when_much_is_read__halved_until_they_are_not),
        T(take__producers_slow_only_above_a_rate__settles_around_it),
        T(take__producers_slow_whatever_is_read__never_below_the_floor),
        T(take__much_is_written__the_floor_is_that_much),
        T(take__the_log_is_slower_by_itself__becomes_usual_and_the_rate_comes_back),
        T(take__producers_begin_during_a_replay__floor_until_it_is_known_what_is_usual),
        T(take__producers_stop__no_limit_soon_after),
        T(take__a_batch_that_hangs__is_a_producer_that_waits),
        T(take__refused__says_when_to_ask_again_and_it_is_allowed_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
