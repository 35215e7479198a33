/* One HTTP exchange through curl: handing the put's parts out, sorting the answer in.
 *
 * Where the body goes is decided by its first byte: a 2xx answer to a GET into a buffer of the
 * host, sized by Content-Length and never beyond what was asked for; anything else into a bounded
 * text. `sends` is counted by curl's pre-request hook, which runs when a connection stands and
 * nothing was written yet: from then on a put without an answer is unknown. It runs again when a
 * kept connection broke without a byte of an answer, and curl sends the request on a new one. */
#include "storage-s3/s3_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { URL_MAX = 32 * 1024, BUFFER = 256 * 1024, READ_ATTEMPT_MIN_MS = 1000 };

/* ---- the put's bytes ---- */

static size_t
upload(char *out, size_t size, size_t count, void *arg)
{
    struct s3_transfer *t = (struct s3_transfer *)arg;
    const struct s3_put *put = &t->call->put;
    size_t room = size * count;
    size_t done = 0;
    while (done < room && t->part < put->count) {
        const struct s3_slice *s = &put->parts[t->part];
        size_t left = s->len - t->part_at;
        size_t n = left < room - done ? left : room - done;
        if (n > 0) {
            memcpy(out + done, (const uint8_t *)s->p + t->part_at, n);
        }
        done += n;
        t->part_at += n;
        if (t->part_at == s->len) {
            t->part++;
            t->part_at = 0;
        }
    }
    return done;
}

/* curl begins again when a kept connection turns out to be dead. */
static int
upload_seek(void *arg, curl_off_t offset, int origin)
{
    struct s3_transfer *t = (struct s3_transfer *)arg;
    if (origin != SEEK_SET || offset != 0) {
        return CURL_SEEKFUNC_CANTSEEK;
    }
    t->part = t->part_at = 0;
    return CURL_SEEKFUNC_OK;
}

static int
/* NOLINTNEXTLINE(readability-non-const-parameter): curl's signature */
before_request(void *arg, char *ip, char *local_ip, int port, int local_port)
{
    struct s3_transfer *t = (struct s3_transfer *)arg;
    (void)ip;
    (void)local_ip;
    (void)port;
    (void)local_port;
    t->sends++;
    return CURL_PREREQFUNC_OK;
}

/* ---- the answer's headers ---- */

static bool
number(const char *s, uint64_t *ret)
{
    char *end;
    if (*s < '0' || *s > '9') {
        return false;
    }
    *ret = strtoull(s, &end, 10);
    return *end == '\0' || *end == '-' || *end == '/' || *end == ' ';
}

/* bytes 0-9/100; either side of the slash may be a star: not known. */
static void
content_range(struct s3_transfer *t, const char *value)
{
    const char *slash = strchr(value, '/');
    if (strncmp(value, "bytes ", 6) != 0 || slash == NULL) {
        return;
    }
    t->has_range = number(value + 6, &t->range_first);
    t->has_total = number(slash + 1, &t->total);
}

static void
etag(struct s3_transfer *t, const char *value)
{
    size_t n = strlen(value);
    if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
        value++;
        n -= 2;
    }
    if (n < sizeof(t->etag)) { /* a version that does not fit is none */
        memcpy(t->etag, value, n);
        t->etag[n] = '\0';
    }
}

static void
header_take(struct s3_transfer *t, const char *name, const char *value)
{
    if (strcasecmp(name, "content-length") == 0) {
        t->has_length = number(value, &t->length);
    } else if (strcasecmp(name, "content-range") == 0) {
        content_range(t, value);
    } else if (strcasecmp(name, "etag") == 0) {
        etag(t, value);
    } else if (strcasecmp(name, "x-amz-bucket-region") == 0) {
        (void)snprintf(t->region, sizeof(t->region), "%s", value);
    } else if (strcasecmp(name, "date") == 0) {
        int64_t when = (int64_t)curl_getdate(value, NULL);
        t->date_s = when > 0 ? when : 0;
    }
}

static void
answer_forget(struct s3_transfer *t)
{
    t->has_length = t->has_range = t->has_total = false;
    t->length = t->range_first = t->total = 0;
    t->etag[0] = t->region[0] = '\0';
    t->date_s = 0;
}

