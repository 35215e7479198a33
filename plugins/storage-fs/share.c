/* Several processes on one directory keep the promises that one keeps.
 *
 * The lock. `+control` is locked (flock, exclusive) by a process while any of its puts, deletes or
 * lists is under way: the first that enters takes it, the last that leaves gives it back, so that
 * "is the key there, then append" is one step among processes as it is, by claims, among threads. A
 * process alone pays two system calls. Somebody who has to wait raises `waiters`; then no further
 * call of the holder enters, and after letting go it stands back until another has had its turn,
 * two milliseconds at most.
 *
 * Changes. `+control` is also mapped by everybody: a ring of the last changes (appended, deleted,
 * recycled, removed: volume and position) and the count of all changes ever, `head`. Whoever takes
 * the lock after somebody else applies what it has not seen: it reads the header of each record
 * that was appended and puts it into its own index. A reader that finds head moved does the same
 * first. One that is too far behind, or meets something it cannot follow, reads the volumes anew.
 * Nothing in the page matters after a power loss: the first process to open a directory resets it.
 * A process that is alone writes nothing there.
 *
 * Owners. Each volume is locked by the process that appends to it, for as long as it lives. Others
 * read it, with the lock held, and delete in it. A change is entered into the ring after it is
 * durable, so nobody trusts bytes that are not; if its author does not sync (durability = os) the
 * reader does.
 *
 * Deaths. Each process holds the lock of its file in +members. Whoever takes the lock over from a
 * process that died looks at everything anew: the dead one may have left a record that is on disk
 * and in nobody's index, or a file name that nobody synced. So it syncs the file system, takes over
 * the volumes of the dead, reads all volumes again, and makes everybody else do so too. A member
 * file found without its process at opening time means the same; after a clean stop, and after a
 * power loss (when what is visible is durable by nature), opening syncs nothing but what it made.
 *
 * Names of plain files. Between rename and the sync of the directory `publishing` is raised. A
 * reader in another process that sees it raised after it opened a file takes the lock once: then
 * the publisher has left, so the name is durable. */
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
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_FILE "+control"
#define MEMBERS_DIR "+members"
#define CONTROL_MAGIC UINT64_C(0x534c434e54524c31)

enum { RING = 1024, YIELD_STEPS = 40, YIELD_STEP_NS = 50000 };

struct change {
    uint64_t volume_id, generation, position;
    uint32_t kind;
    uint32_t needs_sync; /* its author does not sync */
};

struct fs_control {
    uint64_t magic;
    _Atomic uint64_t last_holder; /* written with the lock held, like all below but waiters */
    _Atomic uint64_t head;
    _Atomic uint32_t members;
    _Atomic uint32_t publishing;
    _Atomic uint32_t waiters;
    struct change ring[RING];
};

/* ---- the lock ---- */

static void
waiters_drop(struct fs_control *c)
{
    uint32_t n = atomic_load(&c->waiters);
    while (n > 0 && !atomic_compare_exchange_weak(&c->waiters, &n, n - 1)) {
    }
}

/* Lets another process go first. A waiter that died is forgotten after a while. */
static void
stand_back(struct fs_share *s)
{
    struct fs_control *c = s->control;
    const struct timespec step = {0, YIELD_STEP_NS};
    for (int i = 0; i < YIELD_STEPS; i++) {
        if (atomic_load(&c->waiters) == 0 || atomic_load(&c->last_holder) != s->member) {
            return;
        }
        (void)nanosleep(&step, NULL);
    }
    atomic_store(&c->waiters, 0);
}

/* Takes the file lock, waiting for it. Does not hold the store's lock. */
static sluice_status
lock_wait(sluice_instance *fs)
{
    struct fs_share *s = &fs->share;
    int failed = 0;
    if (s->must_yield) {
        stand_back(s);
        s->must_yield = false;
    }
    atomic_fetch_add(&s->control->waiters, 1);
    while (flock(s->control_fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            failed = errno;
            break;
        }
    }
    waiters_drop(s->control);
    return failed == 0 ? SLUICE_OK : fs__fail_sys(fs, failed, "lock", CONTROL_FILE);
}

static void
state_set(struct fs_share *s, enum fs_share_state state)
{
    s->state = state;
    pthread_cond_broadcast(&s->changed);
}

static sluice_status catch_up(sluice_instance *fs);

static bool
has_news(const struct fs_share *s)
{
    return s->is_stale || atomic_load(&s->control->last_holder) != s->member ||
           atomic_load(&s->control->head) != s->seen;
}

