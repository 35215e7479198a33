/* What the file store does when a disk misbehaves: full, read-only, failing, torn, damaged. */
#include "../unit.h"
#include "base/diag.h"
#include "dir_fixture.h"
#include "storage-fs/fs_io.h"
#include "storage_model.h"
#include "store/op.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct world {
    char dir[4096];
    struct plugin_instance *plugin;
    const sluice_storage *table;
    sluice_instance *self;
    char said[200];
};

static void
world_open(struct world *w)
{
    w->plugin = fs_open_at(w->dir);
    w->table = (const sluice_storage *)plugin_instance_extension(w->plugin, SLUICE_STORAGE_V1);
    w->self = plugin_instance_self(w->plugin);
}

static void
world_close(struct world *w)
{
    plugin_instance_close(&w->plugin);
}

static int
setup(void **state)
{
    struct world *w = (struct world *)sl_alloc(sizeof(*w));
    dir_make(w->dir);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = (struct world *)*state;
    world_close(w);
    storage_fs_set_io(NULL);
    dir_remove(w->dir);
    sl_free(w);
    return 0;
}

static sluice_status
put(struct world *w, const char *key, size_t len, uint32_t flags)
{
    uint8_t *body = (uint8_t *)sl_alloc(len + 1);
    model_fill(body, len, strlen(key));
    sluice_slice part = {body, len};
    sluice_put_opts opts = {.size = sizeof(opts), .flags = flags | SLUICE_PUT_IF_ABSENT};
    sluice_status rc = w->table->put(w->self, model_slice(key), &part, 1, &opts, NULL, NULL);
    op_take_why(w->said, sizeof(w->said));
    sl_free(body);
    return rc;
}

static sluice_status
get(struct world *w, const char *key, size_t len)
{
    sluice_get_result got = {.size = sizeof(got)};
    sluice_status rc = w->table->get(w->self, model_slice(key), 0, 0, &got, NULL);
    op_take_why(w->said, sizeof(w->said));
    if (rc == SLUICE_OK) {
        uint8_t *want = (uint8_t *)sl_alloc(len + 1);
        model_fill(want, len, strlen(key));
        assert_int_equal(got.body->bytes.len, len);
        assert_memory_equal(got.body->bytes.ptr, want, len);
        sl_free(want);
        got.body->release(got.body);
    }
    return rc;
}

/* The only volume file there is. */
static void
volume_path(const struct world *w, char *out, size_t cap)
{
    char dir[5000];
    (void)snprintf(dir, sizeof(dir), "%s/+volumes", w->dir);
    DIR *d = opendir(dir);
    assert_non_null(d);
    const struct dirent *e;
    int found = 0;
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            (void)snprintf(out, cap, "%s/%s", dir, e->d_name);
            found++;
        }
    }
    (void)closedir(d);
    assert_int_equal(found, 1);
}

/* Flips every bit of `len` bytes of the volume. */
static void
volume_damage(const struct world *w, off_t at, size_t len)
{
    char path[6000];
    uint8_t bytes[4096];
    volume_path(w, path, sizeof(path));
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && len <= sizeof(bytes));
    assert_int_equal(pread(fd, bytes, len, at), len);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)~bytes[i];
    }
    assert_int_equal(pwrite(fd, bytes, len, at), len);
    (void)close(fd);
}

/* Records of 1 KiB take one block each, from byte 8192 on. */
static off_t
record_at(int n)
{
    return 8192 + (off_t)n * 4096;
}

static void
put_some(struct world *w, int count)
{
    for (int i = 0; i < count; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "j/%03d", i);
        assert_int_equal(put(w, key, 1000, SLUICE_PUT_SEQUENCE), SLUICE_OK);
    }
}

