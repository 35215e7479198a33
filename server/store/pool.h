/* A bounded pool of threads for calls that may block.
 *
 * Two lanes: `urgent` (puts: a producer waits for each) goes first and may use every thread; `bulk`
 * (reads, lists, deletes) leaves two threads free, so that consumers that catch up from cold data
 * cannot stand in the way of a commit.
 *
 * Threads:  pool_submit on any thread; job->run on one of the pool's.
 * Lifetime: a job is embedded in its owner and stays alive until run() has been entered. */
#ifndef SLUICE_STORE_POOL_H
#define SLUICE_STORE_POOL_H

#include "base/err.h"
#include "base/list.h"

struct pool_job {
    struct list link;
    void (*run)(struct pool_job *job);
};

enum pool_lane { POOL_URGENT, POOL_BULK, POOL_LANES };

struct pool;

MUST_CHECK enum sl_err pool_open(const char *name, uint32_t threads, uint32_t queue_max,
                                 struct pool **ret, struct sl_error *err);
/* SL_EAGAIN when the queue is full; nothing happened then. */
MUST_CHECK enum sl_err pool_submit(struct pool *p, enum pool_lane lane, struct pool_job *job);
/* Runs what is queued, waits for the threads, frees. */
void pool_close(struct pool **p);

#endif
