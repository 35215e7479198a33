/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/reader.h"

void
wire_in_init(struct wire_in *in, struct span bytes, bool is_flexible, struct arena *arena)
{
    static const uint8_t nothing;
    const uint8_t *start = bytes.ptr != NULL ? bytes.ptr : &nothing;
    *in = (struct wire_in){.at = start,
                           .end = start + bytes.len,
                           .arena = arena,
                           .is_flexible = is_flexible,
                           .rc = SL_OK};
}

void
wire_fail(struct wire_in *in, enum sl_err rc)
{
    if (in->rc == SL_OK) {
        in->rc = rc;
    }
    in->at = in->end;
}

void
wire_uuid(struct wire_in *in, uint8_t ret[16])
{
    const uint8_t *p = wire_take(in, 16);
    if (p == NULL) {
        memset(ret, 0, 16);
        return;
    }
    memcpy(ret, p, 16);
}

/* Base-128, least significant group first; the last byte may only hold what is left of `bits`. */
static uint64_t
varint(struct wire_in *in, unsigned bits)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        const uint8_t *p = wire_take(in, 1);
        if (p == NULL) {
            return 0;
        }
        uint64_t group = *p & 0x7fu;
        if (bits - shift < 7 && (group >> (bits - shift)) != 0) {
            break;
        }
        v |= group << shift;
        if ((*p & 0x80u) == 0) {
            return v;
        }
    }
    wire_fail(in, SL_EMALFORMED);
    return 0;
}

uint32_t
wire_uvarint(struct wire_in *in)
{
    return (uint32_t)varint(in, 32);
}

int32_t
wire_varint(struct wire_in *in)
{
    uint32_t v = (uint32_t)varint(in, 32);
    return (int32_t)((v >> 1) ^ (0u - (v & 1u)));
}

int64_t
wire_varlong(struct wire_in *in)
{
    uint64_t v = varint(in, 64);
    return (int64_t)((v >> 1) ^ (UINT64_C(0) - (v & 1u)));
}

/* Length of a string (2 bytes in the classic form) or of bytes and arrays (4); -1 is null. A
 * compact length is stored plus one, so that 0 is null (KIP-482). */
static int64_t
length(struct wire_in *in, bool is_string)
{
    if (in->is_flexible) {
        return (int64_t)wire_uvarint(in) - 1;
    }
    int64_t n = is_string ? wire_i16(in) : wire_i32(in);
    if (n < -1) {
        wire_fail(in, SL_EMALFORMED);
        return -1;
    }
    return n;
}

static struct span
sized(struct wire_in *in, bool is_string, bool is_nullable)
{
    int64_t n = length(in, is_string);
    if (n < 0) {
        if (!is_nullable) {
            wire_fail(in, SL_EMALFORMED);
        }
        return span_of(NULL, 0);
    }
    const uint8_t *p = wire_take(in, (size_t)n);
    return p == NULL ? span_of(NULL, 0) : span_of(p, (size_t)n);
}

struct span
wire_string(struct wire_in *in)
{
    return sized(in, true, false);
}

struct span
wire_string_nullable(struct wire_in *in)
{
    return sized(in, true, true);
}

struct span
wire_bytes(struct wire_in *in)
{
    return sized(in, false, false);
}

struct span
wire_bytes_nullable(struct wire_in *in)
{
    return sized(in, false, true);
}

int64_t
wire_array_nullable(struct wire_in *in, size_t min_item_bytes)
{
    int64_t n = length(in, false);
    if (n < 0) {
        return -1;
    }
    if ((uint64_t)n > WIRE_ARRAY_MAX || (size_t)n > wire_remaining(in) / min_item_bytes) {
        wire_fail(in, SL_EMALFORMED);
        return 0;
    }
    return n;
}

size_t
wire_array(struct wire_in *in, size_t min_item_bytes)
{
    int64_t n = wire_array_nullable(in, min_item_bytes);
    if (n < 0) {
        wire_fail(in, SL_EMALFORMED);
        return 0;
    }
    return (size_t)n;
}

void *
wire_items(struct wire_in *in, size_t count, size_t item)
{
    if (!wire_ok(in)) {
        return NULL;
    }
    void *p = in->arena == NULL ? NULL : arena_array(in->arena, count > 0 ? count : 1, item);
    if (p == NULL) {
        wire_fail(in, SL_ENOMEM);
    }
    return p;
}

uint32_t
wire_tags(struct wire_in *in)
{
    if (!in->is_flexible) {
        return 0;
    }
    uint32_t n = wire_uvarint(in);
    /* a tag and a size are at least one byte each */
    if (n > WIRE_TAGS_MAX || n > wire_remaining(in) / 2) {
        wire_fail(in, SL_EMALFORMED);
        return 0;
    }
    return n;
}

uint32_t
wire_tag_next(struct wire_in *in, int64_t *last_tag, struct span *ret_body)
{
    uint32_t tag = wire_uvarint(in);
    uint32_t n = wire_uvarint(in);
    if (wire_ok(in) && (int64_t)tag <= *last_tag) {
        wire_fail(in, SL_EMALFORMED);
    }
    *last_tag = tag;
    *ret_body = span_of(wire_take(in, n), n);
    return tag;
}

void
wire_tags_skip(struct wire_in *in)
{
    uint32_t n = wire_tags(in);
    int64_t last = -1;
    for (uint32_t i = 0; i < n && wire_ok(in); i++) {
        struct span body;
        wire_tag_next(in, &last, &body);
    }
}

enum sl_err
wire_in_done(const struct wire_in *in)
{
    if (in->rc != SL_OK) {
        return in->rc;
    }
    return in->at == in->end ? SL_OK : SL_EMALFORMED;
}
