/* The bucket: storage plugin, store, start-up probe, and cluster.json, which says whose bucket it
 * is.
 *
 * cluster.json is created once with create-if-absent:
 *     {"format": 1, "min_reader": 1, "min_writer": 1, "cluster_id": "...", "journals": 4}
 * A binary that is older than min_reader refuses with a sentence.
 *
 * Threads: the main thread; `home` is the loop on which store calls answer. */
#ifndef SLUICE_BROKER_BUCKET_H
#define SLUICE_BROKER_BUCKET_H

#include "base/sched.h"
#include "base/uuid.h"
#include "config/config.h"
#include "store/store.h"

struct plugin_instance;
struct plugin_source;

struct bucket {
    struct plugin_instance *plugin;
    struct store *store;
    char name[400]; /* for messages */
    struct uuid cluster;
    uint32_t journals;
    uint64_t capabilities;
};

/* Opens the plugin and the store. */
MUST_CHECK enum sl_err bucket_open(const struct config *cfg, struct bucket *b,
                                   struct sl_error *err);
/* Probes the store, reads or creates cluster.json. */
MUST_CHECK enum sl_err bucket_join(struct bucket *b, const struct config *cfg, struct sched *home,
                                   struct sl_error *err);
/* A line for each section [plugin NAME] that nothing refers to: it was checked, so that an error in
 * it shows at once, but is not started. */
void bucket_unused_tell(const struct config *cfg);
/* Reads cluster.json, and writes nothing: for tools that only read. */
MUST_CHECK enum sl_err bucket_look(struct bucket *b, const struct config *cfg, struct sched *home,
                                   struct sl_error *err);
/* Ends the store's calls; the loops still run. */
void bucket_close(struct bucket *b);
/* Loads every plugin that is configured, checks its keys and configures it without starting it: for
 * `sluice check` and before serve. */
MUST_CHECK enum sl_err bucket_check(const struct config *cfg, const struct config_args *args,
                                    struct sl_error *err);
/* Gives the built-in plugin of that name, NULL when there is none. */
const struct plugin_source *bucket_builtin(const char *name);
/* Gives the keys of the built-in storage plugins, for `sluice config doc`. */
size_t bucket_plugin_keys(struct config_plugin_keys *ret, size_t max);

#endif
