#include "store/health.h"

#include "store/meter.h"

#include <time.h>

static int64_t
boottime_ns(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * SCHED_S + ts.tv_nsec;
}

void
store_health(const struct store *st, struct store_health *ret)
{
    *ret = (struct store_health){.state = STORE_HEALTHY};
    if (st->meter != NULL) {
        store_meter_health(st->meter, boottime_ns(), ret);
    }
}

enum store_health_state
store_health_state(const struct store *st)
{
    return st->meter == NULL ? STORE_HEALTHY : store_meter_state(st->meter, boottime_ns());
}

void
store_rates(const struct store *st, struct store_rates *ret)
{
    *ret = (struct store_rates){0};
    if (st->meter != NULL) {
        store_meter_rates(st->meter, boottime_ns(), ret);
    }
}
