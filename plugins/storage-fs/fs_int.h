/* Private to the file store.
 *
 * One instance is one directory. `lock` guards everything that is not marked otherwise; it is held
 * for memory work only, never across a system call that may wait for a disk. */
#ifndef SLUICE_STORAGE_FS_INT_H
#define SLUICE_STORAGE_FS_INT_H

#include "storage-fs/fs_io.h"
#include "storage-fs/index.h"
#include "storage-fs/share.h"

#include <limits.h>
#include <pthread.h>
#include <sluice/storage.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FS_MUST_CHECK __attribute__((warn_unused_result))
#define FS_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

enum { FS_KEY_MAX = 512, FS_WHY_MAX = 200, FS_PART_MAX = 255 };

/* Names that no key can have: '+' is outside the alphabet of keys. */
#define FS_TMP_DIR "+tmp"
#define FS_VOLUMES_DIR "+volumes"

struct fs_volume;

/* A key that somebody works on. Whoever finds it waits for its end; it is made on the stack of the
 * call that works. */
struct fs_claim {
    struct fs_claim *next;
    const char *key;
    bool is_new;    /* a plain file that did not exist before is being published */
    bool is_doomed; /* its fsync failed: neither stored nor not; stays claimed until restart */
};

struct sluice_instance {
    const sluice_host *host;
    const struct fs_io *io;

    /* set by configure, constant afterwards */
    char *path;
    bool is_fsync;             /* durability = fsync */
    _Atomic bool wants_direct; /* until a file system refuses */
    uint64_t volume_size;

    int root_fd, tmp_fd, volumes_fd;
    _Atomic uint64_t next_tmp;
    struct fs_seen *seen; /* direct.c */
    _Atomic bool is_poisoned;
    char poison_why[FS_WHY_MAX]; /* written once, before is_poisoned is set */

    pthread_mutex_t lock;
    pthread_cond_t claims_changed;
    struct fs_claim *claims;

    struct fs_share share;
    struct fs_index index;
    uint64_t next_sequence; /* greater than that of every record seen */
    struct {
        struct fs_volume *failed; /* not loaded; kept until close, as an entry may point there */
        struct fs_volume *all;    /* every volume file */
        struct fs_volume *free;   /* ours, with room, nobody writes; the last used first */
        struct fs_volume *spent;  /* ours, full, without a live record: to be recycled */
        size_t busy;              /* taken by a put */
        pthread_cond_t changed;   /* one came back */
        uint32_t ready, wanted;   /* prepared and untouched ones: how many there are, should be */
        bool is_preparing;        /* the preparer holds space of a volume to be */
        uint64_t prepared;        /* volumes it has tried to make */
        bool has_failed;          /* the preparer waits until a volume is used up */
        bool is_stopping;
        bool has_preparer;
        pthread_cond_t prepare;
        pthread_t preparer;
    } volumes;

    pthread_mutex_t dirs_lock; /* "is the directory there, else make it durable" is one step */
};

const struct fs_io *fs__io_current(void);

/* ---- alloc.c: small allocations, which do not come back NULL ---- */
void *fs__alloc(size_t n); /* zeroed */
void *fs__realloc(void *p, size_t n);
void *fs__alloc_blocks(size_t n); /* zeroed, 4096-aligned */
char *fs__strdup(const char *s);

/* ---- crc.c ---- */
/* crc is the checksum of what came before, 0 at the beginning. */
uint32_t fs__crc32c(uint32_t crc, const void *data, size_t n);

/* ---- fail.c: sentences ---- */

