/* SPDX-License-Identifier: Apache-2.0
 *
 * What a group has to know of the topics of the cluster, asked of whoever knows it.
 *
 * Threads: the functions are called on the loops of group tables, several at a time. */
#ifndef SLUICE_GROUP_CONSUMER_TOPICS_H
#define SLUICE_GROUP_CONSUMER_TOPICS_H

#include "base/uuid.h"

struct consumer_topic {
    struct uuid id;
    struct span name; /* borrowed for the call */
    int32_t partition_count;
};

typedef void (*consumer_topic_fn)(void *to, const struct consumer_topic *t);

struct consumer_topics {
    /* Are all topics known? False while they are still being read: a group that believed that its
     * topics are gone would take everything away from its members. */
    bool (*is_complete)(void *arg);
    /* Another number whenever some topic came, went or grew; never 0. */
    uint64_t (*version)(void *arg);
    /* Calls see with the topic, or not at all. */
    void (*find)(void *arg, struct span name, consumer_topic_fn see, void *to);
    void (*find_id)(void *arg, const struct uuid *id, consumer_topic_fn see, void *to);
    /* Calls see with every topic, in the order of names. */
    void (*each)(void *arg, consumer_topic_fn see, void *to);
    void *arg;
};

#endif
