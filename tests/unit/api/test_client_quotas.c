/* SPDX-License-Identifier: Apache-2.0
 *
 * AlterClientQuotas, DescribeClientQuotas, and what clients over their quota are told (KIP-219).
 * What Apache Kafka 4.3.1 answers to the same requests was compared when these were written. */
#include "topics.h"
#include "wire/messages/alter_client_quotas.h"
#include "wire/messages/describe_client_quotas.h"
#include "wire/messages/fetch.h"
#include "wire/messages/metadata.h"

static struct alter_client_quotas_response altered;
static struct describe_client_quotas_response described;

static struct alter_client_quotas_request_entity
part(const char *type, const char *name)
{
    return (struct alter_client_quotas_request_entity){
        span_cstr(type), name == NULL ? (struct span){NULL, 0} : span_cstr(name)};
}

static struct alter_client_quotas_request_entry
entry(struct alter_client_quotas_request_entity *parts, size_t part_count,
      struct alter_client_quotas_request_op *ops, size_t op_count)
{
    struct alter_client_quotas_request_entry e = {0};
    e.entity.items = parts;
    e.entity.count = part_count;
    e.ops.items = ops;
    e.ops.count = op_count;
    return e;
}

static void
alter_all(struct alter_client_quotas_request_entry *entries, size_t count, bool is_validate_only)
{
    for (int16_t v = is_validate_only ? 1 : 0; v <= 1; v++) {
        struct alter_client_quotas_request in = {.validate_only = is_validate_only};
        in.entries.items = entries;
        in.entries.count = count;
        call(API_ALTER_CLIENT_QUOTAS, v, &in, &altered);
        assert_int_equal(altered.entries.count, count);
    }
}

/* Sets one value of one entity; a value of 0 removes it. */
static int16_t
alter(const char *type, const char *name, const char *key, double value)
{
    struct alter_client_quotas_request_entity p = part(type, name);
    struct alter_client_quotas_request_op op = {span_cstr(key), value, value == 0};
    struct alter_client_quotas_request_entry e = entry(&p, 1, &op, 1);
    alter_all(&e, 1, false);
    return altered.entries.items[0].error_code;
}

static size_t
describe(struct describe_client_quotas_request_component *components, size_t count, bool is_strict)
{
    struct describe_client_quotas_request in = {.strict = is_strict};
    in.components.items = components;
    in.components.count = count;
    call(API_DESCRIBE_CLIENT_QUOTAS, 1, &in, &described);
    return described.entries.count;
}

static struct describe_client_quotas_request_component
component(const char *type, int8_t match_type, const char *match)
{
    return (struct describe_client_quotas_request_component){
        span_cstr(type), match_type, match == NULL ? (struct span){NULL, 0} : span_cstr(match)};
}

static void
alter__values_are_put_and_removed_and_outlive_a_restart(void **unused)
{
    (void)unused;
    struct alter_client_quotas_request_entity both[] = {part("client-id", "c"), part("user", "u")};
    struct alter_client_quotas_request_op ops[] = {{span_cstr("producer_byte_rate"), 1000, false},
                                                   {span_cstr("request_percentage"), 1.5, false}};
    struct alter_client_quotas_request_entry e = entry(both, 2, ops, 2);
    alter_all(&e, 1, false);
    assert_int_equal(altered.entries.items[0].error_code, 0);
    assert_span(altered.entries.items[0].entity.items[0].entity_type, "client-id");
    ops[0].remove = true;
    alter_all(&e, 1, false);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(describe(NULL, 0, false), 1);
        const struct describe_client_quotas_response_entry *out = &described.entries.items[0];
        assert_int_equal(out->entity.count, 2);
        assert_span(out->entity.items[0].entity_type, "user");
        assert_span(out->entity.items[0].entity_name, "u");
        assert_span(out->entity.items[1].entity_name, "c");
        assert_int_equal(out->values.count, 1);
        assert_span(out->values.items[0].key, "request_percentage");
        assert_true(out->values.items[0].value == 1.5);
        world_restart();
    }
    ops[1].remove = true;
    alter_all(&e, 1, false);
    assert_int_equal(describe(NULL, 0, false), 0);
    assert_non_null(described.entries.items);
}

