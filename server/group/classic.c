/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a classic group.
 *
 *            first join                 initial delay over,
 *   EMPTY ----------------> PREPARING -- all joined, or time-out --> COMPLETING
 *     ^                      |   ^  ^                                  |   |
 *     |    nobody is left    |   |  +----- joins, leaves, expires -----+   | leader's assignment
 *     +----------------------+   |                                         | stored and verified
 *                                +------ joins, leaves, expires ---- STABLE <
 *
 * PREPARING: members join (again); each waits in member.join. When all that are known have come,
 * or the longest rebalance time-out has passed, whoever did not come is removed (static members
 * stay, KIP-345), the generation grows by one, a protocol is chosen by vote, and all are answered;
 * the leader is told of everybody. The first join into an empty group waits a while for others
 * instead (KIP-134).
 *
 * COMPLETING: members ask for their part of the assignment and wait in member.sync until the leader
 * has sent it and the op that holds generation, members and assignment is verified (R11): only then
 * is the group STABLE and are they answered. An op that fails is a rebalance.
 *
 * What is stored is the last generation that was completed, and that the group is empty. Timers,
 * requests that wait and ids that were given out (KIP-394) are memory: after a restart the facts
 * come back as STABLE, sessions start anew, and nobody has to rebalance.
 *
 * Two brokers may think they coordinate. Each op names the version of the facts it was built on, so
 * only one of them moves the group on; the other drops what it has in memory, answers
 * NOT_COORDINATOR, and begins again from S when somebody still asks it. Heartbeats are answered
 * from memory alone. */
#include "base/diag.h"
#include "group/classic_int.h"

enum { LINES_PER_SECOND = 5, LOOK_AGAIN_MS = 500 };

static void
log_event(const struct classic *c, const char *what, const char *why)
{
    static struct diag_limit limit;
    if (diag_limit_ok(&limit, LINES_PER_SECOND)) {
        SL_INFO(NULL, "group.changed", KV_SPAN("group", c->g->id), KV_STR("what", what),
                KV_STR("why", why), KV_I64("generation", c->generation),
                KV_U64("members", c->member_count));
    }
}

void
classic__set_state(struct classic *c, enum classic_state state)
{
    c->previous = c->state;
    c->state = state;
}

/* --- sessions --- */

static void
session_over(struct sched_timer *t)
{
    struct member *m = SL_CONTAINER_OF(t, struct member, session);
    struct group *g = m->group->g;
    switch (group__warmth(g)) {
    case GROUP_UNKNOWN:
        sched_timer_after(g->table->sched, &m->session, LOOK_AGAIN_MS * SCHED_MS);
        return;
    case GROUP_FOREIGN:
        group__forget(g, KAFKA_NOT_COORDINATOR); /* another broker's members, more likely */
        return;
    default:
        break;
    }
    group__pin(g);
    classic__remove_and_rebalance(m, KAFKA_UNKNOWN_MEMBER_ID, "a member was not heard of");
    group__unpin(g);
}

void
classic__session_start(struct member *m)
{
    struct sched *s = m->group->g->table->sched;
    int64_t ms = m->session_timeout_ms;
    if (m->join != NULL && m->is_new) {
        ms = NEW_MEMBER_JOIN_MS; /* it may be gone and does not know its id */
    } else if (m->join != NULL || m->sync != NULL) {
        sched_timer_stop(s, &m->session);
        return;
    }
    m->session.fire = session_over;
    sched_timer_after(s, &m->session, ms * SCHED_MS);
}

/* --- answers --- */

static void
tell_members(const struct classic *c, struct group_join *j)
{
    struct arena *mem = &j->call.mem;
    j->ret_members =
        (struct group_join_member *)arena_array(mem, c->member_count, sizeof(j->ret_members[0]));
    LIST_FOREACH(node, &c->members)
    {
        const struct member *m = SL_CONTAINER_OF(node, struct member, node);
        if (j->ret_members == NULL) {
            return;
        }
        struct group_join_member *out = &j->ret_members[j->ret_member_count++];
        out->id = group__span_answer(&j->call, m->id);
        out->instance_id = group__span_answer(&j->call, m->instance_id);
        out->metadata = group__span_answer(&j->call, classic__metadata(m, c->protocol));
    }
}

