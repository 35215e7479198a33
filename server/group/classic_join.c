/* SPDX-License-Identifier: Apache-2.0
 *
 * JoinGroup. As Kafka does it: who needs an id gets one first (KIP-394, from version 4 on); a
 * static member that comes back takes the place of its former self (KIP-345); who joins again
 * unchanged is told of the generation that stands, unless it leads. */
#include "base/uuid.h"
#include "group/classic_int.h"

enum { MEMBER_ID_MAX = GROUP_NAME_MAX };

static void
refuse(struct group_join *j, int16_t error)
{
    group_answer(&j->call, error);
}

/* "{client id or instance id}-{uuid}" */
static struct span
make_id(struct group_join *j, struct sched *s)
{
    static const char digits[] = "0123456789abcdef";
    const struct uuid id = uuid_random(s);
    struct span head = j->instance_id.ptr != NULL ? j->instance_id : j->client_id;
    size_t head_len = head.len < MEMBER_ID_MAX - 37 ? head.len : MEMBER_ID_MAX - 37;
    uint8_t *text = (uint8_t *)arena_alloc(&j->call.mem, head_len + 37);
    if (text == NULL) {
        return span_cstr("");
    }
    if (head_len > 0) {
        memcpy(text, head.ptr, head_len);
    }
    uint8_t *at = text + head_len;
    *at++ = '-';
    for (size_t i = 0; i < sizeof(id.b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *at++ = '-';
        }
        *at++ = (uint8_t)digits[id.b[i] >> 4];
        *at++ = (uint8_t)digits[id.b[i] & 15];
    }
    return span_of(text, (size_t)(at - text));
}

/* --- waiting for the rebalance --- */

static void
wait_for_rebalance(struct member *m, struct group_join *j)
{
    struct classic *c = m->group;
    if (m->join != NULL) { /* asked again: the older request gives way */
        struct group_join *old = m->join;
        old->ret_member_id = group__span_answer(&old->call, m->id);
        group_answer(&old->call, KAFKA_REBALANCE_IN_PROGRESS);
    } else {
        c->joining_count++;
    }
    if (m->sync != NULL) {
        group_answer(&m->sync->call, KAFKA_REBALANCE_IN_PROGRESS);
        m->sync = NULL;
    }
    m->join = j;
    classic__session_start(m);
}

static void
add_and_rebalance(struct classic *c, struct group_join *j, struct span id)
{
    struct pending *p = classic__pending(c, id);
    if (p != NULL) {
        classic__pending_remove(p);
    }
    struct member *m = classic__member_add(c, id, j);
    if (m == NULL) {
        refuse(j, KAFKA_GROUP_MAX_SIZE_REACHED);
        classic__join_check(c);
        return;
    }
    m->is_new = true;
    if (c->state == CLASSIC_PREPARING && c->previous == CLASSIC_EMPTY) {
        c->has_new_member = true;
    }
    wait_for_rebalance(m, j);
    classic__rebalance_maybe(c, "a member joined");
}

static void
update_and_rebalance(struct member *m, struct group_join *j, const char *why)
{
    struct classic *c = m->group;
    if (!classic__member_update(m, j)) {
        refuse(j, KAFKA_GROUP_MAX_SIZE_REACHED);
        return;
    }
    wait_for_rebalance(m, j);
    classic__rebalance_maybe(c, why);
}

/* --- static members that come back --- */

static bool
is_consumer_type(const struct classic *c)
{
    return span_eq(c->protocol_type, span_cstr("consumer"));
}

/* Would the group assign as it did before? What a consumer owns is said in its metadata too, and is
 * nothing after a restart; so its topics are compared. Of others the bytes are. */
static bool
is_same_subscription(const struct classic *c, struct span before, struct span now)
{
    return span_eq(before, now) || (is_consumer_type(c) && subscription_same_topics(before, now));
}

static void
returned_answer(struct classic *c, const struct member *m, struct group_join *j)
{
    if (m == c->leader && !j->can_skip_assignment) {
        /* told of the former leader's id, it thinks it follows, and does not assign */
        j->ret_generation = c->generation;
        j->ret_protocol_type = group__span_answer(&j->call, c->protocol_type);
        j->ret_protocol = group__span_answer(&j->call, c->protocol);
        group_answer(&j->call, KAFKA_NONE);
        return;
    }
    j->ret_skip_assignment = m == c->leader;
    classic__join_answer(c, m, j);
}

