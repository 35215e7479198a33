/* SPDX-License-Identifier: Apache-2.0
 *
 * Segments: what is registered, replaced and thrown away, and what is left to read. */
#include "state_fixture.h"

static struct state *st;
static struct part_state *p;

/* Ten runs of ten offsets, in entries 1 to 10. */
static int
setup(void **unused)
{
    (void)unused;
    int64_t base = 0;
    st = state_new();
    p = open_part(st, 1, 0);
    for (uint64_t n = 1; n <= 10; n++) {
        assert_int_equal(commit_run(st, n, 50, plain_run(1, 0, 10), &base), SL_OK);
    }
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

static struct register_op
segment_of(int64_t base, int64_t last)
{
    static struct segment_slice slices[2];
    slices[0] = (struct segment_slice){0, 32, 70};
    slices[1] = (struct segment_slice){5, 90, 77};
    return (struct register_op){.topic_id = id_of(1),
                                .partition = 0,
                                .dir = span_cstr("t~1"),
                                .segment = {.base = base,
                                            .last = last,
                                            .bytes = 1000,
                                            .max_timestamp = 77,
                                            .record_count = (uint32_t)(last - base + 1),
                                            .body_crc = 5,
                                            .slice_count = 2,
                                            .slices = slices}};
}

static enum sl_err
stage_register(struct bytes *b, const struct register_op *ops, size_t count)
{
    bytes_init(b, 1 << 20);
    op_encode_register(b, ops, count);
    enum sl_err rc = state_check_register(st, bytes_span(b));
    if (rc != SL_OK) {
        bytes_fini(b);
    }
    state_check(st);
    return rc;
}

static enum sl_err
put_register(const struct register_op *ops, size_t count)
{
    struct bytes b;
    enum sl_err rc = stage_register(&b, ops, count);
    if (rc == SL_OK) {
        apply_ok(st, ITEM_REGISTER, &b);
    }
    state_check(st);
    return rc;
}

static enum sl_err
put_one(int64_t base, int64_t last)
{
    struct register_op op = segment_of(base, last);
    return put_register(&op, 1);
}

static void
trim_to(int64_t start)
{
    struct bytes b;
    struct uuid id = id_of(1);
    bytes_init(&b, 64);
    op_encode_trim(&b, &id, 0, start);
    apply_ok(st, ITEM_TRIM, &b);
    state_check(st);
}

static enum sl_err
put_replace(const struct segment_source *sources, size_t count, int64_t base, int64_t last,
            uint32_t gen)
{
    struct bytes b;
    const struct register_op like = segment_of(base, last);
    struct replace_op op = {
        .topic_id = id_of(1), .sources = sources, .source_count = count, .target = like.segment};
    op.target.gen = gen;
    bytes_init(&b, 1 << 20);
    op_encode_replace(&b, &op);
    enum sl_err rc = state_check_replace(st, bytes_span(&b));
    if (rc == SL_OK) {
        apply_ok(st, ITEM_REPLACE, &b);
    } else {
        bytes_fini(&b);
    }
    state_check(st);
    return rc;
}

/* --- register --- */

static void
register__runs_move_out__and_can_be_collected(void **unused)
{
    (void)unused;
    assert_int_equal(state_collectable(st, 10), 0);
    assert_int_equal(part_registered_end(p), 0);
    assert_null(part_dir(p));
    assert_int_equal(put_one(0, 29), SL_OK);
    assert_int_equal(p->run_count, 7);
    assert_int_equal(part_registered_end(p), 30);
    assert_int_equal(state_collectable(st, 10), 3);
    assert_string_equal(part_dir(p), "t~1");
    assert_int_equal(put_one(30, 99), SL_OK);
    assert_int_equal(p->run_count, 0);
    assert_int_equal(state_collectable(st, 10), 10);
    assert_int_equal(part_registered_end(p), 100);
    assert_int_equal(part_segment_count(p), 2);
    assert_int_equal(part_segment(p, 1)->slices[1].position, 90);
    assert_int_equal(part_segment(p, 1)->created_ms, 1000);
    int64_t base = 0;
    assert_int_equal(commit_run(st, 11, 50, plain_run(1, 0, 5), &base), SL_OK);
    assert_int_equal(base, 100);
    assert_int_equal(state_collectable(st, 11), 10);
}

static void
find__each_offset_is_in_one_segment_or_run(void **unused)
{
    (void)unused;
    assert_int_equal(put_one(0, 29), SL_OK);
    assert_int_equal(put_one(30, 49), SL_OK);
    trim_to(5);
    for (int64_t o = 0; o < 105; o++) {
        const struct segment_ref *s = part_find_segment(p, o);
        const struct run_ref *r = part_find_run(p, o);
        assert_int_equal(s != NULL, o >= 5 && o < 50);
        assert_int_equal(r != NULL, o >= 50 && o < 100);
        assert_true(s == NULL || (s->base <= o && s->last >= o));
    }
}

static void
register__not_at_the_registered_end__exists(void **unused)
{
    (void)unused;
    assert_int_equal(put_one(10, 29), SL_EEXIST);
    assert_int_equal(put_one(0, 29), SL_OK);
    assert_int_equal(put_one(0, 29), SL_EEXIST);
    assert_int_equal(put_one(40, 49), SL_EEXIST);
    trim_to(50);
    assert_int_equal(put_one(30, 49), SL_EEXIST); /* trimmed meanwhile */
    assert_int_equal(put_one(50, 59), SL_OK);
}

static void
register__senseless__refused(void **unused)
{
    (void)unused;
    assert_int_equal(put_one(0, 28), SL_EINVAL); /* within a run */
    assert_int_equal(put_one(0, 100), SL_EINVAL);
    struct register_op op = segment_of(0, 9);
    op.partition = 1;
    assert_int_equal(put_register(&op, 1), SL_EUNKNOWN_PARTITION);
    static const char *const dirs[] = {"",   "a/b", "..",    "a~",
                                       "~1", "a~x", "a~1~2", "a~12345678901"};
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        op = segment_of(0, 9);
        op.dir = span_cstr(dirs[i]);
        assert_int_equal(put_register(&op, 1), SL_EINVAL);
    }
    op = segment_of(0, 9);
    op.segment.slices[1].offset_delta = 0;
    assert_int_equal(put_register(&op, 1), SL_EINVAL);
    assert_int_equal(put_one(0, 9), SL_OK);
    op = segment_of(10, 19);
    op.dir = span_cstr("t~2");
    assert_int_equal(put_register(&op, 1), SL_EINVAL); /* one directory a topic */
}

