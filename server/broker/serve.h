/* Starts a broker out of its parts, runs it until SIGINT or SIGTERM, stops it: `sluice serve`.
 *
 * Threads: the main thread. */
#ifndef SLUICE_BROKER_SERVE_H
#define SLUICE_BROKER_SERVE_H

#include "config/config.h"

/* Gives the exit status of the process. */
int broker_serve(const struct config *cfg);

#endif
