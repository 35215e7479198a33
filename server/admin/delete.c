/* Deleting topics: journal 0 records it, and their names are free; then every journal retires what
 * it holds of them, and journal 0 forgets them. A request is answered when that is done, or when
 * its time is over: the topics are deleted all the same, whoever has journal 0 open goes on. */
#include "admin/topics_int.h"

static void
answer_home(struct sched_task *task)
{
    struct topic_delete *x = SL_CONTAINER_OF(task, struct topic_delete, task);
    x->done(x);
}

static void
answer(struct topic_delete *x)
{
    x->task.run = answer_home;
    sched_post(x->home, &x->task);
}

static bool
id_eq(const void *value, const void *key)
{
    return uuid_eq((const struct uuid *)value, (const struct uuid *)key);
}

/* False when it is there already. */
static bool
note(struct map *seen, const struct uuid *id)
{
    uint64_t hash = hash_bytes(id->b, sizeof(id->b));
    if (map_get(seen, hash, id_eq, id) != NULL) {
        return false;
    }
    map_add(seen, hash, (void *)(uintptr_t)id);
    return true;
}

/* Gives whether the item is to be deleted; its id stands in it. */
static bool
find_item(const struct state *st, struct topic_delete_item *it)
{
    struct topic_state *t =
        it->has_id ? state_find_topic_id(st, &it->id) : state_find_topic(st, it->name);
    if (t == NULL || t->is_deleting) {
        it->rc = it->has_id ? SL_EUNKNOWN_TOPIC_ID : SL_EUNKNOWN_PARTITION;
        return false;
    }
    it->found = t->id;
    it->rc = SL_OK;
    return true;
}

/* Runs each time the op is staged: which of the topics are there? */
static enum sl_err
check(struct op_proposal *op, const struct state *st)
{
    struct topic_delete *x = (struct topic_delete *)op->arg;
    struct uuid *ids = (struct uuid *)sl_alloc((x->count + 1) * sizeof(struct uuid));
    struct map seen = {0};
    size_t count = 0;
    for (size_t i = 0; i < x->count; i++) {
        struct topic_delete_item *it = &x->items[i];
        if (it->is_skipped || !find_item(st, it)) {
            continue;
        }
        if (!note(&seen, &it->found)) {
            it->rc = SL_EINVAL; /* named in two ways */
            continue;
        }
        ids[count++] = it->found;
    }
    bytes_clear(&op->payload);
    op_encode_topic_delete(&op->payload, ids, count);
    map_fini(&seen);
    sl_free(ids);
    return count == 0 ? SL_EUNKNOWN_PARTITION : SL_OK;
}

static void
driven(struct drive *d)
{
    answer((struct topic_delete *)d->arg);
}

/* The intent stands. */
static void
retire(struct topic_delete *x)
{
    struct topic_admin *a = x->admin;
    const struct state *st = shard_state(a->shards[0]);
    struct topic_state **topics =
        (struct topic_state **)sl_alloc((x->count + 1) * sizeof(struct topic_state *));
    size_t count = 0;
    for (size_t i = 0; i < x->count; i++) {
        const struct topic_delete_item *it = &x->items[i];
        struct topic_state *t =
            it->is_skipped || it->rc != SL_OK ? NULL : state_find_topic_id(st, &it->found);
        if (t != NULL) { /* else somebody finished it already */
            topics[count++] = t;
        }
    }
    struct drive *d = admin__drive_new(a, DRIVE_RETIRE, x->deadline_ns);
    d->done = driven;
    d->arg = x;
    admin__drive_start(d, topics, count);
    sl_free(topics);
}

static void
done(struct op_proposal *op, enum sl_err rc)
{
    struct topic_delete *x = (struct topic_delete *)op->arg;
    bytes_fini(&op->payload);
    if (rc == SL_OK) {
        retire(x);
        return;
    }
    for (size_t i = 0; i < x->count; i++) {
        if (!x->items[i].is_skipped && x->items[i].rc == SL_OK) {
            x->items[i].rc = rc;
        }
    }
    answer(x);
}

static void
run(struct sched_task *task)
{
    struct topic_delete *x = SL_CONTAINER_OF(task, struct topic_delete, task);
    struct shard *shard0 = x->admin->shards[0];
    x->op = (struct op_proposal){.kind = ITEM_TOPIC_DELETE,
                                 .deadline_ns = x->deadline_ns,
                                 .check = check,
                                 .done = done,
                                 .arg = x};
    bytes_init(&x->op.payload, (size_t)1 << 30);
    (void)bytes_grow(&x->op.payload, 4 + x->count * sizeof(struct uuid)); /* at most */
    op_submit(shard0, &x->op);
}

void
topic_delete_submit(struct topic_admin *a, struct topic_delete *x)
{
    x->admin = a;
    x->task.run = run;
    sched_post(admin__home(a), &x->task);
}
