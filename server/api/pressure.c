/* A store that slows down must not make a broker grow, and must not be made worse by clients that
 * retry. So, one after the other: ask producers to send less; then refuse them, at once and with an
 * error that they retry; and never stop reading what others need.
 *
 * What is measured, per journal:
 *
 *   delay    how long the journal acknowledges nothing although something waits: now, or
 *            smoothed over the last seconds, whichever is longer
 *   waiting  bytes of produce requests that are neither acknowledged nor refused
 *   store    its health (store/health.h), which knows of failures too, and of other traffic
 *   lag      how far the roller is behind (partition/roller.c): what is not rolled keeps entries in
 *            the store and runs in memory. At half of what is tolerable it hurries; from six tenths
 *            on clients are slowed down, the more the nearer it is; at the whole they are refused.
 *
 * The delay is not how long a request waits behind others: a store that is quick and has much to do
 * is no trouble. It empties the queue as fast as it can be filled, and TCP holds back whoever sends
 * faster; to throttle there only makes the queue run dry. Measured with the time from request to
 * acknowledgement in its place: three flat-out librdkafka producers on a busy machine waited half a
 * second each, and pauses made them see-saw.
 *
 *              delay > SOFT, or the store is degraded
 *      none  ------------------------------------------>  slowing
 *            <------------------------------------------
 *              delay < CALM, and the store is healthy
 *
 *              nothing acknowledged for HARD, or the store is unavailable,
 *              or waiting >= the journal's share of memory while delay > SOFT
 *   slowing  ------------------------------------------>  refusing
 *            <------------------------------------------
 *              an acknowledgement, waiting <= half of the share, and the store answers
 *
 * Slowing. The reply's throttle time grows with the delay beyond CALM, to PRESSURE_THROTTLE_MAX_MS:
 * a client that stays away for as long as the store needs for a write halves what it sends. More
 * than a second would not slow a producer further, only make it late when the store is back.
 *
 * Refusing. The error is NOT_ENOUGH_REPLICAS (19). What the clients make of the candidates:
 *   - REQUEST_TIMED_OUT (7) means "perhaps written": librdkafka counts the messages as possibly
 *     persisted, and an idempotent producer that gives up on them has to take a new epoch. Refused
 *     here means "certainly not written", which 19 says (NOT_PERSISTED there).
 *   - NOT_LEADER_OR_FOLLOWER (6) and KAFKA_STORAGE_ERROR (56) are retried, too, but each makes the
 *     client ask for Metadata first, and again and again while nothing changes.
 *   - THROTTLING_QUOTA_EXCEEDED (89, KIP-599) is for topics and quotas; sarama, for one, does not
 *     retry a produce for it.
 *   - 19 exists since 0.8.2, is retried by all of them after their back-off, without a look at
 *     Metadata, and keeps the sequence of an idempotent producer.
 * The error comes with the longest throttle time, so that a refused client waits and does not spin.
 *
 * The batches behind a refused one. An idempotent producer has up to five under way; when the first
 * is refused and the journal admits the next (the probe, or it is over), that one lacks its
 * predecessor. It gets 19, too, and not OUT_OF_ORDER_SEQUENCE (45): librdkafka answers a 45 by
 * taking a new epoch, under which it sends everything again that is not acknowledged, also what it
 * had given up and what stands in the log; so records double. Java's producer, to which the two are
 * the same, and the rest send both again in their order. The gap must be ours for that: for GAP_NS
 * after anything of the journal was refused or given up, which is longer than a batch behind can
 * wait in a socket that is not read. A gap of the client's own gets its 45 then.
 *
 * Finding out that it is over. The roller says by itself that it has caught up. Otherwise, while
 * refusing, a journal admits what comes when nothing of it waits: one request at a time is the
 * probe. So nobody is refused for ever by a broker that has stopped asking its store, and a probe
 * costs one request's memory.
 *
 * The shares are a part of `memory.budget`, cut into one for each journal, so that one journal
 * which is stuck leaves room for the others; the rest of the budget is for requests on their way
 * in. Metadata, ApiVersions, fetches and groups do not come by here; net/ keeps reserves for them.
 */
