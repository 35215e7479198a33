/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands. */
#include "base/diag.h"
#include "cli/cli_int.h"

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

static int
config(const struct cli__args *args)
{
    if (strcmp(args->word, "doc") != 0) {
        (void)fprintf(stderr, "sluice config: there is only `sluice config doc`\n");
        return EXIT_USAGE;
    }
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
    (void)printf("sluice %s%s%s%s\n\n%s\n", c->name, c->options == 0 ? "" : " [OPTIONS]",
                 c->word == NULL ? "" : " ", c->word == NULL ? "" : c->word, c->details);
    if (c->options != 0) {
        (void)printf("\n");
        cli__args_help(c, stdout);
    }
    return EXIT_DONE;
}

const struct cli__command cli__commands[] = {
    {"serve", CLI__CONFIG | CLI__SET, NULL, false, "run a broker",
     "Runs a broker until SIGTERM or SIGINT. Without a file it listens on 127.0.0.1:9092 and "
     "keeps\n"
     "its data in ./sluice-data.",
     serve},
    {"check", CLI__CONFIG | CLI__SET, NULL, false, "check a configuration",
     "Reports every mistake of a configuration and starts nothing; prints what differs from the\n"
     "defaults when there is none.",
     check},
    {"config", CLI__MARKDOWN, "doc", true, "config doc: list every option",
     "Prints every option with its type, default, bounds and meaning.", config},
    {"status", CLI__ADDRESS | CLI__JSON | CLI__COUNTERS, NULL, false,
     "ask a running broker how it is",
     "Connects as a client and prints how the broker, its journals and its store are, what it "
     "asks\n"
     "of the store and what that comes to in a month, then the cluster, the brokers, and the\n"
     "topics with the number of their partitions. Of a broker that is no Sluice, the latter only.",
     cli__status},
    {"log",
     CLI__CONFIG | CLI__SET | CLI__JSON | CLI__PARTITION | CLI__FROM_OFFSET | CLI__FROM_TIME |
         CLI__TO | CLI__FOLLOW | CLI__SECOND,
     "cat TOPIC | verify", true, "read a log straight from the store, without a broker",
     "log cat TOPIC prints the records of a topic, one a line: partition, offset, time, key, "
     "value.\n"
     "log verify checks the whole bucket: chains of entries, checksums, that offsets are dense "
     "and\n"
     "every one is held by an object. Exit status 1 when something is wrong. Both only read, and\n"
     "need no broker; one may run.",
     cli__log},
    {"segment", CLI__CONFIG | CLI__SET | CLI__JSON | CLI__SECOND, "dump|verify FILE-OR-KEY", true,
     "look into a .kfs segment, or check it",
     "Reads a .kfs file, or, when there is no such file, the object of that key in the configured\n"
     "store. dump prints header, batches and footer; verify checks all of it, and the .index "
     "beside\n"
     "it when there is one.",
     cli__segment},
    {"plugin",
     CLI__CONFIG | CLI__SET | CLI__ONLY | CLI__SEED | CLI__DEADLINE | CLI__IN_PROCESS | CLI__SECOND,
     "inspect|test FILE", true, "look into a plugin, or test it",
     "plugin inspect FILE prints what a shared object is, what it offers, and its keys.\n"
     "plugin test FILE runs the conformance kit against it and prints TAP; its keys come from the\n"
     "configuration's [plugin NAME] section. builtin:fs in place of FILE is the file store, with\n"
     "the keys of [storage]. Both load the plugin in child processes only.",
     cli__plugin},
    {"version", 0, NULL, false, "print the version", "Prints the version.", version},
    {"help", 0, "COMMAND", false, "tell about a command", "Tells about a command.", help},
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

int
cli_main(const struct cli_hooks *hooks, int argc, char *const *argv)
{
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    const struct cli__command *cmd = cli__command_find(habit(argv[1]));
    if (cmd == NULL) {
        return unknown_command(argv[1]);
    }
    struct cli__args args = {.hooks = hooks};
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            args.word = cmd->name;
            return help(&args);
        }
    }
    return cli__args_parse(cmd, argc - 2, argv + 2, &args) ? cmd->run(&args) : EXIT_USAGE;
}