/* Says why on the current call and gives status back. */
sluice_status fs__fail(sluice_instance *fs, sluice_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a system call that failed with sys_errno while doing `what` to `name`; chooses the
 * status. */
sluice_status fs__fail_sys(sluice_instance *fs, int sys_errno, const char *what, const char *name);
/* A sync failed: nothing may be stored until restart. Gives SLUICE_EUNKNOWN. */
sluice_status fs__poison(sluice_instance *fs, int sys_errno, const char *what, const char *name);
/* SLUICE_OK, or the refusal of a poisoned store. */
sluice_status fs__poison_check(sluice_instance *fs);
void fs__log(sluice_instance *fs, int32_t level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- key.c ---- */

/* Copies a key into out[FS_KEY_MAX + 1] after checking it. */
FS_MUST_CHECK sluice_status fs__key_copy(sluice_instance *fs, sluice_slice key, char *out);
/* Can it stand between two slashes of a key? */
bool fs__key_part_is_sound(const char *part);

/* ---- direct.c ---- */
struct fs_direct {
    int fd;
    bool is_own;   /* the caller's alone: O_DIRECT is set; else it is set as far as it goes */
    uint8_t times; /* how many reads of a range go past the page cache */
    uint64_t file; /* never the same for other bytes, about */
    uint64_t at;
};
void fs__direct_init(sluice_instance *fs);
void fs__direct_fini(sluice_instance *fs);
/* A body with room for what fs__direct_read writes of so many bytes. NULL: no memory, which was
 * told. */
sluice_buf *fs__body_new(sluice_instance *fs, const char *key, uint64_t len, uint8_t **ret_out);
/* Takes body: into the result, or, when rc says that it could not be read, away. Gives rc. */
sluice_status fs__body_give(sluice_status rc, sluice_buf *body, sluice_get_result *result);
/* Reads a range past the page cache if it is large, well aligned, and not read so often yet. False:
 * nothing was read that counts; read it otherwise. [any] */
bool fs__direct_read(sluice_instance *fs, const struct fs_direct *d, uint8_t *out, size_t len);

/* ---- share.c: several processes. All but open and close hold the lock. ---- */

/* Takes part in the directory's life and leaves its lock taken, until ready. */
FS_MUST_CHECK sluice_status fs__share_open(sluice_instance *fs, bool *ret_is_alone);
/* The index is filled. Does not hold the lock. */
void fs__share_ready(sluice_instance *fs);
/* Closes the volumes and leaves. */
void fs__share_close(sluice_instance *fs);
/* Keeps other processes out and knows what they did before. May let go of the lock meanwhile. */
FS_MUST_CHECK sluice_status fs__enter(sluice_instance *fs);
void fs__leave(sluice_instance *fs);
/* Has another process changed something that is not in our index? */
bool fs__is_behind(const sluice_instance *fs);
/* Tells the others; after it is durable, while we are inside. */
void fs__change_tell(sluice_instance *fs, uint32_t kind, const struct fs_volume *v,
                     uint64_t position);
/* Around the time in which a file's name is visible but not durable. [any] */
void fs__publish_begin(sluice_instance *fs);
void fs__publish_end(sluice_instance *fs);
bool fs__others_publish(const sluice_instance *fs);

/* plugin.c: makes and opens a directory below the root. */
FS_MUST_CHECK sluice_status fs__subdir_open(sluice_instance *fs, const char *name, int *ret);

/* ---- claim.c: one writer per key ---- */

/* Waits until nobody works on key, then claims it. SLUICE_EIO for a doomed one. Holds the lock. */
FS_MUST_CHECK sluice_status fs__claim_take(sluice_instance *fs, struct fs_claim *c,
                                           const char *key);
void fs__claim_give(sluice_instance *fs, struct fs_claim *c);
/* Gives the claim on key, NULL when there is none. Holds the lock. */
struct fs_claim *fs__claim_find(const sluice_instance *fs, const char *key);
/* Keeps the key claimed until restart. Holds the lock. */
void fs__claim_doom(sluice_instance *fs, struct fs_claim *c);

/* ---- plain.c: one file per object ---- */

struct fs_put {
    const char *key;
    const sluice_slice *parts;
    size_t count;
    uint64_t len;
    uint32_t flags; /* SLUICE_PUT_* */
    uint32_t crc32c;
    struct fs_claim *claim;
};

/* The key is claimed by the caller. */
FS_MUST_CHECK sluice_status fs__plain_put(sluice_instance *fs, const struct fs_put *put);
FS_MUST_CHECK sluice_status fs__plain_del(sluice_instance *fs, const char *key);
/* SLUICE_ENOENT when there is no such file, or none that is durable yet. range NULL: only its size.
 */
struct fs_range {
    uint64_t offset, length; /* length 0: to the end */
};
/* What there is of it in an object of that size; length 0: nothing. */
static inline struct fs_range
fs__range_within(const struct fs_range *r, uint64_t size)
{
    uint64_t left = r->offset < size ? size - r->offset : 0;
    return (struct fs_range){r->offset, r->length == 0 || r->length > left ? left : r->length};
}
FS_MUST_CHECK sluice_status fs__plain_get(sluice_instance *fs, const char *key,
                                          const struct fs_range *range, sluice_get_result *result);
/* Is there a file of that name? Follows no promise about durability. */
bool fs__plain_exists(const sluice_instance *fs, const char *key);
/* Reads exactly len bytes at `at` into a buffer of the host's. */
FS_MUST_CHECK sluice_status fs__read_exact(sluice_instance *fs, int fd, void *out, size_t len,
                                           uint64_t at, const char *name);

/* ---- list.c ---- */

struct fs_listed {
    char *key;
    uint64_t size;
    int64_t modified_ms;
};
struct fs_listing {
    struct fs_listed *items;
    size_t count, cap;
    size_t max;
    const char *prefix, *after;
};
FS_MUST_CHECK sluice_status fs__listing_add(struct fs_listing *l, const char *key, uint64_t size,
                                            int64_t modified_ms);
void fs__listing_fini(struct fs_listing *l);
/* Gathers up to l->max plain files that match, ascending. */
FS_MUST_CHECK sluice_status fs__plain_list(sluice_instance *fs, struct fs_listing *l);
/* The same for records in volumes. */
FS_MUST_CHECK sluice_status fs__record_list(sluice_instance *fs, struct fs_listing *l);

#endif
