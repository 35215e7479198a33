/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "base/sched.h"

enum { TIMERS = 200 };

static void
heap_check(const struct timer_heap *h)
{
    for (size_t i = 1; i <= h->count; i++) {
        assert_int_equal(h->items[i]->heap_pos, i);
        if (i > 1) {
            assert_true(h->items[i / 2]->due_ns <= h->items[i]->due_ns);
        }
    }
}

static int64_t
random_due(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (int64_t)(*seed >> 16) % 1000;
}

static void
first__timers_in_any_order__comes_out_sorted(void **state)
{
    (void)state;
    struct sched_timer timers[TIMERS] = {{0}};
    struct timer_heap h = {0};
    uint32_t seed = 7;
    for (size_t i = 0; i < TIMERS; i++) {
        timer_heap_set(&h, &timers[i], random_due(&seed));
        heap_check(&h);
    }
    int64_t last = -1;
    size_t count = 0;
    for (struct sched_timer *t; (t = timer_heap_first(&h)) != NULL; count++) {
        assert_true(t->due_ns >= last);
        last = t->due_ns;
        timer_heap_stop(&h, t);
        heap_check(&h);
    }
    assert_int_equal(count, TIMERS);
    timer_heap_fini(&h);
}

static void
set__armed_already__moves_it(void **state)
{
    (void)state;
    struct sched_timer a = {0};
    struct sched_timer b = {0};
    struct timer_heap h = {0};
    timer_heap_set(&h, &a, 10);
    timer_heap_set(&h, &b, 20);
    timer_heap_set(&h, &a, 30);
    assert_int_equal(h.count, 2);
    assert_ptr_equal(timer_heap_first(&h), &b);
    timer_heap_set(&h, &a, 5);
    assert_ptr_equal(timer_heap_first(&h), &a);
    timer_heap_fini(&h);
}

static void
stop__not_armed__does_nothing(void **state)
{
    (void)state;
    struct sched_timer a = {0};
    struct timer_heap h = {0};
    timer_heap_stop(&h, &a);
    timer_heap_set(&h, &a, 1);
    timer_heap_stop(&h, &a);
    timer_heap_stop(&h, &a);
    assert_int_equal(a.heap_pos, 0);
    assert_null(timer_heap_first(&h));
    timer_heap_fini(&h);
}

static void
random_sets_and_stops__keep_the_heap(void **state)
{
    (void)state;
    struct sched_timer timers[TIMERS] = {{0}};
    struct timer_heap h = {0};
    uint32_t seed = 42;
    for (int step = 0; step < 20000; step++) {
        struct sched_timer *t = &timers[random_due(&seed) % TIMERS];
        if (random_due(&seed) % 3 == 0) {
            timer_heap_stop(&h, t);
        } else {
            timer_heap_set(&h, t, random_due(&seed));
        }
        if (step % 16 == 0) {
            heap_check(&h);
        }
    }
    heap_check(&h);
    timer_heap_fini(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first__timers_in_any_order__comes_out_sorted),
        cmocka_unit_test(set__armed_already__moves_it),
        cmocka_unit_test(stop__not_armed__does_nothing),
        cmocka_unit_test(random_sets_and_stops__keep_the_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
