#include "admin/topics.h"

#define DRIVE_DEADLINE (60 * SCHED_S)

struct topic_admin {
    struct shard *const *shards;
    uint32_t shard_count;
    struct list waiting;  /* of topic_create */
    struct list creating; /* those of the op under way */
    struct op_proposal op;
    bool is_busy;
    size_t drives;
};

/* Opens of several topics, in all their journals; then journal 0 records them done. */
struct drive {
    struct topic_admin *admin;
    size_t pending;
    enum sl_err rc;
    struct uuid *ids;
    int32_t *counts;
    size_t topic_count;
    void (*done)(struct drive *d); /* on journal 0's loop; may be NULL */
    void *arg;
    struct op_proposal opened;
};
struct drive_part {
    struct drive *drive;
    struct shard *shard;
    struct sched_task task;
    struct op_proposal op;
    enum sl_err rc;
};

static void create_next(struct topic_admin *a);

struct topic_admin *
topic_admin_new(struct shard *const *shards, uint32_t shard_count)
{
    struct topic_admin *a = (struct topic_admin *)sl_alloc(sizeof(*a));
    a->shards = shards;
    a->shard_count = shard_count;
    list_init(&a->waiting);
    list_init(&a->creating);
    return a;
}

void
topic_admin_destroy(struct topic_admin **pa)
{
    if (*pa != NULL) {
        SL_ASSERT(!(*pa)->is_busy && (*pa)->drives == 0);
        sl_free(*pa);
    }
    *pa = NULL;
}

static struct sched *
home_of(const struct topic_admin *a)
{
    return shard_sched(a->shards[0]);
}

/* --- opening partitions in their journals --- */

static void
drive_free(struct drive *d)
{
    d->admin->drives--;
    bytes_fini(&d->opened.payload);
    sl_free(d->ids);
    sl_free(d->counts);
    sl_free(d);
}

static void
opened_done(struct op_proposal *op, enum sl_err rc)
{
    (void)rc; /* not recorded: proposed again when journal 0 is opened next */
    drive_free((struct drive *)op->arg);
}

static void
drive_finish(struct drive *d)
{
    if (d->done != NULL) {
        d->done(d);
    }
    if (d->rc != SL_OK) {
        drive_free(d);
        return;
    }
    bytes_init(&d->opened.payload, (size_t)1 << 30);
    op_encode_topics_opened(&d->opened.payload, d->ids, d->counts, d->topic_count);
    d->opened.kind = ITEM_TOPICS_OPENED;
    d->opened.deadline_ns = sched_now(home_of(d->admin)) + DRIVE_DEADLINE;
    d->opened.done = opened_done;
    d->opened.arg = d;
    op_submit(d->admin->shards[0], &d->opened);
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
    sched_post(home_of(p->drive->admin), &p->task);
}

