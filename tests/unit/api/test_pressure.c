/* SPDX-License-Identifier: Apache-2.0
 *
 * Back-pressure: the policy by itself, in time of its own, and what a client sees of it. */
#include "api/pressure.h"
#include "store/meter.h"
#include "topics.h"
#include "wire/messages/api_versions.h"
#include "wire/messages/metadata.h"

#include <time.h>

enum { MIB = 1 << 20, SHARE = 8 * MIB, JOURNALS = 2 };

static struct pressure *p;
static int64_t now;

static int
policy_setup(void **unused)
{
    (void)unused;
    const struct pressure_options o = {.journals = JOURNALS, .bytes_max = JOURNALS * SHARE};
    diag_set_level(DIAG_ERROR);
    p = pressure_new(&o);
    now = 1000 * SCHED_S;
    return 0;
}

static int
policy_teardown(void **unused)
{
    (void)unused;
    pressure_destroy(&p);
    return 0;
}

static void
pass_ms(int64_t ms)
{
    now += ms * SCHED_MS;
}

static enum pressure_level
level(uint32_t journal)
{
    struct pressure_view v;
    pressure_view(p, journal, now, &v);
    return v.level;
}

static void
end(uint32_t journal, int64_t bytes, int64_t begun_ns, bool is_progress)
{
    const struct pressure_wait wait = {
        .bytes = bytes, .begun_ns = begun_ns, .is_progress = is_progress};
    pressure_end(p, journal, &wait, now);
}

/* One request that is acknowledged after so long. */
static void
ack_after_ms(int64_t ms)
{
    int64_t begun = now;
    pressure_begin(p, 0, 1000, now);
    pass_ms(ms);
    end(0, 1000, begun, true);
}

static void
policy__quick_acknowledgements__no_throttle_however_much_waits(void **unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++) {
        int64_t begun = now;
        assert_true(pressure_admits(p, 0, now));
        pressure_begin(p, 0, 4 * SHARE, now);
        pass_ms(100);
        end(0, 4 * SHARE, begun, true);
        assert_int_equal(pressure_throttle_ms(p, 0, now), 0);
    }
}

/* Each waits for three seconds, behind others. */
static void
policy__long_queue_that_moves__is_left_to_tcp(void **unused)
{
    (void)unused;
    enum { DEEP = 60, EVERY_MS = 50 };
    for (int i = 0; i < DEEP; i++) {
        pressure_begin(p, 0, SHARE, now);
    }
    for (int i = 0; i < 200; i++) {
        int64_t begun = now - DEEP * EVERY_MS * SCHED_MS;
        pass_ms(EVERY_MS);
        end(0, SHARE, begun, true);
        assert_int_equal(pressure_throttle_ms(p, 0, now), 0);
        assert_true(pressure_admits(p, 0, now));
        pressure_begin(p, 0, SHARE, now);
    }
}

static void
policy__acknowledgements_grow_slow__throttle_grows_to_its_bound(void **unused)
{
    (void)unused;
    int32_t last = 0;
    static const int64_t delays[] = {100, 600, 800, 1000, 1200, 60000};
    for (size_t i = 0; i < 6; i++) {
        for (int k = 0; k < 30; k++) {
            ack_after_ms(delays[i]);
        }
        int32_t ms = pressure_throttle_ms(p, 0, now);
        assert_true(i == 0 ? ms == 0 : ms > last || ms == PRESSURE_THROTTLE_MAX_MS);
        assert_true(ms <= PRESSURE_THROTTLE_MAX_MS);
        last = ms;
    }
    assert_int_equal(last, PRESSURE_THROTTLE_MAX_MS);
}

