/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice group reset`: the offsets of one topic, committed as somebody who is no member may while
 * the group has none (generation -1, no member id). Without --execute only said. */
#include "cli/groups_int.h"
#include "cli/table_int.h"
#include "cli/value_int.h"
#include "wire/errors.h"
#include "wire/messages/offset_commit.h"

#include <inttypes.h>

enum { FIRST = -2, LAST = -1 };

struct reset {
    const char *group, *topic;
    int32_t partition; /* -1: all */
    bool is_earliest, is_latest;
    int64_t offset, time_ms; /* -1: not to one */
    bool is_executed;
    struct cli__parts parts; /* at[CLI__TIME]: what is to be committed */
};

/* ---- what it would be ---- */

static bool
one_partition(struct cli__admin *a, struct reset *r)
{
    struct cli__part *p = cli__parts_find(&r->parts, span_cstr(r->topic), r->partition);
    if (p == NULL) {
        cli__fail(a, "%s has no partition %" PRId32 ", it has %zu", r->topic, r->partition,
                  r->parts.count);
        return false;
    }
    r->parts.items = p;
    r->parts.count = 1;
    return true;
}

static int64_t
target_of(const struct reset *r, const struct cli__part *p)
{
    if (r->is_earliest) {
        return p->at[CLI__START];
    }
    if (r->is_latest || (r->time_ms >= 0 && p->at[CLI__TIME] < 0)) {
        return p->at[CLI__END]; /* no record is that late */
    }
    int64_t target = r->time_ms >= 0 ? p->at[CLI__TIME] : r->offset;
    target = target < p->at[CLI__START] ? p->at[CLI__START] : target;
    return target > p->at[CLI__END] ? p->at[CLI__END] : target;
}

static bool
targets_set(struct cli__admin *a, struct reset *r)
{
    struct cli__parts *ps = &r->parts;
    if (!cli__parts_offsets(a, ps, CLI__START, FIRST) ||
        !cli__parts_offsets(a, ps, CLI__END, LAST) ||
        (r->time_ms >= 0 && !cli__parts_offsets(a, ps, CLI__TIME, r->time_ms))) {
        return false;
    }
    for (size_t i = 0; i < ps->count; i++) {
        struct cli__part *p = &ps->items[i];
        if (p->error != 0 || p->at[CLI__START] < 0 || p->at[CLI__END] < 0) {
            cli__refused(a, cli__part_name(a, p), p->error, span_of(NULL, 0));
            return false; /* all or nothing */
        }
        p->at[CLI__TIME] = target_of(r, p);
    }
    return true;
}

static bool
committed_set(struct cli__admin *a, struct reset *r)
{
    struct cli__parts committed;
    if (!cli__committed(a, r->group, &committed)) {
        return false;
    }
    for (size_t i = 0; i < r->parts.count; i++) {
        struct cli__part *p = &r->parts.items[i];
        const struct cli__part *c = cli__parts_find(&committed, p->topic, p->partition);
        p->at[CLI__COMMITTED] = c == NULL ? -1 : c->at[CLI__COMMITTED];
    }
    return true;
}

/* ---- doing it ---- */

static int16_t
commit_error(const void *out)
{
    const struct offset_commit_response *r = (const struct offset_commit_response *)out;
    for (size_t i = 0; i < r->topics.count; i++) {
        for (size_t k = 0; k < r->topics.items[i].partitions.count; k++) {
            if (r->topics.items[i].partitions.items[k].error_code != 0) {
                return r->topics.items[i].partitions.items[k].error_code;
            }
        }
    }
    return r->topics.count == 1 ? 0 : (int16_t)KAFKA_UNKNOWN_SERVER_ERROR;
}

static bool
commit(struct cli__admin *a, const struct reset *r)
{
    size_t n = r->parts.count;
    struct offset_commit_request_partition *rows =
        (struct offset_commit_request_partition *)cli__admin_alloc(a, n, sizeof(*rows));
    struct offset_commit_request_topic topic = {.name = span_cstr(r->topic),
                                                .partitions = {.items = rows, .count = n}};
    struct offset_commit_request in;
    struct offset_commit_response out;
    const struct cli__ask q = {.key = API_OFFSET_COMMIT, .in = &in, .out = &out};
    offset_commit_request_init(&in);
    in.group_id = span_cstr(r->group);
    in.member_id = span_cstr("");
    in.topics.items = &topic;
    in.topics.count = 1;
    for (size_t i = 0; i < n; i++) {
        offset_commit_request_partition_init(&rows[i]);
        rows[i].partition_index = r->parts.items[i].partition;
        rows[i].committed_offset = r->parts.items[i].at[CLI__TIME];
        rows[i].committed_metadata = span_cstr("");
    }
    if (!cli__ask_coordinator(a, r->group, &q, commit_error)) {
        return false;
    }
    if (commit_error(&out) != 0) {
        cli__refused(a, r->group, commit_error(&out), span_of(NULL, 0));
        return false;
    }
    return true;
}

/* ---- printing ---- */

static void
reset_text(const struct reset *r)
{
    static const char *const heads[] = {"TOPIC", ">PARTITION", ">FROM", ">TO", NULL};
    struct cli__table t;
    cli__table_init(&t, heads);
    for (size_t i = 0; i < r->parts.count; i++) {
        const struct cli__part *p = &r->parts.items[i];
        cli__table_span(&t, p->topic);
        cli__table_int(&t, p->partition);
        cli__table_int(&t, p->at[CLI__COMMITTED]);
        cli__table_int(&t, p->at[CLI__TIME]);
    }
    cli__table_print(&t, stdout);
    (void)printf(r->is_executed ? "done\n" : "nothing was changed; --execute does it\n");
}

static void
reset_json(const struct reset *r)
{
    json_t *all = json_array();
    for (size_t i = 0; i < r->parts.count; i++) {
        const struct cli__part *p = &r->parts.items[i];
        json_array_append_new(all, json_pack("{s:i, s:o, s:o}", "partition", p->partition, "from",
                                             cli__json_offset(p->at[CLI__COMMITTED]), "to",
                                             cli__json_offset(p->at[CLI__TIME])));
    }
    cli__json_print(json_pack("{s:o, s:s, s:b, s:o}", "group", cli__json_span(span_cstr(r->group)),
                              "topic", r->topic, "executed", r->is_executed, "partitions", all));
}

static void
reset_print(const struct cli__admin *a, const struct reset *r, bool was_there)
{
    if (a->args->is_json) {
        reset_json(r);
        return;
    }
    if (!was_there) {
        (void)printf("there is no group %s yet; this %s one\n", r->group,
                     r->is_executed ? "made" : "would make");
    }
    reset_text(r);
}

static void
reset_run(struct cli__admin *a, void *arg)
{
    struct reset *r = (struct reset *)arg;
    struct metadata_response_topic topic;
    struct cli__group g;
    bool is_there = false;
    if (!cli__topic_find(a, r->topic, &topic) || !cli__group_look(a, r->group, &g, &is_there)) {
        return;
    }
    if (is_there && g.member_count > 0) {
        cli__fail(a, "%s has %zu member(s), who would not see it; stop them first", r->group,
                  g.member_count);
        return;
    }
    cli__parts_of(a, &topic, &r->parts);
    bool is_right = (r->partition < 0 || one_partition(a, r)) && targets_set(a, r) &&
                    committed_set(a, r) && (!r->is_executed || commit(a, r));
    if (is_right) {
        reset_print(a, r, is_there);
    }
}

/* ---- arguments ---- */

int
cli__group_reset(const struct cli__args *args)
{
    struct reset r = {.group = args->words[0],
                      .topic = cli__value(args, CLI__TOPIC),
                      .partition = -1,
                      .is_earliest = cli__value(args, CLI__TO_EARLIEST) != NULL,
                      .is_latest = cli__value(args, CLI__TO_LATEST) != NULL,
                      .is_executed = cli__value(args, CLI__EXECUTE) != NULL};
    if (r.topic == NULL) {
        return cli__usage(args, "--topic NAME is missing");
    }
    if (!cli__number(args, cli__value(args, CLI__TO_OFFSET), 0, &r.offset) ||
        !cli__time(args, cli__value(args, CLI__TO_TIME), &r.time_ms) ||
        !cli__number32(args, cli__value(args, CLI__PARTITION), 0, &r.partition)) {
        return CLI__USAGE;
    }
    int targets = (r.is_earliest ? 1 : 0) + (r.is_latest ? 1 : 0) + (r.offset >= 0 ? 1 : 0) +
                  (r.time_ms >= 0 ? 1 : 0);
    if (targets != 1) {
        return cli__usage(args, "to where? One of --to-earliest, --to-latest, --to-offset N, "
                                "--to-time TIME");
    }
    return cli__admin_run(args, reset_run, &r);
}
