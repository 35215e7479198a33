/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of assignors, and `range`. */
#include "group/assignor.h"

#include "base/buf.h"
#include "group/assignor_int.h"

#include <stdlib.h>

static const struct {
    const char *name;
    void (*run)(const struct assign_spec *spec, const struct assign_topic *topics, int32_t *owners);
} assignors[ASSIGNOR_COUNT] = {
    [ASSIGNOR_UNIFORM] = {"uniform", group__assign_uniform},
    [ASSIGNOR_RANGE] = {"range", group__assign_range},
};

const char *
assignor_name(enum assignor a)
{
    return assignors[a].name;
}

bool
assignor_parse(struct span name, enum assignor *ret)
{
    for (int a = 0; a < ASSIGNOR_COUNT; a++) {
        if (span_eq(name, span_cstr(assignors[a].name))) {
            *ret = (enum assignor)a;
            return true;
        }
    }
    return false;
}

size_t
assign_partition_count(const struct assign_spec *spec)
{
    size_t n = 0;
    for (size_t t = 0; t < spec->topic_count; t++) {
        n += (size_t)spec->partitions[t];
    }
    return n;
}

/* One block: the topics, and behind them all lists of members. */
struct assign_topic *
group__topics_new(const struct assign_spec *spec)
{
    size_t links = 0;
    for (size_t m = 0; m < spec->member_count; m++) {
        links += spec->members[m].topic_count;
    }
    size_t head = spec->topic_count * sizeof(struct assign_topic);
    struct assign_topic *topics =
        (struct assign_topic *)sl_alloc(head + links * sizeof(uint32_t) + 1);
    uint32_t *at = (uint32_t *)(void *)((uint8_t *)topics + head);
    for (size_t m = 0; m < spec->member_count; m++) {
        for (size_t k = 0; k < spec->members[m].topic_count; k++) {
            topics[spec->members[m].topics[k]].member_count++;
        }
    }
    size_t first = 0;
    for (size_t t = 0; t < spec->topic_count; t++) {
        topics[t].first = first;
        topics[t].count = spec->partitions[t];
        topics[t].members = at;
        first += (size_t)topics[t].count;
        at += topics[t].member_count;
        topics[t].member_count = 0;
    }
    for (size_t m = 0; m < spec->member_count; m++) {
        for (size_t k = 0; k < spec->members[m].topic_count; k++) {
            struct assign_topic *t = &topics[spec->members[m].topics[k]];
            t->members[t->member_count++] = (uint32_t)m;
        }
    }
    return topics;
}

void
group__topics_free(struct assign_topic **topics)
{
    sl_free(*topics);
    *topics = NULL;
}

void
assignor_run(enum assignor a, const struct assign_spec *spec, int32_t *owners)
{
    struct assign_topic *topics = group__topics_new(spec);
    assignors[a].run(spec, topics, owners);
    group__topics_free(&topics);
}

/* --- range --- */

struct ranked {
    const struct assign_member *member;
    uint32_t index;
};

static int
span_compare(struct span a, struct span b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static int
ranked_compare(const void *x, const void *y)
{
    const struct assign_member *a = ((const struct ranked *)x)->member;
    const struct assign_member *b = ((const struct ranked *)y)->member;
    bool is_a_static = a->instance_id.ptr != NULL, is_b_static = b->instance_id.ptr != NULL;
    if (is_a_static != is_b_static) {
        return is_a_static ? -1 : 1;
    }
    int c = is_a_static ? span_compare(a->instance_id, b->instance_id) : 0;
    return c != 0 ? c : span_compare(a->id, b->id);
}

/* rank[m]: the place of member m in the order of members. */
static void
rank_members(const struct assign_spec *spec, struct ranked *order)
{
    for (size_t m = 0; m < spec->member_count; m++) {
        order[m] = (struct ranked){&spec->members[m], (uint32_t)m};
    }
    if (spec->member_count > 0) {
        qsort(order, spec->member_count, sizeof(*order), ranked_compare);
    }
}

/* Members come in their order, each takes the next range of each of its topics. */
void
group__assign_range(const struct assign_spec *spec, const struct assign_topic *topics,
                    int32_t *owners)
{
    struct ranked *order = (struct ranked *)sl_alloc((spec->member_count + 1) * sizeof(*order));
    size_t *served = (size_t *)sl_alloc((spec->topic_count + 1) * sizeof(*served));
    int32_t *next = (int32_t *)sl_alloc((spec->topic_count + 1) * sizeof(*next));
    rank_members(spec, order);
    memset(owners, 0xff, assign_partition_count(spec) * sizeof(*owners)); /* ASSIGN_NOBODY */
    for (size_t i = 0; i < spec->member_count; i++) {
        const struct assign_member *m = order[i].member;
        for (size_t k = 0; k < m->topic_count; k++) {
            const struct assign_topic *t = &topics[m->topics[k]];
            size_t count = (size_t)t->count, members = t->member_count;
            size_t n = count / members + (served[m->topics[k]]++ < count % members ? 1 : 0);
            for (; n > 0; n--) {
                owners[t->first + (size_t)next[m->topics[k]]++] = (int32_t)order[i].index;
            }
        }
    }
    sl_free(next);
    sl_free(served);
    sl_free(order);
}
