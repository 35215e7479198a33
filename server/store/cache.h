/* Blocks of immutable objects, shared by all loops.
 *
 * An object is cut into blocks of CACHE_BLOCK bytes; the key of an entry is (object, block number).
 * Concurrent askers of one block share one read of the store, on whichever loops they are. Bytes
 * held stay below a ceiling. A block that one reader alone asked for goes before one that two asked
 * for, so that who reads a whole log once does not push out what many read.
 *
 * Threads:  any. One lock, held for a few loads; no system call and no allocation of a block is
 *           made under it. done() runs on read->home, never before cache_submit has returned.
 * Lifetime: open -> try, submit -> close, when no read is in flight any more. */
#ifndef SLUICE_STORE_CACHE_H
#define SLUICE_STORE_CACHE_H

#include "store/store.h"

enum { CACHE_BLOCK = 1 << 20, CACHE_READS_ONCE = 0 };

struct cache; /* opaque */

/* A block, and who asks for it (as in cache_read). */
struct cache_key {
    const char *key;
    uint64_t block, reader;
};

/* Embedded by whoever asks, who keeps it alive until done. */
struct cache_read {
    /* filled by the caller */
    struct sched *home; /* the loop that calls cache_submit */
    void (*done)(struct cache_read *read);
    char key[STORE_KEY_MAX];
    uint64_t block;  /* bytes [block * CACHE_BLOCK, ...) of the object */
    uint64_t reader; /* who asks: any number of his own, so that several questions of one are one
                        use; CACHE_READS_ONCE: will not come back, and is no use at all */

    /* filled by the cache */
    struct buf *out; /* STORE_DONE: given to the caller; short at the end of the object, empty
                        behind it. Shared: never write to it. */
    uint64_t object_size;
    enum store_outcome outcome; /* STORE_DONE, STORE_ABSENT or STORE_ERROR */
    enum sl_err rc;
    char why[320];

    struct sched_task task;  /* the cache's */
    struct cache_read *next; /* the cache's */
};

/* Borrows st until close. ceiling_bytes bounds what is kept and what is being read. */
struct cache *cache_open(struct store *st, size_t ceiling_bytes);
void cache_close(struct cache **c);

/* Gives a reference to the block if it is here, NULL otherwise; counts a hit. *ret_object_size may
 * be NULL. */
struct buf *cache_try(struct cache *c, const struct cache_key *k, uint64_t *ret_object_size);
void cache_submit(struct cache *c, struct cache_read *read);
/* For a block that will probably be asked for soon. What is here or being read already is left
 * alone, and so is everything while enough was read that nobody has asked for yet: unless STARTED
 * is given, nothing happened and done() will not run. */
enum cache_ahead { CACHE_AHEAD_STARTED, CACHE_AHEAD_HAS, CACHE_AHEAD_FULL };
enum cache_ahead cache_submit_ahead(struct cache *c, struct cache_read *read);
/* Forgets every block of an object that was deleted: its key may be created again. */
void cache_forget(struct cache *c, const char *key, uint64_t object_size);
size_t cache_bytes(const struct cache *c);

#endif
