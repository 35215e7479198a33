/* SPDX-License-Identifier: Apache-2.0
 *
 * IncrementalAlterConfigs, AlterConfigs, and what DescribeConfigs says then. What Apache
 * Kafka 4.3.1 answers to the same requests was compared when these were written. */
#include "topics.h"
#include "wire/messages/alter_configs.h"
#include "wire/messages/describe_configs.h"
#include "wire/messages/incremental_alter_configs.h"

enum { SET, DELETE, APPEND, SUBTRACT, TOPIC = 2, BROKER = 4 };

static struct incremental_alter_configs_response altered;

static struct incremental_alter_configs_request_config
edit(const char *name, int8_t operation, const char *value)
{
    return (struct incremental_alter_configs_request_config){
        .name = span_cstr(name),
        .config_operation = operation,
        .value = value == NULL ? (struct span){NULL, 0} : span_cstr(value)};
}

static void
alter_all(struct incremental_alter_configs_request_resource *resources, size_t count,
          bool is_validate_only)
{
    struct incremental_alter_configs_request in = {.validate_only = is_validate_only};
    in.resources.items = resources;
    in.resources.count = count;
    call(API_INCREMENTAL_ALTER_CONFIGS, 1, &in, &altered);
    assert_int_equal(altered.responses.count, count);
}

static struct incremental_alter_configs_request_resource
resource(int8_t type, const char *name, struct incremental_alter_configs_request_config *edits,
         size_t count)
{
    struct incremental_alter_configs_request_resource r = {.resource_type = type,
                                                           .resource_name = span_cstr(name)};
    r.configs.items = edits;
    r.configs.count = count;
    return r;
}

/* One edit of topic "t"; the message stands in altered. */
static int16_t
alter(const char *name, int8_t operation, const char *value)
{
    struct incremental_alter_configs_request_config e = edit(name, operation, value);
    struct incremental_alter_configs_request_resource r = resource(TOPIC, "t", &e, 1);
    alter_all(&r, 1, false);
    return altered.responses.items[0].error_code;
}

static void
assert_why(const char *part)
{
    if (!span_has(altered.responses.items[0].error_message, part)) {
        fail_msg("\"%.*s\" does not say \"%s\"", (int)altered.responses.items[0].error_message.len,
                 (const char *)altered.responses.items[0].error_message.ptr, part);
    }
}

static struct describe_configs_response described;

static const struct describe_configs_response_config *
describe(const char *topic, const char *key)
{
    struct span keys = span_cstr(key);
    struct describe_configs_request_resource r = {.resource_type = TOPIC,
                                                  .resource_name = span_cstr(topic)};
    struct describe_configs_request in = {.include_synonyms = true, .include_documentation = true};
    r.configuration_keys.items = &keys;
    r.configuration_keys.count = 1;
    in.resources.items = &r;
    in.resources.count = 1;
    call(API_DESCRIBE_CONFIGS, 4, &in, &described);
    assert_int_equal(described.results.items[0].error_code, 0);
    assert_int_equal(described.results.items[0].configs.count, 1);
    return &described.results.items[0].configs.items[0];
}

static void
assert_value(const char *key, const char *value, int8_t source)
{
    const struct describe_configs_response_config *c = describe("t", key);
    assert_span(c->value, value);
    assert_int_equal(c->config_source, source);
}

/* --- values --- */

static void
set__shown_at_once_and_after_a_restart(void **unused)
{
    (void)unused;
    create_one("t", 1);
    assert_int_equal(alter("retention.ms", SET, " 1000 "), 0);
    const struct describe_configs_response_config *c = describe("t", "retention.ms");
    assert_span(c->value, "1000");
    assert_int_equal(c->config_source, 1);
    assert_int_equal(c->config_type, 5);
    assert_false(c->read_only);
    assert_true(c->documentation.len > 20);
    assert_int_equal(c->synonyms.count, 2);
    assert_span(c->synonyms.items[0].name, "retention.ms");
    assert_span(c->synonyms.items[1].name, "log.retention.ms");
    assert_span(c->synonyms.items[1].value, "604800000");
    assert_int_equal(c->synonyms.items[1].source, 5);
    assert_int_equal(alter("max.message.bytes", SET, "100"), 0);
    world_restart();
    assert_value("retention.ms", "1000", 1);
    struct topic *t = directory_find(w.broker.topics, span_cstr("t"));
    assert_int_equal(t->options.retention_ms, 1000);
    assert_int_equal(t->options.max_message_bytes, 100);
    topic_unref(&t);
    assert_int_equal(alter("retention.ms", DELETE, NULL), 0);
    assert_value("retention.ms", "604800000", 5);
    assert_int_equal(alter("retention.ms", DELETE, NULL), 0);
}

