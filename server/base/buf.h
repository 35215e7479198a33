/* Two kinds of owned bytes.
 *
 * struct buf: a reference-counted block that may be shared across loops: a frame from a socket, a
 *     journal entry, a block read from the store. Big blocks start at a 4096-aligned address and
 * are recycled through size classes, so that a megabyte frame does not cost page faults each time.
 * struct bytes: a growing byte string with a ceiling declared at init, used while encoding.
 *
 * Threads: buf_ref and buf_unref are thread-safe, the bytes are written only before the buf is
 * shared. A struct bytes belongs to one thread. */
#ifndef SLUICE_BASE_BUF_H
#define SLUICE_BASE_BUF_H

#include "base/err.h"
#include "base/span.h"

#include <stdatomic.h>

#define BUF_ALIGN 4096u

struct buf {
    _Atomic uint32_t refs;
    uint32_t size_class; /* private */
    uint8_t *data;
    size_t len; /* valid bytes; set by the maker before sharing */
    size_t cap;
};

/* Gives a buf with room for cap bytes and len 0. Aborts when the machine is out of memory: whatever
 * a peer can size is charged to a budget (base/budget.h) before this is called. */
struct buf *buf_new(size_t cap);
/* Gives a buf that holds a copy of s. */
struct buf *buf_copy(struct span s);
struct buf *buf_ref(struct buf *b);
/* NULL-safe; sets *b to NULL. */
void buf_unref(struct buf **b);
/* How much of recycled blocks is kept at most; the second figure for those of 9 MiB and more, in
 * which segments are made. */
void buf_pool_keep(size_t max_bytes, size_t max_huge_bytes);
/* Returns the recycled blocks to the system (idle trim, and before leak checks). */
void buf_pool_trim(void);

static inline struct span
buf_span(const struct buf *b)
{
    return span_of(b->data, b->len);
}

struct bytes {
    uint8_t *data;
    size_t len, cap, ceiling;
    bool is_overflown; /* sticky: an append that would pass the ceiling was dropped */
};

void bytes_init(struct bytes *b, size_t ceiling);
void bytes_fini(struct bytes *b);
/* Makes room for n more bytes and gives where they go; NULL (and sticky) above the ceiling. */
uint8_t *bytes_grow(struct bytes *b, size_t n);
void bytes_append(struct bytes *b, const void *p, size_t n);
static inline void
bytes_clear(struct bytes *b)
{
    b->len = 0;
    b->is_overflown = false;
}
static inline struct span
bytes_span(const struct bytes *b)
{
    return span_of(b->data, b->len);
}
void bytes_u8(struct bytes *b, uint8_t v);
void bytes_u16(struct bytes *b, uint16_t v);
void bytes_u32(struct bytes *b, uint32_t v);
void bytes_u64(struct bytes *b, uint64_t v);

/* Allocation that does not come back NULL: aborts with a message. For sizes no peer decides. */
void *sl_alloc(size_t n); /* zeroed */
void *sl_realloc(void *p, size_t n);
char *sl_strdup(const char *s);
void sl_free(void *p);

#endif
