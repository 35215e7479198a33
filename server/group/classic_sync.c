/* SPDX-License-Identifier: Apache-2.0
 *
 * SyncGroup, Heartbeat, LeaveGroup, and who may commit. */
#include "base/diag.h"
#include "group/classic_int.h"
#include "group/offsets.h"

enum { LINES_PER_SECOND = 5 };

/* --- sync --- */

static bool
is_other(struct span said, struct span is)
{
    return said.ptr != NULL && !span_eq(said, is);
}

static int16_t
check_sync(const struct classic *c, const struct group_sync *s, struct member **ret)
{
    int16_t error = classic__check_member(c, s->member_id, s->instance_id, ret);
    if (error != KAFKA_NONE) {
        return error;
    }
    if (s->generation != c->generation) {
        return KAFKA_ILLEGAL_GENERATION;
    }
    if (is_other(s->protocol_type, c->protocol_type) || is_other(s->protocol, c->protocol)) {
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    }
    return KAFKA_NONE;
}

/* The leader's word. Members that it does not name get nothing; names that nobody has are passed
 * over. False above a bound. */
static bool
take_assignments(struct classic *c, const struct group_sync *s)
{
    for (size_t i = 0; i < s->assignment_count; i++) {
        const struct group_assignment *a = &s->assignments[i];
        struct member *m = classic__member(c, a->member_id);
        if (m != NULL && !classic__member_assign(m, a->assignment)) {
            return false;
        }
    }
    c->has_assignment = true;
    return true;
}

/* A leader that joined again got its generation back, and assigned anew, perhaps knowing of more
 * partitions. What it said first may be on its way into the log, and stands; but it believes that
 * what it said last does, so it would never lead again: the group rebalances. */
static bool
says_otherwise(const struct classic *c, const struct member *m, const struct group_sync *s)
{
    for (size_t i = 0; m == c->leader && i < s->assignment_count; i++) {
        const struct member *of = classic__member(c, s->assignments[i].member_id);
        if (of != NULL && !span_eq(of->assignment, s->assignments[i].assignment)) {
            return true;
        }
    }
    return false;
}

static void
sync_completing(struct classic *c, struct member *m, struct group_sync *s)
{
    if (m->sync != NULL) { /* asked again: the older request gives way */
        group_answer(&m->sync->call, KAFKA_REBALANCE_IN_PROGRESS);
    }
    m->sync = s;
    m->is_sync_expected = false;
    classic__session_start(m);
    classic__sync_check(c);
    if (m != c->leader || c->has_assignment) {
        c->is_outdated = c->is_outdated || says_otherwise(c, m, s);
        return;
    }
    if (take_assignments(c, s)) {
        classic__store(c);
        return;
    }
    classic__sync_fail_all(c, KAFKA_UNKNOWN_SERVER_ERROR);
    classic__rebalance_maybe(c, "the assignment is too large");
}

void
classic__sync(struct group *g, struct group_sync *s)
{
    struct classic *c = classic_of(g);
    struct member *m = NULL;
    bool is_outdated;
    int16_t error = check_sync(c, s, &m);
    if (error != KAFKA_NONE) {
        group_answer(&s->call, error);
        return;
    }
    switch (c->state) {
    case CLASSIC_COMPLETING:
        sync_completing(c, m, s);
        break;
    case CLASSIC_STABLE:
        m->is_sync_expected = false;
        classic__sync_check(c);
        classic__session_start(m);
        is_outdated = says_otherwise(c, m, s);
        classic__sync_answer(c, m, s, KAFKA_NONE);
        if (is_outdated) {
            classic__rebalance_maybe(c, "the leader has assigned otherwise meanwhile");
        }
        break;
    default:
        group_answer(&s->call, KAFKA_REBALANCE_IN_PROGRESS);
    }
}

/* --- heartbeat --- */

void
classic__heartbeat(struct group *g, struct group_heartbeat *h)
{
    struct classic *c = classic_of(g);
    struct member *m = NULL;
    int16_t error = classic__check_member(c, h->member_id, h->instance_id, &m);
    if (error == KAFKA_NONE && h->generation != c->generation) {
        error = KAFKA_ILLEGAL_GENERATION;
    }
    if (error == KAFKA_NONE) {
        classic__session_start(m);
        error = c->state == CLASSIC_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
    }
    group_answer(&h->call, error);
}

/* --- leave --- */

