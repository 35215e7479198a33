/* SPDX-License-Identifier: Apache-2.0
 *
 * Retention carried out, and searches by time, over segments and runs that come and go. */
#include "compact_world.h"

#define TEST(name)                                                                                 \
    static void name(void **state);                                                                \
    static void name(void **state __attribute__((unused)))

static void
looked_up(struct part_lookup *l)
{
    l->arg = NULL;
}

static struct part_lookup
look_up(enum part_lookup_kind kind, int64_t time_ms)
{
    struct part_lookup l = {
        .topic_id = w.topic, .kind = kind, .time_ms = time_ms, .done = looked_up};
    l.arg = &l;
    part_lookup_submit(w.brokers[0].shard, &l);
    while (l.arg != NULL) {
        run_ms(1);
    }
    assert_int_equal(l.rc, SL_OK);
    assert_in_range(l.reads, 0, 2);
    return l;
}

/* By what was read, the first record at or after a time; MAX: the first with the largest. */
static int64_t
expected(enum part_lookup_kind kind, int64_t time_ms)
{
    int64_t found = -1;
    for (int64_t i = part_at(0, 0)->start; i < model.end; i++) {
        const struct model_record *m = &model.log[i];
        if (!m->is_seen) {
            continue;
        }
        if (kind == PART_LOOKUP_TIME && m->timestamp >= time_ms) {
            return i;
        }
        if (kind == PART_LOOKUP_MAX_TIME &&
            (found < 0 || m->timestamp > model.log[found].timestamp)) {
            found = i;
        }
    }
    return found;
}

static void
expect_lookups(int64_t from_ms, int64_t to_ms)
{
    read_log(0);
    for (int64_t t = from_ms; t <= to_ms; t += (to_ms - from_ms) / 50 + 1) {
        int64_t want = expected(PART_LOOKUP_TIME, t);
        struct part_lookup l = look_up(PART_LOOKUP_TIME, t);
        assert_int_equal(l.offset, want);
        assert_int_equal(l.timestamp, want < 0 ? -1 : model.log[want].timestamp);
    }
    int64_t want = expected(PART_LOOKUP_MAX_TIME, 0);
    struct part_lookup l = look_up(PART_LOOKUP_MAX_TIME, 0);
    assert_int_equal(l.offset, want);
    assert_int_equal(l.timestamp, want < 0 ? -1 : model.log[want].timestamp);
}

static void
delete_only(void)
{
    w.policy.is_compacted = false;
    w.policy.is_deleted = true;
}

TEST(upkeep__retention_ms__the_log_begins_later_and_objects_go)
{
    delete_only();
    w.policy.retention_ms = 60000;
    append_many(0, 10, 10);
    run_ms(40000);
    append_many(0, 10, 10);
    assert_int_equal(part_at(0, 0)->start, 0);
    run_ms(28000);
    assert_int_equal(part_at(0, 0)->start, 100);
    assert_int_equal(part_at(0, 0)->end, 200);
    read_log(0);
    assert_int_equal(seen_count(), 100);
    run_ms(60000);
    assert_int_equal(part_at(0, 0)->start, 200);
    run_ms(100000);
    assert_int_equal(objects_of_partition(), 0);
    append_many(0, 1, 10); /* and on it goes */
    read_log(0);
    assert_int_equal(seen_count(), 10);
}

TEST(upkeep__retention_bytes__as_much_as_is_to_be_kept)
{
    delete_only();
    w.policy.retention_bytes = 10000;
    append_many(0, 40, 10);
    run_ms(20000);
    const struct part_state *p = part_at(0, 0);
    int64_t bytes = 0;
    assert_true(p->start > 0);
    for (size_t i = 0; i < part_segment_count(p); i++) {
        bytes += (int64_t)part_segment(p, i)->bytes;
    }
    assert_in_range(bytes, 10000, 10000 + part_segment(p, 0)->bytes);
    assert_int_equal(part_segment(p, 0)->base, p->start);
    read_log(0);
}

TEST(upkeep__a_trickle_past_its_retention__is_rolled_and_goes)
{
    delete_only();
    w.brokers[0].shard->o.roll.age_ms = 100000000;
    w.policy.retention_ms = 20000;
    append_many(0, 1, 10);
    run_ms(40000);
    assert_int_equal(part_at(0, 0)->start, 10);
    assert_int_equal(part_at(0, 0)->run_count, 0);
}

