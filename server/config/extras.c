/* SPDX-License-Identifier: Apache-2.0
 *
 * A plugin's own keys, checked against its key table with the server's parsers. Suggestions come
 * from both tables, since a typo in [storage] may mean either. */
#include "config/config_int.h"

#include <sluice/plugin.h>
#include <stdio.h>

struct config__option
config__option_of(const struct sluice_conf_key *k)
{
    static const enum config__type types[] = {
        [SLUICE_CONF_STR] = CONFIG__STR,           [SLUICE_CONF_INT] = CONFIG__INT,
        [SLUICE_CONF_BOOL] = CONFIG__BOOL,         [SLUICE_CONF_SIZE] = CONFIG__SIZE,
        [SLUICE_CONF_DURATION] = CONFIG__DURATION, [SLUICE_CONF_ENUM] = CONFIG__ENUM};
    bool is_known = k->type >= SLUICE_CONF_STR && k->type <= SLUICE_CONF_ENUM;
    struct config__option opt = {.type = is_known ? types[k->type] : CONFIG__STR,
                                 .key = k->name,
                                 .dflt = k->dflt == NULL ? "" : k->dflt,
                                 .help = k->doc == NULL ? "" : k->doc,
                                 .lo = k->min,
                                 .hi = k->max,
                                 .unit = k->unit == NULL ? "" : k->unit,
                                 .flags = (k->flags & SLUICE_CONF_SECRET) ? CONFIG_SECRET : 0};
    if (opt.lo == 0 && opt.hi == 0) { /* no bounds declared */
        opt.lo = opt.type == CONFIG__STR ? 0 : INT64_MIN;
        opt.hi = INT64_MAX;
    }
    return opt;
}

static const sluice_conf_key *
key_find(const sluice_conf_key *keys, const char *name)
{
    for (; keys->name != NULL; keys++) {
        if (strcmp(keys->name, name) == 0) {
            return keys;
        }
    }
    return NULL;
}

static void
unknown_extra(const char *section, const struct config_extra *x, const sluice_conf_key *keys,
              struct config__report *rep)
{
    struct nearest near;
    nearest_init(&near, x->key);
    const struct config__kind *kind = config__kind_of_title(section);
    for (size_t i = 0; kind != NULL && i < kind->count; i++) {
        nearest_offer(&near, kind->options[i].key);
    }
    for (const sluice_conf_key *k = keys; k->name != NULL; k++) {
        nearest_offer(&near, k->name);
    }
    if (near.best != NULL) {
        config__problem(rep, "no key %s in [%s]; did you mean %s?", x->key, section, near.best);
    } else {
        config__problem(rep, "no key %s in [%s], nor has its plugin one", x->key, section);
    }
}

static void
extra_check(const struct config_extra *x, const sluice_conf_key *key, struct config__report *rep)
{
    union {
        int64_t number;
        bool flag;
        const char *str;
        int word;
    } ignored;
    char allowed[256];
    struct config__option opt = config__option_of(key);
    if (config__value_parse(&opt, x->value, &ignored)) {
        return;
    }
    config__value_allowed(&opt, allowed, sizeof(allowed));
    config__problem(rep, "%s must be %s", x->key, allowed); /* the value may come from a secret */
}

static bool
has_extra(const struct config_extra *extras, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(extras[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

enum sl_err
config_extras_check(const struct config *cfg, const char *section,
                    const struct sluice_conf_key *keys, const struct config_args *args,
                    struct sl_error *err)
{
    const struct config_extra *extras;
    size_t count = config_extras(cfg, section, &extras);
    struct config__report rep = {.args = args, .err = err};
    for (size_t i = 0; i < count; i++) {
        const sluice_conf_key *key = key_find(keys, extras[i].key);
        rep.where = extras[i].where;
        if (key == NULL) {
            unknown_extra(section, &extras[i], keys, &rep);
        } else {
            extra_check(&extras[i], key, &rep);
        }
    }
    rep.where = NULL;
    for (const sluice_conf_key *k = keys; k->name != NULL; k++) {
        bool is_given =
            config_text(cfg, section, k->name) != NULL || has_extra(extras, count, k->name);
        if ((k->flags & SLUICE_CONF_REQUIRED) && !is_given) {
            config__problem(&rep, "[%s] needs the key %s: %s", section, k->name,
                            k->doc == NULL ? "" : k->doc);
        }
    }
    return config__report_end(&rep);
}
