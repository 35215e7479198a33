/* SPDX-License-Identifier: Apache-2.0
 *
 * Part Config: the key table, and what configure does with values at their limits.
 *
 * The host checks types and bounds before configure sees them, so what is asked of the plugin is
 * the rest: text of any kind, numbers at both ends of their range, keys that are left out. It may
 * refuse, with a sentence; it may not crash, print a secret, or do anything yet. */
#include "base/buf.h"
#include "plugin/child.h"
#include "plugin/testkit/kit_int.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAIRS_MAX = 64, LONG_TEXT = 4000 };

#define CANARY "canary-that-must-not-be-printed-7f3a91"

static const sluice_conf_key no_keys[] = {{NULL, 0, 0, NULL, NULL, NULL, 0, 0}};

static const sluice_conf_key *
keys(void)
{
    return kit.plugin.conf_keys == NULL ? no_keys : kit.plugin.conf_keys;
}

/* ---- the table itself ---- */

static void
key_check(const sluice_conf_key *k)
{
    if (k->name[0] == '\0' || k->name[strcspn(k->name, " =#;:[]\t")] != '\0') {
        kit__fail(RULE_KEYS, "\"%s\" cannot stand in a configuration file", k->name);
    }
    if (k->type < SLUICE_CONF_STR || k->type > SLUICE_CONF_ENUM) {
        kit__fail(RULE_KEYS, "%s has the type %u, which does not exist", k->name, k->type);
    }
    if (k->doc == NULL || k->doc[0] == '\0') {
        kit__fail(RULE_KEYS, "%s has no help", k->name);
    }
    if (k->min > k->max) {
        kit__fail(RULE_KEYS, "%s: its lowest value is above its highest", k->name);
    }
    if (k->type == SLUICE_CONF_ENUM && (k->unit == NULL || k->unit[0] == '\0')) {
        kit__fail(RULE_KEYS, "%s is an ENUM and `unit` lists no words", k->name);
    }
    bool is_loaders = strcmp(k->name, "path") == 0 || strcmp(k->name, "sha256") == 0;
    if (is_loaders && kit.o->source.open == NULL) {
        kit__fail(RULE_KEYS, "%s is the loader's own key in [plugin NAME]; choose another name",
                  k->name);
    }
    for (const sluice_conf_key *other = keys(); other != k; other++) {
        if (strcmp(other->name, k->name) == 0) {
            kit__fail(RULE_KEYS, "%s stands in the table twice", k->name);
        }
    }
}

static void
default_check(const sluice_conf_key *k)
{
    const sluice_conf_key one[] = {{k->name, k->type, 0, k->dflt, k->unit, k->doc, k->min, k->max},
                                   {NULL, 0, 0, NULL, NULL, NULL, 0, 0}};
    const struct plugin_conf none = {.section = "plugin"};
    struct sluice_conf c;
    struct sl_error err = SL_ERROR_INIT;
    if (k->dflt == NULL) {
        return;
    }
    if (plugin__conf_fill(one, &none, &c, &err) != SL_OK) {
        kit__fail(RULE_KEYS, "the default of %s is refused: %s", k->name, err.msg);
    }
    plugin__conf_fini(&c);
}

static void
key_table(void)
{
    for (const sluice_conf_key *k = keys(); k->name != NULL; k++) {
        key_check(k);
        default_check(k);
    }
}

/* ---- configure with one key changed ---- */

/* The run's pairs without `key`, and with it set to value unless that is NULL. */
static size_t
pairs_with(const char *key, const char *value, struct plugin_conf_pair pairs[PAIRS_MAX])
{
    size_t count = 0;
    const struct plugin_conf *conf = &kit.o->conf;
    for (size_t i = 0; i < conf->count && count < PAIRS_MAX - 1; i++) {
        if (strcmp(conf->pairs[i].key, key) != 0) {
            pairs[count++] = conf->pairs[i];
        }
    }
    if (value != NULL) {
        pairs[count++] = (struct plugin_conf_pair){key, value};
    }
    return count;
}

