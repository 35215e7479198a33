/* SPDX-License-Identifier: Apache-2.0
 *
 * ListOffsets and OffsetForLeaderEpoch. */
#include "topics.h"
#include "wire/messages/list_offsets.h"
#include "wire/messages/offset_for_leader_epoch.h"

enum { LATEST = -1, EARLIEST = -2, MAX_TIME = -3, EARLIEST_LOCAL = -4, TIERED = -5 };

struct answer {
    int16_t code;
    int64_t offset, timestamp;
};

static struct answer
ask_version(int16_t version, const char *topic, int32_t partition, int64_t timestamp)
{
    struct list_offsets_request_partition p;
    struct list_offsets_response out;
    list_offsets_request_partition_init(&p);
    p.partition_index = partition;
    p.timestamp = timestamp;
    struct list_offsets_request_topic t = {.name = span_cstr(topic), .partitions = {&p, 1}};
    const struct list_offsets_request in = {.replica_id = -1, .topics = {&t, 1}};
    call(API_LIST_OFFSETS, version, &in, &out);
    assert_int_equal(out.topics.count, 1);
    assert_span(out.topics.items[0].name, topic);
    const struct list_offsets_response_partition *r = &out.topics.items[0].partitions.items[0];
    assert_int_equal(r->partition_index, partition);
    assert_int_equal(r->leader_epoch, version >= 4 && r->offset >= 0 ? 0 : -1);
    return (struct answer){r->error_code, r->offset, r->timestamp};
}

static struct answer
ask(const char *topic, int32_t partition, int64_t timestamp)
{
    return ask_version(9, topic, partition, timestamp);
}

static void
assert_answer(struct answer a, int64_t offset, int64_t timestamp)
{
    assert_int_equal(a.code, 0);
    assert_int_equal(a.offset, offset);
    assert_int_equal(a.timestamp, timestamp);
}

static void
trim(const char *topic, int32_t partition, int64_t start)
{
    struct topic *t = directory_find(w.broker.topics, span_cstr(topic));
    struct state *st = shard_state(w.shards[t->journals[partition]]);
    struct sl_error err = SL_ERROR_INIT;
    struct bytes b;
    bytes_init(&b, 64);
    op_encode_trim(&b, &t->id, partition, start);
    const struct state_item item = {
        .n = 1, .kind = ITEM_TRIM, .version = 1, .payload = bytes_span(&b)};
    assert_int_equal(state_apply(st, &item, &err), SL_OK);
    bytes_fini(&b);
    topic_unref(&t);
}

/* offsets 0-2 at 100 110 120, 3-4 at 90 95, 5-6 at 200 130 */
static void
fill(const char *topic)
{
    create_one(topic, 1);
    assert_int_equal(produce_at(topic, 0, (int64_t[]){100, 110, 120}, 3), 0);
    assert_int_equal(produce_at(topic, 0, (int64_t[]){90, 95}, 2), 3);
    assert_int_equal(produce_at(topic, 0, (int64_t[]){200, 130}, 2), 5);
}

static void
ends__every_version(void **unused)
{
    (void)unused;
    fill("t");
    create_one("empty", 1);
    for (int16_t v = 1; v <= 9; v++) {
        assert_answer(ask_version(v, "t", 0, EARLIEST), 0, -1);
        assert_answer(ask_version(v, "t", 0, LATEST), 7, -1);
        assert_answer(ask_version(v, "empty", 0, EARLIEST), 0, -1);
        assert_answer(ask_version(v, "empty", 0, LATEST), 0, -1);
    }
}

static void
times__first_record_at_or_after(void **unused)
{
    (void)unused;
    fill("t");
    assert_answer(ask("t", 0, 0), 0, 100);
    assert_answer(ask("t", 0, 100), 0, 100);
    assert_answer(ask("t", 0, 101), 1, 110);
    assert_answer(ask("t", 0, 120), 2, 120);
    assert_answer(ask("t", 0, 121), 5, 200); /* not 4: the batch at 3 is older */
    assert_answer(ask("t", 0, 200), 5, 200);
    assert_answer(ask("t", 0, 201), -1, -1);
    assert_answer(ask("t", 0, INT64_MAX), -1, -1);
    create_one("empty", 1);
    assert_answer(ask("empty", 0, 0), -1, -1);
}

static void
max_time__first_record_that_has_it(void **unused)
{
    (void)unused;
    fill("t");
    create_one("empty", 1);
    for (int16_t v = 7; v <= 9; v++) {
        assert_answer(ask_version(v, "t", 0, MAX_TIME), 5, 200);
        assert_answer(ask_version(v, "empty", 0, MAX_TIME), -1, -1);
    }
    assert_int_equal(ask_version(6, "t", 0, MAX_TIME).code, KAFKA_UNSUPPORTED_VERSION);
}

