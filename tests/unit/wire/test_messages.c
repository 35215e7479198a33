/* SPDX-License-Identifier: Apache-2.0
 *
 * Every message at every version against bytes that an independent codec made. */
#include "../unit.h"
#include "vectors.h"

#include <zlib.h>

#define MESSAGE_MAX 1024

static void
each_vector(const char *variant, void (*check)(struct vector *vec))
{
    struct vectors all;
    struct vector vec = {0};
    int seen = 0;
    bytes_init(&vec.body, 1 << 20);
    vectors_open(&all, "messages.txt");
    while (vectors_next(&all, &vec)) {
        if (variant == NULL || strcmp(vec.variant, variant) == 0) {
            check(&vec);
            seen++;
        }
    }
    vectors_close(&all);
    bytes_fini(&vec.body);
    assert_true(seen > 100);
}

static void
fail_vector(const struct vector *vec, const char *what)
{
    fail_msg("%s v%d %s: %s", vec->msg->name, vec->version, vec->variant, what);
}

static _Alignas(16) uint8_t message[MESSAGE_MAX];

static void
decode(const struct vector *vec, struct arena *arena)
{
    assert_non_null(vec->msg);
    assert_true(vec->msg->root->size <= MESSAGE_MAX);
    memset(message, 0xa5, sizeof(message)); /* whatever decode leaves alone shows */
    enum sl_err rc = wire_decode(vec->msg, vec->version, bytes_span(&vec->body), arena, message);
    if (rc != SL_OK) {
        fail_vector(vec, sl_err_name(rc));
    }
}

static void
check_same_bytes(const struct vector *vec, struct span want)
{
    struct bytes out;
    bytes_init(&out, 1 << 20);
    assert_int_equal(wire_encode(vec->msg, vec->version, message, &out), SL_OK);
    if (!span_eq(bytes_span(&out), want)) {
        fail_vector(vec, "encodes to other bytes than it was decoded from");
    }
    bytes_fini(&out);
}

static void
round_trip(struct vector *vec)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    decode(vec, &arena);
    check_same_bytes(vec, bytes_span(&vec->body));
    arena_fini(&arena);
}

static void
encode__what_was_decoded__gives_the_same_bytes(void **state)
{
    (void)state;
    each_vector("null", round_trip);
    each_vector("empty", round_trip);
    each_vector("filled", round_trip);
}

/* The unknown tagged fields are dropped, so that the bytes are those of the line before. */
static struct bytes filled;

static void
unknown_round_trip(struct vector *vec)
{
    if (strcmp(vec->variant, "filled") == 0) {
        bytes_clear(&filled);
        bytes_append(&filled, vec->body.data, vec->body.len);
    } else if (strcmp(vec->variant, "unknown") == 0) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        decode(vec, &arena);
        check_same_bytes(vec, bytes_span(&filled));
        arena_fini(&arena);
    }
}

static void
decode__unknown_tagged_fields__steps_over_them(void **state)
{
    (void)state;
    bytes_init(&filled, 1 << 20);
    each_vector(NULL, unknown_round_trip);
    bytes_fini(&filled);
}

/* --- values by name; the same function as value() in make_wire_vectors.py --- */

static void
expected_text(const struct wire_field *f, size_t index, char text[128])
{
    snprintf(text, 128, "%s%zu", f->name, index);
}

static int64_t
expected_number(const struct wire_field *f, size_t index, bool is_tagged)
{
    char text[128];
    expected_text(f, index, text);
    uint32_t h = (uint32_t)crc32(0, (const uint8_t *)text, (uInt)strlen(text));
    switch (f->type) {
    case WIRE_BOOL:
        return is_tagged || (h & 1);
    case WIRE_I8:
        return h % 127 + 1;
    case WIRE_I16:
        return h % 32767 + 1;
    case WIRE_U16:
        return h % 65535 + 1;
    case WIRE_I32:
        return h % 0x7fffffff + 1;
    case WIRE_F64:
        return h;
    default:
        return (int64_t)((uint64_t)h << 20 | 5);
    }
}

static int64_t
number_of(const struct wire_field *f, const uint8_t *at)
{
    switch (f->type) {
    case WIRE_BOOL:
        return *(const bool *)at;
    case WIRE_I8:
        return *(const int8_t *)at;
    case WIRE_I16:
        return *(const int16_t *)(const void *)at;
    case WIRE_U16:
        return *(const uint16_t *)(const void *)at;
    case WIRE_I32:
        return *(const int32_t *)(const void *)at;
    case WIRE_F64:
        return (int64_t) * (const double *)(const void *)at;
    default:
        return *(const int64_t *)(const void *)at;
    }
}

static void check_struct(const struct vector *vec, const struct wire_schema *s, const uint8_t *base,
                         size_t index);

