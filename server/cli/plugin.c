/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice plugin inspect` and `sluice plugin test`. A plugin is named by its file, or, when it is
 * built in, as builtin:NAME. Its keys come from the configuration's [plugin NAME] section, the
 * first one that names this file, else the first one; without such a section, from [storage]. */
#include "base/buf.h"
#include "cli/cli_int.h"
#include "plugin/inspect.h"
#include "plugin/instance.h"
#include "plugin/testkit/testkit.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#define BUILTIN "builtin:"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, PAIRS_MAX = 64 };

struct subject {
    struct plugin_source source;
    char path[PATH_MAX];
};

static bool
complain(const char *name, const char *what)
{
    (void)fprintf(stderr, "sluice plugin: %s: %s\n", name, what);
    return false;
}

static bool
subject_find(const struct cli__args *args, const char *name, struct subject *ret)
{
    size_t n = strlen(BUILTIN);
    if (strncmp(name, BUILTIN, n) == 0) {
        const struct plugin_source *builtin =
            args->hooks->builtin == NULL ? NULL : args->hooks->builtin(name + n);
        if (builtin == NULL) {
            return complain(name, "no such plugin is built in; builtin:fs is");
        }
        ret->source = *builtin;
        return true;
    }
    if (realpath(name, ret->path) == NULL) {
        char why[96] = "";
        return complain(name, strerror_r(errno, why, sizeof(why)));
    }
    ret->source = (struct plugin_source){.path = ret->path};
    return true;
}

static int
inspect(const struct cli__args *args, const struct subject *s)
{
    struct sl_error err = SL_ERROR_INIT;
    if (plugin_inspect(&s->source, args->second, stdout, &err) != SL_OK) {
        (void)fprintf(stderr, "sluice plugin inspect: %s\n", err.msg);
        return EXIT_FAILED;
    }
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* ---- test ---- */

static void
print_problem(void *arg, const char *problem)
{
    (void)arg;
    (void)fprintf(stderr, "sluice: %s\n", problem);
}

static const char *
section_of(const struct config *cfg, const struct subject *s)
{
    char real[PATH_MAX];
    for (size_t i = 0; i < cfg->plugin_count && s->source.path != NULL; i++) {
        if (realpath(cfg->plugins[i].path, real) != NULL && strcmp(real, s->source.path) == 0) {
            return cfg->plugins[i].section;
        }
    }
    bool is_so = s->source.path != NULL;
    return is_so && cfg->plugin_count > 0 ? cfg->plugins[0].section : "storage";
}

/* What the section says. The server's own keys of [storage] are a built-in's, too; a shared object
 * is not asked for its keys here, because only a child may load it. */
static size_t
pairs_of(const struct config *cfg, const char *section, const struct plugin_source *src,
         struct plugin_conf_pair *pairs)
{
    size_t count = 0;
    const struct config_extra *extras;
    const char *key;
    for (size_t i = 0; src->open != NULL && (key = plugin_source_key(src, i)) != NULL; i++) {
        const char *value = config_text(cfg, section, key);
        if (value != NULL && count < PAIRS_MAX) {
            pairs[count++] = (struct plugin_conf_pair){key, value};
        }
    }
    size_t extra_count = config_extras(cfg, section, &extras);
    for (size_t i = 0; i < extra_count && count < PAIRS_MAX; i++) {
        pairs[count++] = (struct plugin_conf_pair){extras[i].key, extras[i].value};
    }
    return count;
}

static bool
number(const char *option, const char *text, uint64_t *ret)
{
    char *end;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        (void)fprintf(stderr, "sluice plugin test: %s takes a whole number, not %s\n", option,
                      text);
        return false;
    }
    return true;
}

static uint64_t
seed_from_clock(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return ((uint64_t)ts.tv_sec * 1000000007u ^ (uint64_t)ts.tv_nsec) % 1000000;
}

static bool
options_fill(const struct cli__args *args, struct testkit_options *o)
{
    uint64_t deadline_ms = 0;
    o->seed = seed_from_clock();
    if ((args->seed != NULL && !number("--seed", args->seed, &o->seed)) ||
        (args->deadline_ms != NULL && !number("--deadline", args->deadline_ms, &deadline_ms))) {
        return false;
    }
    o->deadline_ms = (int64_t)(deadline_ms < 3600000 ? deadline_ms : 3600000);
    o->only = args->only;
    o->config_path = args->config_path;
    o->is_in_process = args->is_in_process;
    o->has_sets = args->set_count > 0;
    return true;
}

static int
run_kit(const struct cli__args *args, const struct testkit_options *o)
{
    int failed = testkit_run(o, stdout);
    if (failed < 0) {
        (void)fprintf(stderr,
                      "sluice plugin test: --only %s names no test; there are the parts library, "
                      "config, lifecycle, storage\n",
                      args->only);
        return EXIT_USAGE;
    }
    return failed == 0 && fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int
test(const struct cli__args *args, const struct subject *s)
{
    struct plugin_conf_pair pairs[PAIRS_MAX];
    struct testkit_options o = {.source = s->source, .subject = args->second};
    struct config *cfg = NULL;
    struct sl_error err = SL_ERROR_INIT;
    const struct config_args from = {.path = args->config_path,
                                     .sets = args->sets,
                                     .set_count = args->set_count,
                                     .report = print_problem};
    if (!options_fill(args, &o)) {
        return EXIT_USAGE;
    }
    o.conf = (struct plugin_conf){.pairs = pairs, .section = "plugin"};
    if (args->config_path != NULL || args->set_count > 0) { /* else the plugin's own defaults */
        if (config_load(&from, &cfg, &err) != SL_OK) {
            return EXIT_USAGE; /* reported */
        }
        o.conf.section = section_of(cfg, s);
        o.conf.count = pairs_of(cfg, o.conf.section, &s->source, pairs);
    }
    int status = run_kit(args, &o);
    config_destroy(&cfg);
    return status;
}

int
cli__plugin(const struct cli__args *args)
{
    struct subject s = {0};
    if (args->word == NULL || args->second == NULL) {
        (void)fprintf(stderr, "sluice plugin: write `sluice plugin inspect FILE` or `sluice plugin "
                              "test FILE`\n");
        return EXIT_USAGE;
    }
    bool is_test = strcmp(args->word, "test") == 0;
    if (!is_test && strcmp(args->word, "inspect") != 0) {
        (void)fprintf(stderr, "sluice plugin: there are inspect and test, not %s\n", args->word);
        return EXIT_USAGE;
    }
    if (!subject_find(args, args->second, &s)) {
        return EXIT_USAGE;
    }
    return is_test ? test(args, &s) : inspect(args, &s);
}