static size_t
on_header(char *line, size_t size, size_t count, void *arg)
{
    struct s3_transfer *t = (struct s3_transfer *)arg;
    size_t n = size * count;
    char text[512];
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        answer_forget(t); /* the answer after "100 Continue" */
        return n;
    }
    if (n >= sizeof(text)) {
        return n;
    }
    memcpy(text, line, n);
    text[n] = '\0';
    char *colon = strchr(text, ':');
    if (colon == NULL) {
        return n;
    }
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    value[strcspn(value, "\r\n")] = '\0';
    header_take(t, text, value);
    return n;
}

/* ---- the answer's body ---- */

static long
http_status(struct s3_transfer *t)
{
    long status = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static bool
is_object(struct s3_transfer *t)
{
    long status = http_status(t);
    return s3__kind_now(t->call) == S3_GET && status >= 200 && status < 300;
}

/* Does the answer hold what was asked for? NULL, or what is wrong. */
static const char *
body_check(struct s3_transfer *t)
{
    const struct s3_call *call = t->call;
    bool is_ranged = call->offset > 0 || call->length > 0;
    if (!t->has_length) {
        return "the answer does not say how long it is";
    }
    if (t->length > (call->length > 0 ? call->length : S3_GET_MAX)) {
        return is_ranged && http_status(t) == 200 ? "the store ignores Range"
                                                  : "the answer is longer than what was asked for";
    }
    if (http_status(t) == 206 &&
        (!t->has_range || !t->has_total || !is_ranged || t->range_first != call->offset)) {
        return "the answer holds another range than the one asked for";
    }
    if (http_status(t) != 206 && call->offset > 0) {
        return "the store ignores Range";
    }
    return NULL;
}

static bool
body_open(struct s3_transfer *t)
{
    t->complaint = body_check(t);
    if (t->complaint != NULL) {
        return false;
    }
    t->body_cap = (size_t)t->length;
    t->body = t->s3->host->buf_new(t->s3->host, t->body_cap, &t->body_bytes);
    if (t->body == NULL) {
        t->complaint = "no memory for the answer";
    }
    return t->body != NULL;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct s3_transfer *t = (struct s3_transfer *)arg;
    size_t n = size * count;
    if (!is_object(t)) {
        s3__text_add(&t->text, bytes, n); /* too much of it is dropped */
        return n;
    }
    if (t->body == NULL && !body_open(t)) {
        return 0;
    }
    if (n > t->body_cap - t->body_len) {
        t->complaint = "the answer is longer than it said";
        return 0;
    }
    memcpy(t->body_bytes + t->body_len, bytes, n);
    t->body_len += n;
    return n;
}

/* ---- life ---- */

void
s3__transfer_init(sluice_instance *s3, struct s3_transfer *t)
{
    t->s3 = s3;
    s3__text_init(&t->url, URL_MAX);
    s3__text_init(&t->text, S3_PAGE_MAX);
}

void
s3__transfer_fini(struct s3_transfer *t)
{
    if (t->easy != NULL) {
        curl_easy_cleanup(t->easy);
    }
    t->easy = NULL;
    s3__text_fini(&t->url);
    s3__text_fini(&t->text);
}

static void
method_set(struct s3_transfer *t, const struct s3_call *call)
{
    switch (s3__kind_now(call)) {
    case S3_PUT:
        (void)curl_easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
        (void)curl_easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->put.length);
        (void)curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, upload);
        (void)curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
        (void)curl_easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, upload_seek);
        (void)curl_easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
        (void)curl_easy_setopt(t->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER);
        break;
    case S3_HEAD:
        (void)curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
        break;
    case S3_DEL:
        (void)curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, "DELETE");
        break;
    default:
        (void)curl_easy_setopt(t->easy, CURLOPT_BUFFERSIZE, (long)BUFFER);
        break;
    }
}

/* A put gets all the time there is: giving it up early only makes its outcome unknown. A read gets
 * half, so that a dead connection leaves time for another attempt. */
