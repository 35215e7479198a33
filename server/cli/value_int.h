/* SPDX-License-Identifier: Apache-2.0
 *
 * Folder-private: values of options and arguments as numbers, times and KEY=VALUE. What is wrong is
 * said as cli__usage does. Threads: the main thread. */
#ifndef SLUICE_CLI_VALUE_INT_H
#define SLUICE_CLI_VALUE_INT_H

#include "base/span.h"
#include "cli/cli_int.h"

/* A whole number of at least min. text NULL: *ret is -1. */
bool cli__number(const struct cli__args *args, const char *text, int64_t min, int64_t *ret);
/* The same within int32_t. */
bool cli__number32(const struct cli__args *args, const char *text, int32_t min, int32_t *ret);
/* Milliseconds since 1970, or 2026-01-31[T12:00[:00]][Z], which is UTC. text NULL: *ret is -1. */
bool cli__time(const struct cli__args *args, const char *text, int64_t *ret);
/* Splits KEY=VALUE; the key is not empty. */
bool cli__key_value(const struct cli__args *args, const char *text, struct span *ret_key,
                    struct span *ret_value);

#endif
