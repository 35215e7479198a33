/* Reference-counted buffers and their size classes.
 *
 * Blocks of 32 KiB and more are 4096-aligned and come in four sizes for each power of two, so that
 * at most a fifth of a block is waste. Freed ones wait on a list per class, under one lock, as long
 * as all of them together stay below a limit; above it the one goes that has waited longest. Huge
 * ones, in which segments are built, are counted apart, or they would never find room among the
 * many small ones. Measured reason: glibc hands blocks of that size back to the kernel, and
 * faulting a megabyte in again costs more than checking its CRC. Smaller blocks come from malloc in
 * one piece with their header.
 *
 * Not in huge pages: they make a dozen segments that grow side by side cheaper in sum, but clearing
 * a dozen of them in one turn of the loop held producers up for 50 ms (on a virtual machine, whose
 * host had to find the memory first). */
#include "base/buf.h"

#include "base/list.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CLASS_MIN_SHIFT = 15,
    CLASS_MAX_SHIFT = 26,
    CLASSES = (CLASS_MAX_SHIFT - CLASS_MIN_SHIFT) * 4 + 1,
    HUGE_FROM = 9 << 20, /* larger than a journal entry, and most requests */
    IDLE_BYTES_MAX = 64 << 20,
    IDLE_HUGE_MAX = 160 << 20 /* unless somebody says otherwise */
};
#define CLASS_NONE UINT32_MAX

/* A lock, because buffers are freed on whichever loop drops the last reference. Held for a few
 * loads. */
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list classes[CLASSES]; /* of struct idle; the latest first */
static struct idle_kind {
    struct list by_age; /* of struct idle; the oldest first */
    size_t bytes, max;
} kinds[2] = {{.max = IDLE_BYTES_MAX}, {.max = IDLE_HUGE_MAX}}; /* [1]: huge ones */

struct idle {
    struct buf *buf;
    struct list in_class, in_age;
};

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

static size_t
class_bytes(uint32_t cls)
{
    return ((size_t)(4 + cls % 4) << (CLASS_MIN_SHIFT + cls / 4)) / 4;
}

/* CLASS_NONE: too small for a class. CLASSES: too large. */
static uint32_t
class_of(size_t cap)
{
    if (cap < ((size_t)1 << CLASS_MIN_SHIFT)) {
        return CLASS_NONE;
    }
    uint32_t cls = 0;
    while (cls < CLASSES && class_bytes(cls) < cap) {
        cls++;
    }
    return cls;
}

static bool
is_huge(uint32_t cls)
{
    return class_bytes(cls) >= HUGE_FROM;
}

/* Where it stands lies in its data, which nobody uses meanwhile. */
static struct idle *
idle_of(struct buf *b)
{
    return (struct idle *)(void *)b->data;
}

/* Holds the lock. */
static void
idle_push(struct buf *b)
{
    struct idle_kind *kind = &kinds[is_huge(b->size_class)];
    struct idle *at = idle_of(b);
    at->buf = b;
    list_init(&at->in_class);
    list_init(&at->in_age);
    list_prepend(&classes[b->size_class], &at->in_class);
    list_append(&kind->by_age, &at->in_age);
    kind->bytes += b->cap;
}

/* Holds the lock. */
static struct buf *
idle_take(struct idle *at)
{
    struct buf *b = at->buf;
    list_remove(&at->in_class);
    list_remove(&at->in_age);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed is in no list any more */
    kinds[is_huge(b->size_class)].bytes -= b->cap;
    return b;
}

/* Holds the lock. */
static struct buf *
idle_latest(uint32_t cls)
{
    const struct list *head = &classes[cls];
    return list_is_empty(head) ? NULL
                               : idle_take(SL_CONTAINER_OF(head->next, struct idle, in_class));
}

/* A list without a head yet points nowhere. Holds the lock. */
static void
pool_init(void)
{
    if (classes[0].next == NULL) {
        for (uint32_t cls = 0; cls < CLASSES; cls++) {
            list_init(&classes[cls]);
        }
        list_init(&kinds[0].by_age);
        list_init(&kinds[1].by_age);
    }
}

/* Huge blocks are few, and sized by what happens to be there: one that is up to twice as large does
 * as well, and a page that was cleared once need not be cleared again. */
static struct buf *
pool_take(uint32_t cls)
{
    uint32_t last = is_huge(cls) ? cls + 4 : cls;
    struct buf *b = NULL;
    pthread_mutex_lock(&pool_lock);
    pool_init();
    for (; cls <= last && cls < CLASSES && b == NULL; cls++) {
        b = idle_latest(cls);
    }
    pthread_mutex_unlock(&pool_lock);
    return b;
}

/* Keeps b. What has to go for it comes on a list, through in_age. */
static void
pool_give(struct buf *b, struct list *ret_gone)
{
    struct idle_kind *kind = &kinds[is_huge(b->size_class)];
    list_init(ret_gone);
    pthread_mutex_lock(&pool_lock);
    pool_init();
    while (kind->bytes > 0 && kind->bytes + b->cap > kind->max) {
        struct idle *oldest = SL_CONTAINER_OF(kind->by_age.next, struct idle, in_age);
        (void)idle_take(oldest);
        list_append(ret_gone, &oldest->in_age);
    }
    idle_push(b);
    pthread_mutex_unlock(&pool_lock);
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
    size_t room = cls < CLASSES ? class_bytes(cls) : (cap + BUF_ALIGN - 1) / BUF_ALIGN * BUF_ALIGN;
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
    if (b->size_class >= CLASSES) {
        buf_destroy(b);
        return;
    }
    struct list gone;
    pool_give(b, &gone);
    for (struct list *node; (node = list_pop(&gone)) != NULL;) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): list_pop gives each once */
        buf_destroy(SL_CONTAINER_OF(node, struct idle, in_age)->buf);
    }
}

void
buf_pool_keep(size_t max_bytes, size_t max_huge_bytes)
{
    pthread_mutex_lock(&pool_lock);
    kinds[0].max = max_bytes;
    kinds[1].max = max_huge_bytes;
    pthread_mutex_unlock(&pool_lock);
}

void
buf_pool_trim(void)
{
    for (uint32_t cls = 0; cls < CLASSES; cls++) {
        for (struct buf *b; (b = pool_take(cls)) != NULL;) {
            buf_destroy(b);
        }
    }
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
