/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/parts_int.h"
#include "wire/errors.h"
#include "wire/messages/describe_log_dirs.h"
#include "wire/messages/list_offsets.h"

#include <stdio.h>
#include <stdlib.h>

enum { NO_LEADER = -1, NAME_MAX_BYTES = 320 };

void
cli__parts_init(struct cli__admin *a, size_t max, struct cli__parts *ret)
{
    *ret = (struct cli__parts){
        .items = (struct cli__part *)cli__admin_alloc(a, max, sizeof(struct cli__part))};
}

struct cli__part *
cli__parts_add(struct cli__parts *ps, struct span topic, int32_t partition)
{
    struct cli__part *p = &ps->items[ps->count++];
    *p = (struct cli__part){
        .topic = topic, .partition = partition, .leader = NO_LEADER, .size_bytes = -1};
    for (size_t i = 0; i < CLI__OFFSETS; i++) {
        p->at[i] = -1;
    }
    return p;
}

static int
compare(const void *one, const void *other)
{
    const struct cli__part *a = (const struct cli__part *)one;
    const struct cli__part *b = (const struct cli__part *)other;
    size_t n = a->topic.len < b->topic.len ? a->topic.len : b->topic.len;
    int c = n == 0 ? 0 : memcmp(a->topic.ptr, b->topic.ptr, n);
    if (c != 0) {
        return c;
    }
    if (a->topic.len != b->topic.len) {
        return a->topic.len < b->topic.len ? -1 : 1;
    }
    return a->partition < b->partition ? -1 : a->partition > b->partition;
}

void
cli__parts_sort(struct cli__parts *ps)
{
    if (ps->count > 0) {
        qsort(ps->items, ps->count, sizeof(*ps->items), compare);
    }
}

struct cli__part *
cli__parts_find(const struct cli__parts *ps, struct span topic, int32_t partition)
{
    const struct cli__part key = {.topic = topic, .partition = partition};
    return (struct cli__part *)bsearch(&key, ps->items, ps->count, sizeof(*ps->items), compare);
}

void
cli__parts_of(struct cli__admin *a, const struct metadata_response_topic *t, struct cli__parts *ret)
{
    cli__parts_init(a, t->partitions.count, ret);
    for (size_t i = 0; i < t->partitions.count; i++) {
        const struct metadata_response_partition *m = &t->partitions.items[i];
        cli__parts_add(ret, t->name, m->partition_index)->leader = m->leader_id;
    }
    cli__parts_sort(ret);
}

const char *
cli__part_name(struct cli__admin *a, const struct cli__part *p)
{
    char *name = (char *)cli__admin_alloc(a, NAME_MAX_BYTES, 1);
    (void)snprintf(name, NAME_MAX_BYTES, "%.*s, partition %d", (int)p->topic.len,
                   (const char *)p->topic.ptr, p->partition);
    return name;
}

/* ---- leaders ---- */

static void
leaders_take(struct cli__parts *ps, const struct metadata_response_topic *t)
{
    for (size_t i = 0; i < t->partitions.count; i++) {
        const struct metadata_response_partition *m = &t->partitions.items[i];
        struct cli__part *p = cli__parts_find(ps, t->name, m->partition_index);
        if (p != NULL) {
            p->leader = m->leader_id;
            p->error = 0;
        }
    }
}

