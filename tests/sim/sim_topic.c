/* SPDX-License-Identifier: Apache-2.0
 *
 * Topics in journal 0: made, deleted, recorded as gone, made again under the same name, by any
 * broker, several at once. The truth is told from the objects, decoded by hand: a name is given
 * once at a time, and no directory ("name~k") is ever given twice. */
#include "sim.h"

struct top {
    struct op_proposal p;
    struct sim_broker *b;
    int name;
    uint32_t incarnation, partitions;
    struct uuid id;
};

static struct top *
of(struct op_proposal *p)
{
    return SL_CONTAINER_OF(p, struct top, p);
}

static void
name_of(int i, char out[32])
{
    (void)snprintf(out, 32, "topic-%d", i);
}

static void
top_free(struct top *op)
{
    bytes_fini(&op->p.payload);
    sl_free(op);
}

static void
submit(void *arg)
{
    struct top *op = arg;
    op->p.deadline_ns = sim_sched_now(op->b->sched) + rng_span(&sim.r_client, SCHED_S, 2 * SIM_MIN);
    op_submit(op->b->shards[0], &op->p);
}

static void
send(enum item_kind kind, struct top like, sim_fn fn)
{
    struct top *op = sl_alloc(sizeof(*op));
    *op = like;
    op->p.kind = kind;
    bytes_init(&op->p.payload, 1 << 20);
    op->b = broker_pick();
    if (op->b == NULL || !broker_send(op->b, fn, op)) {
        top_free(op);
    }
}

/* --- create --- */

static enum sl_err
check_create(struct op_proposal *p, const struct state *st)
{
    char name[32];
    static uint32_t journals[20000]; /* all in journal 0 */
    struct top *op = of(p);
    name_of(op->name, name);
    op->incarnation = state_next_incarnation(st, span_cstr(name));
    const struct topic_spec t = {.id = op->id,
                                 .name = span_cstr(name),
                                 .incarnation = op->incarnation,
                                 .partition_count = (int32_t)op->partitions,
                                 .journals = journals};
    bytes_clear(&p->payload);
    op_encode_topics_create(&p->payload, &t, 1);
    return state_check_topic(st, span_cstr(name));
}

static void
on_create(struct op_proposal *p, enum sl_err rc)
{
    struct top *op = of(p);
    TRACE("b%d       topic-%d (%u): %s", op->b->id, op->name, op->incarnation, sl_err_name(rc));
    if (rc == SL_OK) {
        sim_stat(ST_topic_op);
        if (op->incarnation > 0) {
            sim_stat(ST_topic_again);
        }
    }
    top_free(op);
}

static void
start_create(void *arg)
{
    struct top *op = arg;
    bytes_grow(&op->p.payload, 64 + 4 * (size_t)op->partitions); /* what the check will write */
    op->p.payload.len = 64 + 4 * (size_t)op->partitions;
    submit(op);
}

void
topics_strike_create(void)
{
    bool is_large = rng_chance(&sim.r_fault, 10);
    struct top op = {.name = (int)rng_below(&sim.r_fault, SIM_TOPICS_MAX),
                     .partitions = is_large ? 20000 : 2,
                     .p = {.check = check_create, .done = on_create}};
    put_u64(op.id.b, rng_next(&sim.r_fault) | 1);
    put_u64(op.id.b + 8, rng_next(&sim.r_fault));
    if (sim.k.every[F_topicdel] > 0) {
        op.name %= 6; /* few names, often */
    }
    send(ITEM_TOPICS_CREATE, op, start_create);
}

/* --- delete, and record that it is done --- */

static enum sl_err
check_delete(struct op_proposal *p, const struct state *st)
{
    const struct topic_state *t = state_find_topic_id(st, &of(p)->id);
    return t != NULL && !t->is_deleting ? SL_OK : SL_EUNKNOWN_TOPIC_ID;
}

static void
on_delete(struct op_proposal *p, enum sl_err rc)
{
    struct top *op = of(p);
    TRACE("b%d       delete topic-%d: %s", op->b->id, op->name, sl_err_name(rc));
    if (rc == SL_OK) {
        sim_stat(ST_topic_deleted);
    }
    top_free(op);
}

