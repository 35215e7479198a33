/* SPDX-License-Identifier: Apache-2.0 */
#include "repair/writer.h"

#include "admin/topics.h"
#include "base/gate.h"

#include <stdio.h>

enum { OPEN_MS = 120000, OP_S = 60, LIST_PAGE = 1000 };

struct log_writer {
    struct reader_options bucket;
    struct reader *reader;
    struct shard **shards;
    struct topic_admin *admin;
};

/* --- open and close --- */

struct opening {
    struct log_writer *w;
    struct sl_error *err;
    enum sl_err rc;
};

static void
opened_here(void *arg)
{
    struct opening *o = (struct opening *)arg;
    struct log_writer *w = o->w;
    for (uint32_t j = 0; j < w->bucket.journals; j++) {
        const char *why;
        enum sl_err rc = reader_journal(w->reader, j, &why);
        w->shards[j] = reader_shard(w->reader, j);
        if (rc != SL_OK && o->rc == SL_OK) {
            o->rc = sl_error_set(o->err, rc, "journal %u cannot be read: %s", (unsigned)j,
                                 why[0] != '\0' ? why : sl_err_text(rc));
        }
    }
    w->admin = topic_admin_new(w->shards, w->bucket.journals);
}

struct log_writer *
log_writer_open(const struct reader_options *bucket, struct sl_error *err)
{
    struct reader *reader = reader_wait_open(bucket, OPEN_MS);
    if (reader == NULL) {
        (void)sl_error_set(err, SL_ETIMEOUT, "the store does not answer");
        return NULL;
    }
    struct log_writer *w = (struct log_writer *)sl_alloc(sizeof(*w));
    w->bucket = *bucket;
    w->reader = reader;
    w->shards = (struct shard **)sl_alloc(bucket->journals * sizeof(struct shard *));
    struct opening o = {w, err, SL_OK};
    run_on(bucket->sched, opened_here, &o);
    if (o.rc != SL_OK) {
        log_writer_close(&w);
    }
    return w;
}

static void
admin_drop(void *arg)
{
    topic_admin_destroy(&((struct log_writer *)arg)->admin);
}

void
log_writer_close(struct log_writer **pw)
{
    struct log_writer *w = *pw;
    *pw = NULL;
    if (w == NULL) {
        return;
    }
    run_on(w->bucket.sched, admin_drop, w);
    reader_wait_close(&w->reader);
    sl_free(w->shards);
    sl_free(w);
}

struct reader *
log_writer_reader(struct log_writer *w)
{
    return w->reader;
}

void
log_writer_look(struct log_writer *w, void (*fn)(void *arg), void *arg)
{
    run_on(w->bucket.sched, fn, arg);
}

/* --- ops --- */

struct proposing {
    struct log_writer *w;
    uint32_t journal;
    struct op_proposal op;
    struct gate gate;
    enum sl_err rc;
};

static void
op_told(struct op_proposal *op, enum sl_err rc)
{
    struct proposing *p = (struct proposing *)op->arg;
    p->rc = rc;
    gate_pass(&p->gate);
}

static void
propose_here(void *arg)
{
    struct proposing *p = (struct proposing *)arg;
    p->op.deadline_ns = sched_now(p->w->bucket.sched) + OP_S * SCHED_S;
    op_submit(p->w->shards[p->journal], &p->op);
}

enum sl_err
log_writer_op(struct log_writer *w, uint32_t journal, enum item_kind kind, struct span payload)
{
    struct proposing p = {
        .w = w, .journal = journal, .op = {.kind = kind, .done = op_told, .arg = &p}};
    p.op.is_pipelined = kind == ITEM_REGISTER || kind == ITEM_REPLACE;
    p.op.check = kind == ITEM_REGISTER  ? op_check_register
                 : kind == ITEM_REPLACE ? op_check_replace
                 : kind == ITEM_ADOPT   ? op_check_adopt
                                        : NULL;
    gate_init(&p.gate, 1);
    bytes_init(&p.op.payload, payload.len + 1);
    bytes_append(&p.op.payload, payload.ptr, payload.len);
    run_on(w->bucket.sched, propose_here, &p);
    (void)gate_wait(&p.gate, -1); /* the op's deadline bounds it */
    gate_fini(&p.gate);
    bytes_fini(&p.op.payload);
    return p.rc;
}

/* --- topics --- */

struct creating {
    struct log_writer *w;
    struct topic_create_item item;
    struct topic_create create;
    struct gate gate;
};

static void
created(struct topic_create *c)
{
    gate_pass(&((struct creating *)c->arg)->gate);
}

static void
create_here(void *arg)
{
    struct creating *c = (struct creating *)arg;
    c->create.deadline_ns = sched_now(c->w->bucket.sched) + OP_S * SCHED_S;
    topic_create_submit(c->w->admin, &c->create);
}

