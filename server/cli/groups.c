/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding groups. Which protocol a group uses is found out as Kafka's own tools do it: ask
 * ConsumerGroupDescribe (KIP-848) where the broker has it; of any other group it says
 * GROUP_ID_NOT_FOUND, and then DescribeGroups is asked. */
#include "cli/groups_int.h"
#include "wire/errors.h"
#include "wire/messages/consumer_group_describe.h"
#include "wire/messages/describe_groups.h"
#include "wire/messages/offset_fetch.h"
#include "wire/reader.h"

#include <stdlib.h>

enum { STATES_MAX = 16, STATES_SINCE = 4, TYPES_SINCE = 5, GROUPS_SINCE = 8 };

/* ---- all groups ---- */

struct listing {
    struct cli__admin *a;
    struct list_groups_request in;
    struct cli__groups *groups;
    size_t room;
};

static void
groups_add(struct listing *l, const struct list_groups_response *out)
{
    struct cli__groups *gs = l->groups;
    size_t need = gs->count + out->groups.count;
    if (need > l->room) {
        struct list_groups_response_group *more =
            (struct list_groups_response_group *)cli__admin_alloc(l->a, 2 * need, sizeof(*more));
        if (gs->count > 0) {
            memcpy(more, gs->items, gs->count * sizeof(*more));
        }
        gs->items = more;
        l->room = 2 * need;
    }
    if (out->groups.count > 0) {
        memcpy(gs->items + gs->count, out->groups.items, out->groups.count * sizeof(*gs->items));
    }
    gs->count = need;
}

static bool
groups_ask(struct listing *l, int32_t broker)
{
    struct sl_error err = SL_ERROR_INIT;
    struct list_groups_response out;
    const struct cli__ask q = {.key = API_LIST_GROUPS, .in = &l->in, .out = &out};
    struct client *c = NULL;
    if (cluster_broker(&l->a->cluster, broker, &c, &err) != SL_OK) {
        cli__fail(l->a, "%s", err.msg);
        return false;
    }
    if (l->in.states_filter.count > 0 && client_version(c, API_LIST_GROUPS) < STATES_SINCE) {
        cli__fail(l->a, "the broker at %s cannot list by state; leave --state out",
                  client_address(c));
        return false;
    }
    l->groups->has_types = client_version(c, API_LIST_GROUPS) >= TYPES_SINCE;
    do {
        if (!cli__ask(l->a, c, &q)) {
            return false;
        }
    } while (cli__again(l->a, out.error_code));
    if (out.error_code != 0) {
        cli__refused(l->a, client_address(c), out.error_code, span_of(NULL, 0));
        return false;
    }
    groups_add(l, &out);
    return true;
}

static void
states_split(const char *states, struct span ret[STATES_MAX], size_t *ret_count)
{
    for (*ret_count = 0; states != NULL && *ret_count < STATES_MAX;) {
        size_t n = strcspn(states, ",");
        ret[(*ret_count)++] = span_of(states, n);
        states = states[n] == ',' ? states + n + 1 : NULL;
    }
}

