/* SPDX-License-Identifier: Apache-2.0
 *
 * ConsumerGroupDescribe: what a consumer group looks like now. */
#include "group/consumer_int.h"
#include "group/consumer_topics.h"

static bool
is_of(const struct cpart *p, const struct cmember *m, bool is_target)
{
    return is_target ? p->target == m : p->owner == m && !p->is_revoking;
}

/* A topic that was gone when the group was read from S may be known all the same. */
struct naming {
    struct arena *mem;
    struct span name;
};

static void
note_name(void *to, const struct consumer_topic *t)
{
    struct naming *n = (struct naming *)to;
    n->name = arena_copy(n->mem, t->name);
}

static struct span
name_of(const struct consumer *c, const struct ctopic *t, struct arena *mem)
{
    if (t->name.ptr != NULL) {
        return arena_copy(mem, t->name);
    }
    const struct consumer_topics *topics = c->g->table->o.topics;
    struct naming n = {mem, {NULL, 0}};
    topics->find_id(topics->arg, &t->id, note_name, &n);
    return n.name;
}

static bool
describe_topic(const struct cmember *m, const struct ctopic *t, bool is_target,
               struct consumer_described_topic *out, struct arena *mem)
{
    uint32_t count = 0;
    for (int32_t i = 0; i < t->cap; i++) {
        count += is_of(&t->parts[i], m, is_target);
    }
    *out = (struct consumer_described_topic){.id = t->id};
    if (count == 0) {
        return true;
    }
    out->indexes = (int32_t *)arena_array(mem, count, sizeof(int32_t));
    out->name = name_of(m->group, t, mem);
    for (int32_t i = 0; i < t->cap && out->indexes != NULL; i++) {
        if (is_of(&t->parts[i], m, is_target)) {
            out->indexes[out->count++] = i;
        }
    }
    return out->indexes != NULL;
}

static bool
describe_list(const struct cmember *m, bool is_target, struct consumer_described_list *out,
              struct arena *mem)
{
    const struct map *topics = &m->group->topics_by_id;
    size_t pos = 0;
    out->topics = (struct consumer_described_topic *)arena_array(mem, topics->count + 1,
                                                                 sizeof(*out->topics));
    for (const struct ctopic *t;
         out->topics != NULL && (t = (const struct ctopic *)map_next(topics, &pos)) != NULL;) {
        struct consumer_described_topic *at = &out->topics[out->count];
        if (!describe_topic(m, t, is_target, at, mem)) {
            return false;
        }
        out->count += at->count > 0 && at->name.ptr != NULL;
    }
    return out->topics != NULL;
}

static bool
describe_member(const struct cmember *m, struct consumer_described_member *out, struct arena *mem)
{
    const struct span none = {NULL, 0};
    out->id = arena_copy(mem, m->id);
    out->instance_id = m->instance_id.ptr == NULL ? none : arena_copy(mem, m->instance_id);
    out->rack = m->rack.ptr == NULL ? none : arena_copy(mem, m->rack);
    out->client_id = arena_copy(mem, m->client_id);
    out->client_host = arena_copy(mem, m->client_host);
    out->regex = m->expr == NULL ? none : arena_copy(mem, m->expr->pattern);
    out->epoch = m->epoch;
    out->is_classic = m->is_classic;
    out->topics = (struct span *)arena_array(mem, m->name_count + 1, sizeof(struct span));
    if (out->topics == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < m->name_count; i++) {
        out->topics[i] = arena_copy(mem, m->names[i]);
    }
    out->topic_count = m->name_count;
    return describe_list(m, false, &out->assigned, mem) &&
           describe_list(m, true, &out->target, mem);
}

static bool
describe(struct consumer *c, struct consumer_describe *d)
{
    struct arena *mem = &d->call.mem;
    d->members = (struct consumer_described_member *)arena_array(mem, c->member_count + 1,
                                                                 sizeof(*d->members));
    if (d->members == NULL) {
        return false;
    }
    d->state = consumer__state_name(c->g);
    d->assignor = assignor_name(c->assignor);
    d->group_epoch = c->group_epoch;
    d->assignment_epoch = c->assignment_epoch;
    LIST_FOREACH(node, &c->members)
    {
        const struct cmember *m = SL_CONTAINER_OF(node, struct cmember, node);
        if (!describe_member(m, &d->members[d->member_count++], mem)) {
            return false;
        }
    }
    return true;
}

static int16_t
describe_group(struct group *g, struct consumer_describe *d)
{
    if (g == NULL || g->kind != group__consumer) {
        d->call.why = g == NULL ? "Group not found." : "The group is not a consumer group.";
        return KAFKA_GROUP_ID_NOT_FOUND;
    }
    return describe(consumer_of(g), d) ? KAFKA_NONE : KAFKA_COORDINATOR_NOT_AVAILABLE;
}

void
consumer_describe_run(struct group_table *gt, struct group_call *call)
{
    bool was_alive = group__find(gt, call->group_id) != NULL;
    struct group *g = group__load(gt, call->group_id);
    group_answer(call, describe_group(g, SL_CONTAINER_OF(call, struct consumer_describe, call)));
    if (g != NULL && !was_alive) {
        group__forget(g, KAFKA_NOT_COORDINATOR); /* who looks does not become its coordinator */
    }
}
