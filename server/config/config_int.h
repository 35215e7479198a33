/* SPDX-License-Identifier: Apache-2.0
 *
 * Folder-private: the table as rows, sections while they are being read, and the list of problems.
 * Threads: the thread that loads. */
#ifndef SLUICE_CONFIG_CONFIG_INT_H
#define SLUICE_CONFIG_CONFIG_INT_H

#include "base/arena.h"
#include "config/config.h"

enum config__type {
    CONFIG__INT,
    CONFIG__SIZE,
    CONFIG__DURATION,
    CONFIG__BOOL,
    CONFIG__STR,
    CONFIG__ENUM,
    CONFIG__LIST,
    CONFIG__ADDRESS,
    CONFIG__DECIMAL
};

struct config__option {
    enum config__type type;
    size_t offset; /* in the section's struct */
    const char *key, *dflt;
    int64_t lo, hi;
    const char *unit;
    unsigned flags;
    const char *help;
};

struct config__kind { /* of a section */
    const char *name;
    const char *arg;      /* "NAME" or "PATTERN" in [name arg]; NULL: one section, no name */
    const char *dflt_arg; /* what [name] alone means; NULL: it needs a name */
    const struct config__option *options;
    size_t count, struct_bytes;
    bool has_extras;    /* unknown keys belong to a plugin */
    const char *absent; /* not NULL: the section is reserved, and this says what is missing */
    const char *help;
};

enum { CONFIG__KINDS = 10, CONFIG__OPTIONS_MAX = 64, CONFIG__EXTRAS_MAX = 64 };
extern const struct config__kind config__kinds[CONFIG__KINDS];

const struct config__kind *config__kind_find(const char *name);
/* The same for a title such as "plugin s3": what stands before the blank counts. */
const struct config__kind *config__kind_of_title(const char *title);
/* The section that has such a key. NULL: none. */
const struct config__kind *config__kind_with(const char *key);
const struct config__option *config__option_find(const struct config__kind *kind, const char *key);

struct config__section {
    const struct config__kind *kind;
    const char *arg; /* "" when the kind has none */
    struct config__section *next;
    void *values;                             /* the section's struct */
    const char *written[CONFIG__OPTIONS_MAX]; /* as given, substitutions not done; NULL: default */
    const char *texts[CONFIG__OPTIONS_MAX];   /* after substitution; the default where not given */
    const char *wheres[CONFIG__OPTIONS_MAX];
    struct config_extra *extras; /* CONFIG__EXTRAS_MAX of them, made with the first */
    size_t extra_count;
};

struct config__sections {
    struct arena arena;
    struct config__section *first, *last;
};

/* Problems are counted and reported; the first one is kept for the caller's sl_error. */
struct config__report {
    const struct config_args *args; /* may be NULL */
    struct sl_error *err;           /* may be NULL */
    const char *where;              /* "file:line", "--set", or NULL */
    size_t count;
};
void config__problem(struct config__report *rep, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Gives SL_OK, or SL_EINVALID_CONFIG when there were problems; ends *err with their number. */
enum sl_err config__report_end(struct config__report *rep);

/* Reads one value by its row into *field; a STR keeps pointing at text. False: it is not allowed
 * and *field is untouched. */
bool config__value_parse(const struct config__option *opt, const char *text, void *field);
/* Writes what a row allows: "a number from 1 to 64", "fsync or os". */
void config__value_allowed(const struct config__option *opt, char *out, size_t cap);
/* Writes a number of a SIZE or DURATION row as a person would: "64MiB", "7d", "-1". */
void config__number_print(enum config__type type, int64_t v, char *out, size_t cap);
const char *config__type_name(enum config__type type);

/* Gives text with ${env:NAME} and ${file:PATH} replaced, in the arena; NULL after a problem. */
const char *config__substitute(struct arena *arena, const char *text, struct config__report *rep);

/* Gives the section, made with the defaults if it is new. */
struct config__section *config__section_get(struct config__sections *all,
                                            const struct config__kind *kind, const char *arg);
/* Stores one key of a section and reports what is wrong with it. */
void config__assign(struct config__sections *all, struct config__section *sec,
                    const char *key_value[2], struct config__report *rep);

/* A plugin's key as a row of ours; .key, .unit and .help are borrowed. */
struct config__option config__option_of(const struct sluice_conf_key *key);

/* The front ends: both end in config__assign. */
void config__file_read(struct config__sections *all, const char *path, struct config__report *rep);
void config__set_apply(struct config__sections *all, const char *set, struct config__report *rep);

/* Rules that look at more than one option. */
void config__check_listeners(struct config__sections *all, struct config__report *rep);
void config__check_journal(struct config__sections *all, struct config__report *rep);
void config__check_storage(struct config__sections *all, struct config__report *rep);
void config__check_plugins(struct config__sections *all, struct config__report *rep);

/* Copies into the arena; aborts never: NULL only when the arena is full. */
const char *config__strdup(struct arena *arena, const char *s);

#endif
