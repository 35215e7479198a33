/* R1, second half, and R8: reading entries up to the first key that does not exist.
 *
 * One machine serves three purposes: completing S at open, catching up after a lost entry, and
 * looking whether others wrote. Reads run ahead as far as a LIST has shown keys, and are delivered
 * in order. Absent is not the same as lost: at open and after a loss the keys behind the absent one
 * are looked at, and if somebody knew it to be verified (acked_through), the journal fails and
 * names it. Since a live writer may have created it between our two looks, it is read once more,
 * and the manifest after that, before judging. */
#include "base/counters.h"
#include "journal/journal_int.h"

#include <stdio.h>

enum { HEAD_GUESS = 64 << 10, WIDTH_LISTED = 16, BEYOND_MAX = 80, UNAPPLIED_MAX = 512 };

struct fetch {
    struct list node;
    struct journal *jn;
    uint64_t n;
    uint64_t length;
    bool is_ready;
    enum store_outcome outcome;
    enum sl_err rc;
    struct buf *body;
    uint64_t object_size;
    int64_t ended_ns;
    char why[320];
};

static void fetch_answered(struct jcall *c);
static void deliver(struct journal *jn);
static void beyond_listed(struct jcall *c);
static void beyond_read(struct jcall *c);
static void suspect_read(struct jcall *c);
static void tail_confirmed(struct journal *jn);
static void entries_listed(struct jcall *c);

static void
fetch_free(struct fetch *f)
{
    list_remove(&f->node);
    buf_unref(&f->body);
    f->jn->fetch_count--;
    sl_free(f);
}

void
journal__follow_stop(struct journal *jn)
{
    while (!list_is_empty(&jn->fetches)) {
        fetch_free(SL_CONTAINER_OF(jn->fetches.next, struct fetch, node));
    }
    jn->follow_generation++; /* answers of this reading are not wanted any more */
    sched_timer_stop(jn->o.sched, &jn->follow_timer);
    store_listing_free(&jn->beyond);
    jn->is_judging = jn->is_absence_open = false;
}

static bool
is_stale(const struct jcall *c)
{
    return c->generation != c->jn->generation || c->follow_generation != c->jn->follow_generation;
}

/* --- reading ahead --- */

static void
fetch_send(struct fetch *f)
{
    struct jcall *c = journal__call_new(f->jn, STORE_GET, fetch_answered);
    entry_key(c->call.key, sizeof(c->call.key), f->jn->o.prefix, f->jn->o.index, f->n);
    c->call.length = f->length;
    c->n = f->n;
    f->is_ready = false;
    journal__call_submit(c);
}

static void
read_ahead(struct journal *jn)
{
    while (!jn->is_tail_reached && jn->known_count < UNAPPLIED_MAX) {
        size_t width = jn->fetch_next <= jn->listed_through ? WIDTH_LISTED : 1;
        if (jn->fetch_count >= width) {
            return;
        }
        struct fetch *f = (struct fetch *)sl_alloc(sizeof(*f));
        f->jn = jn;
        f->n = jn->fetch_next++;
        f->length = HEAD_GUESS;
        list_append(&jn->fetches, &f->node);
        jn->fetch_count++;
        fetch_send(f);
    }
}

static void
list_entries(struct journal *jn)
{
    struct jcall *c = journal__call_new(jn, STORE_LIST, entries_listed);
    (void)snprintf(c->call.key, sizeof(c->call.key), "%s", jn->prefix);
    entry_key(c->call.after, sizeof(c->call.after), jn->o.prefix, jn->o.index, jn->tail);
    c->call.max_keys = 1000;
    journal__call_submit(c);
}

static void
follow_fire(struct sched_timer *t)
{
    struct journal *jn = SL_CONTAINER_OF(t, struct journal, follow_timer);
    if (list_is_empty(&jn->fetches)) {
        list_entries(jn);
        return;
    }
    fetch_send(SL_CONTAINER_OF(jn->fetches.next, struct fetch, node));
}

void
journal__follow_start(struct journal *jn, enum follow_why why)
{
    journal__follow_stop(jn);
    jn->follow_why = why;
    jn->is_tail_reached = false;
    jn->fetch_next = jn->tail + 1;
    jn->listed_through = jn->tail;
    jn->looks_begun++;
    jn->look_ns = sched_now(jn->o.sched);
    jn->is_look_wanted = false;
    list_splice(&jn->waiters, &jn->waiters_next);
    if (jn->mode == JOURNAL_LIVE) {
        journal__set_mode(jn, JOURNAL_CATCHUP, "catching up");
    }
    if (why == FOLLOW_OPEN) {
        list_entries(jn);
        return;
    }
    read_ahead(jn);
}