TEST(upkeep__segment_ms__rolls_before_the_age_of_all)
{
    delete_only();
    w.brokers[0].shard->o.roll.age_ms = 100000000;
    w.policy.segment_ms = 10000;
    append_many(0, 1, 10);
    run_ms(8000);
    assert_int_equal(part_segment_count(part_at(0, 0)), 0);
    run_ms(6000);
    assert_int_equal(part_segment_count(part_at(0, 0)), 1);
}

TEST(upkeep__many_partitions__one_op_for_all)
{
    delete_only();
    for (int32_t p = 0; p < PARTS; p++) {
        append_batches(0, p, 4); /* timestamps of 1970 */
    }
    run_ms(1000);
    uint64_t before = state_garbage_count(state_at(0));
    struct journal_status s, after;
    journal_status(shard_journal(w.brokers[0].shard), &s);
    w.policy.retention_ms = 1000;
    run_ms(9000);
    journal_status(shard_journal(w.brokers[0].shard), &after);
    assert_int_equal(before, 0);
    for (int32_t p = 0; p < PARTS; p++) {
        assert_int_equal(part_at(0, p)->start, 40);
    }
    assert_int_equal(after.safe, s.safe + 1);
    broker_stop(0);
    broker_start(0); /* what was written is read back */
    for (int32_t p = 0; p < PARTS; p++) {
        assert_int_equal(part_at(0, p)->start, 40);
    }
}

TEST(upkeep__two_brokers__the_start_is_the_same)
{
    delete_only();
    w.policy.retention_ms = 20000;
    broker_start(1);
    for (int i = 0; i < 10; i++) {
        append_many(0, 4, 10);
        run_ms(7000);
        refresh(1);
        refresh(0);
        assert_true(part_at(1, 0)->start <= part_at(1, 0)->end);
    }
    run_ms(100000);
    refresh(0);
    refresh(1);
    assert_int_equal(part_at(0, 0)->start, 400);
    assert_int_equal(part_at(1, 0)->start, 400);
}

TEST(upkeep__below_the_start__is_out_of_range)
{
    append_many(0, 20, 10);
    trim(0, 0, 55);
    for (int64_t at = 0; at < 60; at += 54) {
        struct part_read r = {
            .topic_id = w.topic, .offset = at, .max_bytes = 100, .is_at_least_one = true};
        r.done = read_ended;
        part_read_submit(w.brokers[0].shard, &r);
        run_ms(100);
        assert_int_equal(r.rc, SL_EOFFSET_RANGE);
        assert_int_equal(r.log_start, 55);
        part_read_fini(&r);
    }
}

/* --- times --- */

TEST(lookup__segments_and_runs__exact_in_few_reads)
{
    delete_only();
    int64_t from = sched_wall_ms(&w.loop.pub);
    for (int i = 0; i < 12; i++) {
        /* not in order */
        model.timestamp = from + 100000 + (int64_t)(sched_random(&w.loop.pub) % 50000);
        append_many(0, 5, 1000);
        run_ms(500);
    }
    assert_true(part_segment_count(part_at(0, 0)) > 5);
    expect_lookups(from + 90000, from + 160000);
}

TEST(lookup__the_largest_time_was_trimmed__the_one_that_is_left)
{
    delete_only();
    int64_t now = sched_wall_ms(&w.loop.pub);
    for (int i = 0; i < 20; i++) {
        model.timestamp = now + 100000 - i * 1000;
        append_many(0, 1, 1000);
    }
    run_ms(10000);
    expect_lookups(now + 70000, now + 101000);
    trim(0, 0, 3); /* within the first batch */
    expect_lookups(now + 70000, now + 101000);
    trim(0, 0, 9); /* its last record has the largest */
    expect_lookups(now + 70000, now + 101000);
    trim(0, 0, 47);
    expect_lookups(now + 70000, now + 101000);
    trim(0, 0, 199);
    expect_lookups(now + 70000, now + 101000);
}

