/* One file per object: manifests, snapshots, segments, cluster.json.
 *
 * A put writes +tmp/N, syncs it, renames it to its name (RENAME_NOREPLACE when the object must not
 * exist) and syncs the directory. Directories on the way are made first and each is synced into its
 * parent before anything is put into it.
 *
 * Visible implies durable. Between the rename and the sync of the directory the name is there but
 * may vanish with the power. During that time the key is claimed: a reader that opened the file
 * looks at the claims afterwards, and waits if it finds one. A claim is given back only after the
 * sync, so a name that was open while no claim was there is durable. If the sync fails the claim
 * stays for ever and the key answers an error until restart.
 *
 * Other processes: see share.c. A crash of the process alone can leave a name that nobody synced;
 * opening a store after one syncs its file system before it shows anything (share.c). */
#include "storage-fs/format.h"
#include "storage-fs/fs_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    REOPEN_MAX = 100,
    SYNC_BYTES = 4 << 20,
    DIRECT_FROM = 256 << 10,
    DIRECT_STEP = 1 << 20,
    FILE_MODE = 0644,
    DIR_MODE = 0755
};

/* ---- directories ---- */

/* Length of the directory part of key, 0 when it lies in the root. */
static size_t
dir_length(const char *key)
{
    const char *slash = strrchr(key, '/');
    return slash == NULL ? 0 : (size_t)(slash - key);
}

