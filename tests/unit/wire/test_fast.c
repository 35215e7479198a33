/* SPDX-License-Identifier: Apache-2.0
 *
 * The straight code against the interpreter: same verdict on every input, same bytes from every
 * struct. */
#include "../unit.h"
#include "vectors.h"
#include "wire/errors.h"
#include "wire/messages/api_versions.h"
#include "wire/messages/fetch.h"
#include "wire/messages/metadata.h"
#include "wire/messages/produce.h"

union any {
    struct produce_request produce_request;
    struct produce_response produce_response;
    struct fetch_request fetch_request;
    struct fetch_response fetch_response;
    struct metadata_response metadata_response;
};

static enum sl_err
fast_decode(const struct vector *vec, struct span body, struct arena *arena, union any *ret)
{
    return vec->key == API_PRODUCE
               ? produce_request_decode(body, vec->version, arena, &ret->produce_request)
               : fetch_request_decode(body, vec->version, arena, &ret->fetch_request);
}

/* Both decoders say the same; and if they say yes, both results encode to the same bytes. */
static void
compare_decoders(const struct vector *vec, struct span body)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    uint8_t *copy = malloc(body.len > 0 ? body.len : 1);
    memcpy(copy, body.ptr, body.len);
    body.ptr = copy;
    union any slow, fast;
    enum sl_err slow_rc = wire_decode(vec->msg, vec->version, body, &arena, &slow);
    enum sl_err fast_rc = fast_decode(vec, body, &arena, &fast);
    if (slow_rc != fast_rc) {
        fail_msg("%s v%d %s: %s, but the table says %s", vec->msg->name, vec->version, vec->variant,
                 sl_err_name(fast_rc), sl_err_name(slow_rc));
    }
    if (slow_rc == SL_OK) {
        struct bytes a, b;
        bytes_init(&a, 1 << 20);
        bytes_init(&b, 1 << 20);
        assert_int_equal(wire_encode(vec->msg, vec->version, &slow, &a), SL_OK);
        assert_int_equal(wire_encode(vec->msg, vec->version, &fast, &b), SL_OK);
        assert_true(span_eq(bytes_span(&a), bytes_span(&b)));
        bytes_fini(&a);
        bytes_fini(&b);
    }
    free(copy);
    arena_fini(&arena);
}

static void
each_request(void (*check)(struct vector *vec))
{
    struct vectors all;
    struct vector vec = {0};
    int seen = 0;
    bytes_init(&vec.body, 1 << 20);
    vectors_open(&all, "messages.txt");
    while (vectors_next(&all, &vec)) {
        if (!vec.is_response && (vec.key == API_PRODUCE || vec.key == API_FETCH)) {
            check(&vec);
            seen++;
        }
    }
    vectors_close(&all);
    bytes_fini(&vec.body);
    assert_true(seen > 80);
}

static void
whole_and_cut(struct vector *vec)
{
    for (size_t n = 0; n <= vec->body.len; n++) {
        compare_decoders(vec, span_of(vec->body.data, n));
    }
    bytes_u8(&vec->body, 0);
    compare_decoders(vec, bytes_span(&vec->body));
}

static void
request_decode__whole_or_cut__as_the_table_says(void **state)
{
    (void)state;
    each_request(whole_and_cut);
}

static void
changed(struct vector *vec)
{
    static const uint8_t values[] = {0x00, 0x01, 0x02, 0x7f, 0x80, 0xff};
    for (size_t at = 0; at < vec->body.len; at++) {
        uint8_t was = vec->body.data[at];
        for (size_t i = 0; i < sizeof(values); i++) {
            vec->body.data[at] = values[i];
            compare_decoders(vec, bytes_span(&vec->body));
        }
        vec->body.data[at] = was;
    }
}

static void
request_decode__any_byte_changed__as_the_table_says(void **state)
{
    (void)state;
    each_request(changed);
}

/* --- responses --- */

