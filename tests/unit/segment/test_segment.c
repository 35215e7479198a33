/* SPDX-License-Identifier: Apache-2.0
 *
 * Segments and their index: a golden pair that was put together byte by byte by another program
 * (Python's struct and a table CRC-32C), what is built, and every way of being damaged. */
#include "base/crc32c.h"
#include "segment/keys.h"
#include "segment/segment.h"
#include "unit.h"
#include "wire/batch.h"

#include <sys/mman.h>

/* A batch of `count` empty-looking records; nobody looks inside. */
static void
batch_put(struct bytes *out, int64_t base, int32_t count, int64_t max_timestamp, size_t filling)
{
    size_t at = out->len, size = BATCH_HEADER_BYTES + filling;
    uint8_t *p = bytes_grow(out, size);
    memset(p, (int)(base & 0x7f), size);
    put_u64(p, (uint64_t)base);
    put_u32(p + 8, (uint32_t)(size - BATCH_LENGTH_START));
    put_u32(p + 12, 0);
    p[16] = 2;
    put_u16(p + 21, 0);
    put_u32(p + 23, (uint32_t)count - 1);
    put_u64(p + 27, (uint64_t)max_timestamp);
    put_u64(p + 35, (uint64_t)max_timestamp);
    put_u64(p + 43, UINT64_MAX);
    put_u16(p + 51, UINT16_MAX);
    put_u32(p + 53, UINT32_MAX);
    put_u32(p + 57, (uint32_t)count);
    put_u32(p + 17, crc32c(0, out->data + at + BATCH_CRC_START, size - BATCH_CRC_START));
}

struct fixture {
    struct bytes body;
    struct segment_files files;
};

/* Offsets 1000..: batches of 60 records, so that every second one is in the index. */
static void
fixture_make(struct fixture *f, int batches)
{
    bytes_init(&f->body, 1 << 20);
    for (int i = 0; i < batches; i++) {
        batch_put(&f->body, 1000 + 60 * i, 60, 5000 + (i % 3), 300);
    }
    struct segment_builder b;
    struct sl_error err = SL_ERROR_INIT;
    segment_builder_init(&b, 1000, f->body.len);
    assert_int_equal(segment_builder_add(&b, bytes_span(&f->body), &err), SL_OK);
    segment_builder_finish(&b, 77, &f->files);
}

static void
fixture_free(struct fixture *f)
{
    bytes_fini(&f->body);
    buf_unref(&f->files.kfs);
    buf_unref(&f->files.index);
}

static void
build__whole_batches__reads_back(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f, 7);
    struct segment_view v;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(segment_open(buf_span(f.files.kfs), &v, &err), SL_OK);
    assert_int_equal(v.base_offset, 1000);
    assert_int_equal(v.last_offset, 1000 + 7 * 60 - 1);
    assert_int_equal(v.message_count, 420);
    assert_int_equal(v.created_ms, 77);
    assert_true(span_eq(v.body, bytes_span(&f.body)));
    assert_int_equal(v.crc, crc32c(0, f.body.data, f.body.len));
    assert_int_equal(segment_verify(&v, false, &err), SL_OK);
    assert_int_equal(f.files.max_timestamp, 5002);
    fixture_free(&f);
}

static void
build__index__stands_at_first_and_after_each_hundred(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f, 7);
    struct segment_index ix;
    struct segment_view v;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(segment_index_open(buf_span(f.files.index), &ix, &err), SL_OK);
    assert_int_equal(segment_open(buf_span(f.files.kfs), &v, &err), SL_OK);
    assert_int_equal(ix.count, 4); /* batches 0, 2, 4, 6 */
    assert_int_equal(ix.interval, 100);
    assert_int_equal(segment_index_at(&ix, 1).offset, 1120);
    assert_int_equal(segment_index_at(&ix, 1).position, 32 + 2 * 361);
    assert_int_equal(segment_index_verify(&ix, &v, &err), SL_OK);
    assert_int_equal(segment_index_seek(&ix, 0), 0);
    assert_int_equal(segment_index_seek(&ix, 1119), 0);
    assert_int_equal(segment_index_seek(&ix, 1120), 1);
    assert_int_equal(segment_index_seek(&ix, 99999), 3);
    fixture_free(&f);
}

