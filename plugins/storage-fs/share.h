/* Several processes on one directory; the essay is at the top of share.c.
 *
 * Threads:  as each function says.
 * Lifetime: open -> enter, leave, ... -> close. */
#ifndef SLUICE_STORAGE_FS_SHARE_H
#define SLUICE_STORAGE_FS_SHARE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum fs_share_state { FS_OUT, FS_ACQUIRING, FS_IN };

struct fs_control; /* the shared page */

struct fs_share {
    int control_fd, members_fd, member_fd;
    struct fs_control *control;
    uint64_t member; /* our id */
    uint64_t seen;   /* changes up to here are in our index */
    enum fs_share_state state;
    uint32_t inside;
    bool must_yield; /* somebody waited when we let go: let him go first */
    bool is_stale;   /* the index is incomplete: everything must be read anew */
    pthread_cond_t changed;
};

enum fs_change_kind { FS_APPENDED, FS_DELETED, FS_RECYCLED, FS_REMOVED };

#endif
