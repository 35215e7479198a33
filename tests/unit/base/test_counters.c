/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"
#include "base/counters.h"
#include "base/diag.h"

#include <pthread.h>
#include <string.h>

enum { THREADS = 4, ADDS = 50000 };

static void *
count(void *arg)
{
    (void)arg;
    for (int i = 0; i < ADDS; i++) {
        counter_add(C_net_bytes_in, 3);
        counter_add(C_net_connections_open, i % 2 == 0 ? 1 : -1);
    }
    return NULL;
}

static void
sum__several_threads_that_ended__counts_all(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int64_t sums[COUNTER_COUNT];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
    }
    counters_sum(sums); /* while they run: whatever it gives, it must be safe */
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    counter_add(C_net_bytes_in, 1);
    counters_sum(sums);
    assert_int_equal(sums[C_net_bytes_in], 3 * THREADS * ADDS + 1);
    assert_int_equal(sums[C_net_connections_open], 0);
    assert_int_equal(sums[C_net_bytes_out], 0);
}

static char logged[4096];

static void
capture(void *arg, const char *line, size_t len)
{
    size_t at = strlen(logged);
    (void)arg;
    assert_true(at + len < sizeof(logged));
    memcpy(logged + at, line, len);
}

static void
log__only_what_was_counted(void **state)
{
    (void)state;
    diag_set_sink(capture, NULL);
    counter_add(C_store_puts, 5);
    counters_log();
    assert_non_null(strstr(logged, " INFO counter name=store_puts value=5 unit=requests\n"));
    assert_null(strstr(logged, "store_gets"));
}

static void
table__each_row__has_a_name_of_its_own_a_unit_and_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        assert_true(counter_table[i].name[0] != '\0');
        assert_true(counter_table[i].unit[0] != '\0');
        assert_true(counter_table[i].help[0] != '\0');
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(counter_table[i].name, counter_table[k].name);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sum__several_threads_that_ended__counts_all),
        cmocka_unit_test(log__only_what_was_counted),
        cmocka_unit_test(table__each_row__has_a_name_of_its_own_a_unit_and_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
