/* SPDX-License-Identifier: Apache-2.0
 *
 * Options of all commands in one table: `--name VALUE`, `--name=VALUE`, and a letter where one is
 * customary. */
#include "base/span.h"
#include "cli/cli_int.h"
#include "cli/client.h"

struct option {
    uint64_t id;
    const char *letter, *name, *value; /* value: how help calls it; NULL: the option takes none */
    const char *help;
};
static const struct option options[] = {
    {CLI__CONFIG, "-c", "--config", "FILE", "the configuration file; without it, the defaults"},
    {CLI__SET, NULL, "--set", "SECTION.KEY=VALUE", "one option, on top of the file; repeatable"},
    {CLI__ADDRESS, NULL, "--address", "HOST:PORT", "the broker to ask (127.0.0.1:9092)"},
    {CLI__JSON, NULL, "--json", NULL, "as JSON, for scripts"},
    {CLI__COUNTERS, NULL, "--counters", NULL, "with every counter"},
    {CLI__MARKDOWN, NULL, "--markdown", NULL, "as a Markdown page"},
    {CLI__ONLY, NULL, "--only", "TEST", "a part (storage) or a test (storage/race) of the kit"},
    {CLI__SEED, NULL, "--seed", "N", "for the kit's random choices; without it, from the clock"},
    {CLI__DEADLINE, NULL, "--deadline", "MS", "of each of the kit's operations (10000)"},
    {CLI__PARTITION, "-p", "--partition", "N", "only this partition"},
    {CLI__FROM_OFFSET, NULL, "--from-offset", "N", "begin at this offset"},
    {CLI__FROM_TIME, NULL, "--from-time", "TIME",
     "begin at the first record of this time or later: 2026-01-31T12:00:00Z, or ms since 1970"},
    {CLI__TO, NULL, "--to", "N", "end before this offset"},
    {CLI__FOLLOW, "-f", "--follow", NULL, "go on with what is written from now on"},
    {CLI__PARTITIONS, NULL, "--partitions", "N", "how many; without it, the broker's default"},
    {CLI__REPLICATION, NULL, "--replication-factor", "N",
     "copies of each partition; without it, the broker's default"},
    {CLI__TOPIC_CONFIG, NULL, "--config", "KEY=VALUE",
     "of the topic, retention.ms=1000; repeatable"},
    {CLI__BEFORE, NULL, "--before", "OFFSET", "delete what lies before it; `end`: everything"},
    {CLI__STATE, NULL, "--state", "STATE", "only groups in it: Stable, Empty, ...; A,B: in either"},
    {CLI__TOPIC, NULL, "--topic", "NAME", "the topic that it is about"},
    {CLI__TO_EARLIEST, NULL, "--to-earliest", NULL, "to the first record that is left"},
    {CLI__TO_LATEST, NULL, "--to-latest", NULL, "to the end"},
    {CLI__TO_OFFSET, NULL, "--to-offset", "N", "to this offset, or the nearest that there is"},
    {CLI__TO_TIME, NULL, "--to-time", "TIME",
     "to the first record of this time or later: 2026-01-31T12:00:00Z, or ms since 1970"},
    {CLI__EXECUTE, NULL, "--execute", NULL, "do it; without it, only say what would be done"},
    {CLI__ACCEPT_LOSS, NULL, "--accept-loss", NULL,
     "repair: give up what is lost; without it, only say what that is. import: also topics with"
     " holes between segments"},
    {CLI__DELETE, NULL, "--delete", NULL, "delete what is dead; without it, only list it"},
    {CLI__ALL, NULL, "--all", NULL, "also what is at its default"},
    {CLI__USER, NULL, "--user", "NAME", "of this user"},
    {CLI__USER_DEFAULT, NULL, "--user-default", NULL, "of every user that has none"},
    {CLI__CLIENT, NULL, "--client-id", "ID", "of this client id"},
    {CLI__CLIENT_DEFAULT, NULL, "--client-id-default", NULL, "of every client id that has none"},
    {CLI__IN_PROCESS, NULL, "--in-process", NULL, "the kit without child processes, for gdb"},
};
enum { OPTION_COUNT = sizeof(options) / sizeof(options[0]) };

static bool
is_option_name(const struct option *o, struct span name)
{
    return span_eq(span_cstr(o->name), name) ||
           (o->letter != NULL && span_eq(span_cstr(o->letter), name));
}

/* Gives the option that arg names, whether or not `=VALUE` follows. */
static const struct option *
option_find(const struct cli__command *cmd, const char *arg)
{
    struct span name = span_of(arg, strcspn(arg, "="));
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if ((cmd->options & options[i].id) && is_option_name(&options[i], name)) {
            return &options[i];
        }
    }
    return NULL;
}

