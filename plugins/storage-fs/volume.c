/* Volume files hold the objects of fast sequences (SLUICE_PUT_SEQUENCE: journal entries).
 *
 * Why. A new file costs a file-system commit for the file and one for its directory: a millisecond
 * and more. Overwriting space that exists costs one write: 0.09 ms at 4 KiB, 1.3 ms at 8 MiB on the
 * reference machine, with O_DIRECT and O_DSYNC. So space is preallocated, written from front to
 * back, and used again when every record in it is deleted.
 *
 * Layout. Two header blocks, then records at multiples of 4096, each with header and payload; see
 * format.c. A record is valid iff its header's checksum holds and it names this volume, this
 * generation and its own position. The first place that holds none is the end.
 *
 * One writer. A put takes a volume off the free list and is its only writer until its record is on
 * disk; another put at the same time takes another volume. Records of a volume are therefore
 * written strictly one after another, each durable before the next begins, and a crash can tear
 * only the last one. That is why opening a store reads all headers but only the last payload. A
 * record is put into the index, which is what makes it visible, after it is durable.
 *
 * Torn or broken. A place without a valid header followed by valid records of the same generation
 * was not torn by a crash: it was destroyed later. Its key stands in the record that follows (or in
 * the header of a volume that was closed) and answers SLUICE_ECORRUPT, never "absent". In a volume
 * that was not closed the search for such a follower looks LOOK_AHEAD bytes far (scan.c).
 *
 * Closing. A clean stop writes a closed header with the exact end; opening such a volume looks for
 * no torn record, and reports one that is missing. Before the next append the header is written as
 * open again, durably: a closed header never lies about records behind its end.
 *
 * Headers alternate between block 0 and block 1, so that a torn header write leaves the one before.
 * Each carries a generation and a revision; the greater valid one counts. A volume none of whose
 * headers is valid cannot come from a crash, because a volume gets its name only after its headers
 * are durable: the store refuses to open and names the file.
 *
 * Deleting sets one byte of the record's header, by rewriting the block that holds it. Every other
 * byte is written with the value it has, so a torn write of any granularity leaves either the old
 * or the new record, both valid. The byte lies outside the checksum.
 *
 * Recycling. A full volume without a live record gets a header with the next generation. Until that
 * is durable the old generation counts, in which every record is deleted; afterwards no old record
 * is valid. So no crash brings a record back. Readers pin a volume, and a pinned one is not
 * recycled.
 *
 * Duplicates. A put that replaces an object appends and then deletes the old record; a crash in
 * between leaves two. Records carry a sequence number, the greater wins, the other is deleted.
 *
 * Failed writes. A failed O_DSYNC write says nothing about what is on disk: the store stores
 * nothing until restart, and the put's outcome is unknown. Only "no space" is different: the block
 * where the record would begin is overwritten with zeroes, and if that works nothing was stored. */
#include "storage-fs/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ZERO_CHUNK = 1 << 20, FILE_MODE = 0644, SPENT_MAX = 8 };

/* ---- writing ---- */

