/* Readers, sleepers, and the probes at the end.
 *
 * A reader follows one partition, at whichever broker it likes, sometimes looks at what is old, and
 * hands every answer to the truth. A sleeper waits with part_wait. A probe, when all is quiet,
 * appends one record to every open partition at every broker and reads every partition whole. */
#include "sim.h"

struct reading {
    struct part_read r;
    struct sim_broker *b;
    uint64_t incarnation;
    struct sim_part *p;
    int64_t asked_at, end_floor, start_floor; /* shown by this incarnation before it was asked */
    void (*then)(struct reading *rd);         /* NULL: nothing more */
    void *arg;
    void (*heard)(void *arg, const struct part_read *r); /* readers_read */
    bool is_submitted, is_refreshed;
    struct reading *next, *prev;
};

struct reader {
    int part;
    int64_t offset;
    bool is_waiting;
    int steps;
};
enum { STEPS_EAGER = 400 };

struct sleeper {
    struct part_waiter w;
    struct sim_broker *b;
    uint64_t incarnation;
    struct sim_part *p;
    bool is_over; /* woken, or its broker is gone */
    struct sleeper *next, *prev;
};

static struct reader readers[SIM_READERS_MAX];
static struct reading readings = {.next = &readings, .prev = &readings};
static struct sleeper sleepers = {.next = &sleepers, .prev = &sleepers};

static void probe_heard(struct reading *rd);

static void
reading_free(struct reading *rd)
{
    rd->prev->next = rd->next;
    rd->next->prev = rd->prev;
    sl_free(rd);
}

static void
on_read(struct part_read *r)
{
    struct reading *rd = SL_CONTAINER_OF(r, struct reading, r);
    int gid = (int)(rd->p - sim.parts);
    TRACE("b%d       read partition %d at %" PRId64 ": %s, %zu bytes, start %" PRId64
          ", end %" PRId64 "%s",
          rd->b->id, gid, r->offset, sl_err_name(r->rc), r->total_bytes, r->log_start,
          r->high_watermark, rd->is_refreshed ? " (fresh)" : "");
    sim_stat(ST_reads);
    if (r->rc == SL_OK) {
        sim_stat(r->piece_count > 0 ? ST_reads_bytes : ST_reads);
        if (rd->is_refreshed && r->piece_count == 0) {
            sim_stat(ST_reads_refreshed);
        }
        if (r->offset + 20 < r->high_watermark) {
            sim_stat(ST_reads_old);
        }
    } else {
        sim_stat(r->rc == SL_EOFFSET_RANGE ? ST_reads_range : ST_reads_failed);
        if (r->rc == SL_EPARTITION_FAILED) {
            sim_stat(ST_failed_loudly);
        }
    }
    if (sim.is_repair_forced && rd->b->start_shown[gid] < rd->start_floor) {
        rd->start_floor = rd->b->start_shown[gid]; /* a trim was given up */
    }
    if (r->rc == SL_OK && (r->high_watermark < rd->end_floor || r->log_start < rd->start_floor)) {
        sim_violation("end and start never go back",
                      "broker %d, partition %d: start %" PRId64 " after %" PRId64 ", end %" PRId64
                      " after %" PRId64,
                      rd->b->id, gid, r->log_start, rd->start_floor, r->high_watermark,
                      rd->end_floor);
    }
    if (r->is_late) {
        sim_stat(ST_reads_late);
    }
    truth_read(rd->p, r, rd->b->id, rd->asked_at, rd->is_refreshed && !r->is_late);
    if (rd->then != NULL) {
        rd->then(rd);
    }
    if (rd->heard != NULL) {
        rd->heard(rd->arg, r);
    }
    part_read_fini(r);
    reading_free(rd);
}

static void
read_on_loop(void *arg)
{
    struct reading *rd = arg;
    rd->asked_at = sim.now;
    rd->end_floor = rd->b->end_shown[rd->p - sim.parts];
    rd->start_floor = rd->b->start_shown[rd->p - sim.parts];
    rd->is_submitted = true;
    rd->is_refreshed = !rd->r.is_tail_ok;
    if (rd->is_refreshed && rd->then != probe_heard && rng_chance(&sim.r_client, 500)) {
        rd->r.tail_deadline_ns =
            sim_sched_now(rd->b->sched) + rng_span(&sim.r_client, SCHED_MS, 20 * SCHED_S);
    }
    TRACE("b%d       read partition %td at %" PRId64 " begins%s", rd->b->id, rd->p - sim.parts,
          rd->r.offset, rd->is_refreshed ? " (fresh)" : "");
    rd->r.gives_way = true;
    part_read_submit(rd->b->shards[rd->p->journal], &rd->r);
}

