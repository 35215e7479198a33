/* SPDX-License-Identifier: Apache-2.0
 *
 * ConsumerGroupHeartbeat: joining, reporting, leaving. The order of things is in the essay of
 * consumer.c. */
#include "group/consumer_int.h"
#include "group/consumer_topics.h"

#include <stdio.h>

enum { ID_TEXT = 23 };

/* --- what makes no sense whatever the group is --- */

static const char *
judge_join(const struct consumer_heartbeat *h)
{
    if (h->rebalance_timeout_ms < 0) {
        return "RebalanceTimeoutMs must be provided in first request.";
    }
    if (!h->has_owned || h->owned.count > 0) {
        return "TopicPartitions must be empty when (re-)joining.";
    }
    if (!h->has_topics && h->regex.ptr == NULL) {
        return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when "
               "(re-)joining.";
    }
    return NULL;
}

static const char *
judge(const struct consumer_heartbeat *h)
{
    if (h->call.group_id.len == 0) {
        return "GroupId can't be empty.";
    }
    if (h->member_id.len == 0 && (h->needs_member_id || h->member_epoch != 0)) {
        return "MemberId can't be empty.";
    }
    if (h->instance_id.ptr != NULL && h->instance_id.len == 0) {
        return "InstanceId can't be empty.";
    }
    if (h->rack.ptr != NULL && h->rack.len == 0) {
        return "RackId can't be empty.";
    }
    if (h->member_epoch < CONSUMER_LEAVE_STATIC || h->rebalance_timeout_ms < -1) {
        return "MemberEpoch or RebalanceTimeoutMs is invalid.";
    }
    if (h->member_epoch == CONSUMER_LEAVE_STATIC && h->instance_id.ptr == NULL) {
        return "InstanceId can't be null.";
    }
    return h->member_epoch == 0 ? judge_join(h) : NULL;
}

static void
refuse(struct consumer_heartbeat *h, int16_t error, const char *why)
{
    h->call.why = why != NULL ? why : h->call.why;
    group_answer(&h->call, error);
}

/* --- the member --- */

/* The name of a member, or of one that is about to be, in the answer. */
static bool
name_member(struct consumer_heartbeat *h, struct group *g)
{
    char text[ID_TEXT + 1];
    struct span id = h->member_id;
    if (id.len == 0) {
        struct uuid random = uuid_random(g->table->sched);
        uuid_text(&random, text);
        id = span_cstr(text);
    }
    h->ret_member_id = arena_copy(&h->call.mem, id);
    return h->ret_member_id.ptr != NULL;
}

/* A lost answer is no reason to be fenced: with the epoch before, and nothing that it was not
 * given, it may go on. */
static int16_t
judge_epoch(struct consumer_heartbeat *h, const struct cmember *m)
{
    if (h->member_epoch == 0 || h->member_epoch == m->epoch) {
        return KAFKA_NONE;
    }
    bool is_answer_lost = h->member_epoch < m->epoch && h->member_epoch == m->previous_epoch &&
                          h->has_owned && consumer__owns_all(m, &h->owned);
    if (is_answer_lost) {
        return KAFKA_NONE;
    }
    h->call.why = h->member_epoch > m->epoch
                      ? "The consumer group member has a greater member epoch than the one known "
                        "by the group coordinator. The member must abandon all its partitions and "
                        "rejoin."
                      : "The consumer group member has a smaller member epoch than the one known "
                        "by the group coordinator. The member must abandon all its partitions and "
                        "rejoin.";
    return KAFKA_FENCED_MEMBER_EPOCH;
}

static struct cmember *
add_member(struct consumer *c, struct consumer_heartbeat *h, int16_t *ret_error)
{
    uint32_t most = (uint32_t)c->g->table->o.consumer_max_size;
    most = most < GROUP_MEMBERS_MAX ? most : GROUP_MEMBERS_MAX;
    struct cmember *m =
        c->member_count < most ? consumer__member_add(c, h->ret_member_id, h->instance_id) : NULL;
    *ret_error = m == NULL ? KAFKA_GROUP_MAX_SIZE_REACHED : KAFKA_NONE;
    if (m != NULL) {
        (void)consumer__changed(c, m);
    }
    return m;
}