static void
part_send(struct sched_task *task)
{
    struct drive_part *p = SL_CONTAINER_OF(task, struct drive_part, task);
    p->op.deadline_ns = sched_now(shard_sched(p->shard)) + DRIVE_DEADLINE;
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
drive_journal(struct drive *d, struct topic_state *const *topics, uint32_t journal)
{
    struct drive_part *p = (struct drive_part *)sl_alloc(sizeof(*p));
    bytes_init(&p->op.payload, (size_t)1 << 30);
    for (size_t i = 0; i < d->topic_count; i++) {
        int32_t *indexes =
            (int32_t *)sl_alloc((size_t)topics[i]->partition_count * sizeof(int32_t));
        size_t count = indexes_in(topics[i], journal, indexes);
        if (count > 0) {
            op_encode_open(&p->op.payload, &topics[i]->id, indexes, count);
        }
        sl_free(indexes);
    }
    if (p->op.payload.len == 0) {
        sl_free(p);
        return;
    }
    d->pending++;
    p->drive = d;
    p->shard = d->admin->shards[journal];
    p->op.kind = ITEM_OPEN;
    p->op.done = part_done;
    p->op.arg = p;
    p->task.run = part_send;
    sched_post(shard_sched(p->shard), &p->task);
}

/* Opens what is missing of each topic. Borrows topics for the call. done may be NULL; gives the
 * drive to it for that call. */
static void
drive_start(struct topic_admin *a, struct topic_state *const *topics, size_t count,
            void (*done)(struct drive *d), void *arg)
{
    struct drive *d = (struct drive *)sl_alloc(sizeof(*d));
    a->drives++;
    d->admin = a;
    d->done = done;
    d->arg = arg;
    d->topic_count = count;
    d->ids = (struct uuid *)sl_alloc(count * sizeof(struct uuid));
    d->counts = (int32_t *)sl_alloc(count * sizeof(int32_t));
    for (size_t i = 0; i < count; i++) {
        d->ids[i] = topics[i]->id;
        d->counts[i] = topics[i]->partition_count;
    }
    d->pending = 1; /* held until all parts are sent */
    for (uint32_t j = 0; j < a->shard_count; j++) {
        drive_journal(d, topics, j);
    }
    if (--d->pending == 0) {
        drive_finish(d);
    }
}

void
topic_admin_opened(struct topic_admin *a)
{
    const struct state *st = shard_state(a->shards[0]);
    size_t pos = 0;
    for (struct topic_state *t; (t = state_next_topic(st, &pos));) {
        bool is_reachable = true;
        for (int32_t i = t->opened_count; i < t->partition_count; i++) {
            is_reachable = is_reachable && t->journals[i] < a->shard_count;
        }
        if (t->opened_count < t->partition_count && is_reachable) {
            drive_start(a, &t, 1, NULL, NULL);
        }
    }
}

/* --- create --- */

static void
create_home(struct sched_task *task)
{
    struct topic_create *c = SL_CONTAINER_OF(task, struct topic_create, task);
    c->done(c);
}

static void
create_answer(struct list *requests)
{
    for (struct list *node; (node = list_pop(requests)) != NULL;) {
        struct topic_create *c = SL_CONTAINER_OF(node, struct topic_create, node);
        c->task.run = create_home;
        sched_post(c->home, &c->task);
    }
}

static void
fail_pending(struct list *requests, enum sl_err rc)
{
    LIST_FOREACH(node, requests)
    {
        struct topic_create *c = SL_CONTAINER_OF(node, struct topic_create, node);
        for (size_t i = 0; i < c->count; i++) {
            if (!c->items[i].is_skipped && c->items[i].rc == SL_OK) {
                c->items[i].rc = rc;
            }
        }
    }
}

static bool
is_in_batch(const struct topic_spec *specs, size_t count, struct span name)
{
    for (size_t i = 0; i < count; i++) {
        if (span_eq(specs[i].name, name)) {
            return true;
        }
    }
    return false;
}

static uint32_t *
choose_journals(const struct topic_admin *a, const struct uuid *id, int32_t count)
{
    uint32_t *journals = (uint32_t *)sl_alloc((size_t)count * sizeof(uint32_t));
    uint32_t first = get_u32(id->b + 12);
    for (int32_t i = 0; i < count; i++) {
        journals[i] = (first + (uint32_t)i) % a->shard_count;
    }
    return journals;
}

static size_t
pending_items(const struct topic_admin *a)
{
    size_t total = 0;
    LIST_FOREACH(node, &a->creating)
    {
        total += SL_CONTAINER_OF(node, struct topic_create, node)->count;
    }
    return total;
}

static void
check_item(struct topic_admin *a, const struct state *st, struct topic_create_item *it,
           struct topic_spec *specs, size_t *count)
{
    it->rc =
        is_in_batch(specs, *count, it->name) ? SL_ETOPIC_EXISTS : state_check_topic(st, it->name);
    if (it->rc != SL_OK) {
        return;
    }
    specs[(*count)++] =
        (struct topic_spec){.id = it->id,
                            .name = it->name,
                            .partition_count = it->partition_count,
                            .journals = choose_journals(a, &it->id, it->partition_count),
                            .configs = it->configs,
                            .config_count = it->config_count};
}

/* Runs each time the op is staged: which of the names are free in S now? */
static enum sl_err
create_check(struct op_proposal *op, const struct state *st)
{
    struct topic_admin *a = (struct topic_admin *)op->arg;
    struct topic_spec *specs =
        (struct topic_spec *)sl_alloc((pending_items(a) + 1) * sizeof(struct topic_spec));
    size_t count = 0;
    LIST_FOREACH(node, &a->creating)
    {
        struct topic_create *c = SL_CONTAINER_OF(node, struct topic_create, node);
        for (size_t i = 0; i < c->count; i++) {
            if (!c->items[i].is_skipped) {
                check_item(a, st, &c->items[i], specs, &count);
            }
        }
    }
    bytes_clear(&op->payload);
    op_encode_topics_create(&op->payload, specs, count);
    for (size_t i = 0; i < count; i++) {
        sl_free(specs[i].journals);
    }
    sl_free(specs);
    return count == 0 ? SL_ETOPIC_EXISTS : SL_OK;
}

static void
create_driven(struct drive *d)
{
    struct list *requests = (struct list *)d->arg;
    if (d->rc != SL_OK) {
        fail_pending(requests, d->rc);
    }
    create_answer(requests);
    sl_free(requests);
}

/* The intent stands. Opens what it names, and answers then. */
static void
create_drive(struct topic_admin *a)
{
    const struct state *st = shard_state(a->shards[0]);
    struct topic_state **topics =
        (struct topic_state **)sl_alloc((pending_items(a) + 1) * sizeof(struct topic_state *));
    struct list *requests = (struct list *)sl_alloc(sizeof(*requests));
    size_t count = 0;
    LIST_FOREACH(node, &a->creating)
    {
        struct topic_create *c = SL_CONTAINER_OF(node, struct topic_create, node);
        for (size_t i = 0; i < c->count; i++) {
            struct topic_create_item *it = &c->items[i];
            struct topic_state *t =
                it->is_skipped || it->rc != SL_OK ? NULL : state_find_topic_id(st, &it->id);
            if (t != NULL) {
                topics[count++] = t;
            }
        }
    }
    list_init(requests);
    list_splice(requests, &a->creating);
    drive_start(a, topics, count, create_driven, requests);
    sl_free(topics);
}

static void
create_done(struct op_proposal *op, enum sl_err rc)
{
    struct topic_admin *a = (struct topic_admin *)op->arg;
    bytes_fini(&op->payload);
    if (rc == SL_OK) {
        create_drive(a);
    } else {
        if (rc != SL_ETOPIC_EXISTS) {
            fail_pending(&a->creating, rc);
        }
        create_answer(&a->creating);
    }
    a->is_busy = false;
    create_next(a);
}

static void
create_next(struct topic_admin *a)
{
    if (a->is_busy || list_is_empty(&a->waiting)) {
        return;
    }
    int64_t deadline = 0;
    a->is_busy = true;
    list_splice(&a->creating, &a->waiting);
    LIST_FOREACH(node, &a->creating)
    {
        struct topic_create *c = SL_CONTAINER_OF(node, struct topic_create, node);
        deadline = c->deadline_ns > deadline ? c->deadline_ns : deadline;
        for (size_t i = 0; i < c->count; i++) {
            c->items[i].id = uuid_random(home_of(a));
        }
    }
    a->op = (struct op_proposal){.kind = ITEM_TOPICS_CREATE,
                                 .deadline_ns = deadline,
                                 .check = create_check,
                                 .done = create_done,
                                 .arg = a};
    bytes_init(&a->op.payload, (size_t)1 << 30);
    (void)create_check(&a->op, shard_state(a->shards[0])); /* sizes the payload; staged again */
    op_submit(a->shards[0], &a->op);
}

static void
create_validate(struct topic_admin *a, struct topic_create *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (!c->items[i].is_skipped) {
            c->items[i].rc = state_check_topic(shard_state(a->shards[0]), c->items[i].name);
        }
    }
    c->task.run = create_home;
    sched_post(c->home, &c->task);
}

