/* SPDX-License-Identifier: Apache-2.0
 *
 * cmocka with the headers it wants before it, in an order that the formatter must not touch. */
#ifndef SLUICE_UNIT_H
#define SLUICE_UNIT_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
