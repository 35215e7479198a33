/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to partition/: the latest offset of each key, within a ceiling of memory.
 *
 * Keys are known by a keyed 128-bit hash, so that 24 bytes do for a key however long it is, and
 * nobody can make two keys look like one. When the keys do not fit, they are taken class by class
 * (of the hash): only keys of the class at hand are put in and answered for.
 *
 * Threads: belongs to its owner. */
#ifndef SLUICE_PARTITION_COMPACT_MAP_H
#define SLUICE_PARTITION_COMPACT_MAP_H

#include "base/span.h"

struct compact_slot {
    uint64_t a, b; /* the hash */
    int64_t next;  /* the offset + 1; 0: empty */
};
struct compact_map {
    struct compact_slot *slots;
    size_t cap, count, limit;
    uint64_t seed[2];
    uint32_t classes, at_class; /* at_class < classes; 1 class: all keys */
};

/* Takes about max_bytes, or less when keys_max keys need less. */
void compact_map_init(struct compact_map *m, size_t max_bytes, uint64_t keys_max,
                      const uint64_t seed[2]);
void compact_map_fini(struct compact_map *m);
/* Forgets all, for another class. */
void compact_map_begin(struct compact_map *m, uint32_t classes, uint32_t at_class);
/* Offsets of one key come in any order; the largest stays. False: full, and the key is not there.
 */
bool compact_map_put(struct compact_map *m, struct span key, int64_t offset);
/* -1: not known, or of another class. */
int64_t compact_map_latest(const struct compact_map *m, struct span key);

#endif
