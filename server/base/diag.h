/* Structured log: a constant event name plus fields, one logfmt line on standard error.
 *
 *     SL_WARN(&conn->log, "fetch.throttled", KV_I64("wait_ms", w), KV_SPAN("topic", name));
 *
 * Whoever decides logs, once; callees return. Lines that a peer can trigger go through a
 * diag_limit. Secrets never reach a formatter. Threads: any; a line is one write(2). */
#ifndef SLUICE_BASE_DIAG_H
#define SLUICE_BASE_DIAG_H

#include "base/err.h"
#include "base/span.h"

#include <stdatomic.h>

enum diag_level { DIAG_DEBUG, DIAG_INFO, DIAG_WARN, DIAG_ERROR, DIAG_OFF };

enum diag_kind { DIAG_I64, DIAG_U64, DIAG_STR };
struct diag_kv {
    const char *key;
    enum diag_kind kind;
    union {
        int64_t i64;
        uint64_t u64;
        struct span str;
    } v;
};

#define KV_I64(k, x) ((struct diag_kv){(k), DIAG_I64, {.i64 = (int64_t)(x)}})
#define KV_U64(k, x) ((struct diag_kv){(k), DIAG_U64, {.u64 = (uint64_t)(x)}})
#define KV_STR(k, x) ((struct diag_kv){(k), DIAG_STR, {.str = span_cstr(x)}})
#define KV_SPAN(k, x) ((struct diag_kv){(k), DIAG_STR, {.str = (x)}})
#define KV_ERR(rc) KV_STR("error", sl_err_text(rc))

/* A context: fields that stand in every line of one object. Borrows kv and parent. */
struct diag {
    const struct diag *parent;
    const struct diag_kv *kv;
    size_t count;
};

/* At most `burst` lines per second of one kind; what was left out is counted and said with the
 * next. */
struct diag_limit {
    _Atomic int64_t second;
    _Atomic uint32_t used, suppressed;
};

void diag_set_level(enum diag_level level);
enum diag_level diag_get_level(void);
/* Tests capture lines here; NULL = standard error. fn may be called from any thread. */
typedef void (*diag_sink_fn)(void *arg, const char *line, size_t len);
void diag_set_sink(diag_sink_fn fn, void *arg);
/* The simulator's clock for time stamps; NULL = CLOCK_REALTIME. */
void diag_set_clock(int64_t (*wall_ms)(void));

void diag_emit(const struct diag *ctx, enum diag_level level, const char *event,
               const struct diag_kv *kv, size_t count);
/* False when the line is to be left out. */
bool diag_limit_ok(struct diag_limit *limit, uint32_t per_second);

#define SL_LOG(ctx, level, event, ...)                                                             \
    do {                                                                                           \
        if ((level) >= diag_get_level()) {                                                         \
            const struct diag_kv kv_[] = {{0}, ##__VA_ARGS__};                                     \
            diag_emit((ctx), (level), (event), kv_ + 1, sizeof(kv_) / sizeof(kv_[0]) - 1);         \
        }                                                                                          \
    } while (0)
#define SL_DEBUG(ctx, event, ...) SL_LOG(ctx, DIAG_DEBUG, event, ##__VA_ARGS__)
#define SL_INFO(ctx, event, ...) SL_LOG(ctx, DIAG_INFO, event, ##__VA_ARGS__)
#define SL_WARN(ctx, event, ...) SL_LOG(ctx, DIAG_WARN, event, ##__VA_ARGS__)
#define SL_ERROR(ctx, event, ...) SL_LOG(ctx, DIAG_ERROR, event, ##__VA_ARGS__)

#endif
