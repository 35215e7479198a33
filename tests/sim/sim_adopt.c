/* SPDX-License-Identifier: Apache-2.0
 *
 * What tools propose amid the traffic: logs that were written elsewhere and become those of a new
 * partition (ADOPT, `sluice log import`), and offsets that were given up (LOSS, `sluice log
 * repair`).
 *
 * The segments of an adopted log lie in the store before anybody asks. It may begin anywhere. Most
 * of the new partitions are held back from the producers; of the others some are written to first,
 * and then nothing may be adopted. A tool that does not learn what became of its op proposes it
 * again, at any broker. */
#include "segment/segment.h"
#include "sim.h"

enum { SEGMENTS_MAX = 3, BATCHES_MAX = 4, BYTES_MAX = 4 << 20, TRIES_MAX = 40 };

struct foreign_log { /* by partition */
    bool is_made;
    uint64_t first_uid;
    uint64_t count;
    int64_t base;
    struct segment_ref segments[SEGMENTS_MAX];
    struct segment_slice slices[SEGMENTS_MAX];
    size_t segment_count;
};
static struct foreign_log logs[SIM_PARTS_MAX];

static struct {
    size_t count;
    int64_t last; /* the latest one's first offset */
} losses[SIM_JOURNALS_MAX];

/* --- a log that was written elsewhere --- */

static uint64_t
foreign_batch(const struct sim_part *p)
{
    SIM_GROW(sim.batches, sim.batch_count, sim.batch_cap);
    uint64_t uid = sim.batch_count++;
    sim.batches[uid] =
        (struct sim_batch){.client = SIM_CLIENTS_MAX - 1,
                           .part = (int)(p - sim.parts),
                           .count = 1 + (int32_t)rng_below(&sim.r_scan, 4),
                           .seq = -1,
                           .pid = -1,
                           .epoch = -1,
                           .size = (uint32_t)(SIM_BATCH_MIN + rng_below(&sim.r_scan, 200)),
                           .connection = UINT64_MAX - uid};
    sim_batch_made(uid);
    return uid;
}

/* Gives the offset behind it. */
static int64_t
add_batch(struct segment_builder *b, uint64_t uid, int64_t base)
{
    static uint8_t bytes[1 << 20];
    struct batch_info info;
    struct sl_error err = SL_ERROR_INIT;
    struct sim_batch *batch = &sim.batches[uid];
    sim_batch_encode(uid, bytes, &info);
    put_u64(bytes, (uint64_t)base);
    batch->base = base;
    batch->base_ts = info.base_timestamp;
    batch->max_ts = info.max_timestamp;
    if (segment_builder_add(b, span_of(bytes, batch->size), &err) != SL_OK) {
        sim_violation("a segment can be built", "%s", err.msg);
    }
    return base + batch->count;
}

static void
put_segment(const struct sim_part *p, struct foreign_log *log, const struct segment_files *files)
{
    char key[STORE_KEY_MAX];
    struct segment_ref *s = &log->segments[log->segment_count];
    struct segment_slice *slice = &log->slices[log->segment_count++];
    *slice = (struct segment_slice){0, SEGMENT_HEADER_BYTES, files->max_timestamp};
    *s = (struct segment_ref){.base = files->base_offset,
                              .last = files->last_offset,
                              .bytes = files->kfs->len,
                              .max_timestamp = files->max_timestamp,
                              .record_count = (uint32_t)files->message_count,
                              .body_crc = get_u32(files->kfs->data + files->kfs->len - 16),
                              .slice_count = 1,
                              .slices = slice};
    rolls_key(p, s->base, 0, key);
    sim_store_put(key, buf_span(files->kfs));
    (void)snprintf(strstr(key, ".kfs"), 8, ".index");
    sim_store_put(key, buf_span(files->index));
}

