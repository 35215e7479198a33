/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "base/buf.h"
#include "partition/compact_map.h"

#include <stdio.h>

static const uint64_t seed[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

static struct span
key_of(int i)
{
    static char text[32];
    (void)snprintf(text, sizeof(text), "a key of some length %d", i);
    return span_cstr(text);
}

static void
expect_hash(struct span key, uint64_t a, uint64_t b)
{
    struct compact_map m;
    size_t seen = 0;
    compact_map_init(&m, 1000000, 100, seed);
    assert_true(compact_map_put(&m, key, 7));
    for (size_t i = 0; i < m.cap; i++) {
        if (m.slots[i].next != 0) {
            seen++;
            assert_true(m.slots[i].a == a && m.slots[i].b == b);
        }
    }
    assert_int_equal(seen, 1);
    compact_map_fini(&m);
}

/* Compared with OpenSSL's SIPHASH, 16 bytes, key 00 01 .. 0f. */
static void
hash__known_answers__are_siphash_2_4_128(void **state)
{
    (void)state;
    expect_hash(span_of("", 0), 0xe6a825ba047f81a3u, 0x930255c71472f66du);
    expect_hash(span_of("\0", 1), 0x44af996bd8c187dau, 0x45fc229b11597634u);
    expect_hash(span_of("\0\1\2\3\4\5\6\7", 8), 0x61f55862baa9623bu, 0xb49714f364e2830fu);
    expect_hash(span_cstr("0123456789abcdefXYZ"), 0x4ec647d81f5beed0u, 0x61755fd1762448f0u);
}

static void
map__many_keys__latest_offset_of_each(void **state)
{
    (void)state;
    struct compact_map m;
    compact_map_init(&m, 1 << 20, 20000, seed);
    for (int i = 0; i < 60000; i++) {
        assert_true(compact_map_put(&m, key_of(i % 20000), i));
    }
    assert_true(compact_map_put(&m, key_of(5), 5)); /* an older one changes nothing */
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(compact_map_latest(&m, key_of(i)), 40000 + i);
    }
    assert_int_equal(compact_map_latest(&m, key_of(20001)), -1);
    assert_int_equal(m.count, 20000);
    compact_map_fini(&m);
}

static void
map__full__says_so_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct compact_map m;
    int n = 0;
    compact_map_init(&m, 100 * sizeof(struct compact_slot), UINT32_MAX, seed);
    while (compact_map_put(&m, key_of(n), n)) {
        n++;
    }
    assert_in_range(n, 80, 90);
    assert_false(compact_map_put(&m, key_of(n + 1), n));
    assert_true(compact_map_put(&m, key_of(3), 1000)); /* one that is there */
    assert_int_equal(compact_map_latest(&m, key_of(3)), 1000);
    assert_int_equal(compact_map_latest(&m, key_of(n)), -1);
    compact_map_fini(&m);
}

static void
map__classes__each_key_is_in_exactly_one(void **state)
{
    (void)state;
    struct compact_map m;
    int known[1000] = {0};
    compact_map_init(&m, 1 << 20, 1000, seed);
    for (uint32_t c = 0; c < 4; c++) {
        compact_map_begin(&m, 4, c);
        for (int i = 0; i < 1000; i++) {
            assert_true(compact_map_put(&m, key_of(i), i));
        }
        assert_in_range(m.count, 150, 350);
        for (int i = 0; i < 1000; i++) {
            known[i] += compact_map_latest(&m, key_of(i)) == i ? 1 : 0;
        }
    }
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(known[i], 1);
    }
    compact_map_fini(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash__known_answers__are_siphash_2_4_128),
        cmocka_unit_test(map__many_keys__latest_offset_of_each),
        cmocka_unit_test(map__full__says_so_and_keeps_what_it_has),
        cmocka_unit_test(map__classes__each_key_is_in_exactly_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
