/* Which outcome each answer is, and what an operator reads. */
#include "../unit.h"
#include "storage-s3/outcome.h"
#include "storage-s3/retry.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

struct row {
    enum s3_kind kind;
    int curl_code;
    bool is_sent;
    long http;
    const char *code;
    enum s3_verdict verdict;
    sluice_status status;
};

static const struct row rows[] = {
    {S3_PUT, 0, true, 200, "", S3_DONE, SLUICE_OK},
    {S3_PUT, 0, true, 412, "PreconditionFailed", S3_EXISTS, SLUICE_EEXIST},
    {S3_PUT, 0, true, 409, "ConditionalRequestConflict", S3_CONFLICT, SLUICE_EUNKNOWN},
    {S3_PUT, 0, true, 500, "InternalError", S3_UNKNOWN, SLUICE_EUNKNOWN},
    {S3_PUT, 0, true, 502, "", S3_UNKNOWN, SLUICE_EUNKNOWN},
    {S3_PUT, 0, true, 504, "", S3_UNKNOWN, SLUICE_EUNKNOWN},
    {S3_PUT, 0, true, 503, "SlowDown", S3_THROTTLED, SLUICE_EUNKNOWN},
    {S3_PUT, 0, true, 503, "", S3_THROTTLED, SLUICE_EUNKNOWN},
    {S3_PUT, 0, true, 429, "", S3_THROTTLED, SLUICE_EUNKNOWN},
    {S3_PUT, 0, true, 408, "", S3_UNKNOWN, SLUICE_EUNKNOWN},
    {S3_PUT, 0, true, 501, "NotImplemented", S3_REFUSED, SLUICE_ENOTSUP},
    {S3_PUT, 0, true, 507, "", S3_REFUSED, SLUICE_ENOSPC},
    {S3_PUT, 0, true, 403, "QuotaExceeded", S3_REFUSED, SLUICE_ENOSPC},
    {S3_PUT, 0, true, 403, "AccessDenied", S3_REFUSED, SLUICE_EDENIED},
    {S3_PUT, 0, true, 400, "BadDigest", S3_AGAIN, SLUICE_EIO},
    {S3_PUT, 0, true, 400, "RequestTimeout", S3_AGAIN, SLUICE_EIO},
    {S3_PUT, 0, true, 400, "EntityTooLarge", S3_REFUSED, SLUICE_EINVAL},
    {S3_PUT, 0, true, 404, "NoSuchBucket", S3_REFUSED, SLUICE_EIO},
    {S3_PUT, 0, true, 404, "NoSuchKey", S3_EXISTS, SLUICE_EEXIST},
    {S3_PUT, 0, true, 301, "PermanentRedirect", S3_REFUSED, SLUICE_EIO},
    {S3_PUT, 0, true, 199, "", S3_UNKNOWN, SLUICE_EUNKNOWN},
    {S3_PUT, CURLE_OPERATION_TIMEDOUT, true, 0, "", S3_UNKNOWN, SLUICE_EUNKNOWN},
    {S3_PUT, CURLE_RECV_ERROR, true, 0, "", S3_UNKNOWN, SLUICE_EUNKNOWN},
    {S3_PUT, CURLE_SEND_ERROR, true, 0, "", S3_UNKNOWN, SLUICE_EUNKNOWN},
    {S3_PUT, CURLE_GOT_NOTHING, true, 0, "", S3_UNKNOWN, SLUICE_EUNKNOWN},
    {S3_PUT, CURLE_UNSUPPORTED_PROTOCOL, true, 0, "", S3_UNKNOWN, SLUICE_EUNKNOWN}, /* HTTP/0.9 */
    {S3_PUT, CURLE_PARTIAL_FILE, true, 200, "", S3_UNKNOWN, SLUICE_EUNKNOWN},
    {S3_PUT, CURLE_COULDNT_CONNECT, false, 0, "", S3_AGAIN, SLUICE_ETIMEOUT},
    {S3_PUT, CURLE_OPERATION_TIMEDOUT, false, 0, "", S3_AGAIN, SLUICE_ETIMEOUT},
    {S3_PUT, CURLE_PEER_FAILED_VERIFICATION, false, 0, "", S3_REFUSED, SLUICE_EIO},
    {S3_GET, 0, true, 206, "", S3_DONE, SLUICE_OK},
    {S3_GET, 0, true, 404, "NoSuchKey", S3_ABSENT, SLUICE_ENOENT},
    {S3_GET, 0, true, 404, "NoSuchBucket", S3_REFUSED, SLUICE_EIO},
    {S3_GET, 0, true, 404, "", S3_REFUSED, SLUICE_EIO}, /* a proxy's own page */
    {S3_GET, 0, true, 416, "InvalidRange", S3_NO_RANGE, SLUICE_OK},
    {S3_GET, 0, true, 412, "", S3_REFUSED, SLUICE_EIO},
    {S3_GET, 0, true, 500, "InternalError", S3_AGAIN, SLUICE_EIO},
    {S3_GET, 0, true, 503, "SlowDown", S3_THROTTLED, SLUICE_EAGAIN},
    {S3_GET, 0, true, 400, "ExpiredToken", S3_STALE_CREDS, SLUICE_EDENIED},
    {S3_GET, 0, true, 403, "InvalidAccessKeyId", S3_STALE_CREDS, SLUICE_EDENIED},
    {S3_GET, 0, true, 403, "RequestTimeTooSkewed", S3_REFUSED, SLUICE_EDENIED},
    {S3_GET, CURLE_RECV_ERROR, true, 0, "", S3_AGAIN, SLUICE_EIO},
    {S3_GET, CURLE_PARTIAL_FILE, true, 200, "", S3_AGAIN, SLUICE_EIO},
    {S3_HEAD, 0, true, 404, "", S3_ABSENT, SLUICE_ENOENT},
    {S3_HEAD, 0, true, 403, "", S3_REFUSED, SLUICE_EDENIED},
    {S3_DEL, 0, true, 204, "", S3_DONE, SLUICE_OK},
    {S3_DEL, 0, true, 404, "NoSuchKey", S3_DONE, SLUICE_OK},
    {S3_DEL, 0, true, 409, "OperationAborted", S3_CONFLICT, SLUICE_EIO},
    {S3_LIST, 0, true, 404, "NoSuchBucket", S3_REFUSED, SLUICE_EIO},
    {S3_LIST, 0, true, 400, "AuthorizationHeaderMalformed", S3_REFUSED, SLUICE_EDENIED},
};

