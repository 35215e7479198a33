/* SPDX-License-Identifier: Apache-2.0
 *
 * Topics that are deleted and made again, their configuration, client quotas. */
#include "empty_state.h"

#include <math.h>

static void
delete_topic(struct state *s, uint8_t tag)
{
    struct bytes b;
    struct uuid id = id_of(tag);
    bytes_init(&b, 64);
    op_encode_topic_delete(&b, &id, 1);
    apply_ok(s, ITEM_TOPIC_DELETE, &b);
    state_check(s);
}

static void
finish_topic(struct state *s, uint8_t tag)
{
    struct bytes b;
    struct uuid id = id_of(tag);
    bytes_init(&b, 64);
    op_encode_topic_deleted(&b, &id, 1);
    apply_ok(s, ITEM_TOPIC_DELETED, &b);
    state_check(s);
}

static enum sl_err
create_at(struct state *s, uint16_t tag, const char *name, uint32_t incarnation)
{
    struct bytes b;
    struct sl_error err = SL_ERROR_INIT;
    uint32_t journal = 0;
    struct topic_spec spec = {.id = id_of((uint8_t)tag),
                              .name = span_cstr(name),
                              .incarnation = incarnation,
                              .partition_count = 1,
                              .journals = &journal};
    put_u16(spec.id.b + 4, tag);
    bytes_init(&b, 1 << 20);
    op_encode_topics_create(&b, &spec, 1);
    enum sl_err rc = apply_at(s, 1, 1000, ITEM_TOPICS_CREATE, bytes_span(&b), &err);
    bytes_fini(&b);
    return rc;
}

static struct state *
copy_of(const struct state *from)
{
    struct bytes b;
    struct sl_error err = SL_ERROR_INIT;
    bytes_init(&b, 1 << 24);
    state_snapshot(from, &b);
    struct state *copy = state_new();
    if (state_restore(copy, bytes_span(&b), &err) != SL_OK) {
        fail_msg("%s", err.msg);
    }
    bytes_fini(&b);
    state_check(copy);
    return copy;
}

/* --- deletion --- */

static void
delete__the_name_is_free__the_id_stays_until_done(void **unused)
{
    (void)unused;
    size_t pos = 0;
    struct uuid id = id_of(1);
    create_topic(st, 1, "a.b", 3);
    assert_int_equal(state_check_topic(st, span_cstr("a.b")), SL_ETOPIC_EXISTS);
    delete_topic(st, 1);
    delete_topic(st, 1);
    assert_null(state_find_topic(st, span_cstr("a.b")));
    assert_null(state_next_topic(st, &pos));
    assert_int_equal(state_check_topic(st, span_cstr("a_b")), SL_OK);
    pos = 0;
    const struct topic_state *t = state_next_deleting(st, &pos);
    assert_ptr_equal(t, state_find_topic_id(st, &id));
    assert_true(t->is_deleting);
    assert_int_equal(t->deleting_ms, 1000);
    assert_int_equal(t->partition_count, 3);
    assert_int_equal(t->journals[2], 2);
    finish_topic(st, 1);
    finish_topic(st, 1);
    assert_null(state_find_topic_id(st, &id));
    pos = 0;
    assert_null(state_next_deleting(st, &pos));
}

static void
delete__made_again_before_it_is_done__two_incarnations(void **unused)
{
    (void)unused;
    struct uuid id = id_of(1);
    char dir[TOPIC_DIR_MAX];
    create_topic(st, 1, "t", 1);
    assert_int_equal(state_next_incarnation(st, span_cstr("t2")), 0);
    delete_topic(st, 1);
    assert_int_equal(state_next_incarnation(st, span_cstr("t")), 1);
    assert_int_equal(create_at(st, 2, "t", 0), SL_ECORRUPT);
    assert_int_equal(create_at(st, 2, "t", 1), SL_OK);
    assert_int_equal(state_find_topic(st, span_cstr("t"))->incarnation, 1);
    finish_topic(st, 1);
    assert_null(state_find_topic_id(st, &id));
    assert_non_null(state_find_topic(st, span_cstr("t")));
    topic_dir_name(span_cstr("t"), 0, dir, sizeof(dir));
    assert_string_equal(dir, "t");
    topic_dir_name(span_cstr("t"), 12, dir, sizeof(dir));
    assert_string_equal(dir, "t~12");
}

