/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups that change their protocol while they live (Kafka's migration policy BIDIRECTIONAL).
 *
 * Up. A member that joins a classic group with the consumer protocol makes it a consumer group, if
 * all its members are consumers whose subscriptions can be read and who use no assignor with data
 * of its own. They stay members, with generation as epoch and with the partitions they have, and
 * speak on as before (consumer_classic.c). Whoever waits in a rebalance is told to join again.
 *
 * Down. When the last member of the consumer protocol has left and members of the classic protocol
 * are there, the group becomes classic again, with the last assignment's epoch as generation, and
 * rebalances. That is one op, verified before the classic group begins.
 *
 * An empty group simply becomes what its next member speaks. Epochs and generations go on
 * counting, so that no commit for an earlier one can be taken for a later one. */
#include "group/classic_int.h"
#include "group/consumer_int.h"
#include "group/consumer_topics.h"

enum { SCRATCH_MAX = 16 << 20, ASSIGNMENTS_MAX = GROUP_FACTS_BYTES_MAX };

static void
say_moved(const struct group *g, const char *protocol)
{
    static struct diag_limit limit;
    if (diag_limit_ok(&limit, 5)) {
        SL_INFO(NULL, "group.moved", KV_SPAN("group", g->id), KV_STR("protocol", protocol));
    }
}

/* --- up --- */

static const char *
judge_member(const struct member *m, struct arena *mem)
{
    struct csubscription sub;
    for (uint32_t i = 0; i < m->protocol_count; i++) {
        if (!consumer__subscription_parse(m->protocols[i].metadata, mem, &sub)) {
            return "Cannot upgrade the classic group: the embedded consumer protocol is malformed.";
        }
    }
    return m->protocol_count == 0 ? "Cannot upgrade the classic group: a member has no protocol."
                                  : NULL;
}

/* Kafka refuses who has user data, because only an assignor of its own can read them. Its sticky
 * assignor is an exception of ours: what it writes there it can do without. */
static const char *
judge_assignor(const struct member *m, struct arena *mem)
{
    struct csubscription sub;
    bool is_sticky = span_eq(m->protocols[0].name, span_cstr("sticky")) ||
                     span_eq(m->protocols[0].name, span_cstr("cooperative-sticky"));
    if (consumer__subscription_parse(m->protocols[0].metadata, mem, &sub) && sub.has_user_data &&
        !is_sticky) {
        return "Cannot upgrade the classic group: an unsupported custom assignor is in use.";
    }
    return NULL;
}

static const char *
judge_group(struct group *g, struct arena *mem)
{
    const struct classic *c = classic_of(g);
    if (c->member_count == 0) {
        return NULL;
    }
    if (!span_eq(c->protocol_type, span_cstr("consumer"))) {
        return "Cannot upgrade the classic group: it does not use the consumer embedded protocol.";
    }
    if (c->member_count > (uint32_t)g->table->o.consumer_max_size) {
        return "Cannot upgrade the classic group: it exceeds the consumer group maximum size.";
    }
    LIST_FOREACH(node, &c->members)
    {
        const struct member *m = SL_CONTAINER_OF(node, struct member, node);
        const char *why = judge_member(m, mem);
        why = why != NULL ? why : judge_assignor(m, mem);
        if (why != NULL) {
            return why;
        }
    }
    return NULL;
}

/* What has to outlive the classic group. */
struct heritage {
    struct group_facts *facts; /* a reference; NULL: none */
    uint64_t base;
    int32_t coordinator_epoch, generation;
    bool is_taken_over;
};

static void
inherit_parts(struct consumer *c, struct cmember *m, struct span list, struct arena *mem)
{
    struct group_part_list parts;
    if (!consumer__parts_parse(c, list, mem, &parts)) {
        return; /* it has nothing that we could name */
    }
    for (uint32_t i = 0; i < parts.count; i++) {
        for (uint32_t k = 0; k < parts.topics[i].count; k++) {
            int32_t index = parts.topics[i].indexes[k];
            struct ctopic *t = consumer__topic_make(c, &parts.topics[i].topic_id, index + 1);
            if (t->parts[index].owner == NULL) {
                t->parts[index].owner = t->parts[index].target = m;
            }
        }
    }
}

static void
inherit_assignment(struct consumer *c, struct cmember *m, struct span assignment, struct arena *mem)
{
    struct span list;
    if (consumer__assignment_open(assignment, &list)) {
        inherit_parts(c, m, list, mem);
    }
}

/* What a member said that it owns, and the last generation gave to nobody, it may be about to give
 * up: until it says that it did, it owns it. */
static void
inherit_owned(struct consumer *c, const struct classic_member *f, struct arena *mem)
{
    struct csubscription sub;
    struct cmember *m = consumer__member(c, f->id);
    if (m != NULL && f->protocol_count > 0 &&
        consumer__subscription_parse(f->protocols[0].metadata, mem, &sub)) {
        inherit_parts(c, m, sub.owned, mem);
    }
}

static void
inherit_member(struct consumer *c, const struct classic_member *f, const struct heritage *from,
               struct arena *mem)
{
    struct csubscription sub;
    struct cmember *m = consumer__member_add(c, f->id, f->instance_id);
    bool ok = m != NULL;
    if (!ok) {
        return; /* above the bound: it joins again, and is refused then */
    }
    m->is_classic = true;
    m->session_timeout_ms = f->session_timeout_ms;
    m->rebalance_timeout_ms = f->rebalance_timeout_ms;
    m->epoch = m->previous_epoch = from->generation;
    c->classic_count++;
    (void)consumer__member_text(m, &m->client_id, f->client_id, &ok);
    (void)consumer__member_text(m, &m->client_host, f->client_host, &ok);
    (void)consumer__member_protocols(m, f->protocols, f->protocol_count, &ok);
    if (f->protocol_count > 0 &&
        consumer__subscription_parse(f->protocols[0].metadata, mem, &sub)) {
        (void)consumer__member_names(m, sub.topics, sub.topic_count, &ok);
        (void)(sub.rack.ptr != NULL && consumer__member_text(m, &m->rack, sub.rack, &ok));
    }
    inherit_assignment(c, m, f->assignment, mem);
    (void)consumer__changed(c, m);
    consumer__session_start(m);
}

/* Members are those of S: nobody else has ever been told that it is one of this generation. */
static void
inherit(struct group *g, struct heritage *from, struct arena *mem)
{
    struct consumer *c = consumer_of(g);
    c->base = from->base;
    c->coordinator_epoch = from->coordinator_epoch;
    c->is_taken_over = from->is_taken_over;
    c->group_epoch = c->assignment_epoch = from->generation > 0 ? from->generation : 0;
    const struct group_facts *f = from->facts;
    for (uint32_t i = 0; f != NULL && f->type == GROUP_CLASSIC && i < f->member_count; i++) {
        inherit_member(c, &f->classic[i], from, mem);
    }
    for (uint32_t i = 0; f != NULL && f->type == GROUP_CLASSIC && i < f->member_count; i++) {
        inherit_owned(c, &f->classic[i], mem);
    }
    group_facts_unref(&from->facts);
}

/* An empty consumer group may just have become a classic one, of which S knows nothing yet. */
static int32_t
generation_of(const struct group_facts *f)
{
    if (f == NULL) {
        return 0;
    }
    return f->type == GROUP_CLASSIC ? f->generation : f->group_epoch;
}

int16_t
consumer__upgrade(struct group *g, const char **ret_why)
{
    struct classic *old = classic_of(g);
    struct arena mem;
    if (old->store != NULL) {
        return KAFKA_COORDINATOR_LOAD_IN_PROGRESS; /* what S will hold is not known yet */
    }
    arena_init(&mem, SCRATCH_MAX);
    const char *why = judge_group(g, &mem);
    if (why != NULL) {
        *ret_why = why;
        arena_fini(&mem);
        return KAFKA_GROUP_ID_NOT_FOUND;
    }
    const struct group_state *gs = group__facts(g->table, g->id);
    struct heritage from = {.facts = gs == NULL ? NULL : group_facts_ref(gs->facts),
                            .base = gs == NULL ? 0 : gs->version,
                            .coordinator_epoch = old->coordinator_epoch,
                            .is_taken_over = old->is_taken_over};
    from.generation = generation_of(from.facts);
    if (old->member_count > 0) {
        say_moved(g, "consumer");
    }
    g->kind->drop(g, KAFKA_REBALANCE_IN_PROGRESS);
    g->kind = group__consumer;
    g->kind->load(g, NULL);
    inherit(g, &from, &mem);
    arena_fini(&mem);
    return KAFKA_NONE;
}

/* --- down --- */

void
consumer__become_classic(struct group *g)
{
    const struct consumer *c = consumer_of(g);
    uint64_t base = c->base;
    int32_t coordinator_epoch = c->coordinator_epoch, epoch = c->group_epoch;
    bool is_taken_over = c->is_taken_over;
    g->kind->drop(g, KAFKA_UNKNOWN_MEMBER_ID);
    g->kind = &group__classic;
    g->kind->load(g, NULL);
    struct classic *cl = classic_of(g);
    cl->base = base;
    cl->coordinator_epoch = coordinator_epoch;
    cl->is_taken_over = is_taken_over;
    cl->generation = epoch;
}

bool
consumer__is_downgrade_due(const struct consumer *c)
{
    /* the names of topics are needed for that */
    return c->is_resolved && c->member_count > 0 && c->classic_count == c->member_count;
}

static void
fill_member(const struct cmember *m, struct classic_member *out, struct bytes *assignments)
{
    size_t at = assignments->len;
    /* also what it has not given up: the group may come back before it has rebalanced */
    consumer__assignment_put(assignments, m, true);
    *out = (struct classic_member){.id = m->id,
                                   .instance_id = m->instance_id,
                                   .client_id = m->client_id,
                                   .client_host = m->client_host,
                                   .session_timeout_ms = m->session_timeout_ms,
                                   .rebalance_timeout_ms = m->rebalance_timeout_ms,
                                   .protocols = m->protocols,
                                   .protocol_count = m->protocol_count};
    /* where it is once all are there: the bytes may still move */
    out->assignment = span_of(NULL, assignments->len - at);
}

enum sl_err
consumer__encode_classic(const struct consumer *c, struct bytes *out)
{
    const struct cmember *first = SL_CONTAINER_OF(c->members.next, struct cmember, node);
    struct group_facts f = {.type = GROUP_CLASSIC,
                            .coordinator_epoch = c->coordinator_epoch,
                            .member_count = c->member_count,
                            .generation = c->assignment_epoch,
                            .protocol_type = span_cstr("consumer"),
                            .protocol = first->protocol_count > 0 ? first->protocols[0].name
                                                                  : span_cstr(""),
                            .leader = first->id};
    struct bytes assignments;
    bytes_init(&assignments, ASSIGNMENTS_MAX);
    f.classic = (struct classic_member *)sl_alloc((c->member_count + 1) * sizeof(*f.classic));
    uint32_t i = 0;
    LIST_FOREACH(node, &c->members)
    {
        fill_member(SL_CONTAINER_OF(node, struct cmember, node), &f.classic[i++], &assignments);
    }
    const uint8_t *at = assignments.data;
    for (i = 0; i < c->member_count; i++) {
        f.classic[i].assignment.ptr = at;
        at += f.classic[i].assignment.len;
    }
    enum sl_err rc =
        assignments.is_overflown ? SL_ETOO_LARGE : op_encode_group(out, c->g->id, c->base, &f);
    sl_free(f.classic);
    bytes_fini(&assignments);
    return rc;
}

void
consumer__downgraded(struct group *g)
{
    struct group_table *gt = g->table;
    struct span id = group__span_keep(g->id);
    say_moved(g, "classic");
    group__forget(g, KAFKA_NOT_COORDINATOR);
    struct group *after = group__load(gt, id);
    if (after != NULL && after->kind == &group__classic) {
        after->is_cold = false;
        classic__rebalance_maybe(classic_of(after), "the group went back to the classic protocol");
    }
    group__span_free(&id);
}
