/* Operators: open, trim, retire, expire, take producer ids, ask for snapshots. */
#include "sim.h"

struct sim_op {
    struct op_proposal p;
    struct sim_part *part;
    struct sim_broker *b;
    int journal;
    int64_t target, count;
    bool is_ended;
};

static void
op_send_on_loop(void *arg)
{
    struct sim_op *op = arg;
    op->p.deadline_ns = sim_sched_now(op->b->sched) + rng_span(&sim.r_client, SCHED_S, 2 * SIM_MIN);
    op_submit(op->b->shards[op->journal], &op->p);
}

static struct sim_op *
op_new(enum item_kind kind, int journal)
{
    struct sim_op *op = sl_alloc(sizeof(*op));
    op->p.kind = kind;
    op->journal = journal;
    bytes_init(&op->p.payload, 1 << 20);
    return op;
}

static void
op_free(struct sim_op *op)
{
    bytes_fini(&op->p.payload);
    sl_free(op);
}

static bool
op_send(struct sim_op *op)
{
    op->b = broker_pick();
    if (op->b == NULL) {
        op_free(op);
        return false;
    }
    if (!broker_send(op->b, op_send_on_loop, op)) {
        op_free(op);
        return false;
    }
    return true;
}

static struct sim_op *
of(struct op_proposal *p)
{
    return SL_CONTAINER_OF(p, struct sim_op, p);
}

/* --- open */

static void
on_opened(struct op_proposal *p, enum sl_err rc)
{
    struct sim_op *op = of(p);
    TRACE("b%d       open partition %td: %s", op->b->id, op->part - sim.parts, sl_err_name(rc));
    if (rc == SL_OK && op->part->phase == PART_OPENING) {
        op->part->phase = PART_OPEN;
        op->part->opened_at = sim.now;
        sim_stat(ST_open_op);
    }
    op_free(op);
}

static void
open_again(void *arg)
{
    struct sim_part *part = arg;
    if (part->phase != PART_OPENING) {
        return;
    }
    struct sim_op *op = op_new(ITEM_OPEN, part->journal);
    op->part = part;
    op->p.done = on_opened;
    op_encode_open(&op->p.payload, &part->topic_id, &part->index, 1);
    (void)op_send(op);
    part->open_attempts++;
    sim_after(rng_span(&sim.r_client, SCHED_S, 20 * SCHED_S), open_again, part);
}

void
ops_open_part(struct sim_part *p)
{
    p->phase = PART_OPENING;
    open_again(p);
}

struct sim_part *
ops_new_part(int journal, const struct sim_part *before)
{
    if (sim.part_count == SIM_PARTS_MAX) {
        return NULL;
    }
    int gid = sim.part_count++;
    struct sim_part *p = &sim.parts[gid];
    p->journal = journal;
    p->index = sim.is_repair_forced ? 0 : before == NULL ? gid % 3 : before->index;
    p->name = before == NULL ? gid : before->name;
    p->incarnation = before == NULL ? 0 : before->incarnation + 1;
    put_u64(p->topic_id.b, 0x5107000000000000u + sim.seed);
    put_u64(p->topic_id.b + 8, 0x8000000000000001u + (uint64_t)gid);
    p->is_append_time = rng_chance(&sim.r_client, 250);
    p->is_compacted = sim.k.is_rolling && rng_chance(&sim.r_client, sim.k.compacted_pm);
    p->is_deleted = !p->is_compacted || rng_chance(&sim.r_client, sim.k.deleted_pm);
    p->has_records = p->is_compacted || sim.k.every[F_policy] > 0;
    p->keys = sim.k.keys;
    ops_open_part(p);
    return p;
}

static struct sim_part *
pick_open(void)
{
    int at = (int)rng_below(&sim.r_fault, (uint64_t)sim.part_count);
    for (int i = 0; i < sim.part_count; i++) {
        struct sim_part *p = &sim.parts[(at + i) % sim.part_count];
        if (p->phase == PART_OPEN && !sim.is_journal_damaged[p->journal]) {
            return p;
        }
    }
    return NULL;
}

/* --- trim */

