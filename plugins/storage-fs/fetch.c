/* Reading a record. Whole objects are checked against their checksum, ranges by whoever asked: what
 * lies in them carries checksums of its own. */
#include "storage-fs/volume.h"

#include <fcntl.h>

enum { CHECK_BELOW = 64 * 1024 };

/* What a read needs of an entry, copied while the lock is held. */
struct reading {
    struct fs_volume *v;
    bool is_inside; /* the volume is another process's: its owner is kept from recycling it */
    uint64_t generation, position, length, at;
    uint32_t crc32c;
};

/* Copies what the read needs and pins the volume. Holds the lock. */
static sluice_status
entry_pin(sluice_instance *fs, const struct fs_entry *e, struct reading *rd)
{
    if (e->is_corrupt) {
        (void)fs__fail(fs, SLUICE_ECORRUPT,
                       "%s: %.100s is damaged: the record header at byte %llu of " FS_VOLUMES_DIR
                       "/%s is destroyed",
                       fs->path, fs__entry_key(e), (unsigned long long)e->position,
                       e->volume->name);
        return SLUICE_ECORRUPT;
    }
    rd->v = e->volume;
    rd->generation = e->volume->generation;
    rd->position = e->position;
    rd->length = e->length;
    rd->at = e->position + e->payload_offset;
    rd->crc32c = e->crc32c;
    rd->v->pins++;
    return SLUICE_OK;
}

/* The entry as it is now, other processes' doings included. For a record in another process's
 * volume we stay inside until the read has ended. */
static sluice_status
reading_begin(sluice_instance *fs, const char *key, struct reading *rd)
{
    sluice_status rc = SLUICE_OK;
    pthread_mutex_lock(&fs->lock);
    const struct fs_entry *e = fs__is_behind(fs) ? NULL : fs__index_find(&fs->index, key);
    if (fs__is_behind(fs) || (e != NULL && !e->volume->is_owned)) {
        rc = fs__enter(fs);
        rd->is_inside = rc == SLUICE_OK;
        e = fs__index_find(&fs->index, key);
    }
    if (rc == SLUICE_OK) {
        rc = e == NULL ? SLUICE_ENOENT : entry_pin(fs, e, rd);
    }
    if (rd->is_inside && rc != SLUICE_OK) {
        fs__leave(fs);
    }
    pthread_mutex_unlock(&fs->lock);
    return rc;
}

static void
reading_end(sluice_instance *fs, const struct reading *rd)
{
    pthread_mutex_lock(&fs->lock);
    rd->v->pins--;
    if (rd->is_inside) {
        fs__leave(fs);
    }
    pthread_mutex_unlock(&fs->lock);
}

/* Reads a whole object and checks it; once more, past the page cache, before it is called damaged.
 */
static sluice_status
read_checked(sluice_instance *fs, const struct reading *rd, const char *key, uint8_t *out)
{
    for (int i = 0; i < 2; i++) {
        sluice_status rc =
            fs__read_exact(fs, rd->v->read_fd, out, (size_t)rd->length, rd->at, rd->v->name);
        if (rc != SLUICE_OK || fs__crc32c(0, out, (size_t)rd->length) == rd->crc32c) {
            return rc;
        }
        (void)posix_fadvise(rd->v->read_fd, (off_t)rd->at, (off_t)rd->length, POSIX_FADV_DONTNEED);
    }
    return fs__fail(
        fs, SLUICE_ECORRUPT,
        "%s: %.100s is damaged: its checksum is wrong; record at byte %llu of " FS_VOLUMES_DIR
        "/%s",
        fs->path, key, (unsigned long long)rd->position, rd->v->name);
}

/* Whoever asks for a range checks what it reads by itself. */
static sluice_status
read_unchecked(sluice_instance *fs, const struct reading *rd, uint8_t *out, size_t len, uint64_t at)
{
    const struct fs_direct d = {
        .fd = rd->v->write_fd, .file = rd->v->id ^ rd->generation << 32, .at = at, .times = 2};
    if (rd->v->is_owned && fs__direct_read(fs, &d, out, len)) {
        return SLUICE_OK;
    }
    return fs__read_exact(fs, rd->v->read_fd, out, len, at, rd->v->name);
}

static sluice_status
range_read(sluice_instance *fs, const struct reading *rd, const char *key,
           const struct fs_range *range, sluice_get_result *result)
{
    uint64_t want = fs__range_within(range, rd->length).length;
    /* A small object is checked even when only a range of it was asked for. */
    bool is_checked = want == rd->length && (range->length == 0 || want <= CHECK_BELOW);
    uint8_t *out;
    sluice_buf *body = fs__body_new(fs, key, want, &out);
    if (body == NULL) {
        return SLUICE_ENOMEM;
    }
    sluice_status rc = is_checked
                           ? read_checked(fs, rd, key, out)
                           : read_unchecked(fs, rd, out, (size_t)want, rd->at + range->offset);
    return fs__body_give(rc, body, result);
}

sluice_status
fs__record_get(sluice_instance *fs, const char *key, const struct fs_range *range,
               sluice_get_result *result)
{
    struct reading rd = {0};
    sluice_status rc = reading_begin(fs, key, &rd);
    if (rc != SLUICE_OK) {
        return rc;
    }
    result->object_size = rd.length;
    if (range != NULL) {
        rc = range_read(fs, &rd, key, range, result);
    }
    reading_end(fs, &rd);
    return rc;
}