/* Leaves the store as kill -9 would: a child does the work and does not close. */
static void
put_some_and_crash(struct world *w, int count)
{
    char path[6000];
    char copy[6100];
    world_open(w);
    put_some(w, count);
    volume_path(w, path, sizeof(path));
    (void)snprintf(copy, sizeof(copy), "%s.copy", w->dir);
    char command[13000];
    (void)snprintf(command, sizeof(command), "cp '%s' '%s'", path, copy);
    assert_int_equal(system(command), 0);
    world_close(w);
    (void)snprintf(command, sizeof(command), "mv '%s' '%s'", copy, path);
    assert_int_equal(system(command), 0);
}

/* ---- torn and damaged ---- */

static void
open__last_record_torn__is_dropped_and_the_rest_kept(void **state)
{
    struct world *w = (struct world *)*state;
    put_some_and_crash(w, 5);
    volume_damage(w, record_at(4) + 800, 10); /* in its payload */
    world_open(w);
    assert_int_equal(get(w, "j/003", 1000), SLUICE_OK);
    assert_int_equal(get(w, "j/004", 1000), SLUICE_ENOENT);
    assert_int_equal(put(w, "j/004", 1000, SLUICE_PUT_SEQUENCE), SLUICE_OK);
    world_close(w);
    world_open(w);
    assert_int_equal(get(w, "j/004", 1000), SLUICE_OK);
}

static void
open__last_header_torn__is_dropped_and_the_rest_kept(void **state)
{
    struct world *w = (struct world *)*state;
    put_some_and_crash(w, 5);
    volume_damage(w, record_at(4), 64);
    world_open(w);
    assert_int_equal(get(w, "j/003", 1000), SLUICE_OK);
    assert_int_equal(get(w, "j/004", 1000), SLUICE_ENOENT);
}

static void
get__payload_of_a_middle_record_damaged__is_corrupt_and_names_it(void **state)
{
    struct world *w = (struct world *)*state;
    put_some_and_crash(w, 5);
    volume_damage(w, record_at(2) + 900, 1);
    world_open(w);
    assert_int_equal(get(w, "j/002", 1000), SLUICE_ECORRUPT);
    assert_non_null(strstr(w->said, "j/002"));
    assert_non_null(strstr(w->said, "16384"));
    assert_non_null(strstr(w->said, ".vol"));
    assert_int_equal(get(w, "j/003", 1000), SLUICE_OK);
    assert_int_equal(put(w, "j/002", 1000, SLUICE_PUT_SEQUENCE), SLUICE_EEXIST);
}

static void
open__header_of_a_middle_record_destroyed__its_key_is_corrupt_never_absent(void **state)
{
    struct world *w = (struct world *)*state;
    put_some_and_crash(w, 5);
    volume_damage(w, record_at(2), 4096);
    world_open(w);
    assert_int_equal(get(w, "j/002", 1000), SLUICE_ECORRUPT);
    assert_non_null(strstr(w->said, "j/002"));
    assert_int_equal(get(w, "j/001", 1000), SLUICE_OK);
    assert_int_equal(get(w, "j/004", 1000), SLUICE_OK);
    assert_int_equal(put(w, "j/002", 1000, SLUICE_PUT_SEQUENCE), SLUICE_EEXIST);
    assert_int_equal(w->table->del(w->self, model_slice("j/002"), NULL), SLUICE_OK);
    assert_int_equal(get(w, "j/002", 1000), SLUICE_ENOENT);
    world_close(w);
    world_open(w);
    assert_int_equal(get(w, "j/002", 1000), SLUICE_ENOENT);
    assert_int_equal(get(w, "j/004", 1000), SLUICE_OK);
}

static void
open__last_record_of_a_closed_volume_destroyed__its_key_is_corrupt(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w);
    put_some(w, 5);
    world_close(w);
    volume_damage(w, record_at(4), 4096);
    world_open(w);
    assert_int_equal(get(w, "j/004", 1000), SLUICE_ECORRUPT);
    assert_int_equal(get(w, "j/003", 1000), SLUICE_OK);
}

