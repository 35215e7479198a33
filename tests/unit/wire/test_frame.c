/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "wire/frame.h"

static struct span
literal(const char *bytes, size_t n)
{
    return span_of(bytes, n);
}
#define SPAN(text) literal(text, sizeof(text) - 1)

static void
request_header__v1__client_id_then_body(void **state)
{
    (void)state;
    struct request_header h;
    /* Metadata v1, correlation 5, client id "ab" */
    assert_int_equal(request_header_parse(SPAN("\0\3\0\1\0\0\0\5\0\2"
                                               "abBODY"),
                                          &h),
                     SL_OK);
    assert_int_equal(h.api_key, API_METADATA);
    assert_int_equal(h.api_version, 1);
    assert_int_equal(h.correlation_id, 5);
    assert_true(h.is_known_version);
    assert_true(span_eq(h.client_id, span_cstr("ab")));
    assert_true(span_eq(h.body, span_cstr("BODY")));
}

static void
request_header__v2__client_id_stays_classic_then_tags(void **state)
{
    (void)state;
    struct request_header h;
    /* Metadata v9: flexible; one unknown tagged field 3 of two bytes */
    assert_int_equal(request_header_parse(SPAN("\0\3\0\x09\0\0\0\5\0\2"
                                               "ab\1\3\2xyBODY"),
                                          &h),
                     SL_OK);
    assert_true(span_eq(h.client_id, span_cstr("ab")));
    assert_true(span_eq(h.body, span_cstr("BODY")));
}

static void
request_header__null_client_id__is_null(void **state)
{
    (void)state;
    struct request_header h;
    assert_int_equal(request_header_parse(SPAN("\0\x12\0\0\0\0\0\5\xff\xff"), &h), SL_OK);
    assert_null(h.client_id.ptr);
    assert_int_equal(h.body.len, 0);
}

static void
request_header__unknown_api_versions_version__correlation_is_there(void **state)
{
    (void)state;
    struct request_header h;
    assert_int_equal(request_header_parse(SPAN("\0\x12\0\x63\1\2\3\4whatever"), &h), SL_OK);
    assert_int_equal(h.api_key, API_API_VERSIONS);
    assert_int_equal(h.correlation_id, 0x01020304);
    assert_false(h.is_known_version);
    assert_non_null(h.info);
}

static void
request_header__unknown_key__has_no_info(void **state)
{
    (void)state;
    struct request_header h;
    assert_int_equal(request_header_parse(SPAN("\x03\xe7\0\0\0\0\0\1\0\0"), &h), SL_OK);
    assert_null(h.info);
    assert_false(h.is_known_version);
}

static void
request_header__cut_off__is_malformed(void **state)
{
    (void)state;
    static const char whole[] = "\0\3\0\x09\0\0\0\5\0\2"
                                "ab\1\3\2xy";
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        struct request_header h;
        assert_int_equal(request_header_parse(span_of(whole, n), &h), SL_EMALFORMED);
    }
}

static void
request_header__put_and_parse__is_identity(void **state)
{
    (void)state;
    size_t n;
    const struct api_info *apis = api_info_table(&n);
    for (size_t i = 0; i < n; i++) {
        for (int16_t v = apis[i].min_version; v <= apis[i].max_version; v++) {
            struct request_header h = {.api_key = apis[i].key,
                                       .api_version = v,
                                       .correlation_id = 77,
                                       .info = &apis[i],
                                       .client_id = span_cstr("me")};
            struct request_header back;
            struct bytes b;
            bytes_init(&b, 4096);
            request_header_put(&b, &h);
            assert_int_equal(request_header_parse(bytes_span(&b), &back), SL_OK);
            assert_int_equal(back.api_version, v);
            assert_true(back.is_known_version);
            assert_true(span_eq(back.client_id, h.client_id));
            assert_int_equal(back.body.len, 0);
            bytes_fini(&b);
        }
    }
}