static void
follow_retry(struct journal *jn, const char *key, enum sl_err rc, const char *why)
{
    static struct diag_limit limit;
    if (diag_limit_ok(&limit, 1)) {
        SL_WARN(&jn->log, "journal.read_waits", KV_STR("object", key), KV_ERR(rc),
                KV_STR("why", why));
    }
    jn->follow_timer.fire = follow_fire;
    sched_timer_after(jn->o.sched, &jn->follow_timer,
                      journal__backoff(jn, 20 * SCHED_MS, jn->follow_failures++, 2 * SCHED_S));
}

static void
entries_listed(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (is_stale(c)) {
        return;
    }
    if (c->call.outcome != STORE_DONE) {
        follow_retry(jn, c->call.key, c->call.rc, c->call.why);
        return;
    }
    const struct store_listing *l = c->call.listing;
    for (size_t i = 0; l != NULL && i < l->count; i++) {
        uint64_t n;
        if (entry_key_parse(l->items[i].key, jn->prefix, &n) && n > jn->listed_through) {
            jn->listed_through = n;
        }
    }
    read_ahead(jn);
}

static void
fetch_answered(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (is_stale(c)) {
        return;
    }
    LIST_FOREACH(node, &jn->fetches)
    {
        struct fetch *f = SL_CONTAINER_OF(node, struct fetch, node);
        if (f->n == c->n) {
            f->is_ready = true;
            f->outcome = c->call.outcome;
            f->rc = c->call.rc;
            f->object_size = c->call.object_size;
            f->ended_ns = c->call.ended_ns;
            (void)snprintf(f->why, sizeof(f->why), "%s", c->call.why);
            buf_unref(&f->body);
            f->body = c->call.body;
            c->call.body = NULL;
            break;
        }
    }
    deliver(jn);
}

/* --- delivering in order --- */

static void
add_known(struct journal *jn, struct fetch *f, const struct entry_view *v)
{
    struct known *k = (struct known *)sl_alloc(sizeof(*k));
    bool is_valid = MISTAKE(no_prev_id_check) || uuid_eq(&v->h.prev_id, &jn->tail_id);
    k->n = f->n;
    k->id = v->h.id;
    k->is_void = !is_valid;
    k->body = buf_ref(f->body);
    k->object = buf_span(f->body);
    k->view = *v;
    k->ended_ns = f->ended_ns;
    list_init(&k->items);
    list_append(&jn->known, &k->node);
    jn->known_count++;
    if (is_valid || !MISTAKE(void_keeps_number)) {
        jn->tail = f->n;
    }
    if (is_valid) {
        jn->tail_id = v->h.id;
    }
    if (jn->follow_why != FOLLOW_OPEN && v->h.writer != jn->o.node_id) {
        jn->last_foreign_ns = sched_now(jn->o.sched);
        jn->contended_until_ns = jn->last_foreign_ns + 5 * SCHED_S;
    }
}

static bool
is_foreign(const struct journal *jn, const struct fetch *f, const struct entry_view *v)
{
    return !uuid_eq(&v->h.cluster, &jn->o.cluster) || v->h.journal != jn->o.index || v->h.n != f->n;
}

/* True when the entry was taken; false when it is read again or the journal failed over it. */
static bool
take_entry(struct journal *jn, struct fetch *f, const char *key)
{
    struct sl_error err = SL_ERROR_INIT;
    struct entry_view v;
    size_t need = 0;
    enum sl_err rc = entry_parse(buf_span(f->body), &v, &need, &err);
    if (rc == SL_EAGAIN && need <= f->object_size) {
        f->length = need;
        fetch_send(f);
        return false;
    }
    if (rc == SL_EAGAIN) {
        (void)sl_error_set(&err, SL_ECORRUPT, "cut short: %llu bytes, its head alone has %zu",
                           (unsigned long long)f->object_size, need);
    } else if (rc == SL_OK && is_foreign(jn, f, &v)) {
        rc = sl_error_set(&err, SL_ECORRUPT,
                          "the entry belongs to another cluster, journal or place");
    } else if (rc == SL_OK && f->object_size < v.h.head_bytes + v.h.data_bytes) {
        rc = sl_error_set(&err, SL_ECORRUPT, "cut short: %llu bytes of %llu",
                          (unsigned long long)f->object_size,
                          (unsigned long long)(v.h.head_bytes + v.h.data_bytes));
    }
    if (rc != SL_OK) {
        journal__fail(jn, key, err.msg);
        return false;
    }
    add_known(jn, f, &v);
    return true;
}

