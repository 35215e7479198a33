/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to the assignors. */
#ifndef SLUICE_GROUP_ASSIGNOR_INT_H
#define SLUICE_GROUP_ASSIGNOR_INT_H

#include "group/assignor.h"

/* A topic's subscribers, and where its partitions begin among the owners. */
struct assign_topic {
    size_t first;      /* index of partition 0 in owners */
    int32_t count;     /* partitions */
    uint32_t *members; /* indexes, ascending */
    size_t member_count;
};

/* Gives an array of spec->topic_count; free with group__topics_free. */
struct assign_topic *group__topics_new(const struct assign_spec *spec);
void group__topics_free(struct assign_topic **topics);

void group__assign_range(const struct assign_spec *spec, const struct assign_topic *topics,
                         int32_t *owners);
void group__assign_uniform(const struct assign_spec *spec, const struct assign_topic *topics,
                           int32_t *owners);
/* For members that differ in what they are subscribed to. */
void group__assign_uneven(const struct assign_spec *spec, const struct assign_topic *topics,
                          int32_t *owners);

#endif