static bool
unknown_option(const struct cli__command *cmd, const char *arg)
{
    struct nearest near;
    nearest_init(&near, arg);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (cmd->options & options[i].id) {
            nearest_offer(&near, options[i].name);
        }
    }
    (void)fprintf(stderr, "sluice %s: no option %s%s%s; `sluice help %s` lists them\n", cmd->name,
                  arg, near.best == NULL ? "" : "; did you mean ",
                  near.best == NULL ? "" : near.best, cmd->name);
    return false;
}

static bool
option_store(const struct option *o, const char *value, struct cli__args *ret)
{
    ret->values[__builtin_ctzll(o->id)] = value == NULL ? "" : value;
    switch (o->id) {
    case CLI__CONFIG:
        ret->config_path = value;
        return true;
    case CLI__SET:
    case CLI__TOPIC_CONFIG:
        if (ret->set_count == CLI__SETS_MAX) {
            (void)fprintf(stderr, "sluice: at most %d %s\n", CLI__SETS_MAX, o->name);
            return false;
        }
        ret->sets[ret->set_count++] = value;
        return true;
    case CLI__ADDRESS:
        ret->address = value;
        if (!client_address_is_valid(value)) {
            (void)fprintf(stderr, "sluice %s: %s is no HOST:PORT\n", ret->command->name, value);
            return false;
        }
        return true;
    case CLI__ONLY:
        ret->only = value;
        return true;
    case CLI__SEED:
        ret->seed = value;
        return true;
    case CLI__DEADLINE:
        ret->deadline_ms = value;
        return true;
    case CLI__IN_PROCESS:
        ret->is_in_process = true;
        return true;
    case CLI__JSON:
        ret->is_json = true;
        return true;
    case CLI__COUNTERS:
        ret->has_counters = true;
        return true;
    case CLI__MARKDOWN:
        ret->is_markdown = true;
        return true;
    default:
        return true;
    }
}

/* Reads the option at argv[*i], and moves *i onto its last word. */
static bool
option_parse(const struct cli__command *cmd, int argc, char *const *argv, int *i,
             struct cli__args *ret)
{
    const char *arg = argv[*i];
    const struct option *o = option_find(cmd, arg);
    const char *value = strchr(arg, '=');
    if (o == NULL) {
        return unknown_option(cmd, arg);
    }
    if (o->value == NULL && value != NULL) {
        (void)fprintf(stderr, "sluice %s: %s takes no value\n", cmd->name, o->name);
        return false;
    }
    if (value != NULL) {
        value++;
    } else if (o->value != NULL && *i + 1 < argc) {
        value = argv[++*i];
    } else if (o->value != NULL) {
        (void)fprintf(stderr, "sluice %s: %s needs %s\n", cmd->name, o->name, o->value);
        return false;
    }
    return option_store(o, value, ret);
}

/* Takes an argument that is no option; false when there is no place for it. */
static bool
word_store(const struct cli__command *cmd, const char *word, struct cli__args *ret)
{
    if (cmd->words_max > 0) {
        if (ret->word_count == cmd->words_max) {
            return false;
        }
        ret->words[ret->word_count++] = word;
        return true;
    }
    if (cmd->word != NULL && ret->word == NULL) {
        ret->word = word;
        return true;
    }
    if ((cmd->options & CLI__SECOND) != 0 && ret->second == NULL) {
        ret->second = word;
        return true;
    }
    return false;
}

bool
cli__args_parse(const struct cli__command *cmd, int argc, char *const *argv, struct cli__args *ret)
{
    ret->command = cmd;
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            if (!option_parse(cmd, argc, argv, &i, ret)) {
                return false;
            }
        } else if (!word_store(cmd, argv[i], ret)) {
            (void)fprintf(stderr, "sluice %s: what is \"%s\"? See `sluice help %s`\n", cmd->name,
                          argv[i], cmd->name);
            return false;
        }
    }
    if ((cmd->is_word_needed && ret->word == NULL) || ret->word_count < cmd->words_min) {
        bool is_one = cmd->words_max == 0 || ret->word_count == 0;
        (void)fprintf(stderr, "sluice %s: %s is missing%s; see `sluice help %s`\n", cmd->name,
                      cmd->word, is_one ? "" : " something", cmd->name);
        return false;
    }
    return true;
}

void
cli__args_help(const struct cli__command *cmd, FILE *out)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &options[i];
        if (cmd->options & o->id) {
            (void)fprintf(out, "  %s%s%s %-*s %s\n", o->letter == NULL ? "" : o->letter,
                          o->letter == NULL ? "    " : ", ", o->name, (int)(26 - strlen(o->name)),
                          o->value == NULL ? "" : o->value, o->help);
        }
    }
}
