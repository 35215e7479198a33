/* R4: what was applied is not yet to be trusted.
 *
 * A key that was collected can be created again by a slow writer. Such a ghost looks like an entry
 * to a broker that has been asleep. Collection publishes its boundary first and deletes G later, so
 * a broker that reads "the boundary has not passed safe" at t0 knows that nothing above safe was
 * deleted before t0, and nothing will be before t0 + G. Hence a check: remember u and t0, then read
 * the newest manifest. If it passes, everything up to u is verified, and so is, until t0 + T_safe,
 * each next entry whose PUT or GET ended in that window. */
#include "base/counters.h"
#include "journal/journal_int.h"

#include <stdio.h>

static void check_answered(struct jcall *c);
static void manifest_read(struct jcall *c);
static void check_fire(struct sched_timer *t);

void
journal__known_free(struct known **pk)
{
    struct known *k = *pk;
    *pk = NULL;
    list_remove(&k->node);
    buf_unref(&k->body);
    sl_free(k);
}

void
journal__clear_known(struct journal *jn, enum sl_err rc)
{
    struct list items;
    list_init(&items);
    while (!list_is_empty(&jn->known)) {
        struct known *k = SL_CONTAINER_OF(jn->known.next, struct known, node);
        list_splice(&items, &k->items);
        journal__known_free(&k);
    }
    jn->known_count = 0;
    jn->tail = jn->safe;
    jn->tail_id = jn->safe_id;
    journal__end_items(&items, rc, 0);
}

static bool
is_verified(const struct journal *jn, const struct known *k)
{
    if (MISTAKE(no_verify) || MISTAKE(apply_above_safe)) {
        return true;
    }
    if (MISTAKE(verify_own_only) && !k->is_own) {
        return true;
    }
    if (k->n <= jn->checked_u) {
        return true;
    }
    return jn->has_window && !jn->o.is_paranoid && k->ended_ns >= jn->window_ns &&
           k->ended_ns <= jn->window_ns + jn->o.safe_window_ns;
}

static enum sl_err
apply_known(struct journal *jn, const struct known *k, struct sl_error *err)
{
    if (k->is_void) {
        counter_add(C_journal_entries_void, 1);
        return SL_OK;
    }
    counter_add(C_journal_entries_applied, 1);
    jn->entries_since_snapshot++;
    jn->bytes_since_snapshot += k->view.index.len;
    return jn->o.app->apply(jn->o.app_arg, &k->view, k->body, k->object, err);
}

/* Applies the first known entry and ends its items. False when the journal failed over it. */
static bool
pass_first(struct journal *jn)
{
    struct sl_error err = SL_ERROR_INIT;
    struct list items;
    struct known *k = SL_CONTAINER_OF(jn->known.next, struct known, node);
    uint64_t n = k->n;
    bool is_own = k->is_own;
    int64_t sent_ns = k->sent_ns;
    enum sl_err rc = apply_known(jn, k, &err);
    if (rc != SL_OK) {
        char key[JOURNAL_KEY_MAX];
        entry_key(key, sizeof(key), jn->o.prefix, jn->o.index, n);
        journal__fail(jn, key, err.msg);
        return false;
    }
    jn->safe = n;
    if (!k->is_void) {
        jn->safe_id = k->id;
    }
    list_init(&items);
    list_splice(&items, &k->items);
    journal__known_free(&k);
    jn->known_count--;
    jn->applied_since_check++;
    journal__end_items(&items, SL_OK, n);
    if (is_own) {
        jn->last_won_ns = sent_ns;
        journal__own_entry_seen(jn, n);
    }
    return true;
}

void
journal__verify(struct journal *jn)
{
    while (!list_is_empty(&jn->known)) {
        const struct known *k = SL_CONTAINER_OF(jn->known.next, struct known, node);
        if (!is_verified(jn, k)) {
            journal__check_soon(jn);
            return;
        }
        if (!pass_first(jn)) {
            return;
        }
    }
    if (jn->check_timer.heap_pos == 0 && jn->applied_since_check > 0 &&
        jn->mode != JOURNAL_CLOSED) {
        jn->check_timer.fire = check_fire;
        sched_timer_after(jn->o.sched, &jn->check_timer, jn->o.check_interval_ns);
    }
    journal__follow_settled(jn);
    journal__checkpoint_maybe(jn);
}

static void
check_start(struct journal *jn)
{
    struct jcall *c = journal__call_new(jn, STORE_LIST, check_answered);
    jn->is_checking = true;
    jn->is_check_wanted = false;
    jn->checks_begun++;
    jn->check_u = jn->tail; /* u and t0 before the read, in this order */
    jn->check_t0 = sched_now(jn->o.sched);
    jn->applied_since_check = 0;
    counter_add(C_journal_checks, 1);
    (void)snprintf(c->call.key, sizeof(c->call.key), "%s", jn->manifest_prefix);
    if (jn->manifest.version > 0) {
        (void)snprintf(c->call.after, sizeof(c->call.after), "%s%020llu", jn->manifest_prefix,
                       (unsigned long long)jn->manifest.version);
    }
    journal__call_submit(c);
}

