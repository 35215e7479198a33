/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice log verify`: what reader/audit.h finds, as lines or as JSON. */
#include "cli/log_int.h"
#include "reader/audit.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

struct verify {
    const struct cli__args *args;
    json_t *findings; /* with --json */
};

static void
found(void *arg, const struct audit_finding *f)
{
    struct verify *v = (struct verify *)arg;
    const char *kind = f->kind == AUDIT_ERROR ? "error" : "note";
    if (v->findings != NULL) {
        json_t *o = json_pack("{s:s, s:s?, s:s}", "kind", kind, "key", f->key, "text", f->text);
        (void)json_array_append_new(v->findings, o);
    } else {
        (void)printf("%s: %s%s%s\n", kind, f->key == NULL ? "" : f->key, f->key == NULL ? "" : ": ",
                     f->text);
    }
}

static void
print_totals(const struct audit_totals *t)
{
    (void)printf("%" PRIu64 " journals, %" PRIu64 " entries, %" PRIu64 " partitions, %" PRIu64
                 " live runs, %" PRIu64 " segments, %" PRIu64 " bytes of records; %" PRIu64
                 " orphans; %" PRIu64 " errors\n",
                 t->journals, t->entries, t->partitions, t->runs, t->segments, t->bytes, t->orphans,
                 t->errors);
}

static void
print_json(struct verify *v, const struct audit_totals *t)
{
    json_t *all =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "journals",
                  (json_int_t)t->journals, "entries", (json_int_t)t->entries, "partitions",
                  (json_int_t)t->partitions, "runs", (json_int_t)t->runs, "segments",
                  (json_int_t)t->segments, "bytes", (json_int_t)t->bytes, "orphans",
                  (json_int_t)t->orphans, "errors", (json_int_t)t->errors, "findings", v->findings);
    (void)json_dumpf(all, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(all);
}

static int
verify(const struct reader_options *bucket, void *arg)
{
    struct verify *v = (struct verify *)arg;
    struct audit a = {.bucket = bucket, .found = found, .arg = v};
    v->findings = v->args->is_json ? json_array() : NULL;
    enum sl_err rc = audit_run(&a);
    if (v->findings != NULL) {
        print_json(v, &a.totals);
        json_decref(v->findings);
    } else {
        print_totals(&a.totals);
    }
    if (rc != SL_OK) {
        (void)fprintf(stderr, "sluice log: not finished: %s\n", sl_err_text(rc));
    }
    return rc == SL_OK && a.totals.errors == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
cli__log_verify_main(const struct cli__args *args)
{
    struct verify v = {.args = args};
    struct config *cfg = cli__config_get(args);
    int status = cfg == NULL ? EXIT_USAGE : args->hooks->offline(cfg, verify, &v);
    config_destroy(&cfg);
    return fflush(stdout) == 0 ? status : EXIT_FAILURE;
}
