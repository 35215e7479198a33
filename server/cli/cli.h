/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: one table of commands, and what each needs from the rest of the server as a
 * function pointer, so that this folder need not know the server.
 *
 * Threads: the main thread. Exit status: 0 done, 1 failed, 2 the command or the configuration is
 * wrong and nothing was started. */
#ifndef SLUICE_CLI_CLI_H
#define SLUICE_CLI_CLI_H

#include "config/config.h"

struct plugin_source;
struct reader_options;

struct cli_hooks {
    /* Runs the broker until it is told to stop; gives the exit status. Borrows cfg. */
    int (*serve)(const struct config *cfg);
    /* Checks what only the rest of the server knows (a plugin's own keys). Problems go through
     * args->report; gives SL_OK or the error. May be NULL. serve runs it first, too. */
    enum sl_err (*check)(const struct config *cfg, const struct config_args *args,
                         struct sl_error *err);
    /* Gives the keys that plugins add to sections, for `config doc`, at most max. May be NULL. */
    size_t (*plugin_keys)(struct config_plugin_keys *ret, size_t max);
    /* Opens the configured bucket to read, and calls run. May be NULL. */
    int (*offline)(const struct config *cfg,
                   int (*run)(const struct reader_options *bucket, void *arg), void *arg);
    /* The same to write as well. May be NULL. */
    int (*offline_writer)(const struct config *cfg,
                          int (*run)(const struct reader_options *bucket, void *arg), void *arg);
    /* Gives the built-in plugin of that name, NULL when there is none. May be NULL. */
    const struct plugin_source *(*builtin)(const char *name);
};

/* Gives the exit status of the process. Borrows everything. */
int cli_main(const struct cli_hooks *hooks, int argc, char *const *argv);

#endif