static void
check_item(const struct vector *vec, const struct wire_field *f, const uint8_t *at, size_t index)
{
    char text[128];
    expected_text(f, index, text);
    bool is_right;
    if (f->type == WIRE_STRUCT) {
        const uint8_t *inner = at;
        if (wire_field_is_pointer(f)) {
            memcpy(&inner, at, sizeof(inner));
        }
        check_struct(vec, f->sub, inner, index);
        return;
    }
    if (f->type == WIRE_UUID) {
        char repeated[2100] = "";
        for (size_t n = 0; n < 16; n += strlen(text)) {
            memcpy(repeated + n, text, strlen(text));
        }
        is_right = memcmp(at, repeated, 16) == 0;
    } else if (f->type >= WIRE_STRING) {
        is_right = span_eq(*(const struct span *)(const void *)at, span_cstr(text));
    } else {
        bool is_tagged = vec->version >= f->tag_since;
        is_right = number_of(f, at) == expected_number(f, index, is_tagged);
    }
    if (!is_right) {
        fail_vector(vec, text);
    }
}

/* A field the version does not have holds its default. */
static void
check_absent(const struct vector *vec, const struct wire_field *f, const uint8_t *at)
{
    static const uint8_t zero[16];
    bool is_right = true;
    if (f->is_list || f->type >= WIRE_STRING) {
        is_right = f->type == WIRE_STRUCT && !f->is_list ? true : memcmp(at, zero, 16) == 0;
    } else if (f->type == WIRE_UUID) {
        is_right = memcmp(at, zero, 16) == 0;
    } else {
        is_right = number_of(f, at) == f->fallback;
    }
    if (!is_right) {
        fail_vector(vec, f->name);
    }
}

static size_t
list_item_size(const struct wire_field *f)
{
    static const uint8_t sizes[] = {1, 1, 2, 2, 4, 8, 8, 16, sizeof(struct span)};
    return f->type == WIRE_STRUCT ? f->sub->size : sizes[f->type];
}

static void
check_struct(const struct vector *vec, const struct wire_schema *s, const uint8_t *base,
             size_t index)
{
    for (size_t i = 0; i < s->nfields; i++) {
        const struct wire_field *f = &s->fields[i];
        const uint8_t *at = base + f->offset;
        if (vec->version < f->since || vec->version > f->until) {
            check_absent(vec, f, at);
        } else if (!f->is_list) {
            check_item(vec, f, at, index);
        } else {
            struct {
                const uint8_t *items;
                size_t count;
            } list;
            memcpy(&list, at, sizeof(list));
            assert_int_equal(list.count, 2);
            for (size_t k = 0; k < list.count; k++) {
                check_item(vec, f, list.items + k * list_item_size(f), k);
            }
        }
    }
}

static void
values_by_name(struct vector *vec)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    decode(vec, &arena);
    check_struct(vec, vec->msg->root, message, 0);
    arena_fini(&arena);
}

static void
decode__filled_message__every_field_has_the_value_of_its_name(void **state)
{
    (void)state;
    each_vector("filled", values_by_name);
}

/* --- every version of every message was seen --- */

static uint8_t seen[2][128][32];

static void
note_version(struct vector *vec)
{
    seen[vec->is_response][vec->key][vec->version] = 1;
}

static void
vectors__all_messages__cover_exactly_the_versions_of_the_table(void **state)
{
    (void)state;
    memset(seen, 0, sizeof(seen));
    each_vector("filled", note_version);
    for (int16_t key = 0; key < 128; key++) {
        const struct api_info *api = api_info_find(key);
        for (int16_t v = 0; v < 32; v++) {
            bool is_spoken = api != NULL && api_info_has(api, v);
            assert_int_equal(seen[0][key][v], is_spoken);
            assert_int_equal(seen[1][key][v], is_spoken);
        }
    }
}

static void
decode__version_outside_the_table__says_so(void **state)
{
    (void)state;
    size_t n;
    const struct api_info *apis = api_info_table(&n);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct bytes out;
    bytes_init(&out, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        int16_t below = (int16_t)(apis[i].min_version - 1);
        int16_t above = (int16_t)(apis[i].max_version + 1);
        struct span nothing = {NULL, 0};
        memset(message, 0, sizeof(message));
        assert_int_equal(wire_decode(apis[i].request, below, nothing, &arena, message),
                         SL_EVERSION);
        assert_int_equal(wire_decode(apis[i].response, above, nothing, &arena, message),
                         SL_EVERSION);
        assert_int_equal(wire_encode(apis[i].request, above, message, &out), SL_EVERSION);
        assert_int_equal(wire_encode(apis[i].response, below, message, &out), SL_EVERSION);
    }
    assert_int_equal(out.len, 0);
    bytes_fini(&out);
    arena_fini(&arena);
}

/* --- hostile --- */

static enum sl_err
decode_copy(const struct vector *vec, const uint8_t *p, size_t n, struct arena *arena)
{
    /* an exact heap copy, so that the address sanitizer sees one byte too far */
    uint8_t *copy = malloc(n > 0 ? n : 1);
    memcpy(copy, p, n);
    enum sl_err rc = wire_decode(vec->msg, vec->version, span_of(copy, n), arena, message);
    if (rc == SL_OK) {
        struct bytes out;
        bytes_init(&out, 1 << 20);
        assert_int_equal(wire_encode(vec->msg, vec->version, message, &out), SL_OK);
        bytes_fini(&out);
    }
    free(copy);
    return rc;
}

