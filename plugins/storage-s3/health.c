/* How the store is doing, from the share of attempts that failed lately: a moving average over
 * about eight attempts, with other thresholds for worse than for better so that it does not
 * flutter. A success after five seconds without a failure is good health, too: an idle broker asks
 * so little that the average would take minutes. Logged when it changes. And what was asked of it
 * so far, logged when it stops. */
#include "storage-s3/s3_int.h"

#include <stdio.h>

enum { ALL = 1024, DEGRADED_ABOVE = 350, UNAVAILABLE_ABOVE = 1000, HEALTHY_BELOW = 60, WINDOW = 8 };
#define SILENCE_NS (UINT64_C(5000) * S3_NS_PER_MS)

static const char *const names[] = {"healthy", "degraded", "unavailable"};

static enum s3_health
health_next(const struct s3_engine *e, uint64_t now, bool is_good)
{
    if (is_good && (e->trouble < HEALTHY_BELOW || now - e->last_bad_ns > SILENCE_NS)) {
        return S3_HEALTHY;
    }
    if (e->health == S3_UNAVAILABLE) {
        return is_good ? S3_DEGRADED : S3_UNAVAILABLE;
    }
    if (e->trouble > UNAVAILABLE_ABOVE && now - e->last_good_ns > SILENCE_NS) {
        return S3_UNAVAILABLE;
    }
    return e->trouble > DEGRADED_ABOVE ? S3_DEGRADED : e->health;
}

void
s3__health_note(sluice_instance *s3, enum s3_verdict verdict, const char *why)
{
    struct s3_engine *e = &s3->engine;
    bool is_good = verdict == S3_DONE || verdict == S3_EXISTS || verdict == S3_ABSENT ||
                   verdict == S3_NO_RANGE || verdict == S3_CONFLICT;
    uint64_t now = s3__now_ns();
    int32_t target = is_good ? 0 : ALL;
    int32_t step = (target - e->trouble) / WINDOW;
    e->trouble += step != 0 ? step : target - e->trouble;
    enum s3_health next = health_next(e, now, is_good);
    e->last_good_ns = is_good ? now : e->last_good_ns;
    e->last_bad_ns = is_good ? e->last_bad_ns : now;
    if (next == e->health || !atomic_load(&e->is_open)) {
        return;
    }
    e->health = next;
    s3__log(s3, next == S3_HEALTHY ? SLUICE_LOG_INFO : SLUICE_LOG_WARN, "bucket %s at %s is %s%s%s",
            s3->conf.bucket, s3->conf.endpoint, names[next], is_good ? "" : ": ",
            is_good ? "" : why);
}

/* ---- counts ---- */

static size_t
bucket_of(uint64_t ms)
{
    size_t i = 0;
    while (i + 1 < S3_LATENCY_BUCKETS && ms >> i != 0) {
        i++;
    }
    return i;
}

void
s3__stats_note(sluice_instance *s3, const struct s3_call *call, sluice_status status,
               uint64_t bytes)
{
    struct s3_kind_stats *k = &s3->engine.stats[call->kind];
    k->calls++;
    k->latency[bucket_of((s3__now_ns() - call->begun_ns) / S3_NS_PER_MS)]++;
    if (status == SLUICE_OK) {
        k->ok++;
        k->bytes += bytes;
    } else if (status == SLUICE_EEXIST) {
        k->exists++;
    } else if (status == SLUICE_ENOENT) {
        k->absent++;
    } else if (status == SLUICE_EUNKNOWN) {
        k->unknown++;
    } else {
        k->failed++;
    }
}

/* Milliseconds below which `share` per mille of the calls ended. */
static unsigned long long
latency_below(const struct s3_kind_stats *k, uint64_t share)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < S3_LATENCY_BUCKETS; i++) {
        seen += k->latency[i];
        if (seen * 1000 >= k->calls * share) {
            return 1ULL << i;
        }
    }
    return 1ULL << (S3_LATENCY_BUCKETS - 1);
}

void
s3__stats_log(const sluice_instance *s3)
{
    for (size_t i = 0; i < S3_KINDS; i++) {
        const struct s3_kind_stats *k = &s3->engine.stats[i];
        if (k->calls == 0) {
            continue;
        }
        s3__log(s3, SLUICE_LOG_INFO,
                "%s: %llu calls in %llu attempts: %llu ok, %llu exist, %llu absent, %llu unknown, "
                "%llu failed; %llu bytes; p50 < %llu ms, p99 < %llu ms",
                s3__kind_name((enum s3_kind)i), (unsigned long long)k->calls,
                (unsigned long long)k->attempts, (unsigned long long)k->ok,
                (unsigned long long)k->exists, (unsigned long long)k->absent,
                (unsigned long long)k->unknown, (unsigned long long)k->failed,
                (unsigned long long)k->bytes, latency_below(k, 500), latency_below(k, 990));
    }
}
