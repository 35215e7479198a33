/* The S3 plugin behind the server's door, on a store that answers by script. */
#ifndef SLUICE_TESTS_S3_WORLD_H
#define SLUICE_TESTS_S3_WORLD_H

#include "../store/loop_fixture.h"
#include "../unit.h"
#include "base/buf.h"
#include "base/diag.h"
#include "plugin/instance.h"
#include "store/plugin_store.h"
#include "tiny_http.h"

enum { SCRIPT_MAX = 24, SEEN_MAX = 64 };

#define SECRET_CANARY "s3cr3t-canary-0123456789"
#define TOKEN_CANARY "t0ken-canary-0123456789"

/* One answer, in the order in which requests come; the last one repeats. */
struct step {
    int status; /* 0: hang up without a word; -1: say nothing until the end */
    const char *code, *headers, *body;
    const char *raw; /* instead of all that; the connection is closed after it */
};

struct world {
    struct loop_fixture loop;
    struct tiny_http *http;
    struct plugin_instance *plugin;
    struct store *st;
    struct sync_call c;
    struct sl_error err;
    bool answers_start; /* the check at start is answered, and not part of script and seen */
    struct step script[SCRIPT_MAX];
    size_t steps, at;
    struct tiny_request seen[SEEN_MAX];
    size_t seen_count;
    char log[65536];
    size_t log_len;
    pthread_mutex_t log_lock;
    char endpoint[64];
};

#define EMPTY_PAGE "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"

static inline void
world_reply(const struct step *s, struct tiny_reply *rp)
{
    if (s->raw != NULL) {
        rp->len = strlen(s->raw);
        rp->closes = true;
        memcpy(rp->bytes, s->raw, rp->len);
    } else if (s->status <= 0) {
        rp->what = s->status == 0 ? TINY_DROP : TINY_STALL;
    } else if (s->code != NULL) {
        tiny_error(rp, s->status, s->code);
    } else {
        tiny_answer(rp, s->status, s->headers == NULL ? "" : s->headers,
                    s->body == NULL ? "" : s->body);
    }
}

static inline void
world_handle(void *arg, const struct tiny_request *rq, struct tiny_reply *rp)
{
    struct world *w = (struct world *)arg;
    const char *start = strstr(rq->target, "?list-type=2&max-keys=1");
    if (w->answers_start && start != NULL && strcmp(start, "?list-type=2&max-keys=1") == 0) {
        tiny_answer(rp, 200, "", EMPTY_PAGE);
        return;
    }
    if (w->seen_count < SEEN_MAX) {
        w->seen[w->seen_count++] = *rq;
    }
    if (w->steps == 0) {
        tiny_answer(rp, 200, "", "");
        return;
    }
    world_reply(&w->script[w->at], rp);
    w->at += w->at + 1 < w->steps ? 1 : 0;
}

static inline void
world_log(void *arg, const char *line, size_t len)
{
    struct world *w = (struct world *)arg;
    pthread_mutex_lock(&w->log_lock);
    if (len < sizeof(w->log) - w->log_len) {
        memcpy(w->log + w->log_len, line, len);
        w->log_len += len;
    }
    pthread_mutex_unlock(&w->log_lock);
}

static inline struct world *
world_new(void)
{
    struct world *w = (struct world *)sl_alloc(sizeof(*w));
    loop_init(&w->loop);
    (void)pthread_mutex_init(&w->log_lock, NULL);
    w->answers_start = true;
    w->err = (struct sl_error)SL_ERROR_INIT;
    w->http = tiny_start(world_handle, w);
    (void)snprintf(w->endpoint, sizeof(w->endpoint), "http://127.0.0.1:%d", w->http->port);
    diag_set_sink(world_log, w);
    return w;
}

