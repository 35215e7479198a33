/* SPDX-License-Identifier: Apache-2.0
 *
 * The target assignment of a consumer group: the question that assignors answer, made from members
 * and topics, and their answer put back. */
#include "group/consumer_int.h"

/* What most members ask for; those that ask for nothing do not count. */
static enum assignor
preferred(const struct consumer *c)
{
    uint32_t votes[ASSIGNOR_COUNT] = {0};
    LIST_FOREACH(node, &c->members)
    {
        const struct cmember *m = SL_CONTAINER_OF(node, struct cmember, node);
        if (m->has_assignor) {
            votes[m->assignor]++;
        }
    }
    enum assignor best = ASSIGNOR_UNIFORM;
    for (int a = 0; a < ASSIGNOR_COUNT; a++) {
        best = votes[a] > votes[best] ? (enum assignor)a : best;
    }
    return best;
}

/* The question, in one block of memory. */
struct question {
    struct assign_spec spec;
    struct assign_member *members;
    struct cmember **who;
    int32_t *partitions, *owners;
    uint32_t *topics;
};

static void
ask_members(struct consumer *c, struct question *q)
{
    uint32_t *at = q->topics;
    size_t m = 0;
    LIST_FOREACH(node, &c->members)
    {
        struct cmember *who = SL_CONTAINER_OF(node, struct cmember, node);
        who->index = (uint32_t)m;
        q->who[m] = who;
        q->members[m] =
            (struct assign_member){who->id, who->instance_id, at, who->subscribed_count};
        for (uint32_t k = 0; k < who->subscribed_count; k++) {
            *at++ = who->subscribed[k]->index;
        }
        m++;
    }
}

static void
ask_owners(struct consumer *c, struct question *q)
{
    int32_t *at = q->owners;
    for (uint32_t t = 0; t < c->wanted_count; t++) {
        q->partitions[t] = c->wanted[t]->count;
        for (int32_t p = 0; p < c->wanted[t]->count; p++) {
            const struct cmember *was = c->wanted[t]->parts[p].target;
            *at++ = was == NULL ? ASSIGN_NOBODY : (int32_t)was->index;
        }
    }
}

static void
ask(struct consumer *c, struct question *q)
{
    size_t links = 0, parts = 0;
    LIST_FOREACH(node, &c->members)
    {
        links += SL_CONTAINER_OF(node, struct cmember, node)->subscribed_count;
    }
    for (uint32_t t = 0; t < c->wanted_count; t++) {
        parts += (size_t)c->wanted[t]->count;
    }
    q->members = (struct assign_member *)sl_alloc((c->member_count + 1) * sizeof(*q->members));
    q->who = (struct cmember **)sl_alloc((c->member_count + 1) * sizeof(struct cmember *));
    q->partitions = (int32_t *)sl_alloc((c->wanted_count + 1) * sizeof(int32_t));
    q->owners = (int32_t *)sl_alloc((parts + 1) * sizeof(int32_t));
    q->topics = (uint32_t *)sl_alloc((links + 1) * sizeof(uint32_t));
    ask_members(c, q);
    ask_owners(c, q);
    q->spec = (struct assign_spec){q->members, c->member_count, q->partitions, c->wanted_count};
}

static void
forget_targets(struct consumer *c)
{
    size_t pos = 0;
    for (struct ctopic *t; (t = (struct ctopic *)map_next(&c->topics_by_id, &pos)) != NULL;) {
        for (int32_t p = 0; p < t->cap; p++) {
            t->parts[p].target = NULL;
        }
    }
}

static void
take_answer(struct consumer *c, const struct question *q)
{
    const int32_t *at = q->owners;
    forget_targets(c);
    for (uint32_t t = 0; t < c->wanted_count; t++) {
        for (int32_t p = 0; p < c->wanted[t]->count; p++, at++) {
            c->wanted[t]->parts[p].target = *at == ASSIGN_NOBODY ? NULL : q->who[*at];
        }
    }
}

void
consumer__target_maybe(struct consumer *c)
{
    if (c->assignment_epoch >= c->group_epoch) {
        return;
    }
    struct question q;
    ask(c, &q);
    c->assignor = preferred(c);
    assignor_run(c->assignor, &q.spec, q.owners);
    take_answer(c, &q);
    c->assignment_epoch = c->group_epoch;
    (void)consumer__changed(c, NULL);
    sl_free(q.topics);
    sl_free(q.owners);
    sl_free(q.partitions);
    sl_free(q.who);
    sl_free(q.members);
}
