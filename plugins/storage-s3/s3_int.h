/* Private to the S3 store: one instance, its calls, its event thread.
 *
 * Threads: data calls come on any loop, any number at once. They make a struct s3_call, put it into
 * the engine's inbox under its lock and wake the event thread; everything else, curl included,
 * happens on that one thread. So the only shared fields are those of `shared`. */
#ifndef SLUICE_STORAGE_S3_S3_INT_H
#define SLUICE_STORAGE_S3_S3_INT_H

#include "storage-s3/config.h"
#include "storage-s3/outcome.h"
#include "storage-s3/retry.h"

#include <curl/curl.h>
#include <pthread.h>
#include <sluice/counters.h>
#include <sluice/storage.h>

enum {
    S3_HELD_MAX = 1024,     /* calls accepted and not answered; more get SLUICE_EAGAIN */
    S3_ATTEMPTS_MAX = 12,   /* of one call; the deadline usually ends it earlier */
    S3_PAGE_KEYS = 1000,    /* what S3 gives at most per LIST */
    S3_PAGE_MAX = 8 << 20,  /* bytes of a LIST's answer */
    S3_ERROR_MAX = 64 << 10 /* bytes kept of any other answer that is text */
};
#define S3_GET_MAX (UINT64_C(1) << 30) /* bytes of a GET to the end of an object */
#define S3_NS_PER_MS UINT64_C(1000000)

struct s3_put {
    uint32_t flags, crc32c;
    char version[64];
    struct s3_slice *parts; /* our copy of the array; the bytes are borrowed until completion */
    size_t count;
    uint64_t length;
    char hash[S3_HASH_HEX]; /* of the payload, once computed */
    bool asks_first;        /* Expect: 100-continue; the store hung up while we sent */
};

struct s3_list {
    sluice_list_sink *sink;
    uint32_t max, given;
    char after[S3_XML_VALUE]; /* the last key seen, or where the caller wants to begin */
    char token[S3_XML_VALUE];
};

/* Somebody who sleeps until a call of our own is over: the check at start. */
struct s3_waiter {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool is_ended;
    sluice_status status;
    char why[S3_WHY_MAX];
};

/* One data call. Made by the caller's thread, then only the event thread's. */
struct s3_call {
    struct s3_call *next;
    enum s3_kind kind;
    sluice_op *op;            /* NULL: `waiter` is told */
    struct s3_waiter *waiter; /* borrowed */
    char key[S3_KEY_MAX + 1]; /* LIST: the prefix */
    uint64_t begun_ns, deadline_ns, due_ns;
    uint32_t attempts;
    sluice_status last; /* what it ends as when no time is left for another attempt; 0: none yet */
    bool may_be_stored; /* an earlier attempt of this put may have been applied */
    bool is_sizing;     /* GET of a range beyond the end: a HEAD asks for the size */
    bool has_renewed;   /* credentials were read again for it */
    char why[S3_WHY_MAX];
    uint64_t offset, length; /* GET */
    struct s3_put put;
    struct s3_list *list;
};

struct s3_queue {
    struct s3_call *first, **last;
    size_t count;
};

/* One HTTP exchange; reused, with its curl handle. */
struct s3_transfer {
    struct s3_transfer *next;
    sluice_instance *s3;
    CURL *easy;
    struct s3_call *call; /* NULL: idle */
    struct curl_slist *headers;
    struct s3_text url;
    size_t part, part_at;  /* what of the put went out */
    uint32_t sends;        /* so often the request may have left: curl sends again by itself */
    const char *complaint; /* why our own callback gave up; NULL: it did not */
    struct s3_text text;   /* answer: an error document, or a page of keys */
    sluice_buf *body;      /* answer: an object's bytes */
    uint8_t *body_bytes;   /* of body */
    size_t body_len, body_cap;
    bool has_length, has_range, has_total;
    uint64_t length, range_first, total; /* Content-Length, Content-Range */
    char etag[64], region[40];
    int64_t date_s; /* the Date header, 0 when absent */
    char error_text[CURL_ERROR_SIZE];
};

