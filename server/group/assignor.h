/* SPDX-License-Identifier: Apache-2.0
 *
 * Who of a group gets which partition: the assignors that Kafka's coordinator has, by the names
 * that clients ask for.
 *
 * An assignment is one array with an entry for each partition, so no partition can have two owners.
 * The assignors are pure: no clock, no randomness; the same question has the same answer.
 *
 * uniform  balance first, then stickiness: members with the same subscription differ by at most
 *          one partition, and of the many balanced assignments one is taken that moves the fewest.
 *          With different subscriptions nothing can be moved, directly or through others, that
 *          would make two members more alike.
 * range    each topic is cut into as many contiguous ranges as it has subscribers, in the order of
 *          members: static ones first, by instance id, then the others by member id. Members with
 *          the same subscription get the same ranges of topics that are equally long.
 *
 * Threads: plain functions. */
#ifndef SLUICE_GROUP_ASSIGNOR_H
#define SLUICE_GROUP_ASSIGNOR_H

#include "base/span.h"

enum assignor { ASSIGNOR_UNIFORM, ASSIGNOR_RANGE, ASSIGNOR_COUNT };

/* "uniform", "range" */
const char *assignor_name(enum assignor a);
/* False when there is none of this name. */
bool assignor_parse(struct span name, enum assignor *ret);

struct assign_member {
    struct span id, instance_id; /* instance_id.ptr NULL: not static */
    const uint32_t *topics;      /* ascending indexes of spec.partitions */
    size_t topic_count;
};
struct assign_spec {
    const struct assign_member *members;
    size_t member_count;
    const int32_t *partitions; /* how many each topic has */
    size_t topic_count;
};

enum { ASSIGN_NOBODY = -1 };

/* How long the array of owners is: the partitions of the first topic, then those of the second...
 */
size_t assign_partition_count(const struct assign_spec *spec);
/* owners: in, the member (its index) that each partition has been assigned to; out, the one that it
 * is assigned to. ASSIGN_NOBODY where nobody is subscribed. */
void assignor_run(enum assignor a, const struct assign_spec *spec, int32_t *owners);

#endif
