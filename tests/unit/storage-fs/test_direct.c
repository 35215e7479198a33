/* Ranges of large objects: what nobody has read yet is read past the page cache. Whatever is read
 * how, the bytes are right. */
#include "../store/loop_fixture.h"
#include "../unit.h"
#include "dir_fixture.h"
#include "store/plugin_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>

enum { MIB = 1 << 20, BLOCK = 4096, VOLUME_MIB = 32 };

struct world {
    char dir[4096];
    struct loop_fixture loop;
    struct plugin_instance *plugin;
    struct store *st;
    struct sync_call c;
    struct buf *object;
};

static int
setup(void **state)
{
    struct world *w = (struct world *)sl_alloc(sizeof(*w));
    struct sl_error err = SL_ERROR_INIT;
    dir_make(w->dir);
    loop_init(&w->loop);
    const struct plugin_conf_pair pairs[] = {{"path", w->dir}, {"volume.size", "32MiB"}};
    assert_int_equal(fs_open_pairs(pairs, 2, &w->plugin, &err), SL_OK);
    const struct plugin_store_options o = {
        .name = "file store",
        .table = (const sluice_storage *)plugin_instance_extension(w->plugin, SLUICE_STORAGE_V1),
        .instance = plugin_instance_self(w->plugin),
        .plugin_flags = plugin_instance_flags(w->plugin)};
    assert_int_equal(plugin_store_open(&o, &w->st, &err), SL_OK);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = (struct world *)*state;
    buf_unref(&w->object);
    plugin_store_close(&w->st);
    plugin_instance_close(&w->plugin);
    loop_fini(&w->loop);
    dir_remove(w->dir);
    sl_free(w);
    buf_pool_trim();
    return 0;
}

/* Bytes that differ from object to object and from place to place. */
static void
object_make(struct world *w, size_t len, uint32_t seed)
{
    uint32_t x = seed * 2654435761U + 1;
    buf_unref(&w->object);
    w->object = buf_new(len);
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525U + 1013904223U;
        w->object->data[i] = (uint8_t)(x >> 24);
    }
    w->object->len = len;
}

static void
object_put(struct world *w, const char *key)
{
    memset(&w->c, 0, sizeof(w->c));
    w->c.call.kind = STORE_PUT;
    (void)snprintf(w->c.call.key, sizeof(w->c.call.key), "%s", key);
    w->c.call.parts[0] = buf_span(w->object);
    w->c.call.part_count = 1;
    w->c.call.if_absent = true;
    w->c.call.is_sequence = true; /* into a volume */
    sync_run(&w->loop, w->st, &w->c);
    assert_int_equal(w->c.call.outcome, STORE_DONE);
}

static void
assert_range(struct world *w, const char *key, uint64_t offset, uint64_t length)
{
    uint64_t left = w->object->len - offset;
    memset(&w->c, 0, sizeof(w->c));
    w->c.call.kind = STORE_GET;
    w->c.call.offset = offset;
    w->c.call.length = length;
    (void)snprintf(w->c.call.key, sizeof(w->c.call.key), "%s", key);
    sync_run(&w->loop, w->st, &w->c);
    assert_int_equal(w->c.call.outcome, STORE_DONE);
    assert_int_equal(w->c.call.object_size, w->object->len);
    assert_int_equal(w->c.call.body->len, length < left ? length : left);
    assert_memory_equal(w->c.call.body->data, w->object->data + offset, w->c.call.body->len);
    buf_unref(&w->c.call.body);
}

static void
ranges__read_again_and_again__the_same_bytes(void **state)
{
    struct world *w = (struct world *)*state;
    static const struct {
        uint64_t offset, length;
    } ranges[] = {{0, MIB},           {MIB, MIB},          {2 * MIB, MIB},  {3 * MIB, MIB},
                  {0, 3 * MIB},       {MIB, 3 * MIB},      {5, 300000},     {3 * BLOCK, 200001},
                  {BLOCK, 128 << 10}, {2 * BLOCK, 131071}, {MIB - 1, BLOCK}};
    object_make(w, 3 * MIB + 200777, 1);
    object_put(w, "k");
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
            assert_range(w, "k", ranges[i].offset, ranges[i].length);
        }
    }
}

/* Bytes of a file that are in the page cache. */
static size_t
cached_in(int fd)
{
    enum { PAGES = VOLUME_MIB * MIB / BLOCK };
    static unsigned char is_here[PAGES];
    size_t cached = 0;
    void *p = mmap(NULL, (size_t)PAGES * BLOCK, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(mincore(p, (size_t)PAGES * BLOCK, is_here), 0);
    for (size_t i = 0; i < PAGES; i++) {
        cached += (is_here[i] & 1) != 0 ? BLOCK : 0;
    }
    (void)munmap(p, (size_t)PAGES * BLOCK);
    return cached;
}

static size_t
cached_bytes(const struct world *w)
{
    char path[4200];
    size_t cached = 0;
    (void)snprintf(path, sizeof(path), "%s/+volumes", w->dir);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.') {
            continue;
        }
        int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        cached += cached_in(fd);
        (void)close(fd);
    }
    (void)closedir(dir);
    return cached;
}

