/* SPDX-License-Identifier: Apache-2.0
 *
 * Folder-private: a parsed command line, and the commands. Threads: the main thread. */
#ifndef SLUICE_CLI_CLI_INT_H
#define SLUICE_CLI_CLI_INT_H

#include "cli/cli.h"

/* Which options a command takes. */
enum {
    CLI__CONFIG = 1,
    CLI__SET = 2,
    CLI__ADDRESS = 4,
    CLI__MARKDOWN = 8,
    CLI__ONLY = 16,
    CLI__SEED = 32,
    CLI__DEADLINE = 64,
    CLI__IN_PROCESS = 128,
    CLI__JSON = 512,
    CLI__COUNTERS = 1024,
    CLI__PARTITION = 2048,
    CLI__FROM_OFFSET = 4096,
    CLI__FROM_TIME = 8192,
    CLI__TO = 16384,
    CLI__FOLLOW = 32768,
    CLI__SECOND = 256 /* no option: the command takes a second argument */
};

enum { CLI__SETS_MAX = 256 };

struct cli__args {
    const struct cli_hooks *hooks;
    const char *config_path;
    const char *sets[CLI__SETS_MAX];
    size_t set_count;
    const char *address;
    bool is_markdown, is_json, has_counters;
    const char *only, *seed, *deadline_ms;
    bool is_in_process;
    const char *values[32]; /* of every option by the number of its bit; "" of one without value */
    const char *word;       /* the argument that is no option; NULL: none */
    const char *second;     /* the one behind it, where the command takes two */
};

struct cli__command {
    const char *name;
    unsigned options; /* CLI__... */
    const char *word; /* how help calls its one argument; NULL: it takes none */
    bool is_word_needed;
    const char *summary; /* one line */
    const char *details; /* a paragraph */
    int (*run)(const struct cli__args *args);
};
extern const struct cli__command cli__commands[]; /* ends with name NULL */

/* The value of an option; NULL when it was not given. */
static inline const char *
cli__value(const struct cli__args *args, unsigned id)
{
    return args->values[__builtin_ctz(id)];
}

/* The configuration with everything checked; NULL after telling what is wrong. */
struct config *cli__config_get(const struct cli__args *args);

const struct cli__command *cli__command_find(const char *name);
/* Fills *ret from what follows the command's name; false after telling what is wrong. */
bool cli__args_parse(const struct cli__command *cmd, int argc, char *const *argv,
                     struct cli__args *ret);
/* Prints one command's options for help. */
void cli__args_help(const struct cli__command *cmd, FILE *out);

int cli__log(const struct cli__args *args);
int cli__plugin(const struct cli__args *args);
int cli__segment(const struct cli__args *args);
int cli__status(const struct cli__args *args);

#endif
