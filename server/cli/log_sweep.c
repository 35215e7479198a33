/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice log sweep`: objects that no journal refers to, and why. With --delete those go that are
 * dead (reader/audit_orphans.c says when) and older than journal.grace.ms by the store's clock: who
 * reads what was there before has as long as with everything else. */
#include "cli/log_int.h"
#include "reader/audit.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

struct sweep {
    const struct cli__args *args;
    const struct reader_options *bucket;
    int64_t grace_ms, now_ms;
    bool is_deleting;
    json_t *objects; /* with --json */
    uint64_t dead, bytes, deleted, failed;
};

static void
found(void *arg, const struct audit_finding *f)
{
    (void)arg;
    (void)fprintf(stderr, "sluice log sweep: %s\n", f->text);
}

static void
delete_object(struct sweep *s, const char *key)
{
    struct store_call call = {.kind = STORE_DEL};
    (void)snprintf(call.key, sizeof(call.key), "%s", key);
    store_wait(s->bucket->sched, s->bucket->store, &call);
    if (call.outcome == STORE_DONE || call.outcome == STORE_ABSENT) {
        s->deleted++;
    } else {
        s->failed++;
        (void)fprintf(stderr, "sluice log sweep: %s: %s\n", key, call.why);
    }
}

static void
print_orphan(const struct sweep *s, const struct audit_orphan *o, const char *fate)
{
    if (s->objects != NULL) {
        (void)json_array_append_new(
            s->objects, json_pack("{s:s, s:I, s:I, s:s, s:s}", "key", o->key, "bytes",
                                  (json_int_t)o->size_bytes, "modified_ms",
                                  (json_int_t)o->modified_ms, "fate", fate, "why", o->why));
    } else {
        (void)printf("%s: %s (%" PRIu64 " bytes): %s\n", fate, o->key, o->size_bytes, o->why);
    }
}

static void
orphan(void *arg, const struct audit_orphan *o)
{
    struct sweep *s = (struct sweep *)arg;
    bool is_old = o->modified_ms > 0 && s->now_ms - o->modified_ms > s->grace_ms;
    const char *fate = !o->is_dead ? "kept" : !is_old ? "too young" : "dead";
    print_orphan(s, o, fate);
    if (o->is_dead && is_old) {
        s->dead++;
        s->bytes += o->size_bytes;
        if (s->is_deleting) {
            delete_object(s, o->key);
        }
    }
}

static void
print_totals(const struct sweep *s, const struct audit_totals *t)
{
    if (s->objects != NULL) {
        json_t *all = json_pack("{s:I, s:I, s:I, s:I, s:I, s:O}", "orphans", (json_int_t)t->orphans,
                                "dead", (json_int_t)s->dead, "bytes", (json_int_t)s->bytes,
                                "deleted", (json_int_t)s->deleted, "failed", (json_int_t)s->failed,
                                "objects", s->objects);
        (void)json_dumpf(all, stdout, JSON_INDENT(2));
        (void)putchar('\n');
        json_decref(all);
        return;
    }
    (void)printf("%" PRIu64 " objects that no journal refers to; %" PRIu64 " dead, %" PRIu64
                 " bytes; %" PRIu64 " deleted%s\n",
                 t->orphans, s->dead, s->bytes, s->deleted,
                 s->is_deleting || s->dead == 0 ? "" : " (--delete does it)");
}

static int
sweep(const struct reader_options *bucket, void *arg)
{
    struct sweep *s = (struct sweep *)arg;
    struct audit a = {.bucket = bucket, .found = found, .orphan = orphan, .arg = s};
    s->bucket = bucket;
    s->now_ms = (int64_t)time(NULL) * 1000;
    s->objects = s->args->is_json ? json_array() : NULL;
    enum sl_err rc = audit_run(&a);
    print_totals(s, &a.totals);
    json_decref(s->objects);
    if (rc != SL_OK) {
        (void)fprintf(stderr, "sluice log sweep: not finished: %s\n", sl_err_text(rc));
    } else if (a.totals.errors > 0) {
        (void)fprintf(stderr, "sluice log sweep: nothing was swept, because not every journal "
                              "says what it refers to\n");
    }
    return rc == SL_OK && a.totals.errors + s->failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
cli__log_sweep_main(const struct cli__args *args)
{
    struct sweep s = {.args = args, .is_deleting = cli__value(args, CLI__DELETE) != NULL};
    struct config *cfg = cli__config_get(args);
    s.grace_ms = cfg == NULL ? 0 : cfg->journal.grace_ms;
    int status = cfg == NULL ? EXIT_USAGE : args->hooks->offline(cfg, sweep, &s);
    config_destroy(&cfg);
    return fflush(stdout) == 0 ? status : EXIT_FAILURE;
}
