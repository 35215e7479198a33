/* Linear probing with backward-shift deletion: no tombstones, so long-lived tables do not slow
 * down. Grows at 3/4. The hash is a multiply-fold over 8-byte words (the wyhash construction, cut
 * down). */
#include "base/map.h"

#include "base/buf.h"

#include <sys/random.h>

static uint64_t hash_seed;
static bool is_seeded;

void
hash_set_seed(uint64_t seed)
{
    hash_seed = seed;
    is_seeded = true;
}

/* Runs before main, so no thread can see a half-set seed. */
__attribute__((constructor)) static void
seed_from_system(void)
{
    if (!is_seeded) {
        uint64_t seed = 0;
        ssize_t n = getrandom(&seed, sizeof(seed), 0);
        hash_set_seed(n == (ssize_t)sizeof(seed) ? seed : UINT64_C(0x9E3779B97F4A7C15));
    }
}

static inline uint64_t
fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t
hash_bytes(const void *data, size_t n)
{
    const uint8_t *p = (const uint8_t *)data;
    uint64_t h = hash_seed ^ (n * UINT64_C(0xA0761D6478BD642F));
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        h = fold(h ^ v, UINT64_C(0xE7037ED1A0B428DB));
    }
    uint64_t last = 0;
    if (n > 0) {
        memcpy(&last, p, n);
    }
    h = fold(h ^ last, UINT64_C(0x8EBC6AF09C88C6E3));
    return fold(h, UINT64_C(0x589965CC75374CC3));
}

uint64_t
hash_u64(uint64_t v)
{
    return fold(fold(v ^ hash_seed, UINT64_C(0xE7037ED1A0B428DB)) ^ v,
                UINT64_C(0x8EBC6AF09C88C6E3));
}

void
map_fini(struct map *m)
{
    sl_free(m->slots);
    *m = (struct map){0};
}

void
map_clear(struct map *m)
{
    if (m->slots != NULL) {
        memset(m->slots, 0, m->cap * sizeof(m->slots[0]));
    }
    m->count = 0;
}

static size_t
find(const struct map *m, uint64_t hash, map_eq_fn eq, const void *key)
{
    size_t mask = m->cap - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        const struct map_slot *s = &m->slots[i];
        if (s->value == NULL) {
            return SIZE_MAX;
        }
        if (s->hash == hash && eq(s->value, key)) {
            return i;
        }
    }
}

void *
map_get(const struct map *m, uint64_t hash, map_eq_fn eq, const void *key)
{
    if (m->count == 0) {
        return NULL;
    }
    size_t i = find(m, hash, eq, key);
    return i == SIZE_MAX ? NULL : m->slots[i].value;
}

static void
insert(struct map_slot *slots, size_t mask, struct map_slot s)
{
    size_t i = s.hash & mask;
    while (slots[i].value != NULL) {
        i = (i + 1) & mask;
    }
    slots[i] = s;
}

static void
grow(struct map *m)
{
    size_t cap = m->cap == 0 ? 16 : m->cap * 2;
    struct map_slot *slots = (struct map_slot *)sl_alloc(cap * sizeof(*slots));
    for (size_t i = 0; i < m->cap; i++) {
        if (m->slots[i].value != NULL) {
            insert(slots, cap - 1, m->slots[i]);
        }
    }
    sl_free(m->slots);
    m->slots = slots;
    m->cap = cap;
}

void
map_add(struct map *m, uint64_t hash, void *value)
{
    SL_ASSERT(value != NULL);
    if ((m->count + 1) * 4 > m->cap * 3) {
        grow(m);
    }
    insert(m->slots, m->cap - 1, (struct map_slot){hash, value});
    m->count++;
}

void *
map_remove(struct map *m, uint64_t hash, map_eq_fn eq, const void *key)
{
    size_t i = m->count == 0 ? SIZE_MAX : find(m, hash, eq, key);
    if (i == SIZE_MAX) {
        return NULL;
    }
    void *value = m->slots[i].value;
    size_t mask = m->cap - 1;
    for (size_t j = (i + 1) & mask; m->slots[j].value != NULL; j = (j + 1) & mask) {
        size_t home = m->slots[j].hash & mask;
        if (((j - home) & mask) >= ((j - i) & mask)) {
            m->slots[i] = m->slots[j];
            i = j;
        }
    }
    m->slots[i].value = NULL;
    m->count--;
    return value;
}

void *
map_next(const struct map *m, size_t *pos)
{
    while (*pos < m->cap) {
        void *value = m->slots[(*pos)++].value;
        if (value != NULL) {
            return value;
        }
    }
    return NULL;
}
