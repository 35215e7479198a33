/* SPDX-License-Identifier: Apache-2.0
 *
 * `uniform`: balance first, then stickiness.
 *
 * Same subscription. With P partitions and M members everybody gets P / M, and P % M members get
 * one more. Who has more than P / M already is first to be one of those: no other choice keeps more
 * partitions where they are. What is above a member's share, and what nobody has, goes to the
 * members below theirs.
 *
 * Different subscriptions. Partitions stay where they are while their owner is subscribed; the rest
 * goes to the least loaded subscriber, topics with the most partitions per subscriber first. Then
 * the loads are evened out along paths: from a member u to a member v that has at least two
 * partitions less, each step hands one partition of a topic to another subscriber of that topic;
 * only the ends of the path change their load. When no such path is left the loads are as even as
 * they can be (an optimal semi-matching). Moving single partitions from heavy to light is not
 * enough: the light member may share no topic with the heavy one.
 *
 * Paths are found breadth first, so few partitions move, and on each step one is taken that was
 * moved before, if there is any. The search is bounded; beyond the bound what is found so far is
 * taken: complete, but perhaps less even. */
#include "base/buf.h"
#include "base/err.h"
#include "group/assignor_int.h"

#include <stdlib.h>

static bool
is_subscribed(const struct assign_member *m, uint32_t topic)
{
    size_t lo = 0, hi = m->topic_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (m->topics[mid] == topic) {
            return true;
        }
        if (m->topics[mid] < topic) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return false;
}

/* Drops owners that are no member or not subscribed, and counts what is kept. */
static void
keep_owners(const struct assign_spec *spec, const struct assign_topic *topics, int32_t *owners,
            size_t *loads)
{
    for (size_t t = 0; t < spec->topic_count; t++) {
        for (size_t p = topics[t].first; p < topics[t].first + (size_t)topics[t].count; p++) {
            int32_t m = owners[p];
            bool is_kept = m >= 0 && (size_t)m < spec->member_count &&
                           is_subscribed(&spec->members[m], (uint32_t)t);
            if (is_kept) {
                loads[m]++;
            } else {
                owners[p] = ASSIGN_NOBODY;
            }
        }
    }
}

static bool
is_same_subscription(const struct assign_spec *spec)
{
    const struct assign_member *a = &spec->members[0];
    for (size_t i = 1; i < spec->member_count; i++) {
        const struct assign_member *b = &spec->members[i];
        if (a->topic_count != b->topic_count ||
            (a->topic_count > 0 &&
             memcmp(a->topics, b->topics, a->topic_count * sizeof(*a->topics)) != 0)) {
            return false;
        }
    }
    return true;
}

/* --- same subscription --- */

/* In: what each member has. Out: what it is to have. */
static void
shares(size_t *loads, size_t members, size_t total)
{
    size_t least = total / members, extra = total % members;
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t m = 0; m < members && extra > 0; m++) {
            bool has_more = loads[m] > least;
            if (has_more == (pass == 0)) {
                loads[m] = SIZE_MAX; /* gets one more */
                extra--;
            }
        }
    }
    for (size_t m = 0; m < members; m++) {
        loads[m] = loads[m] == SIZE_MAX ? least + 1 : least;
    }
}

/* left[m]: how much more member m may have. */
static void
assign_even(const struct assign_spec *spec, const struct assign_topic *topics, int32_t *owners,
            size_t *left)
{
    const struct assign_member *any = &spec->members[0];
    size_t total = 0;
    for (size_t k = 0; k < any->topic_count; k++) {
        total += (size_t)topics[any->topics[k]].count;
    }
    shares(left, spec->member_count, total);
    size_t all = assign_partition_count(spec);
    for (size_t p = 0; p < all; p++) {
        if (owners[p] >= 0 && left[owners[p]] > 0) {
            left[owners[p]]--;
        } else {
            owners[p] = ASSIGN_NOBODY;
        }
    }
    size_t m = 0;
    for (size_t k = 0; k < any->topic_count; k++) {
        const struct assign_topic *t = &topics[any->topics[k]];
        for (size_t p = t->first; p < t->first + (size_t)t->count; p++) {
            if (owners[p] != ASSIGN_NOBODY) {
                continue;
            }
            while (left[m] == 0) {
                m++;
            }
            owners[p] = (int32_t)m;
            left[m]--;
        }
    }
}

