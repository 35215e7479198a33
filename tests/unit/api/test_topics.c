/* SPDX-License-Identifier: Apache-2.0
 *
 * CreateTopics, CreatePartitions, DescribeConfigs. */
#include "topics.h"
#include "wire/messages/create_partitions.h"
#include "wire/messages/describe_configs.h"
#include "wire/messages/metadata.h"

static struct create_topics_response created;

static int32_t
partitions_of(const char *name)
{
    struct topic *t = directory_find(w.broker.topics, span_cstr(name));
    int32_t count = t == NULL ? -1 : t->opened_count == t->partition_count ? t->partition_count : 0;
    topic_unref(&t);
    return count;
}

/* Creates one topic and expects this error; 0 is success. */
static const struct create_topics_response_topic *
expect(struct create_topics_request_topic t, int16_t code)
{
    create_all(&t, 1, 7, &created);
    const struct create_topics_response_topic *out = &created.topics.items[0];
    if (out->error_code != code) {
        fail_msg("%.*s: error %d \"%.*s\", expected %d", (int)t.name.len, (const char *)t.name.ptr,
                 out->error_code, (int)out->error_message.len, (const char *)out->error_message.ptr,
                 code);
    }
    assert_true(code == 0 || out->error_message.len > 0);
    return out;
}

/* --- CreateTopics --- */

static void
create__every_version__ready_when_answered(void **unused)
{
    (void)unused;
    for (int16_t v = 2; v <= 7; v++) {
        char name[] = "topic-0";
        name[6] = (char)('0' + v);
        struct create_topics_request_topic t = new_topic(name, 5);
        create_all(&t, 1, v, &created);
        const struct create_topics_response_topic *out = &created.topics.items[0];
        assert_int_equal(out->error_code, 0);
        assert_span(out->name, name);
        assert_int_equal(partitions_of(name), 5);
        assert_int_equal(out->num_partitions, v >= 5 ? 5 : -1);
        assert_int_equal(out->replication_factor, v >= 5 ? 1 : -1);
        struct topic *topic = directory_find(w.broker.topics, span_cstr(name));
        static const uint8_t zero[16];
        assert_memory_equal(out->topic_id, v >= 7 ? topic->id.b : zero, 16);
        topic_unref(&topic);
    }
}

static void
create__counts_and_factors(void **unused)
{
    (void)unused;
    struct create_topics_request_topic t = new_topic("a", -1);
    assert_int_equal(expect(t, 0)->num_partitions, 2); /* the broker's default */
    (void)expect(new_topic("b", 0), KAFKA_INVALID_PARTITIONS);
    (void)expect(new_topic("b", -2), KAFKA_INVALID_PARTITIONS);
    (void)expect(new_topic("b", TOPIC_CREATE_PARTITIONS_MAX + 1), KAFKA_INVALID_PARTITIONS);
    t = new_topic("b", 1);
    t.replication_factor = 0;
    (void)expect(t, KAFKA_INVALID_REPLICATION_FACTOR);
    t.replication_factor = -2;
    (void)expect(t, KAFKA_INVALID_REPLICATION_FACTOR);
    t.replication_factor = 32767;
    (void)expect(t, 0);
    t = new_topic("c", 1);
    t.replication_factor = -1;
    (void)expect(t, 0);
}

