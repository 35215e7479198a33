/* How fast, instead of how right: brokers that propose all the time on one journal behind a store
 * whose every request takes a while, and brokers that open a long journal. Nothing is asserted
 * about a time; figures are printed (sim --pace). What leaves the brokers is judged all the same.
 *
 *     writers   a number of clients at each broker, each with one batch on its way: the next one is
 *               sent the moment the last one is acknowledged. Per broker: acknowledgements,
 * entries, and the time from append to acknowledgement. Together: requests of each kind. opening so
 * many entries and no snapshot; one broker starts. */
#include "sim.h"

#include <stdlib.h>

enum { WRITERS_MAX = 4, TIMES_MAX = 400000, PACE_S = 60 };

static const struct pace {
    const char *name;
    int brokers, writers[SIM_BROKERS_MAX]; /* per broker */
    int64_t lat_min, lat_max;              /* of each request */
    int64_t far;                           /* more, at the last broker */
    int64_t pause[SIM_BROKERS_MAX];        /* of a writer, between two batches */
    int entries;                           /* opening: so many */
    int64_t linger_ns;
} paces[] = {
#define MS(n) ((n)*SCHED_MS)
    {"alone, 10-50 ms", 1, {1}, MS(10), MS(50), 0, {0}, 0, MS(20)},
    {"alone, 10-50 ms, 4 writers", 1, {4}, MS(10), MS(50), 0, {0}, 0, MS(20)},
    {"two, 10-50 ms", 2, {1, 1}, MS(10), MS(50), 0, {0}, 0, MS(20)},
    {"two, 10-50 ms, 4 writers", 2, {4, 4}, MS(10), MS(50), 0, {0}, 0, MS(20)},
    {"two, 4 writers against 1", 2, {4, 1}, MS(10), MS(50), 0, {0}, 0, MS(20)},
    {"two, one 60 ms farther", 2, {1, 1}, MS(10), MS(50), MS(60), {0}, 0, MS(20)},
    {"two, one writes once a second", 2, {4, 1}, MS(10), MS(50), 0, {0, SCHED_S}, 0, MS(20)},
    {"two, one writes every 10 s", 2, {4, 1}, MS(10), MS(50), 0, {0, 10 * SCHED_S}, 0, MS(20)},
    {"three, 10-50 ms", 3, {1, 1, 1}, MS(10), MS(50), 0, {0}, 0, MS(20)},
    {"two, 0.1-1 ms, as on files", 2, {1, 1}, MS(1) / 10, MS(1), 0, {0}, 0, 0},
    {"opening, 50 ms, 2000 entries", 1, {1}, MS(50), MS(50), 0, {0}, 2000, 0},
};

struct writer {
    struct sim_broker *b;
    int id, part;
    uint64_t order;
    struct append a;
    uint8_t *bytes;
    uint64_t uid;
    int64_t sent_at, pause;
    bool is_open;
};

static const struct pace *pace;
static struct writer writers[SIM_BROKERS_MAX * WRITERS_MAX];
static int writer_count;
static struct {
    int64_t *times; /* from append to acknowledgement */
    size_t acked, times_cap;
} done[SIM_BROKERS_MAX];
static int64_t until;

static void write_next(void *arg);

static void
wrote(struct append *a)
{
    struct writer *w = SL_CONTAINER_OF(a, struct writer, a);
    int b = w->b->id;
    if (a->rc != SL_OK) {
        sim_violation("a calm store takes everything", "broker %d: %s", b, sl_err_name(a->rc));
    }
    sim.batches[w->uid].open_attempts--;
    truth_acked(w->uid, a->base_offset, "a writer");
    SIM_GROW(done[b].times, done[b].acked, done[b].times_cap);
    done[b].times[done[b].acked++] = sim.now - w->sent_at;
    sl_free(w->bytes);
    w->bytes = NULL;
    if (sim.now < until) {
        sim_after(w->pause, write_next, w);
    }
}

static void
write_on_loop(void *arg)
{
    struct writer *w = arg;
    const struct sim_part *p = &sim.parts[w->part];
    SIM_GROW(sim.batches, sim.batch_count, sim.batch_cap);
    w->uid = sim.batch_count++;
    sim.batches[w->uid] = (struct sim_batch){.client = w->id,
                                             .part = w->part,
                                             .count = 1,
                                             .seq = -1,
                                             .pid = -1,
                                             .epoch = -1,
                                             .size = SIM_BATCH_MIN,
                                             .attempts = 1,
                                             .open_attempts = 1,
                                             .order = ++w->order,
                                             .connection = (uint64_t)w->id + 1};
    w->bytes = sl_alloc(SIM_BATCH_MIN);
    w->a = (struct append){.topic_id = p->topic_id,
                           .partition = p->index,
                           .is_log_append_time = p->is_append_time,
                           .deadline_ns = INT64_MAX,
                           .done = wrote};
    sim_batch_encode(w->uid, w->bytes, &w->a.info);
    w->a.batch = span_of(w->bytes, SIM_BATCH_MIN);
    w->sent_at = sim.now;
    append_submit(w->b->shards[0], &w->a);
}

static void
write_next(void *arg)
{
    struct writer *w = arg;
    (void)broker_send(w->b, write_on_loop, w);
}

