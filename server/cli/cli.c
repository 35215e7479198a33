/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands. */
#include "base/diag.h"
#include "cli/cli_int.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, PLUGINS_MAX = 32 };

static void
print_problem(void *arg, const char *problem)
{
    (void)arg;
    (void)fprintf(stderr, "sluice: %s\n", problem);
}

struct config *
cli__config_get(const struct cli__args *args)
{
    struct sl_error err = SL_ERROR_INIT;
    struct config *cfg = NULL;
    struct config_args from = {.path = args->config_path,
                               .sets = args->sets,
                               .set_count = args->set_count,
                               .report = print_problem};
    enum sl_err rc = config_load(&from, &cfg, &err);
    if (rc == SL_OK && args->hooks->check != NULL) {
        rc = args->hooks->check(cfg, &from, &err);
    }
    if (rc != SL_OK) {
        if (rc != SL_EINVALID_CONFIG) { /* those were printed one by one */
            (void)fprintf(stderr, "sluice: %s\n", err.msg);
        }
        config_destroy(&cfg);
    }
    return cfg;
}

static int
serve(const struct cli__args *args)
{
    struct config *cfg = cli__config_get(args);
    if (cfg == NULL) {
        return EXIT_USAGE;
    }
    diag_set_level((enum diag_level)cfg->server.log_level);
    int status = args->hooks->serve(cfg);
    config_destroy(&cfg);
    return status;
}

static int
check(const struct cli__args *args)
{
    struct config *cfg = cli__config_get(args);
    if (cfg == NULL) {
        return EXIT_USAGE;
    }
    (void)printf("%s: ok\n", args->config_path == NULL ? "defaults" : args->config_path);
    config_print_changes(cfg, stdout);
    config_destroy(&cfg);
    return EXIT_DONE;
}

