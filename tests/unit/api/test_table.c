/* SPDX-License-Identifier: Apache-2.0
 *
 * What is advertised, and what becomes of frames that are not. */
#include "api_fixture.h"
#include "wire/messages/api_versions.h"

/* docs: the ranges of the protocol page. Whoever changes the dispatch table changes this, and says
 * which client exercised it. */
static const struct {
    int16_t key, min, max;
} advertised[] = {
    /* clang-format off */
    {0, 0, 13},
    {1, 4, 17},
    {2, 1, 9},
    {3, 0, 13},
    {8, 2, 9},
    {9, 1, 9},
    {10, 0, 4},
    {11, 0, 9},
    {12, 0, 4},
    {13, 0, 5},
    {14, 0, 5},
    {15, 0, 6},
    {16, 0, 5},
    {18, 0, 4},
    {19, 2, 7},
    {20, 1, 6},
    {21, 0, 2},
    {22, 0, 5},
    {23, 2, 4},
    {29, 1, 3},
    {30, 1, 3},
    {31, 1, 3},
    {32, 1, 4},
    {33, 0, 2},
    {35, 1, 4},
    {37, 0, 3},
    {42, 0, 2},
    {43, 0, 2},
    {44, 0, 1},
    {46, 0, 0},
    {47, 0, 0},
    {48, 0, 1},
    {49, 0, 1},
    {50, 0, 0},
    {60, 0, 1},
    {68, 0, 1},
    {69, 0, 1},
    {75, 0, 0},
    /* clang-format on */
};
enum { ADVERTISED = sizeof(advertised) / sizeof(advertised[0]) };

static void
table__is_what_is_documented(void **unused)
{
    (void)unused;
    size_t count;
    const struct api_row *rows = api_table(&count);
    assert_int_equal(count, ADVERTISED);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(rows[i].key, advertised[i].key);
        assert_int_equal(rows[i].min_version, advertised[i].min);
        assert_int_equal(rows[i].max_version, advertised[i].max);
        assert_ptr_equal(api_find(rows[i].key), &rows[i]);
    }
    assert_null(api_find(4));
    assert_null(api_find(-1));
}

static void
table__codec_and_handler_for_every_version_that_is_served(void **unused)
{
    (void)unused;
    size_t count;
    const struct api_row *rows = api_table(&count);
    for (size_t i = 0; i < count; i++) {
        const struct api_info *info = api_info_find(rows[i].key);
        assert_non_null(info);
        assert_non_null(rows[i].handle);
        assert_true(rows[i].served_since >= rows[i].min_version);
        assert_true(i == 0 || rows[i].key > rows[i - 1].key);
        for (int16_t v = rows[i].served_since; v <= rows[i].max_version; v++) {
            assert_true(api_info_has(info, v));
        }
    }
}

static void
api_versions__every_version__lists_the_table(void **unused)
{
    (void)unused;
    for (int16_t v = 0; v <= 4; v++) {
        const struct api_versions_request in = {.client_software_name = span_cstr("test-client"),
                                                .client_software_version = span_cstr("1.0")};
        struct api_versions_response out;
        call(API_API_VERSIONS, v, &in, &out);
        assert_int_equal(out.error_code, 0);
        assert_int_equal(out.api_keys.count, ADVERTISED);
        for (size_t i = 0; i < ADVERTISED; i++) {
            assert_int_equal(out.api_keys.items[i].api_key, advertised[i].key);
            assert_int_equal(out.api_keys.items[i].min_version, advertised[i].min);
            assert_int_equal(out.api_keys.items[i].max_version, advertised[i].max);
        }
        assert_int_equal(out.supported_features.count, 0);
    }
}

static void
api_versions__unknown_version__v0_layout_with_itself_only(void **unused)
{
    (void)unused;
    /* size, correlation, error 35, one entry: key 18, 0 to 4. No tags, whatever version asked. */
    static const uint8_t want[] = {0, 0, 0x12, 0x67, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4};
    static const uint16_t versions[] = {5, 6, 100, 32767, 32768, 65535};
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        uint8_t frame[] = {0, 18, 0, 0, 0, 0, 0x12, 0x67, 0xff, 0xff, 0, 9, 9, 9};
        put_u16(frame + 2, versions[i]);
        send_frame(span_of(frame, sizeof(frame)));
        assert_false(w.is_closed);
        assert_int_equal(w.reply.len, sizeof(want));
        assert_memory_equal(w.reply.data, want, sizeof(want));
    }
}

static void
api_versions__software_without_a_name__invalid_request(void **unused)
{
    (void)unused;
    const struct {
        const char *name, *version;
        int16_t code;
    } cases[] = {{"a", "1", 0},
                 {"apache-kafka-java", "4.3.1", 0},
                 {"", "1", KAFKA_INVALID_REQUEST},
                 {"a", "", KAFKA_INVALID_REQUEST},
                 {"-a", "1", KAFKA_INVALID_REQUEST},
                 {"a", "1.", KAFKA_INVALID_REQUEST},
                 {"a b", "1", KAFKA_INVALID_REQUEST}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct api_versions_request in = {.client_software_name = span_cstr(cases[i].name),
                                                .client_software_version =
                                                    span_cstr(cases[i].version)};
        struct api_versions_response out;
        call(API_API_VERSIONS, 3, &in, &out);
        assert_int_equal(out.error_code, cases[i].code);
    }
}

static void
assert_closes(const void *frame, size_t len)
{
    send_frame(span_of(frame, len));
    assert_true(w.is_closed);
    assert_int_equal(w.reply.len, 0);
}

static void
frame__not_served_or_not_decodable__closes(void **unused)
{
    (void)unused;
    static const uint8_t unknown_key[] = {0x7f, 0x7f, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
    static const uint8_t without_codec[] = {0, 4, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
    static const uint8_t codec_but_no_row[] = {0, 17, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0};
    static const uint8_t produce_v0[] = {0,    0,    0, 0, 0, 0, 0, 1, 0xff, 0xff,
                                         0xff, 0xff, 0, 0, 0, 1, 0, 0, 0,    0};
    static const uint8_t produce_v2[] = {0,    0,    0, 2, 0, 0, 0, 1, 0xff, 0xff,
                                         0xff, 0xff, 0, 0, 0, 1, 0, 0, 0,    0};
    static const uint8_t metadata_v14[] = {0, 3, 0, 14, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0};
    static const uint8_t metadata_cut[] = {0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 5, 0};
    static const uint8_t versions_cut[] = {0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff, 0, 9, 'a'};
    static const uint8_t short_header[] = {0, 3, 0, 1, 0, 0, 0};
    assert_closes(unknown_key, sizeof(unknown_key));
    assert_closes(without_codec, sizeof(without_codec));
    assert_closes(codec_but_no_row, sizeof(codec_but_no_row));
    assert_closes(produce_v0, sizeof(produce_v0));
    assert_closes(produce_v2, sizeof(produce_v2));
    assert_closes(metadata_v14, sizeof(metadata_v14));
    assert_closes(metadata_cut, sizeof(metadata_cut));
    assert_closes(versions_cut, sizeof(versions_cut));
    assert_closes(short_header, sizeof(short_header));
    assert_closes("", 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(table__is_what_is_documented),
        T(table__codec_and_handler_for_every_version_that_is_served),
        T(api_versions__every_version__lists_the_table),
        T(api_versions__unknown_version__v0_layout_with_itself_only),
        T(api_versions__software_without_a_name__invalid_request),
        T(frame__not_served_or_not_decodable__closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
