/* The health of a store and the rate of its requests, in a time that the tests own. */
#include "../unit.h"
#include "base/diag.h"
#include "store/meter.h"

#include <stdio.h>

enum { LINES_MAX = 16 };

struct world {
    struct store_meter *m;
    int64_t now;
    struct store_health h;
    char lines[LINES_MAX][256];
    size_t line_count;
};

static void
line_keep(void *arg, const char *line, size_t len)
{
    struct world *w = (struct world *)arg;
    if (w->line_count < LINES_MAX) {
        (void)snprintf(w->lines[w->line_count++], sizeof(w->lines[0]), "%.*s", (int)len, line);
    }
}

static int
setup(void **state)
{
    struct world *w = (struct world *)sl_alloc(sizeof(*w));
    w->now = 1000 * SCHED_S;
    w->m = store_meter_new("bucket tau", w->now);
    diag_set_sink(line_keep, w);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = (struct world *)*state;
    diag_set_sink(NULL, NULL);
    store_meter_destroy(&w->m);
    sl_free(w);
    return 0;
}

static void
call(struct world *w, enum store_kind kind, enum store_outcome outcome, int64_t took_ns)
{
    struct store_meter_call c;
    struct store_call answered = {.kind = kind, .outcome = outcome};
    bool is_bad = outcome == STORE_ERROR || outcome == STORE_UNKNOWN;
    answered.rc = is_bad ? SL_EIO : SL_OK;
    (void)snprintf(answered.why, sizeof(answered.why), "%s", is_bad ? "no route to tau" : "");
    store_meter_begin(w->m, &c, kind, w->now);
    w->now += took_ns;
    store_meter_end(w->m, &c, &answered, w->now);
}

static void
calls(struct world *w, size_t count, enum store_outcome outcome)
{
    for (size_t i = 0; i < count; i++) {
        call(w, STORE_PUT, outcome, 100 * SCHED_MS);
    }
}

static enum store_health_state
state_now(struct world *w)
{
    store_meter_health(w->m, w->now, &w->h);
    assert_int_equal(store_meter_state(w->m, w->now), w->h.state);
    return w->h.state;
}

static void
fresh_and_idle__is_healthy(void **state)
{
    struct world *w = (struct world *)*state;
    assert_int_equal(state_now(w), STORE_HEALTHY);
    w->now += 3600 * SCHED_S;
    assert_int_equal(state_now(w), STORE_HEALTHY);
    assert_int_equal(w->line_count, 0);
}

static void
one_failure_among_many__is_healthy(void **state)
{
    struct world *w = (struct world *)*state;
    for (int i = 0; i < 5; i++) {
        calls(w, 20, STORE_DONE);
        calls(w, 1, STORE_UNKNOWN);
        assert_int_equal(state_now(w), STORE_HEALTHY);
    }
}

static void
absent_and_existing_objects__are_answers(void **state)
{
    struct world *w = (struct world *)*state;
    calls(w, 50, STORE_EXISTS);
    calls(w, 50, STORE_ABSENT);
    assert_int_equal(state_now(w), STORE_HEALTHY);
    assert_int_equal(w->h.failing_permille, 0);
}

static void
the_callers_mistakes__are_not_the_stores(void **state)
{
    struct world *w = (struct world *)*state;
    for (int i = 0; i < 50; i++) {
        struct store_meter_call c;
        const struct store_call answered = {.outcome = STORE_ERROR, .rc = SL_EINVAL};
        store_meter_begin(w->m, &c, STORE_GET, w->now);
        store_meter_end(w->m, &c, &answered, w->now);
    }
    assert_int_equal(state_now(w), STORE_HEALTHY);
}

static void
many_failures__degrade_then_make_unavailable_and_say_why(void **state)
{
    struct world *w = (struct world *)*state;
    calls(w, 6, STORE_UNKNOWN);
    assert_int_equal(state_now(w), STORE_DEGRADED);
    assert_string_equal(w->h.why, "no route to tau");
    int64_t since = w->h.since_ns;
    assert_true(since > 0 && since <= w->now);
    calls(w, 60, STORE_ERROR);
    assert_int_equal(state_now(w), STORE_UNAVAILABLE);
    assert_string_equal(w->h.why, "no route to tau");
    assert_true(w->h.since_ns > since);
    assert_true(w->h.failing_permille > 900);
}