static void
register__several_in_one_op__all_or_none(void **unused)
{
    (void)unused;
    struct register_op ops[3] = {segment_of(0, 9), segment_of(10, 19), segment_of(30, 39)};
    assert_int_equal(put_register(ops, 3), SL_EEXIST);
    assert_int_equal(part_segment_count(p), 0);
    ops[2] = segment_of(20, 29);
    assert_int_equal(put_register(ops, 3), SL_OK); /* the refused one left nothing in flight */
    assert_int_equal(part_segment_count(p), 3);
}

static void
register__in_flight__the_next_follows_it(void **unused)
{
    (void)unused;
    struct bytes first;
    struct bytes second;
    struct register_op op = segment_of(0, 19);
    assert_int_equal(stage_register(&first, &op, 1), SL_OK);
    assert_int_equal(put_one(0, 19), SL_EEXIST);
    op = segment_of(20, 39);
    assert_int_equal(stage_register(&second, &op, 1), SL_OK);
    assert_int_equal(part_segment_count(p), 0);
    apply_ok(st, ITEM_REGISTER, &first);
    assert_int_equal(part_registered_end(p), 20);
    apply_ok(st, ITEM_REGISTER, &second);
    assert_int_equal(part_registered_end(p), 40);
    op = segment_of(40, 49);
    assert_int_equal(stage_register(&first, &op, 1), SL_OK);
    bytes_fini(&first);
    state_rollback(st);
    assert_int_equal(put_one(40, 59), SL_OK);
}

/* Found by fuzz_state_ops: both were accepted, and the second could not be applied. */
static void
register__first_of_a_topic_in_flight__the_next_keeps_its_directory(void **unused)
{
    (void)unused;
    struct bytes first;
    struct register_op op = segment_of(0, 19);
    assert_int_equal(stage_register(&first, &op, 1), SL_OK);
    assert_null(part_dir(p));
    op = segment_of(20, 39);
    op.dir = span_cstr("t~2");
    assert_int_equal(put_register(&op, 1), SL_EINVAL);
    apply_ok(st, ITEM_REGISTER, &first);
    assert_int_equal(put_register(&op, 1), SL_EINVAL);
    trim_to(100);
    assert_string_equal(part_dir(p), "t~1");
    state_rollback(st);
    assert_string_equal(part_dir(p), "t~1");
}