static void
alter__entries_without_sense__each_its_own_error(void **unused)
{
    (void)unused;
    const struct {
        const char *type, *name, *key;
        double value;
        const char *why; /* NULL: taken */
    } cases[] = {
        {"user", "a", "foo", 5, "Invalid configuration key foo"},
        {"user", "b", "connection_creation_rate", 5, "Invalid configuration key"},
        {"ip", "1.2.3.4", "producer_byte_rate", 5, "Invalid configuration key"},
        {"user", "c", "producer_byte_rate", -1, "must be greater than 0"},
        {"user", "d", "producer_byte_rate", 1.5, "cannot be a fractional value."},
        {"user", "e", "producer_byte_rate", 1e30, "too large for a LONG."},
        {"user", "f", "request_percentage", 1e308 * 10, "must be a finite number"},
        {"user", "", "producer_byte_rate", 5, "Empty user not supported"},
        {"foo", "g", "producer_byte_rate", 5, "Unhandled client quota entity type: foo"},
        {"ip", "1.2.3.4", "connection_creation_rate", 5, NULL},
        {"user", "h", "controller_mutation_rate", 0.5, NULL},
        {"client-id", NULL, "consumer_byte_rate", 5, NULL},
    };
    enum { CASES = sizeof(cases) / sizeof(cases[0]) };
    struct alter_client_quotas_request_entity parts[CASES];
    struct alter_client_quotas_request_op ops[CASES];
    struct alter_client_quotas_request_entry entries[CASES];
    for (int i = 0; i < CASES; i++) {
        parts[i] = part(cases[i].type, cases[i].name);
        ops[i] =
            (struct alter_client_quotas_request_op){span_cstr(cases[i].key), cases[i].value, false};
        entries[i] = entry(&parts[i], 1, &ops[i], 1);
    }
    alter_all(entries, CASES, false);
    for (int i = 0; i < CASES; i++) {
        const struct alter_client_quotas_response_entry *out = &altered.entries.items[i];
        assert_int_equal(out->error_code, cases[i].why == NULL ? 0 : KAFKA_INVALID_REQUEST);
        if (cases[i].why != NULL && !span_has(out->error_message, cases[i].why)) {
            fail_msg("case %d: %.*s", i, (int)out->error_message.len,
                     (const char *)out->error_message.ptr);
        }
    }
    assert_int_equal(describe(NULL, 0, false), 3);
}

static void
alter__shapes_without_sense(void **unused)
{
    (void)unused;
    struct alter_client_quotas_request_op op = {span_cstr("producer_byte_rate"), 5, false};
    struct alter_client_quotas_request_entity mixed[] = {part("ip", "::1"), part("user", "u")};
    struct alter_client_quotas_request_entity ab[] = {part("user", "a"), part("client-id", "b")};
    struct alter_client_quotas_request_entity ba[] = {part("client-id", "b"), part("user", "a")};
    struct alter_client_quotas_request_entity good[] = {part("user", "a")};
    struct alter_client_quotas_request_entry entries[] = {
        entry(NULL, 0, &op, 1), entry(mixed, 2, &op, 1), entry(ab, 2, &op, 1), entry(ba, 2, &op, 1),
        entry(good, 1, &op, 1)};
    alter_all(entries, 5, false);
    static const int16_t codes[] = {KAFKA_INVALID_REQUEST, KAFKA_INVALID_REQUEST,
                                    KAFKA_INVALID_REQUEST, KAFKA_INVALID_REQUEST, 0};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(altered.entries.items[i].error_code, codes[i]);
    }
    assert_int_equal(describe(NULL, 0, false), 1);
    alter_all(&entries[2], 1, true);
    assert_int_equal(altered.entries.items[0].error_code, 0);
    assert_int_equal(describe(NULL, 0, false), 1); /* only validated */
}

