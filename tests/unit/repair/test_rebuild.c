/* SPDX-License-Identifier: Apache-2.0
 *
 * S without lost entries: what the others say of what was in them. */
#include "../state/state_fixture.h"
#include "repair/rebuild.h"

enum { TOPIC = 7 };
static struct rebuild r;
static struct state *st;
static struct entry_builder eb;
static unsigned told_lost, told_notes;

static void
told(void *arg, enum rebuild_kind kind, uint64_t n, const char *text)
{
    (void)arg;
    (void)n;
    (void)text;
    told_lost += kind == REBUILD_LOST ? 1 : 0;
    told_notes += kind == REBUILD_NOTE ? 1 : 0;
}

static int
setup(void **unused)
{
    (void)unused;
    st = state_new();
    create_topic(st, TOPIC, "orders", 4);
    (void)open_part(st, TOPIC, 0);
    (void)open_part(st, TOPIC, 1);
    rebuild_init(&r, st);
    r.told = told;
    told_lost = told_notes = 0;
    entry_builder_init(&eb, 1 << 16, 0);
    return 0;
}

static int
teardown(void **unused)
{
    (void)unused;
    entry_builder_fini(&eb);
    rebuild_fini(&r);
    state_destroy(&st);
    buf_pool_trim();
    return 0;
}

static void
put_item(enum item_kind kind, struct span payload)
{
    memcpy(entry_builder_item(&eb, (uint16_t)kind, 1, payload.len), payload.ptr, payload.len);
}

static void
put_run(int32_t partition, int64_t base, int32_t count)
{
    uint8_t raw[RUN_BYTES];
    struct run run = plain_run(TOPIC, partition, count);
    run.base_offset = base;
    run_encode(&run, raw);
    put_item(ITEM_RUN, span_of(raw, sizeof(raw)));
}

/* The items so far are entry n. */
static enum sl_err
entry(uint64_t n, bool is_foreseen)
{
    struct entry_header h = {.id = id_of((uint8_t)n), .n = n, .time_ms = 1000};
    struct entry_view e;
    struct sl_error err = SL_ERROR_INIT;
    uint32_t crc;
    size_t need;
    struct span object = entry_builder_seal(&eb, &h, &crc);
    assert_int_equal(entry_parse(object, &e, &need, &err), SL_OK);
    if (is_foreseen) {
        rebuild_foresee(&r, &e);
        return SL_OK;
    }
    enum sl_err rc = rebuild_entry(&r, &e, &err);
    entry_builder_fini(&eb);
    entry_builder_init(&eb, 1 << 16, 0);
    return rc;
}

static void
take(uint64_t n)
{
    assert_int_equal(entry(n, false), SL_OK);
}

static struct part_state *
part(int32_t index)
{
    const struct uuid id = id_of(TOPIC);
    return state_find_part(st, &id, index);
}

static void
entry__without_holes__is_what_it_was(void **unused)
{
    (void)unused;
    put_run(0, 0, 5);
    take(1);
    rebuild_ends(&r);
    assert_int_equal(part(0)->end, 5);
    assert_int_equal(part(0)->run_count, 1);
    assert_int_equal(rebuild_unknown_from(&r, part(0)), -1);
    assert_int_equal(told_lost, 0);
}

static void
run__behind_a_hole__says_what_was_in_it(void **unused)
{
    (void)unused;
    put_run(0, 0, 5);
    take(1);
    rebuild_hole(&r, 1);
    put_run(0, 9, 2);
    take(3);
    assert_int_equal(part(0)->end, 11);
    assert_int_equal(part(0)->run_count, 3);
    assert_int_equal(part_run(part(0), 1)->n, REBUILD_FILLER);
    assert_int_equal(part_run(part(0), 1)->base_offset, 5);
    assert_int_equal(part_run(part(0), 1)->offset_count, 4);
    rebuild_ends(&r);
    assert_int_equal(part(0)->end, 11); /* its end is known */
    assert_int_equal(rebuild_unknown_from(&r, part(0)), -1);
}

static void
ends__no_later_run__room_is_left(void **unused)
{
    (void)unused;
    put_run(0, 0, 5);
    take(1);
    rebuild_hole(&r, 2);
    rebuild_ends(&r);
    assert_int_equal(rebuild_unknown_from(&r, part(0)), 5);
    assert_int_equal(part(0)->end, 5 + 2 * (int64_t)REBUILD_SKIP);
    assert_int_equal(part(0)->start, 0);
    /* one that was empty is empty again, behind the room */
    assert_int_equal(rebuild_unknown_from(&r, part(1)), 0);
    assert_int_equal(part(1)->start, 2 * (int64_t)REBUILD_SKIP);
    assert_int_equal(part(1)->end, part(1)->start);
    assert_int_equal(part(1)->run_count, 0);
}