static void
create_run(struct sched_task *task)
{
    struct topic_create *c = SL_CONTAINER_OF(task, struct topic_create, task);
    struct topic_admin *a = c->admin;
    if (c->is_validate_only) {
        create_validate(a, c);
        return;
    }
    list_append(&a->waiting, &c->node);
    create_next(a);
}

void
topic_create_submit(struct topic_admin *a, struct topic_create *c)
{
    c->admin = a;
    list_init(&c->node);
    c->task.run = create_run;
    sched_post(home_of(a), &c->task);
}

/* --- more partitions --- */

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
    uint32_t *journals = choose_journals(p->admin, &t->id, p->new_count);
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
    if (rc != SL_OK || t == NULL) {
        add_answer(p, rc == SL_OK ? SL_EUNKNOWN_PARTITION : rc);
        return;
    }
    drive_start(a, &t, 1, add_driven, p);
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
    sched_post(home_of(a), &p->task);
}

/* --- refresh --- */

static void
refresh_home(struct sched_task *task)
{
    struct topics_refresh *r = SL_CONTAINER_OF(task, struct topics_refresh, task);
    r->done(r);
}

static void
refresh_ready(struct journal_waiter *w, enum sl_err rc)
{
    struct topics_refresh *r = SL_CONTAINER_OF(w, struct topics_refresh, waiter);
    r->rc = rc;
    r->task.run = refresh_home;
    sched_post(r->home, &r->task);
}

static void
refresh_run(struct sched_task *task)
{
    struct topics_refresh *r = SL_CONTAINER_OF(task, struct topics_refresh, task);
    r->waiter.ready = refresh_ready;
    journal_refresh(shard_journal(r->admin->shards[0]), &r->waiter);
}

void
topics_refresh_submit(struct topic_admin *a, struct topics_refresh *r)
{
    r->admin = a;
    r->task.run = refresh_run;
    sched_post(home_of(a), &r->task);
}