/* It joins with this protocol now, whatever it spoke before. */
static void
speaks_consumer(struct cmember *m)
{
    m->group->classic_count -= m->is_classic ? 1 : 0;
    m->is_classic = false;
}

static struct cmember *
find_dynamic(struct consumer *c, struct consumer_heartbeat *h, int16_t *ret_error)
{
    struct cmember *m = consumer__member(c, h->ret_member_id);
    if (m == NULL && h->member_epoch == 0) {
        return add_member(c, h, ret_error);
    }
    if (m == NULL) {
        *ret_error = KAFKA_UNKNOWN_MEMBER_ID;
        return NULL;
    }
    if (m->is_classic && h->member_epoch != 0) {
        *ret_error = KAFKA_UNKNOWN_MEMBER_ID;
        return NULL;
    }
    *ret_error = judge_epoch(h, m);
    if (m->is_classic) {
        speaks_consumer(m);
    }
    return m;
}

/* Somebody under the same instance id takes over what the one that left for a while had. */
static void
replace_static(struct cmember *m, struct consumer_heartbeat *h)
{
    consumer__member_rename(m, h->ret_member_id);
    m->epoch = m->previous_epoch = 0;
    speaks_consumer(m);
    (void)consumer__changed(m->group, m);
}

static struct cmember *
find_static(struct consumer *c, struct consumer_heartbeat *h, int16_t *ret_error)
{
    struct cmember *m = consumer__member_of_instance(c, h->instance_id);
    *ret_error = KAFKA_NONE;
    if (m == NULL) {
        if (h->member_epoch == 0 && consumer__member(c, h->ret_member_id) == NULL) {
            return add_member(c, h, ret_error);
        }
        *ret_error = KAFKA_UNKNOWN_MEMBER_ID;
        return NULL;
    }
    bool is_same = span_eq(m->id, h->ret_member_id);
    if (h->member_epoch == 0 && !is_same) {
        if (m->epoch != CONSUMER_LEAVE_STATIC && !m->is_classic) {
            h->call.why = "Static member cannot join the group because its instance id is owned by "
                          "another member.";
            *ret_error = KAFKA_UNRELEASED_INSTANCE_ID;
            return m;
        }
        replace_static(m, h);
        return m;
    }
    *ret_error = !is_same ? KAFKA_FENCED_INSTANCE_ID : judge_epoch(h, m);
    if (*ret_error == KAFKA_NONE && h->member_epoch == 0 && m->epoch == CONSUMER_LEAVE_STATIC) {
        m->epoch = m->previous_epoch = 0; /* it is back under its own name */
        (void)consumer__changed(c, m);
    }
    return m;
}

/* --- what it says of itself --- */

struct update {
    bool is_changed, is_subscription_changed, ok;
};

static void
update_text(struct cmember *m, struct span *field, struct span value, struct update *u)
{
    if (value.ptr != NULL && consumer__member_text(m, field, value, &u->ok)) {
        u->is_changed = true;
    }
}

/* An empty expression is none. */
static int16_t
update_expr(struct cmember *m, struct consumer_heartbeat *h, struct update *u)
{
    struct consumer *c = m->group;
    struct cexpr *e = NULL;
    if (h->regex.ptr == NULL) {
        return KAFKA_NONE;
    }
    if (m->expr != NULL && span_eq(m->expr->pattern, h->regex)) {
        return KAFKA_NONE;
    }
    if (h->regex.len > 0) {
        int16_t error = consumer__expr_get(c, h->regex, &h->call, &e);
        if (error != KAFKA_NONE) {
            return error;
        }
    }
    u->is_subscription_changed |= e != NULL || m->expr != NULL;
    if (m->expr != NULL) {
        consumer__expr_put(c, &m->expr);
    }
    m->expr = e;
    return KAFKA_NONE;
}

