/* R2 and R3: staging items into entries, sending them, and finding out what became of them. */
#include "base/counters.h"
#include "journal/journal_int.h"

#include <stdio.h>

static void requeue(struct journal *jn, struct list *items);
static void put_answered(struct jcall *c);
static void resolve_answered(struct jcall *c);
static void slot_retry(struct sched_timer *t);

/* --- building an entry --- */

/* How many items from the head of the queue go into the next entry, and how much room they need. */
struct plan {
    size_t items, index_bytes, data_bytes;
    bool is_alone;
};

static struct plan
plan_entry(const struct journal *jn)
{
    struct plan p = {0};
    LIST_FOREACH(node, &jn->queue)
    {
        const struct journal_item *item = SL_CONTAINER_OF(node, struct journal_item, node);
        if (p.items > 0 &&
            (item->is_alone || p.data_bytes + item->data_bytes > jn->o.entry_max_bytes ||
             p.index_bytes + item->index_bytes > jn->o.entry_max_bytes)) {
            break;
        }
        p.items++;
        p.index_bytes += item->index_bytes;
        p.data_bytes += item->data_bytes;
        if (item->is_alone) {
            p.is_alone = true;
            break;
        }
    }
    return p;
}

static struct slot *
slot_new(struct journal *jn, const struct plan *p)
{
    struct slot *s = (struct slot *)sl_alloc(sizeof(*s));
    s->jn = jn;
    s->n = jn->next_n;
    s->id = uuid_random(jn->o.sched);
    s->retry.fire = slot_retry;
    list_init(&s->node);
    list_init(&s->items);
    entry_builder_init(&s->b, p->index_bytes, p->data_bytes);
    return s;
}

static void
slot_free(struct slot *s)
{
    sched_timer_stop(s->jn->o.sched, &s->retry);
    entry_builder_fini(&s->b);
    buf_unref(&s->found.body);
    sl_free(s);
}

/* True when the item added something to the entry. */
static bool
stage_one(struct journal_item *item, struct entry_builder *b)
{
    uint32_t before = b->item_count;
    item->verdict = item->stage(item, b);
    item->is_staged = true;
    return b->item_count > before;
}

static void
stage_items(struct journal *jn, struct slot *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct list *node = list_pop(&jn->queue);
        struct journal_item *item = SL_CONTAINER_OF(node, struct journal_item, node);
        journal__queue_discount(jn, item);
        if (!stage_one(item, &s->b) && MISTAKE(dup_above_safe) && item->verdict == SL_OK) {
            item->done(item, SL_OK, 0);
            continue;
        }
        list_append(&s->items, node);
    }
    jn->oldest_queued_ns = sched_now(jn->o.sched);
}

/* A refusal because something is missing in S: another broker may have written it. */
static bool
needs_look(const struct journal *jn, const struct journal_item *item)
{
    return item->verdict != SL_OK && item->verdict != SL_EPRODUCER_EPOCH &&
           jn->looks_done <= item->looks_before;
}

/* Puts the refusals that cannot be told yet back at the head of the queue, in their order. */
static void
hold_refusals(struct journal *jn, struct list *items)
{
    struct list held;
    list_init(&held);
    LIST_FOREACH_SAFE(node, tmp, items)
    {
        struct journal_item *item = SL_CONTAINER_OF(node, struct journal_item, node);
        if (needs_look(jn, item)) {
            list_remove(node);
            list_append(&held, node);
        }
    }
    if (!list_is_empty(&held)) {
        requeue(jn, &held);
        jn->is_look_wanted = true;
    }
}

/* Nothing was appended. What is already there rests on what is in flight and is told when that is
 * verified. In an entry that is sent, refusals ride along: that it is won proves that nothing was
 * missing. Here they need a look at the tail. */
