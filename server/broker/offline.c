/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/offline.h"

#include "base/diag.h"
#include "broker/bucket.h"
#include "net/loop.h"

#include <signal.h>
#include <stdio.h>

enum { EXIT_BROKEN = 1 };

static int
run_in(struct bucket *b, const struct config *cfg, struct sched *sched,
       int (*run)(const struct reader_options *bucket, void *arg), void *arg)
{
    struct reader_options o = {.sched = sched,
                               .store = b->store,
                               .cache = cache_open(b->store, (size_t)cfg->storage.cache_bytes),
                               .prefix = cfg->storage.prefix,
                               .segment_namespace = cfg->storage.ns,
                               .cluster = b->cluster,
                               .journals = b->journals};
    int status = run(&o, arg);
    cache_close(&o.cache);
    return status;
}

int
broker_offline(const struct config *cfg, int (*run)(const struct reader_options *bucket, void *arg),
               void *arg)
{
    struct bucket b = {0};
    struct loop **loops = NULL;
    unsigned count = 0;
    int status = EXIT_BROKEN;
    struct sl_error err = SL_ERROR_INIT;
    (void)signal(SIGPIPE, SIG_IGN);
    diag_set_level(DIAG_WARN);
    enum sl_err rc = loops_start(1, &loops, &count, &err);
    rc = rc != SL_OK ? rc : bucket_open(cfg, &b, &err);
    rc = rc != SL_OK ? rc : bucket_look(&b, cfg, loop_sched(loops[0]), &err);
    if (rc == SL_OK) {
        status = run_in(&b, cfg, loop_sched(loops[0]), run, arg);
    } else {
        (void)fprintf(stderr, "sluice: %s\n", err.msg);
    }
    if (b.store != NULL) {
        bucket_close(&b);
    }
    if (loops != NULL) {
        loops_stop(&loops, count);
    }
    buf_pool_trim();
    return status;
}