static void
register__refused_or_rolled_back__its_directory_is_forgotten(void **unused)
{
    (void)unused;
    struct bytes b;
    struct register_op ops[2] = {segment_of(0, 9), segment_of(30, 39)};
    assert_int_equal(put_register(ops, 2), SL_EEXIST);
    ops[0].dir = span_cstr("t~2");
    assert_int_equal(stage_register(&b, ops, 1), SL_OK);
    bytes_fini(&b);
    state_rollback(st);
    ops[0].dir = span_cstr("t~3");
    assert_int_equal(put_register(ops, 1), SL_OK);
    assert_string_equal(part_dir(p), "t~3");
}

static void
apply__a_segment_that_does_not_follow__contradicts(void **unused)
{
    (void)unused;
    struct bytes b;
    struct sl_error err = SL_ERROR_INIT;
    struct register_op op = segment_of(10, 19);
    bytes_init(&b, 1 << 16);
    op_encode_register(&b, &op, 1);
    assert_int_equal(apply_at(st, 1, 1, ITEM_REGISTER, bytes_span(&b), &err), SL_ECORRUPT);
    assert_non_null(strstr(err.msg, "segment"));
    bytes_fini(&b);
}

/* --- trim, retire, garbage --- */

static void
trim__whole_segments_become_garbage(void **unused)
{
    (void)unused;
    assert_int_equal(put_one(0, 19), SL_OK);
    assert_int_equal(put_one(20, 39), SL_OK);
    trim_to(19);
    assert_int_equal(state_garbage_count(st), 0);
    trim_to(20);
    assert_int_equal(state_garbage_count(st), 1);
    const struct garbage_ref *g = state_garbage(st, 0);
    assert_string_equal(g->dir, "t~1");
    assert_int_equal(g->base, 0);
    assert_int_equal(g->partition, 0);
    assert_int_equal(g->time_ms, 1000);
    trim_to(75);
    assert_int_equal(state_garbage_count(st), 2);
    assert_int_equal(part_segment_count(p), 0);
    assert_int_equal(part_registered_end(p), 70);
    trim_to(100);
    assert_int_equal(part_registered_end(p), 100);
}

static void
trim__check__never_back_never_beyond(void **unused)
{
    (void)unused;
    struct uuid id = id_of(1);
    trim_to(50);
    assert_int_equal(state_check_trim(st, &id, 0, 51), SL_OK);
    assert_int_equal(state_check_trim(st, &id, 0, 100), SL_OK);
    assert_int_equal(state_check_trim(st, &id, 0, 50), SL_EEXIST);
    assert_int_equal(state_check_trim(st, &id, 0, 49), SL_EEXIST);
    assert_int_equal(state_check_trim(st, &id, 0, 101), SL_EOFFSET_RANGE);
    assert_int_equal(state_check_trim(st, &id, 1, 1), SL_EUNKNOWN_PARTITION);
}

static void
garbage__done__once_and_by_name(void **unused)
{
    (void)unused;
    struct bytes b;
    for (int64_t o = 0; o < 50; o += 10) {
        assert_int_equal(put_one(o, o + 9), SL_OK);
    }
    trim_to(50);
    assert_int_equal(state_garbage_count(st), 5);
    const uint64_t ids[4] = {2, 4, 2, 77};
    bytes_init(&b, 1 << 16);
    op_encode_garbage_done(&b, ids, 4);
    apply_ok(st, ITEM_GARBAGE_DONE, &b);
    assert_int_equal(state_garbage_count(st), 3);
    assert_int_equal(state_garbage(st, 0)->id, 1);
    assert_int_equal(state_garbage(st, 1)->id, 3);
    assert_int_equal(state_garbage(st, 2)->id, 5);
}

static void
retire__segments_become_garbage__in_the_order_of_partitions(void **unused)
{
    (void)unused;
    struct bytes b;
    struct uuid id = id_of(1);
    int64_t base = 0;
    for (int32_t i = 1; i < 9; i++) {
        (void)open_part(st, 1, 9 - i);
        struct run r = plain_run(1, 9 - i, 10);
        assert_int_equal(commit_run(st, 20, 50, r, &base), SL_OK);
        struct register_op op = segment_of(0, 9);
        op.partition = 9 - i;
        assert_int_equal(put_register(&op, 1), SL_OK);
    }
    assert_int_equal(put_one(0, 9), SL_OK);
    bytes_init(&b, 64);
    op_encode_retire(&b, &id);
    apply_ok(st, ITEM_RETIRE, &b);
    assert_int_equal(state_garbage_count(st), 9);
    for (int32_t i = 0; i < 9; i++) {
        assert_int_equal(state_garbage(st, (size_t)i)->partition, i);
        assert_string_equal(state_garbage(st, (size_t)i)->dir, "t~1");
    }
}