static void
build__in_pieces__same_bytes(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f, 6);
    struct segment_builder b;
    struct segment_files files;
    struct sl_error err = SL_ERROR_INIT;
    segment_builder_init(&b, 1000, f.body.len);
    for (size_t at = 0; at < f.body.len; at += 361) {
        assert_int_equal(segment_builder_add(&b, span_of(f.body.data + at, 361), &err), SL_OK);
    }
    segment_builder_finish(&b, 77, &files);
    assert_true(span_eq(buf_span(files.kfs), buf_span(f.files.kfs)));
    assert_true(span_eq(buf_span(files.index), buf_span(f.files.index)));
    buf_unref(&files.kfs);
    buf_unref(&files.index);
    fixture_free(&f);
}

static void
build__what_does_not_follow__refused(void **state)
{
    (void)state;
    struct bytes body;
    struct segment_builder b;
    struct sl_error err = SL_ERROR_INIT;
    bytes_init(&body, 1 << 16);
    batch_put(&body, 5, 2, 1, 10);
    segment_builder_init(&b, 4, body.len);
    assert_int_equal(segment_builder_add(&b, bytes_span(&body), &err), SL_ECORRUPT);
    segment_builder_fini(&b);
    segment_builder_init(&b, 5, body.len);
    assert_int_equal(segment_builder_add(&b, span_of(body.data, body.len - 1), &err), SL_ECORRUPT);
    segment_builder_fini(&b);
    segment_builder_init(&b, 5, body.len - 1);
    assert_int_equal(segment_builder_add(&b, bytes_span(&body), &err), SL_ETOO_LARGE);
    segment_builder_fini(&b);
    bytes_fini(&body);
}

static void
build__compacted__gaps_are_kept(void **state)
{
    (void)state;
    struct bytes body;
    struct segment_builder b;
    struct segment_files files;
    struct segment_view v;
    struct sl_error err = SL_ERROR_INIT;
    bytes_init(&body, 1 << 16);
    batch_put(&body, 5, 2, 1, 10);
    batch_put(&body, 90, 1, 1, 10);
    segment_builder_init(&b, 0, body.len);
    b.has_gaps = true;
    assert_int_equal(segment_builder_add(&b, bytes_span(&body), &err), SL_OK);
    segment_builder_finish(&b, 1, &files);
    assert_int_equal(segment_open(buf_span(files.kfs), &v, &err), SL_OK);
    assert_int_equal(segment_verify(&v, true, &err), SL_OK);
    assert_int_equal(segment_verify(&v, false, &err), SL_ECORRUPT);
    buf_unref(&files.kfs);
    buf_unref(&files.index);
    bytes_fini(&body);
}

/* Two batches (offsets 7, 8-9) of 64 and 65 bytes. Made by tools outside this repository from
 * docs/formats.md: header, body, CRC-32C of the body, last offset, END!. */
static void
golden__same_bytes(void **state)
{
    (void)state;
    static const char kfs[] =
#include "golden_kfs.inc"
        ;
    static const char index[] =
#include "golden_index.inc"
        ;
    struct bytes body;
    struct segment_builder b;
    struct segment_files files;
    struct sl_error err = SL_ERROR_INIT;
    bytes_init(&body, 1 << 16);
    batch_put(&body, 7, 1, 1700000000000, 3);
    batch_put(&body, 8, 2, 1700000000500, 4);
    segment_builder_init(&b, 7, body.len);
    assert_int_equal(segment_builder_add(&b, bytes_span(&body), &err), SL_OK);
    segment_builder_finish(&b, 1700000001000, &files);
    assert_int_equal(files.kfs->len, sizeof(kfs) - 1);
    assert_memory_equal(files.kfs->data, kfs, sizeof(kfs) - 1);
    assert_int_equal(files.index->len, sizeof(index) - 1);
    assert_memory_equal(files.index->data, index, sizeof(index) - 1);
    buf_unref(&files.kfs);
    buf_unref(&files.index);
    bytes_fini(&body);
}

static enum sl_err
judge(struct span kfs, struct span index)
{
    struct segment_view v;
    struct segment_index ix;
    struct sl_error err = SL_ERROR_INIT;
    enum sl_err rc = segment_open(kfs, &v, &err);
    rc = rc != SL_OK ? rc : segment_verify(&v, false, &err);
    rc = rc != SL_OK ? rc : segment_index_open(index, &ix, &err);
    return rc != SL_OK ? rc : segment_index_verify(&ix, &v, &err);
}

