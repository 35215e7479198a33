/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice log import`: what repair/import.h does, or would do, as lines or as JSON. */
#include "cli/admin_int.h"
#include "cli/log_int.h"
#include "repair/import.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

struct import_run {
    const struct cli__args *args;
    bool is_executed;
    json_t *lines; /* with --json */
};

static const char *
kind_name(const struct import_run *r, enum import_kind kind)
{
    if (kind == IMPORT_ADOPTED) {
        return r->is_executed ? "adopted" : "would adopt";
    }
    return kind == IMPORT_REFUSED ? "refused" : "note";
}

static void
told(void *arg, const struct import_line *l)
{
    struct import_run *r = (struct import_run *)arg;
    const char *kind = kind_name(r, l->kind);
    if (r->lines != NULL) {
        (void)json_array_append_new(r->lines, json_pack("{s:s, s:s, s:i, s:s}", "kind", kind,
                                                        "topic", l->topic, "partition",
                                                        (int)l->partition, "text", l->text));
    } else if (l->partition >= 0) {
        (void)printf("%s: %s, partition %" PRId32 ": %s\n", kind, l->topic, l->partition, l->text);
    } else {
        (void)printf("%s: %s: %s\n", kind, l->topic, l->text);
    }
}

static void
print_json(const struct import_run *r, const struct import_totals *t)
{
    json_t *all = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "executed",
                            (int)r->is_executed, "holes", (json_int_t)t->holes, "topics",
                            (json_int_t)t->topics, "partitions", (json_int_t)t->partitions,
                            "segments", (json_int_t)t->segments, "records", (json_int_t)t->records,
                            "bytes", (json_int_t)t->bytes, "refused", (json_int_t)t->refused,
                            "known", (json_int_t)t->known, "lines", r->lines);
    (void)json_dumpf(all, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(all);
}

static void
print_totals(const struct import_run *r, const struct import_totals *t)
{
    (void)printf("%s %" PRIu64 " topics, %" PRIu64 " partitions, %" PRIu64 " segments, %" PRIu64
                 " records, %" PRIu64 " bytes; %" PRIu64 " topics refused; %" PRIu64
                 " partitions hold records already\n",
                 r->is_executed ? "adopted" : "would adopt", t->topics, t->partitions, t->segments,
                 t->records, t->bytes, t->refused, t->known);
    if (!r->is_executed && t->topics > 0) {
        (void)printf("nothing was written; --execute does it\n");
    }
}

static int
import(const struct reader_options *bucket, void *arg)
{
    struct import_run *r = (struct import_run *)arg;
    struct sl_error err = SL_ERROR_INIT;
    struct log_import im = {.bucket = bucket,
                            .topic = cli__value(r->args, CLI__TOPIC),
                            .is_executed = r->is_executed,
                            .accepts_holes = cli__value(r->args, CLI__ACCEPT_LOSS) != NULL,
                            .told = told,
                            .arg = r};
    r->lines = r->args->is_json ? json_array() : NULL;
    enum sl_err rc = log_import_run(&im, &err);
    if (rc != SL_OK) {
        (void)fprintf(stderr, "sluice log: nothing is imported: %s\n", err.msg);
    } else if (r->lines != NULL) {
        print_json(r, &im.totals);
    } else {
        print_totals(r, &im.totals);
    }
    json_decref(r->lines);
    return rc == SL_OK && im.totals.refused == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
cli__log_import_main(const struct cli__args *args)
{
    struct import_run r = {.args = args, .is_executed = cli__value(args, CLI__EXECUTE) != NULL};
    const char *topic = cli__value(args, CLI__TOPIC);
    if (topic != NULL && !topic_name_is_valid(span_cstr(topic))) {
        return cli__usage(args, "\"%s\" is no name of a topic", topic);
    }
    struct config *cfg = cli__config_get(args);
    if (cfg == NULL) {
        return EXIT_USAGE;
    }
    int status = r.is_executed ? args->hooks->offline_writer(cfg, import, &r)
                               : args->hooks->offline(cfg, import, &r);
    config_destroy(&cfg);
    return fflush(stdout) == 0 ? status : EXIT_FAILURE;
}
