/* SPDX-License-Identifier: Apache-2.0 */
#include "group_world.h"

/* --- joining --- */

static void
join__first_member__waits_the_initial_delay_and_leads(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){.protocol = "range", .metadata = "topics"});
    assert_false(a->is_done);
    expect_state("PreparingRebalance");
    run_ms(3000);
    assert_true(a->is_done);
    assert_int_equal(a->j.ret_generation, 1);
    assert_string_equal(text(a->j.ret_protocol), "range");
    assert_true(span_eq(a->j.ret_leader, a->j.ret_member_id));
    assert_int_equal(a->j.ret_member_count, 1);
    assert_string_equal(text(a->j.ret_members[0].metadata), "topics");
    (void)joined_id(a, KAFKA_NONE);
    expect_state("CompletingRebalance");
}

static void
join__old_client__joins_without_asking_for_an_id(void **unused)
{
    (void)unused;
    struct joining *a = join_send((struct who){.is_old = true});
    assert_false(a->is_done);
    run_ms(3000);
    assert_true(strlen(joined_id(a, KAFKA_NONE)) > 0);
}

static void
join__second_member_during_the_delay__prolongs_it_and_shares_the_generation(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){0});
    run_ms(2000);
    struct joining *b = join_new((struct who){0});
    run_ms(2000);
    assert_false(a->is_done);
    run_ms(2500);
    assert_true(a->is_done && b->is_done);
    assert_int_equal(a->j.ret_generation, 1);
    assert_int_equal(b->j.ret_generation, 1);
    assert_int_equal(a->j.ret_member_count, 2);
    assert_int_equal(b->j.ret_member_count, 0);
    assert_true(span_eq(a->j.ret_leader, b->j.ret_leader));
    (void)joined_id(a, KAFKA_NONE);
    (void)joined_id(b, KAFKA_NONE);
}

static void
join__session_out_of_range__says_so(void **unused)
{
    (void)unused;
    (void)joined_id(join_send((struct who){.session_ms = 5999}), KAFKA_INVALID_SESSION_TIMEOUT);
    (void)joined_id(join_send((struct who){.session_ms = 1800001}), KAFKA_INVALID_SESSION_TIMEOUT);
}

static void
join__no_group_id__refused(void **unused)
{
    (void)unused;
    (void)joined_id(join_send((struct who){.group = ""}), KAFKA_INVALID_GROUP_ID);
}

static void
join__unknown_id__refused(void **unused)
{
    (void)unused;
    (void)joined_id(join_send((struct who){.id = "nobody"}), KAFKA_UNKNOWN_MEMBER_ID);
    (void)stable_one();
    (void)joined_id(join_send((struct who){.id = "nobody"}), KAFKA_UNKNOWN_MEMBER_ID);
}

static void
join__no_common_protocol__refused(void **unused)
{
    (void)unused;
    (void)stable_one();
    (void)joined_id(join_send((struct who){.protocol = "other"}),
                    KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    (void)joined_id(join_send((struct who){.type = "connect"}), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    (void)joined_id(join_send((struct who){.group = "new", .type = ""}),
                    KAFKA_INCONSISTENT_GROUP_PROTOCOL);
}

static void
join__several_protocols__the_one_most_members_prefer_among_those_all_know(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){.protocol = "x", .second = "y"});
    struct joining *b = join_new((struct who){.protocol = "y", .second = "x"});
    struct joining *c = join_new((struct who){.protocol = "y", .second = "x"});
    run_ms(10000);
    assert_string_equal(text(a->j.ret_protocol), "y");
    (void)joined_id(a, KAFKA_NONE);
    (void)joined_id(b, KAFKA_NONE);
    (void)joined_id(c, KAFKA_NONE);
}

static void
join__id_given_out_and_not_used__expires_with_the_session(void **unused)
{
    (void)unused;
    const char *id = joined_id(join_send((struct who){0}), KAFKA_MEMBER_ID_REQUIRED);
    run_ms(SESSION_MS + 100);
    (void)joined_id(join_send((struct who){.id = id}), KAFKA_UNKNOWN_MEMBER_ID);
    expect_state("Dead");
}