bool
cli__parts_leaders(struct cli__admin *a, struct cli__parts *ps)
{
    struct sl_error err = SL_ERROR_INIT;
    struct metadata_response md;
    char topic[NAME_MAX_BYTES] = "";
    bool is_one = ps->count > 0 && span_eq(ps->items[0].topic, ps->items[ps->count - 1].topic) &&
                  ps->items[0].topic.len < sizeof(topic);
    if (is_one) {
        span_to_cstr(ps->items[0].topic, topic, sizeof(topic));
    }
    if (cluster_metadata(&a->cluster, is_one ? topic : NULL, &md, &err) != SL_OK) {
        cli__fail(a, "%s", err.msg);
        return false;
    }
    for (size_t i = 0; i < ps->count; i++) {
        ps->items[i].leader = NO_LEADER;
        ps->items[i].error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    for (size_t i = 0; i < md.topics.count; i++) {
        leaders_take(ps, &md.topics.items[i]);
    }
    return true;
}

/* ---- offsets ---- */

/* What of a set is asked next: the partitions that wait, of one leader. */
struct round {
    struct cli__admin *a;
    struct cli__parts *ps;
    bool *waits; /* per partition */
    int32_t leader;
    enum cli__offset which;
    int64_t timestamp;
};

static bool
is_of(const struct round *r, size_t i)
{
    return r->waits[i] && r->ps->items[i].leader == r->leader;
}

static struct list_offsets_request
offsets_request(const struct round *r)
{
    size_t count = r->ps->count;
    struct list_offsets_request_topic *topics =
        (struct list_offsets_request_topic *)cli__admin_alloc(r->a, count, sizeof(*topics));
    struct list_offsets_request_partition *rows =
        (struct list_offsets_request_partition *)cli__admin_alloc(r->a, count, sizeof(*rows));
    struct list_offsets_request in = {.replica_id = -1, .topics = {.items = topics}};
    for (size_t i = 0, row = 0; i < count; i++) {
        const struct cli__part *p = &r->ps->items[i];
        if (!is_of(r, i)) {
            continue;
        }
        if (in.topics.count == 0 || !span_eq(topics[in.topics.count - 1].name, p->topic)) {
            topics[in.topics.count++] = (struct list_offsets_request_topic){
                .name = p->topic, .partitions = {.items = rows + row}};
        }
        topics[in.topics.count - 1].partitions.count++;
        list_offsets_request_partition_init(&rows[row]);
        rows[row].partition_index = p->partition;
        rows[row++].timestamp = r->timestamp;
    }
    return in;
}

static void
offsets_take(const struct round *r, const struct list_offsets_response *out)
{
    for (size_t i = 0; i < out->topics.count; i++) {
        const struct list_offsets_response_topic *t = &out->topics.items[i];
        for (size_t k = 0; k < t->partitions.count; k++) {
            const struct list_offsets_response_partition *from = &t->partitions.items[k];
            struct cli__part *p = cli__parts_find(r->ps, t->name, from->partition_index);
            if (p != NULL) {
                p->error = from->error_code;
                p->at[r->which] = from->error_code == 0 ? from->offset : -1;
                r->waits[p - r->ps->items] = false;
            }
        }
    }
}

static bool
leader_client(struct cli__admin *a, int32_t leader, struct client **ret)
{
    struct sl_error err = SL_ERROR_INIT;
    if (cluster_broker(&a->cluster, leader, ret, &err) != SL_OK) {
        cli__fail(a, "%s", err.msg);
        return false;
    }
    return true;
}

/* One request to each leader of what waits; afterwards nothing does. */
static bool
offsets_round(struct round *r)
{
    for (size_t i = 0; i < r->ps->count; i++) {
        struct cli__part *p = &r->ps->items[i];
        struct client *c = NULL;
        if (!r->waits[i] || p->leader < 0) {
            p->error =
                r->waits[i] && p->error == 0 ? (int16_t)KAFKA_LEADER_NOT_AVAILABLE : p->error;
            continue;
        }
        r->leader = p->leader;
        struct list_offsets_request in = offsets_request(r);
        struct list_offsets_response out;
        const struct cli__ask q = {.key = API_LIST_OFFSETS, .in = &in, .out = &out};
        if (!leader_client(r->a, p->leader, &c) || !cli__ask(r->a, c, &q)) {
            return false;
        }
        offsets_take(r, &out);
        if (r->waits[i]) { /* it did not answer for this one */
            p->error = KAFKA_UNKNOWN_SERVER_ERROR;
            r->waits[i] = false;
        }
    }
    return true;
}

/* Lets those wait again whose error passes. */
static bool
is_worth_another(struct round *r)
{
    bool has_paused = false;
    for (size_t i = 0; i < r->ps->count; i++) {
        int16_t code = r->ps->items[i].error;
        r->waits[i] = code == KAFKA_LEADER_NOT_AVAILABLE || code == KAFKA_NOT_LEADER_OR_FOLLOWER ||
                      code == KAFKA_OFFSET_NOT_AVAILABLE;
        if (r->waits[i] && !has_paused) {
            has_paused = cli__again(r->a, code);
        }
    }
    return has_paused;
}

bool
cli__parts_offsets(struct cli__admin *a, struct cli__parts *ps, enum cli__offset which,
                   int64_t timestamp)
{
    struct round r = {.a = a, .ps = ps, .which = which, .timestamp = timestamp};
    r.waits = (bool *)cli__admin_alloc(a, ps->count, sizeof(bool));
    memset(r.waits, 1, ps->count * sizeof(bool));
    while (offsets_round(&r)) {
        if (!is_worth_another(&r)) {
            return true;
        }
        if (!cli__parts_leaders(a, ps)) {
            return false;
        }
    }
    return false;
}

/* ---- sizes ---- */

static struct describe_log_dirs_request
sizes_request(struct cli__admin *a, const struct cli__parts *ps, int32_t leader)
{
    struct describe_log_dirs_request_topic *topics =
        (struct describe_log_dirs_request_topic *)cli__admin_alloc(a, ps->count, sizeof(*topics));
    int32_t *numbers = (int32_t *)cli__admin_alloc(a, ps->count, sizeof(*numbers));
    struct describe_log_dirs_request in = {.topics = {.items = topics}};
    size_t n = 0;
    for (size_t i = 0; i < ps->count; i++) {
        const struct cli__part *p = &ps->items[i];
        if (p->leader != leader) {
            continue;
        }
        if (in.topics.count == 0 || !span_eq(topics[in.topics.count - 1].topic, p->topic)) {
            topics[in.topics.count++] = (struct describe_log_dirs_request_topic){
                .topic = p->topic, .partitions = {.items = numbers + n}};
        }
        numbers[n++] = p->partition;
        topics[in.topics.count - 1].partitions.count++;
    }
    return in;
}

static void
sizes_take_topic(struct cli__parts *ps, int32_t leader,
                 const struct describe_log_dirs_response_topic *t)
{
    for (size_t i = 0; i < t->partitions.count; i++) {
        const struct describe_log_dirs_response_partition *from = &t->partitions.items[i];
        struct cli__part *p = cli__parts_find(ps, t->name, from->partition_index);
        if (p != NULL && p->leader == leader && !from->is_future_key) {
            p->size_bytes = from->partition_size;
        }
    }
}

static bool
sizes_ask(struct cli__admin *a, struct cli__parts *ps, int32_t leader)
{
    struct client *c = NULL;
    struct describe_log_dirs_request in = sizes_request(a, ps, leader);
    struct describe_log_dirs_response out;
    const struct cli__ask q = {.key = API_DESCRIBE_LOG_DIRS, .in = &in, .out = &out};
    if (!leader_client(a, leader, &c)) {
        return false;
    }
    if (client_version(c, API_DESCRIBE_LOG_DIRS) < 0) {
        return true; /* too old a broker; the rest is worth having */
    }
    if (!cli__ask(a, c, &q)) {
        return false;
    }
    for (size_t i = 0; i < out.results.count; i++) {
        const struct describe_log_dirs_response_result *dir = &out.results.items[i];
        for (size_t k = 0; dir->error_code == 0 && k < dir->topics.count; k++) {
            sizes_take_topic(ps, leader, &dir->topics.items[k]);
        }
    }
    return true;
}

bool
cli__parts_sizes(struct cli__admin *a, struct cli__parts *ps)
{
    for (size_t i = 0; i < a->cluster.broker_count; i++) {
        int32_t id = a->cluster.brokers[i].id;
        bool leads = false;
        for (size_t k = 0; k < ps->count && !leads; k++) {
            leads = ps->items[k].leader == id;
        }
        if (leads && !sizes_ask(a, ps, id)) {
            return false;
        }
    }
    return true;
}