static void
deleted__of_what_was_not_deleted__contradicts(void **unused)
{
    (void)unused;
    struct bytes b;
    struct sl_error err = SL_ERROR_INIT;
    struct uuid id = id_of(1);
    create_topic(st, 1, "t", 1);
    bytes_init(&b, 64);
    op_encode_topic_deleted(&b, &id, 1);
    assert_int_equal(apply_at(st, 1, 1, ITEM_TOPIC_DELETED, bytes_span(&b), &err), SL_ECORRUPT);
    bytes_fini(&b);
}

static void
snapshot__deleting_topics_and_past_names_come_back(void **unused)
{
    (void)unused;
    struct uuid id = id_of(1);
    create_topic(st, 1, "t", 2);
    delete_topic(st, 1);
    assert_int_equal(create_at(st, 2, "t", 1), SL_OK);
    create_topic(st, 3, "gone", 2);
    delete_topic(st, 3);
    finish_topic(st, 3);
    struct state *copy = copy_of(st);
    assert_true(state_find_topic_id(copy, &id)->is_deleting);
    assert_int_equal(state_find_topic_id(copy, &id)->deleting_ms, 1000);
    assert_int_equal(state_find_topic(copy, span_cstr("t"))->incarnation, 1);
    assert_int_equal(state_next_incarnation(copy, span_cstr("gone")), 1);
    assert_int_equal(state_next_incarnation(copy, span_cstr("t")), 1);
    assert_int_equal(state_next_incarnation(copy, span_cstr("new")), 0);
    state_destroy(&copy);
}

static void
make_and_delete(struct state *s, uint16_t i, uint32_t least)
{
    char name[32];
    struct bytes b;
    struct uuid id = id_of((uint8_t)i);
    (void)snprintf(name, sizeof(name), "n%u", (unsigned)i);
    put_u16(id.b + 4, i);
    uint32_t next = state_next_incarnation(s, span_cstr(name));
    assert_int_equal(create_at(s, i, name, next > least ? next : least), SL_OK);
    bytes_init(&b, 64);
    op_encode_topic_delete(&b, &id, 1);
    apply_ok(s, ITEM_TOPIC_DELETE, &b);
}

/* More names than are remembered: no directory is ever used twice all the same. */
static void
delete__more_names_than_are_remembered__others_begin_above(void **unused)
{
    (void)unused;
    for (uint16_t i = 0; i <= 10000; i++) {
        make_and_delete(st, i, i == 1 ? 7 : 0);
    }
    assert_int_equal(state_next_incarnation(st, span_cstr("n10000")), 1);
    assert_int_equal(state_next_incarnation(st, span_cstr("n0")), 1); /* forgotten */
    assert_int_equal(state_next_incarnation(st, span_cstr("fresh")), 1);
    struct state *copy = copy_of(st);
    make_and_delete(st, 10001, 0);
    make_and_delete(copy, 10001, 0);
    assert_int_equal(state_next_incarnation(st, span_cstr("fresh")), 8);
    assert_int_equal(state_next_incarnation(copy, span_cstr("fresh")), 8);
    assert_int_equal(state_next_incarnation(copy, span_cstr("n1")), 8);
    assert_int_equal(state_next_incarnation(copy, span_cstr("n2")), 1);
    state_destroy(&copy);
}

/* --- configuration --- */

static void
config_op(const struct topic_config_op *op)
{
    struct bytes b;
    bytes_init(&b, 1 << 20);
    assert_int_equal(op_encode_topic_config(&b, op, 1), SL_OK);
    apply_ok(st, ITEM_TOPIC_CONFIG, &b);
}

static const char *
config_of(const struct state *s, const char *topic, const char *name)
{
    const struct topic_state *t = state_find_topic(s, span_cstr(topic));
    for (size_t i = 0; i < t->config_count; i++) {
        if (strcmp(t->configs[i].name, name) == 0) {
            return t->configs[i].value;
        }
    }
    return NULL;
}

