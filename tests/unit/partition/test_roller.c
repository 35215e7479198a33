/* SPDX-License-Identifier: Apache-2.0
 *
 * The roller against a store that does as it is told. A batch has 1000 bytes and ten records, a
 * segment's worth is 4000 bytes. */
#include "roll_world.h"

#include <limits.h>

#define TEST(name)                                                                                 \
    static void name(void **state);                                                                \
    static void name(void **state __attribute__((unused)))

/* Batches whose headers say that each holds so many records. */
static void
append_counted(int32_t partition, int32_t records, int count)
{
    static uint8_t batch[BATCH_BYTES];
    for (int i = 0; i < count; i++) {
        struct batch_info info;
        batch_make(batch, i);
        assert_int_equal(batch_info_read(span_of(batch, sizeof(batch)), &info), SL_OK);
        info.attributes = BATCH_CODEC_ZSTD;
        info.count = records;
        info.last_offset_delta = records - 1;
        batch_reseal(batch, &info);
        append_made(0, partition, batch);
    }
}

/* --- which partition --- */

TEST(roll__a_segments_worth__is_rolled_at_once)
{
    append_batches(0, 1, 3);
    assert_int_equal(part_segment_count(part_at(0, 1)), 0);
    append_batches(0, 1, 1);
    run_ms(100);
    assert_segment(0, 1, 0, 39);
    assert_int_equal(part_at(0, 1)->run_count, 0);
    assert_string_equal(part_dir(part_at(0, 1)), "t~7");
    append_batches(0, 1, 9);
    run_ms(100);
    assert_segment(0, 1, 40, 79);
    assert_segment(0, 1, 80, 119);
    assert_int_equal(part_at(0, 1)->run_count, 1);
}

TEST(roll__segment_bytes_of_the_topic_are_less__are_kept_to)
{
    w.segment_bytes = 2000;
    append_batches(0, 0, 4);
    run_ms(100);
    assert_segment(0, 0, 0, 19);
    append_batches(0, 0, 2);
    run_ms(100);
    assert_segment(0, 0, 20, 39);
}

TEST(roll__a_trickle__is_rolled_by_age)
{
    append_batches(0, 2, 1);
    run_ms(890000);
    assert_int_equal(part_segment_count(part_at(0, 2)), 0);
    run_ms(60000);
    assert_segment(0, 2, 0, 9);
}

TEST(roll__too_many_pinned_bytes__the_oldest_go_first)
{
    struct shard *sh = w.brokers[0].shard;
    append_batches(0, 2, 1);
    append_batches(0, 1, 1);
    append_batches(0, 0, 1);
    uint64_t pinned = live__bytes_from(&sh->live, live__first_n(&sh->live));
    assert_in_range(pinned, 3000, 5000);
    sh->o.roll.live_bytes_max = (int64_t)pinned + 700;
    run_ms(3000);
    assert_int_equal(part_segment_count(part_at(0, 2)), 0);
    append_batches(0, 0, 1);
    run_ms(1500);
    assert_segment(0, 2, 0, 9);
    assert_int_equal(part_segment_count(part_at(0, 0)), 0);
}

TEST(roll__after_a_restart__age_counts_from_then)
{
    append_batches(0, 2, 1);
    journal_snapshot_now(shard_journal(w.brokers[0].shard));
    run_ms(500000);
    broker_stop(0);
    broker_start(0);
    run_ms(800000);
    assert_int_equal(part_segment_count(part_at(0, 2)), 0);
    run_ms(200000);
    assert_segment(0, 2, 0, 9);
}

/* What was read as it came is not older than that, whatever its writer's clock says. */
TEST(roll__another_broker_whose_clock_is_behind__what_it_writes_is_not_old)
{
    broker_start(1);
    refresh(1);
    w.brokers[1].shard->o.roll.age_ms = INT32_MAX;
    w.loop.wall_skew_ms = -7200000;
    append_batches(1, 2, 1);
    w.loop.wall_skew_ms = 0;
    refresh(0);
    assert_int_equal(part_at(0, 2)->end, 10);
    run_ms(800000);
    assert_int_equal(part_segment_count(part_at(0, 2)), 0);
    run_ms(200000);
    assert_int_equal(part_segment_count(part_at(0, 2)), 1);
}