static void
update_assignor(struct cmember *m, const struct consumer_heartbeat *h, struct update *u)
{
    enum assignor a;
    if (h->server_assignor.len == 0 || !assignor_parse(h->server_assignor, &a) ||
        (m->has_assignor && m->assignor == a)) {
        return;
    }
    m->has_assignor = u->is_changed = true;
    m->assignor = a;
}

static int16_t
update(struct cmember *m, struct consumer_heartbeat *h, struct update *u)
{
    int16_t error = update_expr(m, h, u);
    if (error != KAFKA_NONE) {
        return error;
    }
    if (h->has_topics && consumer__member_names(m, h->topics, h->topic_count, &u->ok)) {
        u->is_subscription_changed = true;
    }
    update_text(m, &m->rack, h->rack, u);
    update_text(m, &m->client_id, h->client_id, u);
    update_text(m, &m->client_host, h->client_host, u);
    update_assignor(m, h, u);
    if (h->rebalance_timeout_ms >= 0 && h->rebalance_timeout_ms != m->rebalance_timeout_ms) {
        m->rebalance_timeout_ms = h->rebalance_timeout_ms;
        u->is_changed = true;
    }
    return u->ok ? KAFKA_NONE : KAFKA_GROUP_MAX_SIZE_REACHED;
}

/* --- the rest of the way --- */

static bool
is_full_request(const struct consumer_heartbeat *h)
{
    return h->member_epoch == 0 || (h->rebalance_timeout_ms >= 0 &&
                                    (h->has_topics || h->regex.ptr != NULL) && h->has_owned);
}

static void
tell(struct cmember *m, struct consumer_heartbeat *h, bool is_assignment_changed)
{
    struct consumer *c = m->group;
    h->ret_epoch = m->epoch;
    h->ret_interval_ms = (int32_t)c->g->table->o.consumer_heartbeat_interval_ms;
    h->has_assignment = is_assignment_changed || is_full_request(h);
    if (h->has_assignment && m->seq <= c->verified_seq) {
        (void)consumer__changed(c, m); /* it is told again: only by who still coordinates */
    }
    if (h->has_assignment && !consumer__assigned(&h->call.mem, m, &h->ret_assignment)) {
        refuse(h, KAFKA_COORDINATOR_NOT_AVAILABLE, NULL);
        return;
    }
    consumer__session_start(m);
    if (h->has_owned && m->seq <= c->verified_seq) {
        consumer__answer_fresh(c, &h->call, m);
    } else {
        consumer__answer(c, &h->call, m);
    }
}

/* A member of a group that is there; is_new: it has just been added. */
static int16_t
heard(struct cmember *m, struct consumer_heartbeat *h, bool is_new)
{
    struct consumer *c = m->group;
    struct update u = {.ok = true};
    int32_t epoch = c->group_epoch;
    int16_t error = update(m, h, &u);
    if (u.is_changed || u.is_subscription_changed) {
        (void)consumer__changed(c, m);
    }
    if (error != KAFKA_NONE) {
        c->seen_version = u.is_subscription_changed ? 0 : c->seen_version; /* look again */
        return error;
    }
    c->g->is_cold = false;
    if (u.is_subscription_changed || is_new) {
        consumer__resolve(c);
        if (c->group_epoch == epoch) {
            consumer__epoch_bump(c);
        }
    } else {
        consumer__resolve_maybe(c);
    }
    consumer__target_maybe(c);
    bool is_changed = consumer__reconcile(m, h->has_owned ? &h->owned : NULL);
    tell(m, h, is_changed);
    return KAFKA_NONE;
}

