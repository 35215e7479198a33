/* The state is a function of five facts and the time, evaluated whenever one of them changes and
 * whenever somebody asks, so that a store which has gone silent is noticed without an event:
 *
 *   trouble   share of requests that failed lately: a moving average over about eight of them
 *   last_good when the store last answered anything
 *   last_bad  when a request last failed, and why
 *   latency   of PUTs, smoothed: what producers wait for
 *   oldest    the call that has been in flight longest
 *
 * unavailable: no answer for five seconds, and either nearly all requests failed within the last
 *              ten or some call has been waiting for ten
 * degraded:    many requests fail, or a PUT waits, or PUTs are slow
 * healthy:     else
 *
 * Once the store is not healthy, lower limits apply, and it stays so for two seconds at least, so
 * that it does not flutter: a burst of requests is a hundred attempts within milliseconds. Bad news
 * are forgotten, unavailability first: whoever stops asking because the store is unavailable would
 * otherwise never learn that it came back.
 *
 * Why absolute limits for latency, and not a multiple of what is usual: a store that grows slow
 * over an hour would drag the usual along and stay "healthy". */
#include "store/meter.h"

#include "base/diag.h"
#include "store/rates.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

enum { ALL = 1024, TROUBLE_MANY = 350, TROUBLE_FEW = 60, TROUBLE_NEARLY_ALL = 900, WINDOW = 8 };

#define SILENT_NS (5 * SCHED_S)
#define STUCK_NS (10 * SCHED_S)
#define WAITS_NS (3 * SCHED_S)
#define SLOW_NS (2 * SCHED_S)
#define QUICK_NS (1 * SCHED_S)
#define DWELL_NS (2 * SCHED_S)
#define FORGET_UNAVAILABLE_NS (10 * SCHED_S)
#define FORGET_NS (30 * SCHED_S)
#define NEVER_NS (-(INT64_C(1) << 60))

struct store_meter {
    pthread_mutex_t lock;
    char name[160];

    /* under the lock */
    struct list puts, others; /* store_meter_call in flight, the oldest first */
    uint32_t puts_in_flight;
    int32_t trouble; /* in 1/ALL */
    int64_t last_good_ns, last_bad_ns, last_put_ns;
    int64_t latency_ns[STORE_KINDS];
    char bad_why[STORE_HEALTH_WHY_MAX];
    struct rate_ring rates;
    bool has_attempts; /* the plugin reports them: calls tell nothing new then */

    enum store_health_state state;
    int64_t since_ns;
    char why[STORE_HEALTH_WHY_MAX];
};

const char *
store_health_name(enum store_health_state state)
{
    static const char *const names[] = {"healthy", "degraded", "unavailable"};
    return names[state];
}

struct store_meter *
store_meter_new(const char *name, int64_t now_ns)
{
    struct store_meter *m = (struct store_meter *)sl_alloc(sizeof(*m));
    (void)pthread_mutex_init(&m->lock, NULL);
    list_init(&m->puts);
    list_init(&m->others);
    m->last_good_ns = now_ns;
    m->last_bad_ns = m->last_put_ns = NEVER_NS;
    rate_ring_init(&m->rates, now_ns);
    store_meter_rename(m, name);
    return m;
}

void
store_meter_destroy(struct store_meter **pm)
{
    struct store_meter *m = *pm;
    *pm = NULL;
    if (m != NULL) {
        (void)pthread_mutex_destroy(&m->lock);
        sl_free(m);
    }
}

void
store_meter_rename(struct store_meter *m, const char *name)
{
    (void)snprintf(m->name, sizeof(m->name), "%s", name);
}

/* ---- the state ---- */

static int64_t
age_of_first(const struct list *calls, int64_t now)
{
    if (list_is_empty(calls)) {
        return 0;
    }
    return now - SL_CONTAINER_OF(calls->next, struct store_meter_call, link)->begun_ns;
}

