#include "storage-s3/outcome.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

static struct s3_judgement
judged(enum s3_verdict verdict, sluice_status status)
{
    return (struct s3_judgement){verdict, status};
}

static bool
code_is(const struct s3_answer *a, const char *code)
{
    return strcmp(a->error.code, code) == 0;
}

static bool
code_among(const struct s3_answer *a, const char *const *codes)
{
    for (; *codes != NULL; codes++) {
        if (code_is(a, *codes)) {
            return true;
        }
    }
    return false;
}

/* ---- without an HTTP answer ---- */

static bool
is_setup_mistake(int curl_code)
{
    return curl_code == CURLE_PEER_FAILED_VERIFICATION || curl_code == CURLE_SSL_CACERT_BADFILE ||
           curl_code == CURLE_SSL_ISSUER_ERROR || curl_code == CURLE_UNSUPPORTED_PROTOCOL ||
           curl_code == CURLE_URL_MALFORMAT;
}

static struct s3_judgement
judge_silence(const struct s3_answer *a)
{
    if (!a->is_sent && is_setup_mistake(a->curl_code)) { /* else it is about the answer */
        return judged(S3_REFUSED, SLUICE_EIO);
    }
    /* A store that refuses at sight of the headers (412, mostly) may hang up while we still send,
     * and its answer is lost with the connection. Half an object is never stored, so that another
     * attempt is worth more than "unknown"; still, it is what the put ends as if none gets an
     * answer. */
    if (a->kind == S3_PUT && a->is_sent && a->is_cut_short &&
        a->curl_code != CURLE_OPERATION_TIMEDOUT) {
        return judged(S3_AGAIN, SLUICE_EUNKNOWN);
    }
    if (a->kind == S3_PUT && a->is_sent) {
        return judged(S3_UNKNOWN, SLUICE_EUNKNOWN);
    }
    return judged(S3_AGAIN, a->is_sent ? SLUICE_EIO : SLUICE_ETIMEOUT);
}

/* ---- HTTP answers, by the hundred ---- */

static struct s3_judgement
judge_400(const struct s3_answer *a)
{
    static const char *const transit[] = {
        "RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch",
        "IncompleteBody", NULL};
    static const char *const stale[] = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired",
                                        NULL};
    static const char *const denied[] = {"AuthorizationHeaderMalformed", "InvalidAccessKeyId",
                                         NULL};
    if (code_among(a, transit)) {
        return judged(S3_AGAIN, SLUICE_EIO);
    }
    if (code_among(a, stale)) {
        return judged(S3_STALE_CREDS, SLUICE_EDENIED);
    }
    if (code_among(a, denied)) {
        return judged(S3_REFUSED, SLUICE_EDENIED);
    }
    return judged(S3_REFUSED, code_is(a, "EntityTooLarge") ? SLUICE_EINVAL : SLUICE_EIO);
}

static struct s3_judgement
judge_403(const struct s3_answer *a)
{
    bool is_stale = code_is(a, "ExpiredToken") || code_is(a, "InvalidAccessKeyId");
    if (code_is(a, "QuotaExceeded")) {
        return judged(S3_REFUSED, SLUICE_ENOSPC);
    }
    return judged(is_stale ? S3_STALE_CREDS : S3_REFUSED, SLUICE_EDENIED);
}

/* A 404 that no S3 wrote (a proxy's, a wrong endpoint's) must not pass for "no such object": absent
 * is not lost. HEAD has no body to tell by. */
static struct s3_judgement
judge_404(const struct s3_answer *a)
{
    if (a->kind == S3_HEAD) {
        return judged(S3_ABSENT, SLUICE_ENOENT);
    }
    if (code_is(a, "NoSuchKey")) {
        return a->kind == S3_DEL   ? judged(S3_DONE, SLUICE_OK)
               : a->kind == S3_PUT ? judged(S3_EXISTS, SLUICE_EEXIST) /* If-Match, and it is gone */
                                   : judged(S3_ABSENT, SLUICE_ENOENT);
    }
    return judged(S3_REFUSED, SLUICE_EIO);
}

