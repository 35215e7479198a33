#include "base/diag.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

static _Atomic int min_level = DIAG_INFO;
static diag_sink_fn sink;
static void *sink_arg;
static int64_t (*clock_ms)(void);

void
diag_set_level(enum diag_level level)
{
    atomic_store_explicit(&min_level, (int)level, memory_order_relaxed);
}

enum diag_level
diag_get_level(void)
{
    return (enum diag_level)atomic_load_explicit(&min_level, memory_order_relaxed);
}

void
diag_set_sink(diag_sink_fn fn, void *arg)
{
    sink = fn;
    sink_arg = arg;
}

void
diag_set_clock(int64_t (*wall_ms)(void))
{
    clock_ms = wall_ms;
}

static int64_t
wall_now_ms(void)
{
    if (clock_ms != NULL) {
        return clock_ms();
    }
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
};

static void
put_char(struct line *l, char c)
{
    if (l->len < sizeof(l->text) - 1) {
        l->text[l->len++] = c;
    }
}

static void
put_cstr(struct line *l, const char *s)
{
    while (*s != '\0') {
        put_char(l, *s++);
    }
}

static bool
needs_quotes(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] == '"' || s.ptr[i] == '=' || s.ptr[i] >= 0x7f) {
            return true;
        }
    }
    return s.len == 0;
}

/* Bytes of a peer may stand in a line, so everything outside printable ASCII is escaped. */
static void
put_escaped(struct line *l, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    if (c == '"' || c == '\\') {
        put_char(l, '\\');
        put_char(l, (char)c);
    } else if (c < ' ' || c >= 0x7f) {
        put_cstr(l, "\\x");
        put_char(l, hex[c >> 4]);
        put_char(l, hex[c & 15]);
    } else {
        put_char(l, (char)c);
    }
}

static void
put_string(struct line *l, struct span s)
{
    bool is_quoted = needs_quotes(s);
    if (is_quoted) {
        put_char(l, '"');
    }
    for (size_t i = 0; i < s.len && i < 512; i++) {
        put_escaped(l, s.ptr[i]);
    }
    if (is_quoted) {
        put_char(l, '"');
    }
}

static void
put_kv(struct line *l, const struct diag_kv *kv)
{
    char number[32];
    put_char(l, ' ');
    put_cstr(l, kv->key);
    put_char(l, '=');
    switch (kv->kind) {
    case DIAG_I64:
        (void)snprintf(number, sizeof(number), "%" PRId64, kv->v.i64);
        put_cstr(l, number);
        break;
    case DIAG_U64:
        (void)snprintf(number, sizeof(number), "%" PRIu64, kv->v.u64);
        put_cstr(l, number);
        break;
    case DIAG_STR:
        put_string(l, kv->v.str);
        break;
    }
}

static void
put_time(struct line *l)
{
    int64_t ms = wall_now_ms();
    time_t sec = (time_t)(ms / 1000);
    struct tm tm = {0};
    char text[40];
    (void)gmtime_r(&sec, &tm);
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text + n, sizeof(text) - n, ".%03dZ ", (int)(ms % 1000));
    put_cstr(l, text);
}

static void
put_context(struct line *l, const struct diag *ctx)
{
    if (ctx == NULL) {
        return;
    }
    put_context(l, ctx->parent);
    for (size_t i = 0; i < ctx->count; i++) {
        put_kv(l, &ctx->kv[i]);
    }
}

void
diag_emit(const struct diag *ctx, enum diag_level level, const char *event,
          const struct diag_kv *kv, size_t count)
{
    static const char *const level_names[] = {"DEBUG ", "INFO ", "WARN ", "ERROR "};
    struct line l;
    l.len = 0;
    put_time(&l);
    put_cstr(&l, level_names[level < DIAG_OFF ? level : DIAG_ERROR]);
    put_cstr(&l, event);
    put_context(&l, ctx);
    for (size_t i = 0; i < count; i++) {
        put_kv(&l, &kv[i]);
    }
    l.text[l.len++] = '\n';
    if (sink != NULL) {
        sink(sink_arg, l.text, l.len);
        return;
    }
    ssize_t ignored = write(STDERR_FILENO, l.text, l.len);
    (void)ignored; /* nowhere left to complain */
}

bool
diag_limit_ok(struct diag_limit *limit, uint32_t per_second)
{
    int64_t now = wall_now_ms() / 1000;
    int64_t seen = atomic_load_explicit(&limit->second, memory_order_relaxed);
    if (seen != now && atomic_compare_exchange_strong(&limit->second, &seen, now)) {
        uint32_t left_out = atomic_exchange(&limit->suppressed, 0);
        atomic_store(&limit->used, 0);
        if (left_out > 0) {
            SL_WARN(NULL, "log.suppressed", KV_U64("lines", left_out));
        }
    }
    if (atomic_fetch_add(&limit->used, 1) < per_second) {
        return true;
    }
    atomic_fetch_add(&limit->suppressed, 1);
    return false;
}