static void
describe__filters(void **unused)
{
    (void)unused;
    struct alter_client_quotas_request_entity both[] = {part("user", "u"), part("client-id", NULL)};
    struct alter_client_quotas_request_op op = {span_cstr("producer_byte_rate"), 5, false};
    struct alter_client_quotas_request_entry e = entry(both, 2, &op, 1);
    alter_all(&e, 1, false);
    assert_int_equal(alter("user", "u", "producer_byte_rate", 6), 0);
    assert_int_equal(alter("user", NULL, "producer_byte_rate", 7), 0);
    assert_int_equal(alter("client-id", "c", "producer_byte_rate", 8), 0);
    struct describe_client_quotas_request_component any = component("user", 2, NULL);
    struct describe_client_quotas_request_component exact = component("user", 0, "u");
    struct describe_client_quotas_request_component dflt = component("user", 1, NULL);
    struct describe_client_quotas_request_component two[] = {any, component("client-id", 1, NULL)};
    assert_int_equal(describe(NULL, 0, false), 4);
    assert_int_equal(describe(NULL, 0, true), 0);
    assert_int_equal(describe(&any, 1, false), 3);
    assert_int_equal(describe(&any, 1, true), 2);
    assert_int_equal(describe(&exact, 1, false), 2);
    assert_int_equal(describe(&exact, 1, true), 1);
    assert_true(described.entries.items[0].values.items[0].value == 6);
    assert_int_equal(describe(&dflt, 1, false), 1);
    assert_null(described.entries.items[0].entity.items[0].entity_name.ptr);
    assert_int_equal(describe(two, 2, false), 1);
}

static void
describe__filters_without_sense__null_and_a_sentence(void **unused)
{
    (void)unused;
    struct describe_client_quotas_request_component cases[][2] = {
        {component("foo", 2, NULL)},
        {component("", 2, NULL)},
        {component("user", 7, NULL)},
        {component("user", 0, NULL)},
        {component("user", 1, "x")},
        {component("user", 2, NULL), component("user", 1, NULL)},
        {component("user", 2, NULL), component("ip", 2, NULL)}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t count = cases[i][1].entity_type.ptr == NULL ? 1 : 2;
        assert_int_equal(describe(cases[i], count, false), 0);
        assert_int_equal(described.error_code,
                         i == 0 ? KAFKA_UNSUPPORTED_VERSION : KAFKA_INVALID_REQUEST);
        assert_true(described.error_message.len > 0);
        assert_null(described.entries.items);
    }
}

/* --- throttling --- */

static int32_t
produce_throttle(size_t bytes)
{
    struct bytes b;
    struct produce_request_partition p = {.index = 0};
    struct produce_request_topic t = {.name = span_cstr("t")};
    struct produce_request in = {.acks = -1, .timeout_ms = 1000};
    struct produce_response out;
    bytes_init(&b, 1 << 22);
    memset(bytes_grow(&b, bytes), 0, bytes); /* no batch, but as many bytes in the request */
    p.records = bytes_span(&b);
    t.partition_data.items = &p;
    t.partition_data.count = 1;
    in.topic_data.items = &t;
    in.topic_data.count = 1;
    call(API_PRODUCE, 9, &in, &out);
    bytes_fini(&b);
    return out.throttle_time_ms;
}

