/* SPDX-License-Identifier: Apache-2.0
 *
 * Which quota applies to whom, who shares it, and how long a client waits. */
#include "../unit.h"
#include "admin/quotas.h"

#include <math.h>
#include <stdio.h>

#define SECOND INT64_C(1000000000)

static struct quotas *q;

static int
setup(void **unused)
{
    (void)unused;
    q = quotas_new();
    return 0;
}

static int
teardown(void **unused)
{
    (void)unused;
    quotas_destroy(&q);
    return 0;
}

/* A name, "" for the default of its kind, NULL for absent. */
static struct quota_entity
entity(const char *user, const char *client)
{
    struct quota_entity e = {0};
    e.user_part = user == NULL ? QUOTA_ABSENT : user[0] == '\0' ? QUOTA_DEFAULT : QUOTA_NAMED;
    e.client_part = client == NULL ? QUOTA_ABSENT : client[0] == '\0' ? QUOTA_DEFAULT : QUOTA_NAMED;
    e.user = e.user_part == QUOTA_NAMED ? span_cstr(user) : (struct span){NULL, 0};
    e.client_id = e.client_part == QUOTA_NAMED ? span_cstr(client) : (struct span){NULL, 0};
    return e;
}

static void
set(const char *user, const char *client, const char *key, double value)
{
    struct quota_state s = {.entity = entity(user, client), .value_count = 1};
    s.values[0] = (struct quota_value){.key = span_cstr(key), .value = value};
    quotas_changed(q, &s, false);
}

static void
take_away(const char *user, const char *client)
{
    const struct quota_state s = {.entity = entity(user, client)};
    quotas_changed(q, &s, true);
}

static struct quota_client
client(const char *user, const char *id)
{
    return (struct quota_client){span_cstr(user), span_cstr(id)};
}

/* The limit that applies, in bytes a second; 0: none. */
static double
rate(const char *user, const char *id)
{
    struct quota_client c = client(user, id);
    double most = quotas_most(q, QUOTA_PRODUCE, &c);
    return isinf(most) ? 0 : most / QUOTA_BURST_S;
}

static int64_t
take(const char *user, const char *id, double amount, int64_t now_ns)
{
    struct quota_client c = client(user, id);
    return quotas_take(q, QUOTA_PRODUCE, &c, amount, now_ns);
}

static void
limit__kafkas_order(void **unused)
{
    (void)unused;
    /* from the weakest to the strongest; each new one wins */
    static const struct {
        const char *user, *client;
    } order[] = {{NULL, ""}, {NULL, "c"}, {"", NULL}, {"", ""},
                 {"", "c"},  {"u", NULL}, {"u", ""},  {"u", "c"}};
    enum { ORDER = sizeof(order) / sizeof(order[0]) };
    assert_true(rate("u", "c") == 0);
    for (int i = 0; i < ORDER; i++) {
        set(order[i].user, order[i].client, "producer_byte_rate", 100 + i);
        assert_true(rate("u", "c") == 100 + i);
    }
    assert_true(rate("u", "x") == 106); /* user + default client */
    assert_true(rate("v", "c") == 104); /* default user + client */
    assert_true(rate("v", "x") == 103); /* default user + default client */
    for (int i = ORDER - 1; i >= 0; i--) {
        assert_true(rate("u", "c") == 100 + i);
        take_away(order[i].user, order[i].client);
    }
    assert_true(rate("u", "c") == 0);
}

/* A stronger entity that says nothing of a kind leaves it to the weaker one. */
static void
limit__each_kind_apart(void **unused)
{
    (void)unused;
    struct quota_client c = client("u", "c");
    set("u", NULL, "producer_byte_rate", 7);
    set("u", "c", "consumer_byte_rate", 9);
    assert_true(quotas_most(q, QUOTA_PRODUCE, &c) == 7 * QUOTA_BURST_S);
    assert_true(quotas_most(q, QUOTA_FETCH, &c) == 9 * QUOTA_BURST_S);
    assert_true(isinf(quotas_most(q, QUOTA_REQUEST, &c)));
    set("u", "c", "request_percentage", 50);
    assert_true(isinf(quotas_most(q, QUOTA_FETCH, &c))); /* the entity has other values now */
    assert_true(quotas_most(q, QUOTA_REQUEST, &c) == 0.5 * QUOTA_BURST_S);
    set("u", "c", "controller_mutation_rate", 50); /* kept by S, not carried out here */
    assert_true(isinf(quotas_most(q, QUOTA_REQUEST, &c)));
    assert_true(quota_key_is_known(span_cstr("request_percentage")));
    assert_false(quota_key_is_known(span_cstr("controller_mutation_rate")));
}

static void
limit__address__not_measured(void **unused)
{
    (void)unused;
    struct quota_state s = {.entity = {.ip_part = QUOTA_NAMED, .ip = span_cstr("::1")},
                            .value_count = 1};
    s.values[0] = (struct quota_value){.key = span_cstr("producer_byte_rate"), .value = 1};
    quotas_changed(q, &s, false);
    assert_true(rate("u", "c") == 0);
    quotas_changed(q, &s, true);
}