static void
open__both_volume_headers_destroyed__refuses_and_names_the_file(void **state)
{
    struct world *w = (struct world *)*state;
    const struct plugin_conf_pair pairs[] = {{"path", w->dir}};
    struct sl_error err = SL_ERROR_INIT;
    world_open(w);
    put_some(w, 1);
    world_close(w);
    volume_damage(w, 0, 4096);
    volume_damage(w, 4096, 4096);
    assert_int_equal(fs_open_pairs(pairs, 1, &w->plugin, &err), SL_ECORRUPT);
    assert_non_null(strstr(err.msg, ".vol"));
}

static void
open__one_volume_header_torn__the_other_counts(void **state)
{
    struct world *w = (struct world *)*state;
    put_some_and_crash(w, 3);
    volume_damage(w, 0, 512);
    world_open(w);
    assert_int_equal(get(w, "j/002", 1000), SLUICE_OK);
}

/* ---- recycling ---- */

static int
volume_count(const struct world *w)
{
    char dir[5000];
    (void)snprintf(dir, sizeof(dir), "%s/+volumes", w->dir);
    DIR *d = opendir(dir);
    int files = -2; /* . and .. */
    while (readdir(d) != NULL) {
        files++;
    }
    (void)closedir(d);
    return files;
}

static void
recycle__volumes_full_and_deleted__are_used_again(void **state)
{
    struct world *w = (struct world *)*state;
    char key[32];
    world_open(w);
    for (int i = 0; i < 60; i++) { /* 60 MiB through volumes of 4 MiB, two objects alive */
        (void)snprintf(key, sizeof(key), "j/%03d", i);
        assert_int_equal(put(w, key, 1 << 20, SLUICE_PUT_SEQUENCE), SLUICE_OK);
        if (i >= 2) {
            (void)snprintf(key, sizeof(key), "j/%03d", i - 2);
            assert_int_equal(w->table->del(w->self, model_slice(key), NULL), SLUICE_OK);
        }
    }
    assert_true(volume_count(w) <= 8);
    world_close(w);
    world_open(w);
    assert_int_equal(get(w, "j/057", 1 << 20), SLUICE_ENOENT);
    assert_int_equal(get(w, "j/058", 1 << 20), SLUICE_OK);
    assert_int_equal(get(w, "j/059", 1 << 20), SLUICE_OK);
}

static void
recycle__many_volumes_spent_at_once__most_are_removed(void **state)
{
    struct world *w = (struct world *)*state;
    char key[32];
    world_open(w);
    for (int i = 0; i < 60; i++) {
        (void)snprintf(key, sizeof(key), "j/%03d", i);
        assert_int_equal(put(w, key, 1 << 20, SLUICE_PUT_SEQUENCE), SLUICE_OK);
    }
    for (int i = 0; i < 60; i++) {
        (void)snprintf(key, sizeof(key), "j/%03d", i);
        assert_int_equal(w->table->del(w->self, model_slice(key), NULL), SLUICE_OK);
    }
    assert_true(volume_count(w) <= 13); /* eight spent, one in use, four ready */
    assert_int_equal(put(w, "j/new", 1000, SLUICE_PUT_SEQUENCE), SLUICE_OK);
    world_close(w);
    world_open(w);
    assert_int_equal(get(w, "j/new", 1000), SLUICE_OK);
    assert_int_equal(get(w, "j/001", 1 << 20), SLUICE_ENOENT);
}

/* ---- failing calls ---- */

static struct fs_io faulty;
static int fail_errno, fail_after;

static bool
fails_now(void)
{
    if (fail_errno == 0 || fail_after-- > 0) {
        return false;
    }
    errno = fail_errno;
    return true;
}

static int
faulty_openat(int dir, const char *path, int flags, mode_t mode)
{
    return openat(dir, path, flags, mode);
}

static int
faulty_fsync(int fd)
{
    return fails_now() ? -1 : fsync(fd);
}

static ssize_t
faulty_pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
    return fails_now() ? -1 : pwritev(fd, iov, count, at);
}

