/* A plugin's options against its own table: types, units, bounds, required ones, and the nearest
 * known key for one that is not. */
#include "base/buf.h"
#include "plugin/plugin_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct unit {
    const char *word;
    int64_t factor;
};

static const struct unit size_units[] = {{"", 1},          {"B", 1},
                                         {"KiB", 1 << 10}, {"MiB", 1 << 20},
                                         {"GiB", 1 << 30}, {"TiB", INT64_C(1) << 40},
                                         {NULL, 0}};
static const struct unit duration_units[] = {
    {"", 1},  {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000},
    {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *
units_of(uint32_t type)
{
    switch (type) {
    case SLUICE_CONF_SIZE:
        return size_units;
    case SLUICE_CONF_DURATION:
        return duration_units;
    default:
        return no_units;
    }
}

static bool
parse_number(const char *text, const struct unit *units, int64_t *ret)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || errno != 0) {
        return false;
    }
    while (*end == ' ') {
        end++;
    }
    for (const struct unit *u = units; u->word != NULL; u++) {
        if (strcmp(u->word, end) == 0) {
            return !__builtin_mul_overflow((int64_t)v, u->factor, ret);
        }
    }
    return false;
}

static bool
parse_bool(const char *text, int64_t *ret)
{
    static const char *const yes[] = {"true", "on", "yes", "1"};
    static const char *const no[] = {"false", "off", "no", "0"};
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *ret = strcmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

/* The words of an enum stand in `words`, separated by '|'; gives the number of the word. */
static bool
parse_enum(const char *text, const char *words, int64_t *ret)
{
    size_t n = strlen(text);
    int64_t index = 0;
    for (const char *w = words; w != NULL && n > 0; index++) {
        const char *bar = strchr(w, '|');
        size_t len = bar == NULL ? strlen(w) : (size_t)(bar - w);
        if (len == n && memcmp(w, text, n) == 0) {
            *ret = index;
            return true;
        }
        w = bar == NULL ? NULL : bar + 1;
    }
    return false;
}

static const char *
type_text(uint32_t type)
{
    switch (type) {
    case SLUICE_CONF_BOOL:
        return "true or false";
    case SLUICE_CONF_SIZE:
        return "a size such as 64MiB";
    case SLUICE_CONF_DURATION:
        return "a duration such as 500ms or 10s";
    default:
        return "a whole number";
    }
}

static enum sl_err
bounds_check(const sluice_conf_key *k, const char *section, int64_t v, struct sl_error *err)
{
    bool is_bounded = k->min != 0 || k->max != 0;
    if (is_bounded && (v < k->min || v > k->max)) {
        return sl_error_set(err, SL_EINVAL, "[%s] %s: %lld is outside %lld..%lld", section, k->name,
                            (long long)v, (long long)k->min, (long long)k->max);
    }
    return SL_OK;
}

static enum sl_err
value_parse(const sluice_conf_key *k, const char *section, struct plugin_value *v,
            struct sl_error *err)
{
    bool is_secret = (k->flags & SLUICE_CONF_SECRET) != 0;
    const char *shown = is_secret ? "(secret)" : v->text;
    switch (k->type) {
    case SLUICE_CONF_STR:
        return SL_OK;
    case SLUICE_CONF_ENUM:
        if (!parse_enum(v->text, k->unit, &v->number)) {
            return sl_error_set(err, SL_EINVAL, "[%s] %s = %s: must be one of %s", section, k->name,
                                shown, k->unit);
        }
        return SL_OK;
    case SLUICE_CONF_BOOL:
        if (!parse_bool(v->text, &v->number)) {
            break;
        }
        return SL_OK;
    default:
        if (!parse_number(v->text, units_of(k->type), &v->number)) {
            break;
        }
        return bounds_check(k, section, v->number, err);
    }
    return sl_error_set(err, SL_EINVAL, "[%s] %s = %s: must be %s", section, k->name, shown,
                        type_text(k->type));
}

/* Edits that turn a into b; words longer than the table count as far away. */
static size_t
distance(const char *a, const char *b)
{
    enum { WORD_MAX = 63 };
    size_t row[WORD_MAX + 1];
    size_t na = strlen(a);
    size_t nb = strlen(b);
    if (na > WORD_MAX || nb > WORD_MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= nb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= na; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = corner + (a[i - 1] == b[j - 1] ? 0 : 1);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            corner = row[j];
            row[j] = best;
        }
    }
    return row[nb];
}