static struct reading *
reading_new(struct sim_broker *b, struct sim_part *p, int64_t offset)
{
    struct reading *rd = sl_alloc(sizeof(*rd));
    rd->b = b;
    rd->incarnation = b->incarnation;
    rd->p = p;
    rd->r.topic_id = p->topic_id;
    rd->r.partition = p->index;
    rd->r.offset = offset;
    rd->r.is_at_least_one = true;
    rd->r.done = on_read;
    rd->next = readings.next;
    rd->prev = &readings;
    rd->next->prev = rd;
    readings.next = rd;
    return rd;
}

/* --- readers while it runs */

static int64_t
end_of(const struct part_read *r)
{
    int64_t end = r->offset;
    struct span rest = sim_read_bytes(r);
    struct sim_seen s;
    const char *why;
    while (sim_batch_decode(&rest, &s, &why)) {
        end = s.last + 1;
    }
    return end;
}

static void
reader_heard(struct reading *rd)
{
    struct reader *me = rd->arg;
    me->is_waiting = false;
    if (&sim.parts[me->part] != rd->p) {
        return;
    }
    if (rd->r.rc == SL_OK) {
        me->offset = end_of(&rd->r);
    } else if (rd->r.rc == SL_EOFFSET_RANGE) {
        me->offset = rd->r.log_start > me->offset ? rd->r.log_start : rd->p->trim_intent;
    }
}

static void
sleeper_ends(struct sleeper *s)
{
    s->is_over = true;
    s->prev->next = s->next;
    s->next->prev = s->prev;
    s->next = s->prev = s;
}

static void
on_wake(struct part_waiter *w)
{
    struct sleeper *s = SL_CONTAINER_OF(w, struct sleeper, w);
    sim_stat(ST_wakes);
    sleeper_ends(s);
}

static void
cancel_on_loop(void *arg)
{
    struct sleeper *s = arg;
    if (!s->is_over) {
        part_wait_cancel(s->b->shards[s->p->journal], &s->w);
        sleeper_ends(s);
    }
    sl_free(s);
}

/* As a fetch that has waited for its max_wait. */
static void
on_slept_enough(void *arg)
{
    struct sleeper *s = arg;
    if (s->is_over || s->b->incarnation != s->incarnation) {
        sl_free(s);
    } else if (!broker_send(s->b, cancel_on_loop, s)) {
        sim_after(SCHED_S, on_slept_enough, s);
    }
}

static void
sleep_on_loop(void *arg)
{
    struct sleeper *s = arg;
    s->next = sleepers.next;
    s->prev = &sleepers;
    s->next->prev = s;
    sleepers.next = s;
    if (!part_wait(s->b->shards[s->p->journal], &s->p->topic_id, s->p->index, &s->w)) {
        sleeper_ends(s);
        sl_free(s);
        return;
    }
    sim_stat(ST_waits);
    sim_after(rng_span(&sim.r_client, 100 * SCHED_MS, SIM_MIN), on_slept_enough, s);
}

static void
go_to_sleep(struct sim_broker *b, struct sim_part *p, int64_t offset)
{
    struct sleeper *s = sl_alloc(sizeof(*s));
    list_init(&s->w.node);
    s->w.offset = offset;
    s->w.wake = on_wake;
    s->b = b;
    s->incarnation = b->incarnation;
    s->p = p;
    if (!broker_send(b, sleep_on_loop, s)) {
        sl_free(s);
    }
}

/* --- lookups of start and end */

struct looking {
    struct part_lookup l;
    struct sim_broker *b;
    struct sim_part *p;
    int64_t asked_at;
};

static void
on_looked_up(struct part_lookup *l)
{
    struct looking *lk = SL_CONTAINER_OF(l, struct looking, l);
    TRACE("b%d       lookup partition %td %s: %s %" PRId64, lk->b->id, lk->p - sim.parts,
          l->kind == PART_LOOKUP_END ? "end" : "start", sl_err_name(l->rc), l->offset);
    sim_stat(ST_lookups);
    truth_lookup(lk->p, l, lk->b->id, lk->asked_at);
    sl_free(lk);
}

