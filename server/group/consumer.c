/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups of the consumer protocol (KIP-848): the coordinator assigns, and members are told in the
 * answers to their heartbeats. One request does it all: join, report, fetch the assignment, leave.
 *
 *     group epoch       grows whenever members, subscriptions or the topics subscribed to change
 *     assignment epoch  the group epoch that the target assignment was made for; the target is made
 *                       by the first heartbeat that finds it behind
 *     member epoch      the assignment epoch that the member has reached (consumer_reconcile.c)
 *
 * A heartbeat, in order (consumer_heartbeat.c): judge the request; find or make the member; take
 * over what it says of itself; look whether topics changed; make the target; reconcile; set clocks;
 * answer, as soon as what it says is verified (consumer_facts.c).
 *
 * Clocks. A member that is not heard of for group.consumer.session.timeout.ms is lost; while the
 * store keeps it waiting for an answer its clock stands still. A member that has to give up
 * partitions has its own rebalance timeout to do so. Loss frees its partitions.
 *
 * Static members (instance id) that leave with epoch -2 keep their partitions until the session
 * timeout; who comes back with the same instance id, under whatever member id, gets them.
 *
 * Members of the classic protocol can be in such a group (consumer_classic.c), and whole groups
 * move from one protocol to the other (consumer_convert.c). */
#include "group/consumer.h"

#include "group/consumer_int.h"
#include "group/consumer_topics.h"
#include "group/offsets.h"

/* --- clocks --- */

static void
lose(struct cmember *m, const char *why)
{
    struct consumer *c = m->group;
    struct group *g = c->g;
    static struct diag_limit limit;
    if (group__warmth(g) == GROUP_FOREIGN) {
        group__forget(g, KAFKA_NOT_COORDINATOR); /* another broker's members, more likely */
        return;
    }
    if (diag_limit_ok(&limit, 5)) {
        SL_INFO(NULL, "group.member_lost", KV_SPAN("group", g->id), KV_SPAN("member", m->id),
                KV_STR("why", why));
    }
    group__pin(g);
    consumer__member_gone(m);
    consumer__store(c);
    group__unpin(g);
}

static void
session_over(struct sched_timer *t)
{
    struct cmember *m = SL_CONTAINER_OF(t, struct cmember, session);
    struct group *g = m->group->g;
    if (group__warmth(g) == GROUP_UNKNOWN) {
        sched_timer_after(g->table->sched, &m->session, SCHED_S / 2);
        return;
    }
    lose(m, "its session timed out");
}

void
consumer__session_start(struct cmember *m)
{
    const struct group_table *gt = m->group->g->table;
    if (m->waiting > 0) {
        return;
    }
    int64_t ms = m->is_classic ? m->session_timeout_ms : gt->o.consumer_session_timeout_ms;
    m->session.fire = session_over;
    sched_timer_after(gt->sched, &m->session, ms * SCHED_MS);
}

static void
patience_over(struct sched_timer *t)
{
    lose(SL_CONTAINER_OF(t, struct cmember, patience),
         "it did not give its partitions up, or join again, in time");
}

void
consumer__patience_start(struct cmember *m)
{
    struct sched *sched = m->group->g->table->sched;
    m->patience.fire = patience_over;
    sched_timer_stop(sched, &m->patience);
    if (m->state == CMEMBER_UNREVOKED) {
        consumer__patience_limit(m);
    }
}

void
consumer__patience_limit(struct cmember *m)
{
    struct sched *sched = m->group->g->table->sched;
    m->patience.fire = patience_over;
    if (m->patience.heap_pos == 0) {
        sched_timer_after(sched, &m->patience, m->rebalance_timeout_ms * SCHED_MS);
    }
}

/* --- changes --- */

uint64_t
consumer__changed(struct consumer *c, struct cmember *m)
{
    c->seq++;
    if (m != NULL) {
        m->seq = c->seq;
    }
    return c->seq;
}

void
consumer__epoch_bump(struct consumer *c)
{
    c->group_epoch++;
    (void)consumer__changed(c, NULL);
}

void
consumer__member_gone(struct cmember *m)
{
    struct consumer *c = m->group;
    int32_t epoch = c->group_epoch;
    consumer__member_remove(m);
    const struct consumer_topics *topics = c->g->table->o.topics;
    if (topics->is_complete(topics->arg)) {
        consumer__resolve(c);
    }
    if (c->group_epoch == epoch) {
        consumer__epoch_bump(c);
    }
}