static void
settle_verdicts(struct journal *jn, struct slot *s)
{
    struct list verdicts;
    list_init(&verdicts);
    list_splice(&verdicts, &s->items);
    slot_free(s);
    hold_refusals(jn, &verdicts);
    if (!list_is_empty(&jn->slots)) {
        list_splice(&SL_CONTAINER_OF(jn->slots.prev, struct slot, node)->items, &verdicts);
    } else if (!list_is_empty(&jn->known)) {
        list_splice(&SL_CONTAINER_OF(jn->known.prev, struct known, node)->items, &verdicts);
    } else {
        journal__end_items(&verdicts, SL_OK, jn->safe);
    }
}

static void
seal(struct journal *jn, struct slot *s)
{
    struct entry_header h = {.cluster = jn->o.cluster,
                             .id = s->id,
                             .prev_id = jn->last_id,
                             .journal = jn->o.index,
                             .writer = jn->o.node_id,
                             .n = s->n,
                             .acked_through = jn->safe,
                             .time_ms = sched_wall_ms(jn->o.sched),
                             .round_ms = journal__pace_round_ms(jn)};
    s->object = entry_builder_seal(&s->b, &h, &s->crc);
    jn->last_id = s->id;
    jn->next_n = s->n + 1;
}

/* --- sending --- */

/* What is left to the one who can wait longest (R3), within reason: the outcome must become known
 * even when nobody waits for it any more, and it takes a GET after a PUT that came to nothing. */
static uint32_t
time_left_ms(const struct slot *s)
{
    int64_t latest_ns = 0;
    LIST_FOREACH(node, &s->items)
    {
        int64_t due_ns = SL_CONTAINER_OF(node, struct journal_item, node)->deadline_ns;
        latest_ns = due_ns > latest_ns ? due_ns : latest_ns;
    }
    int64_t now = sched_now(s->jn->o.sched);
    int64_t left_ms = latest_ns > now ? (latest_ns - now) / SCHED_MS : 0;
    left_ms = left_ms < CALL_TIMEOUT_MS ? left_ms : CALL_TIMEOUT_MS;
    return left_ms > CALL_TIMEOUT_MIN_MS ? (uint32_t)left_ms : CALL_TIMEOUT_MIN_MS;
}

static void
send_put(struct slot *s)
{
    struct jcall *c = journal__call_new(s->jn, STORE_PUT, put_answered);
    c->call.timeout_ms = time_left_ms(s);
    entry_key(c->call.key, sizeof(c->call.key), s->jn->o.prefix, s->jn->o.index, s->n);
    c->call.parts[0] = s->object;
    c->call.part_count = 1;
    c->call.if_absent = true;
    c->call.is_sequence = true;
    c->call.has_crc = true;
    c->call.crc32c = s->crc;
    c->slot = s;
    s->has_call = true;
    s->state = SLOT_PUTTING;
    if (s->sent_ns == 0) {
        s->sent_ns = sched_now(s->jn->o.sched); /* the first attempt may be the one that wins */
    }
    journal__call_submit(c);
}

static void
send_resolve(struct slot *s)
{
    struct jcall *c = journal__call_new(s->jn, STORE_GET, resolve_answered);
    entry_key(c->call.key, sizeof(c->call.key), s->jn->o.prefix, s->jn->o.index, s->n);
    c->call.timeout_ms = time_left_ms(s);
    c->call.length = HEAD_GUESS; /* if it is another's, it will be applied next */
    c->slot = s;
    s->has_call = true;
    s->state = SLOT_RESOLVING;
    journal__call_submit(c);
}

static void
propose_one(struct journal *jn, const struct plan *p)
{
    struct slot *s = slot_new(jn, p);
    stage_items(jn, s, p->items);
    if (s->b.item_count == 0) {
        settle_verdicts(jn, s);
        return;
    }
    seal(jn, s);
    jn->alone_n = p->is_alone ? s->n : jn->alone_n;
    list_append(&jn->slots, &s->node);
    jn->slot_count++;
    send_put(s);
}

static bool
is_alone_next(const struct journal *jn)
{
    return SL_CONTAINER_OF(jn->queue.next, const struct journal_item, node)->is_alone;
}

/* Something is in flight and there is room for more. Is it worth a request of its own? When there
 * is much to send, yes. Else an object store's round trip is so long that the linger decides; on a
 * local store, where it is not set, the next entry gathers until a PUT returns: a millisecond saved
 * by sending early costs the CPU of a request for each handful of records. */