static void
faulty_install(void)
{
    fail_errno = 0;
    faulty = (struct fs_io){.openat = faulty_openat,
                            .close = close,
                            .pwritev = pwritev,
                            .fallocate = fallocate,
                            .ftruncate = ftruncate,
                            .fsync = fsync,
                            .fdatasync = fdatasync,
                            .syncfs = syncfs,
                            .mkdirat = mkdirat,
                            .renameat2 = renameat2,
                            .unlinkat = unlinkat};
    storage_fs_set_io(&faulty);
}

static void
fail_from(int sys_errno, int after)
{
    fail_errno = sys_errno;
    fail_after = after;
}

static void
put__volume_write_fails__outcome_unknown_and_the_store_is_poisoned(void **state)
{
    struct world *w = (struct world *)*state;
    faulty_install();
    faulty.pwritev = faulty_pwritev;
    world_open(w);
    put_some(w, 2);
    fail_from(EIO, 0);
    assert_int_equal(put(w, "j/bad", 100, SLUICE_PUT_SEQUENCE), SLUICE_EUNKNOWN);
    fail_from(0, 0);
    assert_int_equal(put(w, "j/next", 100, SLUICE_PUT_SEQUENCE), SLUICE_EIO);
    assert_non_null(strstr(w->said, "until restart"));
    assert_int_equal(put(w, "plain", 100, 0), SLUICE_EIO);
    assert_int_equal(get(w, "j/bad", 100), SLUICE_EIO); /* neither stored nor not */
    assert_int_equal(get(w, "j/001", 1000), SLUICE_OK);
    world_close(w);
    world_open(w);
    assert_int_equal(put(w, "j/next", 100, SLUICE_PUT_SEQUENCE), SLUICE_OK);
}

static void
put__fsync_of_the_file_fails__nothing_is_stored_and_the_store_is_poisoned(void **state)
{
    struct world *w = (struct world *)*state;
    faulty_install();
    faulty.fsync = faulty_fsync;
    world_open(w);
    assert_int_equal(put(w, "a/first", 100, 0), SLUICE_OK);
    fail_from(EIO, 0);
    assert_int_equal(put(w, "a/bad", 100, 0), SLUICE_EIO);
    fail_from(0, 0);
    assert_int_equal(put(w, "a/next", 100, 0), SLUICE_EIO);
    assert_int_equal(get(w, "a/bad", 100), SLUICE_ENOENT);
    assert_int_equal(get(w, "a/first", 100), SLUICE_OK);
}

static void
put__fsync_of_the_directory_fails__outcome_unknown_and_never_shown(void **state)
{
    struct world *w = (struct world *)*state;
    faulty_install();
    faulty.fsync = faulty_fsync;
    world_open(w);
    assert_int_equal(put(w, "a/first", 100, 0), SLUICE_OK);
    fail_from(EIO, 1); /* the file's own goes well */
    assert_int_equal(put(w, "a/bad", 100, 0), SLUICE_EUNKNOWN);
    fail_from(0, 0);
    assert_int_equal(get(w, "a/bad", 100), SLUICE_EIO);
    assert_int_equal(put(w, "a/bad", 100, 0), SLUICE_EIO);
}

static void
put__full_disk_and_the_write_cannot_be_taken_back__outcome_unknown(void **state)
{
    struct world *w = (struct world *)*state;
    faulty_install();
    faulty.pwritev = faulty_pwritev;
    world_open(w);
    put_some(w, 2);
    fail_from(ENOSPC, 0);
    /* the write fails; so does taking it back, which leaves the outcome open */
    assert_int_equal(put(w, "j/full", 100, SLUICE_PUT_SEQUENCE), SLUICE_EUNKNOWN);
}

static ssize_t
pwritev_full_once(int fd, const struct iovec *iov, int count, off_t at)
{
    if (fails_now()) {
        fail_errno = 0;
        return -1;
    }
    return pwritev(fd, iov, count, at);
}

