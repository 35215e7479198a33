/* Configuration, credentials, and the one line that a start which cannot work ends with. */
#include "plugin/crash.h"
#include "s3_world.h"
#include "storage-s3/config.h"
#include "store/health.h"

#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#define IS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_TSAN 1
#endif
#endif
#ifndef IS_TSAN
#define IS_TSAN 0
#endif

static void
assert_refused(struct world *w, const struct plugin_conf_pair *more, size_t count, const char *what)
{
    assert_int_not_equal(world_plugin(w, more, count), SL_OK);
    if (strstr(w->err.msg, what) == NULL || strchr(w->err.msg, '\n') != NULL) {
        fail_msg("wanted \"%s\" in: %s", what, w->err.msg);
    }
    world_no_secrets(w);
    assert_int_equal(w->log_len, 0); /* the one sentence says it all */
}

static void
configure__options_that_make_no_sense__are_named(void **state)
{
    static const struct {
        struct plugin_conf_pair pairs[2];
        const char *what;
    } cases[] = {
        {{{"bucket", "x"}, {"region", ""}}, "bucket = x"},
        {{{"bucket", "a/b"}, {"region", ""}}, "bucket = a/b"},
        {{{"region", "eu west"}, {"profile", ""}}, "region = eu west"},
        {{{"endpoint", "ftp://x"}, {"region", ""}}, "endpoint is not"},
        {{{"endpoint", "http://x/path"}, {"region", ""}}, "endpoint has more"},
        {{{"endpoint", "http://u:" SECRET_CANARY "@x"}, {"region", ""}}, "endpoint"},
        {{{"endpoint", "::" SECRET_CANARY "@x"}, {"region", ""}}, "endpoint"},
        {{{"ca.file", "/nonexistent.pem"}, {"region", ""}}, "ca.file = /nonexistent.pem"},
        {{{"sse.kms.key.id", "k"}, {"region", ""}}, "sse is not aws:kms"},
        {{{"secret.key", ""}, {"region", ""}}, "access.key is set without secret.key"},
        {{{"access.key", ""}, {"region", ""}}, "secret.key is set without access.key"},
        {{{"connections", "0"}, {"region", ""}}, "connections"},
    };
    struct world *w = (struct world *)*state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_refused(w, cases[i].pairs, 2, cases[i].what);
    }
}

static void
start__store_refuses__one_sentence_with_the_remedy(void **state)
{
    static const struct {
        struct step answer;
        const char *what;
    } cases[] = {
        {{.status = 403, .code = "SignatureDoesNotMatch"}, "secret.key does not belong"},
        {{.status = 403, .code = "InvalidAccessKeyId"}, "does not know the access key AKIDTEST"},
        {{.status = 403, .code = "AccessDenied"}, "grant it s3:ListBucket"},
        {{.status = 404, .code = "NoSuchBucket"}, "there is no bucket b1x"},
        {{.status = 301, .headers = "x-amz-bucket-region: eu-west-1\r\n"},
         "set region = eu-west-1"},
        {{.status = 403, .code = "RequestTimeTooSkewed"}, "clock"},
        {{.status = 400, .code = "ExpiredToken"}, "session.token"},
        {{.status = 200, .body = "<html></html>"}, "is endpoint the address of an S3 store?"},
        {{.status = 404, .body = "not found"}, "is endpoint the address of an S3 store?"},
        {{.status = 500, .code = "InternalError"}, "InternalError"},
        {{.status = 0}, "check the endpoint (https:// if it speaks TLS)"},
        {{.status = -1}, "check the endpoint"},
    };
    const struct plugin_conf_pair quick[] = {{"timeout", "300ms"}};
    struct world *w = (struct world *)*state;
    w->answers_start = false;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        SCRIPT(w, cases[i].answer);
        assert_refused(w, quick, 1, cases[i].what);
    }
}

static void
start__clock_is_off__says_by_how_much(void **state)
{
    struct world *w = (struct world *)*state;
    w->answers_start = false;
    SCRIPT(w, {.raw = "HTTP/1.1 403 X\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\n\r\n"
                      "<Error><Code>RequestTimeTooSkewed</Code></Error>"});
    assert_refused(w, NULL, 0, "s ahead of the store's; set it (NTP)");
}

static void
start__tls_where_none_is_spoken__says_so(void **state)
{
    struct world *w = (struct world *)*state;
    char endpoint[64];
    (void)snprintf(endpoint, sizeof(endpoint), "https://127.0.0.1:%d", w->http->port);
    const struct plugin_conf_pair more[] = {{"endpoint", endpoint}, {"timeout", "3s"}};
    assert_refused(w, more, 2, "does it speak TLS there");
}

