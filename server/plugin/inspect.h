/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice plugin inspect`: what a plugin is and offers. Threads: the main thread. */
#ifndef SLUICE_PLUGIN_INSPECT_H
#define SLUICE_PLUGIN_INSPECT_H

#include "plugin/instance.h"

#include <stdio.h>

/* Loads the plugin in a child process and prints what it says of itself. A plugin that crashes or
 * hangs there is an error with a sentence. Borrows src. */
MUST_CHECK enum sl_err plugin_inspect(const struct plugin_source *src, const char *name, FILE *out,
                                      struct sl_error *err);

#endif
