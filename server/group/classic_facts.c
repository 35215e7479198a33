/* SPDX-License-Identifier: Apache-2.0
 *
 * A classic group and its facts in S: what a completed rebalance stores, and how a group comes back
 * from it. See the essay in classic.c. */
#include "group/classic_int.h"
#include "journal/mistakes.h"

enum { STORE_TIMEOUT_S = 30, RETRY_S = 5 };

static void propose(struct classic *c);

static void
refuse(struct list *returning)
{
    for (struct list *node; (node = list_pop(returning)) != NULL;) {
        group_answer(SL_CONTAINER_OF(node, struct group_call, node), KAFKA_NOT_COORDINATOR);
    }
}

/* --- to S --- */

static void
fill_member(const struct member *m, struct classic_member *out)
{
    *out = (struct classic_member){.id = m->id,
                                   .instance_id = m->instance_id,
                                   .client_id = m->client_id,
                                   .client_host = m->client_host,
                                   .session_timeout_ms = m->session_timeout_ms,
                                   .rebalance_timeout_ms = m->rebalance_timeout_ms,
                                   .protocols = m->protocols,
                                   .protocol_count = m->protocol_count,
                                   .assignment =
                                       m->assignment.ptr == NULL ? span_cstr("") : m->assignment};
}

static enum sl_err
encode(struct classic *c, struct bytes *out)
{
    struct group_facts f = {.type = GROUP_CLASSIC,
                            .coordinator_epoch = c->coordinator_epoch,
                            .member_count = c->member_count,
                            .generation = c->generation,
                            .protocol_type = c->protocol_type,
                            .protocol = c->protocol,
                            .leader = c->leader == NULL ? span_of(NULL, 0) : c->leader->id};
    f.classic = (struct classic_member *)sl_alloc((c->member_count + 1) * sizeof(f.classic[0]));
    uint32_t i = 0;
    LIST_FOREACH(node, &c->members)
    {
        fill_member(SL_CONTAINER_OF(node, struct member, node), &f.classic[i++]);
    }
    enum sl_err rc = op_encode_group(out, c->g->id, c->base, &f);
    sl_free(f.classic);
    return rc;
}

static void
retry_due(struct sched_timer *t)
{
    struct classic *c = SL_CONTAINER_OF(t, struct classic, store_retry);
    struct group *g = c->g;
    group__pin(g);
    classic__store(c);
    group__unpin(g);
}

/* Whoever waits for what was stored is told; that a group is empty is tried again, because nobody
 * waits for that and everybody relies on it. */
static void
settle(struct classic *c, struct store_op *so, enum sl_err rc)
{
    if (rc == SL_OK) {
        c->base = group_op_version(bytes_span(&so->op.payload));
    } else if (rc == SL_ETIMEOUT) {
        c->unknown_version = group_op_version(bytes_span(&so->op.payload));
        c->unknown_generation = so->generation;
    }
    classic__returned(c, &so->returning, rc);
    classic__stored(c, so, rc);
    if (rc != SL_OK && c->state == CLASSIC_EMPTY && c->store == NULL) {
        c->is_store_wanted = true;
        c->store_retry.fire = retry_due;
        sched_timer_after(c->g->table->sched, &c->store_retry, RETRY_S * SCHED_S);
    }
}

/* May what the group is now be stored? While members join there is nothing to store. */
static bool
is_storable(const struct classic *c)
{
    return c->state == CLASSIC_EMPTY || c->state == CLASSIC_STABLE ||
           (c->state == CLASSIC_COMPLETING && c->has_assignment);
}

static void
store_next(struct classic *c)
{
    if (!c->is_store_wanted || c->store_retry.heap_pos != 0) {
        return;
    }
    c->is_store_wanted = false;
    if (is_storable(c)) {
        propose(c);
    } else {
        classic__returned(c, &c->returning, SL_OK); /* they join the rebalance instead */
    }
}

static void
stored(struct op_proposal *op, enum sl_err rc)
{
    struct store_op *so = (struct store_op *)op->arg;
    struct group *g = so->g;
    struct classic *c = so->c;
    if (c != NULL) {
        c->store = NULL;
        if (rc == SL_EFENCED) {
            refuse(&so->returning);
            group__forget(g, KAFKA_NOT_COORDINATOR); /* another broker moved it on */
        } else {
            settle(c, so, rc);
            store_next(c);
        }
    }
    bytes_fini(&so->op.payload);
    sl_free(so);
    group__unpin(g);
}

