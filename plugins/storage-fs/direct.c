/* Reading past the page cache what is read for the first time.
 *
 * Volumes are written past the page cache, so the first reader of a range finds nothing there.
 * Filling it costs more than all else that a broker does for a consumer, and is in vain when nobody
 * else comes by. So the first read of a range goes past the page cache too, and a second one, by
 * whoever, fills it: data that several read is read from memory from the third time on, and a scan
 * pushes nothing out.
 *
 * What was read once is remembered in a bit per SEEN_CHUNK of a volume, by where the read began;
 * reads are larger than that, so two neighbours do not share a bit. Nothing depends on these bits
 * but speed. */
#include "storage-fs/volume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEEN_SHIFT = 17, SEEN_CHUNK = 1 << SEEN_SHIFT };

/* Marks the range; true when it was not marked. */
static bool
is_first_read(sluice_instance *fs, struct fs_volume *v, uint64_t at)
{
    bool is_first = false;
    uint64_t bit = at >> SEEN_SHIFT;
    pthread_mutex_lock(&fs->lock);
    if (v->seen == NULL) {
        v->seen = (uint8_t *)fs__alloc((size_t)(v->capacity >> SEEN_SHIFT) / 8 + 1);
    }
    if (at < v->capacity) {
        uint8_t mask = (uint8_t)(1U << (bit % 8));
        is_first = (v->seen[bit / 8] & mask) == 0;
        v->seen[bit / 8] |= mask;
    }
    pthread_mutex_unlock(&fs->lock);
    return is_first;
}

uint64_t
fs__direct_padded(uint64_t len)
{
    return len < SEEN_CHUNK ? len : (len + FS_BLOCK - 1) / FS_BLOCK * FS_BLOCK;
}

bool
fs__direct_read(sluice_instance *fs, struct fs_volume *v, uint8_t *out, size_t len, uint64_t at)
{
    size_t padded = (size_t)fs__direct_padded(len);
    size_t done = 0;
    bool is_fit = len >= SEEN_CHUNK && at % FS_BLOCK == 0 && (uintptr_t)out % FS_BLOCK == 0;
    if (!is_fit || !v->is_owned || !fs->is_fsync || !fs->wants_direct ||
        !is_first_read(fs, v, at)) {
        return false;
    }
    while (done < padded) {
        ssize_t n = pread(v->write_fd, out + done, padded - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0 || n % FS_BLOCK != 0) { /* whatever it is: the ordinary read meets it, too */
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

void
fs__direct_forget(sluice_instance *fs, struct fs_volume *v)
{
    pthread_mutex_lock(&fs->lock);
    free(v->seen);
    v->seen = NULL;
    pthread_mutex_unlock(&fs->lock);
}