static void
set__every_property_of_the_table__its_default_is_taken_and_shown(void **unused)
{
    (void)unused;
    size_t count;
    const struct topic_config_row *rows = topic_config_table(&count);
    create_one("t", 1);
    for (size_t i = 0; i < count; i++) {
        if (alter(rows[i].name, SET, rows[i].dflt) != 0) {
            fail_msg("%s = %s: %.*s", rows[i].name, rows[i].dflt,
                     (int)altered.responses.items[0].error_message.len,
                     (const char *)altered.responses.items[0].error_message.ptr);
        }
        assert_value(rows[i].name, rows[i].dflt, 1);
    }
    struct topic *t = directory_find(w.broker.topics, span_cstr("t"));
    assert_int_equal(t->config_count, count);
    topic_unref(&t);
}

static void
set__bad_names_and_values__kafkas_words(void **unused)
{
    (void)unused;
    create_one("t", 1);
    assert_int_equal(alter("foo.bar", SET, "1"), KAFKA_INVALID_CONFIG);
    assert_why("Unknown topic config name: foo.bar");
    assert_int_equal(alter("retention.ms", SET, "-5"), KAFKA_INVALID_CONFIG);
    assert_why("Invalid value -5 for configuration retention.ms: Value must be at least -1");
    assert_int_equal(alter("retention.ms", SET, "x"), KAFKA_INVALID_CONFIG);
    assert_why("Not a number of type LONG");
    assert_int_equal(alter("cleanup.policy", SET, "delete,zzz"), KAFKA_INVALID_CONFIG);
    assert_why(
        "Invalid value zzz for configuration cleanup.policy: String must be one of: compact, "
        "delete");
    assert_int_equal(alter("retention.ms", SET, NULL), KAFKA_INVALID_REQUEST);
    assert_why("Null value not supported for : retention.ms");
    assert_int_equal(alter("retention.ms", 9, "1"), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter("retention.ms", -1, "1"), KAFKA_INVALID_REQUEST);
    assert_int_equal(alter("foo.bar", DELETE, NULL), 0);
    assert_int_equal(alter("leader.replication.throttled.replicas", SET, "0:1,1:x"),
                     KAFKA_INVALID_CONFIG);
    assert_int_equal(alter("leader.replication.throttled.replicas", SET, "0:1,1:2"), 0);
    assert_int_equal(alter("leader.replication.throttled.replicas", SET, "*"), 0);
}

static void
lists__append_and_subtract(void **unused)
{
    (void)unused;
    create_one("t", 1);
    assert_int_equal(alter("retention.ms", APPEND, "1"), KAFKA_INVALID_CONFIG);
    assert_why("Can't APPEND to key retention.ms because its type is not LIST.");
    assert_int_equal(alter("foo", SUBTRACT, "1"), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter("cleanup.policy", APPEND, "compact"), 0);
    assert_value("cleanup.policy", "delete,compact", 1);
    assert_int_equal(alter("cleanup.policy", APPEND, "compact, delete"), 0);
    assert_value("cleanup.policy", "delete,compact", 1);
    assert_int_equal(alter("cleanup.policy", APPEND, "zzz"), KAFKA_INVALID_CONFIG);
    assert_int_equal(alter("cleanup.policy", SUBTRACT, "delete"), 0);
    assert_value("cleanup.policy", "compact", 1);
    assert_int_equal(alter("cleanup.policy", SUBTRACT, "compact,zzz"), 0);
    assert_value("cleanup.policy", "", 1);
    assert_int_equal(alter("cleanup.policy", DELETE, NULL), 0);
    assert_value("cleanup.policy", "delete", 5);
}

static void
together__what_contradicts_is_refused(void **unused)
{
    (void)unused;
    create_one("t", 1);
    assert_int_equal(alter("min.compaction.lag.ms", SET, "10"), 0);
    assert_int_equal(alter("max.compaction.lag.ms", SET, "5"), KAFKA_INVALID_CONFIG);
    assert_why("min.compaction.lag.ms (10) > max.compaction.lag.ms (5)");
    struct incremental_alter_configs_request_config edits[] = {
        edit("min.compaction.lag.ms", DELETE, NULL), edit("max.compaction.lag.ms", SET, "5")};
    struct incremental_alter_configs_request_resource r = resource(TOPIC, "t", edits, 2);
    alter_all(&r, 1, false);
    assert_int_equal(altered.responses.items[0].error_code, 0);
}

/* --- resources --- */

