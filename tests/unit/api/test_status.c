/* SPDX-License-Identifier: Apache-2.0
 *
 * The private API behind `sluice status`. */
#include "api/pressure.h"
#include "store/meter.h"
#include "topics.h"
#include "wire/messages/api_versions.h"
#include "wire/messages/sluice_status.h"

#include <jansson.h>
#include <time.h>

static int64_t
boottime(void)
{
    struct timespec ts = {0};
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * SCHED_S + ts.tv_nsec;
}

static json_t *
status(bool wants_counters)
{
    const struct sluice_status_request in = {.wants_counters = wants_counters};
    struct sluice_status_response out;
    call(API_SLUICE_STATUS, 0, &in, &out);
    assert_int_equal(out.error_code, 0);
    json_t *root = json_loadb((const char *)out.report.ptr, out.report.len, 0, NULL);
    assert_non_null(root);
    return root;
}

static int64_t
int_at(const json_t *o, const char *key)
{
    assert_true(json_is_number(json_object_get(o, key)));
    return (int64_t)json_number_value(json_object_get(o, key));
}

static void
assert_text(const json_t *o, const char *key, const char *want)
{
    assert_non_null(json_string_value(json_object_get(o, key)));
    assert_string_equal(json_string_value(json_object_get(o, key)), want);
}

static void
status__without_a_store__tells_node_and_journals(void **unused)
{
    (void)unused;
    create_one("t", 3);
    json_t *root = status(false);
    const json_t *journals = json_object_get(root, "journals");
    assert_int_equal(int_at(root, "node_id"), WORLD_NODE);
    assert_text(root, "cluster_id", w.broker.cluster_text);
    assert_text(root, "version", SLUICE_VERSION);
    assert_int_equal(json_array_size(journals), WORLD_SHARDS);
    for (size_t i = 0; i < WORLD_SHARDS; i++) {
        const json_t *j = json_array_get(journals, i);
        assert_int_equal(int_at(j, "index"), i);
        assert_text(j, "mode", "live");
        assert_text(j, "pressure", "none");
        assert_int_equal(int_at(j, "queued_bytes"), 0);
    }
    assert_true(int_at(json_array_get(journals, 0), "verified_through") > 0);
    assert_null(json_object_get(root, "store"));
    assert_null(json_object_get(root, "counters"));
    json_decref(root);
}

static void
status__price__of_what_is_billed(void **unused)
{
    (void)unused;
    int64_t now = boottime();
    struct store st = {.meter = store_meter_new("bucket", now - 30 * SCHED_S)};
    w.broker.facts = (struct broker_facts){
        .store = &st, .store_name = "store \xff", .price_put = 0.005, .price_get = 0.0004};
    for (int i = 0; i < 100; i++) {
        store_meter_attempt(st.meter, STORE_PUT, false, span_cstr(""), now);
        store_meter_attempt(st.meter, STORE_DEL, false, span_cstr(""), now); /* costs nothing */
    }
    store_meter_attempt(st.meter, STORE_GET, false, span_cstr(""), now);
    json_t *root = status(false);
    const json_t *store = json_object_get(root, "store");
    const json_t *rates = json_object_get(root, "rates");
    assert_text(store, "health", "healthy");
    assert_text(store, "name", "(not readable)"); /* no UTF-8, and no reason to say nothing */
    double puts = json_number_value(json_object_get(rates, "put"));
    double gets = json_number_value(json_object_get(rates, "get"));
    assert_true(puts > 0 && gets > 0);
    assert_true(json_is_true(json_object_get(rates, "is_billed")));
    double want = (puts * 0.005 + gets * 0.0004) / 1000 * 30 * 86400;
    double told = json_number_value(json_object_get(json_object_get(root, "price"), "per_month"));
    assert_true(told > want * 0.999 && told < want * 1.001);
    json_decref(root);
    store_meter_destroy(&st.meter);
}

static void
plugin_counters(void *arg, fact_counter_fn each, void *to)
{
    const struct fact_counter plain = {
        .name = "s3_requests", .labels = "kind=put", .unit = "requests", .value = 5};
    const struct fact_counter spread = {.name = "s3_ms",
                                        .labels = "",
                                        .unit = "ms",
                                        .is_spread = true,
                                        .value = 30,
                                        .count = 3,
                                        .half_below = 16,
                                        .nearly_all_below = 32};
    assert_ptr_equal(arg, &w);
    each(to, &plain);
    each(to, &spread);
}