void
journal__check_soon(struct journal *jn)
{
    if (jn->is_checking) {
        jn->is_check_wanted = true;
        return;
    }
    if (jn->check_timer.heap_pos != 0 && jn->check_failures > 0) {
        return; /* backing off */
    }
    check_start(jn);
}

static void
check_fire(struct sched_timer *t)
{
    struct journal *jn = SL_CONTAINER_OF(t, struct journal, check_timer);
    bool is_needed = jn->applied_since_check > 0 || !list_is_empty(&jn->known);
    if (is_needed && !jn->is_checking && jn->mode != JOURNAL_FAILED && jn->mode != JOURNAL_CLOSED) {
        check_start(jn);
    }
}

static void
check_failed(struct journal *jn)
{
    jn->is_checking = false;
    jn->check_timer.fire = check_fire;
    sched_timer_after(jn->o.sched, &jn->check_timer,
                      journal__backoff(jn, 20 * SCHED_MS, jn->check_failures++, 2 * SCHED_S));
    jn->applied_since_check++; /* so that the timer asks again */
}

static void
check_passed(struct journal *jn)
{
    jn->is_checking = false;
    jn->check_failures = 0;
    if (MISTAKE(window_from_end)) {
        jn->check_t0 = sched_now(jn->o.sched);
    }
    if (MISTAKE(sample_after_read)) {
        jn->check_u = jn->tail;
    }
    jn->has_window = true;
    jn->window_ns = jn->check_t0;
    jn->checks_passed = jn->checks_begun;
    if (jn->check_u > jn->checked_u) {
        jn->checked_u = jn->check_u;
    }
    jn->is_check_wanted = false; /* who still wants one asks again */
    journal__verify(jn);
    journal__absence_settle(jn);
    journal__pump(jn);
}

bool
journal__saw_manifest(struct journal *jn, const struct manifest *m)
{
    if (m->version > jn->manifest.version) {
        jn->manifest = *m;
        journal__collect_later(jn, m->gc_boundary);
    }
    if (m->gc_boundary > jn->boundary_seen) {
        jn->boundary_seen = m->gc_boundary;
    }
    if (MISTAKE(no_verify) || jn->boundary_seen <= jn->safe) {
        return true;
    }
    journal__reopen(jn, "entries that this broker had not verified were collected");
    return false;
}

static void
read_newest(struct journal *jn, const struct store_listing *l)
{
    struct jcall *get = journal__call_new(jn, STORE_GET, manifest_read);
    (void)snprintf(get->call.key, sizeof(get->call.key), "%s", l->items[l->count - 1].key);
    journal__call_submit(get);
}

static void
check_answered(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (c->generation != jn->generation) {
        return;
    }
    if (c->call.outcome != STORE_DONE) {
        check_failed(jn);
        return;
    }
    const struct store_listing *l = c->call.listing;
    if (l == NULL || l->count == 0) {
        check_passed(jn);
    } else {
        read_newest(jn, l);
    }
}

/* Between the LIST and the GET the manifest may have been collected and its key created again by
 * somebody who was asleep. That takes the grace period; or there is no newer one even now, for the
 * newest is never collected. */
static bool
may_be_ghost(const struct journal *jn)
{
    int64_t took = sched_now(jn->o.sched) - jn->check_t0;
    return jn->o.is_paranoid || took > jn->o.safe_window_ns;
}

static void
believe_manifest(struct journal *jn)
{
    const struct manifest m = jn->check_read;
    if (journal__saw_manifest(jn, &m)) {
        check_passed(jn);
    }
}

static void
listed_again(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (c->generation != jn->generation) {
        return;
    }
    const struct store_listing *l = c->call.listing;
    if (c->call.outcome != STORE_DONE) {
        check_failed(jn);
    } else if (l == NULL || l->count == 0) {
        believe_manifest(jn);
    } else {
        read_newest(jn, l);
    }
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
        check_failed(jn); /* absent: a newer one took its place; list again */
        return;
    }
    if (manifest_decode(buf_span(c->call.body), &jn->check_read, &err) != SL_OK) {
        journal__fail(jn, c->call.key, err.msg);
        return;
    }
    if (!may_be_ghost(jn)) {
        believe_manifest(jn);
        return;
    }
    struct jcall *list = journal__call_new(jn, STORE_LIST, listed_again);
    (void)snprintf(list->call.key, sizeof(list->call.key), "%s", jn->manifest_prefix);
    (void)snprintf(list->call.after, sizeof(list->call.after), "%s", c->call.key);
    journal__call_submit(list);
}
