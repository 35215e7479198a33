/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer_world.h"

/* --- description, as a test looks at it --- */

static struct consumer_describe *
describe(void)
{
    struct consumer_describe *d = NEW(struct consumer_describe);
    bool is_done = false;
    send_to(0, &d->call, "g", consumer_describe_run, &is_done);
    settle();
    assert_true(is_done);
    return d;
}

static void
expect_group(const char *state, int32_t group_epoch, size_t members)
{
    struct consumer_describe *d = describe();
    assert_int_equal(d->call.error, KAFKA_NONE);
    assert_string_equal(d->state, state);
    assert_int_equal(d->group_epoch, group_epoch);
    assert_int_equal(d->member_count, members);
    group_call_fini(&d->call);
}

/* --- joining --- */

static void
join__first_member__gets_everything_in_the_answer_and_it_is_stored(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a");
    stall(&w.brokers[0]);
    struct beating *b = beat_send(&a);
    settle();
    assert_false(b->is_done); /* not before it is verified */
    unstall(&w.brokers[0]);
    settle();
    assert_int_equal(beat_take(&a, b), KAFKA_NONE);
    assert_int_equal(a.epoch, 1);
    assert_int_equal(a.owned[0], 0x3f);
    expect_group("Stable", 1, 1);
    const struct group_state *gs = group__facts(w.brokers[0].table, span_cstr("g"));
    assert_int_equal(gs->facts->type, GROUP_CONSUMER);
    assert_int_equal(gs->facts->consumer[0].assigned.topics[0].count, 6);
}

static void
join__second_member__gets_its_part_when_the_first_has_given_it_up(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("b");
    (void)beat(&a);
    (void)beat(&b);
    assert_int_equal(b.epoch, 2);
    assert_int_equal(owned_count(&b), 0);
    expect_group("Reconciling", 2, 2);
    uint32_t before = a.owned[0];
    (void)beat(&a); /* acknowledges what it has, and is told to give up half */
    assert_int_equal(owned_count(&a), 3);
    assert_int_equal(a.epoch, 1);
    (void)beat(&b);
    assert_int_equal(owned_count(&b), 0); /* it has not said yet that it did */
    (void)beat(&a);
    assert_int_equal(a.epoch, 2);
    (void)beat(&b);
    assert_int_equal(owned_count(&b), 3);
    assert_int_equal(a.owned[0] | b.owned[0], before);
    expect_group("Stable", 2, 2);
}

static void
join__nobody_subscribed_to_the_topic_before_it_is_there__gets_it_when_it_comes(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a");
    a.subscription[0] = "later";
    assert_int_equal(beat(&a), KAFKA_NONE);
    assert_int_equal(owned_count(&a), 0);
    int32_t epoch = a.epoch;
    topic_set(1, "later", 2);
    (void)beat(&a);
    assert_int_equal(a.owned[1], 3);
    assert_int_equal(a.epoch, epoch + 1);
}

static void
join__old_client_without_an_id__is_given_one(void **unused)
{
    (void)unused;
    struct peer a = peer_new("");
    struct beating *b = beat_send(&a);
    settle(); /* needs_member_id: version 1 */
    assert_int_equal(b->h.call.error, KAFKA_INVALID_REQUEST);
    group_call_fini(&b->h.call);
    b = beat_send(&a);
    b->h.needs_member_id = false;
    settle();
    assert_int_equal(b->h.call.error, KAFKA_NONE);
    assert_int_equal(b->h.ret_member_id.len, 22);
    group_call_fini(&b->h.call);
}