void
group__assign_uniform(const struct assign_spec *spec, const struct assign_topic *topics,
                      int32_t *owners)
{
    if (spec->member_count > 0 && !is_same_subscription(spec)) {
        group__assign_uneven(spec, topics, owners);
        return;
    }
    size_t *loads = (size_t *)sl_alloc((spec->member_count + 1) * sizeof(*loads));
    keep_owners(spec, topics, owners, loads);
    if (spec->member_count > 0) {
        assign_even(spec, topics, owners, loads);
    }
    sl_free(loads);
}

/* --- different subscriptions --- */

enum { WORK_MAX = 50 << 20 }; /* steps of all searches together */

struct uneven {
    const struct assign_spec *spec;
    const struct assign_topic *topics;
    int32_t *owners;
    int32_t *before; /* the owners that were there, of members that are still subscribed */
    size_t *loads;   /* per member */
    /* have[have_first[m] + k]: partitions that member m has of its k-th topic */
    size_t *have_first;
    int32_t *have;
    /* the search: how each member was reached, and in which order */
    uint32_t *from, *via, *queue;
    bool *is_seen;
    bool *is_topic_seen;
    size_t work;
};

static int32_t *
have_of(struct uneven *u, uint32_t m, uint32_t topic)
{
    const struct assign_member *mem = &u->spec->members[m];
    size_t lo = 0, hi = mem->topic_count;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (mem->topics[mid] <= topic) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return &u->have[u->have_first[m] + lo];
}

static void
give(struct uneven *u, size_t p, uint32_t topic, uint32_t m)
{
    u->owners[p] = (int32_t)m;
    u->loads[m]++;
    ++*have_of(u, m, topic);
}

static uint32_t
least_loaded(const struct uneven *u, const struct assign_topic *t)
{
    uint32_t best = t->members[0];
    for (size_t i = 1; i < t->member_count; i++) {
        if (u->loads[t->members[i]] < u->loads[best]) {
            best = t->members[i];
        }
    }
    return best;
}

struct crowd {
    const struct assign_topic *t;
    uint32_t index;
};

/* Most partitions per subscriber first, then the fewest subscribers. */
static int
crowd_compare(const void *x, const void *y)
{
    const struct crowd *a = (const struct crowd *)x, *b = (const struct crowd *)y;
    uint64_t l = (uint64_t)a->t->count * b->t->member_count;
    uint64_t r = (uint64_t)b->t->count * a->t->member_count;
    if (l != r) {
        return l > r ? -1 : 1;
    }
    if (a->t->member_count != b->t->member_count) {
        return a->t->member_count < b->t->member_count ? -1 : 1;
    }
    return (a->index > b->index) - (a->index < b->index);
}

static void
hand_out(struct uneven *u)
{
    struct crowd *order =
        (struct crowd *)sl_alloc((u->spec->topic_count + 1) * sizeof(struct crowd));
    for (uint32_t t = 0; t < u->spec->topic_count; t++) {
        order[t] = (struct crowd){&u->topics[t], t};
    }
    if (u->spec->topic_count > 0) {
        qsort(order, u->spec->topic_count, sizeof(*order), crowd_compare);
    }
    for (size_t i = 0; i < u->spec->topic_count; i++) {
        const struct assign_topic *t = order[i].t;
        for (size_t p = t->first; p < t->first + (size_t)t->count && t->member_count > 0; p++) {
            if (u->owners[p] == ASSIGN_NOBODY) {
                give(u, p, order[i].index, least_loaded(u, t));
            }
        }
    }
    sl_free(order);
}

/* Which partition of the topic `from` hands to `to`: one that `to` had, one that `from` did not
 * have, else the last. */
static size_t
pick(const struct uneven *u, uint32_t topic, uint32_t from, uint32_t to)
{
    const struct assign_topic *t = &u->topics[topic];
    size_t best = SIZE_MAX;
    int best_worth = -1;
    for (size_t p = t->first; p < t->first + (size_t)t->count; p++) {
        if (u->owners[p] != (int32_t)from) {
            continue;
        }
        int worth = u->before[p] == (int32_t)to ? 2 : u->before[p] != (int32_t)from ? 1 : 0;
        if (worth >= best_worth) {
            best = p;
            best_worth = worth;
        }
    }
    SL_ASSERT(best != SIZE_MAX);
    return best;
}

static void
hand_over(struct uneven *u, uint32_t topic, uint32_t from, uint32_t to)
{
    size_t p = pick(u, topic, from, to);
    u->loads[from]--;
    --*have_of(u, from, topic);
    give(u, p, topic, to);
}