static void
policy__between_the_two_limits__stays_what_it_was(void **unused)
{
    (void)unused;
    for (int k = 0; k < 30; k++) {
        ack_after_ms(400);
        assert_int_equal(level(0), PRESSURE_NONE);
    }
    for (int k = 0; k < 30; k++) {
        ack_after_ms(700);
    }
    assert_int_equal(level(0), PRESSURE_SLOWING);
    for (int k = 0; k < 30; k++) {
        ack_after_ms(400);
        assert_int_equal(level(0), PRESSURE_SLOWING);
    }
    for (int k = 0; k < 30; k++) {
        ack_after_ms(100);
    }
    assert_int_equal(level(0), PRESSURE_NONE);
}

static void
policy__store_stalls__slows_then_refuses_but_for_the_other_journal(void **unused)
{
    (void)unused;
    pressure_begin(p, 0, 1000, now);
    pass_ms(400);
    assert_int_equal(level(0), PRESSURE_NONE);
    pass_ms(200);
    assert_int_equal(level(0), PRESSURE_SLOWING);
    assert_true(pressure_admits(p, 0, now));
    pass_ms(5000);
    assert_false(pressure_admits(p, 0, now));
    assert_int_equal(pressure_throttle_ms(p, 0, now), PRESSURE_THROTTLE_MAX_MS);
    assert_true(pressure_admits(p, 1, now));
    assert_int_equal(pressure_throttle_ms(p, 1, now), 0);
}

static void
policy__share_of_memory_used_up__refuses_only_while_slow(void **unused)
{
    (void)unused;
    pressure_begin(p, 0, SHARE, now);
    assert_true(pressure_admits(p, 0, now));
    pass_ms(600);
    assert_false(pressure_admits(p, 0, now));
    end(0, SHARE / 2 - 1, now - 600 * SCHED_MS, true);
    pressure_begin(p, 0, 0, now); /* as many waiting as before, with half of the bytes */
    assert_false(pressure_admits(p, 0, now));
    end(0, 1, now, true);
    pressure_begin(p, 0, 0, now);
    assert_true(pressure_admits(p, 0, now));
}

static void
policy__refusing_and_nothing_waits__one_request_probes(void **unused)
{
    (void)unused;
    int64_t begun = now;
    pressure_begin(p, 0, 1000, now);
    pass_ms(6000);
    assert_false(pressure_admits(p, 0, now));
    pass_ms(24000);
    end(0, 1000, begun, false); /* timed out */
    assert_true(pressure_admits(p, 0, now));
    begun = now;
    pressure_begin(p, 0, 1000, now);
    pass_ms(6000);
    assert_false(pressure_admits(p, 0, now));
    end(0, 1000, begun, true); /* the probe came through */
    assert_true(pressure_admits(p, 0, now));
    for (int k = 0; k < 5; k++) {
        pass_ms(PRESSURE_THROTTLE_MAX_MS); /* as it was told to */
        ack_after_ms(10);
    }
    assert_int_equal(pressure_throttle_ms(p, 0, now), 0);
}

static void
policy__roller_is_behind__throttles_then_refuses_until_it_caught_up(void **unused)
{
    (void)unused;
    pressure_set_lag(p, 0, 600);
    assert_int_equal(level(0), PRESSURE_NONE);
    pressure_set_lag(p, 0, 700);
    assert_int_equal(level(0), PRESSURE_SLOWING);
    assert_int_equal(pressure_throttle_ms(p, 0, now), 250);
    pressure_set_lag(p, 0, 1000);
    pressure_begin(p, 0, 1000, now);
    assert_false(pressure_admits(p, 0, now));
    assert_int_equal(pressure_throttle_ms(p, 0, now), PRESSURE_THROTTLE_MAX_MS);
    assert_true(pressure_admits(p, 1, now));
    pressure_set_lag(p, 0, 950);
    assert_false(pressure_admits(p, 0, now));
    pressure_set_lag(p, 0, 899);
    assert_true(pressure_admits(p, 0, now));
    assert_int_equal(pressure_throttle_ms(p, 0, now), 747);
    pressure_set_lag(p, 0, 0);
    assert_int_equal(level(0), PRESSURE_NONE);
    pressure_set_lag(p, JOURNALS, 2000); /* there is no such journal */
    pressure_set_lag(NULL, 0, 2000);
}

