/* SPDX-License-Identifier: Apache-2.0
 *
 * What a topic's configuration demands of records: keys, and times within bounds. */
#include "topics.h"

#include <zlib.h>

enum { HOUR = 3600000 };

struct row {
    const char *key;
    int64_t timestamp;
};

/* A batch of these records; compressed as gzip when asked. */
static void
put_rows(struct bytes *to, const struct row *rows, int32_t count, bool is_gzip)
{
    struct bytes body;
    int64_t max = INT64_MIN;
    bytes_init(&body, 1 << 20);
    struct wire_out out = wire_out_to(&body, false);
    for (int32_t i = 0; i < count; i++) {
        struct bytes rec;
        bytes_init(&rec, 4096);
        struct wire_out r = wire_out_to(&rec, false);
        max = rows[i].timestamp > max ? rows[i].timestamp : max;
        wire_put_i8(&r, 0);
        wire_put_varlong(&r, rows[i].timestamp - rows[0].timestamp);
        wire_put_varint(&r, i);
        wire_put_varint(&r, rows[i].key == NULL ? -1 : (int32_t)strlen(rows[i].key));
        bytes_append(&rec, rows[i].key, rows[i].key == NULL ? 0 : strlen(rows[i].key));
        wire_put_varint(&r, -1);
        wire_put_varint(&r, 0);
        wire_put_varint(&out, (int32_t)rec.len);
        bytes_append(&body, rec.data, rec.len);
        bytes_fini(&rec);
    }
    size_t start = to->len;
    memset(bytes_grow(to, BATCH_HEADER_BYTES), 0, BATCH_HEADER_BYTES);
    if (is_gzip) {
        static uint8_t packed[1 << 20];
        z_stream z = {.next_in = body.data,
                      .avail_in = (uInt)body.len,
                      .next_out = packed,
                      .avail_out = sizeof(packed)};
        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        bytes_append(to, packed, sizeof(packed) - z.avail_out);
        deflateEnd(&z);
    } else {
        bytes_append(to, body.data, body.len);
    }
    bytes_fini(&body);
    uint8_t *b = to->data + start;
    put_u32(b + 8, (uint32_t)(to->len - start - BATCH_LENGTH_START));
    b[16] = 2;
    put_u16(b + 21, is_gzip ? BATCH_CODEC_GZIP : 0);
    put_u32(b + 23, (uint32_t)(count - 1));
    put_u64(b + 27, (uint64_t)rows[0].timestamp);
    put_u64(b + 35, (uint64_t)max);
    put_u64(b + 43, UINT64_MAX);
    put_u16(b + 51, UINT16_MAX);
    put_u32(b + 53, UINT32_MAX);
    put_u32(b + 57, (uint32_t)count);
    put_u32(b + 17, crc32c(0, b + BATCH_CRC_START, to->len - start - BATCH_CRC_START));
}

static struct produce_response reply;

/* Gives the answer for partition 0 of the topic. */
static const struct produce_response_partition *
send_rows(const char *topic, const struct row *rows, int32_t count, bool is_gzip)
{
    struct bytes b;
    struct produce_request_partition p = {.index = 0};
    struct produce_request_topic t = {.name = span_cstr(topic)};
    struct produce_request in = {.acks = -1, .timeout_ms = 1000};
    bytes_init(&b, 1 << 20);
    put_rows(&b, rows, count, is_gzip);
    p.records = bytes_span(&b);
    t.partition_data.items = &p;
    t.partition_data.count = 1;
    in.topic_data.items = &t;
    in.topic_data.count = 1;
    call(API_PRODUCE, 9, &in, &reply);
    bytes_fini(&b);
    return &reply.responses.items[0].partition_responses.items[0];
}

static void
create_with(const char *name, const char *const *configs)
{
    struct create_topics_request_config list[4];
    struct create_topics_request_topic t = new_topic(name, 1);
    struct create_topics_response out;
    t.configs.items = list;
    for (; configs[0] != NULL; configs += 2) {
        list[t.configs.count++] =
            (struct create_topics_request_config){span_cstr(configs[0]), span_cstr(configs[1])};
    }
    create_all(&t, 1, 7, &out);
    assert_int_equal(out.topics.items[0].error_code, 0);
}

static int64_t
now(void)
{
    return sched_wall_ms(&w.loop.pub);
}

static void
keys__compacted_topic__each_record_without_one_is_named(void **unused)
{
    (void)unused;
    static const char *const policies[] = {"compact", "compact,delete", "delete,compact"};
    for (int i = 0; i < 6; i++) {
        const char *const configs[] = {"cleanup.policy", policies[i / 2], NULL};
        char name[] = "c-0";
        name[2] = (char)('0' + i);
        create_with(name, configs);
        const struct row good[] = {{"k", now()}, {"", now()}};
        assert_int_equal(send_rows(name, good, 2, i % 2 == 0)->error_code, 0);
        const struct row bad[] = {{"k", now()}, {NULL, now()}, {"", now()}, {NULL, now()}};
        const struct produce_response_partition *out = send_rows(name, bad, 4, i % 2 == 0);
        assert_int_equal(out->error_code, KAFKA_INVALID_RECORD);
        assert_int_equal(out->base_offset, -1);
        assert_int_equal(out->record_errors.count, 2);
        assert_int_equal(out->record_errors.items[0].batch_index, 1);
        assert_int_equal(out->record_errors.items[1].batch_index, 3);
        assert_true(span_has(out->record_errors.items[1].batch_index_error_message,
                             "Compacted topic cannot accept message without key in topic "
                             "partition c-"));
        assert_true(span_has(out->error_message, "due to 2 record errors in total: Compacted"));
        assert_int_equal(send_rows(name, good, 1, false)->base_offset, 2);
    }
}

