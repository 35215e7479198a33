/* An asynchronous sluice.storage/1 behind a table of the same shape whose calls wait, so that a
 * model that expects answers in line can drive any plugin.
 *
 * Threads: one caller at a time for each struct; the plugin completes from wherever it likes. */
#ifndef SLUICE_TESTS_SYNC_STORAGE_H
#define SLUICE_TESTS_SYNC_STORAGE_H

#include "base/buf.h"
#include "plugin/instance.h"
#include "store/op.h"

#include <pthread.h>
#include <sluice/storage.h>
#include <string.h>

struct sync_storage {
    sluice_storage table; /* what the model calls, with this struct as the instance */
    const sluice_storage *real;
    sluice_instance *instance;
    struct plugin_op op;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool is_ended, has_get, has_put;
    sluice_status status;
    sluice_get_result got;
    sluice_put_result stored;
    bool is_reading, is_putting;
    char why[OP_WHY_MAX];
};

static inline struct sync_storage *
sync_of(sluice_instance *self)
{
    return (struct sync_storage *)(void *)self;
}

static inline void
sync_finished(struct plugin_op *op, sluice_status status, const void *result)
{
    struct sync_storage *s = SL_CONTAINER_OF(op, struct sync_storage, op);
    pthread_mutex_lock(&s->lock);
    if (result != NULL && s->is_reading) {
        s->got = *(const sluice_get_result *)result;
    }
    if (result != NULL && s->is_putting) {
        s->stored = *(const sluice_put_result *)result;
    }
    memcpy(s->why, op->why, sizeof(s->why));
    s->status = status;
    s->is_ended = true;
    pthread_cond_signal(&s->ended);
    pthread_mutex_unlock(&s->lock);
}

static inline void
sync_begin(struct sync_storage *s, bool is_reading, bool is_putting)
{
    s->is_reading = is_reading;
    s->is_putting = is_putting;
    s->is_ended = false;
    s->got = (sluice_get_result){.size = sizeof(s->got)};
    s->stored = (sluice_put_result){.size = sizeof(s->stored)};
    s->op.finished = sync_finished;
    op_begin(&s->op);
}

static inline sluice_status
sync_end(struct sync_storage *s, sluice_op *handle, sluice_status returned)
{
    if (op_end(handle, returned) == OP_FINAL) {
        memcpy(s->why, s->op.why, sizeof(s->why));
        return returned;
    }
    pthread_mutex_lock(&s->lock);
    while (!s->is_ended) {
        pthread_cond_wait(&s->ended, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return s->status;
}

static inline sluice_status
sync_storage_put(sluice_instance *self, sluice_slice key, const sluice_slice *parts, size_t count,
                 const sluice_put_opts *opts, sluice_put_result *result, sluice_op *op)
{
    struct sync_storage *s = sync_of(self);
    (void)op;
    sync_begin(s, false, true);
    sluice_op *handle = s->op.handle;
    sluice_status rc =
        sync_end(s, handle, s->real->put(s->instance, key, parts, count, opts, &s->stored, handle));
    if (result != NULL) {
        *result = s->stored;
    }
    return rc;
}

static inline sluice_status
sync_storage_get(sluice_instance *self, sluice_slice key, uint64_t offset, uint64_t length,
                 sluice_get_result *result, sluice_op *op)
{
    struct sync_storage *s = sync_of(self);
    (void)op;
    sync_begin(s, true, false);
    sluice_op *handle = s->op.handle;
    sluice_status rc =
        sync_end(s, handle, s->real->get(s->instance, key, offset, length, &s->got, handle));
    *result = s->got;
    return rc;
}

static inline sluice_status
sync_storage_head(sluice_instance *self, sluice_slice key, sluice_get_result *result, sluice_op *op)
{
    struct sync_storage *s = sync_of(self);
    (void)op;
    sync_begin(s, true, false);
    sluice_op *handle = s->op.handle;
    sluice_status rc = sync_end(s, handle, s->real->head(s->instance, key, &s->got, handle));
    *result = s->got;
    return rc;
}

static inline sluice_status
sync_storage_del(sluice_instance *self, sluice_slice key, sluice_op *op)
{
    struct sync_storage *s = sync_of(self);
    (void)op;
    sync_begin(s, false, false);
    sluice_op *handle = s->op.handle;
    return sync_end(s, handle, s->real->del(s->instance, key, handle));
}

static inline sluice_status
sync_storage_list(sluice_instance *self, sluice_slice prefix, sluice_slice after, uint32_t max,
                  sluice_list_sink *sink, sluice_op *op)
{
    struct sync_storage *s = sync_of(self);
    (void)op;
    sync_begin(s, false, false);
    sluice_op *handle = s->op.handle;
    return sync_end(s, handle, s->real->list(s->instance, prefix, after, max, sink, handle));
}

/* Borrows p. */
static inline void
sync_storage_init(struct sync_storage *s, const struct plugin_instance *p)
{
    memset(s, 0, sizeof(*s));
    s->real = (const sluice_storage *)plugin_instance_extension(p, SLUICE_STORAGE_V1);
    s->instance = plugin_instance_self(p);
    s->table = (sluice_storage){.size = sizeof(s->table),
                                .capabilities = s->real->capabilities,
                                .put = sync_storage_put,
                                .get = sync_storage_get,
                                .head = sync_storage_head,
                                .del = sync_storage_del,
                                .list = sync_storage_list};
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->ended, NULL);
}

static inline void
sync_storage_fini(struct sync_storage *s)
{
    (void)pthread_cond_destroy(&s->ended);
    (void)pthread_mutex_destroy(&s->lock);
}

static inline sluice_instance *
sync_storage_self(struct sync_storage *s)
{
    return (sluice_instance *)(void *)s;
}

#endif
