/* SPDX-License-Identifier: Apache-2.0
 *
 * S as bytes and back, after any history. */
#include "state_fixture.h"

enum { TOPICS = 6, PARTS = 3, PIDS = 4, PROPERTY_SEEDS = 200, PROPERTY_STEPS = 150 };

static struct state *
restored(const struct state *st)
{
    struct bytes b;
    struct sl_error err = SL_ERROR_INIT;
    bytes_init(&b, 1 << 24);
    state_snapshot(st, &b);
    assert_false(b.is_overflown);
    struct state *copy = state_new();
    if (state_restore(copy, bytes_span(&b), &err) != SL_OK) {
        fail_msg("%s", err.msg);
    }
    bytes_fini(&b);
    state_check(copy);
    return copy;
}

static struct state *
small_state(void)
{
    struct state *st = state_new();
    int64_t base = 0;
    struct bytes b;
    create_topic(st, 1, "one", 3);
    create_topic(st, 2, "two", 1);
    (void)open_part(st, 1, 0);
    (void)open_part(st, 1, 2);
    for (uint64_t n = 1; n < 8; n++) {
        assert_int_equal(commit_run(st, n, 50, seq_run(1, 9, 0, (int32_t)n * 2 - 2, 2), &base),
                         SL_OK);
    }
    bytes_init(&b, 64);
    op_encode_producer_ids(&b, 0, 1000);
    apply_ok(st, ITEM_PRODUCER_IDS, &b);
    return st;
}

static void
empty__restores_empty(void **unused)
{
    (void)unused;
    struct state *st = state_new();
    struct state *copy = restored(st);
    assert_same_states(st, copy);
    state_destroy(&copy);
    state_destroy(&st);
}

static void
restore__no_bytes__is_the_state_before_the_first_entry(void **unused)
{
    (void)unused;
    struct sl_error err = SL_ERROR_INIT;
    struct state *st = small_state();
    struct state *fresh = state_new();
    assert_int_equal(state_restore(st, (struct span){NULL, 0}, &err), SL_OK);
    assert_same_states(st, fresh);
    state_destroy(&st);
    state_destroy(&fresh);
}

static void
restore__producers_answer_as_before(void **unused)
{
    (void)unused;
    struct state *st = small_state();
    struct state *copy = restored(st);
    int64_t base = -1;
    assert_same_states(st, copy);
    assert_int_equal(commit_run(copy, 9, 1, seq_run(1, 9, 0, 12, 2), &base), SL_EEXIST);
    assert_int_equal(base, 12);
    assert_int_equal(commit_run(copy, 9, 1, seq_run(1, 9, 0, 15, 2), &base), SL_EOUT_OF_ORDER_SEQ);
    assert_int_equal(commit_run(copy, 9, 1, seq_run(1, 9, 0, 14, 2), &base), SL_OK);
    assert_int_equal(base, 14);
    state_destroy(&copy);
    state_destroy(&st);
}

static void
snapshot__what_is_in_flight_is_not_in_it(void **unused)
{
    (void)unused;
    struct state *st = small_state();
    struct uuid id = id_of(1);
    int64_t base = -1;
    const struct run r = seq_run(1, 9, 0, 14, 2);
    assert_int_equal(state_check_run(st, state_find_part(st, &id, 0), &r, &base), SL_OK);
    struct state *copy = restored(st);
    base = -1;
    assert_int_equal(commit_run(copy, 9, 1, r, &base), SL_OK);
    assert_int_equal(base, 14);
    state_destroy(&copy);
    state_destroy(&st);
}

/* --- older versions --- */

