#include "broker/bucket.h"

#include "base/diag.h"
#include "base/gate.h"
#include "plugin/crash.h"
#include "plugin/instance.h"
#include "reader/wait.h"
#include "storage-fs/storage_fs.h"
#include "store/plugin_store.h"
#include "store/probe.h"

#include <jansson.h>
#include <stdio.h>

enum { FORMAT = 1, PAIRS_MAX = 64, JOURNALS_MAX = 1024 };

/* Built-in storage plugins, through the very table that a .so fills. */
static const struct builtin {
    const char *name;
    struct plugin_source source;
} builtins[] = {{"fs", {.open = storage_fs_plugin_open}}};

/* Where a plugin comes from, and which section of the configuration holds its keys. */
struct choice {
    struct plugin_source source;
    const char *name, *section;
    bool is_storage; /* the one that [storage] plugin names */
    /* Its section's own keys are handed on where the plugin asks for them. */
    bool takes_server_keys;
};

const struct plugin_source *
bucket_builtin(const char *name)
{
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        if (strcmp(builtins[i].name, name) == 0) {
            return &builtins[i].source;
        }
    }
    return NULL;
}

static enum sl_err
unknown_plugin(const struct config *cfg, struct sl_error *err)
{
    struct nearest near;
    const char *name = cfg->storage.plugin;
    nearest_init(&near, name);
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        nearest_offer(&near, builtins[i].name);
    }
    for (size_t i = 0; i < cfg->plugin_count; i++) {
        nearest_offer(&near, cfg->plugins[i].name);
    }
    if (near.best != NULL) {
        return sl_error_set(err, SL_EINVAL,
                            "[storage] plugin = %s: no such plugin; did you mean %s?", name,
                            near.best);
    }
    return sl_error_set(err, SL_EINVAL,
                        "[storage] plugin = %.80s: neither built in (fs is) nor a section [plugin "
                        "%.80s]; write that section, with path = the .so file",
                        name, name);
}

static struct choice
choice_of_section(const struct config *cfg, const struct config_plugin *c)
{
    return (struct choice){.source = {.path = c->path, .sha256 = c->sha256},
                           .name = c->name,
                           .section = c->section,
                           .is_storage = strcmp(c->name, cfg->storage.plugin) == 0};
}

static enum sl_err
no_storage(const struct config *cfg, struct sl_error *err)
{
    return sl_error_set(err, SL_ENOTSUP,
                        "[storage] plugin = %.200s: it offers no " SLUICE_STORAGE_V1
                        ", so it cannot be the storage",
                        cfg->storage.plugin);
}

/* What [storage] plugin names. */
static enum sl_err
storage_choice(const struct config *cfg, struct choice *ret, struct sl_error *err)
{
    const char *name = cfg->storage.plugin;
    const struct plugin_source *builtin = bucket_builtin(name);
    if (builtin != NULL || strchr(name, '/') != NULL) {
        *ret = (struct choice){.source = {.path = name},
                               .name = builtin != NULL ? name : strrchr(name, '/') + 1,
                               .section = "storage",
                               .takes_server_keys = true,
                               .is_storage = true};
        if (builtin != NULL) {
            ret->source = *builtin;
        }
        return SL_OK;
    }
    for (size_t i = 0; i < cfg->plugin_count; i++) {
        if (strcmp(cfg->plugins[i].name, name) == 0) {
            *ret = choice_of_section(cfg, &cfg->plugins[i]);
            return SL_OK;
        }
    }
    return unknown_plugin(cfg, err);
}

/* What the plugin's key table asks for, taken from the section's own keys and from the extras. */
static size_t
gather_pairs(const struct config *cfg, const struct choice *c, const sluice_conf_key *keys,
             struct plugin_conf_pair pairs[PAIRS_MAX])
{
    size_t count = 0;
    const struct config_extra *extras = NULL;
    for (const sluice_conf_key *k = keys; k != NULL && k->name != NULL && c->takes_server_keys;
         k++) {
        const char *value = config_text(cfg, c->section, k->name);
        if (value != NULL && count < PAIRS_MAX) {
            pairs[count++] = (struct plugin_conf_pair){k->name, value};
        }
    }
    size_t extra_count = config_extras(cfg, c->section, &extras);
    for (size_t i = 0; i < extra_count && count < PAIRS_MAX; i++) {
        pairs[count++] = (struct plugin_conf_pair){extras[i].key, extras[i].value};
    }
    return count;
}

