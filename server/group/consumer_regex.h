/* SPDX-License-Identifier: Apache-2.0
 *
 * The regular expressions that members subscribe with (KIP-848, subscribed_topic_regex).
 *
 * Kafka uses RE2, whose time is linear. This is PCRE2, which backtracks, held in check: an
 * expression that RE2 refuses (back references, look-around, recursion, atomic groups, possessive
 * quantifiers, conditions, verbs, \C) is refused here too, and matching stops at a bound of steps
 * and of memory. What the bound stops, RE2 would match: that is the difference, and it is an error
 * that the client is told of.
 *
 * An expression has to match the whole name of a topic.
 *
 * Threads: an expression belongs to one loop (it has its match data with it). */
#ifndef SLUICE_GROUP_CONSUMER_REGEX_H
#define SLUICE_GROUP_CONSUMER_REGEX_H

#include "base/err.h"
#include "base/span.h"

struct regex;

enum { REGEX_PATTERN_MAX = 4096, REGEX_WHY_MAX = 160 };

/* Gives an expression (release with regex_destroy); else SL_EINVAL, and why has a sentence. */
MUST_CHECK enum sl_err regex_new(struct span pattern, struct regex **ret, char why[REGEX_WHY_MAX]);
void regex_destroy(struct regex **re);

enum regex_verdict {
    REGEX_NO,
    REGEX_YES,
    REGEX_TOO_MUCH /* more steps or memory than allowed: the expression is not fit for use */
};
enum regex_verdict regex_match(const struct regex *re, struct span name);

#endif