static void
fetch_assemble(const struct fetch_response *resp, int16_t version, struct bytes *out)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct bytes meta;
    bytes_init(&meta, 1 << 20);
    bytes_append(&meta, "head", 4); /* whatever stands before the body counts in `at` */
    struct fetch_splices splices;
    assert_int_equal(fetch_response_encode(resp, version, &meta, &arena, &splices), SL_OK);
    size_t at = 4, records_bytes = 0;
    for (size_t i = 0; i < splices.count; i++) {
        struct span records = splices.items[i].partition->records;
        assert_true(splices.items[i].at >= at && records.len > 0);
        bytes_append(out, meta.data + at, splices.items[i].at - at);
        bytes_append(out, records.ptr, records.len);
        at = splices.items[i].at;
        records_bytes += records.len;
    }
    bytes_append(out, meta.data + at, meta.len - at);
    assert_int_equal(records_bytes, splices.records_bytes);
    assert_int_equal(out->len, meta.len - 4 + splices.records_bytes);
    bytes_fini(&meta);
    arena_fini(&arena);
}

static bool
fast_encode(const struct vector *vec, const union any *resp, struct bytes *out)
{
    switch (vec->key) {
    case API_PRODUCE:
        assert_int_equal(produce_response_encode(&resp->produce_response, vec->version, out),
                         SL_OK);
        return true;
    case API_METADATA:
        assert_int_equal(metadata_response_encode(&resp->metadata_response, vec->version, out),
                         SL_OK);
        return true;
    case API_FETCH:
        fetch_assemble(&resp->fetch_response, vec->version, out);
        return true;
    default:
        return false;
    }
}

static void
response_encode__every_vector__the_bytes_of_the_table(void **state)
{
    (void)state;
    struct vectors all;
    struct vector vec = {0};
    int seen = 0;
    bytes_init(&vec.body, 1 << 20);
    vectors_open(&all, "messages.txt");
    while (vectors_next(&all, &vec)) {
        if (!vec.is_response || strcmp(vec.variant, "unknown") == 0) {
            continue;
        }
        struct arena arena;
        arena_init(&arena, 1 << 20);
        union any resp;
        if (vec.key != API_PRODUCE && vec.key != API_FETCH && vec.key != API_METADATA) {
            continue;
        }
        struct bytes out;
        bytes_init(&out, 1 << 20);
        assert_int_equal(wire_decode(vec.msg, vec.version, bytes_span(&vec.body), &arena, &resp),
                         SL_OK);
        assert_true(fast_encode(&vec, &resp, &out));
        if (!span_eq(bytes_span(&out), bytes_span(&vec.body))) {
            fail_msg("%s v%d %s", vec.msg->name, vec.version, vec.variant);
        }
        seen++;
        bytes_fini(&out);
        arena_fini(&arena);
    }
    vectors_close(&all);
    bytes_fini(&vec.body);
    assert_true(seen > 100);
}

static void
fetch_response__no_records__length_zero_never_null(void **state)
{
    (void)state;
    struct fetch_response_partition part;
    fetch_response_partition_init(&part);
    struct fetch_response_topic topic = {.topic = span_cstr("t"), .partitions = {&part, 1}};
    struct fetch_response resp = {.responses = {&topic, 1}};
    for (int16_t v = 4; v <= 17; v++) {
        struct bytes out;
        bytes_init(&out, 1 << 20);
        fetch_assemble(&resp, v, &out);
        struct arena arena;
        arena_init(&arena, 1 << 20);
        struct fetch_response back;
        assert_int_equal(wire_decode(&fetch_response_schema, v, bytes_span(&out), &arena, &back),
                         SL_OK);
        const struct fetch_response_partition *p = &back.responses.items[0].partitions.items[0];
        assert_non_null(p->records.ptr);
        assert_int_equal(p->records.len, 0);
        assert_null(p->aborted_transactions.items);
        assert_int_equal(p->current_leader.leader_id, -1);
        assert_int_equal(p->preferred_read_replica, -1);
        arena_fini(&arena);
        bytes_fini(&out);
    }
}

static void
fetch_response__initialised_partition__writes_no_tagged_field(void **state)
{
    (void)state;
    struct fetch_response_partition part;
    fetch_response_partition_init(&part);
    struct fetch_response_topic topic = {.partitions = {&part, 1}};
    struct fetch_response resp = {.responses = {&topic, 1}};
    struct bytes out;
    bytes_init(&out, 1 << 20);
    fetch_assemble(&resp, 17, &out);
    /* throttle 4, error 2, session 4, count 1, id 16, count 1, partition 4+2+8+8+8, aborted 1,
     * replica 4, records 1, and three empty sets of tagged fields */
    assert_int_equal(out.len, 4 + 2 + 4 + 1 + 16 + 1 + 30 + 1 + 4 + 1 + 3);
    bytes_fini(&out);
}

