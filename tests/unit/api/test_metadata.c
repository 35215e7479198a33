/* SPDX-License-Identifier: Apache-2.0 */
#include "topics.h"
#include "wire/messages/metadata.h"

enum { MANY = 100000 };

static struct metadata_response out;

static void
ask(int16_t version, struct metadata_request_topic *topics, size_t count)
{
    struct metadata_request in;
    metadata_request_init(&in);
    in.topics.items = topics;
    in.topics.count = count;
    call(API_METADATA, version, &in, &out);
}

static void
ask_name(int16_t version, const char *name, bool may_create)
{
    struct metadata_request_topic t = {.name = span_cstr(name)};
    struct metadata_request in;
    metadata_request_init(&in);
    in.topics.items = &t;
    in.topics.count = 1;
    in.allow_auto_topic_creation = may_create;
    call(API_METADATA, version, &in, &out);
    assert_int_equal(out.topics.count, 1);
}

static void
assert_ready(const struct metadata_response_topic *t, int16_t version, size_t partitions)
{
    assert_int_equal(t->error_code, 0);
    assert_int_equal(t->partitions.count, partitions);
    for (size_t i = 0; i < partitions; i++) {
        const struct metadata_response_partition *p = &t->partitions.items[i];
        assert_int_equal(p->error_code, 0);
        assert_int_equal(p->partition_index, i);
        assert_int_equal(p->leader_id, WORLD_NODE);
        assert_int_equal(p->leader_epoch, version >= 7 ? 0 : -1);
        assert_int_equal(p->replica_nodes.count, 1);
        assert_int_equal(p->replica_nodes.items[0], WORLD_NODE);
        assert_int_equal(p->isr_nodes.count, 1);
        assert_int_equal(p->isr_nodes.items[0], WORLD_NODE);
        assert_int_equal(p->offline_replicas.count, 0);
    }
}

static void
every_version__says_who_and_where(void **unused)
{
    (void)unused;
    create_one("a", 3);
    for (int16_t v = 0; v <= 13; v++) {
        ask_name(v, "a", false);
        assert_int_equal(out.brokers.count, 1);
        assert_int_equal(out.brokers.items[0].node_id, WORLD_NODE);
        assert_span(out.brokers.items[0].host, "second.example"); /* the listener that was used */
        assert_int_equal(out.brokers.items[0].port, 9192);
        assert_int_equal(out.controller_id, v >= 1 ? WORLD_NODE : -1);
        if (v >= 2) {
            assert_span(out.cluster_id, w.broker.cluster_text);
        }
        assert_span(out.topics.items[0].name, "a");
        assert_ready(&out.topics.items[0], v, 3);
        assert_int_equal(out.topics.items[0].topic_authorized_operations, INT32_MIN);
        assert_int_equal(out.error_code, 0);
    }
}

static void
listener__unknown_to_the_broker__first_address(void **unused)
{
    (void)unused;
    w.conn.listener = "unheard-of";
    ask(1, NULL, 0);
    assert_span(out.brokers.items[0].host, "first.example");
}

static void
all__v0_empty_v1_null__lists_everything_sorted(void **unused)
{
    (void)unused;
    struct metadata_request_topic none;
    create_one("b", 1);
    create_one("a", 2);
    ask(0, &none, 0);
    assert_int_equal(out.topics.count, 2);
    for (int16_t v = 1; v <= 13; v++) {
        ask(v, NULL, 0);
        assert_int_equal(out.topics.count, 2);
        assert_span(out.topics.items[0].name, "a");
        assert_ready(&out.topics.items[0], v, 2);
        assert_ready(&out.topics.items[1], v, 1);
        ask(v, &none, 0);
        assert_int_equal(out.topics.count, 0);
        assert_int_equal(out.brokers.count, 1);
    }
}

