/* How the store is doing, and what is asked of it: for back-pressure, `sluice status`, and the
 * monthly price.
 *
 * Computed here and not in a plugin, so that every storage plugin has it and none has to write it:
 * from how calls end, how long they take, and how long the oldest one in flight waits (a store that
 * answers nothing at all is not healthy either). A plugin that retries by itself says what each of
 * its attempts met (sluice/storage.h, "sluice.host.storage/1"); then the share of attempts that
 * fail, throttling for instance, counts too, and the rates are those of requests that are billed.
 *
 * Threads:  everything on any thread; a lock for a few loads.
 * Lifetime: that of the store. */
#ifndef SLUICE_STORE_HEALTH_H
#define SLUICE_STORE_HEALTH_H

#include "store/store.h"

enum store_health_state {
    STORE_HEALTHY,
    STORE_DEGRADED,   /* slow, throttling, or a part of the requests fails: slow the clients down */
    STORE_UNAVAILABLE /* nothing has been answered for a while: retriable errors */
};

enum { STORE_HEALTH_WHY_MAX = 320 };

struct store_health {
    enum store_health_state state;
    int64_t since_ns;                /* CLOCK_BOOTTIME when it became so; 0: since the start */
    char why[STORE_HEALTH_WHY_MAX];  /* a sentence; "" when healthy */
    int64_t latency_ns[STORE_KINDS]; /* smoothed, of calls that were answered; 0: none yet */
    int64_t oldest_put_ns;           /* how long the oldest put in flight waits; 0: none */
    uint32_t puts_in_flight;
    uint32_t failing_permille; /* share of requests that failed lately */
};

/* Requests per second over the last minute (over the time since the start, while that is shorter).
 * With a plugin that reports attempts these are requests as the store bills them, retries and pages
 * of a LIST included; else they are calls. */
struct store_rates {
    double puts_per_s, gets_per_s, heads_per_s, dels_per_s, lists_per_s;
    bool is_billed; /* the plugin reports what it sends; false: calls */
};

void store_health(const struct store *st, struct store_health *ret);
/* The state alone: for each request that wants to be slowed down. */
enum store_health_state store_health_state(const struct store *st);
/* "healthy", "degraded", "unavailable" */
const char *store_health_name(enum store_health_state state);
void store_rates(const struct store *st, struct store_rates *ret);

#endif