static void
config__set_change_remove_replace(void **unused)
{
    (void)unused;
    const struct topic_config_change set[2] = {{span_cstr("a"), span_cstr("1")},
                                               {span_cstr("b"), span_cstr("")}};
    const struct topic_config_change change[2] = {{span_cstr("a"), span_cstr("2")},
                                                  {span_cstr("b"), {NULL, 0}}};
    const struct topic_config_change other = {span_cstr("c"), span_cstr("3")};
    create_topic(st, 1, "t", 1); /* with retention.ms = 5 */
    config_op(&(struct topic_config_op){id_of(1), false, set, 2});
    assert_string_equal(config_of(st, "t", "a"), "1");
    assert_string_equal(config_of(st, "t", "b"), "");
    assert_string_equal(config_of(st, "t", "retention.ms"), "5");
    config_op(&(struct topic_config_op){id_of(1), false, change, 2});
    assert_string_equal(config_of(st, "t", "a"), "2");
    assert_null(config_of(st, "t", "b"));
    struct state *copy = copy_of(st);
    assert_string_equal(config_of(copy, "t", "a"), "2");
    state_destroy(&copy);
    config_op(&(struct topic_config_op){id_of(1), true, &other, 1});
    assert_null(config_of(st, "t", "a"));
    assert_null(config_of(st, "t", "retention.ms"));
    assert_string_equal(config_of(st, "t", "c"), "3");
    config_op(&(struct topic_config_op){id_of(9), true, &other, 1}); /* no such topic: nothing */
}

static void
config__too_many_or_too_long__kept_out(void **unused)
{
    (void)unused;
    struct bytes b;
    static char big[TOPIC_CONFIG_BYTES_MAX + 1];
    char name[16];
    struct topic_config_change ch = {span_cstr("a"), span_of(big, sizeof(big))};
    struct topic_config_op op = {id_of(1), false, &ch, 1};
    create_topic(st, 1, "t", 1);
    bytes_init(&b, 1 << 20);
    assert_int_equal(op_encode_topic_config(&b, &op, 1), SL_ETOO_LARGE);
    assert_int_equal(b.len, 0);
    bytes_fini(&b);
    for (int i = 0; i < TOPIC_CONFIGS_MAX + 5; i++) {
        (void)snprintf(name, sizeof(name), "k%d", i);
        ch = (struct topic_config_change){span_cstr(name), span_cstr("v")};
        config_op(&op);
    }
    assert_int_equal(state_find_topic(st, span_cstr("t"))->config_count, TOPIC_CONFIGS_MAX);
}

/* --- quotas --- */

static void
quota_op(struct state *s, const struct quota_entity *e, const char *key, double value)
{
    struct bytes b;
    const struct quota_value v = {span_cstr(key), value, value == 0};
    const struct quota_op op = {*e, &v, 1};
    bytes_init(&b, 1 << 16);
    assert_int_equal(op_encode_quotas(&b, &op, 1), SL_OK);
    apply_ok(s, ITEM_QUOTA, &b);
}

static double
quota_of(const struct state *s, const struct quota_entity *e, const char *key)
{
    const struct quota_state *q = state_find_quota(s, e);
    for (uint32_t i = 0; q != NULL && i < q->value_count; i++) {
        if (span_eq(q->values[i].key, span_cstr(key))) {
            return q->values[i].value;
        }
    }
    return -1;
}

static void
quota__put_change_remove(void **unused)
{
    (void)unused;
    size_t pos = 0;
    const struct quota_entity anna = {.user_part = QUOTA_NAMED, .user = span_cstr("anna")};
    const struct quota_entity all = {.user_part = QUOTA_DEFAULT};
    const struct quota_entity both = {.user_part = QUOTA_NAMED,
                                      .user = span_cstr("anna"),
                                      .client_part = QUOTA_NAMED,
                                      .client_id = span_cstr("x")};
    quota_op(st, &anna, "producer_byte_rate", 1024.5);
    quota_op(st, &anna, "consumer_byte_rate", 7);
    quota_op(st, &all, "request_percentage", 50);
    quota_op(st, &both, "producer_byte_rate", 3);
    assert_true(quota_of(st, &anna, "producer_byte_rate") == 1024.5);
    assert_true(quota_of(st, &both, "producer_byte_rate") == 3);
    assert_true(quota_of(st, &all, "producer_byte_rate") == -1);
    quota_op(st, &anna, "producer_byte_rate", 9);
    struct state *copy = copy_of(st);
    assert_true(quota_of(copy, &anna, "producer_byte_rate") == 9);
    assert_true(quota_of(copy, &anna, "consumer_byte_rate") == 7);
    assert_true(quota_of(copy, &all, "request_percentage") == 50);
    state_destroy(&copy);
    quota_op(st, &anna, "producer_byte_rate", 0);
    quota_op(st, &anna, "no such", 0);
    assert_int_equal(state_find_quota(st, &anna)->value_count, 1);
    quota_op(st, &anna, "consumer_byte_rate", 0);
    assert_null(state_find_quota(st, &anna));
    assert_non_null(state_next_quota(st, &pos));
    assert_non_null(state_next_quota(st, &pos));
    assert_null(state_next_quota(st, &pos));
}

