#include "storage-s3/retry.h"

void
s3__budget_init(struct s3_budget *b)
{
    b->tokens = S3_BUDGET_FULL;
}

bool
s3__budget_take(struct s3_budget *b)
{
    if (b->tokens < S3_BUDGET_RETRY) {
        return false;
    }
    b->tokens -= S3_BUDGET_RETRY;
    return true;
}

void
s3__budget_give(struct s3_budget *b)
{
    if (b->tokens < S3_BUDGET_FULL) {
        b->tokens++;
    }
}

uint32_t
s3__backoff_ms(uint32_t attempt, bool is_throttled, uint64_t random)
{
    uint32_t base = is_throttled ? S3_BACKOFF_THROTTLED_MS : S3_BACKOFF_BASE_MS;
    uint32_t doublings = attempt > 0 ? attempt - 1 : 0;
    uint64_t ceiling = (uint64_t)base << (doublings > 16 ? 16 : doublings);
    ceiling = ceiling > S3_BACKOFF_MAX_MS ? S3_BACKOFF_MAX_MS : ceiling;
    return (uint32_t)((random >> 16) % (ceiling + 1));
}
