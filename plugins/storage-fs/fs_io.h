/* The system calls through which the file store changes a disk, as a table, so that a test can put
 * a model of power loss underneath (tests/powerloss). Reads need no entry: they change nothing.
 *
 * Threads:  the functions are called from any thread.
 * Lifetime: set before an instance is created; an instance keeps the table it found. */
#ifndef SLUICE_STORAGE_FS_IO_H
#define SLUICE_STORAGE_FS_IO_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Planted mistakes, for the tests that must catch them (docs/journal.md section 7, number 20). */
#define FS_MISTAKE_VISIBLE_EARLY (1u << 0)

struct fs_io {
    int (*openat)(int dir, const char *path, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*pwritev)(int fd, const struct iovec *iov, int count, off_t at);
    int (*fallocate)(int fd, int mode, off_t at, off_t len);
    int (*ftruncate)(int fd, off_t len);
    int (*fsync)(int fd);
    int (*fdatasync)(int fd);
    int (*syncfs)(int fd);
    int (*mkdirat)(int dir, const char *path, mode_t mode);
    int (*renameat2)(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
    int (*unlinkat)(int dir, const char *path, int flags);
    uint32_t mistakes;
};

/* Instances created from now on use io; NULL = the system's own. Tests only. */
void storage_fs_set_io(const struct fs_io *io);

#endif