static void
half_of_the_requests_fail__is_degraded_never_unavailable(void **state)
{
    struct world *w = (struct world *)*state;
    for (int i = 0; i < 200; i++) {
        calls(w, 1, STORE_ERROR);
        calls(w, 1, STORE_DONE);
        if (i > 8) {
            assert_int_equal(state_now(w), STORE_DEGRADED);
        }
    }
}

static void
answers_after_an_outage__lead_back_by_way_of_degraded(void **state)
{
    struct world *w = (struct world *)*state;
    calls(w, 80, STORE_ERROR);
    assert_int_equal(state_now(w), STORE_UNAVAILABLE);
    calls(w, 1, STORE_DONE);
    assert_int_equal(state_now(w), STORE_DEGRADED);
    calls(w, 40, STORE_DONE);
    assert_int_equal(state_now(w), STORE_HEALTHY);
    assert_string_equal(w->h.why, "");
}

static void
nobody_asks_after_an_outage__it_is_forgotten(void **state)
{
    struct world *w = (struct world *)*state;
    calls(w, 80, STORE_ERROR);
    assert_int_equal(state_now(w), STORE_UNAVAILABLE);
    w->now += 60 * SCHED_S;
    assert_int_not_equal(state_now(w), STORE_UNAVAILABLE); /* else nobody would ask again */
}

static void
a_put_without_an_answer__degrades_then_makes_unavailable(void **state)
{
    struct world *w = (struct world *)*state;
    struct store_meter_call c;
    const struct store_call answered = {.outcome = STORE_DONE};
    calls(w, 5, STORE_DONE);
    store_meter_begin(w->m, &c, STORE_PUT, w->now);
    w->now += 2 * SCHED_S;
    assert_int_equal(state_now(w), STORE_HEALTHY);
    w->now += 2 * SCHED_S;
    assert_int_equal(state_now(w), STORE_DEGRADED);
    assert_non_null(strstr(w->h.why, "4 s"));
    assert_int_equal(w->h.oldest_put_ns, 4 * SCHED_S);
    assert_int_equal(w->h.puts_in_flight, 1);
    w->now += 7 * SCHED_S;
    assert_int_equal(state_now(w), STORE_UNAVAILABLE);
    assert_non_null(strstr(w->h.why, "11 s"));
    store_meter_end(w->m, &c, &answered, w->now);
    assert_int_not_equal(state_now(w), STORE_UNAVAILABLE);
    assert_int_equal(w->h.puts_in_flight, 0);
}

static void
a_stuck_put_while_others_are_answered__is_degraded_only(void **state)
{
    struct world *w = (struct world *)*state;
    struct store_meter_call c;
    const struct store_call answered = {.outcome = STORE_DONE};
    store_meter_begin(w->m, &c, STORE_PUT, w->now);
    for (int i = 0; i < 30; i++) {
        w->now += SCHED_S;
        calls(w, 1, STORE_DONE);
    }
    assert_int_equal(state_now(w), STORE_DEGRADED);
    store_meter_end(w->m, &c, &answered, w->now);
}

static void
slow_puts__degrade_until_they_are_quick_again(void **state)
{
    struct world *w = (struct world *)*state;
    for (int i = 0; i < 20; i++) {
        call(w, STORE_PUT, STORE_DONE, 2500 * SCHED_MS);
    }
    assert_int_equal(state_now(w), STORE_DEGRADED);
    assert_non_null(strstr(w->h.why, "ms"));
    assert_true(w->h.latency_ns[STORE_PUT] > 2 * SCHED_S);
    assert_int_equal(w->h.latency_ns[STORE_GET], 0);
    for (int i = 0; i < 40; i++) {
        call(w, STORE_PUT, STORE_DONE, 20 * SCHED_MS);
    }
    assert_int_equal(state_now(w), STORE_HEALTHY);
}

static void
a_change_of_state__is_logged_once(void **state)
{
    struct world *w = (struct world *)*state;
    calls(w, 10, STORE_ERROR);
    (void)state_now(w);
    assert_int_equal(w->line_count, 1);
    assert_non_null(strstr(w->lines[0], "store.health"));
    assert_non_null(strstr(w->lines[0], "bucket tau"));
    assert_non_null(strstr(w->lines[0], "state=degraded"));
    assert_non_null(strstr(w->lines[0], "no route to tau"));
    calls(w, 60, STORE_DONE);
    assert_int_equal(w->line_count, 2);
    assert_non_null(strstr(w->lines[1], "state=healthy"));
}

