/* A struct store whose calls wait until the test answers them. */
#ifndef SLUICE_TESTS_FAKE_STORE_H
#define SLUICE_TESTS_FAKE_STORE_H

#include "store/store.h"

#include <stdio.h>

enum { FAKE_CALLS_MAX = 256 };

struct fake_store {
    struct store pub;
    struct store_call *calls[FAKE_CALLS_MAX]; /* submitted and not answered */
    size_t count, total;
};

static inline void
fake_submit(struct store *pub, struct store_call *call)
{
    struct fake_store *f = SL_CONTAINER_OF(pub, struct fake_store, pub);
    SL_ASSERT(f->count < FAKE_CALLS_MAX);
    f->calls[f->count++] = call;
    f->total++;
}

static inline void
fake_init(struct fake_store *f)
{
    static const struct store_ops fake_ops = {fake_submit};
    memset(f, 0, sizeof(*f));
    f->pub.ops = &fake_ops;
}

static inline void
fake_deliver(struct sched_task *task)
{
    struct store_call *call = SL_CONTAINER_OF(task, struct store_call, task);
    call->done(call);
}

/* Answers the oldest call; takes *body (which may be NULL). */
static inline void
fake_answer(struct fake_store *f, enum store_outcome outcome, struct buf *body)
{
    SL_ASSERT(f->count > 0);
    struct store_call *call = f->calls[0];
    f->count--;
    memmove(&f->calls[0], &f->calls[1], f->count * sizeof(f->calls[0]));
    call->outcome = outcome;
    call->rc = outcome == STORE_ERROR ? SL_EIO : SL_OK;
    call->body = body;
    call->object_size = body == NULL ? 0 : body->len;
    (void)snprintf(call->why, sizeof(call->why), "%s", outcome == STORE_ERROR ? "as told" : "");
    call->task.run = fake_deliver;
    sched_post(call->home, &call->task);
}

#endif