static enum sl_err
check_trim(struct op_proposal *p, const struct state *st)
{
    const struct sim_op *op = of(p);
    const struct part_state *ps = state_find_part(st, &op->part->topic_id, op->part->index);
    if (ps == NULL) {
        return SL_EUNKNOWN_PARTITION;
    }
    return op->target > ps->start && op->target <= ps->end ? SL_OK : SL_EOFFSET_RANGE;
}

static void
on_trimmed(struct op_proposal *p, enum sl_err rc)
{
    struct sim_op *op = of(p);
    TRACE("b%d       trim partition %td to %" PRId64 ": %s", op->b->id, op->part - sim.parts,
          op->target, sl_err_name(rc));
    if (rc == SL_OK) {
        sim_stat(ST_trim);
        if (op->target > op->part->trim_done) {
            op->part->trim_done = op->target;
            op->part->trim_done_at = sim.now;
        }
    }
    op_free(op);
}

static void
trim(struct sim_part *part)
{
    int64_t end = truth_end_left_by(part, sim.now);
    int64_t room = end - part->trim_done;
    if (room <= 0) {
        return;
    }
    struct sim_op *op = op_new(ITEM_TRIM, part->journal);
    op->part = part;
    op->target = rng_chance(&sim.r_fault, 700)
                     ? end
                     : part->trim_done + 1 + (int64_t)rng_below(&sim.r_fault, (uint64_t)room);
    op->p.done = on_trimmed;
    op->p.check = check_trim;
    op_encode_trim(&op->p.payload, &part->topic_id, part->index, op->target);
    if (op->target > part->trim_asked) {
        part->trim_asked = op->target;
    }
    if (op->target > part->trim_intent) {
        part->trim_intent = op->target;
    }
    (void)op_send(op);
}

static void
strike_trim(void)
{
    if (rng_chance(&sim.r_fault, 700)) {
        for (int i = 0; i < sim.part_count; i++) {
            if (sim.parts[i].phase == PART_OPEN) {
                trim(&sim.parts[i]);
            }
        }
        return;
    }
    struct sim_part *p = pick_open();
    if (p != NULL) {
        trim(p);
    }
}

/* --- retire: the topic goes, another one comes with a new id */

static void
on_retired(struct op_proposal *p, enum sl_err rc)
{
    struct sim_op *op = of(p);
    TRACE("b%d       retire partition %td: %s", op->b->id, op->part - sim.parts, sl_err_name(rc));
    if (rc == SL_OK) {
        sim_stat(ST_retire);
        op->part->phase = PART_RETIRED;
    }
    op_free(op);
}

static enum sl_err
check_retire(struct op_proposal *p, const struct state *st)
{
    const struct sim_op *op = of(p);
    return state_find_part(st, &op->part->topic_id, op->part->index) != NULL
               ? SL_OK
               : SL_EUNKNOWN_PARTITION;
}

static void
strike_retire(void)
{
    struct sim_part *part = pick_open();
    if (part == NULL || part->open_attempts != 1 || ops_new_part(part->journal, part) == NULL) {
        return; /* an open that is still on its way would bring it back */
    }
    struct sim_op *op = op_new(ITEM_RETIRE, part->journal);
    op->part = part;
    op->p.done = on_retired;
    op->p.check = check_retire;
    op_encode_retire(&op->p.payload, &part->topic_id);
    part->phase = PART_RETIRING;
    (void)op_send(op);
}

/* --- cleanup.policy: from one to another while it is being carried out */

static void
strike_policy(void)
{
    struct sim_part *p = pick_open();
    if (p == NULL || !p->has_records) {
        return;
    }
    p->has_changed = true;
    p->is_compacted = !p->is_compacted;
    p->is_deleted = !p->is_compacted || rng_chance(&sim.r_fault, 400);
    sim_stat(ST_policy);
}

/* --- expire: producers idle for three hours; no client believes in a batch for so long */

static void
on_expired(struct op_proposal *p, enum sl_err rc)
{
    struct sim_op *op = of(p);
    TRACE("b%d       expire producers: %s", op->b->id, sl_err_name(rc));
    if (rc == SL_OK) {
        sim_stat(ST_expire);
    }
    op_free(op);
}

