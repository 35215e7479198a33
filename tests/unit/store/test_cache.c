/* The block cache: one read per block, a ceiling, least recently used first. */
#include "../unit.h"
#include "base/counters.h"
#include "fake_store.h"
#include "loop_fixture.h"
#include "store/cache.h"

struct world {
    struct loop_fixture loop;
    struct fake_store fake;
    struct cache *cache;
    size_t done;
};

struct asker {
    struct cache_read read;
    struct world *w;
};

static void
asker_done(struct cache_read *read)
{
    SL_CONTAINER_OF(read, struct asker, read)->w->done++;
}

static void
ask_as(struct world *w, struct asker *a, uint64_t reader, const char *key, uint64_t block)
{
    memset(a, 0, sizeof(*a));
    a->w = w;
    a->read.home = &w->loop.sched;
    a->read.done = asker_done;
    a->read.block = block;
    a->read.reader = reader;
    (void)snprintf(a->read.key, sizeof(a->read.key), "%s", key);
    cache_submit(w->cache, &a->read);
}

static void
ask(struct world *w, struct asker *a, const char *key, uint64_t block)
{
    ask_as(w, a, CACHE_READS_ONCE, key, block);
}

static struct buf *
peek(struct world *w, const char *key, uint64_t block, uint64_t *ret_object_size)
{
    const struct cache_key at = {key, block, CACHE_READS_ONCE};
    return cache_try(w->cache, &at, ret_object_size);
}

static struct buf *
block_of(size_t len, uint8_t byte)
{
    struct buf *b = buf_new(len);
    memset(b->data, byte, len);
    b->len = len;
    return b;
}

static int
setup(void **state)
{
    struct world *w = (struct world *)sl_alloc(sizeof(*w));
    loop_init(&w->loop);
    fake_init(&w->fake);
    w->cache = cache_open(&w->fake.pub, 8 * (size_t)CACHE_BLOCK);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = (struct world *)*state;
    cache_close(&w->cache);
    loop_fini(&w->loop);
    sl_free(w);
    buf_pool_trim();
    return 0;
}

/* Of a read ahead nobody waits: done only lets go of it. */
static enum cache_ahead
ask_ahead(struct world *w, struct asker *a, uint64_t block)
{
    memset(a, 0, sizeof(*a));
    a->w = w;
    a->read.home = &w->loop.sched;
    a->read.done = asker_done;
    a->read.block = block;
    (void)snprintf(a->read.key, sizeof(a->read.key), "seg");
    return cache_submit_ahead(w->cache, &a->read);
}

/* Answers the read ahead of a block. */
static void
arrive(struct world *w, struct asker *a)
{
    size_t before = w->done;
    fake_answer(&w->fake, STORE_DONE, block_of(CACHE_BLOCK, 1));
    loop_run_until(&w->loop, &w->done, before + 1);
    buf_unref(&a->read.out);
}

/* Reads a block from the store and forgets the answer. */
static void
warm(struct world *w, const char *key, uint64_t block)
{
    struct asker a;
    size_t before = w->done;
    ask(w, &a, key, block);
    fake_answer(&w->fake, STORE_DONE, block_of(CACHE_BLOCK, (uint8_t)block));
    loop_run_until(&w->loop, &w->done, before + 1);
    buf_unref(&a.read.out);
}

/* One block, as a reader of a whole log asks for it: from the store or from memory, chunk by chunk.
 * False: it was here. */
static bool
read_by(struct world *w, uint64_t reader, const char *key, uint64_t block)
{
    const struct cache_key at = {key, block, reader};
    struct buf *b = cache_try(w->cache, &at, NULL);
    bool is_here = b != NULL;
    if (!is_here) {
        struct asker a;
        size_t before = w->done;
        ask_as(w, &a, reader, key, block);
        fake_answer(&w->fake, STORE_DONE, block_of(CACHE_BLOCK, (uint8_t)block));
        loop_run_until(&w->loop, &w->done, before + 1);
        b = a.read.out;
    }
    buf_unref(&b);
    for (int chunk = 0; chunk < 3; chunk++) {
        b = cache_try(w->cache, &at, NULL);
        assert_non_null(b);
        buf_unref(&b);
    }
    return !is_here;
}

static bool
is_here(struct world *w, const char *key, uint64_t block)
{
    struct buf *b = peek(w, key, block, NULL);
    bool is = b != NULL;
    buf_unref(&b);
    return is;
}

