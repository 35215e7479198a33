/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking for batches in the bytes of a segment, however these are cut into blocks. */
#include "base/buf.h"
#include "base/crc32c.h"
#include "partition/scan.h"
#include "unit.h"

enum { BATCHES = 8, RECORDS = 10, START = 1000, POSITION = 32 };

struct fixture {
    struct bytes body;
    size_t ends[BATCHES]; /* of each batch */
};

static void
batch_put(struct bytes *out, int64_t base, size_t filling)
{
    size_t at = out->len, size = BATCH_HEADER_BYTES + filling;
    uint8_t *p = bytes_grow(out, size);
    memset(p, (int)(base & 0x7f), size);
    put_u64(p, (uint64_t)base);
    put_u32(p + 8, (uint32_t)(size - BATCH_LENGTH_START));
    put_u32(p + 12, 0);
    p[16] = 2;
    put_u16(p + 21, 0);
    put_u32(p + 23, RECORDS - 1);
    put_u32(p + 57, RECORDS);
    put_u32(p + 17, crc32c(0, out->data + at + BATCH_CRC_START, size - BATCH_CRC_START));
}

/* Batches of 61 bytes and more: the first has no body at all. */
static void
fixture_make(struct fixture *f, int64_t step)
{
    bytes_init(&f->body, 1 << 16);
    for (int i = 0; i < BATCHES; i++) {
        batch_put(&f->body, START + step * i, (size_t)(i * 40));
        f->ends[i] = POSITION + f->body.len;
    }
}

static struct scan
scan_make(const struct fixture *f, int64_t want, size_t max_bytes)
{
    return (struct scan){.want_offset = want,
                         .next_offset = START,
                         .end_offset = START + RECORDS * BATCHES,
                         .max_bytes = max_bytes,
                         .is_at_least_one = true,
                         .position = POSITION,
                         .end = POSITION + f->body.len};
}

/* Feeds blocks of `step` bytes until the scan has enough. */
static enum sl_err
feed(struct scan *s, const struct fixture *f, size_t step)
{
    enum sl_err rc = SL_OK;
    for (size_t at = 0; at < f->body.len && rc == SL_OK && !s->is_done; at += step) {
        size_t n = f->body.len - at < step ? f->body.len - at : step;
        rc = scan_feed(s, span_of(f->body.data + at, n));
    }
    return rc;
}

static void
feed__any_blocks__same_answer(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f, RECORDS);
    for (size_t step = 1; step <= f.body.len; step++) {
        struct scan s = scan_make(&f, START + 3 * RECORDS + 4, SIZE_MAX);
        assert_int_equal(feed(&s, &f, step), SL_OK);
        assert_true(s.is_done);
        assert_int_equal(s.give_from, f.ends[2]);
        assert_int_equal(s.give_to, f.ends[BATCHES - 1]);
    }
    bytes_fini(&f.body);
}

static void
feed__max_bytes__whole_batches_and_at_least_one(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f, RECORDS);
    for (size_t max = 0; max <= f.body.len; max++) {
        struct scan s = scan_make(&f, START + RECORDS, max);
        assert_int_equal(feed(&s, &f, 50), SL_OK);
        size_t given = (size_t)(s.give_to - s.give_from);
        assert_int_equal(s.give_from, f.ends[0]);
        assert_true(given <= max || s.give_to == f.ends[1]);
        int i = 1;
        while (i < BATCHES - 1 && f.ends[i + 1] - f.ends[0] <= max) {
            i++;
        }
        assert_int_equal(s.give_to, f.ends[i]);
    }
    bytes_fini(&f.body);
}

static void
feed__not_even_one__gives_nothing(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f, RECORDS);
    struct scan s = scan_make(&f, START + RECORDS, 10);
    s.is_at_least_one = false;
    assert_int_equal(feed(&s, &f, 50), SL_OK);
    assert_true(s.is_done);
    assert_int_equal(s.give_to - s.give_from, 0);
    bytes_fini(&f.body);
}

/* Offset, length, magic and everything under the CRC: what may change unnoticed is the leader epoch
 * alone, which nobody believes. */
static void
feed__any_byte_flipped__found(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f, RECORDS);
    for (size_t i = 0; i < f.body.len; i++) {
        size_t in_batch = i;
        for (int b = 0; b < BATCHES; b++) {
            if (i + POSITION >= f.ends[b]) {
                in_batch = i + POSITION - f.ends[b];
            }
        }
        f.body.data[i] ^= 0x04;
        struct scan s = scan_make(&f, START, SIZE_MAX);
        enum sl_err rc = feed(&s, &f, 64);
        if (in_batch >= 12 && in_batch < 16) {
            assert_int_equal(rc, SL_OK);
        } else if (rc != SL_ECORRUPT || s.why == NULL) {
            fail_msg("byte %zu flipped, and nobody noticed", i);
        }
        f.body.data[i] ^= 0x04;
    }
    bytes_fini(&f.body);
}

static void
feed__cut_short__found(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f, RECORDS);
    for (size_t n = 1; n < f.body.len; n++) {
        struct scan s = scan_make(&f, START, SIZE_MAX);
        struct fixture cut = f;
        cut.body.len = n;
        s.end = POSITION + n;
        assert_int_equal(feed(&s, &cut, 64), SL_ECORRUPT);
    }
    bytes_fini(&f.body);
}

static void
feed__gaps__only_where_they_may_be(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f, RECORDS + 5);
    struct scan s = scan_make(&f, START + RECORDS + 1, SIZE_MAX); /* in a gap */
    s.end_offset = START + 1000;
    s.may_have_gaps = true;
    assert_int_equal(feed(&s, &f, 64), SL_OK);
    assert_int_equal(s.give_from, f.ends[0]); /* what comes next */
    s = scan_make(&f, START, SIZE_MAX);
    s.end_offset = START + 1000;
    assert_int_equal(feed(&s, &f, 64), SL_ECORRUPT);
    bytes_fini(&f.body);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feed__any_blocks__same_answer),
        cmocka_unit_test(feed__max_bytes__whole_batches_and_at_least_one),
        cmocka_unit_test(feed__not_even_one__gives_nothing),
        cmocka_unit_test(feed__any_byte_flipped__found),
        cmocka_unit_test(feed__cut_short__found),
        cmocka_unit_test(feed__gaps__only_where_they_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