static void
strike_expire(void)
{
    int journal = (int)rng_below(&sim.r_fault, (uint64_t)sim.k.journals);
    int64_t before = sim.now - 3 * SIM_HOUR;
    struct sim_op *op = op_new(ITEM_PRODUCERS_EXPIRE, journal);
    op->p.done = on_expired;
    op_encode_producers_expire(&op->p.payload, 1700000000000 + before / SCHED_MS);
    for (int i = 0; i < sim.pid_count; i++) {
        struct sim_part *part = &sim.parts[sim.pids[i].part];
        if (part->journal == journal && sim.pids[i].last_at < before + SIM_HOUR) {
            sim.pids[i].is_expired = true;
            part->has_lost = true;
        }
    }
    (void)op_send(op);
}

/* --- journal 0: producer ids */

static enum sl_err
check_pids(struct op_proposal *p, const struct state *st)
{
    struct sim_op *op = of(p);
    op->target = state_next_producer_id(st);
    bytes_clear(&p->payload);
    op_encode_producer_ids(&p->payload, op->target, (int32_t)op->count);
    return SL_OK;
}

static void
on_pids(struct op_proposal *p, enum sl_err rc)
{
    struct sim_op *op = of(p);
    TRACE("b%d       producer ids %" PRId64 "+%" PRId64 ": %s", op->b->id, op->target, op->count,
          sl_err_name(rc));
    if (rc == SL_OK) {
        for (size_t i = 0; i < sim.block_count; i++) {
            int64_t first = sim.blocks[i].first;
            if (op->target < first + sim.blocks[i].count && first < op->target + op->count) {
                sim_violation("producer ids are given once",
                              "%" PRId64 "+%" PRId64 " and %" PRId64 "+%" PRId64, first,
                              sim.blocks[i].count, op->target, op->count);
            }
        }
        if (sim.block_count < SIM_BLOCKS_MAX) {
            sim.blocks[sim.block_count++] = (struct sim_block){op->target, op->count};
        }
        sim_stat(ST_pid_block);
    }
    op_free(op);
}

static void
strike_pids(void)
{
    struct sim_op *op = op_new(ITEM_PRODUCER_IDS, 0);
    op->count = 1 + (int64_t)rng_below(&sim.r_fault, 10);
    op->p.done = on_pids;
    op->p.check = check_pids;
    (void)op_send(op);
}

/* --- snapshots */

static void
snapshot_on_loop(void *arg)
{
    struct sim_broker *b = arg;
    for (int j = 0; j < sim.k.journals; j++) {
        journal_snapshot_now(shard_journal(b->shards[j]));
    }
}

static void
strike_snapshot(void)
{
    struct sim_broker *b = broker_pick();
    if (b != NULL) {
        (void)broker_send(b, snapshot_on_loop, b);
    }
}

/* --- when */

enum { STRIKES_MAX = 250 };
static struct rhythm {
    enum sim_fault id;
    void (*strike)(void);
    int strikes;
} rhythms[] = {{F_trim, strike_trim, 0},
               {F_retire, strike_retire, 0},
               {F_expire, strike_expire, 0},
               {F_snap, strike_snapshot, 0},
               {F_ops, strike_pids, 0},
               {F_ops, topics_strike_create, 0},
               {F_topicdel, topics_strike_delete, 0},
               {F_policy, strike_policy, 0},
               {F_adopt, adopts_strike, 0},
               {F_loss, losses_strike, 0}};

static void
on_rhythm(void *arg)
{
    struct rhythm *r = arg;
    int64_t every = sim.k.every[r->id];
    if (sim.is_quiet || r->strikes++ == STRIKES_MAX) {
        return;
    }
    if (sim_fault_is_on(r->id)) {
        r->strike();
    }
    sim_after(rng_span(&sim.r_fault, every / 8, every * 2), on_rhythm, r);
}

void
ops_start(void)
{
    for (size_t i = 0; i < sizeof(rhythms) / sizeof(rhythms[0]); i++) {
        if (sim.k.every[rhythms[i].id] > 0) {
            sim_after(rng_span(&sim.r_fault, SCHED_MS, sim.k.every[rhythms[i].id]), on_rhythm,
                      &rhythms[i]);
        }
    }
}
