/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice config get|set|unset`: the configuration of topics and brokers. (`config doc`, which is
 * about the configuration file, is cli.c's.) */
#include "cli/configs_int.h"
#include "cli/table_int.h"
#include "cli/value_int.h"
#include "wire/errors.h"
#include "wire/messages/incremental_alter_configs.h"

#include <inttypes.h>
#include <stdlib.h>

enum { OF_TOPIC = 2, OF_BROKER = 4 }; /* resource types */
enum { OP_SET = 0, OP_DELETE = 1 };   /* KIP-339 */
enum { SOURCE_DEFAULT = 5 };          /* DEFAULT_CONFIG */
enum { CONFIGS_MAX = CLI__WORDS_MAX };

/* Whose configuration. */
struct resource {
    int8_t type;
    const char *name;  /* of a topic, or a broker's id */
    int32_t broker_id; /* -1: a topic */
    char id_text[12];  /* what name is of a broker that was not named */
};

/* ---- printing ---- */

static const char *
source_of(int8_t source)
{
    static const char *const texts[] = {"unknown",
                                        "of the topic",
                                        "of the broker",
                                        "of all brokers",
                                        "in the broker's configuration file",
                                        "a default",
                                        "of the broker's loggers"};
    bool is_known = source >= 0 && (size_t)source < sizeof(texts) / sizeof(texts[0]);
    return is_known ? texts[source] : texts[0];
}

static const char *
source_name(int8_t source)
{
    static const char *const names[] = {"UNKNOWN",
                                        "DYNAMIC_TOPIC_CONFIG",
                                        "DYNAMIC_BROKER_CONFIG",
                                        "DYNAMIC_DEFAULT_BROKER_CONFIG",
                                        "STATIC_BROKER_CONFIG",
                                        "DEFAULT_CONFIG",
                                        "DYNAMIC_BROKER_LOGGER_CONFIG"};
    bool is_known = source >= 0 && (size_t)source < sizeof(names) / sizeof(names[0]);
    return is_known ? names[source] : names[0];
}

void
cli__config_line(const struct describe_configs_response_config *c)
{
    (void)printf("  ");
    cli__print_safely(stdout, c->name);
    (void)printf(" = ");
    if (c->is_sensitive) {
        (void)printf("(secret)");
    } else if (c->value.ptr != NULL) {
        cli__print_safely(stdout, c->value);
    }
    (void)printf("  (%s)\n", source_of(c->config_source));
}

json_t *
cli__config_json(const struct describe_configs_response_config *c)
{
    return json_pack("{s:o, s:o, s:s, s:b, s:b}", "name", cli__json_span(c->name), "value",
                     cli__json_span(c->value), "source", source_name(c->config_source), "read_only",
                     c->read_only, "sensitive", c->is_sensitive);
}

/* ---- get ---- */

static int
compare_configs(const void *one, const void *other)
{
    struct span a = ((const struct describe_configs_response_config *)one)->name;
    struct span b = ((const struct describe_configs_response_config *)other)->name;
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

/* A broker's configuration is asked of that broker, a topic's of any. */
static bool
resource_client(struct cli__admin *a, const struct resource *r, struct client **ret)
{
    struct sl_error err = SL_ERROR_INIT;
    if (r->broker_id < 0) {
        *ret = a->cluster.seed;
        return true;
    }
    if (cluster_broker(&a->cluster, r->broker_id, ret, &err) != SL_OK) {
        cli__fail(a, "%s", err.msg);
        return false;
    }
    return true;
}

static bool
configs_ask(struct cli__admin *a, const struct resource *r, bool wants_all,
            struct cli__configs *ret)
{
    struct describe_configs_request_resource resource = {.resource_type = r->type,
                                                         .resource_name = span_cstr(r->name)};
    struct describe_configs_request in = {.resources = {.items = &resource, .count = 1}};
    struct describe_configs_response out;
    const struct cli__ask q = {.key = API_DESCRIBE_CONFIGS, .in = &in, .out = &out};
    struct client *c = NULL;
    if (!resource_client(a, r, &c) || !cli__ask(a, c, &q)) {
        return false;
    }
    if (out.results.count != 1) {
        cli__fail(a, "the broker says nothing of %s", r->name);
        return false;
    }
    const struct describe_configs_response_resource *got = &out.results.items[0];
    if (got->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION && r->type == OF_TOPIC) {
        cli__no_topic(a, r->name);
        return false;
    }
    if (got->error_code != 0) {
        cli__refused(a, r->name, got->error_code, got->error_message);
        return false;
    }
    *ret = (struct cli__configs){.items = got->configs.items};
    for (size_t i = 0; i < got->configs.count; i++) {
        if (wants_all || got->configs.items[i].config_source != SOURCE_DEFAULT) {
            ret->items[ret->count++] = got->configs.items[i];
        }
    }
    if (ret->count > 0) {
        qsort(ret->items, ret->count, sizeof(*ret->items), compare_configs);
    }
    return true;
}

bool
cli__configs_of_topic(struct cli__admin *a, const char *topic, bool wants_all,
                      struct cli__configs *ret)
{
    const struct resource r = {.type = OF_TOPIC, .name = topic, .broker_id = -1};
    return configs_ask(a, &r, wants_all, ret);
}

static bool
get_one(struct cli__admin *a, const struct resource *r, json_t *all)
{
    struct cli__configs cs;
    bool wants_all = cli__value(a->args, CLI__ALL) != NULL;
    if (!configs_ask(a, r, wants_all, &cs)) {
        return false;
    }
    if (a->args->is_json) {
        json_t *configs = json_array();
        for (size_t i = 0; i < cs.count; i++) {
            json_array_append_new(configs, cli__config_json(&cs.items[i]));
        }
        json_array_append_new(all, json_pack("{s:s, s:s, s:o}", "type",
                                             r->type == OF_TOPIC ? "topic" : "broker", "name",
                                             r->name, "configs", configs));
        return true;
    }
    (void)printf("%s %s%s\n", r->type == OF_TOPIC ? "topic" : "broker", r->name,
                 cs.count == 0 ? ": everything is at its default; --all prints it" : "");
    for (size_t i = 0; i < cs.count; i++) {
        cli__config_line(&cs.items[i]);
    }
    return true;
}

static void
get_run(struct cli__admin *a, void *arg)
{
    struct resource *r = (struct resource *)arg;
    json_t *all = json_array();
    bool is_every_broker = r->name == NULL;
    size_t count = is_every_broker ? a->cluster.broker_count : 1;
    bool is_right = true;
    for (size_t i = 0; i < count && is_right; i++) {
        if (is_every_broker) {
            r->broker_id = a->cluster.brokers[i].id;
            (void)snprintf(r->id_text, sizeof(r->id_text), "%" PRId32, r->broker_id);
            r->name = r->id_text;
        }
        is_right = get_one(a, r, all);
    }
    if (a->args->is_json && is_right) {
        cli__json_print(all);
    } else {
        json_decref(all);
    }
}

/* ---- whose ---- */

/* The first words: `topic NAME` or `broker [ID]`; *ret_next is the index behind them. */
static bool
resource_parse(const struct cli__args *args, bool is_id_needed, struct resource *ret,
               size_t *ret_next)
{
    const char *kind = args->words[0];
    const char *name = args->words[1];
    *ret = (struct resource){.name = name, .broker_id = -1};
    *ret_next = name == NULL ? 1 : 2;
    if (strcmp(kind, "topic") == 0) {
        ret->type = OF_TOPIC;
        if (name == NULL) {
            (void)cli__usage(args, "NAME is missing");
        }
        return name != NULL;
    }
    ret->type = OF_BROKER;
    if (strcmp(kind, "broker") != 0) {
        (void)cli__usage(args, "of what? %s is neither topic nor broker", kind);
        return false;
    }
    if (name == NULL && is_id_needed) {
        (void)cli__usage(args, "the broker's ID is missing");
        return false;
    }
    return cli__number32(args, name, 0, &ret->broker_id);
}

static int
get(const struct cli__args *args)
{
    struct resource r;
    size_t next;
    return resource_parse(args, false, &r, &next) ? cli__admin_run(args, get_run, &r) : CLI__USAGE;
}

/* ---- set, unset ---- */

struct change {
    struct resource resource;
    struct incremental_alter_configs_request_config configs[CONFIGS_MAX];
    size_t count;
};

static const char *
cstr_of(struct cli__admin *a, struct span s)
{
    char *text = (char *)cli__admin_alloc(a, s.len + 1, 1);
    span_to_cstr(s, text, s.len + 1);
    return text;
}

/* Gives what an unknown name was perhaps meant to be; NULL when it is known, or nothing is near. */
static const char *
nearest_of(struct cli__admin *a, struct span name, const struct cli__configs *known)
{
    struct nearest near;
    nearest_init(&near, cstr_of(a, name));
    for (size_t i = 0; i < known->count; i++) {
        if (span_eq(known->items[i].name, name)) {
            return NULL;
        }
        nearest_offer(&near, cstr_of(a, known->items[i].name));
    }
    return near.best;
}

/* After a refusal: is one of the names a typo? */
static const char *
typo_find(struct cli__admin *a, const struct change *c)
{
    struct cli__configs known = {0};
    const char *best = NULL;
    if (configs_ask(a, &c->resource, true, &known)) {
        for (size_t i = 0; i < c->count && best == NULL; i++) {
            best = nearest_of(a, c->configs[i].name, &known);
        }
    }
    return best;
}

static void
change_refused(struct cli__admin *a, const struct change *c,
               const struct incremental_alter_configs_response_resource *r)
{
    int16_t code = r->error_code;
    char message[1024];
    if (code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION && c->resource.type == OF_TOPIC) {
        cli__no_topic(a, c->resource.name);
        return;
    }
    bool is_perhaps_typo = code == KAFKA_INVALID_CONFIG || code == KAFKA_INVALID_REQUEST;
    const char *near = is_perhaps_typo ? typo_find(a, c) : NULL;
    if (near == NULL) {
        cli__refused(a, c->resource.name, code, r->error_message);
        return;
    }
    (void)snprintf(message, sizeof(message), "%.*s; did you mean %s?", (int)r->error_message.len,
                   r->error_message.ptr == NULL ? "" : (const char *)r->error_message.ptr, near);
    cli__refused(a, c->resource.name, code, span_cstr(message));
}

static void
change_run(struct cli__admin *a, void *arg)
{
    struct change *c = (struct change *)arg;
    struct incremental_alter_configs_request_resource resource = {
        .resource_type = c->resource.type,
        .resource_name = span_cstr(c->resource.name),
        .configs = {.items = c->configs, .count = c->count}};
    struct incremental_alter_configs_request in = {.resources = {.items = &resource, .count = 1}};
    struct incremental_alter_configs_response out;
    const struct cli__ask q = {.key = API_INCREMENTAL_ALTER_CONFIGS, .in = &in, .out = &out};
    struct client *client = NULL;
    if (c->resource.broker_id < 0) {
        if (!cli__ask_controller(a, &q)) {
            return;
        }
    } else if (!resource_client(a, &c->resource, &client) || !cli__ask(a, client, &q)) {
        return;
    }
    if (out.responses.count != 1) {
        cli__fail(a, "the broker says nothing of %s", c->resource.name);
    } else if (out.responses.items[0].error_code != 0) {
        change_refused(a, c, &out.responses.items[0]);
    } else if (a->args->is_json) {
        cli__json_print(
            json_pack("{s:s, s:I}", "name", c->resource.name, "changed", (json_int_t)c->count));
    } else {
        (void)printf("changed %s\n", c->resource.name);
    }
}

static int
change(const struct cli__args *args, int8_t operation)
{
    struct change c = {0};
    size_t next;
    if (!resource_parse(args, true, &c.resource, &next)) {
        return CLI__USAGE;
    }
    for (; next < args->word_count; next++) {
        struct incremental_alter_configs_request_config *to = &c.configs[c.count++];
        to->config_operation = operation;
        if (operation == OP_DELETE) {
            to->name = span_cstr(args->words[next]);
        } else if (!cli__key_value(args, args->words[next], &to->name, &to->value)) {
            return CLI__USAGE;
        }
    }
    if (c.count == 0) {
        return cli__usage(args, "%s is missing", operation == OP_SET ? "KEY=VALUE" : "KEY");
    }
    return cli__admin_run(args, change_run, &c);
}

static int
set(const struct cli__args *args)
{
    return change(args, OP_SET);
}

static int
unset(const struct cli__args *args)
{
    return change(args, OP_DELETE);
}

/* ---- the verbs ---- */

const struct cli__command cli__config_verbs[] = {
    {.name = "config doc",
     .options = CLI__MARKDOWN,
     .summary = "every option of the configuration file",
     .details = "Prints every option with its type, default, bounds and meaning.",
     .run = cli__config_doc},
    {.name = "config get",
     .options = CLI__ADDRESS | CLI__JSON | CLI__ALL,
     .word = "topic NAME | broker [ID]",
     .words_min = 1,
     .words_max = 2,
     .summary = "what is not at its default",
     .details = "Prints the configuration of a topic, of a broker, or of all brokers, and where\n"
                "each value was set.",
     .run = get},
    {.name = "config set",
     .options = CLI__ADDRESS | CLI__JSON,
     .word = "topic NAME KEY=VALUE...",
     .words_min = 1,
     .words_max = CLI__WORDS_MAX,
     .summary = "change it",
     .details = "Sets configurations of a topic, retention.ms=86400000 for example; all of them or "
                "none.\nAlso of `broker ID`, where brokers can be changed while they run.",
     .run = set},
    {.name = "config unset",
     .options = CLI__ADDRESS | CLI__JSON,
     .word = "topic NAME KEY...",
     .words_min = 1,
     .words_max = CLI__WORDS_MAX,
     .summary = "back to the default",
     .details = "Lets configurations of a topic be what the broker's defaults are.",
     .run = unset},
    {0},
};
