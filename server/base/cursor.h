/* Reads big-endian fields from borrowed bytes with a sticky error: a decoder is the schema, and
 * asks once, at the end. After an error every getter gives zero or an empty span. Threads: plain
 * values. */
#ifndef SLUICE_BASE_CURSOR_H
#define SLUICE_BASE_CURSOR_H

#include "base/span.h"
#include "base/uuid.h"

struct cursor {
    const uint8_t *p, *end;
    bool is_bad;
};

static inline struct cursor
cursor_of(struct span s)
{
    return (struct cursor){s.ptr, s.ptr == NULL ? NULL : s.ptr + s.len, false};
}

static inline size_t
cursor_left(const struct cursor *c)
{
    return c->is_bad || c->p == NULL ? 0 : (size_t)(c->end - c->p);
}

/* Gives n bytes and moves on; NULL (and sticky) when fewer are left. */
static inline const uint8_t *
cursor_take(struct cursor *c, size_t n)
{
    if (c->is_bad || n > cursor_left(c)) {
        c->is_bad = true;
        return NULL;
    }
    const uint8_t *at = c->p;
    c->p += n;
    return at;
}

static inline struct span
cursor_span(struct cursor *c, size_t n)
{
    const uint8_t *at = cursor_take(c, n);
    return span_of(at, at == NULL ? 0 : n);
}

static inline uint8_t
cursor_u8(struct cursor *c)
{
    const uint8_t *at = cursor_take(c, 1);
    return at == NULL ? 0 : *at;
}
static inline uint16_t
cursor_u16(struct cursor *c)
{
    const uint8_t *at = cursor_take(c, 2);
    return at == NULL ? 0 : get_u16(at);
}
static inline uint32_t
cursor_u32(struct cursor *c)
{
    const uint8_t *at = cursor_take(c, 4);
    return at == NULL ? 0 : get_u32(at);
}
static inline uint64_t
cursor_u64(struct cursor *c)
{
    const uint8_t *at = cursor_take(c, 8);
    return at == NULL ? 0 : get_u64(at);
}
#define cursor_i16(c) ((int16_t)cursor_u16(c))
#define cursor_i32(c) ((int32_t)cursor_u32(c))
#define cursor_i64(c) ((int64_t)cursor_u64(c))

static inline struct uuid
cursor_uuid(struct cursor *c)
{
    struct uuid id = {{0}};
    const uint8_t *at = cursor_take(c, sizeof(id.b));
    if (at != NULL) {
        memcpy(id.b, at, sizeof(id.b));
    }
    return id;
}

/* A count of items of at least item_bytes each: refused when the rest cannot hold so many. */
static inline uint32_t
cursor_count(struct cursor *c, size_t item_bytes)
{
    uint32_t n = cursor_u32(c);
    if (n > cursor_left(c) / item_bytes) {
        c->is_bad = true;
        return 0;
    }
    return n;
}

/* True when nothing went wrong and nothing is left over. */
static inline bool
cursor_is_done(const struct cursor *c)
{
    return !c->is_bad && c->p == c->end;
}

#endif