TEST(roll__topic_not_known__waits_and_lets_others_pass)
{
    w.is_topic_unknown = true;
    append_batches(0, 0, 4);
    run_ms(20000);
    assert_int_equal(w.brokers[0].store.puts, 0);
    w.is_topic_unknown = false;
    run_ms(7000);
    assert_segment(0, 0, 0, 39);
}

/* Compressed, a batch may hold any number of records, and a segment's header counts them in 32
 * bits. */
TEST(roll__more_records_than_a_segment_can_count__are_cut_into_several)
{
    append_counted(0, INT32_MAX / 2, 3);
    append_batches(0, 0, 1);
    run_ms(950000);
    const struct part_state *p = part_at(0, 0);
    assert_int_equal(p->run_count, 0);
    assert_int_equal(part_segment_count(p), 2);
    assert_int_equal(part_segment(p, 0)->record_count, INT32_MAX / 2 * 2);
    assert_int_equal(part_segment(p, 1)->last + 1, p->end);
}

TEST(roll__no_permit__waits_for_one)
{
    atomic_store(&w.brokers[0].permits.used_bytes, 1 << 20);
    append_batches(0, 0, 4);
    run_ms(5000);
    assert_int_equal(w.brokers[0].store.puts, 0);
    atomic_store(&w.brokers[0].permits.used_bytes, 0);
    run_ms(2000);
    assert_segment(0, 0, 0, 39);
}

/* --- what the store does --- */

TEST(roll__answers_lost__resolved_by_putting_again)
{
    play(0, TRICK_LOSE_ANSWER, STORE_PUT, ".kfs", 1);
    append_batches(0, 0, 4);
    run_ms(2000);
    assert_segment(0, 0, 0, 39);
    play(0, TRICK_LOSE_ANSWER, STORE_PUT, ".index", 1);
    append_batches(0, 1, 4);
    run_ms(2000);
    assert_segment(0, 1, 0, 39);
    play(0, TRICK_UNKNOWN, STORE_PUT, ".kfs", 3);
    append_batches(0, 2, 4);
    run_ms(5000);
    assert_segment(0, 2, 0, 39);
}

TEST(roll__store_refuses__gives_up_for_a_while_and_comes_back)
{
    play(0, TRICK_REFUSE, STORE_PUT, ".kfs", 9);
    append_batches(0, 0, 4);
    run_ms(40000);
    assert_int_equal(w.brokers[0].store.times, 0);
    run_ms(20000);
    assert_segment(0, 0, 0, 39);
}

TEST(roll__closed_in_the_middle__ends_and_the_next_one_adopts)
{
    play(0, TRICK_HOLD, STORE_PUT, ".kfs", 1);
    append_batches(0, 0, 4);
    run_ms(100);
    broker_stop(0); /* asserts that nothing is left */
    assert_true(object(key_of(0, 0, ".kfs")).len > 0);
    broker_start(0);
    append_batches(0, 0, 1);
    run_ms(2000);
    assert_segment(0, 0, 0, 39);
}

/* --- what is there already --- */

TEST(adopt__same_extent__is_registered)
{
    struct segment_files f = segment_of(4);
    object_put(key_of(0, 0, ".kfs"), buf_span(f.kfs));
    append_batches(0, 0, 4);
    run_ms(2000);
    assert_segment(0, 0, 0, 39);
    assert_int_equal(get_i64(object(key_of(0, 0, ".kfs")).ptr + 20), 1); /* theirs */
    buf_unref(&f.kfs);
    buf_unref(&f.index);
}