static void
status__plugin_counts__tells_it(void **unused)
{
    (void)unused;
    w.broker.facts.plugin_counters = plugin_counters;
    w.broker.facts.plugin_counters_arg = &w;
    json_t *root = status(true);
    const json_t *list = json_object_get(root, "plugin_counters");
    assert_int_equal(json_array_size(list), 2);
    assert_text(json_array_get(list, 0), "labels", "kind=put");
    assert_int_equal(int_at(json_array_get(list, 0), "value"), 5);
    assert_null(json_object_get(json_array_get(list, 0), "count"));
    assert_int_equal(int_at(json_array_get(list, 1), "count"), 3);
    assert_int_equal(int_at(json_array_get(list, 1), "half_below"), 16);
    json_decref(root);
}

static void
status__counters__when_asked_for(void **unused)
{
    (void)unused;
    json_t *root = status(true);
    assert_true(int_at(json_object_get(root, "counters"), "api_requests") > 0);
    json_decref(root);
}

static void
status__a_journal_under_pressure__says_so(void **unused)
{
    (void)unused;
    const struct pressure_options o = {.journals = WORLD_SHARDS, .bytes_max = 64 << 20};
    w.broker.pressure = pressure_new(&o);
    pressure_begin(w.broker.pressure, 1, 1234, w.loop.now_ns);
    w.loop.now_ns += 6 * SCHED_S;
    json_t *root = status(false);
    const json_t *j = json_array_get(json_object_get(root, "journals"), 1);
    assert_text(j, "pressure", "refusing");
    assert_text(j, "pressure_cause", "delay");
    assert_int_equal(int_at(j, "waiting_bytes"), 1234);
    assert_int_equal(int_at(j, "throttle_ms"), PRESSURE_THROTTLE_MAX_MS);
    assert_text(json_array_get(json_object_get(root, "journals"), 0), "pressure", "none");
    json_decref(root);
    pressure_destroy(&w.broker.pressure);
}

static void
status__rolling_is_behind__says_so(void **unused)
{
    (void)unused;
    const struct pressure_options o = {.journals = WORLD_SHARDS, .bytes_max = 64 << 20};
    w.broker.pressure = pressure_new(&o);
    pressure_set_lag(w.broker.pressure, 1, 700);
    json_t *root = status(false);
    const json_t *journals = json_object_get(root, "journals");
    const json_t *j = json_array_get(journals, 1);
    assert_text(j, "pressure", "slowing");
    assert_text(j, "pressure_cause", "roller");
    assert_int_equal(int_at(j, "throttle_ms"), 250);
    assert_text(json_array_get(journals, 0), "pressure_cause", "");
    assert_int_equal(int_at(json_object_get(j, "roll"), "live_batches"), 0);
    assert_int_equal(int_at(json_object_get(j, "roll"), "kept_entries"), 0);
    json_decref(root);
    pressure_destroy(&w.broker.pressure);
}

static void
status__api__is_not_advertised(void **unused)
{
    (void)unused;
    const struct api_versions_request in = {.client_software_name = span_cstr("x"),
                                            .client_software_version = span_cstr("1")};
    struct api_versions_response out;
    call(API_API_VERSIONS, 3, &in, &out);
    assert_true(out.api_keys.count > 10);
    for (size_t i = 0; i < out.api_keys.count; i++) {
        assert_true(out.api_keys.items[i].api_key < 1000);
    }
}

static void
status__another_version__closes(void **unused)
{
    (void)unused;
    static const uint8_t frame[] = {
        API_SLUICE_STATUS >> 8, API_SLUICE_STATUS & 0xff, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0};
    send_frame(span_of(frame, sizeof(frame)));
    assert_true(w.is_closed);
    assert_int_equal(w.reply.len, 0);
}

#define STATUS_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STATUS_TEST(status__without_a_store__tells_node_and_journals),
        STATUS_TEST(status__price__of_what_is_billed),
        STATUS_TEST(status__plugin_counts__tells_it),
        STATUS_TEST(status__counters__when_asked_for),
        STATUS_TEST(status__a_journal_under_pressure__says_so),
        STATUS_TEST(status__rolling_is_behind__says_so),
        STATUS_TEST(status__api__is_not_advertised),
        STATUS_TEST(status__another_version__closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
