/* SPDX-License-Identifier: Apache-2.0 */
#include "group_world.h"

/* --- commit --- */

static void
commit__member_of_the_generation__is_kept(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    assert_int_equal(commit(id, 1, 42), KAFKA_NONE);
    assert_int_equal(fetched_at(0, "g"), 42);
    broker_stop(0);
    broker_start(0);
    assert_int_equal(fetched_at(0, "g"), 42);
}

static void
commit__wrong_member_or_generation__refused(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    assert_int_equal(commit(id, 2, 1), KAFKA_ILLEGAL_GENERATION);
    assert_int_equal(commit(id, 0, 1), KAFKA_ILLEGAL_GENERATION);
    assert_int_equal(commit("nobody", 1, 1), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit("", -1, 1), KAFKA_UNKNOWN_MEMBER_ID); /* simple, and it has members */
    assert_int_equal(fetched_at(0, "g"), -1);
}

static void
commit__simple_to_no_group_or_an_empty_one__is_kept(void **unused)
{
    (void)unused;
    assert_int_equal(commit("", -1, 7), KAFKA_NONE);
    assert_int_equal(fetched_at(0, "g"), 7);
    const char *id = stable_one();
    assert_int_equal(commit(id, 1, 8), KAFKA_NONE);
    assert_int_equal(leave(id, NULL), KAFKA_NONE);
    assert_int_equal(commit("", -1, 9), KAFKA_NONE);
    assert_int_equal(fetched_at(0, "g"), 9);
}

static void
commit__member_of_no_group__error_depends_on_the_version(void **unused)
{
    (void)unused;
    assert_int_equal(commit("somebody", 3, 1), KAFKA_ILLEGAL_GENERATION);
    struct committing *a = NEW(struct committing);
    a->part = (struct offset_commit_part){.topic_id = w.topic, .metadata = span_cstr("")};
    a->c = (struct offset_commit){.member_id = span_cstr("somebody"),
                                  .generation = 3,
                                  .has_group_not_found = true,
                                  .parts = &a->part,
                                  .part_count = 1};
    send_to(0, &a->c.call, "g", offset_commit_run, &a->is_done);
    settle();
    done_with(&a->c.call, &a->is_done);
    assert_int_equal(a->part.error, KAFKA_GROUP_ID_NOT_FOUND);
}

static void
commit__while_the_group_prepares__is_kept(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    struct joining *b = join_new((struct who){0});
    assert_int_equal(commit(id, 1, 5), KAFKA_NONE);
    assert_int_equal(fetched_at(0, "g"), 5);
    assert_int_equal(leave(id, NULL), KAFKA_NONE);
    (void)joined_id(b, KAFKA_NONE);
}

static void
commit__while_the_group_completes__told_to_join_again(void **unused)
{
    (void)unused;
    struct joining *a = join_new((struct who){0});
    run_ms(3000);
    const char *id = joined_id(a, KAFKA_NONE);
    assert_int_equal(commit(id, 1, 5), KAFKA_REBALANCE_IN_PROGRESS);
}

static void
commit__generation_that_was_never_completed__not_kept(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    struct joining *a = join_send((struct who){.id = id}); /* generation 2, no assignment */
    (void)joined_id(a, KAFKA_NONE);
    struct joining *b = join_new((struct who){0}); /* and prepares again */
    assert_int_not_equal(commit(id, 2, 5), KAFKA_NONE);
    assert_int_equal(fetched_at(0, "g"), -1);
    assert_int_equal(leave(id, NULL), KAFKA_NONE);
    (void)joined_id(b, KAFKA_NONE);
}

