/* Finds the records of a volume and its end; see "Torn or broken" in volume.c.
 *
 * Reads CHUNK bytes at a time: records of a few KiB are then parsed from memory, and of large ones
 * only the beginning is read. Payloads are not read, except that of the last record of a volume
 * that was not closed. */
#include "storage-fs/volume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, LOOK_AHEAD = 32 << 20, LOOK_CHUNK = 1 << 20 };

struct scan {
    sluice_instance *fs;
    struct fs_volume *v;
    const struct fs_volume_header *header;
    uint64_t limit; /* records begin below it */
    uint8_t *chunk; /* LOOK_CHUNK bytes */
    uint64_t chunk_at;
    size_t chunk_length;
};

/* Gives FS_BLOCK bytes of the volume at pos; zeroes beyond the end of the file. */
static sluice_status
block_at(struct scan *s, uint64_t pos, size_t read_ahead, const uint8_t **ret)
{
    if (pos < s->chunk_at || pos + FS_BLOCK > s->chunk_at + s->chunk_length) {
        size_t done = 0;
        while (done < read_ahead) {
            ssize_t n =
                pread(s->v->read_fd, s->chunk + done, read_ahead - done, (off_t)(pos + done));
            if (n < 0 && errno == EINTR) {
                continue;
            }
            if (n < 0) {
                return fs__fail_sys(s->fs, errno, "read", s->v->name);
            }
            if (n == 0) {
                break;
            }
            done += (size_t)n;
        }
        memset(s->chunk + done, 0, read_ahead - done);
        s->chunk_at = pos;
        s->chunk_length = read_ahead;
    }
    *ret = s->chunk + (pos - s->chunk_at);
    return SLUICE_OK;
}

static bool
record_is_at(const struct scan *s, const uint8_t *block, uint64_t pos, struct fs_record *ret)
{
    const struct fs_volume *v = s->v;
    return fs__record_decode(block, ret) && ret->volume_id == v->id &&
           ret->generation == v->generation && ret->position == pos &&
           fs__record_total(ret) <= v->capacity - pos;
}

/* ---- into the index ---- */

