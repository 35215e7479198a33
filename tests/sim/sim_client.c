/* Producers, as clients behave (Java and librdkafka): one partition each, up to five batches in
 * flight over one connection to one broker.
 *
 * Idempotent: after any answer but success the client stops sending, waits until what is in flight
 * has ended or timed out, then sends everything unacknowledged again in order, same id, epoch and
 * sequences, at the same broker or another. It believes in a batch for GIVE_UP; then it abandons
 * the window and goes on with a higher epoch or a new id. Now and then a window is split: its rest
 * goes to another broker although the first part is still in flight (a leader that moved). Plain:
 * never sends again.
 *
 * What a broker answers is judged whether or not the client still listens. */
#include "sim.h"

#define GIVE_UP (20 * SIM_MIN)

struct attempt {
    struct append a;
    struct client *client;
    struct sim_broker *b;
    uint64_t incarnation, uid, serial;
    bool is_submitted, is_ended, is_ignored, is_first_unacked;
    uint8_t *bytes;
    struct attempt *next; /* of its client: everything a broker still holds */
};

struct slot {
    uint64_t uid;
    bool is_acked, is_flying;
    int64_t born;
    struct attempt *attempt;
};

struct client {
    int id;
    bool is_idempotent, is_recovering, is_stopped, has_failed, is_part_unknown, must_renew;
    int part;
    int64_t pid;
    int16_t epoch;
    int32_t next_seq;
    struct slot window[SIM_WINDOW];
    int count;
    struct sim_broker *b;
    uint64_t connection, order;
    int64_t retry_at;    /* Kafka's retry.backoff.ms */
    int64_t thinks_till; /* nothing to send */
    int idle_steps;      /* since it last sent anything */
    struct attempt *attempts;
};
static struct client clients[SIM_CLIENTS_MAX];
static int client_count;
static uint64_t connections, serials;

static void client_step(void *arg);

static struct sim_part *
part_of(const struct client *c)
{
    return &sim.parts[c->part];
}

/* --- identity */

static void
take_pid(struct client *c)
{
    if (sim.pid_count == SIM_PIDS_MAX) {
        c->is_stopped = true;
        return;
    }
    c->pid = sim.pid_count++;
    sim.pids[c->pid] = (struct sim_pid){.part = c->part, .last_at = sim.now};
    c->epoch = 0;
    c->next_seq = 0;
}

/* The rest of the window is left to its fate. */
static void
leave_window(struct client *c)
{
    for (int i = 0; i < c->count; i++) {
        if (c->window[i].attempt != NULL) {
            c->window[i].attempt->is_ignored = true;
        }
    }
    c->count = 0;
    c->is_recovering = c->must_renew = false;
}

static void
renew(struct client *c)
{
    leave_window(c);
    if (!c->is_idempotent) {
        return;
    }
    if (rng_chance(&sim.r_client, 500) && c->epoch < 30000) {
        c->epoch++;
        c->next_seq = 0;
        sim_stat(ST_epoch_bump);
    } else {
        take_pid(c);
        sim_stat(ST_new_pid);
    }
}

static bool
choose_part(struct client *c)
{
    int open[SIM_PARTS_MAX];
    int n = 0;
    for (int i = 0; i < sim.part_count; i++) {
        bool is_doomed =
            c->has_failed && sim.is_journal_damaged[sim.parts[i].journal] && !sim.is_repair_forced;
        if (sim.parts[i].phase == PART_OPEN && !sim.parts[i].is_held && !is_doomed) {
            open[n++] = i;
        }
    }
    if (n == 0) {
        return false;
    }
    c->part = open[rng_below(&sim.r_client, (uint64_t)n)];
    c->is_part_unknown = false;
    if (c->is_idempotent) {
        take_pid(c);
    }
    return true;
}

static void
connect_somewhere(struct client *c)
{
    c->b = broker_pick();
    c->connection = ++connections;
}

/* --- one attempt */

static void
attempt_unlink(struct attempt *at)
{
    struct attempt **p = &at->client->attempts;
    while (*p != at) {
        p = &(*p)->next;
    }
    *p = at->next;
}

static void
attempt_free(struct attempt *at)
{
    struct client *c = at->client;
    attempt_unlink(at);
    for (int i = 0; i < c->count; i++) {
        if (c->window[i].attempt == at) {
            c->window[i].attempt = NULL;
        }
    }
    sl_free(at->bytes);
    sl_free(at);
}

static void
judge_ok(struct attempt *at)
{
    char who[32];
    (void)snprintf(who, sizeof(who), "broker %d", at->b->id);
    truth_acked(at->uid, at->a.base_offset, who);
    sim_stat(ST_acked);
    if (at->a.is_duplicate) {
        sim_stat(ST_duplicate);
    }
    if (at->is_ignored) {
        sim_stat(ST_acked_late);
    }
}

