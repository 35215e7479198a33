/* Configuration, credentials, and the one line that a start which cannot work ends with. */
#include "s3_world.h"
#include "storage-s3/config.h"

#include <dlfcn.h>

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
        {{.status = 0}, "check the endpoint"},
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

/* ---- health ---- */

static void
health__store_fails_and_recovers__is_logged_once_each_way(void **state)
{
    struct world *w = (struct world *)*state;
    size_t count = 0;
    world_open(w, NULL, 0);
    SCRIPT(w, {.status = 500, .code = "InternalError"});
    for (int i = 0; i < 20; i++) {
        assert_int_equal(world_put(w, "x"), STORE_UNKNOWN);
    }
    SCRIPT(w, {.status = 200});
    for (int i = 0; i < 40; i++) {
        assert_int_equal(world_put(w, "x"), STORE_DONE);
    }
    plugin_store_close(&w->st);
    plugin_instance_close(&w->plugin);
    const char *at = w->log;
    size_t left = w->log_len;
    while ((at = (const char *)memmem(at, left, " is ", 4)) != NULL) {
        count++;
        at += 4;
        left = w->log_len - (size_t)(at - w->log);
    }
    assert_int_equal(count, 2);
    assert_non_null(memmem(w->log, w->log_len, "is degraded: ", 13));
    assert_non_null(memmem(w->log, w->log_len, "is healthy", 10));
    assert_non_null(memmem(w->log, w->log_len, "PUT: 60 calls in 60 attempts: 40 ok", 35));
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
        WORLD_TEST(health__store_fails_and_recovers__is_logged_once_each_way),
        cmocka_unit_test(shared_object__loads_by_itself_and_exports_one_symbol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
