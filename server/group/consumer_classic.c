/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of a consumer group that speak the classic protocol.
 *
 * To them it looks like a group with cooperative rebalances in which they never lead. Joining is
 * what a full heartbeat is to the others: the subscription that they send names what they own, and
 * the generation that they get is their member epoch. SyncGroup brings what they are assigned.
 * Heartbeat tells them to join again whenever there is something to tell: another target, something
 * to give up, or something that has become free. */
#include "group/classic.h"
#include "group/consumer_int.h"
#include "group/consumer_topics.h"

enum { SCRATCH_MAX = 4 << 20, ID_TEXT = 23 };

static void
refuse_join(struct group_join *j, int16_t error)
{
    j->ret_generation = -1;
    group_answer(&j->call, error);
}

/* Has everybody here that speaks the classic protocol one of these in common? */
static bool
is_supported(const struct consumer *c, const struct group_join *j, const struct group_protocol *p)
{
    (void)j;
    LIST_FOREACH(node, &c->members)
    {
        const struct cmember *m = SL_CONTAINER_OF(node, struct cmember, node);
        bool has_it = !m->is_classic;
        for (uint32_t i = 0; i < m->protocol_count && !has_it; i++) {
            has_it = span_eq(m->protocols[i].name, p->name);
        }
        if (!has_it) {
            return false;
        }
    }
    return true;
}

static bool
are_protocols_fine(const struct consumer *c, const struct group_join *j)
{
    if (!span_eq(j->protocol_type, span_cstr("consumer")) ||
        j->protocol_count > GROUP_PROTOCOLS_MAX) {
        return false;
    }
    for (size_t i = 0; i < j->protocol_count; i++) {
        if (is_supported(c, j, &j->protocols[i])) {
            return true;
        }
    }
    return false;
}

/* Client id and a random part, as classic groups do it. */
static struct span
new_id(struct consumer *c, struct group_join *j)
{
    char text[ID_TEXT];
    struct uuid random = uuid_random(c->g->table->sched);
    uuid_text(&random, text);
    struct span prefix = j->instance_id.ptr != NULL ? j->instance_id : j->client_id;
    size_t len = prefix.len < 256 ? prefix.len : 256, all = len + 1 + strlen(text);
    uint8_t *id = (uint8_t *)arena_alloc(&j->call.mem, all);
    if (id == NULL) {
        return span_of(NULL, 0);
    }
    if (len > 0) {
        memcpy(id, prefix.ptr, len);
    }
    id[len] = '-';
    memcpy(id + len + 1, text, strlen(text));
    return span_of(id, all);
}

static struct cmember *
add_member(struct consumer *c, struct group_join *j, int16_t *ret_error)
{
    uint32_t most = (uint32_t)c->g->table->o.consumer_max_size;
    most = most < GROUP_MEMBERS_MAX ? most : GROUP_MEMBERS_MAX;
    struct cmember *m =
        c->member_count < most ? consumer__member_add(c, j->ret_member_id, j->instance_id) : NULL;
    *ret_error = m == NULL ? KAFKA_GROUP_MAX_SIZE_REACHED : KAFKA_NONE;
    return m;
}

/* A static member takes over whoever has its name, and keeps what that one had. */
static struct cmember *
find_static(struct consumer *c, struct group_join *j, int16_t *ret_error)
{
    struct cmember *m = consumer__member_of_instance(c, j->instance_id);
    if (m == NULL) {
        return j->member_id.len == 0 ? add_member(c, j, ret_error) : NULL;
    }
    if (span_eq(m->id, j->ret_member_id)) {
        return m;
    }
    if (j->member_id.len > 0) {
        *ret_error = KAFKA_FENCED_INSTANCE_ID;
        return NULL;
    }
    consumer__member_rename(m, j->ret_member_id);
    m->epoch = m->previous_epoch = 0;
    return m;
}

/* What a join brings, read. */
struct wish {
    struct csubscription sub;
    struct group_part_list owned;
};

/* An id that is not known may be one that was just given out; but who owns something has been lost,
 * and must hear of it, because what it owns may be another's by now. */
static struct cmember *
find_member(struct consumer *c, struct group_join *j, const struct wish *wish, int16_t *ret_error)
{
    struct cmember *m = NULL;
    *ret_error = KAFKA_NONE;
    if (j->instance_id.ptr != NULL) {
        m = find_static(c, j, ret_error);
    } else {
        m = consumer__member(c, j->ret_member_id);
        m = m == NULL && wish->owned.count == 0 ? add_member(c, j, ret_error) : m;
    }
    if (m == NULL && *ret_error == KAFKA_NONE) {
        *ret_error = KAFKA_UNKNOWN_MEMBER_ID;
    }
    return m;
}

