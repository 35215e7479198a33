/* SPDX-License-Identifier: Apache-2.0
 *
 * The interpreter of schema tables.
 *
 * Depth is the table's: a struct's rows name the schema of what is inside, tables are constant and
 * form no cycle, so no input can make this recurse deeper than Kafka nests its messages (5).
 * Memory is the arena's: an array asks for count items only after the count was held against the
 * bytes that are left, and the arena refuses above its ceiling.
 *
 * A field that is tagged in this version is not in the struct's sequence but in the set of tagged
 * fields at its end: `count, (tag, size, body)*`, tags ascending. Fields at their default are not
 * written there; unknown ones are stepped over. */
#include "wire/schema.h"

#include "wire/reader.h"
#include "wire/writer.h"

static bool
field_is_in(const struct wire_field *f, int16_t version)
{
    return version >= f->since && version <= f->until;
}

static bool
field_is_tagged(const struct wire_field *f, int16_t version)
{
    return version >= f->tag_since;
}

static size_t
item_size(const struct wire_field *f)
{
    static const uint8_t sizes[] = {
        [WIRE_BOOL] = sizeof(bool),
        [WIRE_I8] = 1,
        [WIRE_I16] = 2,
        [WIRE_U16] = 2,
        [WIRE_I32] = 4,
        [WIRE_I64] = 8,
        [WIRE_F64] = sizeof(double),
        [WIRE_UUID] = 16,
        [WIRE_STRING] = sizeof(struct span),
        [WIRE_BYTES] = sizeof(struct span),
        [WIRE_RECORDS] = sizeof(struct span),
    };
    return f->type == WIRE_STRUCT ? f->sub->size : sizes[f->type];
}

static size_t schema_min_bytes(const struct wire_schema *s, int16_t version, bool is_flexible);

/* The fewest bytes one item of the field takes on the wire. */
static size_t
item_min_bytes(const struct wire_field *f, int16_t version, bool is_flexible)
{
    static const uint8_t fixed[] = {
        [WIRE_BOOL] = 1,   [WIRE_I8] = 1,    [WIRE_I16] = 2,     [WIRE_U16] = 2,
        [WIRE_I32] = 4,    [WIRE_I64] = 8,   [WIRE_F64] = 8,     [WIRE_UUID] = 16,
        [WIRE_STRING] = 2, [WIRE_BYTES] = 4, [WIRE_RECORDS] = 4,
    };
    if (wire_field_is_pointer(f)) {
        return 1;
    }
    if (f->type == WIRE_STRUCT) {
        return schema_min_bytes(f->sub, version, is_flexible);
    }
    return is_flexible && f->type >= WIRE_STRING ? 1 : fixed[f->type];
}

static size_t
schema_min_bytes(const struct wire_schema *s, int16_t version, bool is_flexible)
{
    size_t n = is_flexible ? 1 : 0; /* the count of tagged fields */
    for (size_t i = 0; i < s->nfields; i++) {
        const struct wire_field *f = &s->fields[i];
        if (!field_is_in(f, version) || field_is_tagged(f, version)) {
            continue;
        }
        if (f->is_list) {
            n += is_flexible ? 1 : 4;
        } else {
            n += item_min_bytes(f, version, is_flexible);
        }
    }
    return n > 0 ? n : 1;
}

static void
scalar_set(enum wire_type type, void *at, int64_t v)
{
    switch (type) {
    case WIRE_BOOL:
        *(bool *)at = v != 0;
        break;
    case WIRE_I8:
        *(int8_t *)at = (int8_t)v;
        break;
    case WIRE_I16:
    case WIRE_U16:
        *(int16_t *)at = (int16_t)v;
        break;
    case WIRE_I32:
        *(int32_t *)at = (int32_t)v;
        break;
    case WIRE_I64:
        *(int64_t *)at = v;
        break;
    default: /* uuid zero, spans null */
        break;
    }
}

void
wire_defaults(const struct wire_schema *schema, void *ret)
{
    memset(ret, 0, schema->size);
    for (size_t i = 0; i < schema->nfields; i++) {
        const struct wire_field *f = &schema->fields[i];
        void *at = (uint8_t *)ret + f->offset;
        if (f->is_list || wire_field_is_pointer(f)) {
            continue;
        }
        if (f->type == WIRE_STRUCT) {
            wire_defaults(f->sub, at);
        } else if (f->fallback != 0) {
            scalar_set(f->type, at, f->fallback);
        }
    }
}

