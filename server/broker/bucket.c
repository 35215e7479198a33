#include "broker/bucket.h"

#include "broker/gate.h"
#include "plugin/instance.h"
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

static const struct plugin_source *
find_builtin(const char *name)
{
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        if (strcmp(builtins[i].name, name) == 0) {
            return &builtins[i].source;
        }
    }
    return NULL;
}

static enum sl_err
unknown_plugin(const char *name, struct sl_error *err)
{
    return sl_error_set(err, SL_EINVAL, "[storage] plugin = %s: no such plugin; this build has: fs",
                        name);
}

enum sl_err
bucket_check(const struct config *cfg, const struct config_args *args, struct sl_error *err)
{
    const struct plugin_source *src = find_builtin(cfg->storage.plugin);
    if (src == NULL) {
        return unknown_plugin(cfg->storage.plugin, err);
    }
    return config_extras_check(cfg, "storage", plugin_source_keys(src), args, err);
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

/* What the plugin's key table asks for, taken from the server's own keys and from the extras. */
static size_t
gather_pairs(const struct config *cfg, const struct plugin_source *src,
             struct plugin_conf_pair pairs[PAIRS_MAX])
{
    size_t count = 0;
    const struct config_extra *extras = NULL;
    const struct sluice_conf_key *key = plugin_source_keys(src);
    for (; key != NULL && key->name != NULL && count < PAIRS_MAX; key++) {
        const char *value = config_text(cfg, "storage", key->name);
        if (value != NULL) {
            pairs[count++] = (struct plugin_conf_pair){key->name, value};
        }
    }
    size_t extra_count = config_extras(cfg, "storage", &extras);
    for (size_t i = 0; i < extra_count && count < PAIRS_MAX; i++) {
        pairs[count++] = (struct plugin_conf_pair){extras[i].key, extras[i].value};
    }
    return count;
}

enum sl_err
bucket_open(const struct config *cfg, struct bucket *b, struct sl_error *err)
{
    struct plugin_conf_pair pairs[PAIRS_MAX];
    const struct plugin_source *src = find_builtin(cfg->storage.plugin);
    if (src == NULL) {
        return unknown_plugin(cfg->storage.plugin, err);
    }
    const struct plugin_conf conf = {
        .pairs = pairs, .count = gather_pairs(cfg, src, pairs), .section = "storage"};
    enum sl_err rc = plugin_instance_open(src, cfg->storage.plugin, &conf, &b->plugin, err);
    if (rc != SL_OK) {
        return rc;
    }
    (void)snprintf(b->name, sizeof(b->name), "%s store %.300s", cfg->storage.plugin,
                   cfg->storage.path);
    const sluice_storage *table =
        (const sluice_storage *)plugin_instance_extension(b->plugin, SLUICE_STORAGE_V1);
    if (table == NULL) {
        plugin_instance_close(&b->plugin);
        return sl_error_set(err, SL_ENOTSUP, "plugin %s offers no " SLUICE_STORAGE_V1,
                            cfg->storage.plugin);
    }
    b->capabilities = table->capabilities;
    const struct plugin_store_options o = {.name = b->name,
                                           .table = table,
                                           .instance = plugin_instance_self(b->plugin),
                                           .plugin_flags = plugin_instance_flags(b->plugin),
                                           .threads = (uint32_t)cfg->storage.threads};
    rc = plugin_store_open(&o, &b->store, err);
    if (rc != SL_OK) {
        plugin_instance_close(&b->plugin);
    }
    return rc;
}

void
bucket_close(struct bucket *b)
{
    plugin_store_close(&b->store);
    plugin_instance_close(&b->plugin);
}

/* --- one store call, waited for --- */

struct waited_call {
    struct store_call call; /* first member */
    struct store *store;
    struct gate gate;
};

static void
waited_done(struct store_call *call)
{
    gate_pass(&((struct waited_call *)call)->gate);
}

static void
waited_submit(void *arg)
{
    struct waited_call *w = (struct waited_call *)arg;
    store_submit(w->store, &w->call);
}

static void
call_and_wait(struct bucket *b, struct sched *home, struct waited_call *w)
{
    gate_init(&w->gate, 1);
    w->store = b->store;
    w->call.home = home;
    w->call.done = waited_done;
    run_on(home, waited_submit, w);
    (void)gate_wait(&w->gate, -1);
    gate_fini(&w->gate);
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

static void
cluster_create(struct bucket *b, const struct config *cfg, struct sched *home, const char *key)
{
    char text[256];
    char id[UUID_TEXT];
    struct waited_call w = {.call = {.kind = STORE_PUT, .if_absent = true, .part_count = 1}};
    struct new_id fresh = {.home = home};
    run_on(home, make_id, &fresh);
    uuid_text(&fresh.id, id);
    int n = snprintf(text, sizeof(text),
                     "{\"format\": %d, \"min_reader\": %d, \"min_writer\": %d, \"cluster_id\": "
                     "\"%s\", \"journals\": %d}\n",
                     FORMAT, FORMAT, FORMAT,
                     cfg->server.cluster_id[0] != '\0' ? cfg->server.cluster_id : id,
                     (int)cfg->journal.cluster_journals);
    (void)snprintf(w.call.key, sizeof(w.call.key), "%s", key);
    w.call.parts[0] = span_of(text, n > 0 ? (size_t)n : 0);
    call_and_wait(b, home, &w); /* whatever came of it: what stands there now is read next */
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
        struct waited_call w = {.call = {.kind = STORE_GET}};
        (void)snprintf(w.call.key, sizeof(w.call.key), "%s", key);
        call_and_wait(b, home, &w);
        if (w.call.outcome == STORE_DONE) {
            enum sl_err rc = cluster_parse(b, key, buf_span(w.call.body), err);
            buf_unref(&w.call.body);
            return rc != SL_OK ? rc : check_id(b, cfg, err);
        }
        if (w.call.outcome != STORE_ABSENT) {
            return sl_error_set(err, w.call.rc, "%s: %s: %s", b->name, key, w.call.why);
        }
        cluster_create(b, cfg, home, key);
    }
    return sl_error_set(err, SL_EIO, "%s: %s can neither be read nor created", b->name, key);
}

enum sl_err
bucket_join(struct bucket *b, const struct config *cfg, struct sched *home, struct sl_error *err)
{
    enum sl_err rc = probe(b, cfg, home, err);
    return rc != SL_OK ? rc : cluster_join(b, cfg, home, err);
}
