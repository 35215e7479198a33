/* A request's scratch memory: many small allocations, freed whole. Has a ceiling, because what a
 * peer sends decides how much is asked for. Threads: belongs to one request on one loop. */
#ifndef SLUICE_BASE_ARENA_H
#define SLUICE_BASE_ARENA_H

#include "base/span.h"

struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used, ceiling;
};

void arena_init(struct arena *a, size_t ceiling);
void arena_fini(struct arena *a);
/* Gives zeroed memory, 16-aligned, that lives until arena_fini; NULL above the ceiling. */
void *arena_alloc(struct arena *a, size_t n);
/* The same for count items of item bytes, safe against overflow. */
void *arena_array(struct arena *a, size_t count, size_t item);
/* Copies; gives NULL ptr above the ceiling. */
struct span arena_copy(struct arena *a, struct span s);

#endif