static void
start__nobody_there__says_where(void **state)
{
    struct world *w = (struct world *)*state;
    const struct plugin_conf_pair more[] = {{"timeout", "300ms"}};
    tiny_stop(w->http);
    assert_refused(w, more, 1, w->endpoint);
    w->http = tiny_start(world_handle, w);
}

/* ---- credentials ---- */

static void
env_set(const char *name, const char *value)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the plugin reads it when it is configured */
    int rc = value == NULL ? unsetenv(name) : setenv(name, value, 1);
    assert_int_equal(rc, 0);
}

static void
credentials_write(const char *path, const char *access)
{
    FILE *f = fopen(path, "w");
    if (f == NULL) {
        fail_msg("cannot write %s", path);
        return;
    }
    (void)fprintf(f,
                  "# comment\n[other]\naws_access_key_id = WRONG\naws_secret_access_key = WRONG\n"
                  "[ mine ]\n aws_access_key_id=%s \r\naws_secret_access_key = " SECRET_CANARY "\n"
                  "aws_session_token=" TOKEN_CANARY "\nregion = x\n[third]\n",
                  access);
    assert_int_equal(fclose(f), 0);
}

static void
assert_access_key(const struct tiny_request *rq, const char *want)
{
    char got[512];
    assert_non_null(strstr(tiny_header(rq, "authorization", got), want));
}

static void
credentials__profile_of_the_shared_file__are_used_and_renewed_when_they_expire(void **state)
{
    struct world *w = (struct world *)*state;
    char path[] = "/tmp/sluice-test-XXXXXX";
    char got[512];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    env_set("AWS_SHARED_CREDENTIALS_FILE", path);
    credentials_write(path, "AKIDOLD");
    const struct plugin_conf_pair more[] = {
        {"access.key", ""}, {"secret.key", ""}, {"profile", "mine"}};
    world_open(w, more, 3);
    assert_int_equal(world_put(w, "x"), STORE_DONE);
    assert_access_key(&w->seen[0], "Credential=AKIDOLD/");
    assert_string_equal(tiny_header(&w->seen[0], "x-amz-security-token", got), TOKEN_CANARY);
    credentials_write(path, "AKIDNEW");
    SCRIPT(w, {.status = 400, .code = "ExpiredToken"}, {.status = 200});
    assert_int_equal(world_put(w, "x"), STORE_DONE);
    assert_access_key(&w->seen[1], "Credential=AKIDNEW/");
    (void)unlink(path);
    env_set("AWS_SHARED_CREDENTIALS_FILE", NULL);
}

static void
credentials__environment__are_used_when_nothing_else_is_set(void **state)
{
    struct world *w = (struct world *)*state;
    const struct plugin_conf_pair more[] = {{"access.key", ""}, {"secret.key", ""}};
    env_set("AWS_ACCESS_KEY_ID", "AKIDENV");
    env_set("AWS_SECRET_ACCESS_KEY", SECRET_CANARY);
    env_set("AWS_SESSION_TOKEN", TOKEN_CANARY);
    env_set("AWS_REGION", "eu-north-1");
    world_open(w, more, 2);
    assert_int_equal(world_put(w, "x"), STORE_DONE);
    assert_access_key(&w->seen[0], "Credential=AKIDENV/");
    assert_access_key(&w->seen[0], "/eu-north-1/s3/");
    env_set("AWS_ACCESS_KEY_ID", NULL);
    env_set("AWS_SECRET_ACCESS_KEY", NULL);
    env_set("AWS_SESSION_TOKEN", NULL);
    env_set("AWS_REGION", NULL);
}

