/* Handshake and life of one plugin instance (sdk/include/sluice/plugin.h, rules for growth).
 *
 * Of the table that the plugin gives we keep our own zero-filled copy of min(size) bytes, so that a
 * member that an older plugin does not have reads as absent. */
#include "plugin/instance.h"

#include "base/buf.h"
#include "plugin/crash.h"
#include "plugin/loader.h"
#include "plugin/plugin_int.h"
#include "store/meter.h"
#include "store/op.h"

#include <stdio.h>
#include <time.h>

static const char *
source_name(const struct plugin_source *src, const struct plugin_instance *p)
{
    return src->path != NULL ? src->path : p->name;
}

static enum sl_err
fail_said(struct sl_error *err, const struct plugin_instance *p, const char *step,
          sluice_status status)
{
    char why[OP_WHY_MAX];
    op_take_why(why, sizeof(why));
    if (why[0] == '\0') {
        (void)snprintf(why, sizeof(why), "%s failed with status %d and gave no reason", step,
                       (int)status);
    }
    enum sl_err code = status == SLUICE_EDENIED    ? SL_EDENIED
                       : status == SLUICE_ENOSPC   ? SL_ENOSPC
                       : status == SLUICE_EINVAL   ? SL_EINVAL
                       : status == SLUICE_ECORRUPT ? SL_ECORRUPT
                       : status == SLUICE_ENOTSUP  ? SL_ENOTSUP
                                                   : SL_EIO;
    return sl_error_set(err, code, "%s (%s): %s", p->name, p->id_version, why);
}

static enum sl_err
abi_check(const struct plugin_source *src, const struct plugin_instance *p,
          const sluice_plugin *given, struct sl_error *err)
{
    const char *who = source_name(src, p);
    if (given == NULL || given->size < offsetof(sluice_plugin, flags)) {
        return sl_error_set(err, SL_EVERSION,
                            "plugin %.150s gave no sound table; build it against this server's "
                            "headers (ABI %d.%d)",
                            who, SLUICE_ABI_MAJOR, SLUICE_ABI_MINOR);
    }
    bool is_frozen = SLUICE_ABI_MAJOR > 0;
    if (given->abi_major != SLUICE_ABI_MAJOR || given->needs_minor > SLUICE_ABI_MINOR ||
        (!is_frozen && given->needs_minor != SLUICE_ABI_MINOR)) {
        return sl_error_set(err, SL_EVERSION,
                            "plugin %.150s needs ABI %u.%u, this server has %d.%d; build it "
                            "against this server's headers, or install the build for sluice %s",
                            who, given->abi_major, given->needs_minor, SLUICE_ABI_MAJOR,
                            SLUICE_ABI_MINOR, SLUICE_VERSION);
    }
    return SL_OK;
}

static enum sl_err
table_check(const struct plugin_source *src, const struct plugin_instance *p, struct sl_error *err)
{
    const sluice_plugin *t = &p->plugin;
    if (t->id == NULL || t->version == NULL || t->create == NULL || t->destroy == NULL ||
        t->extension == NULL) {
        return sl_error_set(err, SL_EINVAL,
                            "plugin %s: its table lacks id, version, create, destroy or extension",
                            source_name(src, p));
    }
    return SL_OK;
}

static enum sl_err
handshake(const struct plugin_source *src, struct plugin_instance *p, struct sl_error *err)
{
    const sluice_plugin *given = NULL;
    plugin_open_fn open = src->open;
    if (open == NULL) {
        enum sl_err rc = plugin_load(src->path, src->sha256, &open, err);
        if (rc != SL_OK) {
            return rc;
        }
    }
    char stale[OP_WHY_MAX];
    op_take_why(stale, sizeof(stale));
    (void)snprintf(p->id_version, sizeof(p->id_version), "not loaded");
    sluice_status status = open(&p->host, &given);
    if (status != SLUICE_OK) {
        return fail_said(err, p, "open", status);
    }
    enum sl_err rc = abi_check(src, p, given, err);
    if (rc != SL_OK) {
        return rc;
    }
    memcpy(&p->plugin, given, given->size < sizeof(p->plugin) ? given->size : sizeof(p->plugin));
    rc = table_check(src, p, err);
    if (rc != SL_OK) {
        return rc;
    }
    (void)snprintf(p->id_version, sizeof(p->id_version), "%s@%s", p->plugin.id, p->plugin.version);
    plugin_crash_note(p->id_version, src->path, given);
    return SL_OK;
}