static void
judge_refusal(struct attempt *at)
{
    struct sim_part *p = &sim.parts[sim.batches[at->uid].part];
    enum sl_err rc = at->a.rc;
    sim_stat(ST_append_refused);
    truth_refused(at->uid, rc);
    if (rc == SL_EOUT_OF_ORDER_SEQ) {
        sim_stat(ST_out_of_order);
        if (at->is_first_unacked && !at->is_ignored && p->has_lost) {
            at->client->must_renew = true; /* a later one was taken for its first */
        } else if (at->is_first_unacked && !at->is_ignored) {
            sim_violation("a producer is not told that it is out of order when it is not",
                          "broker %d, uid %" PRIu64 ": everything before it is acknowledged",
                          at->b->id, at->uid);
        }
    } else if (rc == SL_EUNKNOWN_PARTITION) {
        at->client->is_part_unknown = true;
    } else if (rc == SL_EPRODUCER_EPOCH) {
        sim_stat(ST_fenced);
        if (!at->is_ignored) {
            sim_violation("nobody fences the newest epoch", "broker %d, uid %" PRIu64, at->b->id,
                          at->uid);
        }
    } else if (rc == SL_EPARTITION_FAILED || rc == SL_ECORRUPT) {
        at->client->has_failed = true;
        if (!sim.is_journal_damaged[p->journal]) {
            sim_violation("nothing fails without damage", "broker %d, append: %s", at->b->id,
                          sl_err_name(rc));
        }
    } else if (rc == SL_EINVAL || rc == SL_EMALFORMED || rc == SL_ENOTSUP || rc == SL_EVERSION ||
               rc == SL_EEXIST) {
        sim_violation("a sound batch is not called bad", "broker %d: %s", at->b->id,
                      sl_err_name(rc));
    }
}

static void
judge(struct attempt *at)
{
    struct sim_batch *b = &sim.batches[at->uid];
    TRACE("client %d uid %" PRIu64 " at b%d: %s %" PRId64 "%s%s", at->client->id, at->uid,
          at->b->id, sl_err_name(at->a.rc), at->a.base_offset,
          at->a.is_duplicate ? " (duplicate)" : "", at->is_ignored ? " (nobody listens)" : "");
    b->open_attempts--;
    if (at->a.rc == SL_OK) {
        judge_ok(at);
    } else if (at->a.rc == SL_ETIMEOUT) {
        b->unknown_attempts++;
        sim_stat(ST_append_timeout);
    } else {
        judge_refusal(at);
    }
}

static struct slot *
slot_of(struct client *c, uint64_t uid)
{
    for (int i = 0; i < c->count; i++) {
        if (c->window[i].uid == uid) {
            return &c->window[i];
        }
    }
    return NULL;
}

static void
slide(struct client *c)
{
    int done = 0;
    while (done < c->count && c->window[done].is_acked) {
        done++;
    }
    memmove(c->window, c->window + done, (size_t)(c->count - done) * sizeof(c->window[0]));
    c->count -= done;
}

/* The client hears about uid, or stops waiting for it. */
static void
client_heard(struct client *c, uint64_t uid, bool is_ok)
{
    struct slot *s = slot_of(c, uid);
    if (s == NULL) {
        return;
    }
    s->attempt = NULL;
    s->is_flying = false;
    if (is_ok || !c->is_idempotent) {
        s->is_acked = true;
        slide(c);
    } else {
        c->is_recovering = true;
        c->retry_at = sim.now + rng_span(&sim.r_client, 5 * SCHED_MS, 200 * SCHED_MS);
    }
}

static void
on_done(struct append *a)
{
    struct attempt *at = SL_CONTAINER_OF(a, struct attempt, a);
    if (at->is_ended) {
        sim_violation("everything ends once", "uid %" PRIu64 " ended twice", at->uid);
    }
    at->is_ended = true;
    judge(at);
    if (!at->is_ignored) {
        client_heard(at->client, at->uid, a->rc == SL_OK);
    }
    attempt_free(at);
}

static void
submit_on_loop(void *arg)
{
    struct attempt *at = arg;
    struct sim_part *p = &sim.parts[sim.batches[at->uid].part];
    at->is_submitted = true;
    sim.batches[at->uid].attempts++;
    sim.batches[at->uid].open_attempts++;
    at->a.deadline_ns =
        sim_sched_now(at->b->sched) + rng_span(&sim.r_client, SCHED_S, sim.k.append_deadline);
    append_submit(at->b->shards[p->journal], &at->a);
}

