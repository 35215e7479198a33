/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups as an administrator sees them: listed, described, deleted. What is not alive here is told
 * from its facts in S; looking at a group does not make this broker its coordinator. */
#include "group/classic_int.h"
#include "group/offsets.h"

enum { REMOVE_TIMEOUT_S = 30 };

/* --- list --- */

static const char *
type_name(enum group_type type)
{
    return type == GROUP_CONSUMER ? "consumer" : "classic";
}

static void
list_live(struct group_list *l, const struct group *g)
{
    l->groups[l->count++] = (struct group_listed){
        .id = group__span_answer(&l->call, g->id),
        .protocol_type = group__span_answer(&l->call, g->kind->protocol_type(g)),
        .state = g->kind->state_name(g),
        .type = type_name(g->kind->type)};
}

static void
list_facts(struct group_list *l, const struct group_state *gs)
{
    const struct group_facts *f = gs->facts;
    bool is_consumer = f != NULL && f->type == GROUP_CONSUMER;
    l->groups[l->count++] = (struct group_listed){
        .id = group__span_answer(&l->call, gs->id),
        .protocol_type = is_consumer ? span_cstr("consumer")
                         : f != NULL ? group__span_answer(&l->call, f->protocol_type)
                                     : span_cstr(""),
        .state = f == NULL || f->member_count == 0 ? "Empty" : "Stable",
        .type = type_name(group_type_of(gs))};
}

void
group_list_run(struct group_table *gt, struct group_call *call)
{
    struct group_list *l = SL_CONTAINER_OF(call, struct group_list, call);
    const struct state *st = shard_state(gt->o.shard);
    const struct group_state *gs;
    size_t pos = 0;
    l->count = 0;
    l->groups = (struct group_listed *)arena_array(
        &call->mem, state_group_count(st) + gt->groups.count, sizeof(l->groups[0]));
    if (l->groups == NULL) {
        group_answer(call, KAFKA_UNKNOWN_SERVER_ERROR);
        return;
    }
    LIST_FOREACH(node, &gt->all)
    {
        list_live(l, SL_CONTAINER_OF(node, struct group, node));
    }
    while ((gs = state_next_group(st, &pos)) != NULL) {
        if (group__find(gt, gs->id) == NULL) {
            list_facts(l, gs);
        }
    }
    group_answer(call, KAFKA_NONE);
}

/* --- describe --- */

static struct group_described_member *
described_array(struct group_describe *d, uint32_t count)
{
    d->member_count = 0;
    d->members =
        (struct group_described_member *)arena_array(&d->call.mem, count, sizeof(d->members[0]));
    return d->members;
}

/* Only a group that is stable says what its members support and have. */
static void
describe_member(struct group_describe *d, const struct member *m, bool is_stable)
{
    struct group_call *call = &d->call;
    struct span metadata = is_stable ? classic__metadata(m, m->group->protocol) : span_cstr("");
    struct span assignment = is_stable && m->assignment.ptr != NULL ? m->assignment : span_cstr("");
    d->members[d->member_count++] =
        (struct group_described_member){.id = group__span_answer(call, m->id),
                                        .instance_id = group__span_answer(call, m->instance_id),
                                        .client_id = group__span_answer(call, m->client_id),
                                        .client_host = group__span_answer(call, m->client_host),
                                        .metadata = group__span_answer(call, metadata),
                                        .assignment = group__span_answer(call, assignment)};
}

static void
describe_live(struct group_describe *d, const struct group *g)
{
    const struct classic *c = classic_of(g);
    bool is_stable = c->state == CLASSIC_STABLE;
    d->state = g->kind->state_name(g);
    d->protocol_type = group__span_answer(&d->call, c->protocol_type);
    d->protocol = group__span_answer(&d->call, is_stable ? c->protocol : span_cstr(""));
    if (described_array(d, c->member_count) == NULL) {
        return;
    }
    LIST_FOREACH(node, &c->members)
    {
        describe_member(d, SL_CONTAINER_OF(node, struct member, node), is_stable);
    }
}

static struct span
metadata_of(const struct classic_member *m, struct span protocol)
{
    for (uint32_t i = 0; i < m->protocol_count; i++) {
        if (span_eq(m->protocols[i].name, protocol)) {
            return m->protocols[i].metadata;
        }
    }
    return span_cstr("");
}

static void
describe_facts(struct group_describe *d, const struct group_facts *f)
{
    struct group_call *call = &d->call;
    uint32_t count = f == NULL ? 0 : f->member_count;
    d->state = count == 0 ? "Empty" : "Stable";
    d->protocol_type = f == NULL ? span_cstr("") : group__span_answer(call, f->protocol_type);
    d->protocol = f == NULL ? span_cstr("") : group__span_answer(call, f->protocol);
    if (described_array(d, count) == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct classic_member *m = &f->classic[i];
        d->members[d->member_count++] = (struct group_described_member){
            .id = group__span_answer(call, m->id),
            .instance_id = group__span_answer(call, m->instance_id),
            .client_id = group__span_answer(call, m->client_id),
            .client_host = group__span_answer(call, m->client_host),
            .metadata = group__span_answer(call, metadata_of(m, f->protocol)),
            .assignment = group__span_answer(call, m->assignment)};
    }
}