static void
credentials__none_anywhere__says_where_they_may_come_from(void **state)
{
    struct world *w = (struct world *)*state;
    const struct plugin_conf_pair more[] = {{"access.key", ""}, {"secret.key", ""}};
    const struct plugin_conf_pair named[] = {
        {"access.key", ""}, {"secret.key", ""}, {"profile", "nope"}};
    env_set("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
    assert_refused(w, more, 2, "no credentials: set access.key and secret.key");
    assert_refused(w, named, 3, "profile nope of /nonexistent");
    env_set("AWS_SHARED_CREDENTIALS_FILE", NULL);
}

/* ---- counters and health ---- */

struct counted {
    const char *name, *labels;
    int64_t value;
    uint64_t observed;
    size_t rows;
};

static void
counted_look(void *arg, const struct plugin_reading *r)
{
    struct counted *c = (struct counted *)arg;
    if (strcmp(r->what->name, c->name) == 0 && strcmp(r->what->labels, c->labels) == 0) {
        c->value = r->value;
        c->observed = r->observed;
        c->rows++;
    }
}

static struct counted
counted(struct world *w, const char *name, const char *labels)
{
    struct counted c = {.name = name, .labels = labels};
    plugin_instance_counters(w->plugin, counted_look, &c);
    assert_int_equal(c.rows, 1);
    return c;
}

static void
counters__each_kind_and_outcome__is_counted(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 503, .code = "SlowDown"}, {.status = 200}, {.status = 412},
           {.status = 200, .body = "12345"}, {.status = 404, .code = "NoSuchKey"}, {.status = 204},
           {.status = 200, .body = EMPTY_PAGE}, {.status = 500, .code = "InternalError"});
    assert_int_equal(world_put(w, "abc"), STORE_DONE);
    assert_int_equal(world_put(w, "abc"), STORE_EXISTS);
    assert_int_equal(world_get(w, 0, 0), STORE_DONE);
    buf_unref(&w->c.call.body);
    assert_int_equal(world_get(w, 0, 0), STORE_ABSENT);
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_DEL, "k"), STORE_DONE);
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_LIST, "k"), STORE_DONE);
    store_listing_free(&w->c.call.listing);
    assert_int_equal(world_put(w, "abc"), STORE_UNKNOWN);
    assert_int_equal(counted(w, "calls", "kind=put_if_absent,outcome=ok").value, 1);
    assert_int_equal(counted(w, "calls", "kind=put_if_absent,outcome=exists").value, 1);
    assert_int_equal(counted(w, "calls", "kind=put_if_absent,outcome=unknown").value, 1);
    assert_int_equal(counted(w, "attempts", "kind=put_if_absent").value, 4);
    assert_int_equal(counted(w, "retries", "kind=put_if_absent").value, 1);
    assert_int_equal(counted(w, "throttled", "kind=put_if_absent").value, 1);
    assert_int_equal(counted(w, "latency", "kind=put_if_absent").observed, 3);
    assert_int_equal(counted(w, "calls", "kind=get,outcome=ok").value, 1);
    assert_int_equal(counted(w, "calls", "kind=get,outcome=absent").value, 1);
    assert_int_equal(counted(w, "calls", "kind=delete,outcome=ok").value, 1);
    assert_int_equal(counted(w, "calls", "kind=list,outcome=ok").value, 2); /* start's is one */
    assert_int_equal(counted(w, "bytes", "direction=in").value, 5);
    assert_int_equal(counted(w, "bytes", "direction=out").value, 3);
}

/* The store sees what it bills, and throttling that no caller notices. */
static void
attempts__that_are_throttled__show_in_health_and_rates(void **state)
{
    static const struct step throttled = {.status = 503, .code = "SlowDown"};
    struct world *w = (struct world *)*state;
    struct store_health h;
    struct store_rates r;
    world_open(w, NULL, 0);
    for (int i = 0; i < 4; i++) {
        SCRIPT(w, throttled, throttled, throttled, {.status = 200});
        assert_int_equal(world_put(w, "x"), STORE_DONE);
    }
    store_health(w->st, &h);
    assert_int_equal(h.state, STORE_DEGRADED);
    assert_non_null(strstr(h.why, "SlowDown"));
    store_rates(w->st, &r);
    assert_true(r.is_billed);
    assert_true(r.puts_per_s * 60 > 15);
    SCRIPT(w, {.status = 200});
    do {
        assert_int_equal(world_put(w, "x"), STORE_DONE);
    } while (store_health_state(w->st) != STORE_HEALTHY);
    assert_non_null(memmem(w->log, w->log_len, "state=degraded", 14));
    assert_non_null(memmem(w->log, w->log_len, "state=healthy", 13));
}

/* ---- the thread ---- */

/* Gives the id of this process's thread of that name, 0 when there is none. */
static int
thread_named(const char *name)
{
    char path[64];
    char comm[32];
    int found = 0;
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    const struct dirent *e;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has this DIR */
    while ((e = readdir(d)) != NULL && found == 0) {
        (void)snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", e->d_name);
        FILE *f = fopen(path, "r");
        if (f != NULL && fgets(comm, sizeof(comm), f) != NULL) {
            comm[strcspn(comm, "\n")] = '\0';
            found = strcmp(comm, name) == 0 ? (int)strtol(e->d_name, NULL, 10) : 0;
        }
        if (f != NULL) {
            (void)fclose(f);
        }
    }
    (void)closedir(d);
    return found;
}

