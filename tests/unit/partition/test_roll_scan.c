/* SPDX-License-Identifier: Apache-2.0
 *
 * How the roller reads: one scan over the entries for all jobs, and passes over what many
 * partitions hold. A batch has 1000 bytes, a segment's worth is 4000 bytes. */
#include "roll_world.h"

#define TEST(name)                                                                                 \
    static void name(void **state);                                                                \
    static void name(void **state __attribute__((unused)))

/* One batch for each partition, all in one entry. */
static void
append_everywhere(int32_t filling)
{
    static uint8_t batches[PARTS][BATCH_BYTES];
    struct append a[PARTS] = {0};
    for (int32_t i = 0; i < PARTS; i++) {
        batch_make(batches[i], filling);
        a[i] = (struct append){.topic_id = w.topic,
                               .partition = i,
                               .batch = span_of(batches[i], BATCH_BYTES),
                               .deadline_ns = w.loop.now_ns + SCHED_S,
                               .done = append_ended,
                               .arg = &a[i]};
        assert_int_equal(batch_info_read(a[i].batch, &a[i].info), SL_OK);
        append_submit(w.brokers[0].shard, &a[i]);
    }
    run_ms(10);
    for (int32_t i = 0; i < PARTS; i++) {
        assert_null(a[i].arg);
    }
}

/* Nothing of what was written is in memory. */
static void
forget_the_tail(void)
{
    tail_cache_clear(&w.brokers[0].shard->tail);
}

static char *
entry_key_of(int32_t partition, size_t run)
{
    static char key[STORE_KEY_MAX];
    entry_key(key, sizeof(key), "_sluice", 0, part_run(part_at(0, partition), run)->n);
    return key;
}

/* --- one scan --- */

TEST(scan__entries_of_several_partitions__are_read_once_for_all)
{
    w.brokers[0].shard->o.roll.target_bytes = 8000;
    for (int32_t i = 0; i < 6; i++) {
        append_everywhere(i);
    }
    forget_the_tail();
    size_t before = w.brokers[0].store.entry_gets;
    w.brokers[0].shard->o.roll.age_ms = 1;
    run_ms(3000);
    for (int32_t p = 0; p < PARTS; p++) {
        assert_segment(0, p, 0, 59);
    }
    /* The first batches may have come in an entry each. */
    assert_in_range(w.brokers[0].store.entry_gets - before, 6, 6 + PARTS);
}

TEST(scan__in_the_tail_cache__asks_nobody)
{
    size_t before = w.brokers[0].store.entry_gets;
    append_batches(0, 0, 4);
    run_ms(100);
    assert_segment(0, 0, 0, 39);
    assert_int_equal(w.brokers[0].store.entry_gets, before);
}

TEST(scan__store_away_for_a_while__is_rolled_when_it_is_back)
{
    append_batches(0, 0, 3);
    forget_the_tail();
    play(0, TRICK_REFUSE, STORE_GET, "", 20);
    append_batches(0, 0, 1);
    run_ms(60000);
    assert_int_equal(w.brokers[0].store.times, 0);
    assert_segment(0, 0, 0, 39);
}

/* --- damage --- */

static void
damage(struct span entry, size_t at)
{
    ((uint8_t *)(uintptr_t)entry.ptr)[at] ^= 1;
}

TEST(scan__a_run_is_damaged__its_partition_waits_and_the_others_go_on)
{
    append_batches(0, 0, 3);
    append_batches(0, 1, 3);
    forget_the_tail();
    const struct run_ref bad = *part_run(part_at(0, 0), 1);
    struct span entry = object(entry_key_of(0, 1));
    damage(entry, bad.position + bad.length - 1);
    append_batches(0, 0, 1);
    append_batches(0, 1, 1);
    run_ms(2000);
    assert_segment(0, 1, 0, 39);
    assert_int_equal(part_segment_count(part_at(0, 0)), 0);
    assert_int_equal(part_at(0, 0)->run_count, 4);
    assert_int_equal(object(key_of(0, 0, ".kfs")).len, 0);
    assert_non_null(strstr(w.last_error, "partition.object_unreadable"));
    assert_non_null(strstr(w.last_error, entry_key_of(0, 1)));
    damage(entry, bad.position + bad.length - 1); /* somebody brings it back */
    run_ms(700000);
    assert_segment(0, 0, 0, 39);
}

