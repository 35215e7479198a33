/* SPDX-License-Identifier: Apache-2.0
 *
 * What is to go, what is to be compacted, and in which pieces: decided on hand-made partitions. */
#include "../unit.h"
#include "partition/compact_plan.h"
#include "partition/retention.h"

enum { NOW = 1000000, SEGMENTS_MAX = 64 };

struct made {
    struct part_state p;
    struct segment_ref segments[SEGMENTS_MAX];
    struct run_ref run;
    struct part_policy policy;
    struct retention_now now;
};

/* Segments of ten offsets and 100 bytes, one after the other. */
static void
add(struct made *m, int64_t max_timestamp, uint32_t gen)
{
    size_t i = m->p.segment_count++;
    m->segments[i] = (struct segment_ref){.base = (int64_t)i * 10,
                                          .last = (int64_t)i * 10 + 9,
                                          .bytes = 100,
                                          .max_timestamp = max_timestamp,
                                          .created_ms = NOW - 5000,
                                          .gen = gen,
                                          .record_count = 10};
    m->p.end = (int64_t)i * 10 + 10;
}

static void
make(struct made *m)
{
    *m = (struct made){.policy = {.is_deleted = true,
                                  .segment_bytes = 1000,
                                  .segment_ms = 60000,
                                  .retention_ms = -1,
                                  .retention_bytes = -1,
                                  .delete_retention_ms = 10000,
                                  .max_compaction_lag_ms = INT64_MAX,
                                  .dirty_ratio_pm = 500},
                       .now = {.wall_ms = NOW, .live_since_ms = NOW, .roll_age_ms = 30000}};
    m->p.segments = m->segments;
}

static int64_t
start(struct made *m)
{
    m->p.segments = m->segments;
    return retention_start(&m->p, &m->policy, &m->now);
}

/* --- retention --- */

static void
retention__time__from_the_front_while_all_is_older(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    add(&m, NOW - 5000, 0);
    add(&m, NOW - 4000, 0);
    add(&m, NOW - 1000, 0);
    add(&m, NOW - 4000, 0); /* behind one that stays */
    m.policy.retention_ms = 2000;
    assert_int_equal(start(&m), 20);
    m.policy.retention_ms = 4000; /* exactly as old: stays */
    assert_int_equal(start(&m), 10);
    m.policy.retention_ms = 900;
    assert_int_equal(start(&m), 40);
    m.policy.retention_ms = 0;
    assert_int_equal(start(&m), 40);
    m.policy.retention_ms = -1;
    assert_int_equal(start(&m), 0);
}

static void
retention__no_timestamps__since_it_was_made(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    add(&m, -1, 0);
    m.policy.retention_ms = 5000;
    assert_int_equal(start(&m), 0);
    m.policy.retention_ms = 4999;
    assert_int_equal(start(&m), 10);
}

static void
retention__time_ahead_of_the_clock__stays(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    add(&m, INT64_MAX, 0);
    add(&m, NOW - 5000, 0);
    m.policy.retention_ms = 10;
    assert_int_equal(start(&m), 0);
}

static void
retention__size__while_enough_is_left(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    for (int i = 0; i < 5; i++) {
        add(&m, NOW, 0);
    }
    m.policy.retention_bytes = 500;
    assert_int_equal(start(&m), 0);
    m.policy.retention_bytes = 401;
    assert_int_equal(start(&m), 0);
    m.policy.retention_bytes = 400;
    assert_int_equal(start(&m), 10);
    m.policy.retention_bytes = 0;
    assert_int_equal(start(&m), 50);
    m.policy.retention_bytes = 400;
    m.now.live_bytes = 200; /* counts, and does not go */
    assert_int_equal(start(&m), 30);
    m.now.live_bytes = 100000;
    assert_int_equal(start(&m), 50);
    m.policy.retention_bytes = INT64_MIN; /* Kafka takes any negative number */
    assert_int_equal(start(&m), 0);
}

static void
retention__only_compacted__nothing_goes(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    add(&m, 0, 0);
    m.policy.is_deleted = false;
    m.policy.is_compacted = true;
    m.policy.retention_ms = m.policy.retention_bytes = 0;
    assert_int_equal(start(&m), 0);
    m.policy.is_deleted = true;
    assert_int_equal(start(&m), 10);
}

