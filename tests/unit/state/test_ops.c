/* SPDX-License-Identifier: Apache-2.0 */
#include "empty_state.h"

/* --- topics --- */

static void
create__then_found_by_name_and_id(void **unused)
{
    (void)unused;
    create_topic(st, 1, "orders", 3);
    struct uuid id = id_of(1);
    struct topic_state *t = state_find_topic(st, span_cstr("orders"));
    assert_non_null(t);
    assert_ptr_equal(t, state_find_topic_id(st, &id));
    assert_int_equal(t->partition_count, 3);
    assert_int_equal(t->opened_count, 0);
    assert_int_equal(t->created_ms, 1000);
    assert_int_equal(t->config_count, 1);
    assert_string_equal(t->configs[0].name, "retention.ms");
}

static void
check_topic__taken_or_colliding_or_bad__says_which(void **unused)
{
    (void)unused;
    create_topic(st, 1, "a.b", 1);
    assert_int_equal(state_check_topic(st, span_cstr("a.b")), SL_ETOPIC_EXISTS);
    assert_int_equal(state_check_topic(st, span_cstr("a_b")), SL_EINVALID_TOPIC);
    assert_int_equal(state_check_topic(st, span_cstr("a/b")), SL_EINVALID_TOPIC);
    assert_int_equal(state_check_topic(st, span_cstr("a-b")), SL_OK);
}

static void
create__name_taken__contradicts(void **unused)
{
    (void)unused;
    struct bytes b;
    struct sl_error err = SL_ERROR_INIT;
    uint32_t journal = 0;
    const struct topic_spec specs[] = {
        {.id = id_of(1), .name = span_cstr("t"), .partition_count = 1, .journals = &journal},
        {.id = id_of(2), .name = span_cstr("t"), .partition_count = 1, .journals = &journal}};
    bytes_init(&b, 1 << 16);
    op_encode_topics_create(&b, specs, 2);
    assert_int_equal(apply_at(st, 1, 1, ITEM_TOPICS_CREATE, bytes_span(&b), &err), SL_ECORRUPT);
    assert_non_null(strstr(err.msg, "t is created twice"));
    bytes_fini(&b);
}

static void
create__id_taken__contradicts(void **unused)
{
    (void)unused;
    struct bytes b;
    struct sl_error err = SL_ERROR_INIT;
    uint32_t journal = 0;
    const struct topic_spec specs[] = {
        {.id = id_of(1), .name = span_cstr("t"), .partition_count = 1, .journals = &journal},
        {.id = id_of(1), .name = span_cstr("u"), .partition_count = 1, .journals = &journal}};
    bytes_init(&b, 1 << 16);
    op_encode_topics_create(&b, specs, 2);
    assert_int_equal(apply_at(st, 1, 1, ITEM_TOPICS_CREATE, bytes_span(&b), &err), SL_ECORRUPT);
    bytes_fini(&b);
}

static void
opened__counts_up_and_never_down(void **unused)
{
    (void)unused;
    struct bytes b;
    struct uuid id = id_of(1);
    const int32_t steps[] = {2, 1, 4, 3}; /* 4 is more than there are */
    const int32_t want[] = {2, 2, 2, 3};
    create_topic(st, 1, "t", 3);
    for (size_t i = 0; i < 4; i++) {
        bytes_init(&b, 1 << 16);
        op_encode_topics_opened(&b, &id, &steps[i], 1);
        apply_ok(st, ITEM_TOPICS_OPENED, &b);
        assert_int_equal(state_find_topic_id(st, &id)->opened_count, want[i]);
    }
}

static void
opened__unknown_topic__changes_nothing(void **unused)
{
    (void)unused;
    struct bytes b;
    struct uuid id = id_of(9);
    int32_t opened = 1;
    bytes_init(&b, 1 << 16);
    op_encode_topics_opened(&b, &id, &opened, 1);
    apply_ok(st, ITEM_TOPICS_OPENED, &b);
    assert_null(state_find_topic_id(st, &id));
}

