/* The journal, as docs/journal.md has it.
 *
 * An entry of ours goes  queue -> slot -> known -> applied:
 *   queue   items that wait to be staged. Staging (propose.c) checks an item against S plus
 * everything in flight and writes it into an entry, so what was checked is what it will be applied
 * to (R2). slot    an entry that was sent. Its PUT ends as won, lost, failed or unknown; unknown is
 * resolved by reading the key (R3). Slots leave in order of n, however their answers come. known an
 * entry, ours or somebody else's, whose content is known and whose link was checked (R1), but which
 * could still turn out to be a ghost: a key that was collected and created again. applied verify.c
 * lets an entry through once R4 vouches for it. Only then does the owner's state change and an item
 * learn its outcome. S is never ahead of `safe`, so nothing that is read from it can be from above
 * it: rule and structure are the same thing.
 *
 * Modes:
 *
 *   CLOSED --open--> OPENING --tail read, verified--> LIVE --lost / refresh--> CATCHUP --tail-->
 * LIVE ^  |                            |                          | |  +--object missing,
 * corrupt---+--------------------------+--> FAILED
 *                      +------------- a boundary passed safe (R4) ----------------+
 *
 * In CATCHUP nothing is staged: the queue waits until everything known is applied, so that staging
 * always sees S plus own entries in flight and never a half-read foreign tail. On a lost entry the
 * items of all slots go back to the head of the queue in their order and are staged again from the
 * first (R3).
 *
 * Why not apply at once and remember what is verified beside it: every reader (fetch, end offsets,
 * retries, snapshots, roller) would have to ask twice, and forgetting it once is a lost record.
 * Waiting costs nothing in the common case, where the window is open and "known" is passed through
 * on the spot. */
#include "base/counters.h"
#include "journal/journal_int.h"

#include <stdio.h>

#ifdef SLUICE_MISTAKES
enum mistake mistake_on;
#endif

static void pump_run(struct sched_task *task);
static void linger_fire(struct sched_timer *t);
static void deadlines_fire(struct sched_timer *t);

static void
join(char out[JOURNAL_KEY_MAX], const char *a, const char *b)
{
    int len = snprintf(out, JOURNAL_KEY_MAX, "%s%s", a, b);
    SL_ASSERT(len > 0 && len < JOURNAL_KEY_MAX - 64); /* config bounds the prefix */
}

struct journal *
journal_new(const struct journal_options *opts)
{
    struct journal *jn = (struct journal *)sl_alloc(sizeof(*jn));
    jn->o = *opts;
    jn->log_kv[0] = KV_U64("journal", opts->index);
    jn->log = (struct diag){opts->log, jn->log_kv, 1};
    journal_prefix(jn->prefix, sizeof(jn->prefix), opts->prefix, opts->index);
    join(jn->manifest_prefix, jn->prefix, "manifest/");
    join(jn->snapshot_prefix, jn->prefix, "snapshot/");
    list_init(&jn->known);
    list_init(&jn->slots);
    list_init(&jn->queue);
    list_init(&jn->fetches);
    list_init(&jn->waiters);
    list_init(&jn->waiters_next);
    jn->pump_task.run = pump_run;
    jn->linger.fire = linger_fire;
    jn->deadlines.fire = deadlines_fire;
    return jn;
}

/* --- store calls --- */

static void
call_done(struct store_call *call)
{
    struct jcall *c = (struct jcall *)call;
    struct journal *jn = c->jn;
    jn->calls--;
    c->answered(c);
    buf_unref(&c->call.body);
    store_listing_free(&c->call.listing);
    bytes_fini(&c->body);
    sl_free(c);
}

struct jcall *
journal__call_new(struct journal *jn, enum store_kind kind, void (*answered)(struct jcall *c))
{
    struct jcall *c = (struct jcall *)sl_alloc(sizeof(*c));
    c->jn = jn;
    c->generation = jn->generation;
    c->follow_generation = jn->follow_generation;
    c->answered = answered;
    c->call.kind = kind;
    c->call.home = jn->o.sched;
    c->call.timeout_ms = CALL_TIMEOUT_MS;
    c->call.done = call_done;
    bytes_init(&c->body, (size_t)1 << 32);
    return c;
}

void
journal__call_submit(struct jcall *c)
{
    c->jn->calls++;
    c->sent_ns = sched_now(c->jn->o.sched);
    store_submit(c->jn->o.store, &c->call);
}