static bool
is_unavailable(const struct store_meter *m, int64_t now)
{
    int64_t put = age_of_first(&m->puts, now);
    int64_t other = age_of_first(&m->others, now);
    bool is_stuck = (put > other ? put : other) > STUCK_NS;
    bool is_failing =
        m->trouble > TROUBLE_NEARLY_ALL && now - m->last_bad_ns < FORGET_UNAVAILABLE_NS;
    return now - m->last_good_ns > SILENT_NS && (is_stuck || is_failing);
}

/* What speaks against the store right now. */
struct trouble {
    bool is_out, is_failing, is_slow;
    bool is_told; /* the last failure is fresh enough to be the reason */
    int64_t waits_ns;
};

static struct trouble
trouble_of(const struct store_meter *m, int64_t now)
{
    bool was_well = m->state == STORE_HEALTHY;
    int64_t bad_ago = now - m->last_bad_ns;
    return (struct trouble){
        .is_out = is_unavailable(m, now),
        .is_failing =
            m->trouble > (was_well ? TROUBLE_MANY : TROUBLE_FEW) &&
            bad_ago<(was_well ? FORGET_NS : SILENT_NS), .is_slow = m->latency_ns[STORE_PUT]>(
                was_well ? SLOW_NS : QUICK_NS) &&
            now - m->last_put_ns < FORGET_NS,
        .is_told = bad_ago < FORGET_NS,
        .waits_ns = age_of_first(&m->puts, now),
    };
}

static void
explain(const struct store_meter *m, const struct trouble *t, int64_t now,
        char why[STORE_HEALTH_WHY_MAX])
{
    why[0] = '\0';
    if (t->is_failing || (t->is_out && t->is_told)) {
        (void)snprintf(why, STORE_HEALTH_WHY_MAX, "%s", m->bad_why);
    } else if (t->is_out) {
        (void)snprintf(why, STORE_HEALTH_WHY_MAX, "it has answered nothing for %" PRId64 " s",
                       (now - m->last_good_ns) / SCHED_S);
    } else if (t->waits_ns > WAITS_NS) {
        (void)snprintf(why, STORE_HEALTH_WHY_MAX, "a PUT waits for its answer for %" PRId64 " s",
                       t->waits_ns / SCHED_S);
    } else if (t->is_slow) {
        (void)snprintf(why, STORE_HEALTH_WHY_MAX, "a PUT takes %" PRId64 " ms",
                       m->latency_ns[STORE_PUT] / SCHED_MS);
    }
}

/* Gives the state, and why it is not a better one. */
static enum store_health_state
judge(const struct store_meter *m, int64_t now, char why[STORE_HEALTH_WHY_MAX])
{
    const struct trouble t = trouble_of(m, now);
    explain(m, &t, now, why);
    if (t.is_out) {
        return STORE_UNAVAILABLE;
    }
    return t.is_failing || t.waits_ns > WAITS_NS || t.is_slow ? STORE_DEGRADED : STORE_HEALTHY;
}

/* Holds the lock and gives it back; says so when the state is another one. Gives the state. */
static enum store_health_state
evaluate_unlock(struct store_meter *m, int64_t now)
{
    char why[STORE_HEALTH_WHY_MAX];
    enum store_health_state was = m->state;
    enum store_health_state next = judge(m, now, why);
    if (was == STORE_DEGRADED && next == STORE_HEALTHY && now - m->since_ns < DWELL_NS) {
        pthread_mutex_unlock(&m->lock);
        return was;
    }
    memcpy(m->why, why, strlen(why) + 1);
    m->state = next;
    if (next != was) {
        m->since_ns = now;
    }
    pthread_mutex_unlock(&m->lock);
    if (next != was) {
        SL_LOG(NULL, next == STORE_HEALTHY ? DIAG_INFO : DIAG_WARN, "store.health",
               KV_STR("store", m->name), KV_STR("state", store_health_name(next)),
               KV_STR("was", store_health_name(was)), KV_STR("why", why));
    }
    return next;
}

/* ---- what happens ---- */