/* Gives whether the host let it through to configure. */
static bool
try_value(const sluice_conf_key *k, const char *value)
{
    char stage[CHILD_STAGE_BYTES];
    struct plugin_conf_pair pairs[PAIRS_MAX];
    struct sl_error err = SL_ERROR_INIT;
    struct sluice_conf c;
    sluice_instance *self = NULL;
    const struct plugin_conf conf = {
        .pairs = pairs, .count = pairs_with(k->name, value, pairs), .section = "plugin"};
    if (plugin__conf_fill(keys(), &conf, &c, &err) != SL_OK) {
        return false;
    }
    (void)snprintf(stage, sizeof(stage), "configure with %s %s%.40s", k->name,
                   value == NULL ? "left out" : "= ",
                   value == NULL || (k->flags & SLUICE_CONF_SECRET) != 0 ? "" : value);
    child_enter(stage);
    (void)kit__take_why();
    if (kit.plugin.create(&kit__host, &self) != SLUICE_OK || self == NULL) {
        kit__fail(RULE_LIFE, "create failed: %s", kit__take_why());
    }
    sluice_status status =
        kit.plugin.configure == NULL ? SLUICE_OK : kit.plugin.configure(self, &c);
    if (status != SLUICE_OK && kit__take_why()[0] == '\0') {
        kit__fail(RULE_SAYS_WHY, "%s: it failed with %s and gave no reason", stage,
                  kit__status_text(status));
    }
    kit.plugin.destroy(self);
    plugin__conf_fini(&c);
    child_enter("the test itself");
    return true;
}

static void
left_out(void)
{
    for (const sluice_conf_key *k = keys(); k->name != NULL; k++) {
        bool is_let_through = try_value(k, NULL);
        if (is_let_through && (k->flags & SLUICE_CONF_REQUIRED) != 0) {
            kit__fail(RULE_KEYS, "%s is required, and was left out", k->name);
        }
    }
}

static void
wrong_type(void)
{
    for (const sluice_conf_key *k = keys(); k->name != NULL; k++) {
        if (k->type != SLUICE_CONF_STR && try_value(k, "neither number nor word")) {
            kit__fail(RULE_KEYS, "%s took a value that is none of its type", k->name);
        }
    }
}

static void
odd_text(void)
{
    static char longest[LONG_TEXT + 1];
    memset(longest, 'x', LONG_TEXT);
    static const char *const odd[] = {
        "",  " ",           "%s%n%s%n",        "../../../../etc", "\xff\xfe\x80", "a\"b'c;d`e$(f)",
        "/", "http://[::1", "\xf0\x9f\x90\x98"};
    for (const sluice_conf_key *k = keys(); k->name != NULL; k++) {
        for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]) && k->type == SLUICE_CONF_STR; i++) {
            (void)try_value(k, odd[i]);
        }
        if (k->type == SLUICE_CONF_STR) {
            (void)try_value(k, longest);
        }
    }
}

static void
extremes(void)
{
    for (const sluice_conf_key *k = keys(); k->name != NULL; k++) {
        bool is_number = k->type == SLUICE_CONF_INT || k->type == SLUICE_CONF_SIZE ||
                         k->type == SLUICE_CONF_DURATION;
        bool is_bounded = k->min != 0 || k->max != 0;
        char low[32];
        char high[32];
        (void)snprintf(low, sizeof(low), "%lld", (long long)(is_bounded ? k->min : INT64_MIN));
        (void)snprintf(high, sizeof(high), "%lld", (long long)(is_bounded ? k->max : INT64_MAX));
        if (is_number) {
            (void)try_value(k, low);
            (void)try_value(k, high);
        }
    }
}

/* ---- secrets ---- */

static const char *
canary_of(const sluice_conf_key *k, char out[512])
{
    size_t low = k->min > 0 && k->min < 500 ? (size_t)k->min : 0;
    size_t n = strlen(CANARY);
    (void)snprintf(out, 512, "%s", CANARY);
    while (n < low) {
        out[n++] = 'x';
    }
    out[n] = '\0';
    return out;
}

