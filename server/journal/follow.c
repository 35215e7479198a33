/* R1, second half, and R8: reading entries up to the first key that does not exist (tail.c says
 * whether that is the tail).
 *
 * One machine serves three purposes: completing S at open, catching up after a lost entry, and
 * looking whether others wrote. Reads run ahead, WIDTH_LISTED at a time as far as a LIST has shown
 * keys, beyond that one more for each entry that was there: who is behind a broker that writes all
 * the time must read faster than it writes. They are delivered in order, and each that failed is
 * asked again by itself. Of a large entry only the head is read: record bytes are not needed for S.
 */
#include "base/counters.h"
#include "journal/journal_int.h"

#include <stdio.h>

enum { WIDTH_LISTED = 64, WIDTH_MAX = 16, UNAPPLIED_MAX = 512, PAGE_KEYS = 1000 };

struct fetch {
    struct list node;
    struct journal *jn;
    uint64_t n;
    uint64_t length;
    bool is_ready;
    enum store_outcome outcome;
    struct buf *body;
    uint64_t object_size;
    int64_t ended_ns;
    unsigned tries;
    struct sched_timer retry;
    char why[320];
};

static void fetch_answered(struct jcall *c);
static void deliver(struct journal *jn);
static void entries_listed(struct jcall *c);

static void
fetch_free(struct fetch *f)
{
    list_remove(&f->node);
    sched_timer_stop(f->jn->o.sched, &f->retry);
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
    store_listing_free(&jn->listing);
    buf_unref(&jn->found.body);
    jn->is_listing = false;
    jn->is_judging = jn->is_absence_open = false;
}

bool
journal__follow_is_stale(const struct jcall *c)
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
fetch_retry(struct sched_timer *t)
{
    fetch_send(SL_CONTAINER_OF(t, struct fetch, retry));
}

/* The first entry behind the tail may be here already. */
static bool
fetch_is_found(struct journal *jn, struct fetch *f)
{
    if (jn->found.body == NULL || f->n != jn->tail + 1) {
        return false;
    }
    f->is_ready = true;
    f->outcome = STORE_DONE;
    f->body = jn->found.body;
    f->object_size = jn->found.object_size;
    f->ended_ns = jn->found.ended_ns;
    jn->found.body = NULL;
    return true;
}

static void
read_ahead(struct journal *jn)
{
    while (!jn->is_tail_reached && jn->known_count < UNAPPLIED_MAX) {
        size_t width = jn->fetch_next <= jn->listed_through ? WIDTH_LISTED : jn->width;
        if (jn->fetch_count >= width) {
            return;
        }
        struct fetch *f = (struct fetch *)sl_alloc(sizeof(*f));
        f->jn = jn;
        f->n = jn->fetch_next++;
        f->length = HEAD_GUESS;
        f->retry.fire = fetch_retry;
        list_append(&jn->fetches, &f->node);
        jn->fetch_count++;
        if (!fetch_is_found(jn, f)) {
            fetch_send(f);
        }
    }
}

static void
list_entries(struct journal *jn)
{
    struct jcall *c = journal__call_new(jn, STORE_LIST, entries_listed);
    uint64_t after = jn->listed_through > jn->tail ? jn->listed_through : jn->tail;
    (void)snprintf(c->call.key, sizeof(c->call.key), "%s", jn->prefix);
    entry_key(c->call.after, sizeof(c->call.after), jn->o.prefix, jn->o.index, after);
    c->call.max_keys = PAGE_KEYS;
    c->n = after;
    jn->is_listing = true;
    journal__call_submit(c);
}

static void
follow_fire(struct sched_timer *t)
{
    list_entries(SL_CONTAINER_OF(t, struct journal, follow_timer));
}

static void
follow_begin(struct journal *jn, enum follow_why why)
{
    jn->follow_why = why;
    jn->is_tail_reached = false;
    jn->fetch_next = jn->tail + 1;
    jn->listed_through = jn->tail;
    jn->width = journal__pace_has_company(jn) ? 2 : 1;
    jn->met = 0;
    jn->looks_begun++;
    jn->look_ns = sched_now(jn->o.sched);
    jn->pace.look_ns = 0; /* this is one */
    jn->is_look_wanted = false;
    list_splice(&jn->waiters, &jn->waiters_next);
    if (jn->mode == JOURNAL_LIVE) {
        journal__set_mode(jn, JOURNAL_CATCHUP, "catching up");
    }
}

void
journal__follow_start(struct journal *jn, enum follow_why why)
{
    journal__follow_stop(jn);
    follow_begin(jn, why);
    if (why == FOLLOW_OPEN) {
        list_entries(jn);
        return;
    }
    read_ahead(jn);
}

