/* SPDX-License-Identifier: Apache-2.0
 *
 * The two sources of keys: the INI file and --set.
 *
 * libinih splits lines and trims; but it cuts section names at 49 bytes, continues long lines as if
 * they were new ones, takes indented lines for continuations, cuts a value at a blank and a
 * semicolon, and tells only the first bad line. So the reader that feeds it looks at each line
 * first: it counts lines, takes out indentation and comments, keeps the section and the value
 * itself, and reports what inih would swallow. */
#include "config/config_int.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>

enum { LINES_MAX = 100000, LINE_BYTES = 512, KEY_MAX = 49, WHERE_MAX = 600 };

struct reader {
    struct config__sections *all;
    struct config__report *rep;
    FILE *in;
    const char *path;
    int line;
    struct config__section *section; /* NULL: before the first one, or in one that is wrong */
    bool is_skipping;                /* the section was wrong, and that was said */
    char value[LINE_BYTES];          /* of the line that inih is looking at */
    char where[WHERE_MAX];
};

static const struct config__kind *
kind_of(const char *name, struct config__report *rep)
{
    const struct config__kind *kind = config__kind_find(name);
    if (kind != NULL && kind->absent == NULL) {
        return kind;
    }
    if (kind != NULL) {
        config__problem(rep, "[%s] is reserved: this version has no %s yet", name, kind->absent);
        return NULL;
    }
    struct nearest near;
    nearest_init(&near, name);
    for (size_t i = 0; i < CONFIG__KINDS; i++) {
        nearest_offer(&near, config__kinds[i].name);
    }
    config__problem(rep, "no section [%s]%s%s%s", name, near.best == NULL ? "" : "; did you mean [",
                    near.best == NULL ? "" : near.best, near.best == NULL ? "" : "]?");
    return NULL;
}

static struct config__section *
section_open(struct config__sections *all, const char *name, const char *arg,
             struct config__report *rep)
{
    const struct config__kind *kind = kind_of(name, rep);
    if (kind == NULL) {
        return NULL;
    }
    if (kind->arg == NULL && arg[0] != '\0') {
        config__problem(rep, "[%s %s]: there is only one [%s], without a name", name, arg, name);
        return NULL;
    }
    if (kind->arg != NULL && arg[0] == '\0') {
        arg = kind->dflt_arg;
    }
    if (arg == NULL) {
        config__problem(rep, "[%s] needs a name: [%s %s]", name, name, kind->arg);
        return NULL;
    }
    struct config__section *sec = config__section_get(all, kind, arg);
    if (sec == NULL) {
        config__problem(rep, "the configuration is too large");
    }
    return sec;
}

static char *
trim(char *s)
{
    s += strspn(s, " \t\r\n");
    size_t n = strlen(s);
    while (n > 0 && strchr(" \t\r\n", s[n - 1]) != NULL) {
        s[--n] = '\0';
    }
    return s;
}

/* [name] or [name arg] */
static void
header_line(struct reader *r, char *line)
{
    size_t n = strlen(line);
    r->section = NULL;
    r->is_skipping = true;
    if (line[n - 1] != ']') {
        config__problem(r->rep, "a section is written [NAME]; the ] is missing");
        return;
    }
    line[n - 1] = '\0';
    char *name = trim(line + 1);
    size_t len = strcspn(name, " \t");
    char *arg = name[len] == '\0' ? name + len : trim(name + len + 1);
    name[len] = '\0';
    r->section = section_open(r->all, name, arg, r->rep);
    r->is_skipping = r->section == NULL;
}

/* Cuts a comment that begins with # at the start of the line or after a blank. */
static void
cut_comment(char *line)
{
    for (char *p = line; (p = strchr(p, '#')) != NULL; p++) {
        if (p == line || p[-1] == ' ' || p[-1] == '\t') {
            *p = '\0';
            return;
        }
    }
}

/* Kafka's own configuration files have no sections. */
static void
key_without_section(struct reader *r, const char *line, size_t len)
{
    char key[KEY_MAX + 1] = "";
    span_to_cstr(span_of(line, len), key, sizeof(key));
    const struct config__kind *kind = config__kind_with(key);
    if (kind == NULL) {
        config__problem(r->rep, "a key before the first [section]");
    } else {
        config__problem(r->rep, "a key before the first [section]; %s belongs into [%s]", key,
                        kind->name);
    }
}

/* Checks a line that should be `key = value`, and keeps the value. */
static bool
key_line(struct reader *r, char *line)
{
    char *equals = strchr(line, '=');
    if (equals == NULL) {
        config__problem(r->rep, "a line is a [section], a key = value, or a # comment");
        return false;
    }
    size_t n = strcspn(line, "= \t");
    if (r->section == NULL) {
        if (!r->is_skipping) {
            key_without_section(r, line, n);
        }
        return false;
    }
    if (n == 0 || n > KEY_MAX || strcspn(line, ":;") < n) {
        config__problem(r->rep, "a key is 1 to %d letters, digits, dots or dashes", KEY_MAX);
        return false;
    }
    (void)snprintf(r->value, sizeof(r->value), "%s", trim(equals + 1));
    return true;
}

/* Leaves in buf what inih may see, possibly nothing. */
static void
look_at_line(struct reader *r, char *buf)
{
    cut_comment(buf);
    char *line = trim(buf);
    size_t n = strlen(line);
    if (line[0] == '[') {
        header_line(r, line);
        n = 0;
    } else if (n > 0 && !key_line(r, line)) {
        n = 0;
    }
    memmove(buf, line, n);
    buf[n] = '\0';
}

static bool
skip_rest_of_line(FILE *in)
{
    int c;
    bool is_rest = false;
    while ((c = fgetc(in)) != EOF && c != '\n') {
        is_rest = true;
    }
    return is_rest;
}