TEST(adopt__shorter_with_a_wrong_index__its_extent_and_the_right_index)
{
    struct segment_files f = segment_of(2);
    object_put(key_of(0, 0, ".kfs"), buf_span(f.kfs));
    object_put(key_of(0, 0, ".index"), span_cstr("of another extent"));
    append_batches(0, 0, 6);
    run_ms(2000);
    assert_segment(0, 0, 0, 19);
    assert_segment(0, 0, 20, 59);
    buf_unref(&f.kfs);
    buf_unref(&f.index);
}

TEST(adopt__longer__its_extent)
{
    struct segment_files f = segment_of(6);
    play(0, TRICK_HOLD, STORE_PUT, ".index", 1); /* so that six are there when it goes on */
    append_batches(0, 0, 6);
    object_put(key_of(0, 0, ".kfs"), buf_span(f.kfs));
    let_go(0);
    run_ms(2000);
    assert_segment(0, 0, 0, 59);
    buf_unref(&f.kfs);
    buf_unref(&f.index);
}

/* The other broker has rolled what this one has not read yet. */
TEST(adopt__beyond_what_is_known__reads_the_tail_first)
{
    struct segment_files f = segment_of(5);
    broker_start(1);
    w.brokers[0].shard->o.roll.target_bytes = w.brokers[1].shard->o.roll.target_bytes = 1 << 20;
    refresh(1);
    append_batches(1, 0, 4);
    refresh(0);
    append_batches(1, 1, 1);
    static uint8_t fifth[BATCH_BYTES];
    struct append a = {.topic_id = w.topic,
                       .batch = span_of(fifth, sizeof(fifth)),
                       .deadline_ns = w.loop.now_ns + SCHED_S,
                       .done = append_ended,
                       .arg = &a};
    batch_make(fifth, 4);
    assert_int_equal(batch_info_read(a.batch, &a.info), SL_OK);
    append_submit(w.brokers[1].shard, &a);
    run_ms(10);
    object_put(key_of(0, 0, ".kfs"), buf_span(f.kfs));
    assert_int_equal(part_at(0, 0)->end, 40);
    w.brokers[0].shard->o.roll.age_ms = 1;
    run_ms(5000);
    assert_segment(0, 0, 0, 49);
    buf_unref(&f.kfs);
    buf_unref(&f.index);
}

static void
assert_left_alone(struct span bytes)
{
    object_put(key_of(0, 0, ".kfs"), bytes);
    append_batches(0, 0, 4);
    append_batches(0, 1, 4);
    run_ms(60000);
    assert_int_equal(part_segment_count(part_at(0, 0)), 0);
    assert_int_equal(part_at(0, 0)->run_count, 4);
    assert_segment(0, 1, 0, 39);
    assert_true(span_eq(object(key_of(0, 0, ".kfs")), bytes));
    assert_non_null(strstr(w.last_error, "roller.foreign_segment"));
    assert_non_null(strstr(w.last_error, key_of(0, 0, ".kfs")));
}

TEST(adopt__rubbish__is_said_and_left_alone)
{
    static uint8_t rubbish[300];
    assert_left_alone(span_of(rubbish, sizeof(rubbish)));
}

TEST(adopt__too_short__is_said_and_left_alone)
{
    assert_left_alone(span_cstr("x"));
}

TEST(adopt__other_records__are_said_and_left_alone_until_removed)
{
    struct segment_files f = segment_of(4);
    f.kfs->data[SEGMENT_HEADER_BYTES + 700] ^= 1;
    struct buf *copy = buf_copy(buf_span(f.kfs));
    assert_left_alone(buf_span(copy));
    struct store_call del = {.kind = STORE_DEL};
    span_to_cstr(span_cstr(key_of(0, 0, ".kfs")), del.key, sizeof(del.key));
    assert_int_equal(memory_del(&w.memory, &del), STORE_DONE);
    run_ms(700000);
    assert_segment(0, 0, 0, 39);
    buf_unref(&copy);
    buf_unref(&f.kfs);
    buf_unref(&f.index);
}

