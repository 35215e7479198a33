#include "storage-s3/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HASH_LEN = 32, SIGN_TEXT_MAX = 64 * 1024, DAY_TEXT = 8 };

#define ALGORITHM "AWS4-HMAC-SHA256"

/* ---- hashes ---- */

static void
crypto_must(int ok)
{
    if (ok != 1) { /* SHA-256 and HMAC cannot fail but for memory */
        (void)fputs("storage-s3: OpenSSL cannot compute SHA-256\n", stderr);
        abort();
    }
}

static void
hex(const uint8_t *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}

void
s3__sha256_hex(const struct s3_slice *parts, size_t count, char out[S3_HASH_HEX])
{
    uint8_t hash[HASH_LEN];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    crypto_must(ctx != NULL);
    crypto_must(EVP_DigestInit_ex(ctx, EVP_sha256(), NULL));
    for (size_t i = 0; i < count; i++) {
        crypto_must(EVP_DigestUpdate(ctx, parts[i].p, parts[i].len));
    }
    crypto_must(EVP_DigestFinal_ex(ctx, hash, NULL));
    EVP_MD_CTX_free(ctx);
    hex(hash, HASH_LEN, out);
}

static void
hmac(const void *key, size_t key_len, const char *text, uint8_t out[HASH_LEN])
{
    const uint8_t *given =
        HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text, strlen(text), out, NULL);
    crypto_must(given != NULL);
}

/* ---- encoding ---- */

static bool
is_unreserved(uint8_t c)
{
    bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return is_alnum || c == '-' || c == '.' || c == '_' || c == '~';
}

void
s3__uri_encode(struct s3_text *t, const char *s, bool keeps_slash)
{
    for (const uint8_t *c = (const uint8_t *)s; *c != '\0'; c++) {
        if (is_unreserved(*c) || (*c == '/' && keeps_slash)) {
            s3__text_char(t, (char)*c);
        } else {
            s3__text_fmt(t, "%%%02X", *c);
        }
    }
}

void
s3__date_text(int64_t unix_s, char out[S3_DATE_TEXT])
{
    time_t when = (time_t)unix_s;
    struct tm tm = {0};
    (void)gmtime_r(&when, &tm);
    if (strftime(out, S3_DATE_TEXT, "%Y%m%dT%H%M%SZ", &tm) == 0) {
        (void)snprintf(out, S3_DATE_TEXT, "19700101T000000Z"); /* beyond the year 9999 */
    }
}

void
s3__crc32c_text(uint32_t crc, char out[9])
{
    const uint8_t be[4] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
                           (uint8_t)crc};
    (void)EVP_EncodeBlock((uint8_t *)out, be, sizeof(be));
}

/* ---- canonical request ---- */

struct encoded {
    struct s3_text name, value;
};

static int
encoded_order(const void *a, const void *b)
{
    const struct encoded *x = (const struct encoded *)a;
    const struct encoded *y = (const struct encoded *)b;
    int order = strcmp(s3__text_cstr(&x->name), s3__text_cstr(&y->name));
    return order != 0 ? order : strcmp(s3__text_cstr(&x->value), s3__text_cstr(&y->value));
}

void
s3__canonical_query(struct s3_text *t, const struct s3_pair *query, size_t count)
{
    struct encoded e[S3_SIGNED_MAX];
    count = count > S3_SIGNED_MAX ? S3_SIGNED_MAX : count;
    for (size_t i = 0; i < count; i++) {
        s3__text_init(&e[i].name, SIGN_TEXT_MAX);
        s3__text_init(&e[i].value, SIGN_TEXT_MAX);
        s3__uri_encode(&e[i].name, query[i].name, false);
        s3__uri_encode(&e[i].value, query[i].value, false);
    }
    qsort(e, count, sizeof(e[0]), encoded_order);
    for (size_t i = 0; i < count; i++) {
        s3__text_str(t, i == 0 ? "" : "&");
        s3__text_str(t, s3__text_cstr(&e[i].name));
        s3__text_char(t, '=');
        s3__text_str(t, s3__text_cstr(&e[i].value));
        s3__text_fini(&e[i].name);
        s3__text_fini(&e[i].value);
    }
}

/* By name; headers of one name keep their order, which is that of their places in the array. */
static int
header_order(const void *a, const void *b)
{
    const struct s3_pair *x = *(const struct s3_pair *const *)a;
    const struct s3_pair *y = *(const struct s3_pair *const *)b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : (x > y) - (x < y);
}

static size_t
headers_sort(const struct s3_signable *r, const struct s3_pair *sorted[S3_SIGNED_MAX])
{
    size_t count = r->header_count > S3_SIGNED_MAX ? S3_SIGNED_MAX : r->header_count;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &r->headers[i];
    }
    qsort((void *)sorted, count, sizeof(sorted[0]), header_order);
    return count;
}