static void
create__names(void **unused)
{
    (void)unused;
    (void)expect(new_topic("", 1), KAFKA_INVALID_TOPIC_EXCEPTION);
    (void)expect(new_topic("..", 1), KAFKA_INVALID_TOPIC_EXCEPTION);
    (void)expect(new_topic("a/b", 1), KAFKA_INVALID_TOPIC_EXCEPTION);
    (void)expect(new_topic("a.b", 1), 0);
    assert_true(span_has(expect(new_topic("a.b", 1), KAFKA_TOPIC_ALREADY_EXISTS)->error_message,
                         "'a.b' already exists"));
    (void)expect(new_topic("a_b", 1), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(partitions_of("a.b"), 1);
}

/* Both names are free, but not together. An op that said both would fail the journal. */
static void
create__names_that_collide_in_one_request__first_wins(void **unused)
{
    (void)unused;
    struct create_topics_request_topic topics[] = {new_topic("x.y", 1), new_topic("x_y", 1),
                                                   new_topic("z", 1)};
    create_all(topics, 3, 7, &created);
    assert_int_equal(created.topics.items[0].error_code, 0);
    assert_int_equal(created.topics.items[1].error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(created.topics.items[2].error_code, 0);
    (void)expect(new_topic("after", 1), 0);
}

static void
create__named_twice__refused_each_time_and_the_others_are_created(void **unused)
{
    (void)unused;
    struct create_topics_request_topic topics[] = {new_topic("d", 1), new_topic("e", 1),
                                                   new_topic("d", 2), new_topic("d", 3)};
    create_all(topics, 4, 7, &created);
    assert_int_equal(created.topics.items[0].error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(created.topics.items[1].error_code, 0);
    assert_int_equal(created.topics.items[2].error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(created.topics.items[3].error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(partitions_of("d"), -1);
    assert_int_equal(partitions_of("e"), 1);
}

static void
create__validate_only__judges_and_creates_nothing(void **unused)
{
    (void)unused;
    struct create_topics_request_topic topics[] = {new_topic("new", 3), new_topic("old", 1),
                                                   new_topic("bad", 0)};
    struct create_topics_request in;
    create_one("old", 1);
    create_topics_request_init(&in);
    in.topics.items = topics;
    in.topics.count = 3;
    in.validate_only = true;
    call(API_CREATE_TOPICS, 7, &in, &created);
    assert_int_equal(created.topics.items[0].error_code, 0);
    assert_int_equal(created.topics.items[0].num_partitions, 3);
    assert_int_equal(created.topics.items[1].error_code, KAFKA_TOPIC_ALREADY_EXISTS);
    assert_int_equal(created.topics.items[2].error_code, KAFKA_INVALID_PARTITIONS);
    assert_int_equal(partitions_of("new"), -1);
}

static void
create__manual_assignment__counts_by_its_shape(void **unused)
{
    (void)unused;
    int32_t two[] = {1, 2};
    struct create_topics_request_assignment a[3] = {{.partition_index = 1}, {.partition_index = 0}};
    for (size_t i = 0; i < 3; i++) {
        a[i].broker_ids.items = two;
        a[i].broker_ids.count = 2;
    }
    struct create_topics_request_topic t = new_topic("m", -1);
    t.assignments.items = a;
    t.assignments.count = 2;
    (void)expect(t, KAFKA_INVALID_REQUEST); /* a replication factor as well */
    t.replication_factor = -1;
    t.num_partitions = 2;
    (void)expect(t, KAFKA_INVALID_REQUEST);
    t.num_partitions = -1;
    a[0].partition_index = 2; /* a gap */
    (void)expect(t, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    a[0].partition_index = 0; /* twice */
    (void)expect(t, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    a[0].partition_index = -1;
    (void)expect(t, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    a[0].partition_index = 1;
    a[0].broker_ids.count = 1; /* not the same number */
    (void)expect(t, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    a[0].broker_ids.count = a[1].broker_ids.count = 0;
    (void)expect(t, KAFKA_INVALID_REPLICA_ASSIGNMENT);
    a[0].broker_ids.count = a[1].broker_ids.count = 2;
    assert_int_equal(expect(t, 0)->num_partitions, 2);
}

static void
create__configs__checked_and_told_with_their_source(void **unused)
{
    (void)unused;
    struct create_topics_request_config configs[] = {
        {span_cstr("cleanup.policy"), span_cstr("compact")},
        {span_cstr("retention.ms"), span_cstr("5")},
        {span_cstr("retention.ms"), span_cstr(" 1000 ")}};
    struct create_topics_request_topic t = new_topic("c", 1);
    t.configs.items = configs;
    t.configs.count = 3;
    const struct create_topics_response_topic *out = expect(t, 0);
    size_t rows;
    (void)topic_config_table(&rows);
    assert_int_equal(out->configs.count, rows);
    for (size_t i = 0; i < rows; i++) {
        const struct create_topics_response_config *c = &out->configs.items[i];
        bool is_own = span_is(c->name, "cleanup.policy") || span_is(c->name, "retention.ms");
        assert_int_equal(c->config_source, is_own ? 1 : 5);
        assert_false(c->read_only || c->is_sensitive);
        if (span_is(c->name, "retention.ms")) {
            assert_span(c->value, "1000"); /* the last one stands */
        }
    }
    t = new_topic("c2", 1);
    t.configs.items = configs;
    t.configs.count = 1;
    configs[0].name = span_cstr("no.such.option");
    assert_true(span_has(expect(t, KAFKA_INVALID_CONFIG)->error_message, "no.such.option"));
    configs[0] = (struct create_topics_request_config){span_cstr("retention.ms"), {NULL, 0}};
    (void)expect(t, KAFKA_INVALID_CONFIG);
    configs[0].value = span_cstr("soon");
    assert_true(span_has(expect(t, KAFKA_INVALID_CONFIG)->error_message, "retention.ms"));
    assert_int_equal(partitions_of("c2"), -1);
}

static void
create__ten_thousand_partitions__open_in_every_journal(void **unused)
{
    (void)unused;
    (void)expect(new_topic("big", 10000), 0);
    assert_int_equal(partitions_of("big"), 10000);
    size_t total = 0;
    for (uint32_t j = 0; j < WORLD_SHARDS; j++) {
        size_t pos = 0;
        size_t here = 0;
        while (state_next_part(shard_state(w.shards[j]), &pos) != NULL) {
            here++;
        }
        assert_true(here >= 10000 / WORLD_SHARDS);
        total += here;
    }
    assert_int_equal(total, 10000);
    world_restart();
    assert_int_equal(partitions_of("big"), 10000);
}

static void
create__most_partitions_of_one_request(void **unused)
{
    (void)unused;
    struct create_topics_request_topic topics[] = {new_topic("most", TOPIC_CREATE_PARTITIONS_MAX),
                                                   new_topic("more", 1)};
    create_all(topics, 2, 7, &created);
    assert_int_equal(created.topics.items[0].error_code, 0);
    assert_int_equal(created.topics.items[1].error_code, KAFKA_INVALID_PARTITIONS);
    assert_int_equal(partitions_of("most"), TOPIC_CREATE_PARTITIONS_MAX);
}

static void
create__store_is_down__retriable_and_opened_later(void **unused)
{
    (void)unused;
    struct create_topics_request_topic t = new_topic("late", 3);
    struct create_topics_request in;
    create_topics_request_init(&in);
    in.topics.items = &t;
    in.topics.count = 1;
    in.timeout_ms = 2000;
    w.store.is_down = true;
    int64_t before = w.loop.now_ns;
    call(API_CREATE_TOPICS, 7, &in, &created);
    assert_true(kafka_error_is_retriable(created.topics.items[0].error_code));
    assert_true(w.loop.now_ns - before < 10 * SCHED_S);
    w.store.is_down = false;
    /* Whether it came to stand after all is for the store to say; asked again it does. */
    create_all(&t, 1, 7, &created);
    while (kafka_error_is_retriable(created.topics.items[0].error_code)) {
        world_step("the journal to find its store again");
        create_all(&t, 1, 7, &created);
    }
    int16_t code = created.topics.items[0].error_code;
    assert_true(code == 0 || code == KAFKA_TOPIC_ALREADY_EXISTS);
    while (partitions_of("late") != 3) {
        world_step("the partitions to be opened");
    }
}

/* --- CreatePartitions --- */

static struct create_partitions_response grown;

static int16_t
grow(const char *name, int32_t count, size_t assignments, bool is_validate_only)
{
    int32_t brokers[] = {1};
    struct create_partitions_request_assignment a[4] = {0};
    struct create_partitions_request_topic t = {.name = span_cstr(name), .count = count};
    struct create_partitions_request in = {.timeout_ms = 10000, .validate_only = is_validate_only};
    for (size_t i = 0; i < 4; i++) {
        a[i].broker_ids.items = brokers;
        a[i].broker_ids.count = 1;
    }
    t.assignments.items = assignments > 0 ? a : NULL;
    t.assignments.count = assignments;
    in.topics.items = &t;
    in.topics.count = 1;
    call(API_CREATE_PARTITIONS, 3, &in, &grown);
    assert_int_equal(grown.results.count, 1);
    return grown.results.items[0].error_code;
}

static void
grow__up_only(void **unused)
{
    (void)unused;
    create_one("g", 3);
    assert_int_equal(grow("g", 5, 0, false), 0);
    assert_int_equal(partitions_of("g"), 5);
    assert_int_equal(grow("g", 5, 0, false), KAFKA_INVALID_PARTITIONS);
    assert_true(span_has(grown.results.items[0].error_message, "currently has 5 partition(s)"));
    assert_int_equal(grow("g", 4, 0, false), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(grow("g", 0, 0, false), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(grow("g", INT32_MAX, 0, false), KAFKA_INVALID_PARTITIONS);
    assert_int_equal(grow("nope", 4, 0, false), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(grow("", 4, 0, false), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(grow("g", 6, 0, true), 0);
    assert_int_equal(partitions_of("g"), 5);
    assert_int_equal(grow("g", 7, 1, false), KAFKA_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(grow("g", 7, 2, false), 0);
    assert_int_equal(partitions_of("g"), 7);
    assert_int_equal(produce_at("g", 6, (int64_t[]){5}, 1), 0);
}

static void
grow__named_twice__refused_each_time(void **unused)
{
    (void)unused;
    struct create_partitions_request_topic t[] = {{.name = span_cstr("g"), .count = 5},
                                                  {.name = span_cstr("h"), .count = 5},
                                                  {.name = span_cstr("g"), .count = 6}};
    struct create_partitions_request in = {.timeout_ms = 10000};
    create_one("g", 1);
    create_one("h", 1);
    in.topics.items = t;
    in.topics.count = 3;
    for (int16_t v = 0; v <= 3; v++) {
        call(API_CREATE_PARTITIONS, v, &in, &grown);
        assert_int_equal(grown.results.items[0].error_code, KAFKA_INVALID_REQUEST);
        assert_int_equal(grown.results.items[1].error_code, v == 0 ? 0 : KAFKA_INVALID_PARTITIONS);
        assert_int_equal(grown.results.items[2].error_code, KAFKA_INVALID_REQUEST);
    }
    assert_int_equal(partitions_of("g"), 1);
    assert_int_equal(partitions_of("h"), 5);
}

/* --- DescribeConfigs --- */

static struct describe_configs_response described;

static const struct describe_configs_response_resource *
describe(int16_t version, int8_t type, const char *name, struct describe_configs_request *in)
{
    struct describe_configs_request_resource *r = in->resources.items;
    r->resource_type = type;
    r->resource_name = span_cstr(name);
    in->resources.count = 1;
    call(API_DESCRIBE_CONFIGS, version, in, &described);
    assert_int_equal(described.results.count, 1);
    assert_int_equal(described.results.items[0].resource_type, type);
    assert_span(described.results.items[0].resource_name, name);
    return &described.results.items[0];
}

static const struct describe_configs_response_config *
config_of(const struct describe_configs_response_resource *r, const char *name)
{
    for (size_t i = 0; i < r->configs.count; i++) {
        if (span_is(r->configs.items[i].name, name)) {
            return &r->configs.items[i];
        }
    }
    return NULL;
}

static void
describe__topic__every_row_with_value_and_source(void **unused)
{
    (void)unused;
    struct create_topics_request_config own = {span_cstr("cleanup.policy"), span_cstr("compact")};
    struct create_topics_request_topic t = new_topic("c", 1);
    struct describe_configs_request_resource r = {0};
    struct describe_configs_request in = {.resources = {&r, 1}};
    size_t rows;
    (void)topic_config_table(&rows);
    t.configs.items = &own;
    t.configs.count = 1;
    (void)expect(t, 0);
    for (int16_t v = 1; v <= 4; v++) {
        in.include_synonyms = true;
        in.include_documentation = true;
        const struct describe_configs_response_resource *out = describe(v, 2, "c", &in);
        assert_int_equal(out->error_code, 0);
        assert_int_equal(out->configs.count, rows);
        const struct describe_configs_response_config *c = config_of(out, "cleanup.policy");
        assert_span(c->value, "compact");
        assert_int_equal(c->config_source, 1);
        assert_int_equal(c->synonyms.count, 2);
        assert_span(c->synonyms.items[1].value, "delete");
        assert_int_equal(c->synonyms.items[1].source, 5);
        assert_int_equal(c->config_type, v >= 3 ? 7 : 0);
        assert_int_equal(c->documentation.len > 0, v >= 3);
        c = config_of(out, "retention.ms");
        assert_span(c->value, "604800000");
        assert_int_equal(c->config_source, 5);
        assert_int_equal(c->synonyms.count, 1);
        in.include_synonyms = false;
        in.include_documentation = false;
        out = describe(v, 2, "c", &in);
        c = config_of(out, "cleanup.policy");
        assert_int_equal(c->synonyms.count, 0);
        assert_null(c->documentation.ptr);
    }
}

static void
describe__named_keys__only_those(void **unused)
{
    (void)unused;
    struct span keys[] = {span_cstr("retention.ms"), span_cstr("nope"),
                          span_cstr("cleanup.policy")};
    struct describe_configs_request_resource r = {.configuration_keys = {keys, 3}};
    struct describe_configs_request in = {.resources = {&r, 1}};
    create_one("c", 1);
    const struct describe_configs_response_resource *out = describe(4, 2, "c", &in);
    assert_int_equal(out->configs.count, 2);
    assert_non_null(config_of(out, "retention.ms"));
    assert_non_null(config_of(out, "cleanup.policy"));
}

static void
describe__what_is_not_there(void **unused)
{
    (void)unused;
    struct describe_configs_request_resource r = {0};
    struct describe_configs_request in = {.resources = {&r, 1}};
    assert_int_equal(describe(4, 2, "nope", &in)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(describe(4, 2, "no/pe", &in)->error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(describe(4, 4, "8", &in)->error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(describe(4, 99, "x", &in)->error_code, KAFKA_INVALID_REQUEST);
}

static void
describe__broker__facts_that_cannot_be_changed(void **unused)
{
    (void)unused;
    struct describe_configs_request_resource r = {0};
    struct describe_configs_request in = {.resources = {&r, 1}};
    const struct describe_configs_response_resource *out = describe(4, 4, "7", &in);
    assert_int_equal(out->error_code, 0);
    assert_span(config_of(out, "node.id")->value, "7");
    assert_span(config_of(out, "num.partitions")->value, "2");
    assert_span(config_of(out, "auto.create.topics.enable")->value, "true");
    for (size_t i = 0; i < out->configs.count; i++) {
        assert_true(out->configs.items[i].read_only);
        assert_true(out->configs.items[i].value.len > 0);
    }
}

static void
describe__broker__what_is_as_kafka_has_it_is_a_default(void **unused)
{
    (void)unused;
    struct describe_configs_request_resource r = {0};
    struct describe_configs_request in = {.resources = {&r, 1}, .include_synonyms = true};
    const struct describe_configs_response_resource *out = describe(4, 4, "7", &in);
    const struct describe_configs_response_config *c = config_of(out, "auto.create.topics.enable");
    assert_int_equal(c->config_source, 5);
    assert_int_equal(c->synonyms.count, 1);
    c = config_of(out, "num.partitions"); /* 2 here, 1 by default */
    assert_int_equal(c->config_source, 4);
    assert_int_equal(c->synonyms.count, 2);
    assert_span(c->synonyms.items[0].value, "2");
    assert_span(c->synonyms.items[1].value, "1");
    assert_int_equal(c->synonyms.items[1].source, 5);
    c = config_of(out, "node.id"); /* there is no default */
    assert_int_equal(c->config_source, 4);
    assert_int_equal(c->synonyms.count, 1);
}

static void
describe__many_topics__one_reply(void **unused)
{
    (void)unused;
    enum { MANY = 3000 };
    static struct describe_configs_request_resource r[MANY];
    struct describe_configs_request in = {.resources = {r, MANY}, .include_synonyms = true};
    create_one("c", 1);
    for (size_t i = 0; i < MANY; i++) {
        r[i] = (struct describe_configs_request_resource){.resource_type = 2,
                                                          .resource_name = span_cstr("c")};
    }
    call(API_DESCRIBE_CONFIGS, 4, &in, &described);
    assert_int_equal(described.results.count, MANY);
    assert_true(described.results.items[MANY - 1].configs.count > 30);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(create__every_version__ready_when_answered),
        T(create__counts_and_factors),
        T(create__names),
        T(create__names_that_collide_in_one_request__first_wins),
        T(create__named_twice__refused_each_time_and_the_others_are_created),
        T(create__validate_only__judges_and_creates_nothing),
        T(create__manual_assignment__counts_by_its_shape),
        T(create__configs__checked_and_told_with_their_source),
        T(create__ten_thousand_partitions__open_in_every_journal),
        T(create__most_partitions_of_one_request),
        T(create__store_is_down__retriable_and_opened_later),
        T(grow__up_only),
        T(grow__named_twice__refused_each_time),
        T(describe__topic__every_row_with_value_and_source),
        T(describe__named_keys__only_those),
        T(describe__what_is_not_there),
        T(describe__broker__facts_that_cannot_be_changed),
        T(describe__broker__what_is_as_kafka_has_it_is_a_default),
        T(describe__many_topics__one_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