static void
attempt_timed_out(struct client *c, struct slot *s)
{
    TRACE("client %d gives up waiting for uid %" PRIu64, c->id, s->uid);
    if (s->attempt != NULL) {
        s->attempt->is_ignored = true;
    }
    client_heard(c, s->uid, false);
}

struct patience {
    struct client *c;
    uint64_t uid, serial;
};

static void
on_patience(void *arg)
{
    struct patience *p = arg;
    struct slot *s = slot_of(p->c, p->uid);
    if (s != NULL && s->attempt != NULL && s->attempt->serial == p->serial) {
        attempt_timed_out(p->c, s);
    }
    sl_free(p);
}

static void
send_slot(struct client *c, struct slot *s, struct sim_broker *to)
{
    struct sim_batch *b = &sim.batches[s->uid];
    struct sim_part *p = &sim.parts[b->part];
    struct attempt *at = sl_alloc(sizeof(*at));
    struct patience *pt = sl_alloc(sizeof(*pt));
    at->client = c;
    at->b = to;
    at->incarnation = to->incarnation;
    at->uid = s->uid;
    at->is_first_unacked = s == &c->window[0];
    at->bytes = sl_alloc(b->size);
    sim_batch_encode(s->uid, at->bytes, &at->a.info);
    at->a.topic_id = p->topic_id;
    at->a.partition = p->index;
    at->a.batch = span_of(at->bytes, b->size);
    at->a.is_log_append_time = p->is_append_time;
    at->a.done = on_done;
    at->next = c->attempts;
    c->attempts = at;
    s->attempt = at;
    s->is_flying = true;
    at->serial = ++serials;
    *pt = (struct patience){c, s->uid, at->serial};
    sim_after(rng_span(&sim.r_client, SCHED_S, 3 * SIM_MIN), on_patience, pt);
    TRACE("client %d sends uid %" PRIu64 " (partition %d, pid %" PRId64
          " epoch %d seq %d+%d) to b%d",
          c->id, s->uid, b->part, b->pid, b->epoch, b->seq, b->count, to->id);
    (void)broker_send(to, submit_on_loop, at);
}

/* --- making batches */

static uint64_t
new_batch(struct client *c)
{
    SIM_GROW(sim.batches, sim.batch_count, sim.batch_cap);
    uint64_t uid = sim.batch_count++;
    int32_t count = 1 + (int32_t)rng_below(&sim.r_client, 4);
    sim.batches[uid] = (struct sim_batch){
        .client = c->id,
        .part = c->part,
        .count = count,
        .seq = c->is_idempotent ? c->next_seq : -1,
        .pid = c->is_idempotent ? c->pid : -1,
        .epoch = c->is_idempotent ? c->epoch : (int16_t)-1,
        .size = (uint32_t)(SIM_BATCH_MIN + rng_below(&sim.r_client, sim.k.batch_max)),
        .order = ++c->order,
        .connection = c->connection};
    sim_batch_made(uid);
    c->next_seq += count;
    sim.batches_left--;
    return uid;
}

static void
send_new(struct client *c)
{
    struct slot *s = &c->window[c->count++];
    struct sim_broker *to = c->b;
    *s = (struct slot){.uid = new_batch(c), .born = sim.now};
    if (c->is_idempotent && c->count > 1 && rng_chance(&sim.r_client, 60)) {
        struct sim_broker *other = broker_pick();
        if (other != NULL && other != c->b) {
            sim_stat(ST_split_window);
            c->b = to = other;
        }
    }
    send_slot(c, s, to);
}

static bool
is_flying(const struct client *c)
{
    for (int i = 0; i < c->count; i++) {
        if (c->window[i].is_flying) {
            return true;
        }
    }
    return false;
}

static void
recover(struct client *c)
{
    if (c->must_renew) {
        renew(c);
        return;
    }
    if (sim.now < c->retry_at || (is_flying(c) && !rng_chance(&sim.r_client, 20))) {
        return;
    }
    if (sim.now - c->window[0].born > GIVE_UP && !sim.is_quiet) {
        sim_stat(ST_abandoned);
        renew(c);
        return;
    }
    struct sim_broker *before = c->b;
    if (rng_chance(&sim.r_client, 500) || c->b == NULL || c->b->phase != BROKER_UP) {
        connect_somewhere(c);
    }
    if (c->b == NULL) {
        return;
    }
    c->is_recovering = false;
    for (int i = 0; i < c->count; i++) {
        if (c->window[i].is_acked) {
            continue;
        }
        if (c->window[i].attempt != NULL) {
            c->window[i].attempt->is_ignored = true;
        }
        if (before != c->b) {
            sim_stat(ST_retry_elsewhere);
        }
        send_slot(c, &c->window[i], c->b);
    }
}