static void
submit__ten_askers_of_one_block__one_read(void **state)
{
    struct world *w = (struct world *)*state;
    struct asker a[10];
    for (size_t i = 0; i < 10; i++) {
        ask(w, &a[i], "seg", 3);
    }
    assert_int_equal(w->fake.total, 1);
    assert_int_equal(w->fake.calls[0]->offset, 3 * CACHE_BLOCK);
    assert_int_equal(w->fake.calls[0]->length, CACHE_BLOCK);
    fake_answer(&w->fake, STORE_DONE, block_of(1000, 7));
    loop_run_until(&w->loop, &w->done, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(a[i].read.outcome, STORE_DONE);
        assert_int_equal(a[i].read.out->len, 1000);
        assert_ptr_equal(a[i].read.out, a[0].read.out);
        if (i > 0) {
            buf_unref(&a[i].read.out);
        }
    }
    buf_unref(&a[0].read.out);
}

static void
submit__block_is_here__answers_later_without_the_store(void **state)
{
    struct world *w = (struct world *)*state;
    struct asker a;
    warm(w, "seg", 0);
    ask(w, &a, "seg", 0);
    assert_int_equal(w->done, 1);
    loop_run_until(&w->loop, &w->done, 2);
    assert_int_equal(w->fake.total, 1);
    assert_non_null(a.read.out);
    buf_unref(&a.read.out);
}

static void
try__miss_then_hit__gives_the_bytes_at_once(void **state)
{
    struct world *w = (struct world *)*state;
    uint64_t size = 0;
    assert_null(peek(w, "seg", 0, NULL));
    warm(w, "seg", 0);
    struct buf *b = peek(w, "seg", 0, &size);
    assert_non_null(b);
    assert_int_equal(size, CACHE_BLOCK);
    buf_unref(&b);
}

static void
ceiling__more_blocks_than_fit__the_least_recently_used_go(void **state)
{
    struct world *w = (struct world *)*state;
    for (uint64_t i = 0; i < 7; i++) {
        warm(w, "seg", i);
    }
    struct buf *b = peek(w, "seg", 0, NULL); /* block 0 is used again */
    assert_non_null(b);
    buf_unref(&b);
    warm(w, "seg", 7);
    warm(w, "seg", 8);
    assert_true(cache_bytes(w->cache) <= 8 * (size_t)CACHE_BLOCK);
    b = peek(w, "seg", 0, NULL);
    assert_non_null(b);
    buf_unref(&b);
    assert_null(peek(w, "seg", 1, NULL));
}

static void
failure__read_fails__every_asker_hears_it_and_nothing_is_kept(void **state)
{
    struct world *w = (struct world *)*state;
    struct asker a[2];
    ask(w, &a[0], "seg", 0);
    ask(w, &a[1], "seg", 0);
    fake_answer(&w->fake, STORE_ERROR, NULL);
    loop_run_until(&w->loop, &w->done, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(a[i].read.outcome, STORE_ERROR);
        assert_int_equal(a[i].read.rc, SL_EIO);
        assert_string_equal(a[i].read.why, "as told");
        assert_null(a[i].read.out);
    }
    warm(w, "seg", 0);
    assert_int_equal(w->fake.total, 2);
}

static void
burst__more_cold_blocks_than_may_be_read_at_once__wait_their_turn(void **state)
{
    struct world *w = (struct world *)*state;
    struct asker a[20];
    for (size_t i = 0; i < 20; i++) {
        ask(w, &a[i], "seg", i);
    }
    assert_int_equal(w->fake.total, 4); /* READING_MIN at this ceiling */
    while (w->done < 20) {
        assert_true(w->fake.count <= 4);
        if (w->fake.count > 0) {
            fake_answer(&w->fake, STORE_DONE, block_of(CACHE_BLOCK, 1));
        }
        loop_run_one(&w->loop);
    }
    assert_int_equal(w->fake.total, 20);
    for (size_t i = 0; i < 20; i++) {
        buf_unref(&a[i].read.out);
    }
}

static void
forget__while_being_read__askers_get_it_and_nobody_after(void **state)
{
    struct world *w = (struct world *)*state;
    struct asker a;
    ask(w, &a, "seg", 0);
    cache_forget(w->cache, "seg", CACHE_BLOCK);
    fake_answer(&w->fake, STORE_DONE, block_of(100, 1));
    loop_run_until(&w->loop, &w->done, 1);
    assert_int_equal(a.read.out->len, 100);
    buf_unref(&a.read.out);
    assert_null(peek(w, "seg", 0, NULL));
    assert_int_equal(cache_bytes(w->cache), 0);
}