#include "api/pressure.h"

#include "base/counters.h"
#include "base/diag.h"

#include <stdatomic.h>

#define SOFT_NS (500 * SCHED_MS)
#define CALM_NS (250 * SCHED_MS)
#define HARD_NS (5 * SCHED_S)
#define SAMPLE_MAX_NS (2 * SCHED_S) /* longer than that counts as that: so that it is forgotten */
enum { LAG_SLOWING_PM = 600, LAG_CAUGHT_UP_PM = 900, LAG_REFUSING_PM = 1000 };
#define HEALTH_AGE_NS (50 * SCHED_MS)
#define HALVE_NS SCHED_S
#define GAP_NS (60 * SCHED_S)
#define SMOOTH_NS (2 * SCHED_S)
enum { DEGRADED_MS = 100, SHARE_MIN_BYTES = 4 << 20, HALVINGS_MAX = 30 };

struct gauge {
    _Atomic int64_t waiting, waiting_bytes;
    _Atomic int64_t progress_ns; /* of the last acknowledgement, or when something began to wait */
    _Atomic int64_t delay_ns;    /* smoothed ... */
    _Atomic int64_t idle_ns;     /* ... halved for each HALVE_NS since then while nothing waits */
    _Atomic int64_t gap_ns;      /* until then a missing predecessor may be of our making */
    _Atomic int level;
    _Atomic int lag_pm; /* of the roller */
};

struct pressure {
    const struct store *store;
    uint32_t journals;
    int64_t share_bytes;
    _Atomic int64_t looked_ns; /* at the store's health */
    _Atomic int health;
    struct gauge gauges[];
};

struct pressure *
pressure_new(const struct pressure_options *opts)
{
    struct pressure *p =
        (struct pressure *)sl_alloc(sizeof(*p) + opts->journals * sizeof(struct gauge));
    p->store = opts->store;
    p->journals = opts->journals;
    p->share_bytes = opts->bytes_max / (opts->journals > 0 ? opts->journals : 1);
    if (p->share_bytes < SHARE_MIN_BYTES) {
        p->share_bytes = SHARE_MIN_BYTES;
    }
    atomic_store(&p->looked_ns, -HEALTH_AGE_NS);
    return p;
}

void
pressure_destroy(struct pressure **pp)
{
    sl_free(*pp);
    *pp = NULL;
}

const char *
pressure_name(enum pressure_level level)
{
    static const char *const names[] = {"none", "slowing", "refusing"};
    return names[level];
}

/* The store's health costs a lock; a request looks at what another one saw just before. */
static enum store_health_state
health(struct pressure *p, int64_t now)
{
    int64_t seen = atomic_load_explicit(&p->looked_ns, memory_order_relaxed);
    if (p->store != NULL && now - seen >= HEALTH_AGE_NS &&
        atomic_compare_exchange_strong(&p->looked_ns, &seen, now)) {
        atomic_store(&p->health, (int)store_health_state(p->store));
    }
    return (enum store_health_state)atomic_load(&p->health);
}

/* How long nothing was acknowledged although something waits. */
static int64_t
stall_of(struct gauge *g, int64_t now)
{
    int64_t since = atomic_load(&g->progress_ns);
    return atomic_load(&g->waiting) > 0 && now > since ? now - since : 0;
}

static int64_t
smoothed_delay(struct gauge *g, int64_t now)
{
    int64_t idle = now - atomic_load(&g->idle_ns);
    int64_t halvings = idle > 0 && atomic_load(&g->waiting) == 0 ? idle / HALVE_NS : 0;
    return atomic_load(&g->delay_ns) >> (halvings < HALVINGS_MAX ? halvings : HALVINGS_MAX);
}

static int64_t
delay_of(struct gauge *g, int64_t now)
{
    int64_t stall = stall_of(g, now);
    int64_t smooth = smoothed_delay(g, now);
    return stall > smooth ? stall : smooth;
}