static void
commit__metadata_too_long__only_that_partition_is_refused(void **unused)
{
    (void)unused;
    char *metadata = (char *)arena_alloc(&w.arena, 4098);
    memset(metadata, 'x', 4097);
    struct offset_commit_part parts[3] = {
        {.topic_id = w.topic, .partition = 0, .offset = 1, .metadata = span_cstr(metadata)},
        {.topic_id = w.topic, .partition = 1, .offset = 2, .metadata = span_of(metadata, 4096)},
        {.topic_id = w.topic, .partition = 2, .error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION}};
    struct offset_commit c = {.generation = -1, .parts = parts, .part_count = 3};
    bool is_done = false;
    send_to(0, &c.call, "g", offset_commit_run, &is_done);
    settle();
    done_with(&c.call, &is_done);
    assert_int_equal(parts[0].error, KAFKA_OFFSET_METADATA_TOO_LARGE);
    assert_int_equal(parts[1].error, KAFKA_NONE);
    assert_int_equal(parts[2].error, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(fetched_at(0, "g"), -1);
}

static void
commit__store_stalls__not_answered_before_it_is_verified(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    stall(&w.brokers[0]);
    struct committing *a = commit_send(0, "g", id, 1, 5);
    run_ms(3000);
    assert_false(a->is_done);
    unstall(&w.brokers[0]);
    settle();
    done_with(&a->c.call, &a->is_done);
    assert_int_equal(a->part.error, KAFKA_NONE);
}

static void
commit__store_stalls_too_long__told_to_retry(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    stall(&w.brokers[0]);
    struct committing *a = commit_send(0, "g", id, 1, 5);
    run_ms(6000);
    done_with(&a->c.call, &a->is_done);
    assert_int_equal(a->part.error, KAFKA_COORDINATOR_NOT_AVAILABLE);
    unstall(&w.brokers[0]);
    settle();
}

static void
commit__of_many_groups__share_entries(void **unused)
{
    (void)unused;
    enum { GROUPS = 200 };
    struct committing *all[GROUPS];
    char names[GROUPS][16];
    size_t puts = w.memory.puts;
    for (size_t i = 0; i < GROUPS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "group %zu", i);
        all[i] = commit_send(0, names[i], "", -1, (int64_t)i);
    }
    settle();
    for (size_t i = 0; i < GROUPS; i++) {
        done_with(&all[i]->c.call, &all[i]->is_done);
        assert_int_equal(all[i]->part.error, KAFKA_NONE);
    }
    assert_true(w.memory.puts - puts < GROUPS / 10);
}

static void
commit__renews_the_session(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    for (int i = 0; i < 5; i++) {
        run_ms(SESSION_MS - 1000);
        assert_int_equal(commit(id, 1, i), KAFKA_NONE);
    }
}

/* --- fetch --- */

static void
fetch__another_broker_committed__is_seen(void **unused)
{
    (void)unused;
    broker_start(1);
    assert_int_equal(commit("", -1, 10), KAFKA_NONE);
    assert_int_equal(fetched_at(1, "g"), 10);
    assert_int_equal(commit("", -1, 11), KAFKA_NONE);
    assert_int_equal(fetched_at(1, "g"), 11);
}

static void
fetch__store_does_not_answer__told_to_retry(void **unused)
{
    (void)unused;
    struct offset_fetch f = {.is_all = true, .member_epoch = -1};
    bool is_done = false;
    broker_start(1);
    f.deadline_ns = w.loop.now_ns + 5 * SCHED_S;
    stall(&w.brokers[1]);
    send_to(1, &f.call, "g", offset_fetch_run, &is_done);
    run_ms(6000);
    done_with(&f.call, &is_done);
    assert_int_equal(f.call.error, KAFKA_COORDINATOR_NOT_AVAILABLE);
    unstall(&w.brokers[1]);
    settle();
}