void
classic__join_answer(struct classic *c, const struct member *m, struct group_join *j)
{
    j->ret_generation = c->generation;
    j->ret_member_id = group__span_answer(&j->call, m->id);
    j->ret_protocol_type = group__span_answer(&j->call, c->protocol_type);
    j->ret_protocol = group__span_answer(&j->call, c->protocol);
    j->ret_leader = c->leader == NULL ? span_cstr("") : group__span_answer(&j->call, c->leader->id);
    if (m == c->leader) {
        tell_members(c, j);
    }
    group_answer(&j->call, KAFKA_NONE);
}

void
classic__sync_answer(const struct classic *c, const struct member *m, struct group_sync *s,
                     int16_t error)
{
    if (error == KAFKA_NONE) {
        s->ret_protocol_type = group__span_answer(&s->call, c->protocol_type);
        s->ret_protocol = group__span_answer(&s->call, c->protocol);
        s->ret_assignment = group__span_answer(&s->call, m->assignment);
    }
    group_answer(&s->call, error);
}

static void
sync_answer_all(struct classic *c, int16_t error)
{
    LIST_FOREACH(node, &c->members)
    {
        struct member *m = SL_CONTAINER_OF(node, struct member, node);
        if (m->sync != NULL) {
            struct group_sync *s = m->sync;
            m->sync = NULL;
            classic__sync_answer(c, m, s, error);
            classic__session_start(m);
        }
    }
}

void
classic__sync_fail_all(struct classic *c, int16_t error)
{
    c->has_assignment = c->is_outdated = false;
    LIST_FOREACH(node, &c->members)
    {
        (void)classic__member_assign(SL_CONTAINER_OF(node, struct member, node), span_cstr(""));
    }
    sync_answer_all(c, error);
}

/* --- the rebalance's clock --- */

static void complete_join(struct classic *c);

static int64_t
rebalance_timeout_ns(const struct classic *c)
{
    int64_t ms = 0;
    LIST_FOREACH(node, &c->members)
    {
        const struct member *m = SL_CONTAINER_OF(node, struct member, node);
        ms = m->rebalance_timeout_ms > ms ? m->rebalance_timeout_ms : ms;
    }
    return ms * SCHED_MS;
}

/* Members that were told of the generation and never asked for their part are gone. */
static void
sync_over(struct classic *c)
{
    LIST_FOREACH_SAFE(node, tmp, &c->members)
    {
        struct member *m = SL_CONTAINER_OF(node, struct member, node);
        if (m->is_sync_expected) {
            classic__member_remove(m, KAFKA_UNKNOWN_MEMBER_ID);
        }
    }
    classic__rebalance_maybe(c, "a member did not ask for its assignment");
}

static void
timer_fired(struct sched_timer *t)
{
    struct classic *c = SL_CONTAINER_OF(t, struct classic, timer);
    struct group *g = c->g;
    int64_t delay_ns = g->table->o.initial_rebalance_delay_ms * SCHED_MS;
    group__pin(g);
    if (c->phase == PHASE_INITIAL && c->has_new_member && c->initial_left_ns > 0) {
        c->has_new_member = false;
        delay_ns = delay_ns < c->initial_left_ns ? delay_ns : c->initial_left_ns;
        c->initial_left_ns -= delay_ns;
        sched_timer_after(g->table->sched, &c->timer, delay_ns);
    } else if (c->phase == PHASE_SYNC) {
        c->phase = PHASE_NONE;
        sync_over(c);
    } else {
        complete_join(c);
    }
    group__unpin(g);
}

static void
clock_start(struct classic *c, enum classic_phase phase, int64_t delay_ns)
{
    c->phase = phase;
    c->timer.fire = timer_fired;
    sched_timer_after(c->g->table->sched, &c->timer, delay_ns);
}

static void
clock_stop(struct classic *c)
{
    c->phase = PHASE_NONE;
    sched_timer_stop(c->g->table->sched, &c->timer);
}

/* --- preparing --- */

static void
start_clock_of_join(struct classic *c)
{
    int64_t total_ns = rebalance_timeout_ns(c);
    int64_t delay_ns = c->g->table->o.initial_rebalance_delay_ms * SCHED_MS;
    if (c->state != CLASSIC_EMPTY || delay_ns == 0) {
        clock_start(c, PHASE_JOIN, total_ns);
        return;
    }
    c->has_new_member = false;
    c->initial_left_ns = total_ns > delay_ns ? total_ns - delay_ns : 0;
    clock_start(c, PHASE_INITIAL, delay_ns);
}