/* Opens the plugin with the usual options and these in their place or beside them. */
static inline enum sl_err
world_plugin(struct world *w, const struct plugin_conf_pair *more, size_t more_count)
{
    struct plugin_conf_pair pairs[24] = {{"endpoint", w->endpoint},
                                         {"bucket", "b1x"},
                                         {"access.key", "AKIDTEST"},
                                         {"secret.key", SECRET_CANARY},
                                         {"timeout", "5s"}};
    size_t count = 5;
    for (size_t i = 0; i < more_count; i++) {
        size_t at = 0;
        while (at < count && strcmp(pairs[at].key, more[i].key) != 0) {
            at++;
        }
        count += at == count ? 1 : 0;
        pairs[at] = more[i];
    }
    const struct plugin_source src = {.open = sluice_plugin_open};
    const struct plugin_conf conf = {.pairs = pairs, .count = count, .section = "storage"};
    return plugin_instance_open(&src, "s3", &conf, &w->plugin, &w->err);
}

static inline void
world_store(struct world *w)
{
    struct plugin_store_options o = {
        .name = "bucket",
        .table = (const sluice_storage *)plugin_instance_extension(w->plugin, SLUICE_STORAGE_V1),
        .instance = plugin_instance_self(w->plugin),
        .plugin_flags = plugin_instance_flags(w->plugin),
        .meter = plugin_instance_meter(w->plugin)};
    assert_int_equal(plugin_store_open(&o, &w->st, &w->err), SL_OK);
}

static inline void
world_open(struct world *w, const struct plugin_conf_pair *more, size_t more_count)
{
    enum sl_err rc = world_plugin(w, more, more_count);
    if (rc != SL_OK) {
        fail_msg("open: %s", w->err.msg);
    }
    world_store(w);
}

static inline void
world_script(struct world *w, const struct step *steps, size_t count)
{
    pthread_mutex_lock(&w->http->lock);
    memcpy(w->script, steps, count * sizeof(*steps));
    w->steps = count;
    w->at = 0;
    w->seen_count = 0;
    pthread_mutex_unlock(&w->http->lock);
}
#define SCRIPT(w, ...)                                                                             \
    do {                                                                                           \
        const struct step steps_[] = {__VA_ARGS__};                                                \
        world_script((w), steps_, sizeof(steps_) / sizeof(steps_[0]));                             \
    } while (0)

/* No secret may ever stand in a line or a sentence. */
static inline void
world_no_secrets(struct world *w)
{
    pthread_mutex_lock(&w->log_lock);
    assert_null(memmem(w->log, w->log_len, SECRET_CANARY, strlen(SECRET_CANARY)));
    assert_null(memmem(w->log, w->log_len, TOKEN_CANARY, strlen(TOKEN_CANARY)));
    assert_null(memmem(w->log, w->log_len, "Signature=", 10));
    pthread_mutex_unlock(&w->log_lock);
    assert_null(strstr(w->err.msg, SECRET_CANARY));
}

static inline void
world_free(struct world *w)
{
    plugin_store_close(&w->st);
    plugin_instance_close(&w->plugin);
    tiny_stop(w->http);
    diag_set_sink(NULL, NULL);
    world_no_secrets(w);
    loop_fini(&w->loop);
    (void)pthread_mutex_destroy(&w->log_lock);
    sl_free(w);
}

static inline int
world_setup(void **state)
{
    *state = world_new();
    return 0;
}

static inline int
world_teardown(void **state)
{
    world_free((struct world *)*state);
    return 0;
}

static inline size_t
world_seen(struct world *w)
{
    pthread_mutex_lock(&w->http->lock);
    size_t count = w->seen_count;
    pthread_mutex_unlock(&w->http->lock);
    return count;
}

static inline enum store_outcome
world_get(struct world *w, uint64_t offset, uint64_t length)
{
    memset(&w->c, 0, sizeof(w->c));
    w->c.call.kind = STORE_GET;
    w->c.call.offset = offset;
    w->c.call.length = length;
    (void)snprintf(w->c.call.key, sizeof(w->c.call.key), "k");
    sync_run(&w->loop, w->st, &w->c);
    return w->c.call.outcome;
}

static inline enum store_outcome
world_put(struct world *w, const char *text)
{
    return sync_put(&w->loop, w->st, &w->c, "a/k", text);
}

#endif
