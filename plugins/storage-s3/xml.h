/* The little XML that S3 speaks: a strict scanner, the page of a ListObjectsV2, an error document.
 *
 * Strict: no document type, no CDATA, no entity but the five and character references, balanced
 * names, bounded depth. The bytes come from the network: whatever they are, nothing outside them is
 * read and every answer is bounded.
 *
 * Threads: pure functions. */
#ifndef SLUICE_STORAGE_S3_XML_H
#define SLUICE_STORAGE_S3_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { S3_XML_DEPTH = 16, S3_XML_VALUE = 2100, S3_KEY_MAX = 512 };

struct s3_listed {
    const char *key; /* not NUL-terminated: may hold any byte */
    size_t key_len;
    uint64_t size;
    int64_t modified_ms; /* 0: not said, or not understood */
};

struct s3_page {
    bool is_truncated;
    size_t count;
    char token[S3_XML_VALUE]; /* NextContinuationToken, "" when absent */
};

/* Borrows the item for the call. False ends the walk. */
typedef bool (*s3_listed_fn)(void *arg, const struct s3_listed *item);

/* Walks a ListBucketResult; add may be NULL (a check without effect). False when the document is
 * not one, or broken, or add said false; *ret then holds nothing of use. */
bool s3__xml_page(const char *doc, size_t len, struct s3_page *ret, s3_listed_fn add, void *arg);

struct s3_error_doc {
    char code[64], message[128], region[40];
    bool has_size;
    uint64_t actual_size; /* ActualObjectSize of InvalidRange */
};

/* Fills *ret with what an <Error> document says. All "" when it is none. */
void s3__xml_error(const char *doc, size_t len, struct s3_error_doc *ret);

/* 2009-10-12T17:50:30.000Z as milliseconds since 1970; 0 when it is no such time. */
int64_t s3__time_ms(const char *s);

#endif
