/* From a call to a signed HTTP request.
 *
 * Every header that changes what the store does is signed, If-None-Match above all: a proxy that
 * drops it later, long after the start-up probe, breaks the signature instead of letting two
 * writers win. */
#include "storage-s3/s3_int.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { URL_MAX = 32 * 1024, LINE_MAX_BYTES = 16 * 1024, NUMBER_TEXT = 48 };

struct request {
    struct s3_signable signable;
    struct s3_text path;
    struct s3_pair headers[S3_SIGNED_MAX], query[S3_SIGNED_MAX];
    char date[S3_DATE_TEXT], range[NUMBER_TEXT], crc[9], max_keys[NUMBER_TEXT];
};

/* What is sent next for the call: a GET may have to ask for a size. */
enum s3_kind
s3__kind_now(const struct s3_call *call)
{
    return call->is_sizing ? S3_HEAD : call->kind;
}

static void
header(struct request *r, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0' && r->signable.header_count < S3_SIGNED_MAX) {
        r->headers[r->signable.header_count++] = (struct s3_pair){name, value};
    }
}

static void
query(struct request *r, const char *name, const char *value)
{
    if (r->signable.query_count < S3_SIGNED_MAX) {
        r->query[r->signable.query_count++] = (struct s3_pair){name, value};
    }
}

static void
path_build(struct request *r, const struct s3_config *conf, const struct s3_call *call)
{
    s3__text_init(&r->path, URL_MAX);
    s3__text_char(&r->path, '/');
    if (!conf->is_virtual) {
        s3__text_str(&r->path, conf->bucket);
        s3__text_str(&r->path, call->kind == S3_LIST ? "" : "/");
    }
    s3__text_str(&r->path, call->kind == S3_LIST ? "" : call->key);
    r->signable.path = s3__text_cstr(&r->path);
}

static void
put_headers(struct request *r, const struct s3_config *conf, const struct s3_call *call)
{
    const struct s3_put *put = &call->put;
    if ((put->flags & SLUICE_PUT_IF_ABSENT) != 0) {
        header(r, "if-none-match", "*");
    }
    if ((put->flags & SLUICE_PUT_IF_VERSION) != 0) {
        header(r, "if-match", put->version);
    }
    if ((put->flags & SLUICE_PUT_CRC32C) != 0) {
        s3__crc32c_text(put->crc32c, r->crc);
        header(r, "x-amz-checksum-crc32c", r->crc);
    }
    header(r, "x-amz-server-side-encryption", conf->sse);
    header(r, "x-amz-server-side-encryption-aws-kms-key-id", conf->sse_key);
}

static void
range_header(struct request *r, const struct s3_call *call)
{
    if (call->offset == 0 && call->length == 0) {
        return;
    }
    if (call->length == 0 || call->length - 1 > INT64_MAX - call->offset) {
        (void)snprintf(r->range, sizeof(r->range), "bytes=%llu-", (unsigned long long)call->offset);
    } else {
        (void)snprintf(r->range, sizeof(r->range), "bytes=%llu-%llu",
                       (unsigned long long)call->offset,
                       (unsigned long long)(call->offset + call->length - 1));
    }
    header(r, "range", r->range);
}

static void
list_query(struct request *r, const struct s3_call *call)
{
    const struct s3_list *l = call->list;
    uint32_t left = l->max - l->given;
    (void)snprintf(r->max_keys, sizeof(r->max_keys), "%u",
                   left < S3_PAGE_KEYS ? left : (uint32_t)S3_PAGE_KEYS);
    query(r, "list-type", "2");
    query(r, "max-keys", r->max_keys);
    if (call->key[0] != '\0') {
        query(r, "prefix", call->key);
    }
    if (l->token[0] != '\0') {
        query(r, "continuation-token", l->token);
    } else if (l->after[0] != '\0') {
        query(r, "start-after", l->after);
    }
}

/* Hashing waits for the first attempt: it belongs on this thread, not on the caller's loop. */
static const char *
payload_hash(const struct s3_config *conf, struct s3_call *call)
{
    if (!conf->signs_payload && call->kind == S3_PUT) {
        return S3_UNSIGNED_PAYLOAD;
    }
    if (call->kind != S3_PUT) {
        return S3_EMPTY_HASH;
    }
    if (call->put.hash[0] == '\0') {
        s3__sha256_hex(call->put.parts, call->put.count, call->put.hash);
    }
    return call->put.hash;
}

static void
request_fill(struct request *r, const struct s3_config *conf, struct s3_call *call)
{
    static const char *const methods[S3_KINDS] = {"PUT", "GET", "HEAD", "DELETE", "GET"};
    enum s3_kind kind = s3__kind_now(call);
    r->signable = (struct s3_signable){.method = methods[kind],
                                       .query = r->query,
                                       .headers = r->headers,
                                       .payload_hash = payload_hash(conf, call),
                                       .date = r->date};
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    s3__date_text(now.tv_sec, r->date);
    path_build(r, conf, call);
    header(r, "host", conf->host);
    header(r, "x-amz-content-sha256", r->signable.payload_hash);
    header(r, "x-amz-date", r->date);
    header(r, "x-amz-security-token", conf->creds.token);
    if (kind == S3_PUT) {
        put_headers(r, conf, call);
    } else if (kind == S3_GET) {
        range_header(r, call);
    } else if (kind == S3_LIST) {
        list_query(r, call);
    }
}

static void
line_append(struct s3_transfer *t, const char *name, const char *value)
{
    struct s3_text line;
    s3__text_init(&line, LINE_MAX_BYTES);
    s3__text_str(&line, name);
    s3__text_str(&line, ": ");
    s3__text_str(&line, value);
    struct curl_slist *longer = curl_slist_append(t->headers, s3__text_cstr(&line));
    t->headers = longer != NULL ? longer : t->headers;
    s3__text_fini(&line);
}

static void
headers_build(struct s3_transfer *t, const struct request *r, const struct s3_config *conf)
{
    const struct s3_signer signer = {conf->creds.access, conf->creds.secret, conf->region, "s3"};
    struct s3_text authorization;
    s3__text_init(&authorization, LINE_MAX_BYTES);
    s3__authorization(&authorization, &r->signable, &signer);
    for (size_t i = 0; i < r->signable.header_count; i++) {
        line_append(t, r->headers[i].name, r->headers[i].value);
    }
    line_append(t, "authorization", s3__text_cstr(&authorization));
    s3__text_fini(&authorization);
    /* Waiting for "100 Continue" costs a round trip, which is why curl's own idea of when to do it
     * is not wanted. */
    t->headers =
        curl_slist_append(t->headers, t->call->put.asks_first ? "Expect: 100-continue" : "Expect:");
    t->headers = curl_slist_append(t->headers, "Content-Type:");
}

void
s3__request_build(struct s3_transfer *t, struct s3_call *call)
{
    const struct s3_config *conf = &t->s3->conf;
    struct request r = {.signable = {0}};
    request_fill(&r, conf, call);
    s3__text_clear(&t->url);
    s3__text_str(&t->url, conf->origin);
    s3__uri_encode(&t->url, r.signable.path, true);
    if (r.signable.query_count > 0) {
        s3__text_char(&t->url, '?');
        s3__canonical_query(&t->url, r.query, r.signable.query_count);
    }
    headers_build(t, &r, conf);
    s3__text_fini(&r.path);
}