static void
fetch__all__sorted_with_metadata(void **unused)
{
    (void)unused;
    struct offset_commit_part parts[3] = {
        {.topic_id = w.topic, .partition = 2, .offset = 2, .metadata = span_cstr("two")},
        {.topic_id = w.topic, .partition = 0, .offset = 0, .metadata = span_cstr("")},
        {.topic_id = w.topic, .partition = 1, .offset = 1, .leader_epoch = 3}};
    struct offset_commit c = {.generation = -1, .parts = parts, .part_count = 3};
    struct offset_fetch f = {.is_all = true, .member_epoch = -1};
    bool is_done = false;
    parts[2].metadata = span_cstr("");
    send_to(0, &c.call, "g", offset_commit_run, &is_done);
    settle();
    done_with(&c.call, &is_done);
    is_done = false;
    f.deadline_ns = w.loop.now_ns + SCHED_S;
    send_to(0, &f.call, "g", offset_fetch_run, &is_done);
    settle();
    assert_true(is_done);
    assert_int_equal(f.part_count, 3);
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(f.parts[i].partition, i);
        assert_int_equal(f.parts[i].offset, i);
    }
    assert_int_equal(f.parts[1].leader_epoch, 3);
    assert_string_equal(text(f.parts[2].metadata), "two");
    group_call_fini(&f.call);
}

/* --- delete --- */

static int16_t
delete_offset(const char *topic, int16_t *ret_part)
{
    struct offset_delete_part part = {.topic_id = w.topic, .topic = span_cstr(topic)};
    struct offset_delete d = {.parts = &part, .part_count = 1};
    bool is_done = false;
    send_to(0, &d.call, "g", offset_delete_run, &is_done);
    settle();
    done_with(&d.call, &is_done);
    *ret_part = part.error;
    return d.call.error;
}

static void
delete__offset_of_an_empty_group__is_gone(void **unused)
{
    (void)unused;
    int16_t part;
    assert_int_equal(commit("", -1, 10), KAFKA_NONE);
    assert_int_equal(delete_offset("t", &part), KAFKA_NONE);
    assert_int_equal(part, KAFKA_NONE);
    assert_int_equal(fetched_at(0, "g"), -1);
}

static void
delete__offset_of_no_group__says_so(void **unused)
{
    (void)unused;
    int16_t part;
    assert_int_equal(delete_offset("t", &part), KAFKA_GROUP_ID_NOT_FOUND);
}

static void
delete__group_with_members_of_an_opaque_type__refused(void **unused)
{
    (void)unused;
    int16_t part;
    const char *id = stable_one();
    assert_int_equal(commit(id, 1, 10), KAFKA_NONE);
    assert_int_equal(delete_offset("t", &part), KAFKA_NON_EMPTY_GROUP);
    assert_int_equal(fetched_at(0, "g"), 10);
}

/* A group of one consumer that is subscribed to the topic "t". */
static const char *
stable_consumer(void)
{
    static const uint8_t subscription[] = {0, 1, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 0};
    struct joining *a = NEW(struct joining);
    a->protocols[0] =
        (struct group_protocol){span_cstr("range"), span_of(subscription, sizeof(subscription))};
    a->j = (struct group_join){.member_id = span_cstr(""),
                               .client_id = span_cstr("c"),
                               .client_host = span_cstr("h"),
                               .protocol_type = span_cstr("consumer"),
                               .protocols = a->protocols,
                               .protocol_count = 1,
                               .session_timeout_ms = SESSION_MS,
                               .rebalance_timeout_ms = REBALANCE_MS};
    send_to(0, &a->j.call, "g", group_join_run, &a->is_done);
    run_ms(4000);
    const char *id = joined_id(a, KAFKA_NONE);
    synced(sync_send(0, id, 1, NULL, NULL), KAFKA_NONE, "");
    return id;
}

