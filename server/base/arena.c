#include "base/arena.h"

#include "base/buf.h"

#include <stdlib.h>

struct arena_block {
    struct arena_block *next;
    size_t used, cap;
    _Alignas(16) uint8_t data[];
};

enum { BLOCK_BYTES = 8192 - sizeof(struct arena_block) - 16 };

void
arena_init(struct arena *a, size_t ceiling)
{
    *a = (struct arena){.ceiling = ceiling};
}

void
arena_fini(struct arena *a)
{
    while (a->head != NULL) {
        struct arena_block *b = a->head;
        a->head = b->next;
        free(b);
    }
    a->used = 0;
}

static struct arena_block *
block_with_room(struct arena *a, size_t n)
{
    if (a->head != NULL && a->head->cap - a->head->used >= n) {
        return a->head;
    }
    size_t cap = n > BLOCK_BYTES ? n : BLOCK_BYTES;
    struct arena_block *b = (struct arena_block *)malloc(sizeof(*b) + cap);
    if (b == NULL) {
        return NULL;
    }
    b->used = 0;
    b->cap = cap;
    b->next = a->head;
    a->head = b;
    return b;
}

void *
arena_alloc(struct arena *a, size_t n)
{
    n = n == 0 ? 16 : n;
    if (n > a->ceiling - a->used) {
        return NULL;
    }
    n = (n + 15) & ~(size_t)15;
    struct arena_block *b = block_with_room(a, n);
    if (b == NULL) {
        return NULL;
    }
    a->used = a->used + n > a->ceiling ? a->ceiling : a->used + n;
    void *p = b->data + b->used;
    b->used += n;
    memset(p, 0, n);
    return p;
}

void *
arena_array(struct arena *a, size_t count, size_t item)
{
    size_t n;
    if (__builtin_mul_overflow(count, item, &n)) {
        return NULL;
    }
    return arena_alloc(a, n);
}

struct span
arena_copy(struct arena *a, struct span s)
{
    uint8_t *p = (uint8_t *)arena_alloc(a, s.len);
    if (p == NULL || s.ptr == NULL) {
        return (struct span){NULL, 0};
    }
    memcpy(p, s.ptr, s.len);
    return span_of(p, s.len);
}
