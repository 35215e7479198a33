/* When to try again: full jitter, and a budget that all calls share.
 *
 * The budget is a bucket of tokens: a retry takes some, a success gives one back. While the store
 * is well it is full and never felt; when the store fails everything, retries stop after a while
 * and each request costs one attempt, so that we do not multiply the load on what is overloaded
 * already.
 *
 * Threads: plain values, kept by the event thread. */
#ifndef SLUICE_STORAGE_S3_RETRY_H
#define SLUICE_STORAGE_S3_RETRY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    S3_BUDGET_FULL = 500,
    S3_BUDGET_RETRY = 5,
    S3_BACKOFF_BASE_MS = 25,
    S3_BACKOFF_THROTTLED_MS = 100,
    S3_BACKOFF_MAX_MS = 5000
};

struct s3_budget {
    int32_t tokens;
};

void s3__budget_init(struct s3_budget *b);
/* False: no retry now. */
bool s3__budget_take(struct s3_budget *b);
void s3__budget_give(struct s3_budget *b);

/* Milliseconds to wait before attempt number `attempt` + 1 (attempt counts from 1): uniform between
 * 0 and a ceiling that doubles, from a random number. */
uint32_t s3__backoff_ms(uint32_t attempt, bool is_throttled, uint64_t random);

#endif