static bool
is_worth_a_put(struct journal *jn)
{
    if (jn->queued_data_bytes >= GATHER_BYTES ||
        jn->queued_data_bytes >= jn->o.entry_max_bytes / 2) {
        return true;
    }
    if (jn->o.linger_ns == 0) {
        return false;
    }
    int64_t due_ns = jn->oldest_queued_ns + jn->o.linger_ns;
    if (sched_now(jn->o.sched) >= due_ns) {
        return true;
    }
    sched_timer_at(jn->o.sched, &jn->linger, due_ns);
    return false;
}

/* Pace: at once when nothing is in flight, else when it is worth it, up to k. */
/* Known entries, and own ones behind them: one whose outcome is not known for long holds up all
 * that were won behind it. */
static uint64_t
unverified(const struct journal *jn)
{
    uint64_t own = list_is_empty(&jn->slots) ? 0 : jn->next_n - 1 - jn->tail;
    return jn->known_count + own;
}

static bool
may_flush(struct journal *jn)
{
    bool is_busy = !list_is_empty(&jn->slots) || !list_is_empty(&jn->known);
    jn->is_draining = jn->is_draining && !list_is_empty(&jn->known);
    if (jn->is_draining || jn->is_look_wanted || (is_busy && is_alone_next(jn)) ||
        jn->alone_n > jn->safe) { /* what an op on its way changes is not in the speculation */
        return false;
    }
    uint32_t k = journal__pace_has_company(jn) ? 1 : jn->o.max_in_flight;
    if (jn->slot_count >= k || unverified(jn) >= KNOWN_MAX || !journal__pace_may_send(jn)) {
        return false;
    }
    return jn->slot_count == 0 || is_worth_a_put(jn);
}

void
journal__pump(struct journal *jn)
{
    while (jn->mode == JOURNAL_LIVE && !list_is_empty(&jn->queue) && may_flush(jn)) {
        struct plan p = plan_entry(jn);
        propose_one(jn, &p);
    }
    journal__look_maybe(jn);
}

static void
knock_answered(struct jcall *c)
{
    (void)c; /* there or not: the other broker is heard of either way */
}

void
journal__knock(struct journal *jn, uint64_t n)
{
    struct uuid nobody = uuid_random(jn->o.sched); /* links to nothing, so the entry is void */
    struct entry_builder b;
    struct entry_header h = {.cluster = jn->o.cluster,
                             .id = uuid_random(jn->o.sched),
                             .prev_id = nobody,
                             .journal = jn->o.index,
                             .writer = jn->o.node_id,
                             .n = n,
                             .acked_through = jn->safe,
                             .time_ms = sched_wall_ms(jn->o.sched),
                             .round_ms = journal__pace_round_ms(jn)};
    struct jcall *c = journal__call_new(jn, STORE_PUT, knock_answered);
    entry_builder_init(&b, 0, 0);
    struct span object = entry_builder_seal(&b, &h, &c->call.crc32c);
    bytes_append(&c->body, object.ptr, object.len);
    entry_builder_fini(&b);
    entry_key(c->call.key, sizeof(c->call.key), jn->o.prefix, jn->o.index, h.n);
    c->call.parts[0] = bytes_span(&c->body);
    c->call.part_count = 1;
    c->call.if_absent = c->call.is_sequence = c->call.has_crc = true;
    journal__call_submit(c);
}

/* --- outcomes --- */

/* The slot of an answer, or NULL when nobody waits for it any more. */
static struct slot *
slot_of(struct jcall *c)
{
    struct slot *s = c->slot;
    s->has_call = false;
    if (s->is_abandoned) {
        slot_free(s);
        return NULL;
    }
    return s;
}

