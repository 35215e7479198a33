/* SPDX-License-Identifier: Apache-2.0
 *
 * FindCoordinator, InitProducerId, DescribeCluster. */
#include "api_fixture.h"
#include "wire/messages/describe_cluster.h"
#include "wire/messages/find_coordinator.h"
#include "wire/messages/init_producer_id.h"

static struct find_coordinator_response coordinator;

static void
find_coordinator__group__this_broker(void **unused)
{
    (void)unused;
    for (int16_t v = 0; v <= 3; v++) {
        const struct find_coordinator_request in = {.key = span_cstr(v == 0 ? "" : "group")};
        call(API_FIND_COORDINATOR, v, &in, &coordinator);
        assert_int_equal(coordinator.error_code, 0);
        assert_int_equal(coordinator.node_id, WORLD_NODE);
        assert_span(coordinator.host, "second.example");
        assert_int_equal(coordinator.port, 9192);
    }
}

static void
find_coordinator__batched(void **unused)
{
    (void)unused;
    struct span keys[] = {span_cstr("a"), span_cstr(""), span_cstr("b")};
    const struct find_coordinator_request in = {.coordinator_keys = {keys, 3}};
    call(API_FIND_COORDINATOR, 4, &in, &coordinator);
    assert_int_equal(coordinator.coordinators.count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct find_coordinator_response_coordinator *c = &coordinator.coordinators.items[i];
        assert_true(span_eq(c->key, keys[i]));
        assert_int_equal(c->error_code, 0);
        assert_int_equal(c->node_id, WORLD_NODE);
    }
}

static void
find_coordinator__transaction_or_unknown__not_retriable(void **unused)
{
    (void)unused;
    for (int8_t type = 1; type <= 3; type++) {
        for (int16_t v = 1; v <= 3; v++) {
            const struct find_coordinator_request in = {.key = span_cstr("tx"), .key_type = type};
            call(API_FIND_COORDINATOR, v, &in, &coordinator);
            assert_int_equal(coordinator.error_code, KAFKA_INVALID_REQUEST);
            assert_false(kafka_error_is_retriable(coordinator.error_code));
            assert_int_equal(coordinator.node_id, -1);
            assert_true(coordinator.error_message.len > 0);
        }
        struct span key = span_cstr("tx");
        const struct find_coordinator_request in = {.key_type = type,
                                                    .coordinator_keys = {&key, 1}};
        call(API_FIND_COORDINATOR, 4, &in, &coordinator);
        assert_int_equal(coordinator.coordinators.items[0].error_code, KAFKA_INVALID_REQUEST);
    }
}

static struct init_producer_id_response producer;

static int16_t
init_producer(int16_t version, const char *transactional_id, int64_t id, int16_t epoch)
{
    struct init_producer_id_request in;
    init_producer_id_request_init(&in);
    in.transactional_id = span_cstr(transactional_id);
    in.transaction_timeout_ms = 60000;
    in.producer_id = id;
    in.producer_epoch = epoch;
    call(API_INIT_PRODUCER_ID, version, &in, &producer);
    return producer.error_code;
}

static void
init_producer_id__every_version__a_new_id(void **unused)
{
    (void)unused;
    int64_t last = -1;
    for (int16_t v = 0; v <= 5; v++) {
        assert_int_equal(init_producer(v, NULL, -1, -1), 0);
        assert_true(producer.producer_id > last);
        assert_int_equal(producer.producer_epoch, 0);
        last = producer.producer_id;
    }
    /* an id of one's own is no reason to keep it without transactions */
    assert_int_equal(init_producer(5, NULL, last, 3), 0);
    assert_true(producer.producer_id > last);
    assert_int_equal(producer.producer_epoch, 0);
}

static void
init_producer_id__never_twice__not_even_after_a_restart(void **unused)
{
    (void)unused;
    int64_t last = -1;
    for (int i = 0; i < 2500; i++) { /* more than two blocks */
        assert_int_equal(init_producer(4, NULL, -1, -1), 0);
        assert_true(producer.producer_id > last);
        last = producer.producer_id;
    }
    world_restart();
    assert_int_equal(init_producer(4, NULL, -1, -1), 0);
    assert_true(producer.producer_id > last);
}

static void
init_producer_id__transactional_or_inconsistent__invalid_request(void **unused)
{
    (void)unused;
    assert_int_equal(init_producer(0, "tx", -1, -1), KAFKA_INVALID_REQUEST);
    assert_int_equal(init_producer(5, "tx", -1, -1), KAFKA_INVALID_REQUEST);
    assert_int_equal(init_producer(3, NULL, 5, -1), KAFKA_INVALID_REQUEST);
    assert_int_equal(init_producer(3, NULL, -1, 5), KAFKA_INVALID_REQUEST);
    assert_int_equal(producer.producer_id, -1);
}

static void
init_producer_id__store_is_down__retriable(void **unused)
{
    (void)unused;
    w.store.is_down = true;
    assert_true(kafka_error_is_retriable(init_producer(4, NULL, -1, -1)));
    assert_int_equal(producer.producer_id, -1);
    w.store.is_down = false;
    while (init_producer(4, NULL, -1, -1) != 0) {
        world_step("the journal to find its store again");
    }
    assert_true(producer.producer_id >= 0);
}

static struct describe_cluster_response cluster;

static void
describe_cluster__this_broker(void **unused)
{
    (void)unused;
    for (int16_t v = 0; v <= 1; v++) {
        struct describe_cluster_request in;
        describe_cluster_request_init(&in);
        call(API_DESCRIBE_CLUSTER, v, &in, &cluster);
        assert_int_equal(cluster.error_code, 0);
        assert_span(cluster.cluster_id, w.broker.cluster_text);
        assert_int_equal(cluster.controller_id, WORLD_NODE);
        assert_int_equal(cluster.brokers.count, 1);
        assert_int_equal(cluster.brokers.items[0].broker_id, WORLD_NODE);
        assert_span(cluster.brokers.items[0].host, "second.example");
        assert_int_equal(cluster.cluster_authorized_operations, INT32_MIN);
        in.include_cluster_authorized_operations = true;
        call(API_DESCRIBE_CLUSTER, v, &in, &cluster);
        assert_true(cluster.cluster_authorized_operations > 0);
    }
}

static void
describe_cluster__other_endpoints__refused(void **unused)
{
    (void)unused;
    struct describe_cluster_request in;
    describe_cluster_request_init(&in);
    in.endpoint_type = 2;
    call(API_DESCRIBE_CLUSTER, 1, &in, &cluster);
    assert_int_equal(cluster.error_code, 114);
    assert_int_equal(cluster.brokers.count, 0);
    in.endpoint_type = 9;
    call(API_DESCRIBE_CLUSTER, 1, &in, &cluster);
    assert_int_equal(cluster.error_code, 115);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(find_coordinator__group__this_broker),
        T(find_coordinator__batched),
        T(find_coordinator__transaction_or_unknown__not_retriable),
        T(init_producer_id__every_version__a_new_id),
        T(init_producer_id__never_twice__not_even_after_a_restart),
        T(init_producer_id__transactional_or_inconsistent__invalid_request),
        T(init_producer_id__store_is_down__retriable),
        T(describe_cluster__this_broker),
        T(describe_cluster__other_endpoints__refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
