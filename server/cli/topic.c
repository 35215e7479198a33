/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice topic`, but for describe. */
#include "base/uuid.h"
#include "cli/parts_int.h"
#include "cli/table_int.h"
#include "cli/topic_int.h"
#include "cli/value_int.h"
#include "wire/errors.h"
#include "wire/messages/create_partitions.h"
#include "wire/messages/create_topics.h"
#include "wire/messages/delete_records.h"
#include "wire/messages/delete_topics.h"

#include <inttypes.h>
#include <stdlib.h>

enum { DEFAULTS_SINCE = 4, COUNTS_SINCE = 5, TO_END = -1 };

/* ---- list ---- */

static int
compare_topics(const void *one, const void *other)
{
    struct span a = ((const struct metadata_response_topic *)one)->name;
    struct span b = ((const struct metadata_response_topic *)other)->name;
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static int64_t
replication_of(const struct metadata_response_topic *t)
{
    return t->partitions.count == 0 ? 0 : (int64_t)t->partitions.items[0].replica_nodes.count;
}

static void
list_text(const struct metadata_response *md)
{
    static const char *const heads[] = {"TOPIC", ">PARTITIONS", ">REPLICATION", "", NULL};
    struct cli__table t;
    cli__table_init(&t, heads);
    for (size_t i = 0; i < md->topics.count; i++) {
        const struct metadata_response_topic *topic = &md->topics.items[i];
        cli__table_span(&t, topic->name);
        cli__table_int(&t, (int64_t)topic->partitions.count);
        cli__table_int(&t, replication_of(topic));
        cli__table_cell(&t, "%s",
                        topic->error_code != 0 ? kafka_error_name(topic->error_code)
                        : topic->is_internal   ? "internal"
                                               : "");
    }
    cli__table_print(&t, stdout);
}

static void
list_json(const struct metadata_response *md)
{
    json_t *all = json_array();
    for (size_t i = 0; i < md->topics.count; i++) {
        const struct metadata_response_topic *topic = &md->topics.items[i];
        json_array_append_new(
            all, json_pack("{s:o, s:I, s:I, s:b}", "name", cli__json_span(topic->name),
                           "partitions", (json_int_t)topic->partitions.count, "replication_factor",
                           (json_int_t)replication_of(topic), "internal", topic->is_internal));
    }
    cli__json_print(all);
}

static void
list_run(struct cli__admin *a, void *arg)
{
    struct sl_error err = SL_ERROR_INIT;
    struct metadata_response md;
    (void)arg;
    if (cluster_metadata(&a->cluster, NULL, &md, &err) != SL_OK) {
        cli__fail(a, "%s", err.msg);
        return;
    }
    if (md.topics.count > 0) {
        qsort(md.topics.items, md.topics.count, sizeof(*md.topics.items), compare_topics);
    }
    if (a->args->is_json) {
        list_json(&md);
    } else {
        list_text(&md);
    }
}

static int
list(const struct cli__args *args)
{
    return cli__admin_run(args, list_run, NULL);
}

/* ---- create ---- */

struct creation {
    int32_t partitions; /* -1: the broker's default */
    int32_t replication;
    struct create_topics_request_config configs[CLI__SETS_MAX];
};

static void
created_print(const struct cli__admin *a, const struct create_topics_response_topic *t)
{
    char id[UUID_TEXT];
    struct uuid uuid;
    memcpy(uuid.b, t->topic_id, sizeof(uuid.b));
    uuid_text(&uuid, id);
    if (a->args->is_json) {
        cli__json_print(json_pack("{s:s, s:o, s:o, s:o}", "name", a->args->words[0], "id",
                                  uuid_is_zero(&uuid) ? json_null() : json_string(id), "partitions",
                                  cli__json_offset(t->num_partitions), "replication_factor",
                                  cli__json_offset(t->replication_factor)));
    } else if (t->num_partitions >= 0) {
        (void)printf("created %s with %" PRId32 " partition%s\n", a->args->words[0],
                     t->num_partitions, t->num_partitions == 1 ? "" : "s");
    } else {
        (void)printf("created %s\n", a->args->words[0]);
    }
}

static void
create_run(struct cli__admin *a, void *arg)
{
    struct creation *c = (struct creation *)arg;
    struct client *controller = NULL;
    struct sl_error err = SL_ERROR_INIT;
    struct create_topics_request in;
    struct create_topics_response out;
    struct create_topics_request_topic topic = {
        .name = span_cstr(a->args->words[0]),
        .num_partitions = c->partitions,
        .replication_factor = (int16_t)c->replication,
        .configs = {.items = c->configs, .count = a->args->set_count}};
    const struct cli__ask q = {.key = API_CREATE_TOPICS, .in = &in, .out = &out};
    create_topics_request_init(&in);
    in.topics.items = &topic;
    in.topics.count = 1;
    in.timeout_ms = CLI__REQUEST_MS;
    if (cluster_controller(&a->cluster, &controller, &err) != SL_OK) {
        cli__fail(a, "%s", err.msg);
        return;
    }
    if (client_version(controller, API_CREATE_TOPICS) < DEFAULTS_SINCE) { /* KIP-464 */
        topic.num_partitions = topic.num_partitions < 0 ? 1 : topic.num_partitions;
        topic.replication_factor =
            topic.replication_factor < 0 ? (int16_t)1 : topic.replication_factor;
    }
    do {
        if (!cli__ask(a, controller, &q)) {
            return;
        }
    } while (out.topics.count == 1 && cli__again(a, out.topics.items[0].error_code));
    if (out.topics.count != 1) {
        cli__fail(a, "the broker says nothing of %s", a->args->words[0]);
    } else if (out.topics.items[0].error_code != 0) {
        cli__refused(a, a->args->words[0], out.topics.items[0].error_code,
                     out.topics.items[0].error_message);
    } else {
        created_print(a, &out.topics.items[0]);
    }
}

static int
create(const struct cli__args *args)
{
    struct creation c = {0};
    if (!cli__number32(args, cli__value(args, CLI__PARTITIONS), 1, &c.partitions) ||
        !cli__number32(args, cli__value(args, CLI__REPLICATION), 1, &c.replication)) {
        return CLI__USAGE;
    }
    if (c.replication > INT16_MAX) {
        return cli__usage(args, "%" PRId32 " is too large", c.replication);
    }
    for (size_t i = 0; i < args->set_count; i++) {
        if (!cli__key_value(args, args->sets[i], &c.configs[i].name, &c.configs[i].value)) {
            return CLI__USAGE;
        }
    }
    return cli__admin_run(args, create_run, &c);
}

/* ---- delete ---- */

static void
deleted(struct cli__admin *a, const struct delete_topics_response_topic *t)
{
    char name[256];
    span_to_cstr(t->name, name, sizeof(name));
    if (t->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION) {
        cli__no_topic(a, name);
    } else if (t->error_code != 0) {
        cli__refused(a, name, t->error_code, t->error_message);
    } else if (!a->args->is_json) {
        (void)printf("deleted %s\n", name);
    }
}

static void
deleted_json(const struct delete_topics_response *out)
{
    json_t *all = json_array();
    for (size_t i = 0; i < out->responses.count; i++) {
        const struct delete_topics_response_topic *t = &out->responses.items[i];
        json_array_append_new(all, json_pack("{s:o, s:b, s:s}", "name", cli__json_span(t->name),
                                             "deleted", t->error_code == 0, "error",
                                             kafka_error_name(t->error_code)));
    }
    cli__json_print(all);
}

static void
delete_run(struct cli__admin *a, void *arg)
{
    size_t n = a->args->word_count;
    struct delete_topics_request_topic *topics =
        (struct delete_topics_request_topic *)cli__admin_alloc(a, n, sizeof(*topics));
    struct span *names = (struct span *)cli__admin_alloc(a, n, sizeof(*names));
    (void)arg;
    for (size_t i = 0; i < n; i++) {
        names[i] = topics[i].name = span_cstr(a->args->words[i]);
    }
    const struct delete_topics_request in = {.topics = {.items = topics, .count = n},
                                             .topic_names = {.items = names, .count = n},
                                             .timeout_ms = CLI__REQUEST_MS};
    struct delete_topics_response out;
    const struct cli__ask q = {.key = API_DELETE_TOPICS, .in = &in, .out = &out};
    if (!cli__ask_controller(a, &q)) {
        return;
    }
    for (size_t i = 0; i < out.responses.count; i++) {
        deleted(a, &out.responses.items[i]);
    }
    if (a->args->is_json) {
        deleted_json(&out);
    }
}

static int delete (const struct cli__args *args)
{
    return cli__admin_run(args, delete_run, NULL);
}

/* ---- partitions ---- */

static void
partitions_run(struct cli__admin *a, void *arg)
{
    const char *name = a->args->words[0];
    struct create_partitions_request_topic topic = {.name = span_cstr(name),
                                                    .count = *(const int32_t *)arg};
    const struct create_partitions_request in = {.topics = {.items = &topic, .count = 1},
                                                 .timeout_ms = CLI__REQUEST_MS};
    struct create_partitions_response out;
    struct metadata_response_topic before;
    const struct cli__ask q = {.key = API_CREATE_PARTITIONS, .in = &in, .out = &out};
    if (!cli__topic_find(a, name, &before) || !cli__ask_controller(a, &q)) {
        return;
    }
    if (out.results.count != 1) {
        cli__fail(a, "the broker says nothing of %s", name);
    } else if (out.results.items[0].error_code != 0) {
        cli__refused(a, name, out.results.items[0].error_code, out.results.items[0].error_message);
    } else if (a->args->is_json) {
        cli__json_print(json_pack("{s:s, s:I, s:i}", "name", name, "partitions_before",
                                  (json_int_t)before.partitions.count, "partitions", topic.count));
    } else {
        (void)printf("%s has %" PRId32 " partitions, it had %zu\n", name, topic.count,
                     before.partitions.count);
    }
}

static int
partitions(const struct cli__args *args)
{
    int32_t count;
    return cli__number32(args, args->words[1], 1, &count)
               ? cli__admin_run(args, partitions_run, &count)
               : CLI__USAGE;
}

/* ---- delete-records ---- */

struct cut {
    int32_t partition;
    int64_t before; /* TO_END: everything */
};

static bool
cut_ask(struct cli__admin *a, const struct cut *cut, const struct cli__part *p,
        struct delete_records_response *ret)
{
    struct sl_error err = SL_ERROR_INIT;
    struct client *c = NULL;
    struct delete_records_request_partition row = {.partition_index = cut->partition,
                                                   .offset = cut->before};
    struct delete_records_request_topic topic = {.name = p->topic,
                                                 .partitions = {.items = &row, .count = 1}};
    const struct delete_records_request in = {.topics = {.items = &topic, .count = 1},
                                              .timeout_ms = CLI__REQUEST_MS};
    const struct cli__ask q = {.key = API_DELETE_RECORDS, .in = &in, .out = ret};
    if (cluster_broker(&a->cluster, p->leader, &c, &err) != SL_OK) {
        cli__fail(a, "%s", err.msg);
        return false;
    }
    if (!cli__ask(a, c, &q)) {
        return false;
    }
    if (ret->topics.count != 1 || ret->topics.items[0].partitions.count != 1) {
        cli__fail(a, "the broker says nothing of %s", cli__part_name(a, p));
        return false;
    }
    return true;
}

static void
cut_print(struct cli__admin *a, const struct cli__part *p,
          const struct delete_records_response_partition *r)
{
    if (r->error_code != 0) {
        cli__refused(a, cli__part_name(a, p), r->error_code, span_of(NULL, 0));
    } else if (a->args->is_json) {
        cli__json_print(json_pack("{s:s, s:i, s:I}", "topic", a->args->words[0], "partition",
                                  p->partition, "start", (json_int_t)r->low_watermark));
    } else {
        (void)printf("%s now begins at offset %" PRId64 "\n", cli__part_name(a, p),
                     r->low_watermark);
    }
}

static void
cut_run(struct cli__admin *a, void *arg)
{
    const struct cut *cut = (const struct cut *)arg;
    const char *name = a->args->words[0];
    struct delete_records_response out;
    struct metadata_response_topic topic;
    struct cli__parts ps;
    struct cli__part *p;
    do {
        if (!cli__topic_find(a, name, &topic)) {
            return;
        }
        cli__parts_of(a, &topic, &ps);
        p = cli__parts_find(&ps, topic.name, cut->partition);
        if (p == NULL) {
            cli__fail(a, "%s has no partition %" PRId32 ", it has %zu", name, cut->partition,
                      topic.partitions.count);
            return;
        }
        if (!cut_ask(a, cut, p, &out)) {
            return;
        }
    } while (cli__again(a, out.topics.items[0].partitions.items[0].error_code));
    cut_print(a, p, &out.topics.items[0].partitions.items[0]);
}

static int
delete_records(const struct cli__args *args)
{
    struct cut c = {.before = TO_END};
    const char *partition = cli__value(args, CLI__PARTITION);
    const char *before = cli__value(args, CLI__BEFORE);
    if (partition == NULL || before == NULL) {
        return cli__usage(args, "%s is missing",
                          partition == NULL ? "--partition N" : "--before OFFSET");
    }
    if (!cli__number32(args, partition, 0, &c.partition) ||
        (strcmp(before, "end") != 0 && !cli__number(args, before, 0, &c.before))) {
        return CLI__USAGE;
    }
    return cli__admin_run(args, cut_run, &c);
}

/* ---- the verbs ---- */

#define COMMON (CLI__ADDRESS | CLI__JSON)

const struct cli__command cli__topic_verbs[] = {
    {.name = "topic list",
     .options = COMMON,
     .summary = "all topics",
     .details = "Lists all topics, with the number of their partitions and copies.",
     .run = list},
    {.name = "topic create",
     .options = COMMON | CLI__PARTITIONS | CLI__REPLICATION | CLI__TOPIC_CONFIG,
     .word = "NAME",
     .words_min = 1,
     .words_max = 1,
     .summary = "a new topic",
     .details = "Creates a topic.",
     .run = create},
    {.name = "topic describe",
     .options = COMMON,
     .word = "NAME",
     .words_min = 1,
     .words_max = 1,
     .summary = "its partitions, offsets, sizes, configuration",
     .details = "Prints each partition's leader, the offsets where its log begins and ends, and\n"
                "what it takes up; then the configuration that is not a default.",
     .run = cli__topic_describe},
    {.name = "topic partitions",
     .options = COMMON,
     .word = "NAME N",
     .words_min = 2,
     .words_max = 2,
     .summary = "let it have N partitions",
     .details =
         "Adds partitions until there are N. Records stay where they are: from then on, keys "
         "go\nelsewhere.",
     .run = partitions},
    {.name = "topic delete-records",
     .options = COMMON | CLI__PARTITION | CLI__BEFORE,
     .word = "NAME",
     .words_min = 1,
     .words_max = 1,
     .summary = "delete what lies before an offset",
     .details = "Moves the beginning of one partition's log. There is no way back.",
     .run = delete_records},
    {.name = "topic delete",
     .options = COMMON,
     .word = "NAME...",
     .words_min = 1,
     .words_max = CLI__WORDS_MAX,
     .summary = "delete topics, with all that is in them",
     .details = "Deletes topics. There is no way back.",
     .run = delete},
    {0},
};