static void
partitions_add__from_the_count_that_stands__grows(void **unused)
{
    (void)unused;
    struct bytes b;
    struct sl_error err = SL_ERROR_INIT;
    struct uuid id = id_of(1);
    const uint32_t journals[] = {7, 8};
    create_topic(st, 1, "t", 3);
    bytes_init(&b, 1 << 16);
    op_encode_partitions_add(&b, &id, 3, 5, journals);
    assert_int_equal(apply_at(st, 1, 1, ITEM_PARTITIONS_ADD, bytes_span(&b), &err), SL_OK);
    struct topic_state *t = state_find_topic_id(st, &id);
    assert_int_equal(t->partition_count, 5);
    assert_int_equal(t->journals[2], 2);
    assert_int_equal(t->journals[4], 8);
    /* the same op again is for a topic of three partitions, which this is not any more */
    assert_int_equal(apply_at(st, 2, 1, ITEM_PARTITIONS_ADD, bytes_span(&b), &err), SL_ECORRUPT);
    bytes_fini(&b);
}

static void
producer_ids__next_block_only(void **unused)
{
    (void)unused;
    struct bytes b;
    struct sl_error err = SL_ERROR_INIT;
    bytes_init(&b, 64);
    op_encode_producer_ids(&b, 0, 1000);
    assert_int_equal(apply_at(st, 1, 1, ITEM_PRODUCER_IDS, bytes_span(&b), &err), SL_OK);
    assert_int_equal(state_next_producer_id(st), 1000);
    assert_int_equal(apply_at(st, 2, 1, ITEM_PRODUCER_IDS, bytes_span(&b), &err), SL_ECORRUPT);
    assert_int_equal(state_next_producer_id(st), 1000);
    bytes_fini(&b);
}

/* --- partitions --- */

static void
open__twice__keeps_what_is_there(void **unused)
{
    (void)unused;
    int64_t base = -1;
    struct part_state *p = open_part(st, 1, 0);
    assert_int_equal(commit_run(st, 5, 1, plain_run(1, 0, 10), &base), SL_OK);
    assert_ptr_equal(open_part(st, 1, 0), p);
    assert_int_equal(p->end, 10);
}

static void
run__partition_not_open__contradicts(void **unused)
{
    (void)unused;
    struct run r = plain_run(1, 0, 1);
    assert_int_equal(apply_run(st, 1, 1, &r), SL_ECORRUPT);
}

static void
run__not_at_the_end__contradicts(void **unused)
{
    (void)unused;
    struct part_state *p = open_part(st, 1, 0);
    struct run r = plain_run(1, 0, 3);
    r.base_offset = 1;
    assert_int_equal(apply_run(st, 1, 1, &r), SL_ECORRUPT);
    assert_int_equal(p->end, 0);
}

static void
run__encode_then_decode__is_the_same(void **unused)
{
    (void)unused;
    uint8_t raw[RUN_BYTES];
    struct run out;
    struct run in = seq_run(3, 1234567890123, 7, INT32_MAX - 1, 5);
    in.base_offset = 0x7123456789;
    in.flags |= RUN_HAS_ORIGIN;
    in.origin_producer_id = 42;
    in.origin_sequence = 3;
    in.origin_partition = 2;
    in.origin_epoch = 1;
    memset(raw, 0xee, sizeof(raw));
    run_encode(&in, raw);
    assert_int_equal(run_decode(span_of(raw, sizeof(raw)), &out), SL_OK);
    assert_true(uuid_eq(&in.topic_id, &out.topic_id));
    assert_int_equal(out.base_offset, in.base_offset);
    assert_int_equal(out.offset_count, in.offset_count);
    assert_int_equal(out.max_timestamp, in.max_timestamp);
    assert_int_equal(out.position, in.position);
    assert_int_equal(out.length, in.length);
    assert_int_equal(out.crc, in.crc);
    assert_int_equal(out.flags, in.flags);
    assert_int_equal(out.producer_id, in.producer_id);
    assert_int_equal(out.producer_epoch, in.producer_epoch);
    assert_int_equal(out.first_sequence, in.first_sequence);
    assert_int_equal(out.last_sequence, in.last_sequence);
    assert_int_equal(out.origin_producer_id, in.origin_producer_id);
    assert_int_equal(out.origin_sequence, in.origin_sequence);
    assert_int_equal(out.origin_partition, in.origin_partition);
    assert_int_equal(out.origin_epoch, in.origin_epoch);
    assert_int_equal(run_decode(span_of(raw, sizeof(raw) - 1), &out), SL_ECORRUPT);
}

