/* SPDX-License-Identifier: Apache-2.0
 *
 * sluice/counters.h - what a plugin counts: the host's table "sluice.host.counters/1".
 *
 * Counters are the host's: it keeps the values, so that whatever shows counters (the log, an
 * exporter) shows a plugin's beside its own, and a plugin neither stores nor prints any. A host may
 * not have the table: then a plugin counts nothing. (0.3)
 */
#ifndef SLUICE_COUNTERS_H
#define SLUICE_COUNTERS_H

#include <sluice/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_HOST_COUNTERS_V1 "sluice.host.counters/1"

#define SLUICE_COUNTER_SUM 1       /* only grows */
#define SLUICE_COUNTER_GAUGE 2     /* goes up and down */
#define SLUICE_COUNTER_HISTOGRAM 3 /* observe() */

/* Array element: frozen. */
typedef struct sluice_counter {
    const char *name;   /* of a-z 0-9 _: "requests" */
    const char *labels; /* "kind=put,outcome=ok", of the same bytes; NULL: none */
    const char *unit;   /* "requests", "bytes", "us" */
    const char *help;   /* one line */
    uint32_t kind;      /* SLUICE_COUNTER_... */
    uint32_t reserved;  /* 0 */
} sluice_counter;

typedef struct sluice_host_counters {
    uint32_t size;
    uint32_t reserved;
    /* Makes count counters for this instance, all 0. Once, in create, configure or start. Borrows
     * table for the life of the instance. Errors: SLUICE_EINVAL (a second time; a name that is
     * none; more than 256). [main] */
    sluice_status (*declare)(const sluice_host *, const sluice_counter *table, uint32_t count);
    /* index is a position in the table; another one is ignored. [any] */
    void (*add)(const sluice_host *, uint32_t index, int64_t delta);
    void (*observe)(const sluice_host *, uint32_t index, uint64_t value); /* [any] */
} sluice_host_counters;

#ifdef __cplusplus
}
#endif
#endif
