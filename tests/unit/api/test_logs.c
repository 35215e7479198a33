/* SPDX-License-Identifier: Apache-2.0
 *
 * DeleteRecords and DescribeLogDirs. */
#include "topics.h"
#include "wire/messages/delete_records.h"
#include "wire/messages/describe_log_dirs.h"
#include "wire/messages/fetch.h"
#include "wire/messages/list_offsets.h"

static const int64_t times[] = {1000, 1001, 1002};

static struct delete_records_response deleted;

/* Gives the error of one partition; its low watermark stands in *ret_low. */
static int16_t
delete_to(const char *topic, int32_t partition, int64_t offset, int64_t *ret_low)
{
    struct delete_records_request_partition p = {.partition_index = partition, .offset = offset};
    struct delete_records_request_topic t = {.name = span_cstr(topic)};
    struct delete_records_request in = {.timeout_ms = 5000};
    t.partitions.items = &p;
    t.partitions.count = 1;
    in.topics.items = &t;
    in.topics.count = 1;
    call(API_DELETE_RECORDS, 2, &in, &deleted);
    const struct delete_records_response_partition *out =
        &deleted.topics.items[0].partitions.items[0];
    assert_int_equal(out->partition_index, partition);
    *ret_low = out->low_watermark;
    return out->error_code;
}

static int64_t
start_of(const char *topic, int32_t partition)
{
    struct list_offsets_request_partition p = {
        .partition_index = partition, .current_leader_epoch = -1, .timestamp = -2};
    struct list_offsets_request_topic t = {.name = span_cstr(topic)};
    struct list_offsets_request in = {.replica_id = -1};
    struct list_offsets_response out;
    t.partitions.items = &p;
    t.partitions.count = 1;
    in.topics.items = &t;
    in.topics.count = 1;
    call(API_LIST_OFFSETS, 7, &in, &out);
    assert_int_equal(out.topics.items[0].partitions.items[0].error_code, 0);
    return out.topics.items[0].partitions.items[0].offset;
}

static int16_t
fetch_error(const char *topic, int64_t offset)
{
    struct fetch_request_partition p = {.current_leader_epoch = -1,
                                        .fetch_offset = offset,
                                        .last_fetched_epoch = -1,
                                        .partition_max_bytes = 1 << 20};
    struct fetch_request_topic t = {.topic = span_cstr(topic)};
    struct fetch_request in;
    struct fetch_response out;
    fetch_request_init(&in);
    in.max_wait_ms = 0;
    in.max_bytes = 1 << 20;
    t.partitions.items = &p;
    t.partitions.count = 1;
    in.topics.items = &t;
    in.topics.count = 1;
    call(API_FETCH, 11, &in, &out);
    return out.responses.items[0].partitions.items[0].error_code;
}

static void
delete_records__one_partition__the_others_stay(void **unused)
{
    (void)unused;
    int64_t low = 0;
    create_one("t", 2);
    for (int i = 0; i < 4; i++) {
        (void)produce_at("t", 1, times, 3);
    }
    assert_int_equal(delete_to("t", 1, 5, &low), 0);
    assert_int_equal(low, 5);
    assert_int_equal(start_of("t", 1), 5);
    assert_int_equal(start_of("t", 0), 0);
}

static void
delete_records__reads_below_the_start__out_of_range(void **unused)
{
    (void)unused;
    int64_t low = 0;
    create_one("t", 1);
    (void)produce_at("t", 0, times, 3);
    (void)produce_at("t", 0, times, 3);
    assert_int_equal(delete_to("t", 0, 4, &low), 0);
    assert_int_equal(fetch_error("t", 3), KAFKA_OFFSET_OUT_OF_RANGE);
    assert_int_equal(fetch_error("t", 4), 0);
    world_restart();
    assert_int_equal(start_of("t", 0), 4);
    assert_int_equal(fetch_error("t", 0), KAFKA_OFFSET_OUT_OF_RANGE);
}

static void
delete_records__minus_one__to_the_end(void **unused)
{
    (void)unused;
    int64_t low = 0;
    create_one("t", 1);
    (void)produce_at("t", 0, times, 3);
    assert_int_equal(delete_to("t", 0, -1, &low), 0);
    assert_int_equal(low, 3);
    assert_int_equal(produce_at("t", 0, times, 3), 3);
    assert_int_equal(start_of("t", 0), 3);
}

static void
delete_records__again_and_below__the_start_stays(void **unused)
{
    (void)unused;
    int64_t low = 0;
    create_one("t", 1);
    (void)produce_at("t", 0, times, 3);
    assert_int_equal(delete_to("t", 0, 2, &low), 0);
    size_t puts = w.store.count;
    assert_int_equal(delete_to("t", 0, 2, &low), 0);
    assert_int_equal(low, 2);
    assert_int_equal(delete_to("t", 0, 1, &low), 0);
    assert_int_equal(low, 2);
    assert_int_equal(w.store.count, puts); /* nothing was written */
}