static void
run__no_offsets_or_no_bytes__refused(void **unused)
{
    (void)unused;
    uint8_t raw[RUN_BYTES];
    struct run out;
    struct run bad = plain_run(1, 0, 0);
    run_encode(&bad, raw);
    assert_int_equal(run_decode(span_of(raw, sizeof(raw)), &out), SL_ECORRUPT);
    bad = plain_run(1, 0, 1);
    bad.length = 0;
    run_encode(&bad, raw);
    assert_int_equal(run_decode(span_of(raw, sizeof(raw)), &out), SL_ECORRUPT);
}

static void
find_run__gives_the_run_that_holds_the_offset(void **unused)
{
    (void)unused;
    int64_t base = 0;
    struct part_state *p = open_part(st, 1, 0);
    for (uint64_t n = 1; n <= 100; n++) { /* runs of 1, 2, 3, 1, 2, 3 ... records */
        assert_int_equal(commit_run(st, n, 1, plain_run(1, 0, 1 + (int32_t)(n % 3)), &base), SL_OK);
    }
    for (int64_t offset = 0; offset < p->end; offset++) {
        const struct run_ref *r = part_find_run(p, offset);
        assert_non_null(r);
        assert_true(r->base_offset <= offset && offset < r->base_offset + r->offset_count);
    }
    assert_null(part_find_run(p, -1));
    assert_null(part_find_run(p, p->end));
}

static void
trim__drops_whole_runs_and_nothing_else(void **unused)
{
    (void)unused;
    struct bytes b;
    struct uuid id = id_of(1);
    int64_t base = 0;
    struct part_state *p = open_part(st, 1, 0);
    for (uint64_t n = 1; n <= 4; n++) {
        assert_int_equal(commit_run(st, n, 1, plain_run(1, 0, 10), &base), SL_OK);
    }
    const struct {
        int64_t to, start;
        size_t runs;
        uint64_t collectable;
    } steps[] = {{15, 15, 3, 1}, {5, 15, 3, 1}, {20, 20, 2, 2}, {1000, 40, 0, 9}};
    for (size_t i = 0; i < 4; i++) {
        bytes_init(&b, 64);
        op_encode_trim(&b, &id, 0, steps[i].to);
        apply_ok(st, ITEM_TRIM, &b);
        assert_int_equal(p->start, steps[i].start);
        assert_int_equal(p->end, 40);
        assert_int_equal(p->run_count, steps[i].runs);
        assert_int_equal(state_collectable(st, 9), steps[i].collectable);
        state_check(st);
    }
    assert_null(part_find_run(p, 14));
}

static void
retire__takes_the_topic_and_leaves_the_others(void **unused)
{
    (void)unused;
    struct bytes b;
    struct uuid id = id_of(1);
    struct uuid other = id_of(2);
    for (int32_t i = 0; i < 5; i++) {
        (void)open_part(st, 1, i);
        (void)open_part(st, 2, i);
    }
    bytes_init(&b, 64);
    op_encode_retire(&b, &id);
    apply_ok(st, ITEM_RETIRE, &b);
    for (int32_t i = 0; i < 5; i++) {
        assert_null(state_find_part(st, &id, i));
        assert_non_null(state_find_part(st, &other, i));
    }
}

