/* SPDX-License-Identifier: Apache-2.0
 *
 * Compaction from end to end against a store that does as it is told. A segment's worth is 4000
 * bytes; everything is rolled after two seconds, and compacted a second later. */
#include "compact_world.h"
#include "partition/compact_int.h"

#include <inttypes.h>
#include <limits.h>

enum { KEYS = 23 };

#define TEST(name)                                                                                 \
    static void name(void **state);                                                                \
    static void name(void **state __attribute__((unused)))

/* Two for each segment of which something is left. */
static size_t
objects_wanted(void)
{
    const struct part_state *p = part_at(0, 0);
    size_t n = 0;
    for (size_t i = 0; i < part_segment_count(p); i++) {
        n += part_segment(p, i)->bytes > 0 ? 2 : 0;
    }
    return n;
}

static void
judge(size_t broker)
{
    judge_log(broker, KEYS);
    judge_segments(broker);
}

TEST(compact__updates__the_latest_of_each_key_stays)
{
    append_many(0, 60, KEYS);
    run_ms(20000);
    assert_int_equal(clean_end(0), 600);
    judge(0);
    assert_in_range(seen_count(), KEYS, KEYS);
    append_many(0, 5, KEYS);
    run_ms(20000);
    assert_int_equal(clean_end(0), 650);
    judge(0);
    assert_in_range(seen_count(), KEYS, KEYS);
}

TEST(compact__what_is_not_rolled__is_left_alone)
{
    w.brokers[0].shard->o.roll.age_ms = 1000000;
    append_many(0, 12, KEYS);
    run_ms(20000);
    const struct part_state *p = part_at(0, 0);
    assert_true(p->run_count > 0);
    assert_int_equal(clean_end(0), part_registered_end(p));
    judge(0);
    for (int64_t i = part_registered_end(p); i < model.end; i++) {
        assert_true(model.log[i].is_seen);
    }
}

TEST(compact__replaced_objects__go_after_the_grace_period)
{
    append_many(0, 60, KEYS);
    run_ms(20000);
    size_t before = objects_of_partition();
    run_ms(100000);
    assert_true(objects_of_partition() < before);
    assert_int_equal(objects_of_partition(), objects_wanted());
    judge(0);
}