/* inih's fgets. */
static char *
read_line(char *buf, int cap, void *arg)
{
    struct reader *r = (struct reader *)arg;
    cap = cap < LINE_BYTES ? cap : LINE_BYTES;
    if (r->line >= LINES_MAX || fgets(buf, cap, r->in) == NULL) {
        return NULL;
    }
    r->line++;
    (void)snprintf(r->where, sizeof(r->where), "%s:%d", r->path, r->line);
    if (strchr(buf, '\n') == NULL && skip_rest_of_line(r->in)) {
        config__problem(r->rep,
                        "the line is longer than %d bytes; ${file:PATH} takes a value "
                        "from a file",
                        cap - 1);
        buf[0] = '\0';
        return buf;
    }
    if (r->line == 1 && strncmp(buf, "\xEF\xBB\xBF", 3) == 0) {
        memmove(buf, buf + 3, strlen(buf + 3) + 1);
    }
    look_at_line(r, buf);
    return buf;
}

static int
on_key(void *arg, const char *section, const char *key, const char *value)
{
    struct reader *r = (struct reader *)arg;
    (void)section; /* the reader keeps both, whole */
    (void)value;
    const char *key_value[2] = {key, r->value};
    config__assign(r->all, r->section, key_value, r->rep);
    return 1;
}

void
config__file_read(struct config__sections *all, const char *path, struct config__report *rep)
{
    struct reader r = {.all = all, .rep = rep, .path = path};
    char text[96] = "";
    r.in = fopen(path, "re");
    if (r.in == NULL) {
        config__problem(rep, "cannot read the configuration %s: %s", path,
                        strerror_r(errno, text, sizeof(text)));
        return;
    }
    rep->where = r.where;
    (void)ini_parse_stream(read_line, &r, on_key, &r); /* the reader reports bad lines */
    if (ferror(r.in)) {
        int why = errno; /* a directory, most often */
        rep->where = NULL;
        config__problem(rep, "cannot read the configuration %s: %s", path,
                        strerror_r(why, text, sizeof(text)));
    } else if (r.line >= LINES_MAX) {
        config__problem(rep, "more than %d lines", LINES_MAX);
    }
    rep->where = NULL;
    (void)fclose(r.in);
}

/* The end of the longest known section name that `path` begins with, followed by a dot. */
static const struct config__kind *
longest_kind(const char *path)
{
    const struct config__kind *best = NULL;
    for (size_t i = 0; i < CONFIG__KINDS; i++) {
        const char *name = config__kinds[i].name;
        size_t n = strlen(name);
        bool is_longer = best == NULL || n > strlen(best->name);
        if (strncmp(path, name, n) == 0 && path[n] == '.' && is_longer) {
            best = &config__kinds[i];
        }
    }
    return best;
}

/* Where the key begins in "NAME.key": names may hold dots (topics do), so the longest known key at
 * the end decides; without one, the first dot. A plugin's keys are not known here, and its name has
 * no dot. NULL: there is no key. */
static char *
key_of_named(const struct config__kind *kind, char *rest)
{
    size_t len = strlen(rest);
    size_t longest = 0;
    for (size_t i = 0; i < kind->count && !kind->has_extras; i++) {
        size_t n = strlen(kind->options[i].key);
        bool is_end = n > longest && n + 1 < len && rest[len - n - 1] == '.' &&
                      strcmp(rest + len - n, kind->options[i].key) == 0;
        longest = is_end ? n : longest;
    }
    if (longest > 0) {
        return rest + len - longest;
    }
    char *dot = strchr(rest, '.');
    return dot == NULL ? NULL : dot + 1;
}

/* Whoever knows Kafka's name of an option writes just that. */
static void
no_section(char *path, struct config__report *rep)
{
    const struct config__kind *kind = config__kind_with(path);
    if (kind != NULL) {
        config__problem(rep, "it belongs into [%s]: write %s%s%s.%s", kind->name, kind->name,
                        kind->arg == NULL ? "" : ".", kind->arg == NULL ? "" : kind->arg, path);
        return;
    }
    path[strcspn(path, ".")] = '\0';
    (void)kind_of(path, rep); /* reports */
}

static void
set_split(struct config__sections *all, char *path, const char *value, struct config__report *rep)
{
    const struct config__kind *kind = longest_kind(path);
    if (kind == NULL) {
        no_section(path, rep);
        return;
    }
    char *arg = path + strlen(kind->name);
    *arg++ = '\0';
    char *key = arg;
    if (kind->arg == NULL) {
        arg = path + strlen(kind->name); /* "" */
    } else if ((key = key_of_named(kind, arg)) == NULL) {
        config__problem(rep, "write %s.%s.KEY=VALUE", kind->name, kind->arg);
        return;
    } else {
        key[-1] = '\0';
    }
    struct config__section *sec = section_open(all, kind->name, arg, rep);
    if (sec != NULL) {
        const char *key_value[2] = {key, value};
        config__assign(all, sec, key_value, rep);
    }
}

void
config__set_apply(struct config__sections *all, const char *set, struct config__report *rep)
{
    char path[512];
    char where[sizeof(path) + sizeof("--set ")] = "--set";
    rep->where = where;
    const char *equals = strchr(set, '=');
    size_t n = equals == NULL ? 0 : (size_t)(equals - set);
    if (n == 0 || n >= sizeof(path) || memchr(set, '.', n) == NULL) {
        config__problem(rep, "write --set SECTION.KEY=VALUE");
    } else {
        span_to_cstr(span_of(set, n), path, sizeof(path));
        (void)snprintf(where, sizeof(where), "--set %s", path);
        set_split(all, trim(path), equals + 1, rep);
    }
    rep->where = NULL;
}