/* Lives with a secret that is wrong: whatever fails, and whatever it logs, must not hold it. */
static void
live_with(const struct plugin_conf *conf)
{
    struct sl_error err = SL_ERROR_INIT;
    struct sluice_conf c;
    sluice_instance *self = NULL;
    if (plugin__conf_fill(keys(), conf, &c, &err) != SL_OK) {
        return;
    }
    child_enter("create, configure, start with a wrong secret");
    sluice_status status = kit.plugin.create(&kit__host, &self);
    if (status == SLUICE_OK && kit.plugin.configure != NULL) {
        status = kit.plugin.configure(self, &c);
    }
    if (status == SLUICE_OK && kit.plugin.start != NULL) {
        status = kit.plugin.start(self);
    }
    if (status == SLUICE_OK && kit.plugin.stop != NULL) {
        kit.plugin.stop(self);
    }
    if (self != NULL) {
        kit.plugin.destroy(self);
    }
    plugin__conf_fini(&c);
}

static void
secrets(void)
{
    size_t count = 0;
    for (const sluice_conf_key *k = keys(); k->name != NULL; k++) {
        char canary[512];
        struct plugin_conf_pair pairs[PAIRS_MAX];
        if ((k->flags & SLUICE_CONF_SECRET) == 0 || k->type != SLUICE_CONF_STR) {
            continue;
        }
        const struct plugin_conf conf = {.pairs = pairs,
                                         .count = pairs_with(k->name, canary_of(k, canary), pairs),
                                         .section = "plugin"};
        live_with(&conf);
        count++;
        if (kit__was_said(CANARY)) {
            kit__fail(RULE_SECRET,
                      "%s was set to \"%s\", and that stands in a log line or a "
                      "sentence of fail()",
                      k->name, CANARY);
        }
    }
    if (count == 0) {
        kit__skip("it declares no secret");
    }
}

/* ---- dry run ---- */

static size_t
files_in(const char *dir)
{
    size_t count = 0;
    DIR *d = opendir(dir);
    const struct dirent *e;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has this DIR */
    while (d != NULL && (e = readdir(d)) != NULL) {
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 ? 1 : 0;
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    return count;
}

/* The values of the run that name something which is not there, as bits. */
static uint64_t
missing_paths(void)
{
    uint64_t missing = 0;
    const struct plugin_conf *conf = &kit.o->conf;
    for (size_t i = 0; i < conf->count && i < PAIRS_MAX; i++) {
        missing |= access(conf->pairs[i].value, F_OK) != 0 ? UINT64_C(1) << i : 0;
    }
    return missing;
}

static void
dry_run(void)
{
    char dir[] = "/tmp/sluice-dry-run-XXXXXX";
    struct kit__life l;
    if (mkdtemp(dir) == NULL || chdir(dir) != 0) {
        kit__skip("no directory could be made under /tmp");
    }
    uint64_t missing = missing_paths();
    size_t fds = kit__fd_count();
    size_t threads = kit__thread_count();
    kit__life_begin(&l, KIT_CONFIGURED);
    size_t files = files_in(dir);
    uint64_t made = missing & ~missing_paths();
    kit__life_drop(&l);
    (void)chdir("/");
    (void)rmdir(dir);
    if (files > 0 || made != 0) {
        kit__fail(RULE_DRY_RUN, "configure made %s%s",
                  made != 0 ? "what its configuration names: " : "files in its directory",
                  made != 0 ? kit.o->conf.pairs[__builtin_ctzll(made)].key : "");
    }
    if (kit__fd_count() > fds || kit__thread_count_at_rest(threads) > threads) {
        kit__fail(RULE_DRY_RUN, "configure and destroy left files open or threads running");
    }
}

const struct kit__test kit__config_tests[] = {
    {"config/key_table", 0, key_table},   {"config/left_out", 0, left_out},
    {"config/wrong_type", 0, wrong_type}, {"config/odd_text", 0, odd_text},
    {"config/extremes", 0, extremes},     {"config/secrets", 0, secrets},
    {"config/dry_run", 0, dry_run},       {0},
};