/* Who leaves says why (KIP-800). */
static void
log_reason(const struct classic *c, const struct member *m, struct span reason)
{
    static struct diag_limit limit;
    if (reason.len > 0 && diag_limit_ok(&limit, LINES_PER_SECOND)) {
        SL_INFO(NULL, "group.member_left", KV_SPAN("group", c->g->id), KV_SPAN("member", m->id),
                KV_SPAN("reason", reason));
    }
}

static int16_t
leave_one(struct classic *c, const struct group_leave_member *l)
{
    struct pending *p = l->member_id.len > 0 ? classic__pending(c, l->member_id) : NULL;
    struct member *m = NULL;
    if (p != NULL) {
        classic__pending_remove(p);
        classic__join_check(c);
        return KAFKA_NONE;
    }
    if (l->instance_id.ptr != NULL && l->member_id.len == 0) { /* an administrator removes it */
        m = classic__member_of_instance(c, l->instance_id);
        if (m == NULL) {
            return KAFKA_UNKNOWN_MEMBER_ID;
        }
    } else {
        int16_t error = classic__check_member(c, l->member_id, l->instance_id, &m);
        if (error != KAFKA_NONE) {
            return error;
        }
    }
    log_reason(c, m, l->reason);
    classic__remove_and_rebalance(m, KAFKA_UNKNOWN_MEMBER_ID, "a member left");
    return KAFKA_NONE;
}

void
classic__leave(struct group *g, struct group_leave *l)
{
    for (size_t i = 0; i < l->member_count; i++) {
        l->members[i].error = leave_one(classic_of(g), &l->members[i]);
    }
    group_answer(&l->call, KAFKA_NONE);
}

/* --- commits --- */

int16_t
classic__check_commit(struct group *g, const struct offset_commit *oc)
{
    struct classic *c = classic_of(g);
    struct member *m = NULL;
    bool is_simple = oc->generation < 0 && oc->member_id.len == 0 && oc->instance_id.ptr == NULL;
    if (oc->generation < 0 && c->member_count == 0 && c->state == CLASSIC_EMPTY) {
        return KAFKA_NONE;
    }
    if (is_simple) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    int16_t error = classic__check_member(c, oc->member_id, oc->instance_id, &m);
    if (error != KAFKA_NONE) {
        return error;
    }
    if (oc->generation != c->generation) {
        return KAFKA_ILLEGAL_GENERATION;
    }
    classic__session_start(m);
    return c->state == CLASSIC_COMPLETING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

/* --- the requests --- */

/* The group a member of which is asking; answers when there is none. */
static struct group *
group_of(struct group_table *gt, struct group_call *call)
{
    struct group *g = call->group_id.len == 0 ? NULL : group__load(gt, call->group_id);
    if (g == NULL) {
        group_answer(call,
                     call->group_id.len == 0 ? KAFKA_INVALID_GROUP_ID : KAFKA_UNKNOWN_MEMBER_ID);
        return NULL;
    }
    g->is_cold = false;
    return g;
}

void
group_sync_run(struct group_table *gt, struct group_call *call)
{
    struct group_sync *s = SL_CONTAINER_OF(call, struct group_sync, call);
    struct group *g = group_of(gt, call);
    if (g == NULL) {
        return;
    }
    if (g->kind->sync == NULL) {
        group_answer(call, KAFKA_UNKNOWN_MEMBER_ID);
        return;
    }
    group__pin(g);
    g->kind->sync(g, s);
    group__unpin(g);
}

void
group_heartbeat_run(struct group_table *gt, struct group_call *call)
{
    struct group_heartbeat *h = SL_CONTAINER_OF(call, struct group_heartbeat, call);
    struct group *g = group_of(gt, call);
    if (g == NULL) {
        return;
    }
    if (g->kind->heartbeat == NULL) {
        group_answer(call, KAFKA_UNKNOWN_MEMBER_ID);
        return;
    }
    group__pin(g);
    g->kind->heartbeat(g, h);
    group__unpin(g);
}

void
group_leave_run(struct group_table *gt, struct group_call *call)
{
    struct group_leave *l = SL_CONTAINER_OF(call, struct group_leave, call);
    struct group *g = group__load(gt, call->group_id);
    if (call->group_id.len == 0) {
        group_answer(call, KAFKA_INVALID_GROUP_ID);
        return;
    }
    if (g == NULL || g->kind->leave == NULL) {
        for (size_t i = 0; i < l->member_count; i++) {
            l->members[i].error = KAFKA_UNKNOWN_MEMBER_ID;
        }
        group_answer(call, KAFKA_NONE);
        return;
    }
    g->is_cold = false;
    group__pin(g);
    g->kind->leave(g, l);
    group__unpin(g);
}