static void
forget__blocks_that_are_here__are_gone(void **state)
{
    struct world *w = (struct world *)*state;
    warm(w, "seg", 0);
    warm(w, "seg", 1);
    warm(w, "other", 0);
    cache_forget(w->cache, "seg", 2 * (uint64_t)CACHE_BLOCK);
    assert_null(peek(w, "seg", 0, NULL));
    assert_null(peek(w, "seg", 1, NULL));
    struct buf *b = peek(w, "other", 0, NULL);
    assert_non_null(b);
    buf_unref(&b);
}

static void
ahead__asked_for_while_it_is_read__one_read_and_both_get_it(void **state)
{
    struct world *w = (struct world *)*state;
    struct asker ahead;
    struct asker a;
    assert_int_equal(ask_ahead(w, &ahead, 3), CACHE_AHEAD_STARTED);
    assert_int_equal(w->fake.calls[0]->offset, 3 * CACHE_BLOCK);
    ask(w, &a, "seg", 3);
    assert_int_equal(w->fake.total, 1);
    fake_answer(&w->fake, STORE_DONE, block_of(1000, 7));
    loop_run_until(&w->loop, &w->done, 2);
    assert_ptr_equal(ahead.read.out, a.read.out);
    buf_unref(&ahead.read.out);
    buf_unref(&a.read.out);
}

static void
ahead__is_here_or_being_read__nothing_happens(void **state)
{
    struct world *w = (struct world *)*state;
    struct asker a;
    struct asker ahead;
    warm(w, "seg", 0);
    ask(w, &a, "seg", 1);
    assert_int_equal(ask_ahead(w, &ahead, 0), CACHE_AHEAD_HAS);
    assert_int_equal(ask_ahead(w, &ahead, 1), CACHE_AHEAD_HAS);
    assert_int_equal(w->fake.total, 2);
    arrive(w, &a);
    assert_int_equal(w->done, 2);
}

static void
ahead__much_that_nobody_asked_for__full_until_somebody_asks(void **state)
{
    struct world *w = (struct world *)*state;
    struct asker ahead;
    for (uint64_t i = 0; i < 4; i++) { /* half of the ceiling */
        assert_int_equal(ask_ahead(w, &ahead, i), CACHE_AHEAD_STARTED);
        arrive(w, &ahead);
    }
    assert_int_equal(ask_ahead(w, &ahead, 4), CACHE_AHEAD_FULL);
    struct buf *b = peek(w, "seg", 2, NULL);
    assert_non_null(b);
    buf_unref(&b);
    assert_int_equal(ask_ahead(w, &ahead, 4), CACHE_AHEAD_STARTED);
    arrive(w, &ahead);
    assert_int_equal(ask_ahead(w, &ahead, 5), CACHE_AHEAD_FULL);
}

static void
ahead__unused_and_pushed_out_or_failed__makes_room(void **state)
{
    struct world *w = (struct world *)*state;
    struct asker ahead;
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(ask_ahead(w, &ahead, i), CACHE_AHEAD_STARTED);
        arrive(w, &ahead);
    }
    for (uint64_t i = 10; i < 17; i++) {
        warm(w, "seg", i);
    }
    size_t before = w->done;
    assert_int_equal(ask_ahead(w, &ahead, 4), CACHE_AHEAD_STARTED);
    fake_answer(&w->fake, STORE_ERROR, NULL);
    loop_run_until(&w->loop, &w->done, before + 1);
    for (uint64_t i = 20; i < 24; i++) {
        assert_int_equal(ask_ahead(w, &ahead, i), CACHE_AHEAD_STARTED);
        arrive(w, &ahead);
    }
    assert_int_equal(ask_ahead(w, &ahead, 24), CACHE_AHEAD_FULL);
}

static void
ahead__reads_that_are_waited_for__come_first(void **state)
{
    struct world *w = (struct world *)*state;
    struct asker a[3];
    struct asker ahead;
    for (size_t i = 0; i < 3; i++) {
        ask(w, &a[i], "seg", i);
    }
    assert_int_equal(ask_ahead(w, &ahead, 9), CACHE_AHEAD_FULL);
    for (size_t i = 0; i < 3; i++) {
        arrive(w, &a[i]);
    }
    assert_int_equal(ask_ahead(w, &ahead, 9), CACHE_AHEAD_STARTED);
    arrive(w, &ahead);
}

static void
admission__a_backfill_larger_than_the_cache__leaves_what_two_readers_asked_for(void **state)
{
    struct world *w = (struct world *)*state;
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(read_by(w, 1, "hot", i));
        assert_false(read_by(w, 2, "hot", i));
    }
    for (uint64_t i = 0; i < 40; i++) {
        assert_true(read_by(w, 3, "old", i));
        assert_true(cache_bytes(w->cache) <= 8 * (size_t)CACHE_BLOCK);
    }
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(is_here(w, "hot", i));
    }
}

