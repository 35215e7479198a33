/* SPDX-License-Identifier: Apache-2.0
 *
 * The runner: chooses tests, gives each a child, and says how it went. */
#include "plugin/child.h"
#include "plugin/testkit/kit_int.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_SKIPPED = 77, TEST_TIMEOUT_MS = 120000, DETAIL_BYTES = 2048 };

static const char *const rules[] = {
#define KIT_TEXT(name, text) text,
    KIT_RULES(KIT_TEXT)
#undef KIT_TEXT
};

struct kit kit;

/* ---- for tests ---- */

_Noreturn static void
end_test(int status, const char *text)
{
    child_report(span_cstr(text));
    if (kit.o->is_in_process) {
        if (status == EXIT_FAILED) {
            abort(); /* the debugger's turn */
        }
        exit(0); /* NOLINT(concurrency-mt-unsafe) */
    }
    _exit(status);
}

_Noreturn void
kit__fail(enum kit__rule rule, const char *fmt, ...)
{
    static _Atomic int is_told; /* several threads may find out at once: the first one tells */
    char found[512];
    char text[DETAIL_BYTES];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(found, sizeof(found), fmt, ap);
    va_end(ap);
    if (is_told++ != 0) {
        (void)pause();
    }
    (void)snprintf(text, sizeof(text), "  rule: %s\n  found: %s\n", rules[rule], found);
    end_test(EXIT_FAILED, text);
}

_Noreturn void
kit__skip(const char *why)
{
    end_test(EXIT_SKIPPED, why);
}

uint64_t
kit__random(void)
{
    kit.random ^= kit.random << 13;
    kit.random ^= kit.random >> 7;
    kit.random ^= kit.random << 17;
    return kit.random;
}

uint64_t
kit__below(uint64_t n)
{
    return (kit__random() >> 11) % n;
}