static void
ends__second_hole__the_first_does_not_count_for_what_came_between(void **unused)
{
    (void)unused;
    rebuild_hole(&r, 1);
    put_run(0, 3, 5);
    put_run(1, 0, 1);
    take(2);
    rebuild_hole(&r, 1);
    put_run(1, 1, 1);
    take(4);
    rebuild_ends(&r);
    assert_int_equal(rebuild_unknown_from(&r, part(0)), 8);
    assert_int_equal(rebuild_unknown_from(&r, part(1)), -1);
    assert_int_equal(part(1)->end, 2);
}

static void
run__opening_was_lost__opens(void **unused)
{
    (void)unused;
    rebuild_hole(&r, 1);
    put_run(3, 4, 2);
    take(2);
    assert_non_null(part(3));
    assert_int_equal(part(3)->end, 6);
}

static void
partitions__opening_was_lost__topics_say_so(void **unused)
{
    (void)unused;
    struct bytes b;
    const struct uuid id = id_of(TOPIC);
    const int32_t all = 4;
    bytes_init(&b, 64);
    op_encode_topics_opened(&b, &id, &all, 1);
    apply_ok(st, ITEM_TOPICS_OPENED, &b);
    rebuild_hole(&r, 1);
    rebuild_partitions(&r, st, 2, true); /* of four, partition 2 lives in journal 2 */
    assert_non_null(part(2));
    assert_null(part(3));
}

static void
partitions__topic_is_gone__retired_if_that_is_certain(void **unused)
{
    (void)unused;
    struct state *names = state_new();
    rebuild_hole(&r, 1);
    rebuild_partitions(&r, names, 0, false);
    assert_non_null(part(0));
    rebuild_partitions(&r, names, 0, true);
    assert_null(part(0));
    state_destroy(&names);
}

static void
open__behind_a_hole__nothing_can_have_been_lost(void **unused)
{
    (void)unused;
    struct bytes b;
    const struct uuid id = id_of(TOPIC);
    const int32_t index = 3;
    rebuild_hole(&r, 1);
    bytes_init(&b, 64);
    op_encode_open(&b, &id, &index, 1);
    put_item(ITEM_OPEN, bytes_span(&b));
    bytes_fini(&b);
    take(2);
    rebuild_ends(&r);
    assert_int_equal(part(3)->end, 0);
}

static void
run__where_others_are__is_given_up(void **unused)
{
    (void)unused;
    rebuild_hole(&r, 1);
    put_run(0, 0, 5);
    take(2);
    put_run(0, 2, 5);
    take(3);
    assert_int_equal(told_lost, 1);
    assert_true(r.is_refused);
    assert_int_equal(part(0)->end, 5);
}

static void
put_register(int64_t base, int64_t last)
{
    struct bytes b;
    const struct register_op op = {
        .topic_id = id_of(TOPIC),
        .dir = span_cstr("orders"),
        .segment = {.base = base, .last = last, .bytes = 500, .max_timestamp = 7, .gen = 0}};
    bytes_init(&b, 1024);
    op_encode_register(&b, &op, 1);
    put_item(ITEM_REGISTER, bytes_span(&b));
    bytes_fini(&b);
}

/* The lost run was rolled before its entry was lost: a segment has its records. */
static void
register__of_a_lost_run__nothing_is_missing(void **unused)
{
    (void)unused;
    put_register(0, 6);
    assert_int_equal(entry(4, true), SL_OK); /* foreseen */
    entry_builder_fini(&eb);
    entry_builder_init(&eb, 1 << 16, 0);
    put_run(0, 0, 5);
    take(1);
    rebuild_hole(&r, 1); /* 5 and 6, and 7 and 8 */
    put_run(0, 9, 1);
    take(3);
    put_register(0, 6);
    take(4);
    assert_int_equal(part_segment_count(part(0)), 1);
    assert_int_equal(part_registered_end(part(0)), 7);
    assert_int_equal(part_run(part(0), 0)->n, REBUILD_FILLER);
    assert_int_equal(part_run(part(0), 0)->offset_count, 2);
    assert_int_equal(told_lost, 0);
}

static void
register__the_one_before_it_is_lost__runs_stay(void **unused)
{
    (void)unused;
    put_run(0, 0, 5);
    put_run(0, 5, 5);
    take(1);
    rebuild_hole(&r, 1);
    put_register(5, 9);
    take(3);
    assert_int_equal(part_segment_count(part(0)), 0);
    assert_int_equal(part(0)->run_count, 2);
    assert_int_equal(told_lost, 0);
}