static void
admission__one_reader_asks_again_and_again__is_one_use(void **state)
{
    struct world *w = (struct world *)*state;
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(read_by(w, 1, "once", i));
        assert_false(read_by(w, 1, "once", i));
    }
    for (uint64_t i = 0; i < 8; i++) {
        assert_true(read_by(w, 2, "old", i));
    }
    for (uint64_t i = 0; i < 3; i++) {
        assert_false(is_here(w, "once", i));
    }
}

static void
admission__who_reads_once__makes_nothing_shared_and_is_no_first_reader(void **state)
{
    struct world *w = (struct world *)*state;
    assert_true(read_by(w, CACHE_READS_ONCE, "seg", 0));
    assert_false(read_by(w, 1, "seg", 0));
    assert_true(read_by(w, 1, "seg", 1));
    assert_false(read_by(w, CACHE_READS_ONCE, "seg", 1));
    for (uint64_t i = 0; i < 8; i++) {
        assert_true(read_by(w, 3, "old", i));
    }
    assert_false(is_here(w, "seg", 0));
    assert_false(is_here(w, "seg", 1));
}

static void
admission__a_second_reader_while_it_is_read__is_shared_when_it_comes(void **state)
{
    struct world *w = (struct world *)*state;
    struct asker a[2];
    ask_as(w, &a[0], 1, "hot", 0);
    ask_as(w, &a[1], 2, "hot", 0);
    fake_answer(&w->fake, STORE_DONE, block_of(CACHE_BLOCK, 1));
    loop_run_until(&w->loop, &w->done, 2);
    buf_unref(&a[0].read.out);
    buf_unref(&a[1].read.out);
    for (uint64_t i = 0; i < 8; i++) {
        assert_true(read_by(w, 3, "old", i));
    }
    assert_true(is_here(w, "hot", 0));
}

static void
admission__more_is_shared_than_its_half__the_oldest_of_it_can_go_again(void **state)
{
    struct world *w = (struct world *)*state;
    for (uint64_t i = 0; i < 6; i++) {
        assert_true(read_by(w, 1, "hot", i));
        assert_false(read_by(w, 2, "hot", i));
    }
    for (uint64_t i = 0; i < 8; i++) {
        assert_true(read_by(w, 3, "old", i));
        assert_true(cache_bytes(w->cache) <= 8 * (size_t)CACHE_BLOCK);
    }
    for (uint64_t i = 0; i < 6; i++) { /* three and their headers are what half has room for */
        assert_int_equal(is_here(w, "hot", i), i >= 3);
    }
}

static void
admission__shared_and_deleted__its_room_is_free_again(void **state)
{
    struct world *w = (struct world *)*state;
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(read_by(w, 1, "hot", i));
        assert_false(read_by(w, 2, "hot", i));
    }
    cache_forget(w->cache, "hot", 3 * (uint64_t)CACHE_BLOCK);
    assert_int_equal(cache_bytes(w->cache), 0);
    for (uint64_t i = 0; i < 7; i++) {
        assert_true(read_by(w, 1, "all", i));
    }
    for (uint64_t i = 0; i < 7; i++) {
        assert_true(is_here(w, "all", i));
    }
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(submit__ten_askers_of_one_block__one_read),
        T(submit__block_is_here__answers_later_without_the_store),
        T(try__miss_then_hit__gives_the_bytes_at_once),
        T(ceiling__more_blocks_than_fit__the_least_recently_used_go),
        T(failure__read_fails__every_asker_hears_it_and_nothing_is_kept),
        T(burst__more_cold_blocks_than_may_be_read_at_once__wait_their_turn),
        T(forget__while_being_read__askers_get_it_and_nobody_after),
        T(forget__blocks_that_are_here__are_gone),
        T(ahead__asked_for_while_it_is_read__one_read_and_both_get_it),
        T(ahead__is_here_or_being_read__nothing_happens),
        T(ahead__much_that_nobody_asked_for__full_until_somebody_asks),
        T(ahead__unused_and_pushed_out_or_failed__makes_room),
        T(ahead__reads_that_are_waited_for__come_first),
        T(admission__a_backfill_larger_than_the_cache__leaves_what_two_readers_asked_for),
        T(admission__one_reader_asks_again_and_again__is_one_use),
        T(admission__who_reads_once__makes_nothing_shared_and_is_no_first_reader),
        T(admission__a_second_reader_while_it_is_read__is_shared_when_it_comes),
        T(admission__more_is_shared_than_its_half__the_oldest_of_it_can_go_again),
        T(admission__shared_and_deleted__its_room_is_free_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