static void
keys__many_faults__the_list_is_bounded(void **unused)
{
    (void)unused;
    static const char *const configs[] = {"cleanup.policy", "compact", NULL};
    static struct row rows[3000];
    create_with("c", configs);
    const struct produce_response_partition *out = send_rows("c", rows, 3000, true);
    assert_int_equal(out->error_code, KAFKA_INVALID_RECORD);
    assert_true(out->record_errors.count <= 1000);
    assert_true(span_has(out->error_message, "due to 3000 record errors"));
}

static void
keys__batch_that_cannot_be_looked_into__refused(void **unused)
{
    (void)unused;
    static const char *const configs[] = {"cleanup.policy", "compact", NULL};
    const struct row rows[] = {{"k", 1}, {"l", 2}};
    struct bytes b;
    create_with("c", configs);
    bytes_init(&b, 1 << 20);
    put_rows(&b, rows, 2, true);
    b.data[BATCH_HEADER_BYTES + 12] ^= 0x55;
    batch_seal(&b);
    assert_int_equal(produce("c", 0, bytes_span(&b)), -KAFKA_INVALID_RECORD);
    create_one("d", 1);
    assert_int_equal(produce("d", 0, bytes_span(&b)), 0); /* nobody looks */
    bytes_fini(&b);
}

static void
times__bounds_of_a_topic(void **unused)
{
    (void)unused;
    static const char *const configs[] = {"message.timestamp.before.max.ms", "1000000",
                                          "message.timestamp.after.max.ms", "500000", NULL};
    create_with("t", configs);
    for (int gzip = 0; gzip < 2; gzip++) {
        const struct row good[] = {
            {NULL, now()}, {NULL, now() - 999000}, {NULL, now() + 499000}, {NULL, -1}};
        const struct row late[] = {{NULL, now()}, {NULL, now() + 600000}};
        const struct row early[] = {{NULL, now()}, {NULL, now() - 2000000}, {NULL, 0}};
        assert_int_equal(send_rows("t", good, 4, gzip == 1)->error_code, 0);
        const struct produce_response_partition *out = send_rows("t", late, 2, gzip == 1);
        assert_int_equal(out->error_code, KAFKA_INVALID_TIMESTAMP);
        assert_int_equal(out->record_errors.count, 1);
        assert_int_equal(out->record_errors.items[0].batch_index, 1);
        assert_true(span_has(out->record_errors.items[0].batch_index_error_message,
                             "of message with offset 1 is out of range. The timestamp should be "
                             "within ["));
        assert_span(out->error_message,
                    "One or more records have been rejected due to invalid timestamp");
        out = send_rows("t", early, 3, gzip == 1);
        assert_int_equal(out->error_code, KAFKA_INVALID_TIMESTAMP);
        assert_int_equal(out->record_errors.count, 2);
    }
}

static void
times__by_default__old_ones_are_taken_and_no_more_than_an_hour_ahead(void **unused)
{
    (void)unused;
    create_one("t", 1);
    const struct row good[] = {{NULL, 5}, {NULL, -1}, {NULL, now() + HOUR - 1000}};
    const struct row late[] = {{NULL, now()}, {NULL, now() + HOUR + 60000}};
    assert_int_equal(send_rows("t", good, 3, true)->error_code, 0);
    assert_int_equal(send_rows("t", late, 2, true)->error_code, KAFKA_INVALID_TIMESTAMP);
    assert_int_equal(send_rows("t", late, 2, false)->error_code, KAFKA_INVALID_TIMESTAMP);
}

static void
times__log_append_time__whatever_the_producer_wrote(void **unused)
{
    (void)unused;
    static const char *const configs[] = {"message.timestamp.type", "LogAppendTime",
                                          "message.timestamp.before.max.ms", "1000", NULL};
    create_with("t", configs);
    const struct row rows[] = {{NULL, 5}, {NULL, now() + 1000 * (int64_t)HOUR}};
    const struct produce_response_partition *out = send_rows("t", rows, 2, true);
    assert_int_equal(out->error_code, 0);
    assert_int_equal(out->log_append_time_ms, now());
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(keys__compacted_topic__each_record_without_one_is_named),
        T(keys__many_faults__the_list_is_bounded),
        T(keys__batch_that_cannot_be_looked_into__refused),
        T(times__bounds_of_a_topic),
        T(times__by_default__old_ones_are_taken_and_no_more_than_an_hour_ahead),
        T(times__log_append_time__whatever_the_producer_wrote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