static void
unknown__creation_not_wanted__is_not_created(void **unused)
{
    (void)unused;
    ask_name(4, "x", false);
    assert_int_equal(out.topics.items[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    w.broker.is_auto_create = false;
    ask_name(4, "x", true);
    assert_int_equal(out.topics.items[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    ask(1, NULL, 0);
    assert_int_equal(out.topics.count, 0);
}

static void
unknown__creation_wanted__answers_with_the_ready_topic(void **unused)
{
    (void)unused;
    static const int16_t versions[] = {0, 3, 4, 9, 13}; /* up to 3 there is no way to say no */
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        char name[] = "auto-0";
        name[5] = (char)('a' + (char)i);
        ask_name(versions[i], name, versions[i] > 3);
        assert_ready(&out.topics.items[0], versions[i], 2);
    }
}

static void
unknown__many_names__one_op_creates_all(void **unused)
{
    (void)unused;
    struct metadata_request_topic topics[50];
    char names[50][16];
    for (size_t i = 0; i < 50; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "t-%zu", i);
        topics[i] = (struct metadata_request_topic){.name = span_cstr(names[i])};
    }
    size_t before = w.store.puts;
    ask(9, topics, 50);
    assert_int_equal(out.topics.count, 50);
    for (size_t i = 0; i < 50; i++) {
        assert_span(out.topics.items[i].name, names[i]);
        assert_ready(&out.topics.items[i], 9, 2);
    }
    /* the intent, the opens in each journal, the record that they are done */
    assert_true(w.store.puts - before <= 2 + WORLD_SHARDS);
}

static void
names__invalid_colliding_or_twice__each_its_own_answer(void **unused)
{
    (void)unused;
    struct metadata_request_topic topics[] = {
        {.name = span_cstr("a.b")}, {.name = span_cstr("a_b")}, {.name = span_cstr("no good")},
        {.name = span_cstr("")},    {.name = span_cstr("a.b")},
    };
    ask(9, topics, 5);
    assert_ready(&out.topics.items[0], 9, 2);
    assert_int_equal(out.topics.items[1].error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(out.topics.items[2].error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(out.topics.items[3].error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_ready(&out.topics.items[4], 9, 2);
    ask(1, NULL, 0);
    assert_int_equal(out.topics.count, 1);
}

static void
ids__known_and_unknown(void **unused)
{
    (void)unused;
    create_one("a", 1);
    ask_name(12, "a", false);
    struct metadata_request_topic topics[2] = {{{0}, {NULL, 0}}, {{1, 2, 3}, {NULL, 0}}};
    memcpy(topics[0].topic_id, out.topics.items[0].topic_id, 16);
    ask(12, topics, 2);
    assert_span(out.topics.items[0].name, "a");
    assert_ready(&out.topics.items[0], 12, 1);
    assert_int_equal(out.topics.items[1].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    assert_null(out.topics.items[1].name.ptr);
    assert_memory_equal(out.topics.items[1].topic_id, topics[1].topic_id, 16);
    ask(1, NULL, 0);
    assert_int_equal(out.topics.count, 1);
}

static void
ids__before_v12_or_neither_id_nor_name__invalid_request(void **unused)
{
    (void)unused;
    struct metadata_request_topic by_id = {{1, 2, 3}, span_cstr("a")};
    struct metadata_request_topic nothing = {{0}, {NULL, 0}};
    ask(11, &by_id, 1);
    assert_int_equal(out.topics.items[0].error_code, KAFKA_INVALID_REQUEST);
    ask(11, &nothing, 1);
    assert_int_equal(out.topics.items[0].error_code, KAFKA_INVALID_REQUEST);
    ask(12, &nothing, 1);
    assert_int_equal(out.topics.items[0].error_code, KAFKA_INVALID_REQUEST);
}

static void
operations__told_only_when_asked(void **unused)
{
    (void)unused;
    struct metadata_request_topic t = {.name = span_cstr("a")};
    struct metadata_request in;
    create_one("a", 1);
    metadata_request_init(&in);
    in.topics.items = &t;
    in.topics.count = 1;
    in.include_topic_authorized_operations = true;
    in.include_cluster_authorized_operations = true;
    call(API_METADATA, 10, &in, &out);
    /* READ WRITE CREATE DELETE ALTER DESCRIBE DESCRIBE_CONFIGS ALTER_CONFIGS */
    assert_int_equal(out.topics.items[0].topic_authorized_operations, 0xDF8);
    assert_int_equal(out.cluster_authorized_operations & 0x100, 0x100);
}

/* What another broker created, and has not opened yet. */
static void
not_opened__leader_not_available_for_those(void **unused)
{
    (void)unused;
    uint32_t journals[] = {0, 1, 2};
    struct topic_state half = {.id = uuid_random(&w.loop.pub),
                               .name = (char *)(uintptr_t) "half",
                               .partition_count = 3,
                               .opened_count = 1,
                               .journals = journals};
    directory_update(w.broker.topics, &half);
    ask_name(9, "half", false);
    const struct metadata_response_topic *t = &out.topics.items[0];
    assert_int_equal(t->error_code, 0);
    assert_int_equal(t->partitions.count, 3);
    assert_int_equal(t->partitions.items[0].error_code, 0);
    assert_int_equal(t->partitions.items[0].leader_id, WORLD_NODE);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(t->partitions.items[i].error_code, KAFKA_LEADER_NOT_AVAILABLE);
        assert_int_equal(t->partitions.items[i].leader_id, -1);
        assert_int_equal(t->partitions.items[i].replica_nodes.count, 1);
    }
}

static void
store_is_down__known_topics_are_answered_and_nothing_is_created(void **unused)
{
    (void)unused;
    create_one("a", 1);
    w.store.is_down = true;
    w.loop.now_ns += 3600 * SCHED_S; /* so that nothing was won lately */
    ask_name(9, "a", true);
    assert_ready(&out.topics.items[0], 9, 1);
    int64_t before = w.loop.now_ns;
    ask_name(9, "b", true);
    assert_int_equal(out.topics.items[0].error_code, KAFKA_LEADER_NOT_AVAILABLE);
    assert_true(w.loop.now_ns - before <= 20 * SCHED_S);
    ask(1, NULL, 0);
    assert_int_equal(out.topics.count, 1);
    w.store.is_down = false;
    ask_name(9, "b", true);
    while (out.topics.items[0].error_code == KAFKA_LEADER_NOT_AVAILABLE) { /* as a client does */
        world_step("the journal to find its store again");
        ask_name(9, "b", true);
    }
    assert_ready(&out.topics.items[0], 9, 2);
}

static void
many_partitions__all_in_one_reply(void **unused)
{
    (void)unused;
    create_one("many", MANY);
    ask(9, NULL, 0);
    assert_int_equal(out.topics.count, 1);
    assert_ready(&out.topics.items[0], 9, MANY);
}

static void
restart__topics_are_there(void **unused)
{
    (void)unused;
    create_one("a", 3);
    world_restart();
    ask(9, NULL, 0);
    assert_int_equal(out.topics.count, 1);
    assert_ready(&out.topics.items[0], 9, 3);
}

static void
librdkafka__three_bytes_too_many__answered(void **unused)
{
    (void)unused;
    /* librdkafka 2.16, list_topics of all topics */
    static const uint8_t frame[] = {0,   3,   0,   13,  0, 0, 0x12, 0x67, 0, 7, 'r', 'd', 'k',
                                    'a', 'f', 'k', 'a', 0, 0, 0,    0,    0, 1, 0,   0};
    create_one("a", 1);
    send_frame(span_of(frame, sizeof(frame)));
    assert_false(w.is_closed);
    read_reply(API_METADATA, 13, &out);
    assert_int_equal(out.topics.count, 1);
    uint8_t longer[sizeof(frame) + 1] = {0};
    memcpy(longer, frame, sizeof(frame));
    send_frame(span_of(longer, sizeof(longer)));
    assert_true(w.is_closed);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_version__says_who_and_where),
        T(listener__unknown_to_the_broker__first_address),
        T(all__v0_empty_v1_null__lists_everything_sorted),
        T(unknown__creation_not_wanted__is_not_created),
        T(unknown__creation_wanted__answers_with_the_ready_topic),
        T(unknown__many_names__one_op_creates_all),
        T(names__invalid_colliding_or_twice__each_its_own_answer),
        T(ids__known_and_unknown),
        T(ids__before_v12_or_neither_id_nor_name__invalid_request),
        T(operations__told_only_when_asked),
        T(not_opened__leader_not_available_for_those),
        T(store_is_down__known_topics_are_answered_and_nothing_is_created),
        T(many_partitions__all_in_one_reply),
        T(restart__topics_are_there),
        T(librdkafka__three_bytes_too_many__answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
