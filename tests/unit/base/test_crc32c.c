/* SPDX-License-Identifier: Apache-2.0
 *
 * The peer is isa-l's crc32_iscsi, which takes and gives the register without the final inversion.
 */
#include "../unit.h"
#include "base/buf.h"
#include "base/crc32c.h"

#include <isa-l/crc.h>

enum { DATA_BYTES = 70000 };

static uint8_t *
random_data(void)
{
    uint8_t *data = (uint8_t *)sl_alloc(DATA_BYTES);
    uint32_t seed = 1;
    for (size_t i = 0; i < DATA_BYTES; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (uint8_t)(seed >> 24);
    }
    return data;
}

static uint32_t
isal(uint32_t crc, uint8_t *p, size_t n)
{
    return ~crc32_iscsi(p, (int)n, ~crc);
}

static void
crc32c__published_vectors(void **state)
{
    (void)state;
    uint8_t block[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283u);
    assert_int_equal(crc32c(0, "", 0), 0);
    memset(block, 0, sizeof(block)); /* RFC 3720, B.4 */
    assert_int_equal(crc32c(0, block, 32), 0x8A9136AAu);
    memset(block, 0xff, sizeof(block));
    assert_int_equal(crc32c(0, block, 32), 0x62A8AB43u);
    for (uint8_t i = 0; i < 32; i++) {
        block[i] = i;
    }
    assert_int_equal(crc32c(0, block, 32), 0x46DD794Eu);
}

/* Lengths around the lanes of the fast path (8, 3 * 128, 3 * 2048), at every alignment. */
static void
crc32c__all_lengths_and_alignments__equal_isal(void **state)
{
    (void)state;
    uint8_t *data = random_data();
    for (size_t n = 0; n < 7000; n += n < 800 || (n > 6100 && n < 6200) ? 1 : 37) {
        for (size_t offset = 0; offset < 8; offset++) {
            uint32_t want = isal(0, data + offset, n);
            assert_int_equal(crc32c(0, data + offset, n), want);
            assert_int_equal(crc32c_portable(0, data + offset, n), want);
        }
    }
    assert_int_equal(crc32c(0, data, DATA_BYTES), isal(0, data, DATA_BYTES));
    sl_free(data);
}

static void
crc32c__in_two_pieces__equals_the_whole(void **state)
{
    (void)state;
    uint8_t *data = random_data();
    uint32_t whole = crc32c(0, data, DATA_BYTES);
    for (size_t cut = 0; cut <= DATA_BYTES; cut += 997) {
        uint32_t head = crc32c(0, data, cut);
        assert_int_equal(crc32c(head, data + cut, DATA_BYTES - cut), whole);
        assert_int_equal(crc32c_portable(head, data + cut, DATA_BYTES - cut), whole);
    }
    sl_free(data);
}

static void
combine__any_cut__equals_the_whole(void **state)
{
    (void)state;
    uint8_t *data = random_data();
    uint32_t whole = crc32c(0, data, DATA_BYTES);
    for (size_t cut = 0; cut <= DATA_BYTES; cut += 991) {
        uint32_t a = crc32c(0, data, cut);
        uint32_t b = crc32c(0, data + cut, DATA_BYTES - cut);
        assert_int_equal(crc32c_combine(a, b, DATA_BYTES - cut), whole);
    }
    assert_int_equal(crc32c_combine(whole, 0, 0), whole);
    sl_free(data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c__published_vectors),
        cmocka_unit_test(crc32c__all_lengths_and_alignments__equal_isal),
        cmocka_unit_test(crc32c__in_two_pieces__equals_the_whole),
        cmocka_unit_test(combine__any_cut__equals_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
