/* AWS Signature Version 4, as S3 wants it ("Authenticating Requests: Using the Authorization
 * Header", Amazon S3 API Reference): the path is encoded once and never normalised.
 *
 * Threads: pure functions. */
#ifndef SLUICE_STORAGE_S3_SIGV4_H
#define SLUICE_STORAGE_S3_SIGV4_H

#include "storage-s3/text.h"

enum { S3_HASH_HEX = 65, S3_DATE_TEXT = 17, S3_SIGNED_MAX = 24 };

#define S3_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"
#define S3_EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct s3_pair {
    const char *name, *value;
};

struct s3_signer {
    const char *access, *secret, *region, *service;
};

struct s3_signable {
    const char *method;
    const char *path;            /* absolute, not encoded */
    const struct s3_pair *query; /* not encoded, in any order; at most S3_SIGNED_MAX */
    size_t query_count;
    const struct s3_pair *headers; /* names in lower case, in any order; at most S3_SIGNED_MAX */
    size_t header_count;
    const char *payload_hash; /* hex, or S3_UNSIGNED_PAYLOAD */
    const char *date;         /* 20130524T000000Z */
};

struct s3_slice {
    const void *p;
    size_t len;
};

/* Appends s with everything but A-Z a-z 0-9 - . _ ~ (and '/' when keeps_slash) as %XX. */
void s3__uri_encode(struct s3_text *t, const char *s, bool keeps_slash);
/* Appends the canonical query: encoded, sorted, joined. It is also what goes over the wire. */
void s3__canonical_query(struct s3_text *t, const struct s3_pair *query, size_t count);
/* Appends the canonical request. */
void s3__canonical_request(struct s3_text *t, const struct s3_signable *r);
/* Appends "AWS4-HMAC-SHA256\n..." for a canonical request. */
void s3__string_to_sign(struct s3_text *t, const struct s3_signable *r, const struct s3_signer *k,
                        const char *canonical);
/* Appends the value of the Authorization header. */
void s3__authorization(struct s3_text *t, const struct s3_signable *r, const struct s3_signer *k);

/* SHA-256 of the parts one after the other, in lower-case hex. */
void s3__sha256_hex(const struct s3_slice *parts, size_t count, char out[S3_HASH_HEX]);
/* 20130524T000000Z */
void s3__date_text(int64_t unix_s, char out[S3_DATE_TEXT]);
/* base64 of the big-endian checksum, as x-amz-checksum-crc32c wants it; 8 characters and NUL. */
void s3__crc32c_text(uint32_t crc, char out[9]);

#endif
