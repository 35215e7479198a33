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
    size_t loads; /* reads that wait for the store */
    /* readers that wait for what another broker may write */
    size_t waiter_count;
    struct sched_timer poll;
    struct journal_waiter poll_waiter;
    bool is_polling;
    struct {
        struct sched_timer timer;
        struct op_proposal op;
        bool is_busy;
    } expiry;
};

void shard__wake(struct shard *sh);
/* expiry.c */
void shard__expiry_start(struct shard *sh);
void shard__expiry_stop(struct shard *sh);

#endif
