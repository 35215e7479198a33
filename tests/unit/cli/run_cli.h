/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a command line within a test, with both of its streams in `output`. */
#ifndef SLUICE_UNIT_CLI_RUN_CLI_H
#define SLUICE_UNIT_CLI_RUN_CLI_H

#include "../unit.h"
#include "cli/cli.h"

#include <stdio.h>
#include <unistd.h>

enum { WORDS_MAX = 16, OUTPUT_MAX = 65536 };

static char output[OUTPUT_MAX]; /* of the last run: what it said on both streams */

/* Runs one command line, split at blanks. */
static int
run_with(const struct cli_hooks *hooks, const char *line)
{
    char text[512];
    char *words[WORDS_MAX + 1] = {NULL};
    int count = 0;
    (void)snprintf(text, sizeof(text), "%s", line);
    char *rest = text;
    for (char *w; (w = strsep(&rest, " ")) != NULL && count < WORDS_MAX;) {
        words[count++] = w;
    }
    FILE *file = tmpfile();
    assert_non_null(file);
    (void)fflush(NULL);
    int out = dup(STDOUT_FILENO);
    int err = dup(STDERR_FILENO);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    int status = cli_main(hooks, count, words);
    (void)fflush(NULL);
    assert_true(dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0);
    (void)close(out);
    (void)close(err);
    rewind(file);
    output[fread(output, 1, sizeof(output) - 1, file)] = '\0';
    (void)fclose(file);
    return status;
}

/* Is text in what the last run said? */
static void
assert_says(const char *text)
{
    if (strstr(output, text) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", text, output);
    }
}

#endif