/* small_state, trimmed to 5, as the last binary that wrote version 1 wrote it. */
static const char version_1[] =
    "534c53540001000000000000000003e800000002a000000000000000000000000000000200037477"
    "6f000000000000000100000000000000000000000000000000000003e8a000000000000000000000"
    "000000000100036f6e65000000000000000300000000000000010000000200000001000c72657465"
    "6e74696f6e2e6d7300000001350000000000000000000003e800000002a000000000000000000000"
    "0000000001000000000000000000000005000000000000000e000000000500000000000000030000"
    "000000000004000000000000004d0000000200000100000000640000000500000000000000040000"
    "000000000006000000000000004d0000000200000100000000640000000500000000000000050000"
    "000000000008000000000000004d0000000200000100000000640000000500000000000000060000"
    "00000000000a000000000000004d0000000200000100000000640000000500000000000000070000"
    "00000000000c000000000000004d0000000200000100000000640000000500000001000000000000"
    "00090000000000000000003205000000040000000500000000000000040000000600000007000000"
    "0000000006000000080000000900000000000000080000000a0000000b000000000000000a000000"
    "0c0000000d000000000000000ca00000000000000000000000000000010000000200000000000000"
    "000000000000000000000000000000000000";

static void
restore__version_1__as_it_was_then(void **unused)
{
    (void)unused;
    static uint8_t raw[sizeof(version_1) / 2];
    struct sl_error err = SL_ERROR_INIT;
    struct bytes b;
    struct uuid id = id_of(1);
    for (size_t i = 0; i < sizeof(raw); i++) {
        unsigned v = 0;
        assert_int_equal(sscanf(version_1 + 2 * i, "%2x", &v), 1);
        raw[i] = (uint8_t)v;
    }
    struct state *st = small_state();
    struct state *old = state_new();
    bytes_init(&b, 64);
    op_encode_trim(&b, &id, 0, 5);
    apply_ok(st, ITEM_TRIM, &b);
    if (state_restore(old, span_of(raw, sizeof(raw)), &err) != SL_OK) {
        fail_msg("%s", err.msg);
    }
    state_check(old);
    assert_same_states(st, old);
    assert_same_states(old, st);
    int64_t base = -1;
    assert_int_equal(commit_run(old, 9, 1, seq_run(1, 9, 0, 12, 2), &base), SL_EEXIST);
    assert_int_equal(base, 12);
    assert_int_equal(commit_run(old, 9, 1, seq_run(1, 9, 0, 14, 2), &base), SL_OK);
    state_destroy(&old);
    state_destroy(&st);
}

/* --- damage --- */

/* Refused, and nothing of it stays. */
static void
assert_refused(struct span snapshot, const char *what, size_t at)
{
    struct sl_error err = SL_ERROR_INIT;
    struct state *st = small_state();
    struct state *fresh = state_new();
    if (state_restore(st, snapshot, &err) != SL_ECORRUPT) {
        fail_msg("%s at %zu was restored", what, at);
    }
    assert_non_null(strstr(err.msg, "snapshot"));
    assert_same_states(st, fresh);
    state_destroy(&st);
    state_destroy(&fresh);
}

static void
restore__cut_anywhere__refused_and_empty(void **unused)
{
    (void)unused;
    struct state *st = small_state();
    struct bytes b;
    bytes_init(&b, 1 << 20);
    state_snapshot(st, &b);
    for (size_t n = 1; n < b.len; n++) {
        uint8_t *copy = (uint8_t *)malloc(n);
        memcpy(copy, b.data, n);
        assert_refused(span_of(copy, n), "a snapshot cut", n);
        free(copy);
    }
    bytes_u8(&b, 0);
    assert_refused(bytes_span(&b), "a snapshot with a byte too many", b.len);
    bytes_fini(&b);
    state_destroy(&st);
}

static void
restore__unknown_magic_or_version__refused(void **unused)
{
    (void)unused;
    struct state *st = small_state();
    struct bytes b;
    bytes_init(&b, 1 << 20);
    state_snapshot(st, &b);
    b.data[5] = 3;
    assert_refused(bytes_span(&b), "version", 3);
    b.data[5] = 0;
    assert_refused(bytes_span(&b), "version", 0);
    b.data[5] = 2;
    b.data[0] ^= 1;
    assert_refused(bytes_span(&b), "magic", 0);
    bytes_fini(&b);
    state_destroy(&st);
}

