/* SPDX-License-Identifier: Apache-2.0
 *
 * A consumer group and its facts in S.
 *
 * The group in memory runs ahead of S: a heartbeat changes it at once, and the answer waits until
 * the change is verified. Changes are numbered; an op carries all of them so far, one op is in
 * flight at a time, and what changes meanwhile goes with the next. A member that has not changed
 * since the last verified op is answered from memory, also while the store stalls.
 *
 * When an op fails, or its outcome is unknown, the group in memory is dropped, who waits gets an
 * error that clients retry, and the next request begins from S again. That is always right: nobody
 * was told of what was dropped.
 *
 * Another broker may believe that it coordinates, too, and its memory may be old. What it tells
 * from memory are epochs only, and the assignment goes with a change, hence with an op, which S
 * refuses to who does not stand on its last version: so an old coordinator hands nothing out. And
 * what a member says that it owns it says once: before that is answered with nothing to tell, the
 * journal is read to its tail, or the broker that waits for it would never hear of it. */
#include "group/consumer_int.h"
#include "journal/mistakes.h"

enum { STORE_TIMEOUT_S = 30, PARTITION_MAX = 1 << 20 };

/* --- lists of partitions --- */

enum part_kind { PART_ASSIGNED, PART_REVOKING, PART_TARGET };

static const struct cmember *
member_of(const struct cpart *p, enum part_kind kind)
{
    switch (kind) {
    case PART_ASSIGNED:
        return p->is_revoking ? NULL : p->owner;
    case PART_REVOKING:
        return p->is_revoking ? p->owner : NULL;
    case PART_TARGET:
        return p->target;
    }
    return NULL;
}

/* Everybody's lists of one kind, made in two passes over all partitions: count, fill. */
struct lists {
    uint32_t *topics; /* per member: how many topics; then, filled so far */
    uint32_t *parts;  /* the same of partitions */
    struct group_part_list *out;
};

static void
lists_count(const struct consumer *c, enum part_kind kind, struct lists *l)
{
    size_t pos = 0;
    const struct ctopic **last =
        (const struct ctopic **)sl_alloc((c->member_count + 1) * sizeof(*last));
    for (const struct ctopic *t;
         (t = (const struct ctopic *)map_next(&c->topics_by_id, &pos)) != NULL;) {
        for (int32_t i = 0; i < t->cap; i++) {
            const struct cmember *m = member_of(&t->parts[i], kind);
            if (m != NULL) {
                l->topics[m->index] += last[m->index] == t ? 0 : 1;
                l->parts[m->index]++;
                last[m->index] = t;
            }
        }
    }
    sl_free(last);
}

static void
lists_fill(const struct consumer *c, enum part_kind kind, struct lists *l)
{
    size_t pos = 0;
    for (const struct ctopic *t;
         (t = (const struct ctopic *)map_next(&c->topics_by_id, &pos)) != NULL;) {
        for (int32_t i = 0; i < t->cap; i++) {
            const struct cmember *m = member_of(&t->parts[i], kind);
            if (m == NULL) {
                continue;
            }
            struct group_part_list *out = &l->out[m->index];
            bool is_first =
                out->count == 0 || !uuid_eq(&out->topics[out->count - 1].topic_id, &t->id);
            if (is_first) {
                int32_t *at = out->count == 0 ? out->topics[0].indexes
                                              : out->topics[out->count - 1].indexes +
                                                    out->topics[out->count - 1].count;
                out->topics[out->count++] = (struct group_parts){t->id, at, 0};
            }
            struct group_parts *parts = &out->topics[out->count - 1];
            parts->indexes[parts->count++] = i;
        }
    }
}

/* out: one per member, in the order of their index, in one block that *ret_block is. */
static void
lists_make(const struct consumer *c, enum part_kind kind, struct group_part_list *out,
           void **ret_block)
{
    size_t members = c->member_count + 1;
    struct lists l = {.out = out};
    l.topics = (uint32_t *)sl_alloc(2 * members * sizeof(uint32_t));
    l.parts = l.topics + members;
    lists_count(c, kind, &l);
    size_t topics = 0, parts = 0;
    for (size_t m = 0; m < members; m++) {
        topics += l.topics[m] + 1; /* one more, to keep where its partitions begin */
        parts += l.parts[m];
    }
    struct group_parts *block =
        (struct group_parts *)sl_alloc(topics * sizeof(*block) + (parts + 1) * sizeof(int32_t));
    struct group_parts *at = block;
    int32_t *indexes = (int32_t *)(void *)(block + topics);
    for (size_t m = 0; m < c->member_count; m++) {
        at->indexes = indexes;
        out[m] = (struct group_part_list){at, 0};
        at += l.topics[m] + 1;
        indexes += l.parts[m];
    }
    lists_fill(c, kind, &l);
    sl_free(l.topics);
    *ret_block = block;
}

