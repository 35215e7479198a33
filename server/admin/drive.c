/* The second step of docs/journal.md R7. Journal 0 has recorded the intent; now each journal that
 * is concerned gets an op, all at once, and when all of them are verified journal 0 records that it
 * is done. Every op is idempotent: whoever finds one of them missing proposes it again. */
#include "admin/topics_int.h"

/* A retirement looks at every partition of its journal. */
enum { RETIRES_PER_OP = 100 };

struct drive_part {
    struct drive *drive;
    struct shard *shard;
    struct sched_task task;
    struct op_proposal op;
    enum sl_err rc;
};

static void
drive_free(struct drive *d)
{
    d->admin->drives--;
    bytes_fini(&d->record.payload);
    sl_free(d->ids);
    sl_free(d->counts);
    sl_free(d);
}

static void
drive_end(struct drive *d)
{
    if (d->done != NULL) {
        d->done(d);
    }
    drive_free(d);
}

static void
recorded(struct op_proposal *op, enum sl_err rc)
{
    (void)rc; /* the journals have done it; a sweep records it */
    drive_end((struct drive *)op->arg);
}

/* Answered when it is recorded, so that who asks for metadata next sees partitions that lead. */
static void
drive_finish(struct drive *d)
{
    if (d->rc != SL_OK || d->kind == DRIVE_ORPHANS) {
        drive_end(d);
        return;
    }
    bytes_init(&d->record.payload, (size_t)1 << 30);
    if (d->kind == DRIVE_OPEN) {
        op_encode_topics_opened(&d->record.payload, d->ids, d->counts, d->topic_count);
    } else {
        op_encode_topic_deleted(&d->record.payload, d->ids, d->topic_count);
    }
    d->record.kind = d->kind == DRIVE_OPEN ? ITEM_TOPICS_OPENED : ITEM_TOPIC_DELETED;
    d->record.deadline_ns = d->deadline_ns;
    d->record.done = recorded;
    d->record.arg = d;
    op_submit(d->admin->shards[0], &d->record);
}

static void
part_back(struct sched_task *task)
{
    struct drive_part *p = SL_CONTAINER_OF(task, struct drive_part, task);
    struct drive *d = p->drive;
    if (p->rc != SL_OK) {
        d->rc = p->rc;
    }
    bytes_fini(&p->op.payload);
    sl_free(p);
    if (--d->pending == 0) {
        drive_finish(d);
    }
}

static void
part_done(struct op_proposal *op, enum sl_err rc)
{
    struct drive_part *p = (struct drive_part *)op->arg;
    p->rc = rc;
    p->task.run = part_back;
    sched_post(admin__home(p->drive->admin), &p->task);
}

static void
part_send(struct sched_task *task)
{
    struct drive_part *p = SL_CONTAINER_OF(task, struct drive_part, task);
    p->op.deadline_ns = p->drive->deadline_ns;
    op_submit(p->shard, &p->op);
}

static size_t
indexes_in(const struct topic_state *t, uint32_t journal, int32_t *ret)
{
    size_t count = 0;
    for (int32_t i = t->opened_count; i < t->partition_count; i++) {
        if (t->journals[i] == journal) {
            ret[count++] = i;
        }
    }
    return count;
}

static void
encode_opens(struct bytes *out, struct topic_state *const *topics, size_t count, uint32_t journal)
{
    for (size_t i = 0; i < count; i++) {
        int32_t *indexes =
            (int32_t *)sl_alloc((size_t)topics[i]->partition_count * sizeof(int32_t));
        size_t found = indexes_in(topics[i], journal, indexes);
        if (found > 0) {
            op_encode_open(out, &topics[i]->id, indexes, found);
        }
        sl_free(indexes);
    }
}

/* Takes *payload: one op for one journal. */
static void
send_to(struct drive *d, uint32_t journal, enum item_kind kind, struct bytes *payload)
{
    if (payload->len == 0) {
        bytes_fini(payload);
        return;
    }
    struct drive_part *p = (struct drive_part *)sl_alloc(sizeof(*p));
    d->pending++;
    p->drive = d;
    p->shard = d->admin->shards[journal];
    p->op.payload = *payload;
    p->op.kind = kind;
    p->op.done = part_done;
    p->op.arg = p;
    p->task.run = part_send;
    sched_post(shard_sched(p->shard), &p->task);
}

/* Every journal, also one that holds none of the topic's partitions: a group's offsets lie in the
 * group's journal. */
static void
send_retires(struct drive *d, uint32_t journal)
{
    for (size_t i = 0; i < d->topic_count; i += RETIRES_PER_OP) {
        struct bytes payload;
        bytes_init(&payload, (size_t)1 << 20);
        for (size_t k = i; k < d->topic_count && k < i + RETIRES_PER_OP; k++) {
            op_encode_retire(&payload, &d->ids[k]);
        }
        send_to(d, journal, ITEM_RETIRE, &payload);
    }
}

static void
released(struct drive *d)
{
    if (--d->pending == 0) {
        drive_finish(d);
    }
}

struct drive *
admin__drive_new(struct topic_admin *a, enum drive_kind kind, int64_t deadline_ns)
{
    struct drive *d = (struct drive *)sl_alloc(sizeof(*d));
    a->drives++;
    d->admin = a;
    d->kind = kind;
    d->deadline_ns = deadline_ns;
    return d;
}

void
admin__drive_start(struct drive *d, struct topic_state *const *topics, size_t count)
{
    d->topic_count = count;
    d->ids = (struct uuid *)sl_alloc((count + 1) * sizeof(struct uuid));
    d->counts = (int32_t *)sl_alloc((count + 1) * sizeof(int32_t));
    for (size_t i = 0; i < count; i++) {
        d->ids[i] = topics[i]->id;
        d->counts[i] = topics[i]->partition_count;
    }
    d->pending = 1; /* held until all parts are sent */
    for (uint32_t j = 0; j < d->admin->shard_count; j++) {
        if (d->kind == DRIVE_RETIRE) {
            send_retires(d, j);
            continue;
        }
        struct bytes payload;
        bytes_init(&payload, (size_t)1 << 30);
        encode_opens(&payload, topics, count, j);
        send_to(d, j, ITEM_OPEN, &payload);
    }
    released(d);
}

void
admin__drive_orphans(struct drive *d, const struct uuid *ids, size_t count)
{
    d->topic_count = count;
    d->ids = (struct uuid *)sl_alloc((count + 1) * sizeof(struct uuid));
    memcpy(d->ids, ids, count * sizeof(struct uuid));
    d->pending = 1;
    for (uint32_t j = 0; j < d->admin->shard_count; j++) {
        send_retires(d, j);
    }
    released(d);
}
