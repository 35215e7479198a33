/* partition/tail_cache.c */
#include "partition/tail_cache.h"
#include "unit.h"

static void
add(struct tail_cache *c, uint64_t n, size_t bytes)
{
    struct buf *b = buf_new(bytes);
    b->len = bytes;
    tail_cache_add(c, n, b, buf_span(b));
    buf_unref(&b);
}

static void
find__gaps_in_n__only_what_is_there(void **state)
{
    (void)state;
    struct tail_cache c;
    tail_cache_init(&c, 1 << 20);
    for (uint64_t n = 10; n < 400; n += 3) {
        add(&c, n, 100);
    }
    for (uint64_t n = 0; n < 500; n++) {
        bool is_there = n >= 10 && n < 400 && (n - 10) % 3 == 0;
        const struct tail_entry *e = tail_cache_find(&c, n);
        assert_int_equal(e != NULL, is_there);
        assert_true(e == NULL || e->n == n);
    }
    tail_cache_fini(&c);
}

static void
add__above_ceiling__oldest_go_first(void **state)
{
    (void)state;
    struct tail_cache c;
    tail_cache_init(&c, 10000);
    for (uint64_t n = 1; n <= 300; n++) {
        add(&c, n, 1000);
        assert_true(c.bytes <= 10000);
    }
    assert_null(tail_cache_find(&c, 290));
    assert_non_null(tail_cache_find(&c, 291));
    assert_non_null(tail_cache_find(&c, 300));
    tail_cache_fini(&c);
}

static void
add__larger_than_the_ceiling__is_not_kept(void **state)
{
    (void)state;
    struct tail_cache c;
    tail_cache_init(&c, 10000);
    add(&c, 1, 1000);
    add(&c, 2, 20000);
    assert_non_null(tail_cache_find(&c, 1));
    assert_null(tail_cache_find(&c, 2));
    tail_cache_fini(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find__gaps_in_n__only_what_is_there),
        cmocka_unit_test(add__above_ceiling__oldest_go_first),
        cmocka_unit_test(add__larger_than_the_ceiling__is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