/* The first of this process to enter. Holds the lock, and lets go of it while it waits. */
static sluice_status
acquire(sluice_instance *fs)
{
    struct fs_share *s = &fs->share;
    sluice_status rc = SLUICE_OK;
    bool is_locked = !s->must_yield && flock(s->control_fd, LOCK_EX | LOCK_NB) == 0;
    if (is_locked && !has_news(s)) {
        s->state = FS_IN;
        return SLUICE_OK;
    }
    state_set(s, FS_ACQUIRING);
    pthread_mutex_unlock(&fs->lock);
    if (!is_locked) {
        rc = lock_wait(fs);
    }
    if (rc == SLUICE_OK && has_news(s)) {
        rc = catch_up(fs);
        if (rc != SLUICE_OK) {
            (void)flock(s->control_fd, LOCK_UN);
        }
    }
    pthread_mutex_lock(&fs->lock);
    state_set(s, rc == SLUICE_OK ? FS_IN : FS_OUT);
    return rc;
}

sluice_status
fs__enter(sluice_instance *fs)
{
    struct fs_share *s = &fs->share;
    sluice_status rc = SLUICE_OK;
    while (s->state == FS_ACQUIRING ||
           (s->state == FS_IN && atomic_load(&s->control->waiters) > 0)) {
        pthread_cond_wait(&s->changed, &fs->lock);
    }
    if (s->state == FS_OUT) {
        rc = acquire(fs);
    }
    s->inside += rc == SLUICE_OK ? 1 : 0;
    return rc;
}

void
fs__leave(sluice_instance *fs)
{
    struct fs_share *s = &fs->share;
    if (--s->inside > 0) {
        return;
    }
    s->must_yield = atomic_load(&s->control->waiters) > 0;
    (void)flock(s->control_fd, LOCK_UN);
    state_set(s, FS_OUT);
}

/* ---- telling others ---- */

static bool
is_shared(const struct fs_share *s)
{
    return atomic_load(&s->control->members) > 1;
}

void
fs__change_tell(sluice_instance *fs, uint32_t kind, const struct fs_volume *v, uint64_t position)
{
    struct fs_share *s = &fs->share;
    if (!is_shared(s)) {
        return;
    }
    uint64_t head = atomic_load(&s->control->head);
    s->control->ring[head % RING] =
        (struct change){v->id, v->generation, position, kind, fs->is_fsync ? 0 : 1};
    atomic_store(&s->control->head, head + 1);
    s->seen = head + 1;
}

void
fs__publish_begin(sluice_instance *fs)
{
    if (is_shared(&fs->share)) {
        atomic_fetch_add(&fs->share.control->publishing, 1);
    }
}

void
fs__publish_end(sluice_instance *fs)
{
    struct fs_control *c = fs->share.control;
    uint32_t n = atomic_load(&c->publishing);
    while (n > 0 && !atomic_compare_exchange_weak(&c->publishing, &n, n - 1)) {
    }
}

bool
fs__others_publish(const sluice_instance *fs)
{
    return is_shared(&fs->share) && atomic_load(&fs->share.control->publishing) > 0;
}

bool
fs__is_behind(const sluice_instance *fs)
{
    return fs->share.is_stale || atomic_load(&fs->share.control->head) != fs->share.seen;
}

/* ---- hearing from others ---- */

/* Is that process gone? */
static bool
member_is_dead(const struct fs_share *s, uint64_t member)
{
    char name[20];
    (void)snprintf(name, sizeof(name), "%016" PRIx64, member);
    int fd = openat(s->members_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false; /* it left in good order */
    }
    bool is_dead = flock(fd, LOCK_SH | LOCK_NB) == 0;
    (void)close(fd);
    return is_dead;
}

struct census {
    uint32_t alive; /* others */
    bool has_dead;
};

/* Looks at the others; clears the dead away if told to. */
static sluice_status
census_take(sluice_instance *fs, bool clears, struct census *ret)
{
    int fd = openat(fs->share.members_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        return fs__fail_sys(fs, errno, "list", MEMBERS_DIR);
    }
    const struct dirent *e;
    *ret = (struct census){0, false};
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has this DIR */
    while ((e = readdir(d)) != NULL) {
        uint64_t id = strtoull(e->d_name, NULL, 16);
        if (e->d_name[0] == '.' || id == fs->share.member) {
            continue;
        }
        if (member_is_dead(&fs->share, id)) {
            ret->has_dead = true;
            if (clears) {
                (void)unlinkat(fs->share.members_fd, e->d_name, 0);
            }
        } else {
            ret->alive++;
        }
    }
    (void)closedir(d);
    return SLUICE_OK;
}