TEST(adopt__beyond_the_end_of_the_log__is_said_and_left_alone)
{
    struct segment_files f = segment_of(5);
    assert_left_alone(buf_span(f.kfs));
    buf_unref(&f.kfs);
    buf_unref(&f.index);
}

TEST(adopt__ends_within_a_batch__is_said_and_left_alone)
{
    struct segment_files f = segment_of(4);
    put_u64(f.kfs->data + f.kfs->len - 12, 35);
    assert_left_alone(buf_span(f.kfs));
    buf_unref(&f.kfs);
    buf_unref(&f.index);
}

/* --- two at once --- */

TEST(two_rollers__at_once__one_registers_both_agree)
{
    broker_start(1);
    play(0, TRICK_HOLD, STORE_PUT, ".kfs", 1);
    append_batches(0, 0, 4);
    refresh(1);
    run_ms(2000);
    assert_segment(1, 0, 0, 39);
    let_go(0); /* finds it there */
    run_ms(2000);
    refresh(0);
    assert_segment(0, 0, 0, 39);
    assert_int_equal(part_segment_count(part_at(0, 0)), 1);
}

/* --- trimmed meanwhile; garbage --- */

TEST(trim__while_rolling__what_was_put_is_deleted)
{
    play(0, TRICK_HOLD, STORE_PUT, ".kfs", 1);
    append_batches(0, 0, 4);
    trim(0, 0, 40);
    let_go(0);
    run_ms(2000);
    assert_int_equal(part_segment_count(part_at(0, 0)), 0);
    assert_int_equal(object(key_of(0, 0, ".kfs")).len, 0);
    assert_int_equal(object(key_of(0, 0, ".index")).len, 0);
}

TEST(trim__into_a_batch__is_rolled_from_its_base)
{
    append_batches(0, 0, 2);
    trim(0, 0, 13);
    append_batches(0, 0, 3);
    run_ms(2000);
    assert_segment(0, 0, 10, 49);
}

TEST(garbage__after_the_grace_period__is_deleted_and_forgotten)
{
    append_batches(0, 0, 8);
    run_ms(1000);
    trim(0, 0, 45);
    assert_int_equal(state_garbage_count(state_at(0)), 1);
    run_ms(55000);
    assert_true(object(key_of(0, 0, ".kfs")).len > 0);
    run_ms(40000);
    assert_int_equal(object(key_of(0, 0, ".kfs")).len, 0);
    assert_int_equal(object(key_of(0, 0, ".index")).len, 0);
    assert_int_equal(state_garbage_count(state_at(0)), 0);
    assert_segment(0, 0, 40, 79);
}

TEST(garbage__deletion_fails__comes_up_again)
{
    append_batches(0, 0, 4);
    run_ms(1000);
    trim(0, 0, 40);
    play(0, TRICK_REFUSE, STORE_DEL, ".kfs", 2);
    run_ms(200000);
    assert_int_equal(w.brokers[0].store.times, 0);
    assert_int_equal(object(key_of(0, 0, ".kfs")).len, 0);
    assert_int_equal(state_garbage_count(state_at(0)), 0);
}

TEST(garbage__deletions_are_forbidden__is_said_and_asked_for_less_and_less)
{
    append_batches(0, 0, 8);
    run_ms(1000);
    trim(0, 0, 80);
    play(0, TRICK_REFUSE, STORE_DEL, ".kfs", INT_MAX);
    run_ms(100000);
    diag_set_level(DIAG_WARN);
    run_ms(1200000);
    assert_non_null(strstr(w.last_error, "garbage.delete_failed"));
    diag_set_level(DIAG_ERROR);
    assert_in_range(w.brokers[0].store.dels, 4, 60); /* two objects, two files each */
    size_t before = w.brokers[0].store.dels;
    play(0, TRICK_NONE, STORE_DEL, "", 0);
    run_ms(700000);
    assert_true(w.brokers[0].store.dels > before);
    assert_int_equal(state_garbage_count(state_at(0)), 0);
}

