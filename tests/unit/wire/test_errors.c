/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "wire/errors.h"

#include <string.h>

static void
kafka_error_of__every_error_of_ours__is_a_known_code(void **state)
{
    (void)state;
    assert_int_equal(kafka_error_of(SL_OK), KAFKA_NONE);
    for (int rc = SL_OK + 1; rc < SL_ERR_COUNT; rc++) {
        int16_t code = kafka_error_of((enum sl_err)rc);
        if (code == KAFKA_NONE || code == KAFKA_UNKNOWN_SERVER_ERROR) {
            fail_msg("%s has no code of its own in wire/errors.c", sl_err_name((enum sl_err)rc));
        }
        assert_string_not_equal(kafka_error_name(code), "UNKNOWN");
    }
}

static void
kafka_error_of__not_an_error_of_ours__is_unknown_server_error(void **state)
{
    (void)state;
    assert_int_equal(kafka_error_of(SL_ERR_COUNT), KAFKA_UNKNOWN_SERVER_ERROR);
    assert_int_equal(kafka_error_of((enum sl_err)9999), KAFKA_UNKNOWN_SERVER_ERROR);
}

static void
kafka_error_of__outcome_of_a_produce__as_clients_need_it(void **state)
{
    (void)state;
    assert_int_equal(kafka_error_of(SL_ETIMEOUT), 7);
    assert_int_equal(kafka_error_of(SL_ECORRUPT_BATCH), 2);
    assert_int_equal(kafka_error_of(SL_EINVALID_RECORD), 87);
    assert_int_equal(kafka_error_of(SL_ETOO_LARGE), 10);
    assert_int_equal(kafka_error_of(SL_EUNSUPPORTED_COMPRESSION), 76);
    assert_int_equal(kafka_error_of(SL_EINVALID_ACKS), 21);
    assert_int_equal(kafka_error_of(SL_EOUT_OF_ORDER_SEQ), 45);
    assert_int_equal(kafka_error_of(SL_EPRODUCER_EPOCH), 47);
    assert_int_equal(kafka_error_of(SL_EOFFSET_RANGE), 1);
    assert_int_equal(kafka_error_of(SL_EUNKNOWN_PARTITION), 3);
    assert_int_equal(kafka_error_of(SL_EUNKNOWN_TOPIC_ID), 100);
    assert_int_equal(kafka_error_of(SL_EFETCH_SESSION), 70);
}

static void
retriable__a_stalled_store__but_not_a_bad_batch(void **state)
{
    (void)state;
    assert_true(kafka_error_is_retriable(kafka_error_of(SL_EIO)));
    assert_true(kafka_error_is_retriable(kafka_error_of(SL_ETIMEOUT)));
    assert_true(kafka_error_is_retriable(kafka_error_of(SL_EAGAIN)));
    assert_true(kafka_error_is_retriable(kafka_error_of(SL_ECORRUPT_BATCH)));
    assert_false(kafka_error_is_retriable(kafka_error_of(SL_EINVALID_RECORD)));
    assert_false(kafka_error_is_retriable(kafka_error_of(SL_ETOO_LARGE)));
    assert_false(kafka_error_is_retriable(12345));
}

static void
names_and_texts__any_number__never_null(void **state)
{
    (void)state;
    for (int code = -5; code < 200; code++) {
        assert_non_null(kafka_error_name((int16_t)code));
        assert_true(strlen(kafka_error_text((int16_t)code)) > 0);
    }
    assert_string_equal(kafka_error_name(36), "TOPIC_ALREADY_EXISTS");
    assert_string_equal(kafka_error_name(-1), "UNKNOWN_SERVER_ERROR");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kafka_error_of__every_error_of_ours__is_a_known_code),
        cmocka_unit_test(kafka_error_of__not_an_error_of_ours__is_unknown_server_error),
        cmocka_unit_test(kafka_error_of__outcome_of_a_produce__as_clients_need_it),
        cmocka_unit_test(retriable__a_stalled_store__but_not_a_bad_batch),
        cmocka_unit_test(names_and_texts__any_number__never_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