/* Reads every volume anew. Until that has worked readers come here too, and try again. */
static sluice_status
read_all(sluice_instance *fs)
{
    pthread_mutex_lock(&fs->lock);
    fs->share.is_stale = true;
    pthread_mutex_unlock(&fs->lock);
    sluice_status rc = fs__volumes_reread(fs);
    if (rc == SLUICE_OK) {
        pthread_mutex_lock(&fs->lock);
        fs->share.is_stale = false;
        pthread_mutex_unlock(&fs->lock);
    }
    return rc;
}

/* The holder before us died inside: nothing that it did may be taken as known. */
static sluice_status
recover(sluice_instance *fs)
{
    struct fs_control *c = fs->share.control;
    struct census census;
    fs__log(fs, SLUICE_LOG_WARN, "%s: another process on this store died; reading it anew",
            fs->path);
    if (fs->is_fsync && fs->io->syncfs(fs->root_fd) != 0) {
        return fs__fail_sys(fs, errno, "sync the file system of", fs->path);
    }
    atomic_store(&c->publishing, 0);
    atomic_fetch_add(&c->head, RING + 1); /* so that all others read it anew too */
    sluice_status rc = read_all(fs);
    if (rc == SLUICE_OK) {
        rc = census_take(fs, true, &census);
    }
    if (rc == SLUICE_OK) {
        atomic_store(&c->members, census.alive + 1);
    }
    return rc;
}

/* One change of another process. SLUICE_EAGAIN: cannot follow, read everything anew. */
static sluice_status
change_apply(sluice_instance *fs, const struct change *ch)
{
    if (ch->kind == FS_REMOVED) {
        fs__volumes_let_go(fs, ch->volume_id);
        return SLUICE_OK;
    }
    struct fs_volume *v = fs__volume_find(fs, ch->volume_id);
    if (v == NULL) {
        return SLUICE_EAGAIN;
    }
    if (ch->kind == FS_RECYCLED) {
        return fs__volume_follow_recycled(fs, v);
    }
    if (v->generation != ch->generation) {
        return SLUICE_EAGAIN;
    }
    if (ch->needs_sync != 0 && fs->is_fsync && fs->io->fdatasync(v->write_fd) != 0) {
        return fs__fail_sys(fs, errno, "sync", v->name);
    }
    return fs__record_follow(fs, v, ch->position, ch->kind == FS_DELETED);
}

static sluice_status
changes_apply(sluice_instance *fs, uint64_t head)
{
    struct fs_share *s = &fs->share;
    if (s->is_stale || head - s->seen > RING) {
        return SLUICE_EAGAIN;
    }
    for (uint64_t i = s->seen; i < head; i++) {
        sluice_status rc = change_apply(fs, &s->control->ring[i % RING]);
        if (rc != SLUICE_OK) {
            return rc;
        }
    }
    return SLUICE_OK;
}

static sluice_status
catch_up(sluice_instance *fs)
{
    struct fs_share *s = &fs->share;
    uint64_t before = atomic_load(&s->control->last_holder);
    sluice_status rc;
    if (before != s->member && before != 0 && member_is_dead(s, before)) {
        rc = recover(fs);
    } else {
        rc = changes_apply(fs, atomic_load(&s->control->head));
        if (rc == SLUICE_EAGAIN) {
            rc = read_all(fs);
        }
    }
    if (rc == SLUICE_OK) {
        pthread_mutex_lock(&fs->lock);
        s->seen = atomic_load(&s->control->head);
        pthread_mutex_unlock(&fs->lock);
        atomic_store(&s->control->last_holder, s->member);
    }
    return rc;
}

/* ---- coming and going ---- */