TEST(garbage__some_cannot_be_deleted__the_others_go)
{
    w.segment_bytes = 1000;
    append_batches(0, 0, 300);
    append_batches(0, 1, 4);
    run_ms(5000);
    trim(0, 0, 3000);
    size_t count = state_garbage_count(state_at(0));
    assert_true(count > 270); /* more than a round */
    trim(0, 1, 40);
    assert_true(state_garbage_count(state_at(0)) > count);
    play(0, TRICK_REFUSE, STORE_DEL, "", INT_MAX);
    w.brokers[0].store.prefix = "default/t~7/0/";
    run_ms(200000);
    assert_int_equal(state_garbage_count(state_at(0)), count);
    play(0, TRICK_NONE, STORE_DEL, "", 0);
    run_ms(700000);
    assert_int_equal(state_garbage_count(state_at(0)), 0);
}

/* --- lag, collection --- */

TEST(lag__nothing_can_be_rolled__rises_and_is_told)
{
    w.is_topic_unknown = true;
    append_batches(0, 0, 600);
    run_ms(2000);
    assert_int_equal(w.brokers[0].lag, 600);
    assert_int_equal(shard_roll_lag(w.brokers[0].shard), 600);
    w.is_topic_unknown = false;
    run_ms(20000);
    assert_in_range(w.brokers[0].lag, 0, 5);
}

TEST(collection__traffic_stopped__a_manifest_is_published_and_entries_go)
{
    append_batches(0, 0, 40);
    run_ms(200000);
    size_t entries = 0;
    for (size_t i = 0; i < w.memory.count; i++) {
        uint64_t n;
        entries += entry_key_parse(w.memory.objects[i].key, "_sluice/journal/0/", &n) ? 1 : 0;
    }
    assert_in_range(entries, 0, 3);
    broker_stop(0);
    broker_start(0);
    assert_int_equal(part_at(0, 0)->end, 400);
    assert_segment(0, 0, 360, 399);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(roll__a_segments_worth__is_rolled_at_once),
        T(roll__segment_bytes_of_the_topic_are_less__are_kept_to),
        T(roll__a_trickle__is_rolled_by_age),
        T(roll__too_many_pinned_bytes__the_oldest_go_first),
        T(roll__after_a_restart__age_counts_from_then),
        T(roll__another_broker_whose_clock_is_behind__what_it_writes_is_not_old),
        T(roll__topic_not_known__waits_and_lets_others_pass),
        T(roll__more_records_than_a_segment_can_count__are_cut_into_several),
        T(roll__no_permit__waits_for_one),
        T(roll__answers_lost__resolved_by_putting_again),
        T(roll__store_refuses__gives_up_for_a_while_and_comes_back),
        T(roll__closed_in_the_middle__ends_and_the_next_one_adopts),
        T(adopt__same_extent__is_registered),
        T(adopt__shorter_with_a_wrong_index__its_extent_and_the_right_index),
        T(adopt__longer__its_extent),
        T(adopt__beyond_what_is_known__reads_the_tail_first),
        T(adopt__beyond_the_end_of_the_log__is_said_and_left_alone),
        T(adopt__rubbish__is_said_and_left_alone),
        T(adopt__too_short__is_said_and_left_alone),
        T(adopt__other_records__are_said_and_left_alone_until_removed),
        T(adopt__ends_within_a_batch__is_said_and_left_alone),
        T(two_rollers__at_once__one_registers_both_agree),
        T(trim__while_rolling__what_was_put_is_deleted),
        T(trim__into_a_batch__is_rolled_from_its_base),
        T(garbage__after_the_grace_period__is_deleted_and_forgotten),
        T(garbage__deletion_fails__comes_up_again),
        T(garbage__deletions_are_forbidden__is_said_and_asked_for_less_and_less),
        T(garbage__some_cannot_be_deleted__the_others_go),
        T(lag__nothing_can_be_rolled__rises_and_is_told),
        T(collection__traffic_stopped__a_manifest_is_published_and_entries_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
