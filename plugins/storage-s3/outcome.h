/* What an answer of the store, or the lack of one, means for the call.
 *
 * The one place where HTTP turns into outcomes. A put has three (sluice/storage.h); the rule for it
 * is that once a byte of the request may have left, only a definite answer is an answer: anything
 * else is unknown.
 *
 * Threads: pure functions. */
#ifndef SLUICE_STORAGE_S3_OUTCOME_H
#define SLUICE_STORAGE_S3_OUTCOME_H

#include "storage-s3/text.h"
#include "storage-s3/xml.h"

#include <sluice/plugin.h>

enum s3_kind { S3_PUT, S3_GET, S3_HEAD, S3_DEL, S3_LIST, S3_KINDS };

enum s3_verdict {
    S3_DONE,        /* 2xx */
    S3_EXISTS,      /* 412: the condition of the put did not hold */
    S3_ABSENT,      /* no such object */
    S3_NO_RANGE,    /* 416: the range begins at or beyond the end */
    S3_AGAIN,       /* passing trouble; nothing was stored by this attempt */
    S3_THROTTLED,   /* 503, 429, SlowDown: the same, but wait longer */
    S3_CONFLICT,    /* 409: another create of this key is in progress */
    S3_UNKNOWN,     /* a put that was sent and not answered */
    S3_REFUSED,     /* no use to try again */
    S3_STALE_CREDS, /* refused, but other credentials may do */
    S3_VERDICTS
};

/* One attempt, as it ended. */
struct s3_answer {
    enum s3_kind kind;
    bool is_conditional;   /* the put carried If-None-Match or If-Match */
    bool is_sent;          /* the request, or a part of it, may have left */
    bool is_cut_short;     /* put: not all of its bytes left */
    int curl_code;         /* CURLE_OK when there is an HTTP answer */
    const char *curl_text; /* what curl says about it */
    long http;
    struct s3_error_doc error;
    char region[40]; /* x-amz-bucket-region, "" when not said */
    int64_t skew_s;  /* the store's clock minus ours, 0 when not known */
};

struct s3_judgement {
    enum s3_verdict verdict;
    sluice_status status; /* for REFUSED; for the rest what to say when no time is left */
};

struct s3_judgement s3__judge(const struct s3_answer *a);

/* What messages name. No secret among it. */
struct s3_place {
    const char *bucket, *endpoint, *region, *access;
};
/* One sentence: what is wrong, and what to do. */
void s3__explain(const struct s3_answer *a, const struct s3_place *place, char out[S3_WHY_MAX]);

const char *s3__kind_name(enum s3_kind kind);

#endif