void
classic__rebalance(struct classic *c)
{
    if (c->state == CLASSIC_COMPLETING) {
        classic__sync_fail_all(c, KAFKA_REBALANCE_IN_PROGRESS);
    }
    LIST_FOREACH(node, &c->members)
    {
        SL_CONTAINER_OF(node, struct member, node)->is_sync_expected = false;
    }
    start_clock_of_join(c);
    classic__set_state(c, CLASSIC_PREPARING);
}

void
classic__rebalance_maybe(struct classic *c, const char *why)
{
    if (c->state != CLASSIC_PREPARING) {
        log_event(c, "rebalancing", why);
        classic__rebalance(c);
    }
    classic__join_check(c);
}

void
classic__join_check(struct classic *c)
{
    if (c->state == CLASSIC_PREPARING && c->phase == PHASE_JOIN &&
        c->joining_count == c->member_count && c->pending_count == 0) {
        complete_join(c);
    }
}

void
classic__remove_and_rebalance(struct member *m, int16_t error, const char *why)
{
    struct classic *c = m->group;
    classic__member_remove(m, error);
    if (c->state == CLASSIC_STABLE || c->state == CLASSIC_COMPLETING) {
        classic__rebalance_maybe(c, why);
    } else {
        classic__join_check(c);
    }
}

/* --- from preparing to completing, or empty --- */

static void
remove_absent(struct classic *c)
{
    LIST_FOREACH_SAFE(node, tmp, &c->members)
    {
        struct member *m = SL_CONTAINER_OF(node, struct member, node);
        if (m->join == NULL && m->instance_id.ptr == NULL) {
            classic__member_remove(m, KAFKA_UNKNOWN_MEMBER_ID);
        }
    }
}

/* The leader must be one that is here. False when nobody is. */
static bool
elect_leader(struct classic *c)
{
    if (c->leader != NULL && c->leader->join != NULL) {
        return true;
    }
    LIST_FOREACH(node, &c->members)
    {
        struct member *m = SL_CONTAINER_OF(node, struct member, node);
        if (m->join != NULL) {
            c->leader = m;
            return true;
        }
    }
    return false;
}

static void
set_protocol(struct classic *c, struct span name)
{
    struct span copy = group__span_keep(name);
    group__span_free(&c->protocol);
    c->protocol = copy;
}

static void
become_empty(struct classic *c)
{
    clock_stop(c);
    c->generation++;
    c->leader = NULL;
    set_protocol(c, span_of(NULL, 0));
    classic__set_state(c, CLASSIC_EMPTY);
    log_event(c, "empty", "the last member is gone");
    if (c->base != 0 || c->store != NULL || c->unknown_version != 0) {
        classic__store(c); /* else S has never heard of it, and need not */
    }
}

static void
answer_joins(struct classic *c)
{
    LIST_FOREACH(node, &c->members)
    {
        struct member *m = SL_CONTAINER_OF(node, struct member, node);
        struct group_join *j = m->join;
        if (j == NULL) {
            continue;
        }
        m->join = NULL;
        m->is_new = false;
        m->is_sync_expected = true;
        classic__session_start(m);
        classic__join_answer(c, m, j);
    }
    c->joining_count = 0;
}

static void
complete_join(struct classic *c)
{
    remove_absent(c);
    if (c->member_count == 0) {
        become_empty(c);
        return;
    }
    if (!elect_leader(c)) {
        clock_start(c, PHASE_JOIN, rebalance_timeout_ns(c)); /* static members may yet come */
        return;
    }
    c->generation++;
    c->has_assignment = c->is_outdated = false;
    set_protocol(c, classic__vote(c));
    classic__set_state(c, CLASSIC_COMPLETING);
    clock_start(c, PHASE_SYNC, rebalance_timeout_ns(c));
    log_event(c, "generation", "all members joined");
    answer_joins(c);
}

/* --- from completing to stable --- */

void
classic__sync_check(struct classic *c)
{
    if (c->phase != PHASE_SYNC) {
        return;
    }
    LIST_FOREACH(node, &c->members)
    {
        if (SL_CONTAINER_OF(node, struct member, node)->is_sync_expected) {
            return;
        }
    }
    clock_stop(c);
}

/* What a member that waits for its assignment is told when it could not be stored. Each of these
 * makes it look for the coordinator and join again. */