static void
produce_response__node_endpoints__are_written(void **state)
{
    (void)state;
    struct produce_response_node_endpoint node = {7, span_cstr("h"), 9092, span_of(NULL, 0)};
    struct produce_response resp = {.node_endpoints = {&node, 1}};
    struct bytes out;
    bytes_init(&out, 1 << 20);
    assert_int_equal(produce_response_encode(&resp, 10, &out), SL_OK);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct produce_response back;
    assert_int_equal(wire_decode(&produce_response_schema, 10, bytes_span(&out), &arena, &back),
                     SL_OK);
    assert_int_equal(back.node_endpoints.count, 1);
    assert_int_equal(back.node_endpoints.items[0].port, 9092);
    arena_fini(&arena);
    bytes_fini(&out);
}

/* With endpoints the table encodes; without, straight code writes leaders and record errors. */
static void
produce_response__leaders_without_endpoints__the_bytes_of_the_table(void **state)
{
    (void)state;
    struct vectors all;
    struct vector vec = {0};
    int seen = 0;
    bytes_init(&vec.body, 1 << 20);
    vectors_open(&all, "messages.txt");
    while (vectors_next(&all, &vec)) {
        if (vec.msg != &produce_response_schema || strcmp(vec.variant, "filled") != 0) {
            continue;
        }
        struct arena arena;
        arena_init(&arena, 1 << 20);
        struct produce_response resp;
        struct bytes fast, slow;
        bytes_init(&fast, 1 << 20);
        bytes_init(&slow, 1 << 20);
        assert_int_equal(wire_decode(vec.msg, vec.version, bytes_span(&vec.body), &arena, &resp),
                         SL_OK);
        resp.node_endpoints.count = 0;
        assert_int_equal(produce_response_encode(&resp, vec.version, &fast), SL_OK);
        assert_int_equal(wire_encode(vec.msg, vec.version, &resp, &slow), SL_OK);
        assert_true(span_eq(bytes_span(&fast), bytes_span(&slow)));
        seen++;
        bytes_fini(&fast);
        bytes_fini(&slow);
        arena_fini(&arena);
    }
    vectors_close(&all);
    bytes_fini(&vec.body);
    assert_int_equal(seen, 11);
}

/* --- ApiVersions --- */

static void
api_versions_unsupported__any_client__reads_v0_with_key_18(void **state)
{
    (void)state;
    struct bytes out;
    bytes_init(&out, 1 << 20);
    assert_int_equal(api_versions_unsupported_encode(0, 4, &out), SL_OK);
    static const uint8_t want[] = {0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4};
    assert_int_equal(out.len, sizeof(want));
    assert_memory_equal(out.data, want, sizeof(want));
    bytes_fini(&out);
}

static void
api_versions_software__as_kip_511_says(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "apache-kafka-java", "3.9.0", "a--b..c", "A1"};
    static const char *const bad[] = {"", "-a", "a-", ".", "a b", "a_b", "a/b", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(api_versions_software_is_valid(span_cstr(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(api_versions_software_is_valid(span_cstr(bad[i])));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_decode__whole_or_cut__as_the_table_says),
        cmocka_unit_test(request_decode__any_byte_changed__as_the_table_says),
        cmocka_unit_test(response_encode__every_vector__the_bytes_of_the_table),
        cmocka_unit_test(fetch_response__no_records__length_zero_never_null),
        cmocka_unit_test(fetch_response__initialised_partition__writes_no_tagged_field),
        cmocka_unit_test(produce_response__node_endpoints__are_written),
        cmocka_unit_test(produce_response__leaders_without_endpoints__the_bytes_of_the_table),
        cmocka_unit_test(api_versions_unsupported__any_client__reads_v0_with_key_18),
        cmocka_unit_test(api_versions_software__as_kip_511_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
