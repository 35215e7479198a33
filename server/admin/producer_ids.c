#include "admin/producer_ids.h"

enum { BLOCK_IDS = 1000 };

struct producer_ids {
    struct shard *shard;
    int64_t next, end; /* of the block at hand */
    struct list waiting;
    struct op_proposal op;
    int64_t op_first;
    bool is_busy;
};

struct producer_ids *
producer_ids_new(struct shard *shard0)
{
    struct producer_ids *ids = (struct producer_ids *)sl_alloc(sizeof(*ids));
    ids->shard = shard0;
    list_init(&ids->waiting);
    return ids;
}

void
producer_ids_destroy(struct producer_ids **pids)
{
    sl_free(*pids);
    *pids = NULL;
}

static void
answer_home(struct sched_task *task)
{
    struct producer_id_request *r = SL_CONTAINER_OF(task, struct producer_id_request, task);
    r->done(r);
}

static void
answer(struct producer_id_request *r, enum sl_err rc, int64_t id)
{
    r->rc = rc;
    r->id = id;
    r->task.run = answer_home;
    sched_post(r->home, &r->task);
}

static enum sl_err
block_check(struct op_proposal *op, const struct state *st)
{
    struct producer_ids *ids = (struct producer_ids *)op->arg;
    ids->op_first = state_next_producer_id(st);
    bytes_clear(&op->payload);
    op_encode_producer_ids(&op->payload, ids->op_first, BLOCK_IDS);
    return SL_OK;
}

static void serve(struct producer_ids *ids, int64_t deadline_ns);

static void
block_done(struct op_proposal *op, enum sl_err rc)
{
    struct producer_ids *ids = (struct producer_ids *)op->arg;
    bytes_fini(&op->payload);
    ids->is_busy = false;
    if (rc == SL_OK) {
        ids->next = ids->op_first;
        ids->end = ids->op_first + BLOCK_IDS;
        serve(ids, op->deadline_ns);
        return;
    }
    for (struct list *node; (node = list_pop(&ids->waiting)) != NULL;) {
        answer(SL_CONTAINER_OF(node, struct producer_id_request, node), rc, -1);
    }
}

static void
serve(struct producer_ids *ids, int64_t deadline_ns)
{
    while (ids->next < ids->end && !list_is_empty(&ids->waiting)) {
        struct list *node = list_pop(&ids->waiting);
        answer(SL_CONTAINER_OF(node, struct producer_id_request, node), SL_OK, ids->next++);
    }
    if (list_is_empty(&ids->waiting) || ids->is_busy) {
        return;
    }
    ids->is_busy = true;
    ids->op = (struct op_proposal){.kind = ITEM_PRODUCER_IDS,
                                   .deadline_ns = deadline_ns,
                                   .check = block_check,
                                   .done = block_done,
                                   .arg = ids};
    bytes_init(&ids->op.payload, 64);
    (void)block_check(&ids->op, shard_state(ids->shard));
    op_submit(ids->shard, &ids->op);
}

static void
request_run(struct sched_task *task)
{
    struct producer_id_request *r = SL_CONTAINER_OF(task, struct producer_id_request, task);
    list_append(&r->ids->waiting, &r->node);
    serve(r->ids, r->deadline_ns);
}

void
producer_id_submit(struct producer_ids *ids, struct producer_id_request *r)
{
    r->ids = ids;
    list_init(&r->node);
    r->task.run = request_run;
    sched_post(shard_sched(ids->shard), &r->task);
}
