/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice group`: list, describe, delete, and the table of the verbs. */
#include "cli/groups_int.h"
#include "cli/table_int.h"
#include "wire/errors.h"
#include "wire/messages/delete_groups.h"

#include <inttypes.h>

enum { RANGES_MAX = 400 };

/* ---- list ---- */

static void
list_text(const struct cli__groups *gs)
{
    static const char *const heads[] = {"GROUP", "STATE", "TYPE", "PROTOCOL", NULL};
    struct cli__table t;
    cli__table_init(&t, heads);
    for (size_t i = 0; i < gs->count; i++) {
        const struct list_groups_response_group *g = &gs->items[i];
        cli__table_span(&t, g->group_id);
        cli__table_span(&t, g->group_state.len > 0 ? g->group_state : span_of(NULL, 0));
        cli__table_span(&t, g->group_type.len > 0 ? g->group_type : span_of(NULL, 0));
        cli__table_span(&t, g->protocol_type.len > 0 ? g->protocol_type : span_of(NULL, 0));
    }
    cli__table_print(&t, stdout);
}

/* Empty: the broker did not say. */
static json_t *
word_json(struct span s)
{
    return s.len == 0 ? json_null() : cli__json_span(s);
}

static void
list_json(const struct cli__groups *gs)
{
    json_t *all = json_array();
    for (size_t i = 0; i < gs->count; i++) {
        const struct list_groups_response_group *g = &gs->items[i];
        json_array_append_new(
            all, json_pack("{s:o, s:o, s:o, s:o}", "group", cli__json_span(g->group_id), "state",
                           word_json(g->group_state), "type", word_json(g->group_type), "protocol",
                           word_json(g->protocol_type)));
    }
    cli__json_print(all);
}

static void
list_run(struct cli__admin *a, void *arg)
{
    struct cli__groups gs;
    (void)arg;
    if (!cli__groups_list(a, cli__value(a->args, CLI__STATE), &gs)) {
        return;
    }
    if (a->args->is_json) {
        list_json(&gs);
    } else {
        list_text(&gs);
    }
}

static int
list(const struct cli__args *args)
{
    return cli__admin_run(args, list_run, NULL);
}

/* ---- describe ---- */

/* "orders 0-3,5; payments 1" */
static void
assignment_cell(struct cli__table *t, const struct cli__member *m)
{
    struct bytes text;
    char ranges[RANGES_MAX];
    bytes_init(&text, 1 << 20);
    for (size_t i = 0; i < m->assigned_count; i++) {
        const struct cli__assigned *as = &m->assigned[i];
        cli__ranges_text(as->partitions, as->count, ranges, sizeof(ranges));
        bytes_append(&text, "; ", i == 0 ? 0 : 2);
        bytes_append(&text, as->topic.ptr, as->topic.len);
        bytes_u8(&text, ' ');
        bytes_append(&text, ranges, strlen(ranges));
    }
    const char *moving = text.len == 0 ? "(moving)" : " (moving)";
    bytes_append(&text, moving, m->is_moving ? strlen(moving) : 0);
    cli__table_span(t, text.len == 0 ? span_of(NULL, 0) : bytes_span(&text));
    bytes_fini(&text);
}

static void
describe_text(const struct cli__group *g)
{
    static const char *const heads[] = {"MEMBER", "INSTANCE", "CLIENT", "HOST", "ASSIGNMENT", NULL};
    struct cli__table t;
    (void)printf("group %s: %s, ", g->name, g->is_consumer ? "consumer" : "classic");
    cli__print_safely(stdout, g->state);
    if (g->assignor.len > 0) {
        (void)printf(", assignor ");
        cli__print_safely(stdout, g->assignor);
    }
    if (g->epoch >= 0) {
        (void)printf(", epoch %" PRId32, g->epoch);
    }
    (void)printf(", coordinator %" PRId32 ", %zu member%s\n", g->coordinator, g->member_count,
                 g->member_count == 1 ? "" : "s");
    cli__table_init(&t, heads);
    for (size_t i = 0; i < g->member_count; i++) {
        const struct cli__member *m = &g->members[i];
        cli__table_span(&t, m->id);
        cli__table_span(&t, m->instance);
        cli__table_span(&t, m->client_id);
        cli__table_span(&t, m->host);
        assignment_cell(&t, m);
    }
    if (g->member_count > 0) {
        cli__table_print(&t, stdout);
    } else {
        cli__table_fini(&t);
    }
}

static json_t *
member_json(const struct cli__member *m)
{
    json_t *assignment = json_array();
    for (size_t i = 0; i < m->assigned_count; i++) {
        json_t *numbers = json_array();
        for (size_t k = 0; k < m->assigned[i].count; k++) {
            json_array_append_new(numbers, json_integer(m->assigned[i].partitions[k]));
        }
        json_array_append_new(assignment,
                              json_pack("{s:o, s:o}", "topic", cli__json_span(m->assigned[i].topic),
                                        "partitions", numbers));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "id", cli__json_span(m->id), "instance",
                     cli__json_span(m->instance), "client_id", cli__json_span(m->client_id), "host",
                     cli__json_span(m->host), "epoch", cli__json_offset(m->epoch), "assignment",
                     assignment, "moving", m->is_moving);
}

static void
describe_json(const struct cli__group *g)
{
    json_t *members = json_array();
    for (size_t i = 0; i < g->member_count; i++) {
        json_array_append_new(members, member_json(&g->members[i]));
    }
    cli__json_print(json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o, s:i, s:o}", "group", cli__json_span(span_cstr(g->name)),
        "type", g->is_consumer ? "consumer" : "classic", "state", cli__json_span(g->state),
        "protocol", word_json(g->protocol_type), "assignor", word_json(g->assignor), "epoch",
        cli__json_offset(g->epoch), "coordinator", g->coordinator, "members", members));
}

static void
describe_run(struct cli__admin *a, void *arg)
{
    struct cli__group g;
    (void)arg;
    if (!cli__group_find(a, a->args->words[0], &g)) {
        return;
    }
    if (a->args->is_json) {
        describe_json(&g);
    } else {
        describe_text(&g);
    }
}

static int
describe(const struct cli__args *args)
{
    return cli__admin_run(args, describe_run, NULL);
}

/* ---- delete ---- */

static int16_t
deleted_error(const void *out)
{
    const struct delete_groups_response *r = (const struct delete_groups_response *)out;
    return r->results.count == 1 ? r->results.items[0].error_code
                                 : (int16_t)KAFKA_UNKNOWN_SERVER_ERROR;
}

static void
delete_run(struct cli__admin *a, void *arg)
{
    json_t *all = json_array();
    (void)arg;
    for (size_t i = 0; i < a->args->word_count; i++) {
        const char *group = a->args->words[i];
        struct span name = span_cstr(group);
        const struct delete_groups_request in = {.groups_names = {.items = &name, .count = 1}};
        struct delete_groups_response out;
        const struct cli__ask q = {.key = API_DELETE_GROUPS, .in = &in, .out = &out};
        if (!cli__ask_coordinator(a, group, &q, deleted_error)) {
            break;
        }
        int16_t code = deleted_error(&out);
        if (code == KAFKA_GROUP_ID_NOT_FOUND) {
            cli__no_group(a, group);
        } else if (code != 0) {
            cli__refused(a, group, code, span_of(NULL, 0));
        } else if (!a->args->is_json) {
            (void)printf("deleted %s\n", group);
        }
        json_array_append_new(all,
                              json_pack("{s:o, s:b, s:s}", "group", cli__json_span(name), "deleted",
                                        code == 0, "error", kafka_error_name(code)));
    }
    if (a->args->is_json) {
        cli__json_print(all);
    } else {
        json_decref(all);
    }
}

static int delete (const struct cli__args *args)
{
    return cli__admin_run(args, delete_run, NULL);
}

/* ---- the verbs ---- */

#define COMMON (CLI__ADDRESS | CLI__JSON)

const struct cli__command cli__group_verbs[] = {
    {.name = "group list",
     .options = COMMON | CLI__STATE,
     .summary = "all groups",
     .details = "Lists the groups of all brokers.",
     .run = list},
    {.name = "group describe",
     .options = COMMON,
     .word = "GROUP",
     .words_min = 1,
     .words_max = 1,
     .summary = "its members, and what they are assigned",
     .details =
         "Prints which protocol a group uses (classic, or consumer: KIP-848), its state, its\n"
         "members, and the partitions of each. (moving): it is about to get others.",
     .run = describe},
    {.name = "group lag",
     .options = COMMON,
     .word = "GROUP",
     .words_min = 1,
     .words_max = 1,
     .summary = "how far behind it is",
     .details = "Prints for each partition that the group committed or was assigned: the offset\n"
                "committed, the end of the log, and how many offsets lie between.",
     .run = cli__group_lag},
    {.name = "group reset",
     .options = COMMON | CLI__TOPIC | CLI__PARTITION | CLI__TO_EARLIEST | CLI__TO_LATEST |
                CLI__TO_OFFSET | CLI__TO_TIME | CLI__EXECUTE,
     .word = "GROUP",
     .words_min = 1,
     .words_max = 1,
     .summary = "set the offsets of a group without members",
     .details = "Says what the offsets of a topic would be, and with --execute commits them. The\n"
                "group may have no members then: they would not see it.",
     .run = cli__group_reset},
    {.name = "group delete",
     .options = COMMON,
     .word = "GROUP...",
     .words_min = 1,
     .words_max = CLI__WORDS_MAX,
     .summary = "forget groups, and what they committed",
     .details = "Deletes groups that have no members.",
     .run = delete},
    {0},
};