static void
trim__beyond_the_end__proves_offsets(void **unused)
{
    (void)unused;
    struct bytes b;
    const struct uuid id = id_of(TOPIC);
    rebuild_hole(&r, 1);
    bytes_init(&b, 64);
    op_encode_trim(&b, &id, 0, 50);
    put_item(ITEM_TRIM, bytes_span(&b));
    bytes_fini(&b);
    take(2);
    assert_int_equal(part(0)->start, 50);
    assert_int_equal(part(0)->end, 50);
}

static void
ends__producers__may_go_on_at_any_sequence(void **unused)
{
    (void)unused;
    int64_t base;
    rebuild_hole(&r, 1);
    rebuild_ends(&r);
    struct run run = seq_run(TOPIC, 42, 0, 17, 1);
    assert_int_equal(state_check_run(st, part(0), &run, &base), SL_OK);
    assert_int_equal(base, REBUILD_SKIP);
    assert_true(state_next_producer_id(st) > 0);
}

static void
producer_ids__a_block_was_lost__is_passed_over(void **unused)
{
    (void)unused;
    struct bytes b;
    rebuild_hole(&r, 1);
    bytes_init(&b, 64);
    op_encode_producer_ids(&b, 5000, 1000);
    put_item(ITEM_PRODUCER_IDS, bytes_span(&b));
    bytes_fini(&b);
    take(2);
    assert_int_equal(state_next_producer_id(st), 6000);
}

static void
topics_create__the_deletion_was_lost__the_name_is_free(void **unused)
{
    (void)unused;
    struct bytes b;
    uint32_t journal = 0;
    const struct uuid old = id_of(TOPIC);
    const struct topic_spec spec = {.id = id_of(9),
                                    .name = span_cstr("orders"),
                                    .incarnation = 1,
                                    .partition_count = 1,
                                    .journals = &journal};
    rebuild_hole(&r, 1);
    bytes_init(&b, 1024);
    op_encode_topics_create(&b, &spec, 1);
    put_item(ITEM_TOPICS_CREATE, bytes_span(&b));
    bytes_fini(&b);
    take(2);
    assert_int_equal(told_lost, 0);
    assert_true(uuid_eq(&state_find_topic(st, span_cstr("orders"))->id, &spec.id));
    assert_true(state_find_topic_id(st, &old)->is_deleting);
}

static void
put_group(uint64_t base, uint64_t version, int32_t generation)
{
    struct bytes b;
    const struct group_facts f = {.type = GROUP_CLASSIC, .generation = generation};
    bytes_init(&b, 4096);
    assert_int_equal(op_encode_group(&b, span_cstr("g"), base, &f), SL_OK);
    put_u64(b.data + 8, version);
    put_item(ITEM_GROUP, bytes_span(&b));
    bytes_fini(&b);
}

static void
group__built_on_a_lost_version__its_facts_count(void **unused)
{
    (void)unused;
    put_group(0, 1, 1);
    take(1);
    rebuild_hole(&r, 1);
    put_group(7, 8, 5);
    take(3);
    assert_int_equal(told_lost, 0);
    assert_int_equal(state_find_group(st, span_cstr("g"))->facts->generation, 5);
    put_group(8, 9, 6);
    take(4);
    assert_int_equal(state_find_group(st, span_cstr("g"))->facts->generation, 6);
}

static void
entry__contradicts_what_is_before__counts_as_a_hole(void **unused)
{
    (void)unused;
    put_run(0, 3, 5); /* though the partition is empty */
    take(1);
    assert_int_equal(told_lost, 1);
    assert_int_equal(r.holes, 1);
    assert_int_equal(part(0)->end, 8);
}

static void
entry__unknown_kind__is_refused(void **unused)
{
    (void)unused;
    put_item((enum item_kind)99, span_cstr("x"));
    assert_int_equal(entry(1, false), SL_EVERSION);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(entry__without_holes__is_what_it_was),
        T(run__behind_a_hole__says_what_was_in_it),
        T(ends__no_later_run__room_is_left),
        T(ends__second_hole__the_first_does_not_count_for_what_came_between),
        T(run__opening_was_lost__opens),
        T(partitions__opening_was_lost__topics_say_so),
        T(partitions__topic_is_gone__retired_if_that_is_certain),
        T(open__behind_a_hole__nothing_can_have_been_lost),
        T(run__where_others_are__is_given_up),
        T(register__of_a_lost_run__nothing_is_missing),
        T(register__the_one_before_it_is_lost__runs_stay),
        T(trim__beyond_the_end__proves_offsets),
        T(ends__producers__may_go_on_at_any_sequence),
        T(producer_ids__a_block_was_lost__is_passed_over),
        T(topics_create__the_deletion_was_lost__the_name_is_free),
        T(group__built_on_a_lost_version__its_facts_count),
        T(entry__contradicts_what_is_before__counts_as_a_hole),
        T(entry__unknown_kind__is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