static void
quota__senseless__refused(void **unused)
{
    (void)unused;
    struct bytes b;
    static char big[QUOTA_NAME_MAX + 1];
    const struct quota_entity nobody = {0};
    const struct quota_entity all = {.user_part = QUOTA_DEFAULT};
    const struct quota_entity long_name = {.user_part = QUOTA_NAMED,
                                           .user = span_of(big, sizeof(big))};
    const struct quota_value fine = {span_cstr("k"), 1, false};
    const struct quota_value bad[4] = {{span_cstr("k"), 0, false},
                                       {span_cstr("k"), -1, false},
                                       {span_cstr("k"), INFINITY, false},
                                       {span_cstr(""), 1, false}};
    bytes_init(&b, 1 << 16);
    const struct quota_op ops[2] = {{nobody, &fine, 1}, {long_name, &fine, 1}};
    assert_int_equal(op_encode_quotas(&b, &ops[0], 1), SL_EINVAL);
    assert_int_equal(op_encode_quotas(&b, &ops[1], 1), SL_EINVAL);
    for (int i = 0; i < 4; i++) {
        const struct quota_op op = {all, &bad[i], 1};
        assert_int_equal(op_encode_quotas(&b, &op, 1), SL_EINVAL);
    }
    assert_int_equal(b.len, 0);
    bytes_fini(&b);
}

/* --- events --- */

struct told {
    int changed, deleting, deleted, quotas, removed;
};
static void
told_changed(void *arg, struct topic_state *t)
{
    (void)t;
    ((struct told *)arg)->changed++;
}
static void
told_deleting(void *arg, struct topic_state *t)
{
    assert_true(t->is_deleting);
    ((struct told *)arg)->deleting++;
}
static void
told_deleted(void *arg, struct topic_state *t)
{
    assert_string_equal(t->name, "t");
    ((struct told *)arg)->deleted++;
}
static void
told_quota(void *arg, const struct quota_state *q, bool is_removed)
{
    struct told *t = arg;
    assert_int_equal(q->value_count == 0, is_removed);
    t->quotas += !is_removed;
    t->removed += is_removed;
}

static void
events__each_change_is_told(void **unused)
{
    (void)unused;
    static const struct state_events events = {.topic_changed = told_changed,
                                               .topic_deleting = told_deleting,
                                               .topic_deleted = told_deleted,
                                               .quota_changed = told_quota};
    struct told told = {0};
    const struct topic_config_change ch = {span_cstr("a"), span_cstr("1")};
    const struct quota_entity all = {.ip_part = QUOTA_DEFAULT};
    state_set_events(st, &events, &told);
    create_topic(st, 1, "t", 1);
    config_op(&(struct topic_config_op){id_of(1), false, &ch, 1});
    assert_int_equal(told.changed, 2);
    delete_topic(st, 1);
    finish_topic(st, 1);
    assert_int_equal(told.deleting, 1);
    assert_int_equal(told.deleted, 1);
    quota_op(st, &all, "k", 1);
    quota_op(st, &all, "k", 0);
    assert_int_equal(told.quotas, 1);
    assert_int_equal(told.removed, 1);
    state_set_events(st, NULL, NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(delete__the_name_is_free__the_id_stays_until_done),
        T(delete__made_again_before_it_is_done__two_incarnations),
        T(deleted__of_what_was_not_deleted__contradicts),
        T(snapshot__deleting_topics_and_past_names_come_back),
        T(delete__more_names_than_are_remembered__others_begin_above),
        T(config__set_change_remove_replace),
        T(config__too_many_or_too_long__kept_out),
        T(quota__put_change_remove),
        T(quota__senseless__refused),
        T(events__each_change_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