/* The creation time, the reserved fields and nothing else may change unnoticed; and the last byte
 * of the interval, where another interval would put the entries at the same batches. */
static bool
is_free_byte(bool is_index, size_t i)
{
    return is_index ? i >= 13 && i < 16 : i >= 20 && i < 32;
}

static void
verify__any_byte_flipped__found(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f, 5);
    for (int which = 0; which < 2; which++) {
        struct buf *b = which == 1 ? f.files.index : f.files.kfs;
        for (size_t i = 0; i < b->len; i++) {
            b->data[i] ^= 0x10;
            enum sl_err rc = judge(buf_span(f.files.kfs), buf_span(f.files.index));
            if (is_free_byte(which == 1, i)) {
                assert_int_equal(rc, SL_OK);
            } else if (rc != SL_ECORRUPT && rc != SL_EVERSION) {
                fail_msg("byte %zu of %s flipped, and nobody noticed", i, which ? "index" : "kfs");
            }
            b->data[i] ^= 0x10;
        }
    }
    fixture_free(&f);
}

static void
verify__truncated_anywhere__found(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f, 3);
    struct span kfs = buf_span(f.files.kfs), index = buf_span(f.files.index);
    for (size_t n = 0; n < kfs.len; n++) {
        assert_int_equal(judge(span_of(kfs.ptr, n), index), SL_ECORRUPT);
    }
    for (size_t n = 0; n < index.len; n++) {
        assert_int_equal(judge(kfs, span_of(index.ptr, n)), SL_ECORRUPT);
    }
    fixture_free(&f);
}

/* A segment around these batches, whatever header and footer say. */
static struct buf *
segment_of(const struct bytes *body, int64_t base, int64_t last, int32_t count)
{
    struct buf *b = buf_new(SEGMENT_HEADER_BYTES + body->len + SEGMENT_FOOTER_BYTES);
    b->len = b->cap;
    memset(b->data, 0, b->len);
    memcpy(b->data, "KAFS\0\1", 6);
    put_u64(b->data + 8, (uint64_t)base);
    put_u32(b->data + 16, (uint32_t)count);
    if (body->len > 0) {
        memcpy(b->data + SEGMENT_HEADER_BYTES, body->data, body->len);
    }
    uint8_t *foot = b->data + b->len - SEGMENT_FOOTER_BYTES;
    put_u32(foot, crc32c(0, b->data + SEGMENT_HEADER_BYTES, body->len));
    put_u64(foot + 4, (uint64_t)last);
    memcpy(foot + 12, "END!", 4);
    return b;
}

static void
expect_refused(const struct bytes *body, int64_t base, int64_t last, int32_t count)
{
    struct segment_view v;
    struct sl_error err = SL_ERROR_INIT;
    struct buf *b = segment_of(body, base, last, count);
    for (int may_have_gaps = 0; may_have_gaps < 2; may_have_gaps++) {
        enum sl_err rc = segment_open(buf_span(b), &v, &err);
        rc = rc != SL_OK ? rc : segment_verify(&v, may_have_gaps != 0, &err);
        assert_int_equal(rc, SL_ECORRUPT);
    }
    buf_unref(&b);
}

/* Who reads on behind the last batch would get nothing, for ever. */
static void
verify__batches_end_before_the_footer_does__found(void **state)
{
    (void)state;
    struct bytes body;
    bytes_init(&body, 1 << 16);
    expect_refused(&body, 0, 3, 0);
    batch_put(&body, 0, 3, 1, 10);
    expect_refused(&body, 0, 100, 3);
    bytes_fini(&body);
}

static void
verify__offsets_beyond_what_there_is__found(void **state)
{
    (void)state;
    struct bytes body;
    bytes_init(&body, 1 << 16);
    batch_put(&body, INT64_MAX - 1, 5, 1, 10);
    expect_refused(&body, INT64_MAX - 1, INT64_MAX, 5);
    expect_refused(&body, INT64_MAX - 1, INT64_MAX - 1, 5);
    bytes_clear(&body);
    batch_put(&body, INT64_MAX, 1, 1, 10);
    expect_refused(&body, INT64_MAX, INT64_MAX, 1);
    bytes_fini(&body);
}

/* --- names --- */

