/* Signatures against what AWS published: its test suite, and the examples of the S3 API Reference
 * ("Signature Calculations for the Authorization Header"). */
#include "../unit.h"
#include "sigv4_vectors.h"

#include <stdio.h>
#include <string.h>

static const struct s3_signer suite_signer = {
    "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service"};
static const struct s3_signer s3_doc_signer = {
    "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3"};

static void
assert_text(struct s3_text *t, const char *name, const char *want)
{
    if (strcmp(s3__text_cstr(t), want) != 0) {
        (void)fprintf(stderr, "%s:\ngot  %s\nwant %s\n", name, s3__text_cstr(t), want);
    }
    assert_string_equal(s3__text_cstr(t), want);
    assert_false(t->is_over);
    s3__text_fini(t);
}

static void
assert_vector(const struct sigv4_vector *v)
{
    const struct s3_signable r = {v->method,  v->path,         v->query,        v->query_count,
                                  v->headers, v->header_count, v->payload_hash, "20150830T123600Z"};
    struct s3_text t;
    s3__text_init(&t, 65536);
    s3__canonical_request(&t, &r);
    assert_text(&t, v->name, v->canonical);
    s3__string_to_sign(&t, &r, &suite_signer, v->canonical);
    assert_text(&t, v->name, v->to_sign);
    s3__authorization(&t, &r, &suite_signer);
    assert_text(&t, v->name, v->authorization);
}

static void
sign__aws_test_suite__every_step_is_equal(void **state)
{
    (void)state;
    size_t count = sizeof(sigv4_vectors) / sizeof(sigv4_vectors[0]);
    assert_true(count >= 24);
    for (size_t i = 0; i < count; i++) {
        assert_vector(&sigv4_vectors[i]);
    }
}

static void
assert_signature(const struct s3_signable *r, const char *signed_headers, const char *signature)
{
    char want[512];
    struct s3_text t;
    s3__text_init(&t, 65536);
    (void)snprintf(want, sizeof(want),
                   "AWS4-HMAC-SHA256 "
                   "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                   "SignedHeaders=%s, Signature=%s",
                   signed_headers, signature);
    s3__authorization(&t, r, &s3_doc_signer);
    assert_text(&t, signature, want);
}

#define DOC_HOST                                                                                   \
    {                                                                                              \
        "host", "examplebucket.s3.amazonaws.com"                                                   \
    }
#define DOC_DATE                                                                                   \
    {                                                                                              \
        "x-amz-date", "20130524T000000Z"                                                           \
    }

