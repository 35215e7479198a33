/* SPDX-License-Identifier: Apache-2.0
 *
 * Forgetting offsets that nobody has needed for long, and groups of which nothing is left.
 *
 * Offsets of a group that was empty for the retention, and of a simple group those that were
 * committed so long ago, go by an op that names the cutoff, so that every broker forgets the same
 * ones. A group that is empty and has no offsets (any more) goes too, as Kafka does it: at the next
 * look. Looks take a bounded number of groups, one op after the other. */
#include "group/group_int.h"

enum { BATCH_GROUPS = 1000, AGAIN_S = 1, OP_TIMEOUT_S = 30, OFFSETS_AT_A_TIME = 10000 };

struct group_expiry {
    struct group_table *gt;
    struct span ids[BATCH_GROUPS]; /* own copies */
    size_t count, next;
    int64_t before_ms;
    struct op_proposal op;
    bool is_busy, is_abandoned;
};

static void look(struct sched_timer *t);
static void step(struct group_expiry *ex);

static bool
is_offset_due(const struct group_state *gs, const struct group_offset *o, int64_t before_ms)
{
    bool is_empty_long =
        gs->facts == NULL || (gs->empty_since_ms >= 0 && gs->empty_since_ms < before_ms);
    return is_empty_long && o->commit_ms < before_ms;
}

/* Is there something to forget? */
static bool
is_due(const struct group_state *gs, int64_t before_ms)
{
    size_t pos = 0;
    const struct group_offset *o;
    if (gs->facts != NULL && gs->facts->member_count > 0) {
        return false;
    }
    if (gs->offsets.count == 0) {
        return gs->facts != NULL;
    }
    while ((o = group_next_offset(gs, &pos)) != NULL) {
        if (is_offset_due(gs, o, before_ms)) {
            return true;
        }
    }
    return false;
}

static void
arm(struct group_table *gt, int64_t ms)
{
    gt->expiry_timer.fire = look;
    sched_timer_after(gt->sched, &gt->expiry_timer, ms * SCHED_MS);
}

static void
finish(struct group_expiry *ex)
{
    bool is_full = ex->count == BATCH_GROUPS;
    for (size_t i = 0; i < ex->count; i++) {
        group__span_free(&ex->ids[i]);
    }
    if (!ex->is_abandoned) {
        ex->gt->expiry = NULL;
        arm(ex->gt, is_full ? AGAIN_S * 1000 : ex->gt->o.offsets_check_interval_ms);
    }
    sl_free(ex);
}

static void
forgotten(struct op_proposal *op, enum sl_err rc)
{
    struct group_expiry *ex = (struct group_expiry *)op->arg;
    (void)rc; /* looked at again next time */
    bytes_fini(&op->payload);
    ex->is_busy = false;
    step(ex);
}

static void
submit(struct group_expiry *ex)
{
    ex->is_busy = true;
    op_submit(ex->gt->o.shard, &ex->op);
}

static void
forget_offsets(struct group_expiry *ex, const struct group_state *gs)
{
    struct group_part *parts = (struct group_part *)sl_alloc(OFFSETS_AT_A_TIME * sizeof(parts[0]));
    const struct group_offset *o;
    size_t count = 0, pos = 0;
    while (count < OFFSETS_AT_A_TIME && (o = group_next_offset(gs, &pos)) != NULL) {
        if (is_offset_due(gs, o, ex->before_ms)) {
            parts[count++] = (struct group_part){o->topic_id, o->partition};
        }
    }
    const struct offsets_op op = {.group_id = gs->id,
                                  .generation = -1,
                                  .is_removal = true,
                                  .is_only_if_empty = true,
                                  .before_ms = ex->before_ms,
                                  .removals = parts,
                                  .removal_count = count};
    ex->op = (struct op_proposal){.kind = ITEM_OFFSETS,
                                  .deadline_ns = sched_now(ex->gt->sched) + OP_TIMEOUT_S * SCHED_S,
                                  .is_pipelined = true,
                                  .check = op_check_offsets,
                                  .done = forgotten,
                                  .arg = ex};
    bytes_init(&ex->op.payload, OFFSETS_BYTES_MAX + GROUP_ID_MAX + 1024);
    enum sl_err rc = op_encode_offsets(&ex->op.payload, &op);
    sl_free(parts);
    if (rc == SL_OK) {
        submit(ex);
    } else {
        bytes_fini(&ex->op.payload);
    }
}

static void
forget_group(struct group_expiry *ex, const struct group_state *gs)
{
    const struct group_delete one = {
        .group_id = gs->id, .base = gs->version, .is_only_if_forgotten = true};
    ex->op = (struct op_proposal){.kind = ITEM_GROUP_DELETE,
                                  .deadline_ns = sched_now(ex->gt->sched) + OP_TIMEOUT_S * SCHED_S,
                                  .check = op_check_group_delete,
                                  .done = forgotten,
                                  .arg = ex};
    bytes_init(&ex->op.payload, GROUP_ID_MAX + 1024);
    op_encode_group_delete(&ex->op.payload, &one, 1);
    submit(ex);
}

static void
step(struct group_expiry *ex)
{
    while (!ex->is_busy && !ex->is_abandoned && ex->next < ex->count) {
        struct span id = ex->ids[ex->next++];
        struct group_state *gs = state_find_group(shard_state(ex->gt->o.shard), id);
        if (gs == NULL || !ex->gt->is_loaded || group__find(ex->gt, id) != NULL ||
            !is_due(gs, ex->before_ms)) {
            continue;
        }
        if (gs->offsets.count == 0) {
            forget_group(ex, gs);
        } else {
            forget_offsets(ex, gs);
        }
    }
    if (!ex->is_busy) {
        finish(ex);
    }
}

static void
look(struct sched_timer *t)
{
    struct group_table *gt = SL_CONTAINER_OF(t, struct group_table, expiry_timer);
    struct group_expiry *ex = (struct group_expiry *)sl_alloc(sizeof(*ex));
    struct group_state *gs;
    size_t pos = 0;
    ex->gt = gt;
    ex->before_ms = sched_wall_ms(gt->sched) - gt->o.offsets_retention_ms;
    while (gt->is_loaded && ex->count < BATCH_GROUPS &&
           (gs = state_next_group(shard_state(gt->o.shard), &pos)) != NULL) {
        if (is_due(gs, ex->before_ms) && group__find(gt, gs->id) == NULL) {
            ex->ids[ex->count++] = group__span_keep(gs->id);
        }
    }
    gt->expiry = ex;
    step(ex);
}

void
group__expiry_start(struct group_table *gt)
{
    if (gt->expiry == NULL && gt->expiry_timer.heap_pos == 0) {
        arm(gt, gt->o.offsets_check_interval_ms);
    }
}

void
group__expiry_stop(struct group_table *gt)
{
    sched_timer_stop(gt->sched, &gt->expiry_timer);
    if (gt->expiry != NULL) {
        gt->expiry->is_abandoned = true; /* its op comes back and ends it */
        gt->expiry = NULL;
    }
}
