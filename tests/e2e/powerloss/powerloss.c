/* What is remembered:
 *
 *   struct node   a file: its unsynced writes (old bytes), whether its size is synced. A second
 * name in the graveyard keeps it alive, so that a lost unlink can bring it back. struct entry  an
 * unsynced change of a directory: a name that came, went, or changed hands.
 *
 * O_DSYNC writes are remembered only while they are under way, because whoever made them may rely
 * on them afterwards. O_DIRECT and O_DSYNC are not passed on: durability is this model's business,
 * and the tests run as fast as the page cache. */
#include "powerloss.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FDS_MAX = 4096, SECTOR = 512 };

struct undo {
    struct undo *next; /* older */
    off_t at;
    size_t len; /* of old; bytes that lay beyond the end are not kept: size undoes them */
    uint8_t old[];
};

struct node {
    struct node *next;
    ino_t ino;
    char grave[PATH_MAX]; /* its second name */
    struct undo *writes;
    bool is_size_pending;
    off_t durable_size;
};

enum entry_kind { CAME, WENT, CHANGED, DIR_CAME };

struct entry {
    struct entry *next; /* older */
    enum entry_kind kind;
    ino_t dir;
    char path[PATH_MAX]; /* absolute */
    struct node *was;    /* WENT, CHANGED: what had the name before */
    bool is_lost;
};

struct open_file {
    struct node *node; /* NULL: a directory, or not ours */
    bool is_dsync;
    bool is_ours;
    ino_t ino;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX], graveyard[PATH_MAX];
static uint64_t random_state;
static long changes, cut_at;
static bool is_on, is_cut;
static struct node *nodes;
static struct entry *entries;
static struct open_file files[FDS_MAX];
static void (*on_cut)(void);

static uint64_t
draw(uint64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % n;
}

/* ---- names ---- */

static void
path_of(int dir, const char *path, char *out)
{
    char base[PATH_MAX] = "";
    if (path[0] == '/') {
        (void)snprintf(out, PATH_MAX, "%s", path);
        return;
    }
    if (dir == AT_FDCWD) {
        if (getcwd(base, sizeof(base)) == NULL) {
            base[0] = '\0';
        }
    } else {
        char link[64];
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
        ssize_t n = readlink(link, base, sizeof(base) - 1);
        base[n < 0 ? 0 : n] = '\0';
    }
    size_t n = strlen(base);
    (void)snprintf(out, PATH_MAX, "%s", base);
    (void)snprintf(out + n, PATH_MAX - n, "/%s", path);
}

