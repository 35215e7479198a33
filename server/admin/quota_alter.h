/* Changing client quotas: one op in journal 0 for all entities of a request. What is in it was
 * judged by the caller; the op replaces or removes single values, so there is nothing to check when
 * it is staged.
 *
 * Threads:  submit from any loop; the work on journal 0's loop; done on `home`.
 * Lifetime: the caller keeps the request until done. */
#ifndef SLUICE_ADMIN_QUOTA_ALTER_H
#define SLUICE_ADMIN_QUOTA_ALTER_H

#include "partition/shard.h"

enum { QUOTA_ALTER_BYTES_MAX = 6 << 20 };
struct quota_alter {
    const struct quota_op *ops;
    size_t count;
    int64_t deadline_ns;
    struct sched *home;
    void (*done)(struct quota_alter *x);
    void *arg;
    enum sl_err rc; /* SL_OK, SL_ETOO_LARGE (above QUOTA_ALTER_BYTES_MAX), SL_EINVAL, SL_ETIMEOUT */
    struct sched_task task;
    struct shard *shard;
    struct op_proposal op;
};
void quota_alter_submit(struct shard *shard0, struct quota_alter *x);

#endif