static void
retention__start_within_a_segment__never_back(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    add(&m, NOW - 5000, 0);
    add(&m, NOW, 0);
    m.p.start = 4;
    assert_int_equal(start(&m), 4);
    m.policy.retention_ms = 1000;
    assert_int_equal(start(&m), 10);
}

static bool
wants_roll(struct made *m)
{
    m->p.runs = &m->run;
    return retention_wants_roll(&m->p, &m->policy, &m->now);
}

static void
roll__segment_ms_or_the_age_of_all__whichever_is_less(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    assert_false(wants_roll(&m));
    m.p.run_count = 1;
    m.run.max_timestamp = NOW;
    assert_false(wants_roll(&m));
    m.now.live_since_ms = NOW - 30001;
    assert_true(wants_roll(&m));
    m.now.live_since_ms = NOW - 20000;
    assert_false(wants_roll(&m));
    m.policy.segment_ms = 10000;
    assert_true(wants_roll(&m));
}

static void
roll__past_its_retention__at_once(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    m.p.run_count = 1;
    m.run.max_timestamp = NOW - 5000;
    m.policy.retention_ms = 4000;
    assert_true(wants_roll(&m));
    m.policy.is_deleted = false;
    assert_false(wants_roll(&m));
    m.policy.is_deleted = true;
    m.run.max_timestamp = -1; /* since it is there */
    assert_false(wants_roll(&m));
    m.now.live_since_ms = NOW - 4001;
    assert_true(wants_roll(&m));
}

static void
retention__nothing_is_left_of_a_segment__is_not_in_the_way(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    add(&m, -1, 1);
    add(&m, NOW - 9000, 0);
    add(&m, NOW - 1000, 0);
    m.segments[0].bytes = 0; /* compacted a moment ago */
    m.segments[0].created_ms = NOW;
    m.policy.retention_ms = 5000;
    assert_int_equal(start(&m), 20);
    m.segments[1].max_timestamp = NOW; /* the start does not move over what holds nothing alone */
    assert_int_equal(start(&m), 0);
    m.policy.retention_ms = -1;
    m.policy.retention_bytes = 150;
    assert_int_equal(start(&m), 0);
    m.policy.retention_bytes = 100;
    assert_int_equal(start(&m), 20);
}

static void
roll__max_compaction_lag__is_rolled_before_it_is_over(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    m.p.runs = &m.run;
    m.p.run_count = 1;
    m.run.max_timestamp = NOW;
    m.policy.segment_ms = -1;
    m.policy.max_compaction_lag_ms = 4000;
    m.now.live_since_ms = NOW - 4001;
    assert_false(wants_roll(&m)); /* it is not compacted */
    m.policy.is_compacted = true;
    assert_true(wants_roll(&m));
    m.now.live_since_ms = NOW - 4000;
    assert_false(wants_roll(&m));
}

/* --- what to compact --- */

static struct compact_view
look(struct made *m)
{
    struct compact_view v;
    m->p.segments = m->segments;
    compact_look(&m->p, &m->policy, NOW, &v);
    return v;
}

static void
look__clean_prefix_and_dirty_rest__ratio(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    assert_false(look(&m).is_due);
    for (int i = 0; i < 3; i++) {
        add(&m, NOW - 5000, 2);
    }
    assert_false(look(&m).is_due);
    add(&m, NOW - 5000, 0);
    add(&m, NOW - 5000, 0);
    struct compact_view v = look(&m);
    assert_int_equal(v.dirty, 3);
    assert_int_equal(v.end, 5);
    assert_int_equal(v.dirty_pm, 400);
    assert_false(v.is_due);
    add(&m, NOW - 5000, 0);
    assert_true(look(&m).is_due);
    m.policy.dirty_ratio_pm = 501;
    assert_false(look(&m).is_due);
    m.policy.max_compaction_lag_ms = 5000;
    assert_false(look(&m).is_due);
    m.policy.max_compaction_lag_ms = 4999;
    assert_true(look(&m).is_due);
}

