/* SPDX-License-Identifier: Apache-2.0
 *
 * Folder-private: a set of partitions, and what brokers know of each: every question goes to the
 * leaders, one request for all partitions of one broker. A partition that cannot be asked has its
 * error, and -1 where a number would be.
 *
 * Threads: the main thread. Lifetime: a run's. */
#ifndef SLUICE_CLI_PARTS_INT_H
#define SLUICE_CLI_PARTS_INT_H

#include "cli/admin_int.h"

enum cli__offset { CLI__START, CLI__END, CLI__TIME, CLI__COMMITTED, CLI__OFFSETS };

struct cli__part {
    struct span topic;
    int32_t partition;
    int32_t leader; /* -1: not known */
    int16_t error;  /* Kafka's code of the last question; 0: none */
    int64_t at[CLI__OFFSETS];
    int64_t size_bytes;
};

struct cli__parts {
    struct cli__part *items; /* ascending by topic and partition */
    size_t count;
};

/* Room for max partitions. */
void cli__parts_init(struct cli__admin *a, size_t max, struct cli__parts *ret);
/* Adds one that is not there yet; there has to be room. */
struct cli__part *cli__parts_add(struct cli__parts *ps, struct span topic, int32_t partition);
void cli__parts_sort(struct cli__parts *ps);
/* NULL: not there. They have to be sorted. */
struct cli__part *cli__parts_find(const struct cli__parts *ps, struct span topic,
                                  int32_t partition);
/* All partitions of a topic. */
void cli__parts_of(struct cli__admin *a, const struct metadata_response_topic *t,
                   struct cli__parts *ret);

/* False after saying what is wrong, when brokers cannot be asked at all. timestamp: -2 the start,
 * -1 the end, else the first record of that time or later. */
MUST_CHECK bool cli__parts_leaders(struct cli__admin *a, struct cli__parts *ps);
MUST_CHECK bool cli__parts_offsets(struct cli__admin *a, struct cli__parts *ps,
                                   enum cli__offset which, int64_t timestamp);
/* Bytes of each; -1 where the broker does not tell. */
MUST_CHECK bool cli__parts_sizes(struct cli__admin *a, struct cli__parts *ps);

/* "orders, partition 3" in a buffer of the run. */
const char *cli__part_name(struct cli__admin *a, const struct cli__part *p);

#endif