static sluice_status
control_map(sluice_instance *fs)
{
    struct fs_share *s = &fs->share;
    s->control_fd = fs->io->openat(fs->root_fd, CONTROL_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (s->control_fd < 0) {
        return fs__fail_sys(fs, errno, "open", CONTROL_FILE);
    }
    /* Reserved, because writing to a hole of a mapped file on a full disk is a fatal signal. */
    if (fallocate(s->control_fd, 0, 0, (off_t)sizeof(struct fs_control)) != 0 &&
        (errno != EOPNOTSUPP || ftruncate(s->control_fd, (off_t)sizeof(struct fs_control)) != 0)) {
        return fs__fail_sys(fs, errno, "reserve space for", CONTROL_FILE);
    }
    void *p =
        mmap(NULL, sizeof(struct fs_control), PROT_READ | PROT_WRITE, MAP_SHARED, s->control_fd, 0);
    if (p == MAP_FAILED) {
        return fs__fail_sys(fs, errno, "map", CONTROL_FILE);
    }
    s->control = (struct fs_control *)p;
    return SLUICE_OK;
}

static sluice_status
member_make(sluice_instance *fs)
{
    struct fs_share *s = &fs->share;
    char name[20];
    while (s->member == 0) {
        if (getrandom(&s->member, sizeof(s->member), 0) != (ssize_t)sizeof(s->member)) {
            s->member = (uint64_t)getpid();
        }
    }
    (void)snprintf(name, sizeof(name), "%016" PRIx64, s->member);
    s->member_fd = openat(s->members_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (s->member_fd < 0 || flock(s->member_fd, LOCK_EX | LOCK_NB) != 0) {
        return fs__fail_sys(fs, errno, "make a file in", MEMBERS_DIR);
    }
    return SLUICE_OK;
}

static void
control_reset(struct fs_control *c)
{
    memset(c->ring, 0, sizeof(c->ring));
    atomic_store(&c->last_holder, 0);
    atomic_store(&c->head, 0);
    atomic_store(&c->publishing, 0);
    atomic_store(&c->waiters, 0);
    c->magic = CONTROL_MAGIC;
}

static sluice_status
join(sluice_instance *fs, bool *ret_is_alone)
{
    struct fs_share *s = &fs->share;
    struct census census;
    sluice_status rc = census_take(fs, true, &census);
    if (rc != SLUICE_OK) {
        return rc;
    }
    if (census.alive == 0) {
        control_reset(s->control);
    } else if (s->control->magic != CONTROL_MAGIC) {
        return fs__fail(fs, SLUICE_ENOTSUP, "%s: used by a process of another version", fs->path);
    } else {
        fs__log(fs, SLUICE_LOG_INFO, "%s: shared with %u other process(es)", fs->path,
                census.alive);
    }
    if (census.has_dead) {
        atomic_store(&s->control->publishing, 0);
        atomic_fetch_add(&s->control->head, RING + 1);
    }
    if (census.has_dead && fs->is_fsync && fs->io->syncfs(fs->root_fd) != 0) {
        return fs__fail_sys(fs, errno, "sync the file system of", fs->path);
    }
    atomic_store(&s->control->members, census.alive + 1);
    *ret_is_alone = census.alive == 0;
    return SLUICE_OK;
}

sluice_status
fs__share_open(sluice_instance *fs, bool *ret_is_alone)
{
    struct fs_share *s = &fs->share;
    sluice_status rc = fs__subdir_open(fs, MEMBERS_DIR, &s->members_fd);
    if (rc == SLUICE_OK) {
        rc = control_map(fs);
    }
    if (rc == SLUICE_OK) {
        rc = lock_wait(fs);
    }
    if (rc != SLUICE_OK) {
        return rc;
    }
    rc = member_make(fs);
    if (rc == SLUICE_OK) {
        rc = join(fs, ret_is_alone);
    }
    s->state = FS_IN;
    s->inside = 1;
    return rc;
}

void
fs__share_ready(sluice_instance *fs)
{
    struct fs_share *s = &fs->share;
    pthread_mutex_lock(&fs->lock);
    s->seen = atomic_load(&s->control->head);
    atomic_store(&s->control->last_holder, s->member);
    fs__leave(fs);
    pthread_mutex_unlock(&fs->lock);
}

/* Counts those that are left; the lock is held. */
static void
part(sluice_instance *fs)
{
    struct fs_share *s = &fs->share;
    char name[20];
    struct census census;
    (void)snprintf(name, sizeof(name), "%016" PRIx64, s->member);
    if (fs->is_fsync) {
        (void)unlinkat(s->members_fd, name, 0);
    } /* else it looks like a death: whoever opens next must sync what we did not */
    if (census_take(fs, false, &census) == SLUICE_OK) {
        atomic_store(&s->control->members, census.alive);
    }
}

void
fs__share_close(sluice_instance *fs)
{
    struct fs_share *s = &fs->share;
    if (s->control != NULL && s->state == FS_OUT && flock(s->control_fd, LOCK_EX) == 0) {
        s->state = FS_IN;
    }
    fs__volumes_close(fs);
    if (s->state == FS_IN && s->member_fd >= 0) {
        part(fs);
    }
    if (s->control != NULL) {
        (void)munmap(s->control, sizeof(*s->control));
        s->control = NULL;
    }
    const int fds[] = {s->member_fd, s->members_fd};
    for (size_t i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    if (s->control_fd >= 0) {
        (void)fs->io->close(s->control_fd);
    }
}
