/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice quota`: client quotas. An entity is a user, a client id, or both; a default one is the
 * entity of all that have none, which the protocol writes as a null name. */
#include "cli/admin_int.h"
#include "cli/table_int.h"
#include "cli/value_int.h"
#include "wire/errors.h"
#include "wire/messages/alter_client_quotas.h"
#include "wire/messages/describe_client_quotas.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { PARTS_MAX = 2, OPS_MAX = CLI__WORDS_MAX };
enum { MATCH_EXACT = 0, MATCH_DEFAULT = 1 };

/* What the options name. */
struct entity {
    struct alter_client_quotas_request_entity parts[PARTS_MAX];
    size_t count;
};

static bool
part_add(const struct cli__args *args, uint64_t named, uint64_t is_default, struct entity *ret)
{
    const char *name = cli__value(args, named);
    bool is_users = named == CLI__USER;
    if (name == NULL && cli__value(args, is_default) == NULL) {
        return true;
    }
    if (name != NULL && cli__value(args, is_default) != NULL) {
        (void)cli__usage(args, "either %s",
                         is_users ? "--user or --user-default"
                                  : "--client-id or --client-id-default");
        return false;
    }
    ret->parts[ret->count++] = (struct alter_client_quotas_request_entity){
        .entity_type = span_cstr(is_users ? "user" : "client-id"), .entity_name = span_cstr(name)};
    return true;
}

static bool
entity_parse(const struct cli__args *args, struct entity *ret)
{
    *ret = (struct entity){.count = 0};
    return part_add(args, CLI__USER, CLI__USER_DEFAULT, ret) &&
           part_add(args, CLI__CLIENT, CLI__CLIENT_DEFAULT, ret);
}

/* ---- list ---- */

static bool
is_user(const struct describe_client_quotas_response_entity *part)
{
    return span_eq(part->entity_type, span_cstr("user"));
}

static void
part_append(struct bytes *to, const struct describe_client_quotas_response_entity *part)
{
    struct span name = part->entity_name.ptr == NULL ? span_cstr("(default)") : part->entity_name;
    bytes_append(to, ", ", to->len == 0 ? 0 : 2);
    bytes_append(to, part->entity_type.ptr, part->entity_type.len);
    bytes_u8(to, ' ');
    bytes_append(to, name.ptr, name.len);
}

/* "user alice, client-id (default)"; brokers give the parts in any order. */
static void
entity_cell(struct cli__table *t, const struct describe_client_quotas_response_entry *e)
{
    struct bytes text;
    bytes_init(&text, 1 << 20);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < e->entity.count; i++) {
            if (is_user(&e->entity.items[i]) == (pass == 0)) {
                part_append(&text, &e->entity.items[i]);
            }
        }
    }
    cli__table_span(t, bytes_span(&text));
    bytes_fini(&text);
}

static void
list_text(const struct describe_client_quotas_response *out)
{
    static const char *const heads[] = {"OF", "QUOTA", ">VALUE", NULL};
    struct cli__table t;
    cli__table_init(&t, heads);
    for (size_t i = 0; i < out->entries.count; i++) {
        const struct describe_client_quotas_response_entry *e = &out->entries.items[i];
        for (size_t k = 0; k < e->values.count; k++) {
            entity_cell(&t, e);
            cli__table_span(&t, e->values.items[k].key);
            cli__table_cell(&t, "%.15g", e->values.items[k].value);
        }
    }
    cli__table_print(&t, stdout);
}

static json_t *
entry_json(const struct describe_client_quotas_response_entry *e)
{
    json_t *entity = json_object();
    json_t *values = json_object();
    char key[256];
    for (size_t i = 0; i < e->entity.count; i++) {
        span_to_cstr(e->entity.items[i].entity_type, key, sizeof(key));
        json_object_set_new(entity, key, cli__json_span(e->entity.items[i].entity_name));
    }
    for (size_t i = 0; i < e->values.count; i++) {
        span_to_cstr(e->values.items[i].key, key, sizeof(key));
        json_object_set_new(values, key, json_real(e->values.items[i].value));
    }
    return json_pack("{s:o, s:o}", "entity", entity, "quotas", values);
}

static void
list_json(const struct describe_client_quotas_response *out)
{
    json_t *all = json_array();
    for (size_t i = 0; i < out->entries.count; i++) {
        json_array_append_new(all, entry_json(&out->entries.items[i]));
    }
    cli__json_print(all);
}

static void
list_run(struct cli__admin *a, void *arg)
{
    const struct entity *entity = (const struct entity *)arg;
    struct describe_client_quotas_request_component components[PARTS_MAX];
    const struct describe_client_quotas_request in = {
        .components = {.items = components, .count = entity->count}};
    struct describe_client_quotas_response out;
    const struct cli__ask q = {.key = API_DESCRIBE_CLIENT_QUOTAS, .in = &in, .out = &out};
    for (size_t i = 0; i < entity->count; i++) {
        struct span name = entity->parts[i].entity_name;
        components[i] = (struct describe_client_quotas_request_component){
            .entity_type = entity->parts[i].entity_type,
            .match_type = name.ptr == NULL ? MATCH_DEFAULT : MATCH_EXACT,
            .match = name};
    }
    if (!cli__ask(a, a->cluster.seed, &q)) {
        return;
    }
    if (out.error_code != 0) {
        cli__refused(a, "quotas", out.error_code, out.error_message);
    } else if (a->args->is_json) {
        list_json(&out);
    } else if (out.entries.count == 0) {
        (void)printf("no quotas\n");
    } else {
        list_text(&out);
    }
}

static int
list(const struct cli__args *args)
{
    struct entity entity;
    return entity_parse(args, &entity) ? cli__admin_run(args, list_run, &entity) : CLI__USAGE;
}

/* ---- set, unset ---- */

struct change {
    struct entity entity;
    struct alter_client_quotas_request_op ops[OPS_MAX];
};

/* The nearest quota that we know, where the broker does not know one of these. */
static const char *
typo_find(const struct cli__admin *a)
{
    static const char *const known[] = {"producer_byte_rate", "consumer_byte_rate",
                                        "request_percentage", "controller_mutation_rate"};
    for (size_t i = 0; i < a->args->word_count; i++) {
        char key[64];
        struct nearest near;
        span_to_cstr(span_of(a->args->words[i], strcspn(a->args->words[i], "=")), key, sizeof(key));
        nearest_init(&near, key);
        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
            nearest_offer(&near, known[k]);
        }
        if (near.best != NULL && near.distance > 0) {
            return near.best;
        }
    }
    return NULL;
}

static void
change_refused(struct cli__admin *a, const struct alter_client_quotas_response_entry *e)
{
    const char *near = typo_find(a);
    char message[1024];
    if (near == NULL || e->error_code != KAFKA_INVALID_REQUEST) {
        cli__refused(a, "quota", e->error_code, e->error_message);
        return;
    }
    (void)snprintf(message, sizeof(message), "%.*s; did you mean %s?", (int)e->error_message.len,
                   e->error_message.ptr == NULL ? "" : (const char *)e->error_message.ptr, near);
    cli__refused(a, "quota", e->error_code, span_cstr(message));
}

static void
change_run(struct cli__admin *a, void *arg)
{
    struct change *c = (struct change *)arg;
    struct alter_client_quotas_request_entry entry = {
        .entity = {.items = c->entity.parts, .count = c->entity.count},
        .ops = {.items = c->ops, .count = a->args->word_count}};
    const struct alter_client_quotas_request in = {.entries = {.items = &entry, .count = 1}};
    struct alter_client_quotas_response out;
    const struct cli__ask q = {.key = API_ALTER_CLIENT_QUOTAS, .in = &in, .out = &out};
    if (!cli__ask_controller(a, &q)) {
        return;
    }
    if (out.entries.count != 1) {
        cli__fail(a, "the broker says nothing of it");
    } else if (out.entries.items[0].error_code != 0) {
        change_refused(a, &out.entries.items[0]);
    } else if (a->args->is_json) {
        cli__json_print(json_pack("{s:I}", "changed", (json_int_t)entry.ops.count));
    } else {
        (void)printf("changed\n");
    }
}

static bool
op_parse(const struct cli__args *args, const char *word, bool is_removed,
         struct alter_client_quotas_request_op *ret)
{
    struct span value;
    char *end = NULL;
    *ret = (struct alter_client_quotas_request_op){.key = span_cstr(word), .remove = is_removed};
    if (is_removed) {
        return true;
    }
    if (!cli__key_value(args, word, &ret->key, &value)) {
        return false;
    }
    ret->value = strtod((const char *)value.ptr, &end);
    if (value.len == 0 || *end != '\0') {
        (void)cli__usage(args, "%s: the value is no number", word);
        return false;
    }
    return true;
}

static int
change(const struct cli__args *args, bool is_removed)
{
    struct change c = {0};
    if (!entity_parse(args, &c.entity)) {
        return CLI__USAGE;
    }
    if (c.entity.count == 0) {
        return cli__usage(args, "whose? --user NAME or --user-default, --client-id ID or "
                                "--client-id-default, or one of each");
    }
    for (size_t i = 0; i < args->word_count; i++) {
        if (!op_parse(args, args->words[i], is_removed, &c.ops[i])) {
            return CLI__USAGE;
        }
    }
    return cli__admin_run(args, change_run, &c);
}

static int
set(const struct cli__args *args)
{
    return change(args, false);
}

static int
unset(const struct cli__args *args)
{
    return change(args, true);
}

/* ---- the verbs ---- */

#define OPTIONS                                                                                    \
    (CLI__ADDRESS | CLI__JSON | CLI__USER | CLI__USER_DEFAULT | CLI__CLIENT | CLI__CLIENT_DEFAULT)

const struct cli__command cli__quota_verbs[] = {
    {.name = "quota list",
     .options = OPTIONS,
     .summary = "all quotas, or those of somebody",
     .details = "Lists quotas: all, or those that name the user or client id.",
     .run = list},
    {.name = "quota set",
     .options = OPTIONS,
     .word = "KEY=VALUE...",
     .words_min = 1,
     .words_max = CLI__WORDS_MAX,
     .summary = "limit what somebody uses",
     .details =
         "Sets quotas of a user, a client id, or one client id of a user:\n"
         "producer_byte_rate and consumer_byte_rate in bytes a second, request_percentage of "
         "a\nthread's time, controller_mutation_rate in partitions a second.",
     .run = set},
    {.name = "quota unset",
     .options = OPTIONS,
     .word = "KEY...",
     .words_min = 1,
     .words_max = CLI__WORDS_MAX,
     .summary = "lift the limit",
     .details = "Takes quotas away.",
     .run = unset},
    {0},
};
