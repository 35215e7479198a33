/* SPDX-License-Identifier: Apache-2.0
 *
 * Consumers that rebuild a table from a compacted topic: from its start to its end, at any broker,
 * as slowly as they like. Of each key they remember the last record that they were given. When they
 * are through, they must know the latest record of every key that lies behind them: the value, or
 * that it was deleted. Only who took longer than delete.retention.ms from an old value to the place
 * of its tombstone may have missed the tombstone, and who was given the old value by a broker that
 * did not know that it was gone. */
#include "sim.h"

enum { SCANS = 2, KEYS_MAX = 400 };
enum { STEPS_EAGER = 150, STEPS_MAX = 1500 };

static struct scan {
    struct sim_part *p;
    int64_t offset;
    struct {
        int64_t offset; /* -1: never met */
        int64_t read_at;
        bool is_old; /* it was gone by then */
    } keys[KEYS_MAX];
    bool is_waiting;
    int steps;
} scans[SCANS];

static void
begin(struct scan *s)
{
    int at = (int)rng_below(&sim.r_scan, (uint64_t)sim.part_count);
    s->p = NULL;
    for (int i = 0; i < sim.part_count && s->p == NULL; i++) {
        struct sim_part *p = &sim.parts[(at + i) % sim.part_count];
        s->p = p->has_records && p->phase == PART_OPEN ? p : NULL;
    }
    s->offset = 0;
    for (int k = 0; k < KEYS_MAX; k++) {
        s->keys[k].offset = -1;
    }
}

static struct sim_record
record_at(const struct sim_part *p, int64_t offset)
{
    return sim_record_of(p->log[offset] >> 8, (int32_t)(p->log[offset] & 0xff));
}

/* --- when it is through --- */

static void
judge_key(const struct scan *s, int key, int64_t latest)
{
    const struct sim_part *p = s->p;
    int64_t known = s->keys[key].offset;
    if (latest < p->trim_intent || latest >= s->offset || known == latest || s->keys[key].is_old) {
        return;
    }
    if (record_at(p, latest).is_tombstone) {
        int64_t patience = (sim.k.delete_retention_ms - 2 * sim.k.skew_max_ms) * SCHED_MS;
        bool is_gone_too = known < p->trim_intent || record_at(p, known).is_tombstone;
        if (is_gone_too || sim.now - s->keys[key].read_at >= patience) {
            return;
        }
    }
    sim_violation("who reads from start to end knows the latest of each key",
                  "partition %td, key %d: %" PRId64 " is the latest, known is %" PRId64,
                  p - sim.parts, key, latest, known);
}

static void
judge(const struct scan *s)
{
    int64_t latest[KEYS_MAX];
    for (int k = 0; k < KEYS_MAX; k++) {
        latest[k] = -1;
    }
    for (int64_t o = s->p->trim_intent; o < s->p->end; o++) {
        int key = record_at(s->p, o).key;
        if (key >= 0) {
            latest[key] = o;
        }
    }
    for (int k = 0; k < s->p->keys; k++) {
        if (latest[k] >= 0) {
            judge_key(s, k, latest[k]);
        }
    }
    sim_stat(ST_scan);
}

/* --- reading --- */

static void
note_record(struct scan *s, int64_t offset)
{
    int key = record_at(s->p, offset).key;
    if (key >= 0 && offset > s->keys[key].offset) {
        s->keys[key].offset = offset;
        s->keys[key].read_at = sim.now;
        s->keys[key].is_old = clean_is_gone(s->p, offset);
    }
}

static void
note_batches(struct scan *s, const struct part_read *r)
{
    struct span rest = sim_read_bytes(r);
    struct sim_seen b;
    const char *why;
    while (sim_batch_decode(&rest, &b, &why)) {
        for (int32_t i = 0; b.present >> i != 0; i++) {
            if ((b.present >> i & 1) != 0 && b.base + i >= s->offset) {
                note_record(s, b.base + i);
            }
        }
        s->offset = b.last + 1;
    }
}

/* r is NULL when the broker is gone. It was judged before. */
static void
heard(void *arg, const struct part_read *r)
{
    struct scan *s = arg;
    s->is_waiting = false;
    if (r == NULL) {
        return;
    }
    if (r->rc == SL_OK) {
        note_batches(s, r);
        if (s->offset >= r->high_watermark) {
            judge(s);
            s->p = NULL;
        }
    } else if (r->rc == SL_EOFFSET_RANGE && r->log_start > s->offset) {
        s->offset = r->log_start;
    } else if (r->rc == SL_EUNKNOWN_PARTITION) {
        s->p = NULL;
    }
}

static void
scan_step(void *arg)
{
    struct scan *s = arg;
    struct sim_broker *b = &sim.brokers[rng_below(&sim.r_scan, (uint64_t)sim.k.brokers)];
    int64_t gap = sim.k.gap_ns / 2;
    if (sim.is_quiet) {
        return;
    }
    if (s->p == NULL && !s->is_waiting) {
        begin(s);
    }
    if (s->p != NULL && !s->is_waiting && b->phase == BROKER_UP) {
        s->is_waiting = readers_read(b, s->p, s->offset, heard, s);
    }
    if (++s->steps == STEPS_MAX) {
        return;
    }
    if (s->steps > STEPS_EAGER) {
        gap = gap * (s->steps / STEPS_EAGER) + SCHED_S; /* a long run is not for reading alone */
    }
    sim_after(rng_span(&sim.r_scan, gap / 8, gap * 2), scan_step, s);
}

void
scans_start(void)
{
    bool is_any = false;
    for (int i = 0; i < sim.part_count; i++) {
        is_any = is_any || sim.parts[i].has_records;
    }
    for (int i = 0; i < SCANS && is_any; i++) {
        sim_after(rng_span(&sim.r_scan, 0, sim.k.gap_ns), scan_step, &scans[i]);
    }
}
