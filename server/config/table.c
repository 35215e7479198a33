/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of options.h as data, and the list of sections. */
#include "config/config_int.h"

#define ROW(strct, type, field, key, dflt, lo, hi, unit, flags, help)                              \
    {CONFIG__##type, offsetof(struct strct, field), key, dflt, lo, hi, unit, flags, help},
#define SERVER_ROW(...) ROW(config_server, __VA_ARGS__)
#define LISTENER_ROW(...) ROW(config_listener, __VA_ARGS__)
#define STORAGE_ROW(...) ROW(config_storage, __VA_ARGS__)
#define JOURNAL_ROW(...) ROW(config_journal, __VA_ARGS__)
#define PLUGIN_ROW(...) ROW(config_plugin, __VA_ARGS__)
#define TOPIC_ROW(...) ROW(config_topic, __VA_ARGS__)

static const struct config__option server_options[] = {CONFIG_SERVER_OPTIONS(SERVER_ROW)};
static const struct config__option listener_options[] = {CONFIG_LISTENER_OPTIONS(LISTENER_ROW)};
static const struct config__option storage_options[] = {CONFIG_STORAGE_OPTIONS(STORAGE_ROW)};
static const struct config__option journal_options[] = {CONFIG_JOURNAL_OPTIONS(JOURNAL_ROW)};
static const struct config__option plugin_options[] = {CONFIG_PLUGIN_OPTIONS(PLUGIN_ROW)};
static const struct config__option topic_options[] = {CONFIG_TOPIC_OPTIONS(TOPIC_ROW)};

#define OPTIONS(rows, strct)                                                                       \
    .options = (rows), .count = sizeof(rows) / sizeof((rows)[0]), .struct_bytes = sizeof(strct)

const struct config__kind config__kinds[CONFIG__KINDS] = {
    {.name = "server", .help = "The broker.", OPTIONS(server_options, struct config_server)},
    {.name = "listener",
     .arg = "NAME",
     .dflt_arg = "plain",
     .help = "One address that clients connect to. Without any such section there is one, named "
             "plain.",
     OPTIONS(listener_options, struct config_listener)},
    {.name = "storage",
     .has_extras = true,
     .help = "Where everything is kept. Further keys are those of the storage plugin.",
     OPTIONS(storage_options, struct config_storage)},
    {.name = "plugin",
     .arg = "NAME",
     .has_extras = true,
     .help = "A plugin from a shared object. One file may stand in several sections: each is an "
             "instance of its own. Further keys are the plugin's; `sluice plugin inspect` lists "
             "them.",
     OPTIONS(plugin_options, struct config_plugin)},
    {.name = "journal",
     .help = "How writes become durable, and how often.",
     OPTIONS(journal_options, struct config_journal)},
    {.name = "topic",
     .arg = "PATTERN",
     .dflt_arg = "*",
     .help = "What a topic gets that was not given it when it was created. Every section whose "
             "pattern (* ? [a-z]) matches the whole name applies, in the order of the file; a "
             "later one wins.",
     OPTIONS(topic_options, struct config_topic)},
    {.name = "auth", .absent = "authentication and authorization"},
    {.name = "metrics", .absent = "metrics export"},
    {.name = "lua", .absent = "Lua scripting"},
    {.name = "processor", .arg = "NAME", .absent = "processors"},
};

_Static_assert(sizeof(server_options) / sizeof(server_options[0]) <= CONFIG__OPTIONS_MAX,
               "raise CONFIG__OPTIONS_MAX");

const struct config__kind *
config__kind_find(const char *name)
{
    for (size_t i = 0; i < CONFIG__KINDS; i++) {
        if (strcmp(config__kinds[i].name, name) == 0) {
            return &config__kinds[i];
        }
    }
    return NULL;
}

const struct config__kind *
config__kind_with(const char *key)
{
    for (size_t i = 0; i < CONFIG__KINDS; i++) {
        if (config__option_find(&config__kinds[i], key) != NULL) {
            return &config__kinds[i];
        }
    }
    return NULL;
}

const struct config__kind *
config__kind_of_title(const char *title)
{
    size_t n = strcspn(title, " ");
    for (size_t i = 0; i < CONFIG__KINDS; i++) {
        const char *name = config__kinds[i].name;
        if (strlen(name) == n && memcmp(name, title, n) == 0) {
            return &config__kinds[i];
        }
    }
    return NULL;
}

const struct config__option *
config__option_find(const struct config__kind *kind, const char *key)
{
    for (size_t i = 0; i < kind->count; i++) {
        if (strcmp(kind->options[i].key, key) == 0) {
            return &kind->options[i];
        }
    }
    return NULL;
}

const char *
config__type_name(enum config__type type)
{
    static const char *const names[] = {"integer", "size",  "duration", "boolean", "string",
                                        "word",    "words", "address",  "decimal"};
    return names[type];
}
