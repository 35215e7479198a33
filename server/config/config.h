/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of one process: an INI file, then --set on top of it, checked as a whole.
 *
 * Threads:   written by config_load only; afterwards read-only and readable anywhere.
 * Lifetime:  config_load -> read the fields -> config_destroy. Strings live as long as the config.
 * The options, with type, default, bounds and help, stand in config/options.h. */
#ifndef SLUICE_CONFIG_CONFIG_H
#define SLUICE_CONFIG_CONFIG_H

#include "base/err.h"
#include "config/options.h"

#include <stdio.h>

struct config_address {
    char host[256]; /* "" when the option is absent; an IPv6 address has no brackets */
    uint16_t port;
};

/* Positions of the words in the ENUM rows, bits of those in the LIST rows. */
enum { CONFIG_LOG_DEBUG, CONFIG_LOG_INFO, CONFIG_LOG_WARN, CONFIG_LOG_ERROR };
enum { CONFIG_PROTOCOL_PLAIN };
enum { CONFIG_DURABILITY_FSYNC, CONFIG_DURABILITY_OS };
enum { CONFIG_CREATE_TIME, CONFIG_LOG_APPEND_TIME };
enum { CONFIG_CLEANUP_DELETE = 1, CONFIG_CLEANUP_COMPACT = 2 };

#define CONFIG_C_INT int64_t
#define CONFIG_C_SIZE int64_t
#define CONFIG_C_DURATION int64_t
#define CONFIG_C_BOOL bool
#define CONFIG_C_STR const char *
#define CONFIG_C_ENUM int
#define CONFIG_C_LIST unsigned
#define CONFIG_C_ADDRESS struct config_address
#define CONFIG_C_DECIMAL double
#define CONFIG_FIELD(type, field, key, dflt, lo, hi, unit, flags, help) CONFIG_C_##type field;

struct config_server {
    CONFIG_SERVER_OPTIONS(CONFIG_FIELD)
};
struct config_storage {
    CONFIG_STORAGE_OPTIONS(CONFIG_FIELD)
};
struct config_journal {
    CONFIG_JOURNAL_OPTIONS(CONFIG_FIELD)
};
struct config_listener {
    const char *name; /* of [listener NAME] */
    CONFIG_LISTENER_OPTIONS(CONFIG_FIELD)
};
struct config_plugin {
    const char *name;    /* of [plugin NAME] */
    const char *section; /* "plugin NAME", for config_extras */
    CONFIG_PLUGIN_OPTIONS(CONFIG_FIELD)
};
/* What a topic gets that says nothing else itself; see config_topic. */
struct config_topic {
    CONFIG_TOPIC_OPTIONS(CONFIG_FIELD)
};

struct config {
    struct config_server server;
    struct config_storage storage;
    struct config_journal journal;
    const struct config_listener *listeners; /* at least one; `advertised` is always filled */
    size_t listener_count;
    const struct config_plugin *plugins; /* each has a path */
    size_t plugin_count;
    struct config__sections *sections; /* private */
};

struct config_args {
    const char *path;        /* the file; NULL: none */
    const char *const *sets; /* "section.key=value" */
    size_t set_count;
    /* Called with each problem found, one line without newline; may be NULL. */
    void (*report)(void *arg, const char *problem);
    void *report_arg;
};

/* Gives the checked configuration. On SL_EINVALID_CONFIG every problem went to args->report, *err
 * holds the first and says how many there are, *ret is untouched. Borrows args for the call. */
MUST_CHECK enum sl_err config_load(const struct config_args *args, struct config **ret,
                                   struct sl_error *err);
/* NULL-safe; sets *cfg to NULL. */
void config_destroy(struct config **cfg);

/* Fills *ret for one topic: the defaults, then every [topic PATTERN] section whose pattern matches,
 * in the order of the file, so that a later one wins. Patterns: * ? [a-z], the whole name. */
void config_topic(const struct config *cfg, const char *topic, struct config_topic *ret);

/* Gives what was written for a key of a section ("storage", "path" or "plugin s3", "path"), or its
 * default; NULL for a key that does not exist. For handing values on to a plugin as text. */
const char *config_text(const struct config *cfg, const char *section, const char *key);

/* A key of [storage] or [plugin NAME] that the server's table does not have: the plugin's own.
 * Nobody has checked it yet. */
struct config_extra {
    const char *key, *value; /* borrowed from the config */
    const char *where;       /* "file:line" or "--set" */
};
/* Gives the number of extras of a section ("storage", "plugin s3"), and the array. */
size_t config_extras(const struct config *cfg, const char *section,
                     const struct config_extra **ret);

struct sluice_conf_key; /* sluice/plugin.h */
/* Checks the extras of a section against a plugin's own key table (ends with name NULL): unknown
 * keys with the nearest known one, types, bounds, required keys. Reports like config_load. */
MUST_CHECK enum sl_err config_extras_check(const struct config *cfg, const char *section,
                                           const struct sluice_conf_key *keys,
                                           const struct config_args *args, struct sl_error *err);

/* The keys that a plugin adds to a section, for the documentation. */
struct config_plugin_keys {
    const char *section, *plugin;
    const struct sluice_conf_key *keys; /* ends with name NULL */
};
/* Prints every option with type, default, bounds and help. Borrows plugins. */
void config_doc(FILE *out, bool is_markdown, const struct config_plugin_keys *plugins,
                size_t plugin_count);
/* Prints what differs from the defaults, one `section.key = value` a line; secrets as ***. */
void config_print_changes(const struct config *cfg, FILE *out);

/* Among the words offered, which one did the user mean? Damerau-Levenshtein distance, at most a
 * third of the word's length (and at least 2). */
struct nearest {
    const char *word; /* borrowed */
    const char *best; /* borrowed; NULL: nothing is near */
    size_t distance;
};
void nearest_init(struct nearest *n, const char *word);
void nearest_offer(struct nearest *n, const char *candidate);

#endif
