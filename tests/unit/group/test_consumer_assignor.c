/* SPDX-License-Identifier: Apache-2.0
 *
 * Assignors by their properties: random groups, checked against what the words say and not against
 * another implementation of the same idea. */
#include "../unit.h"
#include "group/assignor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBERS_MAX = 12, TOPICS_MAX = 8, PARTS_MAX = 9, ALL_MAX = TOPICS_MAX * PARTS_MAX };

struct question {
    struct assign_member members[MEMBERS_MAX];
    char ids[MEMBERS_MAX][24];
    uint32_t topics[MEMBERS_MAX][TOPICS_MAX];
    int32_t partitions[TOPICS_MAX];
    struct assign_spec spec;
    int32_t before[ALL_MAX], owners[ALL_MAX];
};

static uint64_t seed;

static uint32_t
dice(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % n;
}

static void
question_init(struct question *q, size_t members, size_t topics)
{
    memset(q, 0, sizeof(*q));
    q->spec = (struct assign_spec){q->members, members, q->partitions, topics};
    for (size_t m = 0; m < members; m++) {
        snprintf(q->ids[m], sizeof(q->ids[m]), "m%02zu", m);
        q->members[m].id = span_cstr(q->ids[m]);
        q->members[m].topics = q->topics[m];
    }
    for (size_t i = 0; i < ALL_MAX; i++) {
        q->owners[i] = ASSIGN_NOBODY;
    }
}

static void
subscribe(struct question *q, size_t m, uint32_t topic)
{
    q->topics[m][q->members[m].topic_count++] = topic;
}

static bool
is_subscribed(const struct question *q, size_t m, uint32_t topic)
{
    for (size_t k = 0; k < q->members[m].topic_count; k++) {
        if (q->members[m].topics[k] == topic) {
            return true;
        }
    }
    return false;
}

static void
run(struct question *q, enum assignor a)
{
    memcpy(q->before, q->owners, sizeof(q->before));
    assignor_run(a, &q->spec, q->owners);
}

/* A random group; with is_same everybody is subscribed to every topic. */
static void
random_question(struct question *q, bool is_same)
{
    question_init(q, 1 + dice(MEMBERS_MAX), 1 + dice(TOPICS_MAX));
    for (size_t t = 0; t < q->spec.topic_count; t++) {
        q->partitions[t] = (int32_t)dice(PARTS_MAX + 1);
    }
    for (size_t m = 0; m < q->spec.member_count; m++) {
        for (uint32_t t = 0; t < q->spec.topic_count; t++) {
            if (is_same || dice(3) == 0) {
                subscribe(q, m, t);
            }
        }
    }
}

/* An assignment of any kind to start from, also by members that are not subscribed. */
static void
random_owners(struct question *q)
{
    for (size_t p = 0; p < assign_partition_count(&q->spec); p++) {
        q->owners[p] = (int32_t)dice((uint32_t)q->spec.member_count + 1) - 1;
    }
}

static size_t
load_of(const struct question *q, size_t m)
{
    size_t n = 0;
    for (size_t p = 0; p < assign_partition_count(&q->spec); p++) {
        n += q->owners[p] == (int32_t)m;
    }
    return n;
}

/* Every partition has an owner that is subscribed; none where nobody is. */
static void
check_complete(const struct question *q)
{
    size_t p = 0;
    for (uint32_t t = 0; t < q->spec.topic_count; t++) {
        bool has_subscriber = false;
        for (size_t m = 0; m < q->spec.member_count; m++) {
            has_subscriber = has_subscriber || is_subscribed(q, m, t);
        }
        for (int32_t i = 0; i < q->partitions[t]; i++, p++) {
            if (!has_subscriber) {
                assert_int_equal(q->owners[p], ASSIGN_NOBODY);
            } else {
                assert_in_range(q->owners[p], 0, q->spec.member_count - 1);
                assert_true(is_subscribed(q, (size_t)q->owners[p], t));
            }
        }
    }
}

static size_t
kept(const struct question *q)
{
    size_t n = 0;
    for (size_t p = 0; p < assign_partition_count(&q->spec); p++) {
        n += q->owners[p] >= 0 && q->owners[p] == q->before[p];
    }
    return n;
}

/* --- uniform, same subscription --- */

