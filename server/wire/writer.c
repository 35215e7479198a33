/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/writer.h"

void
wire_put_uuid(struct wire_out *out, const uint8_t v[16])
{
    bytes_append(out->to, v, 16);
}

static void
varint(struct wire_out *out, uint64_t v)
{
    uint8_t buf[10];
    size_t n = 0;
    while (v >= 0x80) {
        buf[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    buf[n++] = (uint8_t)v;
    bytes_append(out->to, buf, n);
}

void
wire_put_uvarint(struct wire_out *out, uint32_t v)
{
    if (v < 0x80) {
        bytes_u8(out->to, (uint8_t)v);
        return;
    }
    varint(out, v);
}

void
wire_put_varint(struct wire_out *out, int32_t v)
{
    varint(out, ((uint32_t)v << 1) ^ (v < 0 ? UINT32_MAX : 0));
}

void
wire_put_varlong(struct wire_out *out, int64_t v)
{
    varint(out, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

static void
put_len(struct wire_out *out, size_t n, bool is_string)
{
    size_t max = is_string && !out->is_flexible ? INT16_MAX : INT32_MAX;
    if (n > max) {
        out->is_bad = true;
    } else if (out->is_flexible) {
        wire_put_uvarint(out, (uint32_t)n + 1);
    } else if (is_string) {
        wire_put_i16(out, (int16_t)n);
    } else {
        wire_put_i32(out, (int32_t)n);
    }
}

static void
put_null(struct wire_out *out, bool is_string)
{
    if (out->is_flexible) {
        bytes_u8(out->to, 0);
    } else if (is_string) {
        wire_put_i16(out, -1);
    } else {
        wire_put_i32(out, -1);
    }
}

static void
put_sized(struct wire_out *out, struct span s, bool is_string)
{
    put_len(out, s.len, is_string);
    if (!out->is_bad && s.len > 0) {
        bytes_append(out->to, s.ptr, s.len);
    }
}

void
wire_put_string(struct wire_out *out, struct span s)
{
    put_sized(out, s, true);
}

void
wire_put_string_nullable(struct wire_out *out, struct span s)
{
    if (s.ptr == NULL) {
        put_null(out, true);
        return;
    }
    put_sized(out, s, true);
}

void
wire_put_bytes(struct wire_out *out, struct span s)
{
    put_sized(out, s, false);
}

void
wire_put_bytes_nullable(struct wire_out *out, struct span s)
{
    if (s.ptr == NULL) {
        put_null(out, false);
        return;
    }
    put_sized(out, s, false);
}

void
wire_put_bytes_len(struct wire_out *out, size_t n)
{
    put_len(out, n, false);
}

void
wire_put_array(struct wire_out *out, size_t count)
{
    put_len(out, count, false);
}

void
wire_put_array_null(struct wire_out *out)
{
    put_null(out, false);
}

void
wire_put_no_tags(struct wire_out *out)
{
    if (out->is_flexible) {
        bytes_u8(out->to, 0);
    }
}

enum sl_err
wire_out_done(const struct wire_out *out)
{
    return out->is_bad || out->to->is_overflown ? SL_ETOO_LARGE : SL_OK;
}
