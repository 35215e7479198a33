/* SPDX-License-Identifier: Apache-2.0
 *
 * The group APIs on the wire: each version, and what differs between them. How groups behave is
 * tested in tests/unit/group. */
#include "topics.h"
#include "wire/messages/delete_groups.h"
#include "wire/messages/describe_groups.h"
#include "wire/messages/heartbeat.h"
#include "wire/messages/join_group.h"
#include "wire/messages/leave_group.h"
#include "wire/messages/list_groups.h"
#include "wire/messages/offset_commit.h"
#include "wire/messages/offset_delete.h"
#include "wire/messages/offset_fetch.h"
#include "wire/messages/sync_group.h"

static struct join_group_response joined;
static struct sync_group_response synced;
static char member[200]; /* the one of the group at hand */

static void
join(int16_t version, const char *group, const char *id)
{
    struct join_group_request_protocol p = {span_cstr("range"), span_cstr("metadata")};
    struct join_group_request in;
    join_group_request_init(&in);
    in.group_id = span_cstr(group);
    in.session_timeout_ms = 10000;
    in.rebalance_timeout_ms = 20000;
    in.member_id = span_cstr(id);
    in.protocol_type = span_cstr("any");
    in.protocols.items = &p;
    in.protocols.count = 1;
    call(API_JOIN_GROUP, version, &in, &joined);
    span_to_cstr(joined.member_id, member, sizeof(member));
}

static int16_t
sync_all(int16_t version, const char *group)
{
    struct sync_group_request_assignment a = {span_cstr(member), span_cstr("everything")};
    struct sync_group_request in = {.group_id = span_cstr(group),
                                    .generation_id = joined.generation_id,
                                    .member_id = span_cstr(member),
                                    .protocol_type = span_cstr("any"),
                                    .protocol_name = span_cstr("range")};
    in.assignments.items = &a;
    in.assignments.count = 1;
    call(API_SYNC_GROUP, version, &in, &synced);
    return synced.error_code;
}

static int16_t
beat(int16_t version, const char *group, int32_t generation)
{
    const struct heartbeat_request in = {
        .group_id = span_cstr(group), .generation_id = generation, .member_id = span_cstr(member)};
    struct heartbeat_response out;
    call(API_HEARTBEAT, version, &in, &out);
    return out.error_code;
}

/* One member in generation 1. */
static void
stable(const char *group)
{
    join(3, group, "");
    assert_int_equal(joined.error_code, 0);
    assert_int_equal(joined.generation_id, 1);
    assert_int_equal(sync_all(3, group), 0);
}

static int16_t
leave_as(int16_t version, const char *group)
{
    struct leave_group_request_member m = {.member_id = span_cstr(member)};
    struct leave_group_request in = {.group_id = span_cstr(group), .member_id = span_cstr(member)};
    struct leave_group_response out;
    in.members.items = &m;
    in.members.count = 1;
    call(API_LEAVE_GROUP, version, &in, &out);
    if (version >= 3 && out.error_code == 0) {
        assert_int_equal(out.members.count, 1);
        assert_span(out.members.items[0].member_id, member);
        return out.members.items[0].error_code;
    }
    return out.error_code;
}

static void
member__every_version__joins_syncs_heartbeats_and_leaves(void **unused)
{
    (void)unused;
    for (int16_t v = 0; v <= 9; v++) {
        char group[16];
        int16_t v_sync = v < 5 ? v : 5, v_beat = v < 4 ? v : 4;
        (void)snprintf(group, sizeof(group), "group %d", v);
        join(v, group, "");
        if (v >= 4) {
            char id[200];
            assert_int_equal(joined.error_code, KAFKA_MEMBER_ID_REQUIRED);
            memcpy(id, member, sizeof(id));
            join(v, group, id);
        }
        assert_int_equal(joined.error_code, 0);
        assert_int_equal(joined.generation_id, 1);
        assert_span(joined.protocol_name, "range");
        assert_true(span_eq(joined.leader, joined.member_id));
        assert_int_equal(joined.members.count, 1);
        assert_span(joined.members.items[0].metadata, "metadata");
        assert_false(joined.skip_assignment);
        assert_int_equal(sync_all(v_sync, group), 0);
        assert_span(synced.assignment, "everything");
        assert_int_equal(beat(v_beat, group, 1), 0);
        assert_int_equal(beat(v_beat, group, 2), KAFKA_ILLEGAL_GENERATION);
        assert_int_equal(leave_as(v_sync, group), 0);
        assert_int_equal(leave_as(v_sync, group), KAFKA_UNKNOWN_MEMBER_ID);
    }
}