static void
check_even(const struct question *q)
{
    size_t least = SIZE_MAX, most = 0;
    for (size_t m = 0; m < q->spec.member_count; m++) {
        size_t n = load_of(q, m);
        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    assert_true(most - least <= 1);
}

/* The most that any balanced assignment can leave where it was. */
static size_t
most_kept(const struct question *q)
{
    size_t members = q->spec.member_count, all = assign_partition_count(&q->spec);
    size_t least = all / members, extra = all % members, n = 0;
    for (size_t m = 0; m < members; m++) {
        size_t had = 0;
        for (size_t p = 0; p < all; p++) {
            had += q->before[p] == (int32_t)m;
        }
        if (had > least && extra > 0) {
            extra--;
            n++;
        }
        n += had < least ? had : least;
    }
    return n;
}

static void
uniform__same_subscription__is_complete_even_and_moves_the_fewest(void **state)
{
    (void)state;
    seed = 1;
    for (int i = 0; i < 3000; i++) {
        struct question q;
        random_question(&q, true);
        random_owners(&q);
        run(&q, ASSIGNOR_UNIFORM);
        check_complete(&q);
        check_even(&q);
        assert_int_equal(kept(&q), most_kept(&q));
    }
}

static void
uniform__nothing_changed__nothing_moves(void **state)
{
    (void)state;
    seed = 2;
    for (int i = 0; i < 2000; i++) {
        struct question q;
        random_question(&q, i % 2 == 0);
        run(&q, ASSIGNOR_UNIFORM);
        run(&q, ASSIGNOR_UNIFORM);
        assert_memory_equal(q.before, q.owners, sizeof(q.owners));
    }
}

static void
uniform__nobody_there__nobody_owns(void **state)
{
    (void)state;
    struct question q;
    question_init(&q, 0, 2);
    q.partitions[0] = 3;
    q.partitions[1] = 1;
    q.owners[1] = 0;
    run(&q, ASSIGNOR_UNIFORM);
    check_complete(&q);
}

/* --- uniform, different subscriptions --- */

/* Can a partition of u go to v, directly or with others moving on the way? */
static void
reach(const struct question *q, size_t m, bool *is_seen)
{
    is_seen[m] = true;
    size_t p = 0;
    for (uint32_t t = 0; t < q->spec.topic_count; t++) {
        bool has_one = false;
        for (int32_t i = 0; i < q->partitions[t]; i++, p++) {
            has_one = has_one || q->owners[p] == (int32_t)m;
        }
        for (size_t v = 0; has_one && v < q->spec.member_count; v++) {
            if (!is_seen[v] && is_subscribed(q, v, t)) {
                reach(q, v, is_seen);
            }
        }
    }
}

static void
check_as_even_as_can_be(const struct question *q)
{
    for (size_t m = 0; m < q->spec.member_count; m++) {
        bool is_seen[MEMBERS_MAX] = {false};
        reach(q, m, is_seen);
        for (size_t v = 0; v < q->spec.member_count; v++) {
            if (is_seen[v]) {
                assert_true(load_of(q, m) <= load_of(q, v) + 1);
            }
        }
    }
}

static void
uniform__different_subscriptions__is_complete_and_as_even_as_can_be(void **state)
{
    (void)state;
    seed = 3;
    for (int i = 0; i < 3000; i++) {
        struct question q;
        random_question(&q, false);
        if (i % 2 == 0) {
            random_owners(&q);
        }
        run(&q, ASSIGNOR_UNIFORM);
        check_complete(&q);
        check_as_even_as_can_be(&q);
    }
}

/* c can have only t0, a only t1, b both: the partition that makes a lighter goes to b, and b gives
 * one to c. */
static void
uniform__heavy_and_light_share_no_topic__evens_out_through_a_third(void **state)
{
    (void)state;
    struct question q;
    question_init(&q, 3, 2);
    q.partitions[0] = 3;
    q.partitions[1] = 3;
    subscribe(&q, 0, 1);
    subscribe(&q, 1, 0);
    subscribe(&q, 1, 1);
    subscribe(&q, 2, 0);
    const int32_t owners[] = {1, 1, 2, 0, 0, 0};
    memcpy(q.owners, owners, sizeof(owners));
    run(&q, ASSIGNOR_UNIFORM);
    for (size_t m = 0; m < 3; m++) {
        assert_int_equal(load_of(&q, m), 2);
    }
    assert_int_equal(kept(&q), 4);
}

/* --- range --- */

static void
range__random_groups__is_complete_contiguous_and_even_per_topic(void **state)
{
    (void)state;
    seed = 4;
    for (int i = 0; i < 2000; i++) {
        struct question q;
        random_question(&q, i % 2 == 0);
        random_owners(&q);
        run(&q, ASSIGNOR_RANGE);
        check_complete(&q);
        size_t first = 0;
        for (uint32_t t = 0; t < q.spec.topic_count; first += (size_t)q.partitions[t++]) {
            size_t least = SIZE_MAX, most = 0;
            for (size_t m = 0; m < q.spec.member_count; m++) {
                size_t n = 0, runs = 0;
                for (int32_t p = 0; p < q.partitions[t]; p++) {
                    bool is_mine = q.owners[first + (size_t)p] == (int32_t)m;
                    bool was_mine = p > 0 && q.owners[first + (size_t)p - 1] == (int32_t)m;
                    n += is_mine;
                    runs += is_mine && !was_mine;
                }
                assert_true(runs <= 1);
                if (is_subscribed(&q, m, t)) {
                    least = n < least ? n : least;
                    most = n > most ? n : most;
                }
            }
            assert_true(least == SIZE_MAX || most - least <= 1);
        }
    }
}

static void
range__equally_long_topics__the_same_partitions_go_together(void **state)
{
    (void)state;
    struct question q;
    question_init(&q, 3, 3);
    for (uint32_t t = 0; t < 3; t++) {
        q.partitions[t] = 7;
        for (size_t m = 0; m < 3; m++) {
            subscribe(&q, m, t);
        }
    }
    run(&q, ASSIGNOR_RANGE);
    const int32_t want[] = {0, 0, 0, 1, 1, 2, 2};
    for (size_t t = 0; t < 3; t++) {
        assert_memory_equal(q.owners + 7 * t, want, sizeof(want));
    }
}

/* A static member that comes back under another id, as another of the members, keeps its place. */
static void
range__static_member_with_a_new_id__gets_what_it_had(void **state)
{
    (void)state;
    struct question q;
    question_init(&q, 3, 1);
    q.partitions[0] = 3;
    for (size_t m = 0; m < 3; m++) {
        subscribe(&q, m, 0);
    }
    q.members[0].instance_id = span_cstr("b");
    q.members[1].instance_id = span_cstr("a");
    run(&q, ASSIGNOR_RANGE);
    const int32_t want[] = {1, 0, 2};
    assert_memory_equal(q.owners, want, sizeof(want));
    q.members[0].id = span_cstr("zzz");
    run(&q, ASSIGNOR_RANGE);
    assert_memory_equal(q.owners, want, sizeof(want));
}

/* --- names --- */

static void
parse__names__are_kafkas(void **state)
{
    (void)state;
    enum assignor a = ASSIGNOR_COUNT;
    assert_true(assignor_parse(span_cstr("range"), &a));
    assert_int_equal(a, ASSIGNOR_RANGE);
    assert_true(assignor_parse(span_cstr("uniform"), &a));
    assert_int_equal(a, ASSIGNOR_UNIFORM);
    assert_false(assignor_parse(span_cstr("Uniform"), &a));
    assert_false(assignor_parse(span_cstr(""), &a));
    assert_string_equal(assignor_name(ASSIGNOR_RANGE), "range");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uniform__same_subscription__is_complete_even_and_moves_the_fewest),
        cmocka_unit_test(uniform__nothing_changed__nothing_moves),
        cmocka_unit_test(uniform__nobody_there__nobody_owns),
        cmocka_unit_test(uniform__different_subscriptions__is_complete_and_as_even_as_can_be),
        cmocka_unit_test(uniform__heavy_and_light_share_no_topic__evens_out_through_a_third),
        cmocka_unit_test(range__random_groups__is_complete_contiguous_and_even_per_topic),
        cmocka_unit_test(range__equally_long_topics__the_same_partitions_go_together),
        cmocka_unit_test(range__static_member_with_a_new_id__gets_what_it_had),
        cmocka_unit_test(parse__names__are_kafkas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
