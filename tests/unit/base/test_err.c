/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "base/err.h"

#include <errno.h>
#include <string.h>

static void
text_and_name__every_code__have_one_of_their_own(void **state)
{
    (void)state;
    for (int rc = 0; rc < SL_ERR_COUNT; rc++) {
        assert_true(sl_err_text((enum sl_err)rc)[0] != '\0');
        for (int other = 0; other < rc; other++) {
            assert_string_not_equal(sl_err_name((enum sl_err)rc), sl_err_name((enum sl_err)other));
        }
    }
    assert_string_equal(sl_err_name(SL_EIO), "SL_EIO");
}

static void
text__no_code_of_ours__is_still_a_sentence(void **state)
{
    (void)state;
    assert_non_null(sl_err_text((enum sl_err)9999));
    assert_non_null(sl_err_text((enum sl_err) - 1));
    assert_non_null(sl_err_name((enum sl_err) - 1));
}

static void
from_errno__what_an_operator_must_tell_apart__stays_apart(void **state)
{
    (void)state;
    assert_int_equal(sl_err_from_errno(0), SL_OK);
    assert_int_equal(sl_err_from_errno(ENOSPC), SL_ENOSPC);
    assert_int_equal(sl_err_from_errno(EDQUOT), SL_ENOSPC);
    assert_int_equal(sl_err_from_errno(EROFS), SL_EDENIED);
    assert_int_equal(sl_err_from_errno(EACCES), SL_EDENIED);
    assert_int_equal(sl_err_from_errno(ENOENT), SL_ENOENT);
    assert_int_equal(sl_err_from_errno(EIO), SL_EIO);
    assert_int_equal(sl_err_from_errno(ENOTTY), SL_EIO);
}

static void
set__formats_and_gives_the_code_back(void **state)
{
    (void)state;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(sl_error_set(&err, SL_EINVAL, "bad %s %d", "key", 7), SL_EINVAL);
    assert_int_equal(err.code, SL_EINVAL);
    assert_int_equal(err.sys_errno, 0);
    assert_string_equal(err.msg, "bad key 7");
    assert_int_equal(sl_error_set(NULL, SL_EIO, "nobody listens"), SL_EIO);
}

static void
sys__appends_what_the_system_says(void **state)
{
    (void)state;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(sl_error_sys(&err, ENOSPC, "writing %s", "volume-3"), SL_ENOSPC);
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_string_equal(err.msg, "writing volume-3: No space left on device");
    assert_int_equal(sl_error_sys(NULL, EACCES, "x"), SL_EDENIED);
}

static void
set__message_too_long__is_cut_and_terminated(void **state)
{
    (void)state;
    char big[1000];
    memset(big, 'x', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    struct sl_error err = SL_ERROR_INIT;
    (void)sl_error_sys(&err, EIO, "%s", big);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_name__every_code__have_one_of_their_own),
        cmocka_unit_test(text__no_code_of_ours__is_still_a_sentence),
        cmocka_unit_test(from_errno__what_an_operator_must_tell_apart__stays_apart),
        cmocka_unit_test(set__formats_and_gives_the_code_back),
        cmocka_unit_test(sys__appends_what_the_system_says),
        cmocka_unit_test(set__message_too_long__is_cut_and_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