TEST(compact__everything_obsolete_in_a_segment__offsets_are_walked_through)
{
    const int all[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    for (int i = 0; i < 40; i++) {
        append_keyed(0, all, 10, BATCH_CODEC_NONE);
    }
    run_ms(20000);
    judge(0);
    assert_int_equal(seen_count(), 10);
    assert_int_equal(clean_end(0), 400);
    assert_int_equal(part_segment(part_at(0, 0), 0)->bytes, 0);
    for (int64_t at = 0; at < 400; at++) { /* from wherever one begins */
        for (int64_t i = 0; i < model.end; i++) {
            model.log[i].is_seen = false;
        }
        assert_true(read_once(0, at, 100) > at);
    }
}

TEST(compact__keys_do_not_fit__several_passes_give_the_same)
{
    w.brokers[0].shard->o.roll.dedupe_bytes = 24 * 64; /* 56 keys */
    w.brokers[0].shard->o.roll.target_bytes = 100000;
    for (int turn = 0; turn < 3; turn++) {
        for (int i = 0; i < 60; i++) {
            int row[10];
            for (int k = 0; k < 10; k++) {
                row[k] = (i * 10 + k * 7 + turn) % 400;
            }
            append_keyed(0, row, 10, BATCH_CODEC_ZSTD);
        }
        run_ms(60000);
    }
    assert_int_equal(clean_end(0), model.end);
    judge_log(0, 400);
    judge_segments(0);
    assert_in_range(seen_count(), 300, 400);
}

TEST(compact__dirty_ratio_not_reached__waits)
{
    w.policy.dirty_ratio_pm = 500;
    append_many(0, 60, 10000); /* hardly a key twice */
    run_ms(20000);
    int64_t clean = clean_end(0);
    assert_in_range(clean, 540, 600);
    append_many(0, 20, 10000);
    run_ms(60000);
    assert_int_equal(clean_end(0), clean);
    w.policy.max_compaction_lag_ms = 70000; /* but not for ever */
    run_ms(30000);
    assert_int_equal(clean_end(0), 800);
    w.policy.max_compaction_lag_ms = INT64_MAX;
    append_many(0, 100, 10000);
    run_ms(20000);
    assert_true(clean_end(0) > 1500);
}

TEST(compact__min_lag__what_is_too_young_waits)
{
    w.policy.min_compaction_lag_ms = 100000;
    append_many(0, 30, KEYS);
    run_ms(50000);
    assert_int_equal(clean_end(0), 0);
    run_ms(60000);
    assert_int_equal(clean_end(0), 300);
    judge(0);
}

/* --- tombstones --- */

TEST(tombstones__stand_for_delete_retention_and_go)
{
    w.policy.delete_retention_ms = 100000;
    append_keyed(0, (const int[]){1, 2, 3}, 3, BATCH_CODEC_LZ4);
    append_keyed(0, (const int[]){~1, 4}, 2, BATCH_CODEC_LZ4);
    run_ms(10000);
    judge_log(0, 5);
    assert_int_equal(clean_end(0), 5);
    assert_true(model.log[3].is_seen && !model.log[0].is_seen);
    run_ms(80000);
    append_keyed(0, (const int[]){3}, 1, BATCH_CODEC_LZ4); /* what makes it look again */
    run_ms(5000);
    judge_log(0, 5);
    assert_true(model.log[3].is_seen);
    run_ms(105000);
    append_keyed(0, (const int[]){3}, 1, BATCH_CODEC_LZ4);
    run_ms(10000);
    judge_log(0, 5);
    assert_false(model.log[3].is_seen);
    assert_int_equal(seen_count(), 3);
    judge_segments(0);
}

TEST(tombstones__written_again_before_their_time__age_is_handed_on)
{
    w.policy.delete_retention_ms = 100000;
    append_keyed(0, (const int[]){1, 2, 3, 4, 5, 6, 7}, 7, BATCH_CODEC_LZ4);
    append_keyed(0, (const int[]){~1}, 1, BATCH_CODEC_LZ4);
    run_ms(10000);
    for (int key = 2; key < 7; key++) { /* never left alone for its time, for 400 s */
        run_ms(80000);
        judge_log(0, 8);
        assert_true(model.log[7].is_seen);
        append_keyed(0, &key, 1, BATCH_CODEC_LZ4);
        run_ms(5000);
    }
    judge_log(0, 8);
    assert_false(model.log[7].is_seen);
    judge_segments(0);
}

/* Its header would say that its tombstones have stood since then (sim --rolls --seed 5369). */
TEST(tombstones__a_replace_long_after_its_segment__is_not_proposed)
{
    play(0, TRICK_HOLD, STORE_PUT, "-1.index", 1);
    append_keyed(0, (const int[]){1, 2, ~1}, 3, BATCH_CODEC_LZ4);
    run_ms(400000);
    assert_non_null(w.brokers[0].store.held);
    int64_t before_ms = sched_wall_ms(&w.loop.pub);
    let_go(0);
    run_ms(20000);
    assert_int_equal(clean_end(0), 3);
    uint32_t gen = part_segment(part_at(0, 0), 0)->gen;
    struct span kfs = object(key_of(0, 0, gen == 1 ? "-1.kfs" : "-2.kfs"));
    assert_true(get_i64(kfs.ptr + 20) >= before_ms);
    judge_segments(0);
}

/* --- what the store does --- */

TEST(compact__answers_lost__resolved_by_comparing)
{
    play(0, TRICK_LOSE_ANSWER, STORE_PUT, "-1.kfs", 1);
    append_many(0, 8, KEYS);
    run_ms(20000);
    assert_int_equal(w.brokers[0].store.times, 0);
    assert_int_equal(clean_end(0), 80);
    judge(0);
    play(0, TRICK_UNKNOWN, STORE_PUT, ".kfs", 3);
    append_many(0, 8, KEYS);
    run_ms(60000);
    assert_int_equal(clean_end(0), 160);
    judge(0);
}

TEST(compact__a_put_that_comes_twice__the_next_generation_and_it_goes)
{
    play(0, TRICK_TWICE, STORE_PUT, "-1.kfs", 1);
    append_many(0, 4, KEYS);
    run_ms(20000);
    assert_int_equal(w.brokers[0].store.times, 0);
    assert_int_equal(clean_end(0), 40);
    assert_int_equal(part_segment(part_at(0, 0), 0)->gen, 2);
    assert_null(object(key_of(0, 0, "-1.kfs")).ptr);
    judge(0);
}

TEST(compact__store_refuses__gives_up_and_comes_back)
{
    play(0, TRICK_REFUSE, STORE_PUT, "-1.kfs", 12);
    append_many(0, 8, KEYS);
    run_ms(200000);
    assert_int_equal(w.brokers[0].store.times, 0);
    assert_int_equal(clean_end(0), 80);
    judge(0);
}

TEST(compact__the_name_is_taken__the_next_generation)
{
    object_put(key_of(0, 0, "-1.kfs"), span_cstr("somebody's"));
    append_many(0, 4, KEYS);
    run_ms(20000);
    assert_int_equal(clean_end(0), 40);
    assert_int_equal(part_segment(part_at(0, 0), 0)->gen, 2);
    assert_null(object(key_of(0, 0, "-1.kfs")).ptr); /* no replace can ever name it */
    judge(0);
}

/* Each attempt that was cut off leaves one. */
TEST(compact__many_names_are_taken__the_next_one_that_is_free)
{
    char name[32];
    for (int gen = 1; gen <= 150; gen++) {
        (void)snprintf(name, sizeof(name), "-%d.kfs", gen);
        object_put(key_of(0, 0, name), span_cstr("of an attempt that was cut off"));
    }
    append_many(0, 4, KEYS);
    run_ms(20000);
    assert_int_equal(clean_end(0), 40);
    assert_int_equal(part_segment(part_at(0, 0), 0)->gen, 151);
    assert_in_range(w.brokers[0].store.puts, 5, 10); /* the others were only looked at */
    run_ms(100000);
    assert_int_equal(objects_of_partition(), objects_wanted());
    judge(0);
}

TEST(compact__closed_in_the_middle__begun_anew)
{
    play(0, TRICK_HOLD, STORE_PUT, "-1.kfs", 1);
    append_many(0, 20, KEYS);
    run_ms(10000);
    assert_non_null(w.brokers[0].store.held);
    broker_stop(0); /* asserts that nothing is left */
    broker_start(0);
    run_ms(20000);
    assert_int_equal(clean_end(0), 200);
    judge(0);
}

/* Its answer comes when the job is to stop (sim --seed 50192 under ASan). */
TEST(compact__closed_while_its_replace_is_in_flight__ends)
{
    play(0, TRICK_HOLD, STORE_PUT, "-1.index", 1);
    append_many(0, 20, KEYS);
    run_ms(10000);
    struct journal_status now;
    char next_entry[32];
    journal_status(shard_journal(w.brokers[0].shard), &now);
    (void)snprintf(next_entry, sizeof(next_entry), "%020" PRIu64, now.safe + 1);
    let_go(0);
    play(0, TRICK_HOLD, STORE_PUT, next_entry, 1);
    run_ms(1000);
    assert_non_null(w.brokers[0].store.held);
    broker_stop(0);
    broker_start(0);
    run_ms(20000);
    assert_int_equal(clean_end(0), 200);
    judge(0);
}

TEST(compact__trimmed_meanwhile__its_objects_are_deleted)
{
    play(0, TRICK_HOLD, STORE_PUT, "-1.index", 1);
    append_many(0, 4, KEYS);
    run_ms(10000);
    assert_non_null(w.brokers[0].store.held);
    trim(0, 0, 40);
    let_go(0);
    run_ms(5000);
    assert_int_equal(object(key_of(0, 0, "-1.kfs")).len, 0);
    assert_int_equal(object(key_of(0, 0, "-1.index")).len, 0);
    append_many(0, 10, KEYS);
    run_ms(20000);
    assert_int_equal(clean_end(0), model.end);
    judge(0);
}

TEST(compact__topic_deleted_meanwhile__nothing_is_left)
{
    static const char *const at[] = {"-1.kfs", "-1.index"};
    for (size_t i = 0; i < 2; i++) {
        play(0, TRICK_HOLD, STORE_PUT, at[i], 1);
        append_many(0, 4, KEYS);
        run_ms(10000);
        assert_non_null(w.brokers[0].store.held);
        struct op_proposal op = {.kind = ITEM_RETIRE};
        bytes_init(&op.payload, 1000);
        op_encode_retire(&op.payload, &w.topic);
        propose(0, &op);
        let_go(0);
        run_ms(200000);
        assert_int_equal(objects_of_partition(), 0);
        (void)world_teardown(NULL);
        (void)compact_setup(NULL);
    }
}

TEST(compact__topic_deleted_while_it_tries_again__nothing_is_left)
{
    play(0, TRICK_REFUSE, STORE_PUT, "-1.index", INT_MAX);
    append_many(0, 4, KEYS);
    run_ms(5000);
    assert_true(object(key_of(0, 0, "-1.kfs")).len > 0);
    struct op_proposal op = {.kind = ITEM_RETIRE};
    bytes_init(&op.payload, 1000);
    op_encode_retire(&op.payload, &w.topic);
    propose(0, &op);
    run_ms(200000);
    assert_int_equal(objects_of_partition(), 0);
}

TEST(compact__start_within_a_segment__nothing_below_it_matters)
{
    append_many(0, 20, KEYS);
    trim(0, 0, 33);
    run_ms(20000);
    assert_int_equal(part_at(0, 0)->start, 33);
    assert_int_equal(clean_end(0), 200);
    judge(0);
}

TEST(two_brokers__compact_at_once__one_replaces_the_other_cleans_up)
{
    broker_start(1);
    play(0, TRICK_HOLD, STORE_PUT, "-1.kfs", 1);
    append_many(0, 4, KEYS);
    run_ms(5000);
    assert_non_null(w.brokers[0].store.held);
    refresh(1);
    run_ms(60000);
    refresh(1);
    assert_int_equal(clean_end(1), 40);
    let_go(0);
    run_ms(5000);
    refresh(0);
    run_ms(100000);
    assert_int_equal(clean_end(0), 40);
    judge(0);
    judge(1);
    /* what it made may be the next one's name, and a deletion may come late */
    assert_int_equal(objects_of_partition(), objects_wanted() + 2);
    append_many(0, 4, KEYS);
    run_ms(100000);
    refresh(0);
    refresh(1);
    judge(0);
    assert_int_equal(objects_of_partition(), objects_wanted());
}

TEST(compact__policy_changed_meanwhile__ends)
{
    play(0, TRICK_HOLD, STORE_PUT, "-1.kfs", 1);
    append_many(0, 40, KEYS);
    run_ms(10000);
    w.policy.is_compacted = false;
    let_go(0);
    run_ms(20000);
    assert_true(clean_end(0) < 400);
    judge(0);
}

TEST(compact__no_permit__waits_for_one)
{
    atomic_store(&w.brokers[0].permits.is_compacting, true); /* another shard's turn */
    append_many(0, 10, KEYS);
    run_ms(30000);
    assert_int_equal(clean_end(0), 0);
    atomic_store(&w.brokers[0].permits.is_compacting, false);
    run_ms(5000);
    assert_int_equal(clean_end(0), 100);
    judge(0);
}

static int64_t
counted(enum counter_id id)
{
    int64_t sums[COUNTER_COUNT];
    counters_sum(sums);
    return sums[id];
}

static int64_t
clean_end_of(int32_t partition)
{
    const struct part_state *p = part_at(0, partition);
    int64_t end = 0;
    for (size_t i = 0; i < part_segment_count(p) && part_segment(p, i)->gen > 0; i++) {
        end = part_segment(p, i)->last + 1;
    }
    return end;
}

TEST(compact__a_segment_is_damaged__others_have_their_turn_and_it_is_seldom_tried)
{
    append_batches(0, 1, 8);
    run_ms(20000);
    assert_int_equal(clean_end_of(1), 80);
    atomic_store(&w.brokers[0].permits.is_compacting, true);
    append_many(0, 4, KEYS);
    append_batches(0, 1, 4); /* less dirty than partition 0 */
    run_ms(10000);
    uint8_t *byte = (uint8_t *)(uintptr_t)object(key_of(0, 0, ".kfs")).ptr + 100;
    *byte ^= 1;
    atomic_store(&w.brokers[0].permits.is_compacting, false);
    int64_t jobs = counted(C_compact_jobs);
    run_ms(600000);
    assert_int_equal(clean_end_of(1), 120);
    assert_int_equal(clean_end(0), 0);
    assert_in_range(counted(C_compact_jobs) - jobs, 3, 10);
    *byte ^= 1;
    run_ms(600000);
    assert_int_equal(clean_end(0), 40);
    judge(0);
}

TEST(compact__no_memory_for_long__goes_on_soon_after)
{
    atomic_store(&w.brokers[0].permits.is_compacting, true);
    append_many(0, 8, KEYS);
    run_ms(10000);
    int64_t most = w.brokers[0].permits.max_bytes;
    atomic_fetch_add(&w.brokers[0].permits.used_bytes, most);
    atomic_store(&w.brokers[0].permits.is_compacting, false);
    run_ms(900000);
    assert_int_equal(clean_end(0), 0);
    atomic_fetch_sub(&w.brokers[0].permits.used_bytes, most);
    run_ms(30000);
    assert_int_equal(clean_end(0), 80);
    judge(0);
}

/* What a turn of the loop takes is what batches grow to, not what they are. */
TEST(compact__batches_that_grow_a_thousandfold__one_in_a_turn)
{
    w.brokers[0].shard->o.roll.target_bytes = 1 << 20;
    atomic_store(&w.brokers[0].permits.is_compacting, true);
    for (int i = 0; i < 10; i++) {
        append_large(0, 256 << 10);
    }
    run_ms(10000);
    atomic_store(&w.brokers[0].permits.is_compacting, false);
    int64_t most = 0, before = 0;
    while (clean_end(0) < model.end) {
        assert_true(test_loop_step(&w.loop));
        const struct compact_job *j = w.brokers[0].shard->compact;
        int64_t now = j == NULL ? 0 : j->walk.next;
        most = now - before > most ? now - before : most;
        before = now;
    }
    assert_int_equal(most, 1);
}

/* Puts a segment of one batch at base, and says what S is to know of it. */
static struct segment_ref
segment_at(int64_t base, uint32_t gen)
{
    struct segment_builder b;
    struct segment_files f;
    struct sl_error err = SL_ERROR_INIT;
    uint8_t batch[BATCH_BYTES];
    batch_make(batch, 1);
    batch_patch(batch, base, 0);
    segment_builder_init(&b, base, BATCH_BYTES);
    assert_int_equal(segment_builder_add(&b, span_of(batch, BATCH_BYTES), &err), SL_OK);
    uint32_t crc = b.crc;
    segment_builder_finish(&b, 1, &f);
    object_put(key_of(0, base, gen == 0 ? ".kfs" : "-1.kfs"), buf_span(f.kfs));
    struct segment_ref s = {.base = base,
                            .last = f.last_offset,
                            .bytes = f.kfs->len,
                            .max_timestamp = f.max_timestamp,
                            .gen = gen,
                            .record_count = (uint32_t)f.message_count,
                            .body_crc = crc};
    buf_unref(&f.kfs);
    buf_unref(&f.index);
    return s;
}

TEST(compact__billions_of_offsets_of_which_nothing_is_left__do_not_stop_it)
{
    struct op_proposal op = {.kind = ITEM_ADOPT};
    struct segment_ref segments[3] = {segment_at(0, 1), {.gen = 1, .max_timestamp = -1}};
    segments[1].base = segments[0].last + 1;
    segments[1].last = INT64_C(3000000000);
    segments[2] = segment_at(segments[1].last + 1, 0);
    const struct adopt_op adopt = {
        .topic_id = w.topic, .dir = span_cstr("t~7"), .segments = segments, .count = 3};
    bytes_init(&op.payload, 1000);
    op_encode_adopt(&op.payload, &adopt);
    w.policy.delete_retention_ms = 0;
    propose(0, &op);
    run_ms(20000);
    assert_int_equal(clean_end(0), part_at(0, 0)->end);
}

/* --- anything at once --- */

static void
do_something(void)
{
    static const enum trick tricks[] = {TRICK_LOSE_ANSWER, TRICK_UNKNOWN, TRICK_REFUSE,
                                        TRICK_TWICE};
    static const char *const suffixes[] = {".kfs", ".index", ""};
    struct sched *s = &w.loop.pub;
    switch (sched_random(s) % 8) {
    case 0:
        play(0, tricks[sched_random(s) % 4], STORE_PUT, suffixes[sched_random(s) % 2],
             (int)(sched_random(s) % 4));
        break;
    case 1:
        play(0, TRICK_REFUSE, sched_random(s) % 2 ? STORE_GET : STORE_DEL, ".kfs",
             (int)(sched_random(s) % 3));
        break;
    case 2:
        if (w.brokers[1].shard != NULL) {
            refresh(1);
        }
        break;
    case 3:
        w.brokers[0].shard->o.roll.target_bytes = 1000 + (int64_t)(sched_random(s) % 10000);
        break;
    case 4:
        w.brokers[0].shard->o.roll.dedupe_bytes = sched_random(s) % 2 ? 24 * 64 : 1 << 20;
        break;
    case 5:
        if (sched_random(s) % 4 == 0) {
            broker_stop(0);
            broker_start(0);
        }
        break;
    default:
        append_many(0, 1 + (int)(sched_random(s) % 12), 200);
    }
    run_ms((int64_t)(sched_random(s) % 8000));
}

static void
all_at_once(uint64_t seed)
{
    w.loop.rng = seed;
    w.policy.delete_retention_ms = 20000;
    if (seed % 2 == 1) {
        broker_start(1);
    }
    for (int i = 0; i < 60; i++) {
        do_something();
        if (i % 6 == 5) {
            play(0, TRICK_NONE, STORE_PUT, "", 0);
            judge_log(0, 200);
            judge_segments(0);
        }
    }
    play(0, TRICK_NONE, STORE_PUT, "", 0);
    run_ms(300000);
    refresh(0);
    judge_log(0, 200);
    judge_segments(0);
    assert_int_equal(clean_end(0), model.end);
}

TEST(compact__faults_restarts_and_two_brokers__any_order)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        all_at_once(seed * 7919);
        (void)world_teardown(NULL);
        (void)compact_setup(NULL);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, compact_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(compact__updates__the_latest_of_each_key_stays),
        T(compact__what_is_not_rolled__is_left_alone),
        T(compact__replaced_objects__go_after_the_grace_period),
        T(compact__everything_obsolete_in_a_segment__offsets_are_walked_through),
        T(compact__keys_do_not_fit__several_passes_give_the_same),
        T(compact__dirty_ratio_not_reached__waits),
        T(compact__min_lag__what_is_too_young_waits),
        T(tombstones__stand_for_delete_retention_and_go),
        T(tombstones__written_again_before_their_time__age_is_handed_on),
        T(tombstones__a_replace_long_after_its_segment__is_not_proposed),
        T(compact__answers_lost__resolved_by_comparing),
        T(compact__a_put_that_comes_twice__the_next_generation_and_it_goes),
        T(compact__store_refuses__gives_up_and_comes_back),
        T(compact__the_name_is_taken__the_next_generation),
        T(compact__many_names_are_taken__the_next_one_that_is_free),
        T(compact__closed_in_the_middle__begun_anew),
        T(compact__closed_while_its_replace_is_in_flight__ends),
        T(compact__trimmed_meanwhile__its_objects_are_deleted),
        T(compact__topic_deleted_meanwhile__nothing_is_left),
        T(compact__topic_deleted_while_it_tries_again__nothing_is_left),
        T(compact__start_within_a_segment__nothing_below_it_matters),
        T(two_brokers__compact_at_once__one_replaces_the_other_cleans_up),
        T(compact__policy_changed_meanwhile__ends),
        T(compact__no_permit__waits_for_one),
        T(compact__a_segment_is_damaged__others_have_their_turn_and_it_is_seldom_tried),
        T(compact__no_memory_for_long__goes_on_soon_after),
        T(compact__batches_that_grow_a_thousandfold__one_in_a_turn),
        T(compact__billions_of_offsets_of_which_nothing_is_left__do_not_stop_it),
        T(compact__faults_restarts_and_two_brokers__any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