/* --- decode --- */

static void decode_struct(struct wire_in *in, const struct wire_schema *s, int16_t version,
                          void *ret);

/* A byte says whether the struct is there: negative means null. */
static void
decode_optional(struct wire_in *in, const struct wire_field *f, int16_t version, void *at)
{
    if (version >= f->null_since && wire_i8(in) < 0) {
        return; /* the default is null */
    }
    void *item = wire_ok(in) ? wire_items(in, 1, f->sub->size) : NULL;
    if (wire_ok(in)) {
        decode_struct(in, f->sub, version, item);
        memcpy(at, &item, sizeof(item));
    }
}

static void
decode_item(struct wire_in *in, const struct wire_field *f, int16_t version, void *at)
{
    bool is_nullable = !f->is_list && version >= f->null_since;
    switch (f->type) {
    case WIRE_BOOL:
        *(bool *)at = wire_bool(in);
        break;
    case WIRE_I8:
        *(int8_t *)at = wire_i8(in);
        break;
    case WIRE_I16:
        *(int16_t *)at = wire_i16(in);
        break;
    case WIRE_U16:
        *(uint16_t *)at = wire_u16(in);
        break;
    case WIRE_I32:
        *(int32_t *)at = wire_i32(in);
        break;
    case WIRE_I64:
    case WIRE_F64:
        *(int64_t *)at = wire_i64(in); /* the same bits */
        break;
    case WIRE_UUID:
        wire_uuid(in, at);
        break;
    case WIRE_STRING:
        *(struct span *)at = is_nullable ? wire_string_nullable(in) : wire_string(in);
        break;
    case WIRE_BYTES:
    case WIRE_RECORDS:
        *(struct span *)at = is_nullable ? wire_bytes_nullable(in) : wire_bytes(in);
        break;
    case WIRE_STRUCT:
        if (wire_field_is_pointer(f)) {
            decode_optional(in, f, version, at);
            break;
        }
        decode_struct(in, f->sub, version, at);
        break;
    }
}

/* What every WIRE_LIST looks like, whatever it is a list of. Copied in and out, because the list in
 * the message is of another type. */
struct any_list {
    void *items;
    size_t count;
};

static struct any_list
list_get(const void *at)
{
    struct any_list list;
    memcpy(&list, at, sizeof(list));
    return list;
}

static void
decode_list(struct wire_in *in, const struct wire_field *f, int16_t version, void *at)
{
    size_t min_bytes = item_min_bytes(f, version, in->is_flexible);
    int64_t n = wire_array_nullable(in, min_bytes);
    if (n < 0 && version < f->null_since) {
        wire_fail(in, SL_EMALFORMED);
    }
    if (n < 0 || !wire_ok(in)) {
        return; /* the default is null */
    }
    size_t size = item_size(f);
    struct any_list list = {wire_items(in, (size_t)n, size), (size_t)n};
    for (size_t i = 0; i < list.count && wire_ok(in); i++) {
        decode_item(in, f, version, (uint8_t *)list.items + i * size);
    }
    if (wire_ok(in)) {
        memcpy(at, &list, sizeof(list));
    }
}

static void
decode_field(struct wire_in *in, const struct wire_field *f, int16_t version, uint8_t *base)
{
    void *at = base + f->offset;
    if (f->is_list) {
        decode_list(in, f, version, at);
    } else {
        decode_item(in, f, version, at);
    }
}

static const struct wire_field *
tagged_field_find(const struct wire_schema *s, int16_t version, uint32_t tag)
{
    for (size_t i = 0; i < s->nfields; i++) {
        const struct wire_field *f = &s->fields[i];
        if (f->tag == tag && field_is_in(f, version) && field_is_tagged(f, version)) {
            return f;
        }
    }
    return NULL;
}

static void
decode_tags(struct wire_in *in, const struct wire_schema *s, int16_t version, uint8_t *base)
{
    uint32_t n = wire_tags(in);
    int64_t last = -1;
    for (uint32_t i = 0; i < n && wire_ok(in); i++) {
        struct span body = {NULL, 0};
        uint32_t tag = wire_tag_next(in, &last, &body);
        const struct wire_field *f = wire_ok(in) ? tagged_field_find(s, version, tag) : NULL;
        if (f == NULL) {
            continue;
        }
        struct wire_in inner;
        wire_in_init(&inner, body, true, in->arena);
        decode_field(&inner, f, version, base);
        enum sl_err rc = wire_in_done(&inner);
        if (rc != SL_OK) {
            wire_fail(in, rc);
        }
    }
}

