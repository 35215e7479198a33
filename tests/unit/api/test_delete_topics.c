/* SPDX-License-Identifier: Apache-2.0
 *
 * DeleteTopics: each item's answer, what becomes of readers and writers, and a deletion that was
 * cut short (docs/journal.md R7). */
#include "topics.h"
#include "wire/messages/delete_topics.h"
#include "wire/messages/fetch.h"

static const int64_t times[] = {1000};
static struct delete_topics_response deleted;

static void
delete_all(struct delete_topics_request_topic *topics, size_t count)
{
    struct delete_topics_request in = {.timeout_ms = 5000};
    in.topics.items = topics;
    in.topics.count = count;
    call(API_DELETE_TOPICS, 6, &in, &deleted);
    assert_int_equal(deleted.responses.count, count);
}

static int16_t
delete_named(const char *name)
{
    struct delete_topics_request_topic t = {.name = span_cstr(name)};
    delete_all(&t, 1);
    return deleted.responses.items[0].error_code;
}

static struct uuid
id_of(const char *name)
{
    struct topic *t = directory_find(w.broker.topics, span_cstr(name));
    struct uuid id = {{0}};
    if (t != NULL) {
        id = t->id;
    }
    topic_unref(&t);
    return id;
}

static bool
is_known(const char *name)
{
    static const struct uuid none;
    struct uuid id = id_of(name);
    return !uuid_eq(&id, &none);
}

/* Partitions that any journal has of a topic. */
static size_t
open_partitions(const struct uuid *id)
{
    size_t found = 0;
    for (int j = 0; j < WORLD_SHARDS; j++) {
        size_t pos = 0;
        for (struct part_state *p; (p = state_next_part(shard_state(w.shards[j]), &pos));) {
            found += uuid_eq(&p->topic_id, id) ? 1 : 0;
        }
    }
    return found;
}

static bool
is_forgotten(const struct uuid *id)
{
    return state_find_topic_id(shard_state(w.shards[0]), id) == NULL && open_partitions(id) == 0;
}