static enum pressure_level
slowing_or_none(struct gauge *g, enum pressure_level was, enum store_health_state store,
                int64_t now)
{
    int64_t limit = was == PRESSURE_NONE ? SOFT_NS : CALM_NS;
    bool is_slow = store != STORE_HEALTHY || delay_of(g, now) > limit ||
                   atomic_load(&g->lag_pm) > LAG_SLOWING_PM;
    return is_slow ? PRESSURE_SLOWING : PRESSURE_NONE;
}

static enum pressure_level
judge(struct pressure *p, struct gauge *g, enum pressure_level was, int64_t now)
{
    enum store_health_state store = health(p, now);
    int64_t stall = stall_of(g, now);
    int64_t waiting = atomic_load(&g->waiting_bytes);
    int lag_max = was == PRESSURE_REFUSING ? LAG_CAUGHT_UP_PM : LAG_REFUSING_PM;
    if (store == STORE_UNAVAILABLE || stall > HARD_NS || atomic_load(&g->lag_pm) >= lag_max ||
        (waiting >= p->share_bytes && delay_of(g, now) > SOFT_NS)) {
        return PRESSURE_REFUSING;
    }
    if (was == PRESSURE_REFUSING && (stall > SOFT_NS || waiting > p->share_bytes / 2)) {
        return PRESSURE_REFUSING;
    }
    return slowing_or_none(g, was, store, now);
}

static void
log_change(const struct pressure *p, uint32_t journal, enum pressure_level level, int64_t delay)
{
    static struct diag_limit limit;
    if (!diag_limit_ok(&limit, 5)) {
        return;
    }
    SL_LOG(NULL, level == PRESSURE_REFUSING ? DIAG_WARN : DIAG_INFO, "produce.pressure",
           KV_U64("journal", journal), KV_STR("level", pressure_name(level)),
           KV_I64("delay_ms", delay / SCHED_MS),
           KV_STR("store", store_health_name((enum store_health_state)atomic_load(&p->health))));
}

/* Gives the level that holds now; whoever changes it says so. */
static enum pressure_level
level_now(struct pressure *p, uint32_t journal, int64_t now)
{
    struct gauge *g = &p->gauges[journal];
    int was = atomic_load(&g->level);
    enum pressure_level level = judge(p, g, (enum pressure_level)was, now);
    if ((int)level != was && atomic_compare_exchange_strong(&g->level, &was, (int)level)) {
        log_change(p, journal, level, delay_of(g, now));
    }
    return level;
}

bool
pressure_admits(struct pressure *p, uint32_t journal, int64_t now_ns)
{
    if (p == NULL || journal >= p->journals) {
        return true;
    }
    struct gauge *g = &p->gauges[journal];
    if (level_now(p, journal, now_ns) != PRESSURE_REFUSING) {
        return true;
    }
    bool is_behind = atomic_load(&g->lag_pm) >= LAG_CAUGHT_UP_PM; /* no probe would tell more */
    return !is_behind && atomic_load(&g->waiting) == 0;
}

void
pressure_begin(struct pressure *p, uint32_t journal, int64_t bytes, int64_t now_ns)
{
    if (p == NULL || journal >= p->journals) {
        return;
    }
    struct gauge *g = &p->gauges[journal];
    int64_t smooth = smoothed_delay(g, now_ns);
    atomic_fetch_add(&g->waiting_bytes, bytes);
    if (atomic_fetch_add(&g->waiting, 1) == 0) {
        atomic_store(&g->progress_ns, now_ns);
        atomic_store(&g->delay_ns, smooth);
    }
}

/* A gap counts by the time since the last one: of acknowledgements that come together, the first.
 */
static void
sample(struct gauge *g, int64_t gap, int64_t since)
{
    int64_t smooth = atomic_load(&g->delay_ns);
    gap = gap < 0 ? 0 : gap < SAMPLE_MAX_NS ? gap : SAMPLE_MAX_NS;
    since = since < 0 ? 0 : since < SAMPLE_MAX_NS ? since : SAMPLE_MAX_NS;
    atomic_store(&g->delay_ns, smooth + (gap - smooth) * since / (since + SMOOTH_NS));
}