static int
dir_open(sluice_instance *fs, const char *key, size_t len)
{
    char dir[FS_KEY_MAX + 1];
    if (len == 0) {
        return openat(fs->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    memcpy(dir, key, len);
    dir[len] = '\0';
    return openat(fs->root_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Makes the directory of key durable as it is now. */
static sluice_status
dir_sync(sluice_instance *fs, const char *key, size_t len)
{
    if (!fs->is_fsync) {
        return SLUICE_OK;
    }
    int fd = dir_open(fs, key, len);
    if (fd < 0) {
        return fs__poison(fs, errno, "opening the directory", key);
    }
    int failed = fs->io->fsync(fd) != 0 ? errno : 0;
    (void)close(fd);
    return failed != 0 ? fs__poison(fs, failed, "fsync of the directory", key) : SLUICE_OK;
}

static sluice_status
dir_make(sluice_instance *fs, const char *key, size_t len)
{
    char dir[FS_KEY_MAX + 1];
    memcpy(dir, key, len);
    dir[len] = '\0';
    if (fs->io->mkdirat(fs->root_fd, dir, DIR_MODE) == 0) {
        return dir_sync(fs, dir, dir_length(dir));
    }
    return errno == EEXIST ? SLUICE_OK : fs__fail_sys(fs, errno, "make the directory", dir);
}

/* Makes every directory on the way to key. One at a time, so that nobody uses a directory that
 * somebody else made but has not synced. */
static sluice_status
dirs_make(sluice_instance *fs, const char *key)
{
    sluice_status rc = SLUICE_OK;
    pthread_mutex_lock(&fs->dirs_lock);
    for (const char *p = strchr(key, '/'); p != NULL && rc == SLUICE_OK; p = strchr(p + 1, '/')) {
        rc = dir_make(fs, key, (size_t)(p - key));
    }
    pthread_mutex_unlock(&fs->dirs_lock);
    return rc == SLUICE_EUNKNOWN ? SLUICE_EIO : rc; /* the object itself was not touched */
}

/* ---- writing ---- */

/* A put that is being written: how far, and how far that is synced. */
struct writing {
    sluice_instance *fs;
    const struct fs_put *put;
    int fd;
    off_t at, synced;
};

static sluice_status
sync_written(struct writing *w)
{
    sluice_instance *fs = w->fs;
    w->synced = w->at;
    if (!fs->is_fsync || fs->io->fsync(w->fd) == 0) {
        return SLUICE_OK;
    }
    int failed = errno;
    sluice_status rc = fs__fail_sys(fs, failed, "sync", w->put->key);
    if (failed != ENOSPC && failed != EDQUOT) {
        (void)fs__poison(fs, failed, "fsync", w->put->key);
        rc = SLUICE_EIO; /* it has no name yet: nothing was stored */
    }
    return rc;
}

/* Gives 0 or errno. */
static int
bytes_write(struct writing *w, sluice_slice bytes)
{
    while (bytes.len > 0) {
        struct iovec iov = {(void *)(uintptr_t)bytes.ptr, bytes.len};
        ssize_t n = w->fs->io->pwritev(w->fd, &iov, 1, w->at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : EIO;
        }
        w->at += n;
        bytes.ptr += n;
        bytes.len -= (size_t)n;
    }
    return 0;
}

/* A large object is synced as it grows: 64 MiB that the disk gets all at once would stand before
 * the journal's next write. */
static sluice_status
piece_write(struct writing *w, sluice_slice piece)
{
    int failed = bytes_write(w, piece);
    if (failed != 0) {
        return fs__fail_sys(w->fs, failed, "write", w->put->key);
    }
    return w->at - w->synced >= SYNC_BYTES ? sync_written(w) : SLUICE_OK;
}

static sluice_status
part_write(struct writing *w, sluice_slice part)
{
    sluice_status rc = SLUICE_OK;
    while (part.len > 0 && rc == SLUICE_OK) {
        size_t n = part.len < SYNC_BYTES ? part.len : SYNC_BYTES;
        rc = piece_write(w, (sluice_slice){part.ptr, n});
        part.ptr += n;
        part.len -= n;
    }
    return rc;
}

/* ---- past the page cache
 *
 * A segment is read by few, if ever, and copying it into the page cache costs more CPU than all
 * else that rolling does. So what is large, and lies where O_DIRECT wants it, is written past it;
 * a piece at a time, because the journal's next write stands behind it in the disk's queue. The
 * last block is padded, and the file then cut to its length. */

static bool
is_fit_for_direct(const sluice_instance *fs, const struct fs_put *put)
{
    return fs->is_fsync && fs->wants_direct && put->count == 1 &&
           put->parts[0].len >= DIRECT_FROM && (uintptr_t)put->parts[0].ptr % FS_BLOCK == 0;
}

static int
last_block_write(struct writing *w, sluice_slice rest)
{
    uint8_t *block = (uint8_t *)fs__alloc_blocks(FS_BLOCK);
    memcpy(block, rest.ptr, rest.len); /* zeroes behind it */
    int failed = bytes_write(w, (sluice_slice){block, FS_BLOCK});
    free(block);
    return failed;
}

/* Gives 0 or errno; EINVAL where the file system does not take it. */
static int
direct_write(struct writing *w, sluice_slice all)
{
    size_t whole = all.len / FS_BLOCK * FS_BLOCK;
    int failed = 0;
    for (size_t at = 0; at < whole && failed == 0; at += DIRECT_STEP) {
        size_t n = whole - at < DIRECT_STEP ? whole - at : DIRECT_STEP;
        failed = bytes_write(w, (sluice_slice){all.ptr + at, n});
    }
    if (failed == 0 && whole < all.len) {
        failed = last_block_write(w, (sluice_slice){all.ptr + whole, all.len - whole});
    }
    if (failed == 0 && w->fs->io->ftruncate(w->fd, (off_t)all.len) != 0) {
        failed = errno;
    }
    return failed;
}

/* False: not written, the page cache has to do. */
static bool
is_written_directly(struct writing *w, sluice_status *rc)
{
    int flags = fcntl(w->fd, F_GETFL);
    if (!is_fit_for_direct(w->fs, w->put) || flags < 0 ||
        fcntl(w->fd, F_SETFL, flags | O_DIRECT) != 0) {
        return false;
    }
    (void)w->fs->io->fallocate(w->fd, 0, 0, (off_t)w->put->parts[0].len); /* in one piece */
    int failed = direct_write(w, w->put->parts[0]);
    if (failed != 0 && failed != EINVAL) {
        *rc = fs__fail_sys(w->fs, failed, "write", w->put->key);
    }
    (void)fcntl(w->fd, F_SETFL, flags);
    w->at = failed == EINVAL ? 0 : w->at;
    return failed != EINVAL;
}

static sluice_status
all_write(struct writing *w)
{
    sluice_status rc = SLUICE_OK;
    if (is_written_directly(w, &rc)) {
        return rc;
    }
    for (size_t i = 0; i < w->put->count && rc == SLUICE_OK; i++) {
        rc = part_write(w, w->put->parts[i]);
    }
    return rc;
}

/* Writes and syncs the temporary file `tmp`. */
static sluice_status
tmp_write(sluice_instance *fs, const char *tmp, const struct fs_put *put)
{
    int fd = fs->io->openat(fs->tmp_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd < 0) {
        return fs__fail_sys(fs, errno, "create a file for", put->key);
    }
    struct writing w = {.fs = fs, .put = put, .fd = fd};
    sluice_status rc = all_write(&w);
    if (rc == SLUICE_OK && (w.synced < w.at || w.at == 0)) {
        rc = sync_written(&w);
    }
    (void)fs->io->close(fd);
    return rc;
}

static sluice_status
publish_failed(sluice_instance *fs, const struct fs_put *put, int sys_errno)
{
    struct stat st;
    bool is_dir =
        fstatat(fs->root_fd, put->key, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
    if (is_dir || sys_errno == ENOTDIR) {
        return fs__fail(
            fs, SLUICE_EINVAL,
            "%s: %.100s cannot be an object and the beginning of another's name at once", fs->path,
            put->key);
    }
    if (sys_errno == EEXIST) {
        return SLUICE_EEXIST;
    }
    return fs__fail_sys(fs, sys_errno, "put in place", put->key);
}

static sluice_status
publish(sluice_instance *fs, const char *tmp, const struct fs_put *put)
{
    unsigned flags = (put->flags & SLUICE_PUT_IF_ABSENT) != 0 ? RENAME_NOREPLACE : 0;
    pthread_mutex_lock(&fs->lock);
    put->claim->is_new = !fs__plain_exists(fs, put->key);
    pthread_mutex_unlock(&fs->lock);
    fs__publish_begin(fs);
    int failed = fs->io->renameat2(fs->tmp_fd, tmp, fs->root_fd, put->key, flags) != 0 ? errno : 0;
    sluice_status rc = failed != 0 ? publish_failed(fs, put, failed)
                                   : dir_sync(fs, put->key, dir_length(put->key));
    if (rc != SLUICE_EUNKNOWN) {
        fs__publish_end(fs); /* a name that may not be durable stays suspect */
    }
    return rc;
}

sluice_status
fs__plain_put(sluice_instance *fs, const struct fs_put *put)
{
    char tmp[32];
    (void)snprintf(tmp, sizeof(tmp), "%llu.%ld",
                   (unsigned long long)atomic_fetch_add(&fs->next_tmp, 1), (long)getpid());
    sluice_status rc = dirs_make(fs, put->key);
    if (rc != SLUICE_OK) {
        return rc;
    }
    rc = tmp_write(fs, tmp, put);
    if (rc == SLUICE_OK) {
        rc = publish(fs, tmp, put);
    }
    if (rc != SLUICE_OK) {
        (void)fs->io->unlinkat(fs->tmp_fd, tmp, 0);
    }
    return rc;
}

sluice_status
fs__plain_del(sluice_instance *fs, const char *key)
{
    if (fs->io->unlinkat(fs->root_fd, key, 0) != 0) {
        bool is_absent = errno == ENOENT || errno == ENOTDIR || errno == EISDIR || errno == EPERM;
        bool is_file = errno == EPERM && fs__plain_exists(fs, key);
        return is_absent && !is_file ? SLUICE_OK : fs__fail_sys(fs, errno, "delete", key);
    }
    sluice_status rc = dir_sync(fs, key, dir_length(key));
    return rc == SLUICE_EUNKNOWN ? SLUICE_EIO : rc;
}

/* ---- reading ---- */

bool
fs__plain_exists(const sluice_instance *fs, const char *key)
{
    struct stat st;
    return fstatat(fs->root_fd, key, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* Waits for whoever works on key. True when nobody did, so that what was opened before is durable.
 */
static sluice_status
claim_wait(sluice_instance *fs, const char *key, bool *was_free)
{
    sluice_status rc = SLUICE_OK;
    const struct fs_claim *c;
    *was_free = true;
    pthread_mutex_lock(&fs->lock);
    bool is_mistaken = (fs->io->mistakes & FS_MISTAKE_VISIBLE_EARLY) != 0;
    while (rc == SLUICE_OK && !is_mistaken && (c = fs__claim_find(fs, key)) != NULL) {
        *was_free = false;
        if (c->is_doomed) {
            rc = fs__fail(fs, SLUICE_EIO, "%s", fs->poison_why);
        } else {
            pthread_cond_wait(&fs->claims_changed, &fs->lock);
        }
    }
    pthread_mutex_unlock(&fs->lock);
    return rc;
}

struct opened {
    int fd; /* -1: not there */
    uint64_t size, inode;
};

static sluice_status
open_once(sluice_instance *fs, const char *key, struct opened *ret)
{
    struct stat st;
    *ret = (struct opened){.fd = -1};
    int fd = openat(fs->root_fd, key, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        bool is_absent = errno == ENOENT || errno == ENOTDIR;
        return is_absent ? SLUICE_ENOENT : fs__fail_sys(fs, errno, "open", key);
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return SLUICE_ENOENT;
    }
    *ret = (struct opened){fd, (uint64_t)st.st_size, (uint64_t)st.st_ino};
    return SLUICE_OK;
}

/* Once the name is known to be durable. */
static sluice_status
open_settled(sluice_instance *fs, const char *key, struct opened *ret)
{
    for (int i = 0; i < REOPEN_MAX; i++) {
        bool was_free;
        sluice_status found = open_once(fs, key, ret);
        sluice_status rc = claim_wait(fs, key, &was_free);
        if (rc == SLUICE_OK && was_free) {
            return found;
        }
        if (ret->fd >= 0) {
            (void)close(ret->fd);
        }
        if (rc != SLUICE_OK) {
            return rc;
        }
    }
    return fs__fail(fs, SLUICE_EAGAIN, "%s: %.100s is being replaced all the time", fs->path, key);
}

sluice_status
fs__read_exact(sluice_instance *fs, int fd, void *out, size_t len, uint64_t at, const char *name)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, (char *)out + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fs__fail_sys(fs, errno, "read", name);
        }
        if (n == 0) {
            return fs__fail(fs, SLUICE_ECORRUPT, "%s: %.100s ends at byte %llu, before its length",
                            fs->path, name, (unsigned long long)(at + done));
        }
        done += (size_t)n;
    }
    return SLUICE_OK;
}

/* Whoever asks for a range checks what it reads by itself. */
static sluice_status
opened_get(sluice_instance *fs, const struct opened *o, const char *key, struct fs_range at,
           sluice_get_result *result)
{
    const struct fs_direct d = {
        .fd = o->fd, .is_own = true, .times = 1, .file = o->inode, .at = at.offset};
    uint8_t *out;
    sluice_buf *body = fs__body_new(fs, key, at.length, &out);
    if (body == NULL) {
        return SLUICE_ENOMEM;
    }
    sluice_status rc = SLUICE_OK;
    if (!fs__direct_read(fs, &d, out, (size_t)at.length)) {
        rc = fs__read_exact(fs, o->fd, out, (size_t)at.length, at.offset, key);
    }
    return fs__body_give(rc, body, result);
}

sluice_status
fs__plain_get(sluice_instance *fs, const char *key, const struct fs_range *range,
              sluice_get_result *result)
{
    struct opened o;
    sluice_status rc = open_settled(fs, key, &o);
    if (rc != SLUICE_OK) {
        return rc;
    }
    result->object_size = o.size;
    if (range != NULL) {
        rc = opened_get(fs, &o, key, fs__range_within(range, o.size), result);
    }
    (void)close(o.fd);
    return rc;
}