static void
returned_one(struct classic *c, struct group_join *j, enum sl_err rc)
{
    struct member *m = classic__member(c, j->ret_member_id);
    if (rc != SL_OK || m == NULL) {
        refuse(j, m == NULL ? (int16_t)KAFKA_UNKNOWN_MEMBER_ID : classic__error_of_store(rc));
    } else if (c->state == CLASSIC_STABLE) {
        returned_answer(c, m, j);
    } else if (c->state == CLASSIC_PREPARING) {
        wait_for_rebalance(m, j);
        classic__join_check(c);
    } else {
        refuse(j, KAFKA_REBALANCE_IN_PROGRESS);
    }
}

void
classic__returned(struct classic *c, struct list *returning, enum sl_err rc)
{
    for (struct list *node; (node = list_pop(returning)) != NULL;) {
        struct group_call *call = SL_CONTAINER_OF(node, struct group_call, node);
        returned_one(c, SL_CONTAINER_OF(call, struct group_join, call), rc);
    }
}

static void
fence_former(struct member *m)
{
    if (m->join != NULL) {
        m->join->ret_member_id = group__span_answer(&m->join->call, m->id);
        group_answer(&m->join->call, KAFKA_FENCED_INSTANCE_ID);
        m->join = NULL;
        m->group->joining_count--;
    }
    if (m->sync != NULL) {
        group_answer(&m->sync->call, KAFKA_FENCED_INSTANCE_ID);
        m->sync = NULL;
    }
}

/* The same instance with a new member id. */
static void
static_return(struct member *m, struct group_join *j, struct span id)
{
    struct classic *c = m->group;
    struct span before = group__span_answer(&j->call, classic__metadata(m, c->protocol));
    j->ret_leader = c->leader == NULL ? span_cstr("") : group__span_answer(&j->call, c->leader->id);
    fence_former(m);
    classic__member_rename(m, id);
    classic__session_start(m);
    j->ret_member_id = id;
    if (!classic__member_update(m, j)) {
        refuse(j, KAFKA_GROUP_MAX_SIZE_REACHED);
        return;
    }
    bool is_unchanged = c->state == CLASSIC_STABLE && span_eq(classic__vote(c), c->protocol) &&
                        is_same_subscription(c, before, classic__metadata(m, c->protocol));
    if (is_unchanged) {
        list_append(&c->returning, &j->call.node);
        classic__store(c);
        return;
    }
    wait_for_rebalance(m, j);
    classic__rebalance_maybe(c, "a static member came back changed");
}

/* --- who asks --- */

static void
join_unknown(struct classic *c, struct group_join *j)
{
    struct span id = make_id(j, c->g->table->sched);
    struct member *former =
        j->instance_id.ptr == NULL ? NULL : classic__member_of_instance(c, j->instance_id);
    j->ret_member_id = id;
    if (former != NULL) {
        static_return(former, j, id);
    } else if (j->instance_id.ptr == NULL && j->needs_member_id) {
        bool is_room = classic__pending_add(c, id, j->session_timeout_ms);
        j->ret_member_id = is_room ? id : span_cstr("");
        refuse(j, is_room ? KAFKA_MEMBER_ID_REQUIRED : KAFKA_GROUP_MAX_SIZE_REACHED);
    } else {
        add_and_rebalance(c, j, id);
    }
}

static void
answer_standing(struct member *m, struct group_join *j)
{
    m->is_sync_expected = m->group->state == CLASSIC_COMPLETING;
    classic__session_start(m);
    classic__join_answer(m->group, m, j);
}

static void
join_again(struct member *m, struct group_join *j)
{
    struct classic *c = m->group;
    bool is_same = classic__member_matches(m, j);
    switch (c->state) {
    case CLASSIC_PREPARING:
        update_and_rebalance(m, j, "a member joined again");
        break;
    case CLASSIC_COMPLETING:
        if (is_same) {
            answer_standing(m, j); /* it may have missed the answer */
        } else {
            update_and_rebalance(m, j, "a member changed what it supports");
        }
        break;
    case CLASSIC_STABLE:
        if (m == c->leader) {
            update_and_rebalance(m, j, "the leader joined again");
        } else if (!is_same) {
            update_and_rebalance(m, j, "a member changed its subscription");
        } else {
            answer_standing(m, j);
        }
        break;
    default:
        refuse(j, KAFKA_UNKNOWN_MEMBER_ID);
    }
}

