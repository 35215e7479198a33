#include "storage-fs/fs_io.h"

#include "storage-fs/fs_int.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int
sys_openat(int dir, const char *path, int flags, mode_t mode)
{
    return openat(dir, path, flags, mode);
}

static const struct fs_io system_io = {.openat = sys_openat,
                                       .close = close,
                                       .pwritev = pwritev,
                                       .fallocate = fallocate,
                                       .ftruncate = ftruncate,
                                       .fsync = fsync,
                                       .fdatasync = fdatasync,
                                       .syncfs = syncfs,
                                       .mkdirat = mkdirat,
                                       .renameat2 = renameat2,
                                       .unlinkat = unlinkat};

static const struct fs_io *current = &system_io;

void
storage_fs_set_io(const struct fs_io *io)
{
    current = io == NULL ? &system_io : io;
}

const struct fs_io *
fs__io_current(void)
{
    return current;
}
