/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to broker/: the tables of groups. Threads: the main thread, and the shards' loops for
 * their events. */
#ifndef SLUICE_BROKER_GROUPS_INT_H
#define SLUICE_BROKER_GROUPS_INT_H

#include "broker/process_int.h"

void broker__groups_new(struct process *p);
/* Answers whoever waits for a rebalance, for the same reason. */
void broker__groups_stop(struct process *p);
void broker__groups_destroy(struct process *p);
/* From the shards' events. */
void broker__group_mode_changed(struct process *p, uint32_t journal);
void broker__group_changed(void *arg, struct shard *sh, struct group_state *g);
void broker__group_deleted(void *arg, struct shard *sh, struct group_state *g, enum group_gone why);

#endif
