#include "admin/topic_alter.h"

#include "admin/topics_int.h"

#include <stdio.h>
#include <stdlib.h>

/* What one topic's edits come to, judged against its values in S. */
struct verdict {
    struct topic_config_change *changes;
    size_t count;
    char **texts; /* what was put together for APPEND and SUBTRACT; one per change, or NULL */
};

static void
verdict_init(struct verdict *v, size_t edits)
{
    *v = (struct verdict){0};
    v->changes = (struct topic_config_change *)sl_alloc((edits + 1) * sizeof(v->changes[0]));
    v->texts = (char **)sl_alloc((edits + 1) * sizeof(v->texts[0]));
}

static void
verdict_fini(struct verdict *v)
{
    for (size_t i = 0; i < v->count; i++) {
        sl_free(v->texts[i]);
    }
    sl_free(v->texts);
    sl_free(v->changes);
}

static const char *
own_value(const struct topic_state *t, struct span name)
{
    for (size_t i = 0; i < t->config_count; i++) {
        if (span_eq(span_cstr(t->configs[i].name), name)) {
            return t->configs[i].value;
        }
    }
    return NULL;
}

/* --- lists --- */

static struct span
next_word(struct span *rest)
{
    const uint8_t *comma =
        rest->len == 0 ? NULL : (const uint8_t *)memchr(rest->ptr, ',', rest->len);
    struct span word = comma == NULL ? *rest : span_of(rest->ptr, (size_t)(comma - rest->ptr));
    *rest = comma == NULL ? span_of(rest->ptr, 0) : span_of(comma + 1, rest->len - word.len - 1);
    return topic_config_trim(word);
}

static bool
has_word(struct span list, struct span word)
{
    while (list.len > 0) {
        if (span_eq(next_word(&list), word)) {
            return true;
        }
    }
    return false;
}

static void
put_word(struct bytes *out, struct span word)
{
    if (word.len == 0 || has_word(bytes_span(out), word)) {
        return;
    }
    if (out->len > 0) {
        bytes_u8(out, ',');
    }
    bytes_append(out, word.ptr, word.len);
}

/* Gives the words of now that are not in `without`, then those of `more`, each once. The caller
 * frees it. */
static char *
combine(struct span now, struct span without, struct span more)
{
    struct bytes out;
    bytes_init(&out, 4 * TOPIC_CONFIG_VALUE_MAX);
    while (now.len > 0) {
        struct span word = next_word(&now);
        if (!has_word(without, word)) {
            put_word(&out, word);
        }
    }
    while (more.len > 0) {
        put_word(&out, next_word(&more));
    }
    char *text = (char *)sl_alloc(out.len + 1);
    span_to_cstr(bytes_span(&out), text, out.len + 1);
    bytes_fini(&out);
    return text;
}

/* --- judge --- */

/* What is appended to, or taken from. */
static struct span
list_before(const struct topic_state *t, const struct topic_alter_item *it,
            const struct topic_config_row *row)
{
    const char *own = row == NULL ? NULL : own_value(t, span_cstr(row->name));
    if (own != NULL || row == NULL) {
        return span_cstr(own);
    }
    return span_cstr(strcmp(row->name, "cleanup.policy") == 0 ? it->cleanup_default : row->dflt);
}

static enum sl_err
judge_list(const struct topic_state *t, struct topic_alter_item *it, const struct topic_edit *e,
           struct verdict *v)
{
    const struct topic_config_row *row = topic_config_find(e->name);
    bool is_append = e->kind == TOPIC_EDIT_APPEND;
    const struct span none = {NULL, 0};
    if (row != NULL && row->type != TOPIC_CONFIG_LIST) {
        (void)snprintf(it->why, sizeof(it->why), "Can't %s to key %s because its type is not LIST.",
                       is_append ? "APPEND" : "SUBTRACT", row->name);
        return SL_EINVALID_CONFIG;
    }
    struct span now = list_before(t, it, row);
    v->texts[v->count] = combine(now, is_append ? none : e->value, is_append ? e->value : none);
    v->changes[v->count].value = span_cstr(v->texts[v->count]);
    return topic_config_check(e->name, v->changes[v->count].value, it->why, sizeof(it->why));
}

static enum sl_err
judge_edit(const struct topic_state *t, struct topic_alter_item *it, const struct topic_edit *e,
           struct verdict *v)
{
    v->changes[v->count] = (struct topic_config_change){.name = e->name};
    switch (e->kind) {
    case TOPIC_EDIT_DELETE:
        return SL_OK; /* also of a name that nobody knows, as in Kafka */
    case TOPIC_EDIT_SET:
        v->changes[v->count].value = topic_config_trim(e->value);
        return topic_config_check(e->name, e->value, it->why, sizeof(it->why));
    default:
        return judge_list(t, it, e, v);
    }
}

/* The value that a property has afterwards. */
static struct span
value_after(const struct topic_state *t, const struct topic_alter_item *it, const struct verdict *v,
            const char *name)
{
    struct span key = span_cstr(name);
    struct span dflt = span_cstr(topic_config_find(key)->dflt);
    for (size_t i = 0; i < v->count; i++) {
        if (span_eq(v->changes[i].name, key)) {
            return v->changes[i].value.ptr == NULL ? dflt : v->changes[i].value;
        }
    }
    const char *own = it->is_replaced ? NULL : own_value(t, key);
    return own != NULL ? span_cstr(own) : dflt;
}