static enum sl_err
life_begin(struct plugin_instance *p, const struct plugin_conf *conf, struct sl_error *err)
{
    sluice_status status = p->plugin.create(&p->host, &p->self);
    if (status != SLUICE_OK || p->self == NULL) {
        p->self = NULL;
        return fail_said(err, p, "create", status);
    }
    if (conf->is_inspection) {
        return SL_OK;
    }
    status = p->plugin.configure == NULL ? SLUICE_OK : p->plugin.configure(p->self, &p->conf);
    if (status != SLUICE_OK) {
        return fail_said(err, p, "configure", status);
    }
    if (conf->is_dry_run) {
        return SL_OK;
    }
    status = p->plugin.start == NULL ? SLUICE_OK : p->plugin.start(p->self);
    if (status != SLUICE_OK) {
        return fail_said(err, p, "start", status);
    }
    p->is_started = true;
    return SL_OK;
}

static int64_t
boottime_ns(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * SCHED_S + ts.tv_nsec;
}

static struct plugin_instance *
instance_new(const char *name)
{
    struct plugin_instance *p = (struct plugin_instance *)sl_alloc(sizeof(*p));
    (void)snprintf(p->name, sizeof(p->name), "%s", name);
    plugin__host_init(p);
    p->fields[0] = KV_STR("plugin", p->id_version);
    p->fields[1] = KV_STR("instance", p->name);
    p->diag = (struct diag){NULL, p->fields, 2};
    p->meter = store_meter_new(name, boottime_ns());
    return p;
}

enum sl_err
plugin_instance_open(const struct plugin_source *src, const char *name,
                     const struct plugin_conf *conf, struct plugin_instance **ret,
                     struct sl_error *err)
{
    struct plugin_instance *p = instance_new(name);
    enum sl_err rc = handshake(src, p, err);
    if (rc != SL_OK) {
        goto out;
    }
    p->fields[0] = KV_STR("plugin", p->id_version);
    if (!conf->is_inspection) {
        rc = plugin__conf_fill(p->plugin.conf_keys, conf, &p->conf, err);
    }
    if (rc != SL_OK) {
        goto out;
    }
    rc = life_begin(p, conf, err);
    if (rc != SL_OK) {
        goto out;
    }
    *ret = p;
    p = NULL;
out:
    plugin_instance_close(&p);
    return rc;
}

void
plugin_instance_close(struct plugin_instance **pp)
{
    struct plugin_instance *p = *pp;
    *pp = NULL;
    if (p == NULL) {
        return;
    }
    if (p->is_started && p->plugin.quiesce != NULL) {
        (void)p->plugin.quiesce(p->self);
    }
    if (p->is_started && p->plugin.stop != NULL) {
        p->plugin.stop(p->self);
    }
    if (p->self != NULL) {
        p->plugin.destroy(p->self);
    }
    plugin__conf_fini(&p->conf);
    plugin__counters_fini(p);
    store_meter_destroy(&p->meter);
    sl_free(p);
}

const void *
plugin_instance_extension(const struct plugin_instance *p, const char *id)
{
    return p->plugin.extension(p->self, id);
}

sluice_instance *
plugin_instance_self(const struct plugin_instance *p)
{
    return p->self;
}

uint64_t
plugin_instance_flags(const struct plugin_instance *p)
{
    return p->plugin.flags;
}

struct store_meter *
plugin_instance_meter(const struct plugin_instance *p)
{
    return p->meter;
}

const char *
plugin_instance_id(const struct plugin_instance *p)
{
    return p->plugin.id;
}

enum sl_err
plugin_source_table(const struct plugin_source *src, const char *name, sluice_plugin *ret,
                    struct sl_error *err)
{
    struct plugin_instance *p = instance_new(name);
    enum sl_err rc = handshake(src, p, err);
    if (rc == SL_OK) {
        *ret = p->plugin;
    }
    plugin_instance_close(&p);
    return rc;
}

const struct sluice_conf_key *
plugin_source_keys(const struct plugin_source *src)
{
    sluice_plugin table;
    struct sl_error err = SL_ERROR_INIT;
    return plugin_source_table(src, "inspect", &table, &err) == SL_OK ? table.conf_keys : NULL;
}

const char *
plugin_source_key(const struct plugin_source *src, size_t index)
{
    const struct sluice_conf_key *k = plugin_source_keys(src);
    for (size_t i = 0; k != NULL && k->name != NULL && i < index; i++) {
        k++;
    }
    return k == NULL ? NULL : k->name;
}
