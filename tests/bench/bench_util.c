/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define LATENCIES_KEPT (1u << 22)

uint64_t
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

double
number_of(const char *text)
{
    char *end;
    double n;

    errno = 0;
    n = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || n < 0) {
        fprintf(stderr, "not a number: %s\n", text);
        exit(2);
    }
    return n;
}

static void
option_set(const struct bench_option *o, char *value)
{
    if (o->text != NULL) {
        *o->text = value;
    } else if (o->call != NULL) {
        o->call(value);
    } else if (o->number != NULL) {
        *o->number = (int)number_of(value);
    } else if (o->size != NULL) {
        *o->size = (size_t)number_of(value);
    } else {
        *o->real = number_of(value);
    }
}

void
bench_options(int argc, char **argv, const struct bench_option *table)
{
    char letters[64] = "";
    size_t n = 0;
    for (const struct bench_option *o = table; o->letter != 0 && n + 3 < sizeof(letters); o++) {
        letters[n++] = o->letter;
        letters[n++] = ':';
    }
    for (int letter; (letter = getopt(argc, argv, letters)) != -1;) {
        const struct bench_option *o = table;
        while (o->letter != 0 && o->letter != letter) {
            o++;
        }
        if (o->letter == 0) {
            exit(2); /* getopt said why */
        }
        option_set(o, optarg);
    }
}

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t
log_line(char *line, size_t size, uint64_t *rnd, uint64_t clock_ms)
{
    static const char *const levels[] = {"INFO ", "INFO ", "INFO ", "DEBUG", "WARN ", "ERROR"};
    static const char *const services[] = {"checkout", "search",   "inventory", "gateway",
                                           "payments", "sessions", "mailer",    "recommender"};
    static const char *const paths[] = {"/api/v1/orders", "/api/v1/items",  "/api/v2/users",
                                        "/login",         "/healthz",       "/api/v1/cart",
                                        "/static/app.js", "/api/v2/reviews"};
    static const int statuses[] = {200, 200, 200, 200, 201, 204, 304, 404, 500};
    uint64_t a = next_random(rnd), b = next_random(rnd), c = next_random(rnd);
    int n = snprintf(line, size,
                     "2026-11-24T%02u:%02u:%02u.%03uZ %s [%s-%u] trace=%016llx user=%u GET %s/%u "
                     "status=%d bytes=%u dur_ms=%u.%u\n",
                     (unsigned)(clock_ms / 3600000 % 24), (unsigned)(clock_ms / 60000 % 60),
                     (unsigned)(clock_ms / 1000 % 60), (unsigned)(clock_ms % 1000), levels[a % 6],
                     services[a / 6 % 8], (unsigned)(a / 48 % 16), (unsigned long long)b,
                     (unsigned)(c % 50000), paths[c / 50000 % 8], (unsigned)(c / 400000 % 100000),
                     statuses[a / 768 % 9], (unsigned)(b % 20000), (unsigned)(b / 20000 % 300),
                     (unsigned)(b % 10));

    return n < 0 ? 0 : (size_t)n;
}

void
loglike(uint8_t *p, size_t n)
{
    uint64_t rnd = 0x9E3779B97F4A7C15u, clock_ms = 6 * 3600000u;
    char line[256];

    while (n > 0) {
        size_t len = log_line(line, sizeof line, &rnd, clock_ms);

        len = len < n ? len : n;
        memcpy(p, line, len);
        p += len;
        n -= len;
        clock_ms += rnd % 7;
    }
}

void
latencies_init(struct latencies *l)
{
    l->n = 0;
    l->max = LATENCIES_KEPT;
    l->us = calloc(l->max, sizeof *l->us);
    if (l->us == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
}

void
latencies_add(struct latencies *l, uint64_t us)
{
    if (l->n < l->max) {
        l->us[l->n++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
    }
}

static int
compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double
percentile_ms(const struct latencies *l, double share)
{
    return l->us[(size_t)((double)(l->n - 1) * share)] / 1e3;
}

void
latencies_print(struct latencies *l, const char *prefix)
{
    if (l->n == 0) {
        return;
    }
    qsort(l->us, l->n, sizeof *l->us, compare);
    printf(",\"%sp50_ms\":%.3f,\"%sp99_ms\":%.3f,\"%sp999_ms\":%.3f,\"%smax_ms\":%.3f", prefix,
           percentile_ms(l, .5), prefix, percentile_ms(l, .99), prefix, percentile_ms(l, .999),
           prefix, percentile_ms(l, 1));
}

static double
own_cpu_s(void)
{
    struct rusage r;

    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

void
result_print(const struct result *r, struct latencies *l)
{
    double s = r->elapsed_s > 0 ? r->elapsed_s : 1e-6;

    printf("{\"msgs\":%llu,\"bytes\":%llu,\"elapsed\":%.3f,\"msgs_s\":%.0f,\"MB_s\":%.2f,"
           "\"errors\":%llu,\"last_error\":%d,\"client_cpu_s\":%.3f",
           (unsigned long long)r->ok, (unsigned long long)r->bytes, r->elapsed_s, (double)r->ok / s,
           (double)r->bytes / s / 1e6, (unsigned long long)r->failed, r->last_error, own_cpu_s());
    latencies_print(l, "");
    printf("}\n");
    fflush(stdout);
}
