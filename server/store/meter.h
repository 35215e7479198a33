/* What store/health.h reads: one per store, fed by the store for each call and, through the host's
 * door "sluice.host.storage/1", by a plugin for each of its attempts.
 *
 * Threads:  any; one lock.
 * Lifetime: new -> (begin -> end)*, attempt* -> destroy. A store_meter_call is embedded in the
 *           caller's own state and lies in a list from begin to end.
 *
 * now_ns is CLOCK_BOOTTIME; a parameter, so that tests own the time. */
#ifndef SLUICE_STORE_METER_H
#define SLUICE_STORE_METER_H

#include "base/list.h"
#include "base/span.h"
#include "store/health.h"

struct store_meter; /* opaque */

struct store_meter_call {
    struct list link;
    enum store_kind kind;
    int64_t begun_ns;
};

struct store_meter *store_meter_new(const char *name, int64_t now_ns);
/* NULL-safe; sets *m to NULL. */
void store_meter_destroy(struct store_meter **m);
/* Of the store, for the line that says that its health changed. */
void store_meter_rename(struct store_meter *m, const char *name);

void store_meter_begin(struct store_meter *m, struct store_meter_call *c, enum store_kind kind,
                       int64_t now_ns);
/* The call's outcome, rc and why stand in `answered`. */
void store_meter_end(struct store_meter *m, struct store_meter_call *c,
                     const struct store_call *answered, int64_t now_ns);
/* One request went to the store; why is a sentence when it is_bad. */
void store_meter_attempt(struct store_meter *m, enum store_kind kind, bool is_bad, struct span why,
                         int64_t now_ns);

void store_meter_health(struct store_meter *m, int64_t now_ns, struct store_health *ret);
enum store_health_state store_meter_state(struct store_meter *m, int64_t now_ns);
void store_meter_rates(struct store_meter *m, int64_t now_ns, struct store_rates *ret);

#endif