static void
a_burst_that_goes_well_and_badly__is_one_change(void **state)
{
    struct world *w = (struct world *)*state;
    for (int i = 0; i < 20; i++) {
        for (int j = 0; j < 40; j++) {
            w->now += SCHED_MS;
            store_meter_attempt(w->m, STORE_PUT, j < 10, span_cstr("reset"), w->now);
        }
    }
    assert_int_equal(state_now(w), STORE_DEGRADED);
    assert_string_equal(w->h.why, "reset");
    assert_int_equal(w->line_count, 1);
    w->now += 2 * SCHED_S;
    assert_int_equal(state_now(w), STORE_HEALTHY);
}

static void
attempts_of_the_plugin__count_instead_of_its_calls(void **state)
{
    struct world *w = (struct world *)*state;
    for (int i = 0; i < 40; i++) { /* each call succeeds, at the third attempt */
        struct store_meter_call c;
        const struct store_call answered = {.outcome = STORE_DONE};
        store_meter_begin(w->m, &c, STORE_PUT, w->now);
        store_meter_attempt(w->m, STORE_PUT, true, span_cstr("SlowDown"), w->now);
        store_meter_attempt(w->m, STORE_PUT, true, span_cstr("SlowDown"), w->now);
        store_meter_attempt(w->m, STORE_PUT, false, span_cstr(""), w->now);
        w->now += 100 * SCHED_MS;
        store_meter_end(w->m, &c, &answered, w->now);
    }
    assert_int_equal(state_now(w), STORE_DEGRADED);
    assert_string_equal(w->h.why, "SlowDown");
    struct store_rates r;
    store_meter_rates(w->m, w->now, &r);
    assert_true(r.is_billed);
    assert_true(r.puts_per_s > 29 && r.puts_per_s < 31);
}

static void
rates__are_those_of_the_last_minute(void **state)
{
    struct world *w = (struct world *)*state;
    struct store_rates r;
    for (int s = 0; s < 200; s++) {
        int64_t second = w->now;
        for (int i = 0; i < (s < 100 ? 50 : 7); i++) {
            call(w, STORE_PUT, STORE_DONE, 1);
        }
        call(w, STORE_GET, STORE_ABSENT, 1);
        call(w, STORE_GET, STORE_DONE, 1);
        call(w, STORE_LIST, STORE_DONE, 1);
        call(w, STORE_DEL, STORE_DONE, 1);
        w->now = second + SCHED_S;
        if (s == 9) { /* a short life is not diluted by a minute that never was */
            store_meter_rates(w->m, w->now, &r);
            assert_true(r.puts_per_s > 45 && r.puts_per_s < 55);
        }
    }
    store_meter_rates(w->m, w->now, &r);
    assert_false(r.is_billed);
    assert_true(r.puts_per_s > 6.8 && r.puts_per_s < 7.2);
    assert_true(r.gets_per_s > 1.9 && r.gets_per_s < 2.1);
    assert_true(r.lists_per_s > 0.9 && r.lists_per_s < 1.1);
    assert_true(r.dels_per_s > 0.9 && r.dels_per_s < 1.1);
    assert_true(r.heads_per_s < 0.001);
    w->now += 120 * SCHED_S;
    store_meter_rates(w->m, w->now, &r);
    assert_true(r.puts_per_s < 0.001);
}

static void
a_store_that_nobody_measures__is_healthy(void **state)
{
    (void)state;
    const struct store st = {0};
    struct store_health h;
    struct store_rates r;
    store_health(&st, &h);
    store_rates(&st, &r);
    assert_int_equal(h.state, STORE_HEALTHY);
    assert_int_equal(store_health_state(&st), STORE_HEALTHY);
    assert_true(r.puts_per_s < 0.001);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(fresh_and_idle__is_healthy),
        T(one_failure_among_many__is_healthy),
        T(absent_and_existing_objects__are_answers),
        T(the_callers_mistakes__are_not_the_stores),
        T(many_failures__degrade_then_make_unavailable_and_say_why),
        T(half_of_the_requests_fail__is_degraded_never_unavailable),
        T(answers_after_an_outage__lead_back_by_way_of_degraded),
        T(nobody_asks_after_an_outage__it_is_forgotten),
        T(a_put_without_an_answer__degrades_then_makes_unavailable),
        T(a_stuck_put_while_others_are_answered__is_degraded_only),
        T(slow_puts__degrade_until_they_are_quick_again),
        T(a_change_of_state__is_logged_once),
        T(a_burst_that_goes_well_and_badly__is_one_change),
        T(attempts_of_the_plugin__count_instead_of_its_calls),
        T(rates__are_those_of_the_last_minute),
        T(a_store_that_nobody_measures__is_healthy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
