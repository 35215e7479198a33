/* Reference-counted buffers and their size classes.
 *
 * Blocks of 32 KiB and more are powers of two, 4096-aligned, and go back to a per-class free list
 * under one lock: a class keeps at most POOL_BYTES of idle memory. Measured reason: glibc hands
 * blocks of that size back to the kernel, and faulting a megabyte in again costs more than checking
 * its CRC. Smaller blocks come from malloc in one piece with their header. */
#include "base/buf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CLASS_MIN_SHIFT = 15,
    CLASS_MAX_SHIFT = 24,
    CLASSES = CLASS_MAX_SHIFT - CLASS_MIN_SHIFT + 1
};
#define CLASS_NONE UINT32_MAX
#define POOL_BYTES (16u << 20)

struct idle_class {
    struct buf **items;
    size_t count, limit;
};

/* A lock, because buffers are freed on whichever loop drops the last reference. Held for a few
 * loads. */
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct idle_class pool[CLASSES];

static _Noreturn void
out_of_memory(size_t n)
{
    (void)fprintf(stderr, "sluice: out of memory (asked for %zu bytes)\n", n);
    abort();
}

void *
sl_alloc(size_t n)
{
    void *p = calloc(1, n == 0 ? 1 : n);
    if (p == NULL) {
        out_of_memory(n);
    }
    return p;
}

void *
sl_realloc(void *p, size_t n)
{
    void *q = realloc(p, n == 0 ? 1 : n);
    if (q == NULL) {
        out_of_memory(n);
    }
    return q;
}

char *
sl_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = (char *)sl_alloc(n);
    memcpy(copy, s, n);
    return copy;
}

void
sl_free(void *p)
{
    free(p);
}

static uint32_t
class_of(size_t cap)
{
    if (cap < ((size_t)1 << CLASS_MIN_SHIFT)) {
        return CLASS_NONE;
    }
    uint32_t shift = CLASS_MIN_SHIFT;
    while (((size_t)1 << shift) < cap) {
        shift++;
    }
    return shift - CLASS_MIN_SHIFT;
}

static struct buf *
pool_take(uint32_t cls)
{
    struct buf *b = NULL;
    pthread_mutex_lock(&pool_lock);
    if (pool[cls].count > 0) {
        b = pool[cls].items[--pool[cls].count];
    }
    pthread_mutex_unlock(&pool_lock);
    return b;
}

static bool
pool_give(struct buf *b)
{
    struct idle_class *c = &pool[b->size_class];
    bool is_kept = false;
    pthread_mutex_lock(&pool_lock);
    if (c->items == NULL) {
        c->limit = POOL_BYTES >> (b->size_class + CLASS_MIN_SHIFT);
        c->limit = c->limit == 0 ? 1 : c->limit;
        c->items = (struct buf **)sl_alloc(c->limit * sizeof(struct buf *));
    }
    if (c->count < c->limit) {
        c->items[c->count++] = b;
        is_kept = true;
    }
    pthread_mutex_unlock(&pool_lock);
    return is_kept;
}

static void
buf_destroy(struct buf *b)
{
    if (b->size_class != CLASS_NONE) {
        free(b->data);
    }
    free(b);
}

static struct buf *
buf_new_large(size_t cap, uint32_t cls)
{
    size_t room = cls < CLASSES ? (size_t)1 << (cls + CLASS_MIN_SHIFT)
                                : (cap + BUF_ALIGN - 1) / BUF_ALIGN * BUF_ALIGN;
    struct buf *b = (struct buf *)sl_alloc(sizeof(*b));
    b->data = (uint8_t *)aligned_alloc(BUF_ALIGN, room);
    if (b->data == NULL) {
        out_of_memory(room);
    }
    b->cap = room;
    b->size_class = cls;
    return b;
}

struct buf *
buf_new(size_t cap)
{
    uint32_t cls = class_of(cap);
    struct buf *b;
    if (cls == CLASS_NONE) {
        b = (struct buf *)malloc(sizeof(*b) + cap);
        if (b == NULL) {
            out_of_memory(cap);
        }
        b->data = (uint8_t *)(b + 1);
        b->cap = cap;
        b->size_class = CLASS_NONE;
    } else {
        b = cls < CLASSES ? pool_take(cls) : NULL;
        if (b == NULL) {
            b = buf_new_large(cap, cls);
        }
    }
    b->len = 0;
    atomic_store_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

struct buf *
buf_copy(struct span s)
{
    struct buf *b = buf_new(s.len);
    if (s.len > 0) {
        memcpy(b->data, s.ptr, s.len);
    }
    b->len = s.len;
    return b;
}

struct buf *
buf_ref(struct buf *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void
buf_unref(struct buf **pb)
{
    struct buf *b = *pb;
    *pb = NULL;
    if (b == NULL || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (b->size_class < CLASSES && pool_give(b)) {
        return;
    }
    buf_destroy(b);
}

void
buf_pool_trim(void)
{
    pthread_mutex_lock(&pool_lock);
    for (size_t i = 0; i < CLASSES; i++) {
        while (pool[i].count > 0) {
            buf_destroy(pool[i].items[--pool[i].count]);
        }
        free(pool[i].items);
        pool[i].items = NULL;
    }
    pthread_mutex_unlock(&pool_lock);
}

void
bytes_init(struct bytes *b, size_t ceiling)
{
    *b = (struct bytes){.ceiling = ceiling};
}

void
bytes_fini(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){.ceiling = b->ceiling};
}

uint8_t *
bytes_grow(struct bytes *b, size_t n)
{
    if (b->is_overflown || n > b->ceiling - b->len) {
        b->is_overflown = true;
        return NULL;
    }
    if (n > b->cap - b->len) {
        size_t cap = b->cap == 0 ? 256 : b->cap;
        while (cap - b->len < n) {
            cap *= 2;
        }
        b->data = (uint8_t *)sl_realloc(b->data, cap);
        b->cap = cap;
    }
    uint8_t *at = b->data + b->len;
    b->len += n;
    return at;
}

void
bytes_append(struct bytes *b, const void *p, size_t n)
{
    if (n == 0) {
        return;
    }
    uint8_t *at = bytes_grow(b, n);
    if (at != NULL) {
        memcpy(at, p, n);
    }
}

void
bytes_u8(struct bytes *b, uint8_t v)
{
    bytes_append(b, &v, 1);
}

void
bytes_u16(struct bytes *b, uint16_t v)
{
    uint8_t raw[2];
    put_u16(raw, v);
    bytes_append(b, raw, sizeof(raw));
}

void
bytes_u32(struct bytes *b, uint32_t v)
{
    uint8_t raw[4];
    put_u32(raw, v);
    bytes_append(b, raw, sizeof(raw));
}

void
bytes_u64(struct bytes *b, uint64_t v)
{
    uint8_t raw[8];
    put_u64(raw, v);
    bytes_append(b, raw, sizeof(raw));
}
