/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "base/buf.h"
#include "base/map.h"

enum { KEYS = 2000 };

struct entry {
    uint64_t key;
    bool is_in;
};

static bool
entry_is(const void *value, const void *key)
{
    return ((const struct entry *)value)->key == *(const uint64_t *)key;
}

/* A small generator of its own, so that a failure repeats. */
static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Adds and removes at random and compares with a plain array. squash makes hashes collide. */
static void
run_against_array(uint64_t squash)
{
    struct entry *all = (struct entry *)sl_alloc(KEYS * sizeof(*all));
    struct map m = {0};
    uint64_t seed = 88172645463325252u;
    size_t count = 0;
    for (int step = 0; step < 40000; step++) {
        struct entry *e = &all[next_random(&seed) % KEYS];
        e->key = (uint64_t)(e - all);
        uint64_t hash = hash_u64(e->key) & squash;
        assert_ptr_equal(map_get(&m, hash, entry_is, &e->key), e->is_in ? e : NULL);
        if (e->is_in) {
            assert_ptr_equal(map_remove(&m, hash, entry_is, &e->key), e);
            count--;
        } else {
            map_add(&m, hash, e);
            count++;
        }
        e->is_in = !e->is_in;
        assert_int_equal(m.count, count);
    }
    for (size_t i = 0; i < KEYS; i++) {
        uint64_t key = i;
        void *got = map_get(&m, hash_u64(key) & squash, entry_is, &key);
        assert_ptr_equal(got, all[i].is_in ? &all[i] : NULL);
    }
    map_fini(&m);
    sl_free(all);
}

static void
random_adds_and_removes__agree_with_an_array(void **state)
{
    (void)state;
    run_against_array(UINT64_MAX);
}

static void
colliding_hashes__agree_with_an_array(void **state)
{
    (void)state;
    run_against_array(0x3f); /* 64 hashes for 2000 keys: long runs that wrap around */
}

static void
empty__get_and_remove_give_null(void **state)
{
    (void)state;
    struct map m = {0};
    uint64_t key = 1;
    size_t pos = 0;
    assert_null(map_get(&m, 1, entry_is, &key));
    assert_null(map_remove(&m, 1, entry_is, &key));
    assert_null(map_next(&m, &pos));
    map_clear(&m);
    map_fini(&m);
}

static void
next__visits_each_once(void **state)
{
    (void)state;
    struct entry all[100] = {{0}};
    struct map m = {0};
    for (uint64_t i = 0; i < 100; i++) {
        all[i].key = i;
        map_add(&m, hash_u64(i), &all[i]);
    }
    size_t pos = 0;
    size_t seen = 0;
    for (struct entry *e; (e = (struct entry *)map_next(&m, &pos)) != NULL; seen++) {
        assert_false(e->is_in);
        e->is_in = true;
    }
    assert_int_equal(seen, 100);
    map_clear(&m);
    pos = 0;
    assert_int_equal(m.count, 0);
    assert_null(map_next(&m, &pos));
    map_fini(&m);
}

static void
hash_bytes__every_length__depends_on_each_byte(void **state)
{
    (void)state;
    uint8_t data[40] = {0};
    for (size_t n = 1; n <= sizeof(data); n++) {
        uint64_t before = hash_bytes(data, n);
        assert_int_equal(before, hash_bytes(data, n));
        for (size_t i = 0; i < n; i++) {
            data[i] ^= 1;
            assert_int_not_equal(before, hash_bytes(data, n));
            data[i] ^= 1;
        }
        assert_int_not_equal(before, hash_bytes(data, n - 1));
    }
}

static void
hash_set_seed__same_seed__same_hash(void **state)
{
    (void)state;
    hash_set_seed(1);
    uint64_t one = hash_bytes("topic", 5);
    hash_set_seed(2);
    assert_int_not_equal(one, hash_bytes("topic", 5));
    hash_set_seed(1);
    assert_int_equal(one, hash_bytes("topic", 5));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_adds_and_removes__agree_with_an_array),
        cmocka_unit_test(colliding_hashes__agree_with_an_array),
        cmocka_unit_test(empty__get_and_remove_give_null),
        cmocka_unit_test(next__visits_each_once),
        cmocka_unit_test(hash_bytes__every_length__depends_on_each_byte),
        cmocka_unit_test(hash_set_seed__same_seed__same_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
