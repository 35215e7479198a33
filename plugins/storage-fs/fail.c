/* What an operator reads when the store cannot do what it was asked. */
#include "storage-fs/fs_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

sluice_status
fs__fail(sluice_instance *fs, sluice_status status, const char *fmt, ...)
{
    char why[FS_WHY_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    fs->host->fail(fs->host, NULL, status, (sluice_slice){(const uint8_t *)why, strlen(why)});
    return status;
}

void
fs__log(sluice_instance *fs, int32_t level, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fs->host->log(fs->host, level, (sluice_slice){(const uint8_t *)text, strlen(text)});
}

static const char *
remedy(int sys_errno)
{
    switch (sys_errno) {
    case ENOSPC:
        return "free some space; the next write is tried again by itself";
    case EDQUOT:
        return "raise the quota; the next write is tried again by itself";
    case EROFS:
        return "the file system is mounted read-only; remount it and look for its cause";
    case EACCES:
    case EPERM:
        return "give the server's user the right to write there";
    case EMFILE:
    case ENFILE:
        return "raise the limit on open files (ulimit -n)";
    case ENOENT:
        return "is the path right, and was something removed or unmounted meanwhile?";
    case ENOTDIR:
    case EISDIR:
        return "something else has that name; move it away, or name another path";
    case ELOOP:
        return "this store does not follow symbolic links; mount there what it points to";
    default:
        return "look at the kernel log";
    }
}

static sluice_status
status_of_errno(int sys_errno)
{
    switch (sys_errno) {
    case ENOSPC:
    case EDQUOT:
        return SLUICE_ENOSPC;
    case EACCES:
    case EPERM:
    case EROFS:
        return SLUICE_EDENIED;
    case EMFILE:
    case ENFILE:
        return SLUICE_EAGAIN;
    case ENOMEM:
        return SLUICE_ENOMEM;
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
        return SLUICE_EINVAL;
    default:
        return SLUICE_EIO;
    }
}

static const char *
errno_text(int sys_errno, char *buf, size_t cap)
{
    return strerror_r(sys_errno, buf, cap);
}

sluice_status
fs__fail_sys(sluice_instance *fs, int sys_errno, const char *what, const char *name)
{
    char text[64];
    return fs__fail(fs, status_of_errno(sys_errno), "%s: cannot %s %s: %s; %s", fs->path, what,
                    name, errno_text(sys_errno, text, sizeof(text)), remedy(sys_errno));
}

sluice_status
fs__poison(sluice_instance *fs, int sys_errno, const char *what, const char *name)
{
    char text[64];
    pthread_mutex_lock(&fs->lock);
    if (!atomic_load(&fs->is_poisoned)) {
        (void)snprintf(fs->poison_why, sizeof(fs->poison_why),
                       "%s: stores nothing until restart: %s of %s failed: %s", fs->path, what,
                       name, errno_text(sys_errno, text, sizeof(text)));
        atomic_store(&fs->is_poisoned, true);
        fs__log(fs, SLUICE_LOG_ERROR, "%s; check the disk, then restart", fs->poison_why);
    }
    pthread_mutex_unlock(&fs->lock);
    return fs__fail(fs, SLUICE_EUNKNOWN, "%s", fs->poison_why);
}

sluice_status
fs__poison_check(sluice_instance *fs)
{
    if (atomic_load(&fs->is_poisoned)) {
        return fs__fail(fs, SLUICE_EIO, "%s", fs->poison_why);
    }
    return SLUICE_OK;
}