static void
tail_reached(struct journal *jn, uint64_t n, int64_t ended_ns)
{
    journal__follow_stop(jn);
    jn->is_judging = true;
    jn->absence_ns = ended_ns;
    jn->absence_checks = jn->checks_begun;
    jn->fetch_next = n; /* what was read ahead is dropped; whoever goes on begins here again */
    jn->follow_failures = 0;
    if (MISTAKE(absent_is_tail) || jn->follow_why == FOLLOW_REFRESH) {
        tail_confirmed(jn);
        return;
    }
    struct jcall *c = journal__call_new(jn, STORE_LIST, beyond_listed);
    (void)snprintf(c->call.key, sizeof(c->call.key), "%s", jn->prefix);
    entry_key(c->call.after, sizeof(c->call.after), jn->o.prefix, jn->o.index, n);
    c->call.max_keys = BEYOND_MAX;
    c->n = n;
    journal__call_submit(c);
}

/* Handles the first ready fetch; false when delivery has to stop here. */
static bool
deliver_one(struct journal *jn, struct fetch *f)
{
    char key[JOURNAL_KEY_MAX];
    uint64_t generation = jn->follow_generation;
    entry_key(key, sizeof(key), jn->o.prefix, jn->o.index, f->n);
    if (f->outcome == STORE_ABSENT) {
        tail_reached(jn, f->n, f->ended_ns);
        return false;
    }
    if (f->outcome != STORE_DONE) {
        if (f->rc == SL_ECORRUPT) {
            journal__fail(jn, key, f->why);
        } else {
            f->is_ready = false;
            follow_retry(jn, key, f->rc, f->why);
        }
        return false;
    }
    if (!take_entry(jn, f, key)) {
        return false;
    }
    fetch_free(f);
    journal__verify(jn);
    return jn->follow_generation == generation;
}

static void
deliver(struct journal *jn)
{
    uint64_t generation = jn->follow_generation;
    while (!list_is_empty(&jn->fetches)) {
        struct fetch *f = SL_CONTAINER_OF(jn->fetches.next, struct fetch, node);
        if (!f->is_ready || f->n != jn->tail + 1) {
            break;
        }
        if (!deliver_one(jn, f)) {
            return;
        }
    }
    if (jn->follow_generation == generation) {
        read_ahead(jn);
    }
}

/* --- is what is absent the tail? --- */

static void
beyond_next(struct journal *jn)
{
    uint64_t n;
    while (jn->beyond_pos < jn->beyond->count) {
        const char *key = jn->beyond->items[jn->beyond_pos++].key;
        if (entry_key_parse(key, jn->prefix, &n) && n > jn->tail + 1) {
            struct jcall *c = journal__call_new(jn, STORE_GET, beyond_read);
            (void)snprintf(c->call.key, sizeof(c->call.key), "%s", key);
            c->call.length = ENTRY_HEADER_BYTES;
            journal__call_submit(c);
            return;
        }
    }
    store_listing_free(&jn->beyond);
    tail_confirmed(jn);
}

/* Somebody knew the absent entry to be verified. Read it once more. */
static void
suspect(struct journal *jn)
{
    store_listing_free(&jn->beyond);
    struct jcall *c = journal__call_new(jn, STORE_GET, suspect_read);
    entry_key(c->call.key, sizeof(c->call.key), jn->o.prefix, jn->o.index, jn->tail + 1);
    c->call.length = ENTRY_HEADER_BYTES;
    journal__call_submit(c);
}

static void
beyond_again(struct journal *jn, const struct store_call *call)
{
    store_listing_free(&jn->beyond);
    jn->is_judging = false;
    follow_retry(jn, call->key, call->rc, call->why);
}