static void
look_up_on_loop(void *arg)
{
    struct looking *lk = arg;
    lk->asked_at = sim.now;
    lk->l.deadline_ns =
        rng_chance(&sim.r_client, 500)
            ? sim_sched_now(lk->b->sched) + rng_span(&sim.r_client, SCHED_MS, 30 * SCHED_S)
            : 0;
    part_lookup_submit(lk->b->shards[lk->p->journal], &lk->l);
}

static void
look_up(struct sim_broker *b, struct sim_part *p)
{
    struct looking *lk = sl_alloc(sizeof(*lk));
    lk->b = b;
    lk->p = p;
    lk->l.topic_id = p->topic_id;
    lk->l.partition = p->index;
    lk->l.kind = rng_chance(&sim.r_client, 800) ? PART_LOOKUP_END : PART_LOOKUP_START;
    lk->l.done = on_looked_up;
    if (!broker_send(b, look_up_on_loop, lk)) {
        sl_free(lk);
    }
}

bool
readers_read(struct sim_broker *b, struct sim_part *p, int64_t offset,
             void (*heard)(void *arg, const struct part_read *r), void *arg)
{
    struct reading *rd = reading_new(b, p, offset);
    rd->heard = heard;
    rd->arg = arg;
    rd->r.max_bytes = (size_t)rng_span(&sim.r_scan, 1, 4000);
    rd->r.is_tail_ok = true;
    if (!broker_send(b, read_on_loop, rd)) {
        reading_free(rd);
        return false;
    }
    return true;
}

static void
reader_act(struct reader *me)
{
    struct sim_broker *b = broker_pick();
    if (rng_chance(&sim.r_client, 50)) {
        me->part = (int)rng_below(&sim.r_client, (uint64_t)sim.part_count);
        me->offset = sim.parts[me->part].trim_intent;
        me->is_waiting = false;
    }
    struct sim_part *p = &sim.parts[me->part];
    if (b == NULL || me->is_waiting || p->phase == PART_NONE) {
        return;
    }
    if (rng_chance(&sim.r_client, 100)) {
        go_to_sleep(b, p, me->offset);
    }
    if (rng_chance(&sim.r_client, 80)) {
        look_up(b, p);
    }
    struct reading *rd = reading_new(b, p, me->offset);
    if (rng_chance(&sim.r_client, 200)) {
        int64_t end = truth_end_left_by(p, sim.now);
        rd->r.offset = (int64_t)rng_below(&sim.r_client, (uint64_t)end + 1);
    } else {
        rd->then = reader_heard;
        rd->arg = me;
        me->is_waiting = true;
    }
    rd->r.max_bytes = (size_t)rng_span(&sim.r_client, 1, 100000);
    rd->r.is_at_least_one = rng_chance(&sim.r_client, 800);
    rd->r.is_tail_ok = rng_chance(&sim.r_client, 500);
    if (!broker_send(b, read_on_loop, rd)) {
        reading_free(rd);
        me->is_waiting = false;
    }
}

static void
reader_step(void *arg)
{
    struct reader *me = arg;
    int64_t gap = sim.k.gap_ns + (rng_chance(&sim.r_client, sim.k.long_gap_pm)
                                      ? rng_span(&sim.r_client, 0, sim.k.long_gap_ns)
                                      : 0);
    if (sim.is_quiet) {
        return;
    }
    reader_act(me);
    if (++me->steps > STEPS_EAGER) {
        gap = gap * (me->steps / STEPS_EAGER) + SCHED_S; /* a long run is not for reading alone */
    }
    sim_after(rng_span(&sim.r_client, gap / 8, gap * 2), reader_step, me);
}

static void
on_return(void *arg)
{
    struct sim_broker *b = arg;
    struct sim_part *p = &sim.parts[rng_below(&sim.r_client, (uint64_t)sim.part_count)];
    if (b->phase != BROKER_UP || p->phase != PART_OPEN) {
        return;
    }
    int64_t end = b->end_shown[p - sim.parts];
    struct reading *rd = reading_new(b, p, end);
    rd->r.max_bytes = 20000;
    rd->r.is_tail_ok = rng_chance(&sim.r_client, 600);
    if (!broker_send(b, read_on_loop, rd)) {
        reading_free(rd);
    }
}

