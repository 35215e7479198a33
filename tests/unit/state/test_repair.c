/* SPDX-License-Identifier: Apache-2.0
 *
 * ADOPT and LOSS: what tools tell a journal. */
#include "state_fixture.h"

static struct state *st;
static struct part_state *p;

static int
setup(void **unused)
{
    (void)unused;
    st = state_new();
    p = open_part(st, 1, 0);
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

static struct segment_slice slices[2] = {{0, 32, 70}, {5, 90, 77}};

static struct segment_ref
segment(int64_t base, int64_t last)
{
    return (struct segment_ref){.base = base,
                                .last = last,
                                .bytes = 1000,
                                .max_timestamp = 77,
                                .record_count = 3,
                                .body_crc = 5,
                                .slice_count = 2,
                                .slices = slices};
}

/* Applies it when it passes its check; otherwise sees that it is not applied either. */
static enum sl_err
put_adopt(int32_t partition, const char *dir, const struct segment_ref *segments, size_t count)
{
    struct bytes b;
    const struct adopt_op op = {id_of(1), partition, span_cstr(dir), segments, count};
    bytes_init(&b, 1 << 20);
    op_encode_adopt(&b, &op);
    enum sl_err rc = state_check_adopt(st, bytes_span(&b));
    if (rc == SL_OK) {
        apply_ok(st, ITEM_ADOPT, &b);
    } else {
        assert_int_not_equal(apply_at(st, 1, 1000, ITEM_ADOPT, bytes_span(&b), NULL), SL_OK);
        bytes_fini(&b);
    }
    state_check(st);
    return rc;
}

static struct state *
copy_of(const struct state *from, uint16_t *ret_version)
{
    struct bytes b;
    struct state *to = state_new();
    bytes_init(&b, 1 << 20);
    state_snapshot(from, &b);
    *ret_version = get_u16(b.data + 4);
    assert_int_equal(state_restore(to, bytes_span(&b), NULL), SL_OK);
    state_check(to);
    bytes_fini(&b);
    return to;
}

/* --- adopt --- */

static void
adopt__empty_partition__has_the_segments_and_goes_on_behind_them(void **unused)
{
    (void)unused;
    const struct segment_ref two[2] = {segment(3000, 3099), segment(3100, 3149)};
    int64_t base;
    uint16_t version;
    assert_int_equal(put_adopt(0, "t", two, 2), SL_OK);
    assert_int_equal(p->start, 3000);
    assert_int_equal(p->end, 3150);
    assert_true(p->has_lost_producers);
    assert_string_equal(part_dir(p), "t");
    assert_int_equal(part_segment_count(p), 2);
    assert_int_equal(part_segment(p, 1)->created_ms, 1000);
    assert_int_equal(part_find_segment(p, 3120)->base, 3100);
    assert_int_equal(commit_run(st, 2, 1001, plain_run(1, 0, 10), &base), SL_OK);
    assert_int_equal(base, 3150);
    struct state *again = copy_of(st, &version);
    assert_same_states(st, again);
    assert_int_equal(version, 2);
    state_destroy(&again);
}

/* KafScale leaves offsets out when an upload fails. */
static void
adopt__offsets_in_no_segment__are_passed_over(void **unused)
{
    (void)unused;
    const struct segment_ref none = {.base = 100, .last = 149, .max_timestamp = -1, .gen = 1};
    const struct segment_ref three[3] = {segment(0, 99), none, segment(150, 199)};
    uint16_t version;
    assert_int_equal(put_adopt(0, "t", three, 3), SL_OK);
    assert_int_equal(part_find_segment(p, 120)->bytes, 0);
    assert_int_equal(p->end, 200);
    struct state *again = copy_of(st, &version);
    assert_same_states(st, again);
    state_destroy(&again);
}

/* Nothing is known of who wrote it: a producer may go on where it was (R10). */
static void
adopt__idempotent_producer_goes_on__is_accepted(void **unused)
{
    (void)unused;
    const struct segment_ref one = segment(0, 99);
    int64_t base;
    assert_int_equal(put_adopt(0, "t", &one, 1), SL_OK);
    assert_int_equal(commit_run(st, 2, 1001, seq_run(1, 7, 0, 41, 2), &base), SL_OK);
    assert_int_equal(base, 100);
}

static void
adopt__run_staged_and_rolled_back_before__next_run_begins_behind_the_segments(void **unused)
{
    (void)unused;
    const struct segment_ref one = segment(50, 99);
    const struct run r = plain_run(1, 0, 10);
    int64_t base;
    assert_int_equal(state_check_run(st, p, &r, &base), SL_OK);
    assert_int_equal(base, 0);
    state_rollback(st);
    assert_int_equal(put_adopt(0, "t", &one, 1), SL_OK);
    assert_int_equal(commit_run(st, 2, 1001, r, &base), SL_OK);
    assert_int_equal(base, 100);
}

static void
adopt__partition_that_held_something__is_refused(void **unused)
{
    (void)unused;
    const struct segment_ref one = segment(0, 99), next = segment(100, 199);
    struct bytes b;
    struct uuid id = id_of(1);
    int64_t base;
    assert_int_equal(commit_run(st, 1, 1000, plain_run(1, 0, 10), &base), SL_OK);
    assert_int_equal(put_adopt(0, "t", &one, 1), SL_EEXIST);
    bytes_init(&b, 64); /* also when all of it is trimmed */
    op_encode_trim(&b, &id, 0, 10);
    apply_ok(st, ITEM_TRIM, &b);
    assert_int_equal(put_adopt(0, "t", &one, 1), SL_EEXIST);
    p = open_part(st, 1, 1);
    assert_int_equal(put_adopt(1, "t", &one, 1), SL_OK);
    assert_int_equal(put_adopt(1, "t", &next, 1), SL_EEXIST);
}

static void
adopt__what_makes_no_sense__is_refused(void **unused)
{
    (void)unused;
    const struct segment_ref hole[2] = {segment(0, 99), segment(101, 199)};
    struct segment_ref empty = segment(0, 99);
    empty.bytes = 0;
    empty.slice_count = 0;
    assert_int_equal(put_adopt(0, "t", hole, 2), SL_EINVAL);
    assert_int_equal(put_adopt(0, "t", &empty, 1), SL_EINVAL);
    const struct segment_ref first[2] = {empty, segment(100, 199)};
    struct segment_ref last[2] = {segment(0, 99), segment(100, 199)};
    last[1].bytes = 0;
    last[1].slice_count = 0;
    assert_int_equal(put_adopt(0, "t", first, 2), SL_EINVAL);
    assert_int_equal(put_adopt(0, "t", last, 2), SL_EINVAL);
    assert_int_equal(put_adopt(0, "t", hole, 0), SL_EINVAL);
    assert_int_equal(put_adopt(0, "../t", hole, 1), SL_EINVAL);
    assert_int_equal(put_adopt(3, "t", hole, 1), SL_EUNKNOWN_PARTITION);
    assert_int_equal(p->end, 0);
}

static void
adopt__another_directory_than_the_topics__is_refused(void **unused)
{
    (void)unused;
    const struct segment_ref one = segment(0, 99);
    (void)open_part(st, 1, 1);
    assert_int_equal(put_adopt(0, "t", &one, 1), SL_OK);
    assert_int_equal(put_adopt(1, "t~1", &one, 1), SL_EINVAL);
}

/* --- loss --- */

static void
put_losses(int64_t first, size_t count, const char *reason)
{
    struct bytes b;
    struct loss_ref *l = (struct loss_ref *)sl_alloc(count * sizeof(*l));
    for (size_t i = 0; i < count; i++) {
        l[i] = (struct loss_ref){id_of(1), 0, first + (int64_t)i, first + (int64_t)i, 5, ""};
        (void)snprintf(l[i].reason, sizeof(l[i].reason), "%s", reason);
    }
    bytes_init(&b, 1 << 20);
    op_encode_losses(&b, l, count);
    apply_ok(st, ITEM_LOSS, &b);
    sl_free(l);
    state_check(st);
}

static void
loss__told__is_kept_in_the_snapshot(void **unused)
{
    (void)unused;
    uint16_t version;
    put_losses(10, 2, "the object is missing");
    struct state *again = copy_of(st, &version);
    assert_int_equal(version, 3);
    assert_int_equal(state_loss_count(again), 2);
    assert_int_equal(state_loss(again, 1)->first, 11);
    assert_int_equal(state_loss(again, 1)->time_ms, 5);
    assert_string_equal(state_loss(again, 1)->reason, "the object is missing");
    state_destroy(&again);
}

static void
loss__more_than_are_kept__the_last_ones_stay(void **unused)
{
    (void)unused;
    put_losses(0, LOSSES_MAX, "x");
    put_losses(5000, 3, "y");
    assert_int_equal(state_loss_count(st), LOSSES_MAX);
    assert_int_equal(state_loss(st, 0)->first, 3);
    assert_int_equal(state_loss(st, LOSSES_MAX - 1)->first, 5002);
}

static void
loss__reason_too_long__stops(void **unused)
{
    (void)unused;
    struct bytes b;
    const struct loss_ref l = {id_of(1), 0, 1, 2, 5, ""};
    bytes_init(&b, 1 << 10);
    op_encode_losses(&b, &l, 1);
    put_u16(b.data + b.len - 2, LOSS_REASON_MAX + 1);
    for (int i = 0; i <= LOSS_REASON_MAX; i++) {
        bytes_u8(&b, 'x');
    }
    assert_int_equal(apply_at(st, 1, 1, ITEM_LOSS, bytes_span(&b), NULL), SL_ECORRUPT);
    assert_int_equal(state_loss_count(st), 0);
    bytes_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            adopt__empty_partition__has_the_segments_and_goes_on_behind_them, setup, teardown),
        cmocka_unit_test_setup_teardown(adopt__offsets_in_no_segment__are_passed_over, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(adopt__idempotent_producer_goes_on__is_accepted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            adopt__run_staged_and_rolled_back_before__next_run_begins_behind_the_segments, setup,
            teardown),
        cmocka_unit_test_setup_teardown(adopt__partition_that_held_something__is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(adopt__what_makes_no_sense__is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(adopt__another_directory_than_the_topics__is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(loss__told__is_kept_in_the_snapshot, setup, teardown),
        cmocka_unit_test_setup_teardown(loss__more_than_are_kept__the_last_ones_stay, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(loss__reason_too_long__stops, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