/* Without spaces at the ends, and runs of them as one. */
static void
value_add(struct s3_text *t, const char *value)
{
    bool is_gap = false;
    bool is_begun = false;
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == ' ' || *c == '\t') {
            is_gap = is_begun;
            continue;
        }
        if (is_gap) {
            s3__text_char(t, ' ');
        }
        s3__text_char(t, *c);
        is_gap = false;
        is_begun = true;
    }
}

static bool
is_same_name(const struct s3_pair *const *sorted, size_t i)
{
    return i > 0 && strcmp(sorted[i]->name, sorted[i - 1]->name) == 0;
}

static void
headers_add(struct s3_text *t, const struct s3_signable *r)
{
    const struct s3_pair *sorted[S3_SIGNED_MAX];
    size_t count = headers_sort(r, sorted);
    for (size_t i = 0; i < count; i++) {
        if (is_same_name(sorted, i)) {
            s3__text_char(t, ',');
        } else {
            s3__text_str(t, i == 0 ? "" : "\n");
            s3__text_str(t, sorted[i]->name);
            s3__text_char(t, ':');
        }
        value_add(t, sorted[i]->value);
    }
    s3__text_char(t, '\n');
}

static void
names_add(struct s3_text *t, const struct s3_signable *r)
{
    const struct s3_pair *sorted[S3_SIGNED_MAX];
    size_t count = headers_sort(r, sorted);
    for (size_t i = 0; i < count; i++) {
        if (!is_same_name(sorted, i)) {
            s3__text_str(t, i == 0 ? "" : ";");
            s3__text_str(t, sorted[i]->name);
        }
    }
}

void
s3__canonical_request(struct s3_text *t, const struct s3_signable *r)
{
    s3__text_str(t, r->method);
    s3__text_char(t, '\n');
    s3__uri_encode(t, r->path, true);
    s3__text_char(t, '\n');
    s3__canonical_query(t, r->query, r->query_count);
    s3__text_char(t, '\n');
    headers_add(t, r);
    s3__text_char(t, '\n');
    names_add(t, r);
    s3__text_char(t, '\n');
    s3__text_str(t, r->payload_hash);
}

/* ---- signature ---- */

static void
scope_add(struct s3_text *t, const struct s3_signable *r, const struct s3_signer *k)
{
    s3__text_add(t, r->date, DAY_TEXT);
    s3__text_fmt(t, "/%s/%s/aws4_request", k->region, k->service);
}

void
s3__string_to_sign(struct s3_text *t, const struct s3_signable *r, const struct s3_signer *k,
                   const char *canonical)
{
    char hash[S3_HASH_HEX];
    const struct s3_slice all = {canonical, strlen(canonical)};
    s3__sha256_hex(&all, 1, hash);
    s3__text_fmt(t, ALGORITHM "\n%s\n", r->date);
    scope_add(t, r, k);
    s3__text_fmt(t, "\n%s", hash);
}

static void
signature(const struct s3_signable *r, const struct s3_signer *k, const char *to_sign,
          char out[S3_HASH_HEX])
{
    uint8_t key[HASH_LEN];
    char day[DAY_TEXT + 1];
    struct s3_text seed;
    s3__text_init(&seed, 1024);
    s3__text_str(&seed, "AWS4");
    s3__text_str(&seed, k->secret);
    (void)snprintf(day, sizeof(day), "%.*s", DAY_TEXT, r->date);
    hmac(s3__text_cstr(&seed), seed.len, day, key);
    hmac(key, HASH_LEN, k->region, key);
    hmac(key, HASH_LEN, k->service, key);
    hmac(key, HASH_LEN, "aws4_request", key);
    hmac(key, HASH_LEN, to_sign, key);
    hex(key, HASH_LEN, out);
    s3__text_fini(&seed);
}

void
s3__authorization(struct s3_text *t, const struct s3_signable *r, const struct s3_signer *k)
{
    char sig[S3_HASH_HEX];
    struct s3_text canonical;
    struct s3_text to_sign;
    s3__text_init(&canonical, SIGN_TEXT_MAX);
    s3__text_init(&to_sign, SIGN_TEXT_MAX);
    s3__canonical_request(&canonical, r);
    s3__string_to_sign(&to_sign, r, k, s3__text_cstr(&canonical));
    signature(r, k, s3__text_cstr(&to_sign), sig);
    s3__text_str(t, ALGORITHM " Credential=");
    s3__text_str(t, k->access);
    s3__text_char(t, '/');
    scope_add(t, r, k);
    s3__text_str(t, ", SignedHeaders=");
    names_add(t, r);
    s3__text_fmt(t, ", Signature=%s", sig);
    s3__text_fini(&canonical);
    s3__text_fini(&to_sign);
}
