/* struct store over a sluice.storage/1 plugin.
 *
 * Threads:  open and close on the main thread. A plugin that may block is called on a bounded pool,
 *           any other on the loop that submits. done() always runs on the caller's loop, later.
 * Lifetime: open -> submit* -> close. close waits for the calls in flight and posts their results;
 *           the loops must still run what was posted. Borrows table and instance until then. */
#ifndef SLUICE_STORE_PLUGIN_STORE_H
#define SLUICE_STORE_PLUGIN_STORE_H

#include "store/store.h"

#include <sluice/storage.h>

struct plugin_store_options {
    const char *name;            /* for messages: "file store ./sluice-data" */
    const sluice_storage *table; /* its extension("sluice.storage/1") */
    sluice_instance *instance;
    uint64_t plugin_flags; /* sluice_plugin.flags */
    /* Where the plugin's attempts are noted; borrowed until close. NULL: the store makes its own.
     */
    struct store_meter *meter;
    uint32_t threads;    /* of the pool; 0 = 8 */
    uint32_t queue_max;  /* calls that may wait for a thread; 0 = 1024 */
    uint32_t timeout_ms; /* of a call that sets none, and of each page of a LIST; 0 = 60 000 */
};

MUST_CHECK enum sl_err plugin_store_open(const struct plugin_store_options *o, struct store **ret,
                                         struct sl_error *err);
/* NULL-safe; sets *st to NULL. */
void plugin_store_close(struct store **st);
/* The name it was opened with. */
const char *plugin_store_name(const struct store *pub);

#endif