/* Checksums keep damage out; this says that what does not fit together is refused all the same, and
 * never trips an invariant later. */
static void
restore__any_byte_changed__refused_or_sound(void **unused)
{
    (void)unused;
    struct state *st = small_state();
    struct bytes b;
    size_t refused = 0;
    bytes_init(&b, 1 << 20);
    state_snapshot(st, &b);
    for (size_t i = 0; i < b.len; i++) {
        for (unsigned flip = 1; flip < 256; flip <<= 1) {
            struct sl_error err = SL_ERROR_INIT;
            struct state *copy = state_new();
            b.data[i] ^= (uint8_t)flip;
            if (state_restore(copy, bytes_span(&b), &err) == SL_OK) {
                state_check(copy);
            } else {
                refused++;
            }
            b.data[i] ^= (uint8_t)flip;
            state_destroy(&copy);
        }
    }
    assert_true(refused > b.len);
    bytes_fini(&b);
    state_destroy(&st);
}

/* --- any history --- */

static uint64_t rng;

static uint32_t
pick(uint32_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (uint32_t)(rng >> 33) % below;
}

static void
random_open(struct state *st)
{
    (void)open_part(st, (uint8_t)(1 + pick(TOPICS)), (int32_t)pick(PARTS));
}

static void
random_topic(struct state *st)
{
    static const char *const names[TOPICS] = {"a", "b.b", "c-c", "d", "e", "f_f"};
    uint32_t i = pick(TOPICS);
    struct uuid id = id_of((uint8_t)(1 + i));
    struct bytes b;
    struct topic_state *t = state_find_topic_id(st, &id);
    if (t == NULL) {
        create_topic(st, (uint8_t)(1 + i), names[i], (int32_t)(1 + pick(PARTS)));
        return;
    }
    int32_t opened = (int32_t)pick(PARTS + 1);
    bytes_init(&b, 256);
    op_encode_topics_opened(&b, &id, &opened, 1);
    apply_ok(st, ITEM_TOPICS_OPENED, &b);
}

static void
random_run(struct state *st, uint64_t n)
{
    struct uuid id = id_of((uint8_t)(1 + pick(TOPICS)));
    int32_t index = (int32_t)pick(PARTS);
    int64_t base = -1;
    if (state_find_part(st, &id, index) == NULL) {
        return;
    }
    struct run r = pick(3) == 0 ? plain_run(id.b[15], index, (int32_t)(1 + pick(5)))
                                : seq_run(id.b[15], (int64_t)pick(PIDS), (int16_t)pick(2),
                                          (int32_t)pick(3) * 2, 2);
    r.partition = index;
    r.max_timestamp = (int64_t)pick(1000);
    (void)commit_run(st, n, (int64_t)n * 10, r, &base);
}

static void
random_rare(struct state *st, uint64_t n)
{
    struct uuid id = id_of((uint8_t)(1 + pick(TOPICS)));
    struct bytes b;
    bytes_init(&b, 256);
    switch (pick(4)) {
    case 0:
        op_encode_retire(&b, &id);
        apply_ok(st, ITEM_RETIRE, &b);
        break;
    case 1:
        op_encode_producers_expire(&b, (int64_t)n * 10 - 300);
        apply_ok(st, ITEM_PRODUCERS_EXPIRE, &b);
        break;
    case 2:
        op_encode_producer_ids(&b, state_next_producer_id(st), 1000);
        apply_ok(st, ITEM_PRODUCER_IDS, &b);
        break;
    default:
        op_encode_trim(&b, &id, (int32_t)pick(PARTS), (int64_t)pick(40));
        apply_ok(st, ITEM_TRIM, &b);
        break;
    }
}

static void
random_step(struct state *st, uint64_t n)
{
    uint32_t what = pick(20);
    if (what == 0) {
        random_rare(st, n);
    } else if (what < 3) {
        random_open(st);
    } else if (what < 5) {
        random_topic(st);
    } else {
        random_run(st, n);
    }
}

