/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules that look at more than one option. Each says what to write instead. */
#include "config/config_int.h"

#include <stdio.h>

static bool
is_wildcard(const struct config_address *a)
{
    return strcmp(a->host, "0.0.0.0") == 0 || strcmp(a->host, "::") == 0;
}

static bool
is_same(const struct config_address *a, const struct config_address *b)
{
    return a->port == b->port && a->port != 0 && strcmp(a->host, b->host) == 0;
}

static const char *
where_of(const struct config__section *sec, const char *key, const char *otherwise)
{
    const struct config__option *opt = config__option_find(sec->kind, key);
    const char *where = sec->wheres[opt - sec->kind->options];
    return where == NULL ? otherwise : where;
}

static void
check_advertised(struct config__section *sec, struct config__report *rep)
{
    struct config_listener *l = (struct config_listener *)sec->values;
    if (l->advertised.host[0] == '\0' && is_wildcard(&l->address)) {
        rep->where = where_of(sec, "address", "--set");
        config__problem(rep,
                        "[listener %s] listens on every address, and clients would be told to "
                        "connect to %s, where nobody can reach the broker: add advertised = "
                        "HOST:%u with a name or address that clients can reach",
                        sec->arg, l->address.host, l->address.port);
    } else if (is_wildcard(&l->advertised)) {
        rep->where = where_of(sec, "advertised", "--set");
        config__problem(rep,
                        "[listener %s] advertised %s is where nobody can connect to: write a name "
                        "or address that clients can reach",
                        sec->arg, l->advertised.host);
    } else if (l->advertised.host[0] == '\0') {
        l->advertised = l->address;
    }
    rep->where = NULL;
}

static void
check_twice(const struct config__section *sec, struct config__report *rep)
{
    const struct config_listener *l = (const struct config_listener *)sec->values;
    for (const struct config__section *o = sec->next; o != NULL; o = o->next) {
        const struct config_listener *other = (const struct config_listener *)o->values;
        if (o->kind == sec->kind && is_same(&l->address, &other->address)) {
            rep->where = where_of(o, "address", NULL);
            config__problem(rep, "[listener %s] and [listener %s] have the same address %s:%u",
                            sec->arg, o->arg, l->address.host, l->address.port);
            rep->where = NULL;
        }
    }
}

void
config__check_listeners(struct config__sections *all, struct config__report *rep)
{
    const struct config__kind *kind = config__kind_find("listener");
    for (struct config__section *s = all->first; s != NULL; s = s->next) {
        if (s->kind == kind) {
            check_advertised(s, rep);
            check_twice(s, rep);
        }
    }
}

void
config__check_journal(struct config__sections *all, struct config__report *rep)
{
    const struct config__section *sec = config__section_get(all, config__kind_find("journal"), "");
    const struct config_journal *j = (const struct config_journal *)sec->values;
    if (j->check_interval_ms >= j->safe_window_ms) {
        rep->where = where_of(sec, "check.interval.ms", where_of(sec, "safe.window.ms", NULL));
        config__problem(rep,
                        "[journal] check.interval.ms (%lld) must be less than safe.window.ms "
                        "(%lld), or the journal could answer only after a check each time",
                        (long long)j->check_interval_ms, (long long)j->safe_window_ms);
        rep->where = NULL;
    }
    if (j->grace_ms < 2 * j->safe_window_ms) {
        rep->where = where_of(sec, "grace.ms", where_of(sec, "safe.window.ms", NULL));
        config__problem(
            rep,
            "[journal] grace.ms (%lld) must be at least twice safe.window.ms (%lld), or "
            "a broker that was asleep could trust what is deleted already",
            (long long)j->grace_ms, (long long)j->safe_window_ms);
        rep->where = NULL;
    }
}

/* Without dots, so that --set plugin.NAME.key=value can be read. */
static bool
is_plain_name(const char *name)
{
    return name[0] != '\0' &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789-_")] == '\0';
}

void
config__check_storage(struct config__sections *all, struct config__report *rep)
{
    const struct config__section *sec = config__section_get(all, config__kind_find("storage"), "");
    const struct config_storage *st = (const struct config_storage *)sec->values;
    if (!is_plain_name(st->ns)) {
        rep->where = where_of(sec, "namespace", NULL);
        config__problem(rep, "[storage] namespace = %s: it is made of letters, digits, - and _",
                        st->ns);
        rep->where = NULL;
    }
}

void
config__check_plugins(struct config__sections *all, struct config__report *rep)
{
    const struct config__kind *kind = config__kind_find("plugin");
    for (struct config__section *s = all->first; s != NULL; s = s->next) {
        if (s->kind != kind) {
            continue;
        }
        rep->where = where_of(s, "path", where_of(s, "sha256", NULL));
        if (!is_plain_name(s->arg)) {
            config__problem(rep, "[plugin %s]: a name is made of letters, digits, - and _", s->arg);
        } else if (((const struct config_plugin *)s->values)->path[0] == '\0') {
            config__problem(rep,
                            "[plugin %s] needs the key path: the plugin's shared object, by "
                            "absolute path",
                            s->arg);
        }
        rep->where = NULL;
    }
}
