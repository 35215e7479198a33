/* journal/manifest.c: manifests and snapshots survive the round trip, and damage is named. */
#include "journal/manifest.h"
#include "unit.h"

#include <stdio.h>

static struct manifest
sample(void)
{
    struct manifest m = {.journal = 1,
                         .version = 5,
                         .snapshot_n = 100,
                         .gc_boundary = 90,
                         .acked_through = 101,
                         .time_ms = 7,
                         .writer = 2};
    memset(m.cluster.b, 9, 16);
    (void)snprintf(m.snapshot_key, sizeof(m.snapshot_key), "_sluice/journal/1/snapshot/x");
    return m;
}

static void
manifest__round_trip__equal(void **state)
{
    (void)state;
    struct bytes b;
    struct manifest m = sample();
    struct manifest got;
    bytes_init(&b, 4096);
    manifest_encode(&m, &b);
    assert_int_equal(manifest_decode(bytes_span(&b), &got, NULL), SL_OK);
    assert_int_equal(got.version, 5);
    assert_int_equal(got.snapshot_n, 100);
    assert_int_equal(got.gc_boundary, 90);
    assert_int_equal(got.acked_through, 101);
    assert_string_equal(got.snapshot_key, m.snapshot_key);
    bytes_fini(&b);
}

static void
manifest__any_bit_flipped_or_cut__is_refused(void **state)
{
    (void)state;
    struct bytes b;
    struct manifest m = sample();
    struct manifest got;
    bytes_init(&b, 4096);
    manifest_encode(&m, &b);
    for (size_t i = 0; i < b.len * 8; i++) {
        if (i / 8 == 6 || i / 8 == 7) {
            continue; /* reserved, covered by the checksum as well */
        }
        b.data[i / 8] ^= (uint8_t)(1u << (i % 8));
        assert_int_not_equal(manifest_decode(bytes_span(&b), &got, NULL), SL_OK);
        b.data[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    for (size_t n = 0; n < b.len; n++) {
        assert_int_not_equal(manifest_decode(span_of(b.data, n), &got, NULL), SL_OK);
    }
    bytes_fini(&b);
}

static void
snapshot__larger_than_a_chunk__round_trip(void **state)
{
    (void)state;
    struct bytes content;
    struct bytes object;
    struct bytes got;
    struct snapshot_header h = {.journal = 1, .n = 77};
    struct snapshot_header back;
    bytes_init(&content, 8 << 20);
    bytes_init(&object, 8 << 20);
    bytes_init(&got, 8 << 20);
    for (uint32_t i = 0; i < 700000; i++) {
        bytes_u32(&content, i * 2654435761u);
    }
    snapshot_encode(&h, bytes_span(&content), &object);
    assert_int_equal(snapshot_decode(bytes_span(&object), &back, &got, NULL), SL_OK);
    assert_int_equal(back.n, 77);
    assert_int_equal(got.len, content.len);
    assert_memory_equal(got.data, content.data, content.len);
    bytes_fini(&content);
    bytes_fini(&object);
    bytes_fini(&got);
}

static void
snapshot__damaged_chunk__is_named_by_its_byte(void **state)
{
    (void)state;
    struct bytes object;
    struct bytes got;
    struct sl_error err = SL_ERROR_INIT;
    struct snapshot_header h = {.n = 1};
    struct snapshot_header back;
    bytes_init(&object, 4096);
    bytes_init(&got, 4096);
    snapshot_encode(&h, span_cstr("some state"), &object);
    object.data[object.len - 1] ^= 1;
    assert_int_equal(snapshot_decode(bytes_span(&object), &back, &got, &err), SL_ECORRUPT);
    assert_non_null(strstr(err.msg, "byte 64"));
    bytes_fini(&object);
    bytes_fini(&got);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest__round_trip__equal),
        cmocka_unit_test(manifest__any_bit_flipped_or_cut__is_refused),
        cmocka_unit_test(snapshot__larger_than_a_chunk__round_trip),
        cmocka_unit_test(snapshot__damaged_chunk__is_named_by_its_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