static void
truncated(struct vector *vec)
{
    for (size_t n = 0; n < vec->body.len; n++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        if (decode_copy(vec, vec->body.data, n, &arena) != SL_EMALFORMED) {
            fail_vector(vec, "a beginning of it is taken for the whole");
        }
        arena_fini(&arena);
    }
}

static void
decode__cut_off_at_any_byte__is_malformed(void **state)
{
    (void)state;
    each_vector(NULL, truncated);
}

static void
one_byte_more(struct vector *vec)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    bytes_u8(&vec->body, 0);
    if (decode_copy(vec, vec->body.data, vec->body.len, &arena) != SL_EMALFORMED) {
        fail_vector(vec, "bytes behind the message are accepted");
    }
    arena_fini(&arena);
}

static void
decode__bytes_left_over__is_malformed(void **state)
{
    (void)state;
    each_vector(NULL, one_byte_more);
}

static void
lies(struct vector *vec)
{
    struct bytes body;
    bytes_init(&body, 1 << 20);
    for (size_t i = 0; i < vec->nlengths; i++) {
        size_t at = vec->lengths[i];
        bytes_clear(&body);
        bytes_append(&body, vec->body.data, at);
        if (wire_message_is_flexible(vec->msg, vec->version)) {
            bytes_append(&body, "\xff\xff\xff\xff\x07", 5); /* 2^31 - 1 */
        } else {
            bytes_u8(&body, 0x7f); /* the high byte of an int16 or an int32 */
        }
        bytes_append(&body, vec->body.data + at + 1, vec->body.len - at - 1);
        struct arena arena;
        arena_init(&arena, 1 << 20);
        if (decode_copy(vec, body.data, body.len, &arena) != SL_EMALFORMED) {
            fail_vector(vec, "a length beyond the end is accepted");
        }
        assert_true(arena.used < 64 * body.len + 4096);
        arena_fini(&arena);
    }
    bytes_fini(&body);
}

static void
decode__a_length_lies__is_malformed_and_costs_no_memory(void **state)
{
    (void)state;
    each_vector("filled", lies);
}

static void
one_byte_changed(struct vector *vec)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    for (size_t at = 0; at < vec->body.len; at++) {
        uint8_t was = vec->body.data[at];
        for (size_t i = 0; i < sizeof(values); i++) {
            struct arena arena;
            arena_init(&arena, 1 << 20);
            vec->body.data[at] = values[i];
            enum sl_err rc = decode_copy(vec, vec->body.data, vec->body.len, &arena);
            if (rc != SL_OK && rc != SL_EMALFORMED) {
                fail_vector(vec, sl_err_name(rc));
            }
            arena_fini(&arena);
        }
        vec->body.data[at] = was;
    }
}

static void
decode__any_byte_changed__is_decoded_or_malformed(void **state)
{
    (void)state;
    each_vector("filled", one_byte_changed);
}

static void
little_arena(struct vector *vec)
{
    struct arena arena;
    arena_init(&arena, 8);
    enum sl_err rc = wire_decode(vec->msg, vec->version, bytes_span(&vec->body), &arena, message);
    if (rc != SL_OK && rc != SL_ENOMEM) {
        fail_vector(vec, sl_err_name(rc));
    }
    arena_fini(&arena);
}

static void
decode__arena_too_small__says_so(void **state)
{
    (void)state;
    each_vector("filled", little_arena);
}

static void
little_buffer(struct vector *vec)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    decode(vec, &arena);
    for (size_t ceiling = 0; ceiling < vec->body.len; ceiling += 7) {
        struct bytes out;
        bytes_init(&out, ceiling);
        assert_int_equal(wire_encode(vec->msg, vec->version, message, &out), SL_ETOO_LARGE);
        bytes_fini(&out);
    }
    arena_fini(&arena);
}

static void
encode__buffer_too_small__says_so(void **state)
{
    (void)state;
    each_vector("filled", little_buffer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode__what_was_decoded__gives_the_same_bytes),
        cmocka_unit_test(decode__unknown_tagged_fields__steps_over_them),
        cmocka_unit_test(decode__filled_message__every_field_has_the_value_of_its_name),
        cmocka_unit_test(vectors__all_messages__cover_exactly_the_versions_of_the_table),
        cmocka_unit_test(decode__version_outside_the_table__says_so),
        cmocka_unit_test(decode__cut_off_at_any_byte__is_malformed),
        cmocka_unit_test(decode__bytes_left_over__is_malformed),
        cmocka_unit_test(decode__a_length_lies__is_malformed_and_costs_no_memory),
        cmocka_unit_test(decode__any_byte_changed__is_decoded_or_malformed),
        cmocka_unit_test(decode__arena_too_small__says_so),
        cmocka_unit_test(encode__buffer_too_small__says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
