/* Volume files: preallocated, strictly sequential, recycled. The essay is at the top of volume.c.
 *
 * Threads:  fields are guarded by the store's lock, but for what a writer owns while is_busy.
 * Lifetime: from load or create until the store is closed, or its file removed. */
#ifndef SLUICE_STORAGE_FS_VOLUME_H
#define SLUICE_STORAGE_FS_VOLUME_H

#include "storage-fs/format.h"

struct fs_volume {
    struct fs_volume *next_all, *next; /* next: on `free` or `spent` */
    char name[24];                     /* in +volumes */
    int write_fd;                      /* O_DIRECT and O_DSYNC as far as they go */
    int read_fd;
    bool is_owned;  /* this process holds its lock: only we append */
    bool is_busy;   /* one put, or the preparer, works on it without the lock */
    bool is_full;   /* nothing is appended any more */
    bool is_spent;  /* on `spent` */
    bool is_fresh;  /* prepared and not used yet */
    bool is_closed; /* its header says closed: to be opened before the next append */
    uint64_t id, generation, revision, capacity;
    uint64_t end; /* where the next record goes */
    uint64_t last_position;
    char last_key[FS_KEY_MAX + 1];
    uint64_t live; /* records in the index */
    uint32_t pins; /* readers */
    uint8_t *bounce;
    size_t bounce_size;
};

/* ---- volume.c ---- */
struct fs_volume *fs__volume_new(void);
void fs__volume_free(sluice_instance *fs, struct fs_volume *v);
/* Opens for writing, without O_DIRECT where the file system does not take it. */
int fs__volume_open_file(sluice_instance *fs, int dir, const char *name, int more_flags);

/* Writes closed headers and frees. */
void fs__volumes_close(sluice_instance *fs);

/* Makes a volume of `size` bytes, ours, its file durable; zeroes written all over when is_prepared.
 */
FS_MUST_CHECK sluice_status fs__volume_create(sluice_instance *fs, uint64_t size, bool is_prepared,
                                              struct fs_volume **ret);
/* Writes the header; the next revision. The caller is its only writer. */
FS_MUST_CHECK sluice_status fs__volume_header_write(sluice_instance *fs, struct fs_volume *v,
                                                    bool is_closed);
/* Begins a new generation of a spent volume. The caller has taken it off `spent`. */
FS_MUST_CHECK sluice_status fs__volume_recycle(sluice_instance *fs, struct fs_volume *v);
/* Writes all of iov at `at`, durable as configured; gives 0 or errno. */
int fs__volume_write(sluice_instance *fs, const struct fs_volume *v, struct iovec *iov, int count,
                     uint64_t at);
/* One record less is live; a full volume without any becomes spent. Holds the lock. */
void fs__volume_unlive(sluice_instance *fs, struct fs_volume *v);
/* Removes spent volumes beyond a few, so that space goes back to the file system. */
void fs__volumes_trim(sluice_instance *fs);

/* ---- load.c ---- */
/* Opens what lies in +volumes and fills the index. */
FS_MUST_CHECK sluice_status fs__volumes_open(sluice_instance *fs);
/* Fills the index anew: other processes did what we could not follow. Readers are kept out. */
FS_MUST_CHECK sluice_status fs__volumes_reread(sluice_instance *fs);
/* Gives the volume of that id, loading it if it is new; NULL when there is none. */
struct fs_volume *fs__volume_find(sluice_instance *fs, uint64_t id);
/* Closes another's volume of this id, 0: all of them, if its owner has removed it. Readers are kept
 * out. */
void fs__volumes_let_go(sluice_instance *fs, uint64_t id);
/* Its owner began a new generation. SLUICE_EAGAIN: cannot follow. */
FS_MUST_CHECK sluice_status fs__volume_follow_recycled(sluice_instance *fs, struct fs_volume *v);

/* ---- scan.c ---- */
/* Reads the records from v->end on into the index and finds the end. h is its header. */
FS_MUST_CHECK sluice_status fs__volume_scan(sluice_instance *fs, struct fs_volume *v,
                                            const struct fs_volume_header *h);

/* Takes over what another process did to the record at `position`: appended or deleted it.
 * SLUICE_EAGAIN: cannot follow. */
FS_MUST_CHECK sluice_status fs__record_follow(sluice_instance *fs, struct fs_volume *v,
                                              uint64_t position, bool is_deleted);

/* ---- record.c ---- */
/* Appends the object to a volume and shows it. The key is claimed. */
FS_MUST_CHECK sluice_status fs__record_put(sluice_instance *fs, const struct fs_put *put);
/* Largest object that goes into volumes. */
uint64_t fs__record_max(const sluice_instance *fs);

/* ---- erase.c ---- */
/* Marks a record deleted on disk, durably. */
FS_MUST_CHECK sluice_status fs__record_mark(sluice_instance *fs, const struct fs_volume *v,
                                            uint64_t position);
/* Deletes a key that is in the index. The key is claimed. */
FS_MUST_CHECK sluice_status fs__record_del(sluice_instance *fs, const char *key);

/* ---- fetch.c ---- */
/* Gives SLUICE_ENOENT when the key is in no volume. range NULL: only its size (head). */
FS_MUST_CHECK sluice_status fs__record_get(sluice_instance *fs, const char *key,
                                           const struct fs_range *range, sluice_get_result *result);

/* ---- prepare.c ---- */
/* A volume was used up, or half of one: the preparer may have work. Holds the lock. */
void fs__prepare_nudge(sluice_instance *fs);
void fs__prepare_stop(sluice_instance *fs);

#endif