static struct s3_judgement
judge_4xx(const struct s3_answer *a)
{
    switch (a->http) {
    case 400:
        return judge_400(a);
    case 401:
        return judged(S3_REFUSED, SLUICE_EDENIED);
    case 403:
        return judge_403(a);
    case 404:
        return judge_404(a);
    case 408:
        return a->kind == S3_PUT ? judged(S3_UNKNOWN, SLUICE_EUNKNOWN)
                                 : judged(S3_AGAIN, SLUICE_EIO);
    case 409:
        return judged(S3_CONFLICT, a->kind == S3_PUT ? SLUICE_EUNKNOWN : SLUICE_EIO);
    case 412:
        return a->kind == S3_PUT && a->is_conditional ? judged(S3_EXISTS, SLUICE_EEXIST)
                                                      : judged(S3_REFUSED, SLUICE_EIO);
    case 416:
        return a->kind == S3_GET ? judged(S3_NO_RANGE, SLUICE_OK) : judged(S3_REFUSED, SLUICE_EIO);
    case 429:
        return judged(S3_THROTTLED, a->kind == S3_PUT ? SLUICE_EUNKNOWN : SLUICE_EAGAIN);
    default:
        return judged(S3_REFUSED, SLUICE_EIO);
    }
}

static struct s3_judgement
judge_5xx(const struct s3_answer *a)
{
    bool is_put = a->kind == S3_PUT;
    if (a->http == 501) {
        return judged(S3_REFUSED, SLUICE_ENOTSUP);
    }
    if (a->http == 507) {
        return judged(S3_REFUSED, SLUICE_ENOSPC);
    }
    if (a->http == 503 || code_is(a, "SlowDown")) {
        return judged(S3_THROTTLED, is_put ? SLUICE_EUNKNOWN : SLUICE_EAGAIN);
    }
    return is_put ? judged(S3_UNKNOWN, SLUICE_EUNKNOWN) : judged(S3_AGAIN, SLUICE_EIO);
}

struct s3_judgement
s3__judge(const struct s3_answer *a)
{
    if (a->curl_code != CURLE_OK) {
        return judge_silence(a);
    }
    if (a->http >= 200 && a->http < 300) {
        return judged(S3_DONE, SLUICE_OK);
    }
    if (a->http >= 300 && a->http < 400) {
        return judged(S3_REFUSED, SLUICE_EIO);
    }
    if (a->http >= 400 && a->http < 500) {
        return judge_4xx(a);
    }
    if (a->http >= 500 && a->http < 600) {
        return judge_5xx(a);
    }
    return a->kind == S3_PUT ? judged(S3_UNKNOWN, SLUICE_EUNKNOWN) : judged(S3_REFUSED, SLUICE_EIO);
}

/* ---- sentences ---- */

const char *
s3__kind_name(enum s3_kind kind)
{
    static const char *const names[S3_KINDS] = {"PUT", "GET", "HEAD", "DELETE", "LIST"};
    return names[kind];
}

static void
explain_silence(const struct s3_answer *a, const struct s3_place *p, char out[S3_WHY_MAX])
{
    const char *what = a->curl_text != NULL && a->curl_text[0] != '\0'
                           ? a->curl_text
                           : curl_easy_strerror((CURLcode)a->curl_code);
    const char *remedy = "check the endpoint and the network";
    if (a->curl_code == CURLE_PEER_FAILED_VERIFICATION ||
        a->curl_code == CURLE_SSL_CACERT_BADFILE) {
        remedy = "set ca.file to the authority that signed the store's certificate";
    } else if (a->curl_code == CURLE_SSL_CONNECT_ERROR) {
        remedy = "does it speak TLS there? use http:// if not";
    } else if (a->curl_code == CURLE_GOT_NOTHING) {
        remedy = "check the endpoint (https:// if it speaks TLS) and the network";
    } else if (a->curl_code == CURLE_COULDNT_RESOLVE_HOST) {
        remedy = "check the name in endpoint (or use addressing = path)";
    }
    s3__why(out, "%.60s: %s: %.70s; %s", p->endpoint, s3__kind_name(a->kind), what, remedy);
}

/* The errors that have a remedy of their own: the code, and what to say. */
struct advice {
    const char *code;
    void (*say)(const struct s3_answer *a, const struct s3_place *p, char out[S3_WHY_MAX]);
};

static void
say_bucket(const struct s3_answer *a, const struct s3_place *p, char out[S3_WHY_MAX])
{
    (void)a;
    s3__why(out, "%.60s: there is no bucket %.63s; create it, or correct bucket (and region)",
            p->endpoint, p->bucket);
}

static void
say_key_id(const struct s3_answer *a, const struct s3_place *p, char out[S3_WHY_MAX])
{
    (void)a;
    s3__why(out, "%.60s does not know the access key %.32s; correct access.key and secret.key",
            p->endpoint, p->access);
}

