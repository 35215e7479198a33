/* SPDX-License-Identifier: Apache-2.0
 *
 * Produce and Fetch, from frame to frame. */
#include "topics.h"
#include "wire/messages/fetch.h"

static struct fetch_response fetched;

struct ask {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int32_t max_wait_ms, min_bytes, max_bytes, partition_max_bytes;
};

static void
put_fetch(struct bytes *frame, int16_t version, const struct ask *a)
{
    struct fetch_request_partition p;
    struct fetch_request_topic t = {.topic = span_cstr(a->topic)};
    struct fetch_request in;
    fetch_request_init(&in);
    fetch_request_partition_init(&p);
    p.partition = a->partition;
    p.fetch_offset = a->offset;
    p.partition_max_bytes = a->partition_max_bytes > 0 ? a->partition_max_bytes : 1 << 20;
    t.partitions.items = &p;
    t.partitions.count = 1;
    struct topic *topic = directory_find(w.broker.topics, t.topic);
    if (topic != NULL) {
        memcpy(t.topic_id, topic->id.b, 16);
    }
    topic_unref(&topic);
    in.max_wait_ms = a->max_wait_ms;
    in.min_bytes = a->min_bytes;
    in.max_bytes = a->max_bytes > 0 ? a->max_bytes : 1 << 20;
    in.topics.items = &t;
    in.topics.count = 1;
    put_frame(frame, API_FETCH, version, &in);
}

static const struct fetch_response_partition *
landed(int16_t version)
{
    assert_false(w.is_closed);
    read_reply(API_FETCH, version, &fetched);
    assert_int_equal(fetched.error_code, 0);
    assert_int_equal(fetched.session_id, 0);
    assert_int_equal(fetched.responses.count, 1);
    return &fetched.responses.items[0].partitions.items[0];
}

static const struct fetch_response_partition *
fetch(int16_t version, struct ask a)
{
    struct bytes frame;
    bytes_init(&frame, 1 << 16);
    put_fetch(&frame, version, &a);
    send_frame(bytes_span(&frame));
    bytes_fini(&frame);
    return landed(version);
}

/* Records of whole batches, checked; gives the offset behind them. */
static int64_t
walk(struct span records, int64_t first)
{
    struct batch_info info;
    struct span batch;
    int64_t next = first;
    while (batch_next(&records, &info, &batch)) {
        assert_true(batch_crc_is_right(batch));
        assert_true(info.base_offset <= next && batch_last_offset(&info) >= next);
        assert_int_equal(info.leader_epoch, 0);
        next = batch_last_offset(&info) + 1;
    }
    assert_int_equal(records.len, 0);
    return next;
}

static void
fill(const char *topic, int batches)
{
    create_one(topic, 1);
    for (int i = 0; i < batches; i++) {
        assert_int_equal(produce_at(topic, 0, (int64_t[]){i, i, i}, 3), i * 3);
    }
}

/* --- produce --- */

static void
produce__every_version_served(void **unused)
{
    (void)unused;
    create_one("t", 1);
    struct topic *topic = directory_find(w.broker.topics, span_cstr("t"));
    for (int16_t v = 3; v <= 13; v++) {
        struct bytes b;
        struct produce_response out;
        bytes_init(&b, 1 << 16);
        put_batch(&b, (int64_t[]){v}, 1);
        struct produce_request_partition p = {.records = bytes_span(&b)};
        struct produce_request_topic t = {.name = span_cstr("t"), .partition_data = {&p, 1}};
        const struct produce_request in = {
            .acks = v % 2 == 0 ? 1 : -1, .timeout_ms = 1000, .topic_data = {&t, 1}};
        memcpy(t.topic_id, topic->id.b, 16);
        call(API_PRODUCE, v, &in, &out);
        const struct produce_response_partition *r =
            &out.responses.items[0].partition_responses.items[0];
        assert_int_equal(r->error_code, 0);
        assert_int_equal(r->base_offset, v - 3);
        assert_int_equal(r->log_append_time_ms, -1);
        assert_int_equal(r->log_start_offset, v >= 5 ? 0 : -1);
        assert_int_equal(r->current_leader.leader_id, -1);
        bytes_fini(&b);
    }
    topic_unref(&topic);
}

