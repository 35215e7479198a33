/* SPDX-License-Identifier: Apache-2.0
 *
 * The bucket of a configuration, opened to read, for a tool: no broker, no listener, nothing
 * written.
 *
 * Threads: the main thread, which `run` may block; one loop beside it. */
#ifndef SLUICE_BROKER_OFFLINE_H
#define SLUICE_BROKER_OFFLINE_H

#include "config/config.h"
#include "reader/reader.h"

/* Opens store and cache, calls run with what a reader needs (no reader is opened yet), and takes
 * everything apart again. Gives what run gave; 1, and a line on stderr, when the bucket cannot be
 * opened. Borrows cfg. */
int broker_offline(const struct config *cfg,
                   int (*run)(const struct reader_options *bucket, void *arg), void *arg);

#endif