static void
check_response_header(int16_t key, int16_t version, size_t want_len)
{
    struct request_header h = {.api_key = key,
                               .api_version = version,
                               .correlation_id = 9,
                               .info = api_info_find(key),
                               .is_known_version = true};
    struct bytes b;
    bytes_init(&b, 4096);
    bytes_append(&b, "xx", 2); /* need not be the first in the buffer */
    size_t start = response_begin(&b, &h);
    assert_int_equal(b.len - start, want_len);
    bytes_append(&b, "body", 4);
    assert_int_equal(response_end(&b, start, 1000), SL_OK);
    assert_int_equal(get_u32(b.data + start), b.len - start - 4 + 1000);
    int32_t correlation = 0;
    struct span body;
    assert_int_equal(response_header_parse(span_of(b.data + start + 4, b.len - start - 4), h.info,
                                           version, &correlation, &body),
                     SL_OK);
    assert_int_equal(correlation, 9);
    assert_true(span_eq(body, span_cstr("body")));
    bytes_fini(&b);
}

static void
response_header__flexible_has_tags__api_versions_never(void **state)
{
    (void)state;
    check_response_header(API_METADATA, 8, 8);
    check_response_header(API_METADATA, 9, 9);
    check_response_header(API_API_VERSIONS, 2, 8);
    check_response_header(API_API_VERSIONS, 3, 8);
    check_response_header(API_API_VERSIONS, 4, 8);
    check_response_header(API_SASL_HANDSHAKE, 1, 8);
    check_response_header(API_DESCRIBE_CLUSTER, 0, 9);
}

static void
response_end__size_beyond_int32__is_refused(void **state)
{
    (void)state;
    struct request_header h = {.correlation_id = 9};
    struct bytes b;
    bytes_init(&b, 4096);
    size_t start = response_begin(&b, &h);
    assert_int_equal(response_end(&b, start, (size_t)INT32_MAX - 4), SL_OK);
    assert_int_equal(response_end(&b, start, (size_t)INT32_MAX - 3), SL_ETOO_LARGE);
    assert_int_equal(response_end(&b, start, SIZE_MAX), SL_ETOO_LARGE);
    bytes_fini(&b);
}

static void
response_end__buffer_overflown__is_refused(void **state)
{
    (void)state;
    struct request_header h = {.correlation_id = 9};
    struct bytes b;
    bytes_init(&b, 6);
    size_t start = response_begin(&b, &h);
    assert_int_equal(response_end(&b, start, 0), SL_ETOO_LARGE);
    bytes_fini(&b);
}

static void
api_table__agrees_with_the_schemas(void **state)
{
    (void)state;
    size_t n;
    const struct api_info *apis = api_info_table(&n);
    for (size_t i = 0; i < n; i++) {
        const struct wire_message *both[] = {apis[i].request, apis[i].response};
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(both[k]->api_key, apis[i].key);
            assert_int_equal(both[k]->is_response, k == 1);
            assert_int_equal(both[k]->min_version, apis[i].min_version);
            assert_int_equal(both[k]->max_version, apis[i].max_version);
            assert_int_equal(both[k]->flexible_since, apis[i].flexible_since);
        }
        assert_true(i == 0 || apis[i - 1].key < apis[i].key);
        assert_ptr_equal(api_info_find(apis[i].key), &apis[i]);
    }
    assert_null(api_info_find(-1));
    assert_null(api_info_find(4));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_header__v1__client_id_then_body),
        cmocka_unit_test(request_header__v2__client_id_stays_classic_then_tags),
        cmocka_unit_test(request_header__null_client_id__is_null),
        cmocka_unit_test(request_header__unknown_api_versions_version__correlation_is_there),
        cmocka_unit_test(request_header__unknown_key__has_no_info),
        cmocka_unit_test(request_header__cut_off__is_malformed),
        cmocka_unit_test(request_header__put_and_parse__is_identity),
        cmocka_unit_test(response_header__flexible_has_tags__api_versions_never),
        cmocka_unit_test(response_end__size_beyond_int32__is_refused),
        cmocka_unit_test(response_end__buffer_overflown__is_refused),
        cmocka_unit_test(api_table__agrees_with_the_schemas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
