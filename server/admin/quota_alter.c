#include "admin/quota_alter.h"

static void
answer_home(struct sched_task *task)
{
    struct quota_alter *x = SL_CONTAINER_OF(task, struct quota_alter, task);
    x->done(x);
}

static void
done(struct op_proposal *op, enum sl_err rc)
{
    struct quota_alter *x = (struct quota_alter *)op->arg;
    bytes_fini(&op->payload);
    x->rc = rc;
    x->task.run = answer_home;
    sched_post(x->home, &x->task);
}

static void
run(struct sched_task *task)
{
    struct quota_alter *x = SL_CONTAINER_OF(task, struct quota_alter, task);
    x->op = (struct op_proposal){
        .kind = ITEM_QUOTA, .deadline_ns = x->deadline_ns, .done = done, .arg = x};
    bytes_init(&x->op.payload, QUOTA_ALTER_BYTES_MAX);
    enum sl_err rc = op_encode_quotas(&x->op.payload, x->ops, x->count);
    if (rc == SL_OK && x->op.payload.is_overflown) {
        rc = SL_ETOO_LARGE;
    }
    if (rc != SL_OK) {
        done(&x->op, rc);
        return;
    }
    op_submit(x->shard, &x->op);
}

void
quota_alter_submit(struct shard *shard0, struct quota_alter *x)
{
    x->shard = shard0;
    x->task.run = run;
    sched_post(shard_sched(shard0), &x->task);
}