static void
client_act(struct client *c)
{
    bool is_gone = part_of(c)->phase == PART_RETIRED ||
                   (part_of(c)->phase == PART_RETIRING && c->is_part_unknown);
    if (is_gone || part_of(c)->phase < PART_OPEN ||
        (c->has_failed && sim.is_journal_damaged[part_of(c)->journal] && !sim.is_repair_forced)) {
        leave_window(c);
        if (!choose_part(c) && c->has_failed) {
            sim.batches_left--; /* nowhere to go: what it would have sent counts as sent */
        }
        return;
    }
    if (c->b == NULL || c->b->phase != BROKER_UP) {
        connect_somewhere(c);
        if (c->b == NULL) {
            return;
        }
    }
    if (c->is_recovering) {
        if (c->count == 0) {
            c->is_recovering = false;
        } else {
            recover(c);
        }
        return;
    }
    if (c->count == 0 && rng_chance(&sim.r_client, 15)) {
        renew(c);
    } else if (c->count == 0 && rng_chance(&sim.r_client, 60)) {
        connect_somewhere(c);
    }
    if (c->b != NULL && c->count < SIM_WINDOW && sim.batches_left > 0 && !sim.is_quiet &&
        !c->is_stopped) {
        send_new(c);
    }
}

static void
client_step(void *arg)
{
    struct client *c = arg;
    int64_t gap = rng_span(&sim.r_client, sim.k.gap_ns / 8, sim.k.gap_ns * 2);
    if (sim.now < c->thinks_till && !sim.is_quiet) {
        sim_after(c->thinks_till - sim.now < SIM_MIN ? c->thinks_till - sim.now : SIM_MIN,
                  client_step, c);
        return;
    }
    if (rng_chance(&sim.r_client, sim.k.long_gap_pm)) {
        c->thinks_till =
            sim.now + rng_span(&sim.r_client, sim.k.long_gap_ns / 8, sim.k.long_gap_ns * 2);
    }
    if (rng_chance(&sim.r_client, 300) && !sim.is_quiet) {
        gap = 0; /* a burst */
    }
    uint64_t before = serials;
    client_act(c);
    c->idle_steps = serials == before ? c->idle_steps + 1 : 0;
    if (c->idle_steps > 5) {
        gap += 10 * SCHED_MS * (c->idle_steps < 50 ? c->idle_steps : 50); /* it waits for answers */
    }
    sim_after(sim.is_quiet && gap < 300 * SCHED_MS ? 300 * SCHED_MS : gap, client_step, c);
}

void
clients_start(void)
{
    client_count = sim.k.idem_clients + sim.k.plain_clients;
    sim.batches_left = sim.k.batches;
    for (int i = 0; i < client_count; i++) {
        struct client *c = &clients[i];
        c->id = i;
        c->is_idempotent = i < sim.k.idem_clients;
        (void)choose_part(c);
        sim_after(rng_span(&sim.r_client, 0, sim.k.gap_ns), client_step, c);
    }
}

/* Connections break: whatever the broker held is unknown to the client. */
void
clients_broker_gone(const struct sim_broker *b, uint64_t incarnation)
{
    for (int i = 0; i < client_count; i++) {
        struct client *c = &clients[i];
        struct attempt *next;
        for (struct attempt *at = c->attempts; at != NULL; at = next) {
            next = at->next;
            if (at->b != b || at->incarnation != incarnation) {
                continue;
            }
            if (at->is_submitted) {
                sim.batches[at->uid].open_attempts--;
                sim.batches[at->uid].unknown_attempts++;
                if (sim.is_destroying) {
                    sim_violation("everything ends once", "uid %" PRIu64 " never ended", at->uid);
                }
            }
            at->is_ended = true;
            if (!at->is_ignored) {
                client_heard(c, at->uid, false);
            }
            attempt_unlink(at); /* leaked with the broker, which points to it */
        }
    }
}

bool
clients_are_idle(void)
{
    for (int i = 0; i < client_count; i++) {
        if (clients[i].count > 0 && !sim.is_journal_damaged[part_of(&clients[i])->journal]) {
            return false;
        }
    }
    return true;
}

void
clients_explain(char *out, size_t cap)
{
    size_t n = 0;
    out[0] = '\0';
    for (int i = 0; i < client_count && n < cap; i++) {
        if (clients[i].count > 0) {
            n += (size_t)snprintf(out + n, cap - n, "client %d waits for uid %" PRIu64 "; ", i,
                                  clients[i].window[0].uid);
        }
    }
}