static void
produce__one_bad_partition__fails_alone(void **unused)
{
    (void)unused;
    struct bytes good;
    struct bytes bad;
    struct produce_response out;
    bytes_init(&good, 1 << 16);
    bytes_init(&bad, 1 << 16);
    put_batch(&good, (int64_t[]){1}, 1);
    put_batch(&bad, (int64_t[]){1}, 1);
    bad.data[bad.len - 1] ^= 1;
    create_one("t", 3);
    struct produce_request_partition p[] = {{0, bytes_span(&good)},  {1, bytes_span(&bad)},
                                            {2, span_of("", 0)},     {3, bytes_span(&good)},
                                            {-1, bytes_span(&good)}, {2, bytes_span(&good)}};
    struct produce_request_topic t[] = {
        {.name = span_cstr("t"), .partition_data = {p, 6}},
        {.name = span_cstr("no topic"), .partition_data = {p, 1}},
        {.name = span_cstr("nope"), .partition_data = {p, 1}},
    };
    const struct produce_request in = {.acks = -1, .timeout_ms = 1000, .topic_data = {t, 3}};
    call(API_PRODUCE, 9, &in, &out);
    static const int16_t want[] = {0,
                                   KAFKA_CORRUPT_MESSAGE,
                                   KAFKA_INVALID_RECORD,
                                   KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                                   KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                                   0};
    for (size_t i = 0; i < 6; i++) {
        const struct produce_response_partition *r =
            &out.responses.items[0].partition_responses.items[i];
        assert_int_equal(r->error_code, want[i]);
        assert_int_equal(r->index, p[i].index);
        assert_int_equal(r->base_offset, want[i] == 0 ? 0 : -1);
        assert_int_equal(r->error_message.len > 0, want[i] != 0);
    }
    assert_int_equal(out.responses.items[1].partition_responses.items[0].error_code,
                     KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(out.responses.items[2].partition_responses.items[0].error_code,
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    bytes_fini(&good);
    bytes_fini(&bad);
}

/* acks and what they mean for the answer. */
static int16_t
produce_acks(int16_t acks, const char *transactional_id, const char *topic)
{
    struct bytes b;
    struct bytes frame;
    struct produce_response out;
    bytes_init(&b, 1 << 16);
    bytes_init(&frame, 1 << 16);
    put_batch(&b, (int64_t[]){1}, 1);
    struct produce_request_partition p = {.records = bytes_span(&b)};
    struct produce_request_topic t = {.name = span_cstr(topic), .partition_data = {&p, 1}};
    const struct produce_request in = {.transactional_id = span_cstr(transactional_id),
                                       .acks = acks,
                                       .timeout_ms = 1000,
                                       .topic_data = {&t, 1}};
    put_frame(&frame, API_PRODUCE, 7, &in);
    send_frame(bytes_span(&frame));
    bytes_fini(&frame);
    bytes_fini(&b);
    if (w.is_silent) {
        assert_int_equal(w.reply.len, 0);
        return 0;
    }
    read_reply(API_PRODUCE, 7, &out);
    return out.responses.items[0].partition_responses.items[0].error_code;
}

static void
produce__acks(void **unused)
{
    (void)unused;
    create_one("t", 1);
    assert_int_equal(produce_acks(2, NULL, "t"), KAFKA_INVALID_REQUIRED_ACKS);
    assert_int_equal(produce_acks(-2, NULL, "t"), KAFKA_INVALID_REQUIRED_ACKS);
    assert_int_equal(produce_acks(1, NULL, "t"), 0);
    assert_false(w.is_silent);
    assert_int_equal(produce_acks(0, NULL, "t"), 0);
    assert_true(w.is_silent && !w.is_closed);
    assert_int_equal(produce_acks(0, NULL, "nope"), 0);
    assert_true(w.is_silent && w.is_closed); /* the only way to tell */
    assert_int_equal(fetch(4, (struct ask){.topic = "t"})->high_watermark, 2);
}

static void
produce__transactional__refused_for_good(void **unused)
{
    (void)unused;
    create_one("t", 1);
    int16_t code = produce_acks(-1, "tx", "t");
    assert_int_not_equal(code, 0);
    assert_false(kafka_error_is_retriable(code));
}

static int64_t
produce_sequence(int64_t pid, int16_t epoch, int32_t sequence)
{
    struct bytes b;
    bytes_init(&b, 1 << 16);
    put_batch(&b, (int64_t[]){1, 2}, 2);
    put_u64(b.data + 43, (uint64_t)pid);
    put_u16(b.data + 51, (uint16_t)epoch);
    put_u32(b.data + 53, (uint32_t)sequence);
    batch_seal(&b);
    int64_t base = produce("t", 0, bytes_span(&b));
    bytes_fini(&b);
    return base;
}

static void
produce__sent_again__same_offset_also_after_a_restart(void **unused)
{
    (void)unused;
    create_one("t", 1);
    assert_int_equal(produce_sequence(5, 0, 0), 0);
    assert_int_equal(produce_sequence(5, 0, 2), 2);
    assert_int_equal(produce_sequence(5, 0, 0), 0);
    assert_int_equal(produce_sequence(5, 0, 6), -KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    world_restart();
    assert_int_equal(produce_sequence(5, 0, 2), 2);
    assert_int_equal(produce_sequence(5, 0, 0), 0);
    assert_int_equal(produce_sequence(5, 1, 0), 4);
    assert_int_equal(produce_sequence(5, 0, 4), -KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(fetch(4, (struct ask){.topic = "t"})->high_watermark, 6);
}

static void
produce__compacted_topic__takes_no_record_without_a_key(void **unused)
{
    (void)unused;
    struct create_topics_request_config config = {span_cstr("cleanup.policy"),
                                                  span_cstr("compact")};
    struct create_topics_request_topic t = new_topic("c", 1);
    struct create_topics_response created;
    struct bytes b;
    t.configs.items = &config;
    t.configs.count = 1;
    create_all(&t, 1, 7, &created);
    create_one("plain", 1);
    bytes_init(&b, 1 << 16);
    put_batch(&b, (int64_t[]){1}, 1); /* its record has the key "k" */
    assert_int_equal(produce("c", 0, bytes_span(&b)), 0);
    put_u32(b.data + 8, get_u32(b.data + 8) - 1);
    b.data[61] = (uint8_t)(b.data[61] - 2);
    b.data[65] = 1; /* behind length, attributes and two deltas: key null, */
    b.data[66] = 1; /* value null, */
    b.data[67] = 0; /* no headers */
    b.len--;
    batch_seal(&b);
    assert_int_equal(produce("plain", 0, bytes_span(&b)), 0);
    assert_int_equal(produce("c", 0, bytes_span(&b)), -KAFKA_INVALID_RECORD);
    bytes_fini(&b);
}

/* --- fetch --- */

static void
fetch__every_version__the_bytes_that_were_produced(void **unused)
{
    (void)unused;
    fill("t", 4);
    for (int16_t v = 4; v <= 17; v++) {
        const struct fetch_response_partition *p = fetch(v, (struct ask){.topic = "t"});
        assert_int_equal(p->error_code, 0);
        assert_int_equal(p->high_watermark, 12);
        assert_int_equal(p->last_stable_offset, 12);
        assert_int_equal(p->log_start_offset, v >= 5 ? 0 : -1);
        assert_int_equal(walk(p->records, 0), 12);
        p = fetch(v, (struct ask){.topic = "t", .offset = 7});
        assert_int_equal(walk(p->records, 7), 12); /* from the batch that holds it */
    }
}

static void
fetch__limits__whole_batches_and_at_least_one(void **unused)
{
    (void)unused;
    fill("t", 10);
    size_t all = fetch(4, (struct ask){.topic = "t"})->records.len;
    int32_t one = (int32_t)(all / 10);
    struct ask a = {.topic = "t", .partition_max_bytes = 1};
    assert_int_equal(walk(fetch(4, a)->records, 0), 3);
    a.partition_max_bytes = one * 3 + 1;
    assert_int_equal(walk(fetch(4, a)->records, 0), 9);
    a = (struct ask){.topic = "t", .max_bytes = 1};
    assert_int_equal(walk(fetch(4, a)->records, 0), 3);
    a.max_bytes = one * 2;
    assert_int_equal(walk(fetch(4, a)->records, 0), 6);
}

static void
fetch__outside_the_log(void **unused)
{
    (void)unused;
    fill("t", 2);
    const struct fetch_response_partition *p = fetch(11, (struct ask){.topic = "t", .offset = 7});
    assert_int_equal(p->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    assert_int_equal(p->high_watermark, 6);
    assert_int_equal(p->log_start_offset, 0);
    assert_non_null(p->records.ptr); /* empty, not null: librdkafka */
    p = fetch(11, (struct ask){.topic = "t", .offset = -1});
    assert_int_equal(p->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    p = fetch(11, (struct ask){.topic = "t", .offset = 6});
    assert_int_equal(p->error_code, 0);
    assert_int_equal(p->records.len, 0);
    p = fetch(11, (struct ask){.topic = "t", .partition = 1, .max_wait_ms = 60000});
    assert_int_equal(p->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    p = fetch(12, (struct ask){.topic = "nope", .max_wait_ms = 60000, .min_bytes = 1});
    assert_int_equal(p->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    p = fetch(13, (struct ask){.topic = "nope", .max_wait_ms = 60000, .min_bytes = 1});
    assert_int_equal(p->error_code, KAFKA_UNKNOWN_TOPIC_ID);
}

static void
fetch__at_the_end__waits_and_is_woken_by_a_commit(void **unused)
{
    (void)unused;
    struct flight f;
    struct bytes frame;
    fill("t", 1);
    bytes_init(&frame, 1 << 16);
    put_fetch(&frame, 11,
              &(struct ask){.topic = "t", .offset = 3, .max_wait_ms = 60000, .min_bytes = 1});
    int64_t before = w.loop.now_ns;
    flight_start(&f, bytes_span(&frame));
    for (int i = 0; i < 50 && w.loop.head != NULL; i++) {
        world_step("the fetch to fall asleep");
    }
    assert_false(f.is_finished);
    assert_int_equal(produce_at("t", 0, (int64_t[]){9}, 1), 3);
    flight_land(&f);
    assert_true(w.loop.now_ns - before < 10 * SCHED_S);
    assert_int_equal(walk(landed(11)->records, 3), 4);
    bytes_fini(&frame);
}

static void
fetch__at_the_end__empty_when_the_time_is_over(void **unused)
{
    (void)unused;
    fill("t", 1);
    int64_t before = w.loop.now_ns;
    const struct fetch_response_partition *p =
        fetch(11, (struct ask){.topic = "t", .offset = 3, .max_wait_ms = 700, .min_bytes = 1});
    assert_int_equal(p->error_code, 0);
    assert_int_equal(p->records.len, 0);
    assert_int_equal(p->high_watermark, 3);
    assert_true(w.loop.now_ns - before >= 700 * SCHED_MS);
}

static void
fetch__less_than_min_bytes__waits_for_more(void **unused)
{
    (void)unused;
    struct flight f;
    struct bytes frame;
    fill("t", 1);
    size_t one = fetch(4, (struct ask){.topic = "t"})->records.len;
    bytes_init(&frame, 1 << 16);
    put_fetch(&frame, 11,
              &(struct ask){.topic = "t", .max_wait_ms = 60000, .min_bytes = (int32_t)one * 3});
    flight_start(&f, bytes_span(&frame));
    for (int64_t i = 1; i < 3; i++) {
        assert_false(f.is_finished);
        assert_int_equal(produce_at("t", 0, (int64_t[]){9, 9, 9}, 3), i * 3);
    }
    flight_land(&f);
    assert_int_equal(walk(landed(11)->records, 0), 9);
    bytes_fini(&frame);
}

/* More than the limit in three journals: who comes first in the request comes first. */
static void
fetch__more_than_the_limit__order_of_the_request_decides(void **unused)
{
    (void)unused;
    static const int32_t orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}};
    create_one("t", 4); /* 3 has nothing */
    for (int32_t p = 0; p < 3; p++) {
        for (int64_t i = 0; i < 3; i++) {
            assert_int_equal(produce_at("t", p, (int64_t[]){i, i, i}, 3), i * 3);
        }
    }
    size_t one = fetch(4, (struct ask){.topic = "t", .partition_max_bytes = 1})->records.len;
    for (size_t k = 0; k < 4; k++) {
        for (size_t batches = 0; batches < 9; batches++) {
            struct fetch_request_partition p[4];
            struct fetch_request_topic t = {.topic = span_cstr("t"), .partitions = {p, 4}};
            struct fetch_request in;
            fetch_request_init(&in);
            for (size_t i = 0; i < 4; i++) {
                fetch_request_partition_init(&p[i]);
                p[i].partition = orders[k][i];
                p[i].partition_max_bytes = 1 << 20;
            }
            in.max_bytes = batches == 0 ? 1 : (int32_t)(one * batches);
            in.topics.items = &t;
            in.topics.count = 1;
            call(API_FETCH, 4, &in, &fetched);
            size_t left = batches == 0 ? 1 : batches;
            for (size_t i = 0; i < 4; i++) {
                size_t most = orders[k][i] == 3 ? 0 : left < 3 ? left : 3;
                assert_int_equal(fetched.responses.items[0].partitions.items[i].records.len,
                                 most * one);
                left -= most;
            }
        }
    }
}

static void
fetch__session_that_we_lack__not_found(void **unused)
{
    (void)unused;
    struct fetch_request in;
    fetch_request_init(&in);
    in.session_id = 99;
    in.session_epoch = 1;
    in.max_bytes = 1 << 20;
    call(API_FETCH, 12, &in, &fetched);
    assert_int_equal(fetched.error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(fetched.responses.count, 0);
}

static void
fetch__many_partitions__each_in_the_reply(void **unused)
{
    (void)unused;
    enum { MANY = 5000 };
    static struct fetch_request_partition p[MANY];
    struct fetch_request_topic t = {.topic = span_cstr("t"), .partitions = {p, MANY}};
    struct fetch_request in;
    create_one("t", MANY);
    assert_int_equal(produce_at("t", 4321, (int64_t[]){1}, 1), 0);
    fetch_request_init(&in);
    for (int32_t i = 0; i < MANY; i++) {
        fetch_request_partition_init(&p[i]);
        p[i].partition = i;
        p[i].partition_max_bytes = 1 << 20;
    }
    in.max_wait_ms = 60000;
    in.min_bytes = 1;
    in.max_bytes = 1 << 20;
    in.topics.items = &t;
    in.topics.count = 1;
    call(API_FETCH, 4, &in, &fetched);
    assert_int_equal(fetched.responses.items[0].partitions.count, MANY);
    for (int32_t i = 0; i < MANY; i++) {
        const struct fetch_response_partition *r = &fetched.responses.items[0].partitions.items[i];
        assert_int_equal(r->partition_index, i);
        assert_int_equal(r->error_code, 0);
        assert_int_equal(r->records.len > 0, i == 4321);
    }
}

static void
fetch__from_the_store_after_a_restart(void **unused)
{
    (void)unused;
    fill("t", 50);
    world_restart();
    assert_int_equal(walk(fetch(11, (struct ask){.topic = "t"})->records, 0), 150);
    assert_int_equal(walk(fetch(11, (struct ask){.topic = "t", .offset = 77})->records, 77), 150);
}

static void
fetch__store_is_down__what_is_known(void **unused)
{
    (void)unused;
    fill("t", 2);
    w.loop.now_ns += 3600 * SCHED_S;
    w.store.is_down = true;
    int64_t before = w.loop.now_ns;
    const struct fetch_response_partition *p = fetch(11, (struct ask){.topic = "t"});
    assert_int_equal(walk(p->records, 0), 6); /* in memory still */
    p = fetch(11, (struct ask){.topic = "t", .offset = 6, .max_wait_ms = 500, .min_bytes = 1});
    assert_int_equal(p->error_code, 0);
    assert_int_equal(p->high_watermark, 6);
    p = fetch(11, (struct ask){.topic = "t", .offset = 7, .max_wait_ms = 500, .min_bytes = 1});
    assert_true(kafka_error_is_retriable(p->error_code)); /* it may well be there */
    assert_int_not_equal(p->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    assert_true(w.loop.now_ns - before < 10 * SCHED_S);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(produce__every_version_served),
        T(produce__one_bad_partition__fails_alone),
        T(produce__acks),
        T(produce__transactional__refused_for_good),
        T(produce__sent_again__same_offset_also_after_a_restart),
        T(produce__compacted_topic__takes_no_record_without_a_key),
        T(fetch__every_version__the_bytes_that_were_produced),
        T(fetch__limits__whole_batches_and_at_least_one),
        T(fetch__outside_the_log),
        T(fetch__at_the_end__waits_and_is_woken_by_a_commit),
        T(fetch__at_the_end__empty_when_the_time_is_over),
        T(fetch__less_than_min_bytes__waits_for_more),
        T(fetch__more_than_the_limit__order_of_the_request_decides),
        T(fetch__session_that_we_lack__not_found),
        T(fetch__many_partitions__each_in_the_reply),
        T(fetch__from_the_store_after_a_restart),
        T(fetch__store_is_down__what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