static void
special__local_and_tiered(void **unused)
{
    (void)unused;
    fill("t");
    trim("t", 0, 4);
    assert_answer(ask_version(8, "t", 0, EARLIEST_LOCAL), 4, -1);
    assert_answer(ask_version(9, "t", 0, EARLIEST_LOCAL), 4, -1);
    assert_int_equal(ask_version(7, "t", 0, EARLIEST_LOCAL).code, KAFKA_UNSUPPORTED_VERSION);
    assert_answer(ask_version(9, "t", 0, TIERED), -1, -1);
    assert_int_equal(ask_version(8, "t", 0, TIERED).code, KAFKA_UNSUPPORTED_VERSION);
    assert_int_equal(ask("t", 0, -6).code, KAFKA_UNSUPPORTED_VERSION);
}

static void
trimmed__nothing_before_the_start(void **unused)
{
    (void)unused;
    fill("t");
    trim("t", 0, 1); /* within the first batch */
    assert_answer(ask("t", 0, EARLIEST), 1, -1);
    assert_answer(ask("t", 0, 0), 1, 110);
    assert_answer(ask("t", 0, 115), 2, 120);
    trim("t", 0, 6); /* the record at 200 is gone, one at 130 is left */
    assert_answer(ask("t", 0, 0), 6, 130);
    assert_answer(ask("t", 0, 131), -1, -1);
}

/* The header says 500, no record does: the search goes on behind it. */
static void
times__header_lies__the_record_counts(void **unused)
{
    (void)unused;
    struct bytes b;
    create_one("t", 1);
    bytes_init(&b, 1 << 16);
    put_batch(&b, (int64_t[]){10, 20}, 2);
    put_u64(b.data + 35, 500);
    batch_seal(&b);
    assert_int_equal(produce("t", 0, bytes_span(&b)), 0);
    bytes_fini(&b);
    assert_int_equal(produce_at("t", 0, (int64_t[]){400}, 1), 2);
    assert_answer(ask("t", 0, 300), 2, 400);
    assert_answer(ask("t", 0, 450), -1, -1);
}

/* Many such batches: the search ends, early in the log rather than late. */
static void
times__every_header_lies__bounded(void **unused)
{
    (void)unused;
    create_one("t", 1);
    for (int i = 0; i < 40; i++) {
        struct bytes b;
        bytes_init(&b, 1 << 16);
        put_batch(&b, (int64_t[]){10}, 1);
        put_u64(b.data + 35, 500);
        batch_seal(&b);
        assert_int_equal(produce("t", 0, bytes_span(&b)), i);
        bytes_fini(&b);
    }
    struct answer a = ask("t", 0, 300);
    assert_int_equal(a.code, 0);
    assert_true(a.offset > 0 && a.offset < 40);
}

/* A codec that cannot be undone: the batch itself is the answer. */
static void
times__batch_cannot_be_read__its_first_offset(void **unused)
{
    (void)unused;
    struct bytes b;
    create_one("t", 1);
    assert_int_equal(produce_at("t", 0, (int64_t[]){10}, 1), 0);
    bytes_init(&b, 1 << 16);
    put_batch(&b, (int64_t[]){100, 200}, 2);
    b.data[22] = BATCH_CODEC_ZSTD; /* which it is not */
    batch_seal(&b);
    assert_int_equal(produce("t", 0, bytes_span(&b)), 1);
    bytes_fini(&b);
    assert_answer(ask("t", 0, 150), 1, 200);
    assert_answer(ask("t", 0, MAX_TIME), 1, 200);
}

static void
times__from_the_store_after_a_restart(void **unused)
{
    (void)unused;
    fill("t");
    world_restart();
    assert_answer(ask("t", 0, 101), 1, 110);
    assert_answer(ask("t", 0, MAX_TIME), 5, 200);
    assert_answer(ask("t", 0, LATEST), 7, -1);
}