void
readers_return(struct sim_broker *b, int count)
{
    for (int i = 0; i < count; i++) {
        sim_after((int64_t)rng_below(&sim.r_client, i < count / 2 ? 150 * SCHED_MS : SCHED_S),
                  on_return, b);
    }
}

void
readers_start(void)
{
    for (int i = 0; i < sim.k.readers; i++) {
        readers[i].part = i % sim.part_count;
        sim_after(rng_span(&sim.r_client, 0, sim.k.gap_ns), reader_step, &readers[i]);
    }
}

/* --- probes */

struct probe {
    struct sim_broker *b;
    struct sim_part *p;
    bool is_written, is_read, is_busy;
    int64_t offset;
    uint64_t uid;
    struct append a;
    uint8_t *bytes;
    enum sl_err last;
};
static struct probe probes[SIM_BROKERS_MAX * SIM_PARTS_MAX];
static int probe_count;

static void probe_step(void *arg);

static void
probe_later(struct probe *pr)
{
    pr->is_busy = false;
    sim_after(500 * SCHED_MS, probe_step, pr);
}

static void
probe_written(struct append *a)
{
    struct probe *pr = SL_CONTAINER_OF(a, struct probe, a);
    struct sim_batch *b = &sim.batches[pr->uid];
    TRACE("probe    b%d partition %td append: %s", pr->b->id, pr->p - sim.parts,
          sl_err_name(a->rc));
    pr->last = a->rc;
    b->open_attempts--;
    if (a->rc == SL_OK) {
        truth_acked(pr->uid, a->base_offset, "a probe");
        pr->is_written = true;
    } else if (a->rc == SL_ETIMEOUT) {
        b->unknown_attempts++;
    } else {
        truth_refused(pr->uid, a->rc);
    }
    sl_free(pr->bytes);
    pr->bytes = NULL;
    probe_later(pr);
}

static void
probe_append_on_loop(void *arg)
{
    struct probe *pr = arg;
    SIM_GROW(sim.batches, sim.batch_count, sim.batch_cap);
    pr->uid = sim.batch_count++;
    sim.batches[pr->uid] = (struct sim_batch){.client = SIM_CLIENTS_MAX - 1,
                                              .part = (int)(pr->p - sim.parts),
                                              .count = 1,
                                              .seq = -1,
                                              .pid = -1,
                                              .epoch = -1,
                                              .size = SIM_BATCH_MIN,
                                              .attempts = 1,
                                              .open_attempts = 1,
                                              .connection = UINT64_MAX - pr->uid};
    sim_batch_made(pr->uid);
    pr->bytes = sl_alloc(sim.batches[pr->uid].size);
    pr->a = (struct append){.topic_id = pr->p->topic_id,
                            .partition = pr->p->index,
                            .deadline_ns = sim_sched_now(pr->b->sched) + 30 * SCHED_S,
                            .done = probe_written};
    sim_batch_encode(pr->uid, pr->bytes, &pr->a.info);
    pr->a.batch = span_of(pr->bytes, sim.batches[pr->uid].size);
    append_submit(pr->b->shards[pr->p->journal], &pr->a);
}

static void
probe_heard(struct reading *rd)
{
    struct probe *pr = rd->arg;
    struct part_read *r = &rd->r;
    pr->last = r->rc;
    if (r->rc == SL_OK) {
        if (pr->offset < r->log_start) {
            pr->offset = r->log_start;
        } else {
            pr->offset = end_of(r);
        }
        pr->is_read = pr->offset >= r->high_watermark &&
                      r->high_watermark >= truth_end_left_by(pr->p, rd->asked_at);
    } else if (r->rc == SL_EOFFSET_RANGE) {
        pr->offset = r->log_start > pr->offset ? r->log_start : pr->offset + 1;
    } else if (r->rc == SL_EPARTITION_FAILED && sim.is_journal_damaged[pr->p->journal]) {
        pr->is_read = true; /* loudly */
    }
    if (pr->is_read) {
        pr->is_busy = false;
    } else if (r->rc == SL_OK) {
        pr->is_busy = false;
        sim_after(SCHED_MS, probe_step, pr);
    } else {
        probe_later(pr);
    }
}