static void
decode_struct(struct wire_in *in, const struct wire_schema *s, int16_t version, void *ret)
{
    wire_defaults(s, ret);
    for (size_t i = 0; i < s->nfields; i++) {
        const struct wire_field *f = &s->fields[i];
        if (field_is_in(f, version) && !field_is_tagged(f, version)) {
            decode_field(in, f, version, ret);
        }
    }
    if (in->is_flexible) {
        decode_tags(in, s, version, ret);
    }
}

enum sl_err
wire_decode_prefix(const struct wire_message *msg, int16_t version, struct span *body,
                   struct arena *arena, void *ret)
{
    if (version < msg->min_version || version > msg->max_version) {
        return SL_EVERSION;
    }
    struct wire_in in;
    wire_in_init(&in, *body, wire_message_is_flexible(msg, version), arena);
    decode_struct(&in, msg->root, version, ret);
    if (!wire_ok(&in)) {
        return in.rc;
    }
    *body = span_of(in.at, wire_remaining(&in));
    return SL_OK;
}

enum sl_err
wire_decode(const struct wire_message *msg, int16_t version, struct span body, struct arena *arena,
            void *ret)
{
    enum sl_err rc = wire_decode_prefix(msg, version, &body, arena, ret);
    return rc == SL_OK && body.len > 0 ? SL_EMALFORMED : rc;
}

/* --- encode --- */

static void encode_struct(struct wire_out *out, const struct wire_schema *s, int16_t version,
                          const void *from);

static void
encode_span(struct wire_out *out, const struct wire_field *f, int16_t version, struct span s)
{
    bool is_nullable = !f->is_list && version >= f->null_since;
    if (f->type == WIRE_STRING) {
        if (is_nullable) {
            wire_put_string_nullable(out, s);
        } else {
            wire_put_string(out, s);
        }
    } else if (is_nullable) {
        wire_put_bytes_nullable(out, s);
    } else {
        wire_put_bytes(out, s);
    }
}

static void
encode_optional(struct wire_out *out, const struct wire_field *f, int16_t version, const void *at)
{
    const void *item;
    memcpy(&item, at, sizeof(item));
    if (version >= f->null_since) {
        wire_put_i8(out, item == NULL ? -1 : 1);
    }
    if (item != NULL) {
        encode_struct(out, f->sub, version, item);
    }
}

static void
encode_item(struct wire_out *out, const struct wire_field *f, int16_t version, const void *at)
{
    switch (f->type) {
    case WIRE_BOOL:
        wire_put_bool(out, *(const bool *)at);
        break;
    case WIRE_I8:
        wire_put_i8(out, *(const int8_t *)at);
        break;
    case WIRE_I16:
    case WIRE_U16:
        wire_put_i16(out, *(const int16_t *)at);
        break;
    case WIRE_I32:
        wire_put_i32(out, *(const int32_t *)at);
        break;
    case WIRE_I64:
    case WIRE_F64:
        wire_put_i64(out, *(const int64_t *)at);
        break;
    case WIRE_UUID:
        wire_put_uuid(out, at);
        break;
    case WIRE_STRING:
    case WIRE_BYTES:
    case WIRE_RECORDS:
        encode_span(out, f, version, *(const struct span *)at);
        break;
    case WIRE_STRUCT:
        if (wire_field_is_pointer(f)) {
            encode_optional(out, f, version, at);
            break;
        }
        encode_struct(out, f->sub, version, at);
        break;
    }
}

static void
encode_field(struct wire_out *out, const struct wire_field *f, int16_t version, const uint8_t *base)
{
    const void *at = base + f->offset;
    if (!f->is_list) {
        encode_item(out, f, version, at);
        return;
    }
    struct any_list list = list_get(at);
    if (list.items == NULL && version >= f->null_since) {
        wire_put_array_null(out);
        return;
    }
    size_t count = list.items == NULL ? 0 : list.count;
    wire_put_array(out, count);
    size_t size = item_size(f);
    for (size_t i = 0; i < count; i++) {
        encode_item(out, f, version, (const uint8_t *)list.items + i * size);
    }
}

