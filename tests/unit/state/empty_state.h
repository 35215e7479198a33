/* SPDX-License-Identifier: Apache-2.0
 *
 * A test that begins with an empty state, and ends with one that holds together. */
#ifndef SLUICE_TESTS_EMPTY_STATE_H
#define SLUICE_TESTS_EMPTY_STATE_H

#include "group_fixture.h"

static struct state *st;

static inline int
setup(void **unused)
{
    (void)unused;
    st = state_new();
    return 0;
}

static inline int
teardown(void **unused)
{
    (void)unused;
    state_check(st);
    state_destroy(&st);
    return 0;
}

#endif
