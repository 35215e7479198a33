/* SPDX-License-Identifier: Apache-2.0
 *
 * Sections while they are being filled, and the problems met on the way. All problems of a
 * configuration are reported in one run, so whatever fails here reports and goes on. */
#include "config/config_int.h"

#include <stdarg.h>
#include <stdio.h>

enum { SECTIONS_MAX = 2000, SHOWN_VALUE_MAX = 80 };

void
config__problem(struct config__report *rep, const char *fmt, ...)
{
    char text[512];
    int used = rep->where == NULL ? 0 : snprintf(text, sizeof(text), "%s: ", rep->where);
    if (used < 0 || (size_t)used >= sizeof(text)) {
        used = 0;
    }
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text + used, sizeof(text) - (size_t)used, fmt, ap);
    va_end(ap);
    if (rep->args != NULL && rep->args->report != NULL) {
        rep->args->report(rep->args->report_arg, text);
    }
    if (rep->count++ == 0) {
        (void)sl_error_set(rep->err, SL_EINVALID_CONFIG, "%s", text);
    }
}

enum sl_err
config__report_end(struct config__report *rep)
{
    if (rep->count == 0) {
        return SL_OK;
    }
    if (rep->count > 1 && rep->err != NULL) {
        enum { MORE_BYTES = 40 };
        char *msg = rep->err->msg;
        size_t at = strnlen(msg, sizeof(rep->err->msg));
        size_t last = sizeof(rep->err->msg) - MORE_BYTES;
        (void)snprintf(msg + (at < last ? at : last), MORE_BYTES, " (and %zu more)",
                       rep->count - 1);
    }
    return SL_EINVALID_CONFIG;
}

static struct config__section *
section_new(struct config__sections *all, const struct config__kind *kind, const char *arg)
{
    struct config__section *sec = (struct config__section *)arena_alloc(&all->arena, sizeof(*sec));
    if (sec == NULL) {
        return NULL;
    }
    sec->kind = kind;
    sec->arg = config__strdup(&all->arena, arg);
    sec->values = arena_alloc(&all->arena, kind->struct_bytes);
    if (sec->arg == NULL || sec->values == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < kind->count; i++) {
        const struct config__option *opt = &kind->options[i];
        sec->texts[i] = opt->dflt;
        bool is_valid = config__value_parse(opt, opt->dflt, (char *)sec->values + opt->offset);
        SL_ASSERT(is_valid); /* the table's own default */
    }
    return sec;
}

struct config__section *
config__section_get(struct config__sections *all, const struct config__kind *kind, const char *arg)
{
    size_t count = 0;
    for (struct config__section *s = all->first; s != NULL; s = s->next, count++) {
        if (s->kind == kind && strcmp(s->arg, arg) == 0) {
            return s;
        }
    }
    struct config__section *sec = count < SECTIONS_MAX ? section_new(all, kind, arg) : NULL;
    if (sec == NULL) {
        return NULL;
    }
    *(all->last == NULL ? &all->first : &all->last->next) = sec;
    all->last = sec;
    return sec;
}

/* [kind arg], for messages. */
static const char *
section_title(const struct config__section *sec, char *out, size_t cap)
{
    (void)snprintf(out, cap, "[%s%s%s]", sec->kind->name, sec->arg[0] == '\0' ? "" : " ", sec->arg);
    return out;
}

static void
unknown_key(const struct config__section *sec, const char *key, struct config__report *rep)
{
    char title[96];
    struct nearest near;
    (void)section_title(sec, title, sizeof(title));
    const struct config__kind *kind = config__kind_with(key);
    if (kind != NULL) {
        config__problem(rep, "no key %s in %s; it belongs into [%s]", key, title, kind->name);
        return;
    }
    nearest_init(&near, key);
    for (size_t i = 0; i < sec->kind->count; i++) {
        nearest_offer(&near, sec->kind->options[i].key);
    }
    if (near.best != NULL) {
        config__problem(rep, "no key %s in %s; did you mean %s?", key, title, near.best);
    } else {
        config__problem(rep, "no key %s in %s; `sluice config doc` lists them all", key, title);
    }
}

static void
extra_add(struct config__sections *all, struct config__section *sec, const char *key_value[2],
          struct config__report *rep)
{
    if (sec->extras == NULL) {
        sec->extras = (struct config_extra *)arena_array(&all->arena, CONFIG__EXTRAS_MAX,
                                                         sizeof(struct config_extra));
    }
    struct config_extra x = {.key = config__strdup(&all->arena, key_value[0]),
                             .value = config__substitute(&all->arena, key_value[1], rep),
                             .where = config__strdup(&all->arena, rep->where)};
    if (sec->extras == NULL || x.key == NULL || x.where == NULL ||
        sec->extra_count == CONFIG__EXTRAS_MAX) {
        config__problem(rep, "too many keys");
        return;
    }
    if (x.value == NULL) {
        return; /* reported */
    }
    for (size_t i = 0; i < sec->extra_count; i++) {
        if (strcmp(sec->extras[i].key, x.key) == 0) {
            sec->extras[i] = x;
            return;
        }
    }
    sec->extras[sec->extra_count++] = x;
}

/* The value as written (not what a substitution gave), cut; nothing of a secret. */
static void
wrong_value(const struct config__section *sec, const struct config__option *opt,
            const char *written, struct config__report *rep)
{
    char title[96];
    char allowed[256];
    (void)section_title(sec, title, sizeof(title));
    config__value_allowed(opt, allowed, sizeof(allowed));
    if (opt->flags & CONFIG_SECRET) {
        config__problem(rep, "%s %s must be %s", title, opt->key, allowed);
    } else {
        config__problem(rep, "%s %s must be %s, not \"%.*s\"", title, opt->key, allowed,
                        SHOWN_VALUE_MAX, written);
    }
}

static bool
is_file_line(const char *where)
{
    return where != NULL && strncmp(where, "--set", 5) != 0;
}

static void
option_assign(struct config__sections *all, struct config__section *sec,
              const struct config__option *opt, const char *written, struct config__report *rep)
{
    size_t i = (size_t)(opt - sec->kind->options);
    if (is_file_line(rep->where) && is_file_line(sec->wheres[i])) {
        config__problem(rep, "%s was set before, at %s", opt->key, sec->wheres[i]);
        return;
    }
    const char *text = config__substitute(&all->arena, written, rep);
    if (text == NULL) {
        return; /* reported */
    }
    if (!config__value_parse(opt, text, (char *)sec->values + opt->offset)) {
        wrong_value(sec, opt, written, rep);
        return;
    }
    const char *copy = config__strdup(&all->arena, written);
    const char *where = config__strdup(&all->arena, rep->where);
    if (copy == NULL || where == NULL) {
        config__problem(rep, "the configuration is too large");
        return;
    }
    sec->texts[i] = text;
    sec->written[i] = copy;
    sec->wheres[i] = where;
}

void
config__assign(struct config__sections *all, struct config__section *sec, const char *key_value[2],
               struct config__report *rep)
{
    const struct config__option *opt = config__option_find(sec->kind, key_value[0]);
    if (opt != NULL) {
        option_assign(all, sec, opt, key_value[1], rep);
    } else if (sec->kind->has_extras) {
        extra_add(all, sec, key_value, rep);
    } else {
        unknown_key(sec, key_value[0], rep);
    }
}