static void
join__follower_unchanged_in_stable__gets_the_generation_back(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){0});
    struct joining *b = join_new((struct who){0});
    run_ms(10000);
    const char *leader = joined_id(a, KAFKA_NONE), *follower = joined_id(b, KAFKA_NONE);
    struct syncing *s = sync_send(0, leader, 1, (const char *[]){leader, follower, NULL},
                                  (const char *[]){"1", "2"});
    synced(s, KAFKA_NONE, "1");
    synced(sync_send(0, follower, 1, NULL, NULL), KAFKA_NONE, "2");
    struct joining *again = join_send((struct who){.id = follower});
    assert_int_equal(again->j.ret_generation, 1);
    assert_int_equal(again->j.ret_member_count, 0);
    (void)joined_id(again, KAFKA_NONE);
    expect_state("Stable");
}

static void
join__follower_changed_in_stable__rebalances(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){0});
    struct joining *b = join_new((struct who){0});
    run_ms(10000);
    const char *leader = joined_id(a, KAFKA_NONE), *follower = joined_id(b, KAFKA_NONE);
    synced(sync_send(0, leader, 1, NULL, NULL), KAFKA_NONE, "");
    b = join_send((struct who){.id = follower, .metadata = "changed"});
    assert_false(b->is_done);
    assert_int_equal(heartbeat(leader, 1), KAFKA_REBALANCE_IN_PROGRESS);
    a = join_send((struct who){.id = leader});
    (void)joined_id(a, KAFKA_NONE);
    assert_int_equal(b->j.ret_generation, 2);
    (void)joined_id(b, KAFKA_NONE);
}

static void
join__leader_in_stable__always_rebalances(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    struct joining *a = join_send((struct who){.id = id});
    assert_int_equal(a->j.ret_generation, 2);
    (void)joined_id(a, KAFKA_NONE);
    expect_state("CompletingRebalance");
}

static void
join__unchanged_in_completing__gets_the_generation_back(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){0});
    run_ms(3000);
    const char *id = joined_id(a, KAFKA_NONE);
    a = join_send((struct who){.id = id});
    assert_int_equal(a->j.ret_generation, 1);
    assert_int_equal(a->j.ret_member_count, 1);
    (void)joined_id(a, KAFKA_NONE);
}

static void
join__member_that_does_not_come_back__is_dropped_after_the_rebalance_timeout(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    struct joining *b = join_new((struct who){.rebalance_ms = 20000});
    for (int i = 0; i < 12; i++) { /* it lives, and does not join */
        assert_int_equal(heartbeat(id, 1), KAFKA_REBALANCE_IN_PROGRESS);
        run_ms(5000);
    }
    assert_int_equal(b->j.ret_generation, 2);
    assert_int_equal(b->j.ret_member_count, 1);
    (void)joined_id(b, KAFKA_NONE);
    assert_int_equal(heartbeat(id, 2), KAFKA_UNKNOWN_MEMBER_ID);
}

static void
join__group_full__refused(void **unused)
{
    (void)unused;
    broker_stop(0);
    w.options.max_size = 1;
    broker_start(0);
    const char *id = stable_one();
    const char *other =
        joined_id(join_send((struct who){.is_old = true}), KAFKA_GROUP_MAX_SIZE_REACHED);
    assert_string_equal(other, "");
    assert_int_equal(heartbeat(id, 1), KAFKA_NONE);
}

static void
join__more_bytes_than_a_group_may_hold__refused(void **unused)
{
    (void)unused;
    broker_stop(0);
    w.options.max_group_bytes = 2000;
    broker_start(0);
    char *metadata = (char *)arena_alloc(&w.arena, 3001);
    memset(metadata, 'x', 3000);
    (void)joined_id(join_send((struct who){.is_old = true, .metadata = metadata}),
                    KAFKA_GROUP_MAX_SIZE_REACHED);
    expect_state("Dead");
}

static void
join__more_groups_than_the_table_may_hold__refused(void **unused)
{
    (void)unused;
    broker_stop(0);
    w.options.max_groups = 1;
    broker_start(0);
    struct joining *a = join_new((struct who){.group = "one"});
    (void)joined_id(join_send((struct who){.group = "two"}), KAFKA_GROUP_MAX_SIZE_REACHED);
    run_ms(3000);
    (void)joined_id(a, KAFKA_NONE);
}

/* --- syncing --- */