static void
trouble_note(struct store_meter *m, bool is_bad, struct span why, int64_t now)
{
    int32_t target = is_bad ? ALL : 0;
    int32_t step = (target - m->trouble) / WINDOW;
    m->trouble += step != 0 ? step : target - m->trouble;
    if (!is_bad) {
        m->last_good_ns = now;
        return;
    }
    m->last_bad_ns = now;
    span_to_cstr(why, m->bad_why, sizeof(m->bad_why));
}

static void
latency_note(struct store_meter *m, const struct store_meter_call *c, int64_t now)
{
    int64_t took = now > c->begun_ns ? now - c->begun_ns : 1;
    int64_t *smooth = &m->latency_ns[c->kind];
    *smooth = *smooth == 0 ? took : *smooth + (took - *smooth) / WINDOW;
    if (c->kind == STORE_PUT) {
        m->last_put_ns = now;
    }
}

void
store_meter_begin(struct store_meter *m, struct store_meter_call *c, enum store_kind kind,
                  int64_t now)
{
    c->kind = kind;
    c->begun_ns = now;
    pthread_mutex_lock(&m->lock);
    list_append(kind == STORE_PUT ? &m->puts : &m->others, &c->link);
    m->puts_in_flight += kind == STORE_PUT ? 1 : 0;
    if (!m->has_attempts) {
        rate_ring_add(&m->rates, kind, now);
    }
    pthread_mutex_unlock(&m->lock);
}

/* The caller's mistakes and our own shutdown say nothing about the store. */
static bool
is_about_the_store(const struct store_call *c)
{
    return c->outcome != STORE_ERROR || (c->rc != SL_EINVAL && c->rc != SL_ENOTSUP &&
                                         c->rc != SL_ECANCELED && c->rc != SL_ECORRUPT);
}

void
store_meter_end(struct store_meter *m, struct store_meter_call *c,
                const struct store_call *answered, int64_t now)
{
    bool is_bad = answered->outcome == STORE_UNKNOWN || answered->outcome == STORE_ERROR;
    pthread_mutex_lock(&m->lock);
    list_remove(&c->link);
    m->puts_in_flight -= c->kind == STORE_PUT ? 1 : 0;
    if (is_about_the_store(answered)) {
        if (!is_bad) {
            latency_note(m, c, now);
        }
        if (!m->has_attempts) {
            trouble_note(m, is_bad, span_cstr(answered->why), now);
        }
    }
    (void)evaluate_unlock(m, now);
}

void
store_meter_attempt(struct store_meter *m, enum store_kind kind, bool is_bad, struct span why,
                    int64_t now)
{
    pthread_mutex_lock(&m->lock);
    if (!m->has_attempts) {
        m->has_attempts = true;
        rate_ring_init(&m->rates, m->rates.begun_ns); /* the call was counted; its attempt is it */
    }
    rate_ring_add(&m->rates, kind, now);
    trouble_note(m, is_bad, why, now);
    (void)evaluate_unlock(m, now);
}

/* ---- readers ---- */

void
store_meter_health(struct store_meter *m, int64_t now, struct store_health *ret)
{
    pthread_mutex_lock(&m->lock);
    (void)evaluate_unlock(m, now);
    pthread_mutex_lock(&m->lock);
    *ret = (struct store_health){.state = m->state,
                                 .since_ns = m->since_ns,
                                 .oldest_put_ns = age_of_first(&m->puts, now),
                                 .puts_in_flight = m->puts_in_flight,
                                 .failing_permille = (uint32_t)(m->trouble * 1000 / ALL)};
    memcpy(ret->why, m->why, sizeof(ret->why));
    memcpy(ret->latency_ns, m->latency_ns, sizeof(ret->latency_ns));
    pthread_mutex_unlock(&m->lock);
}

enum store_health_state
store_meter_state(struct store_meter *m, int64_t now)
{
    pthread_mutex_lock(&m->lock);
    return evaluate_unlock(m, now);
}

void
store_meter_rates(struct store_meter *m, int64_t now, struct store_rates *ret)
{
    pthread_mutex_lock(&m->lock);
    rate_ring_read(&m->rates, now, ret);
    ret->is_billed = m->has_attempts;
    pthread_mutex_unlock(&m->lock);
}