static void
put__full_disk_for_a_moment__says_so_and_the_next_works(void **state)
{
    struct world *w = (struct world *)*state;
    faulty_install();
    faulty.pwritev = pwritev_full_once;
    world_open(w);
    put_some(w, 2);
    fail_from(ENOSPC, 0);
    assert_int_equal(put(w, "j/full", 1000, SLUICE_PUT_SEQUENCE), SLUICE_ENOSPC);
    assert_non_null(strstr(w->said, w->dir));
    assert_non_null(strstr(w->said, "free some space"));
    assert_int_equal(get(w, "j/full", 1000), SLUICE_ENOENT);
    assert_int_equal(put(w, "j/full", 1000, SLUICE_PUT_SEQUENCE), SLUICE_OK);
    fail_from(ENOSPC, 0);
    assert_int_equal(put(w, "p/full", 1000, 0), SLUICE_ENOSPC);
    assert_int_equal(put(w, "p/full", 1000, 0), SLUICE_OK);
    world_close(w);
    world_open(w);
    assert_int_equal(get(w, "j/full", 1000), SLUICE_OK);
    assert_int_equal(get(w, "p/full", 1000), SLUICE_OK);
}

/* ---- real file systems ---- */

static void
put__small_tmpfs_runs_full__says_so_and_works_when_space_is_back(void **state)
{
    struct world *w = (struct world *)*state;
    if (mount("tmpfs", w->dir, "tmpfs", 0, "size=12m") != 0) {
        (void)fprintf(stderr, "skipped: no right to mount a tmpfs\n");
        skip();
    }
    char key[32];
    int stored = 0;
    sluice_status rc = SLUICE_OK;
    world_open(w);
    while (rc == SLUICE_OK && stored < 100) {
        (void)snprintf(key, sizeof(key), "j/%03d", stored);
        rc = put(w, key, 400 * 1024, SLUICE_PUT_SEQUENCE);
        stored += rc == SLUICE_OK ? 1 : 0;
    }
    assert_int_equal(rc, SLUICE_ENOSPC);
    assert_non_null(strstr(w->said, w->dir));
    assert_true(stored >= 15); /* of 12 MiB */
    assert_int_equal(put(w, "j/small", 400 * 1024, SLUICE_PUT_SEQUENCE), SLUICE_ENOSPC);
    for (int i = 0; i < stored; i++) {
        (void)snprintf(key, sizeof(key), "j/%03d", i);
        assert_int_equal(get(w, key, 400 * 1024), SLUICE_OK);
    }
    assert_int_equal(mount("tmpfs", w->dir, "tmpfs", MS_REMOUNT, "size=64m"), 0);
    assert_int_equal(put(w, "j/small", 400 * 1024, SLUICE_PUT_SEQUENCE), SLUICE_OK);
    world_close(w);
    world_open(w);
    assert_int_equal(get(w, "j/small", 400 * 1024), SLUICE_OK);
    world_close(w);
    assert_int_equal(umount(w->dir), 0);
}