static void
delete__topic_that_a_consumer_is_subscribed_to__refused(void **unused)
{
    (void)unused;
    int16_t part;
    const char *id = stable_consumer();
    assert_int_equal(commit(id, 1, 10), KAFKA_NONE);
    assert_int_equal(delete_offset("t", &part), KAFKA_NONE);
    assert_int_equal(part, KAFKA_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(fetched_at(0, "g"), 10);
    assert_int_equal(delete_offset("not t", &part), KAFKA_NONE); /* the same id by another name */
    assert_int_equal(part, KAFKA_NONE);
    assert_int_equal(fetched_at(0, "g"), -1);
}

/* --- groups --- */

static int16_t
remove_group(const char *name)
{
    struct group_remove_item item = {.group_id = span_cstr(name)};
    struct group_remove_item *items[] = {&item};
    struct group_remove r = {.items = items, .count = 1};
    bool is_done = false;
    send_to(0, &r.call, "", group_remove_run, &is_done);
    settle();
    done_with(&r.call, &is_done);
    return r.call.error != KAFKA_NONE ? r.call.error : item.error;
}

static void
remove__group_by_what_is_in_it(void **unused)
{
    (void)unused;
    assert_int_equal(remove_group("g"), KAFKA_GROUP_ID_NOT_FOUND);
    assert_int_equal(remove_group(""), KAFKA_INVALID_GROUP_ID);
    const char *id = stable_one();
    assert_int_equal(commit(id, 1, 5), KAFKA_NONE);
    assert_int_equal(remove_group("g"), KAFKA_NON_EMPTY_GROUP);
    assert_int_equal(leave(id, NULL), KAFKA_NONE);
    assert_int_equal(remove_group("g"), KAFKA_NONE);
    assert_int_equal(fetched_at(0, "g"), -1);
    expect_state("Dead");
    (void)stable_one(); /* from the beginning */
}

static void
remove__several__one_bad_fails_no_other(void **unused)
{
    (void)unused;
    struct group_remove_item list[3] = {{.group_id = span_cstr("one")},
                                        {.group_id = span_cstr("none")},
                                        {.group_id = span_cstr("two")}};
    struct group_remove_item *items[] = {&list[0], &list[1], &list[2]};
    struct group_remove r = {.items = items, .count = 3};
    struct committing *one = commit_send(0, "one", "", -1, 1);
    struct committing *two = commit_send(0, "two", "", -1, 2);
    bool is_done = false;
    settle();
    done_with(&one->c.call, &one->is_done);
    done_with(&two->c.call, &two->is_done);
    send_to(0, &r.call, "", group_remove_run, &is_done);
    settle();
    done_with(&r.call, &is_done);
    assert_int_equal(list[0].error, KAFKA_NONE);
    assert_int_equal(list[1].error, KAFKA_GROUP_ID_NOT_FOUND);
    assert_int_equal(list[2].error, KAFKA_NONE);
    assert_int_equal(fetched_at(0, "two"), -1);
}

static void
list__live_and_stored_groups__each_once(void **unused)
{
    (void)unused;
    struct group_list l = {0};
    bool is_done = false;
    struct committing *c = commit_send(0, "simple", "", -1, 1);
    (void)stable_one();
    done_with(&c->c.call, &c->is_done);
    send_to(0, &l.call, "", group_list_run, &is_done);
    settle();
    assert_true(is_done);
    assert_int_equal(l.count, 2);
    for (size_t i = 0; i < l.count; i++) {
        bool is_live = span_eq(l.groups[i].id, span_cstr("g"));
        assert_string_equal(l.groups[i].state, is_live ? "Stable" : "Empty");
        assert_string_equal(l.groups[i].type, "classic");
        assert_string_equal(text(l.groups[i].protocol_type), is_live ? "any" : "");
    }
    group_call_fini(&l.call);
}

static void
describe__stable_group__says_what_its_members_have(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    for (int i = 0; i < 2; i++) { /* alive, then from S alone */
        struct group_describe d = {0};
        bool is_done = false;
        send_to(0, &d.call, "g", group_describe_run, &is_done);
        settle();
        assert_true(is_done);
        assert_int_equal(d.call.error, KAFKA_NONE);
        assert_string_equal(d.state, "Stable");
        assert_string_equal(text(d.protocol_type), "any");
        assert_string_equal(text(d.protocol), "range");
        assert_int_equal(d.member_count, 1);
        assert_string_equal(text(d.members[0].id), id);
        assert_string_equal(text(d.members[0].client_host), "/127.0.0.1");
        assert_string_equal(text(d.members[0].metadata), "m");
        assert_string_equal(text(d.members[0].assignment), "all");
        group_call_fini(&d.call);
        struct group *g = group__find(w.brokers[0].table, span_cstr("g"));
        if (g != NULL) {
            group__forget(g, KAFKA_NOT_COORDINATOR);
        }
    }
}

/* --- what nobody needs any more --- */

enum { DAY_MS = 24 * 3600 * 1000 };

static void
expiry__offsets_of_a_simple_group__go_a_week_after_the_commit(void **unused)
{
    (void)unused;
    assert_int_equal(commit("", -1, 10), KAFKA_NONE);
    run_ms(6 * (int64_t)DAY_MS);
    assert_int_equal(fetched_at(0, "g"), 10);
    run_ms(DAY_MS + 2 * 600000);
    assert_int_equal(fetched_at(0, "g"), -1);
    expect_state("Dead");
}

static void
expiry__offsets_of_a_group__go_a_week_after_its_last_member(void **unused)
{
    (void)unused;
    broker_stop(0);
    w.options.max_session_timeout_ms = 3600 * 1000;
    broker_start(0);
    struct joining *a = join_new((struct who){.session_ms = 3600 * 1000});
    run_ms(3000);
    const char *id = joined_id(a, KAFKA_NONE);
    synced(sync_send(0, id, 1, NULL, NULL), KAFKA_NONE, "");
    assert_int_equal(commit(id, 1, 10), KAFKA_NONE);
    for (int i = 0; i < 8 * 24; i++) { /* eight days at work, in a group with long sessions */
        run_ms(3600 * 1000 - 1000);
        assert_int_equal(heartbeat(id, 1), KAFKA_NONE);
    }
    assert_int_equal(leave(id, NULL), KAFKA_NONE);
    run_ms(6 * (int64_t)DAY_MS);
    assert_int_equal(fetched_at(0, "g"), 10);
    expect_state("Empty");
    run_ms(DAY_MS + 2 * 600000);
    assert_int_equal(fetched_at(0, "g"), -1);
    expect_state("Dead");
}

static void
expiry__group_without_members_and_offsets__goes_at_the_next_look(void **unused)
{
    (void)unused;
    const char *id = stable_one();
    assert_int_equal(leave(id, NULL), KAFKA_NONE);
    expect_state("Empty");
    run_ms(600000 + 1000);
    expect_state("Dead");
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(commit__member_of_the_generation__is_kept),
        T(commit__wrong_member_or_generation__refused),
        T(commit__simple_to_no_group_or_an_empty_one__is_kept),
        T(commit__member_of_no_group__error_depends_on_the_version),
        T(commit__while_the_group_prepares__is_kept),
        T(commit__while_the_group_completes__told_to_join_again),
        T(commit__generation_that_was_never_completed__not_kept),
        T(commit__metadata_too_long__only_that_partition_is_refused),
        T(commit__store_stalls__not_answered_before_it_is_verified),
        T(commit__store_stalls_too_long__told_to_retry),
        T(commit__of_many_groups__share_entries),
        T(commit__renews_the_session),
        T(fetch__another_broker_committed__is_seen),
        T(fetch__store_does_not_answer__told_to_retry),
        T(fetch__all__sorted_with_metadata),
        T(delete__offset_of_an_empty_group__is_gone),
        T(delete__offset_of_no_group__says_so),
        T(delete__group_with_members_of_an_opaque_type__refused),
        T(delete__topic_that_a_consumer_is_subscribed_to__refused),
        T(remove__group_by_what_is_in_it),
        T(remove__several__one_bad_fails_no_other),
        T(list__live_and_stored_groups__each_once),
        T(describe__stable_group__says_what_its_members_have),
        T(expiry__offsets_of_a_simple_group__go_a_week_after_the_commit),
        T(expiry__offsets_of_a_group__go_a_week_after_its_last_member),
        T(expiry__group_without_members_and_offsets__goes_at_the_next_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
