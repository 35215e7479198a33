/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "base/arena.h"

static bool
is_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0) {
            return false;
        }
    }
    return true;
}

static void
alloc__many_sizes__zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a;
    uint8_t *at[300];
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < 300; i++) {
        at[i] = (uint8_t *)arena_alloc(&a, i);
        assert_non_null(at[i]);
        assert_int_equal((uintptr_t)at[i] % 16, 0);
        assert_true(is_zero(at[i], i));
        memset(at[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < 300; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_int_equal(at[i][k], i & 0xff);
        }
    }
    arena_fini(&a);
}

static void
alloc__larger_than_a_block__gets_one_of_its_own(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    uint8_t *p = (uint8_t *)arena_alloc(&a, 100000);
    assert_non_null(p);
    p[99999] = 1;
    assert_non_null(arena_alloc(&a, 100));
    arena_fini(&a);
}

static void
alloc__above_the_ceiling__is_null_and_smaller_ones_still_fit(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1000);
    assert_null(arena_alloc(&a, 1001));
    assert_non_null(arena_alloc(&a, 900));
    assert_null(arena_alloc(&a, 200));
    assert_non_null(arena_alloc(&a, 50));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_true(a.used <= a.ceiling);
    arena_fini(&a);
}

static void
array__count_times_item_overflows__is_null(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, SIZE_MAX / 2);
    assert_null(arena_array(&a, SIZE_MAX / 8, 16));
    assert_non_null(arena_array(&a, 10, 16));
    arena_fini(&a);
}

static void
copy__absent_and_empty__stay_different(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1000);
    assert_null(arena_copy(&a, (struct span){NULL, 0}).ptr);
    assert_non_null(arena_copy(&a, span_cstr("")).ptr);
    assert_true(span_eq(arena_copy(&a, span_cstr("abc")), span_cstr("abc")));
    assert_null(arena_copy(&a, span_of("x", 5000)).ptr);
    arena_fini(&a);
}

static void
fini__then_used_again__starts_empty(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 100);
    assert_non_null(arena_alloc(&a, 96));
    arena_fini(&a);
    assert_int_equal(a.used, 0);
    assert_non_null(arena_alloc(&a, 96));
    arena_fini(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc__many_sizes__zeroed_aligned_and_apart),
        cmocka_unit_test(alloc__larger_than_a_block__gets_one_of_its_own),
        cmocka_unit_test(alloc__above_the_ceiling__is_null_and_smaller_ones_still_fit),
        cmocka_unit_test(array__count_times_item_overflows__is_null),
        cmocka_unit_test(copy__absent_and_empty__stay_different),
        cmocka_unit_test(fini__then_used_again__starts_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