static void
policy__slow_long_ago__is_forgotten(void **unused)
{
    (void)unused;
    for (int k = 0; k < 30; k++) {
        ack_after_ms(5000);
    }
    assert_int_equal(level(0), PRESSURE_SLOWING);
    pass_ms(10000);
    assert_int_equal(level(0), PRESSURE_NONE);
}

/* The store's health has a clock of its own. */
static int64_t
boottime(void)
{
    struct timespec ts = {0};
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * SCHED_S + ts.tv_nsec;
}

static void
fail_often(struct store_meter *m)
{
    for (int i = 0; i < 100; i++) {
        store_meter_attempt(m, STORE_PUT, true, span_cstr("503"), boottime());
    }
}

static void
policy__store_degraded_then_unavailable__throttles_then_refuses(void **unused)
{
    (void)unused;
    struct store st = {.meter = store_meter_new("s", boottime())};
    const struct pressure_options o = {.store = &st, .journals = 1, .bytes_max = SHARE};
    pressure_destroy(&p);
    p = pressure_new(&o);
    assert_int_equal(pressure_throttle_ms(p, 0, now), 0);
    fail_often(st.meter);
    assert_int_equal(pressure_throttle_ms(p, 0, now), 0); /* looked just now */
    pass_ms(50);
    assert_int_equal(pressure_throttle_ms(p, 0, now), 100);
    assert_true(pressure_admits(p, 0, now));
    store_meter_destroy(&st.meter);
    st.meter = store_meter_new("s", boottime() - 60 * SCHED_S); /* silent for a minute */
    fail_often(st.meter);
    pressure_begin(p, 0, 1, now);
    pass_ms(50);
    assert_false(pressure_admits(p, 0, now));
    store_meter_destroy(&st.meter);
    st.meter = NULL; /* healthy */
    pass_ms(50);
    assert_true(pressure_admits(p, 0, now));
    store_meter_destroy(&st.meter);
}

static void
policy__without_pressure__everything_is_admitted(void **unused)
{
    (void)unused;
    const struct pressure_wait wait = {.bytes = 1};
    assert_true(pressure_admits(NULL, 0, now));
    pressure_begin(NULL, 0, 1, now);
    pressure_end(NULL, 0, &wait, now);
    assert_int_equal(pressure_throttle_ms(NULL, 0, now), 0);
    assert_true(pressure_admits(p, JOURNALS, now)); /* a journal it was not made for */
}

/* --- what a client sees --- */

static int
client_setup(void **state)
{
    const struct pressure_options o = {.journals = WORLD_SHARDS, .bytes_max = WORLD_SHARDS * SHARE};
    int rc = world_setup(state);
    w.broker.pressure = pressure_new(&o);
    create_one("t", 3);
    return rc;
}

static int
client_teardown(void **state)
{
    pressure_destroy(&w.broker.pressure);
    return world_teardown(state);
}

static uint32_t
journal_of(int32_t partition)
{
    struct topic *t = directory_find(w.broker.topics, span_cstr("t"));
    uint32_t j = t->journals[partition];
    topic_unref(&t);
    return j;
}

/* Something waits in this journal for longer than is patient. */
static void
stall(uint32_t journal)
{
    pressure_begin(w.broker.pressure, journal, 1000, w.loop.now_ns);
    w.loop.now_ns += 6 * SCHED_S;
}

static void
recover(uint32_t journal)
{
    const struct pressure_wait wait = {
        .bytes = 1000, .begun_ns = w.loop.now_ns - SCHED_MS, .is_progress = true};
    pressure_end(w.broker.pressure, journal, &wait, w.loop.now_ns);
}