/* The keys of [plugin NAME] that are the loader's cannot be a plugin's, too. */
static enum sl_err
keys_check(const struct config *cfg, const struct choice *c, const sluice_conf_key *keys,
           struct sl_error *err)
{
    for (const sluice_conf_key *k = keys; k->name != NULL && !c->takes_server_keys; k++) {
        if (config_text(cfg, c->section, k->name) != NULL) {
            return sl_error_set(err, SL_EINVAL,
                                "[%s] %s is the loader's key, and the plugin declares it as its "
                                "own; it must name it otherwise",
                                c->section, k->name);
        }
    }
    return SL_OK;
}

/* Loads the plugin, checks its keys, and configures an instance without starting it. */
static enum sl_err
choice_check(const struct config *cfg, const struct choice *c, const struct config_args *args,
             struct sl_error *err)
{
    static const sluice_conf_key none[] = {{0}};
    struct plugin_conf_pair pairs[PAIRS_MAX];
    struct plugin_instance *dry = NULL;
    sluice_plugin table;
    enum sl_err rc = plugin_source_table(&c->source, c->name, &table, err);
    if (rc != SL_OK) {
        return rc;
    }
    const sluice_conf_key *keys = table.conf_keys == NULL ? none : table.conf_keys;
    rc = keys_check(cfg, c, keys, err);
    if (rc == SL_OK) {
        rc = config_extras_check(cfg, c->section, keys, args, err);
    }
    if (rc != SL_OK) {
        return rc;
    }
    const struct plugin_conf conf = {.pairs = pairs,
                                     .count = gather_pairs(cfg, c, keys, pairs),
                                     .section = c->section,
                                     .is_dry_run = true};
    rc = plugin_instance_open(&c->source, c->name, &conf, &dry, err);
    if (rc == SL_OK && c->is_storage && plugin_instance_extension(dry, SLUICE_STORAGE_V1) == NULL) {
        rc = no_storage(cfg, err);
    }
    plugin_instance_close(&dry);
    return rc;
}

enum sl_err
bucket_check(const struct config *cfg, const struct config_args *args, struct sl_error *err)
{
    static const sluice_conf_key none[] = {{0}};
    struct choice storage;
    enum sl_err rc = storage_choice(cfg, &storage, err);
    if (rc == SL_OK && storage.takes_server_keys) {
        rc = choice_check(cfg, &storage, args, err);
    } else if (rc == SL_OK) { /* further keys of [storage] belong into the plugin's section */
        rc = config_extras_check(cfg, "storage", none, args, err);
    }
    for (size_t i = 0; i < cfg->plugin_count && rc == SL_OK; i++) {
        const struct choice c = choice_of_section(cfg, &cfg->plugins[i]);
        if (bucket_builtin(c.name) != NULL) {
            return sl_error_set(err, SL_EINVAL, "[plugin %s]: %s is built in; choose another name",
                                c.name, c.name);
        }
        rc = choice_check(cfg, &c, args, err);
    }
    return rc;
}

size_t
bucket_plugin_keys(struct config_plugin_keys *ret, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]) && count < max; i++) {
        const struct sluice_conf_key *keys = plugin_source_keys(&builtins[i].source);
        if (keys != NULL) {
            ret[count++] = (struct config_plugin_keys){"storage", builtins[i].name, keys};
        }
    }
    return count;
}

static enum sl_err
store_open(const struct config *cfg, struct bucket *b, struct sl_error *err)
{
    const sluice_storage *table =
        (const sluice_storage *)plugin_instance_extension(b->plugin, SLUICE_STORAGE_V1);
    if (table == NULL) {
        return no_storage(cfg, err);
    }
    b->capabilities = table->capabilities;
    if ((table->capabilities & SLUICE_STORE_VOLATILE) != 0) {
        SL_WARN(NULL, "store.volatile", KV_STR("store", b->name),
                KV_STR("meaning", "everything is lost when this broker stops; it is for tests"));
    }
    const struct plugin_store_options o = {.name = b->name,
                                           .table = table,
                                           .instance = plugin_instance_self(b->plugin),
                                           .plugin_flags = plugin_instance_flags(b->plugin),
                                           .threads = (uint32_t)cfg->storage.threads,
                                           .meter = plugin_instance_meter(b->plugin)};
    return plugin_store_open(&o, &b->store, err);
}