static void
beyond_listed(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (is_stale(c)) {
        return;
    }
    if (c->call.outcome != STORE_DONE) {
        beyond_again(jn, &c->call);
        return;
    }
    if (jn->manifest.acked_through > jn->tail) {
        suspect(jn);
        return;
    }
    store_listing_free(&jn->beyond);
    jn->beyond = c->call.listing;
    c->call.listing = NULL;
    jn->beyond_pos = 0;
    if (jn->beyond == NULL) {
        tail_confirmed(jn);
        return;
    }
    beyond_next(jn);
}

static void
beyond_read(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (is_stale(c)) {
        return;
    }
    if (c->call.outcome == STORE_DONE && c->call.body->len == ENTRY_HEADER_BYTES) {
        uint64_t acked_through = entry_peek_acked_through(c->call.body->data);
        if (acked_through > jn->tail) {
            suspect(jn);
            return;
        }
    } else if (c->call.outcome != STORE_ABSENT && c->call.outcome != STORE_DONE) {
        beyond_again(jn, &c->call);
        return;
    }
    beyond_next(jn);
}

/* The entry behind the tail is gone. */
static void
fail_missing(struct journal *jn)
{
    char key[JOURNAL_KEY_MAX];
    entry_key(key, sizeof(key), jn->o.prefix, jn->o.index, jn->tail + 1);
    journal__fail(jn, key, "missing, though later entries prove that it was committed");
}

static void
suspect_manifest_read(struct jcall *c)
{
    struct journal *jn = c->jn;
    struct manifest m;
    struct sl_error err = SL_ERROR_INIT;
    if (is_stale(c)) {
        return;
    }
    if (c->call.outcome != STORE_DONE) {
        beyond_again(jn, &c->call);
        return;
    }
    if (manifest_decode(buf_span(c->call.body), &m, &err) != SL_OK) {
        journal__fail(jn, c->call.key, err.msg);
        return;
    }
    if (journal__saw_manifest(jn, &m)) {
        fail_missing(jn);
    }
}

static void
suspect_manifests_listed(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (is_stale(c)) {
        return;
    }
    if (c->call.outcome != STORE_DONE) {
        beyond_again(jn, &c->call);
        return;
    }
    if (c->call.listing == NULL || c->call.listing->count == 0) {
        fail_missing(jn);
        return;
    }
    struct jcall *get = journal__call_new(jn, STORE_GET, suspect_manifest_read);
    (void)snprintf(get->call.key, sizeof(get->call.key), "%s",
                   c->call.listing->items[c->call.listing->count - 1].key);
    journal__call_submit(get);
}

/* Still absent: was it collected meanwhile, or is it gone? */
static void
suspect_read(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (is_stale(c)) {
        return;
    }
    if (c->call.outcome == STORE_DONE) {
        jn->is_judging = false;
        read_ahead(jn); /* a live writer put it there between our looks: go on */
        return;
    }
    if (c->call.outcome != STORE_ABSENT) {
        beyond_again(jn, &c->call);
        return;
    }
    struct jcall *list = journal__call_new(jn, STORE_LIST, suspect_manifests_listed);
    (void)snprintf(list->call.key, sizeof(list->call.key), "%s", jn->manifest_prefix);
    journal__call_submit(list);
}

/* --- the end --- */

/* What was collected is absent too. R4 tells the two apart as it tells ghosts from entries: inside
 * the window, or after a younger check that passed, nothing above safe had been deleted. */
static bool
is_absence_genuine(const struct journal *jn)
{
    if (MISTAKE(no_verify) || jn->checks_passed > jn->absence_checks) {
        return true;
    }
    return jn->has_window && !jn->o.is_paranoid && jn->absence_ns >= jn->window_ns &&
           jn->absence_ns <= jn->window_ns + jn->o.safe_window_ns;
}

static void
tail_confirmed(struct journal *jn)
{
    if (!is_absence_genuine(jn)) {
        jn->is_absence_open = true;
        journal__check_soon(jn);
        return;
    }
    jn->is_judging = jn->is_absence_open = false;
    jn->is_tail_reached = true;
    jn->last_tail_ns = jn->look_ns;
    journal__verify(jn); /* ends in journal__follow_settled when everything known is applied */
}

void
journal__absence_settle(struct journal *jn)
{
    if (jn->is_absence_open) {
        tail_confirmed(jn);
    }
}