bool
consumer__assigned(struct arena *mem, const struct cmember *m, struct group_part_list *ret)
{
    size_t topics = 0, parts = 0, pos = 0;
    for (const struct ctopic *t;
         (t = (const struct ctopic *)map_next(&m->group->topics_by_id, &pos)) != NULL;) {
        size_t before = parts;
        for (int32_t i = 0; i < t->cap; i++) {
            parts += member_of(&t->parts[i], PART_ASSIGNED) == m;
        }
        topics += parts > before;
    }
    ret->topics = (struct group_parts *)arena_array(mem, topics + 1, sizeof(struct group_parts));
    int32_t *at = (int32_t *)arena_array(mem, parts + 1, sizeof(int32_t));
    ret->count = 0;
    if (ret->topics == NULL || at == NULL) {
        return false;
    }
    pos = 0;
    for (const struct ctopic *t;
         (t = (const struct ctopic *)map_next(&m->group->topics_by_id, &pos)) != NULL;) {
        struct group_parts mine = {t->id, at, 0};
        for (int32_t i = 0; i < t->cap; i++) {
            if (member_of(&t->parts[i], PART_ASSIGNED) == m) {
                mine.indexes[mine.count++] = i;
            }
        }
        at += mine.count;
        if (mine.count > 0) {
            ret->topics[ret->count++] = mine;
        }
    }
    return true;
}

/* --- to S --- */

static void
fill_member(const struct cmember *m, struct consumer_member *out)
{
    const struct span none = {NULL, 0};
    out->id = m->id;
    out->instance_id = m->instance_id;
    out->rack = m->rack;
    out->client_id = m->client_id;
    out->client_host = m->client_host;
    out->topics = m->names;
    out->topic_count = m->name_count;
    out->regex = m->expr == NULL ? none : m->expr->pattern;
    out->server_assignor = m->has_assignor ? span_cstr(assignor_name(m->assignor)) : none;
    out->rebalance_timeout_ms = m->rebalance_timeout_ms;
    out->epoch = m->epoch;
    out->previous_epoch = m->previous_epoch;
    out->state = (uint8_t)m->state;
    out->is_classic = m->is_classic;
    out->session_timeout_ms = m->session_timeout_ms;
    out->protocols = m->protocols;
    out->protocol_count = m->protocol_count;
}

static void
fill_members(const struct consumer *c, struct consumer_member *out)
{
    uint32_t i = 0;
    LIST_FOREACH(node, &c->members)
    {
        struct cmember *m = SL_CONTAINER_OF(node, struct cmember, node);
        m->index = i;
        fill_member(m, &out[i++]);
    }
}

static enum sl_err
encode(const struct consumer *c, struct bytes *out)
{
    struct group_facts f = {.type = GROUP_CONSUMER,
                            .coordinator_epoch = c->coordinator_epoch,
                            .member_count = c->member_count,
                            .group_epoch = c->group_epoch,
                            .assignment_epoch = c->assignment_epoch,
                            .server_assignor = span_cstr(assignor_name(c->assignor)),
                            .metadata_hash = c->metadata_hash};
    size_t n = c->member_count + 1;
    f.consumer = (struct consumer_member *)sl_alloc(n * sizeof(*f.consumer));
    struct group_part_list *lists =
        (struct group_part_list *)sl_alloc(3 * n * sizeof(struct group_part_list));
    void *blocks[3];
    fill_members(c, f.consumer);
    for (int kind = 0; kind < 3; kind++) {
        lists_make(c, (enum part_kind)kind, lists + (size_t)kind * n, &blocks[kind]);
    }
    for (size_t m = 0; m < c->member_count; m++) {
        f.consumer[m].assigned = lists[m];
        f.consumer[m].revoking = lists[n + m];
        f.consumer[m].target = lists[2 * n + m];
    }
    enum sl_err rc = op_encode_group(out, c->g->id, c->base, &f);
    for (int kind = 0; kind < 3; kind++) {
        sl_free(blocks[kind]);
    }
    sl_free(lists);
    sl_free(f.consumer);
    return rc;
}

