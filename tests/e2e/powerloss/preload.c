/* The model of power loss under a whole, unmodified broker: LD_PRELOAD=libpowerloss_preload.so.
 *
 *   SLUICE_POWERLOSS_DIR       the store's directory (made if it is not there); required
 *   SLUICE_POWERLOSS_SEED      which unsynced sectors and names survive; default 1
 *   SLUICE_POWERLOSS_AFTER     the power goes during this change of the directory; 0 = never
 *   SLUICE_POWERLOSS_AFTER_MS  ... or after so many milliseconds; 0 = never
 *
 * When the power goes the directory becomes what a machine would find afterwards, then the process
 * dies by SIGKILL. A broker started again, without the preload, must find everything that was
 * acknowledged. One broker per directory; `DIR.grave` is the model's and may be removed.
 *
 * The model's own calls come back here; `is_inside` lets them through. Calls that it does not know
 * abort rather than change the directory behind its back. */
#include "powerloss.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default")))
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static _Thread_local bool is_inside;
static bool is_ready;
static long after_ms;

static bool
owns_path(int dir, const char *path)
{
    /* Mapped memory is not modelled. The one file that is mapped holds nothing that outlives the
     * processes that share it, and must not shrink under their feet. */
    if (!is_ready || is_inside || strstr(path, "+control") != NULL) {
        return false;
    }
    is_inside = true;
    bool is_owned = powerloss_owns_path(dir, path);
    is_inside = false;
    return is_owned;
}

static bool
owns_fd(int fd)
{
    return is_ready && !is_inside && powerloss_owns_fd(fd);
}

/* Directories are opened for reading and synced; the model tells them by what they are. */
static bool
is_directory_of_ours(int fd)
{
    struct stat st;
    return is_ready && !is_inside && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static void
unknown(const char *name)
{
    (void)fprintf(stderr, "powerloss: %s on the store is not modelled\n", name);
    abort();
}

#define MODELLED(type, call)                                                                       \
    do {                                                                                           \
        is_inside = true;                                                                          \
        type rc_ = (call);                                                                         \
        int errno_ = errno;                                                                        \
        is_inside = false;                                                                         \
        errno = errno_;                                                                            \
        return rc_;                                                                                \
    } while (0)

/* ---- the cut ---- */

static void
die(void)
{
    is_inside = true;
    powerloss_settle();
    (void)kill(getpid(), SIGKILL);
    for (;;) {
        (void)pause();
    }
}

static void *
clock_main(void *arg)
{
    (void)arg;
    const struct timespec t = {after_ms / 1000, after_ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
    is_inside = true;
    powerloss_cut();
    return NULL;
}

static long
env_number(const char *name, long dflt)
{
    const char *text = getenv(name);
    return text == NULL ? dflt : strtol(text, NULL, 10);
}

__attribute__((constructor)) static void
begin(void)
{
    const char *dir = getenv("SLUICE_POWERLOSS_DIR");
    if (dir == NULL) {
        return;
    }
    is_inside = true;
    (void)mkdir(dir, 0755);
    powerloss_begin(dir, (uint64_t)env_number("SLUICE_POWERLOSS_SEED", 1),
                    env_number("SLUICE_POWERLOSS_AFTER", 0));
    powerloss_on_cut(die);
    is_inside = false;
    is_ready = true;
    after_ms = env_number("SLUICE_POWERLOSS_AFTER_MS", 0);
    pthread_t thread;
    if (after_ms > 0 && pthread_create(&thread, NULL, clock_main, NULL) == 0) {
        (void)pthread_detach(thread);
    }
}

/* ---- hooks ---- */

HOOK int
openat(int dir, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    bool is_dir = (flags & O_DIRECTORY) != 0;
    if (!is_dir && owns_path(dir, path)) {
        MODELLED(int, powerloss_openat(dir, path, flags, mode));
    }
    return REAL(openat)(dir, path, flags, mode);
}

HOOK int
open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if ((flags & O_DIRECTORY) == 0 && owns_path(AT_FDCWD, path)) {
        MODELLED(int, powerloss_openat(AT_FDCWD, path, flags, mode));
    }
    return REAL(open)(path, flags, mode);
}

HOOK int
close(int fd)
{
    if (owns_fd(fd)) {
        MODELLED(int, powerloss_close(fd));
    }
    return REAL(close)(fd);
}

HOOK ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
    if (owns_fd(fd)) {
        MODELLED(ssize_t, powerloss_pwritev(fd, iov, count, at));
    }
    return REAL(pwritev)(fd, iov, count, at);
}