static void
slot_resolved(struct slot *s, enum slot_state state, int64_t ended_ns)
{
    struct journal *jn = s->jn;
    s->state = state;
    s->ended_ns = ended_ns;
    jn->slot_count--;
    if (state == SLOT_WON) {
        jn->last_won = s->n;
        jn->failures = 0;
        journal__pace_won(jn, ended_ns);
        counter_add(C_journal_entries_won, 1);
        counter_add(C_journal_bytes, (int64_t)s->object.len);
        if (MISTAKE(ack_out_of_order)) {
            journal__end_items(&s->items, SL_OK, s->n);
        }
    }
    journal__advance_slots(jn);
}

static void
retry_later(struct slot *s)
{
    int64_t delay = journal__backoff(s->jn, 5 * SCHED_MS, s->tries++, 2 * SCHED_S);
    sched_timer_after(s->jn->o.sched, &s->retry, delay);
}

static void
slot_retry(struct sched_timer *t)
{
    struct slot *s = SL_CONTAINER_OF(t, struct slot, retry);
    if (s->state == SLOT_PUTTING) {
        send_put(s);
    } else {
        send_resolve(s);
    }
}

/* The store said that nothing was stored and nothing will be. A busy store is asked again; anything
 * else is told to the clients, whose retry will find the cause gone or not. */
static void
put_refused(struct slot *s, const struct store_call *call)
{
    if (s->is_doubtful || call->rc == SL_EAGAIN || call->rc == SL_ETIMEOUT ||
        call->rc == SL_ECANCELED) {
        s->state = SLOT_PUTTING;
        retry_later(s);
        return;
    }
    static struct diag_limit limit;
    if (diag_limit_ok(&limit, 2)) {
        SL_ERROR(&s->jn->log, "journal.put_failed", KV_STR("object", call->key), KV_ERR(call->rc),
                 KV_STR("why", call->why));
    }
    s->rc = call->rc;
    slot_resolved(s, SLOT_FAILED, call->ended_ns);
}

static void
put_answered(struct jcall *c)
{
    struct slot *s = slot_of(c);
    if (s == NULL) {
        return;
    }
    switch (c->call.outcome) {
    case STORE_DONE:
        journal__pace_put(s->jn, c->call.ended_ns - c->sent_ns);
        slot_resolved(s, SLOT_WON, c->call.ended_ns);
        break;
    case STORE_EXISTS:
        if (MISTAKE(every_412_lost)) {
            slot_resolved(s, SLOT_LOST, c->call.ended_ns);
            break;
        }
        send_resolve(s);
        break;
    case STORE_UNKNOWN:
        counter_add(C_journal_unknown, 1);
        s->is_doubtful = true;
        if (MISTAKE(no_resolve)) {
            slot_resolved(s, SLOT_LOST, c->call.ended_ns);
            break;
        }
        send_resolve(s);
        break;
    default:
        put_refused(s, &c->call);
        break;
    }
}

static void
resolve_answered(struct jcall *c)
{
    struct slot *s = slot_of(c);
    if (s == NULL) {
        return;
    }
    if (c->call.outcome == STORE_ABSENT) {
        s->state = SLOT_PUTTING; /* the identical bytes again */
        retry_later(s);
        return;
    }
    if (c->call.outcome != STORE_DONE) {
        retry_later(s);
        return;
    }
    const struct buf *body = c->call.body;
    bool is_mine = body->len >= ENTRY_HEADER_BYTES && entry_peek_is(body->data, &s->id);
    journal__pace_get(s->jn, c->call.ended_ns - c->sent_ns);
    if (!is_mine) {
        s->found = (struct found){c->call.body, c->call.object_size, c->call.ended_ns};
        c->call.body = NULL;
    }
    slot_resolved(s, is_mine ? SLOT_WON : SLOT_LOST, c->call.ended_ns);
}

/* --- leaving the front --- */

static void
slot_abandon(struct slot *s)
{
    list_remove(&s->node);
    sched_timer_stop(s->jn->o.sched, &s->retry);
    s->is_abandoned = true;
    if (!s->has_call) {
        slot_free(s);
    }
}

void
journal__abandon_slots(struct journal *jn, struct list *items)
{
    while (!list_is_empty(&jn->slots)) {
        struct slot *s = SL_CONTAINER_OF(jn->slots.next, struct slot, node);
        list_splice(items, &s->items);
        slot_abandon(s);
    }
    jn->slot_count = 0;
    jn->alone_n = jn->alone_n > jn->tail ? 0 : jn->alone_n;
}

