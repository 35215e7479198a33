/* SPDX-License-Identifier: Apache-2.0
 *
 * Sequences of idempotent producers: against S, against what is in flight, and after a rollback. */
#include "state_fixture.h"

enum { PID = 7 };

static struct state *st;
static struct part_state *part;
static uint64_t entry;

static int
setup(void **unused)
{
    (void)unused;
    st = state_new();
    part = open_part(st, 1, 0);
    entry = 0;
    return 0;
}

static int
teardown(void **unused)
{
    (void)unused;
    state_check(st);
    state_destroy(&st);
    return 0;
}

/* Through the check and into S. */
static enum sl_err
put(int16_t epoch, int32_t first, int32_t count, int64_t *ret_base)
{
    return commit_run(st, ++entry, 1000, seq_run(1, PID, epoch, first, count), ret_base);
}

/* Only the check: what a batch in flight does. */
static enum sl_err
fly(int16_t epoch, int32_t first, int32_t count, int64_t *ret_base)
{
    const struct run r = seq_run(1, PID, epoch, first, count);
    return state_check_run(st, part, &r, ret_base);
}

static void
expire(int64_t before_ms)
{
    struct bytes b;
    bytes_init(&b, 64);
    op_encode_producers_expire(&b, before_ms);
    apply_ok(st, ITEM_PRODUCERS_EXPIRE, &b);
}

static void
no_producer__always_appended(void **unused)
{
    (void)unused;
    int64_t base = -1;
    for (int64_t i = 0; i < 3; i++) {
        assert_int_equal(commit_run(st, ++entry, 1, plain_run(1, 0, 5), &base), SL_OK);
        assert_int_equal(base, i * 5);
    }
}

static void
unknown__begins_at_zero_only(void **unused)
{
    (void)unused;
    int64_t base = -1;
    assert_int_equal(put(0, 3, 2, &base), SL_EOUT_OF_ORDER_SEQ);
    assert_int_equal(base, -1);
    assert_int_equal(part->end, 0);
    assert_int_equal(put(0, 0, 2, &base), SL_OK);
    assert_int_equal(put(0, 2, 2, &base), SL_OK);
    assert_int_equal(base, 2);
}

static void
gap_or_overlap__refused(void **unused)
{
    (void)unused;
    int64_t base = -1;
    assert_int_equal(put(0, 0, 10, &base), SL_OK);
    assert_int_equal(put(0, 11, 1, &base), SL_EOUT_OF_ORDER_SEQ);
    assert_int_equal(put(0, 9, 2, &base), SL_EOUT_OF_ORDER_SEQ);
    assert_int_equal(put(0, 10, 1, &base), SL_OK);
}

static void
duplicate__gives_the_original_offset(void **unused)
{
    (void)unused;
    int64_t base = -1;
    for (int32_t i = 0; i < 5; i++) {
        assert_int_equal(put(0, i * 10, 10, &base), SL_OK);
    }
    for (int32_t i = 0; i < 5; i++) {
        assert_int_equal(put(0, i * 10, 10, &base), SL_EEXIST);
        assert_int_equal(base, i * 10);
    }
    assert_int_equal(part->end, 50);
}

static void
duplicate__older_than_five_batches__refused(void **unused)
{
    (void)unused;
    int64_t base = -1;
    for (int32_t i = 0; i < 6; i++) {
        assert_int_equal(put(0, i, 1, &base), SL_OK);
    }
    assert_int_equal(put(0, 0, 1, &base), SL_EOUT_OF_ORDER_SEQ);
    assert_int_equal(put(0, 1, 1, &base), SL_EEXIST);
}

static void
duplicate__first_matches_but_not_last__refused(void **unused)
{
    (void)unused;
    int64_t base = -1;
    assert_int_equal(put(0, 0, 10, &base), SL_OK);
    assert_int_equal(put(0, 0, 9, &base), SL_EOUT_OF_ORDER_SEQ);
    assert_int_equal(put(0, 0, 11, &base), SL_EOUT_OF_ORDER_SEQ);
}

