/* Finding the volumes of a directory, at opening time and again when other processes did what could
 * not be followed change by change. Volumes are read side by side by a few threads. */
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
#include <sys/stat.h>
#include <unistd.h>

enum { LOADERS = 4 };

static bool
header_read(const struct fs_volume *v, struct fs_volume_header *ret)
{
    bool is_found = false;
    struct fs_volume_header h;
    uint8_t block[FS_BLOCK];
    for (int i = 0; i < 2; i++) {
        if (pread(v->read_fd, block, sizeof(block), (off_t)i * FS_BLOCK) != FS_BLOCK ||
            !fs__volume_header_decode(block, &h)) {
            continue;
        }
        bool is_newer = !is_found || h.generation > ret->generation ||
                        (h.generation == ret->generation && h.revision > ret->revision);
        if (is_newer) {
            *ret = h;
            is_found = true;
        }
    }
    return is_found;
}

/* Puts a volume that was read where it belongs: free, full, or full and spent. Holds the lock. */
static void
volume_place(sluice_instance *fs, struct fs_volume *v)
{
    if (!v->is_owned || v->is_busy) {
        return;
    }
    if (v->capacity - v->end < v->capacity / 8) {
        v->is_full = true;
        v->live++;
        fs__volume_unlive(fs, v);
        return;
    }
    v->next = fs->volumes.free;
    fs->volumes.free = v;
}

static sluice_status
volume_read(sluice_instance *fs, struct fs_volume *v)
{
    struct fs_volume_header h;
    if (!header_read(v, &h)) {
        return fs__fail(fs, SLUICE_ECORRUPT,
                        "%s: neither header of " FS_VOLUMES_DIR "/%s is valid; restore the file or "
                        "move it away and lose what it holds",
                        fs->path, v->name);
    }
    v->id = h.id;
    v->generation = h.generation;
    v->revision = h.revision;
    v->capacity = h.capacity;
    v->is_closed = h.is_closed;
    return fs__volume_scan(fs, v, &h);
}

/* Loads the file and gives it a place; *ret may be NULL. */
static sluice_status
volume_load(sluice_instance *fs, const char *name, struct fs_volume **ret)
{
    struct fs_volume *v = fs__volume_new();
    (void)snprintf(v->name, sizeof(v->name), "%s", name);
    v->write_fd = fs__volume_open_file(fs, fs->volumes_fd, name, 0);
    v->read_fd = openat(fs->volumes_fd, name, O_RDONLY | O_CLOEXEC);
    if (v->write_fd < 0 || v->read_fd < 0) {
        sluice_status failed = fs__fail_sys(fs, errno, "open the volume", name);
        fs__volume_free(fs, v);
        return failed;
    }
    v->is_owned = flock(v->write_fd, LOCK_EX | LOCK_NB) == 0;
    sluice_status rc = volume_read(fs, v);
    pthread_mutex_lock(&fs->lock);
    struct fs_volume **list = rc == SLUICE_OK ? &fs->volumes.all : &fs->volumes.failed;
    v->next_all = *list;
    *list = v;
    if (rc == SLUICE_OK) {
        volume_place(fs, v);
    }
    pthread_mutex_unlock(&fs->lock);
    if (rc == SLUICE_OK && ret != NULL) {
        *ret = v;
    }
    return rc;
}

static bool
name_is_volume(const char *name)
{
    return strlen(name) == 20 && strcmp(name + 16, ".vol") == 0;
}

static struct fs_volume *
find_by_name(const sluice_instance *fs, const char *name)
{
    struct fs_volume *v = fs->volumes.all;
    while (v != NULL && strcmp(v->name, name) != 0) {
        v = v->next_all;
    }
    return v;
}

/* The volume files that are not loaded yet. */
struct to_load {
    sluice_instance *fs;
    char (*names)[24];
    size_t count, cap;
    _Atomic size_t next;
};

static void
to_load_add(struct to_load *t, const char *name)
{
    pthread_mutex_lock(&t->fs->lock);
    bool is_new = name_is_volume(name) && find_by_name(t->fs, name) == NULL;
    pthread_mutex_unlock(&t->fs->lock);
    if (!is_new) {
        return;
    }
    if (t->count == t->cap) {
        t->cap = t->cap == 0 ? 64 : t->cap * 2;
        t->names = (char(*)[24])fs__realloc(t->names, t->cap * sizeof(*t->names));
    }
    (void)snprintf(t->names[t->count++], sizeof(*t->names), "%.20s", name);
}

