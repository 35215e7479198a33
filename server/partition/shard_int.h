/* Private to partition/. */
#ifndef SLUICE_PARTITION_SHARD_INT_H
#define SLUICE_PARTITION_SHARD_INT_H

#include "partition/live.h"
#include "partition/shard.h"
#include "partition/tail_cache.h"

enum { SHARD_CALL_TIMEOUT_MS = 60000 }; /* of what nobody waits for */

/* What hangs on part_state.user: who sleeps on the partition. */
struct partition {
    struct list waiters; /* of part_waiter */
    struct list awake;   /* on shard.awake while its waiters are due */
    struct part_state *st;
    struct live_part live;
    struct { /* compactions that failed, one after the other, and when the next may be tried */
        int64_t not_before_ns;
        unsigned count;
    } failed;
};

struct roller {
    struct list jobs;
    size_t job_count;
    struct sched_timer tick;
    struct sched_task kick;
    bool is_kicked, is_running;
    unsigned turn;
    uint64_t pass_at; /* live bytes at the next look before a tick */
    /* roll_scan.c */
    struct list reads;
    size_t read_count, read_bytes;
    struct sched_task scan;
    bool is_scan_posted;
    int64_t own_ns, foreign_ns; /* last entry of this broker, of another one */
    int64_t published_ns, applied_ns;
    int lag_pm;
};

/* Objects that nobody refers to, being deleted. */
struct garbage_round;
struct compact_job;
struct upkeep;
struct resume;

struct shard {
    struct shard_options o;
    struct journal *journal;
    struct state *state;
    struct tail_cache tail;
    struct list awake; /* partitions whose end moved while an entry was applied */
    enum journal_mode mode;
    size_t loads; /* reads that wait for the store */
    struct {
        struct list ready, waiting; /* loads; the latter have to be allowed to go on */
        struct sched_task task;
        struct sched_timer timer;
        bool is_posted;
    } turns;
    struct resume *resumes; /* NULL: none */
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
    struct live live;
    struct roller roll;
    struct garbage_round *garbage; /* under way, or NULL */
    struct {
        uint64_t last_id; /* the next round begins behind it */
        bool has_failed;  /* since they began with the first */
        unsigned fails;   /* passes, one after the other */
        int64_t not_before_ns;
    } garbage_pass;
    struct upkeep *upkeep;       /* NULL: not started */
    struct compact_job *compact; /* under way, or NULL */
};

void shard__wake(struct shard *sh);
/* Made when it is first asked for. */
struct partition *shard__partition_of(struct part_state *p);
/* expiry.c */
void shard__expiry_start(struct shard *sh);
void shard__expiry_stop(struct shard *sh);
/* roller.c */
void shard__roller_init(struct shard *sh);
void shard__roller_start(struct shard *sh);
void shard__roller_stop(struct shard *sh);
bool shard__roller_is_idle(const struct shard *sh);
void shard__roller_fini(struct shard *sh);
/* An entry is about to be applied. */
void shard__roller_entry(struct shard *sh, const struct entry_header *h);
void shard__roller_appended(struct shard *sh, struct part_state *p, uint32_t length);
/* Its live runs changed otherwise. */
void shard__roller_changed(struct shard *sh, struct part_state *p);
void shard__roller_gone(struct shard *sh, struct partition *part);
/* S was read anew. */
void shard__roller_restored(struct shard *sh);
/* garbage.c: looks for what is old enough. patience: how many times the grace period. */
void shard__garbage_look(struct shard *sh, int64_t patience);
/* upkeep.c: retention, and what is to be compacted. */
void shard__upkeep_start(struct shard *sh);
void shard__upkeep_stop(struct shard *sh);
bool shard__upkeep_is_idle(const struct shard *sh);
void shard__upkeep_fini(struct shard *sh);
/* A compaction is over. */
void shard__upkeep_compacted(struct shard *sh, bool is_fine);

#endif
