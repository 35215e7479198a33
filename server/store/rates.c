#include "store/rates.h"

#include <string.h>

void
rate_ring_init(struct rate_ring *r, int64_t now_ns)
{
    memset(r, 0, sizeof(*r));
    r->begun_ns = now_ns;
    r->second = now_ns / SCHED_S;
}

/* Moves on to now's column; those that were passed begin at zero. */
static void
advance(struct rate_ring *r, int64_t now_ns)
{
    int64_t now = now_ns / SCHED_S;
    if (now - r->second >= RATES_COLUMNS) {
        memset(r->counts, 0, sizeof(r->counts));
        r->second = now;
    }
    while (r->second < now) {
        r->second++;
        memset(r->counts[r->second % RATES_COLUMNS], 0, sizeof(r->counts[0]));
    }
}

void
rate_ring_add(struct rate_ring *r, enum store_kind kind, int64_t now_ns)
{
    advance(r, now_ns);
    r->counts[r->second % RATES_COLUMNS][kind]++;
}

/* Full seconds before this one, and what there is of this one. */
static double
window_s(const struct rate_ring *r, int64_t now_ns)
{
    int64_t from = (r->second - RATES_WINDOW_S) * SCHED_S;
    int64_t span = now_ns - (from > r->begun_ns ? from : r->begun_ns);
    return span < SCHED_S ? 1.0 : (double)span / (double)SCHED_S;
}

void
rate_ring_read(struct rate_ring *r, int64_t now_ns, struct store_rates *ret)
{
    uint64_t sums[STORE_KINDS] = {0};
    advance(r, now_ns);
    for (int64_t s = r->second - RATES_WINDOW_S; s <= r->second; s++) {
        for (size_t k = 0; s >= 0 && k < STORE_KINDS; k++) {
            sums[k] += r->counts[s % RATES_COLUMNS][k];
        }
    }
    double span = window_s(r, now_ns);
    ret->puts_per_s = (double)sums[STORE_PUT] / span;
    ret->gets_per_s = (double)sums[STORE_GET] / span;
    ret->heads_per_s = (double)sums[STORE_HEAD] / span;
    ret->dels_per_s = (double)sums[STORE_DEL] / span;
    ret->lists_per_s = (double)sums[STORE_LIST] / span;
}