static int16_t
update(struct cmember *m, struct group_join *j, const struct csubscription *sub,
       bool *is_subscription_changed)
{
    struct consumer *c = m->group;
    bool ok = true;
    bool is_other = !m->is_classic || m->epoch == 0;
    c->classic_count += m->is_classic ? 0 : 1;
    m->is_classic = true;
    m->has_assignor = false;
    if (m->expr != NULL) {
        consumer__expr_put(c, &m->expr);
        is_other = true;
    }
    is_other |= consumer__member_names(m, sub->topics, sub->topic_count, &ok);
    *is_subscription_changed = is_other;
    (void)(sub->rack.ptr != NULL && consumer__member_text(m, &m->rack, sub->rack, &ok));
    is_other |= consumer__member_text(m, &m->client_id, j->client_id, &ok);
    is_other |= consumer__member_text(m, &m->client_host, j->client_host, &ok);
    is_other |= consumer__member_protocols(m, j->protocols, j->protocol_count, &ok);
    is_other |= m->session_timeout_ms != j->session_timeout_ms ||
                m->rebalance_timeout_ms != j->rebalance_timeout_ms;
    m->session_timeout_ms = j->session_timeout_ms;
    m->rebalance_timeout_ms = j->rebalance_timeout_ms;
    if (is_other) {
        (void)consumer__changed(c, m);
    }
    return ok ? KAFKA_NONE : KAFKA_GROUP_MAX_SIZE_REACHED;
}

static int16_t
joined(struct cmember *m, struct group_join *j, const struct wish *wish)
{
    struct consumer *c = m->group;
    int32_t epoch = c->group_epoch;
    bool is_subscription_changed = false;
    int16_t error = update(m, j, &wish->sub, &is_subscription_changed);
    if (error != KAFKA_NONE) {
        return error;
    }
    if (is_subscription_changed) {
        consumer__resolve(c);
        if (c->group_epoch == epoch) {
            consumer__epoch_bump(c);
        }
    } else {
        consumer__resolve_maybe(c);
    }
    consumer__target_maybe(c);
    consumer__patience_start(m);
    (void)consumer__reconcile(m, &wish->owned);
    consumer__patience_limit(m); /* until it asks for its part */
    j->ret_generation = m->epoch;
    j->ret_protocol_type = group__span_answer(&j->call, span_cstr("consumer"));
    j->ret_protocol = group__span_answer(&j->call, m->protocols[0].name);
    j->ret_leader = span_of("", 0);
    consumer__session_start(m);
    consumer__answer(c, &j->call, m);
    return KAFKA_NONE;
}

static int16_t
join_with(struct consumer *c, struct group_join *j, const struct wish *wish)
{
    int16_t error = KAFKA_NONE;
    uint32_t members = c->member_count;
    uint64_t seq = c->seq;
    struct cmember *m = find_member(c, j, wish, &error);
    if (error == KAFKA_NONE) {
        error = joined(m, j, wish);
    }
    if (error != KAFKA_NONE && c->member_count > members) {
        consumer__member_remove(m);
        c->seq = seq;
    }
    return error;
}