static void
judge__every_row__verdict_and_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct s3_answer a = {.kind = r->kind,
                              .is_conditional = r->kind == S3_PUT,
                              .is_sent = r->is_sent,
                              .curl_code = r->curl_code,
                              .http = r->http};
        (void)snprintf(a.error.code, sizeof(a.error.code), "%s", r->code);
        struct s3_judgement j = s3__judge(&a);
        if (j.verdict != r->verdict || j.status != r->status) {
            fail_msg("row %zu (%s http %ld curl %d %s): verdict %d status %d", i,
                     s3__kind_name(r->kind), r->http, r->curl_code, r->code, (int)j.verdict,
                     (int)j.status);
        }
    }
}

/* A put that was sent has an outcome only when the store said one. */
static void
judge__any_http_status_of_a_sent_put__promises_nothing_it_should_not(void **state)
{
    (void)state;
    for (long http = 0; http < 1000; http++) {
        struct s3_answer a = {.kind = S3_PUT, .is_conditional = true, .is_sent = true};
        a.http = http;
        struct s3_judgement j = s3__judge(&a);
        assert_true((j.status == SLUICE_OK) == (http >= 200 && http < 300));
        if (http >= 500 && http != 501 && http != 507) {
            assert_int_equal(j.status, SLUICE_EUNKNOWN);
        }
    }
}

/* Half an object is never stored: that is worth another attempt, but promises nothing. */
static void
judge__connection_breaks_while_a_put_is_sent__again_and_else_unknown(void **state)
{
    (void)state;
    struct s3_answer a = {.kind = S3_PUT, .is_sent = true, .is_cut_short = true};
    a.curl_code = CURLE_SEND_ERROR;
    assert_int_equal(s3__judge(&a).verdict, S3_AGAIN);
    assert_int_equal(s3__judge(&a).status, SLUICE_EUNKNOWN);
    a.curl_code = CURLE_OPERATION_TIMEDOUT;
    assert_int_equal(s3__judge(&a).verdict, S3_UNKNOWN);
    a.is_cut_short = false;
    a.curl_code = CURLE_SEND_ERROR;
    assert_int_equal(s3__judge(&a).verdict, S3_UNKNOWN);
}

static const struct s3_place place = {"logs", "https://s3.example.com", "us-east-1", "AKIDTEST"};