/* Marks who can get a partition of member m's k-th topic from m. */
static size_t
reach(struct uneven *u, uint32_t m, size_t k, size_t tail)
{
    uint32_t topic = u->spec->members[m].topics[k];
    const struct assign_topic *t = &u->topics[topic];
    if (u->have[u->have_first[m] + k] == 0 || u->is_topic_seen[topic]) {
        return tail;
    }
    u->is_topic_seen[topic] = true;
    u->work += t->member_count;
    for (size_t i = 0; i < t->member_count; i++) {
        uint32_t other = t->members[i];
        if (!u->is_seen[other]) {
            u->is_seen[other] = true;
            u->from[other] = m;
            u->via[other] = topic;
            u->queue[tail++] = other;
        }
    }
    return tail;
}

/* Looks from member `start` for the least loaded member that can be reached; the nearest of them.
 * True when it has at least two partitions less. */
static bool
search(struct uneven *u, uint32_t start, uint32_t *ret)
{
    memset(u->is_seen, 0, u->spec->member_count * sizeof(*u->is_seen));
    memset(u->is_topic_seen, 0, u->spec->topic_count * sizeof(*u->is_topic_seen));
    size_t tail = 0;
    u->queue[tail++] = start;
    u->is_seen[start] = true;
    uint32_t best = start;
    for (size_t head = 0; head < tail; head++) {
        uint32_t m = u->queue[head];
        if (u->loads[m] < u->loads[best]) {
            best = m;
        }
        u->work += u->spec->members[m].topic_count;
        for (size_t k = 0; k < u->spec->members[m].topic_count; k++) {
            tail = reach(u, m, k, tail);
        }
    }
    *ret = best;
    return u->loads[best] + 2 <= u->loads[start];
}

/* Takes from member m what makes others more like it; false when there is nothing. */
static bool
relieve(struct uneven *u, uint32_t m)
{
    uint32_t at;
    bool has_moved = false;
    while (u->work < WORK_MAX && search(u, m, &at)) {
        has_moved = true;
        for (; at != m; at = u->from[at]) {
            hand_over(u, u->via[at], u->from[at], at);
        }
    }
    return has_moved;
}

static void
even_out(struct uneven *u)
{
    for (bool has_moved = true; has_moved && u->work < WORK_MAX;) {
        has_moved = false;
        for (uint32_t m = 0; m < u->spec->member_count; m++) {
            has_moved |= relieve(u, m);
        }
    }
}

static void
uneven_count_kept(struct uneven *u)
{
    size_t first = 0;
    for (size_t m = 0; m < u->spec->member_count; m++) {
        u->have_first[m] = first;
        first += u->spec->members[m].topic_count;
    }
    for (uint32_t t = 0; t < u->spec->topic_count; t++) {
        const struct assign_topic *topic = &u->topics[t];
        for (size_t p = topic->first; p < topic->first + (size_t)topic->count; p++) {
            if (u->owners[p] >= 0) {
                ++*have_of(u, (uint32_t)u->owners[p], t);
            }
        }
    }
}

void
group__assign_uneven(const struct assign_spec *spec, const struct assign_topic *topics,
                     int32_t *owners)
{
    size_t members = spec->member_count + 1, all = assign_partition_count(spec), links = 1;
    for (size_t m = 0; m < spec->member_count; m++) {
        links += spec->members[m].topic_count;
    }
    struct uneven u = {.spec = spec, .topics = topics, .owners = owners};
    u.loads = (size_t *)sl_alloc(members * sizeof(*u.loads));
    u.have_first = (size_t *)sl_alloc(members * sizeof(*u.have_first));
    u.have = (int32_t *)sl_alloc(links * sizeof(*u.have));
    u.before = (int32_t *)sl_alloc((all + 1) * sizeof(*u.before));
    u.from = (uint32_t *)sl_alloc(3 * members * sizeof(*u.from));
    u.via = u.from + members;
    u.queue = u.via + members;
    u.is_seen = (bool *)sl_alloc(members + spec->topic_count);
    u.is_topic_seen = u.is_seen + members;
    keep_owners(spec, topics, owners, u.loads);
    memcpy(u.before, owners, all * sizeof(*owners));
    uneven_count_kept(&u);
    hand_out(&u);
    even_out(&u);
    sl_free(u.is_seen);
    sl_free(u.from);
    sl_free(u.before);
    sl_free(u.have);
    sl_free(u.have_first);
    sl_free(u.loads);
}
