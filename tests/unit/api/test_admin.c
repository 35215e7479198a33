/* SPDX-License-Identifier: Apache-2.0
 *
 * What admin clients ask that changes nothing: ACLs, elections, reassignments, pages of topics. */
#include "topics.h"
#include "wire/messages/create_acls.h"
#include "wire/messages/delete_acls.h"
#include "wire/messages/describe_acls.h"
#include "wire/messages/describe_topic_partitions.h"
#include "wire/messages/describe_user_scram_credentials.h"
#include "wire/messages/elect_leaders.h"
#include "wire/messages/list_partition_reassignments.h"

/* --- ACLs --- */

static void
acls__without_an_authorizer__security_disabled_for_each_item(void **unused)
{
    (void)unused;
    for (int16_t v = 1; v <= 3; v++) {
        struct describe_acls_request describe;
        struct describe_acls_response described;
        describe_acls_request_init(&describe);
        call(API_DESCRIBE_ACLS, v, &describe, &described);
        assert_int_equal(described.error_code, KAFKA_SECURITY_DISABLED);
        assert_true(span_has(described.error_message, "No Authorizer"));
        assert_int_equal(described.resources.count, 0);

        struct create_acls_request_creation creations[2];
        struct create_acls_request create = {0};
        struct create_acls_response created;
        create_acls_request_creation_init(&creations[0]);
        create_acls_request_creation_init(&creations[1]);
        create.creations.items = creations;
        create.creations.count = 2;
        call(API_CREATE_ACLS, v, &create, &created);
        assert_int_equal(created.results.count, 2);
        assert_int_equal(created.results.items[1].error_code, KAFKA_SECURITY_DISABLED);

        struct delete_acls_request_filter filters[3];
        struct delete_acls_request delete = {0};
        struct delete_acls_response deleted;
        for (int i = 0; i < 3; i++) {
            delete_acls_request_filter_init(&filters[i]);
        }
        delete.filters.items = filters;
        delete.filters.count = 3;
        call(API_DELETE_ACLS, v, &delete, &deleted);
        assert_int_equal(deleted.filter_results.count, 3);
        assert_int_equal(deleted.filter_results.items[2].error_code, KAFKA_SECURITY_DISABLED);
        assert_int_equal(deleted.filter_results.items[2].matching_acls.count, 0);
    }
}

/* --- elections and reassignments --- */

