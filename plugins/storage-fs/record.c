/* Records: how an object is laid out in a volume, and written.
 *
 * Up to COPY_MAX bytes header and payload are copied into one block-aligned buffer and written in
 * one go: a 1 KiB entry is a single 4 KiB write. A larger object whose parts hold a long run of
 * bytes at a 4096-aligned address goes out without a copy: what comes before that run is placed so
 * that it ends at a block boundary right behind the header, the run's whole blocks are written from
 * where they lie, and the rest is copied into the last blocks. Anything else is copied. */
#include "storage-fs/volume.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COPY_MAX = 128 * 1024, RUN_MIN = 64 * 1024, BOUNCE_KEEP = 256 * 1024, READY_MAX = 4 };
static const uint64_t volume_size_min = 1 << 20;

/* Which bytes go out from where they lie: whole blocks of parts[run]. */
struct layout {
    size_t run;      /* put->count: none */
    uint64_t before; /* bytes of the object before the run */
    uint64_t length; /* of the run, whole blocks */
};

static struct layout
layout_choose(const struct fs_put *put)
{
    struct layout l = {.run = put->count};
    uint64_t before = 0;
    if (put->len <= COPY_MAX) {
        return l;
    }
    for (size_t i = 0; i < put->count && before <= COPY_MAX; i++) {
        const sluice_slice *p = &put->parts[i];
        if ((uintptr_t)p->ptr % FS_BLOCK == 0 && p->len >= RUN_MIN) {
            return (struct layout){i, before, p->len / FS_BLOCK * FS_BLOCK};
        }
        before += p->len;
    }
    return l;
}

static uint64_t
blocks_up(uint64_t n)
{
    return (n + FS_BLOCK - 1) / FS_BLOCK * FS_BLOCK;
}

/* Where the payload begins in the record. */
static uint32_t
payload_offset(const struct fs_put *put, const struct layout *l, size_t header_size)
{
    if (l->run == put->count) {
        return (uint32_t)header_size;
    }
    return (uint32_t)(blocks_up(header_size + l->before) - l->before);
}

uint64_t
fs__record_max(const sluice_instance *fs)
{
    return fs->volume_size / 4;
}

/* Bytes that the put takes in a volume whose last key has any length. */
static uint64_t
total_at_most(const struct fs_put *put, const struct layout *l)
{
    size_t header = FS_RECORD_FIXED + 2 * (size_t)FS_KEY_MAX;
    return blocks_up(payload_offset(put, l, header) + put->len);
}

/* ---- taking a volume ---- */

static void
free_drop(sluice_instance *fs, struct fs_volume **at)
{
    struct fs_volume *v = *at;
    *at = v->next;
    v->next = NULL;
    if (v->is_fresh) {
        v->is_fresh = false;
        fs->volumes.ready--;
    }
}

/* Takes the first free volume with room; those that are nearly full leave the list. */
static struct fs_volume *
free_take(sluice_instance *fs, uint64_t total)
{
    struct fs_volume **at = &fs->volumes.free;
    while (*at != NULL) {
        struct fs_volume *v = *at;
        uint64_t left = v->capacity - v->end;
        if (total <= left) {
            free_drop(fs, at);
            return v;
        }
        if (left <= v->capacity / 4) {
            free_drop(fs, at);
            v->is_full = true;
            v->live++;
            fs__volume_unlive(fs, v);
            if (fs->volumes.wanted == 0) {
                fs->volumes.wanted = 1;
            }
            fs->volumes.has_failed = false;
            continue;
        }
        at = &v->next;
    }
    return NULL;
}

static struct fs_volume *
spent_take(sluice_instance *fs, uint64_t total)
{
    for (struct fs_volume **at = &fs->volumes.spent; *at != NULL; at = &(*at)->next) {
        struct fs_volume *v = *at;
        if (v->pins == 0 && total <= v->capacity - FS_VOLUME_FIRST) {
            *at = v->next;
            v->next = NULL;
            return v;
        }
    }
    return NULL;
}

