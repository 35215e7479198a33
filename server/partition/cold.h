/* SPDX-License-Identifier: Apache-2.0
 *
 * How fast consumers may be given what is read from the store while producers wait.
 *
 * A replay of a long log takes all that the machine has: disk, memory bandwidth, cores. What tells
 * whether that hurts is how long producers wait for their acknowledgements, compared with how long
 * they waited when nothing was replayed. cold.c says how that becomes a rate.
 *
 * Threads: any; one lock, held for a few loads. One object for all shards of a process: they share
 * the machine whatever they do not share. */
#ifndef SLUICE_PARTITION_COLD_H
#define SLUICE_PARTITION_COLD_H

#include "base/err.h"

#include <pthread.h>

#define COLD_RATE_MIN (INT64_C(64) << 20) /* bytes per second; the floor is never below it */
#define COLD_RATE_MAX (INT64_C(8) << 30)

struct cold {
    pthread_mutex_t lock;
    int64_t floor;         /* bytes per second that readers get in any case */
    int64_t rate;          /* bytes per second, as long as producers are about */
    bool is_new;           /* a replay begins: the rate doubles until producers feel it */
    int64_t allowance;     /* bytes; below 0 what comes next waits */
    int64_t allowed_ns;    /* when the allowance was last made larger */
    int64_t appends;       /* under way */
    int64_t acked_ns;      /* the last acknowledgement */
    int64_t usual_late_pm; /* how many of 1000 are late then */
    int64_t usual_ns; /* what an acknowledgement takes when nothing is replayed; 0: not known */
    struct {
        int64_t began_ns, sum_ns, bytes, written;
        int32_t acks, late;
    } window;
};

void cold_init(struct cold *c);
void cold_fini(struct cold *c);
/* A batch is on its way into the log. */
void cold_append_begin(struct cold *c);
/* ... and is acknowledged after took_ns, or refused (below 0). */
void cold_append_end(struct cold *c, int64_t now_ns, int64_t took_ns, size_t bytes);
/* May so many bytes be read for consumers? 0: yes, and they count. Otherwise ask again then. */
int64_t cold_take(struct cold *c, int64_t now_ns, size_t bytes);

#endif