int64_t
journal__backoff(struct journal *jn, int64_t base_ns, unsigned failures, int64_t most_ns)
{
    int64_t span = base_ns << (failures < BACKOFF_STEPS ? failures : BACKOFF_STEPS);
    span = span < most_ns ? span : most_ns;
    span = span > 0 ? span : 1; /* a store that took no time, in tests */
    return 1 + (int64_t)(sched_random(jn->o.sched) % (uint64_t)span);
}

/* --- modes --- */

void
journal__set_mode(struct journal *jn, enum journal_mode mode, const char *why)
{
    enum journal_mode old = jn->mode;
    jn->mode = mode;
    bool is_news = mode == JOURNAL_FAILED || mode == JOURNAL_CLOSED || mode == JOURNAL_OPENING ||
                   old == JOURNAL_OPENING;
    if (is_news && jn->o.app->mode_changed != NULL) {
        jn->o.app->mode_changed(jn->o.app_arg, mode, why);
    }
}

void
journal__end_items(struct list *items, enum sl_err rc, uint64_t n)
{
    struct list mine;
    list_init(&mine);
    list_splice(&mine, items); /* done() may propose again */
    for (struct list *node; (node = list_pop(&mine)) != NULL;) {
        struct journal_item *item = SL_CONTAINER_OF(node, struct journal_item, node);
        item->is_staged = false;
        item->done(item, rc == SL_OK ? item->verdict : rc, n);
    }
}

static void
end_queue(struct journal *jn, enum sl_err rc)
{
    struct list items;
    list_init(&items);
    list_splice(&items, &jn->queue);
    jn->queued_items = 0;
    jn->queued_bytes = jn->queued_data_bytes = 0;
    journal__end_items(&items, rc, 0);
}

static void
end_waiters(struct journal *jn, enum sl_err rc)
{
    list_splice(&jn->waiters, &jn->waiters_next);
    for (struct list *node; (node = list_pop(&jn->waiters)) != NULL;) {
        struct journal_waiter *w = SL_CONTAINER_OF(node, struct journal_waiter, node);
        w->ready(w, rc);
    }
}

/* Lets go of everything that depends on this opening. What was sent may still commit. */
static void
let_go(struct journal *jn, enum sl_err queue_rc)
{
    struct list in_flight;
    list_init(&in_flight);
    jn->generation++;
    journal__follow_stop(jn);
    sched_timer_stop(jn->o.sched, &jn->linger);
    sched_timer_stop(jn->o.sched, &jn->check_timer);
    journal__collect_stop(jn);
    journal__abandon_slots(jn, &in_flight);
    jn->is_checking = jn->is_check_wanted = false;
    jn->is_snapshotting = false;
    journal__clear_known(jn, SL_ETIMEOUT);
    journal__end_items(&in_flight, SL_ETIMEOUT, 0);
    if (queue_rc != SL_OK) {
        end_queue(jn, queue_rc);
    }
}

void
journal__fail(struct journal *jn, const char *key, const char *why)
{
    if (jn->mode == JOURNAL_FAILED || jn->mode == JOURNAL_CLOSED) {
        return;
    }
    (void)snprintf(jn->why, sizeof(jn->why), "%s: %s", key, why);
    SL_ERROR(&jn->log, "journal.failed", KV_STR("object", key), KV_STR("why", why),
             KV_STR("remedy",
                    "restore the object from a copy and restart, or, if there is none, see "
                    "`sluice help log repair`; the other journals go on"));
    let_go(jn, SL_EPARTITION_FAILED);
    journal__set_mode(jn, JOURNAL_FAILED, jn->why);
    end_waiters(jn, SL_EPARTITION_FAILED);
}

void
journal__reopen(struct journal *jn, const char *why)
{
    counter_add(C_journal_reopens, 1);
    SL_WARN(&jn->log, "journal.reopen", KV_STR("why", why), KV_U64("safe", jn->safe));
    let_go(jn, SL_EAGAIN);
    jn->o.app->rollback(jn->o.app_arg);
    journal__open_start(jn);
}

void
journal_open(struct journal *jn)
{
    SCHED_ASSERT_HERE(jn->o.sched);
    SL_ASSERT(jn->mode == JOURNAL_CLOSED);
    jn->is_closing = false;
    journal__open_start(jn);
}

