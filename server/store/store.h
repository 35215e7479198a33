/* The storage door as the rest of the server sees it: asynchronous calls on named objects.
 *
 * A caller embeds a struct store_call in its own state, fills the upper half and submits it. The
 * store fills the lower half and runs done() exactly once on the caller's loop, never before
 * store_submit has returned. Deciding what an unknown outcome means is the caller's business
 * (docs/journal.md R3).
 *
 * Implementations: store/plugin_store.c puts a sluice.storage/1 plugin behind it (a bounded pool
 * for those that block), tests/sim a faulty store under virtual time.
 *
 * Threads:  submit on call->home; done on call->home.
 * Lifetime: the caller keeps the call, and the parts of a put, alive until done. */
#ifndef SLUICE_STORE_STORE_H
#define SLUICE_STORE_STORE_H

#include "base/buf.h"
#include "base/sched.h"

enum { STORE_KEY_MAX = 384, STORE_PUT_PARTS = 4 };

enum store_kind { STORE_PUT, STORE_GET, STORE_HEAD, STORE_DEL, STORE_LIST };
enum { STORE_KINDS = STORE_LIST + 1 };

enum store_outcome {
    STORE_DONE,    /* stored, read, deleted, listed */
    STORE_EXISTS,  /* put if absent met an object: somebody's, or the echo of our own attempt */
    STORE_ABSENT,  /* get, head: no such object */
    STORE_UNKNOWN, /* put: sent, and nobody knows */
    STORE_ERROR    /* nothing happened and nothing will; rc says why */
};

/* Keys in ascending order; given to the caller, who frees it with store_listing_free. */
struct store_listing {
    size_t count;
    struct store_listed {
        char *key;
        uint64_t size_bytes;
        int64_t modified_ms;
    } * items;
};
void store_listing_free(struct store_listing **l);

struct store_call {
    /* filled by the caller */
    enum store_kind kind;
    struct sched *home;
    void (*done)(struct store_call *call);
    char key[STORE_KEY_MAX];   /* LIST: the prefix */
    char after[STORE_KEY_MAX]; /* LIST only */
    uint32_t max_keys;         /* LIST only; 0 = all */
    uint64_t offset, length;   /* GET only; length 0 = to the end */
    /* One deadline over everything: waiting for a thread, connecting, sending, retries. It is a
     * promise to be asked for, not a guarantee: done() comes when the plugin lets go of what it
     * borrows. 0 = the store's own limit. */
    uint32_t timeout_ms;
    struct span parts[STORE_PUT_PARTS];
    size_t part_count;
    bool if_absent, is_sequence, has_crc;
    uint32_t crc32c; /* of all parts, when has_crc */

    /* filled by the store */
    enum store_outcome outcome;
    enum sl_err rc;   /* SL_OK unless outcome is STORE_ERROR (or STORE_UNKNOWN: the reason) */
    struct buf *body; /* GET: given to the caller */
    struct store_listing *listing; /* LIST: given to the caller */
    uint64_t object_size;          /* GET, HEAD */
    int64_t ended_ns;              /* home's clock when the answer was known (R4's window) */
    char why[320];                 /* a sentence when it failed */

    struct sched_task task; /* the store's */
    void *impl;             /* the store's */
};

struct store;
struct store_ops {
    void (*submit)(struct store *st, struct store_call *call);
};
struct store {
    const struct store_ops *ops;
    struct store_meter *meter; /* behind store/health.h; NULL: nobody measures */
    bool is_local;             /* a put costs about a millisecond or less: no linger */
};

static inline void
store_submit(struct store *st, struct store_call *call)
{
    st->ops->submit(st, call);
}

#endif