static void
beat(struct consumer *c, struct consumer_heartbeat *h)
{
    int16_t error = KAFKA_NONE;
    uint32_t members = c->member_count;
    uint64_t seq = c->seq;
    struct cmember *m =
        h->instance_id.ptr == NULL ? find_dynamic(c, h, &error) : find_static(c, h, &error);
    bool is_new = c->member_count > members;
    if (error == KAFKA_NONE) {
        error = heard(m, h, is_new);
    }
    if (error == KAFKA_NONE) {
        return;
    }
    if (is_new) {
        consumer__member_remove(m); /* as if it had never been there */
        c->seq = seq;
    }
    refuse(h, error, NULL);
}

/* --- leaving --- */

static void
leave(struct consumer *c, struct consumer_heartbeat *h)
{
    bool is_static = h->instance_id.ptr != NULL;
    struct cmember *m = is_static ? consumer__member_of_instance(c, h->instance_id)
                                  : consumer__member(c, h->member_id);
    if (m == NULL) {
        refuse(h, KAFKA_UNKNOWN_MEMBER_ID, NULL);
        return;
    }
    if (is_static && !span_eq(m->id, h->member_id)) {
        refuse(h, KAFKA_FENCED_INSTANCE_ID, NULL);
        return;
    }
    h->ret_epoch = h->member_epoch;
    if (h->member_epoch == CONSUMER_LEAVE_STATIC) {
        consumer__leave_for_a_while(m);
        consumer__answer(c, &h->call, m);
        return;
    }
    consumer__member_gone(m);
    consumer__answer(c, &h->call, NULL);
}

/* --- run --- */

/* Who believes to be a member of what is not there, or is classic again, is told to join again;
 * Kafka says GROUP_ID_NOT_FOUND, which ends clients. */
static int16_t
find_group(struct group_table *gt, struct consumer_heartbeat *h, struct group **ret)
{
    struct group *g = h->member_epoch == 0 ? group__make(gt, h->call.group_id, group__consumer)
                                           : group__load(gt, h->call.group_id);
    if (g == NULL) {
        return h->member_epoch == 0 ? KAFKA_COORDINATOR_NOT_AVAILABLE : KAFKA_UNKNOWN_MEMBER_ID;
    }
    *ret = g;
    if (g->kind == group__consumer) {
        return KAFKA_NONE;
    }
    if (h->member_epoch != 0) {
        return KAFKA_UNKNOWN_MEMBER_ID;
    }
    return consumer__upgrade(g, &h->call.why);
}

static int16_t
judge_call(struct group_table *gt, struct consumer_heartbeat *h)
{
    enum assignor a;
    const struct consumer_topics *topics = gt->o.topics;
    h->call.why = judge(h);
    if (h->call.why != NULL) {
        return KAFKA_INVALID_REQUEST;
    }
    if (h->call.group_id.len > GROUP_ID_MAX) {
        return KAFKA_INVALID_GROUP_ID;
    }
    if (h->server_assignor.len > 0 && !assignor_parse(h->server_assignor, &a)) {
        h->call.why = "ServerAssignor is not supported. Supported assignors: uniform, range.";
        return KAFKA_UNSUPPORTED_ASSIGNOR;
    }
    if (topics == NULL) {
        return KAFKA_UNSUPPORTED_VERSION;
    }
    return topics->is_complete(topics->arg) ? KAFKA_NONE : KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
}

void
consumer_heartbeat_run(struct group_table *gt, struct group_call *call)
{
    struct consumer_heartbeat *h = SL_CONTAINER_OF(call, struct consumer_heartbeat, call);
    struct group *g = NULL;
    int16_t error = judge_call(gt, h);
    if (error == KAFKA_NONE) {
        error = find_group(gt, h, &g);
    }
    if (error != KAFKA_NONE) {
        refuse(h, error, NULL);
        return;
    }
    struct consumer *c = consumer_of(g);
    group__pin(g);
    if (!name_member(h, g)) {
        refuse(h, KAFKA_COORDINATOR_NOT_AVAILABLE, NULL);
    } else if (h->member_epoch < 0) {
        leave(c, h);
    } else {
        beat(c, h);
    }
    if (g->live == c) {
        consumer__store(c);
    }
    group__unpin(g);
}
