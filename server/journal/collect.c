/* R5: deleting what no reader needs.
 *
 * A manifest's boundary makes entries up to it collectable; they are deleted G later, by a clock
 * that keeps counting while the machine sleeps. Whoever opens a journal waits G from then, because
 * it cannot know when the boundary was published.
 *
 * A round walks a listing of the journal page by page and has a few deletions under way at a time,
 * so that it costs the same memory however much there is to delete. It passes over the entries
 * behind the boundary without listing them. */
#include "journal/journal_int.h"

#include <stdio.h>

enum { PAGE_KEYS = 1000, DELETIONS_MAX = 32 };
#define AGAIN_NS (30 * SCHED_S)

static void collect_fire(struct sched_timer *t);
static void collect_listed(struct jcall *c);
static void collect_step(struct journal *jn);

void
journal__collect_later(struct journal *jn, uint64_t boundary)
{
    if (jn->o.is_reader ||
        (boundary <= jn->deletable && jn->manifest.version <= jn->doomed_version + 1)) {
        return;
    }
    if (jn->collect_timer.heap_pos != 0 || jn->is_collecting) {
        return; /* the next round takes it along: this one deletes what has waited for G */
    }
    jn->deletable = boundary;
    jn->doomed_version = jn->manifest.version > 0 ? jn->manifest.version - 1 : 0;
    jn->doomed_snapshot_n = jn->manifest.snapshot_n;
    jn->collect_timer.fire = collect_fire;
    sched_timer_after(jn->o.sched, &jn->collect_timer, MISTAKE(no_grace) ? 0 : jn->o.grace_ns);
}

static void
list_page(struct journal *jn, const char *after)
{
    struct jcall *c = journal__call_new(jn, STORE_LIST, collect_listed);
    (void)snprintf(c->call.key, sizeof(c->call.key), "%s", jn->prefix);
    (void)snprintf(c->call.after, sizeof(c->call.after), "%s", after);
    c->call.max_keys = PAGE_KEYS;
    journal__call_submit(c);
}

static void
collect_fire(struct sched_timer *t)
{
    struct journal *jn = SL_CONTAINER_OF(t, struct journal, collect_timer);
    if (jn->mode == JOURNAL_FAILED || jn->mode == JOURNAL_CLOSED) {
        return;
    }
    if (jn->mode == JOURNAL_OPENING) { /* the snapshot may not be there: docs/journal.md, repair */
        sched_timer_after(jn->o.sched, &jn->collect_timer, AGAIN_NS);
        return;
    }
    jn->is_collecting = true;
    list_page(jn, "");
}

void
journal__collect_stop(struct journal *jn)
{
    sched_timer_stop(jn->o.sched, &jn->collect_timer);
    store_listing_free(&jn->page);
    jn->deletions = 0;
    jn->is_collecting = false;
}

static bool
is_doomed(const struct journal *jn, const char *key)
{
    uint64_t n;
    if (entry_key_parse(key, jn->prefix, &n)) {
        return n <= jn->deletable;
    }
    if (entry_key_parse(key, jn->manifest_prefix, &n)) {
        return n <= jn->doomed_version;
    }
    size_t skip = strlen(jn->snapshot_prefix);
    char digits[JOURNAL_KEY_MAX];
    if (strncmp(key, jn->snapshot_prefix, skip) != 0 || strlen(key) < skip + 20) {
        return false;
    }
    int len = snprintf(digits, sizeof(digits), "%s%.20s", jn->snapshot_prefix, key + skip);
    if (len < 0 || (size_t)len >= sizeof(digits)) {
        return false;
    }
    return entry_key_parse(digits, jn->snapshot_prefix, &n) && n < jn->doomed_snapshot_n;
}

static void
deleted(struct jcall *c)
{
    if (c->generation == c->jn->generation) { /* what is left over is found by the next round */
        c->jn->deletions--;
        collect_step(c->jn);
    }
}

static void
delete_doomed(struct journal *jn)
{
    while (jn->page_pos < jn->page->count && jn->deletions < DELETIONS_MAX) {
        const char *key = jn->page->items[jn->page_pos++].key;
        if (is_doomed(jn, key)) {
            struct jcall *del = journal__call_new(jn, STORE_DEL, deleted);
            (void)snprintf(del->call.key, sizeof(del->call.key), "%s", key);
            jn->deletions++;
            journal__call_submit(del);
        }
    }
}

/* Where the listing goes on: behind all entries once it met one that stays. */
static void
next_page(struct journal *jn)
{
    uint64_t n;
    char after[JOURNAL_KEY_MAX];
    const char *last = jn->page->items[jn->page->count - 1].key;
    bool stays = entry_key_parse(last, jn->prefix, &n) && n > jn->deletable;
    if (stays) {
        entry_key(after, sizeof(after), jn->o.prefix, jn->o.index, UINT64_MAX);
    } else {
        span_to_cstr(span_cstr(last), after, sizeof(after));
    }
    store_listing_free(&jn->page);
    list_page(jn, after);
}

static void
collect_step(struct journal *jn)
{
    delete_doomed(jn);
    if (jn->deletions > 0) {
        return;
    }
    if (jn->page->count >= PAGE_KEYS) {
        next_page(jn);
        return;
    }
    store_listing_free(&jn->page);
    jn->is_collecting = false;
    journal__collect_later(jn, jn->manifest.gc_boundary); /* what was published meanwhile */
}

static void
collect_listed(struct jcall *c)
{
    struct journal *jn = c->jn;
    if (c->generation != jn->generation) {
        return;
    }
    if (c->call.outcome != STORE_DONE || c->call.listing == NULL) {
        jn->is_collecting = false;
        sched_timer_after(jn->o.sched, &jn->collect_timer, AGAIN_NS);
        return;
    }
    jn->page = c->call.listing;
    jn->page_pos = 0;
    c->call.listing = NULL;
    collect_step(jn);
}