static void
join__topics_not_read_yet__waits(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a");
    topics_are_complete = false;
    assert_int_equal(beat(&a), KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
    topics_are_complete = true;
    assert_int_equal(beat(&a), KAFKA_NONE);
}

static void
join__group_full__says_so(void **unused)
{
    (void)unused;
    w.brokers[0].table->o.consumer_max_size = 1;
    struct peer a = peer_new("a"), b = peer_new("b");
    (void)beat(&a);
    assert_int_equal(beat(&b), KAFKA_GROUP_MAX_SIZE_REACHED);
    expect_group("Stable", 1, 1);
}

/* --- what makes no sense --- */

static int16_t
asked(struct consumer_heartbeat h, const char *group)
{
    bool is_done = false;
    struct consumer_heartbeat *copy = NEW(struct consumer_heartbeat);
    *copy = h;
    send_to(0, &copy->call, group, consumer_heartbeat_run, &is_done);
    settle();
    assert_true(is_done);
    int16_t error = copy->call.error;
    assert_true(error == KAFKA_NONE || error != KAFKA_INVALID_REQUEST || copy->call.why != NULL);
    group_call_fini(&copy->call);
    return error;
}

static void
heartbeat__malformed__says_what_is_wrong(void **unused)
{
    (void)unused;
    struct span topic = span_cstr("t");
    const struct consumer_heartbeat fine = {.member_id = span_cstr("a"),
                                            .rebalance_timeout_ms = 1000,
                                            .has_topics = true,
                                            .has_owned = true,
                                            .topics = &topic,
                                            .topic_count = 1,
                                            .needs_member_id = true};
    struct consumer_heartbeat h = fine;
    assert_int_equal(asked(h, ""), KAFKA_INVALID_REQUEST);
    h.rebalance_timeout_ms = -1;
    assert_int_equal(asked(h, "g"), KAFKA_INVALID_REQUEST);
    h = fine;
    h.has_owned = false;
    assert_int_equal(asked(h, "g"), KAFKA_INVALID_REQUEST);
    h = fine;
    h.has_topics = false;
    assert_int_equal(asked(h, "g"), KAFKA_INVALID_REQUEST);
    h = fine;
    h.instance_id = span_of("", 0);
    assert_int_equal(asked(h, "g"), KAFKA_INVALID_REQUEST);
    h = fine;
    h.member_epoch = -2;
    assert_int_equal(asked(h, "g"), KAFKA_INVALID_REQUEST);
    h = fine;
    h.member_epoch = -3;
    assert_int_equal(asked(h, "g"), KAFKA_INVALID_REQUEST);
    h = fine;
    h.server_assignor = span_cstr("mine");
    assert_int_equal(asked(h, "g"), KAFKA_UNSUPPORTED_ASSIGNOR);
    assert_int_equal(asked(fine, "g"), KAFKA_NONE);
}

static void
heartbeat__group_or_member_unknown__says_so(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("b");
    a.has_to_join = b.has_to_join = false;
    a.epoch = 1;
    assert_int_equal(beat(&a), KAFKA_UNKNOWN_MEMBER_ID);
    (void)beat(&a);
    b.epoch = 1;
    assert_int_equal(beat(&b), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(say_epoch(&b, CONSUMER_LEAVE), KAFKA_UNKNOWN_MEMBER_ID);
}

/* --- epochs --- */

static void
epoch__greater_or_smaller_than_known__is_fenced(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a");
    (void)beat(&a);
    assert_int_equal(say_epoch(&a, 2), KAFKA_FENCED_MEMBER_EPOCH);
    topic_set(0, "t", 7);
    (void)beat(&a);
    assert_int_equal(a.epoch, 2);
    assert_int_equal(say_epoch(&a, 1), KAFKA_FENCED_MEMBER_EPOCH);
    assert_int_equal(beat(&a), KAFKA_NONE);
}

static void
epoch__answer_was_lost__goes_on_with_the_one_before(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a");
    (void)beat(&a);
    struct peer before = a;
    topic_set(0, "t", 7);
    (void)beat(&a);
    before.has_to_say_all = true; /* as clients do that had no answer */
    assert_int_equal(beat(&before), KAFKA_NONE);
    assert_int_equal(before.epoch, 2);
    assert_int_equal(before.owned[0], 0x7f);
}

static void
epoch__answer_was_lost_but_it_owns_what_is_not_its__is_fenced(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a");
    (void)beat(&a);
    struct peer before = a;
    topic_set(0, "t", 7);
    (void)beat(&a);
    before.has_to_say_all = true;
    before.owned[0] |= 1u << 9;
    assert_int_equal(beat(&before), KAFKA_FENCED_MEMBER_EPOCH);
    assert_true(before.has_to_join);
    assert_int_equal(beat(&before), KAFKA_NONE);
    assert_int_equal(before.owned[0], 0x7f);
}

/* --- what is said in an answer --- */

static void
assignment__nothing_new__is_not_told_and_not_stored(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a");
    (void)beat(&a);
    (void)beat(&a);
    size_t puts = w.memory.puts;
    struct beating *b = beat_send(&a);
    settle();
    assert_false(b->h.has_assignment);
    assert_int_equal(beat_take(&a, b), KAFKA_NONE);
    assert_int_equal(w.memory.puts, puts);
}

static void
assignment__full_request__is_told(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a");
    (void)beat(&a);
    a.has_to_say_all = true;
    struct beating *b = beat_send(&a);
    settle();
    assert_true(b->h.has_assignment);
    assert_int_equal(b->h.ret_assignment.topics[0].count, 6);
    (void)beat_take(&a, b);
    assert_int_equal(a.epoch, 1);
}

static void
heartbeat__store_stalls__is_answered_from_memory(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("b");
    (void)beat(&a);
    (void)beat(&a);
    stall(&w.brokers[0]);
    struct beating *joining = beat_send(&b);
    for (int i = 0; i < 5; i++) {
        run_ms(5000);
        struct beating *h = beat_send(&a);
        run_ms(1);
        if (i == 0) { /* it is to give something up: that has to be stored before it is told */
            assert_false(h->is_done);
            unstall(&w.brokers[0]);
            settle();
            assert_int_equal(beat_take(&a, h), KAFKA_NONE);
            stall(&w.brokers[0]);
            assert_true(joining->is_done);
            assert_int_equal(beat_take(&b, joining), KAFKA_NONE);
            a.has_to_ack = false; /* it does not get around to it */
            continue;
        }
        assert_int_equal(beat_take(&a, h), KAFKA_NONE);
    }
    unstall(&w.brokers[0]);
    settle();
}

/* --- leaving and being lost --- */

static void
leave__last_member__group_is_empty_and_stored(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a");
    (void)beat(&a);
    assert_int_equal(say_epoch(&a, CONSUMER_LEAVE), KAFKA_NONE);
    expect_group("Empty", 2, 0);
    const struct group_state *gs = group__facts(w.brokers[0].table, span_cstr("g"));
    assert_int_equal(gs->facts->member_count, 0);
    a.has_to_join = true;
    assert_int_equal(beat(&a), KAFKA_NONE);
    assert_int_equal(a.epoch, 3);
}

static void
leave__one_of_two__the_other_gets_all(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("b");
    beat_all((struct peer *[]){&a, &b, NULL}, 4);
    assert_int_equal(owned_count(&a), 3);
    assert_int_equal(say_epoch(&b, CONSUMER_LEAVE), KAFKA_NONE);
    (void)beat(&a);
    assert_int_equal(a.owned[0], 0x3f);
}

static void
session__not_heard_of__is_lost_and_its_partitions_are_free(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("b");
    beat_all((struct peer *[]){&a, &b, NULL}, 4);
    for (int i = 0; i < 8; i++) {
        run_ms(5000);
        (void)beat(&a);
        assert_int_equal(owned_count(&a), 3);
    }
    run_ms(5000);
    (void)beat(&a);
    assert_int_equal(owned_count(&a), 6);
    assert_int_equal(beat(&b), KAFKA_UNKNOWN_MEMBER_ID);
}

static void
patience__does_not_give_up_in_time__is_lost(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("b");
    (void)beat(&a);
    (void)beat(&b);
    (void)beat(&a); /* told */
    a.has_to_ack = false;
    for (int i = 0; i < 5; i++) {
        run_ms(5000);
        assert_int_equal(beat(&a), KAFKA_NONE);
        a.has_to_ack = false;
        (void)beat(&b);
        assert_int_equal(owned_count(&b), 0);
    }
    run_ms(6000);
    assert_int_equal(beat(&a), KAFKA_UNKNOWN_MEMBER_ID);
    (void)beat(&b);
    assert_int_equal(owned_count(&b), 6);
}

static void
session__store_keeps_it_waiting__its_clock_stands_still(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a");
    stall(&w.brokers[0]);
    struct beating *b = beat_send(&a);
    run_ms(25000);
    unstall(&w.brokers[0]);
    settle();
    assert_int_equal(beat_take(&a, b), KAFKA_NONE);
    run_ms(30000);
    assert_int_equal(beat(&a), KAFKA_NONE);
}

/* --- static members --- */

static void
static__leaves_for_a_while__keeps_its_partitions_for_who_comes_back(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("b"), again = peer_new("a2");
    a.instance = again.instance = "one";
    b.instance = "two";
    beat_all((struct peer *[]){&a, &b, NULL}, 4);
    uint32_t had = a.owned[0];
    int32_t epoch = a.epoch;
    assert_int_equal(say_epoch(&a, CONSUMER_LEAVE_STATIC), KAFKA_NONE);
    run_ms(5000);
    (void)beat(&b);
    assert_int_equal(owned_count(&b), 3);
    assert_int_equal(beat(&again), KAFKA_NONE);
    assert_int_equal(again.owned[0], had);
    assert_int_equal(again.epoch, epoch); /* nothing else changed */
    assert_int_equal(beat(&a), KAFKA_FENCED_INSTANCE_ID);
}

static void
static__does_not_come_back__is_lost_with_its_session(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("b");
    a.instance = "one";
    beat_all((struct peer *[]){&a, &b, NULL}, 4);
    (void)say_epoch(&a, CONSUMER_LEAVE_STATIC);
    for (int i = 0; i < 10; i++) {
        run_ms(5000);
        (void)beat(&b);
    }
    assert_int_equal(owned_count(&b), 6);
}

/* Its predecessor's answer waited for the store, and with it the clock of the session stood still.
 */
static void
static__comes_back_while_its_leaving_waits__can_be_lost_again(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("b"), again = peer_new("a2");
    a.instance = again.instance = "one";
    beat_all((struct peer *[]){&a, &b, NULL}, 4);
    stall(&w.brokers[0]);
    struct beating *l = NEW(struct beating);
    l->h = (struct consumer_heartbeat){.member_id = span_cstr(a.id),
                                       .member_epoch = CONSUMER_LEAVE_STATIC,
                                       .instance_id = span_cstr(a.instance),
                                       .rebalance_timeout_ms = -1,
                                       .needs_member_id = true};
    send_to(0, &l->h.call, "g", consumer_heartbeat_run, &l->is_done);
    run_ms(10);
    struct beating *back = beat_send(&again);
    run_ms(10);
    assert_false(l->is_done || back->is_done);
    unstall(&w.brokers[0]);
    settle();
    assert_true(l->is_done);
    group_call_fini(&l->h.call);
    assert_int_equal(beat_take(&again, back), KAFKA_NONE);
    assert_int_equal(owned_count(&again), 3);
    for (int i = 0; i < 10; i++) { /* it crashes */
        run_ms(5000);
        (void)beat(&b);
    }
    assert_int_equal(owned_count(&b), 6);
}

static void
static__instance_in_use__is_not_released(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), other = peer_new("b");
    a.instance = other.instance = "one";
    (void)beat(&a);
    assert_int_equal(beat(&other), KAFKA_UNRELEASED_INSTANCE_ID);
    assert_int_equal(beat(&a), KAFKA_NONE);
}

/* --- subscriptions and topics --- */

static void
topic__grows__new_partitions_are_assigned(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("b");
    beat_all((struct peer *[]){&a, &b, NULL}, 4);
    uint32_t had = a.owned[0];
    topic_set(0, "t", 8);
    beat_all((struct peer *[]){&a, &b, NULL}, 4);
    assert_int_equal(owned_count(&a), 4);
    assert_int_equal(a.owned[0] & had, had);
    assert_int_equal(a.owned[0] | b.owned[0], 0xff);
}

static void
topic__deleted_and_created_again__is_another_topic(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a");
    beat_all((struct peer *[]){&a, NULL}, 2);
    topic_set(0, "t", 0);
    beat_all((struct peer *[]){&a, NULL}, 3);
    assert_int_equal(owned_count(&a), 0);
    topic_set(0, "t", 2);
    beat_all((struct peer *[]){&a, NULL}, 3);
    assert_int_equal(a.owned[0], 3);
}

static void
topic__another_one_changes__nothing_happens(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a");
    beat_all((struct peer *[]){&a, NULL}, 2);
    topic_set(1, "other", 5);
    (void)beat(&a);
    expect_group("Stable", 1, 1);
}

static void
subscription__changes__what_is_not_wanted_is_given_up(void **unused)
{
    (void)unused;
    topic_set(1, "u", 4);
    struct peer a = peer_new("a"), b = peer_new("b");
    a.subscription[1] = "u";
    beat_all((struct peer *[]){&a, &b, NULL}, 5);
    assert_int_equal(a.owned[1], 0xf);
    a.subscription[0] = "u";
    a.subscription[1] = NULL;
    a.has_to_say_all = true;
    beat_all((struct peer *[]){&a, &b, NULL}, 5);
    assert_int_equal(a.owned[0], 0);
    assert_int_equal(a.owned[1], 0xf);
    assert_int_equal(b.owned[0], 0x3f);
}

static void
assignor__most_ask_for_range__it_is_range(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("b");
    a.assignor = b.assignor = "range";
    beat_all((struct peer *[]){&a, &b, NULL}, 4);
    assert_int_equal(a.owned[0], 7);
    assert_int_equal(b.owned[0], 0x38);
    struct consumer_describe *d = describe();
    assert_string_equal(d->assignor, "range");
    group_call_fini(&d->call);
}

/* --- expressions --- */

static void
expression__matches_topics_also_those_that_come_later(void **unused)
{
    (void)unused;
    topic_set(1, "orders-eu", 2);
    struct peer a = peer_new("a");
    a.subscription[0] = NULL;
    a.regex = "orders-.*";
    assert_int_equal(beat(&a), KAFKA_NONE);
    assert_int_equal(a.owned[1], 3);
    assert_int_equal(owned_count(&a), 2);
    topic_set(2, "orders-us", 1);
    run_ms(5000);
    (void)beat(&a);
    assert_int_equal(a.owned[2], 1);
    topic_set(1, "orders-eu", 0);
    run_ms(5000);
    beat_all((struct peer *[]){&a, NULL}, 2);
    assert_int_equal(owned_count(&a), 1);
}

static void
expression__malformed__is_refused_and_leaves_nothing_behind(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a");
    a.subscription[0] = NULL;
    a.regex = "(";
    size_t puts = w.memory.puts;
    struct beating *b = beat_send(&a);
    settle();
    assert_int_equal(b->h.call.error, KAFKA_INVALID_REGULAR_EXPRESSION);
    assert_non_null(strstr(b->h.call.why, "parenthesis"));
    (void)beat_take(&a, b);
    assert_int_equal(w.memory.puts, puts);
    assert_null(group__find(w.brokers[0].table, span_cstr("g")));
}

static void
expression__with_names__both_count_and_empty_ends_it(void **unused)
{
    (void)unused;
    topic_set(1, "u", 2);
    struct peer a = peer_new("a");
    a.regex = "u";
    (void)beat(&a);
    assert_int_equal(owned_count(&a), 8);
    a.regex = "";
    a.has_to_say_all = true;
    beat_all((struct peer *[]){&a, NULL}, 3);
    assert_int_equal(owned_count(&a), 6);
    assert_int_equal(a.owned[1], 0);
}

static void
expression__too_many_different_ones__refused(void **unused)
{
    (void)unused;
    char pattern[16];
    for (int i = 0; i <= 100; i++) {
        struct peer p = peer_new("");
        snprintf(p.id, sizeof(p.id), "m%d", i);
        snprintf(pattern, sizeof(pattern), "t|x%d", i);
        p.subscription[0] = NULL;
        p.regex = text(span_cstr(pattern));
        assert_int_equal(beat(&p), i < 100 ? KAFKA_NONE : KAFKA_INVALID_REGULAR_EXPRESSION);
    }
    struct peer same = peer_new("same");
    same.subscription[0] = NULL;
    same.regex = "t|x7";
    assert_int_equal(beat(&same), KAFKA_NONE);
}

/* --- commits --- */

static int16_t
commit_as(const struct peer *p, int32_t epoch, int64_t offset, bool is_v9)
{
    struct committing *a = commit_send(0, "g", p->id, epoch, offset);
    a->c.has_group_not_found = is_v9;
    settle();
    done_with(&a->c.call, &a->is_done);
    return a->part.error;
}

static void
commit__epoch_of_the_member__or_it_is_stale(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("nobody");
    (void)beat(&a);
    assert_int_equal(commit_as(&a, 1, 11, true), KAFKA_NONE);
    assert_int_equal(fetched_at(0, "g"), 11);
    assert_int_equal(commit_as(&a, 0, 12, true), KAFKA_STALE_MEMBER_EPOCH);
    assert_int_equal(commit_as(&a, 2, 12, true), KAFKA_STALE_MEMBER_EPOCH);
    assert_int_equal(commit_as(&a, 1, 12, false), KAFKA_UNSUPPORTED_VERSION);
    assert_int_equal(commit_as(&b, 1, 12, true), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(fetched_at(0, "g"), 11);
    (void)say_epoch(&a, CONSUMER_LEAVE);
    assert_int_equal(commit_as(&a, 1, 12, true), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit("", -1, 13), KAFKA_NONE); /* nobody is there */
    assert_int_equal(fetched_at(0, "g"), 13);
}

/* --- restart, two coordinators --- */

static void
restart__members_go_on__with_epoch_and_partitions(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("b");
    b.subscription[0] = NULL;
    b.regex = "t|u";
    beat_all((struct peer *[]){&a, &b, NULL}, 4);
    struct peer was_a = a, was_b = b;
    broker_stop(0);
    broker_start(0);
    beat_all((struct peer *[]){&a, &b, NULL}, 2);
    assert_int_equal(a.epoch, was_a.epoch);
    assert_memory_equal(a.owned, was_a.owned, sizeof(a.owned));
    assert_memory_equal(b.owned, was_b.owned, sizeof(b.owned));
    expect_group("Stable", 2, 2);
    topic_set(1, "u", 1);
    run_ms(5000);
    beat_all((struct peer *[]){&a, &b, NULL}, 3);
    assert_int_equal(b.owned[1], 1);
}

static void
restart__in_the_middle_of_a_revocation__goes_on_from_there(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("b");
    (void)beat(&a);
    (void)beat(&b);
    (void)beat(&a); /* told, not acknowledged */
    broker_stop(0);
    broker_start(0);
    (void)beat(&b);
    assert_int_equal(owned_count(&b), 0);
    (void)beat(&a);
    (void)beat(&b);
    assert_int_equal(owned_count(&b), 3);
    assert_int_equal(a.owned[0] & b.owned[0], 0);
}

static void
coordinators__two_of_them__the_old_one_hands_nothing_out(void **unused)
{
    (void)unused;
    struct peer a = peer_new("a"), b = peer_new("b"), old;
    (void)beat(&a);
    (void)beat(&a);
    broker_start(1);
    a.broker = b.broker = 1;
    old = a; /* answers to a are lost from here on, and it asks the first broker again */
    (void)beat(&b);
    beat_all((struct peer *[]){&a, &b, NULL}, 4);
    assert_int_equal(owned_count(&b), 3);
    old.broker = 0;
    old.has_to_say_all = true;
    int16_t error = beat(&old);
    assert_true(error == KAFKA_NOT_COORDINATOR || error == KAFKA_FENCED_MEMBER_EPOCH);
    old.has_to_join = true;
    for (int i = 0; i < 5; i++) {
        (void)beat(&old);
        assert_int_equal(old.owned[0] & b.owned[0], 0);
    }
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, consumer_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(join__first_member__gets_everything_in_the_answer_and_it_is_stored),
        TEST(join__second_member__gets_its_part_when_the_first_has_given_it_up),
        TEST(join__nobody_subscribed_to_the_topic_before_it_is_there__gets_it_when_it_comes),
        TEST(join__old_client_without_an_id__is_given_one),
        TEST(join__topics_not_read_yet__waits),
        TEST(join__group_full__says_so),
        TEST(heartbeat__malformed__says_what_is_wrong),
        TEST(heartbeat__group_or_member_unknown__says_so),
        TEST(epoch__greater_or_smaller_than_known__is_fenced),
        TEST(epoch__answer_was_lost__goes_on_with_the_one_before),
        TEST(epoch__answer_was_lost_but_it_owns_what_is_not_its__is_fenced),
        TEST(assignment__nothing_new__is_not_told_and_not_stored),
        TEST(assignment__full_request__is_told),
        TEST(heartbeat__store_stalls__is_answered_from_memory),
        TEST(leave__last_member__group_is_empty_and_stored),
        TEST(leave__one_of_two__the_other_gets_all),
        TEST(session__not_heard_of__is_lost_and_its_partitions_are_free),
        TEST(patience__does_not_give_up_in_time__is_lost),
        TEST(session__store_keeps_it_waiting__its_clock_stands_still),
        TEST(static__leaves_for_a_while__keeps_its_partitions_for_who_comes_back),
        TEST(static__does_not_come_back__is_lost_with_its_session),
        TEST(static__comes_back_while_its_leaving_waits__can_be_lost_again),
        TEST(static__instance_in_use__is_not_released),
        TEST(topic__grows__new_partitions_are_assigned),
        TEST(topic__deleted_and_created_again__is_another_topic),
        TEST(topic__another_one_changes__nothing_happens),
        TEST(subscription__changes__what_is_not_wanted_is_given_up),
        TEST(assignor__most_ask_for_range__it_is_range),
        TEST(expression__matches_topics_also_those_that_come_later),
        TEST(expression__malformed__is_refused_and_leaves_nothing_behind),
        TEST(expression__with_names__both_count_and_empty_ends_it),
        TEST(expression__too_many_different_ones__refused),
        TEST(commit__epoch_of_the_member__or_it_is_stale),
        TEST(restart__members_go_on__with_epoch_and_partitions),
        TEST(restart__in_the_middle_of_a_revocation__goes_on_from_there),
        TEST(coordinators__two_of_them__the_old_one_hands_nothing_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