static int16_t
error_of(enum sl_err rc)
{
    switch (rc) {
    case SL_ETOO_LARGE:
        return KAFKA_GROUP_MAX_SIZE_REACHED;
    case SL_EFENCED:
        return KAFKA_NOT_COORDINATOR; /* another broker moved it on */
    case SL_ENOT_OPEN:
    case SL_EAGAIN:
        return KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    default:
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
}

/* --- answers that wait --- */

/* Who is not a member any more since is not told what it would have been told: its partitions may
 * be another's by now, in the same op. */
static void
wait_over(struct cwait *w, int16_t error)
{
    struct consumer *c = w->c;
    struct cmember *m = w->member_id.ptr == NULL ? NULL : consumer__member(c, w->member_id);
    list_remove(&w->node);
    if (m != NULL && m->waiting > 0) {
        m->waiting--;
        consumer__session_start(m);
    }
    if (error == KAFKA_NONE && m == NULL && w->member_id.ptr != NULL) {
        error = KAFKA_UNKNOWN_MEMBER_ID;
    }
    group_answer(w->call, error);
}

static void
answer_verified(struct consumer *c)
{
    LIST_FOREACH_SAFE(node, tmp, &c->waiting)
    {
        struct cwait *w = SL_CONTAINER_OF(node, struct cwait, node);
        if (w->seq <= c->verified_seq) {
            wait_over(w, KAFKA_NONE);
        }
    }
}

/* NULL: there is no memory for it, and the call has been answered. While it waits for us, a
 * member's clock stands still. */
static struct cwait *
wait_new(struct consumer *c, struct group_call *call, struct cmember *m, struct list *where)
{
    struct cwait *w = (struct cwait *)arena_alloc(&call->mem, sizeof(*w));
    struct span id = m == NULL ? span_of(NULL, 0) : arena_copy(&call->mem, m->id);
    if (w == NULL || (m != NULL && id.ptr == NULL)) {
        group_answer(call, KAFKA_COORDINATOR_NOT_AVAILABLE);
        return NULL;
    }
    *w = (struct cwait){.c = c, .call = call, .member_id = id};
    list_append(where, &w->node);
    if (m != NULL) {
        m->waiting++;
        sched_timer_stop(c->g->table->sched, &m->session);
    }
    return w;
}

static void
tail_read(struct journal_waiter *jw, enum sl_err rc)
{
    struct cwait *w = SL_CONTAINER_OF(jw, struct cwait, tail);
    wait_over(w, rc == SL_OK ? KAFKA_NONE : (int16_t)KAFKA_COORDINATOR_NOT_AVAILABLE);
}

void
consumer__answer_fresh(struct consumer *c, struct group_call *call, struct cmember *m)
{
    struct journal *jn = shard_journal(c->g->table->o.shard);
    if (journal_is_fresh(jn)) {
        group_answer(call, KAFKA_NONE);
        return;
    }
    struct cwait *w = wait_new(c, call, m, &c->reading);
    if (w != NULL) {
        w->tail.ready = tail_read;
        journal_refresh(jn, &w->tail);
    }
}

void
consumer__answer_all(struct consumer *c, int16_t error)
{
    for (struct list *node; (node = list_pop(&c->waiting)) != NULL;) {
        group_answer(SL_CONTAINER_OF(node, struct cwait, node)->call, error);
    }
    for (struct list *node; (node = list_pop(&c->reading)) != NULL;) {
        struct cwait *w = SL_CONTAINER_OF(node, struct cwait, node);
        journal_waiter_cancel(&w->tail);
        group_answer(w->call, error);
    }
}

/* --- the op --- */

static void
stored(struct op_proposal *op, enum sl_err rc)
{
    struct consumer_op *co = (struct consumer_op *)op->arg;
    struct group *g = co->g;
    struct consumer *c = co->c;
    if (c != NULL) {
        c->op = NULL;
        if (rc == SL_OK) {
            c->base = group_op_version(bytes_span(&co->op.payload));
            c->verified_seq = co->seq;
            answer_verified(c);
            if (co->is_downgrade) {
                consumer__downgraded(g);
            } else {
                consumer__store(c);
            }
        } else {
            group__forget(g, error_of(rc));
        }
    }
    bytes_fini(&co->op.payload);
    sl_free(co);
    group__unpin(g);
}

void
consumer__store(struct consumer *c)
{
    if (c->op != NULL || c->seq == c->proposed_seq) {
        return;
    }
    struct sched *sched = c->g->table->sched;
    struct consumer_op *co = (struct consumer_op *)sl_alloc(sizeof(*co));
    co->g = c->g;
    co->c = c;
    co->seq = c->seq;
    co->op = (struct op_proposal){.kind = ITEM_GROUP,
                                  .deadline_ns = sched_now(sched) + STORE_TIMEOUT_S * SCHED_S,
                                  .is_pipelined = true,
                                  .check = op_check_group,
                                  .done = stored,
                                  .arg = co};
    bytes_init(&co->op.payload, GROUP_FACTS_BYTES_MAX + GROUP_ID_MAX + 1024);
    if (!c->is_taken_over) {
        c->is_taken_over = true;
        c->coordinator_epoch++;
    }
    c->op = co;
    c->proposed_seq = c->seq;
    group__pin(c->g);
    co->is_downgrade = consumer__is_downgrade_due(c);
    enum sl_err rc = co->is_downgrade ? consumer__encode_classic(c, &co->op.payload)
                                      : encode(c, &co->op.payload);
    if (rc == SL_OK) {
        op_submit(c->g->table->o.shard, &co->op);
    } else {
        stored(&co->op, rc);
    }
}

void
consumer__answer(struct consumer *c, struct group_call *call, struct cmember *m)
{
    uint64_t seq = m == NULL ? c->seq : m->seq;
    if (seq <= c->verified_seq || MISTAKE(consumer_tell_early)) {
        group_answer(call, KAFKA_NONE);
        return;
    }
    struct cwait *w = wait_new(c, call, m, &c->waiting);
    if (w != NULL) {
        w->seq = seq;
    }
}

bool
consumer__is_own_change(struct group *g, const struct group_state *gs)
{
    struct consumer *c = consumer_of(g);
    uint64_t version = gs == NULL ? 0 : gs->version;
    if (version == c->base) {
        return true;
    }
    bool is_own = c->op != NULL && gs != NULL && gs->facts != NULL &&
                  version == group_op_version(bytes_span(&c->op->op.payload)) &&
                  gs->facts->coordinator_epoch == c->coordinator_epoch;
    c->base = is_own ? version : c->base;
    return is_own;
}

/* --- from S --- */

static void
load_parts(struct cmember *m, const struct group_part_list *l, enum part_kind kind)
{
    for (uint32_t i = 0; i < l->count; i++) {
        for (uint32_t k = 0; k < l->topics[i].count; k++) {
            int32_t index = l->topics[i].indexes[k];
            if (index < 0 || index >= PARTITION_MAX) {
                continue;
            }
            struct ctopic *t = consumer__topic_make(m->group, &l->topics[i].topic_id, index + 1);
            struct cpart *p = &t->parts[index];
            if (kind == PART_TARGET) {
                p->target = m;
            } else if (p->owner == NULL) {
                p->owner = m;
                p->is_revoking = kind == PART_REVOKING;
            }
        }
    }
}

static void
load_member(struct consumer *c, const struct consumer_member *f)
{
    struct cmember *m = consumer__member_add(c, f->id, f->instance_id);
    bool ok = m != NULL;
    if (!ok) {
        return; /* the bounds are lower than they were */
    }
    (void)consumer__member_text(m, &m->client_id, f->client_id, &ok);
    (void)consumer__member_text(m, &m->client_host, f->client_host, &ok);
    (void)(f->rack.ptr != NULL && consumer__member_text(m, &m->rack, f->rack, &ok));
    (void)consumer__member_names(m, f->topics, f->topic_count, &ok);
    (void)consumer__member_protocols(m, f->protocols, f->protocol_count, &ok);
    if (f->regex.ptr != NULL) {
        (void)consumer__expr_get(c, f->regex, NULL, &m->expr);
    }
    m->has_assignor =
        f->server_assignor.ptr != NULL && assignor_parse(f->server_assignor, &m->assignor);
    m->rebalance_timeout_ms = f->rebalance_timeout_ms;
    m->epoch = f->epoch;
    m->previous_epoch = f->previous_epoch;
    m->state = f->state == CMEMBER_UNREVOKED || f->state == CMEMBER_UNRELEASED
                   ? (enum cmember_state)f->state
                   : CMEMBER_STABLE;
    m->is_classic = f->is_classic;
    m->session_timeout_ms = f->session_timeout_ms;
    c->classic_count += f->is_classic ? 1 : 0;
    load_parts(m, &f->assigned, PART_ASSIGNED);
    load_parts(m, &f->revoking, PART_REVOKING);
    load_parts(m, &f->target, PART_TARGET);
}

void
consumer__facts_load(struct consumer *c, const struct group_facts *f)
{
    c->coordinator_epoch = f->coordinator_epoch;
    c->group_epoch = f->group_epoch;
    c->assignment_epoch = f->assignment_epoch;
    c->metadata_hash = f->metadata_hash;
    if (f->server_assignor.ptr == NULL || !assignor_parse(f->server_assignor, &c->assignor)) {
        c->assignor = ASSIGNOR_UNIFORM;
    }
    for (uint32_t i = 0; i < f->member_count; i++) {
        load_member(c, &f->consumer[i]);
    }
}