static void
sign__s3_get_object_with_range__as_documented(void **state)
{
    (void)state;
    const struct s3_pair headers[] = {
        DOC_HOST, {"range", "bytes=0-9"}, {"x-amz-content-sha256", S3_EMPTY_HASH}, DOC_DATE};
    const struct s3_signable r = {.method = "GET",
                                  .path = "/test.txt",
                                  .headers = headers,
                                  .header_count = 4,
                                  .payload_hash = S3_EMPTY_HASH,
                                  .date = "20130524T000000Z"};
    assert_signature(&r, "host;range;x-amz-content-sha256;x-amz-date",
                     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void
sign__s3_put_object__as_documented(void **state)
{
    (void)state;
    char hash[S3_HASH_HEX];
    const struct s3_slice parts[] = {{"Welcome to ", 11}, {NULL, 0}, {"Amazon S3.", 10}};
    s3__sha256_hex(parts, 3, hash);
    assert_string_equal(hash, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
    const struct s3_pair headers[] = {{"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                                      {"date", "Fri, 24 May 2013 00:00:00 GMT"},
                                      DOC_HOST,
                                      {"x-amz-content-sha256", hash},
                                      DOC_DATE};
    const struct s3_signable r = {.method = "PUT",
                                  .path = "/test$file.text",
                                  .headers = headers,
                                  .header_count = 5,
                                  .payload_hash = hash,
                                  .date = "20130524T000000Z"};
    assert_signature(&r, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void
sign__s3_bucket_lifecycle_and_list__as_documented(void **state)
{
    (void)state;
    const struct s3_pair headers[] = {DOC_HOST, {"x-amz-content-sha256", S3_EMPTY_HASH}, DOC_DATE};
    const struct s3_pair lifecycle[] = {{"lifecycle", ""}};
    const struct s3_pair list[] = {{"prefix", "J"}, {"max-keys", "2"}};
    struct s3_signable r = {.method = "GET",
                            .path = "/",
                            .query = lifecycle,
                            .query_count = 1,
                            .headers = headers,
                            .header_count = 3,
                            .payload_hash = S3_EMPTY_HASH,
                            .date = "20130524T000000Z"};
    assert_signature(&r, "host;x-amz-content-sha256;x-amz-date",
                     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    r.query = list;
    r.query_count = 2;
    assert_signature(&r, "host;x-amz-content-sha256;x-amz-date",
                     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

/* S3 signs the path as it is: nothing is normalised, and '/' is kept. */
static void
canonical__odd_path__is_encoded_once_and_not_normalised(void **state)
{
    (void)state;
    struct s3_text t;
    s3__text_init(&t, 1024);
    s3__uri_encode(&t, "/b//a/../c d+e%41~\xc3\xa9", true);
    assert_text(&t, "path", "/b//a/../c%20d%2Be%2541~%C3%A9");
    s3__uri_encode(&t, "a/b=c&d", false);
    assert_text(&t, "query", "a%2Fb%3Dc%26d");
}

static void
canonical__unsigned_payload__stands_in_the_last_line(void **state)
{
    (void)state;
    const struct s3_pair headers[] = {{"host", "h"}};
    const struct s3_signable r = {.method = "PUT",
                                  .path = "/k",
                                  .headers = headers,
                                  .header_count = 1,
                                  .payload_hash = S3_UNSIGNED_PAYLOAD,
                                  .date = "20130524T000000Z"};
    struct s3_text t;
    s3__text_init(&t, 1024);
    s3__canonical_request(&t, &r);
    assert_text(&t, "request", "PUT\n/k\n\nhost:h\n\nhost\nUNSIGNED-PAYLOAD");
}

static void
crc32c_text__check_value__big_endian_base64(void **state)
{
    (void)state;
    char out[9];
    s3__crc32c_text(0xe3069283, out); /* CRC-32C of "123456789" */
    assert_string_equal(out, "4waSgw==");
    s3__crc32c_text(0, out);
    assert_string_equal(out, "AAAAAA==");
}

static void
date_text__known_seconds__utc(void **state)
{
    (void)state;
    char out[S3_DATE_TEXT];
    s3__date_text(1369353600, out);
    assert_string_equal(out, "20130524T000000Z");
    s3__date_text(INT64_MAX / 4, out); /* no such year: still 16 characters */
    assert_int_equal(strlen(out), 16);
}

static void
text__more_than_its_ceiling__is_refused_whole(void **state)
{
    (void)state;
    struct s3_text t;
    s3__text_init(&t, 8);
    s3__text_str(&t, "12345");
    s3__text_str(&t, "6789");
    assert_true(t.is_over);
    assert_string_equal(s3__text_cstr(&t), "12345");
    s3__text_clear(&t);
    s3__text_str(&t, "12345678");
    assert_false(t.is_over);
    s3__text_fini(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign__aws_test_suite__every_step_is_equal),
        cmocka_unit_test(sign__s3_get_object_with_range__as_documented),
        cmocka_unit_test(sign__s3_put_object__as_documented),
        cmocka_unit_test(sign__s3_bucket_lifecycle_and_list__as_documented),
        cmocka_unit_test(canonical__odd_path__is_encoded_once_and_not_normalised),
        cmocka_unit_test(canonical__unsigned_payload__stands_in_the_last_line),
        cmocka_unit_test(crc32c_text__check_value__big_endian_base64),
        cmocka_unit_test(date_text__known_seconds__utc),
        cmocka_unit_test(text__more_than_its_ceiling__is_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