/* The file system took O_DIRECT at open and does not at write: goes on without. */
static bool
direct_give_up(sluice_instance *fs, const struct fs_volume *v)
{
    int flags = fcntl(v->write_fd, F_GETFL);
    if (flags < 0 || (flags & O_DIRECT) == 0) {
        return false;
    }
    fs->wants_direct = false;
    return fcntl(v->write_fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

int
fs__volume_write(sluice_instance *fs, const struct fs_volume *v, struct iovec *iov, int count,
                 uint64_t at)
{
    while (count > 0) {
        ssize_t n = fs->io->pwritev(v->write_fd, iov, count, (off_t)at);
        if (n < 0 && (errno == EINTR || (errno == EINVAL && direct_give_up(fs, v)))) {
            continue;
        }
        if (n <= 0 || n % FS_BLOCK != 0) {
            return n < 0 ? errno : EIO; /* a part of a block cannot be continued with O_DIRECT */
        }
        at += (uint64_t)n;
        for (size_t left = (size_t)n; left > 0;) {
            size_t step = left < iov->iov_len ? left : iov->iov_len;
            iov->iov_base = (char *)iov->iov_base + step;
            iov->iov_len -= step;
            left -= step;
            if (iov->iov_len == 0) {
                iov++;
                count--;
            }
        }
    }
    return 0;
}

static void
header_of(const struct fs_volume *v, bool is_closed, struct fs_volume_header *h)
{
    memset(h, 0, sizeof(*h));
    h->id = v->id;
    h->generation = v->generation;
    h->revision = v->revision;
    h->capacity = v->capacity;
    h->is_closed = is_closed;
    h->end = v->end;
    h->last_position = v->last_position;
    (void)snprintf(h->last_key, sizeof(h->last_key), "%s", v->last_key);
}

static int
header_write(sluice_instance *fs, struct fs_volume *v, bool is_closed)
{
    struct fs_volume_header h;
    uint8_t *block = (uint8_t *)fs__alloc_blocks(FS_BLOCK);
    v->revision++;
    header_of(v, is_closed, &h);
    fs__volume_header_encode(&h, block);
    struct iovec iov = {block, FS_BLOCK};
    int failed = fs__volume_write(fs, v, &iov, 1, v->revision % 2 * FS_BLOCK);
    free(block);
    if (failed == 0) {
        v->is_closed = is_closed;
    }
    return failed;
}

sluice_status
fs__volume_header_write(sluice_instance *fs, struct fs_volume *v, bool is_closed)
{
    int failed = header_write(fs, v, is_closed);
    if (failed == 0) {
        return SLUICE_OK;
    }
    (void)fs__poison(fs, failed, "writing the header", v->name);
    return SLUICE_EIO; /* no record was written */
}

sluice_status
fs__volume_recycle(sluice_instance *fs, struct fs_volume *v)
{
    v->generation++;
    v->end = FS_VOLUME_FIRST;
    v->last_position = 0;
    v->last_key[0] = '\0';
    v->is_full = v->is_spent = false;
    fs__log(fs, SLUICE_LOG_DEBUG, FS_VOLUMES_DIR "/%s begins generation %llu", v->name,
            (unsigned long long)v->generation);
    return fs__volume_header_write(fs, v, false);
}

/* ---- creating ---- */

static int
write_flags(const sluice_instance *fs)
{
    int flags = O_RDWR | O_CLOEXEC;
    if (fs->is_fsync) {
        flags |= O_DSYNC | (fs->wants_direct ? O_DIRECT : 0);
    }
    return flags;
}

/* Opens for writing, without O_DIRECT where the file system does not take it. */
int
fs__volume_open_file(sluice_instance *fs, int dir, const char *name, int more)
{
    int flags = write_flags(fs) | more;
    int fd = fs->io->openat(dir, name, flags, FILE_MODE);
    if (fd < 0 && errno == EINVAL && (flags & O_DIRECT) != 0) {
        fs->wants_direct = false;
        fd = fs->io->openat(dir, name, (flags & ~O_DIRECT) | more, FILE_MODE);
    }
    return fd;
}

static int
zero_fill(sluice_instance *fs, const struct fs_volume *v)
{
    uint8_t *zeroes = (uint8_t *)fs__alloc_blocks(ZERO_CHUNK);
    int failed = 0;
    for (uint64_t at = 0; at < v->capacity && failed == 0;) {
        uint64_t left = v->capacity - at;
        struct iovec iov = {zeroes, left < ZERO_CHUNK ? (size_t)left : ZERO_CHUNK};
        uint64_t step = iov.iov_len;
        failed = fs__volume_write(fs, v, &iov, 1, at);
        at += step;
    }
    free(zeroes);
    return failed;
}

static int
space_reserve(sluice_instance *fs, const struct fs_volume *v)
{
    if (fs->io->fallocate(v->write_fd, 0, 0, (off_t)v->capacity) == 0) {
        return 0;
    }
    if (errno != EOPNOTSUPP && errno != ENOSYS) {
        return errno;
    }
    return zero_fill(fs, v);
}

/* Fills the file under its temporary name; gives 0 or errno. */
static int
volume_fill(sluice_instance *fs, struct fs_volume *v, bool is_prepared)
{
    if (flock(v->write_fd, LOCK_EX | LOCK_NB) != 0) {
        return errno;
    }
    int failed = space_reserve(fs, v);
    if (failed == 0 && is_prepared) {
        failed = zero_fill(fs, v);
    }
    for (int i = 0; i < 2 && failed == 0; i++) {
        failed = header_write(fs, v, false);
    }
    if (failed == 0 && fs->is_fsync && fs->io->fsync(v->write_fd) != 0) {
        failed = errno;
    }
    return failed;
}

static int
volume_name(sluice_instance *fs, struct fs_volume *v)
{
    if (fs->io->renameat2(fs->tmp_fd, v->name, fs->volumes_fd, v->name, RENAME_NOREPLACE) != 0) {
        return errno;
    }
    if (fs->is_fsync && fs->io->fsync(fs->volumes_fd) != 0) {
        return errno;
    }
    v->read_fd = openat(fs->volumes_fd, v->name, O_RDONLY | O_CLOEXEC);
    return v->read_fd < 0 ? errno : 0;
}

void
fs__volume_free(sluice_instance *fs, struct fs_volume *v)
{
    if (v->write_fd >= 0) {
        (void)fs->io->close(v->write_fd);
    }
    if (v->read_fd >= 0) {
        (void)close(v->read_fd);
    }
    free(v->bounce);
    free(v);
}

struct fs_volume *
fs__volume_new(void)
{
    struct fs_volume *v = (struct fs_volume *)fs__alloc(sizeof(*v));
    v->write_fd = v->read_fd = -1;
    v->end = FS_VOLUME_FIRST;
    return v;
}

static sluice_status
create_failed(sluice_instance *fs, int failed)
{
    if (failed == EIO) {
        (void)fs__poison(fs, failed, "making a volume", FS_VOLUMES_DIR);
        return SLUICE_EIO; /* no record was written */
    }
    return fs__fail_sys(fs, failed, "make a volume in", FS_VOLUMES_DIR);
}

sluice_status
fs__volume_create(sluice_instance *fs, uint64_t size, bool is_prepared, struct fs_volume **ret)
{
    struct fs_volume *v = fs__volume_new();
    v->capacity = size;
    v->generation = 1;
    v->is_owned = true;
    v->is_busy = true; /* until whoever made it gives it back */
    if (getrandom(&v->id, sizeof(v->id), 0) != (ssize_t)sizeof(v->id)) {
        v->id =
            (uint64_t)(uintptr_t)v ^ (uint64_t)getpid() << 32 ^ atomic_fetch_add(&fs->next_tmp, 1);
    }
    (void)snprintf(v->name, sizeof(v->name), "%016" PRIx64 ".vol", v->id);
    v->write_fd = fs__volume_open_file(fs, fs->tmp_fd, v->name, O_CREAT | O_EXCL);
    int failed = v->write_fd < 0 ? errno : volume_fill(fs, v, is_prepared);
    if (failed == 0) {
        failed = volume_name(fs, v);
    }
    if (failed != 0) {
        sluice_status rc = create_failed(fs, failed);
        (void)fs->io->unlinkat(fs->tmp_fd, v->name, 0);
        (void)fs->io->unlinkat(fs->volumes_fd, v->name, 0);
        fs__volume_free(fs, v);
        return rc;
    }
    pthread_mutex_lock(&fs->lock);
    v->next_all = fs->volumes.all;
    fs->volumes.all = v;
    pthread_mutex_unlock(&fs->lock);
    *ret = v;
    return SLUICE_OK;
}

/* ---- records come and go ---- */

void
fs__volume_unlive(sluice_instance *fs, struct fs_volume *v)
{
    v->live--;
    if (v->live == 0 && v->is_full && v->is_owned && !v->is_spent && !v->is_busy) {
        v->is_spent = true;
        v->next = fs->volumes.spent;
        fs->volumes.spent = v;
    }
}

/* Takes a spent volume out of every list if there are more than a few; NULL otherwise. Holds the
 * lock. */
static struct fs_volume *
trim_take(sluice_instance *fs)
{
    size_t count = 0;
    struct fs_volume **last = NULL;
    for (struct fs_volume **at = &fs->volumes.spent; *at != NULL; at = &(*at)->next) {
        count++;
        last = (*at)->pins == 0 ? at : last;
    }
    if (count <= SPENT_MAX || last == NULL) {
        return NULL;
    }
    struct fs_volume *v = *last;
    *last = v->next;
    struct fs_volume **at = &fs->volumes.all;
    while (*at != v) {
        at = &(*at)->next_all;
    }
    *at = v->next_all;
    return v;
}

void
fs__volumes_trim(sluice_instance *fs)
{
    pthread_mutex_lock(&fs->lock);
    struct fs_volume *v = trim_take(fs);
    if (v != NULL) {
        fs__change_tell(fs, FS_REMOVED, v, 0); /* nobody looks before we are out */
    }
    pthread_mutex_unlock(&fs->lock);
    if (v != NULL) {
        /* Not synced: if the power brings it back, every record in it is deleted. */
        (void)fs->io->unlinkat(fs->volumes_fd, v->name, 0);
        fs__volume_free(fs, v);
    }
}

/* ---- closing ---- */

void
fs__volumes_close(sluice_instance *fs)
{
    while (fs->volumes.all != NULL) {
        struct fs_volume *v = fs->volumes.all;
        fs->volumes.all = v->next_all;
        if (v->is_owned && !v->is_closed && !atomic_load(&fs->is_poisoned)) {
            (void)header_write(fs, v, true);
        }
        fs__volume_free(fs, v);
    }
    while (fs->volumes.failed != NULL) {
        struct fs_volume *v = fs->volumes.failed;
        fs->volumes.failed = v->next_all;
        fs__volume_free(fs, v);
    }
    fs->volumes.free = fs->volumes.spent = NULL;
}