/* Makes a volume; a smaller one where the disk has no room for a whole. */
static sluice_status
create_some(sluice_instance *fs, uint64_t total, struct fs_volume **ret)
{
    uint64_t need = blocks_up(total + FS_VOLUME_FIRST);
    uint64_t size = fs->volume_size > need ? fs->volume_size : need;
    sluice_status rc = fs__volume_create(fs, size, false, ret);
    while (rc == SLUICE_ENOSPC && size / 2 >= need && size / 2 >= volume_size_min) {
        size /= 2;
        rc = fs__volume_create(fs, size, false, ret);
    }
    return rc;
}

/* Neither free nor spent: makes one. SLUICE_EAGAIN: look again, somebody gave one back. Holds the
 * lock. */
static sluice_status
create_or_wait(sluice_instance *fs, uint64_t total, struct fs_volume **ret)
{
    if (fs->volumes.wanted > 0 && fs->volumes.wanted < READY_MAX) {
        fs->volumes.wanted++;
    }
    uint64_t prepared = fs->volumes.prepared;
    pthread_mutex_unlock(&fs->lock);
    sluice_status rc = create_some(fs, total, ret);
    pthread_mutex_lock(&fs->lock);
    if (rc == SLUICE_ENOSPC && prepared != fs->volumes.prepared) {
        return SLUICE_EAGAIN; /* the preparer had the space, and has let go of it or shares it */
    }
    if (rc == SLUICE_ENOSPC && (fs->volumes.busy > 0 || fs->volumes.is_preparing)) {
        pthread_cond_wait(&fs->volumes.changed, &fs->lock);
        return SLUICE_EAGAIN;
    }
    return rc;
}

/* Holds the lock. */
static void
volume_give(sluice_instance *fs, struct fs_volume *v)
{
    v->is_busy = false;
    v->next = fs->volumes.free;
    fs->volumes.free = v;
    fs->volumes.busy--;
    pthread_cond_broadcast(&fs->volumes.changed);
    if (fs->volumes.wanted == 0 && v->end > v->capacity / 2) {
        fs->volumes.wanted = 1;
        fs__prepare_nudge(fs);
    }
}

/* Makes a volume that was taken ready for a record. */
static sluice_status
volume_begin(sluice_instance *fs, struct fs_volume *v)
{
    if (v->is_spent) {
        sluice_status rc = fs__volume_recycle(fs, v);
        pthread_mutex_lock(&fs->lock);
        fs__change_tell(fs, FS_RECYCLED, v, 0);
        pthread_mutex_unlock(&fs->lock);
        return rc;
    }
    return v->is_closed ? fs__volume_header_write(fs, v, false) : SLUICE_OK;
}

/* Gives a volume with room for total bytes that nobody else writes; to be given back. */
static sluice_status
volume_take(sluice_instance *fs, uint64_t total, struct fs_volume **ret)
{
    sluice_status rc;
    struct fs_volume *v;
    pthread_mutex_lock(&fs->lock);
    do {
        v = free_take(fs, total);
        v = v != NULL ? v : spent_take(fs, total);
        rc = v != NULL ? SLUICE_OK : create_or_wait(fs, total, &v);
    } while (rc == SLUICE_EAGAIN);
    if (rc == SLUICE_OK) {
        v->is_busy = true;
        fs->volumes.busy++;
    }
    fs__prepare_nudge(fs);
    pthread_mutex_unlock(&fs->lock);
    if (rc != SLUICE_OK) {
        return rc;
    }
    rc = volume_begin(fs, v);
    if (rc != SLUICE_OK) {
        pthread_mutex_lock(&fs->lock);
        volume_give(fs, v);
        pthread_mutex_unlock(&fs->lock);
        return rc;
    }
    *ret = v;
    return SLUICE_OK;
}

/* ---- writing ---- */