HOOK ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
    struct iovec iov = {(void *)(uintptr_t)p, n};
    if (owns_fd(fd)) {
        MODELLED(ssize_t, powerloss_pwritev(fd, &iov, 1, at));
    }
    return REAL(pwrite)(fd, p, n, at);
}

HOOK ssize_t
write(int fd, const void *p, size_t n)
{
    if (owns_fd(fd)) {
        unknown("write");
    }
    return REAL(write)(fd, p, n);
}

HOOK ssize_t
writev(int fd, const struct iovec *iov, int count)
{
    if (owns_fd(fd)) {
        unknown("writev");
    }
    return REAL(writev)(fd, iov, count);
}

HOOK int
fallocate(int fd, int mode, off_t at, off_t len)
{
    if (owns_fd(fd)) {
        MODELLED(int, powerloss_fallocate(fd, mode, at, len));
    }
    return REAL(fallocate)(fd, mode, at, len);
}

HOOK int
ftruncate(int fd, off_t len)
{
    if (owns_fd(fd)) {
        MODELLED(int, powerloss_ftruncate(fd, len));
    }
    return REAL(ftruncate)(fd, len);
}

HOOK int
fsync(int fd)
{
    if (owns_fd(fd) || is_directory_of_ours(fd)) {
        MODELLED(int, powerloss_fsync(fd));
    }
    return REAL(fsync)(fd);
}

HOOK int
fdatasync(int fd)
{
    if (owns_fd(fd) || is_directory_of_ours(fd)) {
        MODELLED(int, powerloss_fsync(fd));
    }
    return REAL(fdatasync)(fd);
}

HOOK int
syncfs(int fd)
{
    if (owns_fd(fd) || is_directory_of_ours(fd)) {
        MODELLED(int, powerloss_syncfs(fd));
    }
    return REAL(syncfs)(fd);
}

HOOK int
mkdirat(int dir, const char *path, mode_t mode)
{
    if (owns_path(dir, path)) {
        MODELLED(int, powerloss_mkdirat(dir, path, mode));
    }
    return REAL(mkdirat)(dir, path, mode);
}

HOOK int
mkdir(const char *path, mode_t mode)
{
    if (owns_path(AT_FDCWD, path)) {
        MODELLED(int, powerloss_mkdirat(AT_FDCWD, path, mode));
    }
    return REAL(mkdir)(path, mode);
}

HOOK int
renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    if (owns_path(to_dir, to)) {
        MODELLED(int, powerloss_renameat2(from_dir, from, to_dir, to, flags));
    }
    return REAL(renameat2)(from_dir, from, to_dir, to, flags);
}

HOOK int
rename(const char *from, const char *to)
{
    if (owns_path(AT_FDCWD, to)) {
        MODELLED(int, powerloss_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0));
    }
    return REAL(rename)(from, to);
}

HOOK int
linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    if (owns_path(to_dir, to)) {
        MODELLED(int, powerloss_linkat(from_dir, from, to_dir, to, flags));
    }
    return REAL(linkat)(from_dir, from, to_dir, to, flags);
}

HOOK int
unlinkat(int dir, const char *path, int flags)
{
    if (owns_path(dir, path)) {
        MODELLED(int, powerloss_unlinkat(dir, path, flags));
    }
    return REAL(unlinkat)(dir, path, flags);
}

HOOK int
unlink(const char *path)
{
    if (owns_path(AT_FDCWD, path)) {
        MODELLED(int, powerloss_unlinkat(AT_FDCWD, path, 0));
    }
    return REAL(unlink)(path);
}
