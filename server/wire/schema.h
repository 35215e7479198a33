/* SPDX-License-Identifier: Apache-2.0
 *
 * One table per message, one interpreter for all of them.
 *
 * A row says how one field looks on the wire and where it lies in a C struct. The interpreter
 * walks the same rows to decode into arena structs and to encode from them, so requests and
 * responses work both ways and tests and tools play the client for free.
 *
 * Conventions of the structs: strings, bytes and records are struct span into the frame (ptr NULL
 * is null); arrays are WIRE_LIST (items NULL is null where the field may be null, else empty); a
 * struct that may be null is a pointer; a field that the version does not have holds its default.
 *
 * Threads: tables are constant, calls are pure. Lifetime: what decode gives lives as long as frame
 * and arena. */
#ifndef SLUICE_WIRE_SCHEMA_H
#define SLUICE_WIRE_SCHEMA_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define WIRE_LIST(type)                                                                            \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t count;                                                                              \
    }

enum wire_type {
    WIRE_BOOL,    /* bool */
    WIRE_I8,      /* int8_t */
    WIRE_I16,     /* int16_t */
    WIRE_U16,     /* uint16_t */
    WIRE_I32,     /* int32_t */
    WIRE_I64,     /* int64_t */
    WIRE_F64,     /* double */
    WIRE_UUID,    /* uint8_t[16] */
    WIRE_STRING,  /* struct span */
    WIRE_BYTES,   /* struct span */
    WIRE_RECORDS, /* struct span; on the wire like bytes */
    WIRE_STRUCT,  /* the struct of ->sub: in place, or a pointer to one where it may be null */
};

#define WIRE_FOREVER INT16_MAX /* as `until`: no version ended the field */
#define WIRE_NEVER INT16_MAX   /* as `null_since`, `tag_since`: in no version */

struct wire_schema;

/* {name, type, is_list, since, until, null_since, tag_since, tag, offset, sub, default} */
struct wire_field {
    const char *name; /* of the C field: Kafka's in snake_case */
    enum wire_type type;
    bool is_list; /* a WIRE_LIST of the type */
    int16_t since, until;
    int16_t null_since;
    int16_t tag_since; /* from here on a tagged field with number `tag` */
    uint16_t tag;
    uint16_t offset;
    const struct wire_schema *sub;
    int64_t fallback; /* value in versions without the field, and of an absent tagged field */
};

struct wire_schema {
    const struct wire_field *fields;
    uint16_t nfields;
    uint16_t size; /* sizeof the C struct */
};

struct wire_message {
    const char *name;
    int16_t api_key;
    bool is_response;
    int16_t min_version, max_version;
    int16_t flexible_since; /* WIRE_NEVER */
    const struct wire_schema *root;
};

/* clang-format off */
/* Row makers. WIRE_ROW is a plain field; the others say in their name what is added; the few tagged
 * fields are written out. */
#define WIRE_PLACE(st, f) .name = #f, .offset = (uint16_t)offsetof(st, f)
#define WIRE_FROM_TO(v0, v1, null0)                                                                \
    .since = (v0), .until = (v1), .null_since = (null0), .tag_since = WIRE_NEVER
#define WIRE_ROW(t, st, f, v0, v1)                                                                 \
    {WIRE_PLACE(st, f), .type = (t), WIRE_FROM_TO(v0, v1, WIRE_NEVER)}
#define WIRE_ROW_DEFAULT(t, st, f, v0, v1, dflt)                                                   \
    {WIRE_PLACE(st, f), .type = (t), WIRE_FROM_TO(v0, v1, WIRE_NEVER), .fallback = (dflt)}
#define WIRE_ROW_NULLABLE(t, st, f, v0, v1, null0)                                                 \
    {WIRE_PLACE(st, f), .type = (t), WIRE_FROM_TO(v0, v1, null0)}
#define WIRE_ROW_LIST(t, st, f, v0, v1, null0)                                                     \
    {WIRE_PLACE(st, f), .type = (t), .is_list = true, WIRE_FROM_TO(v0, v1, null0)}
#define WIRE_ROW_OPTIONAL(sc, st, f, v0, v1, null0)                                                \
    {WIRE_PLACE(st, f), .type = WIRE_STRUCT, .sub = (sc), WIRE_FROM_TO(v0, v1, null0)}
#define WIRE_ROW_STRUCTS(sc, st, f, v0, v1, null0)                                                 \
    {WIRE_PLACE(st, f), .type = WIRE_STRUCT, .sub = (sc), .is_list = true,                         \
     WIRE_FROM_TO(v0, v1, null0)}
#define WIRE_SCHEMA(st, rows)                                                                      \
    {.fields = (rows),                                                                             \
     .nfields = (uint16_t)(sizeof(rows) / sizeof((rows)[0])),                                      \
     .size = (uint16_t)sizeof(st)}
/* clang-format on */

/* Sets every field of the message's C struct to its default; what a client or a handler does
 * before it fills one in. */
void wire_defaults(const struct wire_schema *schema, void *ret);

/* Decodes a whole body. SL_EVERSION outside the table's versions; SL_EMALFORMED for anything that
 * is not exactly one message; SL_ENOMEM at the arena's ceiling. *ret is unspecified on failure. */
MUST_CHECK enum sl_err wire_decode(const struct wire_message *msg, int16_t version,
                                   struct span body, struct arena *arena, void *ret);
/* The same, but bytes may follow the message: *body is what is left. For messages that a client is
 * known to end with more than belongs there. */
MUST_CHECK enum sl_err wire_decode_prefix(const struct wire_message *msg, int16_t version,
                                          struct span *body, struct arena *arena, void *ret);
/* Appends the body. Fields the version does not have are left out in silence. */
MUST_CHECK enum sl_err wire_encode(const struct wire_message *msg, int16_t version, const void *in,
                                   struct bytes *out);

/* Is the C field a pointer to the struct? */
static inline bool
wire_field_is_pointer(const struct wire_field *f)
{
    return f->type == WIRE_STRUCT && !f->is_list && f->null_since != WIRE_NEVER;
}

static inline bool
wire_message_is_flexible(const struct wire_message *msg, int16_t version)
{
    return version >= msg->flexible_since;
}

#endif