static void
elect_leaders__each_partition_has_its_own_answer(void **unused)
{
    (void)unused;
    create_one("t", 2);
    for (int16_t v = 0; v <= 2; v++) {
        int32_t parts[] = {1, 2, -1};
        int32_t other[] = {0};
        struct elect_leaders_request_topic topics[] = {{.topic = span_cstr("t")},
                                                       {.topic = span_cstr("absent")}};
        struct elect_leaders_request in;
        struct elect_leaders_response out;
        topics[0].partitions.items = parts;
        topics[0].partitions.count = 3;
        topics[1].partitions.items = other;
        topics[1].partitions.count = 1;
        elect_leaders_request_init(&in);
        in.topic_partitions.items = topics;
        in.topic_partitions.count = 2;
        call(API_ELECT_LEADERS, v, &in, &out);
        assert_int_equal(out.error_code, 0);
        assert_int_equal(out.replica_election_results.count, 2);
        const struct elect_leaders_response_result *r = out.replica_election_results.items;
        assert_span(r[0].topic, "t");
        assert_int_equal(r[0].partition_result.items[0].error_code, KAFKA_ELECTION_NOT_NEEDED);
        assert_int_equal(r[0].partition_result.items[0].partition_id, 1);
        assert_int_equal(r[0].partition_result.items[1].error_code,
                         KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        assert_span(r[0].partition_result.items[2].error_message, "No such partition as t--1");
        assert_span(r[1].partition_result.items[0].error_message, "No such topic as absent");
    }
}

static void
elect_leaders__all_partitions__nothing_to_tell(void **unused)
{
    (void)unused;
    struct elect_leaders_request in;
    struct elect_leaders_response out;
    create_one("t", 2);
    elect_leaders_request_init(&in);
    call(API_ELECT_LEADERS, 2, &in, &out);
    assert_int_equal(out.error_code, 0);
    assert_int_equal(out.replica_election_results.count, 0);
    in.election_type = 2;
    call(API_ELECT_LEADERS, 2, &in, &out);
    assert_int_equal(out.error_code, KAFKA_INVALID_REQUEST);
}

static void
list_reassignments__none(void **unused)
{
    (void)unused;
    struct list_partition_reassignments_request in;
    struct list_partition_reassignments_response out;
    list_partition_reassignments_request_init(&in);
    call(API_LIST_PARTITION_REASSIGNMENTS, 0, &in, &out);
    assert_int_equal(out.error_code, 0);
    assert_int_equal(out.topics.count, 0);
}

static void
scram__nobody_has_credentials(void **unused)
{
    (void)unused;
    struct describe_user_scram_credentials_request_user users[] = {
        {span_cstr("a")}, {span_cstr("b")}, {span_cstr("a")}};
    struct describe_user_scram_credentials_request in = {0};
    struct describe_user_scram_credentials_response out;
    call(API_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, &in, &out);
    assert_int_equal(out.error_code, 0);
    assert_int_equal(out.results.count, 0);
    in.users.items = users;
    in.users.count = 3;
    call(API_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, &in, &out);
    assert_int_equal(out.results.count, 3);
    assert_int_equal(out.results.items[0].error_code, KAFKA_DUPLICATE_RESOURCE);
    assert_int_equal(out.results.items[1].error_code, KAFKA_RESOURCE_NOT_FOUND);
    assert_span(out.results.items[1].user, "b");
    assert_int_equal(out.results.items[2].error_code, KAFKA_DUPLICATE_RESOURCE);
}

/* --- DescribeTopicPartitions --- */

static struct describe_topic_partitions_response page;

static void
ask_page(struct describe_topic_partitions_request_topic *topics, size_t count, int32_t limit,
         struct describe_topic_partitions_request_cursor *cursor)
{
    struct describe_topic_partitions_request in;
    describe_topic_partitions_request_init(&in);
    in.topics.items = topics;
    in.topics.count = count;
    in.response_partition_limit = limit;
    in.cursor = cursor;
    call(API_DESCRIBE_TOPIC_PARTITIONS, 0, &in, &page);
}

static void
assert_topic(size_t i, const char *name, int32_t first, size_t count)
{
    assert_true(i < page.topics.count);
    const struct describe_topic_partitions_response_topic *t = &page.topics.items[i];
    assert_span(t->name, name);
    assert_int_equal(t->error_code, 0);
    assert_int_equal(t->partitions.count, count);
    for (size_t k = 0; k < count; k++) {
        assert_int_equal(t->partitions.items[k].partition_index, first + (int32_t)k);
        assert_int_equal(t->partitions.items[k].leader_id, WORLD_NODE);
        assert_int_equal(t->partitions.items[k].replica_nodes.count, 1);
        assert_non_null(t->partitions.items[k].last_known_elr.items);
    }
}

static void
topic_partitions__all__pages_in_order_of_names(void **unused)
{
    (void)unused;
    create_one("c", 1);
    create_one("a", 3);
    create_one("b", 2);
    ask_page(NULL, 0, 4, NULL);
    assert_int_equal(page.topics.count, 2);
    assert_topic(0, "a", 0, 3);
    assert_topic(1, "b", 0, 1);
    assert_non_null(page.next_cursor);
    assert_span(page.next_cursor->topic_name, "b");
    assert_int_equal(page.next_cursor->partition_index, 1);
    struct describe_topic_partitions_request_cursor cursor = {span_cstr("b"), 1};
    ask_page(NULL, 0, 4, &cursor);
    assert_int_equal(page.topics.count, 2);
    assert_topic(0, "b", 1, 1);
    assert_topic(1, "c", 0, 1);
    assert_null(page.next_cursor);
}

/* The page is full exactly where a topic ends: the cursor points to the next one. */
static void
topic_partitions__page_ends_with_a_topic__cursor_at_the_next(void **unused)
{
    (void)unused;
    create_one("a", 3);
    create_one("b", 2);
    ask_page(NULL, 0, 3, NULL);
    assert_int_equal(page.topics.count, 1);
    assert_span(page.next_cursor->topic_name, "b");
    assert_int_equal(page.next_cursor->partition_index, 0);
    ask_page(NULL, 0, -5, NULL); /* as in Kafka: at least one */
    assert_topic(0, "a", 0, 1);
}

static void
topic_partitions__named__sorted_once_and_errors_by_topic(void **unused)
{
    (void)unused;
    create_one("a", 1);
    create_one("b", 1);
    struct describe_topic_partitions_request_topic topics[] = {{span_cstr("b")},
                                                               {span_cstr("none")},
                                                               {span_cstr("b")},
                                                               {span_cstr("a")},
                                                               {span_cstr("a/b")}};
    ask_page(topics, 5, 2000, NULL);
    assert_int_equal(page.topics.count, 4);
    assert_topic(0, "a", 0, 1);
    assert_int_equal(page.topics.items[1].error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_topic(2, "b", 0, 1);
    assert_span(page.topics.items[3].name, "none");
    assert_int_equal(page.topics.items[3].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
}

static void
topic_partitions__cursor_without_sense__invalid_request(void **unused)
{
    (void)unused;
    struct describe_topic_partitions_request_topic topics[] = {{span_cstr("a")}};
    struct describe_topic_partitions_request_cursor cursor = {span_cstr("a"), -1};
    create_one("a", 1);
    ask_page(topics, 1, 2000, &cursor);
    assert_int_equal(page.topics.items[0].error_code, KAFKA_INVALID_REQUEST);
    cursor.partition_index = 99; /* behind the last one: the topic, and nothing of it */
    ask_page(topics, 1, 2000, &cursor);
    assert_topic(0, "a", 0, 0);
    assert_null(page.next_cursor);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(acls__without_an_authorizer__security_disabled_for_each_item),
        T(elect_leaders__each_partition_has_its_own_answer),
        T(elect_leaders__all_partitions__nothing_to_tell),
        T(list_reassignments__none),
        T(scram__nobody_has_credentials),
        T(topic_partitions__all__pages_in_order_of_names),
        T(topic_partitions__page_ends_with_a_topic__cursor_at_the_next),
        T(topic_partitions__named__sorted_once_and_errors_by_topic),
        T(topic_partitions__cursor_without_sense__invalid_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