void
pressure_end(struct pressure *p, uint32_t journal, const struct pressure_wait *w, int64_t now_ns)
{
    if (p == NULL || journal >= p->journals) {
        return;
    }
    struct gauge *g = &p->gauges[journal];
    int64_t ended = atomic_exchange(&g->idle_ns, now_ns);
    if (w->is_progress) {
        int64_t last = atomic_exchange(&g->progress_ns, now_ns);
        sample(g, now_ns - (w->begun_ns > last ? w->begun_ns : last), now_ns - ended);
    }
    atomic_fetch_sub(&g->waiting_bytes, w->bytes);
    atomic_fetch_sub(&g->waiting, 1);
}

static int32_t
throttle_of(struct pressure *p, struct gauge *g, enum pressure_level level, int64_t now)
{
    if (level == PRESSURE_NONE) {
        return 0;
    }
    if (level == PRESSURE_REFUSING) {
        return PRESSURE_THROTTLE_MAX_MS;
    }
    int64_t ms = (delay_of(g, now) - CALM_NS) / SCHED_MS;
    int64_t least = health(p, now) != STORE_HEALTHY ? DEGRADED_MS : 0;
    int64_t behind = (atomic_load(&g->lag_pm) - LAG_SLOWING_PM) * 5 / 2; /* up to the longest */
    least = behind > least ? behind : least;
    ms = ms < least ? least : ms;
    return (int32_t)(ms < PRESSURE_THROTTLE_MAX_MS ? ms : PRESSURE_THROTTLE_MAX_MS);
}

int32_t
pressure_throttle_ms(struct pressure *p, uint32_t journal, int64_t now_ns)
{
    if (p == NULL || journal >= p->journals) {
        return 0;
    }
    return throttle_of(p, &p->gauges[journal], level_now(p, journal, now_ns), now_ns);
}

void
pressure_note_gap(struct pressure *p, uint32_t journal, int64_t now_ns)
{
    if (p != NULL && journal < p->journals) {
        atomic_store(&p->gauges[journal].gap_ns, now_ns + GAP_NS);
    }
}

bool
pressure_has_gap(const struct pressure *p, uint32_t journal, int64_t now_ns)
{
    return p != NULL && journal < p->journals && now_ns < atomic_load(&p->gauges[journal].gap_ns);
}

void
pressure_set_lag(struct pressure *p, uint32_t journal, int per_mille)
{
    if (p != NULL && journal < p->journals) {
        atomic_store(&p->gauges[journal].lag_pm, per_mille);
    }
}

/* The roller counts while it is far enough behind to matter by itself. */
static const char *
cause_of(struct pressure *p, const struct gauge *g, enum pressure_level level, int64_t now)
{
    if (level == PRESSURE_NONE) {
        return "";
    }
    if (atomic_load(&g->lag_pm) > LAG_SLOWING_PM) {
        return "roller";
    }
    return health(p, now) != STORE_HEALTHY ? "store" : "delay";
}

void
pressure_view(struct pressure *p, uint32_t journal, int64_t now_ns, struct pressure_view *ret)
{
    *ret = (struct pressure_view){.cause = ""};
    if (p == NULL || journal >= p->journals) {
        return;
    }
    struct gauge *g = &p->gauges[journal];
    ret->level = level_now(p, journal, now_ns);
    ret->throttle_ms = throttle_of(p, g, ret->level, now_ns);
    ret->waiting_bytes = atomic_load(&g->waiting_bytes);
    ret->waiting = atomic_load(&g->waiting);
    ret->delay_ns = delay_of(g, now_ns);
    ret->bytes_max = p->share_bytes;
    ret->lag_pm = atomic_load(&g->lag_pm);
    ret->cause = cause_of(p, g, ret->level, now_ns);
}
