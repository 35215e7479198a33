/* SPDX-License-Identifier: Apache-2.0
 *
 * config_load from end to end, and what callers ask of the result. */
#include "base/buf.h"
#include "config/config_int.h"

#include <fnmatch.h>
#include <stdio.h>

enum { ARENA_MAX = 32 * 1024 * 1024 };

static struct config__sections *
sections_new(void)
{
    struct config__sections *all = (struct config__sections *)sl_alloc(sizeof(*all));
    arena_init(&all->arena, ARENA_MAX);
    return all;
}

/* The sections that exist although nobody wrote them. */
static bool
add_missing(struct config__sections *all)
{
    bool has_listener = false;
    for (const struct config__section *s = all->first; s != NULL; s = s->next) {
        has_listener = has_listener || strcmp(s->kind->name, "listener") == 0;
    }
    bool is_done = true;
    for (size_t i = 0; i < CONFIG__KINDS; i++) {
        const struct config__kind *kind = &config__kinds[i];
        bool is_wanted =
            kind->absent == NULL &&
            (kind->arg == NULL || (strcmp(kind->name, "listener") == 0 && !has_listener));
        if (is_wanted) {
            const char *arg = kind->arg == NULL ? "" : kind->dflt_arg;
            is_done = config__section_get(all, kind, arg) != NULL && is_done;
        }
    }
    return is_done;
}

/* title: "storage", "plugin s3" */
static struct config__section *
section_find(const struct config__sections *all, const char *title)
{
    const struct config__kind *kind = config__kind_of_title(title);
    const char *arg = title + strcspn(title, " ");
    arg += *arg == ' ' ? 1 : 0;
    for (struct config__section *s = all->first; s != NULL; s = s->next) {
        if (s->kind == kind && strcmp(s->arg, arg) == 0) {
            return s;
        }
    }
    return NULL;
}

static void
listeners_collect(struct config *cfg)
{
    size_t count = 0;
    struct config_listener *out = NULL;
    for (struct config__section *s = cfg->sections->first; s != NULL; s = s->next) {
        if (strcmp(s->kind->name, "listener") != 0) {
            continue;
        }
        out = (struct config_listener *)sl_realloc(out, (count + 1) * sizeof(*out));
        memcpy(&out[count], s->values, sizeof(*out));
        out[count++].name = s->arg;
    }
    cfg->listeners = out;
    cfg->listener_count = count;
}

static const char *
title_of(struct arena *arena, const struct config__section *s)
{
    char title[600];
    (void)snprintf(title, sizeof(title), "%s %s", s->kind->name, s->arg);
    return config__strdup(arena, title);
}

static void
plugins_collect(struct config *cfg)
{
    size_t count = 0;
    struct config_plugin *out = NULL;
    for (struct config__section *s = cfg->sections->first; s != NULL; s = s->next) {
        if (strcmp(s->kind->name, "plugin") != 0) {
            continue;
        }
        out = (struct config_plugin *)sl_realloc(out, (count + 1) * sizeof(*out));
        memcpy(&out[count], s->values, sizeof(*out));
        out[count].name = s->arg;
        out[count++].section = title_of(&cfg->sections->arena, s);
    }
    cfg->plugins = out;
    cfg->plugin_count = count;
}

static struct config *
config_build(struct config__sections *all)
{
    struct config *cfg = (struct config *)sl_alloc(sizeof(*cfg));
    cfg->sections = all;
    memcpy(&cfg->server, section_find(all, "server")->values, sizeof(cfg->server));
    memcpy(&cfg->storage, section_find(all, "storage")->values, sizeof(cfg->storage));
    memcpy(&cfg->journal, section_find(all, "journal")->values, sizeof(cfg->journal));
    listeners_collect(cfg);
    plugins_collect(cfg);
    return cfg;
}

enum sl_err
config_load(const struct config_args *args, struct config **ret, struct sl_error *err)
{
    struct config__report rep = {.args = args, .err = err};
    struct config__sections *all = sections_new();
    if (args->path != NULL) {
        config__file_read(all, args->path, &rep);
    }
    for (size_t i = 0; i < args->set_count; i++) {
        config__set_apply(all, args->sets[i], &rep);
    }
    if (!add_missing(all)) {
        config__problem(&rep, "the configuration is too large");
    }
    if (rep.count == 0) { /* rules between options make sense only when each one is right */
        config__check_listeners(all, &rep);
        config__check_journal(all, &rep);
        config__check_storage(all, &rep);
        config__check_plugins(all, &rep);
    }
    enum sl_err rc = config__report_end(&rep);
    if (rc == SL_OK) {
        *ret = config_build(all);
        return SL_OK;
    }
    arena_fini(&all->arena);
    sl_free(all);
    return rc;
}

void
config_destroy(struct config **pcfg)
{
    struct config *cfg = *pcfg;
    *pcfg = NULL;
    if (cfg == NULL) {
        return;
    }
    arena_fini(&cfg->sections->arena);
    sl_free(cfg->sections);
    sl_free((void *)(uintptr_t)cfg->listeners);
    sl_free((void *)(uintptr_t)cfg->plugins);
    sl_free(cfg);
}

static void
topic_overlay(const struct config__section *sec, struct config_topic *ret)
{
    static const size_t field_bytes[] = {
        sizeof(int64_t), sizeof(int64_t), sizeof(int64_t),  sizeof(bool),
        sizeof(char *),  sizeof(int),     sizeof(unsigned), sizeof(struct config_address)};
    for (size_t i = 0; i < sec->kind->count; i++) {
        const struct config__option *opt = &sec->kind->options[i];
        if (sec->written[i] != NULL) {
            memcpy((char *)ret + opt->offset, (const char *)sec->values + opt->offset,
                   field_bytes[opt->type]);
        }
    }
}

void
config_topic(const struct config *cfg, const char *topic, struct config_topic *ret)
{
    const struct config__kind *kind = config__kind_find("topic");
    for (size_t i = 0; i < kind->count; i++) {
        const struct config__option *opt = &kind->options[i];
        bool is_valid = config__value_parse(opt, opt->dflt, (char *)ret + opt->offset);
        SL_ASSERT(is_valid); /* the table's own default */
    }
    for (const struct config__section *s = cfg->sections->first; s != NULL; s = s->next) {
        if (s->kind == kind && fnmatch(s->arg, topic, 0) == 0) {
            topic_overlay(s, ret);
        }
    }
}

const char *
config_text(const struct config *cfg, const char *section, const char *key)
{
    const struct config__section *sec = section_find(cfg->sections, section);
    const struct config__option *opt = sec == NULL ? NULL : config__option_find(sec->kind, key);
    return opt == NULL ? NULL : sec->texts[opt - sec->kind->options];
}

size_t
config_extras(const struct config *cfg, const char *section, const struct config_extra **ret)
{
    const struct config__section *sec = section_find(cfg->sections, section);
    *ret = sec == NULL ? NULL : sec->extras;
    return sec == NULL ? 0 : sec->extra_count;
}
