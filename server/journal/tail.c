/* R1: is what is absent the tail?
 *
 * Absent is not the same as lost: at open and after a loss the keys behind the absent one are
 * looked at, and if somebody knew it to be verified (acked_through), the journal fails and names
 * it. Since a live writer may have created it between our two looks, it is read once more, and the
 * manifest after that, before judging.
 *
 * The keys behind it come from the LIST that the reading began with, when that is young: a loser
 * has no round trip to waste (pace.c), and a writer that does not rest is further on after each.
 * What such a LIST cannot show is an entry that was committed, vouched for and removed since, which
 * is what the LIST of a moment later cannot show either. A key that it showed and a GET did not
 * find is a suspect at once. Else there is a LIST of its own; if the absent key has appeared in
 * that, a live writer made it, and reading goes on. */
#include "journal/journal_int.h"

#include <stdio.h>

enum { BEYOND_MAX = 80 };
#define LISTING_AGE_MAX_NS (5 * SCHED_S)

static void beyond_listed(struct jcall *c);
static void beyond_read(struct jcall *c);
static void suspect_read(struct jcall *c);
static void tail_confirmed(struct journal *jn);
static void judge(struct journal *jn);

/* The listing of this reading, if it is to be believed about what is behind n; gives it. */
static struct store_listing *
take_listing(struct journal *jn, uint64_t n, int64_t ended_ns)
{
    struct store_listing *l = jn->listing;
    if (l == NULL || jn->o.is_paranoid || n <= jn->listing_after ||
        ended_ns - jn->listing_ns > LISTING_AGE_MAX_NS) {
        return NULL;
    }
    jn->listing = NULL;
    return l;
}

void
journal__tail_reached(struct journal *jn, uint64_t n, int64_t ended_ns)
{
    struct store_listing *listing = take_listing(jn, n, ended_ns);
    journal__follow_stop(jn);
    jn->is_judging = true;
    jn->absence_ns = ended_ns;
    jn->absence_checks = jn->checks_begun;
    jn->fetch_next = n; /* what was read ahead is dropped; whoever goes on begins here again */
    jn->follow_failures = 0;
    if (MISTAKE(absent_is_tail) || jn->follow_why == FOLLOW_REFRESH) {
        store_listing_free(&listing);
        tail_confirmed(jn);
        return;
    }
    if (listing != NULL) {
        jn->beyond = listing;
        judge(jn);
        return;
    }
    struct jcall *c = journal__call_new(jn, STORE_LIST, beyond_listed);
    (void)snprintf(c->call.key, sizeof(c->call.key), "%s", jn->prefix);
    entry_key(c->call.after, sizeof(c->call.after), jn->o.prefix, jn->o.index, n - 1);
    c->call.max_keys = BEYOND_MAX;
    c->n = n;
    journal__call_submit(c);
}

static void
beyond_next(struct journal *jn)
{
    uint64_t n;
    while (jn->beyond_pos < jn->beyond->count && jn->beyond_left > 0) {
        const char *key = jn->beyond->items[jn->beyond_pos++].key;
        if (entry_key_parse(key, jn->prefix, &n) && n > jn->tail + 1) {
            jn->beyond_left--;
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
    journal__follow_again(jn, call);
}

static bool
is_listed(const struct journal *jn, const struct store_listing *l, uint64_t n)
{
    uint64_t listed;
    for (size_t i = 0; l != NULL && i < l->count; i++) {
        if (entry_key_parse(l->items[i].key, jn->prefix, &listed) && listed == n) {
            return true;
        }
    }
    return false;
}

/* jn->beyond holds the keys behind the absent one, and perhaps itself. */
static void
judge(struct journal *jn)
{
    jn->beyond_pos = 0;
    jn->beyond_left = BEYOND_MAX;
    if (jn->manifest.acked_through > jn->tail || is_listed(jn, jn->beyond, jn->tail + 1)) {
        suspect(jn);
    } else if (jn->beyond == NULL) {
        tail_confirmed(jn);
    } else {
        beyond_next(jn);
    }
}

static void
beyond_listed(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (journal__follow_is_stale(c)) {
        return;
    }
    if (c->call.outcome != STORE_DONE) {
        beyond_again(jn, &c->call);
        return;
    }
    if (is_listed(jn, c->call.listing, c->n)) {
        jn->is_judging = false;
        journal__follow_on(jn);
        return;
    }
    store_listing_free(&jn->beyond);
    jn->beyond = c->call.listing;
    c->call.listing = NULL;
    judge(jn);
}

static void
beyond_read(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (journal__follow_is_stale(c)) {
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

static void suspect_manifests_listed(struct jcall *c);

static void
list_manifests(struct journal *jn, const char *after)
{
    struct jcall *list = journal__call_new(jn, STORE_LIST, suspect_manifests_listed);
    (void)snprintf(list->call.key, sizeof(list->call.key), "%s", jn->manifest_prefix);
    (void)snprintf(list->call.after, sizeof(list->call.after), "%s", after);
    journal__call_submit(list);
}

static void
suspect_manifest_read(struct jcall *c)
{
    struct journal *jn = c->jn;
    struct sl_error err = SL_ERROR_INIT;
    if (journal__follow_is_stale(c)) {
        return;
    }
    if (c->call.outcome != STORE_DONE) {
        beyond_again(jn, &c->call);
        return;
    }
    if (manifest_decode(buf_span(c->call.body), &jn->suspect_read, &err) != SL_OK) {
        journal__fail(jn, c->call.key, err.msg);
        return;
    }
    list_manifests(jn, c->call.key); /* it may be a ghost; the newest one is none */
}

static void
suspect_manifests_listed(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (journal__follow_is_stale(c)) {
        return;
    }
    if (c->call.outcome != STORE_DONE) {
        beyond_again(jn, &c->call);
        return;
    }
    if (c->call.listing == NULL || c->call.listing->count == 0) {
        const struct manifest m = jn->suspect_read;
        if (m.version == 0 || journal__saw_manifest(jn, &m)) {
            fail_missing(jn);
        }
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
    if (journal__follow_is_stale(c)) {
        return;
    }
    if (c->call.outcome == STORE_DONE) {
        jn->is_judging = false;
        journal__follow_on(jn); /* a live writer put it there between our looks: go on */
        return;
    }
    if (c->call.outcome != STORE_ABSENT) {
        beyond_again(jn, &c->call);
        return;
    }
    jn->suspect_read = (struct manifest){0};
    list_manifests(jn, "");
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
