/* SPDX-License-Identifier: Apache-2.0
 *
 * The topic directory, as consumer groups ask for it. Threads: as consumer_topics.h says. */
#ifndef SLUICE_API_GROUP_TOPICS_H
#define SLUICE_API_GROUP_TOPICS_H

#include "admin/directory.h"
#include "group/consumer_topics.h"

/* Borrows d, which outlives whoever uses what is given. Partitions that are being opened do not
 * count yet. */
struct consumer_topics group_topics_of(struct directory *d);

#endif