static void
requeue(struct journal *jn, struct list *items)
{
    LIST_FOREACH(node, items)
    {
        struct journal_item *item = SL_CONTAINER_OF(node, struct journal_item, node);
        item->is_staged = false;
        item->verdict = SL_OK;
        journal__queue_count(jn, item);
    }
    list_splice(items, &jn->queue);
    list_splice(&jn->queue, items);
}

/* Somebody else has this n. Everything of ours from n on is void for everybody: the whole queue is
 * proposed again, in order, once the tail is read (R3, R9). */
static void
lost(struct journal *jn, struct slot *s)
{
    struct list items;
    struct found found = s->found;
    s->found.body = NULL;
    list_init(&items);
    counter_add(C_journal_entries_lost, 1);
    static struct diag_limit limit;
    if (diag_limit_ok(&limit, 1)) { /* two busy writers lose to each other all the time */
        SL_INFO(&jn->log, "journal.lost_entry", KV_U64("n", s->n),
                KV_STR("meaning", "another broker writes this journal; reading its entries"));
    }
    if (MISTAKE(repropose_only_lost)) {
        list_splice(&items, &s->items);
        slot_abandon(s);
        requeue(jn, &items);
        LIST_FOREACH(node, &jn->slots)
        {
            SL_CONTAINER_OF(node, struct slot, node)->state = SLOT_WON;
        }
        struct list others;
        list_init(&others);
        journal__abandon_slots(jn, &others);
        journal__end_items(&others, SL_OK, jn->safe);
    } else {
        journal__abandon_slots(jn, &items);
        requeue(jn, &items);
    }
    jn->o.app->rollback(jn->o.app_arg);
    journal__pace_lost(jn);
    journal__follow_lost(jn, &found);
}

/* n was never created and will not be, so neither will anything that links to it. */
static void
failed(struct journal *jn, struct slot *s)
{
    struct list items;
    list_init(&items);
    enum sl_err rc = s->rc;
    journal__abandon_slots(jn, &items);
    jn->o.app->rollback(jn->o.app_arg);
    jn->is_draining = true; /* entries that were won before it may still be unverified */
    jn->next_n = jn->tail + 1;
    jn->last_id = jn->tail_id;
    jn->propose_not_before_ns =
        sched_now(jn->o.sched) + journal__backoff(jn, 20 * SCHED_MS, jn->failures++, SCHED_S);
    journal__end_items(&items, rc, 0);
    journal__pump_soon(jn);
}

/* An own entry that is in the store under its n, behind only such entries: its content is known. */
static void
won(struct journal *jn, struct slot *s)
{
    struct sl_error err = SL_ERROR_INIT;
    size_t need;
    struct known *k = (struct known *)sl_alloc(sizeof(*k));
    k->n = s->n;
    k->id = s->id;
    k->is_own = true;
    k->sent_ns = s->sent_ns;
    k->ended_ns = s->ended_ns;
    k->object = s->object;
    k->body = buf_ref(s->b.buf);
    list_init(&k->items);
    list_splice(&k->items, &s->items);
    enum sl_err rc = entry_parse(k->object, &k->view, &need, &err);
    SL_ASSERT(rc == SL_OK); /* we built it */
    k->view.is_own = true;
    list_append(&jn->known, &k->node);
    jn->known_count++;
    jn->tail = s->n;
    jn->tail_id = s->id;
    slot_abandon(s);
}

void
journal__advance_slots(struct journal *jn)
{
    while (!list_is_empty(&jn->slots)) {
        struct slot *s = SL_CONTAINER_OF(jn->slots.next, struct slot, node);
        if (s->state == SLOT_WON) {
            won(jn, s);
        } else if (s->state == SLOT_LOST) {
            lost(jn, s);
            return;
        } else if (s->state == SLOT_FAILED) {
            failed(jn, s);
            break;
        } else {
            break;
        }
    }
    journal__verify(jn);
    journal__pump(jn);
}