static void
epoch__older_is_fenced_newer_begins_at_zero(void **unused)
{
    (void)unused;
    int64_t base = -1;
    assert_int_equal(put(3, 0, 5, &base), SL_OK);
    assert_int_equal(put(2, 5, 1, &base), SL_EPRODUCER_EPOCH);
    assert_int_equal(put(4, 5, 1, &base), SL_EOUT_OF_ORDER_SEQ);
    assert_int_equal(put(4, 0, 1, &base), SL_OK);
    assert_int_equal(base, 5);
    assert_int_equal(put(3, 5, 1, &base), SL_EPRODUCER_EPOCH);
    assert_int_equal(put(4, 1, 1, &base), SL_OK);
}

static void
epoch__batch_of_the_old_epoch_is_no_duplicate_of_the_new(void **unused)
{
    (void)unused;
    int64_t base = -1;
    assert_int_equal(put(0, 0, 5, &base), SL_OK);
    assert_int_equal(put(1, 0, 5, &base), SL_OK);
    assert_int_equal(base, 5);
    assert_int_equal(put(1, 0, 5, &base), SL_EEXIST);
    assert_int_equal(base, 5);
}

static void
sequence__wraps_behind_int32_max(void **unused)
{
    (void)unused;
    int64_t base = -1;
    part->has_lost_producers = true; /* so that a test need not send two thousand million records */
    assert_int_equal(put(0, INT32_MAX - 1, 2, &base), SL_OK);
    assert_int_equal(put(0, 0, 3, &base), SL_OK);
    assert_int_equal(put(0, INT32_MAX - 1, 2, &base), SL_EEXIST);
    assert_int_equal(base, 0);
    assert_int_equal(put(0, 4, 1, &base), SL_EOUT_OF_ORDER_SEQ);
    assert_int_equal(put(0, 3, 1, &base), SL_OK);
}

static void
sequence__wraps_within_a_batch(void **unused)
{
    (void)unused;
    int64_t base = -1;
    part->has_lost_producers = true;
    assert_int_equal(put(0, INT32_MAX, 4, &base), SL_OK); /* MAX 0 1 2 */
    assert_int_equal(put(0, 3, 1, &base), SL_OK);
    assert_int_equal(base, 4);
    assert_int_equal(put(0, INT32_MAX, 4, &base), SL_EEXIST);
    assert_int_equal(base, 0);
}

static void
producers__do_not_know_each_other(void **unused)
{
    (void)unused;
    int64_t base = -1;
    struct run other = seq_run(1, PID + 1, 0, 0, 1);
    assert_int_equal(put(0, 0, 5, &base), SL_OK);
    assert_int_equal(commit_run(st, ++entry, 1, other, &base), SL_OK);
    assert_int_equal(base, 5);
    assert_int_equal(put(0, 5, 5, &base), SL_OK);
}

/* --- in flight --- */

static void
in_flight__counts_before_it_is_verified(void **unused)
{
    (void)unused;
    int64_t base = -1;
    assert_int_equal(fly(0, 0, 5, &base), SL_OK);
    assert_int_equal(fly(0, 5, 5, &base), SL_OK);
    assert_int_equal(base, 5);
    assert_int_equal(part->end, 0);
    assert_int_equal(fly(0, 0, 5, &base), SL_EEXIST);
    assert_int_equal(base, 0);
    assert_int_equal(fly(0, 11, 1, &base), SL_EOUT_OF_ORDER_SEQ);
    assert_int_equal(fly(1, 0, 1, &base), SL_OK);
    assert_int_equal(fly(0, 10, 1, &base), SL_EPRODUCER_EPOCH);
}

static void
rollback__forgets_what_was_in_flight_and_nothing_else(void **unused)
{
    (void)unused;
    int64_t base = -1;
    assert_int_equal(put(0, 0, 5, &base), SL_OK);
    assert_int_equal(fly(0, 5, 5, &base), SL_OK);
    assert_int_equal(fly(1, 0, 5, &base), SL_OK);
    assert_int_equal(base, 10);
    state_rollback(st);
    assert_int_equal(fly(0, 10, 5, &base), SL_EOUT_OF_ORDER_SEQ);
    assert_int_equal(fly(0, 0, 5, &base), SL_EEXIST);
    assert_int_equal(fly(0, 5, 5, &base), SL_OK);
    assert_int_equal(base, 5);
}

