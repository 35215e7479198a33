/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice topic describe`: what Metadata, ListOffsets, DescribeLogDirs and DescribeConfigs say of
 * one topic. */
#include "base/uuid.h"
#include "cli/configs_int.h"
#include "cli/parts_int.h"
#include "cli/table_int.h"
#include "cli/topic_int.h"
#include "wire/errors.h"

#include <inttypes.h>

enum { FIRST = -2, LAST = -1, NUMBERS_MAX = 128 };

struct picture {
    struct metadata_response_topic topic;
    struct cli__parts parts;
    struct cli__configs configs;
    char id[UUID_TEXT]; /* "": the broker knows none */
};

static const struct metadata_response_partition *
metadata_of(const struct picture *p, int32_t partition)
{
    for (size_t i = 0; i < p->topic.partitions.count; i++) {
        if (p->topic.partitions.items[i].partition_index == partition) {
            return &p->topic.partitions.items[i];
        }
    }
    return NULL;
}

static int64_t
records_of(const struct cli__part *p)
{
    bool is_known = p->at[CLI__START] >= 0 && p->at[CLI__END] >= p->at[CLI__START];
    return is_known ? p->at[CLI__END] - p->at[CLI__START] : -1;
}

/* ---- text ---- */

static void
total_cells(struct cli__table *t, int64_t records, int64_t bytes)
{
    char size[24];
    cli__size_text(bytes, size);
    cli__table_cell(t, "all");
    for (int i = 0; i < 4; i++) {
        cli__table_cell(t, "%s", "");
    }
    cli__table_int(t, records);
    cli__table_cell(t, "%s", size);
    cli__table_cell(t, "%s", "");
}

static void
partition_cells(struct cli__table *t, const struct picture *pic, const struct cli__part *p)
{
    const struct metadata_response_partition *m = metadata_of(pic, p->partition);
    char copies[NUMBERS_MAX] = "";
    char size[24];
    cli__size_text(p->size_bytes, size);
    if (m != NULL) {
        int n = 0;
        for (size_t i = 0; i < m->replica_nodes.count && n + 16 < NUMBERS_MAX; i++) {
            n += snprintf(copies + n, (size_t)(NUMBERS_MAX - n), "%s%" PRId32, i == 0 ? "" : ",",
                          m->replica_nodes.items[i]);
        }
    }
    cli__table_int(t, p->partition);
    cli__table_int(t, p->leader);
    cli__table_cell(t, "%s", copies);
    cli__table_int(t, p->at[CLI__START]);
    cli__table_int(t, p->at[CLI__END]);
    cli__table_int(t, records_of(p));
    cli__table_cell(t, "%s", size);
    cli__table_cell(t, "%s", p->error == 0 ? "" : kafka_error_name(p->error));
}

static void
picture_text(const struct cli__admin *a, const struct picture *pic)
{
    static const char *const heads[] = {">PARTITION", ">LEADER", ">COPIES ON", ">START", ">END",
                                        ">OFFSETS",   ">SIZE",   "",           NULL};
    struct cli__table t;
    int64_t records = 0;
    int64_t bytes = 0;
    (void)printf("topic %s%s%s, %zu partition%s\n", a->args->words[0],
                 pic->id[0] == '\0' ? "" : ", id ", pic->id, pic->parts.count,
                 pic->parts.count == 1 ? "" : "s");
    cli__table_init(&t, heads);
    for (size_t i = 0; i < pic->parts.count; i++) {
        const struct cli__part *p = &pic->parts.items[i];
        partition_cells(&t, pic, p);
        records += records_of(p) > 0 ? records_of(p) : 0;
        bytes += p->size_bytes > 0 ? p->size_bytes : 0;
    }
    if (pic->parts.count > 1) {
        total_cells(&t, records, bytes);
    }
    cli__table_print(&t, stdout);
    (void)printf(pic->configs.count > 0 ? "configuration that is not a default:\n"
                                        : "its configuration is the default\n");
    for (size_t i = 0; i < pic->configs.count; i++) {
        cli__config_line(&pic->configs.items[i]);
    }
}

/* ---- JSON ---- */

static json_t *
numbers_json(const int32_t *items, size_t count)
{
    json_t *all = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(all, json_integer(items[i]));
    }
    return all;
}

static json_t *
partition_json(const struct picture *pic, const struct cli__part *p)
{
    const struct metadata_response_partition *m = metadata_of(pic, p->partition);
    json_t *o =
        json_pack("{s:i, s:o, s:o, s:o, s:o}", "partition", p->partition, "leader",
                  cli__json_offset(p->leader), "start", cli__json_offset(p->at[CLI__START]), "end",
                  cli__json_offset(p->at[CLI__END]), "size_bytes", cli__json_offset(p->size_bytes));
    if (m != NULL) {
        json_object_set_new(o, "replicas",
                            numbers_json(m->replica_nodes.items, m->replica_nodes.count));
        json_object_set_new(o, "in_sync", numbers_json(m->isr_nodes.items, m->isr_nodes.count));
    }
    if (p->error != 0) {
        json_object_set_new(o, "error", json_string(kafka_error_name(p->error)));
    }
    return o;
}

static void
picture_json(const struct cli__admin *a, const struct picture *pic)
{
    json_t *parts = json_array();
    json_t *configs = json_array();
    for (size_t i = 0; i < pic->parts.count; i++) {
        json_array_append_new(parts, partition_json(pic, &pic->parts.items[i]));
    }
    for (size_t i = 0; i < pic->configs.count; i++) {
        json_array_append_new(configs, cli__config_json(&pic->configs.items[i]));
    }
    cli__json_print(json_pack("{s:s, s:o, s:b, s:o, s:o}", "name", a->args->words[0], "id",
                              pic->id[0] == '\0' ? json_null() : json_string(pic->id), "internal",
                              pic->topic.is_internal, "partitions", parts, "configs", configs));
}

/* ---- asking ---- */

static void
describe_run(struct cli__admin *a, void *arg)
{
    struct picture pic = {0};
    struct uuid id;
    (void)arg;
    if (!cli__topic_find(a, a->args->words[0], &pic.topic)) {
        return;
    }
    memcpy(id.b, pic.topic.topic_id, sizeof(id.b));
    if (!uuid_is_zero(&id)) {
        uuid_text(&id, pic.id);
    }
    cli__parts_of(a, &pic.topic, &pic.parts);
    if (!cli__parts_offsets(a, &pic.parts, CLI__START, FIRST) ||
        !cli__parts_offsets(a, &pic.parts, CLI__END, LAST) || !cli__parts_sizes(a, &pic.parts) ||
        !cli__configs_of_topic(a, a->args->words[0], false, &pic.configs)) {
        return;
    }
    if (a->args->is_json) {
        picture_json(a, &pic);
    } else {
        picture_text(a, &pic);
    }
}

int
cli__topic_describe(const struct cli__args *args)
{
    return cli__admin_run(args, describe_run, NULL);
}
