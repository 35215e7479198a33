/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/inspect.h"

#include "plugin/child.h"
#include "plugin/loader.h"

#include <sluice/storage.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { TIMEOUT_MS = 5000, EXIT_REFUSED = 97, LINE_BYTES = 1024 };

struct inspection {
    const struct plugin_source *src;
    const char *name;
};

__attribute__((format(printf, 1, 2))) static void
tell(const char *fmt, ...)
{
    char line[LINE_BYTES];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    child_report(span_cstr(line));
}

static const char *
or_dash(const char *s)
{
    return s == NULL || s[0] == '\0' ? "-" : s;
}

static void
tell_flags(uint64_t flags)
{
    static const struct {
        uint64_t bit;
        const char *name;
    } names[] = {{SLUICE_F_CONCURRENT, "concurrent"},
                 {SLUICE_F_PER_LOOP, "per-loop"},
                 {SLUICE_F_MAY_BLOCK, "may-block"}};
    tell("flags      ");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((flags & names[i].bit) != 0) {
            tell(" %s", names[i].name);
        }
    }
    tell(flags == 0 ? " none\n" : "\n");
}

static void
tell_storage(const sluice_storage *t)
{
    static const struct {
        uint64_t bit;
        const char *name;
    } names[] = {{SLUICE_STORE_IF_ABSENT, "conditional create"},
                 {SLUICE_STORE_IF_VERSION, "conditional replace"},
                 {SLUICE_STORE_LOCAL, "local"},
                 {SLUICE_STORE_VOLATILE, "volatile: forgets everything with its instance"}};
    tell("offers      " SLUICE_STORAGE_V1 "\n");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((t->capabilities & names[i].bit) != 0) {
            tell("              %s\n", names[i].name);
        }
    }
    if (t->max_object_size != 0) {
        tell("              objects up to %llu bytes\n", (unsigned long long)t->max_object_size);
    }
}

static void
tell_offers(const struct plugin_instance *p)
{
    static const char *const ids[] = {"sluice.auth/1", "sluice.metrics/1", "sluice.processor/1",
                                      "sluice.transform/1"};
    const void *storage = plugin_instance_extension(p, SLUICE_STORAGE_V1);
    size_t count = storage == NULL ? 0 : 1;
    if (storage != NULL) {
        tell_storage((const sluice_storage *)storage);
    }
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        if (plugin_instance_extension(p, ids[i]) != NULL) {
            tell("offers      %s (this server has no use for it yet)\n", ids[i]);
            count++;
        }
    }
    if (count == 0) {
        tell("offers      nothing that this server knows\n");
    }
}

static void
tell_key(const sluice_conf_key *k)
{
    static const char *const types[] = {"?",    "string",   "integer", "boolean",
                                        "size", "duration", "word"};
    bool is_known = k->type >= SLUICE_CONF_STR && k->type <= SLUICE_CONF_ENUM;
    tell("  %s = %s\n      %s\n      (%s", k->name, k->dflt == NULL ? "" : k->dflt, or_dash(k->doc),
         types[is_known ? k->type : 0]);
    if (k->type == SLUICE_CONF_ENUM) {
        tell(": %s", or_dash(k->unit));
    } else if (k->min != 0 || k->max != 0) {
        tell(": %lld to %lld", (long long)k->min, (long long)k->max);
    }
    tell("%s%s)\n", (k->flags & SLUICE_CONF_REQUIRED) != 0 ? ", required" : "",
         (k->flags & SLUICE_CONF_SECRET) != 0 ? ", secret" : "");
}

static void
tell_all(const struct plugin_instance *p, const sluice_plugin *t)
{
    tell("id          %s\nversion     %s\nlicense     %s\nsummary     %s\n", t->id, t->version,
         or_dash(t->license), or_dash(t->summary));
    tell("ABI         %u.%u (this server has %d.%d)\n", t->abi_major, t->needs_minor,
         SLUICE_ABI_MAJOR, SLUICE_ABI_MINOR);
    tell_flags(t->flags);
    child_enter("extension");
    tell_offers(p);
    tell("keys\n");
    for (const sluice_conf_key *k = t->conf_keys; k != NULL && k->name != NULL; k++) {
        tell_key(k);
    }
}

static _Noreturn void
refuse(const struct sl_error *err)
{
    child_report(span_cstr(err->msg));
    _exit(EXIT_REFUSED);
}

static void
inspect_here(void *arg)
{
    const struct inspection *in = (const struct inspection *)arg;
    const struct plugin_conf conf = {.is_inspection = true};
    struct sl_error err = SL_ERROR_INIT;
    struct plugin_instance *p = NULL;
    sluice_plugin table;
    plugin_open_fn open = in->src->open;
    child_enter("loading");
    if (open == NULL && plugin_load(in->src->path, in->src->sha256, &open, &err) != SL_OK) {
        refuse(&err);
    }
    child_enter("sluice_plugin_open");
    if (plugin_source_table(in->src, in->name, &table, &err) != SL_OK) {
        refuse(&err);
    }
    child_enter("create");
    if (plugin_instance_open(in->src, in->name, &conf, &p, &err) != SL_OK) {
        refuse(&err);
    }
    tell_all(p, &table);
    child_enter("destroy");
    plugin_instance_close(&p);
}

enum sl_err
plugin_inspect(const struct plugin_source *src, const char *name, FILE *out, struct sl_error *err)
{
    struct inspection in = {src, name};
    struct child c = {.run = inspect_here, .arg = &in, .timeout_ms = TIMEOUT_MS};
    child_run(&c);
    enum sl_err rc = SL_OK;
    if (c.end == CHILD_EXITED && c.code == 0) {
        (void)fprintf(out, "%.*s", (int)c.output.len, (const char *)c.output.data);
    } else if (c.end == CHILD_EXITED && c.code == EXIT_REFUSED) {
        rc = sl_error_set(err, SL_EINVAL, "%.*s", (int)c.output.len, (const char *)c.output.data);
    } else if (c.end == CHILD_EXITED) {
        rc = sl_error_set(err, SL_EINVAL,
                          "%s: it ended its process with status %d in %s; do not load it in a "
                          "server",
                          name, c.code, c.stage);
    } else if (c.end == CHILD_SIGNALED) {
        rc =
            sl_error_set(err, SL_EINVAL, "%s: it crashed with %s in %s; do not load it in a server",
                         name, child_signal_name(c.code), c.stage);
    } else if (c.end == CHILD_TIMED_OUT) {
        rc = sl_error_set(err, SL_ETIMEOUT,
                          "%s: it did not come back from %s within %d s; do not load it in a "
                          "server",
                          name, c.stage, TIMEOUT_MS / 1000);
    } else {
        rc = sl_error_sys(err, c.code, "cannot start a process");
    }
    child_fini(&c);
    return rc;
}
