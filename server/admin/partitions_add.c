/* A topic grows: the new partitions get journals, and are opened there. */
#include "admin/topics_int.h"

static void
add_home(struct sched_task *task)
{
    struct partitions_add *p = SL_CONTAINER_OF(task, struct partitions_add, task);
    p->done(p);
}

static void
add_answer(struct partitions_add *p, enum sl_err rc)
{
    p->rc = rc;
    p->task.run = add_home;
    sched_post(p->home, &p->task);
}

static void
add_driven(struct drive *d)
{
    add_answer((struct partitions_add *)d->arg, d->rc);
}

static enum sl_err
add_check(struct op_proposal *op, const struct state *st)
{
    struct partitions_add *p = (struct partitions_add *)op->arg;
    struct topic_state *t = state_find_topic(st, p->name);
    if (t == NULL) {
        return SL_EUNKNOWN_PARTITION;
    }
    p->old_count = t->partition_count;
    p->topic_id = t->id;
    if (p->new_count <= t->partition_count) {
        return SL_EINVALID_PARTITIONS;
    }
    uint32_t *journals = admin__choose_journals(p->admin, &t->id, p->new_count);
    bytes_clear(&op->payload);
    op_encode_partitions_add(&op->payload, &t->id, t->partition_count, p->new_count,
                             journals + t->partition_count);
    sl_free(journals);
    return SL_OK;
}

static void
add_done(struct op_proposal *op, enum sl_err rc)
{
    struct partitions_add *p = (struct partitions_add *)op->arg;
    struct topic_admin *a = p->admin;
    struct topic_state *t = state_find_topic_id(shard_state(a->shards[0]), &p->topic_id);
    bytes_fini(&op->payload);
    if (rc != SL_OK || t == NULL || t->is_deleting) {
        add_answer(p, rc == SL_OK ? SL_EUNKNOWN_PARTITION : rc);
        return;
    }
    struct drive *d = admin__drive_new(a, DRIVE_OPEN, p->deadline_ns);
    d->done = add_driven;
    d->arg = p;
    admin__drive_start(d, &t, 1);
}

static void
add_run(struct sched_task *task)
{
    struct partitions_add *p = SL_CONTAINER_OF(task, struct partitions_add, task);
    struct topic_admin *a = p->admin;
    p->op = (struct op_proposal){.kind = ITEM_PARTITIONS_ADD,
                                 .deadline_ns = p->deadline_ns,
                                 .check = add_check,
                                 .done = add_done,
                                 .arg = p};
    bytes_init(&p->op.payload, (size_t)1 << 30);
    enum sl_err rc = add_check(&p->op, shard_state(a->shards[0]));
    if (p->is_validate_only) {
        bytes_fini(&p->op.payload);
        add_answer(p, rc);
        return;
    }
    (void)bytes_grow(&p->op.payload,
                     (size_t)p->new_count * 4 + 64); /* room whatever S says when staged */
    op_submit(a->shards[0], &p->op);
}

void
partitions_add_submit(struct topic_admin *a, struct partitions_add *p)
{
    p->admin = a;
    p->task.run = add_run;
    sched_post(admin__home(a), &p->task);
}
