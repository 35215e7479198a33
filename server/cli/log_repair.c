/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice log repair`: what repair/repair.h does, or would do, as lines or as JSON. */
#include "cli/log_int.h"
#include "repair/repair.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

struct repair_run {
    const struct cli__args *args;
    bool is_executed;
    int64_t window_ms;
    json_t *lines; /* with --json */
};

static const char *
kind_name(const struct repair_run *r, enum repair_kind kind)
{
    switch (kind) {
    case REPAIR_LOST:
    case REPAIR_GIVEN:
        return r->is_executed ? "given up" : "would give up";
    case REPAIR_DONE:
        return r->is_executed ? "repaired" : "would repair";
    case REPAIR_FAILED:
        return "not repaired";
    default:
        return "note";
    }
}

static void
print_line(const struct repair_run *r, const struct repair_line *l)
{
    (void)printf("%s: ", kind_name(r, l->kind));
    if (l->topic != NULL) {
        (void)printf("%s, partition %" PRId32 ": ", l->topic, l->partition);
    }
    (void)printf("%s%s%s%s\n", l->text, l->key == NULL ? "" : " (", l->key == NULL ? "" : l->key,
                 l->key == NULL ? "" : ")");
}

static void
told(void *arg, const struct repair_line *l)
{
    struct repair_run *r = (struct repair_run *)arg;
    if (r->lines == NULL) {
        print_line(r, l);
        return;
    }
    json_t *o = json_pack("{s:s, s:s?, s:i, s:s?, s:s}", "kind", kind_name(r, l->kind), "topic",
                          l->topic, "partition", (int)l->partition, "key", l->key, "text", l->text);
    if (l->kind == REPAIR_LOST) {
        (void)json_object_set_new(o, "first", json_integer(l->first));
        (void)json_object_set_new(o, "last", json_integer(l->last));
        (void)json_object_set_new(o, "records_at_most",
                                  l->is_unknown ? json_null()
                                                : json_integer((json_int_t)l->records));
    }
    (void)json_array_append_new(r->lines, o);
}

static void
print_json(const struct repair_run *r, const struct repair_totals *t)
{
    json_t *all =
        json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "executed",
                  (int)r->is_executed, "journals", (json_int_t)t->journals, "entries_given_up",
                  (json_int_t)t->given, "losses_of_unknown_size", (json_int_t)t->unknown, "losses",
                  (json_int_t)t->losses, "offsets", (json_int_t)t->offsets, "records_at_most",
                  (json_int_t)t->records, "segments", (json_int_t)t->segments, "runs",
                  (json_int_t)t->runs, "indexes", (json_int_t)t->indexes, "not_repaired",
                  (json_int_t)t->failed, "lines", r->lines);
    (void)json_dumpf(all, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(all);
}

static bool
is_anything(const struct repair_totals *t)
{
    return t->journals + t->segments + t->runs + t->indexes + t->failed > 0;
}

static void
print_totals(const struct repair_run *r, const struct repair_totals *t)
{
    const char *would = r->is_executed ? "" : "would be ";
    if (!is_anything(t)) {
        (void)printf("nothing is damaged\n");
        return;
    }
    (void)printf("%" PRIu64 " journals, %" PRIu64 " segments, %" PRIu64 " runs and %" PRIu64
                 " indexes %srepaired; %" PRIu64 " offsets in %" PRIu64
                 " holes %sgiven up, at most %" PRIu64 " records; %" PRIu64 " not repaired\n",
                 t->journals, t->segments, t->runs, t->indexes, would, t->offsets,
                 t->losses - t->unknown, would, t->records, t->failed);
    if (t->given + t->unknown > 0) {
        (void)printf("%" PRIu64
                     " entries or parts of them, and what may have followed the end of %" PRIu64
                     " partitions, %sgiven up: see above\n",
                     t->given, t->unknown, would);
    }
    if (!r->is_executed) {
        (void)printf("nothing was written; --accept-loss does it\n");
    }
}

static int
repair(const struct reader_options *bucket, void *arg)
{
    struct repair_run *r = (struct repair_run *)arg;
    struct sl_error err = SL_ERROR_INIT;
    struct log_repair lr = {.bucket = bucket,
                            .is_executed = r->is_executed,
                            .window_ms = r->window_ms,
                            .told = told,
                            .arg = r};
    r->lines = r->args->is_json ? json_array() : NULL;
    enum sl_err rc = log_repair_run(&lr, &err);
    if (r->lines != NULL) {
        print_json(r, &lr.totals);
        json_decref(r->lines);
    } else if (rc == SL_OK) {
        print_totals(r, &lr.totals);
    }
    if (rc != SL_OK) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "sluice log: stopped: %s\n", err.msg);
    }
    bool is_done = r->is_executed ? lr.totals.failed == 0 : !is_anything(&lr.totals);
    return rc == SL_OK && is_done ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
nothing(const struct reader_options *bucket, void *arg)
{
    (void)bucket;
    (void)arg;
    return EXIT_SUCCESS;
}

int
cli__log_repair_main(const struct cli__args *args)
{
    struct repair_run r = {.args = args, .is_executed = cli__value(args, CLI__ACCEPT_LOSS) != NULL};
    struct config *cfg = cli__config_get(args);
    if (cfg == NULL) {
        return EXIT_USAGE;
    }
    r.window_ms = cfg->journal.safe_window_ms;
    /* A writer makes a bucket where there is none; what is not there cannot be repaired. */
    int status = r.is_executed ? args->hooks->offline(cfg, nothing, NULL) : EXIT_SUCCESS;
    if (status != EXIT_SUCCESS) {
        config_destroy(&cfg);
        return status;
    }
    status = r.is_executed ? args->hooks->offline_writer(cfg, repair, &r)
                           : args->hooks->offline(cfg, repair, &r);
    config_destroy(&cfg);
    return fflush(stdout) == 0 ? status : EXIT_FAILURE;
}