static void
put__remounted_read_only__is_denied_and_works_when_writable_again(void **state)
{
    struct world *w = (struct world *)*state;
    if (mount("tmpfs", w->dir, "tmpfs", 0, "size=32m") != 0) {
        (void)fprintf(stderr, "skipped: no right to mount a tmpfs\n");
        skip();
    }
    world_open(w);
    put_some(w, 1);
    assert_int_equal(put(w, "p/1", 100, 0), SLUICE_OK);
    world_close(w);
    assert_int_equal(mount("tmpfs", w->dir, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=32m"), 0);
    const struct plugin_conf_pair pairs[] = {{"path", w->dir}};
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(fs_open_pairs(pairs, 1, &w->plugin, &err), SL_EDENIED);
    assert_non_null(strstr(err.msg, "read-only"));
    assert_int_equal(mount("tmpfs", w->dir, "tmpfs", MS_REMOUNT, "size=32m"), 0);
    world_open(w);
    assert_int_equal(get(w, "p/1", 100), SLUICE_OK);
    world_close(w);
    assert_int_equal(umount(w->dir), 0);
}

static int
mkdirat_denied(int dir, const char *path, mode_t mode)
{
    return fails_now() ? -1 : mkdirat(dir, path, mode);
}

static void
put__no_permission__is_denied_with_a_remedy_and_later_works(void **state)
{
    struct world *w = (struct world *)*state;
    faulty_install();
    faulty.mkdirat = mkdirat_denied;
    world_open(w);
    fail_from(EACCES, 0);
    assert_int_equal(put(w, "new/dir/x", 100, 0), SLUICE_EDENIED);
    assert_non_null(strstr(w->said, "right to write"));
    fail_from(0, 0);
    assert_int_equal(put(w, "new/dir/x", 100, 0), SLUICE_OK);
}

static void
put__name_of_a_directory__is_refused(void **state)
{
    struct world *w = (struct world *)*state;
    world_open(w);
    assert_int_equal(put(w, "a/b", 10, 0), SLUICE_OK);
    assert_int_equal(put(w, "a", 10, 0), SLUICE_EINVAL);
    assert_int_equal(put(w, "a/b/c", 10, 0), SLUICE_EINVAL);
    assert_int_equal(get(w, "a", 10), SLUICE_ENOENT);
}

static void
put__durability_os_and_no_direct_io__work_the_same(void **state)
{
    struct world *w = (struct world *)*state;
    const struct plugin_conf_pair os[] = {{"path", w->dir}, {"durability", "os"}};
    const struct plugin_conf_pair cached[] = {{"path", w->dir}, {"direct.io", "off"}};
    struct sl_error err = SL_ERROR_INIT;
    for (int i = 0; i < 2; i++) {
        char key[32];
        assert_int_equal(fs_open_pairs(i == 0 ? os : cached, 2, &w->plugin, &err), SL_OK);
        w->table = (const sluice_storage *)plugin_instance_extension(w->plugin, SLUICE_STORAGE_V1);
        w->self = plugin_instance_self(w->plugin);
        (void)snprintf(key, sizeof(key), "j/%d", i);
        assert_int_equal(put(w, key, 300000, SLUICE_PUT_SEQUENCE), SLUICE_OK);
        assert_int_equal(get(w, key, 300000), SLUICE_OK);
        world_close(w);
    }
    world_open(w);
    assert_int_equal(get(w, "j/0", 300000), SLUICE_OK);
    assert_int_equal(get(w, "j/1", 300000), SLUICE_OK);
}

static void
quiet(void *arg, const char *line, size_t len)
{
    (void)arg;
    if (getenv("VERBOSE") != NULL) {
        (void)fwrite(line, 1, len, stderr);
    }
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(open__last_record_torn__is_dropped_and_the_rest_kept),
        T(open__last_header_torn__is_dropped_and_the_rest_kept),
        T(get__payload_of_a_middle_record_damaged__is_corrupt_and_names_it),
        T(open__header_of_a_middle_record_destroyed__its_key_is_corrupt_never_absent),
        T(open__last_record_of_a_closed_volume_destroyed__its_key_is_corrupt),
        T(open__both_volume_headers_destroyed__refuses_and_names_the_file),
        T(open__one_volume_header_torn__the_other_counts),
        T(recycle__volumes_full_and_deleted__are_used_again),
        T(recycle__many_volumes_spent_at_once__most_are_removed),
        T(put__volume_write_fails__outcome_unknown_and_the_store_is_poisoned),
        T(put__fsync_of_the_file_fails__nothing_is_stored_and_the_store_is_poisoned),
        T(put__fsync_of_the_directory_fails__outcome_unknown_and_never_shown),
        T(put__full_disk_and_the_write_cannot_be_taken_back__outcome_unknown),
        T(put__full_disk_for_a_moment__says_so_and_the_next_works),
        T(put__small_tmpfs_runs_full__says_so_and_works_when_space_is_back),
        T(put__remounted_read_only__is_denied_and_works_when_writable_again),
        T(put__no_permission__is_denied_with_a_remedy_and_later_works),
        T(put__name_of_a_directory__is_refused),
        T(put__durability_os_and_no_direct_io__work_the_same),
    };
    diag_set_sink(quiet, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
