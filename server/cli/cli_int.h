/* SPDX-License-Identifier: Apache-2.0
 *
 * Folder-private: a parsed command line, and the commands. Threads: the main thread. */
#ifndef SLUICE_CLI_CLI_INT_H
#define SLUICE_CLI_CLI_INT_H

#include "cli/cli.h"

/* Which options a command takes: a set of bits. */
#define CLI__BIT(n) (UINT64_C(1) << (n))
#define CLI__CONFIG CLI__BIT(0)
#define CLI__SET CLI__BIT(1)
#define CLI__ADDRESS CLI__BIT(2)
#define CLI__MARKDOWN CLI__BIT(3)
#define CLI__ONLY CLI__BIT(4)
#define CLI__SEED CLI__BIT(5)
#define CLI__DEADLINE CLI__BIT(6)
#define CLI__IN_PROCESS CLI__BIT(7)
#define CLI__SECOND CLI__BIT(8) /* no option: the command takes a second argument */
#define CLI__JSON CLI__BIT(9)
#define CLI__COUNTERS CLI__BIT(10)
#define CLI__PARTITION CLI__BIT(11)
#define CLI__FROM_OFFSET CLI__BIT(12)
#define CLI__FROM_TIME CLI__BIT(13)
#define CLI__TO CLI__BIT(14)
#define CLI__FOLLOW CLI__BIT(15)
/* of topic, group, config and quota */
#define CLI__PARTITIONS CLI__BIT(16)
#define CLI__REPLICATION CLI__BIT(17)
#define CLI__TOPIC_CONFIG CLI__BIT(18)
#define CLI__BEFORE CLI__BIT(19)
#define CLI__STATE CLI__BIT(20)
#define CLI__TOPIC CLI__BIT(21)
#define CLI__TO_EARLIEST CLI__BIT(22)
#define CLI__TO_LATEST CLI__BIT(23)
#define CLI__TO_OFFSET CLI__BIT(24)
#define CLI__TO_TIME CLI__BIT(25)
#define CLI__EXECUTE CLI__BIT(26)
#define CLI__ALL CLI__BIT(27)
#define CLI__USER CLI__BIT(28)
#define CLI__USER_DEFAULT CLI__BIT(29)
#define CLI__CLIENT CLI__BIT(30)
#define CLI__CLIENT_DEFAULT CLI__BIT(31)
#define CLI__ACCEPT_LOSS CLI__BIT(32)
#define CLI__DELETE CLI__BIT(33)

enum { CLI__SETS_MAX = 256, CLI__WORDS_MAX = 256, CLI__OPTIONS_MAX = 64 };

struct cli__command;

struct cli__args {
    const struct cli_hooks *hooks;
    const struct cli__command *command;
    const char *config_path;
    const char *sets[CLI__SETS_MAX];
    size_t set_count;
    const char *address;
    bool is_markdown, is_json, has_counters;
    const char *only, *seed, *deadline_ms;
    bool is_in_process;
    /* Of every option by the number of its bit; "" of one without value. */
    const char *values[CLI__OPTIONS_MAX];
    const char *word;   /* the argument that is no option; NULL: none */
    const char *second; /* the one behind it, where the command takes two */
    /* All arguments that are no options, where the command takes several; NULL behind the last. */
    const char *words[CLI__WORDS_MAX + 1];
    size_t word_count;
};

struct cli__command {
    const char *name; /* "serve"; of a verb with its noun: "topic list" */
    uint64_t options; /* CLI__... */
    const char *word; /* how help calls its one argument; NULL: it takes none */
    bool is_word_needed;
    const char *summary;                      /* one line */
    const char *details;                      /* a paragraph */
    int (*run)(const struct cli__args *args); /* NULL: it has verbs */
    size_t words_min, words_max;      /* of a command that takes several; 0: word and second say */
    const struct cli__command *verbs; /* ends with name NULL */
};
extern const struct cli__command cli__commands[]; /* ends with name NULL */

/* The value of an option; NULL when it was not given. */
static inline const char *
cli__value(const struct cli__args *args, uint64_t id)
{
    return args->values[__builtin_ctzll(id)];
}

/* The configuration with everything checked; NULL after telling what is wrong. */
struct config *cli__config_get(const struct cli__args *args);

extern const struct cli__command cli__topic_verbs[], cli__group_verbs[], cli__config_verbs[],
    cli__quota_verbs[], cli__log_verbs[], cli__segment_verbs[]; /* end with name NULL */

const struct cli__command *cli__command_find(const char *name);
/* Gives the verb, after telling what is wrong NULL. word may be NULL. */
const struct cli__command *cli__verb_find(const struct cli__command *cmd, const char *word);
/* Fills *ret from what follows the command's name; false after telling what is wrong. */
bool cli__args_parse(const struct cli__command *cmd, int argc, char *const *argv,
                     struct cli__args *ret);
/* Prints one command's options for help. */
void cli__args_help(const struct cli__command *cmd, FILE *out);

/* Whoever read our output has gone: `| head`. */
bool cli__is_unheard(void);
/* Milliseconds of a clock that only goes on. */
int64_t cli__now_ms(void);

int cli__config_doc(const struct cli__args *args);
int cli__plugin(const struct cli__args *args);
int cli__status(const struct cli__args *args);

#endif