static int64_t
number_of(struct span s)
{
    char text[32];
    span_to_cstr(s, text, sizeof(text));
    return (int64_t)strtoll(text, NULL, 10);
}

/* What makes no sense together. */
static enum sl_err
judge_whole(const struct topic_state *t, struct topic_alter_item *it, const struct verdict *v)
{
    int64_t min = number_of(value_after(t, it, v, "min.compaction.lag.ms"));
    int64_t max = number_of(value_after(t, it, v, "max.compaction.lag.ms"));
    if (min > max) {
        (void)snprintf(it->why, sizeof(it->why),
                       "conflict topic config setting min.compaction.lag.ms (%lld) > "
                       "max.compaction.lag.ms (%lld)",
                       (long long)min, (long long)max);
        return SL_EINVALID_CONFIG;
    }
    return SL_OK;
}

static enum sl_err
judge(const struct topic_state *t, struct topic_alter_item *it, struct verdict *v)
{
    enum sl_err rc = SL_OK;
    for (size_t i = 0; rc == SL_OK && i < it->edit_count; i++) {
        rc = judge_edit(t, it, &it->edits[i], v);
        v->count++;
    }
    return rc == SL_OK ? judge_whole(t, it, v) : rc;
}

/* Judges one item and appends it to the op when it is sound. */
static bool
add_item(struct bytes *payload, const struct state *st, struct topic_alter_item *it)
{
    struct topic_state *t = state_find_topic(st, it->topic);
    struct verdict v;
    it->rc = t == NULL ? SL_EUNKNOWN_PARTITION : SL_OK;
    if (t == NULL) {
        return false;
    }
    verdict_init(&v, it->edit_count);
    it->rc = judge(t, it, &v);
    if (it->rc == SL_OK) {
        const struct topic_config_op op = {
            .id = t->id, .is_replaced = it->is_replaced, .changes = v.changes, .count = v.count};
        struct bytes one;
        bytes_init(&one, TOPIC_ALTER_BYTES_MAX);
        it->rc = op_encode_topic_config(&one, &op, 1);
        it->rc = it->rc == SL_OK && one.is_overflown ? SL_ETOO_LARGE : it->rc;
        if (it->rc == SL_OK) {
            bytes_append(payload, one.data + sizeof(uint32_t), one.len - sizeof(uint32_t));
        }
        bytes_fini(&one);
    }
    verdict_fini(&v);
    return it->rc == SL_OK;
}

/* Runs each time the op is staged. */
static enum sl_err
check(struct op_proposal *op, const struct state *st)
{
    struct topic_alter *x = (struct topic_alter *)op->arg;
    uint32_t count = 0;
    bytes_clear(&op->payload);
    bytes_u32(&op->payload, 0);
    for (size_t i = 0; i < x->count; i++) {
        if (!x->items[i].is_skipped && add_item(&op->payload, st, &x->items[i])) {
            count++;
        }
    }
    put_u32(op->payload.data, count);
    return count == 0 ? SL_EINVALID_CONFIG : SL_OK;
}

/* --- the request --- */

static void
answer_home(struct sched_task *task)
{
    struct topic_alter *x = SL_CONTAINER_OF(task, struct topic_alter, task);
    x->done(x);
}

static void
done(struct op_proposal *op, enum sl_err rc)
{
    struct topic_alter *x = (struct topic_alter *)op->arg;
    bytes_fini(&op->payload);
    for (size_t i = 0; rc != SL_OK && i < x->count; i++) {
        if (!x->items[i].is_skipped && x->items[i].rc == SL_OK) {
            x->items[i].rc = rc;
        }
    }
    x->task.run = answer_home;
    sched_post(x->home, &x->task);
}

static void
run(struct sched_task *task)
{
    struct topic_alter *x = SL_CONTAINER_OF(task, struct topic_alter, task);
    struct shard *shard0 = x->admin->shards[0];
    size_t most = sizeof(uint32_t);
    x->op = (struct op_proposal){.kind = ITEM_TOPIC_CONFIG,
                                 .deadline_ns = x->deadline_ns,
                                 .check = check,
                                 .done = done,
                                 .arg = x};
    bytes_init(&x->op.payload, (size_t)1 << 30);
    if (x->is_validate_only) {
        (void)check(&x->op, shard_state(shard0));
        done(&x->op, SL_OK);
        return;
    }
    for (size_t i = 0; i < x->count; i++) {
        most += x->items[i].is_skipped ? 0 : topic_alter_item_bytes(&x->items[i]);
    }
    (void)bytes_grow(&x->op.payload, most); /* room whatever S says when it is staged */
    op_submit(shard0, &x->op);
}

size_t
topic_alter_item_bytes(const struct topic_alter_item *it)
{
    size_t total = 64;
    for (size_t i = 0; i < it->edit_count; i++) {
        const struct topic_edit *e = &it->edits[i];
        bool is_list = e->kind == TOPIC_EDIT_APPEND || e->kind == TOPIC_EDIT_SUBTRACT;
        total += 16 + e->name.len + (is_list ? (size_t)TOPIC_CONFIG_VALUE_MAX : e->value.len);
    }
    return total;
}

void
topic_alter_submit(struct topic_admin *a, struct topic_alter *x)
{
    x->admin = a;
    x->task.run = run;
    sched_post(admin__home(a), &x->task);
}