static void
throttle__produce__told_when_the_burst_is_used_up(void **unused)
{
    (void)unused;
    create_one("t", 1);
    assert_int_equal(produce_throttle(100000), 0);
    assert_int_equal(alter("client-id", "test", "producer_byte_rate", 10000), 0);
    assert_int_equal(produce_throttle(90000), 0);
    int32_t ms = produce_throttle(20000);
    assert_true(ms > 900 && ms < 1200); /* 10 kB too many at 10 kB/s */
    assert_int_equal(alter("client-id", "test", "producer_byte_rate", 0), 0);
    assert_int_equal(produce_throttle(100000), 0);
    assert_int_equal(alter("client-id", "other", "producer_byte_rate", 1), 0);
    assert_int_equal(produce_throttle(100000), 0);
    assert_int_equal(alter("user", "ANONYMOUS", "producer_byte_rate", 10), 0);
    assert_int_equal(produce_throttle(100000), REQUEST_THROTTLE_MAX_MS);
}

static const struct fetch_response *
fetch(void)
{
    static struct fetch_response out;
    struct fetch_request_partition p = {
        .current_leader_epoch = -1, .last_fetched_epoch = -1, .partition_max_bytes = 1 << 20};
    struct fetch_request_topic t = {.topic = span_cstr("t")};
    struct fetch_request in;
    fetch_request_init(&in);
    in.max_bytes = 1 << 20;
    t.partitions.items = &p;
    t.partitions.count = 1;
    in.topics.items = &t;
    in.topics.count = 1;
    call(API_FETCH, 11, &in, &out);
    return &out;
}

static void
throttle__fetch__empty_until_the_debt_is_paid(void **unused)
{
    (void)unused;
    static const int64_t times[20] = {0};
    create_one("t", 1);
    for (int i = 0; i < 10; i++) {
        assert_true(produce_at("t", 0, times, 20) >= 0);
    }
    size_t all = fetch()->responses.items[0].partitions.items[0].records.len;
    assert_true(all > 1000);
    assert_int_equal(alter("client-id", "test", "consumer_byte_rate", 20), 0);
    const struct fetch_response *out = fetch(); /* no more than a full bucket, but one batch */
    size_t got = out->responses.items[0].partitions.items[0].records.len;
    assert_true(got > 0 && got < all);
    assert_true(out->throttle_time_ms > 0);
    out = fetch();
    assert_int_equal(out->responses.count, 0);
    assert_true(out->throttle_time_ms > 0);
    assert_int_equal(out->error_code, 0);
    w.loop.now_ns += 60 * SCHED_S;
    out = fetch();
    assert_int_equal(out->responses.count, 1);
    assert_int_equal(out->responses.items[0].partitions.items[0].records.len, got);
}

/* Handlers take no time in virtual time, so what is owed is put there by hand. */
static void
throttle__requests__every_answer_says_so(void **unused)
{
    (void)unused;
    struct metadata_request in;
    struct metadata_response out;
    struct quota_client c = {span_cstr("ANONYMOUS"), span_cstr("test")};
    create_one("t", 1);
    memset(&in, 0, sizeof(in));
    call(API_METADATA, 9, &in, &out);
    assert_int_equal(out.throttle_time_ms, 0);
    assert_int_equal(alter("user", "ANONYMOUS", "request_percentage", 1), 0);
    (void)quotas_take(w.broker.quotas, QUOTA_REQUEST, &c, 0.105, w.loop.now_ns);
    call(API_METADATA, 9, &in, &out);
    assert_true(out.throttle_time_ms >= 400 && out.throttle_time_ms <= 500);
    (void)quotas_take(w.broker.quotas, QUOTA_REQUEST, &c, 5, w.loop.now_ns);
    call(API_METADATA, 9, &in, &out);
    assert_int_equal(out.throttle_time_ms, 1000); /* never more, as in Kafka */
    assert_int_equal(describe(NULL, 0, false), 1);
    assert_int_equal(described.throttle_time_ms, 1000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(alter__values_are_put_and_removed_and_outlive_a_restart),
        T(alter__entries_without_sense__each_its_own_error),
        T(alter__shapes_without_sense),
        T(describe__filters),
        T(describe__filters_without_sense__null_and_a_sentence),
        T(throttle__produce__told_when_the_burst_is_used_up),
        T(throttle__fetch__empty_until_the_debt_is_paid),
        T(throttle__requests__every_answer_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