static void
rollback__producer_seen_only_in_flight__is_unknown_again(void **unused)
{
    (void)unused;
    int64_t base = -1;
    assert_int_equal(fly(0, 0, 5, &base), SL_OK);
    state_rollback(st);
    assert_int_equal(fly(0, 5, 5, &base), SL_EOUT_OF_ORDER_SEQ);
    assert_int_equal(fly(0, 0, 5, &base), SL_OK);
    assert_int_equal(base, 0);
}

static void
in_flight__refused_batch_leaves_no_trace(void **unused)
{
    (void)unused;
    int64_t base = -1;
    assert_int_equal(fly(0, 7, 5, &base), SL_EOUT_OF_ORDER_SEQ);
    const struct run plain = plain_run(1, 0, 1);
    assert_int_equal(state_check_run(st, part, &plain, &base), SL_OK);
    assert_int_equal(base, 0);
    assert_int_equal(fly(0, 0, 5, &base), SL_OK);
    assert_int_equal(base, 1);
}

static void
in_flight__verified_in_order__meets_the_offsets_it_was_told(void **unused)
{
    (void)unused;
    int64_t bases[4];
    for (int32_t i = 0; i < 4; i++) {
        assert_int_equal(fly(0, i * 3, 3, &bases[i]), SL_OK);
    }
    for (int32_t i = 0; i < 4; i++) {
        struct run r = seq_run(1, PID, 0, i * 3, 3);
        r.base_offset = bases[i];
        assert_int_equal(apply_run(st, ++entry, 1, &r), SL_OK);
    }
    int64_t base = -1;
    assert_int_equal(fly(0, 12, 1, &base), SL_OK);
    assert_int_equal(base, 12);
}

/* --- expiry --- */

static void
expire__only_what_is_older(void **unused)
{
    (void)unused;
    int64_t base = -1;
    struct run young = seq_run(1, PID + 1, 0, 0, 1);
    assert_int_equal(put(0, 0, 5, &base), SL_OK); /* at 1000 */
    assert_int_equal(commit_run(st, ++entry, 2000, young, &base), SL_OK);
    expire(1000);
    assert_false(part->has_lost_producers);
    assert_int_equal(put(0, 0, 5, &base), SL_EEXIST);
    expire(1001);
    assert_true(part->has_lost_producers);
    young = seq_run(1, PID + 1, 0, 0, 1);
    assert_int_equal(commit_run(st, ++entry, 2000, young, &base), SL_EEXIST);
}

static void
expire__then_any_first_sequence_is_taken(void **unused)
{
    (void)unused;
    int64_t base = -1;
    assert_int_equal(put(0, 0, 5, &base), SL_OK);
    expire(5000);
    assert_int_equal(put(0, 5, 5, &base), SL_OK);
    assert_int_equal(base, 5);
    assert_int_equal(put(0, 11, 1, &base), SL_EOUT_OF_ORDER_SEQ);
}

static void
expire__nobody_known__nothing_is_lost(void **unused)
{
    (void)unused;
    int64_t base = -1;
    assert_int_equal(fly(0, 0, 5, &base), SL_OK);
    state_rollback(st);
    expire(INT64_MAX);
    assert_false(part->has_lost_producers);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(no_producer__always_appended),
        T(unknown__begins_at_zero_only),
        T(gap_or_overlap__refused),
        T(duplicate__gives_the_original_offset),
        T(duplicate__older_than_five_batches__refused),
        T(duplicate__first_matches_but_not_last__refused),
        T(epoch__older_is_fenced_newer_begins_at_zero),
        T(epoch__batch_of_the_old_epoch_is_no_duplicate_of_the_new),
        T(sequence__wraps_behind_int32_max),
        T(sequence__wraps_within_a_batch),
        T(producers__do_not_know_each_other),
        T(in_flight__counts_before_it_is_verified),
        T(rollback__forgets_what_was_in_flight_and_nothing_else),
        T(rollback__producer_seen_only_in_flight__is_unknown_again),
        T(in_flight__refused_batch_leaves_no_trace),
        T(in_flight__verified_in_order__meets_the_offsets_it_was_told),
        T(expire__only_what_is_older),
        T(expire__then_any_first_sequence_is_taken),
        T(expire__nobody_known__nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
