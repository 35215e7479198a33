/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice group lag`: committed offsets against the ends of logs. Partitions that are assigned but
 * were never committed are shown, too, with no lag: where the group would begin is its clients'
 * decision (auto.offset.reset). */
#include "cli/groups_int.h"
#include "cli/table_int.h"
#include "wire/errors.h"

#include <inttypes.h>

enum { LAST = -1 };

/* -1: not known. A commit behind the end, as after a truncation, lags 0. */
static int64_t
lag_of(const struct cli__part *p)
{
    if (p->at[CLI__COMMITTED] < 0 || p->at[CLI__END] < 0) {
        return -1;
    }
    int64_t lag = p->at[CLI__END] - p->at[CLI__COMMITTED];
    return lag > 0 ? lag : 0;
}

struct totals {
    int64_t largest, sum;
    size_t uncommitted;
};

static struct totals
totals_of(const struct cli__parts *ps)
{
    struct totals t = {0, 0, 0};
    for (size_t i = 0; i < ps->count; i++) {
        int64_t lag = lag_of(&ps->items[i]);
        t.largest = lag > t.largest ? lag : t.largest;
        t.sum += lag > 0 ? lag : 0;
        t.uncommitted += ps->items[i].at[CLI__COMMITTED] < 0 ? 1 : 0;
    }
    return t;
}

/* ---- printing ---- */

static void
lag_text(const struct cli__admin *a, const struct cli__parts *ps)
{
    static const char *const heads[] = {"TOPIC", ">PARTITION", ">COMMITTED", ">END",
                                        ">LAG",  "",           NULL};
    struct totals totals = totals_of(ps);
    struct cli__table t;
    char bar[CLI__BAR_MAX];
    bool is_utf8 = cli__is_utf8();
    cli__table_init(&t, heads);
    for (size_t i = 0; i < ps->count; i++) {
        const struct cli__part *p = &ps->items[i];
        cli__bar(lag_of(p), totals.largest, is_utf8, bar);
        cli__table_span(&t, p->topic);
        cli__table_int(&t, p->partition);
        cli__table_int(&t, p->at[CLI__COMMITTED]);
        cli__table_int(&t, p->at[CLI__END]);
        cli__table_int(&t, lag_of(p));
        cli__table_cell(&t, "%s", p->error != 0 ? kafka_error_name(p->error) : bar);
    }
    cli__table_print(&t, stdout);
    (void)printf("%s: %" PRId64 " behind, over %zu partition%s", a->args->words[0], totals.sum,
                 ps->count, ps->count == 1 ? "" : "s");
    if (totals.uncommitted > 0) {
        (void)printf("; %zu without a commit", totals.uncommitted);
    }
    (void)printf("\n");
}

static void
lag_json(const struct cli__admin *a, const struct cli__parts *ps)
{
    json_t *all = json_array();
    for (size_t i = 0; i < ps->count; i++) {
        const struct cli__part *p = &ps->items[i];
        json_t *o =
            json_pack("{s:o, s:i, s:o, s:o, s:o}", "topic", cli__json_span(p->topic), "partition",
                      p->partition, "committed", cli__json_offset(p->at[CLI__COMMITTED]), "end",
                      cli__json_offset(p->at[CLI__END]), "lag", cli__json_offset(lag_of(p)));
        if (p->error != 0) {
            json_object_set_new(o, "error", json_string(kafka_error_name(p->error)));
        }
        json_array_append_new(all, o);
    }
    cli__json_print(json_pack("{s:o, s:I, s:o}", "group",
                              cli__json_span(span_cstr(a->args->words[0])), "lag",
                              (json_int_t)totals_of(ps).sum, "partitions", all));
}

/* ---- asking ---- */

/* What was committed, and what is assigned besides. */
static void
parts_join(struct cli__admin *a, const struct cli__parts *committed, const struct cli__group *g,
           struct cli__parts *ret)
{
    size_t room = committed->count;
    for (size_t i = 0; i < g->member_count; i++) {
        for (size_t k = 0; k < g->members[i].assigned_count; k++) {
            room += g->members[i].assigned[k].count;
        }
    }
    cli__parts_init(a, room, ret);
    for (size_t i = 0; i < committed->count; i++) {
        ret->items[ret->count++] = committed->items[i];
    }
    for (size_t i = 0; i < g->member_count; i++) {
        const struct cli__member *m = &g->members[i];
        for (size_t k = 0; k < m->assigned_count; k++) {
            for (size_t p = 0; p < m->assigned[k].count; p++) {
                cli__parts_add(ret, m->assigned[k].topic, m->assigned[k].partitions[p]);
            }
        }
    }
    cli__parts_sort(ret);
}

/* Of those that are there twice, the one with the commit stays. */
static void
parts_unite(struct cli__parts *ps)
{
    size_t kept = 0;
    for (size_t i = 0; i < ps->count; i++) {
        struct cli__part *p = &ps->items[i];
        struct cli__part *last = kept == 0 ? NULL : &ps->items[kept - 1];
        if (last == NULL || last->partition != p->partition || !span_eq(last->topic, p->topic)) {
            ps->items[kept++] = *p;
        } else if (p->at[CLI__COMMITTED] >= 0) {
            last->at[CLI__COMMITTED] = p->at[CLI__COMMITTED];
        }
    }
    ps->count = kept;
}

static void
lag_run(struct cli__admin *a, void *arg)
{
    struct cli__group g;
    struct cli__parts committed;
    struct cli__parts ps;
    const char *name = a->args->words[0];
    (void)arg;
    if (!cli__group_find(a, name, &g) || !cli__committed(a, name, &committed)) {
        return;
    }
    parts_join(a, &committed, &g, &ps);
    parts_unite(&ps);
    if (!cli__parts_leaders(a, &ps) || !cli__parts_offsets(a, &ps, CLI__END, LAST)) {
        return;
    }
    if (a->args->is_json) {
        lag_json(a, &ps);
    } else if (ps.count == 0) {
        (void)printf("%s has committed nothing, and is assigned nothing\n", name);
    } else {
        lag_text(a, &ps);
    }
}

int
cli__group_lag(const struct cli__args *args)
{
    return cli__admin_run(args, lag_run, NULL);
}