static void
errors__each_partition_its_own(void **unused)
{
    (void)unused;
    struct list_offsets_request_partition p[4];
    struct list_offsets_response out;
    fill("t");
    for (size_t i = 0; i < 4; i++) {
        list_offsets_request_partition_init(&p[i]);
        p[i].timestamp = LATEST;
    }
    p[1].partition_index = 1;
    p[2].partition_index = -1;
    p[3].current_leader_epoch = 1;
    struct list_offsets_request_topic t[] = {{.name = span_cstr("nope"), .partitions = {p, 1}},
                                             {.name = span_cstr("t"), .partitions = {p, 4}}};
    const struct list_offsets_request in = {.topics = {t, 2}};
    call(API_LIST_OFFSETS, 9, &in, &out);
    assert_int_equal(out.topics.items[0].partitions.items[0].error_code,
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    const struct list_offsets_response_partition *r = out.topics.items[1].partitions.items;
    assert_int_equal(r[0].error_code, 0);
    assert_int_equal(r[0].offset, 7);
    assert_int_equal(r[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(r[2].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(r[3].error_code, KAFKA_UNKNOWN_LEADER_EPOCH);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(r[i].offset, -1);
        assert_int_equal(r[i].timestamp, -1);
    }
}

static void
many_partitions__one_request(void **unused)
{
    (void)unused;
    enum { MANY = 50000 };
    static struct list_offsets_request_partition p[MANY];
    struct list_offsets_response out;
    create_one("t", MANY);
    for (int32_t i = 0; i < MANY; i++) {
        list_offsets_request_partition_init(&p[i]);
        p[i].partition_index = i;
        p[i].timestamp = i % 2 == 0 ? LATEST : 5;
    }
    assert_int_equal(produce_at("t", 777, (int64_t[]){5, 6, 7}, 3), 0);
    assert_int_equal(produce_at("t", 778, (int64_t[]){5, 6, 7}, 3), 0);
    struct list_offsets_request_topic t = {.name = span_cstr("t"), .partitions = {p, MANY}};
    const struct list_offsets_request in = {.topics = {&t, 1}};
    call(API_LIST_OFFSETS, 1, &in, &out);
    assert_int_equal(out.topics.items[0].partitions.count, MANY);
    for (int32_t i = 0; i < MANY; i++) {
        const struct list_offsets_response_partition *r = &out.topics.items[0].partitions.items[i];
        int64_t want = i == 777 ? 0 : i == 778 ? 3 : i % 2 == 0 ? 0 : -1;
        assert_int_equal(r->partition_index, i);
        assert_int_equal(r->error_code, 0);
        assert_int_equal(r->offset, want);
    }
}

static void
store_is_down__retriable_and_in_time(void **unused)
{
    (void)unused;
    fill("t");
    w.loop.now_ns += 3600 * SCHED_S;
    w.store.is_down = true;
    int64_t before = w.loop.now_ns;
    struct answer a = ask("t", 0, LATEST);
    assert_true(kafka_error_is_retriable(a.code));
    assert_true(w.loop.now_ns - before <= 20 * SCHED_S);
    assert_answer(ask("t", 0, EARLIEST), 0, -1);
    assert_answer(ask("t", 0, 101), 1, 110); /* in memory still */
    w.store.is_down = false;
    while (a.code != 0) {
        world_step("the journal to find its store again");
        a = ask("t", 0, LATEST);
    }
    assert_answer(a, 7, -1);
}

/* --- OffsetForLeaderEpoch --- */

static struct offset_for_leader_epoch_response_partition
epoch_end(int16_t version, const char *topic, int32_t partition, int32_t current, int32_t asked)
{
    struct offset_for_leader_epoch_request_partition p = {
        .partition = partition, .current_leader_epoch = current, .leader_epoch = asked};
    struct offset_for_leader_epoch_request_topic t = {.topic = span_cstr(topic),
                                                      .partitions = {&p, 1}};
    struct offset_for_leader_epoch_request in;
    static struct offset_for_leader_epoch_response out;
    offset_for_leader_epoch_request_init(&in);
    in.topics.items = &t;
    in.topics.count = 1;
    call(API_OFFSET_FOR_LEADER_EPOCH, version, &in, &out);
    assert_span(out.topics.items[0].topic, topic);
    return out.topics.items[0].partitions.items[0];
}

static void
epoch__never_undefined_for_a_partition_that_exists(void **unused)
{
    (void)unused;
    fill("t");
    for (int16_t v = 2; v <= 4; v++) {
        static const int32_t asked[] = {0, 1, INT32_MAX};
        for (size_t i = 0; i < 3; i++) {
            struct offset_for_leader_epoch_response_partition r =
                epoch_end(v, "t", 0, -1, asked[i]);
            assert_int_equal(r.error_code, 0);
            assert_int_equal(r.partition, 0);
            assert_int_equal(r.leader_epoch, 0);
            assert_int_equal(r.end_offset, 7);
        }
        assert_int_equal(epoch_end(v, "t", 0, 0, 0).end_offset, 7);
        assert_int_equal(epoch_end(v, "t", 0, 1, 0).error_code, KAFKA_UNKNOWN_LEADER_EPOCH);
        assert_int_equal(epoch_end(v, "t", 5, -1, 0).error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        assert_int_equal(epoch_end(v, "u", 0, -1, 0).error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        assert_int_equal(epoch_end(v, "t", 0, -1, -1).end_offset, -1);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(ends__every_version),
        T(times__first_record_at_or_after),
        T(max_time__first_record_that_has_it),
        T(special__local_and_tiered),
        T(trimmed__nothing_before_the_start),
        T(times__header_lies__the_record_counts),
        T(times__every_header_lies__bounded),
        T(times__batch_cannot_be_read__its_first_offset),
        T(times__from_the_store_after_a_restart),
        T(errors__each_partition_its_own),
        T(many_partitions__one_request),
        T(store_is_down__retriable_and_in_time),
        T(epoch__never_undefined_for_a_partition_that_exists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