static void
entry_fill(struct fs_entry *e, struct fs_volume *v, const struct fs_record *r)
{
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

/* Two records with one key: the greater sequence number wins, the other is deleted. */
static sluice_status
entry_settle(struct scan *s, struct fs_entry *e, const struct fs_record *r)
{
    struct fs_volume *loser = s->v;
    uint64_t at = r->position;
    if (e->volume == s->v && e->position == r->position) {
        return SLUICE_OK; /* seen before */
    }
    if (r->sequence > e->sequence) {
        loser = e->volume;
        at = e->position;
        fs__volume_unlive(s->fs, loser);
        entry_fill(e, s->v, r);
    }
    pthread_mutex_unlock(&s->fs->lock);
    sluice_status rc = fs__record_mark(s->fs, loser, at);
    pthread_mutex_lock(&s->fs->lock);
    return rc;
}

static sluice_status
record_add(struct scan *s, const struct fs_record *r)
{
    sluice_instance *fs = s->fs;
    sluice_status rc = SLUICE_OK;
    pthread_mutex_lock(&fs->lock);
    if (r->sequence >= fs->next_sequence) {
        fs->next_sequence = r->sequence + 1;
    }
    struct fs_entry *e = r->is_deleted ? NULL : fs__index_find(&fs->index, r->key);
    if (e != NULL) {
        rc = entry_settle(s, e, r);
    } else if (!r->is_deleted) {
        entry_fill(fs__index_add(&fs->index, r->key), s->v, r);
    }
    pthread_mutex_unlock(&fs->lock);
    return rc;
}

/* The record at pos is destroyed; what follows at `next` (or the closed header) knows its key. */
static void
corrupt_add(struct scan *s, const char *key, uint64_t pos, uint64_t next)
{
    sluice_instance *fs = s->fs;
    fs__log(fs, SLUICE_LOG_ERROR,
            "%s: " FS_VOLUMES_DIR "/%s is damaged at byte %llu: object %s cannot be read", fs->path,
            s->v->name, (unsigned long long)pos, key[0] == '\0' ? "(unknown)" : key);
    if (key[0] == '\0') {
        return;
    }
    pthread_mutex_lock(&fs->lock);
    if (fs__index_find(&fs->index, key) == NULL) {
        struct fs_record r = {.position = pos, .payload_offset = FS_BLOCK};
        struct fs_entry *e = fs__index_add(&fs->index, key);
        r.length = next - pos > FS_BLOCK ? next - pos - FS_BLOCK : 0;
        entry_fill(e, s->v, &r);
        e->is_corrupt = true;
    }
    pthread_mutex_unlock(&fs->lock);
}

/* ---- the walk ---- */

/* Looks for a valid record behind pos; gives its position, 0 when there is none near. */
static sluice_status
resync(struct scan *s, uint64_t pos, struct fs_record *ret, uint64_t *ret_at)
{
    bool is_closed = s->header->is_closed;
    uint64_t limit = is_closed || s->limit - pos < LOOK_AHEAD ? s->limit : pos + LOOK_AHEAD;
    *ret_at = 0;
    for (uint64_t at = pos + FS_BLOCK; at < limit; at += FS_BLOCK) {
        const uint8_t *block = NULL;
        sluice_status rc = block_at(s, at, LOOK_CHUNK, &block);
        if (rc != SLUICE_OK) {
            return rc;
        }
        if (record_is_at(s, block, at, ret)) {
            *ret_at = at;
            return SLUICE_OK;
        }
    }
    return SLUICE_OK;
}

/* Does the payload of the last record hold what its header says? */
static sluice_status
payload_check(struct scan *s, const struct fs_record *r, bool *ret_is_whole)
{
    uint32_t crc = 0;
    uint64_t at = r->position + r->payload_offset;
    for (uint64_t left = r->length; left > 0;) {
        size_t n = left < LOOK_CHUNK ? (size_t)left : LOOK_CHUNK;
        sluice_status rc = fs__read_exact(s->fs, s->v->read_fd, s->chunk, n, at, s->v->name);
        if (rc == SLUICE_ECORRUPT) {
            break; /* the file is too short */
        }
        if (rc != SLUICE_OK) {
            return rc;
        }
        crc = fs__crc32c(crc, s->chunk, n);
        at += n;
        left -= n;
    }
    s->chunk_length = 0;
    *ret_is_whole = crc == r->crc32c;
    return SLUICE_OK;
}

static void
tail_move(struct fs_volume *v, const struct fs_record *r)
{
    v->end = r->position + fs__record_total(r);
    v->last_position = r->position;
    memcpy(v->last_key, r->key, sizeof(v->last_key));
}

/* A volume that was not closed: its last record may be torn. */
static sluice_status
last_take(struct scan *s, const struct fs_record *r)
{
    bool is_whole = true;
    if (!s->header->is_closed) {
        sluice_status rc = payload_check(s, r, &is_whole);
        if (rc != SLUICE_OK) {
            return rc;
        }
    }
    if (!is_whole) {
        fs__log(s->fs, SLUICE_LOG_WARN,
                "%s: " FS_VOLUMES_DIR "/%s: dropped the unfinished record of %s at byte %llu",
                s->fs->path, s->v->name, r->key, (unsigned long long)r->position);
        return SLUICE_OK;
    }
    tail_move(s->v, r);
    return record_add(s, r);
}

/* Each record is added when the next one is found, so that the last can be looked at closely. */
static sluice_status
walk(struct scan *s, struct fs_record *held, struct fs_record *r)
{
    bool has_held = false;
    uint64_t pos = s->v->end;
    while (pos < s->limit) {
        const uint8_t *block = NULL;
        bool is_dense = s->chunk_length > 0 && pos <= s->chunk_at + s->chunk_length;
        sluice_status rc = block_at(s, pos, is_dense ? LOOK_CHUNK : CHUNK, &block);
        if (rc == SLUICE_OK && !record_is_at(s, block, pos, r)) {
            uint64_t next = 0;
            rc = resync(s, pos, r, &next);
            if (rc == SLUICE_OK && next == 0) {
                break;
            }
            if (rc == SLUICE_OK) {
                bool is_named = r->prev_position == pos;
                corrupt_add(s, is_named ? r->prev_key : "", pos, next);
                pos = next;
            }
        }
        if (rc == SLUICE_OK && has_held) {
            tail_move(s->v, held);
            rc = record_add(s, held);
        }
        if (rc != SLUICE_OK) {
            return rc;
        }
        memcpy(held, r, sizeof(*held));
        has_held = true;
        pos += fs__record_total(r);
    }
    return has_held ? last_take(s, held) : SLUICE_OK;
}

static void
closed_check(struct scan *s)
{
    const struct fs_volume_header *h = s->header;
    if (h->is_closed && s->v->end < h->end) {
        bool is_last = h->last_position >= s->v->end;
        corrupt_add(s, is_last ? h->last_key : "", is_last ? h->last_position : s->v->end, h->end);
        s->v->end = h->end;
        s->v->last_position = h->last_position;
        memcpy(s->v->last_key, h->last_key, sizeof(s->v->last_key));
    }
}

sluice_status
fs__volume_scan(sluice_instance *fs, struct fs_volume *v, const struct fs_volume_header *h)
{
    struct scan s = {.fs = fs, .v = v, .header = h};
    struct fs_record *records = (struct fs_record *)fs__alloc(2 * sizeof(*records));
    s.limit = h->is_closed ? h->end : v->capacity - FS_BLOCK + 1;
    s.chunk = (uint8_t *)fs__alloc(LOOK_CHUNK);
    sluice_status rc = walk(&s, &records[0], &records[1]);
    if (rc == SLUICE_OK) {
        closed_check(&s);
    }
    free(s.chunk);
    free(records);
    return rc;
}

/* ---- following other processes ---- */

/* The other process has put r in the place of *e, and deletes the old record itself. Holds the
 * lock. */
static void
follow_append(sluice_instance *fs, struct fs_volume *v, const struct fs_record *r)
{
    struct fs_entry *e = fs__index_find(&fs->index, r->key);
    if (r->sequence >= fs->next_sequence) {
        fs->next_sequence = r->sequence + 1;
    }
    if (!v->is_owned && r->position >= v->end) {
        tail_move(v, r);
    }
    if (r->is_deleted || (e != NULL && e->sequence >= r->sequence)) {
        return;
    }
    if (e == NULL) {
        e = fs__index_add(&fs->index, r->key);
    } else {
        fs__volume_unlive(fs, e->volume);
    }
    entry_fill(e, v, r);
}

static void
follow_delete(sluice_instance *fs, struct fs_volume *v, const struct fs_record *r)
{
    const struct fs_entry *e = fs__index_find(&fs->index, r->key);
    if (e != NULL && e->volume == v && e->position == r->position) {
        fs__index_remove(&fs->index, r->key);
        fs__volume_unlive(fs, v);
    }
}

static sluice_status
follow(sluice_instance *fs, struct fs_volume *v, struct fs_record *r, bool is_deleted)
{
    uint8_t block[FS_BLOCK];
    uint64_t position = r->position;
    sluice_status rc = fs__read_exact(fs, v->read_fd, block, FS_BLOCK, position, v->name);
    if (rc != SLUICE_OK) {
        return rc;
    }
    if (!fs__record_decode(block, r) || r->volume_id != v->id || r->generation != v->generation ||
        r->position != position) {
        return SLUICE_EAGAIN;
    }
    pthread_mutex_lock(&fs->lock);
    if (is_deleted) {
        follow_delete(fs, v, r);
    } else {
        follow_append(fs, v, r);
    }
    pthread_mutex_unlock(&fs->lock);
    return SLUICE_OK;
}

sluice_status
fs__record_follow(sluice_instance *fs, struct fs_volume *v, uint64_t position, bool is_deleted)
{
    struct fs_record *r = (struct fs_record *)fs__alloc(sizeof(*r));
    r->position = position;
    sluice_status rc = follow(fs, v, r, is_deleted);
    free(r);
    return rc;
}