static enum sl_err
unknown_key(const sluice_conf_key *keys, const char *section, const char *name,
            struct sl_error *err)
{
    const char *nearest = NULL;
    size_t best = SIZE_MAX;
    for (const sluice_conf_key *k = keys; k->name != NULL; k++) {
        size_t d = distance(name, k->name);
        if (d < best) {
            best = d;
            nearest = k->name;
        }
    }
    if (nearest == NULL) {
        return sl_error_set(err, SL_EINVAL, "[%s] unknown key %s", section, name);
    }
    return sl_error_set(err, SL_EINVAL, "[%s] unknown key %s; did you mean %s?", section, name,
                        nearest);
}

static size_t
key_index(const sluice_conf_key *keys, const char *name)
{
    size_t i = 0;
    while (keys[i].name != NULL && strcmp(keys[i].name, name) != 0) {
        i++;
    }
    return i;
}

static const char *
given_value(const struct plugin_conf *conf, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < conf->count; i++) {
        if (strcmp(conf->pairs[i].key, name) == 0) {
            value = conf->pairs[i].value; /* the last one counts */
        }
    }
    return value;
}

static enum sl_err
values_fill(const struct plugin_conf *conf, const char *section, struct sluice_conf *c,
            struct sl_error *err)
{
    for (size_t i = 0; i < c->count; i++) {
        const sluice_conf_key *k = &c->keys[i];
        const char *text = given_value(conf, k->name);
        if (text == NULL && (k->flags & SLUICE_CONF_REQUIRED) != 0) {
            return sl_error_set(err, SL_EINVAL, "[%s] %s is required: %s", section, k->name,
                                k->doc == NULL ? "" : k->doc);
        }
        text = text == NULL ? k->dflt : text;
        if (text == NULL) {
            continue;
        }
        c->values[i].text = sl_strdup(text);
        enum sl_err rc = value_parse(k, section, &c->values[i], err);
        if (rc != SL_OK) {
            return rc;
        }
    }
    return SL_OK;
}

enum sl_err
plugin__conf_fill(const sluice_conf_key *keys, const struct plugin_conf *conf,
                  struct sluice_conf *ret, struct sl_error *err)
{
    static const sluice_conf_key none[] = {{0}};
    const char *section = conf->section == NULL ? "plugin" : conf->section;
    struct sluice_conf c = {.keys = keys == NULL ? none : keys};
    while (c.keys[c.count].name != NULL) {
        c.count++;
    }
    for (size_t i = 0; i < conf->count; i++) {
        if (key_index(c.keys, conf->pairs[i].key) == c.count) {
            return unknown_key(c.keys, section, conf->pairs[i].key, err);
        }
    }
    c.values = (struct plugin_value *)sl_alloc((c.count + 1) * sizeof(*c.values));
    enum sl_err rc = values_fill(conf, section, &c, err);
    if (rc != SL_OK) {
        plugin__conf_fini(&c);
        return rc;
    }
    *ret = c;
    return SL_OK;
}

void
plugin__conf_fini(struct sluice_conf *c)
{
    for (size_t i = 0; i < c->count && c->values != NULL; i++) {
        sl_free((void *)(uintptr_t)c->values[i].text);
    }
    sl_free(c->values);
    *c = (struct sluice_conf){0};
}

const char *
plugin__conf_str(const sluice_conf *c, const char *name)
{
    size_t i = key_index(c->keys, name);
    return i < c->count ? c->values[i].text : NULL;
}

int64_t
plugin__conf_int(const sluice_conf *c, const char *name)
{
    size_t i = key_index(c->keys, name);
    return i < c->count ? c->values[i].number : 0;
}
