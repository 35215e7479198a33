/* SPDX-License-Identifier: Apache-2.0
 *
 * The last step of a roll: REGISTER, and what is left to do when somebody was faster.
 *
 * A base that S has gone past without a segment of generation 0 there (it was trimmed or retired
 * meanwhile) can never be registered: the end of the segments never goes back, and a directory is
 * never used twice. Then whoever finds its own objects there deletes them. Objects that S counts as
 * garbage are left to garbage.c, which grants a grace period to those who still read them. */
#include "base/counters.h"
#include "journal/mistakes.h"
#include "partition/roller_int.h"

#define REGISTER_TIMEOUT_NS (60 * SCHED_S)
#define REFUSED_PAUSE_NS (600 * SCHED_S)

/* --- orphans --- */

static bool
is_garbage(const struct roll_job *j)
{
    const struct state *st = j->sh->state;
    for (size_t i = 0; i < state_garbage_count(st); i++) {
        const struct garbage_ref *g = state_garbage(st, i);
        if (g->base == j->base && g->gen == 0 && g->partition == j->partition &&
            uuid_eq(&g->topic_id, &j->topic_id)) {
            return true;
        }
    }
    return false;
}

static bool
is_registered(const struct part_state *p, int64_t base)
{
    for (size_t i = 0; i < part_segment_count(p); i++) {
        const struct segment_ref *s = part_segment(p, i);
        if (s->base == base && s->gen == 0) {
            return true;
        }
    }
    return false;
}

static bool
is_orphan(const struct roll_job *j)
{
    const struct part_state *p = state_find_part(j->sh->state, &j->topic_id, j->partition);
    if (!j->has_put || !j->sh->roll.is_running || j->sh->mode != JOURNAL_LIVE || is_garbage(j)) {
        return false;
    }
    return p == NULL || (part_registered_end(p) > j->base &&
                         (!is_registered(p, j->base) || MISTAKE(orphan_blindly)));
}

static void
index_dropped(struct store_call *call)
{
    roll__job_end(roll__job_of(call), 0);
}

static void
kfs_dropped(struct store_call *call)
{
    struct roll_job *j = roll__job_of(call);
    if (!j->sh->roll.is_running) {
        roll__job_end(j, 0);
        return;
    }
    roll__call(j, STORE_DEL, SEGMENT_FILE_INDEX, index_dropped);
    store_submit(j->sh->o.journal.store, &j->call);
}

void
roll__drop_orphan(struct roll_job *j)
{
    roll__scan_leave(j);
    if (!is_orphan(j)) {
        roll__job_end(j, 0);
        return;
    }
    counter_add(C_roll_orphans, 1);
    roll__call(j, STORE_DEL, SEGMENT_FILE_KFS, kfs_dropped);
    store_submit(j->sh->o.journal.store, &j->call);
}

/* --- register --- */

static void
registered(struct op_proposal *op, enum sl_err rc)
{
    struct roll_job *j = (struct roll_job *)op->arg;
    bytes_fini(&op->payload);
    switch (rc) {
    case SL_OK:
        counter_add(C_roll_segments, 1);
        counter_add(C_roll_bytes, (int64_t)j->files.kfs->len);
        roll__job_end(j, 0);
        break;
    case SL_EEXIST:
    case SL_EUNKNOWN_PARTITION:
        roll__drop_orphan(j);
        break;
    case SL_EAGAIN:
        roll__retry(j, roll__register, sl_err_text(rc));
        break;
    case SL_EINVAL:
        SL_ERROR(j->sh->o.journal.log, "roller.register_refused", KV_STR("directory", j->dir),
                 KV_I64("partition", j->partition), KV_I64("base", j->base),
                 KV_I64("last", j->last));
        roll__job_end(j, REFUSED_PAUSE_NS);
        break;
    default:
        roll__job_end(j, SCHED_S); /* what became of it, the next job will see */
    }
}

void
roll__register(struct roll_job *j)
{
    struct register_op r = {.topic_id = j->topic_id,
                            .partition = j->partition,
                            .dir = span_cstr(j->dir),
                            .segment = {.base = j->base,
                                        .last = j->last,
                                        .bytes = j->files.kfs->len,
                                        .max_timestamp = j->files.max_timestamp,
                                        .record_count = (uint32_t)j->files.message_count,
                                        .body_crc = j->body_crc,
                                        .slice_count = j->slice_count,
                                        .slices = j->slices}};
    j->op = (struct op_proposal){.kind = ITEM_REGISTER,
                                 .deadline_ns = sched_now(shard_sched(j->sh)) + REGISTER_TIMEOUT_NS,
                                 .check = MISTAKE(register_anywhere) ? NULL : op_check_register,
                                 .is_pipelined = true,
                                 .done = registered,
                                 .arg = j};
    bytes_init(&j->op.payload, 4096 + SEGMENT_SLICES_MAX * 16);
    op_encode_register(&j->op.payload, &r, 1);
    op_submit(j->sh, &j->op);
}