static void
produce_two(int16_t acks, int16_t version, struct produce_response *ret)
{
    struct bytes b;
    struct bytes frame;
    bytes_init(&b, 1 << 16);
    bytes_init(&frame, 1 << 16);
    put_batch(&b, (int64_t[]){1}, 1);
    struct produce_request_partition parts[] = {{0, bytes_span(&b)}, {1, bytes_span(&b)}};
    struct produce_request_topic t = {.name = span_cstr("t"), .partition_data = {parts, 2}};
    const struct produce_request in = {.acks = acks, .timeout_ms = 1000, .topic_data = {&t, 1}};
    put_frame(&frame, API_PRODUCE, version, &in);
    send_frame(bytes_span(&frame));
    if (!w.is_silent) {
        read_reply(API_PRODUCE, version, ret);
    }
    bytes_fini(&frame);
    bytes_fini(&b);
}

static void
produce__its_journal_stalls__refused_at_once_and_told_to_wait(void **unused)
{
    (void)unused;
    struct produce_response out;
    assert_int_not_equal(journal_of(0), journal_of(1));
    stall(journal_of(0));
    int64_t before = w.loop.now_ns;
    produce_two(-1, 9, &out);
    const struct produce_response_partition *r = out.responses.items[0].partition_responses.items;
    assert_int_equal(r[0].error_code, KAFKA_NOT_ENOUGH_REPLICAS);
    assert_true(kafka_error_is_retriable(r[0].error_code));
    assert_int_equal(r[0].base_offset, -1);
    assert_true(span_has(r[0].error_message, "nothing was written"));
    assert_int_equal(r[1].error_code, 0);
    assert_int_equal(r[1].base_offset, 0);
    assert_int_equal(out.throttle_time_ms, PRESSURE_THROTTLE_MAX_MS);
    assert_true(w.loop.now_ns - before < SCHED_S);
    recover(journal_of(0));
    produce_two(-1, 9, &out);
    r = out.responses.items[0].partition_responses.items;
    assert_int_equal(r[0].error_code, 0);
    assert_int_equal(r[0].base_offset, 0); /* what was refused left no trace */
    assert_int_equal(r[1].base_offset, 1);
    assert_int_equal(out.throttle_time_ms, 0);
}

static void
produce__nobody_listens__refusal_closes_the_connection(void **unused)
{
    (void)unused;
    struct produce_response out;
    stall(journal_of(0));
    produce_two(0, 9, &out);
    assert_true(w.is_silent && w.is_closed);
}

static void
produce__idempotent_and_refused_in_the_middle__comes_again_in_its_sequence(void **unused)
{
    (void)unused;
    struct bytes b;
    static const struct {
        int32_t sequence;
        bool is_stalled;
        int64_t want;
        int64_t then_pass_s;
    } steps[] = {{0, false, 0, 0},
                 {7, false, -KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER, 0}, /* a gap of the client's own */
                 {1, true, -KAFKA_NOT_ENOUGH_REPLICAS, 0},
                 {2, false, -KAFKA_NOT_ENOUGH_REPLICAS, 0}, /* behind the refused one */
                 {1, false, 1, 0},
                 {2, false, 2, 0},
                 {2, true, -KAFKA_NOT_ENOUGH_REPLICAS, 0},
                 {2, false, 2, 40},                          /* is there: keeps its offset */
                 {9, false, -KAFKA_NOT_ENOUGH_REPLICAS, 40}, /* does not make it longer */
                 {9, false, -KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER, 0},
                 {3, false, 3, 0}};
    bytes_init(&b, 1 << 16);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        bytes_clear(&b);
        put_batch(&b, (int64_t[]){1}, 1);
        put_u64(b.data + 43, 5);
        put_u16(b.data + 51, 0);
        put_u32(b.data + 53, (uint32_t)steps[i].sequence);
        batch_seal(&b);
        if (steps[i].is_stalled) {
            stall(journal_of(0));
        }
        assert_int_equal(produce("t", 0, bytes_span(&b)), steps[i].want);
        if (steps[i].is_stalled) {
            recover(journal_of(0));
        }
        w.loop.now_ns += steps[i].then_pass_s * SCHED_S;
    }
    bytes_fini(&b);
}