static void
close_now(struct journal *jn, enum sl_err rc)
{
    let_go(jn, rc);
    sched_timer_stop(jn->o.sched, &jn->deadlines);
    journal__set_mode(jn, JOURNAL_CLOSED, "closed");
    end_waiters(jn, SL_ESHUTDOWN);
}

static bool
is_settled(const struct journal *jn)
{
    return list_is_empty(&jn->slots) && list_is_empty(&jn->known);
}

void
journal_close(struct journal *jn, int64_t deadline_ns)
{
    SCHED_ASSERT_HERE(jn->o.sched);
    if (jn->mode == JOURNAL_CLOSED) {
        return;
    }
    jn->is_closing = true;
    jn->close_deadline_ns = deadline_ns;
    end_queue(jn, SL_ESHUTDOWN);
    if (is_settled(jn) || jn->mode != JOURNAL_LIVE || sched_now(jn->o.sched) >= deadline_ns) {
        close_now(jn, SL_ESHUTDOWN);
        return;
    }
    journal__arm_deadlines(jn); /* closes when settled or when the deadline passes */
}

bool
journal_is_idle(const struct journal *jn)
{
    return jn->mode == JOURNAL_CLOSED && jn->calls == 0 && !jn->is_pump_posted &&
           list_is_empty(&jn->queue);
}

void
journal_destroy(struct journal **pjn)
{
    struct journal *jn = *pjn;
    *pjn = NULL;
    if (jn == NULL) {
        return;
    }
    SL_ASSERT(journal_is_idle(jn));
    SL_ASSERT(list_is_empty(&jn->queue) && is_settled(jn) && !jn->is_pump_posted);
    sl_free(jn);
}

/* --- items --- */

static size_t
bytes_of(const struct journal_item *item)
{
    return item->index_bytes + item->data_bytes;
}

void
journal__queue_count(struct journal *jn, const struct journal_item *item)
{
    jn->queued_items++;
    jn->queued_bytes += bytes_of(item);
    jn->queued_data_bytes += item->data_bytes;
}

void
journal__queue_discount(struct journal *jn, const struct journal_item *item)
{
    jn->queued_items--;
    jn->queued_bytes -= bytes_of(item);
    jn->queued_data_bytes -= item->data_bytes;
}

static enum sl_err
refusal(const struct journal *jn, const struct journal_item *item)
{
    if (jn->mode == JOURNAL_FAILED) {
        return SL_EPARTITION_FAILED;
    }
    if (jn->mode == JOURNAL_CLOSED || jn->is_closing) {
        return SL_ESHUTDOWN;
    }
    if (jn->o.is_reader) {
        return SL_ENOTSUP;
    }
    if (jn->queued_bytes > 0 && jn->queued_bytes + bytes_of(item) > jn->o.queue_max_bytes) {
        return SL_EAGAIN;
    }
    return SL_OK;
}

void
journal_propose(struct journal *jn, struct journal_item *item)
{
    SCHED_ASSERT_HERE(jn->o.sched);
    item->verdict = refusal(jn, item);
    item->is_staged = false;
    item->looks_before = jn->looks_begun;
    if (list_is_empty(&jn->queue)) {
        jn->oldest_queued_ns = sched_now(jn->o.sched);
    }
    list_append(&jn->queue, &item->node);
    journal__queue_count(jn, item);
    if (item->verdict == SL_OK) {
        journal__arm_deadlines(jn);
    }
    journal__pump_soon(jn);
}

/* Items that propose() had to refuse still stand in the queue, because done() never runs within
 * propose. */
static void
end_refused(struct journal *jn)
{
    struct list refused;
    list_init(&refused);
    LIST_FOREACH_SAFE(node, tmp, &jn->queue)
    {
        struct journal_item *item = SL_CONTAINER_OF(node, struct journal_item, node);
        if (item->verdict != SL_OK) {
            journal__queue_discount(jn, item);
            list_remove(node);
            list_append(&refused, node);
        }
    }
    journal__end_items(&refused, SL_OK, 0); /* each has its own verdict */
}

void
journal__pump_soon(struct journal *jn)
{
    if (!jn->is_pump_posted) {
        jn->is_pump_posted = true;
        sched_post(jn->o.sched, &jn->pump_task);
    }
}