TEST(scan__an_entry_is_gone__its_partition_waits_and_the_others_go_on)
{
    append_batches(0, 0, 3);
    append_batches(0, 1, 3);
    forget_the_tail();
    struct store_call del = {.kind = STORE_DEL};
    span_to_cstr(span_cstr(entry_key_of(0, 2)), del.key, sizeof(del.key));
    assert_int_equal(memory_del(&w.memory, &del), STORE_DONE);
    append_batches(0, 0, 1);
    append_batches(0, 1, 1);
    run_ms(2000);
    assert_segment(0, 1, 0, 39);
    assert_int_equal(part_segment_count(part_at(0, 0)), 0);
    assert_non_null(strstr(w.last_error, del.key));
}

/* --- what happens meanwhile --- */

TEST(scan__trimmed_while_an_entry_is_read__ends_and_begins_anew)
{
    append_batches(0, 0, 3);
    forget_the_tail();
    play(0, TRICK_HOLD, STORE_GET, entry_key_of(0, 0), 1);
    append_batches(0, 0, 1);
    trim(0, 0, 20);
    let_go(0);
    run_ms(2000);
    assert_int_equal(part_segment_count(part_at(0, 0)), 0);
    append_batches(0, 0, 2);
    run_ms(2000);
    assert_segment(0, 0, 20, 59);
}

TEST(scan__closed_while_an_entry_is_read__leaves_nothing)
{
    append_batches(0, 0, 3);
    forget_the_tail();
    play(0, TRICK_HOLD, STORE_GET, entry_key_of(0, 0), 1);
    append_batches(0, 0, 1);
    broker_stop(0); /* asserts that nothing is left */
    broker_start(0);
    append_batches(0, 0, 1);
    run_ms(2000);
    assert_segment(0, 0, 0, 39);
}

/* --- passes --- */

TEST(pass__many_hold_a_good_part__all_are_rolled_at_once)
{
    w.brokers[0].shard->o.roll.target_bytes = 64000;
    w.brokers[0].permits.max_bytes = 12000;
    for (int32_t i = 0; i < 3; i++) {
        append_everywhere(i);
    }
    run_ms(5000);
    assert_int_equal(part_segment_count(part_at(0, 0)), 0);
    append_everywhere(3);
    run_ms(5000);
    for (int32_t p = 0; p < PARTS; p++) {
        assert_segment(0, p, 0, 39);
    }
}

TEST(pass__more_than_memory_holds__each_has_its_share)
{
    w.is_topic_unknown = true;
    w.brokers[0].shard->o.roll.target_bytes = 64000;
    w.brokers[0].permits.max_bytes = 18500; /* for the 24 batches of three partitions */
    for (int32_t i = 0; i < 8; i++) {
        append_everywhere(i);
    }
    run_ms(2000);
    w.is_topic_unknown = false;
    run_ms(20000);
    for (int32_t p = 0; p < PARTS; p++) {
        assert_segment(0, p, 0, 59);
    }
}

TEST(pass__each_holds_next_to_nothing__waits)
{
    w.brokers[0].shard->o.roll.target_bytes = 640000; /* a sixteenth: 40 batches */
    w.brokers[0].permits.max_bytes = 12000;
    for (int32_t i = 0; i < 8; i++) {
        append_everywhere(i);
    }
    run_ms(5000);
    assert_int_equal(w.brokers[0].store.puts, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(scan__entries_of_several_partitions__are_read_once_for_all),
        T(scan__in_the_tail_cache__asks_nobody),
        T(scan__store_away_for_a_while__is_rolled_when_it_is_back),
        T(scan__a_run_is_damaged__its_partition_waits_and_the_others_go_on),
        T(scan__an_entry_is_gone__its_partition_waits_and_the_others_go_on),
        T(scan__trimmed_while_an_entry_is_read__ends_and_begins_anew),
        T(scan__closed_while_an_entry_is_read__leaves_nothing),
        T(pass__many_hold_a_good_part__all_are_rolled_at_once),
        T(pass__more_than_memory_holds__each_has_its_share),
        T(pass__each_holds_next_to_nothing__waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
