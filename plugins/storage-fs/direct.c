/* Reading past the page cache what nobody has read yet.
 *
 * Journal entries and segments are written past the page cache, so the first reader of a range
 * finds nothing there. Filling it costs more than all else that a broker does for a consumer, and
 * is in vain when nobody else comes by. So the first reads of a range go past the page cache too,
 * and a later one, by whoever, fills it: what several read is read from memory from then on, and a
 * scan pushes nothing out. In a volume the first two go past it, since one is the roller's.
 *
 * How often a range was read is counted in one of SLOTS bytes, chosen by the file and by the
 * SEEN_CHUNK of it in which the read began; reads are larger than that, so two neighbours do not
 * share one. When half of them are in use all are forgotten. Nothing depends on it but speed. */
#include "storage-fs/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { SEEN_SHIFT = 17, SEEN_CHUNK = 1 << SEEN_SHIFT, SLOTS_SHIFT = 18, SLOTS = 1 << SLOTS_SHIFT };

struct fs_seen {
    _Atomic uint32_t used;
    _Atomic uint8_t reads[SLOTS];
};

void
fs__direct_init(sluice_instance *fs)
{
    fs->seen = (struct fs_seen *)fs__alloc(sizeof(*fs->seen));
}

void
fs__direct_fini(sluice_instance *fs)
{
    free(fs->seen);
    fs->seen = NULL;
}

static void
forget_all(struct fs_seen *seen)
{
    atomic_store_explicit(&seen->used, 0, memory_order_relaxed);
    for (size_t i = 0; i < SLOTS; i++) {
        atomic_store_explicit(&seen->reads[i], 0, memory_order_relaxed);
    }
}

static size_t
slot_of(const struct fs_direct *d)
{
    uint64_t x = (d->file + 1) * 0x9e3779b97f4a7c15ULL + (d->at >> SEEN_SHIFT);
    x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93ULL; /* of a xorshift-multiply finalizer */
    return (size_t)(x >> (64 - SLOTS_SHIFT));
}

/* Counts this read; true when there were fewer before it than go past the page cache. */
static bool
is_early(struct fs_seen *seen, const struct fs_direct *d)
{
    _Atomic uint8_t *slot = &seen->reads[slot_of(d)];
    uint8_t n = atomic_load_explicit(slot, memory_order_relaxed);
    if (n >= d->times) {
        return false;
    }
    if (n == 0 && atomic_fetch_add_explicit(&seen->used, 1, memory_order_relaxed) >= SLOTS / 2) {
        forget_all(seen);
    }
    atomic_store_explicit(slot, (uint8_t)(n + 1), memory_order_relaxed);
    return true;
}

/* What is written of so many bytes. */
static size_t
padded_of(uint64_t len)
{
    return (size_t)(len < SEEN_CHUNK ? len : (len + FS_BLOCK - 1) / FS_BLOCK * FS_BLOCK);
}

sluice_buf *
fs__body_new(sluice_instance *fs, const char *key, uint64_t len, uint8_t **ret_out)
{
    sluice_buf *body = fs->host->buf_new(fs->host, padded_of(len), ret_out);
    if (body == NULL) {
        (void)fs__fail(fs, SLUICE_ENOMEM, "no memory for %llu bytes of %.100s",
                       (unsigned long long)len, key);
        return NULL;
    }
    body->bytes.len = (size_t)len;
    return body;
}

sluice_status
fs__body_give(sluice_status rc, sluice_buf *body, sluice_get_result *result)
{
    if (rc == SLUICE_OK) {
        result->body = body;
    } else {
        body->release(body);
    }
    return rc;
}

/* Whatever goes wrong: the ordinary read meets it, too. The end of a file may lie in a block. */
static bool
read_past(const struct fs_direct *d, uint8_t *out, size_t len)
{
    size_t padded = padded_of(len);
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(d->fd, out + done, padded - done, (off_t)(d->at + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        done += (size_t)n;
        if (n % FS_BLOCK != 0) {
            break;
        }
    }
    return done >= len;
}

bool
fs__direct_read(sluice_instance *fs, const struct fs_direct *d, uint8_t *out, size_t len)
{
    bool is_fit = len >= SEEN_CHUNK && d->at % FS_BLOCK == 0 && (uintptr_t)out % FS_BLOCK == 0;
    if (!is_fit || !fs->is_fsync || !fs->wants_direct || !is_early(fs->seen, d)) {
        return false;
    }
    if (!d->is_own) {
        return read_past(d, out, len);
    }
    int flags = fcntl(d->fd, F_GETFL);
    if (flags < 0 || fcntl(d->fd, F_SETFL, flags | O_DIRECT) != 0) {
        return false;
    }
    return read_past(d, out, len) || fcntl(d->fd, F_SETFL, flags) != 0;
}
