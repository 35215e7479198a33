/* SPDX-License-Identifier: Apache-2.0
 *
 * Goes through the partitions of a shard again and again, a few at a time, and sees what has become
 * of their logs: what is too old or too much is trimmed (retention.h), what has to be rolled before
 * that is rolled, and the compacted log that needs it most is compacted (compact.c).
 *
 * A round begins every log.cleaner.backoff.ms; one every log.retention.check.interval.ms looks at
 * retention, too. Trims of many partitions go into one op. It is checked when it is staged, against
 * S alone, with nothing else in flight: what is left of it then is what makes sense still.
 *
 * A broker that leaves the writing of a journal to another one looks so much more rarely that it
 * finds nothing to do, unless the other one does nothing. */
#include "base/counters.h"
#include "journal/mistakes.h"
#include "partition/compact_int.h"
#include "partition/retention.h"
#include "partition/roller_int.h"

enum { PARTS_PER_STEP = 200, TRIMS_MAX = 500, BACKUP_PATIENCE = 4, INITIAL_DELAY_MS = 30000 };
#define STEP_NS SCHED_MS
#define AGAIN_NS SCHED_S
#define TRIM_TIMEOUT_NS (60 * SCHED_S)

struct trim {
    struct uuid topic_id;
    int32_t partition;
    int64_t start;
};

struct upkeep {
    struct shard *sh;
    struct sched_timer timer;
    bool is_running, is_trimming;
    bool looks_at_retention; /* this round */
    size_t pos;              /* in S's partitions */
    int64_t retention_ns;    /* when the last such round began */
    struct trim trims[TRIMS_MAX];
    size_t trim_count;
    struct op_proposal op;
    struct { /* what to compact after this round */
        struct uuid topic_id;
        int32_t partition;
        int dirty_pm; /* -1: nothing */
    } dirtiest;
};

static void step(struct sched_timer *t);

static struct sched *
sched_of(const struct upkeep *u)
{
    return shard_sched(u->sh);
}

/* --- trims --- */

/* Leaves what makes sense still. */
static enum sl_err
check_trims(struct op_proposal *op, const struct state *st)
{
    struct upkeep *u = (struct upkeep *)op->arg;
    bytes_clear(&op->payload);
    for (size_t i = 0; i < u->trim_count; i++) {
        const struct trim *t = &u->trims[i];
        if (state_check_trim(st, &t->topic_id, t->partition, t->start) == SL_OK) {
            op_encode_trim(&op->payload, &t->topic_id, t->partition, t->start);
        }
    }
    return op->payload.len > 0 ? SL_OK : SL_EEXIST;
}

static void
trimmed(struct op_proposal *op, enum sl_err rc)
{
    struct upkeep *u = (struct upkeep *)op->arg;
    bytes_fini(&op->payload);
    if (rc == SL_OK) {
        counter_add(C_retention_trims, (int64_t)u->trim_count);
    } /* else the next round finds them again */
    u->trim_count = 0;
    u->is_trimming = false;
    if (u->is_running) {
        sched_timer_after(sched_of(u), &u->timer, STEP_NS);
    }
}

static void
propose_trims(struct upkeep *u)
{
    enum { TRIM_BYTES = 28 };
    u->is_trimming = true;
    u->op = (struct op_proposal){.kind = ITEM_TRIM,
                                 .deadline_ns = sched_now(sched_of(u)) + TRIM_TIMEOUT_NS,
                                 .check = check_trims,
                                 .is_pipelined = MISTAKE(trim_in_flight),
                                 .done = trimmed,
                                 .arg = u};
    bytes_init(&u->op.payload, TRIMS_MAX * TRIM_BYTES);
    (void)check_trims(&u->op, u->sh->state); /* sizes it; staged again */
    op_submit(u->sh, &u->op);
}

/* --- one partition --- */

static struct retention_now
now_of(const struct upkeep *u, const struct part_state *p)
{
    const struct shard *sh = u->sh;
    const struct partition *part = (const struct partition *)p->user; /* NULL: it has no run */
    int64_t wall_ms = sched_wall_ms(sched_of(u));
    return (struct retention_now){
        .wall_ms = wall_ms,
        .live_bytes = part == NULL ? 0 : (int64_t)part->live.bytes,
        .live_since_ms = part == NULL ? wall_ms : live__time_of(&sh->live, part->live.first_n),
        .roll_age_ms = sh->o.roll.age_ms};
}

static void
look_at_retention(struct upkeep *u, struct part_state *p, const struct part_policy *policy)
{
    const struct retention_now now = now_of(u, p);
    if (u->looks_at_retention) {
        int64_t start = retention_start(p, policy, &now);
        if (start > p->start) {
            u->trims[u->trim_count++] = (struct trim){p->topic_id, p->index, start};
        }
    }
    if (retention_wants_roll(p, policy, &now)) {
        roll__now(u->sh, shard__partition_of(p), policy);
    }
}

