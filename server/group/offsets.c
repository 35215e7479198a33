/* SPDX-License-Identifier: Apache-2.0
 *
 * Committing, fetching and deleting offsets.
 *
 * A commit is judged twice: here against the live group, so that a member is told at once what it
 * has to do; and where its op is staged, against S and the GROUP ops in flight, so that a
 * coordinator that was replaced meanwhile cannot commit (journal.md R11). It is answered when the
 * op is verified; ops of many groups share entries.
 *
 * A fetch reads to the tail first unless this broker won an entry lately (R8): what another broker
 * acknowledged must be seen. */
#include "group/offsets.h"

#include "group/group_int.h"

#include <stdlib.h>

enum { REMOVE_TIMEOUT_S = 30 };

/* --- commit --- */

static int16_t
error_of_commit(const struct offset_commit *oc, enum sl_err rc)
{
    switch (rc) {
    case SL_OK:
        return KAFKA_NONE;
    case SL_EGROUP_NOT_FOUND:
        return oc->has_group_not_found ? KAFKA_GROUP_ID_NOT_FOUND : KAFKA_ILLEGAL_GENERATION;
    case SL_ESTALE_MEMBER_EPOCH:
        return oc->has_group_not_found ? KAFKA_STALE_MEMBER_EPOCH : KAFKA_UNSUPPORTED_VERSION;
    case SL_EUNKNOWN_MEMBER:
    case SL_EILLEGAL_GENERATION:
    case SL_EFENCED_INSTANCE:
        return kafka_error_of(rc);
    case SL_ETOO_LARGE:
        return KAFKA_INVALID_COMMIT_OFFSET_SIZE;
    case SL_ESHUTDOWN:
    case SL_ECANCELED:
    case SL_EFENCED:
        return KAFKA_NOT_COORDINATOR;
    default:
        return KAFKA_COORDINATOR_NOT_AVAILABLE; /* clients look for it again, and retry */
    }
}

static void
commit_answer(struct offset_commit *oc, int16_t error)
{
    for (size_t i = 0; i < oc->part_count; i++) {
        if (oc->parts[i].error == KAFKA_NONE) {
            oc->parts[i].error = error;
        }
    }
    if (oc->group != NULL) {
        group__unpin(oc->group);
    }
    group_answer(&oc->call, error);
}

static void
committed(struct op_proposal *op, enum sl_err rc)
{
    struct offset_commit *oc = (struct offset_commit *)op->arg;
    bytes_fini(&op->payload);
    commit_answer(oc, error_of_commit(oc, rc));
}

static size_t
gather(struct offset_commit *oc, struct group_offset *out)
{
    size_t count = 0;
    for (size_t i = 0; i < oc->part_count; i++) {
        struct offset_commit_part *p = &oc->parts[i];
        if (p->error == KAFKA_NONE &&
            p->metadata.len > (size_t)oc->call.table->o.offset_metadata_max_bytes) {
            p->error = KAFKA_OFFSET_METADATA_TOO_LARGE;
        }
        if (p->error == KAFKA_NONE) {
            out[count++] = (struct group_offset){.topic_id = p->topic_id,
                                                 .partition = p->partition,
                                                 .leader_epoch = p->leader_epoch,
                                                 .offset = p->offset,
                                                 .metadata = p->metadata};
        }
    }
    return count;
}

static enum sl_err
encode_commit(struct offset_commit *oc, size_t *ret_count)
{
    struct group_offset *offsets =
        (struct group_offset *)sl_alloc((oc->part_count + 1) * sizeof(offsets[0]));
    *ret_count = gather(oc, offsets);
    const struct offsets_op op = {.group_id = oc->call.group_id,
                                  .generation = oc->generation,
                                  .member_id = oc->member_id,
                                  .instance_id = oc->instance_id,
                                  .commits = offsets,
                                  .commit_count = *ret_count};
    enum sl_err rc = *ret_count == 0 ? SL_OK : op_encode_offsets(&oc->op.payload, &op);
    sl_free(offsets);
    return rc;
}

static void
commit_propose(struct offset_commit *oc)
{
    const struct group_table *gt = oc->call.table;
    size_t count;
    oc->op = (struct op_proposal){.kind = ITEM_OFFSETS,
                                  .deadline_ns =
                                      sched_now(gt->sched) + gt->o.commit_timeout_ms * SCHED_MS,
                                  .is_pipelined = true,
                                  .check = op_check_offsets,
                                  .done = committed,
                                  .arg = oc};
    bytes_init(&oc->op.payload, OFFSETS_BYTES_MAX + GROUP_ID_MAX + 1024);
    enum sl_err rc = encode_commit(oc, &count);
    if (rc != SL_OK || count == 0) {
        bytes_fini(&oc->op.payload);
        commit_answer(oc, error_of_commit(oc, rc));
        return;
    }
    op_submit(gt->o.shard, &oc->op);
}