static void
keys__made_and_read_back(void **state)
{
    (void)state;
    struct segment_name in = {.ns = span_cstr("default"),
                              .topic = span_cstr("a.b-c_D"),
                              .incarnation = 3,
                              .partition = 12,
                              .base_offset = 345,
                              .generation = 2};
    struct segment_name out;
    enum segment_file file;
    char key[SEGMENT_KEY_MAX];
    assert_true(segment_key(&in, SEGMENT_FILE_INDEX, key));
    assert_string_equal(key, "default/a.b-c_D~3/12/segment-00000000000000000345-2.index");
    assert_true(segment_key_parse(span_cstr(key), &out, &file));
    assert_true(span_eq(out.topic, in.topic));
    assert_int_equal(out.incarnation, 3);
    assert_int_equal(out.partition, 12);
    assert_int_equal(out.base_offset, 345);
    assert_int_equal(out.generation, 2);
    assert_int_equal(file, SEGMENT_FILE_INDEX);
}

static void
keys__plain__as_kafscale_writes_them(void **state)
{
    (void)state;
    struct segment_name in = {.ns = span_cstr("default"), .topic = span_cstr("orders")};
    char key[SEGMENT_KEY_MAX];
    assert_true(segment_key(&in, SEGMENT_FILE_KFS, key));
    assert_string_equal(key, "default/orders/0/segment-00000000000000000000.kfs");
    assert_true(segment_prefix(&in, key));
    assert_string_equal(key, "default/orders/0/");
}

static void
keys__anything_else__refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "default/orders/0/segment-0000000000000000000.kfs",
        "default/orders/0/segment-00000000000000000000.kf",
        "default/orders/0/segment-00000000000000000000-0.kfs",
        "default/orders/0/segment-00000000000000000000-01.kfs",
        "default/orders/0/segment-99999999999999999999.kfs",
        "default/orders/00/segment-00000000000000000000.kfs",
        "default/orders/2147483648/segment-00000000000000000000.kfs",
        "default/orders~0/0/segment-00000000000000000000.kfs",
        "default/orders~1~2/0/segment-00000000000000000000.kfs",
        "default/~1/0/segment-00000000000000000000.kfs",
        "orders/0/segment-00000000000000000000.kfs",
        "a/default/orders/0/segment-00000000000000000000.kfs",
        "",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct segment_name out;
        enum segment_file file;
        if (segment_key_parse(span_cstr(bad[i]), &out, &file)) {
            fail_msg("%s was taken for a segment", bad[i]);
        }
    }
}

/* Only the pages with header and footer are touched. */
static void
open__beyond_what_positions_reach__is_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct segment_view v;
    struct sl_error err = SL_ERROR_INIT;
    fixture_make(&f, 1);
    const struct buf *kfs = f.files.kfs;
    uint8_t *object = (uint8_t *)mmap(NULL, SEGMENT_BYTES_MAX, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(object != MAP_FAILED);
    memcpy(object, kfs->data, SEGMENT_HEADER_BYTES);
    for (size_t len = SEGMENT_BYTES_MAX - 1; len <= SEGMENT_BYTES_MAX; len++) {
        memcpy(object + len - SEGMENT_FOOTER_BYTES, kfs->data + kfs->len - SEGMENT_FOOTER_BYTES,
               SEGMENT_FOOTER_BYTES);
        enum sl_err want = len < SEGMENT_BYTES_MAX ? SL_OK : SL_ECORRUPT;
        assert_int_equal(segment_open(span_of(object, len), &v, &err), want);
    }
    assert_non_null(strstr(err.msg, "2147483647 bytes"));
    (void)munmap(object, SEGMENT_BYTES_MAX);
    fixture_free(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(build__whole_batches__reads_back),
        cmocka_unit_test(build__index__stands_at_first_and_after_each_hundred),
        cmocka_unit_test(build__in_pieces__same_bytes),
        cmocka_unit_test(build__what_does_not_follow__refused),
        cmocka_unit_test(build__compacted__gaps_are_kept),
        cmocka_unit_test(golden__same_bytes),
        cmocka_unit_test(open__beyond_what_positions_reach__is_refused),
        cmocka_unit_test(verify__any_byte_flipped__found),
        cmocka_unit_test(verify__truncated_anywhere__found),
        cmocka_unit_test(verify__batches_end_before_the_footer_does__found),
        cmocka_unit_test(verify__offsets_beyond_what_there_is__found),
        cmocka_unit_test(keys__made_and_read_back),
        cmocka_unit_test(keys__plain__as_kafscale_writes_them),
        cmocka_unit_test(keys__anything_else__refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