static sluice_status
to_load_fill(struct to_load *t)
{
    int fd = openat(t->fs->volumes_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        sluice_status rc = fs__fail_sys(t->fs, errno, "list", FS_VOLUMES_DIR);
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    const struct dirent *e;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has this DIR */
    while ((e = readdir(d)) != NULL) {
        to_load_add(t, e->d_name);
    }
    (void)closedir(d);
    return SLUICE_OK;
}

/* A failure is found again, and told, by the thread that opens the store. */
static void *
load_main(void *arg)
{
    struct to_load *t = (struct to_load *)arg;
    size_t i;
    while ((i = atomic_fetch_add(&t->next, 1)) < t->count) {
        sluice_status rc = volume_load(t->fs, t->names[i], NULL);
        (void)rc;
    }
    return NULL;
}

static void
load_together(struct to_load *t)
{
    pthread_t threads[LOADERS];
    size_t started = 0;
    size_t wanted = t->count / 2 < LOADERS ? t->count / 2 : LOADERS;
    while (started < wanted && pthread_create(&threads[started], NULL, load_main, t) == 0) {
        started++;
    }
    for (size_t i = 0; i < started; i++) {
        (void)pthread_join(threads[i], NULL);
    }
}

sluice_status
fs__volumes_open(sluice_instance *fs)
{
    struct to_load t = {.fs = fs};
    sluice_status rc = to_load_fill(&t);
    if (rc == SLUICE_OK) {
        load_together(&t);
    }
    for (size_t i = 0; i < t.count && rc == SLUICE_OK; i++) {
        pthread_mutex_lock(&fs->lock);
        bool is_loaded = find_by_name(fs, t.names[i]) != NULL;
        pthread_mutex_unlock(&fs->lock);
        if (!is_loaded) {
            rc = volume_load(fs, t.names[i], NULL);
        }
    }
    free(t.names);
    return rc;
}

struct fs_volume *
fs__volume_find(sluice_instance *fs, uint64_t id)
{
    char name[24];
    struct fs_volume *v;
    (void)snprintf(name, sizeof(name), "%016" PRIx64 ".vol", id);
    pthread_mutex_lock(&fs->lock);
    v = find_by_name(fs, name);
    pthread_mutex_unlock(&fs->lock);
    if (v == NULL && volume_load(fs, name, &v) != SLUICE_OK) {
        return NULL;
    }
    return v;
}

/* ---- following other processes ---- */

static bool
is_removed(const struct fs_volume *v)
{
    struct stat st;
    return !v->is_owned && v->live == 0 && v->pins == 0 && fstat(v->write_fd, &st) == 0 &&
           st.st_nlink == 0;
}

void
fs__volumes_let_go(sluice_instance *fs, uint64_t id)
{
    struct fs_volume *gone = NULL;
    pthread_mutex_lock(&fs->lock);
    for (struct fs_volume **at = &fs->volumes.all; *at != NULL;) {
        struct fs_volume *v = *at;
        if ((id == 0 || v->id == id) && is_removed(v)) {
            *at = v->next_all;
            v->next_all = gone;
            gone = v;
        } else {
            at = &v->next_all;
        }
    }
    pthread_mutex_unlock(&fs->lock);
    while (gone != NULL) {
        struct fs_volume *v = gone;
        gone = v->next_all;
        fs__volume_free(fs, v);
    }
}

sluice_status
fs__volume_follow_recycled(sluice_instance *fs, struct fs_volume *v)
{
    if (v->is_owned || v->live > 0) {
        return SLUICE_EAGAIN;
    }
    v->end = FS_VOLUME_FIRST;
    v->last_position = 0;
    v->last_key[0] = '\0';
    return volume_read(fs, v);
}

/* Forgets every record. */
static void
records_forget(sluice_instance *fs)
{
    pthread_mutex_lock(&fs->lock);
    fs__index_fini(&fs->index);
    fs->volumes.free = fs->volumes.spent = NULL;
    fs->volumes.ready = 0;
    for (struct fs_volume *v = fs->volumes.all; v != NULL; v = v->next_all) {
        v->live = 0;
        v->next = NULL;
        v->is_full = v->is_spent = v->is_fresh = false;
    }
    pthread_mutex_unlock(&fs->lock);
}

static sluice_status
volume_reread(sluice_instance *fs, struct fs_volume *v)
{
    struct stat st;
    if (fstat(v->write_fd, &st) != 0 || st.st_nlink == 0) {
        return SLUICE_OK; /* its owner has removed it */
    }
    if (!v->is_owned) {
        v->is_owned = flock(v->write_fd, LOCK_EX | LOCK_NB) == 0; /* its owner is gone */
    }
    v->end = FS_VOLUME_FIRST;
    v->last_position = 0;
    v->last_key[0] = '\0';
    sluice_status rc = volume_read(fs, v);
    if (rc == SLUICE_OK) {
        pthread_mutex_lock(&fs->lock);
        volume_place(fs, v);
        pthread_mutex_unlock(&fs->lock);
    }
    return rc;
}

sluice_status
fs__volumes_reread(sluice_instance *fs)
{
    sluice_status rc = SLUICE_OK;
    records_forget(fs);
    fs__volumes_let_go(fs, 0);
    pthread_mutex_lock(&fs->lock);
    struct fs_volume *all = fs->volumes.all;
    pthread_mutex_unlock(&fs->lock);
    for (struct fs_volume *v = all; v != NULL && rc == SLUICE_OK; v = v->next_all) {
        if (!v->is_busy) { /* busy: the preparer's, empty */
            rc = volume_reread(fs, v);
        }
    }
    return rc == SLUICE_OK ? fs__volumes_open(fs) : rc;
}