static uint8_t *
bounce_get(struct fs_volume *v, size_t size)
{
    if (v->bounce_size < size) {
        free(v->bounce);
        v->bounce = (uint8_t *)fs__alloc_blocks(size);
        v->bounce_size = size;
    }
    return v->bounce;
}

static void
bounce_trim(struct fs_volume *v)
{
    if (v->bounce_size > BOUNCE_KEEP) {
        free(v->bounce);
        v->bounce = NULL;
        v->bounce_size = 0;
    }
}

static uint32_t
parts_crc(const struct fs_put *put)
{
    if ((put->flags & SLUICE_PUT_CRC32C) != 0) {
        return put->crc32c;
    }
    uint32_t crc = 0;
    for (size_t i = 0; i < put->count; i++) {
        crc = fs__crc32c(crc, put->parts[i].ptr, put->parts[i].len);
    }
    return crc;
}

static void
record_describe(const struct fs_volume *v, const struct fs_put *put, const struct layout *l,
                struct fs_record *r)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    r->volume_id = v->id;
    r->generation = v->generation;
    r->position = v->end;
    r->length = put->len;
    r->crc32c = parts_crc(put);
    r->modified_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    r->prev_position = v->last_position;
    r->is_deleted = false;
    memcpy(r->key, put->key, strlen(put->key) + 1);
    memcpy(r->prev_key, v->last_key, sizeof(r->prev_key));
    r->payload_offset = payload_offset(put, l, fs__record_header_size(r));
}

/* Copies parts[from..to) to out and gives what follows. */
static uint8_t *
parts_copy(const struct fs_put *put, size_t from, size_t to, uint8_t *out)
{
    for (size_t i = from; i < to; i++) {
        if (put->parts[i].len > 0) {
            memcpy(out, put->parts[i].ptr, put->parts[i].len);
            out += put->parts[i].len;
        }
    }
    return out;
}

static int
write_copied(sluice_instance *fs, struct fs_volume *v, const struct fs_put *put,
             const struct fs_record *r)
{
    size_t total = (size_t)fs__record_total(r);
    uint8_t *out = bounce_get(v, total);
    fs__record_encode(r, out);
    uint8_t *end = parts_copy(put, 0, put->count, out + r->payload_offset);
    memset(end, 0, (size_t)(out + total - end));
    struct iovec iov = {out, total};
    return fs__volume_write(fs, v, &iov, 1, r->position);
}

static int
write_in_place(sluice_instance *fs, struct fs_volume *v, const struct fs_put *put,
               const struct layout *l, const struct fs_record *r)
{
    const sluice_slice *run = &put->parts[l->run];
    size_t total = (size_t)fs__record_total(r);
    size_t head = (size_t)(r->payload_offset + l->before);
    size_t tail = total - head - (size_t)l->length;
    uint8_t *out = bounce_get(v, head + tail);
    size_t header_size = fs__record_header_size(r);
    memset(out + header_size, 0, r->payload_offset - header_size);
    fs__record_encode(r, out);
    (void)parts_copy(put, 0, l->run, out + r->payload_offset);
    size_t rest = run->len - (size_t)l->length;
    memcpy(out + head, run->ptr + l->length, rest);
    uint8_t *end = parts_copy(put, l->run + 1, put->count, out + head + rest);
    memset(end, 0, (size_t)(out + head + tail - end));
    struct iovec iov[3] = {
        {out, head}, {(void *)(uintptr_t)run->ptr, (size_t)l->length}, {out + head, tail}};
    return fs__volume_write(fs, v, iov, tail > 0 ? 3 : 2, r->position);
}

/* The write failed for want of space: takes back what may have become of it. */
static sluice_status
write_undo(sluice_instance *fs, struct fs_volume *v, const struct fs_record *r, int failed)
{
    if (failed != ENOSPC && failed != EDQUOT) {
        return fs__poison(fs, failed, "writing to", v->name);
    }
    uint8_t *out = bounce_get(v, FS_BLOCK);
    memset(out, 0, FS_BLOCK);
    struct iovec iov = {out, FS_BLOCK};
    int again = fs__volume_write(fs, v, &iov, 1, r->position);
    if (again != 0) {
        return fs__poison(fs, again, "writing to", v->name);
    }
    return fs__fail_sys(fs, failed, "write", r->key);
}