static int16_t
check_commit(struct group_table *gt, struct offset_commit *oc, struct group *g)
{
    if (g != NULL) {
        return g->kind->check_commit(g, oc);
    }
    if (oc->generation >= 0 || oc->member_id.len > 0 || oc->instance_id.ptr != NULL) {
        return error_of_commit(oc, SL_EGROUP_NOT_FOUND);
    }
    const struct state *st = shard_state(gt->o.shard);
    bool is_known = state_find_group(st, oc->call.group_id) != NULL;
    return is_known || state_group_count(st) < gt->o.max_groups
               ? KAFKA_NONE
               : (int16_t)KAFKA_GROUP_MAX_SIZE_REACHED;
}

void
offset_commit_run(struct group_table *gt, struct group_call *call)
{
    struct offset_commit *oc = SL_CONTAINER_OF(call, struct offset_commit, call);
    oc->group = NULL;
    if (call->group_id.len == 0 || call->group_id.len > GROUP_ID_MAX) {
        commit_answer(oc, KAFKA_INVALID_GROUP_ID);
        return;
    }
    struct group *g = group__load(gt, call->group_id);
    int16_t error = check_commit(gt, oc, g);
    if (g != NULL) {
        g->is_cold = g->is_cold && error != KAFKA_NONE;
        oc->group = g;
        group__pin(g);
    }
    if (error != KAFKA_NONE) {
        commit_answer(oc, error);
        return;
    }
    commit_propose(oc);
}

/* --- fetch --- */

static void
fill_known(struct offset_fetch *of, const struct group_state *gs)
{
    for (size_t i = 0; i < of->part_count; i++) {
        struct offset_fetch_part *p = &of->parts[i];
        const struct group_offset *o =
            gs == NULL ? NULL : group_find_offset(gs, &p->topic_id, p->partition);
        p->offset = o == NULL ? -1 : o->offset;
        p->leader_epoch = o == NULL ? -1 : o->leader_epoch;
        p->metadata = o == NULL ? span_cstr("") : group__span_answer(&of->call, o->metadata);
    }
}

