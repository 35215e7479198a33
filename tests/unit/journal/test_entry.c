/* journal/entry.c: what is built is what is parsed, and nothing else is. */
#include "base/crc32c.h"
#include "journal/entry.h"
#include "unit.h"

struct built {
    struct entry_builder b;
    struct entry_header h;
    struct span object;
    uint32_t crc;
};

static void
build(struct built *e, size_t data_bytes)
{
    uint32_t position = 0;
    *e = (struct built){.h = {.journal = 3,
                              .writer = 7,
                              .n = 42,
                              .acked_through = 41,
                              .time_ms = 99,
                              .round_ms = 180}};
    memset(e->h.id.b, 0x11, 16);
    memset(e->h.prev_id.b, 0x22, 16);
    memset(e->h.cluster.b, 0x33, 16);
    entry_builder_init(&e->b, 64, data_bytes);
    memcpy(entry_builder_item(&e->b, 1, 2, 5), "hello", 5);
    memcpy(entry_builder_item(&e->b, 9, 1, 0), "", 0);
    if (data_bytes > 0) {
        uint8_t *to = entry_builder_data(&e->b, data_bytes, &position);
        memset(to, 0xab, data_bytes);
        entry_builder_data_crc(&e->b, crc32c(0, to, data_bytes), data_bytes);
    }
    e->object = entry_builder_seal(&e->b, &e->h, &e->crc);
}

static void
seal__then_parse__gives_every_field_back(void **state)
{
    (void)state;
    struct built e;
    struct entry_view v;
    size_t need;
    build(&e, 1000);
    assert_int_equal(entry_parse(e.object, &v, &need, NULL), SL_OK);
    assert_int_equal(v.h.journal, 3);
    assert_int_equal(v.h.writer, 7);
    assert_int_equal(v.h.n, 42);
    assert_int_equal(v.h.acked_through, 41);
    assert_int_equal(v.h.time_ms, 99);
    assert_int_equal(v.h.round_ms, 180);
    assert_int_equal(v.h.item_count, 2);
    assert_int_equal(v.h.data_bytes, 1000);
    assert_int_equal(v.h.head_bytes + v.h.data_bytes, e.object.len);
    assert_memory_equal(v.h.id.b, e.h.id.b, 16);
    assert_memory_equal(v.h.prev_id.b, e.h.prev_id.b, 16);
    entry_builder_fini(&e.b);
}

static void
seal__any_size__object_crc_is_that_of_its_bytes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 1000, ENTRY_ALIGN_FROM - 1, ENTRY_ALIGN_FROM, 300000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct built e;
        build(&e, sizes[i]);
        assert_int_equal(e.crc, crc32c(0, e.object.ptr, e.object.len));
        entry_builder_fini(&e.b);
    }
}

static void
seal__large_data__object_and_data_are_aligned(void **state)
{
    (void)state;
    struct built e;
    build(&e, ENTRY_ALIGN_FROM);
    assert_int_equal((uintptr_t)e.object.ptr % BUF_ALIGN, 0);
    assert_int_equal(e.h.head_bytes % BUF_ALIGN, 0);
    entry_builder_fini(&e.b);
}

static void
items__walked__in_order_with_payloads(void **state)
{
    (void)state;
    struct built e;
    struct entry_view v;
    struct entry_item it;
    size_t need;
    bool is_bad;
    build(&e, 10);
    assert_int_equal(entry_parse(e.object, &v, &need, NULL), SL_OK);
    struct entry_cursor c = entry_items(&v);
    assert_true(entry_next(&c, &it, &is_bad));
    assert_int_equal(it.kind, 1);
    assert_int_equal(it.version, 2);
    assert_memory_equal(it.payload.ptr, "hello", 5);
    assert_true(entry_next(&c, &it, &is_bad));
    assert_int_equal(it.kind, 9);
    assert_int_equal(it.payload.len, 0);
    assert_false(entry_next(&c, &it, &is_bad));
    assert_false(is_bad);
    entry_builder_fini(&e.b);
}

static void
items__length_lies__is_bad(void **state)
{
    (void)state;
    static const uint8_t raw[] = {0, 1, 0, 1, 0, 0, 0, 9, 'x'};
    struct entry_cursor c = {span_of(raw, sizeof(raw))};
    struct entry_item it;
    bool is_bad = false;
    assert_false(entry_next(&c, &it, &is_bad));
    assert_true(is_bad);
}

static void
parse__first_part_only__says_how_much_is_needed(void **state)
{
    (void)state;
    struct built e;
    struct entry_view v;
    size_t need;
    build(&e, 10);
    assert_int_equal(entry_parse(span_of(e.object.ptr, 5), &v, &need, NULL), SL_EAGAIN);
    assert_int_equal(need, ENTRY_HEADER_BYTES);
    assert_int_equal(entry_parse(span_of(e.object.ptr, ENTRY_HEADER_BYTES), &v, &need, NULL),
                     SL_EAGAIN);
    assert_int_equal(need, e.h.head_bytes);
    assert_int_equal(entry_parse(span_of(e.object.ptr, need), &v, &need, NULL), SL_OK);
    entry_builder_fini(&e.b);
}

static void
parse__any_bit_of_the_head_flipped__is_refused(void **state)
{
    (void)state;
    struct built e;
    struct entry_view v;
    size_t need;
    build(&e, 10);
    uint8_t *bytes = e.b.buf->data + (e.object.ptr - e.b.buf->data);
    for (size_t i = 0; i < e.h.head_bytes * 8; i++) {
        bytes[i / 8] ^= (uint8_t)(1u << (i % 8));
        assert_int_not_equal(entry_parse(e.object, &v, &need, NULL), SL_OK);
        bytes[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    assert_int_equal(entry_parse(e.object, &v, &need, NULL), SL_OK);
    entry_builder_fini(&e.b);
}

static void
key__strangers__are_not_entries(void **state)
{
    (void)state;
    char prefix[64];
    char key[96];
    uint64_t n = 0;
    journal_prefix(prefix, sizeof(prefix), "_sluice", 2);
    entry_key(key, sizeof(key), "_sluice", 2, 1234);
    assert_string_equal(key, "_sluice/journal/2/00000000000000001234");
    assert_true(entry_key_parse(key, prefix, &n));
    assert_int_equal(n, 1234);
    assert_false(entry_key_parse("_sluice/journal/2/manifest/00000000000000000001", prefix, &n));
    assert_false(entry_key_parse("_sluice/journal/21/0000000000000000001", prefix, &n));
    assert_false(entry_key_parse("_sluice/journal/2/0000000000000000123x", prefix, &n));
    assert_false(entry_key_parse("_sluice/journal/2/99999999999999999999", prefix, &n));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seal__then_parse__gives_every_field_back),
        cmocka_unit_test(seal__any_size__object_crc_is_that_of_its_bytes),
        cmocka_unit_test(seal__large_data__object_and_data_are_aligned),
        cmocka_unit_test(items__walked__in_order_with_payloads),
        cmocka_unit_test(items__length_lies__is_bad),
        cmocka_unit_test(parse__first_part_only__says_how_much_is_needed),
        cmocka_unit_test(parse__any_bit_of_the_head_flipped__is_refused),
        cmocka_unit_test(key__strangers__are_not_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
