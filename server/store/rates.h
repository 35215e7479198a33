/* Requests per second over the last minute: one column of counts per second, in a ring.
 *
 * Threads: plain values, under the lock of their owner. */
#ifndef SLUICE_STORE_RATES_H
#define SLUICE_STORE_RATES_H

#include "store/health.h"

enum { RATES_WINDOW_S = 60, RATES_COLUMNS = 64 };

struct rate_ring {
    int64_t begun_ns, second; /* of the newest column */
    uint32_t counts[RATES_COLUMNS][STORE_KINDS];
};

void rate_ring_init(struct rate_ring *r, int64_t now_ns);
void rate_ring_add(struct rate_ring *r, enum store_kind kind, int64_t now_ns);
void rate_ring_read(struct rate_ring *r, int64_t now_ns, struct store_rates *ret);

#endif