static sluice_status
record_write(sluice_instance *fs, struct fs_volume *v, const struct fs_put *put,
             const struct layout *l, const struct fs_record *r)
{
    int failed =
        l->run == put->count ? write_copied(fs, v, put, r) : write_in_place(fs, v, put, l, r);
    sluice_status rc = failed == 0 ? SLUICE_OK : write_undo(fs, v, r, failed);
    bounce_trim(v);
    return rc;
}

/* ---- showing ---- */

struct place {
    struct fs_volume *volume;
    uint64_t position;
};

/* Puts the record into the index; *old is what it replaces (volume NULL: nothing). Holds the lock.
 */
static void
record_show(sluice_instance *fs, struct fs_volume *v, const struct fs_record *r, struct place *old)
{
    struct fs_entry *e = fs__index_find(&fs->index, r->key);
    *old = (struct place){NULL, 0};
    if (e == NULL) {
        e = fs__index_add(&fs->index, r->key);
    } else if (e->sequence != 0) { /* 0: planted mistake */
        *old = (struct place){e->volume, e->position};
    }
    e->volume = v;
    e->position = r->position;
    e->length = r->length;
    e->sequence = r->sequence;
    e->modified_ms = r->modified_ms;
    e->crc32c = r->crc32c;
    e->payload_offset = r->payload_offset;
    e->is_corrupt = false;
    v->live++;
}

static void
tail_move(struct fs_volume *v, const struct fs_record *r)
{
    v->end = r->position + fs__record_total(r);
    v->last_position = r->position;
    memcpy(v->last_key, r->key, strlen(r->key) + 1);
}

/* Planted for the tests that must catch it: the record is in the index before it is on disk. */
static void
mistake_show_early(sluice_instance *fs, struct fs_volume *v, const struct fs_record *r)
{
    struct place old;
    pthread_mutex_lock(&fs->lock);
    record_show(fs, v, r, &old);
    v->live--;
    fs__index_find(&fs->index, r->key)->sequence = 0;
    pthread_mutex_unlock(&fs->lock);
}

sluice_status
fs__record_put(sluice_instance *fs, const struct fs_put *put)
{
    struct layout l = layout_choose(put);
    struct fs_record r;
    struct fs_volume *v = NULL;
    struct place old;
    sluice_status rc = volume_take(fs, total_at_most(put, &l), &v);
    if (rc != SLUICE_OK) {
        return rc;
    }
    pthread_mutex_lock(&fs->lock);
    r.sequence = fs->next_sequence++;
    pthread_mutex_unlock(&fs->lock);
    record_describe(v, put, &l, &r);
    if ((fs->io->mistakes & FS_MISTAKE_VISIBLE_EARLY) != 0) {
        mistake_show_early(fs, v, &r);
    }
    rc = record_write(fs, v, put, &l, &r);
    pthread_mutex_lock(&fs->lock);
    old.volume = NULL;
    if (rc == SLUICE_OK) {
        tail_move(v, &r);
        record_show(fs, v, &r, &old);
        fs__change_tell(fs, FS_APPENDED, v, r.position);
    }
    volume_give(fs, v);
    pthread_mutex_unlock(&fs->lock);
    if (old.volume != NULL) {
        sluice_status marked = fs__record_mark(fs, old.volume, old.position);
        (void)marked; /* the new one is stored; a failure has poisoned the store */
        pthread_mutex_lock(&fs->lock);
        fs__volume_unlive(fs, old.volume);
        fs__change_tell(fs, FS_DELETED, old.volume, old.position);
        pthread_mutex_unlock(&fs->lock);
    }
    return rc;
}
