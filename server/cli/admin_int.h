/* SPDX-License-Identifier: Apache-2.0
 *
 * Folder-private: what `sluice topic|group|config|quota` have in common: one run against a cluster,
 * questions, refusals in one line, names that were perhaps meant.
 *
 * Whoever finds out that something is wrong prints it, in one line that says what to do, and the
 * run's exit status becomes 1. Threads: the main thread. Lifetime: what answers borrow lives until
 * the run ends. */
#ifndef SLUICE_CLI_ADMIN_INT_H
#define SLUICE_CLI_ADMIN_INT_H

#include "cli/cli_int.h"
#include "cli/cluster.h"

enum { CLI__DONE = 0, CLI__FAILED = 1, CLI__USAGE = 2, CLI__REQUEST_MS = 20000 };

struct cli__admin {
    const struct cli__args *args;
    struct cluster cluster;
    int status; /* the exit status; CLI__DONE until something is wrong */
    int tries;  /* how often the run waited for something that passes */
};

/* Connects to --address and calls run; gives the exit status. */
int cli__admin_run(const struct cli__args *args, void (*run)(struct cli__admin *a, void *arg),
                   void *arg);
/* Arena memory of the run, zeroed; ends the process with a message where there is no more. */
void *cli__admin_alloc(struct cli__admin *a, size_t count, size_t item);

/* --- saying what is wrong --- */

/* "sluice topic list: ..." on stderr, characters that a terminal would act on escaped. */
void cli__fail(struct cli__admin *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same before there is a run; gives CLI__USAGE. */
int cli__usage(const struct cli__args *args, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* An item that the broker refused with a code other than 0: its own words or ours, the code's name,
 * and what to do. message may be null. */
void cli__refused(struct cli__admin *a, const char *what, int16_t code, struct span message);
/* No such topic; names the nearest. */
void cli__no_topic(struct cli__admin *a, const char *name);
/* No such group; names the nearest. */
void cli__no_group(struct cli__admin *a, const char *name);

/* --- asking; false after saying what is wrong --- */

struct cli__ask {
    int16_t key;
    const void *in;
    void *out;
};
MUST_CHECK bool cli__ask(struct cli__admin *a, struct client *c, const struct cli__ask *q);
MUST_CHECK bool cli__ask_controller(struct cli__admin *a, const struct cli__ask *q);
/* Asks the group's coordinator, again while it moves or loads. error_of gives the code in the
 * answer that says so. */
MUST_CHECK bool cli__ask_coordinator(struct cli__admin *a, const char *group,
                                     const struct cli__ask *q, int16_t (*error_of)(const void *));
/* The group's coordinator. */
MUST_CHECK bool cli__coordinator(struct cli__admin *a, const char *group, struct client **ret);
/* Metadata of one topic that is there. */
MUST_CHECK bool cli__topic_find(struct cli__admin *a, const char *name,
                                struct metadata_response_topic *ret);
/* Is it an error that passes, as when a leader moves? True after a pause, a bounded number of
 * times a run. */
bool cli__again(struct cli__admin *a, int16_t code);

#endif