int16_t
classic__error_of_store(enum sl_err rc)
{
    return rc == SL_EPARTITION_FAILED || rc == SL_ETIMEOUT || rc == SL_EIO
               ? (int16_t)KAFKA_COORDINATOR_NOT_AVAILABLE
           : rc == SL_ETOO_LARGE ? (int16_t)KAFKA_UNKNOWN_SERVER_ERROR
                                 : (int16_t)KAFKA_NOT_COORDINATOR;
}

void
classic__stored(struct classic *c, const struct store_op *so, enum sl_err rc)
{
    bool is_current = so->generation == c->generation && c->state == CLASSIC_COMPLETING &&
                      c->has_assignment && so->is_sync;
    if (!is_current) {
        return;
    }
    if (rc == SL_OK) {
        classic__set_state(c, CLASSIC_STABLE);
        log_event(c, "stable", "the assignment is stored");
        sync_answer_all(c, KAFKA_NONE);
        if (c->is_outdated) {
            classic__rebalance_maybe(c, "the leader has assigned otherwise meanwhile");
        }
        return;
    }
    classic__sync_fail_all(c, classic__error_of_store(rc));
    classic__rebalance_maybe(c, "the assignment could not be stored");
}

/* --- the kind --- */

static void
classic_load(struct group *g, const struct group_state *gs)
{
    struct classic *c = (struct classic *)sl_alloc(sizeof(*c));
    c->g = g;
    g->live = c;
    list_init(&c->members);
    list_init(&c->pendings);
    list_init(&c->returning);
    if (gs != NULL) {
        classic__facts_load(c, gs);
    }
}

static void
free_counts(struct classic *c)
{
    size_t pos = 0;
    SL_ASSERT(map_next(&c->protocols, &pos) == NULL);
    map_fini(&c->protocols);
    map_fini(&c->by_id);
    map_fini(&c->by_instance);
}

static void
refuse_returning(struct list *returning, int16_t error)
{
    for (struct list *node; (node = list_pop(returning)) != NULL;) {
        group_answer(SL_CONTAINER_OF(node, struct group_call, node), error);
    }
}

static void
classic_drop(struct group *g, int16_t error)
{
    struct classic *c = classic_of(g);
    clock_stop(c);
    sched_timer_stop(g->table->sched, &c->store_retry);
    if (c->store != NULL) {
        refuse_returning(&c->store->returning, error);
        c->store->c = NULL;
    }
    refuse_returning(&c->returning, error);
    classic__members_drop(c, error);
    free_counts(c);
    group__span_free(&c->protocol_type);
    group__span_free(&c->protocol);
    sl_free(c);
    g->live = NULL;
}

static bool
classic_is_empty(const struct group *g)
{
    return classic_of(g)->member_count == 0;
}

static bool
classic_is_idle(const struct group *g)
{
    const struct classic *c = classic_of(g);
    return c->state == CLASSIC_EMPTY && c->member_count == 0 && c->pending_count == 0 &&
           c->store == NULL && !c->is_store_wanted;
}

static const char *
classic_state_name(const struct group *g)
{
    static const char *const names[] = {"Empty", "PreparingRebalance", "CompletingRebalance",
                                        "Stable"};
    return names[classic_of(g)->state];
}

static struct span
classic_protocol_type(const struct group *g)
{
    return classic_of(g)->protocol_type;
}

static bool
classic_is_subscribed(const struct group *g, struct span topic)
{
    const struct classic *c = classic_of(g);
    LIST_FOREACH(node, &c->members)
    {
        const struct member *m = SL_CONTAINER_OF(node, struct member, node);
        if (c->protocol.ptr == NULL || subscription_has(classic__metadata(m, c->protocol), topic)) {
            return true;
        }
    }
    return false;
}

const struct group_kind group__classic = {.type = GROUP_CLASSIC,
                                          .load = classic_load,
                                          .drop = classic_drop,
                                          .is_own_change = classic__is_own_change,
                                          .is_idle = classic_is_idle,
                                          .is_empty = classic_is_empty,
                                          .state_name = classic_state_name,
                                          .protocol_type = classic_protocol_type,
                                          .check_commit = classic__check_commit,
                                          .is_subscribed = classic_is_subscribed,
                                          .join = classic__join,
                                          .sync = classic__sync,
                                          .heartbeat = classic__heartbeat,
                                          .leave = classic__leave};