static void
sync__follower_first__waits_for_the_leader(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){0});
    struct joining *b = join_new((struct who){0});
    run_ms(10000);
    const char *leader = joined_id(a, KAFKA_NONE), *follower = joined_id(b, KAFKA_NONE);
    struct syncing *f = sync_send(0, follower, 1, NULL, NULL);
    assert_false(f->is_done);
    struct syncing *l =
        sync_send(0, leader, 1, (const char *[]){leader, NULL}, (const char *[]){"everything"});
    synced(l, KAFKA_NONE, "everything");
    synced(f, KAFKA_NONE, ""); /* not named, so it gets nothing */
    expect_state("Stable");
}

static void
sync__wrong_generation_member_or_protocol__refused(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    synced(sync_send(0, id, 7, NULL, NULL), KAFKA_ILLEGAL_GENERATION, NULL);
    synced(sync_send(0, "nobody", 1, NULL, NULL), KAFKA_UNKNOWN_MEMBER_ID, NULL);
    struct syncing *a = NEW(struct syncing);
    a->s = (struct group_sync){
        .member_id = span_cstr(id), .generation = 1, .protocol = span_cstr("other")};
    send_to(0, &a->s.call, "g", group_sync_run, &a->is_done);
    settle();
    synced(a, KAFKA_INCONSISTENT_GROUP_PROTOCOL, NULL);
    synced(sync_send(0, id, 1, NULL, NULL), KAFKA_NONE, "all"); /* what it had */
}

static void
sync__rebalance_meanwhile__told_to_join_again(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){0});
    struct joining *b = join_new((struct who){0});
    run_ms(10000);
    const char *leader = joined_id(a, KAFKA_NONE), *follower = joined_id(b, KAFKA_NONE);
    struct syncing *f = sync_send(0, follower, 1, NULL, NULL);
    struct joining *c = join_new((struct who){0});
    synced(f, KAFKA_REBALANCE_IN_PROGRESS, NULL);
    synced(sync_send(0, leader, 1, NULL, NULL), KAFKA_REBALANCE_IN_PROGRESS, NULL);
    a = join_send((struct who){.id = leader});
    b = join_send((struct who){.id = follower});
    (void)joined_id(a, KAFKA_NONE);
    (void)joined_id(b, KAFKA_NONE);
    (void)joined_id(c, KAFKA_NONE);
}

static void
sync__not_answered_before_it_is_stored(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){0});
    run_ms(3000);
    const char *id = joined_id(a, KAFKA_NONE);
    stall(&w.brokers[0]);
    struct syncing *s = sync_send(0, id, 1, (const char *[]){id, NULL}, (const char *[]){"all"});
    run_ms(5000);
    assert_false(s->is_done);
    assert_int_equal(heartbeat(id, 1), KAFKA_NONE); /* from memory, whatever the store does */
    unstall(&w.brokers[0]);
    settle();
    synced(s, KAFKA_NONE, "all");
}

/* Found by the simulator: partitions that came meanwhile were nobody's. */
static void
sync__leader_assigns_again_while_it_is_stored__rebalances(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){0});
    run_ms(3000);
    const char *id = joined_id(a, KAFKA_NONE);
    stall(&w.brokers[0]);
    (void)sync_send(0, id, 1, (const char *[]){id, NULL}, (const char *[]){"all"});
    struct syncing *same = sync_send(0, id, 1, (const char *[]){id, NULL}, (const char *[]){"all"});
    struct syncing *more =
        sync_send(0, id, 1, (const char *[]){id, NULL}, (const char *[]){"more"});
    assert_true(same->is_done);
    unstall(&w.brokers[0]);
    settle();
    synced(more, KAFKA_NONE, "all"); /* which is what the log has */
    expect_state("PreparingRebalance");
    assert_int_equal(heartbeat(id, 1), KAFKA_REBALANCE_IN_PROGRESS);
}

static void
sync__leader_asks_again_when_it_is_stored__rebalances_if_it_says_otherwise(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    synced(sync_send(0, id, 1, (const char *[]){id, NULL}, (const char *[]){"all"}), KAFKA_NONE,
           "all");
    expect_state("Stable");
    synced(sync_send(0, id, 1, (const char *[]){id, NULL}, (const char *[]){"more"}), KAFKA_NONE,
           "all");
    expect_state("PreparingRebalance");
}

