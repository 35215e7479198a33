/* One plugin, opened, checked, configured and started: built-in ones through the very table that an
 * external .so fills.
 *
 * Threads:  open and close on the main thread; the host table that the plugin gets works on any.
 * Lifetime: open (create, configure, start) -> calls -> close (quiesce, stop, destroy). Whoever
 *           calls the plugin's capability tables stops doing so before close. */
#ifndef SLUICE_PLUGIN_INSTANCE_H
#define SLUICE_PLUGIN_INSTANCE_H

#include "base/err.h"

#include <sluice/counters.h>
#include <sluice/plugin.h>

/* Where the plugin's function comes from. */
struct plugin_source {
    sluice_status (*open)(const sluice_host *host, const sluice_plugin **out); /* a built-in */
    const char *path;   /* a shared object, when open is NULL: loaded by plugin/loader.h */
    const char *sha256; /* what its SHA-256 must be; NULL or "": anything */
};

/* Key and value as they stand in the configuration; references are resolved already. */
struct plugin_conf_pair {
    const char *key, *value;
};
struct plugin_conf {
    const struct plugin_conf_pair *pairs;
    size_t count;
    const char *section; /* for messages: "storage" */
    bool is_dry_run;     /* stop after configure: `sluice check` */
    bool is_inspection;  /* stop after create, without a look at the pairs */
};

struct plugin_instance; /* opaque */

/* Opens, checks the handshake and every key, creates, configures and starts. Borrows src and conf
 * for the call. On failure *ret is untouched and *err says what is wrong and what to do. */
MUST_CHECK enum sl_err plugin_instance_open(const struct plugin_source *src, const char *name,
                                            const struct plugin_conf *conf,
                                            struct plugin_instance **ret, struct sl_error *err);
/* NULL-safe; sets *p to NULL. */
void plugin_instance_close(struct plugin_instance **p);

/* Gives the capability table for a versioned id, NULL when the plugin has none. */
const void *plugin_instance_extension(const struct plugin_instance *p, const char *id);
/* What a caller of the capability tables needs. */
sluice_instance *plugin_instance_self(const struct plugin_instance *p);
uint64_t plugin_instance_flags(const struct plugin_instance *p);
const char *plugin_instance_id(const struct plugin_instance *p);

/* Where the plugin's attempts are noted (sluice.host.storage/1): for plugin_store_options.meter.
 * Lives as long as the instance. */
struct store_meter *plugin_instance_meter(const struct plugin_instance *p);

/* What the plugin counts, as it is now. [any thread, between start and close] */
enum { PLUGIN_HISTOGRAM_BUCKETS = 40 };
struct plugin_reading {
    const sluice_counter *what;
    int64_t value;                              /* of a histogram: the sum of what was observed */
    uint64_t observed;                          /* of a histogram: how often */
    uint64_t buckets[PLUGIN_HISTOGRAM_BUCKETS]; /* [i]: at least 2^(i-1), less than 2^i */
};
typedef void (*plugin_reading_fn)(void *arg, const struct plugin_reading *r);
void plugin_instance_counters(const struct plugin_instance *p, plugin_reading_fn each, void *arg);
/* The power of two below which so many per mille of what was observed lie. */
uint64_t plugin_reading_below(const struct plugin_reading *r, uint32_t permille);
/* The debug dump: a line plugin.counter for each that is not 0. */
void plugin_instance_counters_log(const struct plugin_instance *p);

/* Asks a source for its table without making an instance. Gives our copy of it, zero beyond what
 * the plugin has; what it points to lives as long as the process. */
MUST_CHECK enum sl_err plugin_source_table(const struct plugin_source *src, const char *name,
                                           sluice_plugin *ret, struct sl_error *err);
/* The option table alone (config doc). Gives NULL when the handshake fails, or there is none. */
const struct sluice_conf_key *plugin_source_keys(const struct plugin_source *src);
/* The name of its index-th option; NULL behind the last. */
const char *plugin_source_key(const struct plugin_source *src, size_t index);

#endif