static void
volume__read_thrice__the_third_fills_the_page_cache(void **state)
{
    struct world *w = (struct world *)*state;
    object_make(w, 3 * MIB, 2);
    object_put(w, "k");
    size_t before = cached_bytes(w);
    if (before >= MIB || sysconf(_SC_PAGESIZE) != BLOCK) {
        skip(); /* this file system takes no direct writes */
    }
    for (int i = 0; i < 2; i++) { /* the roller, and a consumer */
        assert_range(w, "k", MIB, MIB);
        assert_true(cached_bytes(w) < before + MIB / 2);
    }
    assert_range(w, "k", MIB, MIB);
    assert_true(cached_bytes(w) >= MIB);
}

static void
volume__recycled__gives_the_new_bytes(void **state)
{
    struct world *w = (struct world *)*state;
    char key[32];
    for (uint32_t i = 0; i < 60; i++) { /* 180 MiB through a handful of volumes */
        (void)snprintf(key, sizeof(key), "k%u", i);
        object_make(w, 3 * MIB, 10 + i);
        object_put(w, key);
        for (int round = 0; round < 2; round++) {
            assert_range(w, key, 0, MIB);
            assert_range(w, key, MIB, 2 * MIB);
        }
        assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_DEL, key), STORE_DONE);
    }
}

/* ---- plain files ---- */

static void
plain_put(struct world *w, const char *key, struct span bytes)
{
    memset(&w->c, 0, sizeof(w->c));
    w->c.call.kind = STORE_PUT;
    (void)snprintf(w->c.call.key, sizeof(w->c.call.key), "%s", key);
    w->c.call.parts[0] = bytes;
    w->c.call.part_count = 1;
    sync_run(&w->loop, w->st, &w->c);
    assert_int_equal(w->c.call.outcome, STORE_DONE);
}

/* Whole blocks, a part of one behind them, and a beginning that O_DIRECT does not take. */
static void
plain__any_length_and_alignment__the_same_bytes_and_no_more(void **state)
{
    static const size_t lengths[] = {256 << 10,           (256 << 10) - 1, (256 << 10) + 1, MIB,
                                     2 * MIB + BLOCK - 1, 3 * MIB + 77,    5 * MIB + BLOCK, 1};
    struct world *w = (struct world *)*state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        object_make(w, lengths[i], 100 + (uint32_t)i);
        plain_put(w, "t/0/plain", buf_span(w->object));
        assert_range(w, "t/0/plain", 0, lengths[i]);
        if (lengths[i] > 1) {
            plain_put(w, "t/0/plain", span_of(w->object->data + 1, lengths[i] - 1));
            memmove(w->object->data, w->object->data + 1, --w->object->len);
            assert_range(w, "t/0/plain", 0, lengths[i]);
        }
    }
}

static void
plain__large__leaves_the_page_cache_alone_until_read_twice(void **state)
{
    struct world *w = (struct world *)*state;
    char path[4200];
    object_make(w, 3 * MIB, 2);
    object_put(w, "k");
    if (cached_bytes(w) >= MIB || sysconf(_SC_PAGESIZE) != BLOCK) {
        skip(); /* this file system takes no direct writes */
    }
    plain_put(w, "t/0/plain", buf_span(w->object));
    (void)snprintf(path, sizeof(path), "%s/t/0/plain", w->dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(cached_in(fd) < MIB);
    assert_range(w, "t/0/plain", MIB, MIB);
    assert_true(cached_in(fd) < MIB);
    assert_range(w, "t/0/plain", MIB, MIB); /* somebody else comes by */
    assert_true(cached_in(fd) >= MIB);
    (void)close(fd);
}

/* To the end of the file and not further, wherever that lies in a block, however it is read. */
static void
plain__ranges_read_again_and_again__the_same_bytes(void **state)
{
    struct world *w = (struct world *)*state;
    static const struct {
        uint64_t offset, length;
    } ranges[] = {{0, MIB},           {MIB, MIB},          {2 * MIB, 2 * MIB}, {3 * MIB, MIB},
                  {0, 4 * MIB},       {MIB, 3 * MIB},      {5, 300000},        {3 * BLOCK, 200001},
                  {BLOCK, 128 << 10}, {2 * BLOCK, 131071}, {MIB - 1, BLOCK}};
    object_make(w, 3 * MIB + 200777, 3);
    plain_put(w, "t/0/plain", buf_span(w->object));
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
            assert_range(w, "t/0/plain", ranges[i].offset, ranges[i].length);
        }
    }
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(ranges__read_again_and_again__the_same_bytes),
        T(volume__read_thrice__the_third_fills_the_page_cache),
        T(volume__recycled__gives_the_new_bytes),
        T(plain__any_length_and_alignment__the_same_bytes_and_no_more),
        T(plain__large__leaves_the_page_cache_alone_until_read_twice),
        T(plain__ranges_read_again_and_again__the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
