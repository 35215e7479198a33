/* Keys of plain files in ascending byte order.
 *
 * A directory stands among its neighbours as "name/": that is the byte its keys continue with, and
 * '/' sorts behind '-' and '.' but before every letter. So each directory is read whole, sorted
 * with that slash in place, and walked in order; the walk ends when the page is full. Directories
 * whose keys cannot match prefix or lie wholly before `after` are not opened.
 *
 * Names that cannot be a part of a key are somebody else's (lost+found). A symbolic link is an
 * error where keys could lie behind it: a key is looked up through it, so to leave it out would be
 * to say that objects are gone. */
#include "storage-fs/fs_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 64 };

struct names {
    char **items; /* directories end with '/', symbolic links with '@' */
    size_t count, cap;
};

struct walk {
    sluice_instance *fs;
    struct fs_listing *out;
    char path[FS_KEY_MAX + 2]; /* of the directory being read, "" or ending with '/' */
};

sluice_status
fs__listing_add(struct fs_listing *l, const char *key, uint64_t size, int64_t modified_ms)
{
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 64 : l->cap * 2;
        l->items = (struct fs_listed *)fs__realloc(l->items, l->cap * sizeof(*l->items));
    }
    l->items[l->count++] = (struct fs_listed){fs__strdup(key), size, modified_ms};
    return SLUICE_OK;
}

void
fs__listing_fini(struct fs_listing *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->items[i].key);
    }
    free(l->items);
    l->items = NULL;
    l->count = l->cap = 0;
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* May a key that begins with path be wanted? */
static bool
dir_may_match(const struct fs_listing *l, const char *path)
{
    size_t n = strlen(path);
    size_t np = strlen(l->prefix);
    size_t common = n < np ? n : np;
    if (memcmp(path, l->prefix, common) != 0) {
        return false;
    }
    return strncmp(path, l->after, n) >= 0;
}

static bool
key_matches(const struct fs_listing *l, const char *key)
{
    return strncmp(key, l->prefix, strlen(l->prefix)) == 0 && strcmp(key, l->after) > 0;
}

static void
names_add(struct names *n, const char *name, char mark)
{
    size_t len = strlen(name);
    if (n->count == n->cap) {
        n->cap = n->cap == 0 ? 64 : n->cap * 2;
        n->items = (char **)fs__realloc(n->items, n->cap * sizeof(*n->items));
    }
    char *copy = (char *)fs__alloc(len + 2);
    memcpy(copy, name, len);
    copy[len] = mark;
    n->items[n->count++] = copy;
}

static void
names_fini(struct names *n)
{
    for (size_t i = 0; i < n->count; i++) {
        free(n->items[i]);
    }
    free(n->items);
}

static char
entry_mark(int dir_fd, const struct dirent *e)
{
    struct stat st;
    bool is_dir = e->d_type == DT_DIR, is_link = e->d_type == DT_LNK;
    if (e->d_type == DT_UNKNOWN && fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        is_dir = S_ISDIR(st.st_mode);
        is_link = S_ISLNK(st.st_mode);
    }
    return is_dir ? '/' : is_link ? '@' : '\0';
}

static sluice_status
names_read(struct walk *w, struct names *n)
{
    sluice_instance *fs = w->fs;
    const char *path = w->path[0] == '\0' ? "." : w->path;
    int fd = openat(fs->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        int failed = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        bool is_absent = failed == ENOENT || failed == ENOTDIR;
        return is_absent ? SLUICE_OK : fs__fail_sys(fs, failed, "list", path);
    }
    const struct dirent *e;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has this DIR */
    while ((errno = 0, e = readdir(d)) != NULL) {
        if (fs__key_part_is_sound(e->d_name) && strlen(w->path) + strlen(e->d_name) <= FS_KEY_MAX) {
            names_add(n, e->d_name, entry_mark(fd, e));
        }
    }
    int failed = errno;
    (void)closedir(d);
    if (failed != 0) {
        return fs__fail_sys(fs, failed, "list", path);
    }
    if (n->count > 1) {
        qsort(n->items, n->count, sizeof(*n->items), compare_names);
    }
    return SLUICE_OK;
}

/* A name that is being published is not shown yet (plain.c). */
static bool
key_is_published(sluice_instance *fs, const char *key)
{
    pthread_mutex_lock(&fs->lock);
    const struct fs_claim *c = fs__claim_find(fs, key);
    bool is_hidden = c != NULL && (c->is_new || c->is_doomed);
    pthread_mutex_unlock(&fs->lock);
    return !is_hidden || (fs->io->mistakes & FS_MISTAKE_VISIBLE_EARLY) != 0;
}

static sluice_status
file_add(struct walk *w)
{
    struct stat st;
    if (!key_matches(w->out, w->path) || !key_is_published(w->fs, w->path) ||
        fstatat(w->fs->root_fd, w->path, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) {
        return SLUICE_OK;
    }
    int64_t ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    return fs__listing_add(w->out, w->path, (uint64_t)st.st_size, ms);
}

/* The path ends with the mark. */
static sluice_status
link_refuse(struct walk *w)
{
    char *mark = w->path + strlen(w->path) - 1;
    *mark = '/';
    bool may_match = dir_may_match(w->out, w->path);
    *mark = '\0';
    if (!may_match && !key_matches(w->out, w->path)) {
        return SLUICE_OK;
    }
    return fs__fail(w->fs, SLUICE_EINVAL,
                    "%s: %.100s is a symbolic link, which this store does not follow; mount there "
                    "what it points to",
                    w->fs->path, w->path);
}

static sluice_status
walk_dir(struct walk *w, int depth) /* NOLINT(misc-no-recursion): bounded by DEPTH_MAX */
{
    struct names names = {0};
    size_t base = strlen(w->path);
    sluice_status rc = depth < DEPTH_MAX ? names_read(w, &names) : SLUICE_OK;
    for (size_t i = 0; i < names.count && rc == SLUICE_OK && w->out->count < w->out->max; i++) {
        (void)snprintf(w->path + base, sizeof(w->path) - base, "%s", names.items[i]);
        char mark = w->path[strlen(w->path) - 1];
        if (mark == '@') {
            rc = link_refuse(w);
        } else if (mark != '/') {
            rc = file_add(w);
        } else if (dir_may_match(w->out, w->path)) {
            rc = walk_dir(w, depth + 1);
        }
    }
    w->path[base] = '\0';
    names_fini(&names);
    return rc;
}

sluice_status
fs__plain_list(sluice_instance *fs, struct fs_listing *l)
{
    struct walk w = {.fs = fs, .out = l};
    return walk_dir(&w, 0);
}

sluice_status
fs__record_list(sluice_instance *fs, struct fs_listing *l)
{
    sluice_status rc = SLUICE_OK;
    size_t n = strlen(l->prefix);
    bool is_behind = strcmp(l->after, l->prefix) >= 0;
    pthread_mutex_lock(&fs->lock);
    const struct fs_entry *e =
        is_behind ? fs__index_after(&fs->index, l->after) : fs__index_from(&fs->index, l->prefix);
    for (; e != NULL && rc == SLUICE_OK && l->count < l->max; e = e->next[0]) {
        if (strncmp(fs__entry_key(e), l->prefix, n) != 0) {
            break;
        }
        rc = fs__listing_add(l, fs__entry_key(e), e->length, e->modified_ms);
    }
    pthread_mutex_unlock(&fs->lock);
    return rc;
}