static void
on_done(struct op_proposal *p, enum sl_err rc)
{
    struct top *op = of(p);
    TRACE("b%d       a deleted topic is recorded as gone: %s", op->b->id, sl_err_name(rc));
    top_free(op);
}

static void
start_delete(void *arg)
{
    struct top *op = arg;
    op_encode_topic_delete(&op->p.payload, &op->id, 1);
    submit(op);
}

/* Whoever has journal 0 open finds what is not done. */
static void
start_done(void *arg)
{
    struct top *op = arg;
    size_t pos = 0;
    const struct topic_state *t = shard_ready(op->b->shards[0]) == SL_OK
                                      ? state_next_deleting(shard_state(op->b->shards[0]), &pos)
                                      : NULL;
    if (t == NULL) {
        top_free(op);
        return;
    }
    op_encode_topic_deleted(&op->p.payload, &t->id, 1);
    submit(op);
}

void
topics_strike_delete(void)
{
    struct top op = {.name = (int)rng_below(&sim.r_group, SIM_TOPICS_MAX)};
    if (rng_chance(&sim.r_group, 300)) {
        op.p.done = on_done;
        send(ITEM_TOPIC_DELETED, op, start_done);
        return;
    }
    for (int i = 0; i < SIM_TOPICS_MAX; i++) {
        const struct sim_topic *t = &sim.topics[(op.name + i) % SIM_TOPICS_MAX];
        if (t->is_made) {
            op.name = (op.name + i) % SIM_TOPICS_MAX;
            op.id = t->id;
            op.p.check = check_delete;
            op.p.done = on_delete;
            send(ITEM_TOPIC_DELETE, op, start_delete);
            return;
        }
    }
}

/* --- the truth --- */

static void
truth_create(struct span op)
{
    char name[32];
    struct span text = span_of(op.ptr + 22, get_u16(op.ptr + 20));
    span_to_cstr(text, name, sizeof(name));
    if (strncmp(name, "topic-", 6) != 0) {
        return; /* sim_repair.c's */
    }
    uint32_t incarnation = get_u32(op.ptr + 22 + text.len);
    long i = strtol(name + strlen("topic-"), NULL, 10);
    struct sim_topic *t = &sim.topics[i];
    if (t->is_made) {
        sim_violation("a name is given once", "%s", name);
    }
    if (incarnation < 64) {
        if ((t->dirs_used >> incarnation & 1) != 0) {
            sim_violation("one directory for one incarnation", "%s~%u", name, incarnation);
        }
        t->dirs_used |= (uint64_t)1 << incarnation;
    }
    t->is_made = true;
    memcpy(t->id.b, op.ptr + 4, sizeof(t->id.b));
}

static void
truth_delete(struct span op)
{
    for (int i = 0; i < SIM_TOPICS_MAX; i++) {
        if (sim.topics[i].is_made && memcmp(sim.topics[i].id.b, op.ptr + 4, 16) == 0) {
            sim.topics[i].is_made = false;
        }
    }
}

void
topics_truth_item(uint16_t kind, struct span payload)
{
    if (kind == ITEM_TOPICS_CREATE) {
        truth_create(payload);
    } else if (kind == ITEM_TOPIC_DELETE) {
        truth_delete(payload);
    }
}

void
topics_truth_reset(void)
{
    memset(sim.topics, 0, sizeof(sim.topics));
}

void
topics_compare(const struct sim_broker *b)
{
    char name[32];
    for (int i = 0; i < SIM_TOPICS_MAX; i++) {
        name_of(i, name);
        const struct topic_state *t = state_find_topic(shard_state(b->shards[0]), span_cstr(name));
        if ((t != NULL) != sim.topics[i].is_made ||
            (t != NULL && !uuid_eq(&t->id, &sim.topics[i].id))) {
            sim_violation("a broker at the end has the topics of the log", "broker %d, %s", b->id,
                          name);
        }
    }
}
