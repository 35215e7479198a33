/* Deleting a record: one byte of its header, by rewriting the block that holds it; see "Deleting"
 * in volume.c. */
#include "storage-fs/volume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Where a destroyed header was: one that says "deleted" and reaches as far. */
static void
tombstone(const struct fs_volume *v, uint64_t position, uint64_t length, uint8_t *block)
{
    struct fs_record *r = (struct fs_record *)fs__alloc(sizeof(*r));
    r->volume_id = v->id;
    r->generation = v->generation;
    r->position = position;
    r->length = length;
    r->payload_offset = FS_BLOCK;
    memset(block, 0, FS_BLOCK);
    fs__record_encode(r, block);
    free(r);
}

static sluice_status
mark_write(sluice_instance *fs, const struct fs_volume *v, uint64_t position, uint8_t *block)
{
    block[FS_RECORD_DELETED_AT] = FS_RECORD_DELETED;
    struct iovec iov = {block, FS_BLOCK};
    int failed = fs__volume_write(fs, v, &iov, 1, position);
    if (failed == 0) {
        return SLUICE_OK;
    }
    if (failed == ENOSPC || failed == EDQUOT) {
        return fs__fail_sys(fs, failed, "delete in", v->name);
    }
    (void)fs__poison(fs, failed, "writing to", v->name);
    return SLUICE_EIO;
}

sluice_status
fs__record_mark(sluice_instance *fs, const struct fs_volume *v, uint64_t position)
{
    uint8_t *block = (uint8_t *)fs__alloc_blocks(FS_BLOCK);
    sluice_status rc = fs__read_exact(fs, v->read_fd, block, FS_BLOCK, position, v->name);
    if (rc == SLUICE_OK) {
        rc = mark_write(fs, v, position, block);
    }
    free(block);
    return rc;
}

static sluice_status
entry_mark(sluice_instance *fs, const struct fs_entry *e)
{
    if (!e->is_corrupt) {
        return fs__record_mark(fs, e->volume, e->position);
    }
    uint8_t *block = (uint8_t *)fs__alloc_blocks(FS_BLOCK);
    tombstone(e->volume, e->position, e->length, block);
    sluice_status rc = mark_write(fs, e->volume, e->position, block);
    free(block);
    return rc;
}

sluice_status
fs__record_del(sluice_instance *fs, const char *key)
{
    pthread_mutex_lock(&fs->lock);
    const struct fs_entry *e = fs__index_find(&fs->index, key); /* claimed: nobody else moves it */
    pthread_mutex_unlock(&fs->lock);
    if (e == NULL) {
        return SLUICE_OK;
    }
    struct fs_volume *v = e->volume;
    uint64_t position = e->position;
    sluice_status rc = entry_mark(fs, e);
    if (rc != SLUICE_OK) {
        return rc;
    }
    pthread_mutex_lock(&fs->lock);
    fs__index_remove(&fs->index, key);
    fs__volume_unlive(fs, v);
    fs__change_tell(fs, FS_DELETED, v, position);
    pthread_mutex_unlock(&fs->lock);
    fs__volumes_trim(fs);
    return SLUICE_OK;
}
