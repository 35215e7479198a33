/* Creating topics. Requests that come while an op is under way share the next. */
#include "admin/topics_int.h"

static void create_next(struct topic_admin *a);

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

static size_t
pending_items(const struct topic_admin *a)
{
    size_t total = 0;
    LIST_FOREACH(node, &a->create.creating)
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
                                .incarnation = state_next_incarnation(st, it->name),
                                .partition_count = it->partition_count,
                                .journals = admin__choose_journals(a, &it->id, it->partition_count),
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
    LIST_FOREACH(node, &a->create.creating)
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
    LIST_FOREACH(node, &a->create.creating)
    {
        struct topic_create *c = SL_CONTAINER_OF(node, struct topic_create, node);
        for (size_t i = 0; i < c->count; i++) {
            struct topic_create_item *it = &c->items[i];
            struct topic_state *t =
                it->is_skipped || it->rc != SL_OK ? NULL : state_find_topic_id(st, &it->id);
            if (t != NULL && !t->is_deleting) {
                topics[count++] = t;
            }
        }
    }
    list_init(requests);
    list_splice(requests, &a->create.creating);
    struct drive *d = admin__drive_new(a, DRIVE_OPEN, a->create.op.deadline_ns);
    d->done = create_driven;
    d->arg = requests;
    admin__drive_start(d, topics, count);
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
            fail_pending(&a->create.creating, rc);
        }
        create_answer(&a->create.creating);
    }
    a->create.is_busy = false;
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
    LIST_FOREACH_SAFE(node, tmp, &a->create.waiting)
    {
        total += request_bytes(SL_CONTAINER_OF(node, struct topic_create, node));
        if (total > TOPIC_CREATE_BYTES_MAX && !list_is_empty(&a->create.creating)) {
            return;
        }
        list_remove(node);
        list_append(&a->create.creating, node);
    }
}

static void
create_next(struct topic_admin *a)
{
    if (a->create.is_busy || list_is_empty(&a->create.waiting)) {
        return;
    }
    int64_t deadline = 0;
    a->create.is_busy = true;
    take_waiting(a);
    LIST_FOREACH(node, &a->create.creating)
    {
        struct topic_create *c = SL_CONTAINER_OF(node, struct topic_create, node);
        deadline = c->deadline_ns > deadline ? c->deadline_ns : deadline;
        for (size_t i = 0; i < c->count; i++) {
            c->items[i].id = uuid_random(admin__home(a));
        }
    }
    a->create.op = (struct op_proposal){.kind = ITEM_TOPICS_CREATE,
                                        .deadline_ns = deadline,
                                        .check = create_check,
                                        .done = create_done,
                                        .arg = a};
    bytes_init(&a->create.op.payload, (size_t)1 << 30);
    (void)create_check(&a->create.op,
                       shard_state(a->shards[0])); /* sizes the payload; staged again */
    op_submit(a->shards[0], &a->create.op);
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
    list_append(&a->create.waiting, &c->node);
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
    sched_post(admin__home(a), &c->task);
}
