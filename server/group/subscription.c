/* SPDX-License-Identifier: Apache-2.0
 *
 * What consumers say when they join: Kafka's ConsumerProtocolSubscription,
 *
 *     version i16 | topics: count i32, each a string (length i16, bytes) | user data | ...
 *
 * Every version begins like this, and nothing behind it is of interest here. */
#include "base/cursor.h"
#include "group/classic_int.h"

enum { TOPIC_BYTES_MIN = 2, TOPICS_MAX = 1 << 20 };

/* Gives the number of topics and leaves c at the first; false when it cannot be read. */
static bool
open_topics(struct span metadata, struct cursor *c, uint32_t *ret_count)
{
    *c = cursor_of(metadata);
    int16_t version = cursor_i16(c);
    *ret_count = cursor_count(c, TOPIC_BYTES_MIN);
    return !c->is_bad && version >= 0 && *ret_count <= TOPICS_MAX;
}

static struct span
next_topic(struct cursor *c)
{
    uint16_t len = cursor_u16(c);
    return cursor_span(c, len);
}

bool
subscription_has(struct span metadata, struct span topic)
{
    struct cursor c;
    uint32_t count;
    if (!open_topics(metadata, &c, &count)) {
        return true;
    }
    for (uint32_t i = 0; i < count && !c.is_bad; i++) {
        if (span_eq(next_topic(&c), topic)) {
            return true;
        }
    }
    return c.is_bad;
}

/* Clients list topics in the order of a hash table, which differs from run to run. */
static bool
has_all(struct span these, struct span those)
{
    struct cursor c;
    uint32_t count;
    if (!open_topics(those, &c, &count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct span topic = next_topic(&c);
        if (c.is_bad || !subscription_has(these, topic)) {
            return false;
        }
    }
    return true;
}

bool
subscription_same_topics(struct span a, struct span b)
{
    return has_all(a, b) && has_all(b, a);
}