static void
retire__several_topics__in_the_order_of_the_op(void **unused)
{
    (void)unused;
    struct bytes b;
    int64_t base = 0;
    static const uint8_t tags[5] = {7, 1, 9, 7, 3};
    static const uint8_t want[4] = {7, 1, 9, 3};
    assert_int_equal(put_one(0, 9), SL_OK);
    for (uint8_t tag = 2; tag < 12; tag++) {
        (void)open_part(st, tag, 0);
        assert_int_equal(commit_run(st, 20, 50, plain_run(tag, 0, 10), &base), SL_OK);
        struct register_op op = segment_of(0, 9);
        op.topic_id = id_of(tag);
        assert_int_equal(put_register(&op, 1), SL_OK);
    }
    bytes_init(&b, 256);
    for (int i = 0; i < 5; i++) {
        struct uuid id = id_of(tags[i]);
        op_encode_retire(&b, &id);
    }
    apply_ok(st, ITEM_RETIRE, &b);
    assert_int_equal(state_garbage_count(st), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(state_garbage(st, i)->topic_id.b[15], want[i]);
        struct uuid id = id_of(want[i]);
        assert_null(state_find_part(st, &id, 0));
    }
    struct uuid kept = id_of(8);
    assert_non_null(state_find_part(st, &kept, 0));
}

/* --- replace --- */

static void
replace__neighbours_by_one__sources_become_garbage(void **unused)
{
    (void)unused;
    for (int64_t o = 0; o < 50; o += 10) {
        assert_int_equal(put_one(o, o + 9), SL_OK);
    }
    const struct segment_source sources[3] = {{10, 0}, {20, 0}, {30, 0}};
    assert_int_equal(put_replace(sources, 3, 10, 39, 1), SL_OK);
    assert_int_equal(part_segment_count(p), 3);
    assert_int_equal(part_segment(p, 1)->gen, 1);
    assert_int_equal(part_segment(p, 1)->last, 39);
    assert_int_equal(part_segment(p, 2)->base, 40);
    assert_int_equal(state_garbage_count(st), 3);
    const struct segment_source again[2] = {{10, 1}, {40, 0}};
    assert_int_equal(put_replace(again, 2, 10, 49, 1), SL_EINVAL); /* generation must rise */
    assert_int_equal(put_replace(again, 2, 10, 49, 2), SL_OK);
    assert_int_equal(state_garbage(st, 3)->gen, 1);
}

static void
replace__sources_are_not_as_named__refused(void **unused)
{
    (void)unused;
    for (int64_t o = 0; o < 50; o += 10) {
        assert_int_equal(put_one(o, o + 9), SL_OK);
    }
    const struct segment_source gap[2] = {{10, 0}, {30, 0}};
    const struct segment_source gen[2] = {{10, 0}, {20, 3}};
    const struct segment_source end[2] = {{40, 0}, {50, 0}};
    const struct segment_source fine[2] = {{10, 0}, {20, 0}};
    assert_int_equal(put_replace(gap, 2, 10, 39, 1), SL_ENOENT);
    assert_int_equal(put_replace(gen, 2, 10, 29, 1), SL_ENOENT);
    assert_int_equal(put_replace(end, 2, 40, 59, 1), SL_ENOENT);
    assert_int_equal(put_replace(fine, 2, 10, 28, 1), SL_EINVAL);
    assert_int_equal(put_replace(fine, 2, 10, 29, 0), SL_EINVAL);
    trim_to(25);
    assert_int_equal(put_replace(fine, 2, 10, 29, 1), SL_ENOENT);
}

static void
replace__one_in_flight__the_next_waits(void **unused)
{
    (void)unused;
    struct bytes b;
    assert_int_equal(put_one(0, 9), SL_OK);
    assert_int_equal(put_one(10, 19), SL_OK);
    const struct segment_source a = {0, 0};
    const struct segment_source c = {10, 0};
    const struct register_op like = segment_of(0, 9);
    struct replace_op op = {
        .topic_id = id_of(1), .sources = &a, .source_count = 1, .target = like.segment};
    op.target.gen = 1;
    bytes_init(&b, 1 << 16);
    op_encode_replace(&b, &op);
    assert_int_equal(state_check_replace(st, bytes_span(&b)), SL_OK);
    assert_int_equal(put_replace(&c, 1, 10, 19, 1), SL_EAGAIN);
    apply_ok(st, ITEM_REPLACE, &b);
    assert_int_equal(put_replace(&c, 1, 10, 19, 1), SL_OK);
}