static void
join_known(struct classic *c, struct group_join *j)
{
    struct member *m;
    if (classic__pending(c, j->member_id) != NULL) {
        if (j->instance_id.ptr != NULL) { /* ids are given out to dynamic members only */
            refuse(j, KAFKA_UNKNOWN_MEMBER_ID);
            return;
        }
        add_and_rebalance(c, j, j->member_id);
        return;
    }
    int16_t error = classic__check_member(c, j->member_id, j->instance_id, &m);
    if (error != KAFKA_NONE) {
        refuse(j, error);
        return;
    }
    join_again(m, j);
}

/* Kafka's acceptJoiningMember: a group that is full takes those it has, and while it prepares, as
 * many as fit. */
static bool
is_accepted(const struct classic *c, const struct group_join *j)
{
    const struct member *m = classic__member(c, j->member_id);
    uint32_t max = (uint32_t)c->g->table->o.max_size;
    switch (c->state) {
    case CLASSIC_EMPTY:
        return true;
    case CLASSIC_PREPARING:
        return (m != NULL && m->join != NULL) || c->joining_count < max;
    default:
        return m != NULL || c->member_count < max;
    }
}

static void
refuse_full(struct classic *c, struct group_join *j)
{
    struct member *m = classic__member(c, j->member_id);
    j->ret_member_id = span_cstr("");
    refuse(j, KAFKA_GROUP_MAX_SIZE_REACHED);
    if (m != NULL) {
        classic__remove_and_rebalance(m, KAFKA_GROUP_MAX_SIZE_REACHED, "the group is full");
    }
}

void
classic__join(struct group *g, struct group_join *j)
{
    struct classic *c = classic_of(g);
    bool is_static_return = j->instance_id.ptr != NULL && j->member_id.len == 0 &&
                            classic__member_of_instance(c, j->instance_id) != NULL;
    if (!is_static_return && !is_accepted(c, j)) {
        refuse_full(c, j);
    } else if (!classic__supports(c, j)) {
        refuse(j, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    } else if (j->member_id.len == 0) {
        join_unknown(c, j);
    } else {
        join_known(c, j);
    }
}

/* --- the request --- */

static bool
is_too_long(const struct group_join *j)
{
    return j->member_id.len > MEMBER_ID_MAX || j->call.group_id.len > GROUP_ID_MAX;
}

static int16_t
judge(const struct group_table *gt, struct group_join *j)
{
    if (j->call.group_id.len == 0 || is_too_long(j)) {
        return KAFKA_INVALID_GROUP_ID;
    }
    if (j->session_timeout_ms < gt->o.min_session_timeout_ms ||
        j->session_timeout_ms > gt->o.max_session_timeout_ms) {
        return KAFKA_INVALID_SESSION_TIMEOUT;
    }
    return KAFKA_NONE;
}

void
group_join_run(struct group_table *gt, struct group_call *call)
{
    struct group_join *j = SL_CONTAINER_OF(call, struct group_join, call);
    bool is_unknown = j->member_id.len == 0;
    int16_t error = judge(gt, j);
    j->ret_generation = -1;
    j->ret_member_id = j->member_id;
    j->rebalance_timeout_ms = j->rebalance_timeout_ms < 0 ? 0 : j->rebalance_timeout_ms;
    if (error != KAFKA_NONE) {
        refuse(j, error);
        return;
    }
    struct group *g = is_unknown ? group__make(gt, call->group_id, &group__classic)
                                 : group__load(gt, call->group_id);
    if (g == NULL) {
        refuse(j, is_unknown ? KAFKA_GROUP_MAX_SIZE_REACHED : KAFKA_UNKNOWN_MEMBER_ID);
        return;
    }
    if (g->kind->join == NULL) {
        refuse(j, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
        return;
    }
    g->is_cold = false;
    group__pin(g);
    g->kind->join(g, j);
    group__unpin(g);
}
