/* SPDX-License-Identifier: Apache-2.0
 *
 * Foreign code in a process of its own: what it does to that process is told, not suffered.
 *
 * Threads: run on a thread of a process that has no other (fork); the child's two functions on any
 * thread of the child. */
#ifndef SLUICE_PLUGIN_CHILD_H
#define SLUICE_PLUGIN_CHILD_H

#include "base/buf.h"

enum { CHILD_STAGE_BYTES = 128, CHILD_OUTPUT_MAX = 256 * 1024 };

enum child_end { CHILD_EXITED, CHILD_SIGNALED, CHILD_TIMED_OUT, CHILD_NOT_STARTED };

struct child {
    /* filled by the caller */
    void (*run)(void *arg); /* returns: exit status 0 */
    void *arg;
    int64_t timeout_ms;

    /* how it went */
    enum child_end end;
    int code; /* exit status, number of the signal, or errno of what could not be started */
    char stage[CHILD_STAGE_BYTES]; /* the last one it entered */
    struct bytes output;           /* what it reported; cut at CHILD_OUTPUT_MAX */
};

/* Runs the child to its end, or kills it and what it started. The caller calls child_fini. */
void child_run(struct child *c);
void child_fini(struct child *c);

/* For the child; nothing happens outside of one. */
void child_enter(const char *stage);
/* Adds to the output; in a process that is no child, prints on standard output. */
void child_report(struct span text);

/* Gives "SIGSEGV" and the like. */
const char *child_signal_name(int number);

#endif
