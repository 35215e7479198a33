/* Each change of the disk fails in turn, with each of three errors: whatever happens, the store
 * says so, stays usable or poisoned as its contract says, keeps what it acknowledged, and stores
 * nothing that it said it did not store. */
#include "../unit.h"
#include "base/diag.h"
#include "dir_fixture.h"
#include "storage-fs/fs_io.h"
#include "storage_model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>

enum { STEPS = 40 };

static _Atomic long countdown; /* the call that brings it to 0 fails */
static int error_now;
static _Atomic bool has_failed;

static bool
fails(void)
{
    if (atomic_fetch_sub(&countdown, 1) != 1) {
        return false;
    }
    atomic_store(&has_failed, true);
    errno = error_now;
    return true;
}

static int
t_openat(int dir, const char *path, int flags, mode_t mode)
{
    return (flags & O_CREAT) != 0 && fails() ? -1 : openat(dir, path, flags, mode);
}

static ssize_t
t_pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
    return fails() ? -1 : pwritev(fd, iov, count, at);
}

static int
t_fallocate(int fd, int mode, off_t at, off_t len)
{
    return fails() ? -1 : fallocate(fd, mode, at, len);
}

static int
t_fsync(int fd)
{
    (void)fd;
    return fails() ? -1 : 0; /* what the disk keeps is test_powerloss.c's business */
}

static int
t_mkdirat(int dir, const char *path, mode_t mode)
{
    return fails() ? -1 : mkdirat(dir, path, mode);
}

static int
t_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return fails() ? -1 : renameat2(from_dir, from, to_dir, to, flags);
}

static int
t_unlinkat(int dir, const char *path, int flags)
{
    return fails() ? -1 : unlinkat(dir, path, flags);
}

static const struct fs_io torture_io = {.openat = t_openat,
                                        .close = close,
                                        .pwritev = t_pwritev,
                                        .fallocate = t_fallocate,
                                        .ftruncate = ftruncate,
                                        .fsync = t_fsync,
                                        .fdatasync = t_fsync,
                                        .syncfs = t_fsync,
                                        .mkdirat = t_mkdirat,
                                        .renameat2 = t_renameat2,
                                        .unlinkat = t_unlinkat};

struct world {
    char dir[4096];
    struct plugin_instance *plugin;
    const sluice_storage *table;
    sluice_instance *self;
    sluice_status puts[STEPS];
    bool is_deleted[STEPS];
};

static void
key_of(int i, char *out, size_t cap)
{
    (void)snprintf(out, cap, i % 3 == 2 ? "d%d/file" : "j/%05d", i);
}

/* Gives false when the store could not be opened. */
static bool
world_open(struct world *w)
{
    const struct plugin_conf_pair pairs[] = {{"path", w->dir}, {"volume.size", "1MiB"}};
    struct sl_error err = SL_ERROR_INIT;
    if (fs_open_pairs(pairs, 2, &w->plugin, &err) != SL_OK) {
        assert_true(strlen(err.msg) > 20);
        return false;
    }
    w->table = (const sluice_storage *)plugin_instance_extension(w->plugin, SLUICE_STORAGE_V1);
    w->self = plugin_instance_self(w->plugin);
    return true;
}

static sluice_status
put(struct world *w, int i)
{
    char key[32];
    uint8_t body[200 * 1024];
    size_t len = i % 3 == 1 ? sizeof(body) : 500;
    key_of(i, key, sizeof(key));
    model_fill(body, len, (uint64_t)i);
    sluice_slice part = {body, len};
    uint32_t flags = SLUICE_PUT_IF_ABSENT | (i % 3 == 2 ? 0 : SLUICE_PUT_SEQUENCE);
    sluice_put_opts opts = {.size = sizeof(opts), .flags = flags};
    return w->table->put(w->self, model_slice(key), &part, 1, &opts, NULL, NULL);
}

static void
work(struct world *w)
{
    char key[32];
    for (int i = 0; i < STEPS; i++) {
        w->puts[i] = put(w, i);
        if (i % 4 == 3 && w->puts[i - 2] == SLUICE_OK) {
            key_of(i - 2, key, sizeof(key));
            w->is_deleted[i - 2] = true; /* or tried to be */
            (void)w->table->del(w->self, model_slice(key), NULL);
        }
    }
}

static void
look(struct world *w, int i)
{
    char key[32];
    sluice_get_result got = {.size = sizeof(got)};
    key_of(i, key, sizeof(key));
    sluice_status rc = w->table->get(w->self, model_slice(key), 0, 0, &got, NULL);
    if (w->puts[i] == SLUICE_OK && !w->is_deleted[i]) {
        assert_int_equal(rc, SLUICE_OK);
    } else if (w->puts[i] != SLUICE_OK && w->puts[i] != SLUICE_EUNKNOWN) {
        assert_int_equal(rc, SLUICE_ENOENT); /* nothing was stored and nothing will be */
    }
    if (got.body != NULL) {
        got.body->release(got.body);
    }
}

/* One life in which the n-th change fails. Gives false when there were fewer. */
static bool
life(int sys_errno, long n)
{
    struct world w = {.plugin = NULL};
    dir_make(w.dir);
    atomic_store(&countdown, n);
    atomic_store(&has_failed, false);
    error_now = sys_errno;
    storage_fs_set_io(&torture_io);
    bool was_open = world_open(&w);
    if (was_open) {
        work(&w);
        plugin_instance_close(&w.plugin);
    }
    bool did_fail = atomic_load(&has_failed);
    atomic_store(&countdown, 0);
    assert_true(world_open(&w)); /* the cause is gone */
    for (int i = 0; i < STEPS && was_open; i++) {
        look(&w, i);
    }
    if (was_open) {
        assert_int_equal(put(&w, STEPS), SLUICE_OK);
    }
    plugin_instance_close(&w.plugin);
    storage_fs_set_io(NULL);
    dir_remove(w.dir);
    return did_fail;
}

static void
every_change__fails_in_turn__nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC, EACCES};
    for (size_t e = 0; e < 3; e++) {
        long n = 1;
        while (life(errors[e], n)) {
            n++;
        }
        assert_true(n > 80); /* there were that many changes to fail */
    }
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change__fails_in_turn__nothing_acknowledged_is_lost),
    };
    diag_set_sink(quiet, NULL);
    if (access("/dev/shm", W_OK) == 0) {
        (void)setenv("TEST_DIR", "/dev/shm", 0);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
