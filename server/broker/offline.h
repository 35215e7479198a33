/* SPDX-License-Identifier: Apache-2.0
 *
 * The bucket of a configuration, opened for a tool: no broker, no listener, and nothing written
 * unless it is asked for.
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
/* The same for a tool that writes: the store is probed first, and a bucket that nobody has used yet
 * gets its cluster.json. Brokers may run beside it. */
int broker_offline_writer(const struct config *cfg,
                          int (*run)(const struct reader_options *bucket, void *arg), void *arg);

#endif