enum sl_err
bucket_open(const struct config *cfg, struct bucket *b, struct sl_error *err)
{
    struct plugin_conf_pair pairs[PAIRS_MAX];
    struct choice c = {0};
    sluice_plugin table;
    plugin_crash_install();
    enum sl_err rc = storage_choice(cfg, &c, err);
    if (rc == SL_OK) {
        rc = plugin_source_table(&c.source, c.name, &table, err);
    }
    if (rc != SL_OK) {
        return rc;
    }
    const struct plugin_conf conf = {.pairs = pairs,
                                     .count = gather_pairs(cfg, &c, table.conf_keys, pairs),
                                     .section = c.section};
    rc = plugin_instance_open(&c.source, c.name, &conf, &b->plugin, err);
    if (rc != SL_OK) {
        return rc;
    }
    if (c.source.open != NULL) {
        (void)snprintf(b->name, sizeof(b->name), "%s store %.300s", c.name, cfg->storage.path);
    } else {
        (void)snprintf(b->name, sizeof(b->name), "store %.60s (%.80s)", c.name,
                       plugin_instance_id(b->plugin));
    }
    rc = store_open(cfg, b, err);
    if (rc != SL_OK) {
        plugin_instance_close(&b->plugin);
    }
    return rc;
}

void
bucket_unused_tell(const struct config *cfg)
{
    for (size_t i = 0; i < cfg->plugin_count; i++) {
        if (strcmp(cfg->plugins[i].name, cfg->storage.plugin) != 0) {
            SL_WARN(NULL, "plugin.unused", KV_STR("name", cfg->plugins[i].name),
                    KV_STR("meaning", "its section was checked, but nothing uses it and it is not "
                                      "started; [storage] plugin = NAME would"));
        }
    }
}

void
bucket_close(struct bucket *b)
{
    plugin_store_close(&b->store);
    plugin_instance_close(&b->plugin);
}

/* --- probe --- */

struct waited_probe {
    struct store_probe probe; /* first member */
    struct gate gate;
};

static void
probe_done(struct store_probe *p)
{
    gate_pass(&((struct waited_probe *)(void *)p)->gate);
}

static void
probe_submit(void *arg)
{
    store_probe_start(&((struct waited_probe *)arg)->probe);
}

static enum sl_err
probe(struct bucket *b, const struct config *cfg, struct sched *home, struct sl_error *err)
{
    struct waited_probe w = {.probe = {.st = b->store,
                                       .home = home,
                                       .name = b->name,
                                       .prefix = cfg->storage.prefix,
                                       .done = probe_done}};
    gate_init(&w.gate, 1);
    run_on(home, probe_submit, &w);
    (void)gate_wait(&w.gate, -1);
    gate_fini(&w.gate);
    enum sl_err rc = w.probe.rc;
    if (rc != SL_OK) {
        *err = w.probe.err;
    }
    store_probe_fini(&w.probe);
    return rc;
}

/* --- cluster.json --- */

static enum sl_err
cluster_parse(struct bucket *b, const char *key, struct span text, struct sl_error *err)
{
    json_error_t why;
    json_int_t format = 0;
    json_int_t min_reader = 0;
    json_int_t min_writer = 0;
    json_int_t journals = 0;
    const char *id = "";
    json_t *root = json_loadb((const char *)text.ptr, text.len, 0, &why);
    enum sl_err rc = SL_OK;
    if (root == NULL ||
        json_unpack(root, "{s:I, s:I, s:I, s:s, s:I}", "format", &format, "min_reader", &min_reader,
                    "min_writer", &min_writer, "cluster_id", &id, "journals", &journals) != 0) {
        rc = sl_error_set(err, SL_ECORRUPT, "%s cannot be read (%s); restore it from a copy", key,
                          root == NULL ? why.text : "a field is missing");
    } else if (min_reader > FORMAT || min_writer > FORMAT) {
        rc =
            sl_error_set(err, SL_EVERSION,
                         "%s asks for format %d to read and %d to write, this binary has %d; run a "
                         "newer sluice",
                         key, (int)min_reader, (int)min_writer, FORMAT);
    } else if (!uuid_parse(id, &b->cluster) || journals < 1 || journals > JOURNALS_MAX) {
        rc = sl_error_set(err, SL_ECORRUPT, "%s names no sound cluster_id and number of journals",
                          key);
    } else {
        b->journals = (uint32_t)journals;
    }
    json_decref(root);
    return rc;
}

struct new_id {
    struct sched *home;
    struct uuid id;
};

static void
make_id(void *arg)
{
    struct new_id *n = (struct new_id *)arg;
    n->id = uuid_random(n->home);
}