static void
join__refused__in_the_form_of_each_version(void **unused)
{
    (void)unused;
    for (int16_t v = 0; v <= 9; v++) {
        join(v, "", "somebody");
        assert_int_equal(joined.error_code, KAFKA_INVALID_GROUP_ID);
        assert_span(joined.member_id, "somebody");
        assert_int_equal(joined.generation_id, -1);
        assert_true((joined.protocol_name.ptr == NULL) == (v >= 7));
        assert_int_equal(joined.members.count, 0);
    }
}

static void
sync__protocol_not_said__refused_from_version_5_on(void **unused)
{
    (void)unused;
    stable("g");
    for (int16_t v = 4; v <= 5; v++) {
        const struct sync_group_request in = {
            .group_id = span_cstr("g"), .generation_id = 1, .member_id = span_cstr(member)};
        call(API_SYNC_GROUP, v, &in, &synced);
        assert_int_equal(synced.error_code, v == 4 ? 0 : KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    }
}

/* --- offsets --- */

static struct offset_commit_response committed;

static int16_t
commit_at(int16_t version, const char *group, const char *topic, int32_t partition, int64_t offset)
{
    struct offset_commit_request_partition p;
    struct offset_commit_request_topic t = {.name = span_cstr(topic)};
    struct offset_commit_request in;
    offset_commit_request_init(&in);
    offset_commit_request_partition_init(&p);
    p.partition_index = partition;
    p.committed_offset = offset;
    p.committed_leader_epoch = 7;
    p.committed_metadata = span_cstr("note");
    t.partitions.items = &p;
    t.partitions.count = 1;
    in.group_id = span_cstr(group);
    in.member_id = span_cstr("");
    in.topics.items = &t;
    in.topics.count = 1;
    call(API_OFFSET_COMMIT, version, &in, &committed);
    assert_int_equal(committed.topics.count, 1);
    assert_span(committed.topics.items[0].name, topic);
    assert_int_equal(committed.topics.items[0].partitions.items[0].partition_index, partition);
    return committed.topics.items[0].partitions.items[0].error_code;
}

static struct offset_fetch_response fetched;

/* Versions 1 to 7; partitions 0 and 1, or all. */
static void
fetch_old(int16_t version, const char *group, const char *topic)
{
    int32_t indexes[] = {0, 1};
    struct offset_fetch_request_topic t = {.name = span_cstr(topic)};
    struct offset_fetch_request in = {.group_id = span_cstr(group)};
    t.partition_indexes.items = indexes;
    t.partition_indexes.count = 2;
    in.topics.items = topic == NULL ? NULL : &t;
    in.topics.count = topic == NULL ? 0 : 1;
    call(API_OFFSET_FETCH, version, &in, &fetched);
}

static void
offsets__every_version__committed_and_fetched(void **unused)
{
    (void)unused;
    create_one("t", 2);
    for (int16_t v = 2; v <= 9; v++) {
        assert_int_equal(commit_at(v, "g", "t", 1, 100 + v), 0);
        assert_int_equal(commit_at(v, "g", "t", 2, 5), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        assert_int_equal(commit_at(v, "g", "none", 0, 5), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        int16_t v_fetch = v < 7 ? v : 7;
        fetch_old(v_fetch, "g", "t");
        assert_int_equal(fetched.error_code, 0);
        assert_int_equal(fetched.topics.count, 1);
        const struct offset_fetch_response_partition *p = fetched.topics.items[0].partitions.items;
        assert_int_equal(p[0].committed_offset, -1);
        assert_int_equal(p[0].committed_leader_epoch, -1);
        assert_int_equal(p[1].committed_offset, 100 + v);
        assert_int_equal(p[1].committed_leader_epoch, v >= 6 && v_fetch >= 5 ? 7 : -1);
        assert_span(p[1].metadata, "note");
    }
}

static void
fetch__all__only_topics_that_are_there(void **unused)
{
    (void)unused;
    create_one("t", 2);
    create_one("u", 1);
    assert_int_equal(commit_at(7, "g", "t", 1, 11), 0);
    assert_int_equal(commit_at(7, "g", "u", 0, 22), 0);
    for (int16_t v = 2; v <= 7; v++) {
        fetch_old(v, "g", NULL);
        assert_int_equal(fetched.topics.count, 2);
        bool is_t_first = span_is(fetched.topics.items[0].name, "t");
        const struct offset_fetch_response_topic *t = &fetched.topics.items[is_t_first ? 0 : 1];
        assert_span(t->name, "t");
        assert_int_equal(t->partitions.count, 1);
        assert_int_equal(t->partitions.items[0].partition_index, 1);
        assert_int_equal(t->partitions.items[0].committed_offset, 11);
    }
}

static void
fetch__unknown_group_or_topic__no_offset_and_no_error(void **unused)
{
    (void)unused;
    for (int16_t v = 1; v <= 7; v++) {
        fetch_old(v, "nobody", "nothing");
        assert_int_equal(fetched.error_code, 0);
        assert_int_equal(fetched.topics.items[0].partitions.count, 2);
        assert_int_equal(fetched.topics.items[0].partitions.items[0].committed_offset, -1);
        assert_int_equal(fetched.topics.items[0].partitions.items[0].error_code, 0);
    }
}

static void
fetch__several_groups__each_its_own(void **unused)
{
    (void)unused;
    int32_t index = 0;
    struct offset_fetch_request_group_topic t = {.name = span_cstr("t")};
    struct offset_fetch_request_group groups[3];
    struct offset_fetch_request in = {.require_stable = true};
    const char *const names[] = {"one", "two", "none"};
    create_one("t", 1);
    assert_int_equal(commit_at(8, "one", "t", 0, 1), 0);
    assert_int_equal(commit_at(8, "two", "t", 0, 2), 0);
    t.partition_indexes.items = &index;
    t.partition_indexes.count = 1;
    for (size_t i = 0; i < 3; i++) {
        offset_fetch_request_group_init(&groups[i]);
        groups[i].group_id = span_cstr(names[i]);
        groups[i].topics.items = i == 1 ? NULL : &t;
        groups[i].topics.count = i == 1 ? 0 : 1;
    }
    in.groups.items = groups;
    in.groups.count = 3;
    for (int16_t v = 8; v <= 9; v++) {
        call(API_OFFSET_FETCH, v, &in, &fetched);
        assert_int_equal(fetched.groups.count, 3);
        for (size_t i = 0; i < 3; i++) {
            const struct offset_fetch_response_group *g = &fetched.groups.items[i];
            assert_span(g->group_id, names[i]);
            assert_int_equal(g->error_code, 0);
            assert_int_equal(g->topics.count, 1);
            assert_int_equal(g->topics.items[0].partitions.items[0].committed_offset,
                             i == 2 ? -1 : (int)i + 1);
        }
    }
}

static void
offset_delete__each_partition_its_own_outcome(void **unused)
{
    (void)unused;
    struct offset_delete_request_partition parts[] = {{0}, {5}};
    struct offset_delete_request_topic topics[2] = {{.name = span_cstr("t")},
                                                    {.name = span_cstr("none")}};
    struct offset_delete_request in = {.group_id = span_cstr("g")};
    struct offset_delete_response out;
    create_one("t", 1);
    for (size_t i = 0; i < 2; i++) {
        topics[i].partitions.items = parts;
        topics[i].partitions.count = 2;
    }
    in.topics.items = topics;
    in.topics.count = 2;
    call(API_OFFSET_DELETE, 0, &in, &out);
    assert_int_equal(out.error_code, KAFKA_GROUP_ID_NOT_FOUND);
    assert_int_equal(commit_at(7, "g", "t", 0, 11), 0);
    call(API_OFFSET_DELETE, 0, &in, &out);
    assert_int_equal(out.error_code, 0);
    assert_int_equal(out.topics.items[0].partitions.items[0].error_code, 0);
    assert_int_equal(out.topics.items[0].partitions.items[1].error_code,
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(out.topics.items[1].partitions.items[0].error_code,
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    fetch_old(7, "g", "t");
    assert_int_equal(fetched.topics.items[0].partitions.items[0].committed_offset, -1);
}

/* --- administration --- */

static struct list_groups_response listed;

static size_t
list(int16_t version, const char *state, const char *type)
{
    struct span states = span_cstr(state), types = span_cstr(type);
    struct list_groups_request in = {0};
    in.states_filter.items = &states;
    in.states_filter.count = state == NULL ? 0 : 1;
    in.types_filter.items = &types;
    in.types_filter.count = type == NULL ? 0 : 1;
    call(API_LIST_GROUPS, version, &in, &listed);
    assert_int_equal(listed.error_code, 0);
    return listed.groups.count;
}

static void
list__every_version__groups_of_all_journals_filtered(void **unused)
{
    (void)unused;
    create_one("t", 1);
    stable("live");
    for (char name[] = "a"; name[0] <= 'h'; name[0]++) {
        assert_int_equal(commit_at(7, name, "t", 0, 1), 0);
    }
    for (int16_t v = 0; v <= 5; v++) {
        assert_int_equal(list(v, NULL, NULL), 9);
    }
    assert_int_equal(list(4, "Stable", NULL), 1);
    assert_span(listed.groups.items[0].group_id, "live");
    assert_span(listed.groups.items[0].protocol_type, "any");
    assert_span(listed.groups.items[0].group_state, "Stable");
    assert_int_equal(list(4, "empty", NULL), 8); /* in whatever letters */
    assert_int_equal(list(4, "Dead", NULL), 0);
    assert_int_equal(list(5, NULL, "Classic"), 9);
    assert_span(listed.groups.items[0].group_type, "classic");
    assert_int_equal(list(5, NULL, "consumer"), 0);
}

static struct describe_groups_response described;

static const struct describe_groups_response_group *
describe(int16_t version, const char *group)
{
    struct span id = span_cstr(group);
    struct describe_groups_request in = {.include_authorized_operations = true};
    in.groups.items = &id;
    in.groups.count = 1;
    call(API_DESCRIBE_GROUPS, version, &in, &described);
    assert_int_equal(described.groups.count, 1);
    assert_span(described.groups.items[0].group_id, group);
    return &described.groups.items[0];
}

static void
describe__every_version__a_stable_group_and_none(void **unused)
{
    (void)unused;
    stable("g");
    for (int16_t v = 0; v <= 6; v++) {
        const struct describe_groups_response_group *g = describe(v, "g");
        assert_int_equal(g->error_code, 0);
        assert_span(g->group_state, "Stable");
        assert_span(g->protocol_data, "range");
        assert_int_equal(g->members.count, 1);
        assert_span(g->members.items[0].client_id, "test");
        assert_span(g->members.items[0].member_assignment, "everything");
        assert_true(v < 3 || g->authorized_operations > 0);
        g = describe(v, "none");
        assert_int_equal(g->error_code, v >= 6 ? KAFKA_GROUP_ID_NOT_FOUND : 0);
        assert_span(g->group_state, "Dead");
        assert_true(v < 6 || g->error_message.len > 0);
    }
}

static void
delete__every_version__one_bad_fails_no_other(void **unused)
{
    (void)unused;
    struct delete_groups_response out;
    create_one("t", 1);
    stable("live");
    for (int16_t v = 0; v <= 2; v++) {
        struct span names[] = {span_cstr("live"), span_cstr("a"), span_cstr("none"), span_cstr("b"),
                               span_cstr("a")};
        struct delete_groups_request in = {0};
        assert_int_equal(commit_at(7, "a", "t", 0, 1), 0);
        assert_int_equal(commit_at(7, "b", "t", 0, 1), 0);
        in.groups_names.items = names;
        in.groups_names.count = 5;
        call(API_DELETE_GROUPS, v, &in, &out);
        assert_int_equal(out.results.count, 5);
        assert_int_equal(out.results.items[0].error_code, KAFKA_NON_EMPTY_GROUP);
        assert_int_equal(out.results.items[1].error_code, 0);
        assert_int_equal(out.results.items[2].error_code, KAFKA_GROUP_ID_NOT_FOUND);
        assert_int_equal(out.results.items[3].error_code, 0);
        assert_int_equal(out.results.items[4].error_code, KAFKA_INVALID_REQUEST);
        assert_int_equal(list(5, NULL, NULL), 1);
    }
}

static void
restart__groups_and_offsets_are_kept(void **unused)
{
    (void)unused;
    create_one("t", 1);
    stable("g");
    assert_int_equal(commit_at(7, "other", "t", 0, 9), 0);
    world_restart();
    assert_int_equal(beat(3, "g", 1), 0);
    fetch_old(7, "other", "t");
    assert_int_equal(fetched.topics.items[0].partitions.items[0].committed_offset, 9);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(member__every_version__joins_syncs_heartbeats_and_leaves),
        T(join__refused__in_the_form_of_each_version),
        T(sync__protocol_not_said__refused_from_version_5_on),
        T(offsets__every_version__committed_and_fetched),
        T(fetch__all__only_topics_that_are_there),
        T(fetch__unknown_group_or_topic__no_offset_and_no_error),
        T(fetch__several_groups__each_its_own),
        T(offset_delete__each_partition_its_own_outcome),
        T(list__every_version__groups_of_all_journals_filtered),
        T(describe__every_version__a_stable_group_and_none),
        T(delete__every_version__one_bad_fails_no_other),
        T(restart__groups_and_offsets_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
