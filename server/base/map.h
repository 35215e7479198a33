/* Open-addressing hash map from a hash and an equality to a pointer, for hot tables. Values carry
 * their own keys. Cold tables may use uthash. Threads: belongs to its owner. Lifetime: values are
 * the caller's; fini frees only the table. */
#ifndef SLUICE_BASE_MAP_H
#define SLUICE_BASE_MAP_H

#include "base/span.h"

typedef bool (*map_eq_fn)(const void *value, const void *key);

struct map_slot {
    uint64_t hash;
    void *value; /* NULL: empty */
};
struct map {
    struct map_slot *slots;
    size_t count, cap;
};

void map_fini(struct map *m);
void *map_get(const struct map *m, uint64_t hash, map_eq_fn eq, const void *key);
/* Adds; the caller knows that no equal key is present. */
void map_add(struct map *m, uint64_t hash, void *value);
/* Gives the removed value, NULL when there was none. */
void *map_remove(struct map *m, uint64_t hash, map_eq_fn eq, const void *key);
void map_clear(struct map *m);
/* Iterates: start with *pos = 0; gives NULL at the end. The map must not change meanwhile. */
void *map_next(const struct map *m, size_t *pos);

/* Seeded per process, so that a peer cannot aim at one bucket. Never stored or sent. */
uint64_t hash_bytes(const void *data, size_t n);
uint64_t hash_u64(uint64_t v);
/* For tests and the simulator, which want the same order every time. */
void hash_set_seed(uint64_t seed);

#endif