static void
probe_step(void *arg)
{
    struct probe *pr = arg;
    if (pr->is_busy || pr->is_read || pr->b->phase != BROKER_UP) {
        if (!pr->is_read && !pr->is_busy) {
            sim_after(SCHED_S, probe_step, pr);
        }
        return;
    }
    pr->is_busy = true;
    if (!pr->is_written) {
        (void)broker_send(pr->b, probe_append_on_loop, pr);
        return;
    }
    struct reading *rd = reading_new(pr->b, pr->p, pr->offset);
    rd->r.max_bytes = 50000;
    rd->then = probe_heard;
    rd->arg = pr;
    (void)broker_send(pr->b, read_on_loop, rd);
}

void
probes_start(bool is_writing)
{
    probe_count = 0;
    for (int i = 0; i < sim.k.brokers; i++) {
        for (int g = 0; g < sim.part_count; g++) {
            struct sim_part *p = &sim.parts[g];
            if (p->phase != PART_OPEN) {
                continue;
            }
            struct probe *pr = &probes[probe_count++];
            *pr = (struct probe){.b = &sim.brokers[i],
                                 .p = p,
                                 .is_written = !is_writing || sim.is_journal_damaged[p->journal],
                                 .offset = p->trim_done};
            probe_step(pr);
        }
    }
}

static bool
is_loudly_failed(const struct probe *pr)
{
    return sim.is_journal_damaged[pr->p->journal] &&
           (broker_mode(pr->b, pr->p->journal) == JOURNAL_FAILED ||
            pr->last == SL_EPARTITION_FAILED);
}

bool
probes_are_done(void)
{
    for (int i = 0; i < probe_count; i++) {
        if (!probes[i].is_read && !is_loudly_failed(&probes[i])) {
            return false;
        }
    }
    return true;
}

void
probes_explain(char *out, size_t cap)
{
    for (int i = 0; i < probe_count; i++) {
        const struct probe *pr = &probes[i];
        if (!pr->is_read && !is_loudly_failed(pr)) {
            (void)snprintf(out, cap,
                           "broker %d (mode %d), partition %td: %s, at offset %" PRId64
                           ", last answer %s",
                           pr->b->id, (int)broker_mode(pr->b, pr->p->journal), pr->p - sim.parts,
                           pr->is_written ? "written, not read" : "not written", pr->offset,
                           sl_err_name(pr->last));
            return;
        }
    }
    (void)snprintf(out, cap, "all done");
}

/* A sleeper whose partition has moved on should not be asleep. */
void
readers_check_sleepers(void)
{
    for (struct sleeper *s = sleepers.next; s != &sleepers; s = s->next) {
        if (s->b->incarnation != s->incarnation || s->b->phase != BROKER_UP) {
            continue;
        }
        struct state *st = shard_state(s->b->shards[s->p->journal]);
        struct part_state *ps = state_find_part(st, &s->p->topic_id, s->p->index);
        if (ps != NULL && ps->end > s->w.offset) {
            sim_violation("sleepers wake",
                          "broker %d, partition %td: asleep at %" PRId64 ", the end is %" PRId64,
                          s->b->id, s->p - sim.parts, s->w.offset, ps->end);
        }
    }
}

void
readers_broker_gone(const struct sim_broker *b, uint64_t incarnation)
{
    for (struct reading *rd = readings.next, *next; rd != &readings; rd = next) {
        next = rd->next;
        if (rd->b == b && rd->incarnation == incarnation) {
            if (rd->is_submitted && sim.is_destroying) {
                sim_violation("everything ends once", "a read of broker %d never ended", b->id);
            }
            if (rd->heard != NULL) {
                rd->heard(rd->arg, NULL);
            }
            if (rd->then == reader_heard) {
                ((struct reader *)rd->arg)->is_waiting = false;
            }
            rd->prev->next = rd->next; /* leaked with the broker */
            rd->next->prev = rd->prev;
        }
    }
    for (struct sleeper *s = sleepers.next, *next; s != &sleepers; s = next) {
        next = s->next;
        if (s->b == b && s->incarnation == incarnation) {
            sleeper_ends(s);
        }
    }
}