/* --- what a type of group offers --- */

static void
load(struct group *g, const struct group_state *gs)
{
    struct consumer *c = (struct consumer *)sl_alloc(sizeof(*c));
    c->g = g;
    g->live = c;
    list_init(&c->members);
    list_init(&c->exprs);
    list_init(&c->waiting);
    list_init(&c->reading);
    if (gs == NULL) {
        return;
    }
    c->base = gs->version;
    consumer__facts_load(c, gs->facts);
    g->is_cold = c->member_count > 0;
    LIST_FOREACH(node, &c->members)
    {
        struct cmember *m = SL_CONTAINER_OF(node, struct cmember, node);
        consumer__session_start(m);
        consumer__patience_start(m);
    }
}

static void
drop(struct group *g, int16_t error)
{
    struct consumer *c = consumer_of(g);
    consumer__answer_all(c, error);
    if (c->op != NULL) {
        c->op->c = NULL;
    }
    consumer__members_free(c);
    consumer__topics_free(c);
    sl_free(c);
    g->live = NULL;
}

static bool
is_idle(const struct group *g)
{
    const struct consumer *c = consumer_of(g);
    return c->member_count == 0 && c->op == NULL && c->seq == c->proposed_seq &&
           list_is_empty(&c->waiting) && list_is_empty(&c->reading);
}

static bool
is_empty(const struct group *g)
{
    return consumer_of(g)->member_count == 0;
}

const char *
consumer__state_name(const struct group *g)
{
    const struct consumer *c = consumer_of(g);
    if (c->member_count == 0) {
        return "Empty";
    }
    if (c->group_epoch > c->assignment_epoch) {
        return "Assigning";
    }
    LIST_FOREACH(node, &c->members)
    {
        const struct cmember *m = SL_CONTAINER_OF(node, struct cmember, node);
        if (m->state != CMEMBER_STABLE || m->epoch != c->assignment_epoch) {
            return "Reconciling";
        }
    }
    return "Stable";
}

static struct span
protocol_type(const struct group *g)
{
    (void)g;
    return span_cstr("consumer");
}

static bool
is_subscribed(const struct group *g, struct span topic)
{
    const struct consumer *c = consumer_of(g);
    for (uint32_t i = 0; i < c->wanted_count; i++) {
        if (span_eq(c->wanted[i]->name, topic)) {
            return true;
        }
    }
    LIST_FOREACH(node, &c->members)
    {
        const struct cmember *m = SL_CONTAINER_OF(node, struct cmember, node);
        for (uint32_t i = 0; i < m->name_count; i++) {
            if (span_eq(m->names[i], topic)) {
                return true;
            }
        }
    }
    return false;
}

/* Whoever commits without a member's name may do so while there are no members. */
static int16_t
check_commit(struct group *g, const struct offset_commit *oc)
{
    const struct consumer *c = consumer_of(g);
    if (oc->generation < 0 && oc->member_id.len == 0 && c->member_count == 0) {
        return KAFKA_NONE;
    }
    const struct cmember *m = consumer__member(c, oc->member_id);
    if (m == NULL) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    if (m->is_classic) {
        return oc->generation == m->epoch ? KAFKA_NONE : KAFKA_ILLEGAL_GENERATION;
    }
    if (!oc->has_group_not_found) {
        return KAFKA_UNSUPPORTED_VERSION; /* it could not be told that its epoch is stale */
    }
    return oc->generation == m->epoch ? KAFKA_NONE : KAFKA_STALE_MEMBER_EPOCH;
}

static const struct group_kind kind = {.type = GROUP_CONSUMER,
                                       .load = load,
                                       .drop = drop,
                                       .is_own_change = consumer__is_own_change,
                                       .is_idle = is_idle,
                                       .is_empty = is_empty,
                                       .state_name = consumer__state_name,
                                       .protocol_type = protocol_type,
                                       .check_commit = check_commit,
                                       .is_subscribed = is_subscribed,
                                       .join = consumer__classic_join,
                                       .sync = consumer__classic_sync,
                                       .heartbeat = consumer__classic_heartbeat,
                                       .leave = consumer__classic_leave};
const struct group_kind *const group__consumer = &kind;
