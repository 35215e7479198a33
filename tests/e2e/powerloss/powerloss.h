/* A model of losing power: what was not synced may be gone, bytes and directory entries alike.
 *
 * Stands between a program and one directory tree. Every change is made for real, and what would
 * undo it is remembered until the call that makes it durable has returned. At the cut (the n-th
 * change, or when told) the remembered changes are undone at random: sectors of 512 bytes of the
 * write that was under way and of every unsynced one; for each directory a random tail of its
 * unsynced changes; sizes. After the cut no call changes anything any more.
 *
 * Users: the unit test of the file store (through its table of system calls) and the preload
 * library for a whole broker (preload.c).
 *
 * Threads:  every function may be called from any thread; changes happen one at a time.
 * Lifetime: begin -> calls -> settle -> end. One tree per process. */
#ifndef SLUICE_TESTS_POWERLOSS_H
#define SLUICE_TESTS_POWERLOSS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Watches the tree below root, which exists; a directory `root`.grave beside it is the model's own.
 * cut_after = 0: only powerloss_cut() cuts. */
void powerloss_begin(const char *root, uint64_t seed, long cut_after);
void powerloss_cut(void);
bool powerloss_is_cut(void);
long powerloss_changes(void);
/* Makes the tree what a machine would find after the cut. */
void powerloss_settle(void);
void powerloss_end(void);
/* Called, with the model's lock held, when the cut has happened; NULL: nothing. */
void powerloss_on_cut(void (*fn)(void));

/* Is that path (relative to dir) inside the tree? */
bool powerloss_owns_path(int dir, const char *path);
bool powerloss_owns_fd(int fd);

/* The calls; as the system's of the same name. */
int powerloss_openat(int dir, const char *path, int flags, mode_t mode);
int powerloss_close(int fd);
ssize_t powerloss_pwritev(int fd, const struct iovec *iov, int count, off_t at);
int powerloss_fallocate(int fd, int mode, off_t at, off_t len);
int powerloss_ftruncate(int fd, off_t len);
int powerloss_fsync(int fd);
int powerloss_syncfs(int fd);
int powerloss_mkdirat(int dir, const char *path, mode_t mode);
int powerloss_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int powerloss_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int powerloss_unlinkat(int dir, const char *path, int flags);

#endif
