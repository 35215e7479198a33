/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups that move between the protocols while they live, and members of both in one group. */
#include "consumer_mixed.h"

static enum group_type
stored_type(void)
{
    const struct group_state *gs = group__facts(w.brokers[0].table, span_cstr("g"));
    return gs == NULL ? GROUP_SIMPLE : gs->facts->type;
}

/* One round of everybody: who speaks the old protocol joins again when it is told to. */
static void
everybody(struct peer *const *news, struct old_peer *const *olds, int rounds)
{
    for (int r = 0; r < rounds; r++) {
        uint32_t all = 0;
        for (size_t i = 0; news[i] != NULL; i++) {
            (void)beat(news[i]);
        }
        for (size_t i = 0; olds[i] != NULL; i++) {
            if (!olds[i]->has_to_join) {
                (void)old_heartbeat(olds[i]);
            }
            if (olds[i]->has_to_join) {
                (void)old_join(olds[i]);
            }
        }
        for (size_t i = 0; news[i] != NULL; i++) {
            assert_int_equal(all & news[i]->owned[0], 0);
            all |= news[i]->owned[0];
        }
        for (size_t i = 0; olds[i] != NULL; i++) {
            assert_int_equal(all & olds[i]->owned, 0);
            all |= olds[i]->owned;
        }
        run_ms(1000);
    }
}

/* Two members of a classic group that share the six partitions. */
static void
two_old(struct old_peer *a, struct old_peer *b)
{
    old_round((struct old_peer *[]){a, b, NULL});
    while (a->has_to_join || b->has_to_join) {
        old_round((struct old_peer *[]){a, b, NULL});
    }
    assert_int_equal(a->owned | b->owned, 0x3f);
    assert_int_equal(a->owned & b->owned, 0);
}

static void
up__consumer_member_joins__classic_ones_stay_and_share(void **unused)
{
    (void)unused;
    struct old_peer a = old_new(), b = old_new();
    struct peer c = peer_new("c");
    two_old(&a, &b);
    int32_t generation = a.generation;
    assert_int_equal(stored_type(), GROUP_CLASSIC);
    assert_int_equal(beat(&c), KAFKA_NONE);
    assert_int_equal(stored_type(), GROUP_CONSUMER);
    assert_int_equal(c.epoch, generation + 1);
    assert_int_equal(owned_count(&c), 0);
    assert_int_equal(old_heartbeat(&a), KAFKA_REBALANCE_IN_PROGRESS);
    everybody((struct peer *[]){&c, NULL}, (struct old_peer *[]){&a, &b, NULL}, 6);
    assert_int_equal(__builtin_popcount(a.owned), 2);
    assert_int_equal(__builtin_popcount(b.owned), 2);
    assert_int_equal(owned_count(&c), 2);
    assert_int_equal(old_heartbeat(&a), KAFKA_NONE);
    assert_int_equal(a.generation, c.epoch);
    assert_int_equal(commit(a.id, a.generation, 7), KAFKA_NONE);
    assert_int_equal(commit(a.id, a.generation - 1, 8), KAFKA_ILLEGAL_GENERATION);
    assert_int_equal(fetched_at(0, "g"), 7);
}

static void
up__classic_group_rebalances__who_waits_joins_again(void **unused)
{
    (void)unused;
    struct old_peer a = old_new(), b = old_new();
    struct peer c = peer_new("c");
    two_old(&a, &b);
    struct old_joining *j = old_join_send(&a); /* the leader: a rebalance, which waits for b */
    settle();
    assert_false(j->is_done);
    assert_int_equal(beat(&c), KAFKA_NONE);
    assert_true(j->is_done);
    assert_int_equal(j->j.call.error, KAFKA_REBALANCE_IN_PROGRESS);
    group_call_fini(&j->j.call);
    a.has_to_join = true;
    everybody((struct peer *[]){&c, NULL}, (struct old_peer *[]){&a, &b, NULL}, 6);
    assert_int_equal(a.owned | b.owned | c.owned[0], 0x3f);
    assert_int_equal(owned_count(&c), 2);
}

static void
up__not_what_consumers_say__is_refused(void **unused)
{
    (void)unused;
    struct old_peer a = old_new();
    struct peer c = peer_new("c");
    a.has_user_data = true;
    old_round((struct old_peer *[]){&a, NULL});
    assert_int_equal(beat(&c), KAFKA_GROUP_ID_NOT_FOUND);
    a.is_malformed = true;
    a.has_user_data = false;
    a.has_to_join = true;
    old_round((struct old_peer *[]){&a, NULL});
    assert_int_equal(beat(&c), KAFKA_GROUP_ID_NOT_FOUND);
    assert_int_equal(stored_type(), GROUP_CLASSIC);
    assert_int_equal(old_heartbeat(&a), KAFKA_NONE); /* it has not been disturbed */
}