static bool
is_below_root(const char *path)
{
    size_t n = strlen(root);
    return is_on && strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

bool
powerloss_owns_path(int dir, const char *path)
{
    char full[PATH_MAX];
    path_of(dir, path, full);
    return is_below_root(full);
}

bool
powerloss_owns_fd(int fd)
{
    return is_on && fd >= 0 && fd < FDS_MAX && files[fd].is_ours;
}

static ino_t
ino_of(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 ? st.st_ino : 0;
}

static ino_t
dir_ino_of(const char *path)
{
    char dir[PATH_MAX];
    (void)snprintf(dir, sizeof(dir), "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    return ino_of(dir);
}

/* ---- the cut ---- */

static void
cut_now(void)
{
    is_cut = true;
    if (on_cut != NULL) {
        on_cut();
    }
}

/* Counts a change. Gives false when the power is gone and nothing may happen; *is_last says that
 * this change is the one during which it goes. */
static bool
change_begins(bool *is_last)
{
    if (is_cut) {
        errno = EIO;
        return false;
    }
    changes++;
    *is_last = cut_at > 0 && changes >= cut_at;
    return true;
}

static void
change_ends(bool is_last)
{
    if (is_last) {
        cut_now();
    }
}

/* ---- files ---- */

static struct node *
node_of(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return NULL;
    }
    for (struct node *n = nodes; n != NULL; n = n->next) {
        if (n->ino == st.st_ino) {
            return n;
        }
    }
    struct node *n = (struct node *)calloc(1, sizeof(*n));
    n->ino = st.st_ino;
    n->durable_size = st.st_size;
    (void)snprintf(n->grave, sizeof(n->grave), "%.3000s/%llu", graveyard,
                   (unsigned long long)st.st_ino);
    if (link(path, n->grave) != 0) {
        perror(n->grave);
        abort();
    }
    n->next = nodes;
    nodes = n;
    return n;
}

static void
node_synced(struct node *n)
{
    while (n->writes != NULL) {
        struct undo *u = n->writes;
        n->writes = u->next;
        free(u);
    }
    struct stat st;
    if (n->is_size_pending && stat(n->grave, &st) == 0) {
        n->durable_size = st.st_size;
    }
    n->is_size_pending = false;
}

/* Undoes a write, sector by sector at random. */
static void
undo_some(int fd, const struct undo *u)
{
    for (size_t i = 0; i < u->len;) {
        size_t n = SECTOR - (size_t)(u->at + (off_t)i) % SECTOR;
        n = u->len - i < n ? u->len - i : n;
        if (draw(2) == 0 && pwrite(fd, u->old + i, n, u->at + (off_t)i) != (ssize_t)n) {
            perror("undo");
            abort();
        }
        i += n;
    }
}

static void
node_settle(struct node *n)
{
    int fd = open(n->grave, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        perror(n->grave);
        abort();
    }
    bool keeps_nothing = draw(3) == 0; /* else torn at random */
    for (const struct undo *u = n->writes; u != NULL; u = u->next) {
        if (keeps_nothing) {
            if (pwrite(fd, u->old, u->len, u->at) != (ssize_t)u->len) {
                abort();
            }
        } else {
            undo_some(fd, u);
        }
    }
    if (n->is_size_pending && draw(2) == 0 && ftruncate(fd, n->durable_size) != 0) {
        abort();
    }
    (void)close(fd);
}

/* ---- directories ---- */

static void
entry_add(enum entry_kind kind, const char *path, struct node *was)
{
    struct entry *e = (struct entry *)calloc(1, sizeof(*e));
    e->kind = kind;
    e->dir = dir_ino_of(path);
    (void)snprintf(e->path, sizeof(e->path), "%s", path);
    e->was = was;
    e->next = entries;
    entries = e;
}

static void
dir_synced(ino_t ino)
{
    for (struct entry **at = &entries; *at != NULL;) {
        struct entry *e = *at;
        if (ino == 0 || e->dir == ino) {
            *at = e->next;
            free(e);
        } else {
            at = &e->next;
        }
    }
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void
tree_remove(const char *path)
{
    (void)nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

static void
entry_undo(const struct entry *e)
{
    if (e->kind == DIR_CAME) {
        tree_remove(e->path);
        return;
    }
    if (e->kind != WENT) {
        (void)unlink(e->path);
    }
    if (e->was != NULL) {
        (void)link(e->was->grave, e->path);
    }
}

/* Loses a random tail of each directory's changes: entries stand newest first. */
static void
entries_settle(void)
{
    for (struct entry *e = entries; e != NULL; e = e->next) {
        bool is_newest = true;
        for (const struct entry *f = entries; f != e; f = f->next) {
            is_newest = is_newest && f->dir != e->dir;
        }
        if (!is_newest) {
            continue;
        }
        bool loses = draw(3) != 0;
        for (struct entry *f = e; f != NULL && loses; f = f->next) {
            if (f->dir == e->dir) {
                f->is_lost = true;
                loses = draw(4) != 0;
            }
        }
    }
    for (const struct entry *e = entries; e != NULL; e = e->next) {
        if (e->is_lost) {
            entry_undo(e);
        }
    }
}

/* ---- life ---- */

void
powerloss_begin(const char *path, uint64_t seed, long cut_after)
{
    if (realpath(path, root) == NULL) {
        perror(path);
        abort();
    }
    (void)snprintf(graveyard, sizeof(graveyard), "%.3000s.grave", root);
    tree_remove(graveyard);
    if (mkdir(graveyard, 0755) != 0) {
        perror(graveyard);
        abort();
    }
    random_state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    changes = 0;
    cut_at = cut_after;
    is_cut = false;
    is_on = true;
    memset(files, 0, sizeof(files));
}

void
powerloss_on_cut(void (*fn)(void))
{
    on_cut = fn;
}

void
powerloss_cut(void)
{
    pthread_mutex_lock(&lock);
    if (!is_cut) {
        cut_now();
    }
    pthread_mutex_unlock(&lock);
}

bool
powerloss_is_cut(void)
{
    pthread_mutex_lock(&lock);
    bool v = is_cut;
    pthread_mutex_unlock(&lock);
    return v;
}

long
powerloss_changes(void)
{
    pthread_mutex_lock(&lock);
    long v = changes;
    pthread_mutex_unlock(&lock);
    return v;
}

void
powerloss_settle(void)
{
    for (struct node *n = nodes; n != NULL; n = n->next) {
        node_settle(n);
    }
    entries_settle();
}

void
powerloss_end(void)
{
    while (nodes != NULL) {
        struct node *n = nodes;
        nodes = n->next;
        while (n->writes != NULL) {
            struct undo *u = n->writes;
            n->writes = u->next;
            free(u);
        }
        free(n);
    }
    while (entries != NULL) {
        struct entry *e = entries;
        entries = e->next;
        free(e);
    }
    tree_remove(graveyard);
    is_on = false;
}

/* ---- the calls ---- */

static int
open_locked(const char *full, int flags, mode_t mode)
{
    bool is_last = false;
    bool is_new = (flags & O_CREAT) != 0 && ino_of(full) == 0;
    if (is_new && !change_begins(&is_last)) {
        return -1;
    }
    int fd = open(full, flags & ~(O_DIRECT | O_DSYNC | O_SYNC), mode);
    if (fd >= 0 && fd < FDS_MAX) {
        struct stat st;
        (void)fstat(fd, &st);
        bool is_writable = (flags & O_ACCMODE) != O_RDONLY;
        files[fd] = (struct open_file){.is_ours = true,
                                       .is_dsync = (flags & (O_DSYNC | O_SYNC)) != 0,
                                       .ino = st.st_ino,
                                       .node = is_writable ? node_of(full) : NULL};
        if (is_new) {
            entry_add(CAME, full, NULL);
        }
    }
    change_ends(is_last);
    return fd;
}

int
powerloss_openat(int dir, const char *path, int flags, mode_t mode)
{
    char full[PATH_MAX];
    path_of(dir, path, full);
    pthread_mutex_lock(&lock);
    int fd = open_locked(full, flags, mode);
    pthread_mutex_unlock(&lock);
    return fd;
}

int
powerloss_close(int fd)
{
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FDS_MAX) {
        files[fd] = (struct open_file){.is_ours = false};
    }
    int rc = close(fd);
    pthread_mutex_unlock(&lock);
    return rc;
}

static void
undo_add(int fd, struct node *n, off_t at, size_t len)
{
    struct undo *u = (struct undo *)malloc(sizeof(*u) + len);
    ssize_t got = pread(fd, u->old, len, at);
    u->at = at;
    u->len = got < 0 ? 0 : (size_t)got;
    u->next = n->writes;
    n->writes = u;
    struct stat st;
    if (fstat(fd, &st) == 0 && at + (off_t)len > st.st_size) {
        n->is_size_pending = true;
    }
}

/* A write that has returned from an O_DSYNC descriptor can be relied on. */
static void
dsync_done(struct node *n, off_t at, ssize_t len)
{
    struct undo *u = n->writes;
    n->writes = u->next;
    free(u);
    if (at + len > n->durable_size) {
        n->durable_size = at + len;
    }
}

static size_t
iov_total(const struct iovec *iov, int count)
{
    size_t n = 0;
    for (int i = 0; i < count; i++) {
        n += iov[i].iov_len;
    }
    return n;
}

static ssize_t
write_locked(int fd, const struct iovec *iov, int count, off_t at)
{
    bool is_last = false;
    if (!change_begins(&is_last)) {
        return -1;
    }
    struct node *n = files[fd].node;
    size_t len = iov_total(iov, count);
    bool had_pending_size = n->is_size_pending;
    undo_add(fd, n, at, len);
    ssize_t done = pwritev(fd, iov, count, at);
    if (!is_last && files[fd].is_dsync && done > 0) {
        dsync_done(n, at, done);
        n->is_size_pending = had_pending_size;
    }
    change_ends(is_last);
    if (is_last) {
        errno = EIO;
        return -1;
    }
    return done;
}

ssize_t
powerloss_pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
    pthread_mutex_lock(&lock);
    bool is_ours = powerloss_owns_fd(fd) && files[fd].node != NULL;
    ssize_t rc = is_ours ? write_locked(fd, iov, count, at) : pwritev(fd, iov, count, at);
    pthread_mutex_unlock(&lock);
    return rc;
}

int
powerloss_fallocate(int fd, int mode, off_t at, off_t len)
{
    bool is_last = false;
    pthread_mutex_lock(&lock);
    int rc = -1;
    if (change_begins(&is_last)) {
        rc = fallocate(fd, mode, at, len);
        if (rc == 0 && powerloss_owns_fd(fd) && files[fd].node != NULL) {
            files[fd].node->is_size_pending = true;
        }
        change_ends(is_last);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

int
powerloss_ftruncate(int fd, off_t len)
{
    bool is_last = false;
    pthread_mutex_lock(&lock);
    int rc = -1;
    if (change_begins(&is_last)) {
        struct stat st;
        if (powerloss_owns_fd(fd) && files[fd].node != NULL && fstat(fd, &st) == 0) {
            if (len < st.st_size) {
                undo_add(fd, files[fd].node, len, (size_t)(st.st_size - len));
            }
            files[fd].node->is_size_pending = true;
        }
        rc = ftruncate(fd, len);
        change_ends(is_last);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

/* A cut during a sync leaves everything unsynced: the caller never heard that it was done. */
int
powerloss_fsync(int fd)
{
    bool is_last = false;
    pthread_mutex_lock(&lock);
    int rc = -1;
    if (change_begins(&is_last)) {
        rc = 0;
        struct stat st;
        if (is_last || fstat(fd, &st) != 0) {
            rc = -1;
        } else if (S_ISDIR(st.st_mode)) {
            dir_synced(st.st_ino);
        } else if (powerloss_owns_fd(fd) && files[fd].node != NULL) {
            node_synced(files[fd].node);
        }
        change_ends(is_last);
        errno = EIO;
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

int
powerloss_syncfs(int fd)
{
    (void)fd;
    pthread_mutex_lock(&lock);
    for (struct node *n = nodes; n != NULL && !is_cut; n = n->next) {
        node_synced(n);
    }
    if (!is_cut) {
        dir_synced(0);
    }
    int rc = is_cut ? -1 : 0;
    errno = EIO;
    pthread_mutex_unlock(&lock);
    return rc;
}

int
powerloss_mkdirat(int dir, const char *path, mode_t mode)
{
    char full[PATH_MAX];
    bool is_last = false;
    path_of(dir, path, full);
    pthread_mutex_lock(&lock);
    int rc = -1;
    if (ino_of(full) != 0) {
        errno = EEXIST;
    } else if (change_begins(&is_last)) {
        rc = mkdir(full, mode);
        if (rc == 0) {
            entry_add(DIR_CAME, full, NULL);
        }
        change_ends(is_last);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

static int
rename_locked(const char *from, const char *to, unsigned flags)
{
    bool is_last = false;
    struct stat st;
    if ((flags & RENAME_NOREPLACE) != 0 && lstat(to, &st) == 0) {
        errno = EEXIST;
        return -1;
    }
    if (!change_begins(&is_last)) {
        return -1;
    }
    struct node *moved = node_of(from);
    struct node *before = node_of(to);
    int rc = renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
    if (rc == 0) {
        entry_add(WENT, from, moved);
        entry_add(before != NULL ? CHANGED : CAME, to, before);
    }
    change_ends(is_last);
    return rc;
}

int
powerloss_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    char a[PATH_MAX];
    char b[PATH_MAX];
    path_of(from_dir, from, a);
    path_of(to_dir, to, b);
    pthread_mutex_lock(&lock);
    int rc = rename_locked(a, b, flags);
    pthread_mutex_unlock(&lock);
    return rc;
}

int
powerloss_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    char a[PATH_MAX];
    char b[PATH_MAX];
    bool is_last = false;
    path_of(from_dir, from, a);
    path_of(to_dir, to, b);
    pthread_mutex_lock(&lock);
    int rc = -1;
    if (change_begins(&is_last)) {
        rc = linkat(AT_FDCWD, a, AT_FDCWD, b, flags);
        if (rc == 0) {
            (void)node_of(b);
            entry_add(CAME, b, NULL);
        }
        change_ends(is_last);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

int
powerloss_unlinkat(int dir, const char *path, int flags)
{
    char full[PATH_MAX];
    bool is_last = false;
    path_of(dir, path, full);
    pthread_mutex_lock(&lock);
    int rc = -1;
    if (ino_of(full) == 0) {
        errno = ENOENT;
    } else if (change_begins(&is_last)) {
        struct node *was = node_of(full);
        rc = unlinkat(AT_FDCWD, full, flags);
        if (rc == 0 && was != NULL) {
            entry_add(WENT, full, was);
        }
        change_ends(is_last);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}