static void
look_at_dirt(struct upkeep *u, const struct part_state *p, const struct part_policy *policy)
{
    struct compact_view view;
    const struct partition *part = (const struct partition *)p->user;
    bool is_left_alone = part != NULL && sched_now(sched_of(u)) < part->failed.not_before_ns;
    if (!policy->is_compacted || is_left_alone) {
        return;
    }
    compact_look(p, policy, sched_wall_ms(sched_of(u)), &view);
    if (view.is_due && view.dirty_pm > u->dirtiest.dirty_pm) {
        u->dirtiest.topic_id = p->topic_id;
        u->dirtiest.partition = p->index;
        u->dirtiest.dirty_pm = view.dirty_pm;
    }
}

static void
look_at(struct upkeep *u, struct part_state *p)
{
    struct part_policy policy;
    const struct roll_options *o = &u->sh->o.roll;
    if (p->run_count == 0 && part_segment_count(p) == 0) {
        return;
    }
    if (o->policy(o->policy_arg, &p->topic_id, &policy)) {
        look_at_retention(u, p, &policy);
        look_at_dirt(u, p, &policy);
    }
}

/* --- rounds --- */

static int64_t
round_ns(const struct upkeep *u)
{
    const struct roll_options *o = &u->sh->o.roll;
    int64_t ms = o->cleaner_backoff_ms < o->retention_interval_ms ? o->cleaner_backoff_ms
                                                                  : o->retention_interval_ms;
    return ms * SCHED_MS * (roll__is_backup(u->sh) ? BACKUP_PATIENCE : 1);
}

static void
begin_round(struct upkeep *u)
{
    int64_t now = sched_now(sched_of(u));
    int64_t interval = u->sh->o.roll.retention_interval_ms * SCHED_MS *
                       (roll__is_backup(u->sh) ? BACKUP_PATIENCE : 1);
    u->looks_at_retention = now - u->retention_ns >= interval;
    u->retention_ns = u->looks_at_retention ? now : u->retention_ns;
    u->dirtiest.dirty_pm = -1;
}

static void
end_round(struct upkeep *u)
{
    u->pos = 0;
    bool is_compacting = u->dirtiest.dirty_pm >= 0 && u->sh->compact == NULL &&
                         compact__start(u->sh, &u->dirtiest.topic_id, u->dirtiest.partition);
    (void)is_compacting; /* else another shard's turn, or it was a moment ago */
    sched_timer_after(sched_of(u), &u->timer, round_ns(u));
}

/* What was trimmed or rolled between two steps may move partitions about in S's table: one may be
 * met twice, or not before the next round. */
static void
step(struct sched_timer *t)
{
    struct upkeep *u = SL_CONTAINER_OF(t, struct upkeep, timer);
    if (u->sh->mode != JOURNAL_LIVE) {
        u->pos = 0;
        u->trim_count = 0;
        sched_timer_after(sched_of(u), t, round_ns(u));
        return;
    }
    if (u->pos == 0) {
        begin_round(u);
    }
    struct part_state *p = NULL;
    for (int i = 0; i < PARTS_PER_STEP && u->trim_count < TRIMS_MAX; i++) {
        p = state_next_part(u->sh->state, &u->pos);
        if (p == NULL) {
            break;
        }
        look_at(u, p);
    }
    if (u->trim_count == TRIMS_MAX || (p == NULL && u->trim_count > 0)) {
        propose_trims(u);
    } else if (p == NULL) {
        end_round(u);
    } else {
        sched_timer_after(sched_of(u), t, STEP_NS);
    }
}

void
shard__upkeep_compacted(struct shard *sh, bool is_fine)
{
    struct upkeep *u = sh->upkeep;
    if (is_fine && u->is_running && !u->is_trimming && u->pos == 0) {
        int64_t next = round_ns(u) < AGAIN_NS ? round_ns(u) : AGAIN_NS;
        sched_timer_after(sched_of(u), &u->timer, next);
    }
}

/* --- life --- */

void
shard__upkeep_start(struct shard *sh)
{
    const struct roll_options *o = &sh->o.roll;
    if (o->policy == NULL || o->retention_interval_ms <= 0 || o->cleaner_backoff_ms <= 0) {
        return;
    }
    struct upkeep *u = (struct upkeep *)sl_alloc(sizeof(*u));
    u->sh = sh;
    sh->upkeep = u;
    u->is_running = true;
    u->timer.fire = step;
    int64_t first_ms = o->retention_interval_ms - INITIAL_DELAY_MS;
    u->retention_ns = sched_now(sched_of(u)) - (first_ms > 0 ? first_ms * SCHED_MS : 0);
    sched_timer_after(sched_of(u), &u->timer, round_ns(u));
}

void
shard__upkeep_stop(struct shard *sh)
{
    struct upkeep *u = sh->upkeep;
    if (u != NULL) {
        u->is_running = false;
        sched_timer_stop(sched_of(u), &u->timer);
    }
    if (sh->compact != NULL) {
        compact__stop(sh->compact);
    }
}

bool
shard__upkeep_is_idle(const struct shard *sh)
{
    return sh->compact == NULL && (sh->upkeep == NULL || !sh->upkeep->is_trimming);
}

void
shard__upkeep_fini(struct shard *sh)
{
    sl_free(sh->upkeep);
    sh->upkeep = NULL;
}