static void
times_set(struct s3_transfer *t, const struct s3_call *call)
{
    uint64_t now = s3__now_ns();
    uint64_t left = now < call->deadline_ns ? (call->deadline_ns - now) / S3_NS_PER_MS : 0;
    uint64_t attempt = call->kind == S3_PUT || left / 2 < READ_ATTEMPT_MIN_MS ? left : left / 2;
    uint64_t connect = left / 3 < READ_ATTEMPT_MIN_MS ? left : left / 3;
    (void)curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)(attempt == 0 ? 1 : attempt));
    (void)curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect == 0 ? 1 : connect));
}

static void
connection_set(struct s3_transfer *t)
{
    const struct s3_config *conf = &t->s3->conf;
    (void)curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(t->easy, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(t->easy, CURLOPT_TCP_NODELAY, 1L);
    (void)curl_easy_setopt(t->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(t->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, conf->verifies_tls ? 1L : 0L);
    (void)curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, conf->verifies_tls ? 2L : 0L);
    if (conf->ca_file != NULL) {
        (void)curl_easy_setopt(t->easy, CURLOPT_CAINFO, conf->ca_file);
    }
}

static void
callbacks_set(struct s3_transfer *t)
{
    (void)curl_easy_setopt(t->easy, CURLOPT_PRIVATE, (char *)t);
    (void)curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error_text);
    (void)curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, before_request);
    (void)curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
    (void)curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    (void)curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
}

void
s3__transfer_begin(struct s3_transfer *t, struct s3_call *call)
{
    t->call = call;
    t->part = t->part_at = 0;
    t->sends = 0;
    t->complaint = NULL;
    t->error_text[0] = '\0';
    t->text.max = call->kind == S3_LIST ? S3_PAGE_MAX : S3_ERROR_MAX;
    answer_forget(t);
    curl_easy_reset(t->easy);
    s3__request_build(t, call);
    connection_set(t);
    callbacks_set(t);
    method_set(t, call);
    times_set(t, call);
    (void)curl_easy_setopt(t->easy, CURLOPT_URL, s3__text_cstr(&t->url));
    (void)curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    (void)curl_multi_add_handle(t->s3->engine.multi, t->easy);
}

/* An answer without a body never came by on_body. */
static CURLcode
object_finish(struct s3_transfer *t, CURLcode code)
{
    if (code == CURLE_OK && is_object(t) && t->body == NULL && !body_open(t)) {
        return CURLE_WRITE_ERROR;
    }
    if (code == CURLE_OK && t->body != NULL && t->body_len != t->body_cap) {
        t->complaint = "the answer is shorter than it said";
        return CURLE_PARTIAL_FILE;
    }
    return code;
}

static bool
is_cut_short(const struct s3_transfer *t)
{
    curl_off_t sent = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    return t->call->kind == S3_PUT && (uint64_t)sent < t->call->put.length;
}

struct s3_answer
s3__transfer_answer(struct s3_transfer *t, CURLcode code)
{
    const struct s3_call *call = t->call;
    struct s3_answer a = {.kind = s3__kind_now(call), .is_sent = t->sends > 0};
    uint32_t conditions = SLUICE_PUT_IF_ABSENT | SLUICE_PUT_IF_VERSION;
    a.is_conditional = call->kind == S3_PUT && (call->put.flags & conditions) != 0;
    a.curl_code = (int)object_finish(t, code);
    a.is_cut_short = a.curl_code != CURLE_OK && t->sends > 0 && is_cut_short(t);
    a.curl_text = t->complaint != NULL ? t->complaint : t->error_text;
    a.http = http_status(t);
    if (a.http >= 300) {
        s3__xml_error(s3__text_cstr(&t->text), t->text.len, &a.error);
    }
    (void)snprintf(a.region, sizeof(a.region), "%s", t->region);
    if (t->date_s != 0) {
        a.skew_s = t->date_s - (int64_t)time(NULL);
    }
    return a;
}

void
s3__transfer_end(struct s3_transfer *t)
{
    (void)curl_multi_remove_handle(t->s3->engine.multi, t->easy);
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    t->call = NULL;
    if (t->body != NULL) {
        t->body->release(t->body);
    }
    t->body = NULL;
    t->body_bytes = NULL;
    t->body_len = t->body_cap = 0;
    if (t->text.cap > S3_ERROR_MAX) {
        s3__text_fini(&t->text);
    }
    s3__text_clear(&t->text);
}