static void
write_elsewhere(struct sim_part *p)
{
    struct foreign_log *log = &logs[p - sim.parts];
    size_t segments = 1 + rng_below(&sim.r_scan, SEGMENTS_MAX);
    int64_t next = rng_chance(&sim.r_scan, 500) ? 0 : (int64_t)rng_below(&sim.r_scan, 1000);
    *log = (struct foreign_log){.is_made = true, .first_uid = sim.batch_count, .base = next};
    for (size_t i = 0; i < segments; i++) {
        struct segment_builder b;
        struct segment_files files;
        segment_builder_init(&b, next, BYTES_MAX);
        for (size_t n = 1 + rng_below(&sim.r_scan, BATCHES_MAX); n > 0; n--) {
            next = add_batch(&b, foreign_batch(p), next);
        }
        segment_builder_finish(&b, 1700000000000 + sim.now / SCHED_MS, &files);
        put_segment(p, log, &files);
        buf_unref(&files.kfs);
        buf_unref(&files.index);
    }
    log->count = sim.batch_count - log->first_uid;
}

/* --- the op --- */

struct adopting {
    struct op_proposal p;
    struct sim_part *part;
    struct sim_broker *b;
};

static void
on_adopted(struct op_proposal *op, enum sl_err rc)
{
    struct adopting *a = SL_CONTAINER_OF(op, struct adopting, p);
    TRACE("b%d       adopt partition %td: %s", a->b->id, a->part - sim.parts, sl_err_name(rc));
    if (rc == SL_OK || rc == SL_EEXIST) {
        bool is_there = a->part->is_adopted || a->part->end > 0;
        if (!is_there || (rc == SL_OK && !a->part->is_adopted)) {
            sim_violation("what was adopted is in the log", "partition %td: %s",
                          a->part - sim.parts, sl_err_name(rc));
        }
        a->part->is_held = false;
        sim_stat(rc == SL_OK ? ST_adopted : ST_adopt_refused);
    }
    bytes_fini(&op->payload);
    sl_free(a);
}

static void
submit(void *arg)
{
    struct adopting *a = arg;
    a->p.deadline_ns = sim_sched_now(a->b->sched) + rng_span(&sim.r_scan, SCHED_S, SIM_MIN);
    op_submit(a->b->shards[a->part->journal], &a->p);
}

static void
propose(struct sim_part *part)
{
    const struct foreign_log *log = &logs[part - sim.parts];
    struct adopting *a = sl_alloc(sizeof(*a));
    char dir[TOPIC_DIR_MAX];
    rolls_dir(part, dir);
    const struct adopt_op op = {.topic_id = part->topic_id,
                                .partition = part->index,
                                .dir = span_cstr(dir),
                                .segments = log->segments,
                                .count = log->segment_count};
    *a = (struct adopting){.part = part, .b = broker_pick()};
    a->p.kind = ITEM_ADOPT;
    a->p.check = op_check_adopt;
    a->p.done = on_adopted;
    bytes_init(&a->p.payload, 4096);
    op_encode_adopt(&a->p.payload, &op);
    if (a->b == NULL || !broker_send(a->b, submit, a)) {
        bytes_fini(&a->p.payload);
        sl_free(a);
    }
}

static void
adopt_again(void *arg)
{
    struct sim_part *part = arg;
    bool is_over = part->is_adopted || part->phase > PART_OPEN;
    if (is_over || sim.is_quiet || part->adopt_tries++ == TRIES_MAX) {
        part->is_held = false;
        return;
    }
    if (part->phase == PART_OPEN) {
        propose(part);
    }
    sim_after(rng_span(&sim.r_scan, SCHED_S, 30 * SCHED_S), adopt_again, part);
}

void
adopts_strike(void)
{
    struct sim_part *p = ops_new_part((int)rng_below(&sim.r_scan, (uint64_t)sim.k.journals), NULL);
    if (p != NULL) {
        p->is_held = rng_chance(&sim.r_scan, 700);
        write_elsewhere(p);
        sim_after(rng_span(&sim.r_scan, SCHED_MS, SCHED_S), adopt_again, p);
    }
}

bool
adopt_is_foreign(const struct sim_part *p)
{
    return p != NULL && logs[p - sim.parts].is_made && !p->is_adopted;
}