static int16_t
join(struct consumer *c, struct group_join *j)
{
    struct wish wish;
    struct arena mem;
    j->ret_member_id = j->member_id.len > 0 ? arena_copy(&j->call.mem, j->member_id) : new_id(c, j);
    if (j->ret_member_id.ptr == NULL) {
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
    if (j->member_id.len == 0 && j->instance_id.ptr == NULL && j->needs_member_id) {
        return KAFKA_MEMBER_ID_REQUIRED;
    }
    arena_init(&mem, SCRATCH_MAX);
    bool is_readable = consumer__subscription_parse(j->protocols[0].metadata, &mem, &wish.sub) &&
                       consumer__parts_parse(c, wish.sub.owned, &mem, &wish.owned);
    int16_t error =
        is_readable ? join_with(c, j, &wish) : (int16_t)KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    arena_fini(&mem);
    return error;
}

void
consumer__classic_join(struct group *g, struct group_join *j)
{
    struct consumer *c = consumer_of(g);
    if (c->member_count == 0 && c->op == NULL && c->seq == c->proposed_seq) {
        consumer__become_classic(g);
        g->kind->join(g, j);
        return;
    }
    if (j->protocol_count == 0 || !are_protocols_fine(c, j)) {
        refuse_join(j, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
        return;
    }
    const struct consumer_topics *topics = g->table->o.topics;
    if (topics == NULL || !topics->is_complete(topics->arg)) {
        refuse_join(j, KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
        return;
    }
    int16_t error = join(c, j);
    if (error != KAFKA_NONE) {
        refuse_join(j, error);
    }
    consumer__store(c);
}

/* --- sync, heartbeat --- */

static struct cmember *
find(const struct consumer *c, struct span id, struct span instance_id, int16_t *ret_error)
{
    struct cmember *m = consumer__member(c, id);
    *ret_error = KAFKA_NONE;
    if (instance_id.ptr != NULL) {
        const struct cmember *of = consumer__member_of_instance(c, instance_id);
        *ret_error = of == NULL ? KAFKA_UNKNOWN_MEMBER_ID
                     : of != m  ? KAFKA_FENCED_INSTANCE_ID
                                : KAFKA_NONE;
    }
    if (*ret_error == KAFKA_NONE && (m == NULL || !m->is_classic)) {
        *ret_error = KAFKA_UNKNOWN_MEMBER_ID;
    }
    return *ret_error == KAFKA_NONE ? m : NULL;
}

/* False when the topics are not known yet. */
static bool
resolve_maybe(struct consumer *c)
{
    const struct consumer_topics *topics = c->g->table->o.topics;
    if (topics == NULL || !topics->is_complete(topics->arg)) {
        return false;
    }
    consumer__resolve_maybe(c);
    return true;
}

static bool
is_other(struct span asked, struct span is)
{
    return asked.ptr != NULL && !span_eq(asked, is);
}

void
consumer__classic_sync(struct group *g, struct group_sync *s)
{
    struct consumer *c = consumer_of(g);
    int16_t error;
    struct cmember *m = find(c, s->member_id, s->instance_id, &error);
    if (error == KAFKA_NONE && s->generation != m->epoch) {
        error = KAFKA_ILLEGAL_GENERATION;
    }
    if (error == KAFKA_NONE && (is_other(s->protocol_type, span_cstr("consumer")) ||
                                is_other(s->protocol, m->protocols[0].name))) {
        error = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    }
    if (error == KAFKA_NONE && !resolve_maybe(c)) {
        error = KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    }
    /* who is giving partitions up must be told of them first */
    if (error == KAFKA_NONE && c->group_epoch > m->epoch && m->state != CMEMBER_UNREVOKED) {
        consumer__patience_limit(m);
        error = KAFKA_REBALANCE_IN_PROGRESS;
    }
    if (error != KAFKA_NONE) {
        group_answer(&s->call, error);
        return;
    }
    if (m->state != CMEMBER_UNREVOKED) {
        consumer__patience_start(m); /* stops it */
    }
    struct bytes b;
    bytes_init(&b, GROUP_FACTS_BYTES_MAX);
    consumer__assignment_put(&b, m, false);
    s->ret_assignment = group__span_answer(&s->call, bytes_span(&b));
    s->ret_protocol_type = group__span_answer(&s->call, span_cstr("consumer"));
    s->ret_protocol = group__span_answer(&s->call, m->protocols[0].name);
    bytes_fini(&b);
    consumer__session_start(m);
    if (m->seq <= c->verified_seq) {
        consumer__answer_fresh(c, &s->call, m);
    } else {
        consumer__answer(c, &s->call, m);
    }
    consumer__store(c);
}

void
consumer__classic_heartbeat(struct group *g, struct group_heartbeat *h)
{
    struct consumer *c = consumer_of(g);
    int16_t error;
    struct cmember *m = find(c, h->member_id, h->instance_id, &error);
    if (error == KAFKA_NONE && h->generation != m->epoch) {
        error = KAFKA_ILLEGAL_GENERATION;
    }
    if (error != KAFKA_NONE) {
        group_answer(&h->call, error);
        return;
    }
    consumer__session_start(m);
    (void)resolve_maybe(c);
    bool has_news = c->group_epoch > m->epoch || m->state == CMEMBER_UNREVOKED ||
                    (m->state == CMEMBER_UNRELEASED && !consumer__is_waiting_for_others(m));
    if (has_news) {
        consumer__patience_limit(m);
    }
    group_answer(&h->call, has_news ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE);
    consumer__store(c);
}

/* --- leave --- */

static int16_t
leave_one(struct consumer *c, const struct group_leave_member *l)
{
    int16_t error = KAFKA_NONE;
    bool is_by_admin = l->instance_id.ptr != NULL && l->member_id.len == 0;
    struct cmember *m = is_by_admin ? consumer__member_of_instance(c, l->instance_id)
                                    : find(c, l->member_id, l->instance_id, &error);
    if (m == NULL) {
        return error != KAFKA_NONE ? error : (int16_t)KAFKA_UNKNOWN_MEMBER_ID;
    }
    consumer__member_gone(m);
    return KAFKA_NONE;
}

void
consumer__classic_leave(struct group *g, struct group_leave *l)
{
    struct consumer *c = consumer_of(g);
    uint64_t seq = c->seq;
    for (size_t i = 0; i < l->member_count; i++) {
        l->members[i].error = leave_one(c, &l->members[i]);
    }
    if (c->seq == seq) {
        group_answer(&l->call, KAFKA_NONE);
        return;
    }
    consumer__answer(c, &l->call, NULL);
    consumer__store(c);
}