static void
say_signature(const struct s3_answer *a, const struct s3_place *p, char out[S3_WHY_MAX])
{
    (void)a;
    s3__why(out,
            "%.60s: wrong signature: secret.key does not belong to access key %.32s, or "
            "a proxy changes requests on their way",
            p->endpoint, p->access);
}

static void
say_skew(const struct s3_answer *a, const struct s3_place *p, char out[S3_WHY_MAX])
{
    if (a->skew_s == 0) {
        s3__why(out, "%.60s: this machine's clock is too far from the store's; set it (NTP)",
                p->endpoint);
        return;
    }
    int64_t off = a->skew_s < 0 ? -a->skew_s : a->skew_s;
    s3__why(out, "%.60s: this machine's clock is %lld s %s the store's; set it (NTP)", p->endpoint,
            (long long)off, a->skew_s > 0 ? "behind" : "ahead of");
}

static void
say_token(const struct s3_answer *a, const struct s3_place *p, char out[S3_WHY_MAX])
{
    s3__why(out,
            "%.60s: %.40s: the temporary credentials are not valid (any more); renew "
            "session.token with its keys",
            p->endpoint, a->error.code);
}

static void
say_denied(const struct s3_answer *a, const struct s3_place *p, char out[S3_WHY_MAX])
{
    static const char *const rights[S3_KINDS] = {"s3:PutObject", "s3:GetObject", "s3:GetObject",
                                                 "s3:DeleteObject", "s3:ListBucket"};
    s3__why(out, "%.50s: bucket %.63s: %s is denied to access key %.32s; grant it %s", p->endpoint,
            p->bucket, s3__kind_name(a->kind), p->access, rights[a->kind]);
}

static void
say_region(const struct s3_answer *a, const struct s3_place *p, char out[S3_WHY_MAX])
{
    const char *there = a->error.region[0] != '\0' ? a->error.region : a->region;
    if (there[0] == '\0' || strcmp(there, p->region) == 0) {
        s3__why(out,
                "%.60s does not serve bucket %.63s in region %.32s; correct region or "
                "endpoint",
                p->endpoint, p->bucket, p->region);
        return;
    }
    s3__why(out, "%.60s: the bucket's region is %.32s, not %.32s; set region = %.32s", p->endpoint,
            there, p->region, there);
}

static const struct advice advices[] = {{"NoSuchBucket", say_bucket},
                                        {"InvalidBucketName", say_bucket},
                                        {"InvalidAccessKeyId", say_key_id},
                                        {"XAdminUserNotFound", say_key_id}, /* versitygw */
                                        {"SignatureDoesNotMatch", say_signature},
                                        {"RequestTimeTooSkewed", say_skew},
                                        {"ExpiredToken", say_token},
                                        {"InvalidToken", say_token},
                                        {"TokenRefreshRequired", say_token},
                                        {"AccessDenied", say_denied},
                                        {"AllAccessDisabled", say_denied},
                                        {"PermanentRedirect", say_region},
                                        {"TemporaryRedirect", say_region},
                                        {"AuthorizationHeaderMalformed", say_region},
                                        {"IllegalLocationConstraintException", say_region}};

static bool
explain_code(const struct s3_answer *a, const struct s3_place *p, char out[S3_WHY_MAX])
{
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
        if (code_is(a, advices[i].code)) {
            advices[i].say(a, p, out);
            return true;
        }
    }
    return false;
}

/* A HEAD, and some proxies, answer with a number only. */
static bool
explain_number(const struct s3_answer *a, const struct s3_place *p, char out[S3_WHY_MAX])
{
    if (a->error.code[0] != '\0') {
        return false;
    }
    if (a->http == 301 || a->http == 307 || a->http == 308) {
        say_region(a, p, out);
        return true;
    }
    if (a->http == 401 || a->http == 403) {
        say_denied(a, p, out);
        return true;
    }
    if (a->http == 404 || a->http == 405) {
        s3__why(out,
                "%.80s: %s: HTTP %ld without an error of S3; is endpoint the address of an "
                "S3 store?",
                p->endpoint, s3__kind_name(a->kind), a->http);
        return true;
    }
    return false;
}

void
s3__explain(const struct s3_answer *a, const struct s3_place *p, char out[S3_WHY_MAX])
{
    if (a->curl_code != CURLE_OK) {
        explain_silence(a, p, out);
        return;
    }
    if (explain_code(a, p, out) || explain_number(a, p, out)) {
        return;
    }
    s3__why(out, "%.50s: %s: HTTP %ld %.40s%s%.60s", p->endpoint, s3__kind_name(a->kind), a->http,
            a->error.code, a->error.message[0] != '\0' ? ": " : "", a->error.message);
}