static void
take__a_burst_is_free_then_the_debt_is_waited_for(void **unused)
{
    (void)unused;
    set("u", NULL, "producer_byte_rate", 1000);
    assert_int_equal(take("u", "c", 10000, 0), 0);
    assert_int_equal(take("u", "c", 500, 0), 500);
    assert_int_equal(take("u", "c", 0, 0), 500);
    assert_int_equal(take("u", "c", 0, SECOND / 4), 250);
    assert_int_equal(take("u", "c", 0, SECOND / 2), 0);
    assert_int_equal(take("u", "c", 1000, SECOND), 500);
    /* a long pause fills no more than the bucket */
    assert_int_equal(take("u", "c", 10001, 1000 * SECOND), 1);
    /* a clock that seems to go back gives nothing and takes nothing */
    assert_int_equal(take("u", "c", 0, 999 * SECOND), 1);
}

static void
take__far_beyond__the_debt_is_bounded(void **unused)
{
    (void)unused;
    set("u", NULL, "producer_byte_rate", 1);
    assert_int_equal(take("u", "c", 1e12, 0), QUOTA_DEBT_S * 1000);
    assert_int_equal(take("u", "c", 0, QUOTA_DEBT_S * SECOND), 0);
}

static void
share__a_users_quota_is_for_all_his_clients(void **unused)
{
    (void)unused;
    set("u", NULL, "producer_byte_rate", 1000);
    assert_int_equal(take("u", "a", 10000, 0), 0);
    assert_int_equal(take("u", "b", 1000, 0), 1000);
    assert_int_equal(take("v", "a", 1000000, 0), 0);
}

static void
share__defaults_are_for_each_apart(void **unused)
{
    (void)unused;
    set("", "", "producer_byte_rate", 1000);
    assert_int_equal(take("u", "a", 11000, 0), 1000);
    assert_int_equal(take("u", "b", 10000, 0), 0);
    assert_int_equal(take("v", "a", 10000, 0), 0);
    take_away("", "");
    set(NULL, "", "producer_byte_rate", 1000);
    assert_int_equal(take("u", "a", 10000, 0), 0);
    assert_int_equal(take("v", "a", 1000, 0), 1000); /* a client id counts all users */
    assert_int_equal(take("v", "b", 10000, 0), 0);
}

static void
change__a_new_limit_applies_at_once(void **unused)
{
    (void)unused;
    set("u", NULL, "producer_byte_rate", 1000);
    assert_int_equal(take("u", "c", 20000, 0), 10000);
    set("u", NULL, "producer_byte_rate", 100000);
    assert_int_equal(take("u", "c", 0, 0), 100);
    set("u", NULL, "producer_byte_rate", 10);
    assert_int_equal(take("u", "c", 0, 2 * SECOND), QUOTA_DEBT_S * 1000);
    take_away("u", NULL);
    assert_int_equal(take("u", "c", 1e9, 2 * SECOND), 0);
}

/* Names are a peer's to choose: the table does not grow for ever. */
static void
buckets__many_clients__the_longest_unused_make_room(void **unused)
{
    (void)unused;
    char name[32];
    struct quota_client c = client("u", "held");
    set("u", "", "producer_byte_rate", 1000);
    struct quota_bucket *held = quotas_hold(q, QUOTA_PRODUCE, &c, 0);
    assert_non_null(held);
    assert_int_equal(take("u", "first", 11000, 0), 1000);
    for (int i = 0; i < 3 * QUOTA_BUCKETS_MAX; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        assert_int_equal(take("u", name, 10000, 0), 0);
        assert_int_equal(take("u", "busy", 0, 0), 0);
    }
    assert_int_equal(take("u", "first", 10000, 0), 0); /* was forgotten */
    quotas_release(q, &held, 11000, 0);
    assert_null(held);
    assert_int_equal(take("u", "held", 0, 0), 1000); /* was not */
}

static void
hold__nothing_limits__null(void **unused)
{
    (void)unused;
    struct quota_client c = client("u", "c");
    assert_null(quotas_hold(q, QUOTA_REQUEST, &c, 0));
    assert_null(quotas_hold(NULL, QUOTA_REQUEST, &c, 0));
    assert_int_equal(quotas_take(NULL, QUOTA_PRODUCE, &c, 1e9, 0), 0);
    set("v", NULL, "request_percentage", 1);
    assert_null(quotas_hold(q, QUOTA_REQUEST, &c, 0));
    struct quota_bucket *none = NULL;
    quotas_release(q, &none, 5, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(limit__kafkas_order),
        T(limit__each_kind_apart),
        T(limit__address__not_measured),
        T(take__a_burst_is_free_then_the_debt_is_waited_for),
        T(take__far_beyond__the_debt_is_bounded),
        T(share__a_users_quota_is_for_all_his_clients),
        T(share__defaults_are_for_each_apart),
        T(change__a_new_limit_applies_at_once),
        T(buckets__many_clients__the_longest_unused_make_room),
        T(hold__nothing_limits__null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