static uint64_t
blocked_signals(int tid)
{
    char path[64];
    char line[128];
    uint64_t mask = 0;
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "SigBlk:", 7) == 0) {
            mask = strtoull(line + 7, NULL, 16);
        }
    }
    (void)fclose(f);
    return mask;
}

static void
engine_thread__blocks_the_servers_signals_but_no_fault(void **state)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    static const int others[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGPIPE};
    struct world *w = (struct world *)*state;
    world_open(w, NULL, 0);
    uint64_t mask = blocked_signals(thread_named("storage-s3"));
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(mask >> (faults[i] - 1) & 1, 0);
        assert_int_equal(mask >> (others[i] - 1) & 1, 1);
    }
}

/* In a child, whose standard error is the pipe: a fault in the plugin's own thread. */
static _Noreturn void
crash_in_its_thread(const struct world *w, int out)
{
    const struct plugin_conf_pair pairs[] = {{"endpoint", w->endpoint},
                                             {"bucket", "b1x"},
                                             {"access.key", "AKIDTEST"},
                                             {"secret.key", SECRET_CANARY}};
    const struct plugin_source src = {.path = STORAGE_S3_SO};
    const struct plugin_conf conf = {.pairs = pairs, .count = 4, .section = "plugin s3"};
    struct plugin_instance *p = NULL;
    struct sl_error err = SL_ERROR_INIT;
    const struct rlimit no_core = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)dup2(out, STDERR_FILENO);
    diag_set_sink(NULL, NULL);
    (void)signal(SIGSEGV, SIG_DFL); /* cmocka has a handler of its own */
    plugin_crash_install();
    if (plugin_instance_open(&src, "s3", &conf, &p, &err) != SL_OK) {
        (void)fprintf(stderr, "open: %s\n", err.msg);
        _exit(9);
    }
    (void)tgkill(getpid(), thread_named("storage-s3"), SIGSEGV);
    for (;;) {
        (void)pause();
    }
}

static void
crash__in_the_plugins_thread__is_reported_with_its_name(void **state)
{
#if IS_TSAN
    skip(); /* it does not let a child of a process with threads start one */
#endif
    struct world *w = (struct world *)*state;
    char said[8192];
    size_t len = 0;
    ssize_t n = 0;
    int ends[2];
    int status = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        crash_in_its_thread(w, ends[1]);
    }
    (void)close(ends[1]);
    while (len < sizeof(said) - 1 && (n = read(ends[0], said + len, sizeof(said) - 1 - len)) > 0) {
        len += (size_t)n;
    }
    said[len] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    bool is_told = strstr(said, "crashed: SIGSEGV") != NULL &&
                   strstr(said, "plugin org.sluice.storage-s3@") != NULL &&
                   strstr(said, "its code was on the stack") != NULL;
    if (!is_told || !WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV) {
        fail_msg("status %x: %s", (unsigned)status, said);
    }
}

/* ---- the shared object ---- */

static void
shared_object__loads_by_itself_and_exports_one_symbol(void **state)
{
    (void)state;
    void *so = dlopen(STORAGE_S3_SO, RTLD_NOW | RTLD_LOCAL);
    if (so == NULL) {
        fail_msg("%s", dlerror()); /* NOLINT(concurrency-mt-unsafe): one thread */
        return;
    }
    assert_non_null(dlsym(so, "sluice_plugin_open"));
    assert_null(dlsym(so, "s3__judge"));
    assert_null(dlsym(so, "s3__conf_keys"));
    assert_int_equal(dlclose(so), 0);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(configure__options_that_make_no_sense__are_named),
        WORLD_TEST(start__store_refuses__one_sentence_with_the_remedy),
        WORLD_TEST(start__clock_is_off__says_by_how_much),
        WORLD_TEST(start__tls_where_none_is_spoken__says_so),
        WORLD_TEST(start__nobody_there__says_where),
        WORLD_TEST(credentials__profile_of_the_shared_file__are_used_and_renewed_when_they_expire),
        WORLD_TEST(credentials__environment__are_used_when_nothing_else_is_set),
        WORLD_TEST(credentials__none_anywhere__says_where_they_may_come_from),
        WORLD_TEST(counters__each_kind_and_outcome__is_counted),
        WORLD_TEST(attempts__that_are_throttled__show_in_health_and_rates),
        WORLD_TEST(engine_thread__blocks_the_servers_signals_but_no_fault),
        WORLD_TEST(crash__in_the_plugins_thread__is_reported_with_its_name),
        cmocka_unit_test(shared_object__loads_by_itself_and_exports_one_symbol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
