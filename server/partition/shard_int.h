/* Private to partition/. */
#ifndef SLUICE_PARTITION_SHARD_INT_H
#define SLUICE_PARTITION_SHARD_INT_H

#include "partition/shard.h"
#include "partition/tail_cache.h"

/* What hangs on part_state.user: who sleeps on the partition. */
struct partition {
    struct list waiters; /* of part_waiter */
    struct list awake;   /* on shard.awake while its waiters are due */
    struct part_state *st;
};

struct shard {
    struct shard_options o;
    struct journal *journal;
    struct state *state;
    struct tail_cache tail;
    struct list awake; /* partitions whose end moved while an entry was applied */
    enum journal_mode mode;
};

void shard__wake(struct shard *sh);
void shard__wake_all(struct shard *sh);

#endif