static void
sync__store_does_not_answer__rebalances_in_the_end(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){0});
    run_ms(3000);
    const char *id = joined_id(a, KAFKA_NONE);
    stall(&w.brokers[0]);
    struct syncing *s = sync_send(0, id, 1, (const char *[]){id, NULL}, (const char *[]){"all"});
    run_ms(40000);
    synced(s, KAFKA_COORDINATOR_NOT_AVAILABLE, NULL);
    unstall(&w.brokers[0]);
    settle(); /* the op is in the log after all */
    a = join_send((struct who){.id = id});
    assert_int_equal(a->j.ret_generation, 2);
    (void)joined_id(a, KAFKA_NONE);
    synced(sync_send(0, id, 2, (const char *[]){id, NULL}, (const char *[]){"new"}), KAFKA_NONE,
           "new");
}

static void
sync__member_that_never_asks__is_dropped_after_the_rebalance_timeout(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){.rebalance_ms = 15000, .session_ms = 100000});
    struct joining *b = join_new((struct who){.rebalance_ms = 15000, .session_ms = 100000});
    run_ms(10000);
    const char *leader = joined_id(a, KAFKA_NONE), *follower = joined_id(b, KAFKA_NONE);
    synced(sync_send(0, leader, 1, NULL, NULL), KAFKA_NONE, "");
    run_ms(16000);
    assert_int_equal(heartbeat(leader, 1), KAFKA_REBALANCE_IN_PROGRESS);
    assert_int_equal(heartbeat(follower, 1), KAFKA_UNKNOWN_MEMBER_ID);
}

static void
sync__assignment_too_large__refused_and_rebalanced(void **unused)
{
    (void)unused;
    broker_stop(0);
    w.options.max_group_bytes = 4000;
    broker_start(0);
    char *large = (char *)arena_alloc(&w.arena, 5001);
    memset(large, 'x', 5000);
    struct joining *a = join_new((struct who){0});
    run_ms(3000);
    const char *id = joined_id(a, KAFKA_NONE);
    synced(sync_send(0, id, 1, (const char *[]){id, NULL}, (const char *[]){large}),
           KAFKA_UNKNOWN_SERVER_ERROR, NULL);
    expect_state("PreparingRebalance");
}

/* --- heartbeats, sessions, leaving --- */

static void
heartbeat__each_mistake__has_its_error(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    assert_int_equal(heartbeat(id, 1), KAFKA_NONE);
    assert_int_equal(heartbeat(id, 2), KAFKA_ILLEGAL_GENERATION);
    assert_int_equal(heartbeat("nobody", 1), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(heartbeat_at(0, id, "instance", 1), KAFKA_UNKNOWN_MEMBER_ID);
}

static void
heartbeat__in_completing__is_fine(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){0});
    run_ms(3000);
    const char *id = joined_id(a, KAFKA_NONE);
    assert_int_equal(heartbeat(id, 1), KAFKA_NONE);
}

static void
session__heard_of__lives_on(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    for (int i = 0; i < 10; i++) {
        run_ms(SESSION_MS - 1000);
        assert_int_equal(heartbeat(id, 1), KAFKA_NONE);
    }
}

static void
session__over__the_group_is_empty_and_stored_so(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    run_ms(SESSION_MS + 100);
    assert_int_equal(heartbeat(id, 1), KAFKA_UNKNOWN_MEMBER_ID);
    expect_state("Empty");
    assert_null(group__find(w.brokers[0].table, span_cstr("g"))); /* facts only */
    broker_stop(0);
    broker_start(0);
    expect_state("Empty");
}

static void
session__waits_for_the_rebalance__does_not_expire(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    struct joining *b = join_new((struct who){.rebalance_ms = 60000});
    for (int i = 0; i < 5; i++) { /* longer than b's session */
        run_ms(5000);
        assert_int_equal(heartbeat(id, 1), KAFKA_REBALANCE_IN_PROGRESS);
    }
    assert_false(b->is_done);
    struct joining *a = join_send((struct who){.id = id});
    assert_int_equal(a->j.ret_member_count, 2);
    (void)joined_id(a, KAFKA_NONE);
    (void)joined_id(b, KAFKA_NONE);
}

static void
leave__last_member__empties_the_group(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    assert_int_equal(leave(id, NULL), KAFKA_NONE);
    expect_state("Empty");
    assert_int_equal(leave(id, NULL), KAFKA_UNKNOWN_MEMBER_ID);
}

static void
leave__while_others_wait__completes_their_rebalance(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    struct joining *b = join_new((struct who){0});
    assert_false(b->is_done);
    assert_int_equal(leave(id, NULL), KAFKA_NONE);
    assert_int_equal(b->j.ret_generation, 2);
    assert_int_equal(b->j.ret_member_count, 1);
    (void)joined_id(b, KAFKA_NONE);
}