static void
ready_waiters(struct list *waiters)
{
    struct list mine;
    list_init(&mine);
    list_splice(&mine, waiters);
    for (struct list *node; (node = list_pop(&mine)) != NULL;) {
        struct journal_waiter *w = SL_CONTAINER_OF(node, struct journal_waiter, node);
        w->ready(w, SL_OK);
    }
}

void
journal__own_entry_seen(struct journal *jn, uint64_t n)
{
    struct list mine;
    list_init(&mine);
    LIST_FOREACH_SAFE(node, tmp, &jn->waiters_next)
    {
        if (SL_CONTAINER_OF(node, struct journal_waiter, node)->after_n <= n) {
            list_remove(node);
            list_append(&mine, node);
        }
    }
    ready_waiters(&mine);
}

void
journal__look_maybe(struct journal *jn)
{
    bool is_wanted = jn->is_look_wanted || !list_is_empty(&jn->waiters_next);
    if (is_wanted && jn->mode == JOURNAL_LIVE && list_is_empty(&jn->slots) &&
        list_is_empty(&jn->known)) {
        journal__follow_start(jn, FOLLOW_REFRESH);
    }
}

static void
go_live(struct journal *jn)
{
    bool was_opening = jn->mode == JOURNAL_OPENING;
    jn->next_n = jn->tail + 1;
    jn->last_id = jn->tail_id;
    jn->looks_done = jn->looks_begun;
    jn->o.app->rollback(jn->o.app_arg); /* what was noted before others' entries came is old */
    if (jn->follow_why == FOLLOW_LOST) {
        jn->propose_not_before_ns =
            sched_now(jn->o.sched) +
            journal__backoff(jn, 2 * jn->put_latency_ns + SCHED_MS / 10, jn->losses, SCHED_S / 4);
        if (jn->losses >= LOSSES_BEFORE_KNOCK) {
            journal__knock(jn);
        }
    }
    if (was_opening) {
        SL_INFO(&jn->log, "journal.open", KV_U64("entries_through", jn->safe),
                KV_U64("snapshot", jn->manifest.snapshot_n));
    }
    journal__set_mode(jn, JOURNAL_LIVE, "live");
    jn->follow_failures = 0;
}

void
journal__follow_settled(struct journal *jn)
{
    if (jn->mode == JOURNAL_LIVE) {
        journal__look_maybe(jn);
        return;
    }
    if (jn->mode != JOURNAL_OPENING && jn->mode != JOURNAL_CATCHUP) {
        return;
    }
    if (jn->is_judging) {
        return;
    }
    if (!jn->is_tail_reached) {
        read_ahead(jn);
        return;
    }
    go_live(jn);
    ready_waiters(&jn->waiters);
    journal__pump(jn);
}

bool
journal_is_fresh(const struct journal *jn)
{
    const int64_t lately = 100 * SCHED_MS; /* many waiters share one look at the tail */
    int64_t now = sched_now(jn->o.sched);
    if (jn->mode != JOURNAL_LIVE || jn->o.is_paranoid) { /* which trusts no clock */
        return false;
    }
    if (journal_has_company(jn)) {
        return false; /* what the other one acknowledged a moment ago has to be seen */
    }
    return (jn->last_won_ns != 0 && now - jn->last_won_ns <= lately) ||
           (jn->last_tail_ns != 0 && now - jn->last_tail_ns <= lately);
}

bool
journal_has_company(const struct journal *jn)
{
    return jn->last_foreign_ns != 0 && sched_now(jn->o.sched) - jn->last_foreign_ns <= 60 * SCHED_S;
}

void
journal_refresh(struct journal *jn, struct journal_waiter *w)
{
    SCHED_ASSERT_HERE(jn->o.sched);
    list_init(&w->node);
    if (jn->mode == JOURNAL_FAILED || jn->mode == JOURNAL_CLOSED) {
        w->ready(w, jn->mode == JOURNAL_FAILED ? SL_EPARTITION_FAILED : SL_ESHUTDOWN);
        return;
    }
    if (!w->is_strict && journal_is_fresh(jn)) {
        w->ready(w, SL_OK);
        return;
    }
    w->after_n = jn->mode == JOURNAL_LIVE ? jn->next_n : UINT64_MAX;
    list_append(&jn->waiters_next, &w->node);
    journal__look_maybe(jn);
}

void
journal_waiter_cancel(struct journal_waiter *w)
{
    list_remove(&w->node);
}