enum sl_err
log_writer_topic(struct log_writer *w, const char *name, int32_t partitions, struct uuid *ret_id)
{
    char keys[2][16] = {"retention.ms", "retention.bytes"}, never[] = "-1";
    struct topic_config configs[2] = {{keys[0], never}, {keys[1], never}};
    struct creating c = {
        .w = w,
        .item = {.name = span_cstr(name),
                 .partition_count = partitions,
                 .configs = configs,
                 .config_count = 2},
        .create = {
            .items = &c.item, .count = 1, .home = w->bucket.sched, .done = created, .arg = &c}};
    gate_init(&c.gate, 1);
    run_on(w->bucket.sched, create_here, &c);
    (void)gate_wait(&c.gate, -1);
    gate_fini(&c.gate);
    *ret_id = c.item.id;
    return c.item.rc;
}

/* --- objects --- */

static enum sl_err
told(const struct store_call *call, struct sl_error *err)
{
    enum sl_err rc = call->rc != SL_OK ? call->rc : SL_EIO;
    return sl_error_set(err, rc, "%s: %s", call->key,
                        call->why[0] != '\0' ? call->why : sl_err_text(rc));
}

enum sl_err
object_get_range(const struct reader_options *bucket, const struct object_range *range,
                 struct buf **ret, struct sl_error *err)
{
    struct store_call call = {.kind = STORE_GET, .offset = range->offset, .length = range->length};
    *ret = NULL;
    (void)snprintf(call.key, sizeof(call.key), "%s", range->key);
    store_wait(bucket->sched, bucket->store, &call);
    if (call.outcome == STORE_DONE) {
        *ret = call.body;
        return SL_OK;
    }
    return call.outcome == STORE_ABSENT ? SL_OK : told(&call, err);
}

enum sl_err
object_get(const struct reader_options *bucket, const char *key, struct buf **ret,
           struct sl_error *err)
{
    const struct object_range all = {.key = key};
    return object_get_range(bucket, &all, ret, err);
}

/* Is it there, with these bytes? */
static bool
is_stored(const struct reader_options *bucket, const char *key, const struct buf *object)
{
    struct sl_error err = SL_ERROR_INIT;
    struct buf *there;
    bool is_same = object_get(bucket, key, &there, &err) == SL_OK && there != NULL &&
                   span_eq(buf_span(there), buf_span(object));
    buf_unref(&there);
    return is_same;
}

static bool
is_passing(const struct store_call *call)
{
    return call->outcome == STORE_UNKNOWN || call->rc == SL_EIO || call->rc == SL_EAGAIN ||
           call->rc == SL_ETIMEOUT;
}

/* An answer may be lost on its way, and then the next attempt meets the object of this one; an
 * intermediary may even send one attempt twice. So what exists is compared. */
enum sl_err
object_put(const struct reader_options *bucket, const char *key, const struct buf *object,
           bool if_absent, struct sl_error *err)
{
    enum { ATTEMPTS = 6, PAUSE_MS = 100 };
    struct store_call call;
    for (int i = 0; i < ATTEMPTS; i++) {
        if (i > 0) {
            gate_pause((int64_t)PAUSE_MS << (i - 1));
        }
        call = (struct store_call){.kind = STORE_PUT,
                                   .parts = {buf_span(object)},
                                   .part_count = 1,
                                   .if_absent = if_absent};
        (void)snprintf(call.key, sizeof(call.key), "%s", key);
        store_wait(bucket->sched, bucket->store, &call);
        if (call.outcome == STORE_DONE) {
            return SL_OK;
        }
        if (call.outcome == STORE_EXISTS) {
            return is_stored(bucket, key, object) ? SL_OK : SL_EEXIST;
        }
        if (!is_passing(&call)) {
            break;
        }
    }
    return told(&call, err);
}

enum sl_err
objects_list(const struct reader_options *bucket, const char *prefix,
             void (*each)(void *arg, const struct store_listing *page), void *arg,
             struct sl_error *err)
{
    struct store_call call = {.kind = STORE_LIST, .max_keys = LIST_PAGE};
    size_t seen;
    (void)snprintf(call.key, sizeof(call.key), "%s", prefix);
    do {
        store_wait(bucket->sched, bucket->store, &call);
        if (call.outcome != STORE_DONE) {
            return told(&call, err);
        }
        seen = call.listing == NULL ? 0 : call.listing->count;
        if (seen > 0) {
            each(arg, call.listing);
            (void)snprintf(call.after, sizeof(call.after), "%s", call.listing->items[seen - 1].key);
        }
        store_listing_free(&call.listing);
    } while (seen == LIST_PAGE);
    return SL_OK;
}