static int
compare_groups(const void *one, const void *other)
{
    struct span a = ((const struct list_groups_response_group *)one)->group_id;
    struct span b = ((const struct list_groups_response_group *)other)->group_id;
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

bool
cli__groups_list(struct cli__admin *a, const char *states, struct cli__groups *ret)
{
    struct span filter[STATES_MAX];
    struct listing l = {.a = a, .groups = ret};
    *ret = (struct cli__groups){0};
    l.in.states_filter.items = filter;
    states_split(states, filter, &l.in.states_filter.count);
    for (size_t i = 0; i < a->cluster.broker_count; i++) {
        if (!groups_ask(&l, a->cluster.brokers[i].id)) {
            return false;
        }
    }
    if (ret->count > 0) {
        qsort(ret->items, ret->count, sizeof(*ret->items), compare_groups);
    }
    size_t kept = 0; /* two brokers that both think they coordinate a group both name it */
    for (size_t i = 0; i < ret->count; i++) {
        if (kept == 0 || compare_groups(&ret->items[kept - 1], &ret->items[i]) != 0) {
            ret->items[kept++] = ret->items[i];
        }
    }
    ret->count = kept;
    return true;
}

/* ---- one group ---- */

static int
compare_numbers(const void *one, const void *other)
{
    int32_t a = *(const int32_t *)one;
    int32_t b = *(const int32_t *)other;
    return (a > b) - (a < b);
}

static void
partitions_sort(int32_t *numbers, size_t count)
{
    if (count > 0) {
        qsort(numbers, count, sizeof(*numbers), compare_numbers);
    }
}

/* The consumer protocol's assignment: version i16, [topic, [partition i32]], user data. What is
 * malformed was not written by a consumer, and reads as nothing. */
static void
classic_assignment(struct cli__admin *a, struct span bytes, struct cli__member *m)
{
    struct wire_in in;
    wire_in_init(&in, bytes, false, &a->cluster.arena);
    (void)wire_i16(&in);
    size_t count = wire_array(&in, 6);
    m->assigned = (struct cli__assigned *)cli__admin_alloc(a, count, sizeof(*m->assigned));
    for (size_t i = 0; i < count && wire_ok(&in); i++) {
        struct cli__assigned *to = &m->assigned[i];
        to->topic = wire_string(&in);
        to->count = wire_array(&in, 4);
        to->partitions = (int32_t *)cli__admin_alloc(a, to->count, sizeof(int32_t));
        for (size_t k = 0; k < to->count; k++) {
            to->partitions[k] = wire_i32(&in);
        }
        partitions_sort(to->partitions, to->count);
    }
    m->assigned_count = wire_ok(&in) ? count : 0;
}

static void
classic_take(struct cli__admin *a, const struct describe_groups_response_group *from,
             struct cli__group *ret)
{
    bool is_of_consumers = span_eq(from->protocol_type, span_cstr("consumer"));
    ret->state = from->group_state;
    ret->assignor = from->protocol_data;
    ret->protocol_type = from->protocol_type;
    ret->epoch = -1;
    ret->member_count = from->members.count;
    ret->members =
        (struct cli__member *)cli__admin_alloc(a, from->members.count, sizeof(*ret->members));
    for (size_t i = 0; i < from->members.count; i++) {
        const struct describe_groups_response_member *m = &from->members.items[i];
        ret->members[i] = (struct cli__member){.id = m->member_id,
                                               .instance = m->group_instance_id,
                                               .client_id = m->client_id,
                                               .host = m->client_host,
                                               .epoch = -1};
        if (is_of_consumers && m->member_assignment.len > 0) {
            classic_assignment(a, m->member_assignment, &ret->members[i]);
        }
    }
}

static int16_t
classic_error(const void *out)
{
    const struct describe_groups_response *r = (const struct describe_groups_response *)out;
    return r->groups.count == 1 ? r->groups.items[0].error_code
                                : (int16_t)KAFKA_UNKNOWN_SERVER_ERROR;
}

static bool
classic_look(struct cli__admin *a, struct cli__group *ret, bool *ret_is_there)
{
    struct span name = span_cstr(ret->name);
    struct describe_groups_request in = {.groups = {.items = &name, .count = 1}};
    struct describe_groups_response out;
    const struct cli__ask q = {.key = API_DESCRIBE_GROUPS, .in = &in, .out = &out};
    if (!cli__ask_coordinator(a, ret->name, &q, classic_error)) {
        return false;
    }
    int16_t code = classic_error(&out);
    *ret_is_there = code == 0 && !span_eq(out.groups.items[0].group_state, span_cstr("Dead"));
    if (*ret_is_there) {
        classic_take(a, &out.groups.items[0], ret);
    }
    if (code == 0 || code == KAFKA_GROUP_ID_NOT_FOUND) {
        return true;
    }
    cli__refused(a, ret->name, code,
                 out.groups.count == 1 ? out.groups.items[0].error_message : span_of(NULL, 0));
    return false;
}

static size_t
partition_count(const struct consumer_group_describe_assignment *as)
{
    size_t n = 0;
    for (size_t i = 0; i < as->topic_partitions.count; i++) {
        n += as->topic_partitions.items[i].partitions.count;
    }
    return n;
}

static bool
has_partition(const struct consumer_group_describe_assignment *as, struct span topic,
              int32_t partition)
{
    for (size_t i = 0; i < as->topic_partitions.count; i++) {
        const struct consumer_group_describe_topic_partitions *t = &as->topic_partitions.items[i];
        for (size_t k = 0; span_eq(t->topic_name, topic) && k < t->partitions.count; k++) {
            if (t->partitions.items[k] == partition) {
                return true;
            }
        }
    }
    return false;
}

/* Both are a member's: small. */
static bool
is_same_assignment(const struct consumer_group_describe_assignment *a,
                   const struct consumer_group_describe_assignment *b)
{
    if (partition_count(a) != partition_count(b)) {
        return false;
    }
    for (size_t i = 0; i < a->topic_partitions.count; i++) {
        const struct consumer_group_describe_topic_partitions *t = &a->topic_partitions.items[i];
        for (size_t k = 0; k < t->partitions.count; k++) {
            if (!has_partition(b, t->topic_name, t->partitions.items[k])) {
                return false;
            }
        }
    }
    return true;
}

static void
consumer_member(struct cli__admin *a, const struct consumer_group_describe_member *from,
                struct cli__member *to)
{
    size_t count = from->assignment.topic_partitions.count;
    *to = (struct cli__member){.id = from->member_id,
                               .instance = from->instance_id,
                               .client_id = from->client_id,
                               .host = from->client_host,
                               .epoch = from->member_epoch,
                               .assigned_count = count};
    to->is_moving = !is_same_assignment(&from->assignment, &from->target_assignment);
    to->assigned = (struct cli__assigned *)cli__admin_alloc(a, count, sizeof(*to->assigned));
    for (size_t i = 0; i < count; i++) {
        const struct consumer_group_describe_topic_partitions *t =
            &from->assignment.topic_partitions.items[i];
        to->assigned[i] = (struct cli__assigned){.topic = t->topic_name,
                                                 .partitions = t->partitions.items,
                                                 .count = t->partitions.count};
        partitions_sort(to->assigned[i].partitions, to->assigned[i].count);
    }
}

static void
consumer_take(struct cli__admin *a, const struct consumer_group_describe_group *from,
              struct cli__group *ret)
{
    ret->is_consumer = true;
    ret->state = from->group_state;
    ret->assignor = from->assignor_name;
    ret->protocol_type = span_cstr("consumer");
    ret->epoch = from->group_epoch;
    ret->member_count = from->members.count;
    ret->members =
        (struct cli__member *)cli__admin_alloc(a, from->members.count, sizeof(*ret->members));
    for (size_t i = 0; i < from->members.count; i++) {
        consumer_member(a, &from->members.items[i], &ret->members[i]);
    }
}

static int16_t
consumer_error(const void *out)
{
    const struct consumer_group_describe_response *r =
        (const struct consumer_group_describe_response *)out;
    return r->groups.count == 1 ? r->groups.items[0].error_code
                                : (int16_t)KAFKA_UNKNOWN_SERVER_ERROR;
}

/* *ret_is_there false: it is none of the consumer protocol, and perhaps none at all. */
static bool
consumer_look(struct cli__admin *a, struct cli__group *ret, bool *ret_is_there)
{
    struct span name = span_cstr(ret->name);
    struct consumer_group_describe_request in = {.group_ids = {.items = &name, .count = 1}};
    struct consumer_group_describe_response out;
    const struct cli__ask q = {.key = API_CONSUMER_GROUP_DESCRIBE, .in = &in, .out = &out};
    if (!cli__ask_coordinator(a, ret->name, &q, consumer_error)) {
        return false;
    }
    int16_t code = consumer_error(&out);
    *ret_is_there = code == 0;
    if (code == 0) {
        consumer_take(a, &out.groups.items[0], ret);
    }
    if (code == 0 || code == KAFKA_GROUP_ID_NOT_FOUND || code == KAFKA_UNSUPPORTED_VERSION) {
        return true;
    }
    cli__refused(a, ret->name, code,
                 out.groups.count == 1 ? out.groups.items[0].error_message : span_of(NULL, 0));
    return false;
}

bool
cli__group_look(struct cli__admin *a, const char *name, struct cli__group *ret, bool *ret_is_there)
{
    struct sl_error err = SL_ERROR_INIT;
    struct client *c = NULL;
    int16_t ignored;
    *ret = (struct cli__group){.name = name, .coordinator = -1};
    *ret_is_there = false;
    if (!cli__coordinator(a, name, &c)) {
        return false;
    }
    if (client_version(c, API_CONSUMER_GROUP_DESCRIBE) >= 0 &&
        !consumer_look(a, ret, ret_is_there)) {
        return false;
    }
    if (!*ret_is_there && !classic_look(a, ret, ret_is_there)) {
        return false;
    }
    if (cluster_coordinator(&a->cluster, name, &ret->coordinator, &ignored, &err) != SL_OK) {
        cli__fail(a, "%s", err.msg);
        return false;
    }
    return true;
}

bool
cli__group_find(struct cli__admin *a, const char *name, struct cli__group *ret)
{
    bool is_there = false;
    if (!cli__group_look(a, name, ret, &is_there)) {
        return false;
    }
    if (!is_there) {
        cli__no_group(a, name);
    }
    return is_there;
}

/* ---- committed offsets ---- */

static int16_t
offsets_error_old(const void *out)
{
    return ((const struct offset_fetch_response *)out)->error_code;
}

static int16_t
offsets_error(const void *out)
{
    const struct offset_fetch_response *r = (const struct offset_fetch_response *)out;
    return r->groups.count == 1 ? r->groups.items[0].error_code
                                : (int16_t)KAFKA_UNKNOWN_SERVER_ERROR;
}

static void
committed_add(struct cli__parts *ps, struct span topic, int32_t partition, int64_t offset)
{
    if (offset >= 0) {
        cli__parts_add(ps, topic, partition)->at[CLI__COMMITTED] = offset;
    }
}

static void
committed_take_old(struct cli__admin *a, const struct offset_fetch_response *out,
                   struct cli__parts *ret)
{
    size_t room = 0;
    for (size_t i = 0; i < out->topics.count; i++) {
        room += out->topics.items[i].partitions.count;
    }
    cli__parts_init(a, room, ret);
    for (size_t i = 0; i < out->topics.count; i++) {
        const struct offset_fetch_response_topic *t = &out->topics.items[i];
        for (size_t k = 0; k < t->partitions.count; k++) {
            committed_add(ret, t->name, t->partitions.items[k].partition_index,
                          t->partitions.items[k].committed_offset);
        }
    }
}

static void
committed_take(struct cli__admin *a, const struct offset_fetch_response_group *g,
               struct cli__parts *ret)
{
    size_t room = 0;
    for (size_t i = 0; i < g->topics.count; i++) {
        room += g->topics.items[i].partitions.count;
    }
    cli__parts_init(a, room, ret);
    for (size_t i = 0; i < g->topics.count; i++) {
        const struct offset_fetch_response_group_topic *t = &g->topics.items[i];
        for (size_t k = 0; k < t->partitions.count; k++) {
            committed_add(ret, t->name, t->partitions.items[k].partition_index,
                          t->partitions.items[k].committed_offset);
        }
    }
}

bool
cli__committed(struct cli__admin *a, const char *group, struct cli__parts *ret)
{
    struct client *c = NULL;
    struct offset_fetch_request_group one;
    offset_fetch_request_group_init(&one); /* every topic */
    one.group_id = span_cstr(group);
    struct offset_fetch_request in = {.group_id = one.group_id,
                                      .groups = {.items = &one, .count = 1}};
    struct offset_fetch_response out;
    const struct cli__ask q = {.key = API_OFFSET_FETCH, .in = &in, .out = &out};
    if (!cli__coordinator(a, group, &c)) {
        return false;
    }
    bool is_old = client_version(c, API_OFFSET_FETCH) < GROUPS_SINCE;
    if (!cli__ask_coordinator(a, group, &q, is_old ? offsets_error_old : offsets_error)) {
        return false;
    }
    int16_t code = is_old ? out.error_code : offsets_error(&out);
    if (code != 0 && code != KAFKA_GROUP_ID_NOT_FOUND) {
        cli__refused(a, group, code, span_of(NULL, 0));
        return false;
    }
    if (is_old) {
        committed_take_old(a, &out, ret);
    } else if (code == 0) {
        committed_take(a, &out.groups.items[0], ret);
    } else {
        cli__parts_init(a, 0, ret);
    }
    cli__parts_sort(ret);
    return true;
}
