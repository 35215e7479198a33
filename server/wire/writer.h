/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing Kafka's primitive types. The error is the buffer's: `bytes.is_overflown` sticks, and
 * wire_out_done() asks for it once at the end. A string longer than its length field can say is
 * sticky as well, it is never cut.
 *
 * Threads: plain values. Lifetime: borrows the struct bytes. */
#ifndef SLUICE_WIRE_WRITER_H
#define SLUICE_WIRE_WRITER_H

#include "base/buf.h"
#include "base/err.h"

struct wire_out {
    struct bytes *to;
    bool is_flexible;
    bool is_bad; /* sticky: a value does not fit its length field */
};

static inline struct wire_out
wire_out_to(struct bytes *to, bool is_flexible)
{
    return (struct wire_out){.to = to, .is_flexible = is_flexible};
}

static inline void
wire_put_i8(struct wire_out *out, int8_t v)
{
    bytes_u8(out->to, (uint8_t)v);
}

static inline void
wire_put_bool(struct wire_out *out, bool v)
{
    bytes_u8(out->to, v ? 1 : 0);
}

static inline void
wire_put_i16(struct wire_out *out, int16_t v)
{
    bytes_u16(out->to, (uint16_t)v);
}

static inline void
wire_put_i32(struct wire_out *out, int32_t v)
{
    bytes_u32(out->to, (uint32_t)v);
}

static inline void
wire_put_i64(struct wire_out *out, int64_t v)
{
    bytes_u64(out->to, (uint64_t)v);
}

void wire_put_uuid(struct wire_out *out, const uint8_t v[16]);
void wire_put_uvarint(struct wire_out *out, uint32_t v);
void wire_put_varint(struct wire_out *out, int32_t v);
void wire_put_varlong(struct wire_out *out, int64_t v);
/* A NULL ptr writes the empty value here and null in the nullable form. */
void wire_put_string(struct wire_out *out, struct span s);
void wire_put_string_nullable(struct wire_out *out, struct span s);
void wire_put_bytes(struct wire_out *out, struct span s);
void wire_put_bytes_nullable(struct wire_out *out, struct span s);
/* Only the length of n bytes that the caller appends (or sends) itself. */
void wire_put_bytes_len(struct wire_out *out, size_t n);
void wire_put_array(struct wire_out *out, size_t count);
void wire_put_array_null(struct wire_out *out);
/* An empty set of tagged fields; nothing in an inflexible message. */
void wire_put_no_tags(struct wire_out *out);

/* SL_ETOO_LARGE if the ceiling was met or a value did not fit. */
MUST_CHECK enum sl_err wire_out_done(const struct wire_out *out);

#endif