struct s3_engine {
    pthread_t thread;
    bool is_running;
    CURLM *multi;

    struct {
        pthread_mutex_t lock;
        struct s3_queue inbox;
        uint32_t held; /* calls accepted and not answered */
        bool is_stopping;
    } shared;

    /* on the event thread only */
    struct s3_queue urgent, bulk, backoff; /* puts; the rest; those that wait for their due_ns */
    struct s3_transfer *transfers, *idle;  /* `connections` of them, and which are free */
    uint32_t active, active_bulk;
    struct s3_budget budget;
    uint64_t random, renewed_ns;
};

struct sluice_instance {
    const sluice_host *host;
    sluice_storage table;
    struct s3_config conf;
    struct s3_engine engine;
    const sluice_host_counters *counters; /* NULL: the host counts nothing */
    void (*tell_attempt)(const sluice_host *, uint32_t kind, uint32_t outcome, sluice_slice why);
};

/* say.c: lines and sentences. */
void s3__log(const sluice_instance *s3, int32_t level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Says why the current call fails, and gives the status back. */
sluice_status s3__fail(const sluice_instance *s3, sluice_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
uint64_t s3__now_ns(void);

/* engine.c */
sluice_status s3__engine_start(sluice_instance *s3);
/* Ends what is in flight (a put that was sent as unknown), joins the thread. Idempotent. */
void s3__engine_stop(sluice_instance *s3);
/* Takes *call, whatever comes of it. SLUICE_PENDING, or SLUICE_EAGAIN when too many wait. */
sluice_status s3__submit(sluice_instance *s3, struct s3_call **call);
/* Event thread: attempts again at once, or after a while. */
void s3__call_ready(sluice_instance *s3, struct s3_call *call);
void s3__call_later(sluice_instance *s3, struct s3_call *call, uint32_t ms);

/* call.c */
struct s3_call *s3__call_new(sluice_instance *s3, enum s3_kind kind, sluice_op *op);
void s3__call_free(struct s3_call **call);
/* Event thread: the attempt is over; ends the call or has it tried again. */
void s3__attempt_end(sluice_instance *s3, struct s3_transfer *t, CURLcode code);
/* Event thread: ends a call that no attempt will answer any more. */
void s3__call_expire(sluice_instance *s3, struct s3_call *call, sluice_status status,
                     const char *why);

/* transfer.c */
void s3__transfer_init(sluice_instance *s3, struct s3_transfer *t);
/* Signs and hands the call's next attempt to curl. */
void s3__transfer_begin(struct s3_transfer *t, struct s3_call *call);
/* What came of it, before transfer_end. */
struct s3_answer s3__transfer_answer(struct s3_transfer *t, CURLcode code);
/* Takes the handle away from curl and drops what is left of the answer. */
void s3__transfer_end(struct s3_transfer *t);
void s3__transfer_fini(struct s3_transfer *t);

/* request.c */
/* Fills t->url and t->headers for the call, signed with the time now. */
void s3__request_build(struct s3_transfer *t, struct s3_call *call);
enum s3_kind s3__kind_now(const struct s3_call *call);

/* page.c: a page of keys goes to the sink. False: why says what is wrong with it. */
bool s3__page_deliver(struct s3_call *call, const struct s3_text *doc, sluice_status *ret,
                      bool *ret_goes_on);

/* counts.c: event thread, but for declare. */
sluice_status s3__counts_declare(sluice_instance *s3);
/* An attempt goes out, has ended (call->why says how), and the call has. */
void s3__count_begin(const sluice_instance *s3, const struct s3_call *call);
void s3__count_resent(const sluice_instance *s3, const struct s3_call *call, uint32_t times);
void s3__count_attempt(const sluice_instance *s3, const struct s3_call *call,
                       enum s3_verdict verdict);
void s3__count_end(const sluice_instance *s3, const struct s3_call *call, sluice_status status,
                   uint64_t bytes);

#endif