static void
delete_records__bad_items__each_its_own_error(void **unused)
{
    (void)unused;
    int64_t low = 0;
    create_one("t", 1);
    (void)produce_at("t", 0, times, 3);
    assert_int_equal(delete_to("t", 0, 4, &low), KAFKA_OFFSET_OUT_OF_RANGE);
    assert_int_equal(low, -1);
    assert_int_equal(delete_to("t", 0, -2, &low), KAFKA_OFFSET_OUT_OF_RANGE);
    assert_int_equal(delete_to("t", 1, 0, &low), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(delete_to("none", 0, 0, &low), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(start_of("t", 0), 0);
}

static void
delete_records__compacted_topic__policy_violation(void **unused)
{
    (void)unused;
    int64_t low = 0;
    struct create_topics_request_config configs[] = {
        {span_cstr("cleanup.policy"), span_cstr("compact")}};
    struct create_topics_request_topic t = new_topic("c", 1);
    struct create_topics_response out;
    t.configs.items = configs;
    t.configs.count = 1;
    create_all(&t, 1, 7, &out);
    assert_int_equal(out.topics.items[0].error_code, 0);
    assert_int_equal(delete_to("c", 0, 0, &low), KAFKA_POLICY_VIOLATION);
}

/* --- DescribeLogDirs --- */

static struct describe_log_dirs_response dirs;

static void
ask_dirs(int16_t version, struct describe_log_dirs_request_topic *topics, size_t count)
{
    struct describe_log_dirs_request in = {0};
    in.topics.items = topics;
    in.topics.count = count;
    call(API_DESCRIBE_LOG_DIRS, version, &in, &dirs);
    assert_int_equal(dirs.error_code, 0);
    assert_int_equal(dirs.results.count, 1);
    assert_int_equal(dirs.results.items[0].error_code, 0);
    assert_true(dirs.results.items[0].log_dir.len > 0);
}

static int64_t
size_of(const char *topic, int32_t partition)
{
    const struct describe_log_dirs_response_result *dir = &dirs.results.items[0];
    for (size_t i = 0; i < dir->topics.count; i++) {
        const struct describe_log_dirs_response_topic *t = &dir->topics.items[i];
        for (size_t k = 0; span_is(t->name, topic) && k < t->partitions.count; k++) {
            if (t->partitions.items[k].partition_index == partition) {
                return t->partitions.items[k].partition_size;
            }
        }
    }
    return -1;
}

static void
log_dirs__all__every_partition_with_its_bytes(void **unused)
{
    (void)unused;
    struct bytes b;
    create_one("a", 3);
    create_one("b", 1);
    bytes_init(&b, 1 << 20);
    put_batch(&b, times, 3);
    (void)produce("a", 1, bytes_span(&b));
    (void)produce("a", 1, bytes_span(&b));
    for (int16_t v = 1; v <= 4; v++) {
        ask_dirs(v, NULL, 0);
        assert_int_equal(dirs.results.items[0].topics.count, 2);
        assert_int_equal(size_of("a", 0), 0);
        assert_int_equal(size_of("a", 1), (int64_t)(2 * b.len));
        assert_int_equal(size_of("b", 0), 0);
        assert_int_equal(dirs.results.items[0].total_bytes, -1);
    }
    bytes_fini(&b);
}

static void
log_dirs__named__what_is_not_there_is_left_out(void **unused)
{
    (void)unused;
    int32_t parts[] = {2, 7};
    int32_t zero[] = {0};
    struct describe_log_dirs_request_topic topics[] = {{.topic = span_cstr("a")},
                                                       {.topic = span_cstr("none")}};
    create_one("a", 3);
    topics[0].partitions.items = parts;
    topics[0].partitions.count = 2;
    topics[1].partitions.items = zero;
    topics[1].partitions.count = 1;
    ask_dirs(4, topics, 2);
    assert_int_equal(dirs.results.items[0].topics.count, 1);
    assert_int_equal(dirs.results.items[0].topics.items[0].partitions.count, 1);
    assert_int_equal(size_of("a", 2), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(delete_records__one_partition__the_others_stay),
        T(delete_records__reads_below_the_start__out_of_range),
        T(delete_records__minus_one__to_the_end),
        T(delete_records__again_and_below__the_start_stays),
        T(delete_records__bad_items__each_its_own_error),
        T(delete_records__compacted_topic__policy_violation),
        T(log_dirs__all__every_partition_with_its_bytes),
        T(log_dirs__named__what_is_not_there_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