int
cli__config_doc(const struct cli__args *args)
{
    struct config_plugin_keys plugins[PLUGINS_MAX];
    size_t count =
        args->hooks->plugin_keys == NULL ? 0 : args->hooks->plugin_keys(plugins, PLUGINS_MAX);
    config_doc(stdout, args->is_markdown, plugins, count);
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int
version(const struct cli__args *args)
{
    (void)args;
    (void)printf("sluice %s\n", SLUICE_VERSION);
    return EXIT_DONE;
}

static void
usage(FILE *out)
{
    (void)fprintf(out, "sluice: a streaming server that speaks the Kafka protocol and keeps "
                       "everything in an object store\n\n");
    for (const struct cli__command *c = cli__commands; c->name != NULL; c++) {
        (void)fprintf(out, "  sluice %-8s %s\n", c->name, c->summary);
    }
    (void)fprintf(out, "\n`sluice help COMMAND` tells more.\n");
}

static int
unknown_command(const char *name)
{
    struct nearest near;
    nearest_init(&near, name);
    for (const struct cli__command *c = cli__commands; c->name != NULL; c++) {
        nearest_offer(&near, c->name);
    }
    if (near.best != NULL) {
        (void)fprintf(stderr, "sluice: no command %s; did you mean %s?\n", name, near.best);
    } else {
        (void)fprintf(stderr, "sluice: no command %s; `sluice help` lists them\n", name);
    }
    return EXIT_USAGE;
}

static void
help_command(const struct cli__command *c)
{
    (void)printf("sluice %s%s%s%s\n\n%s\n", c->name,
                 (c->options & ~CLI__SECOND) == 0 ? "" : " [OPTIONS]", c->word == NULL ? "" : " ",
                 c->word == NULL ? "" : c->word, c->details);
    if ((c->options & ~CLI__SECOND) != 0) {
        (void)printf("\n");
        cli__args_help(c, stdout);
    }
}

static void
help_verbs(const struct cli__command *c, FILE *out)
{
    (void)fprintf(out, "%s\n\n", c->details);
    for (const struct cli__command *v = c->verbs; v->name != NULL; v++) {
        int n = fprintf(out, "  sluice %s %s", v->name, v->word == NULL ? "" : v->word);
        (void)fprintf(out, "%*s %s\n", n < 44 ? 44 - n : 0, "", v->summary);
    }
    (void)fprintf(out, "\n`sluice help %s` tells more.\n", c->verbs->name);
}

static int
help(const struct cli__args *args)
{
    if (args->word == NULL) {
        usage(stdout);
        return EXIT_DONE;
    }
    const struct cli__command *c = cli__command_find(args->word);
    if (c == NULL) {
        return unknown_command(args->word);
    }
    if (c->verbs != NULL && args->second != NULL) {
        c = cli__verb_find(c, args->second);
        if (c == NULL) {
            return EXIT_USAGE;
        }
    }
    if (c->verbs != NULL) {
        help_verbs(c, stdout);
    } else {
        help_command(c);
    }
    return EXIT_DONE;
}

const struct cli__command cli__commands[] = {
    {.name = "serve",
     .options = CLI__CONFIG | CLI__SET,
     .summary = "run a broker",
     .details =
         "Runs a broker until SIGTERM or SIGINT. Without a file it listens on 127.0.0.1:9092 and "
         "keeps\n"
         "its data in ./sluice-data.",
     .run = serve},
    {.name = "check",
     .options = CLI__CONFIG | CLI__SET,
     .summary = "check a configuration",
     .details = "Reports every mistake of a configuration and starts nothing; prints what differs "
                "from the\n"
                "defaults when there is none.",
     .run = check},
    {.name = "config",
     .summary = "list every option; look at a running broker's configuration, change it",
     .details = "config doc prints every option of the configuration file. The other verbs ask a\n"
                "broker, Sluice or Kafka, for the configuration of topics and brokers.",
     .verbs = cli__config_verbs},
    {.name = "status",
     .options = CLI__ADDRESS | CLI__JSON | CLI__COUNTERS,
     .summary = "ask a running broker how it is",
     .details =
         "Connects as a client and prints how the broker, its journals and its store are, what it "
         "asks\n"
         "of the store and what that comes to in a month, then the cluster, the brokers, and the\n"
         "topics with the number of their partitions. Of a broker that is no Sluice, the latter "
         "only.",
     .run = cli__status},
    {.name = "topic",
     .summary = "list, create, look into, grow and delete topics",
     .details = "Asks a running broker, Sluice or Kafka.",
     .verbs = cli__topic_verbs},
    {.name = "group",
     .summary = "consumer groups: who is in them, how far they are; set their offsets",
     .details = "Asks a running broker, Sluice or Kafka.",
     .verbs = cli__group_verbs},
    {.name = "quota",
     .summary = "what users and client ids may use",
     .details = "Asks a running broker, Sluice or Kafka. Quotas: producer_byte_rate and\n"
                "consumer_byte_rate in bytes a second, request_percentage of a thread's time,\n"
                "controller_mutation_rate in partitions a second.",
     .verbs = cli__quota_verbs},
    {.name = "log",
     .summary = "read, check, import or repair a log in the store, without a broker",
     .details =
         "Opens the configured store (--config, --set storage.path=DIR). No broker is needed;"
         " one\nmay run.",
     .verbs = cli__log_verbs},
    {.name = "segment",
     .summary = "look into a .kfs segment, or check it",
     .details = "Reads a .kfs file, or, when there is no such file, the object of that key in the"
                "\nconfigured store.",
     .verbs = cli__segment_verbs},
    {.name = "plugin",
     .options = CLI__CONFIG | CLI__SET | CLI__ONLY | CLI__SEED | CLI__DEADLINE | CLI__IN_PROCESS |
                CLI__SECOND,
     .word = "inspect|test FILE",
     .is_word_needed = true,
     .summary = "look into a plugin, or test it",
     .details =
         "plugin inspect FILE prints what a shared object is, what it offers, and its keys.\n"
         "plugin test FILE runs the conformance kit against it and prints TAP; its keys come from "
         "the\n"
         "configuration's [plugin NAME] section. builtin:fs in place of FILE is the file store, "
         "with\n"
         "the keys of [storage]. Both load the plugin in child processes only.",
     .run = cli__plugin},
    {.name = "version",
     .summary = "print the version",
     .details = "Prints the version.",
     .run = version},
    {.name = "help",
     .options = CLI__SECOND,
     .word = "COMMAND [VERB]",
     .summary = "tell about a command",
     .details = "Tells about a command.",
     .run = help},
    {0},
};

const struct cli__command *
cli__command_find(const char *name)
{
    for (const struct cli__command *c = cli__commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

/* "list" of "topic list". */
static const char *
verb_of(const struct cli__command *cmd, const struct cli__command *verb)
{
    return verb->name + strlen(cmd->name) + 1;
}

const struct cli__command *
cli__verb_find(const struct cli__command *cmd, const char *word)
{
    struct nearest near;
    if (word == NULL) {
        help_verbs(cmd, stderr);
        return NULL;
    }
    nearest_init(&near, word);
    for (const struct cli__command *v = cmd->verbs; v->name != NULL; v++) {
        if (strcmp(verb_of(cmd, v), word) == 0) {
            return v;
        }
        nearest_offer(&near, verb_of(cmd, v));
    }
    if (near.best != NULL) {
        (void)fprintf(stderr, "sluice %s: no verb %s; did you mean %s?\n", cmd->name, word,
                      near.best);
    } else {
        (void)fprintf(stderr, "sluice %s: no verb %s; `sluice help %s` lists them\n", cmd->name,
                      word, cmd->name);
    }
    return NULL;
}

/* What people type out of habit. */
static const char *
habit(const char *word)
{
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        return "version";
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        return "help";
    }
    return word;
}

static bool
wants_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

bool
cli__is_unheard(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) > 0 && (out.revents & POLLERR) != 0;
}

int64_t
cli__now_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What was printed and did not get out is not done. Whoever closed a pipe knows: `| head`. */
static int
printed(int status)
{
    char why[96];
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return status;
    }
    int saved = errno; /* 0: it failed earlier */
    if (!cli__is_unheard()) {
        (void)fprintf(stderr, "sluice: not all of the output could be written%s%s\n",
                      saved == 0 ? "" : ": ",
                      saved == 0 ? "" : strerror_r(saved, why, sizeof(why)));
    }
    return status == EXIT_DONE ? EXIT_FAILED : status;
}

int
cli_main(const struct cli_hooks *hooks, int argc, char *const *argv)
{
    struct cli__args args = {.hooks = hooks};
    int first = 2; /* the first word behind the command's name */
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    const struct cli__command *cmd = cli__command_find(habit(argv[1]));
    if (cmd == NULL) {
        return unknown_command(argv[1]);
    }
    for (int i = first; i < argc; i++) {
        if (wants_help(argv[i])) {
            args.word = cmd->name;
            args.second = cmd->verbs != NULL && i > first ? argv[first] : NULL;
            return printed(help(&args));
        }
    }
    if (cmd->verbs != NULL) {
        cmd = cli__verb_find(cmd, argc > first ? argv[first] : NULL);
        first++;
    }
    if (cmd == NULL || !cli__args_parse(cmd, argc - first, argv + first, &args)) {
        return EXIT_USAGE;
    }
    return printed(cmd->run(&args));
}
