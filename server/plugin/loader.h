/* SPDX-License-Identifier: Apache-2.0
 *
 * From the path of a shared object to its sluice_plugin_open.
 *
 * Threads:  the main thread. Nothing is ever unloaded: a thread of the plugin may still be in its
 *           code when the last instance is gone.
 * Lifetime: what is given lives as long as the process. A file that was loaded already, and did not
 *           change since, is not loaded again, so several instances share one copy. */
#ifndef SLUICE_PLUGIN_LOADER_H
#define SLUICE_PLUGIN_LOADER_H

#include "base/err.h"

#include <sluice/plugin.h>

typedef sluice_status (*plugin_open_fn)(const sluice_host *host, const sluice_plugin **out);

/* Checks who may write the file and its directories, copies it to private memory, compares its
 * SHA-256 when one is given (64 hexadecimal digits; NULL or "": none), looks at the ELF header,
 * loads it and finds its one symbol. On failure *ret is untouched and *err says in one sentence
 * what is wrong and what to do. */
MUST_CHECK enum sl_err plugin_load(const char *path, const char *sha256, plugin_open_fn *ret,
                                   struct sl_error *err);

#endif