static void
writers_start(void)
{
    for (int b = 0; b < pace->brokers; b++) {
        for (int i = 0; i < pace->writers[b]; i++) {
            struct writer *w = &writers[writer_count];
            *w = (struct writer){.b = &sim.brokers[b],
                                 .id = writer_count,
                                 .part = writer_count,
                                 .pause = pace->pause[b]};
            writer_count++;
            sim_after((int64_t)rng_below(&sim.r_client, 20 * SCHED_MS), write_next, w);
        }
    }
}

/* --- figures */

static int
compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double
percentile(int b, size_t per_cent)
{
    size_t n = done[b].acked;
    return n == 0 ? 0 : (double)done[b].times[(n - 1) * per_cent / 100] / 1e6;
}

static void
print_writers(double seconds)
{
    for (int b = 0; b < pace->brokers; b++) {
        if (done[b].acked > 1) {
            qsort(done[b].times, done[b].acked, sizeof(*done[b].times), compare);
        }
        printf("  %-32s b%d %6zu acknowledged, append to ack %7.1f ms p50 %7.1f p99 %7.1f max\n",
               b == 0 ? pace->name : "", b, done[b].acked, percentile(b, 50), percentile(b, 99),
               percentile(b, 100));
    }
    int64_t sums[COUNTER_COUNT];
    counters_sum(sums);
    printf("  %-32s    %.1f entries/s, %.1f lost/s; requests/s: PUT %.1f GET %.1f LIST %.1f\n", "",
           (double)sums[C_journal_entries_won] / seconds,
           (double)sums[C_journal_entries_lost] / seconds,
           (double)sim_store_requests(STORE_PUT) / seconds,
           (double)sim_store_requests(STORE_GET) / seconds,
           (double)sim_store_requests(STORE_LIST) / seconds);
}

/* --- scenes */

static void
plan(struct knobs *k)
{
    *k = (struct knobs){.profile = "pace",
                        .brokers = pace->brokers,
                        .journals = 1,
                        .lat_min = pace->lat_min,
                        .lat_max = pace->lat_max,
                        .lat_far = pace->far,
                        .max_in_flight = 4,
                        .linger_ns = pace->linger_ns,
                        .grace_ns = SIM_HOUR,
                        .entry_max = 8 << 20,
                        .queue_max = 64 << 20,
                        .tail_cache = 1 << 20,
                        .cache_bytes = 64 << 20,
                        .batch_max = 1};
}

static bool
is_open(void)
{
    for (int i = 0; i < sim.part_count; i++) {
        if (sim.parts[i].phase != PART_OPEN) {
            return false;
        }
    }
    return sim.part_count > 0;
}

static bool
is_over(void)
{
    for (int i = 0; i < writer_count; i++) {
        if (writers[i].bytes != NULL) {
            return false;
        }
    }
    return sim.now >= until;
}

static bool
is_long_enough(void)
{
    return done[0].acked >= (size_t)pace->entries;
}

static bool
is_live(void)
{
    return broker_is_live(&sim.brokers[0]);
}

static void
must_run(bool (*stop)(void), const char *what)
{
    if (!sim_run(stop, sim.now + SIM_HOUR)) {
        sim_violation("every run settles", "%s", what);
    }
}

static void
write_for_a_while(void)
{
    int64_t began = sim.now;
    sim_store_requests_reset();
    until = sim.now + PACE_S * SCHED_S;
    writers_start();
    must_run(is_over, "writers do not end");
    print_writers((double)(sim.now - began) / 1e9);
}

static void
open_again(void)
{
    sim.k.lat_min = sim.k.lat_max = SCHED_MS / 10;
    until = INT64_MAX;
    writers_start();
    must_run(is_long_enough, "entries are not written");
    broker_crash(&sim.brokers[0]);
    sim.k.lat_min = pace->lat_min;
    sim.k.lat_max = pace->lat_max;
    int64_t began = sim.now;
    sim_store_requests_reset();
    must_run(is_live, "the journal does not open");
    printf("  %-32s    live after %.0f ms; requests: GET %" PRIu64 " LIST %" PRIu64 "\n",
           pace->name, (double)(sim.now - began) / 1e6, sim_store_requests(STORE_GET),
           sim_store_requests(STORE_LIST));
}

int
sim_pace_count(void)
{
    return (int)(sizeof(paces) / sizeof(paces[0]));
}

void
sim_pace_run(int which, uint64_t seed)
{
    pace = &paces[which];
    sim.seed = seed;
    sim.is_quiet = sim.is_pace = true;
    plan(&sim.k);
    seed_generators(seed);
    sim.now = 1000 * SCHED_S;
    sim.store = sim_store_new();
    for (int i = 0; i < sim.k.brokers; i++) {
        sim.brokers[i].id = i;
        broker_start(&sim.brokers[i]);
    }
    for (int b = 0; b < pace->brokers; b++) {
        for (int i = 0; i < pace->writers[b]; i++) {
            (void)ops_new_part(0, NULL);
        }
    }
    must_run(is_open, "partitions are not open");
    if (pace->entries > 0) {
        open_again();
    } else {
        write_for_a_while();
    }
    truth_final();
    sim.result->is_done = true;
}