static int
compare_parts(const void *a, const void *b)
{
    const struct offset_fetch_part *x = (const struct offset_fetch_part *)a;
    const struct offset_fetch_part *y = (const struct offset_fetch_part *)b;
    int order = memcmp(x->topic_id.b, y->topic_id.b, sizeof(x->topic_id.b));
    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static bool
fill_all(struct offset_fetch *of, const struct group_state *gs)
{
    size_t count = gs == NULL ? 0 : gs->offsets.count;
    size_t pos = 0;
    const struct group_offset *o;
    of->part_count = 0;
    of->parts = (struct offset_fetch_part *)arena_array(&of->call.mem, count, sizeof(of->parts[0]));
    if (of->parts == NULL) {
        return false;
    }
    while (count > 0 && (o = group_next_offset(gs, &pos)) != NULL) {
        struct offset_fetch_part *p = &of->parts[of->part_count++];
        *p = (struct offset_fetch_part){.topic_id = o->topic_id,
                                        .partition = o->partition,
                                        .leader_epoch = o->leader_epoch,
                                        .offset = o->offset,
                                        .metadata = group__span_answer(&of->call, o->metadata)};
    }
    qsort(of->parts, of->part_count, sizeof(of->parts[0]), compare_parts);
    return true;
}

/* Version 9: a member of the consumer protocol says its epoch, and is told when it is not current.
 */
static int16_t
check_fetch(const struct offset_fetch *of, const struct group_state *gs)
{
    if (of->member_epoch < 0 || gs == NULL || group_type_of(gs) != GROUP_CONSUMER) {
        return KAFKA_NONE;
    }
    uint32_t i = group_facts_find(gs->facts, of->member_id);
    if (i == UINT32_MAX) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    return gs->facts->consumer[i].epoch == of->member_epoch ? KAFKA_NONE
                                                            : (int16_t)KAFKA_STALE_MEMBER_EPOCH;
}

static void
fetch_answer(struct offset_fetch *of)
{
    const struct state *st = shard_state(of->call.table->o.shard);
    const struct group_state *gs = state_find_group(st, of->call.group_id);
    int16_t error = check_fetch(of, gs);
    if (error == KAFKA_NONE && of->is_all && !fill_all(of, gs)) {
        error = KAFKA_UNKNOWN_SERVER_ERROR;
    }
    if (!of->is_all) {
        fill_known(of, gs);
    }
    group_answer(&of->call, error);
}

static void
fetch_ready(struct journal_waiter *w, enum sl_err rc)
{
    struct offset_fetch *of = SL_CONTAINER_OF(w, struct offset_fetch, waiter);
    sched_timer_stop(of->call.table->sched, &of->late);
    if (rc != SL_OK) {
        group_answer(&of->call, KAFKA_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    fetch_answer(of);
}

static void
fetch_late(struct sched_timer *t)
{
    struct offset_fetch *of = SL_CONTAINER_OF(t, struct offset_fetch, late);
    journal_waiter_cancel(&of->waiter);
    group_answer(&of->call, KAFKA_COORDINATOR_NOT_AVAILABLE);
}

void
offset_fetch_run(struct group_table *gt, struct group_call *call)
{
    struct offset_fetch *of = SL_CONTAINER_OF(call, struct offset_fetch, call);
    of->late = (struct sched_timer){.fire = fetch_late};
    of->waiter = (struct journal_waiter){.ready = fetch_ready, .is_strict = true};
    sched_timer_at(gt->sched, &of->late, of->deadline_ns);
    journal_refresh(shard_journal(gt->o.shard), &of->waiter);
}

/* --- delete --- */

static void
delete_answer(struct offset_delete *od, int16_t error)
{
    for (size_t i = 0; i < od->part_count && error != KAFKA_NONE; i++) {
        if (od->parts[i].error == KAFKA_NONE) {
            od->parts[i].error = error;
        }
    }
    group_answer(&od->call, error);
}

static void
deleted(struct op_proposal *op, enum sl_err rc)
{
    struct offset_delete *od = (struct offset_delete *)op->arg;
    bytes_fini(&op->payload);
    delete_answer(od, rc == SL_OK                 ? KAFKA_NONE
                      : rc == SL_EGROUP_NOT_EMPTY ? KAFKA_NON_EMPTY_GROUP
                                                  : KAFKA_COORDINATOR_NOT_AVAILABLE);
}

/* A group with members keeps the offsets of what they are subscribed to. */
static size_t
gather_removals(struct offset_delete *od, const struct group *g, struct group_part *out)
{
    size_t count = 0;
    for (size_t i = 0; i < od->part_count; i++) {
        struct offset_delete_part *p = &od->parts[i];
        if (p->error == KAFKA_NONE && g != NULL && g->kind->is_subscribed(g, p->topic)) {
            p->error = KAFKA_GROUP_SUBSCRIBED_TO_TOPIC;
        }
        if (p->error == KAFKA_NONE) {
            out[count++] = (struct group_part){p->topic_id, p->partition};
        }
    }
    return count;
}

static void
delete_propose(struct offset_delete *od, const struct group *members)
{
    const struct group_table *gt = od->call.table;
    struct group_part *parts =
        (struct group_part *)sl_alloc((od->part_count + 1) * sizeof(parts[0]));
    size_t count = gather_removals(od, members, parts);
    const struct offsets_op op = {.group_id = od->call.group_id,
                                  .generation = -1,
                                  .is_removal = true,
                                  .is_only_if_empty = members == NULL,
                                  .before_ms = INT64_MAX,
                                  .removals = parts,
                                  .removal_count = count};
    od->op = (struct op_proposal){.kind = ITEM_OFFSETS,
                                  .deadline_ns = sched_now(gt->sched) + REMOVE_TIMEOUT_S * SCHED_S,
                                  .is_pipelined = true,
                                  .check = op_check_offsets,
                                  .done = deleted,
                                  .arg = od};
    bytes_init(&od->op.payload, OFFSETS_BYTES_MAX + GROUP_ID_MAX + 1024);
    enum sl_err rc = count == 0 ? SL_OK : op_encode_offsets(&od->op.payload, &op);
    sl_free(parts);
    if (rc != SL_OK || count == 0) {
        bytes_fini(&od->op.payload);
        delete_answer(od, rc == SL_OK ? KAFKA_NONE : (int16_t)KAFKA_INVALID_REQUEST);
        return;
    }
    op_submit(gt->o.shard, &od->op);
}

void
offset_delete_run(struct group_table *gt, struct group_call *call)
{
    struct offset_delete *od = SL_CONTAINER_OF(call, struct offset_delete, call);
    struct group *g = group__load(gt, call->group_id);
    if (g == NULL && state_find_group(shard_state(gt->o.shard), call->group_id) == NULL) {
        delete_answer(od, KAFKA_GROUP_ID_NOT_FOUND);
        return;
    }
    bool has_members = g != NULL && !g->kind->is_empty(g);
    if (has_members && !span_eq(g->kind->protocol_type(g), span_cstr("consumer"))) {
        delete_answer(od, KAFKA_NON_EMPTY_GROUP); /* what it is subscribed to is its own secret */
        return;
    }
    delete_propose(od, has_members ? g : NULL);
}