void
adopt_truth(struct sim_part *p)
{
    const struct foreign_log *log = &logs[p - sim.parts];
    if (!log->is_made || p->end != 0) {
        sim_violation("a log is adopted where nothing was", "partition %td ends at %" PRId64,
                      p - sim.parts, p->end);
    }
    for (uint64_t uid = log->first_uid; uid < log->first_uid + log->count; uid++) {
        struct sim_batch *b = &sim.batches[uid];
        b->is_in_truth = true;
        for (int64_t o = p->end; o < b->base + b->count; o++) {
            int64_t i = o < b->base ? 0 : o - b->base; /* what lies below was never there */
            SIM_GROW(p->log, p->end, p->cap);
            p->log[p->end++] = uid << 8 | (uint64_t)i;
        }
    }
    p->trim_intent = log->base > p->trim_intent ? log->base : p->trim_intent;
    p->has_lost = true;
    p->is_adopted = true;
}

/* --- losses --- */

struct losing {
    struct op_proposal p;
    struct sim_broker *b;
    int journal;
};

static void
on_lost(struct op_proposal *op, enum sl_err rc)
{
    struct losing *l = SL_CONTAINER_OF(op, struct losing, p);
    TRACE("b%d       loss told: %s", l->b->id, sl_err_name(rc));
    if (rc == SL_OK) {
        sim_stat(ST_loss_told);
    } else if (rc == SL_EINVAL || rc == SL_EEXIST) {
        sim_violation("a loss is never refused", "broker %d: %s", l->b->id, sl_err_name(rc));
    }
    bytes_fini(&op->payload);
    sl_free(l);
}

static void
submit_loss(void *arg)
{
    struct losing *l = arg;
    l->p.deadline_ns = sim_sched_now(l->b->sched) + rng_span(&sim.r_scan, SCHED_S, SIM_MIN);
    op_submit(l->b->shards[l->journal], &l->p);
}

void
losses_strike(void)
{
    struct sim_part *p = &sim.parts[rng_below(&sim.r_scan, (uint64_t)sim.part_count)];
    struct losing *l = sl_alloc(sizeof(*l));
    struct loss_ref loss[2] = {{.topic_id = p->topic_id,
                                .partition = p->index,
                                .first = (int64_t)rng_below(&sim.r_scan, 1000),
                                .last = 2000,
                                .reason = "the simulator says so"}};
    loss[1] = loss[0];
    *l = (struct losing){.b = broker_pick(), .journal = p->journal};
    l->p.kind = ITEM_LOSS;
    l->p.done = on_lost;
    bytes_init(&l->p.payload, 4096);
    op_encode_losses(&l->p.payload, loss, 1 + rng_below(&sim.r_scan, 2));
    if (l->b == NULL || !broker_send(l->b, submit_loss, l)) {
        bytes_fini(&l->p.payload);
        sl_free(l);
    }
}

/* A list of {uuid, i32, i64 first, i64 last, i64 time, text16}. */
void
losses_truth(uint32_t journal, struct span op)
{
    size_t count = get_u32(op.ptr);
    const uint8_t *at = op.ptr + 4;
    for (size_t i = 0; i < count; i++) {
        losses[journal].last = get_i64(at + 20);
        losses[journal].count++;
        at += 46 + get_u16(at + 44);
    }
}

void
losses_truth_reset(uint32_t journal)
{
    losses[journal].count = 0;
}

void
losses_truth_set(uint32_t journal, size_t count, int64_t last)
{
    losses[journal].count = count;
    losses[journal].last = last;
}

void
losses_compare(void)
{
    for (int i = 0; i < sim.k.brokers; i++) {
        for (int j = 0; j < sim.k.journals; j++) {
            const struct sim_broker *b = &sim.brokers[i];
            const struct state *st = rolls_newest_state(b, j);
            size_t want = losses[j].count < LOSSES_MAX ? losses[j].count : LOSSES_MAX;
            if (st == NULL || (state_loss_count(st) == want &&
                               (want == 0 || state_loss(st, want - 1)->first == losses[j].last))) {
                continue;
            }
            sim_violation("a broker at the end knows every loss",
                          "broker %d, journal %d: %zu of %zu", i, j, state_loss_count(st), want);
        }
    }
}