/* Measured (docs/operations.md): a local store flushes the disk once for each entry, and the
 * flushes of several journals queue behind each other. */
static int
journals_of(const struct bucket *b, const struct config *cfg)
{
    enum { ON_LOCAL_STORES = 1, ON_OBJECT_STORES = 4 };
    if (cfg->journal.cluster_journals > 0) {
        return (int)cfg->journal.cluster_journals;
    }
    return (b->capabilities & SLUICE_STORE_LOCAL) != 0 ? ON_LOCAL_STORES : ON_OBJECT_STORES;
}

static void
cluster_create(struct bucket *b, const struct config *cfg, struct sched *home, const char *key)
{
    char text[256];
    char id[UUID_TEXT];
    struct store_call call = {.kind = STORE_PUT, .if_absent = true, .part_count = 1};
    struct new_id fresh = {.home = home};
    run_on(home, make_id, &fresh);
    uuid_text(&fresh.id, id);
    int n = snprintf(text, sizeof(text),
                     "{\"format\": %d, \"min_reader\": %d, \"min_writer\": %d, \"cluster_id\": "
                     "\"%s\", \"journals\": %d}\n",
                     FORMAT, FORMAT, FORMAT,
                     cfg->server.cluster_id[0] != '\0' ? cfg->server.cluster_id : id,
                     journals_of(b, cfg));
    (void)snprintf(call.key, sizeof(call.key), "%s", key);
    call.parts[0] = span_of(text, n > 0 ? (size_t)n : 0);
    store_wait(home, b->store, &call); /* whatever came of it: what stands there now is read next */
}

static enum sl_err
check_id(const struct bucket *b, const struct config *cfg, struct sl_error *err)
{
    char id[UUID_TEXT];
    uuid_text(&b->cluster, id);
    if (cfg->server.cluster_id[0] != '\0' && strcmp(cfg->server.cluster_id, id) != 0) {
        return sl_error_set(
            err, SL_EINVAL,
            "%s belongs to cluster %s, but server.cluster.id is %s; is this the right "
            "bucket?",
            b->name, id, cfg->server.cluster_id);
    }
    return SL_OK;
}

/* SL_ENOENT: there is none. */
static enum sl_err
cluster_read(struct bucket *b, const struct config *cfg, struct sched *home, struct sl_error *err)
{
    struct store_call call = {.kind = STORE_GET};
    (void)snprintf(call.key, sizeof(call.key), "%s/cluster.json", cfg->storage.prefix);
    store_wait(home, b->store, &call);
    if (call.outcome == STORE_DONE) {
        enum sl_err rc = cluster_parse(b, call.key, buf_span(call.body), err);
        buf_unref(&call.body);
        return rc != SL_OK ? rc : check_id(b, cfg, err);
    }
    if (call.outcome == STORE_ABSENT) {
        return sl_error_set(err, SL_ENOENT,
                            "%s: there is no %s, so no broker has ever used this bucket", b->name,
                            call.key);
    }
    return sl_error_set(err, call.rc, "%s: %s: %s", b->name, call.key, call.why);
}

static enum sl_err
cluster_join(struct bucket *b, const struct config *cfg, struct sched *home, struct sl_error *err)
{
    char key[STORE_KEY_MAX];
    struct uuid given;
    if (cfg->server.cluster_id[0] != '\0' && !uuid_parse(cfg->server.cluster_id, &given)) {
        return sl_error_set(err, SL_EINVAL,
                            "server.cluster.id = %s: must be 22 characters of URL-safe base64",
                            cfg->server.cluster_id);
    }
    (void)snprintf(key, sizeof(key), "%s/cluster.json", cfg->storage.prefix);
    for (int attempt = 0; attempt < 3; attempt++) {
        enum sl_err rc = cluster_read(b, cfg, home, err);
        if (rc != SL_ENOENT) {
            return rc;
        }
        cluster_create(b, cfg, home, key);
    }
    return sl_error_set(err, SL_EIO, "%s: %s can neither be read nor created", b->name, key);
}

enum sl_err
bucket_look(struct bucket *b, const struct config *cfg, struct sched *home, struct sl_error *err)
{
    return cluster_read(b, cfg, home, err);
}

enum sl_err
bucket_join(struct bucket *b, const struct config *cfg, struct sched *home, struct sl_error *err)
{
    enum sl_err rc = probe(b, cfg, home, err);
    return rc != SL_OK ? rc : cluster_join(b, cfg, home, err);
}