static void
up__another_protocol_type__is_refused(void **unused)
{
    (void)unused;
    struct peer c = peer_new("c");
    (void)stable_one();
    assert_int_equal(beat(&c), KAFKA_GROUP_ID_NOT_FOUND);
}

static void
down__last_consumer_member_leaves__classic_again_and_rebalanced(void **unused)
{
    (void)unused;
    struct old_peer a = old_new(), b = old_new();
    struct peer c = peer_new("c");
    two_old(&a, &b);
    (void)beat(&c);
    everybody((struct peer *[]){&c, NULL}, (struct old_peer *[]){&a, &b, NULL}, 6);
    uint32_t had_a = a.owned, had_b = b.owned;
    int32_t generation = a.generation;
    assert_int_equal(say_epoch(&c, CONSUMER_LEAVE), KAFKA_NONE);
    assert_int_equal(stored_type(), GROUP_CLASSIC);
    expect_state("PreparingRebalance");
    assert_int_equal(old_heartbeat(&a), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(old_heartbeat(&b), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(a.owned, had_a);
    assert_int_equal(b.owned, had_b);
    two_old(&a, &b);
    assert_true(a.generation > generation);
}

static void
down__last_consumer_member_is_lost__classic_again(void **unused)
{
    (void)unused;
    struct old_peer a = old_new();
    struct peer c = peer_new("c");
    old_round((struct old_peer *[]){&a, NULL});
    (void)beat(&c);
    everybody((struct peer *[]){&c, NULL}, (struct old_peer *[]){&a, NULL}, 4);
    for (int i = 0; i < 12 && stored_type() == GROUP_CONSUMER; i++) {
        run_ms(4000);
        (void)old_heartbeat(&a);
    }
    assert_int_equal(stored_type(), GROUP_CLASSIC);
}

static void
empty__becomes_what_the_next_member_speaks(void **unused)
{
    (void)unused;
    struct old_peer a = old_new();
    struct peer c = peer_new("c");
    (void)beat(&c);
    (void)say_epoch(&c, CONSUMER_LEAVE);
    old_round((struct old_peer *[]){&a, NULL});
    assert_int_equal(stored_type(), GROUP_CLASSIC);
    assert_int_equal(a.owned, 0x3f);
    assert_true(a.generation > c.epoch);
    assert_int_equal(leave(a.id, NULL), KAFKA_NONE);
    run_ms(1000);
    c.has_to_join = true;
    assert_int_equal(beat(&c), KAFKA_NONE);
    assert_int_equal(stored_type(), GROUP_CONSUMER);
    assert_true(c.epoch > a.generation);
}

static void
empty__restarted_in_between__the_same(void **unused)
{
    (void)unused;
    struct old_peer a = old_new();
    struct peer c = peer_new("c");
    (void)beat(&c);
    (void)say_epoch(&c, CONSUMER_LEAVE);
    broker_stop(0);
    broker_start(0);
    old_round((struct old_peer *[]){&a, NULL});
    assert_int_equal(stored_type(), GROUP_CLASSIC);
    (void)leave(a.id, NULL);
    run_ms(1000);
    broker_stop(0);
    broker_start(0);
    c.has_to_join = true;
    assert_int_equal(beat(&c), KAFKA_NONE);
    assert_int_equal(stored_type(), GROUP_CONSUMER);
}

static void
mixed__classic_member_joins_a_consumer_group__shares_and_leaves(void **unused)
{
    (void)unused;
    struct old_peer a = old_new();
    struct peer c = peer_new("c");
    beat_all((struct peer *[]){&c, NULL}, 2);
    assert_int_equal(old_join(&a), KAFKA_NONE);
    everybody((struct peer *[]){&c, NULL}, (struct old_peer *[]){&a, NULL}, 5);
    assert_int_equal(__builtin_popcount(a.owned), 3);
    assert_int_equal(leave(a.id, NULL), KAFKA_NONE);
    beat_all((struct peer *[]){&c, NULL}, 3);
    assert_int_equal(owned_count(&c), 6);
    assert_int_equal(stored_type(), GROUP_CONSUMER);
}

static void
mixed__classic_member_is_not_heard_of__is_lost_after_its_own_session(void **unused)
{
    (void)unused;
    struct old_peer a = old_new();
    struct peer c = peer_new("c");
    beat_all((struct peer *[]){&c, NULL}, 2);
    (void)old_join(&a);
    everybody((struct peer *[]){&c, NULL}, (struct old_peer *[]){&a, NULL}, 5);
    run_ms(SESSION_MS + 1000);
    beat_all((struct peer *[]){&c, NULL}, 3);
    assert_int_equal(owned_count(&c), 6);
    assert_int_equal(old_heartbeat(&a), KAFKA_UNKNOWN_MEMBER_ID);
}

static void
mixed__told_to_join_again_and_does_not__is_lost(void **unused)
{
    (void)unused;
    struct old_peer a = old_new();
    struct peer c = peer_new("c"), d = peer_new("d");
    beat_all((struct peer *[]){&c, NULL}, 2);
    (void)old_join(&a);
    everybody((struct peer *[]){&c, NULL}, (struct old_peer *[]){&a, NULL}, 5);
    (void)beat(&d);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(old_heartbeat(&a), KAFKA_REBALANCE_IN_PROGRESS);
        run_ms(4900);
        beat_all((struct peer *[]){&c, &d, NULL}, 1);
    }
    run_ms(1000);
    beat_all((struct peer *[]){&c, &d, NULL}, 4);
    assert_int_equal(owned_count(&c) + owned_count(&d), 6);
    assert_int_equal(old_heartbeat(&a), KAFKA_UNKNOWN_MEMBER_ID);
}

static void
mixed__restart__everybody_goes_on(void **unused)
{
    (void)unused;
    struct old_peer a = old_new();
    struct peer c = peer_new("c");
    beat_all((struct peer *[]){&c, NULL}, 2);
    (void)old_join(&a);
    everybody((struct peer *[]){&c, NULL}, (struct old_peer *[]){&a, NULL}, 5);
    uint32_t had = a.owned;
    broker_stop(0);
    broker_start(0);
    assert_int_equal(old_heartbeat(&a), KAFKA_NONE);
    everybody((struct peer *[]){&c, NULL}, (struct old_peer *[]){&a, NULL}, 2);
    assert_int_equal(a.owned, had);
    assert_int_equal(owned_count(&c), 3);
}

static void
mixed__static_classic_member__is_replaced_by_one_of_the_new_protocol(void **unused)
{
    (void)unused;
    struct old_peer a = old_new();
    struct peer c = peer_new("c"), again = peer_new("a2");
    a.instance = again.instance = "one";
    beat_all((struct peer *[]){&c, NULL}, 2);
    (void)old_join(&a);
    everybody((struct peer *[]){&c, NULL}, (struct old_peer *[]){&a, NULL}, 5);
    uint32_t had = a.owned;
    assert_int_equal(beat(&again), KAFKA_NONE);
    assert_int_equal(again.owned[0], had);
    assert_int_equal(old_heartbeat(&a), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(stored_type(), GROUP_CONSUMER);
}

/* --- what they send --- */

static void
subscription__cut_off_anywhere__is_refused_or_says_less(void **unused)
{
    (void)unused;
    struct old_peer p = old_new();
    p.owned = 5;
    struct span whole = subscription_of(&p);
    for (size_t n = 0; n < whole.len; n++) {
        uint8_t *copy = (uint8_t *)sl_alloc(n + 1); /* exact, for the address sanitizer */
        memcpy(copy, whole.ptr, n);
        struct csubscription sub;
        assert_false(consumer__subscription_parse(span_of(copy, n), &w.arena, &sub));
        sl_free(copy);
    }
    struct csubscription sub;
    assert_true(consumer__subscription_parse(whole, &w.arena, &sub));
    assert_int_equal(sub.topic_count, 1);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, consumer_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(up__consumer_member_joins__classic_ones_stay_and_share),
        TEST(up__classic_group_rebalances__who_waits_joins_again),
        TEST(up__not_what_consumers_say__is_refused),
        TEST(up__another_protocol_type__is_refused),
        TEST(down__last_consumer_member_leaves__classic_again_and_rebalanced),
        TEST(down__last_consumer_member_is_lost__classic_again),
        TEST(empty__becomes_what_the_next_member_speaks),
        TEST(empty__restarted_in_between__the_same),
        TEST(mixed__classic_member_joins_a_consumer_group__shares_and_leaves),
        TEST(mixed__classic_member_is_not_heard_of__is_lost_after_its_own_session),
        TEST(mixed__told_to_join_again_and_does_not__is_lost),
        TEST(mixed__restart__everybody_goes_on),
        TEST(mixed__static_classic_member__is_replaced_by_one_of_the_new_protocol),
        TEST(subscription__cut_off_anywhere__is_refused_or_says_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