static void
propose(struct classic *c)
{
    struct store_op *so = (struct store_op *)sl_alloc(sizeof(*so));
    so->g = c->g;
    so->c = c;
    so->generation = c->generation;
    so->is_sync = c->state == CLASSIC_COMPLETING;
    so->op = (struct op_proposal){.kind = ITEM_GROUP,
                                  .deadline_ns =
                                      sched_now(c->g->table->sched) + STORE_TIMEOUT_S * SCHED_S,
                                  .is_pipelined = true,
                                  .check = op_check_group,
                                  .done = stored,
                                  .arg = so};
    list_init(&so->returning);
    list_splice(&so->returning, &c->returning);
    bytes_init(&so->op.payload, GROUP_FACTS_BYTES_MAX + GROUP_ID_MAX + 1024);
    if (!c->is_taken_over) {
        c->is_taken_over = true;
        c->coordinator_epoch++;
    }
    c->store = so;
    group__pin(c->g);
    enum sl_err rc = encode(c, &so->op.payload);
    if (MISTAKE(group_sync_early)) {
        classic__stored(c, so, SL_OK);
    }
    if (rc == SL_OK) {
        op_submit(c->g->table->o.shard, &so->op);
    } else {
        stored(&so->op, rc);
    }
}

void
classic__store(struct classic *c)
{
    c->is_store_wanted = true;
    sched_timer_stop(c->g->table->sched, &c->store_retry);
    if (c->store == NULL) {
        store_next(c);
    }
}

/* --- from S --- */

static const struct group_join *
join_of(const struct classic_member *m, const struct group_facts *f, struct group_join *j)
{
    j->instance_id = m->instance_id;
    j->client_id = m->client_id;
    j->client_host = m->client_host;
    j->protocol_type = f->protocol_type;
    j->protocols = m->protocols;
    j->protocol_count = m->protocol_count;
    j->session_timeout_ms = m->session_timeout_ms;
    j->rebalance_timeout_ms = m->rebalance_timeout_ms;
    return j;
}

static void
load_member(struct classic *c, const struct classic_member *in, const struct group_facts *f)
{
    struct group_join j = {0};
    struct member *m = classic__member_add(c, in->id, join_of(in, f, &j));
    if (m == NULL || !classic__member_assign(m, in->assignment)) {
        return; /* bounds were lowered since; it has to join again */
    }
    if (span_eq(m->id, f->leader)) {
        c->leader = m;
    }
    classic__session_start(m);
}

void
classic__facts_load(struct classic *c, const struct group_state *gs)
{
    const struct group_facts *f = gs->facts;
    c->base = gs->version;
    if (f->type != GROUP_CLASSIC) {
        return; /* it was of another type, and empty */
    }
    c->coordinator_epoch = f->coordinator_epoch;
    c->generation = f->generation;
    for (uint32_t i = 0; i < f->member_count; i++) {
        load_member(c, &f->classic[i], f);
    }
    c->protocol = group__span_keep(f->protocol);
    if (c->member_count > 0) {
        c->state = c->previous = CLASSIC_STABLE;
    } else if (c->protocol_type.ptr == NULL) {
        c->protocol_type = group__span_keep(f->protocol_type);
    }
}

/* Versions rise, but two brokers may have staged the same one; what they wrote differs. */
static bool
is_what_was_sent(const struct classic *c, const struct group_facts *f, uint64_t version,
                 uint64_t sent_version, int32_t sent_generation)
{
    return version == sent_version && f != NULL && f->type == GROUP_CLASSIC &&
           f->generation == sent_generation && f->coordinator_epoch == c->coordinator_epoch;
}

bool
classic__is_own_change(struct group *g, const struct group_state *gs)
{
    struct classic *c = classic_of(g);
    uint64_t version = gs == NULL ? 0 : gs->version;
    const struct group_facts *f = gs == NULL ? NULL : gs->facts;
    if (version == c->base) {
        return true;
    }
    bool is_own =
        MISTAKE(group_other_ignored) ||
        (c->store != NULL &&
         is_what_was_sent(c, f, version, group_op_version(bytes_span(&c->store->op.payload)),
                          c->store->generation)) ||
        (c->unknown_version != 0 &&
         is_what_was_sent(c, f, version, c->unknown_version, c->unknown_generation));
    if (is_own) {
        c->base = version;
        c->unknown_version = 0;
    }
    return is_own;
}
