/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading Kafka's primitive types out of a frame, with a sticky error.
 *
 * After the first thing that does not fit, every call gives zero or an empty value, so a decoder
 * reads like the schema and asks once, at the end, wire_in_done(). Strings, bytes and records are
 * spans into the frame; arrays go to the arena. Every length is compared as `n > remaining`,
 * unsigned, and never added to anything first.
 *
 * Threads: plain values. Lifetime: borrows the frame and the arena for as long as its results live.
 */
#ifndef SLUICE_WIRE_READER_H
#define SLUICE_WIRE_READER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

/* No array of any request may have more elements than this, whatever its bytes would hold. */
#define WIRE_ARRAY_MAX 1000000u
/* No set of tagged fields may have more fields than this. */
#define WIRE_TAGS_MAX 1024u

struct wire_in {
    const uint8_t *at, *end;
    struct arena *arena; /* may be NULL for decoders that need no array */
    bool is_flexible;    /* KIP-482: compact lengths and tagged fields */
    enum sl_err rc;      /* sticky: SL_OK, SL_EMALFORMED, or SL_ENOMEM (arena ceiling) */
};

void wire_in_init(struct wire_in *in, struct span bytes, bool is_flexible, struct arena *arena);

static inline bool
wire_ok(const struct wire_in *in)
{
    return in->rc == SL_OK;
}

static inline size_t
wire_remaining(const struct wire_in *in)
{
    return (size_t)(in->end - in->at);
}

/* Makes the error stick (the first one stays) and ends the input. */
void wire_fail(struct wire_in *in, enum sl_err rc);

/* Gives where the next n bytes are and steps over them; NULL (and sticky) if there are fewer. */
static inline const uint8_t *
wire_take(struct wire_in *in, size_t n)
{
    if (__builtin_expect(n > wire_remaining(in), 0)) {
        wire_fail(in, SL_EMALFORMED);
        return NULL;
    }
    const uint8_t *p = in->at;
    in->at += n;
    return p;
}

static inline int8_t
wire_i8(struct wire_in *in)
{
    const uint8_t *p = wire_take(in, 1);
    return p == NULL ? 0 : (int8_t)*p;
}

static inline bool
wire_bool(struct wire_in *in)
{
    return wire_i8(in) != 0;
}

static inline int16_t
wire_i16(struct wire_in *in)
{
    const uint8_t *p = wire_take(in, 2);
    return p == NULL ? (int16_t)0 : get_i16(p);
}

static inline uint16_t
wire_u16(struct wire_in *in)
{
    return (uint16_t)wire_i16(in);
}

static inline int32_t
wire_i32(struct wire_in *in)
{
    const uint8_t *p = wire_take(in, 4);
    return p == NULL ? 0 : get_i32(p);
}

static inline int64_t
wire_i64(struct wire_in *in)
{
    const uint8_t *p = wire_take(in, 8);
    return p == NULL ? 0 : get_i64(p);
}

void wire_uuid(struct wire_in *in, uint8_t ret[16]);
/* At most 5 bytes, and nothing beyond 32 bits. */
uint32_t wire_uvarint(struct wire_in *in);
/* Zigzag, as inside records: at most 5 and 10 bytes. */
int32_t wire_varint(struct wire_in *in);
int64_t wire_varlong(struct wire_in *in);

/* Classic or compact form, as the message is. A null where none is allowed is malformed; a nullable
 * one gives ptr NULL. An empty one always has a ptr. */
struct span wire_string(struct wire_in *in);
struct span wire_string_nullable(struct wire_in *in);
struct span wire_bytes(struct wire_in *in);
struct span wire_bytes_nullable(struct wire_in *in);

/* Gives the element count; malformed if null, above WIRE_ARRAY_MAX, or more than the remaining
 * bytes can hold at min_item_bytes (>= 1) each. */
size_t wire_array(struct wire_in *in, size_t min_item_bytes);
/* The same, but a null gives -1. */
int64_t wire_array_nullable(struct wire_in *in, size_t min_item_bytes);
/* Arena memory for count items of item bytes, never NULL while wire_ok(): an array that is there
 * but empty has a pointer too. */
void *wire_items(struct wire_in *in, size_t count, size_t item);

/* Tagged fields: wire_tags gives how many follow (0 in an inflexible message); wire_tag_next then
 * gives each one's tag and body. Tags must ascend strictly. */
uint32_t wire_tags(struct wire_in *in);
uint32_t wire_tag_next(struct wire_in *in, int64_t *last_tag, struct span *ret_body);
/* Steps over a whole set of tagged fields that mean nothing to us. */
void wire_tags_skip(struct wire_in *in);

/* The sticky error, or SL_EMALFORMED if bytes are left over. */
MUST_CHECK enum sl_err wire_in_done(const struct wire_in *in);

#endif