/* What both answer to the same batches. */
static void
assert_same_verdicts(struct state *a, struct state *b)
{
    state_rollback(a);
    state_rollback(b);
    for (uint8_t tag = 1; tag <= TOPICS; tag++) {
        struct uuid id = id_of(tag);
        struct part_state *pa = state_find_part(a, &id, 0);
        struct part_state *pb = state_find_part(b, &id, 0);
        for (uint32_t i = 0; pa != NULL && i < 40; i++) {
            int64_t base_a = -1;
            int64_t base_b = -1;
            const struct run r = seq_run(tag, (int64_t)pick(PIDS), (int16_t)pick(3),
                                         (int32_t)pick(8), (int32_t)(1 + pick(3)));
            assert_int_equal(state_check_run(a, pa, &r, &base_a),
                             state_check_run(b, pb, &r, &base_b));
            assert_int_equal(base_a, base_b);
        }
    }
    state_rollback(a);
    state_rollback(b);
}

static void
property__after_any_history_the_copy_is_the_same(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= PROPERTY_SEEDS; seed++) {
        rng = seed * 0x9E3779B97F4A7C15u;
        struct state *st = state_new();
        for (uint64_t n = 1; n <= PROPERTY_STEPS; n++) {
            random_step(st, n);
        }
        state_check(st);
        struct state *copy = restored(st);
        assert_same_states(st, copy);
        assert_same_states(copy, st);
        assert_same_verdicts(st, copy);
        for (uint64_t n = 1; n <= 30; n++) { /* and they stay the same */
            uint64_t before = rng;
            random_step(st, PROPERTY_STEPS + n);
            rng = before;
            random_step(copy, PROPERTY_STEPS + n);
        }
        assert_same_states(st, copy);
        assert_same_verdicts(st, copy);
        state_destroy(&copy);
        state_destroy(&st);
    }
}

/* --- events --- */

static void
count_topic(void *arg, struct topic_state *t)
{
    (void)t;
    ((int *)arg)[0]++;
}
static void
count_part(void *arg, struct part_state *p)
{
    (void)p;
    ((int *)arg)[1]++;
}
static void
count_gone(void *arg, struct part_state *p)
{
    (void)p;
    ((int *)arg)[2]++;
}

static void
restore__tells_what_came_in(void **unused)
{
    (void)unused;
    static const struct state_events events = {
        .topic_changed = count_topic, .part_opened = count_part, .part_retired = count_gone};
    int counts[3] = {0};
    struct sl_error err = SL_ERROR_INIT;
    struct state *st = small_state();
    struct bytes b;
    bytes_init(&b, 1 << 20);
    state_snapshot(st, &b);
    state_set_events(st, &events, counts);
    assert_int_equal(state_restore(st, bytes_span(&b), &err), SL_OK);
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 2);
    assert_int_equal(counts[2], 2); /* those that were there before */
    b.len--;
    counts[1] = 0;
    assert_int_equal(state_restore(st, bytes_span(&b), &err), SL_ECORRUPT);
    assert_int_equal(counts[1], 0);
    state_set_events(st, NULL, NULL);
    bytes_fini(&b);
    state_destroy(&st);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty__restores_empty),
        cmocka_unit_test(restore__no_bytes__is_the_state_before_the_first_entry),
        cmocka_unit_test(restore__producers_answer_as_before),
        cmocka_unit_test(restore__version_1__as_it_was_then),
        cmocka_unit_test(snapshot__what_is_in_flight_is_not_in_it),
        cmocka_unit_test(restore__tells_what_came_in),
        cmocka_unit_test(restore__cut_anywhere__refused_and_empty),
        cmocka_unit_test(restore__unknown_magic_or_version__refused),
        cmocka_unit_test(restore__any_byte_changed__refused_or_sound),
        cmocka_unit_test(property__after_any_history_the_copy_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