static void
metadata__every_journal_stalls__is_answered_without_a_throttle(void **unused)
{
    (void)unused;
    struct metadata_request in;
    struct metadata_response out;
    for (uint32_t j = 0; j < WORLD_SHARDS; j++) {
        stall(j);
    }
    metadata_request_init(&in);
    call(API_METADATA, 12, &in, &out);
    assert_int_equal(out.topics.count, 1);
    assert_int_equal(out.throttle_time_ms, 0);
    for (uint32_t j = 0; j < WORLD_SHARDS; j++) {
        recover(j);
    }
}

/* --- request_throttle and whoever encodes --- */

static void
throttled_call(int16_t key, int16_t version, const void *in, void *out)
{
    struct bytes frame;
    bytes_init(&frame, 1 << 16);
    put_frame(&frame, key, version, in);
    struct flight f = {.req = {.broker = &w.broker,
                               .loop = &w.loop.pub,
                               .conn = &w.conn,
                               .frame = buf_copy(bytes_span(&frame)),
                               .finish = world_finish}};
    f.req.body = buf_span(f.req.frame);
    request_throttle(&f.req, 321);
    api_dispatch(&f.req);
    flight_land(&f);
    bytes_fini(&frame);
    read_reply(key, version, out);
}

static void
reply__throttled__says_so_in_every_encoding(void **unused)
{
    (void)unused;
    struct api_versions_request av = {.client_software_name = span_cstr("x"),
                                      .client_software_version = span_cstr("1")};
    struct api_versions_response av_out;
    struct metadata_request md;
    struct metadata_response md_out;
    struct produce_request pr = {.acks = -1};
    struct produce_response pr_out;
    throttled_call(API_API_VERSIONS, 4, &av, &av_out);
    assert_int_equal(av_out.throttle_time_ms, 321);
    metadata_request_init(&md);
    throttled_call(API_METADATA, 12, &md, &md_out);
    assert_int_equal(md_out.throttle_time_ms, 321);
    throttled_call(API_METADATA, 1, &md, &md_out); /* has no such field */
    assert_int_equal(md_out.throttle_time_ms, 0);
    throttled_call(API_PRODUCE, 9, &pr, &pr_out);
    assert_int_equal(pr_out.throttle_time_ms, 321);
}

#define POLICY_TEST(name) cmocka_unit_test_setup_teardown(name, policy_setup, policy_teardown)
#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, client_setup, client_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        POLICY_TEST(policy__quick_acknowledgements__no_throttle_however_much_waits),
        POLICY_TEST(policy__long_queue_that_moves__is_left_to_tcp),
        POLICY_TEST(policy__acknowledgements_grow_slow__throttle_grows_to_its_bound),
        POLICY_TEST(policy__between_the_two_limits__stays_what_it_was),
        POLICY_TEST(policy__store_stalls__slows_then_refuses_but_for_the_other_journal),
        POLICY_TEST(policy__share_of_memory_used_up__refuses_only_while_slow),
        POLICY_TEST(policy__refusing_and_nothing_waits__one_request_probes),
        POLICY_TEST(policy__slow_long_ago__is_forgotten),
        POLICY_TEST(policy__roller_is_behind__throttles_then_refuses_until_it_caught_up),
        POLICY_TEST(policy__store_degraded_then_unavailable__throttles_then_refuses),
        POLICY_TEST(policy__without_pressure__everything_is_admitted),
        CLIENT_TEST(produce__its_journal_stalls__refused_at_once_and_told_to_wait),
        CLIENT_TEST(produce__nobody_listens__refusal_closes_the_connection),
        CLIENT_TEST(produce__idempotent_and_refused_in_the_middle__comes_again_in_its_sequence),
        CLIENT_TEST(metadata__every_journal_stalls__is_answered_without_a_throttle),
        CLIENT_TEST(reply__throttled__says_so_in_every_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