static void
look__min_lag__nothing_younger_nor_behind_it(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    add(&m, NOW - 5000, 0);
    add(&m, NOW - 100, 0);
    add(&m, NOW - 5000, 0);
    m.policy.min_compaction_lag_ms = 1000;
    struct compact_view v = look(&m);
    assert_int_equal(v.dirty, 0);
    assert_int_equal(v.end, 1);
    assert_int_equal(v.dirty_pm, 1000);
    m.policy.min_compaction_lag_ms = INT64_MAX;
    assert_int_equal(look(&m).end, 0);
}

static void
expect_group(struct made *m, int64_t from, enum compact_kind kind, size_t first, size_t count)
{
    const struct compact_limits limits = {.wall_ms = NOW, .segment_bytes = 300, .dirty_to = 70};
    struct compact_group g;
    m->p.segments = m->segments;
    assert_true(compact_next_group(&m->p, &m->policy, &limits, from, &g));
    assert_int_equal(g.kind, kind);
    assert_int_equal(g.first, first);
    assert_int_equal(g.count, count);
    assert_int_equal(g.bytes, 100 * count);
}

static void
groups__of_one_kind_up_to_segment_bytes(void **state)
{
    (void)state;
    struct made m;
    struct compact_group g;
    make(&m);
    add(&m, NOW, 3);
    add(&m, NOW, 5);
    add(&m, NOW, 1);
    m.segments[0].created_ms = m.segments[1].created_ms = NOW - 20000; /* their tombstones go */
    for (int i = 0; i < 5; i++) {
        add(&m, NOW, 0);
    }
    expect_group(&m, 0, COMPACT_SETTLED, 0, 2);
    expect_group(&m, 20, COMPACT_YOUNG, 2, 1);
    expect_group(&m, 30, COMPACT_DIRTY, 3, 3);
    expect_group(&m, 60, COMPACT_DIRTY, 6, 1); /* dirty_to */
    const struct compact_limits limits = {.wall_ms = NOW, .segment_bytes = 300, .dirty_to = 70};
    assert_false(compact_next_group(&m.p, &m.policy, &limits, 70, &g));
    m.segments[2].created_ms = NOW - 20000;
    expect_group(&m, 0, COMPACT_SETTLED, 0, 3);
    m.segments[0].bytes = 5000; /* larger than any target: alone */
    assert_true(compact_next_group(&m.p, &m.policy, &limits, 0, &g));
    assert_int_equal(g.count, 1);
    assert_int_equal(g.gen_max, 3);
}

static void
groups__more_offsets_than_one_batch_can_reach_over__are_not_merged(void **state)
{
    (void)state;
    struct made m;
    struct compact_group g;
    const struct compact_limits limits = {.wall_ms = NOW, .segment_bytes = 300, .dirty_to = 0};
    make(&m);
    for (int i = 0; i < 2; i++) {
        add(&m, NOW, 3);
        m.segments[i].created_ms = NOW - 20000;
    }
    m.segments[1].bytes = 0;
    m.segments[1].last = INT32_MAX;
    m.p.segments = m.segments;
    assert_true(compact_next_group(&m.p, &m.policy, &limits, 0, &g));
    assert_int_equal(g.count, 2);
    m.segments[1].last++;
    assert_true(compact_next_group(&m.p, &m.policy, &limits, 0, &g));
    assert_int_equal(g.count, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retention__time__from_the_front_while_all_is_older),
        cmocka_unit_test(retention__no_timestamps__since_it_was_made),
        cmocka_unit_test(retention__time_ahead_of_the_clock__stays),
        cmocka_unit_test(retention__size__while_enough_is_left),
        cmocka_unit_test(retention__only_compacted__nothing_goes),
        cmocka_unit_test(retention__start_within_a_segment__never_back),
        cmocka_unit_test(retention__nothing_is_left_of_a_segment__is_not_in_the_way),
        cmocka_unit_test(roll__segment_ms_or_the_age_of_all__whichever_is_less),
        cmocka_unit_test(roll__max_compaction_lag__is_rolled_before_it_is_over),
        cmocka_unit_test(roll__past_its_retention__at_once),
        cmocka_unit_test(look__clean_prefix_and_dirty_rest__ratio),
        cmocka_unit_test(look__min_lag__nothing_younger_nor_behind_it),
        cmocka_unit_test(groups__of_one_kind_up_to_segment_bytes),
        cmocka_unit_test(groups__more_offsets_than_one_batch_can_reach_over__are_not_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