static void
pump_run(struct sched_task *task)
{
    struct journal *jn = SL_CONTAINER_OF(task, struct journal, pump_task);
    jn->is_pump_posted = false;
    end_refused(jn);
    journal__pump(jn);
}

static void
linger_fire(struct sched_timer *t)
{
    journal__pump(SL_CONTAINER_OF(t, struct journal, linger));
}

/* --- deadlines --- */

static void
take_expired(struct list *from, struct list *to, int64_t now)
{
    LIST_FOREACH_SAFE(node, tmp, from)
    {
        struct journal_item *item = SL_CONTAINER_OF(node, struct journal_item, node);
        if (item->deadline_ns <= now) {
            list_remove(node);
            list_append(to, node);
        }
    }
}

static void
expire(struct journal *jn, int64_t now)
{
    struct list expired;
    list_init(&expired);
    LIST_FOREACH(node, &jn->slots)
    {
        take_expired(&SL_CONTAINER_OF(node, struct slot, node)->items, &expired, now);
    }
    LIST_FOREACH(node, &jn->known)
    {
        take_expired(&SL_CONTAINER_OF(node, struct known, node)->items, &expired, now);
    }
    LIST_FOREACH_SAFE(node, tmp, &jn->queue)
    {
        struct journal_item *item = SL_CONTAINER_OF(node, struct journal_item, node);
        if (item->deadline_ns <= now) {
            journal__queue_discount(jn, item);
            list_remove(node);
            list_append(&expired, node);
        }
    }
    journal__end_items(&expired, SL_ETIMEOUT, 0);
}

void
journal__arm_deadlines(struct journal *jn)
{
    if (jn->deadlines.heap_pos == 0) {
        sched_timer_after(jn->o.sched, &jn->deadlines, 100 * SCHED_MS);
    }
}

static void
deadlines_fire(struct sched_timer *t)
{
    struct journal *jn = SL_CONTAINER_OF(t, struct journal, deadlines);
    int64_t now = sched_now(jn->o.sched);
    expire(jn, now);
    if (jn->is_closing && jn->mode != JOURNAL_CLOSED &&
        (is_settled(jn) || now >= jn->close_deadline_ns)) {
        close_now(jn, SL_ESHUTDOWN);
        return;
    }
    if (jn->is_closing ? jn->mode != JOURNAL_CLOSED
                       : !is_settled(jn) || !list_is_empty(&jn->queue)) {
        journal__arm_deadlines(jn);
    }
}

/* --- looking at it --- */

uint32_t
journal_index(const struct journal *jn)
{
    return jn->o.index;
}

void
journal_status(const struct journal *jn, struct journal_status *ret)
{
    *ret = (struct journal_status){.mode = jn->mode,
                                   .safe = jn->safe,
                                   .safe_id = jn->safe_id,
                                   .last_won = jn->last_won,
                                   .snapshot_n = jn->manifest.snapshot_n,
                                   .gc_boundary = jn->boundary_seen,
                                   .manifest_version = jn->manifest.version,
                                   .in_flight = jn->slot_count,
                                   .queued_items = jn->queued_items,
                                   .queued_bytes = jn->queued_bytes,
                                   .snapshot_bytes = jn->last_snapshot_bytes};
    (void)snprintf(ret->why, sizeof(ret->why), "%s", jn->mode == JOURNAL_FAILED ? jn->why : "");
}

/* Are the numbers of known entries and slots dense, from safe on? Gives the last. */
static uint64_t
check_chain(const struct journal *jn)
{
    uint64_t n = jn->safe;
    LIST_FOREACH(node, &jn->known)
    {
        SL_ASSERT(SL_CONTAINER_OF(node, struct known, node)->n == ++n);
    }
    SL_ASSERT(n == jn->tail);
    LIST_FOREACH(node, &jn->slots)
    {
        SL_ASSERT(SL_CONTAINER_OF(node, struct slot, node)->n == ++n);
    }
    return n;
}

void
journal_check(const struct journal *jn)
{
    uint64_t n = check_chain(jn);
    SL_ASSERT(list_is_empty(&jn->slots) || jn->next_n == n + 1);
    SL_ASSERT(n - jn->tail <= KNOWN_MAX);
    SL_ASSERT(jn->mode == JOURNAL_FAILED || jn->boundary_seen <= jn->safe);
}