int64_t
kit__now_ns(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static size_t
entries_of(const char *dir)
{
    size_t count = 0;
    DIR *d = opendir(dir);
    const struct dirent *e;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has this DIR */
    while (d != NULL && (e = readdir(d)) != NULL) {
        count += e->d_name[0] != '.' ? 1 : 0;
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    return count;
}

size_t
kit__fd_count(void)
{
    return entries_of("/proc/self/fd");
}

size_t
kit__thread_count(void)
{
    return entries_of("/proc/self/task");
}

size_t
kit__thread_count_at_rest(size_t expected)
{
    const struct timespec nap = {.tv_nsec = 5000000};
    size_t count = kit__thread_count();
    for (int i = 0; i < 200 && count > expected; i++) { /* joined is not yet gone from /proc */
        (void)nanosleep(&nap, NULL);
        count = kit__thread_count();
    }
    return count;
}

/* ---- one test ---- */

static void
world_make(const struct testkit_options *o, const struct kit__test *test)
{
    kit = (struct kit){.o = o, .test = test, .open = o->source.open};
    uint64_t mix = 0;
    for (const char *p = test->name; *p != '\0'; p++) {
        mix = (mix ^ (uint8_t)*p) * UINT64_C(0x100000001B3);
    }
    kit.random = (o->seed ^ mix) * UINT64_C(0x9E3779B97F4A7C15) | 1;
    const char *slash = strchr(test->name, '/');
    (void)snprintf(kit.prefix, sizeof(kit.prefix), "conformance-%x-%llx/%.20s/", (unsigned)getpid(),
                   (unsigned long long)kit__now_ns(), slash == NULL ? test->name : slash + 1);
    for (char *p = kit.prefix; *p != '\0'; p++) {
        *p = *p == '_' ? '-' : *p; /* a key may hold it; some stores' consoles do not like it */
    }
}

/* What every test stands on. A plugin that fails here fails everywhere, with this sentence. */
static void
world_load(void)
{
    struct sl_error err = SL_ERROR_INIT;
    child_enter("loading");
    if (kit.open == NULL &&
        plugin_load(kit.o->source.path, kit.o->source.sha256, &kit.open, &err) != SL_OK) {
        kit__fail(RULE_LOADS, "%s", err.msg);
    }
    child_enter("sluice_plugin_open");
    const struct plugin_source src = {.open = kit.open};
    if (plugin_source_table(&src, kit.o->subject, &kit.plugin, &err) != SL_OK) {
        kit__fail(err.code == SL_EVERSION ? RULE_ABI : RULE_LOADS, "%s", err.msg);
    }
    child_enter("the test itself");
}

static void
needs_check(unsigned needs)
{
    if ((needs & KIT_SO_ONLY) != 0 && kit.o->source.open != NULL) {
        kit__skip("built into the server");
    }
    if ((needs & (KIT_STORAGE | KIT_PERSISTENT)) == 0) {
        return;
    }
    struct kit__life l;
    kit__life_begin(&l, KIT_CREATED);
    const sluice_storage *table = l.storage;
    uint64_t capabilities = table == NULL ? 0 : table->capabilities;
    kit__life_drop(&l);
    if (table == NULL) {
        kit__skip("it offers no " SLUICE_STORAGE_V1);
    }
    if ((needs & KIT_PERSISTENT) != 0 && (capabilities & SLUICE_STORE_VOLATILE) != 0) {
        kit__skip("it declares itself volatile");
    }
}

struct job {
    const struct testkit_options *o;
    const struct kit__test *test;
};

static void
test_here(void *arg)
{
    const struct job *j = (const struct job *)arg;
    diag_set_level(DIAG_OFF);
    world_make(j->o, j->test);
    world_load();
    needs_check(j->test->needs);
    j->test->run();
}

/* ---- telling ---- */

static void
tell_again(const struct job *j, FILE *out)
{
    const struct testkit_options *o = j->o;
    (void)fprintf(out,
                  "  seed: %llu\n  again: sluice plugin test %s%s%s --only %s --seed %llu "
                  "--in-process%s\n",
                  (unsigned long long)o->seed, o->subject,
                  o->config_path == NULL ? "" : " --config ",
                  o->config_path == NULL ? "" : o->config_path, j->test->name,
                  (unsigned long long)o->seed, o->has_sets ? " (and the same --set)" : "");
}

static void
tell_lines(struct span text, FILE *out)
{
    while (text.len > 0) {
        const uint8_t *end = (const uint8_t *)memchr(text.ptr, '\n', text.len);
        size_t n = end == NULL ? text.len : (size_t)(end - text.ptr);
        (void)fprintf(out, "%.*s\n", (int)n, (const char *)text.ptr);
        size_t used = end == NULL ? n : n + 1;
        text = span_of(text.ptr + used, text.len - used);
    }
}

static void
tell_end(const struct child *c, FILE *out)
{
    switch (c->end) {
    case CHILD_SIGNALED:
        (void)fprintf(out, "  rule: %s\n  found: it crashed with %s in %s\n", rules[RULE_ALIVE],
                      child_signal_name(c->code), c->stage);
        break;
    case CHILD_TIMED_OUT:
        (void)fprintf(out, "  rule: %s\n  found: no end of %s within %d s\n", rules[RULE_RETURNS],
                      c->stage, TEST_TIMEOUT_MS / 1000);
        break;
    case CHILD_NOT_STARTED:
        (void)fprintf(out, "  found: no process could be started (errno %d)\n", c->code);
        break;
    case CHILD_EXITED:
        if (c->output.len == 0) {
            (void)fprintf(out, "  rule: %s\n  found: it ended its process with status %d in %s\n",
                          rules[RULE_ALIVE], c->code, c->stage);
        }
        tell_lines(bytes_span(&c->output), out);
        break;
    }
}

enum verdict { PASSED, FAILED, SKIPPED };

static enum verdict
test_run(const struct job *j, int number, FILE *out)
{
    struct child c = {.run = test_here, .arg = (void *)(uintptr_t)j, .timeout_ms = TEST_TIMEOUT_MS};
    child_run(&c);
    enum verdict v = FAILED;
    if (c.end == CHILD_EXITED && c.code == 0) {
        v = PASSED;
        (void)fprintf(out, "ok %d - %s\n", number, j->test->name);
    } else if (c.end == CHILD_EXITED && c.code == EXIT_SKIPPED) {
        v = SKIPPED;
        (void)fprintf(out, "ok %d - %s # SKIP %.*s\n", number, j->test->name, (int)c.output.len,
                      (const char *)c.output.data);
    } else {
        (void)fprintf(out, "not ok %d - %s\n  ---\n", number, j->test->name);
        tell_end(&c, out);
        tell_again(j, out);
        (void)fprintf(out, "  ...\n");
    }
    (void)fflush(out);
    child_fini(&c);
    return v;
}

static bool
is_chosen(const struct kit__test *t, const char *only)
{
    size_t n = only == NULL ? 0 : strlen(only);
    return n == 0 || (strncmp(t->name, only, n) == 0 && (t->name[n] == '\0' || t->name[n] == '/'));
}

static size_t
choose(const char *only, const struct kit__test **ret, size_t max)
{
    static const struct kit__test *const parts[] = {kit__library_tests, kit__config_tests,
                                                    kit__life_tests,    kit__storage_tests,
                                                    kit__list_tests,    kit__race_tests};
    size_t count = 0;
    for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++) {
        for (const struct kit__test *t = parts[p]; t->name != NULL && count < max; t++) {
            if (is_chosen(t, only)) {
                ret[count++] = t;
            }
        }
    }
    return count;
}

int
testkit_run(const struct testkit_options *o, FILE *out)
{
    enum { TESTS_MAX = 64 };
    const struct kit__test *chosen[TESTS_MAX];
    int counts[3] = {0, 0, 0};
    size_t count = choose(o->only, chosen, TESTS_MAX);
    if (count == 0) {
        return -1;
    }
    (void)fprintf(out, "TAP version 13\n1..%zu\n# sluice plugin test %s, seed %llu\n", count,
                  o->subject, (unsigned long long)o->seed);
    for (size_t i = 0; i < count; i++) {
        struct job j = {o, chosen[i]};
        if (o->is_in_process) {
            test_here(&j);
            (void)fprintf(out, "ok %zu - %s\n", i + 1, chosen[i]->name);
        } else {
            counts[test_run(&j, (int)i + 1, out)]++;
        }
    }
    if (!o->is_in_process) {
        (void)fprintf(out, "# %d passed, %d failed, %d skipped\n", counts[PASSED], counts[FAILED],
                      counts[SKIPPED]);
    }
    return counts[FAILED];
}
