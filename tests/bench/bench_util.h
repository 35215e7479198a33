/* What the load generators share: time, numbers, log-like payloads, latencies and the result line.
 *
 * Threads: latencies_add is for one thread at a time; the rest is pure. */
#ifndef SLUICE_TESTS_BENCH_UTIL_H
#define SLUICE_TESTS_BENCH_UTIL_H

#include <stddef.h>
#include <stdint.h>

/* Monotonic microseconds. */
uint64_t now_us(void);

/* The number text stands for; ends the program with a sentence when it is none. */
double number_of(const char *text);

/* An option of a program, and where its value goes: into the variable, or through the function. */
struct bench_option {
    char letter;
    const char **text;
    int *number;
    size_t *size;
    double *real;
    void (*call)(char *value);
};
/* The table ends with an entry without a letter. Ends the program for a letter it does not have. */
void bench_options(int argc, char **argv, const struct bench_option *table);

/* Fills p with text as services log it: timestamps, levels, names from a small vocabulary, random
 * identifiers. zstd packs it about 4:1, unlike one repeated payload or pure noise. Deterministic.
 */
void loglike(uint8_t *p, size_t n);

/* Every latency of a run, up to a fixed number; the rest is not kept. */
struct latencies {
    uint32_t *us;
    size_t n, max;
};

void latencies_init(struct latencies *l);
void latencies_add(struct latencies *l, uint64_t us);
/* Appends `,"PREFIXp50_ms":…` and so on to the JSON object that is being printed; sorts. */
void latencies_print(struct latencies *l, const char *prefix);

struct result {
    uint64_t ok, bytes, failed;
    int last_error; /* the client's or the protocol's code */
    double elapsed_s;
};

/* Prints r, this process' CPU time and l's percentiles as one JSON object on one line. */
void result_print(const struct result *r, struct latencies *l);

#endif