static void
explain__what_an_operator_can_mend__names_it(void **state)
{
    (void)state;
    static const struct {
        long http;
        const char *code, *region, *wants;
        int64_t skew_s;
    } cases[] = {
        {403, "SignatureDoesNotMatch", "", "secret.key", 0},
        {403, "InvalidAccessKeyId", "", "does not know the access key AKIDTEST", 0},
        {403, "RequestTimeTooSkewed", "", "clock is 1200 s behind", 1200},
        {403, "RequestTimeTooSkewed", "", "clock is 1200 s ahead of", -1200},
        {403, "RequestTimeTooSkewed", "", "NTP", 0},
        {403, "AccessDenied", "", "s3:ListBucket", 0},
        {404, "NoSuchBucket", "", "there is no bucket logs", 0},
        {301, "PermanentRedirect", "eu-west-1", "set region = eu-west-1", 0},
        {301, "", "eu-west-1", "set region = eu-west-1", 0},
        {400, "AuthorizationHeaderMalformed", "eu-west-1", "not us-east-1", 0},
        {301, "PermanentRedirect", "", "correct region or endpoint", 0},
        {400, "ExpiredToken", "", "session.token", 0},
        {404, "", "", "is endpoint the address of an S3 store?", 0},
        {403, "", "", "is denied", 0},
        {418, "Teapot", "", "HTTP 418 Teapot", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[S3_WHY_MAX];
        struct s3_answer a = {.kind = S3_LIST, .http = cases[i].http, .skew_s = cases[i].skew_s};
        (void)snprintf(a.error.code, sizeof(a.error.code), "%s", cases[i].code);
        (void)snprintf(a.region, sizeof(a.region), "%s", cases[i].region);
        s3__explain(&a, &place, why);
        if (strstr(why, cases[i].wants) == NULL || strchr(why, '\n') != NULL) {
            fail_msg("%s: %s", cases[i].code, why);
        }
    }
}

static void
explain__no_connection__names_endpoint_and_remedy(void **state)
{
    (void)state;
    char why[S3_WHY_MAX];
    struct s3_answer a = {.kind = S3_LIST, .curl_code = CURLE_PEER_FAILED_VERIFICATION};
    s3__explain(&a, &place, why);
    assert_non_null(strstr(why, "ca.file"));
    a.curl_code = CURLE_COULDNT_CONNECT;
    a.curl_text = "Connection refused";
    s3__explain(&a, &place, why);
    assert_non_null(strstr(why, "https://s3.example.com"));
    assert_non_null(strstr(why, "Connection refused"));
}

static void
backoff__any_random__within_a_ceiling_that_doubles(void **state)
{
    (void)state;
    for (uint32_t attempt = 0; attempt < 40; attempt++) {
        uint32_t most = 0;
        uint64_t random = 88172645463325252u;
        for (int i = 0; i < 2000; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            uint32_t ms = s3__backoff_ms(attempt, false, random);
            most = ms > most ? ms : most;
        }
        uint64_t ceiling =
            attempt < 2 ? S3_BACKOFF_BASE_MS : (uint64_t)S3_BACKOFF_BASE_MS << (attempt - 1);
        ceiling = ceiling > S3_BACKOFF_MAX_MS ? S3_BACKOFF_MAX_MS : ceiling;
        assert_true(most <= ceiling);
        assert_true(most > ceiling / 2); /* full jitter uses the whole of it */
    }
    assert_int_equal(s3__backoff_ms(3, true, 0), 0);
}

static void
budget__failures_only__ends_retries_and_success_restores_them(void **state)
{
    (void)state;
    struct s3_budget b;
    int taken = 0;
    s3__budget_init(&b);
    while (s3__budget_take(&b)) {
        taken++;
    }
    assert_int_equal(taken, S3_BUDGET_FULL / S3_BUDGET_RETRY);
    for (int i = 0; i < S3_BUDGET_RETRY; i++) {
        assert_false(s3__budget_take(&b));
        s3__budget_give(&b);
    }
    assert_true(s3__budget_take(&b));
    for (int i = 0; i < 10 * S3_BUDGET_FULL; i++) {
        s3__budget_give(&b);
    }
    assert_int_equal(b.tokens, S3_BUDGET_FULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judge__every_row__verdict_and_status),
        cmocka_unit_test(judge__any_http_status_of_a_sent_put__promises_nothing_it_should_not),
        cmocka_unit_test(judge__connection_breaks_while_a_put_is_sent__again_and_else_unknown),
        cmocka_unit_test(explain__what_an_operator_can_mend__names_it),
        cmocka_unit_test(explain__no_connection__names_endpoint_and_remedy),
        cmocka_unit_test(backoff__any_random__within_a_ceiling_that_doubles),
        cmocka_unit_test(budget__failures_only__ends_retries_and_success_restores_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