/* Compaction that left nothing: offsets are covered, but there is no object to throw away later. */
static void
replace__by_nothing__no_object_no_garbage(void **unused)
{
    (void)unused;
    struct bytes b;
    assert_int_equal(put_one(0, 9), SL_OK);
    const struct segment_source a = {0, 0};
    struct replace_op op = {.topic_id = id_of(1),
                            .sources = &a,
                            .source_count = 1,
                            .target = {.base = 0, .last = 9, .gen = 1, .max_timestamp = -1}};
    bytes_init(&b, 1 << 16);
    op_encode_replace(&b, &op);
    assert_int_equal(state_check_replace(st, bytes_span(&b)), SL_OK);
    apply_ok(st, ITEM_REPLACE, &b);
    assert_int_equal(state_garbage_count(st), 1);
    trim_to(50);
    assert_int_equal(state_garbage_count(st), 1);
}

/* --- snapshot --- */

static void
snapshot__segments_and_garbage_come_back(void **unused)
{
    (void)unused;
    struct bytes b;
    struct sl_error err = SL_ERROR_INIT;
    for (int64_t o = 0; o < 50; o += 10) {
        assert_int_equal(put_one(o, o + 9), SL_OK);
    }
    trim_to(25);
    bytes_init(&b, 1 << 20);
    state_snapshot(st, &b);
    struct state *copy = state_new();
    if (state_restore(copy, bytes_span(&b), &err) != SL_OK) {
        fail_msg("%s", err.msg);
    }
    state_check(copy);
    assert_same_states(st, copy);
    struct uuid id = id_of(1);
    const struct part_state *q = state_find_part(copy, &id, 0);
    assert_int_equal(part_segment_count(q), 3);
    assert_string_equal(part_dir(q), "t~1");
    for (size_t i = 0; i < 3; i++) {
        const struct segment_ref *x = part_segment(p, i);
        const struct segment_ref *y = part_segment(q, i);
        assert_int_equal(x->base, y->base);
        assert_int_equal(x->last, y->last);
        assert_int_equal(x->bytes, y->bytes);
        assert_int_equal(x->created_ms, y->created_ms);
        assert_int_equal(x->body_crc, y->body_crc);
        assert_int_equal(x->slice_count, y->slice_count);
        assert_memory_equal(x->slices, y->slices, 2 * sizeof(struct segment_slice));
    }
    assert_int_equal(state_garbage_count(copy), 2);
    assert_int_equal(state_garbage(copy, 1)->id, 2);
    assert_int_equal(state_garbage(copy, 1)->base, 10);
    assert_string_equal(state_garbage(copy, 1)->dir, "t~1");
    assert_int_equal(state_collectable(copy, 10), state_collectable(st, 10));
    for (size_t n = 0; n < b.len; n++) {
        struct state *half = state_new();
        uint8_t *cut = malloc(n + 1);
        memcpy(cut, b.data, n);
        assert_true(n == 0 || state_restore(half, span_of(cut, n), &err) == SL_ECORRUPT);
        free(cut);
        state_destroy(&half);
    }
    for (size_t i = 6; i < b.len; i++) { /* refused, or sound */
        struct state *half = state_new();
        uint8_t was = b.data[i];
        b.data[i] ^= 0x41;
        if (state_restore(half, bytes_span(&b), &err) == SL_OK) {
            state_check(half);
        }
        b.data[i] = was;
        state_destroy(&half);
    }
    state_destroy(&copy);
    bytes_fini(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(register__runs_move_out__and_can_be_collected),
        T(find__each_offset_is_in_one_segment_or_run),
        T(register__not_at_the_registered_end__exists),
        T(register__senseless__refused),
        T(register__several_in_one_op__all_or_none),
        T(register__in_flight__the_next_follows_it),
        T(register__first_of_a_topic_in_flight__the_next_keeps_its_directory),
        T(register__refused_or_rolled_back__its_directory_is_forgotten),
        T(apply__a_segment_that_does_not_follow__contradicts),
        T(trim__whole_segments_become_garbage),
        T(trim__check__never_back_never_beyond),
        T(garbage__done__once_and_by_name),
        T(retire__segments_become_garbage__in_the_order_of_partitions),
        T(retire__several_topics__in_the_order_of_the_op),
        T(replace__neighbours_by_one__sources_become_garbage),
        T(replace__sources_are_not_as_named__refused),
        T(replace__one_in_flight__the_next_waits),
        T(replace__by_nothing__no_object_no_garbage),
        T(snapshot__segments_and_garbage_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
