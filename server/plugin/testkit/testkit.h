/* SPDX-License-Identifier: Apache-2.0
 *
 * The conformance kit, `sluice plugin test`: does a plugin keep the rules of sluice/plugin.h and
 * sluice/storage.h? Each test runs in a process of its own, with a time limit; the answer is TAP
 * on `out`. A failure names the rule that was broken, the seed, and the command that repeats it.
 *
 * Threads: the main thread of a process that has no other. */
#ifndef SLUICE_PLUGIN_TESTKIT_H
#define SLUICE_PLUGIN_TESTKIT_H

#include "plugin/instance.h"

#include <stdio.h>

enum { TESTKIT_DEADLINE_MS = 10000 };

struct testkit_options {
    struct plugin_source source;
    const char *subject; /* as the user wrote it: "x.so", "builtin:fs" */
    struct plugin_conf conf;
    const char *config_path; /* for the command that repeats a test; may be NULL */
    bool has_sets;    /* --set was given, too: may hold secrets, so the command only mentions it */
    const char *only; /* a part ("storage") or a test ("storage/race"); NULL: all */
    uint64_t seed;
    int64_t deadline_ms; /* of each operation; 0 = TESTKIT_DEADLINE_MS */
    bool is_in_process;  /* no child, for a debugger: the first failure aborts */
};

/* Gives the number of tests that failed; -1 when `only` names none. Borrows o. */
int testkit_run(const struct testkit_options *o, FILE *out);

#endif