/* --- events --- */

struct seen {
    int topics, opened, retired, appended, trimmed;
};
static void
see_topic(void *arg, struct topic_state *t)
{
    (void)t;
    ((struct seen *)arg)->topics++;
}
static void
see_opened(void *arg, struct part_state *p)
{
    (void)p;
    ((struct seen *)arg)->opened++;
}
static void
see_retired(void *arg, struct part_state *p)
{
    (void)p;
    ((struct seen *)arg)->retired++;
}
static void
see_appended(void *arg, struct part_state *p, const struct run_ref *r)
{
    assert_int_equal(p->end, r->base_offset + r->offset_count);
    ((struct seen *)arg)->appended++;
}
static void
see_trimmed(void *arg, struct part_state *p)
{
    (void)p;
    ((struct seen *)arg)->trimmed++;
}

static void
events__each_change_is_told_once(void **unused)
{
    (void)unused;
    static const struct state_events events = {.topic_changed = see_topic,
                                               .part_opened = see_opened,
                                               .part_retired = see_retired,
                                               .part_appended = see_appended,
                                               .part_trimmed = see_trimmed};
    struct seen seen = {0};
    struct bytes b;
    struct uuid id = id_of(1);
    int64_t base = 0;
    state_set_events(st, &events, &seen);
    create_topic(st, 1, "t", 2);
    (void)open_part(st, 1, 0);
    (void)open_part(st, 1, 0);
    assert_int_equal(commit_run(st, 1, 1, plain_run(1, 0, 2), &base), SL_OK);
    bytes_init(&b, 64);
    op_encode_trim(&b, &id, 0, 1);
    apply_ok(st, ITEM_TRIM, &b);
    bytes_init(&b, 64);
    op_encode_retire(&b, &id);
    apply_ok(st, ITEM_RETIRE, &b);
    state_set_events(st, NULL, NULL);
    assert_int_equal(seen.topics, 1);
    assert_int_equal(seen.opened, 1);
    assert_int_equal(seen.appended, 1);
    assert_int_equal(seen.trimmed, 1);
    assert_int_equal(seen.retired, 1);
}

/* --- what this binary does not know --- */

static void
apply__unknown_kind_or_version__refused_with_advice(void **unused)
{
    (void)unused;
    const struct {
        uint16_t kind, version;
    } items[] = {{0, 1},     {2, 1},        {ITEM_HAND_OVER, 1}, {ITEM_TAKE_OVER, 1},
                 {65535, 1}, {ITEM_RUN, 0}, {ITEM_RUN, 2},       {ITEM_OPEN, 2}};
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        struct sl_error err = SL_ERROR_INIT;
        const struct state_item item = {
            .n = 1, .kind = items[i].kind, .version = items[i].version, .payload = span_cstr("x")};
        assert_int_equal(state_apply(st, &item, &err), SL_EVERSION);
        assert_non_null(strstr(err.msg, "newer sluice"));
    }
}

/* An op that is cut anywhere is refused: nothing that a decoder would take for the whole. */
static void
refuse_cut(enum item_kind kind, struct bytes *b)
{
    for (size_t n = 0; n < b->len; n++) {
        struct state *fresh = state_new();
        struct sl_error err = SL_ERROR_INIT;
        uint8_t *copy = (uint8_t *)malloc(n + 1); /* so that a sanitizer sees a read behind it */
        memcpy(copy, b->data, n);
        enum sl_err rc = apply_at(fresh, 1, 1, kind, span_of(copy, n), &err);
        if (rc == SL_OK && !(kind == ITEM_OPEN && n == 0)) {
            fail_msg("kind %d cut to %zu of %zu bytes was applied", (int)kind, n, b->len);
        }
        free(copy);
        state_destroy(&fresh);
    }
    bytes_fini(b);
}