static void
delete__by_name__every_version(void **unused)
{
    (void)unused;
    for (int16_t v = 1; v <= 5; v++) {
        struct span names[] = {span_cstr("t"), span_cstr("none")};
        struct delete_topics_request in = {.timeout_ms = 5000};
        in.topic_names.items = names;
        in.topic_names.count = 2;
        create_one("t", 5);
        struct uuid id = id_of("t");
        call(API_DELETE_TOPICS, v, &in, &deleted);
        assert_int_equal(deleted.responses.items[0].error_code, 0);
        assert_span(deleted.responses.items[0].name, "t");
        assert_int_equal(deleted.responses.items[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        assert_false(is_known("t"));
        assert_true(is_forgotten(&id));
    }
}

static void
delete__by_id__answers_name_and_id(void **unused)
{
    (void)unused;
    create_one("t", 3);
    struct uuid id = id_of("t");
    struct delete_topics_request_topic topics[2] = {0};
    memcpy(topics[0].topic_id, id.b, 16);
    topics[1].topic_id[3] = 9;
    delete_all(topics, 2);
    assert_int_equal(deleted.responses.items[0].error_code, 0);
    assert_span(deleted.responses.items[0].name, "t");
    assert_memory_equal(deleted.responses.items[0].topic_id, id.b, 16);
    assert_int_equal(deleted.responses.items[1].error_code, KAFKA_UNKNOWN_TOPIC_ID);
    assert_null(deleted.responses.items[1].name.ptr);
    assert_true(is_forgotten(&id));
}

static void
delete__items_without_sense__each_its_own_error(void **unused)
{
    (void)unused;
    create_one("t", 1);
    create_one("u", 1);
    create_one("v", 1);
    struct uuid id = id_of("t");
    struct delete_topics_request_topic topics[7] = {0};
    topics[0].name = topics[1].name = span_cstr("u"); /* twice */
    topics[3].name = span_cstr("t");                  /* topics[2] names nothing */
    memcpy(topics[4].topic_id, id.b, 16);             /* the same topic by its id */
    topics[5].name = span_cstr("v");
    memcpy(topics[5].topic_id, id.b, 15); /* name and id */
    topics[6].name = span_cstr("v");
    delete_all(topics, 7);
    static const int16_t codes[] = {KAFKA_INVALID_REQUEST,
                                    KAFKA_INVALID_REQUEST,
                                    KAFKA_INVALID_REQUEST,
                                    0,
                                    KAFKA_INVALID_REQUEST,
                                    KAFKA_INVALID_REQUEST,
                                    0};
    for (int i = 0; i < 7; i++) {
        assert_int_equal(deleted.responses.items[i].error_code, codes[i]);
    }
    assert_true(is_known("u"));
    assert_false(is_known("t"));
    assert_false(is_known("v"));
}

static void
delete__created_again__another_id_and_directory_and_an_empty_log(void **unused)
{
    (void)unused;
    struct uuid old;
    for (uint32_t i = 0; i < 3; i++) {
        create_one("t", 2);
        struct uuid id = id_of("t");
        assert_false(uuid_eq(&id, &old));
        assert_int_equal(state_find_topic_id(shard_state(w.shards[0]), &id)->incarnation, i);
        assert_int_equal(produce_at("t", 1, times, 1), 0);
        assert_int_equal(produce_at("t", 1, times, 1), 1);
        old = id;
        assert_int_equal(delete_named("t"), 0);
        assert_int_equal(produce_at("t", 1, times, 1), -KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    }
    world_restart();
    assert_false(is_known("t"));
    create_one("t", 2);
    assert_int_equal(produce_at("t", 1, times, 1), 0);
}

/* --- readers --- */

static void
start_fetch(struct flight *f, int16_t version, const struct uuid *id)
{
    struct bytes frame;
    struct fetch_request_partition p = {
        .current_leader_epoch = -1, .last_fetched_epoch = -1, .partition_max_bytes = 1 << 20};
    struct fetch_request_topic t = {.topic = span_cstr("t")};
    struct fetch_request in;
    fetch_request_init(&in);
    in.max_wait_ms = 60000;
    in.min_bytes = 1;
    in.max_bytes = 1 << 20;
    memcpy(t.topic_id, id->b, 16);
    t.partitions.items = &p;
    t.partitions.count = 1;
    in.topics.items = &t;
    in.topics.count = 1;
    bytes_init(&frame, 1 << 20);
    put_frame(&frame, API_FETCH, version, &in);
    flight_start(f, bytes_span(&frame));
    bytes_fini(&frame);
}

static void
delete__a_fetch_waits__it_is_told(void **unused)
{
    (void)unused;
    for (int16_t v = 12; v <= 13; v++) {
        struct flight f;
        struct fetch_response out;
        create_one("t", 1);
        struct uuid id = id_of("t");
        start_fetch(&f, v, &id);
        while (w.loop.head != NULL) {
            world_step("the fetch to sleep");
        }
        assert_false(f.is_finished);
        int64_t began = w.loop.now_ns;
        struct flight other;
        struct bytes frame;
        struct delete_topics_request_topic t = {.name = span_cstr("t")};
        struct delete_topics_request in = {.timeout_ms = 5000};
        in.topics.items = &t;
        in.topics.count = 1;
        bytes_init(&frame, 4096);
        put_frame(&frame, API_DELETE_TOPICS, 6, &in);
        flight_start(&other, bytes_span(&frame));
        bytes_fini(&frame);
        flight_land(&f);
        assert_true(w.loop.now_ns - began < 30 * SCHED_S);
        read_reply(API_FETCH, v, &out);
        assert_int_equal(out.responses.items[0].partitions.items[0].error_code,
                         v >= 13 ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        flight_land(&other);
    }
}

/* --- cut short --- */

static bool is_done;

static void
op_is_done(struct op_proposal *op, enum sl_err rc)
{
    (void)op;
    assert_int_equal(rc, SL_OK);
    is_done = true;
}

/* The intent stands in journal 0, and nothing else was done: a broker died. */
static void
intend_to_delete(const struct uuid *id)
{
    struct op_proposal op = {
        .kind = ITEM_TOPIC_DELETE, .deadline_ns = w.loop.now_ns + 5 * SCHED_S, .done = op_is_done};
    bytes_init(&op.payload, 4096);
    op_encode_topic_delete(&op.payload, id, 1);
    is_done = false;
    op_submit(w.shards[0], &op);
    while (!is_done) {
        world_step("the intent");
    }
    bytes_fini(&op.payload);
}

static void
delete__cut_short__whoever_opens_journal_0_finishes_it(void **unused)
{
    (void)unused;
    create_one("t", 4);
    struct uuid id = id_of("t");
    intend_to_delete(&id);
    assert_false(is_known("t"));
    assert_int_equal(open_partitions(&id), 4);
    create_one("t", 1); /* the name is free at once */
    world_restart();
    while (!is_forgotten(&id)) {
        world_step("the deletion to be finished");
    }
    assert_true(is_known("t"));
    assert_int_equal(produce_at("t", 0, times, 1), 0);
}

static void
delete__cut_short__the_sweep_finishes_it(void **unused)
{
    (void)unused;
    create_one("t", 4);
    struct uuid id = id_of("t");
    intend_to_delete(&id);
    int64_t began = w.loop.now_ns;
    while (!is_forgotten(&id)) {
        world_step("the sweep");
    }
    assert_true(w.loop.now_ns - began <= 10 * SCHED_S);
}

/* A slow broker's OPEN landed behind the RETIRE. */
static void
delete__an_open_that_came_late__the_janitor_retires_it(void **unused)
{
    (void)unused;
    const struct uuid id = {{7, 7, 7}};
    const int32_t indexes[] = {0, 1};
    struct op_proposal op = {
        .kind = ITEM_OPEN, .deadline_ns = w.loop.now_ns + 5 * SCHED_S, .done = op_is_done};
    create_one("t", 3);
    bytes_init(&op.payload, 4096);
    op_encode_open(&op.payload, &id, indexes, 2);
    is_done = false;
    op_submit(w.shards[1], &op);
    while (!is_done) {
        world_step("the open");
    }
    bytes_fini(&op.payload);
    assert_int_equal(open_partitions(&id), 2);
    int64_t began = w.loop.now_ns;
    while (open_partitions(&id) > 0) {
        world_step("the janitor");
    }
    assert_true(w.loop.now_ns - began <= 400 * SCHED_S);
    assert_int_equal(produce_at("t", 0, times, 1), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(delete__by_name__every_version),
        T(delete__by_id__answers_name_and_id),
        T(delete__items_without_sense__each_its_own_error),
        T(delete__created_again__another_id_and_directory_and_an_empty_log),
        T(delete__a_fetch_waits__it_is_told),
        T(delete__cut_short__whoever_opens_journal_0_finishes_it),
        T(delete__cut_short__the_sweep_finishes_it),
        T(delete__an_open_that_came_late__the_janitor_retires_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