static void
describe_nothing(struct group_describe *d, const char *why)
{
    d->state = "Dead";
    d->protocol_type = d->protocol = span_cstr("");
    d->members = NULL;
    d->member_count = 0;
    d->call.why = why;
    group_answer(&d->call, KAFKA_GROUP_ID_NOT_FOUND);
}

void
group_describe_run(struct group_table *gt, struct group_call *call)
{
    struct group_describe *d = SL_CONTAINER_OF(call, struct group_describe, call);
    const struct group *g = group__find(gt, call->group_id);
    const struct group_state *gs = state_find_group(shard_state(gt->o.shard), call->group_id);
    bool is_other =
        g != NULL ? g->kind != &group__classic : gs != NULL && group_type_of(gs) == GROUP_CONSUMER;
    if (is_other) {
        describe_nothing(d, "the group is not a classic group");
    } else if (g != NULL) {
        describe_live(d, g);
        group_answer(call, KAFKA_NONE);
    } else if (gs != NULL) {
        describe_facts(d, gs->facts);
        group_answer(call, KAFKA_NONE);
    } else {
        describe_nothing(d, "no such group");
    }
}

/* --- delete --- */

/* May it go, as this broker sees it? */
static int16_t
judge_removal(struct group_table *gt, struct group_remove_item *it)
{
    const struct group *g = group__find(gt, it->group_id);
    const struct group_state *gs = state_find_group(shard_state(gt->o.shard), it->group_id);
    if (it->group_id.len == 0) {
        return KAFKA_INVALID_GROUP_ID;
    }
    if (g != NULL && !g->kind->is_empty(g)) {
        return KAFKA_NON_EMPTY_GROUP;
    }
    if (gs == NULL) {
        return KAFKA_GROUP_ID_NOT_FOUND;
    }
    it->base = gs->version;
    return gs->facts != NULL && gs->facts->member_count > 0 ? (int16_t)KAFKA_NON_EMPTY_GROUP
                                                            : (int16_t)KAFKA_NONE;
}

/* Runs each time the op is staged: which of them may go now? */
static enum sl_err
check_removal(struct op_proposal *op, const struct state *st)
{
    struct group_remove *r = (struct group_remove *)op->arg;
    struct group_delete *list = (struct group_delete *)sl_alloc((r->count + 1) * sizeof(list[0]));
    size_t count = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct group_remove_item *it = r->items[i];
        it->error = judge_removal(r->call.table, it);
        if (it->error == KAFKA_NONE) {
            list[count++] = (struct group_delete){.group_id = it->group_id, .base = it->base};
        }
    }
    bytes_clear(&op->payload);
    op_encode_group_delete(&op->payload, list, count);
    sl_free(list);
    return count == 0 ? SL_EGROUP_NOT_FOUND
                      : state_check_group_delete(st, bytes_span(&op->payload), NULL);
}

static void
removed(struct op_proposal *op, enum sl_err rc)
{
    struct group_remove *r = (struct group_remove *)op->arg;
    for (size_t i = 0; i < r->count; i++) {
        if (rc != SL_OK && r->items[i]->error == KAFKA_NONE) {
            r->items[i]->error = KAFKA_COORDINATOR_NOT_AVAILABLE;
        }
    }
    bytes_fini(&op->payload);
    group_answer(&r->call, KAFKA_NONE);
}

static void
remove_propose(struct group_remove *r)
{
    const struct group_table *gt = r->call.table;
    r->op = (struct op_proposal){.kind = ITEM_GROUP_DELETE,
                                 .deadline_ns = sched_now(gt->sched) + REMOVE_TIMEOUT_S * SCHED_S,
                                 .check = check_removal,
                                 .done = removed,
                                 .arg = r};
    bytes_init(&r->op.payload, (size_t)1 << 30);
    enum sl_err rc = check_removal(&r->op, shard_state(gt->o.shard)); /* sizes the payload */
    if (rc != SL_OK) {
        removed(&r->op, rc);
        return;
    }
    op_submit(gt->o.shard, &r->op);
}

static void
remove_refreshed(struct journal_waiter *w, enum sl_err rc)
{
    struct group_remove *r = SL_CONTAINER_OF(w, struct group_remove, waiter);
    if (rc == SL_OK) {
        remove_propose(r);
        return;
    }
    for (size_t i = 0; i < r->count; i++) {
        r->items[i]->error = KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
    group_answer(&r->call, KAFKA_NONE);
}

void
group_remove_run(struct group_table *gt, struct group_call *call)
{
    struct group_remove *r = SL_CONTAINER_OF(call, struct group_remove, call);
    r->waiter = (struct journal_waiter){.ready = remove_refreshed, .is_strict = true};
    journal_refresh(shard_journal(gt->o.shard), &r->waiter);
}