static void
leave__group_or_member_unknown__says_so(void **unused)
{
    (void)unused;
    assert_int_equal(leave("nobody", NULL), KAFKA_UNKNOWN_MEMBER_ID);
    (void)stable_one();
    assert_int_equal(leave("nobody", NULL), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(leave("", "no instance"), KAFKA_UNKNOWN_MEMBER_ID);
}

static void
leave__id_given_out__is_taken_back(void **unused)
{
    (void)unused;
    const char *id = joined_id(join_send((struct who){0}), KAFKA_MEMBER_ID_REQUIRED);
    assert_int_equal(leave(id, NULL), KAFKA_NONE);
    (void)joined_id(join_send((struct who){.id = id}), KAFKA_UNKNOWN_MEMBER_ID);
}

/* --- static members --- */

static const char *
stable_static(const char *metadata)
{
    struct joining *a = join_send((struct who){.instance = "i", .metadata = metadata});
    assert_false(a->is_done); /* a static member needs no id first */
    run_ms(3000);
    const char *id = joined_id(a, KAFKA_NONE);
    synced(sync_send(0, id, 1, (const char *[]){id, NULL}, (const char *[]){"all"}), KAFKA_NONE,
           "all");
    return id;
}

static void
static__comes_back_unchanged__no_rebalance_and_leads_without_assigning(void **unused)
{
    (void)unused;
    const char *old = stable_static("m");
    struct joining *a = join_send((struct who){.instance = "i", .metadata = "m", .can_skip = true});
    assert_true(a->is_done);
    assert_int_equal(a->j.ret_generation, 1);
    assert_true(a->j.ret_skip_assignment);
    assert_true(span_eq(a->j.ret_leader, a->j.ret_member_id));
    assert_int_equal(a->j.ret_member_count, 1);
    const char *id = joined_id(a, KAFKA_NONE);
    assert_string_not_equal(id, old);
    synced(sync_send(0, id, 1, NULL, NULL), KAFKA_NONE, "all");
    expect_state("Stable");
    assert_int_equal(heartbeat_at(0, old, "i", 1), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(heartbeat_at(0, id, "i", 1), KAFKA_NONE);
}

static void
static__old_client_comes_back_as_leader__is_told_that_it_follows(void **unused)
{
    (void)unused;
    const char *old = stable_static("m");
    struct joining *a = join_send((struct who){.instance = "i", .metadata = "m"});
    assert_true(a->is_done);
    assert_false(a->j.ret_skip_assignment);
    assert_string_equal(text(a->j.ret_leader), old);
    assert_int_equal(a->j.ret_member_count, 0);
    (void)joined_id(a, KAFKA_NONE);
}

static void
static__comes_back_changed__rebalances(void **unused)
{
    (void)unused;
    (void)stable_static("m");
    struct joining *a = join_send((struct who){.instance = "i", .metadata = "other"});
    assert_int_equal(a->j.ret_generation, 2);
    (void)joined_id(a, KAFKA_NONE);
}

static void
static__former_commits__fenced_here_and_in_the_log(void **unused)
{
    (void)unused;
    const char *old = stable_static("m");
    const char *id = joined_id(join_send((struct who){.instance = "i"}), KAFKA_NONE);
    assert_int_equal(commit(old, 1, 5), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit(id, 1, 6), KAFKA_NONE);
    assert_int_equal(fetched_at(0, "g"), 6);
}

static void
static__return_is_stored_before_it_is_told(void **unused)
{
    (void)unused;
    (void)stable_static("m");
    stall(&w.brokers[0]);
    struct joining *a = join_send((struct who){.instance = "i"});
    run_ms(5000);
    assert_false(a->is_done);
    unstall(&w.brokers[0]);
    settle();
    const char *id = joined_id(a, KAFKA_NONE);
    broker_stop(0);
    broker_start(0);
    assert_int_equal(heartbeat_at(0, id, "i", 1), KAFKA_NONE);
}

static void
static__does_not_rejoin__stays_until_its_session_is_over(void **unused)
{
    (void)unused;
    struct joining *a = join_send((struct who){.instance = "i", .session_ms = 100000});
    run_ms(3000);
    const char *id = joined_id(a, KAFKA_NONE);
    synced(sync_send(0, id, 1, (const char *[]){id, NULL}, (const char *[]){"all"}), KAFKA_NONE,
           "all");
    struct joining *b = join_new((struct who){.rebalance_ms = 10000});
    run_ms(61000);
    assert_int_equal(b->j.ret_member_count, 2);
    (void)joined_id(b, KAFKA_NONE);
}

static void
static__administrator_removes_it_by_instance(void **unused)
{
    (void)unused;
    (void)stable_static("m");
    assert_int_equal(leave("", "i"), KAFKA_NONE);
    expect_state("Empty");
}

/* --- restarts and other brokers --- */

static void
restart__keeps_the_group_without_a_rebalance(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    broker_stop(0);
    broker_start(0);
    expect_state("Stable");
    assert_int_equal(heartbeat(id, 1), KAFKA_NONE);
    synced(sync_send(0, id, 1, NULL, NULL), KAFKA_NONE, "all");
    assert_int_equal(commit(id, 1, 42), KAFKA_NONE);
}

static void
restart__members_that_do_not_come_back__are_missed(void **unused)
{
    (void)unused;
    (void)stable_one();
    broker_stop(0);
    broker_start(0);
    run_ms(SESSION_MS + 1000); /* a look at the tail comes first */
    expect_state("Empty");
}

static void
restart__in_the_middle_of_a_rebalance__members_join_again(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    struct joining *b = join_new((struct who){0});
    group_table_stop(w.brokers[0].table);
    settle();
    (void)joined_id(b, KAFKA_NOT_COORDINATOR);
    broker_stop(0);
    broker_start(0);
    assert_int_equal(heartbeat(id, 1), KAFKA_NONE); /* generation 1 is what was completed */
}

static void
other_broker__takes_over__the_former_coordinator_finds_out(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    broker_start(1);
    struct joining *a = join_send((struct who){.broker = 1, .id = id, .metadata = "new"});
    assert_int_equal(a->j.ret_generation, 2);
    (void)joined_id(a, KAFKA_NONE);
    synced(sync_send(1, id, 2, (const char *[]){id, NULL}, (const char *[]){"new"}), KAFKA_NONE,
           "new");
    /* it does not know yet; what it would store is refused, and the group is read anew */
    assert_int_equal(heartbeat(id, 1), KAFKA_NONE);
    assert_int_equal(commit(id, 1, 5), KAFKA_ILLEGAL_GENERATION);
    assert_int_equal(heartbeat(id, 1), KAFKA_ILLEGAL_GENERATION);
    assert_int_equal(heartbeat(id, 2), KAFKA_NONE);
    assert_int_equal(fetched_at(0, "g"), -1);
}

static void
other_broker__takes_over_from_one_that_died__no_rebalance(void **unused)
{
    (void)unused;
    broker_start(1); /* it knows of no group, and does not look while nobody asks */
    const char *id = stable_one();
    assert_int_equal(commit(id, 1, 5), KAFKA_NONE);
    broker_stop(0);
    assert_int_equal(heartbeat_at(1, id, NULL, 1), KAFKA_NONE);
    assert_string_equal(state_at(1), "Stable");
    assert_int_equal(fetched_at(1, "g"), 5);
}

static void
other_broker__starts_beside_a_busy_coordinator__leaves_its_group_alone(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    broker_start(1); /* reads the group, and hears of no member */
    for (int i = 0; i < 10; i++) {
        run_ms(SESSION_MS / 2);
        assert_int_equal(heartbeat(id, 1), KAFKA_NONE);
        assert_int_equal(commit(id, 1, i), KAFKA_NONE);
    }
    assert_null(group__find(w.brokers[1].table, span_cstr("g")));
    assert_int_equal(heartbeat(id, 1), KAFKA_NONE);
    expect_state("Stable");
}

static void
other_broker__store_does_not_answer__loading_and_not_unknown(void **unused)
{
    (void)unused;
    broker_start(1);
    const char *id = stable_one();
    struct group_heartbeat h = {
        .call.is_live_enough = true, .member_id = span_cstr(id), .generation = 1};
    bool is_done = false;
    stall(&w.brokers[1]);
    run_ms(200);
    send_to(1, &h.call, "g", group_heartbeat_run, &is_done);
    run_ms(3000);
    done_with(&h.call, &is_done);
    assert_int_equal(h.call.error, KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
    unstall(&w.brokers[1]);
    settle();
}

static void
other_broker__both_complete_a_rebalance__one_wins(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    broker_start(1);
    struct joining *a = join_send((struct who){.broker = 0, .id = id, .metadata = "a"});
    struct joining *b = join_send((struct who){.broker = 1, .id = id, .metadata = "b"});
    (void)joined_id(a, KAFKA_NONE);
    (void)joined_id(b, KAFKA_NONE);
    synced(sync_send(0, id, 2, (const char *[]){id, NULL}, (const char *[]){"a"}), KAFKA_NONE, "a");
    synced(sync_send(1, id, 2, (const char *[]){id, NULL}, (const char *[]){"b"}),
           KAFKA_NOT_COORDINATOR, NULL);
    synced(sync_send(1, id, 2, NULL, NULL), KAFKA_NONE, "a"); /* what is in the log */
}

static void
stop__everybody_who_waits_is_answered(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){0});
    group_table_stop(w.brokers[0].table);
    settle();
    (void)joined_id(a, KAFKA_NOT_COORDINATOR);
    (void)joined_id(join_send((struct who){0}), KAFKA_NOT_COORDINATOR);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(join__first_member__waits_the_initial_delay_and_leads),
        T(join__old_client__joins_without_asking_for_an_id),
        T(join__second_member_during_the_delay__prolongs_it_and_shares_the_generation),
        T(join__session_out_of_range__says_so),
        T(join__no_group_id__refused),
        T(join__unknown_id__refused),
        T(join__no_common_protocol__refused),
        T(join__several_protocols__the_one_most_members_prefer_among_those_all_know),
        T(join__id_given_out_and_not_used__expires_with_the_session),
        T(join__follower_unchanged_in_stable__gets_the_generation_back),
        T(join__follower_changed_in_stable__rebalances),
        T(join__leader_in_stable__always_rebalances),
        T(join__unchanged_in_completing__gets_the_generation_back),
        T(join__member_that_does_not_come_back__is_dropped_after_the_rebalance_timeout),
        T(join__group_full__refused),
        T(join__more_bytes_than_a_group_may_hold__refused),
        T(join__more_groups_than_the_table_may_hold__refused),
        T(sync__follower_first__waits_for_the_leader),
        T(sync__wrong_generation_member_or_protocol__refused),
        T(sync__rebalance_meanwhile__told_to_join_again),
        T(sync__not_answered_before_it_is_stored),
        T(sync__leader_assigns_again_while_it_is_stored__rebalances),
        T(sync__leader_asks_again_when_it_is_stored__rebalances_if_it_says_otherwise),
        T(sync__store_does_not_answer__rebalances_in_the_end),
        T(sync__member_that_never_asks__is_dropped_after_the_rebalance_timeout),
        T(sync__assignment_too_large__refused_and_rebalanced),
        T(heartbeat__each_mistake__has_its_error),
        T(heartbeat__in_completing__is_fine),
        T(session__heard_of__lives_on),
        T(session__over__the_group_is_empty_and_stored_so),
        T(session__waits_for_the_rebalance__does_not_expire),
        T(leave__last_member__empties_the_group),
        T(leave__while_others_wait__completes_their_rebalance),
        T(leave__group_or_member_unknown__says_so),
        T(leave__id_given_out__is_taken_back),
        T(static__comes_back_unchanged__no_rebalance_and_leads_without_assigning),
        T(static__old_client_comes_back_as_leader__is_told_that_it_follows),
        T(static__comes_back_changed__rebalances),
        T(static__former_commits__fenced_here_and_in_the_log),
        T(static__return_is_stored_before_it_is_told),
        T(static__does_not_rejoin__stays_until_its_session_is_over),
        T(static__administrator_removes_it_by_instance),
        T(restart__keeps_the_group_without_a_rebalance),
        T(restart__members_that_do_not_come_back__are_missed),
        T(restart__in_the_middle_of_a_rebalance__members_join_again),
        T(other_broker__takes_over__the_former_coordinator_finds_out),
        T(other_broker__takes_over_from_one_that_died__no_rebalance),
        T(other_broker__starts_beside_a_busy_coordinator__leaves_its_group_alone),
        T(other_broker__store_does_not_answer__loading_and_not_unknown),
        T(other_broker__both_complete_a_rebalance__one_wins),
        T(stop__everybody_who_waits_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