TEST(lookup__after_compaction__exact_for_what_is_left)
{
    int64_t from = sched_wall_ms(&w.loop.pub);
    for (int i = 0; i < 60; i++) {
        model.timestamp = from + 100000 + (int64_t)(sched_random(&w.loop.pub) % 50000);
        append_many(0, 1, 150);
        if (i % 20 == 19) {
            run_ms(20000);
            expect_lookups(from + 90000, from + 160000);
        }
    }
    assert_int_equal(clean_end(0), 600);
    const int all[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; /* and where nothing is left of a batch */
    for (int i = 0; i < 20; i++) {
        model.timestamp = from + 200000 - i * 100;
        append_keyed(0, all, 10, BATCH_CODEC_GZIP);
    }
    run_ms(20000);
    expect_lookups(from + 90000, from + 210000);
}

static void
anything(int64_t from)
{
    struct sched *s = &w.loop.pub;
    const struct part_state *p = part_at(0, 0);
    model.timestamp = from + (int64_t)(sched_random(s) % 40);
    model.is_backwards = sched_random(s) % 2 == 0;
    append_many(0, 1 + (int)(sched_random(s) % 6), 60);
    switch (sched_random(s) % 6) {
    case 0:
        trim(0, 0, p->start + (int64_t)(sched_random(s) % (uint64_t)(p->end - p->start + 1)) / 2);
        break;
    case 1:
        w.brokers[0].shard->o.roll.target_bytes = 1000 + (int64_t)(sched_random(s) % 10000);
        break;
    case 2:
        broker_stop(0);
        broker_start(0);
        break;
    default:
        run_ms((int64_t)(sched_random(s) % 9000));
    }
}

/* A header says what it likes, so all of them are looked into. */
TEST(lookup__batches_that_lie_and_grow_a_thousandfold__a_few_in_a_turn)
{
    int64_t now = sched_wall_ms(&w.loop.pub);
    delete_only();
    model.timestamp = now;
    model.lie_ms = 1000;
    w.brokers[0].shard->o.roll.target_bytes = 1 << 20;
    for (int i = 0; i < 80; i++) {
        append_large(0, 256 << 10);
    }
    run_ms(10000);
    assert_int_equal(part_at(0, 0)->run_count, 0);
    assert_int_equal(part_segment_count(part_at(0, 0)), 1);
    const enum part_lookup_kind kinds[] = {PART_LOOKUP_TIME, PART_LOOKUP_MAX_TIME};
    for (size_t i = 0; i < 2; i++) {
        struct part_lookup l = {
            .topic_id = w.topic, .kind = kinds[i], .time_ms = now + 500, .done = looked_up};
        int steps = 0;
        l.arg = &l;
        for (part_lookup_submit(w.brokers[0].shard, &l); l.arg != NULL; steps++) {
            assert_true(test_loop_step(&w.loop));
        }
        assert_int_equal(l.rc, SL_OK);
        assert_int_equal(l.offset, i == 0 ? -1 : 0);
        assert_true(steps > 20);
    }
}

TEST(lookup__closed_while_it_looks__ends)
{
    model.lie_ms = 1000;
    for (int i = 0; i < 12; i++) {
        append_large(0, 256 << 10);
    }
    run_ms(10000);
    struct part_lookup l = {.topic_id = w.topic,
                            .kind = PART_LOOKUP_TIME,
                            .time_ms = sched_wall_ms(&w.loop.pub) + 500,
                            .done = looked_up};
    l.arg = &l;
    part_lookup_submit(w.brokers[0].shard, &l);
    for (int i = 0; i < 6 && l.arg != NULL; i++) {
        assert_true(test_loop_step(&w.loop));
    }
    broker_stop(0);
    assert_null(l.arg);
}

TEST(lookup__whatever_became_of_the_log__exact)
{
    w.policy.is_deleted = true;
    w.policy.delete_retention_ms = 20000;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        int64_t from = sched_wall_ms(&w.loop.pub) + 1000000;
        w.loop.rng = seed * 7919;
        for (int i = 0; i < 25; i++) {
            anything(from);
            expect_lookups(from - 1, from + 49);
        }
        (void)world_teardown(NULL);
        (void)compact_setup(NULL);
        w.policy.is_deleted = true;
        w.policy.delete_retention_ms = 20000;
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, compact_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(upkeep__retention_ms__the_log_begins_later_and_objects_go),
        T(upkeep__retention_bytes__as_much_as_is_to_be_kept),
        T(upkeep__a_trickle_past_its_retention__is_rolled_and_goes),
        T(upkeep__segment_ms__rolls_before_the_age_of_all),
        T(upkeep__many_partitions__one_op_for_all),
        T(upkeep__two_brokers__the_start_is_the_same),
        T(upkeep__below_the_start__is_out_of_range),
        T(lookup__segments_and_runs__exact_in_few_reads),
        T(lookup__the_largest_time_was_trimmed__the_one_that_is_left),
        T(lookup__after_compaction__exact_for_what_is_left),
        T(lookup__batches_that_lie_and_grow_a_thousandfold__a_few_in_a_turn),
        T(lookup__closed_while_it_looks__ends),
        T(lookup__whatever_became_of_the_log__exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