static int64_t
scalar_get(enum wire_type type, const void *at)
{
    switch (type) {
    case WIRE_BOOL:
        return *(const bool *)at;
    case WIRE_I8:
        return *(const int8_t *)at;
    case WIRE_I16:
        return *(const int16_t *)at;
    case WIRE_U16:
        return *(const uint16_t *)at;
    case WIRE_I32:
        return *(const int32_t *)at;
    case WIRE_I64:
    case WIRE_F64: /* zero has no bits set */
        return *(const int64_t *)at;
    default:
        return 0;
    }
}

static bool field_is_default(const struct wire_field *f, int16_t version, const uint8_t *base);

static bool
struct_is_default(const struct wire_schema *s, int16_t version, const uint8_t *base)
{
    for (size_t i = 0; i < s->nfields; i++) {
        const struct wire_field *f = &s->fields[i];
        if (field_is_in(f, version) && !field_is_default(f, version, base)) {
            return false;
        }
    }
    return true;
}

static bool
field_is_default(const struct wire_field *f, int16_t version, const uint8_t *base)
{
    static const uint8_t zero_uuid[16];
    const uint8_t *at = base + f->offset;
    bool is_nullable = version >= f->null_since;
    if (f->is_list) {
        struct any_list list = list_get(at);
        return is_nullable ? list.items == NULL : list.count == 0;
    }
    if (wire_field_is_pointer(f)) {
        const void *item;
        memcpy(&item, at, sizeof(item));
        return item == NULL;
    }
    if (f->type == WIRE_STRUCT) {
        return struct_is_default(f->sub, version, at);
    }
    if (f->type >= WIRE_STRING) {
        const struct span *s = (const void *)at;
        return is_nullable ? s->ptr == NULL : s->len == 0;
    }
    if (f->type == WIRE_UUID) {
        return memcmp(at, zero_uuid, sizeof(zero_uuid)) == 0;
    }
    return scalar_get(f->type, at) == f->fallback;
}

/* Gives the field with the smallest tag above `last` that has something to say, or NULL. */
static const struct wire_field *
next_tagged(const struct wire_schema *s, int16_t version, const uint8_t *base, int32_t last)
{
    const struct wire_field *best = NULL;
    for (size_t i = 0; i < s->nfields; i++) {
        const struct wire_field *f = &s->fields[i];
        if (!field_is_in(f, version) || !field_is_tagged(f, version) || f->tag <= last) {
            continue;
        }
        if ((best == NULL || f->tag < best->tag) && !field_is_default(f, version, base)) {
            best = f;
        }
    }
    return best;
}

/* A tagged field's size stands before its body, so the body is made aside. Rare and small. */
static void
encode_tagged(struct wire_out *out, const struct wire_field *f, int16_t version,
              const uint8_t *base)
{
    struct bytes body;
    bytes_init(&body, out->to->ceiling);
    struct wire_out inner = wire_out_to(&body, true);
    encode_field(&inner, f, version, base);
    wire_put_uvarint(out, f->tag);
    wire_put_uvarint(out, (uint32_t)body.len);
    bytes_append(out->to, body.data, body.len);
    out->is_bad = out->is_bad || wire_out_done(&inner) != SL_OK || body.len > INT32_MAX;
    bytes_fini(&body);
}

static void
encode_struct(struct wire_out *out, const struct wire_schema *s, int16_t version, const void *from)
{
    for (size_t i = 0; i < s->nfields; i++) {
        const struct wire_field *f = &s->fields[i];
        if (field_is_in(f, version) && !field_is_tagged(f, version)) {
            encode_field(out, f, version, from);
        }
    }
    if (!out->is_flexible) {
        return;
    }
    const struct wire_field *f;
    uint32_t n = 0;
    for (f = next_tagged(s, version, from, -1); f != NULL;
         f = next_tagged(s, version, from, f->tag)) {
        n++;
    }
    wire_put_uvarint(out, n);
    for (f = next_tagged(s, version, from, -1); f != NULL;
         f = next_tagged(s, version, from, f->tag)) {
        encode_tagged(out, f, version, from);
    }
}

enum sl_err
wire_encode(const struct wire_message *msg, int16_t version, const void *in, struct bytes *out)
{
    if (version < msg->min_version || version > msg->max_version) {
        return SL_EVERSION;
    }
    struct wire_out to = wire_out_to(out, wire_message_is_flexible(msg, version));
    encode_struct(&to, msg->root, version, in);
    return wire_out_done(&to);
}