void
journal__follow_lost(struct journal *jn, struct found *f)
{
    journal__follow_stop(jn);
    follow_begin(jn, FOLLOW_LOST);
    jn->found = *f;
    f->body = NULL;
    list_entries(jn);
    read_ahead(jn);
    deliver(jn);
}

static void
warn_waits(struct journal *jn, const char *key, enum sl_err rc, const char *why)
{
    static struct diag_limit limit;
    if (diag_limit_ok(&limit, 1)) {
        SL_WARN(&jn->log, "journal.read_waits", KV_STR("object", key), KV_ERR(rc),
                KV_STR("why", why));
    }
}

void
journal__follow_again(struct journal *jn, const struct store_call *call)
{
    warn_waits(jn, call->key, call->rc, call->why);
    jn->follow_timer.fire = follow_fire;
    sched_timer_after(jn->o.sched, &jn->follow_timer,
                      journal__backoff(jn, 20 * SCHED_MS, jn->follow_failures++, 2 * SCHED_S));
}

void
journal__follow_on(struct journal *jn)
{
    read_ahead(jn);
}

/* Keeps a page, and asks for the next one if there may be one. */
static void
entries_listed(struct jcall *c)
{
    struct journal *jn = c->jn;
    bool is_last_entry = false;
    if (journal__follow_is_stale(c)) {
        return;
    }
    if (c->call.outcome != STORE_DONE) {
        journal__follow_again(jn, &c->call);
        return;
    }
    store_listing_free(&jn->listing);
    jn->listing = c->call.listing;
    c->call.listing = NULL;
    jn->listing_after = c->n;
    jn->listing_ns = c->sent_ns;
    jn->is_listing = false;
    jn->follow_failures = 0;
    for (size_t i = 0; jn->listing != NULL && i < jn->listing->count; i++) {
        uint64_t n;
        is_last_entry = entry_key_parse(jn->listing->items[i].key, jn->prefix, &n);
        if (is_last_entry && n > jn->listed_through) {
            jn->listed_through = n;
        }
    }
    if (is_last_entry && jn->listing->count >= PAGE_KEYS) {
        list_entries(jn);
    }
    read_ahead(jn);
    deliver(jn); /* an absent one may have waited for this */
}

/* One that failed is asked again by itself. */
static void
fetch_failed(struct fetch *f, const struct store_call *call)
{
    warn_waits(f->jn, call->key, call->rc, call->why);
    sched_timer_after(f->jn->o.sched, &f->retry,
                      journal__backoff(f->jn, 10 * SCHED_MS, f->tries++, 2 * SCHED_S));
}

static void
fetch_take(struct fetch *f, struct jcall *c)
{
    bool is_word = c->call.outcome == STORE_DONE || c->call.outcome == STORE_ABSENT;
    if (!is_word && c->call.rc != SL_ECORRUPT) {
        fetch_failed(f, &c->call);
        return;
    }
    journal__pace_get(f->jn, c->call.ended_ns - c->sent_ns);
    f->is_ready = true;
    f->outcome = c->call.outcome;
    f->object_size = c->call.object_size;
    f->ended_ns = c->call.ended_ns;
    (void)snprintf(f->why, sizeof(f->why), "%s", c->call.why);
    buf_unref(&f->body);
    f->body = c->call.body;
    c->call.body = NULL;
}

static void
fetch_answered(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (journal__follow_is_stale(c)) {
        return;
    }
    LIST_FOREACH(node, &jn->fetches)
    {
        struct fetch *f = SL_CONTAINER_OF(node, struct fetch, node);
        if (f->n == c->n) {
            fetch_take(f, c);
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
    jn->met++;
    jn->width += jn->width < WIDTH_MAX;
    if (is_valid || !MISTAKE(void_keeps_number)) {
        jn->tail = f->n;
    }
    if (is_valid) {
        jn->tail_id = v->h.id;
    }
    if (jn->follow_why != FOLLOW_OPEN && v->h.writer != jn->o.node_id) {
        jn->last_foreign_ns = sched_now(jn->o.sched);
        journal__pace_foreign(jn, &v->h);
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

/* Handles the first ready fetch; false when delivery has to stop here. */
static bool
deliver_one(struct journal *jn, struct fetch *f)
{
    char key[JOURNAL_KEY_MAX];
    uint64_t generation = jn->follow_generation;
    entry_key(key, sizeof(key), jn->o.prefix, jn->o.index, f->n);
    if (f->outcome == STORE_ABSENT) {
        if (!jn->is_listing) {
            journal__tail_reached(jn, f->n, f->ended_ns);
        }
        return false;
    }
    if (f->outcome != STORE_DONE) {
        journal__fail(jn, key, f->why);
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

/* --- at the tail --- */

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
        journal__pace_caught_up(jn);
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
