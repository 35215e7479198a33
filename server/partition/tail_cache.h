/* The newest entries of one journal, kept in memory: tail reads are served from the very buffer
 * that was committed. Oldest out first, above a byte ceiling.
 *
 * Threads: belongs to its shard's loop; the buffers it gives are reference-counted. */
#ifndef SLUICE_PARTITION_TAIL_CACHE_H
#define SLUICE_PARTITION_TAIL_CACHE_H

#include "base/buf.h"

struct tail_entry {
    uint64_t n;
    struct buf *body;
    struct span object; /* within body */
};

struct tail_cache {
    struct tail_entry *ring; /* ascending n, from first, count of them */
    size_t first, count, cap;
    size_t bytes, ceiling;
};

void tail_cache_init(struct tail_cache *c, size_t ceiling);
void tail_cache_fini(struct tail_cache *c);
/* Keeps a reference to body. n is greater than all before. */
void tail_cache_add(struct tail_cache *c, uint64_t n, struct buf *body, struct span object);
void tail_cache_clear(struct tail_cache *c);
/* NULL when entry n is not here. */
const struct tail_entry *tail_cache_find(const struct tail_cache *c, uint64_t n);

#endif
