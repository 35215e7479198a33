/* R1, first half: the newest manifest, its snapshot, and then (follow.c) the entries after it.
 *
 * Reading the manifest at the beginning is also the first check of R4: t0 is taken before it, safe
 * is the snapshot's n, and the boundary cannot be above that. */
#include "journal/journal_int.h"

#include <stdio.h>

static void manifests_listed(struct jcall *c);
static void manifest_read(struct jcall *c);
static void snapshot_read(struct jcall *c);

static void
open_fire(struct sched_timer *t)
{
    journal__open_start(SL_CONTAINER_OF(t, struct journal, follow_timer));
}

/* The store did not answer, or what was listed has been collected since: try again, for as long as
 * it takes. */
static void
open_again(struct journal *jn, const struct store_call *call)
{
    static struct diag_limit limit;
    bool is_gone = call->rc == SL_OK;
    if (diag_limit_ok(&limit, 1)) {
        SL_WARN(&jn->log, "journal.open_waits", KV_STR("object", call->key),
                KV_ERR(is_gone ? SL_ENOENT : call->rc),
                KV_STR("why", is_gone ? "it was listed and is gone" : call->why));
    }
    jn->follow_timer.fire = open_fire;
    sched_timer_after(jn->o.sched, &jn->follow_timer,
                      journal__backoff(jn, 50 * SCHED_MS, jn->follow_failures++, 5 * SCHED_S));
}

static void
begin_at(struct journal *jn, uint64_t n, const struct uuid *last_id)
{
    jn->safe = jn->tail = n;
    jn->safe_id = jn->tail_id = *last_id;
    jn->boundary_seen = jn->manifest.gc_boundary; /* <= n */
    jn->checked_u = n;
    jn->has_window = true;
    jn->window_ns = jn->check_t0;
    jn->entries_since_snapshot = jn->bytes_since_snapshot = 0;
    jn->follow_failures = 0;
    jn->missing_version = 0;
    journal__follow_start(jn, FOLLOW_OPEN);
}

static void
begin_empty(struct journal *jn)
{
    static const struct uuid none;
    struct sl_error err = SL_ERROR_INIT;
    if (jn->o.app->restore(jn->o.app_arg, span_of(NULL, 0), &err) != SL_OK) {
        journal__fail(jn, jn->prefix, err.msg);
        return;
    }
    begin_at(jn, 0, &none);
}

void
journal__open_start(struct journal *jn)
{
    jn->generation++;
    jn->manifest = (struct manifest){0};
    jn->boundary_seen = 0;
    jn->has_window = false;
    jn->checked_u = jn->safe = jn->tail = 0;
    jn->check_failures = 0;
    jn->alone_n = 0;
    jn->deletable = jn->doomed_version = 0;
    jn->check_t0 = sched_now(jn->o.sched);
    if (jn->mode != JOURNAL_OPENING) {
        journal__set_mode(jn, JOURNAL_OPENING, "opening");
    }
    struct jcall *c = journal__call_new(jn, STORE_LIST, manifests_listed);
    (void)snprintf(c->call.key, sizeof(c->call.key), "%s", jn->manifest_prefix);
    journal__call_submit(c);
}

static void
manifests_listed(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (c->generation != jn->generation) {
        return;
    }
    if (c->call.outcome != STORE_DONE) {
        open_again(jn, &c->call);
        return;
    }
    const struct store_listing *l = c->call.listing;
    if (l == NULL || l->count == 0) {
        begin_empty(jn);
        return;
    }
    uint64_t newest;
    if (jn->missing_version > 0 &&
        entry_key_parse(l->items[l->count - 1].key, jn->manifest_prefix, &newest) &&
        newest == jn->missing_version) {
        journal__fail(jn, jn->missing_key, "the snapshot named by the newest manifest is missing");
        return;
    }
    struct jcall *get = journal__call_new(jn, STORE_GET, manifest_read);
    (void)snprintf(get->call.key, sizeof(get->call.key), "%s", l->items[l->count - 1].key);
    journal__call_submit(get);
}

static enum sl_err
check_manifest(const struct journal *jn, const struct manifest *m, struct sl_error *err)
{
    if (!uuid_eq(&m->cluster, &jn->o.cluster) || m->journal != jn->o.index) {
        return sl_error_set(err, SL_ECORRUPT, "the manifest belongs to another cluster or journal");
    }
    if (m->gc_boundary > m->snapshot_n) {
        return sl_error_set(err, SL_ECORRUPT, "its gc boundary %llu is above its snapshot %llu",
                            (unsigned long long)m->gc_boundary, (unsigned long long)m->snapshot_n);
    }
    return SL_OK;
}

static void
manifest_read(struct jcall *c)
{
    struct journal *jn = c->jn;
    struct sl_error err = SL_ERROR_INIT;
    if (c->generation != jn->generation) {
        return;
    }
    if (c->call.outcome != STORE_DONE) {
        if (c->call.outcome == STORE_ERROR && c->call.rc == SL_ECORRUPT) {
            journal__fail(jn, c->call.key, c->call.why);
            return;
        }
        open_again(jn, &c->call);
        return;
    }
    if (manifest_decode(buf_span(c->call.body), &jn->manifest, &err) != SL_OK ||
        check_manifest(jn, &jn->manifest, &err) != SL_OK) {
        journal__fail(jn, c->call.key, err.msg);
        return;
    }
    journal__collect_later(jn, jn->manifest.gc_boundary);
    struct jcall *get = journal__call_new(jn, STORE_GET, snapshot_read);
    get->call.timeout_ms = BIG_CALL_TIMEOUT_MS;
    (void)snprintf(get->call.key, sizeof(get->call.key), "%s", jn->manifest.snapshot_key);
    journal__call_submit(get);
}

static enum sl_err
restore(struct journal *jn, struct span object, struct snapshot_header *ret, struct sl_error *err)
{
    struct bytes content;
    bytes_init(&content, (size_t)1 << 32);
    enum sl_err rc = snapshot_decode(object, ret, &content, err);
    if (rc == SL_OK && (!uuid_eq(&ret->cluster, &jn->o.cluster) || ret->journal != jn->o.index ||
                        ret->n != jn->manifest.snapshot_n)) {
        rc = sl_error_set(err, SL_ECORRUPT, "the snapshot is not the one that its manifest means");
    }
    if (rc == SL_OK) {
        rc = jn->o.app->restore(jn->o.app_arg, bytes_span(&content), err);
    }
    bytes_fini(&content);
    return rc;
}

static void
snapshot_read(struct jcall *c)
{
    struct journal *jn = c->jn;
    struct sl_error err = SL_ERROR_INIT;
    struct snapshot_header h;
    if (c->generation != jn->generation) {
        return;
    }
    if (c->call.outcome == STORE_ERROR && c->call.rc == SL_ECORRUPT) {
        journal__fail(jn, c->call.key, c->call.why);
        return;
    }
    if (c->call.outcome == STORE_ABSENT) {
        /* A newer manifest took its place, and then it was collected; or it is gone. A LIST from
         * now on knows: it shows that newer manifest or it does not. */
        jn->missing_version = jn->manifest.version;
        (void)snprintf(jn->missing_key, sizeof(jn->missing_key), "%s", c->call.key);
    }
    if (c->call.outcome != STORE_DONE) {
        open_again(jn, &c->call);
        return;
    }
    if (restore(jn, buf_span(c->call.body), &h, &err) != SL_OK) {
        journal__fail(jn, c->call.key, err.msg);
        return;
    }
    jn->last_snapshot_bytes = c->call.body->len;
    begin_at(jn, h.n, &h.last_id);
}