static void
apply__cut_anywhere__refused(void **unused)
{
    (void)unused;
    struct bytes b;
    struct uuid id = id_of(1);
    const int32_t indexes[] = {0, 1};
    uint32_t journals[] = {0, 1};
    struct topic_config config = {(char *)(uintptr_t) "cleanup.policy",
                                  (char *)(uintptr_t) "compact"};
    const struct topic_spec spec = {.id = id,
                                    .name = span_cstr("topic"),
                                    .partition_count = 2,
                                    .journals = journals,
                                    .configs = &config,
                                    .config_count = 1};
    bytes_init(&b, 1 << 16);
    op_encode_topics_create(&b, &spec, 1);
    refuse_cut(ITEM_TOPICS_CREATE, &b);
    bytes_init(&b, 1 << 16);
    op_encode_topics_opened(&b, &id, indexes, 1);
    refuse_cut(ITEM_TOPICS_OPENED, &b);
    bytes_init(&b, 1 << 16);
    op_encode_partitions_add(&b, &id, 0, 2, journals);
    refuse_cut(ITEM_PARTITIONS_ADD, &b);
    bytes_init(&b, 1 << 16);
    op_encode_producer_ids(&b, 0, 10);
    refuse_cut(ITEM_PRODUCER_IDS, &b);
    bytes_init(&b, 1 << 16);
    op_encode_open(&b, &id, indexes, 2);
    refuse_cut(ITEM_OPEN, &b);
    bytes_init(&b, 1 << 16);
    op_encode_retire(&b, &id);
    refuse_cut(ITEM_RETIRE, &b);
    bytes_init(&b, 1 << 16);
    op_encode_trim(&b, &id, 0, 5);
    refuse_cut(ITEM_TRIM, &b);
    bytes_init(&b, 1 << 16);
    op_encode_producers_expire(&b, 5);
    refuse_cut(ITEM_PRODUCERS_EXPIRE, &b);
}

static void
name__kafka_rules(void **unused)
{
    (void)unused;
    char longest[251];
    memset(longest, 'x', 250);
    longest[250] = '\0';
    assert_true(topic_name_is_valid(span_cstr("a.B_c-9")));
    assert_true(topic_name_is_valid(span_of(longest, 249)));
    assert_false(topic_name_is_valid(span_of(longest, 250)));
    assert_false(topic_name_is_valid(span_cstr("")));
    assert_false(topic_name_is_valid((struct span){NULL, 0}));
    assert_false(topic_name_is_valid(span_cstr(".")));
    assert_false(topic_name_is_valid(span_cstr("..")));
    assert_true(topic_name_is_valid(span_cstr("...")));
    assert_false(topic_name_is_valid(span_cstr("a b")));
    assert_false(topic_name_is_valid(span_of("a\0b", 3)));
    assert_false(topic_name_is_valid(span_cstr("\xc3\xa4")));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(create__then_found_by_name_and_id),
        T(check_topic__taken_or_colliding_or_bad__says_which),
        T(create__name_taken__contradicts),
        T(create__id_taken__contradicts),
        T(opened__counts_up_and_never_down),
        T(opened__unknown_topic__changes_nothing),
        T(partitions_add__from_the_count_that_stands__grows),
        T(producer_ids__next_block_only),
        T(open__twice__keeps_what_is_there),
        T(run__partition_not_open__contradicts),
        T(run__not_at_the_end__contradicts),
        T(run__encode_then_decode__is_the_same),
        T(run__no_offsets_or_no_bytes__refused),
        T(find_run__gives_the_run_that_holds_the_offset),
        T(trim__drops_whole_runs_and_nothing_else),
        T(retire__takes_the_topic_and_leaves_the_others),
        T(events__each_change_is_told_once),
        T(apply__unknown_kind_or_version__refused_with_advice),
        T(apply__cut_anywhere__refused),
        T(name__kafka_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
