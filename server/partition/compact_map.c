/* SPDX-License-Identifier: Apache-2.0
 *
 * SipHash-2-4 with 128 bits of output (Aumasson, Bernstein), keyed anew for every compaction, and
 * open addressing with linear probing up to a load of 7/8. */
#include "partition/compact_map.h"

#include "base/buf.h"

enum { SLOTS_MIN = 64 };

struct hash128 {
    uint64_t a, b;
};

/* --- SipHash --- */

static uint64_t
rotated(uint64_t x, int n)
{
    return (x << n) | (x >> (64 - n));
}

static void
sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotated(v[1], 13) ^ v[0];
    v[0] = rotated(v[0], 32);
    v[2] += v[3];
    v[3] = rotated(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotated(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotated(v[1], 17) ^ v[2];
    v[2] = rotated(v[2], 32);
}

static void
sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

static uint64_t
sip_finish(uint64_t v[4], uint64_t mark, int word)
{
    v[word] ^= mark;
    for (int i = 0; i < 4; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Up to 8 bytes, the first one lowest. */
static uint64_t
little(const uint8_t *p, size_t n)
{
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++) {
        word |= (uint64_t)p[i] << (8 * i);
    }
    return word;
}

static struct hash128
hash_key(const uint64_t seed[2], struct span key)
{
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du ^ 0xee,
                     seed[0] ^ 0x6c7967656e657261u, seed[1] ^ 0x7465646279746573u};
    size_t at = 0;
    for (; key.len - at >= 8; at += 8) {
        sip_word(v, little(key.ptr + at, 8));
    }
    sip_word(v, little(key.len == 0 ? NULL : key.ptr + at, key.len - at) | (uint64_t)key.len << 56);
    struct hash128 h;
    h.a = sip_finish(v, 0xee, 2);
    h.b = sip_finish(v, 0xdd, 1);
    return h;
}

/* --- the table --- */

void
compact_map_init(struct compact_map *m, size_t max_bytes, uint64_t keys_max, const uint64_t seed[2])
{
    size_t cap = max_bytes / sizeof(struct compact_slot);
    uint64_t wanted = keys_max + keys_max / 4 + SLOTS_MIN;
    cap = wanted < cap ? (size_t)wanted : cap;
    cap = cap > SLOTS_MIN ? cap : SLOTS_MIN;
    *m = (struct compact_map){.cap = cap, .limit = cap / 8 * 7, .classes = 1};
    memcpy(m->seed, seed, sizeof(m->seed));
    m->slots = (struct compact_slot *)sl_alloc(cap * sizeof(*m->slots));
}

void
compact_map_fini(struct compact_map *m)
{
    sl_free(m->slots);
    m->slots = NULL;
}

void
compact_map_begin(struct compact_map *m, uint32_t classes, uint32_t at_class)
{
    m->classes = classes;
    m->at_class = at_class;
    m->count = 0;
    memset(m->slots, 0, m->cap * sizeof(*m->slots));
}

/* Where the key is, or would be. NULL: another class. */
static struct compact_slot *
find(const struct compact_map *m, struct span key, struct hash128 *h)
{
    *h = hash_key(m->seed, key);
    if (h->b % m->classes != m->at_class) {
        return NULL;
    }
    size_t i = (size_t)(h->a % m->cap);
    while (m->slots[i].next != 0 && (m->slots[i].a != h->a || m->slots[i].b != h->b)) {
        i = i + 1 == m->cap ? 0 : i + 1;
    }
    return &m->slots[i];
}

bool
compact_map_put(struct compact_map *m, struct span key, int64_t offset)
{
    struct hash128 h;
    struct compact_slot *slot = find(m, key, &h);
    if (slot == NULL) {
        return true;
    }
    if (slot->next == 0) {
        if (m->count >= m->limit) {
            return false;
        }
        m->count++;
        *slot = (struct compact_slot){h.a, h.b, offset + 1};
    }
    slot->next = offset + 1 > slot->next ? offset + 1 : slot->next;
    return true;
}

int64_t
compact_map_latest(const struct compact_map *m, struct span key)
{
    struct hash128 h;
    const struct compact_slot *slot = find(m, key, &h);
    return slot == NULL ? -1 : slot->next - 1;
}