static void
resources__each_its_own_outcome(void **unused)
{
    (void)unused;
    create_one("t", 1);
    create_one("u", 1);
    struct incremental_alter_configs_request_config good = edit("retention.ms", SET, "5");
    struct incremental_alter_configs_request_config bad = edit("retention.ms", SET, "-7");
    struct incremental_alter_configs_request_config twice[] = {good, bad};
    struct incremental_alter_configs_request_resource r[] = {
        resource(TOPIC, "t", &bad, 1),     resource(TOPIC, "u", &good, 1),
        resource(TOPIC, "none", &good, 1), resource(TOPIC, "a/b", &good, 1),
        resource(TOPIC, "", &good, 1),     resource(99, "t", &good, 1),
        resource(BROKER, "7", &good, 1),   resource(BROKER, "8", &good, 1),
        resource(BROKER, "x", &good, 1),   resource(TOPIC, "v", twice, 2),
        resource(8, "7", &good, 1),        resource(BROKER, "", NULL, 0)};
    static const int16_t codes[] = {KAFKA_INVALID_CONFIG,
                                    0,
                                    KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                                    KAFKA_INVALID_TOPIC_EXCEPTION,
                                    KAFKA_INVALID_REQUEST,
                                    KAFKA_INVALID_REQUEST,
                                    KAFKA_INVALID_REQUEST,
                                    KAFKA_INVALID_REQUEST,
                                    KAFKA_INVALID_REQUEST,
                                    KAFKA_INVALID_REQUEST,
                                    KAFKA_INVALID_REQUEST,
                                    0};
    enum { COUNT = sizeof(codes) / sizeof(codes[0]) };
    alter_all(r, COUNT, false);
    for (int i = 0; i < COUNT; i++) {
        const struct incremental_alter_configs_response_resource *out = &altered.responses.items[i];
        assert_int_equal(out->error_code, codes[i]);
        assert_int_equal(out->resource_type, r[i].resource_type);
        assert_true(span_eq(out->resource_name, r[i].resource_name));
        assert_true(codes[i] == 0 || out->error_message.len > 0);
    }
    assert_span(describe("u", "retention.ms")->value, "5");
}

static void
resources__named_twice__refused_each_time(void **unused)
{
    (void)unused;
    create_one("t", 1);
    create_one("u", 1);
    struct incremental_alter_configs_request_config e = edit("retention.ms", SET, "5");
    struct incremental_alter_configs_request_resource r[] = {
        resource(TOPIC, "t", &e, 1), resource(TOPIC, "u", &e, 1), resource(TOPIC, "t", &e, 1)};
    alter_all(r, 3, false);
    assert_int_equal(altered.responses.items[0].error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(altered.responses.items[1].error_code, 0);
    assert_int_equal(altered.responses.items[2].error_code, KAFKA_INVALID_REQUEST);
    assert_value("retention.ms", "604800000", 5);
}

static void
validate_only__judges_and_changes_nothing(void **unused)
{
    (void)unused;
    create_one("t", 1);
    create_one("u", 1);
    struct incremental_alter_configs_request_config good = edit("retention.ms", SET, "5");
    struct incremental_alter_configs_request_config bad = edit("retention.ms", SET, "-7");
    struct incremental_alter_configs_request_resource r[] = {resource(TOPIC, "t", &good, 1),
                                                             resource(TOPIC, "u", &bad, 1)};
    size_t objects = w.store.count;
    alter_all(r, 2, true);
    assert_int_equal(altered.responses.items[0].error_code, 0);
    assert_int_equal(altered.responses.items[1].error_code, KAFKA_INVALID_CONFIG);
    assert_value("retention.ms", "604800000", 5);
    assert_int_equal(w.store.count, objects);
}

/* --- AlterConfigs --- */

static void
replace__values_that_are_not_named_are_forgotten(void **unused)
{
    (void)unused;
    create_one("t", 1);
    assert_int_equal(alter("retention.ms", SET, "5"), 0);
    for (int16_t v = 0; v <= 2; v++) {
        struct alter_configs_request_config c = {span_cstr("retention.bytes"), span_cstr("500")};
        struct alter_configs_request_resource r = {.resource_type = TOPIC,
                                                   .resource_name = span_cstr("t")};
        struct alter_configs_request in = {0};
        struct alter_configs_response out;
        r.configs.items = &c;
        r.configs.count = 1;
        in.resources.items = &r;
        in.resources.count = 1;
        call(API_ALTER_CONFIGS, v, &in, &out);
        assert_int_equal(out.responses.items[0].error_code, 0);
        assert_value("retention.bytes", "500", 1);
        assert_value("retention.ms", "604800000", 5);
        c.value = span_cstr("x");
        call(API_ALTER_CONFIGS, v, &in, &out);
        assert_int_equal(out.responses.items[0].error_code, KAFKA_INVALID_CONFIG);
        c.value = (struct span){NULL, 0};
        call(API_ALTER_CONFIGS, v, &in, &out);
        assert_int_equal(out.responses.items[0].error_code, KAFKA_INVALID_REQUEST);
        r.configs.count = 0;
        in.validate_only = true;
        call(API_ALTER_CONFIGS, v, &in, &out);
        assert_value("retention.bytes", "500", 1);
        in.validate_only = false;
        call(API_ALTER_CONFIGS, v, &in, &out);
        assert_int_equal(out.responses.items[0].error_code, 0);
        assert_value("retention.bytes", "-1", 5);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(set__shown_at_once_and_after_a_restart),
        T(set__every_property_of_the_table__its_default_is_taken_and_shown),
        T(set__bad_names_and_values__kafkas_words),
        T(lists__append_and_subtract),
        T(together__what_contradicts_is_refused),
        T(resources__each_its_own_outcome),
        T(resources__named_twice__refused_each_time),
        T(validate_only__judges_and_changes_nothing),
        T(replace__values_that_are_not_named_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
