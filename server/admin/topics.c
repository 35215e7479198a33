#include "admin/topics.h"

/* How often what journal 0 names and nobody opened is looked for: a creation whose outcome was
 * unknown, a journal that did not answer in time. */
#define SWEEP_INTERVAL (5 * SCHED_S)
#define SWEEP_DEADLINE (60 * SCHED_S)

struct topic_admin {
    struct shard *const *shards;
    uint32_t shard_count;
    struct list waiting;  /* of topic_create */
    struct list creating; /* those of the op under way */
    struct op_proposal op;
    bool is_busy;
    size_t drives;
    struct sched_timer sweep;
};

/* Opens of several topics, in all their journals; then journal 0 records them done. */
struct drive {
    struct topic_admin *admin;
    int64_t deadline_ns;
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
static void sweep_fire(struct sched_timer *timer);

struct topic_admin *
topic_admin_new(struct shard *const *shards, uint32_t shard_count)
{
    struct topic_admin *a = (struct topic_admin *)sl_alloc(sizeof(*a));
    a->shards = shards;
    a->shard_count = shard_count;
    list_init(&a->waiting);
    list_init(&a->creating);
    a->sweep.fire = sweep_fire;
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
drive_end(struct drive *d)
{
    if (d->done != NULL) {
        d->done(d);
    }
    drive_free(d);
}

static void
opened_done(struct op_proposal *op, enum sl_err rc)
{
    (void)rc; /* the partitions are open; a sweep records it */
    drive_end((struct drive *)op->arg);
}

/* Answered when it is recorded, so that who asks for metadata next sees partitions that lead. */
static void
drive_finish(struct drive *d)
{
    if (d->rc != SL_OK) {
        drive_end(d);
        return;
    }
    bytes_init(&d->opened.payload, (size_t)1 << 30);
    op_encode_topics_opened(&d->opened.payload, d->ids, d->counts, d->topic_count);
    d->opened.kind = ITEM_TOPICS_OPENED;
    d->opened.deadline_ns = d->deadline_ns;
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

static struct drive *
drive_new(struct topic_admin *a, int64_t deadline_ns, void (*done)(struct drive *d), void *arg)
{
    struct drive *d = (struct drive *)sl_alloc(sizeof(*d));
    a->drives++;
    d->admin = a;
    d->deadline_ns = deadline_ns;
    d->done = done;
    d->arg = arg;
    return d;
}

/* Opens what is missing of each topic. Borrows topics for the call; d ends by itself. */
static void
drive_start(struct drive *d, struct topic_state *const *topics, size_t count)
{
    d->topic_count = count;
    d->ids = (struct uuid *)sl_alloc(count * sizeof(struct uuid));
    d->counts = (int32_t *)sl_alloc(count * sizeof(int32_t));
    for (size_t i = 0; i < count; i++) {
        d->ids[i] = topics[i]->id;
        d->counts[i] = topics[i]->partition_count;
    }
    d->pending = 1; /* held until all parts are sent */
    for (uint32_t j = 0; j < d->admin->shard_count; j++) {
        drive_journal(d, topics, j);
    }
    if (--d->pending == 0) {
        drive_finish(d);
    }
}

static bool
is_to_be_opened(const struct topic_admin *a, const struct topic_state *t)
{
    for (int32_t i = t->opened_count; i < t->partition_count; i++) {
        if (t->journals[i] >= a->shard_count) {
            return false; /* a journal that this broker does not have */
        }
    }
    return t->opened_count < t->partition_count;
}

static void
open_missing(struct topic_admin *a)
{
    const struct state *st = shard_state(a->shards[0]);
    int64_t deadline = sched_now(home_of(a)) + SWEEP_DEADLINE;
    size_t pos = 0;
    for (struct topic_state *t; (t = state_next_topic(st, &pos));) {
        if (is_to_be_opened(a, t)) {
            drive_start(drive_new(a, deadline, NULL, NULL), &t, 1);
        }
    }
}

static void
sweep_fire(struct sched_timer *timer)
{
    struct topic_admin *a = SL_CONTAINER_OF(timer, struct topic_admin, sweep);
    enum journal_mode mode = shard_mode(a->shards[0]);
    if (mode == JOURNAL_CLOSED) {
        return;
    }
    if (mode == JOURNAL_LIVE && !a->is_busy && a->drives == 0) {
        open_missing(a);
    }
    sched_timer_after(home_of(a), timer, SWEEP_INTERVAL);
}

void
topic_admin_opened(struct topic_admin *a)
{
    if (a->drives == 0) {
        open_missing(a);
    }
    sched_timer_after(home_of(a), &a->sweep, SWEEP_INTERVAL);
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

/* What one op is going to create. */
struct creation {
    struct topic_spec *specs;
    size_t count;
    struct map names; /* of topic_spec; names that differ in '.' and '_' only are equal here */
};

static uint8_t
fold(uint8_t c)
{
    return c == '.' ? '_' : c;
}

static uint64_t
folded_hash(struct span name)
{
    uint8_t folded[256];
    size_t n = name.len < sizeof(folded) ? name.len : sizeof(folded);
    for (size_t i = 0; i < n; i++) {
        folded[i] = fold(name.ptr[i]);
    }
    return hash_bytes(folded, n);
}

static bool
folded_eq(const void *value, const void *key)
{
    struct span a = ((const struct topic_spec *)value)->name;
    struct span b = *(const struct span *)key;
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        if (fold(a.ptr[i]) != fold(b.ptr[i])) {
            return false;
        }
    }
    return a.len == b.len;
}

/* Against S, and against what the same op creates. */
static enum sl_err
check_name(const struct creation *cr, const struct state *st, struct span name)
{
    const struct topic_spec *other =
        (const struct topic_spec *)map_get(&cr->names, folded_hash(name), folded_eq, &name);
    if (other != NULL) {
        return span_eq(other->name, name) ? SL_ETOPIC_EXISTS : SL_EINVALID_TOPIC;
    }
    return state_check_topic(st, name);
}

static void
check_item(struct topic_admin *a, const struct state *st, struct topic_create_item *it,
           struct creation *cr)
{
    it->rc = check_name(cr, st, it->name);
    if (it->rc != SL_OK) {
        return;
    }
    struct topic_spec *spec = &cr->specs[cr->count++];
    *spec = (struct topic_spec){.id = it->id,
                                .name = it->name,
                                .partition_count = it->partition_count,
                                .journals = choose_journals(a, &it->id, it->partition_count),
                                .configs = it->configs,
                                .config_count = it->config_count};
    map_add(&cr->names, folded_hash(it->name), spec);
}

static void
creation_fini(struct creation *cr)
{
    for (size_t i = 0; i < cr->count; i++) {
        sl_free(cr->specs[i].journals);
    }
    sl_free(cr->specs);
    map_fini(&cr->names);
}

/* Runs each time the op is staged: which of the names are free in S now? */
static enum sl_err
create_check(struct op_proposal *op, const struct state *st)
{
    struct topic_admin *a = (struct topic_admin *)op->arg;
    struct creation cr = {0};
    cr.specs = (struct topic_spec *)sl_alloc((pending_items(a) + 1) * sizeof(struct topic_spec));
    LIST_FOREACH(node, &a->creating)
    {
        struct topic_create *c = SL_CONTAINER_OF(node, struct topic_create, node);
        for (size_t i = 0; i < c->count; i++) {
            if (!c->items[i].is_skipped) {
                check_item(a, st, &c->items[i], &cr);
            }
        }
    }
    bytes_clear(&op->payload);
    op_encode_topics_create(&op->payload, cr.specs, cr.count);
    enum sl_err rc = cr.count == 0 ? SL_ETOPIC_EXISTS : SL_OK;
    creation_fini(&cr);
    return rc;
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
    drive_start(drive_new(a, a->op.deadline_ns, create_driven, requests), topics, count);
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

/* At most what the op takes of one request. */
static size_t
request_bytes(const struct topic_create *c)
{
    size_t total = 0;
    for (size_t i = 0; i < c->count; i++) {
        total += c->items[i].is_skipped ? 0 : topic_create_item_bytes(&c->items[i]);
    }
    return total;
}

/* Requests that wait share one op, as many as fit; the first always. */
static void
take_waiting(struct topic_admin *a)
{
    size_t total = 0;
    LIST_FOREACH_SAFE(node, tmp, &a->waiting)
    {
        total += request_bytes(SL_CONTAINER_OF(node, struct topic_create, node));
        if (total > TOPIC_CREATE_BYTES_MAX && !list_is_empty(&a->creating)) {
            return;
        }
        list_remove(node);
        list_append(&a->creating, node);
    }
}

static void
create_next(struct topic_admin *a)
{
    if (a->is_busy || list_is_empty(&a->waiting)) {
        return;
    }
    int64_t deadline = 0;
    a->is_busy = true;
    take_waiting(a);
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

size_t
topic_create_item_bytes(const struct topic_create_item *it)
{
    size_t total = 64 + it->name.len + (size_t)it->partition_count * sizeof(uint32_t);
    for (size_t i = 0; i < it->config_count; i++) {
        total += 6 + strlen(it->configs[i].name) + strlen(it->configs[i].value);
    }
    return total;
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
    drive_start(drive_new(a, p->deadline_ns, add_driven, p), &t, 1);
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
refresh_answer(struct topics_refresh *r, enum sl_err rc)
{
    r->rc = rc;
    r->task.run = refresh_home;
    sched_post(r->home, &r->task);
}

static void
refresh_ready(struct journal_waiter *w, enum sl_err rc)
{
    struct topics_refresh *r = SL_CONTAINER_OF(w, struct topics_refresh, waiter);
    sched_timer_stop(home_of(r->admin), &r->late);
    refresh_answer(r, rc);
}

static void
refresh_late(struct sched_timer *timer)
{
    struct topics_refresh *r = SL_CONTAINER_OF(timer, struct topics_refresh, late);
    journal_waiter_cancel(&r->waiter);
    refresh_answer(r, SL_ETIMEOUT);
}

static void
refresh_run(struct sched_task *task)
{
    struct topics_refresh *r = SL_CONTAINER_OF(task, struct topics_refresh, task);
    if (r->deadline_ns != 0) {
        r->late.fire = refresh_late;
        sched_timer_at(home_of(r->admin), &r->late, r->deadline_ns);
    }
    r->waiter.ready = refresh_ready;
    journal_refresh(shard_journal(r->admin->shards[0]), &r->waiter);
}

void
topics_refresh_submit(struct topic_admin *a, struct topics_refresh *r)
{
    r->admin = a;
    r->late = (struct sched_timer){0};
    r->task.run = refresh_run;
    sched_post(home_of(a), &r->task);
}
